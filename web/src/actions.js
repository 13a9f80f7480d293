// What may be done to a backfill, and the question before it is done.
import { h, say } from "./dom.js";

const MAY = { running: ["pause", "cancel"], paused: ["resume", "cancel"] };
const ENDED = ["succeeded", "incomplete", "failed", "cancelled"];
const ASK = {
  cancel: "Cancel this backfill? What is running stops within a heartbeat; what has succeeded stays.",
  retry: "Run again what has not succeeded? What is up to date does not run.",
  "retry failed": "Run again all partitions that failed? Nothing else runs.",
  pause: "Pause this backfill? Running groups return to the queue.",
  resume: "Resume this backfill? What has not succeeded goes on.",
};

export const over = (backfill) => ENDED.includes(backfill.state);

// The names of buttons of a backfill, by its state.
export function possible(backfill) {
  if (!over(backfill)) return MAY[backfill.state] ?? [];
  return backfill.counts.failed ? ["retry failed", "retry"] : ["retry"];
}

export function button(name, onclick, label = title(name)) {
  return h("button", { type: "button", class: name === "cancel" ? "danger" : "", onclick }, label);
}

export const title = (name) => name[0].toUpperCase() + name.slice(1);

// Ask, and send it; `done` is called with the new summary, or with an error.
export function act(source, id, name, done) {
  const [action, select] = name.split(" ");
  const body = action === "retry" ? { select: select ?? "needed", only: [] } : undefined;
  confirm(`${title(name)} ${id}`, ASK[name], name, () => send(source, id, action, body, done));
}

// Run some points in time or partitions again.
export function again(source, id, only, done) {
  send(source, id, "retry", { select: "needed", only }, done);
}

async function send(source, id, action, body, done) {
  try {
    const summary = await source.act(id, action, body);
    say(`${action} was sent`);
    done(summary, null);
  } catch (error) {
    say(error.message);
    done(null, error);
  }
}

function confirm(head, text, name, go) {
  const close = () => dialog.close();
  const yes = () => {
    close();
    go();
  };
  const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask", onclose: () => dialog.remove() },
    h("h2", { id: "ask" }, head), h("p", {}, text),
    h("div", { class: "row" }, h("button", { type: "button", onclick: close }, "No"),
      h("button", { type: "button", class: name === "cancel" ? "danger" : "primary", onclick: yes }, `Yes, ${name}`)));
  document.body.append(dialog);
  dialog.showModal();
}
