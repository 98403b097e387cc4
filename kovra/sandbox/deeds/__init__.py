"""What happens in a guild: each deed changes the world, tells the events in Discord's order and writes the audit entry.

``members`` bans, kicks, time-outs, roles, joining and leaving; ``voice`` moving and silencing; ``messages`` posting,
editing, deleting, DMs; ``reactions``; ``pins``; ``webhooks`` and what they post; ``threads`` started, changed, deleted,
with ``attendance`` who is in them and whether they are awake; ``places`` channels, roles and settings of the guild;
``invites`` ways in; ``automod`` a message that Discord's own AutoMod stops. A deed checks no rights: REST handlers and
the control API do, before it. ``by`` is whoever does it, the bot or a person.
"""
