"""Which port a process listens on: the one that was asked for, or a free one."""

from __future__ import annotations

import socket

from kovra.launcher.trouble import Trouble


def claim_port(wanted: int, option: str, but: int = 0) -> int:
    """``wanted`` if it is free on 127.0.0.1, or a free one for 0.

    Raises:
        Trouble: it is in use or not allowed; says by whom and what to do.
    """
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            line.bind(("127.0.0.1", wanted))
        except PermissionError:
            raise Trouble(f"Port {wanted} is not open to you.", f"Choose one from 1024 on: {option} 8001") from None
        except OSError:
            raise Trouble(
                f"Port {wanted} is in use{_user_of(wanted)}.",
                f"Stop that program, or choose another port: {option} {wanted + 1}",
            ) from None
        port = int(line.getsockname()[1])
    return port if port != but else claim_port(0, option, but)


def _user_of(port: int) -> str:
    """Who listens on a port, as far as we may see."""
    try:
        import psutil

        for line in psutil.net_connections("tcp"):
            if line.status == psutil.CONN_LISTEN and line.laddr.port == port and line.pid:
                return f" by {psutil.Process(line.pid).name()} (process {line.pid})"
    except (ImportError, psutil.Error):
        pass  # the port is named anyway; by whom is more than this system tells us
    return ""
