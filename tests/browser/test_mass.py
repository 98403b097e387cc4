"""Mass actions in a browser: from a file, picked from the members, and what is over the budget released by another."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


@pytest.fixture
def budget(path):
    """``budget(n)``: so many bans from now on, on top of those of this hour."""

    def leave(bans):
        put = (
            "INSERT INTO guild_settings (guild_id, budgets, changed_at) "
            "SELECT :g, jsonb_build_object('ban', :n + (SELECT count(*) FROM action_requests WHERE guild_id = :g "
            "AND action = 'ban' AND moderator_id = :m AND state <> 'rejected')), now() "
            "ON CONFLICT (guild_id) DO UPDATE SET budgets = excluded.budgets"
        )
        path.write(put, g=path.guild_id, n=bans, m=path.discord.people["tamsin_reed"])

    yield leave
    path.write("UPDATE guild_settings SET budgets = '{}' WHERE guild_id = :g", g=path.guild_id)


def banned(path, ids):
    now = path.discord.banned()
    return all(one in now for one in ids)


def test_a_file_is_read_reviewed_and_confirmed_without_a_mouse(path, shown, axe, budget):
    budget(50)
    raiders, page = path.discord.strangers(3), shown("mass")
    roll = "name;user_id\n" + "".join(f'"a;b";{one}\n' for one in raiders) + "c;nobody\n"
    assert axe(page) == []

    page.locator("#csv").set_input_files({"name": "big.csv", "mimeType": "text/csv", "buffer": b"1" * (1 << 20) + b"1"})
    expect(page.locator("#csv-err")).to_contain_text("larger than 1 MB")
    page.locator("#csv").set_input_files({"name": "raid.csv", "mimeType": "text/csv", "buffer": roll.encode()})
    page.get_by_role("button", name="Review").press("Enter")

    expect(page.locator(".sumbar")).to_contain_text("3 of 4 will run")
    expect(page.locator("tr[data-k=unread]")).to_have_text(re.compile(r"^5nobody.*Not an ID"))
    assert axe(page) == []
    page.locator("#review").get_by_label("Run 3").press("Space")
    expect(page.locator("tr[data-k=unread]")).to_be_hidden()
    page.locator("#m-reason").fill("raid, from a file")
    page.locator("#conf").press_sequentially("3")
    page.locator("#conf").press("Enter")

    page.wait_for_url("**/jobs/**")
    expect(page.locator("#job [role=status]")).to_have_text("Finished")
    expect(page.locator(".jobhead")).to_contain_text("raid, from a file")
    assert axe(page) == []
    assert banned(path, raiders)

    page.get_by_role("button", name="Take it back").press("Enter")
    expect(page.locator("#act-t")).to_have_text("Take back 3 acts")
    expect(page.locator("#act-reason")).to_be_focused()
    assert axe(page) == []
    page.locator("#act-confirm").press_sequentially("3")
    page.locator("#act-confirm").press("Enter")
    expect(page.locator("#toasts .toast")).to_contain_text("Take back: 3 of 3 done")
    assert not any(one in path.discord.banned() for one in raiders)


def test_what_is_changed_after_the_review_waits_for_another(path, shown):
    page = shown("mass", viewport={"width": 390, "height": 844})
    page.locator("#ids").fill(str(path.discord.strangers(1)[0]))
    page.get_by_role("button", name="Review").click()
    page.locator("#conf").fill("1")

    page.locator("#m-action").select_option("note")

    expect(page.locator("#run")).to_be_disabled()
    expect(page.locator("#stale")).to_be_visible()
    expect(page.locator("#conf")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_members_are_picked_by_when_they_came_and_their_role_and_unticked(path, shown, axe, budget):
    budget(50)
    tag = uuid4().hex[:8]
    came = [path.discord.ask("POST", "join", {"username": f"raid_{tag}_{n}"})["user"]["id"] for n in range(4)]
    role_id = path.discord.world["roles"]["Minstrel"]
    for one in came[:3]:
        path.discord.ask("POST", "roles", {"user_id": one, "role_id": role_id, "give": True})
    page = shown("mass/pick")
    page.locator("#p-minutes").press_sequentially("10")
    page.locator("#p-name").press_sequentially(f"raid_{tag}_?")
    expect(page.locator("#picks .big")).to_contain_text("4 members fit")

    page.locator("#p-role").select_option(role_id)
    expect(page.locator("#picks .big")).to_contain_text("3 members fit")
    assert axe(page) == []
    page.locator("#p-role").press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("x")
    late = path.discord.ask("POST", "join", {"username": f"raid_{tag}_9"})["user"]["id"]
    path.discord.ask("POST", "roles", {"user_id": late, "role_id": role_id, "give": True})
    page.locator("#p-minutes").focus()
    expect(page.locator("#picks .big")).to_contain_text("4 members fit")
    expect(page.locator("[data-ticked]")).to_have_text("3")
    assert f"name=raid_{tag}" in page.url

    page.locator(f"#pick-{late} .cb").uncheck()
    page.get_by_role("button", name="Review 2").click()

    expect(page.locator(".sumbar")).to_contain_text("2 of 2 will run")
    expect(page.locator("#ids")).to_have_value(f"{came[1]}\n{came[0]}")


def test_what_is_over_the_budget_is_released_by_a_second_person(path, shown, budget, axe):
    budget(3)
    raiders, page = path.discord.strangers(5), shown("mass")
    page.locator("#ids").fill("\n".join(map(str, raiders)))
    page.get_by_role("button", name="Review").click()
    expect(page.locator(".sumbar")).to_contain_text("3 of 5 will run")
    page.locator("#conf").fill("3")
    page.locator("#conf").press("Enter")
    page.wait_for_url("**/jobs/**")
    expect(page.locator("#job .banner")).to_contain_text("2 went over the budget")
    expect(page.get_by_role("button", name="Release 2")).to_have_count(0)

    second = shown(page.url.split(f"/{path.guild_id}/")[1], by="maren.oake")
    second.get_by_role("link", name="Rejected 2").click()
    expect(second.locator("#job tbody tr")).to_have_count(2)
    assert axe(second) == []
    second.get_by_role("button", name="Release 2").press("Enter")

    expect(second.locator(".jobhead h2")).to_have_text("Ban 2 targets")
    expect(second.locator("#job [role=status]")).to_have_text("Finished")
    expect(page.locator("#job .banner")).to_have_count(0)
    assert banned(path, raiders)


def test_the_ids_of_what_came_to_nothing_are_copied_for_one_reason_or_all(path, shown, budget, axe):
    budget(20)
    job = path.a_job(Action.BAN, path.discord.strangers(4))
    path.submit_job(job)
    rows = path.end_of_job(job)
    for row, kind in zip(rows, ("forbidden", "forbidden", "refused"), strict=False):
        failed = "UPDATE action_requests SET state = 'failed', failure_kind = :kind, failure_sentence = 'No.'"
        path.write(f"{failed} WHERE request_id = :id", id=row["request_id"], kind=kind)
    page = shown(f"jobs/{job.batch_id}", viewport={"width": 390, "height": 844})
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def copied(button):
        button.press("Enter")
        expect(page.locator("#moved")).to_have_text("Copied")
        text = page.evaluate("navigator.clipboard.readText()")
        page.evaluate("document.getElementById('moved').textContent = ''")
        return text.split("\n")

    failed = [str(row["target_id"]) for row in rows[:3]]
    assert copied(page.locator("#why-forbidden [data-copy]")) == failed[:2]
    assert copied(page.get_by_role("button", name="Copy IDs of all 3")) == failed
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
