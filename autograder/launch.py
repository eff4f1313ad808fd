"""A student's kernel, started in its sandbox, and cells run in it through nbclient."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hmac import compare_digest
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_client.session import Session
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from traitlets import Int, List, Unicode

from autograder.channel import Channel
from autograder.connection import Connection
from autograder.crossing import Bounds
from autograder.limits import Limits
from autograder.notebook import new_error
from autograder.nursery import ENV, Forked, NurseryError, drop_nursery, get_nursery
from autograder.sandbox import rlimits

HERE = Path(__file__).parent
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


class _Provisioner(LocalProvisioner):
    """Has a kernel forked in a nursery."""

    def __init__(self, fork: Callable[[], Forked], **options: Any) -> None:
        super().__init__(**options)
        self.fork = fork

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        self.process = self.fork()  # type: ignore[assignment]
        return self.connection_info


class _Session(Session):
    """Parses of a message no more than may be kept: JSON of brackets fills the memory.

    Nor does it parse the dates, which nobody reads: that takes as long as all the rest.
    """

    max_content_bytes = Int(MAX_HEADER_BYTES)

    def deserialize(self, msg_list: Any, content: bool = True, copy: bool = True) -> dict[str, Any]:
        signature, *parts = msg_list[:5]
        if any(len(part) > MAX_HEADER_BYTES for part in parts[:3]):
            raise ValueError("the header of a message is too long")
        if not compare_digest(signature, self.sign(parts)):
            raise ValueError("a message is not signed")
        header, parent, metadata = map(self.unpack, parts[:3])
        cut = len(parts[3]) > self.max_content_bytes
        return {
            "header": header,
            "msg_id": header["msg_id"],
            "msg_type": header["msg_type"],
            "parent_header": parent,
            "metadata": metadata,
            "content": {"cut": True} if cut else self.unpack(parts[3]),
            "buffers": [memoryview(part) for part in msg_list[5:]],
        }


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
        if type(content.get("text", "")) is not str:  # nbformat takes a list, and nbgrader none
            raise TypeError("a text that is none")
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

    def __init__(self, notebook: NotebookNode, manager: _Manager, limits: Limits) -> None:
        self.notebook, self.limits = notebook, limits
        self.process: Any = None  # a Forked, or without a sandbox a subprocess.Popen
        self.connection: Connection
        self.cells = _Client(
            notebook,
            km=manager,
            limits=limits,
            allow_errors=True,
            startup_timeout=START_SECONDS,
            shutdown_kernel="immediate",
            record_timing=False,
        )

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
                cell.outputs.append(new_error(name, text))

    def is_alive(self) -> bool:
        """Whether the kernel is running."""
        return not self._stopped() and self._exit_code() is None

    def peak_memory(self) -> int:
        """Return the most bytes of memory that were seen at a time; 0 without a sandbox."""
        return self.process.watch.peak if isinstance(self.process, Forked) else 0

    def why_ended(self) -> str:
        """Return why the kernel is not running any more."""
        if self._stopped():
            return self._stopped()
        code = self._exit_code()
        if code is None:
            return f"the kernel did not answer within {START_SECONDS} s"
        number = -code if code < 0 else code - 128
        if number == signal.SIGXCPU:
            return f"more than {self.limits.cpu_seconds} s of processor time"
        with suppress(ValueError):
            return f"the Python process ended by {signal.Signals(number).name}"
        return "the Python process ended"

    def is_heard(self, seconds: float) -> bool:
        """Wait for the kernel's start; return whether its messages arrive within `seconds`.

        It is asked again and again: it does not keep messages from before a connection is up.
        """
        deadline = time.monotonic() + seconds
        iopub = self._socket("iopub")
        while self.is_alive() and time.monotonic() < deadline:
            asked = self._send("shell", "kernel_info_request")
            while iopub.poll(500):
                _, message = self._client.session.recv(iopub)
                state = message["content"].get("execution_state")
                if state == "idle" and message["parent_header"].get("msg_id") == asked:
                    return True
        return False

    def forget_messages(self) -> None:
        """Leave out what a test has made the kernel show, so that it does not pile up."""
        iopub = self._socket("iopub")
        while iopub.poll(0):
            iopub.recv_multipart()

    def interrupt(self) -> None:
        """Interrupt what the kernel is doing."""
        self._send("control", "interrupt_request")

    @property
    def _client(self) -> Any:
        return self.cells.kc

    def _send(self, channel: str, kind: str) -> str:
        message = self._client.session.send(self._socket(channel), kind, {})
        return str(message["header"]["msg_id"])

    def _socket(self, channel: str) -> zmq.Socket[bytes]:
        """The socket of a channel, for messages at once: nbclient's are for coroutines."""
        return zmq.Socket.shadow(getattr(self._client, f"{channel}_channel").socket.underlying)

    def _stopped(self) -> str:
        return self.process.watch.stopped if isinstance(self.process, Forked) else ""

    def _exit_code(self) -> int | None:
        code: int | None = self.process.poll() if self.process is not None else 0
        return code


@contextmanager
def start_kernel(
    notebook: NotebookNode,
    files: Mapping[str, bytes],
    data: Path | None,
    folder: Path,
    limits: Limits,
    seed: int = 0,
) -> Iterator[Kernel]:
    """Start a kernel with `files` and `data` in its folder, and end it with all it started.

    `folder` is private to the caller, `seed` is where random numbers begin. Raises SandboxError or
    NurseryError when there can be no kernel, and Ended when it does not start.
    """
    connection = folder / "connection.json"
    ipc = os.name == "posix"
    # The address of a socket has to be short, and the path of a folder for temporary files is not.
    way = os.open(folder, os.O_RDONLY) if Path("/proc/self/fd").is_dir() else None
    place = folder / "kernel" if way is None else Path(f"/proc/self/fd/{way}/kernel")
    sockets = _listen(place) if ipc else {}
    ours, theirs = socket.socketpair()
    handed_over = {**sockets, "tests": theirs}
    settings = {
        "connection": str(connection),
        "sockets": {name: one.fileno() for name, one in handed_over.items()},
        "bounds": limits.crossing,
        "output": [limits.cell_output_bytes, limits.notebook_output_bytes],
        "seed": seed,
    }
    context = zmq.asyncio.Context()
    # Of one part of a message. The watch of the sandbox looks at what they add up to.
    context.setsockopt(zmq.MAXMSGSIZE, limits.crossing_bytes + limits.cell_output_bytes)
    manager = _Manager(
        argv=[sys.executable, "-P", str(HERE / "kernel.py"), json.dumps(settings)],
        connection_file=str(connection),
        context=context,
        session=_Session(max_content_bytes=limits.cell_output_bytes + MAX_HEADER_BYTES),
        **({"transport": "ipc", "ip": str(place), **PORTS} if ipc else {}),
    )

    def fork() -> Forked:
        order = {**settings, "connect": connection.read_text(), "disk_bytes": limits.disk_bytes}
        order |= {"sockets": list(handed_over), "rlimits": rlimits(limits)}
        return _fork(order, files, data, list(handed_over.values()), limits)

    if limits.sandbox:
        manager.provisioner = _Provisioner(fork, parent=manager, kernel_spec=manager.kernel_spec)
    else:
        lay_out(folder / "submission", files, data)
    kernel = Kernel(notebook, manager, limits)
    try:
        kernel.cells.reset_execution_trackers()
        kernel.cells.start_new_kernel(
            cwd=str(folder / "submission"),
            env=_clean_environment(folder),
            # What a cell prints is captured; what a dying kernel says is not for this terminal.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[one.fileno() for one in handed_over.values()],
        )
        kernel.process = getattr(manager.provisioner, "process", None)
        # Not nbclient's own way, which waits 0.2 s for messages that do not come.
        kernel.cells.kc = manager.client()
        kernel.cells.kc.start_channels(hb=False)
        kernel.cells.kc.allow_stdin = False
        if not kernel.is_heard(START_SECONDS):
            raise Ended(kernel.why_ended())
        theirs.close()
        channel = Channel(ours, Bounds(*limits.crossing))
        kernel.connection = Connection(channel, kernel.is_alive, kernel.interrupt, limits)
        yield kernel
    finally:
        if isinstance(kernel.process, Forked):
            kernel.process.kill()
        kernel.cells._cleanup_kernel()
        context.destroy(linger=0)
        for one in [ours, *handed_over.values()]:
            one.close()
        if way is not None:
            os.close(way)


def _fork(
    order: dict[str, Any],
    files: Mapping[str, bytes],
    data: Path | None,
    sockets: list[socket.socket],
    limits: Limits,
) -> Forked:
    """Return a warm kernel. A nursery that fails is replaced, once."""
    for last in (False, True):
        try:
            return get_nursery(data, limits.preload).fork(order, files, sockets, limits)
        except NurseryError:
            drop_nursery()
            if last:
                raise
    raise AssertionError


def lay_out(
    folder: Path,
    files: Mapping[str, bytes],
    data: Path | None,
    show: Callable[[Path, Path], object] = shutil.copytree,
) -> None:
    """Write `files` into the new `folder`; `show` makes `data` be found beside them."""
    folder.mkdir()
    if data:
        show(data, folder / "data")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _listen(path: Path) -> dict[str, socket.socket]:
    """Return sockets that listen at `path`-1 ... `path`-5: port -> socket."""
    sockets = {}
    for port in sorted(PORTS.values()):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(f"{path}-{port}")
        listener.listen(16)
        sockets[str(port)] = listener
    return sockets


def _clean_environment(folder: Path) -> dict[str, str]:
    """Return an environment without the grader's own variables, for a kernel without walls."""
    kept = ["PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR"]  # without some, Windows starts nothing
    home = {"HOME": str(folder), "USERPROFILE": str(folder), "LANG": "C.UTF-8"}
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **home, **ENV}
