# %% [markdown]
# # A convolutional network for CIFAR-10
#
# After this lecture you can build a network that recognizes photos, train it well in minutes, and find out where it is wrong.
#
# **You will learn** to
#
# - write a network as an `nn.Module`, and say what its parameters and buffers are;
# - compute a convolution by hand, and predict the size of its output and what it can see;
# - bring images from a file to a network, with a `Dataset`, transforms and a `DataLoader`;
# - improve a training step by step, and measure what each step gains;
# - evaluate, save, load, and look at the mistakes.
#
# **Time:** 45 minutes.
# Before you run a cell, guess what it prints.
# All numbers are measured here, on your machine: yours differ a little from those of your neighbor.

# %%
import base64
import html
import io
import math
import os
import pickle
import re
import tempfile
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path

import h5py
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pooch
import torch
import torch.nn.functional as F
from IPython.display import HTML, display
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm


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


BOLD = r"\x1b\[\d+m"  # what makes some words of a message bold in a terminal


@contextmanager
def expect_error(kind, words):
    """Print the error that the indented code must raise; its message contains `words`."""
    try:
        yield
    except kind as error:
        assert words in str(error), f"another message: {error}"
        print(f"{type(error).__name__}: {textwrap.shorten(re.sub(BOLD, '', str(error)), 170)}")
    else:
        raise AssertionError(f"expected {kind}, but nothing failed")


if torch.cuda.is_available():
    device = torch.device("cuda")
elif torch.backends.mps.is_available():
    device = torch.device("mps")
else:
    device = torch.device("cpu")
# These networks are small: on a processor that has other work too, threads would mostly wait for each other.
torch.set_num_threads(1)
# Progress bars are for people, who watch in JupyterLab, Notebook, VS Code and Colab: these set the names.
WATCHED = any(name in os.environ for name in ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG"))
print("this lecture trains on", device)

# %% [markdown]
# ## Ten kinds of photos
#
# CIFAR-10 is a data set of small color photos: 50000 to train with, 10000 to test with.
# Each shows one of ten things.
# The course carries a part of it, 5000 and 1000 photos, so that everything runs offline.
# If the full set is on your machine, this lecture uses it; `python data/cifar10.py` downloads it.
# What follows holds for both, and the small one is faster.
#
# A file of the full set is a row of records, one for each photo: one byte with the class, then 1024 bytes of red, 1024 of green and 1024 of blue.
# So the colors come first, and `reshape` is all that is needed.
# The small set keeps the color last, as picture files do, and needs a `permute`.

# %%
DATA = next(p / "data" for p in [Path.cwd(), *Path.cwd().parents] if (p / "data" / "README.md").exists())
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}


def find_full_set():
    """Return the folder with the binary files of CIFAR-10, or None."""
    root = os.environ.get("CIFAR10_ROOT")
    parent = Path(root).expanduser() if root else Path(pooch.os_cache("pytorch-course"))
    for folder in [parent, parent / "cifar-10-batches-bin"]:
        if all((folder / name).is_file() for name in FILES["train"] + FILES["test"]):
            return folder
    return None


def read_photos(split):
    """Return the photos (N, 3, 32, 32) as uint8 and their classes (N,) as int64."""
    folder = find_full_set()
    if folder:
        records = np.concatenate([np.fromfile(folder / name, np.uint8) for name in FILES[split]])
        records = torch.from_numpy(records.reshape(-1, 1 + 3 * 32 * 32))
        return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long()
    with h5py.File(DATA / "cifar10-mini.h5") as file:
        images, labels = file[split]["images"][:], file[split]["labels"][:]
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels).long()


train_images, train_labels = read_photos("train")
test_images, test_labels = read_photos("test")
FULL = len(train_images) == 50_000
print("the full set" if FULL else "the small set")
print("train:", tuple(train_images.shape), train_images.dtype, tuple(train_labels.shape), train_labels.dtype)
print("test: ", tuple(test_images.shape))
print("photos of each class:", train_labels.bincount().tolist())
assert train_images.shape[1:] == (3, 32, 32) and len(train_images) == 5 * len(test_images)
assert set(train_labels.bincount().tolist()) == {len(train_images) // 10}

# %% [markdown]
# All classes are equally frequent, so a network that knows nothing is right in 10 % of all cases.
# Keep this number in mind: it is the floor under all that follows.

# %%
figure, axes = plt.subplots(4, 10, figsize=(10, 4.3), layout="constrained")
for label, column in enumerate(axes.T):
    column[0].set_title(CLASSES[label], fontsize=9)
    photos = train_images[train_labels == label][:4]
    for ax, photo in zip(column, photos, strict=True):
        ax.imshow(photo.permute(1, 2, 0).numpy())  # Matplotlib wants the color last
        ax.axis("off")
show_figure("Four training photos of each of the ten classes, from airplane to truck, 32 by 32 pixels each.")

# %% [markdown]
# ## A network is a module
#
# Three parts of PyTorch do most of the work.
# `torch.nn` has layers and losses, `torch.optim` has optimizers, and `torch.utils.data` brings the data.
# These three are modules of Python: places where classes are found, not classes.
# The class that all networks descend from is `torch.nn.Module`.

# %%
print(type(torch.nn), type(torch.optim), type(torch.utils.data))
print(type(torch.nn.Module), type(torch.optim.SGD), type(torch.utils.data.DataLoader))
with expect_error(AttributeError, "no attribute 'Module'"):
    torch.Module

# %% [markdown]
# A network of your own needs two methods.
# `__init__` makes the layers, after a call of `super().__init__()`.
# `forward` says what becomes of the input.
# You never call `forward` yourself: you call the network.


# %%
class TwoLayers(nn.Module):
    """Four numbers in, three scores out, one hidden layer of five."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 5)
        self.out = nn.Linear(5, 3)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))


torch.manual_seed(0)
network = TwoLayers()
print(network)
print(network(torch.ones(2, 4)).shape)
for name, parameter in network.named_parameters():
    print(f"{name:14} {tuple(parameter.shape)!s:8} requires_grad={parameter.requires_grad}")
assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in network.parameters())
assert sum(p.numel() for p in network.parameters()) == (4 * 5 + 5) + (5 * 3 + 3)

# %% [markdown]
# The network has found its layers by itself: whatever you assign to `self` is registered, when it is a `Parameter` or a module.
# That is why `super().__init__()` must come first: it makes the places where they are registered.
# *Two common mistakes*: forget it, or misspell `forward`.


# %%
class WithoutSuper(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(4, 3)


class Misspelled(nn.Module):
    def foward(self, x):
        return x


with expect_error(AttributeError, "before Module.__init__() call"):
    WithoutSuper()
with expect_error(NotImplementedError, "missing the required"):
    Misspelled()(torch.ones(4))

# %% [markdown]
# Why call the network, and not `network.forward(x)`?
# The call runs *hooks* around `forward`: functions that look at, or change, what goes through a layer.
# Predict the two numbers.

# %%
seen = []
handle = network.hidden.register_forward_hook(lambda layer, inputs, output: seen.append(output.shape))
network.hidden(torch.ones(2, 4))
after_call = len(seen)
network.hidden.forward(torch.ones(2, 4))
print("hook calls after network.hidden(x):", after_call, " and after forward(x) as well:", len(seen))
assert (after_call, len(seen)) == (1, 1)
handle.remove()

# %% [markdown]
# ### Lists of layers
#
# A plain Python list hides its layers: nothing registers what is inside.
# The optimizer would never hear of them, and they would stay on the CPU when the network moves to a GPU.
# `nn.ModuleList` and `nn.ModuleDict` are a list and a dict that register; `nn.Sequential` also calls one layer after the other.


# %%
class Hidden(nn.Module):
    def __init__(self, container):
        super().__init__()
        self.layers = container


layers = [nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)]
for container in [layers, nn.ModuleList(layers), nn.ModuleDict({"first": layers[0], "last": layers[2]}), nn.Sequential(*layers)]:
    names = [name for name, _ in Hidden(container).named_parameters()]
    print(f"{type(container).__name__:10} {len(names)} parameters {names}")
assert not list(Hidden(layers).parameters())
assert Hidden(layers).double().layers[0].weight.dtype == torch.float32  # it was not converted, nor would it be moved
assert len(list(Hidden(nn.ModuleList(layers)).parameters())) == 4
x = torch.randn(2, 4)
assert nn.Sequential(*layers)(x).equal(layers[2](layers[1](layers[0](x))))

# %% [markdown]
# ### Three kinds of layers, three activations
#
# `Linear` mixes all inputs, `Conv2d` looks at neighbors in an image, `RNN` reads a series step by step.
# Between them stand functions that bend: without one, two linear layers are no more than one.

# %%
print("Linear", nn.Linear(8, 5)(torch.zeros(2, 8)).shape)
print("Conv2d", nn.Conv2d(3, 6, 5)(torch.zeros(2, 3, 32, 32)).shape)
print("RNN   ", nn.RNN(8, 5, batch_first=True)(torch.zeros(2, 7, 8))[0].shape)
x = torch.tensor([-2.0, 0.0, 2.0])
for activation in [nn.ReLU(), nn.Sigmoid(), nn.Tanh()]:
    print(f"{activation!s:10} {activation(x).tolist()}")
first, second, x = nn.Linear(4, 5), nn.Linear(5, 3), torch.randn(6, 4)
one = x @ (second.weight @ first.weight).t() + second(first.bias)
assert torch.allclose(second(first(x)), one, atol=1e-5)  # two linear layers are one

# %% [markdown]
# ## Convolution, from a loop to a layer
#
# Take a small grid of weights, a *kernel*.
# Lay it on the image, multiply each weight by the pixel under it, and add up.
# Move on by one pixel, and do it again.
# Here are the loops.


# %%
def convolve(image, kernel):
    """Slide `kernel` over a gray `image` (H, W) and return what each place gives."""
    kh, kw = kernel.shape
    height, width = image.shape[0] - kh + 1, image.shape[1] - kw + 1
    result = torch.zeros(height, width)
    for i in range(height):
        for j in range(width):
            result[i, j] = (image[i : i + kh, j : j + kw] * kernel).sum()
    return result


horse = train_images[train_labels == CLASSES.index("horse")][0].float() / 255
gray = horse.mean(dim=0)
kernels = {
    "mean of 3 × 3": torch.full((3, 3), 1 / 9),
    "left − right": torch.tensor([[1.0, 0.0, -1.0]] * 3),
    "above − below": torch.tensor([[1.0, 0.0, -1.0]] * 3).t(),
}
figure, axes = plt.subplots(1, 4, figsize=(10, 2.9), layout="constrained")
axes[0].imshow(gray.numpy(), cmap="gray")
axes[0].set_title("photo, 32 × 32")
for ax, (name, kernel) in zip(axes[1:], kernels.items(), strict=True):
    result = convolve(gray, kernel)
    same = F.conv2d(gray[None, None], kernel[None, None])[0, 0]
    assert torch.allclose(result, same, atol=1e-5)  # our loops and PyTorch agree
    ax.imshow(result.numpy(), cmap="gray")
    ax.set_title(f"{name}, {result.shape[0]} × {result.shape[1]}")
for ax in axes:
    ax.axis("off")
show_figure(
    "A gray photo of a horse and three convolutions of it: blurred, with vertical edges, with horizontal edges bright or dark."
)

# %% [markdown]
# Nine numbers blur the horse, nine others find its edges.
# A convolution layer is this, with kernels that are *learned*.
#
# In mathematics, a convolution also flips the kernel.
# PyTorch's does not, and would there be called *cross-correlation*.
# For learned weights it makes no difference.

# %%
row, kernel = torch.tensor([1.0, 2.0, 4.0, 8.0]), torch.tensor([1.0, 0.0, -1.0])
torch_says = F.conv1d(row[None, None], kernel[None, None])[0, 0]
numpy_says = np.convolve(row.numpy(), kernel.numpy(), mode="valid")
flipped = F.conv1d(row[None, None], kernel.flip(0)[None, None])[0, 0]
print("torch:", torch_says.tolist(), " numpy:", numpy_says.tolist(), " torch, flipped:", flipped.tolist())
assert flipped.tolist() == numpy_says.tolist() != torch_says.tolist()

# %% [markdown]
# ### Channels
#
# A color photo has three input channels.
# Each output channel has a kernel for each of them, adds up the three results, and then a bias.
# So `nn.Conv2d(3, 6, 5)` has 6 · 3 kernels of 5 × 5 weights, and 6 biases.

# %%
torch.manual_seed(0)
conv = nn.Conv2d(in_channels=3, out_channels=6, kernel_size=5)
print("weight", tuple(conv.weight.shape), " bias", tuple(conv.bias.shape))
result = conv(horse[None])[0]
with torch.no_grad():
    by_hand = torch.stack([
        sum(convolve(horse[c], conv.weight[o, c]) for c in range(3)) + conv.bias[o] for o in range(6)
    ])
assert torch.allclose(result, by_hand, atol=1e-5)
conv_count = sum(p.numel() for p in conv.parameters())
linear_count = (3 * 32 * 32) * (6 * 28 * 28) + 6 * 28 * 28
print(f"{conv_count} parameters; a linear layer from 3 × 32 × 32 to 6 × 28 × 28 would have {linear_count:,}")
assert conv_count == 6 * (3 * 5 * 5 + 1) == 456 and result.shape == (6, 28, 28)

# %% [markdown]
# Why so few are enough: the same weights are used at every place.
# An edge is found by the same kernel wherever it is, and if the photo moves, the result moves along.

# %%
moved = horse.roll(3, dims=2)  # three pixels to the right; what falls out enters at the left
there, here = conv(moved[None])[0], conv(horse[None])[0]
print("equal, three columns further:", torch.allclose(there[:, :, 3:], here[:, :, :-3], atol=1e-5))
assert torch.allclose(there[:, :, 3:], here[:, :, :-3], atol=1e-5)

# %% [markdown]
# ### Stride, padding, dilation, and the size of the output
#
# The *stride* is the step of the window.
# *Padding* adds zeros around the image.
# *Dilation* spreads the kernel: with dilation $d$, $d - 1$ pixels are left out between two weights.
# With input size $n$, kernel size $k$, padding $p$ and stride $s$, the output has
#
# $$\left\lfloor \frac{n + 2p - d(k - 1) - 1}{s} \right\rfloor + 1$$
#
# rows, and the same for columns.
# The brackets mean *rounded down*: a window that does not fit completely is left out.


# %%
def output_size(n, k, s=1, p=0, d=1):
    """Return the size that a convolution makes of size `n`."""
    return (n + 2 * p - d * (k - 1) - 1) // s + 1


generator = torch.Generator().manual_seed(0)
for _ in range(200):
    n = torch.randint(12, 40, (), generator=generator).item()
    k, s, d = torch.randint(1, 4, (3,), generator=generator).tolist()
    p = torch.randint(0, 5, (), generator=generator).item()
    layer = nn.Conv2d(1, 1, k, stride=s, padding=p, dilation=d)
    assert layer(torch.zeros(1, 1, n, n)).shape[2:] == (output_size(n, k, s, p, d),) * 2
print("the formula is right in 200 cases")
print("32, kernel 5:", output_size(32, 5), "  with padding 2:", output_size(32, 5, p=2))

# %% [markdown]
# *A common mistake*: the formula without the floor, or without the dilation.
# Both go well until a stride or a dilation is not 1.

# %%
layer = nn.Conv2d(1, 1, 5, stride=2)
print("without the floor:   ", (32 - 5) / 2 + 1, " but PyTorch makes", layer(torch.zeros(1, 1, 32, 32)).shape[2])
layer = nn.Conv2d(1, 1, 3, dilation=4)
print("without the dilation:", 32 - 3 + 1, "   but PyTorch makes", layer(torch.zeros(1, 1, 32, 32)).shape[2])
assert output_size(32, 5, s=2) == 14 != (32 - 5) / 2 + 1
assert output_size(32, 3, d=4) == 24 != 32 - 3 + 1

# %% [markdown]
# *Pooling* is smaller still: it has a window, but no weights.
# `MaxPool2d(2)` keeps the largest of each 2 × 2 pixels.
# Its stride is the size of its window, unless you say otherwise, and the same formula holds.

# %%
x = torch.tensor([[1.0, 2.0, 5.0, 0.0], [3.0, 4.0, 0.0, 1.0], [7.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 2.0]])
pooled = nn.MaxPool2d(2)(x[None])[0]
print(pooled)
assert pooled.tolist() == [[4, 5], [7, 2]] and not list(nn.MaxPool2d(2).parameters())
assert nn.MaxPool2d(2)(torch.zeros(1, 9, 9)).shape[1] == output_size(9, 2, s=2) == 4

# %% [markdown]
# ### What can one output see?
#
# The pixels that can change one number of the output are its *receptive field*.
# You need not derive it: ask autograd.
# Where the gradient of that number with respect to the image is not 0, the image is seen.
# The next figure does this for two convolutions in a row; change them, and watch.


# %%
def find_field(layers, n):
    """Return which pixels of an n × n image change the output in the middle, and the output's size."""
    network = nn.Sequential(*layers).double()
    for p in network.parameters():
        nn.init.ones_(p)  # so that no gradient is 0 by chance
    x = torch.ones(1, 1, n, n, dtype=torch.float64, requires_grad=True)
    y = network(x)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    return x.grad[0, 0] != 0, y.shape[2]


def draw_field(kernel=3, stride=1, padding=0, dilation=1):
    """Draw which of 24 × 24 pixels are seen after one and after two convolutions."""
    layers = [nn.Conv2d(1, 1, kernel, stride, padding, dilation) for _ in range(2)]
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 4.1), layout="constrained")
    for count, ax in enumerate(axes, 1):
        field, size = find_field(layers[:count], 24)
        rows = field.any(1).nonzero().flatten()
        ax.pcolormesh(field.numpy(), cmap="Blues", vmin=0, vmax=1.4, edgecolors="lightgray", linewidth=0.4)
        ax.set(aspect="equal", xticks=[], yticks=[])
        ax.invert_yaxis()
        width = rows.max() - rows.min() + 1
        ax.set_title(f"{count} layer{'s' * (count > 1)}: output {size} × {size}\none output sees {width} × {width}, {field.sum()} pixels")
    figure.suptitle(f"kernel {kernel}, stride {stride}, padding {padding}, dilation {dilation}, input 24 × 24")
    show_figure(
        f"Two grids of 24 by 24 pixels; the pixels that one output sees after one and after two convolutions with kernel {kernel}, stride {stride}, dilation {dilation} are blue."
    )


draw_field()

# %%
controls = ipywidgets.interact(draw_field, kernel=(1, 4), stride=(1, 2), padding=(0, 2), dilation=(1, 2))

# %% [markdown]
# Try it: two layers with kernel 3 see as much as one layer with kernel 5, with fewer weights.
# A stride of 2 makes the second layer see twice as far per pixel.
# In general, each layer adds $(k - 1)\,d$ times the product of all strides before it.

# %%
one, _ = find_field([nn.Conv2d(1, 1, 5)], 24)
two, _ = find_field([nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)], 24)
assert one.sum() == two.sum() == 25
print("weights: one layer", 5 * 5, " two layers", 2 * 3 * 3)
strided, _ = find_field([nn.Conv2d(1, 1, 3, stride=2), nn.Conv2d(1, 1, 3)], 24)
assert strided.any(0).sum() == 1 + 2 + 2 * 2
dilated, _ = find_field([nn.Conv2d(1, 1, 3, dilation=2), nn.Conv2d(1, 1, 3, dilation=2)], 24)
assert dilated.nonzero().max() - dilated.nonzero().min() + 1 == 1 + 2 * 2 + 2 * 2

# %% [markdown]
# ## The network of this lesson
#
# It follows LeNet, which read handwritten digits on bank checks in the 1990s: two convolutions, each with ReLU and pooling, then three linear layers.
# (LeNet itself had neither ReLU nor max pooling.)


# %%
class LeNet(nn.Module):
    """A small convolutional network: photos (N, 3, 32, 32) to scores (N, 10)."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)  # all dimensions but that of the batch
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def count_parameters(module):
    """Return how many numbers `module` learns."""
    return sum(p.numel() for p in module.parameters())


torch.manual_seed(0)
network, shapes = LeNet(), []
hooks = [
    layer.register_forward_hook(lambda layer, inputs, output, name=name: shapes.append((name, output.shape, count_parameters(layer))))
    for name, layer in network.named_children()
]
scores = network(torch.zeros(1, 3, 32, 32))
for name, shape, count in shapes:
    print(f"{name:6} {tuple(shape)!s:17} {count:6} parameters")
for hook in hooks:
    hook.remove()
print("all together:", count_parameters(network))
assert [shape[2] for _, shape, _ in shapes[:4]] == [28, 14, 10, 5]
assert count_parameters(network) == 62006

# %% [markdown]
# The sizes are those of the formula: 32 → 28 → 14 → 10 → 5, and 16 · 5 · 5 = 400 numbers reach the linear layers.
# Most parameters are where you may not have looked for them: in `fc1`.
#
# How much of the photo does one of the 5 × 5 places see?
# (For the gradient, we let the pooling take the mean: the largest pixel alone would get it all.)

# %%
features = [nn.Conv2d(1, 1, 5), nn.AvgPool2d(2), nn.Conv2d(1, 1, 5), nn.AvgPool2d(2)]
field, size = find_field(features, 32)
print(f"{size} × {size} places, each sees {field.any(0).sum()} × {field.any(1).sum()} of 32 × 32 pixels")
assert size == 5 and field.any(0).sum() == 1 + 4 + 1 + 4 * 2 + 1 * 2 == 16

# %% [markdown]
# ### The loss before any training
#
# `F.cross_entropy`, or the module `nn.CrossEntropyLoss`, wants raw scores, called *logits*, and the classes as `int64`; an `int32` is refused.
# Predict: what is the loss of a network that gives all ten classes about the same probability?

# %%
x = (train_images[:1000].float() / 255 - 0.5) / 0.5
with torch.no_grad():
    loss = F.cross_entropy(network(x), train_labels[:1000])
print(f"loss {loss:.4f}, and -ln(1/10) = ln 10 = {math.log(10):.4f}")
assert abs(loss - math.log(10)) < 0.1
with expect_error(RuntimeError, "Long"):
    F.cross_entropy(network(x), train_labels[:1000].to(torch.int32))
p = network(x).softmax(dim=1)
right = -p[torch.arange(1000), train_labels[:1000]].log().mean()
assert torch.allclose(F.cross_entropy(network(x), train_labels[:1000]), right, atol=1e-5)  # softmax is inside
assert nn.CrossEntropyLoss()(network(x), train_labels[:1000]).isclose(right, atol=1e-5)

# %% [markdown]
# About ln 10.
# If your first loss is far from it, something is wrong before the training has begun.
#
# ## From bytes to batches
#
# ### Transforms
#
# A *transform* is a function that gets an image and returns a changed one.
# Two are nearly always there: make a float tensor with values from 0 to 1, then subtract a mean and divide by a deviation.
# The library torchvision has them ready; we write ours, in a few lines.


# %%
class ToFloat:
    """Bytes from 0 to 255 become floats from 0 to 1."""

    def __call__(self, image):
        return image.float() / 255


class Normalize:
    """Subtract a mean from each channel, then divide by a deviation."""

    def __init__(self, mean, std):
        self.mean, self.std = torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1)

    def __call__(self, image):
        return (image - self.mean) / self.std


class Compose:
    """One transform after the other."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        for transform in self.transforms:
            image = transform(image)
        return image


transform = Compose([ToFloat(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
x = transform(train_images)
print("bytes from", train_images.min().item(), "to", train_images.max().item())
print("after the transforms from", x.min().item(), "to", x.max().item())
assert (x.min(), x.max()) == (-1, 1)

# %% [markdown]
# `Normalize` with 0.5 and 0.5 maps 0 to −1 and 1 to 1.
# You will read that the deviation is 0.5 afterwards.
# Is it?
# Predict it for numbers that are spread evenly from 0 to 1.

# %%
even = Normalize([0.5], [0.5])(torch.rand(1, 1000, 1000, generator=torch.Generator().manual_seed(0)))
print(f"even numbers: from {even.min():.2f} to {even.max():.2f}, deviation {even.std():.4f}, and 1/√3 = {3**-0.5:.4f}")
print("photos: mean", [f"{m:.3f}" for m in x.mean((0, 2, 3))], "deviation", [f"{s:.3f}" for s in x.std((0, 2, 3))])
assert abs(even.std() - 3**-0.5) < 0.001
assert (x.std((0, 2, 3)) - 0.5).abs().max() < 0.05 < x.mean((0, 2, 3)).abs().max()

# %% [markdown]
# The *range* is from −1 to 1; mean and deviation depend on the data.
# Only with the mean and the deviation of your own training data do they become 0 and 1.
# Take them from the training part alone: the test photos are not to take part in any decision.

# %%
scaled = ToFloat()(train_images)
MEAN, STD = scaled.mean((0, 2, 3)), scaled.std((0, 2, 3))
print("mean", [f"{m:.4f}" for m in MEAN], "deviation", [f"{s:.4f}" for s in STD])
exact = Normalize(MEAN.tolist(), STD.tolist())(scaled)
assert exact.mean((0, 2, 3)).abs().max() < 1e-3 and (exact.std((0, 2, 3)) - 1).abs().max() < 1e-3

# %% [markdown]
# Why normalize at all?
# The gradient of a weight is a product with the input of its layer.
# With bytes as input, the first loss and the first gradients are much too large, and a learning rate that is right elsewhere is wrong here.

# %%
for name, photos in {"bytes": train_images[:1000].float(), "normalized": exact[:1000]}.items():
    torch.manual_seed(0)
    fresh = LeNet()
    loss = F.cross_entropy(fresh(photos), train_labels[:1000])
    loss.backward()
    size = fresh.conv1.weight.grad.norm().item()
    print(f"{name:10} first loss {loss.item():6.2f}   length of the gradient of conv1 {size:8.2f}")
    if name == "bytes":
        large = size
assert large > 20 * size

# %% [markdown]
# With torchvision, which this course does not need, the same reads
#
# ```python
# transform = v2.Compose([
#     v2.ToImage(),
#     v2.ToDtype(torch.float32, scale=True),
#     v2.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
# ])
# train = torchvision.datasets.CIFAR10(root="data", train=True, download=True, transform=transform)
# ```
#
# Older code has `ToTensor()` in the place of the first two; it is deprecated in `torchvision.transforms.v2`.
#
# ### A `Dataset`
#
# A data set answers two questions: how many samples are there, and what is sample number `i`?
# These are the methods `__len__` and `__getitem__`.


# %%
class Cifar10(Dataset):
    """Photos with their classes; each photo goes through `transform`."""

    def __init__(self, images, labels, transform):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.images[i]), self.labels[i].item()


train_set = Cifar10(train_images, train_labels, transform)
test_set = Cifar10(test_images, test_labels, transform)
image, label = train_set[0]
print(len(train_set), "photos; number 0 is", tuple(image.shape), image.dtype, "and shows:", CLASSES[label])
assert len(train_set) == len(train_images) and image.shape == (3, 32, 32) and image.abs().max() <= 1

# %% [markdown]
# ### A `DataLoader`
#
# It draws samples and stacks them to batches: shuffled for training, in order for the test.
# With `num_workers=0` it works in this process.
# Other processes can help where reading is slow, but a notebook on Windows or macOS cannot start them for a class that it defines itself.

# %%
train_loader = DataLoader(train_set, batch_size=4, shuffle=True, num_workers=0)
test_loader = DataLoader(test_set, batch_size=4, shuffle=False, num_workers=0)
torch.manual_seed(1)
images, labels = next(iter(train_loader))
print(tuple(images.shape), images.dtype, tuple(labels.shape), labels.dtype, "and", len(train_loader), "batches")
assert len(train_loader) == len(train_set) / 4 and labels.dtype == torch.int64

# %% [markdown]
# Why `iter`?
# The loader is *iterable*, like a book: it can be read again and again.
# An *iterator* is a bookmark: `next` reads on from it, until it reaches the end.
# `iter(loader)` gives a new bookmark at the start, and a `for` loop does that by itself.

# %%
with expect_error(TypeError, "not an iterator"):
    next(train_loader)
first, again = next(iter(test_loader)), next(iter(test_loader))
assert first[0].equal(again[0])  # in order: two bookmarks start at the same page
one, other = next(iter(train_loader)), next(iter(train_loader))
assert not one[0].equal(other[0])  # shuffled: anew for each bookmark
bookmark = iter(test_loader)
first, second = next(bookmark), next(bookmark)
assert not first[0].equal(second[0])
print("three kinds of next, understood")

# %% [markdown]
# To look at a batch, undo the transform (`x / 2 + 0.5`), lay the photos next to each other, and put the color last.


# %%
def make_grid(images, columns):
    """Return the photos (N, 3, H, W) as one picture (H', W', 3), `columns` in a row."""
    rows = [torch.cat(list(row), dim=2) for row in images.split(columns)]
    picture = torch.cat(rows, dim=1).numpy() / 2 + 0.5
    return np.transpose(picture, (1, 2, 0))


grid = make_grid(images, columns=2)
assert grid.shape == (64, 64, 3) and grid.min() >= 0 and grid.max() <= 1
plt.figure(figsize=(3, 3.3), layout="constrained")
plt.imshow(grid)
plt.axis("off")
names = [CLASSES[label] for label in labels]
plt.title(f"{names[0]}, {names[1]}\n{names[2]}, {names[3]}", fontsize=10)
show_figure(f"A batch of four photos in two rows: {', '.join(names)}.")

# %% [markdown]
# ## Train it, as it is given
#
# This recipe is the one of many first lessons: stochastic gradient descent with a learning rate of 0.001 and a momentum of 0.9, batches of 4, two epochs.
# Each step is the one that you know: clear the gradients, forward, loss, backward, step.
# We print the mean loss of each stretch of batches.

# %%
STRETCH = 2000 if FULL else 250  # batches between two prints


def train_as_given(network, loader):
    """Train for two epochs; return the mean loss of each stretch of batches."""
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    means = []
    for epoch in range(2):
        running_loss = 0.0
        for i, (images, labels) in enumerate(tqdm(loader, desc=f"epoch {epoch + 1}", disable=not WATCHED)):
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = criterion(network(images), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            if i % STRETCH == STRETCH - 1:
                means.append(running_loss / STRETCH)
                running_loss = 0.0  # inside the `if`: a new stretch begins
    return means


torch.manual_seed(0)
given = LeNet().to(device)
untrained_filters = given.conv1.weight.detach().cpu().clone()
start = time.perf_counter()
means = train_as_given(given, train_loader)
given_seconds = time.perf_counter() - start
print(f"{given_seconds:.0f} s; mean losses {[round(mean, 3) for mean in means]}")
assert means[0] > means[-1] and means[-1] < math.log(10) - 0.2

# %% [markdown]
# *A common mistake*: the line `running_loss = 0.0` outside of the `if`, where it runs after each batch.
# Then only the last loss of a stretch is left, and is divided by the number of all.
# The losses look wonderful, and nothing has been learned.


# %%
def report(losses, stretch, inside):
    """Return what the loop above reports for some losses, with the reset inside the `if` or not."""
    means, running_loss = [], 0.0
    for i, loss in enumerate(losses):
        running_loss += loss
        if i % stretch == stretch - 1:
            means.append(running_loss / stretch)
            if inside:
                running_loss = 0.0
        if not inside:
            running_loss = 0.0
    return means


losses = [2.0] * 4000
print("inside: ", report(losses, 2000, inside=True))
print("outside:", report(losses, 2000, inside=False))
assert report(losses, 2000, inside=True) == [2.0, 2.0] and report(losses, 2000, inside=False) == [0.001, 0.001]

# %% [markdown]
# ### What has it learned?
#
# First one batch: the class with the largest score is the prediction.
# `torch.max` with a dimension returns the largest value and where it is; `argmax` returns the place alone.

# %%
images, labels = next(iter(test_loader))
with torch.no_grad():
    scores = given(images.to(device)).cpu()
_, predicted = torch.max(scores, 1)
print("true:     ", [CLASSES[label] for label in labels])
print("predicted:", [CLASSES[label] for label in predicted])
assert predicted.equal(scores.argmax(dim=1))

# %% [markdown]
# Then all test photos.
# Three things belong to each evaluation.
# `eval()` switches layers like dropout and batch normalization to what they do in use; LeNet has none, but the next network may.
# `no_grad()` saves the memory that gradients would need.
# And photos must be where the network is.


# %%
def predict(network, images, labels):
    """Return the scores (N, 10) of transformed photos, and the accuracy, from 0 to 1."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        scores = torch.cat([network(part.to(device)).cpu() for part in images.split(1000)])
    network.train(was_training)
    return scores, (scores.argmax(dim=1) == labels).float().mean().item()


given_scores, given_accuracy = predict(given, transform(test_images), test_labels)
print(f"{100 * given_accuracy:.2f} % of {len(test_images)} test photos, after {given_seconds:.0f} s of training")
assert 0.2 < given_accuracy < 0.65

# %% [markdown]
# The third point is often forgotten, because it does no harm as long as everything is on the CPU.

# %%
if torch.cuda.is_available():
    with expect_error(RuntimeError, "should be the same"):
        given(images)
else:
    print("no CUDA here; a network on a GPU refuses photos on the CPU with a RuntimeError")
print("a new LeNet() is on the", next(LeNet().parameters()).device)

# %% [markdown]
# Better than 10 %, and far from good.
# Two epochs of the small set are a tenth of the steps that two epochs of the full set are, so the small set reaches less.
#
# Percentages are often printed with `//`, which always rounds down.

# %%
correct, total = 559, 1000
print(100 * correct // total, "and", round(100 * correct / total, 1))
assert 100 * correct // total == 55

# %% [markdown]
# ### Accuracy per class
#
# One number hides much, so count for each class.
# *A common mistake* is one indentation: when the total is counted inside the `if`, only what is right is counted, and each class gets 100 %.

# %%
predicted = given_scores.argmax(dim=1)
right, total, wrong_total = [0] * 10, [0] * 10, [0] * 10
for label, prediction in zip(test_labels.tolist(), predicted.tolist(), strict=True):
    if label == prediction:
        right[label] += 1
        wrong_total[label] += 1  # the mistake
    total[label] += 1
for name, r, t, w in zip(CLASSES, right, total, wrong_total, strict=True):
    print(f"{name:10} {100 * r / t:5.1f} %   with the mistake {100 * r / max(w, 1):5.1f} %")
assert sum(total) == len(test_labels) and wrong_total == right
assert min(r / t for r, t in zip(right, total, strict=True)) < given_accuracy < max(r / t for r, t in zip(right, total, strict=True))

# %% [markdown]
# ### What the filters look like
#
# The six kernels of `conv1` have three channels each, so they can be shown as small pictures, scaled to the range of colors.


# %%
def draw_filters(rows, alt):
    """Draw rows of kernels (N, 3, 5, 5), each scaled to colors from 0 to 1."""
    _, axes = plt.subplots(len(rows), 6, figsize=(8, 1.6 * len(rows)), layout="constrained")
    for line, (name, weight) in zip(axes, rows.items(), strict=True):
        low, high = weight.amin((1, 2, 3), keepdim=True), weight.amax((1, 2, 3), keepdim=True)
        for ax, kernel in zip(line, (weight - low) / (high - low), strict=True):
            ax.imshow(kernel.permute(1, 2, 0).numpy())
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(name)
    show_figure(alt)


trained_filters = given.conv1.weight.detach().cpu()
draw_filters(
    {"before": untrained_filters, "after": trained_filters},
    "Two rows of six kernels as pictures of 5 by 5 pixels: before the training colorful noise, after it the same places in other colors.",
)
change = (trained_filters - untrained_filters).norm() / untrained_filters.norm()
print(f"the kernels have changed by {100 * change:.0f} % of their length")
assert change > 0.1

# %% [markdown]
# ## Better, step by step
#
# Now we change one thing at a time, give a reason, and measure the gain.
# To choose between recipes, the test photos must not be used: the winner would look better than it is.
# So a fifth of the training photos is held back for *validation*, and the test photos wait until the end.
#
# Every recipe below has the same number of epochs, and the same function trains them all.
# All photos are normalized once; the function keeps them as one tensor where the network is, and takes batches by index.
# For photos that fit into memory this is much faster than a `DataLoader`, which calls Python for each one.

# %%
EPOCHS = 3 if FULL else 8
normalize = Compose([ToFloat(), Normalize(MEAN.tolist(), STD.tolist())])
all_images, all_labels = normalize(train_images), train_labels
held_back = len(all_images) // 5
fit_images, fit_labels = all_images[:-held_back], all_labels[:-held_back]
valid_images, valid_labels = all_images[-held_back:], all_labels[-held_back:]


def fit(network, images, labels, batch_size, lr, one_cycle=False, augment=None, title="training"):
    """Train for EPOCHS epochs by SGD with momentum; return the seconds that it took."""
    images, labels = images.to(device), labels.to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)
    steps = EPOCHS * math.ceil(len(images) / batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps) if one_cycle else None
    network.train()
    start = time.perf_counter()
    for _ in tqdm(range(EPOCHS), desc=title, disable=not WATCHED):
        for batch in torch.randperm(len(images)).to(device).split(batch_size):
            x = augment(images[batch]) if augment else images[batch]
            optimizer.zero_grad()
            F.cross_entropy(network(x), labels[batch]).backward()
            optimizer.step()
            if schedule:
                schedule.step()
    next(network.parameters()).sum().item()  # a GPU may still be at work: wait for it
    return time.perf_counter() - start


start = time.perf_counter()
for _ in DataLoader(Cifar10(train_images[:2000], train_labels[:2000], normalize), batch_size=64, shuffle=True):
    pass
from_loader = time.perf_counter() - start
start = time.perf_counter()
for batch in torch.randperm(2000).split(64):
    fit_images[batch], fit_labels[batch]
by_index = time.perf_counter() - start
print(f"2000 photos from a DataLoader: {1000 * from_loader:.0f} ms, by index: {1000 * by_index:.0f} ms")
assert from_loader > by_index

results = {}


def measure(name, make_network, **recipe):
    """Train a new network, print what it reaches, and return it."""
    torch.manual_seed(0)
    network = make_network().to(device)
    seconds = fit(network, fit_images, fit_labels, title=name, **recipe)
    _, fitted = predict(network, fit_images, fit_labels)
    _, valid = predict(network, valid_images, valid_labels)
    gain = f"   gain {100 * (valid - list(results.values())[-1][1]):+.1f}" if results else ""
    results[name] = (fitted, valid, seconds)
    print(f"{name}: training photos {100 * fitted:.1f} %, validation photos {100 * valid:.1f} %, {seconds:.1f} s{gain}")
    return network


_ = measure("as given", LeNet, batch_size=4, lr=0.001)

# %% [markdown]
# This is the given recipe, with our number of epochs and our normalization.
# How exact is such a number?
# If the true accuracy is $p$, that of $n$ photos drawn at random has the standard deviation $\sqrt{p(1 - p)/n}$.
# Do not believe in a gain that is not at least twice as large.
# Another seed moves the numbers too: who compares in earnest repeats each recipe with several seeds.

# %%
accuracy = results["as given"][1]
deviation = math.sqrt(accuracy * (1 - accuracy) / held_back)
print(f"{100 * accuracy:.1f} % of {held_back} photos, and by chance about ± {100 * deviation:.1f}")
assert deviation < 0.02

# %% [markdown]
# ### Step 1: larger batches, a larger learning rate
#
# *Reason:* a batch of 4 uses a processor badly: much of the time goes to calls and not to arithmetic.
# A batch of 64 has 16 times fewer steps for the same photos.
# The mean of 64 gradients is also less noisy, so each step can be longer.
# It must be: with the old learning rate, 16 times fewer steps would not get far.
# What is gained here is *time*.

# %%
_ = measure("batch 64", LeNet, batch_size=64, lr=0.03)
ratio = results["as given"][2] / results["batch 64"][2]
print(f"{ratio:.1f} times as fast")
assert ratio > 1.2

# %% [markdown]
# ### Step 2: one cycle of the learning rate
#
# *Reason:* at the start the weights are random, and long steps do harm; in the middle they get far; at the end they jump around the goal.
# So begin low, rise to a maximum, and fall to almost nothing.
# The maximum is usually set higher than a constant rate.

# %%
probe = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
schedule = torch.optim.lr_scheduler.OneCycleLR(probe, max_lr=0.1, total_steps=100)
rates, momenta = [], []
for _ in range(100):
    rates.append(probe.param_groups[0]["lr"])
    momenta.append(probe.param_groups[0]["momentum"])
    probe.step()
    if len(rates) < 100:
        schedule.step()
plt.figure(figsize=(6, 2.4), layout="constrained")
plt.plot(rates)
plt.xlabel("step")
plt.ylabel("learning rate")
show_figure("The learning rate of 100 steps: it rises from 0.004 to 0.1 in the first 30 steps, then falls to almost 0.")
assert max(rates) == rates[29] and math.isclose(rates[29], 0.1) and math.isclose(rates[0], 0.1 / 25) and rates[-1] < 1e-5
assert min(momenta) == momenta[29] < max(momenta) == momenta[0]  # the momentum goes the other way
_ = measure("one cycle", LeNet, batch_size=64, lr=0.06, one_cycle=True)

# %% [markdown]
# ### Step 3: batch normalization
#
# *Reason:* while the first layers learn, what the later ones get drifts away: its mean and its size change all the time.
# (Whether this is what really counts is still debated; that the remedy works is not.)
# `BatchNorm2d` brings each channel back to mean 0 and deviation 1, over the batch and all pixels, then lets the network choose a scale and a shift of its own.
# Training bears larger learning rates, and gets further in the same number of epochs.

# %%
norm = nn.BatchNorm2d(6)
x = 3 * torch.randn(8, 6, 14, 14) + 5
y = norm(x)
mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
assert torch.allclose(y, (x - mean) / (variance + norm.eps).sqrt(), atol=1e-5)
print("parameters:", [name for name, _ in norm.named_parameters()])
print("buffers:   ", [name for name, _ in norm.named_buffers()])
assert torch.allclose(norm.running_mean, 0.1 * mean.flatten(), atol=1e-5)  # it moved a tenth of the way from 0

# %% [markdown]
# *Buffers* are tensors that belong to the network but are not learned by gradients.
# Here they are the running mean and the running variance of what was seen in training, which are used instead of the batch's own after `eval()`, and a count of the batches.
#
# Our network again, as a `Sequential`, with a normalization after each convolution.


# %%
def make_normed():
    """Return LeNet with batch normalization."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


assert count_parameters(make_normed()) == 62006 + 2 * 6 + 2 * 16  # a scale and a shift for each channel
normed = measure("batch norm", make_normed, batch_size=64, lr=0.1, one_cycle=True)

# %% [markdown]
# *A common mistake*: to evaluate without `eval()`.
# LeNet forgave it.
# A network with batch normalization does not: the scores of a photo depend on the other photos in its batch.
# And each batch moves the buffers, also under `no_grad()`: the test photos leak into the network.

# %%
photo, others = valid_images[:1], valid_images[1:400]
brighter = torch.cat([photo, others + 1])
with torch.no_grad():
    for mode in [True, False]:
        normed.train(mode)
        before = normed[1].running_mean.clone()
        one, other = normed(torch.cat([photo, others]).to(device))[0], normed(brighter.to(device))[0]
        moved = not normed[1].running_mean.equal(before)
        print(f"training={mode!s:5} scores differ by up to {(one - other).abs().max():.3f}, buffers moved: {moved}")
        assert moved == mode and torch.allclose(one, other, atol=1e-4) != mode

# %% [markdown]
# ### Step 4: a wider network
#
# *Reason:* six kernels in the first layer are few: some edges, some colors.
# LeNet has most of its parameters in its first linear layer, where the places are mixed already.
# So we take more channels, and a third convolution in the place of two linear layers.
# To pay for them, the first convolution moves by two pixels: all that follows has a quarter of the places to work on.


# %%
def make_wide(channels=16):
    """Return a network of three convolutions with `channels`, twice and four times as many channels."""
    return nn.Sequential(
        nn.Conv2d(3, channels, 4, stride=2, padding=1),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, 2 * channels, 3, padding=1),
        nn.BatchNorm2d(2 * channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(2 * channels, 4 * channels, 3, padding=1),
        nn.BatchNorm2d(4 * channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * channels * 4 * 4, 10),
    )


print(f"{count_parameters(make_normed()):,} -> {count_parameters(make_wide()):,} parameters")
assert count_parameters(make_wide()) < count_parameters(make_normed())
_ = measure("wider", make_wide, batch_size=64, lr=0.1, one_cycle=True)

# %% [markdown]
# ### Step 5: augmentation
#
# *Reason:* look at the two accuracies of the last network.
# With the small set, it knows its training photos much better than others: it learns them by heart, it *overfits*.
# With the full set, the same would come with more epochs.
# A mirrored horse is a horse, and so is one that stands two pixels further left.
# If the network meets each photo a little different each time, it cannot learn it by heart.
#
# We mirror each photo with probability 1/2, add four rows and columns of zeros around it, and cut out 32 × 32 pixels again.
# One place for the whole batch is enough here, since the batches are new in each epoch.


# %%
def flip_and_shift(images):
    """Mirror each photo at random, and shift all by the same random number of pixels, up to 4."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    padded = F.pad(torch.where(mirrored, images.flip(3), images), (4, 4, 4, 4))
    i, j = torch.randint(0, 9, (2,)).tolist()
    return padded[:, :, i : i + 32, j : j + 32]


torch.manual_seed(0)
versions = torch.cat([flip_and_shift(horse[None]) for _ in range(8)])
assert versions.shape == (8, 3, 32, 32)
figure, axes = plt.subplots(1, 8, figsize=(10, 1.4), layout="constrained")
for ax, version in zip(axes, versions, strict=True):
    ax.imshow(version.permute(1, 2, 0).numpy())
    ax.axis("off")
show_figure("The same photo of a horse eight times, some mirrored, each shifted a few pixels with a black border.")
_ = measure("augmentation", make_wide, batch_size=64, lr=0.1, one_cycle=True, augment=flip_and_shift)

# %%
gap = {name: fitted - valid for name, (fitted, valid, _) in results.items()}
print({name: f"{100 * g:.1f}" for name, g in gap.items()})
assert gap["augmentation"] < gap["wider"] and (FULL or gap["wider"] > 0.1)

# %% [markdown]
# The gap between training and validation photos has shrunk: that is what augmentation does.
# It makes the task harder, so it pays most in long trainings of large networks.
# In a short training of a small one it can cost accuracy; then leave it out, and measure again.
#
# ### All steps together

# %%
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", sharey=True)
names = list(results)
left.barh(names, [100 * fitted for fitted, _, _ in results.values()], color="#DDDDDD", label="training photos")
left.barh(names, [100 * valid for _, valid, _ in results.values()], height=0.45, color="#0072B2", label="validation photos")
left.axvline(10, color="black", linestyle=":")
left.set(xlabel="accuracy in % (dotted: guessing)", xlim=(0, 100))
left.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
left.invert_yaxis()
right.barh(names, [seconds for _, _, seconds in results.values()], height=0.45, color="#E69F00")
right.set(xlabel="seconds of training")
table = ", ".join(f"{name} {100 * valid:.0f} % in {seconds:.0f} s" for name, (_, valid, seconds) in results.items())
show_figure(f"Bars of accuracy and time for the six recipes. Validation: {table}.")
valid = {name: value for name, (_, value, _) in results.items()}
print(f"{100 * valid['as given']:.1f} % -> {100 * max(valid.values()):.1f} %; the best is: {max(valid, key=valid.get)}")
assert max(valid.values()) > valid["as given"] + 0.05

# %% [markdown]
# ### The result
#
# The choice is made, so the held-back photos may help too: we train the wide network on all training photos, with augmentation if it was better on the validation photos.
# Then the test photos are used, for the first time since the given recipe, and only once.

# %%
torch.manual_seed(0)
network = make_wide().to(device)
augment = flip_and_shift if results["augmentation"][1] > results["wider"][1] else None
seconds = fit(network, all_images, all_labels, 64, 0.1, one_cycle=True, augment=augment, title="final")
test_scores, test_accuracy = predict(network, normalize(test_images), test_labels)
print(f"given: {100 * given_accuracy:.1f} % of the test photos, after {given_seconds:.0f} s")
print(f"ours:  {100 * test_accuracy:.1f} % of the test photos, after {seconds:.0f} s")
assert test_accuracy > given_accuracy + 0.08

# %% [markdown]
# The program `benchmarks/cifar10.py` compares the given recipe with a faster one on the full set.
#
# ## Save and load
#
# The *state dict* of a network is a dict from names to tensors: its parameters and its buffers.
# Save this, and not the network object: it is nothing but tensors with names, and any network with the same names and shapes can take it.

# %%
state = network.state_dict()
print(len(state), "tensors, for example", list(given.state_dict())[:2], "and", list(state)[4:7])
buffers = {name for name, _ in network.named_buffers()}
assert state.keys() == {name for name, _ in network.named_parameters()} | buffers
assert "1.running_mean" in buffers and "conv1.weight" in given.state_dict()

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "photos.pt"
torch.save(state, path)
print(path.stat().st_size, "bytes in the file")

# %% [markdown]
# Loading goes the other way: make a network of the same kind, then fill it.
# `map_location` says where the tensors are to be: a file that was written on a GPU can be read without one.
# `weights_only=True`, the default, reads data and nothing else.
# Both belong to `torch.load`, not to `load_state_dict`.

# %%
loaded = make_wide()
answer = loaded.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
print(answer)
loaded.to(device)
again, _ = predict(loaded, normalize(test_images), test_labels)
assert again.equal(test_scores)  # the same scores, to the last bit
print("the loaded network gives equal scores")
print(torch.load(path, map_location="meta", weights_only=True)["0.weight"].device)  # map_location at work
with expect_error(TypeError, "unexpected keyword argument 'weights_only'"):
    loaded.load_state_dict(state, weights_only=True)

# %% [markdown]
# Four common mistakes.
#
# - To save the whole object: to read it back, PyTorch must allow any class and any function of the file, so the file can run any code.
#   With `weights_only=True` it is refused.
# - To load into a network of another shape.
# - To save the parameters without the buffers.
# - To keep `state_dict()` as a backup of the best network so far: it shares its memory with the network, and goes on changing.
#   Make a copy.

# %%
torch.save(network, path)
with expect_error(pickle.UnpicklingError, "Weights only load failed"):
    torch.load(path)  # weights_only=True is the default
with expect_error(RuntimeError, "size mismatch"):
    make_wide(8).load_state_dict(state)
with expect_error(RuntimeError, "Missing key(s) in state_dict"):
    make_wide().load_state_dict(dict(network.named_parameters()))
backup, real_backup = loaded.state_dict(), {name: value.clone() for name, value in loaded.state_dict().items()}
with torch.no_grad():
    loaded[0].weight.zero_()
assert not backup["0.weight"].any() and real_backup["0.weight"].any()
folder.cleanup()

# %% [markdown]
# ## Where is it wrong?
#
# The *confusion matrix* counts: in row `i` and column `j` are the photos of class `i` that were taken for class `j`.
# What is right is on the diagonal.

# %%
predicted = test_scores.argmax(dim=1)
confusion = torch.zeros(10, 10, dtype=torch.int64)
for label, prediction in zip(test_labels.tolist(), predicted.tolist(), strict=True):
    confusion[label, prediction] += 1
per_class = confusion.diagonal() / confusion.sum(dim=1)
assert confusion.sum() == len(test_labels)
assert math.isclose(confusion.diagonal().sum() / len(test_labels), test_accuracy, abs_tol=1e-6)
assert math.isclose(per_class.mean(), test_accuracy, abs_tol=1e-6)  # all classes are equally frequent

share = 100 * confusion / confusion.sum(dim=1, keepdim=True)
plt.figure(figsize=(7, 5.8), layout="constrained")
plt.imshow(share.numpy(), cmap="Blues", vmin=0, vmax=100)
for i in range(10):
    for j in range(10):
        plt.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", fontsize=8, color="white" if share[i, j] > 55 else "black")
plt.xticks(range(10), CLASSES, rotation=45, ha="right")
plt.yticks(range(10), CLASSES)
plt.xlabel("taken for")
plt.ylabel("true class")
plt.title("percent of the photos of each class")
mistakes = confusion - torch.diag(confusion.diagonal())
i, j = divmod(mistakes.argmax().item(), 10)
show_figure(f"Confusion matrix of ten classes in percent; the most frequent mistake is a {CLASSES[i]} that is taken for a {CLASSES[j]}.")
order = per_class.argsort()
print("hardest:", ", ".join(f"{CLASSES[k]} {100 * per_class[k]:.0f} %" for k in order[:3]))
print("easiest:", ", ".join(f"{CLASSES[k]} {100 * per_class[k]:.0f} %" for k in order.flip(0)[:3]))
print(f"most frequent mistake: {CLASSES[i]} taken for {CLASSES[j]}, {confusion[i, j]} times")

# %% [markdown]
# Now look at the mistakes themselves, those first of which the network is most sure.
# Softmax turns the scores into probabilities; the largest one is the confidence.

# %%
confidence, predicted = test_scores.softmax(dim=1).max(dim=1)
wrong = (predicted != test_labels).nonzero().flatten()
worst = wrong[confidence[wrong].argsort(descending=True)][:10]
figure, axes = plt.subplots(2, 5, figsize=(9, 4.6), layout="constrained")
for ax, k in zip(axes.flat, worst.tolist(), strict=True):
    ax.imshow(test_images[k].permute(1, 2, 0).numpy())
    ax.axis("off")
    ax.set_title(f"{CLASSES[predicted[k]]} {100 * confidence[k]:.0f} %\ntrue: {CLASSES[test_labels[k]]}", fontsize=9)
show_figure(
    "The ten test photos with the most confident mistakes; "
    + "; ".join(f"{CLASSES[test_labels[k]]} taken for {CLASSES[predicted[k]]}" for k in worst.tolist())
    + "."
)
mean_right, mean_wrong = confidence[predicted == test_labels].mean(), confidence[wrong].mean()
print(f"mean confidence where it is right {100 * mean_right:.0f} %, where it is wrong {100 * mean_wrong:.0f} %")
assert (predicted[worst] != test_labels[worst]).all() and mean_right > mean_wrong

# %% [markdown]
# A high confidence is no proof.
# Some of these photos may puzzle you too; with others, guess what the network went by: perhaps the color of the background.
# Looking at mistakes is the cheapest way to the next idea.

# %% [markdown]
# ## Check yourself
#
# **1.** A layer is `nn.Conv2d(16, 32, 3, stride=2, padding=1)`, its input `(8, 16, 14, 14)`.
# What is the shape of the output, and how many parameters does the layer have?
#
# <details><summary>Answer</summary>
#
# (14 + 2 − 2 − 1) / 2 = 6.5, rounded down 6, plus 1 is 7: the shape is `(8, 32, 7, 7)`.
# Parameters: 32 · (16 · 3 · 3 + 1) = 4640.
#
# </details>
#
# **2.** A friend keeps all layers but the last one in a Python list.
# Training runs, and the network stays poor.
# Why?
#
# <details><summary>Answer</summary>
#
# A plain list registers nothing, so `parameters()` gave the optimizer the last layer only.
# `nn.ModuleList` gives them all.
#
# </details>
#
# **3.** The loss of a new network for ten classes is 14.
# What do you look at first?
#
# <details><summary>Answer</summary>
#
# It should be near ln 10, about 2.3.
# Perhaps the input is not normalized.
#
# </details>
#
# **4.** How far does one number see after three layers with kernel 3 and stride 2 each?
#
# <details><summary>Answer</summary>
#
# 1 + 2 + 2 · 2 + 2 · 4 = 15: it sees 15 × 15 pixels.
#
# </details>
#
# **5.** The same photo gets other scores in another batch.
# What was forgotten?
#
# <details><summary>Answer</summary>
#
# `eval()`: batch normalization uses the batch's own mean and deviation.
#
# </details>
#
# **6.** You try twenty recipes and report the best accuracy on the test photos.
# What is wrong, and what should you do?
#
# <details><summary>Answer</summary>
#
# The test photos took part in the choice, so the number is too good.
# Choose on validation photos, and use the test photos once.
#
# </details>
#
# **7.** Which of these is in a `state_dict`: weights, biases, running means, gradients, the class of the network, the learning rate?
#
# <details><summary>Answer</summary>
#
# Weights, biases and running means: parameters and buffers.
# The learning rate is in the state dict of the optimizer.
#
# </details>
#
# The numbers in these answers, checked:

# %%
layer = nn.Conv2d(16, 32, 3, stride=2, padding=1)
assert layer(torch.zeros(8, 16, 14, 14)).shape == (8, 32, 7, 7) and count_parameters(layer) == 4640
field, _ = find_field([nn.Conv2d(1, 1, 3, stride=2) for _ in range(3)], 40)
assert field.any(0).sum() == 15
normalized = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
normalized(torch.randn(4, 2)).sum().backward()
assert not any("grad" in name for name in normalized.state_dict())
assert {"0.weight", "0.bias", "1.running_mean"} < normalized.state_dict().keys()
assert "lr" in torch.optim.SGD(normalized.parameters(), lr=0.1).state_dict()["param_groups"][0]
print("all right")

# %% [markdown]
# ## What to remember
#
# - A network is an `nn.Module`: layers in `__init__` after `super().__init__()`, the way of the data in `forward`; call the network, not `forward`.
# - A convolution uses the same few weights at every place; its output has ⌊(n + 2p − d(k − 1) − 1) / s⌋ + 1 rows.
# - Normalize with mean and deviation of the training photos; a first loss near ln(number of classes) is a good sign.
# - A `Dataset` knows its length and sample `i`; a `DataLoader` makes batches; `iter` gives a bookmark, `next` reads on.
# - Change one thing at a time, measure on validation photos, and use the test photos once.
# - Larger batches save time, a schedule and batch normalization get further in the same number of epochs, width helps, augmentation shrinks the gap.
# - To evaluate: `eval()`, `no_grad()`, and photos where the network is.
# - Save the `state_dict`, parameters and buffers; load with `map_location` and `weights_only`.
# - Look at each class, and at the mistakes.
#
# Next: the exercises in `release/06_cifar10_cnn`.

# %% [markdown]
# ## Further reading
#
# - The documentation of `torch.nn`: <https://docs.pytorch.org/docs/stable/nn.html>, and its note on saving and loading: <https://docs.pytorch.org/docs/stable/notes/serialization.html>
# - CIFAR-10: <https://www.cs.toronto.edu/~kriz/cifar.html>, and A. Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, *Gradient-Based Learning Applied to Document Recognition*, Proceedings of the IEEE, 1998: LeNet
# - V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep learning*: <https://arxiv.org/abs/1603.07285>
# - S. Ioffe, C. Szegedy, *Batch Normalization*: <https://arxiv.org/abs/1502.03167>
# - L. Smith, N. Topin, *Super-Convergence*, on the one-cycle schedule: <https://arxiv.org/abs/1708.07120>
