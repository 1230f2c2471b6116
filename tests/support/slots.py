"""Slots asked for and given, on a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from downloader import Limits, Retries
from downloader.errors import DownloadError
from downloader.sansio.governor import Governor
from downloader.transfer.limiter import Limiter, Slot


def second(n: int) -> float:
    """A job's wait between two tries."""
    return 1.0


def limiter_of(
    total: int = 32,
    per_host: int | None = None,
    clock: Clock | None = None,
    rate: float | None = None,
    delay: float | None = None,
    retries: Retries = Retries(),  # noqa: B008  it is frozen
    wait: Callable[[int], float] = second,
) -> Limiter:
    clock = clock or Clock()
    limits = Limits(total, per_host, rate=rate, per_host_delay=delay)
    return Limiter(clock, Governor(limits, retries, wait, clock.seconds()))


def acquire(limiter: Limiter, host: str = "h") -> Deferred[Slot]:
    return Deferred.fromCoroutine(limiter.acquire(host))


def hold(limiter: Limiter, host: str, count: int) -> list[Slot]:
    return [slot_of(acquire(limiter, host)) for _ in range(count)]


def slot_of(job: Deferred[Slot]) -> Slot:
    assert isinstance(job.result, Slot)
    return job.result


def fail(job: Deferred[Slot] | Slot, error: DownloadError) -> None:
    """Its try failed in a way that may pass."""
    slot = job if isinstance(job, Slot) else slot_of(job)
    slot.failed(error)
    slot.release()


def cancel(job: Deferred[Any]) -> None:
    job.addErrback(lambda failure: failure.trap(CancelledError))
    job.cancel()


def started(jobs: list[Deferred[Slot]]) -> int:
    return sum(job.called for job in jobs)
