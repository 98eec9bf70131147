# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The book of tries: how often a password was tried on an account, written down before each try. It holds no password.

One file for each account of a device, and one for the same account at the device's address, so that neither a new
inventory name nor a new address starts the count anew. What cannot be read counts as full: no try is made.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

SCHEMA_VERSION = 1
#: Seconds in which so many tries are allowed.
WINDOW = 24 * 3600.0
RESULTS = ("accepted", "refused", "locked_out", "no_answer")

#: Tries of an account that are kept; the limit is far below.
_KEPT = 100
_MAX_FILE = 256 * 1024
_LOCK_SECONDS = 20.0


class NoTry(Exception):
    """This try is not made. `result`: limit_reached, locked_out or not_tried; the text says why, for people."""

    def __init__(self, result: str, detail: str) -> None:
        super().__init__(detail)
        self.result = result


class Book:
    """The tries on record in one folder. `limit`: tries for each account in 24 hours, over all runs."""

    def __init__(self, folder: str, limit: int) -> None:
        self._folder = folder
        self._limit = limit

    def check(self, account: Account) -> None:
        """NoTry where no try is left."""
        with self._locked():
            for place in account.places:
                self._check(place, account.name, self._read(place, account.name))

    def spend(self, account: Account, service: str, number: int) -> str:
        """Write one try down, for good, and only then allow it: gives its mark. NoTry where none is left."""
        mark = uuid.uuid4().hex
        with self._locked():
            pages = {place: self._read(place, account.name) for place in account.places}
            for place, page in pages.items():
                self._check(place, account.name, page)
            entry = {"mark": mark, "at": time.time(), "service": service, "number": number, "result": None}
            for place, page in pages.items():
                page["tries"] = [*page["tries"], entry][-_KEPT:]
                self._write(place, account.name, page)
        return mark

    def write_result(self, account: Account, mark: str | None, result: str, sign: str | None) -> None:
        """What came of a try (None: none was made). `sign`: of a lock-out, in our words: it is then left alone."""
        with self._locked():
            for place in account.places:
                page = self._read(place, account.name)
                page["tries"] = [
                    {**entry, "result": result} if entry["mark"] == mark else entry for entry in page["tries"]
                ]
                if sign is not None:
                    page["locked_out"] = {"at": time.time(), "sign": sign}
                self._write(place, account.name, page)

    def last(self, account: Account, service: str, number: int) -> tuple[float, str | None]:
        """(when this password of the profile was last tried by this service, what came of it); (0, None): never."""
        with self._locked():
            entries = [
                entry
                for place in account.places
                for entry in self._read(place, account.name)["tries"]
                if (entry["service"], entry["number"]) == (service, number)
            ]
        newest = max(entries, key=lambda entry: entry["at"], default=None)
        return (0.0, None) if newest is None else (newest["at"], newest["result"])

    # -- the files

    def path(self, place: str, name: str) -> str:
        """Where an account's tries stand: a readable name, and enough of a digest that no two are the same."""
        readable = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{place}-{name}")[:60].strip(".")
        digest = hashlib.sha256(json.dumps([place, name.casefold()]).encode("utf-8")).hexdigest()[:16]
        return os.path.join(self._folder, f"{readable}-{digest}.json".lower())

    def _check(self, place: str, name: str, page: dict[str, Any]) -> None:
        locked = page["locked_out"]
        if locked is not None:
            raise NoTry(
                "locked_out",
                f"a sign of a lock-out was seen ({locked['sign']}, {_day(locked['at'])}); once the account is "
                f"unlocked, remove {self.path(place, name)} on the vantage",
            )
        recent = [entry for entry in page["tries"] if entry["at"] > time.time() - WINDOW]
        if len(recent) >= self._limit:
            raise NoTry(
                "limit_reached",
                f"{len(recent)} tries within 24 hours, of at most {self._limit}; the next one is possible from "
                f"{_day(sorted(entry['at'] for entry in recent)[-self._limit] + WINDOW)}",
            )

    def _read(self, place: str, name: str) -> dict[str, Any]:
        path = self.path(place, name)
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as handle:
                data = handle.read(_MAX_FILE + 1)
        except FileNotFoundError:
            return {"schema_version": SCHEMA_VERSION, "place": place, "account": name, "tries": [], "locked_out": None}
        except OSError as error:
            raise NoTry("not_tried", f"the record of tries {path} cannot be read ({error.strerror})") from None
        try:
            page = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError):
            page = None
        if len(data) > _MAX_FILE or not _is_page(page):
            raise NoTry(
                "not_tried",
                f"the record of tries {path} is damaged: once it is sure that the account is not near its lock-out, "
                "remove it",
            )
        return dict(page)

    def _write(self, place: str, name: str, page: dict[str, Any]) -> None:
        """Beside and renamed, on the disk before anything else happens."""
        path = self.path(place, name)
        beside = f"{path}.new"
        try:
            # Ours alone while the lock is held; one that was left by a run that was killed is written over.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(beside, flags, 0o600), "w", encoding="utf-8") as handle:
                json.dump(page, handle)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(beside, path)
            folder = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise NoTry("not_tried", f"the record of tries {path} cannot be written ({error.strerror})") from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One reader or writer at a time, over all runs; held for a moment, never during a try."""
        path = os.path.join(self._folder, "lock")
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise NoTry("not_tried", f"{path} cannot be opened ({error.strerror})") from None
        try:
            end = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise NoTry("not_tried", f"another run holds {path} and does not let go") from None
                    time.sleep(0.02)
                except OSError as error:
                    raise NoTry("not_tried", f"{path} cannot be locked ({error.strerror})") from None
            yield
        finally:
            os.close(handle)


class Account:
    """One account of one device: its name, and the places that it is counted under."""

    def __init__(self, device: str, address: str, name: str) -> None:
        self.name = name
        self.places: Sequence[str] = (f"device {device}", f"address {address}")


def _is_page(page: Any) -> bool:
    """Whether this is a record as `_write` leaves it."""
    if not isinstance(page, dict) or page.get("schema_version") != SCHEMA_VERSION:
        return False
    tries, locked = page.get("tries"), page.get("locked_out")
    if not isinstance(tries, list) or "locked_out" not in page:
        return False
    if locked is not None and not (
        isinstance(locked, dict) and _is_moment(locked.get("at")) and isinstance(locked.get("sign"), str)
    ):
        return False
    return all(
        isinstance(entry, dict)
        and _is_moment(entry.get("at"))
        and isinstance(entry.get("mark"), str)
        and isinstance(entry.get("service"), str)
        and isinstance(entry.get("number"), int)
        and entry.get("result") in (None, *RESULTS)
        for entry in tries
    )


def _is_moment(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e11


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))
