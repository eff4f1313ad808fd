"""Executing one submission in a real kernel: what each fault costs, and what it does not."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import CHAPTER, RIGHT
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from autograder.build import make_template
from autograder.course import Course
from autograder.execute import execute
from autograder.job import Executed, Job
from autograder.launch import Ended, start_kernel
from autograder.limits import Limits
from autograder.notebook import fill_in, from_bytes, read_notebook, to_bytes
from autograder.nursery import get_nursery
from autograder.student import Examiner

Run = Callable[..., Executed]


@pytest.fixture
def run(small: Course) -> Run:
    """Execute answers, or a whole notebook, with small limits."""
    template = make_template(read_notebook(small.source_notebook(CHAPTER)))
    release = read_notebook(small.root / "release" / CHAPTER / f"{CHAPTER}.ipynb")

    def execute_answers(
        answers: dict[str, str],
        *,
        before: str | None = None,
        files: dict[str, bytes] | None = None,
        limits: Limits | None = None,
    ) -> Executed:
        notebook = from_bytes(fill_in(release, answers))
        if before is not None:
            notebook.cells.insert(0, new_code_cell(before))
        return execute(
            Job(
                student="ada",
                chapter=CHAPTER,
                template=to_bytes(template),
                files={f"{CHAPTER}.ipynb": to_bytes(notebook), **(files or {})},
                limits=limits or Limits(cell_seconds=20, notebook_seconds=60),
            )
        )

    return execute_answers


@contextmanager
def examiner_of(answer: str, limits: Limits) -> Iterator[Examiner]:
    """Run a cell in a kernel, and yield what runs tests on it."""
    notebook = new_notebook(cells=[new_code_cell(answer)])
    with (
        tempfile.TemporaryDirectory() as folder,
        start_kernel(notebook, {}, None, Path(folder), limits) as kernel,
    ):
        kernel.run_cell(0, 20)
        yield Examiner(CHAPTER, kernel.connection, limits)


def a_test(source: str) -> NotebookNode:
    """A test cell."""
    nbgrader = {"grade_id": "question-values", "points": 1}
    return new_code_cell(source, metadata={"nbgrader": nbgrader})


def points(executed: Executed) -> list[float | None]:
    """Points of twice-small (1), twice-negative (2) and last-values (2)."""
    names = ["twice-small", "twice-negative", "last-values"]
    return [executed.verdicts[name].points for name in names]


def test_right_answers_get_all_points(run: Run) -> None:
    executed = run(RIGHT)
    assert executed.status == "graded"
    assert executed.reason == ""
    assert points(executed) == [1, 2, 2]
    assert executed.seconds > 0


def test_a_blank_notebook_gets_none(run: Run) -> None:
    executed = run({})
    assert executed.status == "graded"
    assert points(executed) == [0, 0, 0]
    assert "NotImplementedError" in executed.verdicts["last-values"].reason


def test_hidden_tests_run_and_partial_credit_counts(run: Run) -> None:
    executed = run({**RIGHT, "twice": "def twice(x):\n    return {1: 2, -3: -6}[x]"})
    assert points(executed) == [0, 2, 2]
    assert executed.verdicts["twice-small"].reason == "KeyError: 21"


def test_the_message_of_a_test_is_the_reason(run: Run) -> None:
    executed = run({**RIGHT, "last": "def last(items):\n    return items[0]"})
    assert executed.verdicts["last-values"].reason == "got 1, expected 2"


def test_warnings_stderr_and_displays_cost_nothing(run: Run) -> None:
    noisy = (
        "import sys, warnings\n"
        "def twice(x):\n"
        "    warnings.warn('careful')\n"
        "    print('progress', file=sys.stderr)\n"
        "    display(0)\n"
        "    return x + x"
    )
    assert points(run({**RIGHT, "twice": noisy})) == [1, 2, 2]


def test_no_points_for_displaying_them(run: Run) -> None:
    """nbgrader reads a displayed number as the grade; ours must come from the test."""
    executed = run({"twice": "def twice(x):\n    get_ipython().displayhook(2)\n    return 0"})
    assert points(executed) == [0, 0, 0]


@pytest.mark.parametrize("crash", ["import os\nos._exit(1)", "import ctypes\nctypes.string_at(0)"])
def test_a_crash_costs_its_own_question(run: Run, crash: str) -> None:
    executed = run({**RIGHT, "last": crash})
    assert executed.status == "graded in part"
    assert executed.reason.startswith("stopped: the Python process ended")
    assert executed.reason.endswith("in cell last under '2. Last'")
    assert points(executed) == [1, 2, 0]


def test_a_crash_in_the_first_question_leaves_the_others(run: Run) -> None:
    executed = run({**RIGHT, "twice": "def twice(x):\n    import os\n    os._exit(1)"})
    assert points(executed) == [0, 0, 2]
    assert executed.verdicts["twice-small"].reason == "stopped: the Python process ended"


@pytest.mark.parametrize(
    "loop",
    ["    while True:\n        pass", "    def wait():\n        while True:\n            pass\n"
     "    while True:\n        try:\n            wait()\n        except BaseException:\n"
     "            pass"],
    ids=["plain", "ignores interrupts"],
)  # fmt: skip
def test_an_endless_loop_costs_its_own_question(run: Run, loop: str) -> None:
    started = time.monotonic()
    executed = run({**RIGHT, "last": f"def last(items):\n{loop}"}, limits=Limits(call_seconds=3))
    assert points(executed) == [1, 2, 0]
    assert "ran longer than 3 s" in executed.verdicts["last-values"].reason
    assert time.monotonic() - started < 40


def test_an_endless_cell_costs_its_own_question(run: Run) -> None:
    executed = run({**RIGHT, "last": "while True:\n    pass"}, limits=Limits(cell_seconds=3))
    assert executed.status == "graded in part"
    assert executed.reason == "stopped: more than 3 s in cell last under '2. Last'"
    assert points(executed) == [1, 2, 0]


def test_the_time_budget_of_the_notebook(run: Run) -> None:
    """What ran within the budget counts; nothing that did not run gets a point."""
    slow = "import time\n\ndef last(items):\n    time.sleep(60)"
    started = time.monotonic()
    executed = run({**RIGHT, "last": slow}, limits=Limits(notebook_seconds=10))
    assert time.monotonic() - started < 25
    assert executed.status == "graded in part"
    assert points(executed) == [1, 2, 0]
    assert "more than 10 s for the whole notebook" in executed.reason
    early = run(RIGHT, before="import time\ntime.sleep(60)", limits=Limits(notebook_seconds=8))
    assert points(early) == [0, 0, 0]
    assert "not run" in early.verdicts["last-values"].reason


def test_a_failure_counts_when_its_traceback_is_suppressed(run: Run) -> None:
    silent = "get_ipython().showtraceback = lambda *args, **options: None"
    assert points(run({"last": silent})) == [0, 0, 0]


def test_half_characters_do_no_harm(run: Run) -> None:
    """Text that UTF-8 cannot hold would stop the messages to the kernel; it is replaced."""
    executed = run({**RIGHT, "last": RIGHT["last"] + "  # \ud800"})
    assert points(executed) == [1, 2, 2]
    assert from_bytes(executed.notebook)


def test_input_is_an_error_and_not_a_wait(run: Run) -> None:
    executed = run({**RIGHT, "last": "def last(items):\n    return input()"})
    assert executed.status == "graded"
    assert points(executed) == [1, 2, 0]
    assert "EOFError" in executed.verdicts["last-values"].reason


def test_files_of_the_submission_lie_beside_it(run: Run) -> None:
    answer = "def last(items):\n    return eval(open('folder/expression.txt').read())"
    executed = run({**RIGHT, "last": answer}, files={"folder/expression.txt": b"items[-1]"})
    assert points(executed) == [1, 2, 2]


def test_the_data_are_those_of_the_course(small: Course, tmp_path: Path) -> None:
    """A submission reads data/, and cannot put its own files there."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "table.csv").write_text("items[-1]")
    answer = "def last(items):\n    return eval(open('data/table.csv').read())"
    source = read_notebook(small.source_notebook(CHAPTER))
    executed = execute(
        Job(
            student="ada",
            chapter=CHAPTER,
            template=to_bytes(make_template(source)),
            files={
                f"{CHAPTER}.ipynb": fill_in(source, {**RIGHT, "last": answer}),
                "data/table.csv": b"0",
            },
            data=data,
        )
    )
    assert points(executed) == [1, 2, 2]
    assert (data / "table.csv").read_text() == "items[-1]"


def test_files_named_like_the_kernel_do_not_replace_it(run: Run) -> None:
    broken = {"ipykernel_launcher.py": b"1 / 0", "ipykernel/__init__.py": b"1 / 0"}
    assert points(run(RIGHT, files=broken)) == [1, 2, 2]


def test_a_widget_does_not_stop_the_notebook(run: Run) -> None:
    shown = "import ipywidgets\nipywidgets.interact(lambda x: print(x), x=(1, 3))\n"
    assert points(run({**RIGHT, "last": shown + RIGHT["last"]})) == [1, 2, 2]


def test_files_that_do_not_fit_are_the_reason(run: Run) -> None:
    limits = Limits(disk_bytes=2**20)
    executed = run(RIGHT, files={"large.bin": bytes(3 * 2**20)}, limits=limits)
    assert executed.status == "graded in part"
    assert executed.reason == "stopped: files of more than 1 MiB before the first cell"
    assert points(executed) == [0, 0, 0]


def test_a_kernel_that_does_not_start_is_started_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def start(*args: Any) -> Any:
        started.append(args)
        if len(started) == 1:
            raise Ended("no luck")
        return start_kernel(*args)

    monkeypatch.setattr("autograder.execute.start_kernel", start)
    executed = run(RIGHT)
    assert (executed.status, executed.reason, len(started)) == ("graded", "", 2)


def test_a_call_that_nobody_waits_for_any_more_costs_no_other_test() -> None:
    limits = Limits(cell_seconds=3)
    answer = "def f(g):\n    while True: g(1)\ndef h(x): return x"
    with examiner_of(answer, limits) as examiner:
        late = examiner.run(a_test("import time\nf(lambda x: (time.sleep(0.1), h(x)))"), 3)
        assert late[0].evalue == "this test ran longer than 3 s"
        assert examiner.run(a_test("assert h(1) == 1"), 3) == []


def test_what_a_call_prints_and_renames_is_seen_at_once() -> None:
    answer = "def f():\n    global f\n    print('one')\n    f = lambda: print('two')"
    source = """
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as text:
    assert f.__name__ == "f"
    f()
    assert text.getvalue() == "one\\n"
    f()
    assert f.__name__ == "<lambda>"
assert text.getvalue() == "one\\ntwo\\n"
"""
    with examiner_of(answer, Limits()) as examiner:
        assert examiner.run(a_test(source), 20) == []


def test_a_nursery_that_dies_costs_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The submission is tried again; one that ends every nursery is not tried for ever."""
    ends = [1]

    def examine(*args: Any) -> Any:
        if ends:
            ends.pop()
            nursery = psutil.Process(get_nursery(None, Limits().preload)._process.pid)
            inside = nursery.children(recursive=True)
            nursery.kill()
            psutil.wait_procs(inside, timeout=10)  # else the kernel may live on for some tests
        return examine_well(*args)

    examine_well = Examiner.run
    monkeypatch.setattr(Examiner, "run", examine)
    executed = run(RIGHT)
    assert (executed.status, executed.reason, points(executed)) == ("graded", "", [1, 2, 2])
    ends += range(9)
    executed = run(RIGHT)
    assert executed.status == "graded in part"
    assert len(ends) == 5


def test_nothing_is_left_behind(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of a submission outlives it, and its folder is gone."""
    answer = (
        "import os, subprocess, sys\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(4711)']\n"
        "subprocess.Popen(sleep, start_new_session=True)\n"
        "def last(items):\n    return items[-1]"
    )
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        assert points(run({**RIGHT, "last": answer})) == [1, 2, 2]
        assert list(Path(folder).iterdir()) == []
    assert not [p for p in psutil.process_iter(["cmdline"]) if "sleep(4711)" in str(p.info)]


def test_long_output_is_cut(run: Run) -> None:
    executed = run({**RIGHT, "last": RIGHT["last"] + "\nfor i in range(10**4): print(i)"})
    assert points(executed) == [1, 2, 2]
    assert len(executed.notebook) < 100_000


def test_many_short_outputs_are_cut_together(run: Run) -> None:
    pieces = "\nfor i in range(300): print(*'abcde', sep='\\n'); display(i)"
    executed = run({**RIGHT, "last": RIGHT["last"] + pieces})
    assert points(executed) == [1, 2, 2]
    assert b"Output truncated" in executed.notebook


def test_the_executed_notebook_shows_what_happened(run: Run) -> None:
    executed = run({**RIGHT, "last": "def last(items):\n    return items[0]"})
    cells = {cell.id: cell for cell in from_bytes(executed.notebook).cells}
    assert cells["last"].source.endswith("return items[0]")
    (output,) = cells["last-values"].outputs
    assert output.output_type == "error"
    assert cells["twice-small"].outputs == []


@pytest.mark.parametrize(
    ("files", "status"),
    [({}, "missing"), ({f"{CHAPTER}.ipynb": b"{"}, "unreadable")],
)
def test_what_cannot_run_has_no_verdicts(
    small: Course, files: dict[str, bytes], status: str
) -> None:
    template = to_bytes(make_template(read_notebook(small.source_notebook(CHAPTER))))
    executed = execute(Job("ada", CHAPTER, template, files))
    assert executed.status == status
    assert executed.reason
    assert executed.verdicts == {}
