"""The page at `/`: a few files of the package, each at one path, which no request can choose.

They hold nothing secret, so no token is needed for them; the page itself asks for it. They are read
once, and asked for again by each visit (`no-cache`), which an unchanged one answers with 304.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from downloader.service.answers import Answer
from downloader.service.routes import Asked, Route

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
INDEX = "index.html"


class StaticFile:
    """A file with the content `body`, of the media type `content_type`."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self.body = body
        self.content_type = content_type
        self.etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'

    def __repr__(self) -> str:
        return f"<StaticFile {self.content_type} {len(self.body)} bytes>"

    async def get(self, asked: Asked) -> Answer:
        """The file, or that it is what the browser has (RFC 9110 §13.1.2)."""
        headers = {"ETag": self.etag, "Cache-Control": "no-cache"}
        known = asked.request.getHeader(b"if-none-match") or b""
        if self.etag.encode() in (one.strip().removeprefix(b"W/") for one in known.split(b",")):
            return Answer(304, content_type="", headers=headers)
        return Answer(200, self.body, self.content_type, headers)


def page_routes() -> list[Route]:
    """Where they are: the page itself at `/`, what it consists of below `/page/`."""
    found = []
    for file in files("downloader.service").joinpath("page").iterdir():
        content_type = _TYPES.get(file.name.rpartition(".")[2])
        if content_type is not None:
            path = "/" if file.name == INDEX else f"/page/{file.name}"
            static = StaticFile(file.read_bytes(), content_type)
            found.append(Route(path, {"GET": static.get}, is_open=True))
    return found
