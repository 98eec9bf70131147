# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The house in order: nothing private in the files, documentation complete, settings that agree with each other."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
VERSION = re.compile(r"\d+\.\d+\.\d+")
LICENCE_LINES = (
    "# Copyright (c) 2026 the biomed.cert_hygiene authors",
    "# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)


def tracked_files() -> list[Path]:
    """What git tracks, or would: a file not added yet is judged too."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in sorted(set(answer.stdout.split("\0"))) if name and (ROOT / name).is_file()]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


# --- nothing private ----------------------------------------------------------------------------------------------

# Written in pieces, so that this file is no offender itself.
PRIVATE = {
    "a folder of one machine": re.compile(
        "(?<![\\w.~*$}])/(?:" + "root|" + "work|" + "home/[a-z]|" + "Users/[A-Za-z])" + "(?=/|\\w*/)"
    ),
    "a package registry": re.compile(
        "|".join(
            re.escape(".".join(parts))
            for parts in (
                ("pypi", "org"),
                ("files", "pythonhosted", "org"),
                ("registry", "npmjs", "org"),
                ("deb", "debian", "org"),
                ("galaxy", "ansible", "com"),
                ("proxy", "golang", "org"),
            )
        )
        + "|(?:extra-)?index-"
        + "url"
    ),
    "a private key": re.compile("-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\\s*[A-Za-z0-9+/=]{20}"),
    "a token": re.compile(
        "|".join(
            (
                "AKIA" + "[0-9A-Z]{16}",
                "gh[pousr]_" + "[A-Za-z0-9]{30}",
                "xox[abp]-" + "[A-Za-z0-9-]{10}",
                "eyJ" + "[\\w-]{20,}\\.eyJ",
            )
        )
    ),
    "a password in a web address": re.compile("[a-z]+://[^\\s/:@{}<>]+:" + "[^\\s/@{}<>]+@"),
}


def private_things(text: str) -> list[str]:
    """What a text gives away, as `what: the place`."""
    return [f"{what}: {match[0]!r}" for what, pattern in PRIVATE.items() for match in pattern.finditer(text)]


def test_no_file_gives_away_a_machine_a_registry_or_a_secret() -> None:
    own_places = {str(ROOT)} | {place for place in (os.path.expanduser("~"),) if len(place) > 5}
    found = {}
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        things = private_things(text) + [f"this machine: {place}" for place in own_places if place in text]
        if things:
            found[str(path.relative_to(ROOT))] = things
    assert found == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("see /" + "root/notes.txt", "a folder of one machine"),
        ("open('/" + "home/anna/x.pem')", "a folder of one machine"),
        ("--extra-index-" + "url=x", "a package registry"),
        ("https://" + "pypi" + ".org/simple", "a package registry"),
        ("-----BEGIN " + "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF", "a private key"),
        ("-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF", "a private key"),
        ("AKIA" + "ABCDEFGHIJKLMNOP", "a token"),
        ("https://anna:" + "hunter2@gmao.hopital.example/", "a password in a web address"),
    ],
)
def test_what_gives_something_away_is_seen(text: str, what: str) -> None:
    assert [thing.split(":")[0] for thing in private_things(text)] == [what]


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN " + "PRIVATE KEY-----",
        "~/.ansible/collections",
        "docs/home/page",
        "https://host:443/a@b",
        "/etc/ssl/certs",
    ],
)
def test_what_gives_nothing_away_passes(text: str) -> None:
    assert private_things(text) == []


def test_requirements_are_ranges_without_an_address() -> None:
    for path in tracked_files():
        if re.fullmatch(r"requirements.*\.txt", path.name):
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.strip() and not line.startswith(("#", "-r ")):
                    assert re.fullmatch(r"[A-Za-z0-9_.-]+>=[0-9.]+,<[0-9.]+", line), f"{path.name}: {line}"


# --- documentation ------------------------------------------------------------------------------------------------


def documentation(path: Path) -> dict[str, Any]:
    """The DOCUMENTATION of a plugin: in its Python file, or in a YAML file of the same name beside it."""
    for suffix in (".yml", ".yaml"):
        if path.with_suffix(suffix).exists():
            return dict(load(path.with_suffix(suffix))["DOCUMENTATION"])
    if path.with_suffix(".py").exists():
        for node in ast.parse(path.with_suffix(".py").read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
                return dict(yaml.safe_load(ast.literal_eval(node.value)))
    return {}


def described() -> list[tuple[str, dict[str, Any]]]:
    """Every plugin that a person can call, with its documentation; {} where there is none.

    A filter is described in a file of its own, because one Python file may hold several. An action is described by
    the module of the same name, which may be a description alone.
    """
    found = {}
    for kind in ("modules", "inventory", "lookup"):
        for path in sorted((ROOT / "plugins" / kind).glob("[!_]*.*")):
            found[f"{kind}/{path.stem}"] = documentation(path)
    for path in sorted((ROOT / "plugins" / "action").glob("[!_]*.py")):
        found.setdefault(f"modules/{path.stem}", {})
    for name in sorted(filter_names()):
        found[f"filter/{name}"] = documentation(ROOT / "plugins" / "filter" / f"{name}.yml")
    return list(found.items())


def filter_names() -> set[str]:
    """The filters that the Python files define and those that are described."""
    folder = ROOT / "plugins" / "filter"
    names = {path.stem for path in folder.glob("*.yml")}
    for path in folder.glob("[!_]*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "filters":
                keys = (key for inner in ast.walk(node) if isinstance(inner, ast.Dict) for key in inner.keys)
                names |= {str(key.value) for key in keys if isinstance(key, ast.Constant)}
    return names


DESCRIBED = described()


@pytest.mark.parametrize(("name", "text"), DESCRIBED, ids=[name for name, _text in DESCRIBED])
def test_every_plugin_says_what_it_is_and_since_when(name: str, text: dict[str, Any]) -> None:
    assert text, f"{name} has no documentation"
    assert text.get("short_description")
    assert text.get("author")
    assert text.get("module", text.get("name", "")).split(".")[-1] == name.split("/")[1]
    added = str(text.get("version_added", ""))
    assert VERSION.fullmatch(added), f"{name} needs version_added"
    current = load(ROOT / "galaxy.yml")["version"].split("-")[0]
    assert [int(part) for part in added.split(".")] <= [int(part) for part in current.split(".")]


ROLES = sorted(path.parent.parent for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))


def test_every_role_has_argument_specs() -> None:
    assert sorted(path for path in (ROOT / "roles").glob("*") if path.is_dir()) == ROLES


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_argument_specs_and_defaults_are_one(role: Path) -> None:
    """Each default is documented with its value, and each documented default exists."""
    defaults_file = role / "defaults" / "main.yml"
    defaults = (load(defaults_file) if defaults_file.exists() else None) or {}
    documented: dict[str, Any] = {}
    optional: set[str] = set()
    for entry in load(role / "meta" / "argument_specs.yml")["argument_specs"].values():
        for name, option in (entry.get("options") or {}).items():
            assert option.get("description"), f"{name} has no description"
            if "default" in option:
                documented[name] = option["default"]
            else:
                optional.add(name)
    assert documented == {name: value for name, value in defaults.items() if name not in optional}


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_plugin_file_names_its_licence(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    start = 1 if lines[:1] and lines[0].startswith("#!") else 0
    assert tuple(lines[start : start + 3]) == LICENCE_LINES
    assert "from __future__ import annotations" in lines


# --- settings that agree ------------------------------------------------------------------------------------------


def test_the_action_group_names_every_module() -> None:
    group = set(load(ROOT / "meta" / "runtime.yml")["action_groups"]["cert_hygiene"])
    assert group == {name.split("/")[1] for name, _text in DESCRIBED if name.startswith("modules/")}


def test_the_changelog_has_this_version() -> None:
    version = load(ROOT / "galaxy.yml")["version"]
    assert version in load(ROOT / "changelogs" / "changelog.yaml")["releases"]
    page = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("\\", "")
    assert f"## v{version}\n" in page


def test_the_execution_environment_asks_for_the_same_python_packages() -> None:
    environment = load(ROOT / "meta" / "execution-environment.yml")
    assert environment["dependencies"]["python"] == "requirements.txt"


def test_the_sanity_ignore_files_are_empty() -> None:
    for path in (ROOT / "tests" / "sanity").glob("ignore-*.txt"):
        assert path.read_text(encoding="utf-8").strip() == "", path.name


def test_continuous_integration_runs_what_a_person_runs() -> None:
    lines = [
        line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    assert [line for line in lines if line.startswith(("run ", "exec "))] == [
        "run env CERT_HYGIENE_MINUTES=25 make test",
        "run make setup-dev",
        "run env CERT_HYGIENE_MINUTES=60 .venv/bin/python tools/verdict.py more",
        "exec python3 tools/verdict.py --add-up test more",
    ]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_make_lists_every_command() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.M)
    assert phony is not None
    described = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.M))
    assert described == set(phony[1].split()) - {"setup-dev"}


def test_the_ansible_cfg_adds_to_the_collections_path() -> None:
    text = (ROOT / "ansible.cfg").read_text(encoding="utf-8")
    path = re.search(r"^collections_path = (.*)$", text, re.M)
    assert path is not None
    assert path[1].split(":") == ["collections", "~/.ansible/collections", "/usr/share/ansible/collections"]


def test_only_the_product_is_in_the_built_collection(tmp_path: Path) -> None:
    """Tests, tools, reports and environments stay at home; what a hospital runs and reads goes with it."""
    copy = tmp_path / "checkout"
    for path in tracked_files():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    for leftover in (".venv/bin/python", "report/index.html", "collections/x.yml", "tests/output/unit.log"):
        (copy / leftover).parent.mkdir(parents=True, exist_ok=True)
        (copy / leftover).write_text("left over", encoding="utf-8")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    command = [str(galaxy), "collection", "build", "--output-path", str(tmp_path), str(copy)]
    environment = {**os.environ, "ANSIBLE_HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"}
    answer = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (archive,) = tmp_path.glob("biomed-cert_hygiene-*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name for name in tar.getnames() if not tar.getmember(name).isdir()}
    tops = {name.split("/")[0] for name in names}
    assert tops <= {
        *("CHANGELOG.md", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "requirements.txt"),
        *("changelogs", "docs", "meta", "playbooks", "plugins", "roles"),
    }
    sources = {str(path.relative_to(ROOT)) for path in tracked_files()}
    product = {name for name in sources if name.split("/")[0] in ("plugins", "roles", "playbooks", "meta", "docs")}
    assert product <= names
