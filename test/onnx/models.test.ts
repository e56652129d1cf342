/**
 * Published models beside ONNX Runtime's numbers. They are fetched by scripts/record/onnx_models.py, which says how to run
 * this; without its folder there is nothing to compare.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderCases, runCase } from './cases.js';

const folder = process.env['TENFOLD_ONNX_MODELS'] ?? 'build/onnx-models';
const index = join(folder, 'index.json');

describe.runIf(existsSync(index))('published models', () => {
  const list = existsSync(index)
    ? (JSON.parse(readFileSync(index, 'utf8')) as { name: string; rtol: number; atol: number }[])
    : [];
  it.each(folderCases(folder, list).map((one) => [one.name, one] as const))('%s', { timeout: 60_000 }, (_, one) => {
    expect(runCase(one)).toBe(null);
  });
});
