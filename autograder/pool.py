"""Many submissions side by side: each thread of a pool has a process of its own that executes them.

A submission that ends this process takes no other with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import Self

from autograder.job import Executed, Job
from autograder.limits import Limits
from autograder.sandbox import require_sandbox
from autograder.workers import Workers

CLUSTER_LOST = "the cluster is lost, what is done is kept: start it again, then the same command"


class PoolError(Exception):
    """Nothing can be executed in a pool; the text says what to do."""


class Pool(ABC):
    """Where submissions are executed: in a context, which ends all that is still running."""

    @abstractmethod
    def prepare(self, data: Path | None, limits: Limits) -> None:
        """Start what takes long: soon there will be jobs with these settings.

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

    def prepare(self, data: Path | None, limits: Limits) -> None:
        if limits.sandbox:
            require_sandbox()
        self._workers.prepare(data, limits)

    def submit(self, job: Job) -> Future[Executed | str]:
        return self._threads.submit(self._workers.execute, job)

    def at_once(self) -> int:
        return 2 * self._processes

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._workers.stop()
        self._threads.shutdown()
        self._workers.close()
