// The page's files, each fetched once; `fresh` asks again.
const kept = new Map();

export async function fetched(path) {
  if (!kept.has(path)) kept.set(path, fresh(path));
  try {
    return await kept.get(path);
  } catch (error) {
    kept.delete(path);
    throw error;
  }
}

export async function fresh(path) {
  const answer = await fetch(path, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(await problem(answer));
  return answer.json();
}

async function problem(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

let session;

export async function actions() {
  session ??= await fresh("live/session.json").catch(() => ({ actions: [] }));
  return session.actions;
}

export async function act(id, action) {
  const send = () =>
    fetch(`live/backfills/${encodeURIComponent(id)}/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Pileus-Token": session.token },
      body: "{}",
    });
  const answer = await send();
  if (!answer.ok) throw new Error(await problem(answer));
}

export const segment = encodeURIComponent;
export const dataPath = (...parts) => `data/${parts.map(segment).join("/")}.json`;
