// What an event says, in the words of the ledger, and the attempts that events tell of.

const operation = (d) => [d.verb, d.of].filter(Boolean).join(" ") || "repair";
const WORDS = {
  installation_registered: (d) => `registered as ${d.kind}, ${d.booted} booted`,
  operation_requested: (d) => `${operation(d)} requested`,
  operation_refused: (d) => `${operation(d)} refused: ${(d.reasons || []).map((reason) => reason.rule).join(", ")}`,
  operation_completed: (d) => `${operation(d)} completed`,
  operation_failed: (d) => `${operation(d)} failed at ${d.step}: ${d.cause}`,
  operation_recovered: (d) => `${operation(d)} recovered: ${d.result.replaceAll("_", " ")}`,
  unpacked: (d) => `unpacked ${d.vsn}`,
  installed: (d) => `installed ${d.to} over ${d.from}`,
  downgraded: (d) => `downgraded to ${d.to} from ${d.from}`,
  made_permanent: (d) => `made ${d.vsn} permanent`,
  uninstalled: (d) => `uninstalled ${d.vsn}, which was ${d.was}`,
  node_restarted: (d) => {
    const undone = d.reverted && d.reverted.length ? `, undone: ${d.reverted.join(", ")}` : "";
    return `booted ${d.booted}${undone}${d.cause === "noticed" ? `, noticed later: it started at ${d.run.started_at}` : ""}`;
  },
  drift_observed: (d) => {
    const places = (d.differences || []).map((text) => text.split(":")[0]).join(", ");
    const rows = d.found.memory.map(([vsn, status]) => `${vsn} ${status}`).join(", ");
    return `changed outside the ledger: ${places}; found ${rows || "no release"}`;
  },
  ledger_refilled: (d) => `got back events ${d.first} to ${d.tree_size - 1}, which had been lost`,
  tip_accepted: (d) =>
    `accepted the tip of ${d.tree_size} events, its tip guard was ${d.found === "passed" ? `passed at ${d.guarded}` : d.found}`,
  evidence_exported: (d) => `exported ${count(d.entries, "event")} as evidence, ${d.form} form, tree of ${d.tree_size}`,
  note_added: (d) => `${d.kind}: ${d.text.join(" / ")}`,
  installation_moved: (d) => `moved from ${d.former_node}, ${d.former_root}, to ${d.root}`,
  installation_unregistered: (d) => `left the ledger, its root was ${d.root}`,
  fleet_planned: (d) =>
    `planned ${d.to} for ${count(d.nodes, "node")} in ${d.waves} waves${d.left_out ? `, ${d.left_out} left out` : ""}`,
  fleet_wave_planned: (d) => `planned for wave ${d.wave}: ${count(d.streams.length, "node")}`,
  fleet_nodes_left_out: (d) => `left ${count(d.streams.length, "node")} out of the plan: ${d.rules.join(", ")}`,
  fleet_nodes_excused: (d) => `excused ${count(d.streams.length, "node")} from the plan`,
  spool_begun: (d) => `goes on apart from ${d.continues_origin}, from version ${d.continues_version} of its history`,
  event_imported: (d) => `event ${d.index} of ${d.origin}, not readable`,
  ledger_imported: (d) => `imported events ${d.first} to ${d.tree_size - 1} of ${d.origin}, as ${d.form}`,
  ledger_moved: (d) => `the ledger goes on as ${d.to_origin} at ${d.to}`,
  fleet_turn_taken: (d) => `took its turn in wave ${d.wave} of plan ${d.fleet_plan}`,
};
const ASKS = ["operation_requested", "operation_refused"];
const isFailed = (type, data) =>
  type === "operation_recovered" ? ["failed", "taken_back"].includes(data.result) : ["operation_failed", "operation_refused"].includes(type);
const outcomeOf = (type, data) =>
  ({ operation_recovered: String(data.result).replaceAll("_", " "), operation_completed: "completed", operation_failed: "failed", operation_refused: "refused" })[type];

function fellBack(before, envelope) {
  const [was, is] = [before.clock, envelope.clock];
  return is.boot_id === was.boot_id && is.monotonic_us > was.monotonic_us && envelope.recorded_at < before.recorded_at;
}

// The line of each event. In a page of some events the head says what the missing ones would have told.
async function readLines(data) {
  const intents = new Map(Object.entries(data.attempts));
  const fell = new Set(data.fell);
  const made = [];
  const newest = new Map(); // by the log that an event comes from; null is this one
  for (const event of data.events) {
    if (event.fault) continue;
    const line = readable(event, intents);
    // Behind a gap it is not known which event of this log came before.
    if (made.length && made[made.length - 1].index !== line.index - 1) newest.delete(null);
    const before = newest.get(line.imported);
    const known = before && (line.imported === null || before.imported_index === line.imported_index - 1);
    line.clock_fell = known ? fellBack(before.envelope, line.envelope) : fell.has(line.index);
    line.clock_known = Boolean(known);
    made.push(line);
    newest.set(line.imported, line);
    await breathe();
  }
  return made;
}

function readable(event, intents) {
  try {
    return lineOf(event, intents);
  } catch {
    return {
      ...{ index: event.index, event, envelope: { clock: {}, actor: {}, data: {} }, recorded_at: "", stream: "", node: null, rehearsal: false },
      ...{ type: "", verb: null, vsn: null, vsns: [], words: "not readable as an event", failed: true, actor: "", reason: null, ticket: null },
      ...{ driver: null, attempt: null, event_id: "", imported: null, imported_index: null, noted: null, plan: null, unreadable: true },
    };
  }
}

function lineOf(event, intents) {
  const { index, envelope } = event;
  const due = [envelope.recorded_at, envelope.stream, envelope.type, envelope.event_id, envelope.actor.id];
  const optional = [envelope.node, envelope.reason, envelope.ticket, envelope.attempt].filter((value) => value !== undefined);
  const objects = [envelope.clock, envelope.data].every((value) => value !== null && typeof value === "object");
  if (!objects || ![...due, ...optional].every((value) => typeof value === "string")) throw new TypeError("no envelope of an event");
  const parts = envelope.type.split(".");
  const type = parts.length > 1 ? parts[parts.length - 2] : envelope.type;
  const { data, attempt } = envelope;
  const known = attempt && intents.get(attempt);
  const verb = data.verb || (known && known[0]) || null;
  const of = data.to || data.vsn || (known && known[1]) || null;
  const say = WORDS[type] || ((d) => `not known to this version: ${Object.keys(d).length} members`);
  if (attempt && (!known || ASKS.includes(type))) intents.set(attempt, [verb, ASKS.includes(type) ? of : null]);
  return {
    index,
    event,
    envelope,
    recorded_at: envelope.recorded_at,
    node: envelope.node || null,
    rehearsal: envelope.stream.includes(":rehearsal:"),
    type,
    verb,
    vsn: of || data.booted || null,
    vsns: [of, data.from, data.former, data.booted, ...(data.reverted || [])].filter(Boolean),
    words: say({ ...data, verb, of }),
    failed: isFailed(type, data),
    actor: envelope.actor.id,
    reason: envelope.reason || null,
    ticket: envelope.ticket || null,
    driver: data.driver || null,
    attempt: attempt || null,
    event_id: envelope.event_id,
    stream: envelope.stream,
    imported: event.from ? event.from.origin : null,
    imported_index: event.from ? event.from.index : null,
    noted: type === "note_added" ? data.event_id : null,
    plan: data.fleet_plan || null,
  };
}

// The attempts among these lines. Where the head of the data says how one ended, that is taken: its end may be missing here.
function readAttempts(data, lines) {
  const found = new Map();
  for (const line of lines) {
    if (!line.attempt) continue;
    const row = found.get(line.attempt) || { attempt: line.attempt, first: line, last: line, outcome: "open", ended: null, lines: [] };
    row.last = line;
    row.ended = outcomeOf(line.type, line.envelope.data) || row.ended;
    const known = data.attempts[line.attempt];
    row.outcome = known ? known[2].replaceAll("_", " ") : row.ended || "open";
    row.lines.push(line);
    found.set(line.attempt, row);
  }
  return [...found.values()];
}

// In a page of some events the head says what the others would have told. Where the events here tell it too, both must agree.
function checkHints(data, lines) {
  const fell = new Set(data.fell);
  lines.forEach((line) => {
    if (line.clock_known && fell.has(line.index) !== line.clock_fell) throw new Fault(`event ${line.index}`, "the head of the data tells its clock otherwise", [line.index]);
  });
  for (const row of readAttempts(data, lines)) {
    const [verb, vsn, outcome, first] = data.attempts[row.attempt] || [];
    const asked = row.lines.find((line) => ASKS.includes(line.type));
    const told = asked ? [asked.envelope.data.verb, asked.envelope.data.to || null] : [verb, vsn];
    const ended = (row.ended || "").replaceAll(" ", "_") || outcome;
    if (verb !== told[0] || vsn !== told[1] || outcome !== ended || first > row.first.index)
      throw new Fault(`event ${row.last.index}`, "the head of the data tells its attempt otherwise", row.lines.map((line) => line.index));
  }
}
