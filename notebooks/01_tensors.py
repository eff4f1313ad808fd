# %% [markdown]
# # Tensors
#
# After this lecture you can make, read, reshape and combine tensors, and you know what happens in memory while you do it.
#
# **You will learn** to
#
# - make tensors from lists, NumPy arrays, patterns and random numbers, and choose their dtype;
# - calculate with them, in place or not, and read the error messages;
# - select, mask and rearrange their elements;
# - find an element in memory from offset and stride, and tell a view from a copy;
# - predict the shape of a result, with broadcasting too.
#
# **Time:** 45 minutes.
# Before you run a cell, guess what it prints.
# The wrong guesses teach the most.

# %%
import base64
import html
import io
import textwrap
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import imageio.v3 as iio
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, display


def show_figure(alt):
    """Show the current figure as an image whose alternative text is `alt`, then close it."""
    figure = plt.gcf()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, bbox_inches="tight")
    plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode()
    width = round(80 * figure.get_figwidth())
    style = f"width: {width}px; max-width: 100%"
    display(HTML(f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/png;base64,{data}">'))


# %% [markdown]
# Some cells of this lecture fail on purpose, because an error message that you have met before is a friend.
# Two small helpers print errors and warnings, so that the notebook runs on.


# %%
@contextmanager
def expect_error(kind, words):
    """Print the error that the indented code must raise; its message contains `words`."""
    try:
        yield
    except kind as error:
        assert words in str(error), f"another message: {error}"
        print(f"{type(error).__name__}: {textwrap.shorten(str(error), 170)}")
    else:
        raise AssertionError(f"expected {kind}, but nothing failed")


@contextmanager
def show_warnings():
    """Print the warnings of the indented code instead of letting them pass by."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        print(f"{warning.category.__name__}: {textwrap.shorten(str(warning.message), 170)}")
    if not caught:
        print("no warning from these versions")


with expect_error(ZeroDivisionError, "division"):
    1 / 0

# %% [markdown]
# ## A cat is a tensor
#
# Here is a photo of a cat.
# Read it, and look at what you got.

# %%
DATA = next(p / "data" for p in [Path.cwd(), *Path.cwd().parents] if (p / "data" / "README.md").exists())
photo = iio.imread(DATA / "chelsea.png")
cat = torch.tensor(photo)
print(type(photo), "->", type(cat))
print(cat.shape, cat.dtype, "from", cat.min().item(), "to", cat.max().item())
print("the upper left pixel:", cat[0, 0])

# %% [markdown]
# No cat, but numbers: 300 rows, 451 columns, and 3 whole numbers for each pixel, namely how much red, green and blue.
# Whatever you can do with numbers, you can now do with the cat.

# %%
edits = {
    "cat": cat,
    "cat[85:165, 110:350]": cat[85:165, 110:350],
    "cat.flip(1)": cat.flip(1),
    "cat[:, :, 0]": cat[:, :, 0],
}
figure, axes = plt.subplots(2, 2, figsize=(8, 5.8), layout="constrained")
for ax, (code, picture) in zip(axes.flat, edits.items(), strict=True):
    ax.imshow(picture.numpy(), cmap="gray")
    ax.set_title(f"{code}\n{tuple(picture.shape)}", family="monospace", fontsize=10)
    ax.axis("off")
show_figure(
    "The same photo of a cat four times: whole, cropped to its eyes, mirrored, and its red channel in gray."
)

# %% [markdown]
# One line crops, mirrors, or picks a color channel.
# This lecture is about such lines: what they mean, and what they cost.
#
# ## What a tensor is
#
# Predict: how many dimensions does `[1, 2, 3]` have?

# %%
scalar = torch.tensor(7)
vector = torch.tensor([1, 2, 3])
matrix = torch.tensor([[1, 2, 3], [4, 5, 6]])
for x in (scalar, vector, matrix, cat):
    print(f"ndim {x.ndim}  shape {tuple(x.shape)}  {x.numel()} elements")
assert vector.ndim == 1 and vector.numel() == 3

# %% [markdown]
# Hmm: three numbers, but one dimension.
# The number of dimensions, `ndim`, is how many indices you need to reach one number.
# In `vector` one index is enough: it has 1 dimension with 3 elements.
# A *tensor* is an array of numbers with any number of dimensions, all of one *dtype* (data type).
# With 0, 1 and 2 dimensions it is also called scalar, vector and matrix.
#
# The next cell draws tensors as cells, and more figures below use its function `draw_cells`.

# %%
BLUE, ORANGE, GREEN = "#56B4E9", "#E69F00", "#66CDAA"
YELLOW, PINK, PALE = "#F0E442", "#CC79A7", "#EEEEEE"


def new_canvas(width, height):
    """Return an empty drawing area; x runs to the right, y runs down, one unit is one cell."""
    figure, ax = plt.subplots(figsize=(width * 0.48, height * 0.48))
    ax.set(xlim=(-0.1, width), ylim=(height, -0.1), aspect="equal")
    ax.axis("off")
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    return ax


def label(ax, x, y, text, **style):
    """Write `text` centered at (x, y)."""
    ax.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": 10, **style})


def draw_cells(ax, rows, x, y, colors, alpha=1.0):
    """Draw a list of rows as cells from the corner (x, y); `colors`: one, or rows of them."""
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            face = colors if isinstance(colors, str) else colors[i][j]
            cell = plt.Rectangle((x + j, y + i), 1, 1, fc=face, ec="black", lw=0.8, alpha=alpha)
            ax.add_patch(cell)
            label(ax, x + j + 0.5, y + i + 0.5, value, fontsize=11)


# %%
ax = new_canvas(24.4, 6)
blank = [[""] * 3] * 2
draw_cells(ax, [[""]], 0.6, 2.2, BLUE)
draw_cells(ax, [[""] * 3], 3, 2.2, BLUE)
draw_cells(ax, blank, 7.2, 1.7, BLUE)
for x in (11.4, 16.4, 20.6):
    for k in reversed(range(4)):
        draw_cells(ax, blank, x + 0.22 * k, 2.0 - 0.3 * k, BLUE)
for x, dims, shape, name in [
    (1.1, "0-d", "()", "scalar"),
    (4.5, "1-d", "(3,)", "vector"),
    (8.7, "2-d", "(2, 3)", "matrix"),
    (13.2, "3-d", "(4, 2, 3)", "stack of matrices"),
    (20.1, "4-d", "(2, 4, 2, 3)", "row of stacks"),
]:
    label(ax, x, 0.2, dims, fontsize=12, weight="bold")
    label(ax, x, 4.7, shape, family="monospace")
    label(ax, x, 5.4, name)
show_figure(
    "Tensors as cells: one cell is 0-d, a row of 3 is 1-d, 2 rows of 3 are 2-d, a stack of 4 such matrices is 3-d, two stacks side by side are 4-d."
)

# %% [markdown]
# A tensor tells you about itself.
# `shape` and `size()` are two spellings of one thing, and so are `ndim` and `dim()`.

# %%
print(cat.shape, cat.dtype, cat.device)
assert cat.shape == cat.size() == (300, 451, 3)
assert cat.ndim == cat.dim() == 3 and cat.numel() == 300 * 451 * 3
assert isinstance(cat.shape, tuple)  # torch.Size is a tuple, so you can unpack it
height, width, channels = cat.shape
print(f"{width} wide, {height} high")

# %% [markdown]
# ### What the axes mean
#
# Torch does not know what an axis means, so people agree on an order.
#
# | data | axes | an example |
# |---|---|---|
# | time series | (N, L, C): series, time, channel | 8 days of 24 hours with 17 measurements: (8, 24, 17) |
# | images | (N, C, H, W): image, channel, height, width | 2 color photos: (2, 3, 300, 451) |
# | video, 5-d | (N, C, T, H, W): also time | 2 clips of 5 frames: (2, 3, 5, 32, 48) |
#
# NumPy and image readers use height, width, channel: our cat is *HWC*.
# PyTorch's convolution layers want the channel before height and width: *NCHW*.
# In both, height comes before width.
# You do not need to know the layers of the next cell yet: here they check that the channel stands where they want it.
# Nobody can check the other axes for you.
# `nn.RNN` takes (N, L, C) with `batch_first=True`; `nn.Conv1d` wants (N, C, L).

# %%
series = torch.zeros(8, 24, 17)
images, video = torch.zeros(2, 3, 300, 451), torch.zeros(2, 3, 5, 32, 48)
print(torch.nn.RNN(input_size=17, hidden_size=4, batch_first=True)(series)[0].shape)
print(torch.nn.Conv1d(in_channels=17, out_channels=4, kernel_size=1)(series.mT).shape)
print(torch.nn.Conv2d(in_channels=3, out_channels=6, kernel_size=1)(images).shape)
print(torch.nn.Conv3d(in_channels=3, out_channels=6, kernel_size=1)(video).shape)
with expect_error(RuntimeError, "to have 3 channels"):
    torch.nn.Conv2d(in_channels=3, out_channels=6, kernel_size=1)(torch.zeros(2, 300, 451, 3))

# %% [markdown]
# ### List, array, tensor
#
# Why not a list?
# Predict the three lines.

# %%
print([1, 2] * 2)
print(np.array([1, 2]) * 2)
print(torch.tensor([1, 2]) * 2)

# %% [markdown]
# A list repeats itself; an array and a tensor calculate.
# A list holds anything, also rows of unequal length; a tensor holds numbers of one dtype in a full box, and no strings.

# %%
print(["cat", 3, [1, 2], [3]])  # a list does not mind
with expect_error(TypeError, "str"):
    torch.tensor("cat")
with expect_error(ValueError, "expected sequence of length 2"):
    torch.tensor([[1, 2], [3]])

# %% [markdown]
# Then why not a NumPy array?
# It can transpose, multiply matrices and broadcast as well as a tensor can (you will see all three below).
# A tensor adds two things: it can live on a GPU, and it can remember how it was computed, which gives gradients.
# Neither happens unless you ask: by default a new tensor is on the CPU and wants no gradient.

# %%
array = np.array([[1.0, 2.0], [3.0, 4.0]])
print(array.T, array @ array, array + np.array([10.0, 20.0]), sep="\n")
print(torch.ones(2).device, torch.ones(2).requires_grad)
print(2 * torch.ones(2, requires_grad=True))  # grad_fn remembers the multiplication

# %%
if torch.cuda.is_available():
    print(torch.ones(2, device="cuda").device)
else:
    print('no CUDA here; with it, torch.ones(2, device="cuda").device is cuda:0')
    print('on a Mac with an Apple processor the device is called "mps"')

# %% [markdown]
# ## Making tensors
#
# ### From data
#
# `torch.tensor` copies your data and chooses the dtype by looking at it.

# %%
for data in (5, [5.5, 3], (1, 2), [[1, 2, 3], [4, 5, 6]], np.random.randn(2, 3)):
    print(type(data).__name__, "->", torch.tensor(data).dtype, tuple(torch.tensor(data).shape))
assert torch.tensor([5.5, 3]).dtype == torch.float32
assert torch.tensor([[1, 2, 3], [4, 5, 6]]).dtype == torch.int64
assert torch.tensor(np.random.randn(2, 3)).dtype == torch.float64
print(torch.tensor(1.0, dtype=torch.int8, device="cpu"))

# %% [markdown]
# Whole numbers become int64, numbers with a point float32, and a NumPy array keeps its own dtype, here float64.
# With `dtype=` and `device=` you decide.
#
# *A common mistake*: a capital T.
# `torch.Tensor` is an old constructor with other habits.

# %%
print(torch.tensor(1), torch.Tensor(1).shape)  # the number 1, and a vector of 1 element
print(torch.Tensor(2, 3).shape, torch.Tensor([10]))
torch.set_deterministic_debug_mode("error")  # now torch marks memory that nobody has filled
print(torch.Tensor(2, 3))
torch.set_deterministic_debug_mode("default")

# %% [markdown]
# Whole numbers are taken as sizes, and the memory is *uninitialized*: it holds whatever was there before.
# When that happens to be zero, the mistake hides.
# The `nan` above (not a number) are torch's own marks: never read what you did not write.
#
# A list becomes the *default dtype*, which is float32 until someone changes it.
# And with a tensor or array inside, copying is the other way around than many think.

# %%
source = torch.ones(2)
with show_warnings():
    copy = torch.tensor(source)
alias = torch.Tensor(source)
source[0] = 9
print(copy, alias)  # torch.tensor copied, torch.Tensor shares the memory
assert copy[0] == 1 and alias[0] == 9

# It also keeps the dtype, and the wish for a gradient ...
assert torch.Tensor(torch.ones(2, dtype=torch.float64)).dtype == torch.float64
assert torch.Tensor(torch.ones(2, requires_grad=True)).requires_grad
array = np.ones(2, dtype=np.float32)
alias = torch.Tensor(array)
array[0] = 9
assert alias[0] == 9  # ... and shares memory with a float32 array too
assert torch.Tensor(np.ones(2)).dtype == torch.float32  # a float64 array is converted, so copied

torch.set_default_dtype(torch.float64)
print(torch.Tensor([1, 2]).dtype)
torch.set_default_dtype(torch.float32)

assert torch.Tensor([1, 2], device="cpu").device.type == "cpu"
with expect_error(RuntimeError, "legacy constructor expects device type: cpu"):
    torch.Tensor([1, 2], device="cuda")  # device= is accepted, but only the CPU
with expect_error(TypeError, "copy"):
    torch.tensor([1.0], copy=True)  # there is no such argument: it always copies

# %% [markdown]
# The warning names the clear way to copy a tensor: `detach` and `clone`.
# The old constructor also comes with a type in its name, and cuts numbers off without a word.

# %%
print(torch.IntTensor([1.7, 2.2]))
print(torch.FloatTensor([1.7]).dtype, torch.DoubleTensor([1.7]).dtype)
print(torch.LongTensor([1.7]).dtype, torch.ShortTensor([1.7]).dtype)
assert torch.IntTensor([1.7, 2.2]).tolist() == [1, 2]

# %% [markdown]
# In your own code write `torch.tensor(data, dtype=...)`: small t, and you say what you want.
#
# ### From a pattern

# %%
print(torch.full((2, 3), 3.14))
print(torch.eye(3, 4))
x = torch.zeros(4, 3, dtype=torch.long)
print(torch.ones(2, 3).dtype, x.dtype, torch.zeros_like(x).dtype)
print(x.new_ones(4, 3, dtype=torch.double).dtype)
print(torch.empty(2, 3).shape, "whatever was in memory")
assert x.new_ones(2).dtype == x.dtype
assert torch.eye(3).equal(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]))
assert torch.randn_like(torch.ones(2, 3)).shape == (2, 3)
assert torch.ones(2, requires_grad=True).requires_grad
with expect_error(TypeError, "eye() received an invalid combination"):
    torch.eye(2, 3, 4)  # an identity is a matrix: at most 2-d

# %% [markdown]
# `..._like(x)` takes shape, dtype and device from `x`; `x.new_...` takes dtype and device.
#
# ### Ranges
#
# Predict: how many numbers does each line make?

# %%
print(torch.arange(0, 10, 2))
print(torch.linspace(1, 10, 4))
print(torch.linspace(0, 10, 5))
x = torch.linspace(3, 10, 10)
print(x)
print("from one to the next:", (x[1] - x[0]).item())
assert torch.arange(0, 10, 2).tolist() == [0, 2, 4, 6, 8]
assert torch.linspace(1, 10, 4).tolist() == [1, 4, 7, 10]
print(torch.arange(1, 1.3, 0.1))
assert len(torch.arange(1, 1.3, 0.1)) == 4  # 1.3 came in
assert len(x) == 10 and torch.allclose(x.diff(), torch.tensor(7 / 9))

# %% [markdown]
# `arange` counts in steps and leaves the end out.
# With a step like 0.1, rounding can let the end in: use `linspace` there.
# `linspace` includes the end, and its last argument is the number of *points*.
# Ten fence posts have nine gaps: the distance above is 7/9.
#
# ### Random numbers

# %%
torch.manual_seed(123)
print(torch.initial_seed())
print(torch.rand(2), "uniform from 0 to 1")
print(torch.randn(2), "normal, mean 0, standard deviation 1")
print(torch.normal(mean=2, std=3, size=(1, 4)), "normal, mean 2, standard deviation 3")
print(torch.randint(0, 10, (2, 3)), "whole numbers, 10 left out")
print(torch.randperm(5), "0 to 4, shuffled")
print(torch.empty(3).uniform_(2, 5), "uniform from 2 to 5")

many = torch.normal(mean=2, std=3, size=(100_000,))
print(f"standard deviation {many.std():.2f}, variance {many.var():.2f}")
assert abs(many.std() - 3) < 0.05 and abs(many.var() - 9) < 0.3
assert torch.randperm(5).sort().values.tolist() == [0, 1, 2, 3, 4]
assert torch.randint(0, 10, (1000,)).max() == 9
with expect_error(AttributeError, "uniform"):
    torch.uniform(2, 5)  # there is no torch.uniform; tensors have the method uniform_

# %% [markdown]
# `std=3` is a standard deviation; the variance is its square, 9.
# Only the normal distribution with mean 0 and standard deviation 1, that of `randn`, is called *standard*.
#
# The same seed and the same calls give the same numbers again, on the same device and version of torch.

# %%
torch.manual_seed(100)
first = torch.randn(2, 3)
torch.manual_seed(100)
print(first, first.equal(torch.randn(2, 3)))
assert torch.allclose(first[0], torch.tensor([0.3607, -0.2859, -0.3938]), atol=1e-4)

# %% [markdown]
# ### Printing
#
# Numbers like these print in scientific notation, unless you ask otherwise.

# %%
x = torch.linspace(3, 10_000_000, 10)
print(x)
torch.set_printoptions(sci_mode=False)
print(x)
torch.set_printoptions(profile="default")
assert "e+" in str(x)

# %% [markdown]
# ## The numbers inside: dtypes
#
# Nine dtypes are the classics.
# Beside them stand bfloat16, complex numbers, tiny floats of 8 bits and unsigned integers of 16, 32 and 64 bits.

# %%
floats = [torch.float16, torch.float32, torch.float64]
integers = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
classics = [*floats, *integers, torch.bool]
for dtype in classics:
    if dtype.is_floating_point:
        third = torch.tensor(1 / 3, dtype=dtype).item()
        print(f"{dtype}  {dtype.itemsize} bytes  up to {torch.finfo(dtype).max:.3g}  1/3 = {third}")
    elif dtype == torch.bool:
        print(f"{dtype}  {dtype.itemsize} byte  True or False")
    else:
        low, high = torch.iinfo(dtype).min, torch.iinfo(dtype).max
        print(f"{dtype}  {dtype.itemsize} bytes  from {low} to {high}")
others = [torch.bfloat16, torch.complex64, torch.complex128, torch.float8_e4m3fn, torch.float8_e5m2]
others += [torch.uint16, torch.uint32, torch.uint64]
found = {value for value in vars(torch).values() if isinstance(value, torch.dtype)}
assert len(classics) == 9 and found.issuperset(classics + others)
print(len(found), "dtype objects in torch", torch.__version__)

# %% [markdown]
# Among the three floats, more bytes mean more correct digits, and more memory to fill and to move.
# The default, float32, is a compromise.
# How do two of them compare in time on your machine?

# %%
seconds = {}
for dtype in (torch.float32, torch.float64):
    x = torch.ones(600, 600, dtype=dtype)
    runs = []
    for _ in range(10):
        start = time.perf_counter()
        x @ x
        runs.append(time.perf_counter() - start)
    seconds[dtype] = min(runs)
    print(f"{dtype}: {x.nbytes / 1e6:.2f} MB, {1000 * seconds[dtype]:.2f} ms for a matrix product")
print(f"time of float64 / time of float32 = {seconds[torch.float64] / seconds[torch.float32]:.1f}")
print("the default is", torch.get_default_dtype())

# %% [markdown]
# Methods such as `float()`, `half()` and `long()` convert, and so does `type(dtype)`.
# If the dtype changes, the result is a new tensor; if not, it is the old one.
# Predict the values that come out of this chain.

# %%
x = torch.tensor([1, -2, 2049])
chain = [x, x.float(), x.half(), x.half().float(), x.half().float().half(), x.half().double()]
chain += [chain[-1].long(), chain[-1].long().int(), x.short(), x.type(torch.float64)]
for step in chain:
    print(step.dtype, step.tolist())
print(torch.tensor([1.7, -1.7]).int())
print(torch.tensor([250], dtype=torch.uint8) + 10)
assert x.half()[2] == 2048 and x.long() is x

# %% [markdown]
# Three surprises.
# A half-precision float has no room for 2049, and converting back does not bring it back.
# To an integer, numbers are cut toward zero.
# And uint8 ends at 255, so that 250 + 10 starts again from 0 and gives 4.
# Let us make the cat brighter without knowing that.

# %%
wrong = cat + 100
right = (cat.float() + 100).clamp(0, 255).to(torch.uint8)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.1), layout="constrained")
pictures = {"cat + 100": wrong, "cat.float() + 100, clamped": right}
for ax, (code, picture) in zip(axes, pictures.items(), strict=True):
    ax.imshow(picture.numpy())
    ax.set_title(code, family="monospace", fontsize=10)
    ax.axis("off")
assert wrong.dtype == torch.uint8 and (wrong < cat).any() and not (right < cat).any()
show_figure(
    "Two brightened cats: left, bright areas turned turquoise, blue and black by overflow; right, brighter everywhere, the brightest areas white."
)

# %% [markdown]
# ## To NumPy and back
#
# Predict: we add 1 to the tensor and never touch the array.

# %%
t = torch.ones(5)
n = t.numpy()
t.add_(1)
print(n)
a = np.ones(5)
b = torch.from_numpy(a)
b.add_(1)
print(a, b.dtype)
assert (n == 2).all() and (a == 2).all() and b.dtype == torch.float64

# %% [markdown]
# `numpy()` and `from_numpy` copy nothing: both names look at the same memory, from either side.
# To be independent, copy.

# %%
n = torch.ones(2, 2).numpy()
shared, separate = torch.from_numpy(n), torch.tensor(n)
before = shared.numpy().copy()
n[0, 0] = 100
print(shared[0, 0], separate[0, 0], before[0, 0])

whole = np.arange(3)
print(whole.dtype, torch.from_numpy(whole).dtype)
assert str(torch.from_numpy(whole).dtype) == f"torch.{whole.dtype}"

# %% [markdown]
# The dtype stays the array's, here the whole numbers that `np.arange` makes on your machine.
# For mathematics on a tensor, use torch's functions.
# A NumPy function refuses a tensor that wants gradients, and newer versions of NumPy warn in any case.

# %%
x = torch.tensor([4.0, 9.0])
with show_warnings():
    np.sqrt(x)
with expect_error(RuntimeError, "requires grad"):
    np.sqrt(torch.ones(2, requires_grad=True))
print(torch.sqrt(x), np.sqrt(x.numpy()))

# %% [markdown]
# One number comes out as a Python number with `item()`, whatever the shape around it.

# %%
print(torch.tensor([18]).item(), torch.tensor([[[18]]]).item(), torch.tensor(18).item())
with expect_error(RuntimeError, "cannot be converted to Scalar"):
    torch.tensor([1, 2]).item()
print(torch.tensor([1, 2]).tolist())  # any number of elements

# %%
if torch.cuda.is_available():
    print(torch.tensor([18], device="cuda").item())
    with expect_error(TypeError, "can't convert cuda"):
        torch.tensor([18], device="cuda").numpy()
else:
    print("no CUDA here; for a tensor on the GPU item() works too")
    print("numpy() is a TypeError there: first cpu(), then numpy()")

# %% [markdown]
# ## Arithmetic, element by element
#
# `+ - * / **` work on elements of equal position, and each has a function and a method: `add`, `sub`, `mul`, `div`, `pow`.

# %%
x, y = torch.ones(2, 3), 3 * torch.ones(2, 3)
print(x - y)
assert (x - y).equal(torch.sub(x, y)) and (x * y).equal(x.mul(y))
assert (x / y).equal(x.div(y)) and (y**2).equal(y.pow(2))
print(torch.tensor([1, 2]) / 2)  # integers divided by an integer give floats

result = torch.empty(2, 3)
torch.add(x, y, out=result)
assert result.equal(x + y) and result.equal(torch.add(x, y))
x.add_(y)
assert result.equal(x)

# %% [markdown]
# Four ways to add, and one difference.
# `x + y` and `torch.add(x, y)` make a new tensor, `out=` fills a tensor that you give, and `x.add_(y)` writes into `x`.
# Methods that end with `_` work *in place*; those without it leave the numbers in `x` alone.
#
# An `out=` that already has elements must have the shape of the result.
# Otherwise torch still changes its shape, but warns that this will end.

# %%
result = torch.empty(5, 3)
with show_warnings():
    torch.add(torch.ones(4, 3), torch.ones(4, 3), out=result)
assert result.shape == (4, 3)

x, y = torch.tensor([1, 2]), torch.tensor([10, 20])
x.add(y)
print(x, "after add")
x.add_(y)
print(x, "after add_")
with expect_error(RuntimeError, "can't be cast"):
    x.div_(3.0)  # the float results do not fit into integer memory

# %% [markdown]
# In-place operations give notebooks a memory.
# Imagine the line in this loop alone in a cell, and that you run the cell three times.

# %%
counter = torch.zeros(3)
for _ in range(3):
    counter.add_(1)
    print(counter)

# %% [markdown]
# Same cell, three results: they depend on what ran before.
# This is called *hidden state*.
# When results puzzle you, restart the kernel and run all cells.
#
# ### A number, a product, a mismatch
#
# A number is combined with each element.
# And `*` between matrices?
# Predict the first row of `a * b`.

# %%
print(2 * torch.tensor([[2, 1], [4, 3]]))
a = torch.tensor([[1, 2], [3, 4], [5, 6]])
b = 2 * a
print(a * b, (a * b).sum())
assert (a * b).tolist() == [[2, 8], [18, 32], [50, 72]] and (a * b).sum() == 182
print(torch.tensor([[1, 2, 3], [4, 5, 6]]) * torch.tensor([[2, 3, 4], [2, 2, 3]]))

# %% [markdown]
# `*` is *not* the matrix product.
# It multiplies elements of equal position: the *Hadamard product*.
#
# Multiply and add up: is that a convolution?
# It is one window of it.
# A convolution layer does this for every place of the window.
# (In mathematics a convolution also flips the weights; PyTorch's does not.)

# %%
image, weights = torch.arange(16.0).reshape(1, 1, 4, 4), torch.rand(1, 1, 3, 3)
convolved = torch.nn.functional.conv2d(image, weights)
print(convolved.shape)
for row in range(2):
    for column in range(2):
        window = image[..., row : row + 3, column : column + 3]
        assert torch.allclose((window * weights).sum(), convolved[0, 0, row, column])

# %% [markdown]
# Shapes that do not fit are an error.
# Read it slowly: it names the sizes, and the axis, counted from 0.
# *Non-singleton* means that its size is not 1.
# The section on broadcasting says why a size of 1 is no problem.

# %%
with expect_error(RuntimeError, "size of tensor a (4) must match the size of tensor b (2)"):
    torch.ones(2, 3, 4) + torch.ones(3, 4, 2)
with expect_error(RuntimeError, "non-singleton dimension 1"):
    torch.ones(2, 3) - torch.ones(2, 2)

# %% [markdown]
# ### Functions
#
# Predict the line of `round`.

# %%
x = torch.tensor([-2.5, -1.5, 0.5, 1.5, 2.5])
for function in (torch.round, torch.ceil, torch.abs, torch.sigmoid, torch.tanh, torch.sin, torch.cos):
    print(f"{function.__name__:8}", function(x))
print("clamp   ", x.clamp(-1, 1))
print("sqrt    ", torch.tensor([1.0, 4.0, 9.0]).sqrt())
assert x.round().tolist() == [-2, -2, 0, 2, 2]
halves = torch.arange(100) + 0.5
print("mean before and after rounding:", halves.mean(), halves.round().mean())
assert halves.mean() == halves.round().mean()

# %% [markdown]
# Exact halves go to the *even* neighbor: 2.5 becomes 2, and 1.5 too.
# Over many halves, ups and downs cancel, and the mean stays.
#
# ## Matrix products
#
# For A of shape (m, n) and B of shape (n, p), the product has shape (m, p) and elements $C_{ij} = \sum_k A_{ik} B_{kj}$.
# `@`, `torch.matmul` and `mm` compute it.

# %%
print(a @ b.t())  # t() swaps rows and columns
print(a.t() @ b)
C = a.mm(b.t())
assert C.tolist() == [[10, 22, 34], [22, 50, 78], [34, 78, 122]]
assert (a.t().mm(b)).tolist() == [[70, 88], [88, 112]]
assert C.equal(a @ b.t()) and C.equal(torch.matmul(a, b.t()))
for i in range(3):
    for j in range(3):
        assert C[i, j] == sum(a[i, k] * b.t()[k, j] for k in range(2))

D = torch.tensor([[1, 2], [3, 4], [5, 6], [7, 8]])
print(a @ D.t())
A = torch.tensor([[1, 2, 3], [4, 5, 6]])
print(A @ torch.tensor([[7, 8], [9, 10], [11, 12]]))
print(A @ torch.tensor([[3, 2], [2, 3], [5, 3]]))
assert (a @ D.t()).tolist() == [[5, 11, 17, 23], [11, 25, 39, 53], [17, 39, 61, 83]]
with expect_error(RuntimeError, "mat1 and mat2 shapes cannot be multiplied (3x2 and 4x2)"):
    a.mm(D)
with expect_error(RuntimeError, "must be a matrix"):
    torch.tensor([[[1, 2, 3], [4, 5, 6]]]).mm(a)  # one bracket too many makes it 3-d

# %% [markdown]
# In `(3x2 and 4x2)` the two inner numbers must agree, and they are 2 and 4.
#
# A matrix times a vector is `@` or `mv`: leave the vector 1-d.
# `mm` accepts matrices only, so there a vector must become a row or a column, and the result is a matrix again.

# %%
M, v = torch.tensor([[1, 2], [0, 3], [-1, -2], [1, 5]]), torch.tensor([1, 3])
print(M @ v, M.mv(v))
assert (M @ v).tolist() == [7, 9, -7, 16]
with expect_error(RuntimeError, "mat2 must be a matrix"):
    M.mm(v)
row = torch.tensor([[1, 2]])
print(a.mm(row.t()), row.mm(a.t()))

# %% [markdown]
# With more than two dimensions, `@` multiplies the matrices in the last two axes: a whole batch at once.

# %%
left, right = torch.rand(8, 2, 3), torch.rand(8, 3, 4)
print((left @ right).shape)
assert torch.allclose((left @ right)[5], left[5] @ right[5])

# %% [markdown]
# More linear algebra lives in `torch.linalg`: determinant, eigenvalues, eigenvectors and others.
# Old code calls `torch.eig`.

# %%
S = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
values, vectors = torch.linalg.eig(S)
print("determinant", torch.linalg.det(S).item(), " eigenvalues", values)
assert torch.allclose(S.to(vectors.dtype) @ vectors, vectors * values)
with expect_error((RuntimeError, AttributeError), "eig"):
    torch.eig(S)

# %% [markdown]
# ## Reductions
#
# A reduction makes one number of many, for all elements or along one axis.
# Predict: does `sum(dim=0)` of a (2, 3) tensor have 2 elements or 3?

# %%
x = torch.linspace(0, 10, 6).reshape(2, 3)
print(x, x.sum(), x.mean(dim=1))
print(x.sum(dim=0), x.sum(dim=0, keepdim=True))
assert x.sum(dim=0).tolist() == [6, 10, 14]
assert x.sum(dim=0, keepdim=True).tolist() == [[6, 10, 14]]
print("the average color of the cat:", cat.float().mean(dim=(0, 1)))

# %% [markdown]
# `dim` names the axis that *disappears*: with `dim=0`, (2, 3) becomes (3,).
# With `keepdim=True` it stays, with size 1.

# %%
x = torch.tensor([1.0, 2.0, 3.0, 4.0])
print("variance", x.var(), " standard deviation", x.std())
assert torch.allclose(x.var(), ((x - x.mean()) ** 2).sum() / 3)  # divides by n - 1
print("length", torch.linalg.vector_norm(torch.tensor([3.0, 4.0])))
with expect_error(RuntimeError, "could not infer output dtype"):
    torch.tensor([1, 2]).mean()
print("mean of integers", torch.tensor([1, 2]).float().mean())
with expect_error(RuntimeError, "floating point or complex"):
    torch.tensor([3, 4]).norm()

# %% [markdown]
# A mean of integers need not be an integer, so torch refuses: write `x.float().mean()`.
# For the length of a vector prefer `torch.linalg.vector_norm` to the old `norm`.
#
# A maximum along an axis comes with the place where it was found.

# %%
scores = torch.tensor([[0.1, 0.3, 0.6], [0.2, 0.3, 0.5]])
values, indices = scores.max(dim=1)
print(values, indices)
best = scores.argmax(axis=1)  # axis is another word for dim
print(best.dtype, best.type(torch.float32))
assert best.equal(indices) and indices.tolist() == [2, 2]

# %% [markdown]
# ## Select: indices and masks
#
# One index or slice for each axis, from the left.
# Predict each shape.

# %%
x = torch.arange(24).reshape(2, 3, 4)
t = x[0]
print(t)
parts = {
    "x[0, 0, :]": x[0, 0, :],
    "x[:, 0, 0]": x[:, 0, 0],
    "x[:, :, 0]": x[:, :, 0],
    "x[:, 1:3, 2:4]": x[:, 1:3, 2:4],
    "x[:, -1]": x[:, -1],
    "t[1:3, :2]": t[1:3, :2],
    "t[:, 1]": t[:, 1],
    "t[:, 1:2]": t[:, 1:2],
}
for code, part in parts.items():
    print(f"{code:15} {tuple(part.shape)!s:10} {part.tolist()}")

# %% [markdown]
# An index removes its axis, a slice keeps it: compare `t[:, 1]` with `t[:, 1:2]`.
#
# ### Does a change reach the original?


# %%
def share_memory(first, second):
    """Tell whether two tensors look into the same memory."""
    return first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()


x = torch.zeros(2, 3)
y = x[0, :]
y += 1
print(x)
parts = {"x[0]": x[0], "x[:, 1:]": x[:, 1:], "x[[0]]": x[[0]], "x[x > 0]": x[x > 0]}
for code, part in parts.items():
    print(f"{code:9} shares memory with x: {share_memory(part, x)}")

# %% [markdown]
# Whole numbers and slices give a *view*: a new tensor that looks into the same memory.
# A list or a mask as index gives a *copy*.
#
# ### Masks
#
# A comparison gives a tensor of `True` and `False`, and that can be an index.

# %%
print(first)
mask = first > 0
print(mask)
print(first[mask], torch.masked_select(first, mask))
assert torch.allclose(first[mask], torch.tensor([0.3607, 0.2429]), atol=1e-4)
assert mask.equal(first.gt(0)) and (first <= 0).equal(first.le(0))
assert (first >= 0).equal(first.ge(0)) and (first < 0).equal(first.lt(0))
print(((first > -1) & (first < 0)).sum(), ((first < -1) | (first > 0)).sum())
with expect_error(RuntimeError, "ambiguous"):
    (first > -1) and (first < 0)

# %% [markdown]
# Combine masks with `&` and `|`, with parentheses around each comparison.
# `and` asks the whole tensor for one yes or no, which it does not have.
#
# `torch.where` chooses between two tensors, element by element, and makes a new one.
# `torch.isnan` finds what a comparison cannot: `nan` is not equal to anything, not even to itself.

# %%
x = torch.tensor([1.0, torch.nan, 3.0])
print(x == x, torch.isnan(x))
print(torch.where(torch.isnan(x), torch.zeros(3), x), x)
assert (x == x).tolist() == [True, False, True]

# %% [markdown]
# On the left of `=` a mask writes into the tensor itself.
# Which pixels of the cat are far more red than green?

# %%
red, green, blue = cat.unbind(dim=2)  # one tensor for each color; 2.4 * green is a float tensor
mask = (red > 2.4 * green) & (red > 80)
gray = cat.float().mean(dim=2, keepdim=True)
gray = gray.repeat(1, 1, 3).to(torch.uint8)  # the same number for red, green and blue
gray[mask] = cat[mask]
figure, axes = plt.subplots(1, 2, figsize=(8, 3.1), layout="constrained")
pictures = {"mask": mask, "gray[mask] = cat[mask]": gray}
for ax, (code, picture) in zip(axes, pictures.items(), strict=True):
    ax.imshow(picture.numpy(), cmap="gray")
    ax.set_title(code, family="monospace", fontsize=10)
    ax.axis("off")
show_figure(
    "Left, black with a white patch where the nose is and a few white dots above it; right, a gray cat whose nose keeps its red color."
)

# %% [markdown]
# Two comparisons found the nose, and a few dots beside it.
#
# ## Shapes
#
# ### Join and split
#
# `torch.cat` has nothing to do with our cat: it con*cat*enates along an axis that exists.
# `torch.stack` makes a new axis.

# %%
p, q = torch.tensor([[1, 2], [3, 4]]), torch.tensor([[5, 6], [7, 8]])
print(torch.cat([p, q]).tolist(), torch.cat([p, q], dim=1).tolist())
print(torch.cat([p, q]).shape, torch.cat([p, q], dim=1).shape, torch.stack([p, q]).shape)
print(torch.arange(10).chunk(3))  # 3 pieces, the last one shorter

# %% [markdown]
# ### `view`: the same numbers in another shape
#
# The last index runs fastest, as in reading a page: this order is called *row-major*.
# `-1` means: work this size out.

# %%
x = torch.arange(8).view(1, 2, 4)
print(x.view(4, 2).tolist(), x.view(2, 2, 2).tolist())
print(torch.randn(4, 4).view(16).shape, torch.randn(4, 4).view(-1, 8).shape)
x = torch.tensor([[1, 2, 3], [4, 5, 6]])
y = x.view(3, 2)
x += 1
print(y)
print("same object:", y is x, " same memory:", share_memory(x, y))
with expect_error(RuntimeError, "is invalid for input of size 6"):
    x.view(4, 2)
with expect_error(AttributeError, "no attribute 'view'"):
    torch.view(x, (3, 2))  # a method only

# %% [markdown]
# A view is another tensor object with its own shape, and both look at one memory.
# The numbers were never moved.
#
# `reshape` gives a view where it can and a copy where it must.
# Whoever wants a copy in any case writes `x.reshape(...).clone()`.
# `x.clone().view(...)` fails for a transpose, because a clone keeps the way the numbers lie.
# A clone is still part of the computation: gradients flow through it.

# %%
x = torch.arange(12).reshape(4, 3)
print(x.reshape(2, 2, 3).reshape(2, -1))
print("reshape of x shares memory:      ", share_memory(x.reshape(2, 6), x))
print("reshape of x.t() shares memory:  ", share_memory(x.t().reshape(2, 6), x))
print("clone, then view, shares memory: ", share_memory(x.clone().view(2, 6), x))
with expect_error(RuntimeError, "view size is not compatible"):
    x.t().clone().view(2, 6)
w = torch.ones(2, requires_grad=True)
w.clone().sum().backward()
print("the gradient came through the clone:", w.grad)

# %% [markdown]
# Why must `x.t().reshape(2, 6)` copy?
# Keep the question for the section on memory.
#
# ### `squeeze` and `unsqueeze`: axes of size 1

# %%
x = torch.zeros(1, 4, 5, 1)
print(x.squeeze().shape, x.squeeze(0).shape, x.squeeze(1).shape)
print(x.shape)  # squeeze gave new views; x keeps its shape
photo_of_one = torch.zeros(32, 32, 3).unsqueeze(0)
print(photo_of_one.shape)
y = torch.zeros(2, 3).unsqueeze(1)
print(y.shape, y.squeeze(0).shape, y.squeeze(1).shape)
with expect_error(AttributeError, "unsequeeze"):
    torch.unsequeeze(y, 0)  # a spelling that is found in print

# %% [markdown]
# `squeeze` removes all axes of size 1, `squeeze(d)` only axis `d`.
# If that axis has another size, as axis 1 of `x` with its 4, nothing happens, and no error warns you.
#
# ### `transpose` and `permute`: other order of the axes

# %%
x = torch.arange(60).view(3, 4, 5)
print(x.transpose(0, 1).shape, x.permute(1, 2, 0).shape)
print(torch.zeros(2, 3, 4).permute(2, 0, 1).shape)
assert x.permute(1, 2, 0)[3, 4, 2] == x[2, 3, 4]
assert share_memory(x, x.permute(1, 2, 0)) and share_memory(x, x.transpose(0, 1))  # views
assert x[0].t().equal(x[0].transpose(0, 1))
with expect_error(RuntimeError, "number of dimensions in the tensor input does not match"):
    x.permute(1, 0)
with expect_error(RuntimeError, "duplicate dims"):
    x.permute(1, 1, 0)

# %% [markdown]
# In `permute(1, 2, 0)` the new axes are the old axes 1, 2 and 0.
# Our cat is (height, width, channel), and layers want the channel first.
# Three ways give a tensor with 3 in front.
# Which one keeps the cat?

# %%
ways = {
    "permute(2, 0, 1)": cat.permute(2, 0, 1),
    "transpose(0, 2)": cat.transpose(0, 2),
    "view(3, 300, 451)": cat.view(3, 300, 451),
}
widths = [451, 300, 451]
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained", width_ratios=widths)
for ax, (code, chw) in zip(axes, ways.items(), strict=True):
    ax.imshow(chw[0].numpy(), cmap="gray")
    ax.set_title(f"cat.{code}\n{tuple(chw.shape)}", family="monospace", fontsize=10)
    ax.axis("off")
assert ways["permute(2, 0, 1)"][0].equal(cat[:, :, 0])
assert not ways["view(3, 300, 451)"].equal(ways["permute(2, 0, 1)"])
show_figure(
    "Channel 0 after three ways: permute shows the cat upright, transpose a cat lying on its side, view a striped noise without a cat."
)

# %% [markdown]
# *A common mistake*, twice.
# `transpose(0, 2)` swaps height and width too, which the shape of a square photo would hide.
# `view` has the right shape and the numbers in the wrong places: it cuts the row of numbers anew, and never moves an axis.
# Of the three, only `permute(2, 0, 1)` is right.

# %% [markdown]
# ## Memory: storage, offset, stride
#
# How can `permute` swap axes and move no number?
# Every tensor of this lecture has a *storage*, one long row of cells, and three notes on how to read it: shape, offset and stride.
# The *offset* is where to start.
# The *stride* says, for each axis, how many cells to go for the next index.

# %%
x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
for code, part in {"x": x, "x[1]": x[1], "x[1][1]": x[1][1]}.items():
    print(f"{code:8} offset {part.storage_offset()}  stride {part.stride()}")
assert x[1].storage_offset() == 3 and x[1][1].storage_offset() == 4
assert x.stride() == (3, 1) and x[1].stride() == (1,) and x[1][1].stride() == ()
assert x[1].data_ptr() == x.data_ptr() + 3 * x.itemsize  # the address moves with the offset
assert share_memory(x, x[1])  # but the storage stays

# %% [markdown]
# The element with indices i, j lies at *offset + i · stride[0] + j · stride[1]*.
# A tensor made from a list, or by `arange` or `zeros`, has stride 1 on its last axis: the last index runs fastest.
# A transpose swaps two sizes and two strides, and moves no number.

# %%
x = torch.arange(6).view(3, 2)
y = x.t()
print(x.stride(), y.stride(), share_memory(x, y))
assert x.stride() == (2, 1) and y.stride() == (1, 2)
position = y.storage_offset() + 1 * y.stride(0) + 2 * y.stride(1)
print("y[1, 2] lies at position", position, "and is", y[1, 2].item())
assert position == 5 and y[1, 2] == x.flatten()[position]

# %%
letters, colors = "abcdef", [BLUE, BLUE, YELLOW, YELLOW, PINK, PINK]
ax = new_canvas(16.5, 12.4)
for k, (code, view) in enumerate({"x": x, "x.t()": x.t(), "x[1:]": x[1:]}.items()):
    top, start, stride = 4.2 * k, view.storage_offset(), view.stride()
    rows = view.tolist()  # x holds its own positions, so its values tell where they lie
    facts = f"{code}\nshape  {tuple(view.shape)}\noffset {start}\nstride {stride}"
    label(ax, 0.1, top + 1.9, facts, family="monospace", ha="left", linespacing=1.6)
    names = [[letters[position] for position in row] for row in rows]
    painted = [[colors[position] for position in row] for row in rows]
    draw_cells(ax, names, 4.4, top + 1.9 - len(rows) / 2, painted)
    seen = [color if position in view else PALE for position, color in enumerate(colors)]
    draw_cells(ax, [letters], 8.9, top + 1.4, [seen])
    for position in range(6):
        label(ax, 9.4 + position, top + 3.3, position, color="#595959", fontsize=9)
    for step, edge, side, color, name in [
        (stride[0], top + 1.4, -1, "#B04A00", "next row"),
        (stride[1], top + 2.4, 1, "#0072B2", "next column"),
    ]:
        arrow = {"arrowstyle": "->", "color": color, "lw": 1.8}
        arrow["connectionstyle"] = f"arc3,rad={0.4 * side}"
        ax.annotate("", (9.4 + start + step, edge), (9.4 + start, edge), arrowprops=arrow)
        label(ax, 9.7 + start + step, edge + 0.4 * side, f"{name}: {step}", color=color, ha="left")
show_figure(
    "One storage of six cells, read three ways: x goes 2 cells to the next row and 1 to the next column, its transpose goes 1 and 2, x[1:] starts at offset 2."
)

# %% [markdown]
# Three tensors, one storage.
# Now try it: choose a shape and an index, transpose, leave out the first row, and watch the position.

# %%
SHAPES = {"(2, 3)": (2, 3), "(3, 2)": (3, 2), "(3, 4)": (3, 4), "(4, 4)": (4, 4)}


def draw_position(shape=(3, 4), row=1, column=2, transposed=False, skip_first_row=False):
    """Draw a matrix above its storage, and mark where one of its elements lies."""
    size = shape[0] * shape[1]
    x = torch.arange(size).view(shape)  # each element is its own position
    x = x[1:] if skip_first_row else x
    x = x.t() if transposed else x
    i, j = min(row, x.shape[0] - 1), min(column, x.shape[1] - 1)
    (s0, s1), offset = x.stride(), x.storage_offset()
    position = offset + i * s0 + j * s1
    assert x[i, j] == position

    colors = [BLUE if cell in x else PALE for cell in range(size)]
    colors[position] = ORANGE
    names = [chr(ord("a") + cell) for cell in range(size)]
    ax = new_canvas(16.5, 7.6)
    matrix = [[names[cell] for cell in line] for line in x.tolist()]
    painted = [[colors[cell] for cell in line] for line in x.tolist()]
    draw_cells(ax, matrix, 0.2, 1, painted)
    draw_cells(ax, [names], 0.2, 6, [colors])
    for cell in range(size):
        label(ax, 0.7 + cell, 7.3, cell, color="#595959", fontsize=9)
    label(ax, 0.2, 0.4, f"x[{i}, {j}]", family="monospace", fontsize=13, ha="left")
    label(ax, 0.2, 5.6, "storage", ha="left")
    lines = [
        f"shape    {tuple(x.shape)}",
        f"offset   {offset}",
        f"stride   ({s0}, {s1})",
        f"position {offset} + {i}·{s0} + {j}·{s1} = {position}",
    ]
    if (i, j) != (row, column):
        lines.append("(index kept inside the shape)")
    for k, line in enumerate(lines):
        label(ax, 5.4, 1.5 + 0.75 * k, line, family="monospace", fontsize=11, ha="left")
    show_figure(
        f"A matrix of shape {tuple(x.shape)} above its storage of {size} cells; element [{i}, {j}] is at {offset} + {i}·{s0} + {j}·{s1} = {position}."
    )


draw_position()

# %%
controls = ipywidgets.interact(draw_position, shape=SHAPES, row=(0, 3), column=(0, 3))

# %% [markdown]
# With `as_strided` you choose size and stride yourself.
# Predict: which elements of a (3, 3) tensor do you meet with a stride of 4?

# %%
x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
print(x.as_strided(size=(3,), stride=(4,)))
assert x.as_strided((3,), (4,)).equal(x.diagonal())
assert share_memory(x, x.as_strided((3,), (4,)))
with expect_error(RuntimeError, "out of bounds"):
    x.as_strided(size=(4,), stride=(4,))

# %% [markdown]
# Those of the diagonal: one row down and one column to the right are 3 + 1 cells.
# Torch checks that you stay inside the storage; whether the numbers make sense is up to you.
#
# ### View or copy?
#
# Now the two words have a picture.
# A *view* is a second reader of one storage, a *copy* has a storage of its own.

# %%
x, z = torch.arange(5), torch.arange(5)
view = x[1:4]
view[0] = 99
copy = z[1:4].clone()
copy[0] = 99
print(x, z)


def draw_row(ax, values, x, y, color):
    """Draw one storage; the cell that was written to, with its 99, is orange."""
    draw_cells(ax, [values], x, y, [[ORANGE if value == 99 else color for value in values]])


def draw_bracket(ax, x, y, width, text):
    """Draw a bracket below `width` cells, and its text."""
    ax.plot([x, x, x + width, x + width], [y, y + 0.2, y + 0.2, y], color="black", lw=1)
    label(ax, x + width / 2, y + 0.7, text, family="monospace", fontsize=11)


ax = new_canvas(18.5, 5.3)
for left, name, title in [(1.2, "x", "one storage"), (11.2, "z", "two storages")]:
    label(ax, left + 2.5, 0.3, title, fontsize=12, weight="bold")
    label(ax, left - 0.5, 1.5, name, family="monospace", fontsize=13)
draw_row(ax, x.tolist(), 1.2, 1, BLUE)
draw_bracket(ax, 2.2, 2.2, 3, "view = x[1:4]")
draw_row(ax, z.tolist(), 11.2, 1, BLUE)
draw_row(ax, copy.tolist(), 12.2, 2.8, GREEN)
draw_bracket(ax, 12.2, 4, 3, "copy = z[1:4].clone()")
assert share_memory(x, view) and not share_memory(z, copy)
show_figure(
    "Left, view and x share one storage, and 99 written through the view is seen in x; right, the copy has a storage of its own and z is unchanged."
)

# %% [markdown]
# Ask the storage's address, `untyped_storage().data_ptr()`, while both tensors are alive.
#
# *A common mistake*: to compare `id(x.untyped_storage())`.
# Predict: five tensors of different sizes, how many ids?

# %%
ids = [id(torch.ones(n).untyped_storage()) for n in range(1, 6)]
print(len(ids), "storages,", len(set(ids)), "different id(s)")
tensors = [torch.ones(n) for n in range(1, 6)]
addresses = {t.untyped_storage().data_ptr() for t in tensors}
print(len(addresses), "different addresses while all are alive")

# %% [markdown]
# Each storage object above was gone before the next one came, so Python could use its id again.
#
# ### When `view` fails
#
# A tensor is *contiguous* if its elements lie in the storage in row-major order, without gaps.
# The transpose in the next cell is not.

# %%
x = torch.arange(6).view(2, 3)
y = x.t()
print(x.is_contiguous(), y.is_contiguous())
with expect_error(RuntimeError, "view size is not compatible with input tensor's size and stride"):
    y.view(2, -1)
print("storage:", x.flatten().tolist())
print(y.contiguous().view(2, -1).tolist(), y.reshape(2, -1).tolist())
print(y.view(3, 2).stride(), y.view(3, 1, 2).stride(), "not contiguous, and view works")

# %% [markdown]
# In `y`, row-major order is 0, 3, 1, 4, 2, 5.
# No single stride can walk that way through the storage 0, 1, 2, 3, 4, 5, so `view` must refuse, and `contiguous` and `reshape` must copy.
# That answers the question we kept.
# `view` does not demand contiguity: it needs strides that can express the new shape, and for `(3, 2)` they can.
#
# What is the stride of an axis of size 1?

# %%
x = torch.ones(2, 3)
print(x.unsqueeze(0).stride(), x.unsqueeze(1).stride())
e = torch.arange(4).view(4, 1).expand(4, 3)
print(e.tolist(), e.stride(), "storage of", e.untyped_storage().nbytes() // e.itemsize, "elements")
assert x.unsqueeze(0).stride() == (6, 3, 1) and x.unsqueeze(1).stride() == (3, 3, 1)
with expect_error(RuntimeError, "refers to a single memory location"):
    e.add_(1)
e[0, 0] = 7
print(e[0])  # no error, and three elements changed
own = e.clone()
own.add_(1)  # a clone has 12 cells of its own
assert e[0].tolist() == [7, 7, 7] and own.untyped_storage().nbytes() == 12 * own.itemsize

# %% [markdown]
# `unsqueeze` gives an ordinary stride, not 0.
# Stride 0 is the mark of `expand`: the next index is the same cell again.
# Twelve elements, four cells: torch refuses `add_`.
# But not every write is refused: setting one element changed a whole row.
# Before you write into an expanded tensor, `clone` it.
#
# ## Broadcasting
#
# A column of 4 plus a row of 3: shapes that do not fit, one would think.

# %%
column, row = torch.tensor([[0], [10], [20], [30]]), torch.tensor([0, 1, 2])
total = column + row
print(column.shape, "+", row.shape, "->", total.shape)
assert total.equal(column.expand(4, 3) + row.expand(4, 3))

ax = new_canvas(17.4, 6)
for left, values, own, color, title in [
    (0.5, column.expand(4, 3), (4, 1), BLUE, "(4, 1)"),
    (6.5, row.expand(4, 3), (1, 3), YELLOW, "(3,)"),
    (12.5, total, (4, 3), GREEN, "(4, 3)"),
]:
    rows = values.tolist()
    draw_cells(ax, rows, left, 1.2, color, alpha=0.3)
    draw_cells(ax, [line[: own[1]] for line in rows[: own[0]]], left, 1.2, color)
    label(ax, left + 1.5, 0.5, title, family="monospace", fontsize=12)
label(ax, 5, 3.2, "+", fontsize=18)
label(ax, 11, 3.2, "=", fontsize=18)
label(ax, 2, 5.6, "repeated to the right")
label(ax, 8, 5.6, "repeated downward")
show_figure(
    "A column 0, 10, 20, 30 is repeated to the right, a row 0, 1, 2 is repeated downward, and their sum is a 4 by 3 table from 0 to 32."
)

# %% [markdown]
# This is *broadcasting*: the pale cells are not stored, they are `expand`, done for you.
# The rule has three lines.
#
# 1. Write the two shapes below each other, aligned at the right.
# 2. In each place the sizes must be equal, or one of them is 1 or missing.
# 3. The result has the size that is not 1, or 1 if both are.
#
# Predict each shape before you run the cell.

# %%
x = torch.tensor([1, 2, 3]) + torch.tensor([[4], [2], [3]])
print(x.tolist())
assert x.tolist() == [[5, 6, 7], [3, 4, 5], [4, 5, 6]]

x = torch.tensor([[1, 2, 3], [4, 5, 6]])  # (2, 3)
y = torch.tensor([[[2, 3, 4]], [[5, 6, 7]]])  # (2, 1, 3)
print((x + y).shape, (x + y).tolist())
assert (x + y).tolist() == [[[3, 5, 7], [6, 8, 10]], [[6, 8, 10], [9, 11, 13]]]

x = torch.tensor([[1, 2]]) + torch.tensor([[1], [2], [3]])
print(x.tolist())
assert x.tolist() == [[2, 3], [3, 4], [4, 5]]
print(torch.tensor(100) + torch.ones(2, 2))  # a 0-d tensor fits everywhere
print(torch.broadcast_shapes((8, 1, 6, 1), (7, 1, 5)))
with expect_error(RuntimeError, "must match"):
    torch.ones(4, 3) + torch.ones(4)

# %% [markdown]
# *A common mistake*: the last line adds 4 numbers to 4 rows, and fails, because alignment starts at the right.
# The rows need `torch.ones(4, 1)`.
#
# ## Axes without names
#
# Three axes are hard enough to remember; a batch of images, several at once, has four.
# PyTorch once had *named tensors*, where an axis could be called `"height"`.
# Does your version have them?

# %%
for attempt in (lambda: torch.zeros(2, 3, names=("row", "column")), lambda: torch.Tensor.align_to):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # versions that have them call them experimental
        try:
            attempt()
        except (TypeError, AttributeError) as error:
            print(f"{type(error).__name__}: {error}")
        else:
            print("still here, but removed from newer versions: do not build on it")

# %% [markdown]
# Do not count on names: the order of axes is your business.
# Four tools keep it readable: unpack the shape into names, `permute` for a whole order, `movedim` for one axis, and `einsum`.

# %%
height, width, channels = cat.shape
chw = cat.permute(2, 0, 1)
assert chw.equal(cat.movedim(-1, 0)) and chw.equal(torch.einsum("hwc->chw", cat))
batch = torch.stack([chw, chw.flip(2)]).float()  # the cat, and the cat in a mirror
print(batch.shape)
assert batch.shape == (2, channels, height, width)
print(batch.mean((2, 3)))  # mean over height and width: one number for each image and channel
strongest = batch.max(dim=1)  # over the channels
print(strongest.values.shape, strongest.indices.shape)

# %% [markdown]
# `einsum` gives each axis a letter.
# A letter that is missing on the right is multiplied along and summed away.
# So matrix product, row sum, and a gray cat are each one short line.

# %%
print(torch.einsum("ik,kj->ij", a, b.t()).equal(a @ b.t()))
print(torch.einsum("ij->i", a).equal(a.sum(dim=1)))
print(torch.einsum("ij,ij->", a, b))  # multiply and add all up, as before
weights = torch.tensor([0.299, 0.587, 0.114])  # how bright red, green and blue look to us
gray = torch.einsum("nchw,c->nhw", batch, weights)
print(gray.shape, torch.allclose(gray, (batch * weights.view(1, 3, 1, 1)).sum(dim=1), atol=1e-3))
plt.figure(figsize=(8, 2.8), layout="constrained")
plt.imshow(gray.permute(1, 0, 2).reshape(height, 2 * width).numpy(), cmap="gray")
plt.axis("off")
show_figure("The cat in gray and its mirror image side by side.")

# %% [markdown]
# The last two pictures became one with `permute` and `reshape`.
# Can you say why `gray.reshape(height, 2 * width)` alone would not do?
#
# ## Check yourself
#
# Answer first, then unfold.
#
# **1.** How many dimensions does `torch.tensor([[1, 2, 3]])` have, and what is its shape?
#
# <details><summary>Answer</summary>
#
# Two: you need two indices to reach a number.
# Its shape is (1, 3).
#
# </details>
#
# **2.** What is the dtype of `torch.tensor([1, 2])`, of `torch.tensor([1, 2.0])`, and of `torch.tensor([1, 2]) / 2`?
#
# <details><summary>Answer</summary>
#
# int64, float32, float32.
#
# </details>
#
# **3.** `x = torch.zeros(3)`, `y = x[1:]`, `z = x[[1, 2]]`.
# You run `x.add_(1)`.
# What are `y` and `z`?
#
# <details><summary>Answer</summary>
#
# `y` is a view and holds ones.
# `z` was made with a list as index, so it is a copy and still holds zeros.
#
# </details>
#
# **4.** A tensor of shape (3, 4) is contiguous.
# What are its strides, and those of its transpose?
# At which position of the storage does the transpose keep element [3, 2]?
#
# <details><summary>Answer</summary>
#
# (4, 1) and (1, 4).
# The position is 0 + 3 · 1 + 2 · 4 = 11, the last one.
#
# </details>
#
# **5.** Which of these shapes can be added to (5, 1, 4): (4,), (5, 4), (3, 1), ()?
# What comes out?
#
# <details><summary>Answer</summary>
#
# All four: (5, 1, 4), (5, 5, 4), (5, 3, 4), (5, 1, 4).
# The second surprises many: the 5 meets the 1, and a table of all pairs comes out.
#
# </details>
#
# **6.** You have a batch of photos as (N, H, W, C).
# Your colleague writes `batch.view(N, C, H, W)`.
# The shapes are right.
# What is wrong?
#
# <details><summary>Answer</summary>
#
# `view` cuts the same row of numbers anew and moves no axis: the pictures are scrambled.
# `batch.permute(0, 3, 1, 2)` is right.
#
# </details>
#
# **7.** `x.squeeze(1)` of a (2, 3) tensor gives no error.
# What does it give?
#
# <details><summary>Answer</summary>
#
# A tensor of the same shape (2, 3): axis 1 has size 3, and only axes of size 1 are removed.
#
# </details>
#
# **8.** Why would `gray.reshape(height, 2 * width)` alone not put the cat beside its mirror image?
#
# <details><summary>Answer</summary>
#
# `gray` has shape (2, 300, 451), so `reshape` reads the first picture to its end before the second.
# Two rows of one picture would stand side by side.
# `permute` first puts row 0 of both pictures next to each other.
#
# </details>
#
# The cell below checks these answers.

# %%
assert torch.tensor([[1, 2, 3]]).ndim == 2 and torch.tensor([[1, 2, 3]]).shape == (1, 3)
assert torch.tensor([1, 2]).dtype == torch.int64
assert torch.tensor([1, 2.0]).dtype == (torch.tensor([1, 2]) / 2).dtype == torch.float32
x = torch.zeros(3)
y, z = x[1:], x[[1, 2]]
x.add_(1)
assert y.tolist() == [1, 1] and z.tolist() == [0, 0]
x = torch.arange(12).view(3, 4)
assert x.stride() == (4, 1) and x.t().stride() == (1, 4) and x.t()[3, 2] == 11
x = torch.ones(5, 1, 4)
assert (x + torch.ones(4)).shape == (x + torch.tensor(1)).shape == (5, 1, 4)
assert (x + torch.ones(5, 4)).shape == (5, 5, 4) and (x + torch.ones(3, 1)).shape == (5, 3, 4)
photos = cat.unsqueeze(0)
assert not photos.view(1, 3, 300, 451).equal(photos.permute(0, 3, 1, 2))
assert torch.zeros(2, 3).squeeze(1).shape == (2, 3)
wrong, right = gray.reshape(height, 2 * width), torch.cat([gray[0], gray[1]], dim=1)
assert not wrong.equal(right) and gray.permute(1, 0, 2).reshape(height, 2 * width).equal(right)
print("all answers hold")

# %% [markdown]
# ## What to remember
#
# - A tensor is numbers of one dtype in a box of any number of dimensions; `ndim` is how many indices reach one number.
# - Make tensors with `torch.tensor(data, dtype=...)`, small t; watch int64 against float32, and the narrow uint8.
# - A name that ends with `_` changes the tensor itself.
#   `numpy()` and `from_numpy` share memory.
# - `*` works element by element, `@` is the matrix product.
#   In a reduction, `dim=` names the axis that disappears.
# - Storage, offset, stride: an element lies at position offset + the sum of index · stride.
# - Slices, `view`, `permute`, `transpose`, `expand` are views; masks, lists and `clone` copy; `reshape` does what it must.
# - `view` never moves an axis: for another order use `permute` or `movedim`.
# - Broadcasting aligns shapes at the right; a size of 1, or none, is repeated.
# - Images are (N, C, H, W) in PyTorch and (H, W, C) in NumPy.
#
# Next: the exercises in `release/01_tensors`, then `notebooks/02_gpu`.
#
# ## Further reading
#
# - [torch.Tensor](https://docs.pytorch.org/docs/stable/tensors.html): all methods and dtypes
# - [Tensor Views](https://docs.pytorch.org/docs/stable/tensor_view.html): which operations give views
# - [Broadcasting semantics](https://docs.pytorch.org/docs/stable/notes/broadcasting.html): the rule in full, and in-place operations
# - [torch.einsum](https://docs.pytorch.org/docs/stable/generated/torch.einsum.html): more letters
# - [Reproducibility](https://docs.pytorch.org/docs/stable/notes/randomness.html): what a seed promises, and what not
