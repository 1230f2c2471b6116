"""A request's body that can be sent a second time."""

from __future__ import annotations

from twisted.web.iweb import IBodyProducer


class IReplayable(IBodyProducer):
    """An IBodyProducer that begins at its first byte each time `startProducing` is called.

    That is done again only once what it returned has fired, or `stopProducing` was called. Only
    such a body is sent again when its connection was lost, or after a redirect; or pipelined.
    """


def replayable(producer: IBodyProducer | None) -> bool:
    """Whether a request with this body can be sent again; None is no body."""
    return producer is None or bool(IReplayable.providedBy(producer))
