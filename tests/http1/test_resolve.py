"""Lookups in threads of their own: bounded, cancellable in the queue, and gone when done."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from support.asking import until
from support.resolving import HeldLookups, SilentResolver
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.interfaces import IHostResolution as Resolution
from zope.interface.verify import verifyObject

from downloader.errors import ResolveError
from downloader.http1.resolve import LOOKUPS, ThreadedResolver, look_up


class Receiver:
    """What a lookup tells; `began` is the lookup itself."""

    def __init__(self) -> None:
        self.began: Any = None
        self.addresses: list[Any] = []
        self.complete = 0

    def resolutionBegan(self, resolutionInProgress: Resolution) -> None:
        self.began = resolutionInProgress

    def addressResolved(self, address: Any) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.addresses.append(address)

    def resolutionComplete(self) -> None:
        self.complete += 1


def lookups() -> list[threading.Thread]:
    """The threads that look up now."""
    return [one for one in threading.enumerate() if one.name == "lookup"]


@pytest.fixture
def held() -> Any:
    """The system's call, held until released."""
    call = HeldLookups()
    yield call
    call.release()


async def test_localhost(reactor: Any) -> None:
    """Its addresses, with the port, in the reactor's thread; and no thread afterwards."""
    resolver = ThreadedResolver(reactor)
    assert verifyObject(IHostnameResolver, resolver)
    receiver = Receiver()
    lookup = resolver.resolveHostName(receiver, "localhost", 81)
    assert verifyObject(Resolution, lookup) and receiver.began is lookup
    assert lookup.name == "localhost"
    await until(reactor, lambda: receiver.complete)
    assert ("127.0.0.1", 81) in [(one.host, one.port) for one in receiver.addresses]
    await until(reactor, lambda: not lookups())


@pytest.mark.parametrize("name", ["does-not-exist.invalid", "x" * 300, "a..b", "a\0b"])
async def test_a_name_without_an_address(reactor: Any, name: str) -> None:
    """The lookup is complete and there is none; the thread survives odd names."""
    receiver = Receiver()
    ThreadedResolver(reactor).resolveHostName(receiver, name, 80)
    await until(reactor, lambda: receiver.complete)
    assert receiver.addresses == []


async def test_so_many_at_once(reactor: Any, held: Any) -> None:
    """The others wait, and all of them are told once."""
    resolver = ThreadedResolver(reactor, held)
    receivers = [Receiver() for _ in range(3 * LOOKUPS)]
    for number, receiver in enumerate(receivers):
        resolver.resolveHostName(receiver, f"h{number}.test", 80)
    await until(reactor, lambda: len(held.names) == LOOKUPS)
    assert len(lookups()) == LOOKUPS
    held.release()
    await until(reactor, lambda: all(one.complete for one in receivers))
    assert {one.complete for one in receivers} == {1}
    assert len(held.names) == 3 * LOOKUPS
    await until(reactor, lambda: not lookups())


async def test_a_cancelled_lookup_tells_nothing(reactor: Any, held: Any) -> None:
    """One that waited is not asked of the system at all."""
    resolver = ThreadedResolver(reactor, held)
    receivers = [Receiver() for _ in range(LOOKUPS + 2)]
    for number, receiver in enumerate(receivers):
        resolver.resolveHostName(receiver, f"h{number}.test", 80)
    await until(reactor, lambda: len(held.names) == LOOKUPS)
    receivers[0].began.cancel()
    receivers[LOOKUPS].began.cancel()
    held.release()
    await until(reactor, lambda: receivers[-1].complete and not lookups())
    told = [receiver.complete for receiver in receivers]
    assert told == [0] + [1] * (LOOKUPS - 1) + [0, 1]
    assert f"h{LOOKUPS}.test" not in held.names


async def test_no_more_threads(reactor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that cannot be made fails its lookup and takes no place from the next."""
    resolver = ThreadedResolver(reactor)

    def refuse(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(LOOKUPS + 1):
            with pytest.raises(RuntimeError):
                resolver.resolveHostName(Receiver(), "localhost", 80)
    receiver = Receiver()
    resolver.resolveHostName(receiver, "localhost", 80)
    await until(reactor, lambda: receiver.complete)
    assert receiver.addresses


async def test_the_addresses_of_a_name(reactor: Any) -> None:
    """Those of the wanted kind, at least one, whatever the resolver tells."""
    both = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 81, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 81)),
    ]
    resolver = ThreadedResolver(reactor, lambda *_, **__: both)
    for version, hosts in ((None, ["::1", "127.0.0.1"]), (4, ["127.0.0.1"]), (6, ["::1"])):
        found = await look_up(resolver, "h.test", 81, version)
        assert [(one.host, one.port) for one in found] == [(host, 81) for host in hosts]
    only_4 = ThreadedResolver(reactor, lambda *_, **__: both[1:])
    with pytest.raises(ResolveError, match=r"h\.test"):
        await look_up(only_4, "h.test", 81, 6)


async def test_nobody_wants_the_addresses(reactor: Any, held: Any) -> None:
    """The lookup is cancelled with the Deferred, and one that cannot be is let go on."""
    looking = look_up(ThreadedResolver(reactor, held), "a_b.test", 80)
    await until(reactor, lambda: held.names == ["a_b.test"])
    looking.cancel()
    with pytest.raises(CancelledError):
        await looking
    held.release()
    await until(reactor, lambda: not lookups())
    resolver = NoCancel()
    looking = look_up(resolver, "h.test", 80)
    looking.cancel()
    resolver.lookups[0].answer()
    with pytest.raises(CancelledError):
        await looking


class NoCancel(SilentResolver):
    """Of Twisted's kind, whose lookups say that they cannot be cancelled."""

    def resolveHostName(self, *arguments: Any) -> Any:
        lookup: Any = super().resolveHostName(*arguments)

        def cancel() -> None:
            raise NotImplementedError

        lookup.cancel = cancel
        return lookup
