"""The exchanges of one connection: which request is being answered, and what an event means.

One exchange is one request and its answer. They are answered in the order they were sent
(RFC 9112 §9.3.2), so the queue's head is the one an arriving byte belongs to. This machine
keeps that order and the doubts; it holds no socket, and exchanges are opaque to it.

State of the head of the queue:

    IDLE     no exchange; any byte from the server is unsolicited
    SENT     request written, no byte of an answer yet
    HEAD     an answer has begun: a status line, or an informational answer (1xx)
    BODY     the final head is complete, the body is arriving
    CLOSED   nothing goes out any more

              sent        began       headed      ended        lost             cancelled
    IDLE      -> SENT     refuse      -           -            -> CLOSED        -
    SENT      -           -> HEAD     -           -            RESEND or NONE   abort
    HEAD      -           HEAD        -> BODY     -            HEAD             abort
    BODY      -           -           -           -> IDLE      BODY             abort

A connection that gave any doubt is not used again: after `ended`, `reusable` says so.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import Generic, TypeVar

from downloader.errors import BadResponse
from downloader.sansio.wire import MAX_INFORMATIONAL

ExchangeT = TypeVar("ExchangeT")

# Requests that may be under way at once on one connection.
DEPTH = 1


class State(Enum):
    """Where the exchange at the head of the queue stands."""

    IDLE = auto()
    SENT = auto()
    HEAD = auto()
    BODY = auto()
    CLOSED = auto()


class Fate(Enum):
    """What a lost connection means for one exchange."""

    RESEND = auto()
    """Not a byte came back on a connection that had served before: it had been closed meanwhile."""
    NO_ANSWER = auto()
    """Not a byte came back on a fresh connection."""
    PARTIAL_HEAD = auto()
    PARTIAL_BODY = auto()


class Pipeline(Generic[ExchangeT]):
    """The queue of one connection, oldest first."""

    __slots__ = ("_informational", "_persistent", "_queue", "answered", "state")

    def __init__(self) -> None:
        self.state = State.IDLE
        self.answered = 0
        self._queue: deque[ExchangeT] = deque()
        self._persistent = True
        self._informational = 0

    def __repr__(self) -> str:
        return f"<Pipeline {self.state.name} {len(self._queue)} queued, {self.answered} answered>"

    @property
    def current(self) -> ExchangeT | None:
        """The exchange that an arriving byte belongs to."""
        return self._queue[0] if self._queue else None

    @property
    def reusable(self) -> bool:
        """Whether a further request may be sent now."""
        return self._persistent and self.state is State.IDLE and len(self._queue) < DEPTH

    def sent(self, exchange: ExchangeT) -> None:
        """A request was written."""
        if not self.reusable:
            raise RuntimeError(f"{self!r} takes no request")
        self._queue.append(exchange)
        self.state = State.SENT
        self._informational = 0

    def began(self) -> None:
        """A message began. `BadResponse` when nobody had asked for it."""
        if self.state is State.SENT:
            self.state = State.HEAD
        elif self.state is not State.HEAD:
            self.doubt()
            raise BadResponse("bytes that nobody asked for")

    def informed(self) -> None:
        """An informational answer (1xx) was complete; the final one is still to come."""
        self._informational += 1
        if self._informational > MAX_INFORMATIONAL:
            raise BadResponse(f"over {MAX_INFORMATIONAL} informational answers")

    def headed(self, persistent: bool) -> None:
        """The final head is complete; `persistent` is what it says of the connection."""
        self.state = State.BODY
        self._persistent = self._persistent and persistent

    def ended(self) -> ExchangeT:
        """The answer is complete. Returns its exchange, which leaves the queue."""
        exchange = self._queue.popleft()
        self.answered += 1
        self.state = State.IDLE
        return exchange

    def doubt(self) -> None:
        """Something did not add up: no further request on this connection."""
        self._persistent = False

    def lost(self) -> list[tuple[ExchangeT, Fate]]:
        """The connection is gone. Returns what that means for each exchange, oldest first."""
        state, self.state = self.state, State.CLOSED
        self._persistent = False
        exchanges = list(self._queue)
        self._queue.clear()
        return [(exchange, self._fate(state)) for exchange in exchanges]

    def _fate(self, state: State) -> Fate:
        if state is State.BODY:
            return Fate.PARTIAL_BODY
        if state is State.HEAD:
            return Fate.PARTIAL_HEAD
        return Fate.RESEND if self.answered else Fate.NO_ANSWER
