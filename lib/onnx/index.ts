/** Models in ONNX, in and out: load makes a module of a file, export a file of a module. */
export { load, OnnxModule, type OnnxValue, type ValueInfo } from './module.js';
export { exportModule as export, type ExportOptions } from './export/index.js';
