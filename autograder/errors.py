"""Errors of the student's code, as seen by a test: same type, same text, same traceback."""

from __future__ import annotations

import builtins
import linecache
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

MAX_TEXT, MAX_FRAMES, MAX_LINE = 4000, 20, 100_000
HERE = str(Path(__file__).parent)  # frames of the grader itself are not shown
TYPES: dict[str, type[Exception]] = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception)
}
TYPES["_LinAlgError"] = torch.linalg.LinAlgError
TYPES["OutOfMemoryError"] = torch.OutOfMemoryError


def describe_error(error: BaseException, with_frames: bool) -> dict[str, Any]:
    """Return all that is to be known of `error` as plain values."""
    frames = traceback.extract_tb(error.__traceback__) if with_frames else []
    shown = [f for f in frames if not f.filename.startswith(HERE)]
    if len(shown) > MAX_FRAMES:
        shown = [*shown[: MAX_FRAMES // 2], *shown[-MAX_FRAMES // 2 :]]
    try:
        text = str(error)[:MAX_TEXT]
    except Exception as another:  # its own __str__ fails
        text = f"(its text cannot be shown: {type(another).__name__})"
    plain = all(isinstance(arg, str | int | float | None) for arg in error.args)
    return {
        "types": [kind.__name__ for kind in type(error).__mro__],
        "text": text,
        "args": list(error.args) if plain and len(error.args) == 1 else [text],
        "frames": [[f.filename, f.lineno or 0, f.name, (f.line or "")[:300]] for f in shown],
    }


def make_error(facts: dict[str, Any]) -> Exception:
    """Return the error that `describe_error` told of.

    An error of a type of the student's own has its name, and is of the nearest built-in type.
    """
    names = [str(name) for name in facts["types"]]
    name, text = names[0], str(facts["text"])
    kind = next((TYPES[known] for known in names if known in TYPES), RuntimeError)
    try:
        error = kind(*facts["args"])
        exact = TYPES.get(name) is kind and str(error) == text
    except Exception:  # some types want other arguments
        exact = False
    if not exact:
        error = _make_type(name, kind, text)()
    return error.with_traceback(_make_traceback(facts["frames"]))


def _make_type(name: str, kind: type[Exception], text: str) -> Callable[[], Exception]:
    """Return a type of error called `name` that says `text`, whatever `kind` wants to be told."""
    members = {"__str__": lambda self: text, "__init__": lambda self: None}
    made: Callable[[], Exception] = type(name, (kind,), members)
    return made


def _make_traceback(frames: list[list[Any]]) -> TracebackType | None:
    """Return a traceback that shows `frames`, the outermost first."""
    chain: TracebackType | None = None
    for filename, number, name, line in reversed(frames):
        if not 0 < number < MAX_LINE:
            continue
        shown = f"{filename} "  # no file of this machine has this name
        lines = linecache.cache.get(shown, (0, None, [], shown))[2]
        lines = [*lines, *["\n"] * (number - len(lines))]
        lines[number - 1] = f"{line}\n"
        linecache.cache[shown] = (len(lines), None, lines, shown)
        code = compile("raise Exception", shown, "exec").replace(
            co_name=str(name), co_firstlineno=number
        )
        try:
            exec(code, {})
        except Exception as error:
            assert error.__traceback__ is not None
            assert error.__traceback__.tb_next is not None
            frame = error.__traceback__.tb_next.tb_frame
            chain = TracebackType(chain, frame, 0, number)
    return chain


def forget_frames() -> None:
    """Forget the lines of code that `make_error` has remembered for its tracebacks."""
    for name in [name for name in linecache.cache if name.endswith(" ")]:
        del linecache.cache[name]
