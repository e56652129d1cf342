/** What is counted, in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). */
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import type { LoadedModel } from '../models/definition.js';
import type { Histogram } from './histogram.js';

/** How late the event loop comes to what is due, measured every 10 ms. */
export class LoopDelay {
  private readonly monitor: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });
  constructor() {
    this.monitor.enable();
  }
  /** Seconds beyond the 10 ms at which it should come, below which this share of all measurements lies. */
  quantile(share: number): number {
    return Math.max(0, this.monitor.percentile(share * 100) / 1e9 - 0.01);
  }
  close(): void {
    this.monitor.disable();
  }
}

const label = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
const labels = (pairs: Record<string, string | number>): string =>
  Object.entries(pairs)
    .map(([name, value]) => `${name}="${label(String(value))}"`)
    .join();

class Page {
  private readonly lines: string[] = [];
  family(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): void {
    this.lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }
  sample(name: string, pairs: Record<string, string | number>, value: number): void {
    const inner = labels(pairs);
    this.lines.push(`${name}${inner === '' ? '' : `{${inner}}`} ${Number.isFinite(value) ? value : 'NaN'}`);
  }
  histogram(name: string, pairs: Record<string, string>, { bounds, counts, sum, count }: Histogram): void {
    let below = 0;
    bounds.forEach((bound, i) => this.sample(`${name}_bucket`, { ...pairs, le: bound }, (below += counts[i]!)));
    this.sample(`${name}_bucket`, { ...pairs, le: '+Inf' }, count);
    this.sample(`${name}_sum`, pairs, sum);
    this.sample(`${name}_count`, pairs, count);
  }
  toString(): string {
    return this.lines.join('\n') + '\n';
  }
}

const HISTOGRAMS = [
  [
    'request',
    'tenfold_request_duration_seconds',
    'Time from the head of a request to its answer, of those that succeeded.',
  ],
  ['queue', 'tenfold_queue_duration_seconds', 'Time that requests waited for their batch.'],
  ['compute', 'tenfold_compute_duration_seconds', 'Time that batches took.'],
  ['batchRows', 'tenfold_batch_rows', 'Rows of the batches that were computed.'],
] as const;

/** The page of metrics: those of each version of a model since it was loaded, and the process's. */
export function metricsPage(models: readonly LoadedModel[], loop: LoopDelay): string {
  const page = new Page();
  const each = (visit: (model: LoadedModel, pairs: { model: string; version: string }) => void): void => {
    for (const model of models) visit(model, { model: model.name, version: model.version });
  };
  page.family('tenfold_requests_total', 'counter', 'Requests that ended, by the status of their answer.');
  each(({ stats }, pairs) => {
    page.sample('tenfold_requests_total', { ...pairs, status: 200 }, stats.succeeded);
    for (const [status, count] of stats.failed) page.sample('tenfold_requests_total', { ...pairs, status }, count);
  });
  page.family('tenfold_request_failures_total', 'counter', 'Requests that were answered with an error.');
  each(({ stats }, pairs) => page.sample('tenfold_request_failures_total', pairs, stats.failures));
  page.family('tenfold_rows_total', 'counter', 'Rows that were computed.');
  each(({ stats }, pairs) => page.sample('tenfold_rows_total', pairs, stats.rows));
  for (const [which, name, help] of HISTOGRAMS) {
    page.family(name, 'histogram', help);
    each(({ stats }, pairs) => page.histogram(name, pairs, stats[which]));
  }
  page.family('tenfold_queue_requests', 'gauge', 'Requests that wait.');
  each(({ batcher }, pairs) => page.sample('tenfold_queue_requests', pairs, batcher.waiting));
  page.family('tenfold_event_loop_delay_seconds', 'gauge', 'How late the event loop is, by quantile.');
  for (const quantile of [0.5, 0.9, 0.99, 1])
    page.sample('tenfold_event_loop_delay_seconds', { quantile }, loop.quantile(quantile));
  const { user, system } = process.cpuUsage();
  const PROCESS = [
    ['process_resident_memory_bytes', 'gauge', 'Resident memory.', process.memoryUsage.rss()],
    ['process_cpu_seconds_total', 'counter', 'Processor time.', (user + system) / 1e6],
    ['process_uptime_seconds', 'gauge', 'Time since the process began.', process.uptime()],
  ] as const;
  for (const [name, type, help, value] of PROCESS) {
    page.family(name, type, help);
    page.sample(name, {}, value);
  }
  return page.toString();
}
