"""One file on its way to a server, over real sockets: what is sent, and what its answer means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.asking import OK, path_of
from support.putting import CREATED, FAST, LARGE, length_of, refusal, take

from downloader import Credentials, Identity, Limits, PutJob, Result
from downloader.errors import (
    ConnectionLost,
    DownloadError,
    HttpError,
    NotFound,
    ServerBusy,
)
from downloader.testing import Connection


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
    assert (result.job, result.status, result.path) == (job, "complete", sent)
    assert (result.bytes, result.http_status, result.attempts) == (300_000, code, 1)
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
        for answer in (refusal(503), CREATED):
            bodies.append((await take(connection))[1])
            connection.send(answer)

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
        for answer in (refusal(401, challenge), CREATED):
            head, body = await take(connection)
            bodies.append(body)
            connection.send(answer)
        assert b'username="me"' in head

    identity = Identity(Credentials("me", "secret"), digest=True)
    sent = file(5000)
    result = await sender(identity=identity).upload(PutJob(sent, scripted(script).url()))
    assert result.http_status == 201 and bodies == [Path(sent).read_bytes()] * 2


async def test_files_that_are_refused_when_they_are_sent(
    scripted: Any, sender: Any, file: Any
) -> None:
    """Nothing of them is in the next one's way, so all go over one connection."""

    async def script(connection: Connection) -> None:
        while True:
            await take(connection)
            connection.send(refusal(404))

    server, sending = scripted(script), sender(limits=Limits(connections_per_host=1))
    jobs = [PutJob(file(5, f"f{n}"), server.url(f"/{n}")) for n in range(5)]
    report = await sending.upload_all(iter(jobs))
    assert (report.failed, len(server.connections)) == (5, 1)


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
