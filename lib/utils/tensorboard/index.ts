/** What PyTorch keeps in torch.utils.tensorboard. */
export { SummaryWriter, type HparamValue, type SummaryWriterOptions } from './writer.js';
