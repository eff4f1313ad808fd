"""Grading a class: statuses, what is done again and what is not, and nbgrader beside it."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CHAPTER, RIGHT, ROOT, SMALL, grade_all, local_pool, record, rows, wait_for
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.dbutil import _temp_alembic_ini
from nbgrader.preprocessors import SaveAutoGrades
from replay import Recording, Records, Replay

from autograder.build import build
from autograder.course import Course, CourseError
from autograder.grade import folders_of, grade
from autograder.gradebook import Scores, register
from autograder.job import Result
from autograder.limits import Limits
from autograder.notebook import from_bytes, read_notebook, to_bytes
from autograder.pool import LocalPool
from autograder.submission import MAX_BYTES

HandIn = Callable[..., Path]
WORSE = {**RIGHT, "last": "def last(items):\n    return items[0]"}


def run(course: Course, **options: object) -> dict[str, Result]:
    limits = Limits(cell_seconds=20, notebook_seconds=60)
    return grade_all(course, limits=limits, **options)


def scores(course: Course) -> dict[str, float]:
    """The gradebook's totals: only students with a graded submission are in it."""
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        return {s.student.id: s.score for s in gradebook.assignment_submissions(CHAPTER)}


def test_every_student_has_a_status_and_only_graded_zeros_are_zeros(
    small: Course, hand_in: HandIn
) -> None:
    right = hand_in("ada", RIGHT).read_bytes()
    hand_in("ben", {})
    hand_in("cleo", {**RIGHT, "last": "import os\nos._exit(1)"})
    hand_in("dan", right[:500])
    (small.root / "submitted" / "eva" / CHAPTER).mkdir(parents=True)
    hand_in("fay", right, name="my solution")
    hand_in("gil", right).unlink()
    (small.root / "submitted" / "gil" / CHAPTER / f"{CHAPTER}.ipynb").symlink_to("/etc/hostname")
    (small.root / "submitted" / "hal").symlink_to(small.root / "submitted" / "ada")
    large = hand_in("ida", right).with_name("large.bin")
    with large.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    os.mkfifo(hand_in("jon", right).with_name("pipe"))

    totals: list[int] = []
    results = run(small, on_start=totals.append)

    assert {name: (r.status, r.points) for name, r in results.items()} == {
        "ada": ("graded", 5),
        "ben": ("graded", 0),
        "cleo": ("graded in part", 3),
        "dan": ("unreadable", 0),
        "eva": ("missing", 0),
        "fay": ("graded", 5),
        "gil": ("refused", 0),
        "hal": ("refused", 0),
        "ida": ("refused", 0),
        "jon": ("refused", 0),
    }
    assert results["gil"].reason == f"{CHAPTER}.ipynb is a symbolic link"
    assert "larger than 100 MB" in results["ida"].reason
    assert results["jon"].reason == "pipe is not a plain file"
    assert results["fay"].reason == "graded my solution.ipynb"
    assert all(r.reason for name, r in results.items() if name not in ("ada", "ben"))
    assert totals == [len(results)]
    assert scores(small) == {"ada": 5, "ben": 0, "cleo": 3, "fay": 5}
    assert json.loads(record(small, "dan").read_text())["status"] == "unreadable"
    # A renamed notebook is written under the name that nbgrader looks for.
    assert record(small, "fay").with_name(f"{CHAPTER}.ipynb").is_file()


def test_what_is_done_is_not_done_again(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    hand_in("ben", WORSE)
    first = run(small)
    assert not any(result.skipped for result in first.values())
    again = run(small)
    assert all(result.skipped for result in again.values())
    assert {n: r.verdicts for n, r in again.items()} == {n: r.verdicts for n, r in first.items()}
    forced = run(small, force=True)
    assert not any(result.skipped for result in forced.values())
    assert scores(small) == {"ada": 5, "ben": 3}


def test_a_new_submission_starts_from_nothing(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    hand_in("ben", RIGHT)
    hand_in("cleo", RIGHT)
    run(small)
    hand_in("ada", WORSE)
    hand_in("ben", b"broken")
    results = run(small)
    assert (results["ada"].points, results["ada"].skipped) == (3, False)
    assert results["ben"].status == "unreadable"
    assert results["cleo"].skipped
    assert scores(small) == {"ada": 3, "cleo": 5}
    assert not record(small, "ben").with_name(f"{CHAPTER}.ipynb").exists()


def test_a_changed_test_grades_again(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    run(small)
    script = small.root / "source" / f"{CHAPTER}.py"
    script.write_text(SMALL.replace('check(last("abc"), "c")', 'check(last("abc"), "d")'))
    build(small)
    results = run(small)
    assert (results["ada"].points, results["ada"].skipped) == (3, False)


def test_points_that_a_person_gave_stay(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", WORSE)
    run(small)
    with Gradebook(f"sqlite:///{small.root / 'gradebook.db'}") as gradebook:
        grade_ = gradebook.find_grade("last-values", CHAPTER, CHAPTER, "ada")
        grade_.manual_score = 1.5
        gradebook.db.commit()
    run(small, force=True)
    with Gradebook(f"sqlite:///{small.root / 'gradebook.db'}") as gradebook:
        grade_ = gradebook.find_grade("last-values", CHAPTER, CHAPTER, "ada")
        assert (grade_.manual_score, grade_.auto_score) == (1.5, 0)
        assert grade_.needs_manual_grade


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # nbgrader links rows one by one
def test_all_kinds_of_cells_are_written_as_nbgrader_writes_them(small: Course) -> None:
    script = small.root / "source" / f"{CHAPTER}.py"
    by_hand = """
# %% [markdown] nbgrader={"grade_id": "essay", "grade": true, "solution": true, "points": 3}
# ...

# %% [markdown] nbgrader={"grade_id": "task", "task": true, "points": 4}
# Draw something.
"""
    script.write_text(SMALL + by_hand, encoding="utf-8")
    build(small)
    folders = folders_of(small, CHAPTER)
    register(small, CHAPTER, folders.db_url)
    path = small.root / "release" / CHAPTER / f"{CHAPTER}.ipynb"
    with Gradebook(folders.db_url) as gradebook:
        for student in ["ada", "ben"]:
            gradebook.add_student(student)
        gradebook.add_submission(CHAPTER, "ben")
        ours = Scores(gradebook, folders)
        for blank in [True, False]:  # a new submission, then one that is there
            notebook = read_notebook(path)
            (essay,) = [cell for cell in notebook.cells if cell.id == "essay"]
            essay.source += "" if blank else "An answer."
            ours.save("ada", notebook, None)
            names = {"student": "ben", "assignment": CHAPTER, "notebook": CHAPTER}
            SaveAutoGrades().preprocess(notebook, {"nbgrader": {**names, "db_url": folders.db_url}})
            saved = rows(small)
            mine = {name: row for name, row in saved.items() if name.startswith("ada")}
            assert mine == {
                name.replace("ben", "ada"): row
                for name, row in saved.items()
                if name.startswith("ben")
            }
            assert len(mine) == 1 + 5 + 4
            assert (mine[f"ada {CHAPTER} comment essay"][1] == "No response.") == blank


def test_adding_an_exercise_after_grading_is_refused_in_words(
    small: Course, hand_in: HandIn
) -> None:
    hand_in("ada", RIGHT)
    run(small)
    script = small.root / "source" / f"{CHAPTER}.py"
    more = SMALL[SMALL.index("# %% [markdown]\n# ## 2.") :].replace('"last', '"more')
    script.write_text(SMALL + "\n" + more)
    build(small)
    with pytest.raises(CourseError, match="Cannot add or remove cells"):
        run(small)
    assert scores(small) == {"ada": 5}


def test_one_student_only(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    hand_in("ben", RIGHT)
    assert run(small, students=["ben"]).keys() == {"ben"}
    with pytest.raises(CourseError, match="no submission of 'zoe'"):
        run(small, students=["zoe"])


def test_an_unknown_chapter_is_named_with_those_that_exist(small: Course) -> None:
    with pytest.raises(CourseError, match=r"no chapter '99_x'.*01_small"), LocalPool(1) as pool:
        grade(small, "99_x", pool, lambda result: None)


def test_a_known_student_who_hands_in_nothing_is_missing(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    run(small)
    shutil.rmtree(small.root / "submitted" / "ada")
    results = run(small)
    assert results["ada"].status == "missing"
    assert scores(small) == {"ada": 5}  # nothing that was earned is lost by a lost folder


def test_a_submission_that_ends_the_worker_does_not_stop_the_class(
    small: Course, hand_in: HandIn
) -> None:
    for name in ["ada", "cleo", "dan"]:
        hand_in(name, RIGHT)
    hand_in("ben", {**RIGHT, "twice": "import os\nos.kill(os.getppid(), 9)"})
    results = grade_all(small, limits=Limits(sandbox=False))
    assert results["ben"].status is None
    assert "ended the process of the grader" in results["ben"].reason
    assert {results[name].points for name in ["ada", "cleo", "dan"]} == {5}
    assert not record(small, "ben").exists()  # it is not done: the next run tries again
    assert run(small)["ben"].points == 2  # in a sandbox, it cannot reach the worker


def test_a_killed_run_continues(small: Course, hand_in: HandIn) -> None:
    """Killed with SIGKILL in the middle and run again, it ends as if undisturbed."""
    for number in range(6):
        hand_in(f"student{number}", RIGHT if number % 2 else WORSE)
    command = [sys.executable, "-m", "autograder", "grade", CHAPTER, "--jobs", "1"]
    process = subprocess.Popen(
        command, cwd=small.root, stdout=subprocess.DEVNULL, start_new_session=True
    )
    wait_for(lambda: record(small, "student1").exists())
    os.killpg(process.pid, 9)
    process.wait()
    done = {path.parts[-3] for path in small.root.glob("autograded/*/*/grading.json")}
    assert 2 <= len(done) < 6
    results = grade_all(small)
    assert {name for name, result in results.items() if result.skipped} == done
    assert scores(small) == {f"student{n}": 5 if n % 2 else 3 for n in range(6)}


def test_a_run_that_is_killed_again_and_again_ends_as_if_undisturbed(
    small: Course, hand_in: HandIn, tmp_path: Path
) -> None:
    """Killed with SIGKILL at 20 random points; nothing that was finished is graded again.

    Results are recorded first, so that the points fall where something is written.
    """
    answers = [RIGHT, WORSE, {}, {**RIGHT, "last": "import os\nos._exit(1)"}]
    for number in range(120):
        hand_in(f"student{number:03}", answers[number % 4])
    undisturbed = Course(tmp_path / "undisturbed")
    shutil.copytree(small.root, undisturbed.root)
    records: Records = {}
    ignore = lambda result: None  # noqa: E731
    four = [f"student{number:03}" for number in range(4)]
    grade(undisturbed, CHAPTER, Recording(local_pool(), records), ignore, students=four)
    grade(undisturbed, CHAPTER, Replay(records), ignore)
    file = tmp_path / "records"
    file.write_bytes(pickle.dumps(records))

    seed = random.randrange(2**32)
    print(f"random.seed({seed})")  # shown when it fails
    chance = random.Random(seed)
    done = lambda: list(small.root.glob("autograded/*/*/grading.json"))  # noqa: E731
    finished: dict[str, bytes] = {}
    broken_off = 0  # in the middle of a submission
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "replay.py", small.root, CHAPTER, file],
            start_new_session=True,
        )
        if chance.random() < 0.8:
            known = len(finished)
            wait_for(lambda: len(done()) > known or process.poll() is not None)  # noqa: B023
            time.sleep(chance.uniform(0, 0.03))
        else:  # while it starts
            time.sleep(chance.uniform(0, 1.5))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was done before it was killed"
        now = {path.parts[-3]: path.read_bytes() for path in done()}
        assert {name: now.get(name) for name in finished} == finished
        finished = now
        broken_off += len(list(small.root.glob("autograded/student*"))) > len(finished)
    print(f"{broken_off} of 20 ended within a submission, {len(finished)} are finished")
    assert broken_off
    results: dict[str, Result] = {}
    grade(small, CHAPTER, Replay(records), lambda result: results.update({result.student: result}))
    assert {name for name, result in results.items() if result.skipped} == set(finished)
    assert rows(small) == rows(undisturbed)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("grading.json/x.txt", b"x"),
        ("grading.tmp/x.txt", b"x"),
        (f"{CHAPTER}.ipynb/x.txt", b"x"),
        ("timestamp.txt", b"yesterday"),
        (os.fsdecode(b"\xff.txt"), b"x"),
        ("table.csv/x.txt", b"x"),
        ("lib", b"x"),
    ],
)
def test_odd_files_never_stop_the_class(
    small: Course, hand_in: HandIn, name: str, content: bytes
) -> None:
    """... and whatever they are, the student has a status and a reason, or points."""
    source = small.root / "source" / CHAPTER
    (source / "lib").mkdir()
    (source / "lib" / "words.txt").write_text("a")
    (source / "table.csv").write_text("1,2")
    odd = hand_in("ada", RIGHT, name="mine").with_name("x").parent / name
    odd.parent.mkdir(parents=True, exist_ok=True)
    odd.write_bytes(content)
    hand_in("zed", RIGHT)
    results = run(small)
    assert results["zed"].points == 5
    assert results["ada"].points == 5 or results["ada"].reason
    assert results["ada"].status in ("graded", "refused")
    assert run(small)["zed"].skipped


def test_what_cannot_be_saved_costs_only_itself(
    small: Course, hand_in: HandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record is written in one step or not at all."""
    hand_in("ada", RIGHT)
    hand_in("zed", RIGHT)
    move = Path.replace

    def fail(path: Path, target: Path) -> Path:
        if "ada" in path.parts:
            raise OSError("the disk is full")
        return move(path, target)

    monkeypatch.setattr(Path, "replace", fail)
    results = run(small)
    assert results["ada"].status is None
    assert "the disk is full" in results["ada"].reason
    assert results["zed"].points == 5
    assert not record(small, "ada").exists()


def test_what_cannot_be_read_is_refused_and_not_missing(
    small: Course, hand_in: HandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hand_in("ada", RIGHT)
    hand_in("zed", RIGHT)
    read = Path.iterdir

    def fail(folder: Path) -> object:
        if folder == path.parent:
            raise PermissionError(13, "Permission denied", str(folder))
        return read(folder)

    monkeypatch.setattr(Path, "iterdir", fail)
    results = run(small)
    assert results["ada"].status == "refused"
    assert "cannot be read: Permission denied" in results["ada"].reason
    assert results["zed"].points == 5


@pytest.mark.parametrize("name", ["../source", "..", ".hidden", "zoe"])
def test_only_students_of_the_class_can_be_named(small: Course, hand_in: HandIn, name: str) -> None:
    hand_in("ada", RIGHT)
    (small.root / "autograded").mkdir()
    before = small.source_notebook(CHAPTER).read_bytes()
    with pytest.raises(CourseError, match="no submission of"):
        run(small, students=[name])
    assert small.source_notebook(CHAPTER).read_bytes() == before


def test_a_lost_gradebook_is_filled_again(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    run(small)
    (small.root / "gradebook.db").unlink()
    assert not run(small)["ada"].skipped
    assert scores(small) == {"ada": 5}


def test_a_changed_setting_grades_again(small: Course, hand_in: HandIn) -> None:
    """Support files, data and limits decide results as much as the tests do."""
    hand_in("ada", RIGHT)
    run(small)
    (small.root / "source" / CHAPTER / "table.csv").write_text("1,2")
    assert not run(small)["ada"].skipped
    (small.root / "data").mkdir()
    (small.root / "data" / "x.csv").write_text("1,2")
    assert not run(small)["ada"].skipped
    assert run(small)["ada"].skipped
    assert not grade_all(small, limits=Limits(cell_seconds=21))["ada"].skipped


def test_support_files_of_the_course_win(small: Course, hand_in: HandIn) -> None:
    (small.root / "source" / CHAPTER / "table.csv").write_text("items[-1]")
    answer = "def last(items):\n    return eval(open('table.csv').read())"
    hand_in("ada", {**RIGHT, "last": answer}).with_name("table.csv").write_text("0")
    assert run(small)["ada"].points == 5


def test_the_limits_are_those_of_the_config(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", {**RIGHT, "last": "import time\ntime.sleep(30)"})
    config = small.root / "nbgrader_config.py"
    config.write_text(config.read_text() + "\nc.Limits.cell_seconds = 2\n")
    assert grade_all(small)["ada"].reason == "stopped: more than 2 s in cell last under '2. Last'"
    config.write_text(config.read_text() + "\nc.Limits.cell_seconds = 'x'\n")
    with pytest.raises(CourseError, match="'cell_seconds' trait"):
        grade_all(small)


def test_an_edited_script_must_be_built_first(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    script = small.root / "source" / f"{CHAPTER}.py"
    script.write_text(SMALL.replace("check(twice(1), 2)", "check(twice(2), 4)"))
    with pytest.raises(CourseError, match="run `autograder build` first"):
        run(small)


def test_a_half_written_record_does_not_count(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    run(small)
    record(small, "ada").write_text('{"student": "ada", "sta')
    assert not run(small)["ada"].skipped


def test_late_penalties_are_those_of_nbgrader(small: Course, hand_in: HandIn) -> None:
    path = hand_in("ada", RIGHT)
    path.with_name("timestamp.txt").write_text("2026-03-02 12:00:00 UTC")
    run(small)
    with Gradebook(f"sqlite:///{small.root / 'gradebook.db'}") as gradebook:
        assert str(gradebook.find_submission(CHAPTER, "ada").timestamp) == "2026-03-02 12:00:00"
        gradebook.update_or_create_assignment(CHAPTER, duedate="2026-03-01 12:00:00 UTC")
    with (small.root / "nbgrader_config.py").open("a") as config:
        config.write("\nc.LateSubmissionPlugin.penalty_method = 'zero'\n")
    run(small, force=True)
    with Gradebook(f"sqlite:///{small.root / 'gradebook.db'}") as gradebook:
        submission = gradebook.find_submission(CHAPTER, "ada")
        assert (submission.score, submission.late_submission_penalty) == (5, 5)


def test_the_gradebook_of_the_config_is_used(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    elsewhere = f"sqlite:///{small.root / 'elsewhere.db'}"
    with (small.root / "nbgrader_config.py").open("a") as config:
        config.write(f"\nc.CourseDirectory.db_url = {elsewhere!r}\n")
    run(small)
    assert not (small.root / "gradebook.db").exists()
    with Gradebook(elsewhere) as gradebook:
        assert gradebook.find_submission(CHAPTER, "ada").score == 5


def nbgrader(course: Course, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course.root, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_nbgrader_works_on_what_was_graded_here(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    hand_in("ben", WORSE)
    run(small)
    nbgrader(small, "generate_feedback", CHAPTER)
    page = small.root / "feedback" / "ben" / CHAPTER / f"{CHAPTER}.html"
    assert ">3 <small>of 5 points<" in page.read_text(encoding="utf-8")
    nbgrader(small, "export")
    with (small.root / "grades.csv").open() as file:
        assert {row["student_id"]: row["score"] for row in csv.DictReader(file)} == {
            "ada": "5.0", "ben": "3.0",
        }  # fmt: skip


def test_a_new_gradebook_has_the_newest_tables(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    run(small)
    with _temp_alembic_ini(f"sqlite:///{small.root / 'gradebook.db'}") as settings:
        command = [sys.executable, "-m", "alembic", "-c", settings, "current"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "(head)" in done.stdout


def test_nbgraders_own_commands_grade_this_course(small: Course, hand_in: HandIn) -> None:
    path = hand_in("ada", WORSE)
    assert "failed" in nbgrader(small, "validate", str(path))
    nbgrader(small, "generate_assignment", CHAPTER, "--force")
    nbgrader(small, "autograde", CHAPTER)
    assert scores(small) == {"ada": 3}
    notebook = read_notebook(record(small, "ada").with_name(f"{CHAPTER}.ipynb"))
    assert from_bytes(to_bytes(notebook))
    with (
        Gradebook(f"sqlite:///{small.root / 'gradebook.db'}") as gradebook,
        pytest.raises(MissingEntry),
    ):
        gradebook.find_submission(CHAPTER, "ben")
