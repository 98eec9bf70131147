# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says a device does not have: its checks have no object, as long as nobody saw the contrary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What was seen is judged whatever the inventory says; only these reasons mean that there was nothing to look at.
_UNSEEN_TLS = frozenset({"endpoint_not_declared"})
_UNSEEN_ACCOUNTS = frozenset({"login_needed", "login_not_asked", "login_not_supported", "access_not_checked"})
_UNSEEN_LABEL = frozenset({"attestation_needed"})

_SERVICE_CHECKS = frozenset({"tls_versions", "tls_cipher", "certificate_trust", "certificate_name"})
_CERTIFICATE_CHECKS = frozenset({"certificate_validity", "certificate_signature", "certificate_key"})

#: Key of the card, false there -> (checks, the reasons that it answers, the reason that it gives).
_FACTS = (
    ("has_certificate", _SERVICE_CHECKS | _CERTIFICATE_CHECKS, _UNSEEN_TLS, "no_certificate"),
    ("has_tls_services", _SERVICE_CHECKS, _UNSEEN_TLS, "no_tls_services"),
    ("has_accounts", frozenset({"default_passwords", "stale_accounts"}), _UNSEEN_ACCOUNTS, "no_accounts"),
    ("has_label", frozenset({"label"}), _UNSEEN_LABEL, "no_label"),
)


def not_applicable(device: Mapping[str, Any], check: str, reason: str) -> str | None:
    """The reason for which a check that was not assessed for `reason` does not apply to this device; else None."""
    for key, checks, answered, said in _FACTS:
        if device.get(key) is False and check in checks and reason in answered:
            return said
    return None
