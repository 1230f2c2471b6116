"""aria2's options, as its RPC takes them: which mean something here, and what is said of others.

======================= ===========================================================================
an option               is
======================= ===========================================================================
in `JOB`                done as it says, for one download; all but `gid` and `pause` can be changed
                        later. But for `out` and `checksum`, changeGlobalOption sets what downloads
                        have that are added from then on
in `GLOBAL`             done as it says, for all together, by changeGlobalOption
in `FIXED`              taken with the value that it has here anyhow, and refused with another
in `WITHIN`             taken, and no different: it says how aria2 works inside
in `REFUSED`            refused: aria2 would do something that is not done here
any other               not looked at, as aria2 looks at nothing that it does not know there
======================= ===========================================================================

A value is a string; what is none is not looked at either. `header` may be a list of strings too.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

from downloader.errors import RpcError
from downloader.jobs import Terms
from downloader.sansio.amounts import parse_count, parse_size
from downloader.sansio.secrecy import is_public, is_secret
from downloader.sansio.urllist import MAX_HEADERS

Pairs = tuple[tuple[str, str], ...]

ONCE = frozenset(("gid", "pause"))
HEADERS = frozenset(("header", "user-agent", "referer", "http-user", "http-passwd"))
TERMS = frozenset(("split", "max-connection-per-server", "min-split-size", "max-tries"))
JOB = frozenset(("dir", "out", "checksum")) | ONCE | HEADERS | TERMS
GLOBAL = frozenset(("max-concurrent-downloads", "max-overall-download-limit"))
GLOBAL |= {"max-download-result"}
FIXED = {
    "allow-overwrite": "false",
    "always-resume": "false",
    "auto-file-renaming": "true",
    "check-integrity": "false",
    "conditional-get": "false",
    "content-disposition-default-utf8": "false",
    "continue": "true",
    "dry-run": "false",
    "follow-metalink": "false",
    "hash-check-only": "false",
    "http-accept-gzip": "false",
    "http-auth-challenge": "false",
    "http-no-cache": "false",
    "lowest-speed-limit": "0",
    "max-download-limit": "0",
    "max-file-not-found": "0",
    "max-overall-upload-limit": "0",
    "max-upload-limit": "0",
    "no-netrc": "true",
    "optimize-concurrent-downloads": "false",
    "parameterized-uri": "false",
    "pause-metadata": "false",
    "remote-time": "false",
    "remove-control-file": "false",
    "rpc-save-upload-metadata": "false",
    "use-head": "false",
}
WITHIN = frozenset(
    (
        *("allow-piece-length-change", "async-dns", "disk-cache", "enable-http-keep-alive"),
        *("enable-http-pipelining", "enable-mmap", "file-allocation", "force-save"),
        *("keep-unfinished-download-result", "max-mmap-limit", "max-resume-failure-tries"),
        *("no-file-allocation-limit", "no-want-digest-header", "piece-length"),
        *("realtime-chunk-checksum", "reuse-uri", "save-not-found", "stream-piece-selector"),
        "uri-selector",
    )
)
REFUSED = frozenset(
    (
        *("all-proxy", "all-proxy-user", "all-proxy-passwd", "connect-timeout", "download-result"),
        *("ftp-user", "ftp-passwd", "ftp-proxy", "http-proxy", "http-proxy-user"),
        *("http-proxy-passwd", "https-proxy", "https-proxy-user", "https-proxy-passwd"),
        *("index-out", "log", "log-level", "metalink-base-uri", "metalink-file"),
        *("metalink-language", "metalink-location", "metalink-os", "metalink-version"),
        *("no-proxy", "proxy-method", "retry-wait", "save-cookies", "save-session", "select-file"),
        *("server-stat-of", "timeout"),
    )
)
_MOST_TEXT = 64 * 1024
# JSON can say one of the two that a character is made of in UTF-16 (RFC 8259 §8.2).
_SURROGATE = re.compile("[\ud800-\udfff]")


def job_options(asked: Mapping[str, Any]) -> Pairs:
    """What is asked for one download. Raises RpcError for what cannot be done."""
    return _taken(asked, JOB)


def changed_options(asked: Mapping[str, Any]) -> Pairs:
    """What is asked for one that was added before."""
    return tuple((name, value) for name, value in _taken(asked, JOB) if name not in ONCE)


def default_options(asked: Mapping[str, Any]) -> Pairs:
    """What is asked for all that are added later, and for all together."""
    later = JOB - ONCE - {"out", "checksum"}
    return _taken(asked, later | GLOBAL)


def merged(old: Iterable[tuple[str, str]], new: Iterable[tuple[str, str]]) -> Pairs:
    """`old`, with `new` in place of those of the same names."""
    new = tuple(new)
    names = {name for name, _ in new}
    return (*((name, value) for name, value in old if name not in names), *new)


def value_of(options: Iterable[tuple[str, str]], name: str) -> str | None:
    """The value of `name`, the last one; None for none, or an empty one."""
    found = [value for one, value in options if one == name]
    return (found[-1] or None) if found else None


def shown_options(options: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What is told of `options`: no login, and no header that may be secret."""
    found: dict[str, str] = {}
    for name, value in options:
        if name == "header":
            if not is_secret(value.partition(":")[0]):
                found[name] = f"{found[name]}\n{value}" if name in found else value
        elif name not in ("http-user", "http-passwd"):
            found[name] = value
    return found


def public_options(options: Pairs) -> Pairs:
    """`options` without the headers that are for one server only."""
    return tuple(
        (name, value)
        for name, value in options
        if name not in HEADERS
        or name == "user-agent"
        or (name == "header" and is_public(value.partition(":")[0]))
    )


def headers_of(options: Pairs) -> list[str]:
    """The headers that they come to, `Name: value` each."""
    found = [value for name, value in options if name == "header"]
    for name, header in (("user-agent", "User-Agent"), ("referer", "Referer")):
        if (value := value_of(options, name)) is not None:
            found.append(f"{header}: {value}")
    if (user := value_of(options, "http-user")) is not None:
        pair = f"{user}:{value_of(options, 'http-passwd') or ''}".encode()
        found.append(f"Authorization: Basic {base64.b64encode(pair).decode()}")
    return found


def terms_of(options: Pairs) -> Terms | None:
    """What they say of how the file is fetched; None for no word of it. Raises RpcError."""
    found = {
        "connections": _amount(options, "max-connection-per-server", parse_count),
        "parts": _amount(options, "split", parse_count),
        "least": _amount(options, "min-split-size", parse_size),
        "tries": _amount(options, "max-tries", parse_count),
    }
    return Terms(**found) if any(value is not None for value in found.values()) else None


def limit_of(text: str) -> int | None:
    """Bytes a second, None for no limit, which is 0. Raises RpcError."""
    return _parsed("max-overall-download-limit", text, parse_size) or None


def count_of(name: str, text: str, least: int = 1) -> int:
    """A number of jobs, `least` or more; `least` is 0 or 1. Raises RpcError."""
    count: int = 0 if text == "0" and not least else _parsed(name, text, parse_count)
    return count


def flag_of(options: Pairs, name: str) -> bool:
    """Whether it is set. Raises RpcError."""
    text = value_of(options, name) or "false"
    if text not in ("true", "false"):
        raise _bad(name, "it has to be true or false")
    return text == "true"


def _taken(asked: Mapping[str, Any], names: frozenset[str]) -> Pairs:
    found: list[tuple[str, str]] = []
    for name, value in asked.items():
        if name in names:
            found += [(name, one) for one in _values(name, value)]
        elif name in REFUSED:
            raise _bad(name, "it cannot be set here")
        elif isinstance(value, str) and value != FIXED.get(name, value):
            raise _bad(name, f"it can only be {FIXED[name]} here")
    return tuple(found)


def _values(name: str, value: Any) -> list[str]:
    values = [value] if not isinstance(value, list) else value if name == "header" else []
    texts = [one for one in values if isinstance(one, str)]
    if name == "header":
        texts = [line for text in texts for line in text.split("\n") if line.strip()]
    if len(texts) > MAX_HEADERS or sum(map(len, texts)) > _MOST_TEXT:
        raise _bad(name, "it is too long")
    if any(map(_SURROGATE.search, texts)):
        raise _bad(name, "it holds half a character")
    return texts


def _amount(options: Pairs, name: str, parse: Any) -> int | None:
    text = value_of(options, name)
    if text is None:
        return None
    amount: int = _parsed(name, text, parse)
    if amount < 1:
        raise _bad(name, "it has to be above 0")
    return amount


def _parsed(name: str, text: str, parse: Any) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise _bad(name, str(error)[:200]) from error


def _bad(name: str, why: str) -> RpcError:
    return RpcError(f"We encountered a problem while processing the option '--{name}'. {why}")
