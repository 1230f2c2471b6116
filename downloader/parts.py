"""What a Downloader is made of, as its arguments want it."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import random
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from downloader.deadlines import Deadlines
from downloader.http1.agent import Agent
from downloader.http1.identity import CookieAgent, DigestAgent
from downloader.http1.redirect import RedirectAgent
from downloader.http1.tls import TlsOptions
from downloader.identity import Identity
from downloader.jobs import Limits, Retries, Timeouts
from downloader.sansio.network import Network
from downloader.transfer.setup import Setup

if TYPE_CHECKING:
    from downloader.transfer.robots import Robots

_log = Logger()


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


def robots_of(setup: Setup, hops: IAgent | None) -> Robots:
    """What asks for robots.txt: by `hops`, which follows no redirect, or else as `setup` does."""
    from downloader.transfer.robots import REDIRECTS, Robots  # late: they are rarely asked for

    agent = setup.agent if hops is None else RedirectAgent(hops, setup.deadlines, REDIRECTS)
    return Robots(
        *(setup.clock, agent, setup.limiter, setup.deadlines, setup.headers),
        setup.timeouts.stall,
    )


def backoff(retries: Retries) -> Callable[[int], float]:
    """The seconds to wait after the n-th round of tries."""

    def wait(n: int) -> float:
        # Late: it brings Twisted's services and plugins along, and most runs wait for nothing.
        from twisted.application.internet import backoffPolicy

        policy = backoffPolicy(
            retries.wait, retries.max_wait, jitter=lambda: random() * retries.wait
        )
        return policy(n)

    return wait


def log_warning(sentence: str) -> None:
    """Tell it in the log."""
    _log.warn("{sentence}", sentence=sentence)


def excuse(done: Deferred[Any]) -> None:
    """What `close` cancelled is no error, even where nobody waits for it: it is not to be logged.

    A program that ends in the middle has hundreds of these. Whoever does wait still hears of it.
    Twisted has no public way to say so.
    """
    debug_info = getattr(done, "_debugInfo", None)
    if debug_info is not None:
        debug_info.failResult = None
