"""The options that say how requests leave this machine, and the Network they describe."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import click

from downloader.cli.options import option, options_of
from downloader.sansio.network import Network
from downloader.sansio.printable import printable
from downloader.sansio.proxies import Proxies, environment_proxies, parse_proxy

# These may be empty, which takes back what the environment says.
MAY_BE_EMPTY = frozenset(("all_proxy", "http_proxy", "https_proxy", "no_proxy"))
_SIOCGIFADDR = 0x8915
_INTERFACES_6 = Path("/proc/net/if_inet6")
_LINK_LOCAL = "20"


def proxy_url(text: str) -> str:
    """A proxy as `parse_proxy` reads it, or an empty text."""
    if text:
        try:
            parse_proxy(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return text


NETWORK = options_of(
    "Network",
    option(
        "--proxy",
        "--all-proxy",
        "all_proxy",
        type=proxy_url,
        metavar="URL",
        help="Go through this proxy: http:// (https URLs in a CONNECT tunnel), socks5:// (names "
        "are looked up here) or socks5h:// (by the proxy); the port is 1080 unless given. "
        "Without it the environment's http_proxy, https_proxy and all_proxy count; '' means none. "
        "A password on the command line is seen by others on this machine, one in the "
        "environment is not. Example: --proxy socks5h://me:secret@127.0.0.1:9050",
    ),
    option(
        "--http-proxy",
        type=proxy_url,
        metavar="URL",
        help="The proxy for http URLs, whatever --proxy or http_proxy says; '' means none.",
    ),
    option(
        "--https-proxy",
        type=proxy_url,
        metavar="URL",
        help="The proxy for https URLs, whatever --proxy or https_proxy says; '' means none.",
    ),
    option(
        "--no-proxy",
        "--noproxy",
        metavar="HOSTS",
        help="Ask these hosts directly: names, which stand for those below them too, addresses and "
        "networks, parted by commas, each perhaps with a port; '*' is every host. Without it the "
        "environment's no_proxy counts. Example: --no-proxy 'example.org,10.0.0.0/8,[::1]:8080'",
    ),
    option("-4", "--ipv4", is_flag=True, help="Connect to IPv4 addresses only."),
    option("-6", "--ipv6", is_flag=True, help="Connect to IPv6 addresses only."),
    option(
        "--interface",
        metavar="ADDRESS|NAME",
        help="Connect from this address of this machine, or from the one that the network "
        "interface NAME has: its IPv4 one unless -6 is given or it has none. To a host that has "
        "addresses of the other kind only there is no connection. Example: --interface eth0",
    ),
)


def network_of(options: Mapping[str, Any], environment: Mapping[str, str]) -> Network:
    """The network that the options describe, and the environment where they do not say."""
    said = environment_proxies(environment)
    given = {name: options[f"{name}_proxy"] for name in ("all", "http", "https", "no")}
    given["no_proxy"] = given.pop("no")
    if given["all"] is not None:
        said = {name: text for name, text in said.items() if name == "no_proxy"}
    said |= {name: text for name, text in given.items() if text is not None}
    if options["ipv4"] and options["ipv6"]:
        raise click.UsageError("give -4 or -6, not both")
    version = 4 if options["ipv4"] else 6 if options["ipv6"] else None
    try:
        proxies = Proxies(**said)
    except ValueError as error:  # options were looked at before
        raise click.UsageError(f"in the environment, {error}") from error
    try:
        return Network(proxies, version, local_address(options["interface"], version))
    except ValueError as error:
        raise click.UsageError(f"--interface: {error}") from error


def local_address(interface: str | None, version: int | None) -> str | None:
    """The address that `interface`, an address or a name, means. ValueError when there is none."""
    if interface is None:
        return None
    try:
        address = str(ip_address(interface))
    except ValueError:
        address = _address_of(interface, version)
    _check_ours(address)
    return address


def _address_of(name: str, version: int | None) -> str:
    found = (version != 6 and _ipv4_of(name)) or (version != 4 and _ipv6_of(name))
    if not found:
        kind = "" if version is None else f"IPv{version} "
        raise ValueError(f"no interface {printable(name)!r} with an {kind}address is here")
    return found


def _ipv4_of(name: str) -> str | None:
    request = struct.pack("256s", os.fsencode(name)[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


def _ipv6_of(name: str) -> str | None:
    try:
        return ipv6_in(_INTERFACES_6.read_text("ascii", "replace"), name)
    except OSError:
        return None


def ipv6_in(table: str, name: str) -> str | None:
    """The first address of `name` in Linux's table that is good beyond its own link."""
    for line in table.splitlines():
        address, _, _, scope, _, its_name = line.split()
        if its_name == name and scope != _LINK_LOCAL:
            return str(IPv6Address(bytes.fromhex(address)))
    return None


def _check_ours(address: str) -> None:
    """One look now saves as many failures as there are jobs."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as one:
            one.bind((address, 0))
    except OSError as error:
        raise ValueError(f"{address} is no address of this machine") from error
