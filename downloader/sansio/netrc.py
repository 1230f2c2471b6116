"""Users and passwords by host, from the text of a .netrc file.

The standard library's parser keeps one entry of a host only, and quotes the file in its errors,
which may be a password.

    machine example.org login me password secret
    default login anonymous password me@example.net

Words are parted by blanks or line ends. A word in double quotes may hold blanks, and a backslash
before n, r, t, a backslash or a quotation mark, as in curl. `#` in place of a keyword begins a
comment; `macdef` ends at an empty line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from downloader.sansio.credentials import Credentials

_WORD = re.compile(r'"(?P<quoted>(?:[^"\\]|\\.)*)"(?=\s|\Z)|(?P<bare>[^\s"]\S*)', re.DOTALL)
_BLANKS = re.compile(r"\s*")
_COMMENT = re.compile(r"[^\n]*")
_MACRO = re.compile(r".*?(?:\n[ \t\r]*\n|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
# An account is for FTP: it is read, and means nothing here.
_FIELDS = {"login": "user", "user": "user", "password": "password", "account": None}


@dataclass(slots=True, repr=False)
class _Entry:
    """`host` is None for `default`; what the entry does not say is None."""

    host: str | None
    user: str | None = None
    password: str | None = None


class Netrc:
    """Who to be at which host. Ports and schemes make no difference in such a file."""

    def __init__(self, entries: Iterable[_Entry] = ()) -> None:
        self._by_host: dict[str | None, list[_Entry]] = {}
        for entry in entries:
            self._by_host.setdefault(entry.host, []).append(entry)

    def __repr__(self) -> str:
        return f"<Netrc {len(self._by_host)} hosts>"

    def find(self, host: str, user: str | None = None) -> Credentials | None:
        """The user and password for `host`, which is lower-case; of `user` only, if given.

        The first entry of the host counts, or else of `default`. An entry without a login gives
        nothing, and does not lead on to `default`; one without a password gives an empty one.
        """
        for entry in self._by_host.get(host) or self._by_host.get(None) or ():
            if user is None or entry.user == user:
                if entry.user is None:
                    return None
                return Credentials(entry.user, entry.password or "")
        return None


def parse_netrc(text: str) -> Netrc:
    """Read `text`, or raise ValueError with the number of the line that is wrong, without it."""
    return Netrc(_Reader(text.removeprefix("\ufeff")).entries())


class _Reader:
    """Cuts a text into words, and knows where it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def entries(self) -> Iterator[_Entry]:
        entry: _Entry | None = None
        while (word := self._keyword()) is not None:
            if word in ("machine", "default"):
                if entry is not None:
                    yield self._checked(entry)
                entry = _Entry(self._value().lower() if word == "machine" else None)
            elif word == "macdef":
                self._skip(_MACRO)
            elif entry is not None and word in _FIELDS:
                value, field = self._value(), _FIELDS[word]
                if field is not None:
                    setattr(entry, field, value)
            else:
                raise self._error("neither machine nor login, password, account or macdef")
        if entry is not None:
            yield self._checked(entry)

    def _checked(self, entry: _Entry) -> _Entry:
        try:
            Credentials(entry.user or "", entry.password or "")
        except ValueError as error:
            raise self._error(f"{error}, in the entry that ends here") from None
        return entry

    def _keyword(self) -> str | None:
        while True:
            self._skip(_BLANKS)
            if not self._text.startswith("#", self._at):
                break
            self._skip(_COMMENT)
        return None if self._at == len(self._text) else self._word()

    def _value(self) -> str:
        self._skip(_BLANKS)
        if self._at == len(self._text):
            raise self._error("a value is missing")
        return self._word()

    def _word(self) -> str:
        match = _WORD.match(self._text, self._at)
        if match is None:
            raise self._error("a quotation mark that is not closed, or not at a word's end")
        self._at = match.end()
        quoted = match["quoted"]
        if quoted is None:
            return match["bare"]
        return _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), quoted)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _error(self, reason: str) -> ValueError:
        return ValueError(f"line {self._text.count(chr(10), 0, self._at) + 1}: {reason}")
