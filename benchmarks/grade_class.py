"""How long grading a class takes: nbgrader's autograde and ours, side by side.

usage: python benchmarks/grade_class.py [STUDENTS]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from autograder.course import CONFIG_NAME, read_answers
from autograder.notebook import fill_in, read_notebook

ROOT = Path(__file__).parents[1]
CHAPTER = "01_tensors"


def make_class(root: Path, students: int) -> None:
    """Make a course folder in which everybody handed in right answers."""
    for folder in ["source", "release", "data"]:
        shutil.copytree(ROOT / folder, root / folder)
    shutil.copy(ROOT / CONFIG_NAME, root)
    answers = read_answers(ROOT / "tests" / "answers" / f"{CHAPTER}.py")
    right = {answer.exercise: answer.code for answer in answers if answer.right}
    notebook = fill_in(read_notebook(root / "release" / CHAPTER / f"{CHAPTER}.ipynb"), right)
    for number in range(students):
        folder = root / "submitted" / f"student{number:04}" / CHAPTER
        folder.mkdir(parents=True)
        (folder / f"{CHAPTER}.ipynb").write_bytes(notebook)


def measure(students: int, command: list[str]) -> float:
    """Return the seconds for grading a fresh class with a command."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "course"
        make_class(root, students)
        # nbgrader in its own way: in this course, its autograde would call our grader.
        config = root / CONFIG_NAME
        lines = config.read_text().splitlines(keepends=True)
        config.write_text("".join(line for line in lines if "pre_convert_hook" not in line))
        run = {"cwd": root, "check": True, "capture_output": True}
        release = ["nbgrader", "generate_assignment", CHAPTER, "--force"]
        subprocess.run([sys.executable, "-m", *release], **run)
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", *command], **run)
        return time.perf_counter() - started


def main() -> None:
    """Measure each way once and print the table."""
    students = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    cores = os.cpu_count() or 1
    ways = {
        "nbgrader autograde": ["nbgrader", "autograde", CHAPTER],
        "autograder grade --jobs 1": ["autograder", "grade", CHAPTER, "--jobs", "1"],
        f"autograder grade --jobs {cores}": ["autograder", "grade", CHAPTER, "--jobs", str(cores)],
    }
    seconds = {name: measure(students, command) for name, command in ways.items()}
    slowest = seconds["nbgrader autograde"]
    table = Table("", "seconds", "per submission", "nbgrader / this", title=f"{students} students")
    for name, took in seconds.items():
        table.add_row(name, f"{took:.1f}", f"{took / students:.2f}", f"{slowest / took:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
