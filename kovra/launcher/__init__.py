"""The commands of ``python3 -m kovra``, and everything they start.

    bootstrap    make ``.venv`` with the pinned requirements, and continue inside it (standard library only)
    commands     ``demo``, ``test``, ``bench``, ``sandbox``, ``release``: what each word does
    say, trouble how it speaks to a person, and what it says when it cannot go on
    children     start a process that cannot outlive us
    postgres     a private PostgreSQL: from ``DATABASE_URL``, the wheel, or the system
    postgres_programs, postgres_lock   where its programs are, and who uses a cluster
    valkey       a private Valkey: from ``REDIS_URL``, the wheel, or the system
    ports        the port that was asked for, or a free one
    sockets      the private folders of their sockets
    supervisor   processes in order: ready, logged, restarted, stopped
    stack        all of Kovra as real processes, for the demo, benches and whole-trip tests
    keys         the keys of a demo, made once
    demo         the stack with its address, its people and its end
    needs        what a machine may lack, and what cannot run without it
    smoke        bring the demo up, carry one warning through it, take it down

Nothing here is imported by the rooms of the product: they take addresses from the environment, wherever those lead.
"""
