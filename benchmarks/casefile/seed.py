"""Write a guild's history in SQL: as many cases as wanted, over two years, on 50,000 members and on strangers.

What is common and what is rare is as it is in a busy guild: few moderators do most, AutoMod warns and mutes and never
notes, one raid was years ago, a handful of DMs have an unknown end. The seals are no seals: nothing here checks them.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from kovra.ids import GuildId, RoleId, UserId
from kovra.store.database import Database
from kovra.store.mirror import ChannelRow, GuildRow, MemberRow, Mirror, RoleRow

GUILD = GuildId(200_000_000_000_000_001)
OWNER, GUARD = UserId(300_000_000_000_000_001), UserId(300_000_000_000_000_002)
#: Moderators are numbered from here, members after them, strangers after those.
PEOPLE = UserId(300_000_000_000_001_000)
MODERATORS, MEMBERS, STRANGERS = 12, 50_000, 5_000

_SLICE = 50_000
#: No reader waits for what is written here, and a busy machine may take its time.
_PATIENT = "SET LOCAL statement_timeout = 0;"

_HISTORY = """
INSERT INTO mod_cases (guild_id, case_no, request_id, batch_id, action, target_id, target_name, moderator_id,
  moderator_name, source, reason, params, created_at, ends_at, digest, seal, state, notice_status, notice_text,
  notice_at, post_status, post_channel_id, post_message_id)
SELECT :guild, n, uuidv7(-age), CASE WHEN raid THEN md5('raid' || n / 200)::uuid END, action,
  CASE WHEN raid THEN :people + :moderators + :members + n % :strangers ELSE :people + :moderators + who END,
  CASE WHEN raid THEN 'giftdrop ' || n % :strangers ELSE 'member' || who END,
  CASE WHEN source IN ('automod', 'system') THEN :guard ELSE :people + moderator END,
  CASE WHEN source IN ('automod', 'system') THEN 'Guard' ELSE 'moderator' || moderator END,
  source,
  CASE WHEN raid THEN 'Raid: scam links' WHEN action IN ('unban', 'unmute') THEN ''
    ELSE (:phrases)[1 + n % cardinality(:phrases)] || ' ' || (:places)[1 + n / 7 % cardinality(:places)]
      || ' ' || substr(md5('w' || sqrt(w)::int), 1, 5) || CASE WHEN n % 500 = 0 THEN ' evidence kept' ELSE '' END END,
  '{}', now() - age, CASE WHEN action = 'mute' OR (action = 'ban' AND n % 5 = 0) THEN now() - age + lasts END,
  :seal, :seal, 'done', notice, CASE WHEN notice <> 'not_needed' THEN 'You were warned in the guild.' END,
  now() - age, 'sent', 500, n
FROM (SELECT n, raid, who, moderator, action, w, age, lasts,
    CASE WHEN raid THEN 'dashboard' WHEN action IN ('unban', 'unmute') AND s < 0.7 THEN 'system'
      WHEN action IN ('warn', 'mute') AND s < 0.35 THEN 'automod' WHEN s > 0.95 AND action <> 'note' THEN 'native'
      WHEN s > 0.7 THEN 'discord' ELSE 'dashboard' END AS source,
    CASE WHEN raid OR action IN ('note', 'unban', 'unmute') THEN 'not_needed' WHEN d < 0.72 THEN 'sent'
      WHEN d < 0.97 THEN 'refused' WHEN d < 0.9995 THEN 'skipped' ELSE 'unknown' END AS notice
  FROM (SELECT n, n BETWEEN :total / 5 AND :total / 4 AND n % 2 = 0 AS raid, random() AS s, random() AS d,
      (random() * random() * :members)::int AS who, (random() * random() * :moderators)::int % :moderators AS moderator,
      random() * 4000000 AS w, (:total - n) * interval '1 day' * 730 / :total AS age,
      (ARRAY['10 minutes', '1 hour', '1 day', '7 days', '28 days'])[1 + n % 5]::interval AS lasts,
      CASE WHEN n BETWEEN :total / 5 AND :total / 4 AND n % 2 = 0 THEN 'ban' WHEN a < 0.4 THEN 'warn'
        WHEN a < 0.62 THEN 'mute' WHEN a < 0.78 THEN 'ban' WHEN a < 0.88 THEN 'note' WHEN a < 0.94 THEN 'kick'
        WHEN a < 0.98 THEN 'unban' ELSE 'unmute' END AS action
    FROM (SELECT n, random() AS a FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n) dice) drawn
) told
"""
_REQUESTS = """
INSERT INTO action_requests (request_id, guild_id, action, target_id, moderator_id, source, body, kid, sig, fingerprint,
  state, issued_at, created_at, accepted_at, enqueued_at, claimed_at, checked_at, notice_at, notice_done_at, effect_at,
  effect_done_at, applied_at, post_at, post_done_at, done_at, expires_at, case_no)
SELECT request_id, guild_id, action, target_id, moderator_id, source, :body, 'web-1', :sig, :seal, 'done',
  created_at, created_at, created_at, created_at, created_at, created_at, created_at, created_at, created_at,
  created_at, created_at, created_at, created_at, created_at, created_at, case_no
FROM mod_cases WHERE case_no BETWEEN :first AND :last
"""
_ENDS = """
INSERT INTO scheduled_ends (request_id, guild_id, target_id, punishment, case_no, state, began_at, ends_at, due_at,
  next_at)
SELECT request_id, guild_id, target_id, action, case_no, CASE WHEN ends_at > now() THEN 'open' ELSE 'ended' END,
  created_at, ends_at, ends_at, ends_at
FROM mod_cases WHERE ends_at IS NOT NULL AND case_no BETWEEN :first AND :last
"""
_PHRASES = (
    *("Spam links in", "Arguing with staff in", "Spoilers outside the channel, again, in", "Mention flood in"),
    *("Harassing a new member in", "Invite link in", "Off-topic politics in", "Caps and shouting in"),
    *("Impersonating staff in", "NSFW image in", "Fake gift page in", "Same message six times in"),
)
_PLACES = ("#general", "#main-hall", "#trade-post", "voice", "#screenshots", "#help", "DMs of members")


def write(owner: Database, bot: Database, total: int) -> None:
    """The guild, its people, and ``total`` cases with their requests and ends."""
    _guild(Mirror(bot))
    words = {
        "guild": GUILD,
        "guard": GUARD,
        "people": PEOPLE,
        "moderators": MODERATORS,
        "members": MEMBERS,
        "strangers": STRANGERS,
        "total": total,
        "phrases": list(_PHRASES),
        "places": list(_PLACES),
        "seal": b"s" * 32,
        "body": b"b" * 420,
        "sig": "s" * 44,
    }
    with owner.transaction(GUILD, first=_PATIENT) as session:
        session.execute(text(_PEOPLE), words)
        session.execute(text(_JOINS), words)
        session.execute(text(_NAMES), words)
    with owner.transaction(GUILD, first=_PATIENT) as session:
        session.execute(text("SELECT setseed(0.42)"))
        put_back = _without_indexes(session)
        for first in range(1, total + 1, _SLICE):
            part = words | {"first": first, "last": min(total, first + _SLICE - 1)}
            for statement in (_HISTORY, _REQUESTS, _ENDS):
                session.execute(text(statement), part)
        session.execute(text(_BANS), words)
        session.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        for statement in put_back:
            session.execute(text(statement))
        session.execute(
            text("INSERT INTO guild_counters (guild_id, last_case, case_seal) VALUES (:g, :n, :s)"),
            {"g": GUILD, "n": total, "s": b"s" * 32},
        )
    with owner.connect_alone() as alone:
        alone.exec_driver_sql("SET statement_timeout = 0")
        alone.exec_driver_sql("VACUUM ANALYZE")


#: Whoever was ever banned and is no member is banned now.
_BANS = """
INSERT INTO bans (guild_id, user_id, username, reason, mirrored_at)
SELECT DISTINCT guild_id, target_id, 'member' || target_id % 1000000, 'raid', now() FROM mod_cases c
WHERE guild_id = :guild AND action = 'ban'
  AND NOT EXISTS (SELECT FROM members m WHERE m.guild_id = c.guild_id AND m.user_id = c.target_id)
"""

_PEOPLE = """
INSERT INTO members (guild_id, user_id, username, global_name, nick, role_ids, joined_at, mirrored_at)
SELECT :guild, :people + n, CASE WHEN n < :moderators THEN 'moderator' || n ELSE 'member' || n - :moderators END,
  initcap(substr(md5('name' || n), 1, 7)), CASE WHEN n % 9 = 0 THEN 'nick ' || n END,
  CASE WHEN n < :moderators THEN ARRAY[400000000000000001] ELSE '{}' END::bigint[],
  now() - n * interval '17 minutes', now()
FROM generate_series(0, :moderators + :members - 1) n
"""
#: A third of all came by the one invite that the server shows to everybody.
_JOINS = """
INSERT INTO joins (guild_id, user_id, joined_at, invite_code, inviter_id)
SELECT guild_id, user_id, joined_at, CASE WHEN user_id % 3 = 0 THEN 'harbour' ELSE 'i' || user_id % 400 END,
  :people + user_id % :moderators
FROM members WHERE guild_id = :guild AND joined_at IS NOT NULL
"""
#: Every fifth was called something else before.
_NAMES = """
INSERT INTO member_names (guild_id, user_id, kind, until_at, name)
SELECT guild_id, user_id, 'nick', now() - interval '9 days', 'former ' || user_id % 10000
FROM members WHERE guild_id = :guild AND user_id % 5 = 0
"""


def _guild(mirror: Mirror) -> None:
    mirror.guild(GuildRow(guild_id=GUILD, name="Harbour", icon=None, owner_id=OWNER, guard_id=GUARD, member_count=1))
    everyone = RoleRow(role_id=RoleId(GUILD), name="@everyone", position=0, permissions=0)
    staff = RoleRow(role_id=RoleId(400_000_000_000_000_001), name="Moderator", position=5, permissions=1 << 40 | 6)
    mirror.roles(GUILD, [everyone, staff])
    mirror.channels(GUILD, [ChannelRow(channel_id=500, name="mod-log", kind=0)])  # type: ignore[arg-type]
    row = {"global_name": None, "nick": None, "avatar": None, "joined_at": None, "timed_out_until": None}
    mirror.members(
        GUILD,
        [
            MemberRow(user_id=OWNER, username="owner", bot=False, role_ids=[], **row),  # type: ignore[arg-type]
            MemberRow(user_id=GUARD, username="guard", bot=True, role_ids=[], **row),  # type: ignore[arg-type]
        ],
        complete=True,
    )
    mirror.heard(0, 1)


def _without_indexes(session: Session) -> list[str]:
    """Drop what need not be kept while a million rows are written; gives the statements that make them again."""
    found = session.execute(
        text(
            "SELECT indexname, indexdef FROM pg_indexes JOIN pg_class ON relname = indexname "
            "WHERE tablename IN ('mod_cases', 'action_requests', 'scheduled_ends') "
            "AND schemaname = current_schema() "
            "AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = pg_class.oid)"
        )
    ).all()
    for name, _ in found:
        session.execute(text(f"DROP INDEX {name}"))
    return [definition for _, definition in found]
