"""What may be secret, by its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.secrecy import is_public, is_secret


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "proxy-authorization", "COOKIE", "Cookie2", "X-Api-Key", "apikey"),
        *("X-Auth-Token", "PRIVATE-TOKEN", "X-Client-Secret", "x-password", "X-Amz-Signature"),
    ],
)
def test_secret(name: str) -> None:
    assert is_secret(name) and not is_public(name)


@pytest.mark.parametrize("name", ["Accept", " accept-language ", "User-Agent", "RANGE"])
def test_public(name: str) -> None:
    assert is_public(name) and not is_secret(name)


@given(st.text())
def test_nothing_is_both(name: str) -> None:
    """What is neither is shown to who asks for it, and goes to no other server."""
    assert not (is_public(name) and is_secret(name))
