"""What a Downloader is made of, as its arguments want it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from twisted.internet.interfaces import IHostnameResolver
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from downloader._version import __version__
from downloader.deadlines import Deadlines
from downloader.http1.agent import Agent
from downloader.http1.identity import CookieAgent, DigestAgent
from downloader.http1.tls import TlsOptions
from downloader.identity import Identity
from downloader.jobs import Limits, Timeouts
from downloader.sansio.network import Network
from downloader.transfer.limiter import Limiter
from downloader.transfer.pace import PacedLimiter
from downloader.transfer.request import Authorizations, with_headers

USER_AGENT = f"downloader/{__version__}"


def limiter_of(reactor: Any, limits: Limits) -> Limiter:
    """Who says when a job may start."""
    if limits.rate is None and limits.per_host_delay is None:
        return Limiter(limits.total, limits.per_host)
    return PacedLimiter(reactor, limits.total, limits.per_host, limits.rate, limits.per_host_delay)


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


def authorizations(identity: Identity | None) -> Authorizations | None:
    """None where no user or token is known, so that requests are not asked about them."""
    if identity is None or (identity.credentials is None and identity.netrc is None):
        return None
    return Authorizations(identity)


def headers_of(pairs: Sequence[tuple[str, str]]) -> Headers:
    """The run's headers; a body as it lies on the server is what a file is."""
    ours = {"User-Agent": [USER_AGENT], "Accept": ["*/*"], "Accept-Encoding": ["identity"]}
    return with_headers(Headers(ours), pairs)
