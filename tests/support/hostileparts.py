"""Class S of the hostile answers: to a request for the rest of a file (see `hostile`).

Half of OLD is there, of version "v1". The first request with a Range gets the case's answer, every
later one an honest part; who asks for the whole gets NEW, of another version. So a file of both, or
of half, is told from a right one.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from downloader import Job
from downloader.errors import BadResponse, TruncatedBody
from downloader.sansio.journal import TAIL, head_record, held_record, identity_of
from downloader.sansio.version import Version
from support.hostile import REFUSALS, Case, Outcome

SIZE = 40
HALF = 20
OLD = bytes(range(65, 65 + SIZE))
NEW = bytes(range(165, 165 + SIZE))
ETAG = b'ETag: "v1"\r\n'
REST = b"Content-Range: bytes 20-39/40\r\n"
PART = b"HTTP/1.1 206 Partial\r\n"


@dataclass(frozen=True)
class PartCase(Case):
    """`total` is what is known of the length of what is there."""

    total: int | None = SIZE


def framed(head: bytes, body: bytes, framing: str) -> bytes:
    """An answer of `head`, whose lines it has, and `body`."""
    if framing == "length":
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if framing == "chunked":
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
    return head + b"Connection: close\r\n\r\n" + body


FRAMINGS = ("length", "chunked", "close")


def each(name: str, head: bytes, body: bytes, outcome: Outcome) -> Generator[Case, None, None]:
    """The same in every framing."""
    for framing in FRAMINGS:
        data = framed(head, body, framing)
        yield PartCase(f"{name}, {framing}", data, outcome, fin=framing == "close")


def ranges() -> Generator[Case, None, None]:
    """What a 206 says of its place."""
    for value, start, stop in [
        (b"bytes 20-39/40", 20, 40), (b"BYTES 20-39/40", 20, 40), (b"bytes  20-39/40", 20, 40),
        (b"bytes 20-39/*", 20, 40), (b"bytes 020-0039/040", 20, 40), (b"bytes 10-39/40", 10, 40),
        (b"bytes 0-39/40", 0, 40), (b"bytes 20-29/40", 20, 30), (b"bytes 10-29/40", 10, 30),
        (b"bytes 20-20/40", 20, 21),
    ]:  # fmt: skip
        head = PART + ETAG + b"Content-Range: " + value + b"\r\n"
        # So little is asked for anew in the next try, since no journal tells of it.
        yield from each(repr(value), head, OLD[start:stop], OLD if stop == 40 else TruncatedBody)
    for value in [
        b"bytes 21-39/40", b"bytes 30-39/40", b"bytes 0-19/40", b"bytes 0-0/40", b"bytes 20-39/41",
        b"bytes 20-39/39", b"bytes 20-40/40", b"bytes 39-20/40", b"bytes -20/40", b"bytes 20-/40",
        b"bytes */40", b"bytes */*", b"items 20-39/40", b"bytes 20-39", b"20-39/40", b"",
        b"bytes=20-39/40", b"bytes 20-39/40, bytes 0-3/40", b"bytes 20-39/1e3", b"bytes +20-39/40",
        b"bytes 0x14-0x27/0x28", b"bytes 20 - 39/40", b"bytes 20-39/40;", b"bytes 20-39/ 40",
        b"bytes 00000000000000000020-39/40", b"bytes 18446744073709551636-39/40", b"bytes",
        b"bytes 20-39/-40", b"\xff", b"bytes 20-39/40\r\nContent-Range: bytes 20-39/40",
        b"bytes 20-39/40\r\nContent-Range: bytes 0-19/40", b"none",
    ]:  # fmt: skip
        head = PART + ETAG + b"Content-Range: " + value + b"\r\n"
        yield from each(f"no place {value!r}", head, OLD[HALF:], NEW)
    yield from each("no Content-Range", PART + ETAG, OLD[HALF:], NEW)


def versions() -> Generator[Case, None, None]:
    """A 206 of which version, in which coding. What it brings is not of what is there."""
    for line in [b'ETag: "v2"\r\n', b'ETag: W/"v1"\r\n', b"ETag: v1\r\n", b"ETag:\r\n", b"",
                 b'ETag: "V1"\r\n', b'ETag: "v1" \0\r\n'[:-3] + b"x\r\n", ETAG + ETAG,
                 ETAG + b'ETag: "v2"\r\n', ETAG + b"Content-Encoding: gzip\r\n",
                 ETAG + b"Content-Encoding: identity\r\nContent-Encoding: br\r\n",
                 ETAG + b"Content-Type: multipart/byteranges; boundary=x\r\n",
                 b'ETag: "' + b"v" * 2000 + b'"\r\n', b'ETag: "v1"\xff\r\n']:  # fmt: skip
        yield from each(f"of {line[:40]!r}", PART + REST + line, NEW[HALF:], NEW)
    for line in [ETAG, b'etag:"v1"\r\n', b'ETag: \t"v1"\t\r\n',
                 ETAG + b"Content-Encoding: identity\r\n",
                 ETAG + b"Last-Modified: Mon, 02 Nov 2026 10:00:00 GMT\r\n",
                 ETAG + b"Content-Type: text/html\r\n"]:  # fmt: skip
        yield from each(f"of {line!r} is it", PART + REST + line, OLD[HALF:], OLD)


def bodies() -> Generator[Case, None, None]:
    """A 206 whose place is right, and whose body is shorter or longer."""
    head = PART + ETAG + REST
    for count in [0, 1, 19, 21, 40]:
        body = (OLD[HALF:] + NEW)[:count]
        yield PartCase(f"{count} bytes by length", framed(head, body, "length"), NEW)
    for body in [NEW[:21], NEW, NEW * 10, NEW * 3000]:
        for framing in ("chunked", "close"):
            data = framed(head, OLD[HALF:] + body, framing)
            yield PartCase(f"{len(body)} more, {framing}", data, BadResponse, fin=True)
    for count in [1, 10, 19]:
        body = OLD[HALF : HALF + count]
        for framing in ("chunked", "close"):
            data = framed(head, body, framing)
            last = framing == "close"
            yield PartCase(f"{count} bytes, {framing}", data, TruncatedBody, fin=last)
        cut = head + b"Content-Length: 20\r\n\r\n" + body
        yield PartCase(f"{count} bytes of 20", cut, TruncatedBody, fin=True)
    for framing in ("chunked", "close"):
        data = framed(head, b"", framing)
        yield PartCase(f"no byte, {framing}", data, TruncatedBody, fin=framing == "close")


def statuses() -> Generator[Case, None, None]:
    """Other statuses to a range."""
    for status in [200, 203]:
        line = b"HTTP/1.1 %d X\r\n" % status
        for framing in FRAMINGS:
            data, last = framed(line + b'ETag: "v2"\r\n', NEW, framing), framing == "close"
            yield PartCase(f"{status} whole, {framing}", data, NEW, fin=last, verified=not last)
        same = framed(line + ETAG, NEW, "length")
        yield PartCase(f"{status} of the same ETag is all the same", same, NEW)
        exact = framed(line + ETAG + REST, OLD[HALF:], "length")
        yield PartCase(f"{status} that is a 206 but for the status", exact, OLD)
        for framing in ("chunked", "close"):
            data = framed(line + ETAG + REST, OLD[HALF:], framing)
            yield PartCase(f"{status} with a range, {framing}", data, NEW, fin=framing == "close")
        for value in [b"bytes 10-39/40", b"bytes 20-29/40", b"bytes 0-19/40", b"bytes 20-39/41"]:
            head = line + ETAG + b"Content-Range: " + value + b"\r\n"
            yield from each(f"{status} with {value!r}", head, OLD[HALF:], NEW)
        other = line + b'ETag: "v2"\r\n' + REST
        yield from each(f"{status} with a range of another version", other, NEW[HALF:], NEW)
    refused = [(status, error) for error, some in REFUSALS.items() for status in some]
    outcomes: dict[int, Outcome] = {**dict(refused), 204: BadResponse}
    del outcomes[206]
    for status, outcome in {**outcomes, **dict.fromkeys((400, 412, 416, 501), NEW)}.items():
        line = b"HTTP/1.1 %d X\r\n" % status
        body = b"" if status in (204, 304) else b"some text"
        yield PartCase(f"status {status}", framed(line, body, "length"), outcome)
        yield PartCase(f"status {status} in pieces", framed(line, body, "chunked"), outcome)


def unsatisfied() -> Generator[Case, None, None]:
    """416, where how long the file is was known, and where it was not."""
    line = b"HTTP/1.1 416 X\r\nContent-Length: 0\r\n"
    for total in (SIZE, None):
        for value in [b"bytes */40", b"bytes */19", b"bytes */21", b"bytes */0", b"bytes */*",
                      b"bytes 0-19/20", b"*/20", b""]:  # fmt: skip
            head = line + ETAG + b"Content-Range: " + value + b"\r\n\r\n"
            yield PartCase(f"416 {value!r} of {total}", head, NEW, total=total)
        for etag in [b'ETag: "v2"\r\n', b'ETag: W/"v1"\r\n', b""]:
            head = line + etag + b"Content-Range: bytes */20\r\n\r\n"
            yield PartCase(f"416 of {etag!r} of {total}", head, NEW, total=total)
    ended = line + ETAG + b"Content-Range: bytes */20\r\n\r\n"
    yield PartCase("416 of a shorter one", ended, NEW)
    yield PartCase("416 at the end", ended, OLD[:HALF], total=None)


PARTS = [*ranges(), *versions(), *bodies(), *statuses(), *unsatisfied()]


def honest(head: bytes) -> bytes:
    """An honest server's answer about OLD."""
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"range: bytes="):
            first, _, last = line.partition(b"=")[2].partition(b"-")
            start, stop = int(first), int(last) + 1 if last else SIZE
            place = b"Content-Range: bytes %d-%d/%d\r\n" % (start, stop - 1, SIZE)
            return framed(PART + ETAG + place, OLD[start:stop], "length")
    return framed(b"HTTP/1.1 200 OK\r\n" + ETAG, OLD, "length")


def leave(job: Job, data: bytes, total: int | None) -> None:
    """What a run leaves of `job` that was stopped behind `data`, of version "v1"."""
    part = Path(job.directory, f"{job.url.rpartition('/')[2]}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(data)
    journal = head_record(identity_of(job.url), Version('"v1"', None, total))
    journal += held_record([(0, len(data), crc32(data[-TAIL:]))])
    part.with_name(f"{part.name}.journal").write_bytes(journal)
