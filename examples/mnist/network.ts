/** The network of `npm start`, which examples/digits.ts serves. */
import { nn } from 'tenfold';

/** Two convolutions with pooling, two linear layers. Takes images [n, 1, 28, 28], gives logits [n, 10]. */
export function network(): nn.Sequential {
  return new nn.Sequential(
    new nn.Conv2d(1, 16, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(16),
    new nn.ReLU(),
    new nn.MaxPool2d(2), // [n, 16, 14, 14]
    new nn.Conv2d(16, 32, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(32),
    new nn.ReLU(),
    new nn.MaxPool2d(2), // [n, 32, 7, 7]
    new nn.Flatten(),
    new nn.Linear(32 * 7 * 7, 128),
    new nn.ReLU(),
    new nn.Dropout(0.3),
    new nn.Linear(128, 10),
  );
}
