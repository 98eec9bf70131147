# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control-node half of device_probe: reads the inventory, sends batches to the vantage, interprets what came."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.control_node.fetch import SCHEMES, FetchError, fetch
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import (
    card_from_dictionary,
    device_card,
    distinct_peers,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import HostVariables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.file import write_observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import (
    VantageClock,
    certificates_of,
    intermediates_of,
    interpret,
    unvisited,
    vantage_clock,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.ocsp import (
    CONTENT_TYPE,
    MAX_ANSWER,
    OcspError,
    build_request,
    issuer_of,
    read_answer,
    with_answer,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.revocation import load_crls
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.options import (
    at_least,
    local_source,
    writable_file,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import der_of_entry, load_certificates
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.signatures import CRYPTOGRAPHY_ERROR

display = Display()

#: One module run costs a few tenths of a second however many devices it visits; memory bounds the batch.
BATCH = 2000
_PROGRESS_SECONDS = 5.0
#: The lists of the largest authorities are a few tens of megabytes.
_MAX_CRL = 64 * 1024 * 1024
_CRL_SECONDS = 20.0
_OCSP_SECONDS = 10.0
#: A responder that failed so often is not asked about the rest of the fleet.
_OCSP_FAILURES = 8
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
_VISIT_OPTIONS = (
    "depth",
    "timeout",
    "device_timeout",
    "concurrency",
    "rate",
    "pause",
    "connection_budget",
    "max_bytes",
)


class VantageLost(Exception):
    """The module's run on the vantage did not end; the text says why."""


class ActionModule(ActionBase):
    """See the documentation of the module device_probe."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Visit the devices, and return or write their observations."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        if CRYPTOGRAPHY_ERROR:
            raise AnsibleActionFail(missing_required_lib("cryptography") + "\n" + CRYPTOGRAPHY_ERROR)
        _validated, options = self.validate_argument_spec(_ARGUMENTS)
        try:
            at_least(options, _LIMITS)
        except ValueError as error:
            raise AnsibleActionFail(f"device_probe: {error}") from None
        cards = self._cards(options["devices"], task_vars.get("hostvars") or {})
        try:
            anchors = load_certificates([self._local(source) for source in options["trust_anchors"]])
            crls = self._revocation_lists(options["crls"])
            dest = writable_file(options["dest"])
        except ValueError as error:
            raise AnsibleActionFail(f"device_probe: {error}") from None

        vantage = str(self._vantage(task_vars))
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
            _ask_ocsp(options["ocsp"], observations, anchors, now)
        outcomes = Counter(observation["outcome"] for observation in observations[: len(cards)])
        result: dict[str, Any] = {
            "changed": False,
            "observations": [] if dest else observations,
            "statistics": {
                "devices": len(cards),
                "consented": sum(1 for card in cards if card["consent"]),
                "connections": sum(observation["connections"] for observation in observations),
                "bytes_sent": sum(observation["bytes_sent"] for observation in observations),
                "bytes_received": sum(observation["bytes_received"] for observation in observations),
                "seconds": round(time.monotonic() - begun, 2),
                "outcomes": {
                    outcome: outcomes.get(outcome, 0) for outcome in ("observed", "unreachable", "skipped", "aborted")
                },
            },
        }
        if dest and not self._task.check_mode:
            try:
                write_observations(dest, observations)
            except OSError as error:
                raise AnsibleActionFail(f"device_probe: '{dest}' cannot be written: {error.strerror}.") from None
        if problem:
            result.update(failed=True, msg=problem)
        return result

    # -- what the task was given

    @staticmethod
    def _cards(devices: list[Any], hostvars: Mapping[str, Any]) -> list[dict[str, Any]]:
        cards = []
        names: set[str] = set()
        for position, device in enumerate(devices):
            if isinstance(device, Mapping):
                if not isinstance(device.get("name"), str) or not device["name"]:
                    raise AnsibleActionFail(f"device_probe: devices[{position}] has no name.")
                card = card_from_dictionary(device)
            elif isinstance(device, str):
                if device not in hostvars:
                    raise AnsibleActionFail(
                        f"device_probe: devices[{position}]: '{device}' is not in the inventory; "
                        "give an inventory name, or a dictionary with name, address and consent."
                    )
                card = device_card(device, HostVariables(hostvars, device))
            else:
                raise AnsibleActionFail(
                    f"device_probe: devices[{position}] must be an inventory name or a dictionary, not {device!r}."
                )
            if card["name"] in names:
                raise AnsibleActionFail(f"device_probe: the device name '{card['name']}' is given twice.")
            names.add(card["name"])
            if card["invalid"]:
                display.warning(f"device_probe: {card['name']} is left out: {card['invalid']}")
            cards.append(card)
        return cards

    def _revocation_lists(self, sources: list[str]) -> list[Any]:
        """From files and addresses. A list that can't be had from an address leaves trust not assessed."""
        lists: list[Any] = []
        for source in sources:
            if not source.lower().startswith(SCHEMES):
                lists += load_crls([self._local(source)])
                continue
            try:
                lists += load_crls([fetch(source, _CRL_SECONDS, _MAX_CRL)])
            except (FetchError, ValueError) as error:
                display.warning(
                    f"device_probe: the revocation list at {source} cannot be had ({error}); "
                    "certificates that only this list could clear are not assessed."
                )
        return lists

    def _local(self, source: str) -> str:
        return local_source(source, self._loader.path_dwim)

    def _vantage(self, task_vars: Mapping[str, Any]) -> str:
        return self._task.delegate_to or task_vars.get("inventory_hostname") or "localhost"

    # -- the visit

    def _visit(
        self, cards: list[dict[str, Any]], options: Mapping[str, Any], task_vars: dict[str, Any], vantage: str
    ) -> tuple[dict[str, dict[str, Any]], VantageClock, str | None]:
        """(raw observations by device, the vantage's clock, what went wrong)."""
        raw: dict[str, dict[str, Any]] = {}
        clock = VantageClock()
        progress = _Progress(vantage, len(cards))
        for start in range(0, len(cards), BATCH):
            batch = cards[start : start + BATCH]
            try:
                clock = self._visit_batch(batch, options, task_vars, raw, progress)
            except VantageLost as lost:
                return (
                    raw,
                    clock,
                    (
                        f"device_probe: the visit from '{vantage}' ended early: {lost} "
                        f"{len(raw)} of {len(cards)} devices were visited and are kept; the others are not observed."
                    ),
                )
        if cards:
            progress.show(len(raw), final=True)
        return raw, clock, None

    def _visit_batch(
        self,
        batch: list[dict[str, Any]],
        options: Mapping[str, Any],
        task_vars: dict[str, Any],
        raw: dict[str, dict[str, Any]],
        progress: _Progress,
    ) -> VantageClock:
        arguments = {option: options[option] for option in _VISIT_OPTIONS}
        arguments["devices"] = [
            {key: card[key] for key in ("name", "address", "names", "endpoints", "ports", "sntp", "consent")}
            for card in batch
        ]
        asked = time.time()
        with self._spool(task_vars) as (spool, read):
            arguments["dest"] = spool
            with progress.watching(spool if self._is_local() else None, len(raw)):
                try:
                    result = self._execute_module(
                        module_name="biomed.cert_hygiene.device_probe",
                        module_args=arguments,
                        task_vars=task_vars,
                        ignore_unknown_opts=True,
                    )
                except AnsibleConnectionFailure as error:
                    raise VantageLost(f"the vantage cannot be reached ({error.message}).") from None
            answered = time.time()
            for observation in read():
                raw[observation["device"]] = observation
        if result.get("failed") or result.get("unreachable"):
            raise VantageLost(_why(result))
        progress.show(len(raw))
        if self._is_local():
            return VantageClock()
        seen = result["vantage_clock"]
        return vantage_clock(asked, answered, seen["started"], seen["finished"])

    def _is_local(self) -> bool:
        return self._connection is not None and self._connection.transport == "local"

    @contextmanager
    def _spool(self, task_vars: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """A file on the vantage that takes each observation as it is made: (path, a function that reads it)."""
        if self._is_local():
            folder = tempfile.mkdtemp(prefix="cert-hygiene-")
            spool = os.path.join(folder, "observations.jsonl")

            def read_here() -> list[dict[str, Any]]:
                try:
                    with open(spool, "rb") as handle:
                        return _whole_lines(handle.read())
                except FileNotFoundError:
                    return []

            try:
                yield spool, read_here
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return
        try:
            folder = self._make_tmp_path()
        except (AnsibleConnectionFailure, AnsibleError) as error:
            raise VantageLost(f"the vantage cannot be reached ({error.message}).") from None
        spool = self._connection._shell.join_path(folder, "observations.jsonl")

        def read_there() -> list[dict[str, Any]]:
            try:
                slurped = self._execute_module(
                    module_name="ansible.legacy.slurp", module_args={"src": spool}, task_vars=task_vars
                )
            except AnsibleError:
                return []
            return [] if slurped.get("failed") else _whole_lines(base64.b64decode(slurped["content"]))

        try:
            yield spool, read_there
        finally:
            try:
                self._remove_tmp_path(folder)
            except AnsibleError:
                display.warning(f"device_probe: '{folder}' could not be removed from the vantage.")

    @staticmethod
    def _observation(
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
            return unvisited(card["name"], vantage, at, "skipped", "consent_missing")
        if card["name"] not in raw:
            return unvisited(card["name"], vantage, at, "skipped", "vantage_lost")
        try:
            return interpret(raw[card["name"]], card, judge, vantage, now, clock, ask_revocation)
        except Exception as error:  # whatever one device sent, the others keep their observations
            display.warning(f"device_probe: what {card['name']} sent cannot be read: {error}")
            return unvisited(card["name"], vantage, at, "skipped", "unreadable", str(error))


_ARGUMENTS: dict[str, Any] = {
    "devices": {"type": "list", "elements": "raw", "required": True},
    "trust_anchors": {"type": "list", "elements": "str", "default": []},
    "crls": {"type": "list", "elements": "str", "default": []},
    "ocsp": {"type": "str"},
    "depth": {"type": "str", "choices": ["quick", "normal", "handshake"], "default": "normal"},
    "timeout": {"type": "float", "default": 5.0},
    "device_timeout": {"type": "float", "default": 60.0},
    "concurrency": {"type": "int", "default": 200},
    "rate": {"type": "float", "default": 0.0},
    "pause": {"type": "float", "default": 0.05},
    "connection_budget": {"type": "int", "default": 12},
    "max_bytes": {"type": "int", "default": 262144},
    "dest": {"type": "path"},
}


def _why(result: Mapping[str, Any]) -> str:
    """What a failed module run says of itself: its message, else the last it wrote."""
    said = str(result.get("msg") or "").strip()
    written = str(result.get("module_stderr") or result.get("module_stdout") or "").strip().splitlines()
    last = written[-1].strip()[:300] if written else ""
    return " ".join(part for part in (said, last) if part) or f"the module ended with {result.get('rc')}."


def _ask_ocsp(responder: str, observations: list[dict[str, Any]], anchors: list[bytes], now: datetime) -> None:
    """Ask the responder about every leaf that is trusted otherwise, each once; write the answers into the trust."""
    endpoints = [
        endpoint
        for observation in observations
        for endpoint in observation["endpoints"]
        if endpoint["chain"] and endpoint["trust"]["status"] == "trusted"
    ]
    chains = {endpoint["chain"][0]["fingerprint_sha256"]: endpoint["chain"] for endpoint in endpoints}
    known = {der_of_entry(entry): None for endpoint in endpoints for entry in endpoint["chain"][1:]}
    authorities = [*known, *anchors]
    failed: list[str] = []

    def ask(chain: list[dict[str, Any]]) -> dict[str, Any]:
        if len(failed) >= _OCSP_FAILURES:
            return {"status": "not_assessed", "detail": f"no OCSP answer: {failed[0]}", "date": None}
        leaf = der_of_entry(chain[0])
        issuer = issuer_of(leaf, authorities)
        if issuer is None:
            return {"status": "not_assessed", "detail": "the issuer's certificate is not known", "date": None}
        try:
            request = build_request(leaf, issuer)
            return read_answer(fetch(responder, _OCSP_SECONDS, MAX_ANSWER, request, CONTENT_TYPE), leaf, issuer, now)
        except (OcspError, FetchError) as error:
            if isinstance(error, FetchError):
                failed.append(str(error))
            return {"status": "not_assessed", "detail": f"no OCSP answer: {error}", "date": None}

    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = dict(zip(chains, pool.map(ask, chains.values()), strict=True))
    for endpoint in endpoints:
        endpoint["trust"] = with_answer(endpoint["trust"], answers[endpoint["chain"][0]["fingerprint_sha256"]])
    silent = [answer["detail"] for answer in answers.values() if answer["status"] == "not_assessed"]
    if silent:
        display.warning(f"device_probe: OCSP left {len(silent)} certificates open, the first because: {silent[0]}")


class _Progress:
    """Tells how far the visits are, every few seconds."""

    def __init__(self, vantage: str, total: int) -> None:
        self._vantage = vantage
        self._total = total
        self._begun = time.monotonic()
        self._shown_at = self._begun

    def show(self, done: int, final: bool = False) -> None:
        """Show `done`, unless it was shown a moment ago."""
        now = time.monotonic()
        if not final and (done == self._total or now - self._shown_at < _PROGRESS_SECONDS):
            return
        self._shown_at = now
        seconds = now - self._begun
        if final:
            text = f"done in {seconds:.0f} s"
        elif done:
            text = f"about {seconds / done * (self._total - done):.0f} s left"
        else:
            text = "starting"
        display.display(f"device_probe from {self._vantage}: {done}/{self._total} devices and peers, {text}")

    @contextmanager
    def watching(self, spool: str | None, before: int) -> Iterator[None]:
        """Follow a spool on this machine while the module fills it."""
        if spool is None:
            yield
            return
        over = threading.Event()
        thread = threading.Thread(target=self._follow, args=(spool, before, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _follow(self, spool: str, before: int, over: threading.Event) -> None:
        done, at = before, 0
        while not over.wait(1.0):
            try:
                with open(spool, "rb") as handle:
                    handle.seek(at)
                    fresh = handle.read()
            except OSError:
                continue
            at += len(fresh)
            done += fresh.count(b"\n")
            self.show(done)


def _whole_lines(data: bytes) -> list[dict[str, Any]]:
    """The observations of a spool; a last line that was cut off by a kill is left out."""
    return [json.loads(line) for line in data.split(b"\n")[:-1] if line]
