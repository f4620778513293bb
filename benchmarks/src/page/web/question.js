// A table with its figures and the cells behind it.

function showQuestion(question) {
  const parts = [element("h2", {}, question.title)];
  parts.push(fragment(question.table));
  if (question.spread) {
    const title = "Where the spread comes from";
    // Its tests are corrected for all that is in it.
    parts.push(element("section", { "data-summary": true }, element("h3", {}, title),
      element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, fragment(question.spread))));
  }
  for (const figure of question.figures) {
    const shown = { class: figure.narrow ? "narrow" : "", "data-summary": figure.summary, "data-column": figure.method, "data-shots": figure.shots };
    parts.push(element("figure", shown, fragment(figure.svg), element("figcaption", {}, figure.caption)));
  }
  if (question.failures.length > 0) {
    parts.push(element("h3", {}, "Failed cells"));
    parts.push(tableOf("What could not be computed, and why", ["Data set", "Method", "Shots", "Seed", "Reason"],
      question.failures.map((failure) => [failure.dataset, failure.column || "–", failure.shots ?? "–", failure.seed ?? "–", failure.reason])));
  }
  if (question.cells.length > 0) {
    parts.push(element("h3", {}, "Cells"));
    if (DATA.left_out) parts.push(element("p", { class: "notes" }, DATA.left_out));
    parts.push(cellTable(question));
  }
  return parts;
}

// Rows that a list shows at once: thousands would take seconds to lay out.
const ROWS = 500;

// The list is made when it is opened, and again when a filter changes.
function cellTable(question) {
  const distinct = new Set(question.cells.map(([id]) => id)).size;
  const list = element("details", { id: "cells" }, element("summary", {}, `${distinct} evaluations`), element("div"));
  list.fill = () => {
    if (list.open) list.lastElementChild.replaceWith(cellRows(question));
  };
  list.addEventListener("toggle", list.fill);
  return list;
}

function cellRows(question) {
  const fitting = question.cells.filter(([id, column]) => {
    const { dataset, shots } = DATA.cells[id];
    return passes("datasets", dataset) && passes("methods", column) && passes("shots", shots);
  });
  const rows = fitting.slice(0, ROWS).map(([id, column]) => {
    const cell = DATA.cells[id];
    return element("tr", {},
      element("th", { scope: "row" }, link(id, { cell: id })),
      element("td", { class: "text" }, titleOf(question, cell.dataset)),
      element("td", { class: "text" }, column),
      element("td", {}, cell.shots ?? "–"), element("td", {}, cell.seed ?? "–"),
      element("td", { class: "text" }, cell.what), element("td", {}, fixed(cell.accuracy, 2)));
  });
  const head = ["Cell", "Data set", "Method", "Shots", "Seed", "Tested", "Accuracy"];
  const text = [1, 2, 5];
  return element("div", {},
    fitting.length > ROWS ? element("p", { class: "notes" }, `The first ${ROWS} of ${fitting.length}; the filters above choose others.`) : null,
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Evaluations" },
      element("table", {},
        element("thead", {}, element("tr", {}, head.map((name, i) => element("th", { scope: "col", class: text.includes(i) ? "text" : false }, name)))),
        element("tbody", {}, rows))));
}

function titleOf(question, dataset) {
  const found = question.datasets.find(([key]) => key === dataset);
  return found ? found[1] : dataset;
}

// The columns of a table that an evaluation stands in; of all tables if this one does not have it.
function columnsOf(question, id) {
  const of = (some) => [...new Set(some.flatMap(({ cells }) => cells).filter(([known]) => known === id).map(([, column]) => column))];
  const own = of([question]);
  return own.length > 0 ? own : of(DATA.questions);
}
