"""Requests whose bodies are still going out: what may follow them, and when they are stopped."""

from __future__ import annotations

import pytest

from downloader.sansio.pipeline import Fate, Pipeline, Sending


def sending(how: Sending, begun: bool = False) -> Pipeline[str]:
    """A request whose body is not out, alone, with its answer begun or not."""
    pipeline: Pipeline[str] = Pipeline()
    pipeline.sent("now", sending=how)
    if begun:
        pipeline.began()
    return pipeline


UNSENT = [Sending.EXPECTING, Sending.BODY]


@pytest.mark.parametrize("how", UNSENT)
def test_nothing_is_sent_into_a_body(how: Sending) -> None:
    """The server would take it for a piece of that."""
    pipeline = sending(how)
    assert not pipeline.open
    pipeline.body_began()
    assert pipeline.sending is Sending.BODY and not pipeline.open
    pipeline.body_sent()
    assert pipeline.sending is Sending.WHOLE and pipeline.open


@pytest.mark.parametrize(
    ("how", "status", "then"),
    [
        (Sending.EXPECTING, 200, Sending.STOPPED),
        (Sending.EXPECTING, 417, Sending.STOPPED),
        (Sending.BODY, 200, Sending.BODY),
        (Sending.BODY, 308, Sending.STOPPED),
        (Sending.BODY, 413, Sending.STOPPED),
        (Sending.WHOLE, 413, Sending.WHOLE),
    ],
)
def test_an_early_head_decides_about_the_body(how: Sending, status: int, then: Sending) -> None:
    """What is left out closes the connection; what is not does not, once it is out."""
    pipeline = sending(how, begun=True)
    pipeline.headed(True, 5, status)
    assert pipeline.sending is then
    assert pipeline.early is (then is Sending.BODY)
    assert pipeline.persistent is (then is not Sending.STOPPED)
    pipeline.body_sent()
    pipeline.ended()
    assert pipeline.open is (then is not Sending.STOPPED)


def test_an_answer_that_says_close_may_be_early() -> None:
    """Nothing else is to be sent there, so nobody waits for the request."""
    pipeline = sending(Sending.BODY, begun=True)
    pipeline.headed(False, 5)
    assert not pipeline.early
    assert pipeline.ended() == "now" and pipeline.sending is Sending.STOPPED


@pytest.mark.parametrize(("status", "then"), [(100, Sending.BODY), (103, Sending.EXPECTING)])
def test_only_100_lets_a_body_go(status: int, then: Sending) -> None:
    pipeline = sending(Sending.EXPECTING, begun=True)
    pipeline.informed(status)
    assert pipeline.sending is then


def test_the_100_of_another_lets_nothing_go() -> None:
    """It is for the request that is being answered."""
    pipeline = sending(Sending.WHOLE)
    pipeline.sent("newest", sending=Sending.EXPECTING)
    pipeline.began()
    pipeline.informed(100)
    pipeline.headed(True, 5, 404)
    assert pipeline.sending is Sending.EXPECTING
    pipeline.ended()
    pipeline.began()
    pipeline.informed(100)
    assert pipeline.sending is Sending.BODY


@pytest.mark.parametrize("how", UNSENT)
@pytest.mark.parametrize("end", ["cancel", "give_up_rest"])
def test_a_body_that_nobody_waits_for_is_not_sent(how: Sending, end: str) -> None:
    """And the connection goes when those before it are answered."""
    pipeline = sending(Sending.WHOLE, begun=True)
    pipeline.sent("newest", sending=how)
    if end == "cancel":
        assert not pipeline.cancel("newest")
    else:
        assert pipeline.give_up_rest() == [("newest", Fate.RESEND)]
    assert pipeline.sending is Sending.STOPPED
    pipeline.headed(True, 5)
    assert pipeline.ended() == "now" and not pipeline.open
