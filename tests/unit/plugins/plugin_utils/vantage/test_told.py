# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of what a gateway's interpreter answers, only what its module says gets through."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import interpret_gateway
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage import told as module
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.told import harmless, told

ROOT = Path(module.__file__).absolute().parents[3]

ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "facts": ({"changed": False, "ansible_facts": {"audit_policy": {}}}, {"changed": False}),
    "facts of other names": (
        {"_ansible_facts": {"a": 1}, "_ansible_facts_cacheable": True, "ansible_stats": {}, "audit_fail_on": "never"},
        {},
    ),
    "hosts and groups": ({"add_host": {"host_name": "x"}, "add_group": "y", "results": [{"ansible_facts": {}}]}, {}),
    "what it knows": ({"services": [1], "changed": True, "rc": 0}, {"services": [1], "changed": True, "rc": 0}),
    "escapes in a message": (
        {"failed": True, "msg": "\x1b[2J\x1b[32mall green\u202e\nand more"},
        {"failed": True, "msg": "[U+001B][2J[U+001B][32mall green[U+202E]\nand more"},
    ),
    "warnings": ({"warnings": ["w"], "deprecations": ["d"], "exception": "e"}, {"warnings": ["w"]}),
}

WRAPPED = {"__ansible_type": "WarningSummary", "event": {"__ansible_type": "Event", "msg": "plain\r"}}
SAID: dict[str, tuple[str, Any]] = {
    "facts": ('{"changed": true, "ansible_facts": {"a": 1}}', {"changed": True}),
    "escapes in warnings": (
        json.dumps({"warnings": ["\x1b]0;x\x07", WRAPPED, 7, "", {"event": "x"}], "deprecations": [{"msg": "\x1b"}]}),
        {"warnings": ["[U+001B]]0;x[U+0007]", "plain[U+000D]"]},
    ),
    "warnings without end": (json.dumps({"warnings": ["w"] * 1000}), {"warnings": ["w"] * 20}),
    "warnings that are none": ('{"warnings": {"a": "b"}, "exception": "\\u001b"}', {}),
    "escapes around the answer": ('\x1b[2Jhello\n{"changed": false}\n\x1b[2Jbye', {"changed": False}),
    "no answer": ("\x1b[2J not found\n", None),
    "a list": ("[1]", None),
    "without end": ("[" * 100_000, None),
}


@pytest.mark.parametrize(("stdout", "answer"), SAID.values(), ids=SAID)
def test_ansible_reads_nothing_that_it_would_show_as_it_is(stdout: str, answer: Any) -> None:
    said = harmless(stdout)
    assert "\x1b" not in said
    if answer is not None:
        assert json.loads(said) == answer


@pytest.mark.parametrize(("answer", "kept"), ANSWERS.values(), ids=ANSWERS)
def test_only_what_is_known_gets_through(answer: dict[str, Any], kept: dict[str, Any]) -> None:
    assert told(answer, ("services",)) == kept


def documented(name: str) -> set[str]:
    text = (ROOT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8")
    (found,) = (
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "RETURN"
    )
    return set(yaml.safe_load(ast.literal_eval(found)))


@pytest.mark.parametrize("name", ["ntp_offset", "tls_services_info"])
def test_a_plain_action_takes_what_its_module_documents(name: str) -> None:
    text = (ROOT / "plugins" / "action" / f"{name}.py").read_text(encoding="utf-8")
    (taken,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "taken"
    )
    assert set(taken) == documented(name)


def test_every_module_that_runs_on_a_gateway_has_an_action() -> None:
    """Without one, Ansible would take its answer as it comes."""
    runs_elsewhere = {
        path.stem
        for path in (ROOT / "plugins" / "modules").glob("*.py")
        if "AnsibleModule(" in path.read_text(encoding="utf-8")
    }
    # path_info asks the control node or a vantage for the routes of that host.
    actions = {path.stem for path in (ROOT / "plugins" / "action").glob("*.py")}
    assert runs_elsewhere - actions == {"path_info"}


def test_whose_observation_it_is_is_not_the_gateways_to_say() -> None:
    forged = {
        "device": "victim",
        "source": "network",
        "vantage": "x",
        "schema_version": 9,
        "reason": "r",
        "started_at": "2030-01-01T00:00:00Z",
        "clock": {"samples": []},
        "subsets": {},
    }
    seen = interpret_gateway(
        forged, device="gw", asked=0.0, answered=1.0, started=0.2, finished=0.8, comparable=True, same_machine=False
    )
    assert (seen["device"], seen["source"], seen["vantage"], seen["schema_version"]) == (
        "gw",
        "gateway",
        "localhost",
        1,
    )
    assert "clock" not in seen and seen["reason"] is None and seen["started_at"].startswith("1970-01-01")
