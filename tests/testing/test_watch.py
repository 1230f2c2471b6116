"""The suite's own watch: a dirty test fails, a hanging test ends. Shown on tests made for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

TESTS = Path(__file__).parent.parent

DIRTY = """
import gc, os, socket, threading
import pytest
from hypothesis import given, strategies as st
from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.logger import Logger

KEEP = []

async def test_delayed_call(reactor):
    reactor.callLater(60, print)

async def test_listener(reactor):
    KEEP.append(reactor.listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.1"))

def test_descriptor():
    KEEP.append(open(os.devnull))

def test_descriptor_in_a_circle():
    circle = [socket.socket()]
    circle.append(circle)

def test_thread():
    KEEP.append(threading.Event())
    threading.Thread(target=KEEP[-1].wait, daemon=True).start()

def test_thread_job(reactor):
    KEEP.append(threading.Event())
    reactor.callInThread(KEEP[-1].wait)

def test_unhandled_failure(reactor):
    KEEP[-1].set()  # lets the job of the test before it end
    fail(ZeroDivisionError("seen"))

def test_logged_failure():
    try:
        1 // 0
    except ZeroDivisionError:
        Logger().failure("seen")

def test_logged_error():
    Logger().error("no failure but seen")

def test_clean_flushed(logged_failures):
    fail(ZeroDivisionError("announced"))
    assert len(logged_failures.flush(ZeroDivisionError)) == 1

def test_flushed_by_another_kind(logged_failures):
    fail(ZeroDivisionError("seen"))
    assert logged_failures.flush(OSError) == []

async def test_clean(reactor):
    await deferLater(reactor, 0.01)
    with socket.socket():
        pass
    reactor.callLater(60, print).cancel()

@given(st.integers())
def test_clean_hypothesis(number):
    assert isinstance(number, int)
"""

HANGING = """
import pytest
import pytest_twisted
from hypothesis import given, strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

pytestmark = pytest.mark.time_limit(0.3)

async def deeper():
    await Deferred()

async def test_await():
    await deeper()

def test_loop():
    while True:
        pass

async def test_stubborn(reactor):
    while True:
        try:
            await Deferred()
        except CancelledError:
            pass

@given(st.integers())
async def test_hypothesis(number):
    await deeper()

@pytest_twisted.inlineCallbacks
def test_generator():
    yield Deferred()

@pytest.fixture
def waiting():
    pytest_twisted.blockon(Deferred())

def test_fixture(waiting):
    pass

@pytest.fixture
def waiting_at_the_end():
    yield
    pytest_twisted.blockon(Deferred())

def test_teardown(waiting_at_the_end):
    pass

async def test_reactor_still_turns(reactor):
    await deferLater(reactor, 0.01)

async def test_own_cancel_is_its_own():
    waiting = Deferred()
    waiting.cancel()
    await waiting
"""

STUCK = """
import faulthandler, signal
import pytest

@pytest.mark.time_limit(0.3)
def test_stuck():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    while True:
        pass
"""


def run_tests(directory: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Run `source` as a test file under the suite's plugins, in a process of its own."""
    (directory / "test_it.py").write_text(source)
    shorter = "import support.time_limit\nsupport.time_limit.GRACE = 0.5\n"
    (directory / "conftest.py").write_text(shorter)
    plugins = ["-p", "support.clean", "-p", "support.time_limit", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--junitxml=report.xml", *plugins, "test_it.py"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=45,
    )


def outcomes(directory: Path) -> dict[str, str]:
    """What went wrong with each test, by its name; empty for nothing."""
    wrong: dict[str, str] = {}
    for case in ElementTree.parse(directory / "report.xml").iter("testcase"):
        texts = [f"{one.get('message')} {one.text}" for one in case]
        wrong[case.attrib["name"]] = wrong.get(case.attrib["name"], "") + "".join(texts)
    return wrong


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("dirty")
    run = run_tests(directory, DIRTY)
    assert run.returncode == 1, run.stdout
    return outcomes(directory)


@pytest.mark.parametrize(
    "name, words",
    [
        ("delayed_call", "delayed call: <DelayedCall"),
        ("listener", "in the reactor: <"),
        ("descriptor", "/dev/null"),
        ("descriptor_in_a_circle", "descriptor"),
        ("thread", "thread: Thread-"),
        ("thread_job", "a job in the reactor's thread pool"),
        ("unhandled_failure", "Unhandled error in Deferred"),
        ("logged_failure", "ZeroDivisionError"),
        ("logged_error", "no failure but seen"),
        ("flushed_by_another_kind", "ZeroDivisionError: seen"),
    ],
)
def test_a_dirty_test_fails(dirty: dict[str, str], name: str, words: str) -> None:
    """What a test leaves is named in its failure."""
    assert "the test left" in dirty[f"test_{name}"]
    assert words in dirty[f"test_{name}"]


@pytest.mark.parametrize("name", ["clean", "clean_flushed", "clean_hypothesis"])
def test_a_clean_test_passes(dirty: dict[str, str], name: str) -> None:
    """Nothing is said of a test that cleans up, whatever the tests before it left."""
    assert dirty[f"test_{name}"] == ""


@pytest.fixture(scope="module")
def hanging(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("hanging")
    run = run_tests(directory, HANGING)
    assert run.returncode == 1, run.stdout
    return outcomes(directory)


@pytest.mark.parametrize(
    "name, words",
    [
        ("await", "await deeper()"),
        ("loop", "while True"),
        ("stubborn", "took more than 0.3 s"),
        ("hypothesis", "await deeper()"),
        ("generator", "yield Deferred()"),
        ("fixture", "blockon(Deferred())"),
        ("teardown", "blockon(Deferred())"),
    ],
)
def test_a_hanging_test_ends(hanging: dict[str, str], name: str, words: str) -> None:
    """It fails with the limit's words, and shows where it hung."""
    assert "took more than 0.3 s" in hanging[f"test_{name}"]
    assert words in hanging[f"test_{name}"]


def test_the_tests_after_a_hanging_one_run(hanging: dict[str, str]) -> None:
    """The reactor turns on, and a CancelledError that is no limit's is not taken for one."""
    assert hanging["test_reactor_still_turns"] == ""
    assert "CancelledError" in hanging["test_own_cancel_is_its_own"]
    assert "took more" not in hanging["test_own_cancel_is_its_own"]


def test_what_hears_no_signal_ends_the_run(tmp_path: Path) -> None:
    """The last step shows every stack on stderr and ends the process."""
    run = run_tests(tmp_path, STUCK)
    assert run.returncode != 0
    assert "Timeout (" in run.stderr and "in test_stuck" in run.stderr
