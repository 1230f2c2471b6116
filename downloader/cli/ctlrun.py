"""What each verb of `ctl` asks of a service, and what it writes of the answers."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import click
from twisted.internet.defer import CancelledError, Deferred

from downloader.cli.ctlclient import Client
from downloader.cli.ctlfollow import Follow
from downloader.cli.ctllist import Part, Parts, portions
from downloader.cli.ctlshown import json_line, line_of, table, write
from downloader.cli.ctltoken import Token
from downloader.cli.ctlwatch import Watch
from downloader.cli.exits import ExitCode
from downloader.cli.logs import show_logs
from downloader.cli.messages import write_line
from downloader.cli.running import run_reactor
from downloader.errors import ListError, ServiceError
from downloader.listrun.readable import Readable
from downloader.listrun.source import opened
from downloader.listrun.unzip import STEP, Unzip

# Jobs that are asked about at a time.
PAGE = 1000
_PAGE = ("jobs",)
_ADDED = ("jobs", "refused")


def run(verb: str, options: dict[str, Any], token: Token) -> int:
    """Ask the service that `options` name for this verb, and show it `token`; the exit code."""
    from twisted.internet import reactor

    show_logs(write_line, options["verbose"])
    asking: list[Deferred[ExitCode]] = []

    def start() -> Deferred[ExitCode]:
        asking.append(Deferred.fromCoroutine(_ask(reactor, verb, options, token)))
        return asking[0]

    def stop() -> None:
        for one in asking:
            one.cancel()

    code, signal = run_reactor(reactor, start, stop)
    return code if signal is None else ExitCode.of_signal(signal)


async def _ask(reactor: Any, verb: str, options: dict[str, Any], token: Token) -> ExitCode:
    client = Client(reactor, options["url"], token.show, token.check)
    try:
        return await VERBS[verb](client, options)
    except ServiceError as error:
        write_line(f"downloader: {error}")
    except CancelledError:  # the signal says which code it is
        pass
    finally:
        await client.close()
    return ExitCode.FAILED


# --- adding ---------------------------------------------------------------------------------


async def _add(client: Client, options: dict[str, Any]) -> ExitCode:
    if options["input_file"] is not None:
        return await _add_list(client, options)
    names = ("dir", "out", "checksum", "paused", "priority")
    same = {name: options[name] for name in names if options[name] not in (None, False)}
    jobs = [{"urls": [url], **same} for url in options["urls"]]
    added = 0
    try:
        for portion in portions(jobs):
            _tell_added((await client.ask("POST", "/jobs", portion, _PAGE))["jobs"])
            added += len(portion)
    except ServiceError as error:
        if not added:
            raise
        raise ServiceError(f"{error}; the first {added} of {len(jobs)} were added") from error
    return ExitCode.OK


async def _add_list(client: Client, options: dict[str, Any]) -> ExitCode:
    """Each part is kept by the service before the next is read."""
    same = {name: options[name] for name in ("dir", "paused", "priority")}
    code = ExitCode.OK
    try:
        async with aclosing(_parts(client.reactor, options["input_file"])) as parts:
            async for part in parts:
                added = await _ask_for(client, part, same)
                _tell_added(added["jobs"])
                for bad in added["refused"]:
                    write_line(f"line {part.before + bad['line']}: {bad['message']}")
                    code = ExitCode.FAILED
    except (OSError, ListError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise click.UsageError(f"{options['input_file']}: {reason}") from error
    return code


async def _ask_for(client: Client, part: Part, same: dict[str, Any]) -> Any:
    try:
        return await client.ask("POST", "/jobs", {"list": part.text, **same}, _ADDED)
    except ServiceError as error:
        if not part.before:
            raise
        raise ServiceError(f"{error}; nothing is added from line {part.before + 1} on") from error


async def _parts(reactor: Any, name: str) -> AsyncGenerator[Part, None]:
    """Those of the list called `name`. Its writer may be slow: meanwhile the reactor runs."""
    fd, is_stream = opened(name)
    readable, unzip, parts = Readable(reactor, fd), Unzip(), Parts()
    try:
        while data := await readable.read() if is_stream else os.read(fd, STEP):
            for chunk in unzip.feed(data):
                for part in parts.feed(chunk):
                    yield part
        for chunk in unzip.end():
            for part in parts.feed(chunk):
                yield part
        for part in parts.end():
            yield part
    finally:
        readable.close()


def _tell_added(jobs: list[dict[str, Any]]) -> None:
    for job in jobs:
        write(line_of(job, "gid", "name"))


# --- looking --------------------------------------------------------------------------------


async def _list(client: Client, options: dict[str, Any]) -> ExitCode:
    jobs: list[dict[str, Any]] = []
    status = ",".join(options["status"])
    while True:
        asked = {"status": status, "limit": PAGE, "offset": len(jobs)}
        page = await client.ask("GET", "/jobs", None, _PAGE, **asked)
        jobs += page["jobs"]
        if not page["jobs"] or len(jobs) >= page.get("total", 0):
            break
    if options["as_json"]:
        for job in jobs:
            write(json_line(job))
    else:
        write(table(jobs, _columns()))
    return ExitCode.OK


async def _watch(client: Client, options: dict[str, Any]) -> ExitCode:
    watch = Watch(live=os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb")
    with watch:
        await Follow(client, watch.tell, _tell_lost).run()
    return ExitCode.OK


def _tell_lost(why: str) -> None:
    write_line(f"downloader: {why}; it is asked again until it is back")


# --- changing -------------------------------------------------------------------------------


async def _pause(client: Client, options: dict[str, Any]) -> ExitCode:
    return await _change(client, options, "paused")


async def _resume(client: Client, options: dict[str, Any]) -> ExitCode:
    return await _change(client, options, "waiting")


async def _change(client: Client, options: dict[str, Any], status: str) -> ExitCode:
    if options["all_jobs"]:
        await client.ask("PATCH", "/jobs", {"status": status})
        return ExitCode.OK
    return await _each(client, options["gids"], "PATCH", {"status": status})


async def _remove(client: Client, options: dict[str, Any]) -> ExitCode:
    if options["all_jobs"]:
        await client.ask("PATCH", "/jobs", {"status": "removed"})
        return ExitCode.OK
    return await _each(client, options["gids"], "DELETE")


async def _each(client: Client, gids: tuple[str, ...], method: str, body: Any = None) -> ExitCode:
    """Ask for each; one that fails keeps no other."""
    code = ExitCode.OK
    for gid in gids:
        try:
            await client.ask(method, f"/jobs/{checked_gid(gid)}", body)
        except ServiceError as error:
            write_line(f"downloader: {gid}: {error}")
            code = ExitCode.FAILED
    return code


def checked_gid(text: str) -> str:
    """What may be the beginning of a gid; ServiceError for what is none."""
    if not text.isascii() or not text.isalnum() or len(text) > 16:
        raise ServiceError("a gid has up to 16 hexadecimal digits")
    return text.lower()


async def _shutdown(client: Client, options: dict[str, Any]) -> ExitCode:
    await client.ask("POST", "/shutdown", {})
    return ExitCode.OK


VERBS = {
    "add": _add,
    "list": _list,
    "pause": _pause,
    "resume": _resume,
    "remove": _remove,
    "watch": _watch,
    "shutdown": _shutdown,
}


def _columns() -> int | None:
    """How wide the terminal is; None where there is none."""
    return os.get_terminal_size(1).columns if os.isatty(1) else None
