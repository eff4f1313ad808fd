"""Memory that tensors and arrays lie in, seen as bytes."""

from __future__ import annotations

import ctypes
import weakref
import zlib
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from torch.multiprocessing.reductions import StorageWeakRef

Array = np.ndarray[Any, Any]
Owner = torch.UntypedStorage | Array
# What `as_strided` puts between an array and the array that it is a view of.
_DUMMY: type = type(as_strided(np.zeros(1), (1,), (8,)).base)


class Memory(NamedTuple):
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
    base: Any = value.base
    while isinstance(base, np.ndarray | _DUMMY):
        root = base if isinstance(base, np.ndarray) else root
        base = getattr(base, "base", None)
    if root.dtype.hasobject:
        raise ValueError("an array over memory with Python objects")
    if isinstance(base, torch.Tensor):
        storage = base.untyped_storage()
        return _whole(storage, address - storage.data_ptr())
    whole = _whole(root)
    return Memory(root, whole.address, whole.size, address - whole.address)


def key_of(owner: Owner) -> int:
    """Return a number that is no other owner's while this one, or a `Block` of it, exists."""
    return int(owner._cdata) if isinstance(owner, torch.UntypedStorage) else id(owner)


def _whole(owner: Owner, offset: int = 0) -> Memory:
    """Return all memory of `owner`."""
    if isinstance(owner, torch.UntypedStorage):
        address = 0 if owner.device.type == "meta" else owner.data_ptr()
        return Memory(owner, address, owner.nbytes(), offset)
    steps = [(n - 1) * step for n, step in zip(owner.shape, owner.strides, strict=True)]
    low = owner.ctypes.data + sum(step for step in steps if step < 0)
    size = sum(map(abs, steps)) + owner.itemsize if owner.size else 0
    return Memory(owner, low, size, offset)


class _Reference(Protocol):
    def __call__(self) -> Owner | None: ...


class Block:
    """Memory that both sides know. Keeps nothing alive: `owner` is None once it is gone."""

    def __init__(self, owner: Owner) -> None:
        self.owner, self.key = _refer(owner), key_of(owner)
        self.meta = isinstance(owner, torch.UntypedStorage) and owner.device.type == "meta"
        self.known: int | None = None  # digest of the bytes that the other side has
        self._seen: tuple[tuple[int, int], memoryview] | None = None  # by the last digest

    def whole(self) -> Memory:
        """Return all of the memory. Raises ValueError once it is gone."""
        owner = self.owner()
        if owner is None:
            raise ValueError("memory that is gone")
        return _whole(owner)

    def is_of(self, owner: Owner) -> bool:
        """Whether this is the block of `owner`, whose key it has."""
        # Another array can be where one has been; a storage keeps its place while it is watched.
        return isinstance(owner, torch.UntypedStorage) or self.owner() is owner

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
        whole = self.whole()
        if self.meta or not whole.size:
            return whole.size
        if self._seen is None or self._seen[0] != whole[1:3]:
            raw = (ctypes.c_ubyte * whole.size).from_address(whole.address)
            self._seen = (whole[1:3], memoryview(raw))
        return zlib.crc32(self._seen[1], whole.size)

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
            array: Array = empty.set_(owner).numpy()
            return array
        array = np.frombuffer(self.view(), np.uint8)
        array.flags.writeable = owner is not None and owner.flags.writeable
        return array

    def as_storage(self) -> torch.UntypedStorage:
        """Return all bytes as a storage."""
        owner = self.owner()
        if isinstance(owner, torch.UntypedStorage):
            return owner
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
    return lambda: torch.UntypedStorage._new_with_weak_ptr(weak.cdata)
