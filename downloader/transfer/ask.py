"""One request whose answer is wanted as it comes, and not as a file."""

from __future__ import annotations

import time
from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.web.iweb import IBodyProducer, IResponse

from downloader.drain import drain
from downloader.jobs import Job
from downloader.sansio.url import parse_url, redacted
from downloader.transfer.door import refused, translate
from downloader.transfer.request import request_headers
from downloader.transfer.setup import Setup


async def ask(
    setup: Setup,
    method: str,
    url: str,
    headers: Sequence[tuple[str, str]],
    body: IBodyProducer | None,
    ok_only: bool,
) -> IResponse:
    """The answer. Raises our errors and CancelledError, nothing else.

    With `ok_only`, for a status other than 2xx too, once its body is out of the way.
    """
    ours = setup.authorizations
    if ours is not None:
        ours.meet_job(url)
    parsed = parse_url(url)
    fields = request_headers(setup.headers, Job(url, headers=tuple(headers)), parsed, parsed, ours)
    try:
        request: Deferred[IResponse] = setup.agent.request(
            method.encode(), str(parsed).encode("ascii"), fields, body
        )
        response = await request
        if ok_only and not 200 <= response.code < 300:
            await drain(response, setup.deadlines)
            raise refused(response, time.time())
        return response
    except CancelledError:
        raise
    except Exception as error:
        failed = translate(error)
        failed.url = redacted(url)
        failed.attempts = 1
        raise failed from failed.__cause__
