"""Finding members by what somebody typed."""

from __future__ import annotations

import pytest
from sqlalchemy import event, text

from kovra.store import member_search
from kovra.store.members import Members
from kovra.store.people import shown_name
from kovra.store.tables import Members as MemberRows

CROWD = 2_000
FIRST_ID = 610_000_000_000_000_000


def many(owner, say, count):
    """Members with names of two words, no two alike."""
    with owner.transaction(say.HARBOUR) as session:
        session.execute(
            text(
                "INSERT INTO members (guild_id, user_id, username, global_name, bot, role_ids, mirrored_at) "
                "SELECT :g, :first + n, substr(md5(n::text), 1, 6) || '_' || n, initcap(substr(md5(n::text), 7, 7)), "
                "false, '{}', now() FROM generate_series(1, :count) AS n"
            ),
            {"g": say.HARBOUR, "first": FIRST_ID, "count": count},
        )
        # What autovacuum does soon after: sort in what waits, and count.
        session.execute(text("SELECT gin_clean_pending_list('ix_members_names')"))
        session.execute(text("ANALYZE members"))


@pytest.fixture
def crowd(owner, say):
    many(owner, say, CROWD)


@pytest.fixture
def members(web) -> Members:
    return Members(web)


def rename(owner, say, user_id, **names):
    with owner.transaction(say.HARBOUR) as session:
        row = session.get(MemberRows, (say.HARBOUR, user_id))
        for name, value in names.items():
            setattr(row, name, value)
        assert shown_name(row)


@pytest.mark.parametrize(
    "typed",
    [
        "brass kettlebird",
        "kettlebird",
        "ETTLEBI",
        "@kettle",
        "  brass   kettle ",
        "ketlebird",
        "kettelbird",
        "brss kettlebrd",
    ],
)
def test_a_part_of_a_name_finds_and_so_does_one_with_a_typing_error(members, owner, odalys, say, crowd, typed):
    rename(owner, say, FIRST_ID + 7, global_name="Brass Kettlebird")

    found = members.find(odalys, typed, 6)

    assert found[0].user_id == FIRST_ID + 7


def test_nickname_display_name_username_and_id_all_find(members, owner, odalys, say):
    rename(owner, say, say.QUILLON, username="qx", global_name="Display Zed", nick="Nick Oh")

    for typed in ("nick", "display", "qx", "zed", str(say.QUILLON), str(say.QUILLON)[:16]):
        assert say.QUILLON in [card.user_id for card in members.find(odalys, typed)], typed


def test_who_is_exactly_called_so_comes_first_and_who_left_comes_last(members, owner, odalys, say, crowd):
    rename(owner, say, FIRST_ID + 1, global_name="Robinson")
    rename(owner, say, FIRST_ID + 2, global_name="Robin")
    rename(owner, say, FIRST_ID + 3, username="robin", global_name=None)
    with owner.transaction(say.HARBOUR) as session:
        session.execute(text("UPDATE members SET gone_at = now() WHERE user_id = :u"), {"u": FIRST_ID + 3})

    found = [card.user_id for card in members.find(odalys, "robin", 6)]

    assert found == [FIRST_ID + 2, FIRST_ID + 1, FIRST_ID + 3]


@pytest.mark.parametrize("typed", ["%", "\\", "' OR 1=1 --", "\x00", "zzzzqqqqxxxx", "9" * 40])
def test_letters_with_a_meaning_are_only_letters(members, odalys, crowd, typed):
    assert members.find(odalys, typed) == []


def test_nobody_of_another_guild_is_found(members, owner, odalys, say, crowd):
    with owner.transaction(say.MEADOW) as session:
        session.execute(
            text(
                "INSERT INTO members (guild_id, user_id, username, bot, role_ids, mirrored_at) "
                "VALUES (:g, 5, 'kettlebird', false, '{}', now())"
            ),
            {"g": say.MEADOW},
        )

    assert members.find(odalys, "kettlebird") == []


def test_the_index_answers(owner, web, odalys, say):
    """Under row-level security a text index is easily lost; then every search would read every member."""
    many(owner, say, 12_000)
    asked = [member_search._by_part(odalys.guild_id, typed, 6) for typed in ("kettle", "ke")]
    asked.append(member_search._alike(odalys.guild_id, "ketlebird", 6))

    with web.transaction(odalys.guild_id, first=member_search.FIRST + "SET LOCAL enable_seqscan = off;") as session:
        plans = ["\n".join(session.scalars(text(f"EXPLAIN {as_text(one, web)}"))) for one in asked]

    for plan in plans:
        assert "ix_members_names" in plan, plan


def as_text(asked, database):
    return str(asked.compile(database.engine, compile_kwargs={"literal_binds": True})).replace("%%", "%")


def formerly(owner, say, user_id, name, kind="nick"):
    with owner.transaction(say.HARBOUR) as session:
        session.execute(
            text("INSERT INTO member_names (guild_id, user_id, kind, until_at, name) VALUES (:g, :u, :k, now(), :n)"),
            {"g": say.HARBOUR, "u": user_id, "k": kind, "n": name},
        )


def test_whoever_was_called_so_is_found_after_those_who_are(owner, members, mirror, odalys, say):
    rename(owner, say, say.PELL, nick="Lantern Fish")
    formerly(owner, say, say.QUILLON, "Lantern Moth")
    formerly(owner, say, say.PELL, "Old Lantern")

    found = members.find(odalys, "lantern")

    assert [(card.user_id, card.formerly) for card in found] == [(say.PELL, None), (say.QUILLON, "Lantern Moth")]


def test_the_index_answers_for_old_names_too(owner, web, odalys, say):
    many(owner, say, 2_000)
    with owner.transaction(say.HARBOUR) as session:
        session.execute(
            text(
                "INSERT INTO member_names (guild_id, user_id, kind, until_at, name) "
                "SELECT guild_id, user_id, 'nick', now(), md5(user_id::text) FROM members WHERE guild_id = :g"
            ),
            {"g": say.HARBOUR},
        )
        session.execute(text("SELECT gin_clean_pending_list('ix_member_names_name')"))
        session.execute(text("ANALYZE member_names"))
    asked = []
    event.listen(web.engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))

    with web.transaction(odalys.guild_id, first="SET LOCAL enable_seqscan = off;") as session:
        member_search.once_called(session, odalys.guild_id, "kettle", 6)
        statement, values = asked[-1]
        sql = "EXPLAIN " + statement[statement.index("WITH") :]
        plan = "\n".join(row[0] for row in session.connection().exec_driver_sql(sql, values))

    assert "ix_member_names_name" in plan, plan
