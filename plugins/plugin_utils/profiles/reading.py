# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a device without Python answered to its observation, by the expressions of its profile. Pure.

What cannot be read is not guessed: the subset says which answer was not what the profile expects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import login_observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.forms import (
    Unread,
    converted,
    day_of,
    excerpt,
    flag_of,
    instant_of,
    one_line,
    whole_of,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import (
    ENTRIES,
    FACTS,
    Profile,
    WayToRead,
)

#: What is read of one text, of one of its lines, and of one list.
_MAX_TEXT = 262_144
_MAX_LINE = 1000
_MAX_ENTRIES = 500

SUBSETS = (
    *("clock", "time_zone", "ntp", "accounts", "listening", "tls_failures", "trust_stores", "certificate_files"),
    *("config_backup", "system"),
)
_CLIENTS = ("chrony", "systemd-timesyncd", "ntpd", "ntpsec", "busybox", "openntpd", "ntpd-rs", "none", "other")


def read_answers(
    profile: Profile, device: str, vantage: str, raw: Mapping[str, Any], clock_offset: float, clock_uncertainty: float
) -> dict[str, Any]:
    """The observation of an appliance.

    raw: {"outcome", "reason", "detail", "started_at", "finished_at", "answers": {output: {"text", "asked", "answered"}
    or {"text": None, "error", "status"}}}; `asked` and `answered` in epoch seconds of the vantage, whose clock is
    `clock_offset` ahead of ours, or None for what was recorded earlier and can't be compared any more.
    """
    times = (raw["started_at"], raw["finished_at"])
    detail = one_line(raw["detail"]) if raw.get("detail") else None
    observation = login_observation(device, "appliance", vantage, times, raw["outcome"], raw.get("reason"), detail)
    observation["profile"] = profile.name
    if raw["outcome"] == "observed" or raw["answers"]:
        _read_facts(observation, profile, raw["answers"], clock_offset, clock_uncertainty)
    return observation


def _read_facts(
    observation: dict[str, Any],
    profile: Profile,
    answers: Mapping[str, Any],
    clock_offset: float,
    clock_uncertainty: float,
) -> None:
    documents: dict[str, Any] = {}
    read: set[str] = set()
    problems: dict[str, list[tuple[str, str]]] = {}
    for name, readings in profile.facts.items():
        subset = name.split(".")[0]
        try:
            value, reading = _first(readings, profile, answers, documents)
        except Unread as problem:
            problems.setdefault(subset, []).append((problem.status, f"{name}: {problem}"))
            continue
        read.add(subset)
        if name == "clock":
            sample = _sample(value, answers[reading.output], clock_offset, clock_uncertainty)
            observation["clock"] = {"samples": [sample] if sample else []}
        else:
            _store(observation, name, value)
    observation["subsets"] = {name: _state(name in read, problems.get(name)) for name in SUBSETS}


def _state(read: bool, problems: list[tuple[str, str]] | None) -> dict[str, str]:
    """One fact makes a subset `ok`; what else was to be read of it and was not stays in the detail."""
    detail = "; ".join(text for _status, text in problems or [])
    if read:
        return {"status": "ok", "detail": detail}
    if problems:
        return {"status": problems[0][0], "detail": detail}
    return {"status": "not_supported", "detail": "the device's profile does not ask"}


def _first(
    readings: tuple[WayToRead, ...], profile: Profile, answers: Mapping[str, Any], documents: dict[str, Any]
) -> tuple[Any, WayToRead]:
    """What the first way that works reads; else the problem of the first one."""
    problem: Unread | None = None
    for reading in readings:
        try:
            return _read(reading, profile, answers.get(reading.output), documents), reading
        except Unread as error:
            problem = problem or error
    raise problem or Unread("nothing to read it from")


def _read(reading: WayToRead, profile: Profile, answer: Mapping[str, Any] | None, documents: dict[str, Any]) -> Any:
    output = reading.output
    if answer is None or answer.get("text") is None:
        known = answer or {}
        why = one_line(known.get("error") or "it was not asked")
        raise Unread(f"no answer to {output}: {why}", known.get("status") or "failed")
    text = str(answer["text"])
    expected = profile.expected.get(output)
    if expected is not None and not any(expected.search(line) for line in _lines(text)):
        raise Unread(f"the answer to {output} is not what the profile expects: {excerpt(text)}")
    found = _by_regex(reading, text) if reading.regex is not None else _by_expression(reading, text, documents)
    if FACTS[reading.fact] == "list":
        if found or (reading.has_absent and found == []):
            return [_ENTRY_READERS[reading.fact](entry) for entry in found]
        raise Unread(f"the answer to {output} has no entry that the profile knows: {excerpt(text)}")
    if reading.form == "present":
        return found is not None and found is not False
    if found is None:
        if reading.has_absent:
            return reading.absent
        raise Unread(f"the answer to {output} does not have it: {excerpt(text)}")
    return converted(reading, found)


def read_whole_list(
    reading: WayToRead, expected: re.Pattern[str] | None, answer: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """The entries of trust_stores.fingerprints_sha256, `value` in plain digits; Unread where one may be missing."""
    if answer is None or answer.get("text") is None:
        raise Unread(f"no answer: {one_line((answer or {}).get('error') or 'it was not asked')}")
    text = str(answer["text"])
    if reading.regex is not None and (
        len(text) > _MAX_TEXT or any(len(line) > _MAX_LINE for line in text.splitlines())
    ):
        raise Unread("the answer is too long to be read to its end")
    if expected is not None and not any(expected.search(line) for line in _lines(text)):
        raise Unread(f"the answer is not what the profile expects: {excerpt(text)}")
    found = _by_regex(reading, text) if reading.regex is not None else _by_expression(reading, text, {})
    if len(found) >= _MAX_ENTRIES:
        raise Unread(f"{_MAX_ENTRIES} roots or more are too many to be read to the last")
    return [{**entry, "value": _fingerprint(entry)} for entry in found]


def what_came(text: str, success: re.Pattern[str] | None, error: re.Pattern[str] | None) -> str:
    """What is wrong with the answer to something that was sent, as the end of a sentence; "" where nothing is."""
    lines = _lines(text)
    if error is not None:
        for line in lines:
            if error.search(line):
                return f"the device says {excerpt(line)}"
    if success is not None and not any(success.search(line) for line in lines):
        return f"the device does not say that it worked: {excerpt(text)}"
    return ""


def _lines(text: str) -> list[str]:
    return [line[:_MAX_LINE] for line in text[:_MAX_TEXT].splitlines()]


def _matches(reading: WayToRead, text: str) -> Iterator[re.Match[str]]:
    """Matches line by line: what a hostile answer can cost is bounded by the length of a line."""
    if reading.regex is None:
        return
    lines = _lines(text)
    for start, line in enumerate(lines):
        window = line if reading.lines == 1 else "\n".join(lines[start : start + reading.lines])
        for match in reading.regex.finditer(window):
            # What begins further down is found when its own line is the first.
            if match.start() <= len(line):
                yield match


def _by_regex(reading: WayToRead, text: str) -> Any:
    if FACTS[reading.fact] == "list":
        entries = []
        for match in _matches(reading, text):
            entries.append({key: value for key, value in match.groupdict().items() if value is not None})
            if len(entries) >= _MAX_ENTRIES:
                break
        return [entry for entry in entries if ENTRIES[reading.fact][0] in entry]
    first = next(_matches(reading, text), None)
    if first is None:
        return None
    groups = first.groupdict()
    if "year" in groups:
        return groups
    if FACTS[reading.fact] == "moment" and groups.get("zone"):
        return f"{groups['value']}{groups['zone']}"
    return groups.get("value", first[0])


def _by_expression(reading: WayToRead, text: str, documents: dict[str, Any]) -> Any:
    if reading.output not in documents:
        try:
            documents[reading.output] = json.loads(text)
        except (ValueError, RecursionError):
            documents[reading.output] = Unread(f"the answer to {reading.output} is not JSON: {excerpt(text)}")
    document = documents[reading.output]
    if isinstance(document, Unread):
        raise document
    try:
        found = reading.expression.search(document) if reading.expression is not None else None
    except Exception as error:  # jmespath has errors of many kinds, RecursionError among them
        raise Unread(f"the answer to {reading.output} does not fit: {one_line(error)}") from None
    if FACTS[reading.fact] != "list":
        if isinstance(found, (dict, list)):
            raise Unread(f"the answer to {reading.output} has a list where one value is due")
        return found
    first = ENTRIES[reading.fact][0]
    if not isinstance(found, list):
        raise Unread(f"the answer to {reading.output} has no list there")
    entries = [entry if isinstance(entry, Mapping) else {first: entry} for entry in found[:_MAX_ENTRIES]]
    if not all(isinstance(entry.get(first), (str, int)) for entry in entries):
        raise Unread(f"an entry in the answer to {reading.output} has no {first}")
    return entries


# -- one value


def _sample(
    moment: tuple[float, float], answer: Mapping[str, Any], clock_offset: float, clock_uncertainty: float
) -> dict[str, Any] | None:
    if answer.get("asked") is None:
        return None
    asked, answered = float(answer["asked"]), float(answer["answered"])
    shown, hidden = moment
    return {
        "source": "login",
        "endpoint": None,
        # A device that shows whole seconds may be anywhere within the one it shows: its middle, and half of it.
        "offset_seconds": round(shown + hidden / 2 - (asked + answered) / 2 + clock_offset, 3),
        "uncertainty_seconds": round((answered - asked) / 2 + hidden / 2 + clock_uncertainty, 3),
        "evidence": True,
    }


# -- into the observation


def _store(observation: dict[str, Any], name: str, value: Any) -> None:
    head, _dot, tail = name.partition(".")
    if FACTS[name] == "moment":
        value = iso(value[0], "seconds")
    if name == "trust_stores.fingerprints_sha256":
        held = sorted(dict(value).items())
        store: dict[str, Any] = {"kind": "system", "path": "", "readable": True, "detail": ""}
        store |= {"fingerprints_sha256": [root for root, _end in held], "ends_on": [end for _root, end in held]}
        observation[head] = [store]
    elif not tail:
        observation[head] = value
    elif name == "ntp.client":
        _section(observation, head)[tail] = value if value in _CLIENTS else "other"
    else:
        _section(observation, head)[tail] = value


def _section(observation: dict[str, Any], head: str) -> dict[str, Any]:
    if head not in observation:
        observation[head] = {
            "time_zone": {"name": None, "utc_offset_seconds": None},
            "ntp": {
                "client": "other",
                "running": None,
                "synchronised": None,
                "servers": [],
                "last_sync_at": None,
                "offset_seconds": None,
            },
            "config_backup": {"made_at": None, "path": None},
            "system": {"name": None, "kernel": None, "firmware": None},
        }[head]
    section: dict[str, Any] = observation[head]
    return section


def _server(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": one_line(entry["address"]),
        "reachable": flag_of(entry.get("reachable")),
        "selected": flag_of(entry.get("selected")),
        "stratum": whole_of(entry.get("stratum")),
    }


def _account(entry: Mapping[str, Any]) -> dict[str, Any]:
    shell = entry.get("shell")
    can_login = flag_of(entry.get("can_login"))
    if can_login is None and shell is not None:
        can_login = str(shell).rsplit("/", 1)[-1] not in ("nologin", "false")
    uid = whole_of(entry.get("uid"))
    administrator = flag_of(entry.get("administrator"))
    if administrator is None and entry.get("role") is not None:
        administrator = str(entry["role"]).strip().lower() in ("admin", "administrator", "root")
    if administrator is None and uid is not None:
        administrator = uid == 0
    return {
        "name": one_line(entry["name"]),
        "uid": uid,
        "shell": None if shell is None else one_line(shell),
        # A device's own list names those who may log in, unless it says otherwise.
        "can_login": True if can_login is None else can_login,
        "password": "unknown",
        "administrator": administrator,
        "last_login_at": instant_of(entry.get("last_login_at")),
        "expires_on": day_of(entry.get("expires_on")),
    }


def _listener(entry: Mapping[str, Any]) -> dict[str, Any]:
    address = one_line(entry.get("address") or "0.0.0.0").strip("[]")
    program = entry.get("program")
    port = whole_of(entry["port"])
    if port is None or not 0 < port < 65536:
        raise Unread(f"listening: {excerpt(str(entry['port']))} is no port")
    return {
        "protocol": "udp" if str(entry.get("protocol") or "tcp").lower().startswith("udp") else "tcp",
        "address": "0.0.0.0" if address == "*" else address,
        "port": port,
        "program": None if program is None else one_line(program),
    }


def _fingerprint(entry: Mapping[str, Any]) -> str:
    text = re.sub(r"[:\s]", "", str(entry["value"])).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise Unread(f"{excerpt(str(entry['value']))} is no SHA-256 fingerprint")
    return text


def _root(entry: Mapping[str, Any]) -> tuple[str, str | None]:
    """Fingerprint, and the day on which it ends where the device tells it."""
    return _fingerprint(entry), day_of(entry.get("ends_on"))


_ENTRY_READERS: dict[str, Any] = {
    "ntp.servers": _server,
    "accounts": _account,
    "listening": _listener,
    "trust_stores.fingerprints_sha256": _root,
}
