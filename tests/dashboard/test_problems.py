"""What went wrong, as a page and as a toast: each says what happened, what it means and what to do, and leads on."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import make_server

from kovra.dashboard.access import OPEN, policy
from kovra.store.database import Database
from kovra.store.viewers import Viewers

FORM = {"Sec-Fetch-Site": "same-origin"}


def failing():
    raise RuntimeError("a fault of ours")


@pytest.fixture
def broken(site, cast):
    """``broken(name)`` brings one of the failures about, the way a person would; gives the answer."""
    site.app.add_url_rule("/broken", view_func=policy(OPEN)(failing), endpoint="broken")

    def bring_about(name, fragment=False):
        who, here = site.signed_in(cast.trial), f"/g/{cast.harbour}"
        how = {"headers": {"HX-Request": "true"} | FORM} if fragment else {"headers": FORM}
        if name == "403":
            return who.get(f"{here}/settings/budgets", **how)
        if name == "404":
            return who.get("/g/999/cases", **how)
        if name == "405":
            return who.get(f"{here}/actions", **how)
        if name == "413":
            how["headers"] = how["headers"] | {"Referer": f"http://localhost:8000{here}/members?q=a"}
            return who.post(f"{here}/actions", {"reason": "x" * 200_000}, **how)
        if name == "500":
            return who.get("/broken", **how)
        if name == "Discord":
            sent = who.post("/login", {"next": "/"}, headers=FORM)
            state = re.search(r"state=([^&]+)", sent.location)[1]
            return who.get(f"/login/callback?code=some&state={state}", **how)
        away = Viewers(Database("postgresql://nobody@127.0.0.1:9/none", role=None))
        site.app.extensions["kovra"] = replace(site.app.extensions["kovra"], viewers=away)
        return who.get(f"{here}/cases?q=spam", **how)

    return bring_about


def test_a_refusal_names_the_capability_and_whom_to_ask(broken, cast):
    page = Read(broken("403"))

    assert page.status == 403
    assert page.title == "You cannot see this here"
    assert "“settings”, which comes with Manage Server" in page.text
    assert "Ask an admin of Harbour" in page.todo
    assert page.ways == {"To the overview": f"/g/{cast.harbour}/overview"}


def test_nothing_at_an_address_leads_to_the_servers(broken):
    page = Read(broken("404"))

    assert (page.status, page.title) == (404, "There is nothing here")
    assert page.ways == {"To your servers": "/servers"}


def test_the_address_of_a_form_says_so_and_which_method_it_takes(broken):
    answer = broken("405")
    page = Read(answer)

    assert (page.status, page.title) == (405, "This address opens no page")
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert "To your servers" in page.ways


def test_what_is_too_large_says_how_large_and_leads_back_to_its_page(broken, cast):
    page = Read(broken("413"))

    assert (page.status, page.title) == (413, "What was sent is too large")
    assert "128 KiB" in page.text
    assert page.ways["Back to the page"] == f"/g/{cast.harbour}/members?q=a"


def test_the_way_back_never_leads_elsewhere(site, cast):
    who = site.signed_in(cast.admin)

    for came in ("https://elsewhere.example/x", "http://localhost:8000//elsewhere.example", "nonsense"):
        answer = who.post("/logout", {"csrf": "wrong"}, headers=FORM | {"Referer": came})

        assert Read(answer).ways == {"To your servers": "/servers"}


def test_a_fault_of_ours_has_a_reference_and_can_be_tried_again(broken):
    answer = broken("500")
    page = Read(answer)

    assert (page.status, page.title) == (500, "Kovra failed to answer")
    assert answer.headers["X-Request-Id"] in page.all
    assert "a fault of ours" not in page.all
    assert page.ways == {"Try again": "/broken", "To your servers": "/servers"}


def test_without_discord_nobody_is_signed_in_and_the_page_says_who_works_on(broken):
    page = Read(broken("Discord"))

    assert (page.status, page.title) == (502, "Discord is away")
    assert "Whoever is signed in works on" in page.text
    assert page.ways == {"Sign in again": "/login"}


def test_without_the_database_the_same_page_can_be_tried_again(broken, cast):
    answer = broken("database")
    page = Read(answer)

    assert (page.status, page.title) == (503, "Kovra’s database does not answer")
    assert answer.headers["Retry-After"] == "5"
    assert page.ways == {"Try again": f"/g/{cast.harbour}/cases?q=spam"}


FAILURES = ("403", "404", "405", "413", "500", "Discord", "database")


def test_a_part_gets_a_toast_with_the_same_three(broken):
    for name in FAILURES:
        answer = broken(name, fragment=True)
        drawn = answer.get_data(as_text=True)

        assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#toasts", "beforeend"), name
        title, said = re.search(
            r'id="toast-problem">.*?class="t">(.*?)</span><span class="s">(.*?)</span>', drawn
        ).groups()
        assert title, name
        assert said.count(".") >= 2, name
        assert "data-dismiss" in drawn, name
        assert "Try again</a>" not in drawn, name


@pytest.mark.browser
def test_each_page_is_whole_on_desk_and_phone_in_both_themes(site, chromium, axe, broken):
    pages = {name: broken(name).get_data(as_text=True) for name in FAILURES}
    context = chromium.new_context()
    page, found, cut = context.new_page(), {}, []

    with served(site.app) as url:
        page.route("**/drawn", lambda route: route.fulfill(body=pages[name], content_type="text/html"))
        for name in FAILURES:
            page.goto(f"{url}/drawn")
            for width, scheme in ((1440, "dark"), (390, "light")):
                page.set_viewport_size({"width": width, "height": 844})
                page.emulate_media(color_scheme=scheme)
                found[name, width] = axe(page)
                cut += [(name, width)] * page.evaluate("document.documentElement.scrollWidth > innerWidth")
    context.close()

    assert {place: faults for place, faults in found.items() if faults} == {}
    assert cut == []


class Read:
    """A problem's page as a person reads it."""

    def __init__(self, answer):
        self.status, self.all = answer.status_code, answer.get_data(as_text=True)
        self.title = re.search(r"<h1[^>]*>(.*?)</h1>", self.all)[1]
        self.text = re.search(r"</h1><p>(.*?)</p>", self.all)[1]
        self.todo = re.search(r'<p class="todo">(.*?)</p>', self.all)[1]
        links = re.findall(r'<a class="btn[^"]*" href="([^"]*)">(.*?)</a>', self.all)
        self.ways = {label: href for href, label in links}
        assert all(urlsplit(href).netloc == "" for href in self.ways.values())


@contextmanager
def served(app):
    """The application on a port of this machine, with its styles."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
