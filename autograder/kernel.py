"""The student's process: a Jupyter kernel that also answers the grader's tests.

Forked behind walls by `fork_server.py`, or, where there is no sandbox, started as
`python kernel.py SETTINGS`. It takes over the listening sockets of the grader, so that no folder is
shared with it.

Nothing here protects the grader: the student's code can change all of it. It can only change what
the student's own functions return.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

# Beside this file lies the package; nothing else of the grader's machine is needed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import zmq
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config

# Nobody debugs here. A kernel that finds a debugger loads all of it.
sys.modules["debugpy"] = None  # type: ignore[assignment]
import ipykernel.debugger  # noqa: E402,F401

del sys.modules["debugpy"]

from autograder.channel import BEGIN, PRINT, REPLY, REQUEST, Channel  # noqa: E402
from autograder.crossing import Bounds  # noqa: E402
from autograder.remote import Remote, set_seeds  # noqa: E402

RECEIVE_SECONDS = 60  # for a message that has begun to come
PRINT_CHARACTERS = 2**18  # in one message
# Else it makes a record of each message, and shows none.
QUIET = {"loggers": {"GradedKernelApp": {"level": "WARNING"}}}


class Inside(Remote):
    """The student's side of the wall, for one test cell."""

    def __init__(self, kernel: GradedKernel, seed: int) -> None:
        super().__init__(kernel.bounds, inside=True)
        self.kernel = kernel
        self._asked = 0  # how many requests of our own
        self._looked_up: dict[str, Any] = {}  # functions and classes that the grader knows by name
        set_seeds(seed)

    def _operations(self) -> dict[str, Callable[..., Any]]:
        return {**super()._operations(), "lookup": self._look_up}

    def _look_up(self, name: str) -> Any:
        value = self._names()[name]
        if isinstance(value, types.FunctionType | type):
            self._looked_up[name] = value
        return value

    def _names(self) -> dict[str, Any]:
        shell: Any = self.kernel.shell
        names: dict[str, Any] = shell.user_ns
        return names

    def changes(self) -> dict[str, Any]:
        """Return all that the grader does not know as it is now, names included."""
        names = self._names()
        rebound = [name for name, value in self._looked_up.items() if names.get(name) is not value]
        for name in rebound:
            self._on_sent.append(partial(self._looked_up.pop, name, None))
        return {**super().changes(), "rebound": rebound}

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """Defaults that a cell changed do not reach into the tests of another."""
        dtype, device = torch.get_default_dtype(), torch.get_default_device()
        torch.set_default_dtype(torch.float32)
        # While a device is set, also the CPU, every function of torch takes a detour.
        other_device = device.type != "cpu"
        if other_device:
            torch.set_default_device(None)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            if other_device:
                torch.set_default_device(device)

    def exchange(self, buffers: list[Any]) -> list[Any]:
        """Ask the grader, which waits for the reply to its own request meanwhile.

        What the grader asks on the way is answered here: the main thread is busy with us.
        """
        channel = self.kernel.channel
        self._asked += 1
        number = self._asked
        with _uninterrupted():
            self.kernel.show_prints()
            channel.send(REQUEST, number, buffers)
        while True:
            with _uninterrupted():
                message = channel.receive(0.05)  # short, so that an interrupt gets through
            if message is None:
                continue
            if message.kind == REQUEST:
                answer = self.answer(message.buffers)
                with _uninterrupted():
                    self.kernel.show_prints()
                    channel.send(REPLY, message.number, answer)
            elif message.number == number:
                return message.buffers


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keep an interrupt until the end: half of a message is none."""
    if threading.current_thread() is not threading.main_thread():  # it is never interrupted
        yield
        return
    interrupts: list[Any] = []
    before = signal.signal(signal.SIGINT, lambda *signal_and_frame: interrupts.append(1))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if interrupts:
            signal.raise_signal(signal.SIGINT)


class GradedKernel(IPythonKernel):
    """An IPython kernel that also answers requests of tests, on a socket of their own."""

    bounds: Bounds
    channel: Channel
    side: Inside | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._outputs = {"stdout": sys.stdout, "stderr": sys.stderr}
        shell: Any = self.shell  # it is asked twice for each cell, and takes long to answer
        shell.transform_cell = lru_cache(maxsize=1)(shell.transform_cell)

    async def do_execute(self, *args: Any, **options: Any) -> Any:
        """Run a cell, and see to it that the kernel can go on."""
        try:
            return await super().do_execute(*args, **options)  # type: ignore[no-untyped-call]
        finally:
            self._restore_output()

    def _restore_output(self) -> None:
        """Put back an output that cannot be flushed: the kernel would send no reply after it."""
        for name, original in self._outputs.items():
            try:
                getattr(sys, name).flush()
            except Exception:
                setattr(sys, name, original)

    def start(self) -> None:
        """Begin to take requests."""
        super().start()  # type: ignore[no-untyped-call]
        asyncio.get_event_loop().add_reader(self.channel.connection, self._answer)

    def _answer(self) -> None:
        """Answer a request of a test, or begin a new test cell."""
        try:
            message = self.channel.receive(RECEIVE_SECONDS)
        except OSError:  # the grader is gone
            asyncio.get_event_loop().remove_reader(self.channel.connection)
            return
        answer: list[Any] = [b"", b""]
        if message is None or message.kind == REPLY:  # to a question that was interrupted
            return
        if message.kind == BEGIN:
            self.side = Inside(self, int(message.buffers[0]))
            LimitedOutStream.test = message.number
            return
        LimitedOutStream.printed_in_test = []
        if self.side is not None:
            with suppress(KeyboardInterrupt):  # that came a moment too late
                try:
                    self.pre_handler_hook()  # type: ignore[no-untyped-call]
                    answer = self.side.answer(message.buffers)
                finally:
                    self.post_handler_hook()  # type: ignore[no-untyped-call]
        self._restore_output()
        self.show_prints()
        LimitedOutStream.printed_in_test = None
        self.channel.send(REPLY, message.number, answer)

    def show_prints(self) -> None:
        """Send what was printed since the last time."""
        printed = LimitedOutStream.printed_in_test
        if printed:
            LimitedOutStream.printed_in_test = []
            text = "".join(printed)
            for start in range(0, len(text), PRINT_CHARACTERS):
                part = text[start : start + PRINT_CHARACTERS]
                self.channel.send(PRINT, 0, [part.encode(errors="replace"), b""])


class LimitedOutStream(OutStream):
    """Prints up to a number of characters in each cell, and in all; the rest is cut off."""

    cell_limit = notebook_limit = 2**20
    printed = 0  # by all streams
    test = 0  # the number of the test that runs
    printed_in_test: ClassVar[list[str] | None] = None  # ... and not shown yet; None: no test runs

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)  # type: ignore[no-untyped-call]
        self._cell: tuple[Any, int] = (None, 0)  # the cell, and how much it has printed
        self._unsent = False  # whether something was printed since the last flush

    def write(self, string: str) -> int:
        """Print as much of `string` as may still be printed."""
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string).__name__}")
        cell, printed = self._cell
        in_test = self.printed_in_test is not None
        current = self.test if in_test else self.parent_header.get("msg_id")
        if current != cell:
            printed = 0
        room = max(
            0, min(self.cell_limit - printed, self.notebook_limit - LimitedOutStream.printed)
        )
        self._cell = (current, printed + len(string))
        LimitedOutStream.printed += min(room, len(string))
        if len(string) <= room:
            self._put(string)
            return len(string)
        if room or printed <= self.cell_limit < printed + len(string):
            self._put(f"{string[:room]}\n[more output was cut off]\n")
        return len(string)

    def _put(self, string: str) -> None:
        if self.printed_in_test is not None:
            self.printed_in_test.append(string)
        else:
            self._unsent = True
            super().write(string)

    def flush(self) -> None:
        """Send what was printed; a test is told with the reply."""
        if self.printed_in_test is None and self._unsent:  # else two threads would wait in vain
            self._unsent = False
            super().flush()  # type: ignore[no-untyped-call]


class GradedKernelApp(IPKernelApp):
    """Starts the kernel on sockets that the grader has opened, so that no folder is shared."""

    listening: ClassVar[dict[str, int]] = {}  # port -> number of the open file

    def _try_bind_socket(self, s: Any, port: int) -> Any:
        if str(port) in self.listening:
            s.setsockopt(zmq.USE_FD, self.listening[str(port)])
        return super()._try_bind_socket(s, port)  # type: ignore[no-untyped-call]

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        """Read none: its parser knows all options of all classes, and takes long to make."""

    def init_heartbeat(self) -> None:
        """Start no heartbeat: the grader watches the process."""


def run(settings: dict[str, Any]) -> None:
    """Be a kernel until it is shut down."""
    sys.argv = sys.argv[:1]
    set_seeds(settings["seed"])  # the same submission finds the same random numbers
    sockets = settings["sockets"]
    bounds = GradedKernel.bounds = Bounds(*settings["bounds"])
    GradedKernel.channel = Channel(socket.socket(fileno=sockets.pop("tests")), bounds)
    GradedKernelApp.listening = sockets
    LimitedOutStream.cell_limit, LimitedOutStream.notebook_limit = settings["output"]
    torch.set_num_threads(1)
    GradedKernelApp.launch_instance(
        connection_file=settings["connection"],
        config=Config(HistoryManager={"enabled": False}, GradedKernelApp={"logging_config": QUIET}),
        kernel_class=GradedKernel,
        outstream_class=f"{__name__}.LimitedOutStream",
    )


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
