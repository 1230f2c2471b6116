"""What is not left half done when nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.errors import QueueError

T = TypeVar("T")
_log = Logger()


def apart(doing: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Do it.

    **Fires with** and **fails with** what it comes to. **Cancelling** stops the waiting only; a
    failure that nobody hears of then is logged, unless it is a refusal.
    """
    waiting: Deferred[T] = Deferred(lambda _: None)

    def tell(result: Any) -> None:
        if not waiting.called:
            waiting.callback(result)
        elif isinstance(result, Failure) and not result.check(QueueError):
            _log.failure("what nobody waited for failed", result)

    Deferred.fromCoroutine(doing).addBoth(tell)
    return waiting
