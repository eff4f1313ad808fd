"""A pool of workers: it stops at once when it is told to, and leaves nothing behind."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from conftest import CHAPTER, RIGHT, grade_all, wait_for
from nbformat.v4 import new_notebook

from autograder.course import Course
from autograder.job import Job
from autograder.limits import Limits
from autograder.notebook import to_bytes
from autograder.workers import Workers

HandIn = Callable[..., Path]
JOB = Job("ada", "x", to_bytes(new_notebook()), {}, limits=Limits(sandbox=False))  # done at once
SLOW = {**RIGHT, "last": "import time\ntime.sleep(60)"}


def start(course: Course, folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start to grade a class, with temporary files in `folder`."""
    return subprocess.Popen(
        [sys.executable, "-m", "autograder", "grade", CHAPTER, *options],
        cwd=course.root, env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def processes(folder: Path) -> list[psutil.Process]:
    """The processes of the run whose temporary files are in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_keeps_what_is_done_and_leaves_nothing_running(
    small: Course, hand_in: HandIn, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C reaches the whole group of processes; a signal by its id only the first one."""
    hand_in("ada", RIGHT)
    hand_in("ben", SLOW)
    hand_in("cleo", SLOW)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    log = tmp_path / "log"
    run = start(small, scratch, "--jobs", "2", "--log", str(log))
    wait_for(lambda: log.exists() and log.read_text())  # ada is done
    wait_for(lambda: len(list(scratch.glob("grading-*/*/grading-*"))) == 2)  # both at work again
    assert len(processes(scratch)) == 3  # two workers, and the process that forked them
    started = time.monotonic()
    if number == signal.SIGINT:
        os.killpg(run.pid, number)
    else:
        run.send_signal(number)
    said, _ = run.communicate(timeout=20)
    wait_for(lambda: not processes(scratch), seconds=5)
    assert time.monotonic() - started < 5
    if number == signal.SIGINT:
        assert run.returncode == 130
        assert "Stopped. 1 student done, and kept: the same command goes on there." in said
        assert "Traceback" not in said
    wait_for(lambda: not list(scratch.iterdir()), seconds=5)
    for student in ["ben", "cleo"]:
        hand_in(student, RIGHT)
    again = grade_all(small)
    assert {name for name, result in again.items() if result.skipped} == {"ada"}
    assert {result.points for result in again.values()} == {5}


def test_workers_that_nobody_needs_end(tmp_path: Path) -> None:
    """The memory of an idle machine is for others: the one who forks them ends with the last."""
    quick = "import autograder.worker as w; w.IDLE_SECONDS = 0.1; w.main()"
    alone = subprocess.Popen(
        [sys.executable, "-c", quick, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with alone:
        assert alone.wait(timeout=30) == 0
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asked, requests = os.pipe()
    replies, answered = os.pipe()
    with control, theirs, os.fdopen(requests, "wb"), os.fdopen(replies, "rb") as answers:
        control.send(pickle.dumps((None, Limits(sandbox=False))))
        socket.send_fds(control, [b"fork"], [asked, answered])
        server = subprocess.Popen(
            [sys.executable, "-c", quick, str(tmp_path), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
        )
        os.close(asked)
        os.close(answered)
        assert answers.read() == b""  # the worker has ended, without a word
        assert server.wait(timeout=30) == 0


@pytest.fixture
def few() -> Iterator[Workers]:
    found = Workers()
    yield found
    found.close()


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_a_worker_that_is_lost_is_replaced(few: Workers) -> None:
    before = children()
    few.prepare(None, JOB.limits)
    assert few.execute(JOB).status == "missing"
    server, worker = [process for process in children() if process not in before]
    worker.kill()
    assert few.execute(JOB).status == "missing"
    now = [process for process in children() if process not in before]
    assert now[0] == server
    assert now[1] != worker
    server.kill()
    wait_for(lambda: not now[1].is_running())  # all its workers end with it
    assert few.execute(JOB).status == "missing"
    few.close()
    assert children() == before


def test_where_no_fork_can_be_trusted_each_worker_is_started(
    few: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autograder.workers.WITH_FORK", False)
    before = children()
    few.prepare(None, JOB.limits)
    assert children() == before
    with ThreadPoolExecutor(2) as threads:
        executed = threads.map(few.execute, [JOB, JOB])
    assert [one.status for one in executed] == ["missing", "missing"]
    few.close()
    assert children() == before
