"""What happened to a submission, in words for its student."""

from __future__ import annotations

import re
from typing import NamedTuple

from autograder.job import NOT_RUN, STOPPED
from autograder.outcome import Outcome

FACT = re.compile(r"  ([a-z]\w*) {1,9}(\S.*)")  # as the tests' own messages have it
MEMORY = re.compile(r"^(?:\w+ raised )?MemoryError\b|DefaultCPUAllocator: can't allocate memory")
# Where the next part of a reason begins: a heading, or the name of a file, may hold "; ", too.
NEXT = re.compile(rf"; (?={STOPPED}|put back: |copied cells: |graded |timestamp\.txt holds)")
CALL = re.compile(r"(?:\w+ raised )?TimeoutError: the call ran longer than (\S+) s")


class Told(NamedTuple):
    """The message of a test, taken apart."""

    problem: str
    facts: list[tuple[str, str]]  # called, got, expected: label and text
    outside: str  # a sentence when it was not the answer's result that failed, or ""


def tell(reason: str) -> Told:
    """Take the reason of a failed test apart."""
    outside = _outside(reason)
    if reason in ("AssertionError", "TestFailed"):
        return Told("A test failed that you do not see, and it says no more.", [], outside)
    first, *rest = reason.split("\n") if reason else [""]
    problem, facts = [first], []
    for line in rest:
        fact = FACT.fullmatch(line)
        if fact:
            facts.append((fact[1], fact[2]))
        elif facts:
            facts[-1] = (facts[-1][0], f"{facts[-1][1]}\n{line}")
        else:
            problem.append(line)
    return Told("\n".join(problem), facts, outside)


def _outside(reason: str) -> str:
    first = reason.split("\n")[0]
    if match := CALL.match(first):
        return f"The time limit: one call of your function ran longer than {match[1]} seconds."
    if MEMORY.search(first):
        return "The memory limit: your code asked for more memory than it may have."
    if match := re.fullmatch(r"this test ran longer than (\S+) s", first):
        return f"The time limit: the test ran longer than {match[1]} seconds."
    if first.startswith(NOT_RUN):
        why = cause(first.removeprefix(NOT_RUN))
        return f"{why} The notebook was stopped before it came to this test."
    if first.startswith(STOPPED):
        return cause(first.removeprefix(STOPPED))
    return ""


def cause(stopped: str) -> str:
    """Return in a sentence why something was stopped: the limit first, then what was too much."""
    match = re.match(r"more than (\S+) s\b(?! of processor)(.*)", stopped)
    if match:
        what = "your notebook" if "whole notebook" in match[2] else "the cell"
        return f"The time limit: {what} ran longer than {match[1]} seconds."
    if match := re.match(r"more than (\S+ s) of processor time", stopped):
        return f"The limit of processor time: your notebook used more than {match[1]}."
    if match := re.match(r"more than (\S+ \w+) of memory", stopped):
        return f"The memory limit: your notebook used more than {match[1]}."
    if match := re.match(r"more than (\d+ (?:processes|threads|files))", stopped):
        return f"A limit: your notebook had more than {match[1]}."
    if match := re.match(r"files of more than (\S+ \w+)", stopped):
        return f"A limit: the files handed in are larger than {match[1]}."
    if match := re.match(r"the Python process ended( by \w+)?", stopped):
        return f"The kernel died: the Python process of your notebook ended{match[1] or ''}."
    return f"The notebook was stopped: {stopped}."


class Explanation(NamedTuple):
    """What the head of a page says: a status, a sentence, and what else is to be known."""

    title: str
    text: str
    more: list[str]


def explain(outcome: Outcome, limited: bool) -> Explanation:
    """Return what became of a submission as a whole; `limited`: a limit cost points of an exercise.

    Only where nothing was stopped is that worth a sentence of its own.
    """
    if not outcome.graded:
        return _without_points(outcome)
    more = []
    for part in NEXT.split(outcome.reason) if outcome.reason else []:
        if part.startswith(STOPPED):
            stopped, _, where = part.removeprefix(STOPPED).partition(" in cell ")
            place = f" That was in cell {where}." if where else ""
            more.append(f"{cause(stopped)}{place}")
        elif part.startswith("put back: "):
            more.append(f"Cells were missing from your notebook and were {part}.")
        elif part.startswith("copied cells: "):
            more.append(f"Of cells that were in it twice, the first one counted: {part[14:]}.")
        elif part.startswith("graded "):
            more.append(f"The notebook that was graded is {part[7:]}.")
        else:
            more.append(f"{part[:1].upper()}{part[1:]}.")
    if outcome.penalty:
        hours = outcome.seconds_late / 3600
        late = f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"
        more.append(f"Handed in {late} late: {outcome.penalty:g} points were taken off.")
    elif outcome.seconds_late:
        more.append("Handed in late; no points were taken off.")
    if outcome.status == "graded in part":
        text = "Something outside your answers cost points. All that could run was graded."
        return Explanation("Graded in part", text, more)
    if limited:
        text = "Every cell was run. A limit on time or memory cost points: look for it below."
        return Explanation("Graded", text, more)
    return Explanation("Graded", "Every cell of your notebook was run.", more)


def _without_points(outcome: Outcome) -> Explanation:
    reason = outcome.reason
    if outcome.status == "missing":
        text = (
            "There is no submission of yours."
            if reason == "nothing was handed in"
            else "Something was handed in, but not the notebook of this chapter."
        )
        more = [] if reason == "nothing was handed in" else [f"What was found: {reason}."]
        after = "No points were given. Ask your instructor what that means for your mark."
        return Explanation("Missing", text, [*more, after])
    if outcome.status == "unreadable":
        text = "Your notebook was handed in, but it cannot be read, so nothing could be graded."
        after = "Open your own copy in JupyterLab; if it opens there, save it and hand it in again."
        return Explanation("Unreadable", text, [f"The reason: {reason}.", after])
    text = "Your submission holds something that is not opened for safety, so nothing was graded."
    after = "Hand in the notebook itself as a plain file, and nothing else."
    return Explanation("Refused", text, [f"The reason: {reason}.", after])
