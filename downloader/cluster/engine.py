"""The cluster: one that is there, or workers on this machine."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import dask
from distributed import Client, LocalCluster

from downloader.cluster.run import STRIKES
from downloader.errors import ClusterError
from downloader.sansio.printable import printable

# Seconds for the scheduler to answer.
CONNECTING = 10.0
# Nobody is shown anything: a page would be for every user of the machine.
_LOCAL = {
    "distributed.scheduler.allowed-failures": STRIKES - 1,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the scheduler at `address`, such as ``tcp://host:8786``, or of ``local:N``
    workers of this machine, which end with it. Raises ClusterError."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is told by us
    if address.startswith("local:"):
        with _local(int(address.removeprefix("local:"))) as cluster, _client(cluster) as client:
            yield client
    else:
        with _client(address) as client:
            yield client


@contextmanager
def _client(address: str | LocalCluster) -> Iterator[Client]:
    try:
        client = Client(address, timeout=CONNECTING, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        said = printable(str(error) or type(error).__name__)[:300]
        raise ClusterError(f"{address}: no scheduler answers: {said}") from error
    try:
        yield client
    finally:
        with suppress(Exception):  # the scheduler may be gone
            client.close(timeout=CONNECTING)


@contextmanager
def _local(workers: int) -> Iterator[LocalCluster]:
    with dask.config.set(_LOCAL), _deaf():
        cluster = _begun(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # None would take a port that others look for
            silence_logs=logging.CRITICAL,
        )
    try:
        yield cluster
    finally:
        with suppress(Exception):
            cluster.close(timeout=CONNECTING)


def _begun(**options: Any) -> LocalCluster:
    try:
        return LocalCluster(**options)
    except (OSError, RuntimeError) as error:
        raise ClusterError(f"no workers can be started here: {printable(str(error))}") from error


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are begun here do not hear Ctrl-C: they end when we do."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
