"""What goes into grading one submission, and what comes out: plain data, which can travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from autograder.limits import Limits

Status = Literal["graded", "graded in part", "unreadable", "missing", "refused"]
NOT_GRADED = "not graded"  # what is said where there is no status
# The reason of a test cell in which the notebook was stopped, and of all that would have followed.
STOPPED, NOT_RUN = "stopped: ", "not run, because the notebook was stopped: "


@dataclass(frozen=True)
class Job:
    """All that is needed to grade one submission."""

    student: str
    chapter: str
    template: bytes  # the instructor's notebook without solutions
    files: Mapping[str, bytes]  # what was handed in: relative path -> content
    support: Mapping[str, bytes] = field(default_factory=dict)  # what was released beside it
    data: Path | None = None  # the course's data/, seen beside the notebook
    limits: Limits = field(default_factory=Limits)
    seed: int = 0  # where random numbers begin, inside and in the tests


@dataclass(frozen=True)
class Verdict:
    """What became of one test cell. `points` is None where a person has to grade."""

    points: float | None
    max_points: float
    reason: str = ""
    hidden: bool | None = None  # whether it failed in its hidden part; None: at none of its lines


@dataclass(frozen=True)
class Executed:
    """What became of one submission."""

    status: Status
    reason: str = ""
    notebook: bytes = b""  # the executed notebook; empty when there is none
    verdicts: dict[str, Verdict] = field(default_factory=dict)  # grade_id -> verdict
    seconds: float = 0.0
    memory_bytes: int = 0  # at most, of all its processes at a time; 0: not measured


@dataclass(frozen=True)
class Result:
    """What became of one student. `status` is None when the grader itself failed."""

    student: str
    status: Status | None
    reason: str
    verdicts: dict[str, Verdict]
    seconds: float
    memory_bytes: int = 0  # at most, of all its processes; 0: not measured
    skipped: bool = False  # done in an earlier run

    @property
    def points(self) -> float:
        """The points earned so far; what a person has yet to grade counts nothing."""
        return sum(v.points or 0 for v in self.verdicts.values())
