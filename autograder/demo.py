"""A class of demo students, made from the known answers, whose marks are known beforehand.

It shows an instructor what grading looks like, and it is a test of the whole way: from a release
through submissions good, bad and broken, to a gradebook.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from autograder.course import (
    CONFIG_NAME,
    Course,
    CourseError,
    Exercise,
    read_answers,
    read_exercises,
)
from autograder.grade import grade
from autograder.job import Result, Status
from autograder.limits import Limits
from autograder.notebook import fill_in, read_notebook
from autograder.pool import Pool

CELL_SECONDS = 10  # long enough on a busy machine; the endless loop waits for it
NOISE = """
import sys
import warnings

from tqdm import tqdm

warnings.warn("a right answer that warns")
print("a right answer that prints to stderr", file=sys.stderr)
for _ in tqdm(range(3)):
    pass
"""


@dataclass
class DemoStudent:
    """What a student hands in, and what must come of it."""

    name: str
    what: str  # for people: what is special about the submission
    status: Status
    points: float
    files: dict[str, bytes] = field(default_factory=dict)
    link: str | None = None  # instead of files: the notebook is a link to this student's

    @property
    def graded(self) -> bool:
        """Whether the submission gets points at all."""
        return self.status in ("graded", "graded in part")

    def is_due(self, result: Result) -> bool:
        """Whether `result` is what must come of the submission."""
        return (result.status, result.points) == (self.status, self.points)


def make_class(course: Course, chapter: str) -> list[DemoStudent]:
    """Return twelve students of a chapter of `course`.

    Raises CourseError when an exercise has fewer than two right answers and a wrong one.
    """
    release = read_notebook(course.root / "release" / chapter / f"{chapter}.ipynb")
    exercises = read_exercises(release)
    first, second, wrong = _choose_answers(course, chapter, exercises)
    total = sum(e.total for e in exercises)
    half = exercises[: len(exercises) // 2]
    # With one test cell, a wrong answer is worth exactly nothing, and a loop waits only once.
    single = [e for e in exercises if len(e.points) == 1] or exercises[:1]
    last, looping = exercises[-1], single[0]
    name = f"{chapter}.ipynb"

    noisy = {exercise: NOISE + code for exercise, code in second.items()}
    mixed = first | {e.name: wrong[e.name] for e in single}
    started = {e.name: first[e.name] for e in half}
    crash = first | {last.name: "import os\n\nos._exit(1)"}
    endless = first | {looping.name: f"def {looping.name}(*args):\n    while True:\n        pass"}
    renamed = {"My solution (final 2).ipynb": fill_in(release, second)}
    untested = deepcopy(release)
    untested.cells = [c for c in release.cells if not c.metadata.get("nbgrader", {}).get("grade")]

    def student(
        who: str, what: str, status: Status, points: float, code: Mapping[str, str]
    ) -> DemoStudent:
        return DemoStudent(who, what, status, points, {name: fill_in(release, code)})

    return [
        student("ada", "all right", "graded", total, first),
        student("ben", "right, with warnings", "graded", total, noisy),
        student("cleo", "some wrong", "graded", total - sum(e.total for e in single), mixed),
        student("dan", "blank", "graded", 0, {}),
        student("eva", "the first half", "graded", sum(e.total for e in half), started),
        student("fay", "a cell ends Python", "graded in part", total - last.total, crash),
        student("gil", "an endless loop", "graded", total - looping.total, endless),
        DemoStudent(
            "hal", "a truncated file", "unreadable", 0, {name: fill_in(release, {})[:5000]}
        ),
        DemoStudent("ida", "nothing", "missing", 0),
        DemoStudent("jon", "a renamed notebook", "graded", total, renamed),
        DemoStudent("kim", "blank, tests deleted", "graded", 0, {name: fill_in(untested, {})}),
        DemoStudent("lea", "a link to ada's file", "refused", 0, link="ada"),
    ]


def _choose_answers(
    course: Course, chapter: str, exercises: Sequence[Exercise]
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return two right answers and a wrong one for each exercise: exercise -> code."""
    path = course.root / "tests" / "answers" / f"{chapter}.py"
    answers = read_answers(path)
    first, second, wrong = {}, {}, {}
    for name in [exercise.name for exercise in exercises]:
        right = [a.code for a in answers if a.exercise == name and a.right]
        others = [a.code for a in answers if a.exercise == name and not a.right]
        if len(right) < 2 or not others:
            raise CourseError(f"{path} needs two right answers and a wrong one to {name}")
        first[name], second[name], wrong[name] = right[0], right[1], others[0]
    return first, second, wrong


def run_demo(
    course: Course,
    chapter: str,
    folder: Path,
    pool: Pool,
    *,
    limits: Limits,
    on_start: Callable[[int], None] = lambda total: None,
    on_result: Callable[[Result], None] = lambda result: None,
) -> list[tuple[DemoStudent, Result]]:
    """Make the demo class in the new course folder `folder`, grade it and return what came of it.

    An earlier demo in `folder` is removed; any other folder is refused with CourseError.
    """
    if folder.exists() and not (folder / "submitted" / "ada").is_dir():
        raise CourseError(f"{folder} is no earlier demo: remove it or rename it")
    students = make_class(course, chapter)
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "submitted" / "ada").mkdir(parents=True)  # what makes it a demo, should it end here
    for part in ["source", "release", "data"]:
        if (course.root / part).is_dir():
            shutil.copytree(course.root / part, folder / part)
    shutil.copy(course.root / CONFIG_NAME, folder)
    for student in students:
        handed_in = folder / "submitted" / student.name / chapter
        handed_in.mkdir(parents=True)
        for name, content in student.files.items():
            (handed_in / name).write_bytes(content)
        if student.link:
            target = folder / "submitted" / student.link / chapter / f"{chapter}.ipynb"
            (handed_in / f"{chapter}.ipynb").symlink_to(target)
    limits.cell_seconds = CELL_SECONDS
    results: dict[str, Result] = {}

    def done(result: Result) -> None:
        results[result.student] = result
        on_result(result)

    grade(Course(folder), chapter, pool, done, limits=limits, on_start=on_start)
    return [(student, results[student.name]) for student in students]
