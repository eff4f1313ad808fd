"""A student's names seen from outside, and test cells that run on them.

A test cell runs in the grader's process, in a namespace of its own. Names that it does not define
are looked up in the student's kernel at that moment; `remote.py` says what then crosses. Only what
the locked cells of the notebook define (imports, helpers) is there from the start, from our own
copy.
"""

from __future__ import annotations

import builtins
import io
import random
import signal
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import torch
import zmq
from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.crossing import Bounds
from autograder.errors import forget_frames
from autograder.kernel import MESSAGE, REPLY
from autograder.limits import Limits
from autograder.remote import Remote

INTERRUPT_SECONDS = 2  # that a kernel has to come back from an endless call
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")


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

    def _take_prints(self, sent: str) -> None:
        """Print what the call printed: it can arrive after the reply, but not after `idle`."""
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            if self._idle == sent:
                return
            for _, message in self._receive(["iopub"], 0.1):
                self._hear(message)

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


class Outside(Remote):
    """The grader's side of the wall, for one test cell."""

    def __init__(self, connection: Connection, bounds: Bounds, seed: int) -> None:
        super().__init__(bounds, inside=False)
        self.connection = connection
        connection.request({"seed": seed}, [], self.answer)

    def exchange(self, buffers: list[Any]) -> list[Any]:
        """Send a request to the student's kernel and return the reply."""
        return self.connection.request({}, buffers, self.answer)


class Namespace(dict[str, Any]):
    """Global names of a test cell. What is not in it is the student's."""

    side: Outside | None = None

    def __missing__(self, name: str) -> Any:
        if self.side is None or hasattr(builtins, name):
            raise KeyError(name)
        return self.side.ask("lookup", name)


class Examiner:
    """Runs the test cells of a notebook, one by one, against a student's kernel."""

    def __init__(self, chapter: str, connection: Connection, limits: Limits) -> None:
        self.chapter, self.connection, self.limits = chapter, connection, limits
        self.bounds = Bounds(limits.crossing_bytes, limits.crossing_items, limits.crossing_depth)
        self._shared = Namespace(__name__="__main__")  # what the locked cells define

    def set_up(self, cell: NotebookNode) -> None:
        """Run a locked cell on this side too."""
        self._run(cell, self._shared, self.limits.cell_seconds, None)

    def run(self, cell: NotebookNode, seconds: float) -> list[NotebookNode]:
        """Run a test cell in at most `seconds`; return what it printed, and an error if it failed.

        Raises Stopped when the kernel is lost.
        """
        seed = zlib.crc32(f"{self.chapter}/{cell.metadata.nbgrader.grade_id}".encode())
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        printed = _LimitedText(self.limits.cell_output_bytes)
        outputs = []
        try:
            with redirect_stdout(printed), redirect_stderr(printed):
                self._run(cell, Namespace(self._shared), seconds, seed)
        except TimeUp:
            if seconds < self.limits.cell_seconds:  # it was the notebook's time that was up
                raise Stopped from None
            text = f"this test ran longer than {seconds:g} s"
            outputs.append(new_output("error", ename="Stopped", evalue=text, traceback=[text]))
        except Stopped:
            raise
        except BaseException as error:  # a test may raise anything
            outputs.append(_show_error(error, cell.source))
        finally:
            forget_frames()
        if printed.getvalue():
            outputs.insert(0, new_output("stream", name="stdout", text=printed.getvalue()))
        return outputs

    def _run(
        self, cell: NotebookNode, namespace: Namespace, seconds: float, seed: int | None
    ) -> None:
        code = compile(cell.source, f"<test {cell.metadata.nbgrader.grade_id}>", "exec")
        self.connection.deadline = time.monotonic() + seconds
        with _alarm(seconds):
            if seed is not None:
                # Helpers of the locked cells look for the student's names in the same place.
                namespace.side = self._shared.side = Outside(self.connection, self.bounds, seed)
            exec(code, namespace)


class _LimitedText(io.StringIO):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def write(self, text: str) -> int:
        room = self.limit - self.tell()
        if room > 0:
            super().write(text[:room])
        return len(text)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """End what runs longer with TimeUp, where the platform can."""
    if not hasattr(signal, "setitimer") or threading.current_thread() != threading.main_thread():
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    # A call is ended by its own deadline first, which tells the kernel.
    signal.setitimer(signal.ITIMER_REAL, seconds + 2 * INTERRUPT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _show_error(error: BaseException, source: str) -> NotebookNode:
    """Return the output of a test that failed: no line of a hidden test is in it."""
    name, text = type(error).__name__, str(error)
    if hasattr(error, "_render_traceback_"):
        shown = list(error._render_traceback_())
    else:
        student = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(" ")]
        shown = ["".join(traceback.format_list(student)).rstrip()] if student else []
        shown.append(f"{name}: {text}" if text else name)
        line = _visible_line(error, source)
        shown += [f"in the line of the test: {line}"] if line else []
        if isinstance(error, AssertionError):
            text = text or line
    output: NotebookNode = new_output("error", ename=name, evalue=text, traceback=shown)
    return output


def _visible_line(error: BaseException, source: str) -> str:
    """Return the line of a test cell at which it failed, unless it is a hidden one."""
    begin, end = HIDDEN
    lines, hidden = [], False
    for line in source.splitlines():
        hidden = (hidden or begin in line) and end not in line
        lines.append("" if hidden else line.strip())
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith("<test ") and 0 < (frame.lineno or 0) <= len(lines):
            return lines[(frame.lineno or 0) - 1]
    return ""
