// The places: map, month slider, list of zones; the chosen zone's series, numbers and quicklook.
import { chart, spark } from "./chart.js";
import { ramp, scaleOf, theme } from "./colour.js";
import { dataPath, fetched, segment } from "./data.js";
import { h, number, say } from "./dom.js";
import { ZoneMap } from "./map.js";

const SHARES = ["valid_share"];

export class Places {
  constructor(index, navigate) {
    this.index = index;
    this.navigate = navigate;
    this.map = new ZoneMap({ onpick: (at) => this.pick(at) });
    this.slider = h("input", {
      type: "range", min: 0, step: 1, id: "month", "aria-label": "Month",
      oninput: () => this.go(Number(this.slider.value)),
    });
    this.month = h("output", { for: "month", class: "when" });
    this.strip = h("canvas", { class: "strip", height: 8, "aria-hidden": "true" });
    this.play = h("button", { type: "button", class: "round", "aria-label": "Play the months", onclick: () => this.toggle() }, "▶");
    this.collection = this.select("Collection", () => this.navigate(["places", this.collection.value]));
    this.band = this.select("Band", () => this.change());
    this.stat = this.select("Statistic", () => this.change());
    this.legend = h("div", { class: "legend" });
    this.search = h("input", { type: "search", placeholder: "Find a zone", "aria-label": "Find a zone", oninput: () => this.list() });
    this.listbox = h("div", { class: "zone-list", role: "listbox", tabindex: "0", "aria-label": "Zones", onkeydown: (e) => this.keys(e) });
    this.detail = h("section", { class: "detail", "aria-label": "Zone", tabindex: "0" });
    const step = (by, label, text) =>
      h("button", { type: "button", class: "round", "aria-label": label, onclick: () => this.go(this.at + by) }, text);
    this.element = h(
      "div",
      { class: "places" },
      h("h1", { class: "visually-hidden" }, "Places"),
      h(
        "section",
        { class: "left", "aria-label": "Map" },
        h("div", { class: "bar" }, this.collection.label, this.band.label, this.stat.label, h("span", { class: "space" }), this.legend),
        this.map.element,
        h("div", { class: "time" }, this.play, step(-1, "Month before", "‹"), h("div", { class: "track" }, this.strip, this.slider), step(1, "Month after", "›"), this.month),
      ),
      h("aside", { class: "right", "aria-label": "Zones and their series" }, this.detail, h("div", { class: "finder" }, this.search, this.listbox)),
    );
    new ResizeObserver(() => this.drawStrip()).observe(this.strip);
  }

  select(text, onchange) {
    const select = h("select", { onchange });
    select.label = h("label", {}, h("span", {}, text), select);
    return select;
  }

  async open([name, band, stat, period, zone]) {
    const all = this.index.collections;
    options(this.collection, all);
    const entry = all.find((one) => one.name === name) ?? all[0];
    if (!entry) return this.element.replaceChildren(empty());
    const changed = entry !== this.entry;
    this.entry = entry;
    this.collection.value = entry.name;
    options(this.band, entry.bands);
    options(this.stat, entry.stats);
    this.band.value = entry.bands.some((b) => b.name === band) ? band : entry.bands[0].name;
    const usual = entry.stats.find((one) => one.name === "mean") ?? entry.stats[0];
    this.stat.value = entry.stats.some((one) => one.name === stat) ? stat : usual.name;
    this.band.label.hidden = entry.bands.length < 2;
    this.collection.label.hidden = all.length < 2;
    const values = this.load();
    if (changed) {
      this.zones = (await fetched(dataPath(entry.key, "zones"))).features;
      this.map.show({ features: this.zones });
      this.picked = -1;
    }
    await values;
    this.slider.max = entry.periods.length - 1;
    const rows = new Set(entry.with_rows);
    const latest = entry.periods.findLastIndex((one) => rows.has(one));
    const wanted = entry.periods.indexOf(period);
    this.at = wanted >= 0 ? wanted : Math.max(0, latest);
    const picked = this.zones.findIndex((one) => one.id === zone);
    const last = this.values.map((row) => row.findLast((v) => v !== null) ?? -Infinity);
    const greatest = last.indexOf(last.reduce((a, b) => Math.max(a, b), -Infinity));
    this.picked = picked >= 0 ? picked : this.picked >= 0 ? this.picked : greatest;
    this.render();
    this.pictures = null;
    fetched(dataPath(entry.key, "pictures")).then((pictures) => {
      if (this.entry === entry) {
        this.pictures = pictures;
        this.showPicture();
      }
    });
  }

  async load() {
    const { entry } = this;
    const key = (list, name) => list.find((one) => one.name === name).key;
    const band = key(entry.bands, this.band.value);
    const path = (stat) => dataPath(entry.key, band, key(entry.stats, stat));
    const share = SHARES.find((one) => entry.stats.some((stat) => stat.name === one));
    const [values, shares] = await Promise.all([fetched(path(this.stat.value)), share ? fetched(path(share)) : null]);
    this.values = values.values;
    this.shares = shares?.values;
    this.scale = scaleOf(this.values);
    this.about = { ...entry.stats.find((one) => one.name === this.stat.value), unit: values.unit };
  }

  async change() {
    await this.load();
    this.render();
    this.remember();
  }

  render() {
    this.go(this.at, false);
    this.drawLegend();
    this.drawStrip();
    this.list();
  }

  get unit() {
    return this.about.unit;
  }

  get period() {
    return this.entry.periods[this.at];
  }

  go(at, remember = true) {
    this.at = Math.min(Math.max(at, 0), this.entry.periods.length - 1);
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", this.period);
    const missing = !this.entry.with_rows.includes(this.period);
    this.month.replaceChildren(h("b", {}, this.period), missing ? h("span", { class: "warn" }, this.entry.why[this.period] ?? "no rows") : "");
    const now = this.values.map((row) => row[this.at]);
    this.map.paint(now, this.scale.share, (zone) => this.tell(zone));
    this.map.pick(this.picked);
    this.showDetail();
    this.listValues();
    if (remember) this.remember();
  }

  tell(zone) {
    const value = this.values[zone][this.at];
    if (value !== null) return number(value, this.unit);
    return this.entry.with_rows.includes(this.period) ? "not observed" : this.entry.why[this.period] ?? "no rows";
  }

  toggle() {
    this.playing = this.playing ? clearInterval(this.playing) : setInterval(() => {
      this.go(this.at + 1 >= this.entry.periods.length ? 0 : this.at + 1, false);
    }, 450);
    this.play.textContent = this.playing ? "❚❚" : "▶";
    this.play.setAttribute("aria-label", this.playing ? "Pause" : "Play the months");
  }

  close() {
    if (this.playing) this.toggle();
  }

  remember() {
    const zone = this.zones[this.picked]?.id ?? "";
    this.navigate(["places", this.entry.name, this.band.value, this.stat.value, this.period, zone], true);
  }

  pick(at) {
    this.picked = at;
    this.go(this.at);
    this.select_(at);
    say(`${this.zones[at].name}: ${this.tell(at)} in ${this.period}`);
  }

  // The details of the chosen zone.
  showDetail() {
    const zone = this.zones[this.picked];
    if (!zone) return this.detail.replaceChildren();
    const values = this.values[this.picked];
    const share = this.shares?.[this.picked];
    const now = values[this.at];
    this.picture = h("div", { class: "picture" });
    this.detail.replaceChildren(
      h("h2", { title: zone.id }, zone.name),
      h("p", { class: "value" },
        h("b", {}, now === null ? this.tell(this.picked) : number(now, this.unit)),
        h("span", { class: "faint" }, `${this.stat.value}, ${this.period}`),
        share?.[this.at] !== null && share?.[this.at] !== undefined ? h("span", { class: "faint" }, `${Math.round(share[this.at] * 100)} % of its pixels observed`) : null),
      chart({
        periods: this.entry.periods, at: this.at, unit: this.unit, why: this.entry.why, rows: new Set(this.entry.with_rows),
        lines: [{ name: zone.name, values, share }], onpick: (i) => this.go(i), width: 400, height: 214,
      }),
      h("p", { class: "faint key" }, "hatched: not observed · dotted: no rows · hollow: less than a tenth of the pixels observed"),
      this.picture,
    );
    this.showPicture();
  }

  showPicture() {
    const month = this.pictures?.[this.band.value]?.[this.period];
    if (!this.picture || !month?.zones.includes(this.picked)) return this.picture?.replaceChildren();
    const zone = this.zones[this.picked];
    const band = this.entry.bands.find((one) => one.name === this.band.value).key;
    const parts = [`collection=${this.entry.key}`, `version=${month.version}`, `period=${this.period}`, `group=${month.group}`, band, `${zone.key}.png`];
    const src = this.index.pictures + parts.map((part) => segment(part).replaceAll("%3D", "=")).join("/");
    this.picture.replaceChildren(h("img", { src, alt: `Quicklook of ${zone.name} in ${this.period}`, loading: "lazy", decoding: "async" }));
  }

  // The list of zones, greatest value first.
  list() {
    const wanted = this.search.value.trim().toLowerCase();
    const rank = (at) => this.values[at].findLast((v) => v !== null) ?? -Infinity;
    this.order = this.zones
      .map((zone, at) => at)
      .filter((at) => !wanted || this.zones[at].name.toLowerCase().includes(wanted) || this.zones[at].id.toLowerCase().includes(wanted))
      .sort((a, b) => rank(b) - rank(a));
    this.options = new Map();
    this.listbox.replaceChildren(
      ...this.order.map((at) => {
        const value = h("span", { class: "num" });
        const option = h("div", { role: "option", id: `zone-${at}`, "aria-selected": "false", onclick: () => this.pick(at) },
          h("span", { class: "swatch" }), h("span", { class: "name" }, this.zones[at].name), spark(this.values[at]), value);
        this.options.set(at, [option, value]);
        return option;
      }),
    );
    if (!this.order.length) this.listbox.replaceChildren(h("p", { class: "faint" }, "no zone of that name"));
    this.listValues();
    this.select_(this.picked, false);
  }

  listValues() {
    const ground = theme();
    this.options?.forEach(([option, value], at) => {
      const now = this.values[at][this.at];
      value.textContent = now === null ? "–" : number(now);
      option.firstChild.style.background = now === null ? "" : ramp(this.scale.share(now), ground);
    });
  }

  select_(at, scroll = true) {
    this.options?.forEach(([option], zone) => option.setAttribute("aria-selected", String(zone === at)));
    const option = this.options?.get(at)?.[0];
    if (!option) return this.listbox.removeAttribute("aria-activedescendant");
    this.listbox.setAttribute("aria-activedescendant", option.id);
    if (scroll) option.scrollIntoView({ block: "nearest" });
  }

  keys(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    const by = moves[event.key];
    if (by === undefined || !this.order.length) return;
    event.preventDefault();
    const here = this.order.indexOf(this.picked);
    this.pick(this.order[Math.min(Math.max(here + by, 0), this.order.length - 1)]);
  }

  drawLegend() {
    const { scale } = this;
    const stops = Array.from({ length: 24 }, (_, i) => h("i", { style: { background: ramp(i / 23) } }));
    this.legend.replaceChildren(
      h("span", {}, number(scale.low)),
      h("span", { class: "ramp", role: "img", "aria-label": `Colours from ${number(scale.low)} to ${number(scale.high, this.unit)}` }, stops),
      h("span", {}, number(scale.high)),
      h("span", { class: "faint" }, [this.unit, scale.log ? "log" : ""].filter(Boolean).join(" · ")),
    );
    this.legend.title = this.about.description;
  }

  // Which months have values, above the slider.
  drawStrip() {
    if (!this.entry || !this.values) return;
    const width = (this.strip.width = this.strip.clientWidth || 1);
    const pen = this.strip.getContext("2d");
    const style = getComputedStyle(this.strip);
    const step = width / this.entry.periods.length;
    this.entry.periods.forEach((period, i) => {
      const some = this.values.filter((row) => row[i] !== null).length;
      pen.globalAlpha = some ? 0.35 + (0.65 * some) / this.values.length : 1;
      pen.fillStyle = some ? style.getPropertyValue("--accent") : this.entry.with_rows.includes(period) ? style.getPropertyValue("--line") : style.getPropertyValue("--bad");
      pen.fillRect(i * step + 0.5, 0, Math.max(1, step - 1), 8);
    });
  }

  themed() {
    if (this.entry) this.render();
  }
}

function options(select, all) {
  select.replaceChildren(...all.map(({ name }) => h("option", { value: name }, name)));
}

function empty() {
  return h("section", { class: "empty" }, h("h2", {}, "No statistics yet"), h("p", {}, "Run a backfill; its months appear here as they are done."));
}
