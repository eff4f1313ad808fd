# %% [markdown]
# # Exercises: autograd
#
# Read `notebooks/03_autograd` first.
# Each exercise has a statement, a cell for your answer and one or more test cells.
# Replace the line `raise NotImplementedError()` with your answer, run the cell, then run the tests below it.
# A test that passes prints nothing.
# A test that fails says what it called, what it got and what it expected.
# A `NameError` means that a cell above, the set-up or your answer, was not run, or that a name is misspelled.
# The tests look at what your function does, not at how it is written: every way that gives the right result counts.
# Where a result is not a whole number, a small difference by rounding is fine.
# Before grading, more tests are added to each test cell: they call your function with other inputs that fit the statement.
#
# Run the next cell first: it loads PyTorch and the checker that the tests use.

# %% nbgrader={"grade_id": "setup", "locked": true}
import functools
import inspect
import math
import re
import traceback

import numpy as np
import torch

MAX_SHOWN = 24  # larger tensors are not shown in messages


class TestFailed(AssertionError):
    """What is wrong, then one line for each fact. Jupyter shows this text and no traceback."""

    def __init__(self, problem, **facts):
        super().__init__("\n".join([problem, *(f"  {key:9} {facts[key]}" for key in facts)]))

    def _render_traceback_(self):
        return [str(self)]


def require(condition, problem, **facts):
    """Raise TestFailed, with facts like `called`, `got` and `expected`, unless `condition` holds."""
    if not condition:
        raise TestFailed(problem, **facts)


def describe(value):
    """Return `value` as short text: the values of a small tensor, else its shape and dtype."""
    if isinstance(value, torch.Tensor) and value.grad_fn is not None:
        value = value.detach()  # its values say enough
    if isinstance(value, (torch.Tensor, np.ndarray)) and math.prod(value.shape) > MAX_SHOWN:
        kind = "a tensor" if isinstance(value, torch.Tensor) else "an array"
        place = f" on {value.device}" if str(getattr(value, "device", "cpu")) != "cpu" else ""
        return f"{kind} of shape {tuple(value.shape)} and dtype {value.dtype}{place}"
    if isinstance(value, (list, tuple)) and len(value) <= 8:
        items = ", ".join(describe(item) for item in value)
        return f"[{items}]" if isinstance(value, list) else f"({items})"
    if isinstance(value, dict) and len(value) <= 8:
        return "{" + ", ".join(f"{key!r}: {describe(item)}" for key, item in value.items()) + "}"
    text = " ".join(repr(value).split())
    text = re.sub(r"<(?:built-in method|built-in function|function) (\w+)[^>]*>", r"\1", text)
    return text if len(text) <= 400 else text[:400] + "..."


def find_difference(got, want, rtol=1e-4, atol=1e-5):
    """Return what is wrong with `got` as one phrase, or None when it equals `want`.

    The type is compared first, then the shape, the dtype and the device, then the values.
    Floating-point values may differ by rounding, all others must be equal.
    Tensors on the device meta have no values.
    """
    kinds = [torch.Tensor, np.ndarray, list, tuple, dict, type(want)]
    kind = next(kind for kind in kinds if isinstance(want, kind))
    if not isinstance(got, kind) or isinstance(got, bool) != isinstance(want, bool):
        name = type(got).__name__
        name = f"{type(got).__module__}.{name}" if name == kind.__name__ else name
        return f"wrong type: {name} instead of {kind.__name__}"
    if kind in (list, tuple):
        if len(got) != len(want):
            return f"wrong length: {len(got)} instead of {len(want)}"
        problems = [find_difference(g, w, rtol, atol) for g, w in zip(got, want, strict=True)]
        return next((f"item {i}: {problem}" for i, problem in enumerate(problems) if problem), None)
    if kind is dict:
        if got.keys() != want.keys():
            return f"wrong keys: {describe(list(got))} instead of {describe(list(want))}"
        problems = [(key, find_difference(got[key], want[key], rtol, atol)) for key in want]
        return next((f"item {key!r}: {problem}" for key, problem in problems if problem), None)
    if kind not in (torch.Tensor, np.ndarray):
        same = got == want or (got != got and want != want)  # nan is not equal to itself
        if isinstance(want, float):
            same = same or math.isclose(got, want, rel_tol=rtol, abs_tol=atol)
        return None if same else f"wrong value: {describe(got)} instead of {describe(want)}"
    if got.shape != want.shape:
        return f"wrong shape: {tuple(got.shape)} instead of {tuple(want.shape)}"
    for name in ["dtype", "device", "layout"]:
        mine, right = getattr(got, name, None), getattr(want, name, None)
        if mine != right:
            return f"wrong {name}: {mine} instead of {right}"
    if getattr(want, "device", None) == torch.device("meta"):
        return None
    if kind is np.ndarray:
        got, want = torch.tensor(got.copy("C")), torch.tensor(want.copy("C"))
    if torch.equal(got, want):
        return None
    if not (want.is_floating_point() or want.is_complex()):
        rtol = atol = 0
    wrong = ~torch.isclose(got, want, rtol, atol, equal_nan=True)
    if not wrong.any():
        return None
    i = tuple(wrong.nonzero()[0].tolist())
    phrase = f"wrong values: {got[i].item():.7g} instead of {want[i].item():.7g} at index {i}"
    count = f", {wrong.sum().item()} of {wrong.numel()} elements differ"
    return phrase + count if wrong.numel() > MAX_SHOWN else phrase


def snapshot(value):
    """Return a copy of `value` that stays as it is when `value` is changed in place."""
    if isinstance(value, (list, tuple)):
        return type(value)(snapshot(item) for item in value)
    if isinstance(value, dict):
        return {key: snapshot(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return value


class Call:
    """The text of a call, written only where a message needs it."""

    def __init__(self, name, args):
        self.name, self.args = name, args

    def __str__(self):
        return f"{self.name}({', '.join(describe(arg) for arg in self.args)})"


def attempt(function, *args, name=None, called=None):
    """Return `function(*args)`. Raises TestFailed, with the text `called`, when that fails."""
    name = name or getattr(function, "__name__", "the function")
    called = called or Call(name, snapshot(args))
    try:
        return function(*args)
    except Exception as error:
        if isinstance(error, NotImplementedError) and not str(error):
            todo = "write your answer in place of the line raise NotImplementedError()"
            raise TestFailed(f"{name} is not solved yet: {todo}, and run its cell again") from None
        facts = {"called": called}
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.name == name:
                facts["at"] = f"line {frame.lineno}: {frame.line}"
        raise TestFailed(f"{name} raised {type(error).__name__}: {error}", **facts) from None


def compare(got, want, what, called, rtol=1e-4, atol=1e-5, verb=": "):
    """Raise TestFailed when `got`, which the text `what` names, is not `want`."""
    problem = find_difference(got, want, rtol, atol)
    if problem:
        verb = verb if problem.startswith("wrong") else ": "
        hint = " (is a return missing?)" if got is None else ""
        facts = {"called": called, "got": describe(got), "expected": describe(want)}
        raise TestFailed(what + verb + problem + hint, **facts)


def checked(function, *args, want, changes=(), called=None, rtol=1e-4, atol=1e-5):
    """Call `function(*args)`, compare the result with `want` and return the result.

    Raises TestFailed when that fails, or when an argument was changed that is not in `changes`,
    a tuple of positions. Messages show the call as the text `called`, else with its arguments.
    """
    name = getattr(function, "__name__", "the function")
    before = [snapshot(arg) for arg in args]
    called = called or Call(name, before)
    got = attempt(function, *args, name=name, called=called)
    compare(got, want, name, called, rtol, atol, verb=" returned the ")
    for i, (arg, old) in enumerate(zip(args, before, strict=True)):
        if i not in changes and find_difference(arg, old, 0, 0):
            try:
                argument = list(inspect.signature(function).parameters)[i]
            except Exception:  # not every function tells the names of its arguments
                argument = f"{i + 1}"
            problem = f"{name} changed its argument {argument}: work on a copy"
            raise TestFailed(problem, called=called, after=f"{argument} = {describe(arg)}")
    return got


def check(function, *args, **options):
    """Do what `checked` does and return nothing, so that a test that passes shows nothing."""
    checked(function, *args, **options)


def check_gradient(function, x, v, want, atol=1e-5):
    """Call `y = function(x)` and `y.backward(v)`, and compare the gradient of `x` with `want`."""
    name, leaf = function.__name__, x.detach().clone().requires_grad_()
    facts = {"called": f"y = {name}(x) with x = {describe(leaf)}"}
    try:
        y = function(leaf)
    except Exception as error:
        raise TestFailed(f"{name} raised {type(error).__name__}: {error}", **facts) from None
    right = isinstance(y, torch.Tensor) and y.shape == v.shape
    require(right, f"{name} returned no tensor of shape {tuple(v.shape)}", **facts, got=describe(y))
    hint = "did .item(), .detach(), .data, no_grad or NumPy cut it?"
    require(y.requires_grad, f"the result of {name} has no graph: {hint}", **facts)
    facts["called"] += f", then y.backward(v) with v = {describe(v)}"
    try:
        y.backward(v)
    except Exception as error:
        raise TestFailed(f"backward raised {type(error).__name__}: {error}", **facts) from None
    problem = find_difference(leaf.grad, want, atol=atol)
    facts |= {"got": f"x.grad = {describe(leaf.grad)}", "expected": describe(want)}
    require(not problem, f"{name} gives the wrong gradient: {problem}", **facts)


def letters_of(function, names):
    """Return the letters that `function` gives for the functions `names`, None where it gives none."""
    try:
        reasons = dict(function())
    except Exception as error:
        solved = not isinstance(error, NotImplementedError)
        problem = f"does not return a dict: {error}" if solved else "is not solved yet"
        raise TestFailed(f"{function.__name__} {problem}") from None
    letters = [reasons.get(name) for name in names]
    return [x if isinstance(x, str) and x in tuple("ABCDEF") else None for x in letters]


# %% [markdown]
# ## 1. Which way is up?
#
# `Difficulty ●○○○○ · 4 minutes · 2 points`
#
# A walking robot has a map of the height of the ground: h(x, y) = x² y + 3 sin(x y).
# To plan its next step it needs the slopes at the place where it stands.
# Write `ground_slopes(x, y)`, which returns the slope of h along x and the slope of h along y.
# The robot's program is written in plain Python, so take and return plain numbers.
#
# - `x`, `y`: each an `int` or a `float` between -2 and 2.
# - Returns: a tuple of two Python `float`s, the partial derivatives of h with respect to x and to y.
#
# ```python
# ground_slopes(0, 2)
# # (6.0, 0.0)
# ground_slopes(1.5, 0)
# # (0.0, 6.75)
# ```
#
# <details><summary>Hint</summary>
#
# - Which dtypes can require a gradient, and what does `torch.tensor(2)` have?
# - Which functions must you use, so that autograd sees them: those of `math` or those of `torch`?
# - How do you get a Python number out of a tensor with one element?
#
# </details>

# %% nbgrader={"grade_id": "ground_slopes", "solution": true}
def ground_slopes(x, y):
    """Return the slopes of the ground along x and along y, as two floats."""
    ### BEGIN SOLUTION
    x = torch.tensor(float(x), requires_grad=True)
    y = torch.tensor(float(y), requires_grad=True)
    h = x**2 * y + 3 * torch.sin(x * y)
    h.backward()
    return x.grad.item(), y.grad.item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "ground_slopes-floats", "grade": true, "points": 1}
check(ground_slopes, 1.5, 0.0, want=(0.0, 6.75), atol=1e-3)
check(ground_slopes, 0.0, 2.0, want=(6.0, 0.0), atol=1e-3)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(11)
for x, y in (4 * torch.rand(6, 2, generator=generator) - 2).tolist():
    want = (2 * x * y + 3 * y * math.cos(x * y), x**2 + 3 * x * math.cos(x * y))
    check(ground_slopes, x, y, want=want, atol=1e-3)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "ground_slopes-ints", "grade": true, "points": 1}
# Whole numbers are welcome, too.
check(ground_slopes, 0, 2, want=(6.0, 0.0), atol=1e-3)
check(ground_slopes, 1, 0.5, want=(1.0 + 1.5 * math.cos(0.5), 1.0 + 3.0 * math.cos(0.5)), atol=1e-3)
### BEGIN HIDDEN TESTS
for x, y in [(1, 1), (-2, 1), (2, -1), (-1, -2), (0, 0), (-1, 0.25), (0.75, 2)]:
    want = (2 * x * y + 3 * y * math.cos(x * y), x**2 + 3 * x * math.cos(x * y))
    check(ground_slopes, x, y, want=want, atol=1e-3)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Log-sum-exp without overflow
#
# `Difficulty ●●●○○ · 7 minutes · 3 points`
#
# Classifiers compute ln(eᵃ + eᵇ + …) of their scores, and a score can be 100 or more.
# But e¹⁰⁰ does not fit into `float32`: written down like this, the result is `inf` and its gradient `nan`.
# A shift helps: ln(eᵃ + eᵇ) = m + ln(eᵃ⁻ᵐ + eᵇ⁻ᵐ), for every number m.
# Write `log_sum_exp(x)`, which returns ln of the sum of the exponentials of each row, for scores of any size.
# The classifier learns through your function, so `backward` must give the right gradient: the softmax of the row.
# (`torch.logsumexp` counts as an answer, but with a formula of your own you learn more.)
#
# - `x`: a tensor of shape `(N, C)`, dtype `float32`, with `C >= 1`; all elements are finite, between -10000 and 10000.
# - Returns: a tensor of shape `(N,)`, dtype `float32`; gradients flow through it.
#
# ```python
# log_sum_exp(torch.tensor([[0., 0.], [100., 100.], [-100., 3.]]))
# # tensor([  0.6931, 100.6931,   3.0000])
# ```
#
# <details><summary>Hint</summary>
#
# - Which m makes the largest exponent of a row equal to 0, so that nothing can overflow?
# - Is one m for the whole tensor enough, when one row holds 1000 and another one -1000?
# - What do you have to add at the end, and which shape does it have?
#
# </details>

# %% nbgrader={"grade_id": "log_sum_exp", "solution": true}
def log_sum_exp(x):
    """Return the logarithm of the sum of the exponentials of each row."""
    ### BEGIN SOLUTION
    largest = x.max(dim=1, keepdim=True).values
    return (x - largest).exp().sum(dim=1).log() + largest.squeeze(1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "log_sum_exp-values", "grade": true, "points": 1}
x = torch.tensor([[0.0, 0.0], [1.0, 2.0], [-1.0, 3.0]])
check(log_sum_exp, x, want=torch.tensor([0.6931472, 2.3132617, 3.0181499]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(21)
for shape in [(4, 3), (3, 3), (1, 5), (6, 1), (20, 30)]:
    x = 2 * torch.randn(shape, generator=generator) + 1
    want = torch.tensor([math.log(sum(math.exp(value) for value in row)) for row in x.tolist()])
    check(log_sum_exp, x, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "log_sum_exp-large", "grade": true, "points": 1}
x = torch.tensor([[0.0, 2.0, 100.0], [1000.0, 999.0, 1000.0], [-1000.0, -1000.0, -1000.0]])
check(log_sum_exp, x, want=torch.tensor([100.0, 1000.8619947, -998.9013877]))
x = torch.tensor([[-500.0, 0.0, 500.0], [300.0, 0.0, 0.0]])
check(log_sum_exp, x, want=torch.tensor([500.0, 300.0]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(22)
for size, columns in [(300, 4), (-300, 4), (9000, 2), (-9000, 3), (95, 6)]:
    x = torch.randn(5, columns, generator=generator)
    want = torch.tensor([math.log(sum(math.exp(value) for value in row)) for row in x.tolist()])
    check(log_sum_exp, x + size, want=want + size, atol=2e-3)
scale = torch.tensor([[-9000.0], [-100.0], [0.0], [150.0], [9000.0]])
check(log_sum_exp, scale.expand(5, 3).clone(), want=scale[:, 0] + math.log(3), atol=2e-3)
x = torch.tensor([[-9000.0, 0.0, 9000.0], [0.0, -400.0, -9000.0], [7000.0, 7000.0, 0.0]])
check(log_sum_exp, x, want=torch.tensor([9000.0, 0.0, 7000.0 + math.log(2)]), atol=2e-3)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "log_sum_exp-gradient", "grade": true, "points": 1}
x = torch.tensor([[0.0, 2.0, 5.0]])
values, gradient = torch.tensor([5.0549852]), torch.tensor([[0.0063775, 0.0471234, 0.9464991]])
check(log_sum_exp, x, want=values)
check_gradient(log_sum_exp, x, torch.tensor([1.0]), want=gradient)
check_gradient(log_sum_exp, x, torch.tensor([-2.0]), want=-2 * gradient)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(23)
for shape in [(4, 3), (3, 3), (1, 6), (5, 1)]:
    x = 3 * torch.randn(shape, generator=generator)
    weights = torch.randn(shape[0], generator=generator)
    want = x.exp() / x.exp().sum(dim=1, keepdim=True) * weights.unsqueeze(1)
    check(log_sum_exp, x, want=x.exp().sum(dim=1).log())
    check_gradient(log_sum_exp, x, weights, want=want)
    # The same scores, all larger by 500: the gradient stays as it is.
    check_gradient(log_sum_exp, x + 500, weights, want=want, atol=1e-3)
x = torch.tensor([[-900.0, 0.0, 900.0]])
check_gradient(log_sum_exp, x, torch.tensor([3.0]), want=torch.tensor([[0.0, 0.0, 3.0]]))
### END HIDDEN TESTS

# %% [markdown]
# ## 3. The gradient of a quadratic form
#
# `Difficulty ●●○○○ · 5 minutes · 2 points`
#
# Energies, distances and errors are often quadratic: f(x) = xᵀAx + xᵀb.
# Formula collections give the gradient as 2Ax + b, and with many matrices it is wrong.
# Write `quadratic_gradient(A, b, x)`, which returns the gradient of f with respect to `x`, for every square matrix `A`.
# Use a formula or autograd, as you like.
#
# - `A`: a tensor of shape `(N, N)`, dtype `float64`.
# - `b`, `x`: tensors of shape `(N,)`, dtype `float64`.
# - Returns: a tensor of shape `(N,)`, dtype `float64`.
#
# ```python
# A = torch.tensor([[1., 2.], [0., 2.]], dtype=torch.float64)
# b = torch.tensor([1., 0.], dtype=torch.float64)
# quadratic_gradient(A, b, torch.tensor([1., 2.], dtype=torch.float64))
# # tensor([ 7., 10.], dtype=torch.float64)
# ```
#
# <details><summary>Hint</summary>
#
# - In Σᵢⱼ xᵢ Aᵢⱼ xⱼ, a certain x₀ occurs twice: where does it stand in front of A, and where behind?
# - For which matrices are `A` and `A.T` the same?
# - If you take autograd: which tensor must require a gradient, and how do you leave the argument as it is?
#
# </details>

# %% nbgrader={"grade_id": "quadratic_gradient", "solution": true}
def quadratic_gradient(A, b, x):
    """Return the gradient of xᵀAx + xᵀb with respect to `x`."""
    ### BEGIN SOLUTION
    return (A + A.T) @ x + b
    ### END SOLUTION


# %% nbgrader={"grade_id": "quadratic_gradient-symmetric", "grade": true, "points": 1}
# Here A is symmetric.
A = torch.tensor([[1.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
b, x = torch.tensor([[1.0, 0.0], [1.0, 2.0]], dtype=torch.float64)
check(quadratic_gradient, A, b, x, want=torch.tensor([7.0, 10.0], dtype=torch.float64))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(31)
for n in (1, 2, 3, 5):
    A = torch.randn(n, n, generator=generator, dtype=torch.float64)
    A = A + A.T
    b, x = torch.randn(2, n, generator=generator, dtype=torch.float64)
    check(quadratic_gradient, A, b, x, want=2 * A @ x + b)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "quadratic_gradient-any", "grade": true, "points": 1}
A = torch.tensor([[1.0, 2.0], [0.0, 2.0]], dtype=torch.float64)
b, x = torch.tensor([[1.0, 0.0], [1.0, 2.0]], dtype=torch.float64)
check(quadratic_gradient, A, b, x, want=torch.tensor([7.0, 10.0], dtype=torch.float64))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(32)
for n in (2, 3, 4, 6):
    A = torch.randn(n, n, generator=generator, dtype=torch.float64)
    b, x = torch.randn(2, n, generator=generator, dtype=torch.float64)
    want = b.clone()
    for i in range(n):
        for j in range(n):
            want[i] += A[i, j] * x[j] + A[j, i] * x[j]
    check(quadratic_gradient, A, b, x, want=want)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. The Jacobian, row by row
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# How does each output of a layer react to each of its inputs?
# The answer is a table, the Jacobian: row i, column j holds the slope of output i along input j.
# Write `jacobian(f, x)`, which computes it with autograd.
# One backward pass gives one row.
# Leave `x` as it is: the same values, `requires_grad` and `.grad` as before.
#
# - `f`: a function or a layer that takes a tensor of shape `(N,)` and returns a tensor of shape `(M,)`, made of operations that autograd knows.
# - `x`: a tensor of shape `(N,)`, dtype `float32`; it may or may not require a gradient, and may already have one.
# - Returns: a tensor of shape `(M, N)`, dtype `float32`.
#
# ```python
# f = functools.partial(torch.cumprod, dim=0)  # x₀, x₀x₁, x₀x₁x₂
# jacobian(f, torch.tensor([2., 3., 4.]))
# # tensor([[ 1.,  0.,  0.],
# #         [ 3.,  2.,  0.],
# #         [12.,  8.,  6.]])
# ```
#
# <details><summary>Hint</summary>
#
# - How do you get a leaf with the values of `x`, and without any tie to it?
# - Which v do you need in `y.backward(v)` or `torch.autograd.grad(y, x, v)` to get row i?
# - What happens to the graph after the first row, and what to the gradient of the row before?
#
# </details>

# %% nbgrader={"grade_id": "jacobian", "solution": true}
def jacobian(f, x):
    """Return the slopes of all outputs of `f` at `x` along all inputs."""
    ### BEGIN SOLUTION
    leaf = x.detach().requires_grad_()
    y = f(leaf)
    rows = [torch.autograd.grad(output, leaf, retain_graph=True)[0] for output in y]
    return torch.stack(rows)
    ### END SOLUTION


# %% nbgrader={"grade_id": "jacobian-values", "grade": true, "points": 1}
# In this test there are as many outputs as inputs, and only the result counts.
f = functools.partial(torch.cumprod, dim=0)
want = torch.tensor([[1.0, 0.0, 0.0], [3.0, 2.0, 0.0], [12.0, 8.0, 6.0]])
check(jacobian, f, torch.tensor([2.0, 3.0, 4.0]), want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(41)
for n in (1, 2, 5):
    x = torch.randn(n, generator=generator)
    shares = x.exp() / x.exp().sum()
    want = torch.diag(shares) - torch.outer(shares, shares)
    check(jacobian, torch.nn.Softmax(dim=0), x, want=want)
    check(jacobian, functools.partial(torch.cumsum, dim=0), x, want=torch.ones(n, n).tril())
    check(jacobian, torch.sin, x, want=torch.diag(x.cos()))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "jacobian-shapes", "grade": true, "points": 1}
# More outputs than inputs, or fewer.
matrix = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
called = f"jacobian(lambda x: matrix @ x, x) with matrix = {describe(matrix)}"
check(
    jacobian,
    functools.partial(torch.mv, matrix),
    torch.tensor([7.0, 8.0]),
    want=matrix.clone(),
    called=called,
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(42)
for m, n in [(2, 5), (4, 1), (1, 3), (6, 4)]:
    matrix = torch.randn(m, n, generator=generator)
    x = torch.randn(n, generator=generator)
    layer = torch.nn.Linear(n, m)
    layer.requires_grad_(False)
    layer.weight.copy_(matrix)
    layer.bias.copy_(torch.randn(m, generator=generator))
    called = f"jacobian(model, x) with a linear layer from {n} to {m} and a tanh as the model"
    slopes = 1 - torch.tanh(layer(x)) ** 2
    model = torch.nn.Sequential(layer, torch.nn.Tanh())
    check(jacobian, model, x, want=slopes.unsqueeze(1) * matrix, called=called)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "jacobian-untouched", "grade": true, "points": 1}
# Here `x` must also stay as it is.
f = functools.partial(torch.cumprod, dim=0)
check(jacobian, f, torch.tensor([2.0, 3.0]), want=torch.tensor([[1.0, 0.0], [3.0, 2.0]]))


def check_untouched(x, grad):
    """Check that `x` keeps its `requires_grad` and its `.grad`, which is set to `grad` first."""
    requires_grad = x.requires_grad
    x.grad = None if grad is None else grad.clone()
    called = f"jacobian(torch.square, x) with x = {describe(x)} and x.grad = {describe(grad)}"
    check(jacobian, torch.square, x, want=torch.diag(2 * x.detach()), called=called)
    require(
        x.requires_grad == requires_grad,
        "jacobian changed requires_grad of its argument x: work on a copy",
        called=called,
        got=f"x.requires_grad = {x.requires_grad}",
        expected=f"x.requires_grad = {requires_grad}, as before",
    )
    require(
        (grad is None) == (x.grad is None) and (grad is None or torch.equal(grad, x.grad)),
        "jacobian changed .grad of its argument x: work on a copy",
        called=called,
        got=f"x.grad = {describe(x.grad)}",
        expected=f"x.grad = {describe(grad)}, as before",
    )


check_untouched(torch.tensor([1.0, 2.0]), None)
check_untouched(torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([5.0, 6.0]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(43)
for n in (1, 3, 4):
    x = torch.randn(n, generator=generator)
    check(jacobian, torch.exp, x, want=torch.diag(x.exp()))
    check_untouched(x.clone(), None)
    check_untouched(x.clone().requires_grad_(), None)
    check_untouched(x.clone().requires_grad_(), torch.randn(n, generator=generator))
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Catch a wrong gradient
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# A colleague has found the gradient of an engine's cost on paper.
# The cost itself comes from an old program, which autograd cannot look into: it takes a tensor and returns a plain number.
# Before anybody uses the formula, compare it with central differences.
# Write `gradient_is_right(f, x, gradient)`, which tells whether `gradient` is the gradient of `f` at `x`.
# Every element counts: call the gradient right if no element is off by more than 0.001, and wrong if one is off by more than 0.01.
# (In between, both answers are fine.)
# A gradient that contains `nan` is wrong.
# Leave `x` as it is.
#
# - `f`: a smooth function that takes a tensor of the shape and dtype of `x` and returns a Python `float`.
# - `x`: a tensor of any shape with at most 10 elements, dtype `float64`, all between -10 and 10.
# - `gradient`: a tensor of the shape and dtype of `x`.
# - Returns: a Python `bool`.
#
# ```python
# x = torch.tensor([0., 2.], dtype=torch.float64)
# def cost(x):
#     return math.sin(x[0].item()) + x[1].item() ** 3
# gradient_is_right(cost, x, torch.tensor([1., 12.], dtype=torch.float64))
# # True
# gradient_is_right(cost, x, torch.tensor([1., 8.], dtype=torch.float64))
# # False
# ```
#
# <details><summary>Hint</summary>
#
# - How do you move one element of a copy by h, and leave the others where they are?
# - How large is h, when too large bends and too small rounds?
# - Which index reaches every element of a tensor of any shape: perhaps one into `x.view(-1)`, or those of `np.ndindex(*x.shape)`?
# - Is `abs(nan) > 0.001` true?
#
# </details>

# %% nbgrader={"grade_id": "gradient_is_right", "solution": true}
def gradient_is_right(f, x, gradient):
    """Tell whether central differences of `f` at `x` agree with `gradient`."""
    ### BEGIN SOLUTION
    h = 1e-5
    for index in np.ndindex(*x.shape):
        step = torch.zeros_like(x)
        step[index] = h
        slope = (f(x + step) - f(x - step)) / (2 * h)
        if not abs(slope - gradient[index].item()) < 0.005:
            return False
    return True
    ### END SOLUTION


# %% nbgrader={"grade_id": "gradient_is_right-accepts", "grade": true, "points": 1}
# Right gradients are accepted.
def cost(x):
    return math.sin(x[0].item()) + x[1].item() ** 3


x = torch.tensor([0.0, 2.0], dtype=torch.float64)
right = torch.tensor([1.0, 12.0], dtype=torch.float64)
wrong = torch.tensor([1.0, 8.0], dtype=torch.float64)
check(gradient_is_right, cost, x, right, want=True, called="gradient_is_right(cost, [0., 2.], [1., 12.])")
check(gradient_is_right, cost, x, wrong, want=False, called="gradient_is_right(cost, [0., 2.], [1., 8.])")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(51)


def waves(x):
    return (x.sin() * torch.arange(1.0, x.numel() + 1).view(x.shape)).sum().item()


def cubes(x):
    return (x**3).sum().item() / 4


for shape in [(3,), (2, 2), ()]:
    x = 4 * torch.rand(shape, generator=generator, dtype=torch.float64) - 2
    gradient = x.cos() * torch.arange(1.0, x.numel() + 1).view(x.shape)
    noise = 0.0005 * torch.randn(shape, generator=generator, dtype=torch.float64).sign()
    check(gradient_is_right, waves, x, gradient + 0.5, want=False)
    check(gradient_is_right, waves, x, gradient + noise, want=True)
x = torch.tensor([9.0, -7.5, 8.25], dtype=torch.float64)
check(gradient_is_right, cubes, x, 0.75 * x**2, want=True)
check(gradient_is_right, cubes, x, 0.75 * x**2 + 1, want=False)
error = torch.tensor([0.02, 0.0, 0.0], dtype=torch.float64)
check(gradient_is_right, cubes, x, 0.75 * x**2 + error, want=False)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "gradient_is_right-catches", "grade": true, "points": 2}
# One wrong element is enough, and errors that cancel are errors.
def energy(x):
    return (x**2).sum().item()


x = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
for error, want in [
    ([0.0, 0.0, 0.0], True),
    ([0.0, 0.0, 0.02], False),
    ([0.3, 0.0, -0.3], False),
    ([0.0, float("nan"), 0.0], False),
    ([0.0, 0.0, float("nan")], False),
]:
    gradient = 2 * x + torch.tensor(error, dtype=torch.float64)
    called = f"gradient_is_right(energy, x, 2 * x + {describe(error)}) with x = {describe(x)}"
    check(gradient_is_right, energy, x, gradient, want=want, called=called)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(52)


def mixed(x):
    return (x.flatten().cumsum(0) ** 2).sum().item() / 10


for shape in [(3,), (2, 2)]:
    x = 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
    sums = x.flatten().cumsum(0)
    gradient = (0.2 * sums.flip(0).cumsum(0).flip(0)).view(shape)
    check(gradient_is_right, mixed, x, gradient, want=True)
    for i in range(x.numel()):
        error = torch.zeros_like(x)
        error.view(-1)[i] = 0.012 * (-1) ** i
        check(gradient_is_right, mixed, x, gradient + error, want=False)
    check(gradient_is_right, mixed, x, -gradient, want=False)
    check(gradient_is_right, mixed, x, torch.full_like(x, float("nan")), want=False)
    check(gradient_is_right, mixed, x, torch.full_like(x, float("inf")), want=False)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. One bit per weight
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# A network whose weights are only -1 and 1 needs one bit for each instead of 32, and fits into a watch.
# But how can it learn?
# The slope of such a step is 0 everywhere but at the jump, so no weight would ever move.
# The trick is called *straight-through*: forward, take the sign; backward, act as if nothing had been done.
# Write `binarize(x)`, which returns 1 where an element is at least 0, and -1 elsewhere.
# Its backward pass hands the slope of each output on to the input, unchanged where the input lies between -1 and 1, and 0 where it lies outside: weights far from 0 have made up their mind.
# The cell has the outline of a `torch.autograd.Function`; if you know another way, change `binarize` and leave the class out.
#
# - `x`: a tensor of any shape, dtype `float32`; no element is exactly -1 or 1; it may or may not require a gradient.
# - Returns: a tensor of the same shape and dtype; gradients flow through it as described.
#
# ```python
# x = torch.tensor([-1.5, -0.5, 0.0, 0.5], requires_grad=True)
# y = binarize(x)
# y.tolist()
# # [-1.0, -1.0, 1.0, 1.0]
# y.backward(torch.tensor([10., 20., 30., 40.]))
# x.grad
# # tensor([ 0., 20., 30., 40.])
# ```
#
# <details><summary>Hint</summary>
#
# - What does `torch.sign` return at 0, and is it what you want?
# - What must `forward` save with `ctx.save_for_backward`, so that `backward` knows which elements to let through?
# - Without a `Function`: what is the slope of `x.clamp(-1, 1)`, and what does `(a - b).detach()` add to a gradient?
#
# </details>

# %% nbgrader={"grade_id": "binarize", "solution": true}
class Binarize(torch.autograd.Function):
    """The sign of the input, with a straight-through gradient."""

    @staticmethod
    def forward(ctx, x):
        """Return 1 where `x >= 0` and -1 elsewhere."""
        ### BEGIN SOLUTION
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)
        ### END SOLUTION

    @staticmethod
    def backward(ctx, grad_output):
        """Return the slopes `grad_output` where -1 < x < 1 and 0 elsewhere."""
        ### BEGIN SOLUTION
        (x,) = ctx.saved_tensors
        return grad_output * (x.abs() < 1)
        ### END SOLUTION


def binarize(x):
    """Return the sign of `x`, with a straight-through gradient."""
    return Binarize.apply(x)


# %% nbgrader={"grade_id": "binarize-forward", "grade": true, "points": 1}
x = torch.tensor([-1.5, -0.5, 0.0, 0.5])
check(binarize, x, want=torch.tensor([-1.0, -1.0, 1.0, 1.0]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(61)
for shape in [(5,), (3, 4), (2, 1, 3), (), (10, 10)]:
    x = 2 * torch.randn(shape, generator=generator)
    want = torch.ones(shape)
    want[x < 0] = -1
    check(binarize, x, want=want)
check(binarize, torch.tensor([0.0, -0.0, 1e-30, -1e-30]), want=torch.tensor([1.0, 1.0, 1.0, -1.0]))
check(binarize, torch.tensor([30.0, -30.0, 1.01]), want=torch.tensor([1.0, -1.0, 1.0]))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "binarize-backward", "grade": true, "points": 2}
x = torch.tensor([-1.5, -0.5, 0.0, 0.5])
weights = torch.tensor([10.0, 20.0, 30.0, 40.0])
check(binarize, x, want=torch.tensor([-1.0, -1.0, 1.0, 1.0]))
check_gradient(binarize, x, weights, want=torch.tensor([0.0, 20.0, 30.0, 40.0]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(62)
for shape in [(6,), (3, 4), (2, 1, 3), ()]:
    x = 1.5 * torch.randn(shape, generator=generator)
    weights = torch.randn(shape, generator=generator)
    check_gradient(binarize, x, weights, want=torch.where((x > -1) & (x < 1), weights, 0.0))
x, weights = torch.tensor([[-1.02, -0.98, 0.98, 1.02], [1.0, 2.0, 3.0, 4.0]])
check_gradient(binarize, x, weights, want=torch.tensor([0.0, 2.0, 3.0, 0.0]))

# Each result remembers its own input, and the pass goes on to what comes before.
first = torch.tensor([0.5, 2.0, -0.1], requires_grad=True)
second = torch.tensor([3.0, 0.1, -3.0], requires_grad=True)
signs = torch.tensor([1.0, 1.0, -1.0])
a = checked(binarize, 2 * first - 0.5, want=signs)
b = checked(binarize, second, want=signs)
(3 * a * a * a + b).sum().backward()
for name, leaf, want in [("first", first, [18.0, 0.0, 18.0]), ("second", second, [0.0, 1.0, 0.0])]:
    require(
        find_difference(leaf.grad, torch.tensor(want)) is None,
        "binarize gives the wrong gradient when it is called twice",
        called="a = binarize(2 * first - 0.5); b = binarize(second); (3 * a**3 + b).sum().backward()"
        f" with first = {describe(first)} and second = {describe(second)}",
        got=f"{name}.grad = {describe(leaf.grad)}",
        expected=f"{name}.grad = {want}",
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 7. Repair two updates
#
# `Difficulty ●●○○○ · 8 minutes · 3 points`
#
# Both functions below are broken.
# Find out why, and write them so that they do what their first line says.
#
# ```python
# def fit_slope(x, y, rate, steps):
#     """Fit y = w x by gradient descent on the mean squared error, from w = 0; return w as a float."""
#     w = torch.tensor(0.0, requires_grad=True)
#     for _ in range(steps):
#         loss = ((w * x - y) ** 2).mean()
#         loss.backward()
#         with torch.no_grad():
#             w -= rate * w.grad
#     return w.item()
#
#
# def averaging_weights(outputs, inputs):
#     """Return a leaf of shape (outputs, inputs), all 1 / inputs, that requires a gradient."""
#     w = torch.ones(outputs, inputs, requires_grad=True)
#     w /= inputs
#     return w
# ```
#
# Then name the reasons: `why_updates()` returns a dict with the letter for each function, from this list.
#
# - A: a value that was saved for the backward pass was overwritten, and autograd was not told.
# - B: the gradients of earlier passes are still there, and the new one is added to them.
# - C: a tensor that is to receive a gradient was changed in place while autograd was recording.
# - D: the first backward pass has freed the graph.
# - E: the output has more than one element, and `backward` does not know how to weight them.
# - F: a tensor of whole numbers cannot require a gradient.
#
# The arguments:
#
# - `x`, `y`: tensors of shape `(N,)`, dtype `float32`; `rate`: a `float`; `steps`, `outputs`, `inputs`: positive `int`s.
# - `fit_slope` returns a Python `float`, `averaging_weights` a tensor of dtype `float32`, `why_updates` a dict.
#
# ```python
# x = torch.tensor([1., 2.])
# [round(fit_slope(x, 2 * x, 0.1, steps), 4) for steps in (1, 2, 20)]
# # [1.0, 1.5, 2.0]
# averaging_weights(1, 2)
# # tensor([[0.5000, 0.5000]], requires_grad=True)
# sorted(why_updates())
# # ['averaging_weights', 'fit_slope']
# ```
#
# <details><summary>Hint</summary>
#
# - Run the broken functions: which one raises an error, and which one gives a wrong number?
# - What is in `w.grad` at the beginning of the second pass?
# - Would `w = w / inputs` still be a leaf?
#
# </details>

# %% nbgrader={"grade_id": "updates", "solution": true}
def fit_slope(x, y, rate, steps):
    """Fit y = w x by gradient descent on the mean squared error, from w = 0; return w as a float."""
    ### BEGIN SOLUTION
    w = torch.tensor(0.0, requires_grad=True)
    for _ in range(steps):
        w.grad = None
        loss = ((w * x - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= rate * w.grad
    return w.item()
    ### END SOLUTION


def averaging_weights(outputs, inputs):
    """Return a leaf of shape (outputs, inputs), all 1 / inputs, that requires a gradient."""
    ### BEGIN SOLUTION
    w = torch.ones(outputs, inputs, requires_grad=True)
    with torch.no_grad():
        w /= inputs
    return w
    ### END SOLUTION


def why_updates():
    """Return the letter of the reason for each function, like {"fit_slope": "F", ...}."""
    ### BEGIN SOLUTION
    return {"fit_slope": "B", "averaging_weights": "C"}
    ### END SOLUTION


# %% nbgrader={"grade_id": "updates-fit_slope", "grade": true, "points": 1}
x = torch.tensor([1.0, 2.0])
check(fit_slope, x, 2 * x, 0.1, 1, want=1.0)
check(fit_slope, x, 2 * x, 0.1, 2, want=1.5)
check(fit_slope, x, 2 * x, 0.1, 20, want=2.0)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(71)
for n, rate, steps in [(3, 0.1, 3), (5, 0.03, 7), (1, 0.2, 4), (8, 0.05, 12)]:
    x, y = torch.randn(2, n, generator=generator)
    want = 0.0
    for _ in range(steps):
        slopes = [2 * (want * p - q) * p for p, q in zip(x.tolist(), y.tolist(), strict=True)]
        want -= rate * sum(slopes) / n
    check(fit_slope, x, y, rate, steps, want=want, atol=1e-4)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "updates-averaging_weights", "grade": true, "points": 1}
def check_leaf(w, called):
    """Check that `w` is a leaf in which a gradient arrives."""
    require(
        w.requires_grad and w.is_leaf,
        "averaging_weights must return a leaf that requires a gradient",
        called=called,
        got=f"w.requires_grad = {w.requires_grad}, w.is_leaf = {w.is_leaf}",
        expected="w.requires_grad = True, w.is_leaf = True",
    )
    x = torch.arange(1.0, w.shape[1] + 1)
    (w @ x).sum().backward()
    require(
        find_difference(w.grad, x.expand(w.shape)) is None,
        "averaging_weights returned a tensor with a wrong gradient",
        called=f"{called}, then (w @ x).sum().backward() with x = {describe(x)}",
        got=f"w.grad = {describe(w.grad)}",
        expected=f"w.grad = {describe(x.expand(w.shape))}",
    )


w = checked(averaging_weights, 1, 2, want=torch.tensor([[0.5, 0.5]]))
check_leaf(w, "w = averaging_weights(1, 2)")
### BEGIN HIDDEN TESTS
for outputs, inputs in [(2, 5), (3, 3), (4, 1), (7, 6)]:
    want = torch.full((outputs, inputs), 1 / inputs)
    w = checked(averaging_weights, outputs, inputs, want=want)
    check_leaf(w, f"w = averaging_weights({outputs}, {inputs})")
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "updates-reasons", "grade": true, "points": 1}
# Here only the form counts. Before grading, a test of the letters themselves is added.
names = ["fit_slope", "averaging_weights"]
letters = letters_of(why_updates, names)
require(
    None not in letters,
    "why_updates must give one letter from A to F for each function",
    called="why_updates()",
    got=describe(dict(zip(names, letters, strict=True))),
    expected=f"a dict with the keys {' and '.join(names)}, and letters from A to F",
)
### BEGIN HIDDEN TESTS
for name, letter, right in zip(names, letters, "BC", strict=True):
    require(letter == right, f"why_updates: {letter} is not the reason why {name} is broken")
### END HIDDEN TESTS

# %% [markdown]
# ## 8. Repair two gradients
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# Both functions below are broken, and one of them does not say so.
# Find out why, and write them so that they do what their first lines say.
#
# ```python
# def step_both(a, b, target, rate):
#     """Do one step of gradient descent on the sum of (a b - target)² for `a` and `b`, in place.
#
#     Both slopes are those before the step. Return the loss before the step as a float.
#     """
#     loss = ((a * b - target) ** 2).sum()
#     (slope,) = torch.autograd.grad(loss, a, retain_graph=True)
#     a.data -= rate * slope
#     (slope,) = torch.autograd.grad(loss, b)
#     b.data -= rate * slope
#     return loss.item()
#
#
# def two_gradients(w, x):
#     """Return the gradients of two losses, the sum of tanh(x w) and the sum of its squares."""
#     features = torch.tanh(x @ w)
#     (first,) = torch.autograd.grad(features.sum(), w)
#     (second,) = torch.autograd.grad((features**2).sum(), w)
#     return first, second
# ```
#
# Then name the reasons: `why_gradients()` returns a dict with the letter for each function, from this list.
#
# - A: a value that was saved for the backward pass was overwritten, and autograd was not told.
# - B: the gradients of earlier passes are still there, and the new one is added to them.
# - C: a tensor that is to receive a gradient was changed in place while autograd was recording.
# - D: the first backward pass has freed the graph.
# - E: the output has more than one element, and `backward` does not know how to weight them.
# - F: a tensor of whole numbers cannot require a gradient.
#
# The arguments:
#
# - `a`, `b`: leaves of shape `(N,)` that require a gradient and may already have one in `.grad`; `target`: a tensor of shape `(N,)`; `rate`: a `float`.
# - `w`: a leaf of shape `(D,)` that requires a gradient and may already have one in `.grad`; `x`: a tensor of shape `(N, D)`.
# - Gradients of earlier passes do not count, and what you leave in `.grad` does not matter.
# - All tensors have dtype `float32`; `step_both` returns a Python `float`, `two_gradients` a tuple of two tensors of shape `(D,)`.
#
# ```python
# a, b = torch.tensor([1.], requires_grad=True), torch.tensor([2.], requires_grad=True)
# step_both(a, b, torch.tensor([3.]), 0.25)
# # 1.0
# a.item(), b.item()
# # (2.0, 2.5)
# two_gradients(torch.tensor([0., 0.], requires_grad=True), torch.tensor([[1., 2.]]))
# # (tensor([1., 2.]), tensor([0., 0.]))
# ```
#
# <details><summary>Hint</summary>
#
# - What does the broken `step_both` leave in `b`, and which value of `a` would explain it?
# - What would happen with `with torch.no_grad(): a -= rate * slope` in the same place, and what does the error tell you?
# - In which order must you compute the two slopes and change the two tensors?
# - Which node do the two losses of `two_gradients` share, and how do you keep it?
#
# </details>

# %% nbgrader={"grade_id": "gradients", "solution": true}
def step_both(a, b, target, rate):
    """Do one step of gradient descent on the sum of (a b - target)² for `a` and `b`, in place.

    Both slopes are those before the step. Return the loss before the step as a float.
    """
    ### BEGIN SOLUTION
    loss = ((a * b - target) ** 2).sum()
    slope_a, slope_b = torch.autograd.grad(loss, (a, b))
    with torch.no_grad():
        a -= rate * slope_a
        b -= rate * slope_b
    return loss.item()
    ### END SOLUTION


def two_gradients(w, x):
    """Return the gradients of two losses, the sum of tanh(x w) and the sum of its squares."""
    ### BEGIN SOLUTION
    features = torch.tanh(x @ w)
    (first,) = torch.autograd.grad(features.sum(), w, retain_graph=True)
    (second,) = torch.autograd.grad((features**2).sum(), w)
    return first, second
    ### END SOLUTION


def why_gradients():
    """Return the letter of the reason for each function, like {"step_both": "F", ...}."""
    ### BEGIN SOLUTION
    return {"step_both": "A", "two_gradients": "D"}
    ### END SOLUTION


# %% nbgrader={"grade_id": "gradients-step_both", "grade": true, "points": 1}
def check_step(a, b, target, rate):
    """Check the loss, then the new values of both tensors."""
    a_old, b_old = a.tolist(), b.tolist()
    errors = [p * q - t for p, q, t in zip(a_old, b_old, target.tolist(), strict=True)]
    want_a = torch.tensor([p - rate * 2 * e * q for p, q, e in zip(a_old, b_old, errors, strict=True)])
    want_b = torch.tensor([q - rate * 2 * e * p for p, q, e in zip(a_old, b_old, errors, strict=True)])
    a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
    a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)  # left by an earlier pass
    called = f"step_both(a, b, {describe(target)}, {rate}) with a = {describe(a)}, b = {describe(b)}, both .grad = ones"
    loss = sum(e**2 for e in errors)
    check(step_both, a, b, target, rate, want=loss, changes=(0, 1), called=called)
    for name, tensor, want in [("a", a, want_a), ("b", b, want_b)]:
        problem = find_difference(tensor, want)
        require(
            not problem,
            f"step_both left {name} with {problem}",
            called=called,
            got=f"{name} = {describe(tensor)}",
            expected=f"{name} = {describe(want)}",
        )
        require(
            tensor.is_leaf and tensor.requires_grad,
            f"step_both must leave {name} a leaf that requires a gradient",
            called=called,
        )


check_step(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([3.0]), 0.25)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(81)
for n, rate in [(3, 0.1), (1, 0.5), (5, 0.02)]:
    a, b, target = torch.randn(3, n, generator=generator)
    check_step(a, b, target, rate)
    # With a rate of 0, nothing changes.
    want = ((a * b - target) ** 2).sum().item()
    check(step_both, a.requires_grad_(), b.requires_grad_(), target, 0.0, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "gradients-two_gradients", "grade": true, "points": 1}
w = torch.tensor([0.0, 0.0], requires_grad=True)
w.grad = torch.ones(2)  # left by an earlier pass
want = (torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.0]))
check(two_gradients, w, torch.tensor([[1.0, 2.0]]), want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(82)
for n, d in [(4, 3), (1, 2), (3, 3), (6, 1)]:
    x, w = torch.randn(n, d, generator=generator), torch.randn(d, generator=generator)
    features = torch.tanh(x @ w)
    slopes = 1 - features**2
    want = (slopes @ x, (2 * features * slopes) @ x)
    w.requires_grad_().grad = torch.ones(d)
    check(two_gradients, w, x, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "gradients-reasons", "grade": true, "points": 1}
# Here only the form counts. Before grading, a test of the letters themselves is added.
names = ["step_both", "two_gradients"]
letters = letters_of(why_gradients, names)
require(
    None not in letters,
    "why_gradients must give one letter from A to F for each function",
    called="why_gradients()",
    got=describe(dict(zip(names, letters, strict=True))),
    expected=f"a dict with the keys {' and '.join(names)}, and letters from A to F",
)
### BEGIN HIDDEN TESTS
for name, letter, right in zip(names, letters, "AD", strict=True):
    require(letter == right, f"why_gradients: {letter} is not the reason why {name} is broken")
### END HIDDEN TESTS

# %% [markdown]
# ## 9. A large batch in small pieces
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# A batch of 64 pictures gives a better gradient than one of 16, but only 16 fit into memory.
# So the 64 come as four micro-batches, and the gradients are added up: `backward` does that by itself.
# Write `accumulate_gradients(model, batches)`.
# Afterwards, the `.grad` of each parameter of `model` is the gradient of the mean squared error over **all** rows of all micro-batches, as if they had been one batch.
# Watch out: the last micro-batch is often smaller, and each row must count the same.
# Gradients of an earlier call do not count; the parameters keep their values.
# You may put the rows together again, but then you learn nothing about accumulating.
#
# - `model`: a `torch.nn.Module` that turns a tensor of shape `(n, D)` into one of shape `(n, K)`.
# - `batches`: a list of at least one pair `(x, y)` of tensors of shapes `(n, D)` and `(n, K)`, dtype `float32`, with `n >= 1`, which may differ from pair to pair.
# - Returns: the mean squared error over all rows (and all `K` outputs), as a Python `float`.
#
# ```python
# model = torch.nn.Linear(1, 1, bias=False)
# torch.nn.init.constant_(model.weight, 2.0)
# x, y = torch.tensor([[1.], [1.], [1.], [3.]]), torch.zeros(4, 1)
# accumulate_gradients(model, [(x[:3], y[:3]), (x[3:], y[3:])])  # the mean of 2², 2², 2² and 6²
# # 12.0
# model.weight.grad  # the mean of 2 · 2 · 1, three times, and 2 · 6 · 3
# # tensor([[12.]])
# ```
#
# <details><summary>Hint</summary>
#
# - If you add up the gradients of three means, by what are you off?
# - Which factor does the mean of a micro-batch with n of the N rows need?
# - Which gradients must be gone before the first pass, and which must stay before the second?
#
# </details>

# %% nbgrader={"grade_id": "accumulate_gradients", "solution": true}
def accumulate_gradients(model, batches):
    """Set the gradients of the mean squared error over all rows; return this error."""
    ### BEGIN SOLUTION
    model.zero_grad()
    rows = sum(len(x) for x, _ in batches)
    total = 0.0
    for x, y in batches:
        loss = torch.nn.functional.mse_loss(model(x), y) * len(x) / rows
        loss.backward()
        total += loss.item()
    return total
    ### END SOLUTION


# %% nbgrader={"grade_id": "accumulate_gradients_helpers", "locked": true}
def make_batches(model, sizes, generator):
    """Return micro-batches of these sizes and what is right for them, with new numbers everywhere."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    weight, bias = (parameter.detach().clone() for parameter in model.parameters())
    x = torch.randn(sum(sizes), weight.shape[1], generator=generator)
    y = torch.randn(sum(sizes), weight.shape[0], generator=generator)
    errors = x @ weight.T + bias - y
    right = {
        "error": (errors**2).mean().item(),
        "model.weight.grad": 2 * errors.T @ x / errors.numel(),
        "model.bias.grad": 2 * errors.sum(dim=0) / errors.numel(),
        "model.weight": weight,
        "model.bias": bias,
    }
    return list(zip(x.split(sizes), y.split(sizes), strict=True)), right


def check_parameters(model, right, called):
    """Check the gradients of the parameters, and that the parameters keep their values."""
    for name in ["weight", "bias"]:
        parameter = getattr(model, name)
        got, want = parameter.grad, right[f"model.{name}.grad"]
        problem = find_difference(got, want)
        problem = problem and f"accumulate_gradients left a wrong model.{name}.grad: {problem}"
        require(not problem, problem, called=called, got=describe(got), expected=describe(want))
        unchanged = torch.equal(parameter, right[f"model.{name}"])
        require(unchanged, f"accumulate_gradients changed model.{name} itself", called=called)


# %% nbgrader={"grade_id": "accumulate_gradients-equal", "grade": true, "points": 1}
# Here all micro-batches have the same size, and the model is new each time.
generator = torch.Generator().manual_seed(91)
for size, count in [(1, 2), (3, 2)]:
    model = torch.nn.Linear(1, 1)
    batches, right = make_batches(model, [size] * count, generator)
    called = f"accumulate_gradients(Linear(1, 1), batches) with {count} batches of size {size}"
    check(accumulate_gradients, model, batches, want=right["error"], called=called)
    check_parameters(model, right, called)
### BEGIN HIDDEN TESTS
for inputs, outputs, size, count in [(3, 1, 2, 3), (2, 3, 4, 2), (4, 2, 5, 1), (3, 3, 1, 4)]:
    model = torch.nn.Linear(inputs, outputs)
    batches, right = make_batches(model, [size] * count, generator)
    called = f"accumulate_gradients({model}, batches) with {count} batches of size {size}"
    check(accumulate_gradients, model, batches, want=right["error"], called=called)
    check_parameters(model, right, called)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "accumulate_gradients-unequal", "grade": true, "points": 1}
# Here the sizes differ.
generator = torch.Generator().manual_seed(92)
model = torch.nn.Linear(1, 1)
batches, right = make_batches(model, [2, 1], generator)
called = "accumulate_gradients(Linear(1, 1), batches) with batches of 2 and 1 rows"
check(accumulate_gradients, model, batches, want=right["error"], called=called)
check_parameters(model, right, called)
### BEGIN HIDDEN TESTS
for inputs, outputs, sizes in [(3, 2, [4, 4, 1]), (2, 1, [1, 5]), (1, 3, [3, 2, 4, 1])]:
    model = torch.nn.Linear(inputs, outputs)
    batches, right = make_batches(model, sizes, generator)
    called = f"accumulate_gradients({model}, batches) with batches of {sizes} rows"
    check(accumulate_gradients, model, batches, want=right["error"], called=called)
    check_parameters(model, right, called)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "accumulate_gradients-again", "grade": true, "points": 1}
# Here each model is used several times, and keeps its old gradients in between.
generator = torch.Generator().manual_seed(93)
model = torch.nn.Linear(1, 1)
for i in (1, 2):
    batches, right = make_batches(model, [2, 2], generator)
    called = f"accumulate_gradients(Linear(1, 1), batches), call {i} with the same model"
    check(accumulate_gradients, model, batches, want=right["error"], called=called)
    check_parameters(model, right, called)
### BEGIN HIDDEN TESTS
for inputs, outputs, size in [(3, 2, 2), (2, 4, 1)]:
    model = torch.nn.Linear(inputs, outputs)
    for i in (1, 2, 3):
        batches, right = make_batches(model, [size] * 2, generator)
        called = f"accumulate_gradients({model}, batches), call {i} with the same model"
        check(accumulate_gradients, model, batches, want=right["error"], called=called)
        check_parameters(model, right, called)
### END HIDDEN TESTS

# %% [markdown]
# ## 10. The gradient of linear regression, by hand
#
# `Difficulty ●●●○○ · 6 minutes · 2 points`
#
# A hearing aid adjusts a small linear model while it is worn, and its chip has no room for autograd.
# So the gradient of the mean squared error must be written down: the model predicts ŷ = Xw + b, and the loss is the mean of (ŷ - y)² over the N rows.
# Write `regression_gradients(X, y, w, b)`, which returns its gradient with respect to `w` and to `b`.
# The tests compare your formula with what autograd finds.
# (Autograd gives the right answer here as well, but not on the chip.)
#
# - `X`: a tensor of shape `(N, D)`, dtype `float64`; `y`: shape `(N,)`; `w`: shape `(D,)`; `b`: shape `()`, all of the same dtype.
# - Returns: a tuple of two tensors of the shapes `(D,)` and `()`, dtype `float64`.
#
# ```python
# X = torch.tensor([[1., 0.], [0., 1.]], dtype=torch.float64)
# y = torch.tensor([1., 5.], dtype=torch.float64)
# w, b = torch.tensor([2., 3.], dtype=torch.float64), torch.tensor(1., dtype=torch.float64)
# regression_gradients(X, y, w, b)
# # (tensor([ 2., -1.], dtype=torch.float64), tensor(1., dtype=torch.float64))
# ```
#
# <details><summary>Hint</summary>
#
# - What is the slope of (ŷ - y)² along ŷ, and what is the slope of ŷ along one weight, and along b?
# - Over which dimension do you add up, and what shape does `X.T @ errors` have?
# - By what do you divide, since the loss is a mean?
#
# </details>

# %% nbgrader={"grade_id": "regression_gradients", "solution": true}
def regression_gradients(X, y, w, b):
    """Return the gradient of the mean squared error of Xw + b, with respect to `w` and `b`."""
    ### BEGIN SOLUTION
    errors = X @ w + b - y
    return 2 * X.T @ errors / len(y), 2 * errors.mean()
    ### END SOLUTION


# %% nbgrader={"grade_id": "regression_gradients-values", "grade": true, "points": 2}
X = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
y, w = torch.tensor([[1.0, 5.0], [2.0, 3.0]], dtype=torch.float64)
b = torch.tensor(1.0, dtype=torch.float64)
want = (torch.tensor([2.0, -1.0], dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64))
check(regression_gradients, X, y, w, b, want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(101)
for n, d in [(5, 3), (3, 3), (1, 4), (8, 1), (40, 2)]:
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    y = torch.randn(n, generator=generator, dtype=torch.float64)
    w = torch.randn(d, generator=generator, dtype=torch.float64)
    b = torch.randn((), generator=generator, dtype=torch.float64)
    leaves = w.clone().requires_grad_(), b.clone().requires_grad_()
    loss = ((X @ leaves[0] + leaves[1] - y) ** 2).mean()
    check(regression_gradients, X, y, w, b, want=torch.autograd.grad(loss, leaves))
### END HIDDEN TESTS
