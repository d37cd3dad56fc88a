# SPDX-License-Identifier: Apache-2.0
"""The far side of the demo's traffic: `python -m streamer.demo.peer`.

Web pages and uploads on port 80, names over UDP on port 53, a UDP sink on port 9 (discard); each
over IPv4 and IPv6. Prints a line when all of them listen.
"""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from threading import Thread

PAGE = b"<!doctype html><title>streamer</title>" + b"<p>Every packet is accounted for.</p>" * 500
NAMES = {"server.example": ("192.0.2.2", "2001:db8::2"), "client.example": ("192.0.2.1",)}
A, AAAA, IN = 1, 28, 1
NAME_ERROR = 3


class WebServer(ThreadingHTTPServer):
    """A web server on both address families."""

    address_family = socket.AF_INET6
    daemon_threads = True


class Pages(BaseHTTPRequestHandler):
    """One page for every path, and a place to upload to."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, PAGE)

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        while left and (chunk := self.rfile.read(min(left, 65536))):
            left -= len(chunk)
        self._answer(201, b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        """Say nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class UdpServer(socketserver.ThreadingUDPServer):
    """A UDP server on both address families."""

    address_family = socket.AF_INET6
    daemon_threads = True


class Names(socketserver.DatagramRequestHandler):
    """A name server that knows NAMES (RFC 1035)."""

    def handle(self) -> None:
        self.wfile.write(answer(self.rfile.read()))


class Sink(socketserver.DatagramRequestHandler):
    """Takes everything and answers nothing (RFC 863)."""

    def handle(self) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Not even an empty answer."""


def answer(question: bytes) -> bytes:
    """The answer to a DNS query with one question."""
    (identifier,) = struct.unpack_from(">H", question)
    labels, end = [], 12
    while length := question[end]:
        labels.append(question[end + 1 : end + 1 + length].decode("ascii"))
        end += 1 + length
    (kind,) = struct.unpack_from(">H", question, end + 1)
    addresses = NAMES.get(".".join(labels).lower())
    records = b""
    count = 0
    for address in map(ip_address, addresses or ()):
        if kind == (A if address.version == 4 else AAAA):
            data = address.packed
            records += struct.pack(">HHHIH", 0xC00C, kind, IN, 60, len(data)) + data
            count += 1
    flags = 0x8580 | (0 if addresses else NAME_ERROR)  # answer, authoritative, recursion
    header = struct.pack(">6H", identifier, flags, 1, count, 0, 0)
    return header + question[12 : end + 5] + records


def main() -> None:
    """Serve until killed."""
    web = WebServer(("::", 80), Pages)
    for port, handler in ((53, Names), (9, Sink)):
        Thread(target=UdpServer(("::", port), handler).serve_forever, daemon=True).start()
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    web.serve_forever()


if __name__ == "__main__":
    main()
