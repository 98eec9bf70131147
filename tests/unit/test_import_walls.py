# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walls of the house, read off the source.

    filter | action -> plugin_utils -> module_utils        modules -> module_utils

module_utils travels to old machines: standard library alone, the grammar of Python 3.9. plugin_utils judges: no
network, no other program, no clock, no Ansible, not even through a module_utils that has them. Each rule is shown
to bite on a bad sample, so that an empty list of violations means something.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = "ansible_collections.biomed.cert_hygiene.plugins"
LAYERS = ("action", "doc_fragments", "filter", "inventory", "lookup", "module_utils", "modules", "plugin_utils")

# Layers of this collection that each layer may import.
MAY_IMPORT = {
    "action": ("action", "plugin_utils", "module_utils"),
    "doc_fragments": (),
    "filter": ("plugin_utils", "module_utils"),
    "inventory": ("plugin_utils", "module_utils"),
    "lookup": ("plugin_utils", "module_utils"),
    "module_utils": ("module_utils",),
    "modules": ("module_utils",),
    "plugin_utils": ("plugin_utils", "module_utils"),
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
HIDES_AN_IMPORT = {"__import__", "importlib.import_module", "os.popen", "os.system", "exec", "eval"}

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


def judge_import(layer: str, name: str) -> str | None:
    """What is wrong with this import in this layer, if anything."""
    if name.startswith("."):
        return "relative import"
    if within(name, (OURS,)):
        target = name[len(OURS) + 1 :].split(".")[0]
        return None if target in MAY_IMPORT[layer] else f"{layer} may not import {target}"
    if within(name, THIRD_PARTY[layer]):
        return None
    top = name.split(".")[0]
    if top == "ansible_collections":
        return "another collection's code"
    if top not in sys.stdlib_module_names:
        return f"{layer} may not import {top}"
    if layer in ("module_utils", "modules") and top in YOUNGER_THAN_39:
        return f"Python 3.9 has no {top}"
    if layer in WALLED_OFF and within(name, REACHES_OUT):
        return f"{layer} may not reach out"
    return None


def violations(source: str, layer: str, name: str = "sample.py") -> list[str]:
    """Every broken rule of one file, as `name:line: what`."""
    found: list[tuple[int, str]] = []
    travels = layer in ("module_utils", "modules")
    try:
        tree = ast.parse(source, name, feature_version=(3, 9) if travels else None)
    except SyntaxError as error:
        return [f"{name}:{error.lineno}: not the grammar of Python {'3.9' if travels else 'here'}: {error.msg}"]
    welcome = guarded(tree)
    for line, module in imported(tree):
        problem = judge_import(layer, module)
        if problem and not (line in welcome and name in GUESTS.get(module, ())):
            found.append((line, f"{problem} ({module})"))
    for line, dotted in full_names(tree):
        if layer == "plugin_utils" and dotted in READS_THE_CLOCK:
            found.append((line, f"reads the clock ({dotted})"))
        if dotted in HIDES_AN_IMPORT:
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
    """The files of this collection ("module_utils._x") that one file imports directly."""
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


def plugin_files() -> list[tuple[str, Path]]:
    return [(layer, path) for layer in LAYERS for path in sorted((ROOT / "plugins" / layer).rglob("*.py"))]


FILES = plugin_files()
IDS = [str(path.relative_to(ROOT)) for _layer, path in FILES]


@pytest.mark.parametrize(("layer", "path"), FILES, ids=IDS)
def test_each_plugin_file_keeps_to_its_layer(layer: str, path: Path) -> None:
    assert violations(path.read_text(encoding="utf-8"), layer, str(path.relative_to(ROOT))) == []


def test_every_plugin_file_belongs_to_a_layer() -> None:
    known = {path for _layer, path in FILES}
    assert {path for path in (ROOT / "plugins").rglob("*.py") if path not in known} == set()


def test_what_judges_cannot_reach_out_through_another_file() -> None:
    files = {
        f"{layer}.{path.stem}": path.read_text(encoding="utf-8")
        for layer, path in FILES
        if layer in ("module_utils", "plugin_utils")
    }
    found = {name: reach(name, files) for name in files if name.startswith("plugin_utils.")}
    assert {name: ways for name, ways in found.items() if ways} == {}


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
    ("module_utils", "import cryptography", "may not import cryptography"),
    ("module_utils", "from ansible.module_utils.basic import AnsibleModule", "may not import ansible"),
    ("module_utils", f"from {OURS}.plugin_utils._texts import title", "may not import plugin_utils"),
    ("module_utils", f"from {OURS}.plugin_utils import _texts", "may not import plugin_utils"),
    ("module_utils", "def f():\n    import yaml", "may not import yaml"),
    ("module_utils", "import tomllib", "Python 3.9 has no tomllib"),
    ("module_utils", "match x:\n    case 1:\n        pass", "grammar of Python 3.9"),
    ("module_utils", "try:\n    f()\nexcept* OSError:\n    pass", "grammar of Python 3.9"),
    ("module_utils", "from . import _wire", "relative import"),
    ("modules", f"from {OURS}.plugin_utils._assess import assess_device", "may not import plugin_utils"),
    ("modules", "from ansible.errors import AnsibleError", "may not import ansible"),
    ("modules", "import requests", "may not import requests"),
    ("plugin_utils", "import ansible", "may not import ansible"),
    ("plugin_utils", "from ansible.errors import AnsibleError", "may not import ansible"),
    ("plugin_utils", "import socket", "may not reach out"),
    ("plugin_utils", "from ssl import create_default_context", "may not reach out"),
    ("plugin_utils", "import asyncio.events", "may not reach out"),
    ("plugin_utils", "from urllib import request", "may not reach out"),
    ("plugin_utils", "import subprocess as s", "may not reach out"),
    ("plugin_utils", "import time\nt = time.time()", "reads the clock (time.time)"),
    ("plugin_utils", "from time import time as seconds\nt = seconds()", "reads the clock (time.time)"),
    ("plugin_utils", "import time\ndef f(clock=time.time):\n    pass", "reads the clock"),
    ("plugin_utils", "from datetime import datetime\nn = datetime.now()", "reads the clock"),
    ("plugin_utils", "import datetime as d\nn = d.datetime.utcnow()", "reads the clock"),
    ("plugin_utils", "from datetime import date\nn = date.today()", "reads the clock"),
    ("plugin_utils", f"from {OURS}.action.report import ActionModule", "may not import action"),
    ("plugin_utils", f"from {OURS}.modules.device_probe import main", "may not import modules"),
    ("plugin_utils", "from ansible_collections.community.crypto.plugins import x", "another collection"),
    ("plugin_utils", "import importlib\nm = importlib.import_module('socket')", "hides what it runs"),
    ("plugin_utils", "import os\nos.system('true')", "hides what it runs"),
    ("filter", f"from {OURS}.action.report import ActionModule", "may not import action"),
    ("filter", "import socket", "may not reach out"),
    ("filter", "import cryptography", "may not import cryptography"),
    ("action", f"from {OURS}.modules.device_probe import main", "may not import modules"),
    ("action", "import ssl", "may not reach out"),
]


@pytest.mark.parametrize(("layer", "source", "said"), BAD, ids=[f"{layer}: {source}" for layer, source, _said in BAD])
def test_each_rule_bites(layer: str, source: str, said: str) -> None:
    assert any(said in line for line in violations(source, layer))


GOOD = [
    ("module_utils", f"import socket, ssl, time\nfrom {OURS}.module_utils._tls_wire import x\nn = time.time()"),
    ("modules", f"from ansible.module_utils.basic import AnsibleModule\nfrom {OURS}.module_utils._probe import x"),
    ("plugin_utils", f"from cryptography import x509\nimport yaml\nfrom {OURS}.module_utils._services import x"),
    ("plugin_utils", "from datetime import datetime, timezone\nd = datetime.fromtimestamp(0, timezone.utc)"),
    ("plugin_utils", "def judge(now):\n    return now.today"),
    ("plugin_utils", "from urllib.parse import quote"),
    ("filter", f"from ansible.errors import AnsibleFilterError\nfrom {OURS}.plugin_utils._assess import x"),
    ("action", f"import time\nfrom ansible.plugins.action import ActionBase\nfrom {OURS}.plugin_utils._x import y"),
]


@pytest.mark.parametrize(("layer", "source"), GOOD, ids=[f"{layer}: {source}" for layer, source in GOOD])
def test_what_is_allowed_passes(layer: str, source: str) -> None:
    assert violations(source, layer) == []


GUARDED = "try:\n    import paramiko\nexcept ImportError:\n    paramiko = None"


def test_a_guest_is_let_in_by_its_own_door_alone() -> None:
    for door in GUESTS["paramiko"]:
        assert violations(GUARDED, "module_utils", door) == []
        assert violations("import paramiko", "module_utils", door) != []
    assert violations(GUARDED, "module_utils", "plugins/module_utils/_visit.py") != []


def test_a_way_through_another_file_is_found() -> None:
    files = {
        "plugin_utils._judge": f"from {OURS}.module_utils._services import port",
        "module_utils._services": f"from {OURS}.module_utils import _wire",
        "module_utils._wire": "import socket",
        "module_utils._apart": "import ssl",
    }
    assert reach("plugin_utils._judge", files) == {
        "socket": ("plugin_utils._judge", "module_utils._services", "module_utils._wire")
    }
