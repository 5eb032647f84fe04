# SPDX-License-Identifier: GPL-2.0
"""nbd.py DAEMON DIRECTORY: a disk on an NBD server does what it says, whatever the server does.

Each test starts servers (nbdkit, with filters that log, fail and delay) and daemons of its own.
"""

import random
import signal
import subprocess
import threading

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

DAEMON, DIR = sys.argv[1], sys.argv[2]
IN, OUT, FLUSH, DISCARD, ZEROES = 0, 1, 4, 11, 13
OK, IOERR = 0, 1
CACHED = VERSION_1 | PROTOCOL | 1 << 9  # FLUSH
RANGES = CACHED | 1 << 13 | 1 << 14  # DISCARD, WRITE_ZEROES
BLOCK = 4096
SLOT = 0x100000  # of a request: header, status; its data is elsewhere
DATA = 0x200000
SIZE = 1 << 20


def wait_for_line(path, pattern, count=1):
    wait_until(lambda: len(re.findall(pattern, read(path))) >= count)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


class Server:
    """nbdkit at a Unix socket, or at a TCP port; what its log filter writes is in self.log."""

    count = 0

    def __init__(self, *args, port=None, filters=(), image=None):
        Server.count += 1
        base = "%s/server%d" % (DIR, Server.count)
        self.sock, self.log, self.image = base + ".sock", base + ".log", image or base + ".img"
        self.port = port
        if not image:
            with open(self.image, "wb") as f:
                f.truncate(SIZE)
        # The first word without a value is the plugin's name.
        self.args = [*args] if args and "=" not in args[0] else ["file", self.image, *args]
        self.filters = ["--filter=" + f for f in filters]
        self.proc = None
        self.start()

    # A name with several addresses, perhaps, of which the first is none of the server's.
    uri = property(lambda self: "nbd://localhost:%d" % self.port if self.port
                   else "nbd+unix:///?socket=" + self.sock)

    def start(self):
        if os.path.exists(self.sock):
            os.unlink(self.sock)
        where = ["-i", "127.0.0.1", "-p", str(self.port)] if self.port else ["-U", self.sock]
        pidfile = self.sock + ".pid"
        if os.path.exists(pidfile):
            os.unlink(pidfile)
        with open(self.sock + ".err", "ab") as err:
            self.proc = subprocess.Popen(
                ["nbdkit", "-f", "-P", pidfile, *where, "--filter=log", *self.filters, *self.args, "logfile=" + self.log, "logappend=true"],
                stdin=subprocess.DEVNULL, stderr=err)
        wait_until(lambda: os.path.exists(pidfile) or self.proc.poll() is not None)
        assert self.proc.poll() is None, read(self.sock + ".err")

    def end(self, sig=signal.SIGKILL):
        if self.proc:
            self.proc.send_signal(sig)
            self.proc.send_signal(signal.SIGCONT)
            self.proc.wait(DEADLINE)
        self.proc = None

    def freeze(self):
        """Have it hang: every thread is stopped."""
        self.proc.send_signal(signal.SIGSTOP)
        tasks = "/proc/%d/task/" % self.proc.pid
        wait_until(lambda: all(read(tasks + t + "/stat").rpartition(")")[2].split()[0] == "T"
                               for t in os.listdir(tasks)))

    def seen(self, pattern):
        """How often the log has it."""
        return len(re.findall(pattern, read(self.log))) if os.path.exists(self.log) else 0

    def holds(self, at, size):
        with open(self.image, "rb") as f:
            f.seek(at)
            return f.read(size)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.end()


HOLD, FAIL = DIR + "/hold", DIR + "/fail"


def scripted(*more, **kw):
    """A server that does little, and whose flushes wait while HOLD is there, and fail while FAIL is."""
    image = "%s/scripted%d" % (DIR, Server.count)
    with open(image, "wb") as f:
        f.write(b"\xaa" * SIZE)
    return Server("eval", "get_size=echo %d" % SIZE, "can_write=exit 0",
                  "pread=dd if=%s iflag=skip_bytes,count_bytes skip=$4 count=$3" % image,
                  "pwrite=dd of=%s oflag=seek_bytes conv=notrunc seek=$4" % image,
                  "flush=while [ -e %s ]; do sleep 0.05; done; [ ! -e %s ] || { echo EIO >&2; exit 1; }" % (HOLD, FAIL),
                  *more, image=image, **kw)


def touch(path):
    with open(path, "wb"):
        pass


def device(server, more="", name="d"):
    return ["--device", "type=blk,socket=%s/%s,nbd=%s%s" % (DIR, name, getattr(server, "uri", server), more)]


class Daemon:
    """airlockd; ends well, or the test fails."""

    count = 0

    def __init__(self, *args):
        Daemon.count += 1
        self.log = "%s/daemon%d.log" % (DIR, Daemon.count)
        with open(self.log, "wb") as log:
            self.proc = subprocess.Popen([DAEMON, *args], stdin=subprocess.DEVNULL, stderr=log)
        wanted = args.count("--device")
        wait_until(lambda: self.proc.poll() is not None or
                   read(self.log).count("waiting for a front-end") >= wanted)
        assert self.proc.poll() is None, read(self.log)

    def says(self, pattern, count=1):
        wait_for_line(self.log, pattern, count)

    def said(self, pattern):
        return len(re.findall(pattern, read(self.log)))

    def __enter__(self):
        return self

    def __exit__(self, kind, *args):
        self.proc.send_signal(signal.SIGTERM)
        status = self.proc.wait(DEADLINE)
        if kind or status:
            for line in read(self.log).splitlines()[-40:]:
                print("# " + line, flush=True)
        assert kind or not status, "airlockd ended with %d" % status


class Disk:
    """Many requests of a queue at once; request i has slot i."""

    def __init__(self, session, index=0, size=256, **kw):
        self.s, self.mem = session, session.mem
        self.base = SLOT + index * 0x20000
        self.q = session.queue(index, size, **kw)
        self.flying = set()

    def send(self, i, kind, sector=0, size=0, data=None, payload=None):
        at = self.base + 64 * i
        if payload is not None:
            self.mem.write(data, payload)
        self.mem.write(at, struct.pack("<IIQ", kind, 0, sector))
        self.mem.write(at + 16, b"\xff")
        segs = [(at, 16, False)] + ([(data, size, kind == IN)] if size else []) + [(at + 16, 1, True)]
        self.flying.add(3 * i)
        self.q.publish(self.q.chain(*segs, first=3 * i))

    def done(self):
        """Wait for one: (slot, status)."""
        head, _ = self.q.wait()
        self.flying.remove(head)
        return head // 3, self.mem.read(self.base + 64 * (head // 3) + 16, 1)[0]

    def poll(self):
        elem = self.q.poll()
        if not elem:
            return None
        self.flying.remove(elem[0])
        return elem[0] // 3, self.mem.read(self.base + 64 * (elem[0] // 3) + 16, 1)[0]

    def do(self, kind, sector=0, size=0, data=DATA, payload=None):
        """One request, alone: its status."""
        self.send(0, kind, sector, size, data, payload)
        slot, status = self.done()
        assert slot == 0, slot
        return status

    def ranges(self, kind, *segs):
        raw = b"".join(struct.pack("<QII", *s) for s in segs)
        return self.do(kind, 0, len(raw), DATA, raw)


def session(features=CACHED, name="d", **kw):
    return Session("%s/%s" % (DIR, name), features, **kw)


def config(s, at, size):
    return s.fe.ask(GET_CONFIG, struct.pack("=III", at, size, 0) + bytes(size))[12:]


def refused(name, pattern, *args):
    @check(name)
    def _():
        got = subprocess.run([DAEMON, *args], stdin=subprocess.DEVNULL, capture_output=True,
                             timeout=DEADLINE, check=False)
        lines = got.stderr.decode().splitlines()
        assert got.returncode == 1 and len(lines) == 1, (got.returncode, lines)
        assert re.search(pattern, lines[0]), lines[0]


# ---- what reaches the server ---------------------------------------------------------------

@check("what is written is at the server and is read back, in pieces and not aligned")
def _():
    with Server() as server, Daemon(*device(server)), session(size=8 << 20) as s:
        d = Disk(s)
        data = os.urandom(SIZE - 1024)
        assert d.do(OUT, 1, len(data), DATA + 5, data) == OK
        assert server.holds(512, len(data)) == data
        s.mem.write(DATA, bytes(SIZE + 16))
        assert d.do(IN, 1, len(data), DATA + 11) == OK
        assert s.mem.read(DATA + 11, len(data)) == data
        assert s.mem.read(DATA, 11) == bytes(11)
        assert struct.unpack("<Q", config(s, 0, 8))[0] == SIZE // 512
        assert d.do(IN, SIZE // 512, 512) == IOERR


@check("a flush is a flush at the server, and nothing else is")
def _():
    with Server() as server, Daemon(*device(server)), session() as s:
        d = Disk(s)
        assert d.do(OUT, 0, 4096) == OK and d.do(IN, 0, 4096) == OK
        assert server.seen(r" Flush ") == 0 and server.seen(r"Write id=.*fua=0") == 1
        assert d.do(FLUSH) == OK
        assert server.seen(r" Flush ") == 1


@check("a durable write has FUA")
def _():
    with Server() as server, Daemon(*device(server)), session(VERSION_1 | PROTOCOL) as s:
        assert Disk(s).do(OUT, 0, 4096) == OK
        assert server.seen(r"Write id=.*fua=1") == 1 and server.seen(r" Flush ") == 0


@check("a durable write is followed by a flush where the server has no FUA")
def _():
    with Server(filters=["fua"]) as server, Daemon(*device(server)), \
         session(VERSION_1 | PROTOCOL, size=8 << 20) as s:
        d = Disk(s)
        assert d.do(OUT, 0, 4096) == OK
        assert server.seen(r"Write id=.*fua=0") == 1 and server.seen(r" Flush ") == 1
        # Of several pieces: once, behind the last.
        assert d.do(OUT, 0, 1 << 19) == OK
        assert server.seen(r" Flush ") == 2
        assert [line.split()[3] for line in read(server.log).splitlines()
                if re.search(r" (Write|Flush) id", line)][-1] == "Flush"


@check("ranges are trimmed and zeroed at the server, zeroed without holes unless they may have some")
def _():
    with Server() as server, Daemon(*device(server)), session(RANGES) as s:
        d = Disk(s)
        assert d.do(OUT, 0, 1 << 18, DATA, b"\xaa" * (1 << 18)) == OK
        assert d.ranges(DISCARD, (0, 128, 0), (256, 128, 0)) == OK
        assert server.seen(r"Trim id=.*count=0x10000 ") == 2
        assert d.ranges(ZEROES, (128, 64, 0)) == OK
        assert server.seen(r"Zero id=.*trim=0") == 1
        assert d.ranges(ZEROES, (192, 64, 1)) == OK
        assert server.seen(r"Zero id=.*trim=1") == 1
        assert server.holds(65536, 65536) == bytes(65536)
        assert server.holds(3 * 65536, 65536) == b"\xaa" * 65536


@check("a server that cannot zero has zeroes written; one that cannot flush or trim has nothing to do")
def _():
    with scripted("can_flush=exit 3", filters=["nozero"]) as server, Daemon(*device(server)), \
         session(RANGES) as s:
        d = Disk(s)
        assert d.do(FLUSH) == OK
        assert d.ranges(DISCARD, (0, 8, 0)) == OK
        assert server.seen(r" (Flush|Trim|Zero) ") == 0
        assert server.holds(0, 4096) == b"\xaa" * 4096
        assert d.ranges(ZEROES, (8, 512, 1)) == OK
        assert server.holds(4096, 262144) == bytes(262144)
        assert server.holds(4096 + 262144, 4096) == b"\xaa" * 4096
        assert server.seen(r" Zero ") == 0


@check("the server's smallest block is the disk's, and its largest request is kept")
def _():
    with Server("memory", "1M", "blocksize-minimum=4096", "blocksize-preferred=4096",
                "blocksize-maximum=65536", "blocksize-error-policy=error",
                filters=["blocksize-policy"]) as server, \
         Daemon(*device(server)), session() as s:
        d = Disk(s)
        assert struct.unpack("<I", config(s, 20, 4))[0] == 4096
        assert d.do(IN, 1, 512) == IOERR
        assert d.do(OUT, 8, 1 << 18) == OK
        assert server.seen(r"Write id=.*count=0x10000 ") == 4


@check("each queue has a connection where the server has several")
def _():
    with Server("memory", "1M") as server, Daemon(*device(server, ",queues=3")), session() as s:
        assert server.seen(r"connection=\d+ Connect ") == 3
        assert s.fe.ask64(GET_QUEUE_NUM) == 3
        for i in range(3):
            assert Disk(s, i, 64).do(IN, 0, 4096) == OK
        assert [server.seen(r"connection=%d Read " % i) for i in (1, 2, 3)] == [1, 1, 1]


@check("a disk has one queue where the server has one connection")
def _():
    with Server("memory", "1M", "multi-conn-mode=disable", filters=["multi-conn"]) as server, \
         Daemon(*device(server, ",queues=3")) as daemon, session() as s:
        assert s.fe.ask64(GET_QUEUE_NUM) == 1
        assert daemon.said("one queue only") == 1
        assert server.seen(r"connection=\d+ Connect ") == 1
        assert Disk(s).do(FLUSH) == OK


@check("many requests are at the server at once")
def _():
    with Server("-t", "64", "memory", "1M", "delay-read=1", filters=["delay"]) as server, \
         Daemon(*device(server, ",queues=1")), session() as s:
        d = Disk(s)
        for i in range(64):
            d.send(i, IN, 8 * i, 4096, DATA + 4096 * i)
        assert sorted(d.done() for _ in range(64)) == [(i, OK) for i in range(64)]
        most = now = 0
        for line in read(server.log).splitlines():
            now += bool(re.search(r" Read id=", line)) - bool(re.search(r"\.\.\.Read id=", line))
            most = max(most, now)
        assert most >= 32, most


# ---- errors --------------------------------------------------------------------------------

def fails(name, error, op, kind):
    @check("case 69: %s of the server is an error of the request, a line, and over when it is over" % name)
    def _():
        touch(FAIL)
        server = scripted() if op == "flush" else \
            Server("memory", "1M", "error=%s" % error, "error-%s-rate=100%%" % op, "error-file=" + FAIL,
                   filters=["error"])
        with server, Daemon(*device(server)) as daemon, session(RANGES) as s:
            d = Disk(s)

            def do():
                if kind in (ZEROES, DISCARD):
                    return d.ranges(kind, (0, 8, 0))
                return d.do(kind, 0, 0 if kind == FLUSH else 4096)
            assert do() == IOERR
            assert daemon.said("failed: ") == 1
            os.unlink(FAIL)
            assert do() == OK
            assert daemon.said("connecting again") == 0


fails("EIO of a read", "EIO", "pread", IN)
fails("ENOSPC of a write", "ENOSPC", "pwrite", OUT)
fails("EPERM of a write", "EPERM", "pwrite", OUT)
fails("EIO of a flush", "EIO", "flush", FLUSH)
fails("ENOSPC of zeroes", "ENOSPC", "zero", ZEROES)
fails("EIO of a discard", "EIO", "trim", DISCARD)


# ---- a server that goes ----------------------------------------------------------------------

class Load:
    """Writes and reads of blocks, each with at most one request at a time; a version is known of each."""

    def __init__(self, disks, seed):
        self.disks, self.random = disks, random.Random(seed)
        self.versions = [0] * (SIZE // BLOCK)
        self.busy = {}
        self.differing = self.failed = self.served = 0

    def content(self, block):
        version = self.versions[block]
        return struct.pack("<II", block, version) * (BLOCK // 8) if version else bytes(BLOCK)

    def fill(self):
        for n, d in enumerate(self.disks):
            for i in range(32):
                if (n, i) in self.busy:
                    continue
                block = self.random.randrange(len(self.versions))
                if any(b[1] == block for b in self.busy.values()):
                    continue
                kind = self.random.choice((IN, OUT, OUT))
                self.busy[n, i] = kind, block
                at = DATA + BLOCK * (32 * n + i)
                if kind == OUT:
                    self.versions[block] += 1
                d.send(i, kind, block * BLOCK // 512, BLOCK, at,
                       self.content(block) if kind == OUT else b"\xee" * BLOCK)

    def reap(self):
        for n, d in enumerate(self.disks):
            while True:
                got = d.poll()
                if not got:
                    break
                kind, block = self.busy.pop((n, got[0]))
                self.served += 1
                self.failed += got[1] != OK
                if kind == IN and d.mem.read(DATA + BLOCK * (32 * n + got[0]), BLOCK) != self.content(block):
                    self.differing += 1

    def run(self, until):
        end = time.monotonic() + DEADLINE
        while not until():
            assert time.monotonic() < end, "nothing comes of the load"
            self.fill()
            self.reap()
            select.select([d.q.call for d in self.disks], [], [], 0.01)

    def drain(self):
        wait_until(lambda: self.reap() or not self.busy)


def under_load(name, port, features):
    @check(name)
    def _():
        with Server(port=port) as server, Daemon(*device(server, ",queues=2,nbd-timeout=60")) as daemon, \
             session(features) as s:
            load = Load([Disk(s, 0, 128), Disk(s, 1, 128)], 1)
            for n in range(16):
                goal = load.served + load.random.randrange(1, 500)
                load.run(lambda: load.served >= goal)
                # One that is asked to end refuses what comes, and ends when its connections do.
                server.proc.send_signal(signal.SIGTERM if n % 4 == 3 else signal.SIGKILL)
                load.run(lambda: server.proc.poll() is not None)
                server.start()
            load.drain()
            assert (len(load.busy), load.failed, load.differing) == (0, 0, 0), \
                (len(load.busy), load.failed, load.differing)
            for block in range(len(load.versions)):
                assert server.holds(block * BLOCK, BLOCK) == load.content(block), block
            assert daemon.said("connection lost") >= 5


under_load("case 69: a server is killed under load, again and again: no request is lost, fails, or differs",
           None, CACHED)
with socket.create_server(("127.0.0.1", 0)) as free:
    PORT = free.getsockname()[1]
under_load("case 69: likewise over TCP, with durable writes", PORT, VERSION_1 | PROTOCOL)


def away(server, daemon):
    """The server is killed, and that was seen."""
    count = daemon.said("connecting again")
    server.end()
    daemon.says("connecting again", count + 1)


if os.geteuid() == 0:
    @check("a server is connected to again by a daemon that became another user")
    def _():
        with Server("memory", "1M", port=PORT) as server, \
             Daemon("--user", "nobody", *device(server)) as daemon, session() as s:
            d = Disk(s)
            away(server, daemon)
            server.start()
            assert d.do(OUT, 0, 4096) == OK


@check("case 69: after a connection was lost with writes that were not flushed, one flush fails, and one only")
def _():
    with Server() as server, Daemon(*device(server, ",queues=2")) as daemon, session() as s:
        d = Disk(s, 0, 64), Disk(s, 1, 64)
        for writer, flusher in ((0, 0), (0, 1), (1, 0)):
            assert d[writer].do(OUT, 0, 4096) == OK
            away(server, daemon)
            server.start()
            assert d[flusher].do(FLUSH) == IOERR
            assert d[0].do(FLUSH) == OK and d[1].do(FLUSH) == OK
        assert daemon.said("a flush fails, since writes") == 3
        # Reads, and what a flush covers, cannot be lost.
        assert d[0].do(OUT, 0, 4096) == OK and d[1].do(FLUSH) == OK and d[1].do(IN, 0, 4096) == OK
        away(server, daemon)
        server.start()
        assert d[0].do(FLUSH) == OK and d[1].do(FLUSH) == OK


@check("case 69: a flush on one queue fails for what was written on another whose connection is not known to be lost")
def _():
    with Server() as server, Daemon(*device(server, ",queues=2")) as daemon, session() as s:
        d = Disk(s, 0, 64), Disk(s, 1, 64)
        assert d[1].do(OUT, 0, 4096) == OK
        # Its worker does not run: nobody looks at the connection.
        d[1].q.stop()
        away(server, daemon)
        server.start()
        assert d[0].do(FLUSH) == IOERR and d[0].do(FLUSH) == OK


class Proxy:
    """Between a daemon and a server: connections can be cut one by one."""

    def __init__(self, server):
        self.uri, self.server, self.pairs = "nbd+unix:///?socket=%s/proxy" % DIR, server, []
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(DIR + "/proxy")
        self.sock.listen(8)
        self.end = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.end:
            ends = {}
            for a, b in self.pairs:
                ends[a], ends[b] = b, a
            for ready in select.select([self.sock, *ends], [], [], 0.05)[0]:
                if ready is self.sock:
                    there = socket.socket(socket.AF_UNIX)
                    there.connect(self.server.sock)
                    self.pairs.append((self.sock.accept()[0], there))
                    continue
                data = ready.recv(1 << 20)
                if data:
                    ends[ready].sendall(data)
                else:
                    ends[ready].shutdown(socket.SHUT_WR)
                    self.pairs = [p for p in self.pairs if ready not in p]

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.end = True
        self.thread.join()
        for s in sum(self.pairs, (self.sock,)):
            s.close()


@check("case 69: when one connection of several is lost all are made anew, and one flush fails")
def _():
    with Server() as server, Proxy(server) as proxy, \
         Daemon(*device(proxy, ",queues=3")) as daemon, session() as s:
        d = Disk(s, 0, 64), Disk(s, 1, 64)
        assert d[1].do(OUT, 0, 4096) == OK
        proxy.pairs[0][0].shutdown(socket.SHUT_RDWR)
        daemon.says("connected again")
        # Two; the third queue does not run.
        wait_until(lambda: server.seen(r"connection=\d+ Connect ") == 5)
        assert d[1].do(FLUSH) == IOERR and d[0].do(FLUSH) == OK and d[1].do(FLUSH) == OK
        assert daemon.said("connection lost") == 1


@check("case 69: flushes that are under way when the connection is lost fail, all of them")
def _():
    with scripted() as server, Daemon(*device(server, ",queues=1")) as daemon, session() as s:
        d = Disk(s)
        assert d.do(OUT, 0, 4096) == OK
        touch(HOLD)
        for i in range(4):
            d.send(i, FLUSH)
        wait_until(lambda: server.seen(r" Flush id=") >= 1)
        away(server, daemon)
        os.unlink(HOLD)
        server.start()
        assert sorted(d.done() for _ in range(4)) == [(i, IOERR) for i in range(4)]
        assert d.do(FLUSH) == OK


@check("case 69: a durable write whose flush was under way is written again, and makes no flush fail")
def _():
    with scripted(filters=["fua"]) as server, Daemon(*device(server, ",queues=1")) as daemon:
        with session(VERSION_1 | PROTOCOL) as s:
            d = Disk(s)
            touch(HOLD)
            d.send(0, OUT, 0, 4096, DATA, b"\xdd" * 4096)
            wait_until(lambda: server.seen(r" Flush id=") == 1)
            server.end()
            os.unlink(HOLD)
            with open(server.image, "r+b") as f:
                f.write(bytes(4096))
            daemon.says("connecting again")
            server.start()
            assert d.done() == (0, OK)
            assert server.holds(0, 4096) == b"\xdd" * 4096
            assert server.seen(r" Write id=") == 2
        with session() as s:
            assert Disk(s).do(FLUSH) == OK


@check("case 69: a request of several pieces begins anew when the connection is lost in its midst")
def _():
    with Server("delay-write=1", filters=["delay"]) as server, \
         Daemon(*device(server, ",queues=1")) as daemon, session() as s:
        d = Disk(s)
        d.send(0, OUT, 0, 1 << 19, DATA, b"\xdd" * (1 << 19))
        wait_until(lambda: server.seen(r" Write id=") >= 3)
        server.end()
        with open(server.image, "r+b") as f:
            f.write(bytes(SIZE))
        daemon.says("connecting again")
        server.filters = []
        server.args = ["file", server.image]
        server.start()
        assert d.done() == (0, OK)
        assert server.holds(0, 1 << 19) == b"\xdd" * (1 << 19)
        # Nothing of it was completed before, so nothing is lost.
        assert d.do(FLUSH) == OK


@check("case 69: a server that stays away: requests wait, then fail, then at once, until it is back; other disks are served")
def _():
    with Server() as server, Server() as other, \
         Daemon(*device(server, ",nbd-timeout=2"), *device(other, "", "e")) as daemon, \
         session() as s, session(name="e") as o:
        d, e = Disk(s), Disk(o)
        assert d.do(OUT, 0, 4096) == OK
        away(server, daemon)
        for i in range(8):
            d.send(i, IN, 8 * i, 4096, DATA + 4096 * i)
        assert e.do(OUT, 0, 4096) == OK and e.do(FLUSH) == OK
        assert len(d.flying) == 8
        assert sorted(d.done() for _ in range(8)) == [(i, IOERR) for i in range(8)]
        daemon.says("no connection for 2 seconds: requests fail")
        # More than there are buffers for.
        for i in range(80):
            d.send(i, OUT, 0, 131072, DATA)
        assert sorted(d.done() for _ in range(80)) == [(i, IOERR) for i in range(80)]
        # That tells of what was lost, too.
        assert d.do(FLUSH) == IOERR
        server.start()
        daemon.says("connected again")
        assert d.do(IN, 0, 4096) == OK and d.do(FLUSH) == OK


@check("case 69: with nbd-timeout=0 requests fail at once")
def _():
    with Server() as server, Daemon(*device(server, ",nbd-timeout=0,queues=2")) as daemon, session() as s:
        d = Disk(s)
        assert d.do(IN, 0, 4096) == OK
        away(server, daemon)
        assert d.do(IN, 0, 4096) == IOERR
        server.start()
        daemon.says("connected again")
        assert d.do(IN, 0, 4096) == OK


@check("a server that went while no front-end was there is found again by the next")
def _():
    with Server() as server, Daemon(*device(server)):
        with session() as s:
            assert Disk(s).do(OUT, 0, 4096) == OK and Disk(s, 1).do(FLUSH) == OK
        server.end()
        server.start()
        with session() as s:
            assert Disk(s).do(IN, 0, 4096) == OK and Disk(s, 1).do(FLUSH) == OK


@check("case 69: an export that has another size when its server is back is told of, and used")
def _():
    ours, theirs = socket.socketpair()
    ours.settimeout(DEADLINE)
    with Server() as server, Daemon(*device(server, ",queues=2")) as daemon, \
         session(protocol=REPLY_ACK | CONFIG | (1 << 5)) as s:
        s.fe.send(SET_BACKEND_REQ_FD, b"", [theirs.fileno()])
        d = Disk(s)
        assert d.do(IN, SIZE // 512, 4096) == IOERR
        away(server, daemon)
        os.truncate(server.image, SIZE + 65536)
        server.start()
        assert ours.recv(64) == struct.pack("=III", BACKEND_CONFIG_CHANGE_MSG, 1, 0)
        assert struct.unpack("<Q", config(s, 0, 8))[0] == SIZE // 512 + 128
        assert d.do(IN, SIZE // 512, 4096) == OK
    ours.close()
    theirs.close()


@check("case 69: an export that cannot be the same one is not used when the server is back")
def _():
    with Server() as server, Daemon(*device(server, ",nbd-timeout=2")) as daemon, session() as s:
        d = Disk(s)
        away(server, daemon)
        server.args.insert(0, "-r")
        server.start()
        assert d.do(IN, 0, 4096) == IOERR
        server.end()
        server.args.pop(0)
        server.start()
        daemon.says("connected again")
        assert d.do(OUT, 0, 4096) == OK


# ---- a queue that stops ------------------------------------------------------------------------

@check("case 66: a queue that stops while its requests are at the server waits for them")
def _():
    with Server("delay-read=1", filters=["delay"]) as server, Daemon(*device(server, ",queues=1")), \
         session() as s:
        d = Disk(s)
        for i in range(64):
            d.send(i, IN, 0, 4096, DATA)
        wait_until(lambda: server.seen(r" Read id="))
        assert d.q.stop() == 64
        assert sorted(d.poll() for _ in range(64)) == [(i, OK) for i in range(64)]


def hang(name, log):
    @check(name)
    def _():
        protocol = REPLY_ACK | (INFLIGHT_SHMFD if log else 0)
        with Server() as server, Daemon(*device(server, ",queues=1")) as daemon, \
             session(CACHED | EVENT_IDX, protocol=protocol) as s:
            if log:
                memory = Memory(65536)
                assert s.fe.acked(SET_INFLIGHT_FD, inflight(65536, descs=256), [memory.fd]) == 0
            d = Disk(s)
            assert d.do(OUT, 0, 4096) == OK
            server.freeze()
            # Some wait for buffers.
            for i in range(80):
                d.send(i, OUT, 0, 131072, DATA, b"\xbb" * 131072)
            # All of them are taken: avail_event (virtio 1.2, 2.7.10).
            wait_until(lambda: s.mem.read(d.q.used + 4 + 8 * 256, 2) == struct.pack("<H", 81))
            assert d.q.stop() == 81
            daemon.says("does not answer: the queue stops with")
            if not log:
                assert sorted(d.poll() for _ in range(80)) == [(i, IOERR) for i in range(80)]
                server.proc.send_signal(signal.SIGCONT)
                return
            assert d.poll() is None
            server.end()
            server.start()
            d.q.start(base=81)
            assert sorted(d.done() for _ in range(80)) == [(i, OK) for i in range(80)]
            assert server.holds(0, 131072) == b"\xbb" * 131072
            # Of the connection that was given up.
            assert d.do(FLUSH) == IOERR and d.do(FLUSH) == OK
            memory.close()


hang("case 66: a queue stops when the server hangs: requests fail", False)
hang("case 66: likewise with an in-flight log: they stay in that, and are served when the queue starts again", True)


@check("a daemon ends when the server hangs, or is away")
def _():
    for go in (Server.freeze, Server.end):
        with Server() as server, Daemon(*device(server, ",queues=2,nbd-timeout=86400")), session() as s:
            d = Disk(s)
            assert d.do(IN, 0, 4096) == OK
            go(server)
            d.send(0, IN, 0, 4096, DATA)


# ---- the start -----------------------------------------------------------------------------------

refused("case 69: without a server at its socket airlockd does not start",
        r"NBD server .*/nobody cannot be used: .*(No such file|connect)", *device("nbd+unix:///?socket=%s/nobody" % DIR))
refused("case 69: nor without one at its port", r"NBD server nbd://127.0.0.1:1 cannot be used: .*refused",
        *device("nbd://127.0.0.1:1"))
for uri, why in (("http://localhost/", "unknown NBD URI scheme: http"), ("nbds://localhost/", "nbds is not permitted"),
                 ("/tmp/x", "does not have a scheme"), ("nbd+unix:///x", "cannot parse socket"),
                 ("nbd+vsock://2/", r"nbd\+vsock is not permitted")):
    refused("an address that cannot be is refused: %s" % uri, "cannot be used: .*%s" % why, *device(uri))
with Server("memory", "1M", "exportname=disk", "exportname-strict=true", filters=["exportname"]) as some:
    refused("case 69: an export that the server does not have is refused", "cannot be used: .*no export named 'other'",
            *device("nbd+unix:///other?socket=" + some.sock))
with Server("-r", "memory", "1M") as some:
    refused("an export that may only be read is refused", "may only be read: use readonly=on", *device(some))

    @check("but for a disk that may only be read")
    def _():
        with Daemon(*device(some, ",readonly=on")), session() as s:
            assert s.offered >> 5 & 1 and not s.offered >> 13 & 1
            d = Disk(s)
            assert d.do(IN, 0, 4096) == OK and d.do(OUT, 0, 4096) == IOERR
with Server("memory", "1000") as some:
    refused("an export of half a block is refused", "has 1000 bytes: make it a multiple of 512", *device(some))
with Server("memory", "1M", "blocksize-minimum=8192", "blocksize-preferred=8192", "blocksize-maximum=1M",
            filters=["blocksize-policy"]) as some:
    refused("an export with blocks that no disk has is refused", "blocks of 8192 bytes.*filter=blocksize", *device(some))
with socket.socket(socket.AF_UNIX) as mute:
    mute.bind(DIR + "/mute")
    mute.listen(8)
    refused("case 69: a server that says nothing is refused", "cannot be used: it does not answer",
            *device("nbd+unix:///?socket=%s/mute" % DIR))

finish()
