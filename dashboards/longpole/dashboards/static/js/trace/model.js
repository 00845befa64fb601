// @ts-check
// The trace that all views of the page share: columns, what is folded, selected, zoomed to, found.
//
// Every change is a method; it says so by one of the events "rows", "select", "window", "find" and "look"
// (which also means hidden services). Views listen and draw; none of them changes the columns.

import { KIND_MASK, NO_GROUP } from "./columns.js";
import { bottlenecksOf, nextOf, openAbove, openAtFirst } from "./first_view.js";
import { gapsByParent, room, standIn, visibleRows } from "./rows.js";

/** @typedef {import("./columns.js").Columns} Columns */
/** @typedef {import("./derive.js").Derived} Derived */

const NARROWEST_TICKS = 8;
/** A trace much longer than its root (work that goes on afterwards) begins zoomed to the root. */
const TAIL = 4;

export class TraceModel extends EventTarget {
  /** @param {Columns} columns @param {Derived} derived */
  constructor(columns, derived) {
    super();
    this.columns = columns;
    this.derived = derived;
    this.header = columns.header;
    this.count = columns.header.span_count;
    this.groupCount = columns.header.groups.length;
    this.tickNs = columns.header.tick_ns;
    this.extent = Math.max(1, columns.header.extent_ticks);
    this.gapsOf = gapsByParent(columns);
    /** @type {import("./rows.js").Fold} */
    this.fold = {
      open: new Uint8Array(this.count + this.groupCount), ungrouped: new Uint8Array(this.groupCount),
      grouped: true, root: -1, hidden: null, keep: null,
    };
    this.criticalOnly = false;
    this.matchesOnly = false;
    this.query = "";
    /** 1 for each span that was found, null while nothing is looked for. @type {Uint8Array | null} */
    this.matches = null;
    this.matchRows = new Uint32Array(0);
    /** The window of time on screen, in ticks. */
    this.from = 0;
    this.to = this.extent;
    const { root_start_ticks: rootStart, root_end_ticks: rootEnd } = this.header;
    if (rootEnd > rootStart && this.extent > TAIL * (rootEnd - rootStart)) [this.from, this.to] = [rootStart, rootEnd];
    /** Code of the selected row, -1 for none. */
    this.selected = -1;
    this.bottlenecks = bottlenecksOf(this);
    this._room = room(columns);
    openAtFirst(this);
    this.rows = this._walk();
  }

  // ---- what a row is ----

  /** @param {number} code */
  isSpan(code) { return code >= 0 && code < this.count; }
  /** @param {number} code */
  isGroup(code) { return code >= this.count && code < this.count + this.groupCount; }
  /** @param {number} code */
  isGap(code) { return code >= this.count + this.groupCount; }
  /** @param {number} code */
  groupOf(code) { return this.header.groups[code - this.count]; }
  /** @param {number} code */
  gapOf(code) { return this.header.gaps[code - this.count - this.groupCount]; }

  /** The spans of a group, in row order. @param {number} group index */
  membersOf(group) {
    return this.derived.members.subarray(this.derived.memberAt[group], this.derived.memberAt[group + 1]);
  }

  /** The span that a row speaks of: a group's longest, a gap's parent. @param {number} code */
  spanOf(code) {
    if (code < 0 || this.isSpan(code)) return code;
    if (this.isGap(code)) return this.gapOf(code).parent;
    const members = this.membersOf(code - this.count);
    let longest = members[0];
    for (const row of members) if (this.columns.dur[row] > this.columns.dur[longest]) longest = row;
    return longest;
  }

  /** @param {number} span */
  operation(span) { return this.header.operations[this.columns.op[span]].name; }
  /** Index of a span's service. @param {number} span */
  serviceOf(span) { return this.derived.opService[this.columns.op[span]]; }
  /** @param {number} span */
  service(span) { return this.header.services[this.serviceOf(span)].name; }
  /** @param {number} span */
  kind(span) { return this.header.kinds[this.columns.flags[span] & KIND_MASK] ?? ""; }
  /** @param {number} span @param {number} flag of FLAG */
  has(span, flag) { return (this.columns.flags[span] & flag) !== 0; }
  /** Nanoseconds of ticks. @param {number} ticks */
  ns(ticks) { return ticks * this.tickNs; }

  /** Whether a row can be opened. @param {number} code */
  canOpen(code) {
    if (this.isSpan(code)) return this.columns.subtree[code] > 1 || this.gapsOf.has(code);
    if (!this.isGroup(code)) return false;
    if (this.groupOf(code).kind === "siblings") return true;
    const members = this.membersOf(code - this.count);
    return this.columns.subtree[members[members.length - 1]] > 1 || this.gapsOf.has(members[members.length - 1]);
  }

  /** @param {number} code */
  isOpen(code) { return this.fold.keep !== null || this.fold.open[code] === 1; }

  /** Rows below a span, itself not counted. @param {number} code */
  belowOf(code) {
    if (this.isSpan(code)) return this.columns.subtree[code] - 1;
    if (!this.isGroup(code)) return 0;
    const { kind, count } = this.groupOf(code);
    const members = this.membersOf(code - this.count);
    return kind === "siblings" ? count : this.columns.subtree[members[members.length - 1]] - 1;
  }

  /** Errors in a row and everything below it. @param {number} code */
  errorsIn(code) {
    const { errorsBefore } = this.derived;
    const { subtree } = this.columns;
    if (this.isSpan(code)) return errorsBefore[code + subtree[code]] - errorsBefore[code];
    if (!this.isGroup(code)) return 0;
    return this.derived.groupErrors[code - this.count];
  }

  /** Start and end of a row in ticks. @param {number} code @returns {[number, number]} */
  extentOf(code) {
    const { start, dur } = this.columns;
    if (this.isSpan(code)) return [start[code], start[code] + dur[code]];
    if (this.isGap(code)) return [this.gapOf(code).start, this.gapOf(code).end];
    return [this.derived.groupFrom[code - this.count], this.derived.groupTo[code - this.count]];
  }

  /** Self time of a row in ticks; of a group the sum. @param {number} code */
  selfOf(code) {
    if (this.isSpan(code)) return this.columns.self[code];
    return this.isGroup(code) ? this.derived.groupSelf[code - this.count] : 0;
  }

  /** Time of a row on the path in ticks; of a group the sum. @param {number} code */
  criticalOf(code) {
    if (this.isSpan(code)) return this.columns.critical[code];
    if (this.isGroup(code)) return this.derived.groupCritical[code - this.count];
    return this.gapOf(code).end - this.gapOf(code).start;
  }

  /** Duration of a row in nanoseconds; of siblings the sum, as the server says it. @param {number} code */
  totalNs(code) {
    if (this.isGroup(code) && this.groupOf(code).kind === "siblings") return Number(this.groupOf(code).total_ns);
    const [from, to] = this.extentOf(code);
    return this.ns(to - from);
  }

  /** Length of the primary root in ticks: what shares are of. */
  get rootTicks() { return Math.max(1, this.header.root_end_ticks - this.header.root_start_ticks); }

  // ---- folding ----

  /** @param {number} code @param {boolean} [isOpen] */
  setOpen(code, isOpen = !this.isOpen(code)) {
    if (!this.canOpen(code) || this.fold.keep) return;
    this.fold.open[code] = isOpen ? 1 : 0;
    this._changed("rows");
  }

  /** Everything, or what is below one row. @param {boolean} isOpen @param {number} [code] */
  setAllOpen(isOpen, code = -1) {
    const { open } = this.fold;
    const value = isOpen ? 1 : 0;
    if (code < 0) open.fill(value);
    else {
      const spans = this.isGroup(code) ? this.membersOf(code - this.count) : this.isSpan(code) ? [code] : [];
      if (this.isGroup(code)) open[code] = value;
      for (const span of spans) {
        open.fill(value, span, span + this.columns.subtree[span]);
        for (let row = span; row < span + this.columns.subtree[span]; row++) {
          const group = this.columns.group[row];
          if (group !== NO_GROUP && row !== span) open[this.count + group] = value;
        }
      }
    }
    this._changed("rows");
  }

  /** Shows the rows of one group one by one, or as one again. @param {number} group index @param {boolean} isGrouped */
  setGrouped(group, isGrouped) {
    this.fold.ungrouped[group] = isGrouped ? 0 : 1;
    if (!isGrouped) for (const row of this.membersOf(group)) if (this.header.groups[group].kind === "chain") this.fold.open[row] = 1;
    const stood = this.selected;
    if (!isGrouped && stood === this.count + group) this.selected = this.membersOf(group)[0];
    this._changed("rows");
    if (this.selected !== stood) this._say("select");
  }

  /** @param {boolean} isGrouped */
  setGrouping(isGrouped) {
    if (this.fold.grouped === isGrouped) return;
    const span = this.spanOf(this.selected);
    this.fold.grouped = isGrouped;
    if (!isGrouped && this.isGroup(this.selected)) this.selected = span;
    if (this.isSpan(this.selected)) openAbove(this, this.selected);
    this._changed("rows");
    this._say("select");
  }

  /** Only the tree below one span; -1 for the whole trace. @param {number} span */
  setRoot(span) {
    this.fold.root = span;
    if (span >= 0) {
      this.fold.open[span] = 1;
      const [from, to] = this.extentOf(span);
      this.setWindow(from, to);
    } else this.setWindow(0, this.extent);
    if (span >= 0 && !this._isBelow(this.spanOf(this.selected), span)) this.selected = span;
    this._changed("rows");
    this._say("select");
  }

  /** Leaves a service out, or shows it again. @param {number} service @param {boolean} isHidden */
  setHidden(service, isHidden) {
    const hidden = this.fold.hidden ?? new Uint8Array(this.header.services.length);
    hidden[service] = isHidden ? 1 : 0;
    this.fold.hidden = hidden.includes(1) ? hidden : null;
    this._changed("rows");
    this._say("look");
  }

  /** Shows one service only, or all again. @param {number} service -1 for all */
  setOnly(service) {
    this.fold.hidden = service < 0 ? null : Uint8Array.from(this.header.services, (_, i) => (i === service ? 0 : 1));
    this._changed("rows");
    this._say("look");
  }

  /** @param {number} service */
  isHidden(service) { return this.fold.hidden?.[service] === 1; }

  /** Fades what is not on the critical path. @param {boolean} isOn */
  setCriticalOnly(isOn) {
    this.criticalOnly = isOn;
    this._say("look");
  }

  // ---- selection ----

  /**
   * Selects a span and makes it visible: opens what is above it, shows its service.
   * @param {number} span @param {{grouped?: boolean}} [how] grouped: leave its own group closed and select that
   */
  select(span, { grouped = false } = {}) {
    if (!this.isSpan(span)) return;
    const { fold } = this;
    let isChanged = false;
    if (fold.root >= 0 && !this._isBelow(span, fold.root)) [fold.root, isChanged] = [-1, true];
    if (fold.hidden?.[this.serviceOf(span)]) {
      fold.hidden[this.serviceOf(span)] = 0;
      isChanged = true;
      this._say("look");
    }
    if (fold.keep && !fold.keep[span]) [fold.keep, this.matchesOnly, isChanged] = [null, false, true];
    const group = this.columns.group[span];
    const asGroup = grouped && fold.grouped && !fold.keep && group !== NO_GROUP && this.derived.isGroup[group] && !fold.ungrouped[group];
    if (openAbove(this, span, Boolean(asGroup))) isChanged = true;
    this.selected = asGroup ? this.count + group : span;
    if (isChanged || this.rows.place[this.selected] < 0) this._changed("rows");
    this._say("select");
  }

  /** Selects a row that is on screen. @param {number} code */
  selectRow(code) {
    if (code === this.selected || this.rows.place[code] === undefined || this.rows.place[code] < 0) return;
    this.selected = code;
    this._say("select");
  }

  /** The row on screen that stands for a span, -1 for none. @param {number} span */
  placeOf(span) {
    const code = standIn(this.columns, this.rows, span);
    return code < 0 ? -1 : this.rows.place[code];
  }

  /** Place of the selected row, -1 for none. */
  get selectedPlace() {
    if (this.selected < 0) return -1;
    return this.rows.place[this.selected] >= 0 ? this.rows.place[this.selected] : this.placeOf(this.spanOf(this.selected));
  }

  /**
   * The next of some spans after the selected one, around the end; -1 for none.
   * @param {ArrayLike<number>} spans ascending @param {1 | -1} step
   */
  nextOf(spans, step) {
    const here = this.isGroup(this.selected) ? this.membersOf(this.selected - this.count)[0] - 1 : this.spanOf(this.selected);
    return nextOf(spans, here, step);
  }

  // ---- time ----

  /** @param {number} from ticks @param {number} to ticks */
  setWindow(from, to) {
    const width = Math.min(this.extent, Math.max(Math.min(NARROWEST_TICKS, this.extent), to - from));
    const begin = Math.min(this.extent - width, Math.max(0, to - from < width ? (from + to - width) / 2 : from));
    if (begin === this.from && begin + width === this.to) return;
    this.from = begin;
    this.to = begin + width;
    this._say("window");
  }

  /** @param {number} factor below 1 is nearer @param {number} [at] ticks that stay where they are */
  zoom(factor, at = (this.from + this.to) / 2) {
    this.setWindow(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }

  /** @param {number} ticks */
  pan(ticks) {
    const by = Math.min(this.extent - this.to, Math.max(-this.from, ticks));
    this.setWindow(this.from + by, this.to + by);
  }

  get isWhole() { return this.from <= 0 && this.to >= this.extent; }

  // ---- found ----

  /** What was found: a 1 for each span, null for "nothing is looked for". @param {string} query @param {Uint8Array | null} matches */
  setMatches(query, matches) {
    this.query = query;
    this.matches = matches;
    let size = 0;
    if (matches) for (let row = 0; row < this.count; row++) size += matches[row] ? 1 : 0;
    this.matchRows = new Uint32Array(size);
    for (let row = 0, at = 0; at < size; row++) if (matches?.[row]) this.matchRows[at++] = row;
    this._keep();
    this._say("find");
  }

  /** @param {boolean} isOn */
  setMatchesOnly(isOn) {
    this.matchesOnly = isOn;
    this._keep();
    this._say("find");
  }

  _keep() {
    const before = this.fold.keep;
    this.fold.keep = null;
    if (this.matchesOnly && this.matches) {
      const keep = this.matches.slice();
      for (let row = this.count - 1; row > 0; row--) if (keep[row] && this.columns.parent[row] >= 0) keep[this.columns.parent[row]] = 1;
      this.fold.keep = keep;
    }
    if (before || this.fold.keep) this._changed("rows");
  }

  // ---- inside ----

  /** @param {string} name */
  _say(name) { this.dispatchEvent(new Event(name)); }

  /** @param {string} name */
  _changed(name) {
    this.rows = this._walk();
    this._say(name);
  }

  _walk() { return visibleRows(this.columns, this.derived, this.gapsOf, this.fold, this._room); }

  /** @param {number} span @param {number} top */
  _isBelow(span, top) { return span >= top && span < top + this.columns.subtree[top]; }
}
