"""Tensors, arrays and the memory they lie in, shared by both sides of the wall.

What shares memory on one side shares memory on the other, across messages too. Each message brings
all changes since the last one: bytes, shapes and strides, `requires_grad` and `grad`, of everything
that both sides still have. Both sides so see the same tensors as if they were in one process.

The other side may be hostile. It can only change memory that was sent to it or that it sent; its
views end where their memory ends; memory never shrinks under a view.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.autograd.graph import increment_version
from torch.utils.weak import TensorWeakRef

from autograder.crossing import (
    DTYPES,
    Bounds,
    CrossingError,
    Tree,
    Values,
    check_dtype,
    read_dtype,
)
from autograder.memory import Array, Block, Memory, Owner, find_memory, key_of

Shareable = torch.Tensor | Array
NAMES = {dtype: name for name, dtype in DTYPES.items()}
MAX_POSITION = 2**60  # no number of a shape is larger; sums of some still fit into 64 bits


class State(NamedTuple):
    """All of a tensor but its bytes and its graph."""

    block: int  # number of the memory
    offset: int
    dtype: str
    size: Sequence[int]
    stride: Sequence[int]
    conj: bool
    neg: bool
    parameter: bool
    requires_grad: bool
    leaf: bool
    grad: int | None  # number of a tensor


class _Reference(NamedTuple):
    key: int  # id of the tensor or array
    find: Callable[[], Shareable | None]  # it keeps nothing alive


class Shared(Values):
    """One side of the wall, for values, tensors and arrays.

    The student's side (`inside`) keeps what has crossed for as long as the other side has it; the
    grader's side keeps nothing alive. Each thing has one number on both sides: negative when it
    came from inside.
    """

    def __init__(self, bounds: Bounds, *, inside: bool) -> None:
        super().__init__(bounds)
        self.inside = inside
        self.dropped: list[int] = []  # what this side will not ask for any more
        self._last = 0
        self._kept: dict[int, Any] = {}  # tensors, arrays and memory, kept for the other side
        self._shared: dict[int, _Reference] = {}  # number -> tensor or array
        self._numbers: dict[int, int] = {}  # id of a tensor or array -> its number
        self._states: dict[int, State] = {}  # of each tensor, as the other side knows it
        self._nodes: dict[int, Any] = {}  # what computed each tensor, as the other side knows it
        self._blocks: dict[int, Block] = {}
        self._owners: dict[int, int] = {}  # key of an owner of memory -> number of its block
        self._arriving: list[Any] = []  # what nothing else holds yet

    def new_number(self) -> int:
        """Return a number for something that this side makes known."""
        self._last += 1
        number = -self._last if self.inside else self._last
        self._new.append(number)
        return number

    def check_number(self, number: Any) -> None:
        """Raise CrossingError unless the other side may give something new this number."""
        if type(number) is not int or number == 0 or (number < 0) == self.inside:
            raise CrossingError("something came under a number that is none")

    def drop_with(self, owner: Any, number: int) -> None:
        """Tell the other side to drop `number` once `owner` is gone."""
        weakref.finalize(owner, self.dropped.append, number).atexit = False

    def number_of(self, value: Shareable) -> int | None:
        """Return the number under which the other side knows `value`."""
        number = self._numbers.get(id(value))
        return number if number is not None and self._find(number) is value else None

    def _find(self, number: int) -> Shareable | None:
        reference = self._shared.get(number)
        return reference.find() if reference else None

    def _link(self, number: int, value: Shareable) -> None:
        kind: Any = TensorWeakRef if isinstance(value, torch.Tensor) else weakref.ref
        find = kind(value)
        self._shared[number] = _Reference(id(value), find)
        self._numbers[id(value)] = number
        if self.inside:
            self._kept[number] = value

    def forget(self, number: int) -> None:
        """Forget what both sides knew under `number`."""
        reference = self._shared.pop(number, None)
        if reference is not None and self._numbers.get(reference.key) == number:
            del self._numbers[reference.key]
        block = self._blocks.pop(number, None)
        if block is not None and self._owners.get(block.key) == number:
            del self._owners[block.key]
        self._states.pop(number, None)
        self._nodes.pop(number, None)
        self._kept.pop(number, None)

    # Sending

    def start_writing(self) -> None:
        """Begin to write a new message."""
        super().start_writing()
        self._new: list[int] = []  # numbers that this message makes known
        self._on_sent: list[Callable[[], Any]] = []
        # All that the other side may speak of in its answer, even if nothing here holds it by then.
        self._held: list[Any] = []

    def encode_other(self, value: Any) -> Tree:
        """Return what stands for a tensor or an array."""
        if isinstance(value, torch.Tensor):
            return ["tensor", self._send(value)]
        if isinstance(value, np.ndarray):
            return ["array", self._send(value), *self._describe_array(value)]
        return super().encode_other(value)

    def changes(self) -> dict[str, Any]:
        """Return all that the other side does not know as it is now.

        What cannot cross any more is given up, so that it fails one message and not all.
        """
        tensors = self._changed_tensors()
        self._drop_dead()
        blocks = self._changed_blocks()
        dropped = self.dropped[:]
        self._on_sent.append(lambda: self.dropped.__delitem__(slice(len(dropped))))
        return {"tensors": tensors, "blocks": blocks, "dropped": dropped}

    def sent(self) -> None:
        """Take note that the other side is told what the message says."""
        for action in self._on_sent:
            action()
        self._new, self._on_sent, self.chunks = [], [], []

    def take_back(self) -> None:
        """Forget what was new in a message that could not be sent."""
        for number in self._new:
            self.forget(number)
        self.start_writing()

    def _changed_tensors(self) -> list[Tree]:
        changed, seen = [], set[int]()
        while todo := self._shared.keys() - seen:  # a gradient is one more tensor
            seen |= todo
            for number in todo:
                tensor = self._find(number)
                self._held.append(tensor)
                if not isinstance(tensor, torch.Tensor):
                    continue
                try:
                    state, node = self._state(tensor), tensor.grad_fn
                    same = node is self._nodes.get(number)
                    if not same or state != self._states.get(number):
                        graph = None if same or node is None else self.encode_graph(tensor)
                        changed.append([number, state, graph])
                        self._on_sent.append(partial(self._tell_state, number, state, node))
                except CrossingError:
                    self._give_up(number)
                    raise
        return changed

    def _tell_state(self, number: int, state: State, node: Any) -> None:
        self._states[number] = state
        if node is not None:
            self._nodes[number] = node
        else:
            self._nodes.pop(number, None)

    def _changed_blocks(self) -> list[Tree]:
        changed = []
        for number, block in list(self._blocks.items()):
            owner = block.owner()
            self._held.append(owner)
            digest = block.known if owner is None else block.digest()
            if digest != block.known:
                try:
                    place = None if block.meta else self.attach(block.view())
                except CrossingError:
                    self._give_up(number)
                    raise
                changed.append([number, block.whole().size, place])
                self._on_sent.append(partial(setattr, block, "known", digest))
        return changed

    def _drop_dead(self) -> None:
        dead = [number for number in self._shared if self._find(number) is None]
        dead += [number for number, block in self._blocks.items() if block.owner() is None]
        for number in dead:
            self.forget(number)
        self.dropped += dead

    def _give_up(self, number: int) -> None:
        """Share a tensor, or a block of memory and all tensors in it, no more."""
        for each in [number, *(n for n, state in self._states.items() if state.block == number)]:
            self.forget(each)
            self.dropped.append(each)

    def _send(self, value: Shareable) -> int:
        number = self.number_of(value)
        if number is None:
            number = self.new_number()
            self._link(number, value)
        self._held.append(value)
        return number

    def _state(self, tensor: torch.Tensor) -> State:
        try:
            with torch._C.DisableTorchFunctionSubclass():
                return self._read_state(tensor)
        except (ValueError, RuntimeError) as error:  # of kinds of tensors that only torch knows
            raise CrossingError(f"a tensor of this kind cannot cross ({error!s:.200})") from None

    def _read_state(self, tensor: torch.Tensor) -> State:
        device, itemsize = tensor.device.type, tensor.element_size()
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise CrossingError("a sparse or quantized tensor cannot cross: use x.to_dense()")
        if device not in ("cpu", "meta"):
            raise CrossingError(f"a tensor on {tensor.device} cannot cross: use x.cpu()")
        if device == "cpu":
            self.bounds.check_bytes(tensor.numel() * itemsize)
        block, offset = self._send_memory(find_memory(tensor))
        if offset % itemsize:
            raise CrossingError("a tensor between two places of memory cannot cross: use x.clone()")
        leaf = tensor.is_leaf
        grad = tensor.grad if leaf else None
        return State(
            block,
            offset // itemsize,
            NAMES[tensor.dtype],
            tuple(tensor.size()),
            tensor.stride(),
            tensor.is_conj(),
            tensor.is_neg(),
            type(tensor) is not torch.Tensor and isinstance(tensor, torch.nn.Parameter),
            tensor.requires_grad,
            leaf,
            None if grad is None else self._send(grad),
        )

    def encode_graph(self, tensor: torch.Tensor) -> Tree:
        """Return what stands for the computation that `tensor` comes from."""
        raise NotImplementedError

    def _describe_array(self, array: Array) -> Tree:
        check_dtype(array.dtype)
        self.bounds.check_bytes(array.size * array.itemsize)
        try:
            block, offset = self._send_memory(find_memory(array))
        except ValueError as error:
            raise CrossingError(f"this array cannot cross ({error})") from None
        writeable = bool(array.flags.writeable)
        return [block, array.dtype.str, array.shape, array.strides, offset, writeable]

    def _send_memory(self, memory: Memory) -> tuple[int, int]:
        """Return the number of the block that holds `memory`, and the offset of the value in it."""
        number = self._owners.get(key_of(memory.owner))
        if number is not None and self._blocks[number].is_of(memory.owner):
            return number, memory.offset
        for number, block in self._blocks.items():  # other owners may hold the same memory
            start = block.find(memory)
            if start is not None:
                return number, start + memory.offset
        number = self.new_number()
        self._add_block(number, memory.owner)
        return number, memory.offset

    def _add_block(self, number: int, owner: Owner) -> None:
        self._blocks[number] = Block(owner)
        self._owners[key_of(owner)] = number
        if self.inside:
            self._kept[number] = owner

    # Receiving

    def take(self, changes: dict[str, Any]) -> None:
        """Take over what has changed on the other side, at the start of a message."""
        for number in changes["dropped"]:
            self.forget(number)
        self.bounds.check_items(len(changes["blocks"]) + len(changes["tensors"]), 0)
        for number, size, place in changes["blocks"]:
            self._take_block(number, size, None if place is None else self.read(place))
        states = [(number, State(*state), graph) for number, state, graph in changes["tensors"]]
        for number, state, graph in sorted(states, key=lambda each: not each[1].leaf):
            self._take_tensor(number, state, graph)
        for number, state, _ in states:
            self._take_grad(number, state)

    def taken(self) -> None:
        """Hold no longer what is held until an answer is read."""
        self._arriving, self._held = [], []

    def decode_other(self, kind: str, *rest: Any) -> Any:
        """Return the tensor or array that a tree stands for."""
        if kind == "tensor":
            return self.tensor(rest[0])
        if kind == "array":
            return self._take_array(*rest)
        return super().decode_other(kind, *rest)

    def tensor(self, number: int) -> torch.Tensor:
        """Return the tensor that both sides know under `number`."""
        tensor = self._find(number)
        if not isinstance(tensor, torch.Tensor):
            raise CrossingError("a tensor came that is none")
        return tensor

    def _take_block(self, number: int, size: int, content: memoryview | None) -> None:
        if number not in self._blocks:
            self.check_number(number)
            device, room = ("meta", size) if content is None else ("cpu", content.nbytes)
            storage = torch.UntypedStorage(room, device=device)  # type: ignore[no-untyped-call]
            self._arriving.append(storage)
            self._add_block(number, storage)
        block = self._blocks[number]
        if content is not None:
            block.write(content)
            for other, state in self._states.items():
                tensor = self._find(other) if state.block == number else None
                if isinstance(tensor, torch.Tensor) and not tensor.is_inference():
                    increment_version(tensor)  # autograd notices as in one process
        block.known = block.digest()

    def _take_tensor(self, number: int, state: State, graph: Tree) -> None:
        plain = self._make_tensor(state)
        tensor = self._find(number)
        if tensor is None:
            self.check_number(number)
            if state.parameter:
                tensor = torch.nn.Parameter(plain, requires_grad=state.requires_grad)
            elif graph is not None:
                tensor = self.decode_graph(graph, plain, None)
            else:
                tensor = plain.requires_grad_(state.requires_grad)
            self._arriving.append(tensor)
            self._link(number, tensor)
            return
        tensor = self.tensor(number)
        if _layout(tensor) != _layout(plain):
            tensor.data = plain
        if graph is not None:  # it was changed in place by a computation
            self.decode_graph(graph, plain, tensor)
        elif state.leaf and not tensor.is_leaf:
            tensor.detach_()
        if tensor.is_leaf and tensor.requires_grad != state.requires_grad:
            tensor.requires_grad_(state.requires_grad)

    def _make_tensor(self, state: State) -> torch.Tensor:
        """Return a new tensor on memory that both sides have."""
        block, dtype = self._blocks[state.block], DTYPES[state.dtype]
        room = block.whole().size // dtype.itemsize
        _check_extent(state.size, state.stride, state.offset, room)
        if min([*state.stride, 0]) < 0:
            raise CrossingError("a tensor came with a shape that is none")
        if not block.meta:
            self.bounds.check_bytes(math.prod(state.size) * dtype.itemsize)
        storage = block.as_storage()
        plain = torch.empty(0, dtype=dtype, device=storage.device)
        plain.set_(storage, state.offset, state.size, state.stride)
        plain = plain.conj() if state.conj else plain
        return torch._neg_view(plain) if state.neg else plain

    def decode_graph(
        self, graph: Tree, plain: torch.Tensor, changed: torch.Tensor | None
    ) -> torch.Tensor:
        """Return `plain`, or `changed` in place, as the result of what `graph` stands for."""
        raise NotImplementedError

    def _take_grad(self, number: int, state: State) -> None:
        tensor = self.tensor(number)
        if tensor.is_leaf:
            grad = None if state.grad is None else self.tensor(state.grad)
            if tensor.grad is not grad:
                tensor.grad = grad
        self._tell_state(number, self._state(tensor), tensor.grad_fn)

    def _take_array(
        self,
        number: int,
        block: int,
        dtype: str,
        shape: list[int],
        strides: list[int],
        offset: int,
        writeable: bool,
    ) -> Array:
        kind, memory = read_dtype(dtype), self._blocks[block]
        _check_extent(shape, strides, offset, memory.whole().size - kind.itemsize + 1)
        self.bounds.check_bytes(math.prod(shape) * kind.itemsize)
        start = offset if math.prod(shape) else 0
        array: Array = np.ndarray(tuple(shape), kind, memory.as_array(), start, tuple(strides))
        array.flags.writeable = bool(writeable) and array.flags.writeable
        known = self._find(number)
        if isinstance(known, np.ndarray) and _interface(known) == _interface(array):
            return known
        if known is None:
            self.check_number(number)
            self._link(number, array)
        return array


def _layout(tensor: torch.Tensor) -> tuple[Any, ...]:
    memory = find_memory(tensor)
    flags = (tensor.is_conj(), tensor.is_neg())
    return key_of(memory.owner), memory.offset, tensor.dtype, tensor.size(), tensor.stride(), flags


def _interface(array: Array) -> tuple[Any, ...]:
    return array.ctypes.data, array.dtype, array.shape, array.strides, array.flags.writeable


def _check_extent(size: Sequence[int], stride: Sequence[int], offset: int, room: int) -> None:
    """Raise CrossingError unless all positions of a view lie in the `room` of its memory."""
    numbers = [*size, *stride, offset]
    fits = all(type(n) is int and abs(n) <= MAX_POSITION for n in numbers)
    if not fits or len(size) != len(stride) or len(size) > 64 or min([*size, offset, 0]) < 0:
        raise CrossingError("a tensor came with a shape that is none")
    steps = [(n - 1) * s for n, s in zip(size, stride, strict=True)]
    low = offset + sum(min(0, step) for step in steps)
    high = offset + sum(max(0, step) for step in steps)
    if math.prod(size) and not 0 <= low <= high < room:
        raise CrossingError("a tensor came that reaches outside its memory")
