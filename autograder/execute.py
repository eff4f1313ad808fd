"""One submission: restored, executed and judged.

`execute` is a pure function from a job to its result. It touches no gradebook and no course
folder, so it can run in any process or on any machine.

The student's cells run in a kernel in a sandbox, which sees no test. The test cells are ours, run
in this process (`student.py`), and their outputs are written here: nbgrader's own scoring then
reads nothing that a student wrote. Whatever a submission does:

- a test cell counts as passed only when it ran and raised nothing;
- a cell that ends or hangs its kernel is left out and the notebook runs again, at most three
  times, so that it costs its own question and no other;
- over the time budget of the notebook, what has not run is failed with that reason.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from contextlib import chdir, suppress
from copy import deepcopy
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.utils import determine_grade, is_grade, is_locked, is_solution

from autograder.connection import Stopped
from autograder.job import NOT_RUN, STOPPED, Executed, Job, Verdict
from autograder.launch import Ended, Kernel, lay_out, start_kernel
from autograder.notebook import from_bytes, new_error, to_bytes
from autograder.nursery import NurseryError, get_nursery, nursery_is_lost
from autograder.student import Examiner
from autograder.submission import MissingError, UnreadableError, restore, with_support
from autograder.watch import nice

MAX_RERUNS = 3
MANY_LINES = 100  # of a cell's output: nbgrader cuts no less than this
BLOCK = 8192  # bytes of a file system in memory that a file takes beside its content, at most
# Errors whose text is a sentence of ours, or of a test cell, and needs no type in front.
TALKING = {"AssertionError", "TestFailed", "Stopped", "NotRun"}
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def execute(job: Job) -> Executed:
    """Return what became of the submission of `job`; a bad submission never raises.

    Raises NurseryError when no kernel can be started, which is no fault of the submission.
    """
    started = time.monotonic()
    try:
        template = from_bytes(job.template)
        restored = restore(job.files, job.chapter, template)
    except UnreadableError as error:
        return Executed("unreadable", str(error))
    except MissingError as error:
        return Executed("missing", str(error))
    if job.limits.sandbox:
        with suppress(NurseryError):  # it is tried again
            get_nursery(
                job.data, job.limits.preload
            ).wait()  # its start is not the submission's time
    notebook, stopped, memory = _run(restored.notebook, job)
    notebook = _limit_output(notebook)
    verdicts = {
        c.metadata["nbgrader"]["grade_id"]: _judge(c) for c in notebook.cells if is_grade(c)
    }
    return Executed(
        status="graded in part" if stopped else "graded",
        reason="; ".join([*stopped, *restored.notes]),
        notebook=to_bytes(notebook),
        verdicts=verdicts,
        seconds=round(time.monotonic() - started, 2),
        memory_bytes=memory,
    )


def _run(notebook: NotebookNode, job: Job) -> tuple[NotebookNode, list[str], int]:
    """Execute `notebook`, again without each cell that stops it.

    Returns the notebook, what stopped it, and the most memory that it had.
    """
    deadline = time.monotonic() + job.limits.notebook_seconds
    stopped: dict[int, str] = {}  # -1: the kernel did not start
    tried_again, memory = False, 0
    for _ in range(1 + MAX_RERUNS):
        attempt = _Attempt(deepcopy(notebook), job, deadline, skip=set(stopped))
        reason = attempt.run()
        memory = max(memory, attempt.memory)
        if reason is None:
            break
        if (attempt.at < 0 or nursery_is_lost()) and not tried_again:  # our own fault, it seems
            tried_again = True
            continue
        stopped[attempt.at] = reason
        if attempt.at < 0 or time.monotonic() >= deadline:
            break
    if reason is not None:  # also when that was the last try
        stopped.setdefault(attempt.at, reason)
    sentences = [f"{STOPPED}{reason} before the first cell"] if reason and attempt.at < 0 else []
    for number, cell in enumerate(attempt.notebook.cells):
        if number in stopped:
            _fail(cell, "Stopped", f"{STOPPED}{stopped[number]}")
            sentences.append(f"{STOPPED}{stopped[number]} in {_name(attempt.notebook, number)}")
        elif cell.cell_type == "code" and cell.source.strip() and number > attempt.at:
            _fail(cell, "NotRun", f"{NOT_RUN}{reason}")
    return attempt.notebook, sentences, memory


class _Attempt:
    """One execution of a notebook, in a new kernel and a new folder."""

    def __init__(self, notebook: NotebookNode, job: Job, deadline: float, skip: set[int]) -> None:
        self.notebook, self.job, self.deadline, self.skip = notebook, job, deadline, skip
        self.at = -1  # the number of the last cell that was started
        self.memory = 0  # bytes that its processes had at most
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None

    def run(self) -> str | None:
        """Run all cells; return why that was stopped, or None."""
        with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as folder:
            return self._run_in(Path(folder))

    def _run_in(self, folder: Path) -> str | None:
        job, limits = self.job, self.job.limits
        files = with_support(job.files, job.support)
        if job.data:  # the course's own data/ takes the place of any other
            files = {name: files[name] for name in files if Path(name).parts[0] != "data"}
        if sum(len(content) + BLOCK for content in files.values()) > limits.disk_bytes:
            return f"files of more than {nice(limits.disk_bytes)}"
        lay_out(folder / "tests", job.support, job.data, show=os.symlink)  # tests only read it
        try:
            with start_kernel(self.notebook, files, job.data, folder, limits, job.seed) as kernel:
                try:
                    return self._run_cells(kernel, folder)
                finally:
                    self.memory = kernel.peak_memory()
        except Ended as error:  # it did not start
            return str(error)

    def _run_cells(self, kernel: Kernel, folder: Path) -> str | None:
        limits = self.job.limits
        examiner = Examiner(self.job.chapter, kernel.connection, limits, self.job.seed)
        for number, cell in enumerate(self.notebook.cells):
            if cell.cell_type != "code":
                continue
            if is_locked(cell) and not _is_test(cell):
                # Whatever becomes of it inside: no helper of a test is a student's.
                examiner.set_up(cell)
            if number in self.skip:
                continue
            self.at = number
            seconds = min(limits.cell_seconds, self.deadline - time.monotonic())
            try:
                if seconds <= 0:
                    raise Stopped
                if _is_test(cell):
                    with chdir(folder / "tests"):
                        cell.outputs = examiner.run(cell, seconds)
                    cell.metadata["failed_hidden"] = examiner.failed_hidden
                    kernel.forget_messages()
                    if time.monotonic() >= self.deadline:
                        raise Stopped
                else:
                    kernel.run_cell(number, seconds)
            except (Ended, Stopped) as error:
                if time.monotonic() >= self.deadline:
                    return f"more than {limits.notebook_seconds:g} s for the whole notebook"
                if not kernel.is_alive():
                    return kernel.why_ended()
                return str(error) or f"more than {limits.cell_seconds:g} s"
        return None


def _limit_output(notebook: NotebookNode) -> NotebookNode:
    """Return `notebook` with very long outputs cut, as nbgrader does it."""
    if any(_lines(cell) > MANY_LINES for cell in notebook.cells):
        # Not above: it takes a second to import, and few submissions need it.
        from nbgrader.preprocessors import LimitOutput

        notebook, _ = LimitOutput().preprocess(notebook, {})
    return notebook


def _lines(cell: NotebookNode) -> int:
    """Return the lines of all outputs of a cell, no fewer than nbgrader counts."""
    return sum(
        output.get("text", "").count("\n") + 1 + len(output.get("traceback", []))
        for output in cell.get("outputs", [])
    )


def _is_test(cell: NotebookNode) -> bool:
    """Whether a cell is one of ours that judges, and not an answer that a person judges."""
    return bool(is_grade(cell) and not is_solution(cell))


def _judge(cell: NotebookNode) -> Verdict:
    points, max_points = determine_grade(cell)
    hidden = cell.metadata.pop("failed_hidden", None)
    if cell.cell_type == "code":
        for output in cell.outputs:
            if output.output_type == "error":
                spoken = output.ename in TALKING
                text = output.evalue if spoken else f"{output.ename}: {output.evalue}"
                reason = ANSI.sub("", text).strip() or output.ename
                return Verdict(points, max_points, reason, hidden)
    return Verdict(points, max_points)


def _fail(cell: NotebookNode, name: str, text: str) -> None:
    cell.outputs = [*cell.outputs, new_error(name, text)]


def _name(notebook: NotebookNode, number: int) -> str:
    """What people call a cell: its grade_id, else its position, and the heading above it."""
    grade_id = notebook.cells[number].metadata.get("nbgrader", {}).get("grade_id")
    name = f"cell {grade_id}" if grade_id else f"cell number {number + 1}"
    for cell in reversed(notebook.cells[:number]):
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            return f"{name} under {cell.source.splitlines()[0].removeprefix('## ')!r}"
    return name
