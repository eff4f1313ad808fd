"""Our own notebooks as objects and as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.course import CourseError


def from_bytes(content: bytes) -> NotebookNode:
    """Return the notebook in `content`, which is one of ours and therefore valid."""
    notebook: NotebookNode = nbformat.v4.reads(content.decode())
    return notebook


def to_bytes(notebook: NotebookNode) -> bytes:
    """Return `notebook` as the bytes of its file; what UTF-8 cannot hold becomes `?`."""
    return f"{nbformat.v4.writes(notebook)}\n".encode(errors="replace")


def new_output(kind: str, **content: Any) -> NotebookNode:
    """Return an output of a cell as `nbformat.v4.new_output` does, which would validate it."""
    output: NotebookNode = nbformat.from_dict({"output_type": kind, **content})
    return output


def new_error(name: str, text: str, shown: Sequence[str] | None = None) -> NotebookNode:
    """Return the output of a cell that failed with an error `name`.

    People see the lines `shown`, else `text`.
    """
    traceback = [text] if shown is None else list(shown)
    return new_output("error", ename=name, evalue=text, traceback=traceback)


def read_notebook(path: Path) -> NotebookNode:
    """Return the notebook in the file `path`, which is one of ours.

    Raises CourseError when it cannot be read.
    """
    try:
        return from_bytes(path.read_bytes())
    except Exception as error:  # missing, or edited by hand into anything
        raise CourseError(f"{path} cannot be read: run `autograder build`") from error


def fill_in(notebook: NotebookNode, answers: Mapping[str, str]) -> bytes:
    """Return `notebook` with code in the cells whose id `answers` names, as a student saves it."""
    filled = deepcopy(notebook)
    for cell in filled.cells:
        cell.source = answers.get(cell.id, cell.source)
    return to_bytes(filled)
