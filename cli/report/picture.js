// The picture: which release had which status when, drawn from the tables that were folded from the events.
// Each column is one event that changed a table or is marked, so that events close in time stay apart; times stand above.
// A status is told by height, pattern and letter, never by colour alone.

const [WIDTH, LABEL, TOP, ROW] = [1000, 190, 44, 24];
const RIGHT = WIDTH - 8;
const COLUMNS_AT_ONCE = 72; // of more than these, the newest
const COLUMNS_SHOWN = 48;
const MOST_COLUMNS = 240;
const COLUMNS_ON_PAPER = 36;
const MOST_STRIPS = 12;
const MOST_LANES = 30;
const DAY = 86_400_000;
const HEIGHTS = { permanent: 18, current: 14, unpacked: 9, old: 4 };
const MARKS = {
  restart: "M0 -7 L7 6 L-7 6 Z",
  failed: "M-6 -6 L6 6 M6 -6 L-6 6",
  refused: "M0 -7 L7 0 L0 7 L-7 0 Z",
  drift: "M-6 -6 H6 V6 H-6 Z",
};
const shape = (name, attributes, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
};

function markOf(line) {
  const kinds = { node_restarted: "restart", operation_refused: "refused", drift_observed: "drift" };
  return kinds[line.type] || (line.failed ? "failed" : null);
}

// The lanes of one stream: for each release, the bars in which it had one status.
function lanesOf(states) {
  const [finished, running] = [new Map(), new Map()];
  for (const { rows, number } of states) {
    const now = new Map(rows || []);
    for (const [vsn, bar] of running)
      if (now.get(vsn) !== bar.status) {
        finished.get(vsn).push({ ...bar, last: number });
        running.delete(vsn);
      }
    for (const [vsn, status] of now) {
      if (!finished.has(vsn)) finished.set(vsn, []);
      if (!running.has(vsn)) running.set(vsn, { vsn, status, first: number, last: null });
    }
  }
  return [...finished].map(([vsn, bars]) => ({ vsn, bars: running.has(vsn) ? [...bars, running.get(vsn)] : bars }));
}

function pictureOf(states, lines) {
  const marks = lines.map((line) => ({ line, kind: markOf(line) })).filter(({ kind }) => kind);
  const times = new Map(lines.map((line) => [line.index, line.recorded_at]));
  for (const { number, since } of states) if (!times.has(number)) times.set(number, since);
  const numbers = new Set([...states.map(({ number }) => number), ...marks.map(({ line }) => line.index)]);
  const steps = [...numbers].sort((a, b) => a - b).map((number) => ({ number, time: times.get(number) }));
  const streams = new Map();
  for (const state of states) streams.set(state.stream, [...(streams.get(state.stream) || []), state]);
  const nodes = [...streams].map(([stream, own]) => ({
    label: labelOf(own[own.length - 1], stream),
    lanes: lanesOf(own),
    marks: marks.filter(({ line }) => line.stream === stream),
  }));
  return { steps, nodes, columns: new Map(steps.map(({ number }, at) => [number, at])) };
}

const sayBar = (bar) => `${bar.vsn} is ${bar.status} from event ${bar.first} ${bar.last === null ? "on" : `until event ${bar.last}`}`;
const sayMark = ({ line }) => `event ${line.index}: ${line.words}`;
const shortTime = (time) => [time.slice(0, 10), time.slice(11, 19)];

// One strip of the picture: the columns *from* to *to*.
class Strip {
  constructor(picture, from, to) {
    Object.assign(this, { picture, from, to });
    this.step = (RIGHT - LABEL) / (to - from + 1);
  }

  x(number) {
    return this.at(this.picture.columns.get(number));
  }

  at(column) {
    return LABEL + (Math.min(Math.max(column, this.from - 0.5), this.to + 0.5) - this.from + 0.5) * this.step;
  }

  holds(number) {
    const column = this.picture.columns.get(number);
    return column >= this.from && column <= this.to;
  }

  bars(lane) {
    const { columns } = this.picture;
    return lane.bars.filter((bar) => columns.get(bar.first) <= this.to && (bar.last === null || columns.get(bar.last) > this.from));
  }

  // The lanes with a bar in this strip; where they are many, without those that rest.
  lanes(node) {
    const here = node.lanes.map((lane) => ({ vsn: lane.vsn, bars: this.bars(lane) })).filter(({ bars }) => bars.length);
    if (here.length <= MOST_LANES) return { lanes: here, resting: 0 };
    const moving = here.filter(({ bars }) => bars.length > 1 || bars[0].status !== "old" || this.holds(bars[0].first));
    return { lanes: moving, resting: here.length - moving.length };
  }

  drawn(attributes) {
    const parts = [];
    let row = 0;
    for (const node of this.picture.nodes) {
      const { lanes, resting } = this.lanes(node);
      const marks = node.marks.filter(({ line }) => this.holds(line.index));
      if (!lanes.length && !marks.length) continue;
      parts.push(this.label(node.label, row, "node"), ...marks.map((mark) => this.mark(mark, row)));
      row += 1;
      for (const lane of lanes) {
        parts.push(this.label(lane.vsn, row, "vsn"), this.ground(row), ...lane.bars.map((bar) => this.bar(bar, row)));
        row += 1;
      }
      if (resting) {
        parts.push(this.label(`${resting} more, old throughout`, row, "axis end"));
        row += 1;
      }
    }
    const height = TOP + row * ROW + 8;
    return shape("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", ...attributes }, ...this.axis(height), ...parts);
  }

  label(text, row, name) {
    return shape("text", { class: name, x: LABEL - 8, y: middle(row) + 4 }, visible(text));
  }

  ground(row) {
    return shape("line", { class: "ground", x1: LABEL, x2: RIGHT, y1: middle(row), y2: middle(row) });
  }

  bar(bar, row) {
    const [left, right] = [this.x(bar.first), bar.last === null ? RIGHT : this.x(bar.last)];
    const [width, height] = [Math.max(right - left, 1.5), HEIGHTS[bar.status] || 10];
    const parts = [
      shape("title", {}, visible(sayBar(bar))),
      shape("rect", { x: left.toFixed(1), width: width.toFixed(1), y: middle(row) - height / 2, height }),
    ];
    if (width >= 10) parts.push(shape("text", { x: (left + 3).toFixed(1), y: middle(row) + 4 }, bar.status.slice(0, 1).toUpperCase()));
    return shape("g", { class: `bar ${bar.status}` }, ...parts);
  }

  mark(mark, row) {
    const place = `translate(${this.x(mark.line.index).toFixed(1)} ${middle(row)})`;
    return shape("g", { class: `mark ${mark.kind}`, transform: place }, shape("title", {}, visible(sayMark(mark))), shape("path", { d: MARKS[mark.kind] }));
  }

  // Times above the columns, and a dashed upright where a day or more went by.
  axis(height) {
    const { steps } = this.picture;
    const parts = [];
    const every = Math.max(1, Math.ceil(84 / this.step));
    let day = "";
    for (let column = this.from; column <= this.to; column += 1) {
      const [date, time] = shortTime(steps[column].time);
      const x = this.at(column);
      if (column > this.from && Date.parse(steps[column].time) - Date.parse(steps[column - 1].time) >= DAY)
        parts.push(shape("line", { class: "break", x1: x - this.step / 2, x2: x - this.step / 2, y1: TOP - 6, y2: height }));
      if ((column - this.from) % every || x > RIGHT - 30) continue;
      if (date !== day) parts.push(shape("text", { class: "axis tick", x, y: 14 }, date));
      parts.push(shape("text", { class: "axis tick", x, y: 28 }, time), shape("line", { class: "tickmark", x1: x, x2: x, y1: 32, y2: TOP - 6 }));
      day = date;
    }
    return parts;
  }
}
const middle = (row) => TOP + row * ROW + ROW / 2;

let picture = null;
let view = [0, 0];

function showColumns(from, to) {
  const last = picture.steps.length - 1;
  const end = Math.min(Math.max(to, 0), last);
  const start = Math.max(Math.min(from, end), end - MOST_COLUMNS + 1, 0);
  view = [start, end];
  const strip = new Strip(picture, start, end);
  const svg = strip.drawn({ id: "lanes", "aria-labelledby": "lanes-title lanes-desc" });
  const [first, final] = [picture.steps[start], picture.steps[end]];
  const period = `events ${first.number} to ${final.number}, ${shortTime(first.time).join(" ")} to ${shortTime(final.time).join(" ")} UTC`;
  svg.prepend(
    shape("title", { id: "lanes-title" }, `Status of each release over time, ${period}`),
    shape("desc", { id: "lanes-desc" }, `${count(picture.nodes.length, "node")}. The table "The picture in words" below says the same.`),
  );
  svg.append(shape("line", { id: "cursor", x1: LABEL, x2: LABEL, y1: TOP - 6, y2: svg.viewBox.baseVal.height }));
  byId("drawing").replaceChildren(svg);
  const part = start === 0 && end === last ? "All" : `${end - start + 1} of`;
  byId("view").textContent = `${part} ${count(last + 1, "column")}: ${period}.`;
  byId("earlier").disabled = start === 0;
  byId("later").disabled = end === last;
  byId("whole").disabled = start === 0 && end === last;
  if (cursor !== null) moveCursor(cursor);
}

// On paper all of it, strip below strip.
function drawStrips() {
  if (!picture) return;
  const all = picture.steps.length;
  const strips = [];
  for (let from = 0; from < all; from += COLUMNS_ON_PAPER) strips.push(new Strip(picture, from, Math.min(from + COLUMNS_ON_PAPER, all) - 1));
  const kept = strips.slice(-MOST_STRIPS);
  const left = strips.length - kept.length;
  const note = left ? [element("p", {}, `The newest ${kept.length} of ${strips.length} parts are printed; narrow the report with --since and --until for the others.`)] : [];
  byId("strips").replaceChildren(...note, ...kept.map((strip) => strip.drawn({ class: "strip", "aria-hidden": "true" })));
}

// The picture in words: made only when somebody opens it.
async function sayPicture() {
  const rows = byId("bar-rows");
  if (rows.children.length || !picture) return;
  for (const { label, lanes, marks } of picture.nodes) {
    const said = [...lanes.flatMap(({ bars }) => bars.map((bar) => [bar.first, sayBar(bar)])), ...marks.map((mark) => [mark.line.index, sayMark(mark)])];
    for (const [number, words] of said.sort((a, b) => a[0] - b[0])) {
      rows.append(element("tr", {}, ...[label, picture.steps[picture.columns.get(number)].time, words].map(cellOf)));
      await breathe();
    }
  }
}

// The table at a moment.
function momentOf(text) {
  const match = /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?)?Z?$/.exec(text);
  if (!match) return null;
  const second = `${match[1]}T${match[2] || "00:00"}:${match[3] || "00"}`;
  const read = new Date(`${second}Z`);
  if (Number.isNaN(read.getTime()) || !read.toISOString().startsWith(second)) return null; // 31 February, 24:00
  return `${second}.${(match[4] || "").slice(0, 6).padEnd(6, "0")}Z`;
}

let states = [];
let cursor = null;

function moveCursor(number) {
  cursor = number;
  const column = picture.steps.findLastIndex((step) => step.number <= number);
  const line = byId("cursor");
  const x = new Strip(picture, ...view).at(Math.max(column, 0));
  for (const end of ["x1", "x2"]) line.setAttribute(end, x);
  line.setAttribute("visibility", column < view[0] || column > view[1] ? "hidden" : "visible");
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
  const end = lines[lines.length - 1];
  const own = lines.filter((line) => line.imported === null);
  const latest = (own.length ? own[own.length - 1] : end).recorded_at;
  if (number !== null && number >= evidence.size) {
    answer.textContent = `There is no event ${number}: the record has the events 0 to ${evidence.size - 1}.`;
    return;
  }
  // Events behind the last one here may have changed the tables.
  if (end.index < evidence.size - 1 && (number === null ? moment > latest : number > end.index)) {
    answer.textContent = `That lies behind event ${end.index}, the last of this page.`;
    return;
  }
  const past = states.filter((state) => (number === null ? state.since <= moment : state.number <= number));
  const tables = new Map();
  for (const state of past) tables.set(state.stream, state);
  if (!past.length) {
    answer.textContent = "That lies before the first event of this page.";
    return;
  }
  const last = past[past.length - 1];
  const begins = !evidence.whole && last.number === lines[0].index;
  answer.textContent = begins
    ? `Up to then no table changed after event ${last.number}, the first of this page.`
    : `The last change of a table up to then is event ${last.number}, of ${last.since}.`;
  for (const stream of new Set(states.map((state) => state.stream))) {
    const state = tables.get(stream);
    for (const [vsn, status] of (state && state.rows) || [])
      byId("at-rows").append(element("tr", {}, ...[labelOf(state, stream), vsn, status].map(cellOf)));
  }
  moveCursor(number === null ? last.number : number);
}

function step(to) {
  const slider = byId("at-step");
  slider.value = String(to);
  const state = states[Number(slider.value)];
  byId("at-text").value = String(state.number);
  slider.setAttribute("aria-valuetext", `event ${state.number}, ${state.since}`);
  const column = picture.columns.get(state.number);
  if (column < view[0] || column > view[1]) {
    const width = view[1] - view[0];
    const from = Math.max(column - Math.floor(width / 2), 0);
    showColumns(from, from + width);
  }
  readTable(byId("at-text").value);
}

function zoomTo() {
  const [from, to] = ["zoom-from", "zoom-to"].map((id) => byId(id).value.trim());
  const bound = (text) => (/^[0-9]+$/.test(text) ? Number(text) : momentOf(text));
  const [start, end] = [bound(from), bound(to)];
  const key = (column, limit) => (typeof limit === "number" ? picture.steps[column].number : picture.steps[column].time);
  const wanted = picture.steps
    .map((_, column) => column)
    .filter((column) => (start === null || key(column, start) >= start) && (end === null || key(column, end) <= end));
  const known = (start !== null || !from) && (end !== null || !to);
  byId("zoom-answer").textContent = !known ? "Name event numbers, or times in UTC." : wanted.length ? "" : "No column lies in that period.";
  if (known && wanted.length) showColumns(wanted[0], wanted[wanted.length - 1]);
}

// What is drawn once the events are known; *can* tells whether they may be drawn.
function showPicture(can) {
  byId("picture").hidden = !can;
  byId("no-picture").hidden = can;
  if (byId("verdict").dataset.verdict === "failed") byId("no-picture").textContent = "Not drawn: the page does not verify.";
  if (!can) return;
  const slider = byId("at-step");
  slider.max = String(states.length - 1);
  const last = picture.steps.length - 1;
  showColumns(last < COLUMNS_AT_ONCE ? 0 : last - COLUMNS_SHOWN + 1, last);
  byId("bar-rows").replaceChildren();
  if (byId("picture-words").open) sayPicture();
  step(states.length - 1);
}

function usePicture() {
  const moved = (by) => showColumns(Math.max(view[0] + by, 0), Math.max(view[0] + by, 0) + (view[1] - view[0]));
  byId("earlier").addEventListener("click", () => moved(-Math.ceil((view[1] - view[0] + 1) / 2)));
  byId("later").addEventListener("click", () => moved(Math.ceil((view[1] - view[0] + 1) / 2)));
  byId("whole").addEventListener("click", () => showColumns(0, picture.steps.length - 1));
  byId("at-step").addEventListener("input", () => step(Number(byId("at-step").value)));
  byId("at").addEventListener("submit", (event) => {
    event.preventDefault();
    readTable(byId("at-text").value.trim());
  });
  byId("zoom").addEventListener("submit", (event) => {
    event.preventDefault();
    zoomTo();
  });
  byId("picture-words").addEventListener("toggle", sayPicture);
  addEventListener("beforeprint", drawStrips);
  addEventListener("afterprint", () => byId("strips").replaceChildren());
}
