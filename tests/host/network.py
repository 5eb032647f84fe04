# SPDX-License-Identifier: GPL-2.0
"""network.py SOCKET STREAM: a network card on a stream socket, seen from both ends."""

import fcntl
import os
import socket
import struct
import sys
import termios

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

PATH, STREAM = sys.argv[1], sys.argv[2]
MERGE = 1 << 15
FEATURES = VERSION_1 | PROTOCOL | EVENT_IDX | INDIRECT | MERGE
HDR = 12
RX, TX = 0, 1
BUFFERS, SENT = 0x100000, 0x300000


def listen():
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(STREAM)
    server.listen()
    server.settimeout(DEADLINE)
    return server


def accept(server):
    peer = server.accept()[0]
    peer.settimeout(DEADLINE)
    return peer


def take(peer, size):
    data = b""
    while len(data) < size:
        part = peer.recv(size - len(data))
        assert part, "the card hung up"
        data += part
    return data


def take_frame(peer):
    return take(peer, struct.unpack(">I", take(peer, 4))[0])


def put_frame(peer, data):
    peer.sendall(struct.pack(">I", len(data)) + data)


def all_read(peer):
    """Has the card read all that was sent to it?"""
    return struct.unpack("=i", fcntl.ioctl(peer, termios.TIOCOUTQ, bytes(4)))[0] == 0


def post(q, count, size=2048, first=0):
    """Make receive buffers available."""
    q.publish(*[q.chain((BUFFERS + 4096 * i, size, True), first=i)
                for i in range(first, first + count)])


def receive(q):
    """Take a frame; returns (bytes, num_buffers)."""
    i, length = q.wait()
    data = q.mem.read(BUFFERS + 4096 * i, length)
    num = struct.unpack("<H", data[10:12])[0]
    assert data[:10] == bytes(10), data[:12]
    for _ in range(num - 1):
        i, length = q.wait()
        data += q.mem.read(BUFFERS + 4096 * i, length)
    return data[HDR:], num


def send(q, data, hdr=bytes(HDR)):
    q.mem.write(SENT, hdr + data)
    q.publish(q.chain((SENT, HDR, False), (SENT + HDR, len(data), False)))
    assert q.wait() == (0, 0)


SERVER = listen()


def settled():
    """The card knows of its new connection: a frame has come in by it."""
    global _posted
    _posted += 1
    post(R, 1, first=30 + _posted % 16)
    put_frame(PEER, bytes(14))
    assert receive(R) == (bytes(14), 1)


_posted = 0


def card(features=FEATURES):
    s = Session(PATH, features, size=8 << 20)
    queues = s.queue(RX), s.queue(TX)
    # Answered when both are enabled: what is sent before that is dropped.
    assert s.fe.ask64(GET_FEATURES)
    return s, *queues


@check("no offloads are offered, merging and an MTU are")
def _():
    fe = Frontend(PATH)
    offered = fe.ask64(GET_FEATURES)
    assert offered & MERGE and not offered & 0x7ff7, hex(offered)
    assert fe.ask64(GET_QUEUE_NUM) == 1
    fe.close()


def restart():
    global S, R, T
    S, R, T = card()


restart()
PEER = accept(SERVER)
settled()   # until then the card may drop what it is to send


@check("a frame goes out with its length before it")
def _():
    data = os.urandom(1000)
    send(T, data)
    assert take_frame(PEER) == data


@check("a frame comes in")
def _():
    post(R, 4)
    data = os.urandom(60)
    put_frame(PEER, data)
    assert receive(R) == (data, 1)


@check("a large frame takes several buffers, also when some come later")
def _():
    data = os.urandom(9000)
    put_frame(PEER, data)
    assert S.fe.ask64(GET_FEATURES)
    assert R.poll() is None
    post(R, 4, first=4)
    assert receive(R) == (data, 5)


@check("a frame that the ring can never hold is dropped, and the next one comes")
def _():
    S.__exit__()
    try:
        with Session(PATH, FEATURES, size=8 << 20) as s:
            r = s.queue(RX, size=16)
            t = s.queue(TX)
            post(r, 16, size=512)
            put_frame(PEER, b"a" * 9000)
            put_frame(PEER, b"b" * 60)
            assert receive(r) == (b"b" * 60, 1)
            send(t, bytes(60))
            assert take_frame(PEER) == bytes(60)
    finally:
        restart()


@check("frames that come byte by byte, and two at once, are told apart")
def _():
    post(R, 8, first=8)
    one, two = os.urandom(14), os.urandom(1514)
    for byte in struct.pack(">I", 14) + one:
        PEER.sendall(bytes([byte]))
    PEER.sendall(struct.pack(">I", 1514) + two + struct.pack(">I", 14) + one)
    assert receive(R) == (one, 1)
    assert receive(R) == (two, 1)
    assert receive(R) == (one, 1)


@check("a queue that stops while a frame waits for buffers gives back what it took")
def _():
    # Two buffers that are there go to a frame that wants more.
    while R.next_avail - R.next_used < 2:
        post(R, 1, first=20 + R.next_avail - R.next_used)
    put_frame(PEER, os.urandom(60000))
    wait_until(lambda: all_read(PEER))
    base = R.stop()
    assert base == R.next_used, (base, R.next_used)
    R.start(base=base)


@check("case 59: a header that lies costs its frame only")
def _():
    for hdr in (b"\x01\x00" + bytes(10), b"\xff" + bytes(11), b"\x00\x05" + bytes(10)):
        send(T, os.urandom(60), hdr=hdr)
    T.mem.write(SENT, bytes(64))
    T.publish(T.chain((SENT, 11, False)))
    assert T.wait() == (0, 0)
    T.publish(T.chain((SENT, HDR + 13, False)))
    assert T.wait() == (0, 0)
    data = os.urandom(60)
    send(T, data)
    assert take_frame(PEER) == data


@check("a server that reads slowly gets every frame whole and in order")
def _():
    frames = [os.urandom(16000 + i) for i in range(40)]
    for i, data in enumerate(frames):
        T.mem.write(SENT + 0x8000 * i, bytes(HDR) + data)
    T.publish(*[T.chain((SENT + 0x8000 * i, HDR + len(data), False), first=i)
                for i, data in enumerate(frames)])
    for data in frames:
        assert take_frame(PEER) == data
    for i in range(len(frames)):
        assert T.wait() == (i, 0)


@check("a length that cannot be ends the connection, and another one is made")
def _():
    global PEER
    for length in (0, 13, 65536 + 100, 0xffffffff):
        PEER.sendall(struct.pack(">I", length) + bytes(64))
        try:
            assert PEER.recv(1) == b""
        except ConnectionResetError:
            pass
        PEER.close()
        PEER = accept(SERVER)
    settled()
    data = os.urandom(60)
    send(T, data)
    assert take_frame(PEER) == data


@check("case 69: without a server frames are dropped; when it is back they flow again")
def _():
    global SERVER, PEER
    SERVER.close()
    PEER.close()
    os.unlink(STREAM)
    for _ in range(100):
        send(T, os.urandom(60))
    SERVER = listen()
    PEER = accept(SERVER)
    settled()
    data = os.urandom(60)
    send(T, data)
    assert take_frame(PEER) == data


S.__exit__()


@check("without merging a frame that is too large for a buffer is dropped, not cut")
def _():
    s, r, _ = card(FEATURES & ~MERGE)
    with s:
        put_frame(PEER, b"a" * 3000)
        put_frame(PEER, b"b" * 100)
        post(r, 4)
        got = receive(r)[0]
        # What the earlier session left behind may come first.
        while got != b"b" * 100:
            assert len(got) <= 2048 - HDR and b"a" not in got[:1]
            post(r, 1, first=8)
            got = receive(r)[0]


@check("case 59: a receive buffer without room for a header breaks the queue, not the card")
def _():
    with card()[0] as s:
        r = s.queues[RX]
        post(r, 1, size=12)
        put_frame(PEER, bytes(60))
        send(s.queues[TX], bytes(60))
    with card()[0] as s:
        post(s.queues[RX], 4)
        put_frame(PEER, b"c" * 60)
        while receive(s.queues[RX])[0] != b"c" * 60:
            pass


finish()
