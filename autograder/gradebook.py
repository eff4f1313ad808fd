"""nbgrader's gradebook: the chapter, the students and their scores.

The gradebook of a class stays open while it is graded, and the scores of a submission are written
in one transaction: opening it takes longer than writing.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import nbgrader.api
from nbformat import NotebookNode
from nbgrader.api import (
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    SolutionCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)
from nbgrader.coursedir import CourseDirectory
from nbgrader.dbutil import ALEMBIC_DIR
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import (
    compute_checksum,
    determine_grade,
    is_grade,
    is_solution,
    is_task,
    parse_utc,
)
from sqlalchemy import insert, select, update

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
    # Not above: it takes long to import, and a gradebook that is there has no need of it.
    from alembic.script import ScriptDirectory

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
        # All at once: nbgrader's `add_student` writes to the disk for each.
        gradebook.db.add_all(Student(id=name) for name in sorted(names - known))
        gradebook.db.commit()
    return sorted(names | (known - _excluded(folders)))


def _excluded(folders: CourseDirectory) -> set[str]:
    return set(folders.student_id_exclude.split(","))


class Scores:
    """The scores of one registered chapter in an open gradebook."""

    def __init__(self, gradebook: Gradebook, folders: CourseDirectory) -> None:
        self._gradebook, self._folders, self._db = gradebook, folders, gradebook.db
        self._chapter = folders.assignment_id
        # The chapter's own rows, read once: to look for them takes longer than to write.
        self._assignment = gradebook.find_assignment(self._chapter).id
        self._notebook = gradebook.find_notebook(self._chapter, self._chapter).id
        self._graded_cells = self._cells(GradeCell) | self._cells(TaskCell)
        self._commented_cells = self._cells(SolutionCell) | self._cells(TaskCell)

    def _cells(self, kind: Any) -> dict[str, str]:
        """Return the cells of a kind: grade_id -> number of the row."""
        query = select(kind.name, kind.id).where(kind.notebook_id == self._notebook)
        return {row.name: row.id for row in self._db.execute(query)}

    def graded_students(self) -> set[str]:
        """Everybody who has a graded submission of the chapter."""
        submitted = SubmittedAssignment.assignment_id == self._assignment
        graded = set(self._db.scalars(select(SubmittedAssignment.student_id).where(submitted)))
        self._db.rollback()  # nothing is kept locked, or in memory
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
            try:
                submission = self._gradebook.find_submission(self._chapter, student)
            except MissingEntry:
                submission = self._add(student, notebook)
            else:
                self._update(submission, notebook)
            submission.timestamp = parse_utc(timestamp)
            late = submission.total_seconds_late > 0
            self._db.commit()
        except Exception:
            self._db.rollback()
            raise
        if late:
            self._save_penalty(student, notebook)

    def _add(self, student: str, notebook: NotebookNode) -> SubmittedAssignment:
        """Write what nbgrader's `add_submission` and SaveAutoGrades write, all at once."""
        submission = SubmittedAssignment(assignment_id=self._assignment, student_id=student)
        saved = SubmittedNotebook(notebook_id=self._notebook, assignment=submission)
        self._db.add(submission)
        self._db.flush()
        scores, comments = _scores(notebook), _comments(notebook)
        grades = [
            {
                "cell_id": number,
                "notebook_id": saved.id,
                "auto_score": scores.get(name),  # a task has none
                "needs_manual_grade": scores.get(name) is None,
            }
            for name, number in self._graded_cells.items()
        ]
        texts = [
            {"cell_id": number, "notebook_id": saved.id, "auto_comment": comments.get(name)}
            for name, number in self._commented_cells.items()
        ]
        for table, rows in [(Grade, grades), (Comment, texts)]:
            if rows:
                self._db.execute(insert(table), rows)
        return submission

    def _update(self, submission: SubmittedAssignment, notebook: NotebookNode) -> None:
        """Write what SaveAutoGrades writes to a submission that is there."""
        (saved,) = submission.notebooks
        saved.late_submission_penalty = None
        scores, comments = _scores(notebook), _comments(notebook)
        grades = [
            {
                "id": number,
                "auto_score": scores[name],
                "needs_manual_grade": by_hand is not None or scores[name] is None,
            }
            for name, number, by_hand in self._rows(Grade, saved, Grade.manual_score)
            if name in scores
        ]
        texts = [
            {"id": number, "auto_comment": comments[name]}
            for name, number in self._rows(Comment, saved)
            if name in comments
        ]
        for table, rows in [(Grade, grades), (Comment, texts)]:
            if rows:
                self._db.execute(update(table), rows)

    def _rows(self, table: Any, saved: SubmittedNotebook, *columns: Any) -> Any:
        """Yield the rows of a submission: grade_id of the cell, number, and some columns."""
        query = select(BaseCell.name, table.id, *columns)
        query = query.join(BaseCell, table.cell_id == BaseCell.id)
        return self._db.execute(query.where(table.notebook_id == saved.id))

    def _save_penalty(self, student: str, notebook: NotebookNode) -> None:
        """Let nbgrader's plugin say what a late submission costs."""
        names = {"student": student, "assignment": self._chapter, "notebook": self._chapter}
        resources = {"nbgrader": {**names, "db_url": self._folders.db_url}}
        penalties = AssignLatePenalties(config=self._folders.config, log=log)
        penalties.preprocess(notebook, resources)


def _scores(notebook: NotebookNode) -> dict[str, float | None]:
    """Return the points of each cell that gives some; None where a person has to grade."""
    cells = [cell for cell in notebook.cells if is_grade(cell)]
    return {cell.metadata.nbgrader.grade_id: determine_grade(cell, log)[0] for cell in cells}


def _comments(notebook: NotebookNode) -> dict[str, str | None]:
    """Return nbgrader's comment on each answer: a code cell or a text that is still blank."""
    comments = {}
    for cell in notebook.cells:
        if is_solution(cell) or is_task(cell):
            blank = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
            text = "No response." if blank and not is_task(cell) else None
            comments[cell.metadata.nbgrader.grade_id] = text
    return comments
