"""A public test kit: small real servers on loopback, and an agent that a test plays by hand.

Everything here is real: sockets, TLS and HTTP on the reactor it is given, with no global state.
A server counts how each of its connections ended, because what a server sees is the only proof
that a cancelled download has stopped.
"""

from downloader.testing.agentspy import AgentSpy, SpiedRequest, SpiedResponse, SpiedTransport
from downloader.testing.backlog import FullListener
from downloader.testing.loopback import End
from downloader.testing.origin import Origin, content
from downloader.testing.proxy import Asked, HttpProxy, SocksProxy
from downloader.testing.scripted import (
    Connection,
    ScriptedServer,
    fin,
    head,
    mute,
    rst,
    stop_reading,
    trickle,
    wait,
)

__all__ = [
    "AgentSpy",
    "Asked",
    "Connection",
    "End",
    "FullListener",
    "HttpProxy",
    "Origin",
    "ScriptedServer",
    "SocksProxy",
    "SpiedRequest",
    "SpiedResponse",
    "SpiedTransport",
    "content",
    "fin",
    "head",
    "mute",
    "rst",
    "stop_reading",
    "trickle",
    "wait",
]
