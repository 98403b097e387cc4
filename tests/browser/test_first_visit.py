"""What a browser that was never here is sent, and what it sees of that first."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

_SHIFTS = """() => new Promise(done => {
  new PerformanceObserver(list => done(list.getEntries().flatMap(one => one.sources.map(part => part.node?.outerHTML))))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done([]), 300);
})"""


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("place", ["overview", "cases"])
def test_a_first_visit_is_light_and_nothing_moves_while_it_opens(path, open_as, place, width, height):
    page = open_as("juniperlock", viewport={"width": width, "height": height})
    wire, weights = page.context.new_cdp_session(page), []
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    wire.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))

    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/{place}")
    expect(page.locator("#live:not(.wait, .off)")).to_be_visible()

    assert page.evaluate(_SHIFTS) == []
    assert 0 < sum(weights) <= 120_000
    assert len(weights) <= 10
