"""What the course consists of, read from its folders.

A course is the folder that holds `nbgrader_config.py`. Its chapters are the scripts
`source/NN_topic.py`, its lectures the scripts `notebooks/NN_topic.py`. This module reads; it
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from traitlets import TraitError
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from autograder.limits import Limits

CONFIG_NAME = "nbgrader_config.py"


class CourseError(Exception):
    """Something that a person can put right; the text is one line that says how."""


@dataclass(frozen=True)
class Exercise:
    """One exercise: the cell for the answer, and the test cells with their points."""

    name: str
    title: str
    points: dict[str, float]  # grade_id of each test cell -> points

    @property
    def total(self) -> float:
        """All points of this exercise."""
        return sum(self.points.values())


@dataclass(frozen=True)
class Answer:
    """An answer from `tests/answers`, to be put in place of a solution."""

    exercise: str
    title: str
    code: str
    right: bool
    says: str = ""  # words that the message of a wrong answer must contain


@dataclass(frozen=True)
class Equivalent:
    """A mutant of a solution that no test can tell from it, marked in `tests/answers`."""

    exercise: str
    reason: str
    comment: str  # the diff


@dataclass(frozen=True)
class Course:
    """The folders of a course below `root`."""

    root: Path

    @property
    def lecture_scripts(self) -> list[Path]:
        """The sources of the lectures, in order."""
        return sorted((self.root / "notebooks").glob("*.py"))

    @property
    def exercise_scripts(self) -> list[Path]:
        """The sources of the exercises, in order."""
        return sorted((self.root / "source").glob("*.py"))

    @property
    def data(self) -> Path | None:
        """The folder of the data sets that notebooks read, if there is one."""
        folder = self.root / "data"
        return folder if folder.is_dir() else None

    def source_notebook(self, chapter: str) -> Path:
        """The instructor's notebook of a chapter, with solutions and hidden tests."""
        path = self.root / "source" / chapter / f"{chapter}.ipynb"
        if not path.is_file():
            known = sorted(p.parent.name for p in (self.root / "source").glob("*/*.ipynb"))
            raise CourseError(
                f"no chapter {chapter!r} in {self.root / 'source'}: "
                f"choose one of {', '.join(known) or '(none; run `autograder build`)'}"
            )
        return path

    def support_files(self, chapter: str) -> dict[str, bytes]:
        """The files that are released beside a chapter's notebook: relative path -> content.

        Raises CourseError for a `.py`, which would take the answers along, and for a folder
        `data`, which is the name of the course's own.
        """
        folder = self.root / "source" / chapter
        files = {}
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if path.suffix == ".py":
                raise CourseError(
                    f"{path} would be released with its answers: move it out of {folder}"
                )
            if path.is_relative_to(folder / "data"):
                raise CourseError(f"{path}: rename this folder, data/ is that of the whole course")
            if path.suffix != ".ipynb":
                files[path.relative_to(folder).as_posix()] = path.read_bytes()
        return files

    def nbgrader_config(self) -> Config:
        """The course's own nbgrader settings, with this course's root.

        Raises CourseError when the file that holds them fails.
        """
        try:
            config: Config = PyFileConfigLoader(CONFIG_NAME, path=str(self.root)).load_config()
        except Exception as error:  # the file is Python and can fail in any way
            raise CourseError(f"{self.root / CONFIG_NAME}: {error!r}: mend that line") from error
        config.CourseDirectory.root = str(self.root)
        return config

    def limits(self) -> Limits:
        """What a submission may use, as the course's nbgrader settings say.

        Raises CourseError for a limit that is none.
        """
        try:
            return Limits(config=self.nbgrader_config())
        except TraitError as error:
            raise CourseError(f"{CONFIG_NAME}: {error}") from error


def find_course(start: Path) -> Course:
    """Return the course that `start` lies in, looking upwards for `nbgrader_config.py`.

    Raises CourseError when there is none.
    """
    for folder in [start.resolve(), *start.resolve().parents]:
        if (folder / CONFIG_NAME).is_file():
            return Course(folder)
    raise CourseError(
        f"no {CONFIG_NAME} in {start.resolve()} or above it: change into the course folder first"
    )


def read_files(folder: Path | None) -> dict[str, bytes]:
    """Return all files in `folder` and below it: relative path -> content."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder else []
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if folder}


def read_script(path: Path) -> NotebookNode:
    """Return the cells of a percent script as jupytext reads them.

    Raises CourseError when the file is not UTF-8 or a cell's marker cannot be read.
    """
    import jupytext  # not above: it brings all of Jupyter's server along

    try:
        script: NotebookNode = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    except UnicodeDecodeError as error:
        raise CourseError(f"{path} is not UTF-8 text ({error.reason}): save it as UTF-8") from error
    for cell in script.cells:
        broken = cell.metadata.get("incorrectly_encoded_metadata")
        if broken:
            raise CourseError(f"{path}: mend the JSON of the cell marker `# %% {broken}`")
    return script


def read_exercises(notebook: NotebookNode) -> list[Exercise]:
    """Return the exercises of a chapter's notebook in order.

    A test cell belongs to the solution cell before it; an exercise is named by its solution cell.
    """
    exercises: list[Exercise] = []
    heading = ""
    for cell in notebook.cells:
        meta = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            heading = cell.source.splitlines()[0].removeprefix("## ")
        if meta.get("solution"):
            exercises.append(Exercise(meta["grade_id"], heading, {}))
        if meta.get("grade"):
            if not exercises:
                raise CourseError(f"test cell {meta['grade_id']!r} stands before any solution cell")
            try:
                exercises[-1].points[meta["grade_id"]] = float(meta["points"])
            except (KeyError, ValueError):
                raise CourseError(
                    f"test cell {meta['grade_id']!r} needs a number of points"
                ) from None
    return exercises


def read_answers(path: Path) -> list[Answer]:
    """Return the answers of a script in which each cell is marked `right=` or `wrong=`.

    Raises CourseError when a cell has no mark, or a wrong answer no `says=`.
    """
    answers = []
    for cell in _answer_cells(path):
        meta, title = cell.metadata, cell.metadata.get("title", "").strip()
        if isinstance(meta.get("right"), str):
            answers.append(Answer(meta["right"], title, cell.source, right=True))
        elif isinstance(meta.get("wrong"), str) and isinstance(meta.get("says"), str):
            answers.append(Answer(meta["wrong"], title, cell.source, False, meta["says"]))
        elif not isinstance(meta.get("equivalent"), str):
            first = cell.source.splitlines()[0] if cell.source else "an empty cell"
            raise CourseError(
                f'{path}: the cell that begins with "{first}" needs right="EXERCISE", '
                'or wrong="EXERCISE" and says="WORDS"'
            )
    return answers


def read_equivalents(path: Path) -> list[Equivalent]:
    """Return what the cells marked `equivalent=` in a script of answers say.

    Raises CourseError when one gives no reason.
    """
    found = []
    for cell in _answer_cells(path):
        exercise = cell.metadata.get("equivalent")
        if isinstance(exercise, str):
            reason = cell.metadata.get("title", "").strip()
            if not reason:
                raise CourseError(
                    f'{path}: a cell with equivalent="{exercise}" gives no reason: '
                    "write it after the # %%"
                )
            found.append(Equivalent(exercise, reason, cell.source))
    return found


def _answer_cells(path: Path) -> list[NotebookNode]:
    if not path.is_file():
        raise CourseError(f"{path} is missing: it holds right and wrong answers of this chapter")
    return [
        cell
        for cell in read_script(path).cells
        if cell.cell_type == "code" and not cell.source.lstrip().startswith('"""')
    ]
