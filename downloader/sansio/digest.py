"""HTTP's Digest scheme: a challenge read, and answered without the password (RFC 7616).

SHA-256 and MD5, with `-sess`, and the quality `auth` or none (RFC 2069). `auth-int` is left out:
nobody asks for it. Each answer is for a challenge of its own, so its nonce count is always 1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

_HASHES = {b"md5": "md5", b"sha-256": "sha256"}
# A name, alone where a scheme begins, or with its value.
_PART = re.compile(
    rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+)"
    rb'(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^ \t,"]*)))?'
)
_COUNT = b"00000001"


class Challenge(NamedTuple):
    """What the server asked. `qop` is `auth`, or empty where the server knows none."""

    realm: bytes
    nonce: bytes
    opaque: bytes | None
    algorithm: bytes
    qop: bytes
    userhash: bool


def find_challenge(values: Iterable[bytes]) -> Challenge | None:
    """The first Digest challenge in the WWW-Authenticate headers `values` that can be answered:
    servers put first what they like best."""
    for value in values:
        for scheme, fields in _schemes(value):
            if scheme == b"digest" and (challenge := _challenge(fields)) is not None:
                return challenge
    return None


def answer(
    challenge: Challenge, method: bytes, target: bytes, user: bytes, password: bytes, cnonce: bytes
) -> bytes:
    """The Authorization header for a request of `method` to `target`, its path and query.

    `cnonce` is random, in hexadecimal.
    """
    name, session, _ = challenge.algorithm.lower().partition(b"-sess")
    realm, nonce, qop = challenge.realm, challenge.nonce, challenge.qop

    def digest(*parts: bytes) -> bytes:
        # An MD5 that is only there because a server wants it is no use for security.
        found = hashlib.new(_HASHES[name], b":".join(parts), usedforsecurity=False)
        return found.hexdigest().encode("ascii")

    secret = digest(user, realm, password)
    if session:
        secret = digest(secret, nonce, cnonce)
    asked = digest(method, target)
    middle = (_COUNT, cnonce, qop) if qop else ()
    fields = [
        _username(digest(user, realm) if challenge.userhash else user),
        b"realm=" + _quoted(realm),
        b"nonce=" + _quoted(nonce),
        b"uri=" + _quoted(target),
        b"algorithm=" + challenge.algorithm,
        b"response=" + _quoted(digest(secret, nonce, *middle, asked)),
    ]
    if qop:
        fields.append(b"qop=%b, nc=%b" % (qop, _COUNT))
    if qop or session:
        fields.append(b"cnonce=" + _quoted(cnonce))
    if challenge.opaque is not None:
        fields.append(b"opaque=" + _quoted(challenge.opaque))
    if challenge.userhash:
        fields.append(b"userhash=true")
    return b"Digest " + b", ".join(fields)


def _schemes(value: bytes) -> list[tuple[bytes, dict[bytes, bytes]]]:
    found: list[tuple[bytes, dict[bytes, bytes]]] = []
    for match in _PART.finditer(value):
        name, quoted, bare = match[1].lower(), match[2], match[3]
        if quoted is None and bare is None:
            found.append((name, {}))
        elif found:
            text = bare if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted)
            found[-1][1].setdefault(name, text)
    return found


def _challenge(fields: dict[bytes, bytes]) -> Challenge | None:
    algorithm = fields.get(b"algorithm", b"MD5")
    qops = [one.strip().lower() for one in fields.get(b"qop", b"").split(b",")]
    known = algorithm.lower().removesuffix(b"-sess") in _HASHES
    if not known or b"nonce" not in fields or not ({b"auth", b""} & set(qops)):
        return None
    return Challenge(
        fields.get(b"realm", b""),
        fields[b"nonce"],
        fields.get(b"opaque"),
        algorithm,
        b"auth" if b"auth" in qops else b"",
        fields.get(b"userhash", b"").lower() == b"true",
    )


def _username(name: bytes) -> bytes:
    """In the form for names that are not ASCII where it has to be (RFC 8187)."""
    if name.isascii():
        return b"username=" + _quoted(name)
    return b"username*=UTF-8''" + quote(name, safe="").encode("ascii")


def _quoted(text: bytes) -> bytes:
    return b'"%b"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
