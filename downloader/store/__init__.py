"""What survives a restart: which job became which file, and what came of it."""

from downloader.store.finished import Finished
from downloader.store.jobstore import JobStore

__all__ = ["Finished", "JobStore"]
