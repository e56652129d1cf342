/** A small GPT: tokens in, scores of the next one out; alone for training, with a key/value cache for generating. */
import { arange, nn, type Tensor } from 'tenfold';
import type { KeyValueCache } from 'tenfold/serve';

const { functional: F } = nn;

/** Sizes of a GPT. */
export interface GptSizes {
  readonly vocabulary: number;
  /** Longest sequence. */
  readonly length: number;
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
}

class Block extends nn.Module {
  readonly norm1: nn.LayerNorm;
  readonly qkv: nn.Linear;
  readonly out: nn.Linear;
  readonly norm2: nn.LayerNorm;
  readonly wide: nn.Linear;
  readonly narrow: nn.Linear;
  constructor(
    private readonly heads: number,
    width: number,
  ) {
    super();
    this.norm1 = new nn.LayerNorm(width);
    this.qkv = new nn.Linear(width, 3 * width);
    this.out = new nn.Linear(width, width);
    this.norm2 = new nn.LayerNorm(width);
    this.wide = new nn.Linear(width, 4 * width);
    this.narrow = new nn.Linear(4 * width, width);
  }
  /** x [rows, tokens, width]; with a cache these are the new tokens only. */
  override forward(x: Tensor, layer: number, cache: KeyValueCache | null): Tensor {
    const [rows, count, width] = x.shape as readonly [number, number, number];
    const heads = this.qkv.forward(this.norm1.forward(x)).reshape(rows, count, 3, this.heads, width / this.heads);
    const [q, k, v] = heads.permute(2, 0, 3, 1, 4).unbind(0) as [Tensor, Tensor, Tensor];
    let mixed: Tensor;
    if (cache === null) mixed = F.scaledDotProductAttention(q, k, v, { isCausal: true });
    else {
      const [keys, values] = cache.extend(layer, k, v);
      mixed = F.scaledDotProductAttention(q, keys, values, { attnMask: cache.mask });
    }
    const attended = x.add(this.out.forward(mixed.transpose(1, 2).reshape(rows, count, width)));
    return attended.add(this.narrow.forward(F.gelu(this.wide.forward(this.norm2.forward(attended)))));
  }
}

/** Radford et al. 2019, small. */
export class Gpt extends nn.Module {
  readonly tokens: nn.Embedding;
  readonly positions: nn.Embedding;
  readonly blocks: nn.ModuleList;
  readonly norm: nn.LayerNorm;
  readonly head: nn.Linear;
  constructor({ vocabulary, length, layers, heads, width }: GptSizes) {
    super();
    this.tokens = new nn.Embedding(vocabulary, width);
    this.positions = new nn.Embedding(length, width);
    this.blocks = new nn.ModuleList(Array.from({ length: layers }, () => new Block(heads, width)));
    this.norm = new nn.LayerNorm(width);
    this.head = new nn.Linear(width, vocabulary, { bias: false });
    for (const [name, p] of this.namedParameters())
      if (p.dim() > 1) nn.init.normal_(p, 0, name === 'head.weight' ? 0.01 : 0.05);
  }
  /** ids [rows, tokens], int64; scores [rows, tokens, vocabulary]. */
  override forward(ids: Tensor, cache: KeyValueCache | null = null): Tensor {
    const places = cache === null ? arange(ids.shape[1]!) : cache.positions;
    let x = this.tokens.forward(ids).add(this.positions.forward(places));
    [...this.blocks].forEach((block, layer) => (x = (block as Block).forward(x, layer, cache)));
    return this.head.forward(this.norm.forward(x));
  }
}
