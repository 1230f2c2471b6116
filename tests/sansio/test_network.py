"""The way out: what can be, and what cannot."""

from __future__ import annotations

import pytest

from downloader.sansio.network import Network


def test_by_default_it_is_direct() -> None:
    """Over either IP version, from any address."""
    network = Network()
    assert (network.ip_version, network.local_address) == (None, None)
    assert network.proxies.choose("http", "h.test", 80) is None
    assert network == Network() and hash(network) == hash(Network())


@pytest.mark.parametrize(("address", "version"), [("127.0.0.1", 4), ("::1", 6)])
def test_a_local_address_decides_the_version(address: str, version: int) -> None:
    """One kind of address does not connect to the other."""
    assert Network(local_address=address).ip_version == version
    assert Network(ip_version=version, local_address=address).ip_version == version
    with pytest.raises(ValueError, match="is no IPv"):
        Network(ip_version=10 - version, local_address=address)


def test_what_cannot_be() -> None:
    """Is refused when the value is made."""
    with pytest.raises(ValueError, match="4, 6 or None"):
        Network(ip_version=5)
    with pytest.raises(ValueError, match="eth0"):
        Network(local_address="eth0")
