# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small hospital with hostile names in it, whose report the tests read, and a page as a browser takes it apart."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.collection import Observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import load_attestations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import load_waivers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report import run
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.fleet import Fleet
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import look_at, sheet_name
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.former import read_former
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.run import (
    Rules,
    build_report,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.staging import Staging
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy

PLUGIN_UTILS = Path(run.__file__).parents[1]
NOW = datetime(2026, 11, 22, 17, 0, tzinfo=timezone.utc)
DAY = timedelta(days=1)
VERSIONS = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def certificate(name: str, start: int, end: int, **more: Any) -> dict[str, Any]:
    """A certificate valid from and until so many days from now."""
    return {
        "subject": f"CN={name},O=Hopital",
        "common_name": name,
        "issuer": "CN=CA des dispositifs,O=Hopital",
        "serial_number": "4A7F",
        "not_before": iso(NOW + start * DAY),
        "not_after": iso(NOW + end * DAY),
        "key": {"type": "rsa", "bits": 2048, "curve": None},
        "signature_algorithm": "sha256WithRSAEncryption",
        "names": {"dns": [name], "ip": []},
        "is_ca": False,
        "fingerprint_sha256": hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(),
        "pem": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        **more,
    }


def endpoint(port: int, service: str, *chain: dict[str, Any], **more: Any) -> dict[str, Any]:
    accepted = more.pop("accepted", ("TLSv1.2", "TLSv1.3"))
    return {
        "port": port,
        "service": service,
        "outcome": "tls",
        "versions": {
            version: {"status": "accepted", "evidence": "server_hello"}
            if version in accepted
            else {"status": "refused", "evidence": "alert:70"}
            for version in VERSIONS
        },
        "negotiated": {"version": "TLSv1.2", "cipher": "TLS_AES_256_GCM_SHA384"},
        "client_certificate": "not_requested",
        "chain": list(chain),
        "trust": {"status": "trusted", "anchor": "CN=Racine", "detail": ""},
        "name_match": True,
        "handshake": "completed",
        "error": None,
        "connections": 4,
        **more,
    }


def visit(device: str, *endpoints: dict[str, Any], offset: float | None = 0.2, **more: Any) -> dict[str, Any]:
    samples = [
        {
            "source": "http_date",
            "endpoint": "https:443",
            "offset_seconds": offset,
            "uncertainty_seconds": 0.6,
            "evidence": True,
        }
    ]
    return {
        "schema_version": 1,
        "device": device,
        "source": "network",
        "vantage": "poste-bio",
        "started_at": iso(NOW - timedelta(hours=1)),
        "finished_at": iso(NOW - timedelta(hours=1)),
        "outcome": "observed",
        "reason": None,
        "connections": 4 * len(endpoints),
        "bytes_sent": 900 * len(endpoints),
        "bytes_received": 5000 * len(endpoints),
        "endpoints": list(endpoints),
        "ports": {},
        "clock": {"samples": samples if offset is not None else []},
        **more,
    }


def card(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "address": "10.20.1.14",
        "names": [f"{name}.hopital.example"],
        "endpoints": [{"port": 443, "service": "https"}],
        "ports": [{"port": 23, "service": "telnet"}, {"port": 80, "service": None}],
        "ports_allowed": [],
        "peers": [],
        "consent": True,
        "class": "imaging",
        "criticality": "high",
        "service": "Imagerie",
        "inventory_number": "INV-1",
        "in_use": None,
        "vendor_limits": {},
        "invalid": None,
        **more,
    }


HOSTILE = (
    "../../../etc/passwd",
    "<script>alert(1)</script>",
    "=cmd|'/C calc'!A0",
    "\u202egnp.exe",
    "nul\x00 bel\x07 esc\x1b[31m",
    "half\ud800",
    '"; } body { display: none } /*',
    "{{ 7 * 7 }}{% raw %}",
    "]]><!--",
    "x" * 5000,
)


def hospital() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    ca = certificate("CA des dispositifs", -2000, 2000, is_ca=True, issuer="CN=Racine")
    mine = certificate("echo-004.hopital.example", -300, 48)
    cards, seen = [], []

    def add(device: dict[str, Any], *observations: dict[str, Any]) -> None:
        cards.append(device)
        seen.extend(observations)

    add(
        card(
            "echo-004",
            endpoints=[{"port": 443, "service": "https"}, {"port": 2762, "service": "dicom"}],
            peers=[{"address": "10.0.0.9", "port": 2762, "service": "dicom", "names": ["pacs.hopital.example"]}],
        ),
        visit(
            "echo-004",
            endpoint(443, "https", mine, ca, accepted=("TLSv1.0", "TLSv1.2")),
            endpoint(2762, "dicom", mine, ca),
            offset=-720.4,
            ports={"23": "open", "80": "closed"},
        ),
        visit(
            "peer:10.0.0.9:2762",
            endpoint(2762, "dicom", certificate("pacs.hopital.example", -400, -3), ca),
            offset=None,
        ),
    )
    add(
        card(
            "biochimie-12",
            criticality="critical",
            service="Laboratoire",
            in_use=True,
            vendor_limits={"tls_versions": "La version 4.2 ne connaît pas TLS 1.2."},
        ),
        visit(
            "biochimie-12",
            endpoint(443, "https", certificate("biochimie-12.hopital.example", -370, -5), ca, accepted=("TLSv1.0",)),
            ports={"23": "closed", "80": "open"},
        ),
    )
    add(
        card("moniteur-7", criticality="critical"),
        visit(
            "moniteur-7",
            endpoint(443, "https", outcome="silent", accepted=()),
            offset=None,
            outcome="aborted",
            reason="stopped_answering",
        ),
    )
    add(card("pompe-21"), visit("pompe-21", offset=None, outcome="unreachable", reason="no_answer"))
    add(card("ecg-3", consent=False), visit("ecg-3", offset=None, outcome="skipped", reason="consent_missing"))
    add(card("lit-118"))
    add({"name": "irm-2", "invalid": "device_endpoints[0].service: unknown service 'htps'", "service": "Imagerie"})
    good = certificate("scanner-1.hopital.example", -20, 345)
    add(card("scanner-1"), visit("scanner-1", endpoint(443, "https", good, ca), ports={"23": "closed", "80": "closed"}))
    for text in HOSTILE:
        add(
            card(text, names=[text], service=text, inventory_number=text, **{"class": text}),
            visit(
                text,
                endpoint(
                    443, "https", certificate(text, -3, 3, issuer=text, names={"dns": [text] * 99, "ip": [text]}), ca
                ),
                vantage=text,
            ),
        )
    return cards, seen


WAIVERS = [
    {
        "check": "open_ports",
        "device": "biochimie-12",
        "reason": "insecure_service_open",
        "justification": "=HYPERLINK(1) marché 2027",
        "approver": "RSSI",
        "until": "2027-03-01",
    }
]
ATTESTATIONS = [
    {
        "check": "label",
        "device": "scanner-1",
        "result": "pass",
        "by": "A. Martin",
        "on": "2026-11-01",
        "until": "2027-11-01",
    }
]


def rules(**policy: Any) -> Rules:
    return Rules(load_policy(policy), load_attestations(ATTESTATIONS), load_waivers(WAIVERS), NOW)


def make(
    dest: Path,
    language: str = "both",
    cards: Sequence[Mapping[str, Any]] | None = None,
    seen: Sequence[Mapping[str, Any]] = (),
    info: Mapping[str, Any] | None = None,
    now: datetime = NOW,
    **policy: Any,
) -> tuple[Fleet, bool]:
    if cards is None:
        cards, seen = hospital()
    former = read_former(str(dest / "summary.json"))
    with (
        Observations({device["name"] for device in cards}) as observations,
        Staging(look_at(str(dest))) as out,
    ):
        for position, entry in enumerate(seen):
            observations.add_entry(entry, position)
        fleet = build_report(cards, observations, replace(rules(**policy), now=now), language, out, info, former)
        return fleet, out.commit()


def plain(text: str) -> str:
    """A text with ordinary spaces, as a person compares it."""
    return re.sub(r"\s+", " ", text).strip()


class Page(HTMLParser):
    """A page as a browser takes it apart; unbalanced tags are an error."""

    VOID = ("meta", "br", "link", "img", "input", "hr")

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.styles: list[str] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self._open == []
        self.text = plain(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("b", "span"):
            self.text += " "
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "style":
            self.styles.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.styles[-1] += data
        else:
            self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag and wanted.items() <= attrs.items()]


def pages(report: Path) -> Iterator[Path]:
    found = sorted(report.rglob("*.html"))
    assert found
    yield from found


def sheet(report: Path, device: str, language: str = "fr") -> Page:
    return Page(report / language / "devices" / sheet_name(device))


def text_of(report: Path, device: str, language: str = "fr") -> str:
    return sheet(report, device, language).text


def original(name: str) -> str:
    """The name of a device as it was given, from the one in summary.json (which can hold no lone surrogate)."""
    return next(device["name"] for device in hospital()[0] if device["name"].replace("\ud800", "\ufffd") == name)


def summary(report: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((report / "summary.json").read_text(encoding="utf-8"))
    return loaded
