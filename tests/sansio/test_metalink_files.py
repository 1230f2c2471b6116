"""What a file of a Metalink document comes to, or why it is refused on its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.metalinks import MD5, SHA256, meta4, one_file

from downloader.errors import BadLine, BadName
from downloader.jobs import Naming, Pieces
from downloader.sansio.metalink import parse_metalink
from downloader.sansio.metalinkfile import MetalinkFile
from downloader.sansio.mirrors import LAST, Mirror
from downloader.sansio.names import path_for
from downloader.sansio.url import parse_url

URL = "http://one.example/a"


def given(inside: str, *urls: str) -> MetalinkFile:
    """What a file with these elements comes to."""
    (file,) = parse_metalink(meta4(one_file("a", *(urls or (URL,)), inside=inside))).files
    assert isinstance(file, MetalinkFile)
    return file


def refused(inside: str, *urls: str) -> str:
    """Why a file with these elements is refused; the one behind it is not."""
    bad = one_file("a", *(urls or (URL,)), inside=inside)
    first, second = parse_metalink(meta4(bad, one_file("b", URL))).files
    assert isinstance(first, BadLine) and isinstance(second, MetalinkFile)
    assert (first.line, second.line) == (2, 3)
    return first.message


# --- sizes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "size"),
    [
        ("", None),
        ("<size>0</size>", 0),
        ("<size> 05\n</size><size>5</size>", 5),
        (f"<size>{2**63 - 1}</size>", 2**63 - 1),
    ],
)
def test_sizes(inside: str, size: int | None) -> None:
    assert given(inside).size == size


@pytest.mark.parametrize("text", ["", "-1", "+1", "5.0", "1e3", "0x5", "٥", str(2**63), "9" * 9999])
def test_what_is_no_size(text: str) -> None:
    """Nobody knows what was meant."""
    assert "is no number of bytes" in refused(f"<size>{text}</size>")


def test_two_sizes() -> None:
    assert "two different sizes" in refused("<size>5</size><size>6</size>")


# --- checksums -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "checksum"),
    [
        ("sha-256", f"sha-256={SHA256}"),
        ("sha256", f"sha-256={SHA256}"),
        (" SHA-256 ", f"sha-256={SHA256}"),
        ("sha3-256", f"md5={MD5}"),
        ("md4", f"md5={MD5}"),
        ("pgp", f"md5={MD5}"),
    ],
)
def test_the_type_of_a_checksum(kind: str, checksum: str) -> None:
    """By both versions' names; what is not known is not looked at."""
    inside = f'<hash type="md5">{MD5}</hash><hash type="{kind}">{SHA256}</hash>'
    assert given(inside).checksum == checksum


def test_a_checksum_that_is_told_twice() -> None:
    """Is one, in whatever letters."""
    inside = f'<hash type="md5">{MD5}</hash><hash type="MD5">{MD5.upper()}</hash>'
    assert given(inside).checksum == f"md5={MD5}"


BAD_CHECKSUMS = {
    "two of them": (
        f'<hash type="md5">{MD5}</hash><hash type="md5">{"0" * 32}</hash>',
        "two different md5 checksums",
    ),
    "two, but a stronger one is fine": (
        f'<hash type="sha-256">{SHA256}</hash><hash type="md5">{MD5}</hash>'
        f'<hash type="md5">{"0" * 32}</hash>',
        "two different md5 checksums",
    ),
    "too short": (f'<hash type="md5">{MD5[1:]}</hash>', "32 hexadecimal digits"),
    "empty": ('<hash type="sha-256"/>', "64 hexadecimal digits"),
    "no digits": (f'<hash type="md5">{"g" * 32}</hash>', "32 hexadecimal digits"),
    "base64": ('<hash type="md5">XUFAKrxLKna5cZ2REBfFkg==</hash>', "32 hexadecimal digits"),
    "in two parts": (f'<hash type="md5">{MD5[:16]}<b/>{MD5[16:]}</hash>', "without a type"),
    "no type": (f"<hash>{MD5}</hash>", "a checksum without a type"),
    "an empty type": (f'<hash type=" ">{MD5}</hash>', "a checksum without a type"),
}


@pytest.mark.parametrize(("inside", "why"), BAD_CHECKSUMS.values(), ids=BAD_CHECKSUMS.keys())
def test_bad_checksums(inside: str, why: str) -> None:
    """None is better than a file that is checked with the wrong one."""
    assert why in refused(inside)


def pieces(length: object, *sums: str, kind: str = "md5") -> str:
    listed = "".join(f"<hash>{one}</hash>" for one in sums)
    return f'<pieces length="{length}" type="{kind}">{listed}</pieces>'


ONE, TWO = "1" * 32, "2" * 32


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<size>6</size>" + pieces(3, ONE, TWO), Pieces("md5", 3, (ONE, TWO))),
        ("<size>4</size>" + pieces(3, ONE, TWO), Pieces("md5", 3, (ONE, TWO))),
        ("<size>0</size>" + pieces(3), None),
        (pieces(3, ONE, TWO) * 2, Pieces("md5", 3, (ONE, TWO))),
        (pieces(3, "no", kind="tiger"), None),
        (pieces(3, ONE) + pieces(9, SHA256, kind="sha256"), Pieces("sha-256", 9, (SHA256,))),
    ],
)
def test_pieces(inside: str, expected: Pieces | None) -> None:
    """The strongest of them, if their number fits the size."""
    assert given(inside).pieces == expected


BAD_PIECES = {
    "too few": ("<size>7</size>" + pieces(3, ONE, TWO), "2 digests of pieces do not make up"),
    "too many": ("<size>3</size>" + pieces(3, ONE, TWO), "2 digests of pieces do not make up"),
    "none": (pieces(3), "0 digests of pieces do not make up"),
    "of no length": (pieces("", ONE), "the length of pieces '' is no number of bytes"),
    "of length 0": (pieces(0, ONE), "pieces of 0 bytes"),
    "of a huge length": (pieces(2**63, ONE), "is no number of bytes"),
    "no digest": (pieces(3, ONE, "x"), "32 hexadecimal digits"),
    "of another type": (pieces(3, ONE, SHA256), "32 hexadecimal digits"),
    "of no type": (pieces(3, ONE, kind=""), "a checksum without a type"),
    "two of one type": (pieces(3, ONE) + pieces(3, TWO), "two different md5 checksums of pieces"),
    "two lengths": (pieces(3, ONE) + pieces(4, ONE), "two different md5 checksums of pieces"),
    "not in order": (
        pieces(3, ONE, TWO).replace("<hash>", '<hash piece="1">', 1),
        "not in their order",
    ),
}


@pytest.mark.parametrize(("inside", "why"), BAD_PIECES.values(), ids=BAD_PIECES.keys())
def test_bad_pieces(inside: str, why: str) -> None:
    assert why in refused(inside)


# --- URLs ------------------------------------------------------------------------------------


def test_urls_that_cannot_be_used_are_left_out() -> None:
    """As long as there is one that can, and they are counted for all files together."""
    bad = ["ftp://h/a", "magnet:?xt=urn:btih:1", "file:///etc/passwd", "/a", "", "http:///a", "a b"]
    document = parse_metalink(meta4(one_file("a", *bad, URL), one_file("b", "data:,x", URL)))
    assert [file.mirrors for file in document.files if isinstance(file, MetalinkFile)] == [
        (Mirror(URL),),
        (Mirror(URL),),
    ]
    assert document.remarks == (
        "4 URLs are left out: neither http nor https (FTP and torrents are not fetched)",
        "4 URLs are left out: not valid",
    )


@pytest.mark.parametrize("urls", [("ftp://h/a",), ("",), ("http://h:0/",), ("javascript:1", "x")])
def test_no_url_is_left(urls: tuple[str, ...]) -> None:
    assert "'a': no http or https URL to fetch it from" in refused("", *urls)


def test_a_metaurl_is_none() -> None:
    """Nor is the URL of whoever published it."""
    inside = f"<metaurl mediatype='torrent'>{URL}</metaurl><publisher><url>{URL}</url></publisher>"
    first, _ = parse_metalink(meta4(f"<file name='a'>{inside}</file>", one_file("b", URL))).files
    assert isinstance(first, BadLine)


def test_more_mirrors_than_there_is_room_for() -> None:
    """The best are kept: a list has room for so many too."""
    urls = [f"http://{n}.example/a" for n in range(300)]
    best = "<url priority='1'>http://best.example/a</url>"
    document = parse_metalink(meta4(f"<file name='a'>{one_file('', *urls)[14:-7]}{best}</file>"))
    (file,) = document.files
    assert isinstance(file, MetalinkFile)
    assert [mirror.url for mirror in file.mirrors] == ["http://best.example/a", *urls[:100]]
    assert document.remarks == (
        "200 URLs are left out: beyond what a file has room for (101 URLs, 32 KiB)",
    )


def test_long_urls() -> None:
    """The first has its place, however long it is."""
    long = [f"http://h/{letter * 30_000}" for letter in "abc"]
    assert [mirror.url for mirror in given("", *long).mirrors] == long[:1]
    assert len(given("", "http://h/" + "a" * 60_000).mirrors) == 1


@pytest.mark.parametrize("priority", ["0", "-1", "1000000", "x", "", "1.5", "٣"])
def test_what_is_no_priority(priority: str) -> None:
    """Comes last."""
    two = f"<url priority='{priority}'>http://two.example/</url>"
    file = f"<file name='a'>{two}<url priority='999998'>{URL}</url></file>"
    (made,) = parse_metalink(meta4(file)).files
    assert isinstance(made, MetalinkFile)
    assert made.mirrors == (Mirror(URL, 999998), Mirror("http://two.example/", LAST))


# --- names -----------------------------------------------------------------------------------

LEADING_ELSEWHERE = [
    *("..", ".", "/", "", "a/", "./", "../x", "a/../../x", "a/..", "/etc/passwd", "//h/x"),
    *("..\\x", "C:\\x", "\\\\h\\x", "a\\..\\..\\x", "../" * 40 + "etc/passwd", "a/b/../../../x"),
    *("./../x", "a//../../x", "/", "a/./../../x", "~/../../x", "a/" * 40 + "x"),
]
MADE_SAFE = {
    "...": "_",
    "~/x": "~/x",
    "c:x": "c_x",
    ".ssh/authorized_keys": "_ssh/authorized_keys",
    "-rf": "_rf",
    "CON": "_CON",
    "a/NUL.txt": "a/_NUL.txt",
    "a//b/./c": "a/b/c",
    "%2e%2e%2fx": "%2e%2e%2fx",
    "a\u2044..\u2044x": "a\u2044..\u2044x",
    "\uff0e\uff0e/x": "\uff0e\uff0e/x",
    ".. /x": "_/x",
    "x.part": "x_part",
    "a\u202eb": "a_b",
    "a\nb": "a_b",
    "x ": "x",
}


@pytest.mark.parametrize("name", LEADING_ELSEWHERE)
def test_a_name_that_leads_elsewhere(name: str) -> None:
    """Is that file's error, and nobody else's."""
    bad, good = parse_metalink(meta4(one_file(name, URL), one_file("b", URL))).files
    assert isinstance(bad, BadLine) and isinstance(good, MetalinkFile)
    assert "No file may be written under this name" in bad.message
    with pytest.raises(BadName):
        path_for(parse_url(URL), name=name, naming=Naming.FLAT)


@pytest.mark.parametrize(("name", "path"), MADE_SAFE.items())
def test_a_name_that_is_made_safe(name: str, path: str) -> None:
    """Directories are kept; where it is used, it stays below."""
    (file,) = parse_metalink(meta4(one_file(name, URL))).files
    assert isinstance(file, MetalinkFile)
    used = path_for(parse_url(URL), name=file.job().name, naming=Naming.FLAT)
    assert Path("/root", used).resolve().is_relative_to("/root")
    assert used == path


def test_no_name() -> None:
    (file,) = parse_metalink(meta4(f"<file><url>{URL}</url></file>")).files
    assert isinstance(file, BadLine)


def test_messages_hold_nothing_that_acts_on_a_terminal() -> None:
    """A name may be anything that XML can hold."""
    (file,) = parse_metalink(meta4(one_file("../\x9b31m\u202e" + "x" * 9999, URL))).files
    assert isinstance(file, BadLine)
    assert file.message.isprintable() and len(file.message) < 600
