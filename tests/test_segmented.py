"""One file over several connections, on real sockets: right bytes, and stop means stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.bench import NAME, Bench, cancelled
from support.hanging import Files
from support.parts import Mirror

from downloader import Job, Limits, Retries, Splitting
from downloader.errors import DiskFull, TargetBusy
from downloader.sansio.journal import read_journal
from downloader.testing import Connection, End, FullListener, Origin, ScriptedServer, content
from downloader.transfer.disks import Disks
from downloader.transfer.writer import FULL

MB = 1024 * 1024
SIZE = 16 * MB
BODY = b"".join(content("/f", SIZE))
PIECE = 1500
FOUR = Splitting(4, 4, MB)
TWO = Splitting(2, 2, 8 * MB)

TOLD = b'ETag: "1"\r\nAccept-Ranges: bytes\r\nContent-Length: %d\r\n'
HEAD = b"HTTP/1.1 200 OK\r\n" + TOLD + b"\r\n"
PART = b"HTTP/1.1 206 Part\r\n" + TOLD + b"Content-Range: bytes %d-%d/%d\r\n\r\n"


def asked(head: bytes) -> tuple[int, int] | None:
    """The range that is asked for."""
    match = re.search(rb"\r\nrange: bytes=(\d+)-(\d+)\r\n", head, re.I)
    return None if match is None else (int(match[1]), int(match[2]) + 1)


async def begin(connection: Connection, size: int = PIECE) -> None:
    """Answer, and send `size` bytes of what is asked for."""
    span = asked(await connection.head())
    if span is None:
        connection.send(HEAD % SIZE + BODY[:size])
    else:
        start, stop = span
        head = PART % (stop - start, start, stop - 1, SIZE)
        connection.send(head + BODY[start : start + size])


async def stay(connection: Connection) -> None:
    """Take the request and say nothing."""
    await connection.head()


async def half(connection: Connection) -> None:
    """Half a head."""
    await connection.head()
    connection.send(PART[:30])


async def busy(connection: Connection) -> None:
    """Ask to come back later."""
    await connection.head()
    connection.send(b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


def all_of(*scripts: Callable[[Connection], Any]) -> Callable[[Connection], Any]:
    """Each connection by its own script, the last one for those behind it too."""
    return lambda connection: scripts[min(connection.number, len(scripts) - 1)](connection)


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, ca: Any) -> Any:
    return ca.server() if request.param == "tls" else None


# --- right bytes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [None, 8 * MB])
async def test_the_bytes_are_right(bench: Any, origin: Origin, rate: int | None) -> None:
    """However quick; with no more connections than were allowed."""
    b: Bench = bench(splitting=FOUR)
    url = origin.add("/f", SIZE, etag='"1"', rate=rate)
    await b.gets(url, BODY, NAME)
    alive = [one for one in origin.connections if one.end is None]
    assert origin.requests["/f"] >= 4 and len(alive) <= 4


async def test_over_tls(bench: Any, scripted: Any, ca: Any) -> None:
    b: Bench = bench(splitting=FOUR)
    server = scripted(Mirror(BODY), tls=ca.server())
    await b.gets(server.url("/f"), BODY, NAME)
    assert len(server.connections) >= 4


async def test_many_files_at_a_time(bench: Any, origin: Origin) -> None:
    """More parts than connections: they wait for one, or share one, and all come."""
    b: Bench = bench(splitting=FOUR, limits=Limits(connections_per_host=2))
    size = 4 * MB
    urls = {f"f{n}": origin.add(f"/f{n}", size, etag=f'"{n}"') for n in range(8)}
    fetching = [b.fetch(url, name) for name, url in urls.items()]
    for one in fetching:
        assert (await one).bytes == size
    for name in urls:
        assert (b.out / name).read_bytes() == b"".join(content(f"/{name}", size))
    assert len([one for one in origin.connections if one.end is None]) <= 2


async def test_mirrors_of_different_speed(bench: Any, reactor: Any, origin: Origin) -> None:
    """What the slow one has not begun to bring is taken off it."""
    slow = Origin(reactor)
    try:
        b: Bench = bench(splitting=Splitting(1, 2, MB))
        urls = [slow.add("/f", SIZE, etag='"1"', rate=4 * MB), origin.add("/f", SIZE, etag='"1"')]
        await b.downloader.fetch(Job(urls[0], str(b.out), NAME, mirrors=(urls[1],)))
        assert (b.out / NAME).read_bytes() == BODY
        assert origin.requests["/f"] >= 3
    finally:
        await slow.stop()


async def test_a_checksum_of_all_of_it(bench: Any, origin: Origin) -> None:
    b: Bench = bench(splitting=FOUR)
    url = origin.add("/f", SIZE, etag='"1"')
    checksum = f"sha-256={sha256(BODY).hexdigest()}"
    result = await b.downloader.fetch(Job(url, str(b.out), checksum=checksum))
    assert (result.sha256, result.verified) == (sha256(BODY).hexdigest(), True)
    assert (b.out / "f").read_bytes() == BODY


async def test_a_mixture_has_not_the_checksum(bench: Any, scripted: Any) -> None:
    """Without a validator only that can tell; it comes once more, as one, and is right."""
    mirror = Mirror(BODY, etag='W/"1"', wrong=(SIZE - 1,), spoils=lambda span: span[0] > 0)
    server = scripted(mirror)
    b: Bench = bench(splitting=TWO, retries=Retries(tries=1))
    checksum = f"sha-256={sha256(BODY).hexdigest()}"
    await b.downloader.fetch(Job(server.url("/f"), str(b.out), checksum=checksum))
    assert (b.out / "f").read_bytes() == BODY
    assert mirror.asked == [None, (SIZE // 2, SIZE), None]


async def test_against_nginx(bench: Any, nginx: Any) -> None:
    """Its own ETags, and what it makes of ranges."""
    data = Random(3).randbytes(20 * MB)
    (nginx.root / "segmented").write_bytes(data)
    b: Bench = bench(splitting=FOUR)
    for name, url in (("plain", nginx.url), ("tls", nginx.tls_url)):
        result = await b.fetch(url("/segmented"), name)
        assert (b.out / name).read_bytes() == data
        assert result.attempts >= 4


# --- servers that do not do it -------------------------------------------------------------------

OTHER = (
    b'HTTP/1.1 206 Part\r\nETag: "2"\r\nContent-Length: 9\r\nContent-Range: bytes %d-%d/%d\r\n\r\n'
)
CASES: dict[str, bytes | None] = {
    "the whole again": HEAD % SIZE + b"x" * MB,
    "the whole of something short": HEAD % 4 + b"four",
    "a part of another version": OTHER % (SIZE // 2, SIZE // 2 + 8, SIZE) + b"x" * 9,
    "a part from elsewhere": PART % (9, 0, 8, SIZE) + b"x" * 9,
    "a part that says nothing": b"HTTP/1.1 206 Part\r\nContent-Length: 9\r\n\r\n" + b"x" * 9,
    "a range that it cannot do": b"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n",
    "a request that it does not like": b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n",
    "a client that it does not like": b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
    "something that is not HTTP": b"what?\r\n\r\n",
    "nothing": None,
}


@pytest.mark.parametrize("name", CASES)
async def test_the_first_connection_brings_all(name: str, bench: Any, scripted: Any) -> None:
    """Whatever the second one is told; that is no error, and asked for once or twice."""
    answer = CASES[name]
    told: list[Connection] = []

    async def script(connection: Connection) -> None:
        if connection.number == 0:
            await begin(connection)
            await b.until(lambda: told)
            await connection.flush()
            connection.send(BODY[PIECE:])
            return
        await connection.head()
        if answer is not None:
            connection.send(answer)
            await connection.flush()
        else:
            connection.close()
        told.append(connection)

    b: Bench = bench(splitting=TWO, retries=Retries(tries=1))
    server: ScriptedServer = scripted(script)
    result = await b.fetch(server.url("/f"))
    assert (b.out / NAME).read_bytes() == BODY
    assert (result.bytes, result.http_status, result.error) == (SIZE, 200, None)
    assert result.attempts <= 3 and len(told) <= 2


async def test_a_part_that_is_cut_off(bench: Any, scripted: Any) -> None:
    """The rest of it is asked for, and not what has come."""
    spans: list[tuple[int, int]] = []

    async def script(connection: Connection) -> None:
        if connection.number == 1:
            await begin(connection, MB)
            await connection.flush()
            await b.until(lambda: (b.out / f"{NAME}.part").stat().st_size >= SIZE // 2 + MB)
            connection.reset()
        elif connection.number == 0:
            await begin(connection)
            await b.until(lambda: len(server.connections) > 2)
            connection.send(BODY[PIECE:])
        else:
            spans.append(asked(await connection.head()) or (0, 0))
            start, stop = spans[-1]
            connection.send(PART % (stop - start, start, stop - 1, SIZE) + BODY[start:stop])

    b: Bench = bench(splitting=TWO, retries=Retries(tries=2, wait=0.01))
    server: ScriptedServer = scripted(script)
    await b.gets(server.url("/f"), BODY, NAME)
    assert spans == [(SIZE // 2 + MB, SIZE)]


# --- stop means stop -----------------------------------------------------------------------------

PHASES: dict[str, tuple[tuple[Callable[[Connection], Any], ...], int]] = {
    "the others are not answered": ((begin, stay), 4),
    "the others are answered half": ((begin, half), 4),
    "all are in their bodies": ((begin,), 4),
}


@pytest.mark.parametrize("name", PHASES)
async def test_cancel(name: str, bench: Any, scripted: Any, tls: Any) -> None:
    """Every connection is reset at once; the part file has what came, and its journal tells."""
    scripts, count = PHASES[name]
    server: ScriptedServer = scripted(all_of(*scripts), tls=tls)
    b: Bench = bench(splitting=FOUR)
    b.remember()
    fetching = b.fetch(server.url("/f"))
    await b.until(lambda: len(server.connections) >= count)
    await b.until(lambda: all(one.heads for one in server.connections))
    await b.turns()
    await b.written()
    live = [one for one in server.connections if one.end is None]
    await b.cancel(fetching, live[0])
    for one in live[1:]:
        assert await one.ended() is End.RST
    await b.is_clean()
    assert b.part()[:PIECE] == BODY[:PIECE]
    assert not (b.out / NAME).exists()


async def test_cancel_while_a_mirror_is_being_connected(
    bench: Any, scripted: Any, full_listener: FullListener
) -> None:
    server: ScriptedServer = scripted(begin)
    b: Bench = bench(splitting=Splitting(1, 2, MB))
    b.remember()
    mirrors = (full_listener.url("/f"),)
    fetching = b.downloader.fetch(Job(server.url("/f"), str(b.out), NAME, mirrors=mirrors))
    await b.until(full_listener.connecting)
    await b.until(lambda: b.part())
    await b.cancel(fetching, server.connections[0])
    await b.is_clean()
    assert full_listener.connecting() == 0


async def test_cancel_while_a_mirror_is_waited_for(bench: Any, scripted: Any) -> None:
    """The timer of its next try goes too."""
    server, other = scripted(begin), scripted(busy)
    b: Bench = bench(splitting=Splitting(1, 2, MB), retries=Retries(wait=60.0))
    b.remember()
    mirrors = (other.url("/f"),)
    fetching = b.downloader.fetch(Job(server.url("/f"), str(b.out), NAME, mirrors=mirrors))
    (transfer,) = b.downloader.active()
    await b.until(lambda: transfer._streams is not None and transfer._streams._retry is not None)
    await b.turns()
    await b.cancel(fetching, server.connections[0])
    await b.is_clean()
    assert len(other.connections[0].heads) == 1


async def test_cancel_before_any_answer(bench: Any, scripted: Any) -> None:
    server: ScriptedServer = scripted(stay)
    b: Bench = bench(splitting=FOUR)
    b.remember()
    fetching = b.fetch(server.url("/f"))
    await b.until(lambda: server.connections and server.connections[0].heads)
    await b.cancel(fetching, server.connections[0])
    await b.is_clean()
    assert len(server.connections) == 1


async def test_cancel_while_the_checksum_is_computed(
    bench: Any, reactor: Any, origin: Origin, hanging: Files
) -> None:
    disks = Disks(reactor, hanging, in_memory=lambda device: False)
    b: Bench = bench(splitting=FOUR, disks=disks)
    hanging.hang(f"read {NAME}")
    checksum = f"sha-256={sha256(BODY).hexdigest()}"
    url = origin.add("/f", SIZE, etag='"1"')
    fetching = b.downloader.fetch(Job(url, str(b.out), NAME, checksum=checksum))
    await b.until(lambda: f"read {NAME}" in hanging.held)
    fetching.cancel()
    assert cancelled(fetching)
    hanging.release()
    await b.until(lambda: b.downloader.limiter.idle)
    assert b.part() == BODY and not (b.out / NAME).exists()


# --- a disk that is slow -------------------------------------------------------------------------


async def test_a_disk_that_hangs_pauses_all(
    bench: Any, reactor: Any, origin: Origin, hanging: Files
) -> None:
    """Each body holds no more than a read beside what the file may hold, and a cancel does not
    wait; file and slot come back with the disk."""
    disks = Disks(reactor, hanging, hanging.now, lambda device: False, patience=0.05)
    b: Bench = bench(splitting=FOUR, disks=disks, retries=Retries(tries=1))
    hanging.hang(f"write {NAME}")
    url = origin.add("/f", SIZE, etag='"1"')
    fetching = b.fetch(url)
    (transfer,) = b.downloader.active()
    await b.until(lambda: transfer._part is not None and transfer._part.full)
    await b.turns(200)
    assert FULL < transfer._part.held <= 5 * FULL
    assert len(origin.connections) == 4
    fetching.cancel()
    assert cancelled(fetching)
    assert not b.downloader.limiter.idle
    with pytest.raises(TargetBusy):
        await b.fetch(url)
    hanging.release()
    await b.until(lambda: b.downloader.limiter.idle)
    assert not (b.out / NAME).exists()


async def test_a_disk_that_is_slow_at_first(
    bench: Any, reactor: Any, origin: Origin, hanging: Files
) -> None:
    """All go on when it is back."""
    disks = Disks(reactor, hanging, hanging.now, lambda device: False)
    b: Bench = bench(splitting=FOUR, disks=disks)
    hanging.hang(f"write {NAME}")
    fetching = b.fetch(origin.add("/f", SIZE, etag='"1"'))
    (transfer,) = b.downloader.active()
    await b.until(lambda: transfer._part is not None and transfer._part.full)
    hanging.release()
    await fetching
    assert (b.out / NAME).read_bytes() == BODY


async def test_a_disk_that_is_full_ends_all(
    bench: Any, reactor: Any, scripted: Any, hanging: Files
) -> None:
    server: ScriptedServer = scripted(lambda connection: begin(connection, 2 * FULL))
    disks = Disks(reactor, hanging, hanging.now, lambda device: False)
    b: Bench = bench(splitting=FOUR, disks=disks, retries=Retries(tries=1))
    hanging.hang(f"write {NAME}")
    hanging.fill(f"write {NAME}")
    fetching = b.fetch(server.url("/f"))
    await b.until(lambda: len(server.connections) == 4 and hanging.held)
    hanging.release()
    with pytest.raises(DiskFull):
        await fetching
    assert [await one.ended() for one in server.connections] == [End.RST] * 4
    await b.until(lambda: b.downloader.limiter.idle)


# --- killed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", ["1", "4"])
async def test_killed_and_gone_on_with(
    bench: Any, reactor: Any, origin: Origin, tmp_path: Path, parts: str
) -> None:
    """By SIGKILL, while four connections bring it; the next run asks for what no journal tells."""
    size = 192 * MB
    url = origin.add("/f", size, etag='"1"', rate=24 * MB)
    command = [sys.executable, "-m", "downloader", "fetch", url, "-d", str(tmp_path), "-q",
               "-x", "4", "--min-split-size", "1M", "-s"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    b: Bench = bench()
    journal = tmp_path / "f.part.journal"
    running = subprocess.Popen([*command, "4"], env=environment)
    try:
        await b.until(lambda: journal.exists() and journal.stat().st_size > 0)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    held = read_journal(journal.read_bytes())
    assert held is not None and len(held.marks) >= 2
    origin.add("/f", size, etag='"1"')
    before = origin.requests["/f"]
    again = subprocess.Popen([*command, parts], env=environment)
    await b.until(lambda: again.poll() is not None)
    assert again.returncode == 0
    assert os.listdir(tmp_path) == ["f"]
    with (tmp_path / "f").open("rb") as file:
        assert all(file.read(len(chunk)) == chunk for chunk in content("/f", size))
    if parts == "1":
        assert origin.requests["/f"] - before == len(held.ranges.missing(size))
