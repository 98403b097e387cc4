"""The commands of ``python3 -m kovra``, and everything they start.

    bootstrap    make ``.venv`` with the pinned requirements, and continue inside it (standard library only)
    commands     ``demo``, ``test``, ``bench``, ``sandbox``, ``release``: what each word does
    children     start a process that cannot outlive us
    postgres     a private PostgreSQL: from ``DATABASE_URL``, the wheel, or the system
    valkey       a private Valkey: from ``REDIS_URL``, the wheel, or the system
    supervisor   processes in order: ready, logged, restarted, stopped
    stack        all of Kovra as real processes, for the demo, benches and whole-trip tests
    needs        what a machine may lack, and what cannot run without it
    smoke        bring the demo up, carry one warning through it, take it down

Nothing here is imported by the rooms of the product: they take addresses from the environment, wherever those lead.
"""
