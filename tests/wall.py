"""Both sides of the wall in one process: a test asks, a dict plays the student's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograder.crossing import Bounds
from autograder.remote import Remote


class Side(Remote):
    """A side whose messages travel to `other` as copies of bytes."""

    other: Side

    def __init__(self, names: dict[str, Any], bounds: Bounds, *, inside: bool) -> None:
        super().__init__(bounds, inside=inside)
        self.names = names

    def exchange(self, buffers: list[Any]) -> list[Any]:
        return [bytes(buffer) for buffer in self.other.answer([bytes(b) for b in buffers])]

    def _operations(self) -> dict[str, Callable[..., Any]]:
        operations = super()._operations()
        return {**operations, "lookup": self.names.__getitem__} if self.inside else operations


class Wall:
    """Two sides. `wall["name"]` is what a test sees of a name of the student's."""

    def __init__(self, bounds: Bounds | None = None, **names: Any) -> None:
        self.names = names
        self.outside = Side(names, bounds or Bounds(), inside=False)
        self.inside = Side(names, bounds or Bounds(), inside=True)
        self.outside.other, self.inside.other = self.inside, self.outside

    def __getitem__(self, name: str) -> Any:
        return self.outside.ask("lookup", name)

    def fetch(self, value: Any) -> Any:
        """Return `value` as it comes out."""
        self.names["_value"] = value
        return self["_value"]

    def send(self, value: Any) -> Any:
        """Return `value` as it goes in."""
        seen: list[Any] = []
        self.names["_see"] = lambda item: seen.append(item)
        self["_see"](value)
        return seen[0]

    def registered(self) -> int:
        """Return how much both sides remember."""
        return sum(
            len(found)
            for side in (self.outside, self.inside)
            for found in vars(side).values()
            if hasattr(found, "__len__") and found is not self.names
        )
