"""The student's process: a Jupyter kernel that also answers the grader's tests.

Forked behind walls by `fork_server.py`, or, where there is no sandbox, started as
`python kernel.py SETTINGS`. It takes over the listening sockets of the grader, so that no folder is
shared with it.

Nothing here protects the grader: the student's code can change all of it. It can only change what
the student's own functions return.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

# Beside this file lies the package; nothing else of the grader's machine is needed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import zmq
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

# Nobody debugs here. A kernel that finds a debugger loads all of it.
sys.modules["debugpy"] = None  # type: ignore[assignment]
import ipykernel.debugger  # noqa: E402,F401

del sys.modules["debugpy"]

from autograder.crossing import Bounds  # noqa: E402
from autograder.remote import MESSAGE, REPLY, Remote, set_seeds  # noqa: E402


class Inside(Remote):
    """The student's side of the wall, for one test cell."""

    def __init__(self, kernel: GradedKernel, seed: int) -> None:
        super().__init__(kernel.bounds, inside=True)
        self.kernel = kernel
        self.request: tuple[Any, Any] = ([], {})  # identity and header of what is being answered
        set_seeds(seed)

    def _operations(self) -> dict[str, Callable[..., Any]]:
        return {**super()._operations(), "lookup": self._look_up}

    def _look_up(self, name: str) -> Any:
        shell: Any = self.kernel.shell
        return shell.user_ns[name]

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
        session: Any = self.kernel.session
        socket = self.kernel.stdin_socket
        identity, header = self.request
        session.send(socket, MESSAGE, {}, header, ident=identity, buffers=buffers)
        while True:
            if not socket.poll(50):  # short, so that an interrupt gets through
                continue
            _, message = session.recv(socket)
            received = [bytes(buffer) for buffer in message["buffers"]]
            if message["msg_type"] != MESSAGE:
                return received
            answer = self.answer(received)
            session.send(socket, REPLY, {}, header, ident=identity, buffers=answer)


class GradedKernel(IPythonKernel):
    """An IPython kernel with one more type of request."""

    msg_types = [*IPythonKernel.msg_types, MESSAGE]  # noqa: RUF012
    bounds: Bounds
    side: Inside | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._outputs = {"stdout": sys.stdout, "stderr": sys.stderr}

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

    def crossing(self, stream: Any, identity: Any, message: Any) -> None:
        """Answer a request of a test. One with a seed begins a new test cell."""
        answer: list[Any] = []
        if "seed" in message["content"]:
            self.side = Inside(self, message["content"]["seed"])
        elif self.side is not None:
            self.side.request = (identity, message)
            answer = self.side.answer([bytes(buffer) for buffer in message["buffers"]])
        self._restore_output()
        sys.stdout.flush()
        sys.stderr.flush()
        session: Any = self.session
        session.send(stream, REPLY, {}, message, ident=identity, buffers=answer)


class LimitedOutStream(OutStream):
    """Prints up to a number of characters in each cell, and in all; the rest is cut off."""

    cell_limit = notebook_limit = 2**20
    printed = 0  # by all streams

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)  # type: ignore[no-untyped-call]
        self._cell: tuple[Any, int] = (None, 0)  # the cell, and how much it has printed

    def write(self, string: str) -> int:
        """Print as much of `string` as may still be printed."""
        cell, printed = self._cell
        current = self.parent_header.get("msg_id")
        if current != cell:
            printed = 0
        room = max(
            0, min(self.cell_limit - printed, self.notebook_limit - LimitedOutStream.printed)
        )
        self._cell = (current, printed + len(string))
        LimitedOutStream.printed += min(room, len(string))
        if len(string) <= room:
            super().write(string)
            return len(string)
        if room or printed <= self.cell_limit < printed + len(string):
            super().write(f"{string[:room]}\n[more output was cut off]\n")
        return len(string)


class GradedKernelApp(IPKernelApp):
    """Starts the kernel on sockets that the grader has opened, so that no folder is shared."""

    listening: ClassVar[dict[str, int]] = {}  # port -> number of the open file

    def _try_bind_socket(self, s: Any, port: int) -> Any:
        if str(port) in self.listening:
            s.setsockopt(zmq.USE_FD, self.listening[str(port)])
        return super()._try_bind_socket(s, port)  # type: ignore[no-untyped-call]

    def init_heartbeat(self) -> None:
        """Start no heartbeat: the grader watches the process."""


def run(settings: dict[str, Any]) -> None:
    """Be a kernel until it is shut down."""
    sys.argv = sys.argv[:1]
    set_seeds(0)  # the same submission finds the same random numbers
    GradedKernel.bounds = Bounds(*settings["bounds"])
    GradedKernelApp.listening = settings["listening"]
    LimitedOutStream.cell_limit, LimitedOutStream.notebook_limit = settings["output"]
    torch.set_num_threads(1)
    GradedKernelApp.launch_instance(
        [f"--f={settings['connection']}", "--HistoryManager.enabled=False"],
        kernel_class=GradedKernel,
        outstream_class=f"{__name__}.LimitedOutStream",
    )


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
