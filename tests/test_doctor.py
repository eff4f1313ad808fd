"""`autograder doctor`: what is wrong is found, and the line says what to do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from conftest import CHAPTER, RIGHT, grade_all
from test_cli import autograder

from autograder import doctor
from autograder.course import Course
from autograder.doctor import (
    find_accelerators,
    find_data,
    find_gradebook,
    find_memory,
    find_packages,
    try_grading,
)
from autograder.job import Executed, Job, Verdict
from autograder.limits import Limits
from autograder.sandbox import SandboxError

HandIn = Callable[..., Path]
GIB = 2**30
WHAT = ["Python", "packages", "memory", "accelerator", "data", "gradebook", "grading"]


class Answering:
    """A pool that has one answer to every job."""

    def __init__(self, answer: Executed | str | SandboxError) -> None:
        self.answer = answer

    def prepare(self, data: Path | None, limits: Limits) -> None:
        if isinstance(self.answer, SandboxError):
            raise self.answer

    def submit(self, job: Job) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(self.answer)
        return future


def test_a_machine_that_can_grade(small: Course) -> None:
    done = autograder(small.root, "doctor")
    assert [line.split()[0] for line in done.stdout.splitlines()] == WHAT
    assert done.returncode == 0, done.stdout
    assert "graded in the sandbox" in done.stdout.splitlines()[-1]
    assert not (small.root / "gradebook.db").exists()  # it looks, and makes nothing


def test_a_problem_is_one_line_and_exits_with_1(
    small: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "requires", lambda name: ["no-such-package>=3"])
    done = autograder(small.root, "doctor")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("packages")]
    assert "no-such-package>=3 is needed, none is installed: run `pip install" in line
    assert len(done.stdout.splitlines()) == len(WHAT)  # it goes on after a problem


def test_packages() -> None:
    assert find_packages(["nbformat>=5", 'nothing>=1; extra == "cluster"']).good
    old = find_packages(["nbformat>=99", 'h5py>=98; extra == "course"'])
    assert not old.good
    assert "nbformat>=99 is needed, 5." in old.text
    assert "h5py>=98 is needed, 3." in old.text


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    limits = Limits(memory_bytes=2 * GIB)
    assert find_memory(limits, 8 * GIB) == ("memory", True, "8.0 GiB, and a submission may use 2.0")
    assert find_memory(limits, 7 * GIB).text.endswith(
        "grade with --jobs 3 where many are that large"
    )
    few = find_memory(limits, GIB)
    assert not few.good
    assert "c.Limits.memory_bytes" in few.text


def test_data(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(Path(__file__).parents[1] / "data", folder)
    names = [path.name for path in folder.iterdir() if path.suffix not in (".md", ".py", "")]
    assert find_data(folder).text.startswith(f"{len(names)} data sets")
    (folder / "coffee.png").write_bytes(b"x")
    (folder / "rocket.jpg").unlink()
    found = find_data(folder)
    assert not found.good
    assert "coffee.png, rocket.jpg" in found.text


def test_gradebook(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    grade_all(small, CHAPTER)
    assert find_gradebook(small).text.endswith("gradebook.db: students 1, chapters 1")
    (small.root / "gradebook.db").write_bytes(b"no database at all, whatever its name says")
    found = find_gradebook(small)
    assert not found.good
    assert found.text.endswith("gradebook.db cannot be opened: file is not a database")


def test_a_gradebook_on_a_server_that_is_down(small: Course) -> None:
    pytest.importorskip("psycopg")
    with (small.root / "nbgrader_config.py").open("a") as config:
        url = "postgresql+psycopg://ann:secret@127.0.0.1:1/course"
        config.write(f"\nc.CourseDirectory.db_url = {url!r}\n")
    found = find_gradebook(small)
    assert not found.good
    assert "cannot be opened" in found.text
    assert "secret" not in found.text


def test_a_gradebook_that_is_none(small: Course) -> None:
    with (small.root / "nbgrader_config.py").open("a") as config:
        config.write('\nc.CourseDirectory.db_url = "gradebook.db"\n')
    found = find_gradebook(small)
    assert not found.good
    assert found.text.startswith("c.CourseDirectory.db_url in nbgrader_config.py: ")


def test_a_machine_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_accelerators().good
    monkeypatch.setitem(sys.modules, "torch", None)
    found = find_accelerators()
    assert not found.good
    assert found.text.startswith("torch cannot be imported: ")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (SandboxError("no walls here: do this"), "no walls here: do this"),
        ("not graded: it ended", "not graded: it ended"),
        (
            Executed("graded", verdicts={"double-values": Verdict(0, 1, "no torch")}),
            "a right answer got 0 of 1 points: no torch",
        ),
    ],
)
def test_grading_that_does_not_work(answer: Executed | str | SandboxError, text: str) -> None:
    pool: Any = Answering(answer)
    assert try_grading(pool, None, Limits()) == ("grading", False, text)
