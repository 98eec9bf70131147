# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control-node half of device_probe: reads the inventory, sends batches to the vantage, interprets what came."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.utils.display import Display

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import DEVICE_PROBE
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.control_node.fetch import SCHEMES, FetchError, fetch
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import (
    card_from_dictionary,
    device_card,
    distinct_peers,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import HostVariables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import (
    VantageClock,
    certificates_of,
    intermediates_of,
    interpret,
    unvisited,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.revocation import load_crls
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.action import (
    Progress,
    VantageAction,
    VantageLost,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.ocsp import ask_ocsp
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.options import (
    at_least,
    local_source,
    writable_file,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import load_certificates
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.signatures import CRYPTOGRAPHY_ERROR

display = Display()

#: One module run costs a few tenths of a second however many devices it visits; memory bounds the batch.
BATCH = 2000
#: The lists of the largest authorities are a few tens of megabytes.
_MAX_CRL = 64 * 1024 * 1024
_CRL_SECONDS = 20.0
#: The least that each option may be.
_LIMITS = {
    "timeout": 0.1,
    "device_timeout": 0.1,
    "concurrency": 1,
    "rate": 0,
    "pause": 0,
    "connection_budget": 1,
    "max_bytes": 4096,
}


class ActionModule(VantageAction):
    """See the documentation of the module device_probe."""

    name = "device_probe"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Visit the devices, and return or write their observations."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        self.need(cryptography=CRYPTOGRAPHY_ERROR)
        _validated, options = self.validate_argument_spec(DEVICE_PROBE)
        try:
            at_least(options, _LIMITS)
        except ValueError as error:
            raise self.failure(error) from None
        if options["depth"] == "handshake":
            # Every visit of the depth "normal" completes a handshake now.
            options["depth"] = "normal"
            display.deprecated(
                "device_probe: depth 'handshake' is 'normal' now.",
                version="2.0.0",
                collection_name="biomed.cert_hygiene",
            )
        cards = self._cards(options["devices"], task_vars.get("hostvars") or {})
        try:
            anchors = load_certificates([local_source(source, self.beside) for source in options["trust_anchors"]])
            crls = self._revocation_lists(options["crls"])
            dest = writable_file(options["dest"])
        except ValueError as error:
            raise self.failure(error) from None

        vantage = self.vantage(task_vars)
        begun = time.monotonic()
        consenting = [card for card in cards if card["consent"] and not card["invalid"]]
        visited = consenting + distinct_peers(consenting)
        raw, clock, problem = self._visit(visited, options, task_vars, vantage)

        now = datetime.now(timezone.utc)
        judge = TrustJudge(anchors, intermediates=intermediates_of(certificates_of(raw.values())), crls=crls)
        observations = [
            self._observation(card, raw, judge, vantage, now, clock, bool(options["crls"]))
            for card in cards + visited[len(consenting) :]
        ]
        if options["ocsp"]:
            left_open = ask_ocsp(options["ocsp"], observations, anchors, now)
            if left_open:
                self.warn(f"OCSP left {len(left_open)} certificates open, the first because: {left_open[0]}")
        consented = sum(1 for card in cards if card["consent"])
        result = self.looked(observations, len(cards), consented, dest, problem)
        result["statistics"].update(
            connections=sum(observation["connections"] for observation in observations),
            bytes_sent=sum(observation["bytes_sent"] for observation in observations),
            bytes_received=sum(observation["bytes_received"] for observation in observations),
            seconds=round(time.monotonic() - begun, 2),
        )
        return result

    # -- what the task was given

    def _cards(self, devices: list[Any], hostvars: Mapping[str, Any]) -> list[dict[str, Any]]:
        cards = []
        names: set[str] = set()
        now = datetime.now(timezone.utc)
        for position, device in enumerate(devices):
            if isinstance(device, Mapping):
                if not isinstance(device.get("name"), str) or not device["name"]:
                    raise self.failure(f"devices[{position}] has no name.")
                card = card_from_dictionary(device, now)
            elif isinstance(device, str):
                if device not in hostvars:
                    raise self.failure(
                        f"devices[{position}]: '{device}' is not in the inventory; "
                        "give an inventory name, or a dictionary with name, address and consent."
                    )
                card = device_card(device, HostVariables(hostvars, device), now)
            else:
                raise self.failure(f"devices[{position}] must be an inventory name or a dictionary, not {device!r}.")
            if card["name"] in names:
                raise self.failure(f"the device name '{card['name']}' is given twice.")
            names.add(card["name"])
            problem = card["invalid"] or card["consent_detail"]
            if problem:
                self.warn(f"{card['name']} is left out: {problem}")
            cards.append(card)
        self.tell_misspelt((name for name in devices if isinstance(name, str)), hostvars)
        return cards

    def _revocation_lists(self, sources: list[str]) -> list[Any]:
        """From files and addresses. A list that can't be had from an address leaves trust not assessed."""
        lists: list[Any] = []
        for source in sources:
            if not source.lower().startswith(SCHEMES):
                lists += load_crls([local_source(source, self.beside)])
                continue
            try:
                lists += load_crls([fetch(source, _CRL_SECONDS, _MAX_CRL)])
            except (FetchError, ValueError) as error:
                self.warn(
                    f"the revocation list at {source} cannot be had ({error}); "
                    "certificates that only this list could clear are not assessed."
                )
        return lists

    # -- the visit

    def _visit(
        self, cards: list[dict[str, Any]], options: Mapping[str, Any], task_vars: dict[str, Any], vantage: str
    ) -> tuple[dict[str, dict[str, Any]], VantageClock, str | None]:
        """(raw observations by device, the vantage's clock, what went wrong)."""
        raw: dict[str, dict[str, Any]] = {}
        clock = VantageClock()
        progress = Progress(f"{self.name} from {vantage}", len(cards))
        for start in range(0, len(cards), BATCH):
            batch = cards[start : start + BATCH]
            try:
                clock = self._visit_batch(batch, options, task_vars, raw, progress)
            except VantageLost as lost:
                problem = (
                    f"the visit from '{vantage}' ended early: {lost} "
                    f"{len(raw)} of {len(cards)} devices were visited and are kept; the others are not observed."
                )
                return raw, clock, problem
        if cards:
            progress.show(len(raw), final=True)
        return raw, clock, None

    def _visit_batch(
        self,
        batch: list[dict[str, Any]],
        options: Mapping[str, Any],
        task_vars: dict[str, Any],
        raw: dict[str, dict[str, Any]],
        progress: Progress,
    ) -> VantageClock:
        arguments = {option: options[option] for option in ("depth", *_LIMITS)}
        arguments["devices"] = [
            {key: card[key] for key in ("name", "address", "names", "endpoints", "ports", "sntp", "consent")}
            for card in batch
        ]
        with self.spool(task_vars) as (spool, read):
            arguments["dest"] = spool
            with progress.watching(spool if self.is_local() else None, len(raw)):
                reply = self.run_there(arguments, task_vars)
            for observation in read():
                raw[observation["device"]] = observation
        if reply.result.get("failed") or reply.result.get("unreachable"):
            raise VantageLost(_why(reply.result))
        progress.show(len(raw))
        return self.clock_of(reply)

    def _observation(
        self,
        card: dict[str, Any],
        raw: Mapping[str, dict[str, Any]],
        judge: TrustJudge,
        vantage: str,
        now: datetime,
        clock: VantageClock,
        ask_revocation: bool,
    ) -> dict[str, Any]:
        at = iso(now.timestamp())
        if card["invalid"]:
            return unvisited(card["name"], vantage, at, "skipped", "inventory_invalid", card["invalid"])
        if not card["consent"]:
            return unvisited(card["name"], vantage, at, "skipped", card["consent_reason"], card["consent_detail"])
        if card["name"] not in raw:
            return unvisited(card["name"], vantage, at, "skipped", "vantage_lost")
        try:
            return interpret(raw[card["name"]], card, judge, vantage, now, clock, ask_revocation)
        except Exception as error:  # whatever one device sent, the others keep their observations
            self.warn(f"what {card['name']} sent cannot be read: {error}")
            return unvisited(card["name"], vantage, at, "skipped", "unreadable", str(error))


def _why(result: Mapping[str, Any]) -> str:
    """What a failed module run says of itself: its message, else the last it wrote."""
    said = str(result.get("msg") or "").strip()
    written = str(result.get("module_stderr") or result.get("module_stdout") or "").strip().splitlines()
    last = written[-1].strip()[:300] if written else ""
    return " ".join(part for part in (said, last) if part) or f"the module ended with {result.get('rc')}."
