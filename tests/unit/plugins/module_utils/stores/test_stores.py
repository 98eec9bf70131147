# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust stores changed for real: keystores by keytool, NSS databases by certutil, bundles, and what is kept of them.

What a store then holds is asked of the same programs by this test, not of the code that changed it. The system's own
store is changed on real gateways, in tests/gateways.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import files, held
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import kept as keeping
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import StoreProblem
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.recording import RecordedHost
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import parse_nss_list
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores import system
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.bundle import BundleStore
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.java import JavaStore, parse_entries
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.nss import NssStore, parse_details
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.plan import Anchor, Store
from ansible_collections.biomed.cert_hygiene.tests.unit import pki_factory as pki

KEYTOOL = pytest.mark.skipif(shutil.which("keytool") is None, reason="needs the program keytool")
CERTUTIL = pytest.mark.skipif(shutil.which("certutil") is None, reason="needs the program certutil")
OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")
HOST = Host(60)
SECRET = "un mot de passe"


def anchor(identity: pki.Identity, *, wanted: bool = True, name: str = "chu-root") -> Anchor:
    return Anchor(print_of(identity), wanted, name, identity.der)


def print_of(identity: pki.Identity) -> str:
    return hashlib.sha256(identity.der).hexdigest()


OLD, NEW, LEAF = (
    pki.make("Old root", ca=True, kind="rsa2048", label="old"),
    pki.make("New root", ca=True, kind="rsa2048", label="new"),
    pki.make("gateway", dns=["gateway"], kind="rsa2048", label="leaf"),
)


def brought_to(store: Store, wanted: Anchor) -> str:
    """Plan and apply; what was done. Nothing is left to do, and nothing lies about."""
    plan = store.plan(wanted)
    if plan.change != "none":
        store.apply(wanted, plan)
    assert store.plan(wanted).change == "none"
    folder = Path(store.path) if store.kind == "nss" else Path(store.path).parent
    assert [path for path in folder.iterdir() if path.name.startswith(files.PREFIX)] == []
    return plan.change


def said(*command: str, **options: Any) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


# -- Java


def keystore(folder: Path, kind: str, *roots: pki.Identity, key: bool = False) -> Path:
    """A keystore made by keytool alone."""
    path = folder / f"store.{kind}"
    common = ("-keystore", str(path), "-storetype", kind, "-storepass", SECRET, "-J-XX:TieredStopAtLevel=1")
    if key:
        said(
            "keytool", "-genkeypair", "-alias", "own", "-keyalg", "EC", "-dname", "CN=own", "-keypass", SECRET, *common
        )
    for number, root in enumerate(roots):
        (folder / "root.pem").write_text(root.pem, encoding="ascii")
        said("keytool", "-importcert", "-noprompt", "-alias", f"r{number}", "-file", str(folder / "root.pem"), *common)
    return path


def listed(path: Path) -> dict[str, list[str]]:
    """{kind of entry: fingerprints} as `keytool -list -v` says."""
    text = said("keytool", "-list", "-v", "-keystore", str(path), "-storepass", SECRET, "-J-Duser.language=en")
    found: dict[str, list[str]] = {}
    for part in text.split("Alias name: ")[1:]:
        kind = re.search(r"Entry type: (\w+)", part)
        prints = re.findall(r"SHA256: ([0-9A-F:]{95})", part)
        assert kind
        found.setdefault(kind[1], []).extend(text.replace(":", "").lower() for text in prints)
    return found


@KEYTOOL
@pytest.mark.parametrize("kind", ["JKS", "PKCS12"])
def test_a_keystore_gets_a_root_and_keeps_the_rest(kind: str, tmp_path: Path) -> None:
    path = keystore(tmp_path, kind, OLD, key=True)
    path.chmod(0o640)
    before = listed(path)
    store = JavaStore(HOST, str(path), SECRET)
    assert brought_to(store, anchor(NEW)) == "add"
    after = listed(path)
    assert after["PrivateKeyEntry"] == before["PrivateKeyEntry"]
    assert sorted(after["trustedCertEntry"]) == sorted([print_of(OLD), print_of(NEW)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    unchanged = path.stat().st_ino, path.read_bytes()
    assert brought_to(store, anchor(NEW, name="by-another-name")) == "none"
    assert (path.stat().st_ino, path.read_bytes()) == unchanged
    assert brought_to(store, anchor(OLD, wanted=False)) == "remove"
    assert listed(path)["trustedCertEntry"] == [print_of(NEW)]
    assert brought_to(store, anchor(OLD, wanted=False)) == "none"


@KEYTOOL
def test_the_chain_of_a_key_is_not_trust(tmp_path: Path) -> None:
    path = keystore(tmp_path, "PKCS12", key=True)
    (own,) = listed(path)["PrivateKeyEntry"]
    entries = JavaStore(HOST, str(path), SECRET)._entries(str(path))
    assert entries == {"own": ("PrivateKeyEntry", (own,))}
    pem = said("keytool", "-exportcert", "-rfc", "-alias", "own", "-keystore", str(path), "-storepass", SECRET)
    der = files_der(pem)
    assert JavaStore(HOST, str(path), SECRET).plan(Anchor(own, True, "own-root", der)).change == "add"


def files_der(pem: str) -> bytes:
    return pki.x509.load_pem_x509_certificate(pem.encode()).public_bytes(pki.serialization.Encoding.DER)


@KEYTOOL
@pytest.mark.parametrize("kind", ["JKS", "PKCS12"])
def test_a_wrong_password_changes_nothing_and_is_not_told(kind: str, tmp_path: Path) -> None:
    path = keystore(tmp_path, kind, OLD)
    before = path.read_bytes()
    with pytest.raises(StoreProblem, match="its password is another") as caught:
        JavaStore(HOST, str(path), "not the password").plan(anchor(NEW))
    assert "not the password" not in str(caught.value)
    assert path.read_bytes() == before


@KEYTOOL
def test_an_alias_of_another_certificate_is_not_overwritten(tmp_path: Path) -> None:
    path = keystore(tmp_path, "PKCS12", OLD)
    with pytest.raises(StoreProblem, match="another certificate under the name 'r0'"):
        JavaStore(HOST, str(path), SECRET).plan(anchor(NEW, name="r0"))


class WithoutKeytool(Host):
    def run(self, *command: str, environment: dict[str, str] | None = None) -> Any:
        return None


@KEYTOOL
def test_an_equal_jks_needs_neither_keytool_nor_password(tmp_path: Path) -> None:
    path = keystore(tmp_path, "JKS", OLD)
    store = JavaStore(WithoutKeytool(), str(path), "")
    assert store.plan(anchor(OLD)).change == "none"
    with pytest.raises(StoreProblem, match="no keytool"):
        store.plan(anchor(NEW))


class LyingKeytool(Host):
    """Says that it changed the copy, and did not."""

    def run(self, *command: str, environment: dict[str, str] | None = None) -> Any:
        if "-importcert" in command:
            return super().run("true")
        return super().run(*command, environment=environment)


@KEYTOOL
def test_a_copy_that_is_not_as_wanted_never_takes_the_place(tmp_path: Path) -> None:
    path = keystore(tmp_path, "PKCS12", OLD)
    before = path.stat().st_ino, path.read_bytes()
    store = JavaStore(LyingKeytool(60), str(path), SECRET)
    with pytest.raises(StoreProblem, match="not as wanted"):
        store.apply(anchor(NEW), store.plan(anchor(NEW)))
    assert (path.stat().st_ino, path.read_bytes()) == before


@KEYTOOL
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    path = keystore(tmp_path, "PKCS12", OLD)
    (tmp_path / "link").mkdir()
    link = tmp_path / "link" / "cacerts"
    link.symlink_to(path)
    assert brought_to(JavaStore(HOST, str(link), SECRET), anchor(NEW)) == "add"
    assert link.is_symlink()
    assert print_of(NEW) in listed(path)["trustedCertEntry"]


def test_hostile_aliases_stay_apart() -> None:
    text = (
        "Alias name: a\nCreation date: x\nEntry type: PrivateKeyEntry\nCertificate chain length: 1\n"
        f"Certificate[1]:\n{OLD.pem}\n\n*****\n\nAlias name: Entry type: trustedCertEntry\nCreation date: x\n"
        f"Entry type: trustedCertEntry\n\n{NEW.pem}\n"
    )
    assert parse_entries(text) == {
        "a": ("PrivateKeyEntry", (print_of(OLD),)),
        "Entry type: trustedCertEntry": ("trustedCertEntry", (print_of(NEW),)),
    }


# -- NSS


def database(folder: Path, *roots: tuple[str, str, pki.Identity], password: str = "") -> Path:
    """An NSS database made by certutil alone: (nickname, flags, root) each."""
    path = folder / "nssdb"
    path.mkdir()
    (folder / "password").write_text(password + "\n", encoding="ascii")
    words = ("-d", f"sql:{path}", "-f", str(folder / "password"))
    said("certutil", "-N", *words)
    for nickname, flags, root in roots:
        (folder / "root.pem").write_text(root.pem, encoding="ascii")
        said("certutil", "-A", "-n", nickname, "-t", flags, "-i", str(folder / "root.pem"), "-a", *words)
    return path


def nicknames(path: Path) -> dict[str, str]:
    lines = said("certutil", "-L", "-d", f"sql:{path}").splitlines()
    return dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in lines[4:] if line.strip())  # type: ignore[misc]


@CERTUTIL
@pytest.mark.parametrize("password", ["", SECRET])
def test_a_database_gets_a_root_and_keeps_the_rest(password: str, tmp_path: Path) -> None:
    path = database(tmp_path, ("old", "C,,", OLD), password=password)
    store = NssStore(HOST, str(path), password or None)
    assert brought_to(store, anchor(NEW)) == "add"
    assert nicknames(path) == {"old": "C,,", "chu-root": "C,,"}
    # As an application would: is it an authority for servers?
    said("certutil", "-V", "-n", "chu-root", "-u", "L", "-d", f"sql:{path}")
    assert brought_to(store, anchor(OLD, wanted=False)) == "remove"
    assert nicknames(path) == {"chu-root": "C,,"}


@CERTUTIL
def test_a_certificate_without_trust_is_not_held(tmp_path: Path) -> None:
    path = database(tmp_path, ("idle", ",,", NEW))
    store = NssStore(HOST, str(path), None)
    assert brought_to(store, anchor(NEW)) == "add"
    assert set(nicknames(path).values()) == {"C,,"}


@CERTUTIL
def test_roots_of_one_subject_are_told_apart(tmp_path: Path) -> None:
    """A renewed root often has the old one's name."""
    twin = pki.make("Old root", ca=True, kind="rsa2048", label="twin")
    path = database(tmp_path, ("old", ",,", OLD), ("twin", "C,,", twin))
    store = NssStore(HOST, str(path), None)
    assert store.plan(anchor(twin)).change == "none"
    assert brought_to(store, anchor(OLD)) == "add"
    assert store.plan(anchor(twin)).change == "none"


@CERTUTIL
def test_a_database_with_a_password_is_not_changed_without_it(tmp_path: Path) -> None:
    path = database(tmp_path, password=SECRET)
    before = {name.name: name.read_bytes() for name in path.iterdir()}
    store = NssStore(HOST, str(path), "wrong")
    with pytest.raises(StoreProblem):
        store.apply(anchor(NEW), store.plan(anchor(NEW)))
    assert {name.name: name.read_bytes() for name in path.iterdir()} == before


@CERTUTIL
def test_a_database_in_use_or_of_another_format_is_refused(tmp_path: Path) -> None:
    path = database(tmp_path)
    (path / "cert9.db-journal").write_bytes(b"hot")
    with pytest.raises(StoreProblem, match="being written to"):
        NssStore(HOST, str(path), None).plan(anchor(NEW))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "cert8.db").touch()
    with pytest.raises(StoreProblem, match=r"cert8\.db"):
        NssStore(HOST, str(tmp_path / "old"), None).plan(anchor(NEW))


def test_flags_belong_to_their_certificate() -> None:
    def shown(identity: pki.Identity, *flags: str) -> str:
        text = print_of(identity).upper()
        colons = ":".join(text[at : at + 2] for at in range(0, 64, 2))
        lines = "".join(f"            {flag}\n" for flag in flags)
        return (
            f"Certificate:\n    Data:\n    Fingerprint (SHA-256):\n        {colons}\n    Certificate Trust Flags:\n"
            f"        SSL Flags:\n{lines}        Email Flags:\n            Trusted CA\n"
            "        Object Signing Flags:\n\n"
        )

    text = shown(OLD) + shown(NEW, "Valid CA", "Trusted CA") + shown(LEAF, "Valid CA")
    assert parse_details(text) == {print_of(OLD): False, print_of(NEW): True, print_of(LEAF): False}


def test_what_certutil_shows_is_read_in_a_moment_however_long_its_lines() -> None:
    listed = (
        "\nCertificate Nickname                                         Trust Attributes\n"
        "                                                             SSL,S/MIME,JAR/XPI\n\n"
        "The CHU's root, 2026                                         CT,C,C\n"
        "idle                                                         ,,   \n"
    )
    assert parse_nss_list(listed) == [("The CHU's root, 2026", "CT,C,C"), ("idle", ",,")]
    begun = time.process_time()
    assert parse_nss_list((" " * 499 + "\n") * 2000) == []
    shown = "Certificate:\n    Fingerprint (SHA-256):\n        " + ":".join(["AB"] * 32) + "\n    SSL Flags:\n"
    assert parse_details(shown + " " * 12 + "Trusted CA\n") == {"ab" * 32: True}
    # As it is where the output was cut off.
    assert parse_details(shown + " " * 200_000) == {"ab" * 32: False}
    assert time.process_time() - begun < 5


# -- bundles


def test_a_bundle_keeps_every_other_byte(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    text = f"# of the vendor\n{OLD.pem}\n# last line without an end:\n{LEAF.pem}".rstrip("\n")
    path.write_text(text, encoding="ascii")
    store = BundleStore(str(path))
    assert brought_to(store, anchor(NEW)) == "add"
    assert path.read_text(encoding="ascii") == text + "\n" + NEW.pem
    assert brought_to(store, anchor(NEW, wanted=False)) == "remove"
    assert path.read_text(encoding="ascii") == text + "\n"


@OPENSSL
def test_openssl_trusts_what_the_bundle_got(tmp_path: Path) -> None:
    path, leaf = tmp_path / "ca.pem", tmp_path / "leaf.pem"
    path.write_text(OLD.pem, encoding="ascii")
    leaf.write_text(pki.make("pacs", NEW, dns=["pacs"]).pem, encoding="ascii")
    verify = ("openssl", "verify", "-no-CApath", "-CAfile", str(path), str(leaf))
    assert subprocess.run(verify, capture_output=True, check=False).returncode != 0
    brought_to(BundleStore(str(path)), anchor(NEW))
    said(*verify)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file"),
        (OLD.pem + OLD.private_pem, "private key"),
        (OLD.pem + LEAF.pem[:300], "broken certificate"),
    ],
)
def test_bundles_that_are_refused(content: str | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, encoding="ascii")
    with pytest.raises(StoreProblem, match=why):
        BundleStore(str(path)).plan(anchor(NEW))


def test_a_bundle_is_never_emptied(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(OLD.pem, encoding="ascii")
    with pytest.raises(StoreProblem, match="without any certificate"):
        brought_to(BundleStore(str(path)), anchor(OLD, wanted=False))
    assert path.read_text(encoding="ascii") == OLD.pem


def test_what_the_system_writes_is_no_bundle() -> None:
    with pytest.raises(StoreProblem, match="written by the system's own command"):
        BundleStore("/etc/ssl/certs/ca-certificates.crt").plan(anchor(NEW))


def test_a_hard_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(OLD.pem, encoding="ascii")
    os.link(path, tmp_path / "second-name")
    store = BundleStore(str(path))
    with pytest.raises(StoreProblem, match="second name"):
        store.apply(anchor(NEW), store.plan(anchor(NEW)))
    assert path.read_text(encoding="ascii") == OLD.pem


def test_a_change_by_somebody_else_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(OLD.pem, encoding="ascii")
    store = BundleStore(str(path))
    plan = store.plan(anchor(NEW))
    read = BundleStore._read

    def meanwhile(self: BundleStore) -> tuple[str, bytes]:
        found = read(self)
        path.write_text(OLD.pem + LEAF.pem, encoding="ascii")
        return found

    monkeypatch.setattr(BundleStore, "_read", meanwhile)
    with pytest.raises(StoreProblem, match="changed by somebody else"):
        store.apply(anchor(NEW), plan)
    assert path.read_text(encoding="ascii") == OLD.pem + LEAF.pem


# -- files


def test_what_a_killed_run_left_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / (held.PREFIX + "dead")).touch()
    (tmp_path / "other").write_text("old", encoding="ascii")
    files.replace(str(tmp_path / "other"), b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for process in ("4194999", str(os.getppid())):  # none has the first number, it is beyond what Linux gives
        (tmp_path / f"{held.PREFIX}{process}-x").mkdir()
    with files.workshop() as place:
        assert stat.S_IMODE(os.stat(place).st_mode) == 0o700
        assert {path.name for path in tmp_path.iterdir()} == {
            *("other", Path(place).name, f"{held.PREFIX}{os.getppid()}-x")
        }
    assert not os.path.exists(place)


def test_two_runs_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "_LOCK_SECONDS", 0.2)
    (tmp_path / "store").write_text("old", encoding="ascii")
    with held.held(str(tmp_path), lock=True), pytest.raises(StoreProblem, match="another run"):
        files.replace(str(tmp_path / "store"), b"new")
    assert (tmp_path / "store").read_text(encoding="ascii") == "old"


# -- what is kept


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Path, Path, Path]]:
    """(folder, a file that was there, one that was not)."""
    there, new = tmp_path / "there", tmp_path / "new"
    there.write_text("old", encoding="ascii")
    there.chmod(0o640)
    folder = tmp_path / "lib" / "root_ca"
    keeping.keep(str(folder), [str(there), str(new)], False, {"fingerprint_sha256": "ab"})
    yield folder, there, new


def test_what_was_there_is_put_back(kept: tuple[Path, Path, Path]) -> None:
    folder, there, new = kept
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.with_suffix(".json").stat().st_mode) == 0o600
    there.write_text("half", encoding="ascii")
    new.write_text("new", encoding="ascii")
    state = keeping.kept(str(folder))
    assert state is not None
    assert sorted(keeping.restore(str(folder), state)) == sorted([str(there), str(new)])
    assert there.read_text(encoding="ascii") == "old"
    assert stat.S_IMODE(there.stat().st_mode) == 0o640
    assert not new.exists()
    assert keeping.restore(str(folder), state) == []
    there.unlink()
    keeping.restore(str(folder), state)
    assert (there.read_text(encoding="ascii"), stat.S_IMODE(there.stat().st_mode)) == ("old", 0o640)
    assert keeping.settle(str(folder)) is True
    assert keeping.kept(str(folder)) is None
    assert not folder.exists()


def test_an_open_change_is_not_overwritten(kept: tuple[Path, Path, Path]) -> None:
    folder, there, _new = kept
    with pytest.raises(StoreProblem, match="left open"):
        keeping.keep(str(folder), [str(there)], False, {})


def test_a_killed_keeping_is_no_state(kept: tuple[Path, Path, Path]) -> None:
    folder, there, _new = kept
    folder.with_suffix(".json").unlink()
    assert keeping.kept(str(folder)) is None
    keeping.keep(str(folder), [str(there)], False, {})
    assert keeping.kept(str(folder)) is not None


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 1, "files": [{"path": "x"}]}', "[]"])
def test_a_damaged_state_is_not_believed(text: str, kept: tuple[Path, Path, Path]) -> None:
    folder, _there, _new = kept
    folder.with_suffix(".json").write_text(text, encoding="ascii")
    with pytest.raises(StoreProblem, match="cannot be understood"):
        keeping.kept(str(folder))


def test_a_damaged_copy_is_not_put_back(kept: tuple[Path, Path, Path]) -> None:
    folder, there, _new = kept
    there.write_text("new", encoding="ascii")
    (folder / "0").write_text("damaged", encoding="ascii")
    state = json.loads(folder.with_suffix(".json").read_text(encoding="ascii"))
    with pytest.raises(StoreProblem, match="restore it from the backup"):
        keeping.restore(str(folder), state)
    assert there.read_text(encoding="ascii") == "new"


# -- layouts


@pytest.mark.parametrize(
    ("signs", "name", "tested"),
    [
        (["/etc/debian_version"], "debian", True),
        (["/etc/alpine-release"], "alpine", False),
        (["/etc/pki/ca-trust/source/anchors"], "redhat", False),
        (["/etc/pki/trust/anchors"], "suse", False),
    ],
)
def test_layouts_are_told_apart_and_only_debian_is_shown_as_tested(signs: list[str], name: str, tested: bool) -> None:
    state = {"mode": 0o755, "uid": 0, "gid": 0, "modified": 0.0, "size": 1}
    found = system.layout_of(RecordedHost({"states": dict.fromkeys(signs, state)}))
    assert (found.name, found.tested) == (name, tested)


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(StoreProblem, match="no layout"):
        system.layout_of(RecordedHost({"states": {}}))
