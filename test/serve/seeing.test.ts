/** Metrics, and the status page in a browser. */
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../lib/index.js';
import type { ModelDefinition, Values } from '../../lib/serve/index.js';
import { Page, chromium } from './browser.js';
import { ask, infer, start } from './client.js';

const spec = { dtype: 'float32', shape: [-1, 2] } as const;
const double: ModelDefinition = {
  model: ({ x }: Values) => ({ y: (x as Tensor).mul(2) }),
  inputs: [{ name: 'x', ...spec }],
  outputs: [{ name: 'y', ...spec }],
};
const body = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] };

describe('metrics', () => {
  it('count requests, failures, times and batches', async () => {
    const server = await start({ models: { m: double } });
    await infer(server, 'm', body);
    await Promise.all([infer(server, 'm', body), infer(server, 'm', {})]);
    const { headers, body: bytes } = await ask(server, '/metrics');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = bytes.toString();
    const value = (line: string): number =>
      Number(
        text
          .split('\n')
          .find((l) => l.startsWith(line + ' '))
          ?.split(' ')[1],
      );
    const of = 'model="m",version="1"';
    expect(value(`tenfold_requests_total{${of},status="200"}`)).toBe(2);
    expect(value(`tenfold_requests_total{${of},status="400"}`)).toBe(1);
    expect(value(`tenfold_request_failures_total{${of}}`)).toBe(1);
    expect(value(`tenfold_rows_total{${of}}`)).toBe(2);
    expect(value(`tenfold_request_duration_seconds_count{${of}}`)).toBe(2);
    expect(value(`tenfold_queue_duration_seconds_bucket{${of},le="+Inf"}`)).toBe(2);
    expect(value(`tenfold_batch_rows_bucket{${of},le="1"}`)).toBe(2);
    expect(value(`tenfold_compute_duration_seconds_sum{${of}}`)).toBeGreaterThan(0);
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    expect(value('tenfold_event_loop_delay_seconds{quantile="0.99"}')).toBeGreaterThanOrEqual(0);
    // Each line is a comment or a sample, and buckets only rise.
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? [-+.\dena]+)$/i);
    const buckets = [...text.matchAll(/^tenfold_request_duration_seconds_bucket\{.*\} (\d+)$/gm)].map((m) =>
      Number(m[1]),
    );
    expect(buckets).toEqual([...buckets].sort((a, b) => a - b));
  });
  it('can be switched off, as the page can', async () => {
    const server = await start({ models: { m: double }, metrics: false, statusPage: false });
    for (const path of ['/metrics', '/', '/status.json']) expect((await ask(server, path)).status).toBe(404);
  });
});

describe('the status page', () => {
  it('has what it shows as data', async () => {
    const server = await start({ models: { m: double }, name: 'mine' });
    await infer(server, 'm', body);
    const { json } = await ask(server, '/status.json');
    expect(json).toMatchObject({ name: 'mine', ready: true });
    expect(json.models[0]).toMatchObject({ name: 'm', version: '1', state: 'READY', succeeded: 1, failed: 0, batches: 1, maxBatchSize: 32 }); // prettier-ignore
    const page = await ask(server, '/');
    expect(page.headers['content-security-policy']).toMatch(/script-src 'sha256-/);
    expect(page.body.toString()).not.toMatch(/https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
  });

  it.skipIf(chromium === null)('shows models, and asks one, in a browser', async () => {
    const server = await start({ models: { 'my-model': double } });
    const page = await Page.open(server.url);
    await page.until("document.querySelector('article h2')?.textContent === 'my-model'");
    expect(await page.evaluate("document.getElementById('ready').textContent")).toBe('ready');
    const request = await page.evaluate<string>("document.getElementById('request').value");
    expect(JSON.parse(request)).toEqual({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [0, 0] }] });
    await page.evaluate(`document.getElementById('request').value = ${JSON.stringify(JSON.stringify(body))}`);
    await page.evaluate("document.querySelector('#ask button').click()");
    await page.until("document.getElementById('answer').textContent.startsWith('200 in ')");
    expect(await page.evaluate("document.getElementById('answer').textContent")).toContain('"data":[2,4]');
    await page.until("[...document.querySelectorAll('dd')][5].textContent === '1'"); // answered
    const light = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const dark = await Page.open(server.url, true);
    await dark.until("document.querySelector('article h2')");
    expect(light).toBe('rgb(251, 251, 250)');
    expect(await dark.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(22, 24, 26)');
  });

  it.skipIf(chromium === null)('asks for the token where there is one', async () => {
    const server = await start({ models: { m: double }, token: 'secret' });
    const page = await Page.open(server.url);
    await page.until("!document.getElementById('login').hidden");
    expect(await page.evaluate("document.querySelectorAll('article').length")).toBe(0);
    await page.evaluate("document.getElementById('token').value = 'secret'");
    await page.evaluate("document.querySelector('#login button').click()");
    await page.until("document.querySelector('article h2')?.textContent === 'm'");
  });
});
