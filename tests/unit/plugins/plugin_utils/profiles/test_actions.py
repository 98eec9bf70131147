# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a profile says that a root is put on a device: the pages' examples are right, each mistake is one sentence."""

from __future__ import annotations

import copy
import email
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles import actions as profile_actions
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.actions import UploadRootCa
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import ProfileError, read_profile

ROOT = Path(__file__).resolve().parents[5]
SCHEMA = ROOT / "plugins" / "plugin_utils" / "profiles" / "device_profile.schema.json"
JUDGE = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
PAGES = ("docs/en/device_profiles.md", "docs/fr/profils_dm.md")

PRINT = "0123456789abcdef" * 4
PEM = "-----BEGIN CERTIFICATE-----\n" + "QUJD" * 16 + "\nQUI=\n-----END CERTIFICATE-----\n"
FILLED = {"name": "chu-root-1a2b3c4d", "fingerprint": PRINT, "pem": PEM}


def actions(page: str) -> list[dict[str, Any]]:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)
    return [data for data in map(yaml.safe_load, blocks) if isinstance(data, dict) and set(data) == {"actions"}]


SHELL_ACTIONS, PAGE_ACTIONS = (data["actions"]["upload_root_ca"] for data in actions(PAGES[0]))
JSON_ADD = {
    "method": "PUT",
    "path": "/r/{fingerprint}",
    "headers": {"X-Name": "{name}"},
    "json": {"name": "{name}", "text": ["{pem}"], "sure": True},
    "status": [200, 201],
}


def shell(upload: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": "cli",
        "transport": "ssh",
        "ssh": {"prompt": "> ?$"},
        "commands": {"a": "b"},
        "facts": {"system.name": {"output": "a", "regex": "(?P<value>.)"}},
        "actions": {"upload_root_ca": upload},
    }


def page(upload: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": "page",
        "transport": "https",
        "requests": {"a": "/"},
        "facts": {"system.name": {"output": "a", "jmespath": "a"}},
        "actions": {"upload_root_ca": upload},
    }


def read(profile: dict[str, Any]) -> UploadRootCa:
    upload = read_profile(profile).upload_root_ca
    assert upload is not None
    return upload


def test_the_pages_show_right_examples_and_name_every_key() -> None:
    assert actions(PAGES[0]) == actions(PAGES[1])
    for data in (shell(SHELL_ACTIONS), page(PAGE_ACTIONS), page({**PAGE_ACTIONS, "add": JSON_ADD})):
        assert [error.message for error in JUDGE.iter_errors(data)] == []
        read(data)
    known = profile_actions._TRUSTED_KEYS | profile_actions._DIALOGUE_KEYS | profile_actions._REQUEST_KEYS
    for name in PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        for word in (*known, *profile_actions._MULTIPART_KEYS, *profile_actions._VALUES, "send", "until"):
            assert f"`{word}`" in text or f"{word}:" in text, f"{name}: {word}"


def spoilt(sample: dict[str, Any], way: str, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(sample)
    *keys, last = way.split("/")
    place: Any = data
    for key in keys:
        place = place[int(key) if isinstance(place, list) else key]
    if value is None:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return data


# (sample, where it is spoilt, with what (None: taken away), the sentence, whether the JSON Schema sees it too)
WRONG: list[tuple[Callable[[dict[str, Any]], dict[str, Any]], dict[str, Any], str, Any, str, bool]] = [
    (shell, SHELL_ACTIONS, "remove", None, "upload_root_ca.remove: missing", True),
    (shell, SHELL_ACTIONS, "trusted", None, "upload_root_ca.trusted: missing", True),
    (shell, SHELL_ACTIONS, "trused", {}, "upload_root_ca.trused: unknown key; did you mean trusted?", True),
    (shell, SHELL_ACTIONS, "trusted/expect", None, "trusted.expect: missing; without it, an error", True),
    (shell, SHELL_ACTIONS, "trusted/regex", "x", "trusted.regex: the named group (?P<value>…) is needed", False),
    (shell, SHELL_ACTIONS, "trusted/regex", "(?P<serial>.)", "the group serial is not known; use value, name", False),
    (shell, SHELL_ACTIONS, "trusted/regex", "(", "trusted.regex: missing ), unterminated subpattern", False),
    (shell, SHELL_ACTIONS, "trusted/path", "/x", "trusted.path: unknown key", True),
    (shell, SHELL_ACTIONS, "trusted/command", "show {name}", "trusted.command: a brace that is none", True),
    (shell, SHELL_ACTIONS, "add/success", None, "add.success: missing", True),
    (shell, SHELL_ACTIONS, "add/success", "(", "add.success: missing )", False),
    (shell, SHELL_ACTIONS, "add/error", 3, "add.error: a regular expression", True),
    (shell, SHELL_ACTIONS, "add/command", "x", "add: one of command and dialogue is needed", True),
    (shell, SHELL_ACTIONS, "add/dialogue", [], "add.dialogue: a list of 1 to 20 steps is needed", True),
    (shell, SHELL_ACTIONS, "add/dialogue/0/send", "import {nam}", "add.dialogue[0].send: a brace that is none", True),
    (shell, SHELL_ACTIONS, "add/dialogue/0/send", "a\nb", "add.dialogue[0].send: one line", True),
    (shell, SHELL_ACTIONS, "add/dialogue/0/send", "echo {pem}", "add.dialogue[0].send: a brace that is none", True),
    (shell, SHELL_ACTIONS, "add/dialogue/0/until", "(", "add.dialogue[0].until: missing )", False),
    (shell, SHELL_ACTIONS, "add/dialogue/1/until", "x", "add.dialogue[1].until: the last step ends", False),
    (shell, SHELL_ACTIONS, "add/dialogue/1/send", "END", "add: {pem} must be sent, and once", False),
    (shell, SHELL_ACTIONS, "add/dialogue/1/send", ["{pem}", "{pem}"], "add: {pem} must be sent, and once", False),
    (shell, SHELL_ACTIONS, "remove/command", "no root", "remove: {name} or {fingerprint} is needed", False),
    (shell, SHELL_ACTIONS, "remove/command", "no root {pem}", "remove.command: a brace that is none", True),
    (shell, SHELL_ACTIONS, "test/command", "test {name}", "test.command: a brace that is none", True),
    (page, PAGE_ACTIONS, "add/command", "x", "add.command: unknown key", True),
    (page, PAGE_ACTIONS, "add/status", None, "add.status: missing", True),
    (page, PAGE_ACTIONS, "add/status", True, "add.status: the status of success is needed", True),
    (page, PAGE_ACTIONS, "add/status", [404], "add.status: the status of success is needed", True),
    (page, PAGE_ACTIONS, "add/method", "TRACE", "add.method: 'TRACE' is not known", True),
    (page, PAGE_ACTIONS, "add/path", "/a b", "add.path: a path that begins with /", True),
    (page, PAGE_ACTIONS, "add/path", "/{pem}", "add.path: a brace that is none", True),
    (page, PAGE_ACTIONS, "add/body", "{pem}", "add: only one of body, json and multipart", True),
    (page, PAGE_ACTIONS, "add/headers", {"Host": "x"}, "add.headers: 'Host' cannot be set", True),
    (page, PAGE_ACTIONS, "add/headers", {"X": "{x}"}, "add.headers.X: a brace that is none", True),
    (page, PAGE_ACTIONS, "add/multipart", {"field": "a"}, "add.multipart.filename: missing", True),
    (page, PAGE_ACTIONS, "add/multipart/field", 'a"b', "add.multipart: 'a\"b' is not plain", True),
    (page, PAGE_ACTIONS, "add/multipart", None, "add: {pem} must be sent, and once", False),
    (page, PAGE_ACTIONS, "remove/path", "/api/roots", "remove: {name} or {fingerprint} is needed", False),
    (page, PAGE_ACTIONS, "remove/json", {"a": "{pem}"}, "remove.json: a brace that is none", True),
    (page, PAGE_ACTIONS, "remove/multipart", {"field": "a", "filename": "b"}, "{pem} is not sent here", True),
    (page, PAGE_ACTIONS, "trusted/jmespath", "a[", "trusted.jmespath: ", False),
    (page, PAGE_ACTIONS, "trusted/jmespath", None, "one of regex and jmespath is needed", True),
]


@pytest.mark.parametrize(
    ("kind", "sample", "way", "value", "sentence", "seen"), WRONG, ids=[f"{row[2]} {row[4]}"[:70] for row in WRONG]
)
def test_each_mistake_is_one_clear_sentence(
    kind: Callable[[dict[str, Any]], dict[str, Any]],
    sample: dict[str, Any],
    way: str,
    value: Any,
    sentence: str,
    seen: bool,
) -> None:
    data = kind(spoilt(sample, way, value))
    with pytest.raises(ProfileError) as mistake:
        read_profile(data)
    assert sentence in str(mistake.value)
    assert "actions.upload_root_ca" in str(mistake.value)
    assert "\n" not in str(mistake.value)
    assert bool(list(JUDGE.iter_errors(data))) is seen


# -- what is filled in


def test_a_dialogue_is_filled_line_by_line() -> None:
    upload = read(shell(SHELL_ACTIONS))
    assert upload.add.filled(**FILLED) == [
        {"send": ["crypto root import chu-root-1a2b3c4d"], "until": "^cert> ?$"},
        {"send": [*PEM.splitlines(), "END"], "until": None},
    ]
    assert upload.remove.filled(name="x", fingerprint=PRINT) == [{"send": ["no crypto root x"], "until": None}]
    assert upload.remove.needs("{name}")
    assert not upload.remove.needs("{fingerprint}")


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a;reboot", "a\nreload", "-rf", "../x", ".x", "a" * 65, "a\x00", "$(x)", "é", "a/b", '"', "{pem}"],
)
def test_no_name_ends_a_line_or_means_something(name: str) -> None:
    with pytest.raises(ValueError, match="not plain enough"):
        read(shell(SHELL_ACTIONS)).remove.filled(name=name, fingerprint=PRINT)


@pytest.mark.parametrize(
    "pem", ["", PEM + "reload\n", PEM.replace("QUI=", "reload now"), PEM + PEM, PEM.replace("QUI=", "END\n!")]
)
def test_no_text_but_one_certificate_is_sent(pem: str) -> None:
    with pytest.raises(ValueError, match="not plain enough"):
        read(shell(SHELL_ACTIONS)).add.filled(**{**FILLED, "pem": pem})


def test_a_fingerprint_is_hexadecimal() -> None:
    upload = read(page({**PAGE_ACTIONS, "add": JSON_ADD}))
    with pytest.raises(ValueError, match="not plain enough"):
        upload.add.filled(**{**FILLED, "fingerprint": "../../" + PRINT[6:]})


def test_requests_are_what_their_receivers_read() -> None:
    sent = read(page({**PAGE_ACTIONS, "add": JSON_ADD})).add.filled(**FILLED)
    assert (sent["method"], sent["path"], sent["status"]) == ("PUT", f"/r/{PRINT}", [200, 201])
    assert sent["headers"] == {"X-Name": FILLED["name"], "Content-Type": "application/json"}
    assert json.loads(sent["body"]) == {"name": FILLED["name"], "text": [PEM], "sure": True}

    upload = read(page(PAGE_ACTIONS))
    sent = upload.add.filled(**FILLED)
    message = email.message_from_string(f"Content-Type: {sent['headers']['Content-Type']}\r\n\r\n{sent['body']}")
    parts = {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}
    assert parts["alias"].get_payload().strip() == FILLED["name"]
    assert parts["certificate"].get_filename() == f"{FILLED['name']}.pem"
    assert parts["certificate"].get_payload().strip() == PEM.strip()

    sent = upload.remove.filled(name="x", fingerprint=PRINT)
    assert (sent["method"], sent["path"], sent["body"], sent["headers"]) == ("DELETE", "/api/roots/x", None, {})
    raw = read(page({**PAGE_ACTIONS, "add": {"method": "PUT", "path": "/{name}", "body": "{pem}", "status": 201}}))
    assert raw.add.filled(**FILLED)["body"] == PEM
    assert raw.add.filled(**FILLED)["headers"] == {"Content-Type": "application/x-pem-file"}
