"""Which bytes of one file each of its streams fetches.

A stream is one request to one mirror, for the bytes from `start` up to `stop`. Bytes that nobody
fetches wait: whoever may begin takes the first of those. When none wait, the stream that will take
longest is cut in two, and the tail is begun elsewhere; the one that was cut ends where that begins.

What the end of a stream means for its mirror, first line that fits:

=================================================  ===============================================
it ended because                                   its mirror
=================================================  ===============================================
it has brought its bytes                           has as many tries as at first
what it was answered is no part of this version    is asked for parts no more
its connection was wanted for others               is asked again at once
it was refused, while others of it are answered    has no more than those at a time from now on
something, a moment after another of it failed     is still waited for
what may pass                                      is asked again as `Tries` says
anything else, or there are no tries left          is dropped
=================================================  ===============================================

What it has not brought waits again. A stream that comes to its end, and whose answer goes on with
bytes that wait, goes on with them: so one that turns out to be the only one brings all.

A piece that was brought and has a wrong sum is fetched again `alone`: as one range of one stream,
by another mirror if there is one, so that whoever brings it wrong is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from downloader.errors import ChecksumMismatch, DownloadError, Interrupted
from downloader.jobs import Splitting
from downloader.sansio.ranges import Range, Ranges
from downloader.sansio.retry import Tries
from downloader.sansio.url import HttpUrl

# Wrong pieces that a mirror may bring before it is dropped, and tries of a piece that only one
# mirror can bring.
WRONG = 2
# Wrong pieces that mirrors may bring in all: behind so many nobody means to send the file.
MOST_WRONG = 256


@dataclass(eq=False, slots=True)
class Mirror:
    """A URL of the file. `parts` tells whether it brings parts of it, None while that is not known:
    then one stream asks. `most` streams of it at a time; nobody asks it before `not_before`.
    `wrong` counts pieces; `error` is what failed last."""

    url: HttpUrl
    tries: Tries
    most: int
    parts: bool | None = None
    not_before: float = 0.0
    wrong: int = 0
    dropped: bool = False
    error: DownloadError | None = None

    @property
    def host(self) -> tuple[str, int]:
        """What the connections are counted by."""
        return self.url.host, self.url.port

    @property
    def usable(self) -> bool:
        """Whether it may be asked for a part, now or later."""
        return not self.dropped and self.parts is not False


@dataclass(eq=False, slots=True)
class Stream:
    """The bytes from `start` to `stop`, of which those before `at` have come, by the caller's word.

    Its answer brings bytes up to `limit`, None while there is none. `began` is in seconds.
    """

    mirror: Mirror
    start: int
    stop: int
    at: int
    began: float
    alone: bool = False
    limit: int | None = None

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return self.stop - self.at


@dataclass(slots=True)
class _Wrong:
    """A piece that is fetched again: brought `times` by one mirror alone, each time wrong; `by`
    these."""

    start: int
    stop: int
    times: int = 0
    by: set[Mirror] = field(default_factory=set)


def splits(missing: int, urls: Sequence[HttpUrl], splitting: Splitting) -> bool:
    """Whether so many bytes from these mirrors are to come over more than one connection."""
    hosts = len({(url.host, url.port) for url in urls})
    return (
        missing >= 2 * splitting.least and min(splitting.parts, hosts * splitting.connections) > 1
    )


class Segments:
    """The streams of one file of which the ranges `missing` are missing.

    `mirrors` are in the order of preference, and `tries(url)` are the tries of one. Cuts are made
    at multiples of `align` bytes where that leaves parts long enough. `now` is in seconds.
    """

    def __init__(
        self,
        missing: Iterable[Range],
        urls: Sequence[HttpUrl],
        splitting: Splitting,
        tries: Callable[[HttpUrl], Tries],
        align: int = 1,
    ) -> None:
        self.streams: dict[Stream, None] = {}
        self.mirrors = [Mirror(url, tries(url), splitting.connections) for url in urls]
        self._waiting = Ranges(missing)
        self._wrong: dict[int, _Wrong] = {}
        self._again: dict[int, _Wrong] = {}  # those of them that nobody fetches now
        self._again_size = 0
        self._brought_wrong = 0
        self._splitting = splitting
        self._tries = tries
        self._align = align

    def __repr__(self) -> str:
        return f"<Segments {len(self.streams)} streams, {self.left} bytes left>"

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return self._waiting.size + self._again_size + sum(one.left for one in self.streams)

    @property
    def over(self) -> bool:
        """Whether every byte has come."""
        return not (self.streams or self.left)

    @property
    def error(self) -> DownloadError | None:
        """What failed last: the first mirror's word before the others'. None, and nothing to begin
        or under way: no mirror brings parts."""
        return next((one.error for one in self.mirrors if one.error is not None), None)

    # --- what to begin ----------------------------------------------------------------------

    def first(self, start: int, stop: int, limit: int, parts: bool | None, now: float) -> Stream:
        """The stream of an answer that is there already: the first mirror's, of which it tells
        whether it brings `parts`. The answer goes on up to `limit`."""
        self.mirrors[0].parts = parts
        self._waiting.remove(start, stop)
        stream = self._begin(self.mirrors[0], start, stop, now)
        self._limit(stream, limit)
        return stream

    def next(self, now: float) -> Stream | None:
        """The stream to begin now, or None. Ask on until it is None."""
        for mirror in self._ready(now):
            wrong = self._take_wrong(mirror)
            if wrong is not None:
                return self._begin(mirror, wrong.start, wrong.stop, now, alone=True)
            taken = self._take_waiting() or self._cut(now)
            if taken is not None:
                return self._begin(mirror, *taken, now)
        return None

    def wait(self, now: float) -> float | None:
        """Seconds until a mirror may be asked again that failed; None when there is none."""
        times = [one.not_before - now for one in self.mirrors if one.usable]
        return min((time for time in times if time > 0), default=None)

    # --- what became of it ------------------------------------------------------------------

    def answered(self, stream: Stream, limit: int) -> None:
        """Its answer brings the bytes from its start on, up to `limit`."""
        stream.mirror.parts = True
        self._limit(stream, limit)

    def refused(self, stream: Stream) -> None:
        """Its answer is no part of this version. It is over."""
        stream.mirror.parts = False
        self._end(stream)

    def reach(self, stream: Stream) -> int:
        """Where the stream ends. When it is there, and its answer goes on with what waits, that is
        further on from now on."""
        if stream.at >= stream.stop and not stream.alone and stream.limit is not None:
            start = stream.stop
            stop = next((stop for begin, stop in self._waiting if begin == start), start)
            stream.stop = max(start, min(stop, stream.limit))
            self._waiting.remove(start, stream.stop)
        return stream.stop

    def ended(self, stream: Stream, now: float, error: DownloadError | None = None) -> None:
        """It is over, with an error or without. What has not come of it waits."""
        self._end(stream)
        mirror = stream.mirror
        if error is None or stream.at - stream.start >= self._splitting.least:
            mirror.tries = self._tries(mirror.url)
        if error is not None:
            mirror.error = error
            self._blame(mirror, stream.limit is None, error, now)

    def wrong(self, start: int, stop: int, by: Iterable[Mirror | None]) -> bool:
        """The piece there, which has come, is wrong: `by` brought it, None what was there before.
        It is fetched again, if this is True; else there is nobody left to ask."""
        piece = self._wrong.setdefault(start, _Wrong(start, stop))
        self._wait_for(piece)
        brought = set(by)
        mirror = brought.pop() if len(brought) == 1 else None
        if mirror is not None:
            piece.times += 1
            piece.by.add(mirror)
            mirror.wrong += 1
            self._brought_wrong += 1
            mirror.error = ChecksumMismatch(f"bytes {start} to {stop}")
            others = any(one.usable for one in self.mirrors if one is not mirror)
            mirror.dropped = mirror.dropped or (others and mirror.wrong >= WRONG)
        if self._brought_wrong > MOST_WRONG:
            return False
        return piece.times < WRONG or self._has_others(piece)

    def right(self, start: int) -> None:
        """The piece there is what it should be."""
        self._wrong.pop(start, None)

    # --- how it is decided ------------------------------------------------------------------

    def _begin(
        self, mirror: Mirror, start: int, stop: int, now: float, alone: bool = False
    ) -> Stream:
        stream = Stream(mirror, start, stop, start, now, alone)
        self.streams[stream] = None
        return stream

    def _limit(self, stream: Stream, limit: int) -> None:
        stream.limit = limit
        if limit < stream.stop and not stream.alone:
            self._waiting.add(limit, stream.stop)
            stream.stop = limit

    def _ready(self, now: float) -> list[Mirror]:
        """The mirrors that may be asked for one more, the least busy first."""
        if len(self.streams) >= self._splitting.parts:
            return []
        ready = [one for one in self.mirrors if one.usable and one.not_before <= now]
        return sorted(filter(self._has_room, ready), key=lambda one: len(self._of(one)))

    def _of(self, mirror: Mirror) -> list[Stream]:
        return [stream for stream in self.streams if stream.mirror is mirror]

    def _has_room(self, mirror: Mirror) -> bool:
        mine = self._of(mirror)
        if mirror.parts is None and any(stream.limit is None for stream in mine):
            return False
        of_host = sum(stream.mirror.host == mirror.host for stream in self.streams)
        return len(mine) < mirror.most and of_host < self._splitting.connections

    def _take_wrong(self, mirror: Mirror) -> _Wrong | None:
        for piece in self._again.values():
            if mirror not in piece.by or not self._has_others(piece):
                del self._again[piece.start]
                self._again_size -= piece.stop - piece.start
                return piece
        return None

    def _wait_for(self, piece: _Wrong) -> None:
        if piece.start not in self._again:
            self._again[piece.start] = piece
            self._again_size += piece.stop - piece.start

    def _has_others(self, piece: _Wrong) -> bool:
        """Whether a mirror may be asked that has not brought it wrong."""
        return any(one.usable and one not in piece.by for one in self.mirrors)

    def _take_waiting(self) -> Range | None:
        taken = next(iter(self._waiting), None)
        if taken is not None:
            self._waiting.remove(*taken)
        return taken

    def _cut(self, now: float) -> Range | None:
        """The tail of the stream that will take longest: a half, or less if more are to begin."""
        least = self._splitting.least
        long = [one for one in self.streams if not one.alone and one.left >= 2 * least]
        if not long:
            return None
        slowest = max(long, key=lambda stream: self._seconds_left(stream, now))
        cut = slowest.stop - slowest.left // min(self._idle() + 1, slowest.left // least)
        aligned = cut - cut % self._align
        if aligned - slowest.at >= least:
            cut = aligned
        stop, slowest.stop = slowest.stop, cut
        return cut, stop

    def _idle(self) -> int:
        """How many more streams there may be, once every mirror is asked."""
        rooms: dict[tuple[str, int], int] = {}
        for mirror in self.mirrors:
            if mirror.usable:
                rooms[mirror.host] = rooms.get(mirror.host, 0) + mirror.most
        most = sum(min(room, self._splitting.connections) for room in rooms.values())
        return max(1, min(most, self._splitting.parts) - len(self.streams))

    def _seconds_left(self, stream: Stream, now: float) -> float:
        """By its own rate; one that has brought nothing, by that of the others."""
        rate = _rate(stream, now)
        if rate:
            return stream.left / rate
        rates = [rate for rate in (_rate(one, now) for one in self.streams) if rate]
        usual = sum(rates) / len(rates) if rates else 1.0
        return now - stream.began + stream.left / usual

    def _end(self, stream: Stream) -> None:
        del self.streams[stream]
        if stream.alone and stream.left:  # all of it again: so that one mirror has brought it
            self._wait_for(self._wrong[stream.start])
        elif not stream.alone:
            self._waiting.add(stream.at, stream.stop)

    def _blame(self, mirror: Mirror, unanswered: bool, error: DownloadError, now: float) -> None:
        answering = sum(stream.limit is not None for stream in self._of(mirror))
        if isinstance(error, Interrupted) or not mirror.usable:
            return
        if unanswered and answering:
            mirror.most = answering
        elif now >= mirror.not_before:
            wait = mirror.tries.failed(error)
            mirror.dropped = mirror.dropped or wait is None
            mirror.not_before = now + (wait or 0.0)


def _rate(stream: Stream, now: float) -> float:
    """Bytes a second, 0.0 while that is not known."""
    elapsed = now - stream.began
    return (stream.at - stream.start) / elapsed if elapsed > 0 else 0.0
