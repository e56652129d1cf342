/**
 * Transforms of images as tensors [..., channels, height, width]: modules to put one behind the other (`Compose`), those by chance
 * seeded as torchvision's; `functional` holds what they do. For samples of a dataset, or whole batches (one draw for a batch).
 */
export * as functional from './functional.js';
export type { Fill, Interpolation, PaddingMode } from './arguments.js';
export { CenterCrop, Compose, Lambda, Normalize, Pad, Resize, ToDtype, type Transform } from './fixed.js';
export {
  RandomApply,
  RandomCrop,
  RandomErasing,
  RandomHorizontalFlip,
  RandomResizedCrop,
  RandomRotation,
  RandomVerticalFlip,
} from './random.js';
