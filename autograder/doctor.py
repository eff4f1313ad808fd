"""What this machine can do: finds out, by trying it, whether the course can be graded here.

Each finding is one line for people: what is there, or what is wrong and what to do about it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil
from nbgrader.api import Assignment, Student
from packaging.requirements import Requirement
from sqlalchemy import create_engine, func, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from autograder.build import complete, make_template
from autograder.course import CONFIG_NAME, Course
from autograder.grade import folders_of
from autograder.job import Job
from autograder.limits import Limits
from autograder.notebook import fill_in, to_bytes
from autograder.pool import Pool
from autograder.sandbox import SandboxError

GIB = 2**30
NEEDED = ("", "course")  # the extras without which lessons or grading do not work
SHOWN = ("torch", "nbgrader", "ipykernel")  # whose versions people are asked for
SOLUTION = "### BEGIN SOLUTION\ndef double(x):\n    return 2 * x\n### END SOLUTION"
TEST = "assert double(2) == 4"
CARD = re.compile(r"^## (\S+)\n.*?^\| sha256 \| (\w+) \|$", re.MULTILINE | re.DOTALL)


class Finding(NamedTuple):
    """What was found out about one thing."""

    what: str
    good: bool
    text: str


def examine(course: Course, pool: Pool, limits: Limits) -> Iterator[Finding]:
    """Yield what is found out about this machine, one thing after the other."""
    system = f"{platform.system()} {platform.release()}"
    yield Finding(
        "Python", True, f"{platform.python_version()} on {system}, {os.cpu_count()} cores"
    )
    yield find_packages(requires("autograder") or [])
    yield find_memory(limits, psutil.virtual_memory().total)
    yield find_accelerators()
    yield find_data(course.data)
    yield find_gradebook(course)
    yield try_grading(pool, course.data, limits)


def find_packages(needed: list[str]) -> Finding:
    """Compare what is installed with what the project needs."""
    problems, count = [], 0
    for requirement in map(Requirement, needed):
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in NEEDED):
            continue
        count += 1
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            installed = ""
        if not installed or not requirement.specifier.contains(installed, prereleases=True):
            wanted = f"{requirement.name}{requirement.specifier}"
            problems.append(f"{wanted} is needed, {installed or 'none'} is installed")
    if problems:
        return Finding(
            "packages", False, f"{'; '.join(problems)}: run `pip install -r requirements.lock`"
        )
    versions = ", ".join(f"{name} {version(name)}" for name in SHOWN)
    return Finding("packages", True, f"{versions}; all {count} that are needed")


def find_memory(limits: Limits, total: int) -> Finding:
    """Compare the `total` bytes of this machine with what one submission may use."""
    count, cores = int(total // limits.memory_bytes), os.cpu_count() or 1
    text = f"{total / GIB:.1f} GiB, and a submission may use {limits.memory_bytes / GIB:.1f}"
    if not count:
        text += f": set a smaller c.Limits.memory_bytes in {CONFIG_NAME}"
    elif count < cores:
        text += f": grade with --jobs {count} where many are that large"
    return Finding("memory", count > 0, text)


def find_accelerators() -> Finding:
    """Ask torch for GPUs."""
    try:
        # Not above: a machine without it is told so.
        import torch
    except (ImportError, OSError) as error:
        return Finding("accelerator", False, f"torch cannot be imported: {error}")
    text = "none; nothing in the course needs one"
    if torch.cuda.is_available():
        devices = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
        names = [f"{device.name}, {device.total_memory / GIB:.0f} GiB" for device in devices]
        text = f"{'; '.join(names)}; submissions are graded on the CPU"
    elif torch.backends.mps.is_available():
        text = "an Apple GPU (mps); submissions are graded on the CPU"
    return Finding("accelerator", True, text)


def find_data(data: Path | None) -> Finding:
    """Compare the data sets with the checksums that data/README.md gives."""
    cards = data / "README.md" if data else None
    if cards is None or not cards.is_file():
        return Finding("data", True, "no checksums in data/README.md to compare with")
    listed = CARD.findall(cards.read_text(encoding="utf-8"))
    wrong = [name for name, digest in listed if _sha256(cards.with_name(name)) != digest]
    if wrong:
        text = f"missing or changed: {', '.join(wrong)}; `git checkout data` brings them back"
        return Finding("data", False, text)
    return Finding("data", True, f"{len(listed)} data sets, all as data/README.md describes them")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def find_gradebook(course: Course) -> Finding:
    """Look into the gradebook that nbgrader_config.py names; nothing is made or changed."""
    try:
        url = make_url(folders_of(course, "").db_url)
    except ArgumentError as error:
        return Finding("gradebook", False, f"c.CourseDirectory.db_url in {CONFIG_NAME}: {error}")
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return Finding("gradebook", True, f"{shown}: the first grading makes it")
    try:
        with create_engine(url, poolclass=NullPool).connect() as connection:
            if not inspect(connection).has_table(Student.__tablename__):
                return Finding("gradebook", True, f"{shown}: the first grading makes its tables")
            students, chapters = (
                connection.scalar(select(func.count()).select_from(table))
                for table in (Student, Assignment)
            )
    except ModuleNotFoundError as error:
        return Finding("gradebook", False, f"{shown}: {error}; run `pip install '.[postgres]'`")
    except SQLAlchemyError as error:
        first = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return Finding("gradebook", False, f"{shown} cannot be opened: {first}")
    return Finding("gradebook", True, f"{shown}: students {students}, chapters {chapters}")


def try_grading(pool: Pool, data: Path | None, limits: Limits) -> Finding:
    """Grade a small submission as any other, with all walls."""
    walls = "in the sandbox" if limits.sandbox else "without a sandbox"
    started = time.monotonic()
    try:
        pool.prepare(data, limits)
        executed = pool.submit(_trial(data, limits)).result()
    except SandboxError as error:
        return Finding("grading", False, str(error))
    if isinstance(executed, str):
        return Finding("grading", False, executed)
    points = sum(verdict.points or 0 for verdict in executed.verdicts.values())
    if executed.status != "graded" or points != 1:
        reasons = [executed.reason, *(v.reason for v in executed.verdicts.values())]
        text = f"a right answer got {points:g} of 1 points: {'; '.join(filter(None, reasons))}"
        return Finding("grading", False, text)
    seconds = time.monotonic() - started
    text = f"a trial submission was graded {walls}, in {seconds:.1f} s with all that had to start"
    return Finding("grading", True, text)


def _trial(data: Path | None, limits: Limits) -> Job:
    """Return a submission of one exercise, answered rightly."""
    cells: dict[str, tuple[str, dict[str, object]]] = {
        "double": (SOLUTION, {"solution": True}),
        "double-values": (TEST, {"grade": True, "points": 1}),
    }
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                source, id=name, metadata={"nbgrader": complete({"grade_id": name, **marks})}
            )
            for name, (source, marks) in cells.items()
        ]
    )
    template = make_template(notebook)
    answered = fill_in(template, {"double": SOLUTION})
    files = {"trial.ipynb": answered}
    return Job("trial", "trial", to_bytes(template), files, data=data, limits=limits)
