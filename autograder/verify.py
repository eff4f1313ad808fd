"""Tests of the tests: grades answers whose worth is known and says where the tests are wrong.

`verify`: the unsolved notebook must get no point, the reference and every right answer all points,
whatever the random numbers, and every wrong answer fewer, with a message that contains the words
that the author promised.

`verify_mutants`: a test must fail for each mutant of a reference (`mutants.py`), except for those
that do what the reference does, which the author has marked as equivalent.

The first answers of all exercises are graded in one notebook, the second ones in another, and so
on: exercises do not depend on each other, and a kernel costs more than the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import zip_longest

from autograder.build import load_chapter, make_template
from autograder.course import (
    Answer,
    Course,
    CourseError,
    Equivalent,
    Exercise,
    read_answers,
    read_equivalents,
    read_exercises,
)
from autograder.job import NOT_RUN, STOPPED, Executed, Job, Verdict
from autograder.limits import Limits
from autograder.mutants import Mutant, is_covered, mutate, read_diff
from autograder.notebook import fill_in, to_bytes
from autograder.pool import Pool, map_jobs

MIN_RIGHT, MIN_WRONG = 2, 4  # answers that an exercise needs before its tests can be trusted
MIN_KILLED = 0.95  # of a chapter's mutants that are not marked as equivalent
# A mutant that takes longer than this, and than so many times the whole reference, hangs.
MUTANT_SECONDS, SLOWER = 5, 3


@dataclass
class Row:
    """What was found out about one exercise."""

    exercise: Exercise
    right: list[Answer]
    wrong: list[Answer]
    problems: list[str] = field(default_factory=list)


@dataclass
class MutantRow:
    """What became of the mutants of one exercise."""

    exercise: Exercise
    mutants: list[Mutant]
    marks: dict[str, str]  # diff of an equivalent mutant, or of many -> reason
    survivors: list[Mutant] = field(default_factory=list)  # that are not marked
    equivalent: list[Mutant] = field(default_factory=list)  # survivors that are marked
    problems: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        """How many lost a point."""
        return len(self.mutants) - len(self.equivalent) - len(self.survivors)


def share_killed(rows: Sequence[MutantRow]) -> float:
    """Return which part of the mutants was killed, of those that are not marked."""
    killed, survivors = sum(row.killed for row in rows), sum(len(row.survivors) for row in rows)
    return killed / (killed + survivors) if killed + survivors else 1.0


_Pairs = list[tuple[MutantRow, Mutant]]


class _Chapter:
    """A chapter as it is graded here."""

    def __init__(self, course: Course, name: str) -> None:
        source = load_chapter(course, name)
        self.course, self.name = course, name
        self.exercises = read_exercises(source)
        self.answers = course.root / "tests" / "answers" / f"{name}.py"
        self.reference = {cell.id: cell.source for cell in source.cells}
        self._template = make_template(source)
        self._support = course.support_files(name)

    def job(self, name: str, code: Mapping[str, str], limits: Limits, seed: int = 0) -> Job:
        """Return the job to grade a notebook with `code` in its cells."""
        return Job(
            student=name,
            chapter=self.name,
            template=to_bytes(self._template),
            files={f"{self.name}.ipynb": fill_in(self._template, code)},
            support=self._support,
            data=self.course.data,
            limits=limits,
            seed=seed,
        )

    def check_name(self, exercise: str) -> None:
        """Raise CourseError for an answer to an exercise that does not exist."""
        names = sorted(exercise.name for exercise in self.exercises)
        if exercise not in names:
            raise CourseError(
                f"tests/answers/{self.name}.py answers {exercise!r}, "
                f"but the exercises are {', '.join(names)}"
            )


def verify(
    course: Course,
    chapter: str,
    pool: Pool,
    *,
    limits: Limits | None = None,
    repeat: int = 1,
    on_start: Callable[[int], None] = lambda total: None,
    on_result: Callable[[Job, Executed | str], None] = lambda job, executed: None,
) -> list[Row]:
    """Grade all known answers of `chapter` and return a row for each exercise.

    The course's tests are right when no row has problems. What is right is graded `repeat` times,
    each time with other random numbers. `on_start` is called with the number of notebooks,
    `on_result` with each one and what became of it.

    Raises CourseError when the answers file is missing or names an exercise that does not exist,
    and SandboxError when there must be a sandbox and cannot be one.
    """
    known = _Chapter(course, chapter)
    rows = _make_rows(known, read_answers(known.answers))
    notebooks = _notebooks(rows)
    submissions = {"unsolved": {}, "reference": known.reference, **_code(notebooks)}
    limits = limits or course.limits()
    runs = {name: repeat if name.startswith(("reference", "right")) else 1 for name in submissions}
    todo = [
        known.job(name, code, limits, seed)
        for name, code in submissions.items()
        for seed in range(runs[name])
    ]
    on_start(len(todo))
    pool.prepare(course.data, limits)
    found: dict[tuple[int, str], list[str]] = {}  # row, notebook -> problem of each run
    for job, executed in map_jobs(iter(todo), pool):
        on_result(job, executed)
        name = job.student
        for number, row in enumerate(rows):
            problems = _judge(row.exercise, name, notebooks.get(name, {}), executed)
            found.setdefault((number, name), []).extend(problems)
    for (number, name), problems in found.items():
        count = f" (in {len(problems)} of {runs[name]} runs)" if runs[name] > 1 else ""
        rows[number].problems += [f"{problem}{count}" for problem in problems[:1]]
    return rows


def verify_mutants(
    course: Course,
    chapter: str,
    pool: Pool,
    *,
    limits: Limits | None = None,
    on_start: Callable[[int], None] = lambda total: None,
    on_result: Callable[[Job, Executed | str], None] = lambda job, executed: None,
) -> list[MutantRow]:
    """Grade the mutants of all reference solutions and return a row for each exercise.

    Problems are marks that are stale and mutants that cannot be graded; survivors are no problem
    as long as they are few. A mutant that shares a notebook with others is graded again on its
    own where it is not certain which of them stopped it.

    Raises CourseError and SandboxError as `verify` does.
    """
    known = _Chapter(course, chapter)
    marks = read_equivalents(known.answers)
    for mark in marks:
        known.check_name(mark.exercise)
    rows = [_make_mutant_row(known, exercise, marks) for exercise in known.exercises]
    columns = zip_longest(*([(row, mutant) for mutant in row.mutants] for row in rows))
    notebooks = [[pair for pair in column if pair is not None] for column in columns]
    limits = limits or course.limits()
    on_start(1 + len(notebooks))
    pool.prepare(course.data, limits)
    (reference,) = map_jobs(iter([known.job("reference", known.reference, limits)]), pool)
    on_result(*reference)
    fails = [_judge(row.exercise, "reference", {}, reference[1]) for row in rows]
    if any(fails) or isinstance(reference[1], str):
        for row, problems in zip(rows, fails, strict=True):
            row.problems += problems
        return rows
    short = copy(limits)
    seconds = max(MUTANT_SECONDS, SLOWER * reference[1].seconds)
    short.cell_seconds = min(limits.cell_seconds, seconds)  # no call runs longer, either
    uncertain = _grade_mutants(known, notebooks, pool, short, on_result)
    if uncertain:
        on_start(1 + len(notebooks) + len(uncertain))
        _grade_mutants(known, [[pair] for pair in uncertain], pool, short, on_result)
    for row in rows:
        row.survivors.sort(key=row.mutants.index)
        row.problems += _stale_marks(row)
    return rows


def _grade_mutants(
    known: _Chapter,
    notebooks: Sequence[_Pairs],
    pool: Pool,
    limits: Limits,
    on_result: Callable[[Job, Executed | str], None],
) -> _Pairs:
    """Grade notebooks and take note of each mutant; return those whose fate is uncertain."""
    pairs_of = {f"mutants {number}": pairs for number, pairs in enumerate(notebooks, start=1)}
    todo = (
        known.job(name, {row.exercise.name: mutant.code for row, mutant in pairs}, limits)
        for name, pairs in pairs_of.items()
    )
    uncertain = []
    for job, executed in map_jobs(todo, pool):
        on_result(job, executed)
        pairs = pairs_of[job.student]
        uncertain += [
            (row, mutant)
            for row, mutant in pairs
            if not _judge_mutant(row, mutant, executed, alone=len(pairs) == 1)
        ]
    return uncertain


def _make_rows(known: _Chapter, answers: Sequence[Answer]) -> list[Row]:
    for answer in answers:
        known.check_name(answer.exercise)
    rows = []
    for exercise in known.exercises:
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


def _make_mutant_row(known: _Chapter, exercise: Exercise, marks: Sequence[Equivalent]) -> MutantRow:
    try:
        mutants = mutate(known.reference[exercise.name])
    except SyntaxError as error:
        raise CourseError(f"the reference of {exercise.name} is no plain Python: {error}") from None
    mine = {read_diff(m.comment): m.reason for m in marks if m.exercise == exercise.name}
    return MutantRow(exercise, mutants, mine)


def _stale_marks(row: MutantRow) -> list[str]:
    """Return what is wrong with the marks of an exercise, once its mutants are graded."""
    problems = []
    for diff, reason in row.marks.items():
        if any(is_covered(mutant.diff, diff) for mutant in row.equivalent):
            continue
        known = any(is_covered(mutant.diff, diff) for mutant in row.mutants)
        fault = "loses points in a test" if known else "does not exist"
        problems.append(
            f'the mutant marked as equivalent, "{reason}", {fault}: remove the mark, '
            "or copy another diff"
        )
    return problems


def _judge_mutant(row: MutantRow, mutant: Mutant, executed: Executed | str, *, alone: bool) -> bool:
    """Take note of what became of a mutant, if that is certain; return whether it is."""
    if isinstance(executed, str) or not executed.verdicts:
        if alone:
            why = executed if isinstance(executed, str) else executed.reason
            row.problems.append(f"a mutant cannot be graded, {why}: {mutant.diff}")
        return alone
    verdicts = [executed.verdicts[grade_id] for grade_id in row.exercise.points]
    lost = [verdict for verdict in verdicts if (verdict.points or 0) < verdict.max_points]
    stopped = [verdict for verdict in lost if verdict.reason.startswith((STOPPED, NOT_RUN))]
    if lost and lost == stopped and not alone:
        return False
    if not lost:
        marked = any(is_covered(mutant.diff, diff) for diff in row.marks)
        (row.equivalent if marked else row.survivors).append(mutant)
    return True


def _reasons(verdicts: Sequence[Verdict]) -> str:
    return " / ".join(verdict.reason for verdict in verdicts if verdict.reason)
