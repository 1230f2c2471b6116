"""The page, in a real browser: a person's errand from end to end."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.browsing import Visit, log_in, names_of, row_of

from downloader.testing import Origin


async def test_an_errand(served: Any, visit: Any, origin: Origin) -> None:
    """A wrong token, the right one, a job from its URL to its file, and off the list."""
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


async def test_a_list_with_a_bad_line(served: Any, visit: Any, origin: Origin) -> None:
    """What is good is added, where and as it was said; what is not is told, and stays to be put
    right."""
    s = await served()
    v = await visit(s)
    text = f"{origin.url('/a')}\nftp://no\n{origin.url('/b')}\n out=c\n"

    def paste(page: Page) -> None:
        page.get_by_role("button", name="Add", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("URLs").fill(text)
        dialog.get_by_label("Directory").fill("sub")
        dialog.get_by_label("Add them paused").check()
        dialog.get_by_label("URLs").press("Control+Enter")
        expect(dialog.get_by_role("alert")).to_contain_text("One line was refused")
        expect(dialog.get_by_role("listitem")).to_contain_text("Line 2:")
        expect(dialog.get_by_label("URLs")).to_have_value("ftp://no")
        page.keyboard.press("Escape")
        expect(page.locator("#rows .chip")).to_have_text(["Paused", "Paused"])

    await v.do(paste)
    assert await v.do(names_of) == ["a", "c"]
    assert [entry.job.subdirectory for entry in s.queue.waiting] == ["sub", "sub"]

    def refused(page: Page) -> None:
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_label("URLs").fill(origin.url("/d"))
        page.get_by_label("Directory").fill("/etc")
        page.get_by_label("URLs").press("Control+Enter")
        expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("the roots")

    await v.do(refused)
    assert len(s.queue.waiting) == 2


async def test_pause_resume_and_remove(served: Any, visit: Any, origin: Origin) -> None:
    """By button and by key; the focus stays, and what is removed for good is asked about first."""
    s = await served()
    await s.ask("POST", "/api/v1/jobs", {"urls": [origin.add("/a", 10**8, rate=10**5)]})
    v = await visit(s)

    def pause(page: Page) -> None:
        row = row_of(page, "a")
        expect(row.locator(".rate")).to_contain_text("KiB/s")
        expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "0")
        row.get_by_role("button", name="Pause a").click()
        expect(row.locator(".chip")).to_have_text("Paused")
        expect(row.get_by_role("button", name="Resume a")).to_be_focused()

    def resume(page: Page) -> None:
        row = row_of(page, "a")
        row.focus()
        page.keyboard.press("Space")
        expect(row.locator(".chip")).to_have_text("Active")
        expect(row).to_be_focused()

    def all_of_them(page: Page) -> None:
        page.get_by_role("button", name="Pause all").click()
        expect(row_of(page, "a").locator(".chip")).to_have_text("Paused")
        page.get_by_role("button", name="Resume all").click()
        expect(row_of(page, "a").locator(".chip")).to_have_text("Active")

    def remove(page: Page) -> None:
        row_of(page, "a").focus()
        page.keyboard.press("Delete")
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        expect(row_of(page, "a").locator(".chip")).to_have_text("Active")
        page.keyboard.press("Delete")
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(row_of(page, "a").locator(".chip")).to_have_text("Removed")
        page.get_by_role("button", name="Clear ended").click()
        page.get_by_role("dialog").get_by_role("button", name="Clear").click()
        expect(page.get_by_text("Nothing to download yet.")).to_be_visible()

    await v.do(pause)
    assert [str(entry.status) for entry in s.queue.waiting] == ["paused"]
    for work in (resume, all_of_them, remove):
        await v.do(work)
    assert s.queue.active == s.queue.waiting == s.queue.over == []


async def test_a_failed_job_is_tried_again(served: Any, visit: Any, origin: Origin) -> None:
    """Its row and its details say why it failed."""
    s = await served()
    v = await visit(s)
    await s.ask("POST", "/api/v1/jobs", {"urls": [origin.url("/a")]})

    def failed(page: Page) -> None:
        row = row_of(page, "a")
        expect(row.locator(".chip")).to_have_text("Failed")
        expect(row.locator(".sub")).to_contain_text("404")
        row.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#detail-facts")).to_contain_text("NotFound")
        expect(page.locator("#troubles")).to_contain_text("404")

    def again(page: Page) -> None:
        page.get_by_role("dialog").get_by_role("button", name="Retry").click()
        expect(page.locator("#detail-status")).to_have_text("Complete")
        page.keyboard.press("Escape")
        expect(row_of(page, "a")).to_be_focused()

    await v.do(failed)
    origin.add("/a", 10)
    await v.do(again)


async def test_reorder(served: Any, visit: Any, origin: Origin) -> None:
    """By keys and by buttons; the row that moves keeps the focus."""
    s = await served()
    wanted = [{"urls": origin.url(f"/{name}"), "paused": True} for name in "abc"]
    await s.ask("POST", "/api/v1/jobs", wanted)
    v = await visit(s)

    def press(keys: str, name: str, order: str) -> Any:
        def work(page: Page) -> None:
            expect(row_of(page, name)).to_be_visible()
            if not row_of(page, name).evaluate("row => row === document.activeElement"):
                row_of(page, name).focus()
            page.keyboard.press(keys)
            expect(page.locator("#rows .open")).to_have_text(list(order))
            expect(row_of(page, name)).to_be_focused()

        return work

    for keys, order in [("End", "bca"), ("ArrowUp", "bac"), ("Home", "abc"), ("ArrowDown", "bac")]:
        await v.do(press(f"Alt+{keys}", "a", order))
        assert [entry.job.url[-1] for entry in s.queue.waiting] == list(order)

    def click(page: Page) -> None:
        for button, order in [
            ("Move to the top: c", "cba"),
            ("Move down: c", "bca"),
            ("Move up: a", "bac"),
            ("Move to the bottom: b", "acb"),
        ]:
            page.get_by_role("button", name=button).click()
            expect(page.locator("#rows .open")).to_have_text(list(order))

    def hold(page: Page) -> None:
        row_of(page, "a").focus()
        page.keyboard.press("Alt+ArrowDown")
        page.keyboard.press("Alt+ArrowDown")
        expect(page.locator("#rows .open")).to_have_text(list("cba"))

    await v.do(click)
    assert [entry.job.url[-1] for entry in s.queue.waiting] == list("acb")
    await v.do(hold)


async def test_limits(served: Any, visit: Any, until: Any) -> None:
    """They hold as soon as they are written, and are shown when another changes them."""
    s = await served()
    v = await visit(s)

    def write(page: Page) -> None:
        expect(page.get_by_label("Files at a time")).to_have_value("4")
        page.get_by_label("Files at a time").fill("2")
        page.get_by_label("Files at a time").press("Enter")
        expect(page.locator("#limits-told")).to_have_text("2 files at a time from now on.")
        page.get_by_label("Bytes a second").fill("1.5M")
        page.get_by_label("Files of one host").fill("1")
        page.get_by_label("Files of one host").press("Tab")
        expect(page.locator("#limits-told")).to_have_text("1 of one host from now on.")

    def wrong(page: Page) -> None:
        page.get_by_label("Bytes a second").fill("fast")
        page.get_by_label("Bytes a second").press("Enter")
        expect(page.locator("#limits-told")).to_contain_text("no amount of bytes")
        page.get_by_label("Bytes a second").fill("")
        page.get_by_label("Bytes a second").press("Enter")
        expect(page.locator("#limits-told")).to_have_text("No limit on bytes from now on.")

    await v.do(write)
    limits = s.queue.limits
    assert (limits.total, limits.per_host, limits.bytes_per_second) == (2, 1, 1536 * 1024)
    await v.do(wrong)
    assert s.queue.limits.bytes_per_second is None
    await s.ask("PATCH", "/api/v1/limits", {"concurrency": 7})
    await v.do(lambda page: expect(page.get_by_label("Files at a time")).to_have_value("7"))


async def test_a_token_in_the_fragment(served: Any, visit: Any) -> None:
    """It is taken, and stands in the address no more; it ends with the tab, or when one leaves."""
    s = await served()
    v: Visit = await visit(s, "", f"/#token={s.token}")

    def come_and_go(page: Page) -> None:
        expect(page.locator("#link")).to_have_text("Live")
        assert page.url == f"{v.base}/"
        assert page.evaluate("localStorage.length") == 0
        page.reload()
        expect(page.locator("#link")).to_have_text("Live")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Token")).to_be_focused()
        assert page.evaluate("sessionStorage.length") == 0

    def remember(page: Page) -> None:
        page.get_by_label("Remember").check()
        log_in(s.token)(page)
        expect(page.locator("#link")).to_have_text("Live")
        assert page.evaluate("[sessionStorage.length, localStorage.length]") == [0, 1]

    await v.do(come_and_go)
    await v.do(remember)


UNNAMED = ("button", "textbox", "searchbox", "spinbutton", "checkbox", "grid", "row", "progressbar")


def unnamed(page: Page) -> list[Any]:
    """What a screen reader finds that has a role and no name."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    found = [node for node in nodes if not node["ignored"] and not node["name"]["value"]]
    return [node for node in found if node["role"]["value"] in (*UNNAMED, "dialog", "img")]


@pytest.mark.parametrize("width", [360, 768, 1440, 1920])
async def test_everything_has_a_name_and_a_place(
    served: Any, visit: Any, origin: Origin, width: int
) -> None:
    """For who sees it and who hears it, at each width: nothing is wider than the window."""
    s = await served()
    wanted = {"urls": origin.url("/" + "long" * 40), "paused": True}
    await s.ask("POST", "/api/v1/jobs", [wanted, {"urls": origin.url("/b")}])
    v = await visit(s, viewport={"width": width, "height": 800})

    def check(page: Page) -> None:
        assert unnamed(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def walk(page: Page) -> None:
        expect(row_of(page, "b").locator(".chip")).to_have_text("Failed")
        check(page)
        page.get_by_role("button", name="Details of b").click()
        expect(page.locator("#detail")).to_be_visible()
        check(page)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Add", exact=True).click()
        check(page)

    await v.do(walk)
