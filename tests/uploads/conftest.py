"""What tests of uploads share: programs that send, and files to be sent."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from downloader import Downloader, Retries
from downloader.testing import content

ONCE = Retries(tries=1)


@pytest.fixture
def sender(reactor: Any) -> Generator[Callable[..., Downloader], None, None]:
    """Make a Downloader that tries once. When it is closed, nothing may be left of it."""
    made: list[Downloader] = []

    def make(**options: Any) -> Downloader:
        made.append(Downloader(reactor, **{"retries": ONCE, **options}))
        return made[-1]

    yield make
    for one in made:
        pytest_twisted.blockon(one.close())
        assert one.limiter.idle and not one.active()


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Write a file of `size` bytes, of this name, and return its path."""

    def write(size: int, name: str = "file") -> str:
        (tmp_path / name).write_bytes(b"".join(content(f"/{name}", size)))
        return str(tmp_path / name)

    return write
