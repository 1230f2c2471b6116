"""Asking an agent that is not ours, so that it keeps the rules that ours keeps by itself.

Ours has deadlines, and a request of it that is cancelled is over. Any other may wait for ever, or
meet a cancel with an exception, an answer or more waiting; here that is not felt.
"""

from __future__ import annotations

from typing import Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.components import proxyForInterface
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from downloader.drain import abort_unread
from downloader.errors import FirstByteTimeout

_log = Logger()


@implementer(IAgent)
class ForeignAgent:
    """Asks `agent`, and waits `timeout` seconds for the head of its answer.

    A request with a body has that time to begin with it and, once that is out, for the head.
    """

    def __init__(self, agent: IAgent, clock: IReactorTime, timeout: float) -> None:
        self._agent = agent
        self._clock = clock
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<ForeignAgent {self._agent!r}>"

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Ask.

        **Fires with** the agent's answer. **Fails with** FirstByteTimeout, or as the agent.
        **Cancelling** it cancels the agent's own, and fails it at once with CancelledError
        whatever that does; an answer that comes all the same is aborted.
        """
        asked: Deferred[IResponse]
        if bodyProducer is None:
            asked = self._agent.request(method, uri, headers)
            answer: Deferred[IResponse] = Deferred(lambda _: _cancel(asked, answer))
            asked.addBoth(_pass_on, answer)
            return answer.addTimeout(self._timeout, self._clock, _late)
        body = _Timed(bodyProducer, self._clock, self._timeout)
        asked = self._agent.request(method, uri, headers, body)
        answer = Deferred(lambda _: _cancel(asked, answer))
        asked.addBoth(_pass_on, answer)
        return body.limit(answer)


class _Timed(proxyForInterface(IBodyProducer)):  # type: ignore[misc]
    """A body, and the time that may pass before it and behind it without an answer."""

    def __init__(self, original: IBodyProducer, clock: IReactorTime, seconds: float) -> None:
        super().__init__(original)
        self._clock = clock
        self._seconds = seconds
        self._call: Any = None
        self._late = False

    def limit(self, answer: Deferred[IResponse]) -> Deferred[IResponse]:
        """Cancel `answer` when it is late, which fails it with FirstByteTimeout then."""
        self._answer = answer
        self._begin(None)
        return answer.addBoth(self._over)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        self._end()
        done: Deferred[None] = super().startProducing(consumer)
        return done.addCallback(self._begin)

    def _begin(self, result: None) -> None:
        if not self._answer.called:
            self._call = self._clock.callLater(self._seconds, self._give_up)

    def _give_up(self) -> None:
        self._call = None
        self._late = True
        self._answer.cancel()

    def _end(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _over(self, result: Any) -> Any:
        self._end()
        return _late(result, self._seconds) if self._late else result


def _cancel(asked: Deferred[IResponse], answer: Deferred[IResponse]) -> None:
    answer.errback(CancelledError())  # first: the agent's canceller may answer
    try:
        asked.cancel()
    except Exception:
        _log.failure("an agent's canceller raised")


def _pass_on(result: Any, answer: Deferred[IResponse]) -> None:
    if not answer.called:
        answer.callback(result)
    elif IResponse.providedBy(result):
        abort_unread(result)


def _late(result: object, timeout: float) -> NoReturn:
    raise FirstByteTimeout(f"{timeout:g} s")
