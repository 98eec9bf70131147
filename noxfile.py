# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's checks, a session each. `.venv/bin/nox --list` names them, `.venv/bin/nox -s mypy` runs one.

`make test` runs those with the tag `test`, `make test-all` those with `more` too (tools/verdict.py: two at a time).
Those that take longest begin first.
They run in .venv, where nox lives itself, or in .venv-other with the other supported ansible-core; both are made by
tools/setup_env.py, which says why. Only antsibull-nox's sessions have environments of nox.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import antsibull_nox
import nox
from nox.command import CommandFailed

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

import debian  # noqa: E402
from setup_env import NO_SECOND_PYTHON  # noqa: E402

VENV = ROOT / ".venv"
OTHER_VENV = ROOT / ".venv-other"
RESULTS = Path(os.environ.get("CERT_HYGIENE_RESULTS") or ROOT / "tests" / "output")
"""For tools/verdict.py: <session>.xml of pytest, <session>.skips with a reason a line."""

PREFIX = "ansible_collections.biomed.cert_hygiene.plugins"

nox.needs_version = ">=2026.10"
nox.options.allow_parallel = True
nox.options.reuse_venv = "yes"
nox.options.tags = ["test"]

# antsibull-nox's docs-check and build-import-check. Its sanity session fetches ansible-core from elsewhere, and passes
# where a Python is missing: ours is below.
antsibull_nox.load_antsibull_nox_toml()
for name in ("docs-check", "build-import-check"):
    nox.registry.get()[name].tags.append("more")


def session(*tags: str, needs: str = "") -> Callable[[Callable[[nox.Session], None]], Any]:
    """A session in .venv or .venv-other. `needs`: the session that installs its Debian packages."""
    return nox.session(venv_backend="none", tags=list(tags), requires=[needs] if needs else [])


def variables(venv: Path = VENV, **more: str) -> dict[str, str | None]:
    """What differs from the caller's environment: nothing in it may change a result."""
    foreign = [name for name in os.environ if name.startswith(("ANSIBLE_", "MOLECULE_"))]
    cleared: dict[str, str | None] = dict.fromkeys([*foreign, "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"])
    own = {
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }
    return cleared | own | more


def run(session: nox.Session, *command: str | Path, venv: Path = VENV, **environment: str) -> None:
    """Run a program of an environment."""
    program = str(venv / "bin" / command[0])
    session.run(program, *map(str, command[1:]), env=variables(venv, **environment))


def run_all(session: nox.Session, *commands: tuple[str, ...]) -> None:
    """Run them all; one that fails hides none of the others."""
    failed = []
    for command in commands:
        try:
            run(session, *command)
        except CommandFailed:
            failed.append(" ".join(command[:2]))
    if failed:
        session.error(f"failed: {', '.join(failed)}")


# --- set-up -------------------------------------------------------------------------------------------------------


def install_packages(session: nox.Session, *commands: str) -> None:
    """No failure where one cannot be had: the tests that need it are skipped, and say so."""
    missing = debian.missing(commands)
    refused = debian.install_what_exists([package.name for package in missing]) if missing else {}
    for package in missing:
        why = refused.get(package.name)
        session.log(f"{package.name}, for {package.purpose}: {'missing, ' + why if why else 'installed'}")


@session("test")
def packages(session: nox.Session) -> None:
    """Debian packages that the tests of `make test` need; installed as root where they are missing."""
    install_packages(session, "test")


@session("more")
def packages_all(session: nox.Session) -> None:
    """Those of `make test-all` too."""
    install_packages(session, "test", "test-all")


def other_environment(session: nox.Session) -> Path:
    """.venv-other with the other supported ansible-core; the session is skipped where no Python can carry it."""
    made = subprocess.run(
        [sys.executable, ROOT / "tools" / "setup_env.py", "other"], stdout=subprocess.PIPE, text=True, check=False
    )
    if made.returncode == NO_SECOND_PYTHON:
        session.skip(made.stdout.strip().splitlines()[-1])
    if made.returncode:
        session.error("the second environment could not be made")
    return OTHER_VENV


# --- ansible-test sanity ------------------------------------------------------------------------------------------


@session("test", "sanity", needs="packages")
def sanity(session: nox.Session) -> None:
    """ansible-test sanity with the newest ansible-core, with empty ignore files."""
    run_sanity(session, VENV)


def run_sanity(session: nox.Session, venv: Path, *options: str) -> None:
    home = venv / "ansible-test-home"
    seed_pip(session, venv, home)
    with tempfile.TemporaryDirectory(prefix="cert_hygiene-sanity-") as folder:
        copy = Path(folder) / "ansible_collections" / "biomed" / "cert_hygiene"
        copy_tree(session, copy)
        command = (str(venv / "bin" / "ansible-test"), "sanity", "--local", "--color", "no", *options)
        with session.chdir(copy):
            said = session.run(*command, env=variables(venv, HOME=str(home), PATH=real_path(venv)), silent=True)
    print(said)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{session.name}.skips").write_text("\n".join(sanity_skips(str(said))), encoding="utf-8")


def sanity_skips(text: str) -> list[str]:
    """What ansible-test left out: tests for Python versions that are not here, and programs that it misses."""
    versions: dict[str, list[str]] = {}
    for test, version in re.findall(r'^WARNING: Skipping sanity test "(.+)" on Python (\S+) because', text, re.M):
        versions.setdefault(test, []).append(version)
    reasons = [f"test {test}: no Python {', '.join(found)} here" for test, found in versions.items()]
    return reasons + re.findall(r"^WARNING: (Required program .* not found\.)$", text, re.M)


def copy_tree(session: nox.Session, copy: Path) -> None:
    """The files that git tracks or would, as a repository of its own: ansible-test refuses links and asks git."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        session.skip("this is no git checkout")
    for name in filter(None, answer.stdout.split("\0")):
        source = ROOT / name
        if source.is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy / name)
    for command in (["git", "init", "-q", "."], ["git", "add", "-A"]):
        subprocess.run(command, cwd=copy, check=True, capture_output=True)


def seed_pip(session: nox.Session, venv: Path, home: Path) -> None:
    """Give ansible-test the pip it wants from the package registry: its own download host may be out of reach.

    A home of its own keeps ansible-test from writing into the user's, and is kept for the next run. ansible-test
    hands pip no environment variable, so the settings that pip has here are written into that home.
    """
    source = next(venv.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py"))
    found = re.search(r"\bpip='([0-9.]+)'", source.read_text(encoding="utf-8"))
    if not found:
        session.error("this ansible-core does not say which pip its sanity tests want")
    version = found[1]
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    if not any(cache.glob(f"pip-{version}-*.whl")):
        try:
            pip = ("python", "-m", "pip", "download", "-qq", "--no-deps", "-d", cache, f"pip=={version}")
            run(session, *pip, venv=venv)
        except CommandFailed:
            session.skip(f"pip {version}, which the sanity tests want, cannot be had here")
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP.format(version=version), encoding="utf-8")
    settings = home / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(pip_settings(venv), encoding="utf-8")


GET_PIP = """\
import os, sys
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "pip-{version}-py3-none-any.whl"))
from pip._internal.cli.main import main
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(main(["install", "--no-index", "--find-links", here] + wanted))
"""


def pip_settings(venv: Path) -> str:
    """pip's settings from its files and from the environment, as one file."""
    command = [str(venv / "bin" / "python"), "-m", "pip", "config", "list"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    sections: dict[str, dict[str, str]] = {"global": {}}
    for line in answer.stdout.splitlines():
        name, equals, value = line.partition("=")
        section, _dot, option = name.rpartition(".")
        if equals and section:
            section = "global" if section == ":env:" else section
            sections.setdefault(section, {})[option] = str(ast.literal_eval(value))
    sections["global"] |= {"quiet": "2", "progress-bar": "off"}
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines.extend(f"{option} = " + value.strip().replace("\n", "\n    ") for option, value in options.items())
    return "\n".join(lines) + "\n"


def real_path(venv: Path) -> str:
    """PATH with the interpreters' own folders and without pyenv's shims, which exist for versions that do not run."""
    folders = [str(venv / "bin")]
    for folder in filter(None, os.environ.get("PATH", os.defpath).split(os.pathsep)):
        if folder.rstrip("/").endswith("/shims"):
            versions = Path(folder).parent / "versions"
            folders += sorted(str(version / "bin") for version in versions.glob("3.*") if (version / "bin").is_dir())
        else:
            folders.append(folder)
    return os.pathsep.join(folders)


# --- tests --------------------------------------------------------------------------------------------------------


def pytest(session: nox.Session, *arguments: str, venv: Path = VENV, workers: int = 2) -> None:
    """Run pytest on `workers` processes (0: in its own); what it found is left in <session>.xml.

    A test of one laboratory stays with the others of its group on one worker.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    others = str(OTHER_VENV) if (OTHER_VENV / "bin" / "python").exists() else ""
    shared = ("-q", "-p", "no:cacheprovider", f"--junitxml={RESULTS / session.name}.xml", "--durations=10")
    spread = ("-n", str(workers), "--dist", "loadgroup")
    words = ("python", "-m", "pytest", *shared, *spread, *arguments, *session.posargs)
    run(session, *words, venv=venv, CERT_HYGIENE_OTHER_VENVS=others)


@session("test", "unit", needs="packages")
def unit(session: nox.Session) -> None:
    """Unit tests with the newest ansible-core that this Python runs. They wait more than they reckon."""
    pytest(session, "tests/unit", workers=4)


@session("test", "integration", needs="packages")
def demo(session: nox.Session) -> None:
    """The demo hospital, and `make demo` itself."""
    pytest(session, "-m", "demo", "tests/integration")


@session("test", "integration", needs="packages")
def servers(session: nox.Session) -> None:
    """Real TLS servers that install fast."""
    pytest(session, "-m", "servers and not slow_install", "tests/servers")


@session("more", "integration", needs="packages_all")
def molecule(session: nox.Session) -> None:
    """Each role on real, isolated gateways: twice, in check mode, with failures injected. Root."""
    pytest(session, "-m", "molecule", "tests/molecule")


@session("more", "integration", needs="packages_all")
def gateways(session: nox.Session) -> None:
    """What is read and changed on real, isolated Linux gateways. Root."""
    pytest(session, "-m", "gateway", "tests/gateways")


@session("more", "integration", needs="packages_all")
def integration(session: nox.Session) -> None:
    """The playbooks on the demo hospital and on devices like real ones, from the checkout and installed."""
    if not session.posargs:
        subprocess.run([sys.executable, ROOT / "tools" / "setup_env.py", "other"], check=False)
    pytest(session, "-m", "lab and not demo and not diagnose", "tests/integration")


@session("more", "unit", needs="packages_all")
def unit_other(session: nox.Session) -> None:
    """Unit tests with the other supported ansible-core and another Python."""
    venv = other_environment(session)
    # The shares of right diagnoses are arithmetic on texts: no Python and no library can change them.
    # Nor can they change the sessions or the pages, and nox and antsibull live in .venv alone.
    left_out = [f"--ignore-glob=*/{name}" for name in ("diagnosis/test_ratios.py", "tools/test_noxfile.py")]
    pages = "assess/test_table.py::test_a_check_is_added_by_following_contributing"
    left_out.append(f"--deselect=tests/unit/plugins/plugin_utils/{pages}")
    pytest(session, "tests/unit", *left_out, venv=venv, workers=4)


@session("more", "integration", needs="packages_all")
def diagnosis(session: nox.Session) -> None:
    """The diagnose playbook on devices that fail, and behind a real firewall."""
    pytest(session, "-m", "diagnose", "tests/integration")


@session("more", "integration", needs="packages_all")
def servers_more(session: nox.Session) -> None:
    """The real servers that take longer to install: databases, mail, directories, old stacks."""
    pytest(session, "-m", "servers and slow_install", "tests/servers")


@session()
def mutants(session: nox.Session) -> None:
    """Small changes of the files that decide: those that no test notices. Takes hours; name parts of files after --."""
    run(session, "python", "tools/mutants.py", *session.posargs)


@session("more", "unit", needs="packages_all")
def fuzz(session: nox.Session) -> None:
    """Hostile bytes for every parser, for seconds each."""
    pytest(session, "-m", "fuzz", "tests/fuzz")


@session("more", "unit", needs="packages_all")
def vectors(session: nox.Session) -> None:
    """Other people's certificates, chains, revocation lists and OCSP answers, beside OpenSSL and `cryptography`."""
    pytest(session, "-m", "vectors", "tests/vectors")


@session("more", "integration", needs="packages_all")
def bench_smoke(session: nox.Session) -> None:
    """The benchmark's own tests."""
    pytest(session, "tests/bench", workers=0)


@session("more", "sanity", needs="packages_all")
def sanity_other(session: nox.Session) -> None:
    """The same with the other: documentation, argument specs and imports; pylint reads the same text as before."""
    run_sanity(session, other_environment(session), "--skip-test", "pylint")


# --- lint ---------------------------------------------------------------------------------------------------------


@session("test", "lint")
def style(session: nox.Session) -> None:
    """ruff, yamllint, the changelog, and whether the generated pages are what the data says."""
    run_all(
        session,
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("yamllint", "--strict", "."),
        ("antsibull-changelog", "lint"),
        ("antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml"),
        ("python", "tools/generate_docs.py", "--check"),
    )


@session("test", "lint")
def mypy(session: nox.Session) -> None:
    """Strict types for plugin_utils, module_utils, tools and this file."""
    packages = ("-p", f"{PREFIX}.plugin_utils", "-p", f"{PREFIX}.module_utils")
    run(session, "mypy", *packages, MYPYPATH="collections")
    tools = sorted(str(path) for path in (ROOT / "tools").glob("*.py"))
    run(session, "mypy", *tools, "noxfile.py", MYPYPATH="tools:collections")


@session("test", "lint")
def ansible_lint(session: nox.Session) -> None:
    """ansible-lint, profile production."""
    collections = str(ROOT / "collections")
    command = ("ansible-lint", "--offline", "--profile", "production", "--nocolor")
    run(session, *command, ANSIBLE_COLLECTIONS_PATH=collections)
