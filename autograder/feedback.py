"""Feedback: a page for each student that says what was asked, what they wrote and what happened.

The statements come from the instructor's notebook, the answers from the executed one, the points
from the gradebook, the reasons from `grading.json`. Test cells are never shown: a page holds no
line of a hidden test and no answer. It does say with which input a test failed, and what it
expected there.

Pages lie where `nbgrader release_feedback` looks for them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup
from nbformat import NotebookNode
from nbgrader.coursedir import CourseDirectory

from autograder.build import load_chapter, make_template
from autograder.course import Course, CourseError, Exercise, read_exercises
from autograder.grade import executed_path, folders_of, record_path
from autograder.notebook import read_notebook
from autograder.outcome import Mark, Outcome, read_class
from autograder.page import ANSI, Budget, code, markdown, outputs, render
from autograder.words import Told, explain, tell

HINT = re.compile(r"<details>\s*<summary>\s*Hints?\s*</summary>(.*?)</details>", re.S | re.I)
CHARACTERS, EACH = 40_000, 6_000  # of a student's text on a page, and of one cell in it
SECRET = "submission_secret.txt"  # by which nbgrader's exchange finds the page of a submission


@dataclass
class Part:
    """An exercise of the chapter, as it was released."""

    exercise: Exercise
    statement: Markup  # without its heading and its hint
    hint: Markup
    blank: str  # the text of the cell for the answer, as it was released


@dataclass
class Chapter:
    """What a page says of the chapter: the same for all students."""

    name: str
    title: str
    parts: list[Part]
    released: set[str]  # the text of each released cell

    @property
    def total(self) -> float:
        """All points of the chapter."""
        return sum(part.exercise.total for part in self.parts)


@dataclass
class _Line:
    """Test cells of an exercise that ended in the same way."""

    names: list[str]
    tests: list[Mark]
    told: Told
    traceback: str = ""

    @property
    def points(self) -> float:
        return sum((test.points or 0) + test.extra for test in self.tests)

    @property
    def max_points(self) -> float:
        return sum(test.max_points for test in self.tests)

    @property
    def state(self) -> str:
        if any(test.points is None for test in self.tests):
            return "waits for a person"
        if self.points >= self.max_points:
            return "passed"
        return "failed" if self.points == 0 else "in part"


@dataclass
class _Section:
    """What a page says of one exercise."""

    part: Part
    cells: list[dict[str, Any]]
    lines: list[_Line]
    comments: list[str]
    notices: list[str] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(line.points for line in self.lines)

    @property
    def lost(self) -> bool:
        return any(line.state in ("failed", "in part") for line in self.lines)


def write_feedback(
    course: Course,
    chapter: str,
    students: Sequence[str] = (),
    on_page: Callable[[Outcome, Path | None], None] = lambda outcome, path: None,
) -> None:
    """Write a page for every student of a chapter, or for those in `students`.

    `on_page` is called with each outcome and the file of its page, or None where there is none
    because the submission is not graded yet. Raises CourseError as `read_class` and `load_chapter`.
    """
    facts = read_chapter(course, chapter)
    folders = folders_of(course, chapter)
    for outcome in read_class(course, chapter, students):
        if outcome.status is None:
            on_page(outcome, None)
            continue
        folder = Path(folders.format_path(folders.feedback_directory, outcome.student, chapter))
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / f"{chapter}.html"
        page.write_text(make_page(facts, outcome, _executed(folders, outcome)), encoding="utf-8")
        _write_keys(folders, outcome, folder)
        on_page(outcome, page)


def read_chapter(course: Course, chapter: str) -> Chapter:
    """Return what pages say of a chapter: nothing of its tests and solutions."""
    source = make_template(load_chapter(course, chapter))
    title, parts = chapter, []
    text: list[str] = []
    attachments: dict[str, dict[str, str]] = {}
    solutions = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in source.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    exercises = {exercise.name: exercise for exercise in read_exercises(source)}
    for cell in source.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in solutions:
            statement = re.sub(r"\A## .*\n?", "", "\n\n".join(text).strip())
            hint = HINT.search(statement)
            parts.append(
                Part(
                    exercises[grade_id],
                    markdown(HINT.sub("", statement), attachments),
                    markdown(hint[1], attachments) if hint else Markup(),
                    solutions[grade_id],
                )
            )
        if grade_id is None and cell.cell_type == "markdown":
            text.append(cell.source)
            attachments = {**attachments, **cell.get("attachments", {})}
            if cell.source.startswith("# ") and title == chapter:
                title = cell.source.splitlines()[0].removeprefix("# ")
        elif grade_id is not None:
            text, attachments = [], {}
    released = {cell.source.strip() for cell in source.cells}
    return Chapter(chapter, title, parts, released)


def make_page(chapter: Chapter, outcome: Outcome, notebook: NotebookNode | None) -> str:
    """Return the page of one student; `notebook` is the executed one, if there is one."""
    budget = Budget(CHARACTERS, EACH)
    cells = _cells(chapter, notebook, budget) if notebook and outcome.graded else {}
    sections = [
        _section(part, outcome, notebook, cells.get(part.exercise.name, []))
        for part in (chapter.parts if outcome.graded else [])
    ]
    return render(
        "feedback.html",
        chapter=chapter,
        outcome=outcome,
        explanation=explain(outcome, any(section.notices for section in sections)),
        sections=sections,
        before=cells.get("", []),
    )


def _executed(folders: CourseDirectory, outcome: Outcome) -> NotebookNode | None:
    with suppress(CourseError):
        return read_notebook(executed_path(folders, outcome.student))
    return None


def _section(
    part: Part, outcome: Outcome, notebook: NotebookNode | None, cells: list[dict[str, Any]]
) -> _Section:
    lines: list[_Line] = []
    for name in part.exercise.points:
        test = outcome.tests.get(name)
        if test is None:  # it was added after this submission was graded
            continue
        shown = name.removeprefix(f"{part.exercise.name}-")
        line = _Line([shown], [test], tell(test.reason), _traceback(notebook, name, test.reason))
        last = lines[-1] if lines else line
        same = test.reason and test.reason == last.tests[0].reason and line.state == last.state
        if last is not line and same and not any(t.by_hand for t in [test, *last.tests]):
            last.names.append(shown)
            last.tests.append(test)
        else:
            lines.append(line)
    wanted = [part.exercise.name, *part.exercise.points]
    comments = [outcome.comments[n] for n in dict.fromkeys(wanted) if n in outcome.comments]
    return _Section(part, cells, lines, comments, _notices(lines, cells))


def _notices(lines: Sequence[_Line], cells: Sequence[dict[str, Any]]) -> list[str]:
    """Return what outside the answer cost points of an exercise, each thing once."""
    stopped = [cell["stopped"] for cell in cells if cell["stopped"]]
    told = [line.told.outside for line in lines]
    return [notice for notice in dict.fromkeys([*stopped, *told]) if notice]


def _traceback(notebook: NotebookNode | None, grade_id: str, reason: str) -> str:
    """Return the student's own lines in which a test failed, if it did in one."""
    for cell in notebook.cells if notebook else []:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id:
            for output in cell.get("outputs", []):
                text = ANSI.sub("", "\n".join(output.get("traceback", [])))
                if output.output_type == "error" and '  File "' in text:
                    return text[:EACH].replace(' ", line', '", line')
    return ""


def _cells(
    chapter: Chapter, notebook: NotebookNode, budget: Budget
) -> dict[str, list[dict[str, Any]]]:
    """Return what a student wrote: exercise, or "" for before the first one -> cells."""
    headings = {part.exercise.title: part.exercise.name for part in reversed(chapter.parts)}
    of_cell = {part.exercise.name: part for part in chapter.parts}
    tests = {test: part.exercise.name for part in chapter.parts for test in part.exercise.points}
    found: dict[str, list[dict[str, Any]]] = {}
    at = ""
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        source = cell.source.strip()
        heading = source.splitlines()[0].removeprefix("## ") if source.startswith("## ") else ""
        part = of_cell.get(grade_id)
        at = part.exercise.name if part else tests.get(grade_id, headings.get(heading, at))
        if part:
            blank = source == part.blank.strip()
            found.setdefault(at, []).append(_cell(cell, budget, answer=True, blank=blank))
        elif grade_id is None and source and source not in chapter.released:
            found.setdefault(at, []).append(_cell(cell, budget, answer=False, blank=False))
    return found


def _cell(cell: NotebookNode, budget: Budget, *, answer: bool, blank: bool) -> dict[str, Any]:
    """Return what a page shows of a cell that a student wrote, as safe HTML."""
    shown: Markup | str = ""
    text, is_cut = ("", False) if blank else budget.cut(cell.source)
    if text:
        is_text = cell.cell_type != "code"
        shown = markdown(text, cell.get("attachments")) if is_text else code(text)
    stopped, kept = "", []
    for output in cell.get("outputs", []):
        told = ""
        if output.output_type == "error":
            ours = output.ename == "Stopped"
            told = tell(output.evalue if ours else f"{output.ename}: {output.evalue}").outside
            stopped = stopped or told
        kept += [] if told else [output]
    return {
        "answer": answer,
        "blank": blank,
        "html": shown,
        "cut": is_cut,
        "outputs": outputs(kept, budget),
        "stopped": stopped,
    }


def _write_keys(folders: CourseDirectory, outcome: Outcome, folder: Path) -> None:
    """Write what `nbgrader release_feedback` needs beside a page: a time and a secret.

    Where a submission did not come through the exchange, the secret is a random one: then nobody
    can fetch the page there, and releasing the others does not fail.
    """
    chapter = folders.assignment_id
    places = [
        record_path(folders, outcome.student).parent,
        Path(folders.root, "submitted", outcome.student, chapter),
    ]
    for name in ["timestamp.txt", SECRET]:
        ours = folder / name
        content = ours.read_bytes() if ours.is_file() else b""
        for place in places:
            # What is refused is not opened: it may be a link to anything.
            if outcome.status != "refused" and (place / name).is_file():
                content = (place / name).read_bytes()[:1000]
                break
        if name == SECRET and not content.strip():
            content = secrets.token_hex(64).encode()
        ours.write_bytes(content)
