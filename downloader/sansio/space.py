"""When there is space again on a disk that was full, and how often that is looked at."""

from __future__ import annotations

# Bytes that are enough to go on: with less, many jobs would meet a full disk at once again.
ENOUGH = 1024 * 1024
# A disk that is full again so many seconds after it had space is looked at half as often, and
# after so many seconds at most: what one may have is not always what is free (a quota).
RELAPSE = 60.0
LONGEST = 60.0


def has_space(free: int, files: int, free_files: int) -> bool:
    """Whether `free` bytes, and `free_files` of `files` in all, are enough. Some file systems count
    no files, and say that they have 0."""
    return free >= ENOUGH and (free_files > 0 or not files)


class Looks:
    """Seconds to `wait` before each look at a full disk: `every`, and more when looks deceive.

    `now` is in seconds.
    """

    def __init__(self, every: float) -> None:
        self.wait = self._every = every
        self._over: float | None = None

    def __repr__(self) -> str:
        return f"<Looks every {self.wait:g} s>"

    def full(self, now: float) -> None:
        """It is full."""
        if self._over is not None and now - self._over < RELAPSE:
            self.wait = min(2 * self.wait, max(self._every, LONGEST))
        else:
            self.wait = self._every

    def over(self, now: float) -> None:
        """There was space, as it looked."""
        self._over = now
