"""What a student handed in: reading the folder, finding the notebook, putting our cells back.

Everything here treats the submission as hostile or broken. Of a submitted notebook only the text,
the type and the pasted pictures of its cells are used: its metadata serve to recognize cells and
decide nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, cast

import nbformat
from nbformat import NotebookNode

HIDDEN = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")  # as nbgrader's defaults
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")  # in which no script can be
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
MAX_BYTES = 100 * 2**20  # of one submission; more is refused before it is read


class RefusedError(Exception):
    """A submission that must not be opened; the text says why."""


class UnreadableError(Exception):
    """The submission has a notebook that cannot be read; the text says why."""


class MissingError(Exception):
    """The submission has no notebook of this chapter; the text says what was found."""


@dataclass
class Restored:
    """A submission with our own cells in their places, ready to run."""

    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)  # what had to be put right, for people


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the files below `folder`: relative path -> content. Empty when there are none.

    Raises RefusedError for a link, for what is no plain file, for what cannot be read, and for
    more than MAX_BYTES.
    """
    files: dict[str, bytes] = {}
    total = 0
    try:
        if folder.is_symlink() or folder.parent.is_symlink():
            raise RefusedError("the folder is a symbolic link")
        for path in _walk(folder):
            name = path.relative_to(folder).as_posix()
            if not is_utf8(name):
                raise RefusedError(f"the file name {name!a} is not UTF-8 text")
            if path.is_symlink():
                raise RefusedError(f"{name} is a symbolic link")
            if path.is_dir():
                continue
            if not path.is_file():
                raise RefusedError(f"{name} is not a plain file")
            total += path.stat().st_size
            if total > MAX_BYTES:
                raise RefusedError(f"the files are larger than {MAX_BYTES // 2**20} MB in all")
            files[name] = path.read_bytes()
    except OSError as error:
        raise RefusedError(f"{error.filename} cannot be read: {error.strerror}") from error
    except RecursionError:
        raise RefusedError("its folders are nested too deeply") from None
    return files


def _walk(folder: Path) -> Iterator[Path]:
    """Yield all files and folders below `folder`; unlike rglob, raise what cannot be listed."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def is_utf8(name: str) -> bool:
    """Whether a file name, as Python decodes it, is text that can be stored and shown."""
    return name.encode(errors="replace") == name.encode(errors="surrogateescape")


def with_support(files: Mapping[str, bytes], support: Mapping[str, bytes]) -> dict[str, bytes]:
    """A student's files and ours; a file of the student that is in the way of ours gives way."""
    folders = {str(parent) for name in support for parent in PurePosixPath(name).parents}
    kept = {
        name: content
        for name, content in files.items()
        if name not in folders
        and not any(str(parent) in support for parent in PurePosixPath(name).parents)
    }
    return {**kept, **support}


def restore(files: Mapping[str, bytes], chapter: str, template: NotebookNode) -> Restored:
    """Return the submitted notebook of `chapter` with all cells of `template` in place.

    The template decides the order, the text and the metadata of its cells; the student's text
    stands in its solution cells. All other cells of the student follow the template's cell that
    they followed in the submission.

    Raises UnreadableError or MissingError.
    """
    ids = [c.metadata["nbgrader"]["grade_id"] for c in template.cells if "nbgrader" in c.metadata]
    name, submitted, notes = _find_notebook(files, chapter, set(ids))
    if PurePosixPath(name).name != f"{chapter}.ipynb":
        notes.append(f"graded {name}")
    answers: dict[str, str] = {}
    pictures: dict[str, dict[str, Any]] = {}
    others: dict[str | None, list[NotebookNode]] = {None: []}
    copied = set()
    anchor = None
    for cell in submitted:
        grade_id = _grade_id(cell)
        if grade_id in ids and grade_id not in answers:
            anchor = grade_id
            answers[grade_id] = _text(cell)
            pictures[grade_id] = _pictures(cell)
            others[anchor] = []
        else:
            if grade_id in ids:
                copied.add(grade_id)
            others[anchor].append(_plain_cell(cell))
    restored = copy(template)
    restored.cells = others[None]
    for cell in template.cells:
        if "nbgrader" in cell.metadata:
            grade_id = cell.metadata["nbgrader"]["grade_id"]
            ours = deepcopy(cell)
            if ours.metadata["nbgrader"]["solution"] and grade_id in answers:
                ours.source = answers[grade_id]
                if ours.cell_type == "markdown":
                    ours.pop("attachments", None)
                    ours.update(pictures[grade_id])
            restored.cells += [ours, *others.get(grade_id, [])]
    missing = [grade_id for grade_id in ids if grade_id not in answers]
    if missing:
        notes.append(f"put back: {', '.join(missing)}")
    if copied:
        notes.append(f"copied cells: {', '.join(sorted(copied))}")
    for number, cell in enumerate(restored.cells):
        if "nbgrader" not in cell.metadata:
            cell.id = f"cell-{number}"
    return Restored(restored, notes)


def _find_notebook(
    files: Mapping[str, bytes], chapter: str, ids: set[str]
) -> tuple[str, list[Any], list[str]]:
    """Return name and cells of the chapter's notebook, found by its cells, and notes."""
    names = [n for n in sorted(files) if n.endswith(".ipynb") and ".ipynb_checkpoints" not in n]
    names.sort(key=lambda n: n != f"{chapter}.ipynb")
    if not names:
        raise MissingError("no notebook was handed in")
    reasons: list[str] = []
    found: list[tuple[int, str, list[Any]]] = []
    for name in names:
        try:
            cells = read_cells(files[name])
        except UnreadableError as error:
            reasons.append(f"{name} {error}")
            continue
        count = len({_grade_id(cell) for cell in cells} & ids)
        if count and name == f"{chapter}.ipynb":
            return name, cells, []
        if count:
            found.append((count, name, cells))
    if found:
        _, name, cells = max(found, key=lambda item: item[0])
        return name, cells, reasons
    if reasons:
        raise UnreadableError("; ".join(reasons))
    raise MissingError(f"no cell of this chapter in {', '.join(names)}")


def read_cells(content: bytes) -> list[Any]:
    """Return the cells of a notebook file of any format version, unchecked.

    Raises UnreadableError, whose text goes on after the file's name.
    """
    if not content.strip():
        raise UnreadableError("is empty")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError("is not UTF-8 text") from None
    try:
        notebook = json.loads(text)
        if notebook.get("nbformat", 4) < 4:
            notebook = nbformat.reads(text, as_version=4)
        cells = notebook["cells"]
    except json.JSONDecodeError:
        raise UnreadableError("is not a notebook: its JSON is broken or cut off") from None
    except RecursionError:
        raise UnreadableError("is not a notebook: its JSON is nested too deeply") from None
    except Exception as error:
        # Keyless or mistyped JSON raises many types; none may stop the class.
        raise UnreadableError(f"is JSON, but not a notebook ({type(error).__name__})") from None
    if not isinstance(cells, list):
        raise UnreadableError("is JSON, but not a notebook (its cells are no list)")
    return [cell for cell in cells if isinstance(cell, dict)]


def _grade_id(cell: Mapping[str, Any]) -> str:
    """The grade_id that a submitted cell carries, or the cell id, which ours equals."""
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    return str(grade_id or cell.get("id") or "")


def _text(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    return text.encode(
        errors="replace"
    ).decode()  # half a character would stop the kernel's messages


def _pictures(cell: Mapping[str, Any]) -> dict[str, Any]:
    """The pictures that were pasted into a cell for text, as the part of a cell that holds them."""
    found: dict[str, dict[str, str]] = {}
    given = cell.get("attachments")
    for name, kinds in given.items() if isinstance(given, dict) else []:
        for kind, content in kinds.items() if isinstance(kinds, dict) else []:
            if kind in PICTURES and isinstance(content, str) and BASE64.fullmatch(content):
                found[_text({"source": name})] = {kind: content}
    return {"attachments": found} if found else {}


def _plain_cell(cell: Mapping[str, Any]) -> NotebookNode:
    """A cell of the student's own: its text, type and pictures, and nothing else."""
    kind = cell.get("cell_type")
    plain: dict[str, Any] = {"cell_type": "raw", "metadata": {}, "source": _text(cell)}
    if kind == "code":
        plain |= {"cell_type": "code", "execution_count": None, "outputs": []}
    elif kind == "markdown":
        plain |= {"cell_type": "markdown", **_pictures(cell)}
    # As `nbformat.v4.new_code_cell` makes one, which would validate it.
    return cast(NotebookNode, nbformat.from_dict(plain))
