"""Lectures and exercises have the parts that students rely on, in the same order everywhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from conftest import ROOT
from nbformat import NotebookNode

from autograder.build import make_notebook
from autograder.course import read_exercises

LECTURES = sorted((ROOT / "notebooks").glob("*.py"))
EXERCISES = sorted((ROOT / "source").glob("*.py"))
FORBIDDEN = re.compile(r"\b(simply|just|obviously|trivial(ly)?|of course)\b", re.IGNORECASE)
CHECKS = r"\b(check\w*|compare|require)\(|\bassert\b"  # also by a helper, as check_gradient
CARD = re.compile(r"`Difficulty [●○]{5} · (\d+) minutes · (\d+) points?`")


def prose(notebook: NotebookNode) -> list[str]:
    """The lines of the text cells, without code blocks and inline code."""
    lines = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
            lines += re.sub(r"`[^`]*`", "", text).splitlines()
    return lines


def missing_parts(notebook: NotebookNode) -> list[str]:
    """The parts of a lecture that are not there, or not in their order."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    parts = [
        r"\A# \S", r"\*\*You will learn\*\*", r"\*\*Time:\*\*", r"^## (?!Check|What to|Further)",
        r"^## Check yourself$", r"<details>", r"^## What to remember$", r"^## Further reading$",
    ]  # fmt: skip
    missing, position = [], 0
    for part in parts:
        match = re.compile(part, re.MULTILINE).search(text, position)
        if match is None:
            missing.append(part)
        else:
            position = match.start()
    return missing


@pytest.mark.parametrize("script", LECTURES, ids=lambda path: path.stem)
def test_lecture_has_its_parts(script: Path) -> None:
    notebook = make_notebook(script)
    assert missing_parts(notebook) == []
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    goals = text[text.index("**You will learn**") : text.index("**Time:**")]
    assert 3 <= len(re.findall(r"^- ", goals, re.MULTILINE)) <= 5
    minutes = [int(n) for n in re.findall(r"\d+", text[text.index("**Time:**") :])[:1]]
    assert 25 <= minutes[0] <= 45
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    assert "ipywidgets.interact(" in code
    assert "assert" in code


def test_a_lecture_without_its_parts_is_found(tmp_path: Path) -> None:
    script = tmp_path / "lecture.py"
    script.write_text("# %% [markdown]\n# # Title\n# **You will learn**\n# ## Section\n")
    assert missing_parts(make_notebook(script))[0] == r"\*\*Time:\*\*"


@pytest.mark.parametrize(
    "script", [*LECTURES, *EXERCISES], ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_prose_is_plain(script: Path) -> None:
    """One sentence per line, no words that make a reader feel slow, no pictures without text."""
    for line in prose(make_notebook(script)):
        assert not FORBIDDEN.search(line), line
        assert not re.search(r"!\[\s*\]\(", line), f"an image without alternative text: {line}"
        sentences = re.findall(
            r"[a-z)\"*_][.?!] +(?=[A-Z])", re.sub(r"\be\.g\.|\bi\.e\.", "", line)
        )
        assert not sentences, f"more than one sentence: {line}"


@pytest.mark.parametrize("script", EXERCISES, ids=lambda path: path.stem)
def test_exercises_have_their_parts(script: Path) -> None:
    notebook = make_notebook(script)
    statements = [c.source for c in notebook.cells if c.source.startswith("## ")]
    exercises = read_exercises(notebook)
    assert 8 <= len(exercises) <= 12
    assert len(statements) == len(exercises)
    minutes = 0
    for number, (statement, exercise) in enumerate(zip(statements, exercises, strict=True), 1):
        assert statement.startswith(f"## {number}. "), statement.splitlines()[0]
        card = CARD.search(statement.splitlines()[2])
        assert card, f"no card line: {statement.splitlines()[2]}"
        assert int(card[2]) == exercise.total, f"{exercise.name}: points of card and tests differ"
        minutes += int(card[1])
        assert re.search(r"```python\n.*?^# .*?```", statement, re.DOTALL | re.MULTILINE), (
            f"{exercise.name}: no worked example whose comment shows the result"
        )
        hint = re.search(
            r"<details><summary>Hint</summary>\n\n(.*?)\n\n</details>", statement, re.S
        )
        assert hint, f"{exercise.name}: no folded hint"
        assert all("?" in line for line in hint[1].splitlines() if line.startswith("- "))
    total = sum(exercise.total for exercise in exercises)
    assert 20 <= total <= 30
    assert 45 <= minutes <= 75


@pytest.mark.parametrize("script", EXERCISES, ids=lambda path: path.stem)
def test_test_cells_have_their_parts(script: Path) -> None:
    cells = {cell.id: cell.source for cell in make_notebook(script).cells}
    for exercise in read_exercises(make_notebook(script)):
        assert "### BEGIN SOLUTION" in cells[exercise.name]
        for name, points in exercise.points.items():
            assert name.startswith(exercise.name), name
            assert 1 <= points <= 3
            visible, _, hidden = cells[name].partition("### BEGIN HIDDEN TESTS")
            assert re.search(CHECKS, visible), f"{name}: no visible test"
            assert re.search(CHECKS, hidden), f"{name}: no hidden test"


@pytest.mark.parametrize("script", EXERCISES, ids=lambda path: path.stem)
def test_worked_examples_show_what_the_reference_gives(script: Path) -> None:
    """Each ```python block of a statement runs, and prints exactly what its comments say."""
    notebook = make_notebook(script)
    namespace: dict[str, object] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.metadata["nbgrader"]["grade"]:
            exec(cell.source, namespace)
    blocks = 0
    for cell in notebook.cells:
        if not cell.source.startswith("## "):
            continue
        for block in re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL):
            if block.startswith("def "):
                continue  # the executable specification
            blocks += 1
            shown: list[str] = []
            code = ""
            for line in [*block.splitlines(), ""]:
                if line.startswith("# "):
                    shown.append(line[2:])
                    continue
                if shown:
                    *before, last = code.strip().splitlines()
                    exec("\n".join(before), namespace)
                    assert repr(eval(last, namespace)) == "\n".join(shown), block
                    code, shown = "", []
                code += line + "\n"
            exec(code, namespace)  # what shows nothing, but tidies up
    assert blocks >= 8


def test_chapters_share_their_checker() -> None:
    """A chapter may add helpers to its set-up cell, but those of all chapters are the same."""
    sources: dict[str, set[str]] = {}
    for script in EXERCISES:
        setup = next(cell.source for cell in make_notebook(script).cells if cell.id == "setup")
        for node in ast.parse(setup).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                sources.setdefault(node.name, set()).add(ast.unparse(node))
    assert {"TestFailed", "find_difference", "check"} <= set(sources)
    assert [name for name, versions in sources.items() if len(versions) > 1] == []
