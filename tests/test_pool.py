"""A pool of workers: it stops at once when it is told to, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from conftest import CHAPTER, RIGHT, grade_all, wait_for

from autograder.course import Course

HandIn = Callable[..., Path]
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
    wait_for(lambda: len(list(scratch.glob("grading-*/grading-*"))) == 2)  # both at work again
    assert len(processes(scratch)) == 2
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


def test_workers_that_nobody_needs_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = "import autograder.worker as w, sys; w.IDLE_SECONDS = 0.1; w.serve(sys.argv[1])"
    worker = subprocess.Popen(
        [sys.executable, "-c", command, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with worker:
        assert worker.wait(timeout=30) == 0
