// The partitions of a backfill, found by state and text; and what happened.
import { fill, h } from "./dom.js";
import { address } from "./partition.js";
import { moment, sign, STATES } from "./states.js";

const LOOK = ["failed", "waiting", "cancelled"];
const head = (...names) => h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name))));

export class Partitions {
  constructor(source) {
    this.source = source;
    this.state = h("select", { id: "state", onchange: () => this.look(true) }, h("option", { value: "look" }, "what needs a look"), h("option", { value: "" }, "all"), STATES.map((state) => h("option", { value: state }, state)));
    this.text = h("input", { type: "search", id: "text", placeholder: "period, group or reason", oninput: () => this.later() });
    this.rows = h("tbody");
    this.count = h("p", { class: "faint", role: "status" });
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.append() }, "More");
    this.table = h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Partitions" }, h("table", {}, head("Period", "Group", "State", "Why"), this.rows));
    this.element = h("section", { class: "found", "aria-label": "Partitions of the backfill" },
      h("div", { class: "bar" }, h("h3", {}, "Partitions"), h("label", {}, h("span", {}, "State"), this.state), h("label", {}, h("span", {}, "Find"), this.text)),
      this.count, this.table, this.more);
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(true), 250);
  }

  of(id) {
    if (id !== this.id) this.items = null;
    this.id = id;
    return this.look();
  }

  async look(anew = false) {
    const { id } = this;
    if (anew) this.pages = 1;
    const wanted = this.state.value, text = this.text.value.trim();
    const asked = (state) => this.source.partitions(id, { state, text });
    const found = wanted === "look" ? await Promise.all(LOOK.map(asked)) : [await asked(wanted)];
    if (id !== this.id || wanted !== this.state.value) return;
    const items = found.flatMap((page) => page.items);
    const news = JSON.stringify(items);
    if (news === this.items) return;
    this.items = news;
    this.cursor = found.length === 1 ? found[0].next : null;
    if (wanted === "look") items.sort((a, b) => (a.period < b.period ? -1 : a.period > b.period ? 1 : 0));
    this.more.hidden = !this.cursor;
    const some = found.some((page) => page.next) ? " or more" : "";
    this.count.textContent = items.length ? `${items.length}${some} found` : wanted === "look" && !text ? "nothing needs a look" : "none found";
    this.table.hidden = !items.length;
    fill(this.rows, ...items.map((one) => this.row(one)));
  }

  async append() {
    const page = await this.source.partitions(this.id, { state: this.state.value, text: this.text.value.trim(), cursor: this.cursor });
    this.cursor = page.next;
    this.more.hidden = !page.next;
    this.rows.append(...page.items.map((one) => this.row(one)));
    this.count.textContent = `${this.rows.childElementCount}${page.next ? " or more" : ""} found`;
  }

  row(one) {
    return h("tr", {}, h("td", {}, h("a", { href: address(this.id, one.period, one.group) }, one.period)), h("td", {}, one.group === "*" ? "" : one.group),
      h("td", {}, sign(one.state), one.state), h("td", { class: "why" }, one.why ?? ""));
  }
}

export class Happenings {
  constructor(source) {
    this.source = source;
    this.rows = h("tbody");
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.append() }, "More");
    this.element = h("details", { class: "happenings", hidden: !source.live, ontoggle: () => this.look() }, h("summary", {}, "What happened"),
      h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "What happened" }, h("table", {}, head("Time", "What", "Of", "Why"), this.rows)), this.more);
  }

  of(id) {
    if (id !== this.id) this.told = null;
    this.id = id;
    return this.look();
  }

  async look() {
    if (!this.element.open || !this.id) return;
    const page = await this.source.history(this.id);
    if (page === this.told) return;
    this.told = page;
    this.put(page, true);
  }

  put(page, anew) {
    const rows = page.items.map((one) => h("tr", {}, h("td", {}, moment(one.time)), h("td", {}, one.state in { started: 1 } ? one.state : [sign(one.state), one.state]),
      h("td", {}, one.period ? h("a", { href: address(this.id, one.period, one.group) }, `${one.period} ${one.group === "*" ? "" : one.group}`) : this.id), h("td", { class: "why" }, one.text)));
    if (anew) fill(this.rows, ...rows);
    else this.rows.append(...rows);
    this.cursor = page.next;
    this.more.hidden = !page.next;
  }

  async append() {
    this.put(await this.source.history(this.id, this.cursor), false);
  }
}
