# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device profiles: how to ask a device without Python, and how to read its answers. Data, checked as it is read.

The same rules as a JSON Schema, for editors: device_profile.schema.json.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.access import AccessRules, read_access
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.actions import UploadRootCa, read_upload
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.rules import (
    ProfileError,
    check_mapping,
    check_path,
    check_port,
    check_regex,
    hint,
    one_of,
)

try:
    import jmespath
except ImportError:
    #: For the action, which names the missing library before anything else is done.
    JMESPATH_ERROR: str | None = traceback.format_exc()
else:
    JMESPATH_ERROR = None

SCHEMA_VERSION = 1
TRANSPORTS = ("ssh", "openssh", "http", "https")
AUTHENTICATIONS = ("none", "basic", "digest", "bearer")
#: What changes a device. Nothing runs the last two yet.
ACTIONS = ("upload_root_ca", "set_ntp", "make_csr")

#: What one fact is, and the formats that it may come in; the first is meant where none is given.
KINDS: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "moment": ("iso", "epoch"),
    "utc_offset": ("utc_offset", "seconds"),
    "duration": ("seconds", "milliseconds"),
    "flag": ("boolean", "present"),
    "list": ("text",),
}
#: What a profile may fill in, and of which kind it is.
FACTS: dict[str, str] = {
    "clock": "moment",
    "time_zone.name": "text",
    "time_zone.utc_offset_seconds": "utc_offset",
    "ntp.client": "text",
    "ntp.running": "flag",
    "ntp.synchronised": "flag",
    "ntp.last_sync_at": "moment",
    "ntp.offset_seconds": "duration",
    "ntp.servers": "list",
    "accounts": "list",
    "listening": "list",
    "trust_stores.fingerprints_sha256": "list",
    "config_backup.made_at": "moment",
    "system.name": "text",
    "system.firmware": "text",
}
#: The fields of one entry of a list; the first is needed.
ENTRIES: dict[str, tuple[str, ...]] = {
    "ntp.servers": ("address", "reachable", "selected", "stratum"),
    "accounts": ("name", "uid", "shell", "role", "can_login", "administrator", "last_login_at", "expires_on"),
    "listening": ("port", "protocol", "address", "program"),
    "trust_stores.fingerprints_sha256": ("value", "name", "ends_on"),
}
#: The named groups that a single value is made of.
VALUE_GROUPS = ("value",)
MOMENT_GROUPS = ("value", "year", "month", "day", "hour", "minute", "second", "zone")

_MAX_LINES = 10

_KEYS = {
    *("schema_version", "name", "title", "transport", "ssh", "http", "commands", "requests", "facts"),
    *("factory_credentials", "access", "admin", "actions"),
}
_SSH_KEYS = {"port", "prompt", "pager", "enable", "line_end", "legacy_algorithms"}
_HTTP_KEYS = {"port", "authentication", "headers"}
_FACT_KEYS = {"output", "regex", "jmespath", "format", "each", "map", "absent", "lines", "utc"}


@dataclass(frozen=True)
class WayToRead:
    """One way to read a fact from one output."""

    fact: str
    output: str
    regex: re.Pattern[str] | None
    expression: Any | None
    form: str
    translation: Mapping[str, Any]
    #: What stands for a fact that a right answer does not mention; `has_absent` because that may be anything.
    absent: Any
    has_absent: bool
    #: Consecutive lines that the regular expression sees at once.
    lines: int
    #: The device shows UTC and does not say so.
    utc: bool


@dataclass(frozen=True)
class Profile:
    """One kind of device."""

    name: str
    transport: str
    ssh: Mapping[str, Any]
    http: Mapping[str, Any]
    #: Output name -> command, or path of a request.
    questions: Mapping[str, str]
    #: Output name -> what a right answer looks like.
    expected: Mapping[str, re.Pattern[str]]
    #: Fact -> the ways to read it, in the order in which they are tried.
    facts: Mapping[str, tuple[WayToRead, ...]]
    access: AccessRules = field(default_factory=AccessRules)
    upload_root_ca: UploadRootCa | None = None

    def as_task(self) -> dict[str, Any]:
        """What the vantage needs to ask; how to read stays here."""
        return {
            "transport": self.transport,
            "ssh": dict(self.ssh),
            "http": dict(self.http),
            "questions": dict(self.questions),
        }


def read_profile(data: Any) -> Profile:
    """Check a profile's data; ProfileError names the key."""
    check_mapping("profile", data, _KEYS, {"schema_version", "name", "transport", "facts"})
    if data["schema_version"] != SCHEMA_VERSION:
        raise ProfileError(
            f"schema_version: {data['schema_version']!r} is not known; this collection reads {SCHEMA_VERSION}"
        )
    transport = one_of("transport", data["transport"], TRANSPORTS)
    shell = transport in ("ssh", "openssh")
    asked, other = ("commands", "requests") if shell else ("requests", "commands")
    if other in data:
        raise ProfileError(f"{other}: with transport {transport}, {asked} are needed instead")
    if not isinstance(data.get(asked), Mapping) or not data[asked]:
        raise ProfileError(f"{asked}: at least one is needed with transport {transport}")
    ssh, http = data.get("ssh") or {}, data.get("http") or {}
    if shell:
        _check_ssh(ssh, transport)
    elif "ssh" in data:
        raise ProfileError(f"ssh: transport {transport} has no use for it")
    if shell and "http" in data:
        raise ProfileError(f"http: transport {transport} has no use for it")
    _check_http(http)
    questions: dict[str, str] = {}
    expected: dict[str, re.Pattern[str]] = {}
    for name, question in data[asked].items():
        questions[str(name)], expectation = _question(f"{asked}.{name}", question, shell)
        if expectation is not None:
            expected[str(name)] = expectation
    if not isinstance(data["facts"], Mapping) or not data["facts"]:
        raise ProfileError("facts: a mapping of at least one fact is needed")
    facts = {name: _readings(name, entry, questions, expected) for name, entry in data["facts"].items()}
    return Profile(
        name=str(data["name"]),
        transport=transport,
        ssh=ssh,
        http=http,
        questions=questions,
        expected=expected,
        facts=facts,
        access=read_access(data, transport),
        upload_root_ca=_actions(data.get("actions") or {}, shell),
    )


def _check_ssh(ssh: Any, transport: str) -> None:
    check_mapping("ssh", ssh, _SSH_KEYS, {"prompt"})
    check_port("ssh.port", ssh)
    check_regex("ssh.prompt", ssh["prompt"])
    if "pager" in ssh:
        check_mapping("ssh.pager", ssh["pager"], {"pattern", "answer"}, {"pattern", "answer"})
        check_regex("ssh.pager.pattern", ssh["pager"]["pattern"])
        _short_text("ssh.pager.answer", ssh["pager"]["answer"])
    if "enable" in ssh:
        known = {"command", "password_prompt", "prompt"}
        check_mapping("ssh.enable", ssh["enable"], known, {"command", "prompt"})
        _line("ssh.enable.command", ssh["enable"]["command"])
        for key in ("password_prompt", "prompt"):
            if key in ssh["enable"]:
                check_regex(f"ssh.enable.{key}", ssh["enable"][key])
    one_of("ssh.line_end", ssh.get("line_end", "\r"), ("\r", "\n", "\r\n"))
    if not isinstance(ssh.get("legacy_algorithms", False), bool):
        raise ProfileError("ssh.legacy_algorithms: true or false is needed")
    if ssh.get("legacy_algorithms") and transport != "openssh":
        raise ProfileError("ssh.legacy_algorithms: only transport openssh knows old algorithms")


def _check_http(http: Any) -> None:
    check_mapping("http", http, _HTTP_KEYS, set())
    check_port("http.port", http)
    one_of("http.authentication", http.get("authentication", "none"), AUTHENTICATIONS)
    headers = http.get("headers") or {}
    if not isinstance(headers, Mapping) or not all(
        re.fullmatch(r"[A-Za-z0-9-]+", str(name)) and re.fullmatch(r"[ -~]*", str(value))
        for name, value in headers.items()
    ):
        raise ProfileError("http.headers: names and values of plain ASCII are needed")
    if "authorization" in {str(name).lower() for name in headers}:
        raise ProfileError("http.headers: a login belongs into device_login, not into a profile")


def _question(where: str, question: Any, shell: bool) -> tuple[str, re.Pattern[str] | None]:
    """(the command or path, what a right answer looks like)."""
    key = "command" if shell else "path"
    if isinstance(question, Mapping):
        check_mapping(where, question, {key, "expect"}, {key})
        expect = check_regex(f"{where}.expect", question["expect"]) if "expect" in question else None
        where, question = f"{where}.{key}", question[key]
    else:
        expect = None
    if shell:
        return _line(where, question), expect
    return check_path(where, question), expect


def _readings(
    name: Any, entry: Any, questions: Mapping[str, str], expected: Mapping[str, re.Pattern[str]]
) -> tuple[WayToRead, ...]:
    if name not in FACTS:
        raise ProfileError(f"facts.{name}: unknown fact; {hint(str(name), FACTS)}")
    if not isinstance(entry, list):
        return (_reading(f"facts.{name}", name, entry, questions, expected),)
    if not entry:
        raise ProfileError(f"facts.{name}: at least one way to read it is needed")
    return tuple(
        _reading(f"facts.{name}[{position}]", name, way, questions, expected) for position, way in enumerate(entry)
    )


def _reading(
    where: str, name: str, entry: Any, questions: Mapping[str, str], expected: Mapping[str, re.Pattern[str]]
) -> WayToRead:
    check_mapping(where, entry, _FACT_KEYS, {"output"})
    kind = FACTS[name]
    if entry["output"] not in questions:
        raise ProfileError(f"{where}.output: nothing is asked under the name {entry['output']!r}")
    if ("regex" in entry) == ("jmespath" in entry):
        raise ProfileError(f"{where}: one of regex and jmespath is needed")
    for key in ("each", "utc"):
        if not isinstance(entry.get(key, False), bool):
            raise ProfileError(f"{where}.{key}: true or false is needed")
    if entry.get("each", False) != (kind == "list"):
        raise ProfileError(
            f"{where}.each: " + ("true is needed: this fact is a list" if kind == "list" else "this fact is one value")
        )
    if "utc" in entry and kind != "moment":
        raise ProfileError(f"{where}.utc: only a date and time has a use for it")
    for key in ("map", "absent"):
        if key in entry and kind == "moment":
            raise ProfileError(f"{where}.{key}: a date and time has no use for it")
    form = one_of(f"{where}.format", entry.get("format", KINDS[kind][0]), KINDS[kind])
    lines = entry.get("lines", 1)
    if isinstance(lines, bool) or not isinstance(lines, int) or not 1 <= lines <= _MAX_LINES:
        raise ProfileError(f"{where}.lines: a number from 1 to {_MAX_LINES} is needed")
    if "regex" in entry and ("absent" in entry or form == "present") and entry["output"] not in expected:
        # Else a command that failed would read as a clean answer.
        raise ProfileError(
            f"{where}: with absent or format present, {entry['output']} needs expect, what a right answer looks like"
        )
    return WayToRead(
        fact=name,
        output=str(entry["output"]),
        regex=_fact_regex(where, name, kind, form, entry["regex"]) if "regex" in entry else None,
        expression=_expression(f"{where}.jmespath", entry["jmespath"]) if "jmespath" in entry else None,
        form=form,
        translation=_translation(f"{where}.map", kind, entry.get("map") or {}),
        absent=_value(f"{where}.absent", kind, entry["absent"]) if "absent" in entry else None,
        has_absent="absent" in entry,
        lines=lines,
        utc=entry.get("utc", False),
    )


def _fact_regex(where: str, name: str, kind: str, form: str, text: Any) -> re.Pattern[str]:
    regex = check_regex(f"{where}.regex", text)
    groups = set(regex.groupindex)
    allowed = ENTRIES.get(name, MOMENT_GROUPS if kind == "moment" else VALUE_GROUPS)
    if groups - set(allowed):
        raise ProfileError(
            f"{where}.regex: the group {sorted(groups - set(allowed))[0]} is not known; use {', '.join(allowed)}"
        )
    if form == "present":
        return regex
    dated = kind == "moment" and {"year", "month", "day", "hour", "minute"} <= groups
    if allowed[0] not in groups and not dated:
        raise ProfileError(f"{where}.regex: the named group (?P<{allowed[0]}>…) is needed")
    return regex


def _expression(where: str, text: Any) -> Any:
    try:
        expression = jmespath.compile(str(text))
        expression.search({})
    except jmespath.exceptions.UnknownFunctionError as error:
        raise ProfileError(f"{where}: {error}") from None
    except jmespath.exceptions.ParseError as error:
        raise ProfileError(f"{where}: {' '.join(str(error).split())}") from None
    except jmespath.exceptions.JMESPathError:
        pass  # it does not fit an empty answer, and it needn't
    return expression


def _translation(where: str, kind: str, table: Any) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        raise ProfileError(f"{where}: a mapping of the device's words is needed")
    read: dict[str, Any] = {}
    for word, value in table.items():
        # YAML 1.1 reads an unquoted on, yes or true as true.
        words = (
            {True: ("true", "on", "yes"), False: ("false", "off", "no")}[word] if isinstance(word, bool) else (word,)
        )
        for form in words:
            read[str(form).lower()] = _value(f"{where}.{form}", kind, value)
    return read


def _value(where: str, kind: str, value: Any) -> Any:
    """A value that the profile itself gives to a fact."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {
        "text": isinstance(value, str),
        "flag": isinstance(value, bool),
        "list": value == [],
        "utc_offset": number and isinstance(value, int),
        "duration": number,
        "moment": False,
    }
    if not fits[kind]:
        wanted = {"list": "[]", "flag": "true or false", "moment": "no value of the profile's own"}.get(
            kind, f"a {kind}"
        )
        raise ProfileError(f"{where}: {wanted} is needed, not {value!r}")
    return value


def _actions(actions: Any, shell: bool) -> UploadRootCa | None:
    check_mapping("actions", actions, set(ACTIONS), set())
    for name, action in actions.items():
        if not isinstance(action, Mapping):
            raise ProfileError(f"actions.{name}: a mapping is needed")
    return read_upload(actions["upload_root_ca"], shell, _reading) if "upload_root_ca" in actions else None


def _line(where: str, text: Any) -> str:
    if not isinstance(text, str) or not text.strip() or not text.isprintable():
        raise ProfileError(f"{where}: one line with a command is needed")
    return text


def _short_text(where: str, text: Any) -> None:
    if not isinstance(text, str) or not text or len(text) > 16:
        raise ProfileError(f"{where}: a text of 1 to 16 characters is needed")
