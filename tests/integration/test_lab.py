"""The demo hospital is what it says: each seeded fault, seen by plain `ssl`, `socket` and `cryptography` clients.

Nothing here uses the product, so that a lab and a product that err alike cannot agree.
"""

from __future__ import annotations

import socket
import ssl
import time
import warnings
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from lab.hospital import Hospital, HospitalError
from lab.pki import DEFAULT_RECIPE
from lab.plan import load_plan

VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
PLAN = load_plan()
FAMILIES = {
    "imaging",
    "patient_monitoring",
    "laboratory",
    "anaesthesia",
    "cardiology",
    "sterilisation_endoscopy",
    "infusion",
    "connected_bed",
}


def context(*versions: str) -> ssl.SSLContext:
    """A client that accepts anything, so that what it sees is the device's choice."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version = VERSIONS[versions[0]]
        made.maximum_version = VERSIONS[versions[-1]]
    return made


def where(hospital: Hospital, name: str, endpoint: int = 0) -> tuple[str, int]:
    machine = next(m for m in [*hospital.plan.devices, *hospital.plan.peers] if m["name"] == name)
    return machine["address"], machine["endpoints"][endpoint]["port"]


def leaf(hospital: Hospital, name: str) -> x509.Certificate:
    with (
        socket.create_connection(where(hospital, name), timeout=5) as sock,
        context("1.0", "1.3").wrap_socket(sock) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def accepted_versions(hospital: Hospital, name: str) -> list[str]:
    accepted = []
    for version in VERSIONS:
        try:
            with socket.create_connection(where(hospital, name), timeout=5) as sock, context(version).wrap_socket(sock):
                accepted.append(version)
        except ssl.SSLError:
            pass
    return accepted


def days_left(certificate: x509.Certificate) -> int:
    return round((certificate.not_valid_after_utc - datetime.now(timezone.utc)) / timedelta(days=1))


def trust_error(hospital: Hospital, name: str) -> str:
    """What a client that trusts the hospital's root alone says: "" when it is content."""
    strict = ssl.create_default_context(cafile=str(hospital.trust_anchor))
    try:
        with (
            socket.create_connection(where(hospital, name), timeout=5) as sock,
            strict.wrap_socket(sock, server_hostname=f"{name}.{hospital.plan.domain}"),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message


def clock_offset(hospital: Hospital, name: str) -> float:
    with (
        socket.create_connection(where(hospital, name), timeout=5) as sock,
        context("1.2", "1.3").wrap_socket(sock) as tls,
    ):
        tls.sendall(b"HEAD / HTTP/1.1\r\nHost: device\r\n\r\n")
        answer = b""
        while data := tls.recv(4096):
            answer += data
    head = answer.decode("ascii").split("\r\n")
    assert head[0] == "HTTP/1.1 200 OK"
    date = next(line.split(":", 1)[1].strip() for line in head if line.startswith("Date:"))
    return (parsedate_to_datetime(date) - datetime.now(timezone.utc)).total_seconds()


# --- the plan ---


def test_the_plan_covers_every_family_with_at_least_twenty_devices() -> None:
    assert {PLAN.wards[device["ward"]]["class"] for device in PLAN.devices} == FAMILIES
    assert len(PLAN.devices) >= 20
    assert len({device["name"] for device in PLAN.devices}) == len(PLAN.devices)


def test_every_expectation_names_a_known_check_and_no_check_twice() -> None:
    for device in PLAN.devices:
        failing = [failure["check"] for failure in device["expect"]]
        assert set(failing) <= set(PLAN.checks), device["name"]
        assert set(device["not_assessed"]) <= set(PLAN.checks), device["name"]
        assert not set(failing) & set(device["not_assessed"]), device["name"]
        statuses = {failure["status"] for failure in device["expect"]}
        assert statuses <= {"fail", "waived", "not_applicable"}
        if "fail" in statuses:
            verdict = "non_compliant"
        elif device["not_assessed"]:
            verdict = "incomplete"
        else:
            verdict = "compliant_with_waivers" if "waived" in statuses else "compliant"
        assert device["verdict"] == verdict, device["name"]


def test_one_device_is_compliant_and_one_compliant_with_a_waiver() -> None:
    verdicts = [device["verdict"] for device in PLAN.devices]
    assert verdicts.count("compliant") == verdicts.count("compliant_with_waivers") == 1


def test_ports_are_unprivileged_and_below_the_ephemeral_ones() -> None:
    ports = {entry["port"] for machine in [*PLAN.devices, *PLAN.peers] for entry in machine["endpoints"]}
    ports |= {entry["port"] for entry in PLAN.watched_ports}
    assert all(1024 <= port < 32768 for port in ports)


def test_a_misspelt_certificate_setting_is_named(tmp_path: Path) -> None:
    settings = {key for machine in PLAN.devices for e in machine["endpoints"] for key in e.get("certificate", {})}
    assert settings <= set(DEFAULT_RECIPE)


# --- healthy devices ---


@pytest.mark.parametrize("name", ["ct-001", "echo-002", "monitor-003", "bed-003", "central-004", "analyser-002"])
def test_a_healthy_certificate_convinces_a_strict_client(hospital: Hospital, name: str) -> None:
    assert trust_error(hospital, name) == ""


@pytest.mark.parametrize(
    ("name", "versions"),
    [
        ("ct-001", ["1.2", "1.3"]),
        ("monitor-003", ["1.3"]),
        ("analyser-004", ["1.0"]),
        ("holter-003", ["1.0", "1.1", "1.2"]),
    ],
)
def test_tls_versions(hospital: Hospital, name: str, versions: list[str]) -> None:
    assert accepted_versions(hospital, name) == versions


def test_a_healthy_web_device_tells_the_right_time(hospital: Hospital) -> None:
    assert abs(clock_offset(hospital, "ct-001")) < 3


def test_a_healthy_dicom_device_never_speaks_first(hospital: Hospital) -> None:
    with (
        socket.create_connection(where(hospital, "echo-002"), timeout=5) as sock,
        context("1.2", "1.3").wrap_socket(sock) as tls,
    ):
        tls.settimeout(0.3)
        with pytest.raises(TimeoutError):
            tls.recv(1)


# --- certificates ---


@pytest.mark.parametrize(
    ("name", "days", "lifetime"),
    [
        ("mri-003", -3, 127),
        ("analyser-001", 20, 365),
        ("analyser-002", 60, 365),
        ("pacs", -7, 123),
        ("ct-001", 600, 730),
    ],
)
def test_validity(hospital: Hospital, name: str, days: int, lifetime: int) -> None:
    certificate = leaf(hospital, name)
    assert days_left(certificate) == days
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == lifetime


def test_not_yet_valid(hospital: Hospital) -> None:
    ahead = leaf(hospital, "pump-003").not_valid_before_utc - datetime.now(timezone.utc)
    assert timedelta(days=9) < ahead < timedelta(days=10)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("mri-003", "certificate has expired"),
        ("pacs", "certificate has expired"),
        ("pump-003", "certificate is not yet valid"),
        ("ventilator-001", "self-signed certificate"),
        ("ecg-002", "self-signed certificate in certificate chain"),
        ("bed-001", "unable to get local issuer certificate"),
        ("analyser-003", "Hostname mismatch"),
    ],
)
def test_what_a_strict_client_complains_of(hospital: Hospital, name: str, complaint: str) -> None:
    assert complaint in trust_error(hospital, name)


def test_wrong_name(hospital: Hospital) -> None:
    names = leaf(hospital, "analyser-003").extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["analyser-999.hopital.example"]


def test_the_sha1_certificate_is_well_made_and_only_its_signature_is_weak(hospital: Hospital) -> None:
    certificate = leaf(hospital, "ecg-001")
    issuer = x509.load_pem_x509_certificates((hospital.state / "pki" / "ecg-001-20443.pem").read_bytes())[1]
    key = issuer.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert certificate.signature_algorithm_oid == x509.SignatureAlgorithmOID.RSA_WITH_SHA1
    key.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), hashes.SHA1())
    with pytest.raises(InvalidSignature):
        key.verify(certificate.signature, certificate.tbs_certificate_bytes + b"x", padding.PKCS1v15(), hashes.SHA1())
    public = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey) and public.key_size == 2048


@pytest.mark.parametrize(("name", "bits"), [("autoclave-001", 1024), ("ct-001", 2048)])
def test_rsa_key_sizes(hospital: Hospital, name: str, bits: int) -> None:
    key = leaf(hospital, name).public_key()
    assert isinstance(key, rsa.RSAPublicKey) and key.key_size == bits


def test_elliptic_curve_key(hospital: Hospital) -> None:
    assert isinstance(leaf(hospital, "bed-003").public_key(), ec.EllipticCurvePublicKey)


# --- clocks ---


def test_a_clock_twelve_minutes_slow(hospital: Hospital) -> None:
    assert clock_offset(hospital, "monitor-001") == pytest.approx(-720, abs=3)
    assert trust_error(hospital, "monitor-001") == ""


def test_a_clock_in_1970(hospital: Hospital) -> None:
    shown = datetime.now(timezone.utc) + timedelta(seconds=clock_offset(hospital, "ventilator-002"))
    assert shown.year == 1970


# --- ports and behaviours ---


def test_plain_http_and_telnet_beside_https(hospital: Hospital) -> None:
    address, _port = where(hospital, "washer-002")
    with socket.create_connection((address, 20023), timeout=5) as sock:
        assert b"login:" in sock.recv(100)
    with socket.create_connection((address, 20080), timeout=5) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert trust_error(hospital, "washer-002") == ""


def test_watched_ports_are_closed_elsewhere(hospital: Hospital) -> None:
    address, _port = where(hospital, "ct-001")
    for watched in hospital.plan.watched_ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, watched["port"]), timeout=5)


def test_a_client_certificate_is_required(hospital: Hospital) -> None:
    with socket.create_connection(where(hospital, "pump-001"), timeout=5) as sock:
        tls = context("1.3").wrap_socket(sock)
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
            tls.recv(1)
        tls.close()
    with (
        socket.create_connection(where(hospital, "pump-001"), timeout=5) as sock,
        pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"),
    ):
        context("1.2").wrap_socket(sock)


def test_a_silent_device_accepts_and_says_nothing(hospital: Hospital) -> None:
    with socket.create_connection(where(hospital, "monitor-002"), timeout=5) as sock:
        sock.sendall(b"\x16\x03\x01\x00\x00")
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_a_resetting_device(hospital: Hospital) -> None:
    with socket.create_connection(where(hospital, "pump-002"), timeout=5) as sock:
        sock.sendall(b"\x16\x03\x01\x00\x00")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_switched_off_device_answers_no_syn(hospital: Hospital) -> None:
    address, port = where(hospital, "bed-002")
    for tried in (port, 20021, 20080, port):
        with pytest.raises(TimeoutError):
            socket.create_connection((address, tried), timeout=0.4)


def test_a_hostile_client_does_not_stop_the_others(hospital: Hospital) -> None:
    held = [socket.create_connection(where(hospital, "ct-001"), timeout=5) for _connection in range(50)]
    try:
        for sock in held:
            sock.sendall(b"\x16\x03\x01\xff\xff" + b"\xff" * 1000)
        assert trust_error(hospital, "ct-001") == ""
        assert trust_error(hospital, "bed-003") == ""
    finally:
        for sock in held:
            sock.close()


# --- what the devices count ---


def test_the_devices_count_what_reaches_them(hospital: Hospital) -> None:
    hospital.forget()
    address, port = where(hospital, "monitor-002")
    with socket.create_connection((address, port), timeout=5) as first:
        first.sendall(b"x" * 10)
    time.sleep(0.2)
    with socket.create_connection((address, port), timeout=5) as second:
        second.sendall(b"x" * 5)
        time.sleep(0.1)
    time.sleep(0.1)
    seen = hospital.contacts()
    assert set(seen) == {address}
    assert seen[address]["connections"] == 2
    assert seen[address]["bytes_received"] == 15
    assert seen[address]["most_at_once"] == 1
    assert seen[address]["smallest_gap"] == pytest.approx(0.2, abs=0.1)


def test_the_devices_see_two_connections_at_once_to_one_address(hospital: Hospital) -> None:
    hospital.forget()
    with (
        socket.create_connection(where(hospital, "central-004"), timeout=5),
        socket.create_connection(where(hospital, "central-005"), timeout=5),
    ):
        time.sleep(0.1)
    assert hospital.contacts()[where(hospital, "central-004")[0]]["most_at_once"] == 2


# --- the hospital itself ---


def test_the_inventory_says_how_to_reach_each_device(hospital: Hospital) -> None:
    group = yaml.safe_load(hospital.inventory.read_text(encoding="utf-8"))["all"]["children"]["medical_devices"]
    wards = group["children"]
    assert wards["day_surgery"]["vars"].get("device_probe_consent") is None
    assert wards["imaging"]["hosts"]["ct-001"]["device_endpoints"] == [{"port": 20443, "service": "https"}]
    assert wards["cardiology"]["hosts"]["ecg-001"]["ansible_host"] == where(hospital, "ecg-001")[0]
    assert sum(len(ward["hosts"]) for ward in wards.values()) == len(hospital.plan.devices)


def test_a_busy_port_is_named(hospital: Hospital, tmp_path: Path) -> None:
    network = ".".join(hospital.plan.devices[0]["address"].split(".")[:2])
    with pytest.raises(HospitalError, match=r"port 20\d\d\d is in use.*--network"):
        Hospital(tmp_path / "second", network).open()


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "letter.txt"
    document.write_text("dear colleague", encoding="utf-8")
    with pytest.raises(HospitalError, match="holds something else"):
        Hospital(tmp_path).open()
    assert document.read_text(encoding="utf-8") == "dear colleague"
