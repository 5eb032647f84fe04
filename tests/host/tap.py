# SPDX-License-Identifier: GPL-2.0
"""tap.py SOCKET TAP LOG: a card on a tap that is down, comes up, and goes down again."""

import os
import socket
import subprocess
import sys

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

PATH, TAP, LOG = sys.argv[1:4]
HDR = 12
SENT = 0x300000
ETH_P_ALL = 3


def link(state):
    subprocess.run(["ip", "link", "set", TAP, state], check=True)


def said():
    """How often airlockd said that frames are lost."""
    with open(LOG, encoding="utf-8") as f:
        return f.read().count("tap %s is down, frames are dropped: ip link set %s up" % (TAP, TAP))


def send(q, data):
    q.mem.write(SENT, bytes(HDR) + data)
    q.publish(q.chain((SENT, HDR + len(data), False)))
    assert q.wait() == (0, 0)


with Session(PATH, VERSION_1 | PROTOCOL, protocol=REPLY_ACK | RARP | NET_MTU) as S:
    T = S.queue(1)

    @check("frames lost to a tap that is down are said, once")
    def _():
        for _ in range(5):
            send(T, os.urandom(60))
        assert said() == 1

    @check("when the tap comes up frames flow")
    def _():
        link("up")
        sniff = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sniff.bind((TAP, ETH_P_ALL))
        sniff.settimeout(DEADLINE)
        data = b"\xff" * 6 + b"\x02airlo" + b"\x88\xb5" + os.urandom(46)
        send(T, data)
        while sniff.recv(2048) != data:
            pass
        sniff.close()
        assert said() == 1

    @check("an announcement is a RARP request of the guest's")
    def _():
        sniff = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sniff.bind((TAP, ETH_P_ALL))
        sniff.settimeout(DEADLINE)
        mac = b"\x02airlo"
        S.fe.send(SEND_RARP, mac + bytes(2))
        want = b"\xff" * 6 + mac + bytes.fromhex("80350001080006040003")
        want += mac + bytes(4) + mac + bytes(4)
        while not sniff.recv(2048).startswith(want):
            pass
        sniff.close()

    @check("an MTU that cannot be is refused")
    def _():
        for mtu in (0, 67, 65536):
            assert S.fe.acked(NET_SET_MTU, mtu.to_bytes(8, sys.byteorder)) == 1

    @check("frames that are longer than the MTU allows are dropped")
    def _():
        assert S.fe.acked(NET_SET_MTU, (1000).to_bytes(8, sys.byteorder)) == 0
        r = S.queue(0)
        for i in range(32):
            r.chain((0x200000 + 2048 * i, 2048, True), first=i)
        r.publish(*range(32))
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        out.bind((TAP, 0))
        head = b"\x02airlo" + b"\x02other" + b"\x88\xb5"
        for size in (1019, 1018):
            out.send(head + bytes([size & 0xff]) * (size - 14))
        while True:
            ident, length = r.wait()
            got = r.mem.read(0x200000 + 2048 * ident + HDR, length - HDR)
            assert not got.startswith(head) or len(got) == 1018
            if got.startswith(head):
                break
        out.close()

    @check("when it goes down again that is said again")
    def _():
        link("down")
        send(T, os.urandom(60))
        assert said() == 2

finish()
