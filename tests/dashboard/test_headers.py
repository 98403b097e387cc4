"""What every answer carries."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace

import brotli
import pytest

from kovra.dashboard import assets
from kovra.dashboard.services import Addresses
from kovra.dashboard.site import content_security_policy
from kovra.store.database import Database, PostgresClock


def test_the_content_security_policy_allows_ourselves_and_discords_pictures_and_consent(site):
    policy = site.visitor().get("/login").headers["Content-Security-Policy"]

    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https://cdn.example.org; "
        "connect-src 'self'; font-src 'self'; form-action 'self' http://127.0.0.1:9; base-uri 'none'; "
        "frame-ancestors 'none'; report-uri /csp-report"
    )


def test_the_policy_names_origins_and_not_paths():
    addresses = Addresses(
        base_url="https://kovra.example", discord_base_url="https://discord.com/x", discord_cdn_url="https://cdn.test/a"
    )

    policy = content_security_policy(addresses)

    assert "img-src 'self' https://cdn.test;" in policy
    assert "form-action 'self' https://discord.com;" in policy


@pytest.mark.parametrize("path", ["/login", "/nowhere", "/healthz", "/static/0/kovra.js"])
def test_every_answer_is_protected(site, path):
    headers = site.visitor().get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert re.fullmatch(r"e-[0-9a-f]{8}", headers["X-Request-Id"])
    assert "Strict-Transport-Security" not in headers, "on http it would lock the machine out of its other pages"


def test_pages_and_styles_are_compressed_and_streams_are_not(site, cast):
    who, asks = site.signed_in(cast.admin), {"Accept-Encoding": "gzip"}
    page = who.get("/servers", headers=asks)
    style = re.search(r'href="(/static/[^"]+\.css)"', who.get("/servers").get_data(as_text=True))[1]

    stream = who.get(f"/g/{cast.harbour}/live", headers={**asks, "Sec-Fetch-Site": "same-origin"}, buffered=False)
    stream.close()

    assert gzip.decompress(page.data).startswith(b"<!doctype html>")
    assert who.get(style, headers=asks).headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in page.headers["Vary"]
    assert stream.mimetype == "text/event-stream"
    assert "Content-Encoding" not in stream.headers


def test_pages_are_never_stored(site, cast):
    assert site.signed_in(cast.admin).get(f"/g/{cast.harbour}/cases").headers["Cache-Control"] == "no-store"


def test_static_files_are_kept_for_a_year_under_their_fingerprint_and_not_at_all_under_another(site):
    page = site.visitor().get("/login").get_data(as_text=True)
    address = re.search(r'data-pages="(/static/[0-9a-f]{16}/kovra\.js)"', page).group(1)

    ours, other = site.visitor().get(address), site.visitor().get("/static/0123456789abcdef/kovra.js")

    assert "max-age=31536000" in ours.headers["Cache-Control"]
    assert "immutable" in ours.headers["Cache-Control"]
    assert other.headers["Cache-Control"] == "no-store"
    assert ours.data == other.data


@pytest.mark.parametrize(("asks", "way"), [("br, gzip", "br"), ("gzip, br;q=0", "gzip"), ("", None), ("zstd", None)])
def test_a_static_file_comes_the_way_that_the_browser_understands(site, asks, way):
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[way]

    answer = site.visitor().get(assets.address("kovra.css"), headers={"Accept-Encoding": asks})

    assert answer.headers.get("Content-Encoding") == way
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert unpack(answer.data) == assets.shelf()["kovra.css"].content


def test_one_changed_file_leaves_the_addresses_of_the_others_alone():
    """A browser keeps the font through a release that changes a script."""
    tags = {asset.tag for asset in assets.shelf().values()}

    assert len(tags) == len(assets.shelf())


@pytest.mark.parametrize(
    "name",
    ["vendor/rebuild.py", "vendor/VENDORED.md", "css/tokens.css", "live.js", "../site.py", "..%2fsite.py"],
)
def test_sources_are_not_served(site, name):
    assert site.visitor().get(f"/static/0/{name}").status_code == 404


def test_a_browsers_report_is_taken_from_anywhere_and_kept_small(site):
    who = site.visitor()

    taken = who.client.post("/csp-report", data=b"{}", content_type="application/csp-report")
    large = who.client.post("/csp-report", data=b"x" * 10_000)

    assert (taken.status_code, large.status_code) == (204, 413)


def test_a_report_stays_one_line_of_the_log(site, caplog):
    site.visitor().client.post("/csp-report", data=b"a\nFORGED line\r\x1b[2J")

    assert len(caplog.messages) == 1
    assert "\n" not in caplog.messages[0]
    assert "\x1b" not in caplog.messages[0]


def test_health_says_whether_the_database_answers(site):
    well = site.visitor().get("/healthz").status_code
    nowhere = Database("postgresql://nobody@127.0.0.1:9/none", role=None)
    site.app.extensions["kovra"] = replace(site.app.extensions["kovra"], clock=PostgresClock(nowhere))

    away = site.visitor().get("/healthz").status_code

    assert (well, away) == (200, 503)


def test_on_https_the_cookie_is_locked_to_the_host_and_transport_is_pinned():
    from kovra.dashboard.access import cookie_name

    assert cookie_name(True) == "__Host-kovra"
    assert cookie_name(False) == "kovra"
