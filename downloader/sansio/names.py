"""From what the user, a server or a URL says to a relative path that can do no harm.

Every name goes through `path_for` when it is used, wherever it was kept in between. Nothing that
comes out is absolute, climbs, hides (a leading dot), looks like an option (a leading dash) or
like another download's part file, and all of it can be stored on any common file system.
Precedents of each rule broken: CVE-2019-20916, CVE-2025-11563, CVE-2010-3842, CVE-2024-38519.

Files that would share a name are kept apart by a register, which is the caller's. By
`collision_key` it knows each path that is given out: its next number, and whether it is a file
or a directory. For each job, in the order of the list:

1. `path = beside_files(path_for(...), is_file)`, so that no directory is needed where a file is;
2. `name, after = choose(path, start, taken)`, where `start` is the number of `path`, or 0;
3. give out `name` as a file with number 1, and `parents(name)` as directories with number 1 where
   they are not there yet; then set the number of `path` to `after`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2s
from unicodedata import category, normalize
from urllib.parse import unquote

from downloader.errors import BadName
from downloader.jobs import Naming
from downloader.sansio.printable import HIDDEN, printable
from downloader.sansio.url import PORTS, HttpUrl, redacted

# A component has 255 bytes on common file systems; ".part" and what a writer may add must fit.
MAX_BYTES = 240
# Deeper or longer than any tree worth mirroring; with the directory above it stays in PATH_MAX.
MAX_DEPTH = 32
MAX_PATH = 1024
INDEX = "index.html"
# Where a run keeps, in its directory, what the next one is to know; no download has this name.
STATE = ".downloader"

# To put a letter's marks in their order takes the square of their number, so of a longer text the
# middle goes first. What is left of each end is more than a name holds.
_LONGEST_READ = 8 * MAX_BYTES

# What a listing of ordinary files is made of; the rest takes the slow way to the same answer.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@~,%()-]*(?<!\.)", re.ASCII)
_RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"]
    + [f"{device}{n}" for device in ("COM", "LPT") for n in "0123456789¹²³"]
)
# What lies beside a download of ours while it is not whole.
_OURS = (".part", ".part.journal")
_BLANK = " " + "".join(c for c in map(chr, range(0x80, 0x3001)) if category(c) == "Zs")
_LONGEST_EXTENSION = 12
_NO_FILE = frozenset(("", ".", ".."))
_EXTENDED = re.compile(r"(;\s*)filename\*", re.IGNORECASE)


def safe_name(text: str) -> str:
    """`text` as one path component that is safe everywhere; a safe one is returned as it is."""
    plain = len(text) <= MAX_BYTES and _PLAIN.fullmatch(text) is not None
    if plain and not text.lower().endswith(_OURS) and not _is_reserved(text):
        return text
    return _made_safe(text)


def path_for(
    url: HttpUrl,
    *,
    name: str | None,
    naming: Naming,
    disposition: str | None = None,
    subdirectory: str = "",
) -> str:
    """The path a download gets, relative, with "/" between its safe components.

    `name` is the caller's own and wins; then the file name in `disposition`, a Content-Disposition
    header's value (RFC 6266), of which directories are dropped; then `url`, the first one and not
    where it redirects to (CVE-2016-4971). `subdirectory` is put in front of all of them.
    Raises `BadName` for a `name` or `subdirectory` that `checked_name` refuses.
    """
    directory = checked_directory(subdirectory) if subdirectory else ""
    below = f"{directory}/" if directory else ""
    if name is not None:
        return below + checked_name(name)
    offered = _offered(disposition) if disposition else None
    if naming is Naming.TREE:
        return below + _tree_path(url, offered)
    if offered:
        return below + safe_name(offered)
    segment = unquote(url.target.partition("?")[0].rpartition("/")[2])
    return below + (INDEX if segment in _NO_FILE else safe_name(segment))


def checked_name(text: str) -> str:
    """The user's own path of a file, made safe; raises `BadName` when it leads elsewhere."""
    components = _components(text)
    if text.rpartition("/")[2] in _NO_FILE:
        raise BadName(f"{_shown(text)} names no file")
    return "/".join(components)


def checked_directory(text: str) -> str:
    """The user's own path of a directory, made safe; empty when it is the one above."""
    return "/".join(_components(text))


def numbered(path: str, n: int) -> str:
    """The n-th alternative of a safe `path`: `a.tar.gz`, `a.1.tar.gz`, ... (0 is `path` itself).

    aria2 numbers in front of the last extension; here `.tar.gz` and its like stay whole.
    """
    if not n:
        return path
    head, slash, name = path.rpartition("/")
    stem, extension = _split(name)
    extension = f".{n}{extension}"
    room = MAX_BYTES - len(extension) - 1
    if len(stem.encode()) > room:
        # Cut names that differ behind the cut would share their alternatives, and each of them
        # would have to be asked for again and again.
        mark = f"~{blake2s(stem.encode(), digest_size=4).hexdigest()}"
        stem = _cut(stem, room - len(mark)) + mark
    return f"{head}{slash}{safe_name(stem + extension)}"


def choose(path: str, start: int, taken: Callable[[str], bool]) -> tuple[str, int]:
    """The first alternative of `path`, from the one numbered `start`, that is not `taken`.

    The number after it comes along: who starts there next time asks once for each equal name.
    """
    while taken(candidate := numbered(path, start)):
        start += 1
    return candidate, start + 1


def beside_files(path: str, is_file: Callable[[str], bool]) -> str:
    """`path` without directories that are files: `a/b` is `a_b` while `a` is a file."""
    head, component = "", ""
    for following in path.split("/"):
        if component and not is_file(head + component):
            head, component = f"{head}{component}/", following
        else:
            component = safe_name(f"{component}_{following}") if component else following
    return head + component


def parents(path: str) -> list[str]:
    """The directories that `path` needs, the outermost first."""
    return [path[:i] for i, character in enumerate(path) if character == "/"]


def collision_key(path: str) -> str:
    """Equal for paths that some file system takes for one: other case, other normal form."""
    if path.isascii():
        return path.lower()
    return normalize("NFD", normalize("NFD", path).casefold())


# --- one component ---------------------------------------------------------------------------


def _made_safe(text: str) -> str:
    from pathvalidate import sanitize_filename  # late: an ordinary list never needs it

    if len(text) > _LONGEST_READ:
        text = text[: _LONGEST_READ // 2] + text[-_LONGEST_READ // 2 :]
    text = normalize("NFC", text)
    text = "".join("_" if category(c) in HIDDEN else c for c in text)
    # One mend may call for another: what was cut may end in a dot, or be a reserved name.
    while (mended := _mended(text)) != text:
        text = mended
    return sanitize_filename(text, "_", platform="universal", fs_encoding="utf-8")


def _mended(text: str) -> str:
    if len(text.encode()) > MAX_BYTES:
        stem, extension = _split(text.rstrip(_BLANK + "."))
        text = _cut(stem, MAX_BYTES - len(extension)) + extension
    text = text.rstrip(_BLANK + ".").lstrip(_BLANK) or "_"
    if text[0] in ".-":
        text = "_" + text[1:]
    if text.lower().endswith(_OURS):
        stem, _, extension = text.rpartition(".")
        text = f"{stem}_{extension}"
    return "_" + text if _is_reserved(text) else text


def _is_reserved(text: str) -> bool:
    """Whether Windows takes `text` for a device: whatever follows the first dot is no matter."""
    return text.partition(".")[0].rstrip(_BLANK).upper() in _RESERVED


def _split(name: str) -> tuple[str, str]:
    """`name` as stem and extension, `.tar.gz` and its like whole; without one, it is empty."""
    stem, _, extension = name.rpartition(".")
    short = len(extension) <= _LONGEST_EXTENSION and extension.isascii() and extension.isalnum()
    if not stem or not short:
        return name, ""
    if stem[-4:].lower() == ".tar" and len(stem) > 4:
        stem = stem[:-4]
    return stem, name[len(stem) :]


def _cut(text: str, room: int) -> str:
    """The most of `text` that takes `room` bytes and splits no character."""
    return text.encode()[:room].decode("utf-8", "ignore")


# --- where names come from -------------------------------------------------------------------


def _components(text: str) -> list[str]:
    if "\0" in text or "\\" in text:
        raise BadName(f"{_shown(text)} holds a NUL or a backslash")
    if text.startswith("/"):
        raise BadName(f"{_shown(text)} is absolute")
    found = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in found:
        raise BadName(f"{_shown(text)} leads upwards")
    found = [safe_name(part) for part in found]
    if len(found) > MAX_DEPTH or len("/".join(found).encode()) > MAX_PATH:
        raise BadName(f"{_shown(text)} is too long")
    return found


def _shown(text: str) -> str:
    return f"'{printable(text[:100])}'"


def _tree_path(url: HttpUrl, offered: str | None) -> str:
    path, _, query = url.target.partition("?")
    *directories, last = map(unquote, path.split("/"))
    host = url.host if url.port == PORTS[url.scheme] else f"{url.host}_{url.port}"
    last = offered or (INDEX if last in _NO_FILE else last)
    if query and not offered:
        stem, extension = _split(last)
        last = f"{stem}@{redacted(str(url)).partition('?')[2]}{extension}"
    kept = [safe_name(host)]
    room = MAX_PATH - len(kept[0].encode()) - MAX_BYTES - 1
    for directory in map(safe_name, (d for d in directories if d not in _NO_FILE)):
        room -= len(directory.encode()) + 1
        if room < 0 or len(kept) == MAX_DEPTH - 1:
            break
        kept.append(directory)
    return "/".join([*kept, safe_name(last)])


def _offered(disposition: str) -> str | None:
    """The file name a Content-Disposition header offers: `filename*` before `filename`."""
    from werkzeug.http import parse_options_header  # late: 60 ms, and only for who asks for it

    try:
        disposition = disposition.encode("latin-1").decode()  # raw UTF-8, as browsers take it
    except UnicodeError:
        pass
    options = parse_options_header(_EXTENDED.sub(r"\1extended*", disposition))[1]
    for offer in (options.get("extended", ""), options.get("filename", "")):
        last = re.split(r"[/\\]", offer)[-1].strip()
        if last not in _NO_FILE:
            return last
    return None
