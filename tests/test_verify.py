"""The tests of the tests: chapters pass, and each kind of weakness is found."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from conftest import CHAPTER, ROOT, SMALL, local_pool
from nbgrader.utils import is_grade

from autograder.build import build
from autograder.course import Course, CourseError, read_answers
from autograder.job import Executed, Job
from autograder.launch import start_kernel
from autograder.notebook import from_bytes
from autograder.submission import restore, with_support
from autograder.verify import verify

ANSWERS = '''\
"""Answers to the small chapter."""

# %% sum right="twice"
def twice(x):
    return x + x

# %% shift right="twice"
def twice(x):
    return x << 1

# %% thrice wrong="twice" says="got 3, expected 2"
def twice(x):
    return 3 * x

# %% one wrong="twice" says="expected 2"
def twice(x):
    return 1

# %% nothing wrong="twice" says="got None"
def twice(x):
    2 * x

# %% text wrong="twice" says="got 11"
def twice(x):
    return str(x) * 2

# %% by length right="last"
def last(items):
    return items[len(items) - 1]

# %% by reversing right="last"
def last(items):
    return list(reversed(items))[0]

# %% first wrong="last" says="got 1, expected 2"
def last(items):
    return items[0]

# %% slice wrong="last" says="got [2]"
def last(items):
    return list(items[-1:])

# %% largest wrong="last" says="got 1, expected 2"
def last(items):
    return min(items)

# %% pops wrong="last" says="AttributeError"
def last(items):
    return items.pop()
'''


@pytest.fixture
def verified(small: Course) -> Course:
    """The small course with answers that its tests judge rightly."""
    folder = small.root / "tests" / "answers"
    folder.mkdir(parents=True)
    (folder / f"{CHAPTER}.py").write_text(ANSWERS)
    return small


def problems(course: Course) -> list[str]:
    rows = verify(course, CHAPTER, local_pool())
    return [f"{row.exercise.name}: {problem}" for row in rows for problem in row.problems]


def change_tests(course: Course, old: str, new: str) -> None:
    assert old in SMALL
    (course.root / "source" / f"{CHAPTER}.py").write_text(SMALL.replace(old, new))
    build(course)


def change_answers(course: Course, old: str, new: str) -> None:
    assert old in ANSWERS
    path = course.root / "tests" / "answers" / f"{CHAPTER}.py"
    path.write_text(ANSWERS.replace(old, new))


@pytest.mark.parametrize(
    "chapter", [script.stem for script in sorted((ROOT / "source").glob("*.py"))]
)
def test_the_tests_of_every_chapter_judge_rightly(course: Course, chapter: str) -> None:
    """Across the wall as the author promised, and in one process with the same points."""
    graded: list[tuple[Job, Executed]] = []

    def collect(job: Job, executed: Executed | str) -> None:
        assert isinstance(executed, Executed), executed
        graded.append((job, executed))

    rows = verify(course, chapter, local_pool(), on_result=collect)
    assert [(row.exercise.name, row.problems) for row in rows if row.problems] == []
    for job, executed in graded:
        across = {name: verdict.points for name, verdict in executed.verdicts.items()}
        plain = grade_plainly(job)
        assert across == plain, f"{job.student}: not the same points as under plain nbgrader"


def grade_plainly(job: Job) -> dict[str, float]:
    """Run the answers and all tests in one kernel, as nbgrader does; return points by grade_id."""
    notebook = restore(job.files, job.chapter, from_bytes(job.template)).notebook
    files = with_support(job.files, job.support)
    with (
        TemporaryDirectory() as folder,
        start_kernel(notebook, files, job.data, Path(folder), job.limits) as kernel,
    ):
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                kernel.run_cell(number, job.limits.notebook_seconds)
    return {
        cell.metadata.nbgrader.grade_id: 0
        if any(output.output_type == "error" for output in cell.outputs)
        else cell.metadata.nbgrader.points
        for cell in notebook.cells
        if is_grade(cell)
    }


def test_good_tests_are_accepted(verified: Course) -> None:
    assert problems(verified) == []


def test_a_weak_exercise_is_rejected(verified: Course) -> None:
    """Tests that look at one case only let a wrong answer pass."""
    start = SMALL.index("check(last([1, 2]), 2)")
    change_tests(verified, SMALL[start:], "check(last([2]), 2)\n")
    found = problems(verified)
    assert 'last: the wrong answer "first" gets full marks' in found
    assert 'last: the wrong answer "largest" gets full marks' in found


def test_a_test_that_cannot_fail_is_rejected(verified: Course) -> None:
    change_tests(verified, "check(twice(-3), -6)", "twice")
    assert "twice: the unsolved notebook gets 2 points" in problems(verified)


def test_a_too_narrow_test_is_rejected(verified: Course) -> None:
    """A test that demands more than the statement rejects right answers and the reference."""
    change_tests(verified, "check(twice(-3), -6)", "check(type(twice(1.0)), int)")
    found = problems(verified)
    assert any("the reference fails" in problem for problem in found)
    assert any('the right answer "shift" fails' in problem for problem in found)


def test_a_message_without_its_words_is_rejected(verified: Course) -> None:
    change_answers(verified, 'says="got None"', 'says="forgot to return"')
    (problem,) = problems(verified)
    assert 'must be told "forgot to return", but is told "got None, expected 2' in problem


@pytest.mark.parametrize(
    ("start", "end", "problem"),
    [
        ("# %% by reversing", "# %% first", "last: has 1 right answers, needs 2"),
        ("# %% thrice", "# %% one", "twice: has 3 wrong answers, needs 4"),
    ],
    ids=["right", "wrong"],
)
def test_too_few_answers_are_rejected(verified: Course, start: str, end: str, problem: str) -> None:
    change_answers(verified, ANSWERS[ANSWERS.index(start) : ANSWERS.index(end)], "")
    assert problems(verified) == [problem]


def test_answers_to_nothing_are_named(verified: Course) -> None:
    change_answers(verified, 'right="last"', 'right="lost"')
    with pytest.raises(CourseError, match="answers 'lost', but the exercises are last, twice"):
        problems(verified)


def test_an_answer_without_a_mark_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.py"
    path.write_text("# %% forgotten\ndef twice(x):\n    return 2\n")
    with pytest.raises(CourseError, match=r'begins with "def twice\(x\):" needs right='):
        read_answers(path)


def test_missing_answers_are_named(small: Course) -> None:
    with pytest.raises(CourseError, match="is missing: it holds right and wrong answers"):
        problems(small)
