"""Requests of a test to the student's kernel, and its replies.

Whatever comes from there may be forged: a message that nobody waits for is left out; waiting is
bounded; and a kernel that is gone, cannot be understood or cannot be interrupted is given up.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from autograder.channel import (
    BEGIN,
    PRINT,
    REPLY,
    REQUEST,
    SECONDS_BETWEEN_LOOKS,
    Channel,
    Message,
)
from autograder.crossing import CrossingError
from autograder.limits import Limits

INTERRUPT_SECONDS = 2  # that a kernel has to come back from an endless call
Answer = Callable[[list[Any]], list[Any]]


class Stopped(BaseException):
    """The kernel is lost; the text says why. No `except Exception` of a test may catch it."""


class TimeUp(BaseException):
    """A test cell has run too long; the text says so."""


class Connection:
    """Requests over `channel`. `interrupt` interrupts what the kernel is doing."""

    def __init__(
        self,
        channel: Channel,
        is_alive: Callable[[], bool],
        interrupt: Callable[[], None],
        limits: Limits,
    ) -> None:
        self._channel, self._is_alive, self._interrupt = channel, is_alive, interrupt
        self._limits = limits
        self.deadline = 0.0  # of the running test cell, on the monotonic clock
        self._count = 0  # of requests so far
        self._depth = 0  # of requests inside requests

    def begin(self, seed: int) -> None:
        """Begin a test cell, with random numbers from `seed`. The kernel does not reply."""
        self._count += 1
        self._send(BEGIN, self._count, [str(seed).encode(), b""], self.deadline)

    def request(self, buffers: list[Any], answer: Answer) -> list[Any]:
        """Send a request and return the reply; `answer` is asked what the kernel asks meanwhile.

        Raises TimeoutError when the kernel had to be interrupted, Stopped when it is lost.
        """
        now = time.monotonic()
        if now > self.deadline:
            raise TimeUp
        deadline = min(now + self._limits.call_seconds, self.deadline)
        self._count += 1
        number = self._count
        self._send(REQUEST, number, buffers, deadline)
        self._depth += 1
        try:
            return self._wait(number, answer, deadline, f"ran longer than {deadline - now:.3g} s")
        except (TimeoutError, Stopped):
            raise
        except BaseException:
            if self._depth == 1:  # else the request around this one is given up, too
                self._give_up(number)
            raise
        finally:
            self._depth -= 1

    def _wait(self, number: int, answer: Answer, deadline: float, too_long: str) -> list[Any]:
        interrupted = False
        while True:
            message = self._receive()
            if message is None:
                pass
            elif message.kind == REQUEST:
                self._send(REPLY, message.number, answer(message.buffers), deadline)
            elif message.kind == REPLY and message.number == number:
                if interrupted:
                    raise TimeoutError(f"the call {too_long}")
                return message.buffers
            now = time.monotonic()
            if now > deadline and not interrupted:
                interrupted = True
                self._interrupt()
            if now > deadline + INTERRUPT_SECONDS:
                raise Stopped(f"a call that {too_long} and could not be interrupted")

    def _give_up(self, number: int) -> None:
        """End a request that nobody waits for any more. Raises Stopped when that fails."""
        self._interrupt()
        deadline = time.monotonic() + INTERRUPT_SECONDS
        while time.monotonic() < deadline:
            message = self._receive()
            if message and message.kind == REPLY and message.number == number:
                return
        raise Stopped("a call that could not be interrupted")

    def _send(self, kind: bytes, number: int, buffers: list[Any], deadline: float) -> None:
        def go_on() -> None:
            if not self._is_alive():
                raise Stopped
            if time.monotonic() > deadline + INTERRUPT_SECONDS:
                raise Stopped("a call that does not take its arguments")

        try:
            self._channel.send(kind, number, buffers, go_on)
        except TimeUp:  # in the middle of a message: nothing that follows could be understood
            raise Stopped from None
        except OSError:
            self._lost()

    def _receive(self) -> Message | None:
        """Return what has come, after waiting for a moment; print what was printed."""
        try:
            message = self._channel.receive(SECONDS_BETWEEN_LOOKS)
        except TimeUp:
            raise Stopped from None
        except (OSError, CrossingError) as error:
            self._lost(str(error))
        if message is None and not self._is_alive():
            raise Stopped
        if message and message.kind == PRINT:
            # What the student's code prints is printed here, where a test can catch it.
            sys.stdout.write(message.buffers[0].decode(errors="replace"))
        return message

    def _lost(self, why: str = "") -> NoReturn:
        """Raise Stopped; a kernel that has ended says itself why."""
        deadline = time.monotonic() + INTERRUPT_SECONDS
        while self._is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        raise Stopped(f"broken messages ({why})" if why else "")
