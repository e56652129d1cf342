/** Ops that PyTorch has under a second name. */
import { alias } from '../op/define.js';
import { atan2, div, ge, gt, le, lt, mul, ne, sub } from './arithmetic.js';
import { outer } from './contraction.js';
import { cat, vstack } from './joining.js';
import { dot } from './matrix.js';
import { movedim } from './rearrange.js';
import { abs, acos, acosh, asin, asinh, atan, atanh, clamp, neg, trunc } from './unary.js';
import { transpose } from './view.js';

/** abs by another name. See torch.absolute. */
export const absolute = alias('absolute', abs);
/** acos by another name. See torch.arccos. */
export const arccos = alias('arccos', acos);
/** acosh by another name. See torch.arccosh. */
export const arccosh = alias('arccosh', acosh);
/** asin by another name. See torch.arcsin. */
export const arcsin = alias('arcsin', asin);
/** asinh by another name. See torch.arcsinh. */
export const arcsinh = alias('arcsinh', asinh);
/** atan by another name. See torch.arctan. */
export const arctan = alias('arctan', atan);
/** atan2 by another name. See torch.arctan2. */
export const arctan2 = alias('arctan2', atan2);
/** atanh by another name. See torch.arctanh. */
export const arctanh = alias('arctanh', atanh);
/** clamp by another name. See torch.clip. */
export const clip = alias('clip', clamp);
/** cat by another name. See torch.concat. */
export const concat = alias('concat', cat);
/** cat by another name. See torch.concatenate. */
export const concatenate = alias('concatenate', cat);
/** div by another name. See torch.divide. */
export const divide = alias('divide', div);
/** div by another name. See torch.true_divide. */
export const trueDivide = alias('trueDivide', div);
/** trunc by another name. See torch.fix. */
export const fix = alias('fix', trunc);
/** outer by another name. See torch.ger. */
export const ger = alias('ger', outer);
/** gt by another name. See torch.greater. */
export const greater = alias('greater', gt);
/** ge by another name. See torch.greater_equal. */
export const greaterEqual = alias('greaterEqual', ge);
/** lt by another name. See torch.less. */
export const less = alias('less', lt);
/** le by another name. See torch.less_equal. */
export const lessEqual = alias('lessEqual', le);
/** movedim by another name. See torch.moveaxis. */
export const moveaxis = alias('moveaxis', movedim);
/** mul by another name. See torch.multiply. */
export const multiply = alias('multiply', mul);
/** neg by another name. See torch.negative. */
export const negative = alias('negative', neg);
/** ne by another name. See torch.not_equal. */
export const notEqual = alias('notEqual', ne);
/** dot by another name: no dtype is complex. See torch.vdot. */
export const vdot = alias('vdot', dot);
/** vstack by another name. See torch.row_stack. */
export const rowStack = alias('rowStack', vstack);
/** sub by another name. See torch.subtract. */
export const subtract = alias('subtract', sub);
/** transpose by another name. See torch.swapdims. */
export const swapdims = alias('swapdims', transpose);
