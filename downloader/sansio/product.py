"""How the program names itself to servers (RFC 9110 §10.1.5, RFC 9309 §2.2.1)."""

from __future__ import annotations

import re

# What robots.txt calls us.
TOKEN = "downloader"
# Visible ASCII without what ends a comment in a header, or begins another (RFC 9110 §5.6.5).
_CONTACT = re.compile(r"(?:https?://|[^@:/]+@)[!-'*-\[\]-~]{1,250}")
_VISIBLE = re.compile(r"[!-'*-\[\]-~]+")


def user_agent(version: str, contact: str | None = None) -> str:
    """The User-Agent, with `contact` for whoever runs the server. ValueError for what is none."""
    name = f"{TOKEN}/{version}"
    return name if contact is None else f"{name} (+{checked_contact(contact)})"


def checked_contact(text: str) -> str:
    """`text`, if it is an http URL or a mail address that fits into a comment; else ValueError."""
    if not _VISIBLE.fullmatch(text):
        raise ValueError(
            "a contact is written in visible ASCII, without blanks, brackets or backslashes"
        )
    if not _CONTACT.fullmatch(text):
        raise ValueError(f"{text!r} is neither an http URL nor a mail address")
    return text
