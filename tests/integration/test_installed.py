"""The installed collection: built, installed into another folder, run from another home with two devices."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from integration.runs import ROOT, environment, failing, run_audit
from lab.hospital import Hospital

OTHERS = [path for path in os.environ.get("CERT_HYGIENE_OTHER_VENVS", "").split(":") if path]
INTERPRETERS = [Path(sys.executable), *(Path(venv) / "bin" / "python" for venv in OTHERS)]


def ids(python: Path) -> str:
    return python.parent.parent.name


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as it would be published."""
    folder = tmp_path_factory.mktemp("tarball")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run(
        [str(galaxy), "collection", "build", str(ROOT), "--output-path", str(folder)],
        env=environment(folder, folder),
        check=True,
        capture_output=True,
        timeout=600,
    )
    (built,) = folder.glob("biomed-cert_hygiene-*.tar.gz")
    return built


def test_the_tarball_holds_the_product_alone(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    tops = {name.split("/")[0] for name in names}
    assert {"README.md", "LICENSE", "meta", "playbooks", "plugins", "roles", "requirements.txt"} <= tops
    assert not tops & {".git", ".venv", ".venv-other", ".demo", "tests", "tools", "report", "collections", ".ci"}
    assert not [name for name in names if "__pycache__" in name]


@pytest.mark.parametrize("python", INTERPRETERS, ids=ids)
def test_the_installed_collection_audits_two_devices(
    hospital: Hospital, tarball: Path, tmp_path: Path, python: Path
) -> None:
    if not python.exists():
        pytest.fail(f"CERT_HYGIENE_OTHER_VENVS names {python}, which does not exist")
    home, collections, work = tmp_path / "home", tmp_path / "installed", tmp_path / "work"
    for folder in (home, collections, work):
        folder.mkdir()
    subprocess.run(
        [
            str(python.with_name("ansible-galaxy")),
            "collection",
            "install",
            str(tarball),
            "--collections-path",
            str(collections),
            "--offline",
        ],
        env=environment(home, collections),
        check=True,
        capture_output=True,
        timeout=600,
    )
    (work / "hospital-root.pem").write_bytes(hospital.trust_anchor.read_bytes())
    devices = {name: hospital.plan.device(name) for name in ("ct-001", "mri-003")}
    (work / "inventory.yml").write_text(
        f"""\
medical_devices:
  vars:
    device_probe_consent: {{by: Dr A. Martin, "on": 2026-09-01, reference: BIO-2026-017}}
    audit_trust_anchors: [hospital-root.pem]
  hosts:
    ct-001:
      ansible_host: {devices["ct-001"]["address"]}
      device_names: [ct-001.hopital.example]
      device_endpoints: [{{port: 20443, service: https}}]
    mri-003:
      device_address: {devices["mri-003"]["address"]}
      device_names: [mri-003.hopital.example]
      device_endpoints: [{{port: 20443, service: https}}]
""",
        encoding="utf-8",
    )
    run = run_audit(Path("inventory.yml"), work, collections=collections, python=python)
    assert run.status == 0, run.output
    assert "[WARNING]" not in run.output and "[DEPRECATION" not in run.output, run.output
    assert failing(run.devices()["ct-001"]) == set()
    assert failing(run.devices()["mri-003"]) == {("certificate_validity", "https:20443", "expired", "critical")}
    assert list((collections / "ansible_collections" / "biomed" / "cert_hygiene").rglob("*.jsonl")) == []


def test_another_interpreter_was_given() -> None:
    """Counts as skipped, by name, where only one ansible-core is at hand."""
    if not OTHERS:
        pytest.skip("CERT_HYGIENE_OTHER_VENVS is empty: the installed collection ran with one ansible-core only")
