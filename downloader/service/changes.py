"""What is to be changed, looked at as a whole before any of it is done."""

from __future__ import annotations

from typing import Any

from downloader.errors import NotNow
from downloader.jobs import Status
from downloader.queue import OVER
from downloader.service.answers import Refusal
from downloader.service.desk import PRIORITIES, whole

_POSITIONS = range(2**31)
# What the API calls them, and the fields of Limits.
_LIMITS = {
    "concurrency": ("total", range(1, 10_001)),
    "per_host": ("per_host", range(1, 10_001)),
    "bytes_per_second": ("bytes_per_second", range(1, 2**53 + 1)),
}


def checked_change(body: Any) -> dict[str, Any]:
    """`body`, if it says what is to be changed of a job. Raises Refusal."""
    if not isinstance(body, dict) or not body or set(body) - {"status", "position", "priority"}:
        raise Refusal(422, "status, position and priority can be changed")
    for name, span in (("position", _POSITIONS), ("priority", PRIORITIES)):
        if name in body:
            whole(name, body[name], span)
    if body.get("status", Status.PAUSED) not in (Status.PAUSED, Status.WAITING):
        raise Refusal(422, "status is paused or waiting")
    return body


def check_now(change: dict[str, Any], status: Status, leaving: Status | None) -> None:
    """Raise NotNow for what cannot be done to a job of this `status`, that is to be `leaving` once
    its connection is closed.

    ================  =========================  ======================================
    a job is          status may become          position and priority can be changed
    ================  =========================  ======================================
    waiting           paused                     both
    active            paused; waiting, if it is  priority; position, if it is to be
                      just being paused          paused
    paused            waiting                    both
    error             waiting                    neither
    complete,removed  -                          neither
    ================  =========================  ======================================
    """
    wanted = change.get("status")
    wrong = status in OVER and bool({"priority", "position"} & set(change))
    if wanted == Status.PAUSED:
        wrong |= status in OVER or status is Status.PAUSED
    else:
        wrong |= status is Status.ACTIVE and "position" in change
    if wanted == Status.WAITING:
        is_stopping = leaving is Status.PAUSED
        wrong |= status not in (Status.PAUSED, Status.ERROR) and not is_stopping
    if wrong:
        raise NotNow(f"it is {status}")


def checked_limits(body: Any) -> dict[str, Any]:
    """The fields of Limits that `body` changes. Raises Refusal."""
    if not isinstance(body, dict) or not body or set(body) - set(_LIMITS):
        raise Refusal(422, "concurrency, per_host and bytes_per_second can be changed")
    found: dict[str, Any] = {}
    for name, value in body.items():
        field, span = _LIMITS[name]
        has_none = value is None and name != "concurrency"
        found[field] = None if has_none else whole(name, value, span)
    return found
