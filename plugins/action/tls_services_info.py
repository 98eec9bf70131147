# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tls_services_info answers is data: see plugin_utils/vantage/told."""

from __future__ import annotations

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.told import PlainAction


class ActionModule(PlainAction):
    """See the documentation of the module tls_services_info."""

    taken = ("services", "others")
