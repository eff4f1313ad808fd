"""Right and wrong answers to the exercises of 05_training, as `autograder verify` grades them.

Each cell replaces the solution cell that its marker names.
A wrong answer also says which words the message of its first failing test must contain.
The imports below are here for the linter: the set-up cell of the exercises does them for all answers.
"""

import math

import numpy as np
import torch


# %% autograd right="loss_and_gradient"
def loss_and_gradient(params, x, y):
    leaf = params.clone().requires_grad_()
    loss = torch.nn.functional.mse_loss(leaf[0] * x + leaf[1], y)
    loss.backward()
    return loss.detach(), leaf.grad


# %% matrix products right="loss_and_gradient"
def loss_and_gradient(params, x, y):
    table = torch.stack([x, torch.ones_like(x)], dim=1)
    error = table @ params - y
    return error @ error / len(x), 2 * table.t() @ error / len(x)


# %% sums in a loop right="loss_and_gradient"
def loss_and_gradient(params, x, y):
    w, b = params.tolist()
    loss = dw = db = 0.0
    for xi, yi in zip(x.tolist(), y.tolist(), strict=True):
        error = w * xi + b - yi
        loss += error**2 / len(x)
        dw += 2 * error * xi / len(x)
        db += 2 * error / len(x)
    return torch.tensor(loss, dtype=x.dtype), torch.tensor([dw, db], dtype=x.dtype)


# %% forgets the factor 2 wrong="loss_and_gradient" says="wrong values: -6.666667 instead of -13.33333"
def loss_and_gradient(params, x, y):
    error = params[0] * x + params[1] - y
    return (error**2).mean(), torch.stack([(error * x).mean(), error.mean()])


# %% sum instead of mean wrong="loss_and_gradient" says="wrong values: 29 instead of 9.666667"
def loss_and_gradient(params, x, y):
    error = params[0] * x + params[1] - y
    return (error**2).sum(), torch.stack([(2 * error * x).sum(), (2 * error).sum()])


# %% wrong sign wrong="loss_and_gradient" says="item 1: wrong values"
def loss_and_gradient(params, x, y):
    error = y - params[0] * x - params[1]
    return (error**2).mean(), torch.stack([(2 * error * x).mean(), (2 * error).mean()])


# %% intercept first wrong="loss_and_gradient" says="item 1: wrong values: -6 instead of -13.33333"
def loss_and_gradient(params, x, y):
    error = params[0] * x + params[1] - y
    return (error**2).mean(), torch.stack([(2 * error).mean(), (2 * error * x).mean()])


# %% forgets the inner derivative wrong="loss_and_gradient" says="item 1: wrong values"
def loss_and_gradient(params, x, y):
    error = params[0] * x + params[1] - y
    return (error**2).mean(), torch.stack([(2 * error).mean(), (2 * error).mean()])


# %% one number for each sample wrong="loss_and_gradient" says="wrong shape: (2, 3) instead of (2,)"
def loss_and_gradient(params, x, y):
    error = params[0] * x + params[1] - y
    return (error**2).mean(), torch.stack([2 * error * x, 2 * error])


# %% Python numbers wrong="loss_and_gradient" says="wrong type: float instead of Tensor"
def loss_and_gradient(params, x, y):
    error = params[0] * x + params[1] - y
    return (error**2).mean().item(), [(2 * error * x).mean().item(), (2 * error).mean().item()]


# %% asks the arguments for a gradient wrong="loss_and_gradient" says="does not require grad"
def loss_and_gradient(params, x, y):
    loss = ((params[0] * x + params[1] - y) ** 2).mean()
    loss.backward()
    return loss, params.grad


# %% with torch.optim right="descend"
def descend(loss_fn, params, lr, steps):
    optimizer = torch.optim.SGD([params], lr=lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_fn(params)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% with autograd.grad right="descend"
def descend(loss_fn, params, lr, steps):
    losses = []
    for _ in range(steps):
        loss = loss_fn(params)
        (gradient,) = torch.autograd.grad(loss, params)
        with torch.no_grad():
            params.sub_(lr * gradient)
        losses.append(float(loss.detach()))
    return losses


# %% zeroes in place right="descend"
def descend(loss_fn, params, lr, steps):
    losses = []
    for _ in range(steps):
        if params.grad is not None:
            params.grad.zero_()
        loss = loss_fn(params)
        loss.backward()
        params.detach().add_(params.grad, alpha=-lr)
        losses += [loss.item()]
    return losses


# %% never zeroes wrong="descend" says="item 3: wrong value: 6.890625 instead of 0.140625"
def descend(loss_fn, params, lr, steps):
    losses = []
    for _ in range(steps):
        loss = loss_fn(params)
        loss.backward()
        with torch.no_grad():
            params -= lr * params.grad
        losses.append(loss.item())
    return losses


# %% zeroes after the step only wrong="descend" says="an old params.grad"
def descend(loss_fn, params, lr, steps):
    losses = []
    for _ in range(steps):
        loss = loss_fn(params)
        loss.backward()
        with torch.no_grad():
            params -= lr * params.grad
        params.grad.zero_()
        losses.append(loss.item())
    return losses


# %% zeroes between backward and step wrong="descend" says="wrong value"
def descend(loss_fn, params, lr, steps):
    optimizer = torch.optim.SGD([params], lr=lr)
    losses = []
    for _ in range(steps):
        loss = loss_fn(params)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% new tensor instead of in place wrong="descend" says="must change params in place"
def descend(loss_fn, params, lr, steps):
    losses = []
    for _ in range(steps):
        loss = loss_fn(params)
        (gradient,) = torch.autograd.grad(loss, params)
        params = (params - lr * gradient).detach().requires_grad_()
        losses.append(loss.item())
    return losses


# %% changes a leaf under the eyes of autograd wrong="descend" says="a leaf Variable that requires grad"
def descend(loss_fn, params, lr, steps):
    losses = []
    for _ in range(steps):
        params.grad = None
        loss = loss_fn(params)
        loss.backward()
        params -= lr * params.grad
        losses.append(loss.item())
    return losses


# %% keeps tensors wrong="descend" says="wrong type: Tensor instead of float"
def descend(loss_fn, params, lr, steps):
    losses = []
    for _ in range(steps):
        params.grad = None
        loss = loss_fn(params)
        loss.backward()
        with torch.no_grad():
            params -= lr * params.grad
        losses.append(loss.detach())
    return losses


# %% climbs wrong="descend" says="item 1: wrong value"
def descend(loss_fn, params, lr, steps):
    losses = []
    for _ in range(steps):
        params.grad = None
        loss = loss_fn(params)
        loss.backward()
        with torch.no_grad():
            params += lr * params.grad
        losses.append(loss.item())
    return losses


# %% the loss after the step wrong="descend" says="item 0: wrong value: 2.25 instead of 9.0"
def descend(loss_fn, params, lr, steps):
    losses = []
    for _ in range(steps):
        params.grad = None
        loss_fn(params).backward()
        with torch.no_grad():
            params -= lr * params.grad
        losses.append(loss_fn(params).item())
    return losses


# %% only the last loss wrong="descend" says="instead of list"
def descend(loss_fn, params, lr, steps):
    for _ in range(steps):
        params.grad = None
        loss = loss_fn(params)
        loss.backward()
        with torch.no_grad():
            params -= lr * params.grad
    return loss.item()


# %% with autograd and an optimizer right="fit_line"
def fit_line(x, y, lr, steps):
    mean, std = x.mean(), x.std()
    line = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([line], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = ((line[0] * (x - mean) / std + line[1] - y) ** 2).mean()
        loss.backward()
        optimizer.step()
    w = line[0].item() / std.item()
    return w, line[1].item() - w * mean.item()


# %% reads the line off at two points right="fit_line"
def fit_line(x, y, lr, steps):
    z = ((x - x.mean()) / x.std()).double()
    slope, intercept = torch.zeros(2, dtype=torch.float64)
    for _ in range(steps):
        error = slope * z + intercept - y
        slope = slope - 2 * lr * (error @ z) / len(z)
        intercept = intercept - 2 * lr * error.mean()

    def predict(raw):
        return float(slope * (raw - x.mean()) / x.std() + intercept)

    w = predict(1.0) - predict(0.0)
    return w, predict(0.0)


# %% does not translate back wrong="fit_line" says="item 0: wrong value"
def fit_line(x, y, lr, steps):
    z = (x - x.mean()) / x.std()
    line = torch.zeros(2)
    for _ in range(steps):
        error = line[0] * z + line[1] - y
        line = line - lr * torch.stack([(2 * error * z).mean(), (2 * error).mean()])
    return line[0].item(), line[1].item()


# %% translates the slope only wrong="fit_line" says="item 1: wrong value"
def fit_line(x, y, lr, steps):
    z = (x - x.mean()) / x.std()
    line = torch.zeros(2)
    for _ in range(steps):
        error = line[0] * z + line[1] - y
        line = line - lr * torch.stack([(2 * error * z).mean(), (2 * error).mean()])
    return (line[0] / x.std()).item(), line[1].item()


# %% trains on raw numbers wrong="fit_line" says="wrong value: nan"
def fit_line(x, y, lr, steps):
    line = torch.zeros(2)
    for _ in range(steps):
        error = line[0] * x + line[1] - y
        line = line - lr * torch.stack([(2 * error * x).mean(), (2 * error).mean()])
    return line[0].item(), line[1].item()


# %% divides by the variance wrong="fit_line" says="wrong value"
def fit_line(x, y, lr, steps):
    z = (x - x.mean()) / x.var()
    line = torch.zeros(2)
    for _ in range(steps):
        error = line[0] * z + line[1] - y
        line = line - lr * torch.stack([(2 * error * z).mean(), (2 * error).mean()])
    w = line[0] / x.var()
    return w.item(), (line[1] - w * x.mean()).item()


# %% intercept with the slope of the normalized line wrong="fit_line" says="item 1: wrong value"
def fit_line(x, y, lr, steps):
    z = (x - x.mean()) / x.std()
    line = torch.zeros(2)
    for _ in range(steps):
        error = line[0] * z + line[1] - y
        line = line - lr * torch.stack([(2 * error * z).mean(), (2 * error).mean()])
    return (line[0] / x.std()).item(), (line[1] - line[0] * x.mean()).item()


# %% starts with a slope of 1 wrong="fit_line" says="wrong value"
def fit_line(x, y, lr, steps):
    z = (x - x.mean()) / x.std()
    slope, intercept = 1.0, 0.0
    for _ in range(steps):
        error = slope * z + intercept - y
        slope = slope - lr * 2 * (error * z).mean().item()
        intercept = intercept - lr * 2 * error.mean().item()
    w = slope / x.std().item()
    return w, intercept - w * x.mean().item()


# %% the line of least squares, whatever the steps wrong="fit_line" says="instead of 0.0"
def fit_line(x, y, lr, steps):
    table = torch.stack([x, torch.ones_like(x)], dim=1).double()
    w, b = torch.linalg.lstsq(table, y.double().unsqueeze(1)).solution.flatten().tolist()
    return w, b


# %% in place on copies right="momentum_step"
def momentum_step(x, gradient, velocity, lr, momentum):
    x, velocity = x.clone(), velocity.clone()
    velocity.mul_(momentum).add_(gradient)
    x.sub_(velocity, alpha=lr)
    return x, velocity


# %% element by element right="momentum_step"
def momentum_step(x, gradient, velocity, lr, momentum):
    new_x, new_v = torch.empty_like(x), torch.empty_like(x)
    for i in np.ndindex(*x.shape):
        new_v[i] = momentum * velocity[i] + gradient[i]
        new_x[i] = x[i] - lr * new_v[i]
    return new_x, new_v


# %% uses the old velocity wrong="momentum_step" says="item 0: wrong values: 0.875 instead of 0.4375"
def momentum_step(x, gradient, velocity, lr, momentum):
    return x - lr * velocity, momentum * velocity + gradient


# %% a running mean wrong="momentum_step" says="wrong values"
def momentum_step(x, gradient, velocity, lr, momentum):
    velocity = momentum * velocity + (1 - momentum) * gradient
    return x - lr * velocity, velocity


# %% the rate inside the velocity wrong="momentum_step" says="wrong values"
def momentum_step(x, gradient, velocity, lr, momentum):
    velocity = momentum * velocity + lr * gradient
    return x - velocity, velocity


# %% Nesterov wrong="momentum_step" says="item 0: wrong values"
def momentum_step(x, gradient, velocity, lr, momentum):
    velocity = momentum * velocity + gradient
    return x - lr * (gradient + momentum * velocity), velocity


# %% changes its arguments wrong="momentum_step" says="changed its argument x: work on a copy"
def momentum_step(x, gradient, velocity, lr, momentum):
    velocity.mul_(momentum).add_(gradient)
    x.sub_(lr * velocity)
    return x, velocity


# %% forgets the velocity wrong="momentum_step" says="wrong type: Tensor instead of tuple"
def momentum_step(x, gradient, velocity, lr, momentum):
    return x - lr * (momentum * velocity + gradient)


# %% the other order wrong="momentum_step" says="item 0: wrong values"
def momentum_step(x, gradient, velocity, lr, momentum):
    velocity = momentum * velocity + gradient
    return velocity, x - lr * velocity


# %% the way torch.optim writes it right="adam_step"
def adam_step(x, gradient, m, v, t, lr):
    m = torch.lerp(m, gradient, 0.1)
    v = v.mul(0.999).addcmul_(gradient, gradient, value=0.001)
    size = (v.sqrt() / math.sqrt(1 - 0.999**t)).add_(1e-8)
    return torch.addcdiv(x, m, size, value=-lr / (1 - 0.9**t)), m, v


# %% torch.optim itself right="adam_step"
def adam_step(x, gradient, m, v, t, lr):
    p = x.clone().requires_grad_()
    p.grad = gradient.clone()
    optimizer = torch.optim.Adam([p], lr=lr)
    state = {"step": torch.tensor(t - 1.0), "exp_avg": m.clone(), "exp_avg_sq": v.clone()}
    optimizer.state[p] = state
    optimizer.step()
    return p.detach(), state["exp_avg"], state["exp_avg_sq"]


# %% element by element right="adam_step"
def adam_step(x, gradient, m, v, t, lr):
    x, m, v = x.clone(), m.clone(), v.clone()
    for i in np.ndindex(*x.shape):
        m[i] += 0.1 * (gradient[i] - m[i])
        v[i] += 0.001 * (gradient[i] ** 2 - v[i])
        x[i] -= lr * (m[i] / (1 - 0.9**t)) / (math.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
    return x, m, v


# %% no correction wrong="adam_step" says="item 0: wrong values"
def adam_step(x, gradient, m, v, t, lr):
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    return x - lr * m / (v.sqrt() + 1e-8), m, v


# %% returns the corrected means wrong="adam_step" says="item 1: wrong values"
def adam_step(x, gradient, m, v, t, lr):
    m = (0.9 * m + 0.1 * gradient) / (1 - 0.9**t)
    v = (0.999 * v + 0.001 * gradient**2) / (1 - 0.999**t)
    return x - lr * m / (v.sqrt() + 1e-8), m, v


# %% the small number under the root wrong="adam_step" says="wrong values"
def adam_step(x, gradient, m, v, t, lr):
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    return x - lr * (m / (1 - 0.9**t)) / (v / (1 - 0.999**t) + 1e-8).sqrt(), m, v


# %% counts steps from 0 wrong="adam_step" says="wrong values"
def adam_step(x, gradient, m, v, t, lr):
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    m_hat = m / (1 - 0.9 ** (t + 1))
    v_hat = v / (1 - 0.999 ** (t + 1))
    return x - lr * m_hat / (v_hat.sqrt() + 1e-8), m, v


# %% the correction of the first step for all steps wrong="adam_step" says="item 0: wrong values"
def adam_step(x, gradient, m, v, t, lr):
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    return x - lr * (m / 0.1) / ((v / 0.001).sqrt() + 1e-8), m, v


# %% exchanges the two rates wrong="adam_step" says="item 1: wrong values"
def adam_step(x, gradient, m, v, t, lr):
    m = 0.999 * m + 0.001 * gradient
    v = 0.9 * v + 0.1 * gradient**2
    m_hat = m / (1 - 0.999**t)
    v_hat = v / (1 - 0.9**t)
    return x - lr * m_hat / (v_hat.sqrt() + 1e-8), m, v


# %% forgets the root wrong="adam_step" says="item 0: wrong values"
def adam_step(x, gradient, m, v, t, lr):
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    return x - lr * (m / (1 - 0.9**t)) / (v / (1 - 0.999**t) + 1e-8), m, v


# %% works in place wrong="adam_step" says="changed its argument"
def adam_step(x, gradient, m, v, t, lr):
    m.mul_(0.9).add_(0.1 * gradient)
    v.mul_(0.999).add_(0.001 * gradient**2)
    return x - lr * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8), m.clone(), v.clone()


# %% with an optimizer whose rate is set right="find_lr"
def find_lr(loss_fn, params, rates):
    trial = params.detach().clone().requires_grad_()
    optimizer = torch.optim.SGD([trial], lr=rates[0])
    lowest, losses = float(loss_fn(trial)), []
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss_fn(trial).backward()
        optimizer.step()
        with torch.no_grad():
            loss = loss_fn(trial).item()
        if not loss <= 4 * lowest:
            break
        losses.append(loss)
        lowest = min([lowest, *losses])
    best = min(range(len(losses)), key=losses.__getitem__)
    return 0.1 * rates[best], losses


# %% collects pairs right="find_lr"
def find_lr(loss_fn, params, rates):
    p = torch.tensor(params.tolist(), dtype=params.dtype, requires_grad=True)
    seen, found = [loss_fn(p).item()], []
    for rate in rates:
        p.grad = None
        loss_fn(p).backward()
        p = (p.detach() - rate * p.grad).requires_grad_()
        loss = loss_fn(p).item()
        if math.isnan(loss) or math.isinf(loss) or loss > min(seen) * 4:
            break
        seen.append(loss)
        found.append((loss, rate))
    return min(found)[1] / 10, [loss for loss, _ in found]


# %% does not stop wrong="find_lr" says="item 1: wrong length"
def find_lr(loss_fn, params, rates):
    p = params.clone().requires_grad_()
    losses = []
    for rate in rates:
        (gradient,) = torch.autograd.grad(loss_fn(p), p)
        p = (p - rate * gradient).detach().requires_grad_()
        losses.append(loss_fn(p).item())
    return rates[losses.index(min(losses))] / 10, losses


# %% compares with the loss before wrong="find_lr" says="[0.25, 1.4, 1.3, 0.5]"
def find_lr(loss_fn, params, rates):
    p = params.clone().requires_grad_()
    before, losses = loss_fn(p).item(), []
    for rate in rates:
        (gradient,) = torch.autograd.grad(loss_fn(p), p)
        p = (p - rate * gradient).detach().requires_grad_()
        loss = loss_fn(p).item()
        if not math.isfinite(loss) or loss > 4 * before:
            break
        losses.append(loss)
        before = loss
    return rates[losses.index(min(losses))] / 10, losses


# %% does not think of nan wrong="find_lr" says="nan above 2"
def find_lr(loss_fn, params, rates):
    p = params.clone().requires_grad_()
    lowest, losses = loss_fn(p).item(), []
    for rate in rates:
        (gradient,) = torch.autograd.grad(loss_fn(p), p)
        p = (p - rate * gradient).detach().requires_grad_()
        loss = loss_fn(p).item()
        if loss > 4 * lowest:
            break
        losses.append(loss)
        lowest = min(lowest, loss)
    return rates[losses.index(min(losses))] / 10, losses


# %% starts anew for each rate wrong="find_lr" says="item 1: wrong value"
def find_lr(loss_fn, params, rates):
    lowest, losses = loss_fn(params).item(), []
    for rate in rates:
        p = params.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss_fn(p), p)
        loss = loss_fn(p - rate * gradient).item()
        if not loss <= 4 * lowest:
            break
        losses.append(loss)
        lowest = min(lowest, loss)
    return rates[losses.index(min(losses))] / 10, losses


# %% returns the rate itself wrong="find_lr" says="item 0: wrong value: 0.4 instead of 0.04"
def find_lr(loss_fn, params, rates):
    p = params.clone().requires_grad_()
    lowest, losses = loss_fn(p).item(), []
    for rate in rates:
        (gradient,) = torch.autograd.grad(loss_fn(p), p)
        p = (p - rate * gradient).detach().requires_grad_()
        loss = loss_fn(p).item()
        if not loss <= 4 * lowest:
            break
        losses.append(loss)
        lowest = min(lowest, loss)
    return rates[losses.index(min(losses))], losses


# %% keeps the bad loss wrong="find_lr" says="item 1: wrong length: 4 instead of 3"
def find_lr(loss_fn, params, rates):
    p = params.clone().requires_grad_()
    lowest, losses = loss_fn(p).item(), []
    for rate in rates:
        (gradient,) = torch.autograd.grad(loss_fn(p), p)
        p = (p - rate * gradient).detach().requires_grad_()
        loss = loss_fn(p).item()
        losses.append(loss)
        if not loss <= 4 * lowest:
            break
        lowest = min(lowest, loss)
    return rates[losses.index(min(losses))] / 10, losses


# %% trains the parameters themselves wrong="find_lr" says="changed its argument params: work on a copy"
def find_lr(loss_fn, params, rates):
    lowest, losses = loss_fn(params).item(), []
    for rate in rates:
        leaf = params.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss_fn(leaf), leaf)
        params -= rate * gradient
        loss = loss_fn(params).item()
        if not loss <= 4 * lowest:
            break
        losses.append(loss)
        lowest = min(lowest, loss)
    return rates[losses.index(min(losses))] / 10, losses


# %% asks params itself for a gradient wrong="find_lr" says="but now it requires a gradient"
def find_lr(loss_fn, params, rates):
    p = params.requires_grad_()
    lowest, losses = loss_fn(p).item(), []
    for rate in rates:
        (gradient,) = torch.autograd.grad(loss_fn(p), p)
        p = (p - rate * gradient).detach().requires_grad_()
        loss = loss_fn(p).item()
        if not loss <= 4 * lowest:
            break
        losses.append(loss)
        lowest = min(lowest, loss)
    return rates[losses.index(min(losses))] / 10, losses


# %% forgets the loss at the start wrong="find_lr" says="[1.4, 1.2, 0.5]"
def find_lr(loss_fn, params, rates):
    p = params.clone().requires_grad_()
    losses = []
    for rate in rates:
        (gradient,) = torch.autograd.grad(loss_fn(p), p)
        p = (p - rate * gradient).detach().requires_grad_()
        loss = loss_fn(p).item()
        if not math.isfinite(loss) or (losses and loss > 4 * min(losses)):
            break
        losses.append(loss)
    return rates[losses.index(min(losses))] / 10, losses


# %% shuffles the whole table, then takes each class right="split_and_standardize"
def split_and_standardize(x, labels, percent, seed):
    torch.manual_seed(seed)
    order = torch.randperm(len(x))
    is_val = torch.zeros(len(x), dtype=torch.bool)
    for label in [0, 1]:
        rows = order[labels[order] == label]
        is_val[rows[: len(rows) * percent // 100]] = True
    std, mean = torch.std_mean(x[~is_val], dim=0, keepdim=True)
    x = (x - mean) / std
    return x[~is_val], labels[~is_val], x[is_val], labels[is_val]


# %% with NumPy's generator right="split_and_standardize"
def split_and_standardize(x, labels, percent, seed):
    generator = np.random.default_rng(seed)
    val = []
    for label in np.unique(labels.numpy()):
        rows = np.flatnonzero(labels.numpy() == label)
        val += generator.choice(rows, len(rows) * percent // 100, replace=False).tolist()
    train = [i for i in range(len(x)) if i not in val]
    mean, std = x[train].mean(0), x[train].std(0)
    return (x[train] - mean) / std, labels[train], (x[val] - mean) / std, labels[val]


# %% not by class wrong="split_and_standardize" says="split_and_standardize must split each class on its own"
def split_and_standardize(x, labels, percent, seed):
    torch.manual_seed(seed)
    count = sum(int((labels == c).sum()) * percent // 100 for c in [0, 1])
    order = torch.randperm(len(x))
    val, train = order[:count], order[count:]
    mean, std = x[train].mean(0), x[train].std(0)
    return (x[train] - mean) / std, labels[train], (x[val] - mean) / std, labels[val]


# %% statistics of all rows wrong="split_and_standardize" says="x_train must have mean 0 and standard deviation 1"
def split_and_standardize(x, labels, percent, seed):
    torch.manual_seed(seed)
    x = (x - x.mean(0)) / x.std(0)
    order, val, train = torch.randperm(len(x)), [], []
    for label in [0, 1]:
        rows = order[labels[order] == label].tolist()
        count = len(rows) * percent // 100
        val += rows[:count]
        train += rows[count:]
    return x[train], labels[train], x[val], labels[val]


# %% each part with its own statistics wrong="split_and_standardize" says="standardized with the mean and the deviation of the training rows"
def split_and_standardize(x, labels, percent, seed):
    torch.manual_seed(seed)
    order, val, train = torch.randperm(len(x)), [], []
    for label in [0, 1]:
        rows = order[labels[order] == label].tolist()
        count = len(rows) * percent // 100
        val += rows[:count]
        train += rows[count:]

    def standardize(part):
        return (part - part.mean(0)) / (part.std(0) if len(part) > 1 else 1)

    return standardize(x[train]), labels[train], standardize(x[val]), labels[val]


# %% the validation rows stay in the training set wrong="split_and_standardize" says="wrong shape"
def split_and_standardize(x, labels, percent, seed):
    torch.manual_seed(seed)
    order, val = torch.randperm(len(x)), []
    for label in [0, 1]:
        rows = order[labels[order] == label].tolist()
        val += rows[: len(rows) * percent // 100]
    mean, std = x.mean(0), x.std(0)
    return (x - mean) / std, labels, (x[val] - mean) / std, labels[val]


# %% draws with replacement wrong="split_and_standardize" says="each once"
def split_and_standardize(x, labels, percent, seed):
    torch.manual_seed(seed)
    val, train = [], []
    for label in [0, 1]:
        rows = (labels == label).nonzero().flatten()
        count = len(rows) * percent // 100
        val += rows[torch.randint(0, len(rows), (count,))].tolist()
        train += rows[torch.randint(0, len(rows), (len(rows) - count,))].tolist()
    mean, std = x[train].mean(0), x[train].std(0)
    return (x[train] - mean) / std, labels[train], (x[val] - mean) / std, labels[val]


# %% the first rows of each class wrong="split_and_standardize" says="must choose other rows when it is called with another seed"
def split_and_standardize(x, labels, percent, seed):
    val, train = [], []
    for label in [0, 1]:
        rows = (labels == label).nonzero().flatten().tolist()
        count = len(rows) * percent // 100
        val += rows[:count]
        train += rows[count:]
    mean, std = x[train].mean(0), x[train].std(0)
    return (x[train] - mean) / std, labels[train], (x[val] - mean) / std, labels[val]


# %% ignores the seed wrong="split_and_standardize" says="must give the same parts"
def split_and_standardize(x, labels, percent, seed):
    order, val, train = torch.randperm(len(x)), [], []
    for label in [0, 1]:
        rows = order[labels[order] == label].tolist()
        count = len(rows) * percent // 100
        val += rows[:count]
        train += rows[count:]
    mean, std = x[train].mean(0), x[train].std(0)
    return (x[train] - mean) / std, labels[train], (x[val] - mean) / std, labels[val]


# %% labels in another order wrong="split_and_standardize" says="must have the labels of its rows"
def split_and_standardize(x, labels, percent, seed):
    torch.manual_seed(seed)
    order, val, train = torch.randperm(len(x)), [], []
    for label in [0, 1]:
        rows = order[labels[order] == label].tolist()
        count = len(rows) * percent // 100
        val += rows[:count]
        train += rows[count:]
    mean, std = x[train].mean(0), x[train].std(0)
    val_rows = x[val[::-1]]
    return (x[train] - mean) / std, labels[train], (val_rows - mean) / std, labels[val]


# %% one mean for the whole table wrong="split_and_standardize" says="in every column"
def split_and_standardize(x, labels, percent, seed):
    torch.manual_seed(seed)
    order, val, train = torch.randperm(len(x)), [], []
    for label in [0, 1]:
        rows = order[labels[order] == label].tolist()
        count = len(rows) * percent // 100
        val += rows[:count]
        train += rows[count:]
    mean, std = x[train].mean(), x[train].std()
    return (x[train] - mean) / std, labels[train], (x[val] - mean) / std, labels[val]


# %% counts the epochs without improvement right="train_with_patience"
def train_with_patience(params, train_epoch, validate, patience, max_epochs):
    losses, lowest, waited = [], math.inf, 0
    while len(losses) < max_epochs and waited < patience:
        train_epoch(params)
        losses.append(validate(params))
        waited += 1
        if losses[-1] < lowest:
            lowest, waited, best = losses[-1], 0, params.tolist()
    params.data.copy_(torch.tensor(best))
    return losses


# %% remembers the best epoch right="train_with_patience"
def train_with_patience(params, train_epoch, validate, patience, max_epochs):
    losses = []
    best_epoch = -1
    for epoch in range(max_epochs):
        train_epoch(params)
        loss = validate(params)
        losses.append(loss)
        if best_epoch < 0 or loss < losses[best_epoch]:
            best_epoch = epoch
            kept = params.clone().detach()
        elif epoch - best_epoch == patience:
            break
    with torch.no_grad():
        params[:] = kept
    return losses


# %% keeps a name instead of a copy wrong="train_with_patience" says="must hold the values of the epoch with the lowest loss"
def train_with_patience(params, train_epoch, validate, patience, max_epochs):
    losses, lowest, waited, best = [], math.inf, 0, params
    for _ in range(max_epochs):
        train_epoch(params)
        losses.append(validate(params))
        waited += 1
        if losses[-1] < lowest:
            lowest, waited, best = losses[-1], 0, params.detach()
        if waited == patience:
            break
    with torch.no_grad():
        params.copy_(best)
    return losses


# %% never goes back wrong="train_with_patience" says="got       params as after epoch 5"
def train_with_patience(params, train_epoch, validate, patience, max_epochs):
    losses, lowest, waited = [], math.inf, 0
    for _ in range(max_epochs):
        train_epoch(params)
        losses.append(validate(params))
        waited += 1
        if losses[-1] < lowest:
            lowest, waited = losses[-1], 0
        if waited == patience:
            break
    return losses


# %% one epoch too long wrong="train_with_patience" says="wrong length: 6 instead of 5"
def train_with_patience(params, train_epoch, validate, patience, max_epochs):
    losses, lowest, waited, best = [], math.inf, 0, params.detach().clone()
    for _ in range(max_epochs):
        train_epoch(params)
        losses.append(validate(params))
        waited += 1
        if losses[-1] < lowest:
            lowest, waited, best = losses[-1], 0, params.detach().clone()
        if waited > patience:
            break
    with torch.no_grad():
        params.copy_(best)
    return losses


# %% compares with the loss before wrong="train_with_patience" says="wrong length"
def train_with_patience(params, train_epoch, validate, patience, max_epochs):
    losses, before, waited, best = [], math.inf, 0, params.detach().clone()
    for _ in range(max_epochs):
        train_epoch(params)
        losses.append(validate(params))
        waited += 1
        if losses[-1] < before:
            waited, best = 0, params.detach().clone()
        before = losses[-1]
        if waited == patience:
            break
    with torch.no_grad():
        params.copy_(best)
    return losses


# %% never resets its patience wrong="train_with_patience" says="wrong length"
def train_with_patience(params, train_epoch, validate, patience, max_epochs):
    losses, lowest, waited, best = [], math.inf, 0, params.detach().clone()
    for _ in range(max_epochs):
        train_epoch(params)
        losses.append(validate(params))
        if losses[-1] < lowest:
            lowest, best = losses[-1], params.detach().clone()
        else:
            waited += 1
        if waited == patience:
            break
    with torch.no_grad():
        params.copy_(best)
    return losses


# %% an equal loss counts as improvement wrong="train_with_patience" says="wrong length"
def train_with_patience(params, train_epoch, validate, patience, max_epochs):
    losses, lowest, waited, best = [], math.inf, 0, params.detach().clone()
    for _ in range(max_epochs):
        train_epoch(params)
        losses.append(validate(params))
        waited += 1
        if losses[-1] <= lowest:
            lowest, waited, best = losses[-1], 0, params.detach().clone()
        if waited == patience:
            break
    with torch.no_grad():
        params.copy_(best)
    return losses


# %% goes back by rebinding the name wrong="train_with_patience" says="must hold the values"
def train_with_patience(params, train_epoch, validate, patience, max_epochs):
    losses, lowest, waited, best = [], math.inf, 0, params.detach().clone()
    for _ in range(max_epochs):
        train_epoch(params)
        losses.append(validate(params))
        waited += 1
        if losses[-1] < lowest:
            lowest, waited, best = losses[-1], 0, params.detach().clone()
        if waited == patience:
            break
    params = best
    return losses


# %% writes into a leaf without no_grad wrong="train_with_patience" says="a leaf Variable that requires grad"
def train_with_patience(params, train_epoch, validate, patience, max_epochs):
    losses, lowest, waited, best = [], math.inf, 0, params.detach().clone()
    for _ in range(max_epochs):
        train_epoch(params)
        losses.append(validate(params))
        waited += 1
        if losses[-1] < lowest:
            lowest, waited, best = losses[-1], 0, params.detach().clone()
        if waited == patience:
            break
    params.copy_(best)
    return losses


# %% the normal equations right="fit_parabola"
def fit_parabola(x, y):
    u = x.double() ** 2
    a = ((u - u.mean()) * (y - y.mean())).sum() / ((u - u.mean()) ** 2).sum()
    return a.item(), (y.mean() - a * u.mean()).item()


# %% Adam right="fit_parabola"
def fit_parabola(x, y):
    a = torch.ones(1, requires_grad=True)
    b = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.Adam([a, b], lr=0.05)
    for _ in range(2000):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(a * x**2 + b, y).backward()
        optimizer.step()
    return a.item(), b.item()


# %% by hand with NumPy right="fit_parabola"
def fit_parabola(x, y):
    u, y = x.numpy() ** 2, y.numpy()
    a = b = 0.0
    for _ in range(3000):
        error = a * u + b - y
        a -= 0.3 * 2 * (error * u).mean()
        b -= 0.3 * 2 * error.mean()
    return float(a), float(b)


# %% stops too early wrong="fit_parabola" says="wrong value"
def fit_parabola(x, y):
    params = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([params], lr=0.01)
    for _ in range(500):
        optimizer.zero_grad()
        ((params[0] * x**2 + params[1] - y) ** 2).mean().backward()
        optimizer.step()
    return params[0].item(), params[1].item()


# %% diverges wrong="fit_parabola" says="wrong value: nan"
def fit_parabola(x, y):
    params = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([params], lr=1.0)
    for _ in range(1000):
        optimizer.zero_grad()
        ((params[0] * x**2 + params[1] - y) ** 2).mean().backward()
        optimizer.step()
    return params[0].item(), params[1].item()


# %% fits a straight line wrong="fit_parabola" says="item 0: wrong value"
def fit_parabola(x, y):
    params = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([params], lr=0.2)
    for _ in range(500):
        optimizer.zero_grad()
        ((params[0] * x + params[1] - y) ** 2).mean().backward()
        optimizer.step()
    return params[0].item(), params[1].item()


# %% forgets to zero wrong="fit_parabola" says="wrong value"
def fit_parabola(x, y):
    params = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([params], lr=0.2)
    for _ in range(500):
        ((params[0] * x**2 + params[1] - y) ** 2).mean().backward()
        optimizer.step()
    return params[0].item(), params[1].item()


# %% returns tensors wrong="fit_parabola" says="wrong type: Tensor instead of float"
def fit_parabola(x, y):
    params = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([params], lr=0.2, momentum=0.9)
    for _ in range(500):
        optimizer.zero_grad()
        ((params[0] * x**2 + params[1] - y) ** 2).mean().backward()
        optimizer.step()
    a, b = params.detach()
    return a, b


# %% compares a column with a row wrong="fit_parabola" says="item 0: wrong value"
def fit_parabola(x, y):
    params = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([params], lr=0.2, momentum=0.9)
    for _ in range(300):
        optimizer.zero_grad()
        prediction = params[0] * x.unsqueeze(1) ** 2 + params[1]
        ((prediction - y) ** 2).mean().backward()
        optimizer.step()
    return params[0].item(), params[1].item()


# %% hands out what the example shows wrong="fit_parabola" says="wrong value"
def fit_parabola(x, y):
    return 3.0, 2.0


# %% signs of the steps right="diagnose"
def diagnose(losses):
    if any(math.isnan(x) or math.isinf(x) for x in losses):
        return "diverges"
    signs = set(np.sign(np.diff(losses)).tolist()) - {0.0}
    return {
        frozenset(): "no step",
        frozenset({1.0}): "diverges",
        frozenset({-1.0}): "healthy",
    }.get(frozenset(signs), "not zeroed")


# %% sorts right="diagnose"
def diagnose(losses):
    if not np.isfinite(losses).all():
        return "diverges"
    if min(losses) == max(losses):
        return "no step"
    if losses == sorted(losses):
        return "diverges"
    if losses == sorted(losses, reverse=True):
        return "healthy"
    return "not zeroed"


# %% looks at the ends only wrong="diagnose" says="wrong value: 'healthy' instead of 'not zeroed'"
def diagnose(losses):
    if losses[-1] == losses[0]:
        return "no step"
    return "healthy" if losses[-1] < losses[0] else "diverges"


# %% does not think of nan wrong="diagnose" says="nan"
def diagnose(losses):
    steps = [b - a for a, b in ((losses[k], losses[k + 1]) for k in range(len(losses) - 1))]
    if any(s < 0 for s in steps) and any(s > 0 for s in steps):
        return "not zeroed"
    if all(s == 0 for s in steps):
        return "no step"
    return "diverges" if all(s >= 0 for s in steps) else "healthy"


# %% a rise anywhere is a swing wrong="diagnose" says="wrong value: 'not zeroed' instead of 'diverges'"
def diagnose(losses):
    if not all(math.isfinite(x) for x in losses):
        return "diverges"
    if any(b > a for a, b in ((losses[k], losses[k + 1]) for k in range(len(losses) - 1))):
        return "not zeroed"
    return "no step" if losses[0] == losses[-1] else "healthy"


# %% a flat stretch is no step wrong="diagnose" says="wrong value: 'no step'"
def diagnose(losses):
    if not all(math.isfinite(x) for x in losses):
        return "diverges"
    pairs = [(losses[k], losses[k + 1]) for k in range(len(losses) - 1)]
    if any(a == b for a, b in pairs):
        return "no step"
    if all(b < a for a, b in pairs):
        return "healthy"
    return "diverges" if all(b > a for a, b in pairs) else "not zeroed"


# %% looks at the first step only wrong="diagnose" says="instead of 'not zeroed'"
def diagnose(losses):
    if not all(math.isfinite(x) for x in losses) or losses[1] > losses[0]:
        return "diverges"
    return "healthy" if losses[-1] < losses[0] else "no step"


# %% always healthy wrong="diagnose" says="wrong value: 'healthy' instead of 'no step'"
def diagnose(losses):
    return "healthy"


# %% other words wrong="diagnose" says="wrong value: 'Healthy' instead of 'healthy'"
def diagnose(losses):
    steps = np.sign(np.diff(losses))
    if not np.isfinite(losses).all():
        return "Diverges"
    if (steps == 0).all():
        return "No step"
    return "Healthy" if (steps <= 0).all() else "Not zeroed"


# %% counts in a loop right="confusion_and_f1"
def confusion_and_f1(labels, predictions, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.long)
    for i, j in zip(labels.tolist(), predictions.tolist(), strict=True):
        matrix[i, j] += 1
    scores = []
    for c in range(classes):
        tp = matrix[c, c].item()
        fn = matrix[c].sum().item() - tp
        fp = matrix[:, c].sum().item() - tp
        scores.append(2 * tp / (2 * tp + fp + fn) if tp + fp + fn > 0 else 0.0)
    return matrix, sum(scores) / classes


# %% one-hot product right="confusion_and_f1"
def confusion_and_f1(labels, predictions, classes):
    rows = torch.nn.functional.one_hot(labels, classes)
    columns = torch.nn.functional.one_hot(predictions, classes)
    matrix = rows.t() @ columns
    precision = (matrix.diag() / matrix.sum(0)).nan_to_num(0)
    recall = (matrix.diag() / matrix.sum(1)).nan_to_num(0)
    f1 = (2 * precision * recall / (precision + recall)).nan_to_num(0)
    return matrix, float(f1.mean())


# %% columns for labels wrong="confusion_and_f1" says="item 0: wrong values"
def confusion_and_f1(labels, predictions, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.long)
    for i, j in zip(labels.tolist(), predictions.tolist(), strict=True):
        matrix[j, i] += 1
    total = matrix.sum(dim=1) + matrix.sum(dim=0)
    return matrix, (2 * matrix.diag() / total.clamp(min=1)).mean().item()


# %% divides 0 by 0 wrong="confusion_and_f1" says="item 1: wrong value: nan"
def confusion_and_f1(labels, predictions, classes):
    cells = torch.bincount(labels * classes + predictions, minlength=classes**2)
    matrix = cells.view(classes, classes)
    total = matrix.sum(dim=1) + matrix.sum(dim=0)
    return matrix, (2 * matrix.diag() / total).mean().item()


# %% leaves absent classes out of the mean wrong="confusion_and_f1" says="item 1: wrong value"
def confusion_and_f1(labels, predictions, classes):
    cells = torch.bincount(labels * classes + predictions, minlength=classes**2)
    matrix = cells.view(classes, classes)
    total = matrix.sum(dim=1) + matrix.sum(dim=0)
    return matrix, (2 * matrix.diag() / total).nanmean().item()


# %% accuracy instead of F1 wrong="confusion_and_f1" says="item 1: wrong value"
def confusion_and_f1(labels, predictions, classes):
    cells = torch.bincount(labels * classes + predictions, minlength=classes**2)
    return cells.view(classes, classes), (labels == predictions).float().mean().item()


# %% weighted by the size of the class wrong="confusion_and_f1" says="item 1: wrong value"
def confusion_and_f1(labels, predictions, classes):
    cells = torch.bincount(labels * classes + predictions, minlength=classes**2)
    matrix = cells.view(classes, classes)
    total = (matrix.sum(dim=1) + matrix.sum(dim=0)).clamp(min=1)
    weights = matrix.sum(dim=1) / matrix.sum()
    return matrix, (weights * 2 * matrix.diag() / total).sum().item()


# %% mean of precision and recall wrong="confusion_and_f1" says="item 1: wrong value"
def confusion_and_f1(labels, predictions, classes):
    cells = torch.bincount(labels * classes + predictions, minlength=classes**2)
    matrix = cells.view(classes, classes)
    precision = matrix.diag() / matrix.sum(dim=0).clamp(min=1)
    recall = matrix.diag() / matrix.sum(dim=1).clamp(min=1)
    return matrix, ((precision + recall) / 2).mean().item()


# %% only as many classes as it sees wrong="confusion_and_f1" says="item 0: wrong shape"
def confusion_and_f1(labels, predictions, classes):
    classes = int(max(labels.max(), predictions.max())) + 1
    cells = torch.bincount(labels * classes + predictions, minlength=classes**2)
    matrix = cells.view(classes, classes)
    total = matrix.sum(dim=1) + matrix.sum(dim=0)
    return matrix, (2 * matrix.diag() / total.clamp(min=1)).mean().item()


# %% counts as floats wrong="confusion_and_f1" says="item 0: wrong dtype: torch.float32 instead of torch.int64"
def confusion_and_f1(labels, predictions, classes):
    matrix = torch.zeros(classes, classes)
    for i, j in zip(labels.tolist(), predictions.tolist(), strict=True):
        matrix[i, j] += 1
    total = matrix.sum(dim=1) + matrix.sum(dim=0)
    return matrix, (2 * matrix.diag() / total.clamp(min=1)).mean().item()
