"""Who a .netrc file says we are, and to whom; and that no error quotes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.netrc import parse_netrc

ONE = "machine h.test login me password pw"


def found(text: str, host: str = "h.test", user: str | None = None) -> tuple[str, str] | None:
    credentials = parse_netrc(text).find(host, user)
    return None if credentials is None else (credentials.user, credentials.password)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ONE, ("me", "pw")),
        ("machine\nh.test\n\tlogin me\r\n password pw\n", ("me", "pw")),
        ("\ufeff" + ONE, ("me", "pw")),
        ("machine H.Test password pw login me", ("me", "pw")),
        ("machine h.test user me account x password pw", ("me", "pw")),
        ("# machine h.test login no password no\n" + ONE, ("me", "pw")),
        ("machine h.test login me # the admin's password no\n password pw", ("me", "pw")),
        ("machine h.test login me password #pw", ("me", "#pw")),
        ('machine h.test login "m e" password "a \\"b\\" \\\\ c"', ("m e", 'a "b" \\ c')),
        ("machine h.test login me password a\\b\"c", ("me", 'a\\b"c')),
        ("machine h.test login me", ("me", "")),
        ("machine h.test password pw", None),
        ("machine h.test", None),
        ("", None),
        ("machine other.test login no password no", None),
        ("default login any password pw", ("any", "pw")),
        ("default login any password no " + ONE, ("me", "pw")),
        (ONE + " default login any password no", ("me", "pw")),
        # an entry that says nothing does not fall through to the default one
        ("machine h.test default login any password no", None),
        (ONE + " machine h.test login two password no", ("me", "pw")),
        ("macdef init\nmachine h.test login no password no\n\n" + ONE, ("me", "pw")),
        (ONE + "\nmacdef init\n cd /pub", ("me", "pw")),
        ("machine xh.test login no password no machine h login no password no", None),
    ],
)  # fmt: skip
def test_entries(text: str, expected: tuple[str, str] | None) -> None:
    """As curl reads them."""
    assert found(text) == expected


def test_one_of_several_users() -> None:
    """The one who is asked for, and nobody else in his place."""
    text = ONE + " machine h.test login two password pw2 default login three password pw3"
    assert found(text, user="two") == ("two", "pw2")
    assert found(text, user="three") is None
    assert found(text, "other.test", "three") == ("three", "pw3")


def test_hosts_are_whole() -> None:
    """Neither a part of a name, nor a name with a dot behind it, nor what stood before an @."""
    for host in ("xh.test", "h.test.", "test", "h.test.evil", "a.com", ""):
        assert found(ONE + " machine a.com:@evil login no password no", host) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("sesame", 1),
        ("login sesame", 1),
        (ONE + "\n sesame 2", 2),
        ("machine h.test\nlogin me\npassword", 3),
        ("machine", 1),
        ('machine h.test password "sesame', 1),
        ('machine h.test password "ses"ame login me', 1),
        ('machine h.test login a:b password "sesame"', 1),
        ('machine h.test login me password "ses\\name"\nmachine x', 2),
    ],
)
def test_what_is_no_netrc(text: str, line: int) -> None:
    """Told by its line, and never by its words: they may be a password."""
    with pytest.raises(ValueError, match=f"^line {line}: ") as caught:
        parse_netrc(text)
    assert "sesame" not in str(caught.value) and "ses" not in str(caught.value)


WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)


def quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.dictionaries(st.from_regex(r"[a-z0-9.-]+", fullmatch=True), WORDS, max_size=4))
def test_what_is_written_is_read(passwords: dict[str, str]) -> None:
    """Whatever the password."""
    text = "\n".join(
        f"machine {host} login me password {quoted(word)}" for host, word in passwords.items()
    )
    netrc = parse_netrc(text)
    for host, word in passwords.items():
        assert netrc.find(host) is not None
        assert found(text, host) == ("me", word)
    assert netrc.find("not.there~") is None


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """With ValueError and nothing else."""
    try:
        parse_netrc(text)
    except ValueError as error:
        assert str(error).startswith("line ")


def test_nothing_is_shown() -> None:
    netrc = parse_netrc(ONE.replace("pw", "sesame"))
    assert "sesame" not in f"{netrc!r} {netrc.find('h.test')!r}"
