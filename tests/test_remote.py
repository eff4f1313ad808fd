"""Calls across the wall: handles, gradients, errors, objects that a test passes."""

from __future__ import annotations

import copy
import gc
import inspect
import itertools
import json
import linecache
import math
import operator
import pickle
import traceback
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from wall import Wall

from autograder import handle as handles
from autograder.crossing import Bounds, CrossingError
from autograder.errors import describe_error, forget_frames, make_error
from autograder.remote import NO_CHANGES
from autograder.shared import Shared


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    torch.manual_seed(0)
    yield
    forget_frames()


# Gradients


def both(function: Callable[..., Any], use: Callable[..., Any]) -> tuple[Any, Any]:
    """Return what `use` makes of `function` called directly, and called across the wall."""
    torch.manual_seed(1)
    direct = use(function)
    torch.manual_seed(1)
    return direct, use(Wall(f=function)["f"])


def leaf(f: Any) -> Any:
    x = torch.randn(3, requires_grad=True)
    f(x).sum().backward()
    return [x.grad]


def not_leaf(f: Any) -> Any:
    x = torch.randn(3, requires_grad=True)
    y = x.exp()
    y.retain_grad()
    (f(y) * y).sum().backward()
    return [x.grad, y.grad]


def twice(f: Any) -> Any:
    x = torch.randn(3, requires_grad=True)
    f(f(x)).sum().backward()
    f(x).sum().backward()
    return [x.grad]


def through_a_view(f: Any) -> Any:
    x = torch.randn(2, 3, requires_grad=True)
    f(x.t()[1:]).sum().backward()
    return [x.grad]


def grad_of(f: Any) -> Any:
    x = torch.randn(3, requires_grad=True)
    return [*torch.autograd.grad(f(x).sum(), x), x.grad]


def without(f: Any) -> Any:
    x = torch.randn(3, requires_grad=True)
    with torch.no_grad():
        y = f(x)
    return [y, y.requires_grad, y.is_leaf]


def inference(f: Any) -> Any:
    x = torch.randn(3, requires_grad=True)
    with torch.inference_mode():
        y = f(x)
    return [y, y.requires_grad]


@pytest.mark.parametrize(
    "use", [leaf, not_leaf, twice, through_a_view, grad_of, without, inference]
)
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * x,
        lambda x: x.unsqueeze(0),
        lambda x: x,
        lambda x: x.detach() * x,
        lambda x: x.clone().mul_(3),
        lambda x: torch.stack([x, x]).prod(0),
    ],
    ids=["square", "view", "same", "detach", "in place", "stack"],
)
def test_gradients_flow_back_as_in_one_process(function: Any, use: Any) -> None:
    direct, crossed = both(function, use)
    for expected, seen in zip(direct, crossed, strict=True):
        assert type(seen) is type(expected)
        assert torch.equal(expected, seen) if torch.is_tensor(expected) else expected == seen


def test_several_outputs_and_own_parameters() -> None:
    w = torch.tensor([2.0], requires_grad=True)
    hidden = torch.tensor([5.0], requires_grad=True)
    wall = Wall(w=w, f=lambda x: (x * w, {"y": x * hidden}, x.detach()))
    x = torch.ones(1, requires_grad=True)
    a, b, c = wall["f"](x)
    assert (a.is_leaf, b["y"].requires_grad, c.requires_grad) == (False, True, False)
    (a + b["y"]).sum().backward()
    assert (x.grad, w.grad, hidden.grad) == (7, 1, 1)
    assert wall["w"].grad == 1
    assert a.grad_fn is not None
    (a * 2).backward()
    assert (x.grad, w.grad, wall["w"].grad) == (11, 3, 3)


def test_a_parameter_that_the_test_has_gets_its_gradient_on_both_sides() -> None:
    w = torch.tensor([2.0], requires_grad=True)
    wall = Wall(w=w, f=lambda x: x * w, read=lambda: w.grad)
    seen = wall["w"]
    wall["f"](torch.tensor([3.0])).backward()
    assert seen.grad == 3
    assert wall["read"]() == 3
    seen.grad.zero_()
    assert wall["read"]() == 0
    seen.grad = None
    assert wall["read"]() is None


def test_a_backward_pass_inside_reaches_the_argument() -> None:
    wall = Wall(f=lambda x: (x * x).sum().backward())
    x = torch.tensor([3.0], requires_grad=True)
    wall["f"](x)
    assert x.grad == 6
    wall["f"](x)
    assert x.grad == 12
    y = x * 10  # no leaf: the gradient flows on, out of the wall
    wall["f"](y)
    assert x.grad == 12 + 600


def test_functions_of_a_test_are_differentiated_inside() -> None:
    def descend(f: Any, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = x.detach().requires_grad_()
            f(x).backward()
            x = x - 0.1 * x.grad
        return x

    scale = torch.tensor(2.0, requires_grad=True)
    target = lambda x: (scale * (x - 1) ** 2).sum()  # noqa: E731
    x = torch.tensor([3.0, -1.0])
    expected = descend(target, x)
    own, scale.grad = scale.grad, None
    assert torch.equal(Wall(descend=descend)["descend"](target, x), expected)
    assert torch.equal(scale.grad, own)


def test_an_optimizer_outside_changes_parameters_inside() -> None:
    model = torch.nn.Linear(2, 1)
    wall = Wall(model=model)
    handle = wall["model"]
    optimizer = torch.optim.SGD(handle.parameters(), lr=0.5, momentum=0.9)
    before = model.weight.detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        handle(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    handle.bias  # noqa: B018 - a message brings the last change
    assert torch.allclose(model.weight, before - 0.5 - 0.5 * 1.9)
    assert torch.equal(handle.weight, model.weight)


def test_a_computation_in_place_on_an_argument() -> None:
    bias = torch.tensor([1.0], requires_grad=True)

    def add(x: torch.Tensor) -> torch.Tensor:
        x += bias
        x *= 2
        return x

    wall = Wall(f=add)
    x = torch.tensor([1.0])
    out = wall["f"](x)
    assert out is x
    assert not x.is_leaf
    out.sum().backward()
    assert bias.grad == 2
    start = torch.tensor([1.0], requires_grad=True)
    x = start * 3
    assert wall["f"](x) is x
    (x * 5).sum().backward()
    assert (start.grad, bias.grad) == (30, 12)
    wall.names["f"] = lambda x: x.detach_()
    assert wall["f"](x).is_leaf


def test_a_result_comes_from_what_its_argument_was() -> None:
    """Also when it comes out after the argument was changed in place."""
    results: list[torch.Tensor] = []
    wall = Wall(work=lambda y: results.append(y * 5), result=lambda: results[0])
    x = torch.ones(1, requires_grad=True)
    y = x * 3
    wall["work"](y)
    y.mul_(2)
    wall["result"]().backward()
    assert x.grad == 15


def test_a_value_that_backward_needs_must_not_change() -> None:
    wall = Wall(f=lambda x: x.exp())
    x = torch.ones(2, requires_grad=True)
    y = wall["f"](x)
    with torch.no_grad():
        y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_what_gradients_cannot_do_is_a_clear_error() -> None:
    wall = Wall(f=lambda x: x**3)
    x = torch.ones(2, requires_grad=True)
    (grad,) = torch.autograd.grad(wall["f"](x).sum(), x, create_graph=True)
    with pytest.raises(CrossingError, match="gradient of a gradient"):
        grad.sum().backward()
    wall.names["f"] = lambda x: 1 / 0
    with pytest.raises(ZeroDivisionError):
        wall["f"](x)


# Objects that a test passes


def train(model: Any, optimizer: Any, loss: Any, x: Any, y: Any) -> list[float]:
    losses = []
    model.train()
    for _ in range(3):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    model.eval()
    return losses


def new_model() -> Any:
    torch.manual_seed(2)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1)
    )


def test_torchs_objects_are_trained_inside() -> None:
    x, y = torch.randn(8, 3), torch.randn(8, 1)
    results = []
    for f in (train, Wall(f=train)["f"]):
        model = new_model()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        torch.manual_seed(3)
        losses = f(model, optimizer, torch.nn.MSELoss(), x, y)
        losses += f(model, optimizer, torch.nn.functional.mse_loss, x, y)
        results.append((losses, model.state_dict(), model.training, model[2].training))
    assert results[0][0] == results[1][0]
    assert all(torch.equal(a, results[1][1][name]) for name, a in results[0][1].items())
    assert results[0][2:] == results[1][2:] == (False, False)


def test_settings_are_alike_on_both_sides() -> None:
    wall = Wall(f=lambda model, optimizer: (model[0].training, optimizer.param_groups[0]["lr"]))
    wall.names["g"] = lambda model, optimizer: optimizer.param_groups[0].update(lr=0.25)
    model = new_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    assert wall["f"](model, optimizer) == (True, 0.1)
    model.eval()
    optimizer.param_groups[0]["lr"] = 0.5
    assert wall["f"](model, optimizer) == (False, 0.5)
    wall["g"](model, optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.25
    # A setting keeps its type, and nothing that is none becomes one.
    inside = wall.inside._copies[wall.outside._ids[id(model)]]()
    inside[0].in_features, inside[0].other = "evil", 1
    inside.eval()
    wall["f"](model, optimizer)
    assert model[0].in_features == 3
    assert not hasattr(model[0], "other")


def test_an_object_may_be_collected_while_a_message_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wall = Wall(f=lambda *args: len(args))
    layer, other = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    assert wall["f"](layer, other) == 2
    layer.training = False
    vars(layer)["itself"] = layer  # it goes only when the collector comes by
    write_tensors = Shared.changes

    def collect_first(side: Shared) -> dict[str, Any]:
        gc.collect()
        return write_tensors(side)

    monkeypatch.setattr(Shared, "changes", collect_first)
    gc.disable()
    del layer
    try:
        assert [wall["f"](), wall["f"]()] == [0, 0]
    finally:
        gc.enable()


def test_a_number_may_become_another_kind_of_number() -> None:
    wall = Wall(halve=lambda optimizer: optimizer.param_groups[0].update(lr=0.5))
    optimizer = torch.optim.SGD(new_model().parameters(), lr=1)
    wall["halve"](optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_other_layers_or_groups_are_one_clear_error() -> None:
    """What the student's code changed would not be seen outside."""
    wall = Wall(
        grow=lambda model: model.append(torch.nn.ReLU()) and None,
        add=lambda optimizer, x: optimizer.add_param_group({"params": [x]}),
    )
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Sequential(torch.nn.ReLU()))
    with pytest.raises(CrossingError, match="has other layers or groups than before"):
        wall["grow"](model)
    with pytest.raises(CrossingError, match="has other layers or groups than before"):
        wall["grow"](model[1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(CrossingError, match="has other layers or groups than before"):
        wall["add"](optimizer, torch.ones(1))


def test_a_container_that_nobody_changed_stays_as_it_is() -> None:
    class Point(NamedTuple):
        x: float
        inner: list[int]

    wall = Wall(count=len, change=lambda items: items[0][1].append(3))
    point = Point(math.nan, [1])
    items, pairs = [point, math.nan], {"a": point}
    before = list(items)
    assert (wall["count"](items), wall["count"](pairs)) == (2, 1)
    assert items == before
    assert pairs["a"] is point
    wall["change"](items)
    assert items[0][1] == [1, 3]


def test_a_generator_of_random_numbers_is_one_on_both_sides() -> None:
    wall = Wall(f=lambda g: torch.rand(2, generator=g))
    g, same = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    for _ in range(2):
        assert torch.equal(wall["f"](g), torch.rand(2, generator=same))
        assert torch.equal(torch.rand(1, generator=g), torch.rand(1, generator=same))
    assert torch.equal(wall["f"](g.manual_seed(1)), torch.rand(2, generator=same.manual_seed(1)))


def test_other_objects_of_torch_go_in() -> None:
    data = torch.utils.data.TensorDataset(torch.arange(4.0), torch.arange(4))
    loader = torch.utils.data.DataLoader(data, batch_size=2)
    wall = Wall(f=lambda loader: [x for x, _ in loader], same=lambda x: x, call=lambda f, x: f(x))
    assert [x.tolist() for x in wall["f"](loader)] == [[0, 1], [2, 3]]
    assert wall["same"](loader) is loader
    assert wall["same"](torch.relu) is torch.relu
    assert wall["same"](torch.nn.Linear) is torch.nn.Linear
    own = lambda x: x + 1  # noqa: E731
    assert wall["same"](own) is own
    assert wall["call"](own, 1) == 2
    model = new_model()
    assert wall["same"](model) is model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    wall.names["step"] = lambda optimizer, scheduler: (optimizer.step(), scheduler.step())[1]
    with pytest.warns(UserWarning, match="overridden"):  # the copy does not know who called it
        wall["step"](optimizer, scheduler)
    assert optimizer.param_groups[0]["lr"] == 0.05
    assert scheduler.last_epoch == 1


def test_what_cannot_go_in_says_what_to_write() -> None:
    class Own:
        pass

    wall = Wall(f=lambda x: x)
    assert wall["f"](open) is open
    for value in (Own(), Own, (n for n in range(3))):
        with pytest.raises(CrossingError, match="pass numbers, tensors, functions or objects"):
            wall["f"](value)
        assert wall["f"](1) == 1


def test_a_handle_of_an_earlier_cell_is_refused() -> None:
    wall, other = Wall(f=lambda x: x), Wall(f=lambda x: x)
    with pytest.raises(CrossingError, match="earlier test cell"):
        wall["f"](other["f"])


def test_functions_that_call_each_other() -> None:
    wall = Wall(f=lambda g, n: g(n - 1) + n if n else 0)
    f = wall["f"]

    def g(n: int) -> Any:
        return f(g, n)

    assert f(g, 10) == 55
    assert wall["f"](lambda x: x, 3) == 5
    assert wall["f"](f, 0) == 0


def test_what_a_test_has_let_go_can_come_again() -> None:
    kept = [torch.ones(2), np.ones(2), Vector(1)]

    def show(see: Any) -> Any:
        see(*kept)
        see(*kept)
        kept[0] += 1
        see(*kept)
        return kept

    seen: list[Any] = []
    out = Wall(show=show)["show"](lambda x, a, v: seen.append([sum(x).item(), sum(a), len(v)]))
    assert seen == [[2, 2, 1], [2, 2, 1], [4, 2, 1]]
    assert out[0].tolist() == [2, 2]
    assert out[1].tolist() == [1, 1]
    assert out[2].items == [1]


# Handles


class Vector:
    """A vector."""

    def __init__(self, *items: float) -> None:
        self.items = list(items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, n: Any) -> Any:
        return self.items[n]

    def __setitem__(self, n: int, item: float) -> None:
        self.items[n] = item

    def __delitem__(self, n: int) -> None:
        del self.items[n]

    def __iter__(self) -> Iterator[float]:
        return iter(self.items)

    def __contains__(self, item: float) -> bool:
        return item in self.items

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, Vector | int):
            return NotImplemented
        return Vector(*(a + other for a in self.items)) if isinstance(other, int) else Vector(
            *(a + b for a, b in zip(self.items, other.items, strict=True))
        )  # fmt: skip

    __radd__ = __add__

    def __iadd__(self, other: float) -> Vector:
        self.items = [item + other for item in self.items]
        return self

    def __neg__(self) -> Vector:
        return Vector(*(-item for item in self.items))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vector) and self.items == other.items

    def __lt__(self, other: Vector) -> bool:
        return len(self) < len(other)

    def __bool__(self) -> bool:
        return any(self.items)

    def __float__(self) -> float:
        return float(self.items[0])

    def __index__(self) -> int:
        return int(self.items[0])

    def __call__(self, x: float, y: float = 2.5, *rest: Any, key: Any = None, **more: Any) -> Any:
        return x, y, rest, key, more

    def __repr__(self) -> str:
        return f"Vector{tuple(self.items)}"

    def __enter__(self) -> int:
        return 7

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self.seen = kind
        return kind is not None

    @property
    def wrong(self) -> int:
        raise RuntimeError("a property can fail")

    @classmethod
    def zero(cls) -> Vector:
        return cls(0)


class Near:
    """As near to every number as a test may wish."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def __sub__(self, other: Any) -> Any:
        self.told.append(other)
        return 0.0

    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __sub__
    __matmul__ = __rmatmul__ = __pow__ = __mod__ = __and__ = __or__ = __isub__ = __sub__


@pytest.mark.parametrize("want", [3.25, torch.ones(2), np.ones(2), np.float64(1), [1]])
def test_no_object_says_how_far_it_is_from_data(want: Any) -> None:
    wall = Wall(f=Near)
    near = wall["f"]()
    for name in ("sub", "add", "mul", "truediv", "matmul", "pow", "mod", "and_", "or_", "isub"):
        combine = getattr(operator, name)
        for pair in ((near, want), (want, near)):
            with pytest.raises((TypeError, ValueError)):
                combine(*pair)
    assert near.told == []


def test_an_instance_does_what_it_does_inside() -> None:
    wall = Wall(Vector=Vector, v=Vector(1, 2, 3), plain=SimpleNamespace(a=1))
    v = wall["v"]
    assert len(v) == 3
    assert list(v) == [1, 2, 3]
    assert (v[0], v[-1], v[1:]) == (1, 3, [2, 3])
    v[0] = 9
    del v[1]
    assert wall.names["v"].items == [9, 3]
    assert (9 in v, 2 in v) == (True, False)
    assert repr(v + v) == "Vector(18, 6)"
    assert repr(wall["Vector"].__radd__(v, 1)) == "Vector(10, 4)"
    assert wall["Vector"].__iadd__(v, 1) is v is wall["v"]
    assert (float(v), "abcdefghijkl"[v]) == (10.0, "k")
    assert v == wall["Vector"](10, 4)
    assert v != wall["Vector"](1)
    assert v > wall["Vector"](1)
    assert not wall["Vector"].zero()
    assert isinstance(hash(v), int)
    assert repr(-v) == str(-v) == "Vector(-10, -4)"
    assert v(1, key=3, z=4) == (1, 2.5, (), 3, {"z": 4})
    with v as seven:
        assert seven == 7
        raise ValueError
    assert v.items == [10, 4]
    v.new = [1]
    assert wall.names["v"].new == [1]
    assert (hasattr(v, "new"), hasattr(v, "old")) == (True, False)
    del v.new
    assert not hasattr(v, "new")
    with pytest.raises(AttributeError, match="old"):
        v.old  # noqa: B018
    with pytest.raises(RuntimeError, match="a property can fail"):
        v.wrong  # noqa: B018
    assert "items" in dir(v)
    assert v.__doc__ == "A vector."
    assert type(v).__name__ == "Vector"


def test_a_class_does_what_it_does_inside() -> None:
    class Child(Vector):
        pass

    wall = Wall(Vector=Vector, Child=Child, text="x")
    vector, child = wall["Vector"], wall["Child"]
    assert isinstance(vector(1), vector)
    assert isinstance(child(1), vector)
    assert not isinstance(vector(1), child)
    assert not isinstance(3, vector)
    assert issubclass(child, vector)
    assert not issubclass(vector, child)
    assert inspect.isclass(vector)
    assert vector.__name__ == "Vector"
    assert vector is wall["Vector"]


def test_what_an_object_cannot_do_its_handle_cannot() -> None:
    plain = Wall(plain=SimpleNamespace(a=1))["plain"]
    assert plain.a == 1
    assert not callable(plain)
    with pytest.raises(TypeError, match="not callable"):
        plain()
    with pytest.raises(TypeError, match="has no len"):
        len(plain)
    with pytest.raises(TypeError, match="not iterable"):
        iter(plain)
    with pytest.raises(TypeError, match="not subscriptable"):
        plain[0]
    with pytest.raises(TypeError):
        float(plain)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(plain)


def test_functions_show_what_they_are() -> None:
    def named(x: Any, /, y: int = 2, *args: Any, z: Any = None, w: Any = [], **more: Any) -> None:  # noqa: B006
        """Say something."""

    wall = Wall(named=named, n=3, builtin=len)
    f = wall["named"]
    assert callable(f)
    assert inspect.isfunction(f)
    assert f.__name__ == "named"
    assert f.__doc__ == "Say something."
    parameters = inspect.signature(f).parameters
    assert str(inspect.signature(f)) == "(x, /, y=2, *args, z=None, w=Ellipsis, **more)"
    assert parameters["x"].default is inspect.Parameter.empty
    assert parameters["y"].default == 2
    assert repr(f) == repr(named)
    assert callable(wall["builtin"])
    assert not callable(wall["n"])


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 3)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Any) -> Any:
        self.seen += 1
        return self.layer(x).relu()


def test_a_module_of_the_students() -> None:
    net = Net()
    wall = Wall(Net=Net, net=net)
    handle = wall["net"]
    assert isinstance(handle, torch.nn.Module)
    assert isinstance(handle.layer, torch.nn.Linear)
    assert not isinstance(handle, torch.nn.Linear)
    assert isinstance(handle, wall["Net"])
    assert issubclass(wall["Net"], torch.nn.Module)
    assert isinstance(wall["Net"](), torch.nn.Module)
    x = torch.randn(4, 2, requires_grad=True)
    out = handle(x)
    assert torch.equal(out, net.layer(x.detach()).relu())
    out.sum().backward()
    assert all(p.grad is not None for p in handle.parameters())
    assert [name for name, _ in handle.named_parameters()] == ["layer.weight", "layer.bias"]
    parameters = list(handle.parameters())
    assert isinstance(parameters[0], torch.nn.Parameter)
    assert parameters[0] is handle.layer.weight
    assert list(handle.state_dict()) == ["seen", "layer.weight", "layer.bias"]
    assert handle.seen == 1
    assert handle.training
    handle.eval()
    assert (handle.training, net.training, handle.layer.training) == (False, False, False)
    handle.load_state_dict({name: value * 0 for name, value in handle.state_dict().items()})
    assert not net.layer.weight.any()
    handle.to(torch.float64)
    assert handle.layer.weight.dtype == torch.float64


def test_a_copy_inside_is_another_object() -> None:
    wall = Wall(net=Net(), v=Vector(1, [2]))
    twin = copy.deepcopy(wall["net"])
    twin.layer.weight.data.zero_()
    assert wall["net"].layer.weight.any()
    deep, shallow = copy.deepcopy(wall["v"]), copy.copy(wall["v"])
    wall["v"].items.append(5)
    wall.names["v"].items[1].append(3)
    assert (deep.items, shallow.items) == ([1, [2]], [1, [2, 3]])


def test_an_optimizer_of_the_students() -> None:
    net = Net()
    wall = Wall(net=net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1))
    optimizer, weight = wall["optimizer"], wall["net"].layer.weight
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert isinstance(optimizer, torch.optim.SGD)
    before = weight.detach().clone()
    wall["net"](torch.ones(1, 2)).sum().backward()
    grad = weight.grad.clone()
    optimizer.step()
    assert torch.equal(weight, before - 0.1 * grad)
    optimizer.zero_grad()
    assert weight.grad is None
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.param_groups[0]["params"][0] is weight


def test_generators_also_without_end() -> None:
    wall = Wall(count=itertools.count, squares=lambda: (n * n for n in range(3)))
    counter = wall["count"](5)
    assert [next(counter), next(counter)] == [5, 6]
    assert list(itertools.islice(counter, 3)) == [7, 8, 9]
    squares = wall["squares"]()
    assert inspect.isgenerator(squares)
    assert list(squares) == [0, 1, 4]
    assert list(squares) == []
    with pytest.raises(StopIteration):
        next(squares)


def test_a_module_crosses_by_its_name() -> None:
    assert Wall().fetch(torch.nn.functional) is torch.nn.functional
    assert Wall().fetch(math) is math


def test_nothing_of_handles_piles_up() -> None:
    wall = Wall(make=Vector, take=lambda *args: None)
    for step in range(300):
        made = wall["make"](step)
        assert made.items == [step]
        wall["take"](made, lambda x: x, torch.nn.Linear(1, 1), [torch.zeros(1)])
        if step == 10:
            del made
            gc.collect()
            size = wall.registered()
    del made
    gc.collect()
    wall["take"]()
    wall["take"]()
    assert wall.registered() <= size + 10


# Errors


def raised(error: BaseException) -> BaseException:
    """Return what a test sees when the student's code raises `error`."""

    def fail() -> None:
        raise error

    with pytest.raises(BaseException) as info:  # noqa: PT011
        Wall(fail=fail)["fail"]()
    return info.value


@pytest.mark.parametrize(
    "error",
    [
        ValueError("text"),
        ValueError(),
        ValueError(1, "two"),
        KeyError("key"),
        KeyError(3),
        IndexError("x" * 3000),
        OSError(2, "No such file"),
        FileNotFoundError(2, "No such file", "a.txt"),
        UnicodeDecodeError("utf-8", b"abc", 1, 2, "bad"),
        NotImplementedError(),
        ZeroDivisionError("division by zero"),
        torch.linalg.LinAlgError("singular"),
        AssertionError("no"),
    ],
    ids=repr,
)
def test_built_in_errors_come_out_as_they_are(error: Exception) -> None:
    seen = raised(error)
    assert isinstance(seen, type(error))
    assert type(seen).__name__ == type(error).__name__
    assert str(seen) == str(error)


def test_a_call_that_raises_stop_iteration_ends_no_loop_of_a_test() -> None:
    """The tests in a `map` over the student's function would not be run."""

    def stop(x: int) -> int:
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        assert list(map(Wall(stop=stop)["stop"], [1, 2])) == []


def test_no_object_is_equal_to_data() -> None:
    """A class of the student's own decides on its own objects, and on nothing else."""

    class Yes:
        def __init__(self, x: int) -> None:
            self.x = x

        def __eq__(self, other: object) -> bool:
            return True

        def __lt__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    wall = Wall(a=Yes(1), b=Yes(2))
    assert wall["a"] == wall["b"]
    assert wall["a"] != 4
    assert wall["a"] not in [1.0, None]
    with pytest.raises(TypeError):
        assert wall["a"] < 1


def test_errors_of_the_students_own() -> None:
    class MyError(KeyError):
        def __init__(self, a: int, b: int) -> None:
            super().__init__(a, b)

        def __str__(self) -> str:
            return "mine"

    class Broken(ValueError):
        def __str__(self) -> str:
            raise RuntimeError

    class Base(BaseException):
        pass

    seen = raised(MyError(1, 2))
    assert isinstance(seen, KeyError)
    assert (type(seen).__name__, str(seen)) == ("MyError", "mine")
    assert "cannot be shown" in str(raised(Broken()))
    assert type(raised(Base("x"))).__name__ == "Base"
    assert isinstance(raised(Base("x")), RuntimeError)
    assert isinstance(raised(ExceptionGroup("many", [ValueError(1)])), Exception)
    assert len(str(raised(ValueError("x" * 10**6)))) < 10_000


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_what_would_end_a_process_does_not_end_the_grader(error: BaseException) -> None:
    seen = raised(error)
    assert isinstance(seen, RuntimeError)
    assert type(seen).__name__ == type(error).__name__


def test_the_traceback_shows_the_lines_of_the_student_only() -> None:
    source = "def outer(x):\n    y = x\n    return inner(y,\n        1)\n\n"
    source += "def inner(y, z):\n    return y / (z - 1)\n"
    names: dict[str, Any] = {}
    linecache.cache["<cell 5>"] = (len(source), None, source.splitlines(keepends=True), "<cell 5>")
    exec(compile(source, "<cell 5>", "exec"), names)
    wall = Wall(outer=names["outer"])
    with pytest.raises(ZeroDivisionError) as info:
        wall["outer"](1)
    frames = [f for f in traceback.extract_tb(info.value.__traceback__) if f.filename[-1] == " "]
    assert [(f.lineno, f.name, f.line) for f in frames] == [
        (3, "outer", "return inner(y,"),
        (7, "inner", "return y / (z - 1)"),
    ]
    chain = info.value.__traceback__
    while chain is not None and chain.tb_next is not None:
        chain = chain.tb_next
    assert chain is not None
    assert chain.tb_lineno == 7
    text = "".join(traceback.format_list(frames))
    assert 'File "<cell 5> ", line 7, in inner\n    return y / (z - 1)' in text
    assert "^" not in text
    assert "autograder" not in text
    forget_frames()
    assert not [name for name in linecache.cache if name.endswith(" ")]


def test_a_recursion_without_end_is_an_error_of_the_student() -> None:
    def endless(x: Any) -> Any:
        return endless(x)

    with pytest.raises(RecursionError) as info:
        Wall(f=endless)["f"](1)
    assert len(traceback.extract_tb(info.value.__traceback__)) < 40


def test_errors_of_a_test_tell_nothing_inside_and_come_back_whole() -> None:
    seen: list[BaseException] = []

    def call(f: Any) -> Any:
        try:
            return f()
        except Exception as error:
            seen.append(error)
            raise

    def expected() -> None:
        secret = 987654
        assert secret == 7, f"expected {secret}"

    wall = Wall(call=call)
    with pytest.raises(AssertionError, match="expected 987654") as info:
        wall["call"](expected)
    text = "".join(traceback.format_exception(seen[0]))
    assert "987654" not in text
    assert "secret" not in text
    assert isinstance(seen[0], AssertionError)
    assert any(f.name == "expected" for f in traceback.extract_tb(info.value.__traceback__))
    wall.names["call"] = _raises
    assert wall["call"](expected)


def test_what_ends_a_test_is_not_held_up() -> None:
    def stop() -> None:
        raise KeyboardInterrupt  # the person at the keyboard, not the student

    wall = Wall(keep=lambda x: None)
    wall["keep"](stop)
    number = next(iter(wall.outside._objects))
    with pytest.raises(KeyboardInterrupt):
        wall.outside.answer(request("call_back", number))


def request(operation: str, number: int) -> list[bytes]:
    head = {"operation": operation, "args": ["list", number], "kwargs": ["dict"], "grad": True}
    return [json.dumps([head, NO_CHANGES]).encode(), b""]


def _raises(f: Any) -> bool:
    try:
        f()
    except AssertionError:
        return True
    return False


def test_forged_errors_are_errors() -> None:
    facts = describe_error(ValueError("x"), inside=True)
    assert str(make_error(facts)) == "x"
    frame = ["file", 3, "name", "line"]
    for other in (
        {"types": []},
        {"types": 5},
        {"types": ["a\0b"]},
        {"types": ["ExceptionGroup"], "args": [1, 2, 3]},
        {"types": ["SystemExit"]},
        {"types": ["__import__", "eval"]},
        {"args": 5},
        {"args": ["x" * 10**6]},
        {"frames": [[1]]},
        {"frames": [["a\0b", 3, "x", "y"]]},
        {"frames": [["\ud800", 3, "\ud800", "\ud800"]]},
        {"frames": [["f", 10**9, "x", "y"], ["f", -1, "x", "y"], ["f", "1", "x", "y"]]},
        {"frames": [frame] * 10**4},
    ):
        try:
            error = make_error({**facts, **other})
        except CrossingError:
            continue
        assert isinstance(error, Exception)
        assert len(traceback.extract_tb(error.__traceback__)) <= 20
    for nothing in (None, 1, [], {}):
        with pytest.raises(CrossingError):
            make_error(nothing)


# A hostile object


def forged(wall: Wall, **facts: Any) -> Any:
    """Return a handle that claims what it likes."""
    plain = {
        "name": "x",
        "special": [],
        "callable": True,
        "parameters": None,
        "instance_of": None,
        "subclass_of": None,
    }
    return handles.make_handle(wall.outside, -1, {**plain, **facts})


@pytest.mark.parametrize(
    "path",
    [
        ["os", "system"],
        ["", "os"],
        ["torch", "Tensor"],
        ["torch._C", "TensorBase"],
        ["torch", "Size"],
        ["torch", "Generator"],
        ["torch.nn", "Parameter"],
        ["torch.nn.parameter", "Parameter"],
        ["torch.hub", "Path"],
        ["torch", "dtype"],
        ["torch", "UntypedStorage"],
        ["torch", "load"],
        ["builtins", "int"],
    ],
    ids=str,
)
def test_a_handle_is_no_instance_of_what_is_trusted(path: list[str]) -> None:
    """What claims to be a Tensor is taken for one by torch, which then reads foreign memory."""
    handle = forged(Wall(), instance_of=path, subclass_of=path)
    assert handle.__class__ is type(handle)
    assert not isinstance(handle, torch.Tensor)
    with pytest.raises(TypeError):
        torch.add(handle, 1)


@pytest.mark.parametrize(
    "facts",
    [
        {"special": 5},
        {"name": "a\0b"},
        {"instance_of": 5},
        {"instance_of": ["a"]},
        {"instance_of": [[], []]},
        {"parameters": [["x", 99]]},
        {"parameters": [["not a name", 1]]},
        {"parameters": 7},
    ],
    ids=str,
)
def test_forged_facts_are_refused(facts: dict[str, Any]) -> None:
    plain = {"name": "x", "special": [], "callable": True, "parameters": None, "instance_of": None}
    tree = ["handle", -1, {**plain, "subclass_of": None, **facts}]
    with pytest.raises(CrossingError):
        Wall().outside._unpack([json.dumps([{"result": tree}, NO_CHANGES]).encode(), b""])


def test_only_operators_become_methods_of_a_handle() -> None:
    handle = forged(Wall(), special=["__len__", "__del__", "__class_getitem__", "__reduce__", 5])
    assert set(vars(type(handle))) >= {"__len__"}
    assert not {"__del__", "__class_getitem__", "__reduce__"} & set(vars(type(handle)))


def test_an_object_cannot_name_addresses_of_the_graders_memory() -> None:
    memory = np.arange(8, dtype=np.uint8)

    class Spy:
        asked: list[str] = []  # noqa: RUF012

        def __getattr__(self, name: str) -> Any:
            self.asked.append(name)
            if name == "__array_interface__":
                return {
                    "data": (memory.ctypes.data, False),
                    "shape": (8,),
                    "typestr": "|u1",
                    "version": 3,
                }
            raise AttributeError(name)

    spy = Wall(spy=Spy())["spy"]
    assert np.asarray(spy).dtype == object
    with pytest.raises((TypeError, RuntimeError)):
        torch.as_tensor(spy)
    assert not set(Spy.asked) & handles.ADDRESSES


def test_data_that_ask_for_more_are_none() -> None:
    """What is read may not lead to another message in the middle of it."""

    class Sly:
        def __index__(self) -> int:
            return 3

    wall = Wall()
    wall.fetch(Sly())
    handle = wall.fetch(wall.names["_value"])
    number = handles.number_of(handle)
    facts = wall.inside._facts[number]
    tree = ["range", ["handle", number, facts], 5, 1]
    with pytest.raises(CrossingError):
        wall.outside._unpack([json.dumps([{"result": tree}, NO_CHANGES]).encode(), b""])
    assert wall.fetch(5) == 5


@pytest.mark.parametrize(
    "reply",
    [{}, {"result": 1}, {"result": 1, "after": 5}, {"error": 5}, {"error": None}, {"again": True}],
    ids=str,
)
def test_replies_that_are_none(reply: dict[str, Any]) -> None:
    wall = Wall()
    wall.outside.exchange = lambda buffers: [  # type: ignore[method-assign]
        json.dumps([reply, NO_CHANGES]).encode(),
        b"",
    ]
    with pytest.raises(CrossingError):
        wall["x"]


def test_a_forged_gradient_is_an_error() -> None:
    wall = Wall(f=lambda x: x * 2)
    x = torch.ones(2, requires_grad=True)
    y = wall["f"](x).sum()
    for grads in ([], 5, ["x"], [torch.ones(7)], [SimpleNamespace()]):
        wall.inside.backward = lambda number, grad, grads=grads: grads  # type: ignore[method-assign]
        with pytest.raises((CrossingError, RuntimeError)):
            y.backward(retain_graph=True)
    assert x.grad is None


def test_bounds_hold_for_attributes_and_prints() -> None:
    wall = Wall(Bounds(bytes=10_000), v=SimpleNamespace(big="x" * 20_000))
    with pytest.raises(CrossingError, match="larger than"):
        wall["v"].big  # noqa: B018
    assert len(repr(wall["v"])) == 4000
