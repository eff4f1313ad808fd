"""Many submissions side by side: each thread of a pool has a process of its own that executes them.

A submission that ends this process takes no other with it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from autograder.job import Executed, Job
from autograder.limits import Limits
from autograder.sandbox import require_sandbox
from autograder.worker import execute_here, prepare

LOST = "not graded: it ended the process of the grader"
CLUSTER_LOST = "the cluster is lost, what is done is kept: start it again, then the same command"


class PoolError(Exception):
    """Nothing can be executed in a pool; the text says what to do."""


class Pool(ABC):
    """Where submissions are executed: in a context, which ends all that is still running."""

    @abstractmethod
    def prepare(self, data: Path | None, limits: Limits, count: int) -> None:
        """Start what takes long: soon there will be `count` jobs with these settings.

        Raises SandboxError when there must be a sandbox and cannot be one.
        """

    @abstractmethod
    def submit(self, job: Job) -> Future[Executed | str]:
        """Execute `job` some time; the result is a text when there is none, and says why."""

    @abstractmethod
    def at_once(self) -> int:
        """How many jobs it takes to keep all busy; more would only fill the memory."""

    @abstractmethod
    def close(self) -> None:
        """End all that is still running."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def map_jobs(jobs: Iterator[Job], pool: Pool) -> Iterator[tuple[Job, Executed | str]]:
    """Yield each job with its result, or with the reason why there is none, as they come.

    Raises PoolError when the whole pool is lost.
    """
    running: dict[Future[Executed | str], Job] = {}
    while True:
        for job in islice(jobs, max(0, pool.at_once() - len(running))):
            running[pool.submit(job)] = job
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            job = running.pop(future)
            if future.cancelled():
                raise PoolError(CLUSTER_LOST)
            error = future.exception()
            yield job, f"not graded: {error!r}" if error else future.result()


class LocalPool(Pool):
    """A pool of `processes` processes on this machine."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._workers = Workers()
        self._threads = ThreadPoolExecutor(processes)

    def prepare(self, data: Path | None, limits: Limits, count: int) -> None:
        if limits.sandbox:
            require_sandbox()
        for _ in range(min(count, self._processes)):
            self._threads.submit(self._workers.prepare, data, limits)

    def submit(self, job: Job) -> Future[Executed | str]:
        return self._threads.submit(self._workers.execute, job)

    def at_once(self) -> int:
        return 2 * self._processes

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._workers.stop()
        self._threads.shutdown()
        self._workers.close()


class WorkerLost(Exception):
    """A worker has ended."""


class Workers:
    """One worker for each thread that asks for something to be executed."""

    def __init__(self) -> None:
        self._of_thread = threading.local()
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def execute(self, job: Job) -> Executed | str:
        """Execute `job` in this thread's worker, once more in a new one if that is lost."""
        for _ in range(2):
            with suppress(WorkerLost):
                good, value = self._call(execute_here, job)
                return value if good else f"not graded: {value}"
        return LOST

    def prepare(self, data: Path | None, limits: Limits) -> None:
        """Start this thread's worker, and in it what takes long."""
        with suppress(WorkerLost):  # then the first job starts another
            self._call(prepare, data, limits)

    def stop(self) -> None:
        """End all workers, with what they are doing, for good."""
        with self._lock:
            self._stopped = True
            for worker in self._all:
                worker.stop()

    def close(self) -> None:
        """Leave nothing behind, once no thread uses a worker any more."""
        self.stop()
        for worker in self._all:
            worker.close()

    def _call(self, function: Callable[..., Any], *arguments: object) -> tuple[bool, Any]:
        worker = self._worker()
        try:
            return worker.call(function, arguments)
        except WorkerLost:
            self._of_thread.worker = None
            with self._lock:
                self._all.discard(worker)
            worker.close()
            raise

    def _worker(self) -> _Worker:
        worker: _Worker | None = getattr(self._of_thread, "worker", None)
        if worker is None:
            with self._lock:
                if self._stopped:
                    raise WorkerLost
                worker = self._of_thread.worker = _Worker()
                self._all.add(worker)
        return worker


class _Worker:
    """The process of `worker.py`, seen from the one that asks."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "autograder.worker", self._folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self._folder.name,
            env={**os.environ, "OMP_NUM_THREADS": "1"},  # they run side by side
            start_new_session=True,  # Ctrl-C is for the process that asks
        )
        assert self._process.stdin
        assert self._process.stdout
        self._requests, self._replies = self._process.stdin, self._process.stdout

    def call(self, function: Callable[..., Any], arguments: object) -> tuple[bool, Any]:
        """Return True and what `function` returned, or False and its error as a text."""
        try:
            pickle.dump((function, arguments), self._requests)
            self._requests.flush()
            good, value = pickle.load(self._replies)
        except (OSError, EOFError, pickle.UnpicklingError):
            raise WorkerLost from None
        return good, value

    def stop(self) -> None:
        """End the process; its sandbox ends with it."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process and remove its files."""
        self.stop()
        with suppress(BrokenPipeError):
            self._requests.close()
        self._replies.close()
        self._folder.cleanup()
