// A trace drawn the usual way, to compare with: the whole trace as nested OTLP JSON, one object for
// each span, a tree of them, a minimap of all spans, and a list that draws the rows in sight.
// Nothing is analysed: no critical path, no verdict. Only the ends are ours: no recursion, so that
// deep traces do not simply fail.
"use strict";

const ROW = 24;
const marks = { script: performance.now() };
window.__lp_perf = marks;
const value = (v) => v.stringValue ?? v.intValue ?? v.boolValue ?? v.doubleValue;

async function show() {
  const response = await fetch("trace.json");
  const text = await response.text();
  marks.fetched = performance.now();
  const document_ = JSON.parse(text);
  marks.parsed = performance.now();
  const byId = new Map();
  const spans = [];
  let begin = Infinity;
  let end = -Infinity;
  for (const { resource, scopeSpans } of document_.resourceSpans) {
    const service = resource.attributes.find((a) => a.key === "service.name")?.value.stringValue;
    for (const { spans: list } of scopeSpans) {
      for (const raw of list) {
        const start = Number(BigInt(raw.startTimeUnixNano) / 1000n);
        const stop = Number(BigInt(raw.endTimeUnixNano) / 1000n);
        const span = { id: raw.spanId, parentId: raw.parentSpanId, name: raw.name, service, start,
          duration: stop - start, failed: raw.status?.code === 2, children: [], depth: 0,
          tags: (raw.attributes ?? []).map((a) => ({ key: a.key, value: value(a.value) })) };
        byId.set(span.id, span);
        spans.push(span);
        begin = Math.min(begin, start);
        end = Math.max(end, stop);
      }
    }
  }
  const roots = [];
  for (const span of spans) {
    const parent = byId.get(span.parentId);
    (parent && parent !== span ? parent.children : roots).push(span);
  }
  const byStart = (a, b) => a.start - b.start;
  const rows = [];
  const stack = roots.sort(byStart).reverse();
  while (stack.length) {
    const span = stack.pop();
    rows.push(span);
    span.children.sort(byStart);
    for (let i = span.children.length - 1; i >= 0; i--) {
      span.children[i].depth = span.depth + 1;
      stack.push(span.children[i]);
    }
  }
  marks.modelled = performance.now();
  draw(rows, begin, Math.max(1, end - begin));
  requestAnimationFrame(() => setTimeout(() => { marks["waterfall-painted"] = performance.now(); }));
}

function draw(rows, begin, width) {
  const canvas = document.getElementById("map");
  canvas.width = innerWidth;
  canvas.height = 90;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#056bb8";
  rows.forEach((span, i) => pen.fillRect((span.start - begin) / width * canvas.width,
    i / rows.length * 90, Math.max(1, span.duration / width * canvas.width), 1));
  const list = document.getElementById("list");
  const inner = list.firstElementChild;
  inner.style.height = `${Math.min(8e6, rows.length * ROW)}px`;
  const refill = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 20);
    const shown = rows.slice(first, first + 27 + 40).map((span, i) => {
      const row = document.createElement("div");
      row.className = "row";
      row.style.top = `${(first + i) * ROW}px`;
      const name = row.appendChild(document.createElement("div"));
      name.style.paddingLeft = `${Math.min(span.depth, 40) * 8}px`;
      name.textContent = `${span.service} ${span.name}`;
      const bar = row.appendChild(document.createElement("div"))
        .appendChild(document.createElement("div"));
      bar.className = "bar";
      bar.style.left = `${(span.start - begin) / width * 100}%`;
      bar.style.width = `max(1px, ${span.duration / width * 100}%)`;
      return row;
    });
    inner.replaceChildren(...shown);
  };
  list.addEventListener("scroll", () => requestAnimationFrame(refill));
  refill();
}

show().catch((error) => { marks.failed = String(error); });
