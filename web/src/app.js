// The page: its views, chosen by the address after #.
import { Backfills } from "./backfills.js";
import { theme } from "./colour.js";
import { fetched, post, session } from "./data.js";
import { h } from "./dom.js";
import { Places } from "./places.js";
import { signIn } from "./signin.js";
import { Exported, Live } from "./source.js";
import { Start } from "./start.js";

const main = document.getElementById("main");
const TITLES = { places: "Places", backfills: "Backfills", start: "Start a backfill" };
const views = {};
let shown;

const parse = (may) => {
  const [view, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const known = view in TITLES && (view !== "start" || may);
  return [known ? view : "places", known ? rest.filter(Boolean).map(decodeURIComponent) : []];
};

function navigate(parts, quietly = false) {
  const hash = `#/${parts.map(encodeURIComponent).join("/")}`;
  if (hash === location.hash) return;
  if (quietly) history.replaceState(null, "", hash);
  else location.hash = hash;
}

async function route({ index, source, may }) {
  const [name, rest] = parse(may);
  const make = { places: () => new Places(index, navigate), backfills: () => new Backfills(index, source, navigate, may), start: () => new Start(navigate) };
  const view = (views[name] ??= make[name]());
  if (shown !== view) {
    shown?.close();
    main.replaceChildren(view.element);
    shown = view;
  }
  document.querySelectorAll("nav a").forEach((link) => {
    if (link.dataset.view === (name === "start" ? "backfills" : name)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  document.title = `${TITLES[name]} · Pileus`;
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

// Who looks at a page that a server shows; whether they may change something.
async function known() {
  const { name, role } = await session();
  const out = h("button", { type: "button", class: "quiet", "aria-label": "Sign out", title: `Sign out ${name}`, onclick: async () => {
    await post("sign-out");
    location.reload();
  } }, "⏏");
  document.getElementById("who").replaceChildren(h("span", { class: "faint" }, `${name}, ${role}`), out);
  return role === "operate" || role === "admin";
}

async function start() {
  themed();
  try {
    const index = await fetched("data/index.json");
    document.getElementById("made").textContent = index.live ? "" : `as of ${index.made.slice(0, 16).replace("T", " ")} UTC`;
    const page = { index, source: index.live ? new Live() : new Exported(), may: index.live && (await known()) };
    addEventListener("hashchange", () => route(page));
    await route(page);
  } catch (error) {
    if (error.status === 401 || error.status === 429) main.replaceChildren(signIn(error.status === 429 ? error.message : ""));
    else main.replaceChildren(h("p", { class: "notice", role: "alert" }, `This page could not be filled: ${error.message}`));
    document.documentElement.dataset.ready = "none";
  }
}

start();
