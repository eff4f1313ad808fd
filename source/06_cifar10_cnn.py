# %% [markdown]
# # Exercises: a CNN for CIFAR-10
#
# Read `notebooks/06_cifar10_cnn` first.
# Each exercise has a statement, a cell for your answer and one or more test cells.
# Replace each line `raise NotImplementedError()` with your answer, run the cell, then run the tests below it.
# A test that passes prints nothing.
# A test that fails says what it called, what it got and what it expected.
# A `NameError` means that a cell above, the set-up or your answer, was not run, or that a name is misspelled.
# The tests look at what your code does, not at how it is written: every way that gives the right result counts.
# Where a result is not a whole number, a small difference by rounding is fine.
# Before grading, more tests are added to each test cell: they call your code with other inputs that fit the statement.
#
# The exercises use the small set of photos in `data/cifar10-mini.h5`: 5000 for training, 1000 for the test.
#
# Run the next cell first: it loads PyTorch and the checker that the tests use.

# %% nbgrader={"grade_id": "setup", "locked": true}
import inspect
import math
import re
import time
import traceback
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

DATA = next(p / "data" for p in map(Path, [".", "..", "../.."]) if (p / "data" / "README.md").exists())
PHOTOS = str(DATA / "cifar10-mini.h5")
torch.set_num_threads(1)  # as in grading, so that a time limit means the same here and there
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
# ## 1. How large is the output?
#
# `Difficulty ●○○○○ · 4 minutes · 2 points`
#
# When you put layers together, each one must fit the output of the one before it.
# Write `output_size(size, kernel, stride, padding, dilation)`, which returns how many rows (or columns) a convolution layer makes of `size` rows (or columns).
# A kernel with dilation `d` leaves `d - 1` pixels out between two of its weights, and it is only placed where it fits completely.
#
# - `size`: an `int`, the size of the input.
# - `kernel`, `stride`, `dilation`: an `int`, at least 1.
# - `padding`: an `int`, at least 0: so many zeros are added at each of the two ends.
# - Returns: an `int`. You can rely on it that the kernel fits at least once.
#
# ```python
# output_size(32, 5, 1, 0, 1)
# # 28
# output_size(10, 3, 2, 0, 1)  # the last column takes part in no window
# # 4
# ```
#
# <details><summary>Hint</summary>
#
# - How many pixels lie between the first and the last weight of a kernel, with dilation?
# - At how many places can a window of 3 stand in a row of 10, when it moves by 1, and when it moves by 2?
# - What does `//` do that `/` does not?
#
# </details>

# %% nbgrader={"grade_id": "output_size", "solution": true}
def output_size(size, kernel, stride, padding, dilation):
    """Return the number of rows that a convolution makes of `size` rows."""
    ### BEGIN SOLUTION
    span = dilation * (kernel - 1) + 1
    return (size + 2 * padding - span) // stride + 1
    ### END SOLUTION


# %% nbgrader={"grade_id": "output_size-values", "grade": true, "points": 2}
check(output_size, 32, 5, 1, 0, 1, want=28)
check(output_size, 10, 3, 2, 0, 1, want=4)
check(output_size, 32, 3, 1, 1, 1, want=32)
check(output_size, 32, 3, 1, 0, 2, want=28)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(61)
cases = [(7, 7, 1, 0, 1), (7, 1, 3, 0, 5), (224, 7, 2, 3, 1), (9, 2, 4, 1, 3), (5, 3, 7, 0, 2)]
while len(cases) < 20:
    kernel, stride, dilation = torch.randint(1, 6, (3,), generator=generator).tolist()
    size, padding = torch.randint(0, 30, (2,), generator=generator).tolist()
    if size > 0 and dilation * (kernel - 1) < size + 2 * padding:
        cases.append((size, kernel, stride, padding, dilation))
for size, kernel, stride, padding, dilation in cases:
    places = range(0, size + 2 * padding - dilation * (kernel - 1), stride)
    check(output_size, size, kernel, stride, padding, dilation, want=len(places))
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A convolution by hand
#
# `Difficulty ●●●○○ · 9 minutes · 3 points`
#
# You know a layer best when you have written it once.
# Write `convolve(image, weight, bias, stride, padding)`, which returns what a convolution layer of PyTorch makes of one image.
# Each output channel has its own kernel for every input channel.
# At each place, multiply the window of all input channels by these kernels, element by element, add everything up, and add the bias of the output channel.
# Like PyTorch, do not flip the kernels.
# (`F.conv2d` would pass the tests, but with it you learn nothing here.)
#
# - `image`: a tensor of shape `(C, H, W)`, dtype `float32`.
# - `weight`: a tensor of shape `(O, C, kh, kw)`, dtype `float32`.
# - `bias`: a tensor of shape `(O,)`, dtype `float32`.
# - `stride`: an `int`, at least 1: how far the window moves, down and to the right.
# - `padding`: an `int`, at least 0: so many rows and columns of zeros are added at each of the four sides.
# - Returns: a tensor of shape `(O, H', W')`, dtype `float32`.
#
# ```python
# image = torch.tensor([[[1., 2., 3.], [4., 5., 6.], [7., 8., 9.]]])
# weight = torch.tensor([[[[1., 0.], [0., 10.]]]])
# convolve(image, weight, torch.tensor([0.5]), 1, 0)
# # tensor([[[51.5000, 62.5000],
# #          [84.5000, 95.5000]]])
# ```
#
# <details><summary>Hint</summary>
#
# - Into which part of a larger tensor of zeros do you write the image, so that it is padded?
# - Which rows and columns does the window at the output position `(i, j)` have, when it moves by `stride`?
# - What is the shape of `window * weight`, and over which dimensions do you sum to keep one number for each output channel?
#
# </details>

# %% nbgrader={"grade_id": "convolve", "solution": true}
def convolve(image, weight, bias, stride, padding):
    """Return the convolution of `image` with the kernels `weight`, plus `bias`."""
    ### BEGIN SOLUTION
    padded = F.pad(image, (padding, padding, padding, padding))
    kh, kw = weight.shape[2:]
    # (C, H', W', kh, kw): a view with the window of each place
    windows = padded.unfold(1, kh, stride).unfold(2, kw, stride)
    return torch.einsum("chwij,ocij->ohw", windows, weight) + bias.view(-1, 1, 1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "convolve-values", "grade": true, "points": 1}
image = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]])
weight = torch.tensor([[[[1.0, 0.0], [0.0, 10.0]]]])
want = torch.tensor([[[51.5, 62.5], [84.5, 95.5]]])
check(convolve, image, weight, torch.tensor([0.5]), 1, 0, want=want)
# Two input channels, one output channel: the results of both are added up.
image, weight = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]]), torch.tensor([[[[1.0]], [[100.0]]]])
check(convolve, image, weight, torch.zeros(1), 1, 0, want=torch.tensor([[[301.0, 402.0]]]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(62)
for channels, height, width, out, kh, kw in [(1, 5, 7, 1, 3, 2), (3, 4, 6, 2, 1, 3), (2, 3, 3, 4, 3, 3)]:
    image = torch.randn(channels, height, width, generator=generator)
    weight = torch.randn(out, channels, kh, kw, generator=generator)
    bias = torch.randn(out, generator=generator)
    want = F.conv2d(image[None], weight, bias)[0]
    check(convolve, image, weight, bias, 1, 0, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "convolve-stride", "grade": true, "points": 2}
image = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]])
weight = torch.tensor([[[[1.0, 0.0], [0.0, 10.0]]]])
check(convolve, image, weight, torch.zeros(1), 2, 0, want=torch.tensor([[[51.0]]]))
check(convolve, image, weight, torch.zeros(1), 2, 1, want=torch.tensor([[[10.0, 30.0], [70.0, 95.0]]]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(63)
for shape, out, kernel, stride, padding in [
    ((1, 5, 7), 1, (2, 2), 2, 0),
    ((2, 6, 4), 3, (3, 1), 1, 2),
    ((3, 7, 5), 2, (3, 2), 3, 1),
    ((2, 8, 9), 2, (2, 3), 2, 3),
]:
    image = torch.randn(shape, generator=generator)
    weight = torch.randn(out, shape[0], *kernel, generator=generator)
    bias = torch.randn(out, generator=generator)
    want = F.conv2d(image[None], weight, bias, stride, padding)[0]
    check(convolve, image, weight, bias, stride, padding, want=want)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Count the parameters
#
# `Difficulty ●●○○○ · 4 minutes · 2 points`
#
# How much does a network have to learn?
# Write `count_parameters(network)`, which returns two numbers: how many numbers an optimizer may change, and how many are frozen.
# A parameter is frozen when it does not require a gradient.
# A parameter that several layers share is counted once.
# Buffers, like the running mean of a batch normalization, are not parameters.
#
# - `network`: an `nn.Module`.
# - Returns: a tuple `(trainable, frozen)` of two `int`.
#
# ```python
# network = nn.Sequential(nn.Conv2d(3, 6, 5), nn.BatchNorm2d(6), nn.ReLU())
# count_parameters(network)
# # (468, 0)
# network[0].requires_grad_(False)
# count_parameters(network)
# # (12, 456)
# ```
#
# <details><summary>Hint</summary>
#
# - What does `network.parameters()` give, and what is not among it?
# - How many numbers are in a tensor of shape `(6, 3, 5, 5)`, and which method says so?
# - Which attribute of a parameter says whether it is trained?
#
# </details>

# %% nbgrader={"grade_id": "count_parameters", "solution": true}
def count_parameters(network):
    """Return the number of trainable and of frozen parameters of `network`."""
    ### BEGIN SOLUTION
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return trainable, sum(p.numel() for p in network.parameters()) - trainable
    ### END SOLUTION


# %% nbgrader={"grade_id": "count_parameters-values", "grade": true, "points": 2}
network = nn.Sequential(nn.Conv2d(3, 6, 5), nn.BatchNorm2d(6), nn.ReLU())
check(count_parameters, network, want=(468, 0))
network[0].requires_grad_(False)
check(count_parameters, network, want=(12, 456), called="network[0].requires_grad_(False), then count_parameters(network)")
### BEGIN HIDDEN TESTS
check(count_parameters, nn.Flatten(), want=(0, 0))
check(count_parameters, nn.Linear(7, 3, bias=False), want=(21, 0))
deep = nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), nn.Linear(3, 2))
deep[0][0].weight.requires_grad_(False)
deep[1].bias.requires_grad_(False)
check(count_parameters, deep, want=(3 + 6 + 6, 12 + 2))
layer = nn.Linear(5, 5)
check(count_parameters, nn.Sequential(layer, nn.Tanh(), layer), want=(30, 0))
tied = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(4, 6, bias=False))
tied[2].weight = tied[0].weight
check(count_parameters, tied, want=(30, 0), called="count_parameters(network), where two layers have the same weight")
check(count_parameters, tied.requires_grad_(False), want=(0, 30))
### END HIDDEN TESTS

# %% [markdown]
# ## 4. A data set on disk
#
# `Difficulty ●●○○○ · 7 minutes · 3 points`
#
# A `DataLoader` needs to know two things about your data: how many samples there are, and what sample number `i` is.
# Complete the class `Photos`, a `Dataset` over an HDF5 file like `data/cifar10-mini.h5`.
# For each of the splits `"train"` and `"test"`, the file has `images`, of shape `(N, 32, 32, 3)`, and `labels`, of shape `(N,)`, both `uint8`.
# For example, `h5py.File(path)["train/images"]` are the images of the training split.
#
# - `Photos(path, split)`: `path` is the file as text, `split` is `"train"` or `"test"`.
# - `len(photos)` is the number of samples.
# - `photos[i]` is a tuple `(image, label)`: a tensor of shape `(3, 32, 32)`, dtype `float32`, with values from 0 to 1, and an `int`.
# - An index past the end raises an `IndexError`: with it, Python knows where a loop over the photos ends.
#
# ```python
# photos = Photos(PHOTOS, "test")
# len(photos)
# # 1000
# image, label = photos[0]
# image.shape, label
# # (torch.Size([3, 32, 32]), 3)
# round(image.mean().item(), 3)
# # 0.425
# ```
#
# <details><summary>Hint</summary>
#
# - What do you keep in `__init__`, so that `__len__` and `__getitem__` find it later?
# - An image in the file is `(32, 32, 3)`: do you need `view` or `permute`?
# - By which number do you divide, so that 255 becomes 1?
# - What is the type of `labels[i]`, and how do you make a Python `int` of it?
#
# </details>

# %% nbgrader={"grade_id": "Photos", "solution": true}
class Photos(Dataset):
    """The photos of one split of an HDF5 file, with their labels."""

    def __init__(self, path, split):
        ### BEGIN SOLUTION
        with h5py.File(path) as file:
            self.images = torch.from_numpy(file[split]["images"][:])
            self.labels = file[split]["labels"][:].tolist()
        ### END SOLUTION

    def __len__(self):
        ### BEGIN SOLUTION
        return len(self.labels)
        ### END SOLUTION

    def __getitem__(self, i):
        ### BEGIN SOLUTION
        return self.images[i].permute(2, 0, 1) / 255, self.labels[i]
        ### END SOLUTION


# %% nbgrader={"grade_id": "Photos-items", "grade": true, "points": 2}
def read_sample(split, i):
    """Return photo number `i` of a split as it must come out, with its label."""
    with h5py.File(PHOTOS) as file:
        image, label = file[split]["images"][i], file[split]["labels"][i]
    return torch.from_numpy(image).movedim(2, 0) / 255, int(label)


def check_photos(split, length, indices):
    """Compare the length and some samples of `Photos(PHOTOS, split)` with the file."""
    made = f"photos = Photos(PHOTOS, {split!r})"
    photos = attempt(Photos, PHOTOS, split, name="Photos", called=made)
    called = f"{made}, then len(photos)"
    got = attempt(len, photos, name="__len__", called=called)
    require(got == length, "len(photos) is wrong", called=called, got=got, expected=length)
    for i in indices:
        called = f"{made}, then photos[{i}]"
        sample = attempt(lambda i=i: photos[i], name="__getitem__", called=called)
        compare(sample, read_sample(split, i), f"photos[{i}]", called, atol=1e-6)
    return photos


photos = check_photos("test", 1000, [0, 7])
require(isinstance(photos, Dataset), "Photos must be a Dataset", called='Photos(PHOTOS, "test")')
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(64)
check_photos("train", 5000, [0, 4999, *torch.randint(1, 4999, (5,), generator=generator).tolist()])
photos = check_photos("test", 1000, [999, *torch.randint(1, 999, (4,), generator=generator).tolist()])
first, again = photos[3][0], photos[3][0]
require(first.equal(again), "the same index must give the same photo again", called="photos[3] twice")
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "Photos-loader", "grade": true, "points": 1}
photos = attempt(Photos, PHOTOS, "test", name="Photos")
called = 'next(iter(DataLoader(Photos(PHOTOS, "test"), batch_size=4)))'
batch = attempt(lambda: next(iter(DataLoader(photos, batch_size=4))), name="DataLoader", called=called)
with h5py.File(PHOTOS) as file:
    images, labels = torch.from_numpy(file["test/images"][:4]), torch.from_numpy(file["test/labels"][:4])
compare(batch, [images.movedim(3, 1) / 255, labels.long()], "the batch", called)
try:
    photos[len(photos)]
    raised = "no error"
except Exception as error:
    raised = type(error).__name__
require(
    raised == "IndexError",
    "an index past the end must raise an IndexError",
    called='photos = Photos(PHOTOS, "test"), then photos[len(photos)]',
    got=raised,
    expected="IndexError",
)
### BEGIN HIDDEN TESTS
photos = attempt(Photos, PHOTOS, "train", name="Photos")
some = torch.utils.data.Subset(photos, [10, 4000, 77])
images, labels = next(iter(DataLoader(some, batch_size=3)))
with h5py.File(PHOTOS) as file:
    want = [int(file["train/labels"][i]) for i in (10, 4000, 77)]
    last = torch.from_numpy(file["train/images"][77]).movedim(2, 0) / 255
called = 'a batch of Subset(Photos(PHOTOS, "train"), [10, 4000, 77])'
require(labels.tolist() == want, "the labels of the batch are wrong", called=called, got=labels.tolist(), expected=want)
compare(images[2], last, "the last image of the batch", called)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Flip and crop at random
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# A mirrored cat is a cat, and so is a cat two pixels further left.
# A network that sees every photo a little different each time learns this, and overfits less.
# Write `augment(images, padding)`, which returns a new batch.
# Each image is mirrored left to right with probability 1/2.
# Then `padding` rows and columns of zeros are added at each of its four sides, and a part of the old size is cut out at a random place.
# All `(2 * padding + 1) ** 2` places are equally likely.
# Each image gets its own random numbers, and all channels of an image are treated alike.
# The labels are not touched, so image `i` of the result must come from image `i` of the batch.
# Use PyTorch's global random generator, and do not seed it: each call is to give something new.
#
# - `images`: a tensor of shape `(N, C, H, W)`, dtype `float32`; it must stay as it is.
# - `padding`: an `int`, at least 0.
# - Returns: a tensor of the same shape and dtype.
#
# ```python
# images = torch.ones(8, 3, 32, 32)
# augment(images, 0).equal(images)  # an image of ones looks the same in the mirror
# # True
# augment(images, 4).shape
# # torch.Size([8, 3, 32, 32])
# ```
#
# <details><summary>Hint</summary>
#
# - Which call gives one random `True` or `False` for each image, and which shape must it have for `torch.where`?
# - Which numbers does `torch.randint(0, 8, (n,))` draw, and which ones do you need for a padding of 4?
# - A loop over the images is a good start: what is the slice of a padded image that starts at row `i` and column `j`?
#
# </details>

# %% nbgrader={"grade_id": "augment", "solution": true}
def augment(images, padding):
    """Return the images, each mirrored and shifted at random."""
    ### BEGIN SOLUTION
    n, channels, height, width = images.shape
    mirrored = torch.rand(n, 1, 1, 1) < 0.5
    padded = F.pad(torch.where(mirrored, images.flip(3), images), (padding,) * 4)
    top, left = torch.randint(0, 2 * padding + 1, (2, n, 1))
    rows = (top + torch.arange(height)).view(n, 1, height, 1)
    columns = (left + torch.arange(width)).view(n, 1, 1, width)
    return padded[torch.arange(n).view(n, 1, 1, 1), torch.arange(channels).view(1, -1, 1, 1), rows, columns]
    ### END SOLUTION


# %% nbgrader={"grade_id": "augment-flip", "grade": true, "points": 1}
def check_flips(images, least, most):
    """Check that each image is as it was or mirrored, and that `least` to `most` are mirrored."""
    called = f"augment(images, 0) with images = {describe(images)}"
    # With this tolerance, only the type, the shape and the dtype of the result count.
    got = checked(augment, images, 0, want=images, called=called, atol=math.inf)
    mirrored = (got == images.flip(3)).flatten(1).all(1)
    alien = ~(mirrored | (got == images).flatten(1).all(1))
    require(
        not alien.any(),
        "without padding, an image must be as it was or mirrored left to right",
        called=called,
        got=f"{alien.sum()} of {len(images)} images are neither",
    )
    require(
        least <= mirrored.sum() <= most,
        "about half of the images must be mirrored, each by its own random number",
        called=called,
        got=f"{mirrored.sum()} of {len(images)} are mirrored",
        expected=f"{least} to {most}",
    )


# In these images no two pixels are equal.
check_flips(torch.arange(1.0, 100 * 2 * 3 * 4 + 1).view(100, 2, 3, 4), least=20, most=80)
### BEGIN HIDDEN TESTS
check_flips(torch.arange(1.0, 400 * 3 * 4 * 2 + 1).view(400, 3, 4, 2), least=140, most=260)
check(augment, torch.ones(5, 1, 4, 1), 0, want=torch.ones(5, 1, 4, 1))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "augment-crop", "grade": true, "points": 2}
def find_versions(images, padding):
    """Call augment, and return for each image which of all its possible versions came out."""
    called = f"augment(images, {padding}) with images = {describe(images)}"
    # With this tolerance, only the type, the shape and the dtype of the result count.
    got = checked(augment, images, padding, want=images, called=called, atol=math.inf)
    height, width = images.shape[2:]
    padded = F.pad(torch.stack([images, images.flip(3)]), (padding,) * 4)
    places = range(2 * padding + 1)
    versions = [padded[..., i : i + height, j : j + width] for i in places for j in places]
    versions = torch.cat(versions)  # (places * 2, N, C, H, W)
    same = (versions == got).flatten(2).all(2)
    alien = (~same.any(0)).nonzero().flatten().tolist()
    require(
        not alien,
        f"augment returned an image that is no version of the image at the same place: number {(alien or [0])[0]}",
        called=called,
        got=f"{len(alien)} of {len(images)} images that are no version of theirs",
        expected=f"each image is one of the {len(versions)} versions of the image at its place",
    )
    return same.float().argmax(0), called


def check_versions(images, padding):
    """Check that each version comes out as often as the others, and that calls differ."""
    found, called = find_versions(images, padding)
    count = 2 * (2 * padding + 1) ** 2
    often = torch.bincount(found, minlength=count)
    mean = len(images) / count
    far = 6 * math.sqrt(mean)  # six standard deviations: it does not happen by chance
    require(
        (often - mean).abs().max() < far,
        "augment does not give all versions of an image equally often, image by image",
        called=called,
        got=f"{often.min()} to {often.max()} times, and {(often == 0).sum()} of {count} versions never",
        expected=f"each version about {mean:.0f} times",
    )
    again, _ = find_versions(images, padding)
    require(
        not torch.equal(found, again),
        "augment does the same at each call: do not seed the generator",
        called=f"{called}, twice",
        got="the same result",
        expected="new random numbers at each call",
    )


# In these images no two pixels are equal, so that a version can be recognized.
check_versions(torch.arange(1.0, 1000 * 2 * 3 * 4 + 1).view(1000, 2, 3, 4), padding=1)
### BEGIN HIDDEN TESTS
check_versions(torch.arange(1.0, 3000 * 5 * 4 + 1).view(3000, 1, 5, 4), padding=2)
check_versions(torch.arange(1.0, 1000 * 3 * 2 * 5 + 1).view(1000, 3, 2, 5), padding=1)
check(augment, torch.zeros(4, 2, 3, 5), 3, want=torch.zeros(4, 2, 3, 5))
### END HIDDEN TESTS

# %% [markdown]
# ## 6. A network of your own
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# Build a network for photos of 32 × 32 pixels and ten classes.
# Complete the class `PhotoNet`: make the layers in `__init__`, and use them in `forward`.
# Which layers you take is up to you, as long as the network keeps these rules.
#
# - `PhotoNet()` needs no arguments, and has at most 200000 parameters.
# - For a batch of photos `(N, 3, 32, 32)`, dtype `float32`, it returns the scores of the classes, `(N, 10)`.
#   Scores are raw numbers of both signs (*logits*): no softmax and no ReLU at the end.
# - Each part of a photo can change the scores.
# - Training can reach each parameter: none is without a gradient, and `double()` converts them all.
# - It is more than a linear function of the photo.
# - After `eval()`, the scores of a photo are always the same, whatever other photos are in its batch.
#
# ```python
# network = PhotoNet()
# network(torch.zeros(5, 3, 32, 32)).shape
# # torch.Size([5, 10])
# ```
#
# <details><summary>Hint</summary>
#
# - What is the shape after each of your layers, and which shape does the first linear layer need?
# - Which dimension must stay when you flatten a batch?
# - Which layer has the most parameters, and what could make its input smaller?
# - How does a network learn of its layers: would it find them in a plain Python list?
#
# </details>

# %% nbgrader={"grade_id": "PhotoNet", "solution": true}
class PhotoNet(nn.Module):
    """A network that scores photos (N, 3, 32, 32) for ten classes."""

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(4),
        )
        self.classify = nn.Linear(32 * 4 * 4, 10)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return self.classify(self.features(x).flatten(1))
        ### END SOLUTION


# %% nbgrader={"grade_id": "PhotoNet-shape", "grade": true, "points": 1}
def get_scores(n):
    """Return the scores of a new network for `n` photos, after a look at their shape and dtype."""
    network = attempt(PhotoNet, name="PhotoNet")
    called = f"PhotoNet()(photos) with photos = torch.randn({n}, 3, 32, 32)"
    scores = attempt(network, torch.randn(n, 3, 32, 32), name="forward", called=called)
    compare(scores, torch.zeros(n, 10), "the scores", called, atol=math.inf)
    return scores


scores = torch.cat([get_scores(n) for n in (8, 5, 2, 17)])
called = "PhotoNet()(photos) for some networks and photos"
for name, total in [("softmax", scores.sum(1)), ("log_softmax", scores.exp().sum(1))]:
    require(
        not torch.allclose(total, torch.ones_like(total), atol=1e-4),
        f"forward must return raw scores, but they look like the result of {name}",
        called=called,
    )
require(
    scores.min() < 0 < scores.max(),
    "raw scores have both signs, but all of these have the same one",
    called=called,
    got=f"from {scores.min().item():.3g} to {scores.max().item():.3g}",
    expected="some below and some above 0",
)
network = attempt(PhotoNet, name="PhotoNet")
attempt(network, torch.zeros(2, 3, 32, 32), name="forward")  # layers like LazyLinear get their size now
count = sum(p.numel() for p in network.parameters())
require(
    0 < count <= 200_000,
    "PhotoNet must have parameters, and at most 200000 of them",
    called="sum(p.numel() for p in PhotoNet().parameters())",
    got=count,
    expected="1 to 200000",
)
### BEGIN HIDDEN TESTS
require(torch.isfinite(scores).all(), "the scores must be finite numbers", called=called)
for n in (3, 64):
    get_scores(n)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "PhotoNet-learns", "grade": true, "points": 1}
network = attempt(PhotoNet, name="PhotoNet")
photos = torch.randn(16, 3, 32, 32)
called = "scores = PhotoNet()(torch.randn(16, 3, 32, 32)), then F.cross_entropy(scores, labels).backward()"
scores = attempt(network, photos, name="forward", called=called)
require(
    isinstance(scores, torch.Tensor) and scores.requires_grad,
    "the scores must depend on the parameters, so that they can be trained",
    called=called,
)
attempt(lambda: F.cross_entropy(scores, torch.arange(16) % 10).backward(), name="backward", called=called)
parameters = dict(network.named_parameters())
require(parameters, "PhotoNet has no parameters: layers must be attributes, not in a list", called="PhotoNet()")
without = [name for name, p in parameters.items() if p.grad is None or not p.grad.any()]
require(
    not without,
    "training cannot reach some parameters: a layer that is not used, or no gradient flows to it",
    called=called,
    got=f"no gradient for {', '.join(without)}",
    expected="a gradient for each parameter",
)
### BEGIN HIDDEN TESTS
network = attempt(PhotoNet, name="PhotoNet")
network.double()
called = "PhotoNet().double()(photos) with photos of dtype float64"
scores = attempt(network, photos.double(), name="forward", called=called)
compare(scores, torch.zeros(16, 10, dtype=torch.float64), "the scores", called, atol=math.inf)
require(
    all(p.dtype == torch.float64 for p in network.parameters()),
    "double() must convert each parameter",
    called="PhotoNet().double()",
)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "PhotoNet-behaves", "grade": true, "points": 1}
network = attempt(PhotoNet, name="PhotoNet")
network.eval()
photos = torch.randn(4, 3, 32, 32)
made = "network = PhotoNet().eval()"
scores = attempt(network, photos, name="forward", called=f"{made}, then network(photos)")
called = f"{made}, then network(photos) twice"
compare(attempt(network, photos, name="forward", called=called), scores, "the scores of the second call in evaluation mode", called)
called = f"{made}, then network(photos[:1]) and network(photos)[:1]"
alone = attempt(network, photos[:1], name="forward", called=called)
compare(alone, scores[:1], "the scores of a photo alone in its batch", called, rtol=1e-3, atol=1e-4)
photos = torch.randn(64, 3, 32, 32, requires_grad=True)
called = f"{made}, scores = network(photos), then scores.pow(2).sum().backward()"
attempt(lambda: network(photos).pow(2).sum().backward(), name="backward", called=called)
require(photos.grad is not None, "the scores do not depend on the photos", called=called)
blocks = F.max_pool2d(photos.grad.abs().amax((0, 1))[None, None], 4)[0, 0]
require(
    (blocks > 0).all(),
    "some parts of a photo cannot change the scores",
    called=called,
    got=f"no gradient in {(blocks == 0).sum()} of 64 blocks of 4 by 4 pixels",
    expected="a gradient in each block",
)
### BEGIN HIDDEN TESTS
with torch.no_grad():
    x, y = torch.randn(2, 8, 3, 32, 32)
    bend = (network(x + y) - network(x) - network(y) + network(torch.zeros_like(x))).abs().max()
    size = (network(x) - network(y)).abs().max()
require(
    bend > 1e-3 * size,
    "the network is a linear function of the photo: put something nonlinear between its layers",
    called="network(x + y) + network(0 * x) and network(x) + network(y)",
    got="the same scores",
    expected="different scores",
)
### END HIDDEN TESTS

# %% [markdown]
# ## 7. A step of training
#
# `Difficulty ●●○○○ · 5 minutes · 3 points`
#
# Everything that a network learns, it learns in steps like this one.
# Write `train_step(network, optimizer, images, labels)`, which trains the network for one step and returns the loss of the batch.
# The network must be in training mode during the step and after it.
# Old gradients, wherever they come from, must not influence the step.
# The loss is the mean cross-entropy of the batch before the step; you will add it up and log it, so return a Python number.
#
# - `network`: an `nn.Module` that maps images to scores (logits), in whichever mode.
# - `optimizer`: an optimizer of the parameters of `network`.
# - `images`: a tensor of shape `(N, ...)`, dtype `float32`.
# - `labels`: a tensor of shape `(N,)`, dtype `int64`.
# - Returns: a Python `float`.
#
# ```python
# network = nn.Linear(2, 2, bias=False)
# with torch.no_grad():
#     network.weight.zero_()
# optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
# loss = train_step(network, optimizer, torch.tensor([[1., 2.]]), torch.tensor([1]))
# round(loss, 4)
# # 0.6931
# network.weight.detach()
# # tensor([[-0.5000, -1.0000],
# #         [ 0.5000,  1.0000]])
# ```
#
# <details><summary>Hint</summary>
#
# - Which four calls make up a step, and in which order?
# - What does `backward` do with gradients that are already there?
# - Does `F.cross_entropy` want probabilities or scores?
# - How do you get a Python number out of a tensor?
#
# </details>

# %% nbgrader={"grade_id": "train_step", "solution": true}
def train_step(network, optimizer, images, labels):
    """Train `network` for one step and return the loss before it."""
    ### BEGIN SOLUTION
    network.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "train_step-values", "grade": true, "points": 1}
network = nn.Linear(2, 2, bias=False)
with torch.no_grad():
    network.weight.zero_()
optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
called = "train_step(network, optimizer, tensor([[1., 2.]]), tensor([1])), all weights 0 before"
check(train_step, network, optimizer, torch.tensor([[1.0, 2.0]]), torch.tensor([1]), want=math.log(2), called=called)
want = torch.tensor([[-0.5, -1.0], [0.5, 1.0]])
compare(network.weight.detach(), want, "network.weight after the step", called)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(67)
for n, features, classes, rate in [(5, 3, 4, 0.3), (1, 6, 2, 0.05), (12, 2, 7, 1.5)]:
    network = nn.Linear(features, classes)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    images = 3 * torch.randn(n, features, generator=generator)
    labels = torch.randint(0, classes, (n,), generator=generator)
    weight = network.weight.detach().clone().requires_grad_()
    bias = network.bias.detach().clone().requires_grad_()
    loss = F.nll_loss(torch.log_softmax(images @ weight.t() + bias, 1), labels)
    loss.backward()
    called = f"train_step(network, optimizer, images, labels) with SGD(lr={rate}) and {n} images"
    check(train_step, network, optimizer, images, labels, want=loss.item(), called=called)
    compare(network.weight.detach(), (weight - rate * weight.grad).detach(), "network.weight after the step", called)
    compare(network.bias.detach(), (bias - rate * bias.grad).detach(), "network.bias after the step", called)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "train_step-gradients", "grade": true, "points": 1}
def check_steps(images, labels, steps, old):
    """Compare the losses of some steps with those of a loop here; gradients are `old` before."""
    network = nn.Sequential(nn.Linear(images.shape[1], 8), nn.Tanh(), nn.Linear(8, 3))
    twin = nn.Sequential(nn.Linear(images.shape[1], 8), nn.Tanh(), nn.Linear(8, 3))
    twin.load_state_dict(network.state_dict())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.9)
    other = torch.optim.SGD(twin.parameters(), lr=0.2, momentum=0.9)
    for p in network.parameters():
        p.grad = torch.full_like(p, old)
    for step in range(1, steps + 1):
        other.zero_grad()
        loss = F.cross_entropy(twin(images), labels)
        loss.backward()
        other.step()
        called = f"step {step} of train_step(network, optimizer, images, labels) on the same batch, gradients of {old} before step 1"
        check(train_step, network, optimizer, images, labels, want=loss.item(), called=called)


check_steps(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.tensor([0, 1, 2]), steps=2, old=1.0)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(68)
images = torch.randn(10, 4, generator=generator)
check_steps(images, torch.randint(0, 3, (10,), generator=generator), steps=5, old=-2.0)
network = nn.Linear(4, 3)
optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
labels = torch.arange(10) % 3
called = "train_step(network, optimizer, images, labels) with Adam"
for _ in range(2):
    loss = F.cross_entropy(network(images), labels).item()
    check(train_step, network, optimizer, images, labels, want=loss, called=called)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "train_step-mode", "grade": true, "points": 1}
def check_mode(training):
    """Check the mode after a step, and that the batch normalization was in training mode in it."""
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)).train(training)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    images = torch.tensor([[1.0, 2.0, 3.0], [3.0, 6.0, 9.0]])
    before = "network.train()" if training else "network.eval()"
    called = f"{before}, then train_step(network, optimizer, images, labels)"
    attempt(train_step, network, optimizer, images, torch.tensor([0, 1]), name="train_step", called=called)
    require(
        network.training and network[0].training,
        "after the step, the network must be in training mode",
        called=called,
        got=f"network.training is {network.training}",
        expected="True",
    )
    want = 0.1 * images.mean(0)
    compare(network[0].running_mean, want, "the running mean of the batch normalization after the step", called)


check_mode(training=False)
### BEGIN HIDDEN TESTS
check_mode(training=True)
network = nn.Sequential(nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.1)), nn.Tanh()).eval()
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
attempt(train_step, network, optimizer, torch.ones(2, 3), torch.tensor([0, 1]), name="train_step")
require(
    all(m.training for m in network.modules()),
    "after the step, all layers must be in training mode, also those inside other layers",
    called="train_step(network, optimizer, images, labels), after network.eval()",
)
### END HIDDEN TESTS

# %% [markdown]
# ## 8. Measure without leaving a trace
#
# `Difficulty ●●●●○ · 8 minutes · 3 points`
#
# You want to measure the accuracy in the middle of training, and training must go on as if you had not.
# Write `evaluate(network, loader)`, which returns the fraction of samples whose highest score is at their label.
# The network is to be in evaluation mode while it is measured.
# Afterwards everything is as it was before:
#
# - the mode of the network and of each of its layers: some may have been in evaluation mode before, others not;
# - its parameters, its buffers and its gradients; and the accuracy is computed without recording for gradients;
# - the global random generator of PyTorch, from which a `DataLoader` draws at the start of each loop, even without `shuffle`.
#
# What goes in and what comes out:
#
# - `network`: an `nn.Module` that maps images to scores.
# - `loader`: a `DataLoader`, or a list, of batches `(images, labels)`; the last one may be smaller.
# - Returns: a Python `float` from 0.0 to 1.0.
#
# ```python
# network = nn.Identity()  # the images of this example are scores already
# batches = [(torch.tensor([[2., 1.], [0., 3.]]), torch.tensor([0, 0])), (torch.tensor([[5., 4.]]), torch.tensor([0]))]
# round(evaluate(network, batches), 4)
# # 0.6667
# ```
#
# <details><summary>Hint</summary>
#
# - Is the mean of the accuracies of all batches the accuracy of all samples, when the batches have different sizes?
# - Which method gives all layers, and layers of layers, so that you can note the mode of each one?
# - What does `network.train()` do to a layer that was in evaluation mode before?
# - What do `torch.get_rng_state()` and `torch.set_rng_state(state)` do?
#
# </details>

# %% nbgrader={"grade_id": "evaluate", "solution": true}
def evaluate(network, loader):
    """Return the accuracy of `network` and leave everything as it was."""
    ### BEGIN SOLUTION
    modes = {layer: layer.training for layer in network.modules()}
    random_state = torch.get_rng_state()
    network.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (network(images).argmax(dim=1) == labels).sum().item()
            total += len(labels)
    for layer, mode in modes.items():
        layer.training = mode
    torch.set_rng_state(random_state)
    return right / total
    ### END SOLUTION


# %% nbgrader={"grade_id": "evaluate-values", "grade": true, "points": 1}
batches = [
    (torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0])),
    (torch.tensor([[5.0, 4.0]]), torch.tensor([0])),
]
check(evaluate, nn.Identity(), batches, want=2 / 3)
# In training mode, dropout with probability 1 would make all scores 0.
check(evaluate, nn.Dropout(1.0), batches, want=2 / 3, called="evaluate(nn.Dropout(1.0), batches)")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(69)
for n, size, classes in [(23, 5, 4), (8, 8, 2), (30, 7, 10)]:
    images = torch.randn(n, 6, generator=generator)
    network = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, classes))
    with torch.no_grad():
        network(images)
        best = network.eval()(images).argmax(1)
    labels = torch.where(torch.rand(n, generator=generator) < 0.6, best, (best + 1) % classes)
    want = (best == labels).float().mean().item()
    loader = DataLoader(TensorDataset(images, labels), batch_size=size)
    called = f"evaluate(network, loader) with {n} samples in batches of {size}"
    check(evaluate, network.train(), loader, want=want, called=called)
    check(evaluate, network.eval(), loader, want=want, called=called)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "evaluate-network", "grade": true, "points": 1}
def check_trace(network, modes):
    """Check that modes, parameters, buffers and gradients of `network` are as before."""
    for layer, mode in zip(network, modes, strict=True):
        layer.train(mode)
    for p in network.parameters():
        p.grad = torch.ones_like(p)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    was = network.training
    batches = [(torch.randn(4, 3), torch.tensor([0, 1, 1, 0]))]
    called = f"evaluate(network, batches), where the modes of its layers were {list(modes)}"
    attempt(evaluate, network, batches, name="evaluate", called=called)
    got = [layer.training for layer in network]
    compare(got, list(modes), "[layer.training for layer in network] after evaluate", called)
    require(
        network.training == was,
        "evaluate has changed the mode of the network",
        called=called,
        got=f"network.training is {network.training}",
        expected=was,
    )
    for name, value in network.state_dict().items():
        compare(value, before[name], f"{name} after evaluate", called, 0, 0)
    for name, p in network.named_parameters():
        compare(p.grad, torch.ones_like(p), f"the gradient of {name} after evaluate", called, 0, 0)


layers = nn.Linear(3, 2), nn.BatchNorm1d(2), nn.ReLU()
check_trace(nn.Sequential(*layers), (True, True, True))
check_trace(nn.Sequential(*layers), (True, False, True))
### BEGIN HIDDEN TESTS
check_trace(nn.Sequential(*layers).eval(), (False, False, False))
check_trace(nn.Sequential(*layers).eval(), (True, False, True))
deep = nn.Sequential(nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)), nn.Tanh()).train()
deep[0][1].eval()
attempt(evaluate, deep, [(torch.randn(4, 3), torch.tensor([0, 1, 1, 0]))])
require(
    [m.training for m in deep.modules()] == [True, True, True, False, True],
    "evaluate has changed the mode of a layer inside another layer",
    called="evaluate(network, batches), where network[0][1] was in evaluation mode, and all else in training mode",
)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "evaluate-random", "grade": true, "points": 1}
# This layer pools at random, also in evaluation mode: the accuracy depends on the random numbers.
# When evaluate leaves the generator as it was, the second call meets the same random numbers as the first.
network = nn.Sequential(nn.FractionalMaxPool2d(2, output_size=5), nn.Flatten(), nn.Linear(25, 10))


def check_random(network, samples, size):
    """Check that two calls meet the same random numbers."""
    images, labels = torch.randn(samples, 1, 12, 12), torch.randint(0, 10, (samples,))
    loader = DataLoader(TensorDataset(images, labels), batch_size=size)
    called = "evaluate(network, loader) twice, with a layer that pools at random"
    first = attempt(evaluate, network, loader, name="evaluate", called=called)
    second = attempt(evaluate, network, loader, name="evaluate", called=called)
    require(
        first == second,
        "evaluate has used up random numbers: put the generator back to the state that it had",
        called=called,
        got=f"{describe(first)}, then {describe(second)}",
        expected="the same accuracy twice",
    )


check_random(network, 2000, 400)
require(
    torch.is_grad_enabled(),
    "after evaluate, nothing is recorded for gradients any more: training cannot go on",
    called="evaluate(network, loader)",
)
### BEGIN HIDDEN TESTS
check_random(network.eval(), 3000, 1000)
# Where gradients are recorded, torch refuses to change this leaf in place.
images = torch.tensor([[1.0, -2.0], [-3.0, 4.0]], requires_grad=True)
try:
    evaluate(nn.ReLU(inplace=True), [(images, torch.tensor([0, 1]))])
    recorded = False
except RuntimeError as error:
    recorded = "in-place" in str(error)
require(
    not recorded,
    "evaluate records what it computes for gradients: this costs time and memory",
    called="evaluate(network, batches)",
    expected="a computation that is not recorded",
)


# After each evaluation, training goes on with other random numbers: augment draws some of them.
def draw():
    """Return what augment makes of some images, or None when it is not solved."""
    try:
        return augment(torch.arange(1.0, 801.0).view(50, 1, 4, 4), 1)
    except Exception:
        return None


if find_difference(draw(), draw(), 0, 0):  # it does draw
    drawn = []
    for _ in range(2):
        batches = [(torch.randn(4, 3), torch.tensor([0, 1, 1, 0]))]
        attempt(evaluate, nn.Linear(3, 2), batches, name="evaluate")
        drawn.append(draw())
    require(
        find_difference(*drawn, 0, 0),
        "evaluate sets the random generator to the same state each time",
        called="evaluate(network, batches), twice, with random numbers drawn after each",
        got="the same random numbers",
        expected="others: put the generator back to the state that it had",
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 9. Which class is taken for which?
#
# `Difficulty ●●○○○ · 7 minutes · 3 points`
#
# One number hides a lot: a network that never says *cat* can still be right in 90 % of all cases.
# Write two functions.
#
# `confusion_matrix(predictions, labels, classes)` counts: the number in row `i` and column `j` says how many samples of class `i` were taken for class `j`.
#
# - `predictions`, `labels`: tensors of shape `(N,)`, dtype `int64`, with values from 0 to `classes - 1`; `N` may be 0.
# - `classes`: an `int`, at least 1.
# - Returns: a tensor of shape `(classes, classes)`, dtype `int64`.
#
# `class_accuracy(matrix)` returns for each class which fraction of its samples was recognized.
# For a class without samples, this is `nan`.
#
# - `matrix`: a confusion matrix.
# - Returns: a tensor of shape `(classes,)`, dtype `float32`.
#
# ```python
# labels = torch.tensor([0, 0, 0, 1, 1])
# predictions = torch.tensor([0, 0, 1, 1, 0])
# confusion_matrix(predictions, labels, 3)
# # tensor([[2, 1, 0],
# #         [1, 1, 0],
# #         [0, 0, 0]])
# class_accuracy(confusion_matrix(predictions, labels, 3))
# # tensor([0.6667, 0.5000,    nan])
# ```
#
# <details><summary>Hint</summary>
#
# - With the pairs (0, 0), (0, 0), what does `matrix[labels, predictions] += 1` give: 2, or 1?
# - If you number the cells of the matrix row by row, which number has the cell in row `i` and column `j`, and what does `torch.bincount` do with such numbers?
# - Where in the matrix are the samples that were recognized, and where are all samples of class `i`?
# - What is 0 divided by 0, for tensors?
#
# </details>

# %% nbgrader={"grade_id": "confusion_matrix", "solution": true}
def confusion_matrix(predictions, labels, classes):
    """Return how many samples of each class (row) were taken for each class (column)."""
    ### BEGIN SOLUTION
    cells = labels * classes + predictions
    return torch.bincount(cells, minlength=classes * classes).view(classes, classes)
    ### END SOLUTION


def class_accuracy(matrix):
    """Return the fraction of recognized samples of each class."""
    ### BEGIN SOLUTION
    return matrix.diagonal() / matrix.sum(dim=1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "confusion_matrix-counts", "grade": true, "points": 2}
labels, predictions = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 0, 1, 1, 0])
want = torch.tensor([[2, 1, 0], [1, 1, 0], [0, 0, 0]])
check(confusion_matrix, predictions, labels, 3, want=want)
check(confusion_matrix, torch.tensor([1, 1]), torch.tensor([0, 0]), 2, want=torch.tensor([[0, 2], [0, 0]]))
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(71)
for n, classes in [(40, 3), (300, 10), (1, 4), (6, 1), (0, 2)]:
    labels, predictions = torch.randint(0, classes, (2, n), generator=generator)
    want = torch.zeros(classes, classes, dtype=torch.int64)
    for i, j in zip(labels.tolist(), predictions.tolist(), strict=True):
        want[i, j] += 1
    check(confusion_matrix, predictions, labels, classes, want=want)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "confusion_matrix-accuracy", "grade": true, "points": 1}
nan = float("nan")
check(
    class_accuracy,
    torch.tensor([[2, 1, 0], [1, 1, 0], [0, 0, 0]]),
    want=torch.tensor([2 / 3, 0.5, nan]),
)
### BEGIN HIDDEN TESTS
check(class_accuracy, torch.tensor([[0, 3], [2, 5]]), want=torch.tensor([0.0, 5 / 7]))
check(class_accuracy, torch.tensor([[4]]), want=torch.tensor([1.0]))
check(class_accuracy, torch.tensor([[0, 0], [9, 1]]), want=torch.tensor([nan, 0.1]))
generator = torch.Generator().manual_seed(72)
matrix = torch.randint(0, 50, (10, 10), generator=generator)
want = torch.tensor([row[i] / sum(row) for i, row in enumerate(matrix.tolist())])
check(class_accuracy, matrix, want=want)
### END HIDDEN TESTS

# %% [markdown]
# ## 10. Save and load
#
# `Difficulty ●●○○○ · 5 minutes · 2 points`
#
# Training took an hour: save what came out of it.
# Write two functions.
#
# `save_weights(network, path)` writes the `state_dict` of the network to a file.
#
# `load_weights(network, path)` reads such a file into `network`, another network of the same kind, and returns it in evaluation mode.
# The file may come from a machine with more GPUs than this one, which may have none: load onto the CPU.
# `from-another-machine.pt`, beside this notebook, is such a file; its tensors were on the GPU with number 63.
# It may also come from a stranger, so load nothing but weights.
# `from-a-stranger.pt` holds an object of another class, which would be made while the file is read: let `torch.load` refuse it, with its own error.
#
# - `network`: an `nn.Module`.
# - `path`: the file, as text.
# - `save_weights` returns `None`, and leaves the network as it is; `load_weights` returns `network` itself.
#
# ```python
# first, second = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
# first(torch.tensor([[10., 0.], [30., 0.]])).shape  # the running mean moves by a tenth
# # torch.Size([2, 2])
# save_weights(first, "norm.pt")
# load_weights(second, "norm.pt").running_mean
# # tensor([2., 0.])
# Path("norm.pt").unlink()
# ```
#
# <details><summary>Hint</summary>
#
# - Which two of the parts of a network are in its `state_dict`, and which one is missing in `named_parameters()`?
# - Which argument of `torch.load` says on which device the tensors are to be, and which one refuses everything but data?
# - What does `load_state_dict` return: the network?
#
# </details>

# %% nbgrader={"grade_id": "save_weights", "solution": true}
def save_weights(network, path):
    """Write the state_dict of `network` to the file `path`."""
    ### BEGIN SOLUTION
    torch.save(network.state_dict(), path)
    ### END SOLUTION


def load_weights(network, path):
    """Read the file `path` into `network`, and return it in evaluation mode."""
    ### BEGIN SOLUTION
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()
    ### END SOLUTION


# %% nbgrader={"grade_id": "save_weights-predictions", "grade": true, "points": 2}
def make_network(channels):
    """Return an untrained network with a batch normalization."""
    layers = [nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, 10))


def check_saved(channels, path, second_is_in_training):
    """Check that a network that was loaded equals the one that was saved, in each score."""
    photos = torch.randn(16, 3, 8, 8)
    first, second = make_network(channels), make_network(channels).train(second_is_in_training)
    with torch.no_grad():
        first(3 * photos + 1)  # the running means and variances move
    before = {name: value.clone() for name, value in first.state_dict().items()}
    called = f"save_weights(first, {path!r})"
    try:
        saved = attempt(save_weights, first, path, name="save_weights", called=called)
        compare(saved, None, "save_weights", called)
        with torch.no_grad():
            for p in first.parameters():
                p.add_(1)  # what happens to the network later does not reach the file
        called = f"{called}, then load_weights(second, {path!r})"
        got = attempt(load_weights, second, path, name="load_weights", called=called)
    finally:
        Path(path).unlink(missing_ok=True)
    require(
        got is second,
        "load_weights must return the network that it was given",
        called=called,
        got=describe(got),
        expected="second",
    )
    require(not any(m.training for m in second.modules()), "after load_weights, the network must be in evaluation mode", called=called)
    for name, value in second.state_dict().items():
        compare(value, before[name], f"{name} of the loaded network", called, 0, 0)
    first.load_state_dict(before)
    with torch.no_grad():
        compare(second(photos), first.eval()(photos), "the scores of the loaded network", called)


check_saved(4, "check-06-weights.pt", second_is_in_training=True)
called = "load_weights(nn.BatchNorm2d(2), 'from-another-machine.pt')"
norm = attempt(load_weights, nn.BatchNorm2d(2), "from-another-machine.pt", name="load_weights", called=called)
compare(norm.weight.detach(), torch.tensor([1.0, 2.0]), "the weight of the loaded network", called)
try:
    load_weights(nn.BatchNorm2d(2), "from-a-stranger.pt")
    refused = False
except Exception:
    refused = True
require(refused, "load_weights must load nothing but weights", called="load_weights(nn.BatchNorm2d(2), 'from-a-stranger.pt')")
### BEGIN HIDDEN TESTS
check_saved(7, "check-06-others.pth", second_is_in_training=False)
first = make_network(5)
attempt(save_weights, first, "check-06-mode.pt")
Path("check-06-mode.pt").unlink(missing_ok=True)
require(first.training, "save_weights must leave the network in the mode in which it was", called="save_weights(first, path)")
### END HIDDEN TESTS

# %% [markdown]
# ## 11. Train a classifier
#
# `Difficulty ●●●●○ · 10 minutes · 3 points`
#
# Everything together: write `train_classifier(images, labels)`, which makes a network, trains it on the photos, and returns it in evaluation mode.
# The test measures its accuracy on 1000 photos that your function does not get.
# Guessing would reach 10 %; you need at least 45 %.
# In the mirror the photos show the same things: there, 43 % are enough.
# It may take at most 30 seconds: in grading it is stopped then, on one core of a processor, perhaps a slow one.
# Plan for 10 seconds or less.
#
# - `images`: a tensor of shape `(N, 3, 32, 32)`, dtype `float32`, with values from 0 to 1; the test has the 5000 photos of the training split.
# - `labels`: a tensor of shape `(N,)`, dtype `int64`, with values from 0 to 9.
# - Returns: an `nn.Module` in evaluation mode, which returns for a batch of such images `(N, 3, 32, 32)` the scores of the classes, `(N, 10)`.
#   If the images need a normalization, it is a part of this network.
#
# ```python
# noise = torch.rand(64, 3, 32, 32)
# network = train_classifier(noise, torch.arange(64) % 10)  # there is nothing to learn here
# network(noise[:2]).shape
# # torch.Size([2, 10])
# ```
#
# <details><summary>Hint</summary>
#
# - Which step of the lecture gained the most, and which one cost the most time?
# - How many steps does an epoch have with batches of 64, and how long does one of them take on your machine?
# - What could you do early in the network, so that the later layers have fewer pixels to work on?
# - Which learning rate reaches the most in the first hundred steps: have you tried one that is ten times larger?
#
# </details>

# %% nbgrader={"grade_id": "train_classifier", "solution": true}
def train_classifier(images, labels):
    """Return a network that was trained to classify `images`."""
    ### BEGIN SOLUTION
    network = nn.Sequential(
        nn.BatchNorm2d(3),  # the normalization of the photos
        nn.Conv2d(3, 16, 4, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 10),
    )
    epochs, batch_size = 3, 64
    steps = epochs * math.ceil(len(images) / batch_size)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(batch_size):
            optimizer.zero_grad()
            F.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()
    ### END SOLUTION


# %% nbgrader={"grade_id": "train_classifier-accuracy", "grade": true, "points": 3}
def read(split):
    """Return the photos of a split, from 0 to 1, and their labels."""
    with h5py.File(PHOTOS) as file:
        images, labels = file[split]["images"][:], file[split]["labels"][:]
    return torch.from_numpy(images).movedim(3, 1) / 255, torch.from_numpy(labels).long()


images, labels = read("train")
start = time.perf_counter()
called = "network = train_classifier(images, labels) with the 5000 training photos"
network = attempt(train_classifier, images, labels, name="train_classifier", called=called)
seconds = time.perf_counter() - start
require(
    seconds < 30,
    "train_classifier takes too long",
    called=called,
    got=f"{seconds:.0f} seconds",
    expected="less than 30 seconds",
)
require(
    isinstance(network, nn.Module),
    "train_classifier must return the network",
    called=called,
    got=describe(network),
    expected="an nn.Module",
)
require(
    not any(m.training for m in network.modules()),
    "train_classifier must return the network in evaluation mode",
    called=called,
)
photos, truth = read("test")
called = f"{called}, then network(photos) with the 1000 test photos"
scores = attempt(network, photos, name="the network", called=called)
compare(scores, torch.zeros(1000, 10), "the scores", called, atol=math.inf)
accuracy = (scores.argmax(1) == truth).float().mean().item()
require(
    accuracy >= 0.45,
    "the network is not accurate enough",
    called=called,
    got=f"{100 * accuracy:.1f} % of the test photos are right",
    expected="at least 45 %",
)
### BEGIN HIDDEN TESTS
# In the mirror the photos show the same things, and no answer can have met them in the data.
mirrored = attempt(network, photos.flip(3), name="the network").argmax(1)
accuracy = (mirrored == truth).float().mean().item()
require(
    accuracy >= 0.43,
    "the network is not accurate enough for photos that were mirrored",
    called="network(photos.flip(3)) with the 1000 test photos",
    got=f"{100 * accuracy:.1f} % are right",
    expected="at least 43 %",
)
### END HIDDEN TESTS
