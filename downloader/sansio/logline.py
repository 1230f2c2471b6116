"""What `logging.handlers.HTTPHandler` posts of a LogRecord, as one line for people.

Every field comes as the text that `str` made of it. Its message is not put together yet: `msg` has
the places, `args` is what the tuple looked like.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Mapping
from datetime import UTC, datetime

from downloader.sansio.printable import printable

# Characters of a line's message, and of a name in it.
MAX_MESSAGE = 8 * 1024
MAX_NAME = 200
# What `args` may look like, and how many places a message may have, to be put together here.
_MAX_ARGS = 64 * 1024
_MAX_PLACES = 100
# A directive without a width that could make much of little (a name, a `*`, a thousand digits).
_PLACE = re.compile(r"%[-+ #0]*[0-9]{0,2}(?:\.[0-9]{1,2})?[sradifeEgGxXoc%]")
_NONE = ("", "None", "()")


def log_line(fields: Mapping[str, str]) -> str:
    """The line, without its end: time, logger, level, message; nothing in it acts on a terminal.

    Raises ValueError, which says in one sentence what of a LogRecord is missing or wrong.
    """
    for name in ("created", "name", "msg"):
        if name not in fields:
            raise ValueError(f"it has no {name}")
    level = fields.get("levelname") or fields.get("levelno")
    if not level:
        raise ValueError("it has no levelname")
    parts = [_time(fields["created"]), *(_cut(text, MAX_NAME) for text in (fields["name"], level))]
    return " ".join([*parts, _cut(message_of(fields), MAX_MESSAGE)])


def message_of(fields: Mapping[str, str]) -> str:
    """The message, with what it tells of an exception behind it."""
    text = _merged(fields["msg"], fields.get("args", ""))
    for name in ("exc_text", "exc_info"):
        if fields.get(name, "") not in _NONE:
            return f"{text} {fields[name]}"
    return text


def _merged(message: str, args: str) -> str:
    if args in _NONE:
        return message
    places = message.count("%")
    if places <= _MAX_PLACES and len(args) <= _MAX_ARGS and not _PLACE.sub("", message).count("%"):
        try:
            return str(message % literal_eval(args))
        except (ValueError, TypeError, SyntaxError, OverflowError, MemoryError, RecursionError):
            pass  # objects whose repr is no literal
    return f"{message} {args}"


def _time(text: str) -> str:
    try:
        created = datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("created is no time in seconds since 1970") from error
    return created.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _cut(text: str, most: int) -> str:
    shown = printable(text[:most])
    return shown if len(text) <= most else f"{shown}..."
