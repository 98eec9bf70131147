"""The playbook diagnose on the demo hospital: a device that fails, or a message, in; the first cause out."""

from __future__ import annotations

import functools
import json
import stat
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from integration.runs import Run, edited_inventory, run_audit
from integration.tls_server import tls_server
from lab.hospital import Hospital
from lab.pki import fingerprint
from unit import pki_factory as pki

PLAYBOOK = "biomed.cert_hygiene.diagnose"
BUDGET = 12  # connection_budget of device_probe
# The product judges at the real time: what is made here is valid around today, whenever that is.
_TODAY = (datetime.now(timezone.utc) - pki.NOW).total_seconds() / 86400


@pytest.fixture
def diagnose(hospital: Hospital, collections: Path, tmp_path: Path) -> Callable[..., Run]:
    def run(*arguments: str, inventory: Path | None = None, **variables: Any) -> Run:
        hospital.forget()
        return run_audit(
            inventory or hospital.inventory,
            tmp_path,
            *arguments,
            variables=variables,
            collections=collections,
            playbook=PLAYBOOK,
        )

    return run


def told(run: Run) -> dict[str, Any]:
    assert run.status == 0, run.output
    loaded: dict[str, Any] = json.loads((run.folder / "diagnosis" / "diagnosis.json").read_text(encoding="utf-8"))
    return loaded


#: device of the demo hospital -> (category, reason, side) of the first cause where it is the server
AS_SERVER = {
    "mri-003": ("expired", "expired", "device"),
    "pump-003": ("clock_skew", "not_yet_valid", "device"),
    "ventilator-002": ("clock_skew", "clock_sees_not_yet_valid", "device"),
    "analyser-004": ("protocol_mismatch", "only_old_versions", "device"),
    "ventilator-001": ("unknown_ca", "self_signed", "device"),
    "ecg-002": ("unknown_ca", "unknown_authority", "device"),
    "analyser-003": ("hostname_mismatch", "name_mismatch", "device"),
    "pump-002": ("connection_reset", "reset_after_hello", "network"),
    "monitor-002": ("connection_reset", "silent_after_hello", "network"),
    "pump-001": ("client_certificate_required", "client_certificate_required", "device"),
    "autoclave-001": ("weak_crypto", "weak_key", "device"),
    "ecg-001": ("weak_crypto", "weak_signature", "device"),
    "monitor-001": ("clock_skew", "clock_off", "device"),
}


def first(found: dict[str, Any]) -> tuple[str, str, str]:
    cause = found["causes"][0]
    return cause["category"], cause["reason"], cause["side"]


@pytest.mark.parametrize("name", AS_SERVER)
def test_a_device_that_others_fail_to_reach(diagnose: Callable[..., Run], hospital: Hospital, name: str) -> None:
    found = told(diagnose(device=name))
    assert first(found) == AS_SERVER[name]
    # Nobody else was touched, and the device no more than a probe may: counted by the device.
    contacts = hospital.contacts()
    address = hospital.plan.device(name)["address"]
    assert set(contacts) == {address}
    assert all(port["connections"] <= BUDGET for port in contacts[address]["ports"].values())
    assert contacts[address]["most_at_once"] == 1


@pytest.mark.parametrize("name", AS_SERVER)
def test_a_device_that_fails_to_reach_a_server(
    diagnose: Callable[..., Run], hospital: Hospital, tmp_path: Path, name: str
) -> None:
    """The same fault on the other side: the sound ct-001 is the client of a server that has it."""
    server = hospital.plan.device(name)
    port = server["endpoints"][0]["port"]

    def edit(group: dict[str, Any]) -> None:
        peer = {"address": server["address"], "port": port, "service": "https", "names": [f"{name}.hopital.example"]}
        group["children"]["imaging"]["hosts"]["ct-001"]["device_peers"] = [peer]

    inventory = edited_inventory(hospital, tmp_path / "hosts.yml", edit)
    found = told(diagnose(device="ct-001", peer=f"{server['address']}:{port}", inventory=inventory))
    category, reason, side = AS_SERVER[name]
    if name == "analyser-004":
        reason = "no_common_version"  # with both sides known, the mismatch itself is seen
    assert first(found) == (category, reason, "peer" if side == "device" else side)
    assert all(
        port["connections"] <= BUDGET for contact in hospital.contacts().values() for port in contact["ports"].values()
    )
    assert found["causes"][0]["endpoint"] == f"peer:{name}.hopital.example:{port}"


# --- one side against the other, and what the demo hospital has not ---------------------------------------------------


def edit_device(name: str, **variables: Any) -> Callable[[dict[str, Any]], None]:
    def edit(group: dict[str, Any]) -> None:
        for ward in group["children"].values():
            if name in ward["hosts"]:
                ward["hosts"][name].update(variables)

    return edit


def peer_of(hospital: Hospital, name: str, port: int | None = None) -> str:
    device = hospital.plan.device(name)
    return f"{device['address']}:{port or device['endpoints'][0]['port']}"


def test_the_declared_peers_are_looked_at_where_none_is_named(diagnose: Callable[..., Run]) -> None:
    found = told(diagnose(device="echo-004"))
    assert first(found) == ("expired", "expired", "peer")
    assert found["request"]["fr"][0].startswith("Objet")


def test_a_server_with_tls_1_3_alone_and_a_device_with_tls_1_0_alone(
    diagnose: Callable[..., Run], hospital: Hospital
) -> None:
    found = told(diagnose(device="analyser-004", peer=peer_of(hospital, "monitor-003")))
    assert first(found) == ("protocol_mismatch", "no_common_version", "device")
    assert found["causes"][0]["figures"] == {"device_versions": ["TLSv1.0"], "peer_versions": ["TLSv1.3"]}
    assert "TLS 1.3" in found["causes"][0]["text"]["fr"]


def test_the_same_offset_on_both_sides_is_the_clock_of_this_machine(
    diagnose: Callable[..., Run], hospital: Hospital, tmp_path: Path
) -> None:
    # The lab has one clock of 12 minutes slow: the same server stands for both sides.
    address = hospital.plan.device("monitor-001")["address"]
    peer = {"address": address, "port": 20443, "service": "https", "names": ["monitor-001.hopital.example"]}
    edit = edit_device("monitor-001", device_peers=[peer])
    found = told(diagnose(device="monitor-001", inventory=edited_inventory(hospital, tmp_path / "hosts.yml", edit)))
    assert first(found) == ("clock_skew", "own_clock_off", "control_node")
    assert abs(found["causes"][0]["figures"]["offset_seconds"] - 720) < 5


@pytest.mark.parametrize("side", ["device", "peer"])
@pytest.mark.parametrize(
    ("port", "reason"), [(20023, "plaintext"), (20081, "port_closed")], ids=["plaintext", "closed port"]
)
def test_a_port_that_is_the_wrong_one(
    diagnose: Callable[..., Run], hospital: Hospital, tmp_path: Path, port: int, reason: str, side: str
) -> None:
    if side == "peer":
        run = diagnose(device="ct-001", peer=peer_of(hospital, "washer-002", port))
    else:
        edit = edit_device("washer-002", device_endpoints=[{"port": port, "service": "https"}])
        run = diagnose(device="washer-002", inventory=edited_inventory(hospital, tmp_path / "hosts.yml", edit))
    assert first(told(run)) == ("plaintext_or_wrong_port", reason, side)


def test_a_login_tells_that_the_device_lacks_the_root(
    diagnose: Callable[..., Run], hospital: Hospital, tmp_path: Path
) -> None:
    server = peer_of(hospital, "ct-001")
    sound = told(diagnose(device="recorder-004", peer=server))
    assert "device_holds_root" in {entry["reason"] for entry in sound["excluded"]}, sound["open"]
    edit = edit_device("recorder-004", device_trust_anchors_sha256=["ab" * 32])
    inventory = edited_inventory(hospital, tmp_path / "hosts.yml", edit)
    found = told(diagnose(device="recorder-004", peer=server, inventory=inventory))
    assert first(found) == ("unknown_ca", "device_lacks_root", "device")


def test_a_gateway_is_asked_over_its_own_connection(
    diagnose: Callable[..., Run], hospital: Hospital, tmp_path: Path
) -> None:
    """This machine stands for the gateway: its trust stores do not hold the demo hospital's root."""
    edit = edit_device(
        "ct-001",
        device_profile="linux_gateway",
        ansible_connection="local",
        ansible_python_interpreter="{{ ansible_playbook_python }}",
        device_trust_anchors_sha256=[fingerprint(hospital.trust_anchor.read_bytes())],
    )
    inventory = edited_inventory(hospital, tmp_path / "hosts.yml", edit)
    found = told(diagnose(device="ct-001", peer=peer_of(hospital, "monitor-003"), inventory=inventory))
    assert first(found) == ("unknown_ca", "device_lacks_root", "device")
    assert found["causes"][0]["figures"]["stores"]


@functools.cache
def authority() -> pki.Identity:
    return pki.make("Diagnosis Root", ca=True, kind="rsa2048", days=(_TODAY - 30, _TODAY + 9000))


NAME = "ris.hopital.example"
OWN: dict[str, tuple[tuple[float, float], tuple[float, float] | None, tuple[str, str]]] = {
    # days of the leaf, days of the revocation list -> (category, reason)
    "its list is out of date": ((-9, 90), (-9, -2), ("crl_expired", "revocation_list_old")),
    "its list is another's": ((-9, 90), (0, 0), ("crl_unreachable", "revocation_list_missing")),
    "it lasts too long": ((-9, 3000), None, ("validity_too_long", "lifetime_too_long")),
}


@pytest.mark.parametrize("side", ["device", "peer"])
@pytest.mark.parametrize("name", OWN)
def test_revocation_and_lifetime(
    diagnose: Callable[..., Run], hospital: Hospital, tmp_path: Path, name: str, side: str
) -> None:
    (start, end), listed, wanted = OWN[name]
    leaf = pki.make(NAME, authority(), dns=[NAME], kind="rsa2048", days=(_TODAY + start, _TODAY + end))
    variables: dict[str, Any] = {}
    if listed is not None:
        other = pki.make("Stranger", ca=True, kind="rsa2048", days=(_TODAY - 30, _TODAY + 900))
        issuer, days = (authority(), listed) if listed != (0, 0) else (other, (-1, 6))
        path = tmp_path / "list.crl"
        path.write_bytes(pki.crl(issuer, days=(_TODAY + days[0], _TODAY + days[1])))
        variables["audit_crls"] = [str(path)]
    anchor = tmp_path / "anchor.pem"
    anchor.write_text(authority().pem, encoding="ascii")
    variables["audit_trust_anchors"] = [str(anchor), str(hospital.trust_anchor)]
    with tls_server(tmp_path, leaf) as port:
        told_of = {"address": "127.0.0.1", "port": port, "service": "tls", "names": [NAME]}
        if side == "peer":
            edit = edit_device("ct-001", device_endpoints=[], device_peers=[told_of])
        else:
            edit = edit_device(
                "ct-001",
                device_address="127.0.0.1",
                device_names=[NAME],
                device_endpoints=[{"port": port, "service": "tls"}],
            )
        inventory = edited_inventory(hospital, tmp_path / "hosts.yml", edit)
        found = told(diagnose(device="ct-001", inventory=inventory, **variables))
    wrong = [cause for cause in found["causes"] if cause["reason"] != "device_name_not_resolved"]
    assert [(cause["category"], cause["reason"], cause["side"]) for cause in wrong] == [(*wanted, side)]


# --- the message and what was seen ------------------------------------------------------------------------------------


def test_a_message_and_the_facts_agree(diagnose: Callable[..., Run]) -> None:
    run = diagnose(device="ventilator-002", error_text="SSL certificate problem: certificate is not yet valid")
    found = told(run)
    assert found["corroborated"] == ["clock_skew"]
    assert found["contradictions"] == []
    assert found["causes"][0]["from"] == "both"
    assert "Most probable cause: Wrong clock." in run.said()


def test_a_message_that_the_facts_contradict(diagnose: Callable[..., Run], tmp_path: Path) -> None:
    message = tmp_path / "screen.txt"
    message.write_text("javax.net.ssl.SSLHandshakeException\ncertificate has expired\n", encoding="utf-8")
    run = diagnose(device="ct-001", error_file=str(message), report_language="fr")
    (entry,) = told(run)["contradictions"]
    assert entry["category"] == "expired"
    assert entry["text"]["fr"].startswith(
        "Le message dit «\xa0certificat expiré\xa0», mais le certificat vu est valable"
    )
    assert "certificat vu est valable jusqu'au" in run.said()


def test_what_nobody_could_look_at_leaves_the_message_standing(
    diagnose: Callable[..., Run], hospital: Hospital
) -> None:
    found = told(
        diagnose(
            device="ct-001", peer=peer_of(hospital, "pump-002"), error_text="unable to get local issuer certificate"
        )
    )
    assert found["contradictions"] == []
    assert "unknown_ca" in {cause["category"] for cause in found["causes"] if cause["from"] == "text"}


# --- what is written, and what is refused -----------------------------------------------------------------------------


def test_the_page_is_private_closed_and_escaped(diagnose: Callable[..., Run]) -> None:
    run = diagnose(device="mri-003", error_text="<script>alert(1)</script>\ncertificate has expired <b>")
    told(run)
    folder = run.folder / "diagnosis"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;b&gt;" in text
    assert "default-src 'none'" in text
    assert 'lang="fr"' in text
    assert 'lang="en"' in text


def test_an_audit_report_is_not_replaced(diagnose: Callable[..., Run], tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / ".biomed-cert-hygiene-report").write_text("", encoding="ascii")
    (folder / "summary.json").write_text("{}", encoding="ascii")
    run = diagnose(device="mri-003", diagnosis_dir=str(folder))
    assert run.status != 0
    assert "holds an audit report, which is not replaced" in run.said()
    assert (folder / "summary.json").exists()


def test_a_second_diagnosis_takes_the_place_of_the_first(diagnose: Callable[..., Run]) -> None:
    assert told(diagnose(device="mri-003"))["device"] == "mri-003"
    assert told(diagnose(device="ecg-002"))["device"] == "ecg-002"


def test_check_mode_writes_nothing(diagnose: Callable[..., Run]) -> None:
    run = diagnose("--check", device="mri-003")
    assert run.status == 0, run.output
    assert not (run.folder / "diagnosis").exists()
    assert "The diagnosis would be written" in run.said()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"device": "echo-0004"}, "The device echo-0004 is not in this inventory. Nothing was sent."),
        ({"device": "echo-0004", "report_language": "fr"}, "Le dispositif echo-0004 n'est pas dans cet inventaire."),
        ({}, "is not in this inventory. Nothing was sent."),
        ({"device": "ventilator-003"}, "No consent is recorded for ventilator-003"),
        ({"device": "ct-001", "peer": "pacs"}, "peer=pacs is not written as host:port"),
        ({"device": "ct-001", "peer": "pacs:0"}, "peer=pacs:0 is not written as host:port"),
        ({"device": "ct-001", "peer": "a b;c:443"}, "is not written as host:port"),
        ({"device": "ct-001", "device_gateway": "gw-9"}, "The gateway gw-9 of ct-001"),
        ({"device": "ct-001", "error_file": "missing.txt"}, "missing.txt cannot be read"),
    ],
)
def test_a_refusal_is_one_clear_sentence_and_nothing_is_sent(
    diagnose: Callable[..., Run], hospital: Hospital, variables: dict[str, str], said: str
) -> None:
    run = diagnose(**variables)
    assert run.status != 0
    assert said in run.said()
    assert hospital.contacts() == {}
    assert not (run.folder / "diagnosis").exists()


def test_the_look_starts_from_the_device_own_gateway(
    diagnose: Callable[..., Run], hospital: Hospital, tmp_path: Path
) -> None:
    def edit(group: dict[str, Any]) -> None:
        edit_device("mri-003", device_gateway="gw-imaging")(group)
        group["children"]["gateways"] = {
            "hosts": {
                "gw-imaging": {
                    "ansible_connection": "local",
                    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                }
            }
        }

    found = told(diagnose(device="mri-003", inventory=edited_inventory(hospital, tmp_path / "hosts.yml", edit)))
    assert found["vantage"] == "gw-imaging"
    assert first(found) == ("expired", "expired", "device")
