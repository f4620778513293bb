// The filters above the results: check boxes for what the shown table holds.

function showFilters(question) {
  const form = document.getElementById("filters");
  const options = question === undefined ? {} : {
    datasets: question.datasets.map(([key, title]) => [key, title]),
    methods: question.methods.map((method) => [method, method]),
    shots: question.shots.map((shots) => [String(shots), String(shots)]),
  };
  const names = { datasets: "Data sets", methods: "Methods", shots: "Shots" };
  const sets = FILTERS.filter((filter) => (options[filter] || []).length > 1).map((filter) =>
    element("fieldset", {}, element("legend", {}, names[filter]), options[filter].map(([key, title]) => {
      const box = element("input", { type: "checkbox", value: key, checked: passes(filter, key) });
      box.addEventListener("change", () => setFilter(filter, options[filter].map(([all]) => all), form));
      box.dataset.filter = filter;
      return element("label", {}, box, " ", title);
    })));
  form.replaceChildren(...sets);
}

function setFilter(filter, all, form) {
  const boxes = [...form.querySelectorAll(`[data-filter="${filter}"]`)];
  const wanted = boxes.filter((box) => box.checked).map((box) => box.value);
  const everything = wanted.length === all.length || wanted.length === 0;
  history.replaceState(null, "", address({ ...view(), [filter]: everything ? "" : listed(wanted) }));
  applyFilters(document.getElementById("main"));
  if (wanted.length === 0) for (const box of boxes) box.checked = true;
}

// Panels that are left move up to where others were, and what stands below them follows.
function fillGaps(svg) {
  const panels = [...svg.querySelectorAll("g[data-slot]")];
  if (panels.length === 0) return;
  const slots = panels.map((panel) => panel.dataset.slot.split(" ").map(Number));
  const left = panels.filter((panel) => !panel.hasAttribute("hidden"));
  left.forEach((panel, i) => {
    const [x, y] = slots[panels.indexOf(panel)];
    panel.setAttribute("transform", `translate(${slots[i][0] - x} ${slots[i][1] - y})`);
  });
  const freed = slots[slots.length - 1][1] - slots[Math.max(left.length - 1, 0)][1];
  const [width, height] = (svg.dataset.size ||= svg.getAttribute("viewBox").split(" ").slice(2).join(" ")).split(" ").map(Number);
  svg.setAttribute("viewBox", `0 0 ${width} ${height - freed}`);
  svg.querySelector('g[data-axis="x"]')?.setAttribute("transform", `translate(0 ${-freed})`);
  svg.querySelector('g[data-axis="y"]')?.setAttribute("transform", `translate(0 ${-freed / 2})`);
}

// Rows, columns and curves that a filter does not let through are hidden.
function applyFilters(root) {
  const attributes = { dataset: "datasets", column: "methods", shots: "shots" };
  for (const [attribute, filter] of Object.entries(attributes)) {
    for (const found of root.querySelectorAll(`[data-${attribute}]`)) {
      found.toggleAttribute(`data-no-${attribute}`, !passes(filter, found.dataset[attribute]));
    }
  }
  for (const found of root.querySelectorAll("[data-dataset], [data-column], [data-shots]")) {
    const out = found.hasAttribute("data-no-dataset") || found.hasAttribute("data-no-column") || found.hasAttribute("data-no-shots");
    found.toggleAttribute("hidden", out);
    if (found instanceof SVGElement) found.style.display = out ? "none" : "";
  }
  // An average is over all data sets of its table, and would be read as that of those which are shown.
  for (const row of root.querySelectorAll("tr.summary")) row.toggleAttribute("hidden", chosen("datasets") !== null);
  // So would what sums them up, and mean ranks and corrected tests are among all methods and over all shots.
  const filtered = FILTERS.filter((filter) => chosen(filter) !== null);
  for (const part of root.querySelectorAll("[data-summary]")) {
    const ofAll = filtered.some((filter) => filter !== "shots" || part.dataset.shots === undefined);
    part.toggleAttribute("hidden", ofAll || part.hasAttribute("data-no-shots"));
  }
  // The best value of a row may be in a column that is hidden.
  for (const table of root.querySelectorAll("table")) table.classList.toggle("some", chosen("methods") !== null);
  for (const svg of root.querySelectorAll("figure svg")) fillGaps(svg);
  // A heading spans the columns that are left.
  for (const heading of root.querySelectorAll("th[data-group]")) {
    const table = heading.closest("table");
    const left = table.querySelectorAll(`thead tr:last-child th[data-of="${CSS.escape(heading.dataset.group)}"]:not([hidden])`);
    heading.toggleAttribute("hidden", left.length === 0);
    heading.colSpan = Math.max(left.length, 1);
  }
  root.querySelector("#cells")?.fill();
}
