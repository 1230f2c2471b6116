"""llhttp's events as the answers of one connection, with the caps that it does not have."""

from __future__ import annotations

from typing import Protocol as Shape

import httptools

from downloader.errors import BadResponse
from downloader.sansio import wire

_FRAMING = frozenset((b"content-length", b"transfer-encoding"))


class Sink(Shape):
    """Who hears of answers. What it raises comes out of `AnswerReader.feed`."""

    def answer_awaited(self) -> bool:
        """Whether there is a request whose answer may begin now."""

    def answer_began(self) -> bytes:
        """The first byte of an answer, or of one more informational one, is here.

        Returns the method that it answers.
        """

    def answer_informed(self, status: int) -> None:
        """An informational answer was complete."""

    def answer_headed(
        self, head: wire.Head, phrase: bytes, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """A final answer's head is complete."""

    def answer_body(self, data: bytes) -> None:
        """A piece of the body came."""

    def answer_ended(self) -> None:
        """The answer is complete."""


class AnswerReader:
    """Cuts bytes into answers. One that is over a cap, or no HTTP, raises `BadResponse`."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._parser = httptools.HttpResponseParser(self)
        self._method = b""
        self._count = 0  # answers so far, informational ones too
        self._phrase = b""
        self._body_bytes = 0
        self._next_answer()

    def __repr__(self) -> str:
        return f"<AnswerReader {self._count} answers>"

    def feed(self, data: bytes | memoryview) -> None:
        """Take what came."""
        last = data[-1:]
        if last == b"\n" or last == b"\r":
            # llhttp skips empty lines between answers and tells nobody. Fed on its own, the last
            # byte shows whether it is a part of one, or a byte that nobody asked for.
            if len(data) > 1:
                self._feed(memoryview(data)[:-1])
            if self._between and not self._sink.answer_awaited():
                raise BadResponse("bytes that nobody asked for")
            self._feed(last)
        else:
            self._feed(data)
            if self._headless:
                raise BadResponse("a body that answers HEAD")

    def _feed(self, data: bytes | memoryview) -> None:
        self._headless = False
        count, in_body, body_bytes = self._count, self._in_body, self._body_bytes
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise BadResponse("it switches protocols") from None
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except httptools.HttpParserError as error:
            raise BadResponse(str(error)) from error
        if count == self._count and in_body is self._in_body:
            # The whole read was of one head or one body; less than a read escapes the caps.
            if not in_body:
                self._weigh_head(len(data))
            elif self._chunked:
                self._weigh_chunks(len(data), len(data) - (self._body_bytes - body_bytes))

    def skip_body(self) -> None:
        """The rest of this body was taken past this reader, to its end."""
        self._parser = httptools.HttpResponseParser(self)
        self._next_answer()

    # --- from the parser; an exception here comes out of feed_data --------------------------

    def on_message_begin(self) -> None:
        self._method = self._sink.answer_began()
        self._between = False

    def on_status(self, phrase: bytes) -> None:
        self._phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # else it is a trailer
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        status = parser.get_status_code()
        if 100 <= status < 200:
            if any(name.lower() in _FRAMING for name, _ in self._headers):
                raise BadResponse("an informational answer with a body")
            self._sink.answer_informed(status)
            return
        if len(self._headers) > wire.MAX_HEADERS:
            raise BadResponse("its header is too large")
        head = wire.judge_head(
            self._method,
            status,
            parser.get_http_version(),
            self._headers,
            parser.should_keep_alive(),
        )
        self._in_body = True
        self._chunked = head.length is None and not head.close_delimited
        self._sink.answer_headed(head, self._phrase, self._headers)
        if self._method == b"HEAD":
            # llhttp cannot be told that no body follows; the next answer gets a new parser, and
            # what this one still finds in this read belongs to nobody.
            self._parser = httptools.HttpResponseParser(self)
            self._next_answer()
            self._headless = True
            self._sink.answer_ended()

    def on_body(self, data: bytes) -> None:
        if self._headless:
            raise BadResponse("a body that answers HEAD")
        self._body_bytes += len(data)
        self._sink.answer_body(data)

    def on_message_complete(self) -> None:
        if self._headless:
            return
        was_final = self._in_body
        self._next_answer()
        if was_final:
            self._sink.answer_ended()

    # --- bookkeeping ------------------------------------------------------------------------

    def _next_answer(self) -> None:
        self._count += 1
        self._between = True
        self._in_body = False
        self._headless = False
        self._chunked = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._phrase = b""
        self._head_fed = 0
        self._body_bytes = 0
        self._overhead = 0
        self._dry = 0

    def _weigh_head(self, fed: int) -> None:
        self._head_fed += fed
        if self._head_fed > wire.MAX_HEAD_BYTES or len(self._headers) > wire.MAX_HEADERS:
            raise BadResponse("its header is too large")

    def _weigh_chunks(self, fed: int, overhead: int) -> None:
        # Trailers are buffered whole by the parser, so they are bounded whatever the body weighs.
        self._overhead += overhead
        self._dry = self._dry + overhead if overhead == fed else 0
        allowed = wire.CHUNK_OVERHEAD + wire.CHUNK_OVERHEAD_RATIO * self._body_bytes
        if self._overhead > allowed or self._dry > wire.CHUNK_OVERHEAD:
            raise BadResponse("its chunks weigh more than their content")
