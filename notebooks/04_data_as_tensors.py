# %% [markdown]
# # Data as tensors
#
# After this lecture you can turn a table, a time series, a text and a photo into tensors that a network can use, and store them.
#
# **You will learn** to
#
# - read a file of numbers, tell the kinds of values apart, and bring columns to one scale;
# - write categories as zeros and ones, select rows with masks, and judge a rule by precision and recall;
# - find and fill the gaps of a time series, and put its axes in the order that a layer wants;
# - give words and images numbers: indices, channels first, one mean per channel;
# - store tensors in files, read a part of a large one, and know which file can run code.
#
# **Time:** 45 minutes.
# Before you run a cell, guess what it prints.

# %%
import base64
import csv
import html
import io
import pickle
import re
import tempfile
import textwrap
import time
import warnings
from collections import Counter
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import h5py
import imageio.v3 as iio
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, display
from torch.nn import functional as F

DATA = next(p / "data" for p in [Path.cwd(), *Path.cwd().parents] if (p / "data" / "README.md").exists())
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"


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
        message = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # without colors
        assert words in message, f"another message: {message}"
        print(f"{type(error).__name__}: {textwrap.shorten(message, 170)}")
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


# %% [markdown]
# ## A table: wine
#
# Here are the first lines of a file about white wines.
# What do you have to know before you can compute with it?

# %%
path = DATA / "winequality-white.csv"
with path.open() as file:
    for _ in range(3):
        print(file.readline().rstrip())

# %% [markdown]
# The first line has names, the values are separated by semicolons, and a point marks the decimals.
# `csv` reads the names, `np.loadtxt` reads the numbers, and `torch.from_numpy` makes a tensor of them without a copy.

# %%
with path.open(newline="") as file:
    names = next(csv.reader(file, delimiter=";"))
table = np.loadtxt(path, dtype=np.float32, delimiter=";", skiprows=1)
wine = torch.from_numpy(table)
print(wine.shape, wine.dtype)
assert wine.shape == (4898, 12) and wine.dtype == torch.float32 and len(names) == 12
assert wine.data_ptr() == table.ctypes.data  # one memory
assert not wine.isnan().any()

# %% [markdown]
# A row is a wine, a column is a measurement.
# A tensor has no place for names and units, so keep them beside it.
# The units stand on the data card, in `data/README.md`.

# %%
units = ["g/dm³"] * 5 + ["mg/dm³"] * 2 + ["g/cm³", "pH", "g/dm³", "% vol", "grade 0-10"]
for i, (name, unit) in enumerate(zip(names, units, strict=True)):
    column = wine[:, i]
    print(f"{i:2} {name:21} {unit:10} from {column.min().item():6.2f} to {column.max().item():6.2f}")

# %% [markdown]
# The last column is the *target*: what a network shall predict from the others, the *features*.
# `long` makes whole numbers (int64) of the grades, because they will serve as indices below.

# %%
features, quality = wine[:, :-1], wine[:, -1].long()
print(features.shape, quality.shape)
print(wine[:, -1], quality)
assert features.shape == (4898, 11) and quality.shape == (4898,) and quality.dtype == torch.int64

# %% [markdown]
# ### Three kinds of values
#
# Every value above is a number, but not every number may be used in the same way.
#
# | kind | example | order? | differences? |
# |---|---|---|---|
# | continuous | alcohol in %, temperature in °C | yes | yes: from 9 to 10 is as far as from 10 to 11 |
# | ordinal | grade of a wine | yes | no: from 5 to 6 need not be as far as from 8 to 9 |
# | categorical | kind of weather: clear, mist, rain | no | no: the numbers are names |
#
# Two shops sell three wines each.
# Predict: which shop is better?

# %%
shop_a, shop_b = torch.tensor([5.0, 5.0, 9.0]), torch.tensor([6.0, 6.0, 6.0])
print(f"means   {shop_a.mean().item():.2f} and {shop_b.mean().item():.2f}")
other_scale = {5.0: 0.0, 6.0: 8.0, 9.0: 10.0}  # other numbers in the same order
new_a = torch.tensor([other_scale[grade] for grade in shop_a.tolist()])
new_b = torch.tensor([other_scale[grade] for grade in shop_b.tolist()])
print(f"means   {new_a.mean().item():.2f} and {new_b.mean().item():.2f} on another scale")
print("medians", shop_a.median().item(), "and", shop_b.median().item())
print("medians", new_a.median().item(), "and", new_b.median().item(), "on another scale")
assert shop_a.mean() > shop_b.mean() and new_a.mean() < new_b.mean()
assert shop_a.median() < shop_b.median() and new_a.median() < new_b.median()

# %% [markdown]
# The second scale has the same order, and yet the mean changes its mind.
# The *median*, the value in the middle, uses the order only, so it does not.
# An order is all that ordinal values have: `4 - 3` and `9 - 8` look equal, but they measure no equal distances.
# For categories even the median means nothing; what remains is the *mode*, the most frequent value.

# %%
print("grades:", dict(sorted(Counter(quality.tolist()).items())))
print("median", quality.median().item(), " mode", quality.mode().values.item())
assert quality.median() == 6 and quality.mode().values == 6

# %% [markdown]
# ### One scale for all columns
#
# Sulfur dioxide goes to hundreds, chlorides stay below one.
# A network adds up its inputs, each with a weight, so at first the large numbers drown the small ones.
# *Standardizing* gives every column mean 0 and standard deviation 1: subtract the mean, divide by the standard deviation.
# The results are called *z-scores*.

# %%
mean, variance = features.mean(dim=0), features.var(dim=0)
standardized = (features - mean) / torch.sqrt(variance)
print(mean.shape, standardized.shape)
assert torch.allclose(standardized.mean(0), torch.zeros(11), atol=1e-4)
assert torch.allclose(standardized.std(0), torch.ones(11), atol=1e-4)

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
for i, color in [(3, BLUE), (6, ORANGE), (10, GREEN)]:
    for ax, x in zip(axes, (features, standardized), strict=True):
        ax.hist(x[:, i].numpy(), bins=40, histtype="step", density=True, color=color, label=names[i], lw=1.8)
axes[0].set(title="as measured", xlabel="value in its own unit", xlim=(-10, 260), ylim=(0, 0.3), ylabel="density")
axes[1].set(title="standardized", xlabel="standard deviations from the mean", xlim=(-4, 5))
axes[1].legend(frameon=False)
show_figure(
    "Distributions of three columns: as measured, sulfur dioxide spreads over hundreds while sugar and alcohol are spikes near zero; standardized, all three lie around 0 and are about equally wide."
)

# %% [markdown]
# The shapes of the distributions stay: residual sugar still has its long tail to the right.
# Standardizing moves and scales, it does not make anything normally distributed.
#
# *A common mistake*: NumPy's functions on tensors.
# They often work, until a version changes.

# %%
with show_warnings():
    root = np.sqrt(variance)
print(type(root), torch.equal(root, variance.sqrt()))

# %% [markdown]
# Use the function of the same name in torch.
#
# ### No peeking
#
# A network is judged on wines that it has not seen.
# Their mean is something that you would not know either.
# So split first, and take mean and standard deviation from the training part only.

# %%
generator = torch.Generator().manual_seed(0)
order = torch.randperm(len(features), generator=generator)
train, test = features[order[:3918]], features[order[3918:]]
mean, std = train.mean(dim=0), train.std(dim=0)
train_z, test_z = (train - mean) / std, (test - mean) / std
for part, z in [("training", train_z), ("test", test_z)]:
    print(f"{part:9} mean {z[:, 6].mean().item():7.4f}  std {z[:, 6].std().item():.4f}")
assert train_z.mean(0).abs().max() < 1e-4 < test_z.mean(0).abs().max()

# %% [markdown]
# The test part has mean and deviation *near* 0 and 1, and that is right: it is measured with the same ruler.
# To let knowledge of the test part slip into the training is called *leakage*.
#
# *A common mistake*: each part gets its own ruler.
# The same wine then has two different descriptions, and a single new wine has none at all.

# %%
wine_alone, wine_in_ten = test[:1], test[:10]
own_ten = (wine_in_ten - wine_in_ten.mean(0)) / wine_in_ten.std(0)
print(f"sulfur dioxide of one wine: {test_z[0, 6].item():.2f} or {own_ten[0, 6].item():.2f}")
with show_warnings():
    own_one = (wine_alone - wine_alone.mean(0)) / wine_alone.std(0)
print(own_one[0, :3])
assert own_one.isnan().all() and not torch.allclose(test_z[0], own_ten[0], atol=0.1)

# %% [markdown]
# There is a second leak in this file.
# How many different rows has it?

# %%
repeated = len(wine) - len(wine.unique(dim=0))
seen = {tuple(row) for row in train.tolist()}
leaked = sum(tuple(row) in seen for row in test.tolist())
print(f"{repeated} rows repeat another one; {leaked} of {len(test)} test wines are in the training part too")
assert repeated == 937 and leaked > 0

# %% [markdown]
# For an honest test, remove the repeated rows before you split, or keep equal rows together.
#
# ### One-hot: a column for each category
#
# A network would read weather 3 as three times weather 1.
# So give each category a column of its own, with a 1 where it applies: *one-hot*.
# `scatter_(dim, index, src)` writes `src` to the places that `index` names along `dim`.

# %%
grades = torch.tensor([6, 5, 7])
columns = torch.zeros(3, 10).scatter_(1, grades.unsqueeze(1), 1.0)  # dim=1: index names columns
print(columns)
rows = torch.zeros(10, 3).scatter_(0, grades.unsqueeze(0), 1.0)  # dim=0: index names rows
assert rows.equal(columns.t())

one_hot = torch.zeros(4898, 10).scatter_(1, quality.unsqueeze(1), 1.0)
assert one_hot.shape == (4898, 10) and (one_hot.sum(dim=1) == 1).all()
assert one_hot.equal(F.one_hot(quality, num_classes=10).float())
assert one_hot.argmax(dim=1).equal(quality)  # and back

# %% [markdown]
# `F.one_hot` does the same in one call; it returns int64.
# Always name `num_classes`: without it, a part of the data without the highest class gives fewer columns.
#
# `scatter_` is more general, and picky.
# Each of these fails: an index without the second dimension, an index of floats, a source of another dtype, a class without a column.

# %%
zeros, index = torch.zeros(3, 10), grades.unsqueeze(1)
with expect_error(RuntimeError, "same number of dimensions"):
    zeros.scatter_(1, grades, 1.0)
with expect_error(RuntimeError, "Expected dtype int32/int64 for index"):
    zeros.scatter_(1, index.float(), 1.0)
with expect_error(RuntimeError, "Expected self.dtype to be equal to src.dtype"):
    zeros.scatter_(1, index, torch.ones(3, 1, dtype=torch.int64))
with expect_error(RuntimeError, "out of bounds"):
    torch.zeros(3, 4).scatter_(1, index, 1.0)
with expect_error(RuntimeError, "one_hot is only applicable to index tensor"):
    F.one_hot(grades.float(), 10)
assert zeros.scatter_(1, index.int(), 1.0).equal(columns)  # int32 is a fine index here
print(F.one_hot(grades).shape, "without num_classes")

# %% [markdown]
# Do grades need one-hot?
# They have an order, and one-hot throws it away; so for ordinal values it is a choice, for categories it is the rule.
#
# ### Masks select rows
#
# A comparison gives a boolean mask, and a mask as index keeps the rows where it is true.
# `le`, `lt`, `gt`, `ge` are the operators `<=`, `<`, `>`, `>=` as functions; `&` joins two masks.

# %%
bad = features[quality <= 3]
middle = features[(quality > 3) & (quality < 7)]
good = features[quality.ge(7)]
print(bad.shape, middle.shape, good.shape)
assert (len(bad), len(middle), len(good)) == (20, 3818, 1060)
for i, name in enumerate(names[:-1]):
    means = [part[:, i].mean().item() for part in (bad, middle, good)]
    print(f"{i:2} {name:21} {means[0]:8.2f} {means[1]:8.2f} {means[2]:8.2f}")
assert [round(part[:, 6].mean().item(), 2) for part in (bad, middle, good)] == [170.60, 141.83, 125.25]
with expect_error(ValueError, "Invalid format specifier"):
    f"{means[0]:.6.2f}"  # the width stands before the point: 6.2f

# %% [markdown]
# Look at the row with index 6, which is the seventh column: bad wines have much sulfur dioxide, good ones little.
#
# ### A rule and its judges
#
# Let us make a rule of it: *a wine with less sulfur dioxide than the mean of the middle group is good*.
# Say that a wine is truly good when its grade is above 5.

# %%
limit = middle[:, 6].mean()
predicted = features[:, 6].lt(limit)  # lt: lower than
actual = quality > 5
hits = (predicted & actual).sum().item()
print(f"limit {limit:.2f}: {predicted.sum()} predicted good, {actual.sum()} are good, {hits} are both")
assert (predicted.sum(), actual.sum(), hits) == (2727, 3258, 2018)

# %% [markdown]
# Two questions judge the rule, and they are easily mixed up.
#
# - *Precision*: of those that the rule **calls** good, how many are?
#   Divide by the predicted ones.
# - *Recall*: of those that **are** good, how many did the rule find?
#   Divide by the actual ones.

# %%
true_positive = (predicted & actual).sum().item()
false_positive = (predicted & ~actual).sum().item()
false_negative = (~predicted & actual).sum().item()
true_negative = (~predicted & ~actual).sum().item()
precision = true_positive / (true_positive + false_positive)
recall = true_positive / (true_positive + false_negative)
f1 = 2 * precision * recall / (precision + recall)
accuracy = (true_positive + true_negative) / len(quality)
print(f"precision {precision:.3f}  recall {recall:.3f}  F1 {f1:.3f}  accuracy {accuracy:.3f}")
assert (false_positive, false_negative, true_negative) == (709, 1240, 931)
assert (round(precision, 3), round(recall, 3)) == (0.740, 0.619)
assert (round(f1, 3), round(accuracy, 3)) == (0.674, 0.602)

# %% [markdown]
# *F1* is the harmonic mean of both: it is high only when both are.
# Is an accuracy of 0.602 good?
# Ask a rule that has never seen a bottle: *every wine is good*.

# %%
always = torch.ones_like(actual)
always_accuracy = (always == actual).float().mean().item()
always_precision, always_recall = actual.float().mean().item(), 1.0
print(f"always good: accuracy {always_accuracy:.3f}, precision {always_precision:.3f}, recall {always_recall:.3f}")
assert always_accuracy > accuracy and always_precision < precision

# %% [markdown]
# It has the better accuracy, because most wines are good.
# Our rule has the better precision: among the wines that it picks, more are good than among all.
# So never report one number alone, and always compare with a rule that knows nothing.
#
# A stricter limit picks fewer wines, so it finds fewer of the good ones.
# Move the limit in the next figure: what does it do to precision?

# %%
def draw_rule(limit=142):
    """Draw the two groups over sulfur dioxide, and what the rule `less than limit` is worth."""
    sulfur = features[:, 6]
    predicted = sulfur < limit
    hits = (predicted & actual).sum().item()
    precision = hits / max(predicted.sum().item(), 1)
    recall = hits / actual.sum().item()
    accuracy = (predicted == actual).float().mean().item()
    _, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.2), layout="constrained", width_ratios=[2, 1])
    bins = np.arange(0, 301, 10)
    left.hist(sulfur[actual].numpy(), bins, color=BLUE, alpha=0.6, label="good")
    left.hist(sulfur[~actual].numpy(), bins, color=ORANGE, alpha=0.6, label="not good")
    left.axvline(limit, color="black")
    left.axvspan(0, limit, color="black", alpha=0.06)
    left.set(xlim=(0, 300), xlabel="total sulfur dioxide in mg/dm³", ylabel="wines", title=f"called good: less than {limit}")
    left.legend(frameon=False)
    scores = {"precision": precision, "recall": recall, "accuracy": accuracy}
    bars = right.barh(list(scores), list(scores.values()), color=[GREEN, RED, "gray"])
    right.bar_label(bars, fmt="%.3f", padding=3)
    right.set(xlim=(0, 1.25), xticks=[0, 0.5, 1])
    right.invert_yaxis()
    show_figure(
        f"Histograms of sulfur dioxide for good and other wines with the limit {limit}; precision {precision:.3f}, recall {recall:.3f}, accuracy {accuracy:.3f}."
    )


draw_rule()
assert (features[actual, 6] < 100).sum() < (features[actual, 6] < 142).sum()

# %%
controls = ipywidgets.interact(draw_rule, limit=(60, 260, 2))

# %%
precisions = {}
for limit in (60, 120, 142, 260):
    called = features[:, 6] < limit
    precisions[limit] = (called & actual).sum().item() / called.sum().item()
    print(f"less than {limit}: {called.sum()} wines, precision {precisions[limit]:.3f}")
assert precisions[60] < actual.float().mean() < precisions[142] < precisions[120]

# %% [markdown]
# Stricter is not always more precise: of the few wines below 60, fewer are good than among all.

# %% [markdown]
# ## A time series: bikes
#
# A rental company has counted its bikes in every hour of two years.
# The second column is a date, which is no number: a *converter* makes one of it, here the days since the first one.

# %%
path = DATA / "bike-sharing-hour.csv"
first_day = date(2011, 1, 1)
with path.open(newline="") as file:
    bike_names = next(csv.reader(file))
    print(",".join(bike_names))
    print(file.readline().rstrip())
bikes = torch.from_numpy(
    np.loadtxt(
        path,
        dtype=np.float32,
        delimiter=",",
        skiprows=1,
        converters={1: lambda text: (date.fromisoformat(text) - first_day).days},
        encoding="utf-8",
    )
)
print(bikes.shape, "from day", bikes[0, 1].item(), "to day", bikes[-1, 1].item())
assert bikes.shape == (17379, 17) and bikes[-1, 1] == 730

# %% [markdown]
# 731 days have 731 × 24 hours.
# Predict: can the table be cut into days with `view(731, 24, 17)`?

# %%
print("hours in 731 days:", 731 * 24, " rows:", len(bikes))
with expect_error(RuntimeError, "is invalid for input of size"):
    bikes.view(731, 24, 17)
blocks = bikes[: len(bikes) // 24 * 24].view(-1, 24, 17)
dates = blocks[:, :, 1]
mixed = (dates.amin(1) != dates.amax(1)).sum().item()
print(f"{len(blocks)} blocks of 24 rows, {mixed} of them with hours of two dates or more")
assert 731 * 24 - len(bikes) == 165 and mixed > 700

# %% [markdown]
# 165 rows are missing.
# Cut off the rest, and `view` is content: but after the first gap, midnight stands in the middle of a block.
# A shape that fits proves nothing.
#
# ### Find the gaps
#
# So give each row its place by its date and hour.
# What stays empty is missing.

# %%
day, hour = bikes[:, 1].long(), bikes[:, 5].long()
present = torch.zeros(731, 24, dtype=torch.bool)
present[day, hour] = True
missing = ~present
print(missing.sum().item(), "hours are missing, most often at", missing.sum(0).topk(4).indices.tolist(), "o'clock")
worst = missing.sum(1).topk(3)
for gap, number in zip(worst.values.tolist(), worst.indices.tolist(), strict=True):
    print(first_day + timedelta(days=number), "lacks", gap, "hours")
print("smallest count of an hour:", bikes[:, 16].min().item())
assert missing.sum() == 165 and bikes[:, 16].min() == 1
assert worst.indices[0] == (date(2012, 10, 29) - first_day).days

# %% [markdown]
# Four in the morning, and days of storm: at the end of October 2012 a hurricane closed the city.
# No row has a count of 0: an hour without a rental seems to have no row at all.
# That tells us how to fill.
#
# - The counts: 0.
# - The calendar (season, weekday and so on): as in the other hours of the same day.
# - The weather: as in the last hour that was measured.
#
# Which way is right depends on what a value means, so it is your decision, not one of a library.

# %%
grid = torch.full((731, 24, 17), float("nan"))
grid[day, hour] = bikes

measured = grid[torch.arange(731), present.int().argmax(dim=1)]  # the first measured hour of each day
calendar = [2, 3, 4, 6, 7, 8]
grid[:, :, calendar] = measured[:, calendar].unsqueeze(1)

flat = grid.view(-1, 17)  # a view: what is written to it is written to grid
position = torch.arange(len(flat))
known = present.flatten()
last_known = torch.where(known, position, 0).cummax(dim=0).values
weather = slice(9, 14)
flat[:, weather] = flat[last_known, weather]
flat[~known, 14:] = 0  # casual, registered, cnt
flat[:, 0], flat[:, 1], flat[:, 5] = position + 1, position // 24, position % 24

assert not grid.isnan().any()
assert grid[day, hour][:, 1:].equal(bikes[:, 1:])  # what was measured is as it was (but its number)
assert grid[:, :, 16].sum() == bikes[:, 16].sum()

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained", width_ratios=[3, 2])
start = (date(2012, 10, 27) - first_day).days
hours = torch.arange(5 * 24)
left.plot(hours.numpy(), grid[start : start + 5, :, 16].flatten().numpy(), color=BLUE, lw=1.6)
gaps = missing[start : start + 5].flatten()
left.fill_between(hours.numpy(), 0, 900, where=gaps.numpy(), color=ORANGE, alpha=0.4, step="mid", lw=0)
left.text(66, 600, "filled", ha="center")
left.set_xticks(range(0, 120, 24), [(first_day + timedelta(days=start + i)).strftime("%b %d") for i in range(5)])
left.set(ylim=(0, 900), ylabel="bikes in an hour", title="five days of 2012, with a storm")
working = grid[:, 0, 8] == 1
right.plot(grid[working, :, 16].mean(0).numpy(), color=BLUE, lw=2)
right.plot(grid[~working, :, 16].mean(0).numpy(), color=RED, lw=2)
right.text(8.6, 470, "working days", color=BLUE)
right.text(9.8, 390, "other days", color=RED)
right.set(xticks=range(0, 24, 6), ylim=(0, 560), xlabel="hour of the day", title="the mean day")
work, free = grid[working, :, 16].mean(0), grid[~working, :, 16].mean(0)
assert gaps.sum() == 36 and free.argmax() == 13
assert all(work[i] > work[i - 1] and work[i] > work[i + 1] for i in (8, 17))
show_figure(
    "Left, rentals of five days in October 2012, with zero for the 36 filled hours of a storm; right, the mean working day has peaks at 8 and 17 o'clock, other days one hill around 13 o'clock."
)

# %% [markdown]
# ### Days, hours, channels
#
# Now the blocks are days, and `grid` has the axes N × L × C: days, hours, channels.
# Its strides say how it lies in memory: 17 values to the next hour, 24 · 17 to the next day.

# %%
print(grid.shape, grid.stride())
assert grid.shape == (731, 24, 17) and grid.stride() == (408, 17, 1)
assert grid.equal(flat.view(-1, 24, 17))

# %% [markdown]
# A convolution over time wants N × C × L.
# *A common mistake* is to ask `view` for that shape.
# Predict: which of the two lines shows a temperature in each hour?

# %%
series = grid.transpose(1, 2)
scrambled = grid.view(731, 17, 24)
print(series.shape, series.stride())
print("transpose:", series[0, 10, :6])
print("view:     ", scrambled[0, 10, :6])
assert series.shape == scrambled.shape == (731, 17, 24)
assert series[0, 10].equal(grid[0, :, 10]) and not scrambled[0, 10].equal(grid[0, :, 10])
print(torch.nn.Conv1d(in_channels=17, out_channels=4, kernel_size=3)(series).shape)

# %% [markdown]
# `transpose` exchanges two axes, `view` cuts the same numbers anew.
#
# ### Weather as four channels
#
# Channel 9 is the weather: 1 clear, 2 mist, 3 light rain, 4 heavy rain.
# These are categories, so we want four channels of zeros and ones: one-hot along the axis of the channels.
# `scatter_` needs an index with as many dimensions as the result, (731, 4, 24).
# Here are two ways to add the dimension that is missing.
# Both run without an error.
# Which one is right?

# %%
weather = series[:, 9].long() - 1  # from 0, as indices are
print(weather.shape, "values", weather.unique().tolist())
one = torch.zeros(731, 4, 24).scatter_(1, weather.unsqueeze(1), 1.0)
two = torch.zeros(731, 4, 24).scatter_(1, weather.unsqueeze(2), 1.0)
print("ones:", one.sum().item(), "and", two.sum().item(), "of", 731 * 24)
print("each hour has one kind of weather:", (one.sum(1) == 1).all().item(), "and", (two.sum(1) == 1).all().item())
assert one.sum() == 731 * 24 and (one.sum(1) == 1).all()
assert two[:, :, 1:].sum() == 0 and two.sum() < 2000
assert one.equal(F.one_hot(weather, 4).movedim(-1, 1).float())

# %% [markdown]
# `unsqueeze(1)` gives (731, 1, 24): for each day and hour, one channel to write to.
# `unsqueeze(2)` gives (731, 24, 1): its last axis has length 1, so all 24 hours are written to hour 0, and the other hours stay empty.
# An index may be smaller than the result, so torch sees no mistake.
# After each one-hot, check that the sum over the classes is 1 everywhere.
#
# `torch.cat` appends the four channels; they are the last ones, and channel 9 is still there.
# To replace it, leave it out.

# %%
appended = torch.cat([series, one], dim=1)
replaced = torch.cat([series[:, :9], one, series[:, 10:]], dim=1)
print(appended.shape, replaced.shape)
assert appended.shape == (731, 21, 24) and appended[:, 17:].equal(one)
assert appended[:, 9].equal(series[:, 9])
assert replaced.shape == (731, 20, 24) and replaced[:, 9:13].equal(one)

# %% [markdown]
# ### Two ways to scale a channel
#
# Channel 10 is the temperature.
# *Min-max scaling* maps the smallest value to 0 and the largest to 1; the z-score you know.

# %%
temperature = series[:, 10]
low, high = temperature.min(), temperature.max()
print(f"in the file: from {low:.2f} to {high:.2f}")
scaled = (temperature - low) / (high - low)
z = (temperature - temperature.mean()) / temperature.std()
print(f"min-max: from {scaled.min():.2f} to {scaled.max():.2f}; z-scores: from {z.min():.2f} to {z.max():.2f}")
assert round(low.item(), 2) == 0.02 and high == 1
assert scaled.min() == 0 and scaled.max() == 1
assert z.mean().abs() < 1e-4 and abs(z.std() - 1) < 1e-4

# %% [markdown]
# Both are called *normalization*.
# The word *regularization* sounds alike and means something else: whatever keeps a network from learning its training data by heart.
#
# ### Windows
#
# To predict the next hour from the last 48, cut the series into windows.
# `unfold` does it as a view: no number is copied, however many windows there are.

# %%
long_series = flat[:, 16]
windows = long_series.unfold(0, 48, 1)[:-1]  # the last one has no next hour
targets = long_series[48:]
print(windows.shape, windows.stride(), "->", targets.shape)
assert len(windows) == len(targets) == 731 * 24 - 48
assert windows[5].equal(long_series[5:53]) and targets[5] == long_series[53]
assert windows.untyped_storage().data_ptr() == flat.untyped_storage().data_ptr()

# %% [markdown]
# ## A text: words as numbers
#
# A novel has no columns.
# Its smallest pieces are characters, and each has a number: its *code point*.

# %%
text = (DATA / "pride-and-prejudice.txt").read_text(encoding="utf-8")
lines = text.split("\n")
line = lines[169]
print(len(text), "characters;", len(set(text)), "different ones;", len(lines[169]), "in this line:")
print(line)
codes = torch.tensor([ord(character) for character in line])
print(codes[:12].tolist())
characters = F.one_hot(codes, num_classes=128).float()
assert characters.shape == (70, 128)
assert "".join(chr(code) for code in characters.argmax(1).tolist()) == line
assert text.isascii() and not "“".isascii()
print("a curly quote has the number", ord("“"))

# %%
plt.figure(figsize=(9, 2.9), layout="constrained")
plt.imshow(characters.t().numpy(), cmap="Blues", aspect="auto", interpolation="nearest", vmax=0.7)
plt.xticks(range(70), list(line), fontsize=8)
plt.yticks([32, 65, 97, 122], ["space", "A", "a", "z"])
plt.ylim(127.5, 31.5)
show_figure(
    "The line as 70 columns of 128 rows: each column has one dark cell, in the row of its character; most are in the rows from a to z, regular gaps are spaces."
)

# %% [markdown]
# Each character is a column with a single 1.
# 128 classes are enough for ASCII, the characters of an old American keyboard.
# For a text with curly quotes or é they are not, and `F.one_hot` would fail.
# UTF-8 writes every text as bytes, and 256 classes always suffice for bytes.

# %%
with expect_error(RuntimeError, "smaller than num_classes"):
    F.one_hot(torch.tensor([ord("“")]), num_classes=128)
print(list("“é".encode()))
assert bytes(list("“é".encode())).decode() == "“é"

# %% [markdown]
# ### Words
#
# Words carry more meaning.
# To count "Impossible," and "impossible" as one word, make all letters small and strip punctuation.

# %%
def clean_words(text, punctuation='.,;:"!?_-()'):
    """Return the words of a text in small letters, without punctuation at their ends."""
    words = text.lower().replace("--", " ").split()
    stripped = [word.strip(punctuation) for word in words]
    return [word for word in stripped if word]


print(clean_words(line))
assert len(clean_words(line)) == 11
words = clean_words(text)
vocabulary = sorted(set(words))
careless = sorted(set(clean_words(text, punctuation=".,;:“”!?_-()")))  # curly quotes only
print(len(words), "words,", len(vocabulary), "different ones; with the other quotes", len(careless))
print(careless[:6])
assert "impossible" in careless and '"impossible' in careless
assert len(careless) > len(vocabulary) + 1000
twice = {word for entry in careless if '"' in entry for word in clean_words(entry)} & set(careless)
print(len(twice), "words exist with and without a quotation mark")
assert len(twice) > 500

# %% [markdown]
# One kind of quotation mark forgotten, and more than a thousand entries too many: hundreds of words exist twice or more, as `impossible` and `"impossible`.
# Always look at some of what you got, best at both ends of a sorted list.
#
# The *vocabulary* gives each word its number.

# %%
number_of = {word: i for i, word in enumerate(vocabulary)}
for word in clean_words(line)[:4]:
    print(number_of[word], word)
indices = torch.tensor([number_of[word] for word in clean_words(line)])
line_one_hot = F.one_hot(indices, num_classes=len(vocabulary)).float()
print(line_one_hot.shape)
assert line_one_hot.shape == (11, len(vocabulary))
assert [vocabulary[i] for i in indices.tolist()] == clean_words(line)
print(Counter(words).most_common(5))

# %% [markdown]
# ### Why not one-hot
#
# Eleven words became a matrix with thousands of columns.
# Predict: how much memory would the whole novel need?

# %%
all_indices = torch.tensor([number_of[word] for word in words])
one_hot_bytes = len(words) * len(vocabulary) * 4
print(f"text {len(text) / 1e6:.1f} MB, indices {all_indices.nbytes / 1e6:.1f} MB, one-hot {one_hot_bytes / 1e9:.1f} GB")
assert one_hot_bytes > 3e9 and all_indices.nbytes < 1e6

# %% [markdown]
# More than 3 GB for less than 1 MB of text, and all but one number of each row is 0.
# So nobody stores it: a network gets the indices, and looks up a short row of numbers for each word, its *embedding*.
# Looking up row `i` is the same as multiplying with a one-hot row, without the zeros.

# %%
torch.manual_seed(0)
embedding = torch.nn.Embedding(num_embeddings=len(vocabulary), embedding_dim=8)
vectors = embedding(indices)
print(vectors.shape)
assert torch.allclose(vectors, line_one_hot @ embedding.weight)
assert embedding(all_indices).shape == (len(words), 8)
distances = torch.cdist(line_one_hot, line_one_hot)[indices.unsqueeze(0) != indices.unsqueeze(1)]
assert torch.allclose(distances, torch.tensor(2**0.5))  # one-hot: all words are equally far apart
print(f"the whole novel: {embedding(all_indices).nbytes / 1e6:.1f} MB")

# %% [markdown]
# The numbers of the rows are random at first and are learned like all weights.
# After learning, words that are used alike tend to have similar rows, while in one-hot all words are equally far apart.
#
# What about a word that is not in the vocabulary?
# Reserve an index for all unknown words, and build the vocabulary from the training part only, for the same reason as before.

# %%
with expect_error(KeyError, "smartphone"):
    number_of["smartphone"]
known_words = ["<unknown>", *vocabulary]
number_of = {word: i for i, word in enumerate(known_words)}
print([number_of.get(word, 0) for word in ["my", "smartphone", "is", "impossible"]])
assert number_of.get("smartphone", 0) == 0 and number_of["impossible"] > 0

# %% [markdown]
# ## Images: channels first
#
# An image file gives height × width × channel.
# The layers of PyTorch want channel × height × width.

# %%
photo = torch.from_numpy(iio.imread(DATA / "coffee.png"))
image = photo.permute(2, 0, 1)
print(photo.shape, "->", image.shape, image.dtype)
assert photo.shape == (400, 600, 3) and image.shape == (3, 400, 600) and image.dtype == torch.uint8

figure, axes = plt.subplots(1, 4, figsize=(9.5, 1.9), layout="constrained")
axes[0].imshow(photo.numpy())
axes[0].set_title("photo")
for ax, channel, name in zip(axes[1:], image, ["red", "green", "blue"], strict=True):
    ax.imshow(channel.numpy(), cmap="gray", vmin=0, vmax=255)
    ax.set_title(name)
for ax in axes:
    ax.axis("off")
show_figure("A cup of coffee in color, and its red, green and blue channel in gray: the table is bright in red and dark in blue.")

# %% [markdown]
# *A common mistake* is to swap two axes instead of moving one.
# `transpose(0, 2)` also puts the channels first.
# Predict: what does the picture look like?

# %%
swapped = photo.transpose(0, 2)
print(swapped.shape, "instead of", image.shape)
assert swapped.shape == (3, 600, 400)
square = photo[:256, :256]
assert square.transpose(0, 2).shape == square.permute(2, 0, 1).shape  # nothing to see in the shape
assert not square.transpose(0, 2).equal(square.permute(2, 0, 1))

figure, axes = plt.subplots(1, 3, figsize=(8.4, 3), layout="constrained", width_ratios=[3, 2, 3])
scrambled = photo.reshape(3, 400, 600)
assert scrambled[:, 0, 0].equal(torch.stack([photo[0, 0, 0], photo[133, 200, 0], photo[266, 400, 0]]))
for ax, x, code in zip(
    axes,
    (image, swapped, scrambled),
    ("permute(2, 0, 1)", "transpose(0, 2)", "reshape(3, 400, 600)"),
    strict=True,
):
    ax.imshow(x.permute(1, 2, 0).numpy())
    ax.set_title(f"{code}\n{tuple(x.shape)}", family="monospace", fontsize=10)
    ax.axis("off")
show_figure(
    "The coffee three times: right with permute, mirrored along its diagonal with transpose, and unrecognizable, in false colors, with reshape."
)

# %% [markdown]
# Width and height have changed places: the cup lies on its side, mirrored.
# With a square picture the shape would not have told.
# `reshape` is worse: it moves no axis at all, so red, green and blue of one pixel come from three distant places of the photo.
#
# ### A batch
#
# A batch is one tensor, so all its images need one size.
# Here each photo gives a crop of 240 × 320 from its center.

# %%
def crop_center(image, height, width):
    """Return the center of an image (C, H, W) as a view."""
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    return image[:, top : top + height, left : left + width]


files = ["chelsea.png", "coffee.png", "rocket.jpg"]
photos = [torch.from_numpy(iio.imread(DATA / name)).permute(2, 0, 1) for name in files]
print([tuple(photo.shape) for photo in photos])
with expect_error(RuntimeError, "equal size"):
    torch.stack(photos)
batch = torch.stack([crop_center(photo, 240, 320) for photo in photos])
print(batch.shape, batch.dtype)
assert batch.shape == (3, 3, 240, 320) and batch.dtype == torch.uint8

# %% [markdown]
# The pixels are uint8, whole numbers from 0 to 255.
# With these you cannot compute far: a mean is no whole number, and 300 does not fit.

# %%
with expect_error(RuntimeError, "could not infer output dtype"):
    batch.mean()
with expect_error(RuntimeError, "can't be cast to the desired output type"):
    batch.clone().div_(255)
bright = torch.tensor([200], dtype=torch.uint8)
print("200 + 100 =", (bright + 100).item())
assert bright + 100 == 44
scaled = batch.float() / 255
print(scaled.dtype, "from", scaled.min().item(), "to", scaled.max().item())
assert scaled.dtype == torch.float32 and scaled.min() >= 0 and scaled.max() <= 1

# %% [markdown]
# ### One mean for each channel
#
# Now standardize, as the columns of the wine table: the columns of an image are its channels.
# So take the mean over images, height and width, and keep the channel.

# %%
mean = scaled.mean(dim=(0, 2, 3), keepdim=True)
std = scaled.std(dim=(0, 2, 3), keepdim=True)
normalized = (scaled - mean) / std
print(mean.shape, mean.flatten(), std.flatten())
assert mean.shape == (1, 3, 1, 1)
assert torch.allclose(normalized.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
assert torch.allclose(normalized.std((0, 2, 3)), torch.ones(3), atol=1e-4)

# %% [markdown]
# These means and standard deviations are taken from the training images once, and then used for all images.
# Some call this batch normalization, but that is the name of a *layer*: it takes new statistics from each batch while a network learns.
# On this batch the two give nearly the same numbers, on two of its three images they do not.

# %%
layer = torch.nn.BatchNorm2d(3, affine=False)
print(torch.allclose(layer(scaled), normalized, atol=1e-3), torch.allclose(layer(scaled[:2]), normalized[:2], atol=1e-3))
assert torch.allclose(layer(scaled), normalized, atol=1e-3)
assert not torch.allclose(layer(scaled[:2]), normalized[:2], atol=1e-3)

# %% [markdown]
# ## Files that hold tensors
#
# To read all those files again each time is slow.
# `torch.save` writes tensors to a file or a file object, also in a list or dict, and `torch.load` gives them back with dtype and shape.

# %%
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "wine.pt"
torch.save({"features": features, "quality": quality, "names": names}, path)
loaded = torch.load(path)
assert loaded["features"].equal(features) and loaded["quality"].dtype == torch.int64
assert loaded["names"] == names
with path.open("rb") as file:  # an open file does as well
    assert torch.load(file)["quality"].equal(quality)
print(loaded.keys(), f"{path.stat().st_size / 1e3:.0f} kB")

# %% [markdown]
# Predict: how large is a file with the first two rows only?

# %%
rows = wine[:2]
torch.save(rows, path)
whole = path.stat().st_size
torch.save(rows.clone(), path)
print(f"{whole / 1e3:.0f} kB as a view, {path.stat().st_size / 1e3:.0f} kB as a clone")
assert whole > 100 * rows.nbytes

# %% [markdown]
# A view is saved with its whole storage, so `clone` a small part before you save it.
#
# ### A pickle is a program
#
# `torch.save` uses Python's *pickle*, which can store nearly any object.
# To do so, a pickle contains commands: *call this function with these arguments*.
# Here is an object that asks for a call of `print`.

# %%
class Surprise:
    """What pickle shall do to make this object again: call print."""

    def __reduce__(self):
        return print, ("this line was printed by the file",)


torch.save(Surprise(), path)
torch.load(path, weights_only=False)
with expect_error(pickle.UnpicklingError, "Weights only load failed"):
    torch.load(path)

# %% [markdown]
# Loading it with `weights_only=False` ran what the file wanted.
# It could as well have been a command that removes your files.
# By default, `weights_only` is true: only tensors, plain containers and a few types that are known to be harmless are made, and all else is refused.
# This check has had holes, which newer versions have closed: so keep PyTorch up to date, and load files from sources that you trust.
# For the same reason a whole network, an object of a class of its own, is refused too; its tensors are not.

# %%
network = torch.nn.Linear(11, 1)
torch.save(network, path)
with expect_error(pickle.UnpicklingError, "Weights only load failed"):
    torch.load(path)
torch.save(network.state_dict(), path)
network.load_state_dict(torch.load(path, weights_only=True))
print(torch.load(path).keys())

# %% [markdown]
# When a file from the internet asks you for `weights_only=False`, it asks you to run its code.
#
# ### HDF5: large data, read in parts
#
# HDF5 is a file format for arrays, with folders inside the file (*groups*), arrays (*data sets*) and notes (*attributes*).
# It runs no code, other languages read it too, and it can be larger than your memory.
# In Python, the library `h5py` speaks NumPy, so a tensor goes in with `.numpy()` and comes out with `torch.from_numpy`.

# %%
path = Path(folder.name) / "places.h5"
coordinates = torch.tensor([[48.1, 11.6], [38.9, -77.0], [31.2, 121.5]])
with h5py.File(path, "w") as file:
    group = file.create_group("cities")
    data_set = group.create_dataset("coords", data=coordinates.numpy())
    data_set.attrs["unit"] = "degrees"

with h5py.File(path) as file:
    data_set = file["cities/coords"]
    print(data_set.shape, data_set.dtype, data_set.attrs["unit"])
    back = torch.from_numpy(data_set[:])
    last = torch.from_numpy(data_set[-1:])  # reads the last row only
assert back.equal(coordinates) and last.equal(coordinates[-1:])

# %% [markdown]
# `file["cities/coords"]` reads nothing yet: it only points at the data set.
# The brackets, as in `[:]`, read.
# *A common mistake* is to read after the file was closed.

# %%
print(data_set)
with expect_error((OSError, ValueError), ""):
    data_set[:]

# %% [markdown]
# ### Chunks and compression
#
# The file `cifar10-mini.h5` has 6000 small images of ten classes.
# What does it say about itself?

# %%
def show(name, thing):
    """Print what an entry of an HDF5 file is."""
    is_group = isinstance(thing, h5py.Group)
    print(f"{name:14}", "group" if is_group else f"{thing.shape} {thing.dtype}")


with h5py.File(DATA / "cifar10-mini.h5") as file:
    file.visititems(show)
    class_names = [name.decode() for name in file["classes"][:]]
    images = file["train/images"]
    print(file.attrs["title"])
    print("chunks of", images.chunks, "compressed with", images.compression)
    print(f"{images.nbytes / 1e6:.1f} MB of pixels in {images.id.get_storage_size() / 1e6:.1f} MB of the file")
    assert images.shape == (5000, 32, 32, 3) and images.chunks[0] == 100

# %% [markdown]
# The images are cut into *chunks* of 100, and each chunk is compressed on its own.
# To get one image, h5py reads and unpacks one chunk, and leaves the other 49 alone.
# Let us measure.

# %%
def best_time(read):
    """Return the shortest of three times that `read` takes, in seconds."""
    times = []
    for _ in range(3):
        with h5py.File(DATA / "cifar10-mini.h5") as file:  # opened anew: no chunk is remembered
            start = time.perf_counter()
            read(file["train/images"])
            times.append(time.perf_counter() - start)
    return min(times)


seconds = {
    "one image": best_time(lambda images: images[1234]),
    "100 images of one chunk": best_time(lambda images: images[1200:1300]),
    "100 images of 50 chunks": best_time(lambda images: images[::50]),
    "all 5000 images": best_time(lambda images: images[:]),
}
for what, took in seconds.items():
    print(f"{what:24} {1000 * took:7.2f} ms")
assert 3 * seconds["one image"] < seconds["all 5000 images"]
assert 3 * seconds["100 images of one chunk"] < seconds["100 images of 50 chunks"]

# %% [markdown]
# One image costs about as much as a hundred neighbors, because a chunk is always read whole.
# And a hundred images from all over the file cost about as much as all of them.
# So chunks should have the shape of what you read at once: here, batches of neighbors.
#
# Mean and standard deviation follow from sums, and sums can be collected chunk by chunk, also from a file that is too large for the memory.
# Predict: is the mean of the means of all batches the same?

# %%
file = h5py.File(DATA / "cifar10-mini.h5")
images = file["test/images"]
count, total, squares = 0, torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
means = []
for start in range(0, len(images), 300):
    part = torch.from_numpy(images[start : start + 300]).double() / 255  # (300, 32, 32, 3), at the end fewer
    count += part[..., 0].numel()
    total += part.sum(dim=(0, 1, 2))
    squares += (part**2).sum(dim=(0, 1, 2))
    means.append(part.mean(dim=(0, 1, 2)))
mean = total / count
std = (squares / count - mean**2).sqrt()
print("mean", mean, "std", std)
everything = torch.from_numpy(images[:]).double() / 255  # only to check
assert torch.allclose(mean, everything.mean((0, 1, 2)))
assert torch.allclose(std, everything.std((0, 1, 2), correction=0))
print(f"the mean of means is off by up to {(torch.stack(means).mean(0) - mean).abs().max().item():.5f}")
assert not torch.equal(torch.stack(means).mean(0), mean)

# %% [markdown]
# The last batch is smaller, but in the mean of means it has the weight of a full one.
# The sums are kept in float64: the variance is a difference of two numbers that can be nearly equal, and float32 has seven digits.
# Bright pixels that are nearly alike show what is lost.

# %%
bright = torch.tensor([253.0, 254.0, 255.0]).repeat(100_000) / 255
true_variance = bright.double().var(correction=0).item()
errors = {}
for dtype in (torch.float32, torch.float64):
    sums = torch.zeros(2, dtype=dtype)
    for part in bright.to(dtype).split(300):
        sums += torch.stack([part.sum(), (part**2).sum()])
    variance = (sums[1] / len(bright) - (sums[0] / len(bright)) ** 2).item()
    errors[dtype] = abs(variance / true_variance - 1)
    print(f"{dtype}: {variance:.3e}, off by {errors[dtype]:.0e}")
assert errors[torch.float64] < 1e-6 and errors[torch.float32] > 1e-5

# %%
figure, axes = plt.subplots(2, 10, figsize=(9.5, 2.3), layout="constrained")
images, labels = file["train/images"][:100], torch.from_numpy(file["train/labels"][:100])
for c, name in enumerate(class_names):
    for ax, i in zip(axes[:, c], (labels == c).nonzero()[:2, 0].tolist(), strict=True):
        ax.imshow(images[i])
        ax.axis("off")
    axes[0, c].set_title(name, fontsize=9)
file.close()
folder.cleanup()
show_figure("Two small images of each of the ten classes, from airplane to truck, from the first chunk of the HDF5 file.")

# %% [markdown]
# ### Which format for what
#
# | format | good for | runs code when loaded |
# |---|---|---|
# | CSV | small tables that people read | no |
# | JSON | settings, names, nested lists | no |
# | `.npy` | one array | no, unless you allow pickles |
# | `.pt` (`torch.save`) | tensors and weights, from PyTorch to PyTorch | not meant to, with `weights_only=True` |
# | HDF5 | large arrays, read in parts, with notes | no |
# | ONNX, Protobuf | networks and messages, between programs and languages | no |
#
# ## Check yourself
#
# Answer first, then unfold.
#
# **1.** Postal codes are numbers.
# Which kind of values are they, and what do you do before a network gets them?
#
# <details><summary>Answer</summary>
#
# Categorical: 20 is not twice 10.
# One-hot, or indices for an embedding when there are many.
#
# </details>
#
# **2.** A rule finds 8 of 10 sick people, and also calls 8 healthy ones sick.
# What are its precision and its recall?
#
# <details><summary>Answer</summary>
#
# Precision 8 / 16 = 0.5, recall 8 / 10 = 0.8.
#
# </details>
#
# **3.** You standardize the whole table and then split it into training and test part.
# What is wrong?
#
# <details><summary>Answer</summary>
#
# The means and standard deviations know the test part: leakage.
# Split first, and use the statistics of the training part for both.
#
# </details>
#
# **4.** `labels` has shape (8, 24) and values from 0 to 3.
# Which `unsqueeze` do you need to scatter it into zeros of shape (8, 24, 4)?
#
# <details><summary>Answer</summary>
#
# `unsqueeze(2)`, with `scatter_(2, ...)`: here the classes are the last axis.
# The new dimension stands where the classes are.
#
# </details>
#
# **5.** `photo` has shape (400, 600, 3).
# What is the shape of `photo.transpose(0, 2)`, and what of `photo.movedim(-1, 0)`?
#
# <details><summary>Answer</summary>
#
# (3, 600, 400), with width before height, and (3, 400, 600), which is what you want.
#
# </details>
#
# **6.** Someone sends you a `.pt` file, and `torch.load` refuses it.
# What do you do?
#
# <details><summary>Answer</summary>
#
# Ask for the tensors alone, as a state dict.
# `weights_only=False` would run whatever the file contains.
#
# </details>
#
# **7.** You read single images in random order from an HDF5 file with chunks of 100 images.
# Why is it slow, and what helps?
#
# <details><summary>Answer</summary>
#
# Each image costs a whole chunk.
# Smaller chunks help, or reading chunks in random order and mixing inside them.
#
# </details>
#
# The cell below checks these answers.

# %%
sick = torch.tensor([1] * 10 + [0] * 20, dtype=torch.bool)
called = torch.tensor([1] * 8 + [0] * 2 + [1] * 8 + [0] * 12, dtype=torch.bool)
both = (sick & called).sum()
assert both / called.sum() == 0.5 and abs(both / sick.sum() - 0.8) < 1e-6
labels = torch.randint(0, 4, (8, 24))
encoded = torch.zeros(8, 24, 4).scatter_(2, labels.unsqueeze(2), 1.0)
assert encoded.equal(F.one_hot(labels, 4).float())
assert photo.transpose(0, 2).shape == (3, 600, 400)
assert photo.movedim(-1, 0).shape == (3, 400, 600)
print("all answers hold")

# %% [markdown]
# ## What to remember
#
# - Keep names and units beside a tensor; it has no place for them.
# - Continuous values have differences, ordinal ones an order, categorical ones neither.
# - Split first; mean and standard deviation come from the training part and serve for all parts.
# - One-hot gives each category a channel; after it, the sum over the classes is 1 everywhere.
# - Precision divides by what was predicted, recall by what is true; compare with a rule that knows nothing.
# - A series has gaps until you have counted; how to fill them depends on what a value means.
# - `view` moves no axis: for N × C × L use `transpose`, for C × H × W use `permute(2, 0, 1)`.
# - Words become indices, and an embedding looks up their rows; one index is for the unknown.
# - uint8 images become float32 between 0 and 1, then each channel gets its own mean and standard deviation.
# - A pickle can run code: load with `weights_only=True`, and large data from HDF5 in parts.
#
# Next: the exercises in `release/04_data_as_tensors`, then `notebooks/05_training`.
#
# ## Further reading
#
# - [numpy.loadtxt](https://numpy.org/doc/stable/reference/generated/numpy.loadtxt.html): converters, missing values, other separators
# - [torch.Tensor.scatter_](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.scatter_.html): the rule in full
# - [Serialization semantics](https://docs.pytorch.org/docs/stable/notes/serialization.html): views, `weights_only`, `map_location`
# - [h5py](https://docs.h5py.org/en/stable/quick.html): groups, attributes, chunks
# - [torchvision.transforms.v2](https://docs.pytorch.org/vision/stable/transforms.html): a module of ready-made steps for images
# - `data/README.md`: the data cards of all files used here
