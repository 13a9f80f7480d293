// The backfills: a list; the chosen one with its grid, its partitions, what happened, and what may be done to it.
import { act, button, possible } from "./actions.js";
import { bytes, fill, h, say } from "./dom.js";
import { Grid } from "./grid.js";
import { address, Panel } from "./partition.js";
import { Happenings, Partitions } from "./partitions.js";
import { Timing } from "./timing.js";
import { badge, duration, legend, progress, told } from "./states.js";

const LIST_EVERY = 5000;
const GRID_EVERY = 1000;

export class Backfills {
  constructor(index, source, navigate, may) {
    this.source = source;
    this.navigate = navigate;
    this.may = may;
    this.cards = h("div", { class: "cards" });
    this.older = h("button", { type: "button", hidden: true, onclick: () => this.more() }, "Older");
    const start = may ? h("a", { class: "button", href: "#/start" }, "Start a backfill") : null;
    this.body = h("section", { class: "backfill", "aria-label": "Backfill", hidden: true });
    this.none = h("p", { class: "empty faint", hidden: true }, "No backfill yet: `pileus backfill COLLECTION` starts one.");
    this.lost = h("p", { class: "notice", role: "alert", hidden: true });
    this.panel = new Panel(source, index.pictures, () => this.id && this.closed());
    this.grid = new Grid({ onopen: (period) => (location.hash = address(this.id, period)), ontell: (text) => (this.about.textContent = text) });
    this.partitions = new Partitions(source);
    this.happenings = new Happenings(source);
    this.timing = new Timing(source);
    this.head = h("div", { class: "head" });
    this.facts = h("div", { class: "facts-of" });
    this.about = h("p", { class: "about" });
    this.sent = h("p", { class: "sent", role: "status" });
    fill(this.body, this.head, this.sent, this.facts, this.grid.element, this.about, (this.signs = legend()), this.partitions.element, this.timing.element, this.happenings.element);
    this.element = h("div", { class: "backfills" }, this.lost,
      h("section", { class: "left", "aria-label": "All backfills" }, h("div", { class: "title" }, h("h1", {}, "Backfills"), h("span", { class: "space" }), start), this.cards, this.older),
      h("div", { class: "main" }, this.none, this.body));
  }

  async open([id, period, group]) {
    this.opened = true;
    if (this.items) this.list();
    else await this.list();
    if (this.source.live) this.listing ??= setInterval(() => document.hidden || this.list(), LIST_EVERY);
    const picked = id ?? this.items?.[0]?.id;
    this.none.hidden = Boolean(picked) || !this.items;
    if (!picked) return;
    if (picked !== this.id) await this.pick(picked);
    this.cards.querySelectorAll(".card").forEach((card) => this.mark(card));
    if (period && this.one) await this.panel.open({ id: this.id, period, group }, this.one, this.may);
    else if (this.panel.place) this.panel.close();
  }

  close() {
    this.opened = false;
    clearInterval(this.listing);
    this.listing = null;
    this.unwatch?.();
    this.id = null;
    this.one = null;
    if (this.panel.place) this.panel.close();
  }

  closed() {
    const period = location.hash.split("/")[3];
    if (!this.opened || !period) return;
    this.navigate(["backfills", this.id]);
    this.grid.focus(decodeURIComponent(period));
  }

  async list() {
    await this.tried(async () => {
      const page = await this.source.list();
      if (page !== this.page) this.put(page, true);
      this.page = page;
    });
  }

  async more() {
    await this.tried(async () => this.put(await this.source.list(this.cursor), false));
  }

  put(page, anew) {
    this.items = anew ? page.items : [...this.items, ...page.items];
    this.cursor = page.next;
    this.older.hidden = !page.next;
    this.none.hidden = Boolean(this.items.length || this.id);
    const kept = document.activeElement?.closest?.(".card")?.dataset.id;
    fill(this.cards, ...this.items.map((one) => this.card(one)));
    if (kept) this.cards.querySelector(`[data-id="${CSS.escape(kept)}"]`)?.focus();
  }

  card(one) {
    const card = h("a", { class: "card", href: address(one.id), "data-id": one.id }, h("b", {}, one.id), badge(one.state),
      h("span", { class: "faint" }, `${one.collection}, ${one.first} to ${one.last}`), progress(one.counts));
    this.mark(card);
    return card;
  }

  mark(card) {
    if (card.dataset.id === this.id) card.setAttribute("aria-current", "true");
    else card.removeAttribute("aria-current");
  }

  async pick(id) {
    this.unwatch?.();
    this.id = id;
    this.one = null;
    this.sent.textContent = "";
    this.body.hidden = true;
    await this.tried(async () => this.status(await this.source.summary(id)));
    if (this.id !== id) return;
    this.unwatch = this.source.watch(id, {
      onstatus: (one) => this.id === id && this.tried(() => this.status(one)),
      onchange: (event) => this.id === id && this.news(event),
      onlost: (error) => this.id === id && this.fail(error),
    });
  }

  news({ kind, period, group, text }) {
    if (!["failed", "retried", "run", "backfill"].includes(kind)) return;
    say([kind, period, group, text].filter(Boolean).join(" "));
  }

  async status(one) {
    const before = this.one;
    this.one = one;
    this.show(one);
    this.panel.news(one);
    const changed = !before || before.state !== one.state || before.run !== one.run || JSON.stringify(before.counts) !== JSON.stringify(one.counts);
    if (!before) await this.points();
    else if (changed) this.later();
  }

  // Many changes within a second are one look.
  later() {
    this.looking ??= setTimeout(() => {
      this.looking = null;
      if (this.id) this.tried(() => this.points());
    }, GRID_EVERY);
  }

  async points() {
    const { id, one } = this;
    const points = await this.source.grid(id);
    if (this.id !== id) return;
    this.grid.show(points, one.unit);
    this.signs.classList.toggle("day", one.unit === "day");
    this.body.hidden = false;
    await Promise.all([this.partitions.of(id), this.timing.of(id), this.happenings.of(id)]);
  }

  show(one) {
    const text = JSON.stringify([one.state, one.id, one.counts.failed > 0]);
    if (text !== this.headed) {
      const buttons = this.may ? possible(one).map((name) => button(name, () => act(this.source, one.id, name, (summary, error) => this.done(name, summary, error)))) : [];
      fill(this.head, h("div", { class: "title" }, h("h2", {}, one.id), badge(one.state), h("span", { class: "space" }), ...buttons));
    }
    this.headed = text;
    const { progress: pace } = one;
    const rate = pace?.per_minute ? `${pace.per_minute < 10 ? pace.per_minute.toFixed(1) : Math.round(pace.per_minute)} a minute` : "";
    const speed = pace?.bytes_per_minute ? `${bytes(pace.bytes_per_minute / 60)}/s` : "";
    const left = pace?.seconds_left ? `${duration(pace.seconds_left)} left` : "";
    const runs = one.state === "running" && pace?.running?.length ? `runs: ${pace.running.slice(0, 8).join(", ")}${pace.running.length > 8 ? " and more" : ""}` : "";
    const facts = [told(one.counts), one.bytes.done ? `${bytes(one.bytes.done)} of ${bytes(one.bytes.wanted)} downloaded` : "", one.run > 1 ? `run ${one.run}` : "",
      one.started ? `started ${one.started.slice(0, 16).replace("T", " ")} UTC` : "", one.started_by ? `by ${one.started_by}` : "", one.only?.length ? `only ${one.only.slice(0, 5).join(", ")}${one.only.length > 5 ? " and more" : ""}` : ""];
    fill(this.facts, h("p", { class: "faint" }, facts.filter(Boolean).join(" · ")), progress(one.counts),
      [rate, speed, left, runs].some(Boolean) ? h("p", { class: "pace" }, [rate, speed, left, runs].filter(Boolean).join(" · ")) : null,
      one.problem ? h("p", { class: "notice" }, one.problem) : null);
    this.body.classList.toggle("live", one.state === "running");
  }

  done(name, summary, error) {
    this.sent.textContent = error ? error.message : `${name} was sent`;
    if (summary?.id === this.id) this.tried(() => this.status(summary));
    this.list();
  }

  async tried(look) {
    try {
      await look();
      this.lost.hidden = true;
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error) {
    this.lost.hidden = false;
    this.lost.textContent = error.status === 404 ? error.message : `The stack does not answer: ${error.message}`;
    if (error.status === 401) location.reload();
  }
}
