// The page: two views, chosen by the address after #.
import { Backfills } from "./backfills.js";
import { theme } from "./colour.js";
import { fetched } from "./data.js";
import { h } from "./dom.js";
import { Places } from "./places.js";

const main = document.getElementById("main");
const views = {};
let shown;

const parse = () => {
  const [view, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  return [view in { places: 1, backfills: 1 } ? view : "places", rest.map(decodeURIComponent)];
};

function navigate(parts, quietly = false) {
  const hash = `#/${parts.map(encodeURIComponent).join("/")}`;
  if (hash === location.hash) return;
  if (quietly) history.replaceState(null, "", hash);
  else location.hash = hash;
}

async function route(index) {
  const [name, rest] = parse();
  views[name] ??= name === "places" ? new Places(index, navigate) : new Backfills(index, navigate);
  const view = views[name];
  if (shown !== view) {
    shown?.close();
    main.replaceChildren(view.element);
    shown = view;
  }
  document.querySelectorAll("nav a").forEach((link) => {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  document.title = `${name === "places" ? "Places" : "Backfills"} · Pileus`;
  await view.open(rest);
  document.documentElement.dataset.ready = name;
}

function themed() {
  const saved = localStorage.getItem("theme");
  if (saved) document.documentElement.dataset.theme = saved;
  document.getElementById("theme").addEventListener("click", () => {
    const next = theme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
    views.places?.themed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => views.places?.themed());
}

async function start() {
  themed();
  try {
    const index = await fetched("data/index.json");
    document.getElementById("made").textContent = index.live ? "" : `as of ${index.made.slice(0, 16).replace("T", " ")} UTC`;
    addEventListener("hashchange", () => route(index));
    await route(index);
  } catch (error) {
    main.replaceChildren(h("p", { class: "notice", role: "alert" }, `This page could not be filled: ${error.message}`));
  }
}

start();
