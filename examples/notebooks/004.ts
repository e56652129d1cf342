/**
 * Linear regression with two outputs: yields of apples and oranges from temperature, rainfall and humidity, with matrix
 * products and autograd.
 *
 *   npm run notebook -- 004
 *
 * The weights are those that the original prints. They are rounded to four decimals there, so that its own later figures
 * differ in the fifth digit; PyTorch, started from these, prints what is printed here.
 */
import { noGrad, tensor, type Tensor } from 'tenfold';

const inputs = tensor([
  [73, 67, 43],
  [91, 88, 64],
  [87, 134, 58],
  [102, 43, 37],
  [69, 96, 70],
]);
const targets = tensor([
  [56, 70],
  [81, 101],
  [119, 113],
  [22, 37],
  [103, 119],
]);
console.log(inputs);
console.log(targets);

const w = tensor(
  [
    [0.3088, -2.9144, 1.3369],
    [-0.2791, 0.5479, -0.1951],
  ],
  { requiresGrad: true },
);
const b = tensor([-0.3735, 0.8594], { requiresGrad: true });
console.log(w);
console.log(b);

// x @ w.t() + b: the bias is broadcast over the rows.
const model = (x: Tensor): Tensor => x.matmul(w.t()).add(b);
console.log(w.t());
console.log(model(inputs));

const mse = (a: Tensor, t: Tensor): Tensor => {
  const diff = a.sub(t);
  return diff.pow(2).sum().div(diff.numel());
};

let loss = mse(model(inputs), targets);
console.log(loss);

// ---- gradients: which way, and how strongly, each weight moves the loss ---------------------------------------------------

loss.backward();
console.log(w.grad);
console.log(b.grad);

// backward() adds to the gradients that are there, so they are set to zero between two calls.
w.grad!.zero_();
b.grad!.zero_();
console.log(w.grad);
console.log(b.grad);

// ---- one step down -------------------------------------------------------------------------------------------------------

function step(): void {
  mse(model(inputs), targets).backward();
  // A small step (the learning rate is 1e-5), not recorded by autograd.
  noGrad(() => {
    for (const parameter of [w, b]) {
      parameter.sub_(parameter.grad!.mul(1e-5));
      parameter.grad!.zero_();
    }
  });
}

step();
loss = mse(model(inputs), targets);
console.log(loss);

// ---- a hundred more ------------------------------------------------------------------------------------------------------

for (let epoch = 0; epoch < 100; epoch++) step();
const predictions = model(inputs);
console.log(mse(predictions, targets));
console.log(predictions);
console.log(targets);
