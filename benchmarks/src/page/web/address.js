// What is shown stands in the address, so that a view can be sent: #table=few-shot&methods=CoOp&cell=0123456789ab.

const FILTERS = ["datasets", "methods", "shots"];

function view() {
  const found = {};
  for (const part of location.hash.slice(1).split("&")) {
    const [key, value] = part.split("=");
    if (value !== undefined) found[key] = decodeURIComponent(value);
  }
  return found;
}

function address(wanted) {
  const parts = Object.entries(wanted).filter(([, value]) => value);
  return "#" + parts.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
}

// What a filter lets through: null is everything.
function chosen(filter) {
  const value = view()[filter];
  return value ? value.split(",") : null;
}

function passes(filter, key) {
  const wanted = chosen(filter);
  return wanted === null || key === null || key === undefined || wanted.includes(String(key));
}
