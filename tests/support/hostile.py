"""Answers that a fetch must get through unharmed: cases as data, and how they are fed to it.

Each says what must come of it: the bytes under the final name, or the class of the error. This
module has answers to a request for a whole file; `hostileparts` those to one for the rest of it,
`hostilenames` names and places.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass

from downloader.errors import (
    BadResponse,
    ConnectionLost,
    DownloadError,
    HttpError,
    NotFound,
    ServerBusy,
    TruncatedBody,
)
from downloader.testing import Connection

BODY = b"hello, world"
OK = b"HTTP/1.1 200 OK\r\n"
CODING = b"Transfer-Encoding: chunked\r\n"
TWELVE = b"Content-Length: 12\r\n"
CHUNKED = OK + CODING + b"\r\n"
END = b"0\r\n\r\n"

Outcome = bytes | type[DownloadError]


@dataclass(frozen=True)
class Case:
    """`data` is sent, and the connection closed behind it with `fin`.

    `verified` is what the Result of a file must say of its length.
    """

    name: str
    data: bytes
    outcome: Outcome
    fin: bool = False
    verified: bool = True


# What a status means where a file was asked for.
REFUSALS: dict[type[DownloadError], list[int]] = {
    BadResponse: [201, 202, 206, 207, 226, 300, 304, 305],
    HttpError: [400, 401, 403, 412, 416, 451, 505],
    NotFound: [404, 410],
    ServerBusy: [408, 429, 500, 503, 599],
}

# --- ways to feed an answer -----------------------------------------------------------------

FEEDS = ("whole", "bytes", "split")
# What is longer goes on in one piece: the head and what follows it are what is hard to read.
EACH = 1000


async def feed(connection: Connection, data: bytes, how: str, seed: int) -> None:
    """Send `data` whole, byte by byte, or split at random places."""
    if how == "whole":
        connection.send(data)
        await connection.flush()
    elif how == "bytes":
        await connection.trickle(data[:EACH])
        connection.send(data[EACH:])
        await connection.flush()
    else:
        for piece in pieces(data, random.Random(seed)):
            connection.send(piece)
            await connection.flush()


def pieces(data: bytes, chance: random.Random) -> Generator[bytes, None, None]:
    """`data`, cut at up to eight places."""
    places = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 8)))
    for start, stop in zip([0, *places], [*places, len(data)], strict=True):
        if start < stop:
            yield data[start:stop]


# --- class P: what a whole file's answer is made of -------------------------------------------


def lengths() -> Generator[Case, None, None]:
    """Content-Lengths that are none, and some that are one."""
    bad = [b"", b" ", b"-12", b"+12", b"1_2", b"0x0c", b"12.0", b"1e1", b"abc", b"12;", b"12 12",
           b"12, 12", b"12,", b",12", b"12, 13", b"\xb2", b"\xd9\xa1\xd9\xa2", b"\"12\"",
           b"9223372036854775808", b"18446744073709551628", b"9" * 30, b"9" * 5000, b"12\0",
           b"12\r", b"\x0b12", b"12a", b"c", b"0" * 100 + b"12"]  # fmt: skip
    for value in bad:
        data = OK + b"Content-Length: " + value + b"\r\n\r\n" + BODY
        yield Case(f"length {value[:24]!r}", data, BadResponse, fin=True)
    for value in [b"12", b"012", b" 12", b"12 ", b"\t12\t"]:
        data = OK + b"Content-Length:" + value + b"\r\n\r\n" + BODY
        yield Case(f"length {value!r} is one", data, BODY)
    for other in [b"12", b"11", b"13", b"0", b"abc"]:
        two = TWELVE + b"Content-Length: " + other + b"\r\n"
        yield Case(f"lengths 12 and {other!r}", OK + two + b"\r\n" + BODY, BadResponse, fin=True)
    for claimed in [13, 20, 1 << 20, (1 << 63) - 1]:
        data = OK + b"Content-Length: %d\r\n\r\n" % claimed + BODY
        yield Case(f"12 of {claimed} bytes", data, TruncatedBody, fin=True)
    for claimed in [0, 1, 11]:
        data = OK + b"Content-Length: %d\r\n\r\n" % claimed + BODY
        yield Case(f"{claimed} bytes, and more behind them", data, BODY[:claimed])


def codings() -> Generator[Case, None, None]:
    """Transfer codings that nobody asked for, and both framings."""
    chunks = b"c\r\n" + BODY + b"\r\n" + END
    for value in [b"gzip", b"gzip, chunked", b"chunked, chunked", b"chunked, gzip", b"identity",
                  b"chunked;a=b", b"xchunked", b"chunkedx", b"\"chunked\"", b"", b"chunked,",
                  b",chunked", b"chunked\0", b"\x0bchunked", b"deflate"]:  # fmt: skip
        data = OK + b"Transfer-Encoding: " + value + b"\r\n\r\n" + chunks
        yield Case(f"coding {value!r}", data, BadResponse, fin=True)
    for value in [b"chunked", b"Chunked", b"CHUNKED", b" chunked ", b"\tchunked"]:
        data = OK + b"transfer-encoding:" + value + b"\r\n\r\n" + chunks
        yield Case(f"coding {value!r} is one", data, BODY)
    for fields in [
        TWELVE + CODING,
        CODING + TWELVE,
        CODING + CODING,
        CODING + b"Content-Length: 0\r\n",
    ]:
        yield Case(f"fields {fields!r}", OK + fields + b"\r\n" + chunks, BadResponse, fin=True)


def chunks() -> Generator[Case, None, None]:
    """Chunks that break their form, and odd ones that do not."""
    for size in [b"", b" c", b"-c", b"+c", b"0xc", b"c ", b"c\t", b"g", b"c,", b"\xff",
                 b"1" + b"0" * 16 + b"c", b"c\r", b"c\n", b"\nc", b"c\0", b"c:"]:  # fmt: skip
        data = CHUNKED + size + b"\r\n" + BODY + b"\r\n" + END
        yield Case(f"chunk size {size!r}", data, BadResponse, fin=True)
    for end in [b"", b"\n", b"\r", b"x\r\n", b"\r\r\n", b" \r\n", b"\0\r\n"]:
        data = CHUNKED + b"c\r\n" + BODY + end + END
        yield Case(f"behind a chunk {end!r}", data, BadResponse, fin=True)
    for size in [b"c", b"C", b"00c", b"0000000000c", b"c;a", b"c;a=b", b'c;a="b;c"', b"c;a=b;d=e"]:
        data = CHUNKED + size + b"\r\n" + BODY + b"\r\n" + END
        yield Case(f"chunk size {size!r} is one", data, BODY)
    for end in [b"0\r\nX: y\r\n\r\n", b"000\r\n\r\n", b"0;a=b\r\n\r\n",
                b"0\r\nContent-Range: bytes 0-3/9\r\n\r\n"]:  # fmt: skip
        yield Case(f"chunks end {end!r}", CHUNKED + b"c\r\n" + BODY + b"\r\n" + end, BODY)
    for cut in [b"", b"c", b"c\r\n", b"c\r\nhello", b"c\r\n" + BODY, b"c\r\n" + BODY + b"\r\n",
                b"c\r\n" + BODY + b"\r\n0", b"c\r\n" + BODY + b"\r\n0\r\n",
                b"c\r\n" + BODY + b"\r\n0\r\nX: y\r\n", b"ffffffff\r\n" + BODY,
                b"f" * 16 + b"\r\n" + BODY]:  # fmt: skip
        yield Case(f"chunks cut {cut!r}", CHUNKED + cut, TruncatedBody, fin=True)
    data = CHUNKED + b"c\r\n" + BODY + b"\r\n0\r\nContent-Length: 3\r\n\r\n"
    yield Case("a length behind chunks", data, BadResponse)
    ones = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY)
    yield Case("chunks of one byte", CHUNKED + ones + END, BODY)


def status_lines() -> Generator[Case, None, None]:
    """First lines."""
    rest = b"\r\n" + TWELVE + b"\r\n" + BODY
    for line in [b"HTTP/0.9 200 OK", b"HTTP/2 200 OK", b"HTTP/2.0 200 OK", b"HTTP/3.7 200 OK",
                 b"HTTP/1.10 200 OK", b"HTTP/1 200 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK",
                 b"HTTP/1.1 0 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 -200 OK",
                 b"HTTP/1.1 999 OK", b"HTTP/1.1 600 OK", b"HTTP/1.1 099 OK", b"HTTP/1.1 +20 OK",
                 b"HTTP/1.1 2 0 OK", b"HTTP/1.1 \xb2\xb2\xb2 OK", b"HTTP/1.1", b"HTTP/1.1 OK",
                 b"http/1.1 200 OK", b" HTTP/1.1 200 OK", b"ICY 200 OK", b"GET / HTTP/1.1", b"\0",
                 b"SSH-2.0-OpenSSH_9.2", b"220 ready", b"<html>", b"\x16\x03\x01\x02", b"{}",
                 b"HTTPS/1.1 200 OK", b"HTTP/1.1 200\0OK"]:  # fmt: skip
        yield Case(f"first line {line!r}", line + rest, BadResponse, fin=True)
    for line in [b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.0 200 OK", b"HTTP/1.1 200 O\x80\xff",
                 b"HTTP/1.1 200 \x1b[2J", b"HTTP/1.1 203 Other",
                 b"RTSP/1.0 200 OK"]:  # fmt: skip
        yield Case(f"first line {line!r} is one", line + rest, BODY)
    for error, statuses in REFUSALS.items():
        for status in statuses:
            yield Case(f"status {status}", b"HTTP/1.1 %d X" % status + rest, error)
    yield Case("status 204", b"HTTP/1.1 204 No" + rest, BadResponse)


def headers() -> Generator[Case, None, None]:
    """Header lines, and what comes before the answer."""
    for line in [b"X\0: y", b"X : y", b" X: y", b": y", b"X", b"X\x80: y", b"X(: y", b"X: a\0b",
                 b"X: a\rb", b"X: a\r", b"X\r: y", b"X y: z", b"Content-Length\0: 3",
                 b"Content-Length : 3", b"\x0bX: y"]:  # fmt: skip
        data = OK + TWELVE + line + b"\r\n\r\n" + BODY
        yield Case(f"line {line!r}", data, BadResponse, fin=True)
    for line in [b"X:", b"X:y", b"X: \x80\xff", b"X: \t y \t", b"X: " + b"y" * 8000, b"!#$%&'*: y",
                 b"Content-Lengths: 3", b"Set-Cookie: " + b"a=b; " * 500]:  # fmt: skip
        data = OK + TWELVE + line + b"\r\n\r\n" + BODY
        yield Case(f"line {line[:24]!r} is one", data, BODY)
    for status in [100, 102, 103, 199]:
        before = b"HTTP/1.1 %d X\r\nLink: </>\r\n\r\n" % status
        yield Case(f"{status} before", before * 3 + OK + TWELVE + b"\r\n" + BODY, BODY)
        yield Case(f"{status} and no more", before, ConnectionLost, fin=True)
        with_body = b"HTTP/1.1 %d X\r\n" % status + TWELVE + b"\r\n" + BODY
        yield Case(f"{status} with a body", with_body, BadResponse, fin=True)
    yield Case("101", b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", BadResponse)
    yield Case("100 for ever", b"HTTP/1.1 100 X\r\n\r\n" * 60, BadResponse)
    yield Case("nothing", b"", ConnectionLost, fin=True)
    yield Case("no end of the head", OK + TWELVE, ConnectionLost, fin=True)


def ends() -> Generator[Case, None, None]:
    """Bodies that only the end of the connection ends, with a length beside it or none."""
    for head in [OK, b"HTTP/1.0 200 OK\r\n", OK + b"Connection: close\r\n", OK + b"X: y\r\n"]:
        for body in [b"", BODY, BODY * 100]:
            data = head + b"\r\n" + body
            yield Case(f"{head!r} and {len(body)} bytes", data, body, fin=True, verified=False)
    for head in [b"HTTP/1.0 200 OK\r\n", OK + b"Connection: close\r\n"]:
        yield Case(f"{head!r} with a length", head + TWELVE + b"\r\n" + BODY, BODY, fin=True)
    for value in [b"bytes 0-11/24", b"bytes 12-23/24", b"bytes 1-12/13", b"bytes */12"]:
        data = OK + TWELVE + b"Content-Range: " + value + b"\r\n\r\n" + BODY
        yield Case(f"200 with {value!r}", data, BadResponse)
    for value in [b"bytes 0-11/12", b"bytes 9-1/12", b"items 0-3/9", b"", b"\xff"]:
        data = OK + TWELVE + b"Content-Range: " + value + b"\r\n\r\n" + BODY
        yield Case(f"200 with {value!r} is one", data, BODY)


WHOLE = [*lengths(), *codings(), *chunks(), *status_lines(), *headers(), *ends()]
