"""The members of a guild as a list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.ids import RoleId, UserId, snowflake_at
from kovra.store.member_finding import MemberFilter, MemberPlace
from kovra.store.member_list import MemberList

EVERYBODY = MemberFilter()
FIRST_ID = 610_000_000_000_000_000


@pytest.fixture
def listed(web) -> MemberList:
    return MemberList(web)


@pytest.fixture
def crowd(owner, say, clock):
    """Sixty members, one a minute until now; the first has the lowest id. Every tenth has the moderators' role."""
    with owner.transaction(say.HARBOUR) as session:
        session.execute(
            text(
                "INSERT INTO members (guild_id, user_id, username, bot, role_ids, joined_at, mirrored_at) "
                "SELECT :g, :first + n, 'gull ' || n, false, "
                "CASE WHEN n % 10 = 0 THEN ARRAY[CAST(:role AS bigint)] ELSE '{}' END, "
                "CAST(:now AS timestamptz) - make_interval(mins => 60 - n), now() FROM generate_series(1, 60) AS n"
            ),
            {"g": say.HARBOUR, "first": FIRST_ID, "role": say.MODERATOR_ROLE, "now": clock.now()},
        )


def ids(page) -> list[int]:
    return [line.user_id for line in page.lines]


def gulls(*numbers) -> list[int]:
    return [FIRST_ID + number for number in numbers]


def past(line, *, up=False) -> MemberPlace:
    return MemberPlace(joined_at=line.joined_at, user_id=line.user_id, up=up)


def set_member(owner, say, who, /, **facts):
    wanted = ", ".join(f"{name} = :{name}" for name in facts)
    with owner.transaction(say.HARBOUR) as session:
        session.execute(
            text(f"UPDATE members SET {wanted} WHERE guild_id = :g AND user_id = :u"),
            {"g": say.HARBOUR, "u": who, **facts},
        )


def test_the_latest_to_come_stand_first_and_pages_stay_while_others_come(listed, owner, odalys, say, crowd, clock):
    first = listed.page(odalys, EVERYBODY, None, limit=20)
    set_member(owner, say, FIRST_ID + 1, joined_at=clock.now() + timedelta(minutes=1))
    second = listed.page(odalys, EVERYBODY, past(first.lines[-1]), limit=20)
    back = listed.page(odalys, EVERYBODY, past(second.lines[0], up=True), limit=20)

    assert ids(first) == gulls(*range(60, 40, -1))
    assert ids(second) == gulls(*range(40, 20, -1))
    assert ids(back) == ids(first)
    assert (first.above, first.below, second.above, second.below) == (False, True, True, True)
    assert (back.above, back.below) == (True, True)  # who came anew stands above


def test_who_came_by_no_day_known_is_on_one_page_and_on_no_other(listed, owner, odalys, say, crowd):
    for number in (5, 6):
        set_member(owner, say, FIRST_ID + number, joined_at=None)

    pages, place = [], None
    for _ in range(40):
        page = listed.page(odalys, EVERYBODY, place, limit=3)
        pages += ids(page)
        if not page.below:
            break
        place = past(page.lines[-1])
    first, second = listed.page(odalys, EVERYBODY, None, limit=1), listed.page(odalys, EVERYBODY, None, limit=3)
    up = listed.page(odalys, EVERYBODY, past(second.lines[2], up=True), limit=5)

    assert pages[:3] == gulls(6, 5, 60)
    assert len(pages) == len(set(pages)) == page.total
    assert ids(up) == gulls(6, 5)
    assert ids(listed.page(odalys, EVERYBODY, past(first.lines[0]), limit=2)) == gulls(5, 60)


def test_each_filter_leaves_out_the_others(listed, owner, odalys, say, crowd, clock):
    now = clock.now()
    set_member(owner, say, FIRST_ID + 3, timed_out_until=now + timedelta(hours=1))
    set_member(owner, say, FIRST_ID + 4, timed_out_until=now - timedelta(hours=1))
    set_member(owner, say, FIRST_ID + 7, pending=True)
    set_member(owner, say, FIRST_ID + 8, gone_at=now)
    fresh = UserId(snowflake_at(now - timedelta(days=2)))
    set_member(owner, say, FIRST_ID + 9, user_id=fresh)

    def found(**wanted):
        return ids(listed.page(odalys, MemberFilter(text="gull", **wanted), None))

    assert len(found()) == 50
    assert FIRST_ID + 8 not in ids(listed.page(odalys, MemberFilter(text="gull 8"), None))
    assert found(role_id=RoleId(say.MODERATOR_ROLE)) == gulls(60, 50, 40, 30, 20, 10)
    assert found(timed_out=True) == gulls(3)
    assert found(punished=True) == gulls(3)
    assert found(pending=True) == gulls(7)
    assert found(joined_since=now - timedelta(minutes=2)) == gulls(60, 59, 58)
    assert found(joined_since=now - timedelta(minutes=2), joined_until=now) == gulls(59, 58)
    assert found(made_since=now - timedelta(days=7)) == [fresh]
    assert fresh not in found(made_until=now - timedelta(days=7))


def test_an_act_that_ends_by_itself_and_a_quarantine_are_punishments(
    listed, owner, odalys, say, crowd, accept, guard, clock
):
    mute, _ = accept(action=Action.MUTE, target_id=UserId(FIRST_ID + 11), params={"duration_s": 60 * 86_400})
    guard.carry(mute, ends_at=clock.now() + timedelta(days=60))
    quarantine, _ = accept(action=Action.NOTE, target_id=UserId(FIRST_ID + 12))
    with owner.transaction(say.HARBOUR) as session:
        session.execute(
            text(
                "INSERT INTO holds (guild_id, kind, target_id, request_id, case_no, was, set_at) "
                "VALUES (:g, 'quarantine', :u, :r, 2, '{}', now())"
            ),
            {"g": say.HARBOUR, "u": FIRST_ID + 12, "r": quarantine.request.request_id},
        )

    lines = {line.user_id: line for line in listed.page(odalys, MemberFilter(punished=True), None).lines}

    assert set(lines) == set(gulls(11, 12))
    assert [lines[gull].quarantined for gull in gulls(11, 12)] == [False, True]


@pytest.mark.parametrize("typed", ["brass kettlebird", "ETTLEB", "ketlebird", "kettelbird", str(FIRST_ID + 21)])
def test_a_name_is_found_by_a_part_by_an_id_and_with_a_typing_error(listed, owner, odalys, say, crowd, typed):
    set_member(owner, say, FIRST_ID + 21, nick="Brass Kettlebird")

    page = listed.page(odalys, MemberFilter(text=typed), None)

    assert ids(page) == gulls(21)
    assert page.total == 1


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("gift", (21, 22, 23)),
        ("gift*", (21, 23)),
        ("GIFT_??", (21,)),
        ("*drop*31", (23,)),
        ("gift_", (21,)),
        ("g%t", ()),
        ("gitf", ()),
        (str(FIRST_ID)[:6], ()),
        ("31 gift", ()),
    ],
)
def test_a_pattern_is_one_of_the_names_and_nothing_like_it(listed, owner, odalys, say, crowd, pattern, numbers):
    for number, names in {
        21: {"username": "gift_21"},
        22: {"nick": "free Gifts"},
        23: {"username": "drop 31", "global_name": "Giftdrop 31"},
    }.items():
        set_member(owner, say, FIRST_ID + number, **names)

    assert sorted(ids(listed.page(odalys, MemberFilter(pattern=pattern), None))) == gulls(*numbers)


def test_who_has_no_role_at_all(listed, odalys, crowd):
    page = listed.page(odalys, MemberFilter(pattern="gull", roleless=True), None, limit=100)

    assert len(page.lines) == 54


def test_faces_are_those_of_members_and_of_who_left(listed, owner, odalys, say, crowd, clock):
    set_member(owner, say, FIRST_ID + 8, gone_at=clock.now())

    faces = listed.faces(odalys, [*gulls(8, 9), say.STRANGER])

    assert set(faces) == set(gulls(8, 9))
    assert faces[FIRST_ID + 8].joined_at is None
    assert faces[FIRST_ID + 9].joined_at is not None


def test_nobody_goes_by_nothing_that_can_be_a_name(listed, odalys, crowd):
    page = listed.page(odalys, MemberFilter(text="g\x00ll"), None)

    assert (page.lines, page.total) == ([], 0)


def test_a_line_says_how_they_came_and_what_they_did(listed, owner, odalys, say, crowd, clock, accept, guard):
    who = UserId(FIRST_ID + 30)
    for minutes, code in ((90, "old"), (30, "new")):
        with owner.transaction(say.HARBOUR) as session:
            session.execute(
                text("INSERT INTO joins (guild_id, user_id, joined_at, invite_code) VALUES (:g, :u, :at, :code)"),
                {"g": say.HARBOUR, "u": who, "at": clock.now() - timedelta(minutes=minutes), "code": code},
            )
    guard.carry(accept(action=Action.NOTE, target_id=who)[0])

    line = listed.line(odalys, who)

    assert line is not None
    assert (line.invite_code, line.joined_times, line.cases, line.member) == ("new", 2, 1, True)
    assert listed.line(odalys, UserId(say.STRANGER)) is None


def test_roles_are_listed_from_the_highest_without_everyones(listed, odalys, say):
    names = [role.name for role in listed.roles(odalys)]

    assert names == ["Guard", "Moderator"]
