/**
 * A model repository: a folder of models as Triton's.
 *
 *   models/digits/config.json              optional: versions, batching, signature, workers, labels
 *   models/digits/1/model.mjs              a module file (files.ts), with
 *   models/digits/1/model.safetensors      its weights; or
 *   models/digits/2/model.onnx             an ONNX model
 *
 * It is looked at again and again. What changed is loaded once it has stopped changing, and the version before serves until the
 * new one is ready. What can't be loaded says why in the index; all others go on, and the version before it too.
 */
import { readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { TenfoldError, checkOptions, show } from '../../errors.js';
import type { Gate } from '../batching/gate.js';
import { BATCHING_OPTIONS } from '../batching/options.js';
import { ServeError } from '../errors.js';
import { isObject, parseJson } from '../protocol/json.js';
import { loadModel, readDefinition, type ModelOptions } from './definition.js';
import { compareVersions, type Registry } from './registry.js';
import type { ModelSource } from './source.js';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const VERSION = /^[1-9]\d{0,17}$/;
const CONFIG_OPTIONS = [
  'name',
  'versionPolicy',
  'inputs',
  'outputs',
  'platform',
  'labels',
  'workers',
  ...BATCHING_OPTIONS,
];
const MAX_CONFIG_BYTES = 1 << 20;

/** A version's files, and what they looked like. */
interface Found {
  readonly version: string;
  readonly file: string;
  readonly weights: string | null;
  readonly print: string;
}

interface Config {
  readonly options: Omit<ModelOptions, 'model'>;
  readonly policy: Policy;
  readonly print: string;
}
type Policy = (versions: readonly string[]) => readonly string[];

const bad = (message: string): TenfoldError => new TenfoldError('state', message);

export class Repository implements ModelSource {
  private readonly root: string;
  /** What each version looked like when it was last loaded, or failed to. */
  private readonly done = new Map<string, string>();
  /** What each version looked like at the last look. */
  private readonly seen = new Map<string, string>();
  /** Models that a client has unloaded: they stay so until one loads them, or they change. */
  private readonly unloaded = new Map<string, string>();
  private timer: NodeJS.Timeout | undefined;
  private work: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(
    call: string,
    folder: string,
    private readonly registry: Registry,
    private readonly gate: Gate,
    private readonly interval: number,
  ) {
    try {
      this.root = realpathSync(folder);
      if (!statSync(this.root).isDirectory()) throw new Error('it is no folder');
    } catch (cause) {
      throw new TenfoldError('state', `${call}: the model repository '${folder}' can't be read: ${(cause as Error).message}`, { cause }); // prettier-ignore
    }
  }

  async start(): Promise<void> {
    await this.look(true);
    const again = (): void => {
      this.timer = setTimeout(() => void this.look(false).finally(() => this.closed || again()), this.interval);
      this.timer.unref();
    };
    if (this.interval > 0) again();
  }

  /** One look after the other, and none while a client's load is at work. */
  private inTurn(work: () => Promise<void>): Promise<void> {
    const next = this.work.then(work);
    this.work = next.catch(() => {});
    return next;
  }

  /** Looks for what changed. `first`: also what has only just been seen is loaded. */
  private look(first: boolean): Promise<void> {
    return this.inTurn(async () => {
      const names = readdirSync(this.root).filter((name) => NAME.test(name) && isFolder(join(this.root, name)));
      for (const name of this.registry.names) {
        if (names.includes(name)) continue;
        this.registry.remove(name);
        this.registry.forget(name);
        for (const key of [...this.done.keys()]) if (key.startsWith(`${name}/`)) this.done.delete(key);
      }
      for (const name of names) {
        if (this.closed) return;
        await this.refresh(name, first).catch(() => {}); // noted in the index
      }
    });
  }

  async load(name: string): Promise<void> {
    if (!NAME.test(name) || !isFolder(join(this.root, name)))
      throw new ServeError(404, `there is no model '${name}' in the repository`);
    await this.inTurn(async () => {
      this.unloaded.delete(name);
      for (const key of [...this.done.keys()]) if (key.startsWith(`${name}/`)) this.done.delete(key);
      await this.refresh(name, true);
    });
  }
  unload(name: string): void {
    this.registry.remove(name);
    this.unloaded.set(name, '');
  }
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  /** Brings a model's versions up to date; throws the last thing that went wrong, after all others were loaded. */
  private async refresh(name: string, first: boolean): Promise<void> {
    if (this.unloaded.has(name)) return;
    let wanted: Found[] = [];
    let config: Config;
    try {
      config = this.readConfig(name);
      wanted = this.versionsOf(name, config);
    } catch (error) {
      if (this.registry.versions(name).length === 0 || first)
        this.registry.note(name, { version: '', state: 'UNAVAILABLE', reason: (error as Error).message });
      throw error;
    }
    this.registry.forgetAbsent(name, '');
    for (const { version } of this.registry.versions(name))
      if (!wanted.some((found) => found.version === version)) this.drop(name, version);
    let failure: unknown = null;
    for (const found of wanted) {
      const key = `${name}/${found.version}`;
      const print = `${config.print} ${found.print}`;
      const settled = first || this.seen.get(key) === print;
      this.seen.set(key, print);
      if (this.done.get(key) === print || !settled) continue;
      this.done.set(key, print);
      failure = (await this.loadVersion(name, config, found)) ?? failure;
    }
    if (failure !== null) throw failure as Error;
  }

  private drop(name: string, version: string): void {
    this.registry.remove(name, version, 'the repository has it no more');
    this.registry.forgetAbsent(name, version);
    this.done.delete(`${name}/${version}`);
  }

  /** What went wrong, or null. */
  private async loadVersion(name: string, { options }: Config, { version, file, weights }: Found): Promise<unknown> {
    this.registry.note(name, { version, state: 'LOADING', reason: '' });
    try {
      const definition = { ...options, file, version, ...(weights === null ? {} : { weights }) };
      this.registry.add(await loadModel(name, readDefinition(name, definition), this.gate));
      return null;
    } catch (error) {
      this.registry.note(name, { version, state: 'UNAVAILABLE', reason: (error as Error).message });
      return error;
    }
  }

  /** A path inside of the repository, links followed: nothing outside is read. */
  private inside(...parts: string[]): string {
    const path = realpathSync(join(this.root, ...parts));
    if (!path.startsWith(this.root + sep)) throw bad(`'${parts.join('/')}' leads out of the repository`);
    return path;
  }

  private readConfig(name: string): Config {
    const path = join(this.root, name, 'config.json');
    const print = printOf(path);
    if (print === '') return { options: {}, policy: latest(1), print };
    const file = this.inside(name, 'config.json');
    if (statSync(file).size > MAX_CONFIG_BYTES)
      throw bad(`'${name}/config.json' is larger than ${MAX_CONFIG_BYTES} bytes`);
    let config: unknown;
    try {
      config = parseJson(readFileSync(file));
    } catch (error) {
      throw bad(`'${name}/config.json' is ${(error as Error).message}`);
    }
    if (!isObject(config)) throw bad(`'${name}/config.json' must hold an object`);
    checkOptions(`${name}/config.json`, config, CONFIG_OPTIONS);
    const { name: own, versionPolicy, ...options } = config;
    if (own !== undefined && own !== name) throw bad(`'${name}/config.json' is for a model ${show(own)}`);
    return { options: options as Config['options'], policy: policyOf(name, versionPolicy), print };
  }

  private versionsOf(name: string, { policy }: Config): Found[] {
    const folders = readdirSync(join(this.root, name)).filter((v) => VERSION.test(v));
    const versions = policy(folders.sort(compareVersions));
    if (versions.length === 0)
      throw bad(`'${name}' has no version: a folder such as '${name}/1' with model.mjs or model.onnx`);
    return versions.map((version) => {
      const found = ['model.onnx', 'model.mjs'].filter((file) => printOf(join(this.root, name, version, file)) !== '');
      if (found.length !== 1)
        throw bad(
          `'${name}/${version}' needs either model.onnx or model.mjs, and has ${found.join(' and ') || 'neither'}`,
        );
      const file = this.inside(name, version, found[0]!);
      const weightsPrint = printOf(join(this.root, name, version, 'model.safetensors'));
      const weights =
        weightsPrint !== '' && found[0] === 'model.mjs' ? this.inside(name, version, 'model.safetensors') : null;
      return { version, file, weights, print: `${printOf(file)} ${weightsPrint}` };
    });
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** What a file looks like from outside; '' where there is none. */
function printOf(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs}:${size}:${ino}`;
  } catch {
    return '';
  }
}

const latest =
  (count: number): Policy =>
  (versions) =>
    versions.slice(-count);

/** Triton's version policies: 'all', { latest: 2 }, { specific: [1, 3] }; the newest one where none is given. */
function policyOf(name: string, policy: unknown): Policy {
  if (policy === undefined) return latest(1);
  if (policy === 'all') return (versions) => versions;
  if (isObject(policy) && Object.keys(policy).length === 1) {
    const { latest: count, specific } = policy;
    if (Number.isSafeInteger(count) && (count as number) >= 1) return latest(count as number);
    if (Array.isArray(specific) && specific.length > 0) {
      const wanted = specific.map(String);
      return (versions) => {
        const missing = wanted.find((v) => !versions.includes(v));
        if (missing !== undefined) throw bad(`'${name}' has no version '${missing}', which its versionPolicy asks for`);
        return wanted;
      };
    }
  }
  throw bad(
    `'${name}/config.json': versionPolicy must be 'all', { latest: 2 } or { specific: [1, 3] }, got ${JSON.stringify(policy)}`,
  );
}
