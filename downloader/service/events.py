"""What happens, as it happens: Server-Sent Events, which go on where a reader had left off.

``job`` is a job that has changed, whole; ``gone`` one that is forgotten; ``progress`` comes once a
second and has no number, since a later one says it all. Who was away for longer than is remembered,
or missed much, is sent ``reset``, and asks for the whole.
"""

from __future__ import annotations

import secrets
from collections import deque
from typing import Any

from downloader.jobs import Status
from downloader.queue import Entry, Queue
from downloader.service.answers import Answer, Refusal, dumped
from downloader.service.door import head
from downloader.service.outgoing import Outgoing
from downloader.service.routes import Asked
from downloader.service.shown import shown, stats

# Events that are remembered for readers who come again: of each, which job it was of.
REMEMBERED = 16_384
# Readers at a time; a browser has one for each page.
MOST_READERS = 64
# What a reader who does not read may have waiting, in bytes; then it is sent away to come again.
MOST_WAITING = 4 * 1024 * 1024


class _Reader:
    """One open stream."""

    def __init__(self, request: Any, most_waiting: int) -> None:
        self.request = request
        self.outgoing = Outgoing(request.write, most_waiting)
        request.registerProducer(self.outgoing, True)

    def __repr__(self) -> str:
        return f"<_Reader {self.outgoing!r}>"

    def send(self, data: bytes, matters: bool = True) -> None:
        """Send it; later, if it matters, while nothing is read."""
        if not matters and self.outgoing.paused:
            return
        if not self.outgoing.send(data):
            self.outgoing.stopProducing()
            self.request.channel.transport.abortConnection()


class Events:
    """Tells what happens in `queue` to whoever reads. One who does not, and for whom more than
    `most_waiting` bytes wait, is sent away."""

    def __init__(self, queue: Queue, most_waiting: int = MOST_WAITING) -> None:
        self.most_waiting = most_waiting
        self._queue = queue
        self._process = secrets.token_hex(4)
        self._number = 0
        self._past: deque[tuple[int, str]] = deque(maxlen=REMEMBERED)
        self._readers: dict[_Reader, None] = {}
        queue.watch(self._changed)
        queue.meter.watchers.append(self._tick)

    def __repr__(self) -> str:
        return f"<Events {self._number}, {len(self._readers)} readers>"

    async def read(self, asked: Asked) -> None:
        """Answer with the stream, which has no end."""
        if len(self._readers) >= MOST_READERS:
            raise Refusal(503, "too many read already", Retry_After="10")
        request = asked.request
        head(request, Answer(200, content_type="text/event-stream"))
        request.setHeader(b"x-accel-buffering", b"no")  # a proxy in front is to pass it on at once
        if request.method == b"HEAD":
            request.finish()
            return
        reader = _Reader(request, self.most_waiting)
        request.write(b"retry: 2000\n\n")
        last = request.getHeader(b"last-event-id") or asked.query.get("last", "")
        missed = self._missed(last)
        if missed is None:
            missed = self._event("reset", dumped({}), self._number)
        self._readers[reader] = None
        request.notifyFinish().addBoth(lambda _: self._readers.pop(reader, None))
        reader.send(missed + self._progress())

    def close(self) -> None:
        """End every stream."""
        for reader in list(self._readers):
            reader.request.unregisterProducer()
            reader.request.finish()

    def _missed(self, last: str | bytes) -> bytes | None:
        """How the jobs stand that changed after the event `last`; None where that is not known, or
        is much: who asks for the whole waits for no more than a page of it at a time."""
        text = last.decode("ascii", "replace") if isinstance(last, bytes) else last
        process, _, digits = text.partition("-")
        known = process == self._process and digits.isascii() and digits.isdigit()
        number = int(digits[:18]) if known else -1
        first = self._past[0][0] if self._past else self._number + 1
        if not known or number + 1 < first or number > self._number:
            return None
        changed = {gid: n for n, gid in self._past if n > number}
        found, size = [], 0
        for gid, n in sorted(changed.items(), key=lambda one: one[1]):
            found.append(self._told(gid, n))
            size += len(found[-1])
            if size > self.most_waiting // 2:  # what comes next has to wait behind it
                return None
        return b"".join(found)

    def _changed(self, entry: Entry, before: Status) -> None:
        self._number += 1
        self._past.append((self._number, entry.gid))
        if self._readers:
            data = self._told(entry.gid, self._number)
            for reader in list(self._readers):
                reader.send(data)

    def _told(self, gid: str, number: int) -> bytes:
        """How this job stands now, though it was the event `number` that changed it."""
        entry = self._queue.known(gid)
        if entry is None:
            return self._event("gone", dumped({"gid": gid}), number)
        return self._event("job", dumped(shown(entry, self._queue)), number)

    def _tick(self) -> None:
        if self._readers:
            data = self._progress()
            for reader in list(self._readers):
                reader.send(data, matters=False)

    def _progress(self) -> bytes:
        active = [
            [entry.gid, entry.received, entry.length, round(entry.rate)]
            for entry in self._queue.active
        ]
        return self._event("progress", dumped({"active": active, **stats(self._queue)}))

    def _event(self, name: str, data: bytes, number: int | None = None) -> bytes:
        told = b"" if number is None else f"id: {self._process}-{number}\n".encode()
        return b"%bevent: %b\ndata: %b\n" % (told, name.encode(), data)
