/** Stores: tables of keys and values by which ranks find each other. */
export { BaseStore } from './base.js';
export { FileStore, HashStore } from './localStores.js';
export { PrefixStore } from './prefixStore.js';
export { TCPStore } from './tcpStore.js';
