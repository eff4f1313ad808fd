"""The command line: exit codes, and errors that are one line saying what to do."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest
from conftest import CHAPTER, RIGHT, local_pool

from autograder import cli
from autograder.course import Course


def autograder(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this process: with the workers of all tests, it starts at once."""
    out, err = io.StringIO(), io.StringIO()
    command = ["autograder", *arguments]
    with (
        patch.object(sys, "argv", command),
        patch.object(cli, "LocalPool", lambda jobs: nullcontext(local_pool())),
        chdir(folder), redirect_stdout(out), redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):  # fmt: skip
        cli.main()
    return subprocess.CompletedProcess(
        command, int(ended.value.code or 0), out.getvalue(), err.getvalue()
    )


def test_the_command_is_a_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "build"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "change into the course folder first" in done.stderr


@pytest.mark.parametrize(
    "command", ["build", "grade", "verify", "demo", "feedback", "report", "doctor"]
)
def test_every_command_has_an_example(tmp_path: Path, command: str) -> None:
    done = autograder(tmp_path, command, "--help")
    assert done.returncode == 0
    assert f"autograder {command}" in done.stdout.split("Example:")[1]


def test_outside_a_course_one_line_says_what_to_do(tmp_path: Path) -> None:
    done = autograder(tmp_path, "build")
    assert done.returncode == 2
    assert done.stderr.startswith("autograder: no nbgrader_config.py in ")
    assert done.stderr.endswith("change into the course folder first\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["grade"], ["grade", "01_small", "--jobs", "0"], ["paint"]])
def test_wrong_usage_is_2(small: Course, arguments: list[str]) -> None:
    assert autograder(small.root, *arguments).returncode == 2


def test_unknown_chapter(small: Course) -> None:
    done = autograder(small.root, "grade", "07_llm")
    assert done.returncode == 2
    assert "no chapter '07_llm'" in done.stderr
    assert CHAPTER in done.stderr


def test_build_check(small: Course) -> None:
    assert autograder(small.root, "build", "--check").returncode == 0
    path = small.root / "source" / CHAPTER / f"{CHAPTER}.ipynb"
    path.write_text(path.read_text().replace("Twice", "Thrice"))
    done = autograder(small.root, "build", "--check")
    assert done.returncode == 1
    assert f"edit source/{CHAPTER}.py" in done.stdout
    assert autograder(small.root, "build").returncode == 0
    assert autograder(small.root, "build", "--check").returncode == 0


def test_grade_prints_a_table(small: Course, hand_in: Callable[..., Path]) -> None:
    hand_in("ada", RIGHT)
    hand_in("[bold]ben", {})
    done = autograder(small.root, "grade", CHAPTER)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}
    assert rows["ada"] == ["graded", "3", "2", "5"]
    assert rows["[bold]ben"] == ["graded", "0", "0", "0"]
    assert "2 students: 2 graded." in done.stdout
    assert "2 were done already" in autograder(small.root, "grade", CHAPTER).stdout
    assert "done already" not in autograder(small.root, "grade", CHAPTER, "--force").stdout


def test_the_log_has_a_line_for_each_and_the_slowest_are_named(
    small: Course, hand_in: Callable[..., Path]
) -> None:
    for number in range(6):
        hand_in(f"student{number}", RIGHT)
    hand_in("slow", {**RIGHT, "last": "import os, time\ntime.sleep(2)\nos._exit(1)"})
    done = autograder(small.root, "grade", CHAPTER, "--log", "log.jsonl")
    lines = [json.loads(line) for line in (small.root / "log.jsonl").read_text().splitlines()]
    assert sorted(line["student"] for line in lines) == ["slow", *(f"student{n}" for n in range(6))]
    by_name = {line["student"]: line for line in lines}
    assert (by_name["student0"]["status"], by_name["student0"]["points"]) == ("graded", 5)
    assert (
        by_name["slow"]["reason"]
        == "stopped: the Python process ended in cell last under '2. Last'"
    )
    shown = done.stdout.split("The slowest:\n")[1].splitlines()[:5]
    assert shown[0].startswith("  slow: ")
    assert shown[0].endswith(f" s ({by_name['slow']['reason']})")
    assert all(line.startswith("  student") for line in shown[1:])
    autograder(small.root, "grade", CHAPTER, "--log", "log.jsonl")
    assert len((small.root / "log.jsonl").read_text().splitlines()) == 14
    refused = autograder(small.root, "grade", CHAPTER, "--log", "no/log.jsonl")
    assert refused.returncode == 2
    assert "no/log.jsonl" in refused.stderr


def test_problems_are_listed_and_exit_with_1(small: Course, hand_in: Callable[..., Path]) -> None:
    hand_in("ada", b"broken")
    done = autograder(small.root, "grade", CHAPTER)
    assert done.returncode == 1
    assert f"ada: {CHAPTER}.ipynb is not a notebook: its JSON is broken or cut off" in done.stdout
    assert "1 unreadable" in done.stdout


def test_verify_exits_with_2_without_answers(small: Course) -> None:
    done = autograder(small.root, "verify")
    assert done.returncode == 2
    assert "is missing: it holds right and wrong answers" in done.stderr


def test_what_is_imported_to_stay_is_not_searched_and_all_else_is() -> None:
    """Python's search for what is not used any more goes on afterwards, also after a failure."""
    code = """
import gc
from autograder import imports
before = gc.get_freeze_count()
try:
    with imports.to_stay():
        print(gc.isenabled())
        import no_such_module
except ImportError:
    print(gc.isenabled(), gc.get_freeze_count() > before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]
