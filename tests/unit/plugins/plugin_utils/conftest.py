# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small hospital authority that the tests of this folder share."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ansible_collections.biomed.cert_hygiene.tests.unit import pki_factory as pki


@dataclass(frozen=True)
class HospitalPki:
    """A root, an issuing authority below it, and one device's certificate below that."""

    root: pki.Identity
    issuing: pki.Identity
    device: pki.Identity

    @property
    def chain(self) -> list[bytes]:
        """What a well configured device sends."""
        return [self.device.der, self.issuing.der]


@pytest.fixture(scope="session")
def hospital() -> HospitalPki:
    root = pki.make("Hospital Root", ca=True, path_length=1)
    issuing = pki.make("Hospital Issuing", root, ca=True, path_length=0)
    device = pki.make("echo-004", issuing, dns=["echo-004.hopital.example"], ips=["10.20.1.14"])
    return HospitalPki(root, issuing, device)
