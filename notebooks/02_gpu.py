# %% [markdown]
# # GPUs and other devices
#
# After this lecture you can put tensors and models on a GPU, measure honestly whether that pays, and split work over several devices.
#
# **You will learn** to
#
# - write code that runs on whatever device a machine has, and mend errors about mixed devices;
# - tell when a tensor is copied, when it is moved, and what a copy costs;
# - time a GPU, which answers before it is done;
# - predict whether a GPU pays and whether the memory suffices;
# - split a training step over several devices in three ways.
#
# **Time:** 45 minutes.
# You need no GPU.
# Where a cell needs one, it says what you would see; all else runs on any machine.

# %%
import base64
import html
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import torch
from IPython.display import HTML, display
from torch.utils.benchmark import Timer
from tqdm.auto import tqdm

BLUE, ORANGE, GREEN = "#56B4E9", "#E69F00", "#66CDAA"
YELLOW, PINK, PALE = "#F0E442", "#CC79A7", "#EEEEEE"


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


# %% [markdown]
# ## What a GPU is good at
#
# The cell below times a million cosines in two ways: one after the other (a hundredth of them, times 100), and all in one call.
# Predict: how many times faster is the second way?

# %%
x = torch.rand(1_000_000)

start = time.perf_counter()
value = x[0]
for _ in range(10_000):  # a hundredth of the million
    value = value.cos()
chain = 100 * (time.perf_counter() - start)

start = time.perf_counter()
x.cos()
together = time.perf_counter() - start
print(f"one after the other {chain:.2f} s, all at once {together:.4f} s: {chain / together:.0f} times faster")
assert chain > 10 * together

# %% [markdown]
# Two things make the difference.
# Every call costs something, however little it does, and the first way needs a million calls.
# And in the first way each step needs the result of the one before, so that nothing can be done in parallel.
# In the second, a million results are independent of each other.
# That is what a *GPU* (graphics processing unit) was built for: the pixels of a picture do not depend on each other.
# A CPU has a few strong cores that hurry through one task; a GPU has thousands of weak ones that share a big one.
# The sums of a matrix product are independent too, and a neural network is mostly matrix products.

# %%
def draw_box(ax, x, y, width, height, text="", color=PALE, **style):
    """Draw a box with its lower left corner at (x, y) and `text` in its center."""
    ax.add_patch(plt.Rectangle((x, y), width, height, fc=color, ec="black", lw=0.9))
    ax.text(x + width / 2, y + height / 2, text, **{"ha": "center", "va": "center", "fontsize": 10, **style})


def draw_arrow(ax, start, end, text="", shift=(0.0, 0.2), style="->"):
    """Draw an arrow from `start` to `end`, both (x, y), with `text` beside its middle."""
    ax.annotate("", end, start, arrowprops={"arrowstyle": style, "lw": 1.5, "shrinkA": 0, "shrinkB": 0})
    middle = ((start[0] + end[0]) / 2 + shift[0], (start[1] + end[1]) / 2 + shift[1])
    ax.text(*middle, text, ha="center", va="center", fontsize=10)


def new_canvas(width, height):
    """Return an empty drawing area; x runs to the right, y runs up."""
    figure, ax = plt.subplots(figsize=(0.75 * width, 0.75 * height))
    ax.set(xlim=(-0.1, width), ylim=(-0.1, height), aspect="equal")
    ax.axis("off")
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    return ax


ax = new_canvas(12, 5)
ax.text(2, 4.7, "CPU: runs your Python program", ha="center", fontsize=11, weight="bold")
ax.text(9.6, 4.7, "GPU: runs what it is sent", ha="center", fontsize=11, weight="bold")
for i in range(4):
    draw_box(ax, 0.2 + 0.95 * i, 2.2, 0.8, 2, "core", BLUE)
for i in range(28):
    for j in range(12):
        draw_box(ax, 7.52 + 0.15 * i, 2.24 + 0.16 * j, 0.11, 0.12, color=GREEN)
draw_box(ax, 0.2, 0.2, 3.65, 1.3, "memory of the CPU", YELLOW)
draw_box(ax, 7.5, 0.2, 4.2, 1.3, "memory of the GPU", YELLOW)
draw_arrow(ax, (2, 2.15), (2, 1.55), style="<->")
draw_arrow(ax, (9.6, 2.15), (9.6, 1.55), style="<->")
draw_arrow(ax, (3.9, 0.85), (7.45, 0.85), "copy data\n(slow link)", (0, 0.5), "<->")
draw_arrow(ax, (3.9, 3.2), (7.45, 3.2), "launch kernels", (0, 0.25))
show_figure(
    "A CPU with four large cores and its memory, a GPU with hundreds of small cores and its own memory; the CPU launches kernels, and a slow link copies data between the two memories."
)

# %% [markdown]
# Three facts of this picture explain the rest of the lecture.
#
# - A GPU on a card has its *own memory*: it computes only with what is there.
#   (Apple's chips share one memory; PyTorch still treats them as two devices.)
# - The CPU stays in charge: it runs Python and sends the GPU one piece of work after the other, each called a *kernel*.
# - The link between the two is slow: far slower than the memory of the GPU.
#
# How slow?
# Take a known GPU, the V100, with the peak numbers of its fastest model, and the usual link, PCIe 3.0 with 16 lanes, in one direction.

# %%
V100 = {"cores": 5120, "operations/s": 15.7e12, "memory bytes/s": 900e9, "link bytes/s": 16e9}
for name, number in V100.items():
    print(f"{name:15} {number:.3g}")
per_byte = V100["operations/s"] / V100["link bytes/s"]
print(f"In the time that one byte takes over the link, it could do {per_byte:.0f} operations;")
print(f"from its own memory it reads {V100['memory bytes/s'] / V100['link bytes/s']:.0f} bytes in that time.")
assert per_byte > 900

# %% [markdown]
# So a GPU pays when data stay there and much is computed with each number.
# We shall measure that below.
#
# ## Which devices are here?
#
# *CUDA* is NVIDIA's platform for computing on its GPUs: a compiler, libraries, a driver.
# In PyTorch the word `"cuda"` means: on the GPU.
# (PyTorch for AMD's GPUs, built on their platform ROCm, uses the same word, so that programs need no change.)
# *cuDNN* is NVIDIA's library for the layers of neural networks.
# Apple's GPUs have the name `"mps"`.

# %%
print("torch", torch.__version__, "built for CUDA", torch.version.cuda)
print("CUDA available:  ", torch.cuda.is_available(), "with", torch.cuda.device_count(), "GPUs")
print("cuDNN available: ", torch.backends.cudnn.is_available())
print("Apple's GPU:     ", torch.backends.mps.is_available())
print("any accelerator: ", torch.accelerator.is_available())
if torch.cuda.is_available():
    print(torch.cuda.get_device_name(0))
if shutil.which("nvidia-smi"):
    print(subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout)
else:
    print("no nvidia-smi here; this command of NVIDIA's driver lists the GPUs and who uses them")

# %% [markdown]
# When `nvidia-smi` shows a GPU and `torch.cuda.is_available()` is `False`, you probably have a PyTorch without CUDA, and the first line says so.
#
# `torch.accelerator` is a newer name for "the GPU of this machine, whoever made it".
# With it, choosing a device takes three lines; the classic form with CUDA alone is a line that you will meet often.

# %%
def pick_device():
    """Return the accelerator of this machine, or the CPU if there is none."""
    if torch.accelerator.is_available():
        return torch.accelerator.current_accelerator()
    return torch.device("cpu")


device = pick_device()
classic = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
print(device, "or classic:", classic)

# %% [markdown]
# The number counts GPUs: `cuda:0` is the first, `cuda:1` the second.
# A `torch.device` is a name only; you can make one for a device that you do not have.

# %%
second = torch.device("cuda:1")
print(second.type, second.index, torch.device("cuda").index)
assert torch.device("cuda", 1) == second
print(torch.device("cuda") == torch.device("cuda:0"))
with expect_error(RuntimeError, "Expected one of cpu, cuda"):
    torch.device("gpu")

# %% [markdown]
# `"cuda"` means *the current GPU*, which is the first unless you change it.
# But it is not *equal* to `"cuda:0"`: to ask where a tensor is, compare `x.device.type`.
#
# From here on we write `device`, and the code runs wherever you are.
# That is the first rule of this lecture: *choose a device once, at the top, and use the name after that*.
#
# ## Placing tensors
#
# A new tensor is on the CPU unless you say otherwise.

# %%
a = torch.ones(2, 3)
b = torch.ones(2, 3, device=device)  # made there
c = a.to(device)  # copied there
print(a.device, b.device, c.device, c.is_cuda)
assert a.device.type == "cpu" and b.device == c.device and b.device.type == device.type

# %% [markdown]
# `device=` is better than `.to` where you have the choice: nothing has to cross the link.
#
# There are shorter spellings for CUDA, and they are a trap: `.cuda()` fails on a machine without it.
# So code with `.cuda()` in it needs a guard.

# %%
if torch.cuda.is_available():
    print(a.cuda().device, a.to("cuda").device, torch.ones(2, device="cuda:0").device)
    print("a is still on the", a.device)
else:
    with expect_error((AssertionError, RuntimeError), ""):
        a.cuda()
    print("with CUDA, a.cuda().device is cuda:0")

# %% [markdown]
# The text depends on how your PyTorch was built: one built without CUDA says `Torch not compiled with CUDA enabled`.
#
# ### Copy or move?
#
# People say "move the tensor to the GPU".
# Does it move?
#
# To find out on any machine we use a device that every PyTorch has: `"meta"`.
# A tensor there has a shape, a dtype and strides, but no numbers.

# %%
x = torch.tensor([1.0, 2.0, 3.0])
y = x.to("meta")
print(x, y, sep="\n")
assert x.device.type == "cpu" and y.device.type == "meta"
assert x.to("cpu") is x  # it is there already
assert x.to("cpu", copy=True) is not x

# %% [markdown]
# It does not move: `x` is where it was, and `y` is a copy with the new place.
# If the tensor is already there, `.to` copies nothing and returns the tensor itself.
#
# *A common mistake*: the result is thrown away.

# %%
x = torch.ones(3)
x.to("meta")
print("still on the", x.device)
x = x.to("meta")
print("now on", x.device)

# %% [markdown]
# A model is different.
# Predict what the two comparisons print.

# %%
net = torch.nn.Linear(3, 2)
print({name: p.device.type for name, p in net.named_parameters()})
same = net.to("meta") is net
print(same, {name: p.device.type for name, p in net.named_parameters()})
assert same and net.weight.device.type == "meta"

# %% [markdown]
# `net.to` does move: it replaces the memory of its parameters and returns the same model.
# So `net.to(device)` needs no assignment, and `x = x.to(device)` does.
#
# *Another mistake*, found in print: `t1.cpu = t1.cup()`.
# There are two errors in it: the function's name, and a dot where an underscore was meant.
# Mend only the first, and a worse thing happens.

# %%
t1 = torch.ones(2, device=device)
with expect_error(AttributeError, "cup"):
    t1.cpu = t1.cup()
t1.cpu = t1.cpu()  # hides the method cpu of this tensor behind a tensor
with expect_error(TypeError, "not callable"):
    t1.cpu()
t1 = torch.ones(2, device=device)
t1_cpu = t1.cpu()  # as it was meant
print(t1_cpu.device)

# %% [markdown]
# ## Everything on one device
#
# An operation runs where its tensors are, so they must all be at one place.
# This is the error message that every beginner on a GPU meets first.

# %%
if torch.cuda.is_available():
    with expect_error(RuntimeError, "Expected all tensors to be on the same device"):
        torch.ones(3, device="cuda") + torch.ones(3)
else:
    print("with CUDA you would see: RuntimeError: Expected all tensors to be on the same device,")
    print("but found at least two devices, cuda:0 and cpu!")

# %% [markdown]
# PyTorch could copy one of them for you, and it refuses on purpose: a hidden copy would be slow, and you would not know.
# You decide which one goes where.
#
# Broadcasting works on every device as it does on the CPU.

# %%
total = torch.tensor([10.0], device=device) + torch.randn(2, 3, device=device)
print(total)
assert total.shape == (2, 3) and total.device.type == device.type

# %% [markdown]
# There are a few exceptions.
# `x[:] = y` and `x.copy_(y)` copy from any device, and an index tensor may be on the CPU.
# And a tensor *without dimensions* on the CPU counts as a number, and numbers fit everywhere.
# With one dimension of one element the rule holds again.

# %%
far = torch.ones(3, device="meta")  # for * and +, meta checks the same rule as a GPU
far[:] = torch.ones(3)
print(far[torch.tensor([0, 1])].device)
print((torch.tensor(2.0) * far).device)
with expect_error(RuntimeError, "device"):
    torch.ones(1) * far
print((2.0 * torch.ones(3, device=device)).device)

# %% [markdown]
# *A common mistake*: a function makes a new tensor and forgets where its input lives.
# On a laptop all tests pass; on the GPU it fails.
# With `meta` you can often see that without a GPU.
# An error on `meta` shows the mistake; no error proves nothing, because some operations, such as `@`, do not check there.

# %%
def add_bias_column(x):
    """Append a column of ones, on whatever device this happens to be."""
    return torch.cat([x, torch.ones(len(x), 1)], dim=1)


def add_bias_column_anywhere(x):
    """Append a column of ones, on the device and with the dtype of `x`."""
    return torch.cat([x, x.new_ones(len(x), 1)], dim=1)


print(add_bias_column(torch.zeros(2, 3)).shape)
with expect_error(RuntimeError, "device"):
    add_bias_column(torch.zeros(2, 3, device="meta"))
print(add_bias_column_anywhere(torch.zeros(2, 3, device="meta")))

# %% [markdown]
# `x.new_ones`, `torch.ones_like(x)` and `device=x.device` all say: where `x` is.
#
# For training, the rule becomes: *model and every batch on one device*.
# The model goes there once; the data are often too large to go at once, so each batch goes when its turn comes.

# %%
net = torch.nn.Linear(3, 2).to(device)
data = [(torch.randn(4, 3), torch.randn(4, 2)) for _ in range(5)]
for inputs, targets in data:
    inputs, targets = inputs.to(device), targets.to(device)
    loss = ((net(inputs) - targets) ** 2).mean()
print("loss on", loss.device, "as a number:", round(loss.item(), 3))
assert loss.device.type == device.type

# %% [markdown]
# ## Back to the CPU
#
# NumPy, Matplotlib and files live on the CPU.
# A NumPy array shares the memory of its tensor, and NumPy cannot reach the memory of a GPU.
# So the way back is `.cpu().numpy()`.

# %%
with expect_error(TypeError, "Use Tensor.cpu() to copy the tensor to host memory first"):
    torch.ones(2, device="meta").numpy()  # as on a GPU: the same message with another name
print(torch.ones(2, device=device).cpu().numpy())

# %% [markdown]
# `.item()` needs no `.cpu()`: it fetches a number from any device that has one.
# It takes any tensor with one element, of whatever shape.
# `.tolist()` fetches many.

# %%
one = torch.full((1, 1, 1), 3.5, device=device)
print(one.item(), torch.arange(3, device=device).tolist())
assert one.item() == 3.5
with expect_error(RuntimeError, "cannot be converted to Scalar"):
    torch.ones(2, device=device).item()
with expect_error(RuntimeError, "meta"):
    torch.ones(1, device="meta").item()  # a meta tensor has no number to give
with expect_error(NotImplementedError, "no data"):
    torch.ones(1, device="meta").cpu()

# %% [markdown]
# The last two errors show what `meta` is *not*: a GPU without hardware.
# It knows shapes, dtypes and devices, and that is what it is for.
# Predict: how long does the next cell take, and how much memory?

# %%
start = time.perf_counter()
with torch.device("meta"):  # all new tensors are made here
    layer = torch.nn.TransformerEncoderLayer(d_model=4096, nhead=32, dim_feedforward=16384)
parameters = 32 * sum(p.numel() for p in layer.parameters())
print(f"{time.perf_counter() - start:.2f} s for a layer of a language model")
print(f"32 such layers have {parameters / 1e9:.2f} billion numbers: {4 * parameters / 1e9:.1f} GB in float32")
assert 6.4e9 < parameters < 6.5e9

# %% [markdown]
# So you can ask whether a model fits before you build it.
# `with torch.device(...)` works for every device, and `torch.set_default_device` does the same for a whole program.
#
# ## A clock that lies
#
# How long does a matrix product take on a GPU?
# Everyone times it like this first: read the clock, multiply, read the clock.
# On a GPU the answer is wrong, and you can see why even without one.
#
# The CPU *launches* a kernel and does not wait for its end.
# The GPU keeps a queue and works through it in order.
# Here is a stand-in built from a thread: it has a queue, and it too answers before it is done.

# %%
class QueueDevice:
    """A stand-in for a GPU: one worker that takes tasks from a queue, in order."""

    def __init__(self):
        self.worker = ThreadPoolExecutor(max_workers=1)
        self.tasks = []
        self.runs = []  # (start, end) of each task

    def launch(self, function, *args):
        """Queue function(*args), and return at once."""
        self.tasks.append(self.worker.submit(self._run, function, *args))
        return self.tasks[-1]

    def _run(self, function, *args):
        start = time.perf_counter()
        result = function(*args)
        self.runs.append((start, time.perf_counter()))
        return result

    def synchronize(self):
        """Wait until all tasks are done."""
        for task in self.tasks:
            task.result()
        self.tasks.clear()


queue_device = QueueDevice()
a = torch.randn(800, 800)
queue_device.launch(torch.matmul, a, a)  # warm up: the first call starts the thread
queue_device.synchronize()
queue_device.runs.clear()

launches = []
start = time.perf_counter()
for _ in range(10):
    queue_device.launch(torch.matmul, a, a)
    launches.append(time.perf_counter())
wrong = time.perf_counter() - start
queue_device.synchronize()
right = time.perf_counter() - start
print(f"without synchronize {1000 * wrong:7.2f} ms   the wrong way")
print(f"with synchronize    {1000 * right:7.2f} ms   the right way")
assert wrong < right / 2

# %%
figure, ax = plt.subplots(figsize=(9, 2.6), layout="constrained")
for i, (begin, end) in enumerate(queue_device.runs):
    ax.barh(0, 1000 * (end - begin), 0.55, 1000 * (begin - start), color=GREEN, ec="black")
    ax.text(1000 * ((begin + end) / 2 - start), 0, str(i), ha="center", va="center", fontsize=10)
ax.plot([1000 * (t - start) for t in launches], [1] * 10, "|", color="black", ms=16)
for moment, text, align in [
    (wrong, " clock read too early", "left"),
    (right, "clock read after synchronize ", "right"),
]:
    ax.axvline(1000 * moment, color=PINK, lw=2)
    ax.text(1000 * moment, 1.5, text, ha=align, va="center", fontsize=10)
ax.set(xlim=(-20 * right, 1020 * right), ylim=(-0.5, 1.8), xlabel="milliseconds", yticks=[0, 1])
ax.set_yticklabels(["device runs", "CPU launches"], fontsize=10)
ax.spines[["top", "right"]].set_visible(False)
show_figure(
    "Ten launches on the CPU happen at the very start; ten products run on the device one after the other, long after the first reading of the clock."
)

# %% [markdown]
# Ten launches took a moment, the ten products took the time.
# Operations on a GPU are *asynchronous*: the call returns before the work is done.
# On CUDA the function to wait with is `torch.cuda.synchronize()`; for any GPU it is `torch.accelerator.synchronize()`.
# The right way to time is: *synchronize, read the clock, run, synchronize, read the clock*.
# The first `synchronize` matters too, or you time what was still in the queue.

# %%
def synchronize():
    """Wait until the GPU has done all its work; without a GPU nothing is left to wait for."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


if torch.cuda.is_available():
    big = torch.randn(4096, 4096, device="cuda")
    big @ big  # warm up: the first call loads libraries
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(20):
        big @ big
    early = time.perf_counter() - start
    torch.cuda.synchronize()
    late = time.perf_counter() - start
    print(f"without synchronize {1000 * early:.2f} ms, with it {1000 * late:.2f} ms")
    assert early < late
else:
    print("with CUDA, twenty products of two 4096 x 4096 matrices would be timed in both ways:")
    print("the early reading shows how long twenty launches take, whatever the size of the matrices")

# %% [markdown]
# Three things follow from the queue.
#
# - Whatever needs a number waits for it: `.item()`, `.tolist()`, `.cpu()`, `print(x)`, and `if x > 0`.
#   One `loss.item()` in each step makes the CPU wait in each step.
# - An error is reported late, at some later line, because nobody was there when it happened.
#   With the environment variable `CUDA_LAUNCH_BLOCKING=1` every launch waits, and the line is the right one.
# - The first call is slow: it loads libraries and asks for memory.
#   Warm up before you measure.
#
# The stand-in shows the first two.

# %%
start = time.perf_counter()
product = queue_device.launch(torch.matmul, a, a)
launched = time.perf_counter() - start
number = product.result()[0, 0].item()  # like .item(): it needs the number, so it waits
arrived = time.perf_counter() - start
print(f"launched after {1000 * launched:.2f} ms, the number {number:.2f} was there after {1000 * arrived:.2f} ms")
assert launched < arrived

failed = queue_device.launch(torch.matmul, a, torch.randn(3, 3))  # the mistake is here ...
print("no error yet")
with expect_error(RuntimeError, "shapes cannot be multiplied"):
    queue_device.synchronize()  # ... and the error is there
queue_device.tasks.clear()

# %% [markdown]
# (A real GPU reports wrong shapes at once, because the CPU checks them before it launches.
# An index that is out of range is found only on the GPU, and reported late.)
#
# ## Does a GPU pay?
#
# The product of two n × n matrices takes about 2n³ operations, and the three matrices have 3n² numbers.
# So computing grows faster than copying.
# We measure both apart: the product on the CPU, copying two matrices and one result, and, if there is a GPU, the product there.
# `Timer` warms up, then measures for a tenth of a second: several rounds, or one if the statement is slow.
# We take the fastest round, since other programs can only slow it down; `.median`, the middle one, is as common.

# %%
def measure(run):
    """Return the seconds that `run()` takes in the fastest round."""
    names, threads = {"run": run, "synchronize": synchronize}, torch.get_num_threads()
    timer = Timer("run(); synchronize()", globals=names, num_threads=threads)
    return min(timer.blocked_autorange(min_run_time=0.1).times)


def copy_three(x, there):
    """Copy `x` to the device twice, and `there`, which is on it, back once."""
    return x.to(device, copy=True), x.to(device, copy=True), there.to("cpu", copy=True)


sizes = [16, 32, 64, 128, 256, 512, 1024, 2048]
cpu, copies, gpu = [], [], []
for n in tqdm(sizes):
    a = torch.randn(n, n)
    there = a.to(device)
    cpu.append(measure(lambda a=a: a @ a))
    # Without a GPU this copies within the memory of the CPU.
    copies.append(measure(lambda a=a, there=there: copy_three(a, there)))
    if device.type != "cpu":
        gpu.append(measure(lambda there=there: there @ there))
for i, n in enumerate(sizes):
    extra = f", GPU {gpu[i] * 1e3:9.3f} ms" if gpu else ""
    print(f"n = {n:4}: CPU {cpu[i] * 1e3:9.3f} ms, three copies {copies[i] * 1e3:9.3f} ms{extra}")
assert cpu[-1] / copies[-1] > cpu[0] / copies[0]  # computing has grown faster than copying

# %% [markdown]
# To have a GPU in the figure on every machine, we add what the V100 and its PCIe link promise at best: a *calculation*, not a measurement.
# Each copy and each launch costs some time however small it is; we assume 10 microseconds, which is typical.

# %%
LAUNCH = 10e-6  # assumed seconds to start one copy or one kernel
copy_v100 = [3 * (LAUNCH + 4 * n**2 / V100["link bytes/s"]) for n in sizes]
compute_v100 = [LAUNCH + 2 * n**3 / V100["operations/s"] for n in sizes]

figure, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
ax.loglog(sizes, cpu, "o-", color="#0072B2", label="product on this CPU, measured")
where = "to and from the GPU" if gpu else "within the CPU's memory"
ax.loglog(sizes, copies, "s-", color=ORANGE, label=f"three copies {where}, measured")
if gpu:
    ax.loglog(sizes, gpu, "^-", color="#009E73", label="product on this GPU, measured")
white = {"mfc": "white", "linestyle": "--"}  # what is calculated
ax.loglog(sizes, copy_v100, "s", color=ORANGE, label="three copies over PCIe 3.0, calculated", **white)
ax.loglog(sizes, compute_v100, "^", color="#009E73", label="product on a V100, calculated", **white)
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.set(xlabel="n, for matrices of n × n", ylabel="seconds")
ax.grid(alpha=0.3)
ax.legend(fontsize=9)
show_figure(
    "Seconds against matrix size, both axes logarithmic: the product on the CPU rises steeply, copies rise less steeply, and the calculated times of a V100 are flat for small sizes and far below the CPU for large ones."
)

# %%
v100 = [copying + computing for copying, computing in zip(copy_v100, compute_v100, strict=True)]
for n, here, there in zip(sizes, cpu, v100, strict=True):
    winner = "the V100 would be" if there < here else "this CPU is"
    print(f"n = {n:4}: {winner} {max(here / there, there / here):5.1f} times faster, copies included")
assert v100[0] > cpu[0]  # small: the CPU wins
assert cpu[-1] / v100[-1] > 5 * cpu[0] / v100[0]  # the larger, the better for the GPU
assert copy_v100[-1] > compute_v100[-1]  # but most of its time goes into the copies

# %% [markdown]
# Read the figure honestly.
#
# - *Small work belongs on the CPU*: it is done before the GPU has been told.
# - The larger the matrices, the better for the GPU, even with the copies.
# - More than half of the V100's time goes into the link, even at the largest size here.
#   If the data stay on the GPU between two steps, the copies fall away and only the product (green) counts.
#
# ### A reported number, checked
#
# One published demonstration multiplies matrices of 10,000 × 100,000 and 100,000 × 10,000 numbers.
# It reports 38.3 seconds on a CPU and 1.69 seconds on a V100: 22.7 times faster.
# The copy to the GPU is part of the timed cell, and nothing synchronizes.
# Can that be?

# %%
n, k, m = 10_000, 100_000, 10_000
operations = 2 * n * k * m
to_copy, result = 4 * (n * k + k * m), 4 * n * m
print(f"{operations:.0e} operations, {(to_copy + result) / 1e9:.1f} GB in all")
print(f"reported {38.3 / 1.69:.1f} times faster")
compute, copy = operations / V100["operations/s"], to_copy / V100["link bytes/s"]
print(f"at the V100's peak the product takes {compute:.2f} s and the copy {copy:.2f} s")
print(f"together {compute + copy:.2f} s, but reported were 1.69 s")
assert compute > 1.27 and compute + copy > 1.69

# %% [markdown]
# Even a perfect V100 behind a perfect PCIe 3.0 link would need longer than was reported.
# So the clock was most likely stopped too early: it shows the copy and a launch.
# The same product on your CPU, a thousand times smaller and scaled up:

# %%
a, b = torch.randn(1000, 10_000), torch.randn(10_000, 1000)
seconds = measure(lambda: a @ b)
print(f"{seconds:.3f} s here, so about {1000 * seconds:.0f} s for the large one")
assert operations == 1000 * (2 * 1000 * 10_000 * 1000)

# %% [markdown]
# Trust a speedup only when you know what was timed: with `synchronize`, and with copy and compute apart.
#
# ## Memory
#
# A GPU's memory is usually smaller than the CPU's, and when it is full, there is an error: `OutOfMemoryError`.
# So count first.
# A tensor needs `numel()` times `itemsize` bytes, and `nbytes` says so.

# %%
x = torch.ones(1000, 1000)
print(x.nbytes, x.half().nbytes, x.double().nbytes)
assert x.nbytes == x.numel() * x.itemsize == 4_000_000

# %% [markdown]
# Training needs much more than the model.
# For each number of the model there is a gradient, and the most common optimizer, Adam, keeps two more.

# %%
net = torch.nn.Linear(1000, 500)
optimizer = torch.optim.Adam(net.parameters())
net(torch.randn(2, 1000)).sum().backward()
optimizer.step()
weights = sum(p.nbytes for p in net.parameters())
gradients = sum(p.grad.nbytes for p in net.parameters())
states = sum(s.nbytes for state in optimizer.state.values() for s in state.values())
print(f"weights {weights:,}, gradients {gradients:,}, Adam {states:,} bytes")
assert gradients == weights and 2 * weights <= states < 2 * weights + 100
print(f"the language model above: {4 * 4 * parameters / 1e9:.0f} GB to train in float32")

# %% [markdown]
# Few GPUs hold that, which is one reason for the last part of this lecture.
# The *activations*, what the layers compute on the way, come on top, and they grow with the batch: a smaller batch is the first remedy for `OutOfMemoryError`.
#
# PyTorch asks the driver for memory in large pieces and keeps what you free, because asking is slow.
# This is the *caching allocator*.
# So there are two numbers: `memory_allocated`, what your tensors use, and `memory_reserved`, what PyTorch holds.

# %%
if torch.cuda.is_available():
    def report(what):
        """Print both numbers."""
        allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
        print(f"{what:22} allocated {allocated:>13,}  reserved {reserved:>13,}")

    report("before")
    before = torch.cuda.memory_allocated()
    x = torch.ones(1000, device="cuda")
    report("after ones(1000)")
    assert torch.cuda.memory_allocated() - before >= 4000
    del x
    report("after del x")
    assert torch.cuda.memory_allocated() == before
    torch.cuda.empty_cache()
    report("after empty_cache()")
else:
    print("with CUDA you would see that ones(1000) allocates 4096 bytes,")
    print("4000 rounded up to a multiple of 512; after del x, allocated falls and reserved stays;")
    print("torch.cuda.empty_cache() gives back what is reserved and not used")

# %% [markdown]
# That is why `nvidia-smi` shows more than your tensors need: it sees what is reserved, and what CUDA itself needs.
# `empty_cache()` makes no room for your own tensors, since PyTorch would have used the cache for them anyway; it gives memory back to other programs.
# The memory of a tensor is freed when nothing uses it any more: no name, no list, no view, no record for a gradient.
#
# *A common mistake*: `losses.append(loss)` keeps each loss and the record of how it was computed.
# After `backward` little of that is left; in a loop without `backward`, such as an evaluation, it is what each batch needed on the way.
# `losses.append(loss.item())` keeps a number.

# %%
def count_kept(backward):
    """Return how many saved tensors are in memory after three passes whose losses were kept."""
    layer, losses, kept = torch.nn.Linear(4, 1), [], weakref.WeakSet()

    def save(t):
        t = t.detach().clone()
        kept.add(t)
        return t

    for _ in range(3):
        with torch.autograd.graph.saved_tensors_hooks(save, lambda t: t):
            loss = layer(torch.ones(2, 4)).square().mean()
        if backward:
            loss.backward()
        losses.append(loss)
    return len(kept)


print("kept with backward:", count_kept(True), " without:", count_kept(False))
assert count_kept(True) == 0 < count_kept(False)

# %% [markdown]
#
# ### Pinned memory
#
# The operating system may move ordinary memory around, so the GPU cannot fetch from it by itself.
# *Pinned* memory stays where it is: copies from it are faster, and with `non_blocking=True` the CPU does not wait for them.

# %%
if torch.cuda.is_available():
    ordinary = torch.randn(16, 1024, 1024)
    pinned = ordinary.pin_memory()
    for name, x in [("ordinary", ordinary), ("pinned", pinned)]:
        seconds = measure(lambda x=x: x.to("cuda", non_blocking=True))
        print(f"{name:8} {x.nbytes / seconds / 1e9:5.1f} GB/s")
    assert pinned.is_pinned() and not ordinary.is_pinned()
else:
    print("with CUDA, copies from ordinary and from pinned memory would be timed; pinned is faster")

# %% [markdown]
# On the way to the GPU, kernels that need the data stand behind the copy in the same queue, so `non_blocking=True` is safe as long as you do not change the pinned tensor before the copy is done.
# On the way back it is a trap: the CPU could read a tensor before it has arrived, so `synchronize` first.
# A `DataLoader` pins its batches with `pin_memory=True`; you will meet it in the chapter on training.
#
# ## Mixed precision
#
# Half the bits are half the memory and half the time on the link, and GPUs have special circuits for them.
# What do 16 bits lose?

# %%
print("dtype      bytes  largest   step after 1")
for dtype in (torch.float32, torch.bfloat16, torch.float16):
    info = torch.finfo(dtype)
    print(f"{str(dtype)[6:]:9}  {info.bits // 8}      {info.max:8.3g}  {info.eps:.2g}")
print(torch.tensor(70_000.0).half(), torch.tensor(70_000.0).bfloat16())
print(torch.tensor(1 + 1 / 256).half(), torch.tensor(1 + 1 / 256).bfloat16())
assert torch.finfo(torch.float16).max == 65504 and torch.tensor(70_000.0).half().isinf()
assert torch.finfo(torch.bfloat16).eps == 0.0078125 and torch.tensor(1 + 1 / 256).bfloat16() == 1

# %% [markdown]
# *float16* loses range: its largest number is 65504, and 70000 becomes infinity.
# *bfloat16* has the range of float32 and loses digits: the next number after 1 is 1.0078.
#
# *Mixed* precision uses 16 bits where that is harmless (matrix products) and 32 bits where it is not (the weights, the loss).
# `torch.autocast` decides for each operation; you wrap the forward pass.

# %%
net = torch.nn.Linear(4, 2)
x, target = torch.randn(3, 4), torch.randn(3, 2)
with torch.autocast("cpu", dtype=torch.bfloat16):  # on a GPU: torch.autocast("cuda", dtype=...)
    y = net(x)
    loss = torch.nn.functional.mse_loss(y, target)
loss.backward()
print("product", y.dtype, " loss", loss.dtype, " weights", net.weight.dtype, " gradient", net.weight.grad.dtype)
assert y.dtype == torch.bfloat16
assert loss.dtype == net.weight.dtype == net.weight.grad.dtype == torch.float32

# %% [markdown]
# With float16 there is one more danger: gradients are small, and small numbers become zero.
# The remedy is to multiply the loss by a large number, so that all gradients are large, and to divide them in float32 afterwards.

# %%
gradient = 1e-8
scale = 2.0**16
lost = torch.tensor(gradient).half()
kept = torch.tensor(scale * gradient).half().float() / scale
print(lost, "is lost,", kept, "is kept")
assert lost == 0
torch.testing.assert_close(kept, torch.tensor(gradient), rtol=1e-3, atol=0)

# %% [markdown]
# `torch.amp.GradScaler` does this for you, and finds a good scale by itself.
# With bfloat16 you do not need it, so use bfloat16 where the hardware has it.
#
# NVIDIA GPUs of recent years have a third way, *TF32*: float32 numbers, but products with fewer digits.
# For matrix products it is off unless you ask, with `torch.set_float32_matmul_precision("high")`; for convolutions with cuDNN it is on.

# %%
print(torch.get_float32_matmul_precision())
print("convolutions may use TF32:", torch.backends.cudnn.allow_tf32)
if "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE" not in os.environ:  # by which a machine can ask for all programs
    assert torch.get_float32_matmul_precision() == "highest"

# %% [markdown]
# ## More than one GPU
#
# There are two reasons for a second GPU: the work takes too long, or the model does not fit.
# You can place each tensor by hand with `.to("cuda:1")`, or let a library do it.
# In either case the question is what to cut: the *batch*, each *layer*, or the *row of layers*.

# %%
def draw_network(ax, title, caption):
    """Draw the title of one way to cut a network, and the words below it."""
    ax.set(xlim=(-0.2, 5.2), ylim=(-1.3, 6.4), aspect="equal")
    ax.axis("off")
    ax.text(2.5, 6.05, title, ha="center", fontsize=12, weight="bold")
    ax.text(2.5, -0.95, caption, ha="center", va="center", fontsize=10)


figure, (data_ax, tensor_ax, pipe_ax) = plt.subplots(1, 3, figsize=(11, 5.6), layout="constrained")
draw_network(data_ax, "data parallel", "each GPU has the whole model\nand half of the batch")
for x, color, part in [(0, BLUE, "first half"), (2.9, ORANGE, "second half")]:
    for i in range(3):
        draw_box(data_ax, x, 1.35 + 1.25 * i, 2.1, 0.85, f"layer {i + 1}", color)
    draw_box(data_ax, x, 0.05, 2.1, 0.7, part, PALE)
    for y, top in [(0.75, 1.35), (2.2, 2.6), (3.45, 3.85)]:
        draw_arrow(data_ax, (x + 1.05, y), (x + 1.05, top))
draw_arrow(data_ax, (1.05, 5.3), (3.95, 5.3), "average gradients", (0, 0.28), "<->")

draw_network(tensor_ax, "tensor parallel", "each GPU has half of every layer\nand the whole batch")
for i in range(3):
    draw_box(tensor_ax, 0, 1.35 + 1.25 * i, 2.1, 0.85, f"½ layer {i + 1}", BLUE)
    draw_box(tensor_ax, 2.9, 1.35 + 1.25 * i, 2.1, 0.85, f"½ layer {i + 1}", ORANGE)
    draw_arrow(tensor_ax, (2.1, 1.77 + 1.25 * i), (2.9, 1.77 + 1.25 * i), style="<->")
draw_box(tensor_ax, 0, 0.05, 5, 0.7, "batch", PALE)
for y, top in [(0.75, 1.35), (2.2, 2.6), (3.45, 3.85)]:
    draw_arrow(tensor_ax, (1.05, y), (1.05, top))
    draw_arrow(tensor_ax, (3.95, y), (3.95, top))
tensor_ax.text(2.5, 5.45, "exchange in every layer", ha="center", fontsize=10)

caption = "each GPU has some of the layers\nand works on another part of the batch"
draw_network(pipe_ax, "pipeline parallel", caption)
for i, color in enumerate([BLUE, BLUE, ORANGE, ORANGE]):
    draw_box(pipe_ax, 1.2, 1.2 + 1.1 * i, 2.6, 0.75, f"layer {i + 1}", color)
    draw_arrow(pipe_ax, (2.5, 0.75 + 1.1 * i + 0.1 * (i > 0)), (2.5, 1.2 + 1.1 * i))
draw_box(pipe_ax, 1.2, 0.05, 2.6, 0.7, "parts of the batch", PALE)
pipe_ax.text(3.95, 3.3, "hand over\nactivations", ha="left", va="center", fontsize=9)
show_figure(
    "Three ways to use two GPUs, in blue and orange: data parallel copies the model and halves the batch, tensor parallel halves every layer, pipeline parallel gives each GPU some of the layers."
)

# %% [markdown]
# ### Data parallel
#
# Each GPU has a copy of the whole model and a part of the batch.
# It computes the gradient for its part; then all gradients are averaged, and every copy makes the same step.
# Is that the same as one step with the whole batch?
# (A gradient says how the loss changes with each weight; the next chapter is about it.)

# %%
torch.manual_seed(0)
x, y = torch.randn(8, 3), torch.randn(8, 1)
net = torch.nn.Linear(3, 1)


def weight_gradient(x, y):
    """Return the gradient of the mean squared error of `net` for this data."""
    return torch.autograd.grad(((net(x) - y) ** 2).mean(), net.weight)[0]


first, second = weight_gradient(x[:4], y[:4]), weight_gradient(x[4:], y[4:])
whole = weight_gradient(x, y)
print("first half  ", first)
print("second half ", second)
print("average     ", (first + second) / 2)
print("whole batch ", whole)
torch.testing.assert_close((first + second) / 2, whole)

# %% [markdown]
# It is the same, up to rounding: a mean over equal parts is the mean of their means.
# With unequal parts it is not, unless each part is weighted with its number of samples.
# (Batch normalization is an exception: each GPU normalizes with its own part only.)

# %%
first, second = weight_gradient(x[:6], y[:6]), weight_gradient(x[6:], y[6:])
assert not torch.allclose((first + second) / 2, whole)
torch.testing.assert_close((6 * first + 2 * second) / 8, whole)
print("unequal parts need weights")

# %% [markdown]
# Now for real, with two processes.
# `DistributedDataParallel` (DDP) wraps a model; each process has its own copy, and `backward` averages the gradients over all processes.
# This exchange is called *all-reduce*: everybody gives a tensor, everybody gets the sum; divided by the number of processes, it is the average.
# GPUs exchange through the library NCCL; for CPUs there is *gloo*, so that we can run it here.
#
# Each process runs this program.
# It learns from its arguments which one it is (its *rank*) and how many there are (the *world size*).

# %%
WORKER = '''
import sys
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

rank, world_size, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
store = dist.FileStore(folder + "/meeting-point", world_size)  # here the processes find each other
dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size)

torch.manual_seed(rank)  # each process starts with other weights
net = torch.nn.Linear(3, 1)
seen = {"weights at first": net.weight.detach().clone()}
model = DistributedDataParallel(net)
seen["weights in DDP"] = net.weight.detach().clone()

x, y = torch.load(folder + "/batch.pt")
x, y = x[rank::world_size], y[rank::world_size]  # its part of the batch
alone = torch.autograd.grad(((net(x) - y) ** 2).mean(), net.weight)[0]
seen["gradient of its part"] = alone

optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss = ((model(x) - y) ** 2).mean()
loss.backward()  # averages the gradients over all processes
seen["gradient in DDP"] = net.weight.grad
optimizer.step()
seen["weights after the step"] = net.weight.detach().clone()

torch.save(seen, f"{folder}/seen-{rank}.pt")
dist.destroy_process_group()
'''


def run_workers(program, batch, world_size):
    """Run `program` in several processes that share a folder, and return what each one saw."""
    # The processes talk over the machine's own loopback interface, which needs no network.
    loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if loopback:
        environment["GLOO_SOCKET_IFNAME"] = loopback[0]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "worker.py")
        script.write_text(program, encoding="utf-8")
        torch.save(batch, Path(folder, "batch.pt"))
        workers = [
            subprocess.Popen(
                [sys.executable, script, str(rank), str(world_size), folder],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(world_size)
        ]
        try:
            for worker in workers:
                _, errors = worker.communicate(timeout=50)
                assert worker.returncode == 0, errors
        finally:
            for worker in workers:
                worker.kill()  # does nothing when it has ended
                worker.wait()
        return [torch.load(Path(folder, f"seen-{rank}.pt")) for rank in range(world_size)]


seen = run_workers(WORKER, (x, y), world_size=2)
for name in seen[0]:
    print(f"{name:22}", *(str([round(v, 3) for v in s[name].flatten().tolist()]).ljust(26) for s in seen))

# %% [markdown]
# One column for each process.
# Read it line by line: the weights differ at first; DDP gives all processes those of rank 0.
# Each part of the batch has its own gradient; after `backward` in DDP both have the same one.
# So both make the same step, and the copies stay equal without being sent again.

# %%
one, two = seen
assert not one["weights at first"].equal(two["weights at first"])
assert one["weights in DDP"].equal(one["weights at first"])
assert two["weights in DDP"].equal(one["weights at first"])
average = (one["gradient of its part"] + two["gradient of its part"]) / 2
assert not torch.allclose(one["gradient of its part"], two["gradient of its part"])
torch.testing.assert_close(one["gradient in DDP"], average)
assert one["gradient in DDP"].equal(two["gradient in DDP"])
assert one["weights after the step"].equal(two["weights after the step"])

torch.manual_seed(0)  # as in the process of rank 0, and now the whole batch in one process
net = torch.nn.Linear(3, 1)
torch.testing.assert_close(one["gradient in DDP"], weight_gradient(x, y))
print("two processes with half a batch each = one process with the whole batch")

# %% [markdown]
# DDP averages without weights, so give all processes equally many samples.
# `DistributedSampler`, for data loaders, sees to that.
#
# With GPUs, you start all processes with one command: `torchrun --nproc-per-node=2 train.py`.
# It passes the numbers in environment variables, not as arguments: `RANK`, `WORLD_SIZE`, and `LOCAL_RANK`, the number of the GPU to take on this machine.
# `dist.init_process_group("nccl")` reads the first two by itself.
#
# There is an older class, `nn.DataParallel`: one process, one thread for each GPU.
# In every step it copies the model to all GPUs and gathers all outputs on the first one.
# DDP gathers no outputs: it keeps its copies and exchanges gradients (and buffers, such as the running mean of batch normalization).
# The documentation recommends DDP, even on one machine; you will still meet the old class in old code.

# %%
if torch.cuda.device_count() > 1:
    old = torch.nn.DataParallel(torch.nn.Linear(3, 1).cuda())
    print("all outputs on", old(x.cuda()).device)
    assert old(x.cuda()).device == torch.device("cuda:0")
else:
    print("with two GPUs, the outputs of nn.DataParallel(net) are all on cuda:0")

# %% [markdown]
# Does data parallelism solve the problem of communication?
# It makes it small, not zero: each step exchanges as many numbers as the model has.
# The usual way to all-reduce passes pieces around a ring, and each of N GPUs sends 2(N - 1)/N times the gradients.

# %%
for name, numbers in [("an image classifier", 25_000_000), ("the language model above", parameters)]:
    for gpus in (2, 8):
        sent = 2 * (gpus - 1) / gpus * 4 * numbers
        seconds = sent / V100["link bytes/s"]
        print(f"{name:24} {gpus} GPUs: each sends {sent / 1e9:5.2f} GB a step, {seconds:.2f} s over PCIe 3.0")
        assert sent < 2 * 4 * numbers  # however many GPUs

# %% [markdown]
# No GPU ever sends twice its gradients, however many there are, which is why data parallelism is the usual choice.
# DDP also hides much of the time: it sends the gradients of the last layers while those of the first are computed.
# But the model must fit on each GPU.
#
# ### Tensor parallel
#
# When a layer is too large, cut its matrix.
# By columns, each GPU computes some of the outputs, and the pieces are put side by side.
# By rows, each GPU uses some of the inputs, and the results are added.

# %%
torch.manual_seed(0)
x, w = torch.randn(5, 6), torch.randn(6, 4)
left, right = w[:, :2], w[:, 2:]  # one for each GPU
torch.testing.assert_close(torch.cat([x @ left, x @ right], dim=1), x @ w)
upper, lower = w[:3], w[3:]
torch.testing.assert_close(x[:, :3] @ upper + x[:, 3:] @ lower, x @ w)
print("columns: put side by side; rows: add up; both give x @ w")

# %% [markdown]
# Putting together and adding up are exchanges between all GPUs, and every one must wait for the slowest.
# That happens in every layer, forward and backward, where data parallelism exchanges once a step.
# A first cut by columns and a second one by rows fit together, so that two layers need one exchange.
# With an activation function between them that works element by element, it still holds.

# %%
w2 = torch.randn(4, 3)
whole = (x @ w).relu() @ w2
cut = (x @ left).relu() @ w2[:2] + (x @ right).relu() @ w2[2:]  # one sum at the very end
torch.testing.assert_close(cut, whole)
print("two layers, one exchange")

# %% [markdown]
# So tensor parallelism needs fast links, and usually stays within one machine.
#
# ### Pipeline parallel
#
# When all layers together are too large, give each GPU some of them.
# The activations are handed over with `.to`.
# This is the model for two devices; without two GPUs it runs on one.

# %%
class TwoStages(torch.nn.Module):
    """Four layers, the first two on one device, the last two on another."""

    def __init__(self, first_device, second_device):
        super().__init__()
        self.devices = first_device, second_device
        self.first = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU()).to(first_device)
        self.second = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 2)).to(second_device)

    def forward(self, x):
        x = self.first(x.to(self.devices[0]))
        return self.second(x.to(self.devices[1]))


last = torch.device("cuda:1") if torch.cuda.device_count() > 1 else device
stages = TwoStages(device, last)
x = torch.randn(5, 6)
print(stages(x).shape, "on", stages(x).device)
torch.testing.assert_close(torch.cat([stages(x[:2]), stages(x[2:])]), stages(x))  # the batch can be cut
print(TwoStages("cpu", "meta")(x).device)  # the hand-over works: the second stage is elsewhere

# %% [markdown]
# With one batch, one GPU always waits while the other works: nothing is gained but memory.
# So the batch is cut into *micro-batches*, as in a factory: while the second GPU has the first micro-batch, the first GPU has the second one.
#
# The figure shows who works when, for the forward pass.
# Gray is waiting, called the *bubble*.

# %%
COLORS = [BLUE, ORANGE, GREEN, YELLOW, PINK, "#BBBBFF", "#FFBBBB", "#BBDDBB"]


def count_idle(stages, micro_batches):
    """Return the fraction of the cells in which a GPU waits."""
    ticks = stages + micro_batches - 1
    return 1 - stages * micro_batches / (stages * ticks)


def draw_pipeline(stages=4, micro_batches=4):
    """Draw which stage works on which micro-batch at each tick, and tell how much of it is waiting."""
    ticks = stages + micro_batches - 1
    _, ax = plt.subplots(figsize=(9, 3.2), layout="constrained")
    for stage in range(stages):
        for tick in range(ticks):
            number = tick - stage
            busy = 0 <= number < micro_batches
            color = COLORS[number % len(COLORS)] if busy else "#DDDDDD"
            draw_box(ax, tick, -stage, 1, 0.85, str(number) if busy else "", color, fontsize=11)
    idle = count_idle(stages, micro_batches)
    ax.set(xlim=(-0.1, 15.1), ylim=(-4.3, 1), xlabel="tick")
    ax.set_yticks([0.4 - i for i in range(stages)], [f"GPU {i}" for i in range(stages)], fontsize=10)
    ax.set_xticks([i + 0.5 for i in range(15)], range(15))
    ax.spines[["top", "right", "left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    title = f"{stages} stages, {micro_batches} micro-batches: {idle:.0%} of the time is waiting"
    ax.set_title(title, fontsize=11)
    show_figure(
        f"Who works when: {stages} GPUs in rows, {ticks} ticks in columns; each micro-batch moves one GPU down with every tick, and {idle:.0%} of the cells are gray because a GPU waits."
    )


for stages, micro_batches in [(2, 1), (4, 1), (4, 4), (4, 12)]:
    print(f"{stages} stages, {micro_batches:2} micro-batches: {count_idle(stages, micro_batches):.0%} waiting")
    assert abs(count_idle(stages, micro_batches) - (stages - 1) / (stages + micro_batches - 1)) < 1e-9
draw_pipeline()

# %% [markdown]
# Change the numbers.
# How many micro-batches do you need so that four GPUs wait less than a quarter of the time?

# %%
controls = ipywidgets.interact(draw_pipeline, stages=(1, 5), micro_batches=(1, 11))

# %% [markdown]
# With S stages and M micro-batches there are S + M - 1 ticks, and each GPU waits in S - 1 of them.
# More micro-batches make the bubble smaller, and each one smaller too, until small work no longer keeps a GPU busy.
#
# Large models use all three ways together: tensor parallel within a machine, pipeline across some machines, data parallel across many.
# If your model fits on one GPU, data parallel is all you need.
#
# ## Check yourself
#
# Answer first, then unfold.
#
# **1.** After `x = torch.ones(3)` and `x.to("cuda")`, where is `x`?
# And after `net.to("cuda")`, where are the weights of `net`?
#
# <details><summary>Answer</summary>
#
# `x` is on the CPU: `.to` made a copy that nobody kept.
# The weights are on the GPU: a model is changed itself.
#
# </details>
#
# **2.** Which of these work when `x` is a vector on a GPU: `x + 1`, `x + torch.tensor(1.0)`, `x + torch.ones(1)`, `x.numpy()`, `x[0].item()`?
#
# <details><summary>Answer</summary>
#
# The first, the second and the last.
# A number, and a CPU tensor without dimensions, fit everywhere; `torch.ones(1)` has a dimension.
# `.numpy()` needs `.cpu()` before it.
#
# </details>
#
# **3.** You time a training step on a GPU without `synchronize`, and find 0.2 ms, for every size of the model.
# What did you time?
#
# <details><summary>Answer</summary>
#
# How long the CPU takes to launch the kernels.
#
# </details>
#
# **4.** A model has 100 million parameters in float32.
# How many bytes do its weights, gradients and Adam's numbers take in training?
#
# <details><summary>Answer</summary>
#
# 1.6 GB: four times 400 MB.
# Activations come on top.
#
# </details>
#
# **5.** You deleted a tensor, and `nvidia-smi` shows no change.
# Is that a leak?
#
# <details><summary>Answer</summary>
#
# Probably not: PyTorch keeps the memory in its cache, and CUDA itself needs some, too.
# `torch.cuda.memory_allocated()` tells what your tensors use.
#
# </details>
#
# **6.** Two GPUs train on 6 and 2 samples.
# Is the average of the two gradients that of the whole batch of 8?
#
# <details><summary>Answer</summary>
#
# No: weighted with 6/8 and 2/8 it is.
#
# </details>
#
# **7.** Four stages: how many micro-batches until each GPU waits less than a quarter of the time?
#
# <details><summary>Answer</summary>
#
# 3/(M + 3) < 1/4 holds from M = 10 on.
# With M = 9 it is a quarter exactly.
#
# </details>
#
# The cell below checks these answers.

# %%
x, net = torch.ones(3), torch.nn.Linear(2, 2)
x.to("meta")
net.to("meta")
assert x.device.type == "cpu" and net.weight.device.type == "meta"
x = torch.ones(3, device=device)
assert (x + 1).equal(x + torch.tensor(1.0)) and x[0].item() == 1
if device.type != "cpu":
    for attempt in (lambda: x + torch.ones(1), lambda: x.numpy()):
        with expect_error((RuntimeError, TypeError), "device"):
            attempt()
assert 4 * torch.empty(100_000_000, device="meta").nbytes == 1.6e9
assert 3 / (10 + 3) < 1 / 4 == count_idle(4, 9) and count_idle(4, 10) < 1 / 4
print("all answers hold")

# %% [markdown]
# ## What to remember
#
# - A GPU is fast when much independent work is done on data that are already there.
# - Choose `device` once; write `.to(device)` and `device=x.device` after that, never `.cuda()`.
# - `x = x.to(device)` copies; `net.to(device)` changes the model itself; model and batch on one device.
# - Kernels are asynchronous: *synchronize, clock, run, synchronize, clock*, after a warm-up.
# - Small work belongs on the CPU; copying grows with n², the matrix product with n³.
# - Training in float32 with Adam takes 16 bytes for each parameter, and activations.
# - The allocator keeps what you free: `memory_allocated` and `memory_reserved` differ.
# - bfloat16 has the range of float32 with fewer digits; float16 needs a scaled loss.
# - Data parallel averages gradients once a step: use `DistributedDataParallel`.
#   Tensor parallel exchanges in every layer; a pipeline has a bubble.
#
# Next: the exercises in `release/02_gpu`, then `notebooks/03_autograd`.
#
# ## Further reading
#
# - [CUDA semantics](https://docs.pytorch.org/docs/stable/notes/cuda.html): streams, the caching allocator, TF32
# - [torch.accelerator](https://docs.pytorch.org/docs/stable/accelerator.html): one name for all GPUs
# - [torch.utils.benchmark](https://docs.pytorch.org/docs/stable/benchmark_utils.html): timing done right
# - [Meta device](https://docs.pytorch.org/docs/stable/meta.html): shapes without numbers
# - [Automatic mixed precision](https://docs.pytorch.org/docs/stable/amp.html): which operation gets which dtype
# - [DistributedDataParallel](https://docs.pytorch.org/docs/stable/notes/ddp.html): how it works inside
