"""The page, in a real browser: a person's errand from end to end."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect
from support.browsing import log_in, row_of

from downloader.testing import Origin


async def test_an_errand(served: Any, visit: Any, origin: Origin, until: Any) -> None:
    """A token that is wrong, one that is right, a job from its URL to its file, and off the list."""
    s = await served()
    url = origin.add("/a.iso", 5000)
    v = await visit(s, "0" * 64)

    def let_in(page: Page) -> None:
        expect(page.get_by_role("alert")).to_contain_text("not the token")
        expect(page.get_by_role("button", name="Add", exact=True)).to_be_hidden()
        log_in(s.token)(page)
        expect(page.locator("#link")).to_have_text("Live")
        expect(page.get_by_text("Nothing to download yet.")).to_be_visible()

    def add(page: Page) -> None:
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_label("URLs").fill(url)
        page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(row_of(page, "a.iso").locator(".chip")).to_have_text("Complete")
        expect(row_of(page, "a.iso").locator(".amount")).to_have_text("4.88 KiB")

    def look_and_remove(page: Page) -> None:
        page.get_by_role("button", name="Details of a.iso").click()
        detail = page.get_by_role("dialog")
        expect(detail).to_contain_text(str(s.out / "a.iso"))
        expect(detail).to_contain_text(url)
        detail.get_by_role("button", name="Clear").click()
        expect(detail).to_be_hidden()
        expect(row_of(page, "a.iso")).to_have_count(0)

    await v.do(let_in)
    await v.do(add)
    assert (s.out / "a.iso").stat().st_size == 5000
    await v.do(look_and_remove)
    assert s.queue.over == []
    assert (s.out / "a.iso").exists()
