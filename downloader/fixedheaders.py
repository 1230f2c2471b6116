"""Headers that never change, so that what was made of them once can be kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from twisted.web.http_headers import Headers


class FixedHeaders(Headers):
    """The fields of `headers` as they are now."""

    _fixed = False

    def __init__(self, headers: Headers) -> None:
        super().__init__(dict(headers.getAllRawHeaders()))
        self._fixed = True

    def copy(self) -> Headers:
        """Headers with the same fields, which can be changed."""
        return Headers({name: list(values) for name, values in self.getAllRawHeaders()})

    def setRawHeaders(self, name: str | bytes, values: Sequence[str | bytes]) -> None:
        """Refuse."""
        if self._fixed:
            self._refuse()
        super().setRawHeaders(name, values)

    def _refuse(self, *args: Any) -> NoReturn:
        raise TypeError("these headers do not change; copy() them")

    addRawHeader = removeHeader = _refuse  # type: ignore[assignment]
