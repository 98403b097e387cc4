"""Several who finish in one transaction: whoever dies in it, each has one case and nobody is told twice."""

from __future__ import annotations

from sqlalchemy import text

from kovra.actions.request import Action, State
from kovra.store.casebook import numbers_turn

MANY = 6


def test_whoever_dies_in_a_shared_commit_loses_no_case_and_doubles_none(path):
    """Somebody stands in front of the line for the numbers until all have acted: those behind the first share one."""
    targets = [path.discord.someone() for _ in range(MANY)]
    wishes = [path.a(Action.MUTE, target) for target in targets]
    mine = [wish.request_id for wish in wishes]

    with path.dying_worker("before_shared_commit") as worker:
        with path.engine.begin() as line:
            line.execute(text(numbers_turn(path.guild_id)))
            for wish in wishes:
                path.submit(wish)
            path.until(lambda: all(path.discord.deeds(each)["effects"] for each in mine))
        path.until(lambda: worker.pid is None)
    rows = [path.end_of(each) for each in mine]

    assert {row["state"] for row in rows} == {State.DONE}
    # What ends by itself may make cases meanwhile; none is missing.
    kept = path.all("SELECT case_no FROM mod_cases WHERE guild_id = :g ORDER BY case_no", g=path.guild_id)
    numbers = [case["case_no"] for case in kept]
    assert numbers == list(range(1, numbers[-1] + 1))
    assert len({row["case_no"] for row in rows} - {None}) == MANY
    for wish in wishes:
        assert {one["changed"] for one in path.discord.deeds(wish.request_id)["effects"]} == {1}
        assert len(path.discord.dms(wish.target_id)) == 1
        assert len(path.discord.log_posts(wish.request_id)) == 1
