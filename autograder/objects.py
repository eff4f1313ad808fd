"""Objects that a test passes to the student's code: torch's own go in as a copy.

The copy has the same tensors, in memory that both sides share, and the same settings: plain
attributes as `training` or the learning rate, which are kept alike on both sides.
"""

from __future__ import annotations

import io
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

import torch

from autograder.crossing import CrossingError, Tree

SCALARS = (bool, int, float, str, bytes, type(None))
LAYERS = "names of the layers"
WITH_SETTINGS = (
    torch.nn.Module,
    torch.optim.Optimizer,
    torch.optim.lr_scheduler.LRScheduler,
    torch.Generator,
)


def is_own_function(value: Any) -> bool:
    """Whether `value` is a function that cannot be found by its name: one of a test."""
    return isinstance(value, types.FunctionType) and not is_named(value)


def is_named(value: Any) -> bool:
    """Whether `value` is a function or class that is found by its name."""
    if not isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        return False
    found: Any = sys.modules.get(value.__module__ or "")
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value


def dump(value: Any, encode: Callable[[Any], Tree], crosses: tuple[type, ...]) -> tuple[bytes, Any]:
    """Return `value` as bytes, and its parts that cross by themselves, as `encode` returns them.

    Raises CrossingError for what cannot go in.
    """
    parts: list[Tree] = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, part: Any) -> int | None:
            with_number = part is not value and isinstance(part, WITH_SETTINGS)
            if (
                not issubclass(type(part), crosses)
                and not with_number
                and not is_own_function(part)
            ):
                return None
            parts.append(encode(part))
            return len(parts) - 1

    text = io.BytesIO()
    try:
        Pickler(text).dump(value)
    except CrossingError:
        raise
    except Exception as error:  # each type has its own ways to refuse
        raise CrossingError(
            f"a value of type {type(value).__name__} cannot go to the student's code "
            f"({error!s:.200}): pass numbers, tensors, functions or objects of torch's own classes"
        ) from None
    return text.getvalue(), parts


def load(content: bytes, parts: list[Tree], decode: Callable[[Tree], Any]) -> Any:
    """Return what `dump` was given. Only for the student's side: it can run any code."""

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, index: int) -> Any:
            return decode(parts[index])

    return Unpickler(io.BytesIO(content)).load()


def read_settings(value: Any) -> list[dict[str, Any]]:
    """Return the plain attributes of each part of `value`."""
    return [
        {name: item for name, item in part.items() if type(item) in SCALARS}
        for part in _parts(value)
    ]


def write_settings(value: Any, settings: list[dict[str, Any]]) -> None:
    """Change the plain attributes of `value`; none is added, and none changes its type.

    Raises CrossingError when the object has other parts than before.
    """
    parts = _parts(value)
    if len(parts) != len(settings) or parts[0].get(LAYERS) != settings[0].get(LAYERS):
        raise CrossingError(
            f"the {type(value).__name__} that the test passed has other layers or groups than "
            "before: let the student's function make it, or return it"
        )
    for part, new in zip(parts, settings, strict=True):
        for name, item in new.items():
            kinds = {type(part.get(name, part)), type(item)}
            if kinds <= set(SCALARS) and (len(kinds) == 1 or kinds == {int, float}):
                part[name] = item
    if isinstance(value, torch.Generator):
        value.set_state(torch.frombuffer(bytearray(settings[0]["state"]), dtype=torch.uint8))


def _parts(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, torch.nn.Module):
        # Its layers cross as objects of their own.
        return [{LAYERS: " ".join(value._modules)}, vars(value)]
    if isinstance(value, torch.optim.Optimizer):
        return list(value.param_groups)
    if isinstance(value, torch.optim.lr_scheduler.LRScheduler):
        return [vars(value)]
    if isinstance(value, torch.Generator):
        return [{"state": value.get_state().numpy().tobytes()}]
    return []
