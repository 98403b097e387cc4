"""What people say while a scene plays: sentences put together from parts. All invented and harmless. Pure."""

from __future__ import annotations

import random
import re

_PARTS = {
    "who": "the owl|my neighbour|the miller|the night watch|a very small dog|the baker|our cartographer|the heron",
    "did": "moved|repainted|borrowed|lost|found|measured|hid|improved",
    "thing": "the footbridge|a kettle|the east lantern|the good ladder|forty acorns|the blue yarn|the bell|my boot",
    "place": "by the mill|on the hill|near the pond|in the map room|behind the gate|up in the tower|at the shore",
    "when": "this morning|again|last night|before breakfast|twice|while nobody looked|on purpose, I think",
    "food": "plum cake|pea soup|toast|ginger biscuits|cold porridge|a pear|honey cake|roast chestnuts|onion pie",
    "mood": "lovely|strange|very quiet|rather loud|windy|foggy|golden|a bit damp",
    "yes": "yes|agreed|true|same here|I thought so too|oh certainly|ha|that explains a lot",
    "no": "no way|I doubt it|not again|surely not|really?",
}

CHAT = (
    "{who} {did} {thing} {when}",
    "has anyone seen {thing}? it was {place}",
    "it is {mood} {place} today",
    "I am having {food} {place}, join me",
    "{yes}, {who} told me",
    "{yes}",
    "{no}, {who} would never",
    "who {did} {thing}?",
    "does {food} go with {food}? asking for {who}",
    "good morning from {place}",
    "off to bed, leave {thing} {place} please",
    "I {did} {thing} and I would do it again",
    "somebody left {food} {place}",
    "what a {mood} evening",
    "can someone help me carry {thing}?",
    "thank you all, that was {mood}",
)
#: Conversations of two people by turns. What a word in braces stands for stays the same to the last line.
EXCHANGES = (
    ("has anyone seen {thing}?", "it was {place} {when}", "that is where I looked!", "then ask {who}", "oh no"),
    ("who {did} {thing}?", "it was {who}, I saw it {place}", "again?", "{when}, yes"),
    (
        "I made {food}, who wants some?",
        "is there any without nuts?",
        "there is, {place}",
        "you are a treasure",
    ),
    ("what is everyone doing tonight?", "sitting {place} with {food}", "can I come?", "bring a blanket, it is {mood}"),
    ("does {food} go with tea?", "everything goes with tea", "not {food}", "especially {food}"),
    (
        "I am new at this, how do I get to the map room?",
        "second door",
        "and then?",
        "{who} will find you",
        "comforting",
    ),
    ("it is {mood} {place}", "here too", "bring your coat then", "I lent it to {who}"),
    (
        "trading {thing} for {food}",
        "deal",
        "you have not even asked what is wrong with it",
        "what is wrong with it?",
        "nothing",
    ),
    ("what tune is that {place}?", "{who}, practising", "it gets better, right?", "it does not", "I like it"),
    ("can somebody hold {thing} for a minute?", "how long is a minute?", "until {who} is back", "so a week"),
    ("the sheet says left, {who} says right", "go left", "I am in the pond", "the other left"),
    ("good news, {who} {did} {thing}", "and the bad news?", "{who} {did} {thing}", "ha"),
    (
        "is the lantern walk on if it is {mood}?",
        "it is always on",
        "even last year?",
        "we had boats",
        "I loved the boats",
    ),
    (
        "question for the night owls: {food} or {food2}?",
        "{food2}, no contest",
        "wrong",
        "then both, {place}",
        "this is the way",
    ),
)
EMOJI = ("👍", "❤️", "😂", "🏮", "👀", "🎉", "🍰", "🦉")
HELLO = (
    "hello everyone, new here",
    "hi! {who} sent me",
    "good evening, is this where the {food} is?",
    "just arrived, it is {mood} here",
)
RAID = (
    "THE BEES ARE HERE BUZZ BUZZ {number}",
    "buzz buzz buzz the hive sends its regards {number}",
    "we came for {food} and we will not leave {number}",
    "honk if you like {food} HONK HONK {number}",
    "long live the hive! {who} joins us {number}",
)
SPAM = (
    "FREE ACORNS for the first hundred, ask me how, offer {number}",
    "you have won {thing}! write to me to collect it, ticket {number}",
    "double your {food} overnight, no questions asked {number}",
    "cheap lantern oil, cheapest lantern oil, only today {number}",
)
QUARREL = (
    "you {did} {thing} and you know it",
    "I did not, {who} did",
    "everyone saw you {place}",
    "then everyone needs glasses",
    "give back {thing}",
    "say please for once",
    "you never say please yourself",
    "this is exactly what I mean",
    "I am not talking to someone who eats {food} {place}",
    "at least I can read a map",
    "my map was UPSIDE DOWN, we have been over this",
    "you are impossible",
    "and you are as stubborn as {who}",
)
BYSTANDERS = (
    "could you two please stop",
    "take it outside",
    "here we go again",
    "some of us are trying to eat {food}",
    "can a moderator have a look?",
    "it was {who}, can we move on",
)
REPORT = ("two people are quarrelling in {where} and it is not getting better", "{where} needs a moderator, please")


def line(rng: random.Random, patterns: tuple[str, ...], **known: object) -> str:
    """One sentence, made of one of the patterns; the same random numbers give the same sentence."""
    pattern = rng.choice(patterns)
    return re.sub(r"{(\w+)}", lambda found: str(known.get(found[1]) or _part(rng, found[1])), pattern)


def exchange(rng: random.Random) -> list[str]:
    """A short conversation, in which every word that is chosen stays chosen."""
    pattern = rng.choice(EXCHANGES)
    known: dict[str, object] = {name: _part(rng, name) for name in _PARTS}
    known["food2"] = rng.choice([food for food in _PARTS["food"].split("|") if food != known["food"]])
    return [line(rng, (each,), **known) for each in pattern]


def _part(rng: random.Random, name: str) -> str:
    return rng.choice(_PARTS[name].split("|"))
