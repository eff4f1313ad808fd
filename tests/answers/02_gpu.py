"""Right and wrong answers to the exercises of 02_gpu, as `autograder verify` grades them.

Each cell replaces the solution cell that its marker names.
A wrong answer also says which words the message of its first failing test must contain.
The imports below are here for the linter: the set-up cell of the exercises does them for all answers.
"""

import math

import numpy as np
import torch


# %% case by case right="pick_device"
def pick_device(wanted, counts):
    gpus, mps = counts.get("cuda", 0), counts.get("mps", 0)
    if wanted is None:
        if gpus:
            return torch.device("cuda:0")
        return torch.device("mps" if mps else "cpu")
    if wanted == "cpu":
        return torch.device("cpu")
    if wanted == "mps" and mps:
        return torch.device("mps")
    if wanted.startswith("cuda"):
        number = int(wanted.split(":")[1]) if ":" in wanted else 0
        if number < gpus:
            return torch.device(f"cuda:{number}")
    raise ValueError(wanted)


# %% looks into a table of all devices right="pick_device"
def pick_device(wanted, counts):
    there = [f"cuda:{i}" for i in range(counts.get("cuda", 0))]
    there += ["mps"] * min(1, counts.get("mps", 0)) + ["cpu"]
    if wanted is None:
        wanted = there[0]
    if wanted == "cuda":
        wanted = "cuda:0"
    return torch.device(there[there.index(wanted)])


# %% returns a text wrong="pick_device" says="wrong type: str instead of device"
def pick_device(wanted, counts):
    if wanted is None:
        wanted = "cuda" if counts.get("cuda") else "mps" if counts.get("mps") else "cpu"
    return "cuda:0" if wanted == "cuda" else wanted


# %% never refuses wrong="pick_device" says="pick_device must raise ValueError, but it raised nothing"
def pick_device(wanted, counts):
    if wanted is None:
        wanted = "cuda" if counts.get("cuda") else "mps" if counts.get("mps") else "cpu"
    return torch.device("cuda:0" if wanted == "cuda" else wanted)


# %% leaves out the number wrong="pick_device" says="instead of device(type='cuda', index=0)"
def pick_device(wanted, counts):
    if wanted is None:
        wanted = "cuda" if counts.get("cuda") else "mps" if counts.get("mps") else "cpu"
    device = torch.device(wanted)
    if device.type != "cpu" and counts.get(device.type, 0) <= (device.index or 0):
        raise ValueError(wanted)
    return device


# %% counts from one wrong="pick_device" says="must raise ValueError, but it raised nothing"
def pick_device(wanted, counts):
    if wanted is None:
        wanted = "cuda" if counts.get("cuda") else "mps" if counts.get("mps") else "cpu"
    device = torch.device("cuda:0" if wanted == "cuda" else wanted)
    if device.type != "cpu" and counts.get(device.type, 0) < (device.index or 0):
        raise ValueError(wanted)
    return device


# %% asks this machine instead wrong="pick_device" says="wrong value: device(type='cpu') instead of device(type='cuda', index=0)"
def pick_device(wanted, counts):
    if wanted is None:
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device("cuda:0" if wanted == "cuda" else wanted)
    if device.type != "cpu" and (device.index or 0) >= counts.get(device.type, 0):
        raise ValueError(wanted)
    return device


# %% expects every key wrong="pick_device" says="pick_device raised KeyError"
def pick_device(wanted, counts):
    if wanted is None:
        wanted = "cuda" if counts["cuda"] > 0 else "mps" if counts["mps"] > 0 else "cpu"
    device = torch.device("cuda:0" if wanted == "cuda" else wanted)
    if device.type != "cpu" and (device.index or 0) >= counts[device.type]:
        raise ValueError(wanted)
    return device


# %% refuses with another error wrong="pick_device" says="pick_device raised RuntimeError: no such device"
def pick_device(wanted, counts):
    if wanted is None:
        wanted = "cuda" if counts.get("cuda") else "mps" if counts.get("mps") else "cpu"
    device = torch.device("cuda:0" if wanted == "cuda" else wanted)
    if device.type != "cpu" and (device.index or 0) >= counts.get(device.type, 0):
        raise RuntimeError("no such device")
    return device


# %% asks for a method to right="move_to"
def move_to(batch, device):
    if hasattr(batch, "to"):
        return batch.to(device)
    if type(batch) is dict:
        result = {}
        for key in batch:
            result[key] = move_to(batch[key], device)
        return result
    if type(batch) is list:
        return [move_to(item, device) for item in batch]
    if type(batch) is tuple:
        return tuple(move_to(item, device) for item in batch)
    return batch


# %% on a copy of the structure right="move_to"
def move_to(batch, device):
    def go(value):
        match value:
            case torch.Tensor():
                return torch.empty_like(value, device=device).copy_(value)
            case dict():
                return dict(zip(value.keys(), map(go, value.values()), strict=True))
            case tuple():
                return tuple(go(list(value)))
            case list():
                return list(map(go, value))
        return value

    return go(batch)


# %% only the first level wrong="move_to" says="wrong device: cpu instead of meta"
def move_to(batch, device):
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(v.to(device) if isinstance(v, torch.Tensor) else v for v in batch)
    return batch


# %% makes lists of tuples wrong="move_to" says="wrong type: list instead of tuple"
def move_to(batch, device):
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {k: move_to(v, device) for k, v in batch.items()}
    if isinstance(batch, (list, tuple)):
        return [move_to(v, device) for v in batch]
    return batch


# %% forgets tuples wrong="move_to" says="wrong device: cpu instead of meta"
def move_to(batch, device):
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {k: move_to(v, device) for k, v in batch.items()}
    if isinstance(batch, list):
        return [move_to(v, device) for v in batch]
    return batch


# %% changes the batch itself wrong="move_to" says="move_to changed its argument batch: work on a copy"
def move_to(batch, device):
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        for key in batch:
            batch[key] = move_to(batch[key], device)
    elif isinstance(batch, list):
        batch[:] = [move_to(v, device) for v in batch]
    elif isinstance(batch, tuple):
        return tuple(move_to(v, device) for v in batch)
    return batch


# %% throws the copy away wrong="move_to" says="wrong device: cpu instead of meta"
def move_to(batch, device):
    if isinstance(batch, torch.Tensor):
        batch.to(device)
    elif isinstance(batch, dict):
        for value in batch.values():
            move_to(value, device)
    elif isinstance(batch, (list, tuple)):
        for value in batch:
            move_to(value, device)
    return batch


# %% loops over texts wrong="move_to" says="move_to raised RecursionError"
def move_to(batch, device):
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {k: move_to(v, device) for k, v in batch.items()}
    try:
        return type(batch)([move_to(v, device) for v in batch])
    except TypeError:
        return batch


# %% drops what is no tensor wrong="move_to" says="wrong type: NoneType instead of str"
def move_to(batch, device):
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {k: move_to(v, device) for k, v in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(move_to(v, device) for v in batch)


# %% makes all tensors float32 wrong="move_to" says="wrong dtype: torch.float32"
def move_to(batch, device):
    if isinstance(batch, torch.Tensor):
        return batch.to(device, torch.float32)
    if isinstance(batch, dict):
        return {k: move_to(v, device) for k, v in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(move_to(v, device) for v in batch)
    return batch


# %% always meta wrong="move_to" says="wrong device: meta instead of cpu"
def move_to(batch, device):
    if isinstance(batch, torch.Tensor):
        return batch.to("meta")
    if isinstance(batch, dict):
        return {k: move_to(v, device) for k, v in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(move_to(v, device) for v in batch)
    return batch


# %% with the module statistics right="benchmark"
def benchmark(run, synchronize, clock, warmup, repeats):
    from statistics import median

    def once():
        synchronize()
        start = clock()
        run()
        synchronize()
        return clock() - start

    return median([once() for _ in range(warmup + repeats)][warmup:])


# %% synchronizes once after the warm-up, and with NumPy right="benchmark"
def benchmark(run, synchronize, clock, warmup, repeats):
    for _ in range(warmup):
        run()
    synchronize()
    stamps = [clock()]
    for _ in range(repeats):
        run()
        synchronize()
        stamps.append(clock())
    return float(np.median(np.diff(stamps)))


# %% with a quantile right="benchmark"
def benchmark(run, synchronize, clock, warmup, repeats):
    times = torch.zeros(repeats, dtype=torch.float64)
    for i in range(-warmup, repeats):
        synchronize()
        start = clock()
        run()
        synchronize()
        if i >= 0:
            times[i] = clock() - start
    return times.quantile(0.5).item()


# %% does not synchronize wrong="benchmark" says="wrong value: 0.25 instead of 2.25"
def benchmark(run, synchronize, clock, warmup, repeats):
    for _ in range(warmup):
        run()
    times = []
    for _ in range(repeats):
        start = clock()
        run()
        times.append(clock() - start)
    return float(np.median(times))


# %% synchronizes only at the end wrong="benchmark" says="wrong value: 7.0 instead of 2.25"
def benchmark(run, synchronize, clock, warmup, repeats):
    for _ in range(warmup):
        run()
    times = []
    for _ in range(repeats):
        start = clock()
        run()
        synchronize()
        times.append(clock() - start)
    return float(np.median(times))


# %% synchronizes only before wrong="benchmark" says="wrong value: 0.25 instead of 2.25"
def benchmark(run, synchronize, clock, warmup, repeats):
    for _ in range(warmup):
        run()
    times = []
    for _ in range(repeats):
        synchronize()
        start = clock()
        run()
        times.append(clock() - start)
    synchronize()
    return float(np.median(times))


# %% reads the clock before it synchronizes wrong="benchmark" says="wrong value: 7.25 instead of 2.25"
def benchmark(run, synchronize, clock, warmup, repeats):
    for _ in range(warmup):
        run()
    times = []
    for _ in range(repeats):
        start = clock()
        synchronize()
        run()
        synchronize()
        times.append(clock() - start)
    return float(np.median(times))


# %% no warm-up wrong="benchmark" says="wrong value: 4.25 instead of 3.25"
def benchmark(run, synchronize, clock, warmup, repeats):
    times = []
    for _ in range(repeats):
        synchronize()
        start = clock()
        run()
        synchronize()
        times.append(clock() - start)
    return float(np.median(times))


# %% the warm-up counts wrong="benchmark" says="wrong value: 3.75 instead of 3.25"
def benchmark(run, synchronize, clock, warmup, repeats):
    times = []
    for _ in range(warmup + repeats):
        synchronize()
        start = clock()
        run()
        synchronize()
        times.append(clock() - start)
    return float(np.median(times))


# %% the mean wrong="benchmark" says="wrong value"
def benchmark(run, synchronize, clock, warmup, repeats):
    for _ in range(warmup):
        run()
    synchronize()
    start = clock()
    for _ in range(repeats):
        run()
    synchronize()
    return (clock() - start) / repeats


# %% the fastest wrong="benchmark" says="wrong value: 1.25 instead of 2.25"
def benchmark(run, synchronize, clock, warmup, repeats):
    for _ in range(warmup):
        run()
    times = []
    for _ in range(repeats):
        synchronize()
        start = clock()
        run()
        synchronize()
        times.append(clock() - start)
    return min(times)


# %% the lower one in the middle wrong="benchmark" says="wrong value: 2.25 instead of 2.75"
def benchmark(run, synchronize, clock, warmup, repeats):
    for _ in range(warmup):
        run()
    times = []
    for _ in range(repeats):
        synchronize()
        start = clock()
        run()
        synchronize()
        times.append(clock() - start)
    return torch.tensor(times).median().item()


# %% runs once more wrong="benchmark" says="run() was called more than 1 times"
def benchmark(run, synchronize, clock, warmup, repeats):
    for _ in range(warmup + 1):
        run()
    times = []
    for _ in range(repeats):
        synchronize()
        start = clock()
        run()
        synchronize()
        times.append(clock() - start)
    return float(np.median(times))


# %% on meta right="bytes_needed"
def bytes_needed(shape, dtype):
    return torch.empty(shape, dtype=dtype, device="meta").nbytes


# %% with a loop right="bytes_needed"
def bytes_needed(shape, dtype):
    total = torch.zeros(1, dtype=dtype).element_size()
    for size in shape:
        total *= size
    return total


# %% makes the tensor wrong="bytes_needed" says="bytes_needed raised RuntimeError"
def bytes_needed(shape, dtype):
    return torch.empty(shape, dtype=dtype).nbytes


# %% counts the numbers wrong="bytes_needed" says="wrong value: 1000000 instead of 4000000"
def bytes_needed(shape, dtype):
    return math.prod(shape)


# %% always four bytes wrong="bytes_needed" says="wrong value: 12 instead of 24"
def bytes_needed(shape, dtype):
    return 4 * math.prod(shape)


# %% bits instead of bytes wrong="bytes_needed" says="wrong value: 32000000 instead of 4000000"
def bytes_needed(shape, dtype):
    return math.prod(shape) * dtype.itemsize * 8


# %% adds the sizes wrong="bytes_needed" says="wrong value: 8000 instead of 4000000"
def bytes_needed(shape, dtype):
    return sum(shape) * dtype.itemsize


# %% only for floating-point wrong="bytes_needed" says="bytes_needed raised TypeError"
def bytes_needed(shape, dtype):
    return math.prod(shape) * torch.finfo(dtype).bits // 8


# %% a float wrong="bytes_needed" says="wrong type"
def bytes_needed(shape, dtype):
    return float(np.prod(shape)) * dtype.itemsize


# %% an empty shape has no number wrong="bytes_needed" says="wrong value: 0 instead of 4"
def bytes_needed(shape, dtype):
    return math.prod(shape) * dtype.itemsize if shape else 0


# %% in three sums right="training_bytes"
def training_bytes(model, states):
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    trained = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    buffers = sum(b.numel() * b.element_size() for b in model.buffers())
    return weights + (1 + states) * trained + buffers


# %% walks over the layers and remembers what it has seen right="training_bytes"
def training_bytes(model, states):
    seen, total = [], 0
    for layer in model.modules():
        for p in layer.parameters(recurse=False):
            if any(p is other for other in seen):
                continue
            seen.append(p)
            total += p.nbytes + p.requires_grad * (1 + states) * p.nbytes
        for b in layer.buffers(recurse=False):
            total += b.nbytes
    return total


# %% buffers from the state dict wrong="training_bytes" says="wrong value: 128 instead of 148"
def training_bytes(model, states):
    parameters = dict(model.named_parameters())
    seen = {id(p) for p in parameters.values()}
    total = sum(p.nbytes * (2 + states if p.requires_grad else 1) for p in parameters.values())
    kept = model.state_dict(keep_vars=True).values()
    return total + sum(value.nbytes for value in kept if id(value) not in seen)


# %% counts all parameters as trained wrong="training_bytes" says="wrong value: 880 instead of 280"
def training_bytes(model, states):
    total = sum((2 + states) * p.nbytes for p in model.parameters())
    return total + sum(b.nbytes for b in model.buffers())


# %% forgets the gradient wrong="training_bytes" says="wrong value: 660 instead of 880"
def training_bytes(model, states):
    total = sum(b.nbytes for b in model.buffers())
    for p in model.parameters():
        total += p.nbytes * (1 + states if p.requires_grad else 1)
    return total


# %% forgets the buffers wrong="training_bytes" says="wrong value: 96 instead of 128"
def training_bytes(model, states):
    return sum(p.nbytes * (2 + states if p.requires_grad else 1) for p in model.parameters())


# %% frozen parameters take nothing wrong="training_bytes" says="wrong value: 80 instead of 280"
def training_bytes(model, states):
    total = sum((2 + states) * p.nbytes for p in model.parameters() if p.requires_grad)
    return total + sum(b.nbytes for b in model.buffers())


# %% trains the state dict wrong="training_bytes" says="wrong value"
def training_bytes(model, states):
    return sum((2 + states) * value.nbytes for value in model.state_dict().values())


# %% counts shared parameters twice wrong="training_bytes" says="wrong value: 240 instead of 144"
def training_bytes(model, states):
    total = sum(b.nbytes for b in model.buffers())
    for _, p in model.named_parameters(remove_duplicate=False):
        total += p.nbytes * (2 + states if p.requires_grad else 1)
    return total


# %% always four bytes wrong="training_bytes" says="wrong value"
def training_bytes(model, states):
    total = sum(4 * b.numel() for b in model.buffers())
    for p in model.parameters():
        total += 4 * p.numel() * (2 + states if p.requires_grad else 1)
    return total


# %% always Adam wrong="training_bytes" says="wrong value: 880 instead of 440"
def training_bytes(model, states):
    total = sum(b.nbytes for b in model.buffers())
    for p in model.parameters():
        total += p.nbytes * (4 if p.requires_grad else 1)
    return total


# %% numbers instead of bytes wrong="training_bytes" says="wrong value: 220 instead of 880"
def training_bytes(model, states):
    total = sum(b.numel() for b in model.buffers())
    for p in model.parameters():
        total += p.numel() * (2 + states if p.requires_grad else 1)
    return total


# %% fills a result right="matmul_in_chunks"
def matmul_in_chunks(a, b, multiply, budget):
    n, k = a.shape
    m = b.shape[1]
    size = a.element_size()
    step = (budget - k * m * size) // (k * size + m * size)
    result = torch.empty(n, m, dtype=a.dtype)
    for start in range(0, n, step):
        result[start : start + step] = multiply(a[start : start + step], b)
    return result


# %% searches for the number of parts, equal parts right="matmul_in_chunks"
def matmul_in_chunks(a, b, multiply, budget):
    for parts in range(1, len(a) + 1):
        rows = math.ceil(len(a) / parts)
        if rows * a[0].nbytes + b.nbytes + rows * b.shape[1] * b.itemsize <= budget:
            return torch.vstack([multiply(part, b) for part in a.tensor_split(parts)])


# %% forgets the result wrong="matmul_in_chunks" says="matmul_in_chunks raised MemoryError"
def matmul_in_chunks(a, b, multiply, budget):
    rows = (budget - b.nbytes) // a[0].nbytes
    return torch.cat([multiply(part, b) for part in a.split(rows)])


# %% forgets b wrong="matmul_in_chunks" says="matmul_in_chunks raised MemoryError"
def matmul_in_chunks(a, b, multiply, budget):
    rows = budget // ((a.shape[1] + b.shape[1]) * a.itemsize)
    return torch.cat([multiply(part, b) for part in a.split(rows)])


# %% row by row wrong="matmul_in_chunks" says="6 calls, with [1, 1, 1, 1, 1, 1] rows"
def matmul_in_chunks(a, b, multiply, budget):
    return torch.cat([multiply(row, b) for row in a.split(1)])


# %% all at once wrong="matmul_in_chunks" says="6 rows need 144 bytes, the GPU has 64"
def matmul_in_chunks(a, b, multiply, budget):
    return multiply(a, b)


# %% multiplies by itself wrong="matmul_in_chunks" says="matmul_in_chunks must let multiply do the work"
def matmul_in_chunks(a, b, multiply, budget):
    return a @ b


# %% always four bytes wrong="matmul_in_chunks" says="matmul_in_chunks raised"
def matmul_in_chunks(a, b, multiply, budget):
    rows = (budget - 4 * b.numel()) // (4 * (a.shape[1] + b.shape[1]))
    return torch.cat([multiply(part, b) for part in a.split(rows)])


# %% drops the rest wrong="matmul_in_chunks" says="wrong shape"
def matmul_in_chunks(a, b, multiply, budget):
    rows = (budget - b.nbytes) // ((a.shape[1] + b.shape[1]) * a.itemsize)
    rows = min(rows, len(a))
    return torch.cat([multiply(a[i * rows : (i + 1) * rows], b) for i in range(len(a) // rows)])


# %% one row less than fits wrong="matmul_in_chunks" says="made the wrong calls of multiply"
def matmul_in_chunks(a, b, multiply, budget):
    row_bytes = (a.shape[1] + b.shape[1]) * a.itemsize
    rows = max(1, (budget - b.nbytes - 1) // row_bytes)
    return torch.cat([multiply(part, b) for part in a.split(rows)])


# %% tries until it fits wrong="matmul_in_chunks" says="made the wrong calls of multiply"
def matmul_in_chunks(a, b, multiply, budget):
    rows = len(a)
    while True:
        try:
            return torch.cat([multiply(part, b) for part in a.split(rows)])
        except MemoryError:
            rows -= 1


# %% every workers-th sample right="data_parallel_gradient"
def data_parallel_gradient(gradient, x, y, workers):
    total = 0
    for rank in range(workers):
        part = x[rank::workers]
        total = total + gradient(part, y[rank::workers]) * (len(part) / len(x))
    return total


# %% with chunk and a weighted sum right="data_parallel_gradient"
def data_parallel_gradient(gradient, x, y, workers):
    xs, ys = x.chunk(workers), y.chunk(workers)
    weights = torch.tensor([len(part) for part in xs], dtype=x.dtype) / x.shape[0]
    gradients = torch.stack([gradient(a, b) for a, b in zip(xs, ys, strict=True)])
    return torch.tensordot(weights, gradients, dims=1)


# %% from position to position right="data_parallel_gradient"
def data_parallel_gradient(gradient, x, y, workers):
    n = len(x)
    total = None
    for i in range(workers):
        start, stop = n * i // workers, n * (i + 1) // workers
        part = gradient(x[start:stop], y[start:stop]) * (stop - start)
        total = part if total is None else total + part
    return total / n


# %% mean of the means wrong="data_parallel_gradient" says="wrong values: 3.75 instead of 3"
def data_parallel_gradient(gradient, x, y, workers):
    parts = [gradient(a, b) for a, b in zip(x.chunk(workers), y.chunk(workers), strict=True)]
    return torch.stack(parts).mean(dim=0)


# %% adds up wrong="data_parallel_gradient" says="wrong values"
def data_parallel_gradient(gradient, x, y, workers):
    return sum(gradient(a, b) for a, b in zip(x.chunk(workers), y.chunk(workers), strict=True))


# %% the whole batch at once wrong="data_parallel_gradient" says="a part has from 1 to 2 samples, but this one has 4"
def data_parallel_gradient(gradient, x, y, workers):
    return gradient(x, y)


# %% parts of a fixed size, the rest is left out wrong="data_parallel_gradient" says="wrong values"
def data_parallel_gradient(gradient, x, y, workers):
    size = len(x) // workers
    total = 0
    for i in range(workers):
        part = slice(i * size, (i + 1) * size)
        total = total + gradient(x[part], y[part])
    return total / workers


# %% only the first worker wrong="data_parallel_gradient" says="wrong values"
def data_parallel_gradient(gradient, x, y, workers):
    return gradient(x.chunk(workers)[0], y.chunk(workers)[0])


# %% the last worker gets the rest wrong="data_parallel_gradient" says="a part has from 1 to 3 samples, but this one has 4"
def data_parallel_gradient(gradient, x, y, workers):
    size, total = len(x) // workers, 0
    for i in range(workers):
        stop = (i + 1) * size if i < workers - 1 else len(x)
        part = slice(i * size, stop)
        total = total + gradient(x[part], y[part]) * (stop - i * size)
    return total / len(x)


# %% one sample at a time wrong="data_parallel_gradient" says="made wrong parts"
def data_parallel_gradient(gradient, x, y, workers):
    return torch.stack([gradient(x[i : i + 1], y[i : i + 1]) for i in range(len(x))]).mean(dim=0)


# %% divides by the workers wrong="data_parallel_gradient" says="wrong values"
def data_parallel_gradient(gradient, x, y, workers):
    pairs = zip(x.tensor_split(workers), y.tensor_split(workers), strict=True)
    return sum(len(a) * gradient(a, b) for a, b in pairs) / workers


# %% fills an empty table right="pipeline_schedule"
def pipeline_schedule(stages, micro_batches):
    table = [[None] * stages for _ in range(stages + micro_batches - 1)]
    for stage in range(stages):
        for number in range(micro_batches):
            table[stage + number][stage] = number
    return table


# %% hands on from the tick before right="pipeline_schedule"
def pipeline_schedule(stages, micro_batches):
    table, row, begun = [], [None] * stages, 0
    while True:
        row = [begun if begun < micro_batches else None, *row[:-1]]
        begun += 1
        if all(number is None for number in row):
            return table
        table.append(row)


# %% one tick too few wrong="pipeline_schedule" says="wrong length: 3 instead of 4"
def pipeline_schedule(stages, micro_batches):
    return [
        [t - s if 0 <= t - s < micro_batches else None for s in range(stages)]
        for t in range(max(stages, micro_batches))
    ]


# %% one tick too many wrong="pipeline_schedule" says="wrong length: 5 instead of 4"
def pipeline_schedule(stages, micro_batches):
    return [
        [t - s if 0 <= t - s < micro_batches else None for s in range(stages)]
        for t in range(stages + micro_batches)
    ]


# %% one list for each GPU wrong="pipeline_schedule" says="wrong length: 2 instead of 4"
def pipeline_schedule(stages, micro_batches):
    return [
        [t - s if 0 <= t - s < micro_batches else None for t in range(stages + micro_batches - 1)]
        for s in range(stages)
    ]


# %% no pipeline at all wrong="pipeline_schedule" says="wrong length: 6 instead of 4"
def pipeline_schedule(stages, micro_batches):
    table = []
    for number in range(micro_batches):
        for stage in range(stages):
            row = [None] * stages
            row[stage] = number
            table.append(row)
    return table


# %% counts from one wrong="pipeline_schedule" says="wrong value: 1 instead of 0"
def pipeline_schedule(stages, micro_batches):
    return [
        [t - s + 1 if 0 <= t - s < micro_batches else None for s in range(stages)]
        for t in range(stages + micro_batches - 1)
    ]


# %% negative numbers where it waits wrong="pipeline_schedule" says="wrong type: int instead of NoneType"
def pipeline_schedule(stages, micro_batches):
    return [
        [t - s if t - s < micro_batches else None for s in range(stages)]
        for t in range(stages + micro_batches - 1)
    ]


# %% zero counts as nothing wrong="pipeline_schedule" says="wrong type: NoneType instead of int"
def pipeline_schedule(stages, micro_batches):
    return [
        [(t - s if 0 <= t - s < micro_batches else None) or None for s in range(stages)]
        for t in range(stages + micro_batches - 1)
    ]


# %% the GPUs in reverse wrong="pipeline_schedule" says="wrong type: NoneType instead of int"
def pipeline_schedule(stages, micro_batches):
    return [
        [t - s if 0 <= t - s < micro_batches else None for s in reversed(range(stages))]
        for t in range(stages + micro_batches - 1)
    ]


# %% first one stage, then the other right="run_pipeline"
def run_pipeline(first, second, devices, x, micro_batches):
    parts = [first(part.to(devices[0])) for part in x.chunk(micro_batches)]
    return torch.cat([second(part.to(devices[1])) for part in parts], dim=0)


# %% with the schedule of a pipeline right="run_pipeline"
def run_pipeline(first, second, devices, x, micro_batches):
    here = x.to(devices[0]).split(math.ceil(len(x) / micro_batches))
    waiting, results = None, []
    for tick in range(len(here) + 1):
        if waiting is not None:
            results.append(second(waiting))
        waiting = first(here[tick]).to(devices[1]) if tick < len(here) else None
    return torch.vstack(results)


# %% never leaves the CPU wrong="run_pipeline" says="wrong device: cpu instead of meta"
def run_pipeline(first, second, devices, x, micro_batches):
    return torch.cat([second(first(part)) for part in x.chunk(micro_batches)])


# %% moves only the result wrong="run_pipeline" says="called second with a tensor on the wrong device"
def run_pipeline(first, second, devices, x, micro_batches):
    parts = [second(first(part.to(devices[0]))) for part in x.chunk(micro_batches)]
    return torch.cat(parts).to(devices[1])


# %% forgets the way to the first device wrong="run_pipeline" says="run_pipeline"
def run_pipeline(first, second, devices, x, micro_batches):
    return torch.cat([second(first(part).to(devices[1])) for part in x.chunk(micro_batches)])


# %% throws the copy away wrong="run_pipeline" says="wrong device: cpu instead of meta"
def run_pipeline(first, second, devices, x, micro_batches):
    results = []
    for part in x.chunk(micro_batches):
        part.to(devices[0])
        between = first(part)
        between.to(devices[1])
        results.append(second(between))
    return torch.cat(results)


# %% the whole batch at once wrong="run_pipeline" says="called first with wrong micro-batches"
def run_pipeline(first, second, devices, x, micro_batches):
    return second(first(x.to(devices[0])).to(devices[1]))


# %% cuts only for the first stage wrong="run_pipeline" says="called second with wrong micro-batches"
def run_pipeline(first, second, devices, x, micro_batches):
    parts = [first(part.to(devices[0])) for part in x.chunk(micro_batches)]
    return second(torch.cat(parts).to(devices[1]))


# %% takes the number for the size wrong="run_pipeline" says="wrong micro-batches"
def run_pipeline(first, second, devices, x, micro_batches):
    parts = x.split(micro_batches)
    return torch.cat([second(first(part.to(devices[0])).to(devices[1])) for part in parts])


# %% mixes up the order wrong="run_pipeline" says="wrong values"
def run_pipeline(first, second, devices, x, micro_batches):
    parts = [x[i::micro_batches] for i in range(micro_batches)]
    return torch.cat([second(first(part.to(devices[0])).to(devices[1])) for part in parts])


# %% stages swapped wrong="run_pipeline" says="wrong values"
def run_pipeline(first, second, devices, x, micro_batches):
    parts = x.chunk(micro_batches)
    return torch.cat([first(second(part.to(devices[0])).to(devices[1])) for part in parts])


# %% returns a list wrong="run_pipeline" says="wrong type: list instead of Tensor"
def run_pipeline(first, second, devices, x, micro_batches):
    parts = x.chunk(micro_batches)
    return [second(first(part.to(devices[0])).to(devices[1])) for part in parts]


# %% in the middle wrong="run_pipeline" says="wrong device: cpu instead of meta"
def run_pipeline(first, second, devices, x, micro_batches):
    parts = x.chunk(micro_batches)
    return torch.cat([second(first(part.to(devices[0])).to(devices[0])) for part in parts])


# %% filters a list right="choose_dtype"
def choose_dtype(largest, tolerance):
    choices = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
    fit = [d for d in choices if torch.finfo(d).max >= largest]
    return next(d for d in fit if torch.finfo(d).eps <= 2 * tolerance)


# %% tests the most exact last and takes the smallest right="choose_dtype"
def choose_dtype(largest, tolerance):
    best = torch.float64
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        if not (torch.finfo(dtype).max < largest or torch.finfo(dtype).eps / 2 > tolerance):
            best = dtype
    return best


# %% with numbers by heart right="choose_dtype"
def choose_dtype(largest, tolerance):
    if tolerance >= 2**-11 and largest <= 65504:
        return torch.float16
    if tolerance >= 2**-8 and largest <= (2 - 2**-7) * 2.0**127:
        return torch.bfloat16
    if tolerance >= 2**-24 and largest <= (2 - 2**-23) * 2.0**127:
        return torch.float32
    return torch.float64


# %% looks at the range only wrong="choose_dtype" says="wrong value: torch.float16 instead of torch.float32"
def choose_dtype(largest, tolerance):
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        if largest <= torch.finfo(dtype).max:
            return dtype
    return torch.float64


# %% looks at the digits only wrong="choose_dtype" says="wrong value: torch.float16 instead of torch.bfloat16"
def choose_dtype(largest, tolerance):
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        if torch.finfo(dtype).eps / 2 <= tolerance:
            return dtype
    return torch.float64


# %% bfloat16 first wrong="choose_dtype" says="wrong value: torch.bfloat16 instead of torch.float16"
def choose_dtype(largest, tolerance):
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        if largest <= torch.finfo(dtype).max and torch.finfo(dtype).eps / 2 <= tolerance:
            return dtype
    return torch.float64


# %% forgets to halve wrong="choose_dtype" says="wrong value: torch.float32 instead of torch.float16"
def choose_dtype(largest, tolerance):
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        if largest <= torch.finfo(dtype).max and torch.finfo(dtype).eps <= tolerance:
            return dtype
    return torch.float64


# %% the largest number does not fit wrong="choose_dtype" says="wrong value: torch.bfloat16 instead of torch.float16"
def choose_dtype(largest, tolerance):
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        if largest < torch.finfo(dtype).max and torch.finfo(dtype).eps / 2 <= tolerance:
            return dtype
    return torch.float64


# %% the name of the dtype wrong="choose_dtype" says="wrong type: str instead of"
def choose_dtype(largest, tolerance):
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        if largest <= torch.finfo(dtype).max and torch.finfo(dtype).eps / 2 <= tolerance:
            return str(dtype)
    return "torch.float64"


# %% never float64 wrong="choose_dtype" says="wrong value: torch.float32 instead of torch.float64"
def choose_dtype(largest, tolerance):
    for dtype in (torch.float16, torch.bfloat16):
        if largest <= torch.finfo(dtype).max and torch.finfo(dtype).eps / 2 <= tolerance:
            return dtype
    return torch.float32


# %% lets torch round the number wrong="choose_dtype" says="wrong value"
def choose_dtype(largest, tolerance):
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        rounded = torch.tensor(largest, dtype=torch.float64).to(dtype).double()
        if abs(rounded / largest - 1) <= tolerance:
            return dtype
    return torch.float64
