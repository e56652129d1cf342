/** A function that does what its first number says; 13 ends the thread. */
export default () =>
  async ({ x }, { signal }) => {
    const [first] = x.toTypedArray();
    if (first === 13) process.exit(1);
    if (first === 14) setTimeout(() => { throw new Error('out of nowhere'); }); // prettier-ignore
    if (first >= 13) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    if (first < 0) throw new RangeError('negative');
    return { y: x };
  };
const spec = { dtype: 'float32', shape: [-1, 1] };
export const inputs = [{ name: 'x', ...spec }];
export const outputs = [{ name: 'y', ...spec }];
