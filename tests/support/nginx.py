"""A real nginx, plain and TLS, as a child process on free ports of loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

from support.ca import Authority

CONFIG = """\
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
    keepalive_requests 1000000;
    sendfile on;
    log_format ranges '$request_uri $connection $http_x_run $http_range';
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        ssl_certificate {pem};
        ssl_certificate_key {pem};
        root {root};
        location /dav/ {{
            dav_methods PUT;
            create_full_put_path on;
            client_max_body_size 300m;
        }}
        location /dav/small/ {{
            dav_methods PUT;
            create_full_put_path on;
            client_max_body_size 64k;
        }}
        location /ranges/ {{
            access_log ranges.log ranges;
        }}
    }}
    log_format asked '$request_uri $pipe';
    server {{
        listen 127.0.0.1:{few_port};
        keepalive_requests 10;
        access_log few.log asked;
        root {root};
    }}
}}
"""


def find_nginx() -> str | None:
    """The program's path; a Debian user's PATH lacks /usr/sbin."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Nginx:
    """Serves the files below `root` on `port`, and over TLS on `tls_port`, until `stop`.

    On `few_port` each connection has ten requests, which `few_log` tells: lines of a path and a
    letter, `p` for a request that had come along with the one before it. What was asked for below
    /ranges/ is in `ranges_log`: a path, the connection's number, and the request's X-Run and Range.
    """

    def __init__(self, program: str, directory: Path, authority: Authority) -> None:
        self.root = directory / "root"
        self.root.mkdir()
        self._directory = directory
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        self.port, self.tls_port, self.few_port = (one.getsockname()[1] for one in sockets)
        (directory / "nginx.conf").write_text(self._config(authority.server_pem()))
        self._process = _spawn(program, directory, sockets)
        self._await_answer()

    def url(self, path: str = "/") -> str:
        """The plain URL of `path`."""
        return f"http://127.0.0.1:{self.port}{path}"

    def tls_url(self, path: str = "/") -> str:
        """The TLS URL of `path`."""
        return f"https://localhost:{self.tls_port}{path}"

    def few_url(self, path: str = "/") -> str:
        """The URL of `path` where connections are short."""
        return f"http://127.0.0.1:{self.few_port}{path}"

    @property
    def few_log(self) -> list[list[str]]:
        """What was asked for there."""
        return self._log("few.log")

    @property
    def ranges_log(self) -> list[list[str]]:
        """What was asked for below /ranges/, by requests that have ended; `-` for no header."""
        return self._log("ranges.log")

    @property
    def pid(self) -> int:
        """The process id of the master."""
        return self._process.pid

    def stop(self) -> None:
        """End the process, its worker with it, and wait for that."""
        self._process.terminate()
        self._process.wait(10)

    def _log(self, name: str) -> list[list[str]]:
        return [line.split() for line in (self._directory / name).read_text().splitlines()]

    def _config(self, pem: Path) -> str:
        # Started by root, a worker would turn into nobody, who may not look into our directory.
        user = "user root;" if os.geteuid() == 0 else ""
        return CONFIG.format(
            user=user,
            port=self.port,
            tls_port=self.tls_port,
            few_port=self.few_port,
            pem=pem,
            root=self.root,
        )

    def _await_answer(self) -> None:
        """Raise with nginx's own words if it does not serve; its sockets are open already."""
        (self.root / "ready").touch()
        try:
            with urllib.request.urlopen(self.url("/ready"), timeout=10):
                pass
        except OSError as error:
            self.stop()
            log = self._directory / "error.log"
            raise AssertionError(log.read_text() if log.exists() else "no error.log") from error


def _spawn(program: str, directory: Path, sockets: list[socket.socket]) -> subprocess.Popen[bytes]:
    """Start nginx on `sockets`, which it inherits: so no port is lost between choice and use."""
    fds = [one.fileno() for one in sockets]
    process = subprocess.Popen(
        [program, "-p", str(directory), "-e", "error.log", "-c", "nginx.conf"],
        stdin=subprocess.DEVNULL,
        pass_fds=fds,
        env={**os.environ, "NGINX": "".join(f"{fd};" for fd in fds)},
    )
    for one in sockets:
        one.close()
    return process
