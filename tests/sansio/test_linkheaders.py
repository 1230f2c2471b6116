"""Mirrors, documents and checksums that an answer's headers tell of."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5, sha1, sha256, sha512

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.checksum import checked_checksum
from downloader.sansio.linkheaders import mirrors_of, told_checksum
from downloader.sansio.url import parse_url

BASE = parse_url("http://one.example/dir/a.iso")
TWO = "http://two.example/a"


def links(*values: str) -> list[str]:
    return mirrors_of(values, BASE)


# --- Link ------------------------------------------------------------------------------------


def test_the_example_of_rfc_6249() -> None:
    """With mirrors by FTP and a torrent, which are left out."""
    found = links(
        "<http://www2.example.com/example.ext>; rel=duplicate; pri=1; pref",
        "<ftp://ftp.example.com/example.ext>; rel=duplicate; pri=2; geo=gb; depth=1",
        "<http://example.com/example.ext.torrent>; rel=describedby; "
        'type="application/x-bittorrent"; name="differentname.ext"',
        '<http://example.com/example.ext.meta4>; rel=describedby; type="application/metalink4+xml"',
        '<http://example.com/example.ext.asc>; rel=describedby; type="application/pgp-signature"',
        "<http://de.example.com/example.ext>; rel=duplicate; geo=de",
    )
    assert found == ["http://www2.example.com/example.ext", "http://de.example.com/example.ext"]


@pytest.mark.parametrize(
    "value",
    [
        "<http://two.example/a>; rel=duplicate",
        "<http://two.example/a>;rel=duplicate",
        "<http://two.example/a> ; rel = duplicate",
        '<http://two.example/a>; REL="Duplicate"',
        '<http://two.example/a>; rel="mirror duplicate x"',
        "< http://two.example/a >; rel=duplicate",
        "<//two.example/a>; rel=duplicate",
        "<http://two.example/a>; ; ; rel=duplicate;",
        "<http://two.example/a>; rel=duplicate; rel=next",
        '<http://two.example/a>; title="a, b; rel=next"; rel=duplicate',
        '<http://two.example/a>; title="\\", <x>"; rel=duplicate',
        "<http://two.example/a>; title*=UTF-8'en'x%20; rel=duplicate",
        ", ,<http://two.example/a>; rel=duplicate,",
        "<http://user:pw@two.example/a#part>; rel=duplicate",
    ],
)
def test_one_mirror(value: str) -> None:
    """However it is written; secrets and a fragment are no part of it."""
    assert links(value) == [TWO]


@pytest.mark.parametrize(
    "bad",
    [
        *("", "x", "<", ">", "<>", "<a", '"', ";", "=", "<http://x/> rel", "rel=duplicate"),
        "<http://x.example/>",
        "<http://x.example/>; rel",
        "<http://x.example/>; rel=",
        "<http://x.example/>; rel=next",
        "<http://x.example/>; rel=duplicates",
        "<http://x.example/>; rel=next; rel=duplicate",
        '<http://x.example/>; anchor="#part"; rel=duplicate',
        "<http://x.example/>; rel=describedby",
        "<http://x.example/>; rel=describedby; type=text/html",
        "<ftp://x.example/>; rel=duplicate",
        "<javascript:1>; rel=duplicate",
        "<http://x.example:0/>; rel=duplicate",
        "<http://x example/>; rel=duplicate",
        "<http://x..example/>; rel=duplicate",
        "<\x80\xff>; rel=alternate",
        'http://x.example/; rel="duplicate"',
    ],
)
def test_what_is_none_is_left_out(bad: str) -> None:
    """And the others are read all the same, in its header too unless it opens quotes."""
    good = "<http://two.example/a>; rel=duplicate"
    assert links(bad, good) == links(good, bad) == [TWO]
    assert links(f"{good}, {bad}") == [TWO]
    if '"' not in bad and "<a" not in bad:
        assert links(f"{bad}, {good}") == [TWO]


def test_relative_to_the_answers_own_url() -> None:
    found = links("<b.iso>; rel=duplicate, </c?d>; rel=duplicate")
    assert found == ["http://one.example/dir/b.iso", "http://one.example/c?d"]


def test_what_came_in_secret_is_asked_for_in_secret() -> None:
    """No mirror by http of an answer by https."""
    value = "<http://h/a>; rel=duplicate, <https://h/b>; rel=duplicate, <//h/c>; rel=duplicate"
    assert mirrors_of([value], parse_url("https://one.example/")) == ["https://h/b", "https://h/c"]
    assert links(value) == ["http://h/a", "https://h/b", "http://h/c"]


def test_the_order_of_mirrors() -> None:
    """By priority; what is none comes last."""
    value = ", ".join(
        f"<http://{host}.example/>; rel=duplicate; pri={pri}"
        for host, pri in (("us", 2), ("de", 1), ("fr", 1), ("it", "0"), ("gb", '"3"'))
    )
    assert links(value) == [f"http://{host}.example/" for host in ("de", "fr", "us", "gb", "it")]


def test_at_most_ten() -> None:
    """The best of the first hundred."""
    value = [f"<http://h/{n}>; rel=duplicate; pri={999 - n}" for n in range(300)]
    assert links(*value) == [f"http://h/{n}" for n in range(99, 89, -1)]


FORMS = {
    "quotes that do not end": ("<http://h/>; title={}", '"\\"'),
    "escapes": ('<http://h/>; title="{}', "\\"),
    "brackets": ("{}", "<"),
    "more brackets": ("{}", "<a"),
    "pairs": ("{}", "<>"),
    "commas": ("{}", ","),
    "semicolons": ("<http://h/>{}", ";"),
    "semicolons and blanks": ("<http://h/>{}", "; "),
    "blanks": ("<http://h/>;{}", " "),
    "names": ("<http://h/>;{}", "a"),
    "names and blanks": ("<http://h/>;{}", ";a  "),
    "equal signs": ("<http://h/>;a{}", "="),
    "relations": ("<http://h/>; rel='{}'", "duplicate "),
    "URLs": ("{}", "<http://h/>; rel=duplicate,"),
    "digests": ("{}", "sha-256=::,"),
    "colons": ("sha-256={}", ":"),
    "signs": ("sha-256=:{}", "="),
}


@pytest.mark.parametrize(("form", "piece"), FORMS.values(), ids=FORMS.keys())
def test_long_headers(form: str, piece: str) -> None:
    """In time that is in proportion to their length, of which no more than 64 KiB is read."""
    value = form.format(piece * (900_000 // len(piece)))
    assert len(links(value, value, value)) <= 1
    assert told_checksum(lambda name: [value] * 3) is None


@given(st.lists(st.text(st.characters(codec="latin-1"), max_size=60), max_size=4))
def test_any_headers(values: list[str]) -> None:
    """Nothing that a server says is a surprise."""
    assert links(*values) == []
    assert told_checksum(lambda name: values) is None


PARTS = st.sampled_from(
    [
        *(
            "<http://h/",
            ">",
            "; ",
            "rel",
            "=",
            "duplicate",
            "describedby",
            '"',
            "\\",
            ",",
            " ",
            "a",
        ),
        *(
            "pri=1",
            "geo=de",
            "type=application/metalink4+xml",
            "anchor=",
            "//h",
            "<",
            "sha-256",
            ":",
        ),
    ]
)


@given(st.lists(PARTS, max_size=30).map("".join))
def test_any_parts_of_headers(value: str) -> None:
    """What comes out is sound."""
    assert all(map(parse_url, links(value)))


# --- Repr-Digest and Digest ------------------------------------------------------------------

DATA = b"hello"
SHA_256 = b64encode(sha256(DATA).digest()).decode()
SHA_512 = b64encode(sha512(DATA).digest()).decode()
SHA_1 = b64encode(sha1(DATA).digest()).decode()
MD_5 = b64encode(md5(DATA).digest()).decode()
OTHER = b64encode(sha256(b"other").digest()).decode()
HEX_256 = f"sha-256={sha256(DATA).hexdigest()}"
HEX_512 = f"sha-512={sha512(DATA).hexdigest()}"


def told(**headers: str | list[str]) -> str | None:
    """The checksum that headers tell; `_` in a name is "-"."""
    values = {
        name.replace("_", "-"): [value] if isinstance(value, str) else value
        for name, value in headers.items()
    }
    return told_checksum(lambda name: values.get(name, []))


@pytest.mark.parametrize(
    ("value", "checksum"),
    [
        (f"sha-256=:{SHA_256}:", HEX_256),
        (f"sha-512=:{SHA_512}:", HEX_512),
        (f"sha=:{SHA_1}:", f"sha-1={sha1(DATA).hexdigest()}"),
        (f"md5=:{MD_5}:", f"md5={md5(DATA).hexdigest()}"),
        (f"sha-256=:{SHA_256}:, sha-512=:{SHA_512}:", HEX_512),
        (f"unixsum=:AAAA:,sha-256=:{SHA_256}: , crc32c=:AAAAAA==:", HEX_256),
        (f"  sha-256=:{SHA_256}:;a=1;b", HEX_256),
        (f"sha-256=:{SHA_256.rstrip('=')}:", HEX_256),
        (f"x, sha-256=:{SHA_256}:, =", HEX_256),
        ([f"md5=:{MD_5}:", f"sha-256=:{SHA_256}:"], HEX_256),
        ([f"sha-256=:{SHA_256}:"] * 2, HEX_256),
    ],
)
def test_repr_digest(value: str | list[str], checksum: str) -> None:
    """The strongest that is known, in our form."""
    assert told(repr_digest=value) == checksum


@pytest.mark.parametrize(
    ("value", "checksum"),
    [
        (f"SHA-256={SHA_256}", HEX_256),
        (f"sha-256={SHA_256}", HEX_256),
        (f"SHA-512={SHA_512},SHA-256={SHA_256}", HEX_512),
        (f"MD5={MD_5}, UNIXsum=30637", f"md5={md5(DATA).hexdigest()}"),
        (f"SHA={SHA_1}", f"sha-1={sha1(DATA).hexdigest()}"),
        (f"id-sha-256={OTHER},SHA-256={SHA_256}", HEX_256),
    ],
)
def test_digest(value: str, checksum: str) -> None:
    """The older header too."""
    assert told(digest=value) == checksum


def test_one_that_is_told_twice_and_differently() -> None:
    """Is not told, and another may be."""
    assert told(repr_digest=f"sha-256=:{SHA_256}:, sha-256=:{OTHER}:") is None
    assert told(repr_digest=f"sha-256=:{SHA_256}:", digest=f"SHA-256={OTHER}") is None
    both = f"sha-512=:{SHA_512}:, sha-256=:{SHA_256}:"
    assert told(repr_digest=both, digest=f"SHA-256={OTHER}") == HEX_512


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"repr_digest": ""},
        {"repr_digest": f"SHA-256=:{SHA_256}"},
        {"repr_digest": f"sha-256={SHA_256}"},
        {"repr_digest": f'sha-256="{SHA_256}"'},
        {"repr_digest": f"sha-256=:{SHA_256[:-4]}:"},
        {"repr_digest": f"sha-256=:{SHA_256}AAAA:"},
        {"repr_digest": f"sha-256=:{SHA_512}:"},
        {"repr_digest": f"sha-256=:{SHA_256}: x"},
        {"repr_digest": f"sha-256=: {SHA_256}:"},
        {"repr_digest": f"sha-256=:{'-' * 43}=:"},
        {"repr_digest": "sha-256=:A:"},
        {"repr_digest": "sha-256=::"},
        {"repr_digest": f'a="sha-256=:{SHA_256}:"'},
        {"repr_digest": f"id-sha-256=:{SHA_256}:"},
        {"digest": f"SHA-256=:{SHA_256}:"},
        {"digest": f"SHA-256={sha256(DATA).hexdigest()}"},
        {"digest": "SHA-256"},
        {"digest": "UNIXsum=30637"},
        {"content_md5": MD_5},
        {"content_digest": f"sha-256=:{SHA_256}:"},
        {"want_repr_digest": "sha-256=1"},
    ],
)
def test_what_tells_no_checksum(headers: dict[str, str]) -> None:
    """Malformed, of another kind, or of one body only."""
    assert told(**headers) is None


@given(st.sampled_from(["sha-256", "sha-512", "sha", "md5"]), st.binary(max_size=70))
def test_any_digest(kind: str, digest: bytes) -> None:
    """It is told in the form that is compared, or not at all."""
    found = told(repr_digest=f"{kind}=:{b64encode(digest).decode()}:")
    if found is not None:
        assert checked_checksum(found) == found
        assert found.endswith(f"={digest.hex()}")
