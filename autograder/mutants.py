"""Mutants: a reference solution with one change each, as a student might have got it wrong.

A mutant that gets all points shows a test that is too weak. `operators.py` says what is changed.
A mutant is named by its diff, in lines that Python itself writes from the syntax tree: the name
stays when the layout or other lines of the solution change.
"""

from __future__ import annotations

import ast
import difflib
import io
import textwrap
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autograder.operators import OPERATORS, Change, Scope

MAX_COLUMNS = 88  # of a line in a diff
ANYTHING = "+ ..."  # in a diff that stands for all changes of a line


@dataclass(frozen=True)
class Mutant:
    """A solution with one change."""

    code: str  # of the whole cell
    diff: str  # the changed lines, each after "- " or "+ ": its name in the answers file

    @property
    def comment(self) -> str:
        """The diff as it is written in the answers file."""
        return "\n".join(f"# {line}".rstrip() for line in self.diff.splitlines())


def mutate(source: str) -> list[Mutant]:
    """Return all mutants of a solution cell: of what stands between its solution markers.

    Each is other code than the reference, and compiles. Raises SyntaxError for a cell that is no
    plain Python.
    """
    tree = ast.parse(source)
    reference = ast.unparse(tree)
    lines = _solution_lines(source)
    nodes = list(ast.walk(tree))
    stored = [n for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    loops = [node.target for node in nodes if isinstance(node, ast.For)]
    items = {n.id for loop in loops for n in ast.walk(loop) if isinstance(n, ast.Name)}
    parameters = frozenset(node.arg for node in nodes if isinstance(node, ast.arg)) | items
    texts: dict[str, None] = {}  # ordered
    for place in _places(tree):
        if getattr(place.node, "lineno", 0) not in lines:
            continue
        before = {name.id for name in stored if name.lineno < place.node.lineno}
        scope = Scope(place.parent, parameters, parameters | before)
        for operator in OPERATORS:
            for change in operator(place.node, scope):
                text = place.unparse_with(change, tree)
                if text != reference and _compiles(text):
                    texts[text] = None
    diffs = _diffs(reference, list(texts))
    return [Mutant(text, diff) for text, diff in zip(texts, diffs, strict=True)]


def is_covered(diff: str, by: str) -> bool:
    """Whether the diff of a mutant is `by`, or `by` has its old lines and ANYTHING as new one."""
    if not by.endswith(f"\n{ANYTHING}"):
        return diff == by
    old = _align([line for line in diff.splitlines() if line.startswith("-")])
    return f"{old}\n{ANYTHING}" == by


def read_diff(comment: str) -> str:
    """Return the `diff` of a mutant that is written as a comment."""
    return _align([line.removeprefix("#").removeprefix(" ") for line in comment.splitlines()])


@dataclass
class _Place:
    """Where a node stands in the tree: in a field of its parent, at `index` if that is a list."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.expr | ast.stmt

    def unparse_with(self, change: Change, tree: ast.AST) -> str:
        """Return the text of `tree` with `change` in this place; the tree stays as it is."""
        old = getattr(self.parent, self.field)
        new: object = change
        if self.index is not None:
            changed = change if isinstance(change, list) else [change]
            new = [*old[: self.index], *changed, *old[self.index + 1 :]]
            new = new or [ast.Pass()]
        setattr(self.parent, self.field, new)
        try:
            return ast.unparse(ast.fix_missing_locations(tree))
        finally:
            setattr(self.parent, self.field, old)


def _places(parent: ast.AST) -> Iterator[_Place]:
    """Yield the places of expressions and statements, without docstrings, texts and types."""
    for field, value in ast.iter_fields(parent):
        if field in ("annotation", "returns"):
            continue
        many = isinstance(value, list)
        for index, node in enumerate(value if many else [value]):
            if isinstance(node, ast.JoinedStr) or _is_text(node):
                continue
            if isinstance(node, ast.expr | ast.stmt):
                yield _Place(parent, field, index if many else None, node)
            if isinstance(node, ast.AST):
                yield from _places(node)


def _solution_lines(source: str) -> set[int]:
    """Return the numbers of the lines that students do not get; all where nothing is marked."""
    found, inside = set(), False
    for number, line in enumerate(source.splitlines(), start=1):
        inside = (inside or "### BEGIN SOLUTION" in line) and "### END SOLUTION" not in line
        if inside:
            found.add(number)
    return found or set(range(1, len(source.splitlines()) + 1))


def _compiles(text: str) -> bool:
    try:
        compile(text, "<mutant>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _diffs(reference: str, texts: list[str]) -> list[str]:
    """Return what is changed in each of `texts`, with as many lines around it as tell it apart."""
    diffs = [_diff(reference, text, 0) for text in texts]
    context, alike = 0, list(range(len(texts)))
    while True:
        counts = Counter(diffs)
        alike = [i for i in alike if counts[diffs[i]] > 1]
        if not alike:
            return diffs
        context += 1
        for i in alike:
            diffs[i] = _diff(reference, texts[i], context)


def _diff(old: str, new: str, context: int) -> str:
    lines = difflib.unified_diff(_wrap(old), _wrap(new), n=context, lineterm="")
    return _align(
        [f"{line[:1]} {line[1:]}" for line in list(lines)[2:] if not line.startswith("@")]
    )


def _wrap(text: str) -> list[str]:
    """Return the lines of `text`; in long ones, each argument or item has a line of its own."""
    breaks: list[tuple[int, int, int]] = []  # line, column, how far to indent what follows
    lines, depth = text.splitlines(), 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        number, column = token.end
        if token.type == tokenize.OP and len(lines[number - 1]) > MAX_COLUMNS:
            opens, closes = token.string in "([{", token.string in ")]}"
            if closes and depth == 1:
                breaks.append((number, column - 1, 0))
            depth += opens - closes
            if depth == 1 and (opens or token.string == ","):
                breaks.append((number, column, 4))
    for number, column, indent in reversed(breaks):
        line = lines[number - 1]
        margin = " " * (len(line) - len(line.lstrip()) + indent)
        lines[number - 1 : number] = [line[:column], margin + line[column:].lstrip()]
    return [line for line in lines if line.strip()]


def _align(lines: Sequence[str]) -> str:
    """Return the lines of a diff without the indentation that all of them have."""
    text = textwrap.dedent("\n".join(line[2:] for line in lines)).splitlines()
    return "\n".join(f"{line[:1]} {rest}".rstrip() for line, rest in zip(lines, text, strict=True))


def _is_text(node: object) -> bool:
    """Whether a statement is a docstring, or a text that stands alone."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
