// What stands in the text of the page, against what the events give. The text was written beforehand, for
// readers without scripts and for paper; where it says otherwise than the events, the page has failed.

const TEXT = "the text of this page";
// Escapes in the text stand for the characters that the events hold.
const meant = (text) =>
  text.replace(/\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})/g, (_, ...parts) => String.fromCodePoint(Number.parseInt(parts.find(Boolean), 16)));
const agrees = (node, text) => meant(node.textContent.trim()) === meant(text.trim());
const wrote = (node) => node.textContent.trim().replace(/\s+/g, " ").slice(0, 80);

const NONE = { failed: 0, refused: 0, "reverted by restart": 0, drift: 0, override: 0, "no outcome": 0, "no reason": 0, "no ticket": 0, "clock set back": 0 };
const RULES = {
  failed: (line) => line.failed && line.type !== "operation_refused" && line.words,
  refused: (line) => line.type === "operation_refused" && line.words,
  "reverted by restart": (line) => line.type === "node_restarted" && (line.envelope.data.reverted || []).length && line.words,
  drift: (line) => line.type === "drift_observed" && line.words,
  override: (line) => ASKS.includes(line.type) && line.envelope.data.allowed && `${line.words}; allowed in spite of: ${line.envelope.data.allowed.join(", ")}`,
  "no outcome": (line, open) => line.type === "operation_requested" && open.has(line.attempt) && `${line.words}; the attempt has no recorded outcome`,
  "no reason": (line) => ASKS.includes(line.type) && !line.reason && !("reason_commit" in line.envelope) && line.words,
  "no ticket": (line) => ASKS.includes(line.type) && !line.ticket && line.words,
  "clock set back": (line) => line.clock_fell && `${line.words}; stamped earlier than the event before it, in the same boot`,
};
const labelOf = (line, other) => `${line.node || other}${line.rehearsal ? " (rehearsal)" : ""}`;

function exceptionsOf(lines, attempts) {
  const open = new Set(attempts.filter((row) => row.outcome === "open").map((row) => row.attempt));
  return Object.entries(RULES).flatMap(([kind, rule]) =>
    lines.map((line) => [line, rule(line, open)]).filter(([, what]) => what).map(([line, what]) => ({ kind, line, what })),
  );
}

// The changes that were asked for: attempts of which the first event is here, and their outcomes.
function changesOf(data, lines, attempts) {
  const rows = new Map(attempts.map((row) => [row.attempt, row]));
  const first = (line) => (data.attempts[line.attempt] || [0, 0, 0, rows.get(line.attempt).first.index])[3];
  return lines
    .filter((line) => ASKS.includes(line.type) && (!line.attempt || first(line) === line.index))
    .map((line) => ({ line, outcome: line.attempt ? rows.get(line.attempt).outcome : "refused" }));
}

async function sampleOf(data, changes) {
  if (!data.sample) return [];
  const [number, seed] = data.sample;
  const ranked = await Promise.all(changes.map(async ({ line }) => [hexOf(await digest(bytesOf(`${seed}:${line.index}`))), line]));
  ranked.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  return ranked.slice(0, number).map(([, line]) => line).sort((a, b) => a.index - b.index);
}

function packagesOf(lines) {
  const found = new Map();
  for (const { index, envelope } of lines) {
    const { package: read } = envelope.data;
    if (!read) continue;
    const key = `${read.name}\n${read.sha256}`;
    if (!found.has(key)) found.set(key, { read, numbers: [] });
    found.get(key).numbers.push(index);
  }
  return found;
}

const tally = (values) => {
  const found = new Map();
  for (const value of values) found.set(value, (found.get(value) || 0) + 1);
  return found;
};
const inOrder = (values) => [...new Set(values)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));

function gapsOf(data, lines, attempts, missed) {
  const { size, events } = data;
  const said = [];
  if (!data.whole) said.push(`not covered: ${size - events.length} of ${size} events are not in this page; it holds their hashes only, and cannot show that the filters left out nothing else`);
  for (const line of lines)
    if (line.type === "installation_registered") said.push(`not known: what was done to ${line.node} before event ${line.index}; its state then is a claim`);
  const among = (number) => `${number} of ${events.length} events`;
  const unsigned = lines.filter((line) => line.envelope.actor.auth !== "ssh_signature").length;
  if (unsigned) said.push(`not signed by a person: ${among(unsigned)} rest on what the operating system said`);
  const unknown = lines.filter((line) => line.envelope.clock.synced !== "yes").length;
  if (unknown) said.push(`clock: ${among(unknown)} were stamped by a clock that is not known to be synchronised`);
  const taken = lines.filter((line) => line.imported);
  if (taken.length)
    said.push(`imported: ${among(taken.length)} were recorded in ${inOrder(taken.map((line) => line.imported)).join(", ")}; whether they stood in the tree signed there, \`release-ledger verify\` checks`);
  const open = attempts.filter((row) => row.outcome === "open").length;
  if (open) said.push(`no outcome: ${count(open, "attempt")} in this page had no recorded end when it was made`);
  if (!data.whole || (missed.length && checkpoints.length === 1)) said.push("checkpoints: only the newest is in this page; those of earlier commits are not checked here");
  else if (missed.length) said.push(`checkpoints: ${count(missed.length, "commit")} in this page ended without one of its own`);
  return said;
}

function checkGaps(said, missed) {
  const kinds = /^(not covered|not known|not signed by a person|clock|imported|no outcome|checkpoints): /;
  const stated = [...document.querySelectorAll("#gaps li")].filter((item) => kinds.test(item.textContent));
  for (const text of said) {
    if (stated.some((item) => agrees(item, text))) continue;
    if (missed.length && text.startsWith("checkpoints: ")) throw new Fault(placeOf(missed[0]), "it is missing: a commit ended there");
    throw new Fault(TEXT, `among the gaps it does not say "${text}"`);
  }
  const surplus = stated.find((item) => !said.some((text) => agrees(item, text)));
  if (surplus) throw new Fault(TEXT, `among the gaps it says "${wrote(surplus)}", which the events do not bear out`);
}

function checkFacts(facts) {
  for (const [name, value] of Object.entries(facts)) {
    const places = [...document.querySelectorAll("[data-fact]")].filter((node) => node.dataset.fact === name);
    if (!places.length && value !== null) throw new Fault(TEXT, `it does not state ${name}, which the events give as ${value}`);
    const other = places.find((node) => !agrees(node, String(value)));
    if (other) throw new Fault(TEXT, `it states ${name} as ${wrote(other) || "nothing"}, and the events give ${value}`);
  }
}

// Rows of a table that was written beforehand; of a long one only the first are.
async function checkRows(id, name, due, most = Infinity) {
  const rows = [...document.querySelectorAll(`#${id} tbody tr`)];
  const number = Math.min(due.length, most);
  if (rows.length !== number) throw new Fault(TEXT, `${name} has ${count(rows.length, "row")}, and the events give ${number}`);
  for (const [at, row] of rows.entries()) {
    const wrong = due[at].findIndex((text, n) => text !== null && !(row.cells[n] && agrees(row.cells[n], text)));
    if (wrong >= 0) throw new Fault(TEXT, `row ${at + 1} of ${name} says "${row.cells[wrong] ? wrote(row.cells[wrong]) : ""}", and the events give "${due[at][wrong]}"`);
    await breathe();
  }
}

function controlsDue(lines) {
  const counts = tally(lines.map((line) => line.type));
  return [...document.querySelectorAll("#control-table tbody tr")].map((row) => {
    const types = row.cells[2].textContent.trim();
    const number = types === "every event" ? lines.length : types.split(", ").reduce((sum, type) => sum + (counts.get(type) || 0), 0);
    return [null, null, null, String(number)];
  });
}

async function checkStated(data, lines) {
  const attempts = readAttempts(data, lines);
  const changes = changesOf(data, lines, attempts);
  const [first, last] = [lines[0].index, lines[lines.length - 1].index];
  const times = inOrder(lines.map((line) => line.recorded_at));
  const exceptions = exceptionsOf(lines, attempts);
  const kinds = { ...NONE, ...Object.fromEntries(tally(exceptions.map(({ kind }) => kind))) };
  const outcomes = tally(changes.map(({ outcome }) => outcome));
  const missed = data.whole ? unsignedCommits(data) : [];
  const number = (type) => lines.filter((line) => line.type === type).length;
  checkFacts({
    "the name of the ledger": data.origin,
    "the number of events here": lines.length,
    "the number of events in the tree": data.size,
    "the first event": first,
    "the last event": last,
    "the time of the earliest event": times[0],
    "the time of the latest event": times[times.length - 1],
    "the nodes": inOrder(lines.filter((line) => line.node).map((line) => labelOf(line, ""))).join(", ") || "none",
    "the root of the tree": checkpoints[checkpoints.length - 1].root,
    "the key": data.vkey,
    "the number of changes": count(changes.length, "change"),
    "the outcomes": inOrder(outcomes.keys()).map((outcome) => `${outcomes.get(outcome)} ${outcome}`).join(", ") || null,
    "the number of restarts": count(number("node_restarted"), "restart"),
    "the number of drifts": count(number("drift_observed"), "time"),
    "the number of exceptions": `${Object.entries(kinds).map(([kind, n]) => `${kind}: ${n}`).join("; ")}.`,
    "the sample": data.sample ? data.sample[1] : null,
  });
  checkGaps(gapsOf(data, lines, attempts, missed), missed);
  checkFacts({ "the number of checkpoints here": checkpoints.length });
  const bytewise = (key) => [...bytesOf(key)].map((byte) => String.fromCharCode(byte)).join("");
  const packages = [...packagesOf(lines)].sort((a, b) => (bytewise(a[0]) < bytewise(b[0]) ? -1 : 1));
  await checkRows("exception-table", "the exceptions", exceptions.map(({ kind, line, what }) => [kind, String(line.index), line.recorded_at, labelOf(line, line.stream), what]), ROWS);
  await checkRows("sample", "the sample", (await sampleOf(data, changes)).map((line) => [String(line.index), line.recorded_at, labelOf(line, ""), line.words, line.ticket || ""]));
  await checkRows("package-table", "the packages", packages.map(([, { read, numbers }]) => [read.name, String(read.size), read.sha256, read.signature, numbers.slice(0, MOST_NUMBERS).join(", ") + (numbers.length > MOST_NUMBERS ? ` and ${numbers.length - MOST_NUMBERS} more` : "")]));
  await checkRows("control-table", "the controls", controlsDue(lines));
  return exceptions;
}
