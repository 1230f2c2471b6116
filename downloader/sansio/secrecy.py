"""What is for nobody else, as far as the name of a header or of a URL's parameter tells.

Where something is shown, what may be secret by its name is left out. Where it would go to another
server, only what is known to be no secret does.
"""

from __future__ import annotations

# In names of logins, of keys, and of the signed URLs of today's object stores.
_WORDS = (
    *("token", "sig", "secret", "pass", "pwd", "credential", "auth", "key", "jwt", "hmac"),
    *("session", "code", "cookie"),
)
_PUBLIC_HEADERS = frozenset(
    ("accept", "accept-encoding", "accept-language", "cache-control", "if-modified-since",
     "if-none-match", "if-range", "pragma", "range", "user-agent")
)  # fmt: skip


def is_secret(name: str) -> bool:
    """Whether the value of the header or parameter `name` may be a secret."""
    plain = name.lower()
    return any(word in plain for word in _WORDS)


def is_public(header: str) -> bool:
    """Whether a header of this name says nothing that is meant for one server only."""
    return header.strip().lower() in _PUBLIC_HEADERS
