/**
 * ONNX's own conformance cases: those that scripts/record/onnx_node.py made, and, where the folder is there, the half that
 * ../shared/onnx-node holds. A case that fails must be in one of the lists below, and one that is there must fail.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { OPERATORS } from '../../lib/onnx/operators/index.js';
import { folderCases, packedCases, runCase, type Case } from './cases.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Refusals that are right: what a message says where a case asks for what isn't there. */
const REFUSED = [
  /is of (u?int(2|4)|uint(16|32|64)|string|complex\d+|float(4|6|8)\w+), which has no dtype here/,
  /the element type \w+ has no dtype here/,
  /must be (u?int(2|4)|uint(16|32|64)|string|float(4|6|8)\w+)/,
  /has the value 'value_strings?', which has no dtype here/,
  /a pool of strings has no dtype here/,
  /not implemented: (ai\.onnx\.(ml|preview)\S+|ImageDecoder|RegexFullMatch|String(Concat|Split|Normalizer))( \(\d+ nodes\))?;/,
];

/** Cases whose numbers are others, and why. */
const OTHERWISE: [why: string, names: RegExp][] = [
  ['random numbers', /^test_(bernoulli(_double|_seed)?|training_dropout(_default)?(_mask)?)(_expanded)?$/],
  ['halves rounded in another order: they differ by one unit of the last place', /^test_(attention_.*_(bf16|fp16)|linear_attention_fp16)(_expanded)?$/], // prettier-ignore
  ['the recorded zeros are rounding errors of a transform in single precision', /^test_dft_inverse(_opset19)?$/],
];

/** Names of cases that differ, with what they say. */
function failures(cases: readonly Case[]): { refused: number; otherwise: string[]; wrong: string[] } {
  const result = { refused: 0, otherwise: [] as string[], wrong: [] as string[] };
  for (const one of cases) {
    let what: string | null;
    try {
      what = runCase(one);
    } catch (error) {
      what = (error as Error).message;
    }
    if (what === null) continue;
    if (REFUSED.some((pattern) => pattern.test(what))) result.refused++;
    else if (OTHERWISE.some(([, names]) => names.test(one.name))) result.otherwise.push(one.name);
    else result.wrong.push(`${one.name}: ${what}`);
  }
  return result;
}

describe('ONNX conformance cases', () => {
  it('of the fixture', { timeout: 120_000 }, () => {
    const cases = packedCases(here('../fixtures/onnx_node.bin.gz'));
    expect(cases.length).toBeGreaterThan(1400);
    const { wrong, otherwise, refused } = failures(cases);
    expect(wrong).toEqual([]);
    // Neither list may hide more than it did when it was written.
    expect(refused).toBeLessThan(260);
    expect(otherwise.length).toBeLessThan(20);
  });

  it('and docs/onnx.md lists every operator', () => {
    const page = readFileSync(here('../../docs/onnx.md'), 'utf8');
    const listed = [...page.matchAll(/^\| [^|]+ +\| (\w+(?:, \w+)*) +\|$/gm)].flatMap((row) => row[1]!.split(', '));
    const names = [...OPERATORS.keys(), 'Constant'].sort();
    expect(listed.sort()).toEqual(names);
    expect(page).toContain(`${names.length} operators of the domain`);
  });

  const archive = here('../../../shared/onnx-node/cases.tar.xz');
  it.runIf(existsSync(archive))('of the shared folder', { timeout: 120_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'tenfold-onnx-'));
    try {
      execFileSync('tar', ['xJf', archive, '-C', folder]);
      const index = JSON.parse(readFileSync(join(archive, '../index.json'), 'utf8')) as (Case & { tier: number })[];
      const tierOf = new Map(index.map(({ name, tier }) => [name, tier]));
      const { wrong, otherwise, refused } = failures(folderCases(folder, index));
      expect([...wrong, ...otherwise.filter((name) => tierOf.get(name) === 1)]).toEqual([]);
      expect(refused).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
