# SPDX-License-Identifier: GPL-2.0
"""pair.py A B C D: two pairs of cards, A with B and C with D, seen from their drivers."""

import os
import sys

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

A, B, C, D = sys.argv[1:5]
MERGE = 1 << 15
HDR = 12
BUFFERS, SENT = 0x200000, 0x380000


class Card:
    """A driver of a card, with what it takes to send and to receive."""

    def __init__(self, path, buffers=32):
        self.s = Session(path, VERSION_1 | PROTOCOL | MERGE, protocol=REPLY_ACK | RARP)
        self.rx, self.tx = self.s.queue(0), self.s.queue(1)
        self.post(buffers)
        # Answered when both are enabled.
        assert self.s.fe.ask64(GET_FEATURES)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.s.__exit__()

    def post(self, count):
        self.rx.publish(*[self.rx.chain((BUFFERS + 4096 * i, 2048, True), first=i)
                          for i in range(count)])

    def send(self, data):
        self.s.mem.write(SENT, bytes(HDR) + data)
        self.tx.publish(self.tx.chain((SENT, HDR, False), (SENT + HDR, len(data), False)))
        assert self.tx.wait() == (0, 0)

    def receive(self):
        """Wait for a frame; its buffers are made available again."""
        i, length = self.rx.wait()
        data = self.s.mem.read(BUFFERS + 4096 * i, length)
        assert data[:10] == bytes(10), data[:12]
        used = [i]
        for _ in range(struct.unpack("<H", data[10:12])[0] - 1):
            i, length = self.rx.wait()
            data += self.s.mem.read(BUFFERS + 4096 * i, length)
            used.append(i)
        self.rx.publish(*used)
        return data[HDR:]

    def enable(self, on):
        self.s.fe.send(SET_VRING_ENABLE, struct.pack("=II", 0, on))


def reaches(one, other):
    """Frames of one come to the other; before that the other's worker may not run yet, and they are lost."""
    data = os.urandom(60)
    end = time.monotonic() + DEADLINE
    while other.rx.poll() is None:
        one.send(data)
        assert time.monotonic() < end, "nothing comes"
    other.rx.next_used -= 1
    mark = os.urandom(61)
    one.send(mark)
    got = other.receive()
    while got != mark:
        assert got == data, got
        got = other.receive()


@check("no offloads are offered, and one pair of queues")
def _():
    fe = Frontend(A)
    offered = fe.ask64(GET_FEATURES)
    assert offered & MERGE and not offered & 0x7f83 and not offered >> 54 & 7, hex(offered)
    assert fe.ask64(GET_QUEUE_NUM) == 1
    fe.close()


@check("what one sends the other receives, both ways, whole and in order, and nobody else does")
def _():
    with Card(A) as a, Card(B) as b, Card(C) as c, Card(D) as d:
        reaches(a, b)
        reaches(b, a)
        for i in range(200):
            one, two = os.urandom(14 + 7 * i), os.urandom(1514 - 7 * i)
            a.send(one)
            b.send(two)
            assert b.receive() == one and a.receive() == two
        a.send(os.urandom(60))
        assert len(b.receive()) == 60
        assert c.rx.poll() is None and d.rx.poll() is None
        reaches(c, d)


@check("a long frame takes several buffers of the other")
def _():
    with Card(A) as a, Card(B) as b:
        reaches(a, b)
        data = os.urandom(30000)
        a.send(data)
        assert b.receive() == data


@check("what is sent to one that is not there is lost, and does not come later")
def _():
    with Card(A) as a:
        for i in range(1000):
            a.send(b"early" + bytes(60))
        with Card(B) as b:
            reaches(a, b)
        for i in range(1000):
            a.send(b"early" + bytes(60))
        with Card(B) as b:
            reaches(a, b)


@check("likewise to one whose queue is stopped")
def _():
    with Card(A) as a, Card(B) as b:
        reaches(a, b)
        base = b.rx.stop()
        for _ in range(100):
            a.send(b"early" + bytes(60))
        b.rx.start(base=base)
        reaches(a, b)


@check("what one has not taken when it goes is not for the next")
def _():
    with Card(A) as a:
        with Card(B, buffers=0) as b:
            # Until its worker takes part, and holds one, they are lost.
            for _ in range(100):
                a.send(b"early" + bytes(60))
            b.post(1)
            while b.rx.poll() is None:
                a.send(b"early" + bytes(60))
            for _ in range(100):
                a.send(b"early" + bytes(60))
        with Card(B) as b:
            reaches(a, b)


@check("one that takes nothing does not hold up the other, and gets what was sent first")
def _():
    with Card(A) as a, Card(B, buffers=0) as b:
        # The first may be lost: B's worker may not run yet.
        for i in range(2000):
            a.send(struct.pack("<I", i) + bytes(20000))
        b.send(bytes(60))
        assert a.receive() == bytes(60)
        b.post(32)
        got = [struct.unpack("<I", b.receive()[:4])[0]]
        while True:
            a.send(bytes([255] * 60))
            data = b.receive()
            if data == bytes([255] * 60):
                break
            got.append(struct.unpack("<I", data[:4])[0])
        assert got == list(range(got[0], got[0] + len(got))) and 1 < len(got) < 500, len(got)


@check("an announcement of one comes to the other")
def _():
    with Card(A) as a, Card(B) as b:
        reaches(a, b)
        a.s.fe.send(SEND_RARP, b"\x02airlo" + bytes(2))
        assert b.receive().startswith(b"\xff" * 6 + b"\x02airlo" + b"\x80\x35")


@check("a header that lies costs its frame only")
def _():
    with Card(A) as a, Card(B) as b:
        reaches(a, b)
        a.s.mem.write(SENT, b"\x01\x00" + bytes(10) + bytes(60))
        a.tx.publish(a.tx.chain((SENT, HDR + 60, False)))
        assert a.tx.wait() == (0, 0)
        a.send(b"good" + bytes(60))
        assert b.receive() == b"good" + bytes(60)


finish()
