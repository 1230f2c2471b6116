"""nginx, and programs of ours beside it, each in a process of its own."""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType

import trustme

from benchmarks.data import SERVED
from benchmarks.measure import Child, ToolFailed, environment

HOST = "127.0.0.1"
# Where the same files come more slowly, and how many bytes a second a connection gets there.
LIMITED, RATE = "limited", 50_000_000

# One worker, so that half of a small machine is left to the client. A certificate that fits the
# address spares every tool a look-up. $file is a name without its dot and what follows.
_CONFIG = """\
daemon off;
{user}
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type application/octet-stream;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 100000000;
    sendfile on;
    server {{
        listen {host}:{port};
        listen {host}:{tls_port} ssl{listen_http2};
        {http2}
        ssl_certificate {pem};
        ssl_certificate_key {pem};
        root {root};
        location /{limited}/ {{ alias {root}/{served}/; limit_rate {rate}; }}
        location ~ "^/{served}/(?<file>[0-9]+)\\." {{ try_files /{served}/$file =404; }}
    }}
}}
"""


class NoServer(Exception):
    """nginx cannot be started; the text says why."""


class Nginx:
    """Serves the files below `root` on `port`, and over TLS on `tls_port`, as a context.

    `ca` is what signed its certificate. Over TLS it offers HTTP/2 where it was built with it.
    """

    def __init__(self, directory: Path) -> None:
        self._program = find_nginx()
        self._directory = directory
        self.root = directory / "root"
        self.root.mkdir()
        self.ca = directory / "ca.pem"
        self.version = _said(self._program, "-v").strip().removeprefix("nginx version: ")

    def __enter__(self) -> Nginx:
        sockets = [socket.create_server((HOST, 0), backlog=511) for _ in range(2)]
        self.port, self.tls_port = (one.getsockname()[1] for one in sockets)
        (self._directory / "nginx.conf").write_text(self._config(self._certificate()))
        self._process = self._start(sockets)
        try:
            self._await_answer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _certificate(self) -> Path:
        authority, pem = trustme.CA(), self._directory / "server.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        issued = authority.issue_cert("localhost", HOST)
        issued.private_key_and_cert_chain_pem.write_to_path(str(pem))
        return pem

    def _config(self, pem: Path) -> str:
        on_listen, on_server = http2_words(self.version, _said(self._program, "-V"))
        return _CONFIG.format(
            # Started by root, a worker would turn into nobody, who may not read our files.
            user="user root;" if os.geteuid() == 0 else "",
            host=HOST,
            port=self.port,
            tls_port=self.tls_port,
            listen_http2=on_listen,
            http2=on_server,
            pem=pem,
            root=self.root,
            served=SERVED,
            limited=LIMITED,
            rate=RATE,
        )

    def _start(self, sockets: list[socket.socket]) -> subprocess.Popen[bytes]:
        """Let it inherit its sockets: so no port is lost between choice and use."""
        fds = [one.fileno() for one in sockets]
        process = subprocess.Popen(
            [self._program, "-p", str(self._directory), "-e", "error.log", "-c", "nginx.conf"],
            stdin=subprocess.DEVNULL,
            pass_fds=fds,
            env={**os.environ, "NGINX": "".join(f"{fd};" for fd in fds)},
            # Ctrl-C is for us; we end it.
            start_new_session=True,
        )
        for one in sockets:
            one.close()
        return process

    def _await_answer(self) -> None:
        (self.root / "ready").touch()
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"http://{HOST}:{self.port}/ready", timeout=10):
                pass
        except OSError as error:
            log = self._directory / "error.log"
            raise NoServer(log.read_text() if log.exists() else str(error)) from error


class Neighbour:
    """A module of this package that serves in a process of its own, as a context.

    The first line it prints is its port.
    """

    def __init__(self, module: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment(),
            start_new_session=True,
        )

    def __enter__(self) -> Neighbour:
        try:
            self.port = int(self.line(30))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def line(self, limit: float, *others: Child) -> str:
        """The next line it prints, within `limit` seconds; not if one of `others` ends first."""
        out = self._process.stdout
        assert out is not None
        files = [out.fileno(), *(other.fileno() for other in others)]
        ready = select.select(files, [], [], limit)[0]
        if files[0] not in ready:
            raise ToolFailed("ended early" if ready else f"nothing to see after {limit:g} s")
        return out.readline().decode().strip()


def find_nginx() -> str:
    """The program's path; a Debian user's PATH lacks /usr/sbin."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
    program = shutil.which("nginx", path=path)
    if program is None:
        raise NoServer("nginx is not installed; on Debian: apt-get install nginx")
    return program


def http2_words(version: str, built: str) -> tuple[str, str]:
    """How this nginx is told to speak HTTP/2: a word on its listen line, or a line of its own.

    Since 1.25.1 it is a directive, and the word on listen is deprecated.
    """
    if "--with-http_v2_module" not in built:
        return "", ""
    number = re.search(r"(\d+)\.(\d+)\.(\d+)", version)
    new = number is not None and tuple(map(int, number.groups())) >= (1, 25, 1)
    return ("", "http2 on;") if new else (" http2", "")


def _said(program: str, option: str) -> str:
    """nginx speaks of itself on standard error."""
    return subprocess.run([program, option], capture_output=True, text=True, check=True).stderr
