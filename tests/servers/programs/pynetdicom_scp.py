# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DICOM server by pynetdicom over TLS, with its log: `pynetdicom_scp.py KEY CHAIN PORT`."""

import logging
import ssl
import sys

from pynetdicom import AE
from pynetdicom.sop_class import Verification

logging.basicConfig(level=logging.INFO)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[2], sys.argv[1])
entity = AE()
entity.add_supported_context(Verification)
entity.start_server(("127.0.0.1", int(sys.argv[3])), ssl_context=context)
