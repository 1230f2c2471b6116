"""A queue's store on a disk that hangs."""

from __future__ import annotations

import threading
from typing import Any

from downloader.store import QueueStore


class HeldStore(QueueStore):
    """What is kept from `hold` on is kept when `release` is set, and not before."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.release = threading.Event()

    def hold(self) -> None:
        """Hang, as a disk does: in the database's thread."""
        self._database.run(lambda cursor: self.release.wait(60))
