// Elements, made without any markup in strings: what data says is never read as HTML.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

// What the program has drawn or written as HTML itself.
function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

function link(text, change) {
  return element("a", { href: address({ ...view(), ...change }) }, text);
}

function fixed(number, decimals = 1) {
  return number === null || number === undefined ? "–" : number.toFixed(decimals);
}

// `words` are the columns of text, which is aligned left.
function tableOf(caption, head, rows, words = []) {
  const kind = (i) => (words.includes(i) ? { class: "text" } : {});
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    element("table", {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, head.map((text, i) => element("th", { scope: "col", ...kind(i) }, text)))),
      element("tbody", {}, rows.map((row) =>
        element("tr", {}, row.map((cell, i) => element(i === 0 ? "th" : "td", i === 0 ? { scope: "row" } : kind(i), cell)))))));
}
