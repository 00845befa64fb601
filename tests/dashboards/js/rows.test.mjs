import assert from "node:assert/strict";
import { test } from "node:test";

import { decode } from "../../../dashboards/longpole/dashboards/static/js/trace/columns.js";
import { derive } from "../../../dashboards/longpole/dashboards/static/js/trace/derive.js";
import { TraceModel } from "../../../dashboards/longpole/dashboards/static/js/trace/model.js";
import { encode, groupSiblings, madeTrace, seeded } from "./made_columns.mjs";

const modelOf = (trace) => {
  const columns = decode(encode(trace));
  return new TraceModel(columns, derive(columns));
};
const shown = (model) => [...model.rows.codes].map((code, i) => [code, model.rows.depths[i]]);

/** The same rows by plain recursion over objects. */
function naive(trace, { open, grouped, hidden, keep, root, ungrouped }) {
  const N = trace.spans.length;
  const G = trace.groups.length;
  const out = [];
  const childrenOf = (parent) => trace.spans.flatMap((s, row) => (s.parent === parent ? [row] : []));
  const visit = (row, depth, isMember) => {
    if (keep && !keep[row]) return;
    const span = trace.spans[row];
    if (hidden?.[span.op % trace.services]) return below(row, depth, false);
    if (grouped && !keep && !isMember && span.group >= 0 && !ungrouped[span.group]) {
      const members = trace.spans.flatMap((s, r) => (s.group === span.group ? [r] : []));
      if (members[0] !== row) return;
      out.push([N + span.group, depth]);
      if (open[N + span.group]) for (const member of members) visit(member, depth + 1, true);
      return;
    }
    out.push([row, depth]);
    if (open[row] || keep) below(row, depth + 1, true);
  };
  const below = (row, depth, withGaps) => {
    const gaps = withGaps && !keep ? trace.gaps.flatMap((g, k) => (g.parent === row ? [k] : [])).sort((a, b) => trace.gaps[a].start - trace.gaps[b].start) : [];
    for (const child of childrenOf(row)) {
      const before = out.length;
      visit(child, depth, false);
      // Gaps stand before the first row that begins at or after them.
      const due = out.length > before ? gaps.filter((k) => trace.gaps[k].start < trace.spans[child].start) : [];
      out.splice(before, 0, ...due.map((k) => [N + G + k, depth]));
      gaps.splice(0, due.length);
    }
    out.push(...gaps.map((k) => [N + G + k, depth]));
  };
  if (root >= 0) visit(root, 0, true);
  else for (const row of childrenOf(-1)) visit(row, 0, false);
  return out;
}

test("the rows are those of a plain recursion, whatever is folded, grouped, hidden or kept", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seeded(seed);
    const trace = groupSiblings(madeTrace(seed, 20 + Math.floor(random() * 100), { operations: 3 + Math.floor(random() * 6), services: 3 }));
    for (let i = 0; i < 10; i++) {
      const parent = Math.floor(random() * trace.spans.length);
      const { start, end } = trace.spans[parent];
      const at = Math.floor(start + (end - start) * random());
      trace.gaps.push({ parent, start: at, end: at + 5, ns: 5 });
    }
    const model = modelOf(trace);
    const { fold } = model;
    for (let i = 0; i < fold.open.length; i++) fold.open[i] = random() < 0.7 ? 1 : 0;
    for (let i = 0; i < fold.ungrouped.length; i++) fold.ungrouped[i] = random() < 0.3 ? 1 : 0;
    fold.grouped = random() < 0.8;
    // Hidden services make rows of gaps stand elsewhere than in the reference: one of both.
    if (random() < 0.4 && !(trace.gaps.length = 0) && !(model.header.gaps.length = 0)) {
      model.gapsOf.clear();
      fold.hidden = Uint8Array.from({ length: 3 }, () => (random() < 0.4 ? 1 : 0));
    }
    fold.root = random() < 0.3 ? Math.floor(random() * trace.spans.length) : -1;
    if (random() < 0.3) {
      fold.keep = new Uint8Array(trace.spans.length);
      for (let row = trace.spans.length - 1; row >= 0; row--) {
        if (random() < 0.1) fold.keep[row] = 1;
        if (fold.keep[row] && trace.spans[row].parent >= 0) fold.keep[trace.spans[row].parent] = 1;
      }
    }
    model._changed("rows");
    assert.deepEqual(shown(model), naive(trace, fold), `seed ${seed}`);
    [...model.rows.codes].forEach((code, place) => assert.equal(model.rows.place[code], place));
  }
});

test("a selected span is on screen, whatever was folded, hidden or left out before", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seeded(seed + 1000);
    const trace = groupSiblings(madeTrace(seed, 150, { operations: 4, services: 3 }));
    const model = modelOf(trace);
    model.setRoot(Math.floor(random() * 150));
    model.setHidden(1, true);
    model.setMatches("x", Uint8Array.from({ length: 150 }, () => (random() < 0.1 ? 1 : 0)));
    model.setMatchesOnly(random() < 0.5);
    const span = Math.floor(random() * 150);
    model.select(span);
    assert.ok(model.rows.place[span] >= 0, `seed ${seed}`);
    assert.equal(model.selected, span);
    model.select(span, { grouped: true });
    assert.ok(model.rows.place[model.selected] >= 0);
  }
});

test("a chain stands as one row with the children of its last span, and can be taken apart", () => {
  const trace = madeTrace(1, 0);
  const span = (parent, subtree) => ({ parent, subtree, start: 0, end: 100, op: 0, isError: false, critical: 0, group: -1 });
  trace.spans.push(span(-1, 5), { ...span(0, 4), group: 0 }, { ...span(1, 3), group: 0 }, { ...span(2, 2), group: 0 }, span(3, 1));
  trace.groups.push({ parent: 0, kind: "chain", label: "a › b › c", count: 3, total_ns: 3, mean_ns: 1, max_ns: 1, order: "sequential", first_row: 1 });
  trace.open = [0, 3];
  trace.selected = 4;
  const model = modelOf(trace);
  assert.deepEqual(shown(model), [[0, 0], [5, 1], [4, 2]]);
  model.select(2);
  assert.deepEqual(shown(model), [[0, 0], [1, 1], [2, 2], [3, 3], [4, 4]]);
  model.setGrouped(0, true);
  model.setOpen(5, false);
  assert.deepEqual(shown(model), [[0, 0], [5, 1]]);
});

test("a chain of 20,000 spans and 50,000 siblings are walked without recursion", () => {
  const deep = madeTrace(1, 0);
  for (let i = 0; i < 20_000; i++) {
    deep.spans.push({ parent: i - 1, start: i, end: 1_000_000 - i, subtree: 20_000 - i, op: 0, isError: i === 19_999, critical: 0, group: -1 });
  }
  const model = modelOf(deep);
  model.setAllOpen(true);
  assert.equal(model.rows.codes.length, 20_000);
  model.setAllOpen(false);
  assert.equal(model.errorsIn(0), 1);
  model.select(19_999);
  assert.equal(model.rows.place[19_999], 19_999);

  const wide = madeTrace(1, 0);
  wide.spans.push({ parent: -1, start: 0, end: 1_000_000, subtree: 50_001, op: 0, isError: false, critical: 0, group: -1 });
  for (let i = 0; i < 50_000; i++) wide.spans.push({ parent: 0, start: i * 10, end: i * 10 + 5, subtree: 1, op: 1, isError: false, critical: 0, group: -1 });
  const flat = modelOf(groupSiblings(wide));
  assert.equal(flat.rows.codes.length, 1);
  flat.setOpen(0, true);
  assert.equal(flat.rows.codes.length, 2);
  flat.setGrouping(false);
  assert.equal(flat.rows.codes.length, 50_001);
});

test("the next of some spans goes around the end in both directions", () => {
  const model = modelOf(madeTrace(3, 100));
  model.select(50);
  assert.equal(model.nextOf([10, 50, 70], 1), 70);
  assert.equal(model.nextOf([10, 50, 70], -1), 10);
  assert.equal(model.nextOf([10, 20], 1), 10);
  assert.equal(model.nextOf([60, 70], -1), 70);
  assert.equal(model.nextOf([], 1), -1);
});

test("the window of time stays inside of the trace, at any zoom and pan", () => {
  const model = modelOf(madeTrace(3, 100));
  const random = seeded(5);
  for (let i = 0; i < 500; i++) {
    if (random() < 0.5) model.zoom(random() * 2, model.from + random() * (model.to - model.from));
    else model.pan((random() - 0.5) * model.extent);
    assert.ok(model.from >= 0 && model.to <= model.extent + 1e-6 && model.to - model.from >= 7.9, `${model.from} ${model.to}`);
  }
  model.zoom(0.1, 500_000);
  const at = (500_000 - model.from) / (model.to - model.from);
  model.zoom(1.3, 500_000);
  assert.ok(Math.abs((500_000 - model.from) / (model.to - model.from) - at) < 1e-6 || model.isWhole);
});

test("only matches and what is above them are left in a found-only view", () => {
  const trace = madeTrace(8, 120);
  const model = modelOf(trace);
  const matches = Uint8Array.from(trace.spans, (s) => (s.op === 2 ? 1 : 0));
  model.setMatches("op-2", matches);
  model.setMatchesOnly(true);
  const wanted = new Set();
  trace.spans.forEach((s, row) => { if (s.op === 2) for (let r = row; r >= 0; r = trace.spans[r].parent) wanted.add(r); });
  assert.deepEqual([...model.rows.codes], [...wanted].sort((a, b) => a - b));
  assert.deepEqual([...model.matchRows], trace.spans.flatMap((s, row) => (s.op === 2 ? [row] : [])));
});
