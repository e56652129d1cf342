/** Devices: scripts that name the processor run as they are, and one that asks for another is told that there is none. */
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';
import { nn, ones, type Tensor } from '../lib/index.js';

const x = ones(2);
const NONE = /device 'cuda(:1)?' doesn't exist here: Tenfold computes on the processor/;

describe('device', () => {
  it.each<[string, (device: string) => unknown]>([
    ['zeros', (device) => tf.zeros(2, { device })],
    ['tensor', (device) => tf.tensor([1], { device })],
    ['randn', (device) => tf.randn(2, { device })],
    ['randint', (device) => tf.randint(0, 3, [2], { device })],
    ['zerosLike', (device) => tf.zerosLike(x, { device })],
    ['randLike', (device) => tf.randLike(x, { device })],
    ['arange', (device) => tf.arange(3, { device })],
    ['eye', (device) => tf.eye(2, { device })],
    ['to, by place', (device) => x.to(device as 'cpu')],
    ['to, with a dtype', (device) => x.to(device as 'cpu', 'float64')],
    ['to, by name', (device) => x.to({ device, dtype: 'float64' })],
    ['Linear', (device) => new nn.Linear(2, 2, { device })],
    ['LSTM', (device) => new nn.LSTM(2, 2, { device })],
    ['BatchNorm1d', (device) => new nn.BatchNorm1d(2, { device })],
    ['MultiheadAttention', (device) => new nn.MultiheadAttention(2, 1, { device })],
    ['a module’s to', (device) => new nn.Linear(2, 2).to(device)],
    ['a module’s to, by name', (device) => new nn.Linear(2, 2).to({ device })],
  ])('%s: cpu is accepted, cuda refused with a sentence', (_, make) => {
    for (const device of ['cpu', 'cpu:0']) expect(make(device)).toBeDefined();
    for (const device of ['cuda', 'cuda:1']) expect(() => make(device)).toThrow(NONE);
  });
  it('cpu(), cuda(); what a device and a dtype give', () => {
    expect(x.cpu()).toBe(x);
    expect(x.to('cpu')).toBe(x);
    expect(x.to('cpu', 'float64').dtype).toBe('float64');
    expect(x.to({ device: 'cpu', dtype: 'int64', copy: true }).dtype).toBe('int64');
    const model = new nn.Linear(2, 2);
    expect(model.cpu().to('cpu', 'float64').weight.dtype).toBe('float64');
    expect(() => x.cuda()).toThrow(NONE);
    expect(() => model.cuda()).toThrow(NONE);
  });
  it('calls that make nothing don’t take it, and other kinds are refused', () => {
    expect(() => x.add(x, { device: 'cpu' } as never)).toThrow("unknown option 'device'");
    expect(() => x.relu(...([{ device: 'cpu' }] as unknown as []))).toThrow(/relu/);
    expect(() => tf.zeros(2, { device: 0 as never })).toThrow("device must be 'cpu', got 0");
    expect(() => x.to('float23' as never)).toThrow(/unknown dtype 'float23'/);
    expect((x as { to(...a: unknown[]): Tensor }).to.bind(x, 'float32', 'float64')).toThrow(
      /'nonBlocking' must be a boolean/,
    );
  });
});
