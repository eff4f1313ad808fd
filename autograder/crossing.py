"""Data across the wall: values as one JSON text and raw bytes, in both directions.

The student's process and the grader's each have one `Crossing`. `pack` turns values into buffers,
`unpack` of the other side turns them back. The format is closed: of what comes from the student,
nothing is unpickled, evaluated or imported.

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

    def check_items(self, count: int, depth: int) -> None:
        """Raise CrossingError for more values, or deeper containers, than may cross."""
        if count > self.items:
            raise CrossingError(f"there are more than {self.items} values in the containers")
        if depth > self.depth:
            raise CrossingError(f"containers are nested deeper than {self.depth} levels")


class Values:
    """Plain values to JSON and back. Subclasses add what is more than a value."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.buffers: list[Any] = []  # of the message that is being packed or unpacked
        self._items = self._bytes = 0

    def start(self, buffers: list[Any]) -> None:
        """Begin a new message with these buffers."""
        self.buffers, self._items, self._bytes = buffers, 0, 0

    def attach(self, content: Buffer) -> int:
        """Send `content` along as a buffer of its own; return its number."""
        self._count_bytes(len(content))
        self.buffers.append(content)
        return len(self.buffers) - 1

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
            pairs = [item for pair in dict.items(value) for item in pair]
            return [kind, *(self.encode(item, depth + 1) for item in pairs)]
        for kind, base in SEQUENCES.items():
            if isinstance(value, base):
                items = [self.encode(item, depth + 1) for item in base.__iter__(value)]
                name = type(value).__name__
                if RECORDS.get(name) is type(value):
                    return ["record", name, *items]
                return [kind, *items]
        if isinstance(value, slice | range):
            parts = [value.start, value.stop, value.step]
            return [type(value).__name__, *(self.encode(part, depth + 1) for part in parts)]
        return self._encode_constant(value)

    def _encode_scalar(self, value: Any) -> Tree:
        if isinstance(value, np.generic):  # numpy's float64 is a float, and more
            check_dtype(value.dtype)
            return ["scalar", value.dtype.str, value.tobytes().hex()]
        if isinstance(value, int):
            whole = int.__int__(value)
            if abs(whole) < 2**53:
                return whole
            size = whole.bit_length() // 8 + 1
            return ["int", self.attach(whole.to_bytes(size, "little", signed=True))]
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
        content = text.encode("utf-8", "surrogatepass")
        try:
            text.encode()
        except UnicodeEncodeError:  # half a character, which JSON might join with its neighbor
            return ["text", self.attach(content)]
        self._count_bytes(len(content))
        return text

    def _encode_constant(self, value: Any) -> Tree:
        if isinstance(value, np.generic):
            return self._encode_scalar(value)
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
        if not isinstance(tree, list):
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
            return slice(*parts) if kind == "slice" else range(*parts)
        if kind in DECODERS:
            return DECODERS[kind](self.buffers, *rest)
        return self.decode_other(kind, *rest)

    def decode_other(self, kind: str, *rest: Any) -> Any:
        """Return what a tree stands for that is no plain value."""
        raise CrossingError(f"nothing is known of the kind {kind!r:.40}")


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Raise CrossingError unless all values of `dtype` are plain bytes."""
    if dtype.kind not in "?biufcSUmM" or dtype.hasobject:
        raise CrossingError(f"an array of dtype {dtype} cannot cross: use numbers or text")


def read_dtype(name: str) -> np.dtype[Any]:
    """Return the dtype called `name`. Raises CrossingError unless its values are plain bytes."""
    dtype: np.dtype[Any] = np.dtype(str(name))
    check_dtype(dtype)
    return dtype


DECODERS: dict[str, Callable[..., Any]] = {
    "int": lambda buffers, n: int.from_bytes(buffers[n], "little", signed=True),
    "float": lambda _, code: struct.unpack(">d", bytes.fromhex(code))[0],
    "complex": lambda _, code: complex(*struct.unpack(">dd", bytes.fromhex(code))),
    "text": lambda buffers, n: bytes(buffers[n]).decode("utf-8", "surrogatepass"),
    "bytes": lambda buffers, n: bytes(buffers[n]),
    "bytearray": lambda buffers, n: bytearray(buffers[n]),
    "scalar": lambda _, name, code: np.frombuffer(bytes.fromhex(code), read_dtype(name))[0],
    "npdtype": lambda _, name: read_dtype(name),
    "torch": lambda _, name: TORCH_CONSTANTS[name],
    "device": lambda _, name: torch.device(name),
    "type": lambda _, name: TYPES[name],
    "constant": lambda _, name: CONSTANTS[name],
}
