/**
 * `npm run example digits`: draw a digit in the browser, and the network that `npm start` has trained reads it.
 *
 * The network answers to the Open Inference Protocol under /v2/models/digits, requests of several browsers in one batch; the page
 * asks it as any other client would. PORT is 8000 where it isn't said; weights come from out/digits.safetensors, or from the file named.
 *
 *   npm start && npm run example -- digits [weights.safetensors]
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { load, nn } from 'tenfold';
import { handler } from 'tenfold/serve';
import { network } from './mnist/network.js';

const [weights = 'out/digits.safetensors'] = process.argv.slice(2);
if (!existsSync(weights)) {
  console.error(`${weights} is not there: npm start makes it, in some minutes`);
  process.exit(1);
}
const trained = network();
trained.loadStateDict(load(weights));
const model = new nn.Sequential(trained, new nn.Softmax(1));

const protocol = handler({
  models: {
    digits: {
      model,
      inputs: [{ name: 'image', dtype: 'float32', shape: [-1, 1, 28, 28] }],
      outputs: [{ name: 'probabilities', dtype: 'float32', shape: [-1, 10] }],
    },
  },
});
await protocol.ready;

const page = readFileSync(new URL('./digits/page.html', import.meta.url));
const server = createServer((req, res) => {
  if (req.method === 'GET' && req.url === '/')
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
  else protocol(req, res);
});
server.listen(Number(process.env.PORT ?? 8000), '127.0.0.1', () => {
  const { port } = server.address() as { port: number };
  console.log(`http://127.0.0.1:${port} in a browser: draw a digit`);
});
