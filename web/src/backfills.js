// The backfills: a list; for the chosen one a grid of months, what failed and why, and buttons.
import { act, actions, dataPath, fetched, fresh } from "./data.js";
import { bytes, fill, h, say } from "./dom.js";

const STATES = ["succeeded", "skipped", "running", "queued", "planned", "waiting", "failed", "cancelled"];
const GLYPH = { succeeded: "✓", skipped: "=", running: "▸", queued: "…", planned: "·", waiting: "◔", failed: "✕", cancelled: "–" };
const WORST = ["failed", "running", "queued", "waiting", "cancelled", "planned", "succeeded", "skipped"];
const MAY = { running: ["pause", "cancel"], paused: ["resume", "cancel"], succeeded: ["retry"], failed: ["retry"], cancelled: ["retry"] };
const ASK = {
  cancel: "Cancel this backfill? What is running stops within a heartbeat; what has succeeded stays.",
  retry: "Retry this backfill? What has not succeeded runs again.",
  pause: "Pause this backfill? Running groups return to the queue.",
  resume: "Resume this backfill? What has not succeeded goes on.",
};
const EVERY = 1500;

export class Backfills {
  constructor(index, navigate) {
    this.index = index;
    this.navigate = navigate;
    this.listing = h("div", { class: "cards" });
    this.body = h("section", { class: "backfill", "aria-label": "Backfill" });
    this.element = h("div", { class: "backfills" }, h("section", { class: "left", "aria-label": "All backfills" }, h("h1", {}, "Backfills"), this.listing), this.body);
  }

  async open([id]) {
    this.wanted = id;
    await this.look();
    if (this.index.live) this.timer ??= setInterval(() => document.hidden || this.look(), EVERY);
  }

  close() {
    clearInterval(this.timer);
    this.timer = null;
  }

  get(path) {
    return this.index.live ? fresh(path) : fetched(path);
  }

  async look() {
    try {
      const list = await this.get("data/backfills.json");
      const picked = list.find((one) => one.id === this.wanted) ?? list[0];
      const text = JSON.stringify(list) + picked?.id;
      if (text !== this.listed) this.showList(list, picked);
      this.listed = text;
      if (!picked) return this.body.replaceChildren(h("p", { class: "faint" }, "No backfill yet: `pileus backfill COLLECTION` starts one."));
      this.may ??= this.index.live ? await actions() : [];
      const whole = await this.get(dataPath("backfills", picked.key));
      const now = JSON.stringify(whole);
      if (now !== this.shown) this.show(whole);
      this.shown = now;
      this.lost?.remove();
      this.lost = null;
    } catch (error) {
      if (!this.lost) this.element.prepend((this.lost = h("p", { class: "notice", role: "alert" })));
      this.lost.textContent = `The stack does not answer: ${error.message}`;
    }
  }

  showList(list, picked) {
    this.listing.replaceChildren(
      ...list.map((one) =>
        h("a", { class: "card", href: `#/backfills/${encodeURIComponent(one.id)}`, "aria-current": one === picked ? "true" : null },
          h("b", {}, one.id), h("span", { class: `badge ${one.state}` }, one.state),
          h("span", { class: "faint" }, `${one.collection}, ${one.first} to ${one.last}`), progress(one.counts)),
      ),
    );
  }

  show(one) {
    const kept = this.body.querySelector(".cell:focus")?.dataset.period;
    const trouble = one.cells.filter((cell) => ["failed", "waiting", "cancelled"].includes(cell.state) && cell.why);
    const buttons = (MAY[one.state] ?? []).filter((name) => this.may.includes(name)).map((name) =>
      h("button", { type: "button", class: name === "cancel" ? "danger" : "", onclick: () => this.ask(one, name) }, name[0].toUpperCase() + name.slice(1)));
    const told = STATES.filter((state) => one.counts[state]).map((state) => `${one.counts[state]} ${state}`).join(", ");
    fill(
      this.body,
      h("div", { class: "title" }, h("h2", {}, one.id), h("span", { class: `badge ${one.state}` }, one.state), h("span", { class: "space" }), ...buttons),
      h("p", { class: "faint" }, [told, one.bytes.done ? `${bytes(one.bytes.done)} of ${bytes(one.bytes.wanted)} downloaded` : "", one.started ? `started ${one.started.slice(0, 16).replace("T", " ")} UTC` : "", one.started_by ? `by ${one.started_by}` : ""].filter(Boolean).join(" · ")),
      one.problem ? h("p", { class: "notice" }, one.problem) : null,
      progress(one.counts),
      this.grid(one),
      h("ul", { class: "states", "aria-label": "What the signs mean" }, STATES.map((state) => h("li", {}, h("i", { class: `sign ${state}` }, GLYPH[state]), state))),
      this.about = h("p", { class: "about", role: "status" }),
      trouble.length ? h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "What needs a look" }, h("h3", {}, "What needs a look"), table(trouble)) : null,
    );
    if (kept) this.body.querySelector(`.cell[data-period="${CSS.escape(kept)}"]`)?.focus();
    this.body.classList.toggle("live", one.state === "running");
  }

  // One row for each year; a month shows the state of its groups that needs attention most.
  grid(one) {
    const months = new Map();
    for (const cell of one.cells) months.set(cell.period, [...(months.get(cell.period) ?? []), cell]);
    const rows = new Map();
    for (const [period, cells] of months) rows.set(period.slice(0, 4), [...(rows.get(period.slice(0, 4)) ?? []), [period, cells]]);
    const monthly = one.unit === "month";
    const box = h("div", { class: `grid ${one.unit}`, role: "group", "aria-label": "A sign per period; arrow keys move" });
    if (monthly) box.append(h("span"), h("div", { class: "months", "aria-hidden": "true" }, [..."JFMAMJJASOND"].map((letter) => h("span", {}, letter))));
    for (const [year, periods] of rows) {
      box.append(h("span", { class: "year" }, year));
      const line = h("div", { class: "cells" });
      for (const [period, cells] of periods) {
        const state = WORST.find((name) => cells.some((cell) => cell.state === name)) ?? "planned";
        const button = h("button", { type: "button", class: `cell ${state}`, "data-period": period, tabindex: "-1", "aria-label": `${period}: ${state}`,
          title: describe(period, cells), onclick: () => this.tell(period, cells), onfocus: () => this.tell(period, cells) },
          GLYPH[state], cells.length > 1 ? h("sup", {}, cells.length) : null);
        if (monthly) button.style.gridColumn = Number(period.slice(5, 7));
        line.append(button);
      }
      box.append(line);
    }
    const all = [...box.querySelectorAll(".cell")];
    if (all[0]) all[0].tabIndex = 0;
    box.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: monthly ? 12 : 1, ArrowUp: monthly ? -12 : -1 }[event.key];
      const next = by && all[all.indexOf(document.activeElement) + by];
      if (!next) return;
      event.preventDefault();
      all.forEach((cell) => (cell.tabIndex = -1));
      next.tabIndex = 0;
      next.focus();
    });
    return box;
  }

  tell(period, cells) {
    this.about.textContent = describe(period, cells);
  }

  ask(one, action) {
    const close = () => dialog.close();
    const go = async () => {
      close();
      try {
        await act(one.id, action);
        say(`${action} was sent`);
      } catch (error) {
        this.about.textContent = error.message;
      }
      this.look();
    };
    const dialog = h("dialog", { "aria-labelledby": "ask", onclose: () => dialog.remove() },
      h("h2", { id: "ask" }, `${action[0].toUpperCase()}${action.slice(1)} ${one.id}`), h("p", {}, ASK[action]),
      h("div", { class: "row" }, h("button", { type: "button", onclick: close }, "No"), h("button", { type: "button", class: action === "cancel" ? "danger" : "primary", onclick: go }, `Yes, ${action}`)));
    document.body.append(dialog);
    dialog.showModal();
  }
}

function describe(period, cells) {
  return cells.map((cell) => {
    const facts = [cell.state, cell.why, cell.attempt > 1 ? `attempt ${cell.attempt}` : "", cell.downloaded ? bytes(cell.downloaded) : "", cell.seconds ? `${cell.seconds} s` : ""];
    return `${period} ${cell.group === "*" ? "" : cell.group} ${facts.filter(Boolean).join(", ")}`;
  }).join("\n");
}

function progress(counts) {
  const total = Object.values(counts).reduce((a, b) => a + b, 0) || 1;
  const ended = ["succeeded", "skipped", "failed", "cancelled", "waiting"].reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  return h("div", { class: "progress", role: "img", "aria-label": `${ended} of ${total} ended` },
    STATES.filter((state) => counts[state]).map((state) => h("i", { class: state, style: { flexGrow: counts[state] } })));
}

function table(cells) {
  const shown = cells.slice(0, 200);
  const body = h("tbody", {}, shown.map((cell) => h("tr", {}, h("td", {}, cell.period), h("td", {}, cell.group === "*" ? "" : cell.group), h("td", {}, h("i", { class: `sign ${cell.state}` }, GLYPH[cell.state]), cell.state), h("td", { class: "why" }, cell.why))));
  const more = cells.length > shown.length ? h("p", { class: "faint" }, `and ${cells.length - shown.length} more`) : null;
  return h("div", {}, h("table", {}, h("thead", {}, h("tr", {}, ["Period", "Group", "State", "Why"].map((name) => h("th", { scope: "col" }, name)))), body), more);
}
