"""One file on its way to a server, over real sockets: what is sent, and what every answer means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.asking import OK, path_of, until
from twisted.internet.defer import CancelledError

from downloader import Credentials, Identity, Limits, PutJob, Result, Retries, Timeouts
from downloader.errors import (
    Closed,
    ConnectionLost,
    DownloadError,
    FileChanged,
    FirstByteTimeout,
    HttpError,
    NotFound,
    ServerBusy,
    StallTimeout,
    UnreadableFile,
    UploadCut,
)
from downloader.testing import Connection, End

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LARGE = 2 * 1024 * 1024
# More than all buffers between the two ends hold.
HUGE = 32 * 1024 * 1024
FAST = Retries(tries=3, wait=0.0)


def refusal(code: int, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n%b\r\nno" % (code, more)


def length_of(head: bytes) -> int:
    return int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])


async def take(connection: Connection) -> tuple[bytes, bytes]:
    """Read one request, body and all."""
    head = await connection.head()
    if b"Expect: " in head:
        connection.send(CONTINUE)
    return head, await connection.take(length_of(head))


@pytest.mark.parametrize("code", [200, 201, 202, 204])
async def test_a_file_that_is_taken(scripted: Any, sender: Any, file: Any, code: int) -> None:
    """Its length is in the head and its bytes behind it; the Result tells of the file."""
    took: list[tuple[bytes, bytes]] = []

    async def script(connection: Connection) -> None:
        took.append(await take(connection))
        connection.send(b"HTTP/1.1 %d OK\r\nContent-Length: 0\r\n\r\n" % code)

    server, sent = scripted(script), file(300_000)
    job = PutJob(sent, server.url("/to?q"), (("X-Own", "yes"),), line=7)
    result = await sender().upload(job)
    assert result == Result(
        job, "complete", sent, server.url("/to?redacted"), code, 300_000, result.seconds, 1
    ) or (result.status, result.bytes, result.path) == ("complete", 300_000, sent)
    ((head, body),) = took
    assert head.startswith(b"PUT /to?q HTTP/1.1\r\n") and b"\r\nx-own: yes\r\n" in head.lower()
    assert (length_of(head), body) == (300_000, Path(sent).read_bytes())
    assert b"Expect" not in head


async def test_a_large_file_is_asked_about(scripted: Any, sender: Any, file: Any) -> None:
    """And sent once the server says that it wants it."""
    bodies: list[bytes] = []

    async def script(connection: Connection) -> None:
        head, body = await take(connection)
        assert b"\r\nExpect: 100-continue\r\n" in head
        bodies.append(body)
        connection.send(CREATED)

    sent = file(LARGE)
    assert (await sender().upload(PutJob(sent, scripted(script).url()))).bytes == LARGE
    assert bodies == [Path(sent).read_bytes()]


@pytest.mark.parametrize(
    ("code", "error"),
    [(403, HttpError), (404, NotFound), (413, HttpError), (304, HttpError),
     (301, HttpError), (302, HttpError), (206, HttpError), (503, ServerBusy)],
)  # fmt: skip
@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
async def test_a_file_that_is_refused(
    scripted: Any, sender: Any, file: Any, code: int, error: type[DownloadError], size: int
) -> None:
    """With the server's status; of a large one nothing is sent."""
    server = scripted([Connection.head, refusal(code, b"Location: /x\r\n")])
    with pytest.raises(error) as caught:
        await sender().upload(PutJob(file(size), server.url()))
    assert type(caught.value) is error
    assert (caught.value.http_status, caught.value.attempts) == (code, 1)
    (*_, connection) = server.connections
    assert len(connection.received) == len(connection.heads[0]) + (size if size == 10 else 0)


async def test_a_redirect_to_a_page_is_no_yes(scripted: Any, sender: Any, file: Any) -> None:
    """303 leads to a GET: to a form to log in, say, which is there with 200."""

    async def script(connection: Connection) -> None:
        await take(connection)
        connection.send(b"HTTP/1.1 303 See Other\r\nLocation: /form\r\nContent-Length: 0\r\n\r\n")
        assert (await connection.head()).startswith(b"GET /form ")
        connection.send(OK + b"Content-Length: 4\r\n\r\nform")

    with pytest.raises(HttpError) as caught:
        await sender().upload(PutJob(file(10), scripted(script).url()))
    assert caught.value.http_status == 303


async def test_a_redirect_is_followed_with_the_file(scripted: Any, sender: Any, file: Any) -> None:
    """308 to another origin: the file goes along, and what may be a secret does not."""
    took: list[tuple[bytes, bytes]] = []

    async def second(connection: Connection) -> None:
        took.append(await take(connection))
        connection.send(CREATED)

    there = scripted(second)
    moved = b"HTTP/1.1 308 Moved\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n"
    here = scripted([take, moved % there.url("/there").encode()])
    headers = (("X-Secret", "s"), ("Content-Type", "image/png"))
    sent = file(5000)
    result = await sender().upload(PutJob(sent, here.url(), headers))
    assert (result.final_url, result.http_status) == (there.url("/there"), 201)
    ((head, body),) = took
    assert body == Path(sent).read_bytes()
    assert b"x-secret" not in head.lower() and b"image/png" in head


async def test_each_try_sends_the_whole_file(scripted: Any, sender: Any, file: Any) -> None:
    """The connection is lost in the middle, then the server is busy, then it takes it."""
    bodies: list[bytes] = []

    async def script(connection: Connection) -> None:
        if connection.number == 0:
            await connection.head()
            await connection.take(1000)
            connection.reset()
            return
        bodies.append((await take(connection))[1])
        connection.send(refusal(503) if connection.number == 1 else CREATED)

    sent = file(100_000)
    result = await sender(retries=FAST).upload(PutJob(sent, scripted(script).url()))
    assert (result.attempts, result.http_status) == (3, 201)
    assert bodies == [Path(sent).read_bytes()] * 2


async def test_a_server_that_goes_away(scripted: Any, sender: Any, file: Any) -> None:
    async def script(connection: Connection) -> None:
        await connection.head()
        connection.reset()

    with pytest.raises(ConnectionLost) as caught:
        await sender(retries=FAST).upload(PutJob(file(10), scripted(script).url()))
    assert caught.value.attempts == 3


async def test_a_digest_challenge(scripted: Any, sender: Any, file: Any) -> None:
    """The file is sent once more, with the answer to it."""
    bodies: list[bytes] = []
    challenge = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'

    async def script(connection: Connection) -> None:
        head, body = await take(connection)
        bodies.append(body)
        connection.send(CREATED if b'username="me"' in head else refusal(401, challenge))

    identity = Identity(Credentials("me", "secret"), digest=True)
    sent = file(5000)
    result = await sender(identity=identity).upload(PutJob(sent, scripted(script).url()))
    assert result.http_status == 201 and bodies == [Path(sent).read_bytes()] * 2


# --- answers that come before the file is sent ----------------------------------------------


async def test_a_yes_while_the_server_reads_on(
    scripted: Any, sender: Any, file: Any, reactor: Any
) -> None:
    """It is complete when the file is sent, and not before."""
    took: list[bytes] = []

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(CONTINUE)
        await connection.take(1000)
        connection.send(CREATED)
        connection.stop_reading()
        await connection.wait(0.05)
        assert not sending.called
        connection.resume_reading()
        took.append(await connection.take(HUGE - 1000))

    server = scripted(script)
    sending = sender().upload(PutJob(file(HUGE), server.url()))
    assert (await sending).bytes == HUGE
    await until(reactor, lambda: took)
    assert len(server.connections) == 1


async def test_a_yes_with_much_to_say(scripted: Any, sender: Any, file: Any) -> None:
    """A server that sends much before it reads waits for us to read, and nobody for ever."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(CONTINUE)
        connection.stop_reading()
        connection.send(OK + b"Content-Length: %d\r\n\r\n" % HUGE)
        for _ in range(HUGE >> 20):
            connection.send(bytes(1 << 20))
            await connection.flush()
        connection.resume_reading()
        await connection.take(HUGE)

    assert (await sender().upload(PutJob(file(HUGE), scripted(script).url()))).bytes == HUGE


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_yes_from_a_server_that_took_less(
    scripted: Any, sender: Any, file: Any, end: str
) -> None:
    """Whatever it says, it cannot have the file."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(CONTINUE)
        await connection.take(1000)
        connection.stop_reading()
        connection.send(CREATED)
        await connection.flush()
        getattr(connection, end)()

    with pytest.raises(UploadCut, match="HTTP status 201") as caught:
        await sender().upload(PutJob(file(HUGE), scripted(script).url()))
    assert caught.value.http_status == 201


async def test_a_yes_without_the_file(scripted: Any, sender: Any, file: Any) -> None:
    """Asked first, it did not even want to see it."""
    server = scripted([Connection.head, CREATED])
    with pytest.raises(UploadCut, match=f"0 of {LARGE} bytes"):
        await sender().upload(PutJob(file(LARGE), server.url()))


async def test_an_early_no_with_most_of_it_unsent(scripted: Any, sender: Any, file: Any) -> None:
    """The rest is not sent, and the server learns of that at once."""

    async def script(connection: Connection) -> None:
        await connection.head()
        if connection.number:
            await connection.take(10)
            connection.send(CREATED)
            return
        connection.send(CONTINUE)
        await connection.take(1000)
        connection.send(refusal(413))

    server, sending = scripted(script), sender(limits=Limits(connections_per_host=1))
    with pytest.raises(HttpError) as caught:
        await sending.upload(PutJob(file(HUGE), server.url()))
    assert caught.value.http_status == 413
    assert (await sending.upload(PutJob(file(10, "next"), server.url()))).http_status == 201
    assert await server.connections[0].ended() is End.RST
    assert len(server.connections[0].received) < HUGE


# --- servers that do not read, or do not answer ---------------------------------------------


@pytest.mark.parametrize("stall", [0.2, 60.0], ids=["the file's", "the agent's"])
async def test_a_server_that_never_reads(
    scripted: Any, sender: Any, file: Any, stall: float
) -> None:
    """The sending stalls; that is no late answer."""

    def script(connection: Connection) -> None:
        connection.stop_reading()

    server = scripted([script])
    timeouts = Timeouts(stall=stall, first_byte=60.0 if stall < 1 else 0.2)
    file_of = file(HUGE)
    with pytest.raises(StallTimeout):
        await sender(timeouts=timeouts).upload(PutJob(file_of, server.url()))
    server.connections[0].resume_reading()
    assert await server.connections[0].ended() is End.RST


async def test_a_server_that_reads_all_and_says_nothing(
    scripted: Any, sender: Any, file: Any
) -> None:
    """Then it is the answer that is late."""
    server = scripted([take])
    with pytest.raises(FirstByteTimeout):
        await sender(timeouts=Timeouts(first_byte=0.2)).upload(PutJob(file(1000), server.url()))


# --- files that are none, or do not stay as they are ----------------------------------------


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, a_fifo], ids=["no", "dir", "fifo"])
async def test_what_is_no_file(scripted: Any, sender: Any, tmp_path: Path, make: Any) -> None:
    """Told at once, without a retry; nobody is asked."""
    make(tmp_path / "it")
    server = scripted([take, CREATED])
    with pytest.raises(UnreadableFile) as caught:
        await sender(retries=FAST).upload(PutJob(str(tmp_path / "it"), server.url()))
    assert str(tmp_path / "it") in str(caught.value) and not server.connections


async def test_a_link_is_followed(scripted: Any, sender: Any, file: Any, tmp_path: Path) -> None:
    """It is the user's own."""
    (tmp_path / "link").symlink_to(file(10))
    server = scripted([take, CREATED])
    assert (await sender().upload(PutJob(str(tmp_path / "link"), server.url()))).bytes == 10


def grow(path: Path) -> None:
    with path.open("ab") as end:
        end.write(b"x")


def rewrite(path: Path) -> None:
    with path.open("r+b") as start:
        start.write(b"x")
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    "change", [grow, rewrite, lambda path: os.truncate(path, 1 << 20)], ids=["+", "=", "-"]
)
async def test_a_file_that_changes_on_the_way(
    scripted: Any, sender: Any, file: Any, change: Any
) -> None:
    """It fails, and the server never gets as much as it was announced."""
    sent = file(HUGE)

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(CONTINUE)
        await connection.take(1000)
        change(Path(sent))

    server = scripted(script)
    with pytest.raises(FileChanged) as caught:
        await sender(retries=FAST).upload(PutJob(sent, server.url()))
    assert caught.value.attempts == 1
    connection = server.connections[0]
    assert await connection.ended() is End.RST
    assert len(connection.received) < len(connection.heads[0]) + HUGE


async def test_a_file_that_is_replaced_on_the_way(
    scripted: Any, sender: Any, file: Any, tmp_path: Path
) -> None:
    """By another of the same name: what was opened is what is sent."""
    sent = file(HUGE)
    before = Path(sent).read_bytes()
    bodies: list[bytes] = []

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(CONTINUE)
        first = await connection.take(1000)
        os.rename(file(5, "other"), sent)
        bodies.append(first + await connection.take(HUGE - 1000))
        connection.send(CREATED)

    await sender().upload(PutJob(sent, scripted(script).url()))
    assert bodies == [before]


# --- stopping -------------------------------------------------------------------------------


async def asked_about(connection: Connection) -> None:
    await connection.head()


async def half_sent(connection: Connection) -> None:
    await connection.head()
    connection.send(CONTINUE)
    await connection.take(1000)
    connection.stop_reading()


async def sent_whole(connection: Connection) -> None:
    await take(connection)


async def half_answered(connection: Connection) -> None:
    await take(connection)
    connection.send(CREATED[:-2])
    await connection.flush()


async def answered_early(connection: Connection) -> None:
    await half_sent(connection)
    connection.send(CREATED)
    await connection.flush()


async def answered_without_end(connection: Connection) -> None:
    await take(connection)
    connection.send(OK + b"Content-Length: 9\r\n\r\nhell")
    await connection.flush()


PHASES = [asked_about, half_sent, sent_whole, half_answered, answered_early, answered_without_end]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
@pytest.mark.parametrize("how", ["cancel", "close"])
async def test_a_cancel(
    scripted: Any, sender: Any, file: Any, ca: Any, reactor: Any, phase: Any, tls: bool, how: str
) -> None:
    """In each phase: the server sees a reset, the file is closed, nothing is left."""
    reached: list[Connection] = []

    async def script(connection: Connection) -> None:
        await phase(connection)
        reached.append(connection)

    server = scripted(script, tls=ca.server() if tls else None)
    sending = sender(trust_root=ca.trust_root)
    sent = file(HUGE)
    upload = sending.upload(PutJob(sent, server.url()))
    await until(reactor, lambda: reached)
    if how == "cancel":
        upload.cancel()
    else:
        sending.close()
    with pytest.raises(CancelledError):
        await upload
    assert sent not in open_files() and not sending.active()
    reached[0].resume_reading()
    assert await reached[0].ended() is End.RST


def open_files() -> set[str]:
    names = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return {os.readlink(name) for name in names if os.path.lexists(name)}


async def test_a_closed_program(sender: Any, file: Any) -> None:
    sending = sender()
    await sending.close()
    with pytest.raises(Closed):
        await sending.upload(PutJob(file(1), "http://127.0.0.1:9/"))
    with pytest.raises(Closed):
        await sending.upload_all([])


async def test_progress(scripted: Any, sender: Any, file: Any, reactor: Any) -> None:
    """Of a file under way: how much went out, and of how much."""
    server = scripted([half_sent])
    sending, sent = sender(), file(HUGE)
    upload = sending.upload(PutJob(sent, server.url()))
    await until(reactor, lambda: sending.active()[0].progress().received > 1000)
    (way,) = sending.active()
    seen = way.progress()
    assert (seen.path, seen.length, seen.status) == (sent, HUGE, "active")
    assert 1000 < seen.received < HUGE
    assert repr(way) == f"<Put {sent!r} active after 1 requests>"
    upload.cancel()
    with pytest.raises(CancelledError):
        await upload


# --- lists ----------------------------------------------------------------------------------


async def test_a_list(scripted: Any, sender: Any, file: Any, tmp_path: Path) -> None:
    """Read as there is room; each is told as it ends, and one that fails fails alone."""

    async def script(connection: Connection) -> None:
        while True:
            head, _ = await take(connection)
            connection.send(refusal(403) if path_of(head) == "/3" else CREATED)

    server, results = scripted(script), list[Result]()
    jobs = [PutJob(file(n, f"f{n}"), server.url(f"/{n}")) for n in range(10)]
    jobs.append(PutJob(str(tmp_path / "none"), server.url("/none")))
    jobs.append(PutJob(file(1, "last"), "no url"))
    report = await sender().upload_all(iter(jobs), results.append)
    assert (report.complete, report.failed, report.bytes) == (9, 3, 45 - 3)
    errors = {result.job.url: type(result.error).__name__ for result in results if result.error}
    assert errors == {
        server.url("/3"): "HttpError",
        server.url("/none"): "UnreadableFile",
        "no url": "BadUrl",
    }
