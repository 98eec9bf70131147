# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of symbols.tsv, read from the stacks themselves: libraries, headers, and clones of their sources.

    python tests/diagnose/collect/from_sources.py OUT.tsv [nss=CLONE] [gnutls=CLONE]

Each text is written in the forms that people meet: alone, and after its symbol or number.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent


def openssl() -> tuple[str, dict[str, tuple[str, str]]]:
    header = Path("/usr/include/openssl/x509_vfy.h").read_text()
    library = ctypes.CDLL(ctypes.util.find_library("crypto") or "")
    library.X509_verify_cert_error_string.restype = ctypes.c_char_p
    found = {}
    for symbol, number in re.findall(r"define\s+(X509_V_ERR_\w+)\s+(\d+)", header):
        found[symbol] = (number, library.X509_verify_cert_error_string(int(number)).decode())
    return "libcrypto 3.0, X509_verify_cert_error_string", found


def shown(clone: str, path: str) -> str:
    command = ["git", f"--git-dir={clone}", "show", f"HEAD:{path}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def commit(clone: str) -> str:
    command = ["git", f"--git-dir={clone}", "rev-parse", "--short=8", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def nss(clone: str) -> tuple[str, dict[str, tuple[str, str]]]:
    found = {}
    for path in ("lib/util/SECerrs.h", "lib/ssl/SSLerrs.h"):
        for symbol, value, text in re.findall(
            r'ER3\((\w+),\s*([^"]*?),\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)', shown(clone, path)
        ):
            found[symbol] = (value, "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text)))
    return f"nss-dev/nss lib/util/SECerrs.h, lib/ssl/SSLerrs.h@{commit(clone)}", found


def gnutls(clone: str) -> tuple[str, dict[str, tuple[str, str]]]:
    found = {}
    entry = r'ERROR_ENTRY\(\s*N_\(((?:"(?:[^"\\]|\\.)*"\s*)+)\),\s*(GNUTLS_E_\w+)\)'
    for text, symbol in re.findall(entry, shown(clone, "lib/errors.c")):
        found[symbol] = ("", "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text)))
    return f"gnutls/gnutls lib/errors.c@{commit(clone)}", found


def mbedtls() -> tuple[str, dict[str, tuple[str, str]]]:
    found = {}
    for name in ("x509.h", "ssl.h"):
        header = Path(f"/usr/include/mbedtls/{name}").read_text()
        for symbol, value, text in re.findall(r"define (MBEDTLS_X509_BAD\w+)\s+(0x\w+)\s+/\*\*<\s*(.*?)\s*\*/", header):
            found[symbol] = (value, text)
        for text, symbol, value in re.findall(r"/\*\* (.*?) \*/\s*#define (MBEDTLS_ERR_\w+)\s+(-0x\w+)", header):
            found[symbol] = (value, text)
    return "Debian libmbedtls-dev 2.28.3, mbedtls/x509.h and ssl.h", found


def wolfssl() -> tuple[str, dict[str, tuple[str, str]]]:
    found = {}
    library = ctypes.CDLL(ctypes.util.find_library("wolfssl") or "")
    library.wolfSSL_ERR_reason_error_string.restype = ctypes.c_char_p
    for path in ("error-ssl.h", "wolfcrypt/error-crypt.h"):
        header = Path(f"/usr/include/wolfssl/{path}").read_text()
        for symbol, number in re.findall(r"^\s*(\w+)\s*=\s*(-\d+)", header, re.MULTILINE):
            said = library.wolfSSL_ERR_reason_error_string(ctypes.c_ulong(int(number) & 0xFFFFFFFFFFFFFFFF))
            found[symbol] = (number, (said or b"").decode())
    return "Debian libwolfssl 5.5.4, wolfSSL_ERR_reason_error_string", found


def forms(source: str, symbol: str, number: str, text: str) -> Iterator[str]:
    if source == "openssl":
        yield text
        yield f"X509_verify_cert failed: {symbol} ({number})"
        yield f"Verify return code: {number} ({text})"
    elif source == "nss":
        yield f"{symbol}: {text}"
        yield symbol
        yield text
    elif source == "gnutls":
        yield f"GnuTLS error: {text}"
        yield f"*** Fatal error: {text} ({symbol})"
    elif source == "mbedtls":
        yield f"mbedtls error {number}: {text}" if number.startswith("-") else f"! {text}"
        yield f"{symbol} ({number})"
    else:
        yield f"wolfSSL error: {text} ({number})"
        yield f"wolfSSL_connect: err = {number}, {symbol}"


def main() -> None:
    clones = dict(word.split("=", 1) for word in sys.argv[2:])
    tables = {"openssl": openssl(), "mbedtls": mbedtls(), "wolfssl": wolfssl()}
    tables.update({"nss": nss(clones["nss"])} if "nss" in clones else {})
    tables.update({"gnutls": gnutls(clones["gnutls"])} if "gnutls" in clones else {})
    lines = [line.split("\t") for line in (HERE / "symbols.tsv").read_text().splitlines() if line[0] != "#"]
    with Path(sys.argv[1]).open("a", encoding="utf-8") as stream:
        count = 0
        for source, symbol, categories in lines:
            reference, found = tables.get(source, ("", {}))
            number, text = found.get(symbol, ("", ""))
            if not text:
                print(f"no text: {source} {symbol}")
                continue
            for form in forms(source, symbol, number, text):
                count += 1
                stream.write("\t".join((form, categories, "", source, "table: " + reference, symbol)) + "\n")
    print(f"{count} messages")


if __name__ == "__main__":
    main()
