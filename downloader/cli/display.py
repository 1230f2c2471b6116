"""Which display a run gets.

`Bars` is loaded only when it is wanted, because rich takes longer to import than a short run to
finish.
"""

from __future__ import annotations

import os
from typing import Any

from downloader.cli.live import Plain
from downloader.cli.messages import Display, Messages, Quiet


def choose_display(reactor: Any, progress: str, quiet: bool, verbose: int) -> Display:
    """The display for `--progress PROGRESS`, `-q` and `-v`."""
    if quiet:
        return Quiet()
    if progress == "auto":
        able = os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb"
        progress = "bar" if able else "plain"
    if progress == "bar":
        from downloader.cli.bars import Bars

        return Bars(reactor, verbose)
    return Plain(reactor, verbose) if progress == "plain" else Messages(verbose)
