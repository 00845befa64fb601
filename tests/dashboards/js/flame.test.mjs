// Lanes, level of detail, merging and counting, against naive references on fuzzed trees.

import assert from "node:assert/strict";
import { test } from "node:test";

const STATIC = new URL("../../../dashboards/longpole/dashboards/static/js/trace/", import.meta.url);
const { eachInWindow, itemAt, levelFor, pyramid } = await import(new URL("intervals.js", STATIC).href);
const { lanesOf, sortedBy } = await import(new URL("lanes.js", STATIC).href);
const { chainsOf, laidOut } = await import(new URL("merged.js", STATIC).href);
const { tally } = await import(new URL("tally.js", STATIC).href);

function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Columns of a fuzzed forest in preorder; calls may start before their caller and end after it. */
function made(seed, count, extent = 100_000) {
  const random = seeded(seed);
  const columns = {
    start: new Uint32Array(count), dur: new Uint32Array(count), self: new Uint32Array(count), critical: new Uint32Array(count),
    parent: new Int32Array(count), op: new Uint32Array(count), flags: new Uint16Array(count),
  };
  const stack = [];
  for (let row = 0; row < count; row++) {
    while (stack.length && random() < 0.4) stack.pop();
    const parent = stack.length ? stack[stack.length - 1] : -1;
    const [low, high] = parent < 0 ? [0, extent] : [columns.start[parent], columns.start[parent] + columns.dur[parent]];
    const start = Math.max(0, Math.floor(low + (high - low) * (random() * 1.1 - 0.05)));
    columns.parent[row] = parent;
    columns.start[row] = start;
    columns.dur[row] = random() < 0.1 ? 0 : Math.floor((high - low) * random() ** 3);
    columns.self[row] = Math.floor(columns.dur[row] * random());
    columns.critical[row] = random() < 0.5 ? 0 : Math.floor(columns.self[row] * random());
    columns.op[row] = Math.floor(random() * 6);
    columns.flags[row] = random() < 0.1 ? 8 : 0;
    stack.push(row);
  }
  return columns;
}

test("rows are sorted by value, equal ones in row order", () => {
  const random = seeded(3);
  const values = Uint32Array.from({ length: 500 }, () => (random() < 0.3 ? 7 : Math.floor(random() * 2 ** 32)));
  const expected = [...values.keys()].sort((a, b) => values[a] - values[b] || a - b);
  assert.deepEqual([...sortedBy(values)], expected);
});

test("a lane is below its caller's, and nothing in it overlaps", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const columns = made(seed, 60);
    const { lane, lanes } = lanesOf(columns.start, columns.dur, columns.parent);
    const { overlaps } = pyramid(columns.start, columns.dur, lane, lanes, 200_000);
    columns.parent.forEach((parent, row) => parent < 0 || assert.ok(lane[row] > lane[parent]));
    for (let a = 0; a < lane.length; a++) {
      for (let b = 0; b < a; b++) {
        if (lane[a] !== lane[b] || overlaps[lane[a]]) continue;
        const [x, y] = columns.start[a] < columns.start[b] ? [a, b] : [b, a];
        assert.ok(columns.start[x] + columns.dur[x] <= columns.start[y] || columns.start[x] === columns.start[y]);
      }
    }
  }
});

test("calls one after the other share a lane, calls at one time do not", () => {
  const parent = Int32Array.from([-1, 0, 0, 0]);
  const one = lanesOf(Uint32Array.from([0, 10, 20, 30]), Uint32Array.from([100, 10, 10, 10]), parent);
  assert.deepEqual([...one.lane], [0, 1, 1, 1]);
  const other = lanesOf(Uint32Array.from([0, 10, 11, 12]), Uint32Array.from([100, 10, 10, 10]), parent);
  assert.deepEqual([...other.lane], [0, 1, 2, 3]);
});

test("fifty thousand calls at one time find lanes without looking at all of them", () => {
  const count = 50_000;
  const start = Uint32Array.from({ length: count }, (_, i) => (i ? 5 : 0));
  const parent = Int32Array.from({ length: count }, (_, i) => (i ? 0 : -1));
  const { lanes } = lanesOf(start, new Uint32Array(count).fill(100), parent);
  assert.ok(lanes <= 66);
});

test("at every zoom each interval of a pixel or more is drawn once, and of narrower ones the longest of a pixel", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = seeded(seed);
    const extent = 1_000_000;
    const { start, dur, parent } = made(seed, 150, extent);
    const { lane, lanes } = lanesOf(start, dur, parent);
    const tower = pyramid(start, dur, lane, lanes, extent);
    for (let zoom = 0; zoom < 6; zoom++) {
      const width = extent / 8 ** (zoom * random());
      const from = (extent - width) * random();
      const perPixel = width / 500;
      for (let l = 0; l < lanes; l++) {
        const drawn = [];
        eachInWindow(tower, start, dur, l, from, from + width, perPixel, (item) => drawn.push(item));
        const inWindow = [...lane.keys()].filter((i) => lane[i] === l && start[i] < from + width && start[i] + dur[i] >= from);
        const wide = inWindow.filter((i) => dur[i] >= perPixel);
        assert.deepEqual(drawn.filter((i) => dur[i] >= perPixel).sort((a, b) => a - b), wide);
        assert.equal(new Set(drawn).size, drawn.length);
        if (tower.overlaps[l]) continue;
        // Whatever is narrow lies in a pixel or in the next one to one that is drawn, at least as long.
        for (const i of inWindow) {
          if (dur[i] >= perPixel) continue;
          assert.ok(drawn.some((d) => dur[d] >= dur[i] && start[d] - start[i] < 2 * perPixel && start[i] - start[d] - dur[d] < 2 * perPixel));
        }
      }
    }
  }
});

test("a whole picture of very many intervals is drawn from a level with few", () => {
  const count = 200_000;
  const start = Uint32Array.from({ length: count }, (_, i) => i * 10);
  const dur = new Uint32Array(count).fill(9);
  const tower = pyramid(start, dur, new Uint32Array(count), 1, count * 10);
  assert.ok(levelFor(tower, (count * 10) / 1200).items.length <= 4096);
  let drawn = 0;
  eachInWindow(tower, start, dur, 0, 0, count * 10, (count * 10) / 1000, () => drawn++);
  assert.ok(drawn <= 1000);
});

test("the interval under the pointer is the one that a search through all would find", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seeded(seed);
    const { start, dur, parent } = made(seed, 200);
    const { lane, lanes } = lanesOf(start, dur, parent);
    const tower = pyramid(start, dur, lane, lanes, 100_000);
    for (let i = 0; i < 100; i++) {
      const l = Math.floor(random() * lanes);
      const moment = random() * 100_000;
      const found = itemAt(tower, start, dur, l, moment, 0);
      const all = [...lane.keys()].filter((item) => lane[item] === l && start[item] <= moment && moment <= start[item] + dur[item]);
      if (!all.length) assert.equal(found, -1);
      else assert.equal(dur[found], Math.min(...all.map((item) => dur[item])));
    }
  }
});

test("chains of calls are merged as a search by the whole chain would", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const columns = made(seed, 300);
    const chains = chainsOf(columns, 6);
    const names = [];
    const sums = new Map();
    columns.parent.forEach((parent, row) => {
      names[row] = `${parent < 0 ? "" : names[parent]}/${columns.op[row]}`;
      const sum = sums.get(names[row]) ?? { count: 0, errors: 0, critical: 0, self: 0, total: 0 };
      sums.set(names[row], sum);
      sum.count++;
      sum.errors += columns.flags[row] & 8 ? 1 : 0;
      sum.critical += columns.critical[row];
      sum.self += columns.self[row];
      sum.total += columns.dur[row];
    });
    assert.equal(chains.count.length, sums.size);
    chains.firstRow.forEach((row, node) => {
      const sum = sums.get(names[row]);
      for (const name of ["count", "errors", "critical", "self", "total"]) assert.equal(chains[name][node], sum[name]);
      assert.equal(names[chains.longestRow[node]], names[row]);
    });
    columns.parent.forEach((_, row) => assert.equal(names[chains.firstRow[chains.nodeOf[row]]], names[row]));
  }
});

test("merged frames lie inside of their parents, side by side, wide ones first, and lose no time", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const columns = made(seed, 300);
    const chains = chainsOf(columns, 6);
    for (const by of ["critical", "self", "total"]) {
      const { start, width, extent } = laidOut(chains, by);
      const children = new Map();
      chains.above.forEach((above, node) => children.set(above, [...(children.get(above) ?? []), node]));
      for (const [above, nodes] of children) {
        let at = above < 0 ? 0 : start[above];
        nodes.sort((a, b) => start[a] - start[b] || width[b] - width[a] || a - b);
        let before = Infinity;
        for (const node of nodes) {
          assert.equal(start[node], at);
          assert.ok(width[node] <= before);
          at += width[node];
          before = width[node];
        }
        assert.ok(at <= (above < 0 ? extent : start[above] + width[above]));
      }
      if (by !== "total") assert.equal(extent, Math.max(1, columns[by].reduce((a, b) => a + b, 0)));
    }
  }
});

test("a table row has the figures of its spans", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const columns = made(seed, 200);
    const keys = Int32Array.from(columns.op, (op) => (op === 5 ? -1 : op));
    const found = tally(columns, keys, 9);
    assert.deepEqual([...found.key], [0, 1, 2, 3, 4].filter((key) => keys.includes(key)));
    found.key.forEach((key, i) => {
      const rows = [...keys.keys()].filter((row) => keys[row] === key);
      const durations = rows.map((row) => columns.dur[row]).sort((a, b) => a - b);
      const sum = (name) => rows.reduce((total, row) => total + columns[name][row], 0);
      assert.equal(found.count[i], rows.length);
      assert.equal(found.errors[i], rows.filter((row) => columns.flags[row] & 8).length);
      assert.deepEqual([found.self[i], found.critical[i], found.total[i]], [sum("self"), sum("critical"), sum("dur")]);
      assert.equal(found.median[i], durations[Math.ceil(rows.length / 2) - 1]);
      assert.equal(found.max[i], durations[durations.length - 1]);
      assert.equal(columns.dur[found.longest[i]], found.max[i]);
    });
  }
});
