// What is shown stands in the address, so that a view can be sent: #table=few-shot&methods=CoOp&cell=0123456789ab.

const FILTERS = ["datasets", "methods", "shots"];

function view() {
  const found = {};
  for (const part of location.hash.slice(1).split("&")) {
    const [key, value] = part.split("=");
    if (value !== undefined) found[key] = decoded(value);
  }
  return found;
}

function address(wanted) {
  const parts = Object.entries(wanted).filter(([, value]) => value);
  return "#" + parts.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
}

// An address that was cut off or typed by hand shows what can be read of it.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Several values as one: labels of columns may have commas.
function listed(values) {
  return values.map((value) => value.replace(/[%,]/g, encodeURIComponent)).join(",");
}

// What a filter lets through: null is everything.
function chosen(filter) {
  const value = view()[filter];
  return value ? value.split(",").map(decoded) : null;
}

function passes(filter, key) {
  const wanted = chosen(filter);
  return wanted === null || key === null || key === undefined || wanted.includes(String(key));
}
