"""A student's names seen from outside, and test cells that run on them.

A test cell runs in the grader's process, in a namespace of its own. Names that it does not define
are looked up in the student's kernel at that moment; `remote.py` says what then crosses. Only what
the locked cells of the notebook define (imports, helpers) is there from the start, from our own
copy.
"""

from __future__ import annotations

import ast
import builtins
import io
import signal
import threading
import time
import traceback
import types
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

from nbformat import NotebookNode

from autograder.connection import INTERRUPT_SECONDS, Connection, Stopped, TimeUp
from autograder.crossing import Bounds
from autograder.errors import forget_frames
from autograder.handle import Handle
from autograder.limits import Limits
from autograder.notebook import new_error, new_output
from autograder.remote import Remote, set_seeds
from autograder.submission import HIDDEN

# In the namespace itself: to look for what is missing there costs more than most lines of a test.
NAMED = (types.FunctionType, type)
BUILTINS = {name: value for name, value in vars(builtins).items() if not name.startswith("_")}


class Outside(Remote):
    """The grader's side of the wall, for one test cell."""

    def __init__(self, connection: Connection, bounds: Bounds, seed: int) -> None:
        super().__init__(bounds, inside=False)
        self.connection = connection
        self._known: dict[str, Any] = {}  # functions and classes, by name
        connection.begin(seed)

    def exchange(self, buffers: list[Any]) -> list[Any]:
        """Send a request to the student's kernel and return the reply."""
        return self.connection.request(buffers, self.answer)

    def look_up(self, name: str) -> Any:
        """Return what a name stands for now. Raises NameError."""
        if name not in self._known:
            value = self.ask("lookup", name)
            if not (issubclass(type(value), Handle) and isinstance(value, NAMED)):
                return value
            self._known[name] = value
        return self._known[name]

    def take(self, changes: dict[str, Any]) -> None:
        """Take over what has changed in the kernel, at the start of a message."""
        super().take(changes)
        for name in changes.get(
            "rebound", []
        ):  # it tells when a function or class gets another name
            self._known.pop(name, None)


class Namespace(dict[str, Any]):
    """Global names of a test cell. What is not in it is the student's."""

    side: Outside | None = None

    def __missing__(self, name: str) -> Any:
        if self.side is None or hasattr(builtins, name):
            raise KeyError(name)
        return self.side.look_up(name)


class Examiner:
    """Runs the test cells of a notebook, one by one, against a student's kernel."""

    def __init__(self, chapter: str, connection: Connection, limits: Limits, seed: int = 0) -> None:
        self.chapter, self.connection, self.limits, self.seed = chapter, connection, limits, seed
        self.bounds = Bounds(*limits.crossing)
        self.failed_hidden: bool | None = None  # whether the last test failed in its hidden part
        self._locked: list[tuple[CodeType, CodeType | None]] = []

    def set_up(self, cell: NotebookNode) -> None:
        """Let the tests that follow have what a locked cell defines."""
        self._locked.append(_compile(cell.source, cell.metadata.nbgrader.grade_id))

    def run(self, cell: NotebookNode, seconds: float) -> list[NotebookNode]:
        """Run a test cell in at most `seconds`; return what it printed, and an error if it failed.

        Raises Stopped when the kernel is lost.
        """
        name = f"{self.chapter}/{cell.metadata.nbgrader.grade_id}"
        seed = zlib.crc32(name.encode(), self.seed)
        printed = _LimitedText(self.limits.cell_output_bytes)
        self.failed_hidden = None
        outputs = []
        try:
            with redirect_stdout(printed), redirect_stderr(printed):
                shared = self._defined()
                with _limit(seconds, self.connection):
                    names = Namespace(shared)
                    # Helpers of the locked cells look for the student's names in the same place.
                    names.side = shared.side = Outside(self.connection, self.bounds, seed)
                    set_seeds(seed)
                    outputs += _run(cell, names)
        except TimeUp:
            if seconds < self.limits.cell_seconds:  # it was the notebook's time that was up
                raise Stopped from None
            text = f"this test ran longer than {seconds:g} s"
            outputs.append(new_error("Stopped", text))
        except Stopped:
            raise
        except BaseException as error:  # a test may raise anything
            outputs.append(_show_error(error, cell.source))
            self.failed_hidden = _failed_at(error) in _hidden_lines(cell.source)
        finally:
            forget_frames()
        if printed.getvalue():
            outputs.insert(0, new_output("stream", name="stdout", text=printed.getvalue()))
        return outputs

    def _defined(self) -> Namespace:
        """Return what the locked cells define, made anew: a test before may have changed it."""
        names = Namespace(BUILTINS, __name__="__main__")
        limit = _limit(self.limits.cell_seconds, self.connection)
        with limit, redirect_stdout(io.StringIO()):
            for code, last in self._locked:
                exec(code, names)
                if last:
                    eval(last, names)
        return names


@lru_cache(maxsize=1000)  # every submission of a class has the same tests
def _compile(source: str, grade_id: str) -> tuple[CodeType, CodeType | None]:
    """Return the code of a cell, and that of the expression at its end if there is one."""
    tree = ast.parse(source)
    name, end = f"<test {grade_id}>", None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        end = compile(ast.Expression(tree.body.pop().value), name, "eval")  # type: ignore[attr-defined]
    return compile(tree, name, "exec"), end


def _run(cell: NotebookNode, names: Namespace) -> list[NotebookNode]:
    """Run a test cell; a number at its end is the points that it gives, as nbgrader has it.

    Raises ValueError for more points than the cell has.
    """
    code, last = _compile(cell.source, cell.metadata.nbgrader.grade_id)
    exec(code, names)
    if last is None:
        return []
    value = eval(last, names)
    if type(value) not in (int, float):
        return []
    if not 0 <= value <= cell.metadata.nbgrader.points:
        raise ValueError(f"the test gives {value} points of {cell.metadata.nbgrader.points}")
    data = {"text/plain": repr(value)}
    return [new_output("execute_result", data=data, metadata={}, execution_count=None)]


class _LimitedText(io.StringIO):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def write(self, text: str) -> int:
        room = self.limit - self.tell()
        if room > 0:
            super().write(text[:room])
        return len(text)


@contextmanager
def _limit(seconds: float, connection: Connection) -> Iterator[None]:
    """End what runs longer with TimeUp, where the platform can.

    No import is ended: half of a module would spoil all tests that come after this one. What
    imports until its time is up has all of its time again when that is done.
    """
    connection.deadline = time.monotonic() + seconds
    if not hasattr(signal, "setitimer") or threading.current_thread() != threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        if _imports(frame):
            connection.deadline = time.monotonic() + seconds
            signal.setitimer(signal.ITIMER_REAL, seconds)
        elif time.monotonic() < connection.deadline + INTERRUPT_SECONDS:
            # A call is ended by its own deadline first, which tells the kernel.
            signal.setitimer(signal.ITIMER_REAL, 2 * INTERRUPT_SECONDS)
        else:
            raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _imports(frame: FrameType | None) -> bool:
    """Whether the code that runs was called by an import that has not ended."""
    while frame:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _show_error(error: BaseException, source: str) -> NotebookNode:
    """Return the output of a test that failed: no line of a hidden test is in it."""
    name, text = type(error).__name__, str(error)
    if hasattr(error, "_render_traceback_"):
        shown = list(error._render_traceback_())
    else:
        student = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(" ")]
        shown = ["".join(traceback.format_list(student)).rstrip()] if student else []
        shown.append(f"{name}: {text}" if text else name)
        line = _visible_line(error, source)
        shown += [f"in the line of the test: {line}"] if line else []
        if isinstance(error, AssertionError):
            text = text or line
    return new_error(name, text, shown)


def _visible_line(error: BaseException, source: str) -> str:
    """Return the line of a test cell at which it failed, unless it is a hidden one."""
    number, lines = _failed_at(error), source.splitlines()
    if number in _hidden_lines(source) or not 0 < number <= len(lines):
        return ""
    return lines[number - 1].strip()


def _failed_at(error: BaseException) -> int:
    """Return the number of the line of a test cell at which it failed; 0: in none."""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename.startswith("<test "):
            return line
    return 0


def _hidden_lines(source: str) -> set[int]:
    """Return the numbers of the hidden lines of a test cell, markers included."""
    begin, end = HIDDEN
    found, hidden = set(), False
    for number, line in enumerate(source.splitlines(), start=1):
        hidden = hidden or begin in line
        if hidden:
            found.add(number)
        hidden = hidden and end not in line
    return found
