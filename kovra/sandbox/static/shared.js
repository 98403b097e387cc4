// What the parts of the front page share. Text goes in as text nodes only.

export const byId = (id) => document.getElementById(id);
export const world = JSON.parse(byId("world").textContent);
// A link to a channel or a message opens this page there, as it would open Discord.
const [, linked, pointed] = location.pathname.match(/^\/channels\/\d+\/(\d+)(?:\/(\d+))?/) || [];
export const state = { person: localStorage.person || world.people[0].id, channel: linked || localStorage.channel || "", pointed };

export async function ask(method, path, body) {
  const answer = await fetch("/control/" + path, {
    method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body),
  });
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error || answer.statusText);
  return data;
}

export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function button(text, press, attributes) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.onclick = press;
  return made;
}

export function say(text, bad) {
  byId("note").textContent = text;
  byId("note").className = bad ? "bad" : "";
}

// Does something and says what went wrong with it, if anything did.
export async function attempt(deed, done) {
  try { const found = await deed(); if (done) say(done); return found; } catch (error) { say(error.message, true); }
}

// Changes a list in place, so that what stays keeps its focus and its place: [key, text that changes with it, make].
export function fill(list, items) {
  const kept = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const nodes = items.map(([key, text, make]) => {
    const old = kept.get(key);
    if (old && old.kovraText === text) return old;
    const made = make();
    made.dataset.key = key;
    made.kovraText = text;
    return made;
  });
  const staying = new Set(nodes);
  for (const node of kept.values()) if (!staying.has(node)) node.remove();
  nodes.forEach((node, place) => { if (list.children[place] !== node) list.insertBefore(node, list.children[place] || null); });
}

export function lines(id, texts) {
  fill(byId(id), texts.map(([text, kind], place) => [String(place), text + kind, () => element("li", kind ? { class: kind } : {}, text)]));
}

// People by id, and by the text that stands for them in a list; whoever left stays known.
export const names = new Map();
const ids = new Map();

export function know(id, name) {
  names.set(id, name);
  const text = `${name} (${id})`;
  ids.set(text, id);
  return [id, text, () => element("option", { value: text })];
}

// The id behind what was chosen or written: the listed text, an id, or a name that only one person has.
export function picked(text) {
  const id = ids.get(text) || (text.match(/(\d{17,20})\)?$/) || [])[1];
  if (id) return id;
  const wanted = text.replace(/^@/, "").toLowerCase();
  const found = [...names].filter(([, name]) => name.toLowerCase() === wanted);
  if (found.length === 1) return found[0][0];
  throw new Error(found.length ? `${found.length} people are called ${text}: choose one from the list.`
    : `Nobody here is called ${text}: choose somebody from the list.`);
}
