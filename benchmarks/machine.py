"""Where a run takes place: what to say of the machine, and where there is room."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")
_GIB = 1024**3


def describe(work_dir: Path, nginx: str) -> dict[str, str]:
    """The machine in a few words; nothing that names it."""
    return {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "server": nginx,
        "files on": _file_system(work_dir),
    }


def choose_directory(needed: int) -> Path:
    """Shared memory when `needed` bytes have room there, else the folder for temporary files."""
    if _SHARED_MEMORY.is_dir() and _free_memory() > needed * 1.2:
        return _SHARED_MEMORY
    return Path(tempfile.gettempdir())


def missing(directory: Path, needed: int) -> str | None:
    """Why `needed` bytes do not fit there, or None when they do."""
    free = shutil.disk_usage(directory).free
    if free > needed:
        return None
    return (
        f"{directory} has {free / _GIB:.1f} GiB free and {needed / _GIB:.1f} are needed; "
        "choose another with --work-dir, fewer with --workload, or less with --scale"
    )


def _free_memory() -> int:
    """A tmpfs promises more than there may be: what counts is the memory it would be in."""
    free = shutil.disk_usage(_SHARED_MEMORY).free
    available = _first_line("/proc/meminfo", "MemAvailable")
    return min(free, int(available.split()[0]) * 1024) if available else free


def _processor() -> str:
    return _first_line("/proc/cpuinfo", "model name") or platform.machine()


def _first_line(file: str, key: str) -> str | None:
    """What a file of /proc says of `key`."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


def _file_system(directory: Path) -> str:
    """The type of the file system, by the longest mount point above the directory."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    fits = [(len(at), kind) for at, kind in mounts if directory.resolve().is_relative_to(at)]
    return max(fits)[1] if fits else "unknown"
