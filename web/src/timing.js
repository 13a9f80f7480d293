// Where the time of a backfill went: a table of steps, how many partitions were in which over time, and their bars.
import { bytes, fill, h, s } from "./dom.js";
import { address } from "./partition.js";
import { duration } from "./states.js";

const SHOWN = 30;
const BEFORE = ["listing", "queue"];
const HEIGHT = 140;
const BAR = 20;

const long = (seconds) => (seconds < 1 ? `${Math.round(seconds * 1000)} ms` : seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds));
const part = (share) => (share === null ? "–" : `${Math.round(100 * share)} %`);
const swatch = (name) => h("i", { class: `hop ${name}`, "aria-hidden": "true" });
const named = (one) => `${one.period}${one.group === "*" ? "" : ` ${one.group}`}`;

export class Timing {
  constructor(source) {
    this.source = source;
    this.box = h("div", { class: "went" });
    this.said = h("p", { class: "faint", role: "status" });
    this.element = h("details", { class: "timing", hidden: !source.live, ontoggle: () => this.look() }, h("summary", {}, "Where time goes"), this.said, this.box);
  }

  of(id) {
    if (id !== this.id) {
      this.told = null;
      fill(this.box);
    }
    this.id = id;
    return this.look();
  }

  async look() {
    if (!this.element.open || !this.id) return;
    const { id } = this;
    try {
      const found = await this.source.timing(id, SHOWN);
      if (id === this.id && found !== this.told) this.show(found);
    } catch (error) {
      this.said.textContent = error.message;
    }
  }

  show(found) {
    this.told = found;
    this.said.textContent = told(found);
    if (!found.partitions) return fill(this.box);
    const open = new Set([...this.box.querySelectorAll("details[open]")].map((one) => one.className));
    const clock = found.partitions <= SHOWN;
    fill(this.box, hopTable(found), moments(found), bars(this.id, found, clock), numbers(this.id, found));
    this.box.querySelectorAll("details").forEach((one) => (one.open = open.has(one.className)));
  }
}

function told(found) {
  const without = found.unknown ? `${found.unknown.toLocaleString("en")} have ended without times` : "";
  if (!found.partitions) return without || "No partition has its times yet.";
  const about = `${found.partitions.toLocaleString("en")} partitions took workers ${long(found.worked)} within ${long(found.seconds)}, ${long(found.other)} of it in none of the steps`;
  return [about, without, found.idle ? `${long(found.idle)} in which nothing went on are left out` : ""].filter(Boolean).join("; ");
}

function hopTable(found) {
  const head = ["Step", "Share", "Total", "Median", "p95", "Most", "Bytes", "What it is"].map((name, at) => h("th", { scope: "col", class: at && at < 7 ? "num" : "" }, name));
  const rows = found.steps.map((one) => h("tr", {}, h("th", { scope: "row" }, swatch(one.name), one.name),
    [part(one.share), long(one.seconds), long(one.median), long(one.p95), long(one.most), one.bytes ? bytes(one.bytes) : "–"].map((text) => h("td", { class: "num" }, text)), h("td", {}, one.about)));
  return h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Steps" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
}

// Columns of time, each a stack of the partitions that workers had in it, by step.
function moments(found) {
  const hops = Object.entries(found.moments.steps).filter(([name]) => !BEFORE.includes(name));
  const columns = hops[0]?.[1].length ?? 0;
  const sums = Array.from({ length: columns }, (_, at) => hops.reduce((sum, [, values]) => sum + values[at], 0));
  const most = Math.max(...sums, 0);
  if (!most) return null;
  const tops = new Array(columns).fill(0);
  const stacks = hops.flatMap(([name, values]) => values.map((value, at) => {
    if (!value) return null;
    tops[at] += (HEIGHT * value) / most;
    return s("rect", { class: `hop ${name}`, x: at, y: HEIGHT - tops[at], width: 1.02, height: (HEIGHT * value) / most }, s("title", {}, `${name}: ${value.toFixed(1)}`));
  }));
  const about = `Partitions in each step over ${long(found.seconds)}, up to ${most.toFixed(1)} steps at once`;
  return h("figure", { class: "over-time" }, h("figcaption", {}, `Steps that went on at once, up to ${most.toFixed(1)}`),
    s("svg", { viewBox: `0 0 ${columns} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": about }, stacks),
    h("p", { class: "ends faint" }, h("span", {}, new Date(found.began * 1000).toISOString().slice(0, 19).replace("T", " ") + " UTC"), h("span", {}, `+ ${long(found.seconds)}`)));
}

// Of a hop that went on now and then the colour is the paler the less it did.
// A bar for each partition: of a few on one clock, of many the slowest, each from when a worker took it.
function bars(id, found, clock) {
  const every = clock ? [...found.slowest].sort((a, b) => a.at - b.at || named(a).localeCompare(named(b))) : found.slowest;
  const length = clock ? found.seconds : Math.max(...every.map(reach));
  const rows = every.map((one) => h("li", {}, h("a", { href: address(id, one.period, one.group), class: one.state }, named(one)), bar(one, clock ? one.at : 0, length, clock), h("span", { class: "num faint" }, long(one.seconds))));
  const what = clock ? "All partitions, from the first moment to the last" : `The ${every.length} slowest of ${found.partitions.toLocaleString("en")} partitions, each from when a worker took it`;
  return h("figure", { class: "gantt" }, h("figcaption", {}, what), h("ul", {}, rows),
    h("p", { class: "ends faint" }, h("span", {}, "0"), h("span", {}, long(length))));
}

const reach = (one) => Math.max(one.seconds, ...Object.values(one.steps).map((hop) => hop.start + hop.span));

function bar(one, at, length, before) {
  const hops = Object.entries(one.steps).filter(([name]) => name !== "listing" && (before || name !== "queue"));
  const lanes = [];
  const placed = hops.sort((a, b) => a[1].start - b[1].start).map(([name, hop]) => {
    const free = lanes.findIndex((end) => end <= hop.start + 0.002);
    const lane = free < 0 ? lanes.length : free;
    lanes[lane] = hop.start + hop.span;
    return { name, hop, lane };
  });
  const high = BAR / Math.max(1, lanes.length);
  const whole = s("rect", { class: "whole", x: (1000 * at) / length, y: 0, width: (1000 * one.seconds) / length, height: BAR });
  const parts = placed.map(({ name, hop, lane }) =>
    s("rect", { class: `hop ${name}`, x: (1000 * (at + hop.start)) / length, y: lane * high, width: Math.max(1, (1000 * hop.span) / length), height: high, "fill-opacity": Math.max(0.35, hop.seconds / hop.span).toFixed(2) }, s("title", {}, `${named(one)}: ${name} ${long(hop.seconds)}`)));
  return s("svg", { viewBox: `0 0 1000 ${BAR}`, preserveAspectRatio: "none", role: "img", "aria-label": `${named(one)}: ${placed.map(({ name, hop }) => `${name} ${long(hop.seconds)}`).join(", ")}` }, whole, parts);
}

// The same numbers as the bars.
function numbers(id, found) {
  const names = found.steps.map((one) => one.name).filter((name) => found.slowest.some((one) => one.steps[name]));
  const head = h("tr", {}, ["Partition", ...names, "all"].map((name, at) => h("th", { scope: "col", class: at ? "num" : "" }, name)));
  const rows = found.slowest.map((one) => h("tr", {}, h("th", { scope: "row" }, h("a", { href: address(id, one.period, one.group) }, named(one))),
    names.map((name) => h("td", { class: "num" }, one.steps[name] ? long(one.steps[name].seconds) : "–")), h("td", { class: "num" }, long(one.seconds))));
  return h("details", { class: "in-numbers" }, h("summary", {}, "The bars in numbers"),
    h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "The bars in numbers" }, h("table", {}, h("thead", {}, head), h("tbody", {}, rows))));
}
