"""Warm kernels: a fork server behind walls, which starts a student's kernel in a moment.

To import torch takes longer than most submissions. A nursery does it once; `fork_server.py` says
what separates the kernels that are forked there from each other and from the nursery. Each worker
of the grader has a nursery, of which only one kernel is alive at a time: where workers are forked
from one process, their nurseries are twins, forked from one that has imported all.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

from autograder.limits import Limits
from autograder.sandbox import Sandbox
from autograder.watch import ENDING_SECONDS, Watch, ended

HERE = Path(__file__).parent
INSIDE = "/grader"  # where the sandbox shows what the kernel needs
START_SECONDS, FORK_SECONDS = 120, 60
# One thread each: submissions run side by side and must not fight for cores.
ENV = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
ENV |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # read by the first import


Key = tuple[Path | None, tuple[str, ...]]  # the course's data, and the modules to import


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
    """A fork server that imports modules; its kernels find the course's data in their folder.

    `process` is None for a twin: its process is the child of another one.
    """

    def __init__(self, key: Key, control: socket.socket, process: Popen[bytes] | None) -> None:
        self.key, self._control, self._process = key, control, process
        self._pidfd: int | None = None  # of the process, once it is ready

    @classmethod
    def start(cls, key: Key) -> Nursery:
        """Start a nursery in a sandbox of its own."""
        data, modules = key
        readable = {f"{INSIDE}/autograder": HERE, **({f"{INSIDE}/data": data} if data else {})}
        sandbox = Sandbox(Limits(), readable=readable, inner_walls=True)
        ours, theirs = _control_sockets()
        server = f"{INSIDE}/autograder/fork_server.py"
        argv = [sys.executable, "-P", server, str(theirs.fileno())]
        argv += [f"{INSIDE}/data" if data else "", *modules]
        with theirs:
            process = Popen(
                sandbox.command(argv, ENV),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return cls(key, ours, process)

    def twin(self) -> Nursery:
        """Have another nursery forked, which has nothing to import, for another process.

        It ends with this one. Raises NurseryError when this one is lost.
        """
        ours, theirs = _control_sockets()
        twin = Nursery(self.key, ours, None)
        with theirs:
            try:
                socket.send_fds(self._control, [b"twin"], [theirs.fileno()])
            except OSError as error:
                twin.close()
                raise NurseryError(str(error)) from error
        twin.wait()
        return twin

    def wait(self) -> None:
        """Wait until the modules are imported. Raises NurseryError."""
        if self._pidfd is not None:
            return
        try:
            self._control.settimeout(START_SECONDS)
            said, sender = _hear(self._control, 200)
            if said != b"ready":
                raise NurseryError(said.decode() or "the fork server did not start")
            self._pidfd = os.pidfd_open(sender)
        except (OSError, NurseryError) as error:
            self.close()
            raise NurseryError(str(error)) from error

    def is_alive(self) -> bool:
        """Whether the fork server is running."""
        if self._process:
            return self._process.poll() is None
        return self._pidfd is not None and not ended(self._pidfd, 0)

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
            said, sender = _hear(ours, 1)
            if not said:
                raise NurseryError("the walls could not be put up")
            return Forked(ours, sender, limits)
        except BaseException as error:
            ours.close()
            self.close()  # with whatever it has begun
            if isinstance(error, OSError | NurseryError):
                raise NurseryError(f"no kernel could be forked: {error}") from error
            raise

    def close(self) -> None:
        """End the fork server and its kernels."""
        self._control.close()
        if self._process:
            self._process.kill()
            self._process.wait()
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            ended(self._pidfd, ENDING_SECONDS)
            os.close(self._pidfd)
            self._pidfd = None


def _control_sockets() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


def _hear(connection: socket.socket, size: int) -> tuple[bytes, int]:
    """Return what comes next, and the process id, as it is known here, of who sent it."""
    room = socket.CMSG_SPACE(struct.calcsize("3i"))
    said, ancillary, _, _ = connection.recvmsg(size, room)
    return said, struct.unpack("3i", ancillary[0][2])[0] if ancillary else 0


_origin: Nursery | None = None  # of which the nurseries of forked workers are twins
_of_thread = threading.local()  # bubblewrap ends with the thread that started it


def start_origin(data: Path | None, modules: Sequence[str]) -> None:
    """Start a nursery here that is none of a thread, but has twins in processes forked later."""
    global _origin
    _origin = Nursery.start((data, tuple(modules)))


def get_nursery(data: Path | None, modules: Sequence[str]) -> Nursery:
    """Return the nursery of this thread; a new one if there is none, or none that fits."""
    key = (data, tuple(modules))
    nursery: Nursery | None = getattr(_of_thread, "nursery", None)
    if nursery is None or not nursery.is_alive() or nursery.key != key:
        drop_nursery()
        nursery = _of_thread.nursery = _new_nursery(key)
    return nursery


def _new_nursery(key: Key) -> Nursery:
    if _origin and _origin.key == key:
        with suppress(NurseryError):  # it is lost
            return _origin.twin()
    return Nursery.start(key)


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
