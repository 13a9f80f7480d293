// Asks for a token, where the server knows nobody.
import { h } from "./dom.js";

export function signIn(text) {
  const token = h("input", { type: "password", autocomplete: "off", required: true });
  const problem = h("p", { class: "notice", role: "alert", hidden: !text }, text);
  const send = async (event) => {
    event.preventDefault();
    const answer = await fetch(`sign-in?token=${encodeURIComponent(token.value.trim())}`, { credentials: "same-origin" });
    if (answer.ok) return location.reload();
    problem.hidden = false;
    problem.textContent = (await answer.json().catch(() => ({}))).detail ?? answer.statusText;
  };
  return h("section", { class: "sign-in" }, h("h1", {}, "Sign in"),
    h("p", {}, "Open the address that `pileus serve` or `pileus dashboard` has printed, or give a token: `pileus token add NAME` makes one."),
    problem, h("form", { onsubmit: send }, h("label", {}, h("span", {}, "Token"), token), h("button", { type: "submit", class: "primary" }, "Sign in")));
}
