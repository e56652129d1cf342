/** Another process that keeps one core busy, while its parent wants it to. */
let busy = false;
process.on('message', (message) => {
  busy = message === 'start';
  if (busy) burn();
});
process.on('disconnect', () => process.exit());

function burn(): void {
  const end = performance.now() + 2;
  while (performance.now() < end);
  if (busy) setImmediate(burn);
}
