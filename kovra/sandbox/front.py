"""The front page: the guild as one of its people sees it, and everything the control API can do to it."""

from __future__ import annotations

import json
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from kovra.sandbox import people, rest
from kovra.sandbox.paper import page

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox


def page_of(sandbox: Sandbox) -> str:
    world = sandbox.world
    guild = world.guilds[world.cast.guild_id]
    staff = people.staff(world)
    shown = {int(item["id"]) for item in staff}
    first = "".join(
        f'<option value="{i["id"]}">{escape(i["display_name"])}, {escape(i["rank"])}</option>' for i in staff
    )
    rest_of_them = "".join(
        f'<option value="{i}">{escape(people.display_name(world, i))}</option>'
        for i in sorted(guild.members, key=lambda i: people.display_name(world, i).casefold())
        if i not in shown and not world.users[i].bot
    )
    known = {"guild_id": str(guild.id), "bot": world.users[world.bot_id].username, "people": staff}
    # Inside a script element nothing may look like its end.
    data = json.dumps(known).replace("<", "\\u003c")
    return page(
        f"{guild.name} · sandbox Discord",
        f"""
<nav aria-label="Channels"><h1>{escape(guild.name)}</h1>
<p class="dim">Sandbox Discord: nothing leaves this machine</p>
<label>You are<select id="person"><optgroup label="Staff">{first}</optgroup>
<optgroup label="Members">{rest_of_them}</optgroup></select></label>
<p class="dim" id="census"></p><ul id="channels"></ul></nav>
<section><h2 id="place"></h2><ol id="messages" aria-label="Messages" tabindex="0"></ol>
<p id="note" role="status"></p>
<form id="talk"><input type="text" id="text" aria-label="Message" placeholder="Say something" required
autocomplete="off">
<button class="go">Send</button></form>
<form id="commands"><select id="command" aria-label="Command"></select><div id="options"></div>
<button class="go" id="run" hidden>Run</button></form></section>
{_tools()}
<dialog id="menu" aria-label="What to do with the message"></dialog>
<dialog id="modal" aria-label="The bot asks"></dialog>
<datalist id="people"></datalist><datalist id="mentionables"></datalist>
<script type="application/json" id="world">{data}</script><script type="module" src="/static/sandbox.js"></script>""",
        wide=True,
    )


@cache
def _tools() -> str:
    """What one does to the guild from outside. Each part is filled, and kept fresh, while it is open."""
    routes = "".join(f'<option value="{escape(route)}"></option>' for route in _routes())
    return f"""
<aside aria-label="Tools">
<details id="tool-scenes" open><summary>Scenes</summary><ul id="scenes"></ul>
<p class="row"><button type="button" id="reset">Start over</button></p></details>
<details id="tool-people"><summary>People</summary>
<form id="hand"><label>Who<input name="user_id" type="text" list="people" autocomplete="off" required></label>
<label>Reason<input name="reason" type="text" autocomplete="off"></label>
<p class="row"><button value="bans">Ban</button><button value="unbans">Unban</button><button value="kicks">Kick</button>
<button value="timeouts">Time out</button><button value="freed">Lift time-out</button>
<button value="leave">Leave</button><button value="join">Come back</button>
<button value="closed">Close DMs</button><button value="open">Open DMs</button></p>
<p class="row" id="menus"></p></form>
<form id="arrival"><label>A new account<input name="username" type="text" autocomplete="off" required
placeholder="user name"></label>
<label>Made<select name="days"><option value="0.1">two hours ago</option><option value="3">three days ago</option>
<option value="900">years ago</option></select></label>
<p class="row"><button>Join</button></p></form></details>
<details id="tool-faults"><summary>Faults</summary>
<form id="fault"><label>Request<input name="route" type="text" list="routes" placeholder="every request"
autocomplete="off"></label><datalist id="routes">{routes}</datalist>
<label>Happens<select name="what"><option value="500">500, an error</option>
<option value="502">502, bad gateway</option>
<option value="503">503, not available</option><option value="429">429, wait two seconds</option>
<option value="hang">no answer for 20 s</option><option value="drop">connection closed</option>
<option value="reset">connection reset</option></select></label>
<label>When<select name="when"><option value="before">before anything is done</option>
<option value="after">after it is done</option></select></label>
<label>How often<select name="times"><option value="1">once</option><option value="5">five times</option>
<option value="">always</option></select></label>
<p class="row"><button>Arm</button><button type="button" id="disarm">Disarm all</button></p></form>
<ul class="list" id="armed"></ul>
<form id="latency"><label>Every answer takes, ms<input name="ms" type="number" min="0" max="60000" value="0"></label>
<p class="row"><button>Set</button></p></form>
<p class="row"><label class="tick"><input type="checkbox" id="limits">Discord’s rate limits</label></p></details>
<details id="tool-gateway"><summary>Gateway</summary>
<form id="trouble"><label>Trouble<select name="do"><option value="reconnect">asks to reconnect (op 7)</option>
<option value="resumable">session invalid, may resume (op 9)</option>
<option value="invalidate">session invalid (op 9)</option><option value="drop">closes with a code</option>
<option value="refuse">refuses the next connection with a code</option><option value="silence">falls silent</option>
</select></label>
<label>Code<input name="code" type="number" min="1000" max="4999" value="4000"></label>
<p class="row"><button>Let it happen</button></p></form><ul class="list" id="sessions"></ul></details>
<details id="tool-effects"><summary>Effects</summary>
<form id="judge"><label>Reference<input name="ref" type="text" placeholder="[kv:…], or all"
autocomplete="off"></label></form><ul class="list" id="effects"></ul></details>
<details id="tool-requests"><summary>Requests</summary><ul class="list" id="requests"></ul></details>
<details id="tool-findings"><summary>Findings</summary><ul class="list" id="findings"></ul></details>
</aside>"""


def _routes() -> list[str]:
    """Every route of the API as ``METHOD /path``."""
    return sorted(f"{route.method} {route.template}" for subject in rest.SUBJECTS for route in subject.table.routes)
