"""Tests of the tests: grades answers whose worth is known and says where the tests are wrong.

The unsolved notebook must get no point, the reference and every right answer all points, and
every wrong answer fewer, with a message that contains the words that the author promised.
The first answers of all exercises are graded in one notebook, the second ones in another, and so
on: exercises do not depend on each other, and a kernel costs more than the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from autograder.build import load_chapter
from autograder.course import (
    Answer,
    Course,
    CourseError,
    Exercise,
    read_answers,
    read_exercises,
)
from autograder.job import Executed, Job, Verdict
from autograder.limits import Limits
from autograder.notebook import fill_in, to_bytes
from autograder.pool import Pool, map_jobs
from autograder.submission import make_template

MIN_RIGHT, MIN_WRONG = 2, 4  # answers that an exercise needs before its tests can be trusted


@dataclass
class Row:
    """What was found out about one exercise."""

    exercise: Exercise
    right: list[Answer]
    wrong: list[Answer]
    problems: list[str] = field(default_factory=list)


def verify(
    course: Course,
    chapter: str,
    pool: Pool,
    *,
    limits: Limits | None = None,
    on_start: Callable[[int], None] = lambda total: None,
    on_result: Callable[[Job, Executed | str], None] = lambda job, executed: None,
) -> list[Row]:
    """Grade all known answers of `chapter` and return a row for each exercise.

    The course's tests are right when no row has problems. `on_start` is called with the number of
    notebooks, `on_result` with each one and what became of it.

    Raises CourseError when the answers file is missing or names an exercise that does not exist,
    and SandboxError when there must be a sandbox and cannot be one.
    """
    source = load_chapter(course, chapter)
    template = make_template(source)
    answers = read_answers(course.root / "tests" / "answers" / f"{chapter}.py")
    rows = _make_rows(chapter, read_exercises(source), answers)
    notebooks = _notebooks(rows)
    reference = {cell.id: cell.source for cell in source.cells}
    submissions = {"unsolved": {}, "reference": reference, **_code(notebooks)}
    support, limits = course.support_files(chapter), limits or course.limits()
    todo = [
        Job(
            student=name,
            chapter=chapter,
            template=to_bytes(template),
            files={f"{chapter}.ipynb": fill_in(template, code)},
            support=support,
            data=course.data,
            limits=limits,
        )
        for name, code in submissions.items()
    ]
    on_start(len(todo))
    pool.prepare(course.data, limits, len(todo))
    for job, executed in map_jobs(iter(todo), pool):
        on_result(job, executed)
        name = job.student
        for row in rows:
            row.problems += _judge(row.exercise, name, notebooks.get(name, {}), executed)
    return rows


def _make_rows(chapter: str, exercises: Sequence[Exercise], answers: Sequence[Answer]) -> list[Row]:
    names = {exercise.name for exercise in exercises}
    for answer in answers:
        if answer.exercise not in names:
            raise CourseError(
                f"tests/answers/{chapter}.py answers {answer.exercise!r}, "
                f"but the exercises are {', '.join(sorted(names))}"
            )
    rows = []
    for exercise in exercises:
        mine = [answer for answer in answers if answer.exercise == exercise.name]
        row = Row(exercise, [a for a in mine if a.right], [a for a in mine if not a.right])
        if len(row.right) < MIN_RIGHT:
            row.problems.append(f"has {len(row.right)} right answers, needs {MIN_RIGHT}")
        if len(row.wrong) < MIN_WRONG:
            row.problems.append(f"has {len(row.wrong)} wrong answers, needs {MIN_WRONG}")
        rows.append(row)
    return rows


def _notebooks(rows: Sequence[Row]) -> dict[str, dict[str, Answer]]:
    """Spread the answers over notebooks: name of the notebook -> exercise -> answer."""
    notebooks = {}
    for kind in ["right", "wrong"]:
        columns = zip_longest(*(getattr(row, kind) for row in rows))
        for number, column in enumerate(columns, start=1):
            notebooks[f"{kind} {number}"] = {a.exercise: a for a in column if a is not None}
    return notebooks


def _code(notebooks: dict[str, dict[str, Answer]]) -> dict[str, dict[str, str]]:
    return {
        name: {exercise: answer.code for exercise, answer in answers.items()}
        for name, answers in notebooks.items()
    }


def _judge(
    exercise: Exercise, name: str, answers: dict[str, Answer], executed: Executed | str
) -> list[str]:
    """Return what is wrong with the tests of `exercise`, seen from one graded notebook."""
    if isinstance(executed, str) or not executed.verdicts:
        return [f"{name}: {executed if isinstance(executed, str) else executed.reason}"]
    verdicts = [executed.verdicts[grade_id] for grade_id in exercise.points]
    earned = sum(verdict.points or 0 for verdict in verdicts)
    answer = answers.get(exercise.name)
    if name == "unsolved":
        return [] if earned == 0 else [f"the unsolved notebook gets {earned:g} points"]
    if name == "reference":
        return [] if earned == exercise.total else [f"the reference fails: {_reasons(verdicts)}"]
    if answer is None:
        return []
    if answer.right:
        lost = f'the right answer "{answer.title}" fails: {_reasons(verdicts)}'
        return [] if earned == exercise.total else [lost]
    if earned == exercise.total:
        return [f'the wrong answer "{answer.title}" gets full marks']
    if answer.says not in _reasons(verdicts):
        return [
            f'the wrong answer "{answer.title}" must be told "{answer.says}", '
            f'but is told "{_reasons(verdicts)}"'
        ]
    return []


def _reasons(verdicts: Sequence[Verdict]) -> str:
    return " / ".join(verdict.reason for verdict in verdicts if verdict.reason)
