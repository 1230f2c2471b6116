"""Connections that cannot be made, or that nobody needs any more, and the requests that wait."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from support.asking import get, hello
from support.resolving import SilentResolver
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused


async def test_each_request_hears_its_own_refusal(make_agent: Any) -> None:
    """One connection at a time is tried, and each is the try of one request."""
    agent = make_agent(connections_per_host=1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = b"http://127.0.0.1:%d/" % unused.getsockname()[1]
        asked = [agent.request(b"GET", url) for _ in range(3)]
        reasons = []
        for one in asked:
            with pytest.raises(Refused) as caught:
                await one
            reasons.append(caught.value)
    assert len({id(reason) for reason in reasons}) == 3


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_connection_that_is_given_up_fails_nobody(
    scripted: Any, make_agent: Any, cancelled: int
) -> None:
    """Of two that were begun one is needed no more; it says nothing to who still waits."""
    server, resolver = scripted(hello), SilentResolver()
    agent = make_agent(connections_per_host=2, resolver=resolver)
    url = server.url(host="h.test")
    asked = [Deferred.fromCoroutine(get(agent, url)) for _ in range(2)]
    asked[cancelled].cancel()
    with pytest.raises(CancelledError):
        await asked[cancelled]
    needed = [lookup for lookup in resolver.lookups if not lookup.cancelled]
    assert (len(resolver.lookups), len(needed)) == (2, 1)
    needed[0].answer()
    assert (await asked[1 - cancelled])[1] == b"hello"
    assert len(server.connections) == 1
