"""What proves to a server who asks, as the Authorization header says it.

Their `repr` shows none of it, and neither does an error of theirs.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A user and a password, for HTTP's Basic (RFC 7617) or Digest scheme.

    `url` is any URL of the server that they are for; None is the server of the first job.
    Raises ValueError for what no server could read.
    """

    user: str
    password: str
    url: str | None = None

    def __post_init__(self) -> None:
        if ":" in self.user:
            raise ValueError("a user's name holds no colon")
        if _CONTROL.search(self.user + self.password):
            raise ValueError("the user or the password holds a control character")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @property
    def authorization(self) -> str:
        """The Authorization header of the Basic scheme."""
        return basic(f"{self.user}:{self.password}".encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, slots=True, repr=False)
class Bearer:
    """A token that admits whoever bears it (RFC 6750).

    `url` is any URL of the server that it is for; None is the server of the first job.
    Raises ValueError for what is no token.
    """

    token: str
    url: str | None = None

    def __post_init__(self) -> None:
        if not _TOKEN68.fullmatch(self.token):
            raise ValueError("a token holds letters, digits and -._~+/= only")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @property
    def authorization(self) -> str:
        """The Authorization header."""
        return f"Bearer {self.token}"


def basic(user_and_password: bytes) -> str:
    """The Authorization header of the Basic scheme for `user:password`."""
    return f"Basic {b64encode(user_and_password).decode('ascii')}"
