"""The order of answers on one connection: each cell of the table, and a model against it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from downloader.errors import BadResponse
from downloader.sansio.pipeline import BIG, Fate, Pipeline, Sending, State
from downloader.sansio.wire import MAX_INFORMATIONAL


def at(state: State, answered: int = 0) -> Pipeline[str]:
    """A pipeline in `state`, after so many answers."""
    pipeline: Pipeline[str] = Pipeline()
    for _ in range(answered):
        pipeline.sent("before")
        pipeline.began()
        pipeline.headed(True, 5)
        pipeline.ended()
    if state is State.CLOSED:
        pipeline.lost()
    steps = [State.SENT, State.HEAD, State.BODY]
    for step in steps[: steps.index(state) + 1] if state in steps else []:
        if step is State.SENT:
            pipeline.sent("now")
        elif step is State.HEAD:
            pipeline.began()
        else:
            pipeline.headed(True, 5)
    assert pipeline.state is state
    return pipeline


def finish(pipeline: Pipeline[str]) -> str:
    """Let the answer that is due come to its end, from wherever it stands."""
    if pipeline.state is State.SENT:
        pipeline.began()
    if pipeline.state is State.HEAD:
        pipeline.headed(True, 5)
    return pipeline.ended()


def test_a_request_on_an_idle_connection() -> None:
    """Its answer is the one that is due."""
    pipeline = at(State.IDLE)
    assert pipeline.open and pipeline.current is None
    pipeline.sent("now")
    assert pipeline.state is State.SENT and pipeline.current == "now"


@pytest.mark.parametrize("state", [State.SENT, State.HEAD, State.BODY])
def test_a_request_behind_others_waits_its_turn(state: State) -> None:
    """It changes nothing of the answer that is due, and is due when that has ended."""
    pipeline = at(state)
    pipeline.sent("next")
    assert pipeline.state is state and pipeline.current == "now" and len(pipeline) == 2
    finish(pipeline)
    assert pipeline.state is State.SENT and pipeline.current == "next"
    finish(pipeline)
    assert pipeline.state is State.IDLE and len(pipeline) == 0 and pipeline.answered == 2


@pytest.mark.parametrize("how", ["last", "long", "unknown length"])
def test_nothing_goes_behind_what_may_take_long(how: str) -> None:
    """Until it is answered; then the connection takes requests again."""
    pipeline = at(State.IDLE)
    pipeline.sent("now", last=how == "last")
    pipeline.began()
    pipeline.headed(True, {"last": 5, "long": BIG + 1}.get(how))
    assert not pipeline.open
    pipeline.ended()
    assert pipeline.open


def test_who_is_already_behind_a_long_body_keeps_it_closed() -> None:
    """One that is answered first lets nobody pass: the last of them opens it again."""
    pipeline = at(State.BODY)
    pipeline.sent("long")
    pipeline.sent("behind")
    pipeline.ended()
    pipeline.began()
    pipeline.headed(True, BIG + 1)
    pipeline.ended()
    assert pipeline.current == "behind" and not pipeline.open
    finish(pipeline)
    assert pipeline.open


@pytest.mark.parametrize("why", ["closed", "doubted", "last", "long", "unknown length"])
def test_sent_is_refused(why: str) -> None:
    """A caller that did not ask `open` has a bug, and is told so."""
    pipeline = at(State.CLOSED if why == "closed" else State.HEAD)
    if why == "doubted":
        pipeline.doubt()
    elif why == "last":
        pipeline.sent("now", last=True)
    elif why != "closed":
        pipeline.headed(True, None if why == "unknown length" else BIG + 1)
    assert not pipeline.open
    with pytest.raises(RuntimeError, match="takes no request"):
        pipeline.sent("another")


@pytest.mark.parametrize("state", [State.SENT, State.HEAD])
def test_a_message_may_begin_where_an_answer_is_due(state: State) -> None:
    """Twice too: an informational answer, then the final one."""
    pipeline = at(state)
    pipeline.began()
    assert pipeline.state is State.HEAD


@pytest.mark.parametrize("state", [State.IDLE, State.BODY, State.CLOSED])
def test_a_message_nobody_asked_for_is_refused(state: State) -> None:
    """And its connection is never used again, whatever comes after."""
    pipeline = at(state)
    with pytest.raises(BadResponse, match="nobody asked"):
        pipeline.began()
    assert not pipeline.open
    if state is State.BODY:
        pipeline.ended()
        assert not pipeline.open


def test_an_answer_leaves_the_queue() -> None:
    """Headed, then ended: the exchange is returned and another may follow."""
    pipeline = at(State.HEAD)
    pipeline.headed(True, 5)
    assert pipeline.state is State.BODY
    assert pipeline.ended() == "now"
    assert pipeline.state is State.IDLE and pipeline.open
    assert pipeline.answered == 1 and pipeline.current is None


def test_an_answer_that_says_close_is_the_last() -> None:
    """`persistent` false is remembered past the answer's end."""
    pipeline = at(State.HEAD)
    pipeline.headed(False, 5)
    pipeline.ended()
    assert pipeline.state is State.IDLE and not pipeline.open


def test_a_doubt_is_never_taken_back() -> None:
    """A later head that says keep-alive does not make the connection good again."""
    pipeline = at(State.SENT)
    pipeline.doubt()
    pipeline.began()
    pipeline.headed(True, 5)
    pipeline.ended()
    assert not pipeline.open


@pytest.mark.parametrize(
    "state, answered, fate",
    [
        (State.SENT, 0, Fate.NO_ANSWER),
        (State.SENT, 1, Fate.RESEND),
        (State.HEAD, 0, Fate.PARTIAL_HEAD),
        (State.HEAD, 1, Fate.PARTIAL_HEAD),
        (State.BODY, 0, Fate.PARTIAL_BODY),
        (State.BODY, 1, Fate.PARTIAL_BODY),
    ],
)
def test_a_loss_decides_by_what_had_come(state: State, answered: int, fate: Fate) -> None:
    """Only silence on a connection that had served before may mean: it was closed meanwhile."""
    pipeline = at(state, answered)
    assert pipeline.lost() == [("now", fate)]
    assert pipeline.state is State.CLOSED and not pipeline.open
    assert pipeline.lost() == []


@pytest.mark.parametrize(
    "state, answered, fate",
    [
        (State.SENT, 0, Fate.NO_ANSWER),
        (State.SENT, 1, Fate.RESEND),
        (State.HEAD, 1, Fate.PARTIAL_HEAD),
        (State.BODY, 1, Fate.PARTIAL_BODY),
    ],
)
def test_a_loss_lets_those_behind_be_sent_again(state: State, answered: int, fate: Fate) -> None:
    """Their answers had not begun, whatever had come of the one before them; oldest first."""
    pipeline = at(state, answered)
    for name in "abc":
        pipeline.sent(name)
    pipeline.cancel("b")
    assert pipeline.lost() == [("now", fate), ("a", Fate.RESEND), ("c", Fate.RESEND)]


@pytest.mark.parametrize("state", [State.SENT, State.HEAD, State.BODY])
def test_cancelling_the_one_that_is_due(state: State) -> None:
    """Its transport is to go."""
    pipeline = at(state)
    pipeline.sent("behind")
    assert pipeline.cancel("now")


@pytest.mark.parametrize("state", [State.SENT, State.HEAD, State.BODY])
def test_cancelling_one_behind(state: State) -> None:
    """Its transport is to go when its turn comes, and not before."""
    pipeline = at(state)
    last = "b"
    pipeline.sent("a")
    pipeline.sent(last)
    assert not pipeline.cancel(last) and not pipeline.unwanted
    assert finish(pipeline) == "now" and not pipeline.unwanted
    assert finish(pipeline) == "a" and pipeline.unwanted
    assert pipeline.cancel(last)


@pytest.mark.parametrize("state", [State.SENT, State.HEAD, State.BODY])
def test_giving_up_those_behind(state: State) -> None:
    """They may be sent elsewhere but for those that were cancelled; the connection ends with the
    answer that is due, so that none of theirs is taken for another's."""
    pipeline = at(state)
    for name in "abc":
        pipeline.sent(name)
    pipeline.cancel("a")
    assert pipeline.give_up_rest() == [("b", Fate.RESEND), ("c", Fate.RESEND)]
    assert pipeline.current == "now" and not pipeline.open
    assert finish(pipeline) == "now"
    assert pipeline.current is None and not pipeline.open and not pipeline.unwanted
    with pytest.raises(BadResponse):
        pipeline.began()


@pytest.mark.parametrize("state", [State.IDLE, State.CLOSED])
def test_giving_up_nobody(state: State) -> None:
    """There is none to be sent elsewhere."""
    assert at(state).give_up_rest() == []


@pytest.mark.parametrize("state", [State.IDLE, State.CLOSED])
def test_a_loss_with_nothing_under_way_concerns_nobody(state: State) -> None:
    """An idle connection's end is no failure."""
    pipeline = at(state, 1) if state is State.IDLE else at(state)
    assert pipeline.lost() == []
    assert pipeline.state is State.CLOSED


def test_informational_answers_are_counted_for_each_exchange() -> None:
    """The cap is on one exchange, not on all that a connection ever sees."""
    pipeline = at(State.HEAD)
    for _ in range(MAX_INFORMATIONAL):
        pipeline.informed()
    pipeline.headed(True, 5)
    pipeline.ended()
    pipeline.sent("another")
    pipeline.began()
    for _ in range(MAX_INFORMATIONAL):
        pipeline.informed()
    with pytest.raises(BadResponse, match=str(MAX_INFORMATIONAL)):
        pipeline.informed()


def test_repr_shows_the_state() -> None:
    """What a log line needs."""
    assert repr(at(State.BODY, 2)) == "<Pipeline BODY 1 queued, 2 answered>"


class Model(RuleBasedStateMachine):
    """A list of numbers and a few flags tell the same as the machine, in any order of events."""

    def __init__(self) -> None:
        super().__init__()
        self.pipeline: Pipeline[int] = Pipeline()
        self.under_way: list[int] = []
        self.cancelled: set[int] = set()
        self.begun = self.headed_ = self.gone = False
        self.good = self.taking = True
        self.number = self.answers = 0
        self.sending = Sending.WHOLE

    @precondition(lambda self: not self.gone and self.good and self.taking and self.whole)
    @rule(
        last=st.integers(0, 9).map(lambda n: n == 0),
        sending=st.sampled_from([Sending.WHOLE, Sending.EXPECTING, Sending.BODY]),
    )
    def send(self, last: bool, sending: Sending) -> None:
        self.number += 1
        self.pipeline.sent(self.number, last, sending)
        self.sending = sending
        self.under_way.append(self.number)
        self.taking = not last

    @property
    def whole(self) -> bool:
        return self.sending is Sending.WHOLE

    def stop(self) -> None:
        if not self.whole:
            self.sending, self.good = Sending.STOPPED, False

    @rule()
    def wait_no_more(self) -> None:
        self.pipeline.body_began()
        if self.sending is Sending.EXPECTING:
            self.sending = Sending.BODY

    @rule()
    def finish_body(self) -> None:
        self.pipeline.body_sent()
        if self.sending is Sending.BODY:
            self.sending = Sending.WHOLE

    @precondition(lambda self: self.under_way and not self.headed_)
    @rule()
    def begin(self) -> None:
        self.pipeline.began()
        self.begun = True

    @precondition(lambda self: not self.under_way or self.headed_)
    @rule()
    def begin_unasked(self) -> None:
        with pytest.raises(BadResponse):
            self.pipeline.began()
        self.good = False

    @precondition(lambda self: self.begun and self.under_way and not self.headed_)
    @rule(
        persistent=st.booleans(),
        length=st.sampled_from([0, BIG, BIG + 1, None]),
        status=st.sampled_from([200, 302, 413]),
    )
    def head(self, persistent: bool, length: int | None, status: int) -> None:
        self.pipeline.headed(persistent, length, status)
        if len(self.under_way) == 1 and (status > 200 or self.sending is Sending.EXPECTING):
            self.stop()
        self.headed_, self.good = True, self.good and persistent
        self.taking = self.taking and length in (0, BIG)

    @precondition(lambda self: self.under_way and self.headed_)
    @rule()
    def end(self) -> None:
        early = self.pipeline.early
        assert early == (self.good and self.under_way[1:] == [] and self.sending is Sending.BODY)
        if len(self.under_way) == 1:
            self.stop()
        assert self.pipeline.ended() == self.under_way.pop(0)
        self.headed_ = self.begun = False
        self.taking = self.taking or not self.under_way
        self.answers += 1

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 20))
    def cancel(self, which: int) -> None:
        number = self.under_way[which % len(self.under_way)]
        if number == self.under_way[-1]:
            self.stop()
        if self.pipeline.cancel(number):
            assert number == self.under_way[0]
            self.lose(without=number)
        else:
            self.cancelled.add(number)

    @precondition(lambda self: self.under_way)
    @rule()
    def give_up_rest(self) -> None:
        rest = [one for one in self.under_way[1:] if one not in self.cancelled]
        assert self.pipeline.give_up_rest() == [(number, Fate.RESEND) for number in rest]
        if self.under_way[1:]:
            self.stop()
        del self.under_way[1:]
        self.good = False

    @rule()
    def doubt(self) -> None:
        self.pipeline.doubt()
        self.good = False

    @rule()
    def lose(self, without: int | None = None) -> None:
        silent = Fate.RESEND if self.answers else Fate.NO_ANSWER
        late = Fate.PARTIAL_BODY if self.headed_ else Fate.PARTIAL_HEAD
        fates = [late if self.begun else silent, *[Fate.RESEND] * len(self.under_way)]
        told = list(zip(self.under_way, fates, strict=False))
        assert self.pipeline.lost() == [one for one in told if one[0] not in self.cancelled]
        self.under_way, self.headed_, self.begun, self.gone = [], False, False, True

    @invariant()
    def agree(self) -> None:
        wanted: Any = self.under_way[0] if self.under_way else None
        assert self.pipeline.current == wanted and len(self.pipeline) == len(self.under_way)
        assert self.pipeline.answered == self.answers
        assert self.pipeline.unwanted == (wanted in self.cancelled)
        assert self.pipeline.sending is self.sending
        assert self.pipeline.open == (self.good and not self.gone and self.taking and self.whole)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
