// A table with its figures and the cells behind it.

function showQuestion(question) {
  const parts = [element("h2", {}, question.title)];
  parts.push(fragment(question.table));
  for (const figure of question.figures) {
    const narrow = figure.kind === "ranks" || figure.of.startsWith("points");
    parts.push(element("figure", { class: narrow ? "narrow" : "" }, fragment(figure.svg), element("figcaption", {}, figure.caption)));
  }
  if (question.failures.length > 0) {
    parts.push(element("h3", {}, "Failed cells"));
    parts.push(tableOf("What could not be computed, and why", ["Data set", "Method", "Shots", "Seed", "Reason"],
      question.failures.map((failure) => [failure.dataset, failure.column || "–", failure.shots ?? "–", failure.seed ?? "–", failure.reason])));
  }
  parts.push(element("h3", {}, "Cells"), cellTable(question));
  return parts;
}

function cellTable(question) {
  const rows = question.cells.map((id) => {
    const cell = DATA.cells[id];
    return element("tr", { "data-dataset": cell.dataset, "data-column": cell.column, "data-shots": cell.shots },
      element("th", { scope: "row" }, link(id, { cell: id })),
      element("td", { class: "text" }, titleOf(question, cell.dataset)),
      element("td", { class: "text" }, cell.column),
      element("td", {}, cell.shots ?? "–"), element("td", {}, cell.seed ?? "–"),
      element("td", { class: "text" }, cell.what), element("td", {}, fixed(cell.accuracy, 2)));
  });
  const head = ["Cell", "Data set", "Method", "Shots", "Seed", "Tested", "Accuracy"];
  return element("details", {}, element("summary", {}, `${rows.length} evaluations`),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Evaluations" },
      element("table", {},
        element("thead", {}, element("tr", {}, head.map((text) => element("th", { scope: "col" }, text)))),
        element("tbody", {}, rows))));
}

function titleOf(question, dataset) {
  const found = question.datasets.find(([key]) => key === dataset);
  return found ? found[1] : dataset;
}
