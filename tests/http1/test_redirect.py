"""Redirects: where they lead, with which method, what goes along, and what becomes of a hop."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import HELLO, get, hello, path_of
from support.memory import Body
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers

from downloader.deadlines import Deadlines
from downloader.drain import DRAIN_BYTES, DRAIN_SECONDS
from downloader.errors import BadUrl, InsecureRedirect, TooManyRedirects
from downloader.http1.redirect import MAX_REDIRECTS, RedirectAgent
from downloader.testing import AgentSpy, End, head

START = "http://a.test/dir/file?q"
CODES = [301, 302, 303, 307, 308]


class Spied:
    """A request over a spy whose answers the test gives."""

    def __init__(self, url: str = START, method: bytes = b"GET", **options: Any) -> None:
        self.clock = Clock()
        self.spy = AgentSpy()
        agent = RedirectAgent(self.spy, Deadlines(self.clock))
        self.asked = agent.request(method, url.encode("ascii"), **options)

    def redirect(self, location: str | None, code: int = 302) -> Spied:
        """Answer the last request with a redirect that has no body."""
        headers = {} if location is None else {"location": location}
        self.spy.requests[-1].answer(code, headers, 0).finish()
        return self

    def finish(self) -> Any:
        """Answer the last request with 200. Returns the final response."""
        self.spy.requests[-1].answer(200, length=0).finish()
        return self.result

    @property
    def result(self) -> Any:
        """What the caller got, raised if it failed."""
        got: list[Any] = []
        self.asked.addBoth(got.append)
        if hasattr(got[0], "raiseException"):
            got[0].raiseException()
        return got[0]

    @property
    def last(self) -> Any:
        """The last request."""
        return self.spy.requests[-1]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE"])
@pytest.mark.parametrize("code", CODES)
def test_methods(code: int, method: bytes) -> None:
    """As browsers: POST turns into GET for 301 and 302, all but HEAD for 303, none else."""
    spied = Spied(method=method).redirect("/to", code)
    if code in (307, 308) or method in (b"GET", b"HEAD"):
        expected = method
    elif code == 303 or method == b"POST":
        expected = b"GET"
    else:
        expected = method
    assert spied.last.method == expected
    assert spied.last.absoluteURI == b"http://a.test/to"


@pytest.mark.parametrize("method", [b"POST", b"PUT"])
@pytest.mark.parametrize("code", CODES)
def test_bodies(code: int, method: bytes) -> None:
    """A body cannot be produced twice: it is dropped with its headers, or the caller decides."""
    producer: Any = object()
    headers = Headers({"Content-Type": ["text/plain"], "Accept": ["*/*"]})
    spied = Spied(method=method, bodyProducer=producer, headers=headers).redirect("/to", code)
    if code == 303 or (method == b"POST" and code in (301, 302)):
        assert spied.last.method == b"GET" and spied.last.body_producer is None
        assert not spied.last.headers.hasHeader("content-type")
        assert spied.last.headers.hasHeader("accept")
        assert headers.hasHeader("content-type")
    else:
        assert spied.result.code == code and len(spied.spy.requests) == 1


@pytest.mark.parametrize("code", [200, 204, 300, 304, 305, 404])
def test_what_is_no_redirect(code: int) -> None:
    """A Location there is not followed."""
    assert Spied().redirect("/to", code).result.code == code


def test_a_redirect_without_a_location() -> None:
    """It is the caller's to judge."""
    assert Spied().redirect(None).result.code == 302


@pytest.mark.parametrize(
    "location, url",
    [
        ("to", "http://a.test/dir/to"),
        ("../to?x=y#fragment", "http://a.test/to?x=y"),
        ("?x", "http://a.test/dir/file?x"),
        ("//b.test/to", "http://b.test/to"),
        ("HTTPS://B.test:443", "https://b.test/"),
        ("http://user:secret@a.test/to", "http://a.test/to"),
        ("/b\u00fccher", "http://a.test/b%C3%BCcher"),
        ("http://b\u00fccher.test/", "http://xn--bcher-kva.test/"),
    ],
)
def test_locations(location: str, url: str) -> None:
    """Relative, absolute, in other letters; its user and password are the server's own words."""
    spied = Spied().redirect(location)
    assert spied.last.absoluteURI == url.encode("ascii")
    assert not spied.last.headers.hasHeader("authorization")


@pytest.mark.parametrize(
    "location",
    ["", "javascript:alert(1)", "file:///etc/passwd", "ftp://a.test/", "data:,x",
     "http://a.test:0/", "http://a b/", "/a\tb", "http://a.test\\@b.test/"],
)  # fmt: skip
def test_locations_that_lead_nowhere(location: str) -> None:
    """BadUrl, after the one request."""
    spied = Spied().redirect(location)
    with pytest.raises(BadUrl):
        _ = spied.result
    assert len(spied.spy.requests) == 1


def test_from_https_to_http() -> None:
    """Refused, in the middle of a chain too; the other way is fine."""
    spied = Spied().redirect("https://a.test/token=1").redirect("http://a.test/x?token=secret")
    with pytest.raises(InsecureRedirect) as caught:
        _ = spied.result
    assert "secret" not in str(caught.value) and len(spied.spy.requests) == 2


SECRETS = ["aUTHORIZATION", "cOOkie", "Proxy-Authorization", "X-Token", "Accept-Else"]


@pytest.mark.parametrize(
    "target, same",
    [
        ("/to", True),
        ("http://A.test:80/to", True),
        ("https://a.test/to", False),
        ("http://a.test:81/to", False),
        ("http://b.test/to", False),
        ("http://sub.a.test/to", False),
        ("http://a.test./to", False),
    ],
)
@pytest.mark.parametrize("code", CODES)
def test_secrets_stay_with_their_origin(code: int, target: str, same: bool) -> None:
    """Scheme, host and port; whatever is not known to be public (CVE-2022-21712)."""
    headers = Headers({name: ["secret"] for name in SECRETS})
    headers.setRawHeaders("rAnge", ["bytes=1-"])
    spied = Spied(headers=headers).redirect(target, code)
    kept = list(headers.getAllRawHeaders()) if same else [(b"Range", [b"bytes=1-"])]
    assert list(spied.last.headers.getAllRawHeaders()) == kept
    if not target.startswith("https"):
        spied.redirect("http://a.test/back", code)  # what was dropped does not come back
        assert list(spied.last.headers.getAllRawHeaders()) == kept


@pytest.mark.parametrize("location", ["/dir/file?q", "/{}"], ids=["to itself", "ever on"])
def test_redirects_without_end(location: str) -> None:
    """20 are followed, so 21 requests are made."""
    spied = Spied()
    for number in range(MAX_REDIRECTS + 1):
        spied.redirect(location.format(number))
    with pytest.raises(TooManyRedirects):
        _ = spied.result
    assert len(spied.spy.requests) == MAX_REDIRECTS + 1


def test_twenty_redirects_are_followed() -> None:
    """And the way back is in the responses."""
    spied = Spied()
    for number in range(MAX_REDIRECTS):
        spied.redirect(f"/{number}")
    response, count = spied.finish(), 0
    assert response.code == 200 and response.request.absoluteURI == b"http://a.test/19"
    while response.previousResponse is not None:
        response, count = response.previousResponse, count + 1
    assert count == MAX_REDIRECTS and response.request.absoluteURI == START.encode()


def test_a_cancel_while_a_hop_is_drained() -> None:
    """Its connection is aborted and no other is asked."""
    spied = Spied()
    response = spied.last.answer(302, {"location": "/to"}, 10)
    spied.asked.cancel()
    with pytest.raises(CancelledError):
        _ = spied.result
    assert response.transport.calls == ["abortConnection"] and len(spied.spy.requests) == 1


def test_a_cancel_in_a_later_hop() -> None:
    """It reaches the request under way."""
    spied = Spied().redirect("/to")
    spied.asked.cancel()
    assert spied.last.cancelled
    with pytest.raises(CancelledError):
        _ = spied.result


def test_a_slow_hop_is_not_waited_for() -> None:
    """After a moment its connection is given up, and the redirect followed."""
    spied = Spied()
    response = spied.last.answer(302, {"location": "/to"})
    response.feed(b"x")
    spied.clock.advance(DRAIN_SECONDS - 0.1)
    assert len(spied.spy.requests) == 1
    spied.clock.advance(0.2)
    assert response.transport.calls == ["abortConnection"] and len(spied.spy.requests) == 2
    assert spied.clock.getDelayedCalls() == []


# --- over real sockets ----------------------------------------------------------------------


async def test_a_hop_is_drained_and_its_connection_used_again(
    scripted: Any, agent: Any, reactor: Any
) -> None:
    """A short body, announced or in chunks, is read to its end."""
    found = b"HTTP/1.1 302 Found\r\nLocation: /to\r\n"

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(found + b"Content-Length: 5\r\n\r\n")
        await connection.flush()
        connection.send(b"moved")
        await connection.head()
        connection.send(found + b"Transfer-Encoding: chunked\r\n\r\n5\r\nmoved\r\n")
        await connection.flush()
        connection.send(b"0\r\n\r\n")
        await hello(connection)

    server = scripted(script)
    response, body = await get(RedirectAgent(agent, Deadlines(reactor)), server.url("/from"))
    assert body == b"hello" and response.request.absoluteURI == server.url("/to").encode()
    assert [path_of(one) for one in server.connections[0].heads] == ["/from", "/to", "/to"]
    assert response.previousResponse.previousResponse.previousResponse is None


async def test_the_hop_that_is_one_too_many_is_drained(
    scripted: Any, agent: Any, reactor: Any
) -> None:
    """Its connection too is free for whoever asks next."""

    async def script(connection: Any) -> None:
        while True:
            await connection.head()
            connection.send(b"HTTP/1.1 302 Found\r\nLocation: /to\r\nContent-Length: 5\r\n\r\n")
            await connection.flush()
            connection.send(b"moved")

    server = scripted(script)
    with pytest.raises(TooManyRedirects):
        await get(RedirectAgent(agent, Deadlines(reactor)), server.url())
    assert [len(one.heads) for one in server.connections] == [MAX_REDIRECTS + 1]
    assert "1 idle, 0 busy" in repr(agent)


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_large_hop_is_aborted(
    scripted: Any, agent: Any, reactor: Any, framing: str
) -> None:
    """It is not worth its connection."""
    size = DRAIN_BYTES + 1
    fields = {
        "length": b"Content-Length: %d\r\n\r\n" % size,
        "chunks": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + b"x" * size,
    }[framing]

    async def script(connection: Any) -> None:
        await connection.head()
        if connection.number == 0:
            connection.send(b"HTTP/1.1 302 Found\r\nLocation: /to\r\n" + fields)
        else:
            connection.send(HELLO)

    server = scripted(script)
    assert (await get(RedirectAgent(agent, Deadlines(reactor)), server.url()))[1] == b"hello"
    assert await server.connections[0].ended() is End.RST


async def test_a_response_may_be_left_unread_after_the_last_hop(
    scripted: Any, agent: Any, reactor: Any
) -> None:
    """The final response's body is the caller's, as it is without redirects."""
    server = scripted([head, b"HTTP/1.1 301 Moved\r\nLocation: /to\r\nContent-Length: 0\r\n\r\n",
                       head, HELLO[:-1]])  # fmt: skip
    asked: Deferred[Any] = RedirectAgent(agent, Deadlines(reactor)).request(
        b"GET", server.url().encode()
    )
    response, body = await asked, Body()
    response.deliverBody(body)
    body.transport.abortConnection()
    assert body.end is CancelledError
    assert await server.connections[0].ended() is End.RST
