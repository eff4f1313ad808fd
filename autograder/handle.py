"""A handle: what a test holds of a function, class or object of the student's.

It answers to calls, attributes, indices, operators, iteration and `isinstance` by asking on the
other side. Its own type has the special methods that the object has there, and no others, so that
`len(handle)` fails as it would have failed.
"""

from __future__ import annotations

import inspect
import math
import sys
import types
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

KNOWN_TYPES = {
    "function": types.FunctionType,
    "builtin_function_or_method": types.BuiltinFunctionType,
    "method": types.MethodType,
    "generator": types.GeneratorType,
    "type": type,
}
OPERATORS = """
    add radd sub rsub mul rmul matmul rmatmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow
    and rand or ror xor rxor lshift rshift neg pos abs invert iadd isub imul itruediv imatmul
    eq ne lt le gt ge bool int float complex index round len length_hint
    iter next reversed contains getitem setitem delitem enter exit
"""
SPECIAL = [f"__{name}__" for name in OPERATORS.split()]
ALONE = "neg pos abs invert bool int float complex index round len length_hint iter next reversed"
ALONE += " contains getitem setitem delitem enter exit"
WITH_ANOTHER = {f"__{name}__" for name in OPERATORS.split() if name not in ALONE.split()}
MAX_NAME, MAX_PARAMETERS = 200, 100


# Classes of torch that a handle may claim to be an instance of. They are written in Python: torch
# takes what claims to be a Tensor for one, without a look, and the process crashes or worse.
FAMILIES = (
    torch.nn.Module,
    torch.optim.Optimizer,
    torch.optim.lr_scheduler.LRScheduler,
    torch.utils.data.Dataset,
    torch.utils.data.DataLoader,
    torch.utils.data.Sampler,
    torch.distributions.Distribution,
)
BASES = (*FAMILIES, torch.autograd.Function)  # a class may claim to be a subclass of
# By these attributes an object tells numpy or torch at which address its data lie.
ADDRESSES = {
    "__array_interface__",
    "__array_struct__",
    "__cuda_array_interface__",
    "__dlpack__",
    "__dlpack_device__",
    "_as_parameter_",
}


@dataclass(frozen=True)
class Facts:
    """What a handle knows of its object, checked."""

    instance_of: type | None
    subclass_of: type | None
    signature: inspect.Signature | None
    function: str | None  # the name of a plain function


class Handle:
    # What is known of it: the side that asks, the number there, and the facts.
    __slots__ = ("__weakref__", "_autograder")

    def __getattr__(self, name: str) -> Any:
        if name in ADDRESSES:
            raise AttributeError(name)
        if name == "__name__" and facts_of(self).function is not None:  # tests ask for it often
            return facts_of(self).function
        return ask(self, "getattr", name)

    def __setattr__(self, name: str, value: Any) -> None:
        ask(self, "setattr", name, value)

    def __delattr__(self, name: str) -> None:
        ask(self, "delattr", name)

    def __repr__(self) -> str:
        return str(ask(self, "repr"))

    def __str__(self) -> str:
        return str(ask(self, "str"))

    def __dir__(self) -> list[str]:
        return list(ask(self, "dir"))

    def __copy__(self) -> Any:
        return ask(self, "copy")

    def __deepcopy__(self, memo: object) -> Any:
        return ask(self, "deepcopy")

    def __instancecheck__(self, value: object) -> bool:
        return issubclass(type(value), Handle) and bool(ask(value, "isinstance", self))

    def __subclasscheck__(self, value: object) -> bool:
        return issubclass(type(value), Handle) and bool(ask(value, "issubclass", self))

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("an object of the student's code cannot be pickled")

    @property
    def __signature__(self) -> inspect.Signature:
        signature = facts_of(self).signature
        if signature is None:
            raise AttributeError("__signature__")
        return signature

    @property
    def __bases__(self) -> tuple[type, ...]:
        base = facts_of(self).subclass_of
        if base is None:
            raise AttributeError("__bases__")
        return (base,)

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # what isinstance asks for
        return facts_of(self).instance_of or type(self)


def ask(handle: Any, operation: str, *args: Any, **kwargs: Any) -> Any:
    """Do `operation` with the object behind `handle`.

    A StopIteration comes from `__next__` only: from a call, it would end a loop of the test.
    """
    try:
        return side_of(handle).ask(operation, handle, *args, **kwargs)
    except StopIteration as error:
        if args[:1] == ("__next__",):
            raise
        raise RuntimeError("the call raised StopIteration") from error


def side_of(handle: Any) -> Any:
    """Return the side that made `handle`."""
    return object.__getattribute__(handle, "_autograder")[0]


def number_of(handle: Any) -> int:
    """Return the number of the object behind `handle`."""
    return int(object.__getattribute__(handle, "_autograder")[1])


def facts_of(handle: Any) -> Facts:
    """Return what is known of the object behind `handle`."""
    facts: Facts = object.__getattribute__(handle, "_autograder")[2]
    return facts


def describe_object(value: Any) -> dict[str, Any]:
    """Return what a handle has to know of `value`, in the process where `value` is."""
    kind = type(value)
    special = [
        name
        for name in SPECIAL
        if getattr(kind, name, None) is not getattr(object, name, None)
        and (kind is not type or name not in type.__dict__)
    ]
    return {
        "name": kind.__name__[:MAX_NAME],
        "special": special,
        "callable": callable(value),
        "parameters": _parameters(value) if callable(value) else None,
        "instance_of": _known_class(kind),
        "subclass_of": _known_class(value) if isinstance(value, type) else None,
        "function": value.__name__[:MAX_NAME] if kind is types.FunctionType else None,
    }


def _parameters(value: Any) -> list[list[Any]] | None:
    """Return name, kind and default of each parameter; a default that is no data is Ellipsis."""
    try:
        found = list(inspect.signature(value).parameters.values())
    except Exception:  # not every function tells the names of its arguments
        return None
    described: list[list[Any]] = []
    for p in found[:MAX_PARAMETERS]:
        described.append([p.name[:MAX_NAME], int(p.kind)])
        if p.default is not p.empty:
            plain = type(p.default) in (bool, int, str, type(None)) and len(str(p.default)) < 100
            finite = type(p.default) is float and math.isfinite(p.default)
            described[-1] += [plain or finite, p.default if plain or finite else None]
    return described


def _signature(parameters: list[list[Any]] | None) -> inspect.Signature | None:
    if parameters is None:
        return None
    kinds = list(inspect._ParameterKind)
    found = []
    for name, kind, *default in parameters:
        value = (default[1] if default[0] else ...) if default else inspect.Parameter.empty
        found.append(inspect.Parameter(name, kinds[kind], default=value))
    return inspect.Signature(found, __validate_parameters__=False)


def _known_class(kind: type) -> list[str] | None:
    """Return module and name of the nearest class that both sides have."""
    for base in kind.__mro__:
        if base.__name__ in KNOWN_TYPES and base is KNOWN_TYPES[base.__name__]:
            return ["", base.__name__]
        path = [base.__module__, base.__qualname__]
        if path[0].split(".")[0] == "torch" and _find_class(path, BASES) is base:
            return path
    return None


def _find_class(path: list[str] | None, families: tuple[type, ...]) -> type | None:
    """Return the class with this module and name, if it belongs to one of `families`."""
    if path is None:
        return None
    module, name = path
    if not module:
        return KNOWN_TYPES.get(name)
    found = vars(sys.modules.get(module, object)).get(name)
    if not isinstance(found, type) or not issubclass(found, families):
        return None
    return None if issubclass(found, torch.Tensor) else found


def make_handle(side: Any, number: int, told: dict[str, Any]) -> Handle:
    """Return a handle of the object that has `number` on the other side."""
    facts = Facts(
        _find_class(told["instance_of"], FAMILIES),
        _find_class(told["subclass_of"], BASES),
        _signature(told["parameters"]),
        str(told["function"])[:MAX_NAME] if told.get("function") else None,
    )
    special = frozenset(name for name in told["special"] if name in SPECIAL)
    made = object.__new__(_make_type(str(told["name"])[:MAX_NAME], special, bool(told["callable"])))
    object.__setattr__(made, "_autograder", (side, number, facts))
    return made


@lru_cache(maxsize=1000)
def _make_type(name: str, special: frozenset[str], is_callable: bool) -> type[Handle]:
    members: dict[str, Any] = {method: _forward(method) for method in special}
    members["__hash__"] = object.__hash__
    members["__slots__"] = ()
    members["__doc__"] = property(lambda handle: ask(handle, "getattr", "__doc__"))
    if is_callable:
        members["__call__"] = _call
    return type(name, (Handle,), members)


def _call(handle: Handle, *args: Any, **kwargs: Any) -> Any:
    return ask(handle, "call", *args, **kwargs)


def _forward(method: str) -> Any:
    def forward(self: Handle, *args: Any) -> Any:
        if method in WITH_ANOTHER and not issubclass(type(args[0]), Handle):
            # An object is never the number that a test expects, and never learns it: how far it
            # is from that number would be for the object to say.
            return NotImplemented
        if method == "__exit__" and isinstance(args[1], BaseException):
            # Where a test failed, and what it expected, stays here.
            args = (
                (args[0], type(args[1])(), None) if args[0] is AssertionError else (*args[:2], None)
            )
        return ask(self, "special", method, *args)

    return forward
