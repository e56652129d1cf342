/**
 * Lets the event loop turn after each test: tests that never await keep the messages between vitest and its worker waiting, which
 * after a minute it takes for a hang. (A file of operators takes that long on the oldest instruction set.)
 */
import { afterEach } from 'vitest';

const turn = setImmediate; // not one that a test has replaced
afterEach(() => new Promise<void>((resolve) => void turn(resolve)));
