/**
 * Times and memory of load() and save() beside PyTorch's and NumPy's on the same files of about 1 GB, one fresh process a
 * trial, interleaved; files from the system's cache.
 *
 *     PYTHON=python3 node --import tsx bench/files.ts [MB]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load, loadAsync, rand, save, type Tensor } from '../lib/index.js';

const self = fileURLToPath(import.meta.url);
const [, , first, path] = process.argv;
const TRIALS = 5;

if (first === 'load' || first === 'loadAsync' || first === 'unchecked') {
  // resourceUsage().maxRSS is in KB.
  const base = process.memoryUsage().rss / 2 ** 20;
  const start = performance.now();
  const value = first === 'loadAsync' ? await loadAsync(path!) : load(path!, { checksums: first !== 'unchecked' });
  const ms = performance.now() - start;
  const kept = Object.keys(value).length;
  console.log(`${ms.toFixed(0)} ${(process.resourceUsage().maxRSS / 1024 - base).toFixed(0)} ${kept}`);
} else {
  const folder = mkdtempSync(join(tmpdir(), 'tenfold-bench-'));
  try {
    const mb = Number(first ?? 1024);
    const tensors: Record<string, Tensor> = {};
    for (let i = 0; i < 64; i++) tensors[`layer.${i}.weight`] = rand(mb * 64, 64);
    for (const name of ['m.pt', 'm.safetensors', 'm.npz']) {
      const start = performance.now();
      save(tensors, join(folder, name));
      console.log(`save ${name}: ${(performance.now() - start).toFixed(0)} ms`);
    }
    const python = process.env.PYTHON ?? 'python3';
    const script = self.replace(/files\.ts$/, 'files.py');
    const ours = (how: string, name: string) => () =>
      execFileSync(process.execPath, ['--import', 'tsx', self, how, join(folder, name)], { encoding: 'utf8' });
    const theirs =
      (name: string, ...more: string[]) =>
      () =>
        execFileSync(python, [script, join(folder, name), ...more], { encoding: 'utf8' });
    const ways: [string, () => string][] = [
      ['pt', ours('load', 'm.pt')],
      ['pt, async', ours('loadAsync', 'm.pt')],
      ['pt, checksums: false', ours('unchecked', 'm.pt')],
      ['pt, torch.load', theirs('m.pt')],
      ['safetensors', ours('load', 'm.safetensors')],
      ['npz', ours('load', 'm.npz')],
      ['npz, numpy.load', theirs('m.npz')],
    ];
    const seen = new Map<string, { ms: number[]; mb: number[] }>(ways.map(([name]) => [name, { ms: [], mb: [] }]));
    for (let trial = 0; trial < TRIALS; trial++) {
      for (const [name, run] of ways) {
        const [ms, peak] = run().trim().split(' ').map(Number);
        seen.get(name)!.ms.push(ms!);
        seen.get(name)!.mb.push(peak!);
      }
    }
    const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1]!;
    for (const [name, { ms, mb: peaks }] of seen)
      console.log(
        `${name.padEnd(22)} ${String(median(ms)).padStart(6)} ms, ${String(median(peaks)).padStart(5)} MB at the peak`,
      );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
