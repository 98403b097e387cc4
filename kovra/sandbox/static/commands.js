// The bot's commands: their options as one chooses them, context menus, what the bot asks back.

import { ask, attempt, button, byId, element, picked, say, state, world } from "./shared.js";

// Discord's option types that are chosen, or no plain text.
const INTEGER = 4, YES_OR_NO = 5, USER = 6, ROLE = 8, MENTIONABLE = 9, NUMBER = 10;
export const CHANNEL = 7;
export const choosable = { [CHANNEL]: [], [ROLE]: [] };
const LISTS = { [USER]: "people", [MENTIONABLE]: "mentionables" };
//: How long Discord waits for a bot before it says that it did not respond.
const PATIENCE_MS = 3200;

let all = [], commands = [];

// Names of the context menus: 2 of a member, 3 of a message.
export const menus = (type) => all.filter((command) => command.type === type).map((command) => command.name);

function slashCommands() {
  const found = [];
  const walk = (path, item) => {
    const inner = (item.options || []).filter((option) => option.type <= 2);
    if (inner.length) inner.forEach((option) => walk(path + " " + option.name, option));
    else found.push([path, item.options || []]);
  };
  all.filter((command) => command.type === 1).forEach((command) => walk(command.name, command));
  return found;
}

export async function showCommands() {
  const now = await ask("GET", "commands");
  if (all.length && JSON.stringify(now) === JSON.stringify(all)) return;
  all = now;
  commands = slashCommands();
  const { roles } = await ask("GET", `guilds/${world.guild_id}`);
  choosable[ROLE] = roles.filter((role) => role.id !== world.guild_id).map((role) => ["@" + role.name, role.id]);
  byId("command").replaceChildren(element("option", { value: "" }, commands.length ? "Run a command…" : "The bot has no commands yet"),
    ...commands.map(([path]) => element("option", { value: path }, "/" + path)));
  showOptions();
}

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
  const made = element("input", { ...about, autocomplete: "off", placeholder: option.description || "", type: "text",
    ...([INTEGER, NUMBER].includes(option.type) && !option.autocomplete ? { type: "number", step: option.type === INTEGER ? "1" : "any" } : {}),
    ...(LISTS[option.type] ? { list: LISTS[option.type] } : {}) });
  if (LISTS[option.type]) made.dataset.pick = "";
  if (option.autocomplete) complete(made);
  return made;
}

// While one types, the bot says what it could be.
function complete(input) {
  const list = element("datalist", { id: "choices-" + input.name });
  let waiting = 0;
  input.setAttribute("list", list.id);
  byId("options").append(list);
  input.oninput = () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      try {
        const begun = await begin({ command: byId("command").value, autocomplete: input.name, options: { ...chosen(false), [input.name]: input.value } });
        const { choices } = await answered(begun) || { choices: [] };
        list.replaceChildren(...choices.map((choice) => element("option", { value: choice.value }, choice.name)));
      } catch { /* no choices then: one can still type */ }
    }, 250);
  };
}

// What was chosen so far; a person is chosen by name, and the id stands behind it.
function chosen(strict) {
  const options = {};
  for (const input of byId("options").querySelectorAll("input, select")) {
    if (!input.value) continue;
    try { options[input.name] = "pick" in input.dataset ? picked(input.value) : input.value; } catch (error) { if (strict) throw error; }
  }
  return options;
}

function showOptions() {
  const found = commands.find(([path]) => path === byId("command").value);
  byId("options").replaceChildren();
  for (const option of found ? found[1] : []) {
    byId("options").append(element("label", {}, option.name + (option.required ? "" : " (optional)"), inputOf(option)));
  }
  byId("run").hidden = !found;
}

async function begin(asked) {
  const where = state.channel === "dm" ? { guild_id: null } : { channel_id: state.channel };
  return (await ask("POST", "interactions", { user_id: state.person, ...where, ...asked })).interaction_id;
}

async function answered(id) {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await new Promise((next) => setTimeout(next, 150))) {
    const report = await ask("GET", "interactions/" + id);
    if (report.acked) return report;
  }
}

export const interact = (asked) => attempt(async () => {
  const begun = await begin(asked);
  say("Sent to the bot…");
  const report = await answered(begun);
  if (!report) return say(`${world.bot} did not respond in three seconds.`, true);
  say(report.ephemeral ? "Answered; only you see it." : "Answered.");
  if (report.modal) openModal(report.modal);
});

function openModal(modal) {
  const box = byId("modal"), form = element("form", {}, element("h2", {}, modal.title || "The bot asks"));
  for (const row of modal.components || []) for (const part of row.components || [row.component || {}]) if (part.custom_id) {
    const about = { name: part.custom_id, ...(part.required === false ? {} : { required: "" }) };
    const field = part.options ? element("select", about, element("option", { value: "" }, "Choose…"),
      ...part.options.map((option) => element("option", { value: option.value, title: option.description || "" }, option.label)))
      : element(part.style === 2 ? "textarea" : "input", { ...about, ...(part.max_length ? { maxlength: String(part.max_length) } : {}) });
    field.value = part.value || "";
    form.append(element("label", {}, part.label || row.label || part.custom_id,
      ...(row.description ? [element("small", {}, " · " + row.description)] : []), field));
  }
  form.append(element("p", { class: "row" }, element("button", { class: "go" }, "Submit"), button("Cancel", () => box.close())));
  form.onsubmit = (event) => {
    event.preventDefault();
    box.close();
    interact({ modal: { custom_id: modal.custom_id, fields: Object.fromEntries(new FormData(form)) } });
  };
  box.replaceChildren(form);
  box.showModal();
}

byId("command").onchange = showOptions;
byId("commands").onsubmit = (event) => {
  event.preventDefault();
  attempt(async () => interact({ command: byId("command").value, options: chosen(true) }));
};

// The member menus, where one has chosen somebody.
export function offer() {
  const wanted = menus(2);
  if (byId("menus").children.length === wanted.length) return;
  byId("menus").replaceChildren(...wanted.map((menu) => button(menu, () => attempt(async () =>
    interact({ command: menu, target_id: picked(byId("hand").elements.user_id.value) })))));
}
