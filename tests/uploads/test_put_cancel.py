"""Stopping an upload in each phase, and seeing how far it is."""

from __future__ import annotations

import os
from typing import Any

import pytest
from support.asking import OK, until
from support.putting import CONTINUE, CREATED, HUGE, take
from twisted.internet.defer import CancelledError

from downloader import PutJob
from downloader.errors import (
    Closed,
)
from downloader.testing import Connection, End


async def asked_about(connection: Connection) -> None:
    await connection.head()


async def half_sent(connection: Connection) -> None:
    await connection.head()
    connection.send(CONTINUE)
    await connection.take(1000)
    connection.stop_reading()


async def sent_whole(connection: Connection) -> None:
    await take(connection)


async def half_answered(connection: Connection) -> None:
    await take(connection)
    connection.send(CREATED[:-2])
    await connection.flush()


async def answered_early(connection: Connection) -> None:
    await half_sent(connection)
    connection.send(CREATED)
    await connection.flush()


async def answered_without_end(connection: Connection) -> None:
    await take(connection)
    connection.send(OK + b"Content-Length: 9\r\n\r\nhell")
    await connection.flush()


PHASES = [asked_about, half_sent, sent_whole, half_answered, answered_early, answered_without_end]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
@pytest.mark.parametrize("how", ["cancel", "close"])
async def test_a_cancel(
    scripted: Any, sender: Any, file: Any, ca: Any, reactor: Any, phase: Any, tls: bool, how: str
) -> None:
    """In each phase: the server sees a reset, the file is closed, nothing is left."""
    reached: list[Connection] = []

    async def script(connection: Connection) -> None:
        await phase(connection)
        reached.append(connection)

    server = scripted(script, tls=ca.server() if tls else None)
    sending = sender(trust_root=ca.trust_root)
    sent = file(HUGE)
    upload = sending.upload(PutJob(sent, server.url()))
    await until(reactor, lambda: reached)
    if how == "cancel":
        upload.cancel()
    else:
        sending.close()
    with pytest.raises(CancelledError):
        await upload
    assert sent not in open_files() and not sending.active()
    reached[0].resume_reading()
    assert await reached[0].ended() is End.RST


def open_files() -> set[str]:
    names = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return {os.readlink(name) for name in names if os.path.lexists(name)}


async def test_a_closed_program(sender: Any, file: Any) -> None:
    sending = sender()
    await sending.close()
    with pytest.raises(Closed):
        await sending.upload(PutJob(file(1), "http://127.0.0.1:9/"))
    with pytest.raises(Closed):
        await sending.upload_all([])


async def test_progress(scripted: Any, sender: Any, file: Any, reactor: Any) -> None:
    """Of a file under way: how much went out, and of how much."""
    server = scripted([half_sent])
    sending, sent = sender(), file(HUGE)
    upload = sending.upload(PutJob(sent, server.url()))
    await until(reactor, lambda: sending.active()[0].progress().received > 1000)
    (way,) = sending.active()
    seen = way.progress()
    assert (seen.path, seen.length, seen.status) == (sent, HUGE, "active")
    assert 1000 < seen.received < HUGE
    assert repr(way) == f"<Put {sent!r} active after 1 requests>"
    upload.cancel()
    with pytest.raises(CancelledError):
        await upload
