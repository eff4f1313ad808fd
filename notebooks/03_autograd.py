# %% [markdown]
# # Autograd
#
# After this lecture you can let PyTorch compute the gradient of whatever you compute, and you know when to trust it.
#
# **You will learn** to
#
# - get slopes, gradients and Jacobians with `backward`, and predict them in small cases;
# - read the graph that PyTorch keeps, and say which tensors are its leaves;
# - reset gradients, and switch them off where none is wanted;
# - recognize the errors, and the mistakes that give no error;
# - check a gradient against numbers, and write a backward pass of your own.
#
# **Time:** 45 minutes.
# You need `notebooks/01_tensors`, and from school the idea of a slope.
# Before you run a cell, guess what it prints.

# %%
import base64
import html
import io
import math
import textwrap
import warnings
from contextlib import contextmanager

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, display

BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#999999"


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
# Some cells of this lecture fail or warn on purpose.
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
def show_warnings(words):
    """Print the warning that the indented code must give; its message contains `words`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert any(words in str(warning.message) for warning in caught), "another warning, or none"
    for warning in caught:
        print(f"{warning.category.__name__}: {textwrap.shorten(str(warning.message), 170)}")


# %% [markdown]
# ## How steep is it?
#
# Take the curve y = x².
# How steep is it at x = 3?
# Walk a little to the right, by a step h, and see by how much you climb.

# %%
for h in (1, 0.1, 0.01, 0.001):
    print(f"step {h:<5}  climb / step = {((3 + h) ** 2 - 3**2) / h:.4f}")

# %% [markdown]
# The ratio comes closer and closer to 6.
# That number is the *derivative* of x² at 3: the slope of the curve in this point, the rate at which y changes when x does.
# The straight line through the point with this slope is the *tangent*.
# Close to the point you cannot tell the two apart.

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 2.9), layout="constrained")
for ax, width in zip(axes, (3, 0.6, 0.1), strict=True):
    x = np.linspace(3 - width, 3 + width, 100)
    line = 9 + 6 * (x - 3)
    ax.plot(x, x**2, color=BLUE, lw=2.5, label="y = x²")
    ax.plot(x, line, color=ORANGE, lw=1.5, ls="--", label="tangent, slope 6")
    ax.plot(3, 9, "o", color="black")
    ax.set(title=f"largest gap {np.abs(x**2 - line).max():.2g}", xlabel="x")
axes[0].legend(loc="upper left")
show_figure(
    "The curve x squared and its tangent at 3, in three enlargements: the closer you look, the less curve and line differ."
)

# %% [markdown]
# Now ask PyTorch.
# Three lines: say that you want a gradient, compute, and call `backward`.

# %%
x = torch.tensor(3.0, requires_grad=True)
y = x**2
y.backward()
print(x.grad)
assert x.grad == 6

x = torch.tensor(1.0, requires_grad=True)
(x**2).backward()
assert x.grad == 2

# %% [markdown]
# No small step, so no error from one: exactly 6, and exactly 2 at x = 1.
# You gave no formula either: PyTorch remembered that y came from a square, and knows the derivative of a square.
# This is *automatic differentiation*, and the part of PyTorch that does it is called *autograd*.
#
# It knows the rules that you may have learned at school.
# The next cell compares them with autograd at one point.


# %%
def slope(f, x0):
    """Return the slope of `f` at the number `x0`."""
    x = torch.tensor(x0, requires_grad=True)
    f(x).backward()
    return x.grad.item()


a, n = 2.0, 3
rules = {  # the function, and its derivative from the book
    "c": (lambda x: 0 * x + 1.5, lambda x: 0.0),
    "aˣ": (lambda x: a**x, lambda x: a**x * math.log(a)),
    "eˣ": (torch.exp, math.exp),
    "xⁿ": (lambda x: x**n, lambda x: n * x ** (n - 1)),
    "logₐ x": (lambda x: torch.log(x) / math.log(a), lambda x: 1 / (x * math.log(a))),
    "ln x": (torch.log, lambda x: 1 / x),
    "sin x": (torch.sin, math.cos),
    "cos x": (torch.cos, lambda x: -math.sin(x)),
}
for name, (f, derivative) in rules.items():
    print(f"{name:10} autograd {slope(f, 0.7):8.5f}   book {derivative(0.7):8.5f}")
    assert math.isclose(slope(f, 0.7), derivative(0.7), rel_tol=1e-5, abs_tol=1e-7)

# %% [markdown]
# | f(x) | c | aˣ | eˣ | xⁿ | logₐ x | ln x | sin x | cos x |
# |---|---|---|---|---|---|---|---|---|
# | derivative | 0 | aˣ ln a | eˣ | n xⁿ⁻¹ | 1 / (x ln a) | 1 / x | cos x | −sin x |
#
# The same as a picture: each orange line gets its slope from autograd.

# %%
figure, axes = plt.subplots(2, 4, figsize=(9.4, 4.8), layout="constrained")
for ax, (name, (f, _)) in zip(axes.flat, rules.items(), strict=True):
    x = torch.linspace(0.15, 2.4, 100)
    ax.plot(x, f(x), color=BLUE, lw=2.5)
    for x0 in (0.6, 1.8):
        near = torch.tensor([x0 - 0.6, x0 + 0.6])
        y0 = f(torch.tensor(x0)).item()
        ax.plot(near, y0 + slope(f, x0) * (near - x0), color=ORANGE, lw=1.5)
        ax.plot(x0, y0, "o", color="black", ms=4)
    ax.set_title({"aˣ": "aˣ, a = 2", "xⁿ": "xⁿ, n = 3", "logₐ x": "logₐ x, a = 2"}.get(name, name))
    ax.tick_params(labelsize=8)
show_figure(
    "Eight curves, from a constant to the cosine, each with two tangents that touch it."
)

# %% [markdown]
# In a program you rarely need the formula of a derivative, you need its value at a point.
# Predict the signs, and the order of the sizes: where is 1/x steepest?

# %%
points = (0.5, 1.0, 2.0)
print([round(slope(torch.reciprocal, x0), 4) for x0 in points])  # 1/x
print([round(slope(lambda x: 1 / x.sqrt(), x0), 4) for x0 in points])
for x0 in points:
    assert math.isclose(slope(torch.reciprocal, x0), -1 / x0**2, rel_tol=1e-5)
    assert math.isclose(slope(torch.rsqrt, x0), -0.5 * x0**-1.5, rel_tol=1e-5)

# %% [markdown]
# *A common mistake*: `2` instead of `2.0`.

# %%
with expect_error(RuntimeError, "Only Tensors of floating point and complex dtype can require"):
    slope(lambda x: 1 / x, 2)

# %% [markdown]
# A whole number cannot move a little, so integer tensors have no gradients.
# Write `2.0`, or convert with `.float()`.
#
# ### A corner
#
# Neural networks are full of max(0, x), called *ReLU*: it keeps what is positive.
# On its right its slope is 1, on its left it is 0.
# And in the corner?

# %%
corner_functions = {
    "torch.max(x, 0)": lambda x: torch.max(x, torch.zeros(())),
    "torch.relu(x)": torch.relu,
    "x.clamp(min=0)": lambda x: x.clamp(min=0),
}
for name, f in corner_functions.items():
    print(f"{name:16}", [slope(f, x0) for x0 in (-1.0, 0.0, 1.0, 2.0)])
    assert [slope(f, x0) for x0 in (-1.0, 1.0, 2.0)] == [0, 1, 1]
    assert 0 <= slope(f, 0.0) <= 1
assert slope(corner_functions["torch.max(x, 0)"], 0.0) == 0.5 and slope(torch.relu, 0.0) == 0

# %% [markdown]
# In the corner there is no derivative, yet autograd answers: it never says "undefined" there.
# Each function has its own convention.
# `torch.max` shares the slope among equal arguments and gives 0.5; `torch.relu` gives 0.
# All are defensible, since each value from 0 to 1 is the slope of a line that touches the corner from below.
#
# ## Many inputs: the gradient
#
# A function of several numbers has a slope for each of them.

# %%
x = torch.tensor(1.0, requires_grad=True)
y = torch.tensor(1.0, requires_grad=True)
f = x**2 + 2 * y**2 + x * y
f.backward()
print(f"f = {f.item()}, slope along x {x.grad.item()}, along y {y.grad.item()}")
assert x.grad == 2 * x + y == 3 and y.grad == 4 * y + x == 5

# %% [markdown]
# These are *partial derivatives*: one input moves, the others stand still.
# Together they are the *gradient*, here (3, 5).
# As an arrow, it points to where the function grows fastest.
# Do not believe it, try all directions.


# %%
def hill(p):
    """Return x² + 2y² + xy for points (x, y) in the last dimension of `p`."""
    x, y = p[..., 0], p[..., 1]
    return x**2 + 2 * y**2 + x * y


p = torch.tensor([1.0, 1.0], dtype=torch.float64, requires_grad=True)
hill(p).backward()
print("gradient", p.grad)
assert p.grad.tolist() == [3, 5]

angles = torch.arange(360, dtype=torch.float64) * math.pi / 180
steps = 1e-4 * torch.stack([angles.cos(), angles.sin()], dim=1)
best = hill(p.detach() + steps).argmax().item()  # you will meet detach below
steepest = math.degrees(math.atan2(5, 3))
print(f"best of 360 directions: {best}°, direction of the gradient: {steepest:.1f}°")
assert abs(best - steepest) < 1

# %%
figure, ax = plt.subplots(figsize=(5, 4.2), layout="constrained")
grid = torch.linspace(-2.2, 2.2, 120)
x, y = torch.meshgrid(grid, grid, indexing="xy")
lines = ax.contour(x, y, hill(torch.stack([x, y], dim=-1)), levels=[0.5, 2, 4, 7, 11, 16], cmap="viridis")
ax.clabel(lines, fontsize=8)
arrows = torch.tensor([[1.0, 1.0], [-1.2, 0.8], [1.3, -0.6], [-0.8, -1.0], [0.2, -1.5]], requires_grad=True)
hill(arrows).sum().backward()
ax.quiver(*arrows.detach().T, *arrows.grad.T, angles="xy", scale_units="xy", scale=8, color=ORANGE, width=0.009)
ax.plot(*arrows.detach().T, "o", color="black", ms=4)
ax.set(xlabel="x", ylabel="y", aspect="equal", title="gradients, drawn at 1/8 of their length")
show_figure(
    "Contour lines of x squared plus 2 y squared plus xy with five gradient arrows: each is perpendicular to its contour line and points uphill."
)

# %% [markdown]
# Mostly the inputs are not separate numbers but the elements of one tensor.
# Then the gradient is a tensor too.
# **It has the shape of the input**, always: one slope per element.

# %%
x = torch.tensor([5.0, 3.0], dtype=torch.float64, requires_grad=True)
y = x[0] ** 2 + 2 * x[1] + 7
y.backward()
print(x.grad)
assert x.grad.tolist() == [10, 2]

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x[0] + 2 * x[1]
y.backward()
assert y == 5 and x.grad.tolist() == [1, 2]

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = torch.tensor([4.0, 5.0, 6.0], requires_grad=True)
z = x * y
z.sum().backward()
print(z.tolist(), z.sum().item(), x.grad.tolist(), y.grad.tolist())
assert z.tolist() == [4, 10, 18] and z.sum() == 32
assert x.grad.equal(y) and y.grad.equal(x)

weights = torch.randn(4, 3, requires_grad=True)
(weights @ x).sum().backward()
assert weights.grad.shape == weights.shape == (4, 3)

# %% [markdown]
# In a product, the slope along x is y, and the other way round: that is the product rule.
#
# ### Matrices
#
# A quadratic form, f(x) = xᵀAx + xᵀb.

# %%
A = torch.tensor([[1.0, 1.0], [1.0, 2.0]])
b = torch.tensor([1.0, 0.0])
x = torch.tensor([1.0, 2.0], requires_grad=True)
f = x @ A @ x + x @ b
f.backward()
print(f.item(), x.grad)
assert f == 14 and x.grad.tolist() == [7, 10]
assert x.grad.equal(2 * A @ x + b)

# %% [markdown]
# The last line is the formula of many books, 2Ax + b.
# *A common mistake* is to use it for every matrix.
# Here is another matrix that gives the very same values xᵀAx, for every x.
# So the gradient must be the same, too.

# %%
B = torch.tensor([[1.0, 2.0], [0.0, 2.0]])
points = torch.randn(100, 2, dtype=torch.float64)
for M in (A, B):
    print((points @ M.double() * points).sum(dim=1)[:3])
assert torch.allclose((points @ A.double() * points).sum(1), (points @ B.double() * points).sum(1))

x.grad = None
(x @ B @ x + x @ b).backward()
print("autograd    ", x.grad.tolist())
print("2Bx + b     ", (2 * B @ x + b).tolist())
print("(B + Bᵀ)x + b", ((B + B.T) @ x + b).tolist())
assert x.grad.tolist() == [7, 10] and x.grad.equal((B + B.T) @ x + b)
assert not x.grad.equal(2 * B @ x + b)

# %% [markdown]
# The true formula is (A + Aᵀ)x + b; only for a symmetric A is it 2Ax + b.
#
# With two vectors, f = xᵀAy + xᵀb has a gradient for each.

# %%
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = torch.tensor([3.0, 4.0], requires_grad=True)
f = x @ A @ y + x @ b
f.backward()
print(f.item(), x.grad, y.grad)
assert f == 30 and x.grad.tolist() == [8, 11] and y.grad.tolist() == [3, 5]
assert x.grad.equal(A @ y + b) and y.grad.equal(A.T @ x)

# %% [markdown]
# ### Log, sum, exp
#
# A function that you will meet in every classifier: f = ln(eˣ + eʸ + eᶻ).
# At (0, 2, 5), which input has the greatest influence?

# %%
x = torch.tensor([0.0, 2.0, 5.0], requires_grad=True)
f = x.exp().sum().log()
f.backward()
print(x.grad)
assert torch.allclose(x.grad, torch.tensor([0.0064, 0.0471, 0.9465]), atol=5e-5)
assert torch.allclose(x.grad, torch.softmax(x, dim=0))

# %% [markdown]
# The last one: of the sum, e⁵ is by far the largest part, and each slope is the share of its term in the sum.
# These shares are positive and add up to 1, and they have a name, *softmax*.
#
# Now set the last input to 100.

# %%
x = torch.tensor([0.0, 2.0, 100.0], requires_grad=True)
f = x.exp().sum().log()
f.backward()
print("by hand        ", f.item(), x.grad.tolist())
assert f.isinf() and x.grad[2].isnan()

x.grad = None
f = torch.logsumexp(x, dim=0)
f.backward()
print("torch.logsumexp", f.item(), [round(g, 4) for g in x.grad.tolist()])
assert f == 100 and torch.allclose(x.grad, torch.tensor([0.0, 0.0, 1.0]))

# %% [markdown]
# e¹⁰⁰ is too large for `float32`: it becomes `inf`, and infinity times zero becomes `nan` on the way back.
# A gradient is only as good as the computation that it comes from.
# `torch.logsumexp` subtracts the largest number first; an exercise asks you how.
#
# ## The graph that PyTorch keeps
#
# How did PyTorch know that y was a square?
# It wrote it down.

# %%
w = torch.tensor(2.0, requires_grad=True)
b = torch.tensor(1.0, requires_grad=True)
x = torch.tensor(5.0)
z = w * x + b
print(z)
print(z.grad_fn)
for function, _ in z.grad_fn.next_functions:
    print("   ", function)

# %% [markdown]
# `z` holds its value, 11, and in `grad_fn` the last function that made it, an addition.
# That function knows the ones before it, and so on back to the beginning: a *graph*.
# Functions are its nodes, and it has no cycles, because nothing can be computed from its own result: a directed acyclic graph, DAG.
#
# The next cell draws the graph by following `next_functions`.


# %%
def find_nodes(root):
    """Return the functions behind the tensor `root`: each with its longest distance from it."""
    distance = {}
    todo = [(root.grad_fn, 0)]
    while todo:
        node, steps = todo.pop()
        if steps > distance.get(node, -1):
            distance[node] = steps
            todo += [(before, steps + 1) for before, _ in reversed(node.next_functions) if before]
    return distance


def draw_graph(ax, root, **tensors):
    """Draw the graph behind `root` from left to right; `tensors` gives the tensors their names."""
    names = {t.grad_fn: name for name, t in tensors.items() if t.grad_fn is not None}
    leaves = {id(t): name for name, t in tensors.items()}
    distance = find_nodes(root)
    width = max(distance.values())
    columns = [[node for node in distance if distance[node] == width - i] for i in range(width + 1)]
    place = {}
    for i, column in enumerate(columns):
        for j, node in enumerate(column):
            place[node] = (3.4 * i, 1.5 * ((len(column) - 1) / 2 - j))
    for node, (x, y) in place.items():
        title, color = type(node).__name__, BLUE
        if hasattr(node, "variable"):  # the node that collects the gradient of a leaf
            title, color = f"leaf {leaves[id(node.variable)]}", GREEN
        elif node in names:
            title += f"\n{names[node]}"
        if node is root.grad_fn:
            color = ORANGE
        box = plt.Rectangle((x - 1.3, y - 0.42), 2.6, 0.84, fc=color, ec="black", alpha=0.3)
        ax.add_patch(box)
        ax.text(x, y, title, ha="center", va="center", fontsize=10)
        inputs = [before for before, _ in node.next_functions if before]
        for k, before in enumerate(inputs):
            start = (place[before][0] + 1.3, place[before][1])
            bend = 0.25 * (k - (len(inputs) - 1) / 2) if inputs.count(before) > 1 else 0
            end = (x - 1.3, y)
            style = {"arrowstyle": "->", "lw": 1.4, "connectionstyle": f"arc3,rad={bend}"}
            ax.annotate("", end, start, arrowprops=style)
    height = max(len(column) for column in columns)
    ax.set(xlim=(-1.5, 3.4 * width + 1.5), ylim=(-0.75 * height, 0.75 * height), aspect="equal")
    ax.axis("off")


def show_graph(root, alt, **tensors):
    """Draw the graph behind `root` in a figure of fitting size, and show it."""
    distance = find_nodes(root)
    depths = list(distance.values())
    height = max(depths.count(depth) for depth in depths)
    size = 0.58 * (3.4 * max(depths) + 3), 0.58 * 1.5 * height
    draw_graph(plt.figure(figsize=size).add_axes((0, 0, 1, 1)), root, **tensors)
    show_figure(alt)


show_graph(
    z,
    "Graph of z = wx + b: leaf w leads to a multiplication, its result and leaf b lead to an addition, which gives z.",
    w=w,
    b=b,
    z=z,
)

# %% [markdown]
# Computing runs from left to right, and this drawing shows the way of the values.
# `backward` walks from right to left, from the *root* z: each function passes on the slope that it was given, times its own.
# That is the chain rule, one node at a time.
# At a leaf, the slope is added to `.grad`.

# %%
z.backward()
print(w.grad, b.grad, x.grad)
assert w.grad == x == 5 and b.grad == 1 and x.grad is None

# %% [markdown]
# `x` is not in the picture, and it has no gradient: nobody asked for it.
# A new tensor has `requires_grad=False`, unless you say otherwise.
# A result requires a gradient as soon as one of its inputs does.
# `requires_grad_()` switches it on later, in place.

# %%
x = torch.tensor(5.0)
print(x.requires_grad, (x * x).requires_grad, (x * w).requires_grad)
assert not (x * x).requires_grad and (x * w).requires_grad
x.requires_grad_()
assert x.requires_grad and (x * x).requires_grad

# %% [markdown]
# Predict: which of these five are leaves?

# %%
plain = torch.ones(2)
from_plain = plain * 2
wanted = torch.ones(2, requires_grad=True)
result = wanted * 2
cut = result.detach()
for name in ("plain", "from_plain", "wanted", "result", "cut"):
    t = globals()[name]
    print(f"{name:10}  requires_grad {t.requires_grad!s:5}  is_leaf {t.is_leaf!s:5}  {t.grad_fn}")
assert [t.is_leaf for t in (plain, from_plain, wanted, result, cut)] == [True, True, True, False, True]

result.sum().backward()
assert wanted.grad.tolist() == [2, 2]
assert all(t.grad is None for t in (plain, from_plain, cut))

# %% [markdown]
# A *leaf* is a tensor without a `grad_fn`: no recorded function made it.
# So every tensor that does not require a gradient is a leaf, also a computed one like `from_plain`.
# Of these five, `backward` fills the `.grad` of `wanted` alone: by default only leaves that require a gradient get one.
#
# ### Gradients in the middle
#
# A longer chain: x is a 2 by 2 matrix of ones, y = x², z = 3y², and the output is the mean.

# %%
x = torch.ones(2, 2, requires_grad=True)
y = x**2
z = 3 * y**2
out = z.mean()
show_graph(
    out,
    "Graph of the mean of three times y squared with y = x squared: a chain from leaf x over two powers and a multiplication to the mean.",
    x=x,
    y=y,
    z=z,
    out=out,
)
out.backward()
print(out.item(), x.grad.tolist())
assert out == 3 and (x.grad == 3).all()

# %% [markdown]
# Each element adds a quarter of 3x⁴ to the mean, so its slope is 3x³, which is 3.
#
# And the gradient with respect to y?

# %%
with show_warnings("not a leaf Tensor is being accessed"):
    print(y.grad)

# %% [markdown]
# It was needed on the way, and thrown away to save memory.
# If you want to see it, say so before `backward`, with `retain_grad()`.
#
# *A common mistake* is to take `retain_graph=True` for it: that keeps the graph, not the gradients.

# %%
x = torch.ones(2, 2, requires_grad=True)
y = x**2
out = (3 * y**2).mean()
out.backward(retain_graph=True)
with show_warnings("not a leaf Tensor is being accessed"):
    print("with retain_graph:", y.grad)

y.retain_grad()
out.backward()
print("with retain_grad: ", y.grad.tolist())
assert (y.grad == 6 / 4).all()

# %% [markdown]
# ### A new graph each time
#
# The graph is made while your Python code runs, line by line: *define by run*.
# So `if` and `while` are allowed, and each input can have a graph of its own.
# Predict how many multiplications each of the two inputs needs.


# %%
def double_until_large(x):
    """Double `x` until it is at least 10."""
    while x < 10:
        x = x * 2
    return x


figure, axes = plt.subplots(2, 1, figsize=(7.7, 2.2))
figure.subplots_adjust(left=0, right=1, bottom=0, top=0.88, hspace=0.35)
for ax, start in zip(axes, (4.0, 1.5), strict=True):
    x = torch.tensor(start, requires_grad=True)
    y = double_until_large(x)
    y.backward()
    draw_graph(ax, y, x=x, y=y)
    assert len(find_nodes(y)) == {4.0: 2 + 1, 1.5: 3 + 1}[start]  # multiplications and the leaf
    ax.set(xlim=(-1.5, 11.7), anchor="W")
    ax.set_title(f"x = {start}: y = {y.item():g}, slope {x.grad.item():g}", loc="left", fontsize=10)
    assert x.grad == y / x
show_figure(
    "Two graphs of the same function: for x = 4 it has two multiplications and slope 4, for x = 1.5 it has three and slope 8."
)

# %% [markdown]
# The gradient belongs to the path that was taken.
# Some frameworks, like the first TensorFlow, wanted the whole graph before the first number was computed; TensorFlow 2 computes at once by default, as PyTorch does.
#
# ## Gradients add up
#
# Back to the matrix of ones and its gradient 3.
# Now a second, different function of the same x: the sum, whose gradient is 1.
# Predict what `x.grad` holds.

# %%
x = torch.ones(2, 2, requires_grad=True)
(3 * (x**2) ** 2).mean().backward()
print(x.grad[0, 0].item())
x.sum().backward()
print(x.grad[0, 0].item())
assert (x.grad == 4).all()

x.grad.zero_()
x.sum().backward()
print(x.grad[0, 0].item())
assert (x.grad == 1).all()

# %% [markdown]
# 3, then 4, and not 1: `backward` *adds* to `.grad`.
# After `zero_()` the slate is clean, and 1 is 1.
#
# *A common mistake* is to call `backward` in a loop and to forget this.

# %%
x = torch.tensor([1.0, 2.0], requires_grad=True)
for _ in range(2):
    (x[0] + 2 * x[1]).backward()
    print("x", x.grad.tolist())
assert x.grad.tolist() == [2, 4]

w, b = torch.tensor(2.0, requires_grad=True), torch.tensor(1.0, requires_grad=True)
for _ in range(2):
    (w * 5 + b).backward()
    print("w, b", w.grad.item(), b.grad.item())
assert w.grad == 10 and b.grad == 2

x = torch.tensor([1.0, 2.0, 5.3], requires_grad=True)
for i in range(1, 4):
    (x**2 + 2 * x + 7).mean().backward()
    print(f"pass {i}:", [round(g, 4) for g in x.grad.tolist()])
    assert torch.allclose(x.grad, i * (2 * x + 2) / 3)

# %% [markdown]
# Why add, and not replace?
# Because slopes add up: the gradient of a sum of two losses is the sum of their gradients.
# So two calls of `backward`, one for each loss, leave the gradient of their sum: 3 + 1 = 4, as above.

# %%
x = torch.ones(2, 2, requires_grad=True)
((3 * (x**2) ** 2).mean() + x.sum()).backward()
print(x.grad)
assert (x.grad == 4).all()

# %% [markdown]
# Within one pass it is the same: a tensor that is used twice gets a slope along each path, and `backward` adds them before it fills `.grad`.

# %%
x = torch.tensor(2.0, requires_grad=True)
square, triple = x * x, 3 * x
y = square + triple
show_graph(
    y,
    "Graph of x times x plus 3 x: leaf x has two arrows into one multiplication and one into another, and both lead to the addition.",
    x=x,
    square=square,
    triple=triple,
    y=y,
)
y.backward()
print(x.grad)
assert x.grad == 2 + 2 + 3  # one summand for each of the three arrows out of x

# %% [markdown]
# This habit lets you add up the gradients of several small batches where one large batch does not fit into memory.
# You pay for it with one duty: reset the gradient before each new pass.
# There are four ways, and all give the same.


# %%
def zero(x):
    if x.grad is not None:  # before the first pass there is nothing to reset
        x.grad.zero_()


def replace_by_zeros(x):
    x.grad = torch.zeros_like(x)


def forget(x):
    x.grad = None


def let_optimizer(x):
    torch.optim.SGD([x], lr=0.1).zero_grad()  # a real program makes the optimizer once


for reset in (zero, replace_by_zeros, forget, let_optimizer):
    x = torch.tensor([1.0, 2.0, 5.3], requires_grad=True)
    for _ in range(3):
        reset(x)
        (x**2 + 2 * x + 7).mean().backward()
        assert torch.allclose(x.grad, torch.tensor([4 / 3, 2, 4.2]))
    print(f"{reset.__name__:17}", [round(g, 4) for g in x.grad.tolist()])

# %% [markdown]
# The first way needs its `if`: before the first `backward`, `.grad` is not zero, it is `None`.

# %%
x = torch.tensor([1.0, 2.0], requires_grad=True)
with expect_error(AttributeError, "'NoneType' object has no attribute 'data'"):
    x.grad.data.zero_()
with expect_error(AttributeError, "'NoneType' object has no attribute 'zero_'"):
    x.grad.zero_()

# %% [markdown]
# And if nothing in the computation requires a gradient, `backward` has nothing to do, and says so.
# Keep this message in mind: it almost always means that somebody cut the graph.

# %%
x = torch.tensor([1.0, 2.0])
with expect_error(RuntimeError, "does not require grad and does not have a grad_fn"):
    x.sum().backward()

# %% [markdown]
# ## Many outputs: vectors and Jacobians
#
# So far, each output was one number.
# Predict what happens with three.

# %%
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x**2
with expect_error(RuntimeError, "grad can be implicitly created only for scalar outputs"):
    y.backward()

# %% [markdown]
# Three outputs and three inputs have nine slopes, and `x.grad` has room for three.
# So say what you mean: make one number out of the three, or give each output a weight.

# %%
(x**2).mean().backward()
print("mean       ", [round(g, 4) for g in x.grad.tolist()])
assert torch.allclose(x.grad, torch.tensor([2 / 3, 4 / 3, 2.0]))

x.grad = None
(x**2).backward(torch.ones(3))
print("weights one", x.grad.tolist())
assert x.grad.tolist() == [2, 4, 6]

x = torch.tensor([1.0, 2.0], requires_grad=True)
(x**2).sum().backward()
print("sum        ", x.grad.tolist())
assert x.grad.tolist() == [2, 4]  # weights one and sum are the same thing

x.grad = None
(x**2).backward(torch.tensor([1.0, 2.0]))
print("weights 1 2", x.grad.tolist())
assert x.grad.tolist() == [2, 8]

# %% [markdown]
# Where would such weights come from?
# From the chain rule: if a loss L follows after y, then the weights are the slopes of L along each y.
# Let L = y₀ + 2y₁, whose slopes are 1 and 2.

# %%
x.grad = None
y = x**2
loss = y[0] + 2 * y[1]
loss.backward()
assert x.grad.tolist() == [2, 8]

x = torch.ones(3, requires_grad=True)
with expect_error(RuntimeError, "Mismatch in shape"):
    (x**2).backward(torch.ones(1))  # no broadcasting: one weight for each output

# %% [markdown]
# ### The whole table
#
# All slopes of all outputs along all inputs make a table, the *Jacobian* J: a row for each output, a column for each input.
# With weights v, `backward` computes the product vᵀJ, the *vector–Jacobian product*, and never the table.
# To see row i of the table, put the weight 1 on output i and 0 on all others.


# %%
def f(x):
    return torch.stack([x[0] ** 2 + 3 * x[1], x[1] ** 2 + 2 * x[0]])


x = torch.tensor([2.0, 3.0], requires_grad=True)
y = f(x)
rows = []
for i in range(2):
    v = torch.zeros(2)
    v[i] = 1
    x.grad = None
    y.backward(v, retain_graph=True)  # the graph is needed again for the next row
    rows.append(x.grad)
J = torch.stack(rows)
print(J)
assert J.tolist() == [[4, 3], [2, 6]]

v = torch.tensor([10.0, 1.0])
x.grad = None
f(x).backward(v)
assert x.grad.equal(v @ J)

# %% [markdown]
# *A common mistake* is to believe that PyTorch cannot give the whole Jacobian.
# It can, and the loop is written already.

# %%
print(torch.func.jacrev(f)(x.detach()))
assert torch.func.jacrev(f)(x.detach()).equal(J)
assert torch.autograd.functional.jacobian(f, x.detach()).equal(J)

# %% [markdown]
# Mostly one does not want it, because it is large.
# Here each of 1000 outputs depends on its own input: a million slopes, all but a thousand of them 0.

# %%
x = torch.linspace(0, 1, 1000, requires_grad=True)
J = torch.func.jacrev(torch.exp)(x.detach())
print("Jacobian:", J.numel(), "numbers, not zero:", J.count_nonzero().item())
assert J.numel() == 1_000_000 and J.count_nonzero() == 1000
v = torch.rand(1000)
torch.exp(x).backward(v)
print("vᵀJ:     ", x.grad.numel(), "numbers")
assert torch.allclose(x.grad, v @ J)

# %% [markdown]
# The weights also show what a Python loop does.
# This one doubles a vector until its length is at least 1000; count along.

# %%
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x * 2
i = 0
while torch.linalg.vector_norm(y) < 1000:
    y = y * 2
    i += 1
v = torch.tensor([0.1, 1.0, 0.0001])
y.backward(v)
print(f"doubled once and {i} times more:", x.grad)
assert i == 8 and torch.allclose(x.grad, 2**9 * v)
assert torch.allclose(x.grad, torch.tensor([51.2, 512, 0.0512]))

# %% [markdown]
# ## Where no gradient is wanted
#
# What is recorded needs memory: the numbers that the way back will ask for are saved.
# The next cell counts them.
# When you only use a model, or change its weights by hand, switch the recording off.


# %%
def count_saved(function):
    """Return how many numbers are saved for the backward pass while `function` runs."""
    saved = {}

    def save(t):
        saved[t.data_ptr()] = t  # two functions may save the same tensor
        return t

    with torch.autograd.graph.saved_tensors_hooks(save, lambda t: t):
        function()
    return sum(t.numel() for t in saved.values())


x = torch.ones(1000, requires_grad=True)
print("recorded:", count_saved(lambda: x.exp().sin()), "numbers saved")
with torch.no_grad():
    print("no_grad: ", count_saved(lambda: x.exp().sin()), "numbers saved")
    assert count_saved(lambda: x.exp().sin()) == 0
assert count_saved(lambda: x.exp().sin()) >= 1000

# %%
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
with torch.no_grad():
    y = x * 2
print(y, y.requires_grad)
assert not y.requires_grad and (x * 2).requires_grad


@torch.no_grad()
def predict(x):
    return x * 2


assert not predict(x).requires_grad

# %% [markdown]
# `no_grad` is a context and a decorator, and ends by itself.
# `set_grad_enabled(False)`, called as a function, does not end: it leaks into everything after it.

# %%
torch.set_grad_enabled(False)
forgotten = x * 2  # many cells later ...
torch.set_grad_enabled(True)
print("after the call: ", forgotten.requires_grad)

training = False
with torch.set_grad_enabled(training):  # as a context it ends by itself
    inside = x * 2
print("in the context: ", inside.requires_grad, " after it:", (x * 2).requires_grad)
assert not forgotten.requires_grad and not inside.requires_grad and (x * 2).requires_grad

# %% [markdown]
# `inference_mode` goes one step further: its results do not even count their changes, and can never be saved for a backward pass.

# %%
with torch.inference_mode():
    y = x * 2
print(y.is_inference(), y.requires_grad)
with expect_error(RuntimeError, "Inference tensors do not track version counter"):
    y._version
with expect_error(RuntimeError, "Inference tensors cannot be saved for backward"):
    (x * y).sum().backward()
(x * y.clone()).sum().backward()  # a clone is an ordinary tensor
assert x.grad.tolist() == [2, 4, 6]

# %% [markdown]
# ### detach: the same numbers without a history
#
# `y.detach()` is a tensor with the numbers of y, and without its graph.

# %%
x = torch.tensor([1.0, 2.0, 3.5], requires_grad=True)
y = x**2
z = y.detach()
y.sum().backward()
print("through y:          ", x.grad.tolist())
assert x.grad.tolist() == [2, 4, 7]

x.grad = None
t = z + x**3
t.sum().backward()
print("z counts as constant:", x.grad.tolist())
assert x.grad.tolist() == [3, 12, 36.75]  # 3x², and nothing from z
with expect_error(RuntimeError, "does not require grad and does not have a grad_fn"):
    z.sum().backward()

# %% [markdown]
# The same numbers, or a copy of them?
# Predict the three outputs.

# %%
x = torch.tensor([1, 2, 3])
y = x.detach()
y[0] = 4
print(x.tolist())
assert x.tolist() == [4, 2, 3]

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x.detach()
y += 1
print(x.tolist())
assert x.tolist() == [2, 3, 4]

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x.detach().clone()
y += 1
print(x.tolist())
assert x.tolist() == [1, 2, 3]

# %% [markdown]
# `detach` shares memory.
# For numbers of your own, write `x.detach().clone()`.
#
# You also need `detach` on the way to NumPy, which knows nothing of graphs.

# %%
x = torch.tensor([1.0, 2.0], requires_grad=True)
with expect_error(RuntimeError, "Can't call numpy() on Tensor that requires grad"):
    x.numpy()
print(x.detach().numpy())

# %% [markdown]
# ## Changing tensors that autograd has seen
#
# Gradients exist to change numbers: weights are moved a little downhill, in place.
# Here autograd must be careful, and you too.

# %%
w = torch.tensor(3.0, requires_grad=True)
with expect_error(RuntimeError, "a leaf Variable that requires grad is being used in an in-place"):
    w -= 0.1

# %% [markdown]
# The leaf is the place where the gradient arrives; after an in-place change that is recorded, it would be no leaf any more.
#
# *A common mistake* is to write `w = w - 0.1 * w.grad` instead.
# The name `w` then means a new tensor, and it matters where the line stands.


# %%
def second_pass(inside_no_grad):
    """Do two passes of gradient descent with a rebound name."""
    w = torch.tensor(3.0, requires_grad=True)
    for _ in range(2):
        (w**2).backward()
        with torch.set_grad_enabled(not inside_no_grad):
            w = w - 0.1 * w.grad


with expect_error(RuntimeError, "does not require grad and does not have a grad_fn"):
    second_pass(inside_no_grad=True)  # the new w requires no gradient
with show_warnings("not a leaf"), expect_error(TypeError, "'float' and 'NoneType'"):
    second_pass(inside_no_grad=False)  # the new w is no leaf: its .grad is None

# %% [markdown]
# The right way: change the leaf itself, in place, while nothing is recorded.

# %%
w = torch.tensor(3.0, requires_grad=True)
for _ in range(2):
    w.grad = None
    (w**2).backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    print(w)
assert w.is_leaf and w.requires_grad and math.isclose(w.item(), 3 * 0.8**2, rel_tol=1e-6)

# %% [markdown]
# ### A mistake that gives no error
#
# Old programs write `w.data -= ...` for this.
# `x.data` has the numbers of x without its history, as `detach()` has.
# Here it does no harm.

# %%
x = torch.tensor([1.0], requires_grad=True)
y = 2 * x
x.data *= 100
y.backward()
print(x, x.grad)
assert x == 100 and x.grad == 2

# %% [markdown]
# The slope of 2x is 2 wherever you are.
# Now the same with x², at x = 3, where the slope is 6.
# Predict.

# %%
x = torch.tensor(3.0, requires_grad=True)
y = x**2
x.data *= 100
y.backward()
print("with .data:", x.grad.item())
assert x.grad == 600

x = torch.tensor(3.0, requires_grad=True)
y = x**2
x.detach().mul_(100)
with expect_error(RuntimeError, "has been modified by an inplace operation"):
    y.backward()

x = torch.tensor(3.0, requires_grad=True)
y = x**2
with torch.no_grad():
    x *= 100
with expect_error(RuntimeError, "has been modified by an inplace operation"):
    y.backward()

# %% [markdown]
# 600, and no word of warning.
# The square saves its input for the way back, `.data` changes it behind autograd's back, and the way back uses the wrong number.
# A change through `detach()` or under `no_grad` hits the same number, but it is counted in the version of the tensor, and autograd notices.
# An error is better than a wrong result: write `detach()` or `no_grad`, not `.data`.

# %%
x = torch.tensor(3.0, requires_grad=True)
versions = [x._version]
x.data *= 100
versions.append(x._version)
x.detach().mul_(100)
versions.append(x._version)
print("version at first, after .data, after detach:", versions)
assert versions == [0, 0, 1]

# %% [markdown]
# So an in-place change is dangerous exactly if the old number is needed on the way back.
# Which functions save what?

# %%
x = torch.ones(3, requires_grad=True)
y = x * 2
y += 1  # harmless: the slope of a doubling is 2, whatever y was
y.sum().backward()
assert x.grad.tolist() == [2, 2, 2]

y = x.exp()
y += 1  # the slope of exp is exp itself, and its result was saved
with expect_error(RuntimeError, "has been modified by an inplace operation"):
    y.sum().backward()

# %% [markdown]
# The cure is a new tensor: `y = y + 1`, without the change in place, keeps the old one.

# %%
x = torch.ones(3, requires_grad=True)
y = x.exp()
y = y + 1
y.sum().backward()
assert x.grad.equal(x.exp())

# %% [markdown]
# ### Once, and gone
#
# After `backward`, the saved numbers are given back to free the memory.
# So a second pass through the same graph fails as soon as it needs one of them.

# %%
x = torch.tensor(3.0, requires_grad=True)
y = x + 1  # an addition saves nothing
y.backward()
y.backward()
assert x.grad == 1 + 1

x = torch.tensor(3.0, requires_grad=True)
y = x**2
y.backward()
with expect_error(RuntimeError, "Trying to backward through the graph a second time"):
    y.backward()

x.grad = None
y = x**2
y.backward(retain_graph=True)
y.backward()
print(x.grad)
assert x.grad == 6 + 6

# %% [markdown]
# `retain_graph=True` keeps them for one more pass.
# You need it where two losses share a part of the graph and each gets its own `backward`.
# In a training loop you compute the graph anew in each pass; if you meet this error there, something from the last pass is still in use.
#
# ## Trust, but check
#
# Autograd differentiates what you wrote, not what you meant.
# When in doubt, compare with the definition: a small step in each direction, (f(x + h) − f(x − h)) / 2h, the *central difference*.
# How small should h be?
# Predict the shape of the curves: the smaller the better?

# %%
sizes = torch.logspace(-12, 0, 49, dtype=torch.float64)
true = math.cos(1)
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
best = {}
for dtype, name, color in [(torch.float32, "float32", ORANGE), (torch.float64, "float64", BLUE)]:
    x, h = torch.tensor(1, dtype=dtype), sizes.to(dtype)
    central = (torch.sin(x + h) - torch.sin(x - h)) / (2 * h)
    one_sided = (torch.sin(x + h) - torch.sin(x)) / h
    error = (central.double() - true).abs()
    best[name] = error.min().item(), sizes[error.argmin()].item()
    ax.loglog(sizes, error.clamp(min=1e-13), color=color, lw=2, label=f"central, {name}")
    ax.loglog(sizes, (one_sided.double() - true).abs().clamp(min=1e-13), color=color, ls=":", label=f"one-sided, {name}")
    print(f"{name}: smallest error {best[name][0]:.0e} at h = {best[name][1]:.0e}")
ax.set(xlabel="step h", ylabel="error of the slope", title="slope of sin x at x = 1")
ax.legend(fontsize=8, loc="lower left", ncols=2)
ax.set_ylim(1e-14, 10)
show_figure(
    "Error of numerical slopes against the step, both axes logarithmic: each curve falls with a smaller step, reaches a minimum, and rises again; float64 goes far lower than float32."
)
assert best["float64"][0] < 1e-9 < 1e-8 < best["float32"][0]
assert 1e-7 < best["float64"][1] < 1e-3

# %% [markdown]
# From the right, a smaller step helps, because the curve bends less.
# From the left, rounding takes over: two almost equal numbers are subtracted, and few digits remain.
# So use `float64` and central differences, for numbers near 1 a step near 10⁻⁶ to 10⁻⁵, and expect agreement in many digits, not in all.
#
# `torch.autograd.gradcheck` does this for every input and every output.

# %%
x = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64, requires_grad=True)
print(torch.autograd.gradcheck(lambda x: torch.sin(x) * x.exp(), x))
with show_warnings("not a double precision"), expect_error(RuntimeError, "Jacobian mismatch"):
    torch.autograd.gradcheck(torch.sin, x.detach().float().requires_grad_())

# %% [markdown]
# The second call fails although `torch.sin` is right: `float32` is too coarse for its small step, and a warning says so.
#
# ### A backward pass of your own
#
# A `torch.autograd.Function` has two halves: `forward` computes, and `backward` gets the slope of the loss along the output and returns the slope along each input.
# What `backward` needs, `forward` saves in `ctx`.


# %%
class Cube(torch.autograd.Function):
    """x³, with its own backward pass."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * 3 * x**2


x = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
y = Cube.apply(x)
print(y)
y.sum().backward()
print(x.grad)
assert x.grad.tolist() == [3, 12]
assert torch.autograd.gradcheck(Cube.apply, x)


class WrongCube(Cube):
    """The same with a slip in the backward pass."""

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * 2 * x**2


WrongCube.apply(x).sum().backward()  # no error
with expect_error(RuntimeError, "Jacobian mismatch"):
    torch.autograd.gradcheck(WrongCube.apply, x)

# %% [markdown]
# Autograd believes you; `gradcheck` does not.
#
# Sometimes you want a backward pass that is *not* the derivative.
# This function changes nothing on the way forward, and on the way back it limits each slope to the range from −1 to 1.


# %%
class LimitGradient(torch.autograd.Function):
    """The identity, whose backward pass limits the gradient."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.clamp(-1, 1)


x = torch.tensor([0.1, 3.0, -40.0], requires_grad=True)
(x**2).sum().backward()
print("plain:  ", x.grad)
x.grad = None
(LimitGradient.apply(x) ** 2).sum().backward()
print("limited:", x.grad)
assert torch.allclose(x.grad, torch.tensor([0.2, 1, -1]))

# %% [markdown]
# ## Downhill
#
# The gradient points uphill, so a step against it goes down: *gradient descent*.
# How long a step?
# Slope times a number that you choose, the *learning rate*.


# %%
def valley(x):
    return x**4 / 4 - x**2 + 0.4 * x


def descend(rate, steps=30):
    """Return the positions of gradient descent in the valley, from x = 2; stop if it flies away."""
    x = torch.tensor(2.0, requires_grad=True)
    path = [x.item()]
    while len(path) <= steps and abs(path[-1]) < 5:
        x.grad = None
        valley(x).backward()
        with torch.no_grad():
            x -= rate * x.grad
        path.append(x.item())
    return torch.tensor(path)


def draw_descent(ax, rate):
    """Draw the valley and the path of gradient descent."""
    path = descend(rate)
    curve = torch.linspace(-2.7, 2.7, 200)
    ax.plot(curve, valley(curve), color=GRAY, lw=2)
    ax.plot(path, valley(path), "-", color=BLUE, lw=0.8, alpha=0.6)
    ax.scatter(path, valley(path), c=range(len(path)), cmap="viridis_r", s=26, zorder=3)
    ax.plot(path[0], valley(path[0]), "o", color="none", mec="black", ms=10)
    ax.set(xlim=(-2.7, 2.7), ylim=(-2.2, 4.5), xlabel="x")
    inside = abs(path[-1]) < 5
    end = f"at {path[-1]:.2f} after {len(path) - 1} steps" if inside else "it flies away"
    ax.set_title(f"learning rate {rate:g}: {end}", fontsize=9)


figure, axes = plt.subplots(1, 4, figsize=(12, 2.8), layout="constrained", sharey=True)
for ax, rate in zip(axes, (0.01, 0.1, 0.5, 1.0), strict=True):
    draw_descent(ax, rate)
show_figure(
    "Gradient descent in a curve with two valleys at four learning rates: 0.01 creeps, 0.1 reaches the nearer valley, 0.5 jumps over the hill and bounces in the deeper one, 1 flies away."
)
assert descend(0.01)[-1] > 1.4
assert abs(descend(0.1)[-1] - 1.301) < 0.001
assert (descend(0.5)[-5:] < 0).all() and descend(0.5)[-5:].std() > 0.1
assert abs(descend(1.0)[-1]) > 5
assert valley(-1.5) < valley(1.301)

# %% [markdown]
# The circle marks the start, and later steps are darker.
# Too small a rate, and it creeps; too large, and it overshoots.
# And a slope only knows the ground under its feet: at 0.1 the path ends in the valley on the right, which is not the deepest one.
#
# Move the slider.
# At which rate does the path first reach the left valley?


# %%
def show_descent(rate):
    draw_descent(plt.figure(figsize=(6.5, 3.6), layout="constrained").add_subplot(), rate)
    show_figure(f"Thirty steps of gradient descent in a curve with two valleys, learning rate {rate:g}.")


show_descent(0.2)

# %%
slider = ipywidgets.FloatSlider(value=0.2, min=0.01, max=1, step=0.01, continuous_update=False)
controls = ipywidgets.interact(show_descent, rate=slider)

# %% [markdown]
# And the answer, by trying them all:

# %%
ends = {rate: descend(rate / 100)[-1].item() for rate in range(1, 51)}
first = next(rate for rate, end in ends.items() if end < 0)
print(f"with a rate of {first / 100} the path ends at {ends[first]:.2f}")
assert 40 < first < 50

# %% [markdown]
# ### By hand and by autograd
#
# The model ŷ = Xw with N rows has the mean squared error L = ‖Xw − y‖² / N.
# Its gradient can be found on paper: 2Xᵀ(Xw − y) / N.
# Compare.

# %%
torch.manual_seed(0)
X = torch.randn(100, 3, dtype=torch.float64)
y = X @ torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64) + 0.1 * torch.randn(100, dtype=torch.float64)
w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
loss = ((X @ w - y) ** 2).mean()
loss.backward()
by_hand = 2 * X.T @ (X @ w.detach() - y) / len(X)
difference = (w.grad - by_hand).abs().max().item()
print("autograd", w.grad.tolist())
print("by hand ", by_hand.tolist())
print(f"largest difference {difference:.0e}")
assert difference < 1e-14

# %% [markdown]
# Equal, up to rounding in the last digits.
# For a network of fifty layers nobody finds the gradient on paper, and the code stays the same: loss, `backward`, step.

# %%
for _ in range(200):
    w.grad = None
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
print("found", [round(value, 2) for value in w.tolist()], f"loss {loss.item():.4f}")
assert torch.allclose(w.detach(), torch.linalg.lstsq(X, y).solution, atol=1e-6)
assert (w.detach() - torch.tensor([2.0, -1.0, 0.5])).abs().max() < 0.05

# %% [markdown]
# ## Check yourself
#
# Answer first, then unfold.
#
# **1.** `x = torch.tensor([1.0, 2.0], requires_grad=True)`, and `loss = (3 * x).sum()`.
# You call `loss.backward()` and then once more `(3 * x).sum().backward()`.
# What is `x.grad`?
#
# <details><summary>Answer</summary>
#
# (6, 6): each pass adds 3 for each element.
#
# </details>
#
# **2.** W has the shape (10, 784), and the loss is one number.
# What is the shape of `W.grad`?
#
# <details><summary>Answer</summary>
#
# (10, 784): a gradient has the shape of its tensor.
#
# </details>
#
# **3.** `a = torch.ones(2)`, `b = a + 1`, `c = torch.ones(2, requires_grad=True)`, `d = b * c`.
# Which are leaves, and which get a gradient from `d.sum().backward()`?
#
# <details><summary>Answer</summary>
#
# `a`, `b` and `c` are leaves, since no recorded function made them.
# Only `c` gets a gradient, namely (2, 2), the values of `b`.
#
# </details>
#
# **4.** y has 5 elements and x has 3.
# What shape has the Jacobian, what shape must v have in `y.backward(v)`, and what shape does `x.grad` get?
#
# <details><summary>Answer</summary>
#
# (5, 3), (5,) and (3,).
#
# </details>
#
# **5.** `backward` says *element 0 of tensors does not require grad and does not have a grad_fn*.
# Name three causes.
#
# <details><summary>Answer</summary>
#
# Nothing was made with `requires_grad=True`; or the loss was computed under `no_grad`; or the graph was cut by `detach()`, or by a trip through Python numbers or NumPy, as in `torch.tensor(x.sum().item())`.
#
# </details>
#
# **6.** A colleague writes `total += loss` in a long loop, to print the mean loss at the end.
# The memory fills up.
# Why, and what helps?
#
# <details><summary>Answer</summary>
#
# `total` has a history: it holds the graphs of all passes.
# `total += loss.item()` adds a plain number.
#
# </details>
#
# **7.** What is the gradient of `x.round().sum()`, and why is a network with rounding hard to train?
#
# <details><summary>Answer</summary>
#
# Autograd says 0 everywhere: except at a jump, a little step changes nothing.
# So the weights before the rounding never move, unless you write a backward pass of your own.
#
# </details>
#
# The cell below checks these answers.

# %%
x = torch.tensor([1.0, 2.0], requires_grad=True)
(3 * x).sum().backward()
(3 * x).sum().backward()
assert x.grad.tolist() == [6, 6]
W = torch.randn(10, 784, requires_grad=True)
(W @ torch.randn(784)).sum().backward()
assert W.grad.shape == (10, 784)
a = torch.ones(2)
b = a + 1
c = torch.ones(2, requires_grad=True)
d = b * c
d.sum().backward()
assert [t.is_leaf for t in (a, b, c, d)] == [True, True, True, False]
assert a.grad is None and b.grad is None and c.grad.tolist() == [2, 2]
M = torch.randn(5, 3)
x = torch.randn(3, requires_grad=True)
assert torch.func.jacrev(lambda x: M @ x)(x.detach()).shape == (5, 3)
(M @ x).backward(torch.ones(5))
assert x.grad.shape == (3,)
with torch.no_grad():
    unrecorded = x.sum()
for loss in (torch.ones(3).sum(), unrecorded, x.detach().sum(), torch.tensor(x.sum().item())):
    with expect_error(RuntimeError, "does not require grad and does not have a grad_fn"):
        loss.backward()
total = 0
for _ in range(3):
    total = total + (x**2).sum()
assert total.requires_grad and len(find_nodes(total)) > 3 * 2  # the nodes of all three passes
x = torch.tensor([0.2, 1.7], requires_grad=True)
x.round().sum().backward()
assert x.grad.tolist() == [0, 0]
print("all answers hold")

# %% [markdown]
# ## What to remember
#
# - `requires_grad=True`, compute, `backward()`, read `.grad`: it has the shape of its tensor.
# - The graph is made while the code runs; `grad_fn` is its last function, and leaves have none.
# - `backward` adds to `.grad`, so reset it before each pass, best with `None` or an optimizer's `zero_grad()`.
# - From a vector, `backward(v)` gives vᵀJ; the whole Jacobian comes from `torch.func.jacrev`.
# - `no_grad` for steps by hand, `inference_mode` for using a model, `detach()` to treat a value as a constant.
#   `detach()` shares memory.
# - Change leaves in place under `no_grad`, and never through `.data`: it gives wrong gradients without a word.
# - Autograd is as good as the formula: `exp` can overflow, corners have conventions, rounding has slope 0.
# - Check with central differences in `float64`, or with `gradcheck`.
#
# Next: the exercises in `release/03_autograd`, then `notebooks/04_data_as_tensors`.
#
# ## Further reading
#
# - [Autograd mechanics](https://docs.pytorch.org/docs/stable/notes/autograd.html): what is saved, when it is freed, and the modes
# - [torch.autograd](https://docs.pytorch.org/docs/stable/autograd.html): `grad`, `backward`, `Function`, anomaly detection
# - [Extending PyTorch](https://docs.pytorch.org/docs/stable/notes/extending.html): functions with a backward pass of your own
# - [torch.func](https://docs.pytorch.org/docs/stable/func.html): `grad`, `jacrev`, `jacfwd`, `vmap`
# - [micrograd](https://github.com/karpathy/micrograd): an autograd engine in about a hundred lines, to read in one evening
