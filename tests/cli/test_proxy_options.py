"""The options of the network, the environment behind them, and the command that obeys both."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from support.asking import hello

from downloader.cli.fetch import fetch
from downloader.cli.network import ipv6_in, local_address, network_of
from downloader.sansio.network import Network
from downloader.sansio.proxies import Proxies
from downloader.testing import Asked

ENVIRONMENT = {
    "http_proxy": "e1.test:1",
    "https_proxy": "e2.test:2",
    "ALL_PROXY": "e3.test:3",
    "no_proxy": "e.test",
}


def network(*arguments: str, **environment: str) -> Network:
    """What these options and this environment make."""
    options = fetch.make_context("fetch", ["http://h/", *arguments]).params
    return network_of(options, environment)


def test_neither_says_anything() -> None:
    """Direct, over both IP versions."""
    assert network() == Network()


def test_the_environment_where_no_option_is_given() -> None:
    """Each option takes the place of its own variable, --proxy that of all three."""
    proxies = network(**ENVIRONMENT).proxies
    assert proxies == Proxies("e1.test:1", "e2.test:2", "e3.test:3", "e.test")
    for name in ("--proxy", "--all-proxy"):
        assert network(name, "o:1", **ENVIRONMENT).proxies == Proxies(all="o:1", no_proxy="e.test")
    assert network("--http-proxy", "o:1", **ENVIRONMENT).proxies == Proxies(
        "o:1", "e2.test:2", "e3.test:3", "e.test"
    )
    assert network("--https-proxy", "o:1", "--proxy", "p:1", **ENVIRONMENT).proxies == Proxies(
        https="o:1", all="p:1", no_proxy="e.test"
    )
    for name in ("--no-proxy", "--noproxy"):
        assert network(name, "o.test", **ENVIRONMENT).proxies.no_proxy == "o.test"


def test_an_empty_option_means_none() -> None:
    """Whatever the environment says."""
    assert network("--proxy", "", **ENVIRONMENT).proxies.choose("https", "h.test", 443) is None
    assert network("--http-proxy", "", **ENVIRONMENT).proxies.choose("http", "h.test", 80) is None
    assert network("--no-proxy", "", **ENVIRONMENT).proxies.choose("http", "e.test", 80)


def test_what_is_no_proxy() -> None:
    """One sentence, and no password in it."""
    for name in ("--proxy", "--http-proxy", "--https-proxy"):
        with pytest.raises(click.BadParameter, match="TLS to the proxy") as caught:
            network(name, "https://me:s3cret@p.test")
        assert "s3cret" not in caught.value.format_message()
    with pytest.raises(click.UsageError, match="in the environment, the proxy for all"):
        network(all_proxy="http://me:s3cret/x@p.test")


def test_ip_versions() -> None:
    """One of them, or both."""
    assert [network(name).ip_version for name in ("-4", "--ipv4")] == [4, 4]
    assert [network(name).ip_version for name in ("-6", "--ipv6")] == [6, 6]
    with pytest.raises(click.UsageError, match="not both"):
        network("-4", "-6")


def test_interfaces() -> None:
    """An address of this machine, or the name of what has one."""
    assert network("--interface", "127.0.0.2").local_address == "127.0.0.2"
    assert network("--interface", "lo").local_address == "127.0.0.1"
    assert network("--interface", "lo", "-4").ip_version == 4
    for name, arguments in (("nosuch0", ["-6"]), ("nosuch0", []), ("192.0.2.1", [])):
        with pytest.raises(click.UsageError, match=name.replace(".", r"\.")):
            network("--interface", name, *arguments)
    with pytest.raises(click.UsageError, match="is no IPv6 address"):
        network("--interface", "127.0.0.1", "-6")
    assert local_address(None, None) is None


def test_ipv6_addresses_of_interfaces() -> None:
    """Not the one that needs a zone."""
    table = (
        "fe800000000000000000000000000001 02 40 20 80     eth0\n"
        "20010db8000000000000000000000002 02 40 00 80     eth0\n"
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "fe800000000000000000000000000003 03 40 20 80     eth1\n"
    )
    found = [ipv6_in(table, name) for name in ("lo", "eth0", "eth1", "eth")]
    assert found == ["::1", "2001:db8::2", None, None]


async def run(start: Any, *arguments: object, **environment: str) -> tuple[int, Any, Any]:
    """The exit code of `downloader fetch`, the line of its report, and the command."""
    command = start("fetch", "--report", "-", "-m", "1", *arguments, env=environment)
    code = await command.ended
    return code, json.loads(command.out.splitlines()[0]), command


async def test_the_commands_environment(
    start: Any, scripted: Any, http_proxy: Any, socks_proxy: Any
) -> None:
    """Is obeyed, but for HTTP_PROXY and what no_proxy names."""
    server = scripted(hello)
    http, socks = http_proxy(login="me:s3cret"), socks_proxy()
    by_http = f"http://me:s3cret@127.0.0.1:{http.port}"
    by_socks = f"socks5h://127.0.0.1:{socks.port}"
    assert (await run(start, server.url("/a", "h.test"), http_proxy=by_http))[0] == 0
    assert http.asked == [Asked(f"GET {server.url('/a', 'h.test')}", "me:s3cret")]
    assert (await run(start, server.url("/b", "h.test"), ALL_PROXY=by_socks))[0] == 0
    assert socks.asked == [Asked(f"CONNECT h.test:{server.port}")]
    environment = {"all_proxy": by_http, "no_proxy": "127.0.0.0/8", "HTTP_PROXY": by_http}
    assert (await run(start, server.url("/c"), **environment))[0] == 0
    assert (await run(start, server.url("/d"), HTTP_PROXY=by_http))[0] == 0
    assert (await run(start, server.url("/e"), "--proxy", "", http_proxy=by_http))[0] == 0
    assert (await run(start, server.url("/f", "h.test"), "--proxy", by_socks))[0] == 0
    assert len(http.asked) == 1 and len(socks.asked) == 2
    assert not any(b"roxy" in one.received for one in server.connections)


async def test_a_proxys_faults_are_told(start: Any, http_proxy: Any) -> None:
    """In the report and on standard error, without a password."""
    proxy = http_proxy(login="me:s3cret")
    url = f"http://you:oth3r@127.0.0.1:{proxy.port}"
    for target in ("http://h.test/a", "https://h.test/a"):
        code, line, command = await run(start, target, "--proxy", url, "-v")
        assert (code, line["error"]) == (1, "ProxyAuthRequired")
        assert b"oth3r" not in command.out + command.err
    code, line, command = await run(start, "http://h.test/", http_proxy="me:oth3r@127.0.0.1:1")
    assert (code, line["error"]) == (1, "ProxyFailed")
    assert b"oth3r" not in command.out + command.err


async def test_the_local_address(start: Any, scripted: Any) -> None:
    """The server sees the connection come from it."""
    server = scripted(hello)
    assert (await run(start, server.url("/a"), "--interface", "127.0.0.2"))[0] == 0
    assert server.connections[0].transport.getPeer().host == "127.0.0.2"


async def test_one_ip_version(start: Any, scripted: Any) -> None:
    """The server has only an IPv4 address."""
    server = scripted(hello)
    assert (await run(start, server.url("/a"), "-4"))[0] == 0
    code, line, _ = await run(start, server.url("/a"), "-6")
    assert (code, line["error"]) == (1, "WrongRequest")
