"""What the service's tests share; `served` is in tests/support."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.calling import Rpc
from twisted.internet.task import deferLater


@pytest.fixture
def rpc(served: Callable[..., Any]) -> Callable[..., Any]:
    """Start a service, to be asked as aria2 is: `await rpc(limits=...)`."""

    async def start(**options: Any) -> Rpc:
        return Rpc(await served(**options))

    return start


@pytest.fixture
def until(reactor: Any) -> Callable[[Callable[[], Any]], Any]:
    """Wait until a condition holds; the test's own time limit ends a wait in vain."""

    async def wait(holds: Callable[[], Any]) -> None:
        while not holds():
            await deferLater(reactor, 0.01)

    return wait
