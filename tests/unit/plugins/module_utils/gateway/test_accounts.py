# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can log in and who administers, by the files of the distributions that there are."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from unit.gateway_host import NOW, facts, host

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.sudoers import read_sudoers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.default_passwords import judge_empty_passwords
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.stale_accounts import judge_accounts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import Account
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import read_observation

TODAY = datetime.fromtimestamp(NOW, timezone.utc)
NAMES = ("anna", "bruno", "carla")
PASSWD = "root:x:0:0::/root:/bin/bash\n" + "".join(
    f"{name}:x:{1001 + number}:{1001 + number}::/home/{name}:/bin/bash\n" for number, name in enumerate(NAMES)
)
SHADOW = "".join(f"{name}:$6$a$b:20000:0:99999:7:::\n" for name in ("root", *NAMES))
BASE = {"/etc/passwd": PASSWD, "/etc/shadow": SHADOW, "/etc/group": "root:x:0:\nwheel:x:10:anna\nstaff:x:50:bruno\n"}
ALLOWED = "User {} may run the following commands on gw:\n    {}\n"


def told(
    files: dict[str, str | None], commands: dict[str, str | tuple[int, str]] | None = None, **options: Any
) -> dict[str, dict[str, Any]]:
    found = facts(host({**BASE, **files}, commands, **options), "accounts")
    assert found["subsets"]["accounts"]["status"] == "ok"
    return {account["name"]: account for account in found["accounts"]}


def read(accounts: list[dict[str, Any]]) -> tuple[Account, ...]:
    """As the checks are given them."""
    return read_observation({"source": "gateway", "accounts": accounts}).accounts or ()


def administrators(files: dict[str, str | None], commands: Any = None) -> tuple[bool | None, ...]:
    found = told(files, commands)
    assert found["root"]["administrator"] is True
    return tuple(found[name]["administrator"] for name in NAMES)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        # The group wheel of `anna` is a custom that no rule bears out: su or polkit may go by it.
        ("", (None, False, False)),
        ("%wheel ALL=(ALL) ALL\n", (True, False, False)),
        ("# %wheel ALL=(ALL) ALL\n", (None, False, False)),
        ("User_Alias TEAM = anna, bruno\nTEAM ALL=(root) NOPASSWD: ALL\n", (True, True, False)),
        ("User_Alias A = carla : TEAM = A, %staff\nTEAM ALL = ALL\n", (None, True, True)),
        ("User_Alias TEAM = ALL, !carla\nTEAM ALL=(ALL:ALL) ALL\n", (True, True, False)),
        ("anna, carla ALL=(ALL) ALL\n", (True, False, True)),
        ("anna,carla\tALL = (ALL) ALL\n", (True, False, True)),
        ("#1002 ALL=(ALL) ALL\n", (None, True, False)),
        ("#1002, carla ALL=(ALL) ALL # both\n", (None, True, True)),
        ('"bruno" ALL=(ALL) NOPASSWD: ALL\n', (None, True, False)),
        ('%"staff" ALL=(ALL) ALL\n', (None, True, False)),
        ("%#1003 ALL=(ALL) ALL\n", (None, None, True)),
        ("ALL ALL=(ALL) NOPASSWD: ALL\n", (True, True, True)),
        ("ALL ALL=(ALL) ALL\n", (True, True, True)),
        ("Defaults targetpw\nALL ALL=(ALL) ALL\n", (None, False, False)),
        ("Defaults targetpw\nALL ALL=(ALL) NOPASSWD: ALL\n", (True, True, True)),
        ("Defaults env_reset, targetpw\nbruno ALL=(ALL) ALL\n", (None, True, False)),
        ("Defaults targetpw\nDefaults !targetpw\nALL ALL=(ALL) ALL\n", (True, True, True)),
        ("ALL ALL=(ALL) ALL\nbruno ALL=(ALL) !ALL\n", (True, False, True)),
        ("bruno ALL=(ALL) \\\n    ALL\n", (None, True, False)),
        ("bruno ALL=(ALL) ALL, !/bin/su\n", (None, True, False)),
        ("bruno gw=(root) SETENV: NOPASSWD: ALL\n", (None, True, False)),
        ("Host_Alias HERE = gw, other\nbruno HERE=(root) ALL\n", (None, True, False)),
        ("bruno ALL=/bin/ls : gw=(ALL) ALL\n", (None, True, False)),
        ("Runas_Alias OP = root, lp\nbruno ALL=(OP) ALL\ncarla ALL=(lp) ALL\n", (None, True, False)),
        ("Cmnd_Alias ANY = /bin/ls, ALL\nbruno ALL=(root) ANY\n", (None, True, False)),
        ("bruno ALL=(root) /bin/bash\ncarla ALL=/usr/bin/su -\n", (None, True, True)),
        # One program as root, another machine, a netgroup, a group nobody here knows: not to be told from here.
        ("bruno ALL=(root) /usr/bin/systemctl restart app\n", (None, None, False)),
        ("bruno db1=(ALL) ALL\n", (None, None, False)),
        ("+admins ALL=(ALL) ALL\n", (None, None, None)),
        ("%domain\\ admins ALL=(ALL) ALL\n", (None, None, None)),
        ("@include /etc/sudoers.%h\n", (None, None, None)),
        ("@include /etc/gone\n", (None, None, None)),
        ("nonsense\n", (None, None, None)),
        ("Defaults:bruno !requiretty\nDefaults secure_path = /sbin:/bin\n", (None, False, False)),
    ],
)
def test_the_rules_of_sudo(rules: str, expected: tuple[bool | None, ...]) -> None:
    assert administrators({"/etc/sudoers": rules, "/proc/sys/kernel/hostname": "gw\n"}) == expected


@pytest.mark.parametrize(
    "line", ["@include sudoers.site", "#include /etc/sudoers.site", '@include "/etc/sudoers.site"']
)
def test_a_file_that_sudo_includes(line: str) -> None:
    files = {"/etc/sudoers": f"{line}\n@includedir /etc/sudoers.d\n", "/etc/sudoers.site": "bruno ALL=(ALL) ALL\n"}
    folder = {"/etc/sudoers.d/carla": "carla ALL=(ALL) ALL\n", "/etc/sudoers.d/old.bak": "anna ALL=(ALL) ALL\n"}
    assert administrators({**files, **folder}) == (None, True, True)


@pytest.mark.parametrize("length", [100, 200_000])
def test_files_that_include_each_other_are_read_up_to_a_bound(length: int) -> None:
    """200 times 131 kB once took seconds; what was not read is unclear, and may let anybody do anything."""
    read: list[int] = []
    text = "@include /etc/sudoers\n" + "# remark\n" * (length // 9)

    def reading(_path: str) -> str:
        read.append(len(text))
        return text

    assert read_sudoers("/etc/sudoers", reading, lambda _pattern: ()).unclear
    assert len(read) <= 200 and sum(read) <= 700_000 + length


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("permit nopass bruno as root\n", (None, True, False)),
        ("permit persist keepenv :wheel\npermit setenv { PATH } 1003\n", (True, False, True)),
        ("permit :wheel\ndeny anna\n", (None, False, False)),
        ("permit bruno as lp\npermit carla as root cmd /sbin/reboot\n", (None, False, None)),
        ("# permit bruno\n", (None, False, False)),
    ],
)
@pytest.mark.parametrize("path", ["/etc/doas.conf", "/etc/doas.d/site.conf"])
def test_the_rules_of_doas(rules: str, expected: tuple[bool | None, ...], path: str) -> None:
    assert administrators({path: rules}) == expected


def test_what_the_rules_leave_open_is_asked_of_sudo() -> None:
    files: dict[str, str | None] = {"/etc/sudoers": "+admins ALL=(ALL) ALL\n"}
    commands = {
        "sudo -n -l -U anna": "User anna is not allowed to run sudo on gw.\n",
        "sudo -n -l -U bruno": ALLOWED.format("bruno", "(ALL : ALL) NOPASSWD: ALL"),
        "sudo -n -l -U carla": ALLOWED.format("carla", "(root) /sbin/reboot"),
    }
    # anna is in wheel: sudo alone does not rule her out.
    assert administrators(files, commands) == (None, True, None)
    commands["sudo -n -l -U carla"] = "User carla is not allowed to run sudo on gw.\n"
    commands["sudo -n -l -U bruno"] = "Matching Defaults:\n    targetpw\n" + commands["sudo -n -l -U bruno"]
    assert administrators(files, commands) == (None, None, False)
    assert administrators(files, dict.fromkeys(commands, (1, "sudo: sorry"))) == (None, None, None)


def test_a_directory_that_does_not_answer_is_waited_for_once() -> None:
    files: dict[str, str | None] = {"/etc/sudoers": "+admins ALL=(ALL) ALL\n"}
    commands: dict[str, Any] = {
        "sudo -n -l -U anna": (124, ""),
        "sudo -n -l -U bruno": ALLOWED.format("bruno", "(ALL : ALL) ALL"),
    }
    assert administrators(files, commands) == (None, None, None)


def test_a_primary_group_counts() -> None:
    passwd = PASSWD.replace("bruno:x:1002:1002", "bruno:x:1002:10")
    assert administrators({"/etc/passwd": passwd, "/etc/sudoers": "%wheel ALL=ALL\n"}) == (True, True, False)


@pytest.mark.parametrize(
    "switch", ["sudoers: files sss\n", "group: files sss\n", "sudoers: files [SUCCESS=return] ldap\n"]
)
def test_rules_of_a_directory_are_not_seen(switch: str) -> None:
    rules = {"/etc/nsswitch.conf": switch, "/etc/sudoers": "%staff2 ALL=ALL\n", "/etc/group": "staff2:x:51:bruno\n"}
    assert administrators(dict(rules)) == (False, True, False)
    in_use = {"/etc/sssd/sssd.conf": "", "/etc/nslcd.conf": ""}
    assert administrators({**rules, **in_use}) == (None, True, None)


# --- who can log in

KEY = "ssh-ed25519 AAAA x\n"
LOCKED = {
    "/etc/passwd": "root:x:0:0::/root:/bin/ash\nsvc:x:1001:1001::/export/svc:/bin/sh\n",
    "/etc/shadow": "root:*:0:::::\nsvc:!::\n",
}


@pytest.mark.parametrize(
    ("files", "root", "svc"),
    [
        ({}, False, False),
        ({"/etc/dropbear/authorized_keys": KEY}, True, False),
        ({"/etc/dropbear/authorized_keys": "# none\n\n"}, False, False),
        ({"/export/svc/.ssh/authorized_keys2": KEY}, False, True),
        ({"/etc/ssh/sshd_config": "AuthorizedKeysFile /etc/ssh/keys/%u\n", "/etc/ssh/keys/svc": KEY}, False, True),
        ({"/etc/ssh/sshd_config": "authorizedkeysfile=none /srv/%U.keys\n", "/srv/1001.keys": KEY}, False, True),
        ({"/etc/ssh/sshd_config": 'AuthorizedKeysFile "%h/.keys/100%%"\n', "/export/svc/.keys/100%": KEY}, False, True),
        ({"/etc/ssh/sshd_config": "AuthorizedKeysFile keys/k\n", "/export/svc/keys/k": KEY}, False, True),
        (
            {
                "/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n",
                "/etc/ssh/sshd_config.d/1.conf": "Match User svc\n  AuthorizedKeysFile /srv/k\n",
                "/srv/k": KEY,
            },
            True,
            True,
        ),
        (
            {
                "/usr/etc/ssh/sshd_config": "Include sshd_config.d/*\n",
                "/etc/ssh/sshd_config.d/a": "AuthorizedKeysFile /k/%u\n",
                "/k/svc": KEY,
            },
            False,
            True,
        ),
        ({"/etc/ssh/sshd_config": "AuthorizedKeysCommand /usr/bin/sss_ssh_authorizedkeys\n"}, None, None),
        ({"/etc/ssh/sshd_config": "AuthorizedKeysCommand none\nTrustedUserCAKeys none\n"}, False, False),
        ({"/etc/ssh/sshd_config": "TrustedUserCAKeys /etc/ssh/ca.pub\n"}, None, None),
        ({"/etc/ssh/sshd_config": None}, None, None),
        ({"/export/svc/.ssh/authorized_keys": None}, False, None),
    ],
)
def test_a_key_that_works_opens_a_locked_account(files: dict[str, str | None], root: Any, svc: Any) -> None:
    found = told({**LOCKED, **files})
    assert (found["root"]["can_login"], found["svc"]["can_login"]) == (root, svc)
    reason = judge_accounts({"accounts": []}, read(list(found.values())), TODAY).reason
    assert reason == (
        "unlisted_account"
        if True in (root, svc)
        else "accounts_undetermined"
        if None in (root, svc)
        else "accounts_as_listed"
    )


@pytest.mark.parametrize(
    ("passwd", "shadow", "state", "can_login"),
    [
        ("svc::1001:1001::/h:/bin/sh\n", None, "empty", True),
        ("svc::1001:1001::/h:/bin/sh\n", "svc:!:1::::::\n", "empty", True),
        ("svc:$1$ab$cd:1001:1001::/h:/bin/sh\n", "", "set", True),
        ("svc:*:1001:1001::/h:/bin/sh\n", "svc:$6$a$b:1::::::\n", "locked", False),
        ("svc:x:1001:1001::/h:/bin/sh\n", "svc::1:0:99999\n", "empty", True),
        ("svc:x:1001:1001::/h:/bin/sh\n", "svc:$6$a:1:0:99999:7::\n", "set", True),
        ("svc:x:1001:1001::/h:/bin/sh\n", "svc::1::::::\nsvc:!:1::::::\n", "empty", True),
        ("svc:x:1001:1001::/h:/bin/sh\nsvc::1001:1001::/h:/bin/sh\n", "svc:!:1::::::\n", "locked", False),
        ("svc:x:1001:1001\n", "svc:$6$a:1::::::\n", "set", True),
        ("svc:x:1001:1001::/h\r\n", "svc:!!:1::::::\r\n", "locked", False),
        ("  svc:x:1001:1001::/h:/bin/sh\n", "svc:$6$a:1::::::\n", "set", True),
        ("svc:x:1001:1001::/h:/sbin/nologin\r\n", "svc:$6$a:1::::::\n", "set", False),
        ("svc:x:1001:1001::/h:/dev/null\n", "svc:$6$a:1::::::\n", "set", False),
        ("svc:x:1001:1001::/h:/bin/sh\n", "", "unknown", None),
    ],
)
def test_passwords_where_they_are(passwd: str, shadow: str | None, state: str, can_login: bool | None) -> None:
    files: dict[str, str | None] = {"/etc/passwd": passwd, "/etc/shadow": shadow or ""}
    found = told(files)["svc"]
    assert (found["password"], found["can_login"]) == (state, can_login)
    empty = judge_empty_passwords(read([found]), TODAY)
    assert (empty is not None) == (state == "empty")


@pytest.mark.parametrize(
    ("files", "seen"),
    [
        ({"/etc/nsswitch.conf": "passwd: files sss\n", "/etc/sssd/sssd.conf": ""}, ["*@sss"]),
        ({"/etc/nsswitch.conf": "passwd: files sss systemd # default\n"}, []),
        ({"/etc/nsswitch.conf": "passwd:\tcompat winbind\n", "/etc/samba/smb.conf": ""}, ["*@winbind"]),
        ({"/etc/nsswitch.conf": "passwd: files ldap\n", "/etc/nslcd.conf": None}, []),
        ({"/etc/nsswitch.conf": "passwd: compat\n", "/etc/passwd": PASSWD + "+@admins::::::\n"}, ["*@nis"]),
        ({"/etc/nsswitch.conf": "passwd: files\n", "/etc/passwd": PASSWD + "+::::::\n"}, []),
    ],
)
def test_accounts_of_a_directory_are_said_not_to_be_visible(files: dict[str, str | None], seen: list[str]) -> None:
    gateway = host({**BASE, **files})
    found = facts(gateway, "accounts")
    accounts = found["accounts"]
    assert [entry["name"] for entry in accounts if entry["name"].startswith("*")] == seen
    assert ("not visible here" in found["subsets"]["accounts"]["detail"]) == bool(seen)
    listed = {"accounts": [{"name": name} for name in ("root", *NAMES)]}
    reason = "accounts_undetermined" if seen else "accounts_as_listed"
    assert judge_accounts(listed, read(accounts), TODAY).reason == reason
