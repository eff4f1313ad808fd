"""Tensors, arrays and the memory they lie in, shared by both sides of the wall.

What shares memory on one side shares memory on the other, across messages too. Each message brings
all changes since the last one: bytes, shapes and strides, `requires_grad` and `grad`, of everything
that both sides still have. Both sides so see the same tensors as if they were in one process.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from autograder.crossing import (
    DTYPES,
    Bounds,
    CrossingError,
    Tree,
    Values,
    check_dtype,
    read_dtype,
)
from autograder.memory import Array, Block, Memory, Owner, find_memory


class Shared(Values):
    """One side of the wall, for values, tensors and arrays.

    The student's side (`inside`) keeps what has crossed for as long as the other side has it; the
    grader's side keeps nothing alive. Each thing has one number on both sides: negative when it
    came from inside.
    """

    def __init__(self, bounds: Bounds, *, inside: bool) -> None:
        super().__init__(bounds)
        self.inside = inside
        self.kept: dict[int, Any] = {}  # what the other side may still ask for
        self.dropped: list[int] = []  # what this side will not ask for any more
        self._last = 0
        self._blocks: dict[int, Block] = {}
        self._tensors: dict[int, weakref.ref[torch.Tensor]] = {}
        self._numbers: dict[int, int] = {}  # id of a tensor -> its number
        self._known: dict[int, Tree] = {}  # the state of each tensor that the other side knows
        self._states: dict[int, Tree] = {}  # of the tensors in this message
        self._new: list[int] = []  # numbers that this message makes known
        self._arriving: list[Any] = []  # what nothing else holds yet

    def keep(self, value: Any) -> int:
        """Keep `value` until the other side drops it; return its number."""
        number = self._new_number()
        self.kept[number] = value
        return number

    def drop_with(self, owner: Any, number: int) -> None:
        """Tell the other side to drop `number` once `owner` is gone."""
        weakref.finalize(owner, self.dropped.append, number).atexit = False

    def _new_number(self) -> int:
        self._last += 1
        number = -self._last if self.inside else self._last
        self._new.append(number)
        return number

    # Sending

    def start_sending(self) -> None:
        """Begin a new message."""
        self.start([b""])
        self._states, self._new = {}, []

    def encode_other(self, value: Any) -> Tree:
        """Return what stands for a tensor or an array."""
        if isinstance(value, torch.Tensor):
            return ["tensor", self._send_tensor(value)]
        if isinstance(value, np.ndarray):
            return self._send_array(value)
        return super().encode_other(value)

    def changes(self) -> dict[str, Any]:
        """Return all that the other side does not know as it is now."""
        for reference in list(self._tensors.values()):
            tensor = reference()
            if tensor is not None:
                self._send_tensor(tensor)
        tensors: dict[int, Tree] = {}
        for number, state in self._states.items():
            known, tensor = self._known.get(number), self._tensors[number]()
            if state != known and tensor is not None:
                # A graph is told once: what is computed later is another tensor.
                first = known is None and not state["leaf"] and state["requires_grad"]
                tensors[number] = {**state, "graph": self.encode_graph(tensor) if first else None}
        self._drop_dead()
        blocks, digests = {}, {}
        for number, block in self._blocks.items():
            digest = block.digest()
            if digest != block.known:
                digests[number] = digest
                blocks[number] = [
                    block.size(),
                    None if block.meta else self.attach(bytes(block.view())),
                ]
        # Only now, when nothing can fail any more, the other side counts as told.
        for number in tensors:
            self._known[number] = self._states[number]
        for number, digest in digests.items():
            self._blocks[number].known = digest
        dropped, self.dropped[:] = list(self.dropped), []
        self._new = []
        return {"tensors": tensors, "blocks": blocks, "dropped": dropped}

    def take_back(self) -> None:
        """Forget what was new in a message that could not be sent."""
        for number in self._new:
            self._forget(number)

    def _drop_dead(self) -> None:
        dead = [n for n, reference in self._tensors.items() if reference() is None]
        dead += [n for n, block in self._blocks.items() if block.owner() is None]
        for number in dead:
            self._forget(number)
        self.dropped += dead

    def _forget(self, number: int) -> None:
        tensor = self._tensors.pop(number, lambda: None)()
        if tensor is not None:
            self._numbers.pop(id(tensor), None)
        self._known.pop(number, None)
        self._blocks.pop(number, None)
        self.kept.pop(number, None)

    def number_of(self, tensor: torch.Tensor) -> int | None:
        """Return the number under which the other side knows `tensor`."""
        number = self._numbers.get(id(tensor))
        if number is None or self._tensors.get(number, lambda: None)() is not tensor:
            return None
        return number

    def _send_tensor(self, tensor: torch.Tensor) -> int:
        number = self.number_of(tensor)
        if number is None:
            number = self._new_number()
            self._link(number, tensor)
        if number not in self._states:
            self._states[number] = {}  # a tensor can be its own gradient
            self._states[number] = self._state(tensor)
        return number

    def _link(self, number: int, tensor: torch.Tensor) -> None:
        self._numbers[id(tensor)] = number
        self._tensors[number] = weakref.ref(tensor)
        if self.inside:
            self.kept[number] = tensor

    def _state(self, tensor: torch.Tensor) -> Tree:
        """Return all of a tensor but its bytes and its graph."""
        plain = tensor
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
            with torch._C.DisableTorchFunctionSubclass():
                plain = torch.Tensor.as_subclass(tensor, torch.Tensor)
        if plain.layout != torch.strided or plain.is_quantized:
            raise CrossingError("a sparse or quantized tensor cannot cross: use x.to_dense()")
        if plain.device.type not in ("cpu", "meta"):
            raise CrossingError(f"a tensor on {plain.device} cannot cross: use x.cpu()")
        if plain.device.type == "cpu":
            self.bounds.check_bytes(plain.numel() * plain.element_size())
        block, offset = self._send_memory(find_memory(plain))
        grad = plain.grad if plain.is_leaf else None
        return {
            "block": block,
            "offset": offset // plain.element_size(),
            "dtype": str(plain.dtype),
            "size": list(plain.size()),
            "stride": list(plain.stride()),
            "conj": plain.is_conj(),
            "neg": plain.is_neg(),
            "parameter": isinstance(tensor, torch.nn.Parameter),
            "requires_grad": plain.requires_grad,
            "leaf": plain.is_leaf,
            "grad": None if grad is None else self._send_tensor(grad),
        }

    def encode_graph(self, tensor: torch.Tensor) -> Tree:
        """Return what stands for the computation that `tensor` comes from."""
        return None

    def _send_array(self, array: Array) -> Tree:
        check_dtype(array.dtype)
        self.bounds.check_bytes(array.size * array.itemsize)
        block, offset = self._send_memory(find_memory(array))
        layout = [list(array.shape), list(array.strides), offset, bool(array.flags.writeable)]
        return ["array", block, array.dtype.str, *layout]

    def _send_memory(self, memory: Memory) -> tuple[int, int]:
        """Return the number of the block that holds `memory`, and the offset of the value in it."""
        for number, block in self._blocks.items():
            start = block.find(memory)
            if start is not None:
                return number, start + memory.offset
        number = self._new_number()
        self._add_block(number, memory.owner)
        return number, memory.offset

    def _add_block(self, number: int, owner: Owner) -> None:
        self._blocks[number] = Block(owner)
        if self.inside:
            self.kept[number] = owner

    # Receiving

    def take(self, buffers: list[Any], changes: dict[str, Any]) -> None:
        """Begin to read a message: take over what has changed on the other side."""
        self.start(buffers)
        self._arriving = []
        for number in changes["dropped"]:
            self._forget(number)
        for name, (size, buffer) in changes["blocks"].items():
            self._take_block(int(name), size, buffer)
        states = {int(name): state for name, state in changes["tensors"].items()}
        for number in sorted(states, key=lambda n: not states[n]["leaf"]):
            self._take_tensor(number, states[number])
        for number, state in states.items():
            self._take_grad(number, state)

    def decode_other(self, kind: str, *rest: Any) -> Any:
        """Return the tensor or array that a tree stands for."""
        if kind == "tensor":
            return self.tensor(rest[0])
        if kind == "array":
            return self._take_array(*rest)
        return super().decode_other(kind, *rest)

    def tensor(self, number: int) -> torch.Tensor:
        """Return the tensor that both sides know under `number`."""
        tensor = self._tensors[number]()
        if tensor is None:
            raise CrossingError("a tensor is gone")
        return tensor

    def _take_block(self, number: int, size: int, buffer: int | None) -> None:
        self.bounds.check_bytes(size if buffer is not None else 0)
        if number not in self._blocks:
            storage = torch.UntypedStorage(size, device="meta" if buffer is None else "cpu")
            self._arriving.append(storage)
            self._add_block(number, storage)
        block = self._blocks[number]
        if buffer is not None:
            block.write(self.buffers[buffer])
        block.known = block.digest()

    def _take_tensor(self, number: int, state: Tree) -> None:
        block = self._blocks[state["block"]]
        dtype = DTYPES[state["dtype"]]
        size, stride, offset = state["size"], state["stride"], state["offset"]
        _check_extent(size, stride, offset, block.size() // dtype.itemsize, dtype.itemsize)
        if not block.meta:
            self.bounds.check_bytes(math.prod(size) * dtype.itemsize)
        storage = block.as_storage()
        plain = torch.empty(0, dtype=dtype, device=storage.device)
        plain.set_(storage, offset, size, stride)  # type: ignore[call-overload]
        plain = plain.conj() if state["conj"] else plain
        plain = torch._neg_view(plain) if state["neg"] else plain
        tensor = self._tensors.get(number, lambda: None)()
        if tensor is None:
            tensor = self._new_tensor(plain, state)
            self._arriving.append(tensor)
            self._link(number, tensor)
        elif _layout(tensor) != _layout(plain):
            tensor.data = plain
        if tensor.is_leaf and tensor.requires_grad != state["requires_grad"]:
            tensor.requires_grad_(state["requires_grad"])

    def _new_tensor(self, plain: torch.Tensor, state: Tree) -> torch.Tensor:
        if state["parameter"]:
            return torch.nn.Parameter(plain, requires_grad=state["requires_grad"])
        if state["requires_grad"] and not state["leaf"]:
            return self.decode_graph(plain, state["graph"])
        return plain.requires_grad_(state["requires_grad"])

    def decode_graph(self, plain: torch.Tensor, graph: Tree) -> torch.Tensor:
        """Return `plain` as the result of the computation that `graph` stands for."""
        raise CrossingError("a tensor came with a graph")

    def _take_grad(self, number: int, state: Tree) -> None:
        tensor = self.tensor(number)
        if tensor.is_leaf:
            grad = None if state["grad"] is None else self.tensor(state["grad"])
            if tensor.grad is not grad:
                tensor.grad = grad
        self._states = {}
        self._known[number] = self._state(tensor)

    def _take_array(
        self,
        number: int,
        dtype: str,
        shape: list[int],
        strides: list[int],
        offset: int,
        writeable: bool,
    ) -> Array:
        kind, block = read_dtype(dtype), self._blocks[number]
        self.bounds.check_bytes(math.prod(shape) * kind.itemsize)
        _check_extent(shape, strides, offset, block.size() - kind.itemsize + 1, 1)
        start = offset if math.prod(shape) else 0
        array: Array = np.ndarray(tuple(shape), kind, block.as_array(), start, tuple(strides))
        array.flags.writeable = writeable and array.flags.writeable
        return array


def _layout(tensor: torch.Tensor) -> tuple[Any, ...]:
    memory = find_memory(tensor)
    flags = (tensor.is_conj(), tensor.is_neg())
    return (memory.owner._cdata, memory.offset, tensor.dtype, tensor.size(), tensor.stride(), flags)  # type: ignore[union-attr]


def _check_extent(
    size: Sequence[int], stride: Sequence[int], offset: int, room: int, itemsize: int
) -> None:
    """Raise CrossingError unless all positions of a view lie in the `room` of its memory."""
    whole = all(isinstance(n, int) for n in [*size, *stride, offset])
    if not whole or len(size) != len(stride) or len(size) > 64 or min([*size, 0]) < 0:
        raise CrossingError("a tensor came with a shape that is none")
    steps = [(n - 1) * s for n, s in zip(size, stride, strict=True)]
    low = offset + sum(min(0, step) for step in steps)
    high = offset + sum(max(0, step) for step in steps)
    if math.prod(size) and not 0 <= low <= high < room:
        raise CrossingError("a tensor came that reaches outside its memory")
