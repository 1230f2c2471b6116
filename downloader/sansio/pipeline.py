"""The exchanges of one connection: which request is being answered, and what an event means.

One exchange is one request and its answer. They are answered in the order they were sent
(RFC 9112 §9.3.2), so the queue's head is the one an arriving byte belongs to; those behind it
are sent and wait. This machine keeps that order and the doubts; it holds no socket, and exchanges
are opaque to it.

State of the head of the queue:

    IDLE     no exchange; any byte from the server is unsolicited
    SENT     request written, no byte of an answer yet
    HEAD     an answer has begun: a status line, or an informational answer (1xx)
    BODY     the final head is complete, the body is arriving
    CLOSED   nothing goes out any more

              sent        began       headed      ended            lost: head     lost: behind
    IDLE      -> SENT     refuse      -           -                -              -
    SENT      queue       -> HEAD     -           -                RESEND, NONE   RESEND
    HEAD      queue       HEAD        -> BODY     -                HEAD           RESEND
    BODY      queue       -           -           -> SENT or IDLE  BODY           RESEND

Cancelling the head means aborting the transport now. Cancelling one behind it means waiting until
those before it are answered: `cancel` marks it, and `ended` leads to a head for which `unwanted`
is true.

Nothing is queued behind a body that is long, or of unknown length, nor behind a request that was
sent as the last one; `open` tells. A connection that gave any doubt takes no further request.

A request is sent when its head is, and its body goes out meanwhile. Only the newest request can be
one that is not whole yet:

    WHOLE      nothing of it is missing; only now may another be sent
    EXPECTING  its body waits for the server's 100 (RFC 9110 §10.1.1), or for that to take too long
    BODY       its body is on its way out
    STOPPED    the rest will never be sent, so nothing more is sent here at all

              informed 100   headed, below 300   headed, 300 and up   cancelled, given up   out
    EXPECTING -> BODY        -> STOPPED          -> STOPPED           -> STOPPED            -
    BODY      BODY           BODY                -> STOPPED           -> STOPPED            -> WHOLE

Where the row says "headed" it is about the request's own answer, so it is the only one that is
left. An answer that is complete while its request is not is `early`: on a connection that is to
serve others it ends with its request.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import Generic, TypeVar

from downloader.errors import BadResponse
from downloader.sansio.wire import MAX_INFORMATIONAL

ExchangeT = TypeVar("ExchangeT")

# A body longer than this holds up what is queued behind it: 20 ms at 100 Mbit/s. It is also what a
# connection's queue may bring together.
BIG = 256 * 1024
# How far an answer's length moves the mean.
_WEIGHT = 1 / 8


class Depth:
    """How many requests may be under way on one connection to an origin: `now`.

    One, until the origin has answered once in a way that shows where an answer ends and that the
    connection goes on. Then as many as bring about `BIG` bytes, by the mean of what came lately,
    and `most` at most. Half as many when an answer kept others waiting, and one for ever after
    the first doubt.
    """

    __slots__ = ("_earned", "_mean", "most", "now")

    def __init__(self, most: int) -> None:
        self.most = most
        self.now = 1
        self._earned = float(most)
        self._mean = -1.0

    def __repr__(self) -> str:
        return f"<Depth {self.now} of {self.most}>"

    def answered(self, length: int) -> None:
        """A persistent HTTP/1.1 answer of `length` bytes came whole."""
        if length == self._mean and self._earned >= self.most:
            return
        if self._mean < 0:
            self._mean = length
        else:
            self._mean += (length - self._mean) * _WEIGHT
        if self._earned < self.most:
            self._earned += _WEIGHT
        self.now = max(1, min(int(self._earned), int(BIG / (self._mean + 1))))

    def slowed(self) -> None:
        """An answer did not come for a while."""
        self._earned = max(1.0, self.now / 2)
        self.now = int(self._earned)

    def doubt(self) -> None:
        """Something did not add up."""
        self.most = self.now = 1
        self._earned = 1.0


class State(Enum):
    """Where the exchange at the head of the queue stands."""

    IDLE = auto()
    SENT = auto()
    HEAD = auto()
    BODY = auto()
    CLOSED = auto()


class Sending(Enum):
    """How much of the newest request is out."""

    WHOLE = auto()
    EXPECTING = auto()
    BODY = auto()
    STOPPED = auto()


class Fate(Enum):
    """What a lost connection means for one exchange."""

    RESEND = auto()
    """Its answer had not begun, on a connection that had served others: it may be sent again."""
    NO_ANSWER = auto()
    """Not a byte came back on a fresh connection."""
    PARTIAL_HEAD = auto()
    PARTIAL_BODY = auto()


class Pipeline(Generic[ExchangeT]):
    """The queue of one connection, oldest first.

    `persistent` says whether the connection may outlive the exchanges it has, `pipelined` whether
    several were under way on it at a time, and none was given up: what comes when all have ended
    is then one answer too many.
    """

    __slots__ = (
        *("_informational", "_queue", "_taking", "_unwanted"),
        *("answered", "persistent", "pipelined", "sending", "state"),
    )

    def __init__(self) -> None:
        self.state = State.IDLE
        self.sending = Sending.WHOLE
        self.answered = 0
        self._queue: deque[ExchangeT] = deque()
        self._unwanted: set[ExchangeT] = set()
        self.persistent = True
        self.pipelined = False
        self._taking = True
        self._informational = 0

    def __repr__(self) -> str:
        return f"<Pipeline {self.state.name} {len(self._queue)} queued, {self.answered} answered>"

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def current(self) -> ExchangeT | None:
        """The exchange that an arriving byte belongs to."""
        return self._queue[0] if self._queue else None

    @property
    def open(self) -> bool:
        """Whether a further request may be sent now, behind those that are under way."""
        return self.persistent and self._taking and self.sending is Sending.WHOLE

    @property
    def early(self) -> bool:
        """Whether the answer that comes now may not end before its request is out."""
        return self.persistent and self._is_newest and self.sending is Sending.BODY

    @property
    def _is_newest(self) -> bool:
        return len(self._queue) == 1

    @property
    def has_unwanted(self) -> bool:
        """Whether any was cancelled while it waited for others."""
        return bool(self._unwanted)

    @property
    def unwanted(self) -> bool:
        """Whether the head of the queue was cancelled while it waited for those before it."""
        return bool(self._unwanted and self._queue) and self._queue[0] in self._unwanted

    def sent(
        self, exchange: ExchangeT, last: bool = False, sending: Sending = Sending.WHOLE
    ) -> None:
        """A request was written; after one that is the `last`, none until it is answered.

        `sending` says whether its body is still to come.
        """
        if not self.open:
            raise RuntimeError(f"{self!r} takes no request")
        self.sending = sending
        if not self._queue:
            self.state = State.SENT
            self._informational = 0
        else:
            self.pipelined = True
        self._queue.append(exchange)
        self._taking = not last

    def began(self) -> ExchangeT:
        """A message began. Returns its exchange; `BadResponse` when nobody had asked for it."""
        if self.state is State.SENT:
            self.state = State.HEAD
        elif self.state is not State.HEAD:
            self.doubt()
            raise BadResponse("bytes that nobody asked for")
        return self._queue[0]

    def body_began(self) -> None:
        """The body was waited for long enough."""
        if self.sending is Sending.EXPECTING:
            self.sending = Sending.BODY

    def body_sent(self) -> None:
        """The newest request is out."""
        if self.sending is Sending.BODY:
            self.sending = Sending.WHOLE

    def _stop(self) -> None:
        """What is missing of the newest request is not sent any more."""
        if self.sending is not Sending.WHOLE:
            self.sending = Sending.STOPPED
            self.persistent = False

    def informed(self, status: int = 103) -> None:
        """An informational answer (1xx) was complete; the final one is still to come."""
        if status == 100 and self._is_newest:
            self.body_began()
        self._informational += 1
        if self._informational > MAX_INFORMATIONAL:
            raise BadResponse(f"over {MAX_INFORMATIONAL} informational answers")

    def headed(self, persistent: bool, length: int | None, status: int = 200) -> ExchangeT:
        """The final head is complete; `persistent` is what it says of the connection. Returns the
        exchange that it is for."""
        self.state = State.BODY
        if self._is_newest and (status >= 300 or self.sending is Sending.EXPECTING):
            self._stop()
        if not persistent:
            self.persistent = False
        if length is None or length > BIG:
            self._taking = False
        return self._queue[0]

    def ended(self) -> ExchangeT:
        """The answer is complete. Returns its exchange, which leaves the queue."""
        if self._is_newest:
            self._stop()
        exchange = self._queue.popleft()
        self.answered += 1
        self._informational = 0
        if self._queue:
            self.state = State.SENT
        else:
            self.state = State.IDLE
            self._taking = True
        return exchange

    def doubt(self) -> None:
        """Something did not add up: no further request on this connection."""
        self.persistent = False

    def cancel(self, exchange: ExchangeT) -> bool:
        """Nobody wants this answer any more. True for the head: then the transport is to go."""
        if self._queue and self._queue[-1] is exchange:
            self._stop()
        if self._queue and self._queue[0] is exchange:
            return True
        self._unwanted.add(exchange)
        return False

    def give_up_rest(self) -> list[tuple[ExchangeT, Fate]]:
        """Those behind the head will not be waited for here, and the connection ends with it."""
        self.persistent = self.pipelined = False
        if not self._is_newest:
            self._stop()
        rest = [self._queue.pop() for _ in range(len(self._queue) - 1)]
        return [(exchange, Fate.RESEND) for exchange in reversed(rest) if self._wanted(exchange)]

    def lost(self) -> list[tuple[ExchangeT, Fate]]:
        """The connection is gone. Returns what that means for each exchange, oldest first."""
        state, self.state = self.state, State.CLOSED
        self.persistent = False
        exchanges, self._queue = self._queue, deque()
        self.pipelined &= not exchanges
        fates = [self._fate(state), *[Fate.RESEND] * len(exchanges)]
        found = zip(exchanges, fates, strict=False)
        return [(exchange, fate) for exchange, fate in found if self._wanted(exchange)]

    def _wanted(self, exchange: ExchangeT) -> bool:
        return exchange not in self._unwanted

    def _fate(self, state: State) -> Fate:
        if state is State.BODY:
            return Fate.PARTIAL_BODY
        if state is State.HEAD:
            return Fate.PARTIAL_HEAD
        return Fate.RESEND if self.answered else Fate.NO_ANSWER
