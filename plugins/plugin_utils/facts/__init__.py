# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One observation as frozen values: its parts, how each is read, and its schema.

Private: only plugins, roles and playbooks are public.
"""

from __future__ import annotations
