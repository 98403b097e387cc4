"""A Redis Cluster of three nodes on this machine, made with commands alone."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import redis

from kovra.launcher.valkey import EmbeddedValkey

SLOTS = 16384
DEADLINE_S = 60.0


class Node(EmbeddedValkey):
    """One server in cluster mode. Its bus needs a port of its own: the usual one, 10,000 above, may not exist."""

    def _settings(self) -> list[str]:
        with socket.socket() as line:
            line.bind(("127.0.0.1", 0))
            self.bus = line.getsockname()[1]
        return [
            *super()._settings(),
            *("--cluster-enabled", "yes", "--cluster-port", str(self.bus), "--cluster-node-timeout", "2000"),
        ]


class Cluster:
    """Three nodes that share the slots, in order."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [Node(folder / f"node{i}", durable=False, port=0) for i in range(3)]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.nodes[0].port}?cluster=true"

    def __enter__(self) -> Cluster:
        for node in self.nodes:
            node.start()
        lines = [redis.Redis.from_url(node.url) for node in self.nodes]
        for i, line in enumerate(lines):
            line.execute_command("CLUSTER ADDSLOTSRANGE", SLOTS * i // 3, SLOTS * (i + 1) // 3 - 1)
            line.execute_command("CLUSTER SET-CONFIG-EPOCH", i + 1)
        for node in self.nodes[1:]:
            lines[0].execute_command("CLUSTER MEET", "127.0.0.1", node.port, node.bus)
        deadline = time.monotonic() + DEADLINE_S
        while not all(self._whole(line) for line in lines):
            assert time.monotonic() < deadline, "the nodes did not become a cluster"
            time.sleep(0.02)  # between two looks
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.stop()

    def flush(self) -> None:
        for node in self.nodes:
            redis.Redis.from_url(node.url).flushall()

    def move(self, slot: int, key_prefix: str) -> None:
        """Reshard one slot, keys and all, to the node after the one that has it."""
        lines = [redis.Redis.from_url(node.url) for node in self.nodes]
        ids = [line.execute_command("CLUSTER MYID").decode() for line in lines]
        here = next(i for i in range(3) if SLOTS * i // 3 <= slot < SLOTS * (i + 1) // 3)
        there = (here + 1) % 3
        lines[there].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[here])
        lines[here].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[there])
        while keys := lines[here].execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
            lines[here].execute_command(
                "MIGRATE", "127.0.0.1", self.nodes[there].port, "", 0, 5000, "REPLACE", "KEYS", *keys
            )
        for i in (there, here, 3 - here - there):
            lines[i].execute_command("CLUSTER SETSLOT", slot, "NODE", ids[there])

    @staticmethod
    def _whole(line: redis.Redis) -> bool:
        info = line.execute_command("CLUSTER INFO")
        text = info if isinstance(info, dict) else {}
        return text.get("cluster_state") == "ok" and text.get("cluster_known_nodes") == "3"
