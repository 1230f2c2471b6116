"""Class F of the hostile answers: names that lead elsewhere (see `hostile`).

Each name comes in a URL, in a Content-Disposition, in a redirect and in a query; the last two name
no file, whatever they say.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from urllib.parse import quote

from support.hostile import BODY

# A name, what becomes of it in a Content-Disposition, and in a URL where that is another. "file"
# is the name of who has none.
NAMES: tuple[tuple[str, ...], ...] = (
    ("../x", "x", "_._x"), ("../../etc/passwd", "passwd", "_._.._etc_passwd"),
    ("..\\..\\boot.ini", "boot.ini", "_._.._boot.ini"), ("/etc/cron.d/x", "x", "_etc_cron.d_x"),
    ("C:\\x", "x", "C__x"), ("C:x", "C_x"), ("\\\\host\\share\\x", "x", "__host_share_x"),
    ("./x", "x", "__x"), ("x/", "file", "x_"), ("x/..", "file", "x_"),
    ("..", "file", "index.html"), (".", "file", "index.html"), ("...", "_"),
    ("....//x", "x", "_...__x"), ("..;/x", "x", "_.;_x"), ("%2e%2e%2fx", "%2e%2e%2fx"),
    ("..%2fx", "_.%2fx"), ("x%00.txt", "x%00.txt"), (".bashrc", "_bashrc"), (".netrc", "_netrc"),
    ("-rf", "_rf"), ("--help", "_-help"), ("~", "~"), ("~/x", "x", "~_x"), ("~root", "~root"),
    ("a b", "a b"), (" x", "x"), ("x ", "x"), ("x.", "x"), ("x. .", "x"), ("\u00a0x", "x"),
    ("CON", "_CON"), ("con.txt", "_con.txt"), ("NUL", "_NUL"), ("aux.tar.gz", "_aux.tar.gz"),
    ("COM1", "_COM1"), ("LPT9.x", "_LPT9.x"), ("COM\u00b9", "_COM\u00b9"), ("a:b", "a_b"),
    ("x:$DATA", "x_$DATA"), ("a*?<>|b", "a_____b"), ("a'b", "a'b"), ("$(id)", "$(id)"),
    ("`id`", "`id`"), ("a;b", "a;b"), ("a\u2028b", "a_b"), ("\u202egpj.exe", "_gpj.exe"),
    ("\u200bx", "_x"), ("\ufeffx", "_x"), ("\x1b[2J", "_[2J"), ("\x7f", "_"), ("a.part", "a_part"),
    ("x.part.journal", "x.part_journal"), ("A.PART", "A_PART"), ("file.part", "file_part"),
    (".part", "_part"), (".downloader", "_downloader"), ("None", "None"), ("\u00e9", "\u00e9"),
    ("e\u0301", "\u00e9"), ("\u212b", "\u00c5"), ("\U0001f600", "\U0001f600"),
    ("x" * 300, "x" * 240), ("x" * 300 + ".tar.gz", "x" * 233 + ".tar.gz"),
    ("\u00e9" * 200 + ".txt", "\u00e9" * 118 + ".txt"), ("x." + "y" * 300, "x." + "y" * 238),
    (".." * 100, "_"), ("a/b/c", "c", "a_b_c"), ("lnk/x", "x", "lnk_x"), ("=cmd", "=cmd"),
    ("@x", "@x"), ("#x", "#x"), ("a&b", "a&b"), ("x%", "x%"), ("%zz", "%zz"),
)  # fmt: skip


@dataclass(frozen=True)
class NameCase:
    """`path` is asked for, and answered with `head`; the file is `expected` then."""

    path: str
    head: bytes
    expected: str


def _file(field: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n" % (len(BODY), field)


def _offer(value: bytes) -> bytes:
    return _file(b"Content-Disposition: attachment; " + value + b"\r\n")


def named() -> Generator[NameCase, None, None]:
    """Each name in each place."""
    for name, offered, *in_url in NAMES:
        coded = quote(name, safe="").encode()
        yield NameCase("/file", _offer(b"filename*=UTF-8''" + coded), offered)
        if not set(name) & set("\\\x1b\x7f"):
            yield NameCase("/file", _offer(b'filename="%b"' % name.encode()), offered)
        yield NameCase(f"/d/{coded.decode()}", _file(), in_url[0] if in_url else offered)
        away = b"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: /away/%b\r\n\r\n" % coded
        yield NameCase("/file", away, "file")
        yield NameCase(f"/file?name={coded.decode()}", _file(), "file")


PLACES = [*named()]
