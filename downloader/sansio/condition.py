"""Asking for a file only if it is another by now (RFC 9110 §13)."""

from __future__ import annotations

NOT_MODIFIED = 304


def condition(etag: str | None, last_modified: str | None) -> tuple[str, str] | None:
    """The header that asks for no answer but another version than the one with these validators;
    None where there are none that can be sent.

    An ETag is the better one (§13.1.3). A weak one will do, since nothing is put together here: the
    server's word is that nobody would notice the difference (§8.8.1).
    """
    if _can_be_sent(etag):
        return "If-None-Match", str(etag)
    if _can_be_sent(last_modified):
        return "If-Modified-Since", str(last_modified)
    return None


def _can_be_sent(validator: str | None) -> bool:
    """Servers say all sorts of things; `*` as an ETag would be any version."""
    return (
        bool(validator)
        and str(validator).isascii()
        and str(validator).isprintable()
        and (validator != "*")
    )
