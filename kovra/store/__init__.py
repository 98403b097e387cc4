"""KEEP: PostgreSQL, the truth. Nothing else in Kovra speaks SQL.

``database``  one engine per process: transactions under one guild, the clock, what to do when it does not answer;
              ``line`` is its connection
``tables``    every table
``migrate``   brings a database to the newest revision; ``roles`` are the logins of web, worker and bot
``requests``  the queue of record: receipts, accept, the status of one request
``together``  many requests of one moderator accepted in one transaction; ``twins`` why a constraint would not take one
``jobs``      mass actions: accept of many, pause, cancel, release
``budgets``   what a moderator has spent, counted from the rows
``ledger``    how the executor writes the queue of record: claims, intents, results; ``writes`` are its statements
``liveness``  proof that a worker lives, and the release of what a dead one held
``job_ledger`` how the executor writes chunks of jobs; ``case_batches`` cases of one chunk
``log_posts`` what waits in the log channels to be posted, and which posts are to read anew; ``log_events`` what was
              heard on a server, until it is posted, and ``log_credits`` by whom it was done
``backlog``   what the relay brings back to the lanes; ``job_backlog`` of jobs
``casebook``  writing cases: the gapless number, the digest, the chain
``finalising`` several deeds of one guild become cases in one transaction; ``group_commit`` is who shares it,
              ``rows`` how they travel
``endings``   the ends of punishments: kept with the case that begins one, settled by the newest act
``schedule``  which of them are due, and the requests made for them
``cases``     cases as pages show them; ``steps`` are the times of one
``overview``  how much happens, when, by whom, and what waits: the front page
``traffic``   what is on its way and how fast: the Action Queue page; ``broken`` what failed or gave up
``events``    the numbered events of a guild
``retention`` forgets what is kept only for a time
``audit``     the sealed record of a guild, its verification, and the quarantine of refused entries
``guilds``    scopes (who may read what) and the cards of the server picker
``roster``    who is who, for rights; ``people`` is what it is made of
``mirror``    Discord's state as the bot hears it
``health``    what the health check of a server looks at
``bygone``    what members were before: names, comings and goings, messages a day
``native_inbox`` what the bot hears of Discord's audit log; ``native`` makes cases of it
``members``   people of a guild: search and cards; ``member_search`` finds them by what somebody typed
``audit_pages`` the record as people look through it
``warming``   what makes the first action of a process as fast as the second
``sessions``  sign-ins and sessions of the dashboard

Rows stay in this room; what leaves is a frozen value. Every read of a guild's data goes through a
:class:`~kovra.store.guilds.GuildScope` or names its guild, and PostgreSQL's row-level security is the second wall.

Locks are taken in one order, so that no two transactions wait for each other: moderator (advisory), request row,
``guild_counters``, ``audit_heads``, ``scheduled_ends``.
"""
