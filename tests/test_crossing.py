"""Data across the wall: exact, shared, bounded, and safe against a hostile other side."""

from __future__ import annotations

import builtins
import functools
import gc
import json
import math
import pickle
import struct
import sys
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided
from wall import Wall

from autograder.crossing import Bounds, CrossingError
from autograder.memory import key_of
from autograder.remote import NO_CHANGES
from autograder.shared import State

few = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
some = settings(few, max_examples=100)

# Values


def bits(value: Any) -> Any:
    """Return what differs whenever two values differ in type, order or any bit."""
    kind = type(value)
    if kind is float:
        return kind, struct.pack(">d", value)
    if kind is complex:
        return kind, struct.pack(">dd", value.real, value.imag)
    if isinstance(value, np.generic):
        return kind, value.dtype.str, value.tobytes(), str(value)
    if isinstance(value, torch.Tensor):
        return kind, value.dtype, value.shape, value.stride(), raw(value)
    if isinstance(value, np.ndarray):
        return kind, value.dtype.str, value.shape, value.strides, value.tobytes()
    if isinstance(value, dict):
        return kind, [(bits(key), bits(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return kind, sorted(map(repr, map(bits, value)))
    if isinstance(value, tuple | list):
        return kind, [bits(item) for item in value]
    if isinstance(value, slice | range):
        return kind, bits((value.start, value.stop, value.step))
    return kind, value


def raw(tensor: torch.Tensor) -> bytes:
    """Return the bytes of the values of a tensor, one after the other."""
    plain = (
        tensor.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
    )
    if plain.device.type == "meta":
        return b""
    return bytes(plain.reshape(-1).view(torch.uint8).numpy()) if plain.numel() else b""


def nan(payload: int) -> float:
    return float(struct.unpack(">d", struct.pack(">Q", 0x7FF8000000000000 + payload))[0])


numbers = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(),
    st.integers(0, 2**40).map(nan),
    st.complex_numbers(),
    st.builds(complex, st.floats(), st.floats()),
)
texts = st.one_of(
    st.text(st.characters(exclude_categories=[])),  # with halves of characters
    st.text(min_size=30, max_size=60),
    st.binary(),
)
numpy_scalars = st.one_of(
    st.floats(width=32).map(np.float32),
    st.floats().map(np.float64),
    st.floats(width=16).map(np.float16),
    st.integers(-128, 127).map(np.int8),
    st.integers(0, 2**64 - 1).map(np.uint64),
    st.booleans().map(np.bool_),
    st.complex_numbers().map(np.complex128),
    st.text().map(np.str_),
    st.binary().map(np.bytes_),
    st.integers(-(2**60), 2**60).map(lambda n: np.datetime64(n, "ns")),
    st.integers(-(2**60), 2**60).map(lambda n: np.timedelta64(n, "D")),
)
constants = st.sampled_from(
    [
        ...,
        NotImplemented,
        torch.float32,
        torch.bfloat16,
        torch.strided,
        torch.sparse_coo,
        torch.contiguous_format,
        torch.channels_last,
        torch.device("cpu"),
        torch.device("cuda:1"),
        torch.Size([]),
        torch.Size([2, 3]),
        np.dtype(">f4"),
        np.dtype("<U7"),
        np.dtype("M8[s]"),
        int,
        float,
        type(None),
        bytearray(b"\0\1"),
    ]
)
ranges = st.builds(
    lambda start, count, step: range(start, start + count * step, step),
    st.integers(), st.integers(-9, 99), st.integers(-9, 9).filter(bool),
)  # fmt: skip
slices = st.builds(slice, numbers, numbers, numbers)
keys = st.one_of(st.integers(), st.text(), st.binary(), st.booleans(), st.none())
flat = st.one_of(numbers, texts, numpy_scalars, constants, ranges, slices)
values = st.recursive(
    flat,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4).map(OrderedDict),
        st.sets(keys),
        st.frozensets(keys),
    ),
    max_leaves=12,
)


@some
@given(values)
def test_values_cross_bit_by_bit_in_both_directions(value: Any) -> None:
    wall = Wall()
    assert bits(wall.fetch(value)) == bits(value)
    assert bits(wall.send(value)) == bits(value)


def test_records_of_torch_keep_their_names() -> None:
    wall = Wall()
    x = torch.tensor([[1.0, 3.0], [5.0, 2.0]])
    for result in (x.max(dim=0), x.sort(), torch.linalg.svd(x)):
        out = wall.fetch(result)
        assert type(out) is type(result)
        assert all(map(torch.equal, out, result))
    assert wall.fetch(x.max(dim=0)).indices.tolist() == [1, 0]


def test_an_ordered_dict_keeps_its_own_order() -> None:
    moved = OrderedDict(a=1, b=2)
    moved.move_to_end("a")
    assert list(Wall().fetch(moved)) == ["b", "a"]


def test_of_a_subclass_its_content_crosses() -> None:
    class Number(int):
        def __int__(self) -> int:
            return 7

    class Text(str):
        def __str__(self) -> str:
            return "no"

    class Items(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return iter([7])

    out = Wall().fetch([Number(3), Text("yes"), Items([1, 2])])
    assert bits(out) == bits([3, "yes", [1, 2]])


# Tensors

DTYPES = [
    dtype
    for dtype in {value for value in vars(torch).values() if isinstance(value, torch.dtype)}
    if not str(dtype).startswith(("torch.q", "torch.bits", "torch.uint1d", "torch.int1d"))
    and (str(dtype).rstrip("0123456789").endswith(("int", "float", "complex", "bool"))
         or "float8" in str(dtype))
    and dtype.itemsize and str(dtype) not in
    {f"torch.{sign}int{n}" for sign in ("", "u") for n in range(1, 8)}
]  # fmt: skip
DTYPES.sort(key=str)


@st.composite
def tensors(draw: Any) -> torch.Tensor:
    """Tensors of any dtype on random bytes, with any shape, stride and offset."""
    dtype = draw(st.sampled_from(DTYPES))
    room = draw(st.integers(0, 12))
    content = draw(st.binary(min_size=room * dtype.itemsize, max_size=room * dtype.itemsize))
    if dtype == torch.bool:
        content = bytes(byte % 2 for byte in content)
    base = torch.frombuffer(bytearray(content or b"\0" * dtype.itemsize), dtype=torch.uint8).clone()
    base = base.view(dtype)
    size = draw(st.lists(st.integers(0, 3), max_size=4))
    stride = [draw(st.integers(0, 4)) for _ in size]
    reach = sum((n - 1) * s for n, s in zip(size, stride, strict=True) if n)
    last = base.numel() - 1 - reach
    if last < 0:
        size, stride, last = [], [], base.numel() - 1
    if not last and not draw(st.booleans()):
        return base
    return base.as_strided(size, stride, draw(st.integers(0, last)))


def facts(x: torch.Tensor) -> tuple[Any, ...]:
    grad = x.grad if x.is_leaf else None
    return (
        *bits(x),
        x.storage_offset(),
        x.untyped_storage().nbytes(),
        x.requires_grad,
        x.is_leaf,
        x.device,
        x.is_conj(),
        x.is_neg(),
        grad is not None and facts(grad),
    )


@some
@given(tensors(), st.booleans(), st.booleans())
def test_tensors_cross_bit_by_bit_in_both_directions(x: torch.Tensor, grad: bool, p: bool) -> None:
    if grad and (x.is_floating_point() or x.is_complex()):
        x.requires_grad_()
    if p:
        x = torch.nn.Parameter(x, requires_grad=x.requires_grad)
    wall = Wall()
    out = wall.fetch(x)
    assert wall.send(out) is x
    for crossed in (out, Wall().send(x)):
        assert facts(crossed) == facts(x)
        # The whole memory has crossed, not only what the view shows.
        whole = crossed.untyped_storage().tolist()
        assert whole == x.untyped_storage().tolist()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_crosses(dtype: torch.dtype) -> None:
    x = torch.arange(16, dtype=torch.uint8).view(dtype)
    assert facts(Wall().fetch(x)) == facts(x)
    assert facts(Wall().send(x)) == facts(x)


def test_special_tensors_cross() -> None:
    c = torch.tensor([1 + 2j, 3 - 4j])
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    leaf.grad = torch.tensor([3.0, 4.0])
    specials = [
        c.conj(),
        c.conj().imag,  # negated when it is read
        torch.zeros(2, 3, device="meta"),
        torch.empty(10**6, 10**6, device="meta").t(),
        torch.zeros(1).expand(3, 2),
        torch.zeros(0, 4),
        torch.tensor(3),
        torch.arange(12).view(3, 4).t()[1:, ::2],
        torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.tensor([nan(5), -0.0, math.inf], dtype=torch.float64),
        leaf,
    ]
    for x in specials:
        wall = Wall()
        assert facts(wall.fetch(x)) == facts(x)
        assert facts(wall.send(x)) == facts(x)


def test_gradients_add_up_in_leaves_inside() -> None:
    """Also where the first one is a view in which all numbers are the same one."""
    w = torch.zeros(3, requires_grad=True)
    wall = Wall(f=lambda x: x + w, grad=lambda: w.grad)
    for _ in range(2):
        wall["f"](torch.ones(3)).sum().backward()
    assert wall["grad"]().tolist() == [2, 2, 2]


def test_a_gradient_that_is_shared_stays_shared() -> None:
    x = torch.zeros(2, requires_grad=True)
    x.grad = x.detach()
    out = Wall().fetch(x)
    out.grad[0] = 5
    assert out[0] == 5


def test_the_same_tensor_is_the_same_object() -> None:
    wall = Wall(identity=lambda x: x)
    x, a = torch.zeros(3), np.zeros(3)
    first, second = wall.fetch([x, x])
    assert first is second is wall.fetch(x)
    first, second = wall.fetch([a, a])
    assert first is second is wall.fetch(a)
    y, b = torch.ones(2), np.ones(2)
    assert wall["identity"](y) is y
    assert wall["identity"](b) is b
    assert wall["identity"]({"y": [y]})["y"][0] is y


@some
@given(st.data())
def test_memory_is_shared_across_look_ups_and_both_directions(data: Any) -> None:
    base = torch.arange(24.0)
    views = {
        "base": base,
        "rows": base.view(4, 6),
        "part": base[3:9],
        "columns": base.view(4, 6).t(),
        "detached": base.detach(),
        "numpy": base.numpy(),
        "back": torch.from_numpy(base.numpy()[2:]),
        "strided": as_strided(base.numpy(), (3, 2), (16, 4)),
    }
    wall = Wall(**views)
    wall.names["write"] = lambda name, value: wall.names[name].__setitem__(-1, value)
    names = data.draw(st.permutations(list(views)))
    outside = {name: wall[name] for name in names}
    for step in range(4):
        name = data.draw(st.sampled_from(names))
        if data.draw(st.booleans()):
            outside[name][-1] = 100 + step
        else:
            wall["write"](name, 100 + step)
        wall["write"]
        for other, seen in outside.items():
            assert seen.tolist() == views[other].tolist(), (name, other)
    # What shares memory inside shares memory outside, at once.
    outside[names[0]][-1] = -1
    wall["write"]
    for other, seen in outside.items():
        assert seen.tolist() == views[other].tolist()


def test_arguments_changed_in_place_inside_are_changed_outside() -> None:
    def work(x: torch.Tensor, a: Any, items: list[Any], table: dict[str, Any]) -> None:
        x.mul_(2)
        a += 1
        items.append(x)
        items[0].add(9)
        table["new"] = items

    wall = Wall(work=work)
    base = torch.ones(2, 3)
    a, inner = np.zeros(3), {1}
    items: list[Any] = [inner]
    table: dict[str, Any] = {"old": 1}
    wall["work"](base[1], a, items, table)
    assert base.tolist() == [[1, 1, 1], [2, 2, 2]]
    assert a.tolist() == [1, 1, 1]
    assert items[0] is inner == {1, 9}
    assert items[1].tolist() == [2, 2, 2]
    assert list(table) == ["old", "new"]


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.resize_(4, 5),
        lambda x: x.t_(),
        lambda x: x.unsqueeze_(0),
        lambda x: x.set_(torch.arange(3.0)),
        lambda x: setattr(x, "data", torch.ones(7)),
        lambda x: x.requires_grad_(),
        lambda x: setattr(x, "grad", torch.ones(2, 3)),
    ],
    ids=["resize_", "t_", "unsqueeze_", "set_", "data", "requires_grad_", "grad"],
)
def test_a_new_shape_or_memory_is_seen_on_the_other_side(change: Any) -> None:
    wall = Wall(change=change, touch=lambda: None)
    inside_changed = torch.arange(6.0).view(2, 3)
    expected = inside_changed.clone()
    change(expected)
    wall.names["change"] = lambda x: [change(x), None][1]
    wall["change"](inside_changed)
    if expected.shape == (4, 5):  # the rest is whatever was there
        expected, inside_changed = expected.view(-1)[:6], inside_changed.view(-1)[:6]
    assert facts(inside_changed)[:5] == facts(expected)[:5]
    assert inside_changed.requires_grad == expected.requires_grad
    assert (inside_changed.grad is None) == (expected.grad is None)
    x = wall.fetch(torch.arange(6.0).view(2, 3))
    change(x)
    wall["touch"]()
    assert facts(wall.names["_value"]) == facts(x)


# Arrays

NP_TYPES = ["?", "<i1", ">i4", "<u8", ">f2", "<f8", "<c8", "S3", "<U2", ">U1", "<M8[us]", ">m8[D]"]


@st.composite
def arrays(draw: Any) -> Any:
    dtype = np.dtype(draw(st.sampled_from(NP_TYPES)))
    size = draw(st.lists(st.integers(0, 3), max_size=4))
    count = math.prod(size)
    content = bytes(draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))) * 1
    array = np.frombuffer(content, np.uint8).astype(dtype).reshape(size)
    steps = [slice(None, None, draw(st.sampled_from([1, 2, -1, -2]))) for _ in size]
    array = array[(*steps, ...)]
    if draw(st.booleans()):
        array = array.T
    if draw(st.booleans()):
        array = array.copy(order="F")
    if draw(st.booleans()):
        array.flags.writeable = False
    return array


@some
@given(arrays())
def test_arrays_cross_bit_by_bit_in_both_directions(array: Any) -> None:
    wall = Wall()
    for crossed in (wall.fetch(array), wall.send(array)):
        assert bits(crossed) == bits(array)
        assert crossed.flags.writeable == array.flags.writeable


def test_an_array_over_python_objects_does_not_cross() -> None:
    both = np.zeros(2, dtype=[("number", "f8"), ("thing", object)])
    for array in (both, both["number"], both["thing"]):
        with pytest.raises(CrossingError):
            Wall().send(array)


def test_memory_of_strange_arrays_is_read_within_its_ends() -> None:
    small = np.arange(4, dtype=np.uint8)
    wide = as_strided(small, (1000, 4), (0, 1))
    own = np.ndarray((2, 2), np.uint8, bytearray(b"abcdef"), 1, (3, 1))
    for array in (wide, own, own[::-1], np.frombuffer(b"abc", np.uint8)):
        assert bits(Wall().send(array)) == bits(array)


# Bounds


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(1000), "larger than"),
        (torch.zeros(1, dtype=torch.float64).expand(10**12), "larger than"),
        (np.zeros(2000, np.uint8), "larger than"),
        (as_strided(np.zeros(1), (10**6,), (0,)), "larger than"),
        ("x" * 2000, "larger than"),
        (b"x" * 2000, "larger than"),
        (1 << 20000, "larger than"),
        (["x" * 600, "x" * 600], "larger than"),
        (list(range(200)), "more than 100 values"),
        ({n: n for n in range(60)}, "more than 100 values"),
        (range(10**30), "more than 100 values"),
        ([[[[[[1]]]]]], "deeper than 4"),
        (torch.zeros(2).to_sparse(), "to_dense"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_over_a_bound_is_one_clear_error(value: Any, words: str) -> None:
    wall = Wall(Bounds(bytes=1000, items=100, depth=4), identity=lambda x: x)
    identity = wall["identity"]
    with pytest.raises(CrossingError, match=words):
        identity(value)
    assert identity(3) == 3
    with pytest.raises(CrossingError, match=words):
        wall.fetch(value)
    assert identity(3) == 3
    assert not wall.inside._shared
    assert not wall.outside._shared


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tensors_of_strange_kinds_are_one_clear_error() -> None:
    wall = Wall()
    quantized = torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8)
    nested = torch.nested.nested_tensor([torch.zeros(1)], layout=torch.jagged)
    for value in (quantized, nested, torch.zeros(2, 2).to_sparse_csr()):
        for cross in (wall.fetch, wall.send):
            with pytest.raises(CrossingError, match="cannot cross"):
                cross(value)
    mapped: list[Any] = []
    with pytest.raises(CrossingError, match="cannot cross"):
        torch.vmap(lambda x: mapped.append(wall.fetch(x)))(torch.zeros(2, 3))
    assert wall.fetch(5) == 5


def test_a_container_in_itself_is_one_clear_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for bounds in (Bounds(), Bounds(depth=10**6, items=10**6)):
        wall = Wall(bounds)
        for cross in (wall.fetch, wall.send):
            with pytest.raises(CrossingError, match="nested"):
                cross(endless)
        assert wall.fetch(1) == 1


def test_what_grows_over_a_bound_fails_once() -> None:
    """Also where it is known to the other side already."""
    wall = Wall(Bounds(bytes=1000))
    wall.names["grow"] = lambda x: [x.resize_(10**4), None][1]
    x = torch.zeros(3)
    with pytest.raises(CrossingError, match="larger than"):
        wall["grow"](x)
    assert wall.fetch(5) == 5
    sparse = torch.zeros(3)
    out = wall.fetch(sparse)
    sparse.data = torch.zeros(10**4)
    with pytest.raises(CrossingError, match="larger than"):
        wall.fetch(5)
    assert wall.fetch(5) == 5
    assert out.tolist() == [0, 0, 0]


# A hostile other side


def receive(wall: Wall, result: Any, data: bytes = b"", **changes: Any) -> Any:
    """Return what the grader's side makes of a forged reply."""
    head = {"result": result, "after": ["list"]}
    reply = [json.dumps([head, {**NO_CHANGES, **changes}]).encode(), data]
    return wall.outside._unpack(reply)["result"]


def state(block: int = -1, **other: Any) -> list[Any]:
    plain = State(block, 0, "torch.float32", [2], [1], False, False, False, False, True, None)
    return list(plain._replace(**other))


def test_a_forged_reply_can_be_well_formed() -> None:
    """Else the tests below would prove nothing."""
    blocks, tensors = [[-1, 8, [0, 8]]], [[-2, state(), None]]
    out = receive(Wall(), ["tensor", -2], bytes(8), blocks=blocks, tensors=tensors)
    assert out.tolist() == [0, 0]
    assert (
        receive(Wall(), ["array", -3, -1, "<f8", [1], [8], 0, True], bytes(8), blocks=blocks) == 0
    )


@pytest.mark.parametrize(
    "other",
    [
        {"size": [3]},
        {"offset": 1},
        {"offset": -1},
        {"stride": [2]},
        {"stride": [-1], "offset": 1},
        {"size": [-1]},
        {"size": [2, 2]},
        {"size": [2**62, 2**62, 0], "stride": [1, 1, 1]},
        {"size": [1], "stride": [2**62]},
        {"size": [1.5]},
        {"size": [True]},
        {"size": [None]},
        {"dtype": "torch.float64"},
        {"dtype": "os.system"},
        {"block": -9},
        {"block": None},
        {"grad": -9},
        {"size": [1] * 65, "stride": [1] * 65},
        {"conj": True, "dtype": "torch.qint8"},
    ],
    ids=str,
)
def test_views_outside_of_memory_are_refused(other: dict[str, Any]) -> None:
    blocks, tensors = [[-1, 8, [0, 8]]], [[-2, state(**other), None]]
    with pytest.raises(CrossingError):
        receive(Wall(), ["tensor", -2], bytes(8), blocks=blocks, tensors=tensors)


@pytest.mark.parametrize(
    "array",
    [
        ["<f8", [2], [8], 0],
        ["<f8", [1], [8], 1],
        ["<f8", [1], [8], -8],
        ["<f8", [2], [-8], 0],
        ["<f8", [10**18], [0], 0],
        ["O", [1], [8], 0],
        ["i4,O", [1], [8], 0],
        ["V8", [1], [8], 0],
        ["T", [1], [8], 0],
        ["<f8", [1], [], 0],
        ["U99", [1], [8], 0],
    ],
    ids=str,
)
def test_arrays_outside_of_memory_are_refused(array: list[Any]) -> None:
    with pytest.raises(CrossingError):
        receive(Wall(), ["array", -3, -1, *array, True], bytes(8), blocks=[[-1, 8, [0, 8]]])


@pytest.mark.parametrize(
    "tree",
    [
        ["object", -1, [0, 0], []],
        ["copy", -1, [0, 0], []],
        ["callback", -1, "f"],
        ["tensor", 1],
        ["tensor", []],
        ["yours", 1],
        ["yours", -1],
        ["module", "os"],
        ["module", "os.path"],
        ["module", "torch.nothing"],
        ["type", "object"],
        ["constant", "__import__"],
        ["record", "max", 1],
        ["torch", "torch.load"],
        ["npdtype", "O"],
        ["scalar", "O", "00" * 8],
        ["scalar", "V8", "00" * 8],
        ["dict", 1],
        ["set", ["list"]],
        ["text", [0, 9]],
        ["text", [-1, 1]],
        ["bytes", [0, -1]],
        ["device", "nowhere"],
        ["handle", 5, {}],
        ["handle", -5, {}],
        ["nothing"],
        [],
        [[]],
        {"a": 1},
    ],
    ids=str,
)
def test_what_is_no_data_is_refused(tree: Any) -> None:
    with pytest.raises(CrossingError):
        receive(Wall(), tree)


def test_bytes_that_are_named_many_times_count_many_times() -> None:
    wall = Wall(Bounds(bytes=1000))
    with pytest.raises(CrossingError, match="larger than"):
        receive(wall, ["list", *[["bytes", [0, 500]]] * 3], bytes(500))


def test_a_text_of_brackets_is_refused_before_it_is_parsed(monkeypatch: Any) -> None:
    wall = Wall(Bounds(items=10))
    monkeypatch.setattr(json, "loads", None)
    with pytest.raises(CrossingError, match="more than 10 values"):
        wall.outside._unpack([b"[" + b"[]," * 2**20 + b"0]", b""])
    with pytest.raises(CrossingError, match="no data"):
        wall.outside._unpack([b"[" * 10**5, b""])


def test_only_memory_that_was_shared_is_written() -> None:
    wall = Wall(keep=lambda *args: None)
    sent, read_only = torch.zeros(2), np.zeros(2)
    read_only.flags.writeable = False
    loose = torch.zeros(2)
    wall["keep"](sent, read_only)
    number = wall.outside._owners[key_of(sent.untyped_storage())]
    frozen = wall.outside._owners[key_of(read_only)]
    receive(wall, 1, b"\1" * 8, blocks=[[number, 8, [0, 8]]])
    assert sent.tolist() != [0, 0]
    assert loose.tolist() == [0, 0]
    with pytest.raises(CrossingError, match="cannot be written"):
        receive(wall, 1, b"\1" * 16, blocks=[[frozen, 16, [0, 16]]])
    assert read_only.tolist() == [0, 0]
    for new in (number + 100, 0, None, "1", 1.5, True):  # a number that only this side may give
        with pytest.raises(CrossingError):
            receive(wall, 1, bytes(8), blocks=[[new, 8, [0, 8]]])
    with pytest.raises(CrossingError, match="shrinks"):
        receive(wall, 1, b"", blocks=[[number, 4, [0, 0]]])
    array = sent.numpy()  # memory must not move under it
    with pytest.raises(CrossingError):
        receive(wall, 1, bytes(800), blocks=[[number, 800, [0, 800]]])
    assert array.tolist() == sent.tolist()


def test_numbers_of_one_kind_are_no_other_kind() -> None:
    wall = Wall(keep=lambda *args: None)
    x = torch.zeros(2, requires_grad=True)
    y = x * 2
    function = lambda: None  # noqa: E731
    model = torch.nn.Linear(1, 1)
    a = np.zeros(2)
    wall["keep"](x, y, function, model, a)
    out = wall.outside
    (graph,) = out._graphs
    (callback,) = out._objects
    (copy,) = out._copies
    block = next(iter(out._blocks))
    tensor, array = out.number_of(x), out.number_of(a)
    for number in (graph, callback, copy, block, array):
        with pytest.raises(CrossingError):
            receive(wall, ["tensor", number])
        with pytest.raises(CrossingError):
            receive(wall, 1, tensors=[[number, state(block=block), None]])
    for number in (graph, block, tensor, array):
        with pytest.raises(CrossingError):
            receive(wall, ["yours", number])
    for number in (graph, callback, copy, tensor, array):
        with pytest.raises(CrossingError):
            receive(wall, 1, bytes(8), blocks=[[number, 8, [0, 8]]])
        tensors = [[-2, state(requires_grad=True, leaf=False), [-3, [["graph", number]]]]]
        if number != graph:
            with pytest.raises(CrossingError):
                receive(wall, 1, bytes(8), blocks=[[-1, 8, [0, 8]]], tensors=tensors)
    assert receive(wall, ["yours", callback]) is function
    assert receive(wall, ["yours", copy]) is model


@pytest.mark.parametrize(
    ("operation", "args"),
    [
        ("call", [["type", "int"], "3"]),
        ("special", [1, "__neg__"]),
        ("getattr", [1, "real"]),
        ("isinstance", [1, ["type", "int"]]),
        ("repr", [1]),
        ("dir", [1]),
        ("deepcopy", [1]),
        ("lookup", ["name"]),
        ("_unpack", []),
        (None, []),
    ],
)
def test_the_graders_side_answers_no_other_request(operation: Any, args: list[Any]) -> None:
    wall = Wall(name=1)
    head = {"operation": operation, "args": ["list", *args], "kwargs": ["dict"], "grad": True}
    request = [json.dumps([head, NO_CHANGES]).encode(), b""]
    assert (json.loads(wall.inside.answer(request)[0])[0].get("error") is None) == bool(args)
    error = json.loads(wall.outside.answer(request)[0])[0]["error"]
    assert "KeyError" in json.dumps(error)


def test_nothing_is_unpickled() -> None:
    content = pickle.dumps(print)
    tree = ["copy", 1, [0, len(content)], []]
    head = json.dumps([{"result": tree}, NO_CHANGES]).encode()
    assert Wall().inside._unpack([head, content])["result"] is print
    for number in (1, -1):
        with pytest.raises(CrossingError):
            receive(Wall(), ["copy", number, [0, len(content)], []], content)


@pytest.mark.parametrize(("operation", "number"), [("call_back", 0), ("backward", 1)])
def test_only_functions_and_graphs_that_were_passed_are_run(operation: str, number: int) -> None:
    wall = Wall(keep=lambda *args: None)
    ran = []
    x = torch.zeros(1, requires_grad=True)
    y = x * 2
    wall["keep"](lambda: ran.append(1), y, torch.relu, torch.nn.Identity())
    right = [next(iter(wall.outside._objects)), next(iter(wall.outside._graphs))][number]
    for other in [*range(-5, right), *range(right + 1, 30)]:
        args = ["list", other] if not number else ["list", other, 1.0]
        head = {"operation": operation, "args": args, "kwargs": ["dict"], "grad": True}
        reply = wall.outside.answer([json.dumps([head, NO_CHANGES]).encode(), b""])
        assert "error" in json.loads(reply[0])[0]
    assert not ran
    assert x.grad is None
    head = {"operation": "call_back", "args": ["list", right], "kwargs": ["dict"], "grad": True}
    wall.outside.answer([json.dumps([head, NO_CHANGES]).encode(), b""])
    assert len(ran) == (number == 0)


@functools.cache
def replies() -> list[list[bytes]]:
    """Return real replies with everything that can be in one."""
    recorded: list[list[bytes]] = []
    wall = Wall()
    exchange = wall.outside.exchange

    def record(buffers: list[Any]) -> list[Any]:
        recorded.append(exchange(buffers))
        return recorded[-1]

    wall.outside.exchange = record  # type: ignore[method-assign]
    w = torch.ones(2, requires_grad=True)

    def fail() -> None:
        raise KeyError("k")

    wall.fetch({"a": [1, 2.5, nan(3)], "b": (None, {1, 2}, b"xy", "é", 2**70, 1j)})
    wall.fetch([torch.arange(6.0).view(2, 3).t(), np.zeros((2, 2))[::-1], np.float32(1)])
    wall.fetch([w * 2, torch.nn.Linear(2, 1), torch.float32, slice(1, 2), range(3)])
    with pytest.raises(KeyError):
        wall.fetch(fail)()
    return recorded


WORDS = """
dict ordered list tuple set frozenset size record slice range int float complex text bytes scalar
np.str np.bytes npdtype torch device type constant tensor array yours module handle copy callback
graph os torch.float32 <f8 __class__
"""
trees = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-20, 20),
        st.integers(),
        st.floats(),
        st.text(max_size=9),
        st.sampled_from(WORDS.split()),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=6), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=15,
)


def read(wall: Wall, buffers: list[Any]) -> None:
    """Read forged buffers as the grader's side does: it is data, or CrossingError.

    Meanwhile nothing is unpickled, evaluated or imported.
    """

    def explode(*args: Any, **kwargs: Any) -> Any:
        raise SystemExit(f"a hostile side has got through: {args!r:.100}")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("loads", "load", "Unpickler"):
            patch.setattr(pickle, name, explode)
        patch.setattr("autograder.remote.load", explode)
        for name in ("eval", "exec", "compile", "open"):
            patch.setattr(builtins, name, explode)
        patch.setattr(sys, "meta_path", [type("Finder", (), {"find_spec": explode})])
        try:
            message = wall.outside._unpack(buffers)
        except CrossingError:
            return
    assert isinstance(message, dict)


def fresh() -> Wall:
    """Return a wall that both sides have used: there is something to attack."""
    wall = Wall(keep=lambda *args: None)
    x = torch.zeros(4, requires_grad=True)
    wall.names["hold"] = [x, x * 2, np.zeros(3), torch.nn.Identity(), lambda: None]
    wall["keep"](*wall.names["hold"])
    return wall


@some
@given(st.data())
def test_changed_replies_are_data_or_a_crossing_error(data: Any) -> None:
    text, raw_bytes = data.draw(st.sampled_from(replies()))
    if data.draw(st.booleans()):  # change the bytes
        changed = bytearray(text)
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(changed) - 1))
            changed[place] = data.draw(st.sampled_from(b'0129-[]{}",.ntxe') | st.integers(0, 255))
        text = bytes(changed)
    else:  # change a value
        tree = json.loads(text)
        for _ in range(data.draw(st.integers(1, 3))):
            spot: Any = tree
            while True:
                places = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
                if not places:
                    break
                place = data.draw(st.sampled_from(places))
                deeper = isinstance(spot[place], list | dict)
                if not deeper or data.draw(st.integers(0, 5)) == 0:
                    spot[place] = data.draw(trees)
                    break
                spot = spot[place]
        text = json.dumps(tree).encode()
    if data.draw(st.booleans()):
        raw_bytes = raw_bytes[: data.draw(st.integers(0, len(raw_bytes)))]
    read(fresh(), [text, raw_bytes])


@some
@given(trees, trees, st.binary(max_size=40))
def test_random_replies_are_data_or_a_crossing_error(head: Any, tree: Any, content: bytes) -> None:
    wall = fresh()
    read(wall, [json.dumps([head, tree]).encode(), content])
    read(wall, [json.dumps([{"result": tree}, NO_CHANGES]).encode(), content])
    for part in NO_CHANGES:
        read(wall, [json.dumps([{"result": 1}, {**NO_CHANGES, part: [tree]}]).encode(), content])
    read(wall, [content, content])
    read(wall, [content])


def test_nothing_piles_up() -> None:
    wall = Wall(f=lambda x, *args: (x * 2, x.detach().numpy(), {"k": [x]}, lambda: x))
    size = 0
    for step in range(400):  # four messages each
        x = torch.ones(3, requires_grad=True)
        out = wall["f"](x, lambda: 1, torch.nn.Identity())
        out[0].sum().backward()
        del out, x
        if step == 20:
            gc.collect()
            size = wall.registered()
    gc.collect()
    wall["f"](torch.ones(1))
    assert wall.registered() <= size + 20
