"""What a check writes down: a JSON object for each file, and one with the summary at the end."""

from __future__ import annotations

import json
from typing import Any

from downloader.check.verify import Outcome
from downloader.listrun.outputs import OutputFile


class CheckReport:
    """Lines to `file`, in ASCII, in the order in which files were compared."""

    def __init__(self, file: OutputFile) -> None:
        self.file = file

    def add(self, outcome: Outcome) -> None:
        """Write what became of one file: `bytes` are those that it has, `checksum` is the one that
        it should have."""
        self._write(
            {
                "path": outcome.expected.path,
                "status": outcome.verdict.value,
                "bytes": outcome.length,
                "checksum": outcome.expected.checksum,
                "message": outcome.detail,
            }
        )

    def end(self, counts: dict[str, int], seconds: float, interrupted: bool) -> None:
        """Write the summary, and close the file."""
        summary = {**counts, "seconds": round(seconds, 6), "interrupted": interrupted}
        self._write({"summary": summary})
        self.file.close()

    def _write(self, fields: dict[str, Any]) -> None:
        self.file.write(json.dumps(fields, separators=(",", ":")) + "\n")
