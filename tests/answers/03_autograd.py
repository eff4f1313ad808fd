"""Right and wrong answers to the exercises of 03_autograd, as `autograder verify` grades them.

Each cell replaces the solution cell that its marker names.
A wrong answer also says which words the message of its first failing test must contain.
The imports below are here for the linter: the set-up cell of the exercises does them for all answers.
"""

import math

import numpy as np
import torch


# %% by hand right="ground_slopes"
def ground_slopes(x, y):
    c = 3 * math.cos(x * y)
    return float(2 * x * y + y * c), float(x * x + x * c)


# %% with grad of one vector right="ground_slopes"
def ground_slopes(x, y):
    p = torch.tensor([x, y], dtype=torch.float64, requires_grad=True)
    h = p[0].square() * p[1] + 3 * (p[0] * p[1]).sin()
    (grad,) = torch.autograd.grad(h, p)
    return tuple(grad.tolist())


# %% with torch.func right="ground_slopes"
def ground_slopes(x, y):
    def h(x, y):
        return x * x * y + 3 * torch.sin(x * y)

    slopes = torch.func.grad(h, argnums=(0, 1))(torch.tensor(float(x)), torch.tensor(float(y)))
    return tuple(slope.item() for slope in slopes)


# %% with central differences right="ground_slopes"
def ground_slopes(x, y):
    def h(x, y):
        return x**2 * y + 3 * math.sin(x * y)

    d = 1e-5
    return (h(x + d, y) - h(x - d, y)) / (2 * d), (h(x, y + d) - h(x, y - d)) / (2 * d)


# %% keeps whole numbers wrong="ground_slopes" says="Only Tensors of floating point"
def ground_slopes(x, y):
    x = torch.tensor(x, requires_grad=True)
    y = torch.tensor(y, requires_grad=True)
    (x**2 * y + 3 * torch.sin(x * y)).backward()
    return x.grad.item(), y.grad.item()


# %% returns tensors wrong="ground_slopes" says="item 0: wrong type: Tensor instead of float"
def ground_slopes(x, y):
    x = torch.tensor(float(x), requires_grad=True)
    y = torch.tensor(float(y), requires_grad=True)
    (x**2 * y + 3 * torch.sin(x * y)).backward()
    return x.grad, y.grad


# %% uses math.sin wrong="ground_slopes" says="wrong value"
def ground_slopes(x, y):
    x = torch.tensor(float(x), requires_grad=True)
    y = torch.tensor(float(y), requires_grad=True)
    (x**2 * y + 3 * math.sin((x * y).item())).backward()
    return x.grad.item(), y.grad.item()


# %% swaps the slopes wrong="ground_slopes" says="wrong value"
def ground_slopes(x, y):
    x = torch.tensor(float(x), requires_grad=True)
    y = torch.tensor(float(y), requires_grad=True)
    (x**2 * y + 3 * torch.sin(x * y)).backward()
    return y.grad.item(), x.grad.item()


# %% forgets backward wrong="ground_slopes" says="'NoneType' object has no attribute 'item'"
def ground_slopes(x, y):
    x = torch.tensor(float(x), requires_grad=True)
    y = torch.tensor(float(y), requires_grad=True)
    torch.add(x**2 * y, 3 * torch.sin(x * y))
    return x.grad.item(), y.grad.item()


# %% forgets that the sine has an inside wrong="ground_slopes" says="wrong value"
def ground_slopes(x, y):
    return 2.0 * x * y + 3 * math.cos(x * y), float(x**2 + 3 * math.cos(x * y))


# %% steps of float32 that are too small wrong="ground_slopes" says="wrong value"
def ground_slopes(x, y):
    def h(x, y):
        return x**2 * y + 3 * torch.sin(x * y)

    x, y, d = torch.tensor(float(x)), torch.tensor(float(y)), 1e-6
    return ((h(x + d, y) - h(x, y)) / d).item(), ((h(x, y + d) - h(x, y)) / d).item()


# %% with the function of torch right="log_sum_exp"
def log_sum_exp(x):
    return torch.logsumexp(x, dim=1)


# %% in two steps of logaddexp right="log_sum_exp"
def log_sum_exp(x):
    result = x[:, 0]
    for j in range(1, x.shape[1]):
        result = torch.logaddexp(result, x[:, j])
    return result


# %% the shift is a constant right="log_sum_exp"
def log_sum_exp(x):
    m = x.detach().amax(1)
    return m + torch.log(torch.exp(x - m[:, None]).sum(1))


# %% row by row right="log_sum_exp"
def log_sum_exp(x):
    rows = []
    for row in x:
        rows.append(row.max() + (row - row.max()).exp().sum().log())
    return torch.stack(rows)


# %% from the log of the softmax right="log_sum_exp"
def log_sum_exp(x):
    return x[:, 0] - torch.log_softmax(x, dim=1)[:, 0]


# %% overflows wrong="log_sum_exp" says="wrong values: inf instead of 100"
def log_sum_exp(x):
    return x.exp().sum(dim=1).log()


# %% one shift for the whole tensor wrong="log_sum_exp" says="wrong values: -inf instead of"
def log_sum_exp(x):
    m = x.max()
    return (x - m).exp().sum(dim=1).log() + m


# %% forgets to add the shift again wrong="log_sum_exp" says="wrong values"
def log_sum_exp(x):
    m = x.max(dim=1, keepdim=True).values
    return (x - m).exp().sum(dim=1).log()


# %% sums the columns wrong="log_sum_exp" says="wrong shape: (2,) instead of (3,)"
def log_sum_exp(x):
    return torch.logsumexp(x, dim=0)


# %% detaches the result wrong="log_sum_exp" says="the result of log_sum_exp has no graph"
def log_sum_exp(x):
    return torch.logsumexp(x.detach(), dim=1)


# %% goes through Python numbers wrong="log_sum_exp" says="the result of log_sum_exp has no graph"
def log_sum_exp(x):
    result = []
    for row in x.tolist():
        m = max(row)
        result.append(m + math.log(sum(math.exp(value - m) for value in row)))
    return torch.tensor(result)


# %% cuts large scores off wrong="log_sum_exp" says="wrong values: 80"
def log_sum_exp(x):
    return x.clamp(max=80).exp().sum(dim=1).log()


# %% shifts by the mean wrong="log_sum_exp" says="wrong values"
def log_sum_exp(x):
    m = x.mean(dim=1, keepdim=True)
    return (x - m).exp().sum(dim=1).log() + m.squeeze(1)


# %% only the shift has a gradient wrong="log_sum_exp" says="log_sum_exp gives the wrong gradient"
def log_sum_exp(x):
    m = x.amax(dim=1)
    return m + (x - m.unsqueeze(1)).detach().exp().sum(dim=1).log()


# %% keeps the dimension wrong="log_sum_exp" says="wrong shape: (3, 1) instead of (3,)"
def log_sum_exp(x):
    return torch.logsumexp(x, dim=1, keepdim=True)


# %% with autograd right="quadratic_gradient"
def quadratic_gradient(A, b, x):
    leaf = x.clone().requires_grad_()
    (leaf @ A @ leaf + leaf @ b).backward()
    return leaf.grad


# %% two products right="quadratic_gradient"
def quadratic_gradient(A, b, x):
    return A @ x + x @ A + b


# %% element by element right="quadratic_gradient"
def quadratic_gradient(A, b, x):
    result = torch.zeros_like(x)
    for i in range(len(x)):
        result[i] = b[i]
        for j in range(len(x)):
            result[i] += (A[i, j] + A[j, i]) * x[j]
    return result


# %% with torch.func right="quadratic_gradient"
def quadratic_gradient(A, b, x):
    return torch.func.grad(lambda x: torch.dot(x, A.mv(x)) + torch.dot(x, b))(x)


# %% the formula of the books wrong="quadratic_gradient" says="wrong values: 11 instead of 7"
def quadratic_gradient(A, b, x):
    return 2 * A @ x + b


# %% only the first x wrong="quadratic_gradient" says="wrong values"
def quadratic_gradient(A, b, x):
    return A @ x + b


# %% only the second x wrong="quadratic_gradient" says="wrong values"
def quadratic_gradient(A, b, x):
    return 2 * A.T @ x + b


# %% forgets b wrong="quadratic_gradient" says="wrong values: 6 instead of 7"
def quadratic_gradient(A, b, x):
    return (A + A.T) @ x


# %% makes a column wrong="quadratic_gradient" says="wrong shape: (2, 1) instead of (2,)"
def quadratic_gradient(A, b, x):
    return (A + A.T) @ x[:, None] + b[:, None]


# %% in float32 wrong="quadratic_gradient" says="wrong dtype: torch.float32 instead of torch.float64"
def quadratic_gradient(A, b, x):
    return ((A + A.T) @ x + b).float()


# %% returns the value wrong="quadratic_gradient" says="wrong shape: () instead of (2,)"
def quadratic_gradient(A, b, x):
    return x @ A @ x + x @ b


# %% forgets to ask for a gradient wrong="quadratic_gradient" says="does not require grad"
def quadratic_gradient(A, b, x):
    (x @ A @ x + x @ b).backward()
    return x.grad


# %% adds in place wrong="quadratic_gradient" says="quadratic_gradient changed its argument A: work on a copy"
def quadratic_gradient(A, b, x):
    A += A.T.clone()
    return A @ x + b


# %% with jacrev right="jacobian"
def jacobian(f, x):
    return torch.func.jacrev(f)(x.detach())


# %% with jacfwd right="jacobian"
def jacobian(f, x):
    return torch.func.jacfwd(f)(x.detach().clone())


# %% with the older function right="jacobian"
def jacobian(f, x):
    return torch.autograd.functional.jacobian(f, x.detach())


# %% backward with unit vectors right="jacobian"
def jacobian(f, x):
    leaf = torch.tensor(x.tolist(), requires_grad=True)
    y = f(leaf)
    result = torch.zeros(len(y), len(leaf))
    for i in range(len(y)):
        v = torch.zeros(len(y))
        v[i] = 1
        leaf.grad = None
        y.backward(v, retain_graph=True)
        result[i] = leaf.grad
    return result


# %% a new graph for each row right="jacobian"
def jacobian(f, x):
    rows = []
    for i in range(len(f(x))):
        leaf = x.detach().requires_grad_()
        f(leaf)[i].backward()
        rows.append(leaf.grad)
    return torch.stack(rows)


# %% all rows in one batch right="jacobian"
def jacobian(f, x):
    leaf = x.detach().clone().requires_grad_()
    y = f(leaf)
    return torch.autograd.grad(y, leaf, torch.eye(len(y)), is_grads_batched=True)[0]


# %% adds the rows up wrong="jacobian" says="wrong values: 4 instead of 3 at index (1, 0)"
def jacobian(f, x):
    leaf = x.detach().clone().requires_grad_()
    y = f(leaf)
    rows = []
    for output in y:
        output.backward(retain_graph=True)
        rows.append(leaf.grad.clone())
    return torch.stack(rows)


# %% all rows are the same tensor wrong="jacobian" says="wrong values"
def jacobian(f, x):
    leaf = x.detach().clone().requires_grad_()
    y = f(leaf)
    rows = []
    for output in y:
        if leaf.grad is not None:
            leaf.grad.zero_()
        output.backward(retain_graph=True)
        rows.append(leaf.grad)
    return torch.stack(rows)


# %% loses the graph wrong="jacobian" says="Trying to backward through the graph a second time"
def jacobian(f, x):
    leaf = x.detach().clone().requires_grad_()
    y = f(leaf)
    return torch.stack([torch.autograd.grad(output, leaf)[0] for output in y])


# %% transposed wrong="jacobian" says="wrong values"
def jacobian(f, x):
    leaf = x.detach().clone().requires_grad_()
    y = f(leaf)
    columns = [torch.autograd.grad(output, leaf, retain_graph=True)[0] for output in y]
    return torch.stack(columns, dim=1)


# %% only the sum of the rows wrong="jacobian" says="wrong shape: (3,) instead of (3, 3)"
def jacobian(f, x):
    leaf = x.detach().clone().requires_grad_()
    f(leaf).sum().backward()
    return leaf.grad


# %% as many rows as inputs wrong="jacobian" says="wrong shape: (2, 2) instead of (3, 2)"
def jacobian(f, x):
    leaf = x.detach().clone().requires_grad_()
    y = f(leaf)
    rows = [torch.autograd.grad(y[i], leaf, retain_graph=True)[0] for i in range(len(x))]
    return torch.stack(rows)


# %% asks the argument itself for a gradient wrong="jacobian" says="jacobian changed requires_grad of its argument x"
def jacobian(f, x):
    x.requires_grad_()
    y = f(x)
    return torch.stack([torch.autograd.grad(output, x, retain_graph=True)[0] for output in y])


# %% uses the gradient of the argument wrong="jacobian" says="jacobian changed .grad of its argument x"
def jacobian(f, x):
    wanted = x.requires_grad
    x.requires_grad_()
    y = f(x)
    rows = []
    for output in y:
        x.grad = None
        output.backward(retain_graph=True)
        rows.append(x.grad)
    x.requires_grad_(wanted)
    return torch.stack(rows)


# %% flat, with central differences right="gradient_is_right"
def gradient_is_right(f, x, gradient):
    numeric = []
    for i in range(x.numel()):
        up, down = x.clone(), x.clone()
        up.view(-1)[i] += 1e-6
        down.view(-1)[i] -= 1e-6
        numeric.append((f(up) - f(down)) / 2e-6)
    numeric = torch.tensor(numeric, dtype=torch.float64).view(x.shape)
    return bool(((numeric - gradient).abs() < 0.002).all())


# %% with allclose right="gradient_is_right"
def gradient_is_right(f, x, gradient):
    numeric = torch.empty_like(x)
    for index in np.ndindex(tuple(x.shape)):
        copy = x.clone()
        copy[index] = x[index] + 1e-4
        above = f(copy)
        copy[index] = x[index] - 1e-4
        numeric[index] = (above - f(copy)) / 2e-4
    return torch.allclose(numeric, gradient, rtol=0, atol=0.005)


# %% one-sided with a small step right="gradient_is_right"
def gradient_is_right(f, x, gradient):
    base = f(x)
    errors = []
    directions = torch.eye(x.numel(), dtype=x.dtype)
    for direction, slope in zip(directions, gradient.flatten(), strict=True):
        numeric = (f(x + 1e-6 * direction.view(x.shape)) - base) / 1e-6
        errors.append(abs(numeric - float(slope)))
    return all(error < 0.003 for error in errors)


# %% an error relative to the slope wrong="gradient_is_right" says="wrong value: True instead of False"
def gradient_is_right(f, x, gradient):
    numeric = torch.empty_like(x)
    for index in np.ndindex(tuple(x.shape)):
        up, down = x.clone(), x.clone()
        up[index] += 1e-5
        down[index] -= 1e-5
        numeric[index] = (f(up) - f(down)) / 2e-5
    return torch.allclose(numeric, gradient, rtol=1e-3, atol=5e-3)


# %% compares the sums wrong="gradient_is_right" says="wrong value: True instead of False"
def gradient_is_right(f, x, gradient):
    total = 0
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = 1e-6
        total += (f(x + step) - f(x - step)) / 2e-6
    return abs(total - gradient.sum().item()) < 0.005


# %% looks at one direction only wrong="gradient_is_right" says="wrong value: True instead of False"
def gradient_is_right(f, x, gradient):
    h = 1e-6
    slope = (f(x + h) - f(x - h)) / (2 * h)
    return abs(slope - gradient.sum().item()) < 0.005


# %% forgets the absolute value wrong="gradient_is_right" says="wrong value: True instead of False"
def gradient_is_right(f, x, gradient):
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = 1e-6
        if (f(x + step) - f(x - step)) / 2e-6 - gradient.view(-1)[i].item() > 0.005:
            return False
    return True


# %% lets nan pass wrong="gradient_is_right" says="wrong value: True instead of False"
def gradient_is_right(f, x, gradient):
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = 1e-6
        if abs((f(x + step) - f(x - step)) / 2e-6 - gradient.view(-1)[i].item()) > 0.005:
            return False
    return True


# %% divides by the wrong width wrong="gradient_is_right" says="wrong value: False instead of True"
def gradient_is_right(f, x, gradient):
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = 1e-6
        if not abs((f(x + step) - f(x - step)) / 1e-6 - gradient.view(-1)[i].item()) < 0.005:
            return False
    return True


# %% does not put the element back wrong="gradient_is_right" says="changed its argument x: work on a copy"
def gradient_is_right(f, x, gradient):
    for i in range(x.numel()):
        before = f(x)
        x.view(-1)[i] += 1e-6
        if not abs((f(x) - before) / 1e-6 - gradient.view(-1)[i].item()) < 0.005:
            return False
    return True


# %% a step that is too small wrong="gradient_is_right" says="wrong value: False instead of True"
def gradient_is_right(f, x, gradient):
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = 1e-15
        if not abs((f(x + step) - f(x - step)) / 2e-15 - gradient.view(-1)[i].item()) < 0.005:
            return False
    return True


# %% a step that is too large wrong="gradient_is_right" says="wrong value: False instead of True"
def gradient_is_right(f, x, gradient):
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = 0.5
        if not abs((f(x + step) - f(x - step)) / 1.0 - gradient.view(-1)[i].item()) < 0.005:
            return False
    return True


# %% returns a tensor wrong="gradient_is_right" says="wrong type: Tensor instead of bool"
def gradient_is_right(f, x, gradient):
    numeric = torch.empty_like(x)
    for index in np.ndindex(*x.shape):
        step = torch.zeros_like(x)
        step[index] = 1e-6
        numeric[index] = (f(x + step) - f(x - step)) / 2e-6
    return ((numeric - gradient).abs() < 0.005).all()


# %% asks autograd wrong="gradient_is_right" says="raised AttributeError: 'float' object has no attribute 'backward'"
def gradient_is_right(f, x, gradient):
    leaf = x.clone().requires_grad_()
    f(leaf).backward()
    return torch.allclose(leaf.grad, gradient, atol=0.005)


# %% believes everything wrong="gradient_is_right" says="wrong value: True instead of False"
def gradient_is_right(f, x, gradient):
    return True


# %% with clamp and detach right="binarize"
def binarize(x):
    passed = x.clamp(-1, 1)
    signs = (x >= 0).float() * 2 - 1
    return passed + (signs - passed).detach()


# %% with a hook right="binarize"
def binarize(x):
    inside = (x.abs() < 1).float()
    y = x.clone()
    if y.requires_grad:
        y.register_hook(lambda grad: grad * inside)
    return y + (torch.where(x < 0, -1.0, 1.0) - x).detach()


# %% with setup_context and masked_fill right="binarize"
class Sign(torch.autograd.Function):
    @staticmethod
    def forward(x):
        y = torch.ones_like(x)
        y[x < 0] = -1
        return y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.outside = inputs[0].abs() > 1

    @staticmethod
    def backward(ctx, grad):
        return grad.masked_fill(ctx.outside, 0)


def binarize(x):
    return Sign.apply(x)


# %% the sign of 0 is 0 wrong="binarize" says="wrong values: 0 instead of 1"
def binarize(x):
    passed = x.clamp(-1, 1)
    return passed + (torch.sign(x) - passed).detach()


# %% no gradient passes wrong="binarize" says="binarize gives the wrong gradient"
def binarize(x):
    return torch.where(x >= 0, 1.0, -1.0) + 0 * x


# %% has no graph wrong="binarize" says="the result of binarize has no graph"
def binarize(x):
    return torch.where(x >= 0, 1.0, -1.0)


# %% everything passes wrong="binarize" says="binarize gives the wrong gradient: wrong values: 10 instead of 0"
def binarize(x):
    return x + (torch.where(x >= 0, 1.0, -1.0) - x).detach()


# %% gives 1 instead of the slope wrong="binarize" says="binarize gives the wrong gradient"
class Binarize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return (x.abs() < 1).float()


def binarize(x):
    return Binarize.apply(x)


# %% limits the slope instead of the input wrong="binarize" says="binarize gives the wrong gradient"
class Binarize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.clamp(-1, 1)


def binarize(x):
    return Binarize.apply(x)


# %% keeps the input in the class wrong="binarize" says="binarize gives the wrong gradient when it is called twice"
class Binarize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        Binarize.x = x
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * (Binarize.x.abs() < 1)


def binarize(x):
    return Binarize.apply(x)


# %% forgets one side wrong="binarize" says="binarize gives the wrong gradient"
class Binarize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (x < 1)


def binarize(x):
    return Binarize.apply(x)


# %% saves nothing wrong="binarize" says="backward raised ValueError"
class Binarize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (x.abs() < 1)


def binarize(x):
    return Binarize.apply(x)


# %% calls forward instead of apply wrong="binarize" says="binarize raised TypeError"
class Binarize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)


def binarize(x):
    return Binarize.forward(x)


# %% zero_, and requires_grad_ at the end right="updates"
def fit_slope(x, y, rate, steps):
    w = torch.tensor(0.0, requires_grad=True)
    for _ in range(steps):
        if w.grad is not None:
            w.grad.zero_()
        torch.nn.functional.mse_loss(w * x, y).backward()
        with torch.no_grad():
            w.sub_(w.grad, alpha=rate)
    return w.item()


def averaging_weights(outputs, inputs):
    return torch.full((outputs, inputs), 1 / inputs).requires_grad_()


def why_updates():
    return {"averaging_weights": "C"} | {"fit_slope": "B"}


# %% a new leaf in each pass, and detach right="updates"
def fit_slope(x, y, rate, steps):
    w = torch.tensor(0.0)
    for _ in range(steps):
        w.requires_grad_()
        (slope,) = torch.autograd.grad(((w * x - y) ** 2).mean(), w)
        w = (w - rate * slope).detach()
    return float(w)


def averaging_weights(outputs, inputs):
    w = torch.ones(outputs, inputs, requires_grad=True)
    w = w / inputs
    return w.detach().requires_grad_(True)


def why_updates():
    return {"fit_slope": "B", "averaging_weights": "C"}


# %% with an optimizer and a parameter right="updates"
def fit_slope(x, y, rate, steps):
    w = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([w], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        (w * x - y).square().mean().backward()
        optimizer.step()
    return w.item()


def averaging_weights(outputs, inputs):
    return torch.tensor([[1 / inputs] * inputs] * outputs, requires_grad=True)


def why_updates():
    reasons = {}
    reasons["fit_slope"] = "B"
    reasons["averaging_weights"] = "C"
    return reasons


# %% leaves the first as it is, and rebinds in the second wrong="updates" says="wrong value: 2.5 instead of 1.5"
def fit_slope(x, y, rate, steps):
    w = torch.tensor(0.0, requires_grad=True)
    for _ in range(steps):
        loss = ((w * x - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= rate * w.grad
    return w.item()


def averaging_weights(outputs, inputs):
    return (torch.ones(outputs, inputs) / inputs).requires_grad_()


def why_updates():
    return {"fit_slope": "B", "averaging_weights": "C"}


# %% zeroes the weight, divides by the outputs wrong="updates" says="wrong value"
def fit_slope(x, y, rate, steps):
    w = torch.tensor(0.0, requires_grad=True)
    for _ in range(steps):
        w.grad = None
        ((w * x - y) ** 2).sum().backward()
        with torch.no_grad():
            w -= rate * w.grad
    return w.item()


def averaging_weights(outputs, inputs):
    w = torch.ones(outputs, inputs)
    w /= outputs
    return w.requires_grad_()


def why_updates():
    return {"fit_slope": "E", "averaging_weights": "C"}


# %% is no leaf any more wrong="updates" says="averaging_weights must return a leaf that requires a gradient"
def fit_slope(x, y, rate, steps):
    w = torch.tensor(0.0, requires_grad=True)
    for _ in range(steps):
        w.grad = None
        loss = ((w * x - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= rate * w.grad
    return w.item()


def averaging_weights(outputs, inputs):
    w = torch.ones(outputs, inputs, requires_grad=True)
    w = w / inputs
    return w


def why_updates():
    return {"fit_slope": "B", "averaging_weights": "C"}


# %% forgets that a gradient is wanted wrong="updates" says="averaging_weights must return a leaf that requires a gradient"
def fit_slope(x, y, rate, steps):
    w = torch.tensor(0.0, requires_grad=True)
    for _ in range(steps):
        w.grad = None
        ((w * x - y) ** 2).mean().backward()
        with torch.no_grad():
            w -= rate * w.grad
    return w.item()


def averaging_weights(outputs, inputs):
    return torch.ones(outputs, inputs) / inputs


def why_updates():
    return {"fit_slope": "B", "averaging_weights": "C"}


# %% wrong reasons wrong="updates" says="D is not the reason why fit_slope is broken"
def fit_slope(x, y, rate, steps):
    w = torch.tensor(0.0, requires_grad=True)
    for _ in range(steps):
        w.grad = None
        ((w * x - y) ** 2).mean().backward()
        with torch.no_grad():
            w -= rate * w.grad
    return w.item()


def averaging_weights(outputs, inputs):
    return torch.full((outputs, inputs), 1 / inputs, requires_grad=True)


def why_updates():
    return {"fit_slope": "D", "averaging_weights": "C"}


# %% one reason is missing wrong="updates" says="why_updates must give one letter from A to F for each function"
def fit_slope(x, y, rate, steps):
    w = torch.tensor(0.0, requires_grad=True)
    for _ in range(steps):
        w.grad = None
        ((w * x - y) ** 2).mean().backward()
        with torch.no_grad():
            w -= rate * w.grad
    return w.item()


def averaging_weights(outputs, inputs):
    return torch.full((outputs, inputs), 1 / inputs, requires_grad=True)


def why_updates():
    return {"fit_slope": "B"}


# %% rebinds in the loop, letters without names wrong="updates" says="does not require grad and does not have a grad_fn"
def fit_slope(x, y, rate, steps):
    w = torch.tensor(0.0, requires_grad=True)
    for _ in range(steps):
        w.grad = None
        ((w * x - y) ** 2).mean().backward()
        with torch.no_grad():
            w = w - rate * w.grad
    return w.item()


def averaging_weights(outputs, inputs):
    w = torch.ones(outputs, inputs, requires_grad=True)
    w /= inputs
    return w


def why_updates():
    return "BC"


# %% backward, and the features twice right="gradients"
def step_both(a, b, target, rate):
    a.grad, b.grad = None, None
    loss = torch.sum((a * b - target).square())
    loss.backward()
    with torch.no_grad():
        for p in (a, b):
            p -= rate * p.grad
    return loss.item()


def two_gradients(w, x):
    first = torch.autograd.grad(torch.tanh(x @ w).sum(), w)[0]
    second = torch.autograd.grad(torch.tanh(x @ w).square().sum(), w)[0]
    return first, second


def why_gradients():
    return {"two_gradients": "D", "step_both": "A"}


# %% by hand, and copies of the gradient right="gradients"
def step_both(a, b, target, rate):
    with torch.no_grad():
        error = a * b - target
        old_a = a.clone()
        a -= 2 * rate * error * b
        b -= 2 * rate * error * old_a
        return float((error**2).sum())


def two_gradients(w, x):
    w.grad = None
    features = torch.tanh(x @ w)
    features.sum().backward(retain_graph=True)
    first = w.grad.clone()
    w.grad.zero_()
    (features * features).sum().backward()
    return first, w.grad.clone()


def why_gradients():
    return {"step_both": "A", "two_gradients": "D"}


# %% with an optimizer, and with torch.func right="gradients"
def step_both(a, b, target, rate):
    optimizer = torch.optim.SGD([a, b], lr=rate)
    optimizer.zero_grad()
    loss = ((a * b - target) ** 2).sum()
    loss.backward()
    optimizer.step()
    return loss.item()


def two_gradients(w, x):
    def losses(w):
        features = torch.tanh(x @ w)
        return torch.stack([features.sum(), features.square().sum()])

    return tuple(torch.func.jacrev(losses)(w.detach()))


def why_gradients():
    return {"step_both": "A", "two_gradients": "D"}


# %% adds to old gradients wrong="gradients" says="step_both left a with wrong values: 1.75 instead of 2"
def step_both(a, b, target, rate):
    loss = ((a * b - target) ** 2).sum()
    loss.backward()
    with torch.no_grad():
        a -= rate * a.grad
        b -= rate * b.grad
    return loss.item()


def two_gradients(w, x):
    features = torch.tanh(x @ w)
    features.sum().backward(retain_graph=True)
    first = w.grad.clone()
    (features**2).sum().backward()
    return first, w.grad - first


def why_gradients():
    return {"step_both": "A", "two_gradients": "D"}


# %% leaves data in the first, and retains too late in the second wrong="gradients" says="step_both left b with wrong values: 3 instead of 2.5"
def step_both(a, b, target, rate):
    loss = ((a * b - target) ** 2).sum()
    (slope,) = torch.autograd.grad(loss, a, retain_graph=True)
    a.data -= rate * slope
    (slope,) = torch.autograd.grad(loss, b)
    b.data -= rate * slope
    return loss.item()


def two_gradients(w, x):
    features = torch.tanh(x @ w)
    (first,) = torch.autograd.grad(features.sum(), w)
    (second,) = torch.autograd.grad((features**2).sum(), w, retain_graph=True)
    return first, second


def why_gradients():
    return {"step_both": "A", "two_gradients": "D"}


# %% no_grad in the same order, detaches the features wrong="gradients" says="has been modified by an inplace operation"
def step_both(a, b, target, rate):
    loss = ((a * b - target) ** 2).sum()
    (slope,) = torch.autograd.grad(loss, a, retain_graph=True)
    with torch.no_grad():
        a -= rate * slope
    (slope,) = torch.autograd.grad(loss, b)
    with torch.no_grad():
        b -= rate * slope
    return loss.item()


def two_gradients(w, x):
    features = torch.tanh(x @ w)
    (first,) = torch.autograd.grad(features.sum(), w)
    (second,) = torch.autograd.grad((features.detach() ** 2).sum(), w)
    return first, second


def why_gradients():
    return {"step_both": "C", "two_gradients": "D"}


# %% a new loss for b, and gradients that add up wrong="gradients" says="two_gradients: item 1: wrong values"
def step_both(a, b, target, rate):
    slope_a, slope_b = torch.autograd.grad(((a * b - target) ** 2).sum(), (a, b))
    with torch.no_grad():
        a -= rate * slope_a
        b -= rate * slope_b
    return ((a * b - target) ** 2).sum().item()


def two_gradients(w, x):
    w.grad = None
    features = torch.tanh(x @ w)
    features.sum().backward(retain_graph=True)
    first = w.grad.clone()
    (features**2).sum().backward()
    return first, w.grad


def why_gradients():
    return {"step_both": "A", "two_gradients": "D"}


# %% returns the loss after the step wrong="gradients" says="step_both returned the wrong value: 4.0 instead of 1.0"
def step_both(a, b, target, rate):
    slope_a, slope_b = torch.autograd.grad(((a * b - target) ** 2).sum(), (a, b))
    with torch.no_grad():
        a -= rate * slope_a
        b -= rate * slope_b
    return ((a * b - target) ** 2).sum().item()


def two_gradients(w, x):
    features = torch.tanh(x @ w)
    (first,) = torch.autograd.grad(features.sum(), w, retain_graph=True)
    (second,) = torch.autograd.grad((features**2).sum(), w)
    return first, second


def why_gradients():
    return {"step_both": "A", "two_gradients": "D"}


# %% new tensors instead of a change in place wrong="gradients" says="step_both left a with wrong values"
def step_both(a, b, target, rate):
    loss = ((a * b - target) ** 2).sum()
    slope_a, slope_b = torch.autograd.grad(loss, (a, b))
    a = a - rate * slope_a
    b = b - rate * slope_b
    return loss.item()


def two_gradients(w, x):
    features = torch.tanh(x @ w)
    first, second = features.sum(), (features**2).sum()
    return first, second


def why_gradients():
    return {"step_both": "A", "two_gradients": "D"}


# %% climbs, and mixes up the reasons wrong="gradients" says="D is not the reason why step_both is broken"
def step_both(a, b, target, rate):
    loss = ((a * b - target) ** 2).sum()
    slope_a, slope_b = torch.autograd.grad(loss, (a, b))
    with torch.no_grad():
        a += rate * slope_a
        b += rate * slope_b
    return loss.item()


def two_gradients(w, x):
    features = torch.tanh(x @ w)
    (first,) = torch.autograd.grad(features.sum(), w, retain_graph=True)
    (second,) = torch.autograd.grad((features**2).sum(), w)
    return first, second


def why_gradients():
    return {"step_both": "D", "two_gradients": "A"}


# %% the order is kept with copies, the second loss is the square of the sum wrong="gradients" says="two_gradients: item 1: wrong values"
def step_both(a, b, target, rate):
    loss = ((a * b - target) ** 2).sum()
    grads = torch.autograd.grad(loss, [a, b])
    for p, g in zip([a, b], grads, strict=True):
        p.data.add_(g, alpha=-rate)
    return loss.item()


def two_gradients(w, x):
    features = torch.tanh(x @ w)
    (first,) = torch.autograd.grad(features.sum(), w, retain_graph=True)
    (second,) = torch.autograd.grad(features.sum() ** 2, w)
    return first, second


def why_gradients():
    return {"step_both": "A", "two_gradients": "D"}


# %% sums of squares right="accumulate_gradients"
def accumulate_gradients(model, batches):
    count = sum(y.numel() for _, y in batches)
    for p in model.parameters():
        p.grad = None
    error = 0
    for x, y in batches:
        part = ((model(x) - y) ** 2).sum() / count
        part.backward()
        error += part.detach()
    return float(error)


# %% divides at the end right="accumulate_gradients"
def accumulate_gradients(model, batches):
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    total, rows = 0.0, 0
    for x, y in batches:
        loss = torch.nn.functional.mse_loss(model(x), y)
        (loss * len(x)).backward()
        total += loss.item() * len(x)
        rows += len(x)
    for p in model.parameters():
        p.grad /= rows
    return total / rows


# %% all at once right="accumulate_gradients"
def accumulate_gradients(model, batches):
    x = torch.cat([x for x, _ in batches])
    y = torch.cat([y for _, y in batches])
    model.zero_grad()
    loss = torch.nn.MSELoss()(model(x), y)
    loss.backward()
    return loss.item()


# %% with autograd.grad right="accumulate_gradients"
def accumulate_gradients(model, batches):
    parameters = list(model.parameters())
    sums, error, count = [0.0] * len(parameters), 0.0, 0
    for x, y in batches:
        loss = (model(x) - y).pow(2).sum()
        grads = torch.autograd.grad(loss, parameters)
        sums = [s + g for s, g in zip(sums, grads, strict=True)]
        error += loss.item()
        count += y.numel()
    for p, s in zip(parameters, sums, strict=True):
        p.grad = s / count
    return error / count


# %% adds the means wrong="accumulate_gradients" says="wrong value"
def accumulate_gradients(model, batches):
    model.zero_grad()
    total = 0.0
    for x, y in batches:
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        total += loss.item()
    return total


# %% right error, sum of the gradients wrong="accumulate_gradients" says="accumulate_gradients left a wrong model.weight.grad"
def accumulate_gradients(model, batches):
    model.zero_grad()
    rows, total = sum(len(x) for x, _ in batches), 0.0
    for x, y in batches:
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        total += loss.item() * len(x) / rows
    return total


# %% every micro-batch counts the same wrong="accumulate_gradients" says="batches of 2 and 1 rows"
def accumulate_gradients(model, batches):
    model.zero_grad()
    total = 0.0
    for x, y in batches:
        loss = ((model(x) - y) ** 2).mean() / len(batches)
        loss.backward()
        total += loss.item()
    return total


# %% resets in each pass wrong="accumulate_gradients" says="accumulate_gradients left a wrong model.weight.grad"
def accumulate_gradients(model, batches):
    rows, total = sum(len(x) for x, _ in batches), 0.0
    for x, y in batches:
        model.zero_grad()
        loss = ((model(x) - y) ** 2).mean() * len(x) / rows
        loss.backward()
        total += loss.item()
    return total


# %% never resets wrong="accumulate_gradients" says="call 2 with the same model"
def accumulate_gradients(model, batches):
    rows, total = sum(len(x) for x, _ in batches), 0.0
    for x, y in batches:
        loss = ((model(x) - y) ** 2).mean() * len(x) / rows
        loss.backward()
        total += loss.item()
    return total


# %% forgets the outputs wrong="accumulate_gradients" says="wrong value"
def accumulate_gradients(model, batches):
    model.zero_grad()
    rows, total = sum(len(x) for x, _ in batches), 0.0
    for x, y in batches:
        loss = ((model(x) - y) ** 2).sum() / rows
        loss.backward()
        total += loss.item()
    return total


# %% returns the error as a tensor wrong="accumulate_gradients" says="wrong type: Tensor instead of float"
def accumulate_gradients(model, batches):
    model.zero_grad()
    rows, total = sum(len(x) for x, _ in batches), 0.0
    for x, y in batches:
        loss = ((model(x) - y) ** 2).mean() * len(x) / rows
        loss.backward()
        total += loss.detach()
    return total


# %% takes a step, too wrong="accumulate_gradients" says="accumulate_gradients changed model.weight itself"
def accumulate_gradients(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.zero_grad()
    rows, total = sum(len(x) for x, _ in batches), 0.0
    for x, y in batches:
        loss = ((model(x) - y) ** 2).mean() * len(x) / rows
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


# %% computes without gradients wrong="accumulate_gradients" says="does not require grad and does not have a grad_fn"
def accumulate_gradients(model, batches):
    model.zero_grad()
    rows, total = sum(len(x) for x, _ in batches), 0.0
    for x, y in batches:
        with torch.no_grad():
            loss = ((model(x) - y) ** 2).mean() * len(x) / rows
        loss.backward()
        total += loss.item()
    return total


# %% with autograd right="regression_gradients"
def regression_gradients(X, y, w, b):
    w, b = w.clone().requires_grad_(), b.clone().requires_grad_()
    torch.nn.functional.mse_loss(X @ w + b, y).backward()
    return w.grad, b.grad


# %% means of products right="regression_gradients"
def regression_gradients(X, y, w, b):
    slopes = 2 * (torch.mv(X, w) + b - y)
    return (slopes[:, None] * X).mean(dim=0), slopes.mean()


# %% row by row right="regression_gradients"
def regression_gradients(X, y, w, b):
    grad_w, grad_b = torch.zeros_like(w), torch.zeros_like(b)
    for row, target in zip(X, y, strict=True):
        error = row.dot(w) + b - target
        grad_w += 2 * error * row / len(X)
        grad_b += 2 * error / len(X)
    return grad_w, grad_b


# %% forgets to divide wrong="regression_gradients" says="item 0: wrong values: 4 instead of 2"
def regression_gradients(X, y, w, b):
    errors = X @ w + b - y
    return 2 * X.T @ errors, 2 * errors.sum()


# %% forgets the 2 wrong="regression_gradients" says="item 0: wrong values: 1 instead of 2"
def regression_gradients(X, y, w, b):
    errors = X @ w + b - y
    return X.T @ errors / len(y), errors.mean()


# %% points downhill wrong="regression_gradients" says="item 0: wrong values: -2 instead of 2"
def regression_gradients(X, y, w, b):
    errors = y - X @ w - b
    return 2 * X.T @ errors / len(y), 2 * errors.mean()


# %% forgets b in the prediction wrong="regression_gradients" says="item 0: wrong values"
def regression_gradients(X, y, w, b):
    errors = X @ w - y
    return 2 * X.T @ errors / len(y), 2 * errors.mean()


# %% divides by the number of weights wrong="regression_gradients" says="item 0: wrong values"
def regression_gradients(X, y, w, b):
    errors = X @ w + b - y
    return 2 * X.T @ errors / len(w), 2 * errors.sum() / len(w)


# %% makes a column of the errors wrong="regression_gradients" says="item 0: wrong shape: (2, 1) instead of (2,)"
def regression_gradients(X, y, w, b):
    errors = (X @ w + b - y).unsqueeze(1)
    return 2 * X.T @ errors / len(y), 2 * errors.mean()


# %% a column of predictions minus a row of targets wrong="regression_gradients" says="wrong values"
def regression_gradients(X, y, w, b):
    errors = (X @ w.unsqueeze(1) + b - y).mean(dim=1)
    return 2 * X.T @ errors / len(y), 2 * errors.mean()


# %% multiplies with X instead of its transpose wrong="regression_gradients" says="regression_gradients raised RuntimeError"
def regression_gradients(X, y, w, b):
    errors = X @ w + b - y
    return 2 * X @ errors / len(y), 2 * errors.mean()


# %% one gradient per row for b wrong="regression_gradients" says="item 1: wrong shape: (2,) instead of ()"
def regression_gradients(X, y, w, b):
    errors = X @ w + b - y
    return 2 * X.T @ errors / len(y), 2 * errors / len(y)


# %% a number instead of a tensor wrong="regression_gradients" says="item 1: wrong type: float instead of Tensor"
def regression_gradients(X, y, w, b):
    errors = X @ w + b - y
    return 2 * X.T @ errors / len(y), 2 * errors.mean().item()
