"""Warm kernels: a fork server behind walls, which starts a student's kernel in a moment.

To import torch takes longer than most submissions. A nursery does it once for each worker of the
grader; `fork_server.py` says what separates the kernels that are forked there from each other and
from the nursery. Only one kernel of a nursery is alive at a time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from autograder.limits import Limits
from autograder.sandbox import Sandbox
from autograder.watch import Watch, ended

HERE = Path(__file__).parent
INSIDE = "/grader"  # where the sandbox shows what the kernel needs
START_SECONDS, FORK_SECONDS = 120, 60
# One thread each: submissions run side by side and must not fight for cores.
ENV = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
ENV |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # read by the first import


class NurseryError(Exception):
    """The nursery did not start, or is lost."""


class Forked:
    """A kernel in its own walls, with the methods of `subprocess.Popen` that jupyter_client uses.

    `pid` is that of the first process behind them: with it all others end.
    """

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket, pid: int, limits: Limits) -> None:
        self.pid, self.watch = pid, Watch(pid, limits)
        self._connection = connection
        self._pidfd = os.pidfd_open(pid)
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return None while the kernel runs, then its exit code: 128 + n for signal n."""
        if self._code is None and ended(self._pidfd, 0):
            os.close(self._pidfd)
            self._code = 128 + signal.SIGKILL  # where nobody is left to tell
            self._connection.setblocking(False)
            with self._connection, suppress(OSError, IndexError):
                self._code = self._connection.recv(1)[0]
        return self._code

    def wait(self) -> int | None:
        """Return the exit code of a kernel that has ended."""
        return self.poll()

    def kill(self) -> None:
        """End the kernel and all that it has started."""
        self.watch.kill()

    def send_signal(self, number: int) -> None:
        """End the kernel by SIGKILL or SIGTERM; it is interrupted by messages."""
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.kill()

    terminate = kill


class Nursery:
    """A fork server that imports `modules`; its kernels find `data` in their folder."""

    def __init__(self, data: Path | None, modules: Sequence[str]) -> None:
        self.key = (data, tuple(modules))
        readable = {f"{INSIDE}/autograder": HERE, **({f"{INSIDE}/data": data} if data else {})}
        sandbox = Sandbox(Limits(), readable=readable, inner_walls=True)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        server = f"{INSIDE}/autograder/fork_server.py"
        argv = [sys.executable, "-P", server, str(theirs.fileno())]
        argv += [f"{INSIDE}/data" if data else "", *modules]
        with theirs:
            self._process = subprocess.Popen(
                sandbox.command(argv, ENV),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._is_ready = False

    def wait(self) -> None:
        """Wait until the modules are imported. Raises NurseryError."""
        if self._is_ready:
            return
        try:
            self._control.settimeout(START_SECONDS)
            said = self._control.recv(200)
            if said != b"ready":
                raise NurseryError(said.decode() or "the fork server did not start")
        except (OSError, NurseryError) as error:
            self.close()
            raise NurseryError(str(error)) from error
        self._is_ready = True

    def is_alive(self) -> bool:
        """Whether the fork server is running."""
        return self._process.poll() is None

    def fork(
        self,
        settings: Mapping[str, Any],
        files: Mapping[str, bytes],
        sockets: Iterable[socket.socket],
        limits: Limits,
    ) -> Forked:
        """Fork a kernel with `files` in its folder. Raises NurseryError."""
        self.wait()
        sizes = [(name, len(content)) for name, content in files.items()]
        head = json.dumps({**settings, "files": sizes}).encode()
        ours, theirs = socket.socketpair()
        try:
            ours.settimeout(FORK_SECONDS)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            with theirs:
                descriptors = [theirs.fileno(), *(one.fileno() for one in sockets)]
                socket.send_fds(self._control, [b"fork"], descriptors)
            ours.sendall(len(head).to_bytes(8, "big") + head)
            for content in files.values():
                ours.sendall(content)
            return Forked(ours, _sender(ours), limits)
        except BaseException as error:
            ours.close()
            self.close()  # with whatever it has begun
            if isinstance(error, OSError | NurseryError):
                raise NurseryError(f"no kernel could be forked: {error}") from error
            raise

    def close(self) -> None:
        """End the fork server and its kernels."""
        self._control.close()
        self._process.kill()
        self._process.wait()


def _sender(connection: socket.socket) -> int:
    """Return the process id, as it is known here, of who sends the next byte."""
    size = socket.CMSG_SPACE(struct.calcsize("3i"))
    text, ancillary, _, _ = connection.recvmsg(1, size)
    if not text or not ancillary:
        raise NurseryError("the walls could not be put up")
    return int(struct.unpack("3i", ancillary[0][2])[0])


_of_thread = threading.local()  # bubblewrap ends with the thread that started it


def get_nursery(data: Path | None, modules: Sequence[str]) -> Nursery:
    """Return the nursery of this thread; a new one if there is none, or none that fits."""
    nursery: Nursery | None = getattr(_of_thread, "nursery", None)
    if nursery is None or not nursery.is_alive() or nursery.key != (data, tuple(modules)):
        drop_nursery()
        nursery = _of_thread.nursery = Nursery(data, modules)
    return nursery


def nursery_is_lost() -> bool:
    """Whether the nursery of this thread has died."""
    nursery: Nursery | None = getattr(_of_thread, "nursery", None)
    return nursery is not None and not nursery.is_alive()


def drop_nursery() -> None:
    """End the nursery of this thread: the next kernel comes from a new one."""
    nursery: Nursery | None = getattr(_of_thread, "nursery", None)
    _of_thread.nursery = None
    if nursery is not None:
        nursery.close()
