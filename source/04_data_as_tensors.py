# %% [markdown]
# # Exercises: data as tensors
#
# Read `notebooks/04_data_as_tensors` first.
# Each exercise has a statement, a cell for your answer and one or more test cells.
# Replace the line `raise NotImplementedError()` with your answer, run the cell, then run the tests below it.
# A test that passes prints nothing.
# A test that fails says what it called, what it got and what it expected.
# A `NameError` means that a cell above, the set-up or your answer, was not run, or that a name is misspelled.
# The tests look at what your function does, not at how it is written: every way that gives the right result counts.
# Where a result is not a whole number, a small difference by rounding is fine.
# Before grading, more tests are added to each test cell: they call your function with other inputs that fit the statement.
#
# Run the next cell first: it loads PyTorch, h5py and the checker that the tests use, and finds the folder `data`.

# %% nbgrader={"grade_id": "setup", "locked": true}
import csv
import inspect
import io
import math
import re
import traceback
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import torch
from torch.nn import functional as F

DATA = next(p / "data" for p in [Path.cwd(), *Path.cwd().parents] if (p / "data" / "README.md").exists())
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
# ## 1. Read a table
#
# `Difficulty ●●○○○ · 6 minutes · 3 points`
#
# Somebody sends you measurements as text: names in the first line, then one sample per line.
# Write `parse_table(text, delimiter)`, which returns the names and the values.
#
# - `text`: a `str` with at least two lines.
#   The first line holds at least two names; a name may stand in double quotes, and may then contain the delimiter.
#   Each other line holds one number for each name, written as Python writes numbers.
#   A number that is missing is written as `NA` or as nothing at all.
#   Lines end with `\n` or `\r\n`; empty lines, also at the end, mean nothing.
# - `delimiter`: the character between two values, a `str` like `";"`.
# - Returns: a tuple of a list of the names, without quotes, and a tensor of shape `(samples, names)`, dtype `float32`, with `nan` where a number is missing.
#
# ```python
# names, values = parse_table('"pH";"alcohol"\n3.0;8.5\nNA;9\n\n3.5;\n', ";")
# names
# # ['pH', 'alcohol']
# values
# # tensor([[3.0000, 8.5000],
# #         [   nan, 9.0000],
# #         [3.5000,    nan]])
# ```
#
# <details><summary>Hint</summary>
#
# - What does `csv.reader` do with quotes, and what does it read from: a text, or lines?
# - What gives `float("")`, and what `float("nan")`?
# - Which line ends does `str.splitlines` know?
#
# </details>

# %% nbgrader={"grade_id": "parse_table", "solution": true}
def parse_table(text, delimiter):
    """Return the names in the first line of `text` and the numbers in the others."""
    ### BEGIN SOLUTION
    lines = [line for line in text.splitlines() if line]
    names, *rows = csv.reader(lines, delimiter=delimiter)
    values = [[float("nan") if cell in ("", "NA") else float(cell) for cell in row] for row in rows]
    return names, torch.tensor(values)
    ### END SOLUTION


# %% nbgrader={"grade_id": "parse_table-values", "grade": true, "points": 1}
# Plain names, and every number is there.
want = (["pH", "alcohol"], torch.tensor([[3.0, 8.5], [3.5, 9.0], [2.75, 10.25]]))
check(parse_table, "pH;alcohol\n3.0;8.5\n3.5;9\n2.75;10.25", ";", want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(11)
for rows, columns, delimiter in [(4, 3, ","), (1, 2, "\t"), (7, 5, "|"), (3, 3, ";")]:
    values = torch.randint(-99, 99, (rows, columns), generator=generator) / 8
    names = [f"x{i}" for i in range(columns)]
    lines = [names, *[[f"{value}" for value in row] for row in values.tolist()]]
    text = "\n".join(delimiter.join(line) for line in lines)
    check(parse_table, text, delimiter, want=(names, values))
check(parse_table, "a,b\n1e-3,-2.5E2\n", ",", want=(["a", "b"], torch.tensor([[0.001, -250.0]])))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "parse_table-names", "grade": true, "points": 1}
# Names in quotes, and a real file: its first lines hold eleven measurements and the grade of a wine.
want = (["pH", "alcohol; % by volume"], torch.tensor([[3.0, 8.5], [3.5, 9.0]]))
check(parse_table, '"pH";"alcohol; % by volume"\n3.0;8.5\n3.5;9\n', ";", want=want)
text = (DATA / "winequality-white.csv").read_text(encoding="ascii")
text = "".join(line for line in text.splitlines(keepends=True)[:4])
names = ["fixed acidity", "volatile acidity", "citric acid", "residual sugar", "chlorides"]
names += ["free sulfur dioxide", "total sulfur dioxide", "density", "pH", "sulphates"]
names += ["alcohol", "quality"]
rows = [[7, 0.27, 0.36, 20.7, 0.045, 45, 170, 1.001, 3, 0.45, 8.8, 6]]
rows += [[6.3, 0.3, 0.34, 1.6, 0.049, 14, 132, 0.994, 3.3, 0.49, 9.5, 6]]
rows += [[8.1, 0.28, 0.4, 6.9, 0.05, 30, 97, 0.9951, 3.26, 0.44, 10.1, 6]]
check(parse_table, text, ";", want=(names, torch.tensor(rows)))
### BEGIN HIDDEN TESTS
text = (DATA / "winequality-white.csv").read_text(encoding="ascii")
numbers = [[float(cell) for cell in line.split(";")] for line in text.splitlines()[1:1001]]
part = "\n".join(text.splitlines()[:1001]) + "\n"
called = "parse_table(text, ';') with the first 1001 lines of winequality-white.csv"
check(parse_table, part, ";", want=(names, torch.tensor(numbers)), called=called)
want = (["a,b", "c", "d, e"], torch.tensor([[1.0, 2.0, 3.0]]))
check(parse_table, '"a,b",c,"d, e"\n1,2,3', ",", want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "parse_table-missing", "grade": true, "points": 1}
# Missing numbers, empty lines, both kinds of line ends.
nan = float("nan")
want = (["a", "b"], torch.tensor([[3.0, 8.5], [nan, 9.0], [3.5, nan]]))
check(parse_table, "a;b\n3.0;8.5\nNA;9\n\n3.5;\n", ";", want=want)
check(parse_table, "a;b\r\n3.0;8.5\r\nNA;9\r\n\r\n3.5;\r\n", ";", want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(12)
for end in ["\n", "\r\n"]:
    values = torch.randint(-99, 99, (6, 4), generator=generator) / 4
    values[torch.rand(6, 4, generator=generator) < 0.3] = nan
    values[0, 0] = values[2, 3] = nan
    values[1, 1] = 0.0
    lines = ["a,b,c,d"]
    for i, row in enumerate(values.tolist()):
        lines.append(",".join(("NA" if i % 2 else "") if v != v else f"{v:g}" for v in row))
        lines += [""] * (i % 3)
    check(parse_table, end.join(lines) + end, ",", want=(list("abcd"), values))
want = (["a", "b"], torch.tensor([[nan, nan], [1.0, nan]]))
check(parse_table, "a,b\n,\n1,NA\n\n", ",", want=want)
check(parse_table, "a,b\nNA,NA\r\n1,\r\n", ",", want=want)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. One ruler for training and test
#
# `Difficulty ●●○○○ · 5 minutes · 2 points`
#
# Write `standardize_splits(train, test)`, which standardizes the columns of both parts of a table.
# What you know about the data, you know from the training part: take mean and standard deviation (`std`, with its default correction) of each column from it, and use them for both parts.
# Where the standard deviation of a column is 0, divide by 1 instead.
# Leave both tables as they are.
#
# - `train`: a tensor of shape `(N, C)`, dtype `float32`, with `N >= 2`.
#   A column whose values are all equal holds a whole number below 1000, so that its standard deviation is exactly 0.
# - `test`: a tensor of shape `(M, C)`, dtype `float32`, with `M >= 1`.
# - Returns: a tuple of two new tensors, of the shapes of `train` and `test`, dtype `float32`.
#
# ```python
# train, test = torch.tensor([[1., 10.], [2., 20.], [3., 30.]]), torch.tensor([[4., 20.]])
# standardize_splits(train, test)[0]
# # tensor([[-1., -1.],
# #         [ 0.,  0.],
# #         [ 1.,  1.]])
# standardize_splits(train, test)[1]
# # tensor([[2., 0.]])
# ```
#
# <details><summary>Hint</summary>
#
# - Which of the two tables may `mean` and `std` see?
# - A single new sample arrives: which mean could it have of its own?
# - What is left of a test value in a column that is constant in training?
#
# </details>

# %% nbgrader={"grade_id": "standardize_splits", "solution": true}
def standardize_splits(train, test):
    """Return both tables, scaled by mean and standard deviation of the columns of `train`."""
    ### BEGIN SOLUTION
    mean, std = train.mean(dim=0), train.std(dim=0)
    std[std == 0] = 1
    return (train - mean) / std, (test - mean) / std
    ### END SOLUTION


# %% nbgrader={"grade_id": "standardize_splits-values", "grade": true, "points": 1}
train = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
want = (torch.tensor([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]), torch.tensor([[2.0, 0.0], [3.0, -3.0]]))
check(standardize_splits, train, torch.tensor([[4.0, 20.0], [5.0, -10.0]]), want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(21)
for n, m, columns in [(6, 4, 3), (5, 5, 5), (30, 7, 2), (2, 9, 1)]:
    scale = 10 * torch.rand(columns, generator=generator) + 0.5
    train = scale * torch.randn(n, columns, generator=generator) + 3 * scale
    test = scale * torch.randn(m, columns, generator=generator) - 2
    columns_of = [(train[:, j], test[:, j]) for j in range(columns)]
    wants = [[], []]
    for a, b in columns_of:
        mean = sum(a.tolist()) / n
        std = math.sqrt(sum((v - mean) ** 2 for v in a.tolist()) / (n - 1))
        wants[0].append((a - mean) / std)
        wants[1].append((b - mean) / std)
    want = (torch.stack(wants[0], dim=1), torch.stack(wants[1], dim=1))
    check(standardize_splits, train, test, want=want, rtol=1e-3, atol=1e-4)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "standardize_splits-edges", "grade": true, "points": 1}
# One sample alone, and a column that is constant in training.
train = torch.tensor([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
want = (torch.tensor([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0, 2.5]]))
check(standardize_splits, train, torch.tensor([[4.0, 7.5]]), want=want)
### BEGIN HIDDEN TESTS
train = torch.tensor([[0.0, 1.0, -4.0], [0.0, 3.0, -4.0]])
test = torch.tensor([[0.0, 2.0, -4.0], [-0.25, 4.0, 6.0]])
r = 2**-0.5
want = (
    torch.tensor([[0.0, -r, 0.0], [0.0, r, 0.0]]),
    torch.tensor([[0.0, 0.0, 0.0], [-0.25, 2 * r, 10.0]]),
)
check(standardize_splits, train, test, want=want)
train, test = torch.tensor([[1.0], [2.0], [6.0]]), torch.tensor([[3.0], [3.0]])
deviation = 7**0.5
want = (torch.tensor([[-2.0], [-1.0], [3.0]]) / deviation, torch.tensor([[0.0], [0.0]]))
check(standardize_splits, train, test, want=want)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A channel for each kind of weather
#
# `Difficulty ●●●○○ · 6 minutes · 3 points`
#
# A table of days and hours says which kind of weather it was: 0, 1, 2 and so on.
# A convolution over the hours wants channels, so give each kind a channel of its own, with 1 in the hours when it was so, and 0 in the others.
# Write `one_hot_channels(labels, classes)`.
# An hour that nobody observed has the label -1, and gets 0 in every channel.
# Leave `labels` as it is.
#
# - `labels`: a tensor of shape `(N, L)`, dtype `int64`, with values from -1 to `classes - 1`.
# - `classes`: an `int`, at least 1; not every class needs to occur.
# - Returns: a tensor of shape `(N, classes, L)`, dtype `float32`.
#
# ```python
# one_hot_channels(torch.tensor([[0, 2, 1, 1]]), 3)
# # tensor([[[1., 0., 0., 0.],
# #          [0., 0., 1., 1.],
# #          [0., 1., 0., 0.]]])
# ```
#
# <details><summary>Hint</summary>
#
# - Which shape must the index of `scatter_` have, when it writes along `dim=1`?
# - `F.one_hot` puts the classes last: which function moves an axis?
# - What can a label of -1 do as an index, and which harmless class could it stand for at first?
# - Or: what gives the comparison of `labels.unsqueeze(1)` with `torch.arange(classes)` of a fitting shape?
#
# </details>

# %% nbgrader={"grade_id": "one_hot_channels", "solution": true}
def one_hot_channels(labels, classes):
    """Return a channel of zeros and ones for each class."""
    ### BEGIN SOLUTION
    encoded = F.one_hot(labels + 1, num_classes=classes + 1)  # class 0 is for what is missing
    return encoded[:, :, 1:].transpose(1, 2).float()
    ### END SOLUTION


# %% nbgrader={"grade_id": "one_hot_channels-values", "grade": true, "points": 2}
want = torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]]])
check(one_hot_channels, torch.tensor([[0, 2, 1, 1]]), 3, want=want)
# Two days, and a class that does not occur.
want = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]])
check(one_hot_channels, torch.tensor([[1, 0], [0, 0]]), 3, want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(31)
for n, length, classes in [(3, 5, 4), (4, 4, 4), (1, 24, 4), (6, 1, 2), (2, 3, 7), (5, 2, 1)]:
    labels = torch.randint(0, classes, (n, length), generator=generator)
    want = torch.zeros(n, classes, length)
    for i, row in enumerate(labels.tolist()):
        for j, label in enumerate(row):
            want[i, label, j] = 1
    check(one_hot_channels, labels, classes, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "one_hot_channels-missing", "grade": true, "points": 1}
want = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
check(one_hot_channels, torch.tensor([[0, -1, 1]]), 2, want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(32)
check(one_hot_channels, torch.full((2, 3), -1), 3, want=torch.zeros(2, 3, 3))
for n, length, classes in [(3, 6, 3), (4, 4, 4), (2, 24, 5)]:
    labels = torch.randint(-1, classes, (n, length), generator=generator)
    labels[0, :2] = torch.tensor([-1, classes - 1])
    want = torch.stack([(labels == kind).float() for kind in range(classes)], dim=1)
    check(one_hot_channels, labels, classes, want=want)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Judge a rule
#
# `Difficulty ●●○○○ · 6 minutes · 3 points`
#
# A rule says for each sample yes or no, and you know the truth.
# Write `score_rule(predicted, actual)`, which counts and judges.
#
# - True positives: predicted and actual; false positives: predicted, but not actual; false negatives: actual, but not predicted; true negatives: neither.
# - *Precision*: the fraction of the predicted that is actual.
# - *Recall*: the fraction of the actual that is predicted.
# - *F1*: `2 · precision · recall / (precision + recall)`.
#
# Where such a quotient is 0 / 0, the result is 0.0.
#
# - `predicted`, `actual`: tensors of shape `(N,)`, dtype `bool`, with `N >= 1`.
# - Returns: a tuple of two tuples: `(true_positives, false_positives, false_negatives, true_negatives)` as `int`, and `(precision, recall, f1)` as `float`.
#
# ```python
# score_rule(torch.tensor([True, True, True, True]), torch.tensor([True, False, False, False]))
# # ((1, 3, 0, 0), (0.25, 1.0, 0.4))
# ```
#
# <details><summary>Hint</summary>
#
# - What do `&` and `~` do with boolean tensors, and what does `sum` count?
# - How do you get a Python number out of a tensor?
# - When is there nothing to divide by: for precision, for recall, for F1?
#
# </details>

# %% nbgrader={"grade_id": "score_rule", "solution": true}
def score_rule(predicted, actual):
    """Return (TP, FP, FN, TN) and (precision, recall, F1)."""
    ### BEGIN SOLUTION
    true_positives = (predicted & actual).sum().item()
    false_positives = (predicted & ~actual).sum().item()
    false_negatives = (~predicted & actual).sum().item()
    true_negatives = (~predicted & ~actual).sum().item()

    def divide(a, b):
        return a / b if b else 0.0

    precision = divide(true_positives, true_positives + false_positives)
    recall = divide(true_positives, true_positives + false_negatives)
    f1 = divide(2 * precision * recall, precision + recall)
    counts = (true_positives, false_positives, false_negatives, true_negatives)
    return counts, (precision, recall, f1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "score_rule-values", "grade": true, "points": 2}
yes, no = True, False
predicted, actual = torch.tensor([yes, yes, yes, yes]), torch.tensor([yes, no, no, no])
check(score_rule, predicted, actual, want=((1, 3, 0, 0), (0.25, 1.0, 0.4)))
predicted = torch.tensor([yes, yes, no, no, no, no, no])
actual = torch.tensor([yes, no, yes, yes, yes, no, no])
check(score_rule, predicted, actual, want=((1, 1, 3, 2), (0.5, 0.25, 1 / 3)))
### BEGIN HIDDEN TESTS
for counts in [(2, 5, 3, 7), (4, 1, 2, 0), (1, 0, 0, 1), (30, 20, 9, 11), (5, 2, 2, 4)]:
    tp, fp, fn, tn = counts
    predicted = torch.tensor([yes] * (tp + fp) + [no] * (fn + tn))
    actual = torch.tensor([yes] * tp + [no] * fp + [yes] * fn + [no] * tn)
    order = torch.randperm(len(actual), generator=torch.Generator().manual_seed(41))
    scores = (tp / (tp + fp), tp / (tp + fn), 2 * tp / (2 * tp + fp + fn))
    check(score_rule, predicted[order], actual[order], want=(counts, scores))
table = np.loadtxt(DATA / "winequality-white.csv", delimiter=";", skiprows=1, dtype=np.float32)
wine = torch.from_numpy(table)
want = ((2018, 709, 1240, 931), (2018 / 2727, 2018 / 3258, 4036 / 5985))
called = "score_rule(wine[:, 6] < 141.83, wine[:, 11] > 5)"
check(score_rule, wine[:, 6] < 141.83, wine[:, 11] > 5, want=want, called=called)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "score_rule-zero", "grade": true, "points": 1}
# Nothing is predicted; nothing is actual; no prediction is right.
yes, no = True, False
check(score_rule, torch.tensor([no, no]), torch.tensor([yes, no]), want=((0, 0, 1, 1), (0.0,) * 3))
check(score_rule, torch.tensor([yes, no]), torch.tensor([no, no]), want=((0, 1, 0, 1), (0.0,) * 3))
check(score_rule, torch.tensor([yes, no]), torch.tensor([no, yes]), want=((0, 1, 1, 0), (0.0,) * 3))
### BEGIN HIDDEN TESTS
check(score_rule, torch.tensor([no] * 5), torch.tensor([no] * 5), want=((0, 0, 0, 5), (0.0,) * 3))
check(score_rule, torch.tensor([no] * 3), torch.tensor([yes] * 3), want=((0, 0, 3, 0), (0.0,) * 3))
check(score_rule, torch.tensor([yes] * 2), torch.tensor([no] * 2), want=((0, 2, 0, 0), (0.0,) * 3))
check(score_rule, torch.tensor([yes] * 2), torch.tensor([yes] * 2), want=((2, 0, 0, 0), (1.0,) * 3))
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Fill the missing hours
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# A weather station writes one row per hour, but now and then it fails, and rows are missing.
# A network wants every hour of every day.
# Write `fill_hours(days, hours, values)`, which returns all hours in their places.
# A missing hour gets the values of the last measured hour before it, which may lie on a day before.
# The hours before the first measured one get the values of that first one.
# Leave the arguments as they are.
#
# - `days`: a tensor of shape `(N,)`, dtype `int64`: the day of each row, at least 0; the last day that occurs is the last one of the result.
# - `hours`: a tensor of shape `(N,)`, dtype `int64`: its hour, from 0 to 23.
#   No two rows are of the same hour of the same day, but the rows may come in any order; `N >= 1`.
# - `values`: a tensor of shape `(N, C)`, dtype `float32`, with finite numbers.
# - Returns: a tensor of shape `(D, 24, C)`, dtype `float32`, where `D` is the last day plus 1.
#
# ```python
# filled = fill_hours(torch.tensor([0, 0]), torch.tensor([5, 2]), torch.tensor([[8.], [7.]]))
# filled.shape
# # torch.Size([1, 24, 1])
# filled[0, :7, 0]
# # tensor([7., 7., 7., 7., 7., 8., 8.])
# ```
#
# <details><summary>Hint</summary>
#
# - How do you number all hours of all days, from 0 on?
# - When you walk through these numbers in order, what do you have to remember?
# - What does `cummax` give for the positions of the measured hours, with 0 (or -1) where none was measured?
#
# </details>

# %% nbgrader={"grade_id": "fill_hours", "solution": true}
def fill_hours(days, hours, values):
    """Return the values of all hours of all days; a gap repeats what was measured before it."""
    ### BEGIN SOLUTION
    time = 24 * days + hours
    count = 24 * (int(days.max()) + 1)
    row = torch.full((count,), -1)
    row[time] = torch.arange(len(time))
    measured = torch.where(row >= 0, torch.arange(count), time.min())
    last = measured.cummax(dim=0).values
    return values[row[last]].view(-1, 24, values.shape[1])
    ### END SOLUTION


# %% nbgrader={"grade_id": "fill_hours-places", "grade": true, "points": 1}
# Nothing is missing, and the rows come in another order than the hours.
hours = torch.arange(23, -1, -1)
want = torch.arange(24.0).view(1, 24, 1)
called = "fill_hours(torch.zeros(24).long(), hours, hours.view(24, 1).float()) with hours 23 ... 0"
check(fill_hours, torch.zeros(24).long(), hours, hours.view(24, 1).float(), want=want, called=called)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(51)
for count, columns in [(3, 2), (2, 5), (24, 3)]:
    grid = torch.randn(count, 24, columns, generator=generator)
    order = torch.randperm(24 * count, generator=generator)
    values = grid.view(-1, columns)[order]
    called = f"fill_hours(days, hours, values) with all hours of {count} days in any order"
    check(fill_hours, order // 24, order % 24, values, want=grid, called=called)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "fill_hours-gaps", "grade": true, "points": 1}
# Gaps in the middle; the first hour of all was measured.
hours = torch.tensor([0, 2, 3, 20])
values = torch.tensor([[1.0, -1.0], [2.0, -2.0], [0.0, -3.0], [4.0, -4.0]])
want = values[[0] * 2 + [1] + [2] * 17 + [3] * 4].view(1, 24, 2)
check(fill_hours, torch.zeros(4).long(), hours, values, want=want)
# A gap that ends on the next day.
want = torch.tensor([3.0] * 30 + [5.0] * 18).view(2, 24, 1)
check(fill_hours, torch.tensor([0, 1]), torch.tensor([0, 6]), torch.tensor([[3.0], [5.0]]), want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(52)
for count, rows in [(2, 20), (4, 60), (5, 9), (1, 23)]:
    time = torch.cat([torch.zeros(1).long(), 24 * count - 1 - torch.randperm(24 * count - 1, generator=generator)[: rows - 1]])
    time = torch.cat([time, torch.tensor([24 * count - 5])]).unique()
    time = time[torch.randperm(len(time), generator=generator)]
    values = torch.randn(len(time), 3, generator=generator)
    values[1] = 0.0
    row_of, want, last = {t: i for i, t in enumerate(time.tolist())}, [], 0
    for t in range(24 * count):
        last = row_of.get(t, last)
        want.append(values[last])
    want = torch.stack(want).view(count, 24, 3)
    called = f"fill_hours(days, hours, values) with {len(time)} of {24 * count} hours"
    check(fill_hours, time // 24, time % 24, values, want=want, called=called)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "fill_hours-start", "grade": true, "points": 1}
# The first hours were not measured.
want = torch.tensor([7.0] * 5 + [8.0] * 19).view(1, 24, 1)
check(fill_hours, torch.tensor([0, 0]), torch.tensor([5, 2]), torch.tensor([[8.0], [7.0]]), want=want)
### BEGIN HIDDEN TESTS
# The first day and more were not measured; a single row; a row of zeros.
want = torch.tensor([[1.5, -2.0]] * 50 + [[0.0, 0.0]] * 22).view(3, 24, 2)
values = torch.tensor([[0.0, 0.0], [1.5, -2.0]])
check(fill_hours, torch.tensor([2, 1]), torch.tensor([2, 3]), values, want=want)
want = torch.full((4, 24, 1), -3.0)
check(fill_hours, torch.tensor([3]), torch.tensor([0]), torch.tensor([[-3.0]]), want=want)
check(fill_hours, torch.tensor([3]), torch.tensor([23]), torch.tensor([[-3.0]]), want=want)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Windows with their next value
#
# `Difficulty ●●●○○ · 6 minutes · 3 points`
#
# To predict the next hour, a network looks at the hours before it.
# From a series of rows, make all pairs of a window and the row that follows it.
# Write `make_windows(series, length)`, which returns both as views of the series: nothing is copied, and a change of the series is seen in them.
# A convolution wants the windows as window × channel × time.
#
# - `series`: a tensor of shape `(T, C)`; it may itself be a view.
# - `length`: an `int`, at least 1 and less than `T`.
# - Returns: a tuple of the windows, of shape `(T - length, C, length)`, and the targets, of shape `(T - length, C)`: target `i` is the row that follows window `i`.
#
# ```python
# series = torch.tensor([[1, 10], [2, 20], [3, 30], [4, 40]])
# windows, targets = make_windows(series, 2)
# windows[1]
# # tensor([[ 2,  3],
# #         [20, 30]])
# targets
# # tensor([[ 3, 30],
# #         [ 4, 40]])
# ```
#
# <details><summary>Hint</summary>
#
# - How many windows have a row after them?
# - Where does `unfold` put the axis of the window?
# - Which row is the first target, and which the last one?
#
# </details>

# %% nbgrader={"grade_id": "make_windows", "solution": true}
def make_windows(series, length):
    """Return all windows of `length` rows that have a next row, and these next rows, as views."""
    ### BEGIN SOLUTION
    windows = series.unfold(0, length, 1)
    return windows[:-1], series[length:]
    ### END SOLUTION


# %% nbgrader={"grade_id": "make_windows-values", "grade": true, "points": 2}
series = torch.tensor([[1, 10], [2, 20], [3, 30], [4, 40]])
windows = torch.tensor([[[1, 2], [10, 20]], [[2, 3], [20, 30]]])
check(make_windows, series, 2, want=(windows, torch.tensor([[3, 30], [4, 40]])))
check(make_windows, series, 3, want=(series[:3].t().unsqueeze(0), series[3:]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(61)
for steps, columns, length in [(9, 3, 4), (8, 4, 4), (6, 2, 1), (5, 1, 3), (40, 5, 24), (4, 3, 3)]:
    series = torch.randn(steps, columns, generator=generator)
    windows = torch.stack([series[i : i + length].t() for i in range(steps - length)])
    targets = torch.stack([series[i + length] for i in range(steps - length)])
    check(make_windows, series, length, want=(windows, targets))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "make_windows-view", "grade": true, "points": 1}
def check_views(series, length, text):
    """Check the values, then whether a change of the series is seen in both results."""
    called = f"windows, targets = make_windows(series, {length}) with series = {text}"
    count = len(series) - length
    windows = torch.stack([series[i : i + length].t() for i in range(count)])
    got = checked(make_windows, series, length, want=(windows, series[length:].clone()), called=called)
    old = series[length].clone()
    series[length] = 1000
    for name, seen in [("windows", got[0][1, :, -1]), ("targets", got[1][0])]:
        require(
            (seen == 1000).all(),
            f"make_windows returned {name} that are a copy instead of a view of the series",
            called=f"{called}, then series[{length}] = 1000",
            got=f"the old values in {name}",
            expected=f"1000 where {name} show that row",
        )
    series[length] = old


check_views(torch.arange(8).view(4, 2), 2, "torch.arange(8).view(4, 2)")
### BEGIN HIDDEN TESTS
series = torch.arange(6).view(3, 2)
check(make_windows, series, 1, want=(series[:2].view(2, 2, 1), series[1:]))
check_views(torch.arange(30.0).view(10, 3), 4, "torch.arange(30.).view(10, 3)")
check_views(torch.arange(30.0).view(10, 3)[::2], 3, "torch.arange(30.).view(10, 3)[::2]")
check_views(torch.arange(30.0).view(3, 10).t(), 5, "torch.arange(30.).view(3, 10).t()")
check_views(torch.arange(36.0).view(9, 4)[1:, 1:3], 1, "torch.arange(36.).view(9, 4)[1:, 1:3]")
### END HIDDEN TESTS

# %% [markdown]
# ## 7. Words as indices
#
# `Difficulty ●●●○○ · 6 minutes · 3 points`
#
# A network gets words as indices into a vocabulary.
# Write `encode_words(train, test, least)`, which makes the vocabulary from the training text and returns both texts as indices.
# Words that are rare in training teach nothing, and other words are not known at all: both become the index 0.
#
# - `train`: a list of at least one word, each a `str`.
# - `test`: a list of words; it may be empty.
# - `least`: an `int`, at least 1: a word belongs to the vocabulary when it occurs at least so often in `train`.
# - Returns: a tuple of three: the vocabulary, a list with `"<unknown>"` first, then the words in the order of `sorted`; the indices of `train`; and the indices of `test`, tensors of dtype `int64`, as long as the texts.
#   No text contains the word `"<unknown>"`.
#
# ```python
# train = ["it", "is", "a", "truth", "it", "is"]
# vocabulary, train_indices, test_indices = encode_words(train, ["is", "it", "love"], 2)
# vocabulary
# # ['<unknown>', 'is', 'it']
# train_indices
# # tensor([2, 1, 0, 0, 2, 1])
# test_indices
# # tensor([1, 2, 0])
# ```
#
# <details><summary>Hint</summary>
#
# - What does `collections.Counter` do with a list?
# - Which method of a `dict` has an answer for keys that are not there?
# - Which dtype has `torch.tensor([])`?
#
# </details>

# %% nbgrader={"grade_id": "encode_words", "solution": true}
def encode_words(train, test, least):
    """Return the vocabulary of `train`, and both texts as indices into it."""
    ### BEGIN SOLUTION
    counts = Counter(train)
    vocabulary = ["<unknown>", *sorted(word for word in counts if counts[word] >= least)]
    index_of = {word: i for i, word in enumerate(vocabulary)}

    def encode(words):
        return torch.tensor([index_of.get(word, 0) for word in words], dtype=torch.int64)

    return vocabulary, encode(train), encode(test)
    ### END SOLUTION


# %% nbgrader={"grade_id": "encode_words-known", "grade": true, "points": 1}
# Every word is known.
want = (["<unknown>", "is", "it"], torch.tensor([2, 1, 2]), torch.tensor([1, 2]))
check(encode_words, ["it", "is", "it"], ["is", "it"], 1, want=want)
### BEGIN HIDDEN TESTS
text = (DATA / "pride-and-prejudice.txt").read_text(encoding="ascii")
words = [word for word in text[20000:40000].lower().split() if word.isalpha()]
vocabulary = ["<unknown>", *sorted(set(words))]
train = torch.tensor([vocabulary.index(word) for word in words])
called = "encode_words(words, words[100:200], 1) with words of pride-and-prejudice.txt"
want = (vocabulary, train, train[100:200])
check(encode_words, words, words[100:200], 1, want=want, called=called)
want = (["<unknown>", "A", "B", "a", "é"], torch.tensor([3, 2, 1, 4, 3]), torch.tensor([4]))
check(encode_words, ["a", "B", "A", "é", "a"], ["é"], 1, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "encode_words-unknown", "grade": true, "points": 1}
# Rare words, and words that the training text does not have.
train = ["it", "is", "a", "truth", "it", "is"]
want = (["<unknown>", "is", "it"], torch.tensor([2, 1, 0, 0, 2, 1]), torch.tensor([1, 2, 0]))
check(encode_words, train, ["is", "it", "love"], 2, want=want)
# A word that is frequent in the test text only.
want = (["<unknown>", "a", "b"], torch.tensor([1, 2]), torch.tensor([0, 0, 2]))
check(encode_words, ["a", "b"], ["c", "c", "b"], 1, want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(71)
for least in [1, 2, 3, 5]:
    numbers = (5 * torch.randn(80, generator=generator)).round().int().tolist()
    train, test = [f"w{n}" for n in numbers[:50]], [f"w{n}" for n in numbers[50:]] + ["w99"] * 6
    vocabulary = ["<unknown>", *sorted(w for w in set(train) if train.count(w) >= least)]
    indices = [
        torch.tensor([vocabulary.index(w) if w in vocabulary else 0 for w in words])
        for words in (train, test)
    ]
    check(encode_words, train, test, least, want=(vocabulary, *indices))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "encode_words-empty", "grade": true, "points": 1}
# An empty text; no word is frequent enough.
empty = torch.zeros(0, dtype=torch.int64)
check(encode_words, ["a"], [], 1, want=(["<unknown>", "a"], torch.tensor([1]), empty))
want = (["<unknown>"], torch.tensor([0, 0]), torch.tensor([0]))
check(encode_words, ["a", "b"], ["a"], 2, want=want)
### BEGIN HIDDEN TESTS
want = (["<unknown>", "x"], torch.tensor([1, 0, 1, 1]), empty)
check(encode_words, ["x", "y", "x", "x"], [], 3, want=want)
check(encode_words, ["x"] * 3, [], 4, want=(["<unknown>"], torch.tensor([0, 0, 0]), empty))
### END HIDDEN TESTS

# %% [markdown]
# ## 8. One batch from many images
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# Images from the internet come in all sizes, some gray, some with a fourth channel that says how opaque a pixel is.
# Write `make_batch(images)`, which makes one batch of them.
#
# - Gray values become red, green and blue alike; a fourth channel is dropped.
# - The batch is as high as the highest image and as wide as the widest one; each image lies in the upper left corner of its place, the rest is 0.
# - Values from 0 to 255 become values from 0 to 1.
#
# Leave the images as they are.
#
# - `images`: a list of at least one tensor, dtype `uint8`, of shape `(H, W)` for gray, `(H, W, 3)` or `(H, W, 4)`.
# - Returns: a tensor of shape `(N, 3, height, width)`, dtype `float32`.
#
# ```python
# gray = torch.tensor([[0, 51]], dtype=torch.uint8)
# color = torch.tensor([[[255, 102, 0]], [[0, 0, 255]]], dtype=torch.uint8)
# batch = make_batch([gray, color])
# batch.shape
# # torch.Size([2, 3, 2, 2])
# batch[0, 0]
# # tensor([[0.0000, 0.2000],
# #         [0.0000, 0.0000]])
# batch[1, 0]
# # tensor([[1., 0.],
# #         [0., 0.]])
# ```
#
# <details><summary>Hint</summary>
#
# - Which sizes do you have to know before you make the batch?
# - How do you get from `(H, W)` to `(H, W, 3)`?
# - Which axes move where, from height × width × channel to channel × height × width?
# - In which dtype do you divide?
#
# </details>

# %% nbgrader={"grade_id": "make_batch", "solution": true}
def make_batch(images):
    """Return images of any size, gray or in color, as one batch (N, 3, height, width)."""
    ### BEGIN SOLUTION
    height = max(image.shape[0] for image in images)
    width = max(image.shape[1] for image in images)
    batch = torch.zeros(len(images), 3, height, width)
    for place, image in zip(batch, images, strict=True):
        if image.ndim == 2:
            image = image.unsqueeze(2).expand(-1, -1, 3)
        place[:, : image.shape[0], : image.shape[1]] = image[:, :, :3].permute(2, 0, 1) / 255
    return batch
    ### END SOLUTION


# %% nbgrader={"grade_id": "make_batch-color", "grade": true, "points": 1}
# Images in color, all of one size.
color = torch.tensor([[[255, 102, 0], [51, 0, 255], [0, 204, 153]]], dtype=torch.uint8)
want = torch.tensor([[[1.0, 0.2, 0.0]], [[0.4, 0.0, 0.8]], [[0.0, 1.0, 0.6]]])
check(make_batch, [color, 255 - color], want=torch.stack([want, 1 - want]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(81)
for n, height, width in [(2, 4, 6), (1, 5, 3), (3, 3, 3), (4, 1, 2)]:
    shape = (n, height, width, 3)
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    want = torch.stack([pixels[..., c] for c in range(3)], dim=1).double() / 255
    check(make_batch, list(pixels), want=want.float())
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "make_batch-gray", "grade": true, "points": 1}
# Gray, three channels and four channels, all of one size.
gray = torch.tensor([[0, 51], [102, 255]], dtype=torch.uint8)
levels = torch.tensor([[0.0, 0.2], [0.4, 1.0]])
color = torch.stack([gray, gray.t(), 255 - gray], dim=2)
opaque = torch.cat([255 - color, torch.full((2, 2, 1), 204, dtype=torch.uint8)], dim=2)
planes = torch.stack([levels, levels.t(), 1 - levels])
want = torch.stack([torch.stack([levels] * 3), planes, 1 - planes])
check(make_batch, [gray, color, opaque], want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(82)
for height, width in [(3, 4), (3, 3), (4, 4), (2, 3), (5, 1)]:
    shape = (3, height, width, 4)
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    images = [pixels[0], pixels[1, :, :, :3], pixels[2, :, :, 0]]
    planes = pixels.movedim(-1, 1).double() / 255
    want = torch.stack([planes[0, :3], planes[1, :3], planes[2, :1].expand(3, -1, -1)])
    check(make_batch, images, want=want.float())
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "make_batch-sizes", "grade": true, "points": 1}
# Images of different sizes: a wide and low one, a narrow and high one.
wide = torch.tensor([[[255, 102, 51]] * 3], dtype=torch.uint8)
high = torch.tensor([[[51, 51, 204]]] * 2, dtype=torch.uint8)
want = torch.zeros(2, 3, 2, 3)
want[0, :, 0, :] = torch.tensor([[1.0], [0.4], [0.2]])
want[1, :, :, 0] = torch.tensor([[0.2], [0.2], [0.8]])
check(make_batch, [wide, high], want=want)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(83)
for sizes in [[(3, 5), (4, 2), (1, 1)], [(2, 2), (6, 6)], [(5, 4), (4, 5)], [(7, 3)]]:
    images = [
        torch.randint(1, 256, (*size, 3), generator=generator, dtype=torch.uint8) for size in sizes
    ]
    height, width = max(size[0] for size in sizes), max(size[1] for size in sizes)
    want = torch.zeros(len(images), 3, height, width)
    for i, image in enumerate(images):
        for c in range(3):
            want[i, c, : image.shape[0], : image.shape[1]] = image[:, :, c].float() / 255
    check(make_batch, images, want=want)
with h5py.File(DATA / "cifar10-mini.h5") as file:
    small = torch.from_numpy(file["test/images"][:2])
images = [small[0], small[1, :20, :, 1]]
want = torch.zeros(2, 3, 32, 32)
want[0], want[1, :, :20] = small[0].movedim(2, 0) / 255, small[1, :20, :, 1] / 255
check(make_batch, images, want=want)
### END HIDDEN TESTS

# %% [markdown]
# ## 9. Statistics of more images than fit into memory
#
# `Difficulty ●●●●○ · 9 minutes · 3 points`
#
# To standardize images you need mean and standard deviation of each channel, over all images, heights and widths.
# There are more images than fit into memory, so they come in parts.
# Write `channel_statistics(read, count, limit)`, which reads each image once or more, never too many at a time, and returns both.
#
# - `read`: a function; `read(start, stop)` returns the images `start` to `stop - 1` as a tensor of shape `(stop - start, H, W, C)`, dtype `uint8`.
#   It raises `MemoryError` when these are more than `limit`, and `IndexError` when `stop` is larger than `count`.
# - `count`: an `int`, at least 1: how many images there are.
# - `limit`: an `int`, at least 1: how many images fit into memory.
# - Returns: a tuple of the means and the standard deviations (with `correction=0`) of the channels of all images, where values from 0 to 255 are taken as 0 to 1: two tensors of shape `(C,)`, dtype `float32`.
#   Rounding may change a standard deviation by a ten-thousandth of itself, no more; where all pixels of a channel are alike, it is 0, up to 0.00001.
#
# ```python
# images = torch.tensor([0, 0, 255], dtype=torch.uint8).view(3, 1, 1, 1)
# channel_statistics(lambda start, stop: images[start:stop], 3, 2)
# # (tensor([0.3333]), tensor([0.4714]))
# ```
#
# <details><summary>Hint</summary>
#
# - Which numbers of each part can you add up, so that mean and standard deviation follow from the sums?
# - What is the weight of the last part, which may be smaller, in a mean of means?
# - The variance is the mean of the squares minus the square of the mean: what remains of float32's seven digits when both are nearly equal, and which dtype has more?
#
# </details>

# %% nbgrader={"grade_id": "channel_statistics", "solution": true}
def channel_statistics(read, count, limit):
    """Return mean and standard deviation of each channel of all images, read in parts."""
    ### BEGIN SOLUTION
    pixels = total = squares = 0
    for start in range(0, count, limit):
        part = read(start, min(start + limit, count)).flatten(0, 2).double() / 255
        pixels += len(part)
        total = total + part.sum(dim=0)
        squares = squares + (part**2).sum(dim=0)
    mean = total / pixels
    variance = (squares / pixels - mean**2).clamp(min=0)
    return mean.float(), variance.sqrt().float()
    ### END SOLUTION


# %% nbgrader={"grade_id": "channel_statistics-values", "grade": true, "points": 2}
def check_statistics(images, limit, text):
    """Check mean and standard deviation of the images, of which `limit` may be read at once."""
    count = len(images)

    def read(start, stop):
        if stop - start > limit:
            raise MemoryError(f"{stop - start} images at once, but only {limit} fit into memory")
        if not 0 <= start <= stop <= count:
            raise IndexError(f"read({start}, {stop}), but there are {count} images")
        return images[start:stop].clone()

    planes = images.double().flatten(0, 2) / 255
    want = (planes.mean(dim=0).float(), planes.std(dim=0, correction=0).float())
    called = f"channel_statistics(read, {count}, {limit}) with {text}"
    check(channel_statistics, read, count, limit, want=want, called=called, rtol=1e-4, atol=1e-7)


images = torch.tensor([0, 0, 255], dtype=torch.uint8).view(3, 1, 1, 1)
check_statistics(images, 2, "3 images of one pixel: 0, 0 and 255")
images = torch.arange(0, 120, dtype=torch.uint8).view(5, 2, 4, 3)
for limit in [1, 2, 5, 8]:
    check_statistics(images, limit, "5 images of 2 × 4 pixels in 3 channels")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(91)
for shape, limit in [((7, 3, 5, 3), 3), ((6, 4, 4, 4), 2), ((1, 2, 3, 3), 4), ((10, 1, 1, 2), 9)]:
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    images[-1] = images[-1] // 8
    check_statistics(images, limit, f"images of shape {shape}")
with h5py.File(DATA / "cifar10-mini.h5") as file:
    images = torch.from_numpy(file["test/images"][:350])
check_statistics(images, 100, "350 images of CIFAR-10")
black = torch.zeros(4, 2, 2, 3, dtype=torch.uint8)
want = (torch.zeros(3), torch.zeros(3))
check(channel_statistics, lambda start, stop: black[start:stop], 4, 3, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "channel_statistics-digits", "grade": true, "points": 1}
# Bright images of nearly one color.
def check_bright(shape, limit, seed):
    """Check images whose pixels are 253 to 255."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(253, 256, shape, generator=generator, dtype=torch.uint8)

    def read(start, stop):
        if stop - start > limit:
            raise MemoryError(f"{stop - start} images at once, but only {limit} fit into memory")
        return images[start:stop]

    planes = images.double().flatten(0, 2) / 255
    want = (planes.mean(dim=0).float(), planes.std(dim=0, correction=0).float())
    called = f"channel_statistics(read, {shape[0]}, {limit}) with pixels from 253 to 255"
    check(channel_statistics, read, shape[0], limit, want=want, called=called, rtol=1e-4, atol=1e-7)


check_bright((40, 32, 32, 3), 16, 92)
### BEGIN HIDDEN TESTS
def read_from(images):
    """Return the function that reads some of these images."""
    return lambda start, stop: images[start:stop]


# All pixels of a channel alike: rounding must not make a negative variance, whose root is nan.
levels = torch.arange(256, dtype=torch.uint8)  # a channel for each
for count in [5, 11]:
    even = levels.expand(count, 7, 3, 256)
    want = (levels / 255, torch.zeros(256))
    called = f"channel_statistics(read, {count}, 2) with channels whose pixels are all alike"
    check(channel_statistics, read_from(even), count, 2, want=want, called=called)
check_bright((30, 50, 40, 2), 1, 93)
check_bright((65, 28, 28, 1), 64, 94)
### END HIDDEN TESTS

# %% [markdown]
# ## 10. To HDF5 and back
#
# `Difficulty ●●●○○ · 7 minutes · 2 points`
#
# Store tensors with notes about them in an HDF5 file, and read them again.
# The file is sent to somebody over a network, so it is not on a disk but in memory, as `bytes`: open an `io.BytesIO` as if it were a file.
#
# ```python
# buffer = io.BytesIO()
# with h5py.File(buffer, "w") as file:
#     file["x"] = np.ones(3)
# buffer.getvalue()[:4]
# # b'\x89HDF'
# with h5py.File(io.BytesIO(buffer.getvalue())) as file:
#     total = float(file["x"][:].sum())
# total
# # 3.0
# ```
#
# Write `to_hdf5(tensors, attributes)`, which returns the file, and `from_hdf5(content)`, which takes such a file apart; it must read the files of others too.
# The attributes are those of the file as a whole, `file.attrs`.
#
# - `tensors`: a `dict` from names to tensors of at least one dimension, of dtype `float32`, `int64`, `uint8` or `bool`; some require gradients.
#   Names like `"train/images"` mean a data set in a group.
# - `attributes`: a `dict` from names to values of type `str` or `int`.
# - `content`: a `bytes`.
# - `from_hdf5` returns: a tuple of both dicts, with tensors that require no gradients, and with values of the types `str` and `int`.
#
# ```python
# content = to_hdf5({"train/x": torch.tensor([1., 2.])}, {"author": "Ada", "year": 1843})
# from_hdf5(content)
# # ({'train/x': tensor([1., 2.])}, {'author': 'Ada', 'year': 1843})
# ```
#
# <details><summary>Hint</summary>
#
# - Which method gives a tensor without its gradients?
# - `file.visititems(function)` calls `function(name, thing)` for everything in a file, as long as it returns `None`: how do you tell a data set from a group?
# - Of which type is a number in `file.attrs`, and what does its method `item` give?
# - When must the values be read: before or after the file is closed?
#
# </details>

# %% nbgrader={"grade_id": "hdf5", "solution": true}
def to_hdf5(tensors, attributes):
    """Return an HDF5 file with these tensors and attributes, as bytes."""
    ### BEGIN SOLUTION
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in tensors.items():
            file.create_dataset(name, data=tensor.detach().numpy())
        file.attrs.update(attributes)
    return buffer.getvalue()
    ### END SOLUTION


def from_hdf5(content):
    """Return the tensors and the attributes of an HDF5 file that is given as bytes."""
    ### BEGIN SOLUTION
    tensors = {}

    def collect(name, thing):
        if isinstance(thing, h5py.Dataset):
            tensors[name] = torch.from_numpy(thing[:])

    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(collect)
        values = dict(file.attrs)
    attributes = {name: v if isinstance(v, str) else int(v) for name, v in values.items()}
    return tensors, attributes
    ### END SOLUTION


# %% nbgrader={"grade_id": "hdf5-read", "grade": true, "points": 1}
# Files of somebody else.
def make_file(tensors, attributes):
    """Return an HDF5 file as bytes."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in tensors.items():
            file.create_dataset(name, data=tensor.numpy(), compression="gzip")
        for name, value in attributes.items():
            file.attrs[name] = value
    return buffer.getvalue()


def check_read(tensors, attributes):
    """Check that what was put into a file comes out of it."""
    called = f"from_hdf5(content) of a file with {describe(tensors)} and {describe(attributes)}"
    check(from_hdf5, make_file(tensors, attributes), want=(tensors, attributes), called=called)


check_read({"x": torch.tensor([[1.0, 2.0, 3.0]])}, {"unit": "°C", "year": 2024})
check_read({"train/x": torch.tensor([3, 4]), "train/y": torch.tensor([True, False])}, {})
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(101)
pixels = torch.randint(0, 256, (4, 5, 3), generator=generator, dtype=torch.uint8)
floats = torch.randn(2, 7, generator=generator)
check_read({"a/b/c": floats, "a/b/d": pixels, "z": floats[0]}, {"count": -3, "note": ""})
check_read({}, {"empty": "yes"})
check(from_hdf5, make_file({"x": floats}, {"n": 7}), want=({"x": floats}, {"n": 7}))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "hdf5-write", "grade": true, "points": 1}
# There and back.
def check_round_trip(tensors, attributes):
    """Check that `to_hdf5` gives an HDF5 file, and that everything comes back."""
    called = f"content = to_hdf5({describe(tensors)}, {describe(attributes)})"
    try:
        content = to_hdf5(tensors, attributes)
    except Exception as error:
        if isinstance(error, NotImplementedError) and not str(error):
            check(to_hdf5, tensors, attributes, want=b"")  # says that it is not solved yet
        raise TestFailed(f"to_hdf5 raised {type(error).__name__}: {error}", called=called) from None
    require(
        isinstance(content, bytes) and content[:8] == b"\x89HDF\r\n\x1a\n",
        "to_hdf5 must return an HDF5 file as bytes",
        called=called,
        got=describe(content[:8] if isinstance(content, bytes) else content),
        expected="bytes that begin with " + repr(b"\x89HDF\r\n\x1a\n"),
    )
    want = ({name: tensor.detach() for name, tensor in tensors.items()}, attributes)
    check(from_hdf5, content, want=want, called=f"{called}, then from_hdf5(content)")


check_round_trip({"train/x": torch.tensor([1.0, 2.0])}, {"author": "Ada", "year": 1843})
check_round_trip({"w": torch.ones(2, 3, requires_grad=True), "b": torch.arange(3)}, {})
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(102)
table = torch.randn(5, 4, generator=generator)
pixels = torch.randint(0, 256, (2, 3, 4), generator=generator, dtype=torch.uint8)
check_round_trip({"t": table.t(), "part": table[::2, 1:], "mask": table > 0}, {"é": "naïve", "n": 0})
check_round_trip({"a/b": pixels, "a/c/d": pixels.long(), "e": pixels.float()}, {"a": "b"})
check_round_trip({}, {"only": "a note", "number": 2**40})
check(from_hdf5, to_hdf5({"x": table}, {"n": 7}), want=({"x": table}, {"n": 7}))
### END HIDDEN TESTS

# %% [markdown]
# ## 11. A shuffled batch from a large file
#
# `Difficulty ●●●●○ · 7 minutes · 2 points`
#
# A network learns from images in random order, some of them perhaps twice.
# They lie in an HDF5 file that says of itself that it is larger than the memory of any computer, so you can only read what you need.
# And h5py is particular: in `data_set[rows]`, the rows must be in increasing order, and none may come twice.
# Write `read_rows(content, name, rows)`, which reads these rows in the order that was asked for.
#
# - `content`: an HDF5 file as `bytes`, as in the exercise before: open `io.BytesIO(content)`.
# - `name`: the name of a data set of at least two dimensions.
# - `rows`: a list of at least one `int`, each at least 0 and less than the length of the data set, in any order, with repetitions.
# - Returns: a tensor whose row `i` is the row `rows[i]` of the data set, with its dtype.
#
# ```python
# buffer = io.BytesIO()
# with h5py.File(buffer, "w") as file:
#     file["x"] = np.array([[0, 1], [10, 11], [20, 21]])
# read_rows(buffer.getvalue(), "x", [2, 0, 2])
# # tensor([[20, 21],
# #         [ 0,  1],
# #         [20, 21]])
# ```
#
# <details><summary>Hint</summary>
#
# - What does `data_set[:]` read, and what does `data_set[5]` read?
# - How do you get each row number once, in increasing order?
# - At which place of that order does each row of `rows` stand, and what does `torch.unique` return with `return_inverse=True`?
#
# </details>

# %% nbgrader={"grade_id": "read_rows", "solution": true}
def read_rows(content, name, rows):
    """Return the rows of a data set in the order of `rows`, and read no others."""
    ### BEGIN SOLUTION
    unique, place = torch.unique(torch.tensor(rows), return_inverse=True)
    with h5py.File(io.BytesIO(content)) as file:
        read = torch.from_numpy(file[name][unique.tolist()])
    return read[place]
    ### END SOLUTION


# %% nbgrader={"grade_id": "read_rows-order", "grade": true, "points": 1}
def file_with(tensors):
    """Return an HDF5 file with these tensors as bytes."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in tensors.items():
            file[name] = tensor.numpy()
    return buffer.getvalue()


x = torch.tensor([[0, 1], [10, 11], [20, 21]])
content = file_with({"x": x})
for rows in [[2, 0, 2], [0, 1, 2], [1]]:
    called = f"read_rows(content, 'x', {rows}) of a file with x = {describe(x)}"
    check(read_rows, content, "x", rows, want=x[rows], called=called)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(111)
images = torch.randint(0, 256, (30, 4, 5, 3), generator=generator, dtype=torch.uint8)
content = file_with({"train/images": images, "train/x": torch.randn(9, 2, generator=generator)})
for count in [1, 5, 12, 30]:
    rows = torch.randint(0, 30, (count,), generator=generator).tolist()
    called = f"read_rows(content, 'train/images', {rows})"
    check(read_rows, content, "train/images", rows, want=images[rows], called=called)
rows = torch.randperm(30, generator=generator).tolist()
check(read_rows, content, "train/images", rows, want=images[rows], called="30 rows in any order")
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "read_rows-large", "grade": true, "points": 1}
# A data set of more than a thousand million million values; all but a few were never written, and are 0.
def large_file(rows, columns, dtype, length):
    """Return an HDF5 file as bytes, with a data set "x" in which row i of `rows` is full of i + 1."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        shape, chunks = (length, columns), (1, columns)
        x = file.create_dataset("x", shape, dtype, chunks=chunks, compression="gzip")
        for i, row in enumerate(rows):
            x[row] = i + 1
    return buffer.getvalue()


content = large_file([2, 5], 4, "uint8", 2**50)
want = torch.tensor([[2] * 4, [0] * 4, [1] * 4, [1] * 4], dtype=torch.uint8)
called = "read_rows(content, 'x', [5, 6, 2, 2]) with 2**50 rows in x"
check(read_rows, content, "x", [5, 6, 2, 2], want=want, called=called)
### BEGIN HIDDEN TESTS
# Rows that are near each other: between them, h5py looks at every chunk.
for columns, dtype, length in [(300, "float32", 2**45), (1, "int64", 2**51)]:
    content = large_file([length - 90, length - 7, length - 1], columns, dtype, length)
    rows = [length - 1, length - 90, length - 89, length - 7, length - 1, length - 2]
    want = torch.tensor([[3], [1], [0], [2], [3], [0]]).expand(6, columns)
    want = want.to(torch.float32 if dtype == "float32" else torch.int64).clone()
    check(read_rows, content, "x", rows, want=want, called=f"read_rows(content, 'x', {rows})")
# Rows far apart: all rows between them would be a terabyte.
content = large_file([7, 2**22], 2**18, "uint8", 2**36)
rows = [2**22, 7, 2**22, 8]
want = torch.tensor([[2], [1], [2], [0]], dtype=torch.uint8).expand(4, 2**18).clone()
called = f"read_rows(content, 'x', {rows}) with 2**18 columns in x"
check(read_rows, content, "x", rows, want=want, called=called)
### END HIDDEN TESTS
