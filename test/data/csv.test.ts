/** CsvDataset and CsvStream: numbers to the last bit, pieces of every size, quotes, missing values, words, refusals. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Tensor, utils } from '../../lib/index.js';
import { CsvReader } from '../../lib/utils/data/csv.js';

const { CsvDataset, CsvStream, DataLoader } = utils.data;
const folder = mkdtempSync(join(tmpdir(), 'tenfold-csv-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
function file(text: string): string {
  const path = join(folder, `${files++}.csv`);
  writeFileSync(path, text);
  return path;
}
const rowsOf = (text: string, options = {}): unknown =>
  new CsvDataset(file(text), { dtype: 'float64', ...options }).features.tolist();

describe('numbers', () => {
  // A small generator of its own: these numbers are to be the same in every run.
  let seed = 7;
  const chance = (n: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  const digits = (n: number): string => Array.from({ length: n }, () => chance(10)).join('');
  const words = Array.from({ length: 4000 }, () => {
    const sign = ['', '', '-', '+'][chance(4)]!;
    const [whole, part] = [chance(18), chance(18)];
    const number = whole + part === 0 ? '7' : digits(whole) + (part > 0 || chance(4) === 0 ? `.${digits(part)}` : '');
    return sign + number + (chance(3) === 0 ? `${'eE'[chance(2)]}${['', '-', '+'][chance(3)]}${chance(40)}` : '');
  });
  it('are those of JavaScript, however they are written', () => {
    const edges = ['0', '-0', '.5', '5.', '1e22', '1e23', '1e-22', '9007199254740993', '999999999', '9999999999', '4.9e-324', '1.7976931348623157e308', '0.1', '123456789012345678']; // prettier-ignore
    const all = [...edges, ...words];
    const found = (rowsOf(`x\n${all.join('\n')}\n`) as number[][]).flat();
    found.forEach((x, i) => Object.is(x, Number(all[i])) || expect(x, all[i]).toBe(Number(all[i])));
    expect(found.length).toBe(all.length);
  });
  it('infinities; blanks around', () => {
    expect(rowsOf('a,b\n inf , -Infinity\n 1 ,\t2 \n')).toEqual([[Infinity, -Infinity], [1, 2]]); // prettier-ignore
  });
  it('of files that come in many pieces', () => {
    const lines = Array.from({ length: 160_000 }, (_, i) => `${i},${i / 8}`);
    const data = new CsvDataset(file(`a,b\n${lines.join('\r\n')}`), { target: 'b', targetDtype: 'float64' });
    expect(data.length).toBe(160_000);
    const [row, target] = data.get(-1) as [Tensor, Tensor];
    expect([row.tolist(), target.item(), target.dtype]).toEqual([[159_999], 159_999 / 8, 'float64']);
    expect(data.target!.sum().item()).toBe((159_999 * 160_000) / 16);
  });
});

describe('records', () => {
  it('end by any newline, or by the file; empty lines are none', () => {
    for (const newline of ['\n', '\r\n', '\r'])
      for (const end of ['', newline, newline + newline])
        expect(rowsOf(['a,b', '1,2', '', '3,4'].join(newline) + end)).toEqual([[1, 2], [3, 4]]); // prettier-ignore
  });
  it('have quotes, with delimiters, newlines and quotes within', () => {
    const text = '"a ""x"", b",c\n"1",2\n"3"\n,4\n';
    expect(() => rowsOf(text)).toThrow('record 3 has 1 fields, and the first has 2');
    const words = ['say ""hi"", you', 'two\nlines'];
    const named = `"a, b",c\n"${words[0]}",1\n"${words[1]}",2\n`;
    const categories = { 'a, b': [words[0]!.replaceAll('""', '"'), words[1]!] };
    expect(rowsOf(named, { categories })).toEqual([[0, 1], [1, 2]]); // prettier-ignore
  });
  it('have another delimiter, no header, a byte order mark', () => {
    expect(rowsOf('1;2\n3;4', { delimiter: ';', header: false })).toEqual([[1, 2], [3, 4]]); // prettier-ignore
    expect(rowsOf('\ufeffa\tb\n1\t2', { delimiter: '\t', columns: ['b', 'a'] })).toEqual([[2, 1]]);
    expect(rowsOf('\ufeff1,2', { header: false, columns: [1] })).toEqual([[2]]);
  });
  it('are the same from pieces that end anywhere', () => {
    const text = 'a,b\r\n"1",2.5\r\n-3e2,"4"\r\n,5\r\n';
    const whole = rowsOf(text, { missing: NaN });
    expect(whole).toEqual([[1, 2.5], [-300, 4], [NaN, 5]]); // prettier-ignore
    for (let piece = 2; piece < 40; piece++) {
      const found: number[][] = [];
      for (const { values, rows } of new CsvReader('x', file(text), { missing: NaN }, piece).blocks())
        for (let i = 0; i < rows; i++) found.push([...values.slice(2 * i, 2 * i + 2)]);
      expect(found, `pieces of ${piece}`).toEqual(whole);
    }
  });
});

describe('samples', () => {
  const iris = 'length,width,species\n5.1,3.5,setosa\n7.0,3.2,versicolor\n,3.3,virginica\n';
  const options = { target: 'species', targetDtype: 'int64', missing: 0, categories: { species: ['setosa', 'versicolor', 'virginica'] } } as const; // prettier-ignore
  it('have names, words as numbers, a value for what is missing', () => {
    const data = new CsvDataset(file(iris), options);
    expect(data.columns).toEqual(['length', 'width']);
    expect(data.target!.tolist()).toEqual([0, 1, 2]);
    const [[x, y]] = [...new DataLoader(data, { batchSize: 3 })] as unknown as [[Tensor, Tensor]];
    expect([x.shape, x.dtype, y.tolist(), y.dtype]).toEqual([[3, 2], 'float32', [0, 1, 2], 'int64']);
    expect(x.at(2).at(0).item()).toBe(0);
  });
  it('come one after the other from a stream', () => {
    const path = file(iris);
    const [whole, stream] = [new CsvDataset(path, options), new CsvStream(path, options)];
    const rows = [...stream] as [Tensor, Tensor][];
    expect(rows.map(([x]) => x.tolist())).toEqual(whole.features.tolist());
    expect(rows.map(([, y]) => y.item())).toEqual([0, 1, 2]);
    expect([...stream].length).toBe(3);
    expect([...new DataLoader(stream, { batchSize: 2 })].length).toBe(2);
    expect(stream.columns).toEqual(['length', 'width']);
  });
});

describe('refuses', () => {
  const path = file('a,b\n1,2\n3,x\n');
  it.each([
    [() => new CsvDataset(path), `CsvDataset: ${path}, record 3: column 'b' is 'x', no number; option 'categories' reads words`],
    [() => new CsvDataset(file('a\n1\n"\n2\n')), 'no number'],
    [() => new CsvDataset(file('a,b\n1,\n')), "record 2: column 'b' is missing; option 'missing'"],
    [() => new CsvDataset(file('a,b\n1,2,3\n')), 'record 2 has 3 fields, and the first has 2'],
    [() => new CsvDataset(file('a\n0x10\n')), "is '0x10', no number"],
    [() => new CsvDataset(file('')), 'is empty'],
    [() => new CsvDataset(join(folder, 'none.csv')), "CsvDataset: can't read"],
    [() => new CsvDataset(folder), "CsvDataset: can't read"],
    [() => new CsvDataset(path, { columns: ['c'] }), "has no column 'c'"],
    [() => new CsvDataset(path, { columns: ['a'], target: 'a' }), 'a column is asked for twice: a, a'],
    [() => new CsvDataset(path, { categories: { b: ['y'] } }), "column 'b' is 'x', which is none of its categories"],
    [() => new CsvDataset(path, { delimiter: '::' }), 'delimiter must be one character'],
    [() => new CsvDataset(path, { colums: ['a'] } as object), "unknown option 'colums', did you mean 'columns'?"],
    [() => new CsvDataset(path, { targetDtype: 'int64' }), 'targetDtype is for the target'],
    [() => new CsvDataset(7 as unknown as string), 'path must be a string, got 7'],
    [() => new CsvDataset(file('a,a\n1,2\n')), "has two columns 'a'"],
    [() => [...new CsvStream(path)], 'CsvStream: '],
  ] as const)('%#', (wrong, message) => expect(wrong).toThrow(message)); // prettier-ignore
  it('a quote that nobody closes, in bounded memory', () => {
    const reader = new CsvReader('x', file('a\n"' + '1\n'.repeat(1000)), {});
    expect(() => [...reader.blocks()]).toThrow(/no number|fields|doesn't end/);
  });
});
