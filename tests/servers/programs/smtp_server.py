# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SMTP server with STARTTLS: aiosmtpd.

python smtp_server.py CHAIN KEY PORT PORT_WITHOUT_TLS
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
import sys
from typing import Any

# Out of the wheel that this program is run with.
SMTP = importlib.import_module("aiosmtpd.smtp").SMTP


async def main() -> None:
    """Serve both ports for ever."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    loop = asyncio.get_running_loop()
    servers: list[Any] = [
        await loop.create_server(lambda: SMTP(None, tls_context=context), "127.0.0.1", int(sys.argv[3])),
        await loop.create_server(lambda: SMTP(None), "127.0.0.1", int(sys.argv[4])),
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main())
