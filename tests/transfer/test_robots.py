"""Sites' robots.txt over real sockets: asked for once, obeyed, and never in others' way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.asking import HELLO, OK
from support.bench import Bench, cancelled
from support.site import Site, status, text

from downloader import Job, Limits, PutJob, Result, Retries
from downloader.errors import (
    BadResponse,
    ConnectError,
    HostUnavailable,
    RobotsForbidden,
    ServerBusy,
    TruncatedBody,
)
from downloader.sansio.robots import MAX_BYTES
from downloader.testing import Connection, End, head
from downloader.transfer.robots import REDIRECTS

SOON = Retries(tries=3, wait=0.02)
ONCE = Retries(tries=1)
NO = b"User-agent: *\nDisallow: /private\n"


def jobs_of(site: Site, out: Path, *paths: str) -> list[Job]:
    return [Job(site.url(path), str(out)) for path in paths]


async def results_of(b: Bench, jobs: list[Job]) -> list[Result]:
    results: list[Result] = []
    await b.downloader.fetch_all(jobs, results.append)
    return sorted(results, key=lambda result: result.job.url)


async def test_it_is_asked_for_once_and_obeyed(scripted: Any, bench: Any) -> None:
    """Before anything else, by name; what it forbids is not asked for, and says so."""
    site = Site(scripted, text(NO))
    b: Bench = bench(respect_robots=True, contact="me@example.org")
    paths = [f"/{kind}/{number}" for kind in ("private", "public") for number in range(30)]
    results = await results_of(b, jobs_of(site, b.out, *paths))
    assert site.times == 1 and site.asked[0] == "/robots.txt"
    assert not any(path.startswith("/private") for path in site.asked)
    assert [type(r.error) for r in results] == [RobotsForbidden] * 30 + [type(None)] * 30
    assert str(results[0].error) == "The site's robots.txt forbids it"
    assert {result.attempts for result in results[:30]} == {0}
    received = site.server.connections[0].received
    assert received.startswith(b"GET /robots.txt HTTP/1.1\r\n")
    assert b"User-Agent: downloader/" in received and b"(+me@example.org)" in received


async def test_nobody_asks_for_it_unless_it_is_wanted(scripted: Any, bench: Any) -> None:
    site = Site(scripted, text(NO))
    b: Bench = bench()
    assert (await results_of(b, jobs_of(site, b.out, "/private/x")))[0].error is None
    assert site.asked == ["/private/x"]


async def test_each_site_has_its_own(scripted: Any, bench: Any) -> None:
    sites = [Site(scripted, text(NO)), Site(scripted, text(b""))]
    b: Bench = bench(respect_robots=True)
    wanted = [job for site in sites for job in jobs_of(site, b.out, "/private/x")]
    report = await b.downloader.fetch_all(wanted)
    assert (report.complete, report.failed) == (1, 1)
    assert [site.times for site in sites] == [1, 1]


@pytest.mark.parametrize("code", ["404 Not Found", "403 Forbidden", "401 No", "410 Gone"])
async def test_without_one_all_is_allowed(scripted: Any, bench: Any, code: str) -> None:
    site = Site(scripted, status(code))
    b: Bench = bench(respect_robots=True)
    results = await results_of(b, jobs_of(site, b.out, "/private/x", "/y"))
    assert [result.error for result in results] == [None, None]
    assert site.times == 1


@pytest.mark.parametrize("code", ["500 Broken", "503 Busy", "501 No", "505 No", "429 Too Many"])
async def test_a_server_in_trouble_is_asked_again_later(
    scripted: Any, bench: Any, code: str
) -> None:
    """Nothing else is asked of it before that (RFC 9309 §2.3.1.4)."""
    site = Site(scripted, status(code), text(NO))
    b: Bench = bench(respect_robots=True, retries=SOON)
    results = await results_of(b, jobs_of(site, b.out, "/private/x", "/y"))
    assert [type(result.error) for result in results] == [RobotsForbidden, type(None)]
    assert site.asked == ["/robots.txt", "/robots.txt", "/y"]


async def test_a_server_that_stays_in_trouble_is_asked_for_nothing_else(
    scripted: Any, bench: Any
) -> None:
    site = Site(scripted, status("503 Busy"))
    b: Bench = bench(respect_robots=True, retries=SOON)
    results = await results_of(b, jobs_of(site, b.out, "/x", "/y"))
    assert {type(result.error) for result in results} == {ServerBusy}
    assert "robots.txt: HTTP status 503" in str(results[0].error)
    assert site.asked == ["/robots.txt"] * 6


async def test_a_host_that_is_not_there(scripted: Any, bench: Any) -> None:
    """The error is its own, and a long list of it ends."""
    server = scripted([])
    await server.stop()
    b: Bench = bench(respect_robots=True, retries=SOON)
    url = f"http://127.0.0.1:{server.port}"
    results = await results_of(b, [Job(f"{url}/{n}", str(b.out)) for n in range(1000)])
    assert {type(result.error) for result in results} <= {ConnectError, HostUnavailable}


async def test_its_retry_after_holds_the_host(scripted: Any, bench: Any) -> None:
    site = Site(scripted, status("503 Busy", "Retry-After: 3600"))
    b: Bench = bench(respect_robots=True)
    b.remember()
    asked = b.fetch(site.url("/x"))
    await b.until(lambda: b.downloader.limiter.shuns(f"127.0.0.1:{site.server.port}"))
    await b.turns()
    await b.cancel(asked)
    assert site.asked == ["/robots.txt"]
    await b.downloader.close()
    await b.is_clean()


async def test_the_crawl_delay_is_kept_from_the_first_on(scripted: Any, bench: Any) -> None:
    """Whatever was read before it was known."""
    site = Site(scripted, text(b"User-agent: *\nCrawl-delay: 3600\nDisallow: /private\n"))
    other = Site(scripted, text(b""))
    b: Bench = bench(respect_robots=True)
    b.remember()
    slow = b.downloader.fetch_all(jobs_of(site, b.out / "slow", *(f"/{n}" for n in range(50))))
    fast = jobs_of(other, b.out / "fast", *(f"/{n}" for n in range(50)))
    assert (await b.downloader.fetch_all(fast)).complete == 50
    await b.until(lambda: len(site.asked) == 2)
    await b.turns(50)
    assert site.asked == ["/robots.txt", "/0"]
    slow.cancel()
    assert cancelled(slow)
    await b.downloader.close()
    await b.is_clean()


@pytest.mark.parametrize("hops", [1, REDIRECTS, REDIRECTS + 1])
async def test_redirects(scripted: Any, bench: Any, hops: int) -> None:
    """To another site too: the rules are for the first. More than five lead to nothing."""
    target = Site(scripted, text(NO))
    moved = [status("302 Found", f"Location: /robots.txt?{n}") for n in range(hops - 1)]
    moved.append(status("302 Found", f"Location: {target.url('/robots.txt')}"))

    async def script(connection: Connection) -> None:
        for answer in moved:
            await connection.head()
            connection.send(answer)
        while True:
            await connection.head()
            connection.send(HELLO)

    server = scripted(script)
    b: Bench = bench(respect_robots=True, limits=Limits(connections_per_host=1))
    (result,) = await results_of(b, [Job(server.url("/private/x"), str(b.out))])
    assert (type(result.error) is RobotsForbidden) is (hops <= REDIRECTS)
    assert target.times == (hops <= REDIRECTS)


async def test_only_so_much_of_it_is_read(scripted: Any, bench: Any) -> None:
    """What is behind the limit is not there; its connection is ended."""
    long = NO + b"#" * MAX_BYTES + b"\nDisallow: /public\n"
    site = Site(scripted, text(long))
    b: Bench = bench(respect_robots=True)
    results = await results_of(b, jobs_of(site, b.out, "/private/x", "/public/x"))
    assert [type(result.error) for result in results] == [RobotsForbidden, type(None)]
    assert site.server.connections[0].end is End.RST


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (text(NO, b"Content-Encoding: gzip\r\n"), BadResponse),
        (OK + b"Content-Length: 1000\r\nConnection: close\r\n\r\n" + NO, TruncatedBody),
    ],
    ids=["coded", "cut"],
)
async def test_one_that_cannot_be_read_allows_nothing(
    scripted: Any, bench: Any, answer: bytes, error: type[Exception]
) -> None:
    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(answer)
        await connection.flush()
        connection.close()

    server = scripted(script)
    b: Bench = bench(respect_robots=True, retries=ONCE)
    (result,) = await results_of(b, [Job(server.url("/x"), str(b.out))])
    assert type(result.error) is error
    assert all(b"GET /x" not in one.received for one in server.connections)


@pytest.mark.parametrize("sent", [b"", OK, text(NO)[:-5]], ids=["nothing", "half a head", "a part"])
async def test_cancel_while_it_is_waited_for(scripted: Any, bench: Any, sent: bytes) -> None:
    """By the job that asks for it, and by those that wait for its answer."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(sent)

    server = scripted(script)
    b: Bench = bench(respect_robots=True)
    b.remember()
    first = b.fetch(server.url("/a"), "a")
    second = b.fetch(server.url("/b"), "b")
    connection = await server.arrived()
    await b.until(lambda: connection.heads)
    await b.turns()
    assert len(server.connections) == 1
    await b.cancel(second)
    await b.cancel(first, connection)
    await b.is_clean()


async def test_the_next_asks_when_the_first_was_cancelled(scripted: Any, bench: Any) -> None:
    async def script(connection: Connection) -> None:
        await connection.head()
        if connection.number:
            connection.send(text(NO))
            await connection.head()
            connection.send(HELLO)

    server = scripted(script)
    b: Bench = bench(respect_robots=True)
    first = b.fetch(server.url("/a"), "a")
    second = b.fetch(server.url("/b"), "b")
    connection = await server.arrived()
    await b.until(lambda: connection.heads)
    await b.cancel(first, connection)
    assert (await second).bytes == 5


async def test_a_mirror_is_asked_where_the_site_forbids_it(scripted: Any, bench: Any) -> None:
    strict, lax = Site(scripted, text(NO)), Site(scripted, status("404 No"))
    b: Bench = bench(respect_robots=True)
    url, mirror = strict.url("/private/x"), lax.url("/private/x")
    result = await b.downloader.fetch(Job(url, str(b.out), mirrors=(mirror,)))
    assert (result.bytes, strict.asked) == (5, ["/robots.txt"])


async def test_what_is_sent_is_no_business_of_it(scripted: Any, bench: Any, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"hello")
    server = scripted([head, status("201 Created")])
    b: Bench = bench(respect_robots=True)
    result = await b.downloader.upload(PutJob(str(tmp_path / "sent"), server.url("/private/x")))
    assert result.http_status == 201
    assert server.connections[0].received.startswith(b"PUT /private/x ")
