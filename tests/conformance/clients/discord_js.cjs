"use strict";
// discord.js goes through all steps against a sandbox: node discord_js.cjs BASE_URL TOKEN ROUNDS [full] prints one JSON object.
const { Client, GatewayIntentBits, Events, version } = require("discord.js");

const [base, token, rounds] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const REASON = "conformance ☃";
const { full } = require("./discord_js_full.cjs");
const { Guilds, GuildMembers, GuildModeration, GuildMessages, MessageContent } = GatewayIntentBits;
const { GuildVoiceStates, AutoModerationExecution } = GatewayIntentBits;
const client = new Client({
  intents: [Guilds, GuildMembers, GuildModeration, GuildMessages, MessageContent, GuildVoiceStates, AutoModerationExecution],
  rest: { api: base + "/api" },
});
const heard = { resumed: 0, ready: 0, joined: [], audited: [] };
client.on(Events.ShardResume, () => { heard.resumed += 1; });
client.on(Events.ShardReady, () => { heard.ready += 1; });
// What is replayed after a resume goes into the cache without a GuildMemberAdd, so the event itself is counted.
client.on(Events.Raw, (packet) => { if (packet.t === "GUILD_MEMBER_ADD") heard.joined.push(packet.d.user.id); });
client.on(Events.GuildAuditLogEntryCreate, (entry) => heard.audited.push(entry.action));
client.on(Events.InteractionCreate, async (interaction) => {
  if (interaction.commandName !== "lamp") return;
  await interaction.deferReply({ flags: 64 });
  await interaction.editReply(`the lamp is ${interaction.options.getString("color")}`);
});

async function control(method, path, body) {
  const answer = await fetch(`${base}/control/${path}`, { method, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

async function until(question) {
  const deadline = Date.now() + 20000;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error("it never became true: " + question);
    await new Promise((go) => setTimeout(go, 10));
  }
}

const numbers = (list) => list.slice().sort((a, b) => a - b);
let world, guild, people;

const steps = {
  async connect() { return { guild: guild.name, me: client.user.id }; },
  async chunk() { return { members: (await guild.members.fetch()).size }; },
  async moderate() {
    const [banned, muted, kicked, raised, ...crowd] = people.splice(0, 6);
    const hall = await client.channels.fetch(world.channels["main-hall"]);
    await guild.bans.create(banned, { reason: REASON, deleteMessageSeconds: 60 });
    await (await guild.members.fetch(muted)).timeout(600000, REASON);
    await guild.members.kick(kicked, REASON);
    await (await guild.members.fetch(raised)).roles.add(world.roles.Minstrel, REASON);
    const bulk = await guild.bans.bulkCreate(crowd, { reason: REASON });
    const said = await hall.send({ content: "said once", nonce: "conformance-1", enforceNonce: true });
    const refused = await guild.bans.create(world.notable.above_guard).then(() => 0, (error) => error.code);
    await until(() => heard.audited.length >= 6);
    const read = (await guild.fetchAuditLogs({ limit: 20 })).entries.filter((entry) => entry.reason === REASON);
    return {
      banned, muted, kicked, raised, bulk: [...bulk.bannedUsers].sort(), said: said.id, refused,
      audit_read: numbers(read.map((entry) => entry.action)), audit_heard: numbers(heard.audited),
    };
  },
  async interactions() {
    const option = { type: 3, name: "color", description: "which", required: true };
    await client.application.commands.set([{ name: "lamp", description: "light a lamp", options: [option] }]);
    const asked = { user_id: people.shift(), command: "lamp", options: { color: "amber" } };
    const { interaction_id } = await control("POST", "interactions", asked);
    const report = await until(async () => {
      const found = await control("GET", "interactions/" + interaction_id);
      return found.content && found;
    });
    return { deferred: report.deferred, ephemeral: report.ephemeral, content: report.content };
  },
  async resume() {
    let resumed = 0;
    for (let number = 0; number < rounds; number += 1) {
      const before = heard.resumed;
      await control("POST", "gateway", number % 2 === 0 ? { do: "drop", code: 4000 } : { do: "reconnect" });
      const newcomer = (await control("POST", "join", { username: "late" + number })).user.id;
      await until(() => heard.resumed > before && heard.joined.includes(newcomer) && guild.members.cache.has(newcomer));
      resumed += 1;
    }
    const ready = heard.ready;
    await control("POST", "gateway", { do: "invalidate" });
    await until(() => heard.ready > ready);
    return { resumed, twice: heard.joined.length - new Set(heard.joined).size };
  },
  async rate_limit() {
    const targets = [];
    for (let number = 0; number < 7; number += 1) {
      targets.push((await control("POST", "join", { username: "brief" + number })).user.id);
    }
    await control("POST", "limits", { on: true });
    for (const target of targets) await guild.members.kick(target, REASON);
    const limits = await control("POST", "limits", { on: false });
    return { kicked: targets, refused: limits.refused.user };
  },
};

async function main() {
  const ready = new Promise((go) => client.once(Events.ClientReady, go));
  await client.login(token);
  await ready;
  world = await control("GET", "world");
  guild = client.guilds.cache.get(world.guild_id);
  people = world.notable.plain.slice();
  const seen = { library: "discord.js " + version };
  for (const [name, step] of Object.entries(steps)) seen[name] = await step();
  if (process.argv.includes("full")) {
    seen.full = await full({ client, guild: client.guilds.cache.get(guild.id), world, people, control, until, base, token });
  }
  await client.destroy();
  console.log(JSON.stringify(seen));
}

main().catch((error) => { console.error(error); process.exit(1); });
