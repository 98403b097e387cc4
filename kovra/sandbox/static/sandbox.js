"use strict";
// The front page: a guild as one of its people sees it. Text goes in as text nodes only.

const byId = (id) => document.getElementById(id);
const world = JSON.parse(byId("world").textContent);
// A link to a channel or a message opens this page there, as it would open Discord.
const [, linked, pointed] = location.pathname.match(/^\/channels\/\d+\/(\d+)(?:\/(\d+))?/) || [];
const state = { person: localStorage.person || world.people[0].id, channel: linked || localStorage.channel || "", seen: "" };

async function ask(method, path, body) {
  const answer = await fetch("/control/" + path, {
    method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body),
  });
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error || answer.statusText);
  return data;
}

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function say(text, bad) {
  byId("note").textContent = text;
  byId("note").className = bad ? "bad" : "";
}

async function showChannels() {
  const all = await ask("GET", `guilds/${world.guild_id}/channels?as=${state.person}`);
  const texts = all.filter((channel) => channel.type === 0);
  choosable[CHANNEL] = all.map((channel) => ["# " + channel.name, channel.id]);
  if (state.channel !== "dm" && !texts.some((channel) => channel.id === state.channel)) {
    state.channel = (texts.find((channel) => channel.name === "main-hall") || texts[0] || { id: "dm" }).id;
  }
  const items = texts.map((channel) => ["# " + channel.name, channel.id]).concat([["Messages with " + world.bot, "dm"]]);
  byId("channels").replaceChildren(...items.map(([name, id]) => {
    const button = element("button", { type: "button", ...(id === state.channel ? { "aria-current": "true" } : {}) }, name);
    button.onclick = () => { state.channel = localStorage.channel = id; state.seen = ""; refresh(); };
    return element("li", {}, button);
  }));
}

const names = new Map();

function read(text) {
  // As much of Discord's marks as bots write: mentions by name, code without its ticks, escaped letters.
  return text.replace(/<@!?(\d+)>/g, (_, id) => "@" + (names.get(id) || id)).replace(/`([^`\n]+)`/g, "$1")
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

function messageOf(message) {
  const name = message.author.global_name || message.author.username;
  const head = element("div", {}, element("b", {}, name), " ",
    element("small", {}, new Date(message.timestamp).toLocaleString() + (message.flags & 64 ? " · only you see this" : "")));
  const body = element("div", { class: "said" }, head);
  if (message.flags & 128) body.append(element("p", { class: "dim" }, "is thinking…"));
  if (message.content) body.append(element("p", {}, read(message.content)));
  body.append(...message.embeds.map(embedOf));
  for (const row of message.components) for (const part of row.components || []) if (part.type === 2 && part.custom_id) {
    const button = element("button", { type: "button", class: "press" }, part.label || part.custom_id);
    button.onclick = () => interact({ component: { custom_id: part.custom_id, message_id: message.id } });
    body.append(button);
  }
  const here = message.id === pointed ? { "aria-current": "true" } : {};
  return element("li", here, element("span", { class: "avatar a" + Number(BigInt(message.author.id) % 6n) }, name[0]), body);
}

async function showMessages() {
  const path = state.channel === "dm" ? `users/${state.person}/dms` : `channels/${state.channel}/messages?as=${state.person}`;
  const messages = await ask("GET", path);
  const text = JSON.stringify(messages);
  if (text === state.seen) return;
  state.seen = text;
  const list = byId("messages");
  list.replaceChildren(...messages.map(messageOf));
  list.scrollTop = list.scrollHeight;
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "center" });
}

function commandNames(commands) {
  const names = [];
  const walk = (path, item) => {
    const inner = (item.options || []).filter((option) => option.type <= 2);
    if (inner.length) inner.forEach((option) => walk(path + " " + option.name, option));
    else names.push([path, item.options || []]);
  };
  commands.filter((command) => command.type === 1).forEach((command) => walk(command.name, command));
  return names;
}

let commands = [];
async function showCommands() {
  commands = commandNames(await ask("GET", "commands"));
  const { roles } = await ask("GET", `guilds/${world.guild_id}`);
  choosable[ROLE] = roles.filter((role) => role.id !== world.guild_id).map((role) => ["@" + role.name, role.id]);
  byId("command").replaceChildren(element("option", { value: "" }, commands.length ? "Run a command…" : "The bot has no commands yet"),
    ...commands.map(([path]) => element("option", { value: path }, "/" + path)));
  showOptions();
}

// Discord's option types that are chosen, never typed: yes or no, a channel, a role.
const YES_OR_NO = 5, CHANNEL = 7, ROLE = 8;
let choosable = { [CHANNEL]: [], [ROLE]: [] };

function choicesOf(option) {
  if (option.type === YES_OR_NO) return [["yes", "true"], ["no", "false"]];
  return choosable[option.type] || (option.choices || []).map((choice) => [choice.name, String(choice.value)]);
}

function inputOf(option) {
  const about = { name: option.name, title: option.description || "", ...(option.required ? { required: "" } : {}) };
  const choices = choicesOf(option);
  if (choices.length) {
    return element("select", about, element("option", { value: "" }, "Choose…"),
      ...choices.map(([name, value]) => element("option", { value }, name)));
  }
  return element("input", { ...about, type: "text", autocomplete: "off", placeholder: option.description || "",
    ...(option.type === 6 ? { list: "people" } : {}) });
}

function showOptions() {
  const found = commands.find(([path]) => path === byId("command").value);
  byId("options").replaceChildren(...(found ? found[1] : []).map((option) => element("label", {},
    option.name + (option.required ? "" : " (optional)"), inputOf(option))));
  byId("run").hidden = !found;
}

async function interact(asked) {
  const where = state.channel === "dm" ? { guild_id: null } : { channel_id: state.channel };
  try {
    await ask("POST", "interactions", { user_id: state.person, ...where, ...asked });
    say("Sent to the bot.");
  } catch (error) { say(error.message, true); }
}

byId("commands").onsubmit = async (event) => {
  event.preventDefault();
  const options = {};
  for (const input of byId("options").querySelectorAll("input, select")) {
    // A person is chosen by name; the id stands behind it in brackets.
    const value = input.list ? (input.value.match(/(\d{17,20})\)?$/) || [null, input.value])[1] : input.value;
    if (value) options[input.name] = value;
  }
  await interact({ command: byId("command").value, options });
};

byId("talk").onsubmit = async (event) => {
  event.preventDefault();
  const where = state.channel === "dm" ? {} : { channel_id: state.channel };
  try {
    await ask("POST", "messages", { user_id: state.person, content: byId("text").value, ...where });
    byId("text").value = "";
    say("");
    await showMessages();
  } catch (error) { say(error.message, true); }
};

async function showPeople() {
  const members = await ask("GET", `guilds/${world.guild_id}/members`);
  for (const { user, nick } of members) names.set(user.id, nick || user.global_name || user.username);
  state.seen = "";
  byId("people").replaceChildren(...members.map((member) =>
    element("option", { value: `${member.nick || member.user.global_name || member.user.username} (${member.user.id})` })));
}

async function showScenes(answer) {
  const scenes = answer || await ask("GET", "scenes");
  byId("scenes").replaceChildren(...scenes.map((scene) => {
    const button = element("button", { type: "button", title: scene.about, "aria-pressed": String(scene.playing) },
      (scene.playing ? "Stop " : "Play ") + scene.scene + (scene.playing ? ` (${scene.steps})` : ""));
    button.onclick = async () => {
      const wish = { scene: scene.scene, do: scene.playing ? "stop" : "start", seed: Math.floor(Math.random() * 1e6) };
      try { await showScenes(await ask("POST", "scenes", wish)); } catch (error) { say(error.message, true); }
    };
    return element("li", {}, button);
  }));
}

async function refresh() {
  try { await showChannels(); await showMessages(); } catch (error) { say(error.message, true); }
}

byId("person").value = state.person;
if (!byId("person").value) byId("person").value = state.person = world.people[0].id;
byId("person").onchange = () => { state.person = localStorage.person = byId("person").value; state.seen = ""; refresh(); };
byId("command").onchange = showOptions;
refresh();
showCommands();
showPeople();
showScenes().catch(() => {});
setInterval(() => {
  // A button must not be replaced under the finger that presses it.
  if (!document.hidden && !byId("scenes").contains(document.activeElement)) showScenes().catch(() => {});
}, 3000);
setInterval(() => { if (!document.hidden) showMessages().catch(() => {}); }, 1000);
