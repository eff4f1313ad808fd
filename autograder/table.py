"""What a class got, as a table for people, and in words what a table cannot say."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from sys import intern
from typing import NamedTuple, get_args

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.course import Exercise
from autograder.job import NOT_GRADED, Result, Status

ORDER = [*get_args(Status), NOT_GRADED]  # however the results come
SLOWEST = 5  # of a class, that are named


class _Row(NamedTuple):
    """What is shown of a result: little, because a class may be large."""

    student: str
    status: str
    earned: list[str]  # for each exercise, and the total


class Grades:
    """Results of a class, collected one by one and shown at the end in the order of names.

    `more` are columns of the table beside those of every class: header -> student -> text.
    """

    def __init__(
        self, exercises: Sequence[Exercise], more: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.failed = 0  # how many a person should look at
        self._exercises, self._more = exercises, more or {}
        self._rows: list[_Row] = []
        self._reasons: list[tuple[str, str]] = []
        self._slowest: list[tuple[float, str, str]] = []
        self._executed = self._skipped = 0

    def add(self, result: Result) -> None:
        """Take note of a result."""
        status = result.status or NOT_GRADED
        self.counts[status] += 1
        self.failed += failed(result)
        self._skipped += result.skipped
        earned = [_earned(result, exercise) for exercise in self._exercises]
        earned.append(f"[bold]{result.points:g}[/]" if result.verdicts else "-")
        self._rows.append(
            _Row(
                result.student,
                intern(f"[{_color(result)}]{status}[/]"),
                [intern(text) for text in earned],
            )
        )
        if result.reason and result.status != "missing":
            self._reasons.append((result.student, result.reason))
        if result.seconds and not result.skipped:
            self._executed += 1
            heapq.heappush(self._slowest, (result.seconds, result.student, result.reason))
            if len(self._slowest) > SLOWEST:
                heapq.heappop(self._slowest)

    def table(self) -> Table:
        """One row for each student, one column for each exercise."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("student", no_wrap=True)
        table.add_column("status", no_wrap=True)
        for number, exercise in enumerate(self._exercises, start=1):
            table.add_column(f"{number}\n/{exercise.total:g}", justify="right", no_wrap=True)
        table.add_column(f"total\n/{sum(e.total for e in self._exercises):g}", justify="right")
        for header in self._more:
            table.add_column(header, justify="right" if header == "expected" else "left")
        for row in sorted(self._rows):
            more = [texts[row.student] for texts in self._more.values()]
            table.add_row(escape(row.student), row.status, *row.earned, *more)
        return table

    def summary(self) -> list[str]:
        """Return why and how many, in sentences."""
        lines = [f"{student}: {reason}" for student, reason in sorted(self._reasons)]
        if self._executed > SLOWEST:
            lines.append("The slowest:")
            for seconds, student, reason in sorted(self._slowest, reverse=True):
                lines.append(f"  {student}: {seconds:.1f} s" + (f" ({reason})" if reason else ""))
        words = ", ".join(f"{self.counts[name]} {name}" for name in ORDER if name in self.counts)
        words = words or "put submissions into submitted/STUDENT/CHAPTER/"
        lines.append(f"{students(self.counts.total())}: {words}.")
        if self._skipped:
            lines.append(
                f"{self._skipped} were done already and have not changed; "
                "--force grades them again."
            )
        return lines

    def show(self, console: Console) -> None:
        """Print the table and the sentences under it."""
        console.print(self.table())
        for line in self.summary():
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def failed(result: Result) -> bool:
    """Whether a person should look at this result; a missing submission is no problem."""
    return result.status not in ("graded", "missing")


def students(count: int) -> str:
    """Return a number of students in words."""
    return f"{count} student" + ("" if count == 1 else "s")


def _earned(result: Result, exercise: Exercise) -> str:
    verdicts = [result.verdicts[name] for name in exercise.points if name in result.verdicts]
    if not verdicts:
        return "-"
    if any(verdict.points is None for verdict in verdicts):
        return "?"
    earned = sum(verdict.points or 0 for verdict in verdicts)
    color = "green" if earned == exercise.total else "yellow" if earned else "red"
    return f"[{color}]{earned:g}[/]"


def _color(result: Result) -> str:
    return {"graded": "green", "missing": "dim"}.get(result.status or "", "yellow")
