"""Who keeps from one run to the next what became of its jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from downloader.errors import DownloadError
from downloader.jobs import AnyJob, Job


class Recorder(Protocol):
    """Is told, before it happens, which files a run will make. No call fails."""

    def plan(self, jobs: Sequence[tuple[AnyJob, str]]) -> Deferred[None]:
        """These jobs will have these paths, below their directories; nothing has them by now.

        **Fires with** None when it is kept; then they are begun. **Cancelling** is not done.
        """

    def intend(self, job: Job, path: str, inode: int, size: int) -> Deferred[None]:
        """The whole file with this inode number will get its name now.

        **Fires with** None when it is kept; then it does. **Cancelling** stops the waiting only.
        """

    def troubled(self, job: Job, error: DownloadError) -> None:
        """A try of this job failed, which may have further ones."""
