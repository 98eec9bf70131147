# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roots of a device as it lists them, and what puts them back; what may be missing is never taken for gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change import appliance_roots as roots
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.appliance_roots import Kept, RootsProblem
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.actions import UploadRootCa
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import read_profile

A, B, C = (digit * 64 for digit in "abc")
COLONS = ":".join([A[:2].upper()] * 32)
REMOVE = {"command": "no root {name}", "success": "gone", "error": "Error"}
ADD = {"dialogue": [{"send": ["{pem}"]}], "success": "^stored", "error": "Error"}


def upload(remove: dict[str, Any] | None = None, **trusted: Any) -> UploadRootCa:
    listing = {"command": "show", "expect": "^Roots", "regex": r"^ (?P<name>\S*) (?P<value>[0-9A-Fa-f:]+)$", **trusted}
    profile = read_profile(
        {
            "schema_version": 1,
            "name": "x",
            "transport": "ssh",
            "ssh": {"prompt": ">"},
            "commands": {"a": "b"},
            "facts": {"system.name": {"output": "a", "regex": "(?P<value>.)"}},
            "actions": {"upload_root_ca": {"trusted": listing, "add": ADD, "remove": remove or REMOVE}},
        }
    )
    assert profile.upload_root_ca is not None
    return profile.upload_root_ca


def page(expression: str) -> UploadRootCa:
    profile = read_profile(
        {
            "schema_version": 1,
            "name": "x",
            "transport": "https",
            "requests": {"a": "/"},
            "facts": {"system.name": {"output": "a", "jmespath": "a"}},
            "actions": {
                "upload_root_ca": {
                    "trusted": {"path": "/", "jmespath": expression},
                    "add": {"method": "PUT", "path": "/", "body": "{pem}", "status": 200},
                    "remove": {"method": "DELETE", "path": "/{fingerprint}", "status": 200},
                }
            },
        }
    )
    assert profile.upload_root_ca is not None
    return profile.upload_root_ca


def test_a_list_is_read_with_its_names() -> None:
    text = f"Roots 3\n one {COLONS}\n two {B}\n again {A}\n"
    assert roots.listed(upload(), {"text": text}) == {A: ("one", "again"), B: ("two",)}
    assert roots.listed(upload(), {"text": "Roots 0\n"}) == {}
    assert roots.listed(page("r[].sha"), {"text": json.dumps({"r": [{"sha": A}]})}) == {A: ()}
    assert roots.listed(page("r"), {"text": '{"r": []}'}) == {}


@pytest.mark.parametrize(
    ("read", "answer", "sentence"),
    [
        (upload(), None, "it was not asked"),
        (upload(), {"text": None, "error": "the device went silent"}, "went silent"),
        (upload(), {"text": "% Unknown command"}, "not what the profile expects"),
        (upload(), {"text": "Roots\n one abcd"}, "is no SHA-256 fingerprint"),
        (upload(), {"text": "Roots\n" + f" one {A}\n" * 500}, "too many"),
        (upload(), {"text": "Roots\n" + "x" * 1001}, "too long"),
        (upload(), {"text": "Roots\n" + "x\n" * 200_000}, "too long"),
        (page("r"), {"text": "<html>"}, "is not JSON"),
        (page("r"), {"text": "{}"}, "has no list there"),
        (page("r"), {"text": '{"r": [{"name": "x"}]}'}, "has no value"),
        (page("r"), {"text": '{"r": ["abcd"]}'}, "is no SHA-256 fingerprint"),
    ],
)
def test_a_list_that_may_not_be_whole_is_no_list(read: UploadRootCa, answer: Any, sentence: str) -> None:
    with pytest.raises(RootsProblem, match="cannot be read") as problem:
        roots.listed(read, answer)
    assert sentence in str(problem.value)


def test_an_answer_is_judged_by_what_it_says() -> None:
    act = upload().add
    assert roots.judged(act, {"text": "stored\n"}) == ""
    assert "does not say that it worked" in roots.judged(act, {"text": "done"})
    assert roots.judged(act, {"text": "stored\nError 3"}) == "the device says 'Error 3'"
    assert roots.judged(act, {"text": None, "error": "silence"}) == "silence"
    assert roots.judged(act, None) == "it was not sent"
    assert "\x1b" not in roots.judged(act, {"text": "\x1b[2JError"})


def test_a_root_is_removed_by_every_name_that_it_has() -> None:
    sent = roots.removals(upload(), A, ("one", "two", "one"), "given")
    assert [step["send"] for (step,) in sent] == [["no root one"], ["no root two"]]
    assert [step["send"] for (step,) in roots.removals(upload(), A, (), "given")] == [["no root given"]]
    assert len(roots.removals(page("r"), A, ("one", "two"), "")) == 1
    with pytest.raises(RootsProblem, match="nobody says it"):
        roots.removals(upload(), A, (), "")
    with pytest.raises(RootsProblem, match="not plain enough"):
        roots.removals(upload(), A, ("x; reload",), "given")


KEPT = Kept("d", "present", A, "ours", "PEM", (B,))


@pytest.mark.parametrize(
    ("kept", "now", "wanted"),
    [
        (KEPT, {B: ()}, ([], False)),
        (KEPT, {A: (), B: ()}, ([A], False)),
        (KEPT, {A: ("late",), B: ()}, ([A], False)),
        # Another one under our name, or one that came with ours on a device without names.
        (KEPT, {C: ("ours",), B: ()}, ([C], False)),
        (KEPT.with_appeared({C: (), B: ()}), {C: (), B: ()}, ([C], False)),
        (Kept("d", "absent", B, "ours", "PEM", (B, C)), {C: ()}, ([], True)),
    ],
)
def test_what_this_change_did_is_put_back(kept: Kept, now: Any, wanted: Any) -> None:
    assert roots.putting_back(kept, now) == wanted


@pytest.mark.parametrize(
    ("kept", "now", "sentence"),
    [
        (KEPT, {C: ("theirs",), B: ()}, "that this change did not send"),
        (KEPT, {C: (), B: ()}, "that this change did not send"),
        (KEPT.with_appeared({C: ("theirs",), B: ()}), {C: ("theirs",), B: ()}, "that this change did not send"),
        (KEPT, {A: ("ours",)}, "not at hand"),
        (Kept("d", "absent", B, "ours", "", (B,)), {}, "not at hand"),
    ],
)
def test_what_others_did_is_left_alone(kept: Kept, now: Any, sentence: str) -> None:
    with pytest.raises(RootsProblem, match=sentence):
        roots.putting_back(kept, now)


def test_a_change_is_remembered_whole() -> None:
    kept = KEPT.with_appeared({A: (), B: (), C: ("x",)})
    assert kept.appeared == (A,)
    assert roots.read_kept(roots.kept_text(kept), "d") == kept


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", roots.kept_text(KEPT)[:-20], '{"schema_version": 1, "x": 2}'])
def test_a_damaged_memory_is_said(text: str) -> None:
    with pytest.raises(RootsProblem, match="damaged"):
        roots.read_kept(text, "d")


def test_a_memory_of_another_device_is_not_used() -> None:
    for text in (roots.kept_text(KEPT).replace('"d"', '"e"'), roots.kept_text(KEPT).replace(A, "zz")):
        with pytest.raises(RootsProblem, match="not about this device"):
            roots.read_kept(text, "d")


def test_the_journal_keeps_the_whole_list() -> None:
    told = roots.journal_file([B, C], [A, B])
    assert told["diff"].splitlines() == [f"  SHA-256 {B}", f"- SHA-256 {C}", f"+ SHA-256 {A}"]
    assert told["before_sha256"] != told["after_sha256"]
    unknown = roots.journal_file([B], None)
    assert (unknown["after_sha256"], unknown["diff"]) == (None, f"  SHA-256 {B}")
