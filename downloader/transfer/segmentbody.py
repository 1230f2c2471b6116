"""The body of which only a part is wanted, up to an end that may change while it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from downloader.sansio.segments import Segments, Stream
from downloader.transfer.body import FileBody


class SegmentBody(FileBody):
    """Takes the bytes of `stream` from an answer that begins at `start`, which may be before them.

    Where they end, the body is over, and its connection is aborted if the answer goes on. `came` is
    called with the stream and where it stood before, after each piece.
    """

    def __init__(
        self,
        segments: Segments,
        stream: Stream,
        came: Callable[[Stream, int], None],
        *arguments: Any,
    ) -> None:
        super().__init__(*arguments)
        self._segments = segments
        self._stream = stream
        self._came = came

    @property
    def _place(self) -> int:
        return self.start + self.received

    def _take(self, data: bytes | memoryview) -> None:
        early = min(len(data), max(0, self._stream.start - self._place))
        self.received += early
        data = data[early:]
        while True:
            size = max(0, self._segments.reach(self._stream) - self._place)
            if data and not size:
                return
            super()._take(data[:size])
            before, self._stream.at = self._stream.at, max(self._stream.at, self._place)
            if self._stream.at > before:
                self._came(self._stream, before)
            data = data[size:]
            if not data or self._failure is not None:
                return

    def _spend(self, size: int) -> None:
        super()._spend(size)
        if self.result is None and self._failure is None and not self._goes_on():
            self._stop(True)

    def _goes_on(self) -> bool:
        """Whether more is wanted, or its end is about to come by itself."""
        stop = self._segments.reach(self._stream)
        return self._place < stop or (
            self._length is not None and self.start + self._length <= stop
        )
