/**
 * The status page: one document without any other file. It gets its data from status.json, writes text as text only, and its
 * script is the only one that the Content-Security-Policy lets run.
 */
import { createHash } from 'node:crypto';

const STYLE = `
:root { color-scheme: light dark; --ground: #fbfbfa; --card: #fff; --text: #1c1d1f; --soft: #63676e; --line: #dfe1e4;
  --accent: #2f6f4f; --bad: #a4343a; --bar: #8fbfa6; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181a; --card: #1e2124; --text: #e8e9ea; --soft: #9aa0a6;
  --line: #34383d; --accent: #7cc4a0; --bad: #ef8a8f; --bar: #3f7259; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0; }
header, .head { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; }
.soft { color: var(--soft); } .state { margin-left: auto; color: var(--accent); } .bad { color: var(--bad); }
article, form { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.25rem; margin-top: 1rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .5rem 1rem; margin: .75rem 0 0; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem; margin-top: .75rem; }
@media (max-width: 40rem) { .charts { grid-template-columns: 1fr; } }
figure { margin: 0; } figcaption { color: var(--soft); font-size: .85rem; margin-bottom: .25rem; }
.bars { display: flex; gap: 3px; align-items: flex-end; height: 5rem; }
.bars div { flex: 1; text-align: center; font-size: .7rem; color: var(--soft); }
.bars i { display: block; background: var(--bar); border-radius: 2px 2px 0 0; min-height: 1px; }
svg { width: 100%; height: 5rem; display: block; } polyline { fill: none; stroke: var(--accent); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
label { display: block; color: var(--soft); font-size: .85rem; margin: .5rem 0 .25rem; }
select, textarea, input, button { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: .4rem .6rem; }
textarea { width: 100%; height: 9rem; font: 13px/1.45 ui-monospace, monospace; } button { cursor: pointer; margin-top: .5rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; max-height: 18rem; overflow: auto; margin: .75rem 0 0; font: 13px/1.45 ui-monospace, monospace; }
[hidden] { display: none; }
`;

const SCRIPT = `
'use strict';
const $ = (id) => document.getElementById(id);
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const headers = () => {
  const token = sessionStorage.getItem('token');
  return token ? { authorization: 'Bearer ' + token } : {};
};
const number = (x, digits = 0) => x === null || x === undefined ? '–' : x.toLocaleString('en', { maximumFractionDigits: digits });
const ms = (x) => x === null || x === undefined ? '–' : number(x, x < 10 ? 2 : 0) + ' ms';
const shape = (port) => port.name + ': ' + port.datatype + ' [' + port.shape.map((n) => n < 0 ? 'any' : n).join(', ') + ']';
const history = new Map();
let models = [];

function facts(pairs) {
  const list = make('dl');
  for (const [name, value] of pairs) {
    const pair = make('div');
    pair.append(make('dt', name), make('dd', value));
    list.append(pair);
  }
  return list;
}
function bars({ bounds, counts }) {
  const row = make('div', undefined, 'bars');
  const most = Math.max(1, ...counts);
  counts.forEach((count, i) => {
    const bar = make('div');
    const fill = make('i');
    fill.style.height = (count / most) * 3.6 + 'rem';
    bar.title = count + ' batches';
    bar.append(fill, i < bounds.length ? '≤' + bounds[i] : 'more');
    row.append(bar);
  });
  return row;
}
function line(values) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 60 20');
  svg.setAttribute('preserveAspectRatio', 'none');
  const most = Math.max(1, ...values);
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  path.setAttribute('points', values.map((v, i) => 60 - values.length + i + 1 + ',' + (19 - (v / most) * 18)).join(' '));
  svg.append(path);
  return svg;
}
function figure(title, inner) {
  const element = make('figure');
  element.append(make('figcaption', title), inner);
  return element;
}
function rate(model) {
  const key = model.name + '/' + model.version;
  const now = performance.now();
  const past = history.get(key) ?? { rates: [] };
  if (past.at !== undefined) {
    past.rates.push(Math.max(0, (model.succeeded - past.count) / ((now - past.at) / 1000)));
    if (past.rates.length > 60) past.rates.shift();
  }
  history.set(key, Object.assign(past, { at: now, count: model.succeeded }));
  return past.rates;
}
function card(model) {
  const article = make('article');
  const head = make('div', undefined, 'head');
  head.append(make('h2', model.name), make('span', model.version && 'version ' + model.version, 'soft'));
  head.append(make('span', model.state, model.state === 'READY' ? 'state' : 'state bad'));
  article.append(head);
  if (model.reason) article.append(make('div', model.reason, 'bad'));
  if (model.state !== 'READY') return article;
  const rates = rate(model);
  article.append(
    make('div', model.inputs.map(shape).join(', ') + ' → ' + model.outputs.map(shape).join(', '), 'soft'),
    facts([
      ['requests a second', number(rates.at(-1) ?? 0, 1)], ['answered', number(model.succeeded)], ['failed', number(model.failed)],
      ['waiting', number(model.waiting)], ['p50', ms(model.latency.p50)], ['p90', ms(model.latency.p90)],
      ['p99', ms(model.latency.p99)], ['rows a batch', number(model.batches ? model.rows / model.batches : null, 1)],
    ]),
  );
  const charts = make('div', undefined, 'charts');
  charts.append(figure('Requests a second, the last minute', line(rates)), figure('Batches by their rows', bars(model.batchRows)));
  article.append(charts);
  return article;
}
function example({ inputs }) {
  return { inputs: inputs.map(({ name, datatype, shape }) => {
    const size = shape.map((n) => n < 0 ? 1 : n);
    const count = size.reduce((a, b) => a * b, 1);
    const value = datatype === 'BYTES' ? 'text' : datatype === 'BOOL' ? false : 0;
    return { name, datatype, shape: size, data: Array(Math.min(count, 100000)).fill(value) };
  }) };
}
function offer() {
  const ready = models.filter((model) => model.state === 'READY');
  const names = ready.map((model) => model.name + '/' + model.version).join();
  if ($('model').dataset.names === names) return;
  const chosen = $('model').value;
  $('model').dataset.names = names;
  $('model').replaceChildren(...ready.map((model) => {
    const option = make('option', model.name + ', version ' + model.version);
    option.value = 'v2/models/' + encodeURIComponent(model.name) + '/versions/' + encodeURIComponent(model.version) + '/infer';
    return option;
  }));
  if ([...$('model').options].some((option) => option.value === chosen)) $('model').value = chosen;
  else fill();
}
function fill() {
  const model = models.filter((m) => m.state === 'READY')[$('model').selectedIndex];
  $('request').value = model ? JSON.stringify(example(model)) : '';
}
async function refresh() {
  try {
    const answer = await fetch('status.json', { headers: headers() });
    $('login').hidden = answer.status !== 401;
    if (!answer.ok) throw new Error((await answer.json()).error);
    const status = await answer.json();
    models = status.models;
    document.title = status.name;
    $('name').textContent = status.name;
    $('ready').textContent = status.ready ? 'ready' : 'not ready';
    $('ready').className = status.ready ? 'state' : 'state bad';
    $('facts').replaceChildren(facts([
      ['up for', number(status.uptime) + ' s'], ['memory', number(status.memory / 1048576) + ' MB'],
      ['event loop late, p50', ms(status.loopDelay.p50 * 1000)], ['p99', ms(status.loopDelay.p99 * 1000)],
    ]));
    $('models').replaceChildren(...models.map(card));
    offer();
  } catch (error) {
    $('ready').textContent = String(error.message);
    $('ready').className = 'state bad';
  }
}
$('model').addEventListener('change', fill);
$('login').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem('token', $('token').value);
  refresh();
});
$('ask').addEventListener('submit', async (event) => {
  event.preventDefault();
  const begun = performance.now();
  try {
    const answer = await fetch($('model').value, { method: 'POST', body: $('request').value, headers: headers() });
    const text = await answer.text();
    $('answer').textContent = answer.status + ' in ' + ms(performance.now() - begun) + '\\n' + text.slice(0, 100000);
  } catch (error) {
    $('answer').textContent = String(error);
  }
});
refresh();
setInterval(refresh, 1000);
`;

export const STATUS_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>tenfold</title>
<style>${STYLE}</style>
<header><h1 id="name">tenfold</h1><span id="ready" class="state"></span></header>
<div id="facts"></div>
<form id="login" hidden><label for="token">Token</label><input id="token" type="password"> <button>Enter</button></form>
<section id="models"></section>
<form id="ask">
<h2>Ask a model</h2>
<label for="model">Model</label><select id="model"></select>
<label for="request">Request</label><textarea id="request" spellcheck="false"></textarea>
<button>Send</button>
<pre id="answer"></pre>
</form>
<script>${SCRIPT}</script>
</html>
`;

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
/** Nothing but this style, this script, and requests to this server. */
export const STATUS_PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'unsafe-inline'; script-src ${hash(SCRIPT)}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
};
