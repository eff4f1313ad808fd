"""The report: statistics that are defined or say why not, and a page that is safe to open."""

from __future__ import annotations

import csv
import html
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CHAPTER, RIGHT, browse, grade_all
from nbgrader.api import Gradebook

from autograder import report
from autograder.course import Course, Exercise
from autograder.item_analysis import analyze, correlation, remarks, spread
from autograder.outcome import Mark, Outcome
from autograder.report import collect, make_page, write_report
from autograder.similar import similar
from autograder.spreadsheet import safe

HandIn = Callable[..., Path]
WORSE = {**RIGHT, "twice": "def twice(x):\n    return 3 * x"}
HACK = "document.documentElement.setAttribute('hacked',1)"
FORMULAS = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1"]  # noqa: RUF001
ONE, TWO = Exercise("one", "1. One", {"one": 1}), Exercise("two", "2. Two", {"two": 3})


def student(name: str, one: float, two: float, reason: str = "") -> Outcome:
    tests = {"one": Mark(one, 1, reason if one < 1 else ""), "two": Mark(two, 3)}
    return Outcome(name, "graded", tests=tests, seconds=1.0)


def test_difficulty_and_discrimination_are_those_of_a_worked_example() -> None:
    """With 2.5 and 0.5 as the means of who has it and who has not, and sqrt(1.25) as deviation."""
    graded = [student("a", 1, 3), student("b", 1, 2), student("c", 0, 1), student("d", 0, 0)]
    one, two = analyze([ONE, TWO], graded)
    assert (one.full, one.partial, one.none) == (2, 0, 2)
    assert (two.full, two.partial, two.none) == (1, 2, 1)
    assert (one.difficulty, two.difficulty) == (0.5, 0.5)
    point_biserial = (2.5 - 0.5) / 1.25**0.5 * (0.5 * 0.5) ** 0.5
    assert one.discrimination == pytest.approx(point_biserial)


def test_an_exercise_is_not_compared_with_itself() -> None:
    graded = [student("a", 1, 0), student("b", 0, 3), student("c", 1, 0), student("d", 0, 3)]
    one, two = analyze([ONE, TWO], graded)
    assert one.discrimination == two.discrimination == -1


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([], "nobody graded"),
        ([(1, 3)], "one student"),
        ([(1, 3), (1, 2)], "all got the same"),
        ([(1, 3), (0, 3)], "all got the same elsewhere"),
    ],
)
def test_what_is_not_defined_says_so(points: list[tuple[float, float]], said: str) -> None:
    graded = [student(str(number), *both) for number, both in enumerate(points)]
    assert analyze([ONE, TWO], graded)[0].discrimination == said


def test_equal_points_have_no_variance_whatever_rounding_does() -> None:
    assert correlation([0.1] * 3, [1, 2, 3]) == "all got the same"


def test_the_spread_of_nobody_and_of_one() -> None:
    assert spread([]).mean == "nobody graded"
    assert (spread([3]).mean, spread([3]).deviation) == (3, "one student")
    assert spread([1, 2, 3, 6]).median == 2.5


def test_exercises_that_deserve_a_look_are_named() -> None:
    fail = [student(name, 0, two) for name, two in zip("abcde", [0, 1, 2, 3, 3], strict=True)]
    assert remarks(analyze([ONE, TWO], fail)[0], None) == ["nobody gets a point"]
    turned = [student(n, o, t) for n, o, t in zip("abcde", [1, 1, 0, 0, 0], [0, 0, 3, 3, 2],
                                                  strict=True)]  # fmt: skip
    one, _ = analyze([ONE, TWO], turned)
    assert remarks(one, 3) == ["who is good elsewhere fails here, and who is weak passes"]
    assert "hidden test" in remarks(one, 0)[1]
    assert not remarks(analyze([ONE, TWO], turned[:4])[0], 1)  # too few to say so
    part = [student(name, 1, two) for name, two in zip("abcde", [1, 1, 2, 2, 1], strict=True)]
    assert remarks(analyze([ONE, TWO], part)[1], None) == ["nobody gets all points"]


@pytest.fixture
def facts(small: Course, hand_in: HandIn) -> report.Facts:
    """A class in which nobody comes to the hidden test of the first exercise."""
    with (small.root / "nbgrader_config.py").open("a") as config:
        config.write("\nc.LateSubmissionPlugin.penalty_method = 'zero'\n")
    with Gradebook(f"sqlite:///{small.root / 'gradebook.db'}") as gradebook:
        gradebook.add_assignment(CHAPTER, duedate="2026-03-01 11:00:00 UTC")
        gradebook.add_student("ada", last_name="=1+1", first_name="@ada", email="a@b.c")
    hand_in("ada", WORSE)
    hand_in("ben", {**WORSE, "last": "def last(items):\n    return items[0]"})
    hand_in("cleo", {**WORSE, "last": "import os\nos._exit(1)"}).with_name(
        "timestamp.txt"
    ).write_text("2026-03-01 12:30:00 UTC")
    hand_in("dan", {"last": "def last(items):\n    return 'c' if items[0] == 'a' else 0"})
    hand_in(f"<img src=x onerror={HACK}>", b"broken")
    (small.root / "submitted" / "-eva" / CHAPTER).mkdir(parents=True)
    grade_all(small)
    return collect(small, CHAPTER)


def test_a_report_says_what_happened(small: Course, facts: report.Facts, tmp_path: Path) -> None:
    twice, last = facts.rows
    assert dict(facts.statuses) == {
        "graded": 3, "graded in part": 1, "missing": 1, "unreadable": 1,
    }  # fmt: skip
    assert "nobody gets a point" in twice.remarks
    assert "nobody reaches a hidden test: all fail before, in the visible part" in twice.remarks
    assert not last.remarks
    first = twice.messages[0]
    assert (first.students, first.text, first.example) == (3, "got 3, expected 2", "ada")
    assert facts.memory.count == 4
    path, table = write_report(small, CHAPTER, table=True)
    text = path.read_text(encoding="utf-8")
    assert "1 hours late" not in text
    assert "90 minutes late" in text
    assert "the Python process ended in cell last" in text
    assert "This proves nothing." in text
    assert "nan" not in re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", text, flags=re.DOTALL)
    for svg in re.findall(r"<svg[^>]*>", text):
        assert re.search(r'role="img" aria-label="[^"]{30,}"', svg)
    assert len(re.findall(r"<svg", text)) == 3
    assert not re.search(r"<(script|link|iframe|img)|url\((?!#)|@import", text)
    seen = browse(re.sub(r"<meta http-equiv[^>]*>", "", text), tmp_path)
    assert not re.search(r"<html[^>]* hacked=", seen)
    assert f"&lt;img src=x onerror={html.escape(HACK)}&gt;".replace("&#x27;", "&#39;") in text

    with table.open(encoding="utf-8", newline="") as file:
        rows = {row[0]: row for row in csv.reader(file)}
    assert rows["student"][-2:] == ["twice", "last"]
    assert rows["ada"][1:6] == ["'=1+1", "'@ada", "graded", "", "2.0"]
    assert rows["'-eva"][3:6] == ["missing", "nothing was handed in", ""]
    assert float(rows["cleo"][8]) == 5400
    assert float(rows["ada"][10]) > 10


def test_where_a_test_failed_is_noted(small: Course, facts: report.Facts) -> None:
    tests = {outcome.student: outcome.tests for outcome in facts.graded}
    assert tests["ada"]["twice-small"].hidden is False
    assert tests["ada"]["last-values"].hidden is None
    assert tests["ben"]["last-values"].hidden is False
    assert tests["dan"]["last-values"].hidden is False  # [1, 2] gives 0


def test_a_class_of_one_and_of_nobody(small: Course, hand_in: HandIn) -> None:
    nobody = make_page(collect(small, CHAPTER))
    assert "0 students, 0 with points" in nobody
    assert "nothing was measured" in nobody
    hand_in("ada", RIGHT)
    grade_all(small)
    one = make_page(collect(small, CHAPTER))
    assert "- (one student)" in one
    assert "No two answers are unusually alike." in one


def test_the_command_writes_what_it_says(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    grade_all(small)
    command = [sys.executable, "-m", "autograder", "report", CHAPTER, "--csv"]
    done = subprocess.run(command, cwd=small.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"wrote reports/{CHAPTER}.html\nwrote reports/{CHAPTER}.csv\n"
    assert (small.root / "reports" / f"{CHAPTER}.html").is_file()


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula(text: str) -> None:
    assert safe(text) == f"'{text}"


def test_numbers_and_words_stay_what_they_are() -> None:
    assert [safe(v) for v in [-1.5, 3, "ada-1", "a=b", "-", None, ""]] == [
        -1.5, 3, "ada-1", "a=b", "-", "", "",
    ]  # fmt: skip


RELEASED = "def mean(values):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
LOOP = """
def mean(values):
    total = 0
    count = 0
    for value in values:
        total = total + value
        count = count + 1
    if count == 0:
        return None
    return total / count
"""
RENAMED = """
def mean(xs):
    s = 0   # the sum
    n = 0
    for x in xs:

        s = s + x
        n = n + 1
    if n == 0: return None
    return s / n
"""
OTHER = """
def mean(values):
    if not len(values):
        return None
    parts = [float(value) / len(values) for value in values]
    while len(parts) > 1:
        parts.append(parts.pop() + parts.pop())
    return parts[0]
"""


def test_a_copy_with_other_names_and_layout_is_found() -> None:
    (pair,) = similar({"ada": LOOP, "ben": RENAMED, "cleo": OTHER}, [RELEASED])
    assert (pair.first, pair.second) == ("ada", "ben")
    assert pair.share > 0.9


def test_what_was_released_and_what_many_write_counts_for_nothing() -> None:
    assert not similar({"ada": LOOP, "ben": RENAMED}, [RELEASED, LOOP])
    many = {f"student{number}": LOOP for number in range(8)}
    assert not similar(many, [RELEASED])
    assert similar({**dict.fromkeys("abcdefgh", OTHER), "ada": LOOP, "ben": RENAMED}, [RELEASED])


@pytest.mark.parametrize("code", ["", "def f(:\n" * 50, "x = '''", "(" * 3000, "\0", "é = ½"])
def test_answers_that_are_no_program_are_compared_all_the_same(code: str) -> None:
    similar({"ada": code, "ben": LOOP}, [RELEASED])


def test_a_large_class_is_compared_in_time() -> None:
    """Pairs are made only of who shares something that few have."""
    import time

    class_ = {
        f"s{n}": LOOP.replace("0", str(n)) + "\n".join(f"v{k} = {n} * {k} + v" for k in range(20))
        for n in range(600)
    }
    started = time.monotonic()
    similar(class_, [RELEASED])
    assert time.monotonic() - started < 20
