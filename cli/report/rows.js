// The tables of attempts, events and checkpoints: rows from the events themselves, filters, sorting, CSV, bytes and proofs.

const ROWS = 200;
const MOST_NUMBERS = 50;
const FORMULA = ["=", "+", "-", "@", "\t", "\r"];
const COLUMNS = ["index", "recorded_at", "node", "rehearsal", "type", "verb", "vsn", "words", "failed", "actor", "reason", "ticket", "driver", "attempt", "event_id", "stream", "clock_fell", "imported", "imported_index", "notes", "noted", "plan"];
let lines = [];
let shown = [];
let drawn = 0;
let remarks = { by: new Map(), events: new Map() };
let order = { column: "index", down: false };

function csvOf(rows) {
  const cell = (value) => {
    let text = value === null ? "" : value === true ? "yes" : value === false ? "no" : String(value);
    if (FORMULA.some((start) => text.startsWith(start))) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const notesOn = (line) =>
    (remarks.by.get(line.event_id) || []).map((note) => `${note.words} (event ${note.index}, ${note.recorded_at}, ${note.actor})`).join(" | ");
  return [COLUMNS, ...rows.map((line) => COLUMNS.map((column) => (column === "notes" ? notesOn(line) : line[column])))].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
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
      (!text || [line.words, line.reason, line.ticket, line.attempt, line.event_id, line.imported].some((part) => part && part.toLowerCase().includes(text))),
  );
}

function refresh() {
  const sign = order.down ? -1 : 1;
  const value = (line) => (line[order.column] === null ? "" : line[order.column]);
  shown = wantedLines().sort((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : a.index - b.index));
  drawn = 0;
  readRemarks();
  byId("rows").replaceChildren();
  drawRows(ROWS);
  drawAttempts();
  for (const head of document.querySelectorAll("#events th[data-column]"))
    head.setAttribute("aria-sort", head.dataset.column === order.column ? (order.down ? "descending" : "ascending") : "none");
}

function drawRows(more) {
  byId("rows").append(...shown.slice(drawn, drawn + more).map(rowOf));
  drawn = Math.min(drawn + more, shown.length);
  const all = lines.filter((line) => !line.absent).length;
  byId("shown").textContent = `${count(shown.filter((line) => !line.absent).length, "event")} of ${all} in this page match; ${drawn} drawn.`;
  byId("more").hidden = drawn >= shown.length;
}

// A row for what is not there, or cannot be read: the verdict names it.
function absentRow(line) {
  const text = element("strong", { class: "tag" }, line.words);
  return element("tr", { id: `event-${line.index}`, class: "bad" }, element("td", {}, String(line.index)), element("td", { colspan: "6" }, text));
}

function rowOf(line) {
  if (line.absent) return absentRow(line);
  const open = element("button", { type: "button", class: "number", "aria-expanded": "false", "aria-label": `Event ${line.index} in full` }, String(line.index));
  open.addEventListener("click", () => toggle(open, line));
  const marks = [line.failed && "not done", line.clock_fell && "clock set back", line.imported && visible(`imported: event ${line.imported_index} of ${line.imported}`), bad.has(line.index) && "does not verify"].filter(Boolean);
  const who = `${line.actor}${line.envelope.actor.auth === "ssh_signature" ? " (signed)" : ""}`;
  const node = labelOf(line, line.stream);
  const cells = [timeCell(line.recorded_at), ...[node, line.words, who, line.reason || "", line.ticket || ""].map(cellOf)];
  for (const at of [2, 4, 5]) cells[at].className = "long";
  cells[2].append(...marks.map((mark) => element("strong", { class: "tag" }, mark)), ...remarksOn(line));
  return element("tr", { id: `event-${line.index}`, class: bad.has(line.index) ? "bad" : "" }, element("td", {}, open), ...cells);
}

// Notes and corrections stand beside the event that they are about, and name it.
const aboutOf = (line) => (line.type === "note_added" ? line.envelope.data.event_id : null);
function remarksOn(line) {
  const link = (words, other) => element("a", { class: "tag", href: `#event-${other.index}`, "data-event": other.index }, words);
  const made = remarks.by.get(line.event_id) || [];
  const about = remarks.events.get(aboutOf(line));
  return [
    ...made.map((note) => link(visible(`${note.envelope.data.kind}: event ${note.index}`), note)),
    ...(about ? [link(`about event ${about.index}`, about)] : []),
  ];
}

function readRemarks() {
  remarks = { by: new Map(), events: new Map() };
  const notes = lines.filter(aboutOf);
  const wanted = new Set(notes.map(aboutOf));
  for (const line of lines) if (wanted.has(line.event_id)) remarks.events.set(line.event_id, line);
  for (const note of notes) remarks.by.set(aboutOf(note), [...(remarks.by.get(aboutOf(note)) || []), note]);
}

async function toggle(button, line) {
  const row = button.closest("tr");
  if (button.getAttribute("aria-expanded") === "true") {
    row.nextElementSibling.remove();
    button.setAttribute("aria-expanded", "false");
    return;
  }
  button.setAttribute("aria-expanded", "true");
  const { leaf, hash, from } = line.event;
  const raw = element("button", { type: "button" }, "Save the event's bytes");
  raw.addEventListener("click", () => offer(`${line.index}.json`, "application/json", leaf));
  const detail = element("td", { colspan: "7" }, element("p", {}, `${line.type}, leaf hash ${hash}`), element("pre", { class: "raw" }, leaf), raw);
  if (from) {
    const told = `Imported from ${from.origin}, event ${from.index}, on ${from.at}, by ${from.by}. What was recorded there:`;
    detail.prepend(element("p", {}, element("bdi", {}, visible(told))), element("pre", { class: "raw" }, JSON.stringify(line.envelope)));
  }
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
  if (byId("verdict").dataset.verdict === "failed" || !newest || !tree) return null;
  const hashes = (await inclusionProof(tree, index, newest.size)).map((hash) => `${toBase64(hash)}\n`).join("");
  return `c2sp.org/tlog-proof@v1\nindex ${index}\n${hashes}\n${noteOf(newest)}`;
}

function drawAttempts() {
  const wanted = new Set(shown.map((line) => line.attempt));
  const rows = readAttempts(evidence, lines.filter((line) => !line.absent)).filter((row) => wanted.has(row.attempt));
  byId("attempt-rows").replaceChildren(...rows.slice(0, ROWS).map(attemptRow));
  byId("attempts-shown").textContent = `${count(rows.length, "attempt")} with an event that matches${rows.length > ROWS ? `; the first ${ROWS} are drawn` : ""}.`;
}

function attemptRow(row) {
  const { first, last } = row;
  const asked = row.lines.find((line) => ASKS.includes(line.type)) || first;
  const what = [asked.verb, asked.vsn].filter(Boolean).join(" ") || "repair";
  const node = labelOf(first, first.stream);
  const link = element("a", { href: `#event-${first.index}` }, first === last ? String(first.index) : `${first.index}\u2013${last.index}`);
  link.addEventListener("click", () => reveal(first.index));
  const texts = [node, what, row.outcome, first.actor, first.reason || "no reason", first.ticket || "no ticket"];
  const cells = [timeCell(first.recorded_at), ...texts.map(cellOf)];
  cells[3].className = "short";
  for (const at of [5, 6]) cells[at].className = "long";
  return element("tr", {}, element("td", { class: "short" }, link), ...cells);
}

// Draw the row of an event, and those before it, so that a link to it leads somewhere.
async function reveal(index) {
  if (!shown.some((line) => line.index === index)) {
    byId("filters").reset();
    refresh();
  }
  const at = shown.findIndex((line) => line.index === index);
  while (at >= drawn && drawn < shown.length) {
    drawRows(ROWS);
    await breathe();
  }
  const row = byId(`event-${index}`);
  if (row) row.scrollIntoView({ block: "center" });
}

function drawCheckpoints() {
  const newest = checkpoints.slice().reverse();
  byId("checkpoint-rows").replaceChildren(
    ...newest.slice(0, ROWS).map((found) => element("tr", {}, element("td", {}, String(found.size)), element("td", {}, element("code", {}, found.root)))),
  );
  byId("checkpoints-shown").textContent = `${count(newest.length, "checkpoint")} in this page${newest.length > ROWS ? `; the newest ${ROWS} are drawn` : ""}.`;
}

