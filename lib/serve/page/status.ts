/** What the status page shows, as data: GET /status.json. */
import type { LoadedModel } from '../models/definition.js';
import type { Service } from '../service.js';

/** A number that JSON has; null where there is none yet. */
const finite = (x: number | undefined): number | null => (x !== undefined && Number.isFinite(x) ? x : null);

export function statusOf({ registry, loop, since, options, ready }: Service): object {
  const loaded = new Map(registry.loaded.map((model) => [`${model.name}/${model.version}`, model]));
  return {
    name: options.name ?? 'tenfold',
    ready,
    uptime: (Date.now() - since) / 1000,
    memory: process.memoryUsage.rss(),
    loopDelay: { p50: loop.quantile(0.5), p99: loop.quantile(0.99) },
    models: registry.index(false).map((line) => {
      const model = loaded.get(`${line.name}/${line.version}`);
      return { ...line, ...(model === undefined ? {} : detailsOf(model)) };
    }),
  };
}

function detailsOf({ platform, inputs, outputs, batching, batcher, stats }: LoadedModel): object {
  const [p50, p90, p99] = stats.latency.percentiles([0.5, 0.9, 0.99]);
  const port = ({ name, datatype, shape }: LoadedModel['inputs'][number]): object => ({ name, datatype, shape });
  return {
    platform,
    inputs: inputs.map(port),
    outputs: outputs.map(port),
    maxBatchSize: batching.maxBatchSize,
    waiting: batcher.waiting,
    succeeded: stats.succeeded,
    failed: stats.failures,
    rows: stats.rows,
    batches: stats.batches,
    latency: { p50: finite(p50), p90: finite(p90), p99: finite(p99) },
    batchRows: { bounds: stats.batchRows.bounds, counts: stats.batchRows.counts },
  };
}
