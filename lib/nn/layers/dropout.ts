/** Dropout layers: they act in training mode only. */
import { TenfoldError } from '../../errors.js';
import { type Tensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import * as F from '../functional/dropout.js';
import { Module } from '../module.js';
import { float } from '../print.js';

const dropout = signature('Dropout(float p=0.5, bool inplace=false)');
type DropoutArguments = Arguments<typeof dropout.schema>;

abstract class AnyDropout extends Module {
  readonly p: number;
  readonly inplace: boolean;
  constructor(...args: DropoutArguments) {
    super();
    [this.p, this.inplace] = dropout.read(args, new.target.name);
    if (!(this.p >= 0 && this.p <= 1)) {
      throw new TenfoldError('value', `${this.constructor.name}: p must be between 0 and 1, got ${this.p}`);
    }
  }
  override extraRepr(): string {
    return `p=${float(this.p)}, inplace=${this.inplace}`;
  }
}

/** Elements are set to 0 with probability p, the others scaled by 1 / (1 − p) (Hinton et al. 2012). See torch.nn.Dropout. */
export class Dropout extends AnyDropout {
  override forward(input: Tensor): Tensor {
    return F.dropout(input, this.p, this.training, this.inplace);
  }
}
/** Dropout of whole channels of [n, c, l]. See torch.nn.Dropout1d. */
export class Dropout1d extends AnyDropout {
  override forward(input: Tensor): Tensor {
    return F.dropout1d(input, this.p, this.training, this.inplace);
  }
}
/** Dropout of whole channels of [n, c, h, w]. See torch.nn.Dropout2d. */
export class Dropout2d extends AnyDropout {
  override forward(input: Tensor): Tensor {
    return F.dropout2d(input, this.p, this.training, this.inplace);
  }
}
/** Dropout of whole channels of [n, c, d, h, w]. See torch.nn.Dropout3d. */
export class Dropout3d extends AnyDropout {
  override forward(input: Tensor): Tensor {
    return F.dropout3d(input, this.p, this.training, this.inplace);
  }
}
/** Dropout that keeps mean and variance behind SELU (Klambauer et al. 2017). See torch.nn.AlphaDropout. */
export class AlphaDropout extends AnyDropout {
  override forward(input: Tensor): Tensor {
    return F.alphaDropout(input, this.p, this.training, this.inplace);
  }
}
/** AlphaDropout of whole channels. See torch.nn.FeatureAlphaDropout. */
export class FeatureAlphaDropout extends AnyDropout {
  override forward(input: Tensor): Tensor {
    return F.featureAlphaDropout(input, this.p, this.training, this.inplace);
  }
}
