"""A handle: what a test holds of a function, class or object of the student's.

It answers to calls, attributes, indices, operators, iteration and `isinstance` by asking on the
other side. Its own type has the special methods that the object has there, and no others, so that
`len(handle)` fails as it would have failed.
"""

from __future__ import annotations

import inspect
import sys
import types
from functools import cache
from typing import Any

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
MAX_NAME, MAX_PARAMETERS = 200, 100


class Handle:
    """See the module. `_autograder` is the side that asks, the number there, and the facts."""

    __slots__ = ("__weakref__", "_autograder")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return ask(self, "call", *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
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

    @property
    def __signature__(self) -> inspect.Signature:
        parameters = facts_of(self)["parameters"]
        if parameters is None:
            raise AttributeError("__signature__")
        kinds = list(inspect._ParameterKind)
        return inspect.Signature(
            [inspect.Parameter(name, kinds[kind]) for name, kind in parameters],
            __validate_parameters__=False,
        )

    @property
    def __bases__(self) -> tuple[type, ...]:
        base = _find_class(facts_of(self)["subclass_of"])
        if base is None:
            raise AttributeError("__bases__")
        return (base,)

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # what isinstance asks for
        return _find_class(facts_of(self)["instance_of"]) or type(self)


def ask(handle: Any, operation: str, *args: Any, **kwargs: Any) -> Any:
    """Do `operation` with the object behind `handle`."""
    return object.__getattribute__(handle, "_autograder")[0].ask(operation, handle, *args, **kwargs)


def side_of(handle: Any) -> Any:
    """Return the side that made `handle`."""
    return object.__getattribute__(handle, "_autograder")[0]


def number_of(handle: Any) -> int:
    """Return the number of the object behind `handle`."""
    return int(object.__getattribute__(handle, "_autograder")[1])


def facts_of(handle: Any) -> dict[str, Any]:
    """Return what `describe_object` said."""
    facts: dict[str, Any] = object.__getattribute__(handle, "_autograder")[2]
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
    parameters = None
    if callable(value):
        try:
            found = inspect.signature(value).parameters.values()
            parameters = [[p.name, int(p.kind)] for p in found][:MAX_PARAMETERS]
        except Exception:  # not every function tells the names of its arguments
            parameters = None
    return {
        "name": kind.__name__[:MAX_NAME],
        "special": special,
        "callable": callable(value),
        "parameters": parameters,
        "instance_of": _known_class(kind),
        "subclass_of": _known_class(value) if isinstance(value, type) else None,
    }


def _known_class(kind: type) -> list[str] | None:
    """Return module and name of the nearest class that both sides have."""
    for base in kind.__mro__:
        if base.__name__ in KNOWN_TYPES and base is KNOWN_TYPES[base.__name__]:
            return ["", base.__name__]
        module, name = base.__module__, base.__qualname__
        if module.split(".")[0] == "torch" and getattr(sys.modules.get(module), name, None) is base:
            return [module, name]
    return None


def _find_class(path: list[str] | None) -> type | None:
    if path is None:
        return None
    module, name = path
    if not module:
        return KNOWN_TYPES.get(name)
    if str(module).split(".")[0] != "torch":
        return None
    found = vars(sys.modules.get(module, object)).get(name)
    return found if isinstance(found, type) else None


def make_handle(side: Any, number: int, facts: dict[str, Any]) -> Handle:
    """Return a handle of the object that has `number` on the other side."""
    special = frozenset(name for name in facts["special"] if name in SPECIAL)
    name = str(facts["name"])[:MAX_NAME]
    made = object.__new__(_make_type(name, special, bool(facts["callable"])))
    object.__setattr__(made, "_autograder", (side, number, facts))
    return made


@cache
def _make_type(name: str, special: frozenset[str], is_callable: bool) -> type[Handle]:
    members: dict[str, Any] = {method: _forward(method) for method in special}
    members["__hash__"] = object.__hash__
    members["__slots__"] = ()
    if not is_callable:
        members["__call__"] = property(_not_callable)
    return type(name, (Handle,), members)


def _not_callable(handle: Handle) -> None:
    raise AttributeError("__call__")


def _forward(method: str) -> Any:
    def forward(self: Handle, *args: Any) -> Any:
        return ask(self, "special", method, *args)

    return forward
