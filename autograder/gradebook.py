"""nbgrader's gradebook: the chapter, the students and their scores.

The gradebook of a class stays open while it is graded, and the scores of a submission are written
in one transaction: opening it takes longer than writing.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import nbgrader.api
from alembic.script import ScriptDirectory
from nbformat import NotebookNode
from nbgrader.api import (
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    MissingEntry,
    SubmittedNotebook,
)
from nbgrader.coursedir import CourseDirectory
from nbgrader.dbutil import ALEMBIC_DIR
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import compute_checksum, determine_grade, is_grade, is_solution, is_task
from sqlalchemy import select, update
from sqlalchemy.exc import SAWarning

from autograder.build import generate_release
from autograder.course import CONFIG_NAME, Course, CourseError
from autograder.submission import is_utf8

log = logging.getLogger("autograder.gradebook")
log.addHandler(logging.NullHandler())
log.propagate = False


def register(course: Course, chapter: str, db_url: str) -> None:
    """Make the chapter known to the gradebook, as `nbgrader generate_assignment` does.

    Raises CourseError when test cells were added or removed after grading began.
    """
    config = course.nbgrader_config()
    config.CourseDirectory.db_url = db_url
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        root = Path(folder)
        shutil.copy(course.root / CONFIG_NAME, root)
        shutil.copytree(course.root / "source" / chapter, root / "source" / chapter)
        generate_release(root, chapter, config)


def _newest_schema() -> str:
    """Return the version that nbgrader notes in a new gradebook.

    nbgrader runs a program for it, found by its name, which takes longer than all else here.
    """
    head = ScriptDirectory(ALEMBIC_DIR).get_current_head()
    assert head is not None
    return head


nbgrader.api.get_alembic_version = _newest_schema


def _handed_in(folders: CourseDirectory) -> set[str]:
    """Everybody who handed something in. Raises CourseError for a name that is no text.

    Without those whom `c.CourseDirectory.student_id_exclude` leaves out.
    """
    names = {
        path.name
        for path in (Path(folders.root) / "submitted").glob("*")
        if path.is_dir() and not path.name.startswith(".")
    }
    for name in names:
        if not is_utf8(name):
            raise CourseError(f"rename submitted/{name!a}: its name is not UTF-8 text")
    return names - _excluded(folders)


def all_students(folders: CourseDirectory) -> list[str]:
    """Those who handed something in, now in the gradebook, and all others in it, in order."""
    names = _handed_in(folders)
    with Gradebook(folders.db_url, folders.course_id) as gradebook:
        known = {student.id for student in gradebook.students}
        for student in sorted(names - known):
            gradebook.add_student(student)
    return sorted(names | (known - _excluded(folders)))


def _excluded(folders: CourseDirectory) -> set[str]:
    return set(folders.student_id_exclude.split(","))


class Scores:
    """The scores of one chapter in an open gradebook."""

    def __init__(self, gradebook: Gradebook, folders: CourseDirectory) -> None:
        self._gradebook, self._folders = gradebook, folders
        self._chapter = folders.assignment_id

    def graded_students(self) -> set[str]:
        """Everybody who has a graded submission of the chapter."""
        submissions = self._gradebook.assignment_submissions(self._chapter)
        graded = {submission.student.id for submission in submissions}
        self._gradebook.db.rollback()  # nothing is kept locked, or in memory
        return graded

    def remove(self, student: str) -> None:
        """Remove the scores of a submission that is not graded: they were those of another."""
        with suppress(MissingEntry):
            self._gradebook.remove_submission(self._chapter, student)

    def save(self, student: str, notebook: NotebookNode, timestamp: datetime | None) -> None:
        """Save the scores of an executed notebook, and the penalty when it came late.

        Scores and comments that a person entered stay, and are marked as needing a second look.
        """
        try:
            with warnings.catch_warnings():
                # nbgrader links the new rows one by one, and SQLAlchemy warns at each step.
                warnings.simplefilter("ignore", SAWarning)
                submission = self._gradebook.update_or_create_submission(
                    self._chapter, student, timestamp=timestamp
                )
            (saved,) = submission.notebooks
            self._save_cells(saved, notebook)
            saved.late_submission_penalty = None
            late = submission.total_seconds_late > 0
            self._gradebook.db.commit()
        except Exception:
            self._gradebook.db.rollback()
            raise
        if late:
            self._save_penalty(student, notebook)

    def _save_cells(self, saved: SubmittedNotebook, notebook: NotebookNode) -> None:
        """Write what nbgrader's preprocessor SaveAutoGrades writes, all at once."""
        db = self._gradebook.db
        grades = _by_name(db, select(BaseCell.name, Grade.id, Grade.manual_score), Grade, saved)
        comments = _by_name(db, select(BaseCell.name, Comment.id), Comment, saved)
        scored, commented = [], []
        for cell in notebook.cells:
            if is_grade(cell):
                number, by_hand = grades[cell.metadata.nbgrader.grade_id]
                score, _ = determine_grade(cell, log)
                look = by_hand is not None or score is None
                scored.append({"id": number, "auto_score": score, "needs_manual_grade": look})
            if is_solution(cell) or is_task(cell):
                (number,) = comments[cell.metadata.nbgrader.grade_id]
                blank = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
                text = "No response." if blank and not is_task(cell) else None
                commented.append({"id": number, "auto_comment": text})
        for table, rows in [(Grade, scored), (Comment, commented)]:
            if rows:
                db.execute(update(table), rows)

    def _save_penalty(self, student: str, notebook: NotebookNode) -> None:
        """Let nbgrader's plugin say what a late submission costs."""
        names = {"student": student, "assignment": self._chapter, "notebook": self._chapter}
        resources = {"nbgrader": {**names, "db_url": self._folders.db_url}}
        penalties = AssignLatePenalties(config=self._folders.config, log=log)
        penalties.preprocess(notebook, resources)


def _by_name(db: Any, query: Any, table: Any, saved: SubmittedNotebook) -> dict[str, Any]:
    """Return the rows of a submission: grade_id of the cell -> the other columns."""
    rows = db.execute(
        query.join(BaseCell, table.cell_id == BaseCell.id).where(table.notebook_id == saved.id)
    )
    return {name: rest for name, *rest in rows}
