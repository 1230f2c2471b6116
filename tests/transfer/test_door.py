"""The same fault gives the same class of ours, whichever agent met it."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error as net
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure
from twisted.web import client as web
from twisted.web.error import InfiniteRedirection, SchemeNotSupported
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from downloader import Downloader, Job, Retries, Timeouts
from downloader.errors import (
    BadResponse,
    BadUrl,
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    DownloadError,
    FirstByteTimeout,
    InternalError,
    NotFound,
    ResolveError,
    TlsError,
    TooManyOpenFiles,
    TooManyRedirects,
    TotalTimeout,
    TruncatedBody,
)
from downloader.testing import End, Origin, content, fin, head, mute, rst
from downloader.transfer.door import translate

OK = b"HTTP/1.1 200 OK\r\n"

# --- the table ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (net.DNSLookupError("no such name"), ResolveError),
        (net.UnknownHostError(), ResolveError),
        (net.TimeoutError(), ConnectTimeout),
        (net.TCPTimedOutError(), ConnectTimeout),
        (net.ConnectionRefusedError(), ConnectError),
        (net.NoRouteError(), ConnectError),
        (net.ConnectBindError(), ConnectError),
        (net.ConnectBindError(errno.EMFILE, "Too many open files"), TooManyOpenFiles),
        (OSError(errno.ENFILE, "Too many open files in system"), TooManyOpenFiles),
        (net.ConnectError(), ConnectError),
        (net.ConnectionLost(), ConnectionLost),
        (net.ConnectionDone(), ConnectionLost),
        (net.ConnectionAborted(), ConnectionLost),
        (SSL.Error([("SSL routines", "", "certificate verify failed")]), TlsError),
        (VerificationError([]), TlsError),
        (SchemeNotSupported("ftp"), BadUrl),
        (InfiniteRedirection(302), TooManyRedirects),
        (ZeroDivisionError("a bug"), InternalError),
    ],
)
def test_an_error_of_twisted_or_openssl(theirs: Exception, ours: type[DownloadError]) -> None:
    """Alone, and in each of Twisted's wrappers, the class is the same but for a bug's."""
    found = translate(theirs)
    assert type(found) is ours
    assert found.__cause__ is theirs
    assert "\n" not in str(found)
    if ours is not InternalError:
        for wrapper in (web.ResponseFailed, web.ResponseNeverReceived):
            wrapped = wrapper([Failure(theirs)])
            assert type(translate(wrapped)) is ours
            assert translate(wrapped).__cause__ is wrapped


def test_what_is_ours_passes() -> None:
    error = NotFound("x")
    assert translate(error) is error
    assert error.__cause__ is None
    assert translate(web.ResponseFailed([Failure(error)])) is error


@pytest.mark.parametrize("kind", [net.ConnectionLost, net.ConnectionDone, PotentialDataLoss])
def test_a_connection_lost_after_the_head_is_truncation(kind: type[Exception]) -> None:
    response: Any = object()
    assert type(translate(web.ResponseFailed([Failure(kind())], response))) is TruncatedBody


def test_openssls_list_of_triples_is_told_in_words() -> None:
    found = translate(SSL.Error([("a", "b", "certificate has expired")]))
    assert found.detail == "certificate has expired"


# --- both agents over real sockets ----------------------------------------------------------


@implementer(IPolicyForHTTPS)
class Policy:
    """What a caller of Twisted's Agent gives it, to trust our authority."""

    def __init__(self, trust_root: Any) -> None:
        self._trust_root = trust_root

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        return optionsForClientTLS(hostname.decode(), trustRoot=self._trust_root)


@implementer(IHostResolution)
class NoResolution:
    name = "nowhere.example"

    def cancel(self) -> None:
        """It is over already."""


@implementer(IHostnameResolver)
class NoNames:
    """Finds no name, as quickly as a resolver can."""

    def resolveHostName(self, receiver: Any, *arguments: Any, **options: Any) -> Any:
        resolution = NoResolution()
        receiver.resolutionBegan(resolution)
        receiver.resolutionComplete()
        return resolution


Make = Callable[..., Downloader]


@pytest_twisted.async_yield_fixture(params=["ours", "Twisted's"])
async def make(reactor: Any, ca: Any, request: Any) -> AsyncIterator[Make]:
    """Make Downloaders on one of the two agents, and close what they leave."""
    made: list[Downloader] = []
    pool = web.HTTPConnectionPool(reactor)

    def one(**options: Any) -> Downloader:
        if request.param == "ours":
            options["trust_root"] = ca.trust_root
        else:
            options["agent"] = web.Agent(reactor, Policy(ca.trust_root), pool=pool)
        options.setdefault("retries", Retries(tries=1))
        made.append(Downloader(reactor, **options))
        return made[-1]

    yield one
    for downloader in made:
        assert downloader.limiter.idle
        await downloader.close()
    await pool.closeCachedConnections()


async def fault(downloader: Downloader, url: str, out: Path) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await downloader.fetch(Job(url, str(out)))
    return caught.value


FAULTS = [
    ("closed before the head", [head, fin], ConnectionLost),
    ("reset before the head", [head, rst], ConnectionLost),
    ("closed in the status line", [head, b"HTTP/1.1 2", fin], ConnectionLost),
    ("reset in the head", [head, OK + b"Content-Le", rst], ConnectionLost),
    ("closed in the head", [head, OK + b"Content-Le", fin], ConnectionLost),
    ("closed in the body", [head, OK + b"Content-Length: 9\r\n\r\nabc", fin], TruncatedBody),
    ("reset in the body", [head, OK + b"Content-Length: 9\r\n\r\nabc", rst], TruncatedBody),
    ("closed before the body", [head, OK + b"Content-Length: 9\r\n\r\n", fin], TruncatedBody),
    ("closed in a chunk", [head, OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc", fin],
     TruncatedBody),
    ("closed between chunks", [head, OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", fin],
     TruncatedBody),
    ("closed in the last chunk", [head, OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", fin],
     TruncatedBody),
    ("no HTTP", [head, b"\x00\x01\x02 garbage\r\n\r\n", fin], BadResponse),
    ("an SSH server", [b"SSH-2.0-OpenSSH_9.2\r\n", head, fin], BadResponse),
    ("a bad length", [head, OK + b"Content-Length: -1\r\n\r\n", mute], BadResponse),
    ("two lengths", [head, OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", mute],
     BadResponse),
    ("a bad chunk", [head, OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", mute], BadResponse),
    ("no such file", [head, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"], NotFound),
]  # fmt: skip


@pytest.mark.parametrize(("case", "script", "ours"), FAULTS, ids=[name for name, _, _ in FAULTS])
@pytest_twisted.ensureDeferred
async def test_a_fault_of_the_server(
    make: Make, scripted: Any, tmp_path: Path, case: str, script: Any, ours: type[DownloadError]
) -> None:
    server = scripted(script)
    error = await fault(make(), server.url("/a"), tmp_path)
    assert type(error) is ours, error
    assert error.attempts == 1
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("length", [True, False])
@pytest_twisted.ensureDeferred
async def test_a_fault_over_tls(
    make: Make, scripted: Any, ca: Any, tmp_path: Path, length: bool
) -> None:
    """An end without close_notify is an end like others, and no fault of TLS."""
    told = b"Content-Length: 9\r\n\r\nabc" if length else b"Content-Le"
    server = scripted([head, OK + told, rst], tls=ca.server())
    error = await fault(make(), server.url("/a", "localhost"), tmp_path)
    assert type(error) is (TruncatedBody if length else ConnectionLost), error


@pytest_twisted.ensureDeferred
async def test_nobody_listens(make: Make, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
        assert type(await fault(make(), url, tmp_path)) is ConnectError


@pytest_twisted.ensureDeferred
async def test_an_unknown_name(reactor: Any, tmp_path: Path) -> None:
    """Both agents ask Twisted's resolver interface; none answers here."""
    before = reactor.nameResolver
    reactor.installNameResolver(NoNames())
    try:
        for options in ({"resolver": NoNames()}, {"agent": web.Agent(reactor)}):
            downloader = Downloader(reactor, retries=Retries(tries=1), **options)
            error = await fault(downloader, "http://nowhere.example/a", tmp_path)
            assert type(error) is ResolveError
            await downloader.close()
    finally:
        reactor.installNameResolver(before)


@pytest.mark.parametrize("case", ["another name", "another authority", "no TLS"])
@pytest_twisted.ensureDeferred
async def test_a_server_that_is_not_to_be_trusted(
    make: Make, scripted: Any, ca: Any, tmp_path: Path, case: str, tmp_path_factory: Any
) -> None:
    """No byte of the request is sent."""
    other = type(ca)(tmp_path_factory.mktemp("other"))
    tls = {
        "another name": ca.server("elsewhere.example"),
        "another authority": other.server(),
        "no TLS": None,
    }[case]
    server = scripted([b"HTTP/1.1 400 Bad Request\r\n\r\n"] if tls is None else [head], tls=tls)
    url = f"https://localhost:{server.port}/a"
    error = await fault(make(), url, tmp_path)
    assert type(error) is TlsError, error
    assert all(b"GET" not in one.received for one in server.connections)


@pytest_twisted.ensureDeferred
async def test_whole_files(make: Make, origin: Origin, tmp_path: Path) -> None:
    sizes = [0, 1, 65_535, 65_536, 3_000_000]
    jobs = [Job(origin.add(f"/{size}", size), str(tmp_path)) for size in sizes]
    report = await make().fetch_all([*jobs, Job(origin.url("/none"), str(tmp_path))])
    assert (report.complete, report.failed, report.bytes) == (5, 1, sum(sizes))
    for size in sizes:
        assert (tmp_path / str(size)).read_bytes() == b"".join(content(f"/{size}", size))


@pytest.mark.parametrize("phase", ["before the head", "in the head", "in the body"])
@pytest_twisted.ensureDeferred
async def test_cancelling(make: Make, scripted: Any, tmp_path: Path, phase: str) -> None:
    sent = {
        "before the head": [],
        "in the head": [OK],
        "in the body": [OK + b"Content-Length: 9\r\n\r\nabc"],
    }[phase]
    server = scripted([head, *sent, mute])
    downloader = make()
    fetching = downloader.fetch(Job(server.url("/a"), str(tmp_path)))
    connection = await server.arrived()
    while not connection.heads or (phase == "in the body" and not (tmp_path / "a.part").exists()):
        await connection.wait(0.001)
    fetching.cancel()
    with pytest.raises(CancelledError):
        await fetching
    assert await connection.ended() in (End.RST, End.FIN)
    assert downloader.limiter.idle
    assert [path.name for path in tmp_path.iterdir()] in ([], ["a.part"])


@pytest_twisted.ensureDeferred
async def test_a_server_that_never_answers(make: Make, scripted: Any, tmp_path: Path) -> None:
    server = scripted([head, mute])
    timeouts = Timeouts(connect=0.1, first_byte=0.1)
    error = await fault(make(timeouts=timeouts), server.url("/a"), tmp_path)
    assert type(error) is FirstByteTimeout
    assert await server.connections[0].ended() in (End.RST, End.FIN)


@pytest.mark.parametrize("phase", ["before the head", "in the body"])
@pytest_twisted.ensureDeferred
async def test_the_total_time_is_over(
    make: Make, scripted: Any, tmp_path: Path, phase: str
) -> None:
    """It cancels the request, and no agent's way to say so is taken for a fault of the server."""
    sent = [OK + b"Content-Length: 9\r\n\r\nabc"] if phase == "in the body" else []
    server = scripted([head, *sent, mute])
    error = await fault(make(timeouts=Timeouts(total=0.2)), server.url("/a"), tmp_path)
    assert type(error) is TotalTimeout
    assert error.attempts == 1
    assert await server.connections[0].ended() in (End.RST, End.FIN)
