/** Datasets of CSV files: whole in memory, or streamed. */
import { checkOptions, show } from '../../errors.js';
import { codeOf, type DType } from '../../dtype.js';
import { fromTypedArray, tensor } from '../../ops/creation.js';
import { type Tensor } from '../../tensor/tensor.js';
import { stackRows } from './collate.js';
import { CSV_OPTIONS, CsvReader, type CsvOptions } from './csv.js';
import { Dataset, IterableDataset, checkIndex } from './dataset.js';
import { getWorkerInfo } from './workerInfo.js';

/** A row's numbers, or with a target the pair of them and it. */
export type CsvSample = Tensor | [features: Tensor, target: Tensor];
/** Options of CsvDataset. */
export interface CsvDatasetOptions extends CsvOptions {
  /** dtype of the numbers (default 'float32'). */
  dtype?: DType;
  /** dtype of the target (default `dtype`; 'int64' for classes). */
  targetDtype?: DType;
}
const OPTIONS = [...CSV_OPTIONS, 'dtype', 'targetDtype'];

/** The reader of a dataset, and the dtypes of its tensors. */
function opened(
  call: string,
  path: string,
  options: CsvDatasetOptions,
): { reader: CsvReader; dtypes: [DType, DType]; paired: boolean } {
  checkOptions(call, options, OPTIONS);
  const { dtype = 'float32', targetDtype = dtype, ...rest } = options;
  for (const d of [dtype, targetDtype]) codeOf(call, d);
  const paired = (rest.target ?? null) !== null;
  if (!paired && options.targetDtype !== undefined)
    throw new TypeError(`${call}: targetDtype is for the target, and no target is named`);
  return { reader: new CsvReader(call, path, rest), dtypes: [dtype, targetDtype], paired };
}

/** Some of the columns of all rows, gathered block by block in the dtype that they end in, where numbers have it. */
class Column {
  readonly #parts: (Float32Array | Float64Array)[] = [];
  #rows = 0;
  constructor(
    private readonly width: number,
    private readonly dtype: DType,
  ) {}
  private array(length: number): Float32Array | Float64Array {
    return this.dtype === 'float32' ? new Float32Array(length) : new Float64Array(length);
  }
  take(values: Float64Array, rows: number, stride: number, first: number): void {
    const { width } = this;
    const part = this.array(rows * width);
    for (let row = 0, to = 0; row < rows; row++)
      for (let i = row * stride + first, end = i + width; i < end; i++) part[to++] = values[i]!;
    this.#parts.push(part);
    this.#rows += rows;
  }
  /** [rows, width]. */
  joined(): Tensor {
    const all = this.array(this.#rows * this.width);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return fromTypedArray(all, [this.#rows, this.width]).to(this.dtype);
  }
}

/**
 * The rows of a CSV file as samples, read at once: tensors [columns], or with `target` pairs of them and a 0-dim tensor.
 * Fields are numbers; quoted ones, spaces around them, missing values (`missing`) and words (`categories`) are read as the options say.
 *
 * ```ts
 * const houses = new utils.data.CsvDataset('houses.csv', { target: 'price', categories: { heating: ['gas', 'wood'] } });
 * const loader = new utils.data.DataLoader(houses, { batchSize: 32, shuffle: true });
 * ```
 *
 * @throws TenfoldError 'state' for a file that can't be read, and for a field that is no number, with its record and column;
 *   'value' for a column that isn't there.
 */
export class CsvDataset extends Dataset<CsvSample> {
  /** Names of the columns in `features`. */
  readonly columns: readonly string[];
  /** [rows, columns]. */
  readonly features: Tensor;
  /** [rows], or null without a target. */
  readonly target: Tensor | null;
  constructor(path: string, options: CsvDatasetOptions = {}, ...rest: never[]) {
    super();
    if ((rest as unknown[]).length > 0) throw new TypeError(`CsvDataset: expected a path and options, got ${show(rest[0])} besides`); // prettier-ignore
    const { reader, dtypes, paired } = opened('CsvDataset', path, options);
    const width = reader.width - (paired ? 1 : 0);
    const features = new Column(width, dtypes[0]);
    const target = paired ? new Column(1, dtypes[1]) : null;
    for (const { values, rows } of reader.blocks()) {
      features.take(values, rows, reader.width, 0);
      target?.take(values, rows, reader.width, width);
    }
    this.columns = Object.freeze(reader.columns.slice(0, width));
    this.features = features.joined();
    this.target = target ? target.joined().squeeze(1) : null;
  }
  get length(): number {
    return this.features.shape[0]!;
  }
  get(index: number): CsvSample {
    const at = checkIndex('CsvDataset.get', index, this.length);
    const row = this.features.select(0, at);
    return this.target ? [row, this.target.select(0, at)] : row;
  }
  batch(indices: readonly number[]): CsvSample {
    const rows = indices.map((i) => checkIndex('CsvDataset.get', i, this.length));
    const features = stackRows(this.features, rows);
    return this.target ? [features, stackRows(this.target, rows)] : features;
  }
}

/**
 * The rows of a CSV file one after the other, for files larger than memory; samples and options as {@link CsvDataset}'s. In a
 * DataLoader's workers, each gives its share of the rows. The file is read anew in each pass, a megabyte at a time.
 */
export class CsvStream extends IterableDataset<CsvSample> {
  readonly columns: readonly string[];
  readonly #reader: CsvReader;
  readonly #dtypes: readonly [DType, DType];
  readonly #paired: boolean;
  constructor(path: string, options: CsvDatasetOptions = {}, ...rest: never[]) {
    super();
    if ((rest as unknown[]).length > 0) throw new TypeError(`CsvStream: expected a path and options, got ${show(rest[0])} besides`); // prettier-ignore
    const { reader, dtypes, paired } = opened('CsvStream', path, options);
    [this.#reader, this.#dtypes, this.#paired] = [reader, dtypes, paired];
    this.columns = Object.freeze(reader.columns.slice(0, reader.width - (paired ? 1 : 0)));
  }
  override *[Symbol.iterator](): IterableIterator<CsvSample> {
    const { id, numWorkers } = getWorkerInfo() ?? { id: 0, numWorkers: 1 };
    const { width } = this.#reader;
    let number = 0;
    for (const { values, rows } of this.#reader.blocks()) {
      for (let row = 0; row < rows; row++, number++) {
        if (number % numWorkers !== id) continue;
        const sample = values.slice(row * width, (row + 1) * width);
        if (!this.#paired) yield tensor(sample, { dtype: this.#dtypes[0] });
        else yield [tensor(sample.subarray(0, -1), { dtype: this.#dtypes[0] }), tensor(sample.at(-1)!, { dtype: this.#dtypes[1] })]; // prettier-ignore
      }
    }
  }
}
