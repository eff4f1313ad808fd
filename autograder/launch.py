"""A student's kernel, started in its sandbox, and cells run in it through nbclient."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.session import Session
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from traitlets import Int, List, Unicode

from autograder.limits import Limits
from autograder.sandbox import WORK, Sandbox, rlimits

HERE = Path(__file__).parent
INSIDE = "/grader"  # where the sandbox shows what the kernel needs
START_SECONDS = 120
MAX_HEADER_BYTES = 2**16  # of each part of a message before its content
PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "hb_port": 4, "control_port": 5}
CUT = "[more output was cut off]\n"


class Ended(Exception):
    """The kernel ended or had to be ended; the text says why."""


class _Manager(AsyncKernelManager):
    """Starts the command line that it is given."""

    argv = List(Unicode())

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(argv=self.argv, display_name="Python", language="python")


class _Session(Session):
    """Parses of a message no more than may be kept: JSON of brackets fills the memory."""

    max_content_bytes = Int(MAX_HEADER_BYTES)

    def deserialize(self, msg_list: Any, content: bool = True, copy: bool = True) -> dict[str, Any]:
        if any(len(part) > MAX_HEADER_BYTES for part in msg_list[:4]):
            raise ValueError("the header of a message is too long")
        message = super().deserialize(msg_list, content=False, copy=copy)
        packed = message["content"]
        cut = len(packed) > self.max_content_bytes
        message["content"] = {"cut": True} if cut else self.unpack(packed)
        return message


class _Client(NotebookClient):
    """Keeps of what a cell shows as much as may be kept, and lets no cell change another."""

    def __init__(self, *args: Any, limits: Limits, **options: Any) -> None:
        super().__init__(*args, **options)
        self.limits = limits
        self._kept = 0  # bytes of all cells
        self._kept_of_cell = (-1, 0)

    def process_message(self, msg: Any, cell: NotebookNode, cell_index: int) -> Any:
        content, header = msg["content"], msg["header"]
        content.pop("transient", None)  # by this, a cell could change what another one shows
        if type(content.get("execution_count", 0)) is not int:
            del content["execution_count"]
        if header["msg_type"] in ("stream", "display_data", "execute_result", "error"):
            number, kept = self._kept_of_cell
            kept = kept if number == cell_index else 0
            size = len(json.dumps(content, default=str, ensure_ascii=False))
            room = min(
                self.limits.cell_output_bytes - kept, self.limits.notebook_output_bytes - self._kept
            )
            # The kernel cuts what is printed itself, and says so: there is room for that.
            if size > room + 1000 or "cut" in content:
                if cell.outputs and cell.outputs[-1].get("text") == CUT:
                    return None
                content = {"name": "stdout", "text": CUT}
                msg = {**msg, "content": content, "msg_type": "stream"}
                msg["header"] = {**header, "msg_type": "stream"}  # nbformat reads this one
            else:
                self._kept += size
                self._kept_of_cell = (cell_index, kept + size)
        elif "cut" in content:
            return None
        return super().process_message(msg, cell, cell_index)

    def handle_comm_msg(self, outs: Any, msg: Any, cell_index: int) -> None:
        """Leave widgets out: nbclient's stand-in for them keeps all, and can wait for ever."""


class Kernel:
    """A running kernel for the cells of `notebook`. Use `start_kernel`."""

    def __init__(
        self, notebook: NotebookNode, manager: _Manager, sandbox: Sandbox | None, limits: Limits
    ) -> None:
        self.notebook, self.manager, self.sandbox, self.limits = notebook, manager, sandbox, limits
        self.cells = _Client(
            notebook,
            km=manager,
            limits=limits,
            allow_errors=True,
            startup_timeout=START_SECONDS,
            shutdown_kernel="immediate",
            record_timing=False,
        )

    @property
    def client(self) -> Any:
        """The client of the kernel's messages."""
        return self.cells.kc

    @property
    def process_id(self) -> int:
        """The process that was started: bubblewrap, or without a sandbox the kernel itself."""
        return int(getattr(self.manager.provisioner, "pid", 0))

    def run_cell(self, number: int, seconds: float) -> None:
        """Run a cell of the notebook in at most `seconds`; its outputs are then in the cell.

        Raises Ended when the kernel did not survive it.
        """
        cell = self.notebook.cells[number]
        self.cells.timeout_func = lambda cell: seconds  # type: ignore[assignment]
        replies: list[Any] = []
        self.cells.on_cell_executed = lambda cell, cell_index, execute_reply: replies.append(
            execute_reply["content"]
        )
        try:
            self.cells.execute_cell(cell, number)
        except CellTimeoutError:
            raise Ended("") from None
        except DeadKernelError:
            raise Ended(self.why_ended()) from None
        except Exception as error:  # forged or broken messages can fail in any way
            raise Ended(f"broken messages ({type(error).__name__})") from None
        shown = any(output.output_type == "error" for output in cell.outputs)
        for reply in replies:
            # A failure counts also without a traceback.
            if reply.get("status") != "ok" and not shown:
                name, text = str(reply.get("ename", "Error")), str(reply.get("evalue", ""))
                cell.outputs.append(new_output("error", ename=name, evalue=text, traceback=[text]))

    def is_alive(self) -> bool:
        """Whether the kernel is running."""
        return not (self.sandbox and self.sandbox.stopped) and self._exit_code() is None

    def why_ended(self) -> str:
        """Return why the kernel is not running any more."""
        if self.sandbox and self.sandbox.stopped:
            return self.sandbox.stopped
        code = self._exit_code()
        if code is None:
            return f"the kernel did not answer within {START_SECONDS} s"
        number = -code if code < 0 else code - 128  # bwrap reports the signal like a shell
        if number == signal.SIGXCPU:
            return f"more than {self.limits.cpu_seconds} s of processor time"
        with suppress(ValueError):
            return f"the Python process ended by {signal.Signals(number).name}"
        return "the Python process ended"

    def _exit_code(self) -> int | None:
        process = getattr(self.manager.provisioner, "process", None)
        return process.poll() if process is not None else 0


@contextmanager
def start_kernel(
    notebook: NotebookNode, folder: Path, data: Path | None, limits: Limits
) -> Iterator[Kernel]:
    """Start a kernel that sees the files in `folder`/submission, and end it with all it started.

    `folder` is private to the caller. Raises SandboxError, or Ended when the kernel does not start.
    """
    connection, files = folder / "connection.json", folder / "submission"
    readable = {
        f"{INSIDE}/autograder": HERE,
        f"{INSIDE}/connection.json": connection,
        f"{INSIDE}/submission": files,
        **({f"{WORK}/data": data} if data else {}),
    }
    sandbox = Sandbox(limits, readable=readable) if limits.sandbox else None
    ipc = os.name == "posix"
    sockets = _listen(folder / "kernel") if ipc else {}
    settings = {
        "connection": f"{INSIDE}/connection.json" if sandbox else str(connection),
        "copy": f"{INSIDE}/submission" if sandbox else "",
        "listening": {port: listener.fileno() for port, listener in sockets.items()},
        "rlimits": rlimits(limits) if sandbox else {},
        "bounds": [limits.crossing_bytes, limits.crossing_items, limits.crossing_depth],
        "output": [limits.cell_output_bytes, limits.notebook_output_bytes],
    }
    script = f"{INSIDE}/autograder/kernel.py" if sandbox else str(HERE / "kernel.py")
    argv = [sys.executable, "-P", script, json.dumps(settings)]
    # One thread each: submissions run side by side and must not fight for cores.
    env = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    context = zmq.asyncio.Context()
    # Of one part of a message. The watch of the sandbox looks at what they add up to.
    context.setsockopt(zmq.MAXMSGSIZE, limits.crossing_bytes + limits.cell_output_bytes)
    manager = _Manager(
        argv=sandbox.command(argv, env) if sandbox else argv,
        connection_file=str(connection),
        context=context,
        session=_Session(max_content_bytes=limits.cell_output_bytes + MAX_HEADER_BYTES),
        **({"transport": "ipc", "ip": str(folder / "kernel"), **PORTS} if ipc else {}),
    )
    kernel = Kernel(notebook, manager, sandbox, limits)
    try:
        kernel.cells.reset_execution_trackers()
        kernel.cells.start_new_kernel(
            cwd=str(folder if sandbox else files),
            env=env if sandbox else _clean_environment(folder, env),
            # What a cell prints is captured; what a dying kernel says is not for this terminal.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[listener.fileno() for listener in sockets.values()],
        )
        if sandbox:
            sandbox.watch(kernel.process_id)
        try:
            kernel.cells.start_new_kernel_client()
        except (RuntimeError, DeadKernelError) as error:
            raise Ended(kernel.why_ended()) from error
        yield kernel
    finally:
        if sandbox:
            sandbox.kill()
        if kernel.cells.km is not None:  # else nbclient has done it
            kernel.cells._cleanup_kernel()
        context.destroy(linger=0)
        for listener in sockets.values():
            listener.close()


def _listen(path: Path) -> dict[str, socket.socket]:
    """Return sockets that listen at `path`-1 ... `path`-5: port -> socket."""
    sockets = {}
    for port in sorted(PORTS.values()):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(f"{path}-{port}")
        listener.listen(16)
        sockets[str(port)] = listener
    return sockets


def _clean_environment(folder: Path, env: dict[str, str]) -> dict[str, str]:
    """Return an environment without the grader's own variables, for a kernel without walls."""
    kept = ["PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR"]  # without some, Windows starts nothing
    home = {"HOME": str(folder), "USERPROFILE": str(folder), "LANG": "C.UTF-8"}
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **home, **env}
