"""How the program names itself, and whom to write to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.product import TOKEN, checked_contact, user_agent


def test_a_name_and_a_contact() -> None:
    assert user_agent("1.2") == "downloader/1.2"
    assert user_agent("1.2", "me@example.org") == "downloader/1.2 (+me@example.org)"
    assert user_agent("1.2").startswith(f"{TOKEN}/")


@pytest.mark.parametrize(
    "text",
    ["me@example.org", "https://example.org/bot?x=1&y=%20#who", "http://[::1]/", "a.b+c@h",
     "https://example.org/" + "x" * 200],
)  # fmt: skip
def test_a_contact(text: str) -> None:
    assert checked_contact(text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "visible ASCII"),
        (" me@example.org", "visible ASCII"),
        ("me@example.org (me)", "visible ASCII"),
        ("https://example.org/(a)", "visible ASCII"),
        ("https://example.org/\\", "visible ASCII"),
        ("me@exämple.org", "visible ASCII"),
        ("me@example.org\r\nX: y", "visible ASCII"),
        ("me@example.org\n", "visible ASCII"),
        ("me", "neither"),
        ("@example.org", "neither"),
        ("me@", "neither"),
        ("ftp://example.org/", "neither"),
        ("https://", "neither"),
        ("example.org/bot", "neither"),
        ("https://example.org/" + "x" * 250, "neither"),
    ],
)
def test_what_is_no_contact(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        checked_contact(text)


@given(st.text())
def test_nothing_leaves_its_comment_or_its_header(text: str) -> None:
    try:
        name = user_agent("1", text)
    except ValueError:
        return
    assert name.isascii() and name.isprintable() and " " not in text
    assert (name.count("("), name.count(")")) == (1, 1) and "\\" not in name
