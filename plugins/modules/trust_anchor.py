#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root certificate in, or out of, a gateway's trust stores. Half of this file is documentation."""

from __future__ import annotations

DOCUMENTATION = r"""
module: trust_anchor
short_description: Put a root certificate into a Linux gateway's trust stores, or take one out
version_added: "1.0.0"
description:
  - Looks in each store that is named for the certificate with this SHA-256 fingerprint, and adds or removes that one
    certificate. A store that is as wanted is not touched.
  - The root is judged on the control node, before any connection. Refused are another fingerprint than the one given,
    a file with a private key or with several certificates, what is no certificate of an authority or not signed by
    its own key, what is expired or not yet valid, a weak key, and a signature weaker than SHA-1. (A root's own SHA-1
    signature is not weak, a root is not trusted for its signature.)
  - Every file is written beside the old one, brought to the disk and renamed. C(keytool) and C(certutil) work on a
    copy, which is read again before it takes the place of the store. All stores are read before the first is changed,
    and one that cannot be read or changed stops the task before any change.
  - A store of the system that a killed run left half made is recognised and made anew by the next run.
  - Needs Python 3.9 or newer on the gateway, privilege for files of root's, and the programs that the stores themselves
    need (C(update-ca-certificates) or C(update-ca-trust), C(keytool), C(certutil)).
  - Works for Debian's system store, Java keystores (JKS and PKCS#12), NSS databases and PEM bundles, tested on real
    ones. The system stores of Red Hat, SUSE and Alpine are B(untested) as no real system of theirs could be had, and
    RV(stores[].tested) says so at run time.
options:
  fingerprint_sha256:
    description:
      - SHA-256 of the certificate in DER, as the authority told it by another way than the file came (a signed letter,
        a telephone call). Colons, spaces and capitals do not matter.
      - Required with O(state=present) and O(state=absent).
    type: str
  certificate:
    description:
      - The root certificate, as a file on the control node (PEM or DER), or PEM text. Required with O(state=present).
    type: str
  state:
    description:
      - V(present) and V(absent) are about the certificate.
      - V(restored) puts back what O(kept_in) keeps. It changes nothing where nothing is kept.
      - V(settled) forgets what O(kept_in) keeps, once the change was verified.
    type: str
    choices: [present, absent, restored, settled]
    default: present
  name:
    description:
      - What the certificate is called in the stores, in lower-case letters, digits and hyphens.
      - By default made of its common name and the beginning of its fingerprint.
    type: str
  system_store:
    description:
      - Whether the system's own store is one of them. On Debian the Java keystore that its packages derive from it
        (C(/etc/ssl/certs/java/cacerts)) is kept equal, where it is there.
      - On Debian, what must be made anew is made with C(update-ca-certificates --fresh), during which the links in
        C(/etc/ssl/certs) are away for a moment. Adding a certificate to a sound store needs none of that.
    type: bool
    default: true
  java_keystores:
    description: Java keystores. They are changed, and never made.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The keystore.
        type: path
        required: true
      password_file:
        description: A file on the gateway whose first line is the password.
        type: path
      password_env:
        description:
          - An environment variable of the login that holds the password. Without either, Java's own C(changeit) is
            tried.
        type: str
  nss_databases:
    description: NSS databases of the format C(sql) (cert9.db). They are changed, and never made.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The folder of the database.
        type: path
        required: true
      password_file:
        description: A file on the gateway whose first line is the password.
        type: path
      password_env:
        description: An environment variable of the login that holds the password. Without either, none is needed.
        type: str
  bundles:
    description:
      - PEM bundles that applications are told to trust. They are changed, and never made.
      - One that holds a private key, and one that the system's own command writes, is refused.
    type: list
    elements: path
    default: []
  kept_in:
    description:
      - A folder on the gateway, such as C(/var/lib/cert-hygiene/root_ca), for copies of the files before the first of
        them is changed. It is made with mode 0700; the file of the same name with C(.json) says what is in it.
      - Where a change is already kept there, O(state=present) and O(state=absent) refuse to begin another; check mode
        only tells, by RV(left_open).
      - Copies of keystores hold what the keystores hold, private keys too, and never leave the gateway.
    type: path
  policy:
    description: What differs from the built-in policy; its key sizes and key types are asked of the root.
    type: dict
    default: {}
  command_timeout:
    description: Seconds that each command may take.
    type: float
    default: 120.0
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
attributes:
  check_mode:
    details: Every store is read, and RV(stores), RV(files) and the difference tell what would be changed.
  diff_mode:
    description: Returns the fingerprints that each store holds before and after, and the files concerned.
    support: full
seealso:
  - module: biomed.cert_hygiene.gateway_info
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
"""

EXAMPLES = r"""
- name: The hospital's root is in the system's store and in the keystore of the integration engine
  biomed.cert_hygiene.trust_anchor:
    certificate: files/chu-exemple-root-2026.pem
    fingerprint_sha256: "9f86d081884c7d65 9a2feaa0c55ad015 a3bf4f1b2b0b822c d15d6c15b0f00a08"
    java_keystores:
      - path: /opt/engine/conf/truststore.p12
        password_file: /opt/engine/conf/truststore.password
  become: true

- name: What would be changed, and nothing else
  biomed.cert_hygiene.trust_anchor:
    certificate: files/chu-exemple-root-2026.pem
    fingerprint_sha256: "9f86d081884c7d65 9a2feaa0c55ad015 a3bf4f1b2b0b822c d15d6c15b0f00a08"
    bundles: [/etc/dicom/ca.pem]
  become: true
  check_mode: true
  diff: true

- name: The root of 2016 is retired
  biomed.cert_hygiene.trust_anchor:
    fingerprint_sha256: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
    state: absent
  become: true
"""

RETURN = r"""
stores:
  description: What was, or in check mode would be, done to each store.
  returned: with the states present and absent
  type: list
  elements: dict
  contains:
    kind:
      description: V(system), V(java), V(nss) or V(file).
      type: str
    path:
      description: The store.
      type: str
    change:
      description: V(none), V(add), V(remove), or V(heal) where the system's store was half made.
      type: str
    command:
      description: The command that is run after the files are written; empty for none.
      type: str
    entry:
      description: What the store calls the certificate (alias, nickname, file); empty where it has no name there.
      type: str
    layout:
      description: Of the system's store, V(debian), V(redhat), V(suse) or V(alpine).
      type: str
    tested:
      description: Whether this kind of store was tested on a real system.
      type: bool
files:
  description: The files that were, or would be, written or removed.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
    before_sha256:
      description: SHA-256 of its content before, none where it was not there.
      type: str
    after_sha256:
      description: The same after; none in check mode and where it is gone.
      type: str
name:
  description: What the certificate is called in the stores that it is added to.
  returned: with the state present
  type: str
certificate:
  description: The certificate as PEM.
  returned: with the state present
  type: str
subject:
  description: Whose certificate it is, as an RFC 4514 string.
  returned: with the state present
  type: str
kept:
  description: The files that were there before the change.
  returned: with the state restored, where a change was kept
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
    sha256:
      description: SHA-256 of its content; none where it was not there.
      type: str
undone:
  description: The change that was undone.
  returned: with the state restored, where a change was kept
  type: dict
  contains:
    state:
      description: V(present) or V(absent).
      type: str
    fingerprint_sha256:
      description: The certificate that it was about.
      type: str
    in_system:
      description: Whether it added the certificate to the system's own store, or removed it there.
      type: bool
left_open:
  description: Whether O(kept_in) keeps a change that is neither put back nor settled.
  returned: always
  type: bool
"""

import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import kept as keeping
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.files import check_room, sha256
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import StoreProblem
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import pem_certificates
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.bundle import BundleStore
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.java import JavaStore
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.nss import NssStore
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.plan import (
    Anchor,
    Plan,
    Store,
    fingerprint,
    installed,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.system import (
    DERIVED_JAVA,
    SystemStore,
    layout_of,
)

_PASSWORD = {
    "path": {"type": "path", "required": True},
    "password_file": {"type": "path", "no_log": False},
    "password_env": {"type": "str", "no_log": False},
}
#: Java's own keystore of public authorities has a password that is no secret.
_JAVA_PASSWORD = "changeit"


class Run:
    """One run of the module: what was asked, and what has come of it."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._host = Host(module.params["command_timeout"])
        self.result: dict[str, Any] = {"changed": False, "files": [], "left_open": False}

    def change(self) -> None:
        """States present and absent."""
        params, check = self._module.params, self._module.check_mode
        anchor = self._anchor()
        if anchor.wanted:
            self.result["name"] = anchor.name
        stores = self._stores()
        plans = [store.plan(anchor) for store in stores]
        todo = [(store, plan) for store, plan in zip(stores, plans) if plan.change != "none"]
        paths = list(dict.fromkeys(path for _store, plan in todo for path in plan.files))
        before = {path: sha256(path) for path in paths}
        self.result["stores"] = [_told(store, plan, anchor) for store, plan in zip(stores, plans)]
        self.result["diff"] = [_difference(store, plan) for store, plan in todo]
        self.result["files"] = [{"path": path, "before_sha256": before[path], "after_sha256": None} for path in paths]
        folder = params["kept_in"]
        self.result["left_open"] = bool(folder and keeping.kept(folder))
        if not todo:
            return
        if self.result["left_open"]:
            if not check:
                raise StoreProblem(
                    f"an earlier change was left open ({folder}.json): put it back first (state: restored)"
                )
        else:
            check_room(paths, folder)
        if folder and not check:
            system = [plan for store, plan in todo if store.kind == "system"]
            kept = list(dict.fromkeys(path for _store, plan in todo for path in plan.kept))
            note = {"fingerprint_sha256": anchor.fingerprint, "state": params["state"]}
            keeping.keep(folder, kept, bool(system), {**note, "in_system": any(plan.kept for plan in system)})
            self.result["left_open"] = True
        self.result["changed"] = True
        if check:
            return
        try:
            for store, plan in todo:
                if store.path == DERIVED_JAVA:  # Debian's hook may have done what was planned
                    plan = store.plan(anchor)
                if plan.change != "none":
                    store.apply(anchor, plan)
        finally:
            self._look_again()

    def restore(self) -> None:
        """State restored."""
        folder = self._module.params["kept_in"]
        state = keeping.kept(folder)
        if state is None:
            return
        self.result["left_open"] = True
        self.result["undone"] = {
            "state": str(state.get("state", "")),
            "fingerprint_sha256": str(state.get("fingerprint_sha256", "")),
            "in_system": state.get("in_system") is True,
        }
        self.result["kept"] = [{"path": file["path"], "sha256": file["before_sha256"]} for file in state["files"]]
        before = {file["path"]: sha256(file["path"]) for file in state["files"]}
        differing = [file["path"] for file in state["files"] if before[file["path"]] != file["before_sha256"]]
        system = bool(state.get("system"))
        self.result["files"] = [
            {"path": path, "before_sha256": before[path], "after_sha256": None} for path in differing
        ]
        # A store of the system may be half made although its anchors are back.
        self.result["changed"] = bool(differing) or system
        if self._module.check_mode:
            return
        try:
            keeping.restore(folder, state)
            if system:
                SystemStore(self._host, layout_of(self._host)).refresh()
                # A hook may have written to what was put back.
                keeping.restore(folder, state)
        finally:
            self._look_again()

    def settle(self) -> None:
        """State settled."""
        folder = self._module.params["kept_in"]
        there = keeping.kept(folder) is not None if self._module.check_mode else keeping.settle(folder)
        self.result["changed"] = there

    def _look_again(self) -> None:
        for file in self.result["files"]:
            try:
                file["after_sha256"] = sha256(file["path"])
            except StoreProblem:
                continue

    def _anchor(self) -> Anchor:
        params = self._module.params
        wanted, asked = params["state"] == "present", params["fingerprint_sha256"]
        if not wanted:
            return Anchor(asked, False)
        found = pem_certificates(params["certificate"].encode())
        if len(found) != 1 or fingerprint(found[0]) != asked:
            raise StoreProblem("what arrived here is not the certificate with this fingerprint")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", params["name"] or ""):
            raise StoreProblem("name: lower-case letters, digits and hyphens, at most 64")
        return Anchor(asked, True, params["name"], found[0])

    def _stores(self) -> list[Store]:
        params = self._module.params
        stores: list[Store] = []
        seen: set[str] = set()

        def add(store: Store) -> None:
            place = os.path.realpath(store.path)
            if place not in seen:
                seen.add(place)
                stores.append(store)

        if params["system_store"]:
            layout = layout_of(self._host)
            add(SystemStore(self._host, layout))
        for store in params["java_keystores"]:
            add(JavaStore(self._host, store["path"], self._password(store) or _JAVA_PASSWORD))
        if params["system_store"] and layout.name == "debian" and os.path.exists(DERIVED_JAVA):
            if not installed("keytool"):
                self._module.warn(f"{DERIVED_JAVA} was left as it is: Java is not here any more.")
            else:
                add(JavaStore(self._host, DERIVED_JAVA, _JAVA_PASSWORD))
        for store in params["nss_databases"]:
            add(NssStore(self._host, store["path"], self._password(store)))
        for path in params["bundles"]:
            add(BundleStore(path))
        return stores

    def _password(self, store: dict[str, Any]) -> str | None:
        password = None
        if store["password_file"]:
            text = self._host.read_secret(store["password_file"])
            if text is None:
                raise StoreProblem(f"{store['path']}: password_file {store['password_file']} cannot be read")
            password = text.splitlines()[0] if text else ""
        elif store["password_env"]:
            password = os.environ.get(store["password_env"])
            if password is None:
                raise StoreProblem(f"{store['path']}: the environment has no {store['password_env']}")
        if password:
            self._module.no_log_values.add(password)
        return password


def _told(store: Store, plan: Plan, anchor: Anchor) -> dict[str, Any]:
    told = {"kind": store.kind, "path": store.path, "change": plan.change, "command": plan.command, "tested": True}
    lines = [line for line in (*plan.after, *plan.before) if line.startswith(anchor.fingerprint)]
    told["entry"] = lines[0][len(anchor.fingerprint) + 1 :] if lines else ""
    if isinstance(store, SystemStore):
        told.update(layout=store.layout.name, tested=store.layout.tested)
    return told


def _difference(store: Store, plan: Plan) -> dict[str, str]:
    what = [f"file {path}" for path in plan.files] + ([f"command {plan.command}"] if plan.command else [])
    return {
        "before_header": f"{store.path} ({store.kind})",
        "after_header": f"{store.path} ({store.kind}): {plan.change}; {'; '.join(what)}",
        "before": "".join(f"{line}\n" for line in plan.before),
        "after": "".join(f"{line}\n" for line in plan.after),
    }


def main() -> None:
    """Module entry point."""
    module = AnsibleModule(
        argument_spec={
            "fingerprint_sha256": {"type": "str"},
            "certificate": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent", "restored", "settled"], "default": "present"},
            "name": {"type": "str"},
            "system_store": {"type": "bool", "default": True},
            "java_keystores": {
                "type": "list",
                "no_log": False,
                "elements": "dict",
                "default": [],
                "options": _PASSWORD,
                "mutually_exclusive": [("password_file", "password_env")],
            },
            "nss_databases": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": _PASSWORD,
                "mutually_exclusive": [("password_file", "password_env")],
            },
            "bundles": {"type": "list", "elements": "path", "default": []},
            "kept_in": {"type": "path"},
            # Taken by the action.
            "policy": {"type": "dict", "default": {}},
            "command_timeout": {"type": "float", "default": 120.0},
        },
        required_if=[
            ("state", "present", ("fingerprint_sha256", "certificate")),
            ("state", "absent", ("fingerprint_sha256",)),
            ("state", "restored", ("kept_in",)),
            ("state", "settled", ("kept_in",)),
        ],
        supports_check_mode=True,
    )
    run = Run(module)
    steps = {"restored": run.restore, "settled": run.settle}
    try:
        steps.get(module.params["state"], run.change)()
    except StoreProblem as problem:
        module.fail_json(msg=f"trust_anchor: {problem}.", **run.result)
    module.exit_json(**run.result)


if __name__ == "__main__":
    main()
