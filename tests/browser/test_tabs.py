"""Many tabs of one browser hold one stream between them, and none of them misses anything."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from benchmarks.chaos.proxy import Proxy
from kovra.actions.request import Action

pytestmark = pytest.mark.browser


@pytest.fixture
def tabs(path, open_as):
    """Eight tabs of one browser on the list of cases, and the requests for streams that they made."""
    first = open_as("juniperlock")
    # The page that signing in led to asks for a stream too, sooner or later; only those of the tabs are counted.
    first.goto("about:blank")
    context, asked = first.context, []
    context.on(
        "request", lambda request: asked.append(request) if request.url.split("?")[0].endswith("/live") else None
    )
    pages = [first, *(context.new_page() for _ in range(7))]
    for page in pages:
        page.set_default_timeout(30_000)
        page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases")
        expect(page.locator("#live")).to_contain_text("Live")
    return pages, asked


def warn_someone(path):
    """Its case number."""
    return path.run(path.a(Action.WARN, path.discord.someone()))["case_no"]


def test_eight_tabs_hold_one_stream_and_closing_the_one_that_has_it_loses_nothing(path, tabs):
    pages, asked = tabs
    assert len(asked) == 1
    number = warn_someone(path)
    for page in pages:
        expect(page.locator(f"#case-{number}")).to_be_visible()

    leader = asked[0].frame.page
    leader.close()
    number = warn_someone(path)

    others = [page for page in pages if page is not leader]
    for page in others:
        expect(page.locator(f"#case-{number}")).to_be_visible()
    assert len(asked) == 2
    assert asked[1].frame.page in others


def test_a_page_that_slept_shows_what_happened_meanwhile(path, open_as):
    page = open_as("juniperlock")
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases")
    expect(page.locator("#live")).to_contain_text("Live")
    control = page.context.new_cdp_session(page)
    control.send("Page.setWebLifecycleState", {"state": "frozen"})
    page.context.set_offline(True)

    numbers = [warn_someone(path) for _ in range(3)]
    page.context.set_offline(False)
    control.send("Page.setWebLifecycleState", {"state": "active"})

    for number in numbers:
        expect(page.locator(f"#case-{number}")).to_be_visible()


@pytest.fixture
def network(path):
    """Stands between the browser and Kovra."""
    proxy = Proxy(path.stack.web_url)
    yield proxy
    proxy.close()


def test_a_laptop_that_slept_for_an_hour_reloads_what_the_history_no_longer_has(path, open_as, network):
    page, told, asked = open_as("juniperlock"), [], []
    page.clock.install()
    # The page that one signed in on opens a stream too, at Kovra's own address.
    place = f"http://{urlsplit(path.stack.web_url).hostname}:{network.port}/g"
    page.on(
        "request",
        lambda request: asked.append(request.url) if f"{place}/{path.guild_id}/live?" in request.url else None,
    )
    page.expose_function("told", lambda family: told.append(family))
    page.goto(f"{place}/{path.guild_id}/cases")
    page.evaluate("for (const f of ['resync', 'member']) document.body.addEventListener(`live:${f}`, () => told(f))")
    expect(page.locator("#live")).to_contain_text("Live")
    control = page.context.new_cdp_session(page)
    control.send("Page.setWebLifecycleState", {"state": "frozen"})

    with network.toxic("half-open"):  # its line is gone, and nobody told it
        numbers = [warn_someone(path) for _ in range(3)]
        path.write(
            "DELETE FROM guild_events e WHERE guild_id = :guild AND seq < "
            "(SELECT max(seq) FROM guild_events WHERE guild_id = e.guild_id)",
            guild=path.guild_id,
        )
        control.send("Page.setWebLifecycleState", {"state": "active"})
        page.clock.fast_forward("01:00:00")

    for number in numbers:
        expect(page.locator(f"#case-{number}")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("Live")
    # What its line brings it may have missed of Discord's it looks at again, too.
    path.until(lambda: page.title() and {"resync", "member"} <= set(told))
    assert len(asked) == 2


def test_a_page_that_is_refused_comes_back_later_each_time_and_at_a_moment_of_its_own(path, open_as):
    page = open_as("juniperlock")
    page.route("**/live?*", lambda route: route.fulfill(status=429))
    page.add_init_script(
        "Math.random = () => 0.25; const wait = setTimeout; window.waits = [];"
        "window.setTimeout = (call, ms) => { if (call.name === 'open') waits.push(ms); return wait(call, ms); };"
    )

    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases")
    path.until(lambda: page.evaluate("waits.length") >= 3)

    assert page.evaluate("waits.slice(0, 3)") == [750, 1500, 3000]
