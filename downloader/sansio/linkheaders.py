"""What an answer's headers say of its file: where else it is, and which checksum it has.

Links are RFC 8288's, mirrors RFC 6249's, checksums those of RFC 9530 and, before it, RFC 3230.
Whatever is malformed is left out, and the rest of a header is read all the same. Content-MD5 and
Content-Digest are not read: they are of one body, which may be a part of the file.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from downloader.errors import BadUrl
from downloader.sansio.checksum import DIGITS, strongest
from downloader.sansio.mirrors import LAST, Mirror, checked_priority, in_order
from downloader.sansio.url import HttpUrl, join

# Links that are looked at, and mirrors that are taken of them: a host name takes its time to read,
# and an answer costs its server little, while each mirror is asked.
_LINKS, _MIRRORS = 100, 10
# Characters of one header that are read: some hundred mirrors. nginx and Apache send 8 KiB.
_LONGEST = 64 * 1024
# Their names in RFC 9530 and RFC 3230 (in lower case), and in aria2's words.
_KINDS = {"sha-512": "sha-512", "sha-256": "sha-256", "sha": "sha-1", "md5": "md5"}

_QUOTED = r'"(?:[^"\\]|\\.?)*+"?+'  # one that does not end goes to the header's end
# Members of a list (RFC 9110 §5.6.1), whose commas count for nothing in quotes or in a <URL>.
_MEMBER = re.compile(rf'(?:{_QUOTED}|<[^<>"]*+>|[^",])++', re.DOTALL)
_LINK = re.compile(r"\s*+<([^<>]*+)>(.*)", re.DOTALL)
_PARAMETER = re.compile(
    rf";\s*+([A-Za-z0-9!#$%&'*+.^_`|~-]++)(?:\s*+=\s*+({_QUOTED}|[^\s;\"]*+))?+", re.DOTALL
)
# `sha-256=:base64:` with parameters, which mean nothing yet (RFC 9530 §2, RFC 9651 §3.2), and
# `SHA-256=base64` (RFC 3230 §4.3.2).
_REPR_DIGEST = re.compile(r"\s*+([a-z0-9-]++)=:([A-Za-z0-9+/]*+)=*+:\s*+(?:;.*)?", re.DOTALL)
_DIGEST = re.compile(r"\s*+([A-Za-z0-9-]++)=([A-Za-z0-9+/]*+)=*+\s*+")


def mirrors_of(values: Iterable[str], base: HttpUrl) -> list[str]:
    """The file's other URLs that the Link headers `values` of an answer to `base` tell, in the
    order they are to be asked (RFC 6249 §2).

    At most 10, of the first 100 links; http and https only, no http where `base` is https, and
    without the user and password that may stand in a URL.
    """
    mirrors: list[Mirror] = []
    for target, parameters in islice(_links(values), _LINKS):
        # An anchor makes it a link of something else (RFC 8288 §3.2).
        if "anchor" in parameters or "duplicate" not in parameters.get("rel", "").lower().split():
            continue
        try:
            url = join(base, target)
        except BadUrl:
            continue
        if url.scheme in ("https", base.scheme):
            told = parameters.get("pri")
            mirrors.append(Mirror(str(url), LAST if told is None else checked_priority(told)))
    return [mirror.url for mirror in in_order(mirrors)[:_MIRRORS]]


def told_checksum(get: Callable[[str], Sequence[str]]) -> str | None:
    """The strongest checksum that headers tell, `TYPE=HEX`, or None; `get(name)` gives the values
    of one.

    Repr-Digest and Digest are of the selected representation (RFC 9530 §3): of all of the file, in
    an answer of a part (206) too, where it can be compared only once the rest is there. With a
    content coding they are of what is packed, or meant to be; so this may be used only of an
    answer that has no coding but `identity`. What is told twice and differently is not told.
    """
    found: dict[str, set[str]] = {}
    for name, form in (("repr-digest", _REPR_DIGEST), ("digest", _DIGEST)):
        for member in _members(get(name)):
            if (match := form.fullmatch(member)) is not None:
                kind, digest = _KINDS.get(match[1].lower()), _hex(match[2])
                if kind is not None and len(digest) == DIGITS[kind]:
                    found.setdefault(kind, set()).add(digest)
    sure = {kind: digests.pop() for kind, digests in found.items() if len(digests) == 1}
    best = strongest(sure)
    return None if best is None else f"{best}={sure[best]}"


def _members(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield from (match.group() for match in _MEMBER.finditer(value[:_LONGEST]))


def _links(values: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each link's target and parameters; of parameters with one name the first counts."""
    for member in _members(values):
        if (link := _LINK.fullmatch(member)) is not None:
            parameters: dict[str, str] = {}
            for match in _PARAMETER.finditer(link[2]):
                parameters.setdefault(match[1].lower(), _value(match[2] or ""))
            yield link[1].strip(), parameters


def _value(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:].removesuffix('"')) if text.startswith('"') else text


def _hex(base64: str) -> str:
    """The digest in hexadecimal digits; empty for what is no base64 (its "=" are left out)."""
    try:
        return b64decode(base64 + "=" * (-len(base64) % 4), validate=True).hex()
    except Error:
        return ""
