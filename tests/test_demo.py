"""The demo class gets exactly what is due; and the demo would say so if it did not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from typer.testing import CliRunner

from autograder import cli
from autograder.course import Course, CourseError
from autograder.demo import make_class, run_demo
from autograder.job import Result
from autograder.limits import Limits
from autograder.pool import LocalPool

CHAPTER = "01_tensors"


@pytest.fixture
def copy(tmp_path: Path) -> Course:
    """The course in a folder of its own, so that the demo does not write into the repository."""
    for name in ["source", "release", "data", "tests/answers"]:
        shutil.copytree(ROOT / name, tmp_path / "course" / name)
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path / "course")
    return Course(tmp_path / "course")


def test_demo_command(copy: Course) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "demo"],
        cwd=copy.root, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every student got what is due." in done.stdout
    for words in ["graded in part", "unreadable", "missing", "refused", "an endless loop"]:
        assert words in done.stdout
    speed = r"12 submissions graded in [0-9.]+ s: [0-9.]+ s for each\."
    assert re.fullmatch(speed, done.stdout.splitlines()[-1])
    assert f"\nReport: demo/reports/{CHAPTER}.html\n" in done.stdout
    assert (copy.root / "demo" / "reports" / f"{CHAPTER}.html").is_file()
    assert len(list((copy.root / "demo").glob(f"feedback/*/{CHAPTER}/{CHAPTER}.html"))) == 12
    assert (copy.root / "demo" / "gradebook.db").is_file()


def test_the_class_is_varied(course: Course) -> None:
    students = make_class(course, CHAPTER)
    assert len({student.name for student in students}) == 12
    assert {s.status for s in students} == {
        "graded", "graded in part", "unreadable", "missing", "refused",
    }  # fmt: skip
    assert len({s.points for s in students}) >= 5


def test_a_wrong_mark_is_reported(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command fails when a student did not get what is due."""
    student = make_class(course, CHAPTER)[0]
    result = Result(student.name, "graded", "", {}, 0.0)
    monkeypatch.setattr("autograder.demo.run_demo", lambda *args, **options: [(student, result)])
    monkeypatch.setattr("autograder.feedback.write_feedback", lambda *args: None)
    page = ROOT / "demo" / "report.html"
    monkeypatch.setattr("autograder.report.write_report", lambda *args: [page])
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(cli.app, ["demo"])
    assert done.exit_code == 1
    assert "1 student did not get what is due" in done.output
    right = replace(student, points=0)
    monkeypatch.setattr("autograder.demo.run_demo", lambda *args, **options: [(right, result)])
    assert CliRunner().invoke(cli.app, ["demo"]).exit_code == 0


def test_another_folder_is_never_overwritten(copy: Course) -> None:
    folder = copy.root / "demo"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with LocalPool(1) as pool, pytest.raises(CourseError, match="is no earlier demo"):
        run_demo(copy, CHAPTER, folder, pool, limits=Limits())
    assert (folder / "thesis.txt").read_text() == "years of work"
