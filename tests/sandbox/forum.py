"""The main hall of a small Discord, and the threads started there."""

from __future__ import annotations

import json

from kovra.sandbox.deeds import messages, threads

MANAGE_THREADS, SEND_IN_THREADS = 1 << 34, 1 << 38
PUBLIC, PRIVATE = 11, 12
MARK = "[kv:abcdefghijklmn23]"


class Forum:
    """The main hall, and the threads started there."""

    def __init__(self, place) -> None:
        self.place = place
        self.hall = place.channel("main-hall")

    def start(self, name="lanterns", kind=PUBLIC, **more):
        body = {"name": name, "type": kind, **more}
        return self.place.rest("POST", f"/channels/{self.hall}/threads", json=body, reason="to keep order").json()

    def start_from(self, message_id, **more):
        path = f"/channels/{self.hall}/messages/{message_id}/threads"
        return self.place.rest("POST", path, json={"name": "about this", **more})

    def start_by(self, person, name="theirs", kind=PUBLIC, **more):
        """A person starts one."""

        def deed(sandbox):
            world = sandbox.world
            guild = world.guilds[world.cast.guild_id]
            return threads.start(
                sandbox.stage, guild, world.channels[self.hall], name, by=person, reason=None, type=kind,
                auto_archive_min=60, **more,
            ).id  # fmt: skip

        return self.place.host.call(deed)

    def say(self, thread_id, person, text):
        self.place.host.call(
            lambda sandbox: messages.post(
                sandbox.stage, sandbox.world.channels[int(thread_id)], person, {"content": text}
            )
        )

    def ask(self, method, thread, path="", **more):
        thread_id = thread["id"] if isinstance(thread, dict) else thread
        return self.place.rest(method, f"/channels/{thread_id}{path}", **more)

    def active(self):
        return [each["id"] for each in self.place.in_guild("GET", "/threads/active").json()["threads"]]

    def archived(self, kind="public", **query):
        return self.place.rest("GET", f"/channels/{self.hall}/threads/archived/{kind}", params=query).json()

    def without(self, *permissions):
        """Take permissions from everybody, the bot among them."""
        for role in self.place.guild.roles.values():
            for permission in permissions:
                role.permissions &= ~permission


def code(answer):
    return answer.status_code, answer.json()["code"]


def told(place, *names):
    sent = place.host.call(lambda sandbox: sandbox.gateway.sent())
    return [(e["t"], e["d"]) for e in map(json.loads, sent) if e["t"] in names or e["t"].startswith("THREAD_")]


def entries(place, count):
    log = place.in_guild("GET", "/audit-logs").json()["audit_log_entries"][:count]
    return [(entry["action_type"], entry["target_id"], entry.get("reason")) for entry in log]
