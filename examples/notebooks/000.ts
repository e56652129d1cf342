/**
 * A loss function and how to go down it: by probing, then by derivatives written by hand.
 *
 *   npm run notebook -- 000
 *
 * For who reads PyTorch: `w * t_u + b` is `w.mul(tU).add(b)`, for JavaScript has no operators for tensors; names are
 * PyTorch's in camelCase; everything else is as it was.
 */
import { nn, ones, randn, stack, tensor, zeros, manualSeed, type Tensor } from 'tenfold';
import { repr } from './python.js';

// What a thermometer of unknown units shows (tU), and the truth in degrees Celsius (tC).
const tC = tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
const tU = tensor([0.4, 1.2, 2.5, 3.9, 4.3, 5.7, 6.2, 7.9, 8.3, 9.5, 10.5, 11.5]);
console.log(tC);
console.log(tU);

// ---- model and loss ---------------------------------------------------------------------------------------------------

const model = (x: Tensor, w: Tensor, b: Tensor): Tensor => w.mul(x).add(b);

function lossFn(prediction: Tensor, truth: Tensor): Tensor {
  const squaredDiffs = prediction.sub(truth).pow(2);
  return squaredDiffs.mean();
}

let w = ones(1);
let b = zeros(1);
console.log(model(tU, w, b));
console.log(lossFn(model(tU, w, b), tC));

// ---- down by probing: the slope between two points beside each parameter ------------------------------------------------

const delta = 0.1;
const learningRate = 1e-2;

// A first, one-sided step of w alone: what the loss rises by when w does.
const rise = lossFn(model(tU, w.add(delta), b), tC).sub(lossFn(model(tU, w, b), tC));
console.log(rise);
w = w.sub(rise.mul(learningRate));

// Then two-sided ones. `(f(w + d) - f(w - d)) / (2 d)` has an error in d², the one-sided in d.
const slope = (f: (step: number) => Tensor): Tensor =>
  f(delta)
    .sub(f(-delta))
    .div(2 * delta);
const slopeW = slope((step) => lossFn(model(tU, w.add(step), b), tC));
w = w.sub(slopeW.mul(learningRate));
const slopeB = slope((step) => lossFn(model(tU, w, b.add(step)), tC));
b = b.sub(slopeB.mul(learningRate));
console.log(`(${w}, ${b})`);

// ---- the same by autograd ---------------------------------------------------------------------------------------------

manualSeed(0);
const input = randn(10, 5, { requiresGrad: true });
const target = randn(10, 5);
const output = new nn.MSELoss().forward(input, target);
output.backward();
console.log(output);
console.log(output.gradFn);

// ---- derivatives written by hand --------------------------------------------------------------------------------------

// dloss/dw = dloss/dprediction · dprediction/dw, the mean over the samples; dprediction/dw is the input, dprediction/db 1.
function gradFn(x: Tensor, truth: Tensor, prediction: Tensor): Tensor {
  const dLoss = prediction.sub(truth).mul(2);
  return stack([dLoss.mul(x).mean(), dLoss.mean()]);
}

let params = tensor([1, 1]);
for (let epoch = 0; epoch < 100; epoch++) {
  const [weight, bias] = params;
  const prediction = model(tU, weight, bias);
  console.log(`Epoch ${epoch}: Loss ${repr(lossFn(prediction, tC).item())}`);
  const grad = gradFn(tU, tC, prediction);
  console.log(`params: ${params}, Grad: ${grad}`);
  params = params.sub(grad.mul(learningRate));
}
console.log(params);
