"""A full listener keeps a connect waiting, and shows it."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater


async def test_a_connect_waits_until_it_is_cancelled(reactor: Any, full_listener: Any) -> None:
    """The connecting socket is counted while it tries and no longer."""
    assert full_listener.connecting() == 0
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", full_listener.port)
    connecting = endpoint.connect(Factory.forProtocol(Protocol))
    await deferLater(reactor, 0.01)
    assert full_listener.connecting() == 1
    assert not connecting.called
    connecting.cancel()
    with pytest.raises(ConnectingCancelledError):
        await connecting
    assert full_listener.connecting() == 0


def test_each_connect_is_counted(full_listener: Any) -> None:
    """Several wait at once."""
    sockets = [socket.socket() for _ in range(3)]
    for one in sockets:
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", full_listener.port))
    assert full_listener.connecting() == 3
    for one in sockets:
        one.close()
    assert full_listener.connecting() == 0
