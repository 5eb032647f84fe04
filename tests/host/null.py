# SPDX-License-Identifier: GPL-2.0
"""null.py SOCKET: a disk that stands on nothing."""

import sys

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

PATH = sys.argv[1]
HDR, STATUS, DATA = 0x100000, 0x101000, 0x200000
FEATURES = VERSION_1 | PROTOCOL | (1 << 9) | (1 << 13)


def request(q, kind, sector, size, write):
    q.mem.write(HDR, struct.pack("<IIQ", kind, 0, sector))
    q.mem.write(STATUS, b"\xff")
    segs = [(HDR, 16, False)] + ([(DATA, size, write)] if size else []) + [(STATUS, 1, True)]
    q.publish(q.chain(*segs))
    length = q.wait()[1]
    return q.mem.read(STATUS, 1)[0], length


@check("it has the size that was asked for, reads as zeroes, and forgets")
def _():
    with Session(PATH, FEATURES) as s:
        got = s.fe.ask(GET_CONFIG, struct.pack("=III", 0, 8, 0) + bytes(8))
        assert struct.unpack("<Q", got[12:])[0] == (1 << 40) // 512
        q = s.queue()
        s.mem.write(DATA, b"\xaa" * 8192)
        assert request(q, 1, 0, 4096, False) == (0, 1)
        assert request(q, 4, 0, 0, False) == (0, 1)
        assert request(q, 0, 0, 4096, True) == (0, 4097)
        assert s.mem.read(DATA, 8192) == bytes(4096) + b"\xaa" * 4096
        s.mem.write(DATA, struct.pack("<QII", 0, 8, 0))
        assert request(q, 11, 0, 16, False) == (0, 1)


@check("it ends where it ends")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        assert request(q, 0, (1 << 40) // 512 - 8, 4096, True) == (0, 4097)
        assert request(q, 0, (1 << 40) // 512 - 7, 4096, True)[0] == 1


finish()
