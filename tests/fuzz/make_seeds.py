# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the seeds: sound bytes of every kind that the targets read, made with new keys that are thrown away.

    python tests/fuzz/make_seeds.py     needs cryptography, keytool and certutil; replaces
                                        tests/fuzz/corpus/<target>/seed-*.bin

They are committed, so that every run starts from the same bytes; this is only run to add a kind of seed.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import ssl
import subprocess
import sys
import tempfile
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tests")]

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.hello import (  # noqa: E402
    client_hello,
    further_hellos,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (  # noqa: E402
    SSLV2,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
)
from fuzz.configuration_targets import SPLIT  # noqa: E402
from fuzz.mutate import join_chain, join_records, join_script  # noqa: E402

CORPUS = Path(__file__).resolve().parent / "corpus"
START, END = datetime(2020, 1, 1, tzinfo=timezone.utc), datetime(2049, 12, 31, tzinfo=timezone.utc)
DER = serialization.Encoding.DER


def name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])


def simple(text: str) -> x509.Name:
    return name((NameOID.COUNTRY_NAME, "FR"), (NameOID.ORGANIZATION_NAME, "CHU"), (NameOID.COMMON_NAME, text))


def certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: Any,
    signer: Any,
    extensions: list[tuple[x509.ExtensionType, bool]],
    start: datetime = START,
    end: datetime = END,
    digest: Any = None,
    pss: bool = False,
    serial: int | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial or int.from_bytes(os.urandom(8), "big") | 1)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    if isinstance(signer, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return builder.sign(signer, None)
    digest = digest or hashes.SHA256()
    if pss:
        return builder.sign(signer, digest, rsa_padding=padding.PSS(padding.MGF1(digest), 32))
    return builder.sign(signer, digest)


def authority(path_length: int | None = None) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.BasicConstraints(True, path_length), True),
        (
            x509.KeyUsage(*([False] * 5), key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False),
            True,
        ),
    ]


def key_ids(key: Any, signer: Any) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ]


def alt_names(*texts: str) -> tuple[x509.ExtensionType, bool]:
    return x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address(text)) if text[0].isdigit() else x509.DNSName(text) for text in texts]
    ), False


def write(target: str, label: str, data: bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{label}.bin").write_bytes(data)


def server_flight(chain: list[bytes], key: Any, version: int, ask_client: bool = False, ciphers: str = "") -> bytes:
    """What Python's own TLS server answers to a hello of ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        for der in chain:
            file.write(ssl.DER_cert_to_PEM_cert(der).encode())
        file.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
            context.load_cert_chain(file.name)
    if ask_client:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=chain[-1])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_side=True)
    server_name = "echo-004.hopital.example"
    hello = client_hello(version, server_name).sent if version < TLS13 else next(further_hellos(version, server_name))
    incoming.write(hello)
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def main() -> None:
    for path in CORPUS.rglob("seed-*.bin"):
        path.unlink()
    p256 = {label: ec.generate_private_key(ec.SECP256R1()) for label in ("root", "issuing", "leaf", "other")}
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    root_name, issuing_name, leaf_name = simple("Hospital Root CA"), simple("Hospital Issuing CA"), simple("echo-004")
    root = certificate(
        root_name, root_name, p256["root"], p256["root"], authority(2) + key_ids(p256["root"], p256["root"])
    )
    issuing = certificate(
        issuing_name, root_name, p256["issuing"], p256["root"], authority(0) + key_ids(p256["issuing"], p256["root"])
    )
    leaf_extensions = [
        (x509.BasicConstraints(False, None), True),
        alt_names("echo-004.hopital.example", "*.imaging.hopital.example", "10.20.1.14", "2001:db8::4"),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (
            x509.CRLDistributionPoints(
                [x509.DistributionPoint([x509.UniformResourceIdentifier("http://pki.example/a.crl")], None, None, None)]
            ),
            False,
        ),
    ]
    leaf = certificate(
        leaf_name, issuing_name, p256["leaf"], p256["issuing"], leaf_extensions + key_ids(p256["leaf"], p256["issuing"])
    )
    constraints = x509.NameConstraints(
        permitted_subtrees=[
            x509.DNSName("hopital.example"),
            x509.IPAddress(ipaddress.ip_network("10.0.0.0/8")),
            x509.DirectoryName(name((NameOID.COUNTRY_NAME, "FR"))),
        ],
        excluded_subtrees=[x509.DNSName("guest.hopital.example"), x509.RFC822Name("example")],
    )
    bound = certificate(simple("Ward CA"), root_name, p256["other"], p256["root"], [*authority(0), (constraints, True)])
    bound_leaf = certificate(
        leaf_name, simple("Ward CA"), p256["leaf"], p256["other"], [alt_names("echo-004.hopital.example", "10.1.1.1")]
    )
    late = certificate(
        simple("Old CA"), root_name, p256["other"], p256["root"], authority(), end=START + timedelta(days=900)
    )
    late_leaf = certificate(leaf_name, simple("Old CA"), p256["leaf"], p256["other"], [alt_names("echo-004")])
    by_name = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(root_name)], root.serial_number)
    crossed = certificate(root_name, simple("Other Root"), p256["root"], p256["other"], authority())
    other_root = certificate(simple("Other Root"), simple("Other Root"), p256["other"], p256["other"], authority())
    alone = certificate(leaf_name, leaf_name, p256["leaf"], p256["leaf"], [alt_names("echo-004")])
    orphan = certificate(leaf_name, simple("Missing CA"), p256["leaf"], p256["other"], [(by_name, False)])
    odd_name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(
                NameOID.ORGANIZATION_NAME, "H\u00f4pital, \u00ab Nord \u00bb", x509.name._ASN1Type.BMPString
            ),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "biomed\u202e+\\;", x509.name._ASN1Type.UTF8String),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, "0004", x509.name._ASN1Type.PrintableString),
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example", x509.name._ASN1Type.IA5String),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b.example", x509.name._ASN1Type.IA5String),
            x509.NameAttribute(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), "x", x509.name._ASN1Type.T61String),
        ]
    )
    odd = certificate(
        odd_name,
        odd_name,
        ed25519.Ed25519PrivateKey.generate(),
        ed25519.Ed25519PrivateKey.generate(),
        [
            (
                x509.SubjectAlternativeName(
                    [
                        x509.RFC822Name("a@b.example"),
                        x509.UniformResourceIdentifier("urn:x"),
                        x509.DirectoryName(leaf_name),
                        x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
                        x509.OtherName(x509.ObjectIdentifier("1.2.3.5"), b"\x0c\x01a"),
                        x509.DNSName("xn--hpital-8ta.example"),
                    ]
                ),
                True,
            ),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.2"), b"\x30\x03\x02\x01\x05"), True),
        ],
        end=datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc),
    )
    rsa_leaf = certificate(leaf_name, root_name, rsa_key, rsa_key, [alt_names("echo-004")], digest=hashes.SHA512())
    pss_leaf = certificate(leaf_name, root_name, rsa_key, rsa_key, [], pss=True)
    dsa_leaf = certificate(leaf_name, root_name, dsa.generate_private_key(2048), p256["root"], [])
    revoked, held = (
        certificate(leaf_name, issuing_name, p256["leaf"], p256["issuing"], leaf_extensions, serial=serial)
        for serial in (5, 6)
    )
    early = certificate(
        simple("New CA"), root_name, p256["other"], p256["root"], authority(), start=END - timedelta(days=900)
    )
    early_leaf = certificate(leaf_name, simple("New CA"), p256["leaf"], p256["other"], [alt_names("echo-004")])
    sealed = x509.KeyUsage(True, *([False] * 8))
    no_signer = certificate(
        simple("Sealed CA"),
        root_name,
        p256["other"],
        p256["root"],
        [(x509.BasicConstraints(True, None), True), (sealed, True)],
    )
    no_signer_leaf = certificate(leaf_name, simple("Sealed CA"), p256["leaf"], p256["other"], [(by_name, False)])
    dsa_key, ed448_key, ed25519_key = (
        dsa.generate_private_key(1024),
        ed448.Ed448PrivateKey.generate(),
        ed25519.Ed25519PrivateKey.generate(),
    )
    own = {
        "rsa": certificate(leaf_name, leaf_name, rsa_key, rsa_key, []),
        "pss": certificate(leaf_name, leaf_name, rsa_key, rsa_key, [], pss=True),
        "dsa": certificate(leaf_name, leaf_name, dsa_key, dsa_key, []),
        "ed448": certificate(leaf_name, leaf_name, ed448_key, ed448_key, []),
        "ed25519": certificate(leaf_name, leaf_name, ed25519_key, ed25519_key, []),
    }
    small = certificate(name(), name((NameOID.COMMON_NAME, "x")), p256["leaf"], p256["leaf"], [])

    def der(item: x509.Certificate) -> bytes:
        return item.public_bytes(DER)

    # The TBSCertificate of a version 1 certificate: without [0] and [3]; its signature is wrong then, as it may be.
    described = {
        "leaf": leaf,
        "issuing": issuing,
        "bound": bound,
        "odd": odd,
        "rsa": rsa_leaf,
        "pss": pss_leaf,
        "dsa": dsa_leaf,
        "orphan": orphan,
        "small": small,
    }
    for label, item in described.items():
        write("describe", label, der(item))
    write("describe", "explicit-curve", explicit_curve(der(leaf)))
    write("pki", "root", der(root))
    write("pki", "issuing", der(issuing))
    chains = {
        "sound": [leaf, issuing],
        "reversed": [issuing, leaf],
        "with-root": [leaf, issuing, root],
        "incomplete": [leaf],
        "bound": [bound_leaf, bound],
        "expired-link": [late_leaf, late],
        "crossed": [leaf, issuing, crossed, other_root],
        "self-signed": [alone],
        "orphan": [orphan],
        "rsa": [rsa_leaf, issuing],
        "mixed": [pss_leaf, odd, dsa_leaf, bound],
    }
    chains |= {
        "revoked": [revoked, issuing],
        "held": [held, issuing],
        "early-link": [early_leaf, early],
        "key-usage": [no_signer_leaf, no_signer],
        **{f"own-{label}": [item] for label, item in own.items()},
    }
    for label, chain in chains.items():
        write("chain", label, join_chain([der(item) for item in chain]))
        if label in ("sound", "mixed", "self-signed"):
            body = join_chain([der(item) for item in chain])
            write("certificate_message", label, len(body).to_bytes(3, "big") + body)
            entries = b"".join(join_chain([der(item)]) + b"\x00\x00" for item in chain)
            write("certificate_message_13", label, b"\x00" + len(entries).to_bytes(3, "big") + entries)
    revocation_list = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuing_name)
        .last_update(START)
        .next_update(END)
        .add_extension(x509.CRLNumber(7), False)
        .add_extension(
            x509.IssuingDistributionPoint(
                [x509.UniformResourceIdentifier("http://pki.example/a.crl")], None, False, False, None, False, False
            ),
            True,
        )
    )
    for number, reason in ((5, x509.ReasonFlags.key_compromise), (6, x509.ReasonFlags.certificate_hold)):
        revocation_list = revocation_list.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(number)
            .revocation_date(START)
            .add_extension(x509.CRLReason(reason), False)
            .build()
        )
    write("crl", "two", revocation_list.sign(p256["issuing"], hashes.SHA256()).public_bytes(DER))
    write(
        "crl",
        "empty",
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuing_name)
        .last_update(START)
        .next_update(END)
        .sign(p256["issuing"], hashes.SHA256())
        .public_bytes(DER),
    )
    ocsp_answers(leaf, issuing, p256["issuing"], p256["other"])
    login_answers()
    gateway_files()
    for label, text in CONFIGURATIONS.items():
        write("tls_configuration", label, text.replace("--\n", SPLIT.decode()).encode("ascii"))
    store_listings(der(root), der(other_root), der(leaf), p256["leaf"])
    access_answers()
    error_texts()
    flights = tls_flights([der(leaf), der(issuing)], p256["leaf"], [der(rsa_leaf)], rsa_key)
    for label, flight in flights.items():
        write("flight", label, flight)
        write("visit", label, join_script(b"\x00\x00", [(0, flight)] * 3))
    write("visit", "all", join_script(b"\x00\x01", [(0, flight) for flight in flights.values()]))
    write(
        "visit",
        "downwards",
        join_script(
            b"\x00\x02",
            [(0, flights[label]) for label in ("tls13", "tls12", "tls11", "tls10", "alert")]
            + [(1, b""), (2, b""), (0, HTTP_ANSWERS["date"])],
        ),
    )
    no_name, no_suite, no_version = (join_records([(21, 0x0301, b"\x02" + bytes((alert,)))]) for alert in (112, 40, 70))
    old_hello = b"\x04\x00\x01\x00\x02" + (6).to_bytes(2, "big") + (3).to_bytes(2, "big") + b"\x00\x10"
    old_hello += b"\x30\x04ABCD" + b"\x01\x00\x80" + bytes(16)
    sslv2 = (0x8000 | len(old_hello)).to_bytes(2, "big") + old_hello
    scripts = {
        "other-name": [no_name, no_name, flights["tls12"], no_version],
        "no-name": [no_name, no_name, no_name, flights["tls13"]],
        "other-suites": [no_suite, no_suite, flights["tls12"], no_suite, no_suite, no_suite],
        "no-suite": [no_suite] * 13,
        "old": [no_version, flights["tls10"], no_version, no_version, sslv2],
        "oldest": [no_version] * 4 + [sslv2],
        "hang-up": [b"", flights["tls12"], flights["tls13"], no_version],
        "climb": [b"", b"", flights["tls10"], flights["tls11"], flights["tls12"], sslv2],
        "climb-alone": [b"", b"", flights["alert"], b"", flights["dhe"], no_version, b"", sslv2],
    }
    for label, script in scripts.items():
        write("visit", label, join_script(b"\x00\x04", [(0, flight) for flight in script]))
    write("sslv2", "certificate", sslv2)
    for number, (label, dialogue) in enumerate(DIALOGUES.items()):
        service = label.split("-")[0]
        write(f"starttls_{service}", label, dialogue)
        write(
            "visit", f"starttls-{label}", join_script(bytes((number + 16, 1)), [(0, dialogue + flights["tls12"])] * 2)
        )
    write("tds", "flight", b"".join(tds(piece) for piece in (flights["tls12"][:200], b"", flights["tls12"][200:])))
    for label, answer in HTTP_ANSWERS.items():
        write("http", label, answer)
        write(
            "visit",
            f"http-{label}",
            join_script(b"\x00\x00", [(0, flights["tls12"]), (0, flights["alert"]), (0, answer)]),
        )
    hello = b"\x04\x00\x01" + SSLV2.to_bytes(2, "big") + (4).to_bytes(2, "big") + (3).to_bytes(2, "big") + b"\x00\x10"
    write("sslv2", "hello", (0x8000 | len(hello)).to_bytes(2, "big") + hello + b"certificate")
    write("sslv2", "alert", flights["alert"])
    moment = int(datetime(2026, 11, 22, 17, tzinfo=timezone.utc).timestamp()).to_bytes(4, "big")
    ntp = (4_004_355_600).to_bytes(4, "big") + b"\x40\0\0\0"
    write("sntp", "answer", b"\x24\x02\x06\xec" + bytes(12) + ntp + b"our mark" + ntp + ntp)
    write("sntp", "kiss-of-death", b"\x24\x00\x06\xec" + bytes(8) + b"DENY" + ntp + b"our mark" + ntp + ntp)
    page = HTTP_ANSWERS["date"]
    for flags in range(4):
        steps = [(0, page[:30]), (0, page[30:]), (3, b""), (4, b"")]
        script = b"".join(bytes((what,)) + len(words).to_bytes(2, "big") + words for what, words in steps)
        write("session", f"page-{flags}", bytes((flags,)) + script)
    write("session", "damaged", b"\x01\x82\x00\x03\x01\x00\xff\x00\x00\x02ok")
    write("session", "thrown-in", b"\x00\x81\x00\x07\x15\x03\x03\x00\x02\x01\x00\x01\x00\x05\x17\x03\x03\x00\x00")
    write("random_clock", "two", (moment + b"\x55" * 28) * 2)


def ocsp_answers(leaf: x509.Certificate, issuing: x509.Certificate, key: Any, other: Any) -> None:
    """What a responder says of the leaf: as the issuer, as one that the issuer named, and as one that it did not."""
    delegate = certificate(
        simple("Responder"),
        issuing.subject,
        other,
        key,
        [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False), (x509.OCSPNoCheck(), False)],
    )

    def answer(status: ocsp.OCSPCertStatus, signer: Any, responder: x509.Certificate, sent: bool = False) -> bytes:
        revoked = status == ocsp.OCSPCertStatus.REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=leaf,
            issuer=issuing,
            algorithm=hashes.SHA1(),
            cert_status=status,
            this_update=START,
            next_update=END,
            revocation_time=START if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
        if sent:
            builder = builder.certificates([responder])
        return builder.sign(signer, hashes.SHA256()).public_bytes(DER)

    write("ocsp_answer", "good", answer(ocsp.OCSPCertStatus.GOOD, key, issuing))
    write("ocsp_answer", "revoked", answer(ocsp.OCSPCertStatus.REVOKED, key, issuing))
    write("ocsp_answer", "unknown", answer(ocsp.OCSPCertStatus.UNKNOWN, key, issuing))
    write("ocsp_answer", "delegated", answer(ocsp.OCSPCertStatus.GOOD, other, delegate, sent=True))
    forged = bytearray(answer(ocsp.OCSPCertStatus.GOOD, key, issuing))
    forged[-1] ^= 1
    write("ocsp_answer", "forged", bytes(forged))
    refused = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    write("ocsp_answer", "refused", refused.public_bytes(DER))


def gateway_files() -> None:
    """What stands on real gateways, as the unit tests keep it."""
    folder = Path(__file__).resolve().parents[1] / "unit" / "plugins" / "module_utils" / "gateway" / "recordings"
    kept = json.loads((folder / "failures-privileged.json").read_text(encoding="utf-8"))["record"]
    texts = {path: entry["text"] for path, entry in kept["files"].items() if entry and entry.get("text")}
    texts |= {command: entry["stdout"] for command, entry in kept["commands"].items() if entry and entry["stdout"]}
    known = set()
    for number, (_name, text) in enumerate(sorted(texts.items())):
        if text in known:
            continue
        known.add(text)
        # Long enough to be whole, short enough to be damaged anywhere.
        data = text.encode("utf-8")[:6000]
        write("gateway", f"{number:02d}", data)
        if b"PRIVATE" in data or b"root:" in data:
            write("recorded_file", f"{number:02d}", data)
    small = {name: kept[name] for name in ("now", "privileged", "subsets")}
    parts = {name: dict(list(kept[name].items())[:4]) for name in ("commands", "globs", "states", "links", "closed")}
    files = {path: kept["files"][path] for path in ("/etc/passwd", "/proc/net/tcp")}
    write("recording", "small", json.dumps({**small, **parts, "files": files}).encode("ascii"))


#: A line of two dashes goes before each file below the main one.
CONFIGURATIONS = {
    "nginx": """user www-data;
events { worker_connections 768; }
http {
    log_format tls '$remote_addr [$time_local] "$request" $ssl_protocol';
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2; # as it came
    access_log /var/log/nginx/access.log tls;
    map $http_host ${name} { default "a;b"; }
    include conf.d/*.conf;
}
stream { server { listen 8443 ssl; proxy_pass 192.0.2.9:443; } }
--
server {
    listen [::]:443 ssl http2;
    listen 192.0.2.1:443 ssl;
    ssl_certificate /etc/nginx/tls/server.pem;
    location ~ "^/a{2}$" { access_log off; proxy_ssl_protocols TLSv1; }
}
""",
    "apache": """ServerRoot "/etc/gw"
Listen 443 https
LogFormat "%h %t %{SSL_PROTOCOL}x \\"%r\\"" tls
<IfModule mod_ssl.c>
    SSLProtocol all \\
        -SSLv3
</IfModule>
IncludeOptional conf.d/*.conf
--
<VirtualHost _default_:443 [2001:db8::1]:8443>
    ServerName gw.hopital.example
    SSLEngine on
    SSLProtocol +TLSv1 +TLSv1.2
    CustomLog ${APACHE_LOG_DIR}/access.log tls
    <Location "/a b"># none
    </Location>
</VirtualHost>
""",
    "haproxy": """global
    log /dev/log local0
    ssl-default-bind-options no-sslv3 no-tls-tickets # as it came
defaults web
    log global
    option httpslog
frontend pacs from web
    bind 192.0.2.1:443,[::1]:8443 ssl crt /etc/haproxy/a.pem ssl-min-ver TLSv1.0
    bind unix@/run/a.sock ssl crt-list /etc/gw/conf.d/0.conf
    default_backend b
backend b
    server s 192.0.2.9:443 ssl verify none ssl-min-ver TLSv1.0
--
# certificates
/etc/haproxy/a.pem [alpn h2 ssl-min-ver TLSv1.1] *.hopital.example
""",
    "stunnel": """output = /var/log/stunnel4/dicom.log
debug = info
sslVersionMin = TLSv1
include = /etc/gw/conf.d
[dicom]
accept = :::2762
connect = 127.0.0.1:104
sslVersionMax = TLSv1.1
[mail]
accept = 465
protocol = smtp
; none
options = NO_TLSv1
--
[away]
client = yes
accept = 127.0.0.1:4104
connect = 192.0.2.9:2762
sslVersion = TLSv1
""",
    "mosquitto": """log_dest file /var/log/mosquitto/mosquitto.log
include_dir /etc/gw/conf.d
listener 8883 192.0.2.1
certfile /etc/mosquitto/server.pem
tls_version tlsv1.1
connection bridge
address 192.0.2.9:8883
bridge_tls_version tlsv1
--
port 8884
bind_address ::1
psk_hint gw
""",
}


def store_listings(root: bytes, other: bytes, leaf: bytes, key: Any) -> None:
    """What keytool shows of a keystore and certutil of a database, with two roots and a key in them."""

    def told(*command: str) -> bytes:
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment).stdout

    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    with tempfile.TemporaryDirectory() as folder:
        for label, certificate_der in (("root", root), ("other", other)):
            Path(folder, f"{label}.pem").write_text(ssl.DER_cert_to_PEM_cert(certificate_der), encoding="ascii")
        held = pkcs12.serialize_key_and_certificates(
            b"device",
            key,
            x509.load_der_x509_certificate(leaf),
            None,
            serialization.BestAvailableEncryption(b"changeit"),
        )
        Path(folder, "store.p12").write_bytes(held)
        java = ("keytool", "-keystore", "store.p12", "-storepass", "changeit", "-J-XX:-UsePerfData")
        for label in ("root", "other"):
            told(*java, "-importcert", "-noprompt", "-alias", label, "-file", f"{label}.pem")
        write("keytool_list", "three", told(*java, "-list", "-rfc"))
        nss = ("certutil", "-d", "sql:.")
        told(*nss, "-N", "--empty-password")
        told(*nss, "-A", "-n", "The root", "-t", "C,,", "-a", "-i", "root.pem")
        told(*nss, "-A", "-n", "other", "-t", ",,", "-a", "-i", "other.pem")
        shown = [told(*nss, "-L", *words) for words in ((), ("-n", "The root"), ("-n", "other"))]
        write("certutil_list", "two", b"".join(shown))


def login_answers() -> None:
    """What devices without Python answer."""
    welcome = b"Welcome to dev # 1\r\ndev> \x1e"
    clock = b"show clock\r\n2026-11-22 17:00:00 UTC\r\nTime zone: Europe/Paris\r\ndev> \x1e"
    wiped = b"--More--\x1e" + b"\x08" * 8 + b" " * 8 + b"\r"
    users = b"show users\r\n  admin  administrator\r\n" + wiped + b"  guest  user\r\ndev> "
    plain = welcome + clock + users
    write("dialogue", "two", plain + b"\x1e" * (len(plain) % 2))
    write("dialogue", "colours", b"\x1b[1mdev>\x1b[0m \x1e" + clock + users + b"\r\n")
    privileged = (clock + users).replace(b"dev> ", b"dev# ")
    enable = welcome + b"enable\r\nPassword: \x1e\r\ndev# \x1e" + privileged
    write("dialogue", "enable", enable + b"\r" * (1 - len(enable) % 2))
    write("command_line", "clock", b"2026-11-22T17:00:00+01:00\r\nTime zone: Europe/Paris\r\nunsynchronised\r\n")
    write(
        "command_line", "lists", b" ntp server: 10.0.0.1\r\n admin  administrator\r\n guest user\r\nFirmware: 1.2\r\n"
    )
    write("shell", "now", b"1795366800\n+0100\nEurope/Paris\n")
    processes = b"  PID USER       VSZ STAT COMMAND\r\n  812 root      1200 S    /usr/sbin/ntpd -p 10.0.0.1 -n\r\n"
    write(
        "shell", "lists", processes + b'tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN\r\nroot:0:/bin/sh\r\nPRETTY_NAME="Box"\r\n'
    )
    status = {
        "time": "2026-11-22T17:00:00Z",
        "time_zone": "Europe/Paris",
        "ntp": {"client": "chrony", "running": True, "synchronised": False, "servers": [{"address": "10.0.0.1"}]},
        "accounts": [{"name": "admin", "role": "administrator"}],
        "ports": [{"protocol": "tcp", "address": "0.0.0.0", "port": 443}],
        "firmware": "1.2",
    }
    write("page", "status", json.dumps(status).encode())
    write("page", "flat", json.dumps({**status, "ntp": {"servers": ["10.0.0.1"]}, "accounts": ["admin"]}).encode())
    write("page", "other", b'{"state": [], "time": NaN}')
    nonce = b'realm="dev", nonce="dcd98b7102dd2f0e", opaque="5ccc069c"'
    write("challenge", "old", b"Digest " + nonce)
    write("challenge", "both", b"Digest " + nonce + b', qop="auth,auth-int", algorithm=SHA-256, Digest ' + nonce)
    write("challenge", "none", b'Basic realm="dev"')


def access_answers() -> None:
    """What devices answer to a password."""
    ask = b"\xff\xfd\x18\xff\xfb\x01Debian\r\ndev login: \x1eadmin\r\nPassword: \x1e\r\n"
    write("telnet_login", "accepted", ask + b"Last login: Sun Nov 22\r\n# ")
    write("telnet_login", "refused", ask + b"Login incorrect\r\ndev login: ")
    write("telnet_login", "locked", ask + b"Too many failed attempts\r\n")
    write("telnet_login", "open", b"BusyBox v1.35\r\n# ")
    greet = b"220-Welcome\r\n220 ready\r\n\x1e331 password\r\n\x1e"
    write("ftp_login", "accepted", greet + b"230-Hello\r\n230 in\r\n")
    write("ftp_login", "refused", greet + b"530 Login incorrect.\r\n")
    write("ftp_login", "locked", greet + b"421 Too many tries\r\n")
    write("ftp_login", "encrypted", b"220 ready\r\n\x1e530 must use encryption.\r\n")
    for status, label in enumerate(("page", "moved", "asks", "locked")):
        seed = b'Basic realm="a, b", Digest nonce=1\x1e/login\x1e<h1>Network settings</h1>'
        write("admin_page", label, seed + b"." * ((status - len(seed)) % 4))
    write("admin_page", "plain", b"\x1e\x1e<h1>Network settings</h1>....")


def error_texts() -> None:
    """What devices, servers and programs say when TLS fails."""
    trace = (
        "javax.net.ssl.SSLHandshakeException: PKIX path validation failed\n\tat Alert.java:131\n"
        "Caused by: java.security.cert.CertificateNotYetValidException: NotBefore: Sun Nov 22\n"
    )
    texts = {
        "java": trace,
        "several": "error:0A000418:SSL routines:tlsv1 alert unknown ca\nreturned -0x2700\nwolfSSL err = -188\n",
        "screen": "CERTIFICAT\nEXPIRÉ",
    }
    for label, text in texts.items():
        write("diagnosis", label, text.encode())


def explicit_curve(data: bytes) -> bytes:
    """The certificate with its P-256 key written with all parameters of the curve, as old toolkits did."""
    prime = (1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1

    def tlv(tag: int, content: bytes) -> bytes:
        size = len(content)
        return bytes((tag,)) + (bytes((size,)) if size < 128 else b"\x82" + size.to_bytes(2, "big")) + content

    field = tlv(0x30, bytes.fromhex("06072a8648ce3d0101") + tlv(0x02, b"\x00" + prime.to_bytes(32, "big")))
    curve = tlv(0x30, tlv(0x04, b"\xff" * 32) + tlv(0x04, b"\x5a" * 32))
    order = tlv(0x02, b"\x00" + b"\xff" * 32)
    explicit = tlv(0x30, tlv(0x02, b"\x01") + field + curve + tlv(0x04, b"\x04" + b"\x6b" * 64) + order)
    named = bytes.fromhex("06082a8648ce3d030107")
    from fuzz import der_tree

    forest = der_tree.parse(data)
    for place in forest.root.walk():
        if place.node.encode() == named:
            place.siblings[place.index] = der_tree.parse(explicit).root.children[0]
            return forest.encode()
    raise SystemExit("no named curve to replace")


def tls_flights(chain: list[bytes], key: Any, rsa_chain: list[bytes], rsa_key: Any) -> dict[str, bytes]:
    alert = join_records([(21, 0x0301, b"\x02\x46")])
    tls12 = server_flight(chain, key, TLS12, ask_client=True)
    retry = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    extensions = bytes.fromhex("002b00020304003300020017")
    body = b"\x03\x03" + retry + b"\x00\x13\x01\x00" + len(extensions).to_bytes(2, "big") + extensions
    return {
        "tls13": server_flight(chain, key, TLS13),
        "tls12": tls12,
        "tls11": server_flight(chain, key, TLS11),
        "tls10": server_flight(rsa_chain, rsa_key, TLS10),
        "dhe": server_flight(rsa_chain, rsa_key, TLS12, ciphers="DHE-RSA-AES128-GCM-SHA256:AES128-SHA:@SECLEVEL=0"),
        "retry": join_records([(22, 0x0303, b"\x02" + len(body).to_bytes(3, "big") + body), (20, 0x0303, b"\x01")]),
        "alert": alert,
        "warning-first": join_records([(21, 0x0301, b"\x01\x70")]) + tls12,
        "split": join_records([(22, 0x0303, tls12[5:][at : at + 3]) for at in range(0, 300, 3)]),
    }


def tds(data: bytes) -> bytes:
    return b"\x12\x01" + (len(data) + 8).to_bytes(2, "big") + b"\x00\x00\x00\x00" + data


_PRELOGIN = b"\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff" + bytes(6)
_MYSQL = (
    b"\x0a8.0.36\x00"
    + bytes(4)
    + b"saltsalt\x00"
    + b"\xff\xff\x21\x02\x00\xff\xc7\x15"
    + bytes(10)
    + b"saltsaltsalt\x00"
)

#: What a server says before TLS; the first word of the label is the service.
DIALOGUES = {
    "smtp-yes": b"220-hello\r\n220 mail ESMTP\r\n250-mail\r\n250-STARTTLS\r\n250 SIZE 1000\r\n220 go ahead\r\n",
    "smtp-no": b"220 mail ESMTP\r\n250 mail\r\n502 5.5.1 not here\r\n",
    "imap-yes": b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n* CAPABILITY IMAP4rev1\r\na OK begin\r\n",
    "imap-no": b"* OK ready\r\na BAD no\r\n",
    "pop3-yes": b"+OK ready\r\n+OK begin\r\n",
    "pop3-no": b"+OK ready\r\n-ERR no\r\n",
    "ftp-yes": b"220-Welcome\r\n to this server\r\n220 ready\r\n234 go\r\n",
    "ftp-no": b"220 ready\r\n530 no\r\n",
    "ldap-yes": bytes.fromhex("300c02010178070a010004000400"),
    "ldap-long": bytes.fromhex("3084000000100201017884000000070a010004000400"),
    "ldap-no": bytes.fromhex("300c02010178070a010204000400"),
    "rdp-yes": bytes.fromhex("030000130ed000001234000200080001000000"),
    "rdp-no": bytes.fromhex("030000130ed000001234000300080005000000"),
    "postgres-yes": b"S",
    "postgres-no": b"N",
    "mysql-yes": len(_MYSQL).to_bytes(3, "little") + b"\x00" + _MYSQL,
    "mysql-no": b"\x17\x00\x00\x00\xff\x6a\x04Host is not allowed",
    "mssql-yes": b"\x04\x01\x00\x1a\x00\x00\x01\x00" + _PRELOGIN + b"\x01",
    "mssql-no": b"\x04\x01\x00\x1a\x00\x00\x01\x00" + _PRELOGIN + b"\x02",
}

HTTP_ANSWERS = {
    "date": b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 17:00:00 GMT\r\nServer: x\r\nContent-Length: 2\r\n\r\nok",
    "proxied": b"HTTP/1.1 404 Not Found\r\nVia: 1.1 proxy\r\nAge: 12\r\nDate: Sunday, 22-Nov-26 17:00:00 GMT\r\n\r\n",
    "asctime": b"HTTP/1.0 302 Found\r\nLocation: /\r\ndate: Sun Nov 22 17:00:00 2026\r\n\r\n",
    "zone": b"HTTP/1.1 401 Unauthorized\r\nDate: Thu, 01 Jan 1970 00:00:03 +0200\r\n\r\n",
}


if __name__ == "__main__":
    main()
