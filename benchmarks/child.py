"""Run a command and print what it took: `child.py COMMAND...`, with `python -I -S`.

Linux counts the memory of whoever starts a program to that program's peak, so the one who starts
it has to be small: this file imports next to nothing, and stands at about 8 MB.

It prints wall seconds, CPU seconds (user and system), the peak in bytes, and the exit code, or
minus the signal's number. The command has our standard input and error; its output is dropped.
"""

import os
import sys
import time


def main() -> None:
    """Start it, wait for it, tell."""
    started = time.monotonic()
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - started
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(seconds, usage.ru_utime + usage.ru_stime, peak, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
