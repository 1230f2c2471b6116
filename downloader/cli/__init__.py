"""The command `downloader`: a door on the list run for people and scripts."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command with the process's arguments, and exit."""
    try:
        from downloader.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while Python still loads
        code = 130
    sys.exit(code)
