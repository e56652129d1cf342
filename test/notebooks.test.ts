/**
 * The notebooks in examples/, run as they are: what they print is held, digit for digit, to what the originals print. In 002
 * and 004 the originals' weights aren't known to the last digit; there the figures are PyTorch's for the same start.
 */
import { format } from 'node:util';
import { afterEach, expect, it, vi } from 'vitest';

afterEach(() => vi.restoreAllMocks());

/** What a notebook prints, as one text. */
async function run(name: string): Promise<string> {
  const lines: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((...args: unknown[]) => void lines.push(format(...args)));
  await import(`../examples/notebooks/${name}.ts`);
  return lines.join('\n');
}

/** Expects these texts in this order, each on lines of its own. */
function expectInOrder(printed: string, expected: string[]): void {
  const text = `\n${printed}\n`;
  let from = 0;
  for (const part of expected) {
    const at = text.indexOf(`\n${part}\n`, from);
    if (at < 0) expect(text.slice(from).slice(0, 2000), 'the next lines hold').toContain(part);
    from = at + part.length + 1;
  }
}

it('000: by probing and by hand', async () => {
  const printed = await run('000');
  expectInOrder(printed, [
    'tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11.])',
    'tensor([ 0.4000,  1.2000,  2.5000,  3.9000,  4.3000,  5.7000,  6.2000,  7.9000,\n         8.3000,  9.5000, 10.5000, 11.5000])',
    'tensor(0.2942)',
    'tensor(1.0976)',
    '(tensor([0.9379]), tensor([-0.0024]))',
    'tensor(2.2969, gradFn=<MseLossBackward0>)', // PyTorch's for seed 0
    '<MseLossBackward0>',
    'Epoch 0: Loss 2.2774999141693115',
    'params: tensor([1., 1.]), Grad: tensor([18.1550,  2.9833])',
    'Epoch 1: Loss 0.5418065786361694',
    'params: tensor([0.8184, 0.9702]), Grad: tensor([0.3527, 0.7481])',
    'Epoch 2: Loss 0.5359362959861755',
    'params: tensor([0.8149, 0.9627]), Grad: tensor([-0.0759,  0.6909])',
    'Epoch 3: Loss 0.5311182141304016',
    'params: tensor([0.8157, 0.9558]), Grad: tensor([-0.0858,  0.6861])',
    'Epoch 4: Loss 0.5263487100601196',
    'params: tensor([0.8165, 0.9489]), Grad: tensor([-0.0856,  0.6827])',
    'Epoch 5: Loss 0.5216265320777893',
    'params: tensor([0.8174, 0.9421]), Grad: tensor([-0.0852,  0.6793])',
    'Epoch 6: Loss 0.5169512629508972',
    'params: tensor([0.8182, 0.9353]), Grad: tensor([-0.0847,  0.6759])',
    'Epoch 7: Loss 0.5123223662376404',
    'params: tensor([0.8191, 0.9285]), Grad: tensor([-0.0843,  0.6726])',
    'Epoch 8: Loss 0.5077394843101501',
    'params: tensor([0.8199, 0.9218]), Grad: tensor([-0.0839,  0.6692])',
    'Epoch 9: Loss 0.5032020807266235',
    'params: tensor([0.8208, 0.9151]), Grad: tensor([-0.0835,  0.6659])',
    'tensor([0.8820, 0.4269])',
  ]);
  expect(printed.match(/^Epoch /gm)).toHaveLength(100);
});

it('001: diverging, converging, scaled', async () => {
  const printed = await run('001');
  const diverging = [
    '1763.884766',
    '5802484.500000',
    '19408029696.000000',
    '64915905708032.000000',
    '217130525461053440.000000',
    '726257583152928129024.000000',
    '2429183416467662896627712.000000',
    '8125122549611731432050262016.000000',
    '27176882120842590626938030653440.000000',
    '90901105189019073810297959556841472.000000',
  ];
  const short = [
    '1763.884766',
    '323.090515',
    '78.929634',
    '37.552845',
    '30.540283',
    '29.351154',
    '29.148884',
    '29.113848',
    '29.107145',
    '29.105247',
    '29.104168',
    '29.103222',
    '29.102295',
    '29.101379',
    '29.100466',
    '29.099548',
    '29.098631',
    '29.097717',
    '29.096796',
    '29.095881',
    '29.094959',
    '29.094049',
    '29.093134',
    '29.092216',
    '29.091301',
    '29.090385',
    '29.089464',
    '29.088551',
    '29.087635',
    '29.086714',
    '29.085804',
    '29.084888',
    '29.083967',
    '29.083057',
    '29.082142',
    '29.081221',
    '29.080309',
    '29.079390',
    '29.078474',
  ];
  const scaled = [
    '80.364342',
    '37.574913',
    '30.871077',
    '29.756193',
    '29.507153',
    '29.392456',
    '29.298828',
    '29.208717',
    '29.119415',
    '29.030489',
    '28.941877',
    '28.853565',
    '28.765553',
    '28.677851',
    '28.590431',
    '28.503319',
    '28.416498',
    '28.329973',
    '28.243742',
    '28.157804',
    '28.072151',
    '27.986797',
    '27.901728',
    '27.816950',
    '27.732464',
    '27.648256',
    '27.564344',
    '27.480707',
    '27.397362',
    '27.314295',
    '27.231512',
    '27.149010',
    '27.066790',
    '26.984844',
    '26.903175',
    '26.821791',
    '26.740679',
    '26.659838',
    '26.579279',
  ];
  const epochs = (losses: string[]): string[] => losses.map((loss, epoch) => `Epoch ${epoch}, loss ${loss}`);
  const overflow = [...Array<string>(12).fill('inf'), ...Array<string>(78).fill('nan')];
  expectInOrder(printed, [
    'tensor([35.7000, 55.9000, 58.2000, 81.9000, 56.3000, 48.9000, 33.9000, 21.8000,\n        48.4000, 60.4000, 68.4000])',
    'tensor(1763.8848)',
    'tensor(4517.2974)',
    'tensor(82.5995)',
    '(tensor(-44.1730), tensor(-0.8260))',
    'grads shape [ 2 ]',
    ...epochs([...diverging, ...overflow]),
    'tensor([nan, nan])',
    'grads shape [ 2 ]',
    ...epochs(short),
    'grads shape [ 2 ]',
    ...epochs(scaled),
    'tensor([  5.3671, -17.3012])',
  ]);
  expect(printed.match(/^Epoch /gm)).toHaveLength(5200);
});

it('002: autograd, a loss, an optimizer', async () => {
  const printed = await run('002');
  expectInOrder(printed, [
    'dy/da:  6.0',
    'dy/db:  1.0',
    'd(loss)/dw: 20.0',
    'd(loss)/db: 10.0',
    '3.347811460494995',
    '0.0',
    // PyTorch's for seed 2

    'step 0, loss: 0.21999642252922058',
    'step 1, loss: 0.21599842607975006',
    'step 2, loss: 0.21206586062908173',
    'step 3, loss: 0.20819899439811707',
    'step 4, loss: 0.2043980360031128',
    'step 5, loss: 0.20066341757774353',
    'step 6, loss: 0.1969950646162033',
    'step 7, loss: 0.19339320063591003',
    'step 8, loss: 0.18985772132873535',
    'step 9, loss: 0.18638859689235687',
  ]);
  const losses = [...printed.matchAll(/loss: (.*)/g)].map((m) => Number(m[1]));
  expect(losses).toHaveLength(10);
  expect(losses.every((loss, i) => i === 0 || loss < losses[i - 1]!)).toBe(true);
});

it('003: by hand, with autograd, with an optimizer, with a layer', async () => {
  expectInOrder(await run('003'), [
    'epoch № 0: loss = 25.976783868344008',
    'epoch № 1: loss = 12.728624095488563',
    'epoch № 2: loss = 6.237025806789397',
    'epoch № 3: loss = 3.056142645326805',
    'epoch № 4: loss = 1.4975098962101339',
    'epoch № 5: loss = 0.7337798491429652',
    'epoch № 6: loss = 0.3595521260800534',
    'epoch № 7: loss = 0.17618054177922593',
    'epoch № 8: loss = 0.08632846547182065',
    'epoch № 9: loss = 0.0423009480811921',
    'weights after training: tensor([1.94742946], dtype=float64)',
    'tensor([4.6686], requiresGrad=true)',
    'tensor([2., 4., 6., 8.])',
    'epoch № 10: loss = 2.8652901649475098',
    'epoch № 20: loss = 0.1110573559999466',
    'epoch № 30: loss = 0.004304530099034309',
    'epoch № 40: loss = 0.0001668329641688615',
    'epoch № 50: loss = 6.467465027526487e-06',
    'epoch № 60: loss = 2.514570951461792e-07',
    'epoch № 70: loss = 9.707790127322369e-09',
    'epoch № 80: loss = 3.836930773104541e-10',
    'epoch № 90: loss = 1.5347723092418164e-11',
    'epoch № 100: loss = 3.595346242946107e-12',
    'weight = tensor([2.0000], requiresGrad=true)',
    'tensor([8.4871], requiresGrad=true)',
    'epoch №10: loss = 16.93170928955078',
    'epoch №20: loss = 0.656265914440155',
    'epoch №30: loss = 0.025436677038669586',
    'epoch №40: loss = 0.0009859043639153242',
    'epoch №50: loss = 3.820823985734023e-05',
    'epoch №60: loss = 1.481266735936515e-06',
    'epoch №70: loss = 5.710887762688799e-08',
    'epoch №80: loss = 2.143067945326038e-09',
    'epoch №90: loss = 8.355982572538778e-11',
    'epoch №100: loss = 3.595346242946107e-12',
    'weights = tensor([2.0000], requiresGrad=true)',
    'tensor([[2.],\n        [4.],\n        [6.],\n        [8.]])',
    'Parameter containing:\ntensor([[0.5106]], requiresGrad=true)',
    'epoch №1: loss = 16.637157440185547',
    'epoch №2: loss = 1.0398225784301758',
    'epoch №3: loss = 0.06498882919549942',
    'epoch №4: loss = 0.004061833024024963',
    'epoch №5: loss = 0.0002538588596507907',
    'epoch №6: loss = 1.5866437024669722e-05',
    'epoch №7: loss = 9.916036560753128e-07',
    'epoch №8: loss = 6.191835666413681e-08',
    'epoch №9: loss = 3.8395029378079926e-09',
    'epoch №10: loss = 2.455635694786906e-10',
    'model prediction for x=5:  9.999992370605469',
  ]);
});

it('004: two outputs', async () => {
  // The whole text, as PyTorch prints it for these weights.
  expect(await run('004')).toBe(`tensor([[ 73.,  67.,  43.],
        [ 91.,  88.,  64.],
        [ 87., 134.,  58.],
        [102.,  43.,  37.],
        [ 69.,  96.,  70.]])
tensor([[ 56.,  70.],
        [ 81., 101.],
        [119., 113.],
        [ 22.,  37.],
        [103., 119.]])
tensor([[ 0.3088, -2.9144,  1.3369],
        [-0.2791,  0.5479, -0.1951]], requiresGrad=true)
tensor([-0.3735,  0.8594], requiresGrad=true)
tensor([[ 0.3088, -0.2791],
        [-2.9144,  0.5479],
        [ 1.3369, -0.1951]], gradFn=<TBackward0>)
tensor([[-115.6092,    8.8051],
        [-143.1783,   11.1901],
        [-286.4973,   38.6805],
        [ -44.7298,  -11.2678],
        [-165.2657,   20.5429]], gradFn=<AddBackward0>)
tensor(34991.0703, gradFn=<DivBackward0>)
tensor([[-18704.5488, -22837.0098, -13298.6123],
        [ -6164.5161,  -6697.9082,  -4273.5298]])
tensor([-227.2561,  -74.4098])
tensor([[0., 0., 0.],
        [0., 0., 0.]])
tensor([0., 0.])
tensor(24523.0488, gradFn=<DivBackward0>)
tensor(973.5919, gradFn=<DivBackward0>)
tensor([[ 67.9782,  68.8003],
        [102.7303,  91.3131],
        [ 54.6317, 131.9179],
        [ 85.6184,  46.2112],
        [ 99.8904,  99.4559]], gradFn=<AddBackward0>)
tensor([[ 56.,  70.],
        [ 81., 101.],
        [119., 113.],
        [ 22.,  37.],
        [103., 119.]])`);
});
