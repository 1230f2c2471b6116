"""An agent that asks nobody: it records each request and a test answers or fails it by hand.

The interfaces are Twisted's own, checked with `verifyObject` in the kit's tests, so what works
on the spy is at least called the right way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocol, IPushProducer, ITransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import RESPONSES
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IClientRequest, IResponse
from zope.interface import implementer


@implementer(ITransport, IPushProducer)
class SpiedTransport:
    """What a body's protocol is connected to: it only writes down what it is told.

    `calls` are the names of the methods called, in order. `paused` is whether the last of pause
    and resume was a pause. Nothing follows from a call: after `abortConnection` the test says
    itself whether and when the body's `connectionLost` comes.
    """

    disconnecting = False

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.paused = False

    def pauseProducing(self) -> None:
        self.calls.append("pauseProducing")
        self.paused = True

    def resumeProducing(self) -> None:
        self.calls.append("resumeProducing")
        self.paused = False

    def stopProducing(self) -> None:
        self.calls.append("stopProducing")
        self.disconnecting = True

    def loseConnection(self) -> None:
        self.calls.append("loseConnection")
        self.disconnecting = True

    def abortConnection(self) -> None:
        self.calls.append("abortConnection")
        self.disconnecting = True

    def write(self, data: bytes) -> None:
        raise AssertionError("a response's body is read, never written to")

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        raise AssertionError("a response's body is read, never written to")

    def getPeer(self) -> IAddress:
        return IPv4Address("TCP", "127.0.0.1", 80)

    def getHost(self) -> IAddress:
        return IPv4Address("TCP", "127.0.0.1", 50000)


@implementer(IClientRequest)
@dataclass(eq=False)
class SpiedRequest:
    """One request as the agent was asked for it, to be answered or failed once.

    `deferred` is what the caller holds. `cancelled` is whether the caller has cancelled it.
    """

    method: bytes
    absoluteURI: bytes
    headers: Headers
    body_producer: IBodyProducer | None
    cancelled: bool = False
    deferred: Deferred[IResponse] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.deferred = Deferred(self._cancel)

    def answer(
        self,
        code: int = 200,
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> SpiedResponse:
        """Hand the caller a response; `length` None is a length the server did not tell."""
        response = SpiedResponse(self, code, Headers(), length)
        for name, value in (headers or {}).items():
            response.headers.addRawHeader(name, value)
        self.deferred.callback(response)
        return response

    def fail(self, error: BaseException) -> None:
        """Fail the caller's Deferred."""
        self.deferred.errback(error)

    def _cancel(self, _: Deferred[IResponse]) -> None:
        self.cancelled = True


@implementer(IResponse)
class SpiedResponse:
    """A response whose body comes when the test says so.

    `transport` is what the body's protocol gets. Data that is fed before anybody asked for the
    body is held, as a real connection holds it.
    """

    version = (b"HTTP", 1, 1)

    def __init__(
        self, request: SpiedRequest, code: int, headers: Headers, length: int | None
    ) -> None:
        self.request = request
        self.code = code
        self.phrase: bytes = RESPONSES.get(code, b"")
        self.headers = headers
        self.length = UNKNOWN_LENGTH if length is None else length
        self.previousResponse: IResponse | None = None
        self.transport = SpiedTransport()
        self._body: IProtocol | None = None
        self._held: list[bytes] = []
        self._reason: Failure | None = None

    def deliverBody(self, protocol: IProtocol) -> None:
        assert self._body is None, "a body is delivered once"
        self._body = protocol
        protocol.makeConnection(self.transport)
        held, self._held = self._held, []
        for data in held:
            protocol.dataReceived(data)
        if self._reason is not None:
            protocol.connectionLost(self._reason)

    def setPreviousResponse(self, response: IResponse) -> None:
        self.previousResponse = response

    @property
    def delivering(self) -> bool:
        """Whether somebody has asked for the body."""
        return self._body is not None

    def feed(self, data: bytes) -> None:
        """Bring `data`, paused or not: real transports too deliver what they had read already."""
        if self._body is None:
            self._held.append(data)
        else:
            self._body.dataReceived(data)

    def finish(self, error: BaseException | None = None) -> None:
        """End the body: with `error`, or with Twisted's `ResponseDone`."""
        self._reason = Failure(error or ResponseDone())
        if self._body is not None:
            self._body.connectionLost(self._reason)


@implementer(IAgent)
class AgentSpy:
    """An IAgent that keeps its `requests`, in the order they were asked, for a test to answer."""

    def __init__(self) -> None:
        self.requests: list[SpiedRequest] = []

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Record the request.

        **Fires with** what the test answers. **Fails with** what the test fails it with.
        **Cancelling** marks the request `cancelled`; it fails with CancelledError.
        """
        copy = headers.copy() if headers is not None else Headers()
        request = SpiedRequest(method, uri, copy, bodyProducer)
        self.requests.append(request)
        return request.deferred
