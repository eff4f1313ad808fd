"""The command line: words and progress for people, no logic.

What only one command needs is imported there: help is then shown at once, and submissions can be
executed a second earlier.

Exit codes: 0 done, 1 done with problems, which are listed, 2 wrong usage, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import atexit
import gc
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from autograder import imports
from autograder.course import (
    Course,
    CourseError,
    Exercise,
    find_course,
    read_exercises,
)
from autograder.job import Result
from autograder.limits import Limits
from autograder.notebook import read_notebook
from autograder.pool import LocalPool, Pool, PoolError
from autograder.progress import progress, result_log
from autograder.sandbox import SandboxError
from autograder.table import Grades, failed, students

if TYPE_CHECKING:
    from autograder.outcome import Outcome

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
STOPPED = 130  # 128 + SIGINT, as shells have it


@app.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a file is out of date.")
    ] = False,
) -> None:
    """Write all notebooks and releases from the .py files.

    Example: `autograder build --check`
    """
    from autograder import build as building

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
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Grade on the Dask cluster of this scheduler."),
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
    limits = _limits(course, sandbox)
    problems = done = 0
    try:
        with _pool(jobs, scheduler) as pool, result_log(log) as write:
            if not scheduler:
                pool.prepare(course.data, limits)  # it starts while this process imports
            with imports.to_stay():
                from autograder.grade import grade as grade_chapter

            for chapter in chapters:
                grades = Grades(_exercises(course, chapter))
                with progress(console, f"Grading {chapter}") as (start, step):

                    def add(result: Result, grades: Grades = grades) -> None:
                        nonlocal done
                        done += 1
                        grades.add(result)
                        write(result)
                        step(failed(result))

                    grade_chapter(
                        course, chapter, pool, add,
                        students=student or [], force=force, limits=limits, on_start=start,
                    )  # fmt: skip
                grades.show(console)
                problems += grades.failed
    except KeyboardInterrupt:
        console.print(f"Stopped. {students(done)} done, and kept: the same command goes on there.")
        raise typer.Exit(STOPPED) from None
    if problems:
        raise typer.Exit(1)


@app.command()
def verify(
    chapters: Annotated[
        list[str] | None, typer.Argument(help="Chapters, like 01_tensors. Default: all.")
    ] = None,
    mutants: Annotated[
        bool,
        typer.Option("--mutants", help="Change the solutions in many ways: tests must notice."),
    ] = False,
    repeat: Annotated[
        int,
        typer.Option(
            min=1, help="Grade what is right so often, each time with other random numbers."
        ),
    ] = 1,
    jobs: Jobs = DEFAULT_JOBS,
    sandbox: Sandbox = True,
) -> None:
    """Test the tests: grade answers that are known to be right or wrong.

    Example: `autograder verify 01_tensors --mutants --repeat 20`
    """
    from autograder import verify as verifying
    from autograder.verify_table import show_mutants, show_rows

    course = find_course(Path.cwd())
    problems = 0
    chapters = chapters or [script.stem for script in course.exercise_scripts]
    if not chapters:
        raise CourseError(f"no chapter in {course.root / 'source'}: write one, NN_topic.py")
    with LocalPool(jobs) as pool:
        for chapter in chapters:
            with progress(console, f"Verifying {chapter}") as (start, step):
                rows = verifying.verify(
                    course,
                    chapter,
                    pool,
                    limits=_limits(course, sandbox),
                    repeat=repeat,
                    on_start=start,
                    on_result=lambda job, executed: step(False),
                )
            problems += show_rows(console, chapter, rows)
            if mutants:
                with progress(console, f"Mutants of {chapter}") as (start, step):
                    found = verifying.verify_mutants(
                        course,
                        chapter,
                        pool,
                        limits=_limits(course, sandbox),
                        on_start=start,
                        on_result=lambda job, executed: step(False),
                    )
                problems += show_mutants(console, chapter, found)
    if problems:
        raise typer.Exit(1)


@app.command()
def feedback(
    chapter: Annotated[str, typer.Argument(help="A chapter, like 01_tensors.")],
    student: Annotated[
        list[str] | None, typer.Option(help="Only this student; can be given more than once.")
    ] = None,
) -> None:
    """Write a page for each student: points, and why. No hidden test is in it.

    Pages lie in feedback/STUDENT/CHAPTER/, where nbgrader release_feedback takes them from.

    Example: `autograder feedback 01_tensors`
    """
    from autograder.feedback import write_feedback

    course = find_course(Path.cwd())
    pages: list[Path] = []
    waiting: list[Outcome] = []

    def on_page(outcome: Outcome, page: Path | None) -> None:
        waiting.extend([] if page else [outcome])
        pages.extend([page] if page else [])

    write_feedback(course, chapter, student or [], on_page)
    for outcome in waiting:
        console.print(f"{outcome.student}: no page, because {outcome.reason}", markup=False)
    if pages:
        console.print(f"The first page: {pages[0].relative_to(course.root)}", soft_wrap=True)
    words = f"{len(pages)} page" + ("" if len(pages) == 1 else "s")
    console.print(f"{words} written into feedback/.", highlight=False)
    if waiting:
        console.print(f"Call autograder grade {chapter} for those without a page.", markup=False)
        raise typer.Exit(1)


@app.command()
def report(
    chapter: Annotated[str, typer.Argument(help="A chapter, like 01_tensors.")],
    csv: Annotated[
        bool, typer.Option("--csv", help="Write a table for spreadsheets, too.")
    ] = False,
) -> None:
    """Write what the class did: points, exercises that deserve a look, messages, similar answers.

    Example: `autograder report 01_tensors --csv`
    """
    from autograder.report import write_report

    course = find_course(Path.cwd())
    for path in write_report(course, chapter, csv):
        console.print(f"wrote {path.relative_to(course.root)}", highlight=False)


@app.command()
def demo(jobs: Jobs = DEFAULT_JOBS, sandbox: Sandbox = True) -> None:
    """Grade a class of twelve demo students in the folder demo/ and compare with what is due.

    Writes feedback for them, and a report, too.

    Example: `autograder demo`
    """
    course = find_course(Path.cwd())
    chapter = "01_tensors"
    folder = course.root / "demo"
    limits = _limits(course, sandbox)
    started = time.monotonic()
    with LocalPool(jobs) as pool, progress(console, "Grading the demo class") as (start, step):
        pool.prepare(course.data, limits)  # it starts while this process imports
        with imports.to_stay():
            from autograder.demo import run_demo

        outcomes = run_demo(
            course,
            chapter,
            folder,
            pool,
            limits=limits,
            on_start=start,
            on_result=lambda result: step(failed(result)),
        )
    fair = [student.is_due(result) for student, result in outcomes]
    expected = {}
    for (student, _), ok in zip(outcomes, fair, strict=True):
        points = f"{student.points:g}" if student.graded else "-"
        expected[student.name] = f"[{'green' if ok else 'red'}]{points}[/]"
    handed_in = {student.name: student.what for student, _ in outcomes}
    grades = Grades(_exercises(course, chapter), {"expected": expected, "handed in": handed_in})
    for _, result in outcomes:
        grades.add(result)
    console.print(grades.table())
    console.print("The course folder of this class is demo/, with its gradebook and autograded/.")
    if not all(fair):
        for (student, _), ok in zip(outcomes, fair, strict=True):
            if not ok:
                console.print(f"{student.name}: must be {student.status}, {student.points:g}.")
        console.print(f"{students(fair.count(False))} did not get what is due.", style="red")
        raise typer.Exit(1)
    console.print("Every student got what is due.")
    seconds, count = time.monotonic() - started, len(outcomes)
    from autograder.feedback import write_feedback
    from autograder.report import write_report

    graded = Course(folder)
    write_feedback(graded, chapter)
    (page,) = write_report(graded, chapter)
    console.print(f"Feedback for students: demo/feedback/STUDENT/{chapter}/{chapter}.html")
    console.print(f"Report: {page.relative_to(course.root)}", highlight=False)
    console.print(
        f"{count} submissions graded in {seconds:.1f} s: {seconds / count:.2f} s for each.",
        highlight=False,
    )


@app.command()
def doctor(sandbox: Sandbox = True) -> None:
    """Say what this machine can do: packages, memory, GPU, data, gradebook, sandbox.

    A small submission is graded, as a trial. Exits with 1 when something has to be put right.

    Example: `autograder doctor`
    """
    from autograder.doctor import examine

    course = find_course(Path.cwd())
    problems = 0
    with LocalPool(1) as pool:
        for what, good, text in examine(course, pool, _limits(course, sandbox)):
            console.print(f"[{'green' if good else 'red'}]{what:12}[/]", end="")
            console.print(text, markup=False, highlight=False, soft_wrap=True)
            problems += not good
    if problems:
        raise typer.Exit(1)


def _pool(jobs: int, scheduler: str | None) -> Pool:
    """Where submissions are executed. Raises PoolError."""
    if scheduler is None:
        return LocalPool(jobs)
    try:
        from autograder.cluster import ClusterPool
    except ModuleNotFoundError as error:
        raise PoolError(
            f"--scheduler: {error}; run pip install '.[cluster]' in this project"
        ) from None
    return ClusterPool(scheduler)


def _limits(course: Course, sandbox: bool) -> Limits:
    """The limits of the course; the sandbox can be left out here, too."""
    limits = course.limits()
    limits.sandbox = limits.sandbox and sandbox
    return limits


def _exercises(course: Course, chapter: str) -> list[Exercise]:
    return read_exercises(read_notebook(course.source_notebook(chapter)))


def main() -> None:
    """Entry point of the command `autograder`."""
    atexit.register(gc.freeze)  # else Python looks at every object at its end: half a second
    try:
        app()
    except (CourseError, SandboxError, PoolError, OSError) as error:
        Console(stderr=True).print(
            f"autograder: {error}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        raise SystemExit(2) from None
