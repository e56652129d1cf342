"""Records trajectories of torch.optim and of its schedulers: test/fixtures/optim.json, read by test/optim/*.test.ts.

    trajectories  parameters after every step, from given gradients, of one optimizer with given options; and its state
                  dict after some. Two parameters, the second of which has no gradient at step 2; with `groups`, each is a
                  group of these options.
    schedules     learning rate and momentum of every group, from construction on
    lbfgs         loss and parameters of the Rosenbrock function, step by step

    python3 scripts/record/optim.py
"""

import math
import warnings

import torch
from encoding import encode_tensor, number, write_json

warnings.filterwarnings('ignore')

SHAPES = [(3, 7), (5,)]
STEPS = 8
CHECKPOINT = 5  # steps after which the state dict is taken

CASES = [
    ('SGD', dict(lr=0.1)),
    ('SGD', dict(lr=0.1, weight_decay=0.03, maximize=True)),
    ('SGD', dict(lr=0.05, momentum=0.9)),
    ('SGD', dict(lr=0.05, momentum=0.9, dampening=0.2, weight_decay=0.01)),
    ('SGD', dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.01)),
    ('SGD', dict(lr=0.05, momentum=0.8, maximize=True)),
    ('Adam', dict()),
    ('Adam', dict(lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)),
    ('Adam', dict(lr=0.02, amsgrad=True)),
    ('Adam', dict(lr=0.02, maximize=True, weight_decay=0.1, amsgrad=True)),
    ('AdamW', dict()),
    ('AdamW', dict(lr=0.02, weight_decay=0.2, amsgrad=True)),
    ('AdamW', dict(lr=0.02, betas=(0.7, 0.9), maximize=True)),
    ('RMSprop', dict()),
    ('RMSprop', dict(lr=0.02, alpha=0.9, eps=1e-5, weight_decay=0.05)),
    ('RMSprop', dict(lr=0.02, momentum=0.7)),
    ('RMSprop', dict(lr=0.02, centered=True)),
    ('RMSprop', dict(lr=0.02, centered=True, momentum=0.7, weight_decay=0.1, maximize=True)),
    ('Adagrad', dict()),
    ('Adagrad', dict(lr=0.1, lr_decay=0.1, weight_decay=0.05, initial_accumulator_value=0.3, eps=1e-6)),
    ('Adagrad', dict(lr=0.1, maximize=True)),
    ('Adadelta', dict()),
    ('Adadelta', dict(lr=0.5, rho=0.8, eps=1e-4, weight_decay=0.1, maximize=True)),
    ('Adamax', dict()),
    ('Adamax', dict(lr=0.05, betas=(0.8, 0.9), weight_decay=0.1, maximize=True)),
    ('NAdam', dict()),
    ('NAdam', dict(lr=0.05, betas=(0.8, 0.9), weight_decay=0.1, momentum_decay=0.02)),
    ('RAdam', dict()),
    ('RAdam', dict(lr=0.05, betas=(0.8, 0.9), weight_decay=0.1)),
    ('Rprop', dict()),
    ('Rprop', dict(lr=0.1, etas=(0.3, 1.7), step_sizes=(0.02, 0.15), maximize=True)),
    ('ASGD', dict()),
    ('ASGD', dict(lr=0.1, lambd=0.2, alpha=0.6, t0=2, weight_decay=0.1)),
    ('ASGD', dict(lr=0.05, t0=0, maximize=True)),
    ('Rprop', dict(lr=0.2), [dict(etas=(0.4, 1.5)), dict(lr=0.01, step_sizes=(0.001, 0.012))]),
    ('ASGD', dict(lr=0.2, t0=1), [dict(lambd=0.1, weight_decay=0.3), dict(lr=0.01, alpha=0.9)]),
]  # fmt: skip


def fill(seed, shape):
    """Numbers that JavaScript makes too: test/optim/trajectories.test.ts has the same formula."""
    n = math.prod(shape)
    values = [((seed * 7919 + i * 104729) % 2003) / 1001 - 1 for i in range(n)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def tidy(value):
    if isinstance(value, torch.Tensor):
        return encode_tensor(value.detach())
    if isinstance(value, (list, tuple)):
        return [tidy(v) for v in value]
    if isinstance(value, dict):
        return {str(k): tidy(v) for k, v in value.items()}
    return number(value) if isinstance(value, float) else value


def trajectory(dtype, name, options, groups=None):
    params = [fill(i + 1, s).to(dtype).requires_grad_() for i, s in enumerate(SHAPES)]
    given = [{'params': [p], **group} for p, group in zip(params, groups)] if groups else params
    optimizer = getattr(torch.optim, name)(given, **options)
    steps = []
    for t in range(STEPS):
        for i, p in enumerate(params):
            p.grad = None if i == 1 and t == 2 else fill(100 + 10 * t + i, SHAPES[i]).to(dtype)
        optimizer.step()
        steps.append([tidy(p) for p in params])
        if len(steps) == CHECKPOINT:
            checkpoint = tidy(optimizer.state_dict())
    return {'optimizer': name, 'options': tidy(options), **({'groups': tidy(groups)} if groups else {}),
            'dtype': str(dtype)[6:], 'steps': steps, 'checkpoint': CHECKPOINT, 'state_dict': checkpoint}  # fmt: skip


def lbfgs(options):
    x = torch.tensor([-1.5, 1.2], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([x], **options)

    def closure():
        optimizer.zero_grad()
        loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
        loss.backward()
        return loss

    steps = []
    for _ in range(6):
        loss = optimizer.step(closure)
        steps.append({'loss': loss.item(), 'x': x.tolist()})
    return {'options': options, 'steps': steps}


S = torch.optim.lr_scheduler


def two_groups(momentum=True):
    a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    extra = {'momentum': 0.9} if momentum else {}
    return torch.optim.SGD([{'params': [a]}, {'params': [b], 'lr': 0.05}], lr=0.2, **extra)


METRICS = [1, 0.9, 0.91, 0.92, 0.93, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3]
SCHEDULES = [
    ('StepLR', dict(step_size=3, gamma=0.5)),
    ('MultiStepLR', dict(milestones=[2, 5, 5, 9], gamma=0.3)),
    ('ExponentialLR', dict(gamma=0.9)),
    ('ConstantLR', dict(factor=0.25, total_iters=4)),
    ('LinearLR', dict(start_factor=0.2, end_factor=0.9, total_iters=7)),
    ('LinearLR', dict()),
    ('PolynomialLR', dict(total_iters=8, power=1.7)),
    ('CosineAnnealingLR', dict(T_max=5, eta_min=0.01)),
    ('CosineAnnealingWarmRestarts', dict(T_0=3, T_mult=2, eta_min=0.001)),
    ('CosineAnnealingWarmRestarts', dict(T_0=4)),
    ('OneCycleLR', dict(max_lr=1.0, total_steps=19)),
    ('OneCycleLR', dict(max_lr=[1.0, 0.5], epochs=5, steps_per_epoch=4, anneal_strategy='linear', three_phase=True)),
    ('CyclicLR', dict(base_lr=0.01, max_lr=0.1, step_size_up=4)),
    ('CyclicLR', dict(base_lr=0.01, max_lr=[0.1, 0.3], step_size_up=3, step_size_down=5, mode='triangular2')),
    ('CyclicLR', dict(base_lr=0.01, max_lr=0.1, step_size_up=3, mode='exp_range', gamma=0.9, cycle_momentum=False)),
    ('ReduceLROnPlateau', dict(patience=2, factor=0.5)),
    ('ReduceLROnPlateau', dict(mode='max', patience=1, threshold=0.05, threshold_mode='abs', cooldown=2, min_lr=[0.1, 0.001])),
]  # fmt: skip


def lambdas(optimizer):
    return S.LambdaLR(optimizer, [lambda e: 0.95**e, lambda e: 1 / (1 + e)])


def multiplicative(optimizer):
    return S.MultiplicativeLR(optimizer, lambda e: 0.9 if e % 2 else 0.8)


def sequential(optimizer):
    return S.SequentialLR(
        optimizer, [S.ConstantLR(optimizer, 0.1, 2), S.ExponentialLR(optimizer, 0.9), S.StepLR(optimizer, 2)], [3, 8])


def chained(optimizer):
    return S.ChainedScheduler([S.ConstantLR(optimizer, 0.1, 3), S.ExponentialLR(optimizer, 0.9)])


def schedule(name, options, make, steps=19):
    optimizer = two_groups()
    scheduler = make(optimizer)
    rows = []
    for t in range(steps):
        rows.append([[number(float(g['lr'])), number(float(g['momentum']))] for g in optimizer.param_groups])
        optimizer.step()
        if name == 'ReduceLROnPlateau':
            scheduler.step(METRICS[t % len(METRICS)])
        else:
            scheduler.step()
    return {'scheduler': name, 'options': tidy(options), 'rows': rows}


def main():
    trajectories = [trajectory(d, *case) for case in CASES for d in (torch.float32, torch.float64)]
    schedules = [schedule(n, o, lambda opt, n=n, o=o: getattr(S, n)(opt, **o), 18 if n == 'OneCycleLR' else 19)
                 for n, o in SCHEDULES]  # fmt: skip
    for make, name in [(lambdas, 'LambdaLR'), (multiplicative, 'MultiplicativeLR'), (sequential, 'SequentialLR'),
                       (chained, 'ChainedScheduler')]:  # fmt: skip
        schedules.append(schedule(name, {}, make))
    write_json('optim.json', 'optim.py', {
        'trajectories': trajectories, 'schedules': schedules,
        'lbfgs': [lbfgs(o) for o in (dict(lr=1, max_iter=4, line_search_fn='strong_wolfe'),
                                     dict(lr=0.001, max_iter=5, history_size=3))],
    })  # fmt: skip


if __name__ == '__main__':
    main()
