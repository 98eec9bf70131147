# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the pages that follow from the collection's own data (`make docs`).

    python tools/generate_docs.py            docs/checks/, the policy's page in both languages, CHANGELOG.md, and the
                                             JSON Schema of a visit's observation
    python tools/generate_docs.py --check    write nothing; 1 when a page is out of date

The checks come from plugins/plugin_utils/rules/checklist.yml, the policy from policy.yml, the changelog from
changelogs/fragments/, the schema from the dataclasses of plugins/plugin_utils/facts/. A page that nothing makes any
more is removed from docs/checks/.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tools")]

from observation_schema import network_schema, schema_text  # noqa: E402

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import (  # noqa: E402
    Check,
    Reason,
    Text,
    load_checklist,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data  # noqa: E402
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels  # noqa: E402

CHECKS = Path("docs/checks")
SCHEMA = Path("plugins/plugin_utils/observation/observation.schema.json")
POLICY_PAGES = {"en": Path("docs/en/policy.md"), "fr": Path("docs/fr/politique.md")}
LANGUAGES = ("en", "fr")
PLACE = re.compile(r"\{[^{}]*\}")
WORDS = yaml.safe_load((ROOT / "tools" / "docs_words.yml").read_text(encoding="utf-8"))


def words_in(language: str) -> dict[str, str]:
    return {name: texts[language] for name, texts in WORDS.items()}


def cell(text: str) -> str:
    """One table cell: a bar or a line break would end it."""
    return text.replace("|", "\\|").replace("\n", " ").strip()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines.extend(f"| {' | '.join(cell(value) for value in row)} |" for row in rows)
    return lines


def sentence(text: Text, language: str) -> str:
    """A text of the data, its figures left open."""
    return PLACE.sub("[…]", text.get(language))


def steps(actions: Sequence[Text], language: str) -> list[str]:
    return [f"{number}. {sentence(action, language)}" for number, action in enumerate(actions, 1)]


def reason_rows(reasons: Iterable[Reason], language: str) -> list[tuple[str, ...]]:
    words = words_in(language)
    rows: list[tuple[str, ...]] = []
    for reason in reasons:
        severity = labels.severity_label(reason.severity, language) if reason.status == "fail" else ""
        owner = labels.owner_label(reason.owner, language) if reason.status != "pass" else ""
        meaning = sentence(reason.title, language) + (f" ({words['later']})" if reason.later else "")
        rows.append((f"`{reason.name}`", labels.status_label(reason.status, language), severity, owner, meaning))
    return rows


def reasons_table(reasons: Iterable[Reason], language: str) -> list[str]:
    words = words_in(language)
    head = [words[name] for name in ("reason", "status", "severity", "owner", "meaning")]
    return table(head, reason_rows(reasons, language))


def actions_part(reasons: Iterable[Reason], language: str) -> list[str]:
    """The steps of each reason that has some; reasons with the same steps share one heading."""
    words = words_in(language)
    lines: list[str] = []
    first: dict[tuple[tuple[Text, ...], tuple[Text, ...]], str] = {}
    for reason in reasons:
        if not reason.actions:
            continue
        lines += ["", f"### {sentence(reason.title, language)} (`{reason.name}`)", ""]
        key = (reason.actions, reason.peer_actions)
        if key in first:
            lines.append(words["same"].format(reasons=f"`{first[key]}`"))
            continue
        first[key] = reason.name
        lines += steps(reason.actions, language)
        if reason.peer_actions != reason.actions:
            lines += ["", f"*{words['peer']} :*" if language == "fr" else f"*{words['peer']}:*", ""]
            lines += steps(reason.peer_actions, language)
    return ["", f"## {words['actions']}", *lines] if lines else []


def check_page(check: Check, language: str) -> str:
    words = words_in(language)
    reasons = list(check.reasons.values())
    lines = [
        f"# {sentence(check.title, language)}",
        "",
        words["other"].format(page=f"{check.name}.md"),
        "",
        f"`{check.name}` · {labels.source_label(check.source, language)} · {labels.owner_label(check.owner, language)}"
        f" · {labels.reference_label(check.annex, language)}",
        "",
        sentence(check.text, language),
        "",
        f"## {words['reasons']}",
        "",
        *reasons_table(reasons, language),
        "",
        words["attested"].format(severity=labels.severity_label(check.attested_severity, language).lower()),
        *actions_part(reasons, language),
        "",
        f"## {words['references']}",
        "",
        *(f"- {labels.reference_label(reference, language)}" for reference in check.references),
    ]
    return "\n".join(lines) + "\n"


def index_page(language: str) -> str:
    words = words_in(language)
    rows = [
        (
            f"[`{check.name}`]({check.name}.md)",
            sentence(check.title, language),
            labels.source_label(check.source, language),
            labels.owner_label(check.owner, language),
            labels.reference_label(check.annex, language),
        )
        for check in load_checklist().checks
    ]
    head = [words[name] for name in ("check", "title", "source", "owner", "place")]
    lines = [f"# {words['checks']}", "", words["other"].format(page="README.md"), "", words["intro"], ""]
    return "\n".join(lines + table(head, rows)) + "\n"


def common_page(language: str) -> str:
    words = words_in(language)
    reasons = list(load_checklist().common.values())
    lines = [f"# {words['common']}", "", words["other"].format(page="common.md"), "", words["common_intro"], ""]
    return "\n".join([*lines, *reasons_table(reasons, language), *actions_part(reasons, language)]) + "\n"


def value_text(value: Any) -> str:
    """A value as a person writes it in YAML, on one line."""
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).removesuffix("\n...\n").strip()
    )


def accepts_text(entry: dict[str, Any]) -> str:
    """What a policy key takes: its choices, or its bounds."""
    if "choices" in entry:
        return ", ".join(f"`{choice}`" for choice in entry["choices"])
    bounds = [f"{sign} {entry[name]}" for sign, name in (("≥", "minimum"), ("≤", "maximum")) if name in entry]
    return ", ".join(bounds)


def presets_table(words: dict[str, str], language: str) -> list[str]:
    """What each of the rules on encryption refuses."""
    rows = [
        (
            f"`{name}`: {Text(**preset['title']).get(language)}",
            ", ".join(words[f"flaw_{flaw}"] for flaw in preset["refused"]),
            f"{preset['min_dh_bits']} / {preset['min_ec_bits']}",
        )
        for name, preset in load_data("checks/cipher_presets").items()
    ]
    return table([words["preset"], words["refused_flaws"], words["min_group"]], rows)


def weak_text(entry: dict[str, Any], words: dict[str, str]) -> str:
    """From which value on every page says that the policy was weakened."""
    weak = {name: value_text(limit) for name, limit in (entry["weak"] or {}).items()}
    return ", ".join(words[f"weak_{name}"].format(limit=limit.strip("[]")) for name, limit in weak.items())


def policy_page(language: str) -> str:
    words = words_in(language)
    rows = [
        (
            f"`{key}`",
            f"`{value_text(entry['value'])}`",
            accepts_text(entry),
            weak_text(entry, words),
            Text(**entry["describe"]).get(language),
        )
        for key, entry in load_data("rules/policy").items()
    ]
    lines = [
        f"# {words['policy']}",
        "",
        words["policy_other"],
        "",
        words["policy_intro"],
        "",
        "```yaml",
        "audit_policy:",
        "  plan_days: 120",
        "  insecure_services: {http: null}",
        "```",
        "",
        *table([words[name] for name in ("key", "value", "accepts", "weak", "meaning")], rows),
        "",
        f"## {words['presets']}",
        "",
        words["presets_intro"],
        "",
        *presets_table(words, language),
    ]
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Every page that follows from the data, by its path in the checkout."""
    made: dict[Path, str] = {}
    for language in LANGUAGES:
        made[CHECKS / language / "README.md"] = index_page(language)
        made[CHECKS / language / "common.md"] = common_page(language)
        made[POLICY_PAGES[language]] = policy_page(language)
        for check in load_checklist().checks:
            made[CHECKS / language / f"{check.name}.md"] = check_page(check, language)
    made[SCHEMA] = schema_text(network_schema())
    return made


def stale_pages() -> list[Path]:
    """Pages in docs/checks that nothing makes any more."""
    made = pages()
    return [
        path.relative_to(ROOT) for path in sorted((ROOT / CHECKS).rglob("*.md")) if path.relative_to(ROOT) not in made
    ]


def outdated_pages() -> list[Path]:
    """Pages that are missing, differ from what the data say, or should not be there."""
    differing = [
        path
        for path, text in pages().items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != text
    ]
    return differing + stale_pages()


def write_pages() -> None:
    for path in stale_pages():
        (ROOT / path).unlink()
    for path, text in pages().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")


CHANGELOG_FILES = (Path("CHANGELOG.md"), Path("changelogs/changelog.yaml"))


def changelog() -> dict[Path, str]:
    """CHANGELOG.md and changelogs/changelog.yaml as the fragments and the plugins make them, in a copy of the tree."""
    version = str(yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"])
    record = ROOT / "changelogs" / "changelog.yaml"
    known = yaml.safe_load(record.read_text(encoding="utf-8")) if record.exists() else {"releases": {}}
    date = known["releases"].get(version, {}).get("release_date") or datetime.date.today().isoformat()
    with tempfile.TemporaryDirectory(prefix="cert_hygiene-changelog-") as folder:
        copy = Path(folder) / "ansible_collections" / "biomed" / "cert_hygiene"
        copy.mkdir(parents=True)
        for name in ("galaxy.yml", "plugins", "roles", "playbooks", "meta", "changelogs", "CHANGELOG.md"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".plugin-cache.yaml"))
            elif source.exists():
                shutil.copy2(source, copy / name)
        bin_folder = Path(sys.executable).parent
        command = [str(bin_folder / "antsibull-changelog"), "release", "--version", version, "--date", str(date)]
        command += ["--update-existing", "--reload-plugins", "--refresh"]
        path = f"{bin_folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        environment = {**os.environ, "PATH": path, "ANSIBLE_HOME": str(Path(folder) / "home")}
        environment["ANSIBLE_COLLECTIONS_PATH"] = folder
        answer = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise SystemExit(f"antsibull-changelog failed:\n{answer.stdout}{answer.stderr}")
        return {path: (copy / path).read_text(encoding="utf-8") for path in CHANGELOG_FILES}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the pages that follow from the collection's data.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when something is out of date")
    options = parser.parse_args(arguments)
    released = changelog()
    if options.check:
        outdated = outdated_pages()
        for path, text in released.items():
            if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != text:
                outdated.append(path)
        for path in outdated:
            print(f"{path} is out of date: make docs")
        return 1 if outdated else 0
    write_pages()
    for path, text in released.items():
        (ROOT / path).write_text(text, encoding="utf-8")
    print(f"{len(pages())} pages and {CHANGELOG_FILES[0]} are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
