"""Keeping bodies to a rate: those that brought too much are paused until it is their turn again."""

from __future__ import annotations

from typing import Protocol as Shape

from twisted.internet.interfaces import IReactorTime

from downloader.deadlines import Deadline, Deadlines
from downloader.sansio.throttle import Turns


class Flow(Shape):
    """A body that is being received."""

    def pause(self) -> None:
        """Take no more. It may be told so again when more comes all the same."""

    def resume(self) -> None:
        """Go on."""


class Throttle:
    """Lets all bodies together bring `total` bytes a second and each of them `each`; None is no
    limit. What waits for its turn is woken by one of `deadlines`.

    `on` says whether there is a limit; without one nothing need be told.
    """

    def __init__(
        self,
        clock: IReactorTime,
        deadlines: Deadlines,
        total: float | None = None,
        each: float | None = None,
    ) -> None:
        self.on = not (total is None and each is None)
        self._clock = clock
        self._deadlines = deadlines
        self._turns: Turns[Flow] = Turns(total, each, clock.seconds())
        self._going_on = False
        self._deadline: Deadline | None = None

    def __repr__(self) -> str:
        return f"<Throttle {self._turns!r}>"

    def set(self, total: float | None, each: float | None = None) -> None:
        """Other limits, for what is under way too."""
        self.on = not (total is None and each is None)
        self._turns.change(total, each, self._clock.seconds())
        self._go_on()

    def begun(self, flow: Flow) -> None:
        """A body begins. While others wait it waits behind them: what of it has come already is
        not read before its turn, so small files keep to the rate as well."""
        if self._turns.begin(flow, self._clock.seconds()):
            flow.pause()
            self._sleep()

    def received(self, flow: Flow, size: int, last: bool) -> None:
        """`size` bytes of it came; the `last` ones are not waited for, whatever they cost."""
        if self._turns.spend(flow, size, self._clock.seconds()):
            if last:
                self._turns.leave(flow)
            else:
                flow.pause()
        self._go_on()

    def ended(self, flow: Flow) -> None:
        """It is over."""
        self._turns.leave(flow)
        self._sleep()

    def _go_on(self) -> None:
        """Resume those whose turn it is. What they hold comes at once, so that this is called
        again meanwhile: then the loop that runs sees to it, at no depth."""
        if self._going_on:
            return
        self._going_on = True
        try:
            while (flow := self._turns.next(self._clock.seconds())) is not None:
                flow.resume()
        finally:
            self._going_on = False
            self._sleep()

    def _sleep(self) -> None:
        """Be woken when somebody may go on, or sooner: a debt that grows moves no deadline."""
        now = self._clock.seconds()
        wait = self._turns.wait(now)
        if self._deadline is not None:
            if wait is not None and self._deadline.when <= now + wait:
                return
            self._deadline.cancel()
            self._deadline = None
        if wait is not None:
            self._deadline = self._deadlines.set(wait, self._wake)

    def _wake(self) -> None:
        self._deadline = None
        self._go_on()


class OneFlow:
    """Bodies that bring parts of one file: to `throttle` they are one flow, paused and resumed
    together, so that what limits each file limits that one too. It takes a throttle's place."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._bodies: dict[Flow, None] = {}
        self._paused = False

    def __repr__(self) -> str:
        return f"<OneFlow {len(self._bodies)} bodies{', paused' if self._paused else ''}>"

    @property
    def on(self) -> bool:
        """Whether there is a limit."""
        return self._throttle.on

    def begun(self, body: Flow) -> None:
        """One more begins; while the others are paused, so is it."""
        self._bodies[body] = None
        if self._paused:
            body.pause()
        elif len(self._bodies) == 1:
            self._throttle.begun(self)

    def received(self, body: Flow, size: int, last: bool) -> None:
        """`size` bytes came; the `last` ones of one body are not the file's."""
        self._bodies[body] = None
        self._throttle.received(self, size, last and len(self._bodies) == 1)

    def ended(self, body: Flow) -> None:
        """One is over."""
        self._bodies.pop(body, None)
        if not self._bodies:
            self._paused = False
            self._throttle.ended(self)

    def pause(self) -> None:
        """Take no more, of any."""
        self._paused = True
        for body in list(self._bodies):
            body.pause()

    def resume(self) -> None:
        """Go on, until what one of them brings pauses all."""
        self._paused = False
        for body in list(self._bodies):
            if self._paused:
                return
            if body in self._bodies:
                body.resume()
