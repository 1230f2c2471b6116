"""Numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from downloader.jobs import Status
from downloader.queue import OVER, Entry, Queue
from downloader.service.answers import Answer
from downloader.service.routes import Asked
from downloader.service.shown import stats


class Metrics:
    """What `queue` has done since it was started, and how it stands."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._ended = dict.fromkeys(sorted(OVER), 0)
        self._bytes = 0
        self._registry = CollectorRegistry()
        self._registry.register(self)
        queue.watch(self._changed)

    def __repr__(self) -> str:
        return f"<Metrics of {self._queue!r}>"

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks for."""
        found = stats(self._queue)
        jobs = GaugeMetricFamily("downloader_jobs", "Jobs by status.", labels=["status"])
        for status, count in found["jobs"].items():
            jobs.add_metric([status], count)
        yield jobs
        ended = CounterMetricFamily(
            "downloader_jobs_ended", "Jobs that have ended, by how.", labels=["status"]
        )
        for kind, number in self._ended.items():
            ended.add_metric([str(kind)], number)
        yield ended
        yield CounterMetricFamily("downloader_bytes", "Bytes of complete files.", self._bytes)
        rate = "Bytes a second that come now."
        yield GaugeMetricFamily("downloader_rate_bytes_per_second", rate, self._queue.meter.rate)

    async def answer(self, asked: Asked) -> Answer:
        """The text that it reads."""
        return Answer(200, generate_latest(self._registry), CONTENT_TYPE_LATEST)

    def _changed(self, entry: Entry, before: Status) -> None:
        if entry.is_over and before is Status.ACTIVE:
            self._ended[entry.status] += 1
            if entry.status is Status.COMPLETE:
                self._bytes += entry.received
