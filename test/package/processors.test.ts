/**
 * Older processors than this one: which kernels are chosen, and that no instruction is met that the processor lacks. Each
 * instruction set by name on this processor; models of processors by qemu, which refuses what the model hasn't. qemu 7.2
 * knows no AVX-512 and no AMX: the first runs here where the processor has it, the second is used by no kernel.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { everything, install, LEARNT, output, pack, platform, run } from './tarball.js';
import { tool } from './tools.js';

const wanted = everything && platform === 'linux-x64';
const flags = wanted ? readFileSync('/proc/cpuinfo', 'utf8') : '';
const emulator = 'qemu-x86_64-static';
const canEmulate = wanted && spawnSync(emulator, ['--version']).status === 0;

let project: string;
beforeAll(async () => {
  if (wanted) project = await install(await pack());
});

describe.runIf(wanted)('asked for by TENFOLD_TARGET', () => {
  test.each([
    ['avx512', /\bavx512bw\b/],
    ['avx2', /\bavx2\b/],
    ['sse4', /\bsse4_2\b/],
  ])('%s', async (target, needs) => {
    if (!needs.test(flags)) return;
    const env = { TENFOLD_TARGET: target };
    expect(await output(process.execPath, ['processor.cjs'], project, env)).toBe(`${target} ${LEARNT}`);
  });
});

describe.runIf(canEmulate)('on a model of a processor', () => {
  const onModel = async (model: string): ReturnType<typeof run> =>
    run(emulator, ['-cpu', model, await tool('node 20'), 'processor.cjs'], project);

  test.each([
    ['Westmere', 'sse4'], // 2010: SSE4.2, AES
    ['SandyBridge', 'sse4'], // 2011: AVX
    ['Opteron_G5', 'sse4'], // 2012: AVX, FMA4, XOP
    ['Haswell-noTSX', 'avx2'], // 2013
    ['EPYC', 'avx2'], // 2017
  ])('%s runs %s', async (model, target) => {
    const { stdout, signal } = await onModel(model);
    expect({ stdout, signal }).toEqual({ stdout: `${target} ${LEARNT}`, signal: null });
  });

  test.each(['core2duo', 'Nehalem'])('%s is refused', async (model) => {
    const { status, stderr } = await onModel(model);
    expect(status).toBe(1);
    expect(stderr).toContain('this processor lacks instructions that tenfold needs');
    expect(stderr).toContain('No binary for older processors exists.');
  });
});
