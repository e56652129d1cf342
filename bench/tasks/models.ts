/** Models as their users write them: a GPT, a BERT-like encoder of MiniLM's shape, a block of a ResNet. */
import { arange, nn, noGrad, optim, type Tensor } from 'tenfold';
import { fill, labels } from '../inputs.js';
import { type Subject, type Tasks } from '../task.js';
import { forward } from './gradients.js';
import { firstLosses } from './training.js';

const F = nn.functional;

/** All parameters of a module in the order of their names, from the hash; vectors of norms stay at 1 and 0. */
function initialize(model: nn.Module): void {
  const parameters = [...model.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1));
  noGrad(() =>
    parameters.forEach(([name, p], i) => {
      if (p.shape.length > 1) p.copy_(fill(i + 1, p.shape, 1 / Math.sqrt(p.count / p.shape[0]!)));
      else if (name.endsWith('bias')) p.fill_(0);
    }),
  );
}

class Block extends nn.Module {
  ln1: nn.LayerNorm;
  ln2: nn.LayerNorm;
  qkv: nn.Linear;
  out: nn.Linear;
  up: nn.Linear;
  down: nn.Linear;
  constructor(
    readonly width: number,
    readonly heads: number,
    readonly kind: 'gpt' | 'bert',
  ) {
    super();
    this.ln1 = new nn.LayerNorm(width);
    this.ln2 = new nn.LayerNorm(width);
    this.qkv = new nn.Linear(width, 3 * width);
    this.out = new nn.Linear(width, width);
    this.up = new nn.Linear(width, 4 * width);
    this.down = new nn.Linear(4 * width, width);
  }
  attend(x: Tensor): Tensor {
    const [n, l, e] = x.shape as [number, number, number];
    const [q, k, v] = this.qkv.forward(x).view(n, l, 3, this.heads, e / this.heads).permute(2, 0, 3, 1, 4).unbind(0); // prettier-ignore
    const y = F.scaledDotProductAttention(q!, k!, v!, { isCausal: this.kind === 'gpt' });
    return this.out.forward(y.transpose(1, 2).reshape(n, l, e));
  }
  feed(x: Tensor): Tensor {
    return this.down.forward(F.gelu(this.up.forward(x)));
  }
  override forward(x: Tensor): Tensor {
    if (this.kind === 'gpt') {
      const h = x.add(this.attend(this.ln1.forward(x)));
      return h.add(this.feed(this.ln2.forward(h)));
    }
    const h = this.ln1.forward(x.add(this.attend(x)));
    return this.ln2.forward(h.add(this.feed(h)));
  }
}

class Transformer extends nn.Module {
  token: nn.Embedding;
  position: nn.Embedding;
  blocks: nn.Sequential;
  norm: nn.LayerNorm;
  head: nn.Linear | null;
  constructor(kind: 'gpt' | 'bert', words: number, length: number, heads: number) {
    super();
    const width = 384;
    this.token = new nn.Embedding(words, width);
    this.position = new nn.Embedding(length, width);
    this.blocks = new nn.Sequential(...Array.from({ length: 6 }, () => new Block(width, heads, kind)));
    this.norm = new nn.LayerNorm(width);
    this.head = kind === 'gpt' ? new nn.Linear(width, words, { bias: false }) : null;
  }
  override forward(words: Tensor): Tensor {
    let x = this.token.forward(words).add(this.position.forward(arange(words.shape[1]!)));
    if (this.head === null) return this.blocks.forward(this.norm.forward(x));
    x = this.norm.forward(this.blocks.forward(x));
    return this.head.forward(x);
  }
}

/** A step of AdamW on a GPT of 6 layers, 384 wide, over 4 rows of 256 letters of 65. */
function gptTraining(): Subject {
  const model = new Transformer('gpt', 65, 256, 6);
  initialize(model);
  const words = labels(101, 4 * 256, 65).view(4, 256);
  const target = labels(102, 4 * 256, 65);
  const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-4 });
  const step = (): Tensor => {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(model.forward(words).view(-1, 65), target);
    loss.backward();
    optimizer.step();
    return loss;
  };
  return { step, check: () => firstLosses(step) };
}

/** 6 layers of 12 heads, and rows of 128 words. */
export function miniLM(batch: number): { model: nn.Module; words: Tensor } {
  const model = new Transformer('bert', 30_522, 128, 12);
  initialize(model);
  model.eval();
  return { model, words: labels(101, batch * 128, 30_522).view(batch, 128) };
}

/** The forward pass. */
function encoder(batch: number): Subject {
  const { model, words } = miniLM(batch);
  return forward(() => model.forward(words) as Tensor);
}

class ResidualBlock extends nn.Module {
  conv1 = new nn.Conv2d(64, 64, 3, { padding: 1, bias: false });
  bn1 = new nn.BatchNorm2d(64);
  conv2 = new nn.Conv2d(64, 64, 3, { padding: 1, bias: false });
  bn2 = new nn.BatchNorm2d(64);
  override forward(x: Tensor): Tensor {
    const h = F.relu(this.bn1.forward(this.conv1.forward(x)));
    return F.relu(x.add(this.bn2.forward(this.conv2.forward(h))));
  }
}

/** Two 3 x 3 convolutions of 64 channels around batch normalizations, and a way past them, on 8 images of 56 x 56. */
function residual(train: boolean): Subject {
  const block = new ResidualBlock();
  initialize(block);
  const x = fill(101, [8, 64, 56, 56]);
  if (!train) {
    block.eval();
    return forward(() => block.forward(x));
  }
  const target = fill(102, [8, 64, 56, 56]);
  const optimizer = new optim.SGD(block.parameters(), { lr: 0.1, momentum: 0.9 });
  const step = (): Tensor => {
    optimizer.zeroGrad();
    const loss = F.mseLoss(block.forward(x), target);
    loss.backward();
    optimizer.step();
    return loss;
  };
  return { step, check: () => firstLosses(step) };
}

export const models: Tasks = {
  'gpt-train': gptTraining,
  'encoder.b1': () => encoder(1),
  'encoder.b8': () => encoder(8),
  'resnet-block.train': () => residual(true),
  'resnet-block.infer': () => residual(false),
};
