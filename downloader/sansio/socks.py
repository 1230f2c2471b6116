"""SOCKS5 from the client's side (RFC 1928), with user and password (RFC 1929).

What is awaited, one after the other: the proxy's choice of a method, its judgement of the login
when it chose that, and its reply. As with CONNECT, nothing may come behind the reply.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from downloader.errors import ProxyAuthRequired, ProxyError, ProxyFailed, ProxyRefused

_VERSION = 5
_NO_LOGIN, _LOGIN, _NO_METHOD = 0, 2, 0xFF
_CONNECT = b"\x05\x01\x00"
_IPV4, _NAME, _IPV6 = 1, 3, 4
# RFC 1928 §6: what the proxy could not do, and what it does not want to or cannot ever.
_FAILED = {
    1: "general failure",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the server refused the connection",
    6: "the time to live has expired",
}
_REFUSED = {
    2: "its rules do not allow it",
    7: "it knows no CONNECT",
    8: "it does not know this kind of address",
}


class Socks5Handshake:
    """Asks a SOCKS5 proxy for a connection to `host`:`port`; a name is looked up there.

    With `user` None no login is offered.
    """

    def __init__(self, host: str, port: int, user: bytes | None, password: bytes) -> None:
        self.complete = False
        self._host = host
        self._port = port
        self._user = user
        self._password = password
        self._received = bytearray()
        self._step: Callable[[], bytes | None] = self._method

    def __repr__(self) -> str:
        state = "complete" if self.complete else self._step.__name__.strip("_")
        return f"<Socks5Handshake {state}>"

    def begin(self) -> bytes:
        """The version and the methods on offer."""
        methods = bytes([_NO_LOGIN] if self._user is None else [_NO_LOGIN, _LOGIN])
        return bytes([_VERSION, len(methods)]) + methods

    def receive(self, data: bytes) -> bytes:
        """What to send next."""
        self._received += data
        sent = b""
        while not self.complete and (said := self._step()) is not None:
            sent += said
        if self.complete and self._received:
            raise ProxyRefused("it sent bytes behind its answer")
        return sent

    # --- what is awaited: None while it is not all there, else what to send ------------------

    def _method(self) -> bytes | None:
        self._check_version()
        if len(self._received) < 2:
            return None
        method = self._take(2)[1]
        if method == _NO_LOGIN:
            return self._request()
        if method == _LOGIN and self._user is not None:
            self._step = self._judgement
            user, password = self._user, self._password
            return bytes([1, len(user)]) + user + bytes([len(password)]) + password
        if method == _NO_METHOD:
            raise ProxyAuthRequired("it takes none of the ways to log in that were offered")
        raise ProxyRefused("it chose a way to log in that was not offered")

    def _judgement(self) -> bytes | None:
        if len(self._received) < 2:
            return None
        if self._take(2)[1] != 0:
            raise ProxyAuthRequired("it does not accept them")
        return self._request()

    def _reply(self) -> bytes | None:
        self._check_version()
        if len(self._received) < 2:
            return None
        if self._received[1] != 0:
            raise _refusal(self._received[1])
        if len(self._received) < 5:
            return None
        lengths = {_IPV4: 4, _IPV6: 16, _NAME: 1 + self._received[4]}
        length = lengths.get(self._received[3])
        if length is None:
            raise ProxyRefused("its answer is not SOCKS5")
        if len(self._received) < 6 + length:
            return None
        self._take(6 + length)  # the address it connects from, which is of no use here
        self.complete = True
        return b""

    # --- pieces -----------------------------------------------------------------------------

    def _request(self) -> bytes:
        self._step = self._reply
        return _CONNECT + _place(self._host) + self._port.to_bytes(2, "big")

    def _check_version(self) -> None:
        if self._received and self._received[0] != _VERSION:
            raise ProxyRefused("its answer is not SOCKS5")

    def _take(self, count: int) -> bytes:
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken


def _place(host: str) -> bytes:
    """The address or name, with its kind before it."""
    try:
        address = ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        return bytes([_NAME, len(name)]) + name
    return bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed


def _refusal(reply: int) -> ProxyError:
    if reply in _FAILED:
        return ProxyFailed(_FAILED[reply])
    return ProxyRefused(_REFUSED.get(reply, f"reply {reply}"))
