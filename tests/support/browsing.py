"""A real browser, the system's Chromium, that a test works with as a person does.

Playwright waits for the browser where it is called, and the reactor that the browser asks must go
on meanwhile: so all of Playwright lives in one thread of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from playwright.sync_api import Dialog, Page, Request, expect, sync_playwright
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")
# Milliseconds that anything on a page may take; what waits for them fails then.
PATIENCE = 15_000
# The browser finds no name and no address but those of this machine.
_RULES = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
# What it writes to its console of each answer over 399, which is the page's to deal with.
_REFUSED = "Failed to load resource"


def find_chromium() -> str | None:
    """The system's browser, if it has one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """A browser that runs without a window. `program` is its path."""

    def __init__(self, reactor: Any, program: str) -> None:
        self._reactor = reactor
        self._thread = ThreadPoolExecutor(1, "browser")
        self._thread.submit(self._start, program).result()

    def _start(self, program: str) -> None:
        expect.set_options(timeout=PATIENCE)
        self._playwright = sync_playwright().start()
        arguments = [f"--host-resolver-rules={_RULES}"]
        self.chromium = self._playwright.chromium.launch(executable_path=program, args=arguments)

    def stop(self) -> None:
        """End it, and its thread."""
        self._thread.submit(self.chromium.close).result()
        self._thread.submit(self._playwright.stop).result()
        self._thread.shutdown()

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """Call `work` in the browser's thread.

        **Fires with** what it returns. **Fails with** what it raises. **Cancelling** stops the
        waiting only.
        """
        done: Deferred[T] = Deferred(lambda _: None)

        def call() -> None:
            try:
                result: Any = work()
            except BaseException as error:
                result = Failure(error)
            self._reactor.callFromThread(self._tell, done, result)

        self._thread.submit(call)
        return done

    @staticmethod
    def _tell(done: Deferred[T], result: Any) -> None:
        if not done.called:
            done.callback(result)


class Visit:
    """One page in a browser that knows nothing of an earlier one. `complaints` are what the browser
    found wrong with it, or what it asked of others than the service."""

    def __init__(self, browser: Browser, base: str) -> None:
        self.base = base
        self.complaints: list[str] = []
        self._browser = browser

    async def open(self, path: str = "/", **options: Any) -> None:
        """Go there. `options` are of Playwright's `new_context`."""
        await self._browser.run(partial(self._open, self.base + path, options))

    def _open(self, url: str, options: dict[str, Any]) -> None:
        self._context = self._browser.chromium.new_context(**options)
        self.page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("dialog", self._dialog)
        self.page.goto(url)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_REFUSED):
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(f"{self.base}/"):
            self.complaints.append(f"asked for {request.url}")

    def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"a dialog says {dialog.message}")
        dialog.dismiss()

    async def do(self, work: Callable[[Page], T]) -> T:
        """Call `work(page)`, in the browser's thread."""
        return await self._browser.run(lambda: work(self.page))

    async def close(self) -> None:
        """Close it."""
        await self._browser.run(lambda: self._context.close())


def log_in(token: str) -> Callable[[Page], None]:
    """Let the page have this token, as a user gives it."""

    def work(page: Page) -> None:
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Open").click()

    return work


def row_of(page: Page, name: str) -> Any:
    """The row of the job with this name."""
    return page.locator("#rows [role=row]").filter(has=page.get_by_text(name, exact=True))


def names_of(page: Page) -> list[str]:
    """The names of the jobs in the table, from top to bottom."""
    return page.locator("#rows .open").all_text_contents()
