"""A process in which submissions are executed, one after the other, apart from the one that asks.

`pool.py` starts it and sends it calls. Whatever a submission does to this process costs no other
submission. It ends with the process that asks, and by itself when nothing is asked for long.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import pickle
import shutil
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

from autograder.job import Executed, Job
from autograder.limits import Limits
from autograder.nursery import drop_nursery, get_nursery

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

IDLE_SECONDS = 60
GRACE = 2  # times what a submission may use
MIN_MEMORY_BYTES = 4 * 2**30  # for the grader's own libraries, and for data on their way


def prepare(data: Path | None, limits: Limits) -> None:
    """Start what takes long before the first submission comes."""
    if limits.sandbox:
        get_nursery(data, limits.preload)  # it imports while this process does
    _import_grader()


@cache  # a second time, what is frozen would be garbage of submissions
def _import_grader() -> None:
    gc.disable()  # all of this stays: nobody need look, now or later, for what is not used
    import autograder.execute  # noqa: F401

    gc.freeze()
    gc.enable()


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


def serve(folder: str) -> None:
    """Answer the calls that come by standard input; all temporary files lie in `folder`."""
    tempfile.tempdir = folder
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)  # what a test prints is no reply
    calls: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_receive, args=(requests, calls, folder), daemon=True).start()
    good = True
    with suppress(Empty):
        while good:  # after a failure of our own, who knows what works
            function, arguments = calls.get(timeout=IDLE_SECONDS)
            try:
                reply = (True, function(*arguments))
            except Exception as error:
                good, reply = False, (False, repr(error))
            pickle.dump(reply, replies)
            replies.flush()
    drop_nursery()
    shutil.rmtree(folder, ignore_errors=True)


def _receive(requests: BinaryIO, calls: SimpleQueue[Any], folder: str) -> None:
    """Put what is asked for into `calls`. Who asks can end at any moment, and this one then too."""
    with suppress(EOFError, pickle.UnpicklingError):
        while True:
            calls.put(pickle.load(requests))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
