"""The parameters of aria2's methods, looked at one by one, with aria2's words for what is wrong."""

from __future__ import annotations

import re
from typing import Any

from downloader.errors import RpcError
from downloader.sansio.jsontext import is_whole

_GID = re.compile(r"[0-9a-f]{1,16}")
# Whole numbers of JSON that every client can write (RFC 8259 §6).
_WHOLE = range(-(2**53), 2**53 + 1)


class Params:
    """What a call gives its method, counted from 0, without the token.

    Each method raises RpcError for what is not of its type, or missing and not `optional`.
    """

    def __init__(self, values: tuple[Any, ...]) -> None:
        self._values = values

    def __repr__(self) -> str:
        return f"<Params {len(self._values)}>"

    def text(self, n: int) -> str:
        """A string."""
        found: str = self._typed(n, str)
        return found

    def gid(self, n: int = 0) -> str:
        """The beginning of a gid, in lower case."""
        found = self.text(n).lower()
        if not _GID.fullmatch(found):
            raise RpcError(f"Invalid GID {found[:16]}")
        return found

    def texts(self, n: int, optional: bool = False) -> list[str]:
        """The strings of a list; others in it are left out, as aria2 does."""
        found = [] if optional and self._is_missing(n) else self._typed(n, list)
        return [one for one in found if isinstance(one, str)]

    def options(self, n: int, optional: bool = True) -> dict[str, Any]:
        """An object."""
        found: dict[str, Any] = {} if optional and self._is_missing(n) else self._typed(n, dict)
        return found

    def integer(self, n: int) -> int:
        """A whole number."""
        found: int = self._typed(n, int)
        if not is_whole(found, _WHOLE):
            raise _wrong(n)
        return found

    def position(self, n: int) -> int | None:
        """A place in the queue, from 0; None for no word of it."""
        if self._is_missing(n):
            return None
        found = self.integer(n)
        if found < 0:
            raise RpcError("Position must be greater than or equal to 0.")
        return found

    def first_file(self, n: int) -> None:
        """The number of a file: there is one, and it is 1."""
        found = self.integer(n)
        if found < 1:
            raise RpcError(f"The integer parameter at {n} has invalid value: {found}")
        if found > 1:
            raise RpcError("fileIndex is out of range")

    def _typed(self, n: int, kind: type) -> Any:
        if self._is_missing(n):
            raise RpcError(f"The parameter at {n} is required but missing.")
        if not isinstance(self._values[n], kind):
            raise _wrong(n)
        return self._values[n]

    def _is_missing(self, n: int) -> bool:
        return n >= len(self._values)


def _wrong(n: int) -> RpcError:
    return RpcError(f"The parameter at {n} has wrong type.")
