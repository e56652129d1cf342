/**
 * The mechanics of learning: gradient descent by hand, how it diverges, and what a smaller step or scaled inputs do.
 *
 *   npm run notebook -- 001
 */
import { ones, stack, tensor, zeros, type Tensor } from 'tenfold';
import { fixed } from './python.js';

// Temperatures: tU is what the thermometer says, tC the truth.
const tC = tensor([0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0]);
const tU = tensor([35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4]);

const model = (x: Tensor, w: Tensor, b: Tensor): Tensor => w.mul(x).add(b);
const lossFn = (prediction: Tensor, truth: Tensor): Tensor => prediction.sub(truth).pow(2).mean();

// `ones([])` is torch.ones(()): a tensor without dims, one number.
let w = ones([]);
let b = zeros([]);
console.log(model(tU, w, b));
console.log(lossFn(model(tU, w, b), tC));

// ---- one step by probing; it doesn't scale, for each parameter costs two more losses ------------------------------------

const delta = 0.1;
const slope = (f: (step: number) => Tensor): Tensor =>
  f(delta)
    .sub(f(-delta))
    .div(2 * delta);
const slopeW = slope((step) => lossFn(model(tU, w.add(step), b), tC));
const slopeB = slope((step) => lossFn(model(tU, w, b.add(step)), tC));
console.log(slopeW);
console.log(slopeB);
w = w.sub(slopeW.mul(1e-2));
b = b.sub(slopeB.mul(1e-2));
console.log(`(${w}, ${b})`);

// ---- derivatives by the chain rule: dloss/dw = dloss/dprediction · dprediction/dw ---------------------------------------

// The samples are elementwise products; the sum over them is what a single weight gets.
function gradFn(x: Tensor, prediction: Tensor, truth: Tensor): Tensor {
  const dLoss = prediction.sub(truth).mul(2).div(prediction.shape[0]!);
  return stack([dLoss.mul(x).sum(), dLoss.sum()]);
}

function trainingLoop(params: Tensor, learningRate: number, x: Tensor, truth: Tensor, epochs: number): Tensor {
  for (let epoch = 0; epoch < epochs; epoch++) {
    const [weight, bias] = params;
    const prediction = model(x, weight, bias);
    const loss = lossFn(prediction, truth);
    const grads = gradFn(x, prediction, truth);
    if (epoch === 0) console.log('grads shape', grads.shape);
    params = params.sub(grads.mul(learningRate));
    console.log(`Epoch ${epoch}, loss ${fixed(loss.item())}`);
  }
  return params;
}

// Steps too long overshoot, each by more than the last: to infinity, and from there to NaN.
console.log(trainingLoop(tensor([1, 0]), 1e-2, tU, tC, 100));

// Short ones converge, but the weight's gradient is 50 times the bias's: no one length suits both.
console.log(trainingLoop(tensor([1, 0]), 1e-4, tU, tC, 100));

// With the inputs scaled to about 1 the gradients are alike, and the long step is right.
console.log(trainingLoop(tensor([1, 0]), 1e-2, tU.mul(0.1), tC, 5000));
// Close to (F - 32) / 1.8 of a tenth of a degree Fahrenheit: 5.56 and -17.8.
