// The events in their places, their hashes, and the tree over them (RFC 6962, section 2.1).

// Rows that are due and not there, each with what is said in its place.
const absent = new Map();

async function hashEvents(events, progress) {
  for (let at = 0; at < events.length; at += BATCH) {
    const part = events.slice(at, at + BATCH);
    const found = await Promise.all(part.map((event) => (event.fault ? null : digest([0], bytesOf(event.leaf)))));
    found.forEach((hash, n) => {
      part[n].digest = hash;
    });
    progress(Math.min(at + BATCH, events.length), events.length);
    await breathe();
  }
}

function checkEvent(event, where) {
  if (event.fault) throw new Fault(where, event.fault, [event.index]);
  if (toBase64(event.digest) !== event.hash) throw new Fault(where, "it is not what was recorded: its hash differs", [event.index]);
}

function misplaced(event, events) {
  const { place, number } = event;
  const where = `event ${place}`;
  if (number < place && events[number].number === number && events[number].hash === event.hash)
    return new Fault(`event ${number}`, "it stands out of its place, or twice", [number]);
  if (events.some((other) => other.number === place))
    return new Fault(where, `event ${number} stands in its place`, [place, number]);
  const next = events[place + 1];
  if (!next || next.number === place + 1) {
    event.index = place;
    return new Fault(where, `its number reads ${number}`, [place]);
  }
  return missing(place);
}

function missing(number, what = "it is missing") {
  absent.set(number, what);
  return new Fault(`event ${number}`, what, [number]);
}

// A line that is damaged itself comes before those that only miss a text that they share with it.
function checkTorn(events) {
  const torn = events.find((event) => event.torn);
  if (torn) throw new Fault(`event ${torn.index}`, torn.fault, [torn.index]);
}

function checkWhole({ events, size, pieces }) {
  checkTorn(events);
  for (const event of events) {
    if (!event.fault && event.number !== event.place) throw misplaced(event, events);
    if (event.place >= size && !event.fault) throw new Fault(`event ${event.place}`, "it is not in the signed tree, which ends before it", [event.place]);
    checkEvent(event, `event ${event.place}`);
  }
  if (events.length < size) throw missing(events.length, `it is missing, and all up to event ${size - 1}`);
  if (pieces.length) throw new Fault("the page", "it says that it is whole and is not");
}

function checkSome({ events, size, pieces }) {
  let before = -1;
  for (const event of events) {
    const where = event.fault && event.index <= before ? `the event after event ${before}` : `event ${event.index}`;
    checkEvent(event, where);
    if (event.number <= before) throw new Fault(where, "it stands out of its order", [event.index]);
    before = event.number;
  }
  const parts = events.map(({ number }) => [number, number + 1]);
  for (const [level, index] of pieces.filter(Boolean)) parts.push([index * 2 ** level, (index + 1) * 2 ** level]);
  parts.sort((a, b) => a[0] - b[0]);
  let due = 0;
  for (const [start, stop] of parts) {
    if (start >= size) throw new Fault(`event ${start}`, "it is not in the signed tree, which ends before it", [start]);
    if (start > due) throw missing(due, "it is missing at its place");
    if (start < due) throw new Fault(`event ${start}`, "it stands out of its place, or twice", [start]);
    due = stop;
  }
  if (due !== size) throw missing(due, `it is missing, and all up to event ${size - 1}`);
}

function checkForm(data) {
  const versions = new Map();
  const ids = new Map();
  for (const { index, outer, envelope } of data.events) {
    const before = versions.get(outer.stream);
    const due = before === undefined ? (data.whole ? 1 : outer.version) : before + 1;
    if (data.whole ? outer.version !== due : outer.version < due)
      throw new Fault(`event ${index}`, `it has version ${outer.version} of its stream where ${due} is due`, [index]);
    versions.set(outer.stream, outer.version);
    for (const id of new Set([outer.event_id, envelope.event_id])) {
      if (ids.has(id)) throw new Fault(`event ${index}`, `it has the id of event ${ids.get(id)}`, [index]);
      ids.set(id, index);
    }
  }
}

// Every complete subtree once, level by level.
async function buildTree(data) {
  const levels = [new Map(data.events.map(({ index, digest: hash }) => [index, hash]))];
  for (const [level, index, hash] of data.pieces) {
    while (levels.length <= level) levels.push(new Map());
    levels[level].set(index, fromBase64(hash, `the hash over the events from ${index * 2 ** level} on`));
  }
  for (let level = 0; 2 ** level < data.size; level += 1) {
    if (levels.length === level + 1) levels.push(new Map());
    const pairs = [...levels[level].keys()].filter((n) => n % 2 === 0 && levels[level].has(n + 1));
    for (let at = 0; at < pairs.length; at += BATCH) {
      const part = pairs.slice(at, at + BATCH);
      const made = await Promise.all(part.map((n) => digest([1], levels[level].get(n), levels[level].get(n + 1))));
      made.forEach((hash, n) => levels[level + 1].set(part[n] / 2, hash));
      await breathe();
    }
  }
  return levels;
}

// The hash over the leaves start to stop - 1, a range that begins at a node of the tree; null where it is not known.
async function rangeHash(levels, start, stop) {
  const parts = [];
  for (let at = start; at < stop; ) {
    const level = Math.floor(Math.log2(stop - at));
    const hash = levels[level] && levels[level].get(at / 2 ** level);
    if (!hash) return null;
    parts.push(hash);
    at += 2 ** level;
  }
  let root = parts.pop();
  while (parts.length) root = await digest([1], parts.pop(), root);
  return root;
}

async function inclusionProof(levels, index, size) {
  const proof = [];
  let [start, stop] = [0, size];
  while (stop - start > 1) {
    const middle = start + 2 ** Math.floor(Math.log2(stop - start - 1));
    const [left, right] = index < middle ? [middle, stop] : [start, middle];
    proof.unshift(await rangeHash(levels, left, right));
    if (index < middle) stop = middle;
    else start = middle;
  }
  return proof;
}
