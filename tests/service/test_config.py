"""--config: options from a file, and what of it holds at once when it is read again."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from twisted.python.usage import UsageError

from downloader import Limits
from downloader.service.config import BadConfig, check_ours, check_private
from downloader.service.hangup import Reload
from downloader.service.tap import Options

CONFIG = """
concurrency = 7
limit-rate = "2M"
respect-robots = true
insecure-listen = false
names = "tree"
per-host-delay = 0.5
listen = ["tcp:1:interface=127.0.0.1", "tcp:2:interface=127.0.0.1"]
dir = ["/a", "/b"]
allow-host = "Nas.example"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


def parsed(*arguments: object) -> Options:
    options = Options()
    options.parseOptions(list(map(str, arguments)))
    return options


def test_options_come_from_a_file(config: Path) -> None:
    options = parsed("--config", config)
    assert (options["concurrency"], options["limit-rate"]) == (7, 2 * 1024**2)
    assert options["respect-robots"] and not options["insecure-listen"]
    assert (options["names"], options["per-host-delay"]) == ("tree", 0.5)
    assert options["listen"] == ["tcp:1:interface=127.0.0.1", "tcp:2:interface=127.0.0.1"]
    assert options["dir"] == ["/a", "/b"]
    assert options["allow-host"] == ["nas.example"]


def test_the_command_line_comes_first(config: Path) -> None:
    """Where an option may be repeated, it stands in place of all that the file has."""
    for given in (["-j", "3"], ["--concurrency=3"]):
        assert parsed(*given, "--config", config)["concurrency"] == 3
    assert parsed("-d", "/c", "--config", config)["dir"] == ["/c"]
    assert parsed("--config", config, "--dir", "/c")["listen"] != []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("concurency = 3", "there is no option 'concurency'"),
        ("config = 'x'", "there is no option 'config'"),
        ("help = true", "there is no option 'help'"),
        ("concurrency = 0", "c.toml: concurrency: '0' is not a whole number from 1 to 10000"),
        ("respect-robots = true\nlimit-rate = 'fast'", "c.toml: limit-rate: "),
        ("names = 'odd'", "c.toml: names: 'odd' is not flat or tree"),
        ("proxy = 'http://me:canary@'", "c.toml: proxy: "),
        ("log-url = 'ftp://me:canary@h/'", "c.toml: log-url: no URL to post to: the scheme 'ftp'"),
        ("log-url = 'http://me:canary#x@h/'", "c.toml: log-url: no URL to post to: the host or"),
        ("log-url = 'http://me:canary/x@h/'", "c.toml: log-url: no URL to post to: the host or"),
        ("log-url = 'http://me:canary x@h/'", "c.toml: log-url: no URL to post to: the character"),
        ("concurrency = true", "concurrency is a text or a number"),
        ("concurrency = [3]", "concurrency has one value, and is no list"),
        ("dir = [['a']]", "dir is a text or a number"),
        ("respect-robots = 1", "respect-robots is true or false"),
        ("respect-robots = 'yes'", "respect-robots is true or false"),
        ("[concurrency]", "concurrency is a text or a number"),
        ("concurrency = ", "Invalid value"),
        ("x = '\x1b[2J'", "line 1"),
        (b"\xff", "utf-8"),
        ("a" * 2_000_000, "it is longer than 1,048,576 bytes"),
        ("x = " + "[" * 10_000, "c.toml: "),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    """In one sentence, with the file's name."""
    path = tmp_path / "c.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    with pytest.raises(UsageError) as caught:
        parsed("--config", path)
    assert sentence in str(caught.value) and "c.toml" in str(caught.value)
    assert str(caught.value).isprintable() and "canary" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to(config: Path, mode: int) -> None:
    """They would say what the service does."""
    config.chmod(mode)
    with pytest.raises(UsageError, match=r"config\.toml: others may write to it"):
        parsed("--config", config)
    config.chmod(0o644)
    assert parsed("--config", config)["concurrency"] == 7


def test_a_file_of_somebody_else(config: Path) -> None:
    """Whoever may write to it: its owner may, and is neither root nor we."""
    found = list(os.stat(config))
    found[stat.ST_UID] = os.geteuid() + 1
    found[stat.ST_MODE] = 0o100600
    with pytest.raises(BadConfig, match="others may write to it"):
        check_ours(os.stat_result(found))
    found[stat.ST_UID] = 0
    check_ours(os.stat_result(found))


def test_passwords_may_stand_in_it(config: Path) -> None:
    """Those that would else be in the list of processes."""
    url = "http://me:canary@127.0.0.1"
    config.write_text(f"proxy = '{url}:1'\nlog-url = '{url}:2/log'\n")
    config.chmod(0o600)
    options = parsed("--config", config)
    assert options["log-url"] == f"{url}:2/log"
    assert options["proxy"].proxies.all == f"{url}:1"


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o601])
@pytest.mark.parametrize(
    "line",
    [
        "proxy = 'http://me:canary@127.0.0.1:1'",
        "proxy = 'me:canary@127.0.0.1:1'",
        "log-url = 'http://me:canary@127.0.0.1:2/'",
        "log-url = 'http://127.0.0.1:2/?token=canary'",
    ],
)
def test_passwords_that_others_may_read(config: Path, line: str, mode: int) -> None:
    """They are told, before the password is used; without one everybody may read the file."""
    config.write_text(line)
    config.chmod(mode)
    with pytest.raises(UsageError, match=r"config\.toml: others may read the password") as caught:
        parsed("--config", config)
    assert "canary" not in str(caught.value)
    config.write_text(line.replace("me:canary@", "").replace("?token=canary", ""))
    parsed("--config", config)


def test_whose_group_may_read_passwords(config: Path) -> None:
    """Root's: the service reads it as one of that group."""
    found = list(os.stat(config))
    found[stat.ST_MODE] = 0o100640
    found[stat.ST_UID] = 0
    values = {"proxy": "http://me:canary@127.0.0.1:1"}
    check_private(os.stat_result(found), values)
    found[stat.ST_UID] = 1000
    with pytest.raises(BadConfig, match="others may read"):
        check_private(os.stat_result(found), values)


def test_where_it_says_what_the_command_line_says_too(tmp_path: Path, config: Path) -> None:
    """What fits together is all of both: here the state is in the current directory, to which
    nothing is fetched."""
    config.write_text(f"state = '{os.getcwd()}/state'\n")
    assert parsed("--config", config, "--dir", tmp_path / "out")["dir"] == [str(tmp_path / "out")]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        parsed("--config", tmp_path / "none")


async def test_what_holds_at_once(served: Any, config: Path, warnings: list[str]) -> None:
    """Limits and who may ask; a restart is told to be needed for the rest."""
    s = await served(Limits(total=7, bytes_per_second=2 * 1024**2))
    options = parsed("--config", config)
    reload = Reload(s.service, options, options.again)
    config.write_text(CONFIG.replace("= 7", "= 3").replace('"2M"', '"0"').replace("Nas", "Box"))
    reload()
    assert (s.queue.limits.total, s.queue.limits.bytes_per_second) == (3, None)
    assert s.queue.downloader.limiter.total == 3
    assert s.service.door.hosts == {"box.example"}
    assert warnings == []
    config.write_text(config.read_text().replace("tree", "flat"))
    reload()
    assert warnings == ["a restart is needed for names"]


async def test_what_was_changed_otherwise_stays(served: Any, config: Path) -> None:
    """SIGHUP is for log files too."""
    s = await served()
    options = parsed("--config", config)
    await s.ask("PATCH", "/api/v1/limits", {"concurrency": 9})
    Reload(s.service, options, options.again)()
    assert s.queue.limits.total == 9


async def test_log_files_are_opened_anew(served: Any) -> None:
    s = await served()
    (s.state / "log").rename(s.state / "log.1")
    options = parsed()
    Reload(s.service, options, options.again)()
    assert (s.state / "log").stat().st_size == 0
