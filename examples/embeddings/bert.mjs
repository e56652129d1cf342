/**
 * BERT as sentence embeddings (all-MiniLM-L6-v2): token ids in, unit vectors out. State-dict keys are Hugging Face's. As a
 * module file it serves by itself too: put it as model.mjs beside model.safetensors into a repository.
 *
 *   ids (rows, length) int64, mask (rows, length) int64: 1 for tokens, 0 for padding  ->  embedding (rows, 384)
 */
const WIDTH = 384;
const HEADS = 12;
const LAYERS = 6;

export default ({ nn, arange }) => {
  const { functional: F } = nn;
  const norm = () => new nn.LayerNorm(WIDTH, { eps: 1e-12 });

  class Embeddings extends nn.Module {
    word_embeddings = new nn.Embedding(30522, WIDTH);
    position_embeddings = new nn.Embedding(512, WIDTH);
    token_type_embeddings = new nn.Embedding(2, WIDTH);
    LayerNorm = norm();
    forward(ids) {
      const places = this.position_embeddings.forward(arange(ids.shape[1]));
      const types = this.token_type_embeddings.weight.select(0, 0);
      return this.LayerNorm.forward(this.word_embeddings.forward(ids).add(places).add(types));
    }
  }
  class SelfAttention extends nn.Module {
    query = new nn.Linear(WIDTH, WIDTH);
    key = new nn.Linear(WIDTH, WIDTH);
    value = new nn.Linear(WIDTH, WIDTH);
    forward(x, attnMask) {
      const [rows, length] = x.shape;
      const heads = (layer) =>
        layer
          .forward(x)
          .reshape(rows, length, HEADS, WIDTH / HEADS)
          .transpose(1, 2);
      const mixed = F.scaledDotProductAttention(heads(this.query), heads(this.key), heads(this.value), { attnMask });
      return mixed.transpose(1, 2).reshape(rows, length, WIDTH);
    }
  }
  class Output extends nn.Module {
    LayerNorm = norm();
    constructor(width) {
      super();
      this.dense = new nn.Linear(width, WIDTH);
    }
    forward(x, residual) {
      return this.LayerNorm.forward(this.dense.forward(x).add(residual));
    }
  }
  class Attention extends nn.Module {
    self = new SelfAttention();
    output = new Output(WIDTH);
  }
  class Intermediate extends nn.Module {
    dense = new nn.Linear(WIDTH, 4 * WIDTH);
  }
  class Layer extends nn.Module {
    attention = new Attention();
    intermediate = new Intermediate();
    output = new Output(4 * WIDTH);
    forward(x, mask) {
      const attended = this.attention.output.forward(this.attention.self.forward(x, mask), x);
      return this.output.forward(F.gelu(this.intermediate.dense.forward(attended)), attended);
    }
  }
  class Encoder extends nn.Module {
    layer = new nn.ModuleList(Array.from({ length: LAYERS }, () => new Layer()));
  }
  class Pooler extends nn.Module {
    dense = new nn.Linear(WIDTH, WIDTH); // in the checkpoint; sentence embeddings don't use it
  }
  return new (class SentenceBert extends nn.Module {
    embeddings = new Embeddings();
    encoder = new Encoder();
    pooler = new Pooler();
    /** The mean of the tokens' states, as a unit vector. */
    forward(ids, mask) {
      const attnMask = mask.to('bool').reshape(mask.shape[0], 1, 1, mask.shape[1]);
      let x = this.embeddings.forward(ids);
      for (const layer of this.encoder.layer) x = layer.forward(x, attnMask);
      const weights = mask.to('float32').unsqueeze(-1);
      return F.normalize(x.mul(weights).sum(1).div(weights.sum(1)), { dim: 1 });
    }
  })();
};

export const inputs = [
  { name: 'ids', dtype: 'int64', shape: [-1, -1] },
  { name: 'mask', dtype: 'int64', shape: [-1, -1] },
];
export const outputs = [{ name: 'embedding', dtype: 'float32', shape: [-1, WIDTH] }];
