"""Guard on Discord: the only home of Pycord. Guard is one bot in two processes.

``worker.py`` acts (Guard's hands):

``rest``       the acts and messages, one HTTP attempt each, for synchronous worker threads
``places``     of these the ones on channels and on the server itself
``http``       Pycord's HTTP client with Kovra's policy: one attempt, a time limit, buckets, a shared pace, a breaker
``invalid``    the tally of invalid requests of this process
``live_roster``  who is who, asked from Discord itself when the gateway has fallen silent
``buckets``    keeps requests within the rate limits that Discord's answers describe

``bot.py`` listens (Guard's ears) and executes nothing:

``gateway``    the connection to Discord and how long it lives
``shards``     its lines, and whether they live
``inquiries``  what the mirror and the ears ask of Discord
``mirror``     guilds, roles, channels, members and bans, written down from gateway events
``native``     what was done in Discord itself, from the audit log: as it happens, and read after a time away
``comings``    who comes by which invite, and how much members write
``log_ear``    what happens on a server and is to be posted in its log channels
``deleters``   who deleted a message, from the audit log, for the same
``introduction``  what the bot knows of itself, for the health check
``writer``     the one thread that writes the mirror, in order
``hardening``  the defects of Pycord, patched
``slash``      the door of commands, menus and forms: promises an answer, submits, and edits the outcome in
``answers``    the answers: how they reach Discord, and their words
``evidence``   keeping a message and its files before anybody acts on it
``forms``      the dialog behind the menus: what it asks, and what was filled in
``asking``     a command turned into the canonical request
``reading``    what ``/case view``, ``/case list`` and ``/history`` say
``rejoin``     the door of muted members who left and came back
``commands``   the commands as data, and telling Discord about them
``rolls``      a list that is told in parts while it goes on changing
``durations``  reading ``10m``, ``2h``, ``7d``, and dates
``suggestions``  what is offered while a moderator types
``tongues``    the commands in other languages

``pointing``   which Discord Pycord talks to
``payloads``   Discord's objects, read into Kovra's values
``ports``      what this room asks of the world
"""
