"""What a Downloader is made of, as its arguments want it."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.interfaces import IHostnameResolver
from twisted.web.iweb import IAgent

from downloader.deadlines import Deadlines
from downloader.http1.agent import Agent
from downloader.http1.identity import CookieAgent, DigestAgent
from downloader.http1.tls import TlsOptions
from downloader.identity import Identity
from downloader.jobs import Limits, Timeouts
from downloader.sansio.network import Network


def agent_of(
    reactor: Any,
    limits: Limits,
    timeouts: Timeouts,
    tls: TlsOptions,
    network: Network,
    resolver: IHostnameResolver | None,
    deadlines: Deadlines,
) -> Agent:
    """Our agent, as the limits and timeouts want it."""
    return Agent(
        reactor,
        connections_per_host=limits.connections_per_host,
        pipeline=limits.pipeline,
        pipeline_uploads=limits.pipeline_uploads,
        connect_timeout=timeouts.connect,
        first_byte_timeout=timeouts.first_byte,
        tls=tls,
        network=network,
        resolver=resolver,
        deadlines=deadlines,
    )


def identified(agent: IAgent, identity: Identity | None, deadlines: Deadlines) -> IAgent:
    """`agent`, with what of `identity` is decided for each hop; itself where there is none."""
    if identity is not None and identity.cookies:
        agent = CookieAgent(agent, identity.cookies, time.time)
    if identity is not None and identity.digest:
        agent = DigestAgent(agent, deadlines)
    return agent
