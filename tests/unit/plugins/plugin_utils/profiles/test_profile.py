# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device profiles: those that come along and those in the pages are right, and each mistake is one clear sentence."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles import profile, profile_book
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import ProfileError, read_profile
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile_book import ProfileBook

ROOT = Path(__file__).resolve().parents[5]
SCHEMA = json.loads(
    (ROOT / "plugins" / "plugin_utils" / "profiles" / "device_profile.schema.json").read_text(encoding="utf-8")
)
JUDGE = jsonschema.Draft202012Validator(SCHEMA)
PAGES = ("docs/en/device_profiles.md", "docs/fr/profils_dm.md")
ACCESS_PAGES = ("docs/en/access_checks.md", "docs/fr/verification_acces.md")


def examples(page: str) -> list[Any]:
    """The whole profiles that a page shows."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)
    return [data for data in map(yaml.safe_load, blocks) if isinstance(data, dict) and "schema_version" in data]


def builtin() -> list[Path]:
    return sorted((ROOT / "plugins" / "plugin_utils" / "profiles" / "book").glob("*.yml"))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", builtin(), ids=lambda path: path.stem)
def test_every_builtin_profile_is_right(path: Path) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [error.message for error in JUDGE.iter_errors(data)] == []
    assert ProfileBook().get(path.stem).name == path.stem
    assert set(data["title"]) == {"fr", "en"}


@pytest.mark.parametrize("page", PAGES)
def test_every_example_in_the_pages_is_right(page: str) -> None:
    found = examples(page)
    assert [data["name"] for data in found] == ["acme_recorder", "acme_pump_gateway"]
    for data in found:
        assert [error.message for error in JUDGE.iter_errors(data)] == []
        read_profile(data)


def test_both_languages_show_the_same_examples() -> None:
    assert examples(PAGES[0]) == examples(PAGES[1])
    assert examples(ACCESS_PAGES[0]) == examples(ACCESS_PAGES[1])


@pytest.mark.parametrize("page", ACCESS_PAGES)
def test_the_pages_on_access_show_a_right_profile_and_name_every_key(page: str) -> None:
    (data,) = examples(page)
    assert [error.message for error in JUDGE.iter_errors(data)] == []
    assert len(read_profile(data).access.credentials) == 2
    text = (ROOT / page).read_text(encoding="utf-8")
    known = SCHEMA["$defs"]["form"]["properties"].keys() | SCHEMA["$defs"]["access_http"]["properties"].keys()
    for word in (*known, *SCHEMA["properties"]["access"]["properties"]["telnet"]["properties"]):
        assert f"`{word}`" in text or f"{word}:" in text, f"{page}: {word}"


def test_the_pages_name_every_builtin_profile_fact_and_key() -> None:
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for word in (
            *(path.stem for path in builtin()),
            *profile.FACTS,
            *(field for fields in profile.ENTRIES.values() for field in fields),
            *(form for forms in profile.KINDS.values() for form in forms[:2] if form != "text"),
            *profile._FACT_KEYS,
            *profile._SSH_KEYS - {"port"},
            *profile.AUTHENTICATIONS,
            *profile.ACTIONS,
        ):
            assert f"`{word}`" in text or f"{word}:" in text, f"{page}: {word}"


# -- mistakes

CLI: dict[str, Any] = {
    "schema_version": 1,
    "name": "cli",
    "transport": "ssh",
    "ssh": {
        "prompt": "> ?$",
        "pager": {"pattern": "More", "answer": " "},
        "enable": {"command": "en", "prompt": "# $"},
    },
    "commands": {"a": "show a", "b": {"command": "show b", "expect": "^B"}},
    "facts": {
        "clock": {"output": "a", "regex": "(?P<value>.*)"},
        "ntp.running": {"output": "b", "regex": "on", "format": "present"},
        "ntp.servers": {"output": "b", "regex": "(?P<address>.+)", "each": True, "absent": []},
        "ntp.synchronised": {"output": "b", "regex": "(?P<value>.+)", "map": {"yes": True}, "absent": False},
    },
}
PAGE: dict[str, Any] = {
    "schema_version": 1,
    "name": "page",
    "transport": "https",
    "http": {"port": 8443, "authentication": "basic", "headers": {"X-A": "b"}},
    "requests": {"a": "/a", "b": {"path": "/b", "expect": "x"}},
    "facts": {"clock": {"output": "a", "jmespath": "time"}},
}


def test_the_samples_are_right_before_they_are_spoilt() -> None:
    for data in (CLI, PAGE):
        read_profile(data)
        assert list(JUDGE.iter_errors(data)) == []


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set a value by its path, keys separated by `/`."""

    def edit(data: dict[str, Any]) -> None:
        *way, last = path.split("/")
        for key in way:
            data = data[key]
        data[last] = value

    return edit


def drop(path: str) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        *way, last = path.split("/")
        for key in way:
            data = data[key]
        del data[last]

    return edit


FORM: dict[str, Any] = {
    "path": "/enter",
    "user": "user",
    "password": "pin",
    "accepted": {"status": [302], "regex": "^Location: /home"},
    "refused": {"regex": "wrong password"},
}


def form_of(edit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """An `access` with a form that is spoilt."""
    form = copy.deepcopy(FORM)
    edit(form)
    return {"https": {"login": "form", "form": form}}


# (sample, what is spoilt, the sentence, whether the JSON Schema sees it too)
WRONG = [
    (CLI, put("schema_version", 2), "schema_version: 2 is not known; this collection reads 1", True),
    (CLI, drop("name"), "name: missing", True),
    (CLI, put("transport", "telnet"), "transport: 'telnet' is not known; use one of ssh, openssh, http, https", True),
    (CLI, put("comands", {}), "comands: unknown key; did you mean commands?", True),
    (CLI, put("requests", {"a": "/"}), "requests: with transport ssh, commands are needed instead", True),
    (PAGE, put("commands", {"a": "x"}), "commands: with transport https, requests are needed instead", True),
    (PAGE, put("ssh", {"prompt": "x"}), "ssh: transport https has no use for it", True),
    (CLI, put("http", {}), "http: transport ssh has no use for it", True),
    (CLI, put("commands", {}), "commands: at least one is needed with transport ssh", True),
    (CLI, put("commands/a", "show a\nreload"), "commands.a: one line with a command is needed", True),
    (CLI, put("commands/b/command", 7), "commands.b.command: one line with a command is needed", True),
    (CLI, put("commands/b/expect", "("), "commands.b.expect: missing ), unterminated subpattern at position 0", False),
    (CLI, drop("ssh/prompt"), "ssh.prompt: missing", True),
    (CLI, put("ssh/prompt", "["), "ssh.prompt: unterminated character set at position 0", False),
    (CLI, put("ssh/prompt", "x" * 501), "ssh.prompt: a regular expression of at most 500 characters is needed", True),
    (CLI, put("ssh/port", 0), "ssh.port: a TCP port from 1 to 65535 is needed", True),
    (CLI, put("ssh/pager/answer", ""), "ssh.pager.answer: a text of 1 to 16 characters is needed", True),
    (CLI, drop("ssh/pager/pattern"), "ssh.pager.pattern: missing", True),
    (CLI, drop("ssh/enable/prompt"), "ssh.enable.prompt: missing", True),
    (CLI, put("ssh/line_end", "x"), "ssh.line_end: 'x' is not known; use one of '\\r', '\\n', '\\r\\n'", True),
    (
        CLI,
        put("ssh/legacy_algorithms", True),
        "ssh.legacy_algorithms: only transport openssh knows old algorithms",
        True,
    ),
    (CLI, put("ssh/legacy_algorithms", "yes"), "ssh.legacy_algorithms: true or false is needed", True),
    (PAGE, put("requests/a", "status"), "requests.a: a path that begins with / is needed", True),
    (PAGE, put("requests/a", "/a b"), "requests.a: a path that begins with / is needed", True),
    (PAGE, put("requests/b/methd", "GET"), "requests.b.methd: unknown key; known: expect, path", True),
    (
        PAGE,
        put("http/authentication", "ntlm"),
        "http.authentication: 'ntlm' is not known; use one of none, basic",
        True,
    ),
    (PAGE, put("http/headers", {"X": "a\r\nb"}), "http.headers: names and values of plain ASCII are needed", True),
    (PAGE, put("http/headers", {"authorization": "x"}), "http.headers: a login belongs into device_login", True),
    (CLI, put("facts", {}), "facts: a mapping of at least one fact is needed", True),
    (CLI, put("facts/clok", {}), "facts.clok: unknown fact; did you mean clock?", True),
    (CLI, put("facts/clock", []), "facts.clock: at least one way to read it is needed", True),
    (CLI, put("facts/clock/output", "c"), "facts.clock.output: nothing is asked under the name 'c'", False),
    (CLI, put("facts/clock", [{"output": "a"}]), "facts.clock[0]: one of regex and jmespath is needed", True),
    (CLI, put("facts/clock/jmespath", "x"), "facts.clock: one of regex and jmespath is needed", True),
    (CLI, put("facts/clock/regex", "17"), "facts.clock.regex: the named group (?P<value>…) is needed", False),
    (
        CLI,
        put("facts/clock/regex", "(?P<time>.)"),
        "facts.clock.regex: the group time is not known; use value, year",
        False,
    ),
    (
        CLI,
        put("facts/clock/format", "utc_offset"),
        "facts.clock.format: 'utc_offset' is not known; use one of iso, epoch",
        True,
    ),
    (CLI, put("facts/clock/each", True), "facts.clock.each: this fact is one value", True),
    (CLI, put("facts/clock/map", {}), "facts.clock.map: a date and time has no use for it", True),
    (CLI, drop("facts/ntp.servers/each"), "facts.ntp.servers.each: true is needed: this fact is a list", True),
    (CLI, put("facts/ntp.servers/absent", None), "facts.ntp.servers.absent: [] is needed, not None", True),
    (
        CLI,
        put("facts/ntp.synchronised/map", {"yes": "1"}),
        "facts.ntp.synchronised.map.yes: true or false is needed",
        True,
    ),
    (
        CLI,
        put("facts/ntp.synchronised/map", ["x"]),
        "facts.ntp.synchronised.map: a mapping of the device's words",
        True,
    ),
    (
        CLI,
        put("facts/ntp.synchronised/utc", True),
        "facts.ntp.synchronised.utc: only a date and time has a use for it",
        True,
    ),
    (
        CLI,
        put("facts/ntp.running/output", "a"),
        "facts.ntp.running: with absent or format present, a needs expect",
        False,
    ),
    (
        CLI,
        put("facts/ntp.servers/output", "a"),
        "facts.ntp.servers: with absent or format present, a needs expect",
        False,
    ),
    (CLI, put("facts/clock/lines", 11), "facts.clock.lines: a number from 1 to 10 is needed", True),
    (PAGE, put("facts/clock/jmespath", "a[?"), "facts.clock.jmespath: ", False),
    (PAGE, put("facts/clock/jmespath", "no_such(a)"), "facts.clock.jmespath: Unknown function: no_such()", False),
    (CLI, put("factory_credentials", {}), None, True),
    (CLI, put("factory_credentials", [{"account": "a"}]), "factory_credentials[0].password: missing", True),
    (CLI, put("factory_credentials", {"a": 1}), "factory_credentials: a list is needed", True),
    (
        CLI,
        put("factory_credentials", [{"account": "a", "password": 1234}]),
        "factory_credentials[0].password: a text in quotes is needed",
        True,
    ),
    (
        CLI,
        put("factory_credentials", [{"account": "a", "password": "x\r\ny"}]),
        "factory_credentials[0].password: a text in quotes is needed",
        False,
    ),
    (
        CLI,
        put("factory_credentials", [{"account": "", "password": "x"}]),
        "factory_credentials[0].account: a name is needed",
        True,
    ),
    (
        CLI,
        put("factory_credentials", [{"account": "a", "password": "x", "services": []}]),
        "factory_credentials[0].services: a list is needed",
        True,
    ),
    (
        CLI,
        put("factory_credentials", [{"account": "a", "password": "x", "services": ["rsh"]}]),
        "factory_credentials[0].services: 'rsh' is not known; use one of ssh, http, https, telnet, ftp",
        True,
    ),
    (CLI, put("access", {"rsh": {}}), "access.rsh: unknown key; did you mean ssh?", True),
    (CLI, put("access", {"ftp": {"path": "/"}}), "access.ftp.path: unknown key", True),
    (CLI, put("access", {"ssh": {"port": 0}}), "access.ssh.port: a TCP port from 1 to 65535 is needed", True),
    (CLI, put("access", {"telnet": {"login": "("}}), "access.telnet.login: missing ), unterminated subpattern", False),
    (CLI, put("access", {"https": {"path": "admin"}}), "access.https.path: a path that begins with / is needed", True),
    (CLI, put("access", {"https": {"login": "ntlm"}}), "access.https.login: 'ntlm' is not known", True),
    (CLI, put("access", {"https": {"login": "form"}}), "access.https.form: it is needed with login form", True),
    (CLI, put("access", {"https": {"form": FORM}}), "access.https.form: it is needed with login form", True),
    (CLI, put("access", form_of(drop("accepted"))), "access.https.form.accepted: missing", True),
    (CLI, put("access", form_of(put("refused", {}))), "access.https.form.refused: status, regex or both", True),
    (CLI, put("access", form_of(put("refused", {"status": 200}))), "form.refused.status: a list of HTTP status", True),
    (CLI, put("access", form_of(put("refused", {"status": [999]}))), "form.refused.status: a list of HTTP", True),
    (CLI, put("access", form_of(put("refused", FORM["accepted"]))), "accepted: it says the same as refused", False),
    (CLI, put("access", form_of(put("user", "a b"))), "access.https.form.user: the name of a field is needed", True),
    (CLI, put("access", form_of(put("fields", {"a": 1}))), "access.https.form.fields: names and texts", True),
    (
        CLI,
        put("access", form_of(put("token", {"field": "t", "regex": "t=(.*)"}))),
        "access.https.form.token.regex: the named group (?P<value>…) is needed",
        False,
    ),
    (CLI, put("admin", {"service": "ssh"}), "admin: a list is needed", True),
    (CLI, put("admin", [{"service": "ftp"}]), "admin[0].service: 'ftp' is not known; use one of ssh, http", True),
    (CLI, put("admin", [{"service": "ssh", "path": "/"}]), "admin[0]: a shell has service and port alone", True),
    (CLI, put("admin", [{"service": "https", "path": "/"}]), "admin[0].accepted: missing", True),
    (
        CLI,
        put("admin", [{"service": "https", "path": "/", "accepted": {"status": [200]}}]),
        "admin[0].accepted.status: unknown key",
        True,
    ),
    (
        CLI,
        put("admin", [{"service": "https", "path": "/", "login": "form", "accepted": {"regex": "x"}}]),
        "admin[0].login: form needs access.https.form",
        False,
    ),
    (
        CLI,
        put("actions", {"reboot": {}}),
        "actions.reboot: unknown key; known: make_csr, set_ntp, upload_root_ca",
        True,
    ),
    (CLI, put("actions", {"set_ntp": 1}), "actions.set_ntp: a mapping is needed", True),
]


@pytest.mark.parametrize(("sample", "edit", "sentence", "seen"), WRONG, ids=[str(row[2])[:60] for row in WRONG])
def test_each_mistake_is_one_clear_sentence(
    sample: dict[str, Any], edit: Callable[[dict[str, Any]], None], sentence: str | None, seen: bool
) -> None:
    data = copy.deepcopy(sample)
    edit(data)
    if sentence is not None:
        with pytest.raises(ProfileError) as mistake:
            read_profile(data)
        assert sentence in str(mistake.value)
        assert "\n" not in str(mistake.value)
    assert bool(list(JUDGE.iter_errors(data))) is seen


@pytest.mark.parametrize("data", [None, [], "x", 7, {}])
def test_what_is_no_profile_at_all(data: Any) -> None:
    with pytest.raises(ProfileError):
        read_profile(data)


def test_reserved_actions_are_allowed_and_factory_credentials_are_kept() -> None:
    profile = read_profile(
        {**CLI, "actions": {"set_ntp": {"x": 1}}, "factory_credentials": [{"account": "admin", "password": "12-ab"}]}
    )
    assert profile.upload_root_ca is None
    assert profile.access.credentials == ({"account": "admin", "password": "12-ab", "services": ("ssh",)},)
    assert "12-ab" not in json.dumps(profile.as_task())


def test_what_an_access_check_reads_is_taken_as_it_stands() -> None:
    data = {
        **CLI,
        "factory_credentials": [{"account": "a", "password": "", "services": ["telnet", "telnet", "https"]}],
        "access": {"telnet": {"port": 2323, "locked_out": "LOCKED"}, **form_of(lambda _form: None)},
        "admin": [
            {"service": "ssh"},
            {"service": "https", "path": "/admin", "accepted": {"regex": "Network"}, "refused": {"status": [302]}},
        ],
    }
    assert list(JUDGE.iter_errors(data)) == []
    rules = read_profile(data).access
    assert rules.credentials == ({"account": "a", "password": "", "services": ("telnet", "https")},)
    assert rules.services["https"]["form"]["user"] == "user"
    assert [place["service"] for place in rules.admin] == ["ssh", "https"]


def test_a_mistake_never_shows_a_factory_password(tmp_path: Path) -> None:
    for text in (
        "factory_credentials: [{account: admin, hunter2-a: x}]",
        "factory_credentials: [{account: admin, password: [hunter2-b]}]",
        "factory_credentials: [{hunter2-c: admin, password: y}]",
        "factory_credentials: hunter2-d",
        "factory_credentials: [{account: admin, password: 'hunter2-e]",
    ):
        (tmp_path / "mine.yml").write_text(yaml.safe_dump(CLI) + text, encoding="utf-8")
        with pytest.raises(ProfileError) as mistake:
            profile_book._load.__wrapped__(str(tmp_path / "mine.yml"))
        assert "hunter2" not in str(mistake.value)


def test_no_profile_that_comes_along_guesses_at_factory_passwords() -> None:
    """What a manufacturer ships stands in its manual; the user's own profile says it."""
    for path in builtin():
        assert ProfileBook().get(path.stem).access.credentials == ()


def test_unquoted_yaml_words_mean_what_they_look_like() -> None:
    data = copy.deepcopy(CLI)
    data["facts"]["ntp.synchronised"]["map"] = yaml.safe_load("{on: true, off: false}")
    (reading,) = read_profile(data).facts["ntp.synchronised"]
    assert reading.translation["on"] is True
    assert reading.translation["off"] is False


# -- folders


def test_the_users_own_profile_wins(tmp_path: Path) -> None:
    own = {**CLI, "name": "generic_cli"}
    (tmp_path / "generic_cli.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
    assert set(ProfileBook([str(tmp_path)]).get("generic_cli").questions) == {"a", "b"}
    assert set(ProfileBook().get("generic_cli").questions) == {"clock", "ntp", "version", "users"}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("generic_clu", "there is no device profile 'generic_clu'; did you mean generic_cli?"),
        ("zzz", "there is no device profile 'zzz'; known: busybox_linux, generic_cli, generic_json"),
        ("../x", "'../x' is no name of a profile"),
    ],
)
def test_a_profile_that_is_not_there(name: str, sentence: str) -> None:
    with pytest.raises(ProfileError, match=re.escape(sentence)):
        ProfileBook().get(name)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "cannot be read as YAML"),
        ("\x00", "cannot be read as YAML"),
        (yaml.safe_dump(CLI), "name: 'cli' is not the name of the file"),
        ("{}", "missing"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError) as mistake:
        ProfileBook([str(tmp_path)]).get("mine")
    assert str(path) in str(mistake.value)
    assert sentence in str(mistake.value)
    assert "\n" not in str(mistake.value)
