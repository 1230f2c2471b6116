"""An IAgent whose requests can be cancelled in every phase.

`Agent` asks and answers; `downloader.http1.redirect` follows redirects on top of it.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IHostnameResolver, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from downloader.deadlines import Deadlines
from downloader.errors import BadUrl, WrongRequest
from downloader.http1.connection import Connection, Owner
from downloader.http1.exchange import Exchange
from downloader.http1.eyeballs import NameEndpoint
from downloader.http1.pool import Key, Pool
from downloader.http1.resolve import STAND_IN, Resolving, ThreadedResolver
from downloader.http1.tls import TlsOptions
from downloader.sansio.url import parse_url, redacted

NO_HEADERS = Headers()
# The pool's deadline bounds name, TCP and TLS together; two would race for the error's class.
NO_TIMEOUT: Any = None


@implementer(IAgent)
class Agent:
    """Twisted's IAgent over HTTP/1.1 connections of our own.

    Connections are kept and shared between requests to one origin, `connections_per_host` of
    them at most. `connect_timeout` bounds name, TCP and TLS together, `first_byte_timeout` the
    time from a request to the whole head of its answer, both in seconds. `tls` says how servers
    are judged. `resolver` finds addresses; None asks the system, in threads.
    `deadlines` are shared with whoever gives them; None is ones of its own.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        connections_per_host: int = 6,
        connect_timeout: float = 30.0,
        first_byte_timeout: float = 60.0,
        tls: TlsOptions | None = None,
        resolver: IHostnameResolver | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._reactor = reactor
        self._resolver = resolver or ThreadedResolver(reactor)
        self._first_byte_timeout = first_byte_timeout
        self._tls = tls or TlsOptions()
        self._deadlines = deadlines or Deadlines(reactor)
        self._pool = Pool(self._connect, self._deadlines, connections_per_host, connect_timeout)

    def __repr__(self) -> str:
        return f"<Agent {self._pool!r}>"

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Ask for `uri`. No redirect is followed and no coding undone.

        **Fires with** an IResponse when the final head is complete; the transport its body
        protocol gets has `abortConnection`. **Fails with** BadUrl, WrongRequest for a method or
        header that would break the request, ResolveError, ConnectTimeout, FirstByteTimeout,
        BadResponse, Closed; ResponseNeverReceived or ResponseFailed when the connection is
        lost; or what Twisted's endpoint failed with. **Cancelling** it fails it with
        CancelledError, and whatever was under way for it is aborted: the connection attempt,
        the handshake, or the connection itself.
        """
        try:
            url = parse_url(uri.decode("ascii"))
            exchange = Exchange(method, url, headers or NO_HEADERS, bodyProducer)
        except BadUrl:
            return fail(Failure())
        except UnicodeDecodeError as error:
            return fail(Failure(BadUrl(str(error))))
        except ValueError as error:
            return fail(Failure(WrongRequest(str(error), url=redacted(str(url)))))
        self._pool.submit(exchange, (*url.origin, self._tls))
        return exchange.answer

    def close(self) -> Deferred[None]:
        """Abort every exchange and close every connection; nothing more can be asked.

        **Fires with** None once all transports are closed. **Fails** never. **Cancelling** it
        stops the waiting only.
        """
        return self._pool.close()

    def _connect(self, key: Key, owner: Owner) -> Deferred[Connection]:
        scheme, host, port, tls = key
        secure = scheme == "https"
        resolving = Resolving(self._reactor, self._resolver, host)
        factory: Any = Factory.forProtocol(
            lambda: Connection(self._deadlines, self._first_byte_timeout, owner, secure, self._soon)
        )
        factory.noisy = False  # it would log each connection
        if secure:  # Twisted's wrapClientTLS would have the global reactor time its writes
            factory = TLSMemoryBIOFactory(tls.creator(host), True, factory, self._reactor)
        connected: Deferred[Any] = self._endpoint(resolving, host, port).connect(factory)
        connected.addErrback(resolving.failed)
        if secure:
            connected.addCallback(lambda tls_protocol: tls_protocol.wrappedProtocol)
        return connected.addCallback(lambda connection: connection.ready)

    def _soon(self, call: Callable[[], None]) -> None:
        self._reactor.callLater(0, call)

    def _endpoint(self, resolving: Resolving, host: str, port: int) -> IStreamClientEndpoint:
        """Happy eyeballs for a name; for an address no resolver is asked."""
        try:
            version = ip_address(host).version
        except ValueError:
            return NameEndpoint(resolving, STAND_IN, port)
        if version == 6:
            return TCP6ClientEndpoint(self._reactor, host, port, NO_TIMEOUT)
        return TCP4ClientEndpoint(self._reactor, host, port, NO_TIMEOUT)
