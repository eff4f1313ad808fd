"""Right and wrong answers to the exercises of 04_data_as_tensors, as `autograder verify` grades them.

Each cell replaces the solution cell that its marker names.
A wrong answer also says which words the message of its first failing test must contain.
The imports below are here for the linter: the set-up cell of the exercises does them for all answers.
"""

import csv
import io
import math
from collections import Counter

import h5py
import numpy as np
import torch
from torch.nn import functional as F


# %% with DictReader right="parse_table"
def parse_table(text, delimiter):
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    names = list(reader.fieldnames)
    rows = [[float(row[n].replace("NA", "") or "nan") for n in names] for row in reader]
    return names, torch.tensor(rows, dtype=torch.float32)


# %% names with csv, numbers with split, NumPy right="parse_table"
def parse_table(text, delimiter):
    lines = text.replace("\r", "").split("\n")
    names = next(csv.reader([lines[0]], delimiter=delimiter))
    values = np.zeros((0, len(names)), dtype=np.float32)
    for line in lines[1:]:
        if line != "":
            cells = [
                np.nan if cell in {"NA", ""} else float(cell) for cell in line.split(delimiter)
            ]
            values = np.vstack([values, np.array(cells, dtype=np.float32)])
    return names, torch.from_numpy(values)


# %% with genfromtxt right="parse_table"
def parse_table(text, delimiter):
    lines = [line for line in text.splitlines() if line.strip("\r\n")]
    names = next(csv.reader(lines[:1], delimiter=delimiter))
    array = np.genfromtxt(
        lines[1:], delimiter=delimiter, dtype=np.float32, missing_values="NA", ndmin=2
    )
    return names, torch.from_numpy(array)


# %% keeps the quotes wrong="parse_table" says="item 0: wrong length: 3 instead of 2"
def parse_table(text, delimiter):
    names, *lines = [line for line in text.splitlines() if line]
    rows = [
        [float(c) if c not in ("", "NA") else math.nan for c in ln.split(delimiter)] for ln in lines
    ]
    return names.split(delimiter), torch.tensor(rows)


# %% splits names at every delimiter wrong="parse_table" says="wrong length: 3 instead of 2"
def parse_table(text, delimiter):
    names, *lines = [line for line in text.splitlines() if line]
    names = [name.strip('"') for name in names.split(delimiter)]
    rows = [
        [float(c) if c not in ("", "NA") else math.nan for c in ln.split(delimiter)] for ln in lines
    ]
    return names, torch.tensor(rows)


# %% missing becomes zero wrong="parse_table" says="wrong values: 0 instead of nan"
def parse_table(text, delimiter):
    names, *rows = csv.reader([line for line in text.splitlines() if line], delimiter=delimiter)
    return names, torch.tensor(
        [[0.0 if c in ("", "NA") else float(c) for c in row] for row in rows]
    )


# %% forgets that nothing is missing too wrong="parse_table" says="parse_table raised ValueError: could not convert string to float"
def parse_table(text, delimiter):
    names, *rows = csv.reader([line for line in text.splitlines() if line], delimiter=delimiter)
    return names, torch.tensor([[math.nan if c == "NA" else float(c) for c in row] for row in rows])


# %% trips over empty lines wrong="parse_table" says="parse_table raised ValueError"
def parse_table(text, delimiter):
    names, *rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    return names, torch.tensor(
        [[float(c if c not in ("", "NA") else "nan") for c in row] for row in rows]
    )


# %% drops samples with gaps wrong="parse_table" says="wrong shape: (1, 2) instead of (3, 2)"
def parse_table(text, delimiter):
    names, *rows = csv.reader([line for line in text.splitlines() if line], delimiter=delimiter)
    rows = [[float(c) for c in row] for row in rows if "NA" not in row and "" not in row]
    return names, torch.tensor(rows).view(len(rows), len(names))


# %% float64 wrong="parse_table" says="wrong dtype: torch.float64 instead of torch.float32"
def parse_table(text, delimiter):
    names, *rows = csv.reader([line for line in text.splitlines() if line], delimiter=delimiter)
    return names, torch.tensor(np.array([[float(c or "nan") for c in row] for row in rows]))


# %% takes the names for a sample wrong="parse_table" says="parse_table raised ValueError"
def parse_table(text, delimiter):
    rows = list(csv.reader([line for line in text.splitlines() if line], delimiter=delimiter))
    return rows[0], torch.tensor([[float(c or "nan") for c in row] for row in rows])


# %% keepdim and where right="standardize_splits"
def standardize_splits(train, test):
    std, mean = torch.std_mean(train, dim=0, keepdim=True)
    std = torch.where(std == 0, torch.ones_like(std), std)
    return (train - mean) / std, (test - mean) / std


# %% column by column right="standardize_splits"
def standardize_splits(train, test):
    train, test = train.clone(), test.clone()
    for j in range(train.shape[1]):
        mean, std = train[:, j].mean().item(), train[:, j].std().item() or 1.0
        for part in (train, test):
            part[:, j] = (part[:, j] - mean) / std
    return train, test


# %% one table and split again right="standardize_splits"
def standardize_splits(train, test):
    n = len(train)
    both = torch.cat([train, test]) - train.mean(0)
    std = train.var(0).sqrt()
    both = both / std.masked_fill(std == 0, 1.0)
    return both[:n], both[n:]


# %% each part its own ruler wrong="standardize_splits" says="item 1: wrong values"
def standardize_splits(train, test):
    def scale(x):
        std = x.std(dim=0)
        return (x - x.mean(dim=0)) / torch.where(std == 0, 1.0, std)

    return scale(train), scale(test)


# %% one ruler from both parts wrong="standardize_splits" says="item 0: wrong values"
def standardize_splits(train, test):
    both = torch.cat([train, test])
    mean, std = both.mean(0), both.std(0)
    std[std == 0] = 1
    return (train - mean) / std, (test - mean) / std


# %% mean of training, deviation of the part wrong="standardize_splits" says="item 1: wrong values"
def standardize_splits(train, test):
    mean = train.mean(0)
    return (train - mean) / train.std(0).clamp(min=1e-9), (test - mean) / test.std(0).clamp(
        min=1e-9
    )


# %% divides by zero wrong="standardize_splits" says="wrong values: nan instead of 0"
def standardize_splits(train, test):
    mean, std = train.mean(0), train.std(0)
    return (train - mean) / std, (test - mean) / std


# %% divides by a tiny number wrong="standardize_splits" says="item 1: wrong values"
def standardize_splits(train, test):
    mean, std = train.mean(0), train.std(0).clamp(min=1e-6)
    return (train - mean) / std, (test - mean) / std


# %% along the rows wrong="standardize_splits" says="item 0: wrong values"
def standardize_splits(train, test):
    mean, std = train.mean(1, keepdim=True), train.std(1, keepdim=True)
    return (train - mean) / std, (test - test.mean(1, keepdim=True)) / test.std(1, keepdim=True)


# %% standard deviation of the population wrong="standardize_splits" says="item 0: wrong values"
def standardize_splits(train, test):
    mean, std = train.mean(0), train.std(0, correction=0)
    std[std == 0] = 1
    return (train - mean) / std, (test - mean) / std


# %% works in place wrong="standardize_splits" says="changed its argument train: work on a copy"
def standardize_splits(train, test):
    mean, std = train.mean(0), train.std(0)
    std[std == 0] = 1
    train -= mean
    train /= std
    return train, (test - mean) / std


# %% scatter right="one_hot_channels"
def one_hot_channels(labels, classes):
    index = torch.where(labels < 0, classes, labels).unsqueeze(1)
    channels = torch.zeros(labels.shape[0], classes + 1, labels.shape[1])
    return channels.scatter_(1, index, 1.0)[:, :classes]


# %% compares with each class right="one_hot_channels"
def one_hot_channels(labels, classes):
    return (labels.unsqueeze(1) == torch.arange(classes)[:, None]).to(torch.float32)


# %% index assignment, hour by hour right="one_hot_channels"
def one_hot_channels(labels, classes):
    result = torch.zeros(len(labels), classes, labels.size(1))
    for day, hour in (labels >= 0).nonzero().tolist():
        result[day, labels[day, hour], hour] = 1.0
    return result


# %% rows of an identity matrix right="one_hot_channels"
def one_hot_channels(labels, classes):
    rows = torch.cat([torch.eye(classes), torch.zeros(1, classes)])
    return rows[labels].permute(0, 2, 1)


# %% dimension at the wrong place wrong="one_hot_channels" says="wrong values"
def one_hot_channels(labels, classes):
    channels = torch.zeros(len(labels), classes, labels.shape[1])
    return channels.scatter_(1, labels.unsqueeze(2), 1.0)


# %% classes last wrong="one_hot_channels" says="wrong shape: (1, 4, 3) instead of (1, 3, 4)"
def one_hot_channels(labels, classes):
    return F.one_hot(labels + 1, classes + 1)[..., 1:].float()


# %% views instead of moving the axis wrong="one_hot_channels" says="wrong values"
def one_hot_channels(labels, classes):
    one_hot = F.one_hot(labels + 1, classes + 1)[..., 1:].float()
    return one_hot.reshape(labels.shape[0], classes, labels.shape[1])


# %% integers wrong="one_hot_channels" says="wrong dtype: torch.int64 instead of torch.float32"
def one_hot_channels(labels, classes):
    return F.one_hot(labels + 1, classes + 1)[..., 1:].transpose(1, 2)


# %% leaves the number of classes open wrong="one_hot_channels" says="wrong shape: (2, 2, 2) instead of (2, 3, 2)"
def one_hot_channels(labels, classes):
    return F.one_hot(labels).transpose(1, 2).float()


# %% forgets the missing ones wrong="one_hot_channels" says="one_hot_channels raised RuntimeError"
def one_hot_channels(labels, classes):
    return F.one_hot(labels, classes).transpose(1, 2).float()


# %% missing is the first class wrong="one_hot_channels" says="wrong values: 1 instead of 0"
def one_hot_channels(labels, classes):
    return F.one_hot(labels.clamp(min=0), classes).transpose(1, 2).float()


# %% missing is the last class wrong="one_hot_channels" says="wrong values: 1 instead of 0"
def one_hot_channels(labels, classes):
    return torch.eye(classes)[labels].transpose(1, 2)


# %% changes the labels wrong="one_hot_channels" says="changed its argument labels: work on a copy"
def one_hot_channels(labels, classes):
    labels += 1
    return F.one_hot(labels, classes + 1)[..., 1:].transpose(1, 2).float()


# %% one-hot and bincount right="score_rule"
def score_rule(predicted, actual):
    tn, fn, fp, tp = torch.bincount(2 * predicted.long() + actual.long(), minlength=4).tolist()
    p = tp / max(tp + fp, 1)
    r = tp / max(tp + fn, 1)
    return (tp, fp, fn, tn), (p, r, 2 * tp / max(2 * tp + fp + fn, 1))


# %% counts with Python right="score_rule"
def score_rule(predicted, actual):
    pairs = Counter(zip(predicted.tolist(), actual.tolist(), strict=True))
    counts = (pairs[True, True], pairs[True, False], pairs[False, True], pairs[False, False])
    scores = []
    for wrong in (counts[1], counts[2]):
        try:
            scores.append(counts[0] / (counts[0] + wrong))
        except ZeroDivisionError:
            scores.append(0.0)
    f1 = 2 * scores[0] * scores[1] / sum(scores) if sum(scores) > 0 else 0.0
    return counts, (scores[0], scores[1], f1)


# %% with nan_to_num right="score_rule"
def score_rule(predicted, actual):
    tp = (predicted & actual).sum()
    precision = (tp / predicted.sum()).nan_to_num(0.0)
    recall = (tp / actual.sum()).nan_to_num(0.0)
    f1 = (2 * precision * recall / (precision + recall)).nan_to_num(0.0)
    fp, fn = (predicted > actual).sum(), (predicted < actual).sum()
    counts = (tp.item(), fp.item(), fn.item(), len(actual) - (tp + fp + fn).item())
    return counts, (precision.item(), recall.item(), f1.item())


# %% precision and recall swapped wrong="score_rule" says="item 1: item 0: wrong value: 1.0 instead of 0.25"
def score_rule(predicted, actual):
    tp, fp = (predicted & actual).sum().item(), (predicted & ~actual).sum().item()
    fn, tn = (~predicted & actual).sum().item(), (~predicted & ~actual).sum().item()
    p, r = tp / max(tp + fn, 1), tp / max(tp + fp, 1)
    return (tp, fp, fn, tn), (p, r, 2 * p * r / (p + r) if p + r else 0.0)


# %% false positives and negatives swapped wrong="score_rule" says="item 0: item 1: wrong value: 0 instead of 3"
def score_rule(predicted, actual):
    tp, fn = (predicted & actual).sum().item(), (predicted & ~actual).sum().item()
    fp, tn = (~predicted & actual).sum().item(), (~predicted & ~actual).sum().item()
    p, r = tp / max(tp + fp, 1), tp / max(tp + fn, 1)
    return (tp, fp, fn, tn), (p, r, 2 * p * r / (p + r) if p + r else 0.0)


# %% divides by zero wrong="score_rule" says="score_rule raised ZeroDivisionError"
def score_rule(predicted, actual):
    tp, fp = (predicted & actual).sum().item(), (predicted & ~actual).sum().item()
    fn, tn = (~predicted & actual).sum().item(), (~predicted & ~actual).sum().item()
    p, r = tp / (tp + fp), tp / (tp + fn)
    return (tp, fp, fn, tn), (p, r, 2 * p * r / (p + r))


# %% only the first two are guarded wrong="score_rule" says="score_rule raised ZeroDivisionError"
def score_rule(predicted, actual):
    tp, fp = (predicted & actual).sum().item(), (predicted & ~actual).sum().item()
    fn, tn = (~predicted & actual).sum().item(), (~predicted & ~actual).sum().item()
    p, r = tp / max(tp + fp, 1), tp / max(tp + fn, 1)
    return (tp, fp, fn, tn), (p, r, 2 * p * r / (p + r))


# %% mean instead of harmonic mean wrong="score_rule" says="item 1: item 2: wrong value: 0.625 instead of 0.4"
def score_rule(predicted, actual):
    tp, fp = (predicted & actual).sum().item(), (predicted & ~actual).sum().item()
    fn, tn = (~predicted & actual).sum().item(), (~predicted & ~actual).sum().item()
    p, r = tp / max(tp + fp, 1), tp / max(tp + fn, 1)
    return (tp, fp, fn, tn), (p, r, (p + r) / 2)


# %% tensors instead of numbers wrong="score_rule" says="item 0: item 0: wrong type: Tensor instead of int"
def score_rule(predicted, actual):
    tp, fp = (predicted & actual).sum(), (predicted & ~actual).sum()
    fn, tn = (~predicted & actual).sum(), (~predicted & ~actual).sum()
    p, r = tp / (tp + fp), tp / (tp + fn)
    return (tp, fp, fn, tn), (p, r, 2 * p * r / (p + r))


# %% nan for nothing wrong="score_rule" says="wrong value: nan instead of 0.0"
def score_rule(predicted, actual):
    tp, fp = (predicted & actual).sum().item(), (predicted & ~actual).sum().item()
    fn, tn = (~predicted & actual).sum().item(), (~predicted & ~actual).sum().item()
    p, r = np.divide([tp, tp], [max(tp + fp, 0.5), max(tp + fn, 0.5)]).tolist()
    p, r = (p if tp + fp else math.nan), (r if tp + fn else math.nan)
    return (tp, fp, fn, tn), (p, r, 2 * p * r / (p + r) if p + r else 0.0)


# %% accuracy for precision wrong="score_rule" says="item 1: item 0: wrong value"
def score_rule(predicted, actual):
    tp, fp = (predicted & actual).sum().item(), (predicted & ~actual).sum().item()
    fn, tn = (~predicted & actual).sum().item(), (~predicted & ~actual).sum().item()
    p, r = (tp + tn) / len(actual), tp / max(tp + fn, 1)
    return (tp, fp, fn, tn), (p, r, 2 * p * r / (p + r) if p + r else 0.0)


# %% walks through all hours right="fill_hours"
def fill_hours(days, hours, values):
    found = {
        24 * d + h: i for i, (d, h) in enumerate(zip(days.tolist(), hours.tolist(), strict=True))
    }
    result = torch.zeros(int(days.max()) + 1, 24, values.shape[1])
    current = values[found[min(found)]]
    for time in range(len(result) * 24):
        if time in found:
            current = values[found[time]]
        result[time // 24, time % 24] = current
    return result


# %% searches the sorted times right="fill_hours"
def fill_hours(days, hours, values):
    time = days * 24 + hours
    time, order = time.sort()
    count = (days.max().item() + 1) * 24
    place = torch.searchsorted(time, torch.arange(count), right=True) - 1
    return values[order[place.clamp(min=0)]].reshape(-1, 24, values.size(1))


# %% repeats each row until the next right="fill_hours"
def fill_hours(days, hours, values):
    time = days * 24 + hours
    order = time.argsort()
    starts = time[order].clone()
    starts[0] = 0
    ends = torch.cat([starts[1:], torch.tensor([24 * (days.max() + 1)])])
    return values[order].repeat_interleave(ends - starts, dim=0).view(-1, 24, values.shape[1])


# %% gaps become zero wrong="fill_hours" says="wrong values: 0 instead of 1"
def fill_hours(days, hours, values):
    result = torch.zeros(int(days.max()) + 1, 24, values.shape[1])
    result[days, hours] = values
    return result


# %% trusts the order of the rows wrong="fill_hours" says="wrong values: 23 instead of 0"
def fill_hours(days, hours, values):
    count = 24 * (int(days.max()) + 1)
    rows = torch.arange(count).clamp(max=len(values) - 1)
    return values[rows].view(-1, 24, values.shape[1])


# %% nothing crosses midnight wrong="fill_hours" says="wrong values"
def fill_hours(days, hours, values):
    result = torch.zeros(int(days.max()) + 1, 24, values.shape[1])
    known = torch.zeros(result.shape[:2], dtype=torch.bool)
    result[days, hours], known[days, hours] = values, True
    for day in range(len(result)):
        for hour in range(1, 24):
            if not known[day, hour]:
                result[day, hour] = result[day, hour - 1]
    return result


# %% takes the next measured hour wrong="fill_hours" says="wrong values"
def fill_hours(days, hours, values):
    time, order = (24 * days + hours).sort()
    place = torch.searchsorted(time, torch.arange(24 * (int(days.max()) + 1)))
    return values[order[place.clamp(max=len(time) - 1)]].view(-1, 24, values.shape[1])


# %% a zero is taken for a gap wrong="fill_hours" says="wrong values"
def fill_hours(days, hours, values):
    result = torch.zeros(24 * (int(days.max()) + 1), values.shape[1])
    result[24 * days + hours] = values
    for i in range(1, len(result)):
        if (result[i] == 0).all():
            result[i] = result[i - 1]
    first = int((24 * days + hours).min())
    result[:first] = result[first].clone()
    return result.view(-1, 24, values.shape[1])


# %% the beginning stays empty wrong="fill_hours" says="wrong values: 0 instead of 7"
def fill_hours(days, hours, values):
    time = 24 * days + hours
    count = 24 * (int(days.max()) + 1)
    time, order = time.sort()
    place = torch.searchsorted(time, torch.arange(count), right=True)
    padded = torch.cat([torch.zeros(1, values.shape[1]), values[order]])
    return padded[place].view(-1, 24, values.shape[1])


# %% one day too few wrong="fill_hours" says="wrong shape: (0, 24, 1) instead of (1, 24, 1)"
def fill_hours(days, hours, values):
    time, order = (24 * days + hours).sort()
    place = torch.searchsorted(time, torch.arange(24 * int(days.max())), right=True) - 1
    return values[order[place.clamp(min=0)]].view(-1, 24, values.shape[1])


# %% starts with the first row of the table wrong="fill_hours" says="wrong values: 8 instead of 7"
def fill_hours(days, hours, values):
    found = {t: i for i, t in enumerate((24 * days + hours).tolist())}
    result, last = [], 0
    for t in range(24 * (int(days.max()) + 1)):
        last = found.get(t, last)
        result.append(values[last])
    return torch.stack(result).view(-1, 24, values.shape[1])


# %% as_strided right="make_windows"
def make_windows(series, length):
    (rows, columns), (row, column) = series.shape, series.stride()
    size, stride = (rows - length, columns, length), (row, column, row)
    return series.as_strided(size, stride, series.storage_offset()), series[length:]


# %% unfolds only what has a next row right="make_windows"
def make_windows(series, length):
    return series[:-1].unfold(0, length, 1), series.narrow(0, length, len(series) - length)


# %% unfolds the transpose right="make_windows"
def make_windows(series, length):
    windows = series.t().unfold(1, length, 1).transpose(0, 1)
    return windows[: len(series) - length], series[length:, :]


# %% keeps the last window wrong="make_windows" says="item 0: wrong shape: (3, 2, 2) instead of (2, 2, 2)"
def make_windows(series, length):
    return series.unfold(0, length, 1), series[length:]


# %% targets from the window itself wrong="make_windows" says="item 1: wrong shape: (3, 2) instead of (2, 2)"
def make_windows(series, length):
    return series.unfold(0, length, 1)[:-1], series[length - 1 :]


# %% targets are the last row of each window wrong="make_windows" says="item 1: wrong values"
def make_windows(series, length):
    return series.unfold(0, length, 1)[:-1], series[length - 1 : -1]


# %% time before channels wrong="make_windows" says="item 0: wrong values: 10 instead of 2"
def make_windows(series, length):
    return series.unfold(0, length, 1)[:-1].transpose(1, 2), series[length:]


# %% windows side by side wrong="make_windows" says="item 0: wrong values: 3 instead of 2"
def make_windows(series, length):
    return series.unfold(0, length, length)[: len(series) - length], series[length:]


# %% copies the windows wrong="make_windows" says="returned windows that are a copy"
def make_windows(series, length):
    windows = [series[i : i + length].t() for i in range(len(series) - length)]
    return torch.stack(windows), series[length:]


# %% copies the targets wrong="make_windows" says="returned targets that are a copy"
def make_windows(series, length):
    index = torch.arange(length, len(series))
    return series.unfold(0, length, 1)[:-1], series[index]


# %% contiguous windows wrong="make_windows" says="returned windows that are a copy"
def make_windows(series, length):
    return series.unfold(0, length, 1)[:-1].contiguous(), series[length:]


# %% forgets where a view begins wrong="make_windows" says="item 0: wrong"
def make_windows(series, length):
    row, column = series.stride()
    size = (len(series) - length, series.shape[1], length)
    return series.as_strided(size, (row, column, row), 0), series[length:]


# %% with loops right="encode_words"
def encode_words(train, test, least):
    vocabulary = ["<unknown>"]
    for word in sorted(set(train)):
        if train.count(word) >= least:
            vocabulary.append(word)
    result = []
    for words in (train, test):
        indices = torch.zeros(len(words), dtype=torch.long)
        for i, word in enumerate(words):
            if word in vocabulary:
                indices[i] = vocabulary.index(word)
        result.append(indices)
    return vocabulary, result[0], result[1]


# %% with NumPy right="encode_words"
def encode_words(train, test, least):
    words, counts = np.unique(np.array(train), return_counts=True)
    kept = sorted(words[counts >= least].tolist())
    number = dict(zip(kept, range(1, len(kept) + 1), strict=True))

    def encode(text):
        return torch.LongTensor([number.get(word, 0) for word in text])

    return ["<unknown>", *kept], encode(train), encode(test)


# %% vocabulary from both texts wrong="encode_words" says="item 0: wrong length: 4 instead of 3"
def encode_words(train, test, least):
    counts = Counter([*train, *test])
    vocabulary = ["<unknown>", *sorted(w for w in counts if counts[w] >= least)]
    index = {w: i for i, w in enumerate(vocabulary)}
    return vocabulary, *(torch.tensor([index.get(w, 0) for w in x]).long() for x in (train, test))


# %% more often instead of at least wrong="encode_words" says="item 0: wrong length: 2 instead of 3"
def encode_words(train, test, least):
    counts = Counter(train)
    vocabulary = ["<unknown>", *sorted(w for w in counts if counts[w] > least)]
    index = {w: i for i, w in enumerate(vocabulary)}
    return vocabulary, *(torch.tensor([index.get(w, 0) for w in x]).long() for x in (train, test))


# %% unknown word fails wrong="encode_words" says="encode_words raised KeyError"
def encode_words(train, test, least):
    counts = Counter(train)
    vocabulary = ["<unknown>", *sorted(w for w in counts if counts[w] >= least)]
    index = {w: i for i, w in enumerate(vocabulary)}
    return vocabulary, *(torch.tensor([index[w] for w in x]).long() for x in (train, test))


# %% order of first appearance wrong="encode_words" says="item 0: item 1: wrong value: 'it' instead of 'is'"
def encode_words(train, test, least):
    counts = Counter(train)
    vocabulary = ["<unknown>", *(w for w in counts if counts[w] >= least)]
    index = {w: i for i, w in enumerate(vocabulary)}
    return vocabulary, *(torch.tensor([index.get(w, 0) for w in x]).long() for x in (train, test))


# %% unknown at the end wrong="encode_words" says="item 0: item 0: wrong value: 'is' instead of '<unknown>'"
def encode_words(train, test, least):
    counts = Counter(train)
    vocabulary = [*sorted(w for w in counts if counts[w] >= least), "<unknown>"]
    index = {w: i for i, w in enumerate(vocabulary)}
    last = len(index) - 1
    return vocabulary, *(
        torch.tensor([index.get(w, last) for w in x]).long() for x in (train, test)
    )


# %% floats for an empty text wrong="encode_words" says="item 2: wrong dtype: torch.float32 instead of torch.int64"
def encode_words(train, test, least):
    counts = Counter(train)
    vocabulary = ["<unknown>", *sorted(w for w in counts if counts[w] >= least)]
    index = {w: i for i, w in enumerate(vocabulary)}
    return vocabulary, *(torch.tensor([index.get(w, 0) for w in x]) for x in (train, test))


# %% leaves unknown words out wrong="encode_words" says="item 1: wrong shape: (4,) instead of (6,)"
def encode_words(train, test, least):
    counts = Counter(train)
    vocabulary = ["<unknown>", *sorted(w for w in counts if counts[w] >= least)]
    index = {w: i for i, w in enumerate(vocabulary)}
    return vocabulary, *(
        torch.tensor([index[w] for w in x if w in index]).long() for x in (train, test)
    )


# %% lists of indices wrong="encode_words" says="item 1: wrong type: list instead of Tensor"
def encode_words(train, test, least):
    counts = Counter(train)
    vocabulary = ["<unknown>", *sorted(w for w in counts if counts[w] >= least)]
    index = {w: i for i, w in enumerate(vocabulary)}
    return vocabulary, *([index.get(w, 0) for w in x] for x in (train, test))


# %% pads each image right="make_batch"
def make_batch(images):
    height, width = max(len(x) for x in images), max(x.size(1) for x in images)
    result = []
    for x in images:
        x = x[..., None] if x.dim() == 2 else x[..., :3]
        x = x.movedim(-1, 0).float().div(255).expand(3, -1, -1)
        result.append(F.pad(x, (0, width - x.shape[2], 0, height - x.shape[1])))
    return torch.stack(result)


# %% a batch of bytes first right="make_batch"
def make_batch(images):
    height, width = (max(sizes) for sizes in zip(*(x.shape[:2] for x in images), strict=True))
    batch = torch.zeros((len(images), height, width, 3), dtype=torch.uint8)
    for i, x in enumerate(images):
        h, w = x.shape[:2]
        batch[i, :h, :w] = x[..., :3] if x.ndim == 3 else torch.stack([x, x, x], dim=-1)
    return batch.permute(0, 3, 1, 2) / 255


# %% with NumPy right="make_batch"
def make_batch(images):
    arrays = [np.atleast_3d(image.numpy())[:, :, :3] for image in images]
    height, width = max(a.shape[0] for a in arrays), max(a.shape[1] for a in arrays)
    batch = np.zeros((len(arrays), 3, height, width), dtype=np.float32)
    for i, a in enumerate(arrays):
        batch[i, :, : a.shape[0], : a.shape[1]] = a.transpose(2, 0, 1) / np.float32(255)
    return torch.from_numpy(batch)


# %% height and width swapped wrong="make_batch" says="wrong shape: (2, 3, 3, 1) instead of (2, 3, 1, 3)"
def make_batch(images):
    images = [x[..., :3] if x.ndim == 3 else x.unsqueeze(2).expand(-1, -1, 3) for x in images]
    height, width = max(len(x) for x in images), max(x.shape[1] for x in images)
    batch = torch.zeros(len(images), 3, width, height)
    for place, x in zip(batch, images, strict=True):
        place[:, : x.shape[1], : x.shape[0]] = x.transpose(0, 2) / 255
    return batch


# %% relabels instead of moving the channels wrong="make_batch" says="wrong values"
def make_batch(images):
    images = [x[..., :3] if x.ndim == 3 else x.unsqueeze(2).expand(-1, -1, 3) for x in images]
    height, width = max(len(x) for x in images), max(x.shape[1] for x in images)
    batch = torch.zeros(len(images), 3, height, width)
    for place, x in zip(batch, images, strict=True):
        place[:, : x.shape[0], : x.shape[1]] = x.reshape(3, x.shape[0], x.shape[1]) / 255
    return batch


# %% values up to 255 wrong="make_batch" says="wrong values: 255 instead of 1"
def make_batch(images):
    images = [x[..., :3] if x.ndim == 3 else x.unsqueeze(2).expand(-1, -1, 3) for x in images]
    height, width = max(len(x) for x in images), max(x.shape[1] for x in images)
    batch = torch.zeros(len(images), 3, height, width)
    for place, x in zip(batch, images, strict=True):
        place[:, : x.shape[0], : x.shape[1]] = x.permute(2, 0, 1)
    return batch


# %% whole numbers wrong="make_batch" says="wrong dtype: torch.uint8 instead of torch.float32"
def make_batch(images):
    images = [x[..., :3] if x.ndim == 3 else x.unsqueeze(2).expand(-1, -1, 3) for x in images]
    height, width = max(len(x) for x in images), max(x.shape[1] for x in images)
    batch = torch.zeros(len(images), 3, height, width, dtype=torch.uint8)
    for place, x in zip(batch, images, strict=True):
        place[:, : x.shape[0], : x.shape[1]] = x.permute(2, 0, 1)
    return batch


# %% all images have one size wrong="make_batch" says="make_batch raised RuntimeError"
def make_batch(images):
    images = [x[..., :3] if x.ndim == 3 else torch.stack([x, x, x], 2) for x in images]
    return torch.stack(images).permute(0, 3, 1, 2) / 255


# %% cuts all to the smallest wrong="make_batch" says="wrong shape: (2, 3, 1, 1) instead of (2, 3, 2, 3)"
def make_batch(images):
    images = [x[..., :3] if x.ndim == 3 else torch.stack([x, x, x], 2) for x in images]
    height, width = min(len(x) for x in images), min(x.shape[1] for x in images)
    return torch.stack([x[:height, :width] for x in images]).permute(0, 3, 1, 2) / 255


# %% forgets gray and opaque wrong="make_batch" says="make_batch raised"
def make_batch(images):
    height, width = max(len(x) for x in images), max(x.shape[1] for x in images)
    batch = torch.zeros(len(images), 3, height, width)
    for place, x in zip(batch, images, strict=True):
        place[:, : x.shape[0], : x.shape[1]] = x.permute(2, 0, 1) / 255
    return batch


# %% gray is red only wrong="make_batch" says="wrong values: 0 instead of 0.2"
def make_batch(images):
    height, width = max(len(x) for x in images), max(x.shape[1] for x in images)
    batch = torch.zeros(len(images), 3, height, width)
    for place, x in zip(batch, images, strict=True):
        x = x.unsqueeze(2) if x.ndim == 2 else x[..., :3]
        place[: x.shape[2], : x.shape[0], : x.shape[1]] = x.permute(2, 0, 1) / 255
    return batch


# %% drops the first channel instead of the fourth wrong="make_batch" says="wrong values"
def make_batch(images):
    images = [x[..., -3:] if x.ndim == 3 else torch.stack([x, x, x], 2) for x in images]
    height, width = max(len(x) for x in images), max(x.shape[1] for x in images)
    batch = torch.zeros(len(images), 3, height, width)
    for place, x in zip(batch, images, strict=True):
        place[:, : x.shape[0], : x.shape[1]] = x.permute(2, 0, 1) / 255
    return batch


# %% images in the lower right corner wrong="make_batch" says="wrong values"
def make_batch(images):
    images = [x[..., :3] if x.ndim == 3 else torch.stack([x, x, x], 2) for x in images]
    height, width = max(len(x) for x in images), max(x.shape[1] for x in images)
    batch = torch.zeros(len(images), 3, height, width)
    for place, x in zip(batch, images, strict=True):
        place[:, -x.shape[0] :, -x.shape[1] :] = x.permute(2, 0, 1) / 255
    return batch


# %% two passes right="channel_statistics"
def channel_statistics(read, count, limit):
    starts = list(range(0, count, limit))

    def parts():
        return (read(a, min(a + limit, count)).double() / 255 for a in starts)

    n = sum(part[..., 0].numel() for part in parts())
    mean = sum(part.sum((0, 1, 2)) for part in parts()) / n
    variance = sum(((part - mean) ** 2).sum((0, 1, 2)) for part in parts()) / n
    return mean.float(), variance.sqrt().float()


# %% whole numbers and one image at a time right="channel_statistics"
def channel_statistics(read, count, limit):
    n, total, squares = 0, 0, 0
    for i in range(count):
        image = read(i, i + 1)[0].long()
        n += image.shape[0] * image.shape[1]
        total = total + image.sum(dim=(0, 1))
        squares = squares + (image * image).sum(dim=(0, 1))
    variance = (n * squares - total * total).double() / n**2
    return (total.double() / n / 255).float(), (variance.sqrt() / 255).float()


# %% counts each value right="channel_statistics"
def channel_statistics(read, count, limit):
    counts, start = 0, 0
    while start < count:
        stop = min(count, start + limit)
        images = read(start, stop).long()
        channels = images.shape[3]
        index = images.flatten(0, 2) + 256 * torch.arange(channels)
        counts = counts + torch.bincount(index.flatten(), minlength=256 * channels).view(
            channels, 256
        )
        start = stop
    share = counts.double() / counts.sum(1, keepdim=True)
    values = torch.arange(256).double() / 255
    mean = share @ values
    return mean.float(), (share * (values - mean[:, None]) ** 2).sum(1).sqrt().float()


# %% reads everything at once wrong="channel_statistics" says="channel_statistics raised MemoryError: 3 images at once, but only 2 fit into memory"
def channel_statistics(read, count, limit):
    images = read(0, count).double() / 255
    return images.mean((0, 1, 2)).float(), images.std((0, 1, 2), correction=0).float()


# %% reads beyond the end wrong="channel_statistics" says="channel_statistics raised IndexError"
def channel_statistics(read, count, limit):
    n = total = squares = 0
    for start in range(0, count, limit):
        part = read(start, start + limit).flatten(0, 2).double() / 255
        n, total, squares = n + len(part), total + part.sum(0), squares + (part**2).sum(0)
    mean = total / n
    return mean.float(), (squares / n - mean**2).clamp(min=0).sqrt().float()


# %% mean of the means wrong="channel_statistics" says="item 0: wrong values"
def channel_statistics(read, count, limit):
    means, variances = [], []
    for start in range(0, count, limit):
        part = read(start, min(start + limit, count)).flatten(0, 2).double() / 255
        means.append(part.mean(0))
        variances.append(part.var(0, correction=0))
    return torch.stack(means).mean(0).float(), torch.stack(variances).mean(0).sqrt().float()


# %% mean of the variances wrong="channel_statistics" says="item 1: wrong values"
def channel_statistics(read, count, limit):
    n = total = variance = 0
    for start in range(0, count, limit):
        part = read(start, min(start + limit, count)).flatten(0, 2).double() / 255
        n, total = n + len(part), total + part.sum(0)
        variance = variance + part.var(0, correction=0) * len(part)
    return (total / n).float(), (variance / n).sqrt().float()


# %% leaves the last part out wrong="channel_statistics" says="item 0: wrong values"
def channel_statistics(read, count, limit):
    n = total = squares = 0
    limit = min(limit, count)
    for i in range(count // limit):
        part = read(i * limit, (i + 1) * limit).flatten(0, 2).double() / 255
        n, total, squares = n + len(part), total + part.sum(0), squares + (part**2).sum(0)
    mean = total / n
    return mean.float(), (squares / n - mean**2).clamp(min=0).sqrt().float()


# %% float32 sums wrong="channel_statistics" says="item 1: wrong values"
def channel_statistics(read, count, limit):
    n = total = squares = 0
    for start in range(0, count, limit):
        part = read(start, min(start + limit, count)).flatten(0, 2).float() / 255
        n, total, squares = n + len(part), total + part.sum(0), squares + (part**2).sum(0)
    mean = total / n
    return mean, (squares / n - mean**2).clamp(min=0).sqrt()


# %% squares overflow wrong="channel_statistics" says="item 1: wrong values"
def channel_statistics(read, count, limit):
    n = total = squares = 0
    for start in range(0, count, limit):
        part = read(start, min(start + limit, count)).flatten(0, 2)
        n, total, squares = n + len(part), total + part.sum(0), squares + (part * part).sum(0)
    mean = total / n / 255
    return mean, (squares / n / 255**2 - mean.double() ** 2).clamp(min=0).sqrt().float()


# %% divides by one less wrong="channel_statistics" says="item 1: wrong values"
def channel_statistics(read, count, limit):
    n = total = squares = 0
    for start in range(0, count, limit):
        part = read(start, min(start + limit, count)).flatten(0, 2).double() / 255
        n, total, squares = n + len(part), total + part.sum(0), squares + (part**2).sum(0)
    mean = total / n
    variance = (squares - n * mean**2) / max(n - 1, 1)
    return mean.float(), variance.clamp(min=0).sqrt().float()


# %% keeps 0 to 255 wrong="channel_statistics" says="item 0: wrong values: 85 instead of 0.3333"
def channel_statistics(read, count, limit):
    n = total = squares = 0
    for start in range(0, count, limit):
        part = read(start, min(start + limit, count)).flatten(0, 2).double()
        n, total, squares = n + len(part), total + part.sum(0), squares + (part**2).sum(0)
    mean = total / n
    return mean.float(), (squares / n - mean**2).clamp(min=0).sqrt().float()


# %% one number for all channels wrong="channel_statistics" says="item 0: wrong shape: () instead of (1,)"
def channel_statistics(read, count, limit):
    n = total = squares = 0
    for start in range(0, count, limit):
        part = read(start, min(start + limit, count)).double() / 255
        n, total, squares = n + part.numel(), total + part.sum(), squares + (part**2).sum()
    mean = total / n
    return mean.float(), (squares / n - mean**2).clamp(min=0).sqrt().float()


# %% a negative variance wrong="channel_statistics" says="item 1: wrong values: nan instead of 0"
def channel_statistics(read, count, limit):
    n = total = squares = 0
    for start in range(0, count, limit):
        part = read(start, min(start + limit, count)).flatten(0, 2).double() / 255
        n, total, squares = n + len(part), total + part.sum(0), squares + (part**2).sum(0)
    mean = total / n
    return mean.float(), (squares / n - mean**2).sqrt().float()


# %% walks through groups right="hdf5"
def to_hdf5(tensors, attributes):
    buffer = io.BytesIO()
    file = h5py.File(buffer, "w")
    for name in tensors:
        file[name] = tensors[name].detach().cpu().numpy()
    for name in attributes:
        file.attrs[name] = attributes[name]
    file.close()
    return buffer.getvalue()


def from_hdf5(content):
    def walk(group, prefix):
        for name in group:
            if isinstance(group[name], h5py.Group):
                yield from walk(group[name], prefix + name + "/")
            else:
                yield prefix + name, torch.tensor(np.array(group[name]))

    with h5py.File(io.BytesIO(content), "r") as file:
        attributes = {k: v.item() if hasattr(v, "item") else v for k, v in file.attrs.items()}
        return dict(walk(file, "")), attributes


# %% compressed, in memory right="hdf5"
def to_hdf5(tensors, attributes):
    with h5py.File("any", "w", driver="core", backing_store=False) as file:
        for name, tensor in tensors.items():
            file.create_dataset(
                name,
                data=np.array(tensor.tolist(), str(tensor.dtype)[6:]),
                chunks=True,
                compression="gzip",
            )
        for name, value in attributes.items():
            file.attrs.create(name, value)
        file.flush()
        return file.id.get_file_image()


def from_hdf5(content):
    names, result = [], {}
    with h5py.File(io.BytesIO(content), "r") as file:
        file.visit(names.append)
        for name in names:
            if not isinstance(file[name], h5py.Group):
                result[name] = torch.from_numpy(file[name][...])
        notes = {name: str(v) if isinstance(v, str) else int(v) for name, v in file.attrs.items()}
    return result, notes


# %% torch.save instead of HDF5 wrong="hdf5" says="to_hdf5 must return an HDF5 file as bytes"
def to_hdf5(tensors, attributes):
    buffer = io.BytesIO()
    torch.save((tensors, attributes), buffer)
    return buffer.getvalue()


def from_hdf5(content):
    return torch.load(io.BytesIO(content))


# %% returns the buffer wrong="hdf5" says="to_hdf5 must return an HDF5 file as bytes"
def to_hdf5(tensors, attributes):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in tensors.items():
            file[name] = tensor.detach().numpy()
        file.attrs.update(attributes)
    return buffer


def from_hdf5(content):
    with h5py.File(io.BytesIO(content)) as file:
        return {name: torch.from_numpy(file[name][:]) for name in file}, dict(file.attrs)


# %% looks into no group wrong="hdf5" says="from_hdf5 raised"
def to_hdf5(tensors, attributes):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in tensors.items():
            file[name] = tensor.detach().numpy()
        file.attrs.update(attributes)
    return buffer.getvalue()


def from_hdf5(content):
    with h5py.File(io.BytesIO(content)) as file:
        attributes = {k: v if isinstance(v, str) else int(v) for k, v in file.attrs.items()}
        return {name: torch.from_numpy(file[name][:]) for name in file}, attributes


# %% keeps NumPy's numbers wrong="hdf5" says="item 1: item 'year': wrong type"
def to_hdf5(tensors, attributes):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in tensors.items():
            file[name] = tensor.detach().numpy()
        file.attrs.update(attributes)
    return buffer.getvalue()


def from_hdf5(content):
    tensors = {}
    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(
            lambda n, x: (
                tensors.update({n: torch.from_numpy(x[:])}) if isinstance(x, h5py.Dataset) else None
            )
        )
        return tensors, dict(file.attrs)


# %% reads after closing wrong="hdf5" says="from_hdf5 raised"
def to_hdf5(tensors, attributes):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in tensors.items():
            file[name] = tensor.detach().numpy()
        file.attrs.update(attributes)
    return buffer.getvalue()


def from_hdf5(content):
    with h5py.File(io.BytesIO(content)) as file:
        names = []
        file.visititems(lambda n, x: names.append(n) if isinstance(x, h5py.Dataset) else None)
        sets = {name: file[name] for name in names}
        attributes = {k: v if isinstance(v, str) else int(v) for k, v in file.attrs.items()}
    return {name: torch.from_numpy(x[:]) for name, x in sets.items()}, attributes


# %% forgets the gradients wrong="hdf5" says="to_hdf5 raised RuntimeError"
def to_hdf5(tensors, attributes):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in tensors.items():
            file[name] = tensor.numpy()
        file.attrs.update(attributes)
    return buffer.getvalue()


def from_hdf5(content):
    tensors = {}
    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(
            lambda n, x: (
                tensors.update({n: torch.from_numpy(x[:])}) if isinstance(x, h5py.Dataset) else None
            )
        )
        return tensors, {k: v if isinstance(v, str) else int(v) for k, v in file.attrs.items()}


# %% all as float32 wrong="hdf5" says="wrong dtype: torch.float32 instead of"
def to_hdf5(tensors, attributes):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in tensors.items():
            file[name] = tensor.detach().float().numpy()
        file.attrs.update(attributes)
    return buffer.getvalue()


def from_hdf5(content):
    tensors = {}
    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(
            lambda n, x: (
                tensors.update({n: torch.Tensor(x[:])}) if isinstance(x, h5py.Dataset) else None
            )
        )
        return tensors, {k: v if isinstance(v, str) else int(v) for k, v in file.attrs.items()}


# %% forgets the attributes wrong="hdf5" says="item 1: wrong keys: [] instead of ['author', 'year']"
def to_hdf5(tensors, attributes):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in tensors.items():
            file[name] = tensor.detach().numpy()
    return buffer.getvalue()


def from_hdf5(content):
    tensors = {}
    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(
            lambda n, x: (
                tensors.update({n: torch.from_numpy(x[:])}) if isinstance(x, h5py.Dataset) else None
            )
        )
        return tensors, {k: v if isinstance(v, str) else int(v) for k, v in file.attrs.items()}


# %% row by row right="read_rows"
def read_rows(content, name, rows):
    with h5py.File(io.BytesIO(content), "r") as file:
        data_set = file[name]
        return torch.stack([torch.from_numpy(data_set[row]) for row in rows])


# %% a dict of the rows right="read_rows"
def read_rows(content, name, rows):
    order = sorted(set(rows))
    with h5py.File(io.BytesIO(content), "r") as file:
        array = file[name][order]
    place = {row: i for i, row in enumerate(order)}
    return torch.tensor(array[[place[row] for row in rows]])


# %% NumPy's unique right="read_rows"
def read_rows(content, name, rows):
    unique, inverse = np.unique(rows, return_inverse=True)
    file = h5py.File(io.BytesIO(content))
    values = torch.as_tensor(file[name][unique])
    file.close()
    return values.index_select(0, torch.as_tensor(inverse))


# %% reads all rows in between wrong="read_rows" says="read_rows raised MemoryError"
def read_rows(content, name, rows):
    low = min(rows)
    with h5py.File(io.BytesIO(content)) as file:
        part = torch.from_numpy(file[name][low : max(rows) + 1])
    return part[[row - low for row in rows]]


# %% reads everything wrong="read_rows" says="read_rows raised MemoryError"
def read_rows(content, name, rows):
    with h5py.File(io.BytesIO(content)) as file:
        return torch.from_numpy(file[name][:])[rows]


# %% an array of everything wrong="read_rows" says="read_rows raised MemoryError"
def read_rows(content, name, rows):
    with h5py.File(io.BytesIO(content)) as file:
        return torch.tensor(np.array(file[name])[rows])


# %% asks for any order wrong="read_rows" says="read_rows raised TypeError"
def read_rows(content, name, rows):
    with h5py.File(io.BytesIO(content)) as file:
        return torch.from_numpy(file[name][rows])


# %% forgets the repetitions wrong="read_rows" says="wrong shape: (2, 2) instead of (3, 2)"
def read_rows(content, name, rows):
    with h5py.File(io.BytesIO(content)) as file:
        return torch.from_numpy(file[name][sorted(set(rows))])


# %% leaves them sorted wrong="read_rows" says="wrong values"
def read_rows(content, name, rows):
    with h5py.File(io.BytesIO(content)) as file:
        return torch.stack([torch.from_numpy(file[name][row]) for row in sorted(rows)])


# %% sorts with the inverse order wrong="read_rows" says="wrong values"
def read_rows(content, name, rows):
    order = np.argsort(rows, kind="stable")
    with h5py.File(io.BytesIO(content)) as file:
        values = torch.stack([torch.from_numpy(file[name][rows[i]]) for i in order])
    return values[order]


# %% all as float32 wrong="read_rows" says="wrong dtype: torch.float32 instead of"
def read_rows(content, name, rows):
    with h5py.File(io.BytesIO(content)) as file:
        return torch.stack([torch.Tensor(file[name][row]) for row in rows])


# %% reads from the first to the last row wrong="read_rows" says="wrong shape"
def read_rows(content, name, rows):
    with h5py.File(io.BytesIO(content)) as file:
        return torch.from_numpy(file[name][min(rows) : max(rows) + 1])
