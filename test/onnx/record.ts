/**
 * Writes every layer of test/onnx/layers.ts as an ONNX model, with inputs, for scripts/record/onnx_export.py, which checks and runs them:
 *
 *   npx tsx test/onnx/record.ts build/onnx-export
 *   python scripts/record/onnx_export.py build/onnx-export
 *
 * NAME.onnx, and NAME.json: [{ name, dtype, shape, data }] of the inputs; where dims are open, those of another size.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onnx } from '../../lib/index.js';
import { ROWS, grownInputs, make } from './layers.js';

const folder = process.argv[2]!;
mkdirSync(folder, { recursive: true });
for (const [i, row] of ROWS.entries()) {
  for (const open of row[2] ? [false, true] : [false]) {
    const name = `${String(i).padStart(3, '0')}${open ? '-open' : ''}`;
    const { module, inputs } = make(row);
    onnx.export(module, inputs, join(folder, `${name}.onnx`), open ? { dynamicAxes: row[2]! } : {});
    const given = open ? grownInputs(row, inputs) : inputs;
    const list = given.map((t, k) => ({
      name: given.length === 1 ? 'input' : `input${k}`,
      dtype: t.dtype,
      shape: t.shape,
      data: t.reshape([t.numel()]).double().tolist(),
    }));
    writeFileSync(join(folder, `${name}.json`), JSON.stringify({ js: row[0], open, inputs: list }));
  }
}
