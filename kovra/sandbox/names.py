"""Words of which the demo's people and their talk are made. All invented."""

from __future__ import annotations

FIRST_WORDS = """
amber ash aspen barley bramble briar cinder clover copper cricket dapple dawn dew drift dusk ember fable fennel fern
finch flint foxglove frost ginger glade hazel heather heron hollow ivory juniper kestrel lantern lark linden lumen
maple marsh mellow merry mint misty moss mossy nettle nutmeg oaken opal otter paper pebble pepper pewter plum poppy
quiet quill rain raven reed rivet robin rook rowan russet saffron sage sienna silver sleepy slate snowy sorrel sparrow
spruce starling stone sunny swift tansy tawny teasel thistle thyme tidal timber tinder topaz umber velvet walnut
willow winter wren yarrow
"""

LAST_WORDS = """
anchor arrow badger bark beacon bell bird bloom book boots bough bridge brook button candle cart cat chimney clock
cloak cloud coat cottage creek crow cup door drum fern field fiddle fish flute fog fox garden gate glass hare hat
hedge hill horn house jar kettle key knight lamp lane leaf loom map meadow mill moon moth mouse needle nook oar
orchard otter owl path pear pine pipe pond pot quilt rabbit ridge road rook root shore sky spoon spark stove tide
tower toad trail vale violet wagon well wheel whistle wick wing wolf wood yarn
"""

#: Channel -> lines said there.
LINES: dict[str, list[str]] = {
    "main-hall": [
        "morning all, the fog is back on the hill",
        "does anyone remember who baked the plum cake last week? asking for me",
        "I walked past the mill and the wheel is turning again!",
        "good evening from the top of the tower",
        "the storm took my roof tiles and gave me someone else's",
        "what do we call a group of lamplighters? a glimmer?",
        "a glimmer it is",
        "please nobody tell the owl about the bread",
        "first time here, this place is lovely",
        "welcome! the map room is the second door",
        "I learned to whistle today. sorry in advance",
        "who left forty acorns on the notice board",
        "anyone up for a walk around the pond on Sunday?",
        "count me in, I bring tea",
        "my cat has opinions about the new bell",
        "the lanterns looked wonderful last night, thank you all",
    ],
    "trade-post": [
        "swap: two jars of honey for any blue yarn",
        "giving away tomato seedlings, five left",
        "looking for someone to lend me a ladder until Thursday",
        "I have a ladder! you return it with paint on it, that is the rule",
        "trading one very good stick for one slightly better stick",
        "is the kettle still free?",
    ],
    "map-room": [
        "the footbridge on sheet 4 has moved again",
        "new map of the orchard is pinned, north is down, do not ask",
        "how do I get from the mill to the shore without the stairs?",
        "left at the heron, then straight on",
        "which heron",
        "you will know",
    ],
    "music-by-night": [
        "an hour of rain on a tin roof, best album of the year",
        "learning the fiddle, neighbours learning patience",
        "does anyone have the tune they played at the harvest?",
        "I hum it all day and cannot name it",
    ],
    "bot-corner": ["roll 2d6", "the dice hate me", "play something slow please"],
    "welcome": ["Three rules: be kind, keep it legal, leave the owl alone."],
    "announcements": ["Lantern night is on the last Friday. Bring something that glows."],
    "staff-room": [
        "handover: quiet night, two spoilers in the main hall, both warned",
        "I am away on Saturday, Juniper has the evening",
        "reminder: write the reason so that a stranger would understand it",
    ],
}

#: The last things said before now.
CLOSING_LINES: list[tuple[str, str]] = [
    ("main-hall", "is the lantern walk still on for tonight?"),
    ("main-hall", "yes, at nine by the gate"),
    ("trade-post", "the blue yarn is taken, thanks everyone"),
]
