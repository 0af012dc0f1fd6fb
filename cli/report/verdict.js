// The verdict: what was checked, in the order in which one step rests on the other, and what was not.

const HOW = "Check the bundle instead: verify.sh in it, or release-ledger verify.";
const WORD = { checking: "\u2026 Checking", verified: "\u2713 Verified", failed: "\u2717 Failed", undecided: "? Undecided" };
let evidence = null;
let tree = null;
let checkpoints = [];
const bad = new Set();

function tell(word, text, scope = []) {
  byId("verdict").className = word;
  byId("verdict-word").textContent = WORD[word];
  byId("verdict-text").textContent = visible(text);
  byId("verdict-scope").replaceChildren(...scope.map((part) => element("li", {}, part)));
  byId("verdict-link").hidden = !bad.size;
  if (bad.size) {
    const [first] = [...bad].sort((a, b) => a - b);
    byId("verdict-link").replaceChildren(element("a", { href: `#event-${first}`, "data-event": first }, `Go to event ${first}`));
  }
  if (word !== "checking") byId("verdict").dataset.verdict = word;
}

// What the verdict speaks of, and what stands in the page without being checked.
function scopeOf(data, unchecked) {
  const given = ["when, from what and with which filters the page was made", "who holds checkpoints"];
  if (!data.whole) given.push("what the attempts here asked for and how they ended, as far as those events are not here", "the clock of an event whose predecessor is not here");
  if (unchecked) given.push(`${count(unchecked, "table")} at a moment, and the picture of them, for which no event here speaks`);
  return [
    "Made from the events here, or compared with them: rows, attempts, exceptions, population, sample, packages, numbers of the controls, gaps, tables at a moment, picture.",
    `As whoever made this page wrote it, not checked: ${given.join("; ")}.`,
  ];
}

async function checkEvidence(keyText, text) {
  const said = (done, all) => tell("checking", `${done} of ${count(all, "event")} hashed.`);
  await hashEvents(evidence.events, said);
  (evidence.whole ? checkWhole : checkSome)(evidence);
  checkLines(evidence);
  checkForm(evidence);
  tree = await buildTree(evidence);
  const key = keyText ? await readKey(keyText) : null;
  checkpoints = await checkCheckpoints(evidence, tree, key);
  lines = await readLines(evidence);
  const odd = lines.find((line) => line.unreadable);
  if (odd) throw new Fault(`event ${odd.index}`, "it is not what an event of its type is", [odd.index]);
  if (!evidence.whole) checkHints(evidence, lines);
  const fold = await foldEvents(lines, earliest(lines));
  await checkTables(fold.steps);
  states = evidence.whole ? fold.states : readStates(evidence);
  const unchecked = evidence.whole ? 0 : checkStates(states, fold);
  await checkStated(evidence, lines);
  await checkDigest(text);
  await checkPageText();
  return { key, unchecked };
}

async function judge(keyText, whose) {
  const began = performance.now();
  const text = byId("evidence").textContent;
  evidence = await readData(text);
  if (!(globalThis.crypto && crypto.subtle)) {
    lines = await readLines(evidence);
    tell("undecided", `This browser offers no WebCrypto here, so nothing was checked. ${HOW}`);
    return;
  }
  if (evidence.events.some((event) => event.packed)) {
    lines = await readLines(evidence);
    tell("undecided", `This browser offers no DecompressionStream, so events of other ledgers were not read. ${HOW}`);
    return;
  }
  const { key, unchecked } = await checkEvidence(keyText === null ? evidence.vkey : keyText, text);
  picture = states.length ? pictureOf(states, lines) : null;
  byId("verdict").dataset.milliseconds = Math.round(performance.now() - began);
  const checked = `${count(evidence.events.length, "event")} of ${evidence.size} hashed, and the tree over them has the root of ${count(checkpoints.length, "checkpoint")}`;
  const scope = scopeOf(evidence, unchecked);
  if (!key) tell("undecided", `${checked}. There is no key to check the signatures with. ${HOW}`, scope);
  else if (!key.key) tell("undecided", `${checked}. This browser has no Ed25519 in WebCrypto, so no signature was checked. ${HOW}`, scope);
  else tell("verified", `${checked}, ${checkpoints.length === 1 ? "" : "all "}signed by ${key.name} with ${whose}.`, scope);
}

// The rows that can be shown all the same, and those that stand for what cannot.
async function salvage() {
  if (!lines.length) lines = await readLines(evidence);
  for (const event of evidence.events) if (event.fault) absent.set(event.index, event.fault);
  const pattern = { node: null, rehearsal: false, recorded_at: "", stream: "", vsns: [], type: "", actor: "", reason: null, ticket: null, failed: true, absent: true };
  for (const [index, words] of absent) if (!lines.some((line) => line.index === index)) lines.push({ ...pattern, index, words });
}

async function condemn(error) {
  const known = error instanceof Fault;
  for (const row of known ? error.rows : []) bad.add(row);
  try {
    if (evidence) await salvage();
  } catch {
    lines = [];
  }
  const what = known ? `First difference: ${error.message}.` : `The evidence in this page cannot be read: ${error.message}.`;
  tell("failed", what, ["Checking ended there: nothing vouches for what stands below."]);
}

// Check all of it, with the key in the page where *keyText* is null.
async function verify(keyText, whose) {
  bad.clear();
  absent.clear();
  [evidence, tree, checkpoints, lines, states, picture] = [null, null, [], [], [], null];
  delete byId("verdict").dataset.verdict;
  tell("checking", "This browser computes hashes, tree and signatures from the events in this page.");
  try {
    await judge(keyText, whose);
  } catch (error) {
    await condemn(error);
  }
}
