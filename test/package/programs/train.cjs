const tenfold = require('tenfold');
const network = require('./network.cjs');

console.log(network(tenfold));
