"""Server-Sent Events, read (WHATWG HTML §9.2.6), in pieces as they come.

Left out: a byte order mark.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Of one event. None that is meant for a reader is that long.
MAX_EVENT = 16 * 1024 * 1024
_RETRY = re.compile(r"[0-9]{1,9}")
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")


class Event(NamedTuple):
    """What an event is called, and its data, whose lines are parted by a line feed."""

    name: str
    data: str


class EventStream:
    """Feed it bytes; it gives the events that they complete. ValueError for a too long one.

    `last` is the id to ask with when it has broken off, "" for none, and `retry` the seconds to
    wait before, None for no word of it.
    """

    def __init__(self, last: str = "") -> None:
        self.last = last
        self.retry: float | None = None
        self._id = last
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def __repr__(self) -> str:
        return f"<EventStream {len(self._rest)} bytes held>"

    def feed(self, data: bytes) -> list[Event]:
        """The events that end in `data`."""
        *lines, self._rest = _LINE_END.split(self._rest + data)
        found = [event for line in lines if (event := self._line(line)) is not None]
        if len(self._rest) + self._size > MAX_EVENT:
            raise ValueError("an event is too long")
        return found

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._complete()
        field, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
            self._size += len(line)
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and _RETRY.fullmatch(value):
            self.retry = int(value) / 1000
        return None

    def _complete(self) -> Event | None:
        event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
        self._name, self._data, self._size = "", [], 0
        self.last = self._id
        return event
