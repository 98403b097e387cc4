"""Kovra: moderation for Discord servers, from click to case.

The path of one action::

    ask    request = door.read(input)                      # dashboard, bot.slash; the id minted when the wish arose
           refusal = rights.check(request, standing)       # actions.rights, over the mirrored live state
           sealed  = envelope.seal(request, key)           # actions.envelope, HMAC over the bytes that travel
           receipt = requests.accept(sealed, refusal)      # store.requests: budget, row, audit entry; one transaction
    carry  outbox.put(sealed)                              # queue: the guild's lane on Redis Streams; relay refills it
    do     request = envelope.open(entry)                  # guard.execute: signature, lane, bytes equal to the row
           claim   = requests.claim(request)               # guard.claim: fenced by an epoch
           notices.tell_before(request)                    # ban and kick: the target is told first
           outcome = perform(request)                      # guard.perform: intent, then one call through Pycord
    keep   case    = ledger.finalise(claim, outcome)       # store.ledger: gapless number, case, event; one transaction
           notices.tell_after(case); notices.post(case)    # mute and warn are told now; then the log channel
    show   bulletin.ring(guild)                            # live.bulletin -> live.hub -> dashboard.live -> the page

Rooms: ``actions`` (ask, pure), ``queue`` (carry, Redis and Dramatiq), ``guard`` (do, pure), ``store`` (keep, Postgres),
``live`` (show), ``shared_state`` (what processes share and may lose), ``bot`` (the only home of Pycord), ``dashboard``
(the only home of Flask), ``sandbox`` (the stand-in Discord), ``launcher`` (the commands of ``python3 -m kovra``).
``wiring`` builds every process; ``config`` reads the environment; ``crash`` lets a process die for a test;
``errors`` and ``ids`` are everybody's.
"""
