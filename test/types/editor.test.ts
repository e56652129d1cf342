/** What an editor says: names, texts and definitions, asked of TypeScript's language service at places of every kind. */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { STRICTEST, build, declarations, project, root } from './declarations.js';

/** A place `|` in a line, what its signature must say, and the file of lib/ that its definition lies in. */
type Row = [line: string, says: RegExp, file: string];

const CALLS: Row[] = [
  ['x.add(|1)', /other: Tensor \| Scalar.*options\?: add\.Options/, 'ops/arithmetic.ts'],
  ['x.add_(|1)', /other: Tensor \| Scalar/, 'ops/arithmetic.ts'],
  ['x.sub(|1)', /other: Tensor \| Scalar/, 'ops/arithmetic.ts'],
  ['x.mul(|1)', /other: Tensor \| Scalar/, 'ops/arithmetic.ts'],
  ['x.div(|1)', /other: Tensor \| Scalar/, 'ops/arithmetic.ts'],
  ['x.pow(|2)', /exponent: Tensor \| Scalar/, 'ops/arithmetic.ts'],
  ['x.clamp(|0)', /min\?: .*max\?: /, 'ops/unary.ts'],
  ['x.clip(|0)', /min\?: .*max\?: /, 'ops/aliases.ts'],
  [
    'x.sum(|1)',
    /dim\?: number \| readonly number\[\] \| null, keepdim\?: boolean, options\?: sum\.Options/,
    'ops/reduction.ts',
  ],
  ['x.sum({ dim: 1, | })', /options: sum\.Options/, 'ops/reduction.ts'],
  ['x.mean(|0, true)', /dim.*keepdim/, 'ops/reduction.ts'],
  ['x.max(|0)', /dim: number.*max\.Result/, 'ops/reduction.ts'],
  ['x.argmax(|0)', /dim\?: number \| null, keepdim\?: boolean/, 'ops/reduction.ts'],
  ['x.std(|0)', /dim.*unbiased/, 'ops/variance.ts'],
  ['x.softmax(|0)', /dim: number/, 'ops/activation.ts'],
  ['x.matmul(|x)', /other: Tensor/, 'ops/matrix.ts'],
  ['x.reshape(|2, 3)', /\.\.\.shape: number\[\]/, 'ops/view.ts'],
  ['x.reshape(|[2, 3])', /shape: readonly number\[\]/, 'ops/view.ts'],
  ['x.transpose(|0, 1)', /dim0: number, dim1: number/, 'ops/view.ts'],
  ['x.sort(|0)', /dim\?: number, descending\?: boolean, options\?: .*sort\.Result/, 'ops/sorting.ts'],
  ['x.topk(|2)', /k: number, dim\?: number, largest\?: boolean, sorted\?: boolean/, 'ops/sorting.ts'],
  ['x.gather(|0, x)', /dim: number, index: Tensor/, 'ops/gathering.ts'],
  ['x.scatter_(|0, x, x)', /dim: number, index: Tensor, src/, 'ops/gathering.ts'],
  ['x.maskedFill(|x, 0)', /mask: Tensor, value/, 'ops/masking.ts'],
  ['x.zero_(|)', /zero_\(\): Tensor/, 'ops/convert.ts'],
  ['x.normal_(|0, 1)', /mean\?: number, std\?: number/, 'ops/random.ts'],
  ['x.backward(|)', /gradient\?: /, 'tensor/tensor.ts'],
  ['x.item(|)', /item\(\): number/, 'tensor/tensor.ts'],
  ['x.size(|0)', /dim: number/, 'tensor/tensor.ts'],
  ['tf.add(|x, 1)', /input: Tensor, other: Tensor \| Scalar/, 'ops/arithmetic.ts'],
  ['tf.sum(|x, { dim: 1 })', /input: Tensor, options: .*sum\.Options/, 'ops/reduction.ts'],
  ['tf.cat(|[x, x], 1)', /tensors: readonly Tensor\[\], dim\?: number/, 'ops/joining.ts'],
  ['tf.where(|x, x, 0)', /condition: Tensor/, 'ops/arithmetic.ts'],
  ['tf.einsum(|"ij->ji", x)', /equation/, 'ops/contraction.ts'],
  ['tf.tensor(|[1])', /data: .*options\?: /, 'ops/creation.ts'],
  ['tf.zeros(|2)', /size/, 'ops/creation.ts'],
  ['tf.arange(|5)', /end: number/, 'ops/creation.ts'],
  ['tf.linspace(|0, 1, 5)', /steps: number/, 'ops/creation.ts'],
  ['tf.randn(|2)', /size/, 'ops/random.ts'],
  ['tf.noGrad(|() => 1)', /fn: /, 'autograd/mode.ts'],
  ['tf.linalg.svd(|x)', /A: Tensor, fullMatrices\?: boolean/, 'ops/singular.ts'],
  ['tf.linalg.norm(|x)', /ord\?: .*dim\?: /, 'ops/linalg.ts'],
  [
    'F.conv2d(|x, x)',
    /input: Tensor, weight: Tensor, bias\?: Tensor \| null, stride\?: .*padding\?: .*'same' \| 'valid'.*dilation\?: .*groups\?: number/,
    'nn/functional/conv.ts',
  ],
  ['F.crossEntropy(|x, x)', /target: Tensor, weight\?: Tensor \| null, options\?/, 'nn/functional/classification.ts'],
  ['F.mseLoss(|x, x)', /options\?: .*mseLoss\.Options/, 'nn/functional/loss.ts'],
  ['F.gelu(|x)', /options\?: /, 'nn/functional/activation.ts'],
  ['F.interpolate(|x, 2)', /size\?: .*scaleFactor\?: .*mode\?: 'nearest'/, 'nn/functional/resample.ts'],
  [
    'F.pad(|x, [1, 1])',
    /pad: .*mode\?: 'constant' \| 'reflect' \| 'replicate' \| 'circular', value\?: /,
    'nn/functional/resample.ts',
  ],
  ['F.scaledDotProductAttention(|x, x, x)', /query: Tensor, key: Tensor, value: Tensor/, 'nn/functional/attention.ts'],
  ['F.embedding(|x, x)', /paddingIdx\?: number \| null/, 'nn/functional/embedding.ts'],
  ['F.layerNorm(|x, 3)', /normalizedShape: .*weight\?: .*eps\?: number/, 'nn/functional/normalization.ts'],
  [
    'new nn.Linear(|1, 2)',
    /inFeatures: number, outFeatures: number, bias\?: boolean, options\?: .*Linear\.Options/,
    'nn/layers/linear.ts',
  ],
  ['new nn.Conv2d(|1, 2, 3)', /inChannels: number, outChannels: number, kernelSize/, 'nn/layers/convolution.ts'],
  ['new nn.LayerNorm(|3)', /normalizedShape/, 'nn/layers/normalization.ts'],
  ['new nn.Embedding(|3, 4)', /numEmbeddings: number, embeddingDim: number/, 'nn/layers/embedding.ts'],
  ['new nn.MultiheadAttention(|4, 2)', /embedDim: number, numHeads: number/, 'nn/layers/attention.ts'],
  ['new nn.TransformerEncoderLayer(|4, 2)', /dModel: number, nhead: number/, 'nn/layers/transformer.ts'],
  ['new nn.GELU({ | })', /options: .*GELU\.Options/, 'nn/layers/activation.ts'],
  ['new nn.CrossEntropyLoss(|)', /weight\?: Tensor \| null/, 'nn/layers/loss.ts'],
  ['nn.init.kaimingUniform_(|x)', /mode\?: 'fan_in'/, 'nn/init.ts'],
  ['nn.utils.clipGradNorm_(|[x], 1)', /maxNorm: number/, 'nn/utils/clipGrad.ts'],
  ['new optim.SGD(|[], { lr: 1 })', /params/, 'optim/sgd.ts'],
  ['new optim.AdamW(|[])', /params/, 'optim/adam.ts'],
  ['new optim.lrScheduler.StepLR(|sgd, 2)', /optimizer/, 'optim/lrScheduler/decay.ts'],
  [
    'new optim.lrScheduler.ReduceLROnPlateau(|sgd)',
    /mode\?: 'min' \| 'max', factor\?: number, patience\?: number/,
    'optim/lrScheduler/plateau.ts',
  ],
];

/** Keys of options and names of results: what they say, and of which type they are. */
const KEYS: [line: string, says: RegExp][] = [
  ['x.sum({ |keepdim: true })', /\(property\).*keepdim\?: boolean/],
  ['F.mseLoss(x, x, { |reduction: "sum" })', /\(property\).*reduction\?: 'none' \| 'mean' \| 'sum'/],
  ['F.conv2d(x, x, { |padding: "same" })', /\(property\).*padding\?: .*'same' \| 'valid'/],
  ['new nn.Linear(1, 2, { |bias: false })', /\(property\).*bias\?: boolean/],
  ['x.sort(0).|values', /values: Tensor/],
  ['tf.linalg.svd(x).|Vh', /Vh: Tensor/],
];

const PRELUDE = `import * as tf from 'tenfold';
const { nn, optim } = tf;
const F = nn.functional;
const x = tf.randn(2, 3);
const sgd = new optim.SGD([x], { lr: 0.1 });
`;
const FILE = join(project, 'editor.ts');

let service: ts.LanguageService;
let text = '';
const places = new Map<string, number>();
beforeAll(async () => {
  await build();
  for (const [line] of [...CALLS, ...KEYS]) places.set(line, PRELUDE.length);
  text = PRELUDE;
  for (const line of places.keys()) {
    places.set(line, text.length + line.indexOf('|'));
    text += `${line.replace('|', '')};\n`;
  }
  const host: ts.LanguageServiceHost = {
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    realpath: ts.sys.realpath!,
    readDirectory: ts.sys.readDirectory,
    useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
    getCompilationSettings: () => ({ ...STRICTEST, skipLibCheck: true }),
    getScriptFileNames: () => [FILE],
    getScriptVersion: () => '1',
    getScriptSnapshot: (file) =>
      file === FILE
        ? ts.ScriptSnapshot.fromString(text)
        : ts.sys.fileExists(file)
          ? ts.ScriptSnapshot.fromString(readFileSync(file, 'utf8'))
          : undefined,
    getCurrentDirectory: () => project,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (file) => file === FILE || ts.sys.fileExists(file),
    readFile: (file) => (file === FILE ? text : ts.sys.readFile(file)),
  };
  service = ts.createLanguageService(host);
}, 600_000);

const joined = (parts: ts.SymbolDisplayPart[] | undefined): string =>
  ts
    .displayPartsToString(parts)
    .replace(/\s+/g, ' ')
    .replace(/\btf\.(?=\w)/g, '')
    .replaceAll('"', "'");

/** The file of lib/ that a definition leads to, by the source maps. */
function definitionOf(at: number): string {
  const found = service.getDefinitionAtPosition(FILE, at) ?? [];
  const mapper = (
    service as unknown as {
      getSourceMapper(): {
        tryGetSourcePosition(p: { fileName: string; pos: number }): { fileName: string; pos: number } | undefined;
      };
    }
  ).getSourceMapper();
  const place = found
    .map((d) => mapper.tryGetSourcePosition({ fileName: d.fileName, pos: d.textSpan.start }))
    .find(Boolean);
  return place
    ? relative(join(root, 'lib'), place.fileName).replaceAll('\\', '/')
    : `nowhere (${found.map((d) => d.fileName).join()})`;
}

describe('signature help and definition', () => {
  it('are asked at 60 places or more', () => {
    expect(CALLS.length + KEYS.length).toBeGreaterThanOrEqual(60);
  });
  it.each(CALLS)('%s', (line, says, file) => {
    const at = places.get(line)!;
    const help = service.getSignatureHelpItems(FILE, at, undefined);
    expect(help, 'no signature').toBeDefined();
    const shown = help!.items.map((item) => {
      const params = item.parameters.map((p) => joined(p.displayParts)).join(', ');
      return `${joined(item.prefixDisplayParts)}${params}${joined(item.suffixDisplayParts)}`;
    });
    expect(
      shown.some((s) => says.test(s)),
      shown.join('\n'),
    ).toBe(true);
    expect(shown.join(), 'a parameter without name').not.toMatch(/args_\d|\ba_\d|\.\.\.args: \[/);
    const docs = help!.items.map((item) => joined(item.documentation));
    expect(
      docs.filter((d) => d.length < 10),
      `a signature without text: ${shown.join('\n')}`,
    ).toEqual([]);
    const name = line.slice(0, line.indexOf('(')).split('.').at(-1)!;
    expect(
      definitionOf(PRELUDE.length + text.slice(PRELUDE.length).indexOf(line.replace('|', '')) + line.indexOf(name)),
    ).toBe(file);
  });
});

describe('hover', () => {
  it.each(KEYS)('%s', (line, says) => {
    const info = service.getQuickInfoAtPosition(FILE, places.get(line)!);
    expect(joined(info?.displayParts)).toMatch(says);
    expect(joined(info?.documentation).length, 'no text').toBeGreaterThan(5);
  });
  it('is written from declarations that read as text', () => {
    const sums = readFileSync(join(declarations, 'ops', 'reduction.d.ts'), 'utf8');
    expect(sums).toContain(
      'export declare function sum(input: Tensor, dim?: number | readonly number[] | null, keepdim?: boolean, options?: sum.Options): Tensor;',
    );
  });
});
