/** SummaryWriter: the events that TensorBoard has read (scripts/record/event_files.py), what survives a crash, refusals. */
import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inflateSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { nn, tensor, utils, zeros } from '../../lib/index.js';
import { crc32Portable } from '../../lib/serialization/checksum.js';
import { maskedCrc } from '../../lib/utils/tensorboard/events.js';
import { writeRun } from './written.js';

const { SummaryWriter } = utils.tensorboard;
const folder = fs.mkdtempSync(join(tmpdir(), 'tenfold-events-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));
const filesOf = (at: string): string[] =>
  fs
    .readdirSync(at, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.includes('tfevents'))
    .map((f) => join(at, f));

/** The records of a file; throws where a checksum is wrong or one is cut off. */
function records(path: string): Buffer[] {
  const file = fs.readFileSync(path);
  const found: Buffer[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(maskedCrc(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(data.length).toBe(length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(maskedCrc(data));
    found.push(data);
    at += 16 + length;
  }
  return found;
}

it('writes the bytes that TensorBoard has read', () => {
  writeRun(join(folder, 'all'));
  const recorded = JSON.parse(
    fs.readFileSync(fileURLToPath(new URL('../fixtures/tensorboard.json', import.meta.url)), 'utf8'),
  ) as { sha256: [string, string][] };
  const written = filesOf(join(folder, 'all'))
    .filter((f) => !dirname(f).endsWith('images'))
    .map((f) => [
      relative(join(folder, 'all'), dirname(f)),
      createHash('sha256').update(fs.readFileSync(f)).digest('hex'),
    ]);
  expect(written.sort((a, b) => (a.join() < b.join() ? -1 : 1))).toEqual(recorded.sha256);
});

it('images are PNG: their pixels come back', () => {
  const [, grey] = records(filesOf(join(folder, 'all', 'images'))[0]!);
  const png = grey!.subarray(grey!.indexOf('\x89PNG', 0, 'latin1'));
  const chunk = (type: string): Buffer => {
    const at = png.indexOf(type, 0, 'latin1');
    const data = png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4));
    expect(png.readUInt32BE(at + 4 + data.length)).toBe(crc32Portable(png.subarray(at, at + 4 + data.length)));
    return data;
  };
  expect([...chunk('IHDR')]).toEqual([0, 0, 0, 4, 0, 0, 0, 3, 8, 0, 0, 0, 0]);
  // Rows of 4, each behind the number of its filter; 255 × i / 11, cut off.
  const pixels = Array.from({ length: 12 }, (_, i) => Math.floor((255 * i) / 11));
  expect([...inflateSync(chunk('IDAT'))]).toEqual([0, 4, 8].flatMap((at) => [0, ...pixels.slice(at, at + 4)]));
});

it('CRC-32C, masked, as TensorFlow documents it', () => {
  // CRC-32C of '123456789' is e3069283.
  const crc = 0xe3069283;
  expect(maskedCrc(Buffer.from('123456789'))).toBe((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
});

describe('what is on disk', () => {
  it('events are written when there are maxQueue of them, at flush() and at close()', () => {
    const writer = new SummaryWriter(join(folder, 'queue'), { maxQueue: 4 });
    const [path] = filesOf(writer.logDir);
    const count = (): number => records(path!).length;
    expect(count()).toBe(1);
    for (let i = 0; i < 3; i++) writer.addScalar('a', i, i);
    expect(count()).toBe(1);
    writer.addScalar('a', 3, 3);
    expect(count()).toBe(5);
    writer.addScalar('a', 4, 4);
    writer.flush();
    expect(count()).toBe(6);
    writer.addText('t', 'text');
    writer.close();
    writer.close();
    expect(count()).toBe(7);
    expect(() => writer.addScalar('a', 1)).toThrow('SummaryWriter: it is closed');
  });

  it('a process that ends without close() loses nothing; one that is killed leaves whole records', async () => {
    const library = JSON.stringify(new URL('../../lib/index.ts', import.meta.url).href);
    const run = (at: string, end: string): Promise<unknown> =>
      promisify(execFile)(
        process.execPath,
        [
          '--import',
          'tsx',
          '--input-type=module',
          '-e',
          `import { utils } from ${library};
         const w = new utils.tensorboard.SummaryWriter(${JSON.stringify(join(folder, at))});
         for (let i = 0; i < 25; i++) w.addScalar('a', i, i);
         ${end}`,
        ],
        { cwd: fileURLToPath(new URL('../..', import.meta.url)) },
      );
    await run('ended', '');
    expect(records(filesOf(join(folder, 'ended'))[0]!).length).toBe(26);
    await run('killed', "process.kill(process.pid, 'SIGKILL')").catch(() => {});
    expect(records(filesOf(join(folder, 'killed'))[0]!).length).toBeGreaterThanOrEqual(20);
  }, 60_000);
});

describe('what is refused', () => {
  const writer = new SummaryWriter(join(folder, 'refused'));
  afterAll(() => writer.close());
  it.each<[string, () => void, string]>([
    [
      'a scalar of two',
      () => writer.addScalar('a', zeros(2)),
      'addScalar: expected a number or a tensor of one element',
    ],
    ['no tag', () => writer.addScalar('', 1), "addScalar: the tag must be a string, got ''"],
    ['half a step', () => writer.addScalar('a', 1, 0.5), 'addScalar: globalStep must be an integer, got 0.5'],
    ['no values', () => writer.addHistogram('a', []), 'addHistogram: there are no values'],
    ['NaN', () => writer.addHistogram('a', [1, NaN]), 'addHistogram: the values must be finite, got NaN'],
    [
      'bins',
      () => writer.addHistogram('a', [1], null, [3, 1]),
      "addHistogram: bins must be 'tensorflow', a number of bins or",
    ],
    ['no image', () => writer.addImage('a', zeros(2)), "an image of dims CHW can't have shape [2]"],
    ['dims', () => writer.addImage('a', zeros(1, 2, 2), null, null, 'WHX'), 'dataformats must be one of CHW, HWC, HW'],
    ['channels', () => writer.addImage('a', zeros(5, 2, 2)), 'an image has 1 to 4 channels, got shape [5,2,2]'],
    ['a text', () => writer.addText('a', 7 as unknown as string), 'addText: expected a string, got 7'],
    ['no module', () => writer.addGraph({} as nn.Module, tensor(1)), 'addGraph: expected a module'],
    [
      'no input',
      () => writer.addGraph(new nn.Linear(1, 1), null),
      'addGraph: the module is run once, so it needs an input',
    ],
    [
      'hparams',
      () => writer.addHparams({ a: [1] as unknown as number }, {}),
      'addHparams: a must be a number, a string or a boolean',
    ],
    [
      'metrics',
      () => writer.addHparams({}, [] as unknown as Record<string, number>),
      'addHparams: metricDict must be an object',
    ],
    ['an option', () => new SummaryWriter('x', { maxqueue: 1 } as object), "SummaryWriter: unknown option 'maxqueue'"],
    ['maxQueue', () => new SummaryWriter('x', { maxQueue: 0 }), 'SummaryWriter: maxQueue must be positive, got 0'],
    [
      'a folder that is a file',
      () => new SummaryWriter(fileURLToPath(import.meta.url)),
      'SummaryWriter: could not write',
    ],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(message);
  });
});
