# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A diagnosis: what the error message says and what was seen, joined; and the words of it for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.case import CONFIDENCES
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.clues import actions_of, causes_of
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.html import render_page
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import LANGUAGES, french
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import PEER_PREFIX
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.labels import date_time_text, owner_label
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.messages import fill_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import load_words

SCHEMA_VERSION = 1
UNKNOWN = "unknown"
_PAGE = Path(__file__).with_name("page.html.j2")

Entry = Mapping[str, Any]


def words(key: str, language: str, **values: Any) -> str:
    """A word of diagnosis_live.yml."""
    return _in(load_data("diagnosis/diagnosis_live")["words"][key], language).format(**values)


def refusal(key: str, language: str, **values: Any) -> str:
    """Why nothing is done, in one sentence."""
    shown = {name: visible(value, 200) for name, value in values.items()}
    return _in(load_data("diagnosis/diagnosis_live")["refusals"][key], language).format(**shown).strip()


def own_language(language: str, environment: Mapping[str, str]) -> str:
    """The language that was asked for; for "both", that of the person's locale."""
    if language in LANGUAGES:
        return language
    locale = environment.get("LC_ALL") or environment.get("LC_MESSAGES") or environment.get("LANG") or ""
    return "fr" if locale.lower().startswith("fr") else "en"


def _in(texts: Mapping[str, str], language: str) -> str:
    return french(texts["fr"]) if language == "fr" else texts["en"]


def _both(texts: Mapping[str, str], values: Mapping[str, Any], lead: Mapping[str, str] | None = None) -> dict[str, str]:
    return {
        language: (lead[language] if lead else "") + fill_text(_in(texts, language), values, language)
        for language in LANGUAGES
    }


def _where(entry: Entry) -> dict[str, str]:
    """ "Serveur pacs.hopital.example:2762 : ", "Device (https:443): "."""
    endpoint = str(entry.get("endpoint") or "").removeprefix(PEER_PREFIX)
    found = {}
    for language in LANGUAGES:
        side = words(str(entry["side"]), language)
        place = f"{side} {endpoint}" if entry["side"] == "peer" else f"{side} ({endpoint})" if endpoint else side
        found[language] = f"{place}{words('colon', language)} "
    return found


def _told(entry: Entry) -> dict[str, Any]:
    """An entry of the live diagnosis with its words."""
    known = load_data("diagnosis/diagnosis_live")["reasons"][entry["reason"]]
    return {**entry, "text": _both(known["text"], entry["figures"], _where(entry))}


def _title(category: str) -> dict[str, str]:
    title: dict[str, str] = causes_of([category])[0]["title"]
    return title


def _title_of(entry: Entry) -> dict[str, str]:
    """What a cause is called: as its category, or more exactly."""
    known = load_data("diagnosis/diagnosis_live")["reasons"][entry["reason"]]
    return _both(known["title"], {}) if "title" in known else _title(entry["category"])


def _actions(causes: Sequence[Entry]) -> list[dict[str, Any]]:
    """What to do, in order: the clock, the steps of what was seen, those of the categories."""
    reasons = load_data("diagnosis/diagnosis_live")["reasons"]
    own = [
        {"owner": cause["owner"], "category": cause["category"], "text": _both(reasons[cause["reason"]]["step"], {})}
        for cause in {cause["reason"]: cause for cause in reversed(causes) if cause["reason"]}.values()
        if "step" in reasons[cause["reason"]]
    ]
    categories = [cause["category"] for cause in causes if cause["category"] != UNKNOWN]
    general = actions_of(list(dict.fromkeys(categories)) or ([] if own else [UNKNOWN]))
    return [*general[:1], *own[::-1], *general[1:]]


def diagnosis(
    device: str, vantage: str, at: datetime, live: Mapping[str, Sequence[Entry]], message: Entry | None
) -> dict[str, Any]:
    """The whole diagnosis, words in both languages included; plain data, as it is written to diagnosis.json.

    live:    what diagnose_live returned
    message: what diagnose_text made of the error message; None where there was none
    """
    causes = [{**_told(entry), "title": _title_of(entry), "from": "live"} for entry in live["causes"]]
    excluded, still_open = [_told(entry) for entry in live["excluded"]], [_told(entry) for entry in live["open"]]
    contradictions: list[dict[str, Any]] = []
    corroborated: list[str] = []
    if message is not None and UNKNOWN not in message["categories"]:
        seen = {cause["category"] for cause in causes}
        corroborated = [category for category in message["categories"] if category in seen]
        for cause in causes:
            if cause["category"] in corroborated:
                cause["from"] = "both"
                cause["confidence"] = CONFIDENCES[max(0, CONFIDENCES.index(cause["confidence"]) - 1)]
        if not corroborated:
            for category in message["categories"]:
                said = _contradiction(category, causes, excluded, still_open)
                if said is not None:
                    contradictions.append({"category": category, "text": said})
                else:
                    causes.append(_from_text(category, message))
    rank = {"both": 0, "text": 1, "live": 2}
    causes.sort(key=lambda cause: (CONFIDENCES.index(cause["confidence"]), rank[cause["from"]]))
    categories = list(dict.fromkeys(cause["category"] for cause in causes if cause["category"] != UNKNOWN))
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "device": device,
        "vantage": vantage,
        "at": instant_text(at),
        "categories": categories or [UNKNOWN],
        "causes": causes,
        "message": None
        if message is None
        else {key: message[key] for key in ("categories", "evidence", "confidence", "stack")},
        "corroborated": corroborated,
        "contradictions": contradictions,
        "actions": _actions(causes),
        "excluded": excluded,
        "open": still_open,
    }
    found["request"] = {language: _request(found, language) for language in LANGUAGES}
    return found


def _from_text(category: str, message: Entry) -> dict[str, Any]:
    """A cause that the message names and that nothing seen supports or excludes."""
    known = causes_of([category])[0]
    actions = actions_of([category])
    return {
        "reason": None,
        "category": category,
        "side": "text",
        "endpoint": None,
        "owner": actions[-1]["owner"],
        "confidence": "medium" if message["confidence"] == "high" else "low",
        "figures": {"evidence": message["evidence"]},
        "text": known["text"],
        "title": known["title"],
        "from": "text",
    }


def _contradiction(
    category: str, causes: Sequence[Entry], excluded: Sequence[Entry], still_open: Sequence[Entry]
) -> dict[str, str] | None:
    """The sentence where what was seen speaks against the message; None where it does not, or something is open."""
    texts = load_data("diagnosis/diagnosis_live")["contradictions"]
    if category == "expired":
        for cause in causes:
            if cause["reason"] == "clock_sees_expired":
                return _both(texts["expired_clock"], cause["figures"])
    against = [entry for entry in excluded if category in entry["categories"]]
    if not against or any(category in entry["categories"] for entry in still_open):
        return None
    if category in ("expired", "clock_skew"):
        return _both(texts[category], against[0]["figures"])
    title = _title(category)
    return {
        language: _in(texts["other"], language).format(title=title[language], said=against[0]["text"][language])
        for language in LANGUAGES
    }


def _request(found: Entry, language: str) -> list[str]:
    """What IT is asked for, as one text that is ready to send; nothing where IT has nothing to do."""
    asked = [action for action in found["actions"] if action["owner"] == "it"]
    if not asked or not found["causes"]:
        return []
    device, at = visible(found["device"], 200), date_time_text(found["at"], language)
    lines = [words("subject", language, device=device), "", words("greeting", language), ""]
    lines.append(words("lead", language, device=device, at=at, vantage=visible(found["vantage"], 200)))
    for number, cause in enumerate(found["causes"], start=1):
        lines.append(f"{number}. {cause['title'][language]}. {cause['text'][language]}")
    lines += ["", words("ask", language)]
    lines += [f"– {action['text'][language]}" for action in asked]
    return [visible(line, 2000) for line in (*lines, "", words("thanks", language))]


# --- for people -------------------------------------------------------------------------------------------------------


def _verdict(found: Entry, language: str) -> str:
    if not found["causes"]:
        return words("nothing", language)
    first = found["causes"][0]
    lead = f"{words('maybe', language)}{words('colon', language)} " if first["confidence"] == CONFIDENCES[-1] else ""
    return f"{lead}{first['title'][language]}. {first['text'][language]}"


def terminal(found: Entry, language: str) -> list[str]:
    """The lines that a person reads in the terminal."""
    colon = words("colon", language)
    lines = [
        words("title", language, device=found["device"]),
        f"{words('verdict', language)}{colon} {_verdict(found, language)}",
    ]
    lines += [f"! {entry['text'][language]}" for entry in found["contradictions"]]
    if found["corroborated"]:
        agreed = ", ".join(_title(category)[language] for category in found["corroborated"])
        lines.append(f"{words('corroborated', language)}{colon} {agreed}")
    for number, cause in enumerate(found["causes"][1:], start=2):
        confidence = words(cause["confidence"], language)
        lines.append(f"{number}. {cause['title'][language]} ({confidence}). {cause['text'][language]}")
    lines.append(f"{words('steps', language)}{colon}")
    for number, action in enumerate(found["actions"], start=1):
        lines.append(f"  {number}. {owner_label(action['owner'], language)}{colon} {action['text'][language]}")
    for key in ("excluded", "open"):
        if found[key]:
            lines.append(f"{words(key, language)}{colon}")
            lines += [f"  - {entry['text'][language]}" for entry in found[key]]
    return [visible(line, 2000) for line in lines]


def page(found: Entry, languages: Sequence[str]) -> bytes:
    """index.html, one part a language."""
    parts = [_part(found, language) for language in languages]
    title = words("title", languages[0], device=found["device"])
    return render_page(_PAGE, parts, title, date_time_text(found["at"], languages[0]), load_words(languages[0]))


def _part(found: Entry, language: str) -> dict[str, Any]:
    names = ("verdict", "causes", "message", "contradictions", "corroborated", "steps", "request", "excluded", "open")
    plain = (*names, "none", "nothing", "confidence", "who", "colon", "confidential")
    message = found["message"]
    return {
        "language": language,
        "w": {name: words(name, language) for name in plain},
        "verdict": _verdict(found, language),
        "seen_from": words(
            "seen_from", language, vantage=clean_text(found["vantage"]), at=date_time_text(found["at"], language)
        ),
        "contradictions": [entry["text"][language] for entry in found["contradictions"]],
        "corroborated": ", ".join(_title(category)[language] for category in found["corroborated"]),
        "message": message
        and {
            "evidence": message["evidence"],
            "says": ", ".join(_title(category)[language] for category in message["categories"]),
        },
        "causes": [
            {
                "title": cause["title"][language],
                "text": cause["text"][language],
                "confidence": cause["confidence"],
                "confidence_label": words(cause["confidence"], language),
                "owner": owner_label(cause["owner"], language),
            }
            for cause in found["causes"]
        ],
        "steps": [
            {"owner": owner_label(action["owner"], language), "text": action["text"][language]}
            for action in found["actions"]
        ],
        "request": found["request"][language],
        "excluded": [entry["text"][language] for entry in found["excluded"]],
        "open": [entry["text"][language] for entry in found["open"]],
    }
