# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PEM bundle that an application names. Every byte but those of the one certificate stays as it is."""

from __future__ import annotations

import re

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.files import read_store, replace
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import StoreProblem, resolved
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import fingerprint, pem_certificates
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.plan import Anchor, Plan, changed, shown

_BLOCK = re.compile(
    rb"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----[A-Za-z0-9+/=\s]+?-----END \1-----[ \t]*(?:\r?\n)?"
)
_BEGIN = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")
#: Written by the system's own command: what is added here is gone at its next run.
_GENERATED = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/",
    "/var/lib/ca-certificates/",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class BundleStore:
    """`path`: the file, followed where it is a link."""

    kind = "file"

    def __init__(self, path: str) -> None:
        self.path = path

    def plan(self, anchor: Anchor) -> Plan:
        """See Store."""
        target, data = self._read()
        held = _held(data)
        if (anchor.fingerprint in held) == anchor.wanted:
            return Plan("none", before=shown(held), after=shown(held))
        after = changed(held, anchor)
        return Plan("add" if anchor.wanted else "remove", (target,), (target,), shown(held), shown(after))

    def apply(self, anchor: Anchor, plan: Plan) -> None:
        """See Store."""
        target, data = self._read()
        held = _held(data)
        # Not asked in plan: the root that stays may only be on its way.
        if not changed(held, anchor):
            raise StoreProblem(f"{self.path} would be left without any certificate")
        if anchor.wanted:
            new = data + (b"" if not data or data.endswith(b"\n") else b"\n") + anchor.pem
        else:
            new = _BLOCK.sub(lambda block: b"" if _held(block[0]).keys() == {anchor.fingerprint} else block[0], data)
        if set(_held(new)) != set(changed(held, anchor)):
            raise StoreProblem(f"{self.path} cannot be changed without touching its other certificates")
        replace(target, new, unless=data)

    def _read(self) -> tuple[str, bytes]:
        target = resolved(self.path)
        if target.startswith(_GENERATED) or self.path.startswith(_GENERATED):
            raise StoreProblem(f"{self.path} is written by the system's own command: name the system's store instead")
        data = read_store(target)
        if data is None:
            raise StoreProblem(f"{self.path}: no such file; a store is changed, and never made")
        if b"PRIVATE KEY-----" in data:
            raise StoreProblem(f"{self.path} holds a private key: this is no bundle of authorities")
        if len(_BEGIN.findall(data)) != len(pem_certificates(data)):
            raise StoreProblem(f"{self.path} holds a broken certificate, behind which nothing would be read")
        return target, data


def _held(data: bytes) -> dict[str, str]:
    return {fingerprint(der): "" for der in pem_certificates(data)}
