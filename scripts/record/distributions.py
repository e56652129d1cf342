"""Records what distributions answer: test/fixtures/distributions.json, read by test/distributions.test.ts.

A row is a distribution's expression for both (`js` is evaluated with `d`, tf.distributions, and `t`, which makes float64
tensors of nested lists), and for it: shapes, a sample after manual_seed(3) of shape [4], its log_prob, and mean, variance, mode,
entropy, cdf, icdf, stddev and enumerate_support where PyTorch has them; the gradients of log_prob's sum, and of rsample's where
both draw by the same formula, for the tensors that were made by `t`, in order.

    python3 scripts/record/distributions.py
"""

import torch
import torch.distributions as d

from encoding import encode, write_json

made = []


def t(x):
    out = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    made.append(out)
    return out


COV = '[[2, 0.5], [0.5, 1]]'
ROWS = [
    ('d.Normal(t([0.5, -1]), t([1, 2.5]))', None),
    ('d.LogNormal(t([0.5, -1]), t([1, 0.5]))', None),
    ('d.Laplace(t([0.5, -1]), t([1, 2.5]))', None),
    ('d.Cauchy(t([0.5, -1]), t([1, 2.5]))', None),
    ('d.Gumbel(t([0.5, -1]), t([1, 2.5]))', None),
    ('d.Uniform(t([0.5, -1]), t([1, 2.5]))', None),
    ('d.Exponential(t([0.5, 3]))', None),
    ('d.HalfNormal(t([0.5, 3]))', None),
    ('d.HalfCauchy(t([0.5, 3]))', None),
    ('d.VonMises(t([0.5, -1]), t([1, 5]))', None),
    ('d.Pareto(t([1, 2]), t([3, 2.5]))', None),
    ('d.Weibull(t([1, 2]), t([3, 2.5]))', None),
    ('d.Gamma(t([0.5, 3]), t([1, 2]))', None),
    ('d.Chi2(t([3, 7]))', None),
    ('d.StudentT(t([3, 7]), t([0, 1]), t([1, 2]))', None),
    ('d.Beta(t([0.5, 3]), t([1, 2]))', None),
    ('d.Dirichlet(t([[0.5, 3, 1], [2, 2, 5]]))', None),
    ('d.Bernoulli(t([0.2, 0.7]))', None),
    ('d.Bernoulli(logits=t([0.2, -0.7]))', 'new d.Bernoulli({ logits: t([0.2, -0.7]) })'),
    ('d.Geometric(t([0.2, 0.7]))', None),
    ('d.Binomial(5, t([0.2, 0.7]))', None),
    ('d.Binomial(60, t([0.3, 0.7]))', None),
    ('d.Poisson(t([0.5, 30]))', None),
    ('d.Categorical(t([[0.2, 0.3, 0.5], [1, 0, 3]]))', None),
    ('d.Categorical(logits=t([[0.2, 0.3, 0.5], [1, 0, 3]]))', 'new d.Categorical({ logits: t([[0.2, 0.3, 0.5], [1, 0, 3]]) })'),
    ('d.OneHotCategorical(t([[0.2, 0.3, 0.5], [1, 1, 3]]))', None),
    ('d.Multinomial(7, t([[0.2, 0.3, 0.5], [1, 1, 3]]))', None),
    (f'd.MultivariateNormal(t([1, -1]), t({COV}))', None),
    (f'd.MultivariateNormal(t([1, -1]), precision_matrix=t({COV}))', f'new d.MultivariateNormal(t([1, -1]), {{ precisionMatrix: t({COV}) }})'),
    (f'd.MultivariateNormal(t([[1, -1], [0, 0]]), scale_tril=t([[1, 0], [0.5, 2]]))', 'new d.MultivariateNormal(t([[1, -1], [0, 0]]), { scaleTril: t([[1, 0], [0.5, 2]]) })'),
    ('d.Independent(d.Normal(t([0.5, -1]), t([1, 2.5])), 1)', 'new d.Independent(new d.Normal(t([0.5, -1]), t([1, 2.5])), 1)'),
    ('d.MixtureSameFamily(d.Categorical(t([0.3, 0.7])), d.Normal(t([0.5, -1]), t([1, 2.5])))',
     'new d.MixtureSameFamily(new d.Categorical(t([0.3, 0.7])), new d.Normal(t([0.5, -1]), t([1, 2.5])))'),
    ('d.TransformedDistribution(d.Normal(t([0.5, -1]), t([1, 2.5])), [d.AffineTransform(1, -2), d.SigmoidTransform()])',
     'new d.TransformedDistribution(new d.Normal(t([0.5, -1]), t([1, 2.5])), [new d.AffineTransform(1, -2), new d.SigmoidTransform()])'),
    ('d.TransformedDistribution(d.Normal(t([0.5, -1]), t([1, 2.5])), d.StickBreakingTransform())',
     'new d.TransformedDistribution(new d.Normal(t([0.5, -1]), t([1, 2.5])), new d.StickBreakingTransform())'),
    ('d.TransformedDistribution(d.Normal(t([0.5, -1]), t([1, 2.5])), [d.TanhTransform(), d.ExpTransform(), d.PowerTransform(torch.tensor(2.0).double())])',
     'new d.TransformedDistribution(new d.Normal(t([0.5, -1]), t([1, 2.5])), [new d.TanhTransform(), new d.ExpTransform(), new d.PowerTransform(2)])'),
    ('d.RelaxedBernoulli(torch.tensor(0.5).double(), t([0.2, 0.7]))', 'new d.RelaxedBernoulli(0.5, t([0.2, 0.7]))'),
    ('d.RelaxedOneHotCategorical(torch.tensor(0.5).double(), t([0.2, 0.7, 0.1]))', 'new d.RelaxedOneHotCategorical(0.5, t([0.2, 0.7, 0.1]))'),
    ('d.NegativeBinomial(t([3, 5.5]), t([0.2, 0.7]))', None),
    ('d.NegativeBinomial(t([3, 5.5]), logits=t([0.2, -0.7]))', 'new d.NegativeBinomial(t([3, 5.5]), { logits: t([0.2, -0.7]) })'),
    ('d.ContinuousBernoulli(t([0.2, 0.7, 0.5]))', None),
    ('d.ContinuousBernoulli(logits=t([0.2, -0.7]))', 'new d.ContinuousBernoulli({ logits: t([0.2, -0.7]) })'),
    ('d.Kumaraswamy(t([0.5, 3]), t([2, 1.5]))', None),
    ('d.LogisticNormal(t([0.5, -1]), t([1, 0.5]))', None),
    ('d.FisherSnedecor(t([3, 7]), t([5, 9]))', None),
    ('d.InverseGamma(t([2.5, 3]), t([1, 2]))', None),
    ('d.GeneralizedPareto(t([0.5, -1, 0]), t([1, 2.5, 1]), t([0.3, -0.4, 0]))', None),
    ('d.LowRankMultivariateNormal(t([1, -1, 0]), t([[1, 0.5], [0.2, -1], [0, 2]]), t([1, 2, 0.5]))', None),
    (f'd.Wishart(t([3.5, 5]), t({COV}))', None),
    (f'd.Wishart(t([3.5]), scale_tril=t([[1, 0], [0.5, 2]]))', 'new d.Wishart(t([3.5]), { scaleTril: t([[1, 0], [0.5, 2]]) })'),
    (f'd.Wishart(t([3.5]), precision_matrix=t({COV}))', f'new d.Wishart(t([3.5]), {{ precisionMatrix: t({COV}) }})'),
    ('d.LKJCholesky(3, t([0.5, 2]))', None),
]  # fmt: skip
KL = [
    ('d.Normal(t([0.5, -1]), t([1, 2.5]))', 'd.Normal(t([0, 1]), t([2, 0.5]))'),
    ('d.Laplace(t([0.5, -1]), t([1, 2.5]))', 'd.Laplace(t([0, 1]), t([2, 0.5]))'),
    ('d.Cauchy(t([0.5, -1]), t([1, 2.5]))', 'd.Cauchy(t([0, 1]), t([2, 0.5]))'),
    ('d.Exponential(t([0.5, 3]))', 'd.Exponential(t([2, 1]))'),
    ('d.HalfNormal(t([0.5, 3]))', 'd.HalfNormal(t([2, 1]))'),
    ('d.LogNormal(t([0.5, -1]), t([1, 2.5]))', 'd.LogNormal(t([0, 1]), t([2, 0.5]))'),
    ('d.Uniform(t([0.5, -1]), t([1, 2.5]))', 'd.Uniform(t([0, 0]), t([2, 3]))'),
    ('d.Bernoulli(t([0.2, 0.7]))', 'd.Bernoulli(t([0.5, 0.1]))'),
    ('d.Binomial(5, t([0.2, 0.7]))', 'd.Binomial(5, t([0.5, 0.1]))'),
    ('d.Geometric(t([0.2, 0.7]))', 'd.Geometric(t([0.5, 0.1]))'),
    ('d.Poisson(t([0.5, 3]))', 'd.Poisson(t([2, 1]))'),
    ('d.Categorical(t([0.2, 0.3, 0.5]))', 'd.Categorical(t([0.6, 0.3, 0.1]))'),
    ('d.OneHotCategorical(t([0.2, 0.3, 0.5]))', 'd.OneHotCategorical(t([0.6, 0.3, 0.1]))'),
    ('d.Gamma(t([0.5, 3]), t([1, 2]))', 'd.Gamma(t([2, 1]), t([3, 0.5]))'),
    ('d.Beta(t([0.5, 3]), t([1, 2]))', 'd.Beta(t([2, 1]), t([3, 0.5]))'),
    ('d.Dirichlet(t([0.5, 3, 1]))', 'd.Dirichlet(t([2, 2, 5]))'),
    (f'd.MultivariateNormal(t([1, -1]), t({COV}))', 'd.MultivariateNormal(t([0, 0.5]), t([[1, 0.2], [0.2, 3]]))'),
]
ONE = {
    'Bernoulli': 'd.Bernoulli(t([0.2, 0.7]))', 'Binomial': 'd.Binomial(5, t([0.2, 0.7]))', 'Poisson': 'd.Poisson(t([0.5, 3]))',
    'Beta': 'd.Beta(t([0.5, 3]), t([1, 2]))', 'ContinuousBernoulli': 'd.ContinuousBernoulli(t([0.2, 0.7]))',
    'Exponential': 'd.Exponential(t([0.5, 3]))', 'Gamma': 'd.Gamma(t([0.5, 3]), t([1, 2]))', 'Gumbel': 'd.Gumbel(t([0.5, -1]), t([1, 2.5]))',
    'Laplace': 'd.Laplace(t([0.5, -1]), t([1, 2.5]))', 'Normal': 'd.Normal(t([0, 1]), t([2, 0.5]))',
    'Pareto': 'd.Pareto(t([0.1, 0.2]), t([3, 2.5]))', 'Uniform': 'd.Uniform(t([0.2, -1]), t([0.9, 2.5]))',
    'LowRankMultivariateNormal': 'd.LowRankMultivariateNormal(t([1, -1]), t([[1], [0.2]]), t([1, 2]))',
    'MultivariateNormal': f'd.MultivariateNormal(t([1, -1]), t({COV}))',
}  # fmt: skip
OTHER_ONE = {'Gumbel': 'd.Gumbel(t([0, 1]), t([2, 0.5]))', 'Pareto': 'd.Pareto(t([0.05, 0.3]), t([2, 1]))',
             'ContinuousBernoulli': 'd.ContinuousBernoulli(t([0.5, 0.1]))',
             'LowRankMultivariateNormal': 'd.LowRankMultivariateNormal(t([0, 0.5]), t([[0.3], [-1]]), t([2, 0.4]))'}  # fmt: skip
PLAIN = {(a.split('(')[0], b.split('(')[0]) for a, b in KL}
CROSSED = [(ONE[p.__name__], OTHER_ONE.get(q.__name__) if p is q else ONE[q.__name__]) for p, q in sorted(
    d.kl._KL_REGISTRY, key=lambda pair: (pair[0].__name__, pair[1].__name__)
) if p.__name__ in ONE and q.__name__ in ONE and ('d.' + p.__name__, 'd.' + q.__name__) not in PLAIN]  # fmt: skip
OTHER_DERIVATIVES = ('d.Beta', 'd.Dirichlet', 'd.Gamma', 'd.Chi2', 'd.StudentT', 'd.FisherSnedecor', 'd.InverseGamma', 'd.Wishart')


def grads(of):
    if not of.requires_grad:
        return [None] * len(made)
    found = torch.autograd.grad(of.sum(), made, allow_unused=True, retain_graph=True)
    return [None if g is None else encode(g) for g in found]


def row(python, js):
    made.clear()
    # It compares with torch.tensor(0.0), which must be of its dtype.
    torch.set_default_dtype(torch.float64 if 'GeneralizedPareto' in python else torch.float32)
    p = eval(python)
    out = {'js': js or 'new ' + python, 'batch': list(p.batch_shape), 'event': list(p.event_shape)}
    torch.manual_seed(3)
    x = p.sample((4,))
    out['sample'] = encode(x)
    log = p.log_prob(x)
    out['logProb'], out['logProbGrads'] = encode(log), grads(log)
    if p.has_rsample:
        torch.manual_seed(3)
        r = p.rsample((4,))
        if not python.startswith(OTHER_DERIVATIVES):
            out['rsampleGrads'] = grads(r if r.dim() < 3 and 'Stick' not in python and 'OneHot' not in python else r.square())
    for name in ('mean', 'variance', 'stddev', 'mode', 'entropy', 'enumerate_support'):
        try:
            made_value = getattr(p, name)
            out[name] = encode(made_value() if callable(made_value) else made_value)
        except NotImplementedError:
            pass
    try:
        out['cdf'] = encode(p.cdf(x))
        out['icdf'] = encode(p.icdf(p.cdf(x)))
    except (NotImplementedError, ValueError):
        pass
    return out


def divergences():
    for a, b in KL + CROSSED:
        made.clear()
        kl = d.kl_divergence(eval(a), eval(b))
        yield {'p': 'new ' + a, 'q': 'new ' + b, 'kl': encode(kl), 'grads': grads(kl)}


if __name__ == '__main__':
    rows = [row(*r) for r in ROWS]
    write_json('distributions.json', 'distributions.py', {'distributions': rows, 'divergences': list(divergences())})
