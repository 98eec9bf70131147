# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the project's checks and says what passed, what was skipped and why.

    .venv/bin/python tools/run_tests.py lint unit integration sanity     (this is `make test`)
    .venv/bin/python tools/run_tests.py --step mypy --step unit          one step or several
    .venv/bin/python tools/run_tests.py --list

A failing step does not stop the others; the exit status is 1 when any failed. Four steps run at once, since most of
them wait a lot. What a step said is in tests/output/<step>.log and is shown when the step fails. Each pytest test
counts as itself in the closing line, any other step counts as one.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import setup_env
from setup_env import ROOT

OUTPUT = ROOT / "tests" / "output"
VENV = ROOT / ".venv"
OTHER_VENV = ROOT / ".venv-other"
STEP_TIMEOUT = 3000
"""Seconds after which a step is taken for hung; none needs half of it, on a busy machine either."""

WORKERS = 4


class Skip(Exception):
    """Nothing to do, or not possible on this machine; the message says which."""


@dataclass
class Outcome:
    """What one step came to. `skips` are (what, why) pairs, shown by name at the end."""

    status: str
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skips: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """`action(log)` writes what happens to the log and returns an exit status, or raises Skip."""

    name: str
    group: str
    action: Callable[[Log], int]
    after: tuple[str, ...] = ()
    junit: bool = False


class Log:
    """The output of one step, in a file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = OUTPUT / f"{name}.log"
        self.handle = self.path.open("w", encoding="utf-8", errors="replace")

    def say(self, text: str) -> None:
        self.handle.write(text + "\n")
        self.handle.flush()

    def run(self, *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> int:
        """Run a command, its output in the log, with these variables added to the environment."""
        words = [str(word) for word in command]
        self.say("$ " + " ".join(words))
        environment = {**base_environment(), **(env or {})}
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.handle,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with RUNNING.watch(process):
            try:
                return process.wait(STEP_TIMEOUT)
            except subprocess.TimeoutExpired:
                RUNNING.end(process)
                self.say(f"(ended after {STEP_TIMEOUT} s: it hung)")
                return 124

    def text(self) -> str:
        self.handle.flush()
        return self.path.read_text(encoding="utf-8", errors="replace")


class Running:
    """The processes under way, so that Ctrl-C ends them and all they started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()

    @contextmanager
    def watch(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        with self._lock:
            self._processes.add(process)
        try:
            yield
        finally:
            with self._lock:
                self._processes.discard(process)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Ask the whole process group to stop, as a terminal would; kill what does not within 10 seconds."""
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(10)
                return
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def end_all(self) -> None:
        with self._lock:
            processes = list(self._processes)
        for process in processes:
            self.end(process)


RUNNING = Running()


def base_environment() -> dict[str, str]:
    """The caller's, less what would change a result: Ansible's own settings, Python's path, a foreign locale."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ANSIBLE_") and name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    environment["PATH"] = f"{VENV / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    environment["LC_ALL"] = "C.UTF-8"
    environment["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")
    return environment


def tool(name: str) -> Path:
    return VENV / "bin" / name


# --- lint ---------------------------------------------------------------------------------------------------------


def ruff(log: Log) -> int:
    return log.run(tool("ruff"), "check", ".")


def ruff_format(log: Log) -> int:
    return log.run(tool("ruff"), "format", "--check", ".")


def mypy(log: Log) -> int:
    prefix = "ansible_collections.biomed.cert_hygiene.plugins"
    packages = ("-p", f"{prefix}.plugin_utils", "-p", f"{prefix}.module_utils")
    status = log.run(tool("mypy"), *packages, env={"MYPYPATH": "collections"})
    return (
        log.run(tool("mypy"), *sorted((ROOT / "tools").glob("*.py")), env={"MYPYPATH": "tools:collections"}) or status
    )


def yamllint(log: Log) -> int:
    return log.run(tool("yamllint"), "--strict", ".")


def ansible_lint(log: Log) -> int:
    collections = ROOT / "collections"
    command = (tool("ansible-lint"), "--offline", "--profile", "production", "--nocolor")
    return log.run(*command, env={"ANSIBLE_COLLECTIONS_PATH": str(collections)})


def changelog(log: Log) -> int:
    status = log.run(tool("antsibull-changelog"), "lint")
    released = ROOT / "changelogs" / "changelog.yaml"
    if released.exists():
        status = log.run(tool("antsibull-changelog"), "lint-changelog-yaml", released) or status
    return status


def generated_pages(log: Log) -> int:
    return log.run(tool("python"), ROOT / "tools" / "generate_docs.py", "--check")


def plugin_docs(log: Log) -> int:
    if not any((ROOT / "plugins" / "modules").glob("*.py")):
        raise Skip("no plugin to document yet")
    command = (tool("antsibull-docs"), "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", ".")
    return log.run(*command, env={"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")})


# --- tests --------------------------------------------------------------------------------------------------------


def pytest_step(venv: Path, folder: str, *arguments: str) -> Callable[[Log], int]:
    def action(log: Log) -> int:
        if not any((ROOT / folder).rglob("test_*.py")):
            raise Skip(f"no test in {folder} yet")
        python = venv / "bin" / "python"
        if not python.exists():
            raise Skip("no second interpreter can carry the other ansible-core on this machine")
        path = f"{venv / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        others = str(OTHER_VENV) if (OTHER_VENV / "bin" / "python").exists() else ""
        report = f"--junitxml={OUTPUT / log.name}.xml"
        variables = {"PATH": path, "CERT_HYGIENE_OTHER_VENVS": others}
        status = log.run(python, "-m", "pytest", "-p", "no:cacheprovider", report, *arguments, folder, env=variables)
        if status == 5:
            raise Skip(f"no test in {folder} yet")
        return status

    return action


# --- ansible-test sanity ------------------------------------------------------------------------------------------


def sanity_step(venv: Path, *options: str) -> Callable[[Log], int]:
    def action(log: Log) -> int:
        ansible_test = venv / "bin" / "ansible-test"
        if not ansible_test.exists():
            raise Skip("no second interpreter can carry the other ansible-core on this machine")
        if not any((ROOT / "plugins").rglob("*.py")):
            raise Skip("no plugin yet")
        home = venv / "ansible-test-home"
        seed_pip(log, venv, home)
        with tempfile.TemporaryDirectory(prefix="cert_hygiene-sanity-") as folder:
            copy = Path(folder) / "ansible_collections" / "biomed" / "cert_hygiene"
            copy_tree(copy)
            variables = {"HOME": str(home), "PATH": real_path(venv)}
            return log.run(ansible_test, "sanity", "--local", "--color", "no", *options, cwd=copy, env=variables)

    return action


def copy_tree(copy: Path) -> None:
    """The files that git tracks or would, as a repository of its own: ansible-test refuses links and asks git."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise Skip("this is no git checkout")
    for name in filter(None, answer.stdout.split("\0")):
        source = ROOT / name
        if source.is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy / name)
    for command in (["git", "init", "-q", "."], ["git", "add", "-A"]):
        subprocess.run(command, cwd=copy, check=True, capture_output=True)


def seed_pip(log: Log, venv: Path, home: Path) -> None:
    """Give ansible-test the pip it wants from the package registry: its own download host may be out of reach.

    A home of its own keeps ansible-test from writing into the user's, and is kept for the next run. ansible-test
    hands pip no environment variable, so the settings that pip has here are written into that home.
    """
    source = next(venv.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py"))
    found = re.search(r"\bpip='([0-9.]+)'", source.read_text(encoding="utf-8"))
    if not found:
        raise Skip("this ansible-core does not say which pip its sanity tests want")
    version = found[1]
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    if not any(cache.glob(f"pip-{version}-*.whl")):
        download = ("-m", "pip", "download", "-qq", "--no-deps", "-d", cache, f"pip=={version}")
        if log.run(venv / "bin" / "python", *download):
            raise Skip(f"pip {version}, which the sanity tests want, cannot be had here")
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
    kept = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    for folder in kept:
        if folder.rstrip("/").endswith("/shims"):
            versions = Path(folder).parent / "versions"
            folders += sorted(str(version / "bin") for version in versions.glob("3.*") if (version / "bin").is_dir())
        else:
            folders.append(folder)
    return os.pathsep.join(folders)


# --- set-up -------------------------------------------------------------------------------------------------------


def other_environment(log: Log) -> int:
    status = log.run(sys.executable, ROOT / "tools" / "setup_env.py", "other")
    if status == 3:
        shutil.rmtree(OTHER_VENV, ignore_errors=True)
        raise Skip(log.text().strip().splitlines()[-1].removeprefix("setup: "))
    return status


def debian_packages(log: Log) -> int:
    """Install the packages that tests need and that are missing; without root say which tests will be skipped."""
    missing: dict[str, str] = {}
    for line in (ROOT / "tools" / "debian-packages.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            package, command, purpose = line.split(None, 2)
            if not shutil.which(command, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"):
                missing[package] = purpose
    if not missing:
        log.say("nothing is missing")
        return 0
    listed = "; ".join(f"{package} ({purpose})" for package, purpose in missing.items())
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Skip(f"not root, or no apt-get: the tests that need {listed} are skipped")
    log.say(f"installing {listed}")
    refused = install_what_exists(log, list(missing))
    if refused:
        listed = "; ".join(f"{package} ({missing[package]})" for package in refused)
        raise Skip(f"cannot be installed here: the tests that need {listed} are skipped")
    return 0


def install_what_exists(log: Log, packages: Sequence[str]) -> list[str]:
    """All at once; where that fails, one by one, because another release of Debian names some of them otherwise."""
    refused = []
    try:
        setup_env.apt_install(packages)
    except setup_env.SetupError as error:
        log.say(str(error))
        if len(packages) == 1:
            return list(packages)
        for package in packages:
            refused += install_what_exists(log, [package])
    return refused


#: The scenarios of one of the two steps; all others are in the other.
OWN_STEP = "root_ca or config_backup or change_control or account_hygiene"

# Those that take longest begin first, so that none is left to run alone at the end.
STEPS = (
    Step("packages", "setup", debian_packages),
    Step("other-venv", "setup", other_environment),
    Step("ruff", "lint", ruff),
    Step("ruff-format", "lint", ruff_format),
    Step("yamllint", "lint", yamllint),
    Step("changelog", "lint", changelog),
    Step(
        "molecule", "integration", pytest_step(VENV, "tests/molecule", "-k", OWN_STEP), after=("packages",), junit=True
    ),
    Step(
        "molecule-more",
        "integration",
        pytest_step(VENV, "tests/molecule", "-k", f"not ({OWN_STEP})"),
        after=("packages",),
        junit=True,
    ),
    Step(
        "integration",
        "integration",
        pytest_step(VENV, "tests/integration", "--ignore-glob=*/test_diagnose*.py"),
        after=("packages", "other-venv"),
        junit=True,
    ),
    Step(
        "diagnosis",
        "integration",
        pytest_step(VENV, "tests/integration", "-k", "test_diagnose"),
        after=("packages",),
        junit=True,
    ),
    Step("gateways", "integration", pytest_step(VENV, "tests/gateways"), after=("packages",), junit=True),
    Step("sanity", "sanity", sanity_step(VENV), after=("packages",)),
    # What another ansible-core sees otherwise is documentation, argument specs and imports; pylint reads the same text.
    Step("sanity-other", "sanity", sanity_step(OTHER_VENV, "--skip-test", "pylint"), after=("packages", "other-venv")),
    Step("unit", "unit", pytest_step(VENV, "tests/unit"), after=("packages",), junit=True),
    # The shares of right diagnoses are arithmetic on texts: no Python and no library can change them.
    Step(
        "unit-other",
        "unit",
        pytest_step(OTHER_VENV, "tests/unit", "--ignore-glob=*/test_diagnose_ratios.py"),
        after=("packages", "other-venv"),
        junit=True,
    ),
    Step("servers", "integration", pytest_step(VENV, "tests/servers"), after=("packages",), junit=True),
    Step("fuzz", "unit", pytest_step(VENV, "tests/fuzz"), after=("packages",), junit=True),
    Step("bench-smoke", "integration", pytest_step(VENV, "tests/bench"), after=("packages",), junit=True),
    Step("ansible-lint", "lint", ansible_lint),
    Step("mypy", "lint", mypy),
    Step("plugin-docs", "lint", plugin_docs),
    Step("generated", "lint", generated_pages),
)
GROUPS = ("lint", "unit", "integration", "sanity")


def sanity_skips(text: str) -> list[str]:
    """What ansible-test left out: tests for Python versions that are not here, and programs that it misses."""
    versions: dict[str, list[str]] = {}
    for test, version in re.findall(r'^WARNING: Skipping sanity test "(.+)" on Python (\S+) because', text, re.M):
        versions.setdefault(test, []).append(version)
    reasons = [f"test {test}: no Python {', '.join(found)} here" for test, found in versions.items()]
    return reasons + re.findall(r"^WARNING: (Required program .* not found\.)$", text, re.M)


def read_junit(path: Path, outcome: Outcome) -> None:
    """Count pytest's tests, and name the skipped ones with their reason."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None:
            outcome.skips.append((f"{case.get('classname')}.{case.get('name')}", skipped.get("message") or "no reason"))
        elif case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
        else:
            outcome.passed += 1


def run_step(step: Step) -> Outcome:
    log = Log(step.name)
    report = OUTPUT / f"{step.name}.xml"
    report.unlink(missing_ok=True)
    started = time.monotonic()
    outcome = Outcome("passed")
    try:
        status = step.action(log)
        outcome.status = "failed" if status else "passed"
    except Skip as reason:
        outcome.status = "skipped"
        outcome.skips.append((step.name, str(reason)))
    except Exception as error:  # a broken step must not hide the others
        log.say(f"{type(error).__name__}: {error}")
        outcome.status = "failed"
    outcome.seconds = time.monotonic() - started
    if step.junit and report.exists():
        read_junit(report, outcome)
        if outcome.status == "failed" and not outcome.failed:
            outcome.failed = 1
    elif step.group != "setup":
        outcome.passed = int(outcome.status == "passed")
    if outcome.status == "failed" and not outcome.failed:
        outcome.failed = 1
    if step.group == "sanity":
        outcome.skips += [(step.name, reason) for reason in sanity_skips(log.text())]
    return outcome


def run_all(steps: Sequence[Step]) -> dict[str, Outcome]:
    """Four at a time, in the order of STEPS, each one as soon as those that it comes after are done."""
    outcomes: dict[str, Outcome] = {}
    waiting = list(steps)
    names = {step.name for step in steps}
    changed = threading.Condition()

    def take() -> Step | None:
        with changed:
            while waiting:
                for step in waiting:
                    if all(name in outcomes or name not in names for name in step.after):
                        waiting.remove(step)
                        return step
                changed.wait()
        return None

    def work() -> None:
        while step := take():
            outcome = run_step(step)
            with changed:
                outcomes[step.name] = outcome
                changed.notify_all()
            say(step, outcome)

    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(work) for worker in range(WORKERS)]
        try:
            for future in futures:
                future.result()
        except KeyboardInterrupt:
            with changed:
                waiting.clear()
                changed.notify_all()
            RUNNING.end_all()
            raise
    return outcomes


PRINTING = threading.Lock()


def say(step: Step, outcome: Outcome) -> None:
    with PRINTING:
        if outcome.status == "failed":
            log = (OUTPUT / f"{step.name}.log").read_text(encoding="utf-8", errors="replace")
            print(f"\n===== {step.name} failed =====\n{log.rstrip()}\n===== end of {step.name} =====\n")
        print(f"{outcome.status:<8}{step.name:<14}{outcome.seconds:6.1f} s", flush=True)


def skip_lines(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Each skipped test by name with its reason; the cases of one test, and one test of several steps, on one line."""
    groups: dict[tuple[str, str], list[str]] = {}
    for step, outcome in outcomes.items():
        for what, why in outcome.skips:
            groups.setdefault((what.partition("[")[0], why), []).append(step)
    lines = []
    for (what, why), steps in groups.items():
        times = f" ({len(steps)} times)" if len(steps) > 1 else ""
        where = "" if steps == [what] else f" [{', '.join(dict.fromkeys(steps))}]"
        lines.append(f"{what}{times}{where}: {why}")
    return lines


def summarize(steps: Sequence[Step], outcomes: dict[str, Outcome], seconds: float) -> int:
    print(f"\n{'step':<14}{'result':<9}{'seconds':>8}  tests")
    for step in steps:
        outcome = outcomes[step.name]
        counted = f"{outcome.passed} passed, {outcome.failed} failed" if step.junit else ""
        print(f"{step.name:<14}{outcome.status:<9}{outcome.seconds:8.1f}  {counted}".rstrip())
    skipped = sum(len(outcome.skips) for outcome in outcomes.values())
    if skipped:
        print(f"\nSkipped ({skipped}):")
        print("\n".join(f"  {line}" for line in skip_lines(outcomes)))
    passed = sum(outcome.passed for outcome in outcomes.values())
    failed = sum(outcome.failed for outcome in outcomes.values())
    print(f"\nEach pytest test counts as itself, any other step as one. {seconds:.0f} s in all. Logs: tests/output/")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the project's checks.")
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="groups of steps")
    parser.add_argument("--step", action="append", default=[], choices=[step.name for step in STEPS])
    parser.add_argument("--list", action="store_true", help="name the steps")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(f"{step.group:<12} {step.name}" for step in STEPS))
        return 0
    chosen = [step for step in STEPS if step.group in options.groups or step.name in options.step]
    needed = {name for step in chosen for name in step.after}
    chosen = [step for step in STEPS if step in chosen or step.name in needed]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    try:
        outcomes = run_all(chosen)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return summarize(chosen, outcomes, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
