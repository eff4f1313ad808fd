"""Fixtures: the course itself, and small courses in temporary folders."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook

from autograder.build import build
from autograder.course import CONFIG_NAME, Course
from autograder.grade import grade
from autograder.job import Result
from autograder.notebook import fill_in, read_notebook
from autograder.pool import LocalPool

ROOT = Path(__file__).parents[1]
os.environ["OMP_NUM_THREADS"] = "1"  # tests run side by side and must not fight for cores
# nbgrader sets up a new gradebook by running `alembic`, which it finds by its name.
os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])

# A chapter without torch, so that its kernels start quickly.
SMALL = """\
# %% [markdown]
# # Small
#
# Run the next cell first.

# %% nbgrader={"grade_id": "setup", "locked": true}
def check(got, want):
    assert got == want, f"got {got}, expected {want}"

# %% [markdown]
# ## 1. Twice

# %% nbgrader={"grade_id": "twice", "solution": true}
def twice(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% nbgrader={"grade_id": "twice-small", "grade": true, "points": 1}
check(twice(1), 2)
### BEGIN HIDDEN TESTS
check(twice(21), 42)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "twice-negative", "grade": true, "points": 2}
check(twice(-3), -6)

# %% [markdown]
# ## 2. Last

# %% nbgrader={"grade_id": "last", "solution": true}
def last(items):
    ### BEGIN SOLUTION
    return items[-1]
    ### END SOLUTION

# %% nbgrader={"grade_id": "last-values", "grade": true, "points": 2}
check(last([1, 2]), 2)
### BEGIN HIDDEN TESTS
check(last("abc"), "c")
### END HIDDEN TESTS
"""
RIGHT = {
    "twice": "def twice(x):\n    return x + x",
    "last": "def last(items):\n    return items[len(items) - 1]",
}
CHAPTER = "01_small"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, the chapter that trains: at the end, a core would wait."""
    items.sort(key=lambda item: "06_cifar10_cnn" not in item.name)


@cache
def local_pool() -> LocalPool:
    """Workers for all tests of this process, because they take seconds to start."""
    pool = LocalPool(2)
    atexit.register(pool.close)
    return pool


def grade_all(course: Course, chapter: str = CHAPTER, **options: Any) -> dict[str, Result]:
    """Grade a chapter of a course; return the results by student."""
    results: dict[str, Result] = {}
    add = lambda result: results.setdefault(result.student, result)  # noqa: E731
    grade(course, chapter, local_pool(), add, **options)
    return results


def record(course: Course, student: str) -> Path:
    """The file that says that a submission is done."""
    return course.root / "autograded" / student / CHAPTER / "grading.json"


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Return as soon as `condition` holds, which must be within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it has not come true within {seconds} s"
        time.sleep(0.01)


def rows(course: Course, chapter: str = CHAPTER, db_url: str = "") -> dict[str, Any]:
    """All that the gradebook says of students and their submissions, without random ids."""
    found: dict[str, Any] = {}
    with Gradebook(db_url or f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        found["students"] = sorted(student.id for student in gradebook.students)
        for submission in gradebook.assignment_submissions(chapter):
            penalty = submission.late_submission_penalty
            who = submission.student.id
            found[who] = (submission.score, str(submission.timestamp), penalty)
            for notebook in submission.notebooks:
                for one in notebook.grades:
                    found[f"{who} {notebook.name} {one.name}"] = (
                        one.score, one.max_score, one.auto_score, one.manual_score,
                        one.extra_credit, one.needs_manual_grade,
                    )  # fmt: skip
                for one in notebook.comments:
                    found[f"{who} {notebook.name} comment {one.name}"] = (
                        one.comment, one.auto_comment, one.manual_comment,
                    )  # fmt: skip
    return found


def browse(text: str, folder: Path) -> str:
    """Open a page in headless Chromium; return what became of it, as HTML."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    chromium = chromium or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium, to see what runs in a page: apt-get install chromium")
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000"]
    done = subprocess.run(
        [chromium, *options, f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "</html>" in done.stdout, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="session")
def course() -> Course:
    """The course of this repository. Tests only read it."""
    return Course(ROOT)


@pytest.fixture(scope="session")
def built_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a course of one small chapter, built once."""
    root = tmp_path_factory.mktemp("small")
    for folder in ["notebooks", "source", "submitted"]:
        (root / folder).mkdir()
    shutil.copy(ROOT / CONFIG_NAME, root)
    (root / "source" / f"{CHAPTER}.py").write_text(SMALL, encoding="utf-8")
    build(Course(root))
    return root


@pytest.fixture
def small(built_small: Path, tmp_path: Path) -> Course:
    """A course of one small chapter, built, in a folder of its own."""
    shutil.copytree(built_small, tmp_path / "course")
    return Course(tmp_path / "course")


@pytest.fixture
def hand_in(small: Course) -> Callable[..., Path]:
    """A function that hands in a student's notebook: answers by exercise, or bytes."""

    def write(student: str, content: dict[str, str] | bytes, name: str = CHAPTER) -> Path:
        if isinstance(content, dict):
            release = read_notebook(small.root / "release" / CHAPTER / f"{CHAPTER}.ipynb")
            content = fill_in(release, content)
        path = small.root / "submitted" / student / CHAPTER / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return write
