"""Requests to a student's kernel and its replies, over the kernel's own sockets.

Whatever comes from there may be forged: a message that cannot be read, or that nobody waits for,
is left out; waiting is bounded; and a kernel that is gone or cannot be interrupted is given up.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import zmq

from autograder.limits import Limits
from autograder.remote import MESSAGE, REPLY

INTERRUPT_SECONDS = 2  # that a kernel has to come back from an endless call


class Stopped(BaseException):
    """The kernel is lost; the text says why. No `except Exception` of a test may catch it."""


class TimeUp(BaseException):
    """A test cell has run too long; the text says so."""


class Connection:
    """Messages to and from the student's kernel, over its own sockets."""

    def __init__(self, client: Any, is_alive: Callable[[], bool], limits: Limits) -> None:
        self.client, self.is_alive, self.limits = client, is_alive, limits
        self.deadline = 0.0  # of the running test cell, on the monotonic clock
        self._depth = 0  # of requests inside requests
        self._idle: str | None = None  # the last request that the kernel is done with
        names = ["shell", "stdin", "iopub", "control"]
        channels = [getattr(client, f"{name}_channel").socket for name in names]
        self._sockets: dict[str, Any] = {
            name: zmq.Socket.shadow(socket.underlying)
            for name, socket in zip(names, channels, strict=True)
        }

    def is_heard(self, seconds: float) -> bool:
        """Wait for the kernel's start; return whether its messages arrive within `seconds`.

        It is asked again and again: it does not keep messages from before a connection is up.
        """
        deadline = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < deadline:
            if self._wait_until_idle(self._send("shell", "kernel_info_request", {}, []), 0.5):
                return True
        return False

    def request(
        self,
        content: dict[str, Any],
        buffers: list[Any],
        answer: Callable[[list[Any]], list[Any]],
    ) -> list[Any]:
        """Send a request and return the reply; `answer` is asked what the kernel asks meanwhile.

        Raises TimeoutError when the kernel had to be interrupted, Stopped when it is lost, and
        CrossingError when what came cannot be read.
        """
        if time.monotonic() > self.deadline:
            raise TimeUp
        # While the kernel waits for an answer, its main thread listens on the stdin socket.
        channel = "stdin" if self._depth else "shell"
        sent = self._send(channel, MESSAGE, content, buffers)
        self._depth += 1
        try:
            reply = self._wait(channel, sent, answer)
        except (TimeoutError, Stopped):
            raise
        except BaseException:
            if self._depth == 1:  # else the request around this one is given up, too
                self._give_up(sent)
            raise
        finally:
            self._depth -= 1
        if not self._depth:
            self._take_prints(sent)
        return reply

    def _send(self, channel: str, kind: str, content: dict[str, Any], buffers: list[Any]) -> str:
        session = self.client.session
        message = session.send(self._sockets[channel], kind, content, buffers=buffers)
        return str(message["header"]["msg_id"])

    def _wait(self, channel: str, sent: str, answer: Callable[[list[Any]], list[Any]]) -> list[Any]:
        started = time.monotonic()
        deadline = min(started + self.limits.call_seconds, self.deadline)
        too_long = f"ran longer than {deadline - started:.3g} s"
        interrupted = False
        while True:
            for name, message in self._receive(["iopub", "stdin", "shell"], 0.2):
                if name == "iopub":
                    self._hear(message)
                elif name == "stdin" and message["msg_type"] == MESSAGE:
                    self._send("stdin", REPLY, {}, answer(_buffers(message)))
                elif name == channel and (name == "stdin" or _parent(message) == sent):
                    if interrupted:
                        raise TimeoutError(f"the call {too_long}")
                    return _buffers(message)
            if not self.is_alive():
                raise Stopped
            if time.monotonic() > deadline and not interrupted:
                interrupted = True
                self._send("control", "interrupt_request", {}, [])
            if time.monotonic() > deadline + INTERRUPT_SECONDS:
                raise Stopped(f"a call that {too_long} and could not be interrupted")

    def _give_up(self, sent: str) -> None:
        """End a request that nobody waits for any more. Raises Stopped when that fails."""
        self._send("control", "interrupt_request", {}, [])
        if not self._wait_until_idle(sent, INTERRUPT_SECONDS):
            raise Stopped("a call that could not be interrupted")

    def _take_prints(self, sent: str) -> None:
        """Print what the call printed: it can arrive after the reply, but not after `idle`."""
        self._wait_until_idle(sent, 1)

    def _wait_until_idle(self, sent: str, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._idle != sent and time.monotonic() < deadline:
            for _, message in self._receive(["iopub"], 0.1):
                self._hear(message)
        return self._idle == sent

    def _hear(self, message: Any) -> None:
        """What the student's code prints is printed here, where a test can catch it."""
        if message["msg_type"] == "stream":
            sys.stdout.write(str(message["content"].get("text", "")))
        elif message["content"].get("execution_state") == "idle":
            self._idle = _parent(message)

    def _receive(self, names: list[str], seconds: float) -> Iterator[tuple[str, Any]]:
        """Yield what has come, after waiting for a moment; what cannot be read is left out."""
        poller = zmq.Poller()
        for name in names:
            poller.register(self._sockets[name], zmq.POLLIN)
        ready = dict(poller.poll(int(1000 * seconds)))
        for name in names:
            if self._sockets[name] in ready:
                try:
                    _, message = self.client.session.recv(self._sockets[name])
                    well_formed = isinstance(message["content"], dict)
                except Exception:  # forged or broken, in any way
                    continue
                if well_formed:
                    yield name, message


def _buffers(message: Any) -> list[bytes]:
    return [bytes(buffer) for buffer in message["buffers"]]


def _parent(message: Any) -> str | None:
    parent = message["parent_header"]
    return parent.get("msg_id") if isinstance(parent, dict) else None
