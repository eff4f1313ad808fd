"""Errors of the student's code, as seen by a test: same type, same text, same traceback."""

from __future__ import annotations

import ast
import builtins
import linecache
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from autograder.crossing import CrossingError

MAX_TEXT, MAX_NAME, MAX_FRAMES, MAX_LINE = 4000, 300, 20, 10_000
HERE = str(Path(__file__).parent)  # frames of the grader itself are not shown
PLAIN = (bool, int, float, str, type(None))
_remembered: set[str] = set()  # names of files of the student's, of which lines are known here
TYPES: dict[str, type[Exception]] = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception)
}
TYPES["CrossingError"] = CrossingError
TYPES["_LinAlgError"] = torch.linalg.LinAlgError  # type: ignore[attr-defined]
TYPES["OutOfMemoryError"] = torch.OutOfMemoryError


def describe_error(error: BaseException, *, inside: bool) -> dict[str, Any]:
    """Return all that is to be known of `error` as plain values.

    An error of a test (not `inside`) goes without its lines, and without the text of an `assert`:
    these tell what the test expects.
    """
    try:
        text = str(error)[:MAX_TEXT]
    except Exception as another:  # its own __str__ fails
        text = f"(its text cannot be shown: {type(another).__name__})"
    args = list(error.args) if all(type(arg) in PLAIN for arg in error.args) else [text]
    if sum(len(arg) for arg in args if isinstance(arg, str)) > MAX_TEXT:
        args = [text]
    if not inside and isinstance(error, AssertionError):
        text, args = "an assertion of the test failed", []
    return {
        "types": [kind.__name__[:MAX_NAME] for kind in type(error).__mro__[:MAX_FRAMES]],
        "text": text,
        "args": args,
        "frames": _describe_frames(error.__traceback__) if inside else [],
    }


def _describe_frames(chain: TracebackType | None) -> list[list[Any]]:
    frames = [f for f in traceback.extract_tb(chain) if not f.filename.startswith(HERE)]
    if len(frames) > MAX_FRAMES:
        frames = [*frames[: MAX_FRAMES // 2], *frames[-MAX_FRAMES // 2 :]]
    return [[f.filename, f.lineno or 0, f.name, (f.line or "")[:MAX_NAME]] for f in frames]


def make_error(facts: Any) -> Exception:
    """Return the error that `describe_error` told of. Raises CrossingError where it did not.

    An error of a type of the student's own has its name, and is of the nearest built-in type.
    """
    try:
        names = [str(name)[:MAX_NAME] for name in facts["types"]]
        text, args = str(facts["text"])[:MAX_TEXT], facts["args"]
        kind = next((TYPES[name] for name in names if name in TYPES), RuntimeError)
        error = _make_exactly(kind, args) if names[0] in TYPES else None
        if error is None or str(error) != text:
            error = _make_alike(names[0], kind, text)
        return error.with_traceback(_make_traceback(facts["frames"]))
    except Exception as another:  # hostile facts can fail in any way
        raise CrossingError(f"an error came that is none ({another!r:.200})") from None


def _make_exactly(kind: type[Exception], args: list[Any]) -> Exception | None:
    try:
        return kind(*args)
    except Exception:  # it wants to be told something that is no plain value
        return None


def _make_alike(name: str, kind: type[Exception], text: str) -> Exception:
    """Return an error of a new type called `name` that says `text`."""
    if issubclass(kind, ExceptionGroup):  # it cannot be made without errors in it
        kind = Exception
    members = {"__str__": lambda self: text, "__init__": lambda self: None}
    made: type[Exception] = type(name, (kind,), members)
    return made()


def _make_traceback(frames: list[list[Any]]) -> TracebackType | None:
    """Return a traceback that shows `frames`, the outermost first."""
    chain: TracebackType | None = None
    for filename, number, name, line in reversed(frames[:MAX_FRAMES]):
        if type(number) is int and 0 < number < MAX_LINE:
            shown = f"{str(filename)[:MAX_NAME]} "  # no file of this machine has this name
            _remember_line(shown, number, str(line)[:MAX_NAME])
            chain = _add_frame(chain, shown, number, str(name)[:MAX_NAME])
    return chain


def _add_frame(chain: TracebackType | None, filename: str, number: int, name: str) -> TracebackType:
    """Return `chain` with one more frame around it: a real one, of code that only raises."""
    # A line without columns: there is nothing to underline.
    place = {"lineno": number, "end_lineno": number, "col_offset": -1, "end_col_offset": -1}
    tree = ast.Raise(ast.Name("Exception", ast.Load(), **place), None, **place)
    code = compile(ast.Module([tree], []), filename, "exec").replace(co_name=name)
    made: TracebackType | None = None
    try:
        exec(code, {})
    except Exception as error:
        made = error.__traceback__ and error.__traceback__.tb_next
    assert made is not None
    # From the position of its instruction Python finds the line.
    return TracebackType(chain, made.tb_frame, made.tb_lasti, number)


def _remember_line(filename: str, number: int, line: str) -> None:
    """Let a traceback find `line` in a file that does not exist here."""
    known = linecache.cache.get(filename)
    lines = known[2] if known and len(known) == 4 else []
    lines = [*lines, *["\n"] * (number - len(lines))]
    lines[number - 1] = f"{line}\n"
    linecache.cache[filename] = (len(lines), None, lines, filename)
    _remembered.add(filename)


def forget_frames() -> None:
    """Forget the lines of code that `make_error` has remembered for its tracebacks."""
    while _remembered:
        linecache.cache.pop(_remembered.pop(), None)
