"""What stands on the gateways of the tests: a healthy one, and beside it one for each thing that can be wrong.

Everything is real: chrony, ntpsec and systemd-timesyncd ask the laboratory's NTP server, nginx and stunnel serve and
log, keys and keystores are files that they or Java read. A scene says what differs from `healthy`, and what the audit
must say of it; of everything else it must say what it says of a healthy gateway.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from lab.pki import Credentials, Pki, issue, make_pki, pem

from gateways.gateway import Gateway
from gateways.lab import BRIDGE

ANALYSER = "192.0.2.2"
"""A device that talks to the gateways, on the controller's side of the bridge."""

DOMAIN = "hopital.example"
KEYSTORE = "/opt/engine/conf/truststore.p12"
KEYSTORE_PASSWORD = "a password of the laboratory"
PASSWORD_FILE = "/opt/engine/conf/truststore.pass"
CLIENT_FILE = "/etc/stunnel/client.pem"
BACKUP = "/var/backups/gateway/configuration-1.tar.gz"
BACKUPS = "/var/backups/gateway/*.tar.gz"
FAILURES = 6

Step = Callable[[Gateway, "Hospital"], None]
Reasons = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Hospital:
    """The certificates of the laboratory."""

    pki: Pki = field(default_factory=lambda: make_pki(datetime.now(timezone.utc)))

    @property
    def root_pem(self) -> str:
        return pem(self.pki.root.certificate).decode("ascii")

    @property
    def root_fingerprint(self) -> str:
        return hashlib.sha256(self.pki.root.certificate.public_bytes(Encoding.DER)).hexdigest()

    def credentials(self, name: str, **recipe: Any) -> Credentials:
        return issue(self.pki, [f"{name}.{DOMAIN}"], {"key": "p256", **recipe})


@dataclass(frozen=True)
class Scene:
    """One gateway of the tests.

    before: written before it starts; after: done once it runs; options: of gateway_info, beside the common ones
    card: what its inventory says beside the common card; failed: the (check, reason) pairs that fail
    """

    name: str
    variant: str = "plain"
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    failed: Reasons = frozenset()


def options_of(scene: Scene) -> dict[str, Any]:
    """What gateway_info is asked on a gateway of this scene."""
    return {"own_addresses": [BRIDGE], "backup_paths": [BACKUPS], **scene.options}


def card_of(scene: Scene, gateway: Gateway, hospital: Hospital) -> dict[str, Any]:
    """The gateway's inventory card."""
    return {
        "name": scene.name,
        "address": gateway.address,
        "names": [f"{scene.name}.{DOMAIN}"],
        "endpoints": [{"port": 443, "service": "https"}],
        "ports": [{"port": 21, "service": "ftp"}, {"port": 23, "service": "telnet"}, {"port": 80, "service": "http"}],
        "ports_allowed": [22],
        "consent": True,
        "time_zone": "Europe/Paris",
        "ntp_servers": [BRIDGE],
        "accounts": [{"name": "tech", "until": None, "owner": "DSI"}],
        "trust_anchors_sha256": [hospital.root_fingerprint],
        **scene.card,
    }


# --- what a healthy gateway has -----------------------------------------------------------------------------------


def prepare(gateway: Gateway, hospital: Hospital, scene: Scene) -> None:
    """Everything of a healthy gateway that can be written before its start, then what is the scene's own."""
    if scene.variant == "ntpsec":
        gateway.write("/etc/ntpsec/ntp.conf", _NTPSEC)
    elif scene.variant != "systemd":
        gateway.write(
            "/etc/chrony/chrony.conf",
            f"server {BRIDGE} iburst minpoll 0 maxpoll 1\ndriftfile /var/lib/chrony/chrony.drift\n",
        )
    gateway.write("/usr/local/share/ca-certificates/hospital.crt", hospital.root_pem)
    own = hospital.credentials(gateway.name)
    gateway.write("/etc/nginx/tls/server.pem", own.chain_pem.decode("ascii"))
    gateway.write("/etc/nginx/tls/server.key", own.key_pem.decode("ascii"), mode=0o600)
    gateway.write("/etc/nginx/sites-enabled/viewer", _NGINX)
    client = hospital.credentials(gateway.name)
    gateway.write(CLIENT_FILE, (client.chain_pem + client.key_pem).decode("ascii"), mode=0o600)
    gateway.write("/etc/stunnel/pacs.conf", _STUNNEL)
    gateway.write(BACKUP, "not empty\n").parent.chmod(0o700)
    for step in scene.before:
        step(gateway, hospital)


_NTPSEC = f"""\
driftfile /var/lib/ntpsec/ntp.drift
server {BRIDGE} iburst
restrict default kod nomodify noquery limited
restrict 127.0.0.1
"""

_NGINX = """\
error_log /var/log/nginx/error.log info;
server {
    listen 443 ssl;
    ssl_certificate /etc/nginx/tls/server.pem;
    ssl_certificate_key /etc/nginx/tls/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    location / { return 204; }
}
"""

_STUNNEL = f"""\
output = /var/log/stunnel4/pacs.log
pid = /run/stunnel-pacs.pid
[pacs]
client = yes
accept = 127.0.0.1:11112
connect = {ANALYSER}:2762
cert = {CLIENT_FILE}
"""


def furnish(gateway: Gateway, hospital: Hospital, scene: Scene) -> None:
    """What needs the gateway's own programs."""
    gateway.shell("update-ca-certificates")
    if scene.variant != "systemd":
        gateway.shell("service nginx start; mkdir -p /var/log/stunnel4; stunnel4 /etc/stunnel/pacs.conf")
        gateway.shell("chmod 640 /var/log/nginx/*.log /var/log/stunnel4/*.log")  # as logrotate leaves them
        gateway.shell(f"service {'ntpsec' if scene.variant == 'ntpsec' else 'chrony'} start")
    for step in scene.after:
        step(gateway, hospital)


def settled(gateway: Gateway, scene: Scene) -> None:
    """Wait until the clock's client has found its server."""
    if scene.variant == "systemd":
        gateway.wait_for("systemd-timesyncd", ["test", "-e", "/run/systemd/timesync/synchronized"])
    elif scene.variant == "ntpsec":
        gateway.wait_for("ntpd", ["sh", "-c", "ntpq -pn | grep '^[*]'"])
    elif scene.name != "no-ntp":
        gateway.wait_for("chrony", ["sh", "-c", "chronyc -c -n sources; chronyc -c tracking | grep Normal"])


# --- what can be otherwise ----------------------------------------------------------------------------------------


def timesyncd(gateway: Gateway, _hospital: Hospital) -> None:
    """Started in a container too, where systemd would not; told the laboratory's server."""
    unit = "/etc/systemd/system/systemd-timesyncd.service.d/laboratory.conf"
    gateway.write(unit, "[Unit]\nConditionVirtualization=\nConditionCapability=\n")
    gateway.write("/etc/systemd/timesyncd.conf", f"[Time]\nNTP={BRIDGE}\n")
    # Masked: Debian's own housekeeping (dpkg-db-backup) would change files while we watch.
    gateway.write("/etc/systemd/system/timers.target", "")


def machine_clock_follows() -> bool:
    """Whether the kernel says that its clock follows a server: what timedatectl repeats, on every gateway alike."""
    buffer = ctypes.create_string_buffer(512)  # struct timex, modes 0: read alone
    return ctypes.CDLL(None, use_errno=True).adjtimex(buffer) != 5  # TIME_ERROR


def no_ntp(gateway: Gateway, _hospital: Hospital) -> None:
    gateway.shell("service chrony stop; apt-get purge -q -y chrony")


def slow(gateway: Gateway, _hospital: Hospital) -> None:
    """Every program of this gateway, sshd and chronyd among them, sees a clock that is 90 s behind the machine's."""
    gateway.write("/etc/ld.so.preload", "/usr/$LIB/faketime/libfaketime.so.1\n")
    gateway.write("/etc/faketimerc", "-90s\n")


def own_clock(gateway: Gateway, _hospital: Hospital) -> None:
    """chronyd has no server that answers, and takes the machine's clock for one."""
    gateway.write("/etc/chrony/chrony.conf", "server 192.0.2.250 iburst minpoll 0 maxpoll 1\nlocal stratum 10\n")


def cut_off(gateway: Gateway, _hospital: Hospital) -> None:
    """Its one server, whose clock is two days behind, dies: the last correction is then two days old."""
    gateway.write("/etc/chrony/chrony.conf", "server 127.0.0.1 port 11123 iburst minpoll 0 maxpoll 0\n")
    gateway.write(
        "/etc/chrony/lost.conf",
        "local stratum 2\nallow\nport 11123\nbindaddress 127.0.0.1\ncmdport 0\npidfile /run/lost.pid\n"
        "bindcmdaddress /run/lost.sock\n",
    )
    gateway.shell(
        "service chrony stop; FAKETIME=-2d LD_PRELOAD=/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketime.so.1 "
        "chronyd -x -F 0 -u root -f /etc/chrony/lost.conf; service chrony start"
    )
    gateway.wait_for("a server", ["sh", "-c", "chronyc -c -n sources | grep '^^,[*]'"])
    gateway.shell("kill $(cat /run/lost.pid)")
    gateway.wait_for("its loss", ["sh", "-c", "chronyc -c -n sources | grep ',127.0.0.1,[0-9]*,[0-9]*,0,'"])


def alias_of_sudo(gateway: Gateway, _hospital: Hospital) -> None:
    """One more account, which an alias of sudo makes an administrator."""
    gateway.shell("useradd --create-home --shell /bin/bash maint; echo maint:maint | chpasswd")
    rules = "User_Alias MAINTENANCE = maint, someone_else\nMAINTENANCE ALL=(root) NOPASSWD: ALL\n"
    gateway.write("/etc/sudoers.d/maintenance", rules, mode=0o440)


def key_elsewhere(gateway: Gateway, _hospital: Hospital) -> None:
    """A locked account with a key that is not in its home."""
    gateway.shell(
        "useradd --create-home --shell /bin/bash svc; mkdir -p /etc/ssh/keys; "
        "echo 'AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u' > /etc/ssh/sshd_config.d/keys.conf; "
        "ssh-keygen -q -t ed25519 -N '' -f /var/tmp/svc; mv /var/tmp/svc.pub /etc/ssh/keys/svc"
    )


def indented_haproxy(gateway: Gateway, _hospital: Hospital) -> None:
    """Sections written as haproxy's own tests write them, and a key that everybody may read."""
    gateway.write("/etc/haproxy/haproxy.cfg", _HAPROXY)
    gateway.shell(
        "cat /etc/nginx/tls/server.pem /etc/nginx/tls/server.key > /etc/haproxy/all.pem; "
        "chmod 644 /etc/haproxy/all.pem; haproxy -D -f /etc/haproxy/haproxy.cfg"
    )


_HAPROXY = """\
  global
    maxconn 100
  defaults
    mode tcp
    timeout client 5s
    timeout server 5s
    timeout connect 5s
  frontend dicom
    bind 127.0.0.1:18443 ssl crt /etc/haproxy/all.pem
    default_backend pacs
  backend pacs
    server s1 127.0.0.1:11112
"""


def foreign_program(gateway: Gateway, _hospital: Hospital) -> None:
    """A program that nobody here knows serves TLS."""
    serve = "openssl s_server -accept 8443 -cert /etc/nginx/tls/server.pem -key /etc/nginx/tls/server.key -www -quiet"
    gateway.shell(f"({serve} < /dev/null > /dev/null 2>&1 &)")
    gateway.wait_for("port 8443", ["sh", "-c", "ss -Hltn 'sport = 8443' | grep -q ."])


def stale_account(gateway: Gateway, _hospital: Hospital) -> None:
    gateway.shell("useradd --create-home --shell /bin/bash acme-2019; echo acme-2019:acme | chpasswd")


def telnet_and_ftp(gateway: Gateway, _hospital: Hospital) -> None:
    gateway.write("/etc/inetd.conf", "telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n")
    gateway.shell("mkdir -p /run/vsftpd/empty; service openbsd-inetd start; (vsftpd < /dev/null > /dev/null 2>&1 &)")
    for port in (21, 23):
        gateway.wait_for(f"port {port}", ["sh", "-c", f"ss -Hltn 'sport = {port}' | grep -q ."])


def dicom_over_stunnel(gateway: Gateway, _hospital: Hospital) -> None:
    """A second service, whose log names a peer on one line and the failure on another."""
    gateway.write("/etc/stunnel/dicom.conf", _STUNNEL_SERVER)
    gateway.shell("stunnel4 /etc/stunnel/dicom.conf")


_STUNNEL_SERVER = """\
output = /var/log/stunnel4/dicom.log
pid = /run/stunnel-dicom.pid
[dicom]
accept = 2762
connect = 127.0.0.1:104
cert = /etc/nginx/tls/server.pem
key = /etc/nginx/tls/server.key
"""


def keystore(held: str) -> Step:
    """A PKCS#12 keystore of a Java application, made with keytool, that holds the hospital's root or another's."""

    def step(gateway: Gateway, hospital: Hospital) -> None:
        authority = hospital.pki.root if held == "hospital" else hospital.pki.manufacturer
        gateway.write("/opt/engine/conf/root.pem", pem(authority.certificate).decode("ascii"))
        gateway.write(PASSWORD_FILE, f"{KEYSTORE_PASSWORD}\n", mode=0o600)
        gateway.shell(
            f"keytool -importcert -noprompt -alias {held} -file /opt/engine/conf/root.pem -storetype PKCS12 "
            f"-keystore {KEYSTORE} -storepass:file {PASSWORD_FILE}; rm -rf /tmp/hsperfdata_root"
        )

    return step


def exposed_key(gateway: Gateway, _hospital: Hospital) -> None:
    gateway.shell("chmod 644 /etc/nginx/tls/server.key")


def expired_client(gateway: Gateway, hospital: Hospital) -> None:
    client = hospital.credentials(gateway.name, starts_in_days=-400, ends_in_days=-3)
    gateway.write(CLIENT_FILE, (client.chain_pem + client.key_pem).decode("ascii"), mode=0o600)


def no_backup(gateway: Gateway, _hospital: Hospital) -> None:
    gateway.shell(f"rm {BACKUP}")


def wrong_zone(gateway: Gateway, _hospital: Hospital) -> None:
    gateway.shell("ln -sf /usr/share/zoneinfo/UTC /etc/localtime; echo Etc/UTC > /etc/timezone")


def nss_database(gateway: Gateway, _hospital: Hospital) -> None:
    """A browser's trust store, with the root."""
    gateway.shell(
        "mkdir -p /opt/viewer/nss; certutil -N -d sql:/opt/viewer/nss --empty-password; "
        "certutil -A -d sql:/opt/viewer/nss -n Root -t C,, -i /usr/local/share/ca-certificates/hospital.crt"
    )


def _reasons(*pairs: tuple[str, str]) -> Reasons:
    return frozenset(pairs)


_WITH_KEYSTORE = {"java_keystores": [{"path": KEYSTORE, "password_file": PASSWORD_FILE}]}

SCENES: tuple[Scene, ...] = (
    Scene("healthy", after=(nss_database,), options={"nss_databases": ["/opt/viewer/nss"]}),
    Scene(
        "timesyncd",
        variant="systemd",
        before=(timesyncd,),
        # The kernel's clock is the machine's: where that follows no server, no gateway's does, whoever runs there.
        failed=_reasons() if machine_clock_follows() else _reasons(("ntp_client", "ntp_not_synchronised")),
    ),
    Scene("ntpsec", variant="ntpsec"),
    Scene("no-ntp", after=(no_ntp,), failed=_reasons(("ntp_client", "ntp_client_missing"))),
    Scene("slow", before=(slow,), failed=_reasons(("clock_offset", "offset_beyond_tolerance"))),
    Scene("own-clock", before=(own_clock,), failed=_reasons(("ntp_client", "ntp_follows_itself"))),
    Scene(
        "cut-off",
        after=(cut_off,),
        card={"ntp_servers": ["127.0.0.1"]},
        failed=_reasons(("ntp_client", "ntp_correction_too_old")),
    ),
    Scene(
        "sudo-alias",
        after=(alias_of_sudo,),
        card={"accounts": [{"name": name, "until": None, "owner": "DSI"} for name in ("tech", "maint")]},
    ),
    Scene("key-elsewhere", after=(key_elsewhere,), failed=_reasons(("stale_accounts", "unlisted_account"))),
    Scene(
        "haproxy",
        variant="tls",
        after=(indented_haproxy,),
        failed=_reasons(("certificate_key", "key_file_exposed")),
    ),
    Scene("foreign-tls", after=(foreign_program,), failed=_reasons(("open_ports", "port_not_allowed"))),
    Scene(
        "stale",
        after=(stale_account,),
        card={
            "accounts": [
                {"name": "tech", "until": None, "owner": "DSI"},
                {"name": "acme-2019", "until": "2020-06-30", "owner": "Acme Diagnostics"},
            ]
        },
        failed=_reasons(("stale_accounts", "stale_account")),
    ),
    Scene("unlisted", after=(stale_account,), failed=_reasons(("stale_accounts", "unlisted_account"))),
    Scene(
        "legacy", variant="legacy", after=(telnet_and_ftp,), failed=_reasons(("open_ports", "insecure_service_open"))
    ),
    Scene(
        "failures",
        after=(dicom_over_stunnel,),
        card={"endpoints": [{"port": 443, "service": "https"}, {"port": 2762, "service": "dicom"}]},
        failed=_reasons(("tls_failure_logs", "repeated_tls_failures")),
    ),
    Scene("java", variant="java", after=(keystore("hospital"),), options=_WITH_KEYSTORE),
    Scene(
        "java-without",
        variant="java",
        after=(keystore("manufacturer"),),
        options=_WITH_KEYSTORE,
        failed=_reasons(("trust_store", "hospital_root_not_everywhere")),
    ),
    Scene("exposed-key", after=(exposed_key,), failed=_reasons(("certificate_key", "key_file_exposed"))),
    Scene("expired-client", before=(expired_client,), failed=_reasons(("certificate_validity", "expired"))),
    Scene("no-backup", after=(no_backup,), failed=_reasons(("config_backup", "backup_missing"))),
    Scene("wrong-zone", after=(wrong_zone,), failed=_reasons(("time_zone", "time_zone_wrong"))),
)


def scene_named(name: str, scenes: Iterable[Scene] = SCENES) -> Scene:
    return next(scene for scene in scenes if scene.name == name)
