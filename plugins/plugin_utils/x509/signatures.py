# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of signature algorithms and public keys, and whether a signature was made by a key.

SHA-1 and MD5 are verified like any other: whether an algorithm is strong enough is judged elsewhere, and a link that
is merely old must not look forged. `Certificate.verify_directly_issued_by` raises on both, hence the direct calls.
"""

from __future__ import annotations

import functools
import hashlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
except ImportError:
    #: For the actions, which name the missing library before anything else is done.
    CRYPTOGRAPHY_ERROR: str | None = traceback.format_exc()
else:
    CRYPTOGRAPHY_ERROR = None

# Verifying costs time that grows with the cube of the size; no authority uses more.
_MAX_RSA_BITS = 16384
_MAX_DSA_BITS = 4096
# No key of these families is as large; what is remembered of hostile ones stays small.
_MAX_KEY_BYTES = 8192
_MAX_ALGORITHM_BYTES = 1024


@functools.cache
def _hashes() -> dict[str, hashes.HashAlgorithm]:
    return {
        "md5": hashes.MD5(),
        "sha1": hashes.SHA1(),
        "sha224": hashes.SHA224(),
        "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(),
        "sha512": hashes.SHA512(),
        "sha512-224": hashes.SHA512_224(),
        "sha512-256": hashes.SHA512_256(),
        "sha3-224": hashes.SHA3_224(),
        "sha3-256": hashes.SHA3_256(),
        "sha3-384": hashes.SHA3_384(),
        "sha3-512": hashes.SHA3_512(),
    }


_HASH_IDS = {
    der.oid(number): name
    for number, name in {
        "1.2.840.113549.2.5": "md5",
        "1.3.14.3.2.26": "sha1",
        "2.16.840.1.101.3.4.2.4": "sha224",
        "2.16.840.1.101.3.4.2.1": "sha256",
        "2.16.840.1.101.3.4.2.2": "sha384",
        "2.16.840.1.101.3.4.2.3": "sha512",
        "2.16.840.1.101.3.4.2.5": "sha512-224",
        "2.16.840.1.101.3.4.2.6": "sha512-256",
        "2.16.840.1.101.3.4.2.7": "sha3-224",
        "2.16.840.1.101.3.4.2.8": "sha3-256",
        "2.16.840.1.101.3.4.2.9": "sha3-384",
        "2.16.840.1.101.3.4.2.10": "sha3-512",
    }.items()
}

_RSA_PSS = der.oid("1.2.840.113549.1.1.10")
_RSA = der.oid("1.2.840.113549.1.1.1")
_MGF1 = der.oid("1.2.840.113549.1.1.8")

# number -> (name, family, hash); names of RFC 3279, 4055, 5758, 8410, 8692 and 9881
_ALGORITHMS: dict[bytes, tuple[str, str, str | None]] = {
    der.oid(number): entry
    for number, entry in {
        "1.2.840.113549.1.1.2": ("md2WithRSAEncryption", "rsa", None),
        "1.2.840.113549.1.1.3": ("md4WithRSAEncryption", "rsa", None),
        "1.2.840.113549.1.1.4": ("md5WithRSAEncryption", "rsa", "md5"),
        "1.3.14.3.2.3": ("md5WithRSAEncryption", "rsa", "md5"),
        "1.2.840.113549.1.1.5": ("sha1WithRSAEncryption", "rsa", "sha1"),
        "1.3.14.3.2.29": ("sha1WithRSAEncryption", "rsa", "sha1"),
        "1.2.840.113549.1.1.14": ("sha224WithRSAEncryption", "rsa", "sha224"),
        "1.2.840.113549.1.1.11": ("sha256WithRSAEncryption", "rsa", "sha256"),
        "1.2.840.113549.1.1.12": ("sha384WithRSAEncryption", "rsa", "sha384"),
        "1.2.840.113549.1.1.13": ("sha512WithRSAEncryption", "rsa", "sha512"),
        "1.2.840.113549.1.1.15": ("sha512-224WithRSAEncryption", "rsa", "sha512-224"),
        "1.2.840.113549.1.1.16": ("sha512-256WithRSAEncryption", "rsa", "sha512-256"),
        "2.16.840.1.101.3.4.3.13": ("id-rsassa-pkcs1-v1-5-with-sha3-224", "rsa", "sha3-224"),
        "2.16.840.1.101.3.4.3.14": ("id-rsassa-pkcs1-v1-5-with-sha3-256", "rsa", "sha3-256"),
        "2.16.840.1.101.3.4.3.15": ("id-rsassa-pkcs1-v1-5-with-sha3-384", "rsa", "sha3-384"),
        "2.16.840.1.101.3.4.3.16": ("id-rsassa-pkcs1-v1-5-with-sha3-512", "rsa", "sha3-512"),
        "1.2.840.10045.4.1": ("ecdsa-with-SHA1", "ec", "sha1"),
        "1.2.840.10045.4.3.1": ("ecdsa-with-SHA224", "ec", "sha224"),
        "1.2.840.10045.4.3.2": ("ecdsa-with-SHA256", "ec", "sha256"),
        "1.2.840.10045.4.3.3": ("ecdsa-with-SHA384", "ec", "sha384"),
        "1.2.840.10045.4.3.4": ("ecdsa-with-SHA512", "ec", "sha512"),
        "2.16.840.1.101.3.4.3.9": ("ecdsa-with-SHA3-224", "ec", "sha3-224"),
        "2.16.840.1.101.3.4.3.10": ("ecdsa-with-SHA3-256", "ec", "sha3-256"),
        "2.16.840.1.101.3.4.3.11": ("ecdsa-with-SHA3-384", "ec", "sha3-384"),
        "2.16.840.1.101.3.4.3.12": ("ecdsa-with-SHA3-512", "ec", "sha3-512"),
        "1.2.840.10040.4.3": ("dsa-with-SHA1", "dsa", "sha1"),
        "1.3.14.3.2.27": ("dsa-with-SHA1", "dsa", "sha1"),
        "2.16.840.1.101.3.4.3.1": ("dsa-with-SHA224", "dsa", "sha224"),
        "2.16.840.1.101.3.4.3.2": ("dsa-with-SHA256", "dsa", "sha256"),
        "2.16.840.1.101.3.4.3.3": ("dsa-with-SHA384", "dsa", "sha384"),
        "2.16.840.1.101.3.4.3.4": ("dsa-with-SHA512", "dsa", "sha512"),
        "1.3.101.112": ("ed25519", "ed25519", None),
        "1.3.101.113": ("ed448", "ed448", None),
        "2.16.840.1.101.3.4.3.17": ("ML-DSA-44", "other", None),
        "2.16.840.1.101.3.4.3.18": ("ML-DSA-65", "other", None),
        "2.16.840.1.101.3.4.3.19": ("ML-DSA-87", "other", None),
        **{
            f"2.16.840.1.101.3.4.3.{number}": (f"SLH-DSA-{name}", "other", None)
            for number, name in enumerate(
                (f"{hash_}-{bits}{speed}" for hash_ in ("SHA2", "SHAKE") for bits in (128, 192, 256) for speed in "sf"),
                20,
            )
        },
    }.items()
}

# SECG and Brainpool names of named curves, with the size of their field in bits.
_CURVES = {
    der.oid(number): entry
    for number, entry in {
        "1.2.840.10045.3.1.1": ("secp192r1", 192),
        "1.2.840.10045.3.1.7": ("secp256r1", 256),
        "1.3.132.0.1": ("sect163k1", 163),
        "1.3.132.0.6": ("secp112r1", 112),
        "1.3.132.0.8": ("secp160r1", 160),
        "1.3.132.0.9": ("secp160k1", 160),
        "1.3.132.0.10": ("secp256k1", 256),
        "1.3.132.0.15": ("sect163r2", 163),
        "1.3.132.0.16": ("sect283k1", 283),
        "1.3.132.0.17": ("sect283r1", 283),
        "1.3.132.0.26": ("sect233k1", 233),
        "1.3.132.0.27": ("sect233r1", 233),
        "1.3.132.0.28": ("secp128r1", 128),
        "1.3.132.0.30": ("secp160r2", 160),
        "1.3.132.0.31": ("secp192k1", 192),
        "1.3.132.0.32": ("secp224k1", 224),
        "1.3.132.0.33": ("secp224r1", 224),
        "1.3.132.0.34": ("secp384r1", 384),
        "1.3.132.0.35": ("secp521r1", 521),
        "1.3.132.0.36": ("sect409k1", 409),
        "1.3.132.0.37": ("sect409r1", 409),
        "1.3.132.0.38": ("sect571k1", 571),
        "1.3.132.0.39": ("sect571r1", 571),
        "1.3.36.3.3.2.8.1.1.3": ("brainpoolP192r1", 192),
        "1.3.36.3.3.2.8.1.1.5": ("brainpoolP224r1", 224),
        "1.3.36.3.3.2.8.1.1.7": ("brainpoolP256r1", 256),
        "1.3.36.3.3.2.8.1.1.9": ("brainpoolP320r1", 320),
        "1.3.36.3.3.2.8.1.1.11": ("brainpoolP384r1", 384),
        "1.3.36.3.3.2.8.1.1.13": ("brainpoolP512r1", 512),
    }.items()
}

# Keys that are known by name and used nowhere here: RFC 8410 key agreement, FIPS 203 to 205 (RFC 9881, 9909, 9935).
_NAMED_KEYS = {
    der.oid(number): name
    for number, name in {
        "1.3.101.110": "X25519",
        "1.3.101.111": "X448",
        "2.16.840.1.101.3.4.4.1": "ML-KEM-512",
        "2.16.840.1.101.3.4.4.2": "ML-KEM-768",
        "2.16.840.1.101.3.4.4.3": "ML-KEM-1024",
    }.items()
} | {number: name for number, (name, family, _hash) in _ALGORITHMS.items() if family == "other"}

_DSA = (der.oid("1.2.840.10040.4.1"), der.oid("1.3.14.3.2.12"))
_EC = der.oid("1.2.840.10045.2.1")
_EDWARDS = {der.oid("1.3.101.112"): ("Ed25519", 256), der.oid("1.3.101.113"): ("Ed448", 456)}


@dataclass(frozen=True)
class KeyFacts:
    """kind: RSA, EC, DSA, Ed25519, Ed448, a name of _NAMED_KEYS or other; curve: `explicit` where its parameters are
    written out; exponent: the public one of an RSA key."""

    kind: str
    bits: int | None = None
    curve: str | None = None
    exponent: int | None = None


@dataclass(frozen=True)
class _Scheme:
    name: str
    family: str
    hash: str | None
    mask_hash: str | None = None
    salt: int = 0


def key_facts(spki: bytes) -> KeyFacts:
    """What a SubjectPublicKeyInfo holds, also for keys that cannot be used here. Raises DerError."""
    return _key_facts(spki) if len(spki) <= _MAX_KEY_BYTES else _key_facts.__wrapped__(spki)


@functools.lru_cache(maxsize=1024)
def _key_facts(spki: bytes) -> KeyFacts:
    fields = der.members(spki)
    if [field[0] for field in fields] != [der.SEQUENCE, der.BIT_STRING]:
        raise DerError("not a public key")
    start, stop = der.expect(spki, fields[0][2], fields[0][3], der.OID)
    kind = spki[start:stop]
    parameters = spki[stop : fields[0][3]]
    if kind in (_RSA, _RSA_PSS):
        modulus, exponent = _rsa_numbers(spki)
        return KeyFacts("RSA", _positive(modulus.bit_length()), exponent=exponent)
    if kind == _EC:
        return _ec_facts(parameters)
    if kind in _DSA:
        # The parameters may be inherited from the issuer (RFC 3279 section 2.3.2): the size is then unknown here.
        if parameters[:1] != b"\x30":
            return KeyFacts("DSA")
        prime = _nth(der.members(parameters), 0)
        return KeyFacts("DSA", _positive(der.integer(parameters[prime[2] : prime[3]]).bit_length()))
    if kind in _EDWARDS:
        return KeyFacts(*_EDWARDS[kind])
    return KeyFacts(_NAMED_KEYS.get(kind, "other"))


def _positive(bits: int) -> int | None:
    """A size that can be one."""
    return bits if bits > 0 else None


def _nth(elements: list[der.Element], index: int) -> der.Element:
    if len(elements) <= index:
        raise DerError("an incomplete key")
    return elements[index]


def _rsa_numbers(spki: bytes) -> tuple[int, int]:
    """Modulus and public exponent."""
    key = der.members(spki)[1]
    numbers = der.whole_bytes(spki[key[2] : key[3]])
    fields = der.members(numbers)
    if [field[0] for field in fields] != [der.INTEGER, der.INTEGER]:
        raise DerError("not an RSA public key")
    # Some encoders forget the zero byte that keeps a modulus positive.
    modulus, exponent = (int.from_bytes(numbers[field[2] : field[3]], "big") for field in fields)
    return modulus, exponent


def _ec_facts(parameters: bytes) -> KeyFacts:
    tag, start, stop = der.read(parameters, 0, len(parameters))
    if tag == der.OID:
        number = parameters[start:stop]
        name, size = _CURVES.get(number, (der.dotted(number), None))
        return KeyFacts("EC", size, name)
    if tag == der.SEQUENCE:
        # SpecifiedECDomain (RFC 3279 section 2.3.5): version, field {type, prime | characteristic two {m, …}}, …
        field = _nth(der.children(parameters, start, stop), 1)
        prime = _nth(der.children(parameters, field[2], field[3]), 1)
        if prime[0] == der.SEQUENCE:
            exponent = _nth(der.children(parameters, prime[2], prime[3]), 0)
            return KeyFacts("EC", _positive(der.integer(parameters[exponent[2] : exponent[3]])), "explicit")
        return KeyFacts("EC", _positive(der.integer(parameters[prime[2] : prime[3]]).bit_length()), "explicit")
    return KeyFacts("EC")


@functools.lru_cache(maxsize=256)
def _scheme(algorithm: bytes) -> _Scheme:
    """The scheme that an AlgorithmIdentifier names. Raises DerError."""
    start, stop = der.expect(algorithm, 0, len(algorithm), der.SEQUENCE)
    id_start, id_stop = der.expect(algorithm, start, stop, der.OID)
    number = algorithm[id_start:id_stop]
    if number == _RSA_PSS:
        return _pss_scheme(algorithm[id_stop:stop])
    name, family, digest = _ALGORITHMS.get(number) or (der.dotted(number), "other", None)
    return _Scheme(name, family, digest)


def _pss_scheme(parameters: bytes) -> _Scheme:
    """RSASSA-PSS-params, RFC 4055 section 3.1: all that is left out is SHA-1, MGF1 with SHA-1, 20 bytes of salt."""
    digest, mask, salt = "sha1", "sha1", 20
    for tag, _header, start, stop in der.members(parameters) if parameters else []:
        if tag == 0xA0:
            digest = _hash_name(parameters, start, stop)
        elif tag == 0xA1:
            first, last = der.expect(parameters, start, stop, der.SEQUENCE)
            id_start, id_stop = der.expect(parameters, first, last, der.OID)
            if parameters[id_start:id_stop] != _MGF1:
                raise DerError("unknown mask generation function")
            mask = _hash_name(parameters, id_stop, last)
        elif tag == 0xA2:
            first, last = der.expect(parameters, start, stop, der.INTEGER)
            salt = der.integer(parameters[first:last])
    return _Scheme(f"rsassaPss-{digest}", "pss", digest, mask, salt)


def _hash_name(data: bytes, start: int, stop: int) -> str:
    first, last = der.expect(data, start, stop, der.SEQUENCE)
    id_start, id_stop = der.expect(data, first, last, der.OID)
    number = data[id_start:id_stop]
    return _HASH_IDS.get(number) or der.dotted(number)


def hash_function(algorithm: bytes) -> Callable[[bytes], bytes] | None:
    """The hash that the content of an AlgorithmIdentifier names; None for an unknown one. Raises DerError."""
    start, stop = der.expect(algorithm, 0, len(algorithm), der.OID)
    name = _HASH_IDS.get(algorithm[start:stop])
    if name is None:
        return None
    return lambda data: hashlib.new(name.replace("-", "_"), data, usedforsecurity=False).digest()


def algorithm_name(algorithm: bytes) -> str:
    """The name of a signature algorithm, its number when it is unknown. Raises DerError.

    RSASSA-PSS names its hash, as in rsassaPss-sha256, because its strength is that of the hash.
    """
    if len(algorithm) > _MAX_ALGORITHM_BYTES:
        raise DerError("an oversized algorithm identifier")
    return _scheme(algorithm).name


@functools.lru_cache(maxsize=1024)
def _public_key(spki: bytes) -> Any:
    """The key, or None when it cannot be used here."""
    try:
        facts = key_facts(spki)
        if facts.kind == "RSA":
            modulus, exponent = _rsa_numbers(spki)
            if modulus.bit_length() > _MAX_RSA_BITS:
                return None
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        if facts.kind == "DSA" and (facts.bits or 0) > _MAX_DSA_BITS:
            return None
        return serialization.load_der_public_key(spki)
    except (UnsupportedAlgorithm, ValueError, TypeError, OverflowError):
        return None


def verify(spki: bytes, algorithm: bytes, message: bytes, signature: bytes) -> bool | None:
    """Whether `signature` over `message` was made by the key in `spki`; None when that cannot be computed here."""
    if len(spki) > _MAX_KEY_BYTES or len(algorithm) > _MAX_ALGORITHM_BYTES:
        return None
    try:
        scheme = _scheme(algorithm)
    except DerError:
        return None
    key = _public_key(spki)
    if key is None:
        return None
    digest = _hashes().get(scheme.hash or "")
    try:
        if scheme.family == "rsa" and digest is not None:
            if not isinstance(key, rsa.RSAPublicKey):
                return False
            key.verify(signature, message, padding.PKCS1v15(), digest)
        elif scheme.family == "pss" and digest is not None:
            mask = _hashes().get(scheme.mask_hash or "")
            if mask is None:
                return None
            if not isinstance(key, rsa.RSAPublicKey):
                return False
            key.verify(signature, message, padding.PSS(padding.MGF1(mask), scheme.salt), digest)
        elif scheme.family == "ec" and digest is not None:
            if not isinstance(key, ec.EllipticCurvePublicKey):
                return False
            key.verify(signature, message, ec.ECDSA(digest))
        elif scheme.family == "dsa" and digest is not None:
            if not isinstance(key, dsa.DSAPublicKey):
                return False
            key.verify(signature, message, digest)
        elif scheme.family == "ed25519":
            if not isinstance(key, ed25519.Ed25519PublicKey):
                return False
            key.verify(signature, message)
        elif scheme.family == "ed448":
            if not isinstance(key, ed448.Ed448PublicKey):
                return False
            key.verify(signature, message)
        else:
            return None
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, ValueError, TypeError, OverflowError):
        return None
    return True
