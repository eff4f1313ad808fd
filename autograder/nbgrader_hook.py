"""Makes `nbgrader autograde` and formgrader's Autograde button grade by `autograder.grade`.

nbgrader_config.py asks for it with `c.Autograde.pre_convert_hook =
"autograder.nbgrader_hook.grade_instead"`. nbgrader imports that name each time it makes an
`Autograde`, and only then, so the setting costs nothing elsewhere. Where this package is not
installed, nbgrader refuses to autograde rather than run submissions in its own way.

All that nbgrader would do with a submission before a hook is called, opening it first of all, is
left out: importing this module replaces `Autograde.start`, for converters with that setting.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from nbgrader.converters import Autograde, BaseConverter, NbGraderException
from nbgrader.coursedir import CourseDirectory

from autograder.course import CONFIG_NAME, Course, CourseError
from autograder.grade import Result, grade
from autograder.pool import LocalPool
from autograder.sandbox import SandboxError


def grade_instead(**_: Any) -> None:
    """Mark a converter as ours; there is nothing to do before a conversion that does not come."""


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


def _sentence(result: Result) -> str:
    text = f"{result.student}: {result.status or 'not graded'}"
    if result.verdicts:
        text += f", {result.points:g} points"
    if result.skipped:
        text += ", done already and not changed"
    return f"{text}: {result.reason}" if result.reason else text


def _check(converter: Autograde, course: Course) -> None:
    """Raise CourseError when nbgrader was asked for what grading here does not do."""
    asked: CourseDirectory = converter.coursedir
    if not converter.config.Execute.get("enabled", True):
        raise CourseError("a submission is always executed: leave out --no-execute")
    if asked.notebook_id not in ("*", asked.assignment_id):
        raise CourseError("a chapter has one notebook: leave out --notebook")
    ours = CourseDirectory(config=course.nbgrader_config())
    for name in ["course_id", "db_url", "student_id_exclude"]:
        if getattr(asked, name) != getattr(ours, name):
            raise CourseError(
                f"CourseDirectory.{name} is {getattr(asked, name)!r} here and "
                f"{getattr(ours, name)!r} in {CONFIG_NAME}: set it there and nowhere else"
            )


Autograde.start = start
