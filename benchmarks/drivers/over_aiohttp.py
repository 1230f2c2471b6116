"""aiohttp, on uvloop where that is installed: one session, as many workers as jobs."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import Iterator

import aiohttp

from benchmarks.drivers import Arguments


async def fetch_all(arguments: Arguments) -> None:
    """Let the workers take turns at the list."""
    tls = True if arguments.ca is None else ssl.create_default_context(cafile=arguments.ca)
    connector = aiohttp.TCPConnector(limit=arguments.jobs, ssl=tls)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False, raise_for_status=True
    ) as session:
        wanted = arguments.wanted()
        await asyncio.gather(*(_work(session, wanted) for _ in range(arguments.jobs)))


async def _work(session: aiohttp.ClientSession, wanted: Iterator[tuple[str, str]]) -> None:
    for url, path in wanted:
        async with session.get(url) as response:
            with open(path, "wb") as file:  # noqa: PTH123
                async for data in response.content.iter_any():
                    file.write(data)


def main() -> None:
    """On the quickest loop there is."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        asyncio.run(fetch_all(Arguments()))
    else:
        uvloop.run(fetch_all(Arguments()))


if __name__ == "__main__":
    main()
