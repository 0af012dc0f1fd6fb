// What happens when the page is opened, and what its controls do.

async function showAll() {
  showPicture(picture !== null && byId("verdict").dataset.verdict !== "failed");
  drawCheckpoints();
  fillChoices();
  if (evidence) refresh();
}

function fillChoices() {
  const form = byId("filters").elements;
  for (const name of ["type", "node", "actor"]) {
    const values = inOrder(lines.map((line) => line[name]).filter(Boolean));
    form[name].replaceChildren(element("option", { value: "" }, "all"), ...values.map((value) => element("option", { value }, visible(value))));
  }
}

function useTables() {
  const form = byId("filters");
  form.addEventListener("input", refresh);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(refresh));
  byId("more").addEventListener("click", () => drawRows(ROWS));
  byId("csv").addEventListener("click", () => offer("events.csv", "text/csv", csvOf(shown.filter((line) => !line.absent))));
  for (const head of document.querySelectorAll("#events th[data-column] button"))
    head.addEventListener("click", () => {
      const { column } = head.parentElement.dataset;
      order = { column, down: order.column === column && !order.down };
      refresh();
    });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-event]");
    if (link) reveal(Number(link.dataset.event));
  });
  byId("own-key").addEventListener("submit", async (event) => {
    event.preventDefault();
    await verify(byId("own-key-text").value.trim(), "the key that you gave");
    await showAll();
  });
}

async function main() {
  await pageText; // before anything is changed
  useTables();
  usePicture();
  await verify(null, "the key in this page");
  await showAll();
  document.documentElement.dataset.ready = "yes";
}

main();
