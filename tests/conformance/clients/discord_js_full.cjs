"use strict";
// The further steps of the full form, for discord.js; what every client must see is in test_clients.py.
const { Events, ModalBuilder, LabelBuilder, TextInputBuilder, TextInputStyle } = require("discord.js");

exports.full = async function full({ client, guild, world, people, control, until, base, token }) {
  const hall = await client.channels.fetch(world.channels["main-hall"]);
  const executions = [];
  client.on(Events.AutoModerationActionExecution, (execution) => executions.push(execution));
  client.on(Events.InteractionCreate, answer);

  async function raw(method, path, body) {
    const headers = { Authorization: `Bot ${token}`, "Content-Type": "application/json" };
    const told = await fetch(`${base}/api/v10${path}`, { method, headers, body: body && JSON.stringify(body) });
    return { status: told.status, headers: told.headers, body: await told.json().catch(() => null) };
  }

  async function answer(interaction) {
    if (interaction.isAutocomplete()) return interaction.respond([{ name: "a pear", value: "pear" }]);
    if (interaction.isModalSubmit()) return interaction.reply(`why: ${interaction.fields.getTextInputValue("why")}`);
    if (interaction.isButton()) return interaction.update({ content: "pulled", components: [] });
    if (interaction.commandName === "ask") return interaction.showModal(modal());
    if (interaction.isContextMenuCommand()) return interaction.reply(`${interaction.commandName}s ${interaction.targetId}`);
  }

  function modal() {
    const field = new TextInputBuilder().setCustomId("why").setStyle(TextInputStyle.Short);
    const label = new LabelBuilder().setLabel("Why").setTextInputComponent(field);
    return new ModalBuilder().setCustomId("asked").setTitle("Ask").addLabelComponents(label);
  }

  async function interact(asked) {
    const { interaction_id } = await control("POST", "interactions", asked);
    return until(async () => {
      const report = await control("GET", "interactions/" + interaction_id);
      return report.acked && report;
    });
  }

  const steps = {
    async dry_bucket() {
      await control("POST", "limits", { on: true });
      const answers = [];
      for (let n = 0; n < 6; n += 1) answers.push(await raw("POST", `/channels/${hall.id}/messages`, { content: "drop" }));
      const last = answers[5], began = performance.now();
      await hall.send("it waited");
      const waited = performance.now() - began;
      const limits = await control("POST", "limits", { on: false });
      return {
        remaining: answers.map((each) => Number(each.headers.get("X-RateLimit-Remaining"))), status: last.status,
        scope: last.headers.get("X-RateLimit-Scope"), waited: waited >= last.body.retry_after * 1000 - 50,
        invalid: limits.invalid_requests >= 2,
      };
    },
    async forced() {
      const waited = [];
      for (const everywhere of [false, true]) {
        const headers = { "Retry-After": "1", "X-RateLimit-Scope": everywhere ? "global" : "user", "X-RateLimit-Reset-After": "0.3" };
        if (everywhere) headers["X-RateLimit-Global"] = "true";
        const extra = { retry_after: 0.3, global: everywhere };
        await control("POST", "faults", { status: 429, extra, route: "/guilds/{guild_id}", headers });
        const began = performance.now();
        await client.guilds.fetch({ guild: guild.id, force: true });
        waited.push(performance.now() - began >= 250);
      }
      return waited;
    },
    async bulk_ban() {
      const crowd = people.splice(0, 200), path = `/guilds/${guild.id}/bulk-ban`;
      const sizes = [];
      for (const part of [crowd.slice(0, 150), crowd]) {
        const done = await guild.bans.bulkCreate(part);
        sizes.push([done.bannedUsers.length, done.failedUsers.length]);
      }
      const again = (await raw("POST", path, { user_ids: crowd })).body.code;
      const odd = [];
      for (const given of [[...crowd, "1"], []]) odd.push((await raw("POST", path, { user_ids: given })).body.code);
      return { sizes, again, odd };
    },
    async bulk_delete() {
      const said = [];
      for (let n = 0; n < 5; n += 1) said.push(await hall.send(`to be gone ${n}`));
      await hall.bulkDelete(said);
      const left = await hall.messages.fetch({ limit: 50, cache: false });
      const odd = [];
      for (const ids of [[said[0].id], Array.from({ length: 101 }, (_, n) => String(n + 1))]) {
        odd.push((await raw("POST", `/channels/${hall.id}/messages/bulk-delete`, { messages: ids })).body.code);
      }
      return { left: said.filter((each) => left.has(each.id)).length, odd };
    },
    async audit_pages() {
      const read = [];
      for (const limit of [100, 80]) {
        const page = await guild.fetchAuditLogs({ limit, before: read.at(-1) });
        read.push(...page.entries.keys());
      }
      const ordered = read.every((id, at) => at === 0 || BigInt(id) < BigInt(read[at - 1]));
      return { read: read.length, distinct: new Set(read).size, ordered };
    },
    async errors() {
      const { above_guard, outsider, closed_dm } = world.notable;
      const tries = {
        hierarchy: () => guild.bans.create(above_guard),
        "unknown member": () => guild.members.kick(outsider),
        "unknown ban": () => guild.bans.remove(outsider),
        "unknown channel": () => client.channels.fetch("1"),
        "unknown message": () => hall.messages.fetch("1"),
        "unknown user": () => guild.bans.create("1"),
        "long reason": () => guild.members.kick(outsider, "x".repeat(513)),
        "closed messages": async () => (await client.users.fetch(closed_dm)).send("hello"),
      };
      const found = {};
      for (const [name, attempt] of Object.entries(tries)) {
        found[name] = await attempt().then(() => null, (refused) => [refused.status, refused.code]);
      }
      return found;
    },
    async nonce() {
      const once = () => hall.send({ content: "once", nonce: "full-once", enforceNonce: true });
      return (await once()).id === (await once()).id;
    },
    async menus() {
      const fruit = { type: 3, name: "fruit", description: "which", required: true, autocomplete: true };
      await client.application.commands.set([
        { name: "greet", type: 2 }, { name: "mark", type: 3 }, { name: "ask", description: "a modal" },
        { name: "pick", description: "a choice", options: [fruit] },
      ]);
      const [who, other] = people.splice(0, 2), said = await hall.send("a message to mark");
      const user = await interact({ user_id: who, command: "greet", target_id: other });
      const message = await interact({ user_id: who, command: "mark", target_id: said.id });
      const asked = await interact({ user_id: who, command: "ask" });
      const filled = await interact({ user_id: who, modal: { custom_id: asked.modal.custom_id, fields: { why: "because" } } });
      const partial = await interact({ user_id: who, command: "pick", options: { fruit: "pe" }, autocomplete: "fruit" });
      const lever = { type: 2, style: 1, label: "Pull", custom_id: "lever" };
      const shown = await hall.send({ content: "press", components: [{ type: 1, components: [lever] }] });
      const pressed = { custom_id: "lever", message_id: shown.id };
      const button = await interact({ user_id: who, channel_id: hall.id, component: pressed });
      return {
        user: user.content === `greets ${other}`, message: message.content === `marks ${said.id}`, modal: filled.content,
        choices: partial.choices.map((choice) => choice.value), button: button.content,
      };
    },
    async hears_automod() {
      const who = people.shift();
      await control("POST", "automod", { user_id: who, channel_id: hall.id, content: "bad acorns", matched: "acorns" });
      await until(() => executions.length);
      return [executions[0].userId === who, executions[0].content, executions[0].matchedContent];
    },
    async thread() {
      const thread = await (await hall.send("here begins a thread")).startThread({ name: "by the mill" });
      await thread.send("first");
      await thread.setArchived(true);
      return [thread.name, (await client.channels.fetch(thread.id, { force: true })).archived];
    },
    async webhook() {
      const made = await hall.createWebhook({ name: "Lamp post" });
      const said = await made.send("lit");
      await made.delete();
      return [said.content, said.author.username];
    },
    async reaction() {
      const said = await hall.send("react");
      const seen = async () => (await hall.messages.fetch({ message: said.id, force: true, cache: false })).reactions.cache;
      await said.react("🌰");
      const there = [...(await seen()).values()].map((each) => each.emoji.name);
      await said.reactions.removeAll();
      return [there, (await raw("GET", `/channels/${hall.id}/messages/${said.id}`)).body.reactions?.length ?? 0];
    },
    async voice() {
      const who = people.shift(), rooms = [];
      for (const name of ["lower room", "upper room"]) rooms.push(await guild.channels.create({ name, type: 2 }));
      const member = await guild.members.fetch(who);
      await control("POST", "voice", { user_id: who, channel_id: rooms[0].id });
      await until(() => member.voice.channelId === rooms[0].id);
      await member.voice.setChannel(rooms[1].id);
      await until(() => member.voice.channelId === rooms[1].id);
      await member.voice.disconnect();
      await until(() => member.voice.channelId === null);
      return true;
    },
    async chunk_limit() {
      await control("POST", "limits", { on: true });
      let limited = false;
      client.on(Events.Raw, (packet) => { limited ||= packet.t === "RATE_LIMITED"; });
      const d = { guild_id: guild.id, query: "", limit: 0, presences: false, nonce: "0".repeat(32) };
      for (let n = 0; n < 2; n += 1) guild.shard.send({ op: 8, d });
      await until(() => limited);
      await control("POST", "limits", { on: false });
      return true;
    },
  };

  const seen = {};
  for (const [name, step] of Object.entries(steps)) {
    try { seen[name] = await step(); } catch (error) { error.message = `${name}: ${error.message}`; throw error; }
  }
  return seen;
};
