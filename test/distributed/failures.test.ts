/** What goes wrong between processes: which error it gives, and after what time. */
import { afterEach, expect, it } from 'vitest';
import { distributed, end, meeting, Rank, start } from './processes.js';

interface Outcome {
  error: string;
  code?: string;
  ms: number;
}

const ranks: Rank[] = [];
afterEach(() => end(ranks.splice(0)));

async function ready(env: Record<string, string> = {}): Promise<Rank[]> {
  ranks.push(...start('failures', 3, env));
  const started = ranks.slice(-3);
  for (const rank of started) expect(await rank.next()).toBe('ready');
  return started;
}
/** Tells ranks to do something; they have begun when this is over. */
async function begin(on: readonly Rank[], line: string): Promise<void> {
  for (const rank of on) rank.say(line);
  for (const rank of on) expect(await rank.next()).toBe(line.split(' ')[0]);
}
const outcomes = (of: readonly Rank[]): Promise<Outcome[]> => Promise.all(of.map((rank) => rank.next<Outcome>()));
async function tell(on: readonly Rank[], line: string): Promise<Outcome[]> {
  await begin(on, line);
  return outcomes(on);
}
async function fine(on: readonly Rank[], line: string): Promise<void> {
  for (const { error } of await tell(on, line)) expect(error).toBe('');
}
/** Errors of all, which came in time. */
function errors(list: readonly Outcome[], within = 5000): string[] {
  for (const { ms, code } of list) {
    expect(code).toBe('distributed');
    expect(ms).toBeLessThan(within);
  }
  return list.map(({ error }) => error);
}

// Half a minute on a busy machine, of which most is for twelve processes to start.
distributed('failures', { timeout: 240_000 }, () => {
  it('a killed rank, a stopped one, one that is asked to end', async () => {
    const all = await ready();
    const [, , last] = all as [Rank, Rank, Rank];
    const rest = all.slice(0, 2);

    // A stopped process is found by the time that it takes; what its group says later is the same.
    last.child.kill('SIGSTOP');
    const late = errors(await tell(rest, 'call 1500'));
    for (const error of late)
      expect(error).toMatch(/^allReduce: (timed out after 1500 ms|rank \d closed the connection)/);
    expect(late.join()).toContain('timed out after 1500 ms');
    for (const error of errors(await tell(rest, 'call 1500'), 1000))
      expect(error).toMatch(/^allReduce: the group '1' failed before: allReduce: (timed out|rank)/);
    last.child.kill('SIGCONT');
    await fine(all, 'prepare');

    last.child.kill('SIGSTOP');
    const [first] = errors(await tell(rest.slice(0, 1), 'barrier 1500'));
    expect(first).toMatch(/^monitoredBarrier: ranks 1 and 2 didn't reach the barrier within 1500 ms/);
    last.child.kill('SIGCONT');
    await fine(all, 'prepare');

    // SIGTERM ends a rank that waits for others, and they hear of it at once.
    await begin([last], 'recv 60000');
    last.child.kill('SIGTERM');
    expect(await last.ended).toEqual({ code: null, signal: 'SIGTERM' });
    for (const error of errors(await tell(rest, 'call 60000')))
      expect(error).toMatch(/^allReduce: ranks? [012]( and \d)? closed the connection/);

    // Those that are left make a group of their own.
    await fine(rest, `again ${meeting()} 2`);
    for (const rank of rest) rank.say('end');
    for (const rank of rest) expect(await rank.ended).toEqual({ code: 0, signal: null });
  });

  it('a rank that is killed while the others wait for it', async () => {
    const all = await ready();
    const [, , last] = all as [Rank, Rank, Rank];
    const rest = all.slice(0, 2);
    await begin(rest, 'big 60000');
    const killed = performance.now();
    last.child.kill('SIGKILL');
    const told = await outcomes(rest);
    expect(performance.now() - killed).toBeLessThan(5000);
    expect(told.map(({ error }) => error).join()).toMatch(/allReduce: rank 2 closed the connection/);
    for (const { error } of told) expect(error).toMatch(/^allReduce: ranks? \d( and \d)? closed the connection/);
    await fine(rest, `again ${meeting()} 2`);
  });

  it('different calls are found before they harm, with TENFOLD_DISTRIBUTED_DEBUG=detail; a store that is gone', async () => {
    const server = new Rank('store');
    ranks.push(server);
    const port = await server.next<number>();
    const all = await ready({ TENFOLD_DISTRIBUTED_DEBUG: 'detail', STORE_PORT: String(port) });

    const texts: [act: string, pattern: RegExp][] = [
      [
        'ops',
        /^(allReduce|broadcast): the ranks call different things: rank 0: allReduce float32 \[3\] sum; rank 1: broadcast float32 \[3\] from 0/,
      ],
      [
        'sizes',
        /rank 0: allReduce float32 \[3\] sum; rank 1: allReduce float32 \[4\] sum; rank 2: allReduce float32 \[5\] sum$/,
      ],
      ['dtypes', /rank 0: allReduce float32 \[3\] sum; rank 1: allReduce int32 \[3\] sum/],
      ['reductions', /rank 0: allReduce float32 \[3\] sum; rank 1: allReduce float32 \[3\] max/],
    ];
    for (const [act, pattern] of texts) {
      const told = errors(await tell(all, act));
      expect(told[0]).toMatch(pattern);
      for (const error of told) expect(error).toContain('the ranks call different things');
      await fine(all, 'prepare');
    }
    const [sent, received] = await tell(all, 'messages');
    expect(received!.error).toBe('recv: rank 0 sent float32 [3] and this rank receives float64 [3]');
    expect(sent!.error).toMatch(/^send: rank 1 closed the connection/);
    await fine(all, 'prepare');

    // Who doesn't come is named.
    all[2]!.child.kill('SIGSTOP');
    const late = await tell(all.slice(0, 2), 'call 1500');
    expect(late.map(({ error }) => error).join()).toMatch(
      /allReduce: rank 2 didn't call it within 1500 ms \(this rank: allReduce float32 \[1000\] sum\)/,
    );
    all[2]!.child.kill('SIGCONT');
    await fine(all, 'prepare');

    // Groups that there are don't need the store; new ones do.
    server.child.kill('SIGKILL');
    await server.ended;
    await fine(all, 'call 10000');
    for (const error of errors(await tell(all, 'group 3000')))
      expect(error).toMatch(/^newGroup: ranks don't connect: .*the store at .* is gone/);
    await fine(all, 'call 10000');
  });
});
