/** Passes bytes on between a client and a server, on a thread (stores block theirs), and keeps what was said. */
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';

const CODE = `
const net = require('node:net');
const { workerData: { to, port, signal } } = require('node:worker_threads');
const tell = (value) => (port.postMessage(value), Atomics.add(signal, 0, 1), Atomics.notify(signal, 0));
const log = [];
const server = net.createServer((client) => {
  const upstream = net.connect(to, '127.0.0.1');
  client.on('data', (b) => (log.push(['>', b.toString('hex')]), upstream.write(b)));
  upstream.on('data', (b) => (log.push(['<', b.toString('hex')]), client.write(b)));
  for (const [a, b] of [[client, upstream], [upstream, client]]) a.on('close', () => b.destroy()).on('error', () => {});
});
server.listen(0, '127.0.0.1', () => tell(server.address().port));
port.on('message', () => tell(log.splice(0)));
`;

export class Relay {
  private readonly channel = new MessageChannel();
  private readonly signal = new Int32Array(new SharedArrayBuffer(4));
  private readonly worker: Worker;
  readonly port: number;
  constructor(to: number) {
    const { port1, port2 } = this.channel;
    this.worker = new Worker(CODE, {
      eval: true,
      workerData: { to, port: port2, signal: this.signal },
      transferList: [port2],
    });
    port1.unref();
    this.port = this.next() as number;
  }
  private next(): unknown {
    for (;;) {
      const seen = Atomics.load(this.signal, 0);
      const message = receiveMessageOnPort(this.channel.port1);
      if (message) return message.message;
      Atomics.wait(this.signal, 0, seen, 10_000);
    }
  }
  /** What was said since the last look, in hex: to the server and back. */
  said(): { sent: string; received: string } {
    this.channel.port1.postMessage(null);
    const log = this.next() as [string, string][];
    const of = (mark: string): string => log.flatMap(([m, text]) => (m === mark ? text : [])).join('');
    return { sent: of('>'), received: of('<') };
  }
  end(): Promise<number> {
    return this.worker.terminate();
  }
}
