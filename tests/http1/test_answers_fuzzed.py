"""Whatever a server sends, however it arrives: no exception, no false end, no reuse in doubt.

Answers are made by Hypothesis, valid and damaged, and go through the whole agent on a network in
memory. Python's own http.client, which shares no code with llhttp, is the second opinion.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.answers import Answer, answers, damaged, read_by_another
from support.wired import Net, pieces_of
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.web.client import ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss

from downloader.errors import BadResponse
from downloader.sansio.wire import MAX_LENGTH, judge_head

CUTS = st.lists(st.integers(0, 500), max_size=12)
LOSSES = st.sampled_from([ConnectionDone, ConnectionLost])
# All the ways in which an answer may end for its caller.
ENDS = {ResponseDone, PotentialDataLoss, ResponseFailed, ResponseNeverReceived, BadResponse}
fuzz = settings(deadline=None, max_examples=300)


class Outcome(NamedTuple):
    """What came of a request: all its caller sees, and whether the next one shares its wire.

    `end` is None while the answer goes on.
    """

    head: Any
    body: bytes
    end: Any
    reused: bool


def served(answer: Answer, pieces: list[bytes], loss: Any = None) -> Outcome:
    """Ask, and be answered so; then `loss` ends the connection, unless it is None."""
    net = Net()
    asked = net.ask(answer.method)
    (wire,) = net.wires
    wire.feed(*pieces)
    if loss is not None:
        wire.lose(loss())
    end = asked.end
    net.ask()
    reused = end is not None and len(net.wires) == 1
    assert net.close() == []
    assert asked.announced is None or len(asked.body.data) <= asked.announced
    return Outcome(asked.head, asked.body.data, end, reused)


@fuzz
@given(answers(), CUTS)
def test_a_valid_answer(answer: Answer, cuts: list[int]) -> None:
    """Its body, its end, and its connection is used again exactly if it may be."""
    seen = served(answer, pieces_of(answer.data, cuts))
    assert (seen.body, seen.reused) == (answer.body, answer.persistent)
    assert seen.end is (None if answer.until_close else ResponseDone)


@fuzz
@given(answers(), CUTS, st.integers(0, 300), LOSSES)
def test_a_valid_answer_that_is_cut(answer: Answer, cuts: list[int], at: int, loss: Any) -> None:
    """It never looks whole, and no byte is made up."""
    at %= len(answer.data)
    seen = served(answer, pieces_of(answer.data[:at], cuts), loss)
    assert not seen.reused and seen.end in ENDS - {ResponseDone, BadResponse}
    assert answer.body.startswith(seen.body)
    if seen.end is PotentialDataLoss:
        assert answer.until_close and loss is ConnectionDone


@fuzz
@given(answers() | damaged(), CUTS, LOSSES | st.none())
def test_reads_change_nothing(answer: Answer, cuts: list[int], loss: Any) -> None:
    """Whole, byte by byte and cut anywhere, lost or not: callers and pool see the same."""
    data = answer.data
    whole = served(answer, pieces_of(data, []), loss)
    others = [served(answer, pieces_of(data, places), loss) for places in (range(len(data)), cuts)]
    assert whole.end in ENDS or loss is None
    assert others == [whole, whole]


@fuzz
@given(damaged(), CUTS)
def test_what_looks_whole_is_whole_for_another_reader(answer: Answer, cuts: list[int]) -> None:
    """What we say is complete has the status and body that http.client reads."""
    seen = served(answer, pieces_of(answer.data, cuts))
    other = read_by_another(answer)
    if seen.end is ResponseDone:
        assert other is not None and other.whole
        assert (seen.head[1], seen.body) == (other.status, other.body)
    if seen.reused:
        assert seen.end is ResponseDone and other is not None
        assert other.rest == b""


@pytest.mark.parametrize(
    "behind", [b"x", b"\0", b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
)
@settings(deadline=None)
@given(answer=answers().filter(lambda answer: not answer.until_close), cuts=CUTS)
def test_bytes_behind_the_end(behind: bytes, answer: Answer, cuts: list[int]) -> None:
    """They change nothing of the answer, and no other request gets on that wire."""
    seen = served(answer, pieces_of(answer.data + behind, cuts))
    assert (seen.body, seen.end, seen.reused) == (answer.body, ResponseDone, False)


NAMES = st.sampled_from([b"Content-Length", b"content-length", b"Transfer-Encoding", b"X"])
VALUES = st.binary(max_size=8) | st.sampled_from([b"5", b"chunked", b"gzip", b"9" * 30])


@given(
    st.sampled_from([b"GET", b"HEAD"]),
    st.integers(-300, 1000),
    st.sampled_from(["1.1", "1.0", "0.9", "2.0", ""]),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
    st.booleans(),
)
def test_any_head_is_judged_or_refused(
    method: bytes, status: int, version: str, headers: list[Any], keep_alive: bool
) -> None:
    """With one framing and no other exception; in doubt the connection is not kept."""
    try:
        head = judge_head(method, status, version, headers, keep_alive)
    except BadResponse:
        return
    assert version in ("1.0", "1.1") and head.status == status in range(100, 600)
    assert head.length is None or 0 <= head.length <= MAX_LENGTH
    assert head.persistent <= (keep_alive and not head.close_delimited)
    assert not (head.close_delimited and head.length is not None)
