"""Long work shows how far it is: a bar for people, a log for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from autograder.job import Result


@contextmanager
def progress(
    console: Console, title: str
) -> Iterator[tuple[Callable[[int], None], Callable[[bool], None]]]:
    """Show a bar with done, failed, how many a second, and the time left.

    Yields `start(total)` and `step(failed)`.
    """
    done = failed = 0
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TextColumn("{task.fields[rate]:.2f} a second"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(title, total=None, failed=0, rate=0.0)
        started = time.monotonic()

        def start(total: int) -> None:
            bar.update(task, total=total)

        def step(problem: bool) -> None:
            nonlocal done, failed
            done += 1
            failed += problem
            rate = done / (time.monotonic() - started)
            bar.update(task, completed=done, failed=failed, rate=rate)

        yield start, step


@contextmanager
def result_log(path: Path | None) -> Iterator[Callable[[Result], None]]:
    """Yield a function that appends a result to the file `path`, one line of JSON for each."""
    if path is None:
        yield lambda result: None
        return
    with path.open("a", encoding="utf-8") as file:

        def write(result: Result) -> None:
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "student": result.student,
                "status": result.status,
                "reason": result.reason,
                "points": result.points,
                "seconds": result.seconds,
                "memory_bytes": result.memory_bytes,
                "skipped": result.skipped,
            }
            file.write(f"{json.dumps(line)}\n")
            file.flush()

        yield write
