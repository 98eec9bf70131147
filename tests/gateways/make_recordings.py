"""Records real gateways for the tests that run without any: tests/unit/plugins/module_utils/gateway/recordings/*.json.

    .venv/bin/python tests/gateways/make_recordings.py

As root. Each scene is recorded twice, by a privileged login and by one without privilege. What is only bulk is
trimmed, and what is this machine's is replaced; the rest is as the gateway's programs wrote it.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))

from gateways import ntp_server, scenes
from gateways.lab import PREFIX_LENGTH, temporary_lab
from gateways.scenes import ANALYSER, Hospital, scene_named
from gateways.test_gateway_info import Rounds, refuse_certificates

DEST = Path(__file__).resolve().parents[1] / "unit" / "plugins" / "module_utils" / "gateway" / "recordings"
RECORDED = ("healthy", "timesyncd", "ntpsec", "no-ntp", "slow", "legacy", "java", "java-without", "failures")

_CERTIFICATE = re.compile(r"(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n)", re.DOTALL)


def trimmed(record: dict[str, Any], root_pem: str) -> dict[str, Any]:
    """Without public authorities and open files; with an example's kernel and homes in the place of this machine's."""
    bundle = record["files"].get("/etc/ssl/certs/ca-certificates.crt")
    if bundle:
        own = [text for text in _CERTIFICATE.findall(bundle["text"]) if text.strip() == root_pem.strip()]
        others = [text for text in _CERTIFICATE.findall(bundle["text"]) if text not in own]
        bundle["text"] = "".join([*others[:1], *own])
    # Of what a process has open, its sockets alone are looked at.
    sockets = {path for path, target in record["links"].items() if str(target).startswith("socket:")}
    record["links"] = {
        path: target for path, target in record["links"].items() if path in sockets or not path.startswith("/proc/")
    }
    record["globs"]["/proc/[0-9]*/fd/*"] = sorted(sockets)
    text = json.dumps(record)
    for mine, example in ((os.uname().release, "6.1.0-18-amd64"), ("/root", "/admin"), ("/home/", "/srv/")):
        text = text.replace(mine, example)
    found: dict[str, Any] = json.loads(text)
    return found


def main() -> int:
    """Make all recordings."""
    DEST.mkdir(exist_ok=True)
    with temporary_lab() as lab, tempfile.TemporaryDirectory() as folder:
        rounds = Rounds(lab, Hospital(), Path(folder))
        lab.run("ip", "address", "add", f"{ANALYSER}/{PREFIX_LENGTH}", "dev", "br0", check=True)
        ntp_server.start(lab)
        rounds.build([scene_named(name) for name in RECORDED])
        refuse_certificates(rounds, rounds.gateways["failures"], 443, 2762)
        for kind in ("privileged", "unprivileged"):
            rounds.play(kind, [record_play(rounds, kind)])
        for name in RECORDED:
            for kind in ("privileged", "unprivileged"):
                record = json.loads((Path(folder) / f"{name}-{kind}.json").read_text(encoding="utf-8"))
                kept = {
                    "options": scenes.options_of(scene_named(name)),
                    "hospital_root_sha256": rounds.hospital.root_fingerprint,
                    "record": trimmed(record, rounds.hospital.root_pem),
                }
                text = json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=True)
                (DEST / f"{name}-{kind}.json").write_text(text + "\n", encoding="utf-8")
    return 0


def record_play(rounds: Rounds, kind: str) -> dict[str, Any]:
    return {
        "hosts": "gateways",
        "gather_facts": False,
        "become": kind == "privileged",
        "vars": {"asked": {name: scenes.options_of(scene_named(name)) for name in rounds.gateways}},
        "tasks": [
            {
                "biomed.cert_hygiene.gateway_info": "{{ asked[inventory_hostname] | combine({'record': true}) }}",
                "register": "told",
            },
            {
                "ansible.builtin.copy": {
                    "content": "{{ told.record | to_json }}",
                    "dest": f"{rounds.folder}/{{{{ inventory_hostname }}}}-{kind}.json",
                    "mode": "0600",
                },
                "delegate_to": "localhost",
                "become": False,
            },
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
