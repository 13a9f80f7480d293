// Where the page's backfills come from: a server's /v1, or the files of an exported page. Both answer the same.
import { dataPath, fetched, fresh, post, segment } from "./data.js";
import { worst } from "./states.js";

const POLL = 2000;
const query = (facts) => new URLSearchParams(Object.entries(facts).filter(([, value]) => value)).toString();

export class Live {
  live = true;

  path(id, ...rest) {
    return ["../v1/backfills", segment(id), ...rest].join("/");
  }

  list(cursor) {
    return fresh(`../v1/backfills?${query({ limit: 50, cursor })}`);
  }

  summary(id) {
    return fresh(this.path(id));
  }

  grid(id) {
    return fresh(this.path(id, "grid"));
  }

  partitions(id, asked) {
    return fresh(this.path(id, `partitions?${query({ limit: 100, ...asked })}`));
  }

  // A group is one segment also where it holds a slash: it is encoded twice, as keys write it and for the address.
  partition(id, period, group, ...rest) {
    return fresh(this.path(id, "partitions", segment(period), segment(segment(group)), ...rest));
  }

  logs(id, period, group) {
    return this.partition(id, period, group, "logs");
  }

  history(id, cursor) {
    return fresh(this.path(id, `history?${query({ limit: 50, cursor })}`));
  }

  timing(id, limit) {
    return fresh(this.path(id, `timing?${query({ limit })}`));
  }

  act(id, action, body) {
    return post(this.path(id, action), body);
  }

  // Calls back with each new summary, each thing that happens, and each failure to hear of it. Returns what ends it.
  watch(id, { onstatus, onchange, onlost }) {
    let timer;
    let stopped = false;
    const poll = async () => {
      try {
        const found = await this.summary(id);
        if (!stopped) onstatus(found);
      } catch (error) {
        if (!stopped) onlost(error);
      }
      if (!stopped) timer = setTimeout(poll, POLL);
    };
    const events = new EventSource(this.path(id, "events"));
    events.addEventListener("status", (event) => onstatus(JSON.parse(event.data)));
    events.addEventListener("change", (event) => onchange(JSON.parse(event.data)));
    events.addEventListener("error", () => {
      if (stopped) return;
      if (events.readyState === EventSource.CLOSED) poll();
      else this.summary(id).then(onstatus, onlost); // the browser connects again by itself
    });
    return () => {
      stopped = true;
      events.close();
      clearTimeout(timer);
    };
  }
}

export class Exported {
  live = false;

  async list() {
    return { items: await fetched("data/backfills.json"), next: null };
  }

  whole(id) {
    return this.list().then(({ items }) => fetched(dataPath("backfills", items.find((one) => one.id === id)?.key ?? id)));
  }

  summary(id) {
    return this.whole(id);
  }

  async grid(id) {
    const points = new Map();
    for (const { period, state } of (await this.whole(id)).cells) {
      const groups = points.get(period) ?? {};
      points.set(period, groups);
      groups[state] = (groups[state] ?? 0) + 1;
    }
    return [...points].map(([period, groups]) => ({ period, groups, state: worst(Object.keys(groups)) }));
  }

  async partitions(id, { state, period, text }) {
    const wanted = text?.toLowerCase() ?? "";
    const { cells } = await this.whole(id);
    const items = cells.filter((one) => (!state || one.state === state) && (!period || one.period === period) &&
      `${one.period}/${one.group} ${one.why ?? ""}`.toLowerCase().includes(wanted));
    return { items, next: null };
  }

  async partition(id, period, group) {
    const { cells } = await this.whole(id);
    const found = cells.find((one) => one.period === period && one.group === group);
    if (!found) throw new Error(`backfill ${id} has no partition ${period}/${group}`);
    return { ...found, files: [], outputs: [], missing: [], notes: [], manifest: null };
  }

  async logs() {
    return null;
  }

  async history() {
    return null;
  }

  async timing() {
    return null;
  }

  watch() {
    return () => {};
  }
}
