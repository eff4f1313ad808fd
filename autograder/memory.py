"""Memory that tensors and arrays lie in, seen as bytes."""

from __future__ import annotations

import ctypes
import hashlib
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.multiprocessing.reductions import StorageWeakRef

Array = np.ndarray[Any, Any]
Owner = torch.UntypedStorage | Array


@dataclass(frozen=True)
class Memory:
    """Where a tensor or an array lies: `offset` bytes behind the start of what `owner` holds."""

    owner: Owner
    address: int
    size: int  # of all that the owner holds, in bytes
    offset: int


def find_memory(value: torch.Tensor | Array) -> Memory:
    """Return the memory that `value` is a view of."""
    if isinstance(value, torch.Tensor):
        storage = value.untyped_storage()
        return _of_storage(storage, value.storage_offset() * value.element_size())
    root = value
    while isinstance(root.base, np.ndarray):
        root = root.base
    address = value.ctypes.data
    if isinstance(root.base, torch.Tensor):
        storage = root.base.untyped_storage()
        return _of_storage(storage, address - storage.data_ptr())
    return Memory(root, root.ctypes.data, root.nbytes, address - root.ctypes.data)


def _of_storage(storage: torch.UntypedStorage, offset: int) -> Memory:
    address = 0 if storage.device.type == "meta" else storage.data_ptr()
    return Memory(storage, address, storage.nbytes(), offset)


class Block:
    """Memory that both sides know. Keeps nothing alive: `owner` is None once it is gone."""

    def __init__(self, owner: Owner) -> None:
        self._array = None if isinstance(owner, torch.UntypedStorage) else weakref.ref(owner)
        self._storage = StorageWeakRef(owner) if self._array is None else None  # type: ignore[no-untyped-call]
        self.meta = owner.device == torch.device("meta") if self._storage else False
        self.known = b""  # digest of the bytes that the other side has

    def owner(self) -> Owner | None:
        """Return what holds the memory, while it exists."""
        if self._array is not None:
            return self._array()
        assert self._storage is not None
        storage: torch.UntypedStorage | None = torch.UntypedStorage._new_with_weak_ptr(  # type: ignore[attr-defined]
            self._storage.cdata
        )
        return storage

    def find(self, memory: Memory) -> int | None:
        """Return how many bytes behind the start of this block `memory` begins; None: elsewhere."""
        owner = self.owner()
        if owner is None:
            return None
        mine = _of_storage(owner, 0) if isinstance(owner, torch.UntypedStorage) else None
        if mine is not None and isinstance(memory.owner, torch.UntypedStorage):
            same = owner._cdata == memory.owner._cdata  # type: ignore[union-attr]
        else:
            same = owner is memory.owner
        if same:
            return 0
        start, size = (mine.address, mine.size) if mine else (owner.ctypes.data, owner.nbytes)  # type: ignore[union-attr]
        inside = memory.size and start and start <= memory.address
        if inside and memory.address + memory.size <= start + size:
            return memory.address - start
        return None

    def size(self) -> int:
        """Return the number of bytes."""
        owner = self.owner()
        assert owner is not None
        return int(owner.nbytes() if isinstance(owner, torch.UntypedStorage) else owner.nbytes)

    def digest(self) -> bytes:
        """Return what differs when the bytes differ."""
        if self.meta:
            return b"meta"
        return hashlib.blake2b(self.view(), digest_size=16).digest()

    def write(self, content: Any) -> None:
        """Replace all bytes; a storage takes the size of `content`.

        Raises ValueError where the memory cannot be written.
        """
        owner, size = self.owner(), memoryview(content).nbytes
        if isinstance(owner, torch.UntypedStorage):
            if owner.nbytes() != size:
                owner.resize_(size)
        elif owner is None or owner.nbytes != size or not owner.flags.writeable:
            raise ValueError("this memory cannot be written")
        if size:
            self.view()[:] = memoryview(content).cast("B")

    def as_array(self) -> Array:
        """Return all bytes as an array that keeps the memory alive."""
        owner = self.owner()
        if isinstance(owner, torch.UntypedStorage):
            return torch.empty(0, dtype=torch.uint8, device=owner.device).set_(owner).numpy()  # type: ignore[call-overload,no-any-return]
        assert owner is not None
        return owner.reshape(-1, order="A").view(np.uint8)

    def as_storage(self) -> torch.UntypedStorage:
        """Return all bytes as a storage."""
        owner = self.owner()
        if isinstance(owner, torch.UntypedStorage):
            return owner
        return torch.from_numpy(self.as_array()).untyped_storage()

    def view(self) -> memoryview:
        """Return all bytes, to read and to write."""
        owner = self.owner()
        assert owner is not None
        start = owner.data_ptr() if isinstance(owner, torch.UntypedStorage) else owner.ctypes.data
        if not self.size():
            return memoryview(b"")
        return memoryview((ctypes.c_ubyte * self.size()).from_address(start)).cast("B")
