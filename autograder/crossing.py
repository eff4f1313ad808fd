"""Data across the wall: values as one JSON text and raw bytes, in both directions.

`encode` turns a value into what JSON can hold, `decode` of the other side turns that back. The
format is closed: of what comes from the student, nothing is unpickled, evaluated or imported.

- Plain values, containers, arrays and tensors come out as they went in, bit by bit.
- Of an instance of a subclass (of Tensor, int, list ...) its raw content crosses, as the base
  type: behavior stays behind.
- Everything is bounded. Over a bound, or where something cannot cross, `CrossingError` says so.

Tensors and arrays keep what they share (`shared.py`). Functions, classes and other objects are
no data: `remote.py` gives them handles.
"""

from __future__ import annotations

import math
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

SHORT = 40  # characters of a text that stands in the JSON itself
Tree = Any  # what JSON holds: a scalar, or a list that begins with the name of its kind
Buffer = bytes | memoryview
CONSTANTS = {"Ellipsis": ..., "NotImplemented": NotImplemented}
TORCH_CONSTANTS = {
    str(value): value
    for value in vars(torch).values()
    if isinstance(value, torch.dtype | torch.layout | torch.memory_format)
}
DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
TYPES = {
    kind.__name__: kind
    for kind in [bool, int, float, complex, str, bytes, list, tuple, dict, set, type(None)]
}
SEQUENCES: dict[str, Any] = {  # torch.Size is a tuple too
    "size": torch.Size,
    "tuple": tuple,
    "list": list,
    "set": set,
    "frozenset": frozenset,
}
RECORDS = {  # what torch returns from x.max(dim=0) and its like
    name: kind
    for name, kind in vars(torch.return_types).items()
    if isinstance(kind, type) and issubclass(kind, tuple)
}


class CrossingError(Exception):
    """Something cannot cross the wall; the text says what, and what to write instead."""


@dataclass(frozen=True)
class Bounds:
    """How much may cross in one message."""

    bytes: int = 256 * 2**20
    items: int = 100_000
    depth: int = 32

    def check_bytes(self, size: int) -> None:
        """Raise CrossingError for more bytes than may cross."""
        if size > self.bytes:
            raise CrossingError(f"the data are larger than {self.bytes / 2**20:g} MiB")

    def check_text(self, size: int) -> None:
        """Raise CrossingError for a JSON text longer than that of so many values.

        Read before it is parsed: a text of brackets becomes thirty times as many bytes.
        """
        if size > 100 * self.items + 2**20:
            raise CrossingError(f"there are more than {self.items} values in the containers")

    def check_items(self, count: int, depth: int) -> None:
        """Raise CrossingError for more values, or deeper containers, than may cross."""
        if count > self.items:
            raise CrossingError(f"there are more than {self.items} values in the containers")
        if depth > self.depth:
            raise CrossingError(f"containers are nested deeper than {self.depth} levels")


class Values:
    """Plain values to JSON and back. Subclasses add what is more than a value.

    A message is two buffers: a JSON text, and all raw bytes that the text refers to by their place.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.start_reading(b"")
        self.start_writing()

    def start_writing(self) -> None:
        """Begin to write a new message."""
        self.chunks: list[Buffer] = []
        self._items = self._bytes = 0

    def start_reading(self, data: Buffer) -> None:
        """Begin to read a message with these raw bytes."""
        self.data = memoryview(data)
        self._items = self._bytes = 0

    def attach(self, content: Buffer) -> Tree:
        """Send `content` along; return its place."""
        start, size = self._bytes, memoryview(content).nbytes
        self._count_bytes(size)
        self.chunks.append(content)
        return [start, size]

    def read(self, place: Tree) -> memoryview:
        """Return what was sent along at `place`."""
        start, size = place
        # Counted again, because many places can be the same one.
        self._count_bytes(size)
        content = self.data[start : start + size]
        if content.nbytes != size:
            raise CrossingError("the data end too early")
        return content

    def _count_bytes(self, size: int) -> None:
        self._bytes += size
        self.bounds.check_bytes(self._bytes)

    def encode(self, value: Any, depth: int = 0) -> Tree:
        """Return `value` as JSON. Raises CrossingError."""
        self._items += 1
        self.bounds.check_items(self._items, depth)
        if value is None or value is True or value is False:
            return value
        if isinstance(value, int | float | complex | str | bytes | bytearray):
            return self._encode_scalar(value)
        if isinstance(value, dict):
            kind = "ordered" if isinstance(value, OrderedDict) else "dict"
            base = OrderedDict if kind == "ordered" else dict  # each has an order of its own
            pairs = [item for pair in base.items(value) for item in pair]
            return [kind, *(self.encode(item, depth + 1) for item in pairs)]
        for kind, base in SEQUENCES.items():
            if isinstance(value, base):
                items = [self.encode(item, depth + 1) for item in base.__iter__(value)]
                name = type(value).__name__
                if RECORDS.get(name) is type(value):
                    return ["record", name, *items]
                return [kind, *items]
        if isinstance(value, slice | range):
            if isinstance(value, range):
                self._check_range(value)
            parts = [value.start, value.stop, value.step]
            return [type(value).__name__, *(self.encode(part, depth + 1) for part in parts)]
        return self._encode_constant(value)

    def _encode_scalar(self, value: Any) -> Tree:
        if isinstance(value, np.generic):  # numpy's float64 is a float, and more
            return self._encode_numpy(value)
        if isinstance(value, int):
            whole = int.__int__(value)
            if abs(whole) < 2**53:
                return whole
            content = whole.to_bytes(whole.bit_length() // 8 + 1, "little", signed=True)
            return ["int", self.attach(content)]
        if isinstance(value, float):
            real = float.__float__(value)
            return real if math.isfinite(real) else ["float", struct.pack(">d", real).hex()]
        if isinstance(value, complex):
            both = complex.__complex__(value)
            return ["complex", struct.pack(">dd", both.real, both.imag).hex()]
        if isinstance(value, str):
            return self._encode_text(str.__str__(value))
        kind = "bytes" if isinstance(value, bytes) else "bytearray"
        return [kind, self.attach(memoryview(value).tobytes())]

    def _encode_text(self, text: str) -> Tree:
        if len(text) <= SHORT and text.isascii():
            return text
        return ["text", self.attach(text.encode("utf-8", "surrogatepass"))]

    def _encode_numpy(self, value: np.generic) -> Tree:
        if isinstance(value, np.str_):  # as an array it would lose zeros at its end
            return ["np.str", self._encode_text(str.__str__(value))]
        if isinstance(value, np.bytes_):
            return ["np.bytes", self.attach(bytes(value))]
        check_dtype(value.dtype)
        return ["scalar", value.dtype.str, value.tobytes().hex()]

    def _encode_constant(self, value: Any) -> Tree:
        if isinstance(value, np.generic):
            return self._encode_numpy(value)
        if isinstance(value, np.dtype):
            check_dtype(value)
            return ["npdtype", value.str]
        if isinstance(value, torch.dtype | torch.layout | torch.memory_format):
            return ["torch", str(value)]
        if isinstance(value, torch.device):
            return ["device", str(value)]
        if type(value) is type and TYPES.get(value.__name__) is value:
            return ["type", value.__name__]
        for name, constant in CONSTANTS.items():
            if value is constant:
                return ["constant", name]
        return self.encode_other(value)

    def encode_other(self, value: Any) -> Tree:
        """Return what stands for `value`, which is no plain value."""
        raise CrossingError(f"a value of type {type(value).__name__} cannot cross")

    def decode(self, tree: Tree, depth: int = 0) -> Any:
        """Return the value that `tree` stands for. Hostile trees may raise anything."""
        self._items += 1
        self.bounds.check_items(self._items, depth)
        if tree is None or isinstance(tree, bool | int | float | str):
            return tree
        kind, *rest = tree
        if kind in ("dict", "ordered"):
            items = [self.decode(item, depth + 1) for item in rest]
            pairs = zip(items[::2], items[1::2], strict=True)
            return dict(pairs) if kind == "dict" else OrderedDict(pairs)
        if kind in SEQUENCES:
            return SEQUENCES[kind]([self.decode(item, depth + 1) for item in rest])
        if kind == "record":
            return RECORDS[rest[0]]([self.decode(item, depth + 1) for item in rest[1:]])
        if kind in ("slice", "range"):
            parts = [self.decode(item, depth + 1) for item in rest]
            return slice(*parts) if kind == "slice" else self._check_range(range(*parts))
        if kind in ("int", "text", "bytes", "bytearray", "np.bytes"):
            return BYTES[kind](self.read(rest[0]))
        if kind == "np.str":
            return np.str_(self.decode(rest[0], depth + 1))
        if kind in DECODERS:
            return DECODERS[kind](*rest)
        return self.decode_other(kind, *rest)

    def _check_range(self, value: range) -> range:
        """Return `value`, unless a test that makes a list of it would fill the memory."""
        self.bounds.check_items(len(value[: self.bounds.items + 1]), 0)
        return value

    def decode_other(self, kind: str, *rest: Any) -> Any:
        """Return what a tree stands for that is no plain value."""
        raise CrossingError(f"nothing is known of the kind {kind!r:.40}")


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Raise CrossingError unless all values of `dtype` are plain bytes."""
    if dtype.kind not in "?biufcSUmM" or dtype.hasobject:
        raise CrossingError(f"an array of dtype {dtype} cannot cross: use numbers or text")


def read_dtype(name: str) -> np.dtype[Any]:
    """Return the dtype called `name`. Raises CrossingError unless its values are plain bytes."""
    dtype: np.dtype[Any] = np.dtype(str(name)[:SHORT])
    check_dtype(dtype)
    return dtype


BYTES: dict[str, Callable[[memoryview], Any]] = {
    "int": lambda content: int.from_bytes(content, "little", signed=True),
    "text": lambda content: bytes(content).decode("utf-8", "surrogatepass"),
    "bytes": bytes,
    "bytearray": bytearray,
    "np.bytes": np.bytes_,
}
DECODERS: dict[str, Callable[..., Any]] = {
    "float": lambda code: struct.unpack(">d", bytes.fromhex(code))[0],
    "complex": lambda code: complex(*struct.unpack(">dd", bytes.fromhex(code))),
    "scalar": lambda name, code: np.frombuffer(bytes.fromhex(code), read_dtype(name))[0],
    "npdtype": read_dtype,
    "torch": lambda name: TORCH_CONSTANTS[name],
    "device": lambda name: torch.device(str(name)),
    "type": lambda name: TYPES[name],
    "constant": lambda name: CONSTANTS[name],
}
