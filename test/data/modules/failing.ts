/** Datasets that go wrong, in the way that the sample's index says. */
export const dataset = {
  length: 8,
  async get(i: number): Promise<number> {
    if (i === 5) throw new RangeError('sample 5 is broken');
    if (i === 6) process.exit(3);
    if (i === 7) await new Promise(() => setInterval(() => {}, 1000));
    return i;
  },
};
