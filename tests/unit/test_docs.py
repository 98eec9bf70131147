# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that people read: generated ones up to date, no link to nowhere, both languages with the same content."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
TWINS = (
    ("README.md", "docs/fr/README.md"),
    ("docs/en/biomed.md", "docs/fr/biomed.md"),
    ("docs/en/it.md", "docs/fr/dsi.md"),
    ("docs/en/security.md", "docs/fr/securite.md"),
    ("docs/en/policy.md", "docs/fr/politique.md"),
    ("docs/en/priority.md", "docs/fr/priorite.md"),
    ("docs/en/device_profiles.md", "docs/fr/profils_dm.md"),
    ("docs/en/change_control.md", "docs/fr/autoriser_changement.md"),
    ("docs/en/access_checks.md", "docs/fr/verification_acces.md"),
    ("docs/en/time_and_accounts.md", "docs/fr/heure_et_comptes.md"),
    ("docs/en/diagnose.md", "docs/fr/diagnostic.md"),
    ("docs/en/push_root_ca.md", "docs/fr/pousser_racine.md"),
)


def load_generator() -> ModuleType:
    path = ROOT / "tools" / "generate_docs.py"
    spec = importlib.util.spec_from_file_location("generate_docs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate_docs"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return load_generator()


def written_pages() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_generated_pages_say_what_the_data_say(generator: ModuleType) -> None:
    assert generator.outdated_pages() == []


def test_every_check_has_a_page_in_both_languages(generator: ModuleType) -> None:
    names = {check.name for check in generator.load_checklist().checks}
    assert len(names) == 19
    for language in ("en", "fr"):
        pages = {path.stem for path in (ROOT / "docs" / "checks" / language).glob("*.md")}
        assert pages - {"README", "common"} == names


def test_a_page_shows_every_reason_and_every_step(generator: ModuleType) -> None:
    for check in generator.load_checklist().checks:
        for language in ("en", "fr"):
            page = generator.check_page(check, language)
            for reason in check.reasons.values():
                assert f"`{reason.name}`" in page
                for step in (*reason.actions, *reason.peer_actions):
                    assert generator.sentence(step, language) in page


def test_a_table_cell_cannot_break_its_table(generator: ModuleType) -> None:
    assert generator.cell("a|b\nc ") == "a\\|b c"


@pytest.mark.parametrize("page", written_pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_leads_nowhere(page: Path) -> None:
    lost = [
        target
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not target.startswith("#") and not (page.parent / target.split("#")[0]).exists()
    ]
    assert lost == []


def shape(page: str) -> dict[str, int]:
    """What two languages of one page must have in common."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return {
        "headings": len(re.findall(r"^#+ ", text, re.M)),
        "table rows": len(re.findall(r"^\|", text, re.M)),
        "code lines": len(re.findall(r"^    \S", text, re.M)),
        "code blocks": text.count("```"),
        "numbered": len(re.findall(r"^\d+\. ", text, re.M)),
        "bullets": len(re.findall(r"^- ", text, re.M)),
    }


@pytest.mark.parametrize(("english", "french"), TWINS, ids=[english for english, _french in TWINS])
def test_french_and_english_are_equals(english: str, french: str) -> None:
    ours, theirs = shape(english), shape(french)
    if english == "README.md":  # the French page leads to French pages alone: no row for contributors
        ours["table rows"] -= 1
    assert ours == theirs


def test_the_commands_that_the_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    for page in written_pages():
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:^    |`)make ([a-z]+)", text, re.M))
        assert named <= targets, page.name


@pytest.mark.parametrize("page", ["README.md", "docs/fr/README.md"])
def test_the_readme_names_all_that_a_person_can_call(page: str) -> None:
    named = set(re.findall(r"`([a-z_]+)`", (ROOT / page).read_text(encoding="utf-8")))
    plugins = {
        path.stem
        for kind in ("action", "filter", "inventory", "lookup", "modules")
        for path in (ROOT / "plugins" / kind).glob("[!_]*.*")
        if path.suffix in (".py", ".yml")
    }
    roles = {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert plugins | roles | playbooks <= named
