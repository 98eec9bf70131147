"""The demo hospital: medical devices with one fault each, on loopback addresses, with real TLS sockets.

    python tests/lab/hospital.py --state .demo

writes `.demo/inventory.yml` and `.demo/pki/`, prints one line when it is ready, and serves until SIGTERM or Ctrl-C.
`.demo/contacts.json` (what the devices saw) is written at the end and at every SIGUSR1.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

if __package__ in (None, ""):  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import pki, servers
from lab.appliances import Appliance
from lab.inventory import write_inventory
from lab.ledger import Ledger
from lab.logins import expectations, open_login, port_of
from lab.plan import Plan, load_plan
from lab.records import write_records

T = TypeVar("T")
MARKER = ".demo-hospital"
WEB_SERVICES = ("https", "fhir", "dicomweb")


class HospitalError(Exception):
    """The hospital cannot open; the message says why and what to do."""


class Hospital:
    """All devices of devices.yml, served by one event loop in a thread of its own. A context manager."""

    def __init__(self, state: Path, network: str | None = None) -> None:
        self.state = state.resolve()
        self.plan: Plan = load_plan(network)
        self.ledger = Ledger()
        self.inventory = self.state / "inventory.yml"
        self.trust_anchor = self.state / "pki" / "hospital-root.pem"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hospital", daemon=True)
        self._servers: list[asyncio.AbstractServer] = []
        self._logins: list[Appliance] = []
        self._switched_off: list[servers.SwitchedOff] = []

    def __enter__(self) -> Hospital:
        self.open()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def open(self) -> None:
        """Make certificates, open every port, write the inventory. HospitalError when a port is taken."""
        self._prepare_state()
        self._refuse_busy_ports()
        self._refuse_strangers()
        contexts = self._make_tls_contexts()
        self._thread.start()
        try:
            variables = self._open_logins(contexts)
            asyncio.run_coroutine_threadsafe(self._serve(contexts), self._loop).result(timeout=120)
        except OSError as error:
            self.close()
            raise self._explain(error) from error
        except BaseException:
            self.close()
            raise
        records = write_records(self.plan, self.state, datetime.now(timezone.utc).date())
        write_inventory(self.plan, self.trust_anchor, self.inventory, variables, records)

    def close(self) -> None:
        """Stop serving; write what the devices saw. May be called twice."""
        while self._logins:
            self._logins.pop().close()
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(timeout=120)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=120)
            self.write_contacts()
        if not self._loop.is_closed():
            self._loop.close()

    def contacts(self) -> dict[str, Any]:
        """Return what the devices saw since the last `forget`: see Ledger.statistics."""
        return self._in_loop(self.ledger.statistics)

    def forget(self) -> None:
        """Start the devices' counts anew."""
        self._in_loop(self.ledger.clear)

    def write_contacts(self) -> None:
        """Write contacts.json, whole or not at all."""
        path = self.state / "contacts.json"
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(self.contacts(), indent=2), encoding="utf-8")
        beside.replace(path)

    def _in_loop(self, function: Callable[[], T]) -> T:
        if not self._thread.is_alive():
            return function()

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(timeout=120)

    def _prepare_state(self) -> None:
        if self.state.exists() and any(self.state.iterdir()) and not (self.state / MARKER).exists():
            raise HospitalError(f"{self.state} holds something else: give another folder with --state, or empty it.")
        shutil.rmtree(self.state / "pki", ignore_errors=True)
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / MARKER).write_text("The demo hospital may replace what is in this folder.\n", encoding="utf-8")
        (self.state / "pki").mkdir(mode=0o700)

    def _open_logins(self, contexts: dict[tuple[str, int], Any]) -> dict[str, dict[str, Any]]:
        """Serve the devices that can be logged in to; the inventory variables that lead to each."""
        root_sha256 = pki.fingerprint(self.trust_anchor.read_bytes())
        variables = {}
        for device in self.plan.devices:
            port = port_of(device)
            if port is None:
                continue
            # Its status page shows the certificate of its first endpoint.
            context = contexts[device["address"], device["endpoints"][0]["port"]]
            offset = _clock_offset(device.get("clock", 0))
            try:
                server, leading = open_login(device, offset, root_sha256, context)
            except OSError as error:
                error.filename = f"{device['address']} port {port}"
                raise
            self._logins.append(server)
            variables[device["name"]] = {**expectations(device, root_sha256), **leading}
        return variables

    def _machines(self) -> list[dict[str, Any]]:
        return [*self.plan.devices, *self.plan.peers]

    def _make_tls_contexts(self) -> dict[tuple[str, int], Any]:
        """Return one TLS context per (address, port); keys and certificates are left under pki/."""
        authorities = pki.make_pki(datetime.now(timezone.utc).replace(microsecond=0))
        self.trust_anchor.write_bytes(pki.pem(authorities.root.certificate))
        folder = self.state / "pki"
        jobs = [
            (machine, endpoint)
            for machine in self._machines()
            if not machine.get("switched_off")
            for endpoint in machine["endpoints"]
            if "behaviour" not in endpoint
        ]

        def make(job: tuple[dict[str, Any], dict[str, Any]]) -> tuple[tuple[str, int], Any]:
            machine, endpoint = job
            recipes = [endpoint.get("certificate", {}), *filter(None, [endpoint.get("second_certificate")])]
            paths = []
            for number, recipe in enumerate(recipes):
                credentials = pki.issue(authorities, self.plan.names_of(machine), recipe)
                path = folder / f"{machine['name']}-{endpoint['port']}{'-second' if number else ''}.pem"
                path.touch(mode=0o600)
                path.write_bytes(credentials.key_pem + credentials.chain_pem)
                paths.append(path)
            context = servers.tls_context(endpoint, paths, client_authority=self.trust_anchor)
            return (machine["address"], endpoint["port"]), context

        with ThreadPoolExecutor() as pool:
            return dict(pool.map(make, jobs))

    def _refuse_busy_ports(self) -> None:
        """Say at once, before a second goes into making keys, that a device's port is taken."""
        for machine in self._machines():
            ports = [endpoint["port"] for endpoint in [*machine["endpoints"], *machine.get("plain", [])]]
            for port in [*ports, *filter(None, [port_of(machine)])]:
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
                    attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        attempt.bind((machine["address"], port))
                    except OSError as error:
                        error.filename = f"{machine['address']} port {port}"
                        raise self._explain(error) from error

    def _refuse_strangers(self) -> None:
        """Refuse to open when some program listens on a watched port of every address: each device would seem open."""
        empty_address = ".".join([*self.plan.devices[0]["address"].split(".")[:2], "255", "254"])
        for watched in self.plan.watched_ports:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.settimeout(0.5)
                if probe.connect_ex((empty_address, watched["port"])) == 0:
                    raise HospitalError(
                        f"another program listens on port {watched['port']} of every address: "
                        "stop it, or change that port in tests/lab/devices.yml."
                    )

    async def _serve(self, contexts: dict[tuple[str, int], Any]) -> None:
        for machine in self._machines():
            address = machine["address"]
            if machine.get("switched_off"):
                for entry in [*machine["endpoints"], *self.plan.watched_ports]:
                    self._switched_off.append(servers.SwitchedOff(address, entry["port"]))
                continue
            clock_offset = _clock_offset(machine.get("clock", 0))
            for endpoint in machine["endpoints"]:
                context = contexts.get((address, endpoint["port"]))
                await self._listen(address, endpoint, clock_offset, context)
            for endpoint in machine.get("plain", []):
                await self._listen(address, endpoint, clock_offset, None)

    async def _listen(self, address: str, endpoint: dict[str, Any], clock_offset: float, context: Any) -> None:
        port = endpoint["port"]
        kind = endpoint.get("behaviour") or ("tls" if context else endpoint["service"])
        limit = servers.RateLimit(**endpoint["rate_limit"]) if "rate_limit" in endpoint else None

        def make() -> servers.Conversation:
            common = (self.ledger, address, port)
            if limit is not None and not limit.passes():
                return servers.Resetting(*common)
            if kind == "tls":
                page = servers.WebPage(clock_offset) if endpoint["service"] in WEB_SERVICES else None
                return servers.Tls(*common, context=context, page=page)
            if kind == "http":
                return servers.Http(*common, clock_offset=clock_offset)
            plain = {
                "silent": servers.Conversation,
                "reset": servers.Resetting,
                "telnet": servers.Telnet,
                "ftp": servers.Ftp,
            }
            return plain[kind](*common)

        try:
            self._servers.append(await servers.listen(address, port, make))
        except OSError as error:
            error.filename = f"{address} port {port}"
            raise

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        for switched_off in self._switched_off:
            switched_off.close()
        for transport in self.ledger.open_transports():
            transport.abort()
        await asyncio.sleep(0)

    def _explain(self, error: OSError) -> HospitalError:
        where = error.filename or "a device's address"
        if error.errno == errno.EADDRINUSE:
            return HospitalError(
                f"{where} is in use: is another demo hospital running? Stop it, or give --network 127.21 here."
            )
        if error.errno == errno.EADDRNOTAVAIL:
            return HospitalError(f"{where} does not exist here: the demo needs Linux, where 127.0.0.0/8 is all local.")
        return HospitalError(f"{where} cannot be opened: {error.strerror or error}.")


def _clock_offset(clock: float | str) -> float:
    """Return device clock minus real clock in seconds; a date means that the clock shows it now."""
    if isinstance(clock, str):
        return (datetime.fromisoformat(clock) - datetime.now(timezone.utc)).total_seconds()
    return float(clock)


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=Path(".demo"), help="folder for inventory, keys and counts")
    parser.add_argument("--network", help="first two numbers of every address, for example 127.21")
    parser.add_argument("--stop-at-eof", action="store_true", help="also stop when standard input closes")
    options = parser.parse_args()
    hospital = Hospital(options.state, options.network)
    # Blocked here and in every thread to come, and waited for below: no handler runs at an unlucky moment.
    awaited = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    try:
        hospital.open()
    except (HospitalError, OSError) as error:
        print(f"The demo hospital cannot open: {error}", file=sys.stderr)
        return 1
    try:
        if options.stop_at_eof:
            threading.Thread(target=_stop_at_eof, name="stop-at-eof", daemon=True).start()
        print(
            f"The demo hospital is open: {len(hospital.plan.devices)} devices, inventory {hospital.inventory}",
            flush=True,
        )
        while signal.sigwait(awaited) == signal.SIGUSR1:
            hospital.write_contacts()
    finally:
        hospital.close()
    return 0


def _stop_at_eof() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
