"""What shows a run may fail; the run goes on."""

from __future__ import annotations

import io
import os
import pty
from typing import Any

import pytest
from twisted.internet.task import Clock

from downloader.cli.bars import Bars
from downloader.cli.live import PLAIN_EVERY, Live, Plain
from downloader.errors import BadLine


class Unshowable:
    """A run about which asking fails, and how often it was asked."""

    doing = "fetching"
    ended = finished = failed = received = found = 0

    def __init__(self) -> None:
        self.asked = 0

    def active(self) -> list[Any]:
        return []

    def count(self, seconds: float) -> int:
        self.asked += 1
        raise KeyError("gone")


@pytest.mark.parametrize("display", [Plain, Bars])
def test_a_display_that_fails_says_so_once(
    capsys: pytest.CaptureFixture[str], display: type[Any]
) -> None:
    """And is not asked again; what is to be said is said all the same, in its order."""
    clock, run = Clock(), Unshowable()
    shown: Live = display(clock)
    shown.start(run)
    shown.say("before")
    for _ in range(3):
        clock.advance(PLAIN_EVERY)
    shown.say("after")
    shown.stop()
    assert run.asked == 1 and shown.broken and not shown.told_failures
    said = [line for line in capsys.readouterr().err.splitlines() if "fetching" not in line]
    before, told, after = said
    assert (before, after) == ("before", "after")
    assert told.startswith("no more is shown of the run, which goes on: this is a bug")
    assert "KeyError: 'gone'" in told
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize("display", [Plain, Bars])
def test_a_display_that_fails_at_the_end(
    capsys: pytest.CaptureFixture[str], display: type[Any]
) -> None:
    """Does not make a failure of a run that has ended well."""
    shown: Live = display(Clock())
    shown.start(Unshowable())
    shown.stop()
    assert capsys.readouterr().err.count("please report it") == (display is Bars)


@pytest.mark.parametrize("display", [Plain, Bars])
def test_a_terminal_that_is_gone(monkeypatch: pytest.MonkeyPatch, display: type[Any]) -> None:
    """Nothing can be shown on it, and nothing else fails."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich writes as to a terminal that is there
    ours, theirs = pty.openpty()
    clock = Clock()
    with io.TextIOWrapper(os.fdopen(theirs, "wb", 0), write_through=True) as terminal:  # type: ignore[arg-type]
        monkeypatch.setattr("sys.stderr", terminal)
        os.close(ours)
        shown: Live = display(clock)
        shown.start(Unshowable())
        shown.say("something")
        clock.advance(PLAIN_EVERY)
        shown.stop()
        shown.say("something more")
        assert shown.broken and not clock.getDelayedCalls()


@pytest.mark.parametrize("display", [Plain, Bars])
def test_what_is_said_by_the_command_is_not_lost_among_bad_lines(
    capsys: pytest.CaptureFixture[str], display: type[Any]
) -> None:
    """Of those, a number is enough."""
    shown: Live = display(Clock())
    shown.start(Unshowable())
    for number in range(1000):
        shown.line_refused(BadLine(number, "no url"))
        shown.warned("unknown")
    shown.say("the disk is full")
    shown.stop()
    assert "the disk is full" in capsys.readouterr().err
