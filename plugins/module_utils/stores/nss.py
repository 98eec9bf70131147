# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An NSS database (cert9.db). certutil works on a copy, which is read again and then renamed into its place.

A database with a password signs its trust settings in key4.db: that file goes into its place first, where its new
signatures harm nobody, and cert9.db second. Killed in between, the database is the old one.
"""

from __future__ import annotations

import os
import re

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.files import (
    read_store,
    workshop,
    write,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import StoreProblem, held, resolved
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import parse_nss_list
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.plan import Anchor, Plan, changed, shown

_FILES = ("key4.db", "cert9.db")
_FINGERPRINT = re.compile(r"Fingerprint \(SHA-256\):\s+((?:[0-9A-F]{2}:){31}[0-9A-F]{2})")
_SSL_FLAGS = re.compile(r"^ +SSL Flags:\n((?: {12}.*\n)*)", re.MULTILINE)

Held = dict[str, tuple[str, bool]]
"""fingerprint -> (nickname, whether it is trusted to say who a server is)"""


class NssStore:
    """`path`: the folder of the database. password: None for a database without one."""

    kind = "nss"

    def __init__(self, host: Host, path: str, password: str | None) -> None:
        self.path = path
        self._host = host
        self._password = password

    def plan(self, anchor: Anchor) -> Plan:
        """See Store. A certificate that is there and not trusted is not held."""
        folder, _data = self._read()
        held = self._held(folder)
        prints = _trusted(held)
        # To retire a root is to take its certificate out, trusted or not.
        there = anchor.fingerprint in (prints if anchor.wanted else held)
        if there == anchor.wanted:
            return Plan("none", before=shown(prints), after=shown(prints))
        files = tuple(os.path.join(folder, name) for name in _FILES)
        after = changed(prints, anchor)
        return Plan("add" if anchor.wanted else "remove", files, files, shown(prints), shown(after))

    def apply(self, anchor: Anchor, plan: Plan) -> None:
        """See Store."""
        folder, data = self._read()
        with workshop() as place:
            for name, content in data.items():
                write(os.path.join(place, name), content)
            before = self._held(place)
            expected = set(changed(_trusted(before), anchor))
            if anchor.wanted:
                write(os.path.join(place, "root"), anchor.pem)
                words = ("-A", "-n", anchor.name, "-t", "C,,", "-a", "-i", os.path.join(place, "root"))
                self._certutil(place, *words, *self._password_words(place))
            else:
                self._delete(place, before[anchor.fingerprint][0], anchor)
            after = self._held(place)
            others = set(after) - {anchor.fingerprint} == set(before) - {anchor.fingerprint}
            if set(_trusted(after)) != expected or not others or (anchor.fingerprint in after) != anchor.wanted:
                raise StoreProblem(f"{self.path}: certutil's copy is not as wanted; the database was left as it was")
            new = {name: read_store(os.path.join(place, name)) or b"" for name in _FILES}
        with held(folder, lock=True) as database:
            if self._read()[1] != data:
                raise StoreProblem(f"{self.path} was changed by somebody else in this moment; run this again")
            for name in _FILES:
                database.replace(name, new[name])

    def _delete(self, place: str, nickname: str, anchor: Anchor) -> None:
        """Roots of one subject can share a nickname; certutil then deletes one of them, which must be the right one."""
        self._certutil(place, "-D", "-n", nickname)
        if anchor.fingerprint not in self._held(place):
            return
        raise StoreProblem(f"{self.path} has several certificates under the name '{nickname}': remove this one by hand")

    def _password_words(self, place: str) -> tuple[str, ...]:
        if self._password is None:
            return ()
        path = os.path.join(place, "password")
        write(path, self._password.encode() + b"\n")
        return ("-f", path)

    def _read(self) -> tuple[str, dict[str, bytes]]:
        folder = resolved(self.path)
        found = {name: read_store(os.path.join(folder, name)) for name in (*_FILES, "pkcs11.txt")}
        if found["cert9.db"] is None:
            old = os.path.exists(os.path.join(folder, "cert8.db"))
            why = "an NSS database of the old format (cert8.db)" if old else "no NSS database (no cert9.db)"
            raise StoreProblem(f"{self.path}: {why}; a store is changed, and never made")
        if found["key4.db"] is None:
            raise StoreProblem(f"{self.path}: an NSS database without its key4.db")
        for name in _FILES:
            if read_store(os.path.join(folder, name + "-journal")):
                raise StoreProblem(f"{self.path} is being written to by an application: stop it first")
        return folder, {name: content for name, content in found.items() if content is not None}

    def _held(self, folder: str) -> Held:
        held: Held = {}
        for nickname in dict(parse_nss_list(self._certutil(folder, "-L"))):
            for key, trust in parse_details(self._certutil(folder, "-L", "-n", nickname)).items():
                held.setdefault(key, (nickname, trust))
        return held

    def _certutil(self, folder: str, *words: str) -> str:
        output = self._host.run("certutil", *words, "-d", f"sql:{folder}")
        if output is None:
            raise StoreProblem(f"{self.path}: no certutil on this gateway to read or change it with")
        if output.status != 0:
            said = " ".join((output.stderr or output.stdout).split())[:200]
            raise StoreProblem(f"{self.path}: certutil {words[0]}: {said or 'it failed without a word'}")
        return output.stdout


def parse_details(text: str) -> dict[str, bool]:
    """{fingerprint: trusted for servers} of what `certutil -L -n` shows; certificates of one subject come together."""
    found = {}
    starts = [match.start() for match in re.finditer(r"^Certificate:$", text, re.MULTILINE)]
    for start, end in zip(starts, [*starts[1:], len(text)]):
        key, flags = _FINGERPRINT.search(text, start, end), _SSL_FLAGS.search(text, start, end)
        if key:
            trust = flags is not None and "Trusted CA" in [line.strip() for line in flags[1].splitlines()]
            found[key[1].replace(":", "").lower()] = trust
    return found


def _trusted(held: Held) -> dict[str, str]:
    return {key: nickname for key, (nickname, trust) in held.items() if trust}
