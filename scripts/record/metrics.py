"""Records what scikit-learn says of random predictions: test/fixtures/metrics.json, read by test/metrics/metrics.test.ts.

    pip install scikit-learn
    python3 scripts/record/metrics.py
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics as m


def classification(rng, n, classes):
    scores = np.round(rng.random((n, classes)), 2)
    target = rng.integers(0, classes, n)
    said = scores.argmax(1)
    row = {
        'scores': scores.tolist(),
        'target': target.tolist(),
        'accuracy': m.accuracy_score(target, said),
        'confusion': m.confusion_matrix(target, said, labels=range(classes)).tolist(),
        'top': {},
    }
    # Scores of two decimals tie; the order among ties is nobody's business, so top-k goes by distinct ones.
    distinct = rng.permuted(np.tile(np.arange(classes) / classes, (n, 1)), axis=1)
    row['distinct'] = distinct.tolist()
    for k in range(1, classes):
        row['top'][k] = m.top_k_accuracy_score(target, distinct, k=k, labels=range(classes)) if classes > 2 else None
    for name, of in (('precision', m.precision_score), ('recall', m.recall_score), ('f1Score', m.f1_score)):
        row[name] = {
            average: of(target, said, average=average, zero_division=0) for average in ('macro', 'micro', 'weighted')
        }
        row[name]['none'] = of(target, said, average=None, labels=range(classes), zero_division=0).tolist()
        if classes == 2:
            row[name]['binary'] = of(target, said, average='binary', zero_division=0)
    if classes == 2:
        row['auroc'] = m.roc_auc_score(target, scores[:, 1])
    else:
        row['auroc'] = float(np.mean([m.roc_auc_score(target == c, scores[:, c]) for c in range(classes)]))
    return row


def regression(rng, n, outputs, offset):
    shape = (n, outputs) if outputs > 1 else (n,)
    target = np.round(rng.normal(size=shape), 3) + offset
    said = target + np.round(rng.normal(size=shape), 3)
    return {
        'input': said.tolist(),
        'target': target.tolist(),
        'meanSquaredError': m.mean_squared_error(target, said),
        'meanAbsoluteError': m.mean_absolute_error(target, said),
        'r2Score': m.r2_score(target, said),
    }


def main():
    rng = np.random.default_rng(7)
    found = {
        'version': f'scikit-learn {sklearn.__version__}',
        'classification': [classification(rng, n, c) for n, c in ((40, 2), (60, 3), (70, 7), (120, 12))],
        'regression': [regression(rng, *a) for a in ((50, 1, 0), (40, 3, 0), (64, 1, 1e6))],
    }
    path = Path(__file__).parents[2] / 'test/fixtures/metrics.json'
    path.write_text(json.dumps(found) + '\n')


if __name__ == '__main__':
    main()
