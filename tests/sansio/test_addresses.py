"""Which addresses a stranger's URL may lead to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.addresses import is_private

PRIVATE = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "unspecified": ["0.0.0.0", "::", "0.1.2.3"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0", "fec0::1"],
    "shared": ["100.64.0.1", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.1.1.1", "232.1.1.1", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.0.1", "198.18.0.1", "192.88.99.1"],
    "for documents": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"],
    "not given out": ["4000::1", "100::1", "64:ff9b:1::808:808", "::8.8.8.8", "::127.0.0.1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::"],
    "NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "none": ["", "localhost", "0x7f.1", "2130706433", "127.1", "1.1.1.1:80", "[::1]", "010.1.1.1"],
}
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "223.255.255.254"),
    *("2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "2002:808:808::1"),
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("address", [one for kind in PRIVATE.values() for one in kind])
def test_private_ones(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_ones(address: str) -> None:
    assert not is_private(address)


@given(st.ip_addresses(v=4))
def test_what_carries_an_address_is_as_private(address: IPv4Address) -> None:
    """Whatever form leads to it."""
    number = int(address)
    forms = [IPv6Address((0xFFFF << 32) | number), IPv6Address((0x64FF9B << 96) | number)]
    forms.append(IPv6Address((0x2002 << 112) | number << 80))
    for form in forms:
        assert is_private(str(form)) == is_private(str(address))


@given(st.text() | st.ip_addresses().map(str))
def test_anything_is_answered(text: str) -> None:
    assert is_private(text) in (True, False)
