"""A class on a Dask cluster: a scheduler and workers as separate processes on this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import CHAPTER, RIGHT, grade_all, rows, wait_for

from autograder.course import Course
from autograder.job import Job

pytest.importorskip("distributed")
from autograder import cluster

HandIn = Callable[..., Path]
LOST = {**RIGHT, "last": "import os\nos._exit(1)"}
READS = {**RIGHT, "last": "def last(items):\n    return items[int(open('data/index.txt').read())]"}
ANSWERS = [RIGHT, READS, {}, LOST]


@contextmanager
def dask(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of Dask's; it ends with this context."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments, "--scheduler-file", "scheduler.json"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder), "DASK_TEMPORARY_DIRECTORY": str(folder)},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def scheduler(folder: Path) -> Iterator[str]:
    """Run a scheduler; yield its address."""
    command = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    with dask(folder, *command, "--no-dashboard"):
        path = folder / "scheduler.json"
        wait_for(lambda: path.exists() and path.read_text())
        yield json.loads(path.read_text())["address"]


def worker(folder: Path) -> contextmanager:
    """Run a worker with the process that watches over it, as Dask does by default."""
    return dask(folder, "distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard")


def grade_there(course: Course, address: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "autograder", "grade", CHAPTER, "--scheduler", address],
        cwd=course.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def records(course: Course) -> list[Path]:
    return list(course.root.glob("autograded/*/*/grading.json"))


def test_a_worker_that_is_lost_loses_nothing(
    small: Course, hand_in: HandIn, tmp_path: Path
) -> None:
    """One of two workers is killed in the middle: the gradebook is that of a local run."""
    (small.root / "data").mkdir()
    (small.root / "data" / "index.txt").write_text("-1")
    for number in range(16):
        hand_in(f"student{number:02}", ANSWERS[number % 4])
    shutil.copytree(small.root, tmp_path / "local")
    folder = tmp_path / "cluster"
    folder.mkdir()
    with ExitStack() as stack:
        address = stack.enter_context(scheduler(folder))
        first, _ = [stack.enter_context(worker(folder)) for _ in range(2)]
        run = grade_there(small, address)
        wait_for(lambda: len(records(small)) >= 3 or run.poll() is not None, seconds=120)
        os.killpg(first.pid, signal.SIGKILL)
        left = 16 - len(records(small))
        said, _ = run.communicate(timeout=240)
        assert left >= 4, "the worker was killed too late"
        assert run.returncode == 1, said  # some of the class are graded in part
        assert "4 graded in part" in said, said
        # A second submission, on the worker that is left, to which the data go once more.
        again = hand_in("student02", READS)
        shutil.copy(again, tmp_path / "local" / again.relative_to(small.root))
        said, _ = grade_there(small, address).communicate(timeout=240)
        assert "15 were done already" in said, said
        # The data of the course are gone from it then.
        assert len(list(folder.rglob("index.txt"))) <= 1
    local = Course(tmp_path / "local")
    grade_all(local)
    assert rows(small) == rows(local)
    assert all(result.skipped for result in grade_all(small).values())


def test_a_scheduler_that_is_lost_is_said_and_what_is_done_is_kept(
    small: Course, hand_in: HandIn, tmp_path: Path
) -> None:
    for number in range(8):
        hand_in(f"student{number}", RIGHT)
    with ExitStack() as stack:
        address = stack.enter_context(scheduler(tmp_path))
        stack.enter_context(worker(tmp_path))
        run = grade_there(small, address)
        wait_for(lambda: len(records(small)) >= 2 or run.poll() is not None, seconds=120)
        stack.pop_all().close()  # both end
        done = len(records(small))
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 2, said
    assert said.splitlines()[-1].startswith("autograder: the cluster is lost, what is done is kept")
    assert "Traceback" not in said
    results = grade_all(small)
    assert sum(result.skipped for result in results.values()) >= done
    assert {result.points for result in results.values()} == {5}


def test_a_worker_that_comes_late_with_another_version_grades_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = SimpleNamespace(address="tcp://late", local_directory="/nowhere")
    monkeypatch.setattr(cluster, "get_worker", lambda: late)
    said = cluster._execute(Job("ada", CHAPTER, b"", {}), "", "0.0")
    here = version("autograder")
    assert said == f"not graded: tcp://late has version {here} of this project, not 0.0"


def test_what_a_cluster_lacks_is_said_in_one_line(small: Course, tmp_path: Path) -> None:
    run = grade_there(small, "tcp://127.0.0.1:9")
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 2
    assert said.startswith("autograder: no Dask scheduler answers at tcp://127.0.0.1:9")
    assert len(said.splitlines()) == 1
