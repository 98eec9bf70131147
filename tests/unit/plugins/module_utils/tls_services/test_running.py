# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which TLS services run, and from which files: /proc as real services filled it, and real ones started here."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from unit import pki_factory as pki

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services import running as tls_running
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.found import Endpoint
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.running import (
    PROGRAMS,
    gather,
    installed,
    mains_of,
    running,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.settings import Unclear

BOOTED = 1_795_373_000
TICKS = os.sysconf("SC_CLK_TCK")

#: Debian 12's own nginx 1.22, haproxy 2.6, stunnel 5.68, mosquitto 2.0 and Apache 2.4, each started as a daemon:
#: process -> (parent, begin of its stat after its name, command line).
RECORDED: dict[int, tuple[str, str, bytes]] = {
    1: ("systemd", "S 0 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 9 0 0", b"/sbin/init\0"),
    764: (
        "nginx",
        "S 1 764 764 0 -1 4194368 25 0 0 0 0 0 0 0 20 0 1 0 2539053 10911744 435",
        b"nginx: master process /usr/sbin/nginx -c /srv/nginx.conf\0",
    ),
    765: (
        "nginx",
        "S 764 764 764 0 -1 4194624 163 0 1 0 0 0 0 0 20 0 1 0 2539054 12341248 980",
        b"nginx: worker process" + bytes(40),
    ),
    783: (
        "haproxy",
        "S 1 783 783 0 -1 4194304 869 0 0 0 0 0 0 0 20 0 1 0 2539071 97763328 3196",
        b"/usr/sbin/haproxy\0-D\0-W\0-f\0/srv/haproxy.cfg\0-p\0/run/haproxy.pid\0",
    ),
    784: (
        "haproxy",
        "S 783 783 783 0 -1 4194368 125 0 0 0 0 0 0 0 20 0 2 0 2539073 104112128 1525",
        b"/usr/sbin/haproxy\0-D\0-W\0-f\0/srv/haproxy.cfg\0-p\0/run/haproxy.pid\0",
    ),
    799: (
        "stunnel4",
        "S 1 799 799 0 -1 4194368 71 0 0 0 0 0 0 0 20 0 2 0 2539083 90423296 1016",
        b"stunnel4\0/srv/stunnel.conf\0",
    ),
    805: (
        "mosquitto",
        "S 1 805 805 0 -1 4194368 226 0 0 0 0 0 0 0 20 0 1 0 2539087 15970304 1653",
        b"mosquitto\0-c\0/srv/mosquitto.conf\0-d\0",
    ),
    809: (
        "apache2",
        "S 1 809 809 0 -1 4194368 319 0 0 0 0 0 0 0 20 0 1 0 2539099 11718656 1769",
        b"/usr/sbin/apache2\0-f\0/srv/apache2.conf\0",
    ),
    811: (
        "apache2",
        "S 809 809 809 0 -1 4194368 258 0 0 0 0 0 0 0 20 0 27 0 2539101 1246633984 1395",
        b"/usr/sbin/apache2\0-f\0/srv/apache2.conf\0",
    ),
}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A folder as the kernel shows its processes."""
    for number, (name, fields, command) in RECORDED.items():
        add(tmp_path, number, name, fields, command)
    (tmp_path / "stat").write_text(f"cpu  1 2 3\nbtime {BOOTED}\nprocesses 9\n", encoding="ascii")
    (tmp_path / "self").mkdir()
    return tmp_path


def add(proc: Path, number: int, name: str, fields: str, command: bytes, root: str = "/") -> Path:
    folder = proc / str(number)
    folder.mkdir()
    (folder / "stat").write_text(f"{number} ({name}) {fields} 0 0\n", encoding="utf-8")
    (folder / "comm").write_text(f"{name}\n", encoding="utf-8")
    (folder / "cmdline").write_bytes(command)
    (folder / "root").symlink_to(root)
    return folder


def test_the_first_process_of_each_service_with_its_start(proc: Path) -> None:
    found = running(str(proc))
    assert {name: [words for words, _start in processes] for name, processes in found.items()} == {
        "nginx": [["nginx:", "master", "process", "/usr/sbin/nginx", "-c", "/srv/nginx.conf"]],
        "apache": [["/usr/sbin/apache2", "-f", "/srv/apache2.conf"]],
        "haproxy": [["/usr/sbin/haproxy", "-D", "-W", "-f", "/srv/haproxy.cfg", "-p", "/run/haproxy.pid"]],
        "stunnel": [["stunnel4", "/srv/stunnel.conf"]],
        "mosquitto": [["mosquitto", "-c", "/srv/mosquitto.conf", "-d"]],
    }
    assert found["nginx"][0][1] == pytest.approx(BOOTED + 2539053 / TICKS)
    assert {name: mains_of(name, processes) for name, processes in found.items()} == {
        "nginx": ["/srv/nginx.conf"],
        "apache": ["/srv/apache2.conf"],
        "haproxy": ["/srv/haproxy.cfg"],
        "stunnel": ["/srv/stunnel.conf"],
        "mosquitto": ["/srv/mosquitto.conf"],
    }


def test_what_is_over_or_strange_is_passed_over(proc: Path) -> None:
    """A zombie, one that ended in this moment, one with brackets in its name, half a stat."""
    sound = RECORDED[799]
    add(proc, 901, "nginx", "Z 1 0 0", b"")
    add(proc, 902, "nginx", sound[1], b"nginx\0-c\0/srv/gone.conf\0").joinpath("cmdline").unlink()
    add(proc, 903, "a) (nginx) S 1", sound[1], b"nginx\0")
    add(proc, 904, "nginx", "S", b"nginx\0")
    (proc / "905").mkdir()
    (proc / "906").write_text("", encoding="ascii")
    assert [words[-1] for words, _start in running(str(proc))["nginx"]] == ["/srv/nginx.conf"]


def test_a_container_s_service_is_not_the_gateway_s(proc: Path, tmp_path: Path) -> None:
    """Its root is another, and its mounts too; a service that only went into a folder counts."""
    here = os.readlink("/proc/self/ns/mnt")
    for number, mounts in ((921, "mnt:[1]"), (922, here)):
        command = f"nginx\0-c\0/srv/{number}.conf\0".encode()
        folder = add(proc, number, "nginx", RECORDED[764][1], command, str(tmp_path))
        (folder / "ns").mkdir()
        (folder / "ns" / "mnt").symlink_to(mounts)
    assert [words[-1] for words, _start in running(str(proc))["nginx"]] == ["/srv/nginx.conf", "/srv/922.conf"]


def test_without_a_name_it_is_the_default_file_that_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    main = tmp_path / "nginx.conf"
    monkeypatch.setitem(PROGRAMS, "nginx", replace(PROGRAMS["nginx"], mains=("/none", str(main))))
    started = [(["nginx:", "master", "process", "nginx"], 0.0)]
    # That it serves no TLS is not known then; mosquitto alone needs no file.
    with pytest.raises(Unclear, match=r"^nginx was started without a file, and none is in /none or "):
        mains_of("nginx", started)
    assert mains_of("mosquitto", [(["mosquitto", "-d"], 0.0)]) == []
    main.touch()
    assert mains_of("nginx", started * 2) == [str(main)]


def test_a_name_that_leads_nowhere_for_sure_is_unclear(tmp_path: Path) -> None:
    """As of an nginx started with -p /opt/farm -c nginx.conf."""
    words = ["nginx:", "master", "process", "/usr/sbin/nginx", "-p", "/opt/farm", "-c", "nginx.conf"]
    with pytest.raises(Unclear, match=r"^nginx was started with 'nginx\.conf', which is no full path$"):
        mains_of("nginx", [(words, 0.0)])
    with pytest.raises(Unclear, match="no full path"):
        mains_of("stunnel", [(["stunnel", "-fd", "0"], 0.0)])
    # haproxy reads the files of a folder in their order.
    for name in ("b.cfg", "a.cfg", "c.txt"):
        (tmp_path / name).touch()
    folder = [(["haproxy", "-Ws", "-f", str(tmp_path), "-f", "/srv/last.cfg"], 0.0)]
    assert mains_of("haproxy", folder) == [f"{tmp_path}/a.cfg", f"{tmp_path}/b.cfg", "/srv/last.cfg"]


def test_the_program_is_found_where_it_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tls_running, "_FOLDERS", (f"{tmp_path}/a", f"{tmp_path}/b"))
    assert installed("apache") == ""
    for name, mode in (("a/apache2", 0o644), ("b/httpd", 0o755)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    assert installed("apache") == f"{tmp_path}/b/httpd"


# -- the files


def test_all_files_are_gathered_with_what_they_are(tmp_path: Path) -> None:
    main, site = tmp_path / "nginx.conf", tmp_path / "available"
    main.write_text("http { include enabled/*; include none/*.conf; }\n", encoding="utf-8")
    site.write_text("server { listen 192.0.2.1:443 ssl; include more.conf; }\n", encoding="utf-8")
    site.chmod(0o640)
    (tmp_path / "more.conf").write_text("listen 8443 ssl;\n", encoding="utf-8")
    (tmp_path / "enabled" / "folder").mkdir(parents=True)
    link = tmp_path / "enabled" / "site"
    link.symlink_to(site)
    files, found = gather("nginx", [str(main)])
    assert set(files) == {str(main), str(link), str(tmp_path / "more.conf")}
    assert files[str(link)] == {
        "real": str(site),
        "content": "server { listen 192.0.2.1:443 ssl; include more.conf; }\n",
        "mode": "0640",
        "modified": site.stat().st_mtime,
    }
    assert found.endpoints == (Endpoint("", 8443), Endpoint("192.0.2.1", 443))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"caf\xe9;\n", "is not UTF-8"),
        (b"a \0;\n", "is no text"),
        (b"#" * (1024 * 1024 + 1), "is too long"),
        (b"include nginx.conf;", "too deeply"),
        (b"include many/*;", "too many files"),
    ],
)
def test_what_cannot_be_read_for_sure_is_unclear(tmp_path: Path, content: bytes, said: str) -> None:
    main = tmp_path / "nginx.conf"
    main.write_bytes(content)
    if b"many" in content:
        (tmp_path / "many").mkdir()
        for number in range(501):
            (tmp_path / "many" / str(number)).touch()
    with pytest.raises(Unclear, match=said):
        gather("nginx", [str(main)])


def test_a_chain_of_includes_ends(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.conf").write_text(f"include {number + 1}.conf;\n", encoding="ascii")
    with pytest.raises(Unclear, match="too deeply"):
        gather("nginx", [str(tmp_path / "0.conf")])


def test_a_main_file_that_is_gone_is_unclear(tmp_path: Path) -> None:
    with pytest.raises(Unclear, match="is not there"):
        gather("haproxy", [str(tmp_path / "none.cfg")])


# -- real services


def nginx(folder: Path, port: int) -> list[str]:
    (folder / "main.conf").write_text(
        f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nevents {{}}\nhttp {{\n    access_log off;\n"
        f"    include sites/*.conf;\n}}\n",
        encoding="utf-8",
    )
    (folder / "sites").mkdir()
    (folder / "sites" / "a.conf").write_text(
        f"server {{\n    listen 127.0.0.1:{port} ssl;\n    ssl_certificate {folder}/server.pem;\n"
        f"    ssl_certificate_key {folder}/server.pem;\n}}\n",
        encoding="utf-8",
    )
    return ["nginx", "-c", f"{folder}/main.conf"]


def haproxy(folder: Path, port: int) -> list[str]:
    (folder / "main.conf").write_text(
        "defaults\n    mode http\n    timeout client 5s\n    timeout connect 5s\n    timeout server 5s\n"
        f"frontend a\n    bind 127.0.0.1:{port} ssl crt {folder}/server.pem\n",
        encoding="utf-8",
    )
    return ["haproxy", "-W", "-f", f"{folder}/main.conf"]


@pytest.mark.parametrize(("service", "command"), [("nginx", nginx), ("haproxy", haproxy)])
def test_a_real_service_is_seen(tmp_path: Path, service: str, command: Callable[[Path, int], list[str]]) -> None:
    program = shutil.which(service, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        pytest.skip(f"needs the program {service}")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    identity = pki.make("gw.hopital.example", dns=["gw.hopital.example"], kind="rsa2048")
    (tmp_path / "server.pem").write_text(identity.pem + identity.private_pem, encoding="ascii")
    words = command(tmp_path, port)
    begun = time.time()
    log = (tmp_path / "output").open("wb")
    with log, subprocess.Popen([program, *words[1:]], stdout=log, stderr=log) as process:
        try:
            while True:
                assert process.poll() is None and time.time() < begun + 120, (tmp_path / "output").read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            listening = time.time()
            ours = [found for found in running()[service] if words[-1] in found[0]]
            ((_words, started),) = ours
            mains = mains_of(service, ours)
            files, found = gather(service, mains)
        finally:
            process.terminate()
    assert begun - 1 <= started <= listening + 1
    assert mains == [words[-1]]
    assert words[-1] in files
    assert found.endpoints == (Endpoint("127.0.0.1", port),)
