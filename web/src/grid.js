// A sign for each point in time. Months stand in rows of a year; days in rows of a quarter, of a month where it is narrow.
import { h } from "./dom.js";
import { GLYPH, told } from "./states.js";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export class Grid {
  constructor({ onopen, ontell }) {
    this.onopen = onopen;
    this.ontell = ontell;
    this.element = h("div", { role: "group", "aria-label": "A sign per period; arrow keys move, Enter opens" });
    this.cells = new Map();
    this.element.addEventListener("keydown", (event) => this.keys(event));
    this.element.addEventListener("click", ({ target }) => target.dataset.period && this.onopen(target.dataset.period));
    for (const kind of ["focusin", "pointerover"]) this.element.addEventListener(kind, ({ target }) => this.tell(target));
  }

  // Build it anew where other points in time are there, else change what has changed.
  show(points, unit) {
    const same = unit === this.unit && points.length === this.points?.length && points.every((one, at) => one.period === this.points[at].period);
    this.points = points;
    this.unit = unit;
    this.at = new Map(points.map((one) => [one.period, one]));
    if (!same) this.build();
    for (const one of points) this.paint(one);
    if (this.cells.has(this.told)) this.tell(this.cells.get(this.told));
  }

  build() {
    const kept = document.activeElement?.dataset?.period;
    this.cells = new Map(this.points.map((one) => [one.period, h("button", { type: "button", tabindex: "-1", "data-period": one.period })]));
    this.painted = new Map();
    this.element.className = `grid ${this.unit}`;
    const rows = { month: () => this.months(), day: () => this.days() }[this.unit] ?? (() => this.years());
    this.element.replaceChildren(...rows());
    const first = this.cells.get(kept) ?? this.cells.values().next().value;
    if (first) first.tabIndex = 0;
    if (this.cells.has(kept)) first.focus();
  }

  byYear() {
    const years = new Map();
    for (const one of this.points) years.set(one.period.slice(0, 4), [...(years.get(one.period.slice(0, 4)) ?? []), one]);
    return years;
  }

  months() {
    const head = h("div", { class: "months", "aria-hidden": "true" }, [..."JFMAMJJASOND"].map((letter) => h("span", {}, letter)));
    const rows = [...this.byYear()].flatMap(([year, points]) => {
      const line = h("div", { class: "cells" });
      for (const { period } of points) {
        const cell = this.cells.get(period);
        cell.style.gridColumn = Number(period.slice(5, 7));
        line.append(cell);
      }
      return [h("span", { class: "year" }, year), line];
    });
    return [h("span"), head, ...rows];
  }

  days() {
    const months = new Map();
    for (const { period } of this.points) {
      if (!months.has(period.slice(0, 7))) months.set(period.slice(0, 7), h("div", { class: "days" }));
      const cell = this.cells.get(period);
      cell.style.gridColumn = Number(period.slice(8, 10));
      months.get(period.slice(0, 7)).append(cell);
    }
    const years = new Map();
    for (const [month, days] of months) {
      const year = month.slice(0, 4), number = Number(month.slice(5, 7));
      if (!years.has(year)) years.set(year, h("div", { class: "quarters" }));
      const box = h("div", { class: `daily at-${(number - 1) % 3}` }, h("span", { class: "which", "aria-hidden": "true" }, MONTHS[number - 1]), days);
      years.get(year).append(box);
    }
    return [...years].flatMap(([year, box]) => [h("span", { class: "year" }, year), box]);
  }

  years() {
    return [...this.byYear()].flatMap(([year, points]) =>
      [h("span", { class: "year" }, year), h("div", { class: "cells" }, points.map(({ period }) => this.cells.get(period)))]);
  }

  paint(one) {
    const groups = Object.values(one.groups).reduce((a, b) => a + b, 0);
    const sign = `${one.state} ${groups}`;
    if (this.painted.get(one.period) === sign) return;
    this.painted.set(one.period, sign);
    const cell = this.cells.get(one.period);
    cell.className = `cell ${one.state}`;
    cell.setAttribute("aria-label", `${one.period}: ${one.state}`);
    if (this.unit === "day") return;
    cell.replaceChildren(GLYPH[one.state], ...(groups > 1 ? [h("sup", {}, groups)] : []));
  }

  tell(cell) {
    const one = this.at?.get(cell.dataset.period);
    if (!one) return;
    this.told = one.period;
    cell.title = `${one.period}: ${told(one.groups)}`;
    this.ontell(cell.title);
  }

  focus(period) {
    const cell = this.cells.get(period);
    if (!cell) return;
    this.cells.forEach((other) => other.tabIndex === 0 && (other.tabIndex = -1));
    cell.tabIndex = 0;
    cell.focus();
  }

  keys(event) {
    const here = this.points.findIndex((one) => one.period === document.activeElement?.dataset.period);
    if (here < 0) return;
    const row = { month: 12, day: 7 }[this.unit] ?? 10;
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row, PageDown: 10 * row, PageUp: -10 * row, Home: -here, End: this.points.length }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    this.focus(this.points[Math.min(Math.max(here + by, 0), this.points.length - 1)].period);
  }
}
