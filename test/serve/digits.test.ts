/** examples/digits: digits drawn in a browser are read by the network of npm start. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { manualSeed, nn, optim, save, utils, type Tensor } from '../../lib/index.js';
import { readDigits, varied } from '../../examples/mnist/digits.js';
import { network } from '../../examples/mnist/network.js';
import { Page, chromium } from './browser.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Weights of a network that has seen some of the digits: enough for one that is drawn plainly. */
function trained(folder: string): string {
  manualSeed(0);
  const model = network();
  const optimizer = new optim.Adam(model.parameters(), { lr: 2e-3 });
  let steps = 0;
  for (const [images, labels] of new utils.data.DataLoader(readDigits().train, { batchSize: 100, shuffle: true })) {
    optimizer.zeroGrad();
    nn.functional.crossEntropy(model.forward(varied(images)) as Tensor, labels).backward();
    optimizer.step();
    if (++steps === 80) break;
  }
  save(model.stateDict(), join(folder, 'digits.safetensors'));
  return join(folder, 'digits.safetensors');
}

async function started(weights: string): Promise<string> {
  const flags = ['--conditions=tenfold-source', '--import', 'tsx'];
  const child = spawn(process.execPath, [...flags, 'examples/digits.ts', weights], {
    cwd: root,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill());
  let said = '';
  for await (const text of child.stdout.setEncoding('utf8') as AsyncIterable<string>) {
    said += text;
    const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
    if (found) return found[0];
  }
  throw new Error(`examples/digits.ts ended: ${said}`);
}

it.skipIf(chromium === null)('a digit that is drawn is read, and cleared', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenfold-digits-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const page = await Page.open(await started(trained(folder)));
  await page.until("document.querySelectorAll('#shares li').length === 10");
  const [left, top] = await page.evaluate<[number, number]>(
    "(({ left, top }) => [left, top])(document.getElementById('paper').getBoundingClientRect())",
  );
  const mouse = (type: string, x: number, y: number): Promise<unknown> =>
    page.send('Input.dispatchMouseEvent', { type, x: left + x, y: top + y, button: 'left', buttons: 1, clickCount: 1 });
  const draw = async (points: (readonly [number, number])[]): Promise<void> => {
    await mouse('mousePressed', ...points[0]!);
    for (const point of points) await mouse('mouseMoved', ...point);
    await mouse('mouseReleased', ...points.at(-1)!);
  };
  const read = async (points: (readonly [number, number])[]): Promise<string> => {
    await page.evaluate("document.getElementById('clear').click()");
    expect(await page.evaluate("document.getElementById('answer').textContent")).toBe('');
    await draw(points);
    await page.until("document.getElementById('answer').textContent !== ''");
    return page.evaluate("document.getElementById('answer').textContent");
  };
  const line = (n: number, f: (t: number) => readonly [number, number]): (readonly [number, number])[] =>
    Array.from({ length: n }, (_, i) => f(i / (n - 1)));
  expect(await read(line(12, (t) => [145 - 10 * t, 60 + 160 * t]))).toBe('1');
  const ring = line(24, (t) => [140 - 55 * Math.sin(2 * Math.PI * t), 140 - 80 * Math.cos(2 * Math.PI * t)] as const);
  expect(await read(ring)).toBe('0');
  const seven = [
    ...line(8, (t) => [85 + 110 * t, 70] as const),
    ...line(12, (t) => [195 - 70 * t, 70 + 150 * t] as const),
  ];
  expect(await read(seven)).toBe('7');
  const shares = await page.evaluate<string[]>("[...document.querySelectorAll('#shares b')].map((b) => b.textContent)");
  expect(shares.every((share) => /^\d+\.\d %$/.test(share))).toBe(true);
});
