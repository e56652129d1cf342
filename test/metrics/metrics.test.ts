/** Metrics against scikit-learn's recorded values, in one piece, in batches and merged; refusals. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { metrics, rand, tensor, tidy, type Tensor } from '../../lib/index.js';

type Scores = Record<metrics.Average, number> & { none: number[] };
interface Recorded {
  classification: {
    scores: number[][];
    target: number[];
    distinct: number[][];
    accuracy: number;
    confusion: number[][];
    top: Record<string, number | null>;
    precision: Scores;
    recall: Scores;
    f1Score: Scores;
    auroc: number;
  }[];
  regression: {
    input: number[];
    target: number[];
    meanSquaredError: number;
    meanAbsoluteError: number;
    r2Score: number;
  }[];
}
const { classification, regression } = JSON.parse(
  readFileSync(new URL('../fixtures/metrics.json', import.meta.url), 'utf8'),
) as Recorded;
const labels = (list: number[]): Tensor => tensor(list, { dtype: 'int64' });
const doubles = (list: number[] | number[][]): Tensor => tensor(list, { dtype: 'float64' });

/** The value of a metric that saw a third and the rest, the rest by another one merged in. */
function inParts<T>(make: () => metrics.Metric<T>, input: Tensor, target: Tensor): T {
  const third = Math.floor(input.shape[0]! / 3);
  const part = (metric: metrics.Metric<T>, from: number, to: number): metrics.Metric<T> =>
    tidy(() => metric.update(input.narrow(0, from, to - from), target.narrow(0, from, to - from)));
  const first = part(make(), 0, third);
  return first.merge(part(part(make(), third, third + 2), third + 2, input.shape[0]!)).compute();
}

describe.each(classification.map((row) => [row.scores[0]!.length, row] as const))('%i classes', (classes, row) => {
  const scores = doubles(row.scores);
  const target = labels(row.target);
  it('accuracy, also of the best k', () => {
    expect(metrics.accuracy(scores, target)).toBe(row.accuracy);
    expect(metrics.accuracy(scores.argmax(1), target)).toBe(row.accuracy);
    expect(inParts(() => new metrics.Accuracy(), scores, target)).toBe(row.accuracy);
    for (const [k, value] of Object.entries(row.top))
      if (value !== null) {
        expect(metrics.accuracy(doubles(row.distinct), target, { k: Number(k) })).toBeCloseTo(value, 14);
        expect(inParts(() => new metrics.Accuracy({ k: Number(k) }), doubles(row.distinct), target)).toBeCloseTo(value, 14); // prettier-ignore
      }
  });
  it('confusion matrix', () => {
    expect(metrics.confusionMatrix(scores, target).tolist()).toEqual(row.confusion);
    expect(inParts(() => new metrics.ConfusionMatrix({ numClasses: classes }), scores, target).tolist()).toEqual(row.confusion); // prettier-ignore
    expect(metrics.confusionMatrix(scores, target).dtype).toBe('int64');
  });
  it.each(['macro', 'micro', 'weighted', 'binary', 'none'] as const)('precision, recall, F1: %s', (average) => {
    const wanted = [row.precision, row.recall, row.f1Score].map((scores) => scores[average]);
    const call = (options: { average: metrics.Average }): unknown[] => [
      metrics.precision(scores, target, options),
      metrics.recall(scores, target, options),
      metrics.f1Score(scores, target, options),
    ];
    if (average === 'binary' && classes > 2) return expect(() => call({ average })).toThrow(`and there are ${classes}`);
    for (const [i, found] of call({ average }).entries())
      [found].flat().forEach((value, c) => expect(value).toBeCloseTo([wanted[i]!].flat()[c]!, 14));
    const merged = inParts(() => new metrics.F1Score({ average }), scores, target);
    [merged].flat().forEach((value, c) => expect(value).toBeCloseTo([wanted[2]!].flat()[c]!, 14));
  });
  it('area under the curve', () => {
    const given = classes === 2 ? scores.select(1, 1) : scores;
    expect(metrics.auroc(given, target)).toBeCloseTo(row.auroc, 13);
    expect(inParts(() => new metrics.AUROC(), given, target)).toBeCloseTo(row.auroc, 13);
  });
});

it.each(regression)('regression %#', (row) => {
  const [input, target] = [doubles(row.input), doubles(row.target)];
  for (const [name, Running] of [
    ['meanSquaredError', metrics.MeanSquaredError],
    ['meanAbsoluteError', metrics.MeanAbsoluteError],
    ['r2Score', metrics.R2Score],
  ] as const) {
    expect(metrics[name](input, target)).toBeCloseTo(row[name], 9);
    expect(inParts(() => new Running(), input, target)).toBeCloseTo(row[name], 9);
  }
});

describe('corners', () => {
  it('scores of class 1, bools, a threshold, sixteen bits', () => {
    const scores = tensor([0.2, 0.5, 0.9], { dtype: 'bfloat16' });
    expect(metrics.accuracy(scores, tensor([false, true, true]))).toBe(1);
    expect(metrics.accuracy(scores, tensor([false, true, true]), { threshold: 0.6 })).toBe(2 / 3);
    expect(metrics.precision(tensor([true, true]), tensor([true, false]), { average: 'binary' })).toBe(0.5);
  });
  it('classes that were never said have the value of zeroDivision', () => {
    const [said, target] = [labels([0, 0, 2]), labels([0, 1, 2])];
    expect(metrics.precision(said, target, { average: 'none' })).toEqual([0.5, 0, 1]);
    expect(metrics.precision(said, target, { average: 'none', zeroDivision: 1 })).toEqual([0.5, 1, 1]);
  });
  it('r2 of targets that are all the same', () => {
    expect(metrics.r2Score(tensor([1, 1]), tensor([1, 1]))).toBe(1);
    expect(metrics.r2Score(tensor([1, 2]), tensor([1, 1]))).toBe(0);
  });
  it('reset forgets', () => {
    const metric = new metrics.ConfusionMatrix().update(labels([3]), labels([0]));
    expect(metric.reset().update(labels([1]), labels([0])).compute().tolist()).toEqual([[0, 1], [0, 0]]); // prettier-ignore
    expect(() => metric.reset().compute()).toThrow('ConfusionMatrix: no samples yet');
  });
  it('holds no graph', () => {
    const x = rand(4, { requiresGrad: true });
    expect(metrics.meanSquaredError(x.mul(2), x)).toBeGreaterThan(0);
    expect(x.grad).toBeNull();
  });
  it('refuses what does not fit, and counts nothing of it', () => {
    const metric = new metrics.Accuracy();
    for (const [wrong, message] of [
      [() => metric.update(rand(2, 3), labels([0])), /Accuracy: input must be 1 class numbers .* got float32 \[2, 3\]/],
      [
        () => metric.update(rand(1, 3), rand(1)),
        'Accuracy: target must hold class numbers (integers or bool), got float32',
      ],
      [() => metric.update(rand(1, 3), [0] as unknown as Tensor), "Accuracy: 'target' must be a tensor, got [0]"],
      [
        () => metrics.accuracy(rand(2, 3), labels([0, 1]), { k: 4 }),
        'the best 4 need scores [2, classes] of at least 4',
      ],
      [() => new metrics.Accuracy({ k: 0 }), 'k must be at least 1, got 0'],
      [
        () => metrics.confusionMatrix(labels([5]), labels([0]), { numClasses: 3 }),
        'input has class 5, and numClasses is 3',
      ],
      [() => metrics.confusionMatrix(labels([0]), labels([-1])), 'target has class -1; classes begin at 0'],
      [
        () => metrics.f1Score(labels([0]), labels([0]), { average: 'mean' as 'macro' }),
        /^f1Score: average must be one of .* got 'mean'/,
      ],
      [
        () => metrics.f1Score(labels([0]), labels([0]), { avrage: 'macro' } as object),
        "f1Score: unknown option 'avrage', did you mean 'average'?",
      ],
      [() => metrics.auroc(rand(3), labels([1, 1, 1])), 'auroc: of 3 samples 3 are of class 1'],
      [() => metrics.auroc(tensor([NaN, 1]), labels([0, 1])), 'auroc: the scores hold NaN'],
      [() => metrics.r2Score(rand(1), rand(1)), 'r2Score: needs at least two samples, got 1'],
      [() => metrics.meanSquaredError(rand(2, 1), rand(2)), 'input [2, 1] and target [2] must have one shape'],
      [() => new metrics.Accuracy().merge(new metrics.R2Score() as unknown as metrics.Accuracy), 'expected a Accuracy'],
    ] as const)
      // prettier-ignore
      expect(wrong).toThrow(message);
    expect(metric.count).toBe(0);
  });
});
