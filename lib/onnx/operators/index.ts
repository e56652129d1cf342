/** ONNX's operators: one entry each, in the files of their kinds, written with public ops. */
import type { Operator } from '../signature.js';
import { ACTIVATION } from './activation.js';
import { ARITHMETIC } from './arithmetic.js';
import { ATTENTION } from './attention.js';
import { CONTROL } from './control.js';
import { GATHERING } from './gathering.js';
import { LOSS } from './loss.js';
import { MATRIX } from './matrix.js';
import { NORMALIZATION } from './normalization.js';
import { QUANTIZATION } from './quantization.js';
import { RANDOM } from './random.js';
import { RECURRENT } from './recurrent.js';
import { REDUCTION } from './reduction.js';
import { RESIZE } from './resize.js';
import { SHAPE } from './shape.js';
import { SIGNAL } from './signal.js';
import { TEXT } from './text.js';
import { VISION } from './vision.js';
import { WINDOWS } from './windows.js';

/** All operators of the domain ai.onnx, by name. */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map(
  [
    ACTIVATION,
    ARITHMETIC,
    ATTENTION,
    CONTROL,
    GATHERING,
    LOSS,
    MATRIX,
    NORMALIZATION,
    QUANTIZATION,
    RANDOM,
    RECURRENT,
    REDUCTION,
    RESIZE,
    SHAPE,
    SIGNAL,
    TEXT,
    VISION,
    WINDOWS,
  ].flatMap((table) => [...table]),
);
