// Says for which instruction set the kernels are that were chosen, and trains with them.
const tenfold = require('tenfold');
const network = require('./network.cjs');

const binary = Object.keys(require.cache).find((file) => file.endsWith('.node'));
console.log(require(binary).info().target, network(tenfold));
