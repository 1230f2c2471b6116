"""`downloader ctl` over a real service, as a user meets it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from twisted.internet.endpoints import UNIXServerEndpoint

from downloader.cli.app import commands
from downloader.cli.ctl import ctl
from downloader.testing import End, Origin, head

OUR_TOKEN = {"DOWNLOADER_TOKEN": "t0ken" * 8}


class Ctl:
    """A service, and `ctl` asking it with its token file."""

    def __init__(self, served: Any, start: Any) -> None:
        self.served = served
        self._start = start

    def start(self, verb: str, *arguments: object, **more: Any) -> Any:
        file = self.served.state / "token"
        url = f"http://127.0.0.1:{self.served.port}"
        return self._start("ctl", verb, "--url", url, "--token-file", file, *arguments, **more)

    async def __call__(self, verb: str, *arguments: object) -> list[str]:
        """The lines that it writes, when all is well."""
        command = self.start(verb, *arguments)
        assert await command.ended == 0, command.err
        assert command.err == b""
        lines: list[str] = command.out.decode().splitlines()
        return lines

    async def said(self, verb: str, *arguments: object, code: int = 1) -> str:
        """What it says, when it is not."""
        command = self.start(verb, *arguments)
        assert await command.ended == code
        assert command.out == b""
        text: str = command.err.decode()
        assert text.count("\n") == 1 and "Traceback" not in text
        return text.removeprefix("downloader: ").rstrip("\n")


@pytest.fixture
def with_service(served: Any, start: Any) -> Callable[[], Any]:
    """Start both: `await with_service()`."""

    async def make() -> Ctl:
        return Ctl(await served(), start)

    return make


def test_every_option_is_explained() -> None:
    """In a section; nothing is hidden, and no option takes the token itself."""
    assert set(ctl.commands) == {"add", "list", "pause", "resume", "remove", "watch", "shutdown"}
    for name, command in ctl.commands.items():
        text = CliRunner().invoke(commands, ["ctl", name, "--help"]).output
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help and not param.hidden and getattr(param, "section", None)
                assert all(one in text for one in param.opts)
                assert "--token" not in param.opts


async def test_add_a_url(with_service: Any, origin: Origin) -> None:
    """It is fetched, under the name that was asked for."""
    do = await with_service()
    (line,) = await do("add", origin.add("/a", 10), "-d", "sub", "-o", "b")
    gid, name = line.split()
    assert re.fullmatch("[0-9a-f]{16}", gid) and name == "b"
    await do.served.until(lambda: do.served.queue.over)
    assert (do.served.out / "sub" / "b").stat().st_size == 10


async def test_add_several_and_list_them(with_service: Any, origin: Origin) -> None:
    """In their order; by status; as JSON."""
    do = await with_service()
    added = await do("add", origin.add("/a", 10), origin.url("/b"), "--paused", "--priority", "3")
    assert [line.split()[1] for line in added] == ["a", "b"]
    gids = [line.split()[0] for line in added]
    assert await do("resume", gids[0][:8]) == []
    await do.served.until(lambda: do.served.queue.over)
    shown = await do("list")
    assert shown[0].split() == ["GID", "STATUS", "PROGRESS", "RATE", "NAME"]
    assert [line.split()[:2] for line in shown[1:]] == [[gids[1], "paused"], [gids[0], "complete"]]
    assert "100% of 10 B" in shown[2]
    assert len(await do("list", "--status", "paused")) == 2
    (line,) = await do("list", "--status", "complete", "--status", "error", "--json")
    job = json.loads(line)
    assert (job["gid"], job["priority"], job["received"]) == (gids[0], 3, 10)


async def test_add_a_list(with_service: Any, origin: Origin, tmp_path: Path) -> None:
    """Of a file or of standard input; a line that makes no job is told with its number."""
    do = await with_service()
    text = f"{origin.url('/a')}\n  out=x\n# comment\nftp://no\n{origin.url('/b')}"
    (tmp_path / "list").write_text(text)
    command = do.start("add", "-i", "list", "--paused", "--priority", "7")
    assert await command.ended == 1
    assert [line.split()[1] for line in command.out.decode().splitlines()] == ["x", "b"]
    (line,) = command.said
    assert line.startswith("line 4: ")
    assert [entry.priority for entry in do.served.queue.waiting] == [7, 7]
    command = do.start("add", "-i", "-", "--paused")
    command.write(origin.url("/c").encode())
    command.end_input()
    assert await command.ended == 0
    assert len(do.served.queue.waiting) == 3


async def takes_lists(connection: Any) -> None:
    """Answers one request, and ends the connection as it would one that is idle."""
    request = (await connection.head()).lower()
    await connection.take(int(request.partition(b"content-length: ")[2].split()[0]))
    body = b'{"jobs": [], "refused": []}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    connection.send(head.encode() + b"\r\n\r\n" + body)
    connection.transport.loseWriteConnection()


async def test_add_a_list_that_comes_slowly(start: Any, scripted: Any, until: Any) -> None:
    """The connection ends meanwhile, and what comes then goes over another."""
    server = scripted(takes_lists)
    command = start("ctl", "add", "--url", server.url(""), "-i", "-", env=OUR_TOKEN)
    command.write(b"http://a/\n" * 1001)
    await until(lambda: server.connections and server.connections[0].end)
    command.end_input()
    assert await command.ended == 0, command.err
    assert len(server.connections) == 2


async def test_ctrl_c_while_a_list_is_awaited(start: Any, scripted: Any, until: Any) -> None:
    server = scripted(takes_lists)
    command = start("ctl", "add", "--url", server.url(""), "-i", "-", env=OUR_TOKEN)
    command.write(b"http://a/\n" * 1001)
    await until(lambda: server.connections and server.connections[0].end)
    command.signal("INT")
    assert await command.ended == 130
    assert command.err == b""


async def test_add_more_than_a_request_takes(with_service: Any) -> None:
    """In portions; where a later one is refused, those before are told."""
    do = await with_service()
    urls = [f"http://a/{n}" for n in range(1200)]
    assert len(await do("add", "--paused", *urls)) == 1200
    names = [entry.job.url for entry in do.served.queue.waiting]
    assert names == urls
    command = do.start("add", "--paused", *urls[:1100], "ftp://no/")
    assert await command.ended == 1
    assert len(command.out.splitlines()) == 1000
    (line,) = command.said
    assert line.endswith("; the first 1000 of 1101 were added")
    assert len(do.served.queue.waiting) == 2200


async def test_pause_and_remove(with_service: Any, origin: Origin, until: Any) -> None:
    """They end when the connections are closed."""
    do = await with_service()
    await do("add", origin.add("/done", 1))
    await until(lambda: do.served.queue.over)
    (done,) = do.served.queue.over
    await do("add", origin.add_silent("/a"), origin.add_silent("/b"))
    await until(lambda: origin.silent == 2)
    gids = [entry.gid for entry in do.served.queue.active]
    await do("pause", gids[0])
    await until(lambda: origin.silent_ends == {End.RST: 1})
    await do("pause", "--all")
    assert [entry.status for entry in do.served.queue.waiting] == ["paused", "paused"]
    await do("resume", "--all")
    await until(lambda: origin.silent == 2)
    await do("remove", "--all")
    over = [str(entry.status) for entry in do.served.queue.over]
    assert over == ["complete", "removed", "removed"]
    await do("remove", *gids)
    assert do.served.queue.over == [done]


async def test_a_gid_that_is_none(with_service: Any, origin: Origin) -> None:
    """Keeps no other from being done."""
    do = await with_service()
    (line,) = await do("add", origin.url("/a"), "--paused")
    gid = line.split()[0]
    for wrong, sentence in (
        ("f" * 16, f"{'f' * 16}: There is no such job: {'f' * 16}"),
        ("../limits", "../limits: a gid has up to 16 hexadecimal digits"),
    ):
        assert await do.said("remove", wrong) == sentence
    command = do.start("remove", "f" * 16, gid)
    assert await command.ended == 1
    assert do.served.queue.waiting == do.served.queue.over == []


async def test_what_the_service_refuses_is_told(with_service: Any) -> None:
    do = await with_service()
    for arguments, sentence in (
        (["http://a/", "-d", "/etc"], "No file may be written under this name: the directory is"),
        (["ftp://a/"], "This is not a URL that can be asked for"),
        (["http://a/", "-o", "../b"], "No file may be written under this name"),
    ):
        assert (await do.said("add", *arguments)).startswith(sentence)
    assert do.served.queue.waiting == []


async def test_shutdown(with_service: Any) -> None:
    do = await with_service()
    assert await do("shutdown") == []
    await do.served.until(lambda: do.served.stops)


async def test_watch(with_service: Any, origin: Origin, until: Any) -> None:
    """A line for each change, until Ctrl-C."""
    do = await with_service()
    command = do.start("watch")
    await until(lambda: do.served.service._events._readers)
    (line,) = await do("add", origin.add("/a", 10))
    gid = line.split()[0]
    await until(lambda: b"complete" in command.out)
    assert command.out.decode().splitlines()[-1] == f"complete {gid} a"
    await do("remove", gid)
    await until(lambda: f"forgotten {gid}".encode() in command.out)
    command.signal("INT")
    assert await command.ended == 130
    assert command.err == b""


async def test_watch_on_a_terminal(with_service: Any, origin: Origin, until: Any) -> None:
    """Those that run are shown below, with how far they are."""
    do = await with_service()
    master, slave = os.openpty()
    os.set_blocking(master, False)
    shown = b""

    def seen(text: str) -> bool:
        nonlocal shown
        try:
            shown += os.read(master, 65536)
        except BlockingIOError:
            pass
        return text.encode() in shown

    command = do.start("watch", fds={0: "w", 1: slave, 2: "r"}, env={"TERM": "xterm"})
    os.close(slave)
    await until(lambda: seen("no jobs, 0 B/s"))
    await do("add", origin.add_silent("/silent"))
    await until(lambda: seen("active "))
    await until(lambda: seen("1 active, 0 B/s"))
    command.signal("INT")
    assert await command.ended == 130
    os.close(master)
    assert command.err == b""


async def test_watch_goes_on_when_the_service_is_back(
    with_service: Any, origin: Origin, until: Any
) -> None:
    """An outage is told once, and what happens after it is shown."""
    do = await with_service()
    command = do.start("watch")
    await until(lambda: do.served.service._events and do.served.service._events._readers)
    port = do.served.port
    await do.served.close()
    await until(lambda: command.err)
    await do.served.start_at(port)
    await until(lambda: do.served.service._events._readers)
    await do("add", origin.add("/a", 10))
    await until(lambda: b"complete" in command.out)
    command.signal("INT")
    assert await command.ended == 130
    (line,) = command.said
    assert line.startswith("downloader: ") and line.endswith("; it is asked again until it is back")


def events(connection: Any, text: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    connection.send(head + text.encode())


async def test_watch_asks_again_as_the_service_says(start: Any, scripted: Any) -> None:
    """After as long as it says, from the last event on; a token that is refused ends it."""

    async def script(connection: Any) -> None:
        await connection.head()
        if connection.number == 0:
            events(connection, 'retry: 1\n\nid: a-1\nevent: gone\ndata: {"gid": "g"}\n\n')
            connection.close()
        elif connection.number < 3:
            connection.send(b"HTTP/1.1 503 Wait\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        else:
            connection.send(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    server = scripted(script)
    command = start("ctl", "watch", "--url", server.url(""), env=OUR_TOKEN)
    assert await command.ended == 1
    assert command.out == b"forgotten g\n"
    lost, refused = command.said
    assert lost == (
        "downloader: the service ended the connection; it is asked again until it is back"
    )
    assert refused.endswith("the token is not the service's; see --token-file")
    asked = [connection.heads[0].lower() for connection in server.connections]
    assert [b"last-event-id: a-1" in head for head in asked] == [False, *[True] * 3]


async def test_over_a_socket(with_service: Any, reactor: Any, start: Any, tmp_path: Path) -> None:
    do = await with_service()
    path = str(tmp_path / "d.sock")
    port = await UNIXServerEndpoint(reactor, path).listen(do.served.service._site)
    where = ("--url", f"unix:{path}", "--token-file", do.served.state / "token")
    command = start("ctl", "list", *where)
    assert await command.ended == 0, command.err
    await port.stopListening()
    command = start("ctl", "list", "--url", f"unix:{path}", env=OUR_TOKEN)
    assert await command.ended == 1
    assert command.said == [f"downloader: unix:{path}: no service listens there"]


# --- what keeps it from asking --------------------------------------------------------------


async def test_nobody_listens(start: Any, tmp_path: Path) -> None:
    command = start("ctl", "list", "--url", "http://127.0.0.1:9", env=OUR_TOKEN)
    assert await command.ended == 1
    assert command.said == ["downloader: http://127.0.0.1:9/: no service listens there"]


async def test_a_wrong_token(with_service: Any, start: Any) -> None:
    do = await with_service()
    url = f"http://127.0.0.1:{do.served.port}"
    command = start("ctl", "list", "--url", url, env=OUR_TOKEN)
    assert await command.ended == 1
    assert command.said == [f"downloader: {url}/: the token is not the service's; see --token-file"]
    command = start("ctl", "list", "--url", url, env={"DOWNLOADER_TOKEN": do.served.token})
    assert await command.ended == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{x",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_another_server(start: Any, scripted: Any, answer: bytes) -> None:
    """Or a service of another version."""
    server = scripted([head, answer])
    command = start("ctl", "list", "--url", server.url(""), env=OUR_TOKEN)
    assert await command.ended == 1
    (line,) = command.said
    assert "what answers there is no downloader service, or one of another version" in line


async def test_the_token_file_of_ones_own_service(start: Any, tmp_path: Path) -> None:
    """Is where a service makes it by default."""
    command = start("ctl", "list", env={"XDG_STATE_HOME": str(tmp_path)})
    assert await command.ended == 2
    path = tmp_path / "downloader" / "token"
    hint = "--token-file or $DOWNLOADER_TOKEN says where the token is"
    assert command.said == [f"downloader: {path}: No such file or directory; {hint}"]


async def test_ones_own_service_does_not_run(start: Any, scripted: Any, tmp_path: Path) -> None:
    """Whoever listens in its place is shown nothing."""
    (tmp_path / "downloader").mkdir()
    (tmp_path / "downloader" / "token").write_text("t0ken" * 8)
    (tmp_path / "downloader" / "lock").touch()
    server = scripted([head])
    command = start("ctl", "list", "--url", server.url(""), env={"XDG_STATE_HOME": str(tmp_path)})
    assert await command.ended == 1
    assert command.said == [f"downloader: the service of {tmp_path}/downloader does not run"]
    assert server.connections == []


async def test_localhost_is_one_address(with_service: Any, start: Any) -> None:
    """Of its two, the one that a service listens at."""
    do = await with_service()
    where = ("--url", f"http://localhost:{do.served.port}")
    command = start("ctl", "list", *where, env={"DOWNLOADER_TOKEN": do.served.token})
    assert await command.ended == 0
    await do.served.service.stopService()
    command = start("ctl", "list", *where, env=OUR_TOKEN)
    assert await command.ended == 1
    assert command.said == [
        f"downloader: http://127.0.0.1:{where[1][17:]}/: no service listens there"
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add"], "give URLs, or a list with -i"),
        (["add", "http://a/", "-i", "l"], "give URLs, or a list with -i"),
        (["add", "http://a/", "http://b/", "-o", "x"], "-o is for a single URL"),
        (["add", "-i", "l", "--checksum", "md5=" + "0" * 32], "--checksum is for a single URL"),
        (["add", "-i", "none"], "none: No such file or directory"),
        (["pause"], "give gids, or --all"),
        (["remove", "abc", "--all"], "give gids, or --all"),
        (["list", "--url", "ftp://a/"], "Invalid value for '--url'"),
        (["list", "--url", "http://me:pw@a/"], "has no user, password or query"),
    ],
)
async def test_bad_usage(start: Any, arguments: list[str], sentence: str) -> None:
    command = start("ctl", *arguments, env=OUR_TOKEN)
    assert await command.ended == 2
    assert sentence in command.err.decode() and command.err.count(b"\n") == 1
