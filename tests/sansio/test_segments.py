"""Which bytes each stream fetches: every one once, by no more streams than may be, and it ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import (
    ChecksumMismatch,
    ConnectionLost,
    DownloadError,
    Interrupted,
    NotFound,
    ServerBusy,
)
from downloader.jobs import Retries, Splitting
from downloader.sansio.ranges import Range, Ranges
from downloader.sansio.retry import Tries
from downloader.sansio.segments import MOST_WRONG, Segments, Stream, splits
from downloader.sansio.url import HttpUrl, parse_url

A, B, C = (parse_url(f"http://{host}.example/f") for host in "abc")
A2 = parse_url("http://a.example/g")
MB = 1024 * 1024
TRIES = 3


def tries(url: HttpUrl) -> Tries:
    return Tries((str(url),), Retries(tries=TRIES), lambda n: 2.0**n)


def segments(
    *urls: HttpUrl,
    missing: list[Range] | None = None,
    connections: int = 4,
    parts: int = 4,
    least: int = MB,
    align: int = 1,
) -> Segments:
    ranges = [(0, 100 * MB)] if missing is None else missing
    return Segments(ranges, urls or (A,), Splitting(connections, parts, least), tries, align)


def begun(of: Segments, now: float = 0.0) -> list[Stream]:
    """All that can begin now."""
    found = []
    while (stream := of.next(now)) is not None:
        found.append(stream)
    return found


def answer(of: Segments, *streams: Stream) -> None:
    for stream in streams:
        of.answered(stream, stream.stop)


def spans(streams: list[Stream]) -> list[tuple[int, int]]:
    return [(stream.start // MB, stream.stop // MB) for stream in streams]


def first(of: Segments, stop: int = 100 * MB, parts: bool | None = True) -> Stream:
    """The answer to a plain request."""
    return of.first(0, stop, stop, parts, 0.0)


# --- how it is cut -------------------------------------------------------------------------------


def test_even_parts_at_the_beginning() -> None:
    of = segments()
    one = first(of)
    assert spans([one, *begun(of)]) == [(0, 25), (75, 100), (50, 75), (25, 50)]
    assert of.left == 100 * MB


def test_whoever_is_not_known_to_do_parts_is_asked_by_one() -> None:
    """And the others begin when it has."""
    of = segments()
    one = first(of, parts=None)
    (probe,) = begun(of)
    assert spans([one, probe]) == [(0, 75), (75, 100)]
    answer(of, probe)
    assert spans([one, *begun(of)]) == [(0, 25), (50, 75), (25, 50)]


@pytest.mark.parametrize(("size", "count"), [(4 * MB - 1, 3), (2 * MB, 2), (2 * MB - 1, 1)])
def test_no_part_is_shorter_than_the_least(size: int, count: int) -> None:
    of = segments(missing=[(0, size)])
    streams = [first(of, size), *begun(of)]
    assert len(streams) == count
    assert min(stream.left for stream in streams) >= min(size, MB)


def test_the_slowest_is_cut_in_two() -> None:
    of = segments(parts=2)
    slow = first(of)
    (quick,) = begun(of)
    answer(of, quick)
    slow.at, quick.at = 2 * MB, quick.stop
    of.ended(quick, 10.0)
    (tail,) = begun(of, 10.0)
    assert spans([slow, tail]) == [(0, 26), (26, 50)]


def test_slow_is_what_takes_long_and_not_what_is_long() -> None:
    """At 1 MiB/s 20 are left, at 50 MiB/s 60; and one that is silent is judged by what is usual."""
    missing = [(0, 21 * MB), (30 * MB, 140 * MB), (200 * MB, 205 * MB)]
    of = segments(A, B, C, A2, missing=missing, connections=2)
    slow, quick, silent = [of.next(0.0) for _ in range(3)]
    assert slow and quick and silent
    slow.at, quick.at = MB, 80 * MB
    answer(of, slow, quick)
    (tail,) = begun(of, 1.0)
    assert spans([slow, tail, quick, silent]) == [(0, 11), (11, 21), (30, 140), (200, 205)]


def test_cuts_are_where_pieces_meet() -> None:
    of = segments(align=7 * MB)
    one = first(of)
    assert {stream.start % (7 * MB) for stream in [one, *begun(of)]} == {0}


def test_gaps_come_before_cuts() -> None:
    of = segments(A, B, C, missing=[(0, 10 * MB), (50 * MB, 60 * MB), (99 * MB, 100 * MB)])
    assert spans(begun(of)) == [(0, 10), (50, 60), (99, 100)]


def test_it_goes_on_with_what_waits_behind_it() -> None:
    """The only answer there is brings all, when nobody else does parts."""
    of = segments()
    one = first(of, parts=None)
    (probe,) = begun(of)
    of.refused(probe)
    assert begun(of) == []
    one.at = one.stop
    assert of.reach(one) == 100 * MB
    one.at = 100 * MB
    of.ended(one, 1.0)
    assert of.over


def test_a_part_goes_no_further_than_was_asked() -> None:
    of = segments(missing=[(0, 10), (20, 30)], parts=1)
    (one,) = begun(of)
    answer(of, one)
    one.at = 10
    assert of.reach(one) == 10


def test_an_answer_that_brings_less() -> None:
    of = segments(missing=[(0, 10)])
    (one,) = begun(of)
    of.answered(one, 4)
    one.at = 4
    assert of.reach(one) == 4
    of.ended(one, 0.0)
    assert [(two.start, two.stop) for two in begun(of)] == [(4, 10)]


# --- how many ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urls", "connections", "parts", "most"),
    [
        ((A,), 1, 5, False),
        ((A, A2), 1, 5, False),
        ((A, B), 1, 5, True),
        ((A,), 2, 1, False),
        ((A,), 2, 2, True),
    ],
)
def test_whether_there_is_more_than_one(
    urls: tuple[HttpUrl, ...], connections: int, parts: int, most: bool
) -> None:
    splitting = Splitting(connections, parts, 10)
    assert splits(20, urls, splitting) is most
    assert not splits(19, urls, splitting)


def test_mirrors_share_and_a_host_has_its_limit() -> None:
    """a.example has two URLs here."""
    of = segments(A, A2, B, C, connections=2, parts=10)
    answer(of, *begun(of))
    answer(of, *begun(of))
    assert Counter(stream.mirror.url.host for stream in of.streams) == Counter(
        {"a.example": 2, "b.example": 2, "c.example": 2}
    )
    assert Counter(stream.mirror.url for stream in of.streams)[A2] == 1


# --- what fails ----------------------------------------------------------------------------------


def test_what_may_pass_is_asked_again_later() -> None:
    of = segments(A, B, connections=1)
    one = first(of)
    (two,) = begun(of)
    of.ended(two, 1.0, ConnectionLost())
    assert begun(of, 1.5) == []
    assert of.wait(1.5) == 0.5
    (again,) = begun(of, 2.0)
    assert (again.mirror.url, again.start) == (B, two.start)
    of.ended(again, 2.0, ConnectionLost())
    assert of.wait(2.0) == 2.0
    (last,) = begun(of, 4.0)
    of.ended(last, 4.0, ConnectionLost())
    assert begun(of, 1000.0) == [] and of.wait(1000.0) is None
    one.at = one.stop
    assert of.reach(one) == 100 * MB


def test_whoever_brought_much_has_all_tries_again() -> None:
    of = segments(A, connections=2)
    first(of)
    now = 0.0
    for _ in range(10 * TRIES):
        now += 10
        (one,) = begun(of, now)
        answer(of, one)
        one.at = one.start + MB
        of.ended(one, now, ConnectionLost())


def test_one_outage_is_one_failure() -> None:
    of = segments()
    first(of)
    for stream in (streams := begun(of)):
        answer(of, stream)
    for stream in streams:
        of.ended(stream, 0.0, ConnectionLost())
    assert of.wait(0.0) == 1.0
    assert len(begun(of, 1.0)) == 3


def test_a_server_that_takes_no_more_connections() -> None:
    """It keeps those it answers, and when one of them ends, it is asked by another."""
    of = segments()
    one = first(of)
    two, three, four = begun(of)
    answer(of, two)
    of.ended(three, 0.0, ServerBusy("no more"))
    of.ended(four, 0.0, NotFound("as strict as that"))
    assert begun(of, 0.0) == [] and of.mirrors[0].usable
    two.at = two.stop
    of.ended(two, 1.0)
    (five,) = begun(of, 1.0)
    assert five.start == one.stop


def test_a_mirror_that_says_no_is_dropped() -> None:
    of = segments(A, B, connections=1)
    one = first(of)
    (two,) = begun(of)
    of.ended(two, 0.0, NotFound())
    assert begun(of, 1000.0) == []
    of.ended(one, 0.0, ConnectionLost("the first's"))
    assert of.error is one.mirror.error


def test_what_was_interrupted_was_never_tried() -> None:
    of = segments()
    first(of)
    for _ in range(10 * TRIES):
        streams = begun(of)
        assert len(streams) == 3
        for stream in streams:
            of.ended(stream, 0.0, Interrupted())


# --- pieces --------------------------------------------------------------------------------------


def brought(of: Segments, stream: Stream) -> None:
    answer(of, stream)
    stream.at = stream.stop
    of.ended(stream, 0.0)


PIECE = (0, 10)


def test_a_wrong_piece_is_fetched_again_by_another() -> None:
    """Alone: as one range, that is not cut, and not gone on with."""
    of = segments(A, B, missing=[(0, 10), (10, 20)], connections=1, least=6)
    a, b = begun(of)
    brought(of, a)
    assert of.wrong(*PIECE, {a.mirror})
    assert (of.left, of.over) == (20, False)
    assert begun(of) == [] and a.mirror.usable  # A has brought it wrong, and B is busy
    brought(of, b)
    (again,) = begun(of)
    assert (again.mirror.url, again.start, again.stop, again.alone) == (B, *PIECE, True)
    answer(of, again)
    assert begun(of) == []
    brought(of, again)
    of.right(0)
    assert of.over


def test_a_piece_that_was_cut_off_comes_all_from_one() -> None:
    """Else nobody would know who has brought it wrong."""
    of = segments(A, missing=[])
    assert of.wrong(*PIECE, {None})
    (again,) = begun(of)
    answer(of, again)
    again.at = 5
    of.ended(again, 0.0, ConnectionLost())
    (once_more,) = begun(of, 1.0)
    assert (once_more.start, once_more.stop) == PIECE


def test_the_only_mirror_may_bring_it_wrong_once() -> None:
    of = segments(A, missing=[PIECE])
    (one,) = begun(of)
    brought(of, one)
    assert of.wrong(*PIECE, {one.mirror})
    (again,) = begun(of)
    brought(of, again)
    assert not of.wrong(*PIECE, {again.mirror})
    assert isinstance(of.error, ChecksumMismatch)


def test_nobody_is_blamed_for_what_two_have_brought() -> None:
    of = segments(A, B, missing=[])
    for by in (set(of.mirrors), {*of.mirrors, None}, {None}):
        for _ in range(3):
            assert of.wrong(*PIECE, by)
    assert [mirror.wrong for mirror in of.mirrors] == [0, 0]


def test_a_mirror_is_dropped_for_its_second_wrong_piece() -> None:
    """Unless it is the last one."""
    of = segments(A, B, missing=[])
    a, b = of.mirrors
    assert of.wrong(0, 10, {a}) and a.usable
    assert of.wrong(10, 20, {a}) and not a.usable
    assert of.wrong(20, 30, {b}) and of.wrong(30, 40, {b})
    assert b.usable
    assert {stream.mirror for stream in begun(of)} == {b}


def test_so_many_wrong_pieces_are_brought_by_nobody_who_means_it() -> None:
    """Even if each of them is right when it is fetched again; what was there before is no
    mirror's."""
    of = segments(A, missing=[])
    (a,) = of.mirrors
    starts = iter(range(0, 10 * MB, 10))
    for start, _ in zip(starts, range(MOST_WRONG), strict=False):
        assert of.wrong(start, start + 10, {None})
        assert of.wrong(start, start + 10, {a})
        of.right(start)
    start = next(starts)
    assert of.wrong(start, start + 10, {None})
    assert not of.wrong(start, start + 10, {a})
    assert isinstance(of.error, ChecksumMismatch)


# --- whatever happens ----------------------------------------------------------------------------

ERRORS = (ConnectionLost, ServerBusy, NotFound, Interrupted)
LONGEST = 120
CHANCES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1000)), max_size=80)


@dataclass
class World:
    """Servers that do as they like with the streams of a small file, whose bytes are counted."""

    of: Segments
    splitting: Splitting
    bytes: Counter[int] = field(default_factory=Counter)
    now: float = 0.0

    def step(self, chance: int, number: int) -> None:
        """One thing happens; `chance` below 4 is a fault."""
        streams = list(self.of.streams)
        self.now += chance / 4
        if streams:
            stream = streams[number % len(streams)]
            if chance < 3:
                self.of.ended(stream, self.now, ERRORS[number % len(ERRORS)]("as it happens"))
            elif stream.limit is None and chance == 3:
                self.of.refused(stream)
            elif stream.limit is None:
                size = number % stream.left + 1 if chance == 4 else stream.left
                self.of.answered(stream, stream.start + size)
            else:
                self.bring(stream, number % 40 + 1)
        begun(self.of, self.now)
        self.check()

    def bring(self, stream: Stream, size: int) -> None:
        while size and stream.at < self.of.reach(stream):
            assert stream.limit is not None and stream.at < stream.limit
            self.bytes[stream.at] += 1
            stream.at += 1
            size -= 1
        if stream.at >= self.of.reach(stream):
            self.of.ended(stream, self.now)

    def check(self) -> None:
        streams = list(self.of.streams)
        assert len(streams) <= self.splitting.parts
        hosts = Counter(stream.mirror.host for stream in streams)
        assert max(hosts.values(), default=0) <= self.splitting.connections
        wanted = [n for stream in streams for n in range(stream.at, stream.stop)]
        assert len(wanted) == len(set(wanted))
        assert not set(wanted) & set(self.bytes)
        assert self.of.left == LONGEST - len(self.bytes)

    def settle(self) -> None:
        """From now on every server does what it is asked, and time passes."""
        for _ in range(1000):
            begun(self.of, self.now)
            if not self.of.streams and (wait := self.of.wait(self.now)) is None:
                return
            if not self.of.streams:
                self.now += wait
            for stream in list(self.of.streams):
                if stream.limit is None:
                    self.of.answered(stream, stream.stop)
                self.bring(stream, LONGEST)
            self.check()
        raise AssertionError("it does not end")


@given(
    st.lists(st.sampled_from([A, A2, B, C]), min_size=1, max_size=4, unique=True),
    st.builds(Splitting, st.integers(1, 4), st.integers(1, 6), st.integers(1, 40)),
    st.integers(0, 30),
    st.sampled_from([None, True, False]),
    CHANCES,
)
def test_every_byte_comes_once(
    urls: list[HttpUrl],
    splitting: Splitting,
    align: int,
    parts: bool | None,
    chances: list[tuple[int, int]],
) -> None:
    """Whatever arrives and fails, whenever; at the end all is there, or no mirror is left."""
    of = Segments([(0, LONGEST)], urls, splitting, tries, align + 1)
    world = World(of, splitting)
    of.first(0, LONGEST, LONGEST, parts, 0.0)
    for chance in chances:
        world.step(*chance)
    world.settle()
    if of.over:
        assert world.bytes == Counter(range(LONGEST))
    else:
        assert not any(mirror.usable for mirror in of.mirrors)
        assert of.error is not None or not any(mirror.parts for mirror in of.mirrors)


@given(st.lists(st.tuples(st.integers(0, LONGEST), st.integers(0, LONGEST)), max_size=6), CHANCES)
def test_gaps_are_filled_once(gaps: list[tuple[int, int]], chances: list[tuple[int, int]]) -> None:
    """What was there before is not fetched."""
    held = Ranges(gaps)
    splitting = Splitting(2, 3, 10)
    of = Segments(held.missing(LONGEST), [A, B], splitting, tries)
    there = Counter(n for start, stop in held for n in range(start, min(stop, LONGEST)))
    world = World(of, splitting, there)
    for chance in chances:
        world.step(*chance)
    world.settle()
    assert not of.over or world.bytes == Counter(range(LONGEST))
    assert set(world.bytes.values()) <= {1}


def test_its_repr_shows_it() -> None:
    of = segments()
    first(of)
    assert repr(of) == "<Segments 1 streams, 104857600 bytes left>"


def test_an_error_of_the_first_mirror_is_told_first() -> None:
    of = segments(A, B)
    a, b = of.mirrors
    b.error = theirs = DownloadError("b")
    assert of.error is theirs
    a.error = ours = DownloadError("a")
    assert of.error is ours
