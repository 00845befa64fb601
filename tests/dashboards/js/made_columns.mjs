// Columns made up for tests: a fuzzed tree as plain objects, and the bytes a server would send for it.

/** A seeded generator of numbers from 0 to 1 (mulberry32). */
export function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A forest of `count` spans in preorder, children inside of parents and by start time. */
export function madeTrace(seed, count, { operations = 12, services = 4, errors = 0.05, extent = 1_000_000 } = {}) {
  const random = seeded(seed);
  const spans = [];
  const stack = [];
  while (spans.length < count) {
    while (stack.length && random() < 0.35) stack.pop();
    const parent = stack.length ? stack[stack.length - 1] : -1;
    const above = parent < 0 ? { start: 0, end: extent, next: 0 } : spans[parent];
    const start = Math.floor(above.next + (above.end - above.next) * random() * 0.3);
    const end = Math.floor(start + (above.end - start) * (0.2 + 0.8 * random()));
    above.next = start;
    spans.push({ parent, start, end, next: start, op: Math.floor(random() * operations), isError: random() < errors, group: -1 });
    stack.push(spans.length - 1);
  }
  for (const span of spans) { span.subtree = 1; span.critical = 0; }
  for (let i = count - 1; i > 0; i--) if (spans[i].parent >= 0) spans[spans[i].parent].subtree += spans[i].subtree;
  return { spans, operations, services, extent, groups: [], gaps: [], open: [], selected: 0, bottlenecks: [], segments: [], marks: [], links: [] };
}

/** Groups children of one parent and operation, as the server would. */
export function groupSiblings(trace, least = 3) {
  const known = new Map();
  trace.spans.forEach((span, row) => {
    const key = `${span.parent}/${span.op}`;
    if (known.has(key)) known.get(key).push(row);
    else known.set(key, [row]);
  });
  for (const rows of known.values()) {
    if (rows.length < least || trace.spans[rows[0]].parent < 0) continue;
    for (const row of rows) trace.spans[row].group = trace.groups.length;
    const durations = rows.map((row) => trace.spans[row].end - trace.spans[row].start);
    const total = durations.reduce((a, b) => a + b, 0);
    trace.groups.push({ parent: trace.spans[rows[0]].parent, kind: "siblings", label: "same", count: rows.length, total_ns: total,
      mean_ns: total / rows.length, max_ns: Math.max(...durations), order: "mixed", first_row: rows[0] });
  }
  return trace;
}

const SIZES = { u32: 4, i32: 4, u16: 2, u8: 1 };
const VIEWS = { u32: Uint32Array, i32: Int32Array, u16: Uint16Array, u8: Uint8Array };

/** The bytes of LPT1. `change` may spoil the header before it is written. */
export function encode(trace, change = (header) => header) {
  const { spans, segments, marks, links } = trace;
  const depths = [];
  spans.forEach((span, i) => depths.push(span.parent < 0 ? 0 : Math.min(65535, depths[span.parent] + 1)) && i);
  const arrays = [
    ["start", "u32", spans.map((s) => s.start)], ["dur", "u32", spans.map((s) => s.end - s.start)],
    ["self", "u32", spans.map((s) => s.end - s.start)], ["critical", "u32", spans.map((s) => s.critical)],
    ["parent", "i32", spans.map((s) => s.parent)], ["op", "u32", spans.map((s) => s.op)], ["depth", "u16", depths],
    ["flags", "u16", spans.map((s) => (s.isError ? 8 : 0) | (s.critical ? 16 : 0))], ["group", "i32", spans.map((s) => s.group)],
    ["subtree", "u32", spans.map((s) => s.subtree)],
    ["seg_row", "u32", segments.map((s) => s.row)], ["seg_start", "u32", segments.map((s) => s.start)],
    ["seg_end", "u32", segments.map((s) => s.end)], ["seg_label", "u8", segments.map(() => 0)],
    ["mark_row", "u32", marks.map((m) => m.row)], ["mark_time", "u32", marks.map((m) => m.time)],
    ["mark_kind", "u8", marks.map((m) => m.kind)], ["mark_severity", "u8", marks.map((m) => m.severity)], ["link_row", "u32", links],
  ];
  let offset = 0;
  const entries = arrays.map(([name, type, values]) => {
    const entry = { name, type, offset, length: values.length };
    offset += Math.ceil((values.length * SIZES[type]) / 8) * 8;
    return entry;
  });
  const header = change({
    version: 1, trace_id: "0".repeat(32), revision: 1, settled: true, span_count: spans.length, start_unix_nano: "1700000000000000000",
    duration_ns: String(trace.extent), tick_ns: 1, extent_ticks: trace.extent, root_start_ticks: spans[0]?.start ?? 0,
    root_end_ticks: spans[0]?.end ?? 0,
    services: Array.from({ length: trace.services }, (_, i) => ({ name: `svc-${i}`, colour: i })),
    operations: Array.from({ length: trace.operations }, (_, i) => ({ name: `op-${i}`, service: i % trace.services })),
    kinds: ["unspecified", "internal", "server", "client", "producer", "consumer"], labels: ["self"], groups: trace.groups,
    gaps: trace.gaps, open: trace.open, selected: trace.selected, bottlenecks: trace.bottlenecks, problems: [], completeness: {}, arrays: entries,
  });
  let text = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded + offset);
  bytes.set(new TextEncoder().encode("LPT1"));
  new DataView(bytes.buffer).setUint32(4, padded, true);
  bytes.fill(32, 8, 8 + padded);
  bytes.set(text, 8);
  entries.forEach(({ type, offset: at, length }, i) => {
    if (length) new VIEWS[type](bytes.buffer, 8 + padded + at, length).set(arrays[i][2]);
  });
  return bytes.buffer;
}
