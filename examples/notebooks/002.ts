/**
 * Autograd, a loss function and an optimizer: the three parts of training.
 *
 *   npm run notebook -- 002
 */
import { manualSeed, nn, optim, tensor } from 'tenfold';
import { repr } from './python.js';

// ---- autograd: y = a² + b, dy/da = 2a = 6, dy/db = 1 --------------------------------------------------------------------
{
  const a = tensor(3, { requiresGrad: true });
  const b = tensor(2, { requiresGrad: true });
  const y = a.pow(2).add(b);
  y.backward();
  console.log('dy/da: ', repr(a.grad!.item()));
  console.log('dy/db: ', repr(b.grad!.item()));
}

// ---- a loss: l = (wx + b - y)², dl/dw = 2 (wx + b - y) x = 20, dl/db = 2 (wx + b - y) = 10 --------------------------------
{
  const w = tensor(5, { requiresGrad: true });
  const b = tensor(2, { requiresGrad: true });
  const x = 2;
  const yTrue = 7;
  const yHat = w.mul(x).add(b);
  const loss = yHat.sub(yTrue).pow(2);
  loss.backward();
  console.log(`d(loss)/dw: ${repr(w.grad!.item())}`);
  console.log(`d(loss)/db: ${repr(b.grad!.item())}`);
}

// ---- cross entropy: logits against class indices, which are int64 -------------------------------------------------------

const lossFn = new nn.CrossEntropyLoss();
const yTrue = tensor([0, 1], { dtype: 'int64' });
// The first sample is class 0, but class 1 has the higher logit; the second can't decide.
const unsure = tensor([
  [2, 8],
  [5, 5],
]);
console.log(repr(lossFn.forward(unsure, yTrue).item()));
const sure = tensor([
  [100, 0],
  [0, 100],
]);
console.log(repr(lossFn.forward(sure, yTrue).item()));

// ---- an optimizer: ten steps of Adam ------------------------------------------------------------------------------------

// The same seed gives PyTorch the same initial weights, so these are its losses too.
manualSeed(2);
const model = new nn.Linear(4, 2);
const optimizer = new optim.Adam(model.parameters());
const x = tensor([
  [1, 2, 3, 4],
  [-1, -2, -3, -4],
]);
for (let step = 0; step < 10; step++) {
  optimizer.zeroGrad(); // clear the gradients of the step before
  const logits = model.forward(x);
  const loss = lossFn.forward(logits, yTrue);
  console.log(`step ${step}, loss: ${repr(loss.item())}`);
  loss.backward();
  optimizer.step();
}
