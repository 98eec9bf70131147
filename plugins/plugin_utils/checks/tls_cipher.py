# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on encryption: what was agreed upon encrypts, for one known partner, with what nobody breaks (2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import MAX_ITEMS
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data

#: Flaws that no policy accepts, the gravest first: what a suite's registered name (IANA) says.
_BROKEN = {
    # RFC 9150's suites of TLS 1.3 protect integrity alone, and do not say so in their name.
    "cipher_null": re.compile(r"_NULL(_|$)|^TLS_SHA(256|384)_SHA(256|384)$"),
    "cipher_anonymous": re.compile(r"_anon_"),
    "cipher_export": re.compile(r"_EXPORT|_RC2_CBC_40|_DES40_"),
    "cipher_des": re.compile(r"_DES_CBC(_|$)"),
    "cipher_rc4": re.compile(r"_RC4_"),
}
#: Flaws that a preset of the policy names: of any suite that is accepted, …
_OUTDATED = {"small_blocks": re.compile(r"_3DES_|_IDEA_|_RC2_"), "md5": re.compile(r"_MD5$")}
#: … or only of the one that a usual client is given: it is harmless where both sides can do better, and do.
_GIVEN = {
    "cbc_sha1": re.compile(r"_CBC_SHA$"),
    "static_rsa": re.compile(r"^TLS_RSA_WITH_"),
    "static_dh": re.compile(r"^TLS_(DH|ECDH)_(RSA|DSS|ECDSA)_"),
}
_CURVE_BITS = {"x25519": 256, "x448": 448, "curvesm2": 256}
_DIGITS = re.compile(r"[0-9]{3,5}")


def _seen(facts: EndpointFacts) -> Iterator[tuple[str, str | None]]:
    """(suite, version) of everything that was agreed upon: by the usual hellos, then by the one of weak suites."""
    seen = facts.observed
    yield seen.negotiated.cipher or "", seen.negotiated.version
    for version, entry in seen.versions.items():
        if entry.status == "accepted":
            yield entry.cipher, version
    for name in seen.weak_suites.accepted:
        yield name, None


def _small_group(name: str | None, limits: Mapping[str, Any]) -> bool:
    """Whether a key exchange's group ("secp256r1", "ffdhe2048", "dh1024") is below what the preset asks for."""
    digits = _DIGITS.search(name or "")
    if name is None or (digits is None and name.lower() not in _CURVE_BITS):
        return False
    if name.lower().startswith(("dh", "ffdhe")):
        return digits is not None and int(digits[0]) < limits["min_dh_bits"]
    bits = _CURVE_BITS.get(name.lower()) or int(digits[0] if digits else 0)
    return bool(bits < limits["min_ec_bits"])


def _has_flaw(suite: str, flaws: Mapping[str, re.Pattern[str]], refused: Iterable[str]) -> bool:
    return any(flaws[flaw].search(suite) for flaw in refused if flaw in flaws)


def judge_cipher(facts: EndpointFacts, policy: Mapping[str, Any]) -> Verdict:
    """tls_cipher: no suite without encryption or authentication, none that is broken, none that the preset calls old.

    Judged by what the visit's hellos agreed upon; whether weak suites would be accepted from a client that offers
    nothing else is asked at the depth `thorough` alone, and the finding says where it was not.
    """
    unseen = facts.unseen()
    if unseen:
        return unseen
    name = policy["cipher_preset"]
    limits = load_data("checks/cipher_presets")[name]
    negotiated, weak = facts.observed.negotiated, facts.observed.weak_suites.status
    found = {suite: version for suite, version in reversed([*_seen(facts)]) if suite}
    observed: dict[str, Any] = {
        "version": negotiated.version,
        "cipher": negotiated.cipher,
        "key_exchange": negotiated.group,
        "signature_algorithm": negotiated.signature_algorithm,
        "weak_suites": weak if weak in ("accepted", "refused", "undetermined") else "not_tested",
        "unknown": facts.unknown,
    }
    expected = {
        "preset": name,
        "min_dh_bits": limits["min_dh_bits"],
        "min_ec_bits": limits["min_ec_bits"],
    }
    for reason, pattern in _BROKEN.items():
        suites = [suite for suite in found if pattern.search(suite)]
        if suites:
            return Verdict(reason, {**observed, "suites": suites[:MAX_ITEMS]}, expected)
    outdated = [suite for suite in found if _has_flaw(suite, _OUTDATED, limits["refused"])]
    given = _has_flaw(negotiated.cipher or "", _GIVEN, limits["refused"])
    # Our hellos lead with what costs the device least: only a whole handshake is what a usual client is given.
    if given and facts.observed.handshake == "completed":
        outdated = list(dict.fromkeys([*outdated, str(negotiated.cipher)]))
        given = False
    if outdated:
        return Verdict("cipher_outdated", {**observed, "suites": outdated[:MAX_ITEMS]}, expected)
    if _small_group(negotiated.group, limits):
        return Verdict("group_too_small", observed, expected)
    if given or not any(suite.startswith("TLS_") for suite in found) or weak == "undetermined":
        unsteady = facts.observed.answers_unsteadily is True
        return Verdict("answers_unsteadily" if unsteady else "cipher_undetermined", observed, expected)
    return Verdict("cipher_sound", observed, expected)


CHECK = ("tls_cipher", "endpoint", lambda facts, s: judge_cipher(facts, s.policy))
