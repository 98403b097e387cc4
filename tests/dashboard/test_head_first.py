"""The head of a page goes out before the page is drawn, and changes nothing else about it."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace

import brotli
import pytest

from kovra.store.database import Database
from kovra.store.events import Events
from tests.dashboard.visitor import Visitor

OPENS = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
PAGES = ("overview", "cases", "members", "bans", "mass", "audit", "queue", "settings/notices")
#: What is another in each drawing: tokens, and ids that are minted with a form.
_MINTED = re.compile(r"[0-9a-f]{128}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def in_pieces(who: Visitor, path: str, **headers: str) -> tuple[list[bytes], str]:
    """The pieces of a page as a browser gets them, and how they are packed."""
    answer = who.get(path, headers={**OPENS, **headers}, buffered=False)
    assert answer.status_code == 200
    pieces = list(answer.iter_encoded())
    return pieces, answer.headers.get("Content-Encoding", "")


@pytest.mark.parametrize("page", PAGES)
def test_a_browser_gets_the_head_first_and_in_all_the_same_page(site, cast, page):
    who, path = site.signed_in(cast.admin), f"/g/{cast.harbour}/{page}"

    (head, rest), _ = in_pieces(who, path)
    whole = who.get(path).get_data(as_text=True)

    assert re.search(rb'<link rel="stylesheet" href="[^"]+">', head)
    assert b"<title>" not in head
    assert _MINTED.sub("", (head + rest).decode()) == _MINTED.sub("", whole)


@pytest.mark.parametrize(("packing", "unpack"), [("br", brotli.decompress), ("gzip", gzip.decompress), ("", bytes)])
def test_the_head_can_be_read_before_the_rest_has_come(site, cast, packing, unpack):
    pieces, packed = in_pieces(site.signed_in(cast.admin), f"/g/{cast.harbour}/cases", **{"Accept-Encoding": packing})

    assert packed == packing
    assert unpack(b"".join(pieces)).endswith(b"</html>")
    if packing == "br":
        assert brotli.Decompressor().process(pieces[0]).endswith(b"</script>")


def test_a_failure_after_the_head_is_told_in_the_page(site, cast):
    who = site.signed_in(cast.admin)
    away = Events(Database("postgresql://nobody@127.0.0.1:9/none", role=None))
    site.app.extensions["kovra"] = replace(site.app.extensions["kovra"], events=away)

    pieces, _ = in_pieces(who, f"/g/{cast.harbour}/cases")
    page = b"".join(pieces).decode()

    assert page.count("<!doctype html>") == 1
    assert "Kovra’s database does not answer" in page
    assert who.get(f"/g/{cast.harbour}/cases").status_code == 503, "whatever is no browser reads the status"


def test_who_may_not_open_it_is_refused_before_the_head(site, cast):
    path = f"/g/{cast.harbour}/settings/health"

    refused = site.signed_in(cast.trial).get(path, headers=OPENS)
    stranger = site.signed_in(cast.nobody).get(path, headers=OPENS)
    signed_out = site.visitor().get(path, headers=OPENS)

    assert (refused.status_code, stranger.status_code, signed_out.status_code) == (403, 404, 303)
