"""The options that say who we are to a server, and what becomes of them.

What stands on a command line can be read by everybody on the machine. So each secret can also come
from somewhere else: asked for on the terminal, or out of a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from downloader.cli.options import option, options_of
from downloader.sansio.credentials import Bearer, Credentials
from downloader.sansio.printable import printable
from downloader.sansio.url import parse_url

if TYPE_CHECKING:
    from downloader.certificates import Authorities, ClientCertificate
    from downloader.identity import Identity

T = TypeVar("T")
# Nobody's key, token or bundle of authorities is larger; an endless file is not read to its end.
_LARGEST = 4 * 1024 * 1024

IDENTITY = options_of(
    "Who you are",
    option(
        "-u",
        "--user",
        metavar="USER[:PASSWORD]",
        help="Give this user and password to the server of the first URL, in every request to it, "
        "and to no other: not across a redirect, not to other servers of LIST. The password is "
        "asked for on the terminal when it is left out; on the command line, everybody on this "
        "machine can read it. For several servers: --netrc. Example: -u me",
    ),
    option("--http-user", metavar="USER", help="The USER of -u, in aria2's words."),
    option("--http-passwd", metavar="PASSWORD", help="The PASSWORD of -u, in aria2's words."),
    option(
        "--oauth2-bearer",
        metavar="TOKEN|@FILE",
        help="Give this token, or the one in FILE, to the server of the first URL and to no "
        "other. Example: --oauth2-bearer @token.txt",
    ),
    option(
        "--digest",
        is_flag=True,
        help="Never send a user's password, only answers to Digest challenges, which costs a "
        "second request for each file.",
    ),
    option(
        "--netrc",
        is_flag=True,
        help="Take users and passwords from ~/.netrc, by the host of each URL; not for servers "
        "that it redirects to. The file has to be yours and for you alone (chmod 600).",
    ),
    option("--netrc-path", "--netrc-file", metavar="FILE", help="The same, from FILE."),
    option(
        "-b",
        "--load-cookies",
        "--cookie",
        metavar="FILE",
        help="Send the cookies in FILE, in Netscape's format as curl and browsers' extensions "
        "write it, each to the hosts and paths it is for. No cookie is taken from a server.",
    ),
    option(
        "-E",
        "--certificate",
        "--cert",
        metavar="FILE",
        help="Show the certificate in FILE (PEM, with those between it and its authority) to any "
        "https server that asks for one, also where a URL redirects to.",
    ),
    option(
        "--private-key",
        "--key",
        metavar="FILE",
        help="The certificate's key (PEM), unless it is in the same file.",
    ),
    option(
        "--pass",
        "key_password",
        metavar="PASSWORD",
        help="The key's password; asked for on the terminal when it is needed and left out.",
    ),
)

AUTHORITIES = options_of(
    "TLS",
    option(
        "--ca-certificate",
        "--cacert",
        metavar="FILE",
        help="Believe the certificate authorities in FILE (PEM) and no others.",
    ),
)


def check_identity(urls: tuple[str, ...], options: dict[str, Any]) -> None:
    """Raise a usage error for options that contradict each other. `urls` are valid ones."""
    if options["http_passwd"] is not None and options["http_user"] is None:
        raise click.UsageError("--http-passwd needs --http-user")
    given = [name for name in ("user", "http_user", "oauth2_bearer") if options[name] is not None]
    if len(given) > 1:
        raise click.UsageError("give one of -u, --http-user and --oauth2-bearer")
    if given and len({parse_url(url).origin for url in urls}) > 1:
        what = "-u and --oauth2-bearer are for one server, and these URLs are of several"
        raise click.UsageError(f"{what}; --netrc is for several")
    for_certificate = (options["private_key"], options["key_password"])
    if options["certificate"] is None and for_certificate != (None, None):
        raise click.UsageError("--private-key and --pass need --certificate")
    cookies = options["load_cookies"]
    if cookies is not None and "=" in cookies and not os.path.exists(cookies):  # curl takes both
        raise click.UsageError("-b takes a file; for a cookie: -H 'Cookie: NAME=VALUE'")


def identity_of(options: dict[str, Any]) -> dict[str, Any]:
    """What the options say of us, as arguments of `Downloader`.

    Reads files and may ask for a password. What cannot be read is a usage error.
    """
    return {
        "identity": _identity(options),
        "client_certificate": _client_certificate(options),
        "trust_root": authorities(options["ca_certificate"]),
    }


def _identity(options: dict[str, Any]) -> Identity:
    from downloader.identity import Identity, read_cookies, read_netrc

    netrc = options["netrc_path"]
    if netrc is None and options["netrc"]:
        netrc = os.path.expanduser("~/.netrc")
    cookies = options["load_cookies"]
    return Identity(
        _credentials(options),
        None if netrc is None else _read(netrc, lambda: read_netrc(netrc)),
        None if cookies is None else _read(cookies, lambda: read_cookies(cookies)),
        options["digest"],
    )


def _credentials(options: dict[str, Any]) -> Credentials | Bearer | None:
    user, colon, password = (options["user"] or "").partition(":")
    if options["http_user"] is not None:
        user, password = options["http_user"], options["http_passwd"]
        colon = ":" if password is not None else ""
    token = options["oauth2_bearer"]
    try:
        if token is not None:
            return Bearer(_token(token))
        if user or colon:
            return Credentials(user, password if colon else _ask(f"Password of {user}"))
    except ValueError as error:
        raise click.UsageError(str(error)) from None  # its context would hold the secret
    return None


def _token(text: str) -> str:
    if not text.startswith("@"):
        return text
    path = text[1:]
    return _read(path, lambda: _content(path).strip().decode("ascii", "replace"))


def _client_certificate(options: dict[str, Any]) -> ClientCertificate | None:
    path, key_path, password = (
        options[name] for name in ("certificate", "private_key", "key_password")
    )
    if path is None:
        return None
    from downloader.certificates import ClientCertificate, certificates_in

    certificate = _read(path, lambda: _content(path))
    _read(path, lambda: certificates_in(certificate))  # so that what is wrong then is the key
    key = None if key_path is None else _read(key_path, lambda: _content(key_path))
    if password is None and b"ENCRYPTED" in (key or certificate):
        password = _ask(f"Password of {key_path or path}")
    return _read(key_path or path, lambda: ClientCertificate(certificate, key, password))


def authorities(path: str | None) -> Authorities | None:
    if path is None:
        return None
    from downloader.certificates import Authorities

    return _read(path, lambda: Authorities(_content(path)))


def _read(path: str, read: Callable[[], T]) -> T:
    """What `read` returns; else a usage error that names `path`, which it reads."""
    try:
        return read()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise click.UsageError(f"cannot use {printable(path)}: {reason}") from error


def _content(path: str) -> bytes:
    """All of a file, or of a pipe."""
    with Path(path).open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST} bytes")
    return data


def _ask(what: str) -> str:
    """A password from the terminal, and from nowhere else: standard input may be a list."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError as error:
        text = f"no {what[0].lower()}{what[1:]} is given, and there is no terminal to ask for it"
        raise click.UsageError(text) from error
    return getpass(f"{printable(what)}: ")
