"""Builds the course: percent scripts to notebooks, and notebooks to what students get.

One way only, and reproducible: the same scripts give the same bytes. The release is made by
nbgrader's own generate_assignment, in a temporary folder and without a gradebook, so that a build
never touches a course in use.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import tempfile
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import ClearOutput, ClearSolutions, ComputeChecksums, LockCells
from traitlets.config import Config

from autograder.course import CONFIG_NAME, Course, CourseError, read_exercises, read_script
from autograder.notebook import read_notebook, to_bytes

KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# Any marker, also a misspelled one that nbgrader would not recognize and therefore not remove.
MARKER = re.compile(r"^\s*#+\s*(BEGIN|END)\b.*", re.IGNORECASE | re.MULTILINE)


def make_notebook(script: Path) -> NotebookNode:
    """Return the notebook of a percent script: no outputs, no jupytext metadata, stable cell ids.

    A cell's id is its grade_id, else a hash of its text. nbgrader's metadata are completed with
    the defaults of its schema, so that a script names only what matters.

    Raises CourseError when two cells have the same grade_id.
    """
    notebook: NotebookNode = nbformat.v4.new_notebook(metadata=KERNEL)
    seen: dict[str, int] = {}
    for cell in read_script(script).cells:
        metadata = {key: cell.metadata[key] for key in ("nbgrader", "tags") if key in cell.metadata}
        if "nbgrader" in metadata:
            cell_id = _grade_id(script, metadata["nbgrader"])
            metadata["nbgrader"] = complete(metadata["nbgrader"])
            if cell_id in seen:
                raise CourseError(f"{script}: two cells have the grade_id {cell_id!r}: rename one")
            seen[cell_id] = 1
        else:
            digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
            seen[digest] = seen.get(digest, 0) + 1
            cell_id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
        notebook.cells.append(make(cell.source, id=cell_id, metadata=metadata))
    nbformat.validate(notebook)
    return notebook


def _grade_id(script: Path, given: object) -> str:
    grade_id = given.get("grade_id") if isinstance(given, dict) else None
    if not isinstance(grade_id, str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", grade_id):
        raise CourseError(
            f"{script}: a cell marked nbgrader={given!r} needs "
            'nbgrader={"grade_id": "NAME", ...} with letters, digits, - and _ in its name'
        )
    return grade_id


def complete(given: dict[str, object]) -> dict[str, object]:
    """Return nbgrader's metadata of a cell with the defaults of its schema filled in."""
    grade = bool(given.get("grade", False))
    defaults = {"grade": grade, "solution": False, "locked": grade, "task": False}
    return {"schema_version": 3, **defaults, **given}


def find_leaks(notebook: NotebookNode) -> list[str]:
    """Return what a released notebook must not contain, one phrase for each find."""
    leaks = [f"notebook metadata {key!r}" for key in notebook.metadata if key == "jupytext"]
    for cell in notebook.cells:
        leaks += [
            f"cell {cell.id!r} has the line {m.group().strip()!r}"
            for m in MARKER.finditer(cell.source)
        ]
        if cell.get("outputs") or cell.get("execution_count"):
            leaks.append(f"cell {cell.id!r} has outputs")
        extra = set(cell.metadata) - {"nbgrader", "tags", "deletable", "editable"}
        leaks += [f"cell {cell.id!r} has metadata {key!r}" for key in sorted(extra)]
    return leaks


def generate_release(root: Path, chapter: str, config: Config) -> Path:
    """Run nbgrader's generate_assignment for one chapter of the course folder `root`.

    Returns the folder `root/release/chapter`; records the chapter in the gradebook of `config`.
    Raises CourseError with nbgrader's reason when it refuses.
    """
    config = Config(config)
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.assignment_id = chapter
    config.BaseConverter.force = True
    log = logging.getLogger("autograder.nbgrader")
    reasons = _Reasons()
    log.addHandler(reasons)
    log.propagate = False
    try:
        directory = CourseDirectory(config=config)
        GenerateAssignment(coursedir=directory, config=config, log=log).start()
    except NbGraderException as error:
        traceback = next((t for t in reasons.texts if t.startswith("Traceback")), str(error))
        # The last line that begins with the type of an error; some libraries add more below it.
        types = re.findall(r"^[A-Za-z_][\w.]*: .*$", traceback, re.MULTILINE)
        reason = types[-1] if types else traceback.strip().splitlines()[-1]
        raise CourseError(f"nbgrader cannot release {chapter}: {reason}") from error
    finally:
        log.removeHandler(reasons)
    return root / "release" / chapter


class _Reasons(logging.Handler):
    """Keeps nbgrader's error messages, to say one of them in our own words."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def render(course: Course) -> dict[str, bytes]:
    """Return every generated file of the course: path below the root -> bytes.

    Raises CourseError when a script is wrong, a `.py` lies where it would be released, or a
    release would contain what students must not see.
    """
    files = {
        f"notebooks/{s.stem}.ipynb": to_bytes(make_notebook(s)) for s in course.lecture_scripts
    }
    with tempfile.TemporaryDirectory(prefix="autograder-build-") as folder:
        root = Path(folder)
        shutil.copy(course.root / CONFIG_NAME, root)
        config = course.nbgrader_config()
        config.GenerateAssignment.no_database = True
        config.SaveCells.enabled = False
        for script in course.exercise_scripts:
            chapter = script.stem
            notebook = make_notebook(script)
            if not read_exercises(notebook):
                raise CourseError(f"{script} has no exercise: mark a cell as a solution")
            source = root / "source" / chapter
            source.mkdir(parents=True)
            for name, content in course.support_files(chapter).items():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_bytes(content)
            content = to_bytes(notebook)
            files[f"source/{chapter}/{chapter}.ipynb"] = content
            (source / f"{chapter}.ipynb").write_bytes(content)
            release = generate_release(root, chapter, config)
            leaks = find_leaks(read_notebook(release / f"{chapter}.ipynb"))
            if leaks:
                raise CourseError(f"{script}: the release would leak: {'; '.join(leaks)}")
            for path in sorted(p for p in release.rglob("*") if p.is_file()):
                files[path.relative_to(root).as_posix()] = path.read_bytes()
    return files


def build(course: Course) -> list[str]:
    """Write all generated files and remove stray ones; return the paths that changed."""
    files = render(course)
    changed = [path for path, content in files.items() if _read(course.root / path) != content]
    for path in changed:
        (course.root / path).parent.mkdir(parents=True, exist_ok=True)
        (course.root / path).write_bytes(files[path])
    stray = sorted(_generated(course) - files.keys())
    for path in stray:
        (course.root / path).unlink()
    return changed + stray


def load_chapter(course: Course, chapter: str) -> NotebookNode:
    """Return the instructor's notebook of a chapter.

    Raises CourseError when there is none, or when its script was edited after the last build.
    """
    path = course.source_notebook(chapter)
    script = course.root / "source" / f"{chapter}.py"
    if script.is_file() and to_bytes(make_notebook(script)) != path.read_bytes():
        raise CourseError(f"{path} is not what {script} says: run `autograder build` first")
    return read_notebook(path)


def make_template(source: NotebookNode) -> NotebookNode:
    """Return the instructor's notebook without solutions, with hidden tests, ready for grading."""
    template = deepcopy(source)
    for preprocessor in [LockCells(), ClearSolutions(), ClearOutput(), ComputeChecksums()]:
        template, _ = preprocessor.preprocess(template, {})
    return template


def check(course: Course) -> list[str]:
    """Return one line for each generated file that is not what its script says; change nothing."""
    files = render(course)
    stale = [
        f"{path} is not what {_script_of(path)} says: edit {_script_of(path)}, "
        "then run `autograder build`"
        for path, content in files.items()
        if _read(course.root / path) != content
    ]
    stray = sorted(_generated(course) - files.keys())
    return stale + [f"{path} comes from no script: run `autograder build`" for path in stray]


def _generated(course: Course) -> set[str]:
    """All files that stand where only generated files belong."""
    found = [
        *course.root.glob("notebooks/*.ipynb"),
        *course.root.glob("source/*/*.ipynb"),
        *course.root.glob("release/**/*"),
    ]
    return {
        p.relative_to(course.root).as_posix()
        for p in found
        if p.is_file() and ".ipynb_checkpoints" not in p.parts
    }


def _script_of(path: str) -> str:
    top, name = Path(path).parts[:2]
    return f"{'notebooks' if top == 'notebooks' else 'source'}/{Path(name).stem}.py"


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
