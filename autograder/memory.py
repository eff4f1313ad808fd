"""Memory that tensors and arrays lie in, seen as bytes."""

from __future__ import annotations

import ctypes
import warnings
import weakref
import zlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from torch.multiprocessing.reductions import StorageWeakRef

Array = np.ndarray[Any, Any]
Owner = torch.UntypedStorage | Array
# What `as_strided` puts between an array and the array that it is a view of.
_DUMMY = type(as_strided(np.zeros(1), (1,), (8,)).base)


@dataclass(frozen=True)
class Memory:
    """Where a tensor or an array lies: `offset` bytes behind the start of what `owner` holds."""

    owner: Owner
    address: int  # where the owner's bytes start
    size: int  # of all that the owner holds, in bytes
    offset: int


def find_memory(value: torch.Tensor | Array) -> Memory:
    """Return the memory that `value` is a view of.

    Raises ValueError where that memory holds Python objects: these are addresses, and no data.
    """
    if isinstance(value, torch.Tensor):
        storage = value.untyped_storage()
        return _whole(storage, int(value.storage_offset()) * value.element_size())
    root, address = value, value.ctypes.data
    while isinstance(root.base, np.ndarray | _DUMMY):
        base = root.base
        root = base if isinstance(base, np.ndarray) else base.base  # type: ignore[attr-defined]
        if not isinstance(root, np.ndarray):
            raise ValueError("an array over foreign memory")
    if root.dtype.hasobject:
        raise ValueError("an array over memory with Python objects")
    if isinstance(root.base, torch.Tensor):
        storage = root.base.untyped_storage()
        return _whole(storage, address - storage.data_ptr())
    whole = _whole(root)
    return Memory(root, whole.address, whole.size, address - whole.address)


def _whole(owner: Owner, offset: int = 0) -> Memory:
    """Return all memory of `owner`."""
    if isinstance(owner, torch.UntypedStorage):
        address = 0 if owner.device.type == "meta" else owner.data_ptr()
        return Memory(owner, address, owner.nbytes(), offset)
    low, high = np.lib.array_utils.byte_bounds(owner) if owner.size else (owner.ctypes.data,) * 2
    return Memory(owner, low, high - low, offset)


class _Reference(Protocol):
    def __call__(self) -> Owner | None: ...


class Block:
    """Memory that both sides know. Keeps nothing alive: `owner` is None once it is gone."""

    def __init__(self, owner: Owner) -> None:
        self.owner = _refer(owner)
        self.meta = isinstance(owner, torch.UntypedStorage) and owner.device.type == "meta"
        self.known: int | None = None  # digest of the bytes that the other side has

    def whole(self) -> Memory:
        """Return all of the memory. Raises ValueError once it is gone."""
        owner = self.owner()
        if owner is None:
            raise ValueError("memory that is gone")
        return _whole(owner)

    def find(self, memory: Memory) -> int | None:
        """Return how many bytes behind the start of this block `memory` begins; None: elsewhere."""
        owner = self.owner()
        if owner is None or not memory.size or not memory.address:
            return None
        mine = _whole(owner)
        end = memory.address + memory.size
        if mine.address and mine.address <= memory.address and end <= mine.address + mine.size:
            return memory.address - mine.address
        return None

    def digest(self) -> int:
        """Return what differs when the bytes differ.

        A change that this misses is one in 4 thousand millions; nothing certain is as fast.
        """
        return self.whole().size if self.meta else zlib.crc32(self.view(), self.whole().size)

    def write(self, content: memoryview) -> None:
        """Replace all bytes; a storage grows to the size of `content`.

        Raises ValueError where the memory cannot be written. Memory never shrinks: views of it
        would reach into what is not theirs.
        """
        owner, size = self.owner(), content.nbytes
        if isinstance(owner, torch.UntypedStorage):
            if self.meta or size < owner.nbytes():
                raise ValueError("memory that shrinks")
            if size > owner.nbytes():
                owner.resize_(size)
        elif owner is None or not owner.flags.writeable or self.whole().size != size:
            raise ValueError("memory that cannot be written")
        if size:
            self.view()[:] = content

    def as_array(self) -> Array:
        """Return all bytes as an array that keeps the memory alive."""
        owner = self.owner()
        if isinstance(owner, torch.UntypedStorage):
            empty = torch.empty(0, dtype=torch.uint8, device=owner.device)
            array: Array = empty.set_(owner).numpy()  # type: ignore[call-overload]
            return array
        array = np.frombuffer(self.view(), np.uint8)
        array.flags.writeable = owner is not None and owner.flags.writeable
        return array

    def as_storage(self) -> torch.UntypedStorage:
        """Return all bytes as a storage."""
        owner = self.owner()
        if isinstance(owner, torch.UntypedStorage):
            return owner
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of memory that is read-only
            return torch.from_numpy(self.as_array()).untyped_storage()

    def view(self) -> memoryview:
        """Return all bytes, to read and to write. The view keeps the memory alive."""
        whole = self.whole()
        if not whole.size:
            return memoryview(b"")
        raw = (ctypes.c_ubyte * whole.size).from_address(whole.address)
        raw.owner = whole.owner  # type: ignore[attr-defined]
        return memoryview(raw).cast("B")


def _refer(owner: Owner) -> _Reference:
    """Return a weak reference to `owner`."""
    if not isinstance(owner, torch.UntypedStorage):
        return weakref.ref(owner)
    # The Python object of a storage can be replaced by another one: this one follows the memory.
    weak = StorageWeakRef(owner)  # type: ignore[no-untyped-call]
    return lambda: torch.UntypedStorage._new_with_weak_ptr(weak.cdata)  # type: ignore[attr-defined,no-any-return]
