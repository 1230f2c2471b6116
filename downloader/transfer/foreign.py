"""Asking an agent that is not ours, so that it keeps the rules that ours keeps by itself.

Ours has deadlines, and a request of it that is cancelled is over. Any other may wait for ever, or
meet a cancel with an exception, an answer or more waiting; here that is not felt.
"""

from __future__ import annotations

from typing import Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from downloader.drain import abort_body
from downloader.errors import FirstByteTimeout

_log = Logger()


@implementer(IAgent)
class ForeignAgent:
    """Asks `agent`, and waits `timeout` seconds for the head of its answer."""

    def __init__(self, agent: IAgent, clock: IReactorTime, timeout: float) -> None:
        self._agent = agent
        self._clock = clock
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<ForeignAgent {self._agent!r}>"

    def request(self, *arguments: Any) -> Deferred[IResponse]:
        """Ask.

        **Fires with** the agent's answer. **Fails with** FirstByteTimeout, or as the agent.
        **Cancelling** it cancels the agent's own, and fails it at once with CancelledError
        whatever that does; an answer that comes all the same is aborted.
        """
        asked: Deferred[IResponse] = self._agent.request(*arguments)
        answer: Deferred[IResponse] = Deferred(lambda _: _cancel(asked, answer))
        asked.addBoth(_pass_on, answer)
        return answer.addTimeout(self._timeout, self._clock, _late)


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
        result.deliverBody(_Unwanted())


class _Unwanted(Protocol):
    """A body that nobody waits for any more."""

    def connectionMade(self) -> None:
        abort_body(self.transport)


def _late(result: object, timeout: float) -> NoReturn:
    raise FirstByteTimeout(f"{timeout:g} s")
