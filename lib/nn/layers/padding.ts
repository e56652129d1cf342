/** Padding layers: widths for the last dim first, (left, right, top, bottom, …); one number pads every side. */
import { TenfoldError, show } from '../../errors.js';
import { formatShape } from '../../tensor/shape.js';
import { checkIsTensor, type Tensor } from '../../tensor/tensor.js';
import * as F from '../functional/index.js';
import { Module } from '../module.js';
import { number, tuple } from '../print.js';

/** Widths of a layer for `dims` dims. */
type Widths = number | readonly number[];
function widths(call: string, padding: Widths, dims: number): readonly number[] {
  if (Number.isInteger(padding)) return new Array<number>(2 * dims).fill(padding as number);
  if (!Array.isArray(padding) || padding.length !== 2 * dims || !padding.every(Number.isInteger)) {
    throw new TypeError(`${call}: padding must be an integer or ${2 * dims} integers, got ${show(padding)}`);
  }
  return Object.freeze([...(padding as number[])]);
}

/** An input that goes round has channels, and maybe a batch, before its `dims` dims. */
function checkDims(call: string, input: Tensor, dims: number): void {
  checkIsTensor(call, 'input', input);
  const given = input.shape.length;
  if (given !== dims + 1 && given !== dims + 2)
    throw new TenfoldError(
      'shape',
      `${call}: expected an input of ${dims + 1} or ${dims + 2} dims, got ${formatShape(input.shape)}`,
    );
}

abstract class Padding extends Module {
  readonly padding: readonly number[];
  constructor(
    dims: number,
    private readonly mode: 'constant' | 'reflect' | 'replicate' | 'circular',
    padding: Widths,
  ) {
    super();
    this.padding = widths(this.constructor.name, padding, dims);
  }
  override forward(input: Tensor): Tensor {
    if (this.mode === 'circular') checkDims(this.constructor.name, input, this.padding.length / 2);
    return F.pad(input, this.padding, { mode: this.mode });
  }
  override extraRepr(): string {
    return tuple(this.padding);
  }
}
abstract class ConstantPadding extends Module {
  readonly padding: readonly number[];
  readonly value: number;
  constructor(dims: number, padding: Widths, value: number) {
    super();
    this.padding = widths(this.constructor.name, padding, dims);
    if (typeof value !== 'number')
      throw new TypeError(`${this.constructor.name}: value must be a number, got ${show(value)}`);
    this.value = value;
  }
  override forward(input: Tensor): Tensor {
    return F.pad(input, this.padding, { mode: 'constant', value: this.value });
  }
  override extraRepr(): string {
    return `padding=${tuple(this.padding)}, value=${number(this.value)}`;
  }
}

/** Pads with the input mirrored at its border, the border itself not repeated. See torch.nn.ReflectionPad1d. */
export class ReflectionPad1d extends Padding {
  constructor(padding: Widths) {
    super(1, 'reflect', padding);
  }
}
/** Pads with the input mirrored at its border, the border itself not repeated. See torch.nn.ReflectionPad2d. */
export class ReflectionPad2d extends Padding {
  constructor(padding: Widths) {
    super(2, 'reflect', padding);
  }
}
/** Pads with the input mirrored at its border, the border itself not repeated. See torch.nn.ReflectionPad3d. */
export class ReflectionPad3d extends Padding {
  constructor(padding: Widths) {
    super(3, 'reflect', padding);
  }
}
/** Pads with the border. See torch.nn.ReplicationPad1d. */
export class ReplicationPad1d extends Padding {
  constructor(padding: Widths) {
    super(1, 'replicate', padding);
  }
}
/** Pads with the border. See torch.nn.ReplicationPad2d. */
export class ReplicationPad2d extends Padding {
  constructor(padding: Widths) {
    super(2, 'replicate', padding);
  }
}
/** Pads with the border. See torch.nn.ReplicationPad3d. */
export class ReplicationPad3d extends Padding {
  constructor(padding: Widths) {
    super(3, 'replicate', padding);
  }
}
/** Pads with the other end, as if the input went round. See torch.nn.CircularPad1d. */
export class CircularPad1d extends Padding {
  constructor(padding: Widths) {
    super(1, 'circular', padding);
  }
}
/** Pads with the other end, as if the input went round. See torch.nn.CircularPad2d. */
export class CircularPad2d extends Padding {
  constructor(padding: Widths) {
    super(2, 'circular', padding);
  }
}
/** Pads with the other end, as if the input went round. See torch.nn.CircularPad3d. */
export class CircularPad3d extends Padding {
  constructor(padding: Widths) {
    super(3, 'circular', padding);
  }
}
/** Pads with zeros. See torch.nn.ZeroPad1d. */
export class ZeroPad1d extends Padding {
  constructor(padding: Widths) {
    super(1, 'constant', padding);
  }
}
/** Pads with zeros. See torch.nn.ZeroPad2d. */
export class ZeroPad2d extends Padding {
  constructor(padding: Widths) {
    super(2, 'constant', padding);
  }
}
/** Pads with zeros. See torch.nn.ZeroPad3d. */
export class ZeroPad3d extends Padding {
  constructor(padding: Widths) {
    super(3, 'constant', padding);
  }
}
/** Pads with a value. See torch.nn.ConstantPad1d. */
export class ConstantPad1d extends ConstantPadding {
  constructor(padding: Widths, value: number) {
    super(1, padding, value);
  }
}
/** Pads with a value. See torch.nn.ConstantPad2d. */
export class ConstantPad2d extends ConstantPadding {
  constructor(padding: Widths, value: number) {
    super(2, padding, value);
  }
}
/** Pads with a value. See torch.nn.ConstantPad3d. */
export class ConstantPad3d extends ConstantPadding {
  constructor(padding: Widths, value: number) {
    super(3, padding, value);
  }
}
