"""What is answered: values, which the door writes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from downloader.errors import (
    BadName,
    BadUrl,
    DownloadError,
    DuplicateGid,
    NoSuchJob,
    NotNow,
    QueueFull,
    StoreFull,
    WrongRequest,
)

JSON = "application/json"
PROBLEM = "application/problem+json"
_STATUSES: list[tuple[type[DownloadError], int]] = [
    (NoSuchJob, 404),
    (NotNow, 409),
    (DuplicateGid, 409),
    (QueueFull, 503),
    (StoreFull, 507),
    (BadUrl, 422),
    (BadName, 422),
    (WrongRequest, 422),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: a status, a body, and headers beside those that every answer has. One that
    `is_late` is to a wrong token: the door lets it wait."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    is_late: bool = False


class Refusal(Exception):
    """The request is answered with this problem (RFC 9457)."""

    def __init__(self, status: int, title: str, **headers: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    """`value` as JSON."""
    return Answer(status, dumped(value), JSON, headers)


def dumped(value: Any) -> bytes:
    """`value` as JSON, in ASCII: whatever came from outside acts on no terminal."""
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def problem(status: int, title: str, headers: dict[str, str] | None = None) -> Answer:
    """A problem, as RFC 9457 has it."""
    body = {"type": "about:blank", "title": title, "status": status}
    return Answer(status, dumped(body), PROBLEM, headers or {})


def problem_of(error: BaseException) -> Answer:
    """The problem that `error` is. One that is not ours is a bug, and says nothing of itself."""
    if isinstance(error, Refusal):
        return problem(error.status, str(error), error.headers)
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return problem(status, str(error))
    if isinstance(error, DownloadError):
        return problem(500, str(error))
    return problem(500, "a bug in this program; its log has more")
