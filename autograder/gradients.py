"""Gradients that flow through the wall.

A result remembers on which side it was computed, and its backward pass runs there: the other side
asks for it with the operation `backward`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.graph import GradientEdge

from autograder.crossing import Bounds, CrossingError, Tree
from autograder.shared import Shared


@dataclass
class Graph:
    """A computation on this side whose backward pass the other side may ask for."""

    result: torch.Tensor  # the tensor as it was then: later it can be changed in place
    wanted: list[Any]  # inputs that the other side has
    own: list[torch.Tensor]  # leaf tensors that only this side has


class Differentiable(Shared):
    """One side of the wall, for tensors with their gradients."""

    def __init__(self, bounds: Bounds, *, inside: bool) -> None:
        super().__init__(bounds, inside=inside)
        self._graphs: dict[int, Graph] = {}

    def ask(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Do `operation` on the other side and return its result, or raise what it raised."""
        raise NotImplementedError

    def forget(self, number: int) -> None:
        """Forget what both sides knew under `number`."""
        self._graphs.pop(number, None)
        super().forget(number)

    def encode_graph(self, tensor: torch.Tensor) -> Tree:
        """Return the number of the graph of `tensor`, and which inputs of the other side it has."""
        graph = Graph(_as_it_is(tensor), [], [])
        inputs: list[Tree] = []
        seen: set[Any] = set()
        elsewhere: Any = _Elsewhere._backward_cls
        nodes: list[Any] = [tensor.grad_fn]
        while nodes:
            node = nodes.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            leaf = getattr(node, "variable", None)
            if isinstance(node, elsewhere) and node.side is self:
                inputs.append(["graph", node.number])
                graph.wanted.append(GradientEdge(node, 0))
            elif leaf is None:
                nodes += [following for following, _ in node.next_functions]
            elif self.number_of(leaf) is not None:
                inputs.append(["tensor", self.number_of(leaf)])
                graph.wanted.append(leaf)
            else:
                graph.own.append(leaf)
        number = self.new_number()
        self._graphs[number] = graph
        return [number, inputs]

    def decode_graph(
        self, graph: Tree, plain: torch.Tensor, changed: torch.Tensor | None
    ) -> torch.Tensor:
        """Return `plain`, or `changed` in place, with a backward pass that runs elsewhere."""
        number, inputs = graph
        self.check_number(number)
        found = [
            self.tensor(n) if kind == "tensor" else self._graphs[n].result for kind, n in inputs
        ]
        # Without an input that requires a gradient there would be no backward pass.
        anchor = torch.empty(0, device="cpu", requires_grad=True)
        result: torch.Tensor = _Elsewhere.apply(self, number, [plain], changed, anchor, *found)  # type: ignore[no-untyped-call]
        return result

    def backward(self, number: int, grad: torch.Tensor) -> list[torch.Tensor | None]:
        """Return the gradients for the inputs of the other side; add those of this side's own."""
        if number not in self._graphs:
            raise CrossingError("there is no such graph")
        graph = self._graphs[number]
        inputs = [*graph.wanted, *graph.own]
        grads = torch.autograd.grad(
            graph.result, inputs, grad, retain_graph=True, allow_unused=True
        )
        for leaf, part in zip(graph.own, grads[len(graph.wanted) :], strict=True):
            if part is not None:
                # A copy, as torch does: parts may be views that cannot be changed in place.
                leaf.grad = part.clone() if leaf.grad is None else leaf.grad.add_(part)
        return list(grads[: len(graph.wanted)])


class _Elsewhere(torch.autograd.Function):
    """A result of the other side: its backward pass asks there."""

    @staticmethod
    def forward(
        ctx: Any,
        side: Differentiable,
        number: int,
        result: list[torch.Tensor],  # a list, so that it is no input
        changed: torch.Tensor | None,
        *inputs: torch.Tensor,
    ) -> torch.Tensor:
        ctx.side, ctx.number, ctx.token = side, number, _Token()
        side.drop_with(ctx.token, number)
        if changed is None:
            return result[0]
        ctx.mark_dirty(changed)
        return changed

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        again = torch.is_grad_enabled()
        grads = ctx.side.ask("backward", ctx.number, grad.detach())
        if not isinstance(grads, list) or not all(
            isinstance(g, torch.Tensor | None) for g in grads
        ):
            raise CrossingError("gradients came that are none")
        if again:  # create_graph=True
            anchor = torch.empty(0, device="cpu", requires_grad=True)
            grads = [None if g is None else _Last.apply(g, anchor) for g in grads]  # type: ignore[no-untyped-call]
        return (None, None, None, None, None, *grads)


class _Token:
    """Something that can be watched for its end."""


class _Last(torch.autograd.Function):
    """A gradient that has no gradient itself."""

    @staticmethod
    def forward(ctx: Any, grad: torch.Tensor, anchor: torch.Tensor) -> torch.Tensor:
        return grad.detach()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        raise CrossingError("no gradient of a gradient flows through the student's code")


class _Same(torch.autograd.Function):
    """The same tensor, as a tensor of its own."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.detach()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad


def _as_it_is(tensor: torch.Tensor) -> torch.Tensor:
    """Return `tensor` with the history that it has now."""
    with torch.inference_mode(False), torch.enable_grad():
        same: torch.Tensor = _Same.apply(tensor)  # type: ignore[no-untyped-call]
    return same
