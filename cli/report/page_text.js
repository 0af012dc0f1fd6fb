// The text of the page as it came, before anything here changes it. The form is that of cli/report/page_text.py.

const OWN_SCRIPT = document.currentScript;

function textLines(node) {
  if (node === OWN_SCRIPT || (node.id === "evidence" && node.nextElementSibling === OWN_SCRIPT)) return [];
  if (node.nodeType === Node.TEXT_NODE) {
    const text = node.data.replace(/[ \t\n\r\f]+/g, " ").replace(/^ | $/g, "");
    return text ? [`'${text}`] : [];
  }
  if (node.nodeType !== Node.ELEMENT_NODE) return [`!${node.data}`];
  const attributes = [...node.attributes].map(({ name, value }) => `${name.toLowerCase()}="${value}"`);
  return [[`<${node.localName.toLowerCase()}`, ...attributes.sort(byCode)].join(" "), ...[...node.childNodes].flatMap(textLines), "/"];
}
const byCode = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

// What stands behind this script is read once it is there; nothing but the page itself has changed it before that.
const pageText = new Promise((done) => {
  const read = () => done([...textLines(document.querySelector("title")), ...textLines(document.body).slice(0, -1)].join("\n"));
  if (document.readyState === "loading") document.addEventListener("readystatechange", read, { once: true });
  else read();
});

async function checkPageText() {
  const stated = byId("evidence").dataset.textSha256;
  if (hexOf(await digest(bytesOf(await pageText))) !== stated)
    throw new Fault("the text of this page", "it is not as it was written; a browser that saves a page anew changes it too, so look at the file itself");
}
