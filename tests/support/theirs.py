"""Ours in the place of Twisted's agents, so that Twisted's own cases can be run over them.

Twisted's cases reach into its agent for what it is about to send, and answer with its own objects.
Here a request is read from the wire, and the answer is written to the wire: the objects that the
cases see are Twisted's, and all between them is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.ssl import trustRootFromCertificates as trust_root_from
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.test.test_sslverify import certificatesForAuthorityAndServer
from twisted.trial.reporter import TestResult
from twisted.trial.unittest import SynchronousTestCase
from twisted.web._newclient import Request
from twisted.web.client import URI, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from twisted.web.test import test_agent as theirs
from zope.interface import implementer

from downloader.deadlines import Deadlines
from downloader.errors import BadUrl, WrongRequest
from downloader.http1.agent import Agent
from downloader.http1.redirect import RedirectAgent
from downloader.http1.tls import TlsOptions
from support.wired import Wire


def make_agent(reactor: Any, **options: Any) -> Agent:
    """Our agent on one of Twisted's reactors in memory, with its names."""
    return Agent(reactor, resolver=reactor.nameResolver, **options)


class _Answer:
    """What a case calls with its Response, which goes to the wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def callback(self, response: Any) -> None:
        """Send the head of `response`, with an empty body."""
        fields = response.headers.getAllRawHeaders()
        lines = [b"%b: %b\r\n" % (name, value) for name, values in fields for value in values]
        status = b"HTTP/1.1 %d %b\r\n" % (response.code, response.phrase)
        self._wire.feed(status + b"".join(lines) + b"Content-Length: 0\r\n\r\n")


class Requests:
    """Where a case looks for what was asked: Twisted's StubHTTPProtocol."""

    def __init__(self) -> None:
        self.requests: list[tuple[Request, _Answer]] = []


@implementer(IAgent)
class WiredAgent:
    """Our agent, whose requests are noted as they are on the wire."""

    def __init__(self, reactor: Any, protocol: Requests) -> None:
        self._reactor = reactor
        self._protocol = protocol
        self._agent = make_agent(reactor)

    def request(
        self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None
    ) -> Deferred[IResponse]:
        """Ask, connect, and read the request."""
        asked = self._agent.request(method, uri, headers, bodyProducer)
        wire = Wire(self._reactor, self._reactor.tcpClients[-1])
        self._protocol.requests.append((_request(wire.sent, uri), _Answer(wire)))
        return asked


def _request(sent: bytes, uri: bytes) -> Request:
    first, *lines = sent.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, _ = first.split(b" ")
    headers = Headers()
    for line in lines:
        headers.addRawHeader(*line.split(b": ", 1))
    return Request._construct(method, target, headers, None, parsedURI=URI.fromBytes(uri))


class Cases(SynchronousTestCase, theirs.FakeReactorAndConnectMixin):  # type: ignore[misc]
    """What Twisted's cases call, over our agent."""

    def setUp(self) -> None:
        self.reactor = self.createReactor()
        self.protocol = Requests()
        self.agent = self.makeAgent()

    def makeAgent(self) -> Any:
        return make_agent(self.reactor)

    def buildAgentForWrapperTest(self, reactor: Any) -> IAgent:
        return WiredAgent(reactor, self.protocol)


class WiredCases(Cases):
    """Cases that look at what a plain agent sends."""

    def makeAgent(self) -> Any:
        return self.buildAgentForWrapperTest(self.reactor)


class InjectionCases(Cases):
    """Cases that want ValueError at once; ours fails its Deferred, and connects to nobody."""

    def attemptRequestWithMaliciousMethod(self, method: bytes) -> None:
        self._refused(method, b"http://twisted.invalid", WrongRequest, "Invalid method")

    def attemptRequestWithMaliciousURI(self, uri: bytes) -> None:
        self._refused(b"GET", uri, BadUrl, "Invalid URI")

    def _refused(self, method: bytes, uri: bytes, error: Any, words: str) -> None:
        self.failureResultOf(self.agent.request(method, uri, Headers(), None), error)
        self.assertEqual(self.reactor.tcpClients, [])
        raise ValueError(words)


class _NoBody(proxyForInterface(IResponse)):  # type: ignore[misc]
    """A response of Twisted's, which has no transport to read a body from."""

    def deliverBody(self, protocol: Any) -> None:
        protocol.connectionLost(Failure(ResponseDone()))


@implementer(IAgent)
class _Bodiless:
    """Twisted's agent, stubbed by its cases, with responses that can be read to their end."""

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None
    ) -> Deferred[IResponse]:
        asked = self._agent.request(method, uri, headers, bodyProducer)
        return asked.addCallback(_NoBody)


class RedirectCases(SynchronousTestCase, theirs.FakeReactorAndConnectMixin):  # type: ignore[misc]
    """What the cases of Twisted's RedirectAgent call: ours, over its stubbed agent."""

    def setUp(self) -> None:
        self.reactor = self.createReactor()
        self.agent = self.makeAgent()

    def makeAgent(self) -> Any:
        stubbed = self.buildAgentForWrapperTest(self.reactor)
        return RedirectAgent(_Bodiless(stubbed), Deadlines(Clock()))


class Integration(Cases, theirs.IntegrationTestingMixin):  # type: ignore[misc]
    """A request and its answer, over HTTP."""

    def integrationTest(self, *where: Any, **how: Any) -> None:
        super().integrationTest(*where, **{"createAgent": make_agent, **how})


class TlsIntegration(Integration):
    """The same over TLS, with a certificate for the host."""

    def integrationTest(self, hostName: bytes, *where: Any, **how: Any) -> None:
        name = hostName.strip(b"[]").decode("ascii")
        authority, server = certificatesForAuthorityAndServer(name)
        tls = TlsOptions(trust_root=trust_root_from([authority]))
        super().integrationTest(
            hostName,
            *where,
            serverWrapper=lambda f, _: TLSMemoryBIOFactory(server.options(), False, f),
            createAgent=lambda reactor: make_agent(reactor, tls=tls),
            scheme=b"https",
        )


def run(base: type[SynchronousTestCase], case: Callable[..., Any], *mixins: type) -> None:
    """Run `case`, a test method of Twisted's, as one of `base`'s; `mixins` are what it calls."""
    made = type(base.__name__, (base, *mixins), {case.__name__: case})
    result = TestResult()
    made(case.__name__).run(result)
    troubles = [failure for _, failure in result.errors + result.failures]
    for trouble in troubles:
        trouble.raiseException()
    assert result.successes == 1 and not result.skips
