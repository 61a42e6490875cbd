// The lead and the sale are delivered in the background: look again until they have arrived.
const row = (name) => document.querySelector(`.label [data-name="${name}"]`);

const look = async () => {
  const response = await fetch('/receipts');
  if (!response.ok) return false;
  const receipts = await response.json();
  for (const [name, state, isGood] of receipts) {
    row(name).querySelector('dd').textContent = state;
    row(name).classList.toggle('good', isGood);
  }
  return receipts.some(([, state]) => state == 'queued');
};

const watch = async (wait) => {
  if ((await look()) && wait < 20_000) setTimeout(watch, wait, wait * 1.5);
};

if (row('Lead')) watch(200);
