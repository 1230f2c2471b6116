"""Cookies and Digest below the redirects: what each hop carries, and what a cancel ends."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import pytest
from support.asking import HELLO, get, hello
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from downloader.deadlines import Deadlines
from downloader.errors import BadUrl
from downloader.http1.identity import CookieAgent, DigestAgent
from downloader.http1.redirect import RedirectAgent
from downloader.sansio.cookies import parse_cookies
from downloader.sansio.digest import answer, find_challenge
from downloader.testing import AgentSpy, End

JAR = b"""\
a.test\tTRUE\t/\tFALSE\t0\tall\t1
a.test\tTRUE\t/deep\tFALSE\t0\tdeep\t2
a.test\tTRUE\t/\tTRUE\t0\tsecure\t3
b.test\tFALSE\t/\tFALSE\t200\tb\t4
"""
CHALLENGE = b'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'
REFUSAL = (
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=r\r\n"
    b"WWW-Authenticate: %b\r\nContent-Length: 2\r\n\r\nno" % CHALLENGE
)


class Spied:
    """Our agents over a spy whose answers the test gives."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.spy = AgentSpy()
        deadlines = Deadlines(self.clock)
        cookies = CookieAgent(self.spy, parse_cookies(JAR), lambda: self.clock.seconds() + 100)
        self.agent = RedirectAgent(DigestAgent(cookies, deadlines), deadlines)

    def ask(self, url: str, headers: dict[str, str] | None = None, **options: Any) -> Any:
        fields = Headers({name: [value] for name, value in (headers or {}).items()})
        asked = self.agent.request(
            b"GET", url.encode(), fields if headers is not None else None, **options
        )
        asked.addErrback(lambda failure: failure.type)
        return asked

    def sent(self, name: str) -> list[str] | None:
        """The last request's header."""
        headers = self.spy.requests[-1].headers
        values = headers and headers.getRawHeaders(name.encode())
        return [value.decode() for value in values] if values else None

    def redirect(self, location: str) -> None:
        self.spy.requests[-1].answer(302, {"location": location}, 0).finish()

    def challenge(self, value: bytes = CHALLENGE) -> None:
        headers = {"www-authenticate": value.decode()}
        self.spy.requests[-1].answer(401, headers, 0).finish()


# --- cookies --------------------------------------------------------------------------------


def test_each_hop_has_its_own_cookies() -> None:
    """By its own URL: none elsewhere, none that came along, none kept back on the way home."""
    spied = Spied()
    spied.ask("http://x.a.test/")
    assert spied.sent("Cookie") == ["all=1"]
    for location, cookies in (
        ("/deep/er", ["deep=2; all=1"]),
        ("/", ["all=1"]),
        ("http://b.test/", ["b=4"]),
        ("http://sub.b.test/", None),
        ("http://b.test:81/deep", ["b=4"]),
        ("http://a.test.evil/", None),
        ("https://a.test/", ["all=1; secure=3"]),
    ):
        spied.redirect(location)
        assert spied.sent("Cookie") == cookies, location


def test_expired_meanwhile() -> None:
    """A long run does not go on sending it."""
    spied = Spied()
    spied.ask("http://b.test/")
    assert spied.sent("Cookie") == ["b=4"]
    spied.clock.advance(100)
    spied.ask("http://b.test/")
    assert spied.sent("Cookie") is None


def test_a_cookie_header_takes_their_place() -> None:
    """On its own origin; where it does not go, the file's do."""
    spied = Spied()
    spied.ask("http://a.test/", {"cOOkie": "own=1"})
    assert spied.sent("Cookie") == ["own=1"]
    spied.redirect("http://b.test/")
    assert spied.sent("Cookie") == ["b=4"]


def test_the_callers_headers_stay_as_they_are() -> None:
    """The same object may be sent to others."""
    agent = CookieAgent(AgentSpy(), parse_cookies(JAR), lambda: 0)
    headers = Headers({"Authorization": ["Basic eDp5"]})
    for _ in range(2):
        agent.request(b"GET", b"http://a.test/", headers)
        DigestAgent(agent, Deadlines(Clock())).request(b"GET", b"http://a.test/", headers)
    assert dict(headers.getAllRawHeaders()) == {b"Authorization": [b"Basic eDp5"]}


async def test_what_is_no_url(agent: Any) -> None:
    """Fails as it does without cookies."""
    for uri in (b"nothing", b"http://\xff/"):
        found: list[Any] = []
        asked = CookieAgent(agent, parse_cookies(JAR), lambda: 0).request(b"GET", uri)
        asked.addErrback(found.append)
        assert isinstance(found[0], Failure) and found[0].type is BadUrl


# --- Digest ---------------------------------------------------------------------------------

ME = "Basic " + b64encode(b"me:se:same").decode()


def expected(text: str, target: bytes = b"/") -> str:
    """The right answer, with the cnonce of `text`."""
    challenge, cnonce = find_challenge([CHALLENGE]), re.search('cnonce="([0-9a-f]{32})"', text)
    assert challenge is not None and cnonce is not None
    return answer(challenge, b"GET", target, b"me", b"se:same", cnonce[1].encode()).decode()


def test_the_password_stays_here() -> None:
    """The first request is without, the second has the answer; other headers are in both."""
    spied = Spied()
    spied.ask("http://a.test/x?q", {"authorization": ME, "X-Key": "k"})
    assert (spied.sent("Authorization"), spied.sent("X-Key")) == (None, ["k"])
    spied.challenge()
    (text,) = spied.sent("Authorization") or ("",)
    assert text == expected(text, b"/x?q")
    assert (spied.sent("X-Key"), spied.sent("Cookie")) == (["k"], ["all=1"])


def test_a_second_no_is_the_answer() -> None:
    """One more request, and no third; nor does a challenge of another kind get any."""
    spied = Spied()
    asked = spied.ask("http://a.test/", {"authorization": ME})
    spied.challenge()
    spied.challenge()
    assert asked.result.code == 401 and len(spied.spy.requests) == 2
    asked = spied.ask("http://a.test/", {"authorization": ME})
    spied.challenge(b"Basic realm=r")
    assert asked.result.code == 401 and len(spied.spy.requests) == 3


@pytest.mark.parametrize("headers", [None, {}, {"authorization": "Bearer abc"}])
def test_nobody_to_answer_for(headers: dict[str, str] | None) -> None:
    """A challenge alone brings nothing out; other schemes pass as they are."""
    spied = Spied()
    asked = spied.ask("http://a.test/", headers)
    assert spied.sent("Authorization") == (["Bearer abc"] if headers else None)
    spied.challenge()
    assert asked.result.code == 401 and len(spied.spy.requests) == 1


def test_a_body_is_not_sent_twice() -> None:
    """The 401 is the caller's, and the password is kept back all the same."""
    spied = Spied()
    asked = spied.ask("http://a.test/", {"authorization": ME}, bodyProducer=object())
    assert spied.sent("Authorization") is None
    spied.challenge()
    assert asked.result.code == 401 and len(spied.spy.requests) == 1


@pytest.mark.parametrize("broken", ["Basic", "Basic abc", "basic ?"])
def test_a_basic_header_that_cannot_be_read(broken: str) -> None:
    """Is kept back too."""
    spied = Spied()
    spied.ask("http://a.test/", {"authorization": broken})
    assert spied.sent("Authorization") is None
    spied.challenge()
    assert "Basic" not in str(spied.sent("Authorization"))


def test_no_answer_for_another_origin() -> None:
    """Behind a redirect there is nobody to answer for; on the same origin there is."""
    spied = Spied()
    spied.ask("http://a.test/", {"authorization": ME})
    spied.redirect("/same")
    spied.challenge()
    (text,) = spied.sent("Authorization") or ("",)
    assert text == expected(text, b"/same")
    spied.redirect("http://b.test/")
    assert spied.sent("Authorization") is None
    count = len(spied.spy.requests)
    spied.challenge()
    assert len(spied.spy.requests) == count


def test_a_cancel_at_each_step() -> None:
    """The request under way ends, or the body that is being read, and no other is made."""
    for step in range(3):
        spied = Spied()
        asked = spied.ask("http://a.test/", {"authorization": ME})
        response = None
        if step == 1:
            headers = {"www-authenticate": CHALLENGE.decode()}
            response = spied.spy.requests[-1].answer(401, headers, 10)
        elif step == 2:
            spied.challenge()
        count = len(spied.spy.requests)
        asked.cancel()
        assert asked.result is CancelledError and len(spied.spy.requests) == count
        if response is None:
            assert spied.spy.requests[-1].cancelled
        else:
            assert response.transport.calls == ["abortConnection"]
        assert spied.clock.getDelayedCalls() == []


async def test_over_a_socket(scripted: Any, agent: Any, reactor: Any) -> None:
    """The refusal is read to its end, so that its connection serves the answer."""

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(REFUSAL)
        await connection.head()
        connection.send(HELLO)

    server = scripted(script)
    digest = DigestAgent(agent, Deadlines(reactor))
    _, body = await get(digest, server.url("/f"), authorization=ME)
    assert body == b"hello"
    (connection,) = server.connections
    first, second = connection.heads
    assert b"uthorization" not in first and b'uri="/f"' in second
    assert ME.encode() not in connection.received


async def test_a_cancel_over_a_socket(scripted: Any, agent: Any, reactor: Any) -> None:
    """While the refusal's body is on its way: a reset, and no answer."""

    async def script(connection: Any) -> None:
        await connection.head()
        connection.send(REFUSAL[:-2])
        await connection.flush()
        asked.cancel()
        await hello(connection)

    server = scripted(script)
    found: list[Any] = []
    headers = Headers({"authorization": [ME]})
    asked = DigestAgent(agent, Deadlines(reactor)).request(b"GET", server.url().encode(), headers)
    asked.addErrback(found.append)
    connection = await server.arrived()
    assert await connection.ended() is End.RST
    assert found[0].type is CancelledError and len(connection.heads) == 1
