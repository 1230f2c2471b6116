"""The agent spy keeps Twisted's contracts, and does only what its test says."""

from __future__ import annotations

from typing import Any

import pytest
import treq
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IPushProducer, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IClientRequest, IResponse
from zope.interface.verify import verifyObject

from downloader.testing import AgentSpy


class Body(Protocol):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def dataReceived(self, data: bytes) -> None:
        self.seen.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.seen.append(reason.type)


def ask(agent: AgentSpy) -> Any:
    return agent.request(b"GET", b"http://x/", Headers({"a": ["b"]}))


def test_the_interfaces_are_kept() -> None:
    """verifyObject finds nothing missing."""
    agent = AgentSpy()
    ask(agent)
    (request,) = agent.requests
    response = request.answer()
    assert verifyObject(IAgent, agent)
    assert verifyObject(IClientRequest, request)
    assert verifyObject(IResponse, response)
    assert verifyObject(ITransport, response.transport)
    assert verifyObject(IPushProducer, response.transport)


async def test_a_request_is_recorded_and_answered() -> None:
    """The test sees what was asked, and the caller what the test answers."""
    agent = AgentSpy()
    asked = ask(agent)
    (request,) = agent.requests
    assert (request.method, request.absoluteURI) == (b"GET", b"http://x/")
    assert request.headers.getRawHeaders("a") == ["b"]
    assert not asked.called
    request.answer(206, {"ETag": '"v1"'}, 10)
    response = await asked
    assert (response.code, response.phrase, response.length) == (206, b"Partial Content", 10)
    assert response.headers.getRawHeaders("etag") == ['"v1"']
    assert response.request is request


async def test_a_request_is_failed() -> None:
    """The caller gets the test's error."""
    agent = AgentSpy()
    asked = ask(agent)
    agent.requests[0].fail(ConnectionLost())
    with pytest.raises(ConnectionLost):
        await asked


async def test_a_cancel_is_seen() -> None:
    """A cancelled request says so, and fails with CancelledError alone."""
    agent = AgentSpy()
    asked = ask(agent)
    assert not agent.requests[0].cancelled
    asked.cancel()
    assert agent.requests[0].cancelled
    with pytest.raises(CancelledError):
        await asked


@pytest.mark.parametrize("early", [0, 1, 3])
def test_a_body_arrives_in_order(early: int) -> None:
    """What is fed before anybody asks is held, the end too."""
    agent = AgentSpy()
    ask(agent)
    response = agent.requests[0].answer()
    assert response.length == UNKNOWN_LENGTH
    events = [lambda: response.feed(b"1"), lambda: response.feed(b"2"), response.finish]
    for event in events[:early]:
        event()
    assert not response.delivering
    response.deliverBody(body := Body())
    for event in events[early:]:
        event()
    assert body.seen == [b"1", b"2", ResponseDone]


def test_the_transport_writes_down_its_calls() -> None:
    """Nothing follows from a call but its record."""
    agent = AgentSpy()
    ask(agent)
    response = agent.requests[0].answer()
    response.deliverBody(body := Body())
    transport: Any = body.transport
    transport.pauseProducing()
    assert transport.paused
    transport.resumeProducing()
    assert not transport.paused and not transport.disconnecting
    transport.abortConnection()
    assert transport.disconnecting
    assert transport.calls == ["pauseProducing", "resumeProducing", "abortConnection"]
    assert body.seen == []


async def test_readbody_aborts_on_it() -> None:
    """Twisted's own readBody finds the abort it looks for."""
    agent = AgentSpy()
    asked = ask(agent)
    response = agent.requests[0].answer()
    body = readBody(await asked)
    body.cancel()
    with pytest.raises(CancelledError):
        await body
    assert response.transport.calls == ["abortConnection"]


async def test_treq_runs_on_it() -> None:
    """A treq client reads the body that the test feeds."""
    agent = AgentSpy()
    asked = HTTPClient(agent).get("http://x/")
    response = agent.requests[0].answer(headers={"Content-Type": "text/plain"}, length=5)
    text = treq.text_content(await asked)
    response.feed(b"hello")
    response.finish()
    assert await text == "hello"
