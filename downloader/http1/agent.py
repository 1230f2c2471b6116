"""An IAgent whose requests can be cancelled in every phase.

`Agent` asks and answers; `downloader.http1.redirect` follows redirects on top of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from downloader.deadlines import Deadlines
from downloader.drain import drain
from downloader.errors import BadUrl, ProxyAuthRequired, WrongRequest
from downloader.http1.bulk import Buffers
from downloader.http1.connection import Connection
from downloader.http1.endpoints import Endpoints
from downloader.http1.exchange import Exchange
from downloader.http1.heads import Heads
from downloader.http1.owner import Owner
from downloader.http1.pool import Pool
from downloader.http1.resolve import ThreadedResolver
from downloader.http1.route import Route, route_to
from downloader.http1.tls import TlsOptions
from downloader.http1.upload import length_of
from downloader.sansio.network import Network
from downloader.sansio.url import HttpUrl, parse_url, redacted

NO_HEADERS = Headers()
# Routes that are remembered: more origins than a list asks at a time.
ROUTES = 1024


@implementer(IAgent)
class Agent:
    """Twisted's IAgent over HTTP/1.1 connections of our own.

    Connections are kept and shared between requests to one origin, `connections_per_host` of
    them at most, with up to `pipeline` requests under way on each; with `pipeline_uploads` those
    too whose body is short and an `IReplayable`. `connect_timeout` bounds name,
    TCP and TLS together, `first_byte_timeout` the time from a request to the whole head of its
    answer, or from the end of the answer before it, both in seconds. `tls` says how servers are
    judged, `network` which proxies and addresses lead to them: by default none in particular.
    `resolver` finds addresses; None asks the system, in threads.
    `deadlines` are shared with whoever gives them; None is ones of its own.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        connections_per_host: int = 6,
        pipeline: int = 16,
        pipeline_uploads: bool = False,
        connect_timeout: float = 30.0,
        first_byte_timeout: float = 60.0,
        tls: TlsOptions | None = None,
        network: Network | None = None,
        resolver: IHostnameResolver | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._reactor = reactor
        self._endpoints = Endpoints(reactor, resolver or ThreadedResolver(reactor))
        self._first_byte_timeout = first_byte_timeout
        self._route = lru_cache(ROUTES)(
            partial(route_to, network or Network(), tls or TlsOptions())
        )
        self._deadlines = deadlines or Deadlines(reactor)
        self._heads = Heads()
        self._pipeline_uploads = pipeline_uploads
        self._buffers = Buffers()
        self._pool = Pool(
            self._connect, self._deadlines, connections_per_host, connect_timeout, pipeline
        )

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

        A body over 1 MiB waits up to a second for the server to want it (RFC 9110 §10.1.1).

        **Fires with** an IResponse when the final head is complete; the transport its body
        protocol gets has `abortConnection`. **Fails with** BadUrl, WrongRequest for a method or
        header that would break the request, ResolveError, ConnectTimeout, FirstByteTimeout,
        BadResponse, Closed, a ProxyError; ResponseNeverReceived or ResponseFailed when the
        connection is lost; or what Twisted's endpoint failed with. **Cancelling** it fails it with
        CancelledError at once, and whatever was under way for it is aborted: the connection
        attempt, the handshake, or the connection itself; with other requests in front of it there,
        once they are answered, and after 0.25 s at the latest. What is not sent yet is dropped.
        """
        try:
            url = parse_url(uri.decode("ascii"))
            asked = (method, url, headers or NO_HEADERS, bodyProducer)
            route = self._route(url.scheme, url.host, url.port)
            exchange = self._exchange(*asked, route)
        except BadUrl:
            return fail(Failure())
        except UnicodeDecodeError as error:
            return fail(Failure(BadUrl(str(error))))
        except ValueError as error:
            return fail(Failure(WrongRequest(str(error), url=redacted(str(url)))))
        self._pool.submit(exchange, route)
        answer = exchange.answer
        if exchange.expects:
            answer = Deferred.fromCoroutine(self._unexpected(exchange, route))
        if route.via is None:
            return answer
        return Deferred.fromCoroutine(self._through_proxy(answer))

    def close_idle(self) -> None:
        """Close the connections that nobody uses."""
        self._pool.close_idle()

    def quiet(self) -> Deferred[None]:
        """Wait for what was cancelled by now.

        **Fires with** None once the connections that carry it are closed. **Fails** never.
        **Cancelling** it stops the waiting.
        """
        return self._pool.quiet()

    def close(self) -> Deferred[None]:
        """Abort every exchange and close every connection; nothing more can be asked.

        **Fires with** None once all transports are closed. **Fails** never. **Cancelling** it
        stops the waiting only.
        """
        return self._pool.close().addCallback(lambda _: self._endpoints.closed())

    def _connect(self, route: Route, owner: Owner[Connection]) -> Deferred[Connection]:
        secure = route.scheme == "https"
        factory = Factory.forProtocol(
            lambda: Connection(
                self._deadlines,
                self._first_byte_timeout,
                owner,
                secure,
                self._soon,
                self._buffers,
            )
        )
        factory.noisy = False  # it would log each connection
        connected: Deferred[Any] = self._endpoints.to(route).connect(factory)
        return connected.addCallback(lambda connection: connection.ready)

    def _exchange(
        self,
        method: bytes,
        url: HttpUrl,
        headers: Headers,
        producer: IBodyProducer | None,
        route: Route,
        expect: bool = True,
    ) -> Exchange:
        length = length_of(producer)
        head = self._heads.make(method, url, headers, length, route.via, expect)
        exchange = Exchange(method, url, headers, producer, head, length, expect)
        if producer is not None and self._pipeline_uploads:
            exchange.keep_company()
        return exchange

    async def _unexpected(self, first: Exchange, route: Route) -> IResponse:
        """A server that does not know of expectations is asked without (RFC 9110 §15.5.18)."""
        response = await first.answer
        if response.code != 417 or not first.can_send_body:
            return response
        await drain(response, self._deadlines)
        asked = (first.method, first.url, first.headers, first.producer)
        exchange = self._exchange(*asked, route, expect=False)
        self._pool.submit(exchange, route)
        return await exchange.answer

    async def _through_proxy(self, answer: Deferred[IResponse]) -> IResponse:
        """A 407 there is the proxy's own answer, as it would be to a CONNECT."""
        response = await answer
        if response.code == 407:
            await drain(response, self._deadlines)
            raise ProxyAuthRequired(http_status=407)
        return response

    def _soon(self, call: Callable[[], None]) -> None:
        self._reactor.callLater(0, call)
