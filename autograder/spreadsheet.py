"""Tables for spreadsheets, in which no text is a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

# What spreadsheets take for the start of a formula, also in the forms of East Asian keyboards.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def safe(value: object) -> object:
    """Return `value` for a cell: a text that could be a formula gets an apostrophe before it.

    Numbers stay numbers, and a lone dash a dash. This is what OWASP's page on CSV injection asks
    for; blanks before a formula do not help it.
    """
    if not isinstance(value, str) or value == "-":
        return "" if value is None else value
    formula = value.startswith(FORMULA) or value.lstrip().startswith(FORMULA)
    return f"'{value}" if formula else value


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write `rows` as CSV in UTF-8."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([safe(value) for value in row] for row in rows)
