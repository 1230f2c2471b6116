"""Our own certificate and authorities over real TLS, and who shares a connection with whom."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from OpenSSL import SSL
from support.asking import HELLO, get
from support.resolving import SilentResolver
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from downloader.certificates import Authorities, ClientCertificate
from downloader.errors import TlsError
from downloader.http1.route import route_to
from downloader.http1.tls import TlsOptions
from downloader.sansio.network import Network
from downloader.transfer.door import translate

CLIENTS = trustme.CA()
OURS = CLIENTS.issue_cert("me@clients.test")
CERTIFICATE = b"".join(one.bytes() for one in OURS.cert_chain_pems)
KEY = OURS.private_key_pem.bytes()
OTHER_KEY = CLIENTS.issue_cert("other@clients.test").private_key_pem.bytes()


def encrypted(password: bytes, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    key = load_pem_private_key(KEY, None)
    return key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(password))


@implementer(IOpenSSLServerConnectionCreator)
class AskingTls:
    """A server's TLS that believes clients of one authority only; `shown` is whom it saw."""

    def __init__(self, issued: trustme.LeafCert, version: int) -> None:
        self.shown: list[str] = []
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.set_max_proto_version(version)
        issued.configure_cert(self._context)
        CLIENTS.configure_trust(self._context)
        self._context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._judge)

    def _judge(self, connection: Any, cert: Any, error: int, depth: int, ok: int) -> bool:
        if not depth:
            self.shown.append(cert.to_cryptography().subject.rfc4514_string())
        return bool(ok)

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        return SSL.Connection(self._context, None)


@pytest.fixture(params=[SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["1.2", "1.3"])
def asking(request: Any) -> tuple[AskingTls, Authorities]:
    """TLS of a server that asks who we are, and the authority that vouches for it."""
    servers = trustme.CA()
    tls = AskingTls(servers.issue_cert("h.test"), request.param)
    return tls, Authorities(servers.cert_pem.bytes())


async def script(connection: Any) -> None:
    while True:
        await connection.head()
        connection.send(HELLO)


def agent_with(make_agent: Any, *arguments: Any) -> Any:
    return make_agent(tls=TlsOptions(*arguments), resolver=SilentResolver(silent=False))


@pytest.mark.parametrize(
    "certificate",
    [
        ClientCertificate(CERTIFICATE, KEY),
        ClientCertificate(CERTIFICATE + KEY),
        ClientCertificate(KEY + CERTIFICATE),
        ClientCertificate(CERTIFICATE, KEY, "not needed"),
        ClientCertificate(CERTIFICATE, encrypted(b"sesame"), "sesame"),
        ClientCertificate(
            CERTIFICATE, encrypted(b"sesame", PrivateFormat.TraditionalOpenSSL), "sesame"
        ),
        ClientCertificate(CERTIFICATE, encrypted("s\u00e9same".encode()), "s\u00e9same"),
    ],
    ids=["apart", "together", "key first", "no password", "encrypted", "old style", "UTF-8"],
)
async def test_the_right_certificate(
    scripted: Any, make_agent: Any, asking: Any, certificate: Any
) -> None:
    tls, authorities = asking
    server = scripted(script, tls=tls)
    agent = agent_with(make_agent, True, authorities, certificate)
    assert (await get(agent, server.url(host="h.test")))[1] == b"hello"
    assert len(tls.shown) == 1


async def test_it_is_shown_unverified_servers_too(
    scripted: Any, make_agent: Any, asking: Any
) -> None:
    """With `verify` off."""
    tls, _ = asking
    server = scripted(script, tls=tls)
    agent = agent_with(make_agent, False, None, ClientCertificate(CERTIFICATE, KEY))
    assert (await get(agent, server.url(host="h.test")))[1] == b"hello"


@pytest.mark.parametrize("whose", ["none", "of a stranger"])
async def test_a_certificate_that_is_not_accepted(
    scripted: Any, make_agent: Any, asking: Any, whose: str
) -> None:
    """TlsError, whether the server says so in the handshake (1.2) or behind it (1.3)."""
    tls, authorities = asking
    server = scripted(script, tls=tls)
    stranger = trustme.CA().issue_cert("me@clients.test").private_key_and_cert_chain_pem.bytes()
    certificate = ClientCertificate(stranger) if whose == "of a stranger" else None
    agent = agent_with(make_agent, True, authorities, certificate)
    with pytest.raises(Exception) as caught:
        await get(agent, server.url(host="h.test"))
    assert type(translate(caught.value)) is TlsError
    await server.closed_all()
    assert [one.received for one in server.connections] == [b""]


async def test_nobody_asks(scripted: Any, make_agent: Any, ca: Any) -> None:
    """Then nothing is shown, and nothing goes wrong; other authorities are not believed."""
    server = scripted(script, tls=ca.server("h.test"))
    certificate = ClientCertificate(CERTIFICATE, KEY)
    agent = agent_with(make_agent, True, Authorities(ca.pem.read_bytes()), certificate)
    assert (await get(agent, server.url(host="h.test")))[1] == b"hello"
    stranger = Authorities(trustme.CA().cert_pem.bytes())
    with pytest.raises(Exception) as caught:
        await get(agent_with(make_agent, True, stranger), server.url(host="h.test"))
    assert type(translate(caught.value)) is TlsError


async def test_a_file_of_many_authorities(scripted: Any, make_agent: Any, ca: Any) -> None:
    """With words between them, as bundles have."""
    bundle = b"# one\n" + trustme.CA().cert_pem.bytes() + b"\n# two\n" + ca.pem.read_bytes()
    server = scripted(script, tls=ca.server("h.test"))
    agent = agent_with(make_agent, True, Authorities(bundle))
    assert (await get(agent, server.url(host="h.test")))[1] == b"hello"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((b"sesame", KEY), "no certificate in PEM"),
        ((b"", KEY), "no certificate in PEM"),
        ((CERTIFICATE.replace(b"M", b"?"), KEY), "no certificate in PEM"),
        ((CERTIFICATE,), "there is no private key in it"),
        ((CERTIFICATE, b"sesame"), "there is no private key in it"),
        ((CERTIFICATE, CERTIFICATE), "there is no private key in it"),
        ((CERTIFICATE, KEY[:80]), "cannot be read: it is damaged"),
        ((CERTIFICATE, OTHER_KEY), "not that of the certificate"),
        ((CERTIFICATE, encrypted(b"sesame")), "needs a password"),
        ((CERTIFICATE, encrypted(b"sesame"), "wrong-sesame"), "it has another password"),
        ((CERTIFICATE, encrypted(b"sesame"), ""), "it has another password"),
    ],
)
def test_what_does_not_fit(arguments: Any, reason: str) -> None:
    """Is told when it is made, and quotes nothing."""
    with pytest.raises(ValueError, match=reason) as caught:
        ClientCertificate(*arguments)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("pem", [b"", b"sesame", KEY])
def test_no_authority(pem: bytes) -> None:
    with pytest.raises(ValueError, match="no certificate in PEM"):
        Authorities(pem)


def test_nothing_is_shown() -> None:
    certificate = ClientCertificate(CERTIFICATE, encrypted(b"sesame"), "sesame")
    authorities = Authorities(CLIENTS.cert_pem.bytes())
    text = repr(TlsOptions(True, authorities, certificate))
    assert "sesame" not in text and "PRIVATE" not in text
    assert repr(authorities) == "<Authorities 1>"


# --- the pool's key -------------------------------------------------------------------------


def differing() -> list[TlsOptions]:
    """Options of which each differs from each in one thing at least."""
    ours, other = CLIENTS.cert_pem.bytes(), trustme.CA().cert_pem.bytes()
    stranger = CLIENTS.issue_cert("you@clients.test").private_key_and_cert_chain_pem.bytes()
    return [
        TlsOptions(),
        TlsOptions(False),
        TlsOptions(True, Authorities(ours)),
        TlsOptions(True, Authorities(other)),
        TlsOptions(True, None, ClientCertificate(CERTIFICATE, KEY)),
        TlsOptions(True, None, ClientCertificate(stranger)),
        TlsOptions(True, Authorities(ours), ClientCertificate(CERTIFICATE, KEY)),
        TlsOptions(False, None, ClientCertificate(CERTIFICATE, KEY)),
    ]


def test_options_are_values() -> None:
    """The same texts are the same options, read twice or used already; others are others."""
    one, two = (
        differing()[6],
        TlsOptions(
            True, Authorities(CLIENTS.cert_pem.bytes()), ClientCertificate(CERTIFICATE, KEY)
        ),
    )
    assert one.context is not None
    assert one == two and hash(one) == hash(two)
    assert len(set(differing())) == len(differing())


async def test_connections_are_never_shared_across_them(
    scripted: Any, make_agent: Any, asking: Any
) -> None:
    """One pool, one origin, two certificates: two connections, each with its own; and the one
    that is there is used by who shows the same."""
    tls, authorities = asking
    server = scripted(script, tls=tls)
    two = CLIENTS.issue_cert("you@clients.test").private_key_and_cert_chain_pem.bytes()
    options = [
        TlsOptions(True, authorities, certificate)
        for certificate in (
            ClientCertificate(CERTIFICATE, KEY),
            ClientCertificate(two),
            ClientCertificate(CERTIFICATE, KEY),
        )
    ]
    agent = agent_with(make_agent)
    for option in options:
        agent._route = partial(route_to, Network(), option)  # a pool may have many
        assert (await get(agent, server.url(host="h.test")))[1] == b"hello"
    assert [len(one.heads) for one in server.connections] == [2, 1]
