"""A document of aria2.addMetalink is read beside the reactor, which answers others meanwhile."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from downloader.errors import RpcError
from downloader.sansio.aria2params import Params
from downloader.service.desk import Desk
from downloader.service.rpc.methods import Methods

DOCUMENT = b"""<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="m">
<url>http://127.0.0.1:1/m</url></file></metalink>"""


class Later:
    """A thread pool that has a thread when the test wants: `works` are what it was given. It is the
    reactor, too, which has it."""

    def __init__(self) -> None:
        self.works: list[Callable[[], None]] = []

    def getThreadPool(self) -> Later:
        return self

    def callFromThread(self, call: Callable[..., None], *arguments: Any) -> None:
        call(*arguments)

    def callInThreadWithCallback(self, tell: Any, work: Any, *arguments: Any) -> None:
        def run() -> None:
            try:
                result = work(*arguments)
            except RpcError as error:
                tell(False, Failure(error))
            else:
                tell(True, result)

        self.works.append(run)


def adding(s: Any, later: Later, document: bytes) -> Deferred[list[str]]:
    methods = Methods(later, s.queue, Desk([str(s.out)]), lambda: None)
    params = Params([base64.b64encode(document).decode(), {"pause": "true"}])
    return Deferred.fromCoroutine(methods.add_metalink(params))


async def test_it_is_read_in_a_thread(served: Any) -> None:
    s, later = await served(), Later()
    done = adding(s, later, DOCUMENT)
    assert not done.called and s.queue.waiting == []
    (work,) = later.works
    work()
    assert await done == [entry.gid for entry in s.queue.waiting]


async def test_what_is_no_document_is_told_from_there(served: Any) -> None:
    s, later = await served(), Later()
    done = adding(s, later, b"<a/>")
    later.works[0]()
    with pytest.raises(RpcError, match="no Metalink"):
        await done


async def test_who_goes_away_has_added_nothing(served: Any) -> None:
    """The thread ends by itself."""
    s, later = await served(), Later()
    done = adding(s, later, DOCUMENT)
    done.cancel()
    with pytest.raises(CancelledError):
        await done
    later.works[0]()
    assert s.queue.waiting == s.queue.active == []
