"""A class of demo students, made from the known answers, whose marks are known beforehand.

It shows an instructor what grading looks like, and it is a test of the whole way: from a release
through submissions good, bad and broken, to a gradebook.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
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
from autograder.execute import Limits, Status
from autograder.grade import Result, grade
from autograder.notebook import fill_in, read_notebook

CELL_SECONDS = 20  # long enough to import torch on a busy machine; the endless loop waits for it
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


def make_class(course: Course, chapter: str) -> Iterator[DemoStudent]:
    """Yield twelve students of a chapter of `course`."""
    release = read_notebook(course.root / "release" / chapter / f"{chapter}.ipynb")
    exercises = read_exercises(release)
    answers = read_answers(course.root / "tests" / "answers" / f"{chapter}.py")
    right: dict[str, list[str]] = {e.name: [] for e in exercises}
    wrong: dict[str, str] = {}
    for answer in answers:
        if answer.right:
            right[answer.exercise].append(answer.code)
        else:
            wrong.setdefault(answer.exercise, answer.code)
    if any(len(codes) < 2 for codes in right.values()):
        raise CourseError(f"tests/answers/{chapter}.py needs two right answers to each exercise")
    first = {name: codes[0] for name, codes in right.items()}
    second = {name: codes[1] for name, codes in right.items()}
    total = sum(e.total for e in exercises)
    # With one test cell, a wrong answer is worth exactly nothing.
    single = [e for e in exercises if len(e.points) == 1]
    half = exercises[: len(exercises) // 2]
    last = exercises[-1]
    loop = min(exercises, key=lambda e: len(e.points))
    name = f"{chapter}.ipynb"

    def total_of(some: list[Exercise]) -> float:
        return sum(e.total for e in some)

    def one(answers: dict[str, str]) -> dict[str, bytes]:
        return {name: fill_in(release, answers)}

    yield DemoStudent("ada", "all right", "graded", total, one(first))
    noisy = {exercise: NOISE + code for exercise, code in second.items()}
    yield DemoStudent("ben", "right, with warnings", "graded", total, one(noisy))
    mixed = {**first, **{e.name: wrong[e.name] for e in single}}
    yield DemoStudent("cleo", "some wrong", "graded", total - total_of(single), one(mixed))
    yield DemoStudent("dan", "blank", "graded", 0, one({}))
    some = {e.name: first[e.name] for e in half}
    yield DemoStudent("eva", "the first half", "graded", total_of(half), one(some))
    crash = {**first, last.name: "import os\n\nos._exit(1)"}
    yield DemoStudent("fay", "a cell ends Python", "graded in part", total - last.total, one(crash))
    endless = {**first, loop.name: f"def {loop.name}(*args):\n    while True:\n        pass"}
    yield DemoStudent("gil", "an endless loop", "graded in part", total - loop.total, one(endless))
    yield DemoStudent(
        "hal", "a truncated file", "unreadable", 0, {name: fill_in(release, first)[:5000]}
    )
    yield DemoStudent("ida", "nothing", "missing", 0)
    renamed = {"My solution (final 2).ipynb": fill_in(release, second)}
    yield DemoStudent("jon", "a renamed notebook", "graded", total, renamed)
    yield DemoStudent(
        "kim", "blank, tests deleted", "graded", 0, {name: _without_tests(course, chapter)}
    )
    yield DemoStudent("lea", "a link to ada's file", "refused", 0, link="ada")


def _without_tests(course: Course, chapter: str) -> bytes:
    notebook = read_notebook(course.root / "release" / chapter / f"{chapter}.ipynb")
    notebook.cells = [c for c in notebook.cells if not c.metadata.get("nbgrader", {}).get("grade")]
    return fill_in(notebook, {})


def run_demo(
    course: Course,
    chapter: str,
    folder: Path,
    *,
    jobs: int,
    on_start: Callable[[int], None] = lambda total: None,
    on_result: Callable[[Result], None] = lambda result: None,
) -> list[tuple[DemoStudent, Result]]:
    """Make the demo class in the new course folder `folder`, grade it and return what came of it.

    An earlier demo in `folder` is removed; any other folder is refused with CourseError.
    """
    if folder.exists():
        if not (folder / "submitted" / "ada").is_dir():
            raise CourseError(f"{folder} is no earlier demo: remove it or rename it")
        shutil.rmtree(folder)
    for part in ["source", "release", "data"]:
        shutil.copytree(course.root / part, folder / part)
    shutil.copy(course.root / CONFIG_NAME, folder)
    students = list(make_class(course, chapter))
    for student in students:
        handed_in = folder / "submitted" / student.name / chapter
        handed_in.mkdir(parents=True)
        for name, content in student.files.items():
            (handed_in / name).write_bytes(content)
        if student.link:
            target = folder / "submitted" / student.link / chapter / f"{chapter}.ipynb"
            (handed_in / f"{chapter}.ipynb").symlink_to(target)
    results = grade(
        Course(folder),
        chapter,
        jobs=jobs,
        limits=Limits(cell_seconds=CELL_SECONDS),
        on_start=on_start,
        on_result=on_result,
    )
    by_name = {result.student: result for result in results}
    return [(student, by_name[student.name]) for student in students]
