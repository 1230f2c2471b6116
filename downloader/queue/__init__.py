"""Jobs that are taken on one by one, kept, and fetched in turn: what a service does all day."""

from downloader.queue.entry import OVER, Entry, Wanted
from downloader.queue.queue import Queue

__all__ = ["OVER", "Entry", "Queue", "Wanted"]
