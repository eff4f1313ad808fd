# %% [markdown]
# # Exercises: tensors
#
# Read `notebooks/01_tensors` first.
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
# ## 1. Sample a tone
#
# `Difficulty ●○○○○ · 4 minutes · 2 points`
#
# Sound on a computer is a series of samples: the height of the sound wave, measured `rate` times a second.
# Write `sample_sine(frequency, seconds, rate)`, which returns the samples of a pure tone.
# Sample number `k` is taken at the time `t = k / rate` (in seconds) and has the value `sin(2 π · frequency · t)`.
# The first sample is taken at `t = 0`, and the end `t = seconds` is excluded: it belongs to the next piece of sound.
#
# - `frequency`: vibrations per second, a positive `int` or `float`.
# - `seconds`: a positive `int` or `float`.
# - `rate`: a positive `int`; `seconds * rate` is exactly a whole number, also as a `float`.
# - Returns: a tensor of shape `(seconds * rate,)`, dtype `float32`.
#
# ```python
# sample_sine(1, 0.25, 12)
# # tensor([0.0000, 0.5000, 0.8660])
# ```
#
# <details><summary>Hint</summary>
#
# - Which of `torch.arange` and `torch.linspace` leaves out the end?
# - A step like `1 / rate` is rounded: which numbers could you count with instead, so that the number of samples is always right?
# - What dtype does `torch.arange` give for whole numbers, and what does a division by `rate` make of it?
#
# </details>

# %% nbgrader={"grade_id": "sample_sine", "solution": true}
def sample_sine(frequency, seconds, rate):
    """Return the samples of a pure tone, `rate` samples per second."""
    ### BEGIN SOLUTION
    t = torch.arange(int(seconds * rate)) / rate
    return torch.sin(2 * math.pi * frequency * t)
    ### END SOLUTION


# %% nbgrader={"grade_id": "sample_sine-values", "grade": true, "points": 1}
check(sample_sine, 1, 0.25, 12, want=torch.tensor([0.0, 0.5, 0.8660254]))
### BEGIN HIDDEN TESTS
cases = [(5, 2, 100), (0.5, 1, 8), (2, 1.5, 6), (440, 0.25, 8000), (3, 1, 1)]
for frequency, seconds, rate in cases:
    t = torch.arange(int(seconds * rate), dtype=torch.float64) / rate
    want = torch.sin(2 * math.pi * frequency * t).float()
    check(sample_sine, frequency, seconds, rate, want=want, atol=1e-3)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "sample_sine-count", "grade": true, "points": 1}
check(sample_sine, 1, 1, 4, want=torch.tensor([0.0, 1.0, 0.0, -1.0]))
check(sample_sine, 1, 1.5, 4, want=torch.tensor([0.0, 1.0, 0.0, -1.0, 0.0, 1.0]))
# One sample in each vibration, always where the wave is at 0.
check(sample_sine, 49, 1, 49, want=torch.zeros(49), atol=1e-3)
### BEGIN HIDDEN TESTS
for seconds, rate in [(1, 49), (2, 98), (0.5, 98), (1, 103), (1, 11025), (3, 10)]:
    t = torch.arange(int(seconds * rate), dtype=torch.float64) / rate
    check(sample_sine, 2, seconds, rate, want=torch.sin(4 * math.pi * t).float(), atol=1e-3)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Save a picture
#
# `Difficulty ●●○○○ · 6 minutes · 3 points`
#
# A network draws a gray picture as a tensor of brightness values, where 0 is black and 1 is white.
# Programs that save pictures want something else: a NumPy array of whole numbers from 0 to 255.
# Write `to_pixels(x)`, which multiplies the brightness by 255, rounds it to the nearest whole number, and returns it as such an array.
# A network is not always exact: save values below 0 as 0, and values above 1 as 255.
# The picture is still needed after it was saved, so `x` must stay as it is.
#
# - `x`: a tensor of shape `(H, W)`, dtype `float32`; no value lies halfway between two whole numbers when multiplied by 255.
# - Returns: a `numpy.ndarray` of shape `(H, W)`, dtype `uint8`.
#
# ```python
# to_pixels(torch.tensor([[0.0, 0.25], [0.75, 1.0]]))
# # array([[  0,  64],
# #        [191, 255]], dtype=uint8)
# ```
#
# <details><summary>Hint</summary>
#
# - What happens to the digits after the point when a float becomes a `uint8`?
# - What becomes of 256 in a `uint8`, which has no room for it?
# - Which memory does `x.numpy()` use, and what does `*=` do to it?
#
# </details>

# %% nbgrader={"grade_id": "to_pixels", "solution": true}
def to_pixels(x):
    """Return the brightness values `x` as a NumPy array of whole numbers from 0 to 255."""
    ### BEGIN SOLUTION
    return (x.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    ### END SOLUTION


# %% nbgrader={"grade_id": "to_pixels-values", "grade": true, "points": 1}
# Only the values count in this test.
check(
    to_pixels,
    torch.tensor([[0.0, 0.25], [0.75, 1.0]]),
    want=np.array([[0, 64], [191, 255]], dtype=np.uint8),
    changes=(0,),
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(21)
for height, width in [(3, 5), (1, 1), (20, 30)]:
    pixels = torch.randint(1, 255, (height, width), generator=generator)
    noise = 0.6 * torch.rand(height, width, generator=generator) - 0.3
    want = pixels.to(torch.uint8).numpy()
    check(to_pixels, (pixels + noise) / 255, want=want, changes=(0,))
    check(to_pixels, ((pixels + noise) / 255).t(), want=want.T.copy(), changes=(0,))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "to_pixels-range", "grade": true, "points": 1}
# Only the values count in this test.
check(
    to_pixels,
    torch.tensor([[-0.2, 0.0, 0.2], [0.8, 1.0, 1.2]]),
    want=np.array([[0, 0, 51], [204, 255, 255]], dtype=np.uint8),
    changes=(0,),
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(22)
for height, width in [(4, 3), (10, 10)]:
    x = torch.randint(-300, 600, (height, width), generator=generator)
    want = x.clamp(0, 255).to(torch.uint8).numpy()
    check(to_pixels, x / 255, want=want, changes=(0,))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "to_pixels-memory", "grade": true, "points": 1}
# Here `x` must also stay as it is.
check(
    to_pixels,
    torch.tensor([[0.25, 1.2]]),
    want=np.array([[64, 255]], dtype=np.uint8),
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(23)
pixels = torch.randint(0, 256, (6, 4), generator=generator)
check(to_pixels, pixels / 255, want=pixels.to(torch.uint8).numpy())
x = torch.tensor([[-0.4, 0.0], [1.0, 1.2]])
check(to_pixels, x, want=np.array([[0, 0], [255, 255]], dtype=np.uint8))
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Standardize the columns of a table
#
# `Difficulty ●●○○○ · 5 minutes · 3 points`
#
# Each row of a table is one sample, each column one measurement: an age in years, a height in millimeters.
# Networks learn faster when all columns have the same scale.
# Write `standardize(x)`, which returns a new tensor in which every column has mean 0 and standard deviation 1.
# Use `x.std`, with its default correction.
# A column whose values are all equal has nothing to scale: return zeros for it, not `nan`.
# Leave `x` as it is.
#
# - `x`: a tensor of shape `(N, C)`, dtype `float32`, with `N >= 2`.
#   A column whose values are all equal holds a whole number below 1000, so that its standard deviation is exactly 0.
#   (With a number like 0.1, rounding can make it a tiny number instead.)
# - Returns: a new tensor of the same shape and dtype.
#
# ```python
# standardize(torch.tensor([[1., 10.], [2., 20.], [3., 30.]]))
# # tensor([[-1., -1.],
# #         [ 0.,  0.],
# #         [ 1.,  1.]])
# ```
#
# <details><summary>Hint</summary>
#
# - Which `dim` do you reduce over to get one number per column?
# - Which shape does the mean need, so that it can be subtracted from `x`?
# - What is 0 divided by 0, and what could you divide by instead?
#
# </details>

# %% nbgrader={"grade_id": "standardize", "solution": true}
def standardize(x):
    """Return `x` with every column shifted and scaled to mean 0 and standard deviation 1."""
    ### BEGIN SOLUTION
    deviation = x.std(dim=0)
    deviation[deviation == 0] = 1
    return (x - x.mean(dim=0)) / deviation
    ### END SOLUTION


# %% nbgrader={"grade_id": "standardize-values", "grade": true, "points": 2}
check(
    standardize,
    torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]),
    want=torch.tensor([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]),
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(31)
for shape in [(5, 3), (4, 4), (2, 6), (30, 1)]:
    x = 7 * torch.randn(shape, generator=generator)
    x += 100 * torch.rand(shape[1], generator=generator)
    check(standardize, x, want=(x - x.mean(0, keepdim=True)) / x.std(0, keepdim=True))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "standardize-constant", "grade": true, "points": 1}
check(
    standardize,
    torch.tensor([[1.0, 5.0], [3.0, 5.0], [5.0, 5.0]]),
    want=torch.tensor([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]),
)
### BEGIN HIDDEN TESTS
check(standardize, torch.full((4, 2), -3.0), want=torch.zeros(4, 2))
check(
    standardize,
    torch.tensor([[2.0, 0.0, -4.0], [2.0, 0.0, -6.0]]),
    want=torch.tensor([[0.0, 0.0, 0.5**0.5], [0.0, 0.0, -(0.5**0.5)]]),
)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. How often is a classifier right?
#
# `Difficulty ●○○○○ · 4 minutes · 2 points`
#
# A classifier gives every sample one score per class, and answers with the class of the highest score.
# Write `accuracy(scores, labels)`, which returns the fraction of samples whose answer equals the label.
# You will log it, compare it and format it, so return a Python number, not a tensor.
#
# - `scores`: a tensor of shape `(N, C)`, dtype `float32`, with `N >= 1`; no two scores of a sample are equal.
# - `labels`: a tensor of shape `(N,)`, dtype `int64`, with the right class of each sample, from 0 to `C - 1`.
# - Returns: a Python `float` from 0.0 to 1.0.
#
# ```python
# scores = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
# accuracy(scores, torch.tensor([1, 0, 0, 0]))
# # 0.75
# ```
#
# <details><summary>Hint</summary>
#
# - Which function returns the position of the largest value, and along which `dim`?
# - What is the mean of a tensor of zeros and ones, and which dtype does `mean` need?
# - How do you get a Python number out of a tensor with one element?
#
# </details>

# %% nbgrader={"grade_id": "accuracy", "solution": true}
def accuracy(scores, labels):
    """Return the fraction of samples whose highest score is at their label."""
    ### BEGIN SOLUTION
    return (scores.argmax(dim=1) == labels).float().mean().item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "accuracy-values", "grade": true, "points": 2}
check(
    accuracy,
    torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]),
    torch.tensor([1, 0, 0, 0]),
    want=0.75,
)
scores = torch.tensor([[-3.0, -1.0, -2.0], [0.0, -0.5, 7.0]])
check(accuracy, scores, torch.tensor([1, 0]), want=0.5)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(41)
for n, classes in [(5, 5), (64, 10), (1, 3), (7, 2), (6, 1)]:
    scores = torch.randn(n, classes, generator=generator)
    labels = torch.randint(0, classes, (n,), generator=generator)
    labels[::2] = scores.argmax(1)[::2]
    best = [row.index(max(row)) for row in scores.tolist()]
    right = sum(best[i] == labels[i].item() for i in range(n))
    check(accuracy, scores, labels, want=right / n)
scores = torch.tensor([[-3.0, -1.0, -2.0], [0.0, -0.5, 7.0]])
check(accuracy, scores, torch.tensor([0, 1]), want=0.0)
check(accuracy, scores, torch.tensor([1, 2]), want=1.0)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Fill the gaps of a table
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# Sensors fail now and then, and their table has `nan` (not a number) where a measurement is missing.
# One `nan` is enough to turn every later sum into `nan`.
# Write `fill_missing(x)`, which returns a new tensor where every `nan` is replaced by the mean of the values that are present in the same column.
# A column in which every value is missing is filled with 0.
# Leave `x` as it is: somebody may want to know later what was measured and what was filled in.
#
# - `x`: a tensor of shape `(N, C)`, dtype `float32`; each element is `nan` or an ordinary finite number.
# - Returns: a new tensor of the same shape and dtype, without `nan`.
#
# ```python
# fill_missing(torch.tensor([[1., float("nan")], [3., 4.], [float("nan"), 8.]]))
# # tensor([[1., 6.],
# #         [3., 4.],
# #         [2., 8.]])
# ```
#
# <details><summary>Hint</summary>
#
# - `nan == nan` is false: what does `torch.isnan(x)` give instead?
# - How do you sum up a column without its `nan`s, and by which number do you have to divide?
# - What does `torch.where(mask, a, b)` do when `a` has one number per column?
#
# </details>

# %% nbgrader={"grade_id": "fill_missing", "solution": true}
def fill_missing(x):
    """Return `x` with every nan replaced by the mean of the other values of its column."""
    ### BEGIN SOLUTION
    missing = x.isnan()
    total = x.masked_fill(missing, 0).sum(dim=0)
    count = (~missing).sum(dim=0).clamp(min=1)
    return torch.where(missing, total / count, x)
    ### END SOLUTION


# %% nbgrader={"grade_id": "fill_missing-values", "grade": true, "points": 2}
nan = float("nan")
check(
    fill_missing,
    torch.tensor([[1.0, nan], [3.0, 4.0], [nan, 8.0]]),
    want=torch.tensor([[1.0, 6.0], [3.0, 4.0], [2.0, 8.0]]),
)
# The result is a new tensor even when nothing is missing.
x = torch.tensor([[0.0, 2.0], [-3.0, 0.0]])
filled = checked(fill_missing, x, want=torch.tensor([[0.0, 2.0], [-3.0, 0.0]]))
filled[0, 0] = 9.0
require(
    x[0, 0] == 0.0,
    "fill_missing must return a new tensor, but its result shares memory with x",
    called="filled = fill_missing(x) with x = tensor([[0., 2.], [-3., 0.]]), then filled[0, 0] = 9",
    got=f"x = {describe(x)}",
    expected="x = tensor([[ 0., 2.], [-3., 0.]])",
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(51)
for n, columns in [(6, 3), (5, 5), (12, 4), (3, 1)]:
    x = 3 * torch.randn(n, columns, generator=generator) + 10 * torch.arange(1.0, columns + 1)
    missing = torch.rand(n, columns, generator=generator) < 0.4
    missing[0] = False
    missing[-1, 0] = True
    want = x.clone()
    for j in range(columns):
        want[missing[:, j], j] = x[~missing[:, j], j].mean()
    x[missing] = nan
    check(fill_missing, x, want=want)
x = torch.tensor([[0.0, -1.0, nan], [nan, nan, 5.0]])
check(fill_missing, x, want=torch.tensor([[0.0, -1.0, 5.0], [0.0, -1.0, 5.0]]))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "fill_missing-empty", "grade": true, "points": 1}
nan = float("nan")
check(
    fill_missing,
    torch.tensor([[1.0, nan], [nan, nan]]),
    want=torch.tensor([[1.0, 0.0], [1.0, 0.0]]),
)
### BEGIN HIDDEN TESTS
check(fill_missing, torch.full((4, 3), nan), want=torch.zeros(4, 3))
check(
    fill_missing,
    torch.tensor([[nan, 2.0, nan], [nan, nan, -6.0], [nan, 5.0, -8.0]]),
    want=torch.tensor([[0.0, 2.0, -7.0], [0.0, 3.5, -6.0], [0.0, 5.0, -8.0]]),
)
check(fill_missing, torch.tensor([[nan, -1.5]]), want=torch.tensor([[0.0, -1.5]]))
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Add noise to a signal
#
# `Difficulty ●●○○○ · 6 minutes · 3 points`
#
# A network that always sees the same clean recordings stumbles over the first hiss.
# A common remedy is to add a little random noise to every recording while it learns.
# Recordings are long, so this is done in place, without a second copy of the recording.
# Write `add_noise_(signal, std, seed)`, which adds to every element its own random number from the normal distribution with mean 0 and standard deviation `std`.
# It changes `signal` in place and returns it, as all functions of PyTorch do whose name ends in `_`.
# The seed makes an experiment repeatable: for signals of the same shape, stored in the same way (with the same strides), the same seed gives the same noise, and another seed other noise.
# You may set PyTorch's global seed for this, or leave it alone and use a `torch.Generator` of your own.
#
# - `signal`: a tensor of any shape, dtype `float32`; it may be a view of another tensor.
# - `std`: a `float`, at least 0; when it is 0, the signal keeps its values.
# - `seed`: an `int`, at least 0.
# - Returns: `signal` itself.
#
# ```python
# signal = torch.zeros(10000)
# add_noise_(signal, 0.5, 1) is signal
# # True
# round(signal.std().item(), 1)
# # 0.5
# ```
#
# <details><summary>Hint</summary>
#
# - Which function draws from the normal distribution: `torch.rand` or `torch.randn`?
# - What happens to the standard deviation of numbers that you multiply by 3?
# - What does `signal = signal + noise` change: the tensor, or only what the name `signal` stands for?
#
# </details>

# %% nbgrader={"grade_id": "add_noise_", "solution": true}
def add_noise_(signal, std, seed):
    """Add normally distributed noise to `signal` in place and return it."""
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)
    return signal.add_(std * torch.randn(signal.shape, generator=generator))
    ### END SOLUTION


# %% nbgrader={"grade_id": "add_noise_-inplace", "grade": true, "points": 1}
# Noise with standard deviation 0 changes nothing.
check(add_noise_, torch.tensor([1.0, 2.0, 3.0]), 0.0, 1, want=torch.tensor([1.0, 2.0, 3.0]))


def check_in_place(clean, std, seed):
    """Check that the noise is added to the signal itself, and that the signal is returned."""
    signal = clean.clone()
    called = f"add_noise_(signal, {std}, {seed}) with signal = {describe(clean)}"
    expected = "the result is the tensor signal itself, with the noise added"
    # With this tolerance, only the type, the shape and the dtype of the result count.
    got = checked(
        add_noise_, signal, std, seed, want=clean, changes=(0,), called=called, atol=math.inf
    )
    require(
        not torch.equal(signal, clean),
        "add_noise_ must change the signal in place, but it left it as it was",
        called=called,
        got=f"the result is {describe(got)}, and signal is still {describe(signal)}",
        expected=expected,
    )
    noisy = signal.clone()
    got.zero_()
    require(
        torch.equal(signal, torch.zeros_like(signal)),
        "add_noise_ must return the signal itself, but it returned a copy",
        called=f"{called}, then result.zero_()",
        got=f"signal is still {describe(noisy)}",
        expected=f"{expected}, so that signal becomes 0 too",
    )


def check_view(start, stop, step):
    """Check that noise for some columns of a recording reaches these columns and no others."""
    recording = torch.zeros(6, 4)
    view, zeros = recording[:, start:stop:step], torch.zeros(6, len(range(start, stop, step)))
    checked(add_noise_, view, 1.0, 4, want=zeros, changes=(0,), atol=math.inf)
    changed = (recording != 0).any(dim=0).tolist()
    expected = list(range(start, stop, step))
    require(
        [j for j in range(4) if changed[j]] == expected,
        "add_noise_ must change the view that it was given and nothing else",
        called=f"add_noise_(recording[:, {start}:{stop}:{step}], 1.0, 4) "
        "with recording = torch.zeros(6, 4)",
        got=f"changed columns of recording: {[j for j in range(4) if changed[j]]}",
        expected=f"changed columns of recording: {expected}",
    )


check_in_place(torch.tensor([1.0, 2.0, 3.0]), 1.0, 1)
check_view(1, 3, 1)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(61)
for shape in [(3, 5), (2, 3, 4), (1,)]:
    clean = torch.randn(shape, generator=generator)
    check(add_noise_, clean, 0.0, 3, want=clean.clone())
    check_in_place(clean, 2.0, 3)
check_view(0, 4, 2)
check_view(2, 3, 1)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "add_noise_-noise", "grade": true, "points": 1}
# The noise is taken from the result, so this test does not look at what became of the signal.
check(add_noise_, torch.zeros(3), 0.0, 7, want=torch.zeros(3))


def check_noise(shape, value, std, seed):
    """Check mean, deviation and distribution of the noise that is added to many equal values."""
    called = f"add_noise_(torch.full({shape}, {value}), {std}, {seed})"
    signal = torch.full(shape, value)
    # With this tolerance, only the type, the shape and the dtype of the result count.
    result = checked(
        add_noise_, signal, std, seed, want=signal, changes=(0,), called=called, atol=math.inf
    )
    noise = result - value
    got_mean, got_std = noise.mean().item(), noise.std().item()
    require(
        abs(got_mean) < 0.1 * std and abs(got_std - std) < 0.1 * std,
        "add_noise_ added the wrong noise",
        called=called,
        got=f"noise with mean {got_mean:.2g} and standard deviation {got_std:.2g}",
        expected=f"noise with mean 0 and standard deviation {std}, up to chance",
    )
    near = (noise.abs() < std).float().mean().item()
    require(
        abs(near - 0.683) < 0.04,
        "add_noise_ added the wrong noise: it is not normally distributed",
        called=called,
        got=f"{near:.0%} of the noise lies between -std and std",
        expected="68%, up to chance",
    )
    for dim in range(noise.dim()):
        alike = (noise.diff(dim=dim) == 0).float().mean().item()
        require(
            alike < 0.1,
            "add_noise_ added the wrong noise: every element needs its own random number",
            called=called,
            got=f"{alike:.0%} of the neighbors along dim {dim} got equal noise",
            expected="0%, up to chance",
        )


check_noise((100, 100), 0.0, 0.5, 7)
### BEGIN HIDDEN TESTS
for shape, std, seed in [((10000,), 3.0, 0), ((200, 100), 0.01, 5), ((20, 10, 100), 1.0, 12345)]:
    check(add_noise_, torch.full(shape, 2.0), 0.0, seed, want=torch.full(shape, 2.0))
    check_noise(shape, 2.0, std, seed)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "add_noise_-seed", "grade": true, "points": 1}
check(add_noise_, torch.zeros(3), 0.0, 7, want=torch.zeros(3))


def noise_of(seed, shape):
    """Return the noise that is added to zeros; only its type, shape and dtype are checked."""
    zeros = torch.zeros(shape)
    noise = checked(add_noise_, zeros, 1.0, seed, want=zeros, changes=(0,), atol=math.inf)
    return noise.clone()


def check_seeds(seeds, shape):
    """Check that each seed gives the same noise twice, and no two seeds the same."""
    seen = []
    for seed in seeds:
        first, second = noise_of(seed, shape), noise_of(seed, shape)
        require(
            torch.equal(first, second),
            "add_noise_ must add the same noise when it is called with the same seed",
            called=f"add_noise_(torch.zeros({shape}), 1.0, {seed}), twice",
            got=f"{describe(first)} and {describe(second)}",
            expected="twice the same noise",
        )
        for other_seed, other in seen:
            require(
                not torch.equal(first, other),
                "add_noise_ must add other noise when it is called with another seed",
                called=f"add_noise_(torch.zeros({shape}), 1.0, seed) "
                f"with seed {other_seed} and {seed}",
                got=f"twice {describe(first)}",
                expected="different noise",
            )
        seen.append((seed, first))


check_seeds([7, 8, 0], (3,))
### BEGIN HIDDEN TESTS
check_seeds([0, 1, 2**31], (3, 2))
check(add_noise_, torch.ones(2, 2), 0.0, 2**31, want=torch.ones(2, 2))
### END HIDDEN TESTS

# %% [markdown]
# ## 7. Where is an element stored?
#
# `Difficulty ●●○○○ · 5 minutes · 2 points`
#
# The elements of a tensor lie one after the other in its storage, a flat piece of memory.
# A view like `x.t()` or `x[1:]` has the same storage, and finds its elements with another offset and other strides.
# Write `storage_position(x, index)`, which returns the position of `x[index]` in the storage of `x`.
# Positions count elements from 0, not bytes.
#
# - `x`: a tensor of any shape and dtype, often a view.
# - `index`: a tuple of `int`s, one per dimension of `x`, none of them negative.
# - Returns: a Python `int`.
#
# ```python
# table = torch.tensor([[10, 11], [12, 13], [14, 15]])
# storage_position(table.t(), (0, 2))
# # 4
# ```
#
# <details><summary>Hint</summary>
#
# - At which position is the first element of a view, and which method tells you?
# - By how many positions do you move in the storage when the last index grows by 1? And when the first one does?
# - What remains for a tensor without dimensions, whose index is `()`?
#
# </details>

# %% nbgrader={"grade_id": "storage_position", "solution": true}
def storage_position(x, index):
    """Return the position of `x[index]` in the storage of `x`, counted in elements."""
    ### BEGIN SOLUTION
    steps = [i * stride for i, stride in zip(index, x.stride(), strict=True)]
    return x.storage_offset() + sum(steps)
    ### END SOLUTION


# %% nbgrader={"grade_id": "storage_position-stride", "grade": true, "points": 1}
table = torch.tensor([[10, 11], [12, 13], [14, 15]])
check(storage_position, table, (2, 1), want=5)
called = f"storage_position(table.t(), (0, 2)) with table = {describe(table)}"
check(storage_position, table.t(), (0, 2), want=4, called=called)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(71)
check(storage_position, table.t(), (1, 1), want=3)
x = (100 * torch.rand(2, 3, 4, generator=generator)).to(torch.uint8)
check(storage_position, x, (1, 2, 3), want=23)
check(storage_position, x, (1, 0, 2), want=14)
check(storage_position, x.double().permute(2, 0, 1), (3, 1, 0), want=15)
check(storage_position, x.transpose(0, 1), (2, 1, 1), want=21)
check(storage_position, x.double()[:, ::2], (1, 1, 1), want=21)
check(storage_position, x.unsqueeze(1), (1, 0, 1, 0), want=16)
check(storage_position, torch.zeros(3, 1).expand(3, 4), (2, 3), want=2)
check(storage_position, torch.tensor(5.0), (), want=0)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "storage_position-offset", "grade": true, "points": 1}
table = torch.tensor([[10, 11], [12, 13], [14, 15]])
called = f"storage_position(table[1:], (1, 0)) with table = {describe(table)}"
check(storage_position, table[1:], (1, 0), want=4, called=called)
called = f"storage_position(table.t()[1:], (0, 2)) with table = {describe(table)}"
check(storage_position, table.t()[1:], (0, 2), want=5, called=called)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(72)
x = torch.rand(4, 5, 6, generator=generator)
check(storage_position, table[2, 1], (), want=5)
check(storage_position, x[3, 4], (5,), want=119)
check(storage_position, x[1:, 2:4, ::3], (2, 1, 1), want=111)
check(storage_position, x[2].t(), (4, 3), want=82)
check(storage_position, x.double()[1, :, 2], (3,), want=50)
check(storage_position, x[1:2, :1].expand(3, 5, 6), (2, 3, 4), want=34)
### END HIDDEN TESTS

# %% [markdown]
# ## 8. Do two tensors overlap?
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# Whoever writes to one tensor should know whether another one changes with it.
# For that, both must use the same storage, but this is not enough: `x[:3]` and `x[3:]` use one storage and have no element in common.
# Write `overlap(a, b)`, which tells whether at least one element of `a` lies at the same place in memory as an element of `b`.
# Equal values at different places do not count.
# Leave the values of both tensors as they are.
#
# - `a`, `b`: tensors on the CPU, of the same dtype and of any shapes, each with 1 to 100 elements.
#   They may be views of any kind, also expanded ones, or tensors without dimensions.
# - Returns: a Python `bool`, `True` when the two have an element in common.
#
# ```python
# x = torch.arange(6)
# overlap(x[:4], x[3:])
# # True
# overlap(x[::2], x[1::2])
# # False
# ```
#
# <details><summary>Hint</summary>
#
# - `x.data_ptr()` is the address of the first element of `x`: which address does `x[1]` give, and which one `x[1, 2]`?
# - In the example, `x[::2]` and `x[1::2]` lie in the same stretch of memory: why is it not enough to know where each tensor begins and ends?
# - How do you visit all elements of a tensor with any number of dimensions, perhaps with `np.ndindex(*x.shape)`, or with `x.stride()`?
# - How do you find out whether two sets have something in common?
#
# </details>

# %% nbgrader={"grade_id": "overlap", "solution": true}
def overlap(a, b):
    """Tell whether some element of `a` lies at the same place in memory as one of `b`."""
    ### BEGIN SOLUTION
    addresses_of_a = {a[index].data_ptr() for index in np.ndindex(*a.shape)}
    addresses_of_b = {b[index].data_ptr() for index in np.ndindex(*b.shape)}
    return not addresses_of_a.isdisjoint(addresses_of_b)
    ### END SOLUTION


# %% nbgrader={"grade_id": "overlap-pieces", "grade": true, "points": 1}
# Pieces without gaps.
x = torch.zeros(6)
check(overlap, x[:4], x[3:], want=True, called="overlap(x[:4], x[3:]) with x = torch.zeros(6)")
check(overlap, x[:3], x[3:], want=False, called="overlap(x[:3], x[3:]) with x = torch.zeros(6)")
check(overlap, x, x[2:4], want=True, called="overlap(x, x[2:4]) with x = torch.zeros(6)")
check(overlap, x, x.clone(), want=False, called="overlap(x, x.clone()) with x = torch.zeros(6)")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(81)
for dtype in [torch.float32, torch.int64, torch.uint8]:
    x = torch.randint(0, 3, (12,), generator=generator).to(dtype)
    for distance in [-2, 2, 3]:  # before, with one element in common, after
        i = int(torch.randint(2, 6, (), generator=generator))
        j, k = i + 3, i + distance
        called = f"overlap(x[{i}:{j}], x[{k}:{k + 2}])"
        check(overlap, x[i:j], x[k : k + 2], want=distance == 2, called=called)
twin = x.clone()
check(overlap, x[3:7], twin[3:7], want=False, called="overlap(x[3:7], x.clone()[3:7])")
check(overlap, x.view(3, 4)[1], x[4:5], want=True, called="overlap(x.view(3, 4)[1], x[4:5])")
check(overlap, x.view(3, 4)[1], x[8:], want=False, called="overlap(x.view(3, 4)[1], x[8:])")
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "overlap-views", "grade": true, "points": 2}
# Views of all kinds: with gaps, transposed, expanded, without dimensions.
x = torch.zeros(3, 4)
twin = x.clone()
for text, a, b, want in [
    ("x[:, ::2], x[:, 1::2]", x[:, ::2], x[:, 1::2], False),
    ("x[0], x[:, 0]", x[0], x[:, 0], True),
    ("x[0], x[:, 3]", x[0], x[:, 3], True),
    ("x.t()[1], x.t()[2]", x.t()[1], x.t()[2], False),
    ("x[1:, 1:], x.t()[:2]", x[1:, 1:], x.t()[:2], True),
    ("x[1, 2], x[1:]", x[1, 2], x[1:], True),
    ("x[1, 2], x[2, 1]", x[1, 2], x[2, 1], False),
    ("x[:, :1].expand(3, 4), x[:, 1:]", x[:, :1].expand(3, 4), x[:, 1:], False),
    ("x.t(), x.clone().t()", x.t(), twin.t(), False),
]:
    check(overlap, a, b, want=want, called=f"overlap({text}) with x = torch.zeros(3, 4)")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(82)
views = {
    "x[3, 5]": lambda x: x[3, 5],
    "x[2]": lambda x: x[2],
    "x[:, 5]": lambda x: x[:, 5],
    "x[::3, 1::2]": lambda x: x[::3, 1::2],
    "x.t()[2:4]": lambda x: x.t()[2:4],
    "x[1:3, 2:4].t()": lambda x: x[1:3, 2:4].t(),
    "x.view(24)[4::7]": lambda x: x.view(24)[4::7],
    "x[1:2, :1].expand(3, 4)": lambda x: x[1:2, :1].expand(3, 4),
    "x.view(2, 3, 4)[1, :, ::3]": lambda x: x.view(2, 3, 4)[1, :, ::3],
    "x.view(24).unfold(0, 2, 5)": lambda x: x.view(24).unfold(0, 2, 5),
}
x = torch.randint(0, 2, (4, 6), generator=generator, dtype=torch.int32)
cells = torch.arange(24).view(4, 6)
names = list(views)
for i, first in enumerate(names):
    for second in [names[i - 1], names[i - 3]]:
        left, right = views[first], views[second]
        want = bool(set(left(cells).flatten().tolist()) & set(right(cells).flatten().tolist()))
        check(overlap, left(x), right(x), want=want, called=f"overlap({first}, {second})")
twin = x.clone()
for text in names[::4]:
    called = f"overlap(a, b) with a = {text} and b = {text} of a copy of x"
    check(overlap, views[text](x), views[text](twin), want=False, called=called)
check(overlap, torch.tensor(1), torch.tensor(1), want=False)
### END HIDDEN TESTS

# %% [markdown]
# ## 9. From pictures to a batch
#
# `Difficulty ●●○○○ · 5 minutes · 2 points`
#
# Cameras and picture files give the color channels last: height, width, channel.
# The layers of PyTorch want a batch of pictures with the channels first: picture, channel, height, width.
# Write `to_batch(images)`, which makes such a batch from a list of pictures.
# The batch must be contiguous: many fast routines, and `view`, rely on it.
#
# - `images`: a list of at least one tensor, all of the same shape `(H, W, C)` and the same dtype.
# - Returns: a contiguous tensor of shape `(N, C, H, W)` with the same dtype, where `N` is the number of pictures.
#
# ```python
# picture = torch.tensor([[[1, 2], [3, 4], [5, 6]]])  # height 1, width 3, 2 channels
# batch = to_batch([picture, picture])
# batch.shape
# # torch.Size([2, 2, 1, 3])
# batch[0, 1]
# # tensor([[2, 4, 6]])
# ```
#
# <details><summary>Hint</summary>
#
# - Which function puts tensors next to each other along a new dimension: `torch.cat` or `torch.stack`?
# - `permute` reorders the dimensions and `view` relabels them: with which of the two does a pixel keep its color?
# - What does `permute` do to the strides, and what does `is_contiguous()` say afterwards?
#
# </details>

# %% nbgrader={"grade_id": "to_batch", "solution": true}
def to_batch(images):
    """Return the pictures (H, W, C) as one contiguous batch (N, C, H, W)."""
    ### BEGIN SOLUTION
    return torch.stack(images).permute(0, 3, 1, 2).contiguous()
    ### END SOLUTION


# %% nbgrader={"grade_id": "to_batch-values", "grade": true, "points": 1}
picture = torch.tensor([[[1, 2], [3, 4], [5, 6]]])
check(
    to_batch,
    [picture, 10 * picture],
    want=torch.tensor([[[[1, 3, 5]], [[2, 4, 6]]], [[[10, 30, 50]], [[20, 40, 60]]]]),
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(91)
for n, height, width, channels, dtype in [
    (3, 4, 5, 3, torch.float32),
    (1, 2, 3, 4, torch.uint8),
    (2, 3, 3, 3, torch.float64),
    (4, 1, 6, 1, torch.uint8),
]:
    images = [
        (255 * torch.rand(height, width, channels, generator=generator)).to(dtype)
        for _ in range(n)
    ]
    want = torch.zeros(n, channels, height, width, dtype=dtype)
    for i, image in enumerate(images):
        for c in range(channels):
            want[i, c] = image[:, :, c]
    check(to_batch, images, want=want)
views = [torch.rand(3, 5, 2, generator=generator).transpose(0, 1) for _ in range(2)]
check(to_batch, views, want=torch.stack([image.movedim(-1, 0) for image in views]))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "to_batch-contiguous", "grade": true, "points": 1}
picture = torch.tensor([[[1, 2], [3, 4], [5, 6]]])


def check_contiguous(images, want):
    """Check the values of the batch, then whether it is contiguous."""
    batch = checked(to_batch, images, want=want)
    require(
        batch.is_contiguous(),
        "to_batch returned a batch that is not contiguous",
        called=f"to_batch({describe(images)})",
        got=f"a batch with the strides {batch.stride()}",
        expected=f"a contiguous batch, for example with the strides {want.stride()}",
    )


check_contiguous([picture], torch.tensor([[[[1, 3, 5]], [[2, 4, 6]]]]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(92)
for n, shape in [(2, (4, 5, 3)), (1, (3, 2, 2)), (3, (6, 6, 4))]:
    images = [torch.rand(shape, generator=generator) for _ in range(n)]
    want = torch.stack([image.movedim(-1, 0) for image in images]).contiguous()
    check_contiguous(images, want)
check(to_batch, images[:1], want=want[:1])
### END HIDDEN TESTS

# %% [markdown]
# ## 10. Windows of a series, without a copy
#
# `Difficulty ●●●○○ · 7 minutes · 3 points`
#
# To predict the next value of a series, a model looks at the last `width` values.
# So we want all windows: the first starts at element 0, the second at element 1, and so on, until the end of the series is reached.
# With a width of 500, copies of all windows would need 500 times the memory of the series.
# Write `sliding_windows(x, width)`, which returns all windows as a view of `x`: no element is copied, and a change of `x` is seen in the windows.
#
# - `x`: a tensor of shape `(L,)`; it may itself be a view, like every second value of a longer series.
# - `width`: an `int` with `1 <= width <= L`.
# - Returns: a view of `x` of shape `(L - width + 1, width)`.
#
# ```python
# sliding_windows(torch.tensor([1, 2, 3, 4, 5]), 3)
# # tensor([[1, 2, 3],
# #         [2, 3, 4],
# #         [3, 4, 5]])
# ```
#
# <details><summary>Hint</summary>
#
# - How many positions in the storage lie between one element of a window and the next one?
# - How many lie between the start of one window and the start of the next?
# - `x.as_strided` makes a view from a size and strides that you choose: which ones describe the windows?
# - `x.unfold` cuts windows out for you: what do its three arguments mean?
#
# </details>

# %% nbgrader={"grade_id": "sliding_windows", "solution": true}
def sliding_windows(x, width):
    """Return a view of `x` whose row `i` is the window that starts at element `i`."""
    ### BEGIN SOLUTION
    return x.unfold(0, width, 1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "sliding_windows-values", "grade": true, "points": 1}
check(
    sliding_windows,
    torch.tensor([1, 2, 3, 4, 5]),
    3,
    want=torch.tensor([[1, 2, 3], [2, 3, 4], [3, 4, 5]]),
)
check(sliding_windows, torch.tensor([5, 1, 4]), 1, want=torch.tensor([[5], [1], [4]]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(101)
for length, width in [(7, 2), (6, 4), (5, 5), (4, 1), (1, 1), (50, 13)]:
    x = torch.randn(length, generator=generator)
    want = torch.stack([x[i : i + width] for i in range(length - width + 1)])
    check(sliding_windows, x, width, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "sliding_windows-view", "grade": true, "points": 2}
# The series is a view itself.
x = torch.arange(8)[1::2]
want = torch.tensor([[1, 3], [3, 5], [5, 7]])
called = "windows = sliding_windows(x, 2) with x = torch.arange(8)[1::2]"


def check_view(x, width, want, called):
    """Check the windows, then whether they are a view: a change of `x` must be seen in them."""
    windows = checked(sliding_windows, x, width, want=want, called=called)
    old = x[-1].item()
    x[-1] = 1000
    changed = windows[-1, -1].item()
    x[-1] = old
    require(
        changed == 1000,
        "sliding_windows returned a copy instead of a view of x",
        called=f"{called}, then x[-1] = 1000",
        got=f"windows[-1, -1] is still {changed}",
        expected="windows[-1, -1] is 1000",
    )


check_view(x, 2, want, called)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(102)
series = torch.randn(24, generator=generator)
for name, x, width in [
    ("series", series, 5),
    ("series[::2]", series[::2], 3),
    ("series[4:15]", series[4:15], 4),
    ("series[1::3]", series[1::3], 8),
    ("series.view(4, 6)[:, 2]", series.view(4, 6)[:, 2], 2),
]:
    want = torch.stack([x[i : i + width] for i in range(len(x) - width + 1)])
    called = f"windows = sliding_windows(x, {width}) with x = {name}"
    check_view(x, width, want, called)
check(sliding_windows, x, 4, want=x[None], called=f"sliding_windows(x, 4) with x = {name}")
### END HIDDEN TESTS

# %% [markdown]
# ## 11. All distances at once
#
# `Difficulty ●●●○○ · 7 minutes · 2 points`
#
# Search by similarity, clustering and maps need the distance of every point of one list to every point of another.
# These loops say exactly what is wanted:
#
# ```python
# def pairwise_distances_slow(a, b):
#     distances = torch.zeros(len(a), len(b))
#     for i in range(len(a)):
#         for j in range(len(b)):
#             distances[i, j] = ((a[i] - b[j]) ** 2).sum().sqrt()
#     return distances
# ```
#
# They run a few small operations for every pair: too slow for real data, where thousands of points would take minutes.
# Write `pairwise_distances(a, b)`, which gives the same result without a loop: let broadcasting form all the pairs.
# (The tests are small, so the loops pass them too, but with a copy of them you learn nothing about broadcasting.)
# Rounding may change a distance by up to 0.02, but none may be `nan`, not even that of a point to itself.
#
# - `a`: a tensor of shape `(N, D)`, dtype `float32`: `N` points with `D` coordinates each, all between -10 and 10.
# - `b`: a tensor of shape `(M, D)`, dtype `float32`: `M` such points.
# - Returns: a tensor of shape `(N, M)`, dtype `float32`.
#
# ```python
# a = torch.tensor([[0., 0.], [3., 4.]])
# b = torch.tensor([[0., 0.], [0., 4.], [6., 8.]])
# pairwise_distances(a, b)
# # tensor([[ 0.,  4., 10.],
# #         [ 5.,  3.,  5.]])
# ```
#
# <details><summary>Hint</summary>
#
# - Which shapes must `a` and `b` get, so that `a - b` has the shape `(N, M, D)`?
# - Which function inserts a dimension of size 1?
# - Over which dimension do you sum afterwards?
#
# </details>

# %% nbgrader={"grade_id": "pairwise_distances", "solution": true}
def pairwise_distances(a, b):
    """Return the Euclidean distance of every row of `a` to every row of `b`."""
    ### BEGIN SOLUTION
    difference = a.unsqueeze(1) - b.unsqueeze(0)
    return (difference**2).sum(dim=2).sqrt()
    ### END SOLUTION


# %% nbgrader={"grade_id": "pairwise_distances-values", "grade": true, "points": 2}
check(
    pairwise_distances,
    torch.tensor([[0.0, 0.0], [3.0, 4.0]]),
    torch.tensor([[0.0, 0.0], [0.0, 4.0], [6.0, 8.0]]),
    want=torch.tensor([[0.0, 4.0, 10.0], [5.0, 3.0, 5.0]]),
    atol=0.02,
)
# Four points against themselves, each 2.7 from the next one.
points = 0.1 * torch.arange(36.0).view(4, 9) - 2
steps = torch.tensor([[0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]])
called = "pairwise_distances(points, points) with points = 0.1 * torch.arange(36.0).view(4, 9) - 2"
check(pairwise_distances, points, points, want=2.7 * steps, atol=0.02, called=called)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(111)
for n, m, d in [(4, 3, 2), (3, 3, 3), (5, 2, 1), (1, 6, 4), (6, 1, 4), (20, 25, 8)]:
    a = 20 * torch.rand(n, d, generator=generator) - 10
    b = 20 * torch.rand(m, d, generator=generator) - 10
    want = torch.tensor([[math.dist(p, q) for q in b.tolist()] for p in a.tolist()])
    check(pairwise_distances, a, b, want=want, atol=0.02)
points = 6 * torch.rand(40, 16, generator=generator) - 3
want = torch.tensor([[math.dist(p, q) for q in points.tolist()] for p in points.tolist()])
check(pairwise_distances, points, points, want=want, atol=0.02)
### END HIDDEN TESTS

# %% [markdown]
# ## 12. Compare questions with keys
#
# `Difficulty ●●●○○ · 6 minutes · 2 points`
#
# The heart of a language model, attention, compares every query vector with every key vector by their dot product.
# It does so for a whole batch of texts, and only within each text.
# These loops say exactly what is wanted:
#
# ```python
# def similarity_scores_slow(queries, keys):
#     batch, n, _ = queries.shape
#     _, m, _ = keys.shape
#     scores = torch.zeros(batch, n, m)
#     for b in range(batch):
#         for i in range(n):
#             for j in range(m):
#                 scores[b, i, j] = (queries[b, i] * keys[b, j]).sum()
#     return scores
# ```
#
# Write `similarity_scores(queries, keys)`, which gives the same result without a loop, for example with one matrix product or one `torch.einsum`.
#
# - `queries`: a tensor of shape `(B, N, D)`, dtype `float32`.
# - `keys`: a tensor of shape `(B, M, D)`, dtype `float32`.
# - Returns: a tensor of shape `(B, N, M)`, dtype `float32`.
#
# ```python
# queries = torch.tensor([[[1., 0.], [1., 2.]]])
# keys = torch.tensor([[[3., 4.], [5., 6.], [7., 8.]]])
# similarity_scores(queries, keys)
# # tensor([[[ 3.,  5.,  7.],
# #          [11., 17., 23.]]])
# ```
#
# <details><summary>Hint</summary>
#
# - Which shapes does `@` multiply, and what does it do with the dimensions in front of the last two?
# - Which two dimensions of `keys` have to change places?
# - If you name the dimensions `b`, `n`, `m` and `d`: which letter disappears from the result?
#
# </details>

# %% nbgrader={"grade_id": "similarity_scores", "solution": true}
def similarity_scores(queries, keys):
    """Return the dot product of every query with every key of the same text."""
    ### BEGIN SOLUTION
    return torch.einsum("bnd,bmd->bnm", queries, keys)
    ### END SOLUTION


# %% nbgrader={"grade_id": "similarity_scores-values", "grade": true, "points": 2}
check(
    similarity_scores,
    torch.tensor([[[1.0, 0.0], [1.0, 2.0]]]),
    torch.tensor([[[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]]),
    want=torch.tensor([[[3.0, 5.0, 7.0], [11.0, 17.0, 23.0]]]),
)
# Two texts: each has its own queries and its own keys.
check(
    similarity_scores,
    torch.tensor([[[1.0, 0.0], [1.0, 2.0]], [[0.0, 1.0], [2.0, 0.0]]]),
    torch.tensor([[[3.0, 4.0], [5.0, 6.0]], [[1.0, 7.0], [2.0, 9.0]]]),
    want=torch.tensor([[[3.0, 5.0], [11.0, 17.0]], [[7.0, 9.0], [2.0, 4.0]]]),
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(121)
for batch, n, m, d in [(2, 3, 4, 5), (3, 3, 3, 3), (4, 2, 5, 1), (1, 1, 1, 6), (2, 4, 2, 4)]:
    queries = torch.randn(batch, n, d, generator=generator)
    keys = torch.randn(batch, m, d, generator=generator)
    want = torch.zeros(batch, n, m)
    for b in range(batch):
        for i in range(n):
            for j in range(m):
                want[b, i, j] = (queries[b, i] * keys[b, j]).sum()
    check(similarity_scores, queries, keys, want=want, atol=1e-4)
turned = torch.randn(2, 5, 4, generator=generator).transpose(1, 2)
want = torch.stack([turned[b] @ turned[b].t() for b in range(2)])
check(similarity_scores, turned, turned.clone(), want=want, atol=1e-4)
### END HIDDEN TESTS
