"""Grades for Canvas and Moodle: their columns, no zero for who has no points, no formula."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CHAPTER, RIGHT, grade_all
from nbgrader.api import Gradebook

from autograder.course import Course

HandIn = Callable[..., Path]


@pytest.fixture
def graded(small: Course, hand_in: HandIn) -> Course:
    """A class with points, a late one, a missing one, and names that are formulas."""
    with (small.root / "nbgrader_config.py").open("a") as config:
        config.write("\nc.LateSubmissionPlugin.penalty_method = 'zero'\n")
    with Gradebook(f"sqlite:///{small.root / 'gradebook.db'}") as gradebook:
        gradebook.add_assignment(CHAPTER, duedate="2026-03-01 11:00:00 UTC")
        gradebook.add_student(
            "ada", last_name="Lovelace", first_name="Ada", email="ada@b.c", lms_user_id="77"
        )
        gradebook.add_student("ben", last_name="=1+1", first_name="-2")
        gradebook.add_student("dan")
    hand_in("ada", RIGHT)
    late = hand_in("ben", {**RIGHT, "last": "def last(items):\n    return items[0]"})
    late.with_name("timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
    hand_in("@cleo", b"broken")
    grade_all(small)
    return small


def export(course: Course, exporter: str, *options: str) -> list[list[str]]:
    """Call nbgrader export as people do; return the rows of its file."""
    nbgrader = Path(sys.executable).with_name("nbgrader")
    name = f"--exporter=autograder.export.{exporter}"
    done = subprocess.run(
        [nbgrader, "export", name, "--to=out.csv", *options],
        cwd=course.root, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (course.root / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_canvas(graded: Course) -> None:
    head, possible, *rows = export(graded, "CanvasExporter")
    # What Canvas's importer asks of a header: these columns, and Section as the last one of them.
    assert head[:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert head[5:] == [CHAPTER, f"{CHAPTER} status", f"{CHAPTER} late penalty"]
    assert "Points Possible" in possible[0]
    assert possible[5:] == ["5.0", "(read only)", "(read only)"]
    assert rows == [
        ["'@cleo", "", "", "'@cleo", "", "", "unreadable", ""],
        ["Lovelace, Ada", "77", "", "ada", "", "5.0", "graded", "0.0"],
        ["'=1+1, -2", "", "", "ben", "", "0.0", "graded", "3.0"],
        ["dan", "", "", "dan", "", "", "missing", ""],
    ]


def test_moodle(graded: Course) -> None:
    head, *rows = export(graded, "MoodleExporter", "--student=['ada', 'ben', 'dan']")
    assert head[:5] == ["Username", "ID number", "First name", "Last name", "Email address"]
    assert rows == [
        ["ada", "77", "Ada", "Lovelace", "ada@b.c", "5.0", "graded", "0.0"],
        ["ben", "", "'-2", "'=1+1", "", "0.0", "graded", "3.0"],
        ["dan", "", "", "", "", "-", "missing", ""],
    ]


def test_points_that_wait_for_a_person_say_so(graded: Course) -> None:
    from autograder.export import _status
    from autograder.outcome import Mark, Outcome

    assert _status(Outcome("ada", "graded", tests={"a": Mark(None, 1)})) == (
        "graded, waits for a person"
    )
    assert _status(Outcome("ada", None)) == "not graded"
