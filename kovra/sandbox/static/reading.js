// The guild as one of its people sees it: channels, threads, messages, and what one does with a message.

import { ask, attempt, button, byId, element, fill, names, say, state, world } from "./shared.js";
import { choosable, CHANNEL, interact, menus, offer } from "./commands.js";

const EMOJI = ["👍", "❤️", "😂", "🏮", "👀", "🎉"];
const SYSTEM = { 6: "pinned a message", 7: "joined the server", 18: "started a thread:", 21: "started this thread" };
const seen = new Map(); // channel -> the newest message one has read there

export async function showChannels() {
  const [all, threads] = await Promise.all(["channels", "threads"].map((what) =>
    ask("GET", `guilds/${world.guild_id}/${what}?as=${state.person}`)));
  const texts = all.filter((channel) => channel.type === 0);
  choosable[CHANNEL] = all.map((channel) => ["# " + channel.name, channel.id]);
  const shown = texts.flatMap((channel) => [channel, ...threads.filter((thread) => thread.parent_id === channel.id)]);
  if (state.channel !== "dm" && !shown.some((channel) => channel.id === state.channel)) {
    state.channel = (texts.find((channel) => channel.name === "main-hall") || texts[0] || { id: "dm" }).id;
  }
  const dm = { id: "dm", name: "Messages with " + world.bot };
  fill(byId("channels"), [...shown, dm].map((channel) => {
    const here = channel.id === state.channel;
    if (here || !seen.has(channel.id)) seen.set(channel.id, channel.last_message_id);
    const news = seen.get(channel.id) !== channel.last_message_id;
    const name = (channel.parent_id && channel.type >= 10 ? "↳ " : channel === dm ? "" : "# ") + channel.name;
    return [channel.id, name + here + news, () => element("li", {}, button(name, () => go(channel.id),
      { ...(here ? { "aria-current": "true" } : {}), ...(news ? { class: "news" } : {}) }))];
  }));
  const place = shown.find((channel) => channel.id === state.channel) || dm;
  byId("place").replaceChildren((place === dm ? "" : place.type >= 10 ? "↳ " : "# ") + place.name, " ",
    element("small", {}, place.topic || ""));
}

function go(channel) {
  state.channel = localStorage.channel = channel;
  byId("messages").replaceChildren();
  refresh();
}

function read(text) {
  // As much of Discord's marks as bots write: mentions by name, code and bold without their marks, escaped letters.
  return text.replace(/<@!?(\d+)>/g, (_, id) => "@" + (names.get(id) || id)).replace(/<t:(\d+)(?::\w)?>/g, (_, at) =>
    new Date(at * 1000).toLocaleString()).replace(/`([^`\n]+)`/g, "$1").replace(/\*\*([^*\n]+)\*\*/g, "$1")
    .replace(/\\([\\_*~`|>#-])/g, "$1");
}

function embedOf(embed) {
  const box = element("div", { class: "embed" });
  if (embed.title) box.append(element("b", {}, read(embed.title)));
  if (embed.description) box.append(element("p", {}, read(embed.description)));
  for (const field of embed.fields || []) box.append(element("p", {}, element("small", {}, field.name + " "), read(field.value)));
  if (embed.footer) box.append(element("small", {}, embed.footer.text));
  return box;
}

function when(timestamp) {
  const at = new Date(timestamp);
  const today = at.toDateString() === new Date().toDateString();
  return today ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : at.toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

function messageOf(message, follows) {
  const name = message.author.global_name || message.author.username;
  const notes = [when(message.timestamp), message.author.bot && (message.webhook_id && message.webhook_id !== world.bot_id ? "webhook" : "bot"),
    message.edited_timestamp && "edited", message.pinned && "📌 pinned", message.flags & 64 && "only you see this"].filter(Boolean);
  const head = element("div", { class: "head" }, element("b", {}, name), " ", element("small", {}, notes.join(" · ")));
  const body = element("div", { class: "said" });
  if (!follows) body.append(head);
  if (message.flags & 128) body.append(element("p", { class: "dim" }, "is thinking…"));
  if (SYSTEM[message.type]) body.append(element("p", { class: "dim" }, SYSTEM[message.type] + " " + message.content));
  else if (message.content) body.append(element("p", {}, read(message.content)));
  body.append(...message.embeds.map(embedOf));
  for (const file of message.attachments) body.append(element("p", {}, element("a", { href: file.url, target: "_blank" }, "📎 " + file.filename)));
  for (const row of message.components) for (const part of row.components || []) if (part.type === 2 && part.url) {
    body.append(element("a", { href: part.url, target: "_blank", class: "press" }, part.label || part.url));
  } else if (part.type === 2 && part.custom_id) {
    body.append(button(part.label || part.custom_id, () =>
      interact({ component: { custom_id: part.custom_id, message_id: message.id } }), { class: "press" }));
  }
  const marks = (message.reactions || []).map((reaction) => button(`${reaction.emoji.name} ${reaction.count}`,
    () => react(message, reaction.emoji.name), { class: "mark", "aria-label": `${reaction.emoji.name}, ${reaction.count}: react too` }));
  if (message.thread) marks.push(button("↳ " + message.thread.name, () => go(message.thread.id), { class: "mark" }));
  if (marks.length) body.append(element("div", { class: "marks" }, ...marks));
  const more = button("⋯", () => openMenu(message, name), { class: "more", "aria-label": "More about the message of " + name });
  const avatar = follows ? element("span", { class: "avatar none" })
    : element("span", { class: "avatar a" + Number(BigInt(message.author.id) % 6n), "aria-hidden": "true" }, name[0].toUpperCase());
  const made = element("li", { ...(message.id === state.pointed ? { "aria-current": "true" } : {}), ...(follows ? { class: "follows" } : {}) }, avatar, body);
  if (!(message.flags & 64)) made.append(more);
  return made;
}

export async function showMessages() {
  const channel = state.channel;
  const messages = await ask("GET", channel === "dm" ? `users/${state.person}/dms` : `channels/${channel}/messages?as=${state.person}`);
  if (channel !== state.channel) return; // one went elsewhere while it was on its way
  const list = byId("messages");
  const fresh = !list.children.length, low = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const last = list.lastElementChild;
  fill(list, messages.map((message, place) => {
    const before = messages[place - 1];
    names.set(message.author.id, names.get(message.author.id) || message.author.global_name || message.author.username);
    const follows = before && before.author.id === message.author.id && !before.embeds.length && !SYSTEM[before.type]
      && Date.parse(message.timestamp) - Date.parse(before.timestamp) < 300000;
    return [message.id, JSON.stringify(message) + follows, () => messageOf(message, follows)];
  }));
  if ((fresh || low) && list.lastElementChild !== last) list.scrollTop = list.scrollHeight;
  if (fresh) list.querySelector("[aria-current]")?.scrollIntoView({ block: "center" });
}

const about = (message) => ({ channel_id: message.channel_id, message_id: message.id });
const staff = () => world.people.some((person) => person.id === state.person);
// What only staff can do by hand is the owner's doing when the page is seen as somebody else.
export const by = () => staff() ? { by: state.person } : {};

function react(message, emoji) {
  return act(() => ask("POST", "reactions", { ...about(message), user_id: state.person, emoji }));
}

async function act(deed) {
  byId("menu").close();
  await attempt(deed, "");
  await refresh();
}

function openMenu(message, name) {
  const box = byId("menu");
  const field = element("input", { type: "text", "aria-label": "Name of the thread", placeholder: "Name of a thread", maxlength: "100" });
  const thread = element("form", { class: "row" }, field, element("button", {}, "Start thread"));
  thread.onsubmit = (event) => {
    event.preventDefault();
    act(() => ask("POST", "threads", { ...about(message), user_id: state.person, name: field.value }));
  };
  box.replaceChildren(element("p", {}, element("b", {}, name), " ", element("small", {}, read(message.content).slice(0, 80))),
    element("div", { class: "row" }, ...EMOJI.map((emoji) => button(emoji, () => react(message, emoji), { "aria-label": "React with " + emoji }))),
    ...(message.thread || state.channel === "dm" ? [] : [thread]),
    element("div", { class: "row" },
      button(message.pinned ? "Unpin" : "Pin", () => act(() => ask("POST", "pins", { ...about(message), by: state.person, on: !message.pinned }))),
      button("Delete", () => act(() => ask("POST", "messages/delete", { ...about(message), by: state.person }))),
      ...menus(3).map((menu) => button(menu, () => { box.close(); interact({ command: menu, target_id: message.id }); })),
      button("Close", () => box.close())));
  box.showModal();
}

byId("talk").onsubmit = (event) => {
  event.preventDefault();
  attempt(async () => {
    const where = state.channel === "dm" ? {} : { channel_id: state.channel };
    await ask("POST", "messages", { user_id: state.person, content: byId("text").value, ...where });
    byId("text").value = "";
    byId("messages").scrollTop = byId("messages").scrollHeight;
    await showMessages();
  }, "");
  say("");
};

export async function refresh() {
  await attempt(async () => { await showChannels(); await showMessages(); offer(); });
}
