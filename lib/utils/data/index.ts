/** Datasets, samplers and the loader that makes batches of them, as torch.utils.data. */
export {
  Dataset,
  IterableDataset,
  TensorDataset,
  ConcatDataset,
  ChainDataset,
  Subset,
  randomSplit,
  type MapDataset,
} from './dataset.js';
export { StackDataset, type Stacked } from './stack.js';
export {
  Sampler,
  SequentialSampler,
  RandomSampler,
  SubsetRandomSampler,
  WeightedRandomSampler,
  BatchSampler,
} from './sampler.js';
export { DistributedSampler } from './distributedSampler.js';
export { defaultCollate, defaultConvert, type Collated } from './collate.js';
export { CsvDataset, CsvStream, type CsvDatasetOptions, type CsvSample } from './csvDataset.js';
export type { CsvOptions } from './csv.js';
export { DataLoader, type DataLoaderOptions } from './loader.js';
export { getWorkerInfo, type WorkerInfo } from './workerInfo.js';
