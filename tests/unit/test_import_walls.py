# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walls of the house, read off the source.

    filter | action -> plugin_utils -> module_utils        modules -> module_utils

Which room may import which stands in one place: the map of the house in CONTRIBUTING, which is read here and compared
with the folders and with what each room says of itself. module_utils travels to old machines: standard library alone,
the grammar of Python 3.9. plugin_utils judges: no network, no other program, no clock, no Ansible, not even through a
module_utils that has them. Each rule is shown to bite on a bad sample, so that an empty list of violations means
something.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = "ansible_collections.biomed.cert_hygiene.plugins"
LAYERS = ("action", "doc_fragments", "filter", "inventory", "lookup", "module_utils", "modules", "plugin_utils")
HALLS = ("plugin_utils", "module_utils")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Room:
    """One line of the map: what lives there, and the dotted names that it may import (its own among them)."""

    does: str
    may: tuple[str, ...]
    ansible: bool


def read_rooms(page: str) -> dict[str, Room]:
    """The rooms ("plugin_utils.values"), from the top floor down, as the tables of the page name them."""
    rooms: dict[str, Room] = {}
    hall = ""
    for line in page.splitlines():
        heading = re.match(r"#+ (?:The rooms of (\w+))?", line)
        if heading:
            hall = heading[1] or ""
        row = re.fullmatch(r"\| `(\w+)` \| (.+?) \| ([\w/ ]+) \|", line)
        if hall and row:
            names = [name for name in row[3].split() if name not in ("nobody", "ansible")]
            may = [name.replace("/", ".") if "/" in name else f"{hall}.{name}" for name in names]
            room = f"{hall}.{row[1]}"
            rooms[room] = Room(row[2], (room, *may), "ansible" in row[3].split())
    return rooms


ROOMS = read_rooms(CONTRIBUTING)

# Folders of this collection that each folder without rooms may import.
MAY_IMPORT = {
    "action": ("action", *HALLS),
    "doc_fragments": (),
    "filter": HALLS,
    "inventory": HALLS,
    "lookup": HALLS,
    "module_utils": (),
    "modules": ("module_utils",),
    "plugin_utils": (),
}

# Packages beyond the standard library that each layer may import.
THIRD_PARTY = {
    "action": ("ansible", "cryptography", "yaml", "jinja2"),
    "doc_fragments": (),
    "filter": ("ansible",),
    "inventory": ("ansible", "yaml"),
    "lookup": ("ansible",),
    "module_utils": (),
    "modules": ("ansible.module_utils",),
    "plugin_utils": ("cryptography", "jinja2", "jmespath", "markupsafe", "yaml"),
}

# The one guest in module_utils: only where it is missing, and only for the devices that need it, the vantage says so.
GUESTS = {"paramiko": ("plugins/module_utils/access/ssh.py", "plugins/module_utils/appliance/ssh.py")}

TESTS_THIRD_PARTY = (
    *("ansible", "cryptography", "hypothesis", "jinja2", "jmespath", "jsonschema", "markupsafe", "paramiko", "pytest"),
    "yaml",
)
TESTS_OWN = (
    "ansible_collections",
    "conftest",
    "tests",
    *(path.name for path in (ROOT / "tests").iterdir() if path.is_dir()),
)

# What opens a connection or starts another program: for module_utils and modules only.
REACHES_OUT = {
    "asyncio",
    "ftplib",
    "http.client",
    "http.server",
    "imaplib",
    "multiprocessing",
    "poplib",
    "selectors",
    "select",
    "smtplib",
    "socket",
    "socketserver",
    "ssl",
    "subprocess",
    "urllib.request",
    "xmlrpc",
}
WALLED_OFF = ("action", "filter", "inventory", "lookup", "plugin_utils")

READS_THE_CLOCK = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "email.utils.localtime",
    "time.ctime",
    "time.gmtime",
    "time.localtime",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.time",
    "time.time_ns",
}
# Actions say when they asked, and so does the half that they share.
TELLS_THE_TIME = ("plugin_utils.vantage",)
HIDES_AN_IMPORT = {"__import__", "importlib.import_module", "os.popen", "os.system", "exec", "eval"}
# The table of checks imports each file of checks/, so that a check is registered in its own file and nowhere else.
READS_THE_CHECKS = "plugins/plugin_utils/assess/table.py"

# Modules that Python 3.9 did not have yet.
YOUNGER_THAN_39 = {"annotationlib", "compression", "tomllib"}


def within(name: str, roots: Iterator[str] | tuple[str, ...] | set[str]) -> bool:
    """Whether a dotted name is one of these names or lies under one."""
    return any(name == root or name.startswith(root + ".") for root in roots)


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, wherever it stands; `from a import b` gives `a.b`. Relative: a dot first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{prefix}.{alias.name}") for alias in node.names)


def full_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every name or attribute that is read, import aliases undone."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                aliases[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        parts: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and isinstance(node, (ast.Attribute, ast.Name)):
            yield node.lineno, ".".join([aliases.get(inner.id, inner.id), *reversed(parts)])


def judge_import(place: str, name: str) -> str | None:
    """What is wrong with this import in this folder or room ("plugin_utils.values"), if anything."""
    if name.startswith("."):
        return "relative import"
    layer, room = place.split(".")[0], ROOMS.get(place)
    if within(name, (OURS,)):
        target = name[len(OURS) + 1 :]
        if within(target, room.may if room else MAY_IMPORT[layer]):
            return None
        return f"{place} may not import {'.'.join(target.split('.')[: 2 if target.startswith(HALLS) else 1])}"
    if within(name, THIRD_PARTY[layer]) or (room and room.ansible and within(name, ("ansible",))):
        return None
    top = name.split(".")[0]
    if top == "ansible_collections":
        return "another collection's code"
    if top not in sys.stdlib_module_names:
        return f"{place} may not import {top}"
    if layer in ("module_utils", "modules") and top in YOUNGER_THAN_39:
        return f"Python 3.9 has no {top}"
    if layer in WALLED_OFF and within(name, REACHES_OUT):
        return f"{place} may not reach out"
    return None


def place_of(path: Path) -> str:
    """The folder or the room that a file of plugins/ lies in."""
    return ".".join(path.relative_to(ROOT / "plugins").parts[:-1])


def violations(source: str, place: str, name: str = "sample.py") -> list[str]:
    """Every broken rule of one file, as `name:line: what`."""
    layer = place.split(".")[0]
    found: list[tuple[int, str]] = []
    travels = layer in ("module_utils", "modules")
    try:
        tree = ast.parse(source, name, feature_version=(3, 9) if travels else None)
    except SyntaxError as error:
        return [f"{name}:{error.lineno}: not the grammar of Python {'3.9' if travels else 'here'}: {error.msg}"]
    welcome = guarded(tree)
    for line, module in imported(tree):
        problem = judge_import(place, module)
        if problem and not (line in welcome and name in GUESTS.get(module, ())):
            found.append((line, f"{problem} ({module})"))
    for line, dotted in full_names(tree):
        if layer == "plugin_utils" and place not in TELLS_THE_TIME and dotted in READS_THE_CLOCK:
            found.append((line, f"reads the clock ({dotted})"))
        if dotted in HIDES_AN_IMPORT and name != READS_THE_CHECKS:
            found.append((line, f"hides what it runs ({dotted})"))
    return [f"{name}:{line}: {what}" for line, what in sorted(set(found))]


def guarded(tree: ast.AST) -> set[int]:
    """The lines of imports whose failure is caught, as `try: … except ImportError:`."""
    return {
        inner.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        and any(isinstance(handler.type, ast.Name) and handler.type.id == "ImportError" for handler in node.handlers)
        for statement in node.body
        for inner in ast.walk(statement)
        if isinstance(inner, (ast.Import, ast.ImportFrom))
    }


def our_imports(source: str, files: Mapping[str, str]) -> set[str]:
    """The files of this collection ("module_utils.net.connection") that one file imports directly."""
    names = {name[len(OURS) + 1 :] for _line, name in imported(ast.parse(source)) if within(name, (OURS,))}
    return {key for key in files for name in names if within(name, (key,))}


def reach(start: str, files: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Standard library modules that reach out and that `start` gets hold of, each with the way to it."""
    ways: dict[str, tuple[str, ...]] = {}
    queue, seen = [(start, (start,))], {start}
    while queue:
        current, way = queue.pop()
        for _line, name in imported(ast.parse(files[current])):
            if within(name, REACHES_OUT):
                ways.setdefault(name, way)
        for following in our_imports(files[current], files) - seen:
            seen.add(following)
            queue.append((following, (*way, following)))
    return ways


FILES = [path for layer in LAYERS for path in sorted((ROOT / "plugins" / layer).rglob("*.py"))]
IDS = [str(path.relative_to(ROOT)) for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_each_plugin_file_keeps_within_its_walls(path: Path) -> None:
    assert violations(path.read_text(encoding="utf-8"), place_of(path), str(path.relative_to(ROOT))) == []


def test_every_plugin_file_belongs_to_a_layer() -> None:
    assert set((ROOT / "plugins").rglob("*.py")) == set(FILES)


# --- the map of the house -----------------------------------------------------------------------------------------


def test_the_map_names_every_room_and_no_other() -> None:
    folders = {
        ".".join(path.parent.relative_to(ROOT / "plugins").parts)
        for hall in HALLS
        for path in (ROOT / "plugins" / hall).glob("*/*.py")
    }
    assert set(ROOMS) == folders
    assert {place_of(path) for path in FILES} == folders | {
        layer for layer in LAYERS if (ROOT / "plugins" / layer).is_dir()
    }


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_says_of_itself_what_the_map_says_of_it(name: str) -> None:
    source = (ROOT / "plugins" / name.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    told = ast.get_docstring(ast.parse(source)) or ""
    assert re.sub(r"\s+", " ", told) == f"{ROOMS[name].does} Private: only plugins, roles and playbooks are public."


def test_the_map_names_every_folder_and_fits_on_two_screens() -> None:
    house = CONTRIBUTING.partition("\n## The house\n")[2].partition("\n### The rules")[0]
    assert house.count("\n") < 80
    for layer in LAYERS:
        assert (f"`plugins/{layer}/`" in house) == (ROOT / "plugins" / layer).is_dir(), layer
    for line in re.findall(r"^\| (`.+?/`) \|", house, re.MULTILINE):
        for folder in re.findall(r"`(.+?)`", line):
            assert (ROOT / folder).is_dir(), folder


def test_every_arrow_points_down() -> None:
    """A room imports what stands below it in the map (plugin_utils above module_utils): there is no circle."""
    order = list(ROOMS)
    for floor, name in enumerate(order):
        for target in ROOMS[name].may[1:]:
            room = ".".join(target.split(".")[:2])
            below = [*order[floor + 1 :], "module_utils.arguments"]  # which lies under the rooms, and imports none
            assert room in below, f"{name} may import {target}"
    assert [name for name in ROOMS if ROOMS[name].ansible] == ["plugin_utils.vantage"]
    assert all(ROOMS[name].may == (name,) for name in ("plugin_utils.values", "module_utils.net"))
    assert set(ROOMS["plugin_utils.x509"].may) == {"plugin_utils.x509", "plugin_utils.values"}


@pytest.mark.parametrize("name", ROOMS)
def test_a_wrong_import_between_two_rooms_is_named(name: str) -> None:
    for other in ROOMS:
        for source in (f"from {OURS}.{other} import x", f"import {OURS}.{other}.x", f"from {OURS}.{other}.x import y"):
            if within(other, ROOMS[name].may):
                assert violations(source, name) == []
            elif not any(within(allowed, (other,)) for allowed in ROOMS[name].may):
                assert f"{name} may not import {other}" in violations(source, name)[0]


def test_what_judges_cannot_reach_out_through_another_file() -> None:
    """But for the room whose duty it is, which reaches out through module_utils/control_node alone."""
    files = {
        ".".join(path.relative_to(ROOT / "plugins").with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in FILES
        if place_of(path) in ROOMS
    }
    ways = [
        (name, what, way)
        for name in files
        if name.startswith("plugin_utils.")
        for what, way in reach(name, files).items()
        if not (name.startswith("plugin_utils.vantage.") and any("module_utils.control_node." in step for step in way))
    ]
    assert ways == []
    assert len(our_imports(files["plugin_utils.assess.device"], files)) > 5, "no import is followed"


TEST_FILES = [
    path
    for folder in ("fuzz", "integration", "lab", "servers", "unit")  # a benchmark may compare us with anything
    for path in sorted((ROOT / "tests" / folder).rglob("*.py"))
    if "programs" not in path.parts  # servers that run in environments of their own
]


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_import_only_what_the_requirements_name(path: Path) -> None:
    siblings = {other.stem for other in path.parent.glob("*.py")}
    strangers = {
        name
        for _line, name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if not name.startswith(".")
        and not within(name, (*TESTS_THIRD_PARTY, *TESTS_OWN))
        and name.split(".")[0] not in sys.stdlib_module_names | siblings
    }
    assert strangers == set()


BAD = [
    ("module_utils.tls", "import cryptography", "may not import cryptography"),
    ("module_utils.tls", "from ansible.module_utils.basic import AnsibleModule", "may not import ansible"),
    ("module_utils.tls", f"from {OURS}.plugin_utils.words.labels import title", "may not import plugin_utils"),
    ("module_utils.tls", f"from {OURS}.plugin_utils import words", "may not import plugin_utils"),
    ("module_utils.tls", "def f():\n    import yaml", "may not import yaml"),
    ("module_utils.tls", "import tomllib", "Python 3.9 has no tomllib"),
    ("module_utils.tls", "match x:\n    case 1:\n        pass", "grammar of Python 3.9"),
    ("module_utils.tls", "try:\n    f()\nexcept* OSError:\n    pass", "grammar of Python 3.9"),
    ("module_utils.tls", "from . import wire", "relative import"),
    ("modules", f"from {OURS}.plugin_utils.assess.device import assess_device", "may not import plugin_utils"),
    (
        "module_utils",
        f"from {OURS}.module_utils.clock.moments import iso",
        "module_utils may not import module_utils.clock",
    ),
    ("plugin_utils.inventory", f"from {OURS}.module_utils.tls import wire", "may not import module_utils.tls"),
    ("plugin_utils.vantage", f"from {OURS}.module_utils import control_node, net", "may not import module_utils.net"),
    ("plugin_utils.x509", f"from {OURS} import plugin_utils", "plugin_utils.x509 may not import plugin_utils"),
    ("modules", "from ansible.errors import AnsibleError", "may not import ansible"),
    ("modules", "import requests", "may not import requests"),
    ("plugin_utils.checks", "import ansible", "may not import ansible"),
    ("plugin_utils.checks", "from ansible.errors import AnsibleError", "may not import ansible"),
    ("plugin_utils.checks", "import socket", "may not reach out"),
    ("plugin_utils.checks", "from ssl import create_default_context", "may not reach out"),
    ("plugin_utils.checks", "import asyncio.events", "may not reach out"),
    ("plugin_utils.checks", "from urllib import request", "may not reach out"),
    ("plugin_utils.checks", "import subprocess as s", "may not reach out"),
    ("plugin_utils.checks", "import time\nt = time.time()", "reads the clock (time.time)"),
    ("plugin_utils.checks", "from time import time as seconds\nt = seconds()", "reads the clock (time.time)"),
    ("plugin_utils.checks", "import time\ndef f(clock=time.time):\n    pass", "reads the clock"),
    ("plugin_utils.checks", "from datetime import datetime\nn = datetime.now()", "reads the clock"),
    ("plugin_utils.checks", "import datetime as d\nn = d.datetime.utcnow()", "reads the clock"),
    ("plugin_utils.checks", "from datetime import date\nn = date.today()", "reads the clock"),
    ("plugin_utils.checks", f"from {OURS}.action.report import ActionModule", "may not import action"),
    ("plugin_utils.checks", f"from {OURS}.modules.device_probe import main", "may not import modules"),
    ("plugin_utils.checks", "from ansible_collections.community.crypto.plugins import x", "another collection"),
    ("plugin_utils.checks", "import importlib\nm = importlib.import_module('socket')", "hides what it runs"),
    ("plugin_utils.checks", "import os\nos.system('true')", "hides what it runs"),
    ("filter", f"from {OURS}.action.report import ActionModule", "may not import action"),
    ("filter", "import socket", "may not reach out"),
    ("filter", "import cryptography", "may not import cryptography"),
    ("action", f"from {OURS}.modules.device_probe import main", "may not import modules"),
    ("action", "import ssl", "may not reach out"),
]


@pytest.mark.parametrize(("place", "source", "said"), BAD, ids=[f"{place}: {source}" for place, source, _said in BAD])
def test_each_rule_bites(place: str, source: str, said: str) -> None:
    assert any(said in line for line in violations(source, place))


GOOD = [
    ("module_utils.tls", f"import socket, ssl, time\nfrom {OURS}.module_utils.net import x\nn = time.time()"),
    ("modules", f"from ansible.module_utils.basic import AnsibleModule\nfrom {OURS}.module_utils.visit.round import x"),
    ("plugin_utils.trust", f"from cryptography import x509\nimport yaml\nfrom {OURS}.plugin_utils.x509.der import x"),
    ("plugin_utils.inventory", f"from {OURS}.module_utils.tls.services import x"),
    ("plugin_utils.vantage", f"from ansible.errors import AnsibleError\nfrom {OURS}.module_utils import control_node"),
    ("plugin_utils.checks", "from datetime import datetime, timezone\nd = datetime.fromtimestamp(0, timezone.utc)"),
    ("plugin_utils.checks", "def judge(now):\n    return now.today"),
    ("plugin_utils.checks", "from urllib.parse import quote"),
    ("filter", f"from ansible.errors import AnsibleFilterError\nfrom {OURS}.plugin_utils.assess.device import x"),
    ("action", f"import time\nfrom ansible.plugins.action import ActionBase\nfrom {OURS}.plugin_utils._x import y"),
]


@pytest.mark.parametrize(("place", "source"), GOOD, ids=[f"{place}: {source}" for place, source in GOOD])
def test_what_is_allowed_passes(place: str, source: str) -> None:
    assert violations(source, place) == []


GUARDED = "try:\n    import paramiko\nexcept ImportError:\n    paramiko = None"


def test_a_guest_is_let_in_by_its_own_door_alone() -> None:
    for door in GUESTS["paramiko"]:
        assert (ROOT / door).exists()
        assert violations(GUARDED, "module_utils.access", door) == []
        assert violations("import paramiko", "module_utils.access", door) != []
    assert violations(GUARDED, "module_utils.visit", "plugins/module_utils/visit/device.py") != []


def test_a_way_through_another_file_is_found() -> None:
    files = {
        "plugin_utils.judge": f"from {OURS}.module_utils.tls.services import port",
        "module_utils.tls.services": f"from {OURS}.module_utils.tls import wire",
        "module_utils.tls.wire": "import socket",
        "module_utils.tls.apart": "import ssl",
    }
    assert reach("plugin_utils.judge", files) == {
        "socket": ("plugin_utils.judge", "module_utils.tls.services", "module_utils.tls.wire")
    }
