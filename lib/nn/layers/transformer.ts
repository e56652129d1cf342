/** The transformer of "Attention is all you need" (Vaswani et al. 2017), and its parts. */
import { TenfoldError, checkCount, renamed, show } from '../../errors.js';
import { full } from '../../ops/creation.js';
import { formatShape } from '../../tensor/shape.js';
import { type Tensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import * as F from '../functional/activation.js';
import { ModuleList } from '../containers.js';
import { xavierUniform_ } from '../init.js';
import { Module } from '../module.js';
import { guard, guardPart } from '../parts.js';
import { MultiheadAttention } from './attention.js';
import { Dropout } from './dropout.js';
import { Linear } from './linear.js';
import { LayerNorm } from './normalization.js';

type Activation = (x: Tensor) => Tensor;
const activationOf = (activation: 'relu' | 'gelu' | Activation): Activation =>
  typeof activation === 'function' ? activation : activation === 'relu' ? (x) => x.relu() : (x) => F.gelu(x);
const STATE_NAMES: Record<string, string> = { selfAttn: 'self_attn', multiheadAttn: 'multihead_attn' };

const layerCall = signature(
  "TransformerLayer(int dModel, int nhead, int dimFeedforward=2048, float dropout=0.1, 'relu'|'gelu'|function activation='relu', float layerNormEps=1e-5, bool batchFirst=false, bool normFirst=false, bool bias=true, *, dtype? dtype=null)",
);
const encoderLayerCall = signature(
  'forward(Tensor src, Tensor? srcMask=null, Tensor? srcKeyPaddingMask=null, bool isCausal=false)',
);
const decoderCall = signature(
  'forward(Tensor tgt, Tensor memory, Tensor? tgtMask=null, Tensor? memoryMask=null, Tensor? tgtKeyPaddingMask=null, Tensor? memoryKeyPaddingMask=null, bool tgtIsCausal=false, bool memoryIsCausal=false)',
);
const encoderCall = signature(
  'forward(Tensor src, Tensor? mask=null, Tensor? srcKeyPaddingMask=null, bool? isCausal=null)',
);

/** Self-attention, then two linear layers, each with dropout, the input added, and layer norm. See torch.nn.TransformerEncoderLayer. */
export class TransformerEncoderLayer extends Module {
  selfAttn: MultiheadAttention;
  linear1: Linear;
  dropout: Dropout;
  linear2: Linear;
  readonly normFirst: boolean;
  norm1: LayerNorm;
  norm2: LayerNorm;
  dropout1: Dropout;
  dropout2: Dropout;
  activation: Activation;
  static override stateName(property: string): string {
    return STATE_NAMES[property] ?? property;
  }
  constructor(...args: Arguments<typeof layerCall.schema>) {
    super();
    const [dModel, nhead, dimFeedforward, dropout, activation, eps, batchFirst, normFirst, bias, dtype] =
      layerCall.read(args, new.target.name);
    this.selfAttn = renamed(
      new.target.name,
      () => new MultiheadAttention(dModel, nhead, { dropout, batchFirst, bias, dtype }),
    );
    this.linear1 = renamed(new.target.name, () => new Linear(dModel, dimFeedforward, { bias, dtype }));
    this.dropout = new Dropout(dropout);
    this.linear2 = renamed(new.target.name, () => new Linear(dimFeedforward, dModel, { bias, dtype }));
    this.normFirst = normFirst;
    this.norm1 = new LayerNorm(dModel, { eps, bias, dtype });
    this.norm2 = new LayerNorm(dModel, { eps, bias, dtype });
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.activation = activationOf(activation);
    guard(this, 'selfAttn', 'linear1', 'dropout', 'linear2', 'norm1', 'norm2', 'dropout1', 'dropout2');
  }
  override forward(...args: Arguments<typeof encoderLayerCall.schema>): Tensor {
    const [src, attnMask, keyPaddingMask, isCausal] = encoderLayerCall.read(args, 'TransformerEncoderLayer.forward');
    const attend = (x: Tensor): Tensor =>
      this.dropout1.forward(
        this.selfAttn.forward(x, x, x, { attnMask, keyPaddingMask, needWeights: false, isCausal })[0],
      );
    const feed = (x: Tensor): Tensor =>
      this.dropout2.forward(this.linear2.forward(this.dropout.forward(this.activation(this.linear1.forward(x)))));
    if (this.normFirst) {
      const x = src.add(attend(this.norm1.forward(src)));
      return x.add(feed(this.norm2.forward(x)));
    }
    const x = this.norm1.forward(src.add(attend(src)));
    return this.norm2.forward(x.add(feed(x)));
  }
}
/** Self-attention, attention to the encoder's result, then two linear layers. See torch.nn.TransformerDecoderLayer. */
export class TransformerDecoderLayer extends Module {
  selfAttn: MultiheadAttention;
  multiheadAttn: MultiheadAttention;
  linear1: Linear;
  dropout: Dropout;
  linear2: Linear;
  readonly normFirst: boolean;
  norm1: LayerNorm;
  norm2: LayerNorm;
  norm3: LayerNorm;
  dropout1: Dropout;
  dropout2: Dropout;
  dropout3: Dropout;
  activation: Activation;
  static override stateName(property: string): string {
    return STATE_NAMES[property] ?? property;
  }
  constructor(...args: Arguments<typeof layerCall.schema>) {
    super();
    const [dModel, nhead, dimFeedforward, dropout, activation, eps, batchFirst, normFirst, bias, dtype] =
      layerCall.read(args, new.target.name);
    this.selfAttn = renamed(
      new.target.name,
      () => new MultiheadAttention(dModel, nhead, { dropout, batchFirst, bias, dtype }),
    );
    this.multiheadAttn = renamed(
      new.target.name,
      () => new MultiheadAttention(dModel, nhead, { dropout, batchFirst, bias, dtype }),
    );
    this.linear1 = renamed(new.target.name, () => new Linear(dModel, dimFeedforward, { bias, dtype }));
    this.dropout = new Dropout(dropout);
    this.linear2 = renamed(new.target.name, () => new Linear(dimFeedforward, dModel, { bias, dtype }));
    this.normFirst = normFirst;
    this.norm1 = new LayerNorm(dModel, { eps, bias, dtype });
    this.norm2 = new LayerNorm(dModel, { eps, bias, dtype });
    this.norm3 = new LayerNorm(dModel, { eps, bias, dtype });
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.dropout3 = new Dropout(dropout);
    this.activation = activationOf(activation);
    guard(this, 'selfAttn', 'multiheadAttn', 'linear1', 'dropout', 'linear2');
    guard(this, 'norm1', 'norm2', 'norm3', 'dropout1', 'dropout2', 'dropout3');
  }
  override forward(...args: Arguments<typeof decoderCall.schema>): Tensor {
    const [tgt, memory, tgtMask, memoryMask, tgtKeyPaddingMask, memoryKeyPaddingMask, tgtIsCausal, memoryIsCausal] =
      decoderCall.read(args, 'TransformerDecoderLayer.forward');
    const attend = (x: Tensor): Tensor =>
      this.dropout1.forward(
        this.selfAttn.forward(x, x, x, {
          attnMask: tgtMask,
          keyPaddingMask: tgtKeyPaddingMask,
          needWeights: false,
          isCausal: tgtIsCausal,
        })[0],
      );
    const look = (x: Tensor): Tensor =>
      this.dropout2.forward(
        this.multiheadAttn.forward(x, memory, memory, {
          attnMask: memoryMask,
          keyPaddingMask: memoryKeyPaddingMask,
          needWeights: false,
          isCausal: memoryIsCausal,
        })[0],
      );
    const feed = (x: Tensor): Tensor =>
      this.dropout3.forward(this.linear2.forward(this.dropout.forward(this.activation(this.linear1.forward(x)))));
    if (this.normFirst) {
      let x = tgt.add(attend(this.norm1.forward(tgt)));
      x = x.add(look(this.norm2.forward(x)));
      return x.add(feed(this.norm3.forward(x)));
    }
    let x = this.norm1.forward(tgt.add(attend(tgt)));
    x = this.norm2.forward(x.add(look(x)));
    return this.norm3.forward(x.add(feed(x)));
  }
}

function givenModule(call: string, name: string, module: unknown): Module | null {
  if (module === null || module instanceof Module) return module;
  throw new TypeError(`${call}: ${name} must be a module or null, got ${show(module)}`);
}
function repeat<T extends Module>(call: string, layer: T, times: number): ModuleList<T> {
  if (!(layer instanceof Module)) throw new TypeError(`${call}: expected a layer to repeat, got ${show(layer)}`);
  if (!Number.isInteger(times) || times < 0 || times > 2 ** 16)
    throw new RangeError(`${call}: numLayers must be an integer from 0 to 65536, got ${show(times)}`);
  return new ModuleList(Array.from({ length: times }, () => layer.clone()));
}

/** numLayers copies of an encoder layer, one after the other, then `norm` where given. See torch.nn.TransformerEncoder. */
export class TransformerEncoder extends Module {
  layers: ModuleList<TransformerEncoderLayer>;
  readonly numLayers: number;
  norm: Module | null;
  constructor(encoderLayer: TransformerEncoderLayer, numLayers: number, norm: Module | null = null) {
    super();
    checkCount('TransformerEncoder', arguments, 3);
    this.layers = repeat('TransformerEncoder', encoderLayer, numLayers);
    this.numLayers = numLayers;
    this.norm = givenModule('TransformerEncoder', 'norm', norm);
    guard(this, 'layers');
    guardPart(this, 'norm', 'module');
  }
  override forward(...args: Arguments<typeof encoderCall.schema>): Tensor {
    const [src, srcMask, srcKeyPaddingMask, isCausal] = encoderCall.read(args, 'TransformerEncoder.forward');
    let x = src;
    for (const layer of this.layers) x = layer.forward(x, { srcMask, srcKeyPaddingMask, isCausal: isCausal === true });
    return this.norm === null ? x : (this.norm.forward(x) as Tensor);
  }
}

/** numLayers copies of a decoder layer, one after the other, then `norm` where given. See torch.nn.TransformerDecoder. */
export class TransformerDecoder extends Module {
  layers: ModuleList<TransformerDecoderLayer>;
  readonly numLayers: number;
  norm: Module | null;
  constructor(decoderLayer: TransformerDecoderLayer, numLayers: number, norm: Module | null = null) {
    super();
    checkCount('TransformerDecoder', arguments, 3);
    this.layers = repeat('TransformerDecoder', decoderLayer, numLayers);
    this.numLayers = numLayers;
    this.norm = givenModule('TransformerDecoder', 'norm', norm);
    guard(this, 'layers');
    guardPart(this, 'norm', 'module');
  }
  override forward(...args: Arguments<typeof decoderCall.schema>): Tensor {
    const [tgt, memory, ...masks] = decoderCall.read(args, 'TransformerDecoder.forward');
    let x = tgt;
    for (const layer of this.layers) x = layer.forward(x, memory, ...masks);
    return this.norm === null ? x : (this.norm.forward(x) as Tensor);
  }
}

const transformer = signature(
  "Transformer(int dModel=512, int nhead=8, int numEncoderLayers=6, int numDecoderLayers=6, int dimFeedforward=2048, float dropout=0.1, 'relu'|'gelu'|function activation='relu', any customEncoder=null, any customDecoder=null, float layerNormEps=1e-5, bool batchFirst=false, bool normFirst=false, bool bias=true, *, dtype? dtype=null)",
);
const transformerCall = signature(
  'forward(Tensor src, Tensor tgt, Tensor? srcMask=null, Tensor? tgtMask=null, Tensor? memoryMask=null, Tensor? srcKeyPaddingMask=null, Tensor? tgtKeyPaddingMask=null, Tensor? memoryKeyPaddingMask=null, bool? srcIsCausal=null, bool? tgtIsCausal=null, bool memoryIsCausal=false)',
);
/** Encoder and decoder: src [s, n, dModel] and tgt [t, n, dModel] → [t, n, dModel]. See torch.nn.Transformer. */
export class Transformer extends Module {
  encoder: Module;
  decoder: Module;
  readonly dModel: number;
  readonly nhead: number;
  readonly batchFirst: boolean;
  constructor(...args: Arguments<typeof transformer.schema>) {
    super();
    const [
      dModel,
      nhead,
      encoderLayers,
      decoderLayers,
      dimFeedforward,
      dropout,
      activation,
      customEncoder,
      customDecoder,
      eps,
      batchFirst,
      normFirst,
      bias,
      dtype,
    ] = transformer.read(args);
    const options = { dimFeedforward, dropout, activation, layerNormEps: eps, batchFirst, normFirst, bias, dtype };
    const norm = (): LayerNorm => new LayerNorm(dModel, { eps, bias, dtype });
    this.encoder =
      givenModule('Transformer', 'customEncoder', customEncoder) ??
      renamed('Transformer', () => {
        const layer = new TransformerEncoderLayer(dModel, nhead, options);
        return new TransformerEncoder(layer, encoderLayers, norm());
      });
    this.decoder =
      givenModule('Transformer', 'customDecoder', customDecoder) ??
      renamed('Transformer', () => {
        const layer = new TransformerDecoderLayer(dModel, nhead, options);
        return new TransformerDecoder(layer, decoderLayers, norm());
      });
    this.dModel = dModel;
    this.nhead = nhead;
    this.batchFirst = batchFirst;
    guard(this, 'encoder', 'decoder');
    for (const p of this.parameters()) if (p.shape.length > 1) xavierUniform_(p);
  }
  override forward(...args: Arguments<typeof transformerCall.schema>): Tensor {
    const [
      src,
      tgt,
      srcMask,
      tgtMask,
      memoryMask,
      srcKeyPaddingMask,
      tgtKeyPaddingMask,
      memoryKeyPaddingMask,
      srcIsCausal,
      tgtIsCausal,
      memoryIsCausal,
    ] = transformerCall.read(args, 'Transformer.forward');
    const batchDim = this.batchFirst ? 0 : 1;
    if (
      src.shape.length !== tgt.shape.length ||
      (src.shape.length === 3 && src.shape[batchDim] !== tgt.shape[batchDim])
    ) {
      throw new TenfoldError(
        'shape',
        `Transformer: src ${formatShape(src.shape)} and tgt ${formatShape(tgt.shape)} must have one number of samples`,
      );
    }
    if (src.shape.at(-1) !== this.dModel || tgt.shape.at(-1) !== this.dModel) {
      throw new TenfoldError(
        'shape',
        `Transformer: src ${formatShape(src.shape)} and tgt ${formatShape(tgt.shape)} must end in dModel ${this.dModel}`,
      );
    }
    const memory = this.encoder.forward(src, { mask: srcMask, srcKeyPaddingMask, isCausal: srcIsCausal }) as Tensor;
    return this.decoder.forward(tgt, memory, {
      tgtMask,
      memoryMask,
      tgtKeyPaddingMask,
      memoryKeyPaddingMask,
      tgtIsCausal: tgtIsCausal === true,
      memoryIsCausal,
    }) as Tensor;
  }
  /** 0 on and below the diagonal, −∞ above: position i sees none after it. */
  static generateSquareSubsequentMask(size: number): Tensor {
    return full([size, size], -Infinity).triu(1); // prettier-ignore
  }
}
