// The tables of releases, folded from the events by the rules of OTP (ledger/domain/tables.py), event by event.
// Each event states digests of the tables before and after it, which the fold must meet.

const onDisk = (memory) => memory.map(([vsn, status]) => [vsn, status === "current" ? "unpacked" : status]);
const both = (tables, memory) => ({ ...tables, memory, disk: onDisk(memory) });
const statusOf = (tables, vsn) => (tables.memory.find((row) => row[0] === vsn) || [])[1];

function installed(tables, to) {
  const status = statusOf(tables, to) === "permanent" ? "permanent" : "current";
  const memory = tables.memory.map(([vsn, was]) => [vsn, vsn === to ? status : was === "current" ? "old" : was]);
  return { ...tables, memory };
}

function madePermanent(tables, to) {
  const pointers = { start_erl: to, rel_vsn: to };
  if (statusOf(tables, to) === "permanent") return { ...tables, ...pointers };
  const memory = tables.memory.map(([vsn, was]) => [vsn, vsn === to ? "permanent" : was === "permanent" ? "old" : was]);
  return { ...both(tables, memory), ...pointers };
}

const STEPS = {
  unpacked: (tables, { vsn }) => (statusOf(tables, vsn) ? tables : both(tables, [[vsn, "unpacked"], ...tables.memory])),
  installed: (tables, { to }) => installed(tables, to),
  downgraded: (tables, { to }) => installed(tables, to),
  made_permanent: (tables, { vsn }) => madePermanent(tables, vsn),
  uninstalled: (tables, { vsn }) => both(tables, tables.memory.filter((row) => row[0] !== vsn)),
};
// Events that state the tables themselves; with them a fold begins again where events before are not in the page.
const STATED = {
  installation_registered: (data) => data.tables,
  spool_begun: (data) => data.tables,
  operation_failed: (data) => data.tables,
  operation_recovered: (data) => data.tables,
  node_restarted: (data) => data.after,
  drift_observed: (data) => data.found,
};
const BEGINNINGS = ["installation_registered", "spool_begun"];
const STATED_BEFORE = { node_restarted: (data) => data.before, drift_observed: (data) => data.recorded };

// The canonical form (RFC 8785) of tables: members by name, what is unknown left out.
function canonical({ disk, memory, rel_vsn, start_erl }) {
  return JSON.stringify({ disk, memory, rel_vsn, start_erl });
}

function folded(node, line) {
  const { data } = line.envelope;
  // What a host recorded apart goes on from the tables that are known, where they are.
  if (line.type === "spool_begun" && node.tables) return node;
  if (STATED[line.type]) return { ...node, tables: STATED[line.type](data), registered: true };
  if (line.type === "installation_unregistered") return { ...node, registered: false };
  if (STEPS[line.type] && node.tables) return { ...node, tables: STEPS[line.type](node.tables, data) };
  return node;
}

// Fold every stream as far as its events are here. *wanted* gets each digest that an event states, with the tables it is of.
async function foldEvents(lines, since) {
  const nodes = new Map();
  const [states, steps] = [[], []];
  for (const line of lines) {
    if (!line.stream.startsWith("release:")) continue;
    const before = nodes.get(line.stream);
    const { version } = line.event.outer;
    const next = before && version === before.version + 1;
    if (!before && version === 1 && !BEGINNINGS.includes(line.type))
      throw new Fault(`event ${line.index}`, "its stream does not begin with a registration", [line.index]);
    const node = next ? before : { tables: null, registered: true };
    const after = { ...folded(node, line), version, name: line.node };
    nodes.set(line.stream, after);
    steps.push({ line, before: node.tables, after: after.tables });
    const rows = after.registered ? after.tables && after.tables.memory : null;
    const changed = !before || JSON.stringify(rows) !== JSON.stringify(before.rows) || after.name !== before.name;
    after.rows = rows;
    if (changed && (after.tables || !after.registered))
      states.push({ number: line.index, since: since.get(line.index), stream: line.stream, node: line.node, rehearsal: line.rehearsal, rows });
    await breathe();
  }
  return { states, steps };
}

// The earliest time of each event and of all after it in its own log: from then on `versions --at` counts it.
function earliest(lines) {
  const since = new Map();
  const least = new Map();
  for (const line of lines.slice().reverse()) {
    const known = least.get(line.imported);
    if (known === undefined || line.recorded_at < known) least.set(line.imported, line.recorded_at);
    since.set(line.index, least.get(line.imported));
  }
  return since;
}

async function checkTables(steps) {
  const digests = new Map();
  const digestOf = async (text) => {
    if (!digests.has(text)) digests.set(text, hexOf(await digest(bytesOf(text))));
    return digests.get(text);
  };
  for (const { line, before, after } of steps) {
    const { data } = line.envelope;
    const from = before && canonical(before);
    const stated = STATED_BEFORE[line.type] ? canonical(STATED_BEFORE[line.type](data)) : from;
    const wrong = (what) => new Fault(`event ${line.index}`, what, [line.index]);
    if (from && ((data.before_sha256 && data.before_sha256 !== (await digestOf(from))) || stated !== from))
      throw wrong("it starts from other tables than the events up to it lead to");
    const end = data.after_sha256 || data.table_sha256;
    if (after && end && end !== (await digestOf(canonical(after)))) throw wrong("it leads to other tables than it states");
    await breathe();
  }
}

// The tables that whoever made a page of some events wrote into it, each as a change of the one before.
function readStates(data) {
  const rows = data.streams.map(() => []);
  return data.states.map(([number, since, stream, kept, ending, between, node]) => {
    const before = rows[stream];
    const now = kept === null ? null : [...before.slice(0, kept), ...between, ...(ending ? before.slice(-ending) : [])];
    const [name, last, rehearsal] = data.streams[stream];
    rows[stream] = now || [];
    return { number, since, stream: name, node: node || last, rehearsal, rows: now };
  });
}

// Compare them with the tables that the events here lead to; return how many no event here speaks for.
function checkStates(given, { steps }) {
  const confirmed = new Set();
  const ruling = new Map();
  let at = 0;
  for (const { line, after } of steps) {
    while (at < given.length && given[at].number <= line.index) {
      ruling.set(given[at].stream, given[at]);
      at += 1;
    }
    const state = ruling.get(line.stream);
    if (!after || !state || !state.rows) continue;
    if (JSON.stringify(state.rows) !== JSON.stringify(after.memory))
      throw new Fault(`event ${line.index}`, "the table written into this page for it is another than it leads to", [line.index]);
    confirmed.add(state);
  }
  return given.length - confirmed.size;
}
