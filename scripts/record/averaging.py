"""Records averaged models, SWALR and Muon of torch.optim: test/fixtures/averaging.json, read by test/optim/averaging.test.ts.

    python3 scripts/record/averaging.py
"""

import torch
from encoding import write_json
from optim import fill
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn, update_bn


def rates(strategy, epochs):
    p, q = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    optimizer = torch.optim.SGD([{'params': [p]}, {'params': [q], 'lr': 0.5}], lr=0.1)
    schedule = SWALR(optimizer, swa_lr=[0.05, 0.2], anneal_epochs=epochs, anneal_strategy=strategy)
    out = []
    for _ in range(6):
        out.append([g['lr'] for g in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return out


def averages(options):
    model = torch.nn.Linear(2, 2).double()
    averaged = AveragedModel(model, **options)
    for i in range(4):
        with torch.no_grad():
            model.weight.copy_(fill(i + 1, (2, 2)))
            model.bias.copy_(fill(i + 9, (2,)))
        averaged.update_parameters(model)
    return {k: v.tolist() for k, v in averaged.state_dict().items()}


def batch_norms():
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).double()
    with torch.no_grad():
        net[0].weight.copy_(fill(3, (3, 2)))
        net[0].bias.copy_(fill(4, (3,)))
    update_bn([fill(i, (4, 2)) for i in range(3)], net)
    return [net[1].running_mean.tolist(), net[1].running_var.tolist()]


def muon(dtype, adjust, shape):
    p = fill(1, shape).to(getattr(torch, dtype)).requires_grad_()
    optimizer = torch.optim.Muon([p], lr=0.05, adjust_lr_fn=adjust, nesterov=adjust != 'original')
    out = []
    for t in range(4):
        p.grad = fill(50 + t, shape).to(p.dtype)
        optimizer.step()
        out.append(p.detach().tolist())
    return {'dtype': dtype, 'adjust': adjust, 'shape': list(shape), 'steps': out}


def main():
    kinds = {'swa': {}, 'ema': {'multi_avg_fn': get_ema_multi_avg_fn(0.9)}, 'emaOne': {'avg_fn': get_ema_avg_fn(0.7)}}
    write_json('averaging.json', 'averaging.py', {
        'rates': [{'strategy': s, 'epochs': e, 'lrs': rates(s, e)} for s in ('cos', 'linear') for e in (0, 3)],
        'averages': [{'kind': name, 'state': averages(options)} for name, options in kinds.items()],
        'batchNorms': batch_norms(),
        'muon': [muon(dtype, adjust, shape) for dtype in ('float32', 'float64')
                 for adjust in ('original', 'match_rms_adamw', 'spectral_unclamped') for shape in ((3, 5), (6, 2))],
    })  # fmt: skip


if __name__ == '__main__':
    main()
