// @ts-check
// One row of the live tail as elements. Everything is put in as text or as an attribute of ours.

/** @typedef {import("./waiting.js").LiveRow} LiveRow */

const SVG = "http://www.w3.org/2000/svg";
const CLASS = /^\d{1,2}( hatch)?$/;

/** @param {string} colour @returns {string} a class, whatever was sent */
function colourClass(colour) {
  return CLASS.test(colour) ? `c${colour}` : "";
}

/** @param {HTMLTableRowElement} row @param {string} name @param {string} [text] */
function cell(row, name, text = "") {
  const made = row.insertCell();
  made.className = name;
  made.textContent = text;
  return made;
}

/** @param {HTMLElement} parent @param {string} name @param {string} text */
function span(parent, name, text) {
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  parent.append(made);
  return made;
}

/** @param {LiveRow} told @param {number} slots @returns {HTMLTableRowElement} */
export function rowOf(told, slots) {
  const row = document.createElement("tr");
  row.dataset.trace = told.trace_id;
  const box = document.createElement("input");
  box.type = "checkbox";
  box.setAttribute("aria-label", "Mark for comparing");
  cell(row, "mark").append(box);
  const began = document.createElement("time");
  began.className = "clock";
  began.dateTime = new Date(told.start_ms).toISOString();
  began.textContent = told.start;
  cell(row, "when").append(began);
  const root = cell(row, "root");
  span(root, `key ${colourClass(told.colour)}`, "");
  const link = document.createElement("a");
  link.href = `/traces/${encodeURIComponent(told.trace_id)}`;
  const name = document.createElement("bdi");
  name.textContent = told.root;
  link.append(name);
  root.append(link);
  if (!told.is_settled) {
    root.append(" ");
    span(root, "level", "receiving");
  }
  cell(row, "number took", told.duration);
  const path = cell(row, "path");
  if (told.ribbon.length) path.append(ribbon(told, slots));
  const spans = cell(row, "number spans", String(told.spans));
  span(spans, "muted small", ` / ${told.services}`);
  const errors = cell(row, `number errors${told.errors ? " error" : ""}`);
  if (told.errors) errors.textContent = `✕ ${told.errors}`;
  else span(errors, "muted", "0");
  const why = span(cell(row, "why"), "", "");
  const sentence = document.createElement("bdi");
  sentence.textContent = told.why;
  why.append(sentence);
  return row;
}

/** @param {LiveRow} told @param {number} slots */
function ribbon(told, slots) {
  const drawing = document.createElementNS(SVG, "svg");
  const attributes = {
    class: "mini", viewBox: `0 0 ${slots} 10`, preserveAspectRatio: "none", role: "img",
    "aria-label": told.path,
  };
  for (const [name, value] of Object.entries(attributes)) drawing.setAttribute(name, value);
  for (const [colour, x, width] of told.ribbon) {
    const piece = document.createElementNS(SVG, "rect");
    piece.setAttribute("class", colourClass(colour));
    piece.setAttribute("x", String(Number(x)));
    piece.setAttribute("width", String(Number(width)));
    piece.setAttribute("height", "10");
    drawing.append(piece);
  }
  return drawing;
}
