# %% [markdown]
# # Exercises: GPUs and other devices
#
# Read `notebooks/02_gpu` first.
# Each exercise has a statement, a cell for your answer and one or more test cells.
# Replace the line `raise NotImplementedError()` with your answer, run the cell, then run the tests below it.
# A test that passes prints nothing.
# A test that fails says what it called, what it got and what it expected.
# A `NameError` means that a cell above, the set-up or your answer, was not run, or that a name is misspelled.
# The tests look at what your function does, not at how it is written: every way that gives the right result counts.
# Where a result is not a whole number, a small difference by rounding is fine.
# Before grading, more tests are added to each test cell: they call your function with other inputs that fit the statement.
# No GPU is needed: where a device matters, the tests use `cpu` and `meta`, or a small stand-in for a GPU.
#
# Run the next cell first: it loads PyTorch and the checker that the tests use.

# %% nbgrader={"grade_id": "setup", "locked": true}
import inspect
import math
import re
import traceback

import numpy as np
import torch

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


def check_raises(kind, function, *args):
    """Call `function(*args)`. Raises TestFailed unless that raises an error of the type `kind`."""
    name = function.__name__
    facts = {"called": Call(name, snapshot(args))}
    try:
        got = attempt(lambda: function(*args), name=name, **facts)
    except TestFailed as failed:
        if isinstance(failed.__context__, kind):
            return
        raise
    problem = f"{name} must raise {kind.__name__}, but it raised nothing"
    raise TestFailed(problem, **facts, got=describe(got))


# %% [markdown]
# ## 1. Pick a device
#
# `Difficulty ●●○○○ · 6 minutes · 3 points`
#
# Programs that train networks have an option `--device`, and choose by themselves when nobody uses it.
# Write `pick_device(wanted, counts)`, which returns the device to use.
# `counts` says how many devices of each type the machine has, so that you can test your function for machines that you do not own.
# A type that is not in `counts` is not there; the CPU is always there, whether it is in `counts` or not.
#
# - `wanted`: `None`, or one of the texts `"cpu"`, `"mps"`, `"cuda"`, and `"cuda:"` with a number from 0 to 99.
#   The text `"cuda"` means the first GPU.
# - `counts`: a `dict` such as `{"cuda": 2, "mps": 0}`.
# - Returns: a `torch.device`, for CUDA always with its number, for `"mps"` and `"cpu"` without one.
#   If `wanted` is `None`, it is the first CUDA GPU; without one, `torch.device("mps")`; without that, `torch.device("cpu")`.
# - Raises: `ValueError` when a device is wanted that is not there.
#
# ```python
# pick_device(None, {"cuda": 2, "mps": 0})
# # device(type='cuda', index=0)
# pick_device("cuda:1", {"cuda": 2, "mps": 0})
# # device(type='cuda', index=1)
# pick_device("cpu", {"cuda": 2, "mps": 0})
# # device(type='cpu')
# ```
#
# On your own machine you would call it with `{"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}`.
#
# <details><summary>Hint</summary>
#
# - What are `torch.device("cuda:1").type` and `torch.device("cuda:1").index`, and what is the index of `torch.device("cuda")`?
# - What does `counts.get("cuda", 0)` give when there is no such key?
# - A machine has two GPUs: what is the largest number that one of them can have?
#
# </details>

# %% nbgrader={"grade_id": "pick_device", "solution": true}
def pick_device(wanted, counts):
    """Return the device to use on a machine with `counts` devices of each type."""
    ### BEGIN SOLUTION
    if wanted is None:
        wanted = next((name for name in ("cuda", "mps") if counts.get(name, 0) > 0), "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", 0)
    if device.type != "cpu" and (device.index or 0) >= counts.get(device.type, 0):
        raise ValueError(f"there is no device {wanted}")
    return device
    ### END SOLUTION


# %% nbgrader={"grade_id": "pick_device-default", "grade": true, "points": 1}
check(pick_device, None, {"cuda": 2, "mps": 0}, want=torch.device("cuda", 0))
check(pick_device, None, {"cuda": 0, "mps": 0}, want=torch.device("cpu"))
### BEGIN HIDDEN TESTS
check(pick_device, None, {"cuda": 0, "mps": 1}, want=torch.device("mps"))
check(pick_device, None, {"cuda": 1, "mps": 1}, want=torch.device("cuda", 0))
check(pick_device, None, {"mps": 1}, want=torch.device("mps"))
check(pick_device, None, {"cuda": 1}, want=torch.device("cuda", 0))
check(pick_device, None, {"cpu": 1}, want=torch.device("cpu"))
check(pick_device, None, {}, want=torch.device("cpu"))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "pick_device-wanted", "grade": true, "points": 1}
check(pick_device, "cuda:1", {"cuda": 2, "mps": 0}, want=torch.device("cuda", 1))
check(pick_device, "cpu", {"cuda": 2, "mps": 0}, want=torch.device("cpu"))
check(pick_device, "cuda", {"cuda": 1}, want=torch.device("cuda", 0))
### BEGIN HIDDEN TESTS
check(pick_device, "cuda:0", {"cuda": 1}, want=torch.device("cuda", 0))
check(pick_device, "cuda:11", {"cuda": 12, "mps": 0}, want=torch.device("cuda", 11))
check(pick_device, "cuda", {"cuda": 3, "mps": 1}, want=torch.device("cuda", 0))
check(pick_device, "mps", {"cuda": 1, "mps": 1}, want=torch.device("mps"))
check(pick_device, "mps", {"mps": 1}, want=torch.device("mps"))
check(pick_device, "cpu", {}, want=torch.device("cpu"))
check(pick_device, "cpu", {"cpu": 0}, want=torch.device("cpu"))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "pick_device-missing", "grade": true, "points": 1}
check_raises(ValueError, pick_device, "cuda", {"cuda": 0, "mps": 0})
check_raises(ValueError, pick_device, "cuda:2", {"cuda": 2, "mps": 0})
### BEGIN HIDDEN TESTS
check_raises(ValueError, pick_device, "cuda:0", {})
check_raises(ValueError, pick_device, "cuda", {"mps": 1})
check_raises(ValueError, pick_device, "mps", {"cuda": 1, "mps": 0})
check_raises(ValueError, pick_device, "mps", {})
check_raises(ValueError, pick_device, "cuda:13", {"cuda": 2, "mps": 1})
check_raises(ValueError, pick_device, "cuda:1", {"cuda": 1, "mps": 2})
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Take a batch along
#
# `Difficulty ●●○○○ · 7 minutes · 3 points`
#
# A batch is rarely one tensor: it is a `dict` with an image, a list of boxes, a file name, and so on.
# Before a step, all its tensors must go to the device of the model.
# Write `move_to(batch, device)`, which returns the same structure with every tensor on `device`.
# The structure can be nested as deeply as you like: dicts in lists in tuples, and so on.
# All that is no tensor, dict, list or tuple stays as it is: texts, numbers, `None`.
# The batch that was passed must not change: others may still use it on the CPU.
#
# - `batch`: a tensor, `dict`, `list`, `tuple`, or any other value.
# - `device`: a `torch.device`, or a text such as `"cuda:0"`.
# - Returns: a value with the same structure and the same types: a tuple stays a tuple.
#
# ```python
# move_to({"image": torch.zeros(3, 8, 8), "name": "cat.png", "size": (8, 8)}, "meta")
# # {'image': tensor(..., device='meta', size=(3, 8, 8)), 'name': 'cat.png', 'size': (8, 8)}
# ```
#
# <details><summary>Hint</summary>
#
# - If you could already move the parts of a list, how would you move the list?
# - A text can be looped over like a list: what would happen to `"cat.png"`?
# - What does `x.to(device)` change: `x` itself, or only what it returns?
#
# </details>

# %% nbgrader={"grade_id": "move_to", "solution": true}
def move_to(batch, device):
    """Return `batch` with all tensors in it on `device`."""
    ### BEGIN SOLUTION
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: move_to(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(move_to(value, device) for value in batch)
    return batch
    ### END SOLUTION


# %% nbgrader={"grade_id": "move_to-flat", "grade": true, "points": 1}
check(
    move_to,
    {"image": torch.zeros(3, 8, 8), "name": "cat.png", "size": (8, 8)},
    "meta",
    want={"image": torch.zeros(3, 8, 8, device="meta"), "name": "cat.png", "size": (8, 8)},
)
check(move_to, torch.tensor([1, 2]), "cpu", want=torch.tensor([1, 2]))
### BEGIN HIDDEN TESTS
x = torch.arange(6).view(2, 3)
there = x.to("meta")
check(move_to, x, "meta", want=there)
check(move_to, [x, x.double()], torch.device("meta"), want=[there, there.double()])
check(move_to, (x, x > 2), "meta", want=(there, there > 2))
check(move_to, {"a": x, 7: x[0]}, "meta", want={"a": there, 7: there[0]})
check(move_to, there, "meta", want=there)
x = torch.tensor([[1.5, -2.0]])
check(move_to, [x, (x.long(),)], torch.device("cpu"), want=[x.clone(), (x.long(),)])
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "move_to-nested", "grade": true, "points": 1}
x, there = torch.ones(2), torch.ones(2, device="meta")
check(move_to, [x, {"a": (x, [x])}], "meta", want=[there, {"a": (there, [there])}])
### BEGIN HIDDEN TESTS
y, away = torch.zeros(3, 1), torch.zeros(3, 1, device="meta")
check(
    move_to,
    {"a": {"b": {"c": [x]}}, "d": ([y], (x,), {"e": y})},
    torch.device("meta"),
    want={"a": {"b": {"c": [there]}}, "d": ([away], (there,), {"e": away})},
)
check(move_to, ((((x,),),), [[[y]]]), "meta", want=((((there,),),), [[[away]]]))
check(move_to, [{"a": x}, [y]], "cpu", want=[{"a": x.clone()}, [y.clone()]])
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "move_to-others", "grade": true, "points": 1}
x, there = torch.ones(2), torch.ones(2, device="meta")
check(move_to, ["cat.png", 3, None, x], "meta", want=["cat.png", 3, None, there])
### BEGIN HIDDEN TESTS
check(move_to, "dog", "meta", want="dog")
check(move_to, None, "meta", want=None)
check(move_to, 2.5, "meta", want=2.5)
check(move_to, [], "meta", want=[])
check(move_to, {}, "meta", want={})
check(move_to, (), "meta", want=())
check(move_to, {"n": (1, True, b"x"), "t": [x]}, "meta", want={"n": (1, True, b"x"), "t": [there]})
check(move_to, ("", [None, "a b"], x), "meta", want=("", [None, "a b"], there))
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Time what really runs
#
# `Difficulty ●●●○○ · 9 minutes · 3 points`
#
# A GPU answers before it is done, its first runs are slow, and now and then something disturbs a measurement.
# So a benchmark must synchronize, warm up, and take the median.
# Write `benchmark(run, synchronize, clock, warmup, repeats)`, which returns the median of the seconds that one `run()` takes, from its launch until its work is done.
# First call `run()` `warmup` times, and do not count these calls.
# Then call it `repeats` times and time every call by itself: work that is still in the queue from before must not count.
#
# - `run`: a function without arguments that starts the work and may return before it is done.
# - `synchronize`: a function without arguments that returns when all work is done.
# - `clock`: a function without arguments that returns the time in seconds.
# - `warmup`: an `int`, at least 0.
# - `repeats`: an `int`, at least 1.
# - Returns: the median as a `float`; for an even number of times, the mean of the two in the middle.
#
# On CUDA you would call `benchmark(lambda: a @ b, torch.cuda.synchronize, time.perf_counter, 3, 10)`.
# The tests have a fake GPU with a fake clock, so that every second is known in advance.
# The next cell defines it, and you can try your function with it.
#
# ```python
# run, synchronize, clock, launches = make_fake_gpu([9.0, 2.0, 4.0, 3.0])
# benchmark(run, synchronize, clock, 1, 3)  # the run of 9 seconds is the warm-up
# # 3.25
# ```
#
# <details><summary>Hint</summary>
#
# - What lies between the two readings of the clock if you forget to synchronize before the second one?
# - And before the first one?
# - Is the median of 1, 2, 3 and 10 one of these numbers?
#
# </details>

# %% nbgrader={"grade_id": "fake_gpu", "locked": true}
def make_fake_gpu(seconds, queued=0.0):
    """Return run, synchronize and clock of a fake GPU, and a list of all launches.

    To launch a kernel takes 0.25 seconds; kernel number `k` then runs for `seconds[k]`, after all
    that was launched before. At the start, there is work for `queued` seconds in the queue.
    """
    time = {"now": 1000.0, "done": 1000.0 + queued}
    launches = []

    def run():
        if len(launches) == len(seconds):
            raise RuntimeError(f"run() was called more than {len(seconds)} times")
        time["now"] += 0.25
        time["done"] = max(time["done"], time["now"]) + seconds[len(launches)]
        launches.append(time["now"])

    def synchronize():
        time["now"] = max(time["now"], time["done"])

    def clock():
        return time["now"]

    return run, synchronize, clock, launches


def check_benchmark(seconds, warmup, repeats, want, queued=0.0):
    """Check the result of benchmark on a fake GPU; return how often it called run()."""
    run, synchronize, clock, launches = make_fake_gpu(seconds, queued)
    called = f"benchmark(run, synchronize, clock, {warmup}, {repeats}) on a fake GPU: "
    called += f"a launch takes 0.25 s, the kernels run for {seconds} s"
    called += f", {queued} s of work are in the queue" if queued else ""
    check(benchmark, run, synchronize, clock, warmup, repeats, want=want, called=called)
    return len(launches)


# %% nbgrader={"grade_id": "benchmark", "solution": true}
def benchmark(run, synchronize, clock, warmup, repeats):
    """Return the median of the seconds that `run()` takes until its work is done."""
    ### BEGIN SOLUTION
    for _ in range(warmup):
        run()
    times = []
    for _ in range(repeats):
        synchronize()
        start = clock()
        run()
        synchronize()
        times.append(clock() - start)
    times.sort()
    return (times[(repeats - 1) // 2] + times[repeats // 2]) / 2
    ### END SOLUTION


# %% nbgrader={"grade_id": "benchmark-synchronize", "grade": true, "points": 1}
check_benchmark([2.0], 0, 1, want=2.25)
calls = check_benchmark([2.0], 0, 1, want=2.25, queued=5.0)
require(calls == 1, "benchmark called run() too few times", got=calls, expected=1)
### BEGIN HIDDEN TESTS
check_benchmark([7.5], 0, 1, want=7.75, queued=0.5)
check_benchmark([0.5, 0.5, 0.5], 0, 3, want=0.75, queued=4.0)
calls = check_benchmark([3.0, 6.0, 4.0], 0, 3, want=4.25)
require(calls == 3, "benchmark called run() too few times", got=calls, expected=3)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "benchmark-warmup", "grade": true, "points": 1}
check_benchmark([9.0, 2.0, 4.0, 3.0], 1, 3, want=3.25)
calls = check_benchmark([9.0, 2.0], 1, 1, want=2.25)
require(calls == 2, "benchmark called run() too few times", got=calls, expected=2)
### BEGIN HIDDEN TESTS
check_benchmark([30.0, 20.0, 1.0], 2, 1, want=1.25)
check_benchmark([1.0, 20.0, 4.0], 0, 3, want=4.25)
check_benchmark([1.0, 1.0, 1.0, 8.0, 6.0, 7.0], 3, 3, want=7.25)
calls = check_benchmark([8.0, 7.0, 6.0, 6.0, 6.0], 2, 3, want=6.25, queued=9.0)
require(calls == 5, "benchmark called run() too few times", got=calls, expected=5)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "benchmark-median", "grade": true, "points": 1}
check_benchmark([2.0, 30.0, 1.0], 0, 3, want=2.25)
calls = check_benchmark([1.0, 10.0, 2.0, 3.0], 0, 4, want=2.75)
require(calls == 4, "benchmark called run() too few times", got=calls, expected=4)
### BEGIN HIDDEN TESTS
check_benchmark([7.0, 1.0, 3.0, 50.0, 2.0], 0, 5, want=3.25)
check_benchmark([4.0, 1.0], 0, 2, want=2.75)
check_benchmark([9.0, 6.0, 1.0, 2.0, 40.0, 3.0, 5.0], 1, 6, want=4.25)
calls = check_benchmark([3.0, 3.0, 3.0], 0, 3, want=3.25)
require(calls == 3, "benchmark called run() too few times", got=calls, expected=3)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. How large will it be?
#
# `Difficulty ●○○○○ · 4 minutes · 2 points`
#
# A tensor that is too large ends your program with an error, after a long wait if things go badly.
# So ask first.
# Write `bytes_needed(shape, dtype)`, which returns how many bytes the numbers of such a tensor take.
# The tensor may be larger than the memory of any machine, so you cannot make it on the CPU to find out.
#
# - `shape`: a tuple of whole numbers, each at least 0; it may be empty.
# - `dtype`: a `torch.dtype`.
# - Returns: an `int`.
#
# ```python
# bytes_needed((1000, 1000), torch.float32)
# # 4000000
# bytes_needed((10**6, 10**6), torch.bool)
# # 1000000000000
# ```
#
# <details><summary>Hint</summary>
#
# - How many bytes does one number take, and which attribute of a dtype or of a tensor knows?
# - How many numbers does a tensor of shape `()` have?
# - On which device does a tensor need no memory?
#
# </details>

# %% nbgrader={"grade_id": "bytes_needed", "solution": true}
def bytes_needed(shape, dtype):
    """Return how many bytes the numbers of a tensor take."""
    ### BEGIN SOLUTION
    return math.prod(shape) * dtype.itemsize
    ### END SOLUTION


# %% nbgrader={"grade_id": "bytes_needed-small", "grade": true, "points": 1}
check(bytes_needed, (1000, 1000), torch.float32, want=4000000)
check(bytes_needed, (3,), torch.int64, want=24)
### BEGIN HIDDEN TESTS
check(bytes_needed, (2, 3, 5), torch.float16, want=60)
check(bytes_needed, (2, 3, 5), torch.bfloat16, want=60)
check(bytes_needed, (7, 11), torch.float64, want=616)
check(bytes_needed, (7, 11), torch.uint8, want=77)
check(bytes_needed, (4, 1), torch.complex64, want=32)
check(bytes_needed, (5,), torch.complex128, want=80)
check(bytes_needed, (3, 3), torch.bool, want=9)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "bytes_needed-extreme", "grade": true, "points": 1}
check(bytes_needed, (10**6, 10**6), torch.bool, want=10**12)
check(bytes_needed, (), torch.float32, want=4)
### BEGIN HIDDEN TESTS
check(bytes_needed, (10**5, 10**5, 3), torch.float64, want=24 * 10**10)
check(bytes_needed, (2**20, 2**20), torch.int16, want=2**41)
check(bytes_needed, (), torch.int8, want=1)
check(bytes_needed, (5, 0, 3), torch.float32, want=0)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Does the training fit?
#
# `Difficulty ●●●○○ · 7 minutes · 3 points`
#
# To train a model takes more memory than to have it.
# Every parameter that is trained also has a gradient of the same size, and the optimizer keeps `states` numbers for each of its numbers, in the same dtype.
# A parameter with `requires_grad=False` is *frozen*: it is not trained, and has neither.
# Buffers (such as the running mean of batch normalization) belong to the model and are not trained either.
# Write `training_bytes(model, states)`, which returns how many bytes all this takes together.
# Parameters that several layers share are in memory once.
#
# - `model`: a `torch.nn.Module`, on any device; on `meta` it may be larger than any memory.
# - `states`: an `int`, at least 0; for the optimizer Adam it is 2.
# - Returns: an `int`.
#
# ```python
# model = torch.nn.Linear(10, 5)  # 50 weights and 5 biases, 4 bytes each
# training_bytes(model, 2)
# # 880
# model.weight.requires_grad = False
# training_bytes(model, 2)
# # 280
# ```
#
# <details><summary>Hint</summary>
#
# - How many copies of a parameter's size are in memory: itself, its gradient, and what else?
# - What do `model.parameters()` and `model.buffers()` give for a model with batch normalization?
# - Which of `model.parameters()` and `model.state_dict()` names a shared parameter once only?
#
# </details>

# %% nbgrader={"grade_id": "training_bytes", "solution": true}
def training_bytes(model, states):
    """Return how many bytes the training of `model` takes, without activations."""
    ### BEGIN SOLUTION
    total = sum(buffer.nbytes for buffer in model.buffers())
    for parameter in model.parameters():
        copies = 2 + states if parameter.requires_grad else 1
        total += copies * parameter.nbytes
    return total
    ### END SOLUTION


# %% nbgrader={"grade_id": "training_bytes-plain", "grade": true, "points": 1}
model = torch.nn.Linear(10, 5)
check(training_bytes, model, 2, want=880, called="training_bytes(torch.nn.Linear(10, 5), 2)")
check(training_bytes, model, 0, want=440, called="training_bytes(torch.nn.Linear(10, 5), 0)")
### BEGIN HIDDEN TESTS
model = torch.nn.Sequential(torch.nn.Linear(7, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
check(training_bytes, model, 1, want=3 * 4 * 32)
check(training_bytes, model.double(), 3, want=5 * 8 * 32)
check(training_bytes, model.half(), 2, want=4 * 2 * 32)
model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 1).double())
check(training_bytes, model, 2, want=4 * (4 * 20 + 8 * 5))
check(training_bytes, torch.nn.ReLU(), 2, want=0)
model = torch.nn.Linear(10**5, 10**6, device="meta")
check(training_bytes, model, 2, want=16 * (10**11 + 10**6))
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "training_bytes-frozen", "grade": true, "points": 1}
model = torch.nn.Linear(10, 5)
model.weight.requires_grad = False
called = "training_bytes(model, 2) with model = torch.nn.Linear(10, 5) and a frozen weight"
check(training_bytes, model, 2, want=280, called=called)
# 3 weights, 3 biases, 3 running means, 3 running variances in float32, and a counter in int64.
norm = torch.nn.BatchNorm1d(3)
check(training_bytes, norm, 2, want=128, called="training_bytes(torch.nn.BatchNorm1d(3), 2)")
### BEGIN HIDDEN TESTS
model = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
model[0].requires_grad_(False)
want = 4 * 28 + 3 * 4 * 8 + 4 * 8 + 8 + 3 * 4 * 10
called = "training_bytes(model, 1) with Linear(6, 4), which is frozen, BatchNorm1d(4), Linear(4, 2)"
check(training_bytes, model, 1, want=want, called=called)
model.requires_grad_(False)
called = "training_bytes(model, 5) with Linear(6, 4), BatchNorm1d(4), Linear(4, 2), all frozen"
check(training_bytes, model, 5, want=4 * (28 + 8 + 8 + 10) + 8, called=called)
model = torch.nn.Linear(3, 3)
model.bias.requires_grad = False
called = "training_bytes(model, 2) with model = torch.nn.Linear(3, 3) and a frozen bias"
check(training_bytes, model, 2, want=4 * 4 * 9 + 4 * 3, called=called)
model = torch.nn.Linear(3, 2)
model.register_buffer("mask", torch.zeros(5), persistent=False)
called = "training_bytes(model, 2) with Linear(3, 2) and a buffer of 5 numbers that is not in its state_dict"
check(training_bytes, model, 2, want=4 * 4 * 8 + 4 * 5, called=called)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "training_bytes-shared", "grade": true, "points": 1}
# The two layers of this model share their weight: 6 numbers, and a bias of 3.
model = torch.nn.Sequential(torch.nn.Embedding(3, 2), torch.nn.Linear(2, 3))
model[1].weight = model[0].weight
called = "training_bytes(model, 2) with two layers that share their weight of 6 numbers"
check(training_bytes, model, 2, want=4 * 4 * 9, called=called)
### BEGIN HIDDEN TESTS
layer = torch.nn.Linear(5, 5)
model = torch.nn.Sequential(layer, layer, layer)
called = "training_bytes(model, 1) with the same torch.nn.Linear(5, 5) three times"
check(training_bytes, model, 1, want=3 * 4 * 30, called=called)
model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Sequential(torch.nn.Linear(4, 4)))
model[1][0].bias = model[0].bias
called = "training_bytes(model, 2) with two torch.nn.Linear(4, 4) that share their bias"
check(training_bytes, model, 2, want=4 * 4 * 36, called=called)
model[0].bias.requires_grad = False
check(training_bytes, model, 2, want=4 * 4 * 32 + 4 * 4, called=f"{called}, which is frozen")
### END HIDDEN TESTS

# %% [markdown]
# ## 6. A product that does not fit
#
# `Difficulty ●●●○○ · 9 minutes · 3 points`
#
# The product `a @ b` can be computed in pieces: some rows of `a` give the same rows of the result.
# So a small GPU can multiply large matrices, some rows at a time.
# Write `matmul_in_chunks(a, b, multiply, budget)`, which returns `a @ b` and lets the small GPU do the multiplying.
# Its memory has `budget` bytes, and in one call the rows, `b` and their product must fit into it together.
# Every call costs time, so make as few calls as possible, and send each row once.
#
# - `a`: a tensor of shape `(N, K)`, with `N` at least 1.
# - `b`: a tensor of shape `(K, M)`, with the same floating-point dtype.
# - `multiply`: a function; `multiply(rows, b)` returns `rows @ b`, and raises `MemoryError` if the three together are larger than `budget`.
# - `budget`: an `int`, enough for `b`, one row of `a` and one row of the result.
# - Returns: a tensor of shape `(N, M)` with the same dtype.
#
# The next cell makes such a GPU for the tests, and for you to try.
#
# ```python
# multiply, calls = make_small_gpu(64)
# a, b = torch.ones(6, 2), torch.ones(2, 3)
# matmul_in_chunks(a, b, multiply, 64)[0]
# # tensor([2., 2., 2.])
# calls  # b takes 24 bytes, each row 8 and its result 12: two rows fit
# # [2, 2, 2]
# ```
#
# <details><summary>Hint</summary>
#
# - How many bytes of the budget are left beside `b`?
# - How many bytes does one more row take, in `a` and in the result together?
# - What does `a.split(3)` give when `a` has 8 rows?
#
# </details>

# %% nbgrader={"grade_id": "small_gpu", "locked": true}
def make_small_gpu(budget):
    """Return the function multiply of a GPU with `budget` bytes, and a list: the rows of each call."""
    calls = []

    def multiply(rows, b):
        calls.append(len(rows))
        result = rows @ b
        needed = rows.nbytes + b.nbytes + result.nbytes
        if needed > budget:
            raise MemoryError(f"{len(rows)} rows need {needed} bytes, the GPU has {budget}")
        return result

    return multiply, calls


# %% nbgrader={"grade_id": "matmul_in_chunks", "solution": true}
def matmul_in_chunks(a, b, multiply, budget):
    """Return `a @ b`, computed by `multiply` within `budget` bytes and with few calls."""
    ### BEGIN SOLUTION
    row_bytes = (a.shape[1] + b.shape[1]) * a.itemsize
    rows = (budget - b.nbytes) // row_bytes
    return torch.cat([multiply(chunk, b) for chunk in a.split(rows)])
    ### END SOLUTION


# %% nbgrader={"grade_id": "matmul_in_chunks-values", "grade": true, "points": 1}
multiply, calls = make_small_gpu(64)
a, b = torch.arange(12.0).view(6, 2), torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]])
called = "matmul_in_chunks(a, b, multiply, 64) with a of shape (6, 2) and b of shape (2, 3)"
check(matmul_in_chunks, a, b, multiply, 64, want=a @ b, called=called)
require(
    sum(calls) >= 6,
    "matmul_in_chunks must let multiply do the work",
    called=called,
    got=f"calls of multiply with {calls} rows",
    expected="calls with 6 rows together",
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(61)
for n, k, m, rows in [(7, 3, 2, 2), (5, 1, 4, 5), (4, 6, 1, 1), (9, 2, 2, 4)]:
    a, b = torch.randn(n, k, generator=generator), torch.randn(k, m, generator=generator)
    budget = 4 * (k * m + rows * (k + m))
    multiply, calls = make_small_gpu(budget)
    called = f"matmul_in_chunks(a, b, multiply, {budget}) with a of shape {(n, k)} and b of shape {(k, m)}"
    check(matmul_in_chunks, a, b, multiply, budget, want=a @ b, called=called)
    require(
        sum(calls) >= n,
        "matmul_in_chunks must let multiply do the work",
        called=called,
        got=f"calls of multiply with {calls} rows",
        expected=f"calls with {n} rows together",
    )
### END HIDDEN TESTS


# %% nbgrader={"grade_id": "matmul_in_chunks-calls", "grade": true, "points": 2}
def check_calls(n, k, m, budget, want_calls, dtype=torch.float32):
    """Check the product of two matrices of ones, and how often multiply was called for it."""
    multiply, calls = make_small_gpu(budget)
    a, b = torch.ones(n, k, dtype=dtype), torch.ones(k, m, dtype=dtype)
    called = f"matmul_in_chunks(a, b, multiply, {budget}) with a of shape {(n, k)}, b of shape {(k, m)}"
    called += f" and dtype {dtype}"
    want = torch.full((n, m), float(k), dtype=dtype)
    check(matmul_in_chunks, a, b, multiply, budget, want=want, called=called)
    require(
        len(calls) == want_calls and sum(calls) == n,
        "matmul_in_chunks made the wrong calls of multiply",
        called=called,
        got=f"{len(calls)} calls, with {calls} rows",
        expected=f"{want_calls} calls, with {n} rows together",
    )


check_calls(6, 2, 3, 64, want_calls=3)
check_calls(6, 2, 3, 63, want_calls=6)
check_calls(6, 2, 3, 1000, want_calls=1)
### BEGIN HIDDEN TESTS
a, b = torch.arange(8.0, dtype=torch.float64).view(4, 2), torch.eye(2, dtype=torch.float64)
multiply, calls = make_small_gpu(32 + 64)
called = "matmul_in_chunks(a, b, multiply, 96) with a of shape (4, 2), b = torch.eye(2), both float64"
check(matmul_in_chunks, a, b, multiply, 96, want=a.clone(), called=called)
check_calls(6, 2, 3, 83, want_calls=3)
check_calls(6, 2, 3, 84, want_calls=2)
check_calls(6, 2, 3, 44, want_calls=6)
check_calls(7, 2, 3, 143, want_calls=2)
check_calls(7, 2, 3, 144, want_calls=2)
check_calls(6, 2, 3, 144, want_calls=1)
check_calls(7, 2, 3, 128, want_calls=4, dtype=torch.float64)
check_calls(7, 2, 3, 127, want_calls=7, dtype=torch.float64)
check_calls(5, 8, 1, 32 + 2 * 36, want_calls=3)
check_calls(5, 1, 8, 32 + 2 * 36 - 1, want_calls=5)
check_calls(4, 3, 3, 4 * (9 + 3 * 6), want_calls=2)
check_calls(10, 4, 4, 4 * (16 + 3 * 8), want_calls=4)
check_calls(1, 4, 4, 4 * (16 + 8), want_calls=1)
### END HIDDEN TESTS

# %% [markdown]
# ## 7. Two GPUs, one gradient
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# In data parallel training every GPU computes the gradient for its part of the batch, and the gradients are combined.
# What counts is that the result is the gradient for the whole batch.
# Write `data_parallel_gradient(gradient, x, y, workers)`, which cuts a batch into parts, calls `gradient(x_part, y_part)` once for each part, and returns the gradient for the whole batch.
# You do not need to know what a gradient is: it is a tensor, and `gradient` returns the *mean* over the samples that it was given.
# A part has at most `N / workers` samples, rounded up: more do not fit on a GPU.
# No part is empty, and there are at most `workers` parts; which samples are together is up to you.
# The parts may have different sizes.
#
# - `gradient`: a function of two tensors with the same number of rows; it returns a tensor of any shape, also without dimensions.
# - `x`: a tensor with `N` rows (`N` numbers if it has one dimension), the samples.
# - `y`: a tensor with `N` rows, what is to be predicted for each sample.
# - `workers`: an `int` from 1 to `N`.
# - Returns: the tensor that `gradient(x, y)` would return if the whole batch fitted, up to rounding.
#
# The next cell holds what the tests share: the gradient of a linear model, on GPUs with little memory.
#
# ```python
# x, y = torch.tensor([[1.0], [2.0], [6.0]]), torch.zeros(3, 1)
# data_parallel_gradient(lambda x, y: (x - y).mean(dim=0), x, y, 2)  # parts of 2 and 1 samples
# # tensor([3.])
# ```
#
# <details><summary>Hint</summary>
#
# - Which sizes do the parts have that `torch.tensor_split` and `torch.chunk` make of 10 rows for 4 workers?
# - What is the mean of 1, 2 and 6, and what is the mean of the two means 1.5 and 6?
# - With which number must a mean be multiplied to become a sum again?
#
# </details>

# %% nbgrader={"grade_id": "linear_model", "locked": true}
def check_parts(x, y, workers):
    """Check the gradient of a linear model, and the parts for which it was computed."""
    w = torch.linspace(-1, 1, x.shape[1] * y.shape[1]).view(x.shape[1], y.shape[1])
    most = math.ceil(len(x) / workers)
    sizes = []

    def gradient(x, y):
        sizes.append(len(x))
        if not 1 <= len(x) <= most:
            raise MemoryError(f"a part has from 1 to {most} samples, but this one has {len(x)}")
        return 2 * x.t() @ (x @ w - y) / len(x)

    called = f"data_parallel_gradient(gradient, x, y, {workers}) with {len(x)} samples"
    want = 2 * x.t() @ (x @ w - y) / len(x)
    check(data_parallel_gradient, gradient, x, y, workers, want=want, called=called)
    require(
        len(sizes) <= workers and sum(sizes) == len(x),
        "data_parallel_gradient made wrong parts",
        called=called,
        got=f"parts with {sizes} samples",
        expected=f"at most {workers} parts with {len(x)} samples together",
    )


# %% nbgrader={"grade_id": "data_parallel_gradient", "solution": true}
def data_parallel_gradient(gradient, x, y, workers):
    """Return the gradient for the whole batch, computed in parts."""
    ### BEGIN SOLUTION
    parts = zip(x.tensor_split(workers), y.tensor_split(workers), strict=True)
    return sum(len(x_part) * gradient(x_part, y_part) for x_part, y_part in parts) / len(x)
    ### END SOLUTION


# %% nbgrader={"grade_id": "data_parallel_gradient-equal", "grade": true, "points": 1}
x, y = torch.tensor([[1.0], [2.0], [6.0], [7.0]]), torch.zeros(4, 1)
called = f"data_parallel_gradient(gradient, x, y, 2) with x = {describe(x)}, y = {describe(y)}"
called += " and gradient(x, y) = (x - y).mean(dim=0)"
mean = torch.tensor([4.0])
check(data_parallel_gradient, lambda x, y: (x - y).mean(dim=0), x, y, 2, want=mean, called=called)
check_parts(torch.tensor([[1.0, 2.0], [3.0, 5.0], [0.0, 1.0], [2.0, 2.0]]), torch.ones(4, 1), 2)
### BEGIN HIDDEN TESTS
x, y = torch.arange(6.0), torch.ones(6)
called = "data_parallel_gradient(gradient, x, y, 3) with x = torch.arange(6.0), y = torch.ones(6)"
called += " and gradient(x, y) = (x * y).mean()"
mean = torch.tensor(2.5)
check(data_parallel_gradient, lambda x, y: (x * y).mean(), x, y, 3, want=mean, called=called)
generator = torch.Generator().manual_seed(71)
for n, columns, outputs, workers in [(6, 3, 1, 3), (8, 2, 2, 4), (5, 2, 3, 5), (6, 4, 1, 1)]:
    x = torch.randn(n, columns, generator=generator)
    check_parts(x, torch.randn(n, outputs, generator=generator), workers)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "data_parallel_gradient-unequal", "grade": true, "points": 2}
x, y = torch.tensor([[1.0], [2.0], [6.0]]), torch.zeros(3, 1)
called = f"data_parallel_gradient(gradient, x, y, 2) with x = {describe(x)}, y = {describe(y)}"
called += " and gradient(x, y) = (x - y).mean(dim=0)"
mean = torch.tensor([3.0])
check(data_parallel_gradient, lambda x, y: (x - y).mean(dim=0), x, y, 2, want=mean, called=called)
check_parts(torch.tensor([[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]]), torch.ones(3, 1), 2)
### BEGIN HIDDEN TESTS
x, y = torch.arange(7.0), torch.ones(7)
called = "data_parallel_gradient(gradient, x, y, 3) with x = torch.arange(7.0), y = torch.ones(7)"
called += " and gradient(x, y) = (x * y).mean()"
mean = torch.tensor(3.0)
check(data_parallel_gradient, lambda x, y: (x * y).mean(), x, y, 3, want=mean, called=called)
generator = torch.Generator().manual_seed(72)
for n, columns, outputs, workers in [(10, 2, 1, 4), (5, 3, 2, 4), (7, 1, 1, 2), (9, 2, 3, 5)]:
    x = 3 * torch.randn(n, columns, generator=generator)
    check_parts(x, torch.randn(n, outputs, generator=generator), workers)
### END HIDDEN TESTS

# %% [markdown]
# ## 8. Who works when?
#
# `Difficulty ●●○○○ · 6 minutes · 2 points`
#
# In a pipeline, the first GPU has the first layers, the second GPU the next ones, and so on.
# The batch is cut into micro-batches, numbered from 0.
# At tick 0, GPU 0 works on micro-batch 0.
# At every later tick, each GPU takes over what the GPU before it has finished, and GPU 0 begins the next micro-batch, until none is left.
# Write `pipeline_schedule(stages, micro_batches)`, which returns a table: for each tick a list that says for each GPU on which micro-batch it works, or `None` if it waits.
# The table ends when the last GPU has finished the last micro-batch.
#
# - `stages`: an `int`, the number of GPUs, at least 1.
# - `micro_batches`: an `int`, at least 1.
# - Returns: a list of lists of `int` and `None`.
#
# ```python
# pipeline_schedule(2, 3)
# # [[0, None], [1, 0], [2, 1], [None, 2]]
# ```
#
# <details><summary>Hint</summary>
#
# - Micro-batch 0 is on GPU 0 at tick 0: at which tick is it on GPU 3?
# - At tick 5, on which micro-batch does GPU 2 work, and when is there no such micro-batch?
# - At which tick does the last micro-batch leave the last GPU, and how many ticks are that in all?
#
# </details>

# %% nbgrader={"grade_id": "pipeline_schedule", "solution": true}
def pipeline_schedule(stages, micro_batches):
    """Return for each tick the micro-batch on which each stage works, or None."""
    ### BEGIN SOLUTION
    table = []
    for tick in range(stages + micro_batches - 1):
        numbers = [tick - stage for stage in range(stages)]
        table.append([number if 0 <= number < micro_batches else None for number in numbers])
    return table
    ### END SOLUTION


# %% nbgrader={"grade_id": "pipeline_schedule-table", "grade": true, "points": 2}
check(pipeline_schedule, 2, 3, want=[[0, None], [1, 0], [2, 1], [None, 2]])
check(pipeline_schedule, 1, 2, want=[[0], [1]])
### BEGIN HIDDEN TESTS
check(pipeline_schedule, 1, 1, want=[[0]])
check(pipeline_schedule, 3, 1, want=[[0, None, None], [None, 0, None], [None, None, 0]])
for stages, micro_batches in [(4, 2), (2, 5), (3, 3), (5, 4)]:
    want = [[None] * stages for _ in range(stages + micro_batches - 1)]
    for number in range(micro_batches):
        for stage in range(stages):
            want[number + stage][stage] = number
    check(pipeline_schedule, stages, micro_batches, want=want)
### END HIDDEN TESTS

# %% [markdown]
# ## 9. A pipeline with two stages
#
# `Difficulty ●●●○○ · 8 minutes · 3 points`
#
# Now the pipeline itself: the layers of `first` are on one device, those of `second` on another.
# Write `run_pipeline(first, second, devices, x, micro_batches)`, which cuts the batch into micro-batches, takes each one through both stages, and returns all results in the order of the samples.
# Every stage must get its input on its own device.
# A micro-batch has at most `N / micro_batches` samples, rounded up; none is empty, and there are at most `micro_batches` of them.
#
# - `first`: a function (or model) that takes a tensor on `devices[0]` and returns one there.
# - `second`: a function (or model) that takes a tensor on `devices[1]` and returns one there.
# - `devices`: a tuple of two devices, as `torch.device` or text; they can be equal.
# - `x`: a tensor with `N` rows, the samples, on the CPU; it stays as it is.
# - `micro_batches`: an `int` from 1 to `N`.
# - Returns: a tensor with `N` rows on `devices[1]`.
#
# ```python
# x = torch.tensor([[1.0], [2.0], [3.0]])
# run_pipeline(lambda x: 10 * x, lambda x: x + 1, ("cpu", "cpu"), x, 2)
# # tensor([[11.],
# #         [21.],
# #         [31.]])
# run_pipeline(lambda x: 10 * x, lambda x: x + 1, ("cpu", "meta"), x, 2).device
# # device(type='meta')
# ```
#
# <details><summary>Hint</summary>
#
# - Where is a micro-batch after the first stage, and where must it be for the second?
# - What does `x.to(device)` do when `x` is already there?
# - Which function puts a list of tensors below each other?
#
# </details>

# %% nbgrader={"grade_id": "run_pipeline", "solution": true}
def run_pipeline(first, second, devices, x, micro_batches):
    """Return what two stages on two devices make of `x`, micro-batch by micro-batch."""
    ### BEGIN SOLUTION
    results = []
    for part in x.tensor_split(micro_batches):
        between = first(part.to(devices[0]))
        results.append(second(between.to(devices[1])))
    return torch.cat(results)
    ### END SOLUTION


# %% nbgrader={"grade_id": "run_pipeline-values", "grade": true, "points": 1}
x = torch.tensor([[1.0], [2.0], [3.0]])
called = 'run_pipeline(first, second, ("cpu", "cpu"), x, 2) with x = [[1.], [2.], [3.]]'
called += ", first(x) = 10 * x and second(x) = x + 1"
check(
    run_pipeline,
    lambda x: 10 * x,
    lambda x: x + 1,
    ("cpu", "cpu"),
    x,
    2,
    want=torch.tensor([[11.0], [21.0], [31.0]]),
    called=called,
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(91)
for n, columns, micro_batches in [(6, 3, 2), (7, 2, 3), (5, 4, 5), (4, 3, 1), (10, 1, 4)]:
    x = torch.randn(n, columns, generator=generator)
    w1 = torch.randn(columns, 3, generator=generator)
    w2 = torch.randn(3, 2, generator=generator)
    check(
        run_pipeline,
        lambda x, w1=w1: x @ w1,
        lambda x, w2=w2: x.relu() @ w2,
        (torch.device("cpu"), "cpu"),
        x,
        micro_batches,
        want=(x @ w1).relu() @ w2,
        called=f"run_pipeline(first, second, devices, x, {micro_batches}) with {n} samples",
    )
### END HIDDEN TESTS


# %% nbgrader={"grade_id": "run_pipeline-devices", "grade": true, "points": 1}
def check_devices(devices, n, micro_batches):
    """Check on which devices the two stages get their input, and where the result is."""
    seen = ([], [])

    def first(x):
        seen[0].append(str(x.device))
        return x.new_zeros(len(x), 3)

    def second(x):
        seen[1].append(str(x.device))
        return x.new_zeros(len(x), 5)

    called = f"run_pipeline(first, second, {devices}, x, {micro_batches}) with {n} samples"
    want = torch.zeros(n, 5, device=devices[1])
    check(
        run_pipeline, first, second, devices, torch.ones(n, 2), micro_batches, want=want, called=called
    )
    for i, name in enumerate(["first", "second"]):
        require(
            set(seen[i]) == {str(devices[i])},
            f"run_pipeline called {name} with a tensor on the wrong device",
            called=called,
            got=f"calls of {name} with tensors on {seen[i]}",
            expected=f"tensors on {devices[i]} only",
        )


check_devices(("cpu", "meta"), 3, 2)
### BEGIN HIDDEN TESTS
relu, flatten = torch.nn.ReLU(), torch.nn.Flatten()
x = torch.ones(3, 2, 2)
want = torch.ones(3, 4, device="meta")
called = "run_pipeline(torch.nn.ReLU(), torch.nn.Flatten(), ('cpu', 'meta'), torch.ones(3, 2, 2), 2)"
check(run_pipeline, relu, flatten, ("cpu", "meta"), x, 2, want=want, called=called)
check_devices(("meta", "meta"), 5, 2)
check_devices(("cpu", torch.device("meta")), 4, 4)
check_devices((torch.device("meta"), "meta"), 2, 1)
check_devices(("cpu", "cpu"), 4, 3)
### END HIDDEN TESTS


# %% nbgrader={"grade_id": "run_pipeline-parts", "grade": true, "points": 1}
def check_sizes(n, micro_batches):
    """Check the sizes of the micro-batches that both stages get."""
    sizes = ([], [])

    def first(x):
        sizes[0].append(len(x))
        return x

    def second(x):
        sizes[1].append(len(x))
        return -x

    called = f"run_pipeline(first, second, ('cpu', 'cpu'), x, {micro_batches}) with {n} samples"
    x = torch.arange(float(n)).view(n, 1)
    check(run_pipeline, first, second, ("cpu", "cpu"), x, micro_batches, want=-x, called=called)
    most = math.ceil(n / micro_batches)
    for i, name in enumerate(["first", "second"]):
        require(
            sum(sizes[i]) == n
            and min(sizes[i]) >= 1
            and max(sizes[i]) <= most
            and len(sizes[i]) <= micro_batches,
            f"run_pipeline called {name} with wrong micro-batches",
            called=called,
            got=f"micro-batches with {sizes[i]} samples",
            expected=f"at most {micro_batches} micro-batches with 1 to {most} samples, {n} together",
        )


check_sizes(3, 2)
check_sizes(4, 4)
### BEGIN HIDDEN TESTS
x = torch.arange(-3.0, 4.0).view(7, 1)
relu, tanh = torch.nn.ReLU(), torch.nn.Tanh()
called = "run_pipeline(torch.nn.ReLU(), torch.nn.Tanh(), ('cpu', 'cpu'), x, 3) with 7 samples"
check(run_pipeline, relu, tanh, ("cpu", "cpu"), x, 3, want=x.relu().tanh(), called=called)
for n, micro_batches in [(10, 4), (6, 3), (5, 4), (7, 1), (9, 2)]:
    check_sizes(n, micro_batches)
### END HIDDEN TESTS

# %% [markdown]
# ## 10. As few bytes as possible
#
# `Difficulty ●●○○○ · 5 minutes · 2 points`
#
# Fewer bytes are faster to copy and leave more room, but they hold less.
# A floating-point dtype can hold numbers up to `torch.finfo(dtype).max`, and rounding changes a number by at most the fraction `torch.finfo(dtype).eps / 2` of it.
# (Tiny numbers are rounded more; leave them aside here.)
# Write `choose_dtype(largest, tolerance)`, which returns the dtype with the fewest bytes that can hold numbers up to `largest` and rounds by at most the fraction `tolerance`.
# The choices are `torch.float16`, `torch.bfloat16`, `torch.float32` and `torch.float64`.
# If both dtypes with two bytes will do, take `float16`, which rounds less.
#
# - `largest`: a positive `float`, at most `1e308`.
# - `tolerance`: a positive `float`, at least `2e-16`.
# - Returns: a `torch.dtype`.
#
# ```python
# choose_dtype(1000.0, 0.01)
# # torch.float16
# choose_dtype(100000.0, 0.01)  # too large for float16
# # torch.bfloat16
# ```
#
# <details><summary>Hint</summary>
#
# - Which of the four should be tried first, which last?
# - What are `max` and `eps` of each of them?
# - A number is exactly as large as `max`: does it fit?
#
# </details>

# %% nbgrader={"grade_id": "choose_dtype", "solution": true}
def choose_dtype(largest, tolerance):
    """Return the smallest dtype that holds `largest` and rounds by at most `tolerance`."""
    ### BEGIN SOLUTION
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        info = torch.finfo(dtype)
        if largest <= info.max and info.eps / 2 <= tolerance:
            return dtype
    return torch.float64
    ### END SOLUTION


# %% nbgrader={"grade_id": "choose_dtype-choice", "grade": true, "points": 1}
check(choose_dtype, 1000.0, 0.01, want=torch.float16)
check(choose_dtype, 100000.0, 0.01, want=torch.bfloat16)
check(choose_dtype, 1000.0, 1e-5, want=torch.float32)
### BEGIN HIDDEN TESTS
check(choose_dtype, 100000.0, 1e-3, want=torch.float32)
check(choose_dtype, 1e30, 0.1, want=torch.bfloat16)
check(choose_dtype, 1e39, 0.1, want=torch.float64)
check(choose_dtype, 1.0, 1e-10, want=torch.float64)
check(choose_dtype, 1e300, 2e-16, want=torch.float64)
check(choose_dtype, 5.0, 1.0, want=torch.float16)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "choose_dtype-limits", "grade": true, "points": 1}
# These numbers fit exactly, and the next ones do not.
check(choose_dtype, 65504.0, 0.01, want=torch.float16)
check(choose_dtype, 65505.0, 0.01, want=torch.bfloat16)
check(choose_dtype, 1.0, 2.0**-11, want=torch.float16)
check(choose_dtype, 1.0, 0.99 * 2.0**-11, want=torch.float32)
### BEGIN HIDDEN TESTS
check(choose_dtype, 70000.0, 2.0**-8, want=torch.bfloat16)
check(choose_dtype, 70000.0, 0.99 * 2.0**-8, want=torch.float32)
check(choose_dtype, 1e10, 2.0**-24, want=torch.float32)
check(choose_dtype, 1e10, 0.99 * 2.0**-24, want=torch.float64)
largest = torch.finfo(torch.float32).max
check(choose_dtype, largest, 1e-6, want=torch.float32)
check(choose_dtype, 1.0001 * largest, 1e-6, want=torch.float64)
check(choose_dtype, torch.finfo(torch.bfloat16).max, 0.01, want=torch.bfloat16)
check(choose_dtype, largest, 0.01, want=torch.float32)
### END HIDDEN TESTS
