/** What a call is refused for before anything is exchanged, in a group of one; which address is listened on; what loading says. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import * as dist from '../../lib/distributed/index.js';
import { chosenAddress, listenAddress } from '../../lib/distributed/interfaces.js';
import { here } from '../../lib/native/host.js';
import { loadDistributed } from '../../lib/native/distributed.js';
import { distributed } from './processes.js';

const { ReduceOp, HashStore } = dist;
const calling = (act: (...args: never[]) => unknown, ...args: unknown[]) => {
  return (): unknown => act(...(args as never[]));
};
const one = (): tf.Tensor => tf.ones(3);

describe('loading', () => {
  it('says what to install where it is not built', () => {
    expect(() => loadDistributed({ ...here, root: '/nowhere' })).toThrow(
      /^tenfold\/distributed: its native part isn't built here \(there is no \/nowhere\/build\/Release\/tenfold_distributed.node\).*apt-get install -y libgloo-dev.*npx tenfold build-distributed/,
    );
  });
  it('refuses other systems', () => {
    expect(() => loadDistributed({ ...here, platform: 'darwin' })).toThrow(/it runs on Linux only.*this is darwin-/);
  });
  it('says that Gloo is missing where the library does not load', () => {
    const load = (): never => {
      throw new Error('libgloo.so.0: cannot open shared object file: No such file or directory');
    };
    expect(() => loadDistributed({ ...here, platform: 'linux', load }, process.execPath)).toThrow(
      /doesn't load: libgloo.so.0: cannot open.*libgloo.so.0 is in Debian's libgloo0/,
    );
  });
});

describe('the address that a rank listens on', () => {
  const machine = [
    { name: 'lo', ip: '127.0.0.1' },
    { name: 'docker0', ip: '172.17.0.1' },
    { name: 'eth0', ip: '10.1.2.3' },
    { name: 'eth0', ip: '2001:db8::5' },
    { name: 'ib0', ip: '192.168.7.9' },
  ];
  it.each([
    ['eth0', '10.1.2.3'],
    ['=ib0', '192.168.7.9'],
    [' nothing , ib0', '192.168.7.9'],
    ['2001:db8::5', '2001:db8::5'],
    ['192.168.7.9', '192.168.7.9'],
    ['10.0.0.0/8', '10.1.2.3'],
    ['2001:db8::/32', '2001:db8::5'],
    ['^lo,docker', '10.1.2.3'],
  ])('GLOO_SOCKET_IFNAME=%s', (wanted, address) => expect(chosenAddress('call', wanted, machine)).toBe(address));
  it.each(['eth1', '10.9.9.9', '172.18.0.0/16', '^lo,docker,eth,ib', 'eth'])('%s is not there', (wanted) =>
    expect(() => chosenAddress('call', wanted, machine)).toThrow(
      /^call: GLOO_SOCKET_IFNAME is '.*': .*; this machine has the interfaces lo, docker0, eth0, ib0$/,
    ),
  );
  it('is loopback unless the ranks meet elsewhere', () => {
    const store = new HashStore();
    for (const MASTER_ADDR of ['localhost', '127.0.0.1', '127.4.5.6', '', undefined])
      expect(listenAddress('call', store, { MASTER_ADDR })).toBe('127.0.0.1');
    expect(listenAddress('call', store, { MASTER_ADDR: '::1' })).toBe('::1');
    expect(listenAddress('call', store, { MASTER_ADDR: '10.9.9.9', GLOO_SOCKET_IFNAME: 'lo' })).toBe('127.0.0.1');
  });
});

distributed('refusals', () => {
  it('before there is a group', () => {
    expect(dist.isAvailable()).toBe(true);
    expect(dist.isInitialized()).toBe(false);
    expect(calling(dist.allReduce, one())).toThrow(
      'allReduce: there is no process group; call initProcessGroup() first',
    );
    expect(calling(dist.getRank)).toThrow(/^getRank: there is no process group/);
    expect(calling(dist.destroyProcessGroup)).toThrow(/^destroyProcessGroup: there is no process group/);
  });

  const init = dist.initProcessGroup as (...args: unknown[]) => void;
  it.each<[unknown[], RegExp]>([
    [['nccl'], /^initProcessGroup: backend must be 'gloo', the one that there is here, got 'nccl'/],
    [['gloo', 'tcp://127.0.0.1:1'], /^initProcessGroup: with tcp:\/\/, 'rank' and 'worldSize' must be given/],
    [['gloo', 'tcp://127.0.0.1', { rank: 0, worldSize: 1 }], /must name a host and a port/],
    [['gloo', 'file:///', { rank: 0, worldSize: 1 }], /names no file/],
    [['gloo', 'udp://a:1', { rank: 0, worldSize: 1 }], /initMethod must be env:\/\/, tcp:\/\/ or file:\/\//],
    [['gloo', 'somewhere', {}], /initMethod must be an address such as 'env:\/\/'/],
    [['gloo', 'tcp://127.0.0.1:1?rank=x&world_size=2'], /rank must be a number, got 'x'/],
    [[{ rank: 2, worldSize: 2, store: new HashStore() }], /rank must be below worldSize, got rank 2 of 2/],
    [[{ store: new HashStore() }], /with a store, 'rank' and 'worldSize' must be given/],
    [[{ store: {}, rank: 0, worldSize: 1 }], /store must be a store/],
    [[{ store: new HashStore(), initMethod: 'env://' }], /initMethod and store say the same thing/],
    [[{ timeout: 0 }], /timeout must be from 1 to/],
    [[{ timeout: NaN }], /timeout must be from 1 to/],
    [[{ worldsize: 2 }], /unknown option 'worldsize', did you mean 'worldSize'/],
  ])('initProcessGroup %#', (args, message) => {
    expect(() => init(...args)).toThrow(message);
    expect(dist.isInitialized()).toBe(false);
  });
  it('env:// names what is missing', () => {
    const { RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT } = process.env;
    for (const name of ['RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT']) delete process.env[name];
    process.env.RANK = '0';
    try {
      expect(() => init()).toThrow(
        /^initProcessGroup: env:\/\/ needs WORLD_SIZE, MASTER_ADDR, MASTER_PORT in the environment; 'npx tenfold-run -n 2/,
      );
    } finally {
      for (const [name, value] of Object.entries({ RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT }))
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
    }
  });

  describe('in a group', () => {
    beforeAll(() => dist.initProcessGroup({ store: new HashStore(), rank: 0, worldSize: 1 }));
    afterAll(() => dist.destroyProcessGroup());

    it.each<[string, () => unknown, RegExp]>([
      ['a second one', () => dist.initProcessGroup(), /^initProcessGroup: it was called before/],
      ['no tensor', calling(dist.allReduce, [1, 2]), /^allReduce: 'tensor' must be a tensor, got \[1, 2\]/],
      ['an unknown option', calling(dist.allReduce, one(), { asyncOP: true }), /unknown option 'asyncOP'/],
      ['an unknown operation', calling(dist.allReduce, one(), 'mean'), /op must be one of sum, avg, product/],
      ['an average of integers', () => dist.allReduce(tf.arange(3), ReduceOp.AVG), /an average of int64/],
      ['bits of floats', () => dist.allReduce(one(), ReduceOp.BXOR), /op 'bxor' is for bits of integers/],
      ['another group', calling(dist.allReduce, one(), 'sum', 'x'), /group must be a ProcessGroup, got 'x'/],
      ['a rank that is not there', () => dist.broadcast(one(), 1), /src: the group has no rank 1: \[0\]/],
      ['no rank', () => dist.broadcast(one()), /src or groupSrc must name a rank/],
      ['two ranks', () => dist.broadcast(one(), 0, { groupSrc: 0 }), /src and groupSrc name the same rank/],
      ['an expanded tensor', () => dist.allReduce(tf.ones(1).expand(3)), /are the same memory/],
      ['a list too long', () => dist.allGather([one(), one()], one()), /tensorList must have a tensor for each of 1/],
      ['another shape', () => dist.allGather([tf.ones(2)], one()), /tensorList\[0\] has the shape \[2\]/],
      ['another dtype', () => dist.allGather([tf.arange(3)], one()), /tensorList\[0\] is int64/],
      ['no list', () => dist.gather(one()), /gatherList must be given on the rank that gathers/],
      ['uneven pieces', () => dist.allToAllSingle(one(), one(), [2], [3]), /outputSplitSizes must be 1 sizes that add/],
      ['another size', () => dist.allGatherIntoTensor(tf.ones(2), one()), /got \[2\]/],
      ['oneself', () => dist.send(one(), 0), /a rank can't exchange messages with itself/],
      ['a timeout', () => dist.allReduce(one(), { timeout: -1 }), /timeout must be from 1 to/],
      ['a function', () => dist.allGatherObject([null], () => 1), /^allGatherObject: a function can't be sent/],
      ['no list of objects', calling(dist.broadcastObjectList, 3, 0), /objectList must be a list, got 3/],
      ['ranks twice', () => dist.newGroup([0, 0]), /a rank is in the list twice/],
      ['ranks beyond', () => dist.newGroup([1]), /there is no rank 1: the default group has 1/],
      ['messages', calling(dist.batchIsendIrecv, [1]), /expected a list of P2POp/],
      ['too many arguments', calling(dist.barrier, null, false, null, 1, 2), /takes at most 4 arguments/],
    ])('%s', (_, act, message) => expect(act).toThrow(message));

    it('a tensor that is gone, before and meanwhile', async () => {
      const gone = one();
      gone.dispose();
      expect(() => dist.allReduce(gone)).toThrow(/^allReduce: tensor used after it was freed/);
      const memory = new Float32Array(4);
      const work = dist.allReduce(tf.fromTypedArray(memory), { asyncOp: true })!;
      structuredClone(memory, { transfer: [memory.buffer] });
      await expect(work).rejects.toThrow(/^allReduce: tensor used after its ArrayBuffer was taken away/);
    });

    it('in a compiled function', () => {
      const step = tf.compile((x: tf.Tensor) => {
        dist.allReduce(x);
        return x.mul(2);
      });
      expect(() => step(one())).toThrow(/allReduce.*other processes take part in it/);
    });

    it('a loop that never awaits keeps the memory of no call', () => {
      const before = process.memoryUsage.rss();
      for (let i = 0; i < 1000; i++) dist.allReduce(tf.ones(250_000)); // a gigabyte
      expect(process.memoryUsage.rss() - before).toBeLessThan(400e6);
    });

    it('a group that is over', () => {
      const group = dist.newGroup();
      dist.destroyProcessGroup(group);
      expect(() => dist.allReduce(one(), { group: group as dist.ProcessGroup })).toThrow(/was destroyed/);
      expect(() => dist.destroyProcessGroup(group)).toThrow(/has been destroyed already/);
    });

    it('an empty scope frees what is in use later', async () => {
      let work: dist.Work | null = null;
      tf.tidy(() => {
        work = dist.allReduce(tf.ones(100_000), { asyncOp: true });
      });
      expect(await work!).toBe(undefined);
    });
  });
});
