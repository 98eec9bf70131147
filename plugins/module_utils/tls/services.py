# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services that an endpoint may declare: which protocol is spoken before TLS, and who answers with HTTP."""

from __future__ import annotations

#: TLS from the first byte.
DIRECT_TLS = ("tls", "https", "fhir", "dicomweb", "dicom", "mllp", "ldaps", "mqtts", "ftps", "imaps", "pop3s", "smtps")

#: A few words of the application's own protocol come first.
STARTTLS = ("smtp", "imap", "pop3", "ftp", "ldap")
NEGOTIATED = ("rdp", "postgres", "mysql", "mssql")

KNOWN_SERVICES = DIRECT_TLS + STARTTLS + NEGOTIATED

#: Services that speak HTTP once TLS stands: their Date header tells the device's clock.
HTTP_SERVICES = ("https", "fhir", "dicomweb")
#: Their clients usually send no server name.
NAMELESS_SERVICES = ("dicom", "mllp")
