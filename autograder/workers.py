"""Workers, seen from the process that asks: each of its threads has one (`worker.py`).

On Linux they are forked from one process, which ends with all of them. Elsewhere a fork of a
process that has imported torch may not work: each worker is then started by itself.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryDirectory
from typing import IO, Any

from autograder.job import Executed, Job
from autograder.limits import Limits

LOST = "not graded: it ended the process of the grader"
WITH_FORK = sys.platform == "linux"


class WorkerLost(Exception):
    """A worker has ended."""


class Workers:
    """One worker for each thread that asks for something to be executed."""

    def __init__(self) -> None:
        self._of_thread = threading.local()
        self._all: set[_Worker] = set()
        self._server: _ForkServer | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def execute(self, job: Job) -> Executed | str:
        """Execute `job` in this thread's worker, once more in a new one if that is lost."""
        for _ in range(2):
            with suppress(WorkerLost):
                worker = self._worker(job.data, job.limits)
                good, value = self._execute(worker, job)
                return value if good else f"not graded: {value}"
        return LOST

    def prepare(self, data: Path | None, limits: Limits) -> None:
        """Start what takes long before the first job comes."""
        with self._lock:
            if WITH_FORK and not self._stopped:
                self._fork_server(data, limits)

    def stop(self) -> None:
        """End all workers, with what they are doing, for good."""
        with self._lock:
            self._stopped = True
            if self._server:
                self._server.stop()
            for worker in self._all:
                worker.stop()

    def close(self) -> None:
        """Leave nothing behind, once no thread uses a worker any more."""
        self.stop()
        while self._all:
            self._all.pop().close()
        if self._server:
            self._server.close()

    def _execute(self, worker: _Worker, job: Job) -> tuple[bool, Any]:
        try:
            return worker.execute(job)
        except WorkerLost:
            self._of_thread.worker = None
            with self._lock:
                self._all.discard(worker)
            worker.close()
            raise

    def _worker(self, data: Path | None, limits: Limits) -> _Worker:
        worker: _Worker | None = getattr(self._of_thread, "worker", None)
        if worker is None:
            with self._lock:
                if self._stopped:
                    raise WorkerLost
                worker = self._fork_server(data, limits).fork() if WITH_FORK else _StartedWorker()
                self._of_thread.worker = worker
                self._all.add(worker)
        return worker

    def _fork_server(self, data: Path | None, limits: Limits) -> _ForkServer:
        """Return the server that is there, also where it has prepared for something else."""
        if self._server is None or not self._server.is_alive():
            if self._server:
                self._server.close()
            self._server = _ForkServer(data, limits)
        return self._server


class _Worker:
    """A worker that is asked by `requests`; it ends when these are closed."""

    def __init__(self, requests: IO[bytes], replies: IO[bytes]) -> None:
        self._requests, self._replies = requests, replies

    def execute(self, job: Job) -> tuple[bool, Any]:
        """Return True and what became of `job`, or False and an error of ours as a text."""
        try:
            pickle.dump(job, self._requests)
            self._requests.flush()
            good, value = pickle.load(self._replies)
        except (OSError, EOFError, pickle.UnpicklingError):
            raise WorkerLost from None
        return good, value

    def stop(self) -> None:
        """End the process, also in the middle of a call; its sandbox ends with it."""

    def close(self) -> None:
        """Wait for the end of the process."""
        with suppress(BrokenPipeError):
            self._requests.close()
        self._replies.read()
        self._replies.close()


class _StartedWorker(_Worker):
    """A worker in a process of its own from the start."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True)
        self._process = _start(self._folder.name, stdin=PIPE, stdout=PIPE)
        assert self._process.stdin
        assert self._process.stdout
        super().__init__(self._process.stdin, self._process.stdout)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.stop()
        super().close()
        self._folder.cleanup()


class _ForkServer:
    """The process that forks workers; they end with it."""

    def __init__(self, data: Path | None, limits: Limits) -> None:
        self._folder = TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            self._process = _start(
                self._folder.name, str(number), stdin=DEVNULL, stdout=DEVNULL, pass_fds=[number]
            )
        self._control.send(pickle.dumps((data, limits)))

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def fork(self) -> _Worker:
        """Return a new worker, which is there as soon as all is imported. Raises WorkerLost."""
        asked, requests = os.pipe()
        replies, answered = os.pipe()
        worker = _Worker(os.fdopen(requests, "wb"), os.fdopen(replies, "rb"))
        try:
            socket.send_fds(self._control, [b"fork"], [asked, answered])
        except OSError:
            raise WorkerLost from None
        finally:
            os.close(asked)
            os.close(answered)
        return worker

    def stop(self) -> None:
        """End the process and all workers."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process and remove its files."""
        self.stop()
        self._control.close()
        self._folder.cleanup()


def _start(folder: str, *args: str, **options: Any) -> Popen[bytes]:
    return Popen(
        [sys.executable, "-P", "-m", "autograder.worker", folder, *args],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # they run side by side
        start_new_session=True,  # Ctrl-C is for the process that asks
        **options,
    )
