"""For programs that do not run a reactor: calls that block, and can be interrupted at any moment.

::

    from downloader import blocking

    result = blocking.fetch("https://example.org/a.iso", directory="out")
    with blocking.urlopen("https://example.org/", timeout=30, interrupt=stop_if_asked) as response:
        page = response.read()

`fetch` and `urlopen` are those of a `Client` that lasts as long as the program; one of your own has
options. They work in any thread, beside any event loop, Twisted's too, though not in its thread:
they block it.
"""

from downloader.blocking.client import Client
from downloader.blocking.response import Response

_client = Client()
fetch = _client.fetch
urlopen = _client.urlopen

__all__ = ["Client", "Response", "fetch", "urlopen"]
