/** What a model is worth: metrics over batches, each as a function and as a running object. Numbers are scikit-learn's. */
export { Metric } from './metric.js';
export {
  Accuracy,
  ConfusionMatrix,
  F1Score,
  Precision,
  Recall,
  accuracy,
  confusionMatrix,
  f1Score,
  precision,
  recall,
  type Average,
  type ScoreOptions,
} from './classification.js';
export { AUROC, auroc } from './ranking.js';
export {
  MeanAbsoluteError,
  MeanSquaredError,
  R2Score,
  meanAbsoluteError,
  meanSquaredError,
  r2Score,
} from './regression.js';
