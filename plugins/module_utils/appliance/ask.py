# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks many devices without Python at the same time, one session each; one that fails loses only itself."""

from __future__ import annotations

import concurrent.futures
import time
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.http import ask_over_http
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.openssh import ask_over_openssh
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import (
    Allowance,
    SessionFailed,
    numeric_address,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.ssh import ask_over_paramiko
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.address_guard import AddressClaim

_TRANSPORTS = {"ssh": ask_over_paramiko, "openssh": ask_over_openssh, "http": ask_over_http, "https": ask_over_http}
#: What the reasons say of the device: nobody was there, or it was not even asked; all others, it would not talk.
_UNREACHABLE = ("name_not_resolved", "no_answer")
_SKIPPED = ("paramiko_missing", "openssh_missing", "key_unusable")


def ask_all(
    devices: list[dict[str, Any]],
    secrets: dict[str, dict[str, str]],
    timeout: float,
    device_timeout: float,
    concurrency: int,
) -> dict[str, dict[str, Any]]:
    """{device name: {"outcome", "reason", "detail", "started_at", "finished_at", "answers"}}.

    Devices behind one address are asked one after the other.
    """
    by_address: dict[str, list[dict[str, Any]]] = {}
    for device in devices:
        by_address.setdefault(device["address"], []).append(device)

    def ask_address(address: str) -> dict[str, dict[str, Any]]:
        return {
            device["name"]: _ask(device, secrets.get(device["name"], {}), timeout, device_timeout)
            for device in by_address[address]
        }

    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, concurrency)) as pool:
        found: dict[str, dict[str, Any]] = {}
        for answers in pool.map(ask_address, by_address):
            found.update(answers)
        return found


def _ask(device: dict[str, Any], secret: dict[str, str], timeout: float, device_timeout: float) -> dict[str, Any]:
    started = time.time()
    allowance = Allowance(timeout, time.monotonic() + device_timeout)
    outcome, reason, detail = "observed", None, ""
    answers: dict[str, Any] = {}
    claim: AddressClaim | None = None
    try:
        claim = AddressClaim(numeric_address(device["address"]))
        while not claim.take():
            if allowance.left() <= 0:
                raise SessionFailed("address_busy", "another visit to this address did not end")
            time.sleep(0.2)
        answers = _TRANSPORTS[device["transport"]](device, secret, allowance)
    except SessionFailed as problem:
        outcome = (
            "unreachable" if problem.reason in _UNREACHABLE else "skipped" if problem.reason in _SKIPPED else "aborted"
        )
        reason, detail, answers = problem.reason, str(problem), problem.answers
    except Exception as problem:  # whatever one device does, the others are asked
        # The text of an unknown error may hold anything, a password too: its kind and place must do.
        outcome, reason, detail = "aborted", "unexpected", f"{type(problem).__name__} {_place_of(problem)}"
    finally:
        if claim is not None:
            claim.release()
    for answer in answers.values():
        if "error" in answer:
            answer["error"] = without_secrets(answer["error"], secret)
    return {
        "outcome": outcome,
        "reason": reason,
        "detail": without_secrets(detail, secret),
        "started_at": iso(started),
        "finished_at": iso(time.time()),
        "answers": answers,
    }


def without_secrets(text: str, secret: dict[str, str]) -> str:
    """A sentence for people, in which a device may have repeated what it was sent."""
    for value in sorted(secret.values(), key=len, reverse=True):
        if value:
            text = text.replace(value, "***")
    return text


def _place_of(problem: BaseException) -> str:
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"at {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
