"""How many files and connections this process may have open."""

from __future__ import annotations

import resource
from contextlib import suppress


def allow_descriptors() -> None:
    """Let this process open as many files and connections as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS has a lower limit of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
