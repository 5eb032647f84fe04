# SPDX-License-Identifier: GPL-2.0
"""dirty.py SOCKET PID STREAM LOG: what is written to guest memory is logged, and nothing else is.

Bits are looked at while no queue runs: then all are there.
"""

import socket
import sys

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

PATH, PID, STREAM, LOG = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
PAGE = 4096
SIZE = 4 << 20
HDR, STATUS, DATA = 0x100000, 0x101000, 0x200000
FLUSH, WCE, MERGE = 1 << 9, 1 << 11, 1 << 15
READ, WRITE_TO, ID = 0, 1, 8
BASIC = VERSION_1 | PROTOCOL | FLUSH
# As much as the guest has pages for, and no more: QEMU's is no whole number of pages either.
LOG_BYTES = (GUEST + SIZE) // PAGE // 8
USED = 9  # the page of a queue's used ring, or of its device event structure


def threads():
    return len(os.listdir("/proc/%d/task" % PID))


class Log:
    """The front-end's: a memfd."""

    def __init__(self, size=LOG_BYTES):
        self.mem = Memory(size)

    def set(self, fe):
        """Have it used; returns the answer."""
        return struct.unpack("=Q", fe.ask(SET_LOG_BASE, struct.pack("=QQ", self.mem.size, 0),
                                          [self.mem.fd]))[0]

    def take(self):
        """Pages that were marked since, counted from where guest memory begins."""
        bits = int.from_bytes(self.mem.read(0, self.mem.size), "little")
        self.mem.write(0, bytes(self.mem.size))
        low = GUEST // PAGE
        assert not bits & ((1 << low) - 1), "below the guest's memory"
        bits >>= low
        return {i for i in range(bits.bit_length()) if bits >> i & 1}


class Packed(Queue):
    """Driver half of a packed queue; requests one after the other."""

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.at, self.wrap = 0, 1

    def start(self, base=0x80008000, **kw):  # pylint: disable=arguments-differ
        super().start(base, **kw)

    def poll(self):
        return None

    def serve(self, *segs):
        """Make a chain of (offset, size, writable) available, and wait for its end."""
        first, flags = self.at, []
        for n, (addr, size, write) in enumerate(segs):
            i = (first + n) % self.size
            wrap = self.wrap ^ (first + n >= self.size)
            flags.append((WRITE if write else 0) | (NEXT if n < len(segs) - 1 else 0) |
                         (0x80 if wrap else 0x8000))
            self.mem.write(self.desc + 16 * i, struct.pack("<QIH", GUEST + addr, size, 7))
        for n in reversed(range(len(segs))):
            self.mem.write(self.desc + 16 * ((first + n) % self.size) + 14,
                           struct.pack("<H", flags[n]))
        os.eventfd_write(self.kick, 1)
        done = 0x8080 if self.wrap else 0
        wait_until(lambda: struct.unpack("<H", self.mem.read(self.desc + 16 * first + 14, 2))[0]
                   & 0x8080 == done)
        self.at += len(segs)
        if self.at >= self.size:
            self.at, self.wrap = self.at - self.size, self.wrap ^ 1


class Guest(Session):
    """A session whose front-end copies memory."""

    def __init__(self, path=PATH, features=BASIC, log=None, **kw):
        super().__init__(path, features, protocol=REPLY_ACK | LOG_SHMFD, size=SIZE, **kw)
        self.log = log or Log()
        assert self.log.set(self.fe) == 0
        self.features(features | LOG_ALL)

    def features(self, features):
        assert self.fe.acked(SET_FEATURES, struct.pack("=Q", features)) == 0

    def __exit__(self, *args):
        super().__exit__(*args)
        self.log.mem.close()


def pages(*ranges):
    """Those of (offset, bytes)."""
    return {page for at, size in ranges for page in range(at // PAGE, (at + size - 1) // PAGE + 1)}


def request(q, kind, *data, sector=0):
    """One request, with data segments (offset, bytes), by a queue that then stops."""
    q.mem.write(HDR, struct.pack("<IIQ", kind, 0, sector))
    q.mem.write(STATUS, b"\xff")
    segs = [(HDR, 16, False), *[(at, size, kind != WRITE_TO) for at, size in data],
            (STATUS, 1, True)]
    if isinstance(q, Packed):
        q.serve(*segs)
    else:
        q.publish(q.chain(*segs))
        q.wait()
    base = q.stop()
    assert q.mem.read(STATUS, 1) == b"\x00", q.mem.read(STATUS, 1)
    return base


def marked(name, kind, *data, path=PATH, also=None, **kw):
    """A request marks the ring, its status, and the data where it is written: for both layouts."""
    for ring, features in ((Queue, 0), (Packed, PACKED)):
        @check("%s: %s" % (ring is Packed and "packed" or "split", name))
        def _(ring=ring, features=features):
            with Guest(path, BASIC | features) as s:
                q = ring(s.fe, s.mem, 0)
                s.queues.append(q)
                q.start()
                request(q, kind, *data, **kw)
                want = pages((STATUS, 1)) | {USED}
                if ring is Packed:
                    want |= pages((q.desc, 1))
                if kind != WRITE_TO:
                    want |= pages(*data)
                assert s.log.take() == want | (also or set()), want


@check("a disk that may migrate has a log, and no write cache that can be switched off")
def _():
    with Session(PATH) as s:
        assert s.offered & LOG_ALL and s.protocol & LOG_SHMFD
        assert not s.offered & WCE
    with Session(PATH + ".net") as s:
        assert s.offered & LOG_ALL and s.protocol & LOG_SHMFD


marked("a read marks the page that it fills", READ, (DATA, 4096))
marked("a read marks every page that it fills", READ, (DATA, 4096), (DATA + 0x10000, 65536),
       (DATA + 0x8000, 512), sector=8)
marked("a read that is not aligned marks both pages", READ, (DATA + 0xff8, 4096))
marked("a read of a sector that ends in the next page marks both", READ, (DATA + 0xe01, 512))
marked("a write marks no data", WRITE_TO, (DATA, 4096))
marked("the name marks its page", ID, (DATA + 0x3000, 20))
marked("a disk on nothing marks what it clears", READ, (DATA, 4096), (DATA + 0x5fff, 512),
       path=PATH + ".null")


@check("a read beyond the end marks its status, and no data")
def _():
    with Guest() as s:
        q = s.queue()
        s.mem.write(HDR, struct.pack("<IIQ", READ, 0, 1 << 40))
        q.publish(q.chain((HDR, 16, False), (DATA, 4096, True), (STATUS, 1, True)))
        q.wait()
        q.stop()
        assert s.mem.read(STATUS, 1) == b"\x01"
        assert s.log.take() == pages((STATUS, 1)) | {USED}


@check("split: of a large ring those pages are marked that were written to")
def _():
    with Guest(features=BASIC | EVENT_IDX) as s:
        q = s.queue(size=1024)
        request(q, WRITE_TO, (DATA, 512))
        # The event index is behind the elements.
        assert s.log.take() == pages((STATUS, 1)) | {USED, USED + 2}
        q.stop()
        q.next_avail = q.next_used = 600
        s.mem.write(q.used + 2, struct.pack("<H", 600))
        s.mem.write(q.avail + 2, struct.pack("<H", 600))
        q.start(base=600)
        request(q, WRITE_TO, (DATA, 512))
        assert s.log.take() == pages((STATUS, 1)) | {USED, USED + 1, USED + 2}


@check("packed: of a large ring those pages are marked that were written to")
def _():
    with Guest(features=BASIC | PACKED) as s:
        q = Packed(s.fe, s.mem, 0, size=1024)
        s.queues.append(q)
        q.start()
        base = request(q, WRITE_TO, (DATA, 512))
        assert s.log.take() == pages((STATUS, 1), (q.desc, 1)) | {USED}
        q.stop()
        q.at = 700
        base = 0x80008000 | 700 | 700 << 16
        q.start(base)
        request(q, WRITE_TO, (DATA, 512))
        assert s.log.take() == pages((STATUS, 1), (q.desc + 16 * 700, 1)) | {USED}


@check("packed: completions that are shown together are all marked")
def _():
    with Guest(features=BASIC | PACKED, path=PATH + ".null") as s:
        q = Packed(s.fe, s.mem, 0, size=1024)
        s.queues.append(q)
        # The first one's descriptor is shown last; the second one's is in the next page.
        s.mem.write(HDR, struct.pack("<IIQ", WRITE_TO, 0, 0))
        s.mem.write(STATUS, b"\xff" * 2 * PAGE)
        for n, (addr, size, flags) in enumerate(((HDR, 16, 0x81), (DATA, 512, 0x81), (STATUS, 1, 0x82),
                                                 (HDR, 16, 0x81), (DATA, 4096, 0x81),
                                                 (STATUS + PAGE, 1, 0x82))):
            s.mem.write(q.desc + 16 * (254 + n),
                        struct.pack("<QIHH", GUEST + addr, size, n // 3, flags))
        q.start(0x80008000 | 254 | 254 << 16)
        wait_until(lambda: s.mem.read(q.desc + 16 * 254 + 15, 1)[0] & 0x80)
        q.stop()
        assert s.log.take() == pages((STATUS, PAGE + 1), (q.desc, PAGE + 1)) | {USED}


@check("the used ring is marked where the front-end wants that")
def _():
    with Guest() as s:
        q = s.queue()
        q.address(flags=1, log=GUEST + 0x300000)
        # Once this is answered no worker is left that had not been told.
        assert s.fe.ask64(GET_FEATURES)
        s.log.take()
        request(q, READ, (DATA, 512))
        assert s.log.take() == pages((STATUS, 1), (DATA, 1), (0x300000, 1))


@check("what is in flight when the log is switched on is in it, or was over before")
def _():
    with Session(PATH, BASIC, protocol=REPLY_ACK | LOG_SHMFD, size=SIZE) as s:
        log = Log()
        q = s.queue()
        for i in range(40):
            s.mem.write(HDR + 32 * i, struct.pack("<IIQ", READ, 0, 0))
            s.mem.write(DATA + PAGE * i, b"\xff" * PAGE)
        s.fe.send(SET_LOG_BASE, struct.pack("=QQ", log.mem.size, 0), [log.mem.fd])
        q.publish(*[q.chain((HDR, 16, False), (DATA + PAGE * i, PAGE, True), (STATUS, 1, True),
                            first=3 * i) for i in range(20)])
        s.fe.reply(SET_LOG_BASE)
        # Over: those whose data is here now.
        s.fe.send(SET_FEATURES, struct.pack("=Q", BASIC | LOG_ALL))
        assert s.fe.ask64(GET_FEATURES)
        over = {DATA // PAGE + i for i in range(20)
                if s.mem.read(DATA + PAGE * i, 1) != b"\xff"}
        for _ in range(20):
            q.wait()
        q.stop()
        every = {DATA // PAGE + i for i in range(20)}
        assert log.take() & every >= every - over
        log.mem.close()


@check("a log that is replaced is not written to any more, and one that is off is not either")
def _():
    with Guest() as s:
        q = s.queue()
        other = Log()
        assert other.set(s.fe) == 0
        s.log.take()
        base = request(q, READ, (DATA, PAGE))
        assert not s.log.take() and other.take() == pages((DATA, 1), (STATUS, 1)) | {USED}
        s.features(BASIC)
        q.start(base)
        request(q, READ, (DATA, PAGE))
        assert not s.log.take() and not other.take()
        other.mem.close()


@check("a queue that is to be logged waits until there is a log")
def _():
    with Session(PATH, BASIC | LOG_ALL, protocol=REPLY_ACK | LOG_SHMFD, size=SIZE) as s:
        q = s.queue()
        s.mem.write(HDR, struct.pack("<IIQ", READ, 0, 0))
        q.publish(q.chain((HDR, 16, False), (DATA, PAGE, True), (STATUS, 1, True)))
        assert s.fe.ask64(GET_FEATURES)
        assert threads() == 1 and q.poll() is None
        log = Log()
        assert log.set(s.fe) == 0
        assert q.wait()[1] == PAGE + 1
        q.stop()
        assert log.take() == pages((DATA, 1), (STATUS, 1)) | {USED}
        log.mem.close()


@check("a front-end that wants an event for each mark is told that there is none")
def _():
    with Guest() as s:
        event = os.eventfd(0)
        assert s.fe.acked(SET_LOG_FD, b"", [event]) == 1
        os.close(event)


# ---- lies ---------------------------------------------------------------------------

def served():
    with Guest() as s:
        request(s.queue(), READ, (DATA, PAGE))


served()


def lie(name, size, offset=0, files=None, protocol=LOG_SHMFD, request_=SET_LOG_BASE):
    """That log ends the session, and only it."""
    @check("case 64: " + name)
    def _():
        mem = Memory(1 << 20)
        fe = Frontend(PATH)
        fe.send(SET_PROTOCOL_FEATURES, struct.pack("=Q", protocol))
        try:
            fe.send(request_, struct.pack("=QQ", size, offset),
                    [mem.fd] if files is None else files)
            assert fe.is_closed()
        except Closed:
            pass
        fe.close()
        mem.close()
        served()


NULL = os.open("/dev/null", os.O_RDWR)
SOCKET = socket.socket()
EVENT = os.eventfd(0)
with open("/proc/self/exe", "rb") as exe:
    READONLY = os.dup(exe.fileno())
lie("a log of written pages without its file", PAGE, files=[])
lie("a log of written pages that was not negotiated", PAGE, protocol=0)
lie("a log of written pages of size 0", 0)
lie("a log of written pages that is larger than its file", 2 << 20)
lie("a log of written pages beyond the end of its file", 1 << 20, PAGE)
lie("a log of written pages at an odd offset", PAGE, 64)
lie("a log of written pages whose offset overflows", PAGE, (1 << 64) - PAGE)
lie("a log of written pages of 2^64 - 1 bytes", (1 << 64) - 1)
lie("a log of written pages of 2^63 bytes", 1 << 63, PAGE)
lie("a log of written pages in a device", PAGE, files=[NULL])
lie("a log of written pages in a socket", PAGE, files=[SOCKET.fileno()])
lie("a log of written pages in an event", PAGE, files=[EVENT])
lie("a log of written pages in a file that may only be read", PAGE, files=[READONLY])
lie("an event for a log that was not negotiated", 0, protocol=0, request_=SET_LOG_FD)


@check("case 64: a queue is off while the log has no bits for all of memory, and on when it has")
def _():
    for size in (1, LOG_BYTES // 2, LOG_BYTES - 1):
        with Guest(log=Log(size)) as s:
            q = s.queue()
            s.mem.write(HDR, struct.pack("<IIQ", READ, 0, 0))
            q.publish(q.chain((HDR, 16, False), (DATA, PAGE, True), (STATUS, 1, True)))
            assert s.fe.ask64(GET_FEATURES)
            assert threads() == 1 and q.poll() is None
            log = Log()
            assert log.set(s.fe) == 0
            assert q.wait()[1] == PAGE + 1
            log.mem.close()


@check("case 64: a used ring that is to be logged beyond the log costs the queue")
def _():
    for at in (GUEST + SIZE - PAGE // 8, (1 << 64) - 8, 1 << 63):
        with Guest() as s:
            q = Queue(s.fe, s.mem, 0)
            s.queues.append(q)
            s.fe.send(SET_VRING_NUM, struct.pack("=II", 0, 64))
            q.address(flags=1, log=at)
            s.fe.send(SET_VRING_KICK, struct.pack("=Q", 0), [q.kick])
            assert s.fe.ask64(GET_FEATURES)
            assert threads() == 1


@check("case 64: flags of a ring that were not offered cost the session")
def _():
    for flags, protocol in ((2, LOG_SHMFD), (1, 0), (0xffffffff, LOG_SHMFD)):
        fe = Frontend(PATH)
        fe.send(SET_PROTOCOL_FEATURES, struct.pack("=Q", protocol))
        fe.send(SET_VRING_ADDR, struct.pack("=IIQQQQ", 0, flags, 0, 0, 0, 0))
        assert fe.is_closed()
        fe.close()
    served()


@check("case 64: a log of written pages that is truncated costs the session")
def _():
    with Guest() as s:
        q = s.queue()
        os.ftruncate(s.log.mem.fd, 0)
        s.mem.write(HDR, struct.pack("<IIQ", READ, 0, 0))
        q.publish(q.chain((HDR, 16, False), (DATA, PAGE, True), (STATUS, 1, True)))
        assert s.fe.is_closed()
        os.ftruncate(s.log.mem.fd, s.log.mem.size)
    served()


@check("a session without the log writes to none")
def _():
    with Session(PATH, BASIC | LOG_ALL, protocol=REPLY_ACK, size=SIZE) as s:
        request(s.queue(), READ, (DATA, PAGE))


# ---- a card -------------------------------------------------------------------------

SERVER = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
SERVER.bind(STREAM)
SERVER.listen()
SERVER.settimeout(DEADLINE)
with Session(PATH + ".net") as net:
    # It connects when it has something to do, and then stays.
    net.queue()
    PEER = SERVER.accept()[0]


def received(name, features, buffers, size, want):
    """A frame of @size goes into @buffers, (offset, bytes) each, and marks the pages @want."""
    @check(name)
    def _():
        with Guest(PATH + ".net", VERSION_1 | PROTOCOL | features) as s:
            q = s.queue()
            q.publish(*[q.chain((at, length, True), first=i)
                        for i, (at, length) in enumerate(buffers)])
            PEER.sendall(struct.pack(">I", size) + bytes(size))
            for _ in want:
                q.wait()
            q.stop()
            got = s.log.take()
            assert got == pages(*want) | {USED}, got


received("a frame marks the pages that it fills, and no others", 0,
         [(DATA, 2048), (DATA + 0x2000, 2048)], 1000, [(DATA, 1012)])
received("a frame in several buffers marks them all", MERGE,
         [(DATA + 0xf00, 1000), (DATA + 0x2000, 1000), (DATA + 0x4000, 1000), (DATA + 0x6000, 9)],
         2500, [(DATA + 0xf00, 1000), (DATA + 0x2000, 1000), (DATA + 0x4000, 512)])


@check("a frame that is sent marks the ring only")
def _():
    with Guest(PATH + ".net", VERSION_1 | PROTOCOL) as s:
        q = s.queue(1, at=0x1000)
        q.publish(q.chain((HDR, 12, False), (DATA, 60, False)))
        q.wait()
        q.stop()
        assert s.log.take() == {USED}


@check("how much was marked is said")
def _():
    with open(LOG, encoding="utf-8") as f:
        assert re.search(r"blk0: [1-9]\d* marks in the log of written pages", f.read())


finish()
