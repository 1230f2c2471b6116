"""Who may ask a service for something: decided from the head of a request, before anything else.

A page of any site that is open in the user's browser can send requests here. It can send them under
a name of its own that leads to this machine (DNS rebinding, CVE-2018-5702), so the Host is compared
with a list. It cannot hide its Origin, so that is compared too. And it does not know the token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from ipaddress import ip_address

_PORT = re.compile(r":[0-9]{1,5}")
# RFC 6454 §6.2; a browser's extension has a scheme of its own.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252})")
LOCAL = frozenset(("localhost", "localhost.localdomain", "ip6-localhost"))


def host_of(values: Sequence[bytes]) -> str | None:
    """The host that the Host headers name, in lower case, without its port; None for what is no
    host, or not one."""
    if len(values) != 1:
        return None
    text = values[0].decode("latin-1")
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _PORT.fullmatch(port)):
            return None
        return host.lower() if _is_address(host) else None
    host, colon, port = text.partition(":")
    if (colon and not _PORT.fullmatch(colon + port)) or not _NAME.fullmatch(host):
        return None
    return host.lower().removesuffix(".")


def is_host_allowed(host: str | None, allowed: frozenset[str]) -> bool:
    """Whether a request may name this host: an address cannot be rebound, a name can."""
    return host is not None and (host in LOCAL or host in allowed or _is_address(host))


def is_origin_allowed(origin: bytes, host: bytes, secure: bool, allowed: frozenset[str]) -> bool:
    """Whether the page that asks may: one of ours, at the host that is asked, or one of `allowed`.

    `null` is what any page in a sandbox says; it is never one.
    """
    text = origin.decode("latin-1").lower()
    if text == "null":
        return False
    scheme = "https" if secure else "http"
    return text == f"{scheme}://{host.decode('latin-1').lower()}" or text in allowed


def checked_origin(text: str) -> str:
    """`text`, in lower case, if it is what a browser may send as a page's origin. Raises
    ValueError."""
    if not _ORIGIN.fullmatch(text.lower()):
        raise ValueError("an origin is a scheme and a host, such as https://ariang.example")
    return text.lower()


def is_token(given: str | None, token: str) -> bool:
    """Whether it is the token; takes as long whatever is given."""
    return hmac.compare_digest(_digest(given or ""), _digest(token))


def bearer(authorization: bytes | None) -> str | None:
    """The token in an Authorization header (RFC 6750 §2.1)."""
    scheme, _, token = (authorization or b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def basic_password(authorization: bytes | None) -> str | None:
    """The password in an Authorization header (RFC 7617), which senders of logs can give."""
    scheme, _, coded = (authorization or b"").decode("latin-1").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        pair = base64.b64decode(coded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return pair.partition(":")[2]


def media_type(content_type: bytes | None) -> str:
    """The type, without its parameters."""
    return (content_type or b"").decode("latin-1").partition(";")[0].strip().lower()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
