# %% [markdown]
# # Exercises: training
#
# Read `notebooks/05_training` first.
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


# %% [markdown]
# ## 1. The loss of a line, and its gradient
#
# `Difficulty ●●○○○ · 5 minutes · 2 points`
#
# A line `w * x + b` predicts `y`, and the mean squared error says how far off it is.
# To train the line, you need the derivatives of this loss by `w` and by `b`.
# Write `loss_and_gradient(params, x, y)`, which returns the loss and both derivatives.
# Work the derivatives out on paper with the chain rule; autograd gives the same numbers, and is a good way to check yours.
#
# - `params`: a tensor of shape `(2,)`: `w`, then `b`; it requires no gradient.
# - `x`, `y`: tensors of shape `(N,)`, of the same dtype as `params`.
# - Returns: a tuple of two tensors: the loss, of shape `()`, and the gradient, of shape `(2,)`, first by `w`, then by `b`.
#
# ```python
# loss_and_gradient(torch.tensor([1., 0.]), torch.tensor([1., 2., 3.]), torch.tensor([3., 5., 7.]))
# # (tensor(9.6667), tensor([-13.3333,  -6.0000]))
# ```
#
# <details><summary>Hint</summary>
#
# - If `error = w * x + b - y`, what is the derivative of `error ** 2` by `error`?
# - By how much does `error` change when `w` grows by a little, and by how much when `b` does?
# - Which of the two, `mean` or `sum`, belongs to both the loss and its derivatives?
#
# </details>

# %% nbgrader={"grade_id": "loss_and_gradient", "solution": true}
def loss_and_gradient(params, x, y):
    """Return the mean squared error of a line and its gradient by `w` and `b`."""
    ### BEGIN SOLUTION
    error = params[0] * x + params[1] - y
    gradient = torch.stack([(2 * error * x).mean(), (2 * error).mean()])
    return (error**2).mean(), gradient
    ### END SOLUTION


# %% nbgrader={"grade_id": "loss_and_gradient-values", "grade": true, "points": 2}
check(
    loss_and_gradient,
    torch.tensor([1.0, 0.0]),
    torch.tensor([1.0, 2.0, 3.0]),
    torch.tensor([3.0, 5.0, 7.0]),
    want=(torch.tensor(29 / 3), torch.tensor([-40 / 3, -6.0])),
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(11)
for n, dtype in [(4, torch.float32), (1, torch.float32), (9, torch.float64), (2, torch.float32)]:
    x = 3 * torch.randn(n, generator=generator, dtype=dtype)
    y = 3 * torch.randn(n, generator=generator, dtype=dtype)
    params = torch.randn(2, generator=generator, dtype=dtype)
    leaf = params.clone().requires_grad_()
    loss = torch.nn.functional.mse_loss(leaf[0] * x + leaf[1], y)
    loss.backward()
    check(loss_and_gradient, params, x, y, want=(loss.detach(), leaf.grad))
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A training loop
#
# `Difficulty ●●○○○ · 7 minutes · 3 points`
#
# The same few lines train every model in this course: compute the loss, clear the old gradient, go backward, take a step.
# Write `descend(loss_fn, params, lr, steps)`, which takes `steps` steps of plain gradient descent: each subtracts `lr` times the gradient from `params`.
# Change `params` in place, so that whoever holds it has the trained values.
# Return the losses as Python numbers: a list of tensors would keep the graph of every step in memory.
#
# - `loss_fn`: a function that takes `params` and returns the loss, a tensor of shape `()`.
# - `params`: a leaf tensor that requires a gradient; its `.grad` may still hold the gradient of an earlier run.
# - `lr`: a `float`.
# - `steps`: an `int`, at least 0.
# - Returns: a list of `steps` `float`s: the loss before each step.
#
# ```python
# params = torch.tensor([3.0], requires_grad=True)
# descend(lambda p: (p ** 2).sum(), params, 0.25, 4)
# # [9.0, 2.25, 0.5625, 0.140625]
# params
# # tensor([0.1875], requires_grad=True)
# ```
#
# <details><summary>Hint</summary>
#
# - What does `backward()` do with a `.grad` that is already there?
# - Which name points to what after `params = params - lr * params.grad`, and who still holds the old tensor?
# - What does autograd say to a change in place of a leaf, and how do you switch it off for one line?
# - Could `torch.optim.SGD` do the step for you?
#
# </details>

# %% nbgrader={"grade_id": "descend", "solution": true}
def descend(loss_fn, params, lr, steps):
    """Take steps of gradient descent in place and return the loss before each of them."""
    ### BEGIN SOLUTION
    losses = []
    for _ in range(steps):
        loss = loss_fn(params)
        params.grad = None
        loss.backward()
        with torch.no_grad():
            params -= lr * params.grad
        losses.append(loss.item())
    return losses
    ### END SOLUTION


# %% nbgrader={"grade_id": "descend-losses", "grade": true, "points": 1}
def square(p):
    return (p**2).sum()


params = torch.tensor([3.0], requires_grad=True)
want = [9.0, 2.25, 0.5625, 0.140625]
called = "descend(square, params, 0.25, 4) with params = tensor([3.]) and loss = params ** 2"
check(descend, square, params, 0.25, 4, want=want, changes=(1,), called=called)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(21)
for size, lr, steps in [(1, 0.1, 6), (3, 0.05, 4), (2, 0.2, 1), (2, 0.3, 0)]:
    center = torch.randn(size, generator=generator)
    start = torch.randn(size, generator=generator)
    want = [((1 - 4 * lr) ** k * (start - center)).pow(2).sum().item() * 2 for k in range(steps)]
    params = start.clone().requires_grad_()
    called = f"descend(loss_fn, params, {lr}, {steps}) with loss = 2 * ((params - c) ** 2).sum()"
    check(
        descend,
        lambda p, c=center: 2 * ((p - c) ** 2).sum(),
        params,
        lr,
        steps,
        want=want,
        changes=(1,),
        called=f"{called}, params = {describe(start)}, c = {describe(center)}",
    )
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "descend-params", "grade": true, "points": 1}
def check_params(start, center, lr, steps):
    """Check the losses, then whether the tensor that went in holds the trained values."""
    params = start.clone().requires_grad_()
    called = (
        f"descend(loss_fn, params, {lr}, {steps}) with loss = ((params - c) ** 2).sum(), "
        f"params = {describe(start)}, c = {describe(center)}"
    )
    factor = 1 - 2 * lr
    want = [(factor**k * (start - center)).pow(2).sum().item() for k in range(steps)]
    check(
        descend,
        lambda p: ((p - center) ** 2).sum(),
        params,
        lr,
        steps,
        want=want,
        changes=(1,),
        called=called,
    )
    trained = center + factor**steps * (start - center)
    require(
        find_difference(params.detach(), trained) is None,
        "descend must change params in place, to the values after the last step",
        called=called,
        got=f"params = {describe(params.detach())}",
        expected=f"params = {describe(trained)}",
    )
    require(
        params.requires_grad and params.is_leaf,
        "after descend, params must still be a leaf that requires a gradient",
        called=called,
        got=f"requires_grad = {params.requires_grad}, is_leaf = {params.is_leaf}",
    )


check_params(torch.tensor([3.0, -1.0]), torch.tensor([1.0, 1.0]), 0.25, 2)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(22)
for size, lr, steps in [(3, 0.1, 5), (1, 0.75, 3), (2, 0.4, 1), (2, 0.4, 0)]:
    start, center = torch.randn(2, size, generator=generator)
    check_params(start, center, lr, steps)
# Without a step, nothing changes.
params = torch.tensor([2.0], requires_grad=True)
check(descend, lambda p: p.sum(), params, 0.1, 0, want=[], called="descend(loss_fn, params, 0.1, 0)")
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "descend-fresh", "grade": true, "points": 1}
def check_fresh(start, old, lr, steps):
    """Check the losses when params comes with a gradient that has nothing to do with them."""
    params = start.clone().requires_grad_()
    params.grad = old.clone()
    want = [((1 - 2 * lr) ** k * start).pow(2).sum().item() for k in range(steps)]
    called = (
        f"descend(loss_fn, params, {lr}, {steps}) with loss = (params ** 2).sum(), "
        f"params = {describe(start)} and an old params.grad = {describe(old)}"
    )
    check(
        descend,
        lambda p: (p**2).sum(),
        params,
        lr,
        steps,
        want=want,
        changes=(1,),
        called=called,
    )


check_fresh(torch.tensor([3.0]), torch.tensor([100.0]), 0.25, 3)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(23)
for size, lr, steps in [(2, 0.1, 4), (1, 0.3, 2)]:
    start, old = torch.randn(2, size, generator=generator)
    check_fresh(start, 5 * old, lr, steps)
params = torch.tensor([2.0], requires_grad=True)
called = "descend(loss_fn, params, 0.25, 2), twice, with loss = (params ** 2).sum(), params = [2.]"
for want in [[4.0, 1.0], [0.25, 0.0625]]:
    check(
        descend,
        lambda p: (p**2).sum(),
        params,
        0.25,
        2,
        want=want,
        changes=(1,),
        called=called,
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Normalize, fit, and translate back
#
# `Difficulty ●●●○○ · 7 minutes · 3 points`
#
# On the raw thermometer readings, gradient descent explodes with a learning rate of 0.01.
# On normalized readings, the same rate is fine.
# But whoever uses the thermometer reads raw numbers, so the line must be given for those.
# Write `fit_line(x, y, lr, steps)`, which
#
# 1. normalizes `x`: subtracts its mean and divides by its standard deviation (`x.std()`, with its default correction);
# 2. starts with a slope and an intercept of 0 and takes `steps` steps of gradient descent on the mean squared error, with the normalized `x` as input;
# 3. returns the slope and the intercept of the same line for the raw `x`.
#
# - `x`, `y`: tensors of shape `(N,)`, dtype `float32`; the values of `x` are not all equal.
# - `lr`: a `float`.
# - `steps`: an `int`, at least 0.
# - Returns: a tuple of two `float`s `(w, b)`, for `y ≈ w * x + b` with the raw `x`.
#
# ```python
# t_u = torch.tensor([35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4])
# t_c = torch.tensor([0.5, 14, 15, 28, 11, 8, 3, -4, 6, 13, 21])
# w, b = fit_line(t_u, t_c, 0.01, 1000)
# round(w, 3), round(b, 2)
# # (0.537, -17.3)
# ```
#
# <details><summary>Hint</summary>
#
# - What do you get if you put `(x - mean) / std` in place of `z` into `slope * z + intercept`?
# - Which part of it is multiplied by `x`, and which part is left?
# - How do you get a `float` out of a tensor with one element?
#
# </details>

# %% nbgrader={"grade_id": "fit_line", "solution": true}
def fit_line(x, y, lr, steps):
    """Train a line on normalized `x` and return its slope and intercept for the raw `x`."""
    ### BEGIN SOLUTION
    mean, std = x.mean(), x.std()
    z = (x - mean) / std
    slope = intercept = 0.0
    for _ in range(steps):
        error = slope * z + intercept - y
        slope = slope - lr * 2 * (error * z).mean()
        intercept = intercept - lr * 2 * error.mean()
    w = slope / std
    return w.item(), (intercept - w * mean).item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "fit_line-trained", "grade": true, "points": 1}
# Trained until nothing changes any more: the line of least squares.
t_u = torch.tensor([35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4])
t_c = torch.tensor([0.5, 14, 15, 28, 11, 8, 3, -4, 6, 13, 21])
called = "fit_line(t_u, t_c, 0.01, 1000) with the readings of the worked example"
check(fit_line, t_u, t_c, 0.01, 1000, want=(0.536772, -17.30479), called=called, rtol=1e-3)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(31)
for n, scale, offset in [(6, 10, 200), (12, 0.02, 0.1), (5, 3, -40), (2, 1, 0)]:
    x = offset + scale * torch.randn(n, generator=generator)
    y = 5 * torch.randn(n, generator=generator) + 3
    table = np.stack([x.numpy(), np.ones(n)], axis=1).astype(np.float64)
    w, b = np.linalg.lstsq(table, y.numpy().astype(np.float64), rcond=None)[0]
    want = (float(w), float(b))
    check(fit_line, x, y, 0.1, 400, want=want, rtol=2e-3, atol=1e-3)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "fit_line-steps", "grade": true, "points": 2}
# Not trained to the end: every step counts. The deviation of [1, 3, 5] is 2, the mean 3.
x, y = torch.tensor([1.0, 3.0, 5.0]), torch.tensor([2.0, 6.0, 13.0])
check(fit_line, x, y, 0.25, 0, want=(0.0, 0.0))
check(fit_line, x, y, 0.25, 1, want=(0.9166667, 0.75))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(32)
for n, lr, steps in [(4, 0.1, 2), (7, 0.3, 5), (3, 0.02, 20), (10, 0.6, 3)]:
    x = 20 + 4 * torch.randn(n, generator=generator)
    y = 3 * torch.randn(n, generator=generator)
    z = ((x - x.mean()) / x.std()).double()
    line = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        loss = ((line[0] * z + line[1] - y) ** 2).mean()
        line = (line - lr * torch.autograd.grad(loss, line)[0]).detach().requires_grad_()
    slope, intercept = line.tolist()
    w = slope / x.std().item()
    want = (w, intercept - w * x.mean().item())
    check(fit_line, x, y, lr, steps, want=want, rtol=1e-3, atol=1e-4)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. A step with momentum
#
# `Difficulty ●●○○○ · 5 minutes · 2 points`
#
# In a narrow valley, plain gradient descent jumps from one side to the other and gets ahead slowly.
# A heavy ball does not: it keeps its velocity, which averages the jumps away.
# Write `momentum_step(x, gradient, velocity, lr, momentum)`, one step of `torch.optim.SGD` with momentum:
#
# - the new velocity is `momentum` times the old one, plus the gradient;
# - the new `x` is the old one, minus `lr` times the *new* velocity.
#
# Write it without `torch.optim`, and leave the arguments as they are.
#
# - `x`, `gradient`, `velocity`: tensors of the same shape and dtype that require no gradient; before the first step the velocity is 0.
# - `lr`, `momentum`: `float`s.
# - Returns: a tuple of two new tensors: the new `x` and the new velocity.
#
# ```python
# momentum_step(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([0.5]), 0.25, 0.5)
# # (tensor([0.4375]), tensor([2.2500]))
# ```
#
# <details><summary>Hint</summary>
#
# - In the example, half of which number is added to which?
# - Which of the two results do you need first?
# - Which operators make a new tensor, and which change the old one?
#
# </details>

# %% nbgrader={"grade_id": "momentum_step", "solution": true}
def momentum_step(x, gradient, velocity, lr, momentum):
    """Return `x` and the velocity after one step of gradient descent with momentum."""
    ### BEGIN SOLUTION
    velocity = momentum * velocity + gradient
    return x - lr * velocity, velocity
    ### END SOLUTION


# %% nbgrader={"grade_id": "momentum_step-values", "grade": true, "points": 1}
check(
    momentum_step,
    torch.tensor([1.0]),
    torch.tensor([2.0]),
    torch.tensor([0.5]),
    0.25,
    0.5,
    want=(torch.tensor([0.4375]), torch.tensor([2.25])),
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(41)
for shape, lr, momentum in [((3,), 0.1, 0.9), ((2, 3), 0.5, 0.3), ((4,), 2.0, 0.0)]:
    x, gradient, velocity = torch.randn(3, *shape, generator=generator)
    new = momentum * velocity + gradient
    want = (x - lr * momentum * velocity - lr * gradient, new)
    check(momentum_step, x, gradient, velocity, lr, momentum, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "momentum_step-torch", "grade": true, "points": 1}
def check_against_sgd(start, curvature, lr, momentum, steps):
    """Check every step on the loss (curvature * x**2).sum() / 2 against torch.optim.SGD."""
    theirs = start.clone().requires_grad_()
    optimizer = torch.optim.SGD([theirs], lr=lr, momentum=momentum)
    x, velocity = start, torch.zeros_like(start)
    for _ in range(steps):
        gradient = curvature * x
        theirs.grad = (curvature * theirs).detach()
        optimizer.step()
        want = (theirs.detach().clone(), optimizer.state[theirs]["momentum_buffer"].clone())
        x, velocity = checked(
            momentum_step, x, gradient, velocity, lr, momentum, want=want, rtol=0, atol=1e-6
        )


start = torch.tensor([2.0, -1.0], dtype=torch.float64)
check_against_sgd(start, torch.tensor([1.0, 20.0], dtype=torch.float64), 0.02, 0.9, 3)
### BEGIN HIDDEN TESTS
curvature = torch.tensor([0.5, 3.0, 12.0], dtype=torch.float64)
generator = torch.Generator().manual_seed(42)
start = torch.randn(3, generator=generator, dtype=torch.float64)
check_against_sgd(start, curvature, 0.03, 0.8, 50)
# At rest in the lowest place, nothing moves.
zero = torch.zeros(2)
check(momentum_step, zero, zero, zero, 0.1, 0.9, want=(zero, zero))
### END HIDDEN TESTS

# %% [markdown]
# ## 5. A step of Adam
#
# `Difficulty ●●●●○ · 8 minutes · 3 points`
#
# One learning rate does not fit all parameters: some have gradients a thousand times larger than others.
# Adam divides by the usual size of each parameter's own gradient.
# Write `adam_step(x, gradient, m, v, t, lr)`, step number `t` of `torch.optim.Adam`:
#
# - `m` becomes `0.9 * m + 0.1 * gradient`, a running mean of the gradient;
# - `v` becomes `0.999 * v + 0.001 * gradient ** 2`, a running mean of its square;
# - both begin at 0 and are too small at first: `m_hat = m / (1 - 0.9 ** t)` and `v_hat = v / (1 - 0.999 ** t)` correct this;
# - `x` becomes `x - lr * m_hat / (v_hat ** 0.5 + 1e-8)`.
#
# Write it without `torch.optim`, and leave the arguments as they are.
#
# - `x`, `gradient`, `m`, `v`: tensors of the same shape and dtype that require no gradient.
# - `t`: an `int`, 1 for the first step.
# - `lr`: a `float`.
# - Returns: a tuple of three new tensors: `x`, `m` and `v` after the step; `m` and `v` without the correction.
#
# ```python
# zero = torch.tensor([0.0, 0.0])
# adam_step(torch.tensor([1.0, 1.0]), torch.tensor([50.0, -2.0]), zero, zero, 1, 0.5)
# # (tensor([0.5000, 1.5000]), tensor([ 5.0000, -0.2000]), tensor([2.5000, 0.0040]))
# ```
#
# Both parameters moved by the learning rate, though one gradient is 25 times the other.
#
# <details><summary>Hint</summary>
#
# - In the first step, what are `m_hat` and `v_hat` for a gradient of 50?
# - Which of the four tensors are returned: the corrected ones or the others?
# - Is the `1e-8` added before or after the root is taken?
#
# </details>

# %% nbgrader={"grade_id": "adam_step", "solution": true}
def adam_step(x, gradient, m, v, t, lr):
    """Return `x`, `m` and `v` after step number `t` of Adam."""
    ### BEGIN SOLUTION
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    m_hat = m / (1 - 0.9**t)
    v_hat = v / (1 - 0.999**t)
    return x - lr * m_hat / (v_hat.sqrt() + 1e-8), m, v
    ### END SOLUTION


# %% nbgrader={"grade_id": "adam_step-first", "grade": true, "points": 1}
zero = torch.tensor([0.0, 0.0])
check(
    adam_step,
    torch.tensor([1.0, 1.0]),
    torch.tensor([50.0, -2.0]),
    zero,
    zero,
    1,
    0.5,
    want=(torch.tensor([0.5, 1.5]), torch.tensor([5.0, -0.2]), torch.tensor([2.5, 0.004])),
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(51)
for shape, lr in [((3,), 0.1), ((2, 2), 0.02)]:
    x, gradient = torch.randn(2, *shape, generator=generator)
    gradient = 20 * gradient
    zero = torch.zeros(shape)
    want = (x - lr * gradient.sign(), gradient / 10, gradient**2 / 1000)
    check(adam_step, x, gradient, zero, zero, 1, lr, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "adam_step-torch", "grade": true, "points": 2}
def check_against_adam(start, scale, lr, steps):
    """Check every step on the loss (scale * x.cos()).sum() against torch.optim.Adam."""
    theirs = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([theirs], lr=lr)
    x, m, v = start, torch.zeros_like(start), torch.zeros_like(start)
    for t in range(1, steps + 1):
        gradient = -scale * x.sin()
        theirs.grad = (-scale * theirs.sin()).detach()
        optimizer.step()
        state = optimizer.state[theirs]
        want = (theirs.detach().clone(), state["exp_avg"].clone(), state["exp_avg_sq"].clone())
        x, m, v = checked(adam_step, x, gradient, m, v, t, lr, want=want, rtol=1e-6, atol=1e-25)


start = torch.tensor([1.0, 2.0], dtype=torch.float64)
check_against_adam(start, torch.tensor([1.0, 100.0], dtype=torch.float64), 0.1, 3)
### BEGIN HIDDEN TESTS
# With gradients around 1e-8, the 1e-8 in the formula is felt.
scale = torch.tensor([1.0, 50.0, 1e-8], dtype=torch.float64)
generator = torch.Generator().manual_seed(52)
start = torch.rand(3, generator=generator, dtype=torch.float64) + 0.5
check_against_adam(start, scale, 0.05, 50)
# Without a gradient from the start, nothing moves, and nothing is divided by 0.
x, zero = torch.tensor([3.0, -1.0]), torch.zeros(2)
check(adam_step, x, zero, zero, zero, 1, 0.1, want=(torch.tensor([3.0, -1.0]), zero, zero))
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Find a learning rate
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# Which learning rate is right for a new model?
# One short run tells: raise the rate from step to step, and watch where the loss stops falling and explodes.
# A good rate is well below that point.
# Write `find_lr(loss_fn, params, rates)`, which starts from a copy of `params` and does this for each rate in turn:
#
# 1. take one step of gradient descent with this rate, from where the step before ended;
# 2. compute the loss after the step;
# 3. if it is not finite, or more than 4 times the lowest loss so far, stop.
#    The loss before the first step counts as a loss so far.
#
# - `loss_fn`: a function that takes a tensor like `params` and returns the loss, a tensor of shape `()`, above 0 wherever it is finite.
# - `params`: a tensor that requires no gradient; it stays as it is.
# - `rates`: a list of at least one `float`, usually from low to high; the first one never makes you stop.
# - Returns: a tuple `(rate, losses)`.
#   `losses` is the list of the losses after the steps, as `float`s, without the one that made you stop.
#   `rate` is a tenth of the rate whose step ended at the lowest of them; no two of them are equal.
#
# ```python
# rate, losses = find_lr(lambda p: (p ** 2).sum(), torch.tensor([1.0]), [0.01, 0.1, 0.4, 10.0, 20.0])
# rate
# # 0.04
# [round(loss, 4) for loss in losses]
# # [0.9604, 0.6147, 0.0246]
# ```
#
# <details><summary>Hint</summary>
#
# - How do you make a copy of `params` that requires a gradient?
# - What does `math.isfinite` say about `nan`, and what does `nan > 4` say?
# - At which rate was the smallest loss, and how does `losses.index` help?
#
# </details>

# %% nbgrader={"grade_id": "find_lr", "solution": true}
def find_lr(loss_fn, params, rates):
    """Return a tenth of the rate with the lowest loss, and the losses while the rate rises."""
    ### BEGIN SOLUTION
    params = params.clone().requires_grad_()
    loss = loss_fn(params)
    lowest, losses = loss.item(), []
    for rate in rates:
        (gradient,) = torch.autograd.grad(loss, params)
        params = (params - rate * gradient).detach().requires_grad_()
        loss = loss_fn(params)
        value = loss.item()
        if not math.isfinite(value) or value > 4 * lowest:
            break
        losses.append(value)
        lowest = min(lowest, value)
    return rates[losses.index(min(losses))] / 10, losses
    ### END SOLUTION


# %% nbgrader={"grade_id": "find_lr-falls", "grade": true, "points": 2}
def check_quadratic(start, curvature, rates):
    """Check the result for the loss (curvature * x**2).sum(), whose steps are known."""
    x, losses = start.double(), []
    lowest = (curvature * x**2).sum().item()
    for rate in rates:
        x = x * (1 - 2 * rate * curvature)
        loss = (curvature * x**2).sum().item()
        if loss > 4 * lowest:
            break
        losses.append(loss)
        lowest = min(lowest, loss)
    want = (rates[losses.index(min(losses))] / 10, losses)
    called = (
        f"find_lr(loss_fn, {describe(start)}, {rates}) "
        f"with loss = (c * params ** 2).sum(), c = {describe(curvature)}"
    )
    check(find_lr, lambda p: (curvature * p**2).sum(), start, rates, want=want, called=called)
    require(
        not start.requires_grad,
        "find_lr must leave params as it is, but now it requires a gradient",
        called=called,
        got=f"params = {describe(start)}",
        expected=f"params = {describe(start.detach())}",
    )


check_quadratic(torch.tensor([1.0]), torch.tensor([1.0]), [0.01, 0.1, 0.4, 10.0, 20.0])
### BEGIN HIDDEN TESTS
# Nothing explodes here: every rate is tried.
check_quadratic(torch.tensor([2.0, -3.0]), torch.tensor([1.0, 4.0]), [0.01, 0.02, 0.05])
check_quadratic(torch.tensor([2.0]), torch.tensor([3.0]), [0.001])
# The loss rises, but by less than 4 times.
check_quadratic(torch.tensor([1.0]), torch.tensor([1.0]), [0.1, 0.2, 1.4, 0.3])
generator = torch.Generator().manual_seed(61)
for size in [1, 3]:
    start = torch.randn(size, generator=generator)
    curvature = torch.rand(size, generator=generator) + 0.5
    check_quadratic(start, curvature, [0.01 * 2**k for k in range(9)])
called = "find_lr(loss_fn, tensor([3.]), [0.25]) with loss = ((params - 1) ** 2).sum()"
want = (0.025, [1.0])
check(
    find_lr, lambda p: ((p - 1) ** 2).sum(), torch.tensor([3.0]), [0.25], want=want, called=called
)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "find_lr-stops", "grade": true, "points": 1}
def check_stop(name, loss_fn, start, rates, want):
    """Check that the run stops where the loss explodes, whatever comes later."""
    called = f"find_lr(loss_fn, {describe(start)}, {rates}) with {name}"
    check(find_lr, loss_fn, start, rates, want=want, called=called)


# The step with the rate 2 ends at -1.5, where the loss is 2.25; the one with 0.5 would end at 0.
check_stop(
    "loss = (params ** 2).sum()",
    lambda p: (p**2).sum(),
    torch.tensor([1.0]),
    [0.25, 2.0, 0.5],
    (0.025, [0.25]),
)
### BEGIN HIDDEN TESTS
# The loss grows from step to step, until it is more than 4 times the lowest, or not yet.
for rates, want in [
    ([0.25, 1.4, 1.3, 0.5], (0.025, [0.25, 0.81])),
    ([0.25, 1.525, 0.5], (0.025, [0.25])),
    ([0.25, 1.475, 0.125], (0.025, [0.25, 0.950625, 0.534727])),
    ([0.25, 1.5, 0.125], (0.025, [0.25, 1.0, 0.5625])),  # exactly 4 times is not more
    ([1.4, 1.2, 0.5], (0.14, [3.24])),
]:
    check_stop(
        "loss = (params ** 2).sum()", lambda p: (p**2).sum(), torch.tensor([1.0]), rates, want
    )
check_stop(
    "loss = (params ** 2 + (2 - params).sqrt()).sum(), which is nan above 2",
    lambda p: (p**2 + (2 - p).sqrt()).sum(),
    torch.tensor([-1.0]),
    [0.2, 2.0, 0.2],
    (0.02, [1.888555]),
)
check_stop(
    "loss = (params ** 2).exp().sum(), which soon overflows",
    lambda p: (p**2).exp().sum(),
    torch.tensor([1.0]),
    [0.05, 10.0, 0.1],
    (0.005, [1.699378]),
)
called = "find_lr(loss_fn, tensor([1.]), [0.25, 1e30, 0.5]) with loss = (params ** 2).sum()"
check(
    find_lr,
    lambda p: (p**2).sum(),
    torch.tensor([1.0]),
    [0.25, 1e30, 0.5],
    want=(0.025, [0.25]),
    called=called,
)
### END HIDDEN TESTS

# %% [markdown]
# ## 7. Split first, then standardize
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# A validation set stands for data that nobody has seen yet.
# If it has a part in anything that training uses, even in a mean, the result looks better than it is: data *leak*.
# And if an illness is rare, chance alone could leave the validation set without one case of it, so each class is split on its own: the split is *stratified*.
# Write `split_and_standardize(x, labels, percent, seed)`, which
#
# 1. chooses the validation rows at random: of a class with `n` rows, `n * percent // 100` rows;
# 2. keeps all other rows for training;
# 3. standardizes the columns of both parts with the mean and the standard deviation (`std`, with its default correction) of the *training* rows.
#
# The same seed gives the same split again, another seed another one.
# The rows of a part may come in any order, as long as the labels have the same order.
#
# - `x`: a tensor of shape `(N, C)`, dtype `float32`; no column is constant.
# - `labels`: a tensor of shape `(N,)`, dtype `float32`, each 0.0 or 1.0.
# - `percent`: an `int` from 1 to 50; each class gets at least one row in both parts.
# - `seed`: an `int`, at least 0.
# - Returns: a tuple of four new tensors `(x_train, labels_train, x_val, labels_val)`.
#
# ```python
# x = torch.arange(20.0).view(10, 2)
# labels = torch.tensor([0., 0., 0., 0., 0., 0., 0., 1., 1., 1.])
# x_train, labels_train, x_val, labels_val = split_and_standardize(x, labels, 40, seed=1)
# x_train.shape, x_val.shape
# # (torch.Size([7, 2]), torch.Size([3, 2]))
# labels_val.sort().values
# # tensor([0., 0., 1.])
# ```
#
# <details><summary>Hint</summary>
#
# - How do you get the positions of all rows of one class, and how do you shuffle them?
# - Which positions of a class are left when the validation set has taken its share?
# - At which moment do you know the training rows, so that you can compute their mean?
#
# </details>

# %% nbgrader={"grade_id": "split_and_standardize", "solution": true}
def split_and_standardize(x, labels, percent, seed):
    """Split the rows class by class and standardize both parts with the training rows."""
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)
    train, val = [], []
    for label in [0.0, 1.0]:
        rows = (labels == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        count = len(rows) * percent // 100
        val.append(rows[:count])
        train.append(rows[count:])
    train, val = torch.cat(train), torch.cat(val)
    mean, std = x[train].mean(dim=0), x[train].std(dim=0)
    return (x[train] - mean) / std, labels[train], (x[val] - mean) / std, labels[val]
    ### END SOLUTION


# %% nbgrader={"grade_id": "split_and_standardize-classes", "grade": true, "points": 1}
def parts_like(x, labels, percent):
    """Return four parts of zeros: with a tolerance of inf, only types, shapes and dtypes count."""
    n_val = sum(int((labels == c).sum()) * percent // 100 for c in [0, 1])
    sizes = [len(x) - n_val, n_val]
    return tuple(part for n in sizes for part in [torch.zeros(n, x.shape[1]), torch.zeros(n)])


def check_classes(labels, percent, parts):
    """Check how many rows of each class are in both parts."""
    for name, part, share in [("labels_train", parts[1], 1), ("labels_val", parts[3], 0)]:
        for c in [0, 1]:
            n = int((labels == c).sum())
            expected = n - n * percent // 100 if share else n * percent // 100
            require(
                int((part == c).sum()) == expected,
                f"split_and_standardize must split each class on its own: {name} is wrong",
                called=f"split_and_standardize(x, labels, {percent}, ...) with {n} rows of class {c}",
                got=f"{int((part == c).sum())} rows of class {c}",
                expected=f"{expected} rows of class {c}",
            )


generator = torch.Generator().manual_seed(70)
x = torch.randn(10, 2, generator=generator)
labels = torch.tensor([0.0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
want = parts_like(x, labels, 40)
parts = checked(split_and_standardize, x, labels, 40, 1, want=want, atol=math.inf)
check_classes(labels, 40, parts)
### BEGIN HIDDEN TESTS
for n, ones, percent in [(60, 7, 29), (30, 15, 10), (101, 4, 50), (40, 30, 33)]:
    labels = (torch.randperm(n, generator=generator) < ones).float()
    x = torch.randn(n, 3, generator=generator)
    want = parts_like(x, labels, percent)
    parts = checked(split_and_standardize, x, labels, percent, n, want=want, atol=math.inf)
    check_classes(labels, percent, parts)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "split_and_standardize-leak", "grade": true, "points": 1}
def parts_like(x, labels, percent):
    """Return four parts of zeros: with a tolerance of inf, only types, shapes and dtypes count."""
    n_val = sum(int((labels == c).sum()) * percent // 100 for c in [0, 1])
    sizes = [len(x) - n_val, n_val]
    return tuple(part for n in sizes for part in [torch.zeros(n, x.shape[1]), torch.zeros(n)])


def check_rows(x, labels, percent, parts):
    """Check that each row is there once, with its own label, on the scale of the training rows.

    The first column of `x` holds different values, by whose order the rows are recognized.
    """
    called = f"split_and_standardize(x, labels, {percent}, ...) with x = {describe(x)}"
    x_train, labels_train, x_val, labels_val = parts
    mean, std = x_train.mean(dim=0), x_train.std(dim=0)
    require(
        bool((mean.abs() < 1e-3).all() and ((std - 1).abs() < 1e-3).all()),
        "x_train must have mean 0 and standard deviation 1 in every column",
        called=called,
        got=f"mean {describe(mean)} and standard deviation {describe(std)}",
        expected="0 and 1: only the training rows may count",
    )
    # One scale for all rows keeps their order.
    order = torch.cat([x_train[:, 0], x_val[:, 0]]).argsort().argsort()
    rows = x[:, 0].argsort()[order]
    train, val = rows[: len(x_train)], rows[len(x_train) :]
    mean, std = x[train].mean(dim=0), x[train].std(dim=0)
    for name, part, right in [
        ("x_train", x_train, (x[train] - mean) / std),
        ("x_val", x_val, (x[val] - mean) / std),
    ]:
        problem = find_difference(part, right, rtol=1e-3, atol=1e-3)
        require(
            problem is None,
            "x_train and x_val together must hold the rows of x, each once, standardized with the "
            "mean and the deviation of the training rows",
            called=called,
            got=f"{name} has {problem}",
        )
    for name, part, right in [
        ("labels_train", labels_train, labels[train]),
        ("labels_val", labels_val, labels[val]),
    ]:
        require(
            torch.equal(part, right),
            f"{name} must have the labels of its rows, in the order of the rows",
            called=called,
            got=describe(part),
            expected=describe(right),
        )


x = torch.tensor([[5.0, 1.0], [1.0, 0.0], [9.0, 4.0], [3.0, 8.0], [4.0, 2.0], [40.0, 6.0]])
labels = torch.tensor([1.0, 0, 0, 1, 0, 1])
want = parts_like(x, labels, 34)
parts = checked(split_and_standardize, x, labels, 34, 2, want=want, atol=math.inf)
check_rows(x, labels, 34, parts)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(72)
for n, ones, percent in [(50, 9, 25), (24, 12, 50), (80, 20, 10)]:
    x = 30 + 9 * torch.randn(n, 3, generator=generator)
    x[:, 0] = 4 * torch.randperm(n, generator=generator) - 7
    labels = (torch.randperm(n, generator=generator) < ones).float()
    for seed in [0, 1]:
        want = parts_like(x, labels, percent)
        parts = checked(split_and_standardize, x, labels, percent, seed, want=want, atol=math.inf)
        check_rows(x, labels, percent, parts)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "split_and_standardize-seed", "grade": true, "points": 1}
def check_seeds(seeds, first, second):
    """Check that a seed gives the same parts twice, and that two seeds give different ones."""
    for i, seed in enumerate(seeds):
        require(
            all(torch.equal(a, b) for a, b in zip(first[i], second[i], strict=True)),
            "split_and_standardize must give the same parts when it is called with the same seed",
            called=f"split_and_standardize(x, labels, percent, {seed}), twice",
        )
        for j in range(i):
            # The values tell which rows were chosen, also when they come in another order.
            mine, others = first[i][2][:, 0].sort().values, first[j][2][:, 0].sort().values
            require(
                not torch.allclose(mine, others),
                "split_and_standardize must choose other rows when it is called with another seed",
                called=f"split_and_standardize(x, labels, percent, seed) "
                f"with the seeds {seed} and {seeds[j]}",
                got="the same validation rows",
            )


def numbered_rows(n, percent):
    """Return x, labels and parts of zeros: with a tolerance of inf, only their shapes count."""
    labels = (torch.arange(n) % 3 == 0).float()
    n_val = sum(int((labels == c).sum()) * percent // 100 for c in [0, 1])
    sizes = [n - n_val, n_val]
    want = tuple(part for size in sizes for part in [torch.zeros(size, 2), torch.zeros(size)])
    return torch.arange(2.0 * n).view(n, 2) ** 2, labels, want


x, labels, want = numbered_rows(60, 20)
first, second = [
    [checked(split_and_standardize, x, labels, 20, s, want=want, atol=math.inf) for s in [1, 2]]
    for _ in range(2)
]
check_seeds([1, 2], first, second)
### BEGIN HIDDEN TESTS
x, labels, want = numbered_rows(90, 40)
seeds = [0, 7, 100]
first, second = [
    [checked(split_and_standardize, x, labels, 40, s, want=want, atol=math.inf) for s in seeds]
    for _ in range(2)
]
check_seeds(seeds, first, second)
### END HIDDEN TESTS

# %% [markdown]
# ## 8. Stop at the right time
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# A model that trains too long learns its training data by heart, and its validation loss rises again.
# *Early stopping* ends the training then, and goes back to the best parameters.
# Since the validation loss also rises by chance now and then, it waits a little first: that is its patience.
# Write `train_with_patience(params, train_epoch, validate, patience, max_epochs)`, which repeats for each epoch:
#
# 1. call `train_epoch(params)`, which changes `params` in place;
# 2. call `validate(params)`, which returns the validation loss;
# 3. stop when the last `patience` epochs have all brought no improvement.
#    An improvement is a loss *below* the lowest one so far; the loss of the first epoch is always one.
#
# At the latest, stop after `max_epochs` epochs.
# In the end, `params` must hold the values that it had after the epoch with the lowest loss.
#
# - `params`: a leaf tensor that requires a gradient; it is changed in place.
# - `train_epoch`, `validate`: functions of `params`, as above; `validate` returns a `float`, which is always finite.
# - `patience`, `max_epochs`: `int`s, at least 1.
# - Returns: the list of all validation losses, one per epoch.
#
# ```python
# params = torch.tensor([0.0], requires_grad=True)
# plan = [5.0, 3.0, 2.0, 2.5, 2.25, 1.0]  # the validation losses that will come
#
# def train_epoch(p):
#     with torch.no_grad():
#         p += 1
#
# def validate(p):
#     return plan[int(p) - 1]
#
# train_with_patience(params, train_epoch, validate, 2, 6)
# # [5.0, 3.0, 2.0, 2.5, 2.25]
# params  # as it was after epoch 3
# # tensor([3.], requires_grad=True)
# ```
#
# <details><summary>Hint</summary>
#
# - You keep `best = params`, and then an epoch changes `params` in place: what is in `best` now?
# - When do you set the number of epochs without improvement back to 0?
# - How do you write values into a tensor that others hold, when it requires a gradient?
#
# </details>

# %% nbgrader={"grade_id": "train_with_patience", "solution": true}
def train_with_patience(params, train_epoch, validate, patience, max_epochs):
    """Train until the validation loss stops falling and go back to the best parameters."""
    ### BEGIN SOLUTION
    losses = []
    for epoch in range(max_epochs):
        train_epoch(params)
        losses.append(validate(params))
        best_epoch = losses.index(min(losses))  # the first of equal ones
        if best_epoch == epoch:
            best = params.detach().clone()
        if epoch - best_epoch == patience:
            break
    with torch.no_grad():
        params.copy_(best)
    return losses
    ### END SOLUTION


# %% nbgrader={"grade_id": "train_with_patience-stop", "grade": true, "points": 2}
def check_stop(plan, patience, max_epochs, epochs):
    """Check after which epoch the training stops when the validation losses go as planned."""

    def train_epoch(p):
        with torch.no_grad():
            p += 1

    params = torch.tensor([0.0, 0.0], requires_grad=True)
    called = (
        f"train_with_patience(params, train_epoch, validate, {patience}, {max_epochs}) "
        f"with the validation losses {plan}"
    )
    check(
        train_with_patience,
        params,
        train_epoch,
        lambda p: plan[int(p[0]) - 1],
        patience,
        max_epochs,
        want=plan[:epochs],
        changes=(0,),
        called=called,
    )


check_stop([5.0, 3.0, 2.0, 2.5, 2.25, 1.0], 2, 6, epochs=5)
check_stop([5.0, 3.0, 2.0, 2.5, 2.25, 1.0], 3, 6, epochs=6)
### BEGIN HIDDEN TESTS
check_stop([5.0, 3.0, 2.0, 2.5, 2.25, 1.0], 2, 4, epochs=4)
check_stop([1.0, 2.0, 3.0, 4.0], 1, 4, epochs=2)
check_stop([4.0, 3.0, 2.0], 1, 3, epochs=3)
check_stop([7.0, 1.0], 5, 1, epochs=1)
check_stop([3.0, 4.0, 2.0, 4.0, 3.5, 2.5, 0.0], 3, 7, epochs=6)
# The waiting begins anew after each improvement, and an equal loss is none.
check_stop([9.0, 9.5, 8.0, 8.5, 7.0, 7.5, 6.0, 6.5, 6.5, 1.0], 2, 10, epochs=9)
check_stop([2.0, 2.0, 2.0, 1.0, 0.0], 2, 5, epochs=3)
# Falling, but not below the lowest.
check_stop([1.0, 8.0, 7.0, 6.0, 0.5], 3, 5, epochs=4)
check_stop([-1.0, -2.0, -1.5, -1.75, -3.0], 2, 5, epochs=4)
params = torch.tensor([7.0], requires_grad=True)
called = "train_with_patience(params, train_epoch, validate, 3, 9), where no epoch changes anything"
check(
    train_with_patience,
    params,
    lambda p: None,
    lambda p: 1.0,
    3,
    9,
    want=[1.0, 1.0, 1.0, 1.0],
    called=called,
)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "train_with_patience-best", "grade": true, "points": 1}
def check_best(plan, patience, epochs, best):
    """Check that the parameters after training are those of the epoch `best`."""
    values = torch.arange(3.0) - 1

    def train_epoch(p):
        with torch.no_grad():
            p += values

    params = torch.zeros(3, requires_grad=True)
    called = (
        f"train_with_patience(params, train_epoch, validate, {patience}, {len(plan)}) "
        f"with the validation losses {plan}"
    )
    check(
        train_with_patience,
        params,
        train_epoch,
        lambda p: plan[int(p[2]) - 1],
        patience,
        len(plan),
        want=plan[:epochs],
        changes=(0,),
        called=called,
    )
    require(
        torch.equal(params.detach(), best * values),
        "after train_with_patience, params must hold the values of the epoch with the lowest loss",
        called=called,
        got=f"params as after epoch {params[2].item():g}",
        expected=f"params as after epoch {best}",
    )
    require(
        params.requires_grad and params.is_leaf,
        "after train_with_patience, params must still be a leaf that requires a gradient",
        called=called,
        got=f"requires_grad = {params.requires_grad}, is_leaf = {params.is_leaf}",
    )


check_best([5.0, 3.0, 2.0, 2.5, 2.25, 1.0], 2, epochs=5, best=3)
### BEGIN HIDDEN TESTS
check_best([5.0, 3.0, 2.0, 2.5, 2.25, 1.0], 3, epochs=6, best=6)
check_best([1.0, 2.0, 3.0, 4.0], 3, epochs=4, best=1)
check_best([3.0, 4.0, 2.0, 4.0], 5, epochs=4, best=3)
check_best([4.0, 2.0, 2.0, 2.0, 1.0], 2, epochs=4, best=2)
params = torch.tensor([7.0, -2.0], requires_grad=True)
called = "train_with_patience(params, train_epoch, validate, 1, 1), where no epoch changes anything"
check(
    train_with_patience, params, lambda p: None, lambda p: 2.0, 1, 1, want=[2.0], called=called
)
### END HIDDEN TESTS

# %% [markdown]
# ## 9. Find the parabola
#
# `Difficulty ●●○○○ · 6 minutes · 2 points`
#
# A parabola `a * x ** 2 + b` looks curved, but it is a line in `x ** 2`.
# So the training loop for a line finds it too, if it runs long enough at a good rate.
# Write `fit_parabola(x, y)`, which returns the `a` and `b` with the smallest mean squared error, each at most 0.01 away from the best value.
# Train with a loop of your own or with an optimizer of `torch.optim`, on the thermometer's recipe: predict, compute the loss, step.
#
# - `x`, `y`: tensors of shape `(N,)`, dtype `float32`, with `N >= 20`; the `x` are spread evenly from -1 to 1, in any order.
#   The best `a` and `b` lie between -6 and 6.
# - Returns: a tuple of two `float`s `(a, b)`.
#
# ```python
# x = torch.linspace(-1, 1, 100)
# a, b = fit_parabola(x, 3 * x ** 2 + 2)
# round(a, 1), round(b, 1)
# # (3.0, 2.0)
# ```
#
# <details><summary>Hint</summary>
#
# - What is the input of the line?
# - Is the loss still falling when your loop ends?
# - For plain gradient descent on the mean, the stable limit lies a little below 0.9: how close do you dare to go?
#
# </details>

# %% nbgrader={"grade_id": "fit_parabola", "solution": true}
def fit_parabola(x, y):
    """Return `a` and `b` of the parabola a * x**2 + b that fits best."""
    ### BEGIN SOLUTION
    params = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([params], lr=0.2, momentum=0.9)
    for _ in range(500):
        loss = ((params[0] * x**2 + params[1] - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return params[0].item(), params[1].item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "fit_parabola-values", "grade": true, "points": 2}
x = torch.linspace(-1, 1, 100)
called = "fit_parabola(x, 3 * x ** 2 + 2) with x = torch.linspace(-1, 1, 100)"
check(fit_parabola, x, 3 * x**2 + 2, want=(3.0, 2.0), called=called, rtol=0, atol=0.01)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(91)
for n in [20, 61, 300]:
    x = torch.linspace(-1, 1, n)[torch.randperm(n, generator=generator)]
    a, b = (10 * torch.rand(2, generator=generator) - 5).tolist()
    y = a * x**2 + b + 0.2 * torch.rand(n, generator=generator)
    table = np.stack([x.numpy() ** 2, np.ones(n)], axis=1).astype(np.float64)
    best = np.linalg.lstsq(table, y.numpy().astype(np.float64), rcond=None)[0]
    want = (float(best[0]), float(best[1]))
    called = f"fit_parabola(x, {a:.3f} * x ** 2 + {b:.3f} + noise) with {n} points"
    check(fit_parabola, x, y, want=want, called=called, rtol=0, atol=0.01)
### END HIDDEN TESTS

# %% [markdown]
# ## 10. What is wrong with this loop?
#
# `Difficulty ●●●○○ · 7 minutes · 3 points`
#
# Often a loss curve tells what is wrong before anyone reads the code.
# These four loops minimize a simple bowl-shaped loss, one parameter and plain gradient descent:
#
# | the loop | the losses |
# |---|---|
# | is right | 1.00, 0.64, 0.41, 0.26, 0.17, 0.11, … |
# | never calls `optimizer.step()` | 1.00, 1.00, 1.00, 1.00, 1.00, 1.00, … |
# | has a learning rate that is too high, or steps up instead of down | 1.00, 1.44, 2.07, 2.99, 4.30, 6.19, … and in the end `inf` or `nan` |
# | never calls `optimizer.zero_grad()` | 1.00, 0.64, 0.19, 0.00, 0.21, 0.66, … |
#
# In the last one, the gradients of all steps add up, like the swings of a pendulum without friction: the loss falls, rises, falls.
# Write `diagnose(losses)`, which tells which loop made a curve:
#
# - `"diverges"` when the losses never fall and some rise, and whenever there is an `inf` or a `nan`;
# - `"not zeroed"` when a rise comes after a fall;
# - `"no step"` when all losses are equal;
# - `"healthy"` when the losses never rise and some fall.
#
# - `losses`: a list of at least 2 `float`s, which fits one of these four.
#   After a first `inf` or `nan`, all later values are `inf` or `nan` too.
# - Returns: one of the four strings.
#
# ```python
# diagnose([1.0, 0.64, 0.19, 0.0, 0.21, 0.66])
# # 'not zeroed'
# diagnose([3.0, 3.0, 3.0])
# # 'no step'
# ```
#
# <details><summary>Hint</summary>
#
# - Which pairs of neighbors in the list do you compare, and how do you write that with `zip`?
# - What do `nan > 1`, `nan < 1` and `inf > inf` give?
# - Which of the four curves have at least one fall, and which have at least one rise?
#
# </details>

# %% nbgrader={"grade_id": "diagnose", "solution": true}
def diagnose(losses):
    """Return which loop made this loss curve."""
    ### BEGIN SOLUTION
    if not all(math.isfinite(loss) for loss in losses):
        return "diverges"
    falls = any(losses[k] < losses[k - 1] for k in range(1, len(losses)))
    rises = any(losses[k] > losses[k - 1] for k in range(1, len(losses)))
    if falls and rises:
        return "not zeroed"
    if rises:
        return "diverges"
    return "healthy" if falls else "no step"
    ### END SOLUTION


# %% nbgrader={"grade_id": "diagnose-plain", "grade": true, "points": 1}
check(diagnose, [1.0, 0.64, 0.41, 0.26, 0.17, 0.11], want="healthy")
check(diagnose, [3.0, 3.0, 3.0], want="no step")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(101)
for steps in [2, 5, 30]:
    start, lr = (0.1 + 0.8 * torch.rand(2, generator=generator, dtype=torch.float64)).tolist()
    curve = [50 * start * (1 - lr) ** (2 * k) for k in range(steps)]
    check(diagnose, curve, want="healthy")
    check(diagnose, [start] * steps, want="no step")
check(diagnose, [4.0, 4.0, 3.0], want="healthy")
check(diagnose, [4.0, 3.0, 3.0, 3.0], want="healthy")
check(diagnose, [0.0, 0.0], want="no step")
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "diagnose-diverges", "grade": true, "points": 1}
check(diagnose, [1.0, 1.44, 2.07, 2.99, 4.30, 6.19], want="diverges")
check(diagnose, [1.0, 0.64, 0.41, 0.26, 0.17, 0.11], want="healthy")
check(diagnose, [1e30, 1e35, math.inf, math.nan], want="diverges")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(102)
for steps in [2, 6, 20]:
    start, lr = (0.1 + 0.8 * torch.rand(2, generator=generator, dtype=torch.float64)).tolist()
    curve = [start * (1 + lr) ** (2 * k) for k in range(steps)]
    check(diagnose, curve, want="diverges")
    check(diagnose, curve + [math.inf] * 3, want="diverges")
    check(diagnose, [*curve, math.inf, math.nan, math.nan], want="diverges")
    check(diagnose, [1 / loss for loss in curve], want="healthy")
check(diagnose, [2.0, 2.0, 5.0], want="diverges")
check(diagnose, [2.0, math.nan], want="diverges")
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "diagnose-swings", "grade": true, "points": 1}
check(diagnose, [1.0, 0.64, 0.19, 0.0, 0.21, 0.66], want="not zeroed")
check(diagnose, [1.0, 1.44, 2.07, 2.99, 4.30, 6.19], want="diverges")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(103)
for steps in [12, 40]:
    for _ in range(2):
        x, rate = (0.3 + 0.6 * torch.rand(2, generator=generator, dtype=torch.float64)).tolist()
        curve, total = [], 0.0
        for _ in range(steps):
            curve.append(x**2)
            total += 2 * x
            x -= rate * total
        check(diagnose, curve, want="not zeroed")
check(diagnose, [5.0, 4.0, 4.5], want="not zeroed")
check(diagnose, [5.0, 4.0, 3.0, 2.0, 3.0], want="not zeroed")
check(diagnose, [5.0, 4.0, 4.0, 4.0, 9.0], want="not zeroed")
check(diagnose, [5.0, 4.0, 4.0, 4.0, 3.0], want="healthy")
### END HIDDEN TESTS

# %% [markdown]
# ## 11. Which classes does it mix up?
#
# `Difficulty ●●●○○ · 6 minutes · 3 points`
#
# A classifier that is right for 95 % of the pictures may still miss a whole class, if that class is rare.
# The *confusion matrix* shows it: row `i`, column `j` counts the samples of class `i` that were taken for class `j`.
# *Macro-F1* shows it in one number: the F1 of each class, averaged over the classes, with equal weight for rare and frequent ones.
# Write `confusion_and_f1(labels, predictions, classes)`, which returns both.
#
# For one class, TP counts its samples that were found, FN those that were taken for other classes, and FP the samples of other classes that were taken for it.
# Its F1 is `2 * TP / (2 * TP + FP + FN)`.
# For a class that is neither among the labels nor among the predictions, this is 0 / 0: count its F1 as 0.
#
# - `labels`, `predictions`: tensors of shape `(N,)`, dtype `int64`, with values from 0 to `classes - 1` and `N >= 1`.
# - `classes`: an `int`, the number of classes.
# - Returns: a tuple: the confusion matrix, a tensor of shape `(classes, classes)` and dtype `int64`, and the macro-F1, a `float`.
#
# ```python
# labels = torch.tensor([0, 0, 0, 1, 1, 2])
# predictions = torch.tensor([0, 0, 1, 1, 2, 2])
# matrix, f1 = confusion_and_f1(labels, predictions, 3)
# matrix
# # tensor([[2, 1, 0],
# #         [0, 1, 1],
# #         [0, 0, 1]])
# round(f1, 4)
# # 0.6556
# ```
#
# <details><summary>Hint</summary>
#
# - Where in the matrix do you find the TP of all classes at once?
# - What do the sum of a row and the sum of a column count, and how do FN and FP follow from them?
# - If `labels * classes + predictions` numbers the cells of the matrix, what does `torch.bincount` count?
#
# </details>

# %% nbgrader={"grade_id": "confusion_and_f1", "solution": true}
def confusion_and_f1(labels, predictions, classes):
    """Return the confusion matrix and the mean over the classes of their F1."""
    ### BEGIN SOLUTION
    cells = torch.bincount(labels * classes + predictions, minlength=classes**2)
    matrix = cells.view(classes, classes)
    # The sum of a row is TP + FN, the sum of a column is TP + FP.
    total = matrix.sum(dim=1) + matrix.sum(dim=0)
    f1 = 2 * matrix.diag() / total.clamp(min=1)
    return matrix, f1.mean().item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "confusion_and_f1-matrix", "grade": true, "points": 1}
def matrix_and_any_f1(labels, predictions, classes):
    """Return the right matrix and the macro-F1 that the answer gives: it may be any float."""
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    for label, prediction in zip(labels.tolist(), predictions.tolist(), strict=True):
        matrix[label, prediction] += 1
    try:
        return matrix, float(confusion_and_f1(labels.clone(), predictions.clone(), classes)[1])
    except Exception:
        return matrix, 0.0  # check says what is wrong


labels, predictions = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 0, 1, 1, 2, 2])
want = matrix_and_any_f1(labels, predictions, 3)
check(confusion_and_f1, labels, predictions, 3, want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(111)
for n, classes in [(20, 4), (1, 3), (50, 2), (6, 6), (2, 5)]:
    labels, predictions = torch.randint(0, classes, (2, n), generator=generator)
    want = matrix_and_any_f1(labels, predictions, classes)
    check(confusion_and_f1, labels, predictions, classes, want=want)
labels, predictions = torch.tensor([0, 0, 1]), torch.tensor([1, 0, 0])
want = matrix_and_any_f1(labels, predictions, 5)
check(confusion_and_f1, labels, predictions, 5, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "confusion_and_f1-f1", "grade": true, "points": 2}
def matrix_and_f1(labels, predictions, classes):
    """Return the matrix and the macro-F1, computed from precision and recall."""
    pairs = list(zip(labels.tolist(), predictions.tolist(), strict=True))
    matrix = torch.tensor([[pairs.count((i, j)) for j in range(classes)] for i in range(classes)])
    total = 0.0
    for c in range(classes):
        found = pairs.count((c, c))
        if found > 0:
            precision = found / sum(p == c for _, p in pairs)
            recall = found / sum(label == c for label, _ in pairs)
            total += 2 * precision * recall / (precision + recall)
    return matrix, total / classes


labels, predictions = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 0, 1, 1, 2, 2])
want = matrix_and_f1(labels, predictions, 3)
check(confusion_and_f1, labels, predictions, 3, want=want)
# Class 1 is rare and never found: an accuracy of 0.75 and a macro-F1 of 0.43.
labels, predictions = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 0, 0])
check(confusion_and_f1, labels, predictions, 2, want=(torch.tensor([[3, 0], [1, 0]]), 3 / 7))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(112)
for n, classes in [(30, 4), (12, 3), (100, 2), (5, 5), (1, 2)]:
    labels = torch.randint(0, classes, (n,), generator=generator)
    other = torch.randint(0, classes, (n,), generator=generator)
    predictions = torch.where(torch.rand(n, generator=generator) < 0.6, labels, other)
    want = matrix_and_f1(labels, predictions, classes)
    check(confusion_and_f1, labels, predictions, classes, want=want)
# Classes that are absent, and no right answer at all.
for labels, predictions, classes in [([0, 0, 1, 2], [0, 0, 1, 1], 5), ([2, 2, 0], [0, 0, 2], 3)]:
    labels, predictions = torch.tensor(labels), torch.tensor(predictions)
    want = matrix_and_f1(labels, predictions, classes)
    check(confusion_and_f1, labels, predictions, classes, want=want)
### END HIDDEN TESTS
