"""What may be changed, looked at as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from downloader.errors import NotNow
from downloader.jobs import Status
from downloader.service.answers import Refusal
from downloader.service.changes import check_now, checked_change, checked_limits

PAUSE, RESUME = {"status": "paused"}, {"status": "waiting"}
MOVE, PREFER = {"position": 0}, {"priority": 1}
EVERYTHING = [
    *(PAUSE, RESUME, MOVE, PREFER, {**MOVE, **PREFER}, {**PAUSE, **MOVE}, {**PAUSE, **PREFER}),
    *({**RESUME, **MOVE}, {**RESUME, **PREFER}),
]
ENDED = (Status.COMPLETE, Status.REMOVED)


def may(change: dict[str, Any], status: Status, leaving: Status | None = None) -> bool:
    try:
        check_now(change, status, leaving)
    except NotNow as error:
        assert str(status) in str(error)
        return False
    return True


@pytest.mark.parametrize(
    ("status", "leaving", "wanted"),
    [
        (Status.WAITING, None, [0, 2, 3, 4, 5, 6]),
        (Status.ACTIVE, None, [0, 3, 5, 6]),
        (Status.ACTIVE, Status.PAUSED, [0, 1, 3, 5, 6, 8]),
        (Status.PAUSED, None, [1, 2, 3, 4, 7, 8]),
        (Status.ERROR, None, [1]),
        (Status.COMPLETE, None, []),
        (Status.REMOVED, None, []),
    ],
)
def test_what_may_be(status: Status, leaving: Status | None, wanted: list[int]) -> None:
    """Of all there is, these."""
    assert [n for n, one in enumerate(EVERYTHING) if may(one, status, leaving)] == wanted


@pytest.mark.parametrize(
    "body",
    [
        *(None, [], {}, {"gid": "x"}, {"status": "removed"}, {"status": []}, {"status": None}),
        *({"position": -1}, {"position": None}, {"priority": 1001}, {"priority": True}),
        {"priority": 1, "position": "0"},
    ],
)
def test_no_change(body: Any) -> None:
    with pytest.raises(Refusal):
        checked_change(body)


def test_limits() -> None:
    """None is none, but not of jobs at a time."""
    body = {"concurrency": 1, "per_host": None, "bytes_per_second": 2**53}
    assert checked_limits(body) == {"total": 1, "per_host": None, "bytes_per_second": 2**53}
    for wrong in (
        *(None, {}, {"total": 1}, {"concurrency": None}, {"concurrency": 0}),
        *({"per_host": 10_001}, {"bytes_per_second": 1.5}),
    ):
        with pytest.raises(Refusal):
            checked_limits(wrong)
