"""The command on a disk that is full while a file is there: `full.py FILE ARGUMENTS...`."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from downloader.cli.app import run
from downloader.transfer.system import SYSTEM


def failing(call: Any, mark: str) -> Any:
    def called(*arguments: Any) -> Any:
        if os.path.exists(mark):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        return call(*arguments)

    return called


if __name__ == "__main__":
    for name in ("write", "pwrite"):
        setattr(SYSTEM, name, failing(getattr(SYSTEM, name), sys.argv[1]))
    sys.exit(run(sys.argv[2:]))
