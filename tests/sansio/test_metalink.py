"""Metalink documents: what is taken from them, and what is refused."""

from __future__ import annotations

import pytest
from support.metalinks import SHA256, VERSION_3, VERSION_4, meta4, one_file

from downloader.errors import ListError
from downloader.jobs import Job, Pieces
from downloader.sansio.metalink import MAX_DOCUMENT, MAX_FILES, Metalink, parse_metalink
from downloader.sansio.metalinkfile import MetalinkFile
from downloader.sansio.mirrors import LAST, Mirror

URL = "http://one.example/a"


def only(document: Metalink) -> MetalinkFile:
    """The only file, which is a good one."""
    (file,) = document.files
    assert isinstance(file, MetalinkFile)
    return file


# --- whole documents -------------------------------------------------------------------------


def test_version_4() -> None:
    """Everything in it, by priority, the strongest checksums, and in lower case."""
    document = parse_metalink(VERSION_4)
    assert document.files == (
        MetalinkFile(
            "pool/example.iso",
            (
                Mirror("https://de.example/example.iso", 10, "de"),
                Mirror("http://fr.example/a?b=1&c=2", 10, "fr"),
                Mirror("http://us.example/example.iso", 20, "us"),
                Mirror("http://last.example/example.iso", LAST),
            ),
            5,
            f"sha-256={SHA256}",
            Pieces("sha-1", 3, ("a" * 40, "b" * 40)),
            6,
        ),
        MetalinkFile("notes.txt", (Mirror("http://one.example/notes.txt"),), line=30),
    )
    assert document.remarks == (
        "1 URL is left out: neither http nor https (FTP and torrents are not fetched)",
    )


def test_version_3() -> None:
    """Of what a mirror manager writes; what is in its own namespace is not the file."""
    document = parse_metalink(VERSION_3)
    assert only(document) == MetalinkFile(
        "repomd.xml",
        (
            Mirror("https://us.example/r", 1, "us"),
            Mirror("http://de.example/r", 2, "de"),
            Mirror("http://next.example/r", 101),
            Mirror("http://last.example/r", LAST),
        ),
        5,
        f"sha-256={SHA256}",
        Pieces("sha-1", 3, ("a" * 40, "b" * 40)),
        5,
    )
    assert document.remarks == (
        "2 URLs are left out: neither http nor https (FTP and torrents are not fetched)",
    )


def test_a_location_is_preferred_among_equals() -> None:
    """And not before those of a better priority."""
    file = parse_metalink(VERSION_4, ("us", "fr")).files[0]
    assert isinstance(file, MetalinkFile)
    assert [mirror.location for mirror in file.mirrors] == ["fr", "de", "us", None]


def test_the_job_of_a_file() -> None:
    """With all that is known, and the caller's directory and headers."""
    file = only(parse_metalink(VERSION_3))
    assert file.job("out", [("X-One", "1")]) == Job(
        "https://us.example/r",
        "out",
        "repomd.xml",
        ("http://de.example/r", "http://next.example/r", "http://last.example/r"),
        (("X-One", "1"),),
        f"sha-256={SHA256}",
        5,
        size=5,
        pieces=Pieces("sha-1", 3, ("a" * 40, "b" * 40)),
    )


def test_a_prefix_of_the_namespace() -> None:
    """Is as good as none."""
    text = VERSION_4.decode().replace("xmlns=", "xmlns:m=")
    text = text.replace("</", "\0").replace("<!", "\1").replace("<?", "\2").replace("<", "<m:")
    prefixed = text.replace("\0", "</m:").replace("\1", "<!").replace("\2", "<?").encode()
    assert parse_metalink(prefixed) == parse_metalink(VERSION_4)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "ascii"])
def test_encodings(encoding: str) -> None:
    """A document may say its own."""
    text = VERSION_4.decode().replace('"UTF-8"', f'"{encoding.removesuffix("-sig")}"')
    assert parse_metalink(text.encode(encoding)) == parse_metalink(VERSION_4)


def test_elements_in_other_places_are_nothing() -> None:
    """Nor are those in another namespace."""
    other = f'<x xmlns="urn:other"><size>7</size><url>{URL}/1</url></x>'
    other += '<size xmlns="urn:other">7</size><size xmlns="">7</size>'
    deeper = f"<os><size>8</size></os><resources><url>{URL}/2</url></resources>"
    (file,) = parse_metalink(meta4(one_file("a", URL, inside=other + deeper))).files
    assert file == MetalinkFile("a", (Mirror(URL),), line=2)


# --- what is no document ---------------------------------------------------------------------

LAUGHS = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
DOCTYPES = {
    "a DTD": "<!DOCTYPE metalink>",
    "a DTD from elsewhere": '<!DOCTYPE metalink SYSTEM "http://127.0.0.1:9/m.dtd">',
    "a DTD from a file": '<!DOCTYPE metalink SYSTEM "file:///dev/zero">',
    "laughs": f'<!DOCTYPE metalink [<!ENTITY a0 "ha">{LAUGHS}]>',
    "one long entity": f'<!DOCTYPE metalink [<!ENTITY a9 "{"ha" * 50_000}">]>',
    "an external entity": '<!DOCTYPE metalink [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>',
    "an entity over http": '<!DOCTYPE metalink [<!ENTITY a9 SYSTEM "http://127.0.0.1:9/">]>',
    "a parameter entity": '<!DOCTYPE metalink [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
    "an unparsed entity": '<!DOCTYPE metalink [<!ENTITY a9 SYSTEM "a" NDATA b>]>',
    "an attribute's default": '<!DOCTYPE metalink [<!ATTLIST file name CDATA "x">]>',
}


@pytest.mark.parametrize("doctype", DOCTYPES.values(), ids=DOCTYPES.keys())
@pytest.mark.parametrize("used", ["&a9;", ""])
def test_nothing_is_declared(doctype: str, used: str) -> None:
    """No entity is expanded and nothing is read from elsewhere: the document is refused first."""
    document = f"{doctype}{meta4(one_file('a', URL, inside=f'<size>{used}</size>')).decode()}"
    with pytest.raises(ListError, match="DTD"):
        parse_metalink(document.encode())


NO_DOCUMENTS = {
    "nothing": (b"", "not well-formed"),
    "text": (b"http://one.example/a\n", "not well-formed"),
    "its beginning": (VERSION_4[:-20], "not well-formed"),
    "two of them": (VERSION_4 + VERSION_4, "not well-formed"),
    "an entity that nobody declared": (meta4("&a;"), "not well-formed"),
    "other XML": (b"<metalink><file name='a'/></metalink>", "no Metalink document"),
    "another element": (VERSION_4.replace(b"metalink", b"links"), "no Metalink document"),
    "no files": (meta4(), "without a file"),
    "files of the other version": (meta4("<files>", "</files>"), "without a file"),
    "no such encoding": (b"<?xml version='1.0' encoding='nope'?><a/>", "not well-formed"),
    "no text encoding": (b"<?xml version='1.0' encoding='base64'?><a/>", "not well-formed"),
    "wide letters": (b"<?xml version='1.0' encoding='shift_jis'?><a/>", "not well-formed"),
    "no UTF-8": (VERSION_4.replace(b"Example", b"\xff"), "not well-formed"),
    "a NUL": (VERSION_4.replace(b"Example", b"\0"), "not well-formed"),
    "a control": (VERSION_4.replace(b"Example", b"&#27;"), "not well-formed"),
}


@pytest.mark.parametrize(("data", "why"), NO_DOCUMENTS.values(), ids=NO_DOCUMENTS.keys())
def test_no_document(data: bytes, why: str) -> None:
    with pytest.raises(ListError, match=why):
        parse_metalink(data)


def test_the_longest_document() -> None:
    """One byte more is too much, whatever it is."""
    padded = VERSION_4 + b" " * (MAX_DOCUMENT - len(VERSION_4))
    assert parse_metalink(padded) == parse_metalink(VERSION_4)
    with pytest.raises(ListError, match="longer than 16,777,216 bytes"):
        parse_metalink(padded + b" ")


def test_the_most_files() -> None:
    """One more is too many, and an empty one counts too."""
    most = meta4("<file/>" * (MAX_FILES - 1), one_file("a", URL))
    assert len(parse_metalink(most).files) == MAX_FILES
    with pytest.raises(ListError, match="more than 100,000 files"):
        parse_metalink(most.replace(b"</metalink>", b"<file/></metalink>"))


HOSTILE = {
    "deep": b"<file>" * 2_000_000,
    "wide": b"<file name='a'>" + b"<a/>" * 3_000_000,
    "many names": b"<file name='a'>" + b"".join(b"<a%x/>" % n for n in range(1_000_000)),
    "attributes": b"<file " + b" ".join(b"a%x=''" % n for n in range(1_000_000)),
    "one name": b"<" + b"a" * 12_000_000,
    "one text": b"<file name='a'><size>" + b"5" * 12_000_000,
    "pieces": b"<file name='a'>" + b"<pieces>" * 1_500_000,
    "comments": b"<!---->" * 2_000_000,
}


@pytest.mark.parametrize("inside", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_document_may_be_full_of(inside: bytes) -> None:
    """It is read to its end, in time that is in proportion."""
    with pytest.raises(ListError, match="not well-formed"):
        parse_metalink(meta4().replace(b"</metalink>", inside))
