# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Java keystore (JKS or PKCS#12). keytool works on a copy, which is read again and then renamed into its place."""

from __future__ import annotations

import os
import re

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.files import (
    read_store,
    replace,
    workshop,
    write,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import StoreProblem, resolved
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import (
    StoreError,
    fingerprint,
    jks_certificates,
    pem_certificates,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.plan import Anchor, Plan, changed, shown

_VARIABLE = "CERT_HYGIENE_STOREPASS"
_JKS_MAGIC = b"\xfe\xed\xfe\xed"
_ENTRY = re.compile(r"^Alias name: ", re.MULTILINE)
_KIND = re.compile(r"^Entry type: (\w+)", re.MULTILINE)
#: English answers whatever the gateway speaks, no folder of Java's left in /tmp, and half the processor's time.
_JAVA = ("-J-Duser.language=en", "-J-Duser.country=US", "-J-XX:-UsePerfData", "-J-XX:TieredStopAtLevel=1")

Entries = dict[str, tuple[str, tuple[str, ...]]]
"""alias -> (kind of entry, fingerprints of its certificates)"""


class JavaStore:
    """`path`: the keystore, followed where it is a link; `password`: handed to keytool in its environment alone."""

    kind = "java"

    def __init__(self, host: Host, path: str, password: str) -> None:
        self.path = path
        self._host = host
        self._password = password

    def plan(self, anchor: Anchor) -> Plan:
        """See Store. A JKS that is as wanted is read without keytool and without its password."""
        target, data = self._read()
        if data[:4] == _JKS_MAGIC:
            try:
                plain = {fingerprint(der): "" for der in jks_certificates(data)}
            except StoreError as problem:
                raise StoreProblem(f"{self.path}: {problem}") from None
            if (anchor.fingerprint in plain) == anchor.wanted:
                return Plan("none", before=shown(plain), after=shown(plain))
        entries = self._entries(target)
        held = trusted(entries)
        if (anchor.fingerprint in held) == anchor.wanted:
            return Plan("none", before=shown(held), after=shown(held))
        if anchor.wanted and anchor.name in entries:
            raise StoreProblem(f"{self.path} has another certificate under the name '{anchor.name}'")
        change = "add" if anchor.wanted else "remove"
        return Plan(change, (target,), (target,), shown(held), shown(changed(held, anchor)))

    def apply(self, anchor: Anchor, plan: Plan) -> None:
        """See Store."""
        target, data = self._read()
        with workshop() as place:
            made, root = os.path.join(place, "store"), os.path.join(place, "root")
            write(made, data)
            before = self._entries(made)
            expected = dict(before)
            if anchor.wanted:
                write(root, anchor.pem)
                self._keytool(made, "-importcert", "-noprompt", "-alias", anchor.name, "-file", root)
                expected[anchor.name] = ("trustedCertEntry", (anchor.fingerprint,))
            else:
                for alias, entry in before.items():
                    if entry == ("trustedCertEntry", (anchor.fingerprint,)):
                        self._keytool(made, "-delete", "-alias", alias)
                        del expected[alias]
            if self._entries(made) != expected:
                raise StoreProblem(f"{self.path}: keytool's copy is not as wanted; the keystore was left as it was")
            new = read_store(made) or b""
        replace(target, new, unless=data)

    def _read(self) -> tuple[str, bytes]:
        target = resolved(self.path)
        data = read_store(target)
        if data is None:
            raise StoreProblem(f"{self.path}: no such file; a store is changed, and never made")
        return target, data

    def _entries(self, path: str) -> Entries:
        return parse_entries(self._keytool(path, "-list", "-rfc"))

    def _keytool(self, path: str, *words: str) -> str:
        output = self._host.run(
            *("keytool", *words, "-keystore", path, "-storepass:env", _VARIABLE, *_JAVA),
            environment={_VARIABLE: self._password},
        )
        if output is None:
            raise StoreProblem(f"{self.path}: no keytool on this gateway to read or change it with")
        if output.status != 0:
            said = output.stdout + output.stderr
            why = "its password is another" if "password was incorrect" in said else _last_line(said)
            raise StoreProblem(f"{self.path}: keytool {words[0]}: {why}")
        return output.stdout


def parse_entries(text: str) -> Entries:
    """The entries that `keytool -list -rfc` shows."""
    found: Entries = {}
    for part in _ENTRY.split(text)[1:]:
        alias, _newline, rest = part.partition("\n")
        kind = _KIND.search(rest)
        prints = tuple(fingerprint(der) for der in pem_certificates(rest.encode()))
        found[alias.strip()] = (kind[1] if kind else "?", prints)
    return found


def trusted(entries: Entries) -> dict[str, str]:
    """{fingerprint: alias} of the trusted certificates; the chain of a key is none."""
    return {prints[0]: alias for alias, (kind, prints) in entries.items() if kind == "trustedCertEntry" and prints}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("Warning")]
    return lines[-1][:200] if lines else "it failed without a word"
