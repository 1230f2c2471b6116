"""Checksum files: what their lines mean, and which line is a file's."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import NoChecksum
from downloader.sansio.checksum import DIGITS, checked_checksum
from downloader.sansio.checksumfile import Checksums, parse_line

ONE, TWO = "1" * 64, "2" * 64


def read(text: str | bytes, **limits: int) -> Checksums:
    return Checksums([text.encode() if isinstance(text, str) else text], **limits)


# --- lines ---------------------------------------------------------------------------------------

LINES = {
    "text": (f"{ONE}  a.iso", "a.iso"),
    "binary": (f"{ONE} *a.iso", "a.iso"),
    "one blank": (f"{ONE} a.iso", "a.iso"),
    "a tab": (f"{ONE}\ta.iso", "a.iso"),
    "indented": (f"  {ONE}  a.iso", "a.iso"),
    "upper case": (f"{'AB' * 32}  a.iso", "a.iso"),
    "CRLF": (f"{ONE}  a.iso\r", "a.iso"),
    "a name with blanks": (f"{ONE}   a  b ", " a  b "),
    "a name with a star": (f"{ONE} **", "*"),
    "a name with parentheses": (f"{ONE}  a (1) = b", "a (1) = b"),
    "a name beyond ASCII": (f"{ONE}  ä/日.iso", "ä/日.iso"),
    "escaped": (f"\\{ONE}  a\\\\b\\nc\\rd", "a\\b\nc\rd"),
    "not escaped": (f"{ONE}  a\\nb", "a\\nb"),
    "here": (f"{ONE}  ./a//b/./c", "a/b/c"),
    "absolute": (f"{ONE}  //a/b", "/a/b"),
    "upwards": (f"{ONE}  ../a", "../a"),
    "BSD": (f"SHA256 (a.iso) = {ONE}", "a.iso"),
    "BSD, escaped": (f"\\SHA256 (a\\nb) = {ONE}", "a\nb"),
    "BSD, with a dash": (f"sha-256 (a.iso) = {ONE}", "a.iso"),
    "BSD, with more parentheses": (f"SHA256 (a) = (b) = {ONE}", "a) = (b"),
    "openssl": (f"SHA2-256(a.iso)= {ONE}", "a.iso"),
}


@pytest.mark.parametrize(("line", "name"), LINES.values(), ids=LINES.keys())
@pytest.mark.parametrize("behind", ["", "\n", f"\n{TWO}  other\n"])
def test_lines(line: str, name: str, behind: str) -> None:
    """One name each, whatever comes behind."""
    checksums = read(line + behind)
    assert (checksums.odd, len(checksums)) == (0, 1 + ("other" in behind))
    (first, checksum), *_ = checksums
    assert first == name and checksum in (f"sha-256={ONE}", f"sha-256={'ab' * 32}")


@pytest.mark.parametrize("kind", DIGITS)
def test_kinds(kind: str) -> None:
    """By the number of digits, or by the tag; a tag that the digits belie is none."""
    digest = "ab" * (DIGITS[kind] // 2)
    tag = kind.upper().replace("-", "")
    for line in (f"{digest}  a", f"{tag} (a) = {digest}", f"{kind.upper()} (a) = {digest}"):
        assert list(read(line)) == [("a", f"{kind}={digest}")]
    other = "MD5" if kind != "md5" else "SHA1"
    assert parse_line(f"{other} (a) = {digest}".encode()) is None


ODD = {
    "no name": ONE,
    "an empty name": f"{ONE}  ",
    "no name but here": f"{ONE}  ./",
    "too few digits": f"{ONE[1:]}  a",
    "an odd number of digits": f"{ONE}1  a",
    "a digit that is none": f"{ONE[1:]}g  a",
    "digits beyond ASCII": f"{'١' * 64}  a",
    "an escape that is none": f"\\{ONE}  a\\t",
    "an escape that is cut": f"\\{ONE}  a\\",
    "another kind": f"SHA3-256 (a) = {ONE}",
    "a size": "SIZE (a) = 1234",
    "base64": "SHA256 (a) = n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
    "a line too long": f"{ONE}  {'a' * 65536}",
    "HTML": "<!DOCTYPE html>",
    "UTF-16": f"{ONE}  a".encode("utf-16").decode("latin-1"),
}


@pytest.mark.parametrize("line", ODD.values(), ids=ODD.keys())
def test_lines_that_are_no_checksums(line: str) -> None:
    """They are counted, and the others count."""
    checksums = read(f"# a comment\n\n{TWO}  b\n{line}\n{line}\n")
    assert (checksums.odd, checksums.first_odd) == (2, 4)
    assert list(checksums) == [("b", f"sha-256={TWO}")]
    assert repr(checksums) == "<Checksums of 1 names>"


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n", f"{ONE}\n", "\0" * 100])
def test_a_text_without_any(text: str) -> None:
    with pytest.raises(ValueError, match="no checksum in it"):
        read(text)


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_texts_come_in_any_pieces(step: int) -> None:
    """And may begin with a mark of their encoding."""
    text = f"\ufeff{ONE}  ä\r\n# 日\r\n\\{TWO}  b\\\\\r\n".encode()
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    assert list(Checksums(pieces)) == [("ä", f"sha-256={ONE}"), ("b\\", f"sha-256={TWO}")]


def test_names_that_are_no_utf_8() -> None:
    """As Python has the names of files."""
    assert [name for name, _ in read(ONE.encode() + b"  a\xff")] == [os.fsdecode(b"a\xff")]


# --- several lines of one name -------------------------------------------------------------------

MD5, OTHER_MD5 = f"MD5 (a) = {'1' * 32}", f"MD5 (a) = {'2' * 32}"


@pytest.mark.parametrize(
    ("lines", "checksum"),
    [
        ([f"{ONE}  a", f"{ONE} *./a"], f"sha-256={ONE}"),
        ([f"{ONE}  a", f"{TWO}  a"], None),
        ([f"{ONE}  a", f"{TWO}  a", f"{ONE}  a"], None),
        ([f"{ONE}  a", MD5], f"sha-256={ONE}"),
        ([MD5, f"{ONE}  a"], f"sha-256={ONE}"),
        ([MD5, OTHER_MD5, f"{ONE}  a"], f"sha-256={ONE}"),
        ([f"{ONE}  a", MD5, OTHER_MD5], f"sha-256={ONE}"),
        ([MD5, OTHER_MD5], None),
    ],
)
def test_several_lines_of_a_name(lines: list[str], checksum: str | None) -> None:
    """The longest kind counts; two of it that differ are a contradiction, in whatever order."""
    checksums = read("\n".join(lines))
    assert list(checksums) == [("a", checksum)]
    if checksum is None:
        with pytest.raises(NoChecksum, match="there are different ones in it for a"):
            checksums.find("a")
    else:
        assert checksums.find("a") == checksum


# --- clear-signed texts --------------------------------------------------------------------------

SIGNED = f"""\
{TWO}  before
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256
{TWO}  among-the-headers

# a comment
- -----BEGIN PGP SIGNATURE-----
- - a list, maybe
{ONE}  a.iso
SHA256 (b.iso) = {ONE}
-----BEGIN PGP SIGNATURE-----
Version: GnuPG v2

{TWO}  in-the-signature
iQIzBAEBCAAdFiEE
-----END PGP SIGNATURE-----
{TWO}  behind
-----BEGIN PGP SIGNED MESSAGE-----

{TWO}  signed-by-another
-----BEGIN PGP SIGNATURE-----
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_clear_signed_text(end: str) -> None:
    """Only what stands where it was signed counts: who looked at the signature saw no more."""
    text = SIGNED.replace("-----\n", "----- \t\n").replace("\n", end)
    assert list(read(text)) == [(name, f"sha-256={ONE}") for name in ("a.iso", "b.iso")]


def test_a_signature_without_a_signed_text() -> None:
    """Is as any other text that tells of no file."""
    checksums = read(f"{ONE}  a\n-----BEGIN PGP SIGNATURE-----\n\niQIz\n{ONE}  b\n")
    assert [name for name, _ in checksums] == ["a", "b"]
    assert checksums.odd == 2


# --- which line is a file's ----------------------------------------------------------------------

TREE = f"""\
{ONE}  top.iso
{"2" * 64}  netboot/mini.iso
{"3" * 64}  gtk/mini.iso
{"4" * 64}  sub/only.iso
{"5" * 64}  .treeinfo
{"6" * 64}  sub/.hidden
{"7" * 64}  /data/far.iso
{"8" * 64}  ../up.iso
"""


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("top.iso", "1"),
        ("host/dir/top.iso", "1"),
        ("netboot/mini.iso", "2"),
        ("host/gtk/mini.iso", "3"),
        ("only.iso", "4"),
        ("elsewhere/only.iso", "4"),
        ("_treeinfo", "5"),
        ("host/_treeinfo", "5"),
        ("_hidden", "6"),
        ("sub/_hidden", "6"),
        ("far.iso", "7"),
        ("up.iso", "8"),
    ],
)
def test_which_line_is_a_files(path: str, first: str) -> None:
    """By its path, the longest end of it, or a last component that no other line has."""
    assert read(TREE).find(path) == f"sha-256={first * 64}"


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("none.iso", "none.iso is not in it"),
        ("TOP.ISO", "TOP.ISO is not in it"),
        ("mini.iso", "several names in it end in mini.iso"),
        ("other/mini.iso", "several names in it end in mini.iso"),
        ("top.iso/below", "top.iso/below is not in it"),
    ],
)
def test_files_without_a_line(path: str, detail: str) -> None:
    with pytest.raises(NoChecksum, match=detail):
        read(TREE).find(path)


# --- bounds --------------------------------------------------------------------------------------


def test_no_more_names_than_there_may_be() -> None:
    """Names, not lines."""
    text = f"{ONE}  a\n{ONE}  b\n{ONE}  a\n"
    assert len(read(text, max_entries=2)) == 2
    with pytest.raises(ValueError, match="more than 1 names"):
        read(text, max_entries=1)


def test_an_endless_text_is_not_read_to_its_end() -> None:
    """Nor kept: a line without an end is let go of as it comes."""
    read_so_far = 0

    def endless() -> Iterator[bytes]:
        nonlocal read_so_far
        while True:
            read_so_far += 1000
            yield b"a" * 1000

    with pytest.raises(ValueError, match="longer than 1,000,000 bytes"):
        Checksums(endless(), max_size=1_000_000)
    assert read_so_far == 1_001_000


@pytest.mark.parametrize("piece", [b"(", b")", b")=", b") = f", b"\\", b" ", b"a(", b"./", b"f"])
def test_long_lines(piece: bytes) -> None:
    """Take time in proportion to their length: the suite's limit would end any other."""
    for form in (b"SHA256 (%b", b"%b", ONE.encode() + b"  %b", b"\\MD5 (%b) = x"):
        line = form % (piece * (60_000 // len(piece)))
        text = b"\n".join([line] * 50)
        names = {name for name, _ in Checksums([text, b"\n", ONE.encode(), b"  z"])}
        assert "z" in names and len(names) <= 2


# --- anything ------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [b"SHA256 (", b") = ", ONE.encode(), TWO.encode(), b"  ", b" *", b"\\", b"\n", b"\r\n", b"#",
     b"-----BEGIN PGP SIGNED MESSAGE-----\n", b"-----BEGIN PGP SIGNATURE-----\n",
     b"-----END PGP SIGNATURE-----\n", b"a", b"./", b"/", b"..", b"\xff", b"\0", b"\xef\xbb\xbf"]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=20), max_size=30))
def test_no_bytes_crash_it(pieces: list[bytes]) -> None:
    """It is read or refused, in pieces as in one."""
    try:
        checksums = Checksums(pieces)
    except ValueError as error:
        assert str(error) == "there is no checksum in it"
        return
    assert list(checksums) == list(Checksums([b"".join(pieces)]))
    for name, _ in checksums:
        assert name and "/./" not in name and "//" not in name
        try:
            assert checked_checksum(checksums.find(name))
        except NoChecksum:
            pass


# --- coreutils -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--binary"], ["--tag"]], ids=str)
@pytest.mark.parametrize("kind", DIGITS)
def test_what_coreutils_writes(tmp_path: Path, kind: str, options: list[str]) -> None:
    """Whatever the names are."""
    names = [b"a.iso", b" a", b"a ", b"*a", b"a\nb", b"\n", b"a\\", b"\\n", b"a\\nb", b"a) = (b",
             b"-", b"--a", b"#a", b"\\", "日".encode(), b"\xff", b"a\rb", b"\r"]  # fmt: skip
    files = {name: bytes([number]) for number, name in enumerate(names)}
    for name, data in files.items():
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(data)
    program = kind.replace("-", "") + "sum"
    command = [program.encode(), *map(str.encode, options), *(b"./" + name for name in names)]
    written = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout
    algorithm = kind.replace("-", "")
    assert dict(read(written)) == {
        os.fsdecode(name): f"{kind}={hashlib.new(algorithm, data).hexdigest()}"
        for name, data in files.items()
    }
