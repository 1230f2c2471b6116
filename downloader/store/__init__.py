"""What survives a restart: which job became which file, and what came of it."""

from downloader.store.database import is_busy
from downloader.store.finished import Finished
from downloader.store.jobstore import JobStore
from downloader.store.queuestore import QueueRow, QueueStore

__all__ = ["Finished", "JobStore", "QueueRow", "QueueStore", "is_busy"]
