"""Guessing is slow, and slows nobody but the guesser."""

from __future__ import annotations

from twisted.internet.task import Clock

from downloader.service.brake import FREE, LONGEST, MEMORY, MOST_WAITING, PEERS, Brake


def test_each_wrong_one_takes_longer() -> None:
    """After a few that are answered at once; never longer than the longest."""
    brake = Brake(Clock().seconds)
    delays = [brake.wrong("a") for _ in range(30)]
    assert delays[:FREE] == [0.0] * FREE and 0 < delays[FREE] < delays[FREE + 1]
    assert delays == sorted(delays) and delays[-1] == LONGEST
    assert brake.wrong("b") == 0.0


def test_they_are_forgotten() -> None:
    """When for so long none has come."""
    clock = Clock()
    brake = Brake(clock.seconds)
    while brake.wrong("a") < LONGEST:
        clock.advance(MEMORY)
    clock.advance(MEMORY + 1)
    assert brake.wrong("a") == 0.0


def test_so_many_peers_are_remembered() -> None:
    """The one that was quiet for longest goes."""
    brake = Brake(Clock().seconds)
    for _ in range(FREE + 1):
        brake.wrong("first"), brake.wrong("other")
    brake.wrong("first")
    for n in range(PEERS - 1):
        brake.wrong(str(n))
    assert repr(brake) == f"<Brake {PEERS} peers>"
    assert brake.wrong("first") > 0.0 and brake.wrong("other") == 0.0


def test_so_many_wait() -> None:
    """Of one peer; those of another have places of their own."""
    brake = Brake(Clock().seconds)
    assert [brake.enter("a") for _ in range(MOST_WAITING + 1)] == [True] * MOST_WAITING + [False]
    assert brake.enter("b")
    brake.leave("a")
    assert brake.enter("a") and not brake.enter("a")
