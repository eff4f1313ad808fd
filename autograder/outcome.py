"""What became of a class, read from the gradebook and from autograded/; nothing is changed.

The gradebook says what counts: points that a person gave, comments, penalties. `grading.json` says
what happened: the status, and the reason for each test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import select

from autograder.course import Course
from autograder.grade import choose, folders_of, read_record, record_path
from autograder.gradebook import all_students
from autograder.job import Result, Status
from autograder.submission import RefusedError, read_folder


@dataclass(frozen=True)
class Mark:
    """What one graded cell gave. `points` is None where a person has yet to grade."""

    points: float | None
    max_points: float
    reason: str = ""
    by_hand: bool = False  # a person entered the points
    extra: float = 0.0  # points on top, which a person gave
    hidden: bool | None = None  # whether it failed in its hidden part


@dataclass(frozen=True)
class Outcome:
    """What became of one student. `status` is None when the submission is not graded yet."""

    student: str
    status: Status | None
    reason: str = ""
    tests: dict[str, Mark] = field(default_factory=dict)  # by grade_id; empty: nothing was graded
    comments: dict[str, str] = field(default_factory=dict)  # of people, by grade_id
    seconds: float = 0.0
    memory_bytes: int = 0  # 0: not measured
    seconds_late: float = 0.0
    penalty: float = 0.0
    names: tuple[str, str] = ("", "")  # last and first, as far as they are known
    email: str = ""
    lms_id: str = ""

    @property
    def graded(self) -> bool:
        """Whether there are points at all; without them, there is no zero either."""
        return bool(self.tests)

    @property
    def waiting(self) -> bool:
        """Whether a person has yet to grade an answer."""
        return any(test.points is None for test in self.tests.values())

    @property
    def raw(self) -> float:
        """The points before a penalty."""
        return sum((test.points or 0) + test.extra for test in self.tests.values())

    @property
    def points(self) -> float:
        """The points that count: never fewer than none, as nbgrader has it."""
        return max(0.0, self.raw - self.penalty)


def read_class(course: Course, chapter: str, students: Sequence[str] = ()) -> list[Outcome]:
    """Return what became of every student of a chapter, or of those in `students`, in order.

    Raises CourseError when the chapter or a named student does not exist.
    """
    course.source_notebook(chapter)
    folders = folders_of(course, chapter)
    names = choose(all_students(folders), students, chapter)
    with Gradebook(folders.db_url, folders.course_id) as gradebook:
        return read_outcomes(gradebook, folders, names)


def read_outcomes(
    gradebook: Gradebook, folders: CourseDirectory, students: Sequence[str]
) -> list[Outcome]:
    """Return what became of `students` in the chapter of `folders`."""
    db, chapter = gradebook.db, folders.assignment_id
    late = {
        submission.student_id: submission.total_seconds_late
        for submission in gradebook.assignment_submissions(chapter)
    }
    people = {student.id: student for student in gradebook.students}
    grades = _rows(db, chapter, Grade, Grade.auto_score, Grade.manual_score, Grade.extra_credit)
    comments = _rows(db, chapter, Comment, Comment.manual_comment)
    penalties = dict(
        db.execute(
            _of(
                chapter,
                select(Student.id, SubmittedNotebook.late_submission_penalty).select_from(
                    SubmittedNotebook
                ),
            )
        ).all()
    )
    found = []
    for name in students:
        person = people.get(name)
        result = read_record(record_path(folders, name))
        facts: dict[str, Any] = {
            "names": (
                getattr(person, "last_name", None) or "",
                getattr(person, "first_name", None) or "",
            ),
            "email": getattr(person, "email", None) or "",
            "lms_id": getattr(person, "lms_user_id", None) or "",
        }
        if result is None:
            found.append(Outcome(name, *_without_record(folders, name), **facts))
            continue
        if name in late:
            facts |= {"seconds_late": late[name], "penalty": penalties.get(name) or 0.0}
            facts["tests"] = _tests(result, grades.get(name, {}))
            facts["comments"] = {
                cell: text for cell, (text,) in comments.get(name, {}).items() if text
            }
        elif result.verdicts:  # the gradebook was cleared after it was written
            found.append(Outcome(name, None, "the gradebook does not have it any more", **facts))
            continue
        found.append(
            Outcome(
                name,
                result.status,
                result.reason,
                seconds=result.seconds,
                memory_bytes=result.memory_bytes,
                **facts,
            )
        )
    return found


def _tests(result: Result, grades: dict[str, tuple[Any, ...]]) -> dict[str, Mark]:
    tests = {}
    for name, verdict in result.verdicts.items():
        auto, by_hand, extra = grades.get(name, (None, None, None))
        points = auto if by_hand is None else by_hand
        tests[name] = Mark(
            points,
            verdict.max_points,
            verdict.reason,
            by_hand is not None,
            extra or 0.0,
            verdict.hidden,
        )
    return tests


def _without_record(folders: CourseDirectory, student: str) -> tuple[Status | None, str]:
    """Return status and reason of a student whom no grading run was done with."""
    try:
        files = read_folder(Path(folders.root, "submitted", student, folders.assignment_id))
    except RefusedError as error:
        return "refused", str(error)
    return (None, "it is not graded yet") if files else ("missing", "nothing was handed in")


def _of(chapter: str, query: Any) -> Any:
    """Return `query`, which has SubmittedNotebook in it, for one chapter and with its students."""
    return (
        query.join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .join(Student, SubmittedAssignment.student_id == Student.id)
        .where(Assignment.name == chapter)
    )


def _rows(db: Any, chapter: str, table: Any, *columns: Any) -> dict[str, dict[str, Any]]:
    """Return the rows of a chapter: student -> grade_id of the cell -> the columns."""
    query = (
        select(Student.id, BaseCell.name, *columns)
        .select_from(table)
        .join(BaseCell, table.cell_id == BaseCell.id)
        .join(SubmittedNotebook, table.notebook_id == SubmittedNotebook.id)
    )
    found: dict[str, dict[str, Any]] = {}
    for student, name, *rest in db.execute(_of(chapter, query)):
        found.setdefault(student, {})[name] = tuple(rest)
    return found
