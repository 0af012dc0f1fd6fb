// Bytes, texts and elements: what every other part uses.

const BATCH = 250;
const LONGEST_TURN = 30; // milliseconds before the browser gets its turn
const byId = (id) => document.getElementById(id);
const encoder = new TextEncoder();
const bytesOf = (text) => encoder.encode(text);
const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));
const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
const joined = (...parts) => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
};
const digest = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
const hexOf = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

// What is wrong: where it is, in words, and the rows that it concerns.
class Fault extends Error {
  constructor(where, what, rows = []) {
    super(`${where}: ${what}`);
    this.rows = rows;
  }
}

// atob passes over spaces and over loose bits at the end, so the text is made again and compared.
function fromBase64(text, where) {
  let bytes = null;
  try {
    bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch {
    // said below
  }
  if (bytes === null || toBase64(bytes) !== text) throw new Fault(where, "a part of it is not base64 as it was written");
  return bytes;
}

let turnBegan = performance.now();
async function breathe() {
  if (performance.now() - turnBegan < LONGEST_TURN) return;
  await new Promise((done) => setTimeout(done));
  turnBegan = performance.now();
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Characters that could mislead a reader are shown as escapes, as the command line shows them.
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/gu;
function escaped(character) {
  const code = character.codePointAt(0).toString(16);
  if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
  return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
}
const visible = (text) => text.replace(HIDDEN, escaped);
const cellOf = (text) => element("td", {}, element("bdi", {}, visible(text)));

// A time, of which paper leaves out the fraction.
function timeCell(time) {
  const [whole, fraction] = time.split(".");
  const text = fraction ? [whole, element("span", { class: "fraction" }, `.${fraction.slice(0, -1)}`), "Z"] : [time];
  return element("td", { class: "short" }, element("bdi", {}, ...text));
}
