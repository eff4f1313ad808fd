"""What a student could have got wrong in a line: the operators that make mutants.

An operator is a function that yields what could stand in the place of a node of the syntax tree.
Operators leave out what can make no difference, like `transpose(1, 0)` for `transpose(0, 1)`, or
`reshape` for `view`, which does the same wherever `view` works.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TypeVar

Change = ast.expr | list[ast.stmt]
Node = TypeVar("Node", bound=ast.AST)
Swappable = ast.operator | ast.cmpop | ast.boolop

OTHERS: dict[type[Swappable], list[type[Swappable]]] = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult],
    ast.FloorDiv: [ast.Div],
    ast.Mod: [ast.FloorDiv],
    ast.Pow: [ast.Mult],
    ast.MatMult: [ast.Mult],
    ast.BitAnd: [ast.BitOr],
    ast.BitOr: [ast.BitAnd],
    ast.BitXor: [ast.BitAnd],
    ast.LShift: [ast.RShift],
    ast.RShift: [ast.LShift],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
ONE_SIDED = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)  # a - b is not b - a

# Functions and methods that are taken for each other, with the same arguments.
PAIRS = [
    ("all", "any"),
    ("amax", "amin"),
    ("argmax", "argmin"),
    ("cat", "stack"),
    ("ceil", "floor"),
    ("clone", "detach"),
    ("cos", "sin"),
    ("log_softmax", "softmax"),
    ("max", "min"),
    ("maximum", "minimum"),
    ("mean", "sum"),
    ("ones", "zeros"),
    ("ones_like", "zeros_like"),
    ("rand", "randn"),
    ("rand_like", "randn_like"),
    ("std", "var"),
    ("train", "eval"),
]
EXCHANGED = {
    **dict(PAIRS),
    **{second: first for first, second in PAIRS},
    "as_tensor": "tensor",
    "from_numpy": "tensor",
    "nanmean": "nansum",
    "nansum": "nanmean",
    "reshape": "view",
    "round": "floor",
}
BUILTINS = {"all", "any", "max", "min"}  # of these, that are functions without a module, too
WORDS = {"mean": "sum", "sum": "mean"}  # as in reduction="mean"
CONVERSIONS = {"abs", "bool", "float", "int", "list", "reversed", "round", "sorted", "tuple"}
MODULES = {"F", "functools", "itertools", "math", "nn", "np", "numpy", "optim", "plt", "random"}
MODULES |= {"torch"}
# Of these, the first two arguments can stand in any order.
SYMMETRIC = {"add", "allclose", "cdist", "dot", "eq", "equal", "isclose", "logical_and"}
SYMMETRIC |= {"logical_or", "max", "maximum", "min", "minimum", "mul", "multiply", "swapaxes"}
SYMMETRIC |= {"swapdims", "transpose"}
REDUCTIONS = {"all", "amax", "amin", "any", "argmax", "argmin", "argsort", "cumsum", "max", "mean"}
REDUCTIONS |= {"median", "min", "nanmean", "nansum", "norm", "prod", "squeeze", "std", "sum", "var"}
REORDERS = {"mT", "movedim", "permute", "swapaxes", "swapdims", "t", "T", "transpose"}
# Methods that exist with an underscore, too.
IN_PLACE = {"abs", "add", "ceil", "clamp", "clip", "cos", "div", "exp", "fill", "floor", "log"}
IN_PLACE |= {"masked_fill", "mul", "nan_to_num", "neg", "pow", "relu", "round", "scatter"}
IN_PLACE |= {"sigmoid", "sin", "sqrt", "square", "sub", "tanh", "unsqueeze", "squeeze"}
ARITHMETIC = {ast.Add: "add_", ast.Sub: "sub_", ast.Mult: "mul_", ast.Div: "div_"}
VIEWS = {"data", "detach", "expand", "flatten", "grad", "permute", "reshape", "squeeze", "t", "T"}
VIEWS |= {"transpose", "unsqueeze", "view"}


@dataclass(frozen=True)
class Scope:
    """What an operator has to know of the place where a node stands."""

    parent: ast.AST
    parameters: frozenset[str]  # of the functions in the cell, and what loops take out of them
    bound: frozenset[str]  # names that have a value before this line


def _with(node: Node, **fields: object) -> Node:
    """Return a copy of `node` with other fields."""
    changed = copy(node)
    for field, value in fields.items():
        setattr(changed, field, value)
    return changed


def _number(value: int | float) -> ast.expr:
    number = ast.Constant(abs(value))
    return ast.UnaryOp(ast.USub(), number) if value < 0 else number


def _is_module(node: ast.expr) -> bool:
    """Whether an expression is a module, like `torch` or `torch.nn.functional`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in MODULES


def _called(node: ast.AST) -> str:
    """Return the name of the function or method that is called, or an empty text."""
    if isinstance(node, ast.Call):
        return getattr(node.func, "attr", getattr(node.func, "id", ""))
    return ""


def _receiver(node: ast.AST) -> ast.expr | None:
    """Return `x` of the method call `x.f()`, or None."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return None if _is_module(node.func.value) else node.func.value
    return None


def _is_handed_in(node: ast.expr, scope: Scope) -> bool:
    """Whether an expression has the memory of an argument: to change it is seen outside."""
    if isinstance(node, ast.Name):
        return node.id in scope.parameters
    if isinstance(node, ast.Attribute):
        return (node.attr in VIEWS or _is_self(node.value)) and _is_handed_in(node.value, scope)
    if isinstance(node, ast.Subscript):
        return _is_handed_in(node.value, scope)
    receiver = _receiver(node)
    return receiver is not None and _called(node) in VIEWS and _is_handed_in(receiver, scope)


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _swaps(items: Sequence[ast.expr], first: int = 0) -> Iterator[list[ast.expr]]:
    """Yield `items` with two neighbors exchanged, from the pair number `first` on."""
    for i in range(first, len(items) - 1):
        if not any(isinstance(item, ast.Starred) for item in items[i : i + 2]):
            yield [*items[:i], items[i + 1], items[i], *items[i + 2 :]]


def _without(items: Sequence[Node], index: int) -> list[Node]:
    return [*items[:index], *items[index + 1 :]]


def operator_exchanged(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`a + b` → `a - b`, `a < b` → `a <= b`, `a and b` → `a or b`, `a += b` → `a -= b`."""
    if isinstance(node, ast.BinOp | ast.BoolOp):
        for other in OTHERS[type(node.op)]:
            yield _with(node, op=other())
    elif isinstance(node, ast.AugAssign):
        for other in OTHERS[type(node.op)]:
            yield [_with(node, op=other())]
    elif isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            for other in OTHERS[type(operator)]:
                yield _with(node, ops=[*node.ops[:i], other(), *node.ops[i + 1 :]])


def operand_dropped(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`a * b` → `a`, `b`; `a and b` → `a`, `b`; `not a`, `-a`, `~a` → `a`."""
    if isinstance(node, ast.BinOp):
        yield from (part for part in [node.left, node.right] if not isinstance(part, ast.Constant))
    elif isinstance(node, ast.BoolOp):
        for i in range(len(node.values)):
            rest = _without(node.values, i)
            yield rest[0] if len(rest) == 1 else _with(node, values=rest)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand


def operands_swapped(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`a - b` → `b - a`, where that is not the same."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ONE_SIDED):
        yield _with(node, left=node.right, right=node.left)


def constant_changed(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`1` → `2`, `0`; `True` → `False`; "mean" → "sum"; "ij->ji" → "ji->ji", "ij->ij"."""
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield _number(round(value + 1, 12))
        yield _number(round(value - 1, 12))
    elif isinstance(value, str):
        if value in WORDS:
            yield ast.Constant(WORDS[value])
        if "->" in value:
            for i in range(len(value) - 1):
                pair, after = value[i : i + 2], value[i + 2 : i + 3]
                if pair.isalpha() and not after.isalpha():
                    yield ast.Constant(value[:i] + pair[::-1] + value[i + 2 :])


def arguments_swapped(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`f(a, b)` → `f(b, a)`, `x[i, j]` → `x[j, i]`, `(a, b)` → `(b, a)`."""
    if isinstance(node, ast.Call):
        symmetric = _called(node) in SYMMETRIC
        # Of torch.transpose(x, 0, 1), the second and the third.
        start = 1 if symmetric and _receiver(node) is None and len(node.args) > 2 else 0
        for i, args in enumerate(_swaps(node.args)):
            if not symmetric or i != start:
                yield _with(node, args=args)
    elif isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Load):
        of_dims = isinstance(scope.parent, ast.keyword) and scope.parent.arg in ("dim", "axis")
        if not of_dims and _called(scope.parent) not in REDUCTIONS:
            for items in _swaps(node.elts):
                yield _with(node, elts=items)


def argument_dropped(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`f(a, dtype=b)` → `f(a)`, `f(a, b)` → `f(a)`, `x.sum(0)` → `x.sum()`.

    Of `keepdim=True` and the like, `constant_changed` makes what dropping would.
    """
    if not isinstance(node, ast.Call):
        return
    for i, keyword in enumerate(node.keywords):
        is_bool = isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, bool)
        if keyword.arg and not is_bool:
            yield _with(node, keywords=_without(node.keywords, i))
    reduces = _receiver(node) is not None and _called(node) in REDUCTIONS
    if len(node.args) > (0 if reduces else 1):
        yield _with(node, args=node.args[:-1])


def call_dropped(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`x.detach()` → `x`, `torch.exp(x)` → `x`, `self.layer(x)` → `x`, `int(x)` → `x`.

    A call that stands alone is dropped by `statement_dropped`.
    """
    if not isinstance(node, ast.Call):
        return
    alone, receiver = isinstance(scope.parent, ast.Expr), _receiver(node)
    if receiver is not None and not _is_self(receiver):
        if not alone or _called(receiver) not in ("", "super"):
            yield receiver
    elif isinstance(node.func, ast.Attribute) or _called(node) in CONVERSIONS:
        yield from node.args if len(node.args) == 1 and not alone else []


def function_exchanged(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`x.sum()` → `x.mean()`, `torch.zeros(3)` → `torch.ones(3)`, `x.reshape(2)` → `x.view(2)`."""
    if not isinstance(node, ast.Call):
        return
    other = EXCHANGED.get(_called(node))
    if other in (_called(_receiver(node) or node), getattr(scope.parent, "attr", "")):
        return  # x.detach().clone(): twice the same is what dropping makes
    if other and isinstance(node.func, ast.Attribute):
        if other != "view" or _receiver(node) is not None:
            yield _with(node, func=_with(node.func, attr=other))
    elif other and isinstance(node.func, ast.Name) and node.func.id in BUILTINS:
        yield _with(node, func=_with(node.func, id=other))


def relabeled(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`x.permute(1, 0)` → `x.reshape(x.permute(1, 0).shape)`: the shape, but other elements."""
    if isinstance(node, ast.Attribute):
        source = (
            node.value if node.attr in REORDERS and not _is_call_of(scope.parent, node) else None
        )
    else:
        source = _receiver(node) if _called(node) in REORDERS else None
        if (
            isinstance(node, ast.Call)
            and source is None
            and _called(node) in REORDERS
            and node.args
        ):
            source = node.args[0]
    if source is not None and isinstance(node, ast.expr):
        shape = ast.Attribute(node, "shape", ast.Load())
        yield ast.Call(ast.Attribute(source, "reshape", ast.Load()), [shape], [])


def _is_call_of(parent: ast.AST, node: ast.AST) -> bool:
    return isinstance(parent, ast.Call) and parent.func is node


def made_in_place(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`x.abs()` → `x.abs_()`, `x - y` → `x.sub_(y)`, `x = x + y` → `x += y`; `x` is an argument."""
    receiver = _receiver(node)
    if isinstance(node, ast.Call) and receiver is not None and _called(node) in IN_PLACE:
        if _is_handed_in(receiver, scope):
            yield _with(node, func=_with(node.func, attr=f"{_called(node)}_"))
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        if _is_handed_in(node.left, scope):
            method = ast.Attribute(node.left, ARITHMETIC[type(node.op)], ast.Load())
            yield ast.Call(method, [node.right], [])
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
        for target in node.targets[:1]:
            is_left = ast.unparse(target) == ast.unparse(node.value.left)
            if not is_left or not _is_handed_in(target, scope):
                continue
            if isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
                yield [ast.AugAssign(target, node.value.op, node.value.right)]


def made_out_of_place(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`x.abs_()` → `x.abs()`; `x += y` → `x = x + y` for an argument."""
    name = _called(node)
    if isinstance(node, ast.Call) and name.endswith("_") and name[:-1] in IN_PLACE:
        if isinstance(node.func, ast.Attribute):
            yield _with(node, func=_with(node.func, attr=name[:-1]))
    elif isinstance(node, ast.AugAssign) and _is_handed_in(node.target, scope):
        value = ast.BinOp(_with(node.target, ctx=ast.Load()), node.op, node.value)
        yield [ast.Assign([node.target], value)]


def bound_dropped(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`x[:n]` → `x[:]`, `x[::2]` → `x[:]`."""
    if isinstance(node, ast.Slice):
        for part in ["lower", "upper", "step"]:
            if getattr(node, part) is not None:
                yield _with(node, **{part: None})


def statement_dropped(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`optimizer.zero_grad()` → nothing, `x[0] = 1` → nothing, a loop → nothing."""
    if isinstance(node, ast.Expr | ast.AugAssign | ast.Delete | ast.For | ast.While | ast.Assert):
        yield []
    elif isinstance(node, ast.Assign):
        names = [target for target in node.targets if isinstance(target, ast.Name)]
        if all(name.id in scope.bound for name in names) and not any(
            isinstance(target, ast.Tuple) for target in node.targets
        ):
            yield []


def branch_chosen(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`if a: b` → nothing, `b`; `b if a else c` → `b`, `c`; `[x for x in y if a]` without `if`."""
    if isinstance(node, ast.If | ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        for i, generator in enumerate(node.generators):
            if generator.ifs:
                plain = _with(generator, ifs=[])
                generators = [*node.generators[:i], plain, *node.generators[i + 1 :]]
                yield _with(node, generators=generators)


def context_dropped(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`with torch.no_grad(): a` → `a`, `try: a except: b` → `a`, and decorators dropped."""
    if isinstance(node, ast.With):
        for i, item in enumerate(node.items):
            if item.optional_vars is None:
                rest = _without(node.items, i)
                yield [_with(node, items=rest)] if rest else node.body
    elif isinstance(node, ast.Try):
        yield node.body
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        for i in range(len(node.decorator_list)):
            yield [_with(node, decorator_list=_without(node.decorator_list, i))]


def loop_end_exchanged(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """`break` → `continue`, `continue` → `break`."""
    if isinstance(node, ast.Break):
        yield [ast.Continue()]
    elif isinstance(node, ast.Continue):
        yield [ast.Break()]


OPERATORS: list[Callable[[ast.AST, Scope], Iterator[Change]]] = [
    operator_exchanged,
    operand_dropped,
    operands_swapped,
    constant_changed,
    arguments_swapped,
    argument_dropped,
    call_dropped,
    function_exchanged,
    relabeled,
    made_in_place,
    made_out_of_place,
    bound_dropped,
    statement_dropped,
    branch_chosen,
    context_dropped,
    loop_end_exchanged,
]
