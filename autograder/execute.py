"""One submission: restored, executed and judged.

`execute` is a pure function from a job to its result. It touches no gradebook and no course
folder, so it can run in any process or on any machine. Whatever a submission does, the result
says what became of each test cell:

- a test cell counts as passed only when it ran and raised nothing;
- a cell that ends or hangs its kernel is left out and the notebook runs again, so that it costs
  its own question and no other;
- over the time budget of the notebook, what has not run is failed with that reason.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import LimitOutput
from nbgrader.utils import determine_grade, is_grade
from traitlets.config import Config

from autograder.notebook import from_bytes, to_bytes
from autograder.submission import MissingError, UnreadableError, restore

Status = Literal["graded", "graded in part", "unreadable", "missing", "refused"]
# Errors whose text is a sentence of ours, or of a test cell, and needs no type in front.
TALKING = {"AssertionError", "TestFailed", "Stopped", "NotRun"}
ANSI = re.compile(r"\x1b\[[0-9;]*m")
log = logging.getLogger("autograder.execute")
log.addHandler(logging.NullHandler())
log.propagate = False


@dataclass(frozen=True)
class Limits:
    """How long a submission may run, in seconds."""

    cell_seconds: float = 60
    notebook_seconds: float = 600


@dataclass(frozen=True)
class Job:
    """All that is needed to grade one submission."""

    student: str
    chapter: str
    template: bytes  # the instructor's notebook without solutions
    files: Mapping[str, bytes]  # what was handed in: relative path -> content
    data: Path | None = None  # the course's data/, copied beside the notebook
    limits: Limits = Limits()


@dataclass(frozen=True)
class Verdict:
    """What became of one test cell. `points` is None where a person has to grade."""

    points: float | None
    max_points: float
    reason: str = ""


@dataclass(frozen=True)
class Executed:
    """What became of one submission."""

    status: Status
    reason: str = ""
    notebook: bytes = b""  # the executed notebook; empty when there is none
    verdicts: dict[str, Verdict] = field(default_factory=dict)  # grade_id -> verdict
    seconds: float = 0.0


def execute(job: Job) -> Executed:
    """Return what became of the submission of `job`; a bad submission never raises."""
    started = time.monotonic()
    try:
        template = from_bytes(job.template)
        restored = restore(job.files, job.chapter, template)
    except UnreadableError as error:
        return Executed("unreadable", str(error))
    except MissingError as error:
        return Executed("missing", str(error))
    notebook, stopped = _run(restored.notebook, job)
    for cell in notebook.cells:
        if is_grade(cell) and cell.cell_type == "code":
            _clean_outputs(cell)
    notebook, _ = LimitOutput().preprocess(notebook, {})
    return Executed(
        status="graded in part" if stopped else "graded",
        reason="; ".join([*stopped, *restored.notes]),
        notebook=to_bytes(notebook),
        verdicts={
            cell.metadata["nbgrader"]["grade_id"]: _judge(cell)
            for cell in notebook.cells
            if is_grade(cell)
        },
        seconds=round(time.monotonic() - started, 2),
    )


def _run(notebook: NotebookNode, job: Job) -> tuple[NotebookNode, list[str]]:
    """Execute `notebook`, again without each cell that stops it; return it and what stopped it."""
    deadline = time.monotonic() + job.limits.notebook_seconds
    stopped: dict[int, str] = {}
    while True:
        attempt = deepcopy(notebook)
        for number in stopped:
            attempt.cells[number].source = ""
        at, reason = _attempt(attempt, job, deadline)
        for number in stopped:
            attempt.cells[number].source = notebook.cells[number].source
        if reason is None:
            break
        stopped[at] = reason
        if time.monotonic() >= deadline:
            break
    sentences = []
    for number, cell in enumerate(attempt.cells):
        if number in stopped:
            _fail(cell, "Stopped", f"this cell {stopped[number]}")
            sentences.append(f"{_name(cell, number)} {stopped[number]}")
        elif cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            _fail(
                cell, "NotRun", "this cell did not run" + (f": {_budget(job)}" if stopped else "")
            )
            sentences.append(f"{_name(cell, number)} did not run")
    return attempt, sentences


def _attempt(notebook: NotebookNode, job: Job, deadline: float) -> tuple[int, str | None]:
    """Execute `notebook` in place in a new kernel and folder.

    Returns the number of the last cell that was started, and why it was stopped (None: it was not).
    """
    running = [-1]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None

    def on_cell_execute(cell: NotebookNode, cell_index: int) -> None:
        running[0] = cell_index

    def on_cell_executed(
        cell: NotebookNode, cell_index: int, execute_reply: Mapping[str, Any]
    ) -> None:
        """A failure counts also when its traceback never came."""
        reply = execute_reply["content"]
        shown = any(output.output_type == "error" for output in cell.outputs)
        if reply["status"] != "ok" and not shown:
            _fail(cell, reply.get("ename", "Error"), reply.get("evalue", "the cell failed"))

    def timeout(cell: NotebookNode) -> float:
        return max(0.1, min(job.limits.cell_seconds, deadline - time.monotonic()))

    with tempfile.TemporaryDirectory(prefix="autograder-", ignore_cleanup_errors=True) as folder:
        work = Path(folder) / "work"
        _lay_out(job, work)
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            config=_kernel_config(Path(folder)),
            resources={"metadata": {"path": str(work)}},
            allow_errors=True,
            timeout_func=timeout,
            shutdown_kernel="immediate",
            on_cell_execute=on_cell_execute,
            on_cell_executed=on_cell_executed,
            log=log,
        )
        # nbclient's stand-in for output widgets can wait for ever; plain outputs do as well.
        client.comm_open_handlers = {}
        try:
            client.execute(
                # One thread each: submissions run side by side and must not fight for cores.
                # A file of the submission named like a part of the kernel must not replace it.
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"},
                # What a cell prints is captured; what a dying kernel says is not for this terminal.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except CellTimeoutError:
            if time.monotonic() >= deadline:
                return running[0], f"was running when {_budget(job)}"
            return running[0], f"ran longer than {job.limits.cell_seconds:g} s"
        except DeadKernelError:
            if running[0] < 0:
                raise
            return running[0], "ended the Python process"
    return running[0], None


def _kernel_config(folder: Path) -> Config:
    """Kernel sockets as files in `folder`: no ports to collide, nothing for others to listen to."""
    config = Config()
    if os.name == "posix":
        config.KernelManager.transport = "ipc"
        config.KernelManager.ip = str(folder / "kernel")
    return config


def _lay_out(job: Job, folder: Path) -> None:
    """Write the submission's files into the new `folder`, beside the course's own data/."""
    folder.mkdir()
    if job.data:
        shutil.copytree(job.data, folder / "data")
    for name, content in job.files.items():
        path = folder / name
        if job.data and path.is_relative_to(folder / "data"):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _clean_outputs(cell: NotebookNode) -> None:
    """Keep of a test cell's outputs what nbgrader may judge: an error, and text as plain text.

    nbgrader takes text on stderr for a failure and a displayed number for a grade. A warning or a
    progress bar in a right answer must not cost points, and no answer may display its own grade.
    """
    kept = []
    for output in cell.outputs:
        if output.output_type == "stream":
            kept.append(new_output("stream", name="stdout", text=output.text))
        elif output.output_type == "error":
            kept.append(output)
    cell.outputs = kept


def _judge(cell: NotebookNode) -> Verdict:
    points, max_points = determine_grade(cell)
    if cell.cell_type == "code":
        for output in cell.outputs:
            if output.output_type == "error":
                spoken = output.ename in TALKING
                text = output.evalue if spoken else f"{output.ename}: {output.evalue}"
                return Verdict(points, max_points, ANSI.sub("", text).strip() or output.ename)
    return Verdict(points, max_points)


def _fail(cell: NotebookNode, name: str, text: str) -> None:
    cell.outputs = [*cell.outputs, new_output("error", ename=name, evalue=text, traceback=[text])]


def _budget(job: Job) -> str:
    return f"the notebook's time budget of {job.limits.notebook_seconds:g} s was used up"


def _name(cell: NotebookNode, number: int) -> str:
    """What people call a cell: its grade_id, else its position."""
    grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
    return f"cell {grade_id}" if grade_id else f"cell number {number + 1}"
