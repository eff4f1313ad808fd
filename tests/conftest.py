"""Fixtures: the course itself, and small courses in temporary folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.build import build
from autograder.course import CONFIG_NAME, Course
from autograder.notebook import fill_in, read_notebook

ROOT = Path(__file__).parents[1]

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
