"""How long after `cancel()` a server sees the last of many connections end.

The server is another process: what counts is what it saw, not what we believe we did. Both read
the same clock, the system's monotonic one.
"""

from __future__ import annotations

import resource
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Child, ToolFailed
from benchmarks.results import Measured
from benchmarks.servers import Neighbour

# Descriptors that a process has beside its connections, with room to spare.
_BESIDE = 64


def cancel_all(requests: int, directory: Path, limit: float) -> Measured:
    """Ask for so many at once, cancel them all; `seconds` is from cancel to the last end."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < requests + _BESIDE:
        raise ToolFailed(f"a process may open {hard} files here, too few for {requests}")
    note = directory / "cancelled"
    module = "benchmarks.drivers.cancelled"
    with Neighbour("mute", requests) as mute:
        command = [sys.executable, "-m", module, str(mute.port), str(requests), str(note)]
        with Child(command, directory) as child:
            try:
                mute.line(limit, child)
            except ToolFailed as error:
                raise _reason(child, error) from None
            measured = child.finish(limit)
            ended = float(mute.line(limit))
    return replace(measured, seconds=ended - float(note.read_text()))


def _reason(child: Child, seen: ToolFailed) -> ToolFailed:
    """Why not all requests came: what the client says of itself, if it has ended."""
    try:
        child.finish(1)
    except ToolFailed as error:
        return error
    return seen
