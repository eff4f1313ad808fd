"""Reports: what a class did in a chapter, and which exercises deserve a look.

One page for instructors, and a table for spreadsheets. Statistics count students who were graded;
who handed in nothing, or nothing that can be read, is listed and counts as no zero.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup
from nbformat import NotebookNode

from autograder import plots
from autograder.build import load_chapter, make_template
from autograder.course import Course, Exercise, read_exercises
from autograder.grade import executed_path, folders_of
from autograder.item_analysis import Figure, Item, Spread, analyze, earned, remarks, spread, tally
from autograder.job import NOT_GRADED
from autograder.outcome import Mark, Outcome, read_class
from autograder.page import render
from autograder.similar import Pair, similar
from autograder.spreadsheet import write_csv
from autograder.submission import HIDDEN
from autograder.words import tell

MIB = 2**20
MESSAGES, PAIRS = 4, 10  # of an exercise, that are shown
VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|[-+]?\d[\d.e+-]*|\([^()]*\)|\[[^\[\]]*\]")


class Message(NamedTuple):
    """What tests say to several students."""

    students: int
    text: str  # as one of them is told it
    example: str  # that one


@dataclass(frozen=True)
class Row:
    """What a report says of one exercise."""

    item: Item
    messages: list[Message]
    pairs: list[Pair]
    remarks: list[str]


@dataclass(frozen=True)
class Facts:
    """All that a report says."""

    chapter: str
    outcomes: list[Outcome]
    graded: list[Outcome]
    rows: list[Row]
    total: float

    @property
    def statuses(self) -> list[tuple[str, int]]:
        """How many students have which status."""
        return tally([outcome.status or NOT_GRADED for outcome in self.outcomes])

    @property
    def points(self) -> Spread:
        """How the totals lie, penalties taken off."""
        return spread([outcome.points for outcome in self.graded])

    @property
    def seconds(self) -> Spread:
        """How long submissions ran: on a busy machine, longer."""
        return spread([outcome.seconds for outcome in self.graded])

    @property
    def memory(self) -> Spread:
        """The MiB that submissions had at most, the modules that all start with included.

        The watch over the sandbox looks every tenth of a second: a shorter peak is not seen.
        """
        return spread([o.memory_bytes / MIB for o in self.graded if o.memory_bytes])

    @property
    def special(self) -> list[Outcome]:
        """Who came late, was stopped, has no points, or a notebook that had to be put right."""
        return [o for o in self.outcomes if o.seconds_late or o.reason or o.status != "graded"]


def write_report(course: Course, chapter: str, table: bool = False) -> list[Path]:
    """Write the report of a chapter, and its table where asked for; return the files.

    Raises CourseError as `read_class` and `load_chapter`.
    """
    facts = collect(course, chapter)
    folder = course.root / "reports"
    folder.mkdir(exist_ok=True)
    page = folder / f"{chapter}.html"
    page.write_text(make_page(facts), encoding="utf-8")
    if not table:
        return [page]
    write_csv(folder / f"{chapter}.csv", make_table(facts))
    return [page, folder / f"{chapter}.csv"]


def collect(course: Course, chapter: str) -> Facts:
    """Return what a report says."""
    source = load_chapter(course, chapter)
    exercises = read_exercises(source)
    outcomes = read_class(course, chapter)
    graded = [outcome for outcome in outcomes if outcome.graded]
    with_hidden = {
        cell.metadata.nbgrader.grade_id
        for cell in source.cells
        if cell.metadata.get("nbgrader", {}).get("grade") and HIDDEN[0] in cell.source
    }
    answers = _read_answers(course, chapter, graded)
    released = {cell.id: cell.source for cell in make_template(source).cells}
    reference = {cell.id: cell.source for cell in source.cells}
    rows = []
    for item in analyze(exercises, graded):
        name = item.exercise.name
        given = [released[name], reference[name]]
        own = {student: code for student, code in answers[name].items() if code not in given}
        reached = _reached(item.exercise, graded, with_hidden)
        rows.append(
            Row(
                item,
                _messages(item.exercise, graded)[:MESSAGES],
                similar(own, given)[:PAIRS],
                remarks(item, reached),
            )
        )
    return Facts(chapter, outcomes, graded, rows, sum(e.total for e in exercises))


def make_page(facts: Facts) -> str:
    """Return the report as a page."""
    figures: dict[str, Markup] = {}
    if facts.graded and facts.total:
        figures["totals"] = plots.totals([o.points for o in facts.graded], facts.total)
        figures["shares"] = plots.shares([row.item for row in facts.rows])
        seconds = [o.seconds for o in facts.graded if o.seconds]
        memory = [o.memory_bytes / MIB for o in facts.graded if o.memory_bytes]
        if seconds or memory:
            figures["effort"] = plots.effort(seconds, memory)
    return render(
        "report.html",
        facts=facts,
        figures=figures,
        number=number,
        late=late,
        not_graded=NOT_GRADED,
    )


def make_table(facts: Facts) -> list[list[object]]:
    """Return one row for each student, below the names of the columns."""
    exercises = [row.item.exercise for row in facts.rows]
    head: list[object] = [
        "student", "last name", "first name", "status", "reason", "points", "of", "late penalty",
        "seconds late", "seconds", "memory MiB", *(exercise.name for exercise in exercises),
    ]  # fmt: skip
    table = [head]
    for o in facts.outcomes:
        memory = round(o.memory_bytes / MIB, 1) if o.memory_bytes else None
        points = [earned(o, exercise) if o.graded else None for exercise in exercises]
        table.append(
            [
                o.student,
                *o.names,
                o.status or NOT_GRADED,
                o.reason,
                o.points if o.graded else None,
                facts.total,
                o.penalty,
                o.seconds_late,
                o.seconds,
                memory,
                *points,
            ]
        )
    return table


def number(figure: Figure, digits: int = 2) -> str:
    """Return a figure for people; one that is not defined says why."""
    return f"- ({figure})" if isinstance(figure, str) else f"{figure:.{digits}f}"


def late(seconds: float) -> str:
    """Return how late something came, in words."""
    for unit, name in [(86400, "days"), (3600, "hours"), (60, "minutes")]:
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name} late"
    return f"{seconds:.0f} seconds late" if seconds else ""


def _reached(exercise: Exercise, graded: Sequence[Outcome], hidden: set[str]) -> int | None:
    """Return how many students came to a hidden test; None where that cannot be said."""
    names = [name for name in exercise.points if name in hidden]
    tests = [o.tests[name] for o in graded for name in names if name in o.tests]
    reached = sum(_passed(test) or bool(test.hidden) for test in tests)
    unknown = any(not _passed(test) and test.hidden is None for test in tests)
    return None if not tests or (unknown and not reached) else reached


def _passed(test: Mark) -> bool:
    return not test.reason and test.points is not None and test.points >= test.max_points


def _messages(exercise: Exercise, graded: Sequence[Outcome]) -> list[Message]:
    """Return what tests of an exercise say, alike but for their values, the most frequent first."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for outcome in graded:
        for name in exercise.points:
            test = outcome.tests.get(name)
            if test and test.reason:
                text = tell(test.reason).problem.split("\n")[0]
                found[VALUE.sub("…", text)].setdefault(outcome.student, text)
    messages = [
        Message(len(texts), next(iter(texts.values())), next(iter(texts)))
        for texts in found.values()
    ]
    return sorted(messages, key=lambda message: (-message.students, message.text))


def _read_answers(
    course: Course, chapter: str, graded: Sequence[Outcome]
) -> dict[str, dict[str, str]]:
    """Return what students wrote: exercise -> student -> text."""
    folders = folders_of(course, chapter)
    answers: dict[str, dict[str, str]] = defaultdict(dict)
    for outcome in graded:
        path = executed_path(folders, outcome.student)
        with suppress(OSError, ValueError):
            # As plain JSON: to check the format of a notebook of ours takes longer than all else.
            cells: list[NotebookNode] = json.loads(path.read_bytes())["cells"]
            for cell in cells:
                meta = cell["metadata"].get("nbgrader", {})
                if meta.get("solution") and cell["cell_type"] == "code":
                    answers[meta["grade_id"]][outcome.student] = "".join(cell["source"])
    return answers
