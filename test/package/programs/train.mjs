import * as tenfold from 'tenfold';
import network from './network.cjs';

console.log(network(tenfold));
