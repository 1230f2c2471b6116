"""The page, in a real browser: what it hears meanwhile, what it bears, and what it never does."""

from __future__ import annotations

import json
from itertools import cycle
from typing import Any

from playwright.sync_api import Page, expect
from support.browsing import names_of, row_of

from downloader.testing import Connection, Origin

STREAM = (
    "retry: 50\n\nid: a-1\nevent: job\ndata: {}\n\n: nothing\ndata:one\ndata: two\r\n\r\n"
    "id: a-2\rdata\r\r\nevent: none\n\ndata: 😀\nunknown: 1\n\n"
)
EVENTS = [
    {"id": "a-1", "event": "job", "data": "{}"},
    {"id": "a-1", "event": "message", "data": "one\ntwo"},
    {"id": "a-2", "event": "message", "data": ""},
    {"id": "a-2", "event": "message", "data": "😀"},
]
PARSE = """async pieces => {
    const { EventParser } = await import("/page/stream.js");
    const parser = new EventParser();
    return [pieces.flatMap((piece) => parser.feed(piece)), parser.retry];
}"""
# What becomes markup, or runs, where somebody forgets that it is text.
EVIL = [
    '<img src=x onerror="window.had=1">',
    "<script>window.had=1</script>",
    '"><svg onload=window.had=1>',
    "javascript:window.had=1",
    "${window.had=1}",
    "{{window.had=1}}",
    "&lt;b&gt;&#x3c;i&#x3e;",
    "\u202egpj.exe",
]
HAD = "window.had === undefined && document.querySelectorAll('#app :is(img, script)').length === 1"


async def test_the_stream_is_read_in_any_pieces(served: Any, visit: Any) -> None:
    """Whole, character by character, and in between; as the HTML standard has it (§9.2.6)."""
    v = await visit(await served(), "")
    for size in (1, 2, 3, 7, len(STREAM)):
        pieces = [STREAM[n : n + size] for n in range(0, len(STREAM), size)]
        assert await v.do(lambda page, pieces=pieces: page.evaluate(PARSE, pieces)) == [EVENTS, 50]


async def test_what_others_do_is_seen(served: Any, visit: Any, origin: Origin) -> None:
    """A job that is added, moved, and forgotten through the API, while the page is open."""
    s = await served()
    v = await visit(s)
    await v.do(lambda page: expect(page.locator("#link")).to_have_text("Live"))
    urls = [{"urls": [origin.url(f"/{name}")], "paused": True} for name in "ab"]
    jobs = (await s.ask("POST", "/api/v1/jobs", urls)).json["jobs"]

    def shown(names: list[str]) -> Any:
        return lambda page: expect(page.locator("#rows .open")).to_have_text(names)

    await v.do(shown(["a", "b"]))
    await s.ask("PATCH", f"/api/v1/jobs/{jobs[1]['gid']}", {"position": 0})
    await v.do(shown(["b", "a"]))
    await s.ask("PATCH", f"/api/v1/jobs/{jobs[0]['gid']}", {"priority": 1})
    await v.do(shown(["a", "b"]))
    await s.ask("DELETE", f"/api/v1/jobs/{jobs[0]['gid']}")
    await s.ask("DELETE", "/api/v1/jobs")
    await v.do(shown(["b"]))


async def test_it_comes_back_after_a_restart(served: Any, visit: Any, origin: Origin) -> None:
    """It says that it is away, and has all anew when it is not."""
    s = await served()
    await s.ask("POST", "/api/v1/jobs", {"urls": [origin.url("/a")], "paused": True})
    v = await visit(s)
    await v.do(lambda page: expect(row_of(page, "a")).to_be_visible())
    port = s.port
    await s.close()
    await v.do(lambda page: expect(page.locator("#link")).to_have_text("Reconnecting…"))
    await s.start_at(port)
    await s.ask("POST", "/api/v1/jobs", {"urls": [origin.url("/b")], "paused": True})
    await v.do(lambda page: expect(page.locator("#link")).to_have_text("Live"))
    await v.do(lambda page: expect(page.locator("#rows .open")).to_have_text(["a", "b"]))


async def test_another_token_is_asked_for(served: Any, visit: Any) -> None:
    """When the one that was right is right no more."""
    s = await served()
    v = await visit(s)
    await v.do(lambda page: expect(page.locator("#link")).to_have_text("Live"))
    port = s.port
    await s.close()
    (s.state / "token").unlink()
    await s.start_at(port)
    await v.do(lambda page: expect(page.get_by_label("Token")).to_be_visible())


async def test_five_thousand_jobs(served: Any, visit: Any, origin: Origin) -> None:
    """Those in sight are in the document; all are counted, reached by key, and found by a word."""
    s = await served()
    v = await visit(s)
    await v.do(lambda page: expect(page.locator("#link")).to_have_text("Live"))
    lines = "\n".join(origin.url(f"/file-{n:04}") for n in range(5000))
    answer = await s.ask("POST", "/api/v1/jobs", {"list": lines, "paused": True})
    assert len(answer.json["jobs"]) == 5000

    def look(page: Page) -> None:
        expect(page.get_by_role("button", name="All 5000")).to_be_visible()
        expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "5001")
        assert page.locator("#rows [role=row]").count() < 60
        row_of(page, "file-0000").focus()
        page.keyboard.press("End")
        expect(row_of(page, "file-4999")).to_be_focused()
        expect(row_of(page, "file-4999")).to_be_in_viewport(ratio=1)
        page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
        expect(page.locator("#rows [role=row]").nth(20)).to_be_in_viewport()
        expect(row_of(page, "file-4999")).to_be_focused()
        assert page.locator("#rows [role=row]").count() < 60

    def search(page: Page) -> None:
        page.get_by_role("searchbox").fill("FILE-43")
        expect(page.locator("#found")).to_have_text("100 jobs are shown")
        page.get_by_role("searchbox").fill("file-4321")
        expect(page.locator("#rows .open")).to_have_text(["file-4321"])
        page.get_by_role("button", name="Active 0").click()
        expect(page.get_by_text("No job is like that.")).to_be_visible()

    def load(page: Page) -> None:
        page.reload()
        expect(page.get_by_role("button", name="Paused 5000")).to_be_visible()
        assert names_of(page)[:3] == ["file-0000", "file-0001", "file-0002"]

    for work in (look, search, load):
        await v.do(work)


async def test_what_comes_from_outside_is_text(served: Any, visit: Any, scripted: Any) -> None:
    """Names, URLs and errors: none becomes an element, and none runs."""
    texts = cycle(EVIL)

    async def mean(connection: Connection) -> None:
        while True:
            await connection.head()
            said = next(texts).encode()
            head = b"HTTP/1.1 302 %b\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n"
            connection.send(head % (said, said))

    s = await served()
    server = scripted(mean)
    named = [text for text in EVIL if "/" not in text]
    jobs = [
        {"urls": [server.url(f"/?{n}")], "out": text, "paused": True}
        for n, text in enumerate(named)
    ]
    assert (await s.ask("POST", "/api/v1/jobs", jobs)).status == 201
    failing = [{"urls": [server.url("/") + json.dumps(text)[1:-1]]} for text in EVIL]
    added = [await s.ask("POST", "/api/v1/jobs", one) for one in failing]
    count = sum(one.status == 201 for one in added)
    assert count > 4
    await s.until(lambda: len(s.queue.over) == count)
    v = await visit(s)

    def look(page: Page) -> None:
        expect(page.get_by_role("button", name=f"All {len(named) + count}")).to_be_visible()
        assert set(named) <= set(names_of(page))
        assert page.evaluate(HAD)
        for n in range(page.locator("#rows .open").count()):
            page.locator("#rows .open").nth(n).click()
            expect(page.locator("#detail-facts")).to_be_visible()
            assert (
                page.evaluate(
                    "document.querySelectorAll('#detail :is(img, script, b, i, a)').length"
                )
                == 0
            )
            page.keyboard.press("Escape")
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_label("URLs").fill("\n".join(EVIL))
        page.get_by_label("URLs").press("Control+Enter")
        expect(page.locator("#refused li").first).to_contain_text("Line 1")
        page.keyboard.press("Escape")
        page.locator("#rows [role=row]").first.focus()
        page.keyboard.press("Delete")
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        total = len(named) + count - 1
        expect(page.get_by_role("button", name=f"All {total}")).to_be_visible()
        assert page.evaluate(HAD)

    await v.do(look)
