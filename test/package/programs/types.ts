// Compiled, not run: types that a user's code meets.
import { manualSeed, nn, optim, tensor, type DType, type Tensor } from 'tenfold';

manualSeed(0);
export const dtype: DType = 'float32';
export class Net extends nn.Module {
  private readonly layer = new nn.Linear(2, 3);
  override forward(x: Tensor): Tensor {
    return nn.functional.relu(this.layer.forward(x)).sum(1, { keepdim: true });
  }
}
const net = new Net();
export const rate: number = new optim.Adam(net.parameters(), { lr: 0.1 }).paramGroups[0]!.lr as number;
export const shape: readonly number[] = net.forward(tensor([[1, 2]])).shape;
// @ts-expect-error -- types are really there: a tensor has no such method
net.forward(tensor([[1, 2]])).noSuchMethod();
