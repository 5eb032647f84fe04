# SPDX-License-Identifier: GPL-2.0
"""pairs.py SOCKET TAP: a card with two pairs of queues on a tap with several queues."""

import os
import socket
import sys
import time

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

PATH, TAP = sys.argv[1:3]
HDR = 12
MQ = 1 << 22
BUFFERS, SENT = 0x200000, 0x380000
GUEST, HOST = b"\x02guest", b"\x02host_"


def udp(there, source, target, data):
    """A frame of the guest's (there), or to it, with these ports."""
    macs = HOST + GUEST if there else GUEST + HOST
    ips = bytes([10, 0, 0, 2, 10, 0, 0, 1]) if there else bytes([10, 0, 0, 1, 10, 0, 0, 2])
    length = 8 + len(data)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0) + ips
    total = sum(struct.unpack(">10H", ip))
    total = (total & 0xffff) + (total >> 16)
    ip = ip[:10] + struct.pack(">H", ~total & 0xffff) + ip[12:]
    return macs + b"\x08\x00" + ip + struct.pack(">HHHH", source, target, length, 0) + data


class Card:
    """Both pairs, with buffers."""

    def __init__(self, s):
        self.mem = s.mem
        self.rx = [s.queue(0), s.queue(2)]
        self.tx = [s.queue(1), s.queue(3)]
        for n, r in enumerate(self.rx):
            for i in range(32):
                r.chain((BUFFERS + 0x40000 * n + 2048 * i, 2048, True), first=i)
            r.publish(*range(32))
        assert s.fe.ask64(GET_FEATURES)

    def send(self, pair, data):
        self.mem.write(SENT, bytes(HDR) + data)
        self.tx[pair].publish(self.tx[pair].chain((SENT, HDR + len(data), False)))
        self.tx[pair].wait()

    def received(self, data, seconds):
        """The pair that gets this frame."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for n, r in enumerate(self.rx):
                got = r.poll()
                if not got:
                    continue
                r.publish(got[0])
                if self.mem.read(BUFFERS + 0x40000 * n + 2048 * got[0] + HDR, len(data)) == data:
                    return n
            time.sleep(0.001)
        return None


OUT = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
OUT.bind((TAP, 0))


def answer(card, port, seconds=DEADLINE):
    data = os.urandom(100)
    frame = udp(False, 2000, port, data)
    OUT.send(frame)
    return card.received(frame, seconds)


@check("it says that it has two pairs")
def _():
    fe = Frontend(PATH)
    assert fe.ask64(GET_FEATURES) & MQ and fe.ask64(GET_QUEUE_NUM) == 2
    fe.close()


def settled(card):
    """Both pairs take part in the network, which their workers see to: a flow of each is known."""
    for pair in (0, 1):
        end = time.monotonic() + DEADLINE
        while True:
            card.send(pair, udp(True, 1000, 2000, b"question"))
            if answer(card, 1000, 0.2) == pair:
                break
            assert time.monotonic() < end


@check("what belongs to a flow comes to the pair that sends for it")
def _():
    with Session(PATH, VERSION_1 | PROTOCOL | MQ) as s:
        card = Card(s)
        settled(card)
        for pair in (0, 1, 1, 0):
            for port in range(1000, 1008):
                card.send(pair, udp(True, port, 2000, b"question"))
                assert answer(card, port) == pair


@check("to a pair that is not enabled nothing comes, and nothing gets lost for it")
def _():
    with Session(PATH, VERSION_1 | PROTOCOL | MQ) as s:
        card = Card(s)
        settled(card)
        s.fe.send(SET_VRING_ENABLE, struct.pack("=II", 2, 0))
        # Its worker hears of that in a moment.
        end = time.monotonic() + DEADLINE
        while answer(card, 1000, 0.2) != 0:
            assert time.monotonic() < end
        for port in range(1000, 1032):
            assert answer(card, port) == 0
        s.fe.send(SET_VRING_ENABLE, struct.pack("=II", 2, 1))
        settled(card)


@check("a front-end with one pair has all of the network")
def _():
    with Session(PATH, VERSION_1 | PROTOCOL) as s:
        card = Card.__new__(Card)
        card.mem, card.rx, card.tx = s.mem, [s.queue(0)], [s.queue(1)]
        for i in range(64):
            card.rx[0].chain((BUFFERS + 2048 * i, 2048, True), first=i)
        card.rx[0].publish(*range(64))
        end = time.monotonic() + DEADLINE
        while answer(card, 1000, 0.2) != 0:
            assert time.monotonic() < end
        for port in range(1000, 1032):
            assert answer(card, port) == 0


finish()
