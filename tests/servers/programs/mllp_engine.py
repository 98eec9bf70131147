# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HL7 engine on MLLP, as the documentation of the package hl7 writes one: `mllp_engine.py PORT`."""

import asyncio
import sys

from hl7.mllp import start_hl7_server


async def converse(reader, writer):
    """Acknowledge each message until the other side goes."""
    print("Connection established", flush=True)
    try:
        while not writer.is_closing():
            message = await reader.readmessage()
            writer.writemessage(message.create_ack())
            await writer.drain()
    except asyncio.IncompleteReadError:
        if not writer.is_closing():
            writer.close()
    print("Connection closed", flush=True)


async def main():
    """Serve until ended."""
    async with await start_hl7_server(converse, host="127.0.0.1", port=int(sys.argv[1])) as server:
        await server.serve_forever()


asyncio.run(main())
