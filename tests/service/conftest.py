"""What the service's tests share; `served` is in tests/support."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import deferLater


@pytest.fixture
def until(reactor: Any) -> Callable[[Callable[[], Any]], Any]:
    """Wait until a condition holds; the test's own time limit ends a wait in vain."""

    async def wait(holds: Callable[[], Any]) -> None:
        while not holds():
            await deferLater(reactor, 0.01)

    return wait
