/** Workers: the same answers as this thread's, shared weights, a free event loop, and crashes that stay with their batch. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { full, save } from '../../lib/index.js';
import { adoptParameters, buildModel, shareParameters } from '../../lib/serve/models/files.js';
import type { Module } from '../../lib/nn/module.js';
import type { ModelOptions, ServerHandle } from '../../lib/serve/index.js';
import { ask, infer, start } from './client.js';

const file = (name: string): URL => new URL(`models/${name}`, import.meta.url);
const crashing = (workers: number, more: Partial<ModelOptions> = {}): Promise<ServerHandle> =>
  start({ models: { m: { file: file('crashing.mjs'), workers, maxBatchSize: 1, ...more } } });
async function value(server: ServerHandle, x: number): Promise<unknown> {
  const body = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [x] }] };
  const { json } = await infer(server, 'm', body);
  return json.error ?? json.outputs[0].data[0];
}

it('answer as this thread does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenfold-weights-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const weights = join(folder, 'w.safetensors');
  save({ weight: full([1, 2], 3), bias: full([1], 0.5) }, weights);
  const server = await start({
    models: {
      here: { file: file('affine.mjs'), weights },
      there: { file: file('affine.mjs'), weights, workers: 2 },
    },
  });
  const body = { inputs: [{ name: 'input', datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 4] }] };
  const answers = await Promise.all(['here', 'there', 'there', 'there'].map((name) => infer(server, name, body)));
  for (const { json } of answers) expect(json.outputs[0].data).toEqual([9.5, 21.5]);
  expect((await ask(server, '/v2/models/there')).json.inputs[0].shape).toEqual([-1, 2]);
});

it('share the memory of the weights', async () => {
  const path = file('affine.mjs').pathname;
  const [one, two] = [await buildModel(path, null), await buildModel(path, null)].map((m) => m.model as Module);
  const shared = shareParameters(one!);
  adoptParameters(two!, shared);
  const [a] = one!.parameters();
  const [b] = two!.parameters();
  expect(a!.tolist()).toEqual(b!.tolist());
  const { memory, byteOffset } = Object.values(shared)[0]!;
  new Float32Array(memory, byteOffset)[0] = 42;
  expect([a!, b!].map((p) => p.detach().select(1, 0).item())).toEqual([42, 42]);
});

it('a crash takes its own batch along, and another worker comes', async () => {
  const server = await crashing(2);
  const [exit, fine] = await Promise.all([value(server, 13), value(server, 1)]);
  expect([exit, fine]).toEqual(['a worker of the model ended', 1]);
  const [thrown, still] = await Promise.all([value(server, 14), value(server, 2)]);
  expect([thrown, still]).toEqual(['a worker of the model crashed: out of nowhere', 2]);
  expect(await Promise.all([3, 4, 5, 6].map((x) => value(server, x)))).toEqual([3, 4, 5, 6]);
  expect(await value(server, -1)).toBe('the model failed: negative');
});

it('hear when nobody waits any more', async () => {
  const server = await crashing(1);
  const controller = new AbortController();
  const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [15] }] });
  const asked = fetch(`${server.url}/v2/models/m/infer`, { method: 'POST', body, signal: controller.signal });
  await new Promise((resolve) => setTimeout(resolve, 50));
  controller.abort();
  await expect(asked).rejects.toThrow('aborted');
  expect(await value(server, 1)).toBe(1);
});

it.each([
  [{ workers: 1, model: () => ({}) }, "serve: model 'm': workers need a file, which each of them makes the model from; a model can't be sent to them"], // prettier-ignore
  [{ workers: -1, file: 'x' }, "serve: model 'm': workers must be an integer from 0 to 1024, got -1"],
  [{ file: 'x.mjs', model: () => ({}) }, "serve: model 'm': model and file are both given"],
  [{ weights: 'x', model: () => ({}) }, "serve: model 'm': weights belong to a file; a model has its own"],
  [{ file: 3 }, "serve: model 'm': file must be a path or a URL, got 3"],
  [{ file: '/nowhere.mjs', workers: 1 }, "the model file '/nowhere.mjs' can't be imported: "],
])('refused: %o', async (options, message) => {
  expect(existsSync('/nowhere.mjs')).toBe(false);
  await expect(start({ models: { m: options as ModelOptions } })).rejects.toThrow(message);
});
