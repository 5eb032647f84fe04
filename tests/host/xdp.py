# SPDX-License-Identifier: GPL-2.0
"""xdp.py PART SOCKET INTERFACE PEER LOG: a card on an interface, seen from its driver and from its network."""

import os
import socket
import subprocess
import sys

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

PART, PATH, INTERFACE, PEER, LOG = sys.argv[1:6]
MERGE, MQ = 1 << 15, 1 << 22
HDR = 12
SIZE = 1024             # of queues of the driver
RINGS = 1024            # frames that the daemon has for each way
BUFFERS, SENT = 0x200000, 0x500000
HEAD = b"\xff" * 6 + b"\x02airlo" + b"\x88\xb5"


class Wire:
    """The network's end."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)     # SO_RCVBUFFORCE
        self.sock.bind((PEER, 3))
        self.sock.settimeout(DEADLINE)

    def take(self):
        """The next of our frames that comes from the card."""
        while True:
            data, where = self.sock.recvfrom(65536)
            # 4: what goes out by this end.
            if where[2] != 4 and data.startswith(HEAD):
                return data

    def put(self, data):
        self.sock.send(data)

    def close(self):
        self.sock.close()


class Card:
    """A driver of a card."""

    def __init__(self, pairs=1, buffers=64):
        self.s = Session(PATH, VERSION_1 | PROTOCOL | MERGE | (MQ if pairs > 1 else 0), size=8 << 20)
        self.pairs = [(self.s.queue(2 * n, size=SIZE), self.s.queue(2 * n + 1, size=SIZE))
                      for n in range(pairs)]
        self.rx, self.tx = self.pairs[0]
        for n in range(pairs):
            self.post(buffers, n)
        # Answered when all are enabled.
        assert self.s.fe.ask64(GET_FEATURES)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.s.__exit__()

    def post(self, count, pair=0):
        r = self.pairs[pair][0]
        if count:
            r.publish(*[r.chain((BUFFERS + 0x100000 * pair + 2048 * i, 2048, True), first=i)
                        for i in range(count)])

    def send(self, data, pair=0):
        t = self.pairs[pair][1]
        self.s.mem.write(SENT, bytes(HDR) + data)
        t.publish(t.chain((SENT, HDR, False), (SENT + HDR, len(data), False)))
        assert t.wait() == (0, 0)

    def poll(self, pair=0):
        """One of our frames, or None; its buffers are made available again."""
        r = self.pairs[pair][0]
        got = r.poll()
        if not got:
            return None
        i, length = got
        data = self.s.mem.read(BUFFERS + 0x100000 * pair + 2048 * i, length)
        used = [i]
        for _ in range(struct.unpack("<H", data[10:12])[0] - 1):
            i, length = r.wait()
            data += self.s.mem.read(BUFFERS + 0x100000 * pair + 2048 * i, length)
            used.append(i)
        assert data[:10] == bytes(10), data[:12]
        r.publish(*used)
        return data[HDR:] if data[HDR:].startswith(HEAD) else self.poll(pair)

    def receive(self):
        end = time.monotonic() + DEADLINE
        while True:
            data = self.poll()
            if data:
                return data
            assert time.monotonic() < end, "nothing comes"


def frame(size=60):
    return HEAD + os.urandom(size - len(HEAD))


def settled(card, wire):
    """The card's workers take part in the network: before that frames are lost."""
    data = frame()
    end = time.monotonic() + DEADLINE
    got = None
    while got is None:
        assert time.monotonic() < end, "nothing comes"
        wire.put(data)
        time.sleep(0.01)
        got = card.poll()
    mark = frame()
    wire.put(mark)
    while got != mark:
        assert got == data
        got = card.receive()


def said(text):
    with open(LOG, encoding="utf-8") as f:
        return f.read().count(text)


def link(*words):
    subprocess.run(["ip", "link"] + list(words), check=True)


WIRE = Wire()

if PART == "frames":
    @check("no offloads are offered")
    def _():
        fe = Frontend(PATH)
        offered = fe.ask64(GET_FEATURES)
        assert offered & MERGE and not offered & 0x407f83 and not offered >> 54 & 7, hex(offered)
        assert fe.ask64(GET_QUEUE_NUM) == 1
        fe.close()

    @check("frames go both ways, whole and in order")
    def _():
        with Card() as card:
            settled(card, WIRE)
            for i in range(200):
                out, back = frame(1514 - 7 * i), frame(60 + 7 * i)
                card.send(out)
                WIRE.put(back)
                assert WIRE.take() == out
                assert card.receive() == back

    @check("a burst of more than the rings hold goes out, all of it in order")
    def _():
        total = 3 * RINGS
        with Card() as card:
            t = card.tx
            for i in range(SIZE):
                t.chain((SENT + 128 * i, HDR + 60, False), first=i)
            sent = done = 0
            while done < total:
                more = range(sent, min(total, done + SIZE))
                for i in more:
                    card.s.mem.write(SENT + 128 * (i % SIZE), bytes(HDR) + HEAD + struct.pack("<I", i) + bytes(42))
                if more:
                    t.publish(*[i % SIZE for i in more])
                sent += len(more)
                assert t.wait() == (done % SIZE, 0)
                done += 1
            for i in range(total):
                assert struct.unpack("<I", WIRE.take()[14:18])[0] == i, i

    @check("of a burst that comes in, what the rings hold waits for the driver, and then others come")
    def _():
        with Card(buffers=1) as card:
            settled(card, WIRE)
            # Holds one frame that wants more buffers than there are.
            for i in range(3 * RINGS):
                WIRE.put(HEAD + struct.pack("<I", i) + bytes(42))
            got = [struct.unpack("<I", card.receive()[14:18])[0] for _ in range(RINGS)]
            assert got == list(range(RINGS)), got
            settled_mark = frame(1000)

            def comes():
                WIRE.put(settled_mark)
                time.sleep(0.01)
                return card.poll() == settled_mark
            wait_until(comes)

    @check("case 59: a header that lies costs its frame only")
    def _():
        with Card() as card:
            card.s.mem.write(SENT, b"\x01\x00" + bytes(10) + frame())
            card.tx.publish(card.tx.chain((SENT, HDR + 60, False)))
            assert card.tx.wait() == (0, 0)
            data = frame()
            card.send(data)
            assert WIRE.take() == data

    @check("what came while no driver was there is not for the next")
    def _():
        for _ in range(100):
            WIRE.put(HEAD + b"early" + bytes(60))
        with Card() as card:
            settled(card, WIRE)

# Of what peers provoke a daemon writes so many lines at a time and no more: what is said is looked for in few sessions.
elif PART == "said":
    @check("a frame that is too long for AF_XDP is dropped, said, and the next one goes")
    def _():
        with Card() as card:
            card.send(frame(4097))
            data = frame()
            card.send(data)
            assert WIRE.take() == data
        assert said("frame of 4097 bytes dropped") == 1

    @check("frames lost to an interface that is down are said, once, and when it is up they flow")
    def _():
        with Card() as card:
            link("set", INTERFACE, "down")
            for _ in range(2 * RINGS):
                card.send(HEAD + b"early" + bytes(60))
            assert said("interface %s is down, frames are dropped: ip link set %s up" %
                        (INTERFACE, INTERFACE)) == 1
            link("set", INTERFACE, "up")
            data = frame()
            card.send(data)
            # Those come first that the kernel had been given.
            lost = 0
            while WIRE.take() != data:
                lost += 1
            assert lost <= RINGS

elif PART == "long":
    @check("a frame that comes in and is too long is lost, and the next one comes")
    def _():
        with Card() as card:
            settled(card, WIRE)
            WIRE.put(frame(5000))
            data = frame(3000)
            WIRE.put(data)
            assert card.receive() == data

    @check("a frame of 4096 bytes goes out")
    def _():
        with Card() as card:
            data = frame(4096)
            card.send(data)
            assert WIRE.take() == data

elif PART == "pairs":
    @check("with two queues of the interface each pair has one")
    def _():
        with Card(pairs=2) as card:
            assert card.s.offered & MQ and card.s.fe.ask64(GET_QUEUE_NUM) == 2
            for pair in (0, 1):
                data = frame()
                card.send(data, pair)
                assert WIRE.take() == data
            # The network chooses the queue by the flow.
            got = set()
            port = 0

            def both():
                nonlocal port
                port += 1
                ip = struct.pack(">BBHHHBBH", 0x45, 0, 46, 0, 0, 64, 17, 0) + bytes([10, 0, 0, 1, 10, 0, 0, 2])
                WIRE.put(HEAD[:12] + b"\x08\x00" + ip + struct.pack(">HHHH", port, 9, 26, 0) + bytes(18))
                for pair in (0, 1):
                    if card.pairs[pair][0].poll():
                        got.add(pair)
                return got == {0, 1}
            wait_until(both)

elif PART == "gone":
    @check("an interface that goes while it is served is said, once, and the card goes on")
    def _():
        with Card() as card:
            settled(card, WIRE)
            WIRE.close()
            link("delete", INTERFACE)
            for _ in range(2 * RINGS):
                card.send(frame())
            assert said("interface %s is gone, frames are dropped" % INTERFACE) == 1
        with Card() as card:
            card.send(frame())

finish()
