"""What grading a class costs: plain nbgrader and this grader side by side, then class sizes.

usage: python benchmarks/grading.py [--students N] [--sizes N ...]

The class is chapter 1: a third solved, a third wrong, a third blank. nbgrader runs in its own way,
with its own kernel and Execute step, one submission after the other; this grader runs with its
sandbox, on all cores. Both find a gradebook in which the chapter was released. Processor time and
memory are those of the whole machine while a command runs, so that no process is missed: let
nothing else run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import psutil
import torch
from rich.console import Console
from rich.table import Table

from autograder.course import CONFIG_NAME, read_answers
from autograder.notebook import fill_in, from_bytes, read_notebook

ROOT = Path(__file__).parents[1]
CHAPTER = "01_tensors"
GRADE = ["autograder", "grade", CHAPTER]
MIB = 2**20
SECONDS_BETWEEN_SAMPLES = 0.1


@dataclass
class Cost:
    """What a command took."""

    students: int
    seconds: float
    cpu_seconds: float
    memory_mib: float  # of all its processes, at the peak
    own_mib: float  # of the first process, at the peak
    own_cpu_seconds: float  # of the first process


def answers() -> Iterator[dict[str, str]]:
    """Yield what one student after the other answers: solved, wrong, blank, and again."""
    known = read_answers(ROOT / "tests" / "answers" / f"{CHAPTER}.py")

    def columns(right: bool) -> list[dict[str, str]]:
        """The first answers to all exercises, the second ones, and so on."""
        by_exercise: dict[str, list[str]] = {}
        for answer in known:
            if answer.right == right:
                by_exercise.setdefault(answer.exercise, []).append(answer.code)
        count = min(map(len, by_exercise.values()))
        return [{name: codes[n] for name, codes in by_exercise.items()} for n in range(count)]

    for solved, wrong in zip(cycle(columns(True)), cycle(columns(False)), strict=False):
        yield from [solved, wrong, {}]


def make_class(root: Path, handed_in: Sequence[Mapping[str, str]]) -> None:
    """Make a course folder in which each student has handed in the given answers."""
    for folder in ["source", "release", "data"]:
        shutil.copytree(ROOT / folder, root / folder)
    shutil.copy(ROOT / CONFIG_NAME, root)
    release = read_notebook(root / "release" / CHAPTER / f"{CHAPTER}.ipynb")
    for number, code in enumerate(handed_in):
        folder = root / "submitted" / f"student{number:04}" / CHAPTER
        folder.mkdir(parents=True)
        (folder / f"{CHAPTER}.ipynb").write_bytes(fill_in(release, code))


def measure(command: Sequence[str], handed_in: Sequence[Mapping[str, str]]) -> Cost:
    """Return what a command takes to grade a new class."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "course"
        make_class(root, handed_in)
        if command[0] == "nbgrader":
            # In this course, its autograde would call this grader.
            config = root / CONFIG_NAME
            lines = config.read_text().splitlines(keepends=True)
            config.write_text("".join(line for line in lines if "pre_convert_hook" not in line))
        run(root, "nbgrader", "generate_assignment", CHAPTER, "--force")
        cost = watch(root, command, len(handed_in))
        graded = len(list((root / "autograded").glob(f"*/{CHAPTER}/{CHAPTER}.ipynb")))
        if graded != len(handed_in):
            sys.exit(f"{' '.join(command)} graded {graded} of {len(handed_in)}")
        return cost


def run(root: Path, *command: str) -> None:
    """Run a command in a course folder."""
    subprocess.run([sys.executable, "-m", *command], cwd=root, check=True, capture_output=True)


def watch(root: Path, command: Sequence[str], students: int) -> Cost:
    """Run a command in a course folder; return what it took."""
    free, busy = psutil.virtual_memory().available, busy_seconds()
    least, own, own_seconds = free, 0, 0.0
    started = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = psutil.Popen(
            [sys.executable, "-m", *command], cwd=root, stdout=output, stderr=output
        )
        while process.poll() is None:
            least = min(least, psutil.virtual_memory().available)
            try:
                own = max(own, process.memory_info().rss)
                own_seconds = sum(process.cpu_times()[:2])
            except psutil.Error:  # it has ended
                break
            time.sleep(SECONDS_BETWEEN_SAMPLES)
        code = process.wait()
        seconds = time.perf_counter() - started
        output.seek(0)
        if code:
            sys.exit(f"{' '.join(command)} failed:\n{output.read().decode()[-2000:]}")
    return Cost(
        students, seconds, busy_seconds() - busy, (free - least) / MIB, own / MIB, own_seconds
    )


def busy_seconds() -> float:
    """Return for how long the processors of this machine have worked since it started."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def cells_alone(code: Mapping[str, str]) -> float:
    """Return the processor time of the cells of a submission, run as plain Python here."""
    release = read_notebook(ROOT / "release" / CHAPTER / f"{CHAPTER}.ipynb")
    torch.set_num_threads(1)
    took = []
    for _ in range(3):
        names: dict[str, object] = {"__name__": "__main__"}
        started = time.process_time()
        for cell in from_bytes(fill_in(release, dict(code))).cells:
            if cell.cell_type == "code":
                try:
                    exec(compile(cell.source, "cell", "exec"), names)
                except Exception:  # a test of a blank submission fails
                    continue
        took.append(time.process_time() - started)
    return min(took)


def import_seconds() -> float:
    """Return what `import torch` takes here, the best of three: a measure of the machine."""
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        seconds.append(time.monotonic() - started)
    return min(seconds)


def compare(count: int) -> tuple[Cost, Table]:
    """Grade a class with both graders; return what nbgrader took, and the table of both."""
    handed_in = list(islice(answers(), count))
    theirs = measure(["nbgrader", "autograde", CHAPTER], handed_in)
    ours = measure(GRADE, handed_in)
    table = Table(
        "", "s", "s per submission", "CPU s per submission", "peak MiB", title=f"{count} students"
    )
    for name, cost in [("nbgrader autograde", theirs), ("autograder grade", ours)]:
        table.add_row(
            name,
            f"{cost.seconds:.1f}",
            f"{cost.seconds / count:.2f}",
            f"{cost.cpu_seconds / count:.2f}",
            f"{cost.memory_mib:.0f}",
        )
    table.add_row(
        "ratio",
        "",
        f"{theirs.seconds / ours.seconds:.1f}",
        f"{theirs.cpu_seconds / ours.cpu_seconds:.1f}",
        f"{theirs.memory_mib / ours.memory_mib:.1f}",
    )
    return theirs, table


def blank_adds(count: int) -> str:
    """Return what `count` more blank submissions cost, each, beyond what their cells take."""
    blank: list[Mapping[str, str]] = [{}] * count
    one, two = (measure(GRADE, blank * n) for n in (1, 2))
    each, alone = (two.cpu_seconds - one.cpu_seconds) / count, cells_alone({})
    return (
        f"a blank submission: {each:.2f} CPU s, its cells alone {alone:.2f}: "
        f"grading adds {each - alone:.2f}"
    )


def grow(sizes: Sequence[int], theirs: Cost) -> Iterator[Table | str]:
    """Grade classes of these sizes; yield what they cost, a line through that, and a forecast."""
    table = Table(
        "students", "s", "s per submission", "CPU s", "coordinator MiB", title="class sizes"
    )
    costs = [measure(GRADE, list(islice(answers(), size))) for size in sizes]
    for cost in costs:
        table.add_row(
            str(cost.students),
            f"{cost.seconds:.1f}",
            f"{cost.seconds / cost.students:.2f}",
            f"{cost.cpu_seconds:.1f}",
            f"{cost.own_mib:.0f}",
        )
    yield table
    x, y = [c.students for c in costs], [c.seconds for c in costs]
    slope, start = np.polyfit(x, y, 1)
    worst = max(abs(start + slope * a - b) / b for a, b in zip(x, y, strict=True))
    each = theirs.seconds / theirs.students
    yield (
        f"fitted: {start:.1f} s + {slope:.3f} s per submission, off by {worst:.0%} at most; "
        f"nbgrader's {each:.2f} s is {each / slope:.1f} times that"
    )
    own, _ = np.polyfit(x, [c.own_cpu_seconds for c in costs], 1)
    yield sizing(start, slope * (os.cpu_count() or 1), own)


def sizing(start: float, core_seconds: float, own_seconds: float) -> Table:
    """Return how long larger classes take on more cores, computed from what was measured here.

    `core_seconds` are those of a submission: seconds on one core, if cores add up. `own_seconds` of
    them are those of the one process that writes the gradebook: no number of cores shortens these.
    """
    cores = [2, 8, 32, 128]
    title = f"minutes, computed from {core_seconds:.2f} core seconds per submission, "
    title += f"{own_seconds:.3f} of them on one core"
    table = Table("students", *(f"{n} cores" for n in cores), title=title)
    for students in [40, 640, 5000]:
        minutes = [(start + students * max(core_seconds / n, own_seconds)) / 60 for n in cores]
        table.add_row(str(students), *(f"{value:.1f}" for value in minutes))
    return table


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=40)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 40, 160, 640])
    options = parser.parse_args()
    # nbgrader sets up a new gradebook by running `alembic`, which it finds by its name.
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    console = Console(width=None if Console().is_terminal else 120)
    console.print(
        f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, torch {torch.__version__}, "
        f"which takes {import_seconds():.1f} s to import"
    )
    theirs, table = compare(options.students)
    console.print(table)
    console.print(blank_adds(options.students))
    if len(options.sizes) > 1:
        for part in grow(options.sizes, theirs):
            console.print(part)


if __name__ == "__main__":
    main()
