"""What `autograder verify` found out about the tests of a chapter, as tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from autograder.verify import MIN_KILLED, MutantRow, Row, share_killed


def show_rows(console: Console, chapter: str, rows: Sequence[Row]) -> int:
    """Print what was found out about the tests of a chapter; return the number of problems."""
    table = Table("exercise", "points", "tests", "right", "wrong", "verdict", title=chapter)
    for row in rows:
        table.add_row(
            row.exercise.name,
            f"{row.exercise.total:g}",
            str(len(row.exercise.points)),
            str(len(row.right)),
            str(len(row.wrong)),
            "[red]problems[/]" if row.problems else "[green]ok[/]",
        )
    console.print(table)
    for row in rows:
        for problem in row.problems:
            console.print(f"{row.exercise.name}: {problem}", markup=False, soft_wrap=True)
    return sum(len(row.problems) for row in rows)


def show_mutants(console: Console, chapter: str, rows: Sequence[MutantRow]) -> int:
    """Print what became of the mutants of a chapter; return the number of problems."""
    columns = ["exercise", "mutants", "equivalent", "killed", "survived", "share"]
    table = Table(*columns, title=f"Mutants of {chapter}")
    for row in rows:
        _add_mutants(table, row.exercise.name, [row])
    table.add_section()
    _add_mutants(table, "all", rows)
    console.print(table)
    for row in rows:
        for mutant in row.survivors:
            mark = f'# %% REASON equivalent="{row.exercise.name}"'
            console.print(f"\n{mark}\n{mutant.comment}", markup=False, soft_wrap=True)
    if any(row.survivors for row in rows):
        console.print(
            "\nThese mutants get all points. Let a test notice them, or, where none can, "
            f"copy the cell with a reason into tests/answers/{chapter}.py.",
            soft_wrap=True,
        )
    problems = [f"{row.exercise.name}: {problem}" for row in rows for problem in row.problems]
    share = share_killed(rows)
    if share < MIN_KILLED:
        problems.append(
            f"{chapter}: {share:.1%} of the mutants are killed, at least {MIN_KILLED:.0%} must be"
        )
    for problem in problems:
        console.print(problem, markup=False, soft_wrap=True, highlight=False)
    return len(problems)


def _add_mutants(table: Table, name: str, rows: Sequence[MutantRow]) -> None:
    counts = [
        sum(len(row.mutants) for row in rows),
        sum(len(row.equivalent) for row in rows),
        sum(row.killed for row in rows),
        sum(len(row.survivors) for row in rows),
    ]
    table.add_row(name, *map(str, counts), f"{share_killed(rows):.1%}")
