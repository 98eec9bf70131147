# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings to pages, tables and a folder that is swapped in whole.

Private: only plugins, roles and playbooks are public.
"""

from __future__ import annotations
