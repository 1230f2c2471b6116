"""What counts as space, and how often a full disk is looked at."""

from __future__ import annotations

import pytest

from downloader.sansio.space import ENOUGH, LONGEST, RELAPSE, Looks, has_space


@pytest.mark.parametrize(
    ("free", "files", "free_files", "enough"),
    [
        (0, 100, 50, False),
        (ENOUGH - 1, 100, 50, False),
        (ENOUGH, 100, 50, True),
        (1 << 60, 100, 0, False),
        (1 << 60, 0, 0, True),
    ],
    ids=["none", "little", "enough", "no inodes", "inodes are not counted"],
)
def test_what_counts_as_space(free: int, files: int, free_files: int, enough: bool) -> None:
    assert has_space(free, files, free_files) is enough


def test_looks_that_deceive_become_rare() -> None:
    """Each that is followed by a full disk doubles the wait, up to a bound."""
    looks, now, waits = Looks(3.0), 0.0, []
    for _ in range(8):
        looks.full(now)
        waits.append(looks.wait)
        now += looks.wait
        looks.over(now)
    assert waits == [3, 6, 12, 24, 48, LONGEST, LONGEST, LONGEST]


def test_a_disk_that_fills_up_much_later_is_looked_at_soon() -> None:
    looks = Looks(3.0)
    looks.full(0)
    looks.over(3)
    looks.full(4)
    looks.over(10)
    looks.full(10 + RELAPSE)
    assert looks.wait == 3.0
