"""The API's description: it names what there is, and what there is keeps to it."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from downloader import Network
from downloader.sansio.proxies import Proxies

# What else a service answers is described where it is defined by others.
DESCRIBED = re.compile(r"/api/|/events$|/metrics$|/healthz$")


async def test_it_names_each_route_and_method(served: Any) -> None:
    s = await served()
    description = (await s.ask("GET", "/api/v1/openapi.json")).json
    methods = ("get", "put", "post", "patch", "delete")
    named = {
        (path, method.upper())
        for path, item in description["paths"].items()
        for method in item
        if method in methods
    }
    there = {
        (route.path, method)
        for route in s.service.door.routes.all
        for method in route.verbs
        if DESCRIBED.match(route.path)
    }
    assert named == there
    for route in filter(lambda route: DESCRIBED.match(route.path), s.service.door.routes.all):
        for item in description["paths"][route.path].values():
            assert route.is_open == (isinstance(item, dict) and item.get("security") == [])


class Said(ProcessProtocol):
    """A process: what it wrote, and `ended`, which fires with its exit code."""

    def __init__(self) -> None:
        self.text = b""
        self.ended: Deferred[int] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.text += data

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        status: Any = reason.value
        self.ended.callback(status.exitCode)


@pytest.mark.time_limit(120)
async def test_answers_keep_to_it(served: Any, reactor: Any, tmp_path: Any) -> None:
    """Whatever is asked, within the description and beside it. No job reaches anybody: all go by a
    proxy that is not there."""
    s = await served(network=Network(Proxies(all="http://127.0.0.1:9")))
    description = (await s.ask("GET", "/api/v1/openapi.json")).json
    del description["security"]  # else it tries without, and waits as who guesses does
    (tmp_path / "api.json").write_text(json.dumps(description))
    code = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
    arguments = [
        *("run", "api.json", "--url", f"http://127.0.0.1:{s.port}"),
        *("--header", f"Authorization: Bearer {s.token}", "--seed", "1", "--max-examples", "10"),
        *("--exclude-checks", "positive_data_acceptance", "--exclude-path", "/events"),
        *("--phases", "examples,coverage,fuzzing", "--request-timeout", "20", "--no-color"),
        *("--generation-database", "none"),
    ]
    asking = Said()
    line = [sys.executable, "-c", code, *arguments]
    reactor.spawnProcess(asking, sys.executable, line, {}, str(tmp_path))
    assert await asking.ended == 0, asking.text.decode()
