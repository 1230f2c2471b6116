"""The jobs of a list that were read but not started: a queue for each host, hosts in turn.

A list is read only as far as it takes to find a job that can start, so the window is nearly empty
as a rule. It fills up when the next lines are all of a host that is slow or dead, which is when
reading on is what keeps the other hosts busy; and it is bounded, so memory is.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from downloader.jobs import AnyJob, Job

ItemT = TypeVar("ItemT")

# What is read and not finished, in jobs of about 1,000 bytes each: so about 8 MB.
WINDOW = 8192
# Bytes of a digest: a sha-256 in hexadecimal digits, as Python keeps it.
_SUM = 112


def weight(job: AnyJob) -> int:
    """What `job` counts for: 1, and 1 more for each KiB of its URLs, headers and pieces' sums."""
    size = len(job.url)
    if job.mirrors or job.headers:
        size += sum(map(len, job.mirrors)) + sum(len(n) + len(v) for n, v in job.headers)
    if isinstance(job, Job) and job.pieces is not None:
        size += len(job.pieces.sums) * _SUM
    return 1 + (size >> 10)


class Window(Generic[ItemT]):
    """Jobs waiting, first in first out for each host."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, deque[ItemT]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"<Window {self._length} jobs of {len(self._hosts)} hosts>"

    def add(self, host: str, item: ItemT) -> None:
        """Queue `item` behind the others of its host."""
        queue = self._hosts.get(host)
        if queue is None:
            queue = self._hosts[host] = deque()
        queue.append(item)
        self._length += 1

    def take(self, ready: Callable[[str, ItemT], bool]) -> ItemT | None:
        """The next item of the first host that is `ready(host, item)`; the host is last in turn
        then."""
        for host, queue in self._hosts.items():
            if ready(host, queue[0]):
                item = queue.popleft()
                self._length -= 1
                if queue:
                    self._hosts.move_to_end(host)
                else:
                    del self._hosts[host]
                return item
        return None

    def clear(self) -> None:
        """Forget them all."""
        self._hosts.clear()
        self._length = 0
