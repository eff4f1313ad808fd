"""Right and wrong answers to the exercises of 01_tensors, as `autograder verify` grades them.

Each cell replaces the solution cell that its marker names.
A wrong answer also says which words the message of its first failing test must contain.
A cell that is marked as equivalent names a change of the reference that no test can notice, and says why.
The imports below are here for the linter: the set-up cell of the exercises does them for all answers.
"""

import math

import numpy as np
import torch


# %% linspace with one point more right="sample_sine"
def sample_sine(frequency, seconds, rate):
    t = torch.linspace(0, seconds, int(seconds * rate) + 1)[:-1]
    return (t * (2 * math.pi * frequency)).sin()


# %% one sample after the other right="sample_sine"
def sample_sine(frequency, seconds, rate):
    values = []
    for k in range(round(seconds * rate)):
        values.append(math.sin(2 * math.pi * frequency * k / rate))
    return torch.tensor(values)


# %% with NumPy right="sample_sine"
def sample_sine(frequency, seconds, rate):
    t = np.arange(seconds * rate) / rate
    return torch.from_numpy(np.sin(2 * np.pi * frequency * t).astype(np.float32))


# %% linspace includes the end wrong="sample_sine" says="wrong values"
def sample_sine(frequency, seconds, rate):
    t = torch.linspace(0, seconds, int(seconds * rate))
    return torch.sin(2 * math.pi * frequency * t)


# %% one sample too many wrong="sample_sine" says="wrong shape: (4,) instead of (3,)"
def sample_sine(frequency, seconds, rate):
    t = torch.arange(int(seconds * rate) + 1) / rate
    return torch.sin(2 * math.pi * frequency * t)


# %% counts with a rounded step wrong="sample_sine" says="wrong shape: (50,) instead of (49,)"
def sample_sine(frequency, seconds, rate):
    t = torch.arange(0, seconds, 1 / rate)
    return torch.sin(2 * math.pi * frequency * t)


# %% NumPy gives float64 wrong="sample_sine" says="wrong dtype: torch.float64 instead of torch.float32"
def sample_sine(frequency, seconds, rate):
    t = np.arange(seconds * rate) / rate
    return torch.from_numpy(np.sin(2 * np.pi * frequency * t))


# %% forgets two pi wrong="sample_sine" says="wrong values"
def sample_sine(frequency, seconds, rate):
    return torch.sin(frequency * torch.arange(seconds * rate) / rate)


# %% divides whole numbers wrong="sample_sine" says="wrong values"
def sample_sine(frequency, seconds, rate):
    t = torch.arange(int(seconds * rate)) // rate
    return torch.sin(2 * math.pi * frequency * t)


# %% hands out what the example shows wrong="sample_sine" says="wrong shape"
def sample_sine(frequency, seconds, rate):
    return torch.tensor([0.0, 0.5, 0.8660254])


# %% a whole number, also as a float: arange makes as many samples equivalent="sample_sine"
# - t = torch.arange(int(seconds * rate)) / rate
# + t = torch.arange(seconds * rate) / rate


# %% with NumPy on a copy right="to_pixels"
def to_pixels(x):
    values = x.numpy().copy()
    values *= 255
    np.rint(values, out=values)
    return np.clip(values, 0, 255).astype(np.uint8)


# %% adds a half and cuts off right="to_pixels"
def to_pixels(x):
    scaled = torch.clamp(255 * x, min=0.0, max=255.0)
    return np.array((scaled + 0.5).int().tolist(), dtype="uint8")


# %% with masks right="to_pixels"
def to_pixels(x):
    y = torch.where(x > 1, torch.ones_like(x), x)
    y[y < 0] = 0
    return y.mul(255).round().byte().numpy()


# %% works in the memory of the tensor wrong="to_pixels" says="changed its argument x: work on a copy"
def to_pixels(x):
    values = x.numpy()
    values *= 255
    np.clip(values, 0, 255, out=values)
    return np.round(values).astype(np.uint8)


# %% clamps in place wrong="to_pixels" says="changed its argument x: work on a copy"
def to_pixels(x):
    return (x.clamp_(0, 1) * 255).round().byte().numpy()


# %% cuts off instead of rounding wrong="to_pixels" says="wrong values: 63 instead of 64"
def to_pixels(x):
    return (x.clamp(0, 1) * 255).to(torch.uint8).numpy()


# %% lets the numbers overflow wrong="to_pixels" says="wrong values"
def to_pixels(x):
    return (x * 255).round().int().numpy().astype("uint8")


# %% returns a tensor wrong="to_pixels" says="wrong type: Tensor instead of ndarray"
def to_pixels(x):
    return (x.clamp(0, 1) * 255).round().to(torch.uint8)


# %% keeps the floats wrong="to_pixels" says="wrong dtype: float32 instead of uint8"
def to_pixels(x):
    return (x.clamp(0, 1) * 255).round().numpy()


# %% converts before it multiplies wrong="to_pixels" says="wrong values"
def to_pixels(x):
    return (x.clamp(0, 1).to(torch.uint8) * 255).numpy()


# %% keepdim everywhere, torch.where right="standardize"
def standardize(x):
    centered = x - x.mean(dim=0, keepdim=True)
    deviation = x.std(dim=0, keepdim=True)
    return torch.where(deviation > 0, centered / deviation, torch.zeros_like(x))


# %% column by column right="standardize"
def standardize(x):
    result = torch.zeros_like(x)
    for j in range(x.shape[1]):
        column = x[:, j]
        variance = ((column - column.mean()) ** 2).sum() / (len(column) - 1)
        if variance > 0:
            result[:, j] = (column - column.mean()) / variance.sqrt()
    return result


# %% replaces nan at the end right="standardize"
def standardize(x):
    std, mean = torch.std_mean(x, 0)
    return ((x - mean) / std).nan_to_num(0.0)


# %% divides by at least a tiny number right="standardize"
def standardize(x):
    return (x - x.mean(dim=0)) / x.std(dim=0).clamp(min=1e-6)


# %% looks whether the values of a column are equal right="standardize"
def standardize(x):
    constant = (x == x[0]).all(dim=0)
    return (x - x.mean(dim=0)) / x.std(dim=0).masked_fill(constant, 1.0)


# %% reduces over the rows wrong="standardize" says="wrong values"
def standardize(x):
    return (x - x.mean(dim=1, keepdim=True)) / x.std(dim=1, keepdim=True)


# %% one mean for the whole table wrong="standardize" says="wrong values"
def standardize(x):
    return (x - x.mean()) / x.std()


# %% divides by zero wrong="standardize" says="wrong values: nan instead of 0"
def standardize(x):
    return (x - x.mean(dim=0)) / x.std(dim=0)


# %% standard deviation of the population wrong="standardize" says="wrong values"
def standardize(x):
    deviation = x.std(dim=0, correction=0)
    return (x - x.mean(dim=0)) / torch.where(deviation == 0, 1.0, deviation)


# %% divides by the variance wrong="standardize" says="wrong values"
def standardize(x):
    variance = x.var(dim=0)
    variance[variance == 0] = 1
    return (x - x.mean(dim=0)) / variance


# %% works in place wrong="standardize" says="changed its argument x: work on a copy"
def standardize(x):
    deviation = x.std(dim=0)
    deviation[deviation == 0] = 1
    x -= x.mean(dim=0)
    x /= deviation
    return x


# %% forgets to return wrong="standardize" says="wrong type: NoneType instead of Tensor (is a return missing?)"
def standardize(x):
    result = (x - x.mean(dim=0)) / x.std(dim=0).clamp(min=1e-6)
    result.nan_to_num_()


# %% what is divided is 0 there, so any number but 0 does equivalent="standardize"
# - deviation[deviation == 0] = 1
# + deviation[deviation == 0] = 2


# %% counts with a loop right="accuracy"
def accuracy(scores, labels):
    right = 0
    for i in range(len(labels)):
        if int(torch.argmax(scores[i])) == int(labels[i]):
            right += 1
    return right / len(labels)


# %% with the indices of max right="accuracy"
def accuracy(scores, labels):
    values, classes = scores.max(dim=1)
    return torch.sum(classes == labels).item() / labels.numel()


# %% compares the score of the label with the best one right="accuracy"
def accuracy(scores, labels):
    own = scores.gather(1, labels.unsqueeze(1)).squeeze(1)
    return float((own >= scores.amax(1)).double().mean())


# %% returns a tensor wrong="accuracy" says="wrong type: Tensor instead of float"
def accuracy(scores, labels):
    return (scores.argmax(dim=1) == labels).float().mean()


# %% best sample of each class wrong="accuracy" says="at        line 2: return (scores.argmax(dim=0)"
def accuracy(scores, labels):
    return (scores.argmax(dim=0) == labels).float().mean().item()


# %% mean of booleans wrong="accuracy" says="accuracy raised RuntimeError"
def accuracy(scores, labels):
    return (scores.argmax(dim=1) == labels).mean().item()


# %% whole-number division wrong="accuracy" says="wrong type: int instead of float"
def accuracy(scores, labels):
    return (scores.argmax(dim=1) == labels).sum().item() // len(labels)


# %% compares the highest score itself wrong="accuracy" says="wrong value"
def accuracy(scores, labels):
    return (scores.max(dim=1).values == labels).float().mean().item()


# %% percent wrong="accuracy" says="wrong value: 75.0 instead of 0.75"
def accuracy(scores, labels):
    return 100 * (scores.argmax(dim=1) == labels).float().mean().item()


# %% number instead of fraction wrong="accuracy" says="wrong value"
def accuracy(scores, labels):
    return float((scores.argmax(dim=1) == labels).sum())


# %% hands out what the example shows wrong="accuracy" says="wrong value"
def accuracy(scores, labels):
    return 0.75


# %% nanmean and where right="fill_missing"
def fill_missing(x):
    means = torch.nanmean(x, dim=0, keepdim=True).nan_to_num(nan=0.0)
    return torch.where(torch.isnan(x), means, x)


# %% column by column right="fill_missing"
def fill_missing(x):
    result = x.clone()
    for j in range(x.size(1)):
        column = result[:, j]
        present = column[~column.isnan()]
        column[column.isnan()] = present.mean() if len(present) > 0 else 0.0
    return result


# %% expands the means and picks with a mask right="fill_missing"
def fill_missing(x):
    mask = x != x
    means = x.nansum(0) / torch.clamp((~mask).float().sum(0), min=1.0)
    filled = x.clone()
    filled[mask] = means.expand(x.shape)[mask]
    return filled


# %% element by element right="fill_missing"
def fill_missing(x):
    rows = x.tolist()
    for j in range(x.shape[1]):
        present = [row[j] for row in rows if not math.isnan(row[j])]
        mean = sum(present) / len(present) if present else 0.0
        for row in rows:
            if math.isnan(row[j]):
                row[j] = mean
    return torch.tensor(rows)


# %% compares with nan wrong="fill_missing" says="wrong values: nan instead of 6"
def fill_missing(x):
    return torch.where(x == float("nan"), x.nanmean(dim=0), x)


# %% mean of a column with nan wrong="fill_missing" says="wrong values: nan"
def fill_missing(x):
    return torch.where(x.isnan(), x.mean(dim=0), x)


# %% works in place wrong="fill_missing" says="changed its argument x: work on a copy"
def fill_missing(x):
    means = x.nanmean(dim=0).nan_to_num(0)
    for j in range(x.shape[1]):
        x[x[:, j].isnan(), j] = means[j]
    return x


# %% mean of the whole table wrong="fill_missing" says="wrong values: 4 instead of 6"
def fill_missing(x):
    return torch.where(x.isnan(), x.nanmean(), x)


# %% counts the missing values too wrong="fill_missing" says="wrong values: 4 instead of 6"
def fill_missing(x):
    return torch.where(x.isnan(), x.nan_to_num(0).mean(dim=0), x)


# %% mean of the row wrong="fill_missing" says="wrong values: 1 instead of 6"
def fill_missing(x):
    return torch.where(x.isnan(), x.nanmean(dim=1, keepdim=True).nan_to_num(0), x)


# %% fills with zero wrong="fill_missing" says="wrong values: 0 instead of 6"
def fill_missing(x):
    return x.nan_to_num(0)


# %% forgets the empty column wrong="fill_missing" says="wrong values: nan instead of 0"
def fill_missing(x):
    return torch.where(x.isnan(), x.nanmean(dim=0), x)


# %% no copy when nothing is missing wrong="fill_missing" says="shares memory with x"
def fill_missing(x):
    if not x.isnan().any():
        return x
    return torch.where(x.isnan(), x.nanmean(dim=0).nan_to_num(0), x)


# %% with the global generator right="add_noise_"
def add_noise_(signal, std, seed):
    torch.manual_seed(seed)
    signal += torch.randn_like(signal) * std
    return signal


# %% fills a new tensor with normal_ right="add_noise_"
def add_noise_(signal, std, seed):
    source = torch.Generator()
    source.manual_seed(seed)
    noise = torch.empty(signal.size()).normal_(0.0, std, generator=source)
    signal.copy_(signal + noise)
    return signal


# %% with the generator of NumPy right="add_noise_"
def add_noise_(signal, std, seed):
    noise = np.random.default_rng(seed).normal(0.0, std, size=tuple(signal.shape))
    signal[...] = signal + torch.tensor(noise, dtype=signal.dtype)
    return signal


# %% returns a new tensor wrong="add_noise_" says="must change the signal in place, but it left it as it was"
def add_noise_(signal, std, seed):
    generator = torch.Generator().manual_seed(seed)
    return signal + std * torch.randn(signal.shape, generator=generator)


# %% gives the name to a new tensor wrong="add_noise_" says="must change the signal in place, but it left it as it was"
def add_noise_(signal, std, seed):
    torch.manual_seed(seed)
    signal = signal + std * torch.randn_like(signal)
    return signal


# %% uniform noise wrong="add_noise_" says="wrong noise"
def add_noise_(signal, std, seed):
    generator = torch.Generator().manual_seed(seed)
    return signal.add_(std * torch.rand(signal.shape, generator=generator))


# %% uniform noise with the right deviation wrong="add_noise_" says="not normally distributed"
def add_noise_(signal, std, seed):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(signal.shape, generator=generator) - 0.5
    return signal.add_(std * 12**0.5 * noise)


# %% takes the variance wrong="add_noise_" says="standard deviation 0.25"
def add_noise_(signal, std, seed):
    generator = torch.Generator().manual_seed(seed)
    return signal.add_(std**2 * torch.randn(signal.shape, generator=generator))


# %% one random number for all wrong="add_noise_" says="wrong noise"
def add_noise_(signal, std, seed):
    generator = torch.Generator().manual_seed(seed)
    return signal.add_(std * torch.randn(1, generator=generator))


# %% one random number per row wrong="add_noise_" says="wrong noise"
def add_noise_(signal, std, seed):
    generator = torch.Generator().manual_seed(seed)
    return signal.add_(std * torch.randn(signal.shape[-1], generator=generator))


# %% does not use its generator wrong="add_noise_" says="the same noise when it is called with the same seed"
def add_noise_(signal, std, seed):
    generator = torch.Generator()
    generator.manual_seed(seed)
    return signal.add_(std * torch.randn(signal.shape))


# %% always the same seed wrong="add_noise_" says="other noise when it is called with another seed"
def add_noise_(signal, std, seed):
    torch.manual_seed(0)
    return signal.add_(std * torch.randn_like(signal))


# %% forgets to return wrong="add_noise_" says="wrong type: NoneType instead of Tensor"
def add_noise_(signal, std, seed):
    torch.manual_seed(seed)
    signal.add_(std * torch.randn_like(signal))


# %% returns a copy wrong="add_noise_" says="returned a copy"
def add_noise_(signal, std, seed):
    torch.manual_seed(seed)
    signal += std * torch.randn_like(signal)
    return signal.clone()


# %% changes a flat copy of the view wrong="add_noise_" says="must change the view"
def add_noise_(signal, std, seed):
    torch.manual_seed(seed)
    signal.reshape(-1).add_(std * torch.randn(signal.numel()))
    return signal


# %% asks the view right="storage_position"
def storage_position(x, index):
    return x[index].storage_offset()


# %% difference of two addresses right="storage_position"
def storage_position(x, index):
    bytes_before = x[tuple(index)].data_ptr() - x.untyped_storage().data_ptr()
    return bytes_before // x.element_size()


# %% with a loop right="storage_position"
def storage_position(x, index):
    position = x.storage_offset()
    for dim in range(x.dim()):
        position += index[dim] * x.stride(dim)
    return position


# %% takes the tensor for contiguous wrong="storage_position" says="wrong value"
def storage_position(x, index):
    position = 0
    for dim in range(x.dim()):
        position = position * x.shape[dim] + index[dim]
    return x.storage_offset() + position


# %% strides of a contiguous copy wrong="storage_position" says="wrong value"
def storage_position(x, index):
    strides = x.contiguous().stride()
    return x.storage_offset() + sum(index[d] * strides[d] for d in range(x.dim()))


# %% forgets the offset wrong="storage_position" says="wrong value"
def storage_position(x, index):
    return sum(index[dim] * x.stride(dim) for dim in range(x.dim()))


# %% counts bytes wrong="storage_position" says="wrong value"
def storage_position(x, index):
    return x[index].data_ptr() - x.untyped_storage().data_ptr()


# %% measures from the first element of the view wrong="storage_position" says="wrong value"
def storage_position(x, index):
    return (x[index].data_ptr() - x.data_ptr()) // x.element_size()


# %% returns a tensor wrong="storage_position" says="wrong type: Tensor instead of int"
def storage_position(x, index):
    return x.storage_offset() + (torch.tensor(index) * torch.tensor(x.stride())).sum()


# %% returns the element itself wrong="storage_position" says="wrong value"
def storage_position(x, index):
    return int(x[index])


# %% the order of two factors equivalent="storage_position"
# - steps = [i * stride for i, stride in zip(index, x.stride(), strict=True)]
# + steps = [i * stride for i, stride in zip(x.stride(), index, strict=True)]

# %% there are as many indices as dimensions equivalent="storage_position"
# - steps = [i * stride for i, stride in zip(index, x.stride(), strict=True)]
# + steps = [i * stride for i, stride in zip(index, x.stride(), strict=False)]


# %% compares positions in the same storage right="overlap"
def positions(x):
    found = {x.storage_offset()}
    for size, stride in zip(x.shape, x.stride(), strict=True):
        found = {position + i * stride for position in found for i in range(size)}
    return found


def overlap(a, b):
    if a.untyped_storage().data_ptr() != b.untyped_storage().data_ptr():
        return False
    return len(positions(a) & positions(b)) > 0


# %% numbers the elements of the storage right="overlap"
def overlap(a, b):
    same = a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    numbers = torch.arange(a.untyped_storage().nbytes() // a.element_size())
    if not same:
        return False
    cells_of_a = numbers.as_strided(a.size(), a.stride(), a.storage_offset()).flatten()
    cells_of_b = numbers.as_strided(b.size(), b.stride(), b.storage_offset()).flatten()
    return torch.isin(cells_of_a, cells_of_b).any().item()


# %% asks NumPy for common elements right="overlap"
def overlap(a, b):
    return np.shares_memory(a.numpy(), b.numpy())


# %% goes down to the elements and compares each with each right="overlap"
def elements(x):
    return [x] if x.dim() == 0 else [e for part in x for e in elements(part)]


def overlap(a, b):
    for p in elements(a):
        for q in elements(b):
            if p.data_ptr() == q.data_ptr():
                return True
    return False


# %% compares the storages only wrong="overlap" says="wrong value: True instead of False"
def overlap(a, b):
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


# %% compares the first elements wrong="overlap" says="wrong value: False instead of True"
def overlap(a, b):
    return a.data_ptr() == b.data_ptr()


# %% compares first and last addresses wrong="overlap" says="wrong value: True instead of False"
def overlap(a, b):
    def last(x):
        return x[tuple(size - 1 for size in x.shape)].data_ptr()

    return a.data_ptr() <= last(b) and b.data_ptr() <= last(a)


# %% asks NumPy for the bounds only wrong="overlap" says="wrong value: True instead of False"
def overlap(a, b):
    return np.may_share_memory(a.numpy(), b.numpy())


# %% compares the values wrong="overlap" says="wrong value: True instead of False"
def overlap(a, b):
    return bool(np.isin(a.numpy(), b.numpy()).any())


# %% ignores the offset wrong="overlap" says="wrong value: True instead of False"
def overlap(a, b):
    def positions(x):
        return {
            sum(i * s for i, s in zip(n, x.stride(), strict=True)) for n in np.ndindex(*x.shape)
        }

    same = a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    return same and bool(positions(a) & positions(b))


# %% forgets to compare the storages wrong="overlap" says="wrong value: True instead of False"
def overlap(a, b):
    def positions(x):
        return {x[n].storage_offset() for n in np.ndindex(*x.shape)}

    return bool(positions(a) & positions(b))


# %% no tensor without dimensions wrong="overlap" says="overlap raised TypeError: iteration over a 0-d tensor"
def overlap(a, b):
    def addresses(x):
        found = set()
        for part in x:
            if part.dim() == 0:
                found.add(part.data_ptr())
            else:
                found |= addresses(part)
        return found

    return bool(addresses(a) & addresses(b))


# %% changes one and looks at the other wrong="overlap" says="changed its argument a: work on a copy"
def overlap(a, b):
    before = b.clone()
    a += 1
    return not torch.equal(before, b)


# %% returns the common addresses wrong="overlap" says="wrong type: set instead of bool"
def overlap(a, b):
    addresses_of_a = {a[index].data_ptr() for index in np.ndindex(*a.shape)}
    addresses_of_b = {b[index].data_ptr() for index in np.ndindex(*b.shape)}
    return addresses_of_a & addresses_of_b


# %% returns a NumPy boolean wrong="overlap" says="instead of bool"
def overlap(a, b):
    addresses_of_a = [a[index].data_ptr() for index in np.ndindex(*a.shape)]
    addresses_of_b = [b[index].data_ptr() for index in np.ndindex(*b.shape)]
    return np.isin(addresses_of_a, addresses_of_b).any()


# %% prints instead of returning wrong="overlap" says="wrong type: NoneType instead of bool"
def overlap(a, b):
    addresses = {a[index].data_ptr() for index in np.ndindex(*a.shape)}
    print(any(b[index].data_ptr() in addresses for index in np.ndindex(*b.shape)))


# %% permutes each picture right="to_batch"
def to_batch(images):
    return torch.stack([image.permute(2, 0, 1) for image in images]).contiguous()


# %% fills an empty batch right="to_batch"
def to_batch(images):
    height, width, channels = images[0].shape
    batch = torch.empty(len(images), channels, height, width, dtype=images[0].dtype)
    for i, image in enumerate(images):
        for c in range(channels):
            batch[i, c] = image[:, :, c]
    return batch


# %% stacks the channels, then the pictures right="to_batch"
def to_batch(images):
    return torch.stack([torch.stack(image.unbind(dim=2)) for image in images])


# %% concatenates and clones right="to_batch"
def to_batch(images):
    batch = torch.cat([image[None] for image in images], dim=0)
    return torch.movedim(batch, -1, 1).clone(memory_format=torch.contiguous_format)


# %% not contiguous wrong="to_batch" says="not contiguous"
def to_batch(images):
    return torch.stack(images).permute(0, 3, 1, 2)


# %% relabels instead of permuting wrong="to_batch" says="wrong values"
def to_batch(images):
    batch = torch.stack(images)
    n, height, width, channels = batch.shape
    return batch.view(n, channels, height, width)


# %% swaps height and width wrong="to_batch" says="wrong shape: (2, 2, 3, 1) instead of (2, 2, 1, 3)"
def to_batch(images):
    return torch.stack(images).transpose(1, 3).contiguous()


# %% concatenates without a new dimension wrong="to_batch" says="to_batch raised RuntimeError"
def to_batch(images):
    return torch.cat(images).permute(0, 3, 1, 2).contiguous()


# %% returns a list wrong="to_batch" says="wrong type: list instead of Tensor"
def to_batch(images):
    return [image.permute(2, 0, 1).contiguous() for image in images]


# %% leaves the channels last wrong="to_batch" says="wrong shape: (2, 1, 3, 2) instead of (2, 2, 1, 3)"
def to_batch(images):
    return torch.stack(images)


# %% always makes floats wrong="to_batch" says="wrong dtype: torch.float32 instead of torch.int64"
def to_batch(images):
    height, width, channels = images[0].shape
    batch = torch.zeros(len(images), channels, height, width)
    for i, image in enumerate(images):
        batch[i] = image.permute(2, 0, 1)
    return batch


# %% with as_strided right="sliding_windows"
def sliding_windows(x, width):
    step = x.stride(0)
    return x.as_strided((len(x) - width + 1, width), (step, step))


# %% torch.as_strided with an explicit offset right="sliding_windows"
def sliding_windows(x, width):
    size = (x.numel() - width + 1, width)
    return torch.as_strided(x, size, 2 * x.stride(), storage_offset=x.storage_offset())


# %% windows of a matrix with one row right="sliding_windows"
def sliding_windows(x, width):
    return x.unsqueeze(0).unfold(dimension=1, size=width, step=1)[0]


# %% copies the windows wrong="sliding_windows" says="returned a copy"
def sliding_windows(x, width):
    return torch.stack([x[i : i + width] for i in range(len(x) - width + 1)])


# %% picks with a matrix of indices wrong="sliding_windows" says="returned a copy"
def sliding_windows(x, width):
    starts = torch.arange(len(x) - width + 1).unsqueeze(1)
    return x[starts + torch.arange(width)]


# %% makes the view contiguous wrong="sliding_windows" says="returned a copy"
def sliding_windows(x, width):
    return x.unfold(0, width, 1).contiguous()


# %% forgets the last window wrong="sliding_windows" says="wrong shape: (2, 3) instead of (3, 3)"
def sliding_windows(x, width):
    return x.as_strided((len(x) - width, width), (x.stride(0), x.stride(0)))


# %% windows that do not overlap wrong="sliding_windows" says="wrong shape"
def sliding_windows(x, width):
    return x.unfold(0, width, width)


# %% takes the stride for 1 wrong="sliding_windows" says="wrong values"
def sliding_windows(x, width):
    return x.as_strided((len(x) - width + 1, width), (1, 1))


# %% starts at the beginning of the storage wrong="sliding_windows" says="wrong values"
def sliding_windows(x, width):
    step = x.stride(0)
    return torch.as_strided(x, (len(x) - width + 1, width), (step, step), 0)


# %% makes the series contiguous first wrong="sliding_windows" says="returned a copy"
def sliding_windows(x, width):
    return x.contiguous().as_strided((len(x) - width + 1, width), (1, 1))


# %% returns a list of views wrong="sliding_windows" says="wrong type: list instead of Tensor"
def sliding_windows(x, width):
    return [x[i : i + width] for i in range(len(x) - width + 1)]


# %% the windows are the columns wrong="sliding_windows" says="wrong shape"
def sliding_windows(x, width):
    return x.unfold(0, width, 1).t()


# %% a series has one dimension: the first is the last equivalent="sliding_windows"
# - return x.unfold(0, width, 1)
# + return x.unfold(-1, width, 1)


# %% with cdist right="pairwise_distances"
def pairwise_distances(a, b):
    return torch.cdist(a, b)


# %% with the binomial formula right="pairwise_distances"
def pairwise_distances(a, b):
    squares = (a**2).sum(1, keepdim=True) + (b**2).sum(1) - 2 * a @ b.t()
    return squares.clamp(min=0).sqrt()


# %% norm of the expanded difference right="pairwise_distances"
def pairwise_distances(a, b):
    n, m = len(a), len(b)
    left = a[:, None, :].expand(n, m, -1)
    right = b[None, :, :].expand(n, m, -1)
    return torch.linalg.vector_norm(left - right, dim=-1)


# %% the loops of the statement right="pairwise_distances"
def pairwise_distances(a, b):
    distances = torch.zeros(len(a), len(b))
    for i in range(len(a)):
        for j in range(len(b)):
            distances[i, j] = ((a[i] - b[j]) ** 2).sum().sqrt()
    return distances


# %% subtracts row from row wrong="pairwise_distances" says="pairwise_distances raised RuntimeError"
def pairwise_distances(a, b):
    return ((a - b) ** 2).sum(dim=1).sqrt()


# %% forgets the square root wrong="pairwise_distances" says="wrong values"
def pairwise_distances(a, b):
    return ((a.unsqueeze(1) - b.unsqueeze(0)) ** 2).sum(dim=2)


# %% from b to a wrong="pairwise_distances" says="wrong shape: (3, 2) instead of (2, 3)"
def pairwise_distances(a, b):
    return ((a.unsqueeze(0) - b.unsqueeze(1)) ** 2).sum(dim=2).sqrt()


# %% sums over the points wrong="pairwise_distances" says="wrong shape: (2, 2) instead of (2, 3)"
def pairwise_distances(a, b):
    return ((a.unsqueeze(1) - b.unsqueeze(0)) ** 2).sum(dim=1).sqrt()


# %% keeps the summed dimension wrong="pairwise_distances" says="wrong shape: (2, 3, 1) instead of (2, 3)"
def pairwise_distances(a, b):
    return ((a.unsqueeze(1) - b.unsqueeze(0)) ** 2).sum(dim=2, keepdim=True).sqrt()


# %% sum of the absolute differences wrong="pairwise_distances" says="wrong values"
def pairwise_distances(a, b):
    return (a[:, None] - b[None]).abs().sum(-1)


# %% mean instead of sum wrong="pairwise_distances" says="wrong values"
def pairwise_distances(a, b):
    return (a[:, None] - b[None]).square().mean(-1).sqrt()


# %% root of a number rounded below zero wrong="pairwise_distances" says="wrong values: nan"
def pairwise_distances(a, b):
    squares = (a**2).sum(1, keepdim=True) + (b**2).sum(1) - 2 * a @ b.t()
    return squares.sqrt()


# %% the square has no sign equivalent="pairwise_distances"
# - difference = a.unsqueeze(1) - b.unsqueeze(0)
# + difference = b.unsqueeze(0) - a.unsqueeze(1)

# %% broadcasting puts a dimension of size 1 in front by itself equivalent="pairwise_distances"
# - difference = a.unsqueeze(1) - b.unsqueeze(0)
# + difference = a.unsqueeze(1) - b


# %% batched matrix product right="similarity_scores"
def similarity_scores(queries, keys):
    return queries @ keys.transpose(1, 2)


# %% bmm with permute right="similarity_scores"
def similarity_scores(queries, keys):
    return torch.bmm(queries, keys.permute(0, 2, 1))


# %% broadcasting right="similarity_scores"
def similarity_scores(queries, keys):
    return (queries[:, :, None, :] * keys[:, None, :, :]).sum(dim=-1)


# %% text by text right="similarity_scores"
def similarity_scores(queries, keys):
    return torch.stack([queries[b].mm(keys[b].t()) for b in range(len(keys))])


# %% forgets to transpose wrong="similarity_scores" says="similarity_scores raised RuntimeError"
def similarity_scores(queries, keys):
    return queries @ keys


# %% transposes the batch wrong="similarity_scores" says="similarity_scores raised RuntimeError"
def similarity_scores(queries, keys):
    return queries @ keys.transpose(0, 1)


# %% relabels instead of transposing wrong="similarity_scores" says="wrong values"
def similarity_scores(queries, keys):
    batch, m, d = keys.shape
    return queries @ keys.reshape(batch, d, m)


# %% keys in front wrong="similarity_scores" says="wrong shape: (1, 3, 2) instead of (1, 2, 3)"
def similarity_scores(queries, keys):
    return torch.einsum("bnd,bmd->bmn", queries, keys)


# %% mixes the texts wrong="similarity_scores" says="wrong values"
def similarity_scores(queries, keys):
    return torch.einsum("bnd,amd->bnm", queries, keys)


# %% cosine instead of dot product wrong="similarity_scores" says="wrong values"
def similarity_scores(queries, keys):
    return torch.cosine_similarity(queries.unsqueeze(2), keys.unsqueeze(1), dim=3)


# %% mean instead of sum wrong="similarity_scores" says="wrong values"
def similarity_scores(queries, keys):
    return (queries.unsqueeze(2) * keys.unsqueeze(1)).mean(dim=3)


# %% multiplies element by element wrong="similarity_scores" says="similarity_scores raised RuntimeError"
def similarity_scores(queries, keys):
    return (queries * keys).sum(dim=-1)
