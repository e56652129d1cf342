/** What a run shows: progress in the terminal, a table of confusions, digits as dots, the losses as a picture. */
import { writeFileSync } from 'node:fs';
import cliProgress from 'cli-progress';
import { scaleLinear, scaleLog } from 'd3-scale';
import { line } from 'd3-shape';
import type { Tensor } from 'tenfold';
import { SIDE } from './digits.js';

// ---- progress ---------------------------------------------------------------------------------------------------------

const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

/** A live bar on a terminal, a line for each epoch elsewhere. */
export class Progress {
  private readonly bar: cliProgress.SingleBar | null;
  private readonly started = performance.now();
  private seen = 0;
  private steps = 0;
  private loss = NaN;

  constructor(
    private readonly totalSteps: number,
    private readonly totalEpochs: number,
  ) {
    if (!process.stdout.isTTY) {
      this.bar = null;
      return;
    }
    const format = '  epoch {epoch}  {bar} {percentage}%   loss {loss}   {rate} digits/s   {left} left';
    // Ctrl-C is the caller's: it ends the training and then the bar.
    const options = { format, barsize: 24, hideCursor: true, gracefulExit: false, fps: 20 };
    this.bar = new cliProgress.SingleBar(options, cliProgress.Presets.shades_classic);
    this.bar.start(totalSteps, 0, this.fields(1));
  }

  private get rate(): number {
    return this.seen / ((performance.now() - this.started) / 1000);
  }

  private fields(epoch: number): Record<string, string> {
    const elapsed = (performance.now() - this.started) / 1000;
    const left = this.steps === 0 ? '-:--' : clock((elapsed / this.steps) * (this.totalSteps - this.steps));
    const rate = this.steps === 0 ? '-' : this.rate.toLocaleString('en', { maximumFractionDigits: 0 });
    return {
      epoch: `${String(epoch).padStart(String(this.totalEpochs).length)}/${this.totalEpochs}`,
      loss: this.steps === 0 ? '-.----' : this.loss.toFixed(4),
      rate: rate.padStart(6),
      left,
    };
  }

  /** After a step on `count` digits. The loss shown is a running average. */
  step(epoch: number, loss: number, count: number): void {
    this.seen += count;
    this.steps++;
    this.loss = this.steps === 1 ? loss : 0.95 * this.loss + 0.05 * loss;
    this.bar?.update(this.steps, this.fields(epoch));
  }

  /** After an epoch, with the held-out accuracy. */
  epoch(epoch: number, accuracy: number): void {
    if (this.bar) return;
    const { epoch: of, loss, rate, left } = this.fields(epoch);
    console.log(`  epoch ${of}   loss ${loss}   held out ${percent(accuracy)}   ${rate} digits/s   ${left} left`);
  }

  /** Leaves the bar where it is and gives the cursor back. */
  stop(): void {
    this.bar?.stop();
  }

  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }
}

export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

// ---- what was taken for what --------------------------------------------------------------------------------------------

/** A table of the digits: a row for what it is, a column for what it was taken for. */
export function confusionTable(truth: number[], predicted: number[]): string {
  const counts = Array.from({ length: 10 }, () => new Array<number>(10).fill(0));
  truth.forEach((t, i) => counts[t]![predicted[i]!]!++);
  const cell = (x: number | string): string => String(x).padStart(5);
  const rows = counts.map((row, digit) => {
    const right = row[digit]! / row.reduce((a, b) => a + b, 0);
    return `  ${digit} │${row.map((n) => cell(n === 0 ? '·' : n)).join('')}   ${percent(right).padStart(8)}`;
  });
  const head = `    │${Array.from({ length: 10 }, (_, digit) => cell(digit)).join('')}      right`;
  return [head, `  ──┼${'─'.repeat(50)}`, ...rows].join('\n');
}

/** Digits side by side, eight pixels to a braille character, a caption under each. */
export function drawDigits(images: Tensor[], captions: string[]): string {
  const width = SIDE / 2;
  // The dots of a braille character, column by column; the code has a bit for each.
  const dots = [
    [0x01, 0x02, 0x04, 0x40],
    [0x08, 0x10, 0x20, 0x80],
  ];
  const drawings = images.map((image) => {
    const pixels = image.view(SIDE, SIDE).tolist() as number[][];
    return Array.from({ length: SIDE / 4 }, (_, row) =>
      Array.from({ length: width }, (__, column) => {
        let code = 0x2800;
        dots.forEach((bits, x) =>
          bits.forEach((bit, y) => (code |= pixels[4 * row + y]![2 * column + x]! > 0.4 ? bit : 0)),
        );
        return String.fromCharCode(code);
      }).join(''),
    );
  });
  const lines = Array.from({ length: SIDE / 4 }, (_, row) => drawings.map((d) => d[row]!).join('  '));
  return [...lines, captions.map((c) => c.padEnd(width)).join('  ')].map((l) => `  ${l.trimEnd()}`).join('\n');
}

// ---- the losses as a picture ----------------------------------------------------------------------------------------------

/** Writes the training loss of each step and the held-out accuracy of each epoch as an SVG. */
export function drawCurve(file: string, losses: number[], accuracies: number[], stepsPerEpoch: number): void {
  const [width, height, margin] = [760, 380, 56];
  const x = scaleLinear([0, losses.length], [margin, width - margin]);
  const y = scaleLog([Math.min(...losses) / 1.3, Math.max(...losses) * 1.1], [height - margin, 28]);
  // Accuracy on a scale of its own that spreads out what lies near 100 %: the share of mistakes, logarithmically.
  const mistakes = accuracies.map((a) => Math.max(1 - a, 1e-4));
  const yRight = scaleLog([Math.min(0.005, ...mistakes), 1], [28, height - margin]);
  let average = losses[0]!;
  const smooth = losses.map((loss) => (average = 0.95 * average + 0.05 * loss));

  const path = (points: [number, number][], style: string): string =>
    `<path d="${line().digits(1)(points)!}" fill="none" ${style}/>`;
  const text = (tx: number, ty: number, s: string, more = ''): string =>
    `<text x="${tx}" y="${ty}" ${more}>${s}</text>`;
  const yTicks = [1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001].filter((v) => v > y.domain()[0]! && v < y.domain()[1]!);
  const rightTicks = [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995].filter((a) => 1 - a >= yRight.domain()[0]!);
  const epochs = x.ticks(12).filter((s) => s <= losses.length);
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...yTicks.map((v) => `<line x1="${margin}" x2="${width - margin}" y1="${y(v)}" y2="${y(v)}" stroke="#e4e4e7"/>`),
    ...yTicks.map((v) => text(margin - 8, y(v) + 4, String(v), 'text-anchor="end" fill="#2563eb"')),
    ...rightTicks.map((a) =>
      text(width - margin + 8, yRight(1 - a) + 4, `${+(100 * a).toFixed(1)} %`, 'fill="#d97706"'),
    ),
    ...epochs.map((s) => text(x(s), height - margin + 20, String(s), 'text-anchor="middle" fill="#52525b"')),
    path(
      losses.map((loss, i) => [x(i + 1), y(loss)]),
      'stroke="#2563eb" stroke-opacity="0.25"',
    ),
    path(
      smooth.map((loss, i) => [x(i + 1), y(loss)]),
      'stroke="#2563eb" stroke-width="2"',
    ),
    path(
      mistakes.map((m, i) => [x((i + 1) * stepsPerEpoch), yRight(m)]),
      'stroke="#d97706" stroke-width="2"',
    ),
    ...mistakes.map((m, i) => `<circle cx="${x((i + 1) * stepsPerEpoch)}" cy="${yRight(m)}" r="3" fill="#d97706"/>`),
    text(margin, 18, 'training loss', 'fill="#2563eb"'),
    text(width - margin, 18, 'held-out accuracy', 'text-anchor="end" fill="#d97706"'),
    text(width / 2, height - 12, `steps of ${stepsPerEpoch} an epoch`, 'text-anchor="middle" fill="#52525b"'),
    '</svg>',
  ];
  writeFileSync(file, `${svg.join('\n')}\n`);
}
