/**
 * Gradient descent four times: by hand, with autograd, with an optimizer and a loss, and with a layer. The truth is 2x.
 *
 *   npm run notebook -- 003
 *
 * The original draws its first weights; here they are the very numbers that it drew, so that every loss is the same.
 */
import { fromTypedArray, nn, noGrad, optim, setPrintoptions, tensor, type Tensor } from 'tenfold';
import { repr } from './python.js';

const x = fromTypedArray(new Float32Array([1, 2, 3, 4]));
const y = x.mul(2);

const lossFn = (prediction: Tensor, truth: Tensor): Tensor => prediction.sub(truth).pow(2).mean();

// ---- by hand, in float64 as NumPy does ----------------------------------------------------------------------------------
{
  let w = tensor([0.1389327840064809], { dtype: 'float64' });
  // Half the derivative of the loss times the four samples, as the original has it: the learning rate makes up for it.
  const gradient = (prediction: Tensor): Tensor => x.double().dot(prediction.sub(y));

  for (let epoch = 0; epoch < 10; epoch++) {
    const prediction = w.mul(x);
    const loss = lossFn(prediction, y);
    w = w.sub(gradient(prediction).mul(0.01));
    console.log(`epoch № ${epoch}: loss = ${repr(loss.item())}`);
  }
  setPrintoptions({ precision: 8 });
  console.log(`\nweights after training: ${w}\n`);
  setPrintoptions({ precision: 4 });
}

// ---- with autograd and in-place updates ---------------------------------------------------------------------------------
{
  const weights = tensor([4.6686], { requiresGrad: true });
  console.log(weights);
  console.log(y);
  const learningRate = 0.01;

  for (let epoch = 0; epoch < 100; epoch++) {
    const prediction = weights.mul(x); // 1: forward pass
    const loss = lossFn(prediction, y); // 2: loss
    loss.backward(); // 3: gradient
    // 4: update. It must not be recorded: it is no part of the model.
    noGrad(() => weights.sub_(weights.grad!.mul(learningRate)));
    weights.grad!.zero_(); // 5: backward() adds to what is there
    if ((epoch + 1) % 10 === 0) console.log(`epoch № ${epoch + 1}: loss = ${repr(loss.item())}\n`);
  }
  console.log(`weight = ${weights}\n`);
}

// ---- with an optimizer and a loss -----------------------------------------------------------------------------------------
{
  const weights = tensor([8.4870815], { requiresGrad: true });
  console.log(weights);
  const optimizer = new optim.SGD([weights], { lr: 0.01 });
  const loss = new nn.MSELoss();

  for (let epoch = 0; epoch < 100; epoch++) {
    const value = loss.forward(weights.mul(x), y);
    value.backward();
    optimizer.step();
    optimizer.zeroGrad();
    if ((epoch + 1) % 10 === 0) console.log(`epoch №${epoch + 1}: loss = ${repr(value.item())}\n`);
  }
  console.log(`weights = ${weights}\n`);
}

// ---- with a layer: each sample is a row -----------------------------------------------------------------------------------
{
  const rows = x.reshape(-1, 1);
  const truth = y.reshape(-1, 1);
  console.log(truth);

  const model = new nn.Linear(1, 1, { bias: false });
  noGrad(() => model.weight.fill_(0.5106083));
  console.log([...model.parameters()][0]);
  const loss = new nn.MSELoss();
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.05 });

  for (let epoch = 0; epoch < 10; epoch++) {
    const value = loss.forward(model.forward(rows), truth);
    value.backward();
    optimizer.step();
    optimizer.zeroGrad();
    console.log(`epoch №${epoch + 1}: loss = ${repr(value.item())}`);
  }
  console.log('model prediction for x=5: ', repr(model.forward(tensor([5])).item()));
}
