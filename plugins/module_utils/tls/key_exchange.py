# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the keys of a session are agreed on, and what signs it: read from a ServerKeyExchange, and the names of both.

Sources: RFC 5246 7.4.3, RFC 8422 5.4, the IANA "TLS Supported Groups" and "TLS SignatureScheme" registries.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.suites import cipher_name, key_of

GROUPS = {
    0x0016: "secp256k1",
    0x0017: "secp256r1",
    0x0018: "secp384r1",
    0x0019: "secp521r1",
    0x001A: "brainpoolP256r1",
    0x001B: "brainpoolP384r1",
    0x001C: "brainpoolP512r1",
    0x001D: "x25519",
    0x001E: "x448",
    0x001F: "brainpoolP256r1tls13",
    0x0020: "brainpoolP384r1tls13",
    0x0021: "brainpoolP512r1tls13",
    0x0029: "curveSM2",
    0x0100: "ffdhe2048",
    0x0101: "ffdhe3072",
    0x0102: "ffdhe4096",
    0x11EB: "SecP256r1MLKEM768",
    0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
}

SIGNATURES = {
    0x0101: "rsa_pkcs1_md5",
    0x0201: "rsa_pkcs1_sha1",
    0x0202: "dsa_sha1",
    0x0203: "ecdsa_sha1",
    0x0301: "rsa_pkcs1_sha224",
    0x0302: "dsa_sha224",
    0x0303: "ecdsa_sha224",
    0x0401: "rsa_pkcs1_sha256",
    0x0402: "dsa_sha256",
    0x0403: "ecdsa_secp256r1_sha256",
    0x0501: "rsa_pkcs1_sha384",
    0x0503: "ecdsa_secp384r1_sha384",
    0x0601: "rsa_pkcs1_sha512",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0708: "sm2sig_sm3",
    0x0804: "rsa_pss_rsae_sha256",
    0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512",
    0x0807: "ed25519",
    0x0808: "ed448",
    0x0809: "rsa_pss_pss_sha256",
    0x080A: "rsa_pss_pss_sha384",
    0x080B: "rsa_pss_pss_sha512",
    0x081A: "ecdsa_brainpoolP256r1tls13_sha256",
    0x081B: "ecdsa_brainpoolP384r1tls13_sha384",
    0x081C: "ecdsa_brainpoolP512r1tls13_sha512",
}
#: Before TLS 1.2 the algorithm is no choice (RFC 4346, 7.4.3; RFC 4492, 5.4).
_FIXED_SIGNATURES = {"rsa": "rsa_pkcs1_md5_sha1", "ecdsa": "ecdsa_sha1"}
_NAMED_CURVE = 3
_TLS12 = 0x0303


@dataclass(frozen=True)
class KeyExchange:
    """What a ServerKeyExchange says. `group_number`: of a curve; `prime_bits`: of classic Diffie-Hellman."""

    group: str | None = None
    group_number: int | None = None
    prime_bits: int | None = None
    signature: str | None = None


def group_name(number: int | None) -> str | None:
    """The registry's name of a group, its number in hexadecimal where there is none."""
    return None if number is None else GROUPS.get(number, f"0x{number:04X}")


def signature_name(number: int) -> str:
    """The registry's name of a signature algorithm, its number in hexadecimal where there is none."""
    return SIGNATURES.get(number, f"0x{number:04X}")


def signature_key(name: str | None) -> str:
    """The kind of key that made a signature: rsa | ecdsa (Ed25519 and Ed448 too) | any."""
    if name is None:
        return "any"
    return "rsa" if name.startswith("rsa") else "ecdsa" if name.startswith(("ecdsa", "ed")) else "any"


def read_key_exchange(cipher: int, version: int, body: bytes) -> KeyExchange:
    """Read a ServerKeyExchange; what is cut short is left out."""
    name = cipher_name(cipher)
    if name.startswith(("TLS_ECDHE_", "TLS_ECDH_anon")):
        if len(body) < 4 or body[0] != _NAMED_CURVE:
            return KeyExchange(group="explicit curve" if body[:1] in (b"\x01", b"\x02") else None)
        number = int.from_bytes(body[1:3], "big")
        rest = body[4 + body[3] :]
        return KeyExchange(group_name(number), number, None, _signature(cipher, version, rest))
    if name.startswith(("TLS_DHE_", "TLS_DH_anon")):
        bits = 8 * int.from_bytes(body[:2], "big")
        at = 0
        for _value in range(3):  # prime, generator, public value
            at += 2 + int.from_bytes(body[at : at + 2], "big")
        return KeyExchange(f"dh{bits}", None, bits, _signature(cipher, version, body[at:]))
    return KeyExchange()


def _signature(cipher: int, version: int, rest: bytes) -> str | None:
    if len(rest) < 4:
        return None
    if version < _TLS12:
        return _FIXED_SIGNATURES.get(key_of(cipher), "dsa_sha1" if "_DSS_" in cipher_name(cipher) else None)
    return signature_name(int.from_bytes(rest[:2], "big"))
