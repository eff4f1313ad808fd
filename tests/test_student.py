"""Test cells outside the student's process: names, messages, seeds, prints, and what nobody sees.

The student's side is in this process here, so that no kernel has to start.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.crossing import Bounds
from autograder.limits import Limits
from autograder.remote import Remote
from autograder.student import Examiner, Stopped


class Inside(Remote):
    """The student's side, on names that the test of the test gives."""

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__(Bounds(), inside=True)
        self.names = names

    def _operations(self) -> dict[str, Callable[..., Any]]:
        return {**super()._operations(), "lookup": lambda name: self.names[name]}


class Connection:
    """Brings messages to the other side within this process."""

    deadline = 0.0

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.lost = False

    def begin(self, seed: int) -> None:
        self.seed, self.inside = seed, Inside(self.names)

    def request(self, buffers: list[Any], answer: Any) -> list[Any]:
        if self.lost:
            raise Stopped("gone")
        return self.inside.answer([bytes(buffer) for buffer in buffers])


def cell(source: str, grade_id: str = "question-values") -> NotebookNode:
    made = new_code_cell(source)
    made.metadata["nbgrader"] = {"grade_id": grade_id, "points": 1}
    return made


def examine(source: str, student: str = "", setup: str = "", **limits: float) -> NotebookNode:
    """Run a test on what `student` defines; return its outputs as one text and its error."""
    names: dict[str, Any] = {}
    exec(compile(student, "answer", "exec"), names)
    examiner = Examiner("01_small", Connection(names), Limits(**limits))
    if setup:
        examiner.set_up(cell(setup, "setup"))
    return NotebookNode(outputs=examiner.run(cell(source), examiner.limits.cell_seconds))


def error(outcome: NotebookNode) -> NotebookNode:
    (output,) = [output for output in outcome.outputs if output.output_type == "error"]
    return output


def test_a_test_that_passes_shows_nothing() -> None:
    assert examine("assert double(2) == 4", "def double(x): return 2 * x").outputs == []


def test_names_of_the_test_and_of_python_are_its_own() -> None:
    student = "abs = len = lambda x: 0\ntorch = None\ndef double(x): return 2 * x\nx = 5"
    setup = "import torch\ndef check(got): assert torch.is_tensor(got)"
    source = "x = torch.ones(2)\ncheck(double(x))\nassert abs(-3) == 3 and len([1]) == 1"
    assert examine(source, student, setup).outputs == []


def test_names_are_looked_up_when_they_are_used() -> None:
    student = "count = 0\ndef step():\n    global count\n    count += 1"
    assert examine("assert count == 0\nstep()\nassert count == 1", student).outputs == []


def test_helpers_of_the_set_up_see_the_students_names() -> None:
    setup = "def check(): assert double(2) == 4"
    assert examine("check()", "def double(x): return 2 * x", setup).outputs == []


def test_a_name_that_nobody_defined() -> None:
    shown = error(examine("double(2)"))
    assert (shown.ename, shown.evalue) == ("NameError", "name 'double' is not defined")


def test_no_test_cell_sees_the_names_of_another() -> None:
    examiner = Examiner("01_small", Connection({}), Limits())
    assert examiner.run(cell("x = 1"), 5) == []
    (shown,) = examiner.run(cell("x"), 5)
    assert shown.ename == "NameError"


def test_no_test_cell_sees_what_another_did_to_the_set_up() -> None:
    student = {"spoil": lambda values: values.append(2)}
    examiner = Examiner("01_small", Connection(student), Limits())
    examiner.set_up(cell("values = [1]", "setup"))
    assert examiner.run(cell("spoil(values)\nassert values == [1, 2]"), 5) == []
    assert examiner.run(cell("assert values == [1]"), 5) == []


def test_a_set_up_is_silent_and_what_it_raises_fails_the_test() -> None:
    assert examine("assert ready", setup="print('hello')\nready = True").outputs == []
    assert error(examine("pass", setup="1 / 0")).ename == "ZeroDivisionError"


@pytest.mark.parametrize(("last", "points"), [("0.25", 0.25), ("1", 1), ("len([1])", 1)])
def test_a_number_at_the_end_is_partial_credit(last: str, points: float) -> None:
    """As nbgrader has it."""
    (output,) = examine(f"x = 3\n{last}").outputs
    assert (output.output_type, output.data) == ("execute_result", {"text/plain": repr(points)})


@pytest.mark.parametrize("last", ["None", "'1'", "True", "show()", "x = 1", ""])
def test_anything_else_at_the_end_is_none(last: str) -> None:
    student = "class A: __repr__ = lambda self: '1'\ndef show(): return A()"
    assert examine(last, student).outputs == []


@pytest.mark.parametrize("last", ["2", "-1", "float('nan')", "float('inf')"])
def test_no_more_points_than_there_are(last: str) -> None:
    assert error(examine(last)).evalue.endswith("points of 1")


def test_random_numbers_do_not_depend_on_the_set_up() -> None:
    source = "import torch; print(torch.rand(1).item())"
    assert examine(source) == examine(source, setup="import torch; torch.rand(5)")


def test_the_message_of_an_assert_is_shown() -> None:
    shown = error(examine("assert 1 == 2, 'one is not two'"))
    assert (shown.ename, shown.evalue) == ("AssertionError", "one is not two")


HIDDEN = """\
def want(x): return 6 * 7
assert double(1) == 2
### BEGIN HIDDEN TESTS
assert double(want(1)) == 84
### END HIDDEN TESTS
assert double(3) == 6
"""


@pytest.mark.parametrize(
    ("answer", "line"),
    [("0", "assert double(1) == 2"), ("2", ""), ("{1: 2, 42: 84}[x]", "assert double(3) == 6")],
    ids=["visible", "hidden", "visible again"],
)
@pytest.mark.parametrize("mark", ["### ", "# ", "#"])
def test_no_line_of_a_hidden_test_is_shown(answer: str, line: str, mark: str) -> None:
    outcome = examine(HIDDEN.replace("### ", mark), f"def double(x): return {answer}")
    shown = error(outcome)
    assert "want" not in str(outcome)
    assert "84" not in str(outcome)
    assert "42" not in str(outcome)
    if line:
        assert line in "\n".join(shown.traceback)


def test_an_error_in_an_answer_shows_the_answer() -> None:
    """The lines of the student's code, and none of the grader's."""
    shown = error(examine("double(1)", "def double(x):\n    y = 0\n    return x / y"))
    assert (shown.ename, shown.evalue) == ("ZeroDivisionError", "division by zero")
    text = "\n".join(shown.traceback)
    assert "line 3, in double" in text
    assert "autograder" not in text


def test_errors_that_render_themselves() -> None:
    setup = (
        "class Failed(AssertionError):\n"
        "    def _render_traceback_(self): return ['one line']\n"
    )  # fmt: skip
    assert error(examine("raise Failed('text')", setup=setup)).traceback == ["one line"]


def test_what_a_test_prints_is_kept_and_bounded() -> None:
    (shown,) = examine("print('a' * 5000)", cell_output_bytes=1000).outputs
    assert (shown.output_type, shown.name, len(shown.text)) == ("stream", "stdout", 1000)


def test_random_numbers_start_from_the_name_of_the_test() -> None:
    """Outside and inside alike, whatever was drawn before."""
    connection = Connection({})
    drawn = []
    for name in ["a", "b", "a"]:
        random.seed(len(drawn))
        torch.manual_seed(len(drawn))
        (shown,) = Examiner("01_small", connection, Limits()).run(
            cell("import random, torch\nprint(random.random(), torch.rand(1).item())", name), 5
        )
        drawn.append((shown.text, connection.seed))
    assert drawn[0] == drawn[2] != drawn[1]


def test_a_test_that_never_ends() -> None:
    started = time.monotonic()
    shown = error(examine("while True: pass", cell_seconds=0.2))
    assert (shown.ename, shown.evalue) == ("Stopped", "this test ran longer than 0.2 s")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("endless", [False, True])
def test_an_import_is_not_ended_and_takes_no_time_of_a_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endless: bool
) -> None:
    """Half of a module would spoil all tests that come after this one."""
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(0.8)\ndone = True")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("autograder.student.INTERRUPT_SECONDS", 0.1)
    monkeypatch.delitem(sys.modules, "slow_module", raising=False)
    connection = Connection({})
    examiner = Examiner("01_small", connection, Limits(cell_seconds=0.5))
    started = time.monotonic()
    shown = examiner.run(cell(f"import slow_module\nwhile {endless}: pass"), 0.5)
    assert [output.evalue for output in shown] == ["this test ran longer than 0.5 s"] * endless
    assert sys.modules["slow_module"].done
    assert connection.deadline > started + 0.9


def test_a_test_without_time_left_stops_the_notebook() -> None:
    examiner = Examiner("01_small", Connection({}), Limits(cell_seconds=9))
    with pytest.raises(Stopped):
        examiner.run(cell("while True: pass"), 0.1)


def test_a_lost_kernel_is_no_failure_of_a_test() -> None:
    """No `except` of a test catches it."""
    connection = Connection({})
    connection.lost = True
    source = "try:\n    double(1)\nexcept Exception:\n    pass"
    with pytest.raises(Stopped):
        Examiner("01_small", connection, Limits()).run(cell(source), 5)


@pytest.mark.parametrize("leave", ["raise SystemExit", "raise KeyboardInterrupt", "exit()"])
def test_a_test_that_leaves_has_failed(leave: str) -> None:
    assert error(examine(leave)).ename in ("SystemExit", "KeyboardInterrupt", "NameError")


def test_what_cannot_cross_says_what_to_write_instead() -> None:
    source = "class Own: pass\nshow(Own())"
    shown = error(examine(source, "def show(x): return str(x)"))
    assert shown.ename == "CrossingError"
    assert "pass numbers, tensors, functions or objects of torch's own classes" in shown.evalue
