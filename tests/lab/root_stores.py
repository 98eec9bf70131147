"""A device that keeps root certificates, as a program: a command line, or a JSON page. Standard library alone.

    python3 root_stores.py cli FOLDER            the forced command of a real sshd
    python3 root_stores.py page FOLDER PORT      behind a real nginx

No real appliance runs here: this stands for one. What it speaks through (sshd, a terminal, nginx, TLS) is real.
FOLDER/store holds its roots, NAME.pem each; FOLDER/log gets a line for each session and each command; FOLDER/manner
says how it misbehaves (nothing: it does not), FOLDER/other.pem is what it stores with the manner `another`.
"""

from __future__ import annotations

import base64
import email
import hashlib
import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

NAME = re.compile(r"[a-z0-9-]{1,60}")
BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.S)


class Store:
    """The device's roots. It is right, says_ok, another, full, dies, slow, deaf, untrusting or wants_two."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roots = folder / "store"

    @property
    def manner(self) -> str:
        path = self.folder / "manner"
        return path.read_text(encoding="ascii").strip() if path.exists() else "right"

    def note(self, line: str) -> None:
        with (self.folder / "log").open("a", encoding="utf-8") as log:
            log.write(f"{line}\n")

    def listed(self) -> list[tuple[str, str]]:
        """(name, fingerprint with colons)."""
        found = []
        for path in sorted(self.roots.glob("*.pem")):
            block = BLOCK.search(path.read_text(encoding="ascii"))
            digest = hashlib.sha256(base64.b64decode(block[1] if block else "")).hexdigest().upper()
            found.append((path.stem, ":".join(digest[at : at + 2] for at in range(0, 64, 2))))
        return found

    def add(self, name: str, text: str) -> str:
        """What is wrong, or nothing."""
        if self.manner == "full":
            return "flash is full"
        if not NAME.fullmatch(name) or not BLOCK.search(text):
            return "this is no certificate"
        for _second in range(600):
            if self.manner == "slow":
                time.sleep(1)
        if self.manner == "another":
            text = (self.folder / "other.pem").read_text(encoding="ascii")
        if self.manner != "says_ok":
            (self.roots / f"{name}.pem").write_text(text, encoding="ascii")
        if self.manner == "dies":
            (self.folder / "manner").write_text("dead", encoding="ascii")
        return ""

    def connects(self) -> bool:
        """Whether its own connection to the hospital's server works."""
        return self.manner != "untrusting" and (self.manner != "wants_two" or len(self.listed()) > 1)

    def remove(self, name: str) -> str:
        path = self.roots / f"{name}.pem"
        if not NAME.fullmatch(name) or not path.exists():
            return "no such root"
        path.unlink()
        return ""


def command_line(store: Store) -> None:
    """Until the session ends. The terminal itself echoes."""
    store.note("session")
    if store.manner == "dead":
        return
    sys.stdout.write("ACME Recorder 3000\n")
    while True:
        sys.stdout.write("rec3000# ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return
        words = line.split()
        store.note(" ".join(words))
        if words == ["show", "crypto", "roots"]:
            roots = store.listed()
            print(f"Trusted roots: {len(roots)}")
            for name, fingerprint in roots:
                print(f"  {name}  {fingerprint}")
        elif words[:3] == ["crypto", "root", "import"] and len(words) == 4 and store.manner != "deaf":
            print("Paste the certificate; a line that holds only END ends it.")
            sys.stdout.write("cert> ")
            sys.stdout.flush()
            lines = []
            while (pasted := sys.stdin.readline()) and pasted.strip() != "END":
                lines.append(pasted.strip() + "\n")
            problem = store.add(words[3], "".join(lines))
            print(f"% Error: {problem}" if problem else "% Root imported")
            if store.manner == "dead":
                return
        elif words[:3] == ["no", "crypto", "root"] and len(words) == 4:
            problem = store.remove(words[3])
            print(f"% Error: {problem}" if problem else "% Root removed")
        elif words == ["test", "tls", "pacs"]:
            print("% TLS established" if store.connects() else "% TLS failed")
        elif words:
            print(f"% Unknown command: {line.strip()}")


def page(store: Store, port: int) -> None:
    """GET, POST (multipart) and DELETE below /api/roots, and GET /api/test."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            store.note(f"GET {self.path}")
            if self.path == "/api/test":
                return self.reply(200, {"tls": "established" if store.connects() else "failed"})
            if self.path != "/api/roots" or store.manner == "dead":
                return self.reply(502 if store.manner == "dead" else 404, {})
            return self.reply(200, {"roots": [{"alias": name, "sha256": print_} for name, print_ in store.listed()]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            store.note(f"POST {self.path}")
            kind = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n"
            message = email.message_from_bytes(kind.encode("ascii") + body)
            parts = {part.get_param("name", header="content-disposition"): part for part in message.walk()}
            text = parts["certificate"].get_payload(decode=True)
            alias = parts["alias"].get_payload(decode=True)
            problem = store.add(alias.decode("ascii").strip(), text.decode("ascii"))
            self.reply(507 if problem else 201, {"error": problem} if problem else {"stored": True})

        def do_DELETE(self) -> None:
            store.note(f"DELETE {self.path}")
            problem = store.remove(self.path.rpartition("/")[2])
            self.reply(404 if problem else 204, None)

        def reply(self, status: int, content: object) -> None:
            body = b"" if content is None else json.dumps(content).encode("utf-8")
            self.send_response(status)
            if content is not None:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    kept = Store(Path(sys.argv[2]))
    command_line(kept) if sys.argv[1] == "cli" else page(kept, int(sys.argv[3]))
