"""The frame around the pages: where one can go."""

from __future__ import annotations

import re

import pytest


def places(page: str) -> list[str]:
    nav = page.split('<nav class="nav"')[1].split("</nav>")[0]
    return re.findall(r"<span>([^<]+)</span>", nav)


@pytest.mark.parametrize(("name", "missing"), [("admin", set()), ("trial", {"Mass action", "Audit log", "Settings"})])
def test_the_navigation_lists_what_is_built_and_open_to_the_viewer(site, cast, name, missing):
    from kovra.dashboard.shell import PLACES

    built = [place.label for place in PLACES if place.endpoint in site.app.view_functions]

    page = site.signed_in(getattr(cast, name)).get(f"/g/{cast.harbour}/overview").get_data(as_text=True)

    assert places(page) == [label for label in built if label not in missing]


def test_every_place_of_the_navigation_opens_and_says_where_one_is(site, cast):
    who = site.signed_in(cast.owner)
    front = who.get(f"/g/{cast.harbour}/overview").get_data(as_text=True)
    links = re.findall(r'<a href="([^"]+)" data-go=', front)

    pages = {link: who.get(link, follow_redirects=True).get_data(as_text=True) for link in links}

    assert len(links) == len(places(front))
    for link, page in pages.items():
        assert page.count('aria-current="page"') in (1, 2), link
        assert re.search(r"<title>[^<]+ · Harbour · Kovra</title>", page), link
        assert page.count("<h1>") == 1, link
        assert 'id="offline"' in page, link


def test_each_place_has_a_key_of_its_own():
    from kovra.dashboard.shell import PLACES

    assert len({place.key for place in PLACES}) == len(PLACES)


@pytest.mark.parametrize(
    ("browser", "chord"),
    [
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "⌘K"),
        ("Mozilla/5.0 (X11; Linux x86_64)", "Ctrl K"),
        ("", "Ctrl K"),
    ],
)
def test_keys_are_named_as_on_the_keyboard_of_the_reader(site, cast, browser, chord):
    """Drawn by the server: a name that a script changes afterwards moves what stands beside it."""
    answer = site.signed_in(cast.admin).get(f"/g/{cast.harbour}/cases", headers={"User-Agent": browser})

    assert set(re.findall(r"<kbd>((?:⌘|Ctrl )K)</kbd>", answer.get_data(as_text=True))) == {chord}
