"""Whom the agent believes: each bad certificate fails before a byte of the request is sent."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID
from support.asking import get, hello
from support.ca import Authority, ServerTls
from support.resolving import SilentResolver
from twisted.internet.ssl import Certificate
from twisted.internet.ssl import trustRootFromCertificates as trust_root_from

from downloader.errors import TlsError
from downloader.http1.tls import TlsOptions
from downloader.testing import mute
from downloader.transfer.door import translate

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass
class Issued:
    """A key and its certificate, as trustme's LeafCert puts them to use."""

    key: Any
    certificate: Any

    def configure_cert(self, context: Any) -> None:
        context.use_privatekey(self.key)
        context.use_certificate(self.certificate)


def self_signed(ca: Any) -> Any:
    """A certificate that vouches for itself."""
    own = trustme.CA()
    return ServerTls(Issued(_key(own), x509.load_pem_x509_certificate(own.cert_pem.bytes())))


def nameless(authority: trustme.CA, common_name: str) -> Any:
    """A certificate of `authority` that has a common name and no subjectAltName."""
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder(issuer.subject, name, key.public_key(), 1)
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    return ServerTls(Issued(key, builder.sign(_key(authority), hashes.SHA256())))


def _key(authority: trustme.CA) -> Any:
    return load_pem_private_key(authority.private_key_pem.bytes(), None)


def of_a_stranger(ca: Any, tmp_path: Any) -> Any:
    """A certificate of an authority that nobody here knows."""
    return Authority(tmp_path).server("h.test")


GOOD: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("h.test", lambda ca: ca.server("h.test")),
    "one of many": ("h.test", lambda ca: ca.server("a.test", "h.test", "10.0.0.1")),
    "wildcard": ("a.h.test", lambda ca: ca.server("*.h.test")),
    "underscore": ("a_b.h.test", lambda ca: ca.server("*.h.test")),
    "trailing dot": ("h.test.", lambda ca: ca.server("h.test")),
    "upper case": ("H.TEST", lambda ca: ca.server("h.test")),
    "international": ("xn--bcher-kva.test", lambda ca: ca.server("xn--bcher-kva.test")),
    "address": ("127.0.0.1", lambda ca: ca.server("127.0.0.1")),
}
BAD: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "expired": ("h.test", lambda ca: ca.server("h.test", not_after=NOW - DAY)),
    "not yet valid": ("h.test", lambda ca: ca.server("h.test", not_before=NOW + DAY)),
    "another host": ("h.test", lambda ca: ca.server("evil.test")),
    "the parent": ("a.h.test", lambda ca: ca.server("h.test")),
    "a child": ("h.test", lambda ca: ca.server("a.h.test")),
    "wildcard for two levels": ("a.b.h.test", lambda ca: ca.server("*.h.test")),
    "wildcard for none": ("h.test", lambda ca: ca.server("*.h.test")),
    "common name only": ("h.test", lambda ca: ca.server("x.test", common_name="h.test")),
    "another address": ("127.0.0.1", lambda ca: ca.server("127.0.0.2")),
    "address as name": ("127.0.0.1", lambda ca: ca.server("h.test")),
    "name for address": ("h.test", lambda ca: ca.server("127.0.0.1")),
    "self-signed": ("h.test", self_signed),
}


@pytest.mark.parametrize("name", GOOD)
async def test_good(scripted: Any, make_agent: Any, ca: Any, name: str) -> None:
    """It names the host and comes from a trusted authority."""
    host, certificate = GOOD[name]
    server = scripted(hello, tls=certificate(ca))
    agent = make_agent(
        tls=TlsOptions(trust_root=ca.trust_root), resolver=SilentResolver(silent=False)
    )
    assert (await get(agent, server.url(host=host)))[1] == b"hello"


async def refused(server: Any, agent: Any, host: str) -> None:
    """The request fails with TlsError and the server sees none of it."""
    with pytest.raises(Exception) as caught:
        await get(agent, server.url("/secret", host=host), authorization="secret")
    assert type(translate(caught.value)) is TlsError
    await server.closed_all()
    assert [one.received for one in server.connections] == [b""]


@pytest.mark.parametrize("name", BAD)
async def test_bad(scripted: Any, make_agent: Any, ca: Any, name: str) -> None:
    """TlsError, and no application data."""
    host, certificate = BAD[name]
    agent = make_agent(
        tls=TlsOptions(trust_root=ca.trust_root), resolver=SilentResolver(silent=False)
    )
    await refused(scripted(mute, tls=certificate(ca)), agent, host)


async def test_a_stranger(scripted: Any, make_agent: Any, ca: Any, tmp_path: Any) -> None:
    """Of an unknown authority; and of a known one, for who trusts the system's only."""
    resolver = SilentResolver(silent=False)
    strict = make_agent(tls=TlsOptions(trust_root=ca.trust_root), resolver=resolver)
    await refused(scripted(mute, tls=of_a_stranger(ca, tmp_path)), strict, "h.test")
    await refused(scripted(mute, tls=ca.server("h.test")), make_agent(resolver=resolver), "h.test")


async def test_no_names(scripted: Any, make_agent: Any) -> None:
    """A trusted authority's certificate without any subjectAltName is good for no host at all."""
    authority = trustme.CA()
    trust_root = trust_root_from([Certificate.loadPEM(authority.cert_pem.bytes())])
    for name in ("h.test", "evil.test"):
        server = scripted(mute, tls=nameless(authority, name))
        resolver = SilentResolver(silent=False)
        agent = make_agent(tls=TlsOptions(trust_root=trust_root), resolver=resolver)
        await refused(server, agent, "h.test")


async def test_plain_http_on_the_tls_port(scripted: Any, make_agent: Any) -> None:
    """A server that speaks no TLS is a TLS failure too."""

    async def script(connection: Any) -> None:
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = scripted(script)
    with pytest.raises(Exception) as caught:
        await get(make_agent(), f"https://127.0.0.1:{server.port}/")
    assert type(translate(caught.value)) is TlsError


@pytest.mark.parametrize("host", ["h.test", "127.0.0.1", "a_b.test"])
async def test_verify_off_accepts_any(scripted: Any, make_agent: Any, ca: Any, host: str) -> None:
    """That is what it is for."""
    server = scripted(hello, tls=self_signed(ca))
    agent = make_agent(tls=TlsOptions(verify=False), resolver=SilentResolver(silent=False))
    assert (await get(agent, server.url(host=host)))[1] == b"hello"


async def test_options_do_not_share_connections(scripted: Any, make_agent: Any, ca: Any) -> None:
    """What one agent accepted unverified, another does not find in a pool (CVE-2024-35195)."""
    server = scripted(hello, tls=ca.server("h.test"))
    resolver = SilentResolver(silent=False)
    lax = make_agent(tls=TlsOptions(verify=False), resolver=resolver)
    await get(lax, server.url(host="h.test"))
    with pytest.raises(Exception) as caught:
        await get(make_agent(resolver=resolver), server.url(host="h.test"))
    assert type(translate(caught.value)) is TlsError
    assert [len(one.heads) for one in server.connections] == [1, 0]


def test_options_are_equal_when_they_mean_the_same(ca: Any) -> None:
    """They are part of the pool's key, and what they keep for later is not part of them."""
    one, two = TlsOptions(trust_root=ca.trust_root), TlsOptions(trust_root=ca.trust_root)
    one.creator("h.test")
    assert one == two and hash(one) == hash(two)
    assert len({one, TlsOptions(), TlsOptions(verify=False)}) == 3


def test_trusted_certificates_are_read_once(ca: Any) -> None:
    """They are the same for all hosts of a list."""
    options = TlsOptions(trust_root=ca.trust_root)
    assert options.context is options.context
