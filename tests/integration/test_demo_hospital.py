"""The main job end to end: every seeded fault on the right device, and nothing else; the devices' own counts."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from integration.runs import Run, failing, not_assessed, run_audit
from lab.hospital import Hospital
from lab.plan import load_plan

PLAN = load_plan()
DEVICES = {device["name"]: device for device in PLAN.devices}
WEB_AND_HEALTHY = ["ct-001", "bed-003", "monitor-003", "analyser-002"]
TLS_WITHOUT_WEB = ["echo-002", "echo-004", "analyser-001"]


@pytest.fixture(scope="module")
def audited(hospital: Hospital, collections: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One audit of the whole hospital, and what its devices saw of it."""
    hospital.forget()
    run = run_audit(hospital.inventory, tmp_path_factory.mktemp("audited"), collections=collections)
    assert run.status == 0, run.output[-1500:]
    return run


@pytest.fixture(scope="module")
def contacts(audited: Run, hospital: Hospital) -> dict[str, Any]:
    """What the devices saw of that audit (asked before any other test makes them see more)."""
    return hospital.contacts()


@pytest.fixture(autouse=True)
def _count_first(contacts: dict[str, Any]) -> None:
    """Read the devices' counts before the first test of this module."""


# --- what is found ---


@pytest.mark.parametrize("name", list(DEVICES))
def test_each_device_fails_where_it_must_and_nowhere_else(audited: Run, name: str) -> None:
    for status in ("fail", "waived", "not_applicable"):
        expected = {
            (f["check"], f["endpoint"], f["reason"], f["severity"])
            for f in DEVICES[name]["expect"]
            if f["status"] == status
        }
        assert failing(audited.devices()[name], status) == expected


@pytest.mark.parametrize("name", list(DEVICES))
def test_each_device_says_what_could_not_be_assessed_and_why(audited: Run, name: str) -> None:
    expected = {check: {reason} for check, reason in DEVICES[name]["not_assessed"].items()}
    assert not_assessed(audited.devices()[name]) == expected


@pytest.mark.parametrize("name", list(DEVICES))
def test_each_device_has_its_verdict_and_all_checks(audited: Run, name: str) -> None:
    device = audited.devices()[name]
    assert device["verdict"] == DEVICES[name]["verdict"]
    assert {finding["check"] for finding in device["findings"]} == set(PLAN.checks)
    judged = {finding["check"] for finding in device["findings"] if finding["status"] == "pass"}
    open_or_failed = set(DEVICES[name]["not_assessed"]) | {f["check"] for f in DEVICES[name]["expect"]}
    # A failing peer leaves the same check passing on the device's own endpoint.
    assert judged - open_or_failed == set(PLAN.checks) - open_or_failed


def test_the_same_night_under_a_weakened_policy_says_so_everywhere(
    audited: Run, hospital: Hospital, collections: Path, tmp_path: Path
) -> None:
    observations = [str(path) for path in (audited.folder / "report.observations").iterdir()]
    run = run_audit(
        hospital.inventory,
        tmp_path,
        "--tags",
        "report",
        variables={
            "audit_observations": observations,
            "audit_policy": {"obsolete_tls_versions": [], "clock_offset_tolerance": 3600},
        },
        collections=collections,
    )
    assert run.status == 0, run.output[-1500:]
    weakened = run.summary()["run"]["policy_weakened"]
    assert [item["key"] for item in weakened] == ["clock_offset_tolerance", "obsolete_tls_versions"]
    # What it hides: these failed under the policy of the house.
    assert not failing(run.devices()["holter-003"]) and failing(audited.devices()["holter-003"])
    assert not failing(run.devices()["monitor-001"]) and failing(audited.devices()["monitor-001"])
    assert "Weakened policy: obsolete_tls_versions" in run.said()
    for page in run.report.rglob("*.html"):
        assert "obsolete_tls_versions" in page.read_text(encoding="utf-8"), page
    assert audited.summary()["run"]["policy_weakened"] == []


def test_the_first_page_says_how_many_were_not_seen(audited: Run) -> None:
    unseen = audited.summary()["totals"]["unseen"]
    without = ("consent_missing", "consent_lapsed", "consent_future", "consent_invalid")
    reasons = {name: not_assessed(device).get("tls_versions", set()) for name, device in audited.devices().items()}
    consented = [name for name, found in reasons.items() if not found & set(without)]
    assert unseen == {"consented": len(consented), "not_seen": 3, "seen_last_time": None}
    unseen = {name for name, device in audited.devices().items() if not device["seen"]}
    assert unseen & set(consented) == {"bed-002", "monitor-002", "pump-002"}
    assert f"3 of {len(consented)} devices that may be visited were not seen." in audited.said()
    assert audited.summary()["run"]["records_unused"] == []


def test_the_report_has_every_device_once_and_no_other(audited: Run) -> None:
    assert sorted(device["device"] for device in audited.summary()["devices"]) == sorted(DEVICES)


def test_the_terminal_shows_every_device_and_where_the_report_is(audited: Run) -> None:
    for name in DEVICES:
        assert name in audited.output
    assert str(audited.report / "index.html") in audited.output


def test_the_report_is_whole_and_private(audited: Run) -> None:
    assert (audited.report / "index.html").stat().st_size > 1000
    assert {path.parent.name for path in audited.report.glob("*/findings.csv")} == {"en", "fr"}
    assert stat.S_IMODE(audited.report.stat().st_mode) == 0o700
    for path in audited.report.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_observations_are_kept_beside_the_report_and_private(audited: Run) -> None:
    folder = audited.folder / "report.observations"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    network, login = sorted(folder.iterdir(), key=lambda path: len(path.name))
    assert network.name.startswith("localhost-") and network.name.endswith(".observations.jsonl")
    assert login.name == network.name.replace(".observations", ".login.observations")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (network, login)} == {0o600}


# --- what the devices saw ---


def seen(contacts: dict[str, Any], hospital: Hospital, name: str, endpoint: int = 0) -> int:
    device = hospital.plan.device(name)
    port = str(device["endpoints"][endpoint]["port"])
    connections: int = contacts[device["address"]]["ports"][port]["connections"]
    return connections


@pytest.mark.parametrize("name", WEB_AND_HEALTHY)
def test_a_healthy_web_device_sees_at_most_four_connections(
    contacts: dict[str, Any], hospital: Hospital, name: str
) -> None:
    assert 1 <= seen(contacts, hospital, name) <= 4


@pytest.mark.parametrize("name", TLS_WITHOUT_WEB)
def test_a_tls_device_without_a_web_page_sees_at_most_four_connections(
    contacts: dict[str, Any], hospital: Hospital, name: str
) -> None:
    assert 1 <= seen(contacts, hospital, name) <= 4


def test_a_silent_device_is_left_alone_after_two_connections(contacts: dict[str, Any], hospital: Hospital) -> None:
    assert contacts[hospital.plan.device("monitor-002")["address"]]["connections"] == 2


def test_no_address_ever_sees_two_connections_at_once(contacts: dict[str, Any], hospital: Hospital) -> None:
    assert hospital.plan.device("central-004")["address"] == hospital.plan.device("central-005")["address"]
    assert {address: entry["most_at_once"] for address, entry in contacts.items()} == dict.fromkeys(contacts, 1)


def test_devices_get_a_pause_between_two_connections(contacts: dict[str, Any]) -> None:
    gaps = [entry["smallest_gap"] for entry in contacts.values() if entry["smallest_gap"] is not None]
    assert len(gaps) > 15
    assert min(gaps) >= 0.045


def test_not_one_packet_reaches_a_device_without_consent(contacts: dict[str, Any], hospital: Hospital) -> None:
    for name in ("ventilator-003", "ecg-010"):
        assert hospital.plan.device(name)["address"] not in contacts


def test_nothing_is_contacted_but_consenting_devices_and_their_peers(
    contacts: dict[str, Any], hospital: Hospital
) -> None:
    allowed = {device["address"] for device in hospital.plan.devices if hospital.plan.wards[device["ward"]]["consent"]}
    allowed |= {peer["address"] for peer in hospital.plan.peers}
    assert set(contacts) <= allowed


def test_the_visits_of_the_observations_agree_with_what_the_devices_counted(
    audited: Run, contacts: dict[str, Any], hospital: Hospital
) -> None:
    kept = min((audited.folder / "report.observations").iterdir(), key=lambda path: len(path.name))
    told = {line["device"]: line for line in map(json.loads, kept.read_text(encoding="utf-8").splitlines())}
    for name in [*WEB_AND_HEALTHY, *TLS_WITHOUT_WEB]:
        entry = contacts[hospital.plan.device(name)["address"]]
        assert told[name]["endpoints"][0]["connections"] == entry["connections"], name
        # A goodbye (close_notify) that arrives after the device has hung up is read by nobody.
        assert 0 <= told[name]["bytes_sent"] - entry["bytes_received"] <= 64, name


# --- judging again ---


def test_saved_observations_are_judged_again_under_another_policy_without_a_packet(
    audited: Run, hospital: Hospital, collections: Path
) -> None:
    hospital.forget()
    again = run_audit(
        hospital.inventory,
        audited.folder,
        "--tags",
        "report",
        variables={"audit_policy": {"plan_days": 40}, "report_dir": "again"},
        collections=collections,
    )
    assert again.status != 0  # nothing was observed beside the report named `again`
    assert "nothing to judge" in again.said()
    kept = sorted(map(str, (audited.folder / "report.observations").iterdir()))
    again = run_audit(
        hospital.inventory,
        audited.folder,
        "--tags",
        "report",
        variables={"audit_policy": {"plan_days": 40}, "audit_observations": kept, "report_dir": "report"},
        collections=collections,
    )
    assert again.status == 0, again.output
    assert failing(again.devices()["analyser-002"]) == set()
    assert failing(again.devices()["mri-003"])
    assert hospital.contacts() == {}
