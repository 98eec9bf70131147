# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Details of a finding as a person reads them: no raw code of a closed list, in either language."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils import trust
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.values import value_rows
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import load_words

NB = "\u00a0"


@pytest.mark.parametrize(
    ("values", "fr", "en"),
    [
        ({"cause": "root_not_trusted"}, "autorité racine non reconnue", "root authority not recognised"),
        ({"cause": "certificate_expired"}, "certificat expiré", "certificate expired"),
        ({"status": "incomplete_chain"}, "chaîne incomplète", "incomplete chain"),
        ({"outcome": "not_tls"}, "réponse sans TLS", "an answer without TLS"),
        ({"renewal_window": "relative"}, "selon la durée de vie du certificat", "by the certificate's lifetime"),
        (
            {"sources": ["tls_random", "sntp"]},
            "heure contenue dans la négociation TLS, réponse NTP",
            "time in the TLS handshake, NTP answer",
        ),
        ({"allowed_key_types": ["rsa", "ec"]}, "RSA, courbe elliptique", "RSA, elliptic curve"),
        ({"without": ["system", "/opt/a.jks"]}, "magasin du système, /opt/a.jks", "system store, /opt/a.jks"),
        ({"not_assessed": "not_observed"}, "Non visité", "Not visited"),
        (
            {"effect": {"state": "breaks", "sees": "not_yet_valid"}},
            f"état{NB}: des certificats valides sont refusés{NB}; certificat jugé{NB}: pas encore valide",
            "state: valid certificates are refused; certificate seen as: not yet valid",
        ),
        (
            {"sources_disagree": [{"source": "gateway", "reason": "offset_within_tolerance"}]},
            f"source{NB}: Connexion à la passerelle{NB}; motif{NB}: Horloge à l'heure",
            "source: Gateway login; reason: Clock on time",
        ),
        # What is no code, and what stands elsewhere, is shown as it is.
        ({"subject": "CN=trusted"}, "CN=trusted", "CN=trusted"),
        ({"subject": "trusted"}, "trusted", "trusted"),
        ({"cause": "never_heard_of"}, "never_heard_of", "never_heard_of"),
    ],
    ids=lambda value: str(next(iter(value.items()))) if isinstance(value, dict) else None,
)
def test_details_are_words(values: dict[str, Any], fr: str, en: str) -> None:
    assert [text for _name, text in value_rows(values, load_words("fr"))] == [fr]
    assert [text for _name, text in value_rows(values, load_words("en"))] == [en]


# What makes a problem in that room, and which of status and cause its arguments are.
MAKERS = {
    "Problem": ("status", "cause"),
    "problem": ("cause",),
    "unfit": ("cause",),
    "_refused": ("link", "cause"),
}


def told_by_trust() -> set[tuple[str, str]]:
    """(kind, code) of every status and cause that the room trust writes as a literal."""
    found = set()
    for path in Path(str(trust.__path__[0])).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                for kind, argument in zip(MAKERS[node.func.id], node.args, strict=False):
                    found |= {(kind, leaf.value) for leaf in ast.walk(argument) if isinstance(leaf, ast.Constant)}
    return {(kind, code) for kind, code in found if not code.startswith("_")}


def test_every_status_and_cause_of_trust_has_words() -> None:
    told = told_by_trust()
    assert len(told) > 20
    code = load_data("words/report_texts")["code"]
    assert {(kind, name) for kind, name in told if name not in code[kind]} == set()
