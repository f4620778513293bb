// One evaluation: what it is, how it came about, and what it got wrong.

function showCell(question, id) {
  const cell = DATA.cells[id];
  if (cell === undefined) return [element("p", {}, `There is no cell ${id} on this page.`)];
  const columns = columnsOf(question, id);
  const training = DATA.trainings[cell.training];
  const parts = [
    element("p", {}, link("Back to the table", { cell: "" })),
    element("h2", {}, `${columns.join(" / ")} on ${titleOf(question, cell.dataset)}` + (cell.shots === null ? "" : `, ${cell.shots === "1" ? "1 shot" : `${cell.shots} shots`}, seed ${cell.seed}`)),
    facts([
      ["Accuracy", `${fixed(cell.accuracy, 2)} % (${cell.correct} of ${cell.total})`],
      ["Tested", cell.what], ["Cell", element("code", {}, id)],
        ["Training", training ? element("code", {}, cell.training) : null],
    ]),
  ];
  if (training) parts.push(...showTraining(training));
  if (DATA.left_out) parts.push(element("p", { class: "notes" }, DATA.left_out));
  if (cell.classes !== null) parts.push(...showClasses(cell));
  if (cell.norms) parts.push(...showContext(cell, training));
  if (cell.wrong) parts.push(...showWrong(question, cell, columns));
  parts.push(element("h3", {}, "Where it was computed"), facts(Object.entries(DATA.provenance[cell.provenance])));
  return parts;
}

function facts(pairs) {
  return element("dl", {}, pairs.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, value instanceof Node ? value : value === "" ? "\u201c\u201d" : String(value))]));
}

function showTraining(training) {
  const { options, protocol, precision } = DATA.recipes[training.recipe];
  const parts = [element("h3", {}, "Recipe"),
    facts([...Object.entries(options), ...Object.entries(protocol).map(([key, value]) => [`protocol ${key}`, value]), ["precision", precision]])];
  const curves = Object.entries(training.history).filter(([, values]) => values.length > 1);
  if (curves.length > 0) {
    const points = curves[0][1].length;
    const some = points < training.epochs ? ` (${points} of ${training.epochs} epochs)` : "";
    parts.push(element("h3", {}, `By epoch${some}`),
      element("div", { class: "curves" }, curves.map(([name, values]) => sparkline(name, values))));
  }
  return parts;
}

// Norms of the context vectors, and the words of the vocabulary that lie nearest to them.
function showContext(cell, training) {
  const nearest = (training && training.nearest) || [];
  const words = (near) => near.map(([word, distance]) => `${word} (${distance.toFixed(3)})`).join(", ");
  const head = ["Position", "Norm", ...(nearest.length > 0 ? ["Nearest words, with their distances"] : [])];
  const rows = cell.norms.map((norm, i) => [`v${i + 1}`, fixed(norm, 4), ...(nearest.length > 0 ? [words(nearest[i] || [])] : [])]);
  return [element("h3", {}, "The learned context"), tableOf("Norms of the context vectors by position", head, rows, [2])];
}

function sparkline(name, values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 400 70");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${name} by epoch, from ${values[0].toPrecision(4)} to ${values[values.length - 1].toPrecision(4)}`);
  const line = document.createElementNS(space, "polyline");
  const at = (value, i) => `${(i / (values.length - 1)) * 396 + 2},${66 - ((value - low) / (high - low || 1)) * 62}`;
  line.setAttribute("points", values.map(at).join(" "));
  line.setAttribute("fill", "none");
  line.setAttribute("stroke", "var(--series-0)");
  svg.append(line);
  return element("figure", { class: "narrow" }, svg,
    element("figcaption", {}, `${name}: first ${values[0].toPrecision(4)}, last ${values[values.length - 1].toPrecision(4)}, lowest ${low.toPrecision(4)}, highest ${high.toPrecision(4)}`));
}

function showClasses(cell) {
  const { names, totals } = DATA.classes[cell.classes];
  const rows = (cell.correct_by_class || []).map((correct, i) => [names[i], `${correct} of ${totals[i]}`, fixed((100 * correct) / totals[i])]);
  const parts = [element("h3", {}, "By class"),
    element("details", { open: rows.length <= 20 }, element("summary", {}, `${rows.length} classes`), tableOf("Accuracy by class", ["Class", "Correct", "%"], rows))];
  if (cell.confused) {
    parts.push(element("h3", {}, "Most confused"),
      tableOf("Classes taken for others", ["Class", "Taken for", "Images"], cell.confused, [1]));
  }
  return parts;
}

// Of the columns that were right with some number of shots and some seed, the others of the shown table.
function rightOf(question, columns, picture) {
  const shown = picture.right.filter((column) => !columns.includes(column) && question.methods.includes(column));
  return shown.length > 0 ? [element("br"), `right with some shots and seed: ${shown.join(", ")}`] : [];
}

function showWrong(question, cell, columns) {
  const { names } = DATA.classes[cell.classes];
  const count = cell.total - cell.correct;
  const some = cell.wrong.length < count ? ` (${cell.wrong.length} of ${count} images)` : "";
  return [element("h3", {}, `What it got wrong${some}`), element("ul", { class: "thumbnails" }, cell.wrong.map(([image, said]) => {
    const picture = DATA.images[image];
    return element("li", {}, element("img", { src: picture.src, alt: `${picture.label}: ${picture.path}`, loading: "lazy" }),
      element("span", { class: "good" }, picture.label), element("br"), element("span", { class: "bad" }, `said: ${names[said]}`),
      rightOf(question, columns, picture));
  }))];
}
