"""In a program of its own: beside another reactor, across a fork, and when the program ends."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from support.asking import HELLO, OK, hello, path_of, until

from downloader.testing import End, head, mute

SHY = b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n"
HALF = OK + b"Content-Length: 9\r\n\r\nhalf"
READ = "from downloader.blocking import fetch, urlopen\nimport sys\nurl = sys.argv[1]\n"


async def test_nothing_is_installed(scripted: Any, ca: Any, program: Any) -> None:
    """No global reactor, no signal handler, no I/O thread: by name, over TLS, with a file too."""
    plain, secure = scripted(hello), scripted(hello, tls=ca.server())
    code = """
import signal
before = [signal.getsignal(n) for n in signal.valid_signals()]
for url in sys.argv[1:]:
    assert urlopen(url).read() == b"hello"
    assert fetch(url, directory="out").bytes == 5
try:
    urlopen("http://does-not-exist.invalid/")
except OSError as error:
    raise
except Exception as error:
    print(type(error).__name__)
from twisted.python import threadable
assert threadable.ioThread is None
assert before == [signal.getsignal(n) for n in signal.valid_signals()]
assert signal.set_wakeup_fd(-1) == -1
assert "twisted.internet.reactor" not in sys.modules
from twisted.internet import asyncioreactor
asyncioreactor.install()
"""
    urls = [plain.url(host="localhost"), secure.url(host="localhost"), plain.url()]
    child = program(READ + code, *urls, SSL_CERT_FILE=str(ca.pem))
    assert (await child.ended(), child.said) == (0, "ResolveError\n")


async def test_nothing_is_installed_on_the_way_through_a_proxy(
    scripted: Any, ca: Any, program: Any, http_proxy: Any, socks_proxy: Any
) -> None:
    """Of each kind, to a name, in the clear and over TLS; nor by a wait for the next try."""
    plain, secure = scripted(hello), scripted(hello, tls=ca.server())
    shy = scripted([head, SHY, head, HELLO])
    proxies, socks = (http_proxy(login="me:pass"), socks_proxy(login="me:pass"))
    code = """
from downloader import Credentials, Identity, Job, Network, Proxies, Retries
from downloader.blocking import Client
me = Identity(Credentials("me", "pass"), digest=True)
for proxy in sys.argv[4:]:
    with Client(network=Network(Proxies(all=proxy)), identity=me) as client:
        for url in sys.argv[1:3]:
            assert client.urlopen(url).read() == b"hello"
with Client(network=Network(ip_version=4), retries=Retries(wait=0.01)) as client:
    assert client.fetch(sys.argv[3], directory="out").attempts == 2
assert "twisted.internet.reactor" not in sys.modules
"""
    urls = [one.url(host="localhost") for one in (plain, secure, shy)]
    places = [("http", proxies), ("socks5", socks), ("socks5h", socks)]
    through = [f"{scheme}://me:pass@localhost:{one.port}" for scheme, one in places]
    child = program(READ + code, *urls, *through, SSL_CERT_FILE=str(ca.pem))
    assert (await child.ended(), child.said) == (0, "")
    assert (len(proxies.asked), len(socks.asked)) == (2, 4)


async def test_beside_twisteds_reactor(scripted: Any, program: Any) -> None:
    """In its threads, with downloads of its own going on meanwhile; each is left as it was."""
    server = scripted(hello)
    code = """
from twisted.internet import reactor, threads
from twisted.internet.defer import ensureDeferred, gatherResults
from twisted.internet.task import react
from twisted.python.threadable import isInIOThread
from downloader import Downloader, Job

async def main(reactor):
    downloader = Downloader(reactor)
    for turn in range(3):
        waits = [threads.deferToThread(lambda: urlopen(url).read()) for _ in range(8)]
        waits.append(downloader.fetch(Job(url, directory="out")))
        bodies = await gatherResults(waits)
        assert bodies[:8] == [b"hello"] * 8 and bodies[8].bytes == 5
        assert isInIOThread()
    await downloader.close()

react(lambda reactor: ensureDeferred(main(reactor)))
"""
    child = program(READ + code, server.url())
    assert (await child.ended(), child.said) == (0, "")


async def test_after_a_fork(scripted: Any, program: Any, tmp_path: Path) -> None:
    """The child has a thread of its own, and its copies keep no connection of the parent open."""

    async def serve(connection: Any) -> None:
        while True:
            target = path_of(await connection.head())
            connection.send(HALF if target == "/half" else HELLO)

    server = scripted(serve)
    code = """
import os, time
def until(name):
    while not os.path.exists(name):
        time.sleep(0.01)
half = urlopen(url + "half")
child = os.fork()
if child:
    until("close")
    half.close()
    assert urlopen(url).read() == b"hello"
    os.waitpid(child, 0)
else:
    try:
        half.read()
    except Exception as error:
        print(type(error).__name__)
    assert urlopen(url).read() == b"hello"
    print("the child")
    until("end")
"""
    parent = program(READ + code, server.url(), PYTHONWARNINGS="ignore::DeprecationWarning")
    await parent.says("the child\n")
    (half,) = (one for one in server.connections if b"/half" in one.heads[0])
    assert half.end is None
    (tmp_path / "close").touch()
    assert await half.ended() is End.RST  # though the child still runs
    (tmp_path / "end").touch()
    assert (await parent.ended(), parent.said) == (0, "Closed\nthe child\n")


@pytest.mark.parametrize("script", [[head, mute], [head, HALF, mute]], ids=["head", "body"])
async def test_ctrl_c(scripted: Any, program: Any, reactor: Any, script: Any) -> None:
    """The program ends as any other of Python's does, and the server sees it."""
    server = scripted(script)
    child = program(READ + "print('go')\nurlopen(url).read()", server.url())
    await until(reactor, lambda: server.connections and server.connections[0].heads)
    child.process.send_signal(signal.SIGINT)
    assert await server.connections[0].ended() is End.RST
    assert await child.ended() == -signal.SIGINT
    assert child.said.splitlines()[-1] == "KeyboardInterrupt"
    assert child.said.count("Traceback") == 1


async def test_ctrl_c_that_is_caught(scripted: Any, program: Any, reactor: Any) -> None:
    """The connection is closed while the program goes on."""
    server = scripted([head, mute])
    other = scripted(hello)
    code = """
try:
    fetch(url, directory="out")
except KeyboardInterrupt:
    print("caught", flush=True)
print(urlopen(sys.argv[2]).read())
"""
    child = program(READ + code, server.url(), other.url())
    await until(reactor, lambda: server.connections and server.connections[0].heads)
    child.process.send_signal(signal.SIGINT)
    assert await server.connections[0].ended() is End.RST
    assert await child.ended() == 0
    assert child.said == "caught\nb'hello'\n"


async def test_a_signal_handler_that_exits(scripted: Any, program: Any, reactor: Any) -> None:
    """SystemExit, as many programs answer SIGTERM."""
    server = scripted([head, mute])
    code = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\nurlopen(url)"
    child = program(READ + code, server.url())
    await until(reactor, lambda: server.connections and server.connections[0].heads)
    child.process.send_signal(signal.SIGTERM)
    assert await server.connections[0].ended() is End.RST
    assert (await child.ended(), child.said) == (5, "")


async def test_the_end_with_work_under_way(
    reactor: Any, scripted: Any, program: Any, tmp_path: Path
) -> None:
    """All is aborted and nothing is printed: daemon threads that wait, and responses left open."""
    server, stalled = scripted([head, mute]), scripted([head, HALF, mute])
    code = """
import os, threading, time
kept = urlopen(sys.argv[2])
circle = {"response": urlopen(sys.argv[2])}
circle["circle"] = circle
for target in (urlopen, fetch, lambda url: urlopen(sys.argv[2]).read()):
    threading.Thread(target=target, args=(url,), daemon=True).start()
while not os.path.exists("end"):
    time.sleep(0.01)
"""
    child = program(READ + code, server.url(), stalled.url())
    await until(reactor, lambda: sum(len(one.heads) for one in server.connections) == 2)
    await until(reactor, lambda: sum(len(one.heads) for one in stalled.connections) == 3)
    (tmp_path / "end").touch()
    assert (await child.ended(), child.said) == (0, "")
    for one in (*server.connections, *stalled.connections):
        assert await one.ended() is End.RST


async def test_a_call_at_the_very_end(scripted: Any, program: Any) -> None:
    """What runs after us at exit hears that it is too late; what runs before may still ask."""
    server = scripted(hello)
    code = """
import atexit
def late():
    try:
        urlopen(sys.argv[1])
    except Exception as error:
        print(type(error).__name__)
atexit.register(late)
from downloader.blocking import urlopen
import sys
urlopen(sys.argv[1]).read()
atexit.register(lambda: print(urlopen(sys.argv[1]).read()))
"""
    child = program(code, server.url())
    assert (await child.ended(), child.said) == (0, "b'hello'\nClosed\n")
