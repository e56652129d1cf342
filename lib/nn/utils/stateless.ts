/** functionalCall under its older name, as torch.nn.utils.stateless. */
export { functionalCall } from '../stateless.js';
