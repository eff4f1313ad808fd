"""The command line: words and progress for people, no logic.

Exit codes: 0 done, 1 done with problems, which are listed, 2 wrong usage.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder import build as building
from autograder import demo as demonstration
from autograder import grade as grading
from autograder import verify as verifying
from autograder.course import (
    Course,
    CourseError,
    Exercise,
    find_course,
    read_exercises,
)
from autograder.limits import Limits
from autograder.notebook import read_notebook
from autograder.progress import progress, result_log
from autograder.sandbox import SandboxError

app = typer.Typer(
    help="Builds, grades and tests a course of Jupyter notebooks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
# A table in a pipe or a log is as wide as it needs to be.
console = Console(width=None if Console().is_terminal else 160)

Jobs = Annotated[
    int, typer.Option(min=1, help="How many notebooks run at once. Default: one for each core.")
]
Sandbox = Annotated[
    bool,
    typer.Option(
        " /--no-sandbox",
        help="Run submissions without walls: they can do all that you can. For trusted ones only.",
    ),
]
DEFAULT_JOBS = os.cpu_count() or 1
SLOWEST = 5  # of a class, that are named


@app.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a file is out of date.")
    ] = False,
) -> None:
    """Write all notebooks and releases from the .py files.

    Example: `autograder build --check`
    """
    course = find_course(Path.cwd())
    if check:
        stale = building.check(course)
        for line in stale:
            console.print(line, soft_wrap=True, highlight=False)
        if stale:
            raise typer.Exit(1)
        console.print("All generated files are up to date.")
        return
    changed = building.build(course)
    for path in changed:
        console.print(f"wrote {path}" if (course.root / path).exists() else f"removed {path}")
    console.print(f"{len(changed)} files changed.")


@app.command()
def grade(
    chapters: Annotated[list[str], typer.Argument(help="Chapters, like 01_tensors.")],
    jobs: Jobs = DEFAULT_JOBS,
    student: Annotated[
        list[str] | None, typer.Option(help="Only this student; can be given more than once.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Grade again what an earlier run has graded.")
    ] = False,
    sandbox: Sandbox = True,
    log: Annotated[
        Path | None, typer.Option(help="Append each result to this file, as a line of JSON.")
    ] = None,
) -> None:
    """Grade what lies in submitted/STUDENT/CHAPTER into the gradebook and autograded/.

    What an earlier run is done with is skipped, unless the submission, the chapter, data/ or a
    limit changed.

    Example: `autograder grade 01_tensors --student ada`
    """
    course = find_course(Path.cwd())
    for chapter in chapters:
        course.source_notebook(chapter)  # a misspelled chapter is found before any is graded
    problems = 0
    for chapter in chapters:
        with progress(console, f"Grading {chapter}") as (start, step), result_log(log) as write:

            def done(result: grading.Result) -> None:
                step(_failed(result))
                write(result)

            results = grading.grade(
                course,
                chapter,
                jobs=jobs,
                students=student or [],
                force=force,
                limits=_limits(course, sandbox),
                on_start=start,
                on_result=done,
            )
        console.print(_grades_table(_exercises(course, chapter), results))
        _print_summary(results)
        problems += sum(_failed(result) for result in results)
    if problems:
        raise typer.Exit(1)


@app.command()
def verify(
    chapters: Annotated[
        list[str] | None, typer.Argument(help="Chapters, like 01_tensors. Default: all.")
    ] = None,
    jobs: Jobs = DEFAULT_JOBS,
    sandbox: Sandbox = True,
) -> None:
    """Test the tests: grade answers that are known to be right or wrong.

    Example: `autograder verify 01_tensors`
    """
    course = find_course(Path.cwd())
    problems = 0
    chapters = chapters or [script.stem for script in course.exercise_scripts]
    if not chapters:
        raise CourseError(f"no chapter in {course.root / 'source'}: write one, NN_topic.py")
    for chapter in chapters:
        with progress(console, f"Verifying {chapter}") as (start, step):
            rows = verifying.verify(
                course,
                chapter,
                jobs=jobs,
                limits=_limits(course, sandbox),
                on_start=start,
                on_result=lambda job, executed: step(False),
            )
        table = Table("exercise", "points", "tests", "right", "wrong", "verdict", title=chapter)
        for row in rows:
            table.add_row(
                row.exercise.name,
                f"{row.exercise.total:g}",
                str(len(row.exercise.points)),
                str(len(row.right)),
                str(len(row.wrong)),
                "[red]problems[/]" if row.problems else "[green]ok[/]",
            )
        console.print(table)
        for row in rows:
            for problem in row.problems:
                console.print(f"{row.exercise.name}: {problem}", markup=False, soft_wrap=True)
                problems += 1
    if problems:
        raise typer.Exit(1)


@app.command()
def demo(jobs: Jobs = DEFAULT_JOBS, sandbox: Sandbox = True) -> None:
    """Grade a class of twelve demo students in the folder demo/ and compare with what is due.

    Example: `autograder demo`
    """
    course = find_course(Path.cwd())
    chapter = "01_tensors"
    folder = course.root / "demo"
    started = time.monotonic()
    with progress(console, "Grading the demo class") as (start, step):
        outcomes = demonstration.run_demo(
            course,
            chapter,
            folder,
            jobs=jobs,
            limits=_limits(course, sandbox),
            on_start=start,
            on_result=lambda result: step(_failed(result)),
        )
    fair = [student.is_due(result) for student, result in outcomes]
    expected = [
        f"[{'green' if ok else 'red'}]{f'{student.points:g}' if student.graded else '-'}[/]"
        for (student, _), ok in zip(outcomes, fair, strict=True)
    ]
    table = _grades_table(
        _exercises(course, chapter),
        [result for _, result in outcomes],
        {"expected": expected, "handed in": [student.what for student, _ in outcomes]},
    )
    console.print(table)
    console.print("The course folder of this class is demo/, with its gradebook and autograded/.")
    if not all(fair):
        for (student, _), ok in zip(outcomes, fair, strict=True):
            if not ok:
                console.print(f"{student.name}: must be {student.status}, {student.points:g}.")
        console.print(f"{_students(fair.count(False))} did not get what is due.", style="red")
        raise typer.Exit(1)
    console.print("Every student got what is due.")
    seconds, count = time.monotonic() - started, len(outcomes)
    console.print(
        f"{count} submissions in {seconds:.1f} s: {seconds / count:.2f} s for each.",
        highlight=False,
    )


def _limits(course: Course, sandbox: bool) -> Limits:
    """The limits of the course; the sandbox can be left out here, too."""
    limits = course.limits()
    limits.sandbox = limits.sandbox and sandbox
    return limits


def _students(count: int) -> str:
    return f"{count} student" + ("" if count == 1 else "s")


def _exercises(course: Course, chapter: str) -> list[Exercise]:
    return read_exercises(read_notebook(course.source_notebook(chapter)))


def _failed(result: grading.Result) -> bool:
    """Whether a person should look at this result; a missing submission is no problem."""
    return result.status not in ("graded", "missing")


def _grades_table(
    exercises: Sequence[Exercise],
    results: Sequence[grading.Result],
    more: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """One row for each student, one column for each exercise, and `more` columns at the end."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("student", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for number, exercise in enumerate(exercises, start=1):
        table.add_column(f"{number}\n/{exercise.total:g}", justify="right", no_wrap=True)
    table.add_column(f"total\n/{sum(e.total for e in exercises):g}", justify="right")
    for header in more or {}:
        table.add_column(header, justify="right" if header == "expected" else "left")
    for row, result in enumerate(results):
        table.add_row(
            escape(result.student),
            f"[{_color(result)}]{result.status or 'not graded'}[/]",
            *[_earned(result, exercise) for exercise in exercises],
            f"[bold]{result.points:g}[/]" if result.verdicts else "-",
            *[values[row] for values in (more or {}).values()],
        )
    return table


def _earned(result: grading.Result, exercise: Exercise) -> str:
    verdicts = [result.verdicts[name] for name in exercise.points if name in result.verdicts]
    if not verdicts:
        return "-"
    if any(verdict.points is None for verdict in verdicts):
        return "?"
    earned = sum(verdict.points or 0 for verdict in verdicts)
    color = "green" if earned == exercise.total else "yellow" if earned else "red"
    return f"[{color}]{earned:g}[/]"


def _color(result: grading.Result) -> str:
    return {"graded": "green", "missing": "dim"}.get(result.status or "", "yellow")


def _print_summary(results: Sequence[grading.Result]) -> None:
    """Say in words what the table cannot: why, and how many."""
    for result in results:
        if result.reason and result.status != "missing":
            console.print(
                f"{result.student}: {result.reason}", markup=False, highlight=False, soft_wrap=True
            )
    executed = [r for r in results if r.seconds and not r.skipped]
    if len(executed) > SLOWEST:
        console.print("The slowest:", highlight=False)
        for result in sorted(executed, key=lambda r: -r.seconds)[:SLOWEST]:
            why = f" ({result.reason})" if result.reason else ""
            console.print(
                f"  {result.student}: {result.seconds:.1f} s{why}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    skipped = sum(result.skipped for result in results)
    counts = Counter(result.status or "not graded" for result in results)
    words = ", ".join(f"{count} {status}" for status, count in counts.items())
    words = words or "put submissions into submitted/STUDENT/CHAPTER/"
    console.print(f"{_students(len(results))}: {words}.", highlight=False)
    if skipped:
        console.print(
            f"{skipped} were done already and have not changed; --force grades them again.",
            highlight=False,
        )


def main() -> None:
    """Entry point of the command `autograder`."""
    try:
        app()
    except (CourseError, SandboxError, OSError) as error:
        Console(stderr=True).print(
            f"autograder: {error}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        raise SystemExit(2) from None
