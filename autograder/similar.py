"""Which answers of a class resemble each other more than chance and the task explain.

An answer is cut into all runs of `LENGTH` tokens, after names of its own were made alike and
comments and layout were dropped. Two answers share what runs they both have: k-grams as
fingerprints, after S. Schleimer, D. S. Wilkerson, A. Aiken, "Winnowing: local algorithms for
document fingerprinting" (SIGMOD 2003), without the selection, because answers are short.
Runs of the released cell and of the reference do not count, nor those that a large part of the
class has: these come from the task.

This is a module of our own because libraries for it, as copydetect, compare files in folders: they
would have to be given a folder for each exercise, and know no part of a class that has a run.
"""

from __future__ import annotations

import ast
import builtins
import io
import keyword
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import combinations
from typing import NamedTuple

LENGTH = 6  # tokens of a run
MIN_RUNS = 10  # that an answer must have of its own before it is compared
MIN_SHARE = 0.6  # of the runs of both that they must share
COMMON = 0.25  # a run that more than this part of a class has comes from the task
FEW = 4  # ... but as many students may have it in a small class
LAYOUT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENCODING, tokenize.ENDMARKER,
}  # fmt: skip
Run = tuple[str, ...]


class Pair(NamedTuple):
    """Two answers to an exercise that share more than is usual."""

    first: str
    second: str
    shared: int  # runs of tokens that both have, and few others
    runs: int  # that one of them has

    @property
    def share(self) -> float:
        """How much of both is shared, from 0 to 1: the Jaccard index of their runs."""
        return self.shared / self.runs


def similar(answers: Mapping[str, str], given: Iterable[str]) -> list[Pair]:
    """Return pairs of `answers`, student -> code, that resemble each other, the closest first.

    What stands in `given`, the released cell and the reference, counts for nothing.
    """
    known = set[Run]().union(*(runs(text) for text in given))
    mine = {student: runs(code) - known for student, code in answers.items()}
    having = Counter(run for found in mine.values() for run in found)
    limit = max(FEW, COMMON * len(answers))
    mine = {
        student: own
        for student, found in mine.items()
        if len(own := {run for run in found if having[run] <= limit}) >= MIN_RUNS
    }
    students: dict[Run, list[str]] = defaultdict(list)
    for student in sorted(mine):
        for run in mine[student]:
            students[run].append(student)
    shared = Counter(pair for found in students.values() for pair in combinations(found, 2))
    pairs = [
        Pair(a, b, count, len(mine[a]) + len(mine[b]) - count) for (a, b), count in shared.items()
    ]
    return sorted(
        (pair for pair in pairs if pair.share >= MIN_SHARE),
        key=lambda pair: (-pair.share, -pair.shared, pair.first, pair.second),
    )


def runs(code: str) -> set[Run]:
    """Return all runs of `LENGTH` tokens of a program, in which its own names are alike."""
    own = _own_names(code)
    found: list[str] = []
    with suppress(tokenize.TokenError, SyntaxError):  # what comes before counts
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type in LAYOUT:
                continue
            found.append(
                "name" if token.type == tokenize.NAME and token.string in own else token.string
            )
    return {tuple(found[at : at + LENGTH]) for at in range(len(found) - LENGTH + 1)}


def _own_names(code: str) -> set[str]:
    """Return the names that a program gives: arguments, variables, functions."""
    names: set[str] = set()
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
    return names - set(dir(builtins)) - set(keyword.kwlist)
