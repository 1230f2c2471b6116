"""No TLS session is taken up again, so no connection has an identity that an earlier one proved.

A server that takes sessions up again asks for no certificate then, and shows none (CVE-2016-5419,
CVE-2021-22890). This costs a whole handshake for each connection.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trustme
from cryptography.x509 import RFC822Name, SubjectAlternativeName
from OpenSSL import SSL
from support.asking import OK, get
from support.resolving import SilentResolver
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from downloader.certificates import Authorities, ClientCertificate
from downloader.http1.route import route_to
from downloader.http1.tls import TlsOptions
from downloader.sansio.network import Network

CA = trustme.CA()
TRUSTED = Authorities(CA.cert_pem.bytes())


def certificate(name: str) -> ClientCertificate:
    return ClientCertificate(CA.issue_cert(name).private_key_and_cert_chain_pem.bytes())


@implementer(IOpenSSLServerConnectionCreator)
class Resuming:
    """TLS of a server that takes sessions up again, and asks who we are in those that are new:
    `proven` is what it was shown."""

    def __init__(self, version: int) -> None:
        self.proven: list[str] = []
        self._kept: list[SSL.Connection] = []
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.set_max_proto_version(version)
        self._context.set_session_id(b"ours")
        CA.issue_cert("h.test").configure_cert(self._context)
        CA.configure_trust(self._context)
        self._context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._judge)

    def _judge(self, connection: Any, cert: Any, error: int, depth: int, ok: int) -> bool:
        if not depth:
            self.proven += mail_names(cert)
        return bool(ok)

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        # Kept, since OpenSSL forgets the session of one that is freed without a shutdown.
        self._kept.append(SSL.Connection(self._context, None))
        return self._kept[-1]


def mail_names(cert: Any) -> list[str]:
    """The mail addresses that a certificate is for."""
    found = cert.to_cryptography().extensions.get_extension_for_class(SubjectAlternativeName)
    return list(found.value.get_values_for_type(RFC822Name))


@pytest.fixture(params=[SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["1.2", "1.3"])
def tls(request: Any) -> Resuming:
    return Resuming(request.param)


def shake_hands(client: SSL.Connection, server: SSL.Connection) -> None:
    """Carry everything to and fro until there is no more."""
    client.set_connect_state()
    server.set_accept_state()
    for _ in range(10):
        for one, other in ((client, server), (server, client)):
            with suppress(SSL.WantReadError):
                one.do_handshake()
                one.recv(1)
            with suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(100_000))


def test_the_server_would(tls: Resuming) -> None:
    """If it were offered one: it asks nothing then."""
    context = TlsOptions(True, TRUSTED, certificate("me@h.test")).context
    first = SSL.Connection(context, None)
    shake_hands(first, tls.serverConnectionForTLS(None))
    session = first.get_session()
    assert session is not None and tls.proven == ["me@h.test"]
    second = SSL.Connection(context, None)
    second.set_session(session)
    shake_hands(second, tls.serverConnectionForTLS(None))
    assert second.get_peer_certificate() is not None and tls.proven == ["me@h.test"]


async def closing(connection: Any) -> None:
    """Answer one request on each connection."""
    await connection.head()
    connection.send(OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello")
    connection.close()


async def test_each_connection_proves_who_it_is(
    scripted: Any, make_agent: Any, tls: Resuming
) -> None:
    """Also those of one certificate, and of one agent; and the server is judged each time."""
    server = scripted(closing, tls=tls)
    agent = make_agent(resolver=SilentResolver(silent=False))
    me, you = certificate("me@h.test"), certificate("you@h.test")
    for shown in (me, me, you, me, you, you):
        agent._route = partial(route_to, Network(), TlsOptions(True, TRUSTED, shown))
        assert (await get(agent, server.url(host="h.test")))[1] == b"hello"
    names = ("me", "me", "you", "me", "you", "you")
    assert tls.proven == [f"{name}@h.test" for name in names]
    assert len(server.connections) == 6
