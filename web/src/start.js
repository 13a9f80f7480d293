// Starts a backfill, with what it would do in front of whoever starts it.
import { fresh, post } from "./data.js";
import { bytes, fill, h, say } from "./dom.js";

const SELECTS = { needed: "what is not up to date", missing: "what was never made", failed: "what failed", incomplete: "what waited for files", stale: "what is out of date", all: "everything" };
const ORDERS = { oldest: "oldest first", newest: "newest first", smallest: "smallest first" };
const SHOWN = 300;

export class Start {
  constructor(navigate) {
    this.navigate = navigate;
    const options = (all) => Object.entries(all).map(([value, text]) => h("option", { value }, `${value}: ${text}`));
    const field = (label, input) => h("label", {}, h("span", {}, label), input);
    const changed = { onchange: () => this.stale(), oninput: () => this.stale() };
    this.collection = h("select", { ...changed, onchange: () => this.chosen() });
    this.first = h("input", { ...changed, autocomplete: "off" });
    this.last = h("input", { ...changed, autocomplete: "off" });
    this.select = h("select", changed, options(SELECTS));
    this.order = h("select", changed, options(ORDERS));
    this.name = h("input", { autocomplete: "off", placeholder: "made if not given", oninput: () => this.words() });
    this.failures = h("input", { type: "number", min: "0", autocomplete: "off", placeholder: "no limit", oninput: () => this.words() });
    this.version = h("select", changed);
    const limit = (placeholder, more) => h("input", { type: "number", min: "1", autocomplete: "off", placeholder, oninput: () => this.words(), ...more });
    this.running = limit("no limit");
    this.dollars = limit("no limit", { min: "0.01", step: "any" });
    this.command = h("code", { class: "command" });
    this.problem = h("p", { class: "notice", role: "alert", hidden: true });
    this.planned = h("section", { class: "forecast", "aria-label": "Plan", "aria-live": "polite" });
    this.planning = h("button", { type: "submit", class: "primary" }, "Plan");
    this.form = h("form", { class: "start-form", onsubmit: (event) => this.plan(event) },
      field("Collection", this.collection), field("Version", this.version), field("From", this.first), field("To", this.last), field("Select", this.select), field("Order", this.order),
      field("Name", this.name), field("Max failures", this.failures), field("Max running", this.running), field("Max dollars on AWS", this.dollars),
      h("div", { class: "row" }, this.planning));
    this.element = h("div", { class: "start" }, h("h1", {}, "Start a backfill"), h("p", { class: "faint" }, "The same at a terminal: ", this.command), this.form, this.problem, this.planned);
  }

  async open([name]) {
    try {
      const all = (await fresh("../v1/collections")).filter((one) => one.options?.spanUnit ?? one.templated_name);
      this.all = all;
      fill(this.collection, ...[...new Set(all.map((one) => one.name))].map((value) => h("option", { value }, value)));
      if (name) this.collection.value = name;
      if (!all.length) this.tell("No collection is populated that a backfill could be of: `pileus populate` does that.");
      this.planning.disabled = !all.length;
      this.chosen();
    } catch (error) {
      this.tell(error.message);
    }
  }

  close() {}

  chosen() {
    const versions = (this.all ?? []).filter((one) => one.name === this.collection.value);
    const { options = {}, version } = versions.at(-1) ?? {};
    fill(this.version, ...versions.toReversed().map((one) => h("option", { value: one.version }, one.version)));
    this.newest = version;
    this.first.value = "";
    this.last.value = "";
    this.first.placeholder = String(options.spanStart ?? "");
    this.last.placeholder = String(options.spanEnd ?? "");
    this.stale();
  }

  get asked() {
    const version = this.version.value === this.newest ? null : this.version.value;
    return { collection: this.collection.value, version, first: this.first.value.trim() || null, last: this.last.value.trim() || null, select: this.select.value, order: this.order.value };
  }

  words() {
    const { collection, version, first, last, select, order } = this.asked;
    const more = [version && `--version ${version}`, first && `--from ${first}`, last && `--to ${last}`, select !== "needed" && `--select ${select}`, order !== "oldest" && `--order ${order}`,
      this.name.value.trim() && `--name ${this.name.value.trim()}`, this.failures.value && `--max-failures ${this.failures.value}`, this.running.value && `--max-running ${this.running.value}`, this.dollars.value && `--max-dollars ${this.dollars.value}`];
    this.command.textContent = ["pileus backfill", collection, ...more.filter(Boolean)].join(" ");
  }

  stale() {
    this.planned.replaceChildren();
    this.words();
  }

  tell(text) {
    this.problem.textContent = text ?? "";
    this.problem.hidden = !text;
  }

  async plan(event) {
    event.preventDefault();
    this.tell();
    this.planning.disabled = true;
    fill(this.planned, h("p", { class: "faint" }, "Asking the provider"));
    const asked = this.asked;
    try {
      const plan = await post("../v1/backfills/plan", asked);
      if (JSON.stringify(asked) === JSON.stringify(this.asked)) this.show(asked, plan);
    } catch (error) {
      this.planned.replaceChildren();
      this.tell(error.message);
    }
    this.planning.disabled = false;
  }

  show(asked, { totals, partitions }) {
    const told = Object.entries(totals.actions).map(([action, count]) => `${count.toLocaleString("en")} ${action}`).join(", ") || "nothing is there";
    const price = totals.dollars === undefined ? "" : ` · on AWS about ${totals.dollars.toFixed(2)} dollars and ${Math.round(totals.minutes)} minutes`;
    const go = h("button", { type: "button", class: "primary", onclick: () => this.start(asked, go) }, "Start this backfill");
    const rows = partitions.slice(0, SHOWN).map((one) => {
      const [, , period, group] = one.partition.split("/").map(decodeURIComponent);
      return h("tr", {}, h("td", {}, period ?? one.partition), h("td", {}, group === "*" ? "" : group ?? ""), h("td", {}, one.action), h("td", { class: "num" }, String(one.files)), h("td", { class: "num" }, bytes(one.size)), h("td", { class: "why" }, one.reason));
    });
    fill(this.planned, h("div", { class: "title" }, h("h2", {}, told), h("span", { class: "space" }), go),
      h("p", { class: "faint" }, `${totals.files.toLocaleString("en")} files, ${bytes(totals.bytes)} to download${price}`),
      h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Planned partitions" }, h("table", {}, h("thead", {}, h("tr", {}, ["Period", "Group", "Action", "Files", "Size", "Why"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows))),
      partitions.length > SHOWN ? h("p", { class: "faint" }, `and ${(partitions.length - SHOWN).toLocaleString("en")} more`) : null);
    say(`Plan: ${told}`);
  }

  async start(asked, go) {
    go.disabled = true;
    this.tell();
    try {
      const number = (input) => (input.value ? Number(input.value) : null);
      const limits = { max_failures: number(this.failures), max_running: number(this.running), max_dollars: number(this.dollars) };
      const body = { ...asked, id: this.name.value.trim() || null, ...limits, command: this.command.textContent };
      const { id } = await post("../v1/backfills", body);
      this.stale();
      this.navigate(["backfills", id]);
    } catch (error) {
      this.tell(error.message);
      go.disabled = false;
    }
  }
}

