// States, their signs, and how much of each there is.
import { h } from "./dom.js";

export const STATES = ["succeeded", "skipped", "running", "queued", "planned", "waiting", "failed", "cancelled"];
export const GLYPH = { succeeded: "✓", skipped: "=", running: "▸", queued: "…", planned: "·", waiting: "◔", failed: "✕", cancelled: "–" };
export const ENDED = ["succeeded", "skipped", "failed", "cancelled", "waiting"];
const WORST = ["failed", "running", "queued", "waiting", "cancelled", "planned", "succeeded", "skipped"];

export const worst = (states) => WORST.find((name) => states.includes(name)) ?? "planned";

export const sign = (state) => h("i", { class: `sign ${state}`, "aria-hidden": "true" }, GLYPH[state]);

export const badge = (state) => h("span", { class: `badge ${state}` }, state);

export const told = (counts) => STATES.filter((state) => counts[state]).map((state) => `${counts[state].toLocaleString("en")} ${state}`).join(", ");

export function progress(counts) {
  const total = Object.values(counts).reduce((a, b) => a + b, 0) || 1;
  const ended = ENDED.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  return h("div", { class: "progress", role: "img", "aria-label": `${ended} of ${total} ended` },
    STATES.filter((state) => counts[state]).map((state) => h("i", { class: state, style: { flexGrow: counts[state] } })));
}

export const legend = () =>
  h("ul", { class: "states", "aria-label": "What the signs mean" }, STATES.map((state) => h("li", {}, sign(state), state)));

export const moment = (iso) => (iso ? `${iso.slice(0, 19).replace("T", " ")} UTC` : "");

export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.round(seconds / 86400)} days`;
}
