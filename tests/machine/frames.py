#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the test module sentinel.ko of a guest sends, seen by the host side.

        frames.py listen INTERFACE MAC TOKEN_FILE
        frames.py pattern POSITION BYTES

listen says "listening", then looks at each frame that comes out of the guest until
SIGTERM, and a second of silence after it. A frame of the module's (tests/kmod/frames.c
says what those are) must be, byte for byte, what its number or place in the stream makes
it; MAC is the guest's. In no frame, whoever sent it, may the token be. At the end it
prints, one "key: value" a line,

        ether       frames that were right, of the Ethernet type for experiments
        tcp_bytes   bytes of the stream that were there, each counted once
        again       frames and bytes that had been there before
        others      frames of others
        bad         frames that were not right
        token       frames with the token in them
        missed      frames that this program was too slow for

and exits 0, 1 when any was bad or had the token, 2 when what was missed makes it no proof.
The first few that were not right are told in full on standard error.

pattern writes a part of the sequence to standard output, for the search to find.
"""

import signal
import socket
import struct
import sys

# The sequence: tests/kmod/pattern.c.
PERIOD, STEP, APART = 65521, 2654435761, 4099
PATTERN = bytes((i % PERIOD * STEP >> 24) & 0xff for i in range(PERIOD + 65536))

TOKEN_BYTES = 32
ETH_P_ALL = 3
PROTOCOL = 0x88b5
IPV4 = 0x0800
ETH, TAG, IP, TCP = 14, 8, 20, 20
SOURCE, DEST = bytes((192, 0, 2, 2)), bytes((192, 0, 2, 1))
PORTS = struct.pack(">HH", PROTOCOL, 9)
BROADCAST = b"\xff" * 6

SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 256 << 20
FRAME_MAX = 1 << 17
BAD_SHOWN = 5


def pattern(at, length):
    """The sequence from a position on, 64 KiB of it at most."""
    return PATTERN[at % PERIOD:at % PERIOD + length]


def checksum(data):
    """The sum that IP and TCP use, not complemented."""
    words = struct.unpack(">%dH" % ((len(data) + 1) // 2), data + bytes(len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Listener:
    """Looks at frames and counts them."""

    def __init__(self, mac, token):
        self.head = BROADCAST + mac
        self.token = token
        self.numbers = set()
        self.stream = {}  # of the segments at each position the longest
        self.count = dict.fromkeys(("again", "others", "bad", "token"), 0)

    def complain(self, what, frame):
        """Something is wrong with a frame."""
        self.count[what] += 1
        if self.count[what] <= BAD_SHOWN:
            print("%s, %d bytes: %s" % (what, len(frame), frame.hex()), file=sys.stderr)

    def ether(self, frame):
        """A frame for experiments: all of it follows from its number, bytes, fragments."""
        number, length, _ = struct.unpack_from(">IHH", frame, ETH)
        wanted = frame[ETH:ETH + TAG] + pattern(number * APART, length)
        if frame[ETH:] != wanted:
            self.complain("bad", frame)
        elif number in self.numbers:
            self.count["again"] += 1
        else:
            self.numbers.add(number)

    def tcp(self, frame):
        """
        One for the discard port. What a device may not change is compared; the length,
        the identification and the sums depend on who cut the stream.
        """
        ip, tcp, data = frame[ETH:ETH + IP], frame[ETH + IP:ETH + IP + TCP], frame[ETH + IP + TCP:]
        at = int.from_bytes(tcp[4:8], "big")
        pseudo = SOURCE + DEST + struct.pack(">HH", 6, TCP + len(data))
        # The sum of the whole, or, left to someone later, of the pseudo header only.
        if tcp[16:18] == struct.pack(">H", checksum(pseudo)):
            sums = True
        else:
            sums = checksum(pseudo + tcp + data) == 0xffff
        right = (ip[:2] == b"\x45\0" and ip[2:4] == struct.pack(">H", IP + TCP + len(data)) and
                 ip[6:10] == b"\x40\0\x40\6" and checksum(ip) == 0xffff and
                 tcp[8:16] == b"\0\0\0\1\x50\x10\4\0" and tcp[18:20] == b"\0\0" and sums and
                 data and data == pattern(at, len(data)))
        if not right:
            self.complain("bad", frame)
        elif self.stream.get(at, 0) >= len(data):
            self.count["again"] += 1
        else:
            self.stream[at] = len(data)

    def look(self, frame):
        """One frame."""
        if self.token in frame:
            self.complain("token", frame)
        protocol = int.from_bytes(frame[12:14], "big")
        if protocol == PROTOCOL:
            if frame[:12] == self.head and len(frame) >= ETH + TAG:
                self.ether(frame)
            else:
                self.complain("bad", frame)
        elif (protocol == IPV4 and frame[ETH + 12:ETH + 20] == SOURCE + DEST and
              frame[ETH + IP:ETH + IP + 4] == PORTS):
            if frame[:12] == self.head and len(frame) >= ETH + IP + TCP:
                self.tcp(frame)
            else:
                self.complain("bad", frame)
        else:
            self.count["others"] += 1

    def bytes(self):
        """Bytes of the stream that were there; what was there twice counts as again."""
        end = total = 0
        for at in sorted(self.stream):
            to = at + self.stream[at]
            new = max(0, to - max(at, end))
            self.count["again"] += self.stream[at] - new
            total += new
            end = max(end, to)
        return total


def listen(interface, mac, token_file):
    """Look at all that comes in on the interface."""
    with open(token_file, "rb") as f:
        token = f.read()
    assert len(token) == TOKEN_BYTES
    listener = Listener(bytes.fromhex(mac.replace(":", "")), token)
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))

    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    sock.bind((interface, ETH_P_ALL))
    sock.settimeout(1)
    print("listening", flush=True)
    while True:
        try:
            frame, source = sock.recvfrom(FRAME_MAX)
        except socket.timeout:
            if stopping:
                break
            continue
        if source[2] != socket.PACKET_OUTGOING:
            listener.look(frame)
    missed = struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]

    count = listener.count
    stream = listener.bytes()
    print("ether: %d\ntcp_bytes: %d" % (len(listener.numbers), stream))
    for key in ("again", "others", "bad", "token"):
        print("%s: %d" % (key, count[key]))
    print("missed: %d" % missed)
    if count["bad"] or count["token"]:
        return 1
    return 2 if missed else 0


def main(argv):
    """The two commands."""
    if len(argv) == 5 and argv[1] == "listen":
        return listen(*argv[2:])
    if len(argv) == 4 and argv[1] == "pattern":
        sys.stdout.buffer.write(pattern(int(argv[2]), int(argv[3])))
        return 0
    print(__doc__, file=sys.stderr)
    return 2


sys.exit(main(sys.argv))
