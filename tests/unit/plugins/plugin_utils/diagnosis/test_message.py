# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From texts to causes: which clue wins, what each code means, and what people read."""

from __future__ import annotations

import re

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.clues import Clue, diagnosis_of
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.message import diagnose_input, diagnose_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.rules import (
    FILES,
    expand,
    fold,
    load_rules,
    lower,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.text import MAX_TEXT, read_clues
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data

DATA = load_data("diagnosis/diagnosis")
CATEGORIES = list(DATA["categories"])
CLOSED = {
    *("expired", "clock_skew", "protocol_mismatch", "unknown_ca", "hostname_mismatch", "connection_reset"),
    *("plaintext_or_wrong_port", "client_certificate_required", "weak_crypto", "crl_expired", "crl_unreachable"),
    *("validity_too_long", "unknown"),
}
ANY_CERTIFICATE = list(DATA["groups"]["any_certificate_cause"])

JAVA = """javax.net.ssl.SSLHandshakeException: PKIX path validation failed: validity check failed
\tat java.base/sun.security.ssl.Alert.createSSLException(Alert.java:131)
Caused by: sun.security.validator.ValidatorException: PKIX path validation failed: validity check failed
\t... 14 more
Caused by: java.security.cert.CertPathValidatorException: validity check failed
Caused by: java.security.cert.{0}"""
GO = "x509: certificate has expired or is not yet valid"
DOTNET = """System.Net.Http.HttpRequestException: The SSL connection could not be established, see inner exception.
 ---> System.Security.Authentication.AuthenticationException: The remote certificate is invalid because of errors in the
 certificate chain: {0}
   at System.Net.Security.SslStream.SendAuthResetSignal(ReadOnlySpan`1 alert, ExceptionDispatchInfo exception)"""
PYTHON = """Traceback (most recent call last):
  File "urllib3/connectionpool.py", line 466, in _make_request
ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {0} (_ssl.c:1006)

During handling of the above exception, another exception occurred:

requests.exceptions.SSLError: HTTPSConnectionPool(host='pacs', port=443): Max retries exceeded"""


@pytest.mark.parametrize(
    ("text", "categories"),
    [
        # The innermost cause of a trace.
        (JAVA.format("CertificateExpiredException: NotAfter: Sat"), "expired"),
        (JAVA.format("CertificateNotYetValidException: NotBefore"), "clock_skew"),
        (DOTNET.format("UntrustedRoot"), "unknown_ca"),
        (DOTNET.format("NotTimeValid"), "clock_skew expired"),
        (DOTNET.format("RevocationStatusUnknown"), "crl_unreachable"),
        (PYTHON.format("certificate is not yet valid"), "clock_skew"),
        (PYTHON.format("Hostname mismatch, certificate is not valid for 'pacs'."), "hostname_mismatch"),
        # One prefix, and the dates decide.
        (GO + ": current time 2001-01-01T00:00:00Z is before 2026-11-01T00:00:00Z", "clock_skew"),
        (GO + ": current time 2027-01-01T00:00:00Z is after 2026-11-01T00:00:00Z", "expired"),
        (GO, "clock_skew expired"),
        # One number in its forms.
        ("0x80090325", "unknown_ca"),
        ("0x80090325L", "unknown"),
        ("error -2146893019", "unknown_ca"),
        ("error 2148074277", "unknown_ca"),
        ("SEC_E_UNTRUSTED_ROOT", "unknown_ca"),
        ("WinHTTP 12045", "unknown_ca"),
        ("12045", "unknown"),
        ("error:0A000418:SSL routines", "unknown_ca"),
        ("error:14094418:SSL routines", "unknown_ca"),
        ("Ssl error:10000418:SSL routines:OPENSSL_internal:reason(1048)", "unknown_ca"),
        ("peer cert untrusted or revoked (0x402)", "expired"),
        ("error:0B000418:other library", "unknown"),
        ("SSL alert number 48", "unknown_ca"),
        ("TLSv1.2 (IN), TLS alert, unknown CA (560):", "unknown_ca"),
        ("TLSv1.2 (IN), TLS alert, unheard of (582):", "protocol_mismatch"),
        ("The TLS protocol defined fatal alert code is 48.", "unknown_ca"),
        ("org.bouncycastle.tls.TlsFatalAlertReceived: unknown_ca(48)", "unknown_ca"),
        ("AlertReceived(UnknownCA)", "unknown_ca"),
        ("remote error: tls: unknown certificate authority", "unknown_ca"),
        ("mbedtls_ssl_handshake returned -0x7200", "plaintext_or_wrong_port"),
        ("MBEDTLS error -0x7200", "plaintext_or_wrong_port"),
        ("wolfSSL_connect err = -188", "unknown_ca"),
        ("errSSLCertNotYetValid (-9815)", "clock_skew"),
        ("net::ERR_CERT_DATE_INVALID", "clock_skew expired"),
        ("handshake failed; returned -1, SSL error code 1, net_error -200", "hostname_mismatch"),
        ("verify return code: 12", "crl_expired"),
        ("Verify return code: 0 (ok)", "unknown"),
        # A peer's alert is not deeper than what this side saw for itself.
        ("SSL alert number 48, verify error:num=10:certificate has expired", "expired"),
        ("SSL handshake failed: Connection reset by peer", "connection_reset"),
        # Words that a screen breaks into lines, other quotes, lost and missing accents.
        ("TLS error:\ncertificate\nhas expired", "expired"),
        ("le certificat n\u2019est pas encore valide", "clock_skew"),
        ("CERTIFICAT EXPIRÉ", "expired"),
        ("certificat expir\ufffd", "expired"),
        ("certificat expire le", "expired"),
        # Words that mean something only beside TLS, or alone on a screen.
        ("Protocol Version Mismatch", "protocol_mismatch"),
        ("Protocol version mismatch between plugin and core", "unknown"),
        ("TLS: protocol version mismatch with the gateway", "protocol_mismatch"),
        ("", "unknown"),
    ],
)  # fmt: skip
def test_what_a_text_tells(text: str, categories: str) -> None:
    assert diagnose_text(text)["categories"] == categories.split()


def test_bad_certificate_alone_gives_every_certificate_cause_the_clock_first() -> None:
    found = diagnose_text("javax.net.ssl.SSLHandshakeException: Received fatal alert: bad_certificate")
    assert found["categories"] == ANY_CERTIFICATE
    assert found["categories"][0] == "clock_skew"
    assert found["confidence"] == "low"


@pytest.mark.parametrize("name", sorted(DATA["alerts"]))
def test_every_alert_by_name_and_number(name: str) -> None:
    alert = DATA["alerts"][name]
    wanted = list(expand(alert["categories"]))
    words = name.replace("_", " ")
    for text in (
        f"Received fatal alert: {name}",
        f"SSL routines:ssl3_read_bytes:tlsv1 alert {words}:SSL alert number {alert['number']}",
        f"remote error: tls: {words}",
        f"SSL alert number {alert['number']}",
    ):
        assert diagnose_text(text)["categories"] == wanted, text


def test_the_closed_list_and_the_data_agree() -> None:
    assert set(CATEGORIES) == CLOSED
    assert {one for rule in load_rules() for one in rule.categories} <= CLOSED
    assert {one for rule in load_rules() for names in rule.codes.values() for one in names} <= CLOSED
    for names in DATA["groups"].values():
        assert names[0] == "clock_skew"
        assert set(names) < CLOSED
    assert set(DATA["confidence"]) == set(DATA["levels"])


def test_every_rule_is_well_made() -> None:
    for name in FILES:
        for entry in load_data(f"diagnosis/tls_errors/{name}")["rules"]:
            assert {"stack", "level"} <= set(entry), entry
            assert set(entry) & {"phrases", "loose", "anchors"}, entry
            assert ("pattern" in entry) == ("anchors" in entry), entry
            assert ("codes" in entry) != ("categories" in entry), entry
            assert set(entry) <= {
                *("stack", "level", "categories", "phrases", "loose", "anchors", "pattern", "read", "codes", "plain"),
                *("unless", "note", "source", "context"),
            }, entry
    assert all(rule.source and len(min(rule.anchors, key=len)) >= 2 for rule in load_rules())


def test_a_phrase_is_written_once() -> None:
    where: dict[str, list[str]] = {}
    for rule in load_rules():
        for anchor in rule.anchors if rule.pattern is None else ():
            where.setdefault(anchor, []).append(f"{rule.stack} {rule.categories} {rule.level}")
    assert {anchor: rules for anchor, rules in where.items() if len(set(rules)) > 1} == {}


@pytest.mark.parametrize("rule", [rule for rule in load_rules() if rule.pattern], ids=lambda rule: rule.pattern.pattern)
def test_no_pattern_repeats_what_repeats(rule: object) -> None:
    """No unbounded quantifier, and none on a group that holds an unbounded one: the cost stays linear."""
    pattern = rule.pattern.pattern  # type: ignore[attr-defined]
    assert not re.search(r"(?<!\\)[*+](?![^\[]*\])", re.sub(r"\\.", "", pattern)), pattern


def clue(*categories: str, level: int = 60) -> Clue:
    return Clue(categories, level, "seen", "Any")


@pytest.mark.parametrize(
    ("clues", "categories", "confidence"),
    [
        ([], ("unknown",), "none"),
        ([clue("expired")], ("expired",), "high"),
        ([clue("expired"), clue("unknown_ca", level=40)], ("expired",), "high"),
        ([clue("expired"), clue("clock_skew", "expired")], ("expired",), "high"),
        ([clue("unknown_ca"), clue("unknown_ca"), clue("expired")], ("unknown_ca", "expired"), "medium"),
        ([clue("expired"), clue("clock_skew")], ("expired", "clock_skew"), "medium"),
        ([clue("clock_skew", "expired", level=50)], ("clock_skew", "expired"), "medium"),
        ([clue("connection_reset", level=30)], ("connection_reset",), "medium"),
        ([clue("unknown", level=40)], ("unknown",), "none"),
        ([clue("unknown"), clue("expired")], ("expired",), "high"),
        ([clue(*ANY_CERTIFICATE, level=40)], tuple(ANY_CERTIFICATE), "low"),
    ],
)
def test_which_clue_wins(clues: list[Clue], categories: tuple[str, ...], confidence: str) -> None:
    found = diagnosis_of(clues)
    assert (found.categories, found.confidence) == (categories, confidence)


@pytest.mark.parametrize("category", sorted(CLOSED - {"unknown"}))
def test_each_cause_has_its_words_and_steps_in_both_languages(category: str) -> None:
    entry = DATA["categories"][category]
    for words in (entry["title"], entry["text"], *(action["text"] for action in entry["actions"])):
        assert words["fr"].strip() and words["en"].strip() and words["fr"] != words["en"]
    assert {action["owner"] for action in entry["actions"]} <= {"biomed", "it"}


def test_the_clock_is_looked_at_first_whatever_the_cause() -> None:
    for text in ("certificate has expired", "unknown CA", "SSL: no shared cipher", "bad_certificate alert"):
        first = diagnose_text(text)["actions"][0]
        assert (first["owner"], first["category"]) == ("biomed", "clock_skew")
    assert [step["category"] for step in diagnose_text("all is well")["actions"]] == ["unknown"]


def test_what_comes_back() -> None:
    found = diagnose_text("curl: (60) SSL certificate problem: certificate has expired")
    assert list(found) == ["categories", "causes", "actions", "evidence", "stack", "confidence", "truncated"]
    assert [cause["category"] for cause in found["causes"]] == found["categories"] == ["expired"]
    assert {step["owner"] for step in found["actions"]} == {"biomed", "it"}
    assert found["causes"][0]["title"]["en"] == "Certificate expired"
    assert " :" not in found["causes"][0]["text"]["fr"]
    assert found["evidence"] == "curl: (60) SSL certificate problem: certificate has expired"
    assert (found["confidence"], found["truncated"]) == ("high", False)


def test_several_causes_give_one_step_each() -> None:
    found = diagnose_text("tlsv1 alert bad certificate")
    assert len(found["actions"]) == 1 + len(ANY_CERTIFICATE)


def test_hostile_text_is_escaped_and_bounded() -> None:
    text = "\x1b[2J\u202e" + "x" * 300 + " certificate has expired \x07\u200b" + "y" * 3000
    found = diagnose_text(text)
    assert found["categories"] == ["expired"]
    assert "certificate has expired" in found["evidence"]
    assert len(found["evidence"]) < 400
    assert found["evidence"].isprintable()
    assert "\x1b" not in found["evidence"]


def test_a_text_that_is_too_long_is_cut_and_says_so() -> None:
    text = "x" * MAX_TEXT + "\ncertificate has expired"
    assert diagnose_text(text)["truncated"] is True
    assert diagnose_text(text)["categories"] == ["unknown"]
    assert diagnose_text("certificate has expired\n" + text)["categories"] == ["expired"]


def test_many_hits_of_one_rule_stay_bounded() -> None:
    clues = read_clues("certificate has expired\n" * 20_000)
    assert len(clues) <= 10_000


def test_lines_are_a_text_too() -> None:
    assert diagnose_input(["curl:", "certificate has expired"])["categories"] == ["expired"]


@pytest.mark.parametrize("value", [None, 10054, {"error": "x"}, b"certificate has expired", ["a", 1]])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a text or a list of lines is needed"):
        diagnose_input(value)


@pytest.mark.parametrize("text", ["É_-\u2019« ça »", "İstanbul", "ß\u00a0\ufffd", "\ud800 x", "A" * 10])
def test_folding_keeps_the_places(text: str) -> None:
    assert len(fold(text)) == len(text) == len(lower(text))
