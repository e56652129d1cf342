// The network of README.md, for a library that was loaded in any way; what it answers.
module.exports = ({ manualSeed, nn, optim, tensor }) => {
  manualSeed(0);
  const x = tensor([[0, 0], [0, 1], [1, 0], [1, 1]]); // prettier-ignore
  const y = tensor([0, 1, 1, 0], { dtype: 'int64' });
  const model = new nn.Sequential(new nn.Linear(2, 8), new nn.Tanh(), new nn.Linear(8, 2));
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.05 });
  const lossFn = new nn.CrossEntropyLoss();
  let loss;
  for (let step = 0; step < 200; step++) {
    optimizer.zeroGrad();
    loss = lossFn.forward(model.forward(x), y);
    loss.backward();
    optimizer.step();
  }
  return `${model.forward(x).argmax(1).tolist()} ${loss.item().toFixed(4)}`;
};
