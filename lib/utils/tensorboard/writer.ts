/** SummaryWriter: what a training run tells TensorBoard. */
import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { TenfoldError, checkOptions, show } from '../../errors.js';
import { codeOfArray } from '../../dtype.js';
import { Module } from '../../nn/module.js';
import { Tensor } from '../../tensor/tensor.js';
import {
  bytes,
  double,
  float,
  graphEvent,
  inner,
  message,
  pluginData,
  record,
  restartEvent,
  text,
  textTensor,
  valueEvent,
  varint,
  versionEvent,
  type Field,
  type Moment,
} from './events.js';
import { graphOf, inputsOf } from './graph.js';
import { histogram } from './histogram.js';
import { encodePng } from './png.js';
import { pixelsOf } from './pixels.js';

/** Options of SummaryWriter. */
export interface SummaryWriterOptions {
  /** Put behind the name of the folder, where none is given. */
  comment?: string;
  /** TensorBoard forgets what earlier files of the folder have from this step on: for a run that goes on from there. */
  purgeStep?: number | null;
  /** Events that are kept before they are written together. */
  maxQueue?: number;
  /** Seconds after which they are written in any case. */
  flushSecs?: number;
  /** Put behind the name of the file. */
  filenameSuffix?: string;
}
/** Values that hparams can have. */
export type HparamValue = number | string | boolean | null | undefined;
type Numbers = Tensor | ArrayLike<number>;

const EXPERIMENT = '_hparams_/experiment';
const SESSION_START = '_hparams_/session_start_info';
const SESSION_END = '_hparams_/session_end_info';

let filesMade = 0;
/** Writers with events that may not be on disk; they are written when the process ends. */
const open = new Set<SummaryWriter>();
const flushAll = (): void => open.forEach((writer) => writer.flush());

/**
 * Writes events for TensorBoard ([torch.utils.tensorboard.SummaryWriter](https://pytorch.org/docs/stable/tensorboard.html)):
 * `tensorboard --logdir runs` shows them. Events are buffered, and go to the file in whole records, so that one that is cut
 * off by a crash doesn't spoil those before it. Steps are integers, wall times seconds since 1970.
 *
 * ```ts
 * const writer = new utils.tensorboard.SummaryWriter('runs/first');
 * writer.addScalar('loss/train', loss, step);
 * writer.addHistogram('weights', model.weight, step);
 * writer.close();
 * ```
 */
export class SummaryWriter {
  readonly logDir: string;
  private readonly path: string;
  private readonly maxQueue: number;
  private queue: Uint8Array[] = [];
  private file: number | null = null;
  private readonly timer: NodeJS.Timeout;
  private readonly others = new Map<string, SummaryWriter>();
  private readonly options: SummaryWriterOptions;

  /** @throws TypeError for options that are none, TenfoldError 'state' where the folder can't be made. */
  constructor(logDir: string | null = null, options: SummaryWriterOptions = {}) {
    checkOptions('SummaryWriter', options, ['comment', 'purgeStep', 'maxQueue', 'flushSecs', 'filenameSuffix']);
    if (logDir !== null && (typeof logDir !== 'string' || logDir === ''))
      throw new TypeError(`SummaryWriter: logDir must be a path, got ${show(logDir)}`);
    const { comment = '', purgeStep = null, maxQueue = 10, flushSecs = 120, filenameSuffix = '' } = options;
    for (const [name, value] of Object.entries({ maxQueue, flushSecs })) {
      if (!(typeof value === 'number' && value > 0))
        throw new RangeError(`SummaryWriter: ${name} must be positive, got ${show(value)}`);
    }
    const now = new Date();
    this.options = options;
    this.logDir = logDir ?? join('runs', `${stamp(now)}_${hostname()}${comment}`);
    this.maxQueue = maxQueue;
    const seconds = String(Math.floor(now.getTime() / 1000)).padStart(10, '0');
    this.path = join(
      this.logDir,
      `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${filesMade++}${filenameSuffix}`,
    );
    try {
      fs.mkdirSync(this.logDir, { recursive: true });
      this.file = fs.openSync(this.path, 'a');
    } catch (cause) {
      throw new TenfoldError('state', `SummaryWriter: could not write '${this.path}': ${(cause as Error).message}`, {
        cause,
      });
    }
    if (open.size === 0) process.on('exit', flushAll);
    open.add(this);
    this.timer = setInterval(() => this.flush(), flushSecs * 1000).unref();
    this.add(versionEvent(moment('SummaryWriter', null, null)));
    if (purgeStep !== null) this.add(restartEvent(moment('SummaryWriter', purgeStep, null)));
    this.flush();
  }

  /** The folder of the events. */
  getLogdir(): string {
    return this.logDir;
  }

  private add(event: Uint8Array): void {
    if (this.file === null) throw new TenfoldError('value', 'SummaryWriter: it is closed');
    this.queue.push(record(event));
    if (this.queue.length >= this.maxQueue) this.flush();
  }

  /** Writes what is buffered. */
  flush(): void {
    if (this.queue.length > 0 && this.file !== null) {
      const records = Buffer.concat(this.queue);
      this.queue = [];
      try {
        for (let at = 0; at < records.length;) at += fs.writeSync(this.file, records, at);
      } catch (cause) {
        throw new TenfoldError('state', `SummaryWriter: could not write '${this.path}': ${(cause as Error).message}`, {
          cause,
        });
      }
    }
    for (const writer of this.others.values()) writer.flush();
  }

  /** Writes what is buffered and closes the file; of no effect where that is done. */
  close(): void {
    if (this.file === null) return;
    this.flush();
    clearInterval(this.timer);
    fs.closeSync(this.file);
    this.file = null;
    open.delete(this);
    if (open.size === 0) process.off('exit', flushAll);
    for (const writer of this.others.values()) writer.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }

  /** One number: a tensor of one element, or a number. */
  addScalar(
    tag: string,
    scalarValue: Tensor | number,
    globalStep: number | null = null,
    walltime: number | null = null,
  ): void {
    const value = numberOf('addScalar', scalarValue);
    this.add(valueEvent(moment('addScalar', globalStep, walltime), tagOf('addScalar', tag), float(2, value)));
  }

  /** Several numbers in one diagram. Each has a folder of its own, as in PyTorch: a run beside this one. */
  addScalars(
    mainTag: string,
    tagScalarDict: Readonly<Record<string, Tensor | number>>,
    globalStep: number | null = null,
    walltime: number | null = null,
  ): void {
    tagOf('addScalars', mainTag);
    if (typeof tagScalarDict !== 'object' || tagScalarDict === null || tagScalarDict instanceof Tensor)
      throw new TypeError(`addScalars: expected an object of numbers, got ${show(tagScalarDict)}`);
    const values = Object.entries(tagScalarDict).map(([tag, v]): [string, number] => [tag, numberOf('addScalars', v)]);
    for (const [tag, value] of values) {
      const folder = join(this.logDir, `${mainTag.replaceAll('/', '_')}_${tag}`);
      let writer = this.others.get(folder);
      if (writer === undefined) this.others.set(folder, (writer = this.beside(folder)));
      writer.addScalar(mainTag, value, globalStep, walltime);
    }
  }
  private beside(folder: string): SummaryWriter {
    const { maxQueue, flushSecs, filenameSuffix } = this.options;
    return new SummaryWriter(folder, {
      maxQueue: maxQueue ?? 10,
      flushSecs: flushSecs ?? 120,
      filenameSuffix: filenameSuffix ?? '',
    });
  }

  /**
   * How values are distributed. `bins`: 'tensorflow' (they grow by a tenth each), a number of equal ones, or a list of their
   * ends. `maxBins`: bins are joined until there are no more.
   */
  addHistogram(
    tag: string,
    values: Numbers,
    globalStep: number | null = null,
    bins: 'tensorflow' | number | readonly number[] = 'tensorflow',
    walltime: number | null = null,
    maxBins: number | null = null,
  ): void {
    const field = histogram(numbersOf('addHistogram', values), bins, maxBins);
    this.add(valueEvent(moment('addHistogram', globalStep, walltime), tagOf('addHistogram', tag), field));
  }

  /**
   * An image: a tensor of uint8 from 0 to 255, or of floats from 0 to 1, with 1, 3 or 4 channels. `dataformats` names its dims:
   * 'CHW', 'HWC', 'HW'.
   */
  addImage(
    tag: string,
    imgTensor: Tensor,
    globalStep: number | null = null,
    walltime: number | null = null,
    dataformats = 'CHW',
  ): void {
    this.image('addImage', tag, imgTensor, globalStep, walltime, dataformats);
  }

  /** Several images, eight in a row. `dataformats`: 'NCHW', 'NHWC', 'NHW'. */
  addImages(
    tag: string,
    imgTensor: Tensor,
    globalStep: number | null = null,
    walltime: number | null = null,
    dataformats = 'NCHW',
  ): void {
    this.image('addImages', tag, imgTensor, globalStep, walltime, dataformats);
  }
  private image(
    call: string,
    tag: string,
    img: Tensor,
    step: number | null,
    walltime: number | null,
    formats: string,
  ): void {
    const { pixels, height, width, channels } = pixelsOf(call, img, formats);
    const png = encodePng(pixels, height, width, channels);
    const field = inner(4, varint(1, height), varint(2, width), varint(3, channels), bytes(4, png));
    this.add(valueEvent(moment(call, step, walltime), tagOf(call, tag), field));
  }

  /** A text, which TensorBoard shows as Markdown. */
  addText(tag: string, textString: string, globalStep: number | null = null, walltime: number | null = null): void {
    if (typeof textString !== 'string') throw new TypeError(`addText: expected a string, got ${show(textString)}`);
    const fields = [pluginData('text', new Uint8Array(0)), textTensor(textString)];
    this.add(valueEvent(moment('addText', globalStep, walltime), `${tagOf('addText', tag)}/text_summary`, ...fields));
  }

  /**
   * A module's structure. It is run once with `inputToModel` (a tensor, or a list of the arguments), without recording, to
   * see what is connected with what; the nodes are its modules.
   */
  addGraph(model: Module, inputToModel: unknown): void {
    if (!(model instanceof Module)) throw new TypeError(`addGraph: expected a module, got ${show(model)}`);
    this.add(graphEvent(moment('addGraph', null, null), graphOf(model, inputsOf(inputToModel))));
  }

  /**
   * A run's hyperparameters and what it reached with them, for TensorBoard's table of runs. They are a run of their own, in
   * the folder `runName` (the time where not given) inside this one's.
   */
  addHparams(
    hparamDict: Readonly<Record<string, HparamValue>>,
    metricDict: Readonly<Record<string, Tensor | number>>,
    options: { runName?: string | null; globalStep?: number | null } = {},
  ): void {
    checkOptions('addHparams', options, ['runName', 'globalStep']);
    const events = hparamEvents(hparamDict, metricDict);
    const metrics = Object.entries(metricDict).map(([tag, v]): [string, number] => [tag, numberOf('addHparams', v)]);
    const writer = this.beside(join(this.logDir, options.runName ?? String(Date.now() / 1000)));
    try {
      for (const [tag, content] of events)
        writer.add(valueEvent(moment('addHparams', null, null), tag, pluginData('hparams', content)));
      for (const [tag, value] of metrics) writer.addScalar(tag, value, options.globalStep ?? null);
    } finally {
      writer.close();
    }
  }
}

// 1 string, 2 boolean, 3 number, as DataType has them.
const hparamType = (v: HparamValue): number => (typeof v === 'string' ? 1 : typeof v === 'boolean' ? 2 : 3);
function hparamValue(name: string, v: HparamValue): Field {
  if (typeof v === 'string') return text(3, v);
  if (typeof v === 'boolean') return varint(4, Number(v));
  if (typeof v === 'number') return double(2, v);
  throw new TypeError(`addHparams: ${name} must be a number, a string or a boolean, got ${show(v)}`);
}

/** The three events of a run: what there is, with what it began, how it ended. */
function hparamEvents(hparams: Readonly<Record<string, HparamValue>>, metrics: object): [string, Uint8Array][] {
  for (const [name, dict] of Object.entries({ hparamDict: hparams, metricDict: metrics }) as [string, unknown][]) {
    if (typeof dict !== 'object' || dict === null || Array.isArray(dict) || dict instanceof Tensor)
      throw new TypeError(`addHparams: ${name} must be an object, got ${show(dict)}`);
  }
  const given = Object.entries(hparams).filter(([, v]) => v !== null && v !== undefined);
  const infos = given.map(([name, v]) => inner(4, text(1, name), varint(4, hparamType(v))));
  const names = Object.keys(metrics).map((tag) => inner(5, inner(1, text(2, tag))));
  const start = given.map(([name, v]) => inner(1, text(1, name), inner(2, hparamValue(name, v))));
  return [
    [EXPERIMENT, message(inner(2, ...infos, ...names))],
    [SESSION_START, message(inner(3, ...start))],
    [SESSION_END, message(inner(4, varint(1, 1)))],
  ];
}

function moment(call: string, step: number | null | undefined, walltime: number | null): Moment {
  if (step !== null && step !== undefined && !Number.isSafeInteger(step))
    throw new TypeError(`${call}: globalStep must be an integer, got ${show(step)}`);
  if (walltime !== null && typeof walltime !== 'number')
    throw new TypeError(`${call}: walltime must be a number of seconds, got ${show(walltime)}`);
  return { wallTime: walltime ?? Date.now() / 1000, step: step ?? null };
}
function tagOf(call: string, tag: unknown): string {
  if (typeof tag !== 'string' || tag === '') throw new TypeError(`${call}: the tag must be a string, got ${show(tag)}`);
  return tag.replace(/^\/+/, '').replace(/[^-/\w.]/g, '_');
}
function numberOf(call: string, value: unknown): number {
  if (value instanceof Tensor && value.numel() === 1) return Number(value.detach().item());
  if (typeof value === 'number') return value;
  throw new TypeError(`${call}: expected a number or a tensor of one element, got ${show(value)}`);
}
function numbersOf(call: string, values: unknown): Float64Array {
  if (values instanceof Tensor) return values.detach().to('float64').flatten().toTypedArray() as Float64Array;
  const list = values as ArrayLike<number>;
  if (Array.isArray(values) ? values.every((v) => typeof v === 'number') : codeOfArray(values) !== null)
    return Float64Array.from(list, Number);
  throw new TypeError(`${call}: expected a tensor or a list of numbers, got ${show(values)}`);
}
/** As in PyTorch: Dec01_12-30-00. */
function stamp(time: Date): string {
  const [, month, day, , clock] = /^\w+ (\w+) (\d+) (\d+) ([\d:]+)/.exec(time.toString())!;
  return `${month}${day}_${clock!.replaceAll(':', '-')}`;
}
