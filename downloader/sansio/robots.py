"""What a robots.txt allows (RFC 9309), read by Protego."""

from __future__ import annotations

from protego import Protego

from downloader.errors import RobotsForbidden
from downloader.sansio.product import TOKEN
from downloader.sansio.url import HttpUrl

# RFC 9309 §2.5: at least 500 KiB are to be read; what is behind the limit is not there.
MAX_BYTES = 512 * 1024
# A group is stored once for each of its names: 10,000 names with 10,000 rules would take all of
# memory. So many entries take a tenth of a second, and no more memory than is given to all sites.
_MAX_ENTRIES = 65_536
# A name is looked for among the others, which is so much less work for each than an entry.
_NAMES_FOR_AN_ENTRY = 32
_RULES = ("allow:", "disallow:")


class Rules:
    """What `text` lets us have: nothing, if it is made to be too much to read. `delay` is its
    Crawl-delay in seconds, 0.0 where there is none; `size` is in characters."""

    def __init__(self, text: str) -> None:
        entries = _entries(text)
        self.size = 0  # of what is not read, nothing is kept
        self.delay = 0.0
        self._robots = Protego.parse(text) if entries <= _MAX_ENTRIES else None
        if self._robots is not None:
            self.size = max(len(text), _CHARACTERS_OF_ENTRY * entries)
            self.delay = self._robots.crawl_delay(TOKEN) or 0.0

    def __repr__(self) -> str:
        return f"<Rules of {self.size} characters, {self.delay:g} s apart>"

    def check(self, url: HttpUrl) -> None:
        """Raise RobotsForbidden if `url` is not to be asked for."""
        if self._robots is None:
            raise RobotsForbidden("it is too much to read")
        if not self._robots.can_fetch(str(url), TOKEN):
            raise RobotsForbidden()


# What an entry weighs in memory; a character of the text weighs twenty bytes, too.
_CHARACTERS_OF_ENTRY = 64
_IN_WAYS = ("*", "$", "index.htm", "%")


def _entries(text: str) -> int:
    """How many entries Protego would make of it at most. Where it is not clear that a group has
    ended, it has not: Protego reads much that is no rule by the book."""
    entries = names = 0
    ended = False
    for line in text.lower().splitlines():
        line = line.lstrip()
        if line.startswith("user"):
            names = 1 if ended else names + 1
            ended = False
            entries += names // _NAMES_FOR_AN_ENTRY
            names += "*" in line  # Protego knows such a name in two ways
        else:
            ended = ended or line.startswith(_RULES)
            # A rule with one of these is kept in up to four ways.
            entries += names * (4 if any(sign in line for sign in _IN_WAYS) else 1)
    return entries
