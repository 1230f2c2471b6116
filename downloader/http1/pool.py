"""Connections kept for their next request, and requests that wait for a connection.

A key is everything two requests must agree on to share a connection: their `Route` to an origin.
For each key at most `per_host` connections exist, those being made included. A request takes an
idle connection, or a new one is made for it; when there can be no further one it is sent behind
others (`Depth` says behind how many), or it waits. Whichever connection comes free first serves
whoever waits longest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.deadlines import Deadlines
from downloader.errors import Closed, ConnectTimeout
from downloader.http1.connection import Connection
from downloader.http1.exchange import Exchange
from downloader.http1.owner import Owner
from downloader.http1.route import Route
from downloader.sansio.pipeline import Depth

Key = Route
# Makes a connection for a key; it tells its owner what becomes of it.
Connect = Callable[[Key, Owner[Connection]], Deferred[Connection]]

_log = Logger()
_SURPLUS = (
    "{server} sent an answer that nobody asked for: files that came on that connection may have "
    "been exchanged; fetch them with pipeline 1, or with checksums"
)

# How long an idle connection is kept, in seconds: below the 60 to 75 s after which common
# servers close it, so that a request seldom meets a connection that is just being closed.
IDLE = 55.0
# Keys whose depth is remembered while they have no connection: a doubt is for the rest of the run.
REMEMBERED = 1024
# Idle connections to all hosts together: a list may name more hosts than a process has files.
MAX_IDLE = 128


class _Attempt:
    """One connection being made, `wanted` by one who waits; it may serve another."""

    __slots__ = ("connected", "given_up", "late", "wanted")

    connected: Deferred[None]

    def __init__(self, wanted: Exchange) -> None:
        self.wanted = wanted
        self.late = False
        self.given_up = False

    def time_out(self) -> None:
        self.late = True
        self.connected.cancel()

    def give_up(self) -> None:
        """Nobody needs it. What Twisted then fails it with differs by phase, so it is noted."""
        self.given_up = True
        self.connected.cancel()


class _Host:
    """What belongs to one key; the owner of its connections.

    A connection is in one of three places while its transport is open: `unready` from TCP to
    the end of TLS, then `idle` or `busy`; one that is being closed counts as busy. Of the busy
    ones, `roomy` are those that may take one more request, the first one first.
    """

    def __init__(self, pool: Pool, key: Key, depth: Depth) -> None:
        self.key = key
        self.depth = depth
        self.unready: set[Connection] = set()
        self.idle: list[Connection] = []
        self.busy: set[Connection] = set()
        self.roomy: OrderedDict[Connection, None] = OrderedDict()
        self.connecting: list[_Attempt] = []
        self.waiting: OrderedDict[Exchange, None] = OrderedDict()
        self._pool = pool

    def __repr__(self) -> str:
        return (
            f"<{self.key} {len(self.idle)} idle, "
            f"{len(self.busy)} busy, {len(self.connecting)} connecting, "
            f"{len(self.waiting)} waiting>"
        )

    @property
    def connections(self) -> int:
        """How many count against the limit."""
        return len(self.idle) + len(self.busy) + len(self.connecting)

    @property
    def open(self) -> set[Connection]:
        """Those that are in use, or being made ready."""
        return self.unready | self.busy

    @property
    def unused(self) -> bool:
        """Whether nothing of it is left."""
        return not (self.connections or self.waiting or self.unready)

    def withdraw(self, exchange: Exchange) -> None:
        """The caller of one that waits has cancelled."""
        self._pool.withdraw(self, exchange)

    def made(self, connection: Connection) -> None:
        """The transport is open."""
        self.unready.add(connection)

    def answered(self, length: int) -> None:
        """An answer of so many bytes came whole, and showed that others may come behind it."""
        self.depth.answered(length)

    def slowed(self) -> None:
        """An answer did not come for a while, with others behind it."""
        self.depth.slowed()

    def doubted(self, surplus: bool = False) -> None:
        """The server is not to be trusted with several requests at once. `surplus`: it was, and
        has sent more than their answers, so any of them may be another's."""
        self.depth.doubt()
        self.roomy.clear()
        if surplus:
            _log.warn(_SURPLUS, server=str(self.key))

    def freed(self, connection: Connection) -> None:
        """Exchanges have ended and others may follow."""
        self._pool.freed(self, connection)

    def returned(self, exchanges: list[Exchange]) -> None:
        """These were given up by their connection and are to be sent elsewhere."""
        self._pool.returned(self, exchanges)

    def gone(self, connection: Connection, again: list[Exchange]) -> None:
        """The transport is closed."""
        self._pool.gone(self, connection, again)


class Pool:
    """Gives exchanges to connections. It holds an exchange until a connection takes it."""

    def __init__(
        self,
        connect: Connect,
        deadlines: Deadlines,
        per_host: int,
        connect_timeout: float,
        depth: int,
    ) -> None:
        self._connect = connect
        self._deadlines = deadlines
        self._per_host = per_host
        self._connect_timeout = connect_timeout
        self._depth = depth
        self._depths: OrderedDict[Key, Depth] = OrderedDict()
        self._hosts: dict[Key, _Host] = {}
        self._idle: OrderedDict[Connection, _Host] = OrderedDict()
        self._closed = False
        self._closing: list[Deferred[None]] = []
        self._leaving: dict[Deferred[None], set[Connection]] = {}

    def __repr__(self) -> str:
        return f"<Pool {list(self._hosts.values())!r}>"

    def submit(self, exchange: Exchange, key: Key) -> None:
        """Serve `exchange` as soon as a connection can."""
        if self._closed:
            exchange.fail(Failure(Closed()))
            return
        host = self._hosts.get(key) or self._new_host(key)
        while host.idle:
            connection = self._occupy(host, host.idle[-1])
            if connection.usable:
                self._give(host, connection, exchange)
                return
        in_company = not (exchange.alone or exchange.resent or host.waiting)
        while host.roomy and in_company and host.connections >= self._per_host:
            connection, _ = host.roomy.popitem(last=False)
            if connection.has_room(host.depth.now):
                self._give(host, connection, exchange)
                return
        exchange.holder = host
        host.waiting[exchange] = None
        self._connect_more(host)

    def _give(self, host: _Host, connection: Connection, exchange: Exchange) -> None:
        connection.send(exchange)
        if not (exchange.alone or exchange.resent) and connection.has_room(host.depth.now):
            host.roomy[connection] = None

    def withdraw(self, host: _Host, exchange: Exchange) -> None:
        """Its caller cancelled while it waited. A connection made for nobody is given up."""
        del host.waiting[exchange]
        if len(host.connecting) > len(host.waiting):
            spare = [one for one in host.connecting if not one.given_up]
            spare.sort(key=lambda one: one.wanted in host.waiting)
            for attempt in spare[: max(0, len(spare) - len(host.waiting))]:
                attempt.give_up()
        self._forget_unused(host)

    def close_idle(self) -> None:
        """Close what nobody uses."""
        for connection, host in list(self._idle.items()):
            self._occupy(host, connection).close()

    def close(self) -> Deferred[None]:
        """Abort what is under way, close what is idle.

        **Fires with** None once every transport is closed. **Fails** never. **Cancelling** it
        stops the waiting, not the closing.
        """
        closed: Deferred[None] = Deferred(self._closing.remove)
        self._closing.append(closed)
        self._closed = True
        for host in list(self._hosts.values()):
            while host.waiting:
                self._next(host).fail(Failure(Closed()))
            for attempt in list(host.connecting):
                attempt.give_up()
            for connection in list(host.busy):
                connection.fail(Failure(Closed()))
            for connection in list(host.idle):
                self._occupy(host, connection).close()
            self._forget_unused(host)
        self._fire_closed()
        return closed

    def quiet(self) -> Deferred[None]:
        """Wait for the connections that carry what was cancelled by now.

        **Fires with** None once they are closed. **Fails** never. **Cancelling** it stops the
        waiting.
        """
        quiet: Deferred[None] = Deferred(self._leaving.__delitem__)
        hosts = self._hosts.values()
        self._leaving[quiet] = {one for host in hosts for one in host.open if one.leaving}
        self._left()
        return quiet

    # --- connections coming and going -------------------------------------------------------

    def _connect_more(self, host: _Host) -> None:
        """One more connection, if somebody waits for whom none is being made."""
        if host.connections >= self._per_host or len(host.connecting) >= len(host.waiting):
            return
        provided = {one.wanted for one in host.connecting if not one.given_up}
        attempt = _Attempt(next(one for one in host.waiting if one not in provided))
        host.connecting.append(attempt)
        deadline = self._deadlines.set(self._connect_timeout, attempt.time_out)

        def settle(result: Connection | Failure) -> None:
            deadline.cancel()
            host.connecting.remove(attempt)
            if isinstance(result, Connection):
                host.unready.remove(result)
                host.busy.add(result)
                self.freed(host, result)
            else:
                self._failed(host, attempt, result)

        attempt.connected = maybeDeferred(self._connect, host.key, host).addBoth(settle)

    def _failed(self, host: _Host, attempt: _Attempt, reason: Failure) -> None:
        """Who wanted it hears why there is none, unless they are served already; whoever waits
        longest tries again."""
        if attempt.late:
            reason = Failure(ConnectTimeout(f"{self._connect_timeout:g} s"))
        if attempt.wanted in host.waiting and not attempt.given_up:
            del host.waiting[attempt.wanted]
            attempt.wanted.fail(reason)
        if not self._closed:
            self._connect_more(host)
        self._forget_unused(host)

    def freed(self, host: _Host, connection: Connection) -> None:
        """A connection can take exchanges: those that wait longest. Without any it is idle."""
        while host.waiting and connection.has_room(host.depth.now):
            exchange = next(iter(host.waiting))
            if connection.load and (exchange.alone or exchange.resent):
                return  # its turn comes when the others are answered
            del host.waiting[exchange]
            connection.send(exchange)
            if exchange.alone or exchange.resent:
                return
        if connection.load:
            if connection.has_room(host.depth.now):
                host.roomy[connection] = None
                host.roomy.move_to_end(connection, last=False)
        elif self._closed:
            connection.close()
        elif connection.usable:
            self._keep(host, connection)

    def _keep(self, host: _Host, connection: Connection) -> None:
        host.busy.remove(connection)
        host.idle.append(connection)
        self._idle[connection] = host
        connection.idle_deadline = self._deadlines.set(
            IDLE, lambda: self._occupy(host, connection).close()
        )
        if len(self._idle) > MAX_IDLE:
            oldest, its_host = next(iter(self._idle.items()))
            self._occupy(its_host, oldest).close()

    def returned(self, host: _Host, exchanges: list[Exchange]) -> None:
        """They go out once more, before those that wait. Some may be cancelled meanwhile."""
        for exchange in exchanges:
            if not exchange.over:
                self.submit(exchange, host.key)
        for exchange in reversed(exchanges):
            if exchange in host.waiting:
                host.waiting.move_to_end(exchange, last=False)

    def _next(self, host: _Host) -> Exchange:
        exchange, _ = host.waiting.popitem(last=False)
        return exchange

    def gone(self, host: _Host, connection: Connection, again: list[Exchange]) -> None:
        """A transport is closed. Exchanges it owes go out once more, on a new connection."""
        if connection in self._idle:
            self._occupy(host, connection)
        host.busy.discard(connection)
        host.unready.discard(connection)
        host.roomy.pop(connection, None)
        self._left(connection)
        if again:
            for idle in list(host.idle):
                # as old as the one that was lost, so as likely to be dead
                self._occupy(host, idle).close()
            self.returned(host, again)
        if not self._closed:
            self._connect_more(host)
        self._forget_unused(host)

    def _occupy(self, host: _Host, connection: Connection) -> Connection:
        """Take an idle connection into use, or out of it."""
        host.idle.remove(connection)
        host.busy.add(connection)
        del self._idle[connection]
        if connection.idle_deadline is not None:
            connection.idle_deadline.cancel()
            connection.idle_deadline = None
        return connection

    def _new_host(self, key: Key) -> _Host:
        depth = self._depths.pop(key, None) or Depth(self._depth if key.may_pipeline else 1)
        self._depths[key] = depth
        if len(self._depths) > REMEMBERED:
            self._depths.popitem(last=False)
        host = self._hosts[key] = _Host(self, key, depth)
        return host

    def _forget_unused(self, host: _Host) -> None:
        if host.unused and self._hosts.get(host.key) is host:
            del self._hosts[host.key]
        self._fire_closed()

    def _left(self, connection: Connection | None = None) -> None:
        """It is closed: tell those who waited for it and for no other."""
        for quiet, leaving in list(self._leaving.items()):
            leaving.discard(connection)
            if not leaving:
                del self._leaving[quiet]
                quiet.callback(None)

    def _fire_closed(self) -> None:
        if self._closed and not self._hosts:
            closing, self._closing = self._closing, []
            for closed in closing:
                closed.callback(None)
