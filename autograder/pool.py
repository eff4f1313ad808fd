"""Many submissions side by side: maps `execute` over jobs in processes of their own."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path

from autograder.execute import Executed, Job, execute

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

GRACE = 2  # times what a submission may use
MIN_MEMORY_BYTES = 4 * 2**30  # for the grader's own libraries, and for data on their way

# Workers share nothing with this process. Where it exists, a fork server loads the grader's
# libraries once, which takes longer than most submissions; every worker is a copy of it.
_context = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
_context.set_forkserver_preload(["autograder.execute", "autograder.preload"])


def map_jobs(jobs: Iterator[Job], processes: int) -> Iterator[tuple[Job, Executed | str]]:
    """Yield each job with its result, or with the reason why there is none, as they come.

    A submission that ends its worker process takes down those that run beside it. They are run
    again one by one, so that only the one that does it remains without a result.
    """
    lost = yield from _run_pool(jobs, processes)
    while lost:
        for job in lost:
            if (yield from _run_pool(iter([job]), 1)):
                yield job, "not graded: it ended the process of the grader"
        lost = yield from _run_pool(jobs, processes)


def _execute(job: Job) -> Executed:
    """Execute `job` in a process that ends itself before a submission makes it a burden.

    What a student's code sends is bounded, but a test of ours can take for ever with it, in one
    operation that no signal ends, and the messages of a forged kernel can fill the memory.
    """
    seconds = GRACE * (job.limits.notebook_seconds + 60)
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        if resource is not None:
            room = MIN_MEMORY_BYTES + GRACE * job.limits.memory_bytes
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (room if hard < 0 else min(room, hard), hard))
        try:
            return execute(job)
        finally:
            faulthandler.cancel_dump_traceback_later()


def _run_pool(
    jobs: Iterator[Job], processes: int
) -> Generator[tuple[Job, Executed | str], None, list[Job]]:
    """Run jobs until they end or a process dies; return those that were begun and not finished.

    Only `2 * processes` jobs are taken at once, so that a large class does not fill the memory.
    """
    begun: list[Job] = []
    running: dict[Future[Executed], Job] = {}
    executor = ProcessPoolExecutor(processes, mp_context=_context)
    try:
        while True:
            for job in islice(jobs, 2 * processes - len(running)):
                begun.append(job)
                running[executor.submit(_execute, job)] = job
            if not running:
                return []
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, error = running.pop(future), future.exception()
                if isinstance(error, BrokenProcessPool):
                    raise error
                begun.remove(job)
                yield job, f"not graded: {error!r}" if error else future.result()
    except BrokenProcessPool:
        return begun
    finally:
        executor.shutdown(cancel_futures=True)
