# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who tells the truth of servers that mislead, at how many connections; writes that section of docs/benchmarks.md.

    .venv/bin/python tests/bench/right_wrong.py                      every case, every tool; minutes, testssl.sh is slow
    .venv/bin/python tests/bench/right_wrong.py --tools device_probe --cases limiter
    .venv/bin/python tests/bench/right_wrong.py --write              and put the table into the page

What was measured is kept in `.bench/right_wrong.json`; `--again` measures it once more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[:1] = [str(ROOT / "tests"), str(ROOT / "collections")]

from servers.device import Device
from servers.judge import judged
from servers.probe import ORDER, card
from servers.real import Unavailable

from bench import chains, install, page
from bench.cases import CASES, Case
from bench.peers import sslyze as versions_of_sslyze
from bench.places import DOCUMENT, HOME

#: "sound" | "fault", version -> accepted (None: not told), or None: nothing was told
Answer = str | Mapping[str, bool | None] | None
#: Seconds that one tool may take over one server.
_PATIENCE = 300
_RESULTS = HOME / "right_wrong.json"
#: Beginnings of the ids under which testssl.sh judges a certificate.
_CERTIFICATE_IDS = (
    *("cert_chain_of_trust", "cert_expirationStatus", "cert_extKeyUsage", "cert_keyUsage", "cert_mustStaple"),
    *("cert_trust", "intermediate_cert_expiration"),
)
_CERTIFICATE_CHECKS = ("key", "name", "signature", "trust", "validity")


def device_probe(case: Case, server: Device, _folder: Path) -> Answer:
    """The visit and its findings, at the case's depth."""
    device = card([(server.port, case.service)], names=list(case.names))
    observation, findings = judged(device, chains.root().der, depth=case.depth, pause=0.05, timeout=5.0)
    if case.asks == "versions":
        told = {"accepted": True, "refused": False}
        return {
            version: told.get(found["status"]) for version, found in observation["endpoints"][0]["versions"].items()
        }
    wanted = {"tls_cipher"} if case.asks == "cipher" else {f"certificate_{name}" for name in _CERTIFICATE_CHECKS}
    found = {one["status"] for one in findings if one["check"] in wanted or one["reason"] == "handshake_fails"}
    return "fault" if "fail" in found else "sound" if found == {"pass"} else None


def sslyze(case: Case, server: Device, folder: Path) -> Answer:
    """Certificates, or the suites of each version."""
    program = install.python_program(versions_of_sslyze.REQUIREMENT, "sslyze")
    commands = versions_of_sslyze._COMMANDS
    options = ["--certinfo"] if case.asks == "certificate" else [option for option, _key in commands.values()]
    result = folder / "sslyze.json"
    targets = [f"{name}:{server.port}{{127.0.0.1}}" for name in case.names]
    _run(
        [
            program,
            f"--certinfo_ca_file={folder / 'root.pem'}",
            *options,
            "--mozilla_config=disable",
            f"--json_out={result}",
            *targets,
        ]
    )
    scans = json.loads(result.read_text())["server_scan_results"]
    if case.asks == "certificate":
        answers = [_certificates(scan) for scan in scans]
        return "fault" if "fault" in answers else None if None in answers else "sound"
    scan = scans[0]["scan_result"] or {}
    suites = {
        version: ((scan.get(key) or {}).get("result") or {}).get("accepted_cipher_suites")
        for version, (_option, key) in commands.items()
    }
    if case.asks == "versions":
        return {version: None if found is None else bool(found) for version, found in suites.items()}
    names = [suite["cipher_suite"]["name"] for found in suites.values() for suite in found or ()]
    return None if not names else "fault" if any("NULL" in name for name in names) else "sound"


def _certificates(scan: dict[str, Any]) -> str | None:
    """Where no handshake can be made, it says so: a fault told. The ends of the path are told as dates."""
    if scan["connectivity_status"] != "COMPLETED":
        return "fault"
    deployments = (scan["scan_result"]["certificate_info"].get("result") or {}).get("certificate_deployments")
    if not deployments:
        return None
    soon = datetime.now(timezone.utc) + timedelta(days=30)
    for deployment in deployments:
        paths = [path["verified_certificate_chain"] for path in deployment["path_validation_results"]]
        path = next((path for path in paths if path), None)
        unstapled = deployment["leaf_certificate_has_must_staple_extension"] and not deployment["ocsp_response"]
        if path is None or unstapled or any(datetime.fromisoformat(one["not_valid_after"]) < soon for one in path):
            return "fault"
    return "sound"


def testssl(case: Case, server: Device, folder: Path) -> Answer:
    """Server defaults, protocols, or categories of suites."""
    option = {"certificate": "-S", "versions": "-p", "cipher": "-s"}[case.asks]
    program = install.debian("testssl.sh", "testssl")
    answers: list[Answer] = []
    for at, name in enumerate(case.names):
        result = folder / f"testssl{at}.json"
        command = [
            program,
            option,
            "--warnings",
            "off",
            "--color",
            "0",
            "--add-ca",
            folder / "root.pem",
            "--ip",
            "127.0.0.1",
        ]
        _run([*command, "--nodns", "none", "--jsonfile", result, f"{name}:{server.port}"])
        answers.append(_of_testssl(case, json.loads(result.read_text())))
    return "fault" if "fault" in answers else answers[0]


def _of_testssl(case: Case, told: Sequence[Mapping[str, str]]) -> Answer:
    findings = {entry["id"].partition(" ")[0]: entry for entry in told}
    if case.asks == "cipher":
        found = findings.get("cipherlist_NULL")
        return None if found is None else "sound" if found["finding"].startswith("not offered") else "fault"
    if case.asks == "versions":
        names = {version: version.replace("TLSv1.0", "TLS1").replace("TLSv1.", "TLS1_") for version in ORDER}
        return {version: _offered(findings.get(name)) for version, name in names.items()}
    said = [entry for entry in told if entry["id"].startswith(_CERTIFICATE_IDS)]
    if not said:
        return None
    return "fault" if any(entry["severity"] in ("MEDIUM", "HIGH", "CRITICAL") for entry in said) else "sound"


def _offered(entry: Mapping[str, str] | None) -> bool | None:
    said = "" if entry is None else entry["finding"]
    # On the terminal these words follow "not offered".
    if "not offered" in said or said.startswith("connection failed rather than downgrading"):
        return False
    return True if said.startswith(("offered", "vulnerable with")) else None


def _run(command: Sequence[Any]) -> None:
    """To its end; what it wrote is read elsewhere."""
    words = [str(word) for word in command]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, env=environment, check=False
    )


TOOLS: dict[str, Callable[[Case, Device, Path], Answer]] = {
    "device_probe": device_probe,
    "sslyze": sslyze,
    "testssl": testssl,
}


def mark(case: Case, answer: Answer) -> str:
    """right | wrong | open. A version that is not told is open; one told wrong makes all of it wrong."""
    if answer is None:
        return "open"
    if isinstance(case.truth, str):
        return "right" if answer == case.truth else "wrong"
    assert not isinstance(answer, str)
    if any(accepted is not None and accepted != (version in case.truth) for version, accepted in answer.items()):
        return "wrong"
    return "open" if None in answer.values() else "right"


def measure(case: Case, tool: str) -> dict[str, Any]:
    """What this tool says of a server of its own, and what the server felt."""
    with tempfile.TemporaryDirectory(prefix="case-") as name:
        folder = Path(name)
        with case.open(folder) as server:
            before = server.connections
            try:
                answer = TOOLS[tool](case, server, folder)
            except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
                print(f"{tool}: {case.name}: {type(error).__name__}: {error}", file=sys.stderr)
                answer = None
            return {"answer": answer, "connections": server.connections - before}


def _known() -> dict[str, dict[str, Any]]:
    """case -> tool -> what `measure` found."""
    return json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is not known yet, and tell."""
    parser = argparse.ArgumentParser(description="Who tells the truth of servers that mislead.")
    parser.add_argument("--cases", default="", help="those with this in their name")
    parser.add_argument("--tools", default=",".join(TOOLS), help="of: " + ", ".join(TOOLS))
    parser.add_argument("--again", action="store_true", help="measure once more")
    parser.add_argument("--jobs", type=int, default=2, help="so many servers at a time")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.name}")
    options = parser.parse_args(arguments)
    HOME.mkdir(exist_ok=True)
    lock = threading.Lock()

    def one(case: Case) -> None:
        for tool in options.tools.split(","):
            if tool in _known().get(case.name, {}) and not options.again:
                continue
            try:
                found = measure(case, tool)
            except (Unavailable, install.Unavailable) as why:
                print(f"{tool}: {case.name}: {why}", file=sys.stderr)
                continue
            print(f"{mark(case, found['answer']):<6}{tool:<13}{found['connections']:>5}  {case.name}", flush=True)
            with lock:
                known = _known()
                known.setdefault(case.name, {})[tool] = found
                _RESULTS.write_text(json.dumps(known, indent=1))

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, [case for case in CASES if options.cases in case.name]))
    known = _known()
    marks = {
        case.name: {
            tool: (mark(case, found["answer"]), found["connections"])
            for tool, found in known.get(case.name, {}).items()
        }
        for case in CASES
    }
    text = page.right_and_wrong(marks, list(TOOLS))
    print(text)
    if options.write:
        DOCUMENT.write_text(page.with_section(DOCUMENT.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
