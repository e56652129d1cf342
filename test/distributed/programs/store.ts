/** A store's server in a process of its own. Tells its port. */
import { TCPStore } from '../../../lib/distributed/index.js';

const { port } = new TCPStore('127.0.0.1', 0, { isMaster: true, waitForWorkers: false });
console.log(JSON.stringify(port));
setInterval(() => undefined, 1000);
