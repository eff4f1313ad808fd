"""A process in which submissions are executed, one after the other, apart from the one that asks.

`workers.py` starts it and sends it calls. Whatever a submission does to this process costs no other
submission. It ends with the process that asks, and by itself when nothing is asked for long.

On Linux, workers are forked from one process that has imported what they need: they start in a
moment and share its memory.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import pickle
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO, NoReturn

from autograder import imports
from autograder.job import Executed, Job
from autograder.nursery import drop_nursery, start_origin

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

IDLE_SECONDS = 60
MAX_SETTINGS_BYTES = 2**16
PR_SET_PDEATHSIG = 1  # from prctl.h of Linux
GRACE = 2  # times what a submission may use
MIN_MEMORY_BYTES = 4 * 2**30  # for the grader's own libraries, and for data on their way


def execute_here(job: Job) -> Executed:
    """Execute `job` in a process that ends itself before a submission makes it a burden.

    What a student's code sends is bounded, but a test of ours can take for ever with it, in one
    operation that no signal ends, and the messages of a forged kernel can fill the memory.
    """
    # Not above: the process that asks has no use for torch.
    from autograder.execute import execute

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


def fork_workers(folder: str, control: socket.socket) -> None:
    """Import what takes long, then fork a worker for each order, with files in `folder`.

    It ends when the process that orders has ended, or when no worker is left, with all workers.
    """
    data, limits = pickle.loads(control.recv(MAX_SETTINGS_BYTES))
    if limits.sandbox:
        start_origin(data, limits.preload)  # it imports while this process does
    with imports.to_stay():
        import autograder.execute  # noqa: F401

    workers: set[int] = set()
    while True:
        asked = select.select([control], [], [], IDLE_SECONDS)[0]
        if asked:
            order, pipes, _, _ = socket.recv_fds(control, 10, 2)
            if not order:
                break
            worker = os.fork()
            if not worker:
                control.close()
                _be_forked(folder, pipes)
            workers.add(worker)
            for pipe in pipes:
                os.close(pipe)
        workers = {number for number in workers if os.waitpid(number, os.WNOHANG) == (0, 0)}
        if not asked and not workers:
            break
    for number in workers:
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)
    shutil.rmtree(folder, ignore_errors=True)


def _be_forked(folder: str, pipes: list[int]) -> NoReturn:
    """Be a worker with these pipes; nothing of the process that forked it goes on in it."""
    try:
        # Else it could go on, where the process before it is killed.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        requests, replies = pipes
        serve(os.fdopen(requests, "rb"), os.fdopen(replies, "wb"), tempfile.mkdtemp(dir=folder))
    finally:
        os._exit(1)


def serve(requests: BinaryIO, replies: BinaryIO, folder: str) -> None:
    """Execute the jobs that come; all temporary files lie in `folder`."""
    tempfile.tempdir = folder
    os.chdir(folder)
    jobs: SimpleQueue[Job] = SimpleQueue()
    threading.Thread(target=_receive, args=(requests, jobs, folder), daemon=True).start()
    good = True
    with suppress(Empty):
        while good:  # after a failure of our own, who knows what works
            job = jobs.get(timeout=IDLE_SECONDS)
            reply: tuple[bool, Any]
            try:
                reply = (True, execute_here(job))
            except Exception as error:
                good, reply = False, (False, repr(error))
            pickle.dump(reply, replies)
            replies.flush()
    drop_nursery()
    shutil.rmtree(folder, ignore_errors=True)


def _receive(requests: BinaryIO, jobs: SimpleQueue[Job], folder: str) -> None:
    """Put what comes into `jobs`. Who asks can end at any moment, and this one then too."""
    with suppress(EOFError, pickle.UnpicklingError):
        while True:
            jobs.put(pickle.load(requests))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def main() -> None:
    """Be a worker that is asked by standard input, or fork workers: `worker.py FOLDER [SOCKET]`."""
    folder, *control = sys.argv[1:]
    if control:
        fork_workers(folder, socket.socket(fileno=int(control[0])))
        return
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)  # what a test prints is no reply
    serve(requests, replies, folder)


if __name__ == "__main__":
    main()
