"""Reading what was handed in and putting our own cells back; no kernel is needed for that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CHAPTER, RIGHT
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.build import make_template
from autograder.course import Course
from autograder.notebook import fill_in, read_notebook, to_bytes
from autograder.submission import (
    MissingError,
    RefusedError,
    Restored,
    UnreadableError,
    read_cells,
    read_folder,
    restore,
)

NAME = f"{CHAPTER}.ipynb"


@pytest.fixture
def template(small: Course) -> NotebookNode:
    return make_template(read_notebook(small.source_notebook(CHAPTER)))


@pytest.fixture
def release(small: Course) -> NotebookNode:
    return read_notebook(small.root / "release" / CHAPTER / NAME)


@pytest.fixture
def restored(template: NotebookNode) -> Callable[[NotebookNode], Restored]:
    return lambda notebook: restore({NAME: to_bytes(notebook)}, CHAPTER, template)


def ids(notebook: NotebookNode) -> list[str]:
    return [c.metadata.nbgrader.grade_id for c in notebook.cells if "nbgrader" in c.metadata]


def sources(notebook: NotebookNode) -> dict[str, str]:
    return {
        c.metadata.nbgrader.grade_id: c.source for c in notebook.cells if "nbgrader" in c.metadata
    }


ALL = ["setup", "twice", "twice-small", "twice-negative", "last", "last-values"]


def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "handed in"
    folder.mkdir()
    deep = folder
    for _ in range(1500):
        deep = deep / "d"
        deep.mkdir()
    try:
        with pytest.raises(RefusedError, match="nested too deeply"):
            read_folder(folder)
    finally:
        # pytest would fail on it later, when it clears old temporary folders away.
        while deep != folder:
            deep.rmdir()
            deep = deep.parent


def test_the_template_has_hidden_tests_and_no_solution(template: NotebookNode) -> None:
    text = "\n".join(cell.source for cell in template.cells)
    assert "check(twice(21), 42)" in text
    assert "2 * x" not in text
    assert "items[-1]" not in text


def test_answers_stand_in_our_cells(template: NotebookNode, release: NotebookNode) -> None:
    result = restore({NAME: fill_in(release, RIGHT)}, CHAPTER, template)
    assert ids(result.notebook) == ALL
    assert sources(result.notebook)["twice"] == RIGHT["twice"]
    assert "check(twice(21), 42)" in sources(result.notebook)["twice-small"]
    assert result.notes == []


def test_edited_tests_are_restored(
    template: NotebookNode, release: NotebookNode, restored: Callable[[NotebookNode], Restored]
) -> None:
    for cell in release.cells:
        cell.source = "pass"
    assert sources(restored(release).notebook) == {
        **sources(template),
        "twice": "pass",
        "last": "pass",
    }


def test_deleted_cells_are_put_back(
    release: NotebookNode, restored: Callable[[NotebookNode], Restored]
) -> None:
    release.cells = [c for c in release.cells if c.id in ("twice", "last")]
    result = restored(release)
    assert ids(result.notebook) == ALL
    assert result.notes == ["put back: setup, twice-small, twice-negative, last-values"]


def test_a_copied_cell_runs_as_a_plain_one(
    release: NotebookNode, restored: Callable[[NotebookNode], Restored]
) -> None:
    position = next(i for i, c in enumerate(release.cells) if c.id == "twice-small")
    copied = new_code_cell("check(1, 1)", id="copied", metadata=release.cells[position].metadata)
    release.cells.insert(position + 1, copied)
    result = restored(release)
    assert ids(result.notebook) == ALL
    assert result.notes == ["copied cells: twice-small"]
    assert "check(1, 1)" in [c.source for c in result.notebook.cells]


@pytest.mark.parametrize("cell_type", ["markdown", "raw"])
def test_a_retyped_cell_is_code_again(
    release: NotebookNode, restored: Callable[[NotebookNode], Restored], cell_type: str
) -> None:
    for cell in release.cells:
        if cell.cell_type == "code":
            cell.cell_type = cell_type
            del cell["outputs"], cell["execution_count"]
    ours = [c for c in restored(release).notebook.cells if "nbgrader" in c.metadata]
    assert [c.metadata.nbgrader.grade_id for c in ours] == ALL
    assert all(c.cell_type == "code" for c in ours)


def test_metadata_of_a_submission_decide_nothing(
    template: NotebookNode, release: NotebookNode, restored: Callable[[NotebookNode], Restored]
) -> None:
    for cell in release.cells:
        cell.metadata["tags"] = ["skip-execution"]
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.update(
                points=1000, schema_version=99, solution=True, locked=False, grade=False
            )
    notebook = restored(release).notebook
    for cell in notebook.cells:
        assert "tags" not in cell.metadata
    ours = {c.metadata.nbgrader.grade_id: c for c in notebook.cells if "nbgrader" in c.metadata}
    for cell in template.cells:
        if "nbgrader" in cell.metadata:
            assert ours[cell.metadata.nbgrader.grade_id].metadata == cell.metadata


def test_order_of_a_submission_decides_nothing(
    release: NotebookNode, restored: Callable[[NotebookNode], Restored]
) -> None:
    release.cells.reverse()
    assert ids(restored(release).notebook) == ALL


def test_cells_of_the_student_stay_where_they_were(
    release: NotebookNode, restored: Callable[[NotebookNode], Restored]
) -> None:
    position = next(i for i, c in enumerate(release.cells) if c.id == "twice")
    release.cells.insert(position, new_code_cell("helper = 1"))
    release.cells.insert(0, new_markdown_cell("My name"))
    cells = restored(release).notebook.cells
    assert cells[0].source == "My name"
    names = [c.metadata.get("nbgrader", {}).get("grade_id", c.source) for c in cells]
    assert names.index("setup") < names.index("helper = 1") < names.index("twice")


def test_cells_are_found_by_their_ids_when_metadata_are_lost(
    template: NotebookNode, release: NotebookNode
) -> None:
    notebook = json.loads(fill_in(release, RIGHT))
    for cell in notebook["cells"]:
        cell["metadata"] = {}
    result = restore({NAME: json.dumps(notebook).encode()}, CHAPTER, template)
    assert sources(result.notebook)["last"] == RIGHT["last"]


def test_a_renamed_notebook_is_found_by_its_cells(
    template: NotebookNode, release: NotebookNode
) -> None:
    other = to_bytes(NotebookNode(release, cells=[new_code_cell("x = 1")]))
    files = {"notes.ipynb": other, "final (2).ipynb": fill_in(release, RIGHT)}
    result = restore(files, CHAPTER, template)
    assert sources(result.notebook)["twice"] == RIGHT["twice"]
    assert result.notes == ["graded final (2).ipynb"]


def test_the_notebook_of_the_right_name_counts(
    template: NotebookNode, release: NotebookNode
) -> None:
    """... also when a copy beside it has more of the chapter's cells."""
    shorter = NotebookNode(release, cells=[c for c in release.cells if c.id != "last-values"])
    files = {"copy.ipynb": fill_in(release, {}), NAME: fill_in(shorter, RIGHT)}
    assert sources(restore(files, CHAPTER, template).notebook)["last"] == RIGHT["last"]


def test_nbformat_3_is_read(template: NotebookNode) -> None:
    cells = [
        {"cell_type": "code", "language": "python", "metadata": {"nbgrader": {"grade_id": name}},
         "input": code, "outputs": [], "collapsed": False}
        for name, code in RIGHT.items()
    ]  # fmt: skip
    notebook = {
        "metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0,
        "worksheets": [{"cells": cells, "metadata": {}}],
    }  # fmt: skip
    result = restore({NAME: json.dumps(notebook).encode()}, CHAPTER, template)
    assert sources(result.notebook)["twice"] == RIGHT["twice"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"cells": [', "broken or cut off"),
        (b"[" * 200_000, "nested too deeply"),
        (b"{}", "JSON, but not a notebook"),
        (b"[1, 2]", "JSON, but not a notebook"),
        (b'"text"', "JSON, but not a notebook"),
        (b"null", "JSON, but not a notebook"),
        (b'{"cells": {}, "nbformat": 4, "nbformat_minor": 5}', "JSON, but not a notebook"),
        (b'{"cells": [1], "nbformat": "four"}', "JSON, but not a notebook"),
    ],
)
def test_broken_files_are_unreadable(content: bytes, reason: str, template: NotebookNode) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read_cells(content)
    with pytest.raises(UnreadableError, match=f"{CHAPTER}.ipynb .*{reason}"):
        restore({NAME: content}, CHAPTER, template)


def test_odd_cells_are_read(template: NotebookNode) -> None:
    cells = [
        {
            "cell_type": "code",
            "metadata": {"nbgrader": {"grade_id": "twice"}},
            "source": ["a\n", "b"],
        },
        {"cell_type": "code", "metadata": {"nbgrader": "full marks"}, "source": 42, "outputs": "x"},
        {"cell_type": "video", "metadata": {}, "source": "x"},
    ]
    notebook = {"cells": cells, "nbformat": 4, "nbformat_minor": 4, "metadata": {"kernelspec": 1}}
    result = restore({NAME: json.dumps(notebook).encode()}, CHAPTER, template)
    assert sources(result.notebook)["twice"] == "a\nb"
    assert to_bytes(result.notebook)


@pytest.mark.parametrize("files", [{}, {"answers.txt": b"42"}])
def test_without_a_notebook_it_is_missing(files: dict[str, bytes], template: NotebookNode) -> None:
    with pytest.raises(MissingError, match="no notebook"):
        restore(files, CHAPTER, template)


def test_a_notebook_of_something_else_is_missing(
    template: NotebookNode, release: NotebookNode
) -> None:
    other = to_bytes(NotebookNode(release, cells=[new_code_cell("x = 1")]))
    with pytest.raises(MissingError, match=r"no cell of this chapter in holiday\.ipynb"):
        restore({"holiday.ipynb": other}, CHAPTER, template)
