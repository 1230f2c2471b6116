"""No document is a surprise: it is read, or refused, and what is read can be used."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st
from support.metalinks import VERSION_3, VERSION_4

from downloader.errors import BadLine, ListError
from downloader.jobs import Naming
from downloader.sansio.checksum import DIGITS, checked_checksum
from downloader.sansio.metalink import parse_metalink
from downloader.sansio.metalinkfile import MetalinkFile
from downloader.sansio.mirrors import FIRST, LAST
from downloader.sansio.names import path_for
from downloader.sansio.url import parse_url
from downloader.sansio.urllist import MAX_MIRRORS

NAMES = ("metalink", "files", "file", "size", "hash", "pieces", "url", "resources", "verification")
VALUES = st.sampled_from(
    [
        *(
            "",
            "0",
            "1",
            "3",
            "md5",
            "sha256",
            "http",
            "bittorrent",
            "de",
            "100",
            "a" * 32,
            "b" * 64,
        ),
        *("../x", "x", "/x", "a/b", "http://h/a", "https://h/a", "ftp://h/a", "http://", "\u202e"),
    ]
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["name", "type", "length", "piece", "priority", "preference", "location"]),
    VALUES,
    max_size=4,
)


def element(name: str, attributes: dict[str, str], inside: list[str]) -> str:
    written = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{name}{written}>{''.join(inside)}</{name}>"


TREES = st.recursive(
    VALUES,
    lambda inner: st.builds(
        element, st.sampled_from(NAMES), ATTRIBUTES, st.lists(inner, max_size=6)
    ),
    max_leaves=40,
)


def check(data: bytes) -> None:
    """It is read or refused, with a reason that can be shown."""
    try:
        document = parse_metalink(data, ("de",))
    except ListError as error:
        assert str(error).isprintable()
        return
    assert document.files
    for file in document.files:
        if isinstance(file, BadLine):
            assert file.message.isprintable() and file.line > 0
        else:
            check_file(file)


def check_file(file: MetalinkFile) -> None:
    """What it says can be used as it is."""
    assert 1 <= len(file.mirrors) <= 1 + MAX_MIRRORS
    priorities = [mirror.priority for mirror in file.mirrors]
    assert priorities == sorted(priorities) and priorities[0] >= FIRST and priorities[-1] <= LAST
    job = file.job("out")
    assert all(parse_url(url).scheme in ("http", "https") for url in job.urls)
    path = path_for(parse_url(job.url), name=job.name, naming=Naming.FLAT)
    assert not path.startswith("/") and ".." not in path.split("/")
    assert job.size is None or job.size >= 0
    assert job.checksum is None or checked_checksum(job.checksum) == job.checksum
    if job.pieces is not None:
        assert job.pieces.length > 0
        assert {len(one) for one in job.pieces.sums} <= {DIGITS[job.pieces.kind]}


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    check(data)


@given(st.sampled_from([VERSION_3, VERSION_4]), st.data())
def test_documents_with_other_bytes_in_them(document: bytes, data: st.DataObject) -> None:
    """Cut out, put in, or in place of others, wherever it is."""
    start = data.draw(st.integers(0, len(document)))
    stop = data.draw(st.integers(start, min(len(document), start + 40)))
    put = data.draw(st.binary(max_size=8) | st.sampled_from([b"<", b"]]>", b"&a;", b"<file>"]))
    check(document[:start] + put + document[stop:])


@given(st.sampled_from([VERSION_3, VERSION_4]), st.integers(0, 60), st.integers(0, 60))
def test_documents_with_their_tags_changed(document: bytes, first: int, second: int) -> None:
    """Two of them have changed places: most are no documents then, and some are odd ones."""
    pieces = re.split(rb"(<[^>]+>)", document)
    first, second = first % len(pieces), second % len(pieces)
    pieces[first], pieces[second] = pieces[second], pieces[first]
    check(b"".join(pieces))


@given(
    st.sampled_from(["urn:ietf:params:xml:ns:metalink", "http://www.metalinker.org/"]),
    st.lists(TREES, max_size=8),
)
@example("urn:ietf:params:xml:ns:metalink", ['<file name="x">http://h/a</file>'])
def test_any_elements(namespace: str, inside: list[str]) -> None:
    """In any order and depth."""
    files = [element("file", {"name": "x"}, [*inside, "<url>http://h/a</url>"]), *inside]
    check(f'<metalink xmlns="{namespace}">{"".join(files)}</metalink>'.encode())
    check(f'<metalink xmlns="{namespace}"><files>{"".join(files)}</files></metalink>'.encode())


@given(st.text(st.characters(codec="ascii", exclude_characters="'\0"), max_size=20))
def test_any_encoding(name: str) -> None:
    """Codecs that are no encodings of a text too, of which Python has some."""
    check(f"<?xml version='1.0' encoding='{name}'?>".encode() + VERSION_4.split(b"?>", 1)[1])


def test_every_codec() -> None:
    """By the names that Python knows."""
    from encodings.aliases import aliases

    for name in sorted({*aliases, *aliases.values(), "idna", "punycode", "undefined", "utf_8_sig"}):
        check(f"<?xml version='1.0' encoding='{name}'?>".encode() + VERSION_4.split(b"?>", 1)[1])
