// Reading and asking. A file of the page is fetched once; what /v1 answers is kept with its entity tag.
const kept = new Map();
const tagged = new Map();

export const segment = encodeURIComponent;
export const dataPath = (...parts) => `data/${parts.map(segment).join("/")}.json`;

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export async function fetched(path) {
  if (!kept.has(path)) kept.set(path, fresh(path));
  try {
    return await kept.get(path);
  } catch (error) {
    kept.delete(path);
    throw error;
  }
}

// The same object comes back while the answer has not changed.
export async function fresh(path) {
  const before = tagged.get(path);
  const answer = await fetch(path, { credentials: "same-origin", headers: before ? { "If-None-Match": before.tag } : {} });
  if (answer.status === 304) return before.value;
  if (!answer.ok) throw await refusal(answer);
  const value = await answer.json();
  const tag = answer.headers.get("ETag");
  if (tag) {
    tagged.delete(path);
    tagged.set(path, { tag, value });
    if (tagged.size > 100) tagged.delete(tagged.keys().next().value);
  }
  return value;
}

async function refusal(answer) {
  const told = await answer.json().catch(() => ({}));
  return new Refused(answer.status, told.detail ?? `${answer.status} ${answer.statusText}`);
}

export async function post(path, body) {
  const { header } = await session();
  const headers = { "Content-Type": "application/json", [header]: "1" };
  const answer = await fetch(path, { method: "POST", credentials: "same-origin", headers, body: JSON.stringify(body ?? {}) });
  if (!answer.ok) throw await refusal(answer);
  return answer.status === 204 ? null : answer.json();
}

// Who looks at the page. An exported page has nobody.
export const session = () => fetched("live/session.json");
