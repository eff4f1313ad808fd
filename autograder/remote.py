"""Functions and objects of the other side: called here, run there.

A test calls `relu(x)`: a request crosses with `x`, the student's `relu` runs in the student's
process, the reply crosses with the result and with all that changed on the way. What is no data
stays where it is and is represented by a `Handle`.

Gradients flow through calls: a result remembers on which side it was computed, and its backward
pass runs there.

The grader's side answers two requests only: a call of a function that a test passed as an
argument, and a backward pass.
"""

from __future__ import annotations

import copy
import io
import json
import pickle
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable
from torch.autograd.graph import GradientEdge

from autograder.crossing import Bounds, CrossingError, Tree
from autograder.errors import describe_error, make_error
from autograder.handle import Handle, describe_object, make_handle, number_of, side_of
from autograder.shared import Shared

# A module crosses by its name; a test gets its own one.
MODULES = {"torch", "numpy", "math", "random", "itertools", "functools", "collections"}


@dataclass
class Graph:
    """A tensor computed here whose backward pass the other side may ask for."""

    tensor: torch.Tensor
    wanted: list[Any]  # inputs of the other side
    own: list[torch.Tensor]  # leaf tensors that only this side has


class _Elsewhere(torch.autograd.Function):
    """A result of the other side: its backward pass asks there."""

    @staticmethod
    def forward(
        ctx: Any, side: Remote, number: int, result: list[torch.Tensor], *inputs: Any
    ) -> Any:
        ctx.side, ctx.number = side, number
        ctx.token = _Token()
        side.drop_with(ctx.token, number)
        return result[0]

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        return (None, None, None, None, *ctx.side.ask("backward", ctx.number, grad))


class _Token:
    """Something that can be watched for its end."""


class Remote(Shared):
    """One side of the wall. A subclass says how messages travel (`exchange`)."""

    def __init__(self, bounds: Bounds, *, inside: bool) -> None:
        super().__init__(bounds, inside=inside)
        self._handles: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._ids: dict[int, int] = {}  # id of an object with a number -> number
        self._callbacks: dict[int, Callable[..., Any]] = {}  # what the other side may call

    def exchange(self, buffers: list[Any]) -> list[Any]:
        """Send a request and return the reply."""
        raise NotImplementedError

    # Asking

    def ask(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Do `operation` on the other side and return its result, or raise what it raised.

        Lists, dicts and sets among the arguments are afterwards as the other side left them.
        """
        request = {"operation": operation, "args": list(args), "kwargs": kwargs}
        reply = self._unpack(
            self.exchange(self._pack({**request, "grad": torch.is_grad_enabled()}))
        )
        if "error" in reply:
            raise make_error(reply["error"])
        for old, new in zip([*args, *kwargs.values()], reply["after"], strict=False):
            _update(old, new)
        return reply["result"]

    def _pack(self, message: dict[str, Any]) -> list[Any]:
        self.start_sending()
        try:
            head = {key: self.encode(value) for key, value in message.items()}
            changes = self.changes()
            self.buffers[0] = json.dumps([head, changes], allow_nan=False).encode("ascii")
        except RecursionError:
            self.take_back()
            raise CrossingError("the data are nested too deeply") from None
        except CrossingError:
            self.take_back()
            raise
        return self.buffers

    def _unpack(self, buffers: list[Any]) -> dict[str, Any]:
        """Return the message in `buffers`. Raises CrossingError, whatever the buffers hold."""
        try:
            self.bounds.check_bytes(sum(memoryview(buffer).nbytes for buffer in buffers))
            head, changes = json.loads(bytes(buffers[0]))
            with torch.enable_grad():
                self.take(buffers, changes)
                return {key: self.decode(tree) for key, tree in head.items()}
        except (CrossingError, MemoryError):
            raise
        except Exception as error:  # hostile bytes can fail in any way
            raise CrossingError(f"what came is no data ({error!r:.200})") from None
        finally:
            self._arriving = []

    # Answering

    def answer(self, buffers: list[Any]) -> list[Any]:
        """Return the reply to a request, whatever it holds and whatever it leads to."""
        try:
            request = self._unpack(buffers)
            args, kwargs = request["args"], request["kwargs"]
            with self.surroundings(), torch.set_grad_enabled(bool(request["grad"])):
                result = self._operations()[request["operation"]](*args, **kwargs)
            after = [x if _is_container(x) else None for x in [*args, *kwargs.values()]]
            return self._pack({"result": result, "after": after})
        except Exception as error:
            return self._pack({"error": describe_error(error, with_frames=self.inside)})
        except (KeyboardInterrupt, SystemExit, GeneratorExit) as error:
            return self._pack({"error": describe_error(error, with_frames=False)})

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """What holds while a request is answered."""
        yield

    def _operations(self) -> dict[str, Callable[..., Any]]:
        if not self.inside:
            return {"call_back": self._call_back, "backward": self._backward}
        return {
            "call": lambda function, *args, **kwargs: function(*args, **kwargs),
            "special": lambda target, name, *args: getattr(type(target), name)(target, *args),
            "getattr": getattr,
            "setattr": setattr,
            "delattr": delattr,
            "isinstance": isinstance,
            "issubclass": issubclass,
            "repr": lambda target: repr(target)[:4000],
            "str": lambda target: str(target)[:4000],
            "dir": dir,
            "copy": copy.copy,
            "deepcopy": copy.deepcopy,
            "backward": self._backward,
        }

    def _call_back(self, number: int, *args: Any, **kwargs: Any) -> Any:
        return self._callbacks[number](*args, **kwargs)

    # Objects

    def encode(self, value: Any, depth: int = 0) -> Tree:
        """Return what stands for `value`. A handle is no other thing, whatever it claims to be."""
        if issubclass(type(value), Handle):
            if side_of(value) is not self:
                raise CrossingError("this belongs to an earlier test cell")
            return ["yours", number_of(value)]
        return super().encode(value, depth)

    def encode_other(self, value: Any) -> Tree:
        """Return what stands for a tensor, an array, a function or any other object."""
        if isinstance(value, torch.Tensor | np.ndarray):
            return super().encode_other(value)
        if isinstance(value, types.ModuleType) and value.__name__.split(".")[0] in MODULES:
            return ["module", value.__name__]
        return self._encode_handle(value) if self.inside else self._encode_object(value)

    def _encode_handle(self, value: Any) -> Tree:
        number = self._ids.get(id(value))
        if number is None:
            number = self._ids[id(value)] = self.keep(value)
        return ["yours", number] if number > 0 else ["handle", number, describe_object(value)]

    def _encode_object(self, value: Any) -> Tree:
        """What a test passes goes in once: torch's objects as a copy, a function to call back."""
        number = self._ids.get(id(value))
        if number is not None:
            return ["yours", number]
        number = self._ids[id(value)] = self.keep(value)
        if _is_own_function(value):
            self._callbacks[number] = value
            return ["callback", number, str(getattr(value, "__name__", "function"))]
        text = io.BytesIO()
        pickler = _Pickler(text, self)
        try:
            pickler.dump(value)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise CrossingError(
                f"a value of type {type(value).__name__} cannot go to the student's code ({error}): "
                "pass numbers, tensors, functions or objects of torch's own classes"
            ) from None
        return ["object", number, self.attach(text.getvalue()), pickler.parts]

    def decode_other(self, kind: str, *rest: Any) -> Any:
        """Return what a tree stands for that is no plain value."""
        if kind == "yours":
            return self.kept[rest[0]]
        if kind == "module" and str(rest[0]).split(".")[0] in MODULES:
            return sys.modules[rest[0]]
        if kind == "handle" and not self.inside:
            return self._decode_handle(*rest)
        if kind == "callback" and self.inside:
            return self._keep_as(rest[0], self._make_callback(*rest))
        if kind == "object" and self.inside:
            return self._keep_as(rest[0], self._load(*rest))
        return super().decode_other(kind, *rest)

    def _decode_handle(self, number: int, facts: Tree) -> Any:
        handle = self._handles.get(number)
        if handle is None:
            handle = self._handles[number] = make_handle(self, int(number), facts)
            self.drop_with(handle, number)
        if number in self.dropped:  # it was gone, and is here again
            self.dropped.remove(number)
        return handle

    def _keep_as(self, number: int, value: Any) -> Any:
        self.kept[number] = value
        self._ids[id(value)] = number
        return value

    def _make_callback(self, number: int, name: str) -> Callable[..., Any]:
        def callback(*args: Any, **kwargs: Any) -> Any:
            return self.ask("call_back", number, *args, **kwargs)

        callback.__name__ = name
        return callback

    def _load(self, number: int, buffer: int, parts: list[Tree]) -> Any:
        unpickler = pickle.Unpickler(io.BytesIO(self.buffers[buffer]))
        unpickler.persistent_load = lambda index: self.decode(parts[index])  # type: ignore[method-assign]
        return unpickler.load()

    def _forget(self, number: int) -> None:
        if number in self.kept:
            self._ids.pop(id(self.kept[number]), None)
        super()._forget(number)

    # Gradients

    def encode_graph(self, tensor: torch.Tensor) -> Tree:
        """Return the number of the graph of `tensor`, and which inputs of the other side it has."""
        graph, inputs, seen = Graph(tensor, [], []), [], set()
        nodes = [tensor.grad_fn]
        while nodes:
            node = nodes.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            leaf = getattr(node, "variable", None)
            if isinstance(node, _Elsewhere._backward_cls):  # type: ignore[attr-defined]
                inputs.append(["graph", node.number])
                graph.wanted.append(GradientEdge(node, 0))
            elif leaf is None:
                nodes += [following for following, _ in node.next_functions]
            elif self.number_of(leaf) is not None:
                inputs.append(["tensor", self.number_of(leaf)])
                graph.wanted.append(leaf)
            else:
                graph.own.append(leaf)
        return [self.keep(graph), inputs]

    def decode_graph(self, plain: torch.Tensor, graph: Tree) -> torch.Tensor:
        """Return `plain` with a backward pass that runs on the other side."""
        number, inputs = graph
        found = [self.tensor(n) if kind == "tensor" else self.kept[n].tensor for kind, n in inputs]
        anchor = torch.empty(0, requires_grad=True)  # else, without inputs, there is no backward
        result: torch.Tensor = _Elsewhere.apply(self, int(number), [plain], anchor, *found)  # type: ignore[no-untyped-call]
        return result

    def _backward(self, number: int, grad: torch.Tensor) -> list[torch.Tensor | None]:
        graph = self.kept[number]
        if not isinstance(graph, Graph):
            raise CrossingError("there is no such graph")
        inputs = [*graph.wanted, *graph.own]
        grads = torch.autograd.grad(
            graph.tensor, inputs, grad, retain_graph=True, allow_unused=True
        )
        for leaf, part in zip(graph.own, grads[len(graph.wanted) :], strict=True):
            if part is not None:
                leaf.grad = part if leaf.grad is None else leaf.grad.add_(part)
        return list(grads[: len(graph.wanted)])


class _Pickler(pickle.Pickler):
    """Torch's own objects as a copy, their tensors as the tensors that both sides share."""

    def __init__(self, file: io.BytesIO, side: Remote) -> None:
        super().__init__(file)
        self.side = side
        self.parts: list[Tree] = []

    def persistent_id(self, value: Any) -> int | None:
        """Return the number of a part that crosses by itself."""
        kind = type(value)
        crosses = issubclass(kind, torch.Tensor | np.ndarray | Handle) or _is_own_function(value)
        if not crosses:
            return None
        self.parts.append(self.side.encode(value))
        return len(self.parts) - 1


def _is_own_function(value: Any) -> bool:
    """Whether `value` is a function that cannot be found by its name: one of a test."""
    if not isinstance(value, types.FunctionType | types.MethodType):
        return False
    module = sys.modules.get(value.__module__)
    found = getattr(module, value.__qualname__.split(".")[0], None)
    for name in value.__qualname__.split(".")[1:]:
        found = getattr(found, name, None)
    return found is not value and not isinstance(value, types.MethodType)


def _is_container(value: Any) -> bool:
    return type(value) in (list, dict, set, bytearray)


def _update(old: Any, new: Any) -> None:
    """Give the container `old` the content of `new`, what it had from the start as it is."""
    if new is None or type(old) is not type(new):
        return
    if isinstance(old, list | bytearray):
        old[:] = [_merge(*pair) for pair in zip(old, new, strict=False)] + list(new[len(old) :])
    elif isinstance(old, dict):
        merged = {key: _merge(old.get(key), value) for key, value in new.items()}
        old.clear()
        old.update(merged)
    elif isinstance(old, set):
        old.clear()
        old.update(new)


def _merge(old: Any, new: Any) -> Any:
    if _is_container(old) and type(old) is type(new):
        _update(old, new)
        return old
    return new
