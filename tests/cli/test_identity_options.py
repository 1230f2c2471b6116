"""The options that say who we are: what they send, what they refuse, and that no secret shows."""

from __future__ import annotations

import os
import pty
import re
from base64 import b64encode
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from support.asking import HELLO, path_of

CANARY = "c4n4ry"


async def script(connection: Any) -> None:
    """Answer what is called `missing` with 404, and the rest with hello."""
    while True:
        head = await connection.head()
        found = "missing" not in path_of(head)
        missing = b"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n"
        connection.send(HELLO if found else missing)


@pytest.fixture
def server(scripted: Any) -> Any:
    return scripted(script)


def sent(server: Any, name: bytes = b"authorization") -> list[bytes | None]:
    """What each request had in this header."""
    pattern = re.compile(rb"^%b: ([^\r]*)\r$" % name, re.IGNORECASE | re.MULTILINE)
    heads = [head for one in server.connections for head in one.heads]
    matches = [pattern.search(head) for head in heads]
    return [match and match[1] for match in matches]


def basic(text: str) -> bytes:
    return b"Basic " + b64encode(text.encode())


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


# --- what is sent ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-u", "me:p:w"], basic("me:p:w")),
        (["-u", "me:"], basic("me:")),
        (["--user", "m\u00fc:\u00fc"], basic("m\u00fc:\u00fc")),
        (["--http-user", "me", "--http-passwd", "pw"], basic("me:pw")),
        (["--oauth2-bearer", "abc.d="], b"Bearer abc.d="),
        (["--oauth2-bearer", "@token"], b"Bearer t0ken"),
        (["--netrc"], basic("home:pw")),
        (["--netrc-path", "netrc"], basic("named:pw")),
        (["--netrc-file", "netrc", "--netrc"], basic("named:pw")),
        (["-u", "me:pw", "--netrc"], basic("me:pw")),
        (["-u", "me:pw", "-H", "Authorization: Own x"], b"Own x"),
        (["-u", "me:pw", "--digest"], None),
        ([], None),
    ],
)
async def test_who(
    start: Any, server: Any, tmp_path: Path, arguments: list[str], expected: bytes | None
) -> None:
    """Each way to say it reaches the server; .netrc is read only when it is asked for."""
    private(tmp_path / ".netrc", "machine 127.0.0.1 login home password pw")
    private(tmp_path / "netrc", "default login named password pw")
    (tmp_path / "token").write_text("t0ken\n")
    command = start("fetch", server.url("/a"), *arguments, env={"HOME": str(tmp_path)})
    assert await command.ended == 0
    assert sent(server) == [expected]


async def test_a_token_from_a_pipe(start: Any, server: Any) -> None:
    """So that it need not be in a file, nor on the command line."""
    shell = f'"$@" fetch {server.url("/a")} --oauth2-bearer @<(echo t0ken)'
    assert await start(shell=shell).ended == 0
    assert sent(server) == [b"Bearer t0ken"]


async def test_a_list_of_several_servers(start: Any, scripted: Any, tmp_path: Path) -> None:
    """-u is for the first entry's server, and that is said."""
    one, two = scripted(script), scripted(script)
    (tmp_path / "list").write_text(f"{one.url('/a')}\n{two.url('/b')}\n{one.url('/c')}\n")
    command = start("fetch", "-i", "list", "-u", "me:pw", "--progress", "none")
    assert await command.ended == 0
    assert sent(one) == [basic("me:pw")] * 2 and sent(two) == [None]
    told = f"the credentials are for http://127.0.0.1:{one.port} only"
    assert [told in line for line in command.said].count(True) == 1


async def test_cookies(start: Any, server: Any, tmp_path: Path) -> None:
    """Under each of the option's names, and the file stays as it is."""
    text = "127.0.0.1\tFALSE\t/\tFALSE\t0\tn\tv\n"
    (tmp_path / "jar").write_text(text)
    for name in ("--load-cookies", "-b", "--cookie"):
        assert await start("fetch", server.url("/a"), name, "jar").ended == 0
    assert sent(server, b"cookie") == [b"n=v"] * 3
    assert (tmp_path / "jar").read_text() == text


async def test_certificates(start: Any, scripted: Any, ca: Any, tmp_path: Path) -> None:
    """--ca-certificate replaces the system's, --certificate and --private-key show ours."""
    leaf = trustme.CA().issue_cert("me@clients.test")
    (tmp_path / "ca.pem").write_bytes(ca.pem.read_bytes())
    (tmp_path / "cert.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    (tmp_path / "key.pem").write_bytes(leaf.private_key_pem.bytes())
    server = scripted(script, tls=ca.server())
    trusted = ["--cacert", "ca.pem"]
    shown = ["-E", "cert.pem", "--key", "key.pem"]
    url = server.url("/a", "localhost")
    assert await start("fetch", url, "-m", "1").ended == 1
    assert await start("fetch", url, *trusted).ended == 0
    assert await start("fetch", url, "--ca-certificate", "ca.pem", *shown).ended == 0
    assert [len(one.heads) for one in server.connections] == [0, 1, 1]


# --- asked on the terminal ------------------------------------------------------------------


class Terminal:
    """A terminal of its own for a command; `shown` is what is to be read there."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        os.set_blocking(self._master, False)
        # --ctty makes it the one that /dev/tty is.
        self.shell = f'exec setsid --ctty "$@" < {os.ttyname(self._slave)}'
        self.shown = b""

    def read(self) -> bytes:
        with suppress(OSError):  # nothing yet
            self.shown += os.read(self._master, 4096)
        return self.shown

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def close(self) -> None:
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def terminal() -> Generator[Terminal, None, None]:
    made = Terminal()
    yield made
    made.close()


@pytest.mark.parametrize("option", ["-u", "--http-user"])
async def test_a_password_that_is_asked_for(
    start: Any, server: Any, until: Any, terminal: Any, option: str
) -> None:
    """It is typed unseen, and goes to the server."""
    command = start("fetch", server.url("/a"), option, "me", shell=terminal.shell)
    await until(lambda: b"Password of me: " in terminal.read())
    terminal.type(f"{CANARY}\n")
    assert await command.ended == 0
    assert sent(server) == [basic(f"me:{CANARY}")]
    assert CANARY.encode() not in terminal.read() + command.out + command.err


@pytest.mark.parametrize(("key", "code"), [("\x03", 130), ("\x04", 130)])
async def test_no_answer(
    start: Any, server: Any, until: Any, terminal: Any, key: str, code: int
) -> None:
    """Ctrl-C and Ctrl-D end it, before anything was asked of the server."""
    command = start("fetch", server.url("/a"), "-u", "me", shell=terminal.shell)
    await until(lambda: b"Password of me: " in terminal.read())
    terminal.type(key)
    assert await command.ended == code
    assert server.connections == []


def encrypted_pem(path: Path) -> None:
    leaf = trustme.CA().issue_cert("me@clients.test")
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    pem = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(CANARY.encode())
    )
    path.write_bytes(leaf.cert_chain_pems[0].bytes() + pem)


async def test_the_password_of_a_key(
    start: Any, server: Any, until: Any, terminal: Any, tmp_path: Path
) -> None:
    """Is asked for when the key needs one and --pass does not say it."""
    encrypted_pem(tmp_path / "me.pem")
    arguments = ["fetch", server.url("/a"), "--certificate", "me.pem"]
    command = start(*arguments, shell=terminal.shell)
    await until(lambda: b"Password of me.pem: " in terminal.read())
    terminal.type(f"{CANARY}\n")
    assert await command.ended == 0
    assert await start(*arguments, "--pass", CANARY).ended == 0
    assert CANARY.encode() not in terminal.read() + command.out + command.err


async def test_no_terminal(start: Any, server: Any, tmp_path: Path) -> None:
    """Then it is said, and standard input, which may be the list, is not read for it."""
    encrypted_pem(tmp_path / "me.pem")
    for arguments, what in ((["-u", "me"], "me"), (["--cert", "me.pem"], "me.pem")):
        shell = f'echo "{server.url("/a")}" | setsid --wait "$@"'
        command = start("fetch", "-i", "-", *arguments, shell=shell)
        assert await command.ended == 2
        wanted = f"no password of {what} is given, and there is no terminal to ask for it"
        assert command.said == [f"downloader: {wanted}"]
    assert server.connections == []


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-u", f"me:{CANARY}\x01"], "the user or the password holds a control character"),
        (["--http-user", "a:b", "--http-passwd", CANARY], "a user's name holds no colon"),
        (["--http-passwd", CANARY], "--http-passwd needs --http-user"),
        (["-u", f"me:{CANARY}", "--oauth2-bearer", CANARY], "give one of -u, --http-user"),
        (["--oauth2-bearer", f"{CANARY} x"], "a token holds letters, digits and -._~+/= only"),
        (["--oauth2-bearer", "@bad"], "a token holds letters, digits and -._~+/= only"),
        (["--oauth2-bearer", "@missing"], "cannot use missing: No such file or directory"),
        (["-u", ""], "--user needs more than an empty text"),
        (["--netrc"], "/.netrc: No such file or directory"),
        (["--netrc-path", "open"], "cannot use open: others may read or change it; chmod 600"),
        (["--netrc-path", "bad"], "cannot use bad: line 1: neither machine nor"),
        (["--netrc-path", "."], "cannot use .: Is a directory"),
        (["-b", "missing"], "cannot use missing: No such file or directory"),
        (["-b", f"session={CANARY}"], "-b takes a file; for a cookie: -H 'Cookie: NAME=VALUE'"),
        (["-b", "bad"], "cannot use bad: line 1 is no cookie: seven fields parted by TAB"),
        (["--key", "me.pem"], "--private-key and --pass need --certificate"),
        (["--pass", CANARY], "--private-key and --pass need --certificate"),
        (["--cert", "missing"], "cannot use missing: No such file or directory"),
        (["--cert", "bad", "--key", "bad"], "cannot use bad: it holds no certificate in PEM"),
        (["--cert", "other.pem"], "cannot use other.pem: it holds no certificate in PEM"),
        (["--cert", "alone.pem"], "cannot use alone.pem: there is no private key in it"),
        (["--cert", "alone.pem", "--key", "bad"], "cannot use bad: there is no private key in it"),
        (["--cert", "alone.pem", "--key", "cut.pem"], "cannot use cut.pem: the private key cannot"),
        (["--cert", "me.pem", "--pass", f"x{CANARY}"], "it has another password, or is damaged"),
        (
            ["--cert", "me.pem", "--key", "other.pem"],
            "cannot use other.pem: the private key is not that of the certificate",
        ),
        (["--cacert", "bad"], "cannot use bad: it holds no certificate in PEM"),
        (["--cacert", "missing"], "cannot use missing: No such file or directory"),
    ],
)
async def test_what_cannot_be_used(
    start: Any, server: Any, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    """A sentence that quotes no secret, exit code 2, before anything is asked or replaced."""
    private(tmp_path / "open", f"default password {CANARY}").chmod(0o644)
    private(tmp_path / "bad", f"{CANARY} and more")
    encrypted_pem(tmp_path / "me.pem")
    other = trustme.CA().issue_cert("x")
    (tmp_path / "other.pem").write_bytes(other.private_key_pem.bytes())
    (tmp_path / "cut.pem").write_bytes(other.private_key_pem.bytes()[:80])
    (tmp_path / "alone.pem").write_bytes(other.cert_chain_pems[0].bytes())
    (tmp_path / "report").write_text("old")
    options = ["--report", "report", "-vv"]
    command = start("fetch", server.url("/a"), *arguments, *options, env={"HOME": str(tmp_path)})
    assert await command.ended == 2
    (line,) = command.said
    assert reason in line and CANARY not in line
    assert (tmp_path / "report").read_text() == "old"
    assert server.connections == []


@pytest.mark.parametrize("option", [["-u", "me:pw"], ["--oauth2-bearer", "abc"]])
async def test_urls_of_several_servers(start: Any, scripted: Any, option: list[str]) -> None:
    """The command line is wrong then: one password is not for several servers."""
    one, two = scripted(script), scripted(script)
    command = start("fetch", one.url("/a"), two.url("/b"), *option)
    assert await command.ended == 2
    assert "are for one server, and these URLs are of several; --netrc" in command.said[0]
    assert one.connections == two.connections == []


# --- no secret shows ------------------------------------------------------------------------

FACES = {
    "user": ["-u", f"me:{CANARY}"],
    "digest": ["-u", f"me:{CANARY}", "--digest"],
    "aria2's": ["--http-user", "me", "--http-passwd", CANARY],
    "bearer": ["--oauth2-bearer", CANARY],
    "token file": ["--oauth2-bearer", "@token"],
    "netrc": ["--netrc-path", "netrc"],
    "cookies": ["-b", "jar"],
    "key": ["--cert", "me.pem", "--pass", CANARY],
    "header": ["-H", f"Authorization: Own {CANARY}"],
    "userinfo": [],
}
# What is out of a file is not on the command line either.
FROM_FILES = ("token file", "netrc", "cookies")


@pytest.mark.parametrize("ending", ["failures", "stopped"])
@pytest.mark.parametrize("face", FACES)
async def test_no_secret_shows(
    start: Any, scripted: Any, until: Any, tmp_path: Path, face: str, ending: str
) -> None:
    """Neither in what is told, with -vv, nor in the report, whatever goes wrong; --failed holds
    the URLs as they are, and only its owner reads that."""
    private(tmp_path / "netrc", f"default login me password {CANARY}")
    (tmp_path / "token").write_text(CANARY)
    (tmp_path / "jar").write_text(f"127.0.0.1\tFALSE\t/\tFALSE\t0\tn\t{CANARY}\n")
    encrypted_pem(tmp_path / "me.pem")
    server = scripted(asking_script if ending == "failures" else silent_script)
    url = server.url(f"/missing?token={CANARY}")
    if face == "userinfo":
        url = url.replace("//", f"//me:{CANARY}@")
    gone = server.url("/gone").replace(f":{server.port}", ":1")
    (tmp_path / "list").write_text(f"{url}\n{gone}?sig={CANARY}\nhttp://me:{CANARY}@h:x/\n")
    files = ["--report", "report", "--failed", "failed", "-m", "1"]
    command = start("fetch", "-i", "list", "-vv", *files, *FACES[face])
    connection = await server.arrived()
    await until(lambda: connection.heads)
    if face in FROM_FILES and ending == "stopped":  # else it may be gone by now
        line = Path(f"/proc/{command.transport.pid}/cmdline").read_bytes()
        assert b"fetch" in line and CANARY.encode() not in line
    if ending == "stopped":
        command.signal("INT")
    assert await command.ended == (130 if ending == "stopped" else 1)
    told = command.out + command.err + (tmp_path / "report").read_bytes()
    assert b"/missing" in told or ending == "stopped"
    assert CANARY.encode() not in told
    assert b64encode(f"me:{CANARY}".encode()) not in told
    assert (tmp_path / "failed").stat().st_mode & 0o777 == 0o600


async def asking_script(connection: Any) -> None:
    """Refuse, asking who it is."""
    while True:
        await connection.head()
        connection.send(
            b'HTTP/1.1 401 \r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
            b"WWW-Authenticate: Basic realm=r\r\nContent-Length: 0\r\n\r\n"
        )


async def silent_script(connection: Any) -> None:
    """Take the request, and no more."""
    await connection.head()
    await connection.ended()
