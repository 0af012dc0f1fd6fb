// The checkpoints (C2SP signed-note and tlog-checkpoint) and the key that signed them.

const placeOf = (size) => `the checkpoint of ${count(size, "event")}`;

function readCheckpoint(data, entry) {
  if (Array.isArray(entry)) {
    const [size, root, signature] = entry;
    const text = `${data.origin}\n${size}\n${root}\n`;
    return { size, root, text, lines: [[data.origin, signature]] };
  }
  if (typeof entry !== "string") throw new Fault("a checkpoint", "it is damaged");
  const end = entry.lastIndexOf("\n\n");
  const text = entry.slice(0, end + 1);
  const [, size, root] = text.split("\n");
  const lines = entry.slice(end + 2).trim().split("\n").map((line) => line.split(" ").slice(1));
  return { size: Number(size), root, text, lines };
}

const noteOf = (found) => `${found.text}\n${found.lines.map(([name, data]) => `\u2014 ${name} ${data}\n`).join("")}`;

async function readKey(text) {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  if (!match) throw new Fault("the key", "it is no verifier key: name+id+key");
  const key = fromBase64(match[3], "the key");
  const id = (await digest(bytesOf(`${match[1]}\n`), key)).slice(0, 4);
  if (hexOf(id) !== match[2] || key.length !== 33 || key[0] !== 1)
    throw new Fault("the key", "its id is not that of the key, or it is no Ed25519 key of a log");
  let imported = null;
  try {
    imported = await crypto.subtle.importKey("raw", key.slice(1), { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    if (error.name !== "NotSupportedError" && error.name !== "SyntaxError") throw error;
  }
  return { name: match[1], id, key: imported };
}

async function checkSignature(found, key) {
  if (found.text.split("\n")[0] !== key.name) return false;
  for (const [name, text] of found.lines) {
    const payload = fromBase64(text, placeOf(found.size));
    if (name === key.name && same(payload.slice(0, 4), key.id))
      return crypto.subtle.verify({ name: "Ed25519" }, key.key, payload.slice(4), bytesOf(found.text));
  }
  return false;
}

async function checkCheckpoints(data, levels, key) {
  const entries = data.checkpoints.map((entry) => readCheckpoint(data, entry));
  const newest = entries[entries.length - 1];
  if (!newest || newest.size !== data.size) throw new Fault("the newest checkpoint", `it is not that of ${count(data.size, "event")}`);
  let good = 0;
  for (let at = 0; at < entries.length; at += BATCH) {
    const part = entries.slice(at, at + BATCH);
    const roots = await Promise.all(part.map((found) => rangeHash(levels, 0, found.size)));
    const signed = await Promise.all(part.map((found) => (key && key.key ? checkSignature(found, key) : null)));
    part.forEach((found, n) => {
      if (!(found.size > good)) throw new Fault(placeOf(found.size), "it stands out of its order");
      if (signed[n] === false) throw new Fault(placeOf(found.size), "its signature is not by this key over this text", [found.size - 1]);
      if (!roots[n] || toBase64(roots[n]) !== found.root) throw differing(found.size, good);
      good = found.size;
    });
    await breathe();
  }
  return entries;
}

function differing(size, good) {
  const rows = Array.from({ length: size - good }, (_, n) => good + n);
  const where = rows.length === 1 ? `event ${good}` : `one of the events ${good} to ${size - 1}`;
  return new Fault(where, `the tree of ${count(size, "event")} does not have the root of its checkpoint`, rows);
}

// Where a commit ended and no checkpoint is in the page. A page of some events does not show where commits end.
function unsignedCommits(data) {
  const signed = new Set(checkpoints.map(({ size }) => size));
  const { events } = data;
  return events
    .filter((event, at) => at + 1 === events.length || event.outer.commit_id !== events[at + 1].outer.commit_id)
    .map((event) => event.index + 1)
    .filter((size) => !signed.has(size));
}
