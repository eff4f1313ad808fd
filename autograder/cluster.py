"""A class on a Dask cluster: notebooks and files travel as bytes, and results come back.

The machines of the cluster need this package and a sandbox, but no shared disk and no gradebook.
Dask does the submissions of a machine that is lost again on another one. As on a single machine,
each thread has a process of its own in which submissions are executed (`workers.py`).
"""

from __future__ import annotations

import logging
import shutil
import uuid
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from distributed import Client, Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from autograder.course import read_files
from autograder.job import Executed, Job
from autograder.limits import Limits
from autograder.pool import CLUSTER_LOST, Pool, PoolError
from autograder.sandbox import SandboxError, require_sandbox
from autograder.workers import Workers

VERSION = version("autograder")
CONNECT_SECONDS, WORKER_SECONDS = 10, 60
MIN_AT_ONCE = 8  # so that a cluster that grows with its work sees that there is some
_workers = Workers()  # of a process of the cluster


class ClusterPool(Pool):
    """A pool on the Dask cluster whose scheduler listens at `address`. Raises PoolError."""

    def __init__(self, address: str) -> None:
        self._address = address
        for name in [name for name in logging.root.manager.loggerDict if "distributed" in name]:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are said here, in one line
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise PoolError(f"no Dask scheduler answers at {address}: {error}") from None
        self._executor = self._client.get_executor(pure=False)
        self._data = ""  # the name of the folder that all workers have

    def prepare(self, data: Path | None, limits: Limits) -> None:
        try:
            self._client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError:
            raise PoolError(f"the cluster at {self._address} has no worker: start some") from None
        answers = self._client.run(_describe, limits.sandbox, on_error="return")
        for worker, answer in answers.items():
            if answer != VERSION:
                raise PoolError(f"the worker {worker} cannot grade: {_why(answer)}")
        self._forget_data()
        if data:
            self._data = f"autograder-{uuid.uuid4().hex}"
            self._client.register_plugin(_Data(self._data, read_files(data)), name=self._data)

    def submit(self, job: Job) -> Future[Executed | str]:
        future: Future[Executed | str] = self._executor.submit(
            _execute, replace(job, data=None), self._data, VERSION
        )
        return future

    def at_once(self) -> int:
        try:
            threads: int = sum(self._client.nthreads().values())
        except OSError:
            raise PoolError(CLUSTER_LOST) from None
        return max(2 * threads, MIN_AT_ONCE)

    def close(self) -> None:
        with suppress(OSError):  # the cluster is lost
            self._executor.shutdown(wait=False)  # what has begun may end, and nobody waits
            self._forget_data()
            self._client.close()

    def _forget_data(self) -> None:
        if self._data:
            self._client.unregister_worker_plugin(self._data)
            self._data = ""


class _Data(WorkerPlugin):
    """Gives every worker, also one that comes later, the files of the course's data/."""

    def __init__(self, name: str, files: dict[str, bytes]) -> None:
        self._name, self._files = name, files

    def setup(self, worker: Worker) -> None:
        for name, content in self._files.items():
            path = Path(worker.local_directory, self._name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def teardown(self, worker: Worker) -> None:
        shutil.rmtree(Path(worker.local_directory, self._name), ignore_errors=True)


def _describe(sandbox: bool) -> str:
    """Return the version of this package on a worker. Raises SandboxError."""
    if sandbox:
        require_sandbox()
    return VERSION


def _why(answer: Any) -> str:
    if isinstance(answer, ModuleNotFoundError):
        return f"{answer}; install this project there"
    if isinstance(answer, SandboxError):
        return str(answer)
    return f"it has version {answer} of this project, and here is {VERSION}"


def _execute(job: Job, data: str, expected: str) -> Executed | str:
    """Execute `job` on a worker that has this version, with the data of that name."""
    worker = get_worker()
    if expected != VERSION:  # it came after the others were asked
        return f"not graded: {worker.address} has version {VERSION} of this project, not {expected}"
    if data:
        job = replace(job, data=Path(worker.local_directory, data))
    return _workers.execute(job)
