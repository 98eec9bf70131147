# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control-node half of trust_anchor: the root is read and judged here, before the gateway is reached."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.root import (
    Root,
    RootRefused,
    judged_root,
    required_fingerprint,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import PolicyError, load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.action import VantageAction
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.signatures import CRYPTOGRAPHY_ERROR
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.sources import SourceError


class ActionModule(VantageAction):
    """See the documentation of the module trust_anchor."""

    name = "trust_anchor"
    taken = ("stores", "files", "name", "kept", "undone", "left_open")

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Judge the root, then let the module change the stores."""
        super().run(tmp, task_vars)
        self.need(cryptography=CRYPTOGRAPHY_ERROR)
        arguments = dict(self._task.args)
        policy = arguments.pop("policy", None)
        root: Root | None = None
        try:
            if arguments.get("state", "present") == "present":
                root = self._judge(arguments, policy)
            elif arguments.get("state") == "absent":
                arguments["fingerprint_sha256"] = required_fingerprint(arguments.get("fingerprint_sha256"))
        except (RootRefused, SourceError, PolicyError) as problem:
            raise self.failure(f"{str(problem).rstrip('.')}.") from None
        result: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        if root and not result.get("failed"):
            result.update(certificate=root.pem, subject=root.subject)
        return result

    def _judge(self, arguments: dict[str, Any], policy: Any) -> Root:
        """Put what the module is given in the place of what a person gave."""
        source = arguments.get("certificate")
        if not isinstance(source, str) or not source.strip():
            raise RootRefused("certificate: name the file of the root certificate on the control node")
        root = judged_root(
            [self.found(source)],
            arguments.get("fingerprint_sha256"),
            load_policy(policy),
            datetime.now(timezone.utc),
        )
        arguments.update(certificate=root.pem, fingerprint_sha256=root.fingerprint)
        arguments["name"] = arguments.get("name") or root.name
        return root
