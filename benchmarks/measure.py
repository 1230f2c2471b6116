"""One run of one tool: what it took, or why it failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO

from benchmarks.results import Measured

ROOT = Path(__file__).parent.parent
_CHILD = Path(__file__).with_name("child.py")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class ToolFailed(Exception):
    """The tool did not do what was asked; the text says what was seen."""


class Child:
    """A command that runs, as a context: whatever happens, it is gone afterwards.

    `directory` is where it runs. `ca` is a PEM file that it may trust instead of the system's.
    """

    def __init__(self, command: Sequence[str], directory: Path, ca: Path | None = None) -> None:
        self._errors: IO[bytes] = TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_CHILD), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=directory,
            env=environment(ca),
            # A group of its own, so that the command ends with what started it.
            start_new_session=True,
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
        self._errors.close()

    def fileno(self) -> int:
        """For select: it is readable when the command has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def finish(self, limit: float) -> Measured:
        """End the command's input, wait at most `limit` seconds for its own end, and judge it."""
        try:
            printed, _ = self._process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise ToolFailed(f"not done after {limit:g} s") from None
        words = printed.split()
        if len(words) != 4:
            raise ToolFailed(f"could not be started{self._last_words()}")
        code = int(words[3])
        if code:
            raise ToolFailed(f"exit code {code}{self._last_words()}")
        return Measured(float(words[0]), float(words[1]), int(words[2]))

    def _last_words(self) -> str:
        """The last line of what it wrote to standard error, for a reason."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {last[:160]}" if last else ""


def environment(ca: Path | None = None) -> dict[str, str]:
    """Ours without proxies, since everything is on loopback. Python finds our modules, and keeps
    what it has compiled of them: pip leaves every tool so."""
    left_out = {*_PROXIES, "pythondontwritebytecode"}
    ours = {k: v for k, v in os.environ.items() if k.lower() not in left_out}
    paths = [str(ROOT), *filter(None, [ours.get("PYTHONPATH")])]
    trusted = {} if ca is None else {"SSL_CERT_FILE": str(ca)}
    return {**ours, **trusted, "PYTHONPATH": os.pathsep.join(paths)}
