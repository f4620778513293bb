// The page: what the address asks for.

const DATA = JSON.parse(document.getElementById("data").textContent);

function show() {
  const wanted = view();
  const question = DATA.questions.find((known) => known.name === wanted.table) || DATA.questions[0];
  document.getElementById("tables").replaceChildren(...DATA.questions.map((known) =>
    element("a", { href: address({ table: known.name }), "aria-current": known === question ? "page" : false }, known.title)));
  showFilters(wanted.cell ? undefined : question);
  const main = document.getElementById("main");
  main.replaceChildren(...(wanted.cell ? showCell(question, wanted.cell) : showQuestion(question)));
  applyFilters(main);
}

let shown = view();
addEventListener("hashchange", () => {
  const now = view();
  if (location.hash === "#main") return;
  show();
  if (now.cell !== shown.cell || now.table !== shown.table) {
    scrollTo(0, 0);
    document.getElementById("main").focus({ preventScroll: true });
  }
  shown = now;
});
show();
