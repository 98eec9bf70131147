# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every client in clients.tsv against every bad server: what each says, with the scenario it was said in.

    python tests/diagnose/collect/run_clients.py FOLDER OUT.tsv [STACK …]

FOLDER is bad_servers.py's. clients.tsv has: stack, how its version is asked, the scenarios ("*" for all), the command.
In a command, {port}, {ca}, {pki} and {here} are filled in. A program that is missing is left out and said. Nothing here
judges: the categories are those of the scenario, or, for a server that only sends one alert, the number of that alert.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: Lines that tell of the run and not of the error.
_NOISE = re.compile(
    r"^(\s*at |depth=|---$|CONNECTED|Connecting to|no peer|No client|SSL handshake has|New, |Secure Reneg|"
    r"Compression:|Expansion:|No ALPN|Early data|verify return|Traceback|  File |    |Processed |Resolving |"
    r"- (?!Status)|\s+- |\||\*\*\* Starting|--\d{4}-|\s*$|  % Total|\s+Dload|For more |More details|"
    r"ConnectionResetError: *$|write W|D: )"
)


def version_of(command: str) -> str:
    try:
        done = subprocess.run(
            shlex.split(command), capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return re.sub(r"\s+", " ", lines[0])[:70] if lines else ""


def say(command: str, timeout: int = 40) -> tuple[int, str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            shlex.split(command),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return 124, ""
    return done.returncode, done.stderr + "\n" + done.stdout


def tidy(text: str, folder: Path) -> str:
    """What is worth keeping of an output: on one line, without anything of this machine."""
    kept = [line.rstrip() for line in text.splitlines() if not _NOISE.match(line)]
    joined = "\\n".join(dict.fromkeys(kept)).replace("\t", " ").replace(str(folder), "/etc/ssl")
    joined = re.sub(r"(/[\w.+-]+)+/(site-packages|lib/python[\d.]+|node_modules|collect)/", "", joined)
    joined = re.sub(r"(?<![\w/.:])/(?:root|work|tmp|home)/[\w./+-]*", "/opt/app", joined)
    joined = re.sub(r"0x[0-9a-f]{9,16}", "0x7f0000000000", joined)
    return joined.replace(os.uname().nodename, "vantage")[:900]


def main() -> None:
    folder, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    wanted = sys.argv[3:]
    farm = [line.rstrip("\n").split("\t") for line in (folder / "farm.tsv").read_text().splitlines()]
    with (HERE / "clients.tsv").open(encoding="utf-8") as stream:
        clients = [
            row for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE) if row and row[0][0] != "#"
        ]
    jobs = []
    for stack, ask, scenarios, command in clients:
        if wanted and stack not in wanted:
            continue
        fixed = {"ca": str(folder / "pki" / "ca.pem"), "pki": str(folder / "pki"), "here": str(HERE)}
        ask = ask.format(**fixed)
        program = shlex.split(command)[0].format(**fixed)
        if not shutil.which(program):
            print(f"left out: {stack} ({program} is missing)")
            continue
        version = version_of(ask)
        for scenario, port, categories, sent in farm:
            if scenarios != "*" and scenario not in scenarios.split(","):
                continue
            jobs.append((stack, version, scenario, categories, sent, command.format(port=port, **fixed)))
    with ThreadPoolExecutor(2) as pool, out.open("a", encoding="utf-8") as stream:
        for (stack, version, scenario, categories, sent, _command), (status, text) in zip(
            jobs, pool.map(lambda job: say(job[5]), jobs), strict=True
        ):
            said = tidy(text, folder)
            if status and said and categories != "none":
                stream.write("\t".join((said, categories, sent, stack, version, scenario)) + "\n")
    print(f"{len(jobs)} runs")


if __name__ == "__main__":
    main()
