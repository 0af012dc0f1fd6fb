// The data of the page, read line by line, so that a damaged line is told by the event that it holds.
// The form is that of cli/report/embedded.py: a head, then events, strings, pieces, checkpoints, states.

const PARTS = ["events", "strings", "pieces", "checkpoints", "states"];
const DATA = "the data of this page";

const MARKUP = /[<>&\u2028\u2029]/g;
const written = (value) =>
  JSON.stringify(value).replace(MARKUP, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

// The value of a line that stands exactly as it was written; undefined for any other.
function valueOf(line) {
  try {
    const value = JSON.parse(line);
    return written(value) === line ? value : undefined;
  } catch {
    return undefined;
  }
}

function unpacked(value, strings) {
  if (typeof value === "string") {
    if (!value.startsWith("~")) return value;
    if (value.startsWith("~~")) return value.slice(1);
    const text = strings[Number.parseInt(value.slice(1), 36)];
    if (typeof text !== "string") throw new TypeError("a text that is not there");
    return text;
  }
  if (Array.isArray(value)) return value.map((member) => unpacked(member, strings));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, unpacked(member, strings)]));
}

const HEAD = {
  origin: (value) => typeof value === "string",
  size: Number.isInteger,
  vkey: (value) => value === null || typeof value === "string",
  whole: (value) => typeof value === "boolean",
  counts: (value) => Array.isArray(value) && value.length === PARTS.length && value.every(Number.isInteger),
  sample: (value) => value === null || (Array.isArray(value) && value.length === 2),
  attempts: (value) => value !== null && typeof value === "object" && Object.values(value).every((row) => Array.isArray(row) && typeof row[2] === "string"),
  fell: Array.isArray,
  streams: (value) => Array.isArray(value) && value.every(Array.isArray),
};

function readHead(line) {
  const head = valueOf(line);
  const good = head && typeof head === "object" && Object.entries(HEAD).every(([name, fits]) => name in head && fits(head[name]));
  if (!good) throw new Fault(DATA, "its first line is damaged");
  return head;
}

// Events that carry one of another log, with what the type of such a one begins (projections/unwrap.py).
const CARRIES = { "emqx.release.event_imported.v1": "emqx.release.", "emqx.ledger.event_imported.v1": "emqx.ledger." };
const LARGEST = 65_535;
const TAKEN = "the event in it, of another log, cannot be read";

async function inflated(text) {
  const bytes = new Blob([fromBase64(text, "an event")]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = bytes.getReader();
  const parts = [];
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    size += part.value.length;
    if (size > LARGEST) throw new TypeError("too long");
    parts.push(part.value);
  }
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(joined(...parts));
}

// The event that *outer* carries, through any number of imports, and from where it came; *outer* itself where it carries none.
async function original(outer) {
  let [envelope, from] = [outer, null];
  while (CARRIES[envelope.type]) {
    const { origin, index, leaf = [], leaf_deflated: packed = [] } = envelope.data;
    if (packed.length && !globalThis.DecompressionStream) return { envelope: outer, from: null, packed: true };
    if (!leaf.length === !packed.length) throw new TypeError("no leaf, or two");
    const inner = JSON.parse(leaf.length ? leaf.join("") : await inflated(packed.join("")));
    const same = inner.stream === envelope.stream && inner.node === envelope.node && inner.type.startsWith(CARRIES[envelope.type]);
    if (!same || typeof origin !== "string" || !Number.isInteger(index)) throw new TypeError("another event than it says");
    [envelope, from] = [inner, { origin, index, at: outer.recorded_at, by: outer.actor.id }];
  }
  return { envelope, from, packed: false };
}

// A leaf that is carried stands as an object too, where that gives its bytes.
function unfolded(value) {
  if (typeof value !== "object" || !CARRIES[value.type] || !value.data || Array.isArray(value.data.leaf) || !value.data.leaf) return value;
  return { ...value, data: { ...value.data, leaf: [JSON.stringify(value.data.leaf)] } };
}

async function readEvent(line, place, data) {
  const stated = /^\[([0-9]+),/.exec(line);
  const event = { place, index: data.whole || !stated ? place : Number(stated[1]), number: null, envelope: null, outer: null, from: null, leaf: null, fault: null };
  const value = valueOf(line);
  event.torn = value === undefined;
  try {
    const [number, hash, form] = value;
    event.leaf = typeof form === "string" ? form : JSON.stringify(unfolded(unpacked(form, data.strings)));
    event.outer = JSON.parse(event.leaf);
    event.envelope = event.outer;
    if (!Number.isInteger(number) || typeof hash !== "string") throw new TypeError("no event");
    [event.number, event.index, event.hash] = [number, number, hash];
  } catch {
    event.fault = "its line in this page is damaged";
    return event;
  }
  try {
    const { envelope, from, packed } = await original(event.outer);
    Object.assign(event, { envelope, from, packed });
  } catch {
    event.fault = TAKEN;
  }
  return event;
}

// Return what the page holds. Its events are read but not yet checked; a damaged one carries its fault.
async function readData(text) {
  const lines = text.split("\n");
  const data = readHead(lines[0]);
  const parts = {};
  let at = 1;
  data.counts.forEach((number, part) => {
    parts[PARTS[part]] = lines.slice(at, at + number);
    at += number;
  });
  data.surplus = lines.length - at;
  data.strings = parts.strings.map(valueOf);
  data.events = [];
  for (const [place, line] of parts.events.entries()) {
    data.events.push(await readEvent(line, place, data));
    await breathe();
  }
  for (const name of ["pieces", "checkpoints", "states"]) data[name] = parts[name].map(valueOf);
  return data;
}

// What is left once every event has been looked at: no line too many, none that is damaged.
function checkLines(data) {
  if (data.surplus) throw new Fault(DATA, `it has ${count(Math.abs(data.surplus), "line")} too ${data.surplus > 0 ? "many" : "few"}`);
  for (const name of ["strings", "pieces", "checkpoints", "states"]) {
    const at = data[name].findIndex((value) => value === undefined);
    if (at >= 0) throw new Fault(DATA, `line ${at + 1} of its ${name} is damaged`);
  }
}

// A change that nothing else tells apart: the digest that was written beside the data.
async function checkDigest(text) {
  const stated = byId("evidence").dataset.sha256;
  if (hexOf(await digest(bytesOf(text))) !== stated) throw new Fault(DATA, "it does not have the digest that was written beside it");
}
