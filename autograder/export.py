"""Grades in the import formats of learning platforms: plugins of `nbgrader export`.

    nbgrader export --exporter=autograder.export.CanvasExporter --to=canvas.csv
    nbgrader export --exporter=autograder.export.MoodleExporter --to=moodle.csv

A student without points has none there, and no zero: the status says why. Who wants a zero writes
it into the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.plugins import ExportPlugin

from autograder.course import Course
from autograder.grade import folders_of
from autograder.job import NOT_GRADED
from autograder.outcome import Outcome, read_outcomes
from autograder.spreadsheet import write_csv

Row = list[object]


class _Exporter(ExportPlugin):  # type: ignore[misc]
    """Writes one row for each student, with three columns for each chapter."""

    name = ""
    no_grade = ""

    def export(self, gradebook: Gradebook) -> None:
        """Write the file that `--to` names; `--assignment` and `--student` limit what is in it."""
        course = Course(Path(self.parent.coursedir.root))
        excluded = self.parent.coursedir.student_id_exclude.split(",")
        students = [s.id for s in gradebook.students if s.id not in excluded]
        students = sorted(s for s in students if not self.student or s in map(str, self.student))
        chapters = [
            (assignment.name, float(assignment.max_score))
            for assignment in gradebook.assignments
            if not self.assignment or assignment.name in map(str, self.assignment)
        ]
        outcomes = [
            read_outcomes(gradebook, folders_of(course, chapter), students)
            for chapter, _ in chapters
        ]
        path = Path(self.to or f"{self.name}.csv")
        rows = [self.row(of_student) for of_student in zip(*outcomes, strict=True)]
        write_csv(path, [*self.heads(chapters), *rows])
        names = ", ".join(chapter for chapter, _ in chapters)
        self.log.info("%d students, %s: written to %s", len(rows), names, path)

    def heads(self, chapters: Sequence[tuple[str, float]]) -> list[Row]:
        """Return the rows before those of students."""
        raise NotImplementedError

    def person(self, outcome: Outcome) -> Row:
        """Return who a student is."""
        raise NotImplementedError

    def row(self, outcomes: Sequence[Outcome]) -> Row:
        """Return the row of a student: who, and for each chapter points, status and penalty."""
        row = self.person(outcomes[0])
        for outcome in outcomes:
            points: object = round(outcome.points, 4) if outcome.graded else self.no_grade
            row += [points, _status(outcome), outcome.penalty if outcome.graded else ""]
        return row


class CanvasExporter(_Exporter):
    """What *Import* in the gradebook of Canvas reads.

    Canvas finds a student by the ID (`nbgrader db student add --lms-user-id`), else by the login,
    which is the id that nbgrader knows, and an assignment by its title. It leaves out columns that
    are marked `(read only)` in the row of possible points.
    """

    name = "canvas"

    def heads(self, chapters: Sequence[tuple[str, float]]) -> list[Row]:
        names: Row = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
        possible: Row = ["    Points Possible", "", "", "", ""]
        for chapter, points in chapters:
            names += [chapter, f"{chapter} status", f"{chapter} late penalty"]
            possible += [points, "(read only)", "(read only)"]
        return [names, possible]

    def person(self, outcome: Outcome) -> Row:
        name = ", ".join(filter(None, outcome.names)) or outcome.student
        return [name, outcome.lms_id, "", outcome.student, ""]


class MoodleExporter(_Exporter):
    """What *Grades > Import > CSV file* of Moodle reads.

    There, map `Username` to username, or `Email address` to useremail, and the column of the
    chapter to its grade item. Columns that are not mapped are left out.
    """

    name = "moodle"
    no_grade = "-"  # which Moodle has for no grade, also when it makes a new grade item

    def heads(self, chapters: Sequence[tuple[str, float]]) -> list[Row]:
        names: Row = ["Username", "ID number", "First name", "Last name", "Email address"]
        for chapter, _ in chapters:
            names += [chapter, f"{chapter} status", f"{chapter} late penalty"]
        return [names]

    def person(self, outcome: Outcome) -> Row:
        last, first = outcome.names
        return [outcome.student, outcome.lms_id, first, last, outcome.email]


def _status(outcome: Outcome) -> str:
    if outcome.status is None:
        return NOT_GRADED
    return f"{outcome.status}, waits for a person" if outcome.waiting else outcome.status
