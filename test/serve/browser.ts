/** A headless Chromium for tests, driven over a pipe by the DevTools protocol; no package needed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { onTestFinished } from 'vitest';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Where Chromium is; null where there is none. */
export const chromium: string | null =
  (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find((file) => existsSync(file)) ?? null;
if (chromium === null) console.log('no Chromium on the PATH: the pages are not tested in a browser');

interface Reply {
  id?: number;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** A page that is open. */
export class Page {
  private nextId = 1;
  private rest = '';
  private readonly waiting = new Map<number, (reply: Reply) => void>();
  private session: string | undefined;
  private constructor(private readonly process: ChildProcess) {
    (process.stdio[4] as Readable).setEncoding('utf8').on('data', (text: string) => {
      const pieces = (this.rest + text).split('\0');
      this.rest = pieces.pop()!;
      for (const piece of pieces) {
        const reply = JSON.parse(piece) as Reply;
        if (reply.id !== undefined) this.waiting.get(reply.id)?.(reply);
      }
    });
  }

  /** Opens an address; the browser ends with the test. `dark`: as a user who likes dark pages. */
  static async open(url: string, dark = false): Promise<Page> {
    const folder = mkdtempSync(join(tmpdir(), 'tenfold-browser-'));
    const args = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--remote-debugging-pipe', `--user-data-dir=${folder}`]; // prettier-ignore
    const child = spawn(chromium!, args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    const closed = new Promise((resolve) => child.on('exit', resolve));
    onTestFinished(async () => {
      child.kill();
      await closed;
      try {
        rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
      } catch (error) {
        // Its helpers may outlive it, and still write there.
        if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
      }
    });
    const page = new Page(child);
    const { targetId } = await page.send('Target.createTarget', { url: 'about:blank' });
    page.session = (await page.send('Target.attachToTarget', { targetId, flatten: true })).sessionId as string;
    const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
    await page.send('Emulation.setEmulatedMedia', { features });
    await page.send('Page.navigate', { url });
    return page;
  }

  async send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = this.nextId++;
    const reply = await new Promise<Reply>((resolve) => {
      this.waiting.set(id, resolve);
      const message = { id, method, params, ...(this.session === undefined ? {} : { sessionId: this.session }) };
      (this.process.stdio[3] as Writable).write(JSON.stringify(message) + '\0');
    });
    this.waiting.delete(id);
    if (reply.error) throw new Error(`${method}: ${reply.error.message}`);
    return reply.result!;
  }

  /** The value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })) as { result: { value: T }; exceptionDetails?: { exception?: { description: string } } };
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? expression);
    return result.value;
  }
  /** Waits until an expression is true in the page. */
  async until(expression: string): Promise<void> {
    while (!(await this.evaluate<boolean>(`!!(${expression})`).catch(() => false)))
      await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
