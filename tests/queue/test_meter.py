"""How fast files come, short ones too."""

from __future__ import annotations

from typing import Any

from downloader import Limits
from downloader.testing import Origin


async def test_files_that_no_look_has_seen_count(kept: Any, origin: Origin) -> None:
    """Each is begun and ends between two looks."""
    k = kept(limits=Limits(total=4))
    await k.queue.start()
    rates: list[float] = []
    k.queue.meter.watchers.append(lambda: rates.append(k.queue.meter.rate))
    entries = await k.add(*(origin.add(f"/{n}", 100_000) for n in range(10)))
    await k.ended(*entries)
    assert not rates
    await k.until(lambda: rates)
    assert rates[0] > 100_000
    assert [entry.rate for entry in entries] == [0.0] * 10
    await k.until(lambda: len(rates) == 2)
    assert 0 < rates[1] < rates[0]


async def test_one_that_comes_slowly(kept: Any, origin: Origin) -> None:
    """Its own rate is that of all."""
    k = kept(limits=Limits(total=4, bytes_per_second=200_000))
    await k.queue.start()
    (entry,) = await k.add(origin.add("/a", 10_000_000))
    await k.until(lambda: entry.rate > 10_000)
    assert entry.rate <= k.queue.meter.rate * 1.01
    await k.queue.remove(entry)
    assert entry.rate == 0
