"""Digest: the vectors of the RFCs, and challenges as servers write them."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.digest import answer, find_challenge

RFC_7616 = (
    b'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%b, '
    b'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    b'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
CNONCE = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def answered(challenge: bytes, password: bytes = b"Circle of Life", cnonce: bytes = CNONCE) -> str:
    found = find_challenge([challenge])
    assert found is not None
    return answer(found, b"GET", b"/dir/index.html", b"Mufasa", password, cnonce).decode()


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        (b"MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        (b"SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616(algorithm: bytes, response: str) -> None:
    """§3.9.1."""
    text = answered(RFC_7616 % algorithm)
    assert text == (
        'Digest username="Mufasa", realm="http-auth@example.org", '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html", '
        f'algorithm={algorithm.decode()}, response="{response}", qop=auth, nc=00000001, '
        f'cnonce="{CNONCE.decode()}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )


def test_rfc_2617() -> None:
    """§3.5: no algorithm is MD5."""
    challenge = (
        b'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        b'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    text = answered(challenge, b"Circle Of Life", b"0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in text


def test_rfc_2069() -> None:
    """§2.4 as its errata has it: no quality, and so no count either."""
    challenge = (
        b'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        b'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    text = answered(challenge, b"CircleOfLife")
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in text
    assert "nc=" not in text and "cnonce" not in text


def test_session_and_user_hash() -> None:
    """The session's key holds both nonces; the user is not named in the clear."""
    challenge = b'Digest realm="r", nonce="n", qop=auth, algorithm=SHA-256-sess, userhash=true'
    text = answered(challenge, b"pw", b"c")
    key = sha256(sha256("Mufasa:r:pw") + ":n:c")
    response = sha256(f"{key}:n:00000001:c:auth:" + sha256("GET:/dir/index.html"))
    assert f'username="{sha256("Mufasa:r")}"' in text and "userhash=true" in text
    assert f'response="{response}"' in text and "algorithm=SHA-256-sess" in text


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Basic realm=x",
        b'Digest realm="r", qop="auth"',
        b'Digest realm="r", nonce="n", qop="auth-int"',
        b'Digest realm="r", nonce="n", algorithm=SHA-512-256, qop="auth"',
        b'Digest realm="r", nonce="n", algorithm=crc32',
        b'NotDigest realm="r", nonce="n"',
        b'realm="r", nonce="n"',
        b'Basic realm="Digest nonce=n"',
    ],
)
def test_what_cannot_be_answered(value: bytes) -> None:
    assert find_challenge([value]) is None


@pytest.mark.parametrize(
    "values",
    [
        [b'Digest realm="r", nonce="n", qop="auth"'],
        [b'dIgEsT REALM = "r" , Nonce=n,qop=auth'],
        [b"Basic realm=x", b'Digest realm="r", nonce="n", qop="auth"'],
        [b'Basic realm="a, b", Digest realm="r", nonce="n", qop="auth", Bearer'],
        [b'Negotiate YWJj==, Digest realm="r", nonce="n", qop="AUTH"'],
        [
            b'Digest realm="z", nonce="z", algorithm=SHA-512-256, qop="auth", '
            b'Digest realm="r", nonce="n", algorithm=MD5, qop="auth"'
        ],
    ],
)
def test_challenges_among_others(values: list[bytes]) -> None:
    """The first one that can be answered, wherever it stands."""
    found = find_challenge(values)
    assert found is not None
    assert (found.realm, found.nonce, found.qop) == (b"r", b"n", b"auth")


def test_quotation_marks() -> None:
    """What was escaped is hashed plain, and escaped again when it goes back."""
    text = answered(rb'Digest realm="a\"b\\", nonce="n", qop=auth')
    assert r'realm="a\"b\\"' in text


def test_a_name_that_is_not_ascii() -> None:
    """RFC 7616 §3.4: in the form of RFC 8187."""
    found = find_challenge([b'Digest realm="r", nonce="n", qop=auth'])
    assert found is not None
    text = answer(found, b"GET", b"/", "J\u00e4s\u00f8n Doe".encode(), b"", b"c")
    assert text.startswith(b"Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, ")


@given(st.lists(st.binary(max_size=60), max_size=3), st.binary(max_size=9))
def test_any_challenge_is_answered_in_one_line(values: list[bytes], nonce: bytes) -> None:
    """Or is none. Line ends cannot come in a header, so they are taken out of what is fed."""
    clean = [re.sub(rb"[\r\n]", b"", value) for value in values]
    given_nonce = re.sub(rb'[\r\n"\\]', b"", nonce)
    clean.append(b'Digest realm="r", nonce="%b"' % given_nonce)
    found = find_challenge(clean)
    assert found is not None
    text = answer(found, b"GET", b"/", b"me", b"sesame", b"c")
    assert text.startswith(b"Digest username=") and b"\n" not in text and b"sesame" not in text
