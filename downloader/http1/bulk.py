"""Reading a long body past the parser: from the socket into one large buffer, used again each time.

Twisted reads into a new bytes object of 64 KiB each time, and llhttp copies it once more. Where a
body's length is known there is nothing to parse until its end, so the transport's `doRead` is
replaced until then. Of plain TCP, no byte behind the body is taken.

TLS records are decrypted into the same buffer, as many as have come, and so handed over together.
What is in them behind the body is handed on at its end.

While much comes at a time over plain TCP, the kernel is told to wake us for no less than `MANY`
bytes (SO_RCVLOWAT), which spares two calls in three; when they do not come in time, for each byte
again.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from OpenSSL import SSL
from twisted.internet import tcp
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from downloader.deadlines import Deadline, Deadlines

# Large enough that the calls cost nothing beside the copying.
BUFFER = 1024 * 1024
MANY = 256 * 1024
# Seconds in which so much comes from a fast server: it is one from 1 MiB/s on.
SOON = 0.25


# What a TLS record holds at most (RFC 8446 §5.1).
RECORD = 16 * 1024

Take = Callable[[memoryview], None]
Ended = Callable[[bytes, bool], None]


def bulk_read(
    transport: Any, buffers: Buffers, deadlines: Deadlines, length: int, take: Take, ended: Ended
) -> BulkRead | None:
    """Read `length` bytes from `transport` in bulk, from now on; None where that cannot be done.

    Over TLS it is not to be begun while `transport` hands over what it has read.
    """
    if isinstance(transport, tcp.Connection) and not transport.TLS:
        return BulkRead(transport, buffers.plain, deadlines, length, take, ended)
    if isinstance(transport, TLSMemoryBIOProtocol) and isinstance(
        transport.transport, tcp.Connection
    ):
        return TlsBulkRead(transport, buffers, deadlines, length, take, ended)
    return None


class Buffers:
    """What is read into. One pair serves any number of connections, one call at a time."""

    def __init__(self) -> None:
        self.plain = memoryview(bytearray(BUFFER))
        self.encrypted = memoryview(bytearray(MANY))


class BulkRead:
    """Reads `length` bytes from `transport`; each piece goes to `take`, as a view of `buffer` that
    is good during the call. `ended(rest, over)` is called after the last one: `rest` are bytes
    behind the body that came along, and `over` tells that the server has ended the connection."""

    _waits_for_many = True

    def __init__(
        self,
        transport: Any,
        buffer: memoryview,
        deadlines: Deadlines,
        length: int,
        take: Take,
        ended: Ended,
    ) -> None:
        self._transport = transport
        self._buffer = buffer
        self._deadlines = deadlines
        self._left = length
        self._take = take
        self._ended = ended
        self._least = 1
        self._over = False
        self._patience: Deadline | None = None
        transport.doRead = self._do_read

    def __repr__(self) -> str:
        return f"<BulkRead {self._left} left, {self._least} at a time>"

    def stop(self) -> None:
        """Let the transport read by itself again."""
        self._transport.__dict__.pop("doRead", None)
        self._ask_for(1)
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _do_read(self) -> Failure | Exception | None:
        """As IReadDescriptor.doRead: None, or why the connection is over."""
        try:
            size = self._fill(min(self._left, BUFFER))
        except (BlockingIOError, InterruptedError, SSL.WantReadError):
            return None
        except SSL.Error as error:
            return error
        except OSError:
            return CONNECTION_LOST
        if not size:
            return CONNECTION_DONE
        self._left -= size
        if self._left:
            self._adapt(size)
        else:
            self.stop()
        self._take(self._buffer[:size])
        if not self._left:
            rest = self._rest()
            self._ended(rest, self._over)
        elif self._over:
            return CONNECTION_DONE
        return None

    def _fill(self, wanted: int) -> int:
        """Put up to `wanted` bytes of the body into the buffer; 0 at the connection's end."""
        return int(self._transport.socket.recv_into(self._buffer, wanted))

    def _rest(self) -> bytes:
        return b""

    def _adapt(self, size: int) -> None:
        """Ask for much at a time, as long as it comes soon."""
        if self._patience is not None:
            self._patience.postpone(SOON)
            if self._left < self._least:
                self._ask_for(self._left)
        elif self._waits_for_many and size >= MANY // 4 and self._left >= MANY:
            self._ask_for(MANY)
            self._patience = self._deadlines.set(SOON, self._be_patient)

    def _be_patient(self) -> None:
        self._patience = None
        self._ask_for(1)

    def _ask_for(self, least: int) -> None:
        if least != self._least:
            self._least = least
            # Not known on this system, or the socket is closed by now.
            with suppress(OSError, AttributeError):
                self._transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)


class TlsBulkRead(BulkRead):
    """The same through `tls`, whose records are decrypted here. That takes longer than a wake-up:
    who waits for more has less time for it."""

    _waits_for_many = False

    def __init__(
        self,
        tls: Any,
        buffers: Buffers,
        deadlines: Deadlines,
        length: int,
        take: Take,
        ended: Ended,
    ) -> None:
        self._connection: Any = tls.getHandle()
        self._encrypted = buffers.encrypted
        super().__init__(tls.transport, buffers.plain, deadlines, length, take, ended)

    def _fill(self, wanted: int) -> int:
        size = self._transport.socket.recv_into(self._encrypted)
        if not size:
            return 0
        self._connection.bio_write(self._encrypted[:size])
        filled = 0
        try:
            while filled < wanted:
                filled += self._connection.recv_into(self._buffer[filled:wanted], RECORD)
        except SSL.WantReadError:
            if not filled:
                raise
        except SSL.ZeroReturnError:
            self._over = True  # its close_notify; the server may wait for ours now
        return filled

    def _rest(self) -> bytes:
        rest = b""
        try:
            while True:
                rest += self._connection.recv(RECORD)
        except SSL.WantReadError:
            pass
        except SSL.Error:  # its close_notify, or what is no TLS at all
            self._over = True
        return rest
