"use strict";
// Checks the evidence in this page and shows it. Rows, words and proofs come from the events whose
// hashes are computed here, never from a copy beside them. Formats: docs/report.md.
(() => {
  const BATCH = 250;
  const ROWS = 200;
  const LIMIT_FORMULA = ["=", "+", "-", "@", "\t", "\r"];
  const byId = (id) => document.getElementById(id);
  const encoder = new TextEncoder();
  const bytesOf = (text) => encoder.encode(text);
  const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));
  const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
  const joined = (...parts) => {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
    return all;
  };
  const digest = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
  const pause = () => new Promise((done) => setTimeout(done));
  const element = (name, attributes, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

  // What is wrong: where it is, in words, and the rows that it concerns.
  class Fault extends Error {
    constructor(where, what, rows) {
      super(`${where}: ${what}`);
      this.rows = rows;
    }
  }

  // 1. The events, in their places (RFC 6962 leaves: H(0x00 || leaf)).
  const leafOf = ([, , envelope]) => (typeof envelope === "string" ? envelope : JSON.stringify(envelope));
  const envelopeOf = ([, , envelope]) => (typeof envelope === "string" ? JSON.parse(envelope) : envelope);

  function unpacked(value, strings) {
    if (typeof value === "string") {
      if (!value.startsWith("~")) return value;
      return value.startsWith("~~") ? value.slice(1) : strings[Number.parseInt(value.slice(1), 36)];
    }
    if (Array.isArray(value)) return value.map((member) => unpacked(member, strings));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, unpacked(member, strings)]));
  }

  function checkPlaces(data) {
    const parts = data.events.map(([index]) => [index, index + 1, index]);
    if (data.whole && data.pieces.length) throw new Fault("the page", "it says that it is whole and is not", []);
    for (const [level, index] of data.pieces) parts.push([index * 2 ** level, (index + 1) * 2 ** level, null]);
    if (!data.whole) {
      data.events.forEach(([index], at) => {
        if (at && index <= data.events[at - 1][0]) throw new Fault(`event ${index}`, "it stands out of its order", [index]);
      });
      parts.sort((a, b) => a[0] - b[0]);
    }
    let due = 0;
    for (const [start, stop, index] of parts) {
      if (start >= data.size) throw new Fault(`event ${start}`, "it is not in the signed tree, which ends before it", [start]);
      if (start > due) throw new Fault(`event ${due}`, "it is missing at its place", [index]);
      if (start < due) throw new Fault(`event ${start}`, "it stands out of its place, or twice", [index]);
      due = stop;
    }
    if (due !== data.size) throw new Fault(`event ${due}`, `it is missing, and all up to event ${data.size - 1}`, []);
  }

  async function hashEvents(data, progress) {
    const hashes = [];
    for (let at = 0; at < data.events.length; at += BATCH) {
      const part = data.events.slice(at, at + BATCH);
      const found = await Promise.all(part.map((event) => digest([0], bytesOf(leafOf(event)))));
      found.forEach((hash, n) => {
        const [index, stated] = part[n];
        if (toBase64(hash) !== stated) throw new Fault(`event ${index}`, "it is not what was recorded: its hash differs", [index]);
        hashes.push(hash);
      });
      progress(hashes.length, data.events.length);
      await pause();
    }
    return hashes;
  }

  function checkForm(data) {
    const versions = new Map();
    const ids = new Map();
    for (const event of data.events) {
      const [index] = event;
      const envelope = envelopeOf(event);
      const before = versions.get(envelope.stream);
      const due = before === undefined ? (data.whole ? 1 : envelope.version) : before + 1;
      if (data.whole ? envelope.version !== due : envelope.version < due)
        throw new Fault(`event ${index}`, `it has version ${envelope.version} of its stream where ${due} is due`, [index]);
      if (ids.has(envelope.event_id))
        throw new Fault(`event ${index}`, `it has the id of event ${ids.get(envelope.event_id)}`, [index]);
      versions.set(envelope.stream, envelope.version);
      ids.set(envelope.event_id, index);
    }
  }

  // 2. The tree (RFC 6962, section 2.1): every complete subtree once, level by level.
  async function buildTree(data, hashes) {
    const levels = [new Map(data.events.map(([index], at) => [index, hashes[at]]))];
    for (const [level, index, hash] of data.pieces) {
      while (levels.length <= level) levels.push(new Map());
      levels[level].set(index, fromBase64(hash));
    }
    for (let level = 0; 2 ** level < data.size; level += 1) {
      if (levels.length === level + 1) levels.push(new Map());
      const pairs = [...levels[level].keys()].filter((n) => n % 2 === 0 && levels[level].has(n + 1));
      for (let at = 0; at < pairs.length; at += BATCH) {
        const part = pairs.slice(at, at + BATCH);
        const made = await Promise.all(part.map((n) => digest([1], levels[level].get(n), levels[level].get(n + 1))));
        made.forEach((hash, n) => levels[level + 1].set(part[n] / 2, hash));
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

  // 3. The checkpoints (C2SP signed-note and tlog-checkpoint).
  function readCheckpoint(data, entry) {
    if (typeof entry !== "string") {
      const [size, root, signature] = entry;
      const text = `${data.origin}\n${size}\n${root}\n`;
      return { size, root, text, lines: [[data.origin, signature]] };
    }
    const end = entry.lastIndexOf("\n\n");
    const text = entry.slice(0, end + 1);
    const [, size, root] = text.split("\n");
    const lines = entry.slice(end + 2).trim().split("\n").map((line) => line.split(" ").slice(1));
    return { size: Number(size), root, text, lines };
  }

  const noteOf = (found) => `${found.text}\n${found.lines.map(([name, data]) => `\u2014 ${name} ${data}\n`).join("")}`;

  async function readKey(text) {
    const match = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
    if (!match) throw new Fault("the key", "it is no verifier key: name+id+key", []);
    const key = fromBase64(match[3]);
    const id = (await digest(bytesOf(`${match[1]}\n`), key)).slice(0, 4);
    const hex = [...id].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== match[2] || key.length !== 33 || key[0] !== 1)
      throw new Fault("the key", "its id is not that of the key, or it is no Ed25519 key of a log", []);
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
      const payload = fromBase64(text);
      if (name === key.name && same(payload.slice(0, 4), key.id))
        return crypto.subtle.verify({ name: "Ed25519" }, key.key, payload.slice(4), bytesOf(found.text));
    }
    return false;
  }

  async function checkCheckpoints(data, levels, key) {
    const entries = data.checkpoints.map((entry) => readCheckpoint(data, entry));
    const newest = entries[entries.length - 1];
    if (!newest || newest.size !== data.size)
      throw new Fault("the newest checkpoint", `it is not that of ${count(data.size, "event")}`, []);
    let good = 0;
    for (let at = 0; at < entries.length; at += BATCH) {
      const part = entries.slice(at, at + BATCH);
      const roots = await Promise.all(part.map((found) => rangeHash(levels, 0, found.size)));
      const signed = await Promise.all(part.map((found) => (key && key.key ? checkSignature(found, key) : null)));
      part.forEach((found, n) => {
        const where = `the checkpoint of ${count(found.size, "event")}`;
        if (!(found.size > good)) throw new Fault(where, "it stands out of its order", []);
        if (signed[n] === false) throw new Fault(where, "its signature is not by this key over this text", [found.size - 1]);
        if (!roots[n] || toBase64(roots[n]) !== found.root) throw differing(found.size, good);
        good = found.size;
      });
      await pause();
    }
    return entries;
  }

  function differing(size, good) {
    const rows = Array.from({ length: size - good }, (_, n) => good + n);
    const where = rows.length === 1 ? `event ${good}` : `one of the events ${good} to ${size - 1}`;
    return new Fault(where, `the tree of ${count(size, "event")} does not have the root of its checkpoint`, rows);
  }

  // 4. The verdict.
  let evidence = null;
  let tree = null;
  let checkpoints = [];
  const bad = new Set();

  function tell(word, text) {
    const box = byId("verdict");
    box.className = word;
    byId("verdict-word").textContent = { verified: "\u2713 Verified", failed: "\u2717 Failed", undecided: "? Undecided" }[word];
    byId("verdict-text").textContent = text;
    box.dataset.verdict = word;
  }

  async function verify(keyText, whose) {
    const began = performance.now();
    bad.clear();
    delete byId("verdict").dataset.verdict;
    try {
      if (!(globalThis.crypto && crypto.subtle)) return tell("undecided", `This browser offers no WebCrypto here. ${HOW}`);
      checkPlaces(evidence);
      const hashes = await hashEvents(evidence, (done, all) => {
        byId("verdict-text").textContent = `Checking: ${done} of ${count(all, "event")}.`;
      });
      checkForm(evidence);
      tree = await buildTree(evidence, hashes);
      const key = keyText ? await readKey(keyText) : null;
      checkpoints = await checkCheckpoints(evidence, tree, key);
      byId("verdict").dataset.milliseconds = Math.round(performance.now() - began);
      const checked = `${count(evidence.events.length, "event")} of ${evidence.size} hashed, and the tree over them has the root of ${count(checkpoints.length, "checkpoint")}`;
      if (!key) tell("undecided", `${checked}. There is no key to check the signatures with. ${HOW}`);
      else if (!key.key) tell("undecided", `${checked}. This browser has no Ed25519 in WebCrypto, so no signature was checked. ${HOW}`);
      else tell("verified", `${checked}, all signed by ${key.name} with ${whose}.`);
    } catch (error) {
      const known = error instanceof Fault;
      (known ? error.rows : []).forEach((row) => bad.add(row));
      tell("failed", known ? `First difference: ${error.message}.` : `The evidence in this page cannot be read: ${error.message}`);
    }
    return undefined;
  }

  const HOW = "Check the bundle instead: verify.sh in it, or release-ledger verify.";

  // 5. What an event says, in the words of the ledger.
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
  };
  const ASKS = ["operation_requested", "operation_refused"];
  const isFailed = (type, data) =>
    type === "operation_recovered" ? ["failed", "taken_back"].includes(data.result) : ["operation_failed", "operation_refused"].includes(type);
  const outcomeOf = (type, data) =>
    ({ operation_recovered: String(data.result).replaceAll("_", " "), operation_completed: "completed", operation_failed: "failed", operation_refused: "refused" })[type];

  function readLines(data) {
    const intents = new Map(Object.entries(data.attempts));
    const fell = new Set(data.fell);
    let before = null;
    return data.events.map((event) => {
      const [index] = event;
      const line = lineOf(index, envelopeOf(event), intents);
      const clock = line.envelope.clock;
      const known = before && before.index === index - 1;
      line.clock_fell = known
        ? clock.boot_id === before.envelope.clock.boot_id && clock.monotonic_us > before.envelope.clock.monotonic_us && line.recorded_at < before.recorded_at
        : fell.has(index);
      before = line;
      return line;
    });
  }

  function lineOf(index, envelope, intents) {
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
    };
  }

  function readAttempts(lines) {
    const found = new Map();
    for (const line of lines) {
      if (!line.attempt) continue;
      const row = found.get(line.attempt) || { attempt: line.attempt, first: line, last: line, outcome: "open", lines: [] };
      row.last = line;
      row.outcome = outcomeOf(line.type, line.envelope.data) || row.outcome;
      if (evidence.attempts[line.attempt]) row.outcome = evidence.attempts[line.attempt][2].replaceAll("_", " ");
      row.lines.push(line);
      found.set(line.attempt, row);
    }
    return [...found.values()];
  }

  // 6. The tables.
  const COLUMNS = ["index", "recorded_at", "node", "rehearsal", "type", "verb", "vsn", "words", "failed", "actor", "reason", "ticket", "driver", "attempt", "event_id", "stream", "clock_fell"];
  let lines = [];
  let shown = [];
  let drawn = 0;
  let order = { column: "index", down: false };

  function csvOf(rows) {
    const cell = (value) => {
      let text = value === null ? "" : value === true ? "yes" : value === false ? "no" : String(value);
      if (LIMIT_FORMULA.some((start) => text.startsWith(start))) text = `'${text}`;
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return [COLUMNS, ...rows.map((line) => COLUMNS.map((column) => line[column]))].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
  }

  function offer(name, type, text) {
    const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function wantedLines() {
    const form = byId("filters").elements;
    const given = (name) => form[name].value.trim();
    const text = given("text").toLowerCase();
    const bound = (name) => (/^[0-9]+$/.test(given(name)) ? Number(given(name)) : momentOf(given(name)));
    const [since, until] = [bound("since"), bound("until")];
    for (const [name, value] of [["since", since], ["until", until]])
      form[name].setAttribute("aria-invalid", String(value === null && given(name) !== ""));
    const place = (line, limit) => (typeof limit === "number" ? line.index : line.recorded_at);
    return lines.filter(
      (line) =>
        (!given("type") || line.type === given("type")) &&
        (!given("node") || line.node === given("node")) &&
        (!given("vsn") || line.vsns.includes(given("vsn"))) &&
        (!given("actor") || line.actor === given("actor")) &&
        (!given("ticket") || line.ticket === given("ticket")) &&
        (!form.failed.checked || line.failed) &&
        (since === null || place(line, since) >= since) &&
        (until === null || place(line, until) <= until) &&
        (!text || [line.words, line.reason, line.ticket, line.attempt, line.event_id].some((part) => part && part.toLowerCase().includes(text))),
    );
  }

  function refresh() {
    const sign = order.down ? -1 : 1;
    const value = (line) => (line[order.column] === null ? "" : line[order.column]);
    shown = wantedLines().sort((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : a.index - b.index));
    drawn = 0;
    byId("rows").replaceChildren();
    drawRows(ROWS);
    drawAttempts();
    for (const head of document.querySelectorAll("#events th[data-column]"))
      head.setAttribute("aria-sort", head.dataset.column === order.column ? (order.down ? "descending" : "ascending") : "none");
  }

  function drawRows(more) {
    byId("rows").append(...shown.slice(drawn, drawn + more).map(rowOf));
    drawn = Math.min(drawn + more, shown.length);
    byId("shown").textContent = `${count(shown.length, "event")} of ${lines.length} in this page match; ${drawn} drawn.`;
    byId("more").hidden = drawn >= shown.length;
  }

  const cellOf = (text) => element("td", {}, element("bdi", {}, text));

  function rowOf(line) {
    const open = element("button", { type: "button", class: "number", "aria-expanded": "false", "aria-label": `Event ${line.index} in full` }, String(line.index));
    open.addEventListener("click", () => toggle(open, line));
    const marks = [line.failed && "not done", line.clock_fell && "clock set back", bad.has(line.index) && "does not verify"].filter(Boolean);
    const who = `${line.actor}${line.envelope.actor.auth === "ssh_signature" ? " (signed)" : ""}`;
    const node = `${line.node || line.stream}${line.rehearsal ? " (rehearsal)" : ""}`;
    const cells = [line.recorded_at, node, line.words, who, line.reason || "", line.ticket || ""].map(cellOf);
    cells[0].className = "short";
    for (const at of [2, 4, 5]) cells[at].className = "long";
    cells[2].append(...marks.map((mark) => element("strong", { class: "tag" }, mark)));
    return element("tr", { id: `event-${line.index}`, class: bad.has(line.index) ? "bad" : "" }, element("td", {}, open), ...cells);
  }

  async function toggle(button, line) {
    const row = button.closest("tr");
    if (button.getAttribute("aria-expanded") === "true") {
      row.nextElementSibling.remove();
      button.setAttribute("aria-expanded", "false");
      return;
    }
    button.setAttribute("aria-expanded", "true");
    const event = evidence.events.find(([index]) => index === line.index);
    const raw = element("button", { type: "button" }, "Save the event's bytes");
    raw.addEventListener("click", () => offer(`${line.index}.json`, "application/json", leafOf(event)));
    const detail = element("td", { colspan: "7" }, element("p", {}, `${line.type}, leaf hash ${event[1]}`), element("pre", { class: "raw" }, leafOf(event)), raw);
    row.after(element("tr", { class: "detail" }, detail));
    const proof = await proofOf(line.index);
    if (proof === null) {
      detail.append(element("p", {}, "No proof: the evidence of this page does not verify."));
      return;
    }
    const save = element("button", { type: "button" }, "Save the proof");
    save.addEventListener("click", () => offer(`${line.index}.tlog-proof`, "text/plain", proof));
    detail.append(element("p", {}, "Inclusion proof (c2sp.org/tlog-proof):"), element("pre", { class: "proof" }, proof), save);
  }

  async function proofOf(index) {
    const newest = checkpoints[checkpoints.length - 1];
    if (byId("verdict").dataset.verdict === "failed" || !newest) return null;
    const hashes = (await inclusionProof(tree, index, newest.size)).map((hash) => `${toBase64(hash)}\n`).join("");
    return `c2sp.org/tlog-proof@v1\nindex ${index}\n${hashes}\n${noteOf(newest)}`;
  }

  function drawAttempts() {
    const wanted = new Set(shown.map((line) => line.attempt));
    const rows = readAttempts(lines).filter((row) => wanted.has(row.attempt));
    byId("attempt-rows").replaceChildren(...rows.slice(0, ROWS).map(attemptRow));
    byId("attempts-shown").textContent = `${count(rows.length, "attempt")} with an event that matches${rows.length > ROWS ? `; the first ${ROWS} are drawn` : ""}.`;
  }

  function attemptRow(row) {
    const { first, last } = row;
    const asked = row.lines.find((line) => ASKS.includes(line.type)) || first;
    const what = [asked.verb, asked.vsn].filter(Boolean).join(" ") || "repair";
    const node = `${first.node || first.stream}${first.rehearsal ? " (rehearsal)" : ""}`;
    const link = element("a", { href: `#event-${first.index}` }, first === last ? String(first.index) : `${first.index}\u2013${last.index}`);
    link.addEventListener("click", () => reveal(first.index));
    const cells = [first.recorded_at, node, what, row.outcome, first.actor, first.reason || "no reason", first.ticket || "no ticket"].map(cellOf);
    for (const at of [0, 3]) cells[at].className = "short";
    for (const at of [5, 6]) cells[at].className = "long";
    return element("tr", {}, element("td", { class: "short" }, link), ...cells);
  }

  function reveal(index) {
    const at = shown.findIndex((line) => line.index === index);
    if (at < 0) {
      byId("filters").reset();
      refresh();
      reveal(index);
    } else if (at >= drawn) drawRows(at - drawn + 1);
  }

  function drawCheckpoints() {
    const newest = checkpoints.slice().reverse();
    byId("checkpoint-rows").replaceChildren(
      ...newest.slice(0, ROWS).map((found) => element("tr", {}, element("td", {}, String(found.size)), element("td", {}, element("code", {}, found.root)))),
    );
    byId("checkpoints-shown").textContent = `${count(newest.length, "checkpoint")} in this page${newest.length > ROWS ? `; the newest ${ROWS} are drawn` : ""}.`;
  }

  // 7. The table at a moment.
  function momentOf(text) {
    const match = /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?)?Z?$/.exec(text);
    if (!match) return null;
    return `${match[1]}T${match[2] || "00:00"}:${match[3] || "00"}.${(match[4] || "").slice(0, 6).padEnd(6, "0")}Z`;
  }

  const states = [];
  function readStates(data) {
    const rows = data.streams.map(() => []);
    for (const [number, since, stream, kept, ending, between, node] of data.states) {
      const before = rows[stream];
      rows[stream] = kept === null ? null : [...(before || []).slice(0, kept), ...between, ...(ending ? before.slice(-ending) : [])];
      states.push({ number, since, stream, node, rows: rows[stream] });
      rows[stream] = rows[stream] || [];
    }
  }

  function readTable(text) {
    const number = /^[0-9]+$/.test(text) ? Number(text) : null;
    const moment = momentOf(text);
    const answer = byId("at-answer");
    byId("at-rows").replaceChildren();
    if (number === null && moment === null) {
      answer.textContent = "Name an event number, or a time in UTC like 2026-03-01T12:00:00Z.";
      return;
    }
    const past = states.filter((state) => (number === null ? state.since <= moment : state.number <= number));
    const tables = new Map(past.map((state) => [state.stream, state]));
    if (!past.length) {
      answer.textContent = "That lies before the first event of this page.";
      return;
    }
    const last = past[past.length - 1];
    answer.textContent = `The last change of a table up to then is event ${last.number}.`;
    for (const [stream, state] of [...tables].sort((a, b) => a[0] - b[0])) {
      const [name, node, rehearsal] = evidence.streams[stream];
      const label = `${state.node || node || name}${rehearsal ? " (rehearsal)" : ""}`;
      for (const [vsn, status] of state.rows || [])
        byId("at-rows").append(element("tr", {}, ...[label, vsn, status].map(cellOf)));
    }
    moveCursor(moment === null ? last.since : moment);
  }

  // 8. The picture: zoom and cursor.
  let view = null;
  const place = (lanes, time) => {
    const [left, right] = [Number(lanes.dataset.left), Number(lanes.dataset.right)];
    const share = view[1] > view[0] ? (time - view[0]) / (view[1] - view[0]) : 0;
    return left + share * (right - left);
  };
  const inside = (lanes, x) => Math.min(Math.max(x, Number(lanes.dataset.left)), Number(lanes.dataset.right));

  function layOut(start, stop) {
    const lanes = byId("lanes");
    view = [start, stop];
    byId("axis-start").textContent = new Date(start).toISOString().replace(".000", "");
    byId("axis-end").textContent = new Date(stop).toISOString().replace(".000", "");
    for (const bar of lanes.querySelectorAll(".bar")) {
      const [from, to] = [Number(bar.dataset.from), Number(bar.dataset.to)];
      const [left, right] = [inside(lanes, place(lanes, from)), inside(lanes, place(lanes, to))];
      bar.setAttribute("visibility", to < start || from > stop ? "hidden" : "visible");
      bar.children[1].setAttribute("x", left);
      bar.children[1].setAttribute("width", Math.max(right - left, 1.5));
      bar.children[2].setAttribute("x", left + 3);
      bar.children[2].setAttribute("visibility", right - left < 9 ? "hidden" : "inherit");
    }
    for (const mark of lanes.querySelectorAll(".mark")) {
      const at = Number(mark.dataset.from);
      mark.setAttribute("visibility", at < start || at > stop ? "hidden" : "visible");
      mark.setAttribute("transform", `translate(${place(lanes, at)} ${mark.dataset.y})`);
    }
  }

  // The picture in words, from the same marks: made only when somebody opens it.
  function sayPicture() {
    const rows = byId("bar-rows");
    if (rows.children.length) return;
    for (const bar of byId("lanes").querySelectorAll(".bar, .mark")) {
      const { lane, from } = bar.dataset;
      const time = new Date(Number(from)).toISOString();
      rows.append(element("tr", {}, ...[lane, time, bar.querySelector("title").textContent].map(cellOf)));
    }
  }

  function moveCursor(moment) {
    const lanes = byId("lanes");
    const x = inside(lanes, place(lanes, Date.parse(moment)));
    byId("cursor").setAttribute("x1", x);
    byId("cursor").setAttribute("x2", x);
  }

  function usePicture() {
    const lanes = byId("lanes");
    if (!lanes) return;
    const whole = [Number(lanes.dataset.start), Number(lanes.dataset.end)];
    view = whole;
    const step = byId("at-step");
    step.max = String(states.length - 1);
    step.value = step.max;
    const pick = () => {
      const state = states[Number(step.value)];
      byId("at-text").value = String(state.number);
      step.setAttribute("aria-valuetext", `event ${state.number}, ${state.since}`);
      readTable(byId("at-text").value);
    };
    step.addEventListener("input", pick);
    byId("at").addEventListener("submit", (event) => {
      event.preventDefault();
      readTable(byId("at-text").value.trim());
    });
    byId("zoom").addEventListener("submit", (event) => {
      event.preventDefault();
      const [from, to] = ["zoom-from", "zoom-to"].map((id) => momentOf(byId(id).value.trim()));
      const [start, stop] = [from ? Date.parse(from) : whole[0], to ? Date.parse(to) : whole[1]];
      byId("zoom-answer").textContent = start < stop ? "" : "The period must begin before it ends; times are in UTC.";
      if (start < stop) layOut(start, stop);
    });
    byId("picture-words").addEventListener("toggle", sayPicture);
    byId("zoom").addEventListener("reset", () => layOut(...whole));
    pick();
  }

  function useTables() {
    const form = byId("filters");
    for (const name of ["type", "node", "actor"])
      form.elements[name].append(...[...new Set(lines.map((line) => line[name]).filter(Boolean))].sort().map((value) => element("option", { value }, value)));
    form.addEventListener("input", refresh);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(refresh));
    byId("more").addEventListener("click", () => drawRows(ROWS));
    byId("csv").addEventListener("click", () => offer("events.csv", "text/csv", csvOf(shown)));
    for (const head of document.querySelectorAll("#events th[data-column] button"))
      head.addEventListener("click", () => {
        const { column } = head.parentElement.dataset;
        order = { column, down: order.column === column && !order.down };
        refresh();
      });
    for (const link of document.querySelectorAll("a[data-event]"))
      link.addEventListener("click", () => reveal(Number(link.dataset.event)));
    addEventListener("beforeprint", () => drawRows(ROWS));
    byId("own-key").addEventListener("submit", async (event) => {
      event.preventDefault();
      await verify(byId("own-key-text").value.trim(), "the key that you gave");
      refresh();
    });
  }

  async function main() {
    try {
      evidence = JSON.parse(byId("evidence").textContent);
      for (const event of evidence.events) if (typeof event[2] !== "string") event[2] = unpacked(event[2], evidence.strings);
      lines = readLines(evidence);
      readStates(evidence);
    } catch (error) {
      tell("failed", `The evidence in this page cannot be read: ${error.message}`);
      return;
    }
    useTables();
    usePicture();
    await verify(evidence.vkey, "the key in this page");
    drawCheckpoints();
    refresh();
    document.documentElement.dataset.ready = "yes";
  }

  main();
})();
