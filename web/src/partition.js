// One partition, at the side: why it is so, its files, log, rows, pictures and manifest. A point with several shows a list.
import { again, over } from "./actions.js";
import { fresh, segment } from "./data.js";
import { bytes, fill, h, number } from "./dom.js";
import { badge, ENDED, moment, sign } from "./states.js";

const EVERY = 2000;
const NAMES = { attempt: "Attempt", seconds: "Took", size: "Listed", downloaded: "Downloaded", owner: "Worker", reason: "Queued because", updated: "Changed", finished: "Finished" };
const HIDDEN = ["time", "level", "message", "partition", "run", "traceback", "backfill"];

export class Panel {
  constructor(source, pictures, onclose) {
    this.source = source;
    this.pictures = pictures;
    this.title = h("h2", { id: "panel-title", tabindex: "-1" });
    this.body = h("div", { class: "panel-body" });
    this.sent = h("p", { class: "sent", role: "status" });
    this.close = () => this.element.close();
    this.element = h("dialog", { class: "panel", "aria-labelledby": "panel-title", onclose: () => this.closed(onclose) },
      h("div", { class: "title" }, this.title, h("span", { class: "space" }), h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: this.close }, "✕")),
      this.body);
  }

  closed(onclose) {
    clearInterval(this.timer);
    this.place = null;
    this.element.remove();
    onclose();
  }

  // `place`: backfill, period, group; without a group that of the only partition, or a list.
  async open(place, backfill, may) {
    const same = this.place && JSON.stringify(place) === JSON.stringify(this.place);
    this.backfill = backfill;
    this.may = may;
    if (!same) {
      this.place = place;
      this.parts = null;
      this.shown = null;
      this.sent.textContent = "";
      this.name(place.period, place.group);
      fill(this.body, h("p", { class: "faint" }, "Loading"));
      if (!document.body.contains(this.element)) document.body.append(this.element);
      if (!this.element.open) this.element.showModal();
    }
    this.settled = false;
    await this.look();
    clearInterval(this.timer);
    if (this.place && this.source.live) this.timer = setInterval(() => document.hidden || this.settled || this.look(), EVERY);
  }

  name(period, group) {
    this.title.textContent = group && group !== "*" ? `${period} / ${group}` : period;
  }

  // A new summary of the backfill: what has ended may be run again.
  news(backfill) {
    const before = this.backfill;
    this.backfill = backfill;
    if (!this.place || (before?.run === backfill.run && before.state === backfill.state)) return;
    this.settled = false;
    this.look();
  }

  async look() {
    const { place } = this;
    try {
      const group = place.group ?? (await this.only(place));
      if (group === undefined || this.place !== place) return;
      const [found, lines] = await Promise.all([this.source.partition(place.id, place.period, group), this.source.logs(place.id, place.period, group)]);
      if (this.place !== place) return;
      this.show(found, lines);
      this.settled = ENDED.includes(found.state) && over(this.backfill);
      if (ENDED.includes(found.state) && this.finished !== found.finished) this.rows(found);
    } catch (error) {
      if (this.place !== place) return;
      this.parts = null;
      fill(this.body, h("p", { class: "notice", role: "alert" }, error.message));
    }
  }

  // The group of a point that has one; else a list to choose from, and nothing.
  async only(place) {
    const { items, next } = await this.source.partitions(place.id, { period: place.period });
    if (items.length === 1) return items[0].group;
    const known = JSON.stringify([items, this.backfill.state]);
    if (this.place !== place || this.shown === known) return undefined;
    this.shown = known;
    fill(this.body, h("div", { class: "title" }, h("p", { class: "faint" }, `${items.length}${next ? " or more" : ""} partitions`), h("span", { class: "space" }), this.retry(place.period)), this.sent,
      h("ul", { class: "groups" }, items.map((one) => h("li", {}, sign(one.state), h("a", { href: address(place.id, one.period, one.group) }, one.group), ` ${one.state} `, h("span", { class: "faint" }, one.why ?? "")))));
    return undefined;
  }

  show(found, lines) {
    this.name(found.period, found.group);
    if (!this.parts) {
      this.parts = Object.fromEntries(["head", "files", "log", "rows", "manifest"].map((name) => [name, h("section", { class: `part-${name}` })]));
      this.finished = undefined;
      this.seen = {};
      fill(this.body, this.parts.head, this.sent, this.parts.log, this.parts.files, this.parts.rows, this.parts.manifest);
    }
    const put = (name, value, make) => {
      const text = JSON.stringify(value);
      if (this.seen[name] !== text) fill(this.parts[name], ...make());
      this.seen[name] = text;
    };
    put("head", [found, this.backfill.state], () => this.head(found));
    put("log", lines, () => (lines ? log(lines) : []));
    put("files", found.files, () => files(found.files));
    put("manifest", found.manifest, () => manifest(found));
  }

  head(found) {
    const facts = Object.entries(NAMES).filter(([name]) => found[name] && !(name === "owner" && ENDED.includes(found.state)));
    const say = { seconds: (v) => `${number(v)} s`, size: bytes, downloaded: bytes, updated: moment, finished: moment };
    return [
      h("div", { class: "title" }, badge(found.state), h("span", { class: "space" }), this.retry(this.place.period, found)),
      found.why ? h("p", { class: `why ${found.state}` }, found.why) : null,
      h("dl", { class: "facts" }, facts.map(([name, label]) => h("div", {}, h("dt", {}, label), h("dd", {}, say[name]?.(found[name]) ?? String(found[name]))))),
      found.missing.length ? h("p", {}, `Missing: ${found.missing.join(", ")}`) : null,
      ...found.notes.map((note) => h("p", { class: "faint" }, note)),
    ];
  }

  // The button that runs it again; where it may not be pressed now, why.
  retry(period, found) {
    if (!this.may) return null;
    if (!over(this.backfill)) {
      return found && ["failed", "waiting", "cancelled"].includes(found.state) ? h("span", { class: "faint" }, "can be retried when the backfill has ended") : null;
    }
    const unit = ["month", "day", "year", "week", "season"].includes(this.backfill.unit) ? this.backfill.unit : "point in time";
    const done = (summary, error) => {
      this.sent.textContent = error ? error.message : "retry was sent";
      if (summary) this.news(summary);
    };
    const button = (only, text, kind = "") => h("button", { type: "button", class: kind, onclick: () => again(this.source, this.place.id, [only], done) }, text);
    const whole = button(period, `Retry this ${unit}`, "primary");
    const group = this.place.group && found?.group !== "*" ? found?.group : null;
    return group ? h("span", { class: "row" }, button(`${period}/${group}`, "Retry this group"), whole) : whole;
  }

  async rows(found) {
    this.finished = found.finished;
    const pictures = found.outputs.filter((one) => one.kind === "picture");
    const { collection, version } = this.backfill;
    const asked = new URLSearchParams({ first: found.period, last: found.period, version });
    const all = this.source.live && found.manifest ? await fresh(`../v1/statistics/${segment(segment(collection))}?${asked}`).catch(() => []) : [];
    const mine = all.filter((row) => !row.group || row.group === found.group);
    fill(this.parts.rows, ...(mine.length ? [h("h3", {}, `Rows (${mine.length})`), numbers(mine)] : []), ...this.shots(pictures));
  }

  shots(pictures) {
    if (!pictures.length) return [];
    const path = (url) => this.pictures + url.slice(url.indexOf("/pictures/") + 10).split("/").map((part) => segment(part).replaceAll("%3D", "=")).join("/");
    return [h("h3", {}, `Pictures (${pictures.length})`), h("div", { class: "shots" }, pictures.slice(0, 12).map((one) => {
      const name = one.url.split("/").slice(-2).join(" ").replace(".png", "");
      return h("figure", {}, h("img", { src: path(one.url), alt: `Quicklook ${name}`, loading: "lazy" }), h("figcaption", { class: "faint" }, name));
    }))];
  }
}

export const address = (id, period, group) => `#/${["backfills", id, period, group].filter(Boolean).map(segment).join("/")}`;

const scroll = (label, ...children) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, ...children);

function files(all) {
  if (!all.length) return [];
  const row = (one) => h("tr", {}, h("td", { class: "file" }, h("b", {}, one.name), h("span", { class: "faint" }, one.url)), h("td", { class: "num" }, one.size === null ? "–" : bytes(one.size)), h("td", {}, moment(one.modified)));
  return [h("h3", {}, `Files (${all.length})`), scroll("Files", h("table", {}, h("thead", {}, h("tr", {}, ["Name and source", "Size", "Modified"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, all.map(row))))];
}

function log(lines) {
  const row = (line) => {
    const rest = Object.entries(line).filter(([key]) => !HIDDEN.includes(key)).map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : value}`);
    return h("li", { class: String(line.level ?? "").toLowerCase() }, h("time", { class: "faint" }, String(line.time ?? "").slice(11, 23)), " ", h("b", {}, line.level ?? ""), ` ${line.message ?? ""} `, h("span", { class: "faint" }, rest.join(" ")), line.traceback ? h("pre", {}, line.traceback) : null);
  };
  const shown = lines.slice(-300);
  return [h("h3", {}, "Log"), lines.length ? scroll("Log", h("ol", { class: "lines" }, shown.map(row))) : h("p", { class: "faint" }, "no worker has written about it in this backfill")];
}

function numbers(rows) {
  const names = ["zone", "zone_name", "band"].filter((name) => rows.some((row) => row[name])).concat(["mean", "sum", "min", "max", "count", "valid_share"].filter((name) => name in rows[0]));
  const cell = (row, name) => (typeof row[name] === "number" ? h("td", { class: "num" }, number(row[name])) : h("td", {}, row[name] ?? "–"));
  return scroll("Rows", h("table", {}, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name.replaceAll("_", " "))))), h("tbody", {}, rows.slice(0, 200).map((row) => h("tr", {}, names.map((name) => cell(row, name)))))));
}

function manifest(found) {
  if (!found.manifest) return [];
  return [h("details", {}, h("summary", {}, `Manifest and ${found.outputs.length} outputs`),
    h("ul", { class: "outputs" }, found.outputs.map((one) => h("li", {}, `${one.kind} `, h("span", { class: "faint" }, `${one.url}, ${bytes(one.size)}`)))),
    scroll("Manifest", h("pre", {}, JSON.stringify(found.manifest, null, 2))))];
}
