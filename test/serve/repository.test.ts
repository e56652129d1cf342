/** Model repositories: versions, configuration, changes while serving, what is broken, and what leads out of the folder. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { full, save } from '../../lib/index.js';
import type { ServeOptions, ServerHandle } from '../../lib/serve/index.js';
import { ask, infer, start, type Answer } from './client.js';

const AFFINE = join(dirname(fileURLToPath(import.meta.url)), 'models', 'affine.mjs');

/** A folder with model versions; each version's weights are its number. */
function repository(versions: Record<string, readonly (number | string)[]>): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenfold-models-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, list] of Object.entries(versions))
    for (const version of list) put(folder, name, version, Number(version));
  return folder;
}
let changes = 0;
function put(folder: string, name: string, version: number | string, weight: number): void {
  const place = join(folder, name, String(version));
  mkdirSync(place, { recursive: true });
  copyFileSync(AFFINE, join(place, 'model.mjs'));
  const file = join(place, 'model.safetensors');
  save({ weight: full([1, 2], weight), bias: full([1], 0) }, file);
  // Two changes within a tick of the clock are still two.
  utimesSync(file, 1e9, 1e9 + ++changes);
}
const config = (folder: string, name: string, value: unknown): void =>
  writeFileSync(join(folder, name, 'config.json'), typeof value === 'string' ? value : JSON.stringify(value));

const open = (models: string, options: Partial<ServeOptions> = {}): Promise<ServerHandle> =>
  start({ models, pollInterval: 0, modelControl: true, ...options });
const body = { inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 2], data: [1, 1] }] };
/** What a model makes of two ones: twice its weight; or the error. */
async function valueOf(server: ServerHandle, path: string): Promise<unknown> {
  const { json } = await ask(server, `/v2/models/${path}/infer`, { body });
  return json.error ?? json.outputs[0].data[0];
}
const control = (server: ServerHandle, name: string, action: string): Promise<Answer> =>
  ask(server, `/v2/repository/models/${name}/${action}`, { method: 'POST' });
const index = async (server: ServerHandle): Promise<unknown> =>
  (await ask(server, '/v2/repository/index', { body: {} })).json;
async function until(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('versions', () => {
  it('the newest by number serves, unless a policy says otherwise', async () => {
    const folder = repository({ one: [2, 10], all: [1, 2, 3], some: [1, 2, 3], two: [1, 2, 3] });
    config(folder, 'all', { versionPolicy: 'all' });
    config(folder, 'some', { versionPolicy: { specific: [1, 3] } });
    config(folder, 'two', { versionPolicy: { latest: 2 } });
    const server = await open(folder);
    const versions = async (name: string): Promise<unknown> => (await ask(server, `/v2/models/${name}`)).json.versions;
    expect([await versions('one'), await versions('all'), await versions('some'), await versions('two')]).toEqual([
      ['10'],
      ['1', '2', '3'],
      ['1', '3'],
      ['2', '3'],
    ]);
    expect(await valueOf(server, 'one')).toBe(20);
    expect(await valueOf(server, 'all')).toBe(6);
    expect(await valueOf(server, 'all/versions/2')).toBe(4);
    expect(await valueOf(server, 'some/versions/2')).toBe("there is no model 'some' version '2'");
  });

  it('config.json sets what there is to set', async () => {
    const folder = repository({ m: [1] });
    config(folder, 'm', {
      name: 'm',
      platform: 'mine',
      maxBatchSize: 4,
      inputs: [{ name: 'pair', dtype: 'float32', shape: [-1, 2] }],
      outputs: [{ name: 'sum', dtype: 'float32', shape: [-1, 1] }],
    });
    const server = await open(folder);
    const metadata = (await ask(server, '/v2/models/m')).json;
    expect([metadata.platform, metadata.inputs[0].name, metadata.outputs[0].name]).toEqual(['mine', 'pair', 'sum']);
    expect((await ask(server, '/v2/models/m/config')).json.max_batch_size).toBe(4);
  });
});

describe('changes', () => {
  it('are seen, and the old version serves until the new one is there', async () => {
    const folder = repository({ m: [1], gone: [1] });
    const server = await open(folder, { pollInterval: 10 });
    put(folder, 'm', 1, 5);
    put(folder, 'new', 1, 7);
    rmSync(join(folder, 'gone'), { recursive: true });
    const values = new Set<unknown>();
    await until(async () => {
      const value = await valueOf(server, 'm');
      values.add(value);
      return value === 10;
    });
    expect([...values].filter((v) => v !== 2 && v !== 10)).toEqual([]);
    await until(async () => (await valueOf(server, 'new')) === 14);
    await until(async () => (await ask(server, '/v2/models/gone')).status === 404);
    put(folder, 'm', 2, 6);
    await until(async () => (await valueOf(server, 'm')) === 12);
    expect(await valueOf(server, 'm/versions/1')).toBe("there is no model 'm' version '1'");
  });

  it('come at once where a client asks for them', async () => {
    const folder = repository({ m: [1] });
    const server = await open(folder);
    put(folder, 'm', 1, 5);
    expect(await valueOf(server, 'm')).toBe(2);
    expect((await control(server, 'm', 'load')).status).toBe(200);
    expect(await valueOf(server, 'm')).toBe(10);
    expect((await control(server, 'm', 'unload')).status).toBe(200);
    expect(await valueOf(server, 'm')).toBe("model 'm' is not ready: unloaded");
    expect(await index(server)).toEqual([{ name: 'm', version: '1', state: 'UNAVAILABLE', reason: 'unloaded' }]);
    expect((await ask(server, '/v2/repository/index', { body: { ready: true } })).json).toEqual([]);
    await control(server, 'm', 'load');
    expect(await valueOf(server, 'm')).toBe(10);
  });

  it('that break a model leave the old version in service, and say why', async () => {
    const folder = repository({ m: [1], other: [1] });
    const server = await open(folder);
    save({ weight: full([1, 3], 1) }, join(folder, 'm', '1', 'model.safetensors'));
    const answer = await control(server, 'm', 'load');
    expect(answer.status).toBe(400);
    expect(answer.json.error).toContain("loadStateDict: the state dict doesn't fit");
    expect(await valueOf(server, 'm')).toBe(2);
    expect(await index(server)).toEqual([
      { name: 'm', version: '1', state: 'READY', reason: expect.stringContaining("the state dict doesn't fit") },
      { name: 'other', version: '1', state: 'READY', reason: '' },
    ]);
    put(folder, 'm', 1, 3);
    await control(server, 'm', 'load');
    expect(await valueOf(server, 'm')).toBe(6);
  });

  it('under load lose no request', async () => {
    const folder = repository({ m: [1] });
    const server = await open(folder);
    let done = false;
    const asking = Promise.all(
      [0, 1, 2, 3].map(async () => {
        const wrong: unknown[] = [];
        while (!done) {
          const value = await valueOf(server, 'm');
          if (typeof value !== 'number' || value % 2 !== 0) wrong.push(value);
        }
        return wrong;
      }),
    );
    for (let weight = 2; weight < 12; weight++) {
      put(folder, 'm', 1, weight);
      expect((await control(server, 'm', 'load')).status).toBe(200);
    }
    done = true;
    expect((await asking).flat()).toEqual([]);
    expect(await valueOf(server, 'm')).toBe(22);
  });
});

describe('what is broken harms no other, and says why:', () => {
  const BROKEN: [string, (folder: string) => void, string][] = [
    [
      'no version',
      (f) => mkdirSync(join(f, 'b')),
      "'b' has no version: a folder such as 'b/1' with model.mjs or model.onnx",
    ],
    ['no file', (f) => mkdirSync(join(f, 'b', '1'), { recursive: true }), "'b/1' needs either model.onnx or model.mjs, and has neither"], // prettier-ignore
    ['both files', (f) => { put(f, 'b', 1, 1); writeFileSync(join(f, 'b/1/model.onnx'), ''); }, "'b/1' needs either model.onnx or model.mjs, and has model.onnx and model.mjs"], // prettier-ignore
    ['a syntax error', (f) => { put(f, 'b', 1, 1); writeFileSync(join(f, 'b/1/model.mjs'), 'export default ('); }, "can't be imported: "], // prettier-ignore
    ['no function', (f) => { put(f, 'b', 1, 1); writeFileSync(join(f, 'b/1/model.mjs'), 'export default 3'); }, 'must export a function by default, got 3'], // prettier-ignore
    ['no model', (f) => { put(f, 'b', 1, 1); writeFileSync(join(f, 'b/1/model.mjs'), 'export default () => 3'); }, 'must make an nn.Module or a function, got 3'], // prettier-ignore
    [
      'no weights',
      (f) => {
        put(f, 'b', 1, 1);
        writeFileSync(join(f, 'b/1/model.safetensors'), '');
      },
      "can't be read",
    ],
    [
      'no JSON',
      (f) => {
        put(f, 'b', 1, 1);
        config(f, 'b', '{');
      },
      "'b/config.json' is not JSON: ",
    ],
    ['an option', (f) => { put(f, 'b', 1, 1); config(f, 'b', { maxBatchsize: 3 }); }, "b/config.json: unknown option 'maxBatchsize', did you mean 'maxBatchSize'?"], // prettier-ignore
    ['a policy', (f) => { put(f, 'b', 1, 1); config(f, 'b', { versionPolicy: 'newest' }); }, `'b/config.json': versionPolicy must be 'all', { latest: 2 } or { specific: [1, 3] }, got "newest"`], // prettier-ignore
    ['a version that is not there', (f) => { put(f, 'b', 1, 1); config(f, 'b', { versionPolicy: { specific: [2] } }); }, "'b' has no version '2', which its versionPolicy asks for"], // prettier-ignore
    ['another name', (f) => { put(f, 'b', 1, 1); config(f, 'b', { name: 'c' }); }, "'b/config.json' is for a model 'c'"], // prettier-ignore
    ['a link out of the folder', (f) => { put(f, 'b', 1, 1); rmSync(join(f, 'b/1/model.mjs')); symlinkSync(AFFINE, join(f, 'b/1/model.mjs')); }, "'b/1/model.mjs' leads out of the repository"], // prettier-ignore
  ];
  it.each(BROKEN)('%s', async (_, spoil, message) => {
    const folder = repository({ a: [1] });
    spoil(folder);
    const server = await open(folder);
    expect(await valueOf(server, 'a')).toBe(2);
    expect(await valueOf(server, 'b')).toContain(message);
    expect((await ask(server, '/v2/health/ready')).status).toBe(200);
  });
  it('a name that leads out of the folder', async () => {
    const server = await open(repository({ a: [1] }));
    const answer = await ask(server, '/v2/repository/models/..%2F..%2Fetc/load', { method: 'POST' });
    expect([answer.status, answer.json.error]).toEqual([404, "there is no model '../../etc' in the repository"]);
  });
  it('no folder at all', async () => {
    await expect(open('/nowhere/models')).rejects.toThrow("serve: the model repository '/nowhere/models' can't be read: ENOENT"); // prettier-ignore
  });
});

it('computes with workers where the configuration says so', async () => {
  const folder = repository({ m: [3] });
  config(folder, 'm', { workers: 1 });
  const server = await open(folder);
  expect(await valueOf(server, 'm')).toBe(6);
  expect((await infer(server, 'm', body)).status).toBe(200);
});
