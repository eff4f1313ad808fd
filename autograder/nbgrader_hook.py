"""Makes nbgrader's commands and formgrader's buttons do what `autograder` does.

nbgrader_config.py asks for it with `c.Autograde.pre_convert_hook =
"autograder.nbgrader_hook.grade_instead"`, and for feedback with `c.GenerateFeedback` and
`feedback_instead`. nbgrader imports that name each time it makes such a converter, and only then,
so the setting costs nothing elsewhere. Where this package is not installed, nbgrader refuses
rather than run submissions, or show hidden tests, in its own way.

All that nbgrader would do with a submission before a hook is called, opening it first of all, is
left out: importing this module replaces `start` of both, for converters with that setting.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from nbgrader.converters import Autograde, BaseConverter, GenerateFeedback, NbGraderException
from nbgrader.coursedir import CourseDirectory

from autograder.course import CONFIG_NAME, Course, CourseError
from autograder.feedback import write_feedback
from autograder.grade import grade
from autograder.job import NOT_GRADED, Result
from autograder.outcome import Outcome
from autograder.pool import LocalPool
from autograder.sandbox import SandboxError


def grade_instead(**_: Any) -> None:
    """Mark a converter as ours; there is nothing to do before a conversion that does not come."""


def feedback_instead(**_: Any) -> None:
    """Mark a converter as ours, like `grade_instead`."""


def start(converter: Autograde) -> None:
    """Grade what `converter` was asked for, as `autograder grade` does; log what became of it.

    Raises NbGraderException, as nbgrader does, when a submission that was asked for has no grade.
    """
    if converter.pre_convert_hook is not grade_instead:
        BaseConverter.start(converter)
        return
    folders: CourseDirectory = converter.coursedir
    students = [] if folders.student_id == "*" else [folders.student_id]
    failed: list[str] = []

    def on_result(result: Result) -> None:
        level = logging.INFO
        if result.status == "graded in part" or (result.status == "missing" and not students):
            level = logging.WARNING
        elif result.status != "graded":
            level = logging.ERROR
            failed.append(result.student)
        converter.log.log(level, "%s", _sentence(result))

    try:
        course = Course(Path(folders.root))
        _check(converter, course)
        with LocalPool(os.cpu_count() or 1) as pool:
            grade(
                course,
                folders.assignment_id,
                pool,
                on_result,
                students=students,
                force=converter.force,
                on_start=lambda total: converter.log.info("Students to grade: %d", total),
            )
    except (CourseError, SandboxError) as error:
        converter.log.error("%s", error)
        raise NbGraderException(str(error)) from error
    if failed:
        text = f"no grade for {', '.join(sorted(failed))}: the log says why"
        converter.log.error("%s", text)
        raise NbGraderException(text)


def start_feedback(converter: GenerateFeedback) -> None:
    """Write the pages that `converter` was asked for, as `autograder feedback` does.

    Raises NbGraderException when a submission has none, because it is not graded yet.
    """
    if converter.pre_convert_hook is not feedback_instead:
        BaseConverter.start(converter)
        return
    folders: CourseDirectory = converter.coursedir
    students = [] if folders.student_id == "*" else [folders.student_id]
    without: list[str] = []

    def on_page(outcome: Outcome, page: Path | None) -> None:
        if page is None:
            without.append(outcome.student)
            converter.log.error("%s: no feedback, because %s", outcome.student, outcome.reason)
        else:
            converter.log.info("%s: %s", outcome.student, page)

    try:
        course = Course(Path(folders.root))
        _check(converter, course)
        write_feedback(course, folders.assignment_id, students, on_page)
    except CourseError as error:
        converter.log.error("%s", error)
        raise NbGraderException(str(error)) from error
    if without:
        text = f"no feedback for {', '.join(sorted(without))}: grade first"
        converter.log.error("%s", text)
        raise NbGraderException(text)


def _sentence(result: Result) -> str:
    text = f"{result.student}: {result.status or NOT_GRADED}"
    if result.verdicts:
        text += f", {result.points:g} points"
    if result.skipped:
        text += ", done already and not changed"
    return f"{text}: {result.reason}" if result.reason else text


def _check(converter: BaseConverter, course: Course) -> None:
    """Raise CourseError when nbgrader was asked for what is not done here."""
    asked: CourseDirectory = converter.coursedir
    if not converter.config.Execute.get("enabled", True):
        raise CourseError("a submission is always executed: leave out --no-execute")
    if asked.notebook_id not in ("*", asked.assignment_id):
        raise CourseError("a chapter has one notebook: leave out --notebook")
    ours = CourseDirectory(config=course.nbgrader_config())
    for name in ["course_id", "db_url", "student_id_exclude", "feedback_directory"]:
        if getattr(asked, name) != getattr(ours, name):
            raise CourseError(
                f"CourseDirectory.{name} is {getattr(asked, name)!r} here and "
                f"{getattr(ours, name)!r} in {CONFIG_NAME}: set it there and nowhere else"
            )


Autograde.start = start
GenerateFeedback.start = start_feedback
