"""What the command writes: files for programs, words for people, and no secret in either."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from downloader._version import __version__
from downloader.testing import Origin


@pytest.fixture
def listed(origin: Origin, tmp_path: Path) -> int:
    """A list of 300 files; how many."""
    urls = [origin.add(f"/{number}", 5) for number in range(300)]
    (tmp_path / "list").write_text("\n".join(urls))
    return len(urls)


async def test_a_report_on_standard_output(start: Any, listed: int) -> None:
    """A line for each job and the summary, and nothing else."""
    command = start("fetch", "-i", "list", "-d", "out", "--report", "-")
    assert await command.ended == 0
    *lines, end = [json.loads(line) for line in command.out.splitlines()]
    assert {line["line"] for line in lines} == set(range(1, listed + 1))
    assert {(line["status"], line["version"]) for line in lines} == {("complete", __version__)}
    assert end["summary"]["lines"] == end["summary"]["complete"] == listed


@pytest.mark.parametrize(
    ("shell", "reason"),
    [
        ('"$@" --report /dev/full', "cannot write to /dev/full: No space left on device"),
        ('"$@" --report - > /dev/full', "cannot write to standard output: No space left on device"),
        ('"$@" --report - | true; exit ${PIPESTATUS[0]}', "standard output: Broken pipe"),
    ],
)
async def test_a_report_that_cannot_be_written(
    start: Any, listed: int, tmp_path: Path, shell: str, reason: str
) -> None:
    """Is told once, and the files come all the same; the exit code tells of it too."""
    command = start("fetch", "-i", "list", "-d", "out", shell=shell)
    assert await command.ended == 1
    assert len([one for one in (tmp_path / "out").iterdir() if one.is_file()]) == listed
    told, summary = command.said
    assert told.endswith(reason)
    assert summary.startswith(f"{listed} complete, ")


@pytest.mark.parametrize("closed", [">&-", "<&- >&-"])
async def test_a_report_on_a_closed_output(start: Any, closed: str) -> None:
    """Nothing is fetched, and no socket is taken for standard output."""
    command = start("fetch", "http://h/x", "--report", "-", shell=f'"$@" {closed}')
    assert await command.ended == 2
    assert command.said == ["downloader: cannot write to standard output: it is closed"]


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
async def test_nobody_has_to_listen(start: Any, listed: int, tmp_path: Path, closed: str) -> None:
    """Without standard error the files come all the same."""
    command = start("fetch", "-i", "list", "-d", "out", shell=f'"$@" {closed}')
    assert await command.ended == 0
    assert len([one for one in (tmp_path / "out").iterdir() if one.is_file()]) == listed


@pytest.mark.parametrize(
    "shell",
    [
        '"$@" -i - --report list < list',
        '"$@" -i /dev/fd/7 --report ./list 7< list',
        '"$@" -i list --report link',
        '"$@" -i - --failed link < list',
        '"$@" -i list --report symlink',
        '"$@" -i list --report - >> list',
        '"$@" -i list --report new --failed ./new',
        'touch a; ln a b; "$@" -i list --report a --failed b',
    ],
)
async def test_no_output_is_the_list_or_the_other_output(
    start: Any, listed: int, tmp_path: Path, shell: str
) -> None:
    """Under any of their names; the list is as it was."""
    (tmp_path / "link").hardlink_to(tmp_path / "list")
    (tmp_path / "symlink").symlink_to("list")
    command = start("fetch", shell=shell)
    assert await command.ended == 2
    assert command.said == [
        "downloader: -i, --report and --failed have to name different files",
    ]
    assert len((tmp_path / "list").read_text().splitlines()) == listed


async def test_a_terminal_may_be_list_and_report(
    start: Any, origin: Origin, terminal: Terminal
) -> None:
    """Both are shown to who types; nothing is lost."""
    fds = {0: terminal.theirs, 1: terminal.theirs, 2: "r"}
    command = start("fetch", "-i", "-", "--report", "/dev/stdout", fds=fds)
    os.write(terminal.ours, f"{origin.add('/a', 1)}\n\x04".encode())
    assert await command.ended == 0
    assert '"status":"complete"' in terminal.read()


@pytest.mark.parametrize(
    ("option", "made", "reason"),
    [
        ("--report", "mkfifo f", "nobody reads it"),
        ("--report", "ln -s none f", "what is there is not a regular file of yours"),
        ("--failed", "mkfifo f", "what is there is not a regular file of yours"),
    ],
)
async def test_what_is_not_written_to(start: Any, option: str, made: str, reason: str) -> None:
    """Is told in one sentence, before anything is fetched."""
    command = start("fetch", "http://h/x", option, "f", shell=f'{made}; "$@"')
    assert await command.ended == 2
    assert command.said == [f"downloader: cannot write to f: {reason}"]


async def test_failures_are_a_list_for_their_owner(
    start: Any, origin: Origin, tmp_path: Path
) -> None:
    """It gives the same names when it is fetched, whatever the order."""
    url = origin.url("/a/x")
    (tmp_path / "list").write_text(f"{origin.add('/x', 1)}\n{url}?token=1\n header=X: y\n")
    command = start("fetch", "-i", "list", "--failed", "failed")
    assert await command.ended == 1
    failed = tmp_path / "failed"
    assert failed.read_text() == f"{url}?token=1\n out=x.1\n header=X: y\n"
    assert stat.S_IMODE(failed.stat().st_mode) == 0o600
    origin.add("/a/x", 3)
    assert await start("fetch", "-i", "failed").ended == 0
    assert (tmp_path / "x.1").stat().st_size == 3


async def test_secrets_are_not_told(start: Any, origin: Origin, tmp_path: Path) -> None:
    """Neither on the terminal, with -vv too, nor in the report."""
    url = origin.url("/none?token=s3cret").replace("://", "://me:s3cret@")
    command = start(
        *("fetch", url, "ftp://me:s3cret@h/", "-H", "Authorization: s3cret"),
        *("-vv", "--report", "report"),
    )
    assert await command.ended == 2
    assert b"s3cret" not in command.err
    command = start("fetch", url, "-H", "Authorization: s3cret", "-vv", "--report", "report")
    assert await command.ended == 1
    assert b"none?token=***" in command.err
    assert "none?token=***" in (tmp_path / "report").read_text()
    assert "s3cret" not in command.err.decode() + (tmp_path / "report").read_text()


async def test_what_a_server_says_is_made_printable(start: Any, scripted: Any) -> None:
    """An escape sequence from outside does not reach a terminal."""
    answer = b"HTTP/1.1 404 \x9b2J\x1b]0;gone\x07\r\nContent-Length: 0\r\n\r\n"
    server = scripted([lambda connection: connection.head(), answer])
    command = start("fetch", server.url("/x%1b%5b2J"), "-v", "--report", "-")
    assert await command.ended == 1
    assert not set(b"\x1b\x07\x9b") & set(command.err + command.out)


async def test_quiet_is_quiet(start: Any, origin: Origin, tmp_path: Path) -> None:
    """A script reads the exit code."""
    (tmp_path / "list").write_text(f"no url\n{origin.url('/none')}\n")
    command = start("fetch", "-q", "-i", "list")
    assert await command.ended == 1
    assert (command.out, command.err) == (b"", b"")


async def test_insecure_is_loud(start: Any, origin: Origin) -> None:
    """In aria2's words too, and under -q."""
    for arguments in (["-k"], ["--check-certificate=false"]):
        command = start("fetch", "-q", *arguments, origin.add("/a", 1))
        assert await command.ended == 0
        assert command.said[0].startswith("WARNING: certificates are not checked")


class Terminal:
    """A terminal that keeps what is written to it."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        os.set_blocking(self.ours, False)
        self.text = ""

    def read(self) -> str:
        """All that was written so far."""
        try:
            while data := os.read(self.ours, 65536):
                self.text += data.decode()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EIO):
                raise
        return self.text

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def terminal() -> Any:
    terminal = Terminal()
    yield terminal
    terminal.close()


BARS = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}


async def test_bars_on_a_terminal(
    start: Any, until: Any, origin: Origin, terminal: Terminal
) -> None:
    """A bar for all, a line for a file that takes a while, failures above, and the cursor back."""
    slow = origin.add("/slow.bin", 200_000, pause=2.0)
    command = start(
        *("fetch", slow, origin.add("/quick.bin", 10), origin.url("/none")),
        fds={0: "w", 1: "r", 2: terminal.theirs},
        env=BARS,
    )
    await until(lambda: "slow.bin" in terminal.read())
    assert await command.ended == 1
    text = terminal.read()
    assert "quick.bin" not in text
    assert "2 of 3 files" in text and "3 of 3 files" in text
    assert f"failed: {origin.url('/none')}: The server has no such file" in text
    assert text.count(origin.url("/none")) == 1 and "1 x The server has no such file" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "2 complete, 1 failed, " in text.splitlines()[-1]


async def test_bars_fill(start: Any, origin: Origin, terminal: Terminal, tmp_path: Path) -> None:
    """Lines that are left out count too; and no row reaches the edge, where ^C would wrap it."""
    lines = [" out=of-nothing", "no url", origin.add("/slow", 100, pause=0.5), "ftp://h/"]
    (tmp_path / "list").write_text("\n".join(lines))
    command = start("fetch", "-i", "list", fds={0: "w", 1: "r", 2: terminal.theirs}, env=BARS)
    assert await command.ended == 1
    rows = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", terminal.read()).replace("\r", "\n").split("\n")
    bars = [row for row in rows if " files, " in row]
    assert "3 of 4 files" in bars[0] and "4 of 4 files" in bars[-1]
    assert {len(row) for row in bars} == {int(BARS["COLUMNS"]) - 4}


async def test_bars_give_the_cursor_back_when_they_are_stopped(
    start: Any, until: Any, origin: Origin, terminal: Terminal
) -> None:
    """Ctrl-C leaves a terminal that can be used."""
    command = start(
        *("fetch", origin.add_silent("/silent")),
        fds={0: "w", 1: "r", 2: terminal.theirs},
        env=BARS,
    )
    await until(lambda: "0 of 1 files" in terminal.read())
    command.signal("INT")
    assert await command.ended == 130
    assert terminal.read().rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")
    assert "0 complete, 1 pending" in terminal.text


async def test_bad_lines_do_not_fill_bars_or_memory(
    start: Any, terminal: Terminal, tmp_path: Path
) -> None:
    """Some are shown, the others are a number; the report tells of each."""
    (tmp_path / "list").write_text("no url\n" * 2000)
    command = start(
        *("fetch", "-i", "list", "--report", "report"),
        fds={0: "w", 1: "r", 2: terminal.theirs},
        env=BARS,
    )
    assert await command.ended == 1
    shown = re.findall(r"line \d+ is left out", terminal.read())
    more = re.findall(r"and ([\d,]+) more messages", terminal.text)
    assert len(shown) + sum(int(number.replace(",", "")) for number in more) == 2000
    assert 10 <= len(shown) < 500
    assert len((tmp_path / "report").read_text().splitlines()) == 2001


@pytest.mark.parametrize("progress", ["bar", "plain"])
async def test_a_terminal_that_goes_away(
    start: Any, until: Any, origin: Origin, progress: str
) -> None:
    """The run is stopped by the hang-up, as without a display."""
    ours, theirs = pty.openpty()
    command = start(
        *("fetch", origin.add_silent("/silent"), "--progress", progress),
        shell='exec setsid -c "$@"',
        fds={0: theirs, 1: "r", 2: theirs},
        env=BARS,
    )
    os.close(theirs)
    await until(lambda: origin.silent)
    os.close(ours)
    assert await command.ended == 129


@pytest.mark.parametrize("env", [{**BARS, "NO_COLOR": "1"}, {**BARS, "TERM": "dumb"}])
async def test_no_color(
    start: Any, origin: Origin, terminal: Terminal, env: dict[str, str]
) -> None:
    """NO_COLOR and a dumb terminal are honoured."""
    command = start(
        *("fetch", origin.add("/slow", 10, pause=0.5)),
        fds={0: "w", 1: "r", 2: terminal.theirs},
        env=env,
    )
    assert await command.ended == 0
    assert "\x1b[3" not in terminal.read()
    assert ("\x1b" in terminal.text) == (env["TERM"] != "dumb")


async def test_plain_lines_where_no_terminal_is(start: Any, origin: Origin) -> None:
    """One every five seconds."""
    command = start("fetch", origin.add("/slow", 100_000, pause=5.5), origin.add("/a", 1))
    assert await command.ended == 0
    line, _summary = command.said
    assert line.startswith("1 of 2 files, ")


@pytest.mark.parametrize("progress", ["plain", "none"])
async def test_rich_is_loaded_only_for_bars(start: Any, tmp_path: Path, progress: str) -> None:
    """A short run should not wait for it."""
    (tmp_path / "rich.py").write_text("raise RuntimeError('loaded')")
    path = f"{tmp_path}{os.pathsep}{Path(__file__).parent.parent.parent}"
    (tmp_path / "list").touch()
    command = start("fetch", "-i", "list", "--progress", progress, env={"PYTHONPATH": path})
    assert await command.ended == 0
    (summary,) = command.said
    assert summary.startswith("0 complete, ")
