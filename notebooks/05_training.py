# %% [markdown]
# # Training
#
# After this lecture you can train a model, read from its loss curve what is going on, and know how far to trust the result.
#
# **You will learn** to
#
# - write a training loop three times: by hand, with autograd, and with an optimizer;
# - say why a training explodes or crawls, and cure it with the learning rate or with normalized data;
# - choose between SGD, momentum, RMSprop and Adam, and change the learning rate on a schedule;
# - split data, recognize under- and overfitting, and stop early;
# - judge a classifier by metrics, and tell a metric from a loss.
#
# **Time:** 45 minutes.
# You need tensors from chapter 1 and gradients from chapter 3.
# Before you run a cell, guess what it prints.

# %%
import base64
import html
import io
import math
import os
import textwrap
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, display
from torch.utils.data import TensorDataset, random_split
from tqdm.auto import tqdm

BLUE, ORANGE, GREEN, PINK, GRAY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#888888"


def figure_html(alt):
    """Return the current figure as an HTML image whose alternative text is `alt`, and close it."""
    figure = plt.gcf()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, bbox_inches="tight")
    plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode()
    style = f"width: {round(80 * figure.get_figwidth())}px; max-width: 100%"
    return HTML(f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/png;base64,{data}">')


def show_figure(alt):
    """Show the current figure as an image whose alternative text is `alt`, then close it."""
    display(figure_html(alt))


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
        print(f"{warning.category.__name__}: {textwrap.shorten(str(warning.message), 100)}")
    if not caught:
        print("no warning: some come only once, and some not from every version")


# %% [markdown]
# ## A thermometer without a unit
#
# You bring home an old thermometer.
# It shows numbers, but nobody knows in which unit.
# So you hang it beside one that shows degrees Celsius, and write down both on eleven days.

# %%
t_c = torch.tensor([0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0])
t_u = torch.tensor([35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4])
assert t_c.shape == t_u.shape == (11,)

plt.figure(figsize=(6.5, 3.4), layout="constrained")
plt.plot(t_u, t_c, "o", color=BLUE)
plt.xlabel("t_u: what it shows, in an unknown unit")
plt.ylabel("t_c: degrees Celsius")
show_figure("Eleven points, readings from 20 to 80 against degrees Celsius from -4 to 28; they lie near a rising line.")

# %% [markdown]
# The points lie near a line, not on it: both thermometers have small errors.
# So we guess that t_c ≈ w · t_u + b, and look for good numbers `w` and `b`.
#
# ### A model and its loss
#
# The formula is the *model*, and the numbers that we look for are its *parameters*.
# The *loss* says in one number how bad a choice of parameters is.
# Here it is the *mean squared error* (MSE): the mean of the squared distances between prediction and truth.
# Squares are never negative, so errors cannot cancel each other, and an error that is twice as large counts four times as much.
#
# Predict: is the loss of w = 1, b = 0 nearer to 1, to 40, or to 2000?


# %%
def model(x, w, b):
    return w * x + b


def mse(prediction, target):
    return ((prediction - target) ** 2).mean()


prediction = model(t_u, 1.0, 0.0)
print("errors:", [round(e, 1) for e in (prediction - t_c).tolist()])
print("loss:  ", mse(prediction, t_c))
assert math.isclose(mse(prediction, t_c).item(), 1763.8848, abs_tol=1e-3)
assert torch.equal(mse(prediction, t_c), torch.nn.functional.mse_loss(prediction, t_c))

# %% [markdown]
# The errors are around 40, so their squares are around 1600.
# To *train* the model means to find parameters with a lower loss.
#
# ### Which way is down?
#
# You stand on a hill in thick fog.
# You cannot see the valley, but you can feel with your foot which way it goes down.
# So nudge `w` by `delta = 0.1` and look at what the loss does.
# A *finite difference* is the change of the loss, divided by the change of `w`.


# %%
def loss_at(w, b):
    return mse(model(t_u, w, b), t_c)


w, b, delta = 1.0, 0.0, 0.1
forward = (loss_at(w + delta, b) - loss_at(w, b)) / delta
central = (loss_at(w + delta, b) - loss_at(w - delta, b)) / (2 * delta)
print(f"slope by w: forward {forward:.2f}, central {central:.2f}")
assert math.isclose(forward, 4811.38, abs_tol=0.05) and math.isclose(central, 4517.30, abs_tol=0.05)

step = 1e-4
print(f"with the slope:    {loss_at(w + step * central, b):.1f}")
print(f"here:              {loss_at(w, b):.1f}")
print(f"against the slope: {loss_at(w - step * central, b):.1f}")
assert loss_at(w - step * central, b) < loss_at(w, b) < loss_at(w + step * central, b)

# %% [markdown]
# The slope is positive: a larger `w` makes the loss larger.
# Therefore we step *against* the slope.
#
# But why do the two slopes differ?
# The loss is a parabola in `w`: it gets steeper on the way up.
# The forward difference looks up the hill only, and is too steep by `delta` times half the curvature, the rate at which the slope grows.
# The central difference looks both ways, and for a parabola it is exact, apart from rounding.

# %%
half_curvature = (t_u**2).mean()  # the loss is (t_u**2).mean() * w**2 + ...
print(f"forward - central = {forward - central:.2f}, delta * half the curvature = {delta * half_curvature:.2f}")
assert math.isclose(forward - central, delta * half_curvature, rel_tol=1e-3)

wide = 0.4  # a larger nudge, so that the eye can see it
secant = (loss_at(w + wide, b) - loss_at(w, b)) / wide
ws = torch.linspace(0.2, 1.5, 50)
plt.figure(figsize=(6.5, 3.4), layout="constrained")
plt.plot(ws, [loss_at(v, b) for v in ws], color=BLUE, label="loss")
for slope, color, name in [(secant, ORANGE, "forward"), (central, GREEN, "central")]:
    plt.plot(ws, loss_at(w, b) + slope * (ws - w), "--", color=color, label=f"{name}: slope {slope:.0f}")
plt.plot([w - wide, w, w + wide], [loss_at(v, b) for v in (w - wide, w, w + wide)], "o", color="black")
plt.xlabel("w")
plt.ylabel("loss at b = 0")
plt.ylim(-500, 5000)
plt.legend()
show_figure("The loss as a curve over w: the line with the central slope touches it at w = 1, the line of the forward difference cuts it at 1 and at 1.4 and is steeper.")
assert math.isclose((loss_at(w + wide, b) - loss_at(w - wide, b)) / (2 * wide), central, rel_tol=1e-4)

# %% [markdown]
# ### The chain rule by hand
#
# Central differences need two computations of the loss for every parameter, and a model may have millions of parameters.
# Calculus gives the exact slope at once.
# The loss depends on the prediction, and the prediction on the parameters.
# The *chain rule* multiplies the slopes along the way.
# Write ŷ for a prediction, y for the truth, and n for the number of examples:
#
# | the slope of | by | is |
# |---|---|---|
# | the loss | one prediction ŷ | 2 (ŷ − y) / n |
# | ŷ = w · x + b | w | x |
# | ŷ = w · x + b | b | 1 |
# | the loss | w | the sum of 2 (ŷ − y) / n · x over all examples |
# | the loss | b | the sum of 2 (ŷ − y) / n · 1 over all examples |
#
# All slopes together are the *gradient*.
# `torch.stack` makes one tensor of the two.


# %%
def gradient_by_hand(params, x, y):
    w, b = params
    d_prediction = 2 * (model(x, w, b) - y) / len(y)
    return torch.stack([(d_prediction * x).sum(), (d_prediction * 1).sum()])


gradient = gradient_by_hand(torch.tensor([1.0, 0.0]), t_u, t_c)
print(gradient)
assert torch.allclose(gradient, torch.tensor([4517.2964, 82.6000]), rtol=1e-6)
assert math.isclose(gradient[0], central, rel_tol=1e-5)

# %% [markdown]
# ## The training loop
#
# Now walk: compute the gradient, take a step against it, and repeat.
# How long a step is, the *learning rate* decides:
#
# > parameters ← parameters − learning rate · gradient
#
# This is *gradient descent*.
# One round over all data is an *epoch*.


# %%
def train(x, y, lr, epochs, start=(1.0, 0.0), shown=()):
    """Train a line by gradient descent; return its parameters and the loss of each epoch."""
    params, losses = torch.tensor(start), []
    for epoch in range(1, epochs + 1):
        losses.append(mse(model(x, *params), y).item())
        gradient = gradient_by_hand(params, x, y)
        params = params - lr * gradient
        if epoch in shown:
            columns = [", ".join(f"{value:9.4g}" for value in row) for row in (params, gradient)]
            print(f"epoch {epoch:>4}   loss {losses[-1]:<12.8g} params {columns[0]}   gradient {columns[1]}")
    return params, losses


params, losses = train(t_u, t_c, lr=1e-2, epochs=12, shown=(1, 2, 3, 9, 10, 11, 12))
assert math.isclose(losses[8], 2.7177e31, rel_tol=1e-4) and math.isclose(losses[9], 9.0901e34, rel_tol=1e-4)
assert losses[9] < math.inf and losses[10] == losses[11] == math.inf

# %% [markdown]
# Downhill, one would think, but the loss explodes, and in epoch 11 it is `inf`: too large for float32.
# After the first epochs, each one multiplies it by nearly the same factor.

# %%
factors = [losses[k + 1] / losses[k] for k in range(2, 9)]
print("from epoch to epoch:", [round(f, 1) for f in factors])
print(f"largest float32:     {torch.finfo(torch.float32).max:.4g}")
print(f"next loss would be:  {losses[9] * factors[-1]:.4g}")
assert max(factors) / min(factors) < 1.001
assert losses[9] * factors[-1] < torch.finfo(torch.float32).max < losses[9] * factors[-1] * len(t_c)

# %% [markdown]
# The loss of epoch 11 itself would still fit.
# But a mean is a sum first, and the sum of eleven such squares does not.
# Where does the factor come from?
#
# ### The smallest training of all
#
# To see it, minimize x², starting at 3.
# Its slope is 2x, so with the learning rate lr a step is x ← x − lr · 2x = (1 − 2 · lr) · x.
# Each step multiplies `x` by the same number.
# With a rate of 0.1 this is 0.8, and after 50 steps x is 3 · 0.8⁵⁰.


# %%
def descend_square(lr, steps, x=3.0):
    """Return all places that gradient descent on x**2 visits."""
    path = [x]
    for _ in range(steps):
        path.append(path[-1] - lr * 2 * path[-1])
    return path


print(f"{descend_square(0.1, 50)[-1]:.4e} = {3 * 0.8**50:.4e}")
assert math.isclose(descend_square(0.1, 50)[-1], 3 * 0.8**50)
assert math.isclose(3 * 0.8**50, 4.2817e-5, rel_tol=1e-4)

xs = np.linspace(-4.2, 4.2, 100)
figure, axes = plt.subplots(1, 4, figsize=(10, 2.9), layout="constrained", sharey=True)
for ax, lr in zip(axes, (0.1, 0.5, 0.9, 1.05), strict=True):
    path = np.array(descend_square(lr, 12 if lr < 1 else 3))
    ax.plot(xs, xs**2, color=GRAY)
    ax.plot(path, path**2, "o-", color=ORANGE if lr > 1 else BLUE, markersize=4, lw=1)
    ax.set(title=f"lr = {lr}: factor {1 - 2 * lr:.1f}", xlabel="x", ylim=(-1, 17.5))
axes[0].set_ylabel("x²")
show_figure("Gradient descent on a parabola with four rates: 0.1 slides down one side, 0.5 arrives at once, 0.9 jumps from side to side and down, 1.05 jumps up and out.")

# %% [markdown]
# | factor 1 − 2 · lr | learning rate | what happens |
# |---|---|---|
# | between 0 and 1 | below 0.5 | slides down on one side |
# | 0 | 0.5 | arrives with one step |
# | between -1 and 0 | 0.5 to 1 | jumps over the valley, but lower each time |
# | below -1 | above 1 | jumps over the valley, and higher each time |
#
# The 2 in the factor is the *curvature* of x², its second derivative: how fast the slope changes.
# For any parabola, **gradient descent is stable when the learning rate is below 2 / curvature**.
#
# ### The stable limit of the thermometer
#
# With two parameters there is a curvature in each direction.
# The second derivatives form a matrix, the *Hessian*, and its eigenvalues are the smallest and the largest curvature.
# Autograd computes it, since it can differentiate twice.


# %%
def curvatures(x):
    """Return the smallest and the largest curvature of the loss of a line with the inputs x."""
    hessian = torch.autograd.functional.hessian(lambda p: mse(model(x, p[0], p[1]), torch.zeros_like(x)), torch.zeros(2))
    return torch.linalg.eigvalsh(hessian)


flat, steep = curvatures(t_u).tolist()
limit = 2 / steep
print(f"curvatures {flat:.3f} and {steep:.0f}, ratio {steep / flat:.0f}, stable below {limit:.3e}")
assert math.isclose(limit, 3.40e-4, rel_tol=1e-3)
print(f"factor of the loss at 1e-2: (1 - 1e-2 * {steep:.0f})² = {(1 - 1e-2 * steep) ** 2:.1f}")
assert math.isclose((1 - 1e-2 * steep) ** 2, factors[-1], rel_tol=1e-3)

for lr in (3.39e-4, 3.41e-4):  # a little below the limit, and a little above
    _, losses = train(t_u, t_c, lr, epochs=500)
    print(f"lr {lr:.2e}: loss {losses[0]:.0f} -> {losses[-1]:.4g}")
    assert (losses[-1] < losses[0]) == (lr < limit)

# %% [markdown]
# The targets do not change the curvature, only the inputs do, so `curvatures` puts zeros in their place.
# The factor of each epoch is explained too: in the steep direction, the distance to the best parameters is multiplied by 1 − lr · curvature, and the loss, once it is far above its minimum, by the square of that.
#
# A rate that is 100 times smaller should do.

# %%
params, losses = train(t_u, t_c, lr=1e-4, epochs=100, shown=(1, 2, 3, 10, 99, 100))
assert math.isclose(losses[98], 29.023582, rel_tol=1e-6) and math.isclose(losses[99], 29.022667, rel_tol=1e-6)
assert torch.allclose(params, torch.tensor([0.2327, -0.0438]), atol=1e-4)
assert torch.allclose(train(t_u, t_c, 1e-4, 1)[0], torch.tensor([0.5483, -0.0083]), atol=1e-4)
assert torch.allclose(gradient_by_hand(train(t_u, t_c, 1e-4, 99)[0], t_u, t_c), torch.tensor([-0.0532, 3.0226]), atol=1e-4)

# %% [markdown]
# Stable, but it crawls: from epoch 99 to epoch 100 the loss falls by less than 0.001, from 29.02.
# Look at the gradient.
# For `w` it is nearly 0; for `b` it is 3, and hardly changes.
# Along the flat direction the curvature is 0.175, so one step closes only this part of the way:

# %%
print(f"closed in one epoch: {1e-4 * flat:.2e} of the way")
print(f"epochs for half of the way: {math.log(0.5) / math.log(1 - 1e-4 * flat):.0f}")
assert math.log(0.5) / math.log(1 - 1e-4 * flat) > 39_000

# %% [markdown]
# The steep direction forbids larger steps, the flat direction needs them.
# The ratio of the two curvatures, the *condition number*, says how hard the problem is.
#
# ### Normalize the input
#
# The cause: `w` is multiplied by readings around 50, `b` by 1.
# The cure: shift and scale the readings to mean 0 and standard deviation 1, the *z-score*.

# %%
z = (t_u - t_u.mean()) / t_u.std()
print("curvatures:", [round(c, 3) for c in curvatures(z).tolist()], " stable below", round(2 / curvatures(z)[1].item(), 3))
assert curvatures(z)[1] / curvatures(z)[0] < 1.2

params, losses = train(z, t_c, lr=1e-2, epochs=1000, shown=(1, 100, 1000))
assert math.isclose(losses[0], 171.868347, rel_tol=1e-6) and math.isclose(losses[-1], 2.927645, rel_tol=1e-6)
assert torch.allclose(params, torch.tensor([9.0349, 10.5000]), atol=1e-4)
assert train(t_u, t_c, 1e-4, 1000)[1][-1] > 28  # raw readings, as many epochs

# %% [markdown]
# The rate that exploded is now comfortable, and the loss goes to 2.93 instead of 29.
# Ten times better by one line of preparation.
#
# The new parameters belong to `z`.
# For the raw readings, put in what `z` is: w · (t_u − mean) / std + b has the slope w / std, and the rest is the new intercept.

# %%
w_raw = (params[0] / t_u.std()).item()
b_raw = (params[1] - w_raw * t_u.mean()).item()
print(f"trained:                t_c = {w_raw:.3f} * t_u - {-b_raw:.1f}")
print(f"Fahrenheit to Celsius:  t_c = {5 / 9:.3f} * t_u - {160 / 9:.1f}")
assert torch.allclose(model(t_u, w_raw, b_raw), model(z, *params), atol=1e-4)

plt.figure(figsize=(6.5, 3.4), layout="constrained")
for u, c, p in zip(t_u.tolist(), t_c.tolist(), model(t_u, w_raw, b_raw).tolist(), strict=True):
    plt.plot([u, u], [c, p], color=ORANGE, lw=1)
line = torch.tensor([20.0, 84.0])
plt.plot(line, model(line, w_raw, b_raw), color=GREEN, label=f"{w_raw:.3f} · t_u - {-b_raw:.1f}")
plt.plot(t_u, t_c, "o", color=BLUE, label="measured")
plt.xlabel("t_u")
plt.ylabel("t_c in °C")
plt.legend()
show_figure("The trained line runs through the eleven points; short vertical lines show the errors that are left.")

# %% [markdown]
# The old thermometer shows degrees Fahrenheit, measured with some error.
#
# Why did normalizing help?
# Draw the loss as a map: lines connect parameters with equal loss.

# %%
def path_of(x, lr, epochs):
    """Return all parameters that gradient descent visits, one row per epoch."""
    return torch.stack([train(x, t_c, lr, k)[0] for k in range(epochs + 1)])


figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
for ax, x, lr, w_range, b_range, title in [
    (axes[0], t_u, 3.3e-4, (-0.65, 1.2), (-22, 4), "raw readings, lr = 3.3e-4"),
    (axes[1], z, 0.1, (-0.5, 18.5), (-1, 20), "normalized readings, lr = 0.1"),
]:
    ws, bs = torch.meshgrid(torch.linspace(*w_range, 120), torch.linspace(*b_range, 120), indexing="xy")
    surface = ((ws.unsqueeze(-1) * x + bs.unsqueeze(-1) - t_c) ** 2).mean(dim=-1)
    ax.contour(ws, bs, surface, levels=[4, 10, 30, 80, 200, 500, 1200], colors=GRAY, linewidths=0.8)
    path = path_of(x, lr, 40)
    ax.plot(path[:, 0], path[:, 1], "o-", color=BLUE, markersize=3, lw=0.8, label="40 epochs")
    best = torch.linalg.lstsq(torch.stack([x, torch.ones(11)], dim=1), t_c.unsqueeze(1)).solution
    ax.plot(*best.flatten().tolist(), "*", color=ORANGE, markersize=13, label="lowest loss")
    ax.set(title=title, xlabel="w", ylabel="b")
    ax.legend()
show_figure("Two maps of the loss: with raw readings a narrow valley, in which the path jumps from wall to wall and gets no nearer to its end; with normalized readings round rings, and the path goes straight to the middle.")

# %% [markdown]
# On axes of equal scale, the gradient is perpendicular to these lines and points uphill; a step goes the other way.
# In a narrow valley it leads to the opposite wall, in a round bowl to the middle.
#
# ## Another line, two learning rates
#
# Is this special to thermometers?
# Fit y = 2x + 1 to the points x = 1, 2, 3, 4, 5, starting with a = b = 1.
# Predict: with which rate does it work, 0.1 or 0.01?

# %%
x = torch.arange(1.0, 6.0)
y = 2 * x + 1
limit = 2 / curvatures(x)[1].item()
print(f"stable below {limit:.4f}")
assert math.isclose(limit, 0.0845, rel_tol=1e-3)

(a, b), losses = train(x, y, lr=0.1, epochs=100, start=(1.0, 1.0))
print(f"lr 0.1:  epoch 10 {losses[9]:.1f}, epoch 100 {losses[99]:.4e}, a = {a:.4e}, b = {b:.4e}")
assert math.isclose(losses[9], 3020.79, rel_tol=1e-5) and math.isclose(losses[99], 7.4498e27, rel_tol=1e-4)
assert math.isclose(a, -3.3039e13, rel_tol=1e-4) and math.isclose(b, -9.1512e12, rel_tol=1e-4)

for epochs, loss, want in [(100, 0.0062, (1.949216, 1.183345)), (500, 0.0004, (1.986896, 1.047309))]:
    params, losses = train(x, y, lr=0.01, epochs=epochs, start=(1.0, 1.0))
    print(f"lr 0.01: epoch {epochs}, loss {losses[-1]:.4f}, a = {params[0]:.6f}, b = {params[1]:.6f}")
    assert round(losses[-1], 4) == loss and torch.allclose(params, torch.tensor(want), atol=1e-5)

# %% [markdown]
# The limit told it in advance: 0.1 is above, 0.01 below.
# And again it crawls at the end: `b` is still 0.05 away after 500 epochs.
#
# ## Let autograd do the calculus
#
# You worked out the gradient by hand.
# For a network with a hundred layers nobody would.
# Give `params` the wish for a gradient, compute the loss, and call `backward`.

# %%
params = torch.tensor([1.0, 0.0], requires_grad=True)
loss = mse(model(t_u, *params), t_c)
loss.backward()
print(params.grad, "by hand:", gradient)
assert torch.allclose(params.grad, torch.tensor([4517.2969, 82.6000]), rtol=1e-6)

# %% [markdown]
# In the loop, three things need care, and each is a common mistake.
#
# 1. `backward` *adds* to `.grad`, so the old gradient must go first.
# 2. The step must not be recorded by autograd: use `torch.no_grad()`.
# 3. The step must change the tensor itself, in place: `params -= ...`.
#    With `params = params - ...` the name gets a new tensor.
#
# The second and the third one have messages.

# %%
params = torch.tensor([1.0, 0.0], requires_grad=True)
mse(model(z, *params), t_c).backward()
with expect_error(RuntimeError, "a leaf Variable that requires grad"):
    params -= 1e-2 * params.grad
with torch.no_grad():
    new = params - 1e-2 * params.grad
print("the new tensor wants a gradient:", new.requires_grad)
with expect_error(RuntimeError, "does not require grad"):
    mse(model(z, *new), t_c).backward()  # the second epoch

# %% [markdown]
# The first one has none: look at the loss curve below.


# %%
def train_autograd(x, y, lr, epochs, zero=True):
    params, losses = torch.tensor([1.0, 0.0], requires_grad=True), []
    for _ in range(epochs):
        if zero:
            params.grad = None
        loss = mse(model(x, *params), y)
        loss.backward()
        with torch.no_grad():
            params -= lr * params.grad
        losses.append(loss.item())
    return params, losses


params, losses = train_autograd(z, t_c, lr=1e-2, epochs=5000)
print(params, losses[-1])
assert math.isclose(losses[-1], 2.927645, rel_tol=1e-6)

_, forgotten = train_autograd(z, t_c, lr=1e-2, epochs=150, zero=False)
plt.figure(figsize=(6.5, 3), layout="constrained")
plt.semilogy(losses[:150], color=BLUE, label="gradient cleared in each epoch")
plt.semilogy(forgotten, color=ORANGE, label="never cleared")
plt.xlabel("epoch")
plt.ylabel("loss")
plt.legend()
show_figure("Two loss curves: with cleared gradients the loss falls steadily, without clearing it swings up and down and never settles.")
assert max(forgotten[50:]) > 0.9 * forgotten[0]

# %% [markdown]
# Learn this picture: a loss that swings like a pendulum often means that nobody cleared the gradient.
#
# You will also meet loops that make new parameters in every epoch, and clear the old gradient all the same.
# Count how often the clearing runs.

# %%
params, cleared = torch.tensor([1.0, 0.0], requires_grad=True), 0
for _ in range(100):
    if params.grad is not None:
        params.grad.zero_()
        cleared += 1
    mse(model(z, *params), t_c).backward()
    params = (params - 1e-2 * params.grad).detach().requires_grad_()
print("cleared", cleared, "times")
assert cleared == 0

# %% [markdown]
# Never: each epoch's `params` is a new tensor, whose `.grad` is `None`.
# The loop is right, but the clearing is dead code, and whoever holds the first `params` never sees the trained values.
#
# ## Optimizers
#
# An *optimizer* knows the parameters, and does the clearing and the step.
# It changes the very tensors that you gave it, and reads the gradient from their `.grad`.

# %%
params = torch.tensor([1.0, 0.0], requires_grad=True)
optimizer = torch.optim.SGD([params], lr=1e-2)
losses = []
for _ in range(1000):
    optimizer.zero_grad()
    loss = mse(model(z, *params), t_c)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(f"{losses[0]:.6f} -> {losses[-1]:.6f}", params)
assert math.isclose(losses[0], 171.868347, rel_tol=1e-6) and math.isclose(losses[-1], 2.927645, rel_tol=1e-6)

before = params.grad
optimizer.zero_grad()
print("after zero_grad:", params.grad)
assert before is not None and params.grad is None

# %% [markdown]
# Same numbers as by hand.
# `zero_grad()` sets the gradient to `None` rather than to zeros: this saves memory, and a parameter without a gradient is skipped.
#
# Some mistakes have clear messages, some are silent.

# %%
loss = mse(model(z, *params), t_c)
with expect_error(AttributeError, "'float' object has no attribute 'backward'"):
    loss.item().backward()  # a number has forgotten how it was computed
with show_warnings():
    number = float(loss)  # to log a loss, write loss.item()
with expect_error(RuntimeError, "only change requires_grad flags of leaf variables"):
    w, b = params
    w.requires_grad = True  # w was computed from params: it is no leaf

copy = params.detach().clone().requires_grad_()
optimizer = torch.optim.SGD([copy], lr=1e-2)
mse(model(z, *params), t_c).backward()  # the model uses params, the optimizer holds a copy
optimizer.step()
print("silent: the copy did not move,", torch.equal(copy, params))
assert torch.equal(copy, params)

# %% [markdown]
# Unpacking works when `params` itself wants no gradient: then `w` and `b` are leaves, and views of it.

# %%
params = torch.tensor([1.0, 0.0])
w, b = params
w.requires_grad = b.requires_grad = True
optimizer = torch.optim.SGD([w, b], lr=1e-2)
mse(model(z, w, b), t_c).backward()
optimizer.step()
print(params)
assert torch.allclose(params, train(z, t_c, 1e-2, 1)[0])

# %% [markdown]
# An optimizer can treat parameters differently.
# A *parameter group* has its own learning rate.
# Remember the raw readings, where `b` hardly learned?
# Give `b` a rate that is a thousand times larger.

# %%
w, b = torch.tensor(1.0, requires_grad=True), torch.tensor(0.0, requires_grad=True)
optimizer = torch.optim.SGD([{"params": [w], "lr": 1e-4}, {"params": [b], "lr": 0.1}])
for _ in range(1000):
    optimizer.zero_grad()
    loss = mse(model(t_u, w, b), t_c)
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.4f}, w = {w.item():.4f}, b = {b.item():.3f}")
assert math.isclose(loss.item(), 2.927645, rel_tol=1e-3)

# %% [markdown]
# The raw readings are solved after all.
# So why not let each parameter have its own rate, and let the optimizer find it?
#
# ### SGD, momentum, RMSprop, Adam
#
# | optimizer | the step | the idea |
# |---|---|---|
# | SGD | `x -= lr * g` | against the gradient `g` |
# | momentum | `v = 0.8 * v + g`, then `x -= lr * v` | a heavy ball: jumps from side to side cancel, the common direction adds up |
# | RMSprop | `s = 0.99 * s + 0.01 * g²`, then `x -= lr * g / √s` | each parameter divides by the usual size of its gradient |
# | Adam | a running mean of `g`, divided by the root of a running mean of `g²` | both at once, and corrected for the start |
#
# (A tiny number is added to the root, so that nobody divides by 0.)
# SGD means *stochastic* gradient descent: in practice each step uses a random part of the data, a *batch*; more on this below.
#
# Let all four walk down the same valley, 20 times steeper in one direction than in the other.


# %%
def valley(p):
    return 0.05 * p[..., 0] ** 2 + p[..., 1] ** 2


def walk(make_optimizer, steps=40, start=(-9.0, 2.0)):
    """Return the path of an optimizer through the valley, one row per step."""
    p = torch.tensor(start, requires_grad=True)
    optimizer = make_optimizer([p])
    path = [p.detach().clone()]
    for _ in range(steps):
        optimizer.zero_grad()
        valley(p).backward()
        optimizer.step()
        path.append(p.detach().clone())
    return torch.stack(path)


def draw_valley(ax):
    """Draw the valley as a map of lines of equal height."""
    xs, ys = torch.meshgrid(torch.linspace(-10.5, 6, 120), torch.linspace(-2.8, 2.8, 100), indexing="xy")
    ax.contour(xs, ys, valley(torch.stack([xs, ys], dim=-1)), levels=[0.05, 0.3, 1, 2, 4, 7], colors="#BBBBBB", linewidths=0.8)
    ax.plot(0, 0, "*", color="black", markersize=11)


walkers = {
    "SGD, lr 0.8": (lambda p: torch.optim.SGD(p, lr=0.8), BLUE),
    "momentum 0.8, lr 0.3": (lambda p: torch.optim.SGD(p, lr=0.3, momentum=0.8), ORANGE),
    "RMSprop, lr 0.3": (lambda p: torch.optim.RMSprop(p, lr=0.3), GREEN),
    "Adam, lr 0.5": (lambda p: torch.optim.Adam(p, lr=0.5), PINK),
}
figure = plt.figure(figsize=(10, 5.6), layout="constrained")
axes = figure.subplot_mosaic([["SGD, lr 0.8", "momentum 0.8, lr 0.3", "loss"], ["RMSprop, lr 0.3", "Adam, lr 0.5", "loss"]])
final = {}
for name, (make_optimizer, color) in walkers.items():
    path = walk(make_optimizer)
    draw_valley(axes[name])
    axes[name].plot(path[:, 0], path[:, 1], "o-", color=color, markersize=3, lw=1)
    axes[name].set_title(name)
    axes["loss"].semilogy(valley(path).clamp(min=1e-9), color=color, label=name)
    final[name] = valley(path[-1]).item()
    print(f"{name:<21} height after 40 steps: {final[name]:.2g}")
axes["loss"].set(xlabel="step", ylabel="height")
axes["loss"].legend(loc="lower left")
show_figure("Four paths through one long valley: SGD zigzags between the walls, momentum swings past the goal and comes back, RMSprop starts diagonally and swings in quickly, Adam goes in a curve beyond the goal and turns around; at the right their heights per step.")
assert max(final.values()) < valley(torch.tensor([-9.0, 2.0])) / 100
assert final["momentum 0.8, lr 0.3"] < final["SGD, lr 0.8"] < final["Adam, lr 0.5"] == max(final.values())
for name in ("RMSprop, lr 0.3", "Adam, lr 0.5"):
    first_step = walk(walkers[name][0], steps=1).diff(dim=0).abs()[0]
    assert torch.allclose(first_step[0], first_step[1])

# %% [markdown]
# All four get near the goal, each on a path of its own.
# SGD is bound by the stable limit of the steep direction (curvature 2, so its rate must stay below 1) and is slow along the flat one.
# Momentum is faster, and overshoots.
# RMSprop and Adam make all directions alike: their first step is equally long in both.
# No optimizer wins everywhere: in this valley, with these rates, Adam came last.
# It is still a common first choice, because the scale of the loss does not matter to it, so that a rate that worked elsewhere often works here.
# Its first step is the learning rate itself, however large the gradient is.
# Check it, and check the row on momentum in the table.

# %%
ends = []
for scale in (0.001, 1.0, 1000.0):
    p = torch.tensor([2.0], requires_grad=True)
    optimizer = torch.optim.Adam([p], lr=0.1)
    places = []
    for _ in range(20):
        optimizer.zero_grad()
        (scale * p**2).sum().backward()
        optimizer.step()
        places.append(p.item())
    print(f"Adam, first gradient {4 * scale:g}: from 2 to {places[0]:.4f}, after 20 steps {places[-1]:.4f}")
    assert math.isclose(places[0], 2.0 - 0.1, rel_tol=1e-4)
    ends.append(places[-1])
assert math.isclose(min(ends), max(ends), rel_tol=1e-2)

p, v = torch.tensor([-9.0, 2.0]), torch.zeros(2)
for _ in range(40):
    g = torch.tensor([0.1, 2.0]) * p  # the gradient of the valley
    v = 0.8 * v + g
    p = p - 0.3 * v
print("by hand:", p, "torch.optim:", walk(walkers["momentum 0.8, lr 0.3"][0])[-1])
assert torch.allclose(p, walk(walkers["momentum 0.8, lr 0.3"][0])[-1], atol=1e-5)

# %% [markdown]
# Now you: move the sliders.
# Find the rate at which plain descent (momentum 0) explodes, and a pair that arrives in few steps.


# %%
def draw_descent(lr=0.4, momentum=0.0, steps=30):
    """Draw the path of SGD through the valley, and its height per step."""
    path = walk(lambda p: torch.optim.SGD(p, lr=lr, momentum=momentum), steps)
    heights = valley(path)
    _, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained", width_ratios=[3, 2])
    draw_valley(axes[0])
    axes[0].plot(path[:, 0], path[:, 1], "o-", color=BLUE, markersize=3, lw=1)
    axes[0].set(xlim=(-10.5, 6), ylim=(-2.8, 2.8), title=f"lr = {lr:.2f}, momentum = {momentum:.2f}")
    axes[1].semilogy(heights, color=BLUE)
    axes[1].set(xlabel="step", ylabel="height", ylim=(1e-7, 1e3), title=f"height after {steps} steps: {heights[-1]:.2g}")
    show_figure(f"The path of SGD with the rate {lr:.2f} and the momentum {momentum:.2f} through a long valley, and its height per step; at the end it is {heights[-1]:.2g}.")


draw_descent()

# %%
controls = ipywidgets.interact(draw_descent, lr=(0.02, 1.2, 0.02), momentum=(0.0, 0.98, 0.02), steps=(5, 100, 5))

# %% [markdown]
# Did you notice that with momentum, rates above 1 are stable?
# The ball forgets its jumps.

# %%
plain = valley(walk(lambda p: torch.optim.SGD(p, lr=1.1), 100)[-1])
heavy = valley(walk(lambda p: torch.optim.SGD(p, lr=1.1, momentum=0.5), 100)[-1])
print(f"height after 100 steps with the rate 1.1: {plain:.2g} without momentum, {heavy:.2g} with momentum 0.5")
assert plain > 100 and heavy < 0.01

# %% [markdown]
# ### Learning-rate schedules
#
# Large steps are good far away, small ones near the goal.
# A *scheduler* changes the rate of an optimizer as time goes on.
# Call its `step` once per epoch, *after* the optimizer's.


# %%
def rates_of(make_scheduler, epochs=60):
    """Return the learning rates that a scheduler gives, one per epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make_scheduler(optimizer)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


lr_scheduler = torch.optim.lr_scheduler
schedules = {
    "StepLR: a third every 20 epochs": lambda o: lr_scheduler.StepLR(o, step_size=20, gamma=1 / 3),
    "ExponentialLR: 5 % less each epoch": lambda o: lr_scheduler.ExponentialLR(o, gamma=0.95),
    "CosineAnnealingLR: half a cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=60),
    "LambdaLR: warm-up for 10 epochs": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: min(1, (epoch + 1) / 10)),
}
plt.figure(figsize=(7.5, 3.2), layout="constrained")
for (name, make_scheduler), color in zip(schedules.items(), (BLUE, GREEN, ORANGE, PINK), strict=True):
    plt.plot(rates_of(make_scheduler), color=color, label=name)
plt.xlabel("epoch")
plt.ylabel("rate / first rate")
plt.legend(loc="upper left", bbox_to_anchor=(1, 1))
show_figure("Four schedules over 60 epochs: a staircase, an exponential decay, half a cosine down to zero, and a warm-up that rises for 10 epochs and stays.")
assert rates_of(schedules["StepLR: a third every 20 epochs"])[20] == 1 / 3
assert math.isclose(rates_of(schedules["CosineAnnealingLR: half a cosine"])[30], 0.5)

# %% [markdown]
# When is it worth it?
# When gradients are noisy, as they are with batches.
# Then a constant rate never comes to rest, and a falling one does.

# %%
finals = {}
for name in ("constant", "cosine"):
    torch.manual_seed(0)
    x = torch.full((1000,), 3.0, requires_grad=True)  # a thousand runs on x**2 at once
    optimizer = torch.optim.SGD([x], lr=0.3)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
    for _ in range(100):
        x.grad = 2 * x.detach() + torch.randn(1000)  # the gradient and noise
        optimizer.step()
        if name == "cosine":
            scheduler.step()
    finals[name] = (x**2).mean().item()
    print(f"{name:<9} mean loss after 100 steps: {finals[name]:.4f}")
assert finals["cosine"] < finals["constant"] / 5

# %% [markdown]
# ## One fit, three ways
#
# A parabola y = 3x² + 2 with a little noise: can the loop for a line find it?
# Yes, because w · x² + b is a line in x²: *linear* means linear in the parameters.
# First in NumPy, with the derivatives worked out by hand.
# The loss is half the *sum* of the squares, so its derivatives have neither the 2 nor the mean.

# %%
np.random.seed(100)
x_np = np.linspace(-1, 1, 100).reshape(100, 1)
y_np = 3 * np.power(x_np, 2) + 2 + 0.2 * np.random.rand(x_np.size).reshape(100, 1)
w_np, b_np = np.random.rand(1, 1), np.random.rand(1, 1)
print("start: ", w_np.item(), b_np.item())
assert np.allclose([w_np.item(), b_np.item()], [0.77829, 0.77960], atol=1e-5)
for _ in range(800):
    y_pred = np.power(x_np, 2) * w_np + b_np
    loss = 0.5 * ((y_pred - y_np) ** 2).sum()
    w_np = w_np - 0.01 * ((y_pred - y_np) * np.power(x_np, 2)).sum()
    b_np = b_np - 0.01 * (y_pred - y_np).sum()
print("result:", w_np.item(), b_np.item())
assert np.allclose([w_np.item(), b_np.item()], [2.99134284, 2.09741738], atol=1e-8)

table = np.hstack([np.power(x_np, 2), np.ones_like(x_np)])
print("least squares:", np.linalg.lstsq(table, y_np, rcond=None)[0].ravel())
assert np.allclose(np.linalg.lstsq(table, y_np, rcond=None)[0].ravel(), [w_np.item(), b_np.item()], atol=1e-7)

# %% [markdown]
# Found, and it is the line of least squares.
# But `b` is 2.1, not 2.
# The noise is uniform from 0 to 0.2: its mean is 0.1, and no fit can tell that from `b`.
#
# Now in torch.
# `unsqueeze` makes a column, `mm` multiplies matrices, `backward` finds the derivatives.

# %%
torch.manual_seed(100)
x = torch.unsqueeze(torch.linspace(-1, 1, 100), dim=1)
y = 3 * x.pow(2) + 2 + 0.2 * torch.rand(x.size())
w, b = torch.randn(1, 1, requires_grad=True), torch.zeros(1, 1, requires_grad=True)
for _ in range(800):
    y_pred = x.pow(2).mm(w) + b
    loss = 0.5 * ((y_pred - y) ** 2).sum()
    loss.backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
        b -= 0.01 * b.grad
        w.grad.zero_()
        b.grad.zero_()
print("result:", w.item(), b.item())
assert math.isclose(w.item(), 2.9668, abs_tol=1e-3) and math.isclose(b.item(), 2.1138, abs_tol=1e-3)

plt.figure(figsize=(6.5, 3.2), layout="constrained")
plt.plot(x, y, ".", color=BLUE, label="data")
plt.plot(x, (w * x**2 + b).detach(), color=ORANGE, lw=2, label=f"{w.item():.2f} x² + {b.item():.2f}")
plt.xlabel("x")
plt.legend()
show_figure("A hundred points along a parabola, and the fitted parabola through them.")

# %% [markdown]
# The noise came from another generator, so the numbers differ a little; the method is the same.
# Side by side, with a third way that you may meet in old books and code: TensorFlow 1.
#
# | | NumPy | torch | TensorFlow 1 |
# |---|---|---|---|
# | parameter | `w = np.random.rand(1, 1)` | `w = torch.randn(1, 1, requires_grad=True)` | `w = tf.Variable(tf.random_uniform([1]))` |
# | prediction | `np.power(x, 2) * w + b` | `x.pow(2).mm(w) + b` | `np.power(x, 2) * w + b`: no number yet, a node of a graph |
# | loss | `0.5 * ((y_pred - y) ** 2).sum()` | the same | `tf.reduce_mean(tf.square(y - y_pred))`, again a node |
# | derivatives | by hand | `loss.backward()` | part of the graph |
# | step | `w = w - lr * grad_w` | `w -= lr * w.grad`, outside the graph | `optimizer.minimize(loss)`: one more node of the graph |
# | clear the gradient | not needed | `w.grad.zero_()` | not needed |
# | run | Python does it line by line | Python does it line by line | `session.run(train)`: now numbers flow through the graph |
#
# TensorFlow 1 first builds the whole graph, even the step, and runs it afterwards in a *session*.
# Data usually enters such a graph through *placeholders*; in the loop that we replay here they were declared, but never used, since `x` was baked into the graph as a constant.
# All this is obsolete: TensorFlow 2 computes line by line, as torch does.
#
# The old program printed a loss of 10.3297 at step 0.
# Its random start is not known, but this loss tells it: replay the program in NumPy.


# %%
def replay(w, b=0.0, lr=0.01, steps=2000):
    """Return (step, loss, w, b) for every 200th step on the mean squared error."""
    rows = []
    for step in range(steps):
        error = np.power(x_np, 2) * w + b - y_np
        loss = (error**2).mean()
        w, b = w - lr * 2 * (error * np.power(x_np, 2)).mean(), b - lr * 2 * error.mean()
        if step % 200 == 0:
            rows.append((step, loss, w, b))
    return rows


# With b = 0, the first loss is a parabola in w: where is it 10.3297?
coefficients = [(x_np**4).mean(), -2 * (x_np**2 * y_np).mean(), (y_np**2).mean() - 10.3297]
start = np.roots(coefficients).min()
print(f"start: w = {start:.4f}")
rows = replay(start)
for step, loss, w, b in (rows[0], rows[1], rows[-1]):
    print(f"step {step:>4}  loss {loss:.4f}  w = {w:.4f}  b = {b:.4f}")
assert 0 < start < 1 and round(rows[0][1], 4) == 10.3297 and round(rows[-1][1], 4) == 0.0042
assert math.isclose(rows[-1][2], 2.894, abs_tol=1e-3) and math.isclose(rows[-1][3], 2.1335, abs_tol=1e-3)

# %% [markdown]
# After more than twice as many steps it is farther from the goal than the first two.
# The framework is not to blame: a *mean* over 100 points has derivatives 100 times smaller than a *sum*.
# Against *half* the sum it is a factor of 50, so a rate that is 50 times larger should give the result of above.

# %%
step, loss, w, b = replay(start, lr=50 * 0.01, steps=801)[-1]
print(f"step {step}  loss {loss:.4f}  w = {w:.4f}  b = {b:.4f}")
assert math.isclose(w, w_np.item(), abs_tol=1e-6) and math.isclose(b, b_np.item(), abs_tol=1e-6)

# %% [markdown]
# A learning rate means nothing without the loss that it belongs to.
#
# ## How good is it on new data?
#
# A model is useful when it is right about data that it has not seen.
# The way there:
#
# | step | what it means |
# |---|---|
# | collect and label | each example gets the right answer; wrong labels put a bound on everything that follows |
# | split | *training* data to fit, *validation* data to choose, *test* data for one final judgment |
# | features | choose and scale the inputs, with numbers computed from the training data only |
# | loss and training | the loop of this lecture |
# | tuning | change the rate, the model or the features, and compare on the validation data |
# | test | once, at the end |
#
# `random_split` shuffles and cuts a data set.
# With a generator that is seeded anew for each call, it gives the same parts every time.

# %%
torch.manual_seed(0)
x_all = 2 * torch.rand(212) - 1
y_all = torch.sin(3 * x_all) + 0.3 * torch.randn(212)
parts = random_split(TensorDataset(x_all, y_all), [12, 100, 100], generator=torch.Generator().manual_seed(0))
again = random_split(TensorDataset(x_all, y_all), [12, 100, 100], generator=torch.Generator().manual_seed(0))
assert [part.indices for part in again] == [part.indices for part in parts]
print([len(part) for part in parts], "the first rows for training:", parts[0].indices[:5])
seen = sorted(i for part in parts for i in part.indices)
assert seen == list(range(212))  # each row is in one part
(x_train, y_train), (x_val, y_val), (x_test, y_test) = [part[:] for part in parts]

# %% [markdown]
# **A common mistake**: *leakage*.
# If anything that training uses has seen the validation or test data, the result looks better than it is.
# That begins with the mean and the deviation of a z-score: compute them after the split, from the training part.
# It also happens when one patient, or one photo and its mirror image, is in two parts.
#
# ### Underfitting and overfitting
#
# Only 12 points to train with, from a curve with noise.
# Fit polynomials of degree 1, 3 and 9.
# Predict: which has the lowest loss on the training data, and which on the validation data?


# %%
def powers(x, degree):
    """Return a table with the columns x**0 to x**degree."""
    return torch.stack([x.double() ** k for k in range(degree + 1)], dim=1)


def fit_polynomial(degree):
    """Return the coefficients that fit the training data best, and both losses."""
    coefficients = torch.linalg.lstsq(powers(x_train, degree), y_train.double().unsqueeze(1)).solution.squeeze(1)
    pairs = [(x_train, y_train), (x_val, y_val)]
    return coefficients, [mse(powers(x, degree) @ coefficients, y).item() for x, y in pairs]


figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained", width_ratios=[1, 1, 1, 1.25])
grid = torch.linspace(-1, 1, 200)
for ax, degree in zip(axes, (1, 3, 9), strict=False):
    coefficients, losses = fit_polynomial(degree)
    ax.plot(x_val, y_val, ".", color="#CCCCCC", markersize=4)
    ax.plot(grid, powers(grid, degree) @ coefficients, color=ORANGE)
    ax.plot(x_train, y_train, "o", color=BLUE, markersize=5)
    ax.set(ylim=(-2.2, 2.2), title=f"degree {degree}\ntrain {losses[0]:.2g}, val {losses[1]:.2g}")
degrees = range(10)
curves = [fit_polynomial(degree)[1] for degree in degrees]
axes[3].semilogy(degrees, [c[0] for c in curves], "o-", color=BLUE, markersize=4, label="training")
axes[3].semilogy(degrees, [c[1] for c in curves], "o-", color=ORANGE, markersize=4, label="validation")
axes[3].set(xlabel="degree", title="loss")
axes[3].legend()
show_figure("Three fits to 12 points: a straight line misses the curve, degree 3 follows it, degree 9 runs through the points and shoots out between them; at the right the training loss falls with the degree and the validation loss falls and then rises steeply.")
for degree in (1, 3, 9):
    print(f"degree {degree}: training loss {curves[degree][0]:.4f}, validation loss {curves[degree][1]:.4g}")
best = min(degrees, key=lambda degree: curves[degree][1])
assert all(curves[k + 1][0] <= curves[k][0] + 1e-9 for k in range(9))
assert curves[9][1] > 10 * curves[best][1] and curves[1][1] > 1.5 * curves[best][1]

# %% [markdown]
# The training loss falls with every degree, so it cannot tell which degree is right.
# The validation loss can.
#
# - *Underfitting*: both losses are high.
#   The model is too simple, or not trained long enough.
# - *Overfitting*: the training loss is low, the validation loss is high.
#   The model has learned the noise of its examples by heart.
#
# We chose the degree with the validation data, so for this model they are no longer new.
# That is what the test data are kept for.

# %%
coefficients, losses = fit_polynomial(best)
test_loss = mse(powers(x_test, best) @ coefficients, y_test).item()
print(f"degree {best}: validation {losses[1]:.3f}, test {test_loss:.3f}, noise alone {0.3**2:.3f}")
assert 0.05 < test_loss < 0.4

# %% [markdown]
# ### Early stopping
#
# A model that can overfit does not do so at once.
# Train a polynomial of degree 12 with gradient descent, and watch both losses.
# *Early stopping* keeps the parameters with the lowest validation loss, and gives up when it has not improved for some epochs, its *patience*.

# %%
features_train, features_val = powers(x_train, 12).float(), powers(x_val, 12).float()
params = torch.zeros(13, requires_grad=True)
optimizer = torch.optim.SGD([params], lr=0.1, momentum=0.9)
patience, lowest, stopped = 100, math.inf, None
history = []
for epoch in range(1500):
    optimizer.zero_grad()
    loss = mse(features_train @ params, y_train)
    loss.backward()
    optimizer.step()
    with torch.no_grad():  # validation needs no gradient
        val_loss = mse(features_val @ params, y_val).item()
    history.append((loss.item(), val_loss))
    if stopped is None and val_loss < lowest:
        lowest, best_epoch = val_loss, epoch
        best_params = params.detach().clone()  # a copy: params goes on changing
    elif stopped is None and epoch - best_epoch == patience:
        stopped = epoch  # a real training ends here; we go on, to see what would have come

plt.figure(figsize=(7, 3.2), layout="constrained")
plt.loglog(range(1, 1501), [h[0] for h in history], color=BLUE, label="training")
plt.loglog(range(1, 1501), [h[1] for h in history], color=ORANGE, label="validation")
plt.axvline(best_epoch + 1, color=GREEN, ls="--", label=f"lowest: epoch {best_epoch + 1}")
plt.axvline(stopped + 1, color=GRAY, ls=":", label=f"patience is over: epoch {stopped + 1}")
plt.xlabel("epoch")
plt.ylabel("loss")
plt.legend(loc="lower left")
show_figure("Training and validation loss over 1500 epochs: both fall at first, then the training loss goes on falling while the validation loss rises; lines mark the lowest point and the end of patience.")
print(f"lowest validation loss {lowest:.3f}, at the end {history[-1][1]:.3f}")
assert stopped is not None and history[-1][1] > 1.5 * lowest and history[-1][0] < history[best_epoch][0]
assert math.isclose(mse(features_val @ best_params, y_val).item(), lowest, rel_tol=1e-4)
assert best_epoch < stopped

# %% [markdown]
# ### Batches, and a training that you can watch
#
# Now real data: 4898 white wines, eleven measurements each, and the mark that tasters gave.
# Split, standardize with the training part, and fit a line with eleven slopes.
#
# Two things are new.
# Each step uses a random *batch* of 64 wines instead of all: cheaper, and noisier.
# And the curve grows while you watch, under a progress bar by `tqdm`.
# Where nobody watches, for example in a test, both stay quiet, and the curve is drawn once at the end.

# %%
DATA = next(p / "data" for p in [Path.cwd(), *Path.cwd().parents] if (p / "data" / "README.md").exists())
wine = torch.tensor(np.loadtxt(DATA / "winequality-white.csv", dtype=np.float32, delimiter=";", skiprows=1))
assert wine.shape == (4898, 12)
rows = torch.randperm(len(wine), generator=torch.Generator().manual_seed(0))
train_rows, val_rows = rows[:3898], rows[3898:]
mean, std = wine[train_rows, :11].mean(dim=0), wine[train_rows, :11].std(dim=0)
inputs, marks = (wine[:, :11] - mean) / std, wine[:, 11]

# Somebody watches in JupyterLab, Notebook, VS Code and Colab, which set these names.
WATCHED = any(name in os.environ for name in ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG"))


class LiveCurve:
    """Loss curves that grow while somebody watches, and are drawn once at the end otherwise."""

    def __init__(self):
        self.curves = {"training": [], "validation": []}
        self.drawn = time.monotonic()
        self.place = display(HTML(""), display_id=True) if WATCHED else None

    def add(self, **losses):
        for name, loss in losses.items():
            self.curves[name].append(loss)
        if self.place and time.monotonic() - self.drawn > 0.3:
            self.place.update(self.draw())
            self.drawn = time.monotonic()

    def finish(self):
        if self.place:
            self.place.update(self.draw())
        else:
            display(self.draw())

    def draw(self):
        plt.figure(figsize=(7, 3), layout="constrained")
        for (name, curve), color in zip(self.curves.items(), (BLUE, ORANGE), strict=True):
            plt.semilogy(range(1, len(curve) + 1), curve, color=color, label=name)
        plt.xlabel("epoch")
        plt.ylabel("loss")
        plt.legend()
        last = {name: round(curve[-1], 3) for name, curve in self.curves.items()}
        return figure_html(f"Training and validation loss per epoch, falling together; the last values are {last}.")


torch.manual_seed(0)
w, b = torch.zeros(11, requires_grad=True), torch.zeros(1, requires_grad=True)
optimizer = torch.optim.SGD([w, b], lr=0.005)
live = LiveCurve()
for _ in tqdm(range(30), desc="epochs", disable=not WATCHED):
    total = 0.0
    for batch in train_rows[torch.randperm(len(train_rows))].split(64):
        optimizer.zero_grad()
        loss = mse(inputs[batch] @ w + b, marks[batch])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    with torch.no_grad():
        val_loss = mse(inputs[val_rows] @ w + b, marks[val_rows]).item()
    live.add(training=total / len(train_rows), validation=val_loss)
live.finish()

always_mean = mse(marks[train_rows].mean(), marks[val_rows]).item()
print(f"validation loss {val_loss:.3f}; someone who always says the mean mark gets {always_mean:.3f}")
assert val_loss < 0.85 * always_mean

# %% [markdown]
# Both curves fall together: eleven slopes cannot learn 3898 wines by heart.
# And always compare with something simple: a mark that is the same for every wine is not so bad either.
#
# ## Metrics are for people, losses for training
#
# Chapter 0 counted the answers of a classifier: true positives (TP), false negatives (FN), false positives (FP), true negatives (TN).
# Here is a rule for the wines that needs no training.
# A wine is called good when its total sulfur dioxide is below the mean of the middling wines, those with marks of 4, 5 and 6.
# It *is* good when its mark is above 5.

# %%
sulfur, good = wine[:, 6], marks > 5
middling = (marks > 3) & (marks < 7)
threshold = sulfur[middling].mean()
called_good = sulfur < threshold
print(f"threshold {threshold:.2f}, called good {called_good.sum()}, good {good.sum()}, both {(called_good & good).sum()}")
assert math.isclose(threshold, 141.83, abs_tol=0.005)
assert (called_good.sum(), good.sum(), (called_good & good).sum()) == (2727, 3258, 2018)

tp, fn = (called_good & good).sum().item(), (~called_good & good).sum().item()
fp, tn = (called_good & ~good).sum().item(), (~called_good & ~good).sum().item()
assert (tp, fn, fp, tn) == (2018, 1240, 709, 931)

figure, ax = plt.subplots(figsize=(5.2, 2.9), layout="constrained")
counts = np.array([[tp, fn], [fp, tn]])
ax.imshow(counts, cmap="Blues", vmin=0, vmax=2500)
for i, j in np.ndindex(2, 2):
    ax.text(j, i, f"{('TP', 'FN', 'FP', 'TN')[2 * i + j]}\n{counts[i, j]}", ha="center", va="center", color="white" if counts[i, j] > 1500 else "black")
ax.set(xticks=[0, 1], yticks=[0, 1], xticklabels=["called good", "not called good"], yticklabels=["good", "not good"], aspect="auto")
show_figure("The confusion matrix of the wine rule: of the good wines 2018 are called good and 1240 are not; of the others 709 are called good and 931 are not.")

# %%
accuracy = (tp + tn) / (tp + fn + fp + tn)
precision = tp / (tp + fp)  # of those called good, how many are good?
recall = tp / (tp + fn)  # of the good ones, how many were called good?
f1 = 2 * precision * recall / (precision + recall)
print(f"accuracy {accuracy:.4f}  precision {precision:.4f}  recall {recall:.4f}  F1 {f1:.4f}")
assert (round(accuracy, 4), round(precision, 4), round(recall, 4), round(f1, 4)) == (0.6021, 0.7400, 0.6194, 0.6744)
assert precision == 2018 / 2727 and recall == 2018 / 3258

lazy = good.float().mean().item()  # calls every wine good
print(f"accuracy of 'every wine is good': {lazy:.4f}")
assert round(accuracy, 3) == 0.602 and round(lazy, 3) == 0.665

# %% [markdown]
# **A common mistake**: to exchange precision and recall.
# This very example has been printed with the two exchanged.
# Precision divides by what was *called* good, recall by what *is* good.
#
# And accuracy alone misleads: 0.602 sounds like something, but whoever calls every wine good has 0.665 without tasting one.
# The precision of 0.74, against 0.665, shows that the rule knows a little.
#
# F1 is the *harmonic mean* of precision and recall, which stays near the smaller one: nobody gets a good F1 with one of them.

# %%
for p, r in [(0.5, 0.5), (0.9, 0.1), (1.0, 0.01)]:
    print(f"precision {p}, recall {r}: mean {(p + r) / 2:.3f}, F1 {2 * p * r / (p + r):.3f}")
assert 2 * 1.0 * 0.01 / 1.01 < 0.02

# %% [markdown]
# With F1 for each class, and the mean over the classes, you get *macro-F1*: a class that is rare counts as much as a frequent one.
# It unmasks the lazy rule.

# %%
f1_not_good = 2 * tn / (2 * tn + fp + fn)
lazy_f1 = 2 * 3258 / (2 * 3258 + 1640)
print(f"macro-F1: rule {(f1 + f1_not_good) / 2:.3f}, every wine is good {(lazy_f1 + 0) / 2:.3f}")
assert (f1 + f1_not_good) / 2 > lazy_f1 / 2 and lazy_f1 > f1

# %% [markdown]
# If accuracy is what we want, why not train it?
# Move the threshold of the rule and draw both: the accuracy, and a loss.
# For the loss, the rule gives a probability instead of yes or no.

# %%
thresholds = torch.linspace(137.3, 146.7, 300)
accuracies = [((sulfur < t) == good).float().mean().item() for t in thresholds]
cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
losses = [cross_entropy((t - sulfur) / 100, good.float()).item() for t in thresholds]
figure, axes = plt.subplots(1, 2, figsize=(9.5, 2.8), layout="constrained")
axes[0].plot(thresholds, accuracies, color=ORANGE)
axes[0].set(xlabel="threshold", title="accuracy: flat, with jumps")
axes[1].plot(thresholds, losses, color=BLUE)
axes[1].set(xlabel="threshold", title="loss: a slope everywhere")
for ax in axes:
    ax.ticklabel_format(useOffset=False)
show_figure("Accuracy and loss over the threshold from 137 to 147: the accuracy is a staircase with flat steps, the loss is a smooth falling curve.")

t = torch.tensor(141.7, requires_grad=True)
loss = cross_entropy((t - sulfur) / 100, good.float())
loss.backward()
print("slope of the loss:", t.grad.item(), " accuracy knows a slope:", ((sulfur < t) == good).float().mean().requires_grad)
assert t.grad != 0 and not ((sulfur < t) == good).float().mean().requires_grad
steps = np.diff(accuracies)
assert (steps == 0).mean() > 0.5 and (np.diff(losses) != 0).mean() > 0.9
assert ((np.diff(losses) < 0) & (steps < 0)).any()

# %% [markdown]
# The accuracy is flat almost everywhere and jumps in between: its slope is 0 or does not exist, and gradient descent has nothing to follow.
# So we train a loss that is smooth, and report a metric that people understand.
# Watch both: a loss can fall while the metric stands still, or even gets worse.
#
# ## Check yourself
#
# Answer first, then unfold.
#
# **1.** The loss is 5x².
# Below which learning rate is gradient descent stable?
#
# <details><summary>Answer</summary>
#
# Its curvature is 10, so below 2 / 10 = 0.2.
#
# </details>
#
# **2.** A training shows the losses 8, 70, 900, 12000.
# What do you change first?
#
# <details><summary>Answer</summary>
#
# The learning rate: it is above the stable limit.
# Divide it by 10, and look at the scale of the inputs.
#
# </details>
#
# **3.** Somebody writes `optimizer.step()`, `loss.backward()`, `optimizer.zero_grad()`, in this order.
# What happens?
#
# <details><summary>Answer</summary>
#
# Nothing is learned: when `step` comes, the gradient has always been cleared, and parameters without a gradient are skipped.
#
# </details>
#
# **4.** The training loss is 0.02, the validation loss 1.5.
# What is this called, and what are two remedies?
#
# <details><summary>Answer</summary>
#
# Overfitting.
# A simpler model, more data, or early stopping.
#
# </details>
#
# **5.** Why is it wrong to standardize the whole table before splitting it?
#
# <details><summary>Answer</summary>
#
# The mean and the deviation would contain the validation and test data: they leak into training.
#
# </details>
#
# **6.** A test for a rare illness finds 8 of 10 ill people and also alarms 32 healthy ones.
# What are precision and recall?
#
# <details><summary>Answer</summary>
#
# Precision 8 / 40 = 0.2: of 40 alarms, 8 are right.
# Recall 8 / 10 = 0.8: of 10 ill people, 8 are found.
#
# </details>
#
# **7.** You double the number of examples, and the loss is their *sum*.
# What should you do with the learning rate?
#
# <details><summary>Answer</summary>
#
# Halve it: the gradient and the curvature have about doubled.
# With a mean you would leave it.
#
# </details>
#
# The cell below checks the answers to 1, 3, 6 and 7.

# %%
for lr, stable in [(0.19, True), (0.21, False)]:
    assert (abs(1 - lr * 10) < 1) == stable
p = torch.tensor([1.0], requires_grad=True)
optimizer = torch.optim.SGD([p], lr=0.1)
for _ in range(5):
    loss = (p**2).sum()
    optimizer.step()
    loss.backward()
    optimizer.zero_grad()
assert p.item() == 1.0
assert 8 / (8 + 32) == 0.2 and 8 / (8 + 2) == 0.8
once = torch.autograd.functional.hessian(lambda w: ((w * torch.ones(10)) ** 2).sum(), torch.tensor(1.0))
twice = torch.autograd.functional.hessian(lambda w: ((w * torch.ones(20)) ** 2).sum(), torch.tensor(1.0))
assert twice == 2 * once
print("these answers hold")

# %% [markdown]
# ## What to remember
#
# - A loop: clear the gradient, compute the loss, `backward`, step; log `loss.item()`.
# - Gradient descent is stable when the learning rate is below 2 / the largest curvature.
#   A loss that explodes often has too large a rate; one that swings may have gradients that nobody cleared, but momentum swings too.
# - Normalize the inputs, with the statistics of the training data.
# - Momentum averages jumps away; RMSprop and Adam give each parameter its own step length.
#   A schedule lowers the rate toward the end.
# - A sum over the data has larger gradients than a mean: the rate depends on it.
# - Fit on training data, choose on validation data, judge once on test data.
# - Validation loss up, training loss down: overfitting; stop early and keep a copy of the best parameters.
# - Train a smooth loss, report a metric, and compare it with the most stupid rule that you can think of.
#
# Next: the exercises in `release/05_training`, then `notebooks/06_cifar10_cnn`.
#
# ## Further reading
#
# - [torch.optim](https://docs.pytorch.org/docs/stable/optim.html): all optimizers and schedulers
# - [Why momentum really works](https://distill.pub/2017/momentum/): the theory of the sliders above, to play with
# - [Adam: a method for stochastic optimization](https://arxiv.org/abs/1412.6980): the paper
# - [Dive into Deep Learning, optimization algorithms](https://d2l.ai/chapter_optimization/index.html): a whole chapter on the four and more
# - [Metrics and scoring](https://scikit-learn.org/stable/modules/model_evaluation.html): more metrics than you will need
