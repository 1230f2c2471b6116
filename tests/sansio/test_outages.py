"""Hosts that are down, or send all away: asked ever less often, and waited for only so long."""

from __future__ import annotations

from math import inf

import pytest
from support.governed import bring_down, end, governor_of, most, start

from downloader.errors import (
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    DownloadError,
    FirstByteTimeout,
    ResolveError,
    ServerBusy,
    StallTimeout,
)
from downloader.sansio.governor import DOWN_AFTER, FIRST_JOBS, Governor


@pytest.mark.parametrize("error", [ConnectError(), ConnectTimeout(), FirstByteTimeout(),
                                   ResolveError()])  # fmt: skip
def test_a_host_that_does_not_answer_is_down(error: DownloadError) -> None:
    governor = governor_of()
    for _ in range(DOWN_AFTER - 1):
        end(governor, start(governor), error)
        assert governor.wait_of("h", 0.0) == 0.0
    end(governor, start(governor), error)
    assert governor.wait_of("h", 0.0) == 1.0
    assert governor.shuns("h", 0.0)
    assert "'h' down" in repr(governor.start("h", 1.0))
    assert governor.wait_of("other", 0.0) == 0.0


@pytest.mark.parametrize("error", [ConnectionLost(), ServerBusy(), StallTimeout()])
def test_a_host_that_fails_in_other_ways_is_there(error: DownloadError) -> None:
    """And so it was not down, whatever failed before."""
    governor = governor_of()
    for _ in range(DOWN_AFTER):
        for _ in range(DOWN_AFTER - 1):
            end(governor, start(governor), ConnectError())
        end(governor, start(governor), error)
    assert governor.wait_of("h", 0.0) == 0.0 and not governor.shuns("h", 0.0)


def test_one_good_answer_between_is_enough() -> None:
    governor = governor_of()
    for _ in range(5 * DOWN_AFTER):
        for _ in range(DOWN_AFTER - 1):
            end(governor, start(governor), ConnectError())
        end(governor, start(governor))
    assert governor.wait_of("h", 0.0) == 0.0


def test_it_is_probed_by_one_job_ever_less_often() -> None:
    """As often as a job that is alone would try again, up to the longest wait of such a job."""
    governor, now = governor_of(tries=5), 0.0
    bring_down(governor)
    waits = []
    for _ in range(7):
        waits.append(governor.wait_of("h", now))
        now += waits[-1]
        probe = start(governor, now=now)
        assert governor.wait_of("h", now + 1000) == inf
        end(governor, probe, ConnectTimeout(), now)
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0]


@pytest.mark.parametrize("error", [None, ServerBusy(), ConnectionLost()])
def test_any_answer_to_a_probe_ends_it(error: DownloadError | None) -> None:
    """It has few jobs then, and earns more as a new host does."""
    governor = governor_of()
    bring_down(governor)
    end(governor, start(governor, now=1.0), error, 1.0)
    assert governor.wait_of("h", 1.0) == 0.0 and not governor.shuns("h", 1.0)
    assert most(governor, now=1.0) == (2 if error is None else 1)
    for _ in range(DOWN_AFTER - 1):
        end(governor, start(governor, now=1.0), ConnectError(), 1.0)
    assert governor.wait_of("h", 1.0) == 0.0


def test_what_began_before_is_no_probe_and_counts_when_it_is_answered() -> None:
    governor = governor_of()
    before = [start(governor) for _ in range(FIRST_JOBS)]
    for one in before[:DOWN_AFTER]:
        end(governor, one, ConnectError())
    end(governor, before.pop(), ConnectError(), 1.0)
    assert governor.wait_of("h", 1.0) == 0.0  # the interval has not grown
    governor = governor_of()
    long, *before = [start(governor) for _ in range(FIRST_JOBS)]
    for one in before:
        end(governor, one, ConnectError())
    probe = start(governor, now=1.0)  # though the long one still runs
    end(governor, long)
    assert governor.wait_of("h", 1.0) == 0.0
    end(governor, probe, ConnectError(), 1.0)
    assert not governor.shuns("h", 1.0)


def test_a_probe_that_was_cancelled_is_followed_by_another() -> None:
    governor = governor_of()
    bring_down(governor)
    host, number = start(governor, now=1.0)
    governor.ended(host, number, good=False)
    assert governor.wait_of("h", 1.0) == 0.0
    start(governor, now=1.0)
    assert governor.wait_of("h", 1.0) == inf


@pytest.mark.parametrize(("tries", "probes"), [(1, 1), (2, 1), (5, 4), (20, 19)])
def test_who_waits_gives_up_after_as_many_probes_as_it_has_retries(tries: int, probes: int) -> None:
    """Counted from when it began to wait, and only while the host was down."""
    governor, now = governor_of(tries=tries), 0.0
    early = governor.looks
    bring_down(governor)
    late = None
    for number in range(probes + 1):
        assert governor.is_hopeless("h", early) is (number >= probes)
        if number == 1:
            late = governor.looks
        assert late is None or not governor.is_hopeless("h", late)
        now += governor.wait_of("h", now)
        end(governor, start(governor, now=now), ConnectError("refused"), now)
    assert str(governor.hopeless("h")).endswith("No connection to the server: refused")
    if late is not None:
        assert governor.is_hopeless("h", late)
    now += governor.wait_of("h", now)
    end(governor, start(governor, now=now), None, now)
    assert not governor.is_hopeless("h", early)
    assert not governor.is_hopeless("other", early)


def test_probes_of_other_hosts_and_other_times_are_not_counted() -> None:
    governor, now = governor_of(tries=3), 0.0
    since = governor.looks
    for name in ("other", "h", "h"):
        bring_down(governor, name, now)
        now += governor.wait_of(name, now)
        end(governor, start(governor, name, now), ConnectError(), now)
        assert not governor.is_hopeless(name, since)
        now += governor.wait_of(name, now)
        end(governor, start(governor, name, now), None, now)


# --- hosts that send all away -----------------------------------------------------------------


def send_away(governor: Governor, count: int, seconds: float, now: float) -> None:
    """So many jobs start together, and are asked to come back."""
    together = [start(governor, now=now) for _ in range(count)]
    for one in together:
        governor.hold("h", seconds, now)
        end(governor, one, ServerBusy("HTTP status 429"), now)


def test_a_hold_that_comes_with_a_refusal_is_no_shorter_than_a_jobs_own_wait() -> None:
    """However short what it asks for is; a longer one is kept to."""
    governor, now, waits = governor_of(tries=5), 0.0, []
    for seconds in (0.1, 0.1, 0.1, 100.0, 0.1, 0.1):
        send_away(governor, 1, seconds, now)
        waits.append(governor.wait_of("h", now))
        now += waits[-1]
    assert waits == [1.0, 2.0, 4.0, 100.0, 8.0, 8.0]


def test_a_round_that_is_sent_away_is_one_look() -> None:
    """And who waits gives up after as many as it has retries, as with a host that is down."""
    governor, now, since = governor_of(tries=4), 0.0, 0
    send_away(governor, FIRST_JOBS, 10.0, now)
    for number, count in enumerate((3, 1, 1)):
        assert (governor.looks, governor.is_hopeless("h", since)) == (number, False)
        now += 10.0
        send_away(governor, count, 10.0, now)
    assert governor.is_hopeless("h", since) and not governor.is_hopeless("h", since + 1)
    assert str(governor.hopeless("h")).endswith("come back later: HTTP status 429")


def test_one_that_is_served_shows_that_it_is_worth_the_wait() -> None:
    governor, now = governor_of(tries=2), 0.0
    for _ in range(5):
        send_away(governor, 1, 10.0, now)
        now += 10.0
        end(governor, start(governor, now=now), None, now)
    assert governor.looks == 0 and not governor.is_hopeless("h", -1)


def test_a_refusal_that_asks_for_no_time_leaves_each_job_its_own_tries() -> None:
    governor = governor_of(tries=2)
    for _ in range(20):
        end(governor, start(governor), ServerBusy())
    assert governor.looks == 0 and governor.wait_of("h", 0.0) == 0.0


def test_from_bad_to_worse_and_back() -> None:
    """A host that sent all away is down, then sends them away again: all that counts as one."""
    governor, now, since = governor_of(tries=5), 0.0, 0
    send_away(governor, 1, 1.0, now)
    now = 1.0
    bring_down(governor, now=now)
    assert governor.looks == 0 and governor.shuns("h", now)
    for _ in range(2):
        now += 10.0
        end(governor, start(governor, now=now), ConnectError(), now)
    for _ in range(2):
        assert not governor.is_hopeless("h", since)
        now += 10.0
        send_away(governor, 1, 1.0, now)
    assert governor.looks == 4 and governor.is_hopeless("h", since)
