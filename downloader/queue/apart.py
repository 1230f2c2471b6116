"""What is not left half done when nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from downloader.errors import NotNow, QueueError

T = TypeVar("T")
# Jobs that are told something at a time: some ten milliseconds.
PORTION = 250
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


async def each(verb: Callable[[T], Deferred[None]], items: Iterable[T]) -> None:
    """Do it to all, so many at a time; to one for which it is too late, nothing. Raises what the
    first other one failed with."""
    for portion in batched(items, PORTION):
        done: Any = await DeferredList([verb(item) for item in portion], consumeErrors=True)
        for fine, result in done:
            if not fine and not result.check(NotNow):
                result.raiseException()


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """`items`, so many at a time."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
