/**
 * What the launchers of several machines tell each other, through a store that machine 0 keeps at the rendezvous: where the ranks of an
 * attempt meet, that one has failed, that all are done.
 */
import { StoreClient, StoreError } from '../stores/protocol/client.js';
import { StoreServer } from '../stores/protocol/server.js';
import { Command, Writer, readBytes, readInt64 } from '../stores/protocol/wire.js';

/** How long machines wait for each other at the beginning: they are rarely started at the same moment. */
const MEET_MS = 15 * 60_000;
const ANSWER_MS = 60_000;

/** The other machines, as this one sees them. */
export interface Machines {
  /** Tells all where the ranks of an attempt meet (machine 0), or hears it. */
  meet(attempt: number, port: number | null): Promise<number>;
  /** Says that a rank here has failed: "rank 3 ended with code 1". */
  failed(attempt: number, how: string): Promise<void>;
  /** Resolves when a rank on any machine has failed. */
  failure(attempt: number): Promise<string>;
  /** Says that all ranks here ended well, and waits for the others; machine 0 must outlive them. */
  done(attempt: number): Promise<void>;
  close(): void;
}

/** One machine alone has nobody to tell. */
export const alone: Machines = {
  meet: (_, port) => Promise.resolve(port!),
  failed: () => Promise.resolve(),
  failure: () => new Promise(() => {}),
  done: () => Promise.resolve(),
  close: () => {},
};

/** @throws StoreError where machine 0 isn't found. */
export async function meetMachines(host: string, port: number, machine: number, count: number): Promise<Machines> {
  const server = machine === 0 ? await StoreServer.listen({ host, port }) : null;
  const client = await StoreClient.connect(host, port, MEET_MS);
  const key = (attempt: number, what: string): string => `attempt ${attempt} ${what}`;
  const set = (name: string, value: string): void =>
    client.send(new Writer().byte(Command.SET).key(name).bytes(Buffer.from(value)).end());
  const add = (name: string): Promise<bigint> =>
    client.request(new Writer().byte(Command.ADD).key(name).int64(1).end(), readInt64, ANSWER_MS);
  const get = (name: string, timeout: number): Promise<string> =>
    client.beside(async (connection) => {
      if (!(await connection.wait(new Writer().byte(Command.WAIT).keys([name]).end(), timeout)))
        throw new StoreError(`the other machines didn't come within ${timeout / 60_000} minutes`);
      const request = new Writer().byte(Command.GET).key(name).end();
      return (await connection.request(request, () => readBytes(), ANSWER_MS)).toString();
    });
  return {
    async meet(attempt, own) {
      if (own !== null) set(key(attempt, 'port'), String(own));
      if (Number(await add(key(attempt, 'here'))) >= count) set(key(attempt, 'all here'), '');
      await get(key(attempt, 'all here'), MEET_MS);
      return Number(await get(key(attempt, 'port'), MEET_MS));
    },

    async failed(attempt, how) {
      set(key(attempt, 'failed'), how);
    },
    failure: (attempt) => get(key(attempt, 'failed'), Infinity),
    async done(attempt) {
      if (Number(await add(key(attempt, 'done'))) >= count) set(key(attempt, 'all done'), '');
      await get(key(attempt, 'all done'), Infinity);
      // Machine 0 keeps the store: it goes last, when the others have heard that all are done.
      if (machine !== 0) await add(key(attempt, 'gone'));
      while (machine === 0 && Number(await add(key(attempt, 'asked'))) > 0) {
        const request = new Writer().byte(Command.ADD).key(key(attempt, 'gone')).int64(0).end();
        if (Number(await client.request(request, readInt64, ANSWER_MS)) >= count - 1) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    close() {
      client.close();
      server?.close();
    },
  };
}
