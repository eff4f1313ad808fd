"""`nbgrader autograde` and formgrader's button do what `autograder grade` does."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import CHAPTER, RIGHT, grade_all, rows
from nbgrader.api import Gradebook
from nbgrader.apps import AutogradeApp, NbGrader
from nbgrader.apps.api import NbGraderAPI
from nbgrader.converters import Autograde, BaseConverter
from traitlets.config import Config

from autograder import nbgrader_hook
from autograder.course import Course, CourseError
from autograder.notebook import fill_in, read_notebook

HandIn = Callable[..., Path]
WORSE = {**RIGHT, "last": "def last(items):\n    return items[0]"}
# Of a class in which every kind of submission occurs once: who is in the gradebook, with what.
SCORES = {"ada": 5, "ben": 3, "cleo": 0, "dan": 5, "eva": 5, "fay": 5, "gil": 3}
NO_GRADE = ["hal", "ida", "jon"]


@pytest.fixture(scope="session")
def built_class(built_small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a course in which the class of `SCORES` and `NO_GRADE` has handed in."""
    root = tmp_path_factory.mktemp("class") / "course"
    shutil.copytree(built_small, root)
    release = read_notebook(root / "release" / CHAPTER / f"{CHAPTER}.ipynb")
    right = fill_in(release, RIGHT)

    def hand_in(student: str, content: bytes, name: str = CHAPTER) -> Path:
        path = root / "submitted" / student / CHAPTER / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return path

    copied = json.loads(right)
    copied["cells"].append(copied["cells"][-1])
    future = json.loads(right)
    for cell in future["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"]["schema_version"] = 99
    hand_in("ada", right).with_name("notes.txt").write_text("mine")
    late = hand_in("ben", fill_in(release, WORSE))
    late.with_name("timestamp.txt").write_text("2026-03-02 12:00:00 UTC")
    hand_in("cleo", fill_in(release, {}))
    hand_in("dan", right, name="my solution")
    hand_in("eva", json.dumps(copied).encode())
    hand_in("fay", json.dumps(future).encode())
    hand_in("gil", fill_in(release, {**RIGHT, "last": "import os\nos._exit(1)"}))
    hand_in("hal", right[:500])
    hand_in("ida", b"").unlink()
    (root / "submitted" / "ida" / CHAPTER / f"{CHAPTER}.ipynb").symlink_to("/etc/hostname")
    outside = root.with_name("outside") / CHAPTER
    outside.mkdir(parents=True)
    (outside / f"{CHAPTER}.ipynb").write_bytes(right)
    (root / "submitted" / "jon").symlink_to(outside.parent)
    (root / "submitted" / "kim" / CHAPTER).mkdir(parents=True)
    with (root / "nbgrader_config.py").open("a") as config:
        config.write("\nc.LateSubmissionPlugin.penalty_method = 'zero'\nc.Limits.cell_seconds = 20")
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as gradebook:
        gradebook.add_assignment(CHAPTER, duedate="2026-03-01 12:00:00 UTC")
        gradebook.add_student("lea")  # known, and handed in nothing
    return root


def copy_to(root: Path, folder: Path) -> Course:
    shutil.copytree(root, folder, symlinks=True)
    return Course(folder)


def run(course: Course, *command: str) -> tuple[int, str]:
    """Run a command of this environment as people do; return exit code and output."""
    done = subprocess.run(
        [Path(sys.executable).with_name(command[0]), *command[1:]],
        cwd=course.root, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def run_together(*calls: Sequence[Any]) -> list[tuple[int, str]]:
    """`run` for the arguments in each of `calls`, all at the same time."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda call: run(*call), calls))


def scores(course: Course) -> dict[str, float]:
    return {who: row[0] for who, row in rows(course).items() if who in {*SCORES, *NO_GRADE, "kim"}}


def files(course: Course) -> dict[str, Any]:
    """What lies in autograded/, without times and the chance names of temporary folders."""
    folder = course.root / "autograded"
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content: Any = path.read_bytes()
        if path.suffix in (".ipynb", ".json"):
            content = json.loads(content)
            content.pop("seconds", None)
            content.pop("memory_bytes", None)
        for cell in content.get("cells", []) if path.suffix == ".ipynb" else []:
            cell["metadata"].pop("execution", None)
            for output in cell.get("outputs", []):
                output.pop("traceback", None)
        found[path.relative_to(folder).as_posix()] = content
    return found


def test_nbgrader_autograde_does_what_autograder_grade_does(
    built_class: Path, tmp_path: Path
) -> None:
    ours = copy_to(built_class, tmp_path / "ours" / "course")
    theirs = copy_to(built_class, tmp_path / "theirs" / "course")
    _, (code, log) = run_together(
        (ours, "autograder", "grade", CHAPTER), (theirs, "nbgrader", "autograde", CHAPTER)
    )
    assert scores(theirs) == SCORES
    assert rows(theirs) == rows(ours)
    assert rows(theirs)["ben"] == (3, "2026-03-02 12:00:00", 3)
    assert files(theirs) == files(ours)
    assert f"ada/{CHAPTER}/notes.txt" in files(theirs)
    # Everybody is named, with the reason where there is one, and the exit code says who has none.
    for line in [
        "INFO] ada: graded, 5 points",
        "INFO] dan: graded, 5 points: graded my solution.ipynb",
        "INFO] eva: graded, 5 points: copied cells: last-values",
        "WARNING] gil: graded in part, 3 points: stopped: the Python process ended in cell last",
        f"ERROR] hal: unreadable: {CHAPTER}.ipynb is not a notebook",
        f"ERROR] ida: refused: {CHAPTER}.ipynb is a symbolic link",
        "ERROR] jon: refused: the folder is a symbolic link",
        "WARNING] kim: missing: nothing was handed in",
        "WARNING] lea: missing: nothing was handed in",
        "ERROR] no grade for hal, ida, jon: the log says why",
    ]:
        assert line in log
    assert code == 1

    # What nbgrader is done with, we skip. It takes one student, and grades again when told to.
    assert {name for name, r in grade_all(theirs).items() if r.skipped} == {*SCORES, "hal"}
    code, log = run(theirs, "nbgrader", "autograde", CHAPTER, "--student", "ada", "--force")
    assert code == 0
    assert re.findall(r"INFO\] (\w+): graded.*", log) == ["ada"]
    assert "done already" not in log
    assert rows(theirs) == rows(ours)


@pytest.fixture
def in_course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that starts a program of nbgrader within this process, in a course's folder."""

    def initialize(program: type[NbGrader], course: Course, *arguments: str) -> NbGrader:
        monkeypatch.chdir(course.root)
        monkeypatch.setattr(sys, "path", [*sys.path])  # nbgrader adds the course's folder to it
        monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "settings"))
        monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
        app = program()
        app.initialize([*arguments], root=str(course.root))
        return app

    return initialize


@pytest.fixture
def make_api(in_course: Callable[..., Any]) -> Callable[[Course], NbGraderAPI]:
    """A function that makes nbgrader's API as formgrader does in the Jupyter server."""

    def make(course: Course) -> NbGraderAPI:
        app = in_course(NbGrader, course)
        return NbGraderAPI(app.coursedir, parent=app)

    return make


def test_the_button_of_formgrader_grades_within_the_event_loop_of_the_server(
    built_class: Path, tmp_path: Path, make_api: Callable[[Course], NbGraderAPI]
) -> None:
    course = copy_to(built_class, tmp_path / "course")
    button = make_api(course)

    async def press(*students: str) -> list[dict[str, Any]]:
        return [button.autograde(CHAPTER, student) for student in students]

    ben, dan, hal, kim, zoe = asyncio.run(press("ben", "dan", "hal", "kim", "zoe"))
    assert ben["success"], ben
    assert "[INFO] ben: graded, 3 points" in ben["log"]
    assert dan["success"], dan
    for answer, reason in [
        (hal, "[ERROR] hal: unreadable: 01_small.ipynb is not a notebook"),
        (kim, "[ERROR] kim: missing: nothing was handed in"),
        (zoe, "[ERROR] no submission of 'zoe' in submitted/zoe/01_small"),
    ]:
        assert not answer["success"]
        assert reason in answer["log"]
    assert scores(course) == {"ben": 3, "dan": 5}
    assert button.get_autograded_students(CHAPTER) == {"ben", "dan"}
    done = button.autograde(CHAPTER, "dan", force=False)
    assert "dan: graded, 5 points, done already and not changed: graded my" in done["log"]
    # The button grades again what was graded, and a worse submission loses what it had.
    shutil.copy(
        course.root / "submitted" / "hal" / CHAPTER / f"{CHAPTER}.ipynb",
        course.root / "submitted" / "ben" / CHAPTER / f"{CHAPTER}.ipynb",
    )
    (again,) = asyncio.run(press("ben"))
    assert not again["success"]
    assert scores(course) == {"dan": 5}


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("--no-execute", "leave out --no-execute"),
        ("--notebook=other", "leave out --notebook"),
        ("--db=sqlite:////tmp/other.db", "in nbgrader_config.py: set it there"),
    ],
)
def test_what_grading_here_does_not_do_is_refused(
    small: Course,
    in_course: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    argument: str,
    reason: str,
) -> None:
    app = in_course(AutogradeApp, small, CHAPTER, argument)
    with pytest.raises(SystemExit, match="1"):
        app.start()
    assert reason in capsys.readouterr().err
    assert not (small.root / "gradebook.db").exists()


def test_a_course_without_the_setting_is_graded_by_plain_nbgrader(
    small: Course,
    make_api: Callable[[Course], NbGraderAPI],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One server may serve several courses: the setting of one must not reach another."""
    started: list[str] = []
    monkeypatch.setattr(BaseConverter, "start", lambda self: started.append("nbgrader"))
    monkeypatch.setattr(nbgrader_hook, "grade", lambda *_, **__: started.append("ours"))
    button = make_api(small)
    button.autograde(CHAPTER, "ada")
    Autograde(coursedir=button.coursedir, config=Config()).start()
    assert started == ["ours", "nbgrader"]


def test_students_whom_the_course_excludes_are_left_out(built_class: Path, tmp_path: Path) -> None:
    course = copy_to(built_class, tmp_path / "course")
    with (course.root / "nbgrader_config.py").open("a") as config:
        excluded = ",".join([*SCORES, *NO_GRADE, "lea"])
        config.write(f"\nc.CourseDirectory.student_id_exclude = {excluded!r}\n")
    assert list(grade_all(course)) == ["kim"]
    assert rows(course) == {"students": ["kim", "lea"]}


def test_a_wrong_limit_is_named(small: Course) -> None:
    with (small.root / "nbgrader_config.py").open("a") as config:
        config.write("\nc.Limits.cell_seconds = 'x'\n")
    with pytest.raises(CourseError, match=r"nbgrader_config\.py: .*'cell_seconds'"):
        grade_all(small)


def test_without_the_grader_students_validate_and_nobody_autogrades(
    small: Course, hand_in: HandIn
) -> None:
    """Students have no package `autograder`. Without it nbgrader must not grade its own way."""
    path = hand_in("ada", WORSE)
    block = "import sys; sys.modules['autograder'] = None; from nbgrader.apps.nbgraderapp import *;"
    plain = ["python", "-W", "ignore", "-c", f"{block} main()"]
    (code, validated), (refused, log) = run_together(
        (small, *plain, "validate", str(path)), (small, *plain, "autograde", CHAPTER)
    )
    assert code == 0, validated
    assert "VALIDATION FAILED ON 1 CELL(S)!" in validated
    assert "autograder" not in validated
    assert refused != 0
    assert "ModuleNotFoundError: No module named 'autograder" in log
    assert not (small.root / "autograded").exists()
