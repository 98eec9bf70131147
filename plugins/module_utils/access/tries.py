# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries logins on many devices at the same time, one session each; every try is in the book before it is made."""

from __future__ import annotations

import concurrent.futures
import time
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.book import Account, Book, NoTry
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.http import try_http
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.lines import try_ftp, try_telnet
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.ssh import try_ssh
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import (
    Allowance,
    PortClosed,
    SessionFailed,
    Told,
    numeric_address,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.address_guard import AddressClaim

_SERVICES = {"ssh": try_ssh, "http": try_http, "https": try_http, "telnet": try_telnet, "ftp": try_ftp}
_UNREACHABLE = ("name_not_resolved", "no_answer")
_SKIPPED = ("paramiko_missing",)
#: Their usual words name a way out that is none here.
_WORDS = {
    "paramiko_missing": "the vantage has no paramiko 3.4 or newer: install it there",
    "no_common_algorithm": "the device knows old SSH algorithms only; no password is tried with those",
}
#: A device of which one of these is known was looked at.
_ANSWERS = ("accepted", "refused", "locked_out", "limit_reached")
#: What concerns one service alone; any other failure ends the visit of the device.
_GOES_ON = ("paramiko_missing", "no_common_algorithm", "host_key_unknown")


def check_all(
    devices: list[dict[str, Any]], secrets: dict[str, list[str]], book: Book, limits: dict[str, float], concurrency: int
) -> dict[str, dict[str, Any]]:
    """{device name: {"outcome", "reason", "detail", "started_at", "finished_at", "results"}}.

    `devices`: name, address, and `trials`, each with what its service needs; `secret` is a place in the device's list
    of `secrets`. `limits`: seconds (timeout, device_timeout, pause). Results are in the order of the trials.
    """
    by_address: dict[str, list[dict[str, Any]]] = {}
    for device in devices:
        by_address.setdefault(device["address"], []).append(device)

    def check_address(address: str) -> dict[str, dict[str, Any]]:
        return {
            device["name"]: _Visit(device, secrets.get(device["name"], []), book, limits).make()
            for device in by_address[address]
        }

    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, concurrency)) as pool:
        found: dict[str, dict[str, Any]] = {}
        for checked in pool.map(check_address, by_address):
            found.update(checked)
        return found


class _Visit:
    """The tries on one device, one after the other, until one says that it is enough."""

    def __init__(self, device: dict[str, Any], secrets: list[str], book: Book, limits: dict[str, float]) -> None:
        self._device = device
        self._secrets = secrets
        self._book = book
        self._pause = limits["pause"]
        self._allowance = Allowance(limits["timeout"], time.monotonic() + limits["device_timeout"])
        self._results: list[dict[str, str]] = [{"result": "not_tried", "detail": ""} for _trial in device["trials"]]
        self._address = ""
        self._contacted = False
        #: Why nothing more is tried, for people.
        self._stop: str | None = None
        #: What ended the visit, and what else kept a service from an answer.
        self._ended: SessionFailed | None = None
        self._problem: SessionFailed | None = None
        #: Services that did not get so far as a login, and why.
        self._useless: dict[tuple[str, int], str] = {}

    def make(self) -> dict[str, Any]:
        started = time.time()
        claims: list[AddressClaim] = []
        try:
            self._claim(self._device["address"], claims)
            self._address = numeric_address(self._device["address"])
            if self._address != self._device["address"]:
                # Another inventory may know the device by its number.
                self._claim(self._address, claims)
            for position in self._order():
                self._one(position)
        except SessionFailed as problem:
            self._end(problem)
        except Exception as problem:  # whatever one device does, the others are checked; the text may hold anything
            self._end(SessionFailed("unexpected", type(problem).__name__))
        finally:
            for claim in claims:
                claim.release()
        for result in self._results:
            if result["result"] in ("not_tried", "no_answer") and not result["detail"]:
                result["detail"] = self._stop or ""
        outcome, reason, detail = self._outcome()
        return {
            "outcome": outcome,
            "reason": reason,
            "detail": detail,
            "started_at": iso(started),
            "finished_at": iso(time.time()),
            "results": self._results,
        }

    def _claim(self, address: str, claims: list[AddressClaim]) -> None:
        claim = AddressClaim(address)
        while not claim.take():
            if self._allowance.left() <= 0:
                raise SessionFailed("address_busy", "another visit to this address did not end")
            time.sleep(0.2)
        claims.append(claim)

    def _order(self) -> list[int]:
        """The passwords whose last try is longest ago come first: with more than the limit, each has its day."""

        def last(position: int) -> float:
            trial = self._device["trials"][position]
            if trial["as"] or trial["secret"] is None:
                return 0.0
            try:
                return self._book.last(self._account(trial), trial["service"], trial["number"])[0]
            except NoTry:
                return 0.0

        positions = range(len(self._device["trials"]))
        return sorted(positions, key=lambda position: (bool(self._device["trials"][position]["as"]), last(position)))

    def _account(self, trial: dict[str, Any]) -> Account:
        return Account(self._device["name"], self._address, trial["account"])

    def _one(self, position: int) -> None:
        trial = self._device["trials"][position]
        place = (trial["service"], trial["port"])
        if self._stop is not None:
            return
        if trial.get("left_out"):
            self._put(position, "not_tried", trial["left_out"])
        elif place in self._useless:
            self._put(position, "no_answer", self._useless[place])
        elif self._already_open(trial):
            self._put(position, "not_tried", "another password of this account was accepted")
        else:
            self._attempt(position, trial, place)

    def _attempt(self, position: int, trial: dict[str, Any], place: tuple[str, int]) -> None:
        account = None if trial["secret"] is None else self._account(trial)
        marks: list[str] = []

        def spend() -> None:
            if account is not None:
                marks.append(self._book.spend(account, trial["service"], trial["number"]))
                # Whatever happens now, it was tried.
                self._put(position, "no_answer", "")

        told = Told("no_answer")
        try:
            if account is not None:
                self._book.check(account)
            if self._contacted and self._pause:
                time.sleep(min(self._pause, self._allowance.left()))
            password = None if trial["secret"] is None else self._secrets[trial["secret"]]
            told = _SERVICES[trial["service"]](
                {**self._device["common"], **trial, "address": self._address}, password, self._allowance, spend
            )
            self._contacted = True
            self._put(position, told.result, told.detail)
            if told.sign is not None:
                self._stop = "nothing more is tried after a sign of a lock-out"
        except NoTry as refusal:
            self._put(position, *self._remembered(trial, account, refusal))
        except SessionFailed as problem:
            self._contacted = True
            self._fail(position, place, problem, tried=bool(marks))
        finally:
            if account is not None and (marks or told.sign):
                self._write_result(account, marks[0] if marks else None, told)

    def _write_result(self, account: Account, mark: str | None, told: Told) -> None:
        try:
            self._book.write_result(account, mark, told.result, told.sign)
        except NoTry as problem:
            self._stop = str(problem)

    def _fail(self, position: int, place: tuple[str, int], problem: SessionFailed, tried: bool) -> None:
        text = self._said(problem)
        self._put(position, "no_answer", text)
        if not tried and (isinstance(problem, PortClosed) or problem.reason in _GOES_ON):
            self._useless[place] = text
            self._problem = self._problem or problem
        else:
            self._end(problem)

    def _end(self, problem: SessionFailed) -> None:
        self._ended = problem
        self._stop = f"the visit ended before: {self._said(problem)}"

    def _remembered(self, trial: dict[str, Any], account: Account | None, refusal: NoTry) -> tuple[str, str]:
        """A door that was seen open is not forgotten because it may not be tried again so soon."""
        if account is None or trial["as"]:
            return "not_tried", str(refusal)
        if refusal.result == "limit_reached":
            at, result = self._book.last(account, trial["service"], trial["number"])
            if result == "accepted":
                return "accepted", f"as seen on {iso(at)}; not tried again: {refusal}"
        return refusal.result, str(refusal)

    def _already_open(self, trial: dict[str, Any]) -> bool:
        return trial["secret"] is not None and any(
            result["result"] == "accepted"
            and all(other[key] == trial[key] for key in ("as", "service", "port", "account"))
            for other, result in zip(self._device["trials"], self._results)
        )

    def _put(self, position: int, result: str, detail: str) -> None:
        if self._device["trials"][position]["as"] and result in ("locked_out", "limit_reached"):
            result = "no_answer" if result == "locked_out" else "not_tried"
        self._results[position] = {"result": result, "detail": detail}

    def _outcome(self) -> tuple[str, str | None, str]:
        answered = any(entry["result"] in _ANSWERS for entry in self._results)
        problem = self._ended or (None if answered else self._problem)
        if problem is None:
            return "observed", None, ""
        if problem.reason in _UNREACHABLE and not answered:
            outcome = "unreachable"
        else:
            outcome = "skipped" if problem.reason in _SKIPPED else "aborted"
        return outcome, problem.reason, self._said(problem)

    def _said(self, problem: SessionFailed) -> str:
        """A sentence for people, in which a device may have repeated what it was sent."""
        text = _WORDS.get(problem.reason, str(problem))
        for value in sorted(self._secrets, key=len, reverse=True):
            if value:
                text = text.replace(value, "***")
        return text
