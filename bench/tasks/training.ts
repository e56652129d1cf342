/** What every training task reports. */
import { type Tensor } from 'tenfold';

/** Loss of the first and of the fifth step. */
export function firstLosses(step: () => Tensor): { loss1: number; loss5: number } {
  const loss1 = step().item();
  for (let i = 0; i < 3; i++) step();
  return { loss1, loss5: step().item() };
}
