"""What others ask for, in JSON or as a list, as jobs of ours: this is where it is looked at.

A directory may be one of the roots or below one; which file it is in the end is decided by
`sansio.names` when the job begins, and walked to from the root along no link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from downloader.errors import BadLine, BadName
from downloader.jobs import Job
from downloader.queue import Wanted
from downloader.sansio.checksum import checked_checksum
from downloader.sansio.jsontext import is_whole
from downloader.sansio.names import checked_name
from downloader.sansio.url import parse_url
from downloader.sansio.urllist import MAX_HEADERS, MAX_MIRRORS, ListParser, below, checked_header
from downloader.service.answers import Refusal

# As much as one URL may have in a list.
MAX_TEXT = 64 * 1024
# Jobs of one array, which are taken on all or none.
MAX_JOBS = 1000
GID = re.compile(r"(?!0{16})[0-9a-f]{16}")
PRIORITIES = range(-1000, 1001)
_FIELDS = frozenset(
    ("urls", "dir", "out", "headers", "checksum", "size", "gid", "paused", "priority")
)


class Desk:
    """Takes what is wanted. `roots` are the directories that files may go to, absolute; the first
    is where they go without a word."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = list(roots)

    def __repr__(self) -> str:
        return f"<Desk {self.roots!r}>"

    def place(self, directory: str | None) -> tuple[str, str]:
        """The root that `directory` is in, and the path below it. Raises BadName."""
        if not directory:
            return self.roots[0], ""
        if not directory.startswith("/"):
            return self.roots[0], below(self.roots[0], directory)
        for root in sorted(self.roots, key=len, reverse=True):
            if f"{directory}/".startswith(root.rstrip("/") + "/"):
                return root, below(root, directory)
        raise BadName("the directory is none of the roots, nor below one")

    def wanted(self, asked: Any) -> Wanted:
        """One job of the API. Raises Refusal, BadName, BadUrl."""
        if not isinstance(asked, dict):
            raise Refusal(422, "a job is an object")
        unknown = sorted(set(asked) - _FIELDS)
        if unknown:
            raise Refusal(422, f"a job has no {unknown[0][:40]!a}")
        urls = asked.get("urls")
        if isinstance(urls, str):
            urls = [urls]
        root, subdirectory = self.place(_text(asked, "dir"))
        job = self.job(
            _texts("urls", urls, MAX_MIRRORS + 1),
            *(root, subdirectory, _text(asked, "out")),
            _texts("headers", asked.get("headers", []), MAX_HEADERS),
            _text(asked, "checksum"),
            number(asked, "size", range(2**63)),
        )
        paused = asked.get("paused", False)
        if not isinstance(paused, bool):
            raise Refusal(422, "paused is true or false")
        priority = number(asked, "priority", PRIORITIES) or 0
        return Wanted(job, checked_gid(_text(asked, "gid")), paused, priority)

    def job(
        self,
        urls: Sequence[str],
        root: str,
        subdirectory: str,
        name: str | None,
        headers: Sequence[str] = (),
        checksum: str | None = None,
        size: int | None = None,
    ) -> Job:
        """A job, looked at. Raises Refusal, BadName, BadUrl."""
        if not urls:
            raise Refusal(422, "a job needs a URL")
        for url in urls:
            parse_url(url)
        if name is not None:
            checked_name(name)
        return Job(
            *(urls[0], root, name, tuple(urls[1:])),
            tuple(_said(checked_header, header) for header in headers),
            None if checksum is None else _said(checked_checksum, checksum),
            *(None, subdirectory, size),
        )

    def listed(self, text: str, directory: str | None) -> Iterator[Job | BadLine]:
        """What a list in aria2's format has, one after the other. Raises BadName."""
        root, subdirectory = self.place(directory)
        return _listed(text, root, subdirectory)


def _listed(text: str, root: str, subdirectory: str) -> Iterator[Job | BadLine]:
    parser = ListParser(root)
    for line in text.split("\n"):
        yield from _within(parser.feed(line), subdirectory)
    yield from _within(parser.close(), subdirectory)


def _within(items: Iterable[Any], subdirectory: str) -> Iterator[Job | BadLine]:
    for item in items:
        if isinstance(item, BadLine):
            yield item
        elif isinstance(item, Job):
            path = "/".join(part for part in (subdirectory, item.subdirectory) if part)
            yield replace(item, subdirectory=path)


def checked_gid(text: str | None) -> str | None:
    """`text`, if it is a gid. Raises Refusal."""
    if text is not None and not GID.fullmatch(text):
        raise Refusal(422, "a gid has 16 lower-case hexadecimal digits, not all 0")
    return text


def _said(check: Callable[[str], Any], text: str) -> Any:
    try:
        return check(text)
    except ValueError as error:
        raise Refusal(422, str(error)[:500]) from error


def _text(asked: dict[str, Any], name: str) -> str | None:
    found = asked.get(name)
    if found is not None and not (isinstance(found, str) and len(found) <= MAX_TEXT):
        raise Refusal(422, f"{name} is a text, of {MAX_TEXT} characters at most")
    return found or None


def _texts(name: str, found: Any, most: int) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Refusal(422, f"{name} is a list of texts")
    if len(found) > most or sum(map(len, found)) > MAX_TEXT:
        raise Refusal(422, f"{name} is too long")
    return found


def number(asked: dict[str, Any], name: str, span: range) -> int | None:
    """The whole number `name`, of these; None if there is none. Raises Refusal."""
    found = asked.get(name)
    return None if found is None else whole(name, found, span)


def whole(name: str, value: Any, span: range) -> int:
    """`value`, if it is a whole number of these. Raises Refusal."""
    if not is_whole(value, span):
        raise Refusal(422, f"{name} is a whole number from {span[0]} to {span[-1]}")
    return int(value)
