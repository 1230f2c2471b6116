"""A pytest plugin: how long after `cancel()` each server saw its connection end.

`pytest -v` shows the list at the end, slowest first.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

_SECONDS = pytest.StashKey[dict[str, float]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SECONDS] = {}


@pytest.fixture
def note_latency(request: pytest.FixtureRequest) -> Callable[[float], None]:
    """Note this test's latency, in seconds."""
    return lambda seconds: request.config.stash[_SECONDS].update({request.node.name: seconds})


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    slowest = sorted(config.stash[_SECONDS].items(), key=lambda pair: -pair[1])
    # The project's own -q makes this -1 unless a -v is given.
    if config.get_verbosity() < 0 or not slowest:
        return
    terminalreporter.section("from cancel() to the end that the server saw")
    for name, seconds in slowest:
        terminalreporter.write_line(f"{seconds * 1000:7.2f} ms  {name}")
