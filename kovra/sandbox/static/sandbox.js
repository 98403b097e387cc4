// The front page: a guild as one of its people sees it, and everything that can be done to it.

import { attempt, byId, state, world } from "./shared.js";
import { showCommands } from "./commands.js";
import { refresh, showChannels, showMessages } from "./reading.js";
import { showTools } from "./tools.js";

byId("person").value = state.person;
if (!byId("person").value) byId("person").value = state.person = world.people[0].id;
byId("person").onchange = () => {
  state.person = localStorage.person = byId("person").value;
  byId("messages").replaceChildren();
  refresh();
};

// Each round begins when the one before is over: a slow answer is waited for, never overtaken.
function every(pause_ms, show) {
  const round = async () => {
    try { if (!document.hidden) await show(); } catch { /* the sandbox is away; the next round asks again */ }
    setTimeout(round, pause_ms);
  };
  setTimeout(round, pause_ms);
}

attempt(showCommands).then(() => attempt(showTools));
refresh();
every(1000, showMessages);
every(2000, async () => { await showChannels(); await showTools(); });
every(10000, showCommands);
