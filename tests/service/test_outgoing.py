"""What waits for somebody who does not read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from downloader.service.outgoing import Outgoing

STEPS = st.lists(st.one_of(st.booleans(), st.binary(max_size=20)), max_size=30)


@given(STEPS)
def test_all_arrives_in_order(steps: list[bool | bytes]) -> None:
    """Nothing while it is paused (True), and what was sent meanwhile when it goes on (False)."""
    came: list[bytes] = []
    outgoing = Outgoing(came.append, 1000)
    sent: list[bytes] = []
    paused = False
    for step in steps:
        before = len(came)
        if isinstance(step, bytes):
            assert outgoing.send(step)
            sent.append(step)
        else:
            paused = step
            outgoing.pauseProducing() if paused else outgoing.resumeProducing()
        assert came == (sent[:before] if paused else sent)
    outgoing.resumeProducing()
    assert came == sent


def test_so_much_may_wait() -> None:
    """What has gone does not count."""
    came: list[bytes] = []
    outgoing = Outgoing(came.append, 3)
    outgoing.pauseProducing()
    assert outgoing.send(b"123") and not outgoing.send(b"4")
    assert repr(outgoing) == "<Outgoing 4 bytes held, not read>"
    outgoing.resumeProducing()
    outgoing.pauseProducing()
    assert outgoing.send(b"567") and came == [b"123", b"4"]
    outgoing.most = 4
    assert outgoing.send(b"8") and not outgoing.send(b"9")


def test_it_is_paused_while_it_catches_up() -> None:
    """By a transport that is full again; the rest waits on."""
    came: list[bytes] = []

    def write(data: bytes) -> None:
        came.append(data)
        outgoing.pauseProducing()

    outgoing = Outgoing(write, 10)
    outgoing.pauseProducing()
    for data in (b"a", b"b", b"c"):
        outgoing.send(data)
    outgoing.resumeProducing()
    assert came == [b"a"] and repr(outgoing) == "<Outgoing 2 bytes held, not read>"
    outgoing.stopProducing()
    outgoing.resumeProducing()
    assert came == [b"a"] and repr(outgoing) == "<Outgoing 0 bytes held>"
