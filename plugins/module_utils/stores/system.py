# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system's own trust store: a folder of anchors, and the command that makes bundles and links of them.

The command can be killed half-way. On Debian a later plain run does not mend that (it rehashes only when a link was
added, appends to the bundle that a killed run left, and never takes a local certificate's link away), so what is half
made is recognised here and made anew with --fresh.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.files import read_store, remove, replace
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import StoreProblem, resolved
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import fingerprint, pem_certificates
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.plan import (
    Anchor,
    Plan,
    changed,
    installed,
    shown,
)


@dataclass(frozen=True)
class Layout:
    """Where a family of distributions keeps its anchors.

    sign: what is there on this family alone. anchors: the folder for the hospital's own. bundle: what applications
    read. hashed: the folder of links by subject hash, "" for none. command: after a change; fresh: to make all anew.
    tested: whether this was seen to work on a real system of that family.
    """

    name: str
    sign: str
    anchors: str
    bundle: str
    hashed: str
    command: tuple[str, ...]
    fresh: tuple[str, ...]
    tested: bool


#: The first whose sign is there. Debian's last: others have its folders too.
LAYOUTS = (
    Layout(
        "redhat",
        "/etc/pki/ca-trust/source/anchors",
        "/etc/pki/ca-trust/source/anchors",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "",
        ("update-ca-trust", "extract"),
        ("update-ca-trust", "extract"),
        tested=False,
    ),
    Layout(
        "suse",
        "/etc/pki/trust/anchors",
        "/etc/pki/trust/anchors",
        "/etc/ssl/ca-bundle.pem",
        "",
        ("update-ca-certificates",),
        ("update-ca-certificates", "--fresh"),
        tested=False,
    ),
    Layout(
        "alpine",
        "/etc/alpine-release",
        "/usr/local/share/ca-certificates",
        "/etc/ssl/certs/ca-certificates.crt",
        "",
        ("update-ca-certificates",),
        ("update-ca-certificates", "--fresh"),
        tested=False,
    ),
    Layout(
        "debian",
        "/etc/debian_version",
        "/usr/local/share/ca-certificates",
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/ssl/certs",
        ("update-ca-certificates",),
        ("update-ca-certificates", "--fresh"),
        tested=True,
    ),
)
#: What a hook of Debian's Java packages makes of the system's store.
DERIVED_JAVA = "/etc/ssl/certs/java/cacerts"
#: Where Debian's packages keep theirs, and which of them are chosen.
_DISTRIBUTION, _CHOSEN = "/usr/share/ca-certificates", "/etc/ca-certificates.conf"


def layout_of(host: Host) -> Layout:
    """This gateway's layout. StoreProblem where it is none that is known."""
    for layout in LAYOUTS:
        if host.state(layout.sign):
            return layout
    raise StoreProblem("the system's trust store is of no layout that is known here (Debian, Red Hat, SUSE, Alpine)")


@dataclass(frozen=True)
class _Seen:
    """anchors: path -> fingerprints in it; bundle, hashed: fingerprints; flaws: what is half made, in words."""

    anchors: dict[str, tuple[str, ...]]
    bundle: frozenset[str]
    hashed: frozenset[str]
    flaws: tuple[str, ...]


class SystemStore:
    """The store of `layout`; `path` is its bundle."""

    kind = "system"

    def __init__(self, host: Host, layout: Layout) -> None:
        self.path = layout.bundle
        self.layout = layout
        self._host = host

    def plan(self, anchor: Anchor) -> Plan:
        """See Store."""
        if not os.path.isdir(self.layout.anchors):
            raise StoreProblem(f"{self.layout.anchors} is not there: install the package ca-certificates")
        seen = self._look()
        before = self._lines(seen)
        mine = [path for path, prints in seen.anchors.items() if anchor.fingerprint in prints]
        held = anchor.fingerprint in seen.bundle and (not self.layout.hashed or anchor.fingerprint in seen.hashed)
        fresh = self.layout.fresh
        derived = (self.path,)
        if anchor.wanted:
            if held and not seen.flaws:
                return Plan("none", before=before, after=before)
            if held or mine:
                return Plan("heal", derived, (), before, self._lines(seen, anchor), _words(fresh))
            path = self._new_path(anchor)
            if path in seen.anchors:
                raise StoreProblem(f"{path} is there, and holds another certificate")
            command = fresh if seen.flaws else self.layout.command
            files = (path, *derived)
            return Plan("add", files, (path,), before, self._lines(seen, anchor), _words(command))
        if mine:
            shared = next((path for path in mine if len(seen.anchors[path]) > 1), None)
            if shared:
                raise StoreProblem(f"{shared} holds other certificates too: take this one out of it by hand")
            return Plan(
                "remove",
                (*sorted(mine), *derived),
                tuple(sorted(mine)),
                before,
                self._lines(seen, anchor),
                _words(fresh),
            )
        if seen.flaws:
            return Plan("heal", derived, (), before, self._lines(seen, anchor), _words(fresh))
        if held or anchor.fingerprint in seen.bundle:
            raise StoreProblem(
                f"{self.path} holds it from the distribution's own packages: deselect it there "
                f"(on Debian a line of {_CHOSEN} that begins with '!')"
            )
        return Plan("none", before=before, after=before)

    def apply(self, anchor: Anchor, plan: Plan) -> None:
        """See Store."""
        if not installed(plan.command.split()[0]):
            raise StoreProblem(f"no {plan.command.split()[0]} on this gateway")
        if plan.change == "add":
            replace(os.path.join(resolved(self.layout.anchors), anchor.name + ".crt"), anchor.pem)
        elif plan.change == "remove":
            for path in plan.kept:
                remove(path)
        self.refresh(plan.command.split())
        seen = self._look()
        held = anchor.fingerprint in seen.bundle and (not self.layout.hashed or anchor.fingerprint in seen.hashed)
        if held != anchor.wanted or seen.flaws:
            why = "; ".join(seen.flaws) or ("it is not in the store" if anchor.wanted else "it is still in the store")
            raise StoreProblem(f"{plan.command} has run, and the system's store is not as wanted: {why}")

    def refresh(self, command: list[str] | None = None) -> None:
        """Make what is derived from the anchors; all of it anew without a `command`."""
        words = command or list(self.layout.fresh)
        for left in self._leftovers():
            remove(left)
        output = self._host.run(*words)
        if output is None:
            raise StoreProblem(f"no {words[0]} on this gateway")
        if output.status != 0:
            said = " ".join((output.stderr or output.stdout).split())[-300:]
            raise StoreProblem(f"{' '.join(words)} failed ({output.status}): {said or 'without a word'}")

    def _new_path(self, anchor: Anchor) -> str:
        return os.path.join(self.layout.anchors, anchor.name + ".crt")

    def _leftovers(self) -> list[str]:
        """Debian's command appends to the new bundle that a killed run left: half a certificate would stay in it."""
        left = self.path + ".new"
        return [left] if self.layout.hashed and os.path.lexists(left) else []

    def _lines(self, seen: _Seen, anchor: Anchor | None = None) -> tuple[str, ...]:
        names = {key: os.path.basename(path) for path, prints in seen.anchors.items() for key in prints}
        held = {key: names.get(key, "") for key in seen.bundle}
        return (*shown(changed(held, anchor) if anchor else held), *(() if anchor else seen.flaws))

    def _look(self) -> _Seen:
        layout = self.layout
        anchors = {path: _prints(path) for path in self._anchor_files()}
        data = read_store(layout.bundle) or b""
        bundle = frozenset(map(fingerprint, pem_certificates(data)))
        if not layout.hashed:
            missing = [path for path, prints in anchors.items() if not bundle.issuperset(prints)]
            return _Seen(anchors, bundle, frozenset(), tuple(f"{path} is not in the bundle" for path in missing))
        flaws = [f"{path} was left by a killed run" for path in self._leftovers()]
        if data.count(b"-----BEGIN ") != len(pem_certificates(data)):
            flaws.append(f"{layout.bundle} holds a broken certificate")
        linked, hashed = self._links(flaws)
        for path in [*anchors, *self._distribution_files()]:
            prints = anchors.get(path) or _prints(path)
            # openssl rehash passes over a file that does not hold exactly one certificate.
            if not bundle.issuperset(prints):
                flaws.append(f"{path} is not in {layout.bundle}")
            elif len(prints) == 1 and not (linked.issuperset(prints) and hashed.issuperset(prints)):
                flaws.append(f"{path} is not linked in {layout.hashed}")
        return _Seen(anchors, bundle, frozenset(hashed), tuple(flaws))

    def _anchor_files(self) -> list[str]:
        found = []
        for folder, folders, names in os.walk(self.layout.anchors, followlinks=True):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [os.path.join(folder, name) for name in names if not name.startswith(".")]
        if self.layout.name in ("debian", "alpine"):  # their command reads *.crt alone
            found = [path for path in found if path.endswith(".crt")]
        return sorted(path for path in found if os.path.isfile(path))

    def _distribution_files(self) -> list[str]:
        lines = (read_store(_CHOSEN) or b"").decode("utf-8", "replace").splitlines()
        paths = [os.path.join(_DISTRIBUTION, line) for line in lines if line and line[0] not in "#!"]
        return [path for path in paths if os.path.isfile(path)]

    def _links(self, flaws: list[str]) -> tuple[set[str], set[str]]:
        """Fingerprints behind the links by name, and by hash; a link of this store that leads nowhere is a flaw."""
        linked: set[str] = set()
        hashed: set[str] = set()
        seen: dict[str, tuple[str, ...]] = {}
        for entry in os.scandir(self.layout.hashed):
            stem, dot, end = entry.name.rpartition(".")
            by_hash = bool(dot) and end.isdigit() and len(stem) == 8
            if not entry.is_symlink() or not (by_hash or end == "pem"):
                continue
            target = os.path.realpath(entry.path)
            if not os.path.exists(target):
                flaws.append(f"{entry.path} leads nowhere")
                continue
            if target not in seen:
                seen[target] = _prints(target)
            (hashed if by_hash else linked).update(seen[target])
        return linked, hashed


def _prints(path: str) -> tuple[str, ...]:
    data = read_store(path) if os.path.isfile(path) else None
    return tuple(map(fingerprint, pem_certificates(data or b"")))


def _words(command: tuple[str, ...]) -> str:
    return " ".join(command)
