"""The case browser."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from uuid import UUID

import pytest

from kovra.actions.request import Action
from kovra.guard.case import NoticeStatus
from kovra.store.mirror import MemberRow


def toast_id(answer):
    return UUID(re.search(r'id="toast-([0-9a-f-]{36})"', answer.get_data(as_text=True)).group(1))


def visible_text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.get_data(as_text=True)))


def numbers(answer):
    return [int(number) for number in re.findall(r'<tr role="row" id="case-(\d+)"', answer.get_data(as_text=True))]


def test_a_guild_without_cases_says_what_will_stand_here(site, cast):
    answer = site.signed_in(cast.moderator).get(f"/g/{cast.harbour}/cases")

    assert "No cases yet" in visible_text(answer)
    assert "Find a member" in visible_text(answer)


def test_a_case_is_a_row_with_everything_at_a_glance(site, cast, a_case):
    a_case(Action.WARN, reason="spam in #general", notice=NoticeStatus.REFUSED, code=50007)

    row = visible_text(site.signed_in(cast.admin).fragment(f"/g/{cast.harbour}/cases/1/row"))

    for part in ("#1", "Warn", "Quillon", "spam in #general", "pell", "Dashboard", "Refused", "now"):
        assert part in row


def test_pages_are_cut_by_number_and_stand_in_the_address(site, cast, a_case, monkeypatch):
    monkeypatch.setattr("kovra.dashboard.listing.PER_PAGE", 2)
    for _ in range(5):
        a_case()
    who = site.signed_in(cast.admin)

    newest = who.get(f"/g/{cast.harbour}/cases")
    older = who.get(re.search(r'rel="next" href="([^"]+)"', newest.get_data(as_text=True)).group(1))
    a_case()
    still = who.get(f"/g/{cast.harbour}/cases?before=4")
    back = who.get(re.search(r'rel="prev" href="([^"]+)"', older.get_data(as_text=True)).group(1))

    assert (numbers(newest), numbers(older), numbers(still), numbers(back)) == ([5, 4], [3, 2], [3, 2], [5, 4])
    assert 'data-first="yes"' in newest.get_data(as_text=True)
    assert 'data-first="no"' in older.get_data(as_text=True)


def test_the_sheet_tells_the_whole_story(site, cast, a_case):
    a_case(Action.NOTE, reason="new here, friendly")
    a_case(Action.MUTE, reason="mention flood", duration_s="3600")

    sheet = visible_text(site.signed_in(cast.admin).fragment(f"/g/{cast.harbour}/cases/2"))

    for part in (
        "Case #2",
        "mention flood",
        "Requested 0 ms",
        "Signed and accepted",
        "Waited in queue",
        "DM sent",
        "Case written",
        "Posted in the log",
        "About: mention flood",
        "Open in Discord",
        "1 earlier case",
        "new here, friendly",
    ):
        assert part in sheet, part


def test_the_open_case_stands_in_the_address(site, cast, a_case):
    a_case()

    page = site.signed_in(cast.admin).get(f"/g/{cast.harbour}/cases?case=1").get_data(as_text=True)

    assert 'id="case-sheet"' in page
    assert re.search(r'id="case-1"[^>]*aria-current="true"', page)


def test_a_link_from_discord_opens_the_page_with_the_sheet(site, cast, a_case):
    a_case()

    answer = site.signed_in(cast.admin).get(f"/g/{cast.harbour}/cases/1")

    assert (answer.status_code, answer.location) == (303, f"/g/{cast.harbour}/cases?case=1")


def test_a_case_that_is_not_there_names_the_newest(site, cast, a_case):
    a_case()
    who = site.signed_in(cast.admin)

    fragment, page = who.fragment(f"/g/{cast.harbour}/cases/9042"), who.get(f"/g/{cast.harbour}/cases?case=9042")

    for answer in (fragment, page):
        assert "There is no case #9042" in visible_text(answer)
        assert "newest case is #1" in visible_text(answer)


def test_a_case_of_the_other_guild_is_not_there(site, cast, a_case):
    a_case(reason="harbour only")

    answer = site.signed_in(cast.neighbour).fragment(f"/g/{cast.meadow}/cases/1")

    assert "harbour only" not in answer.get_data(as_text=True)
    assert "There is no case #1" in visible_text(answer)


def test_the_cursor_is_read_before_the_rows(site, cast, a_case):
    a_case()

    page = site.signed_in(cast.admin).get(f"/g/{cast.harbour}/cases").get_data(as_text=True)

    newest = site.app.extensions["kovra"].events.newest([cast.harbour])[cast.harbour]
    assert f'data-since="{newest}"' in page


EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<svg/onload=alert(1)>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{7*7}}${7*7}#{7*7}",
    "<hx-partial hx-target='body'>x</hx-partial>",
    '<div hx-get="/logout" hx-trigger="load">x</div>',
    "<style>*{display:none}</style>",
    "<!--><script>alert(1)</script>-->",
    "&lt;script&gt;",
    "\u202eevil\u2066",
    "zero\u200bwidth\ufeff",
    "<a href=data:text/html,x>x</a>",
    "<base href=//evil.example>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "]]><x>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
)


@pytest.mark.parametrize("text", EVIL)
def test_what_people_write_is_shown_and_never_obeyed(site, cast, a_case, text):
    name = text[:32]
    site.mirror.member(
        cast.harbour,
        MemberRow(
            user_id=cast.quillon,
            username="quillon",
            global_name=name,
            nick=name,
            avatar='x"><script>',
            bot=False,
            role_ids=[],
            joined_at=None,
            timed_out_until=None,
        ),
    )
    a_case(Action.WARN, reason=text)
    who = site.signed_in(cast.admin, name=name)

    answers = [
        who.get(f"/g/{cast.harbour}/cases?case=1"),
        who.fragment(f"/g/{cast.harbour}/cases/list"),
        who.fragment(f"/g/{cast.harbour}/act?target={cast.quillon}&action=warn"),
        who.fragment(f"/g/{cast.harbour}/act/members?q={cast.quillon}"),
        who.ask(Action.WARN, reason="", target=cast.quillon),
        who.ask(Action.WARN, reason=text, request_id="broken"),
        who.ask(Action.KICK, target=cast.admin, reason=text),
    ]

    for answer in answers:
        page = Page(answer)
        assert set(page.tags) & FOREIGN == set()
        assert all(source.startswith("/static/") for source in page.values("script", "src")), page.values(
            "script", "src"
        )
        assert all(source.startswith("https://cdn.example.org/avatars/") for source in page.values("img", "src"))
        assert [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"] == []
        assert {value for _, name, value in page.attributes if name == "hx-get"} <= page.own
        assert not re.search("[\u202e\u2066\u200b\ufeff]", page.outside_fields)


#: No template of ours draws these.
FOREIGN = {"style", "iframe", "base", "math", "mi", "hx-partial", "object", "embed"}


class Page(HTMLParser):
    """What a browser makes of an answer."""

    def __init__(self, answer):
        super().__init__()
        self.tags, self.attributes, self.outside_fields = [], [], ""
        self._in_field = False
        self.feed(answer.get_data(as_text=True))
        self.own = {value for _, name, value in self.attributes if name == "hx-get" and value.startswith("/g/")}

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._in_field = tag == "textarea"

    def handle_endtag(self, tag):
        self._in_field = False

    def handle_data(self, data):
        # A field gives back exactly what was typed; everywhere else it is shown for what it is.
        if not self._in_field:
            self.outside_fields += data

    def values(self, tag, name):
        return [value for in_tag, named, value in self.attributes if (in_tag, named) == (tag, name)]


def test_a_picture_comes_from_the_cdn_by_id(site, cast, a_case):
    site.mirror.member(
        cast.harbour,
        MemberRow(
            user_id=cast.quillon,
            username="quillon",
            global_name=None,
            nick=None,
            avatar="abc123",
            bot=False,
            role_ids=[],
            joined_at=None,
            timed_out_until=None,
        ),
    )
    a_case()

    page = site.signed_in(cast.admin).get(f"/g/{cast.harbour}/cases").get_data(as_text=True)

    assert f'src="https://cdn.example.org/avatars/{cast.quillon}/abc123.png?size=64"' in page


def test_one_server_is_opened_at_once_and_several_are_picked(site, cast):
    one, several = site.signed_in(cast.admin), site.signed_in(cast.owner)

    opened, picked = one.get("/"), several.get("/")
    picker = several.get("/servers")

    assert opened.location == f"/g/{cast.harbour}/overview"
    assert picked.location == "/servers"
    assert [name in visible_text(picker) for name in ("Harbour", "Meadow")] == [True, True]


def test_someone_without_a_server_is_told_what_to_do(site, cast):
    answer = site.signed_in(cast.nobody).get("/servers")

    assert "No server to moderate yet" in visible_text(answer)


def test_the_theme_is_drawn_by_the_server(site, cast):
    who = site.signed_in(cast.admin)

    kept = who.post("/theme", {"theme": "light", "next": f"/g/{cast.harbour}/cases"})
    light = who.get("/servers").get_data(as_text=True)
    who.post("/theme", {"theme": "system", "next": "/servers"})
    system = who.get("/servers").get_data(as_text=True)

    assert kept.location == f"/g/{cast.harbour}/cases"
    assert '<html lang="en" data-theme="light">' in light
    assert '<html lang="en">' in system


def test_filters_stand_in_the_address_and_can_be_taken_off_one_by_one(site, cast, a_case):
    a_case(Action.WARN, reason="spam in #general")
    a_case(Action.MUTE, reason="shouting", duration_s="3600")
    who = site.signed_in(cast.admin)

    page = who.get(f"/g/{cast.harbour}/cases?action=mute&who=Quillon&q=shouting").get_data(as_text=True)

    assert re.findall(r'id="case-(\d+)"', page) == ["2"]
    assert 'aria-label="Remove filter Action"' in page
    assert f"/g/{cast.harbour}/cases?q=shouting&amp;who=Quillon" in page
    assert 'value="shouting"' in page
    assert re.search(r"Member</span><button[^>]*><bdi>Quillon</bdi>", page)


def test_a_list_that_nothing_fits_says_so_and_leads_back(site, cast, a_case):
    a_case()

    answer = site.signed_in(cast.admin).get(f"/g/{cast.harbour}/cases?action=kick")

    assert "No case fits these filters" in visible_text(answer)
    assert "No cases yet" not in visible_text(answer)


def test_the_filters_name_everybody_who_made_a_case(site, cast, a_case):
    a_case()

    filters = site.signed_in(cast.admin).fragment(f"/g/{cast.harbour}/cases/filters?action=warn&mod={cast.moderator}")

    assert re.search(r'value="warn" checked', filters.get_data(as_text=True))
    assert re.search(rf'<option value="{cast.moderator}" selected>pell', filters.get_data(as_text=True))


def test_new_cases_are_counted_by_what_fits(site, cast, a_case):
    for action in (Action.WARN, Action.NOTE, Action.WARN):
        a_case(action)
    who = site.signed_in(cast.admin)

    fit = who.fragment(f"/g/{cast.harbour}/cases/new?action=warn&since=1").get_data(as_text=True)
    none = who.fragment(f"/g/{cast.harbour}/cases/new?action=ban&since=0").get_data(as_text=True)

    assert (fit, none) == ("1 new case", "")


def test_a_line_is_drawn_once_and_anew_when_something_of_it_has_changed(site, cast, a_case):
    a_case()
    known, line = site.app.extensions["kovra"], site.app.jinja_env.globals["case_line"]
    row = known.cases.row(known.guilds.scope(cast.admin, cast.harbour), 1)

    with site.app.test_request_context():
        once, again, other = line(row, "/base"), line(row, "/base"), line(replace(row, voided=True), "/base")
        opened = line(row, "/base", open=True)

    assert once is again
    assert 'class="void"' in other
    assert ('aria-current="true"' in opened, 'aria-current="true"' in once) == (True, False)
