#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""airlock in guests, beside mainline's drivers with and without bounce buffers.

        run.py [--quick] [--only rates|large|instructions] [--json FILE]    (environment: BUILD)

bench/README.md says what is measured and how; machine.sh which machines there are. All of
them boot at the beginning and stay: one that has nothing to do costs nothing. In each round
every load runs on one machine after the other, so that those runs are neighbours whose
ratio is taken.

What fails is said, and the rest goes on; the exit status is then 1.
"""

import argparse
import collections
import os
import sys
import tempfile
import time

import machines
import report
import trace

LIMIT = "plain"
# What our machines are held against: the limit, and mainline's drivers where they bounce.
PEERS = {"window": (LIMIT, "bounce"), "sev": (LIMIT, "sev-mainline")}
NAMES = ("window", "plain", "bounce", "sev", "sev-mainline")

HOST = "192.0.2.1"
SERVER = HOST + " 7000"
# Nobody's address: what goes there is dropped by whoever gets it.
NOBODY = HOST + " 52:54:00:a1:0c:fe"
# What a datagram carries in a frame of 64 bytes; how many a second the server sends.
DATAGRAM, OFFERED = 18, 150000
MIB = 1 << 20
SHARED_MOST = 4 * MIB
# "No more" doorbells and interrupts: they are not read at the same instant as the operations.
NO_MORE = 1.02

# Of a trace: what the targets are about, driver, ring and DMA code.
SUM = "sum"
TIMED, COUNTED = ("rate", "cpu", "interrupts"), ("doorbells",)

BOOT_SECONDS, TRACE_BOOT_SECONDS = 300, 1200
LOAD_SECONDS = 90

# counter: of meter.c, and how much of it makes one of "unit"; fast: has to beat the limit
Load = collections.namedtuple("Load", "name command counter each unit fast")


def disk(name, rw, size, depth, fast=False):
    """A load of the disk."""
    counter = "read" if "read" in rw else "written"
    return Load(name, f"disk_load {rw} {size} {depth}", counter, size, "IO", fast)


def streams(name, what, number, *measured):
    """A load of the card: connections, each with a process of its own."""
    return Load(f"{name}, {number} stream{'s' if number > 1 else ''}",
                f"net_load {what} {SERVER} {number}", *measured, False)


LOADS = (
    disk("4 KiB random read, depth 1", "randread", 4096, 1, True),
    disk("4 KiB random read, depth 32", "randread", 4096, 32, True),
    disk("4 KiB random write, depth 1", "randwrite", 4096, 1, True),
    disk("4 KiB random write, depth 32", "randwrite", 4096, 32, True),
    disk("128 KiB sequential read, depth 8", "read", 128 << 10, 8),
    disk("128 KiB sequential write, depth 8", "write", 128 << 10, 8),
    disk("1 MiB sequential read, depth 4", "read", MIB, 4),
    disk("1 MiB sequential write, depth 4", "write", MIB, 4),
    streams("TCP from the guest", "send", 1, "tx_bytes", 1e6, "MB"),
    streams("TCP from the guest", "send", 4, "tx_bytes", 1e6, "MB"),
    streams("TCP to the guest", "receive", 1, "rx_bytes", 1e6, "MB"),
    streams("TCP to the guest", "receive", 4, "rx_bytes", 1e6, "MB"),
    streams("TCP request and response", "ask", 1, "rx", 1, "turn"),
    streams("TCP request and response", "ask", 4, "rx", 1, "turn"),
    Load("64 B packets from the guest", f"net_load udp-send {SERVER} {DATAGRAM}",
         "tx", 1, "pkt", True),
    Load("64 B packets to the guest", f"net_load udp-receive {SERVER} {DATAGRAM} {OFFERED}",
         "rx", 1, "pkt", True),
)

# once: the kernel's function that each operation enters once, whatever the driver; long: how
# long a trace. A frame of 64 KiB takes some ten times as much as a packet, and sender and receiver
# take turns: both must have theirs. Of packets sent there are to be several times as many
# as fit into a ring, or how many of them were completed is chance.
Count = collections.namedtuple("Count", "name command counter once long")
COUNTS = (
    Count("4 KiB read", "disk_load randread 4096 1", "read", "blk_mq_start_request", 1),
    Count("64 B packet sent", f"frames_load {NOBODY}", "tx", "__netdev_alloc_skb", 5),
    Count("64 B packet received", f"net_load udp-receive {SERVER} {DATAGRAM} {OFFERED}", "rx",
          "napi_gro_receive", 1),
    Count("full GSO frame sent", f"net_load send {SERVER} 1", "tx_bytes",
          "dev_hard_start_xmit", 3),
    Count("full GSO frame received", f"net_load receive {SERVER} 1", "rx_bytes",
          "napi_gro_receive", 3),
)


class Bench:
    """The machines, and what was measured on them."""

    def __init__(self, quick, rep, log_dir):
        self.quick, self.report, self.log_dir = quick, rep, log_dir
        self.initramfs = os.path.join(log_dir, "initramfs")
        self.machines = {}
        # figures[load][what][machine]: by round
        self.figures = collections.defaultdict(lambda: collections.defaultdict(dict))

    def boot(self, names, seconds, *options):
        """All machines, at the same time."""
        started = time.monotonic()
        print(f"booting {', '.join(names)}", file=sys.stderr)
        if not os.path.exists(self.initramfs):
            machines.make_initramfs(self.initramfs)
        booting = [machines.Machine(name, self.log_dir, self.initramfs, *options)
                   for name in names]
        self.machines = {}
        for machine in booting:
            try:
                machine.ready(seconds)
                self.machines[machine.name] = machine
            except machines.Failed as why:
                self.report.failed(f"machine {machine.name}", why)
                machine.end()
        print(f"booted in {time.monotonic() - started:.0f} seconds", file=sys.stderr)

    def end(self):
        """No more of these machines."""
        for machine in self.machines.values():
            machine.end()
        self.machines = {}

    def failed(self, what, machine, why):
        """Say so, once; a machine that is dead is asked no more."""
        if machine.name not in self.machines:
            return
        self.report.failed(f"{what} on {machine.name}", why)
        if machine.dead:
            self.machines.pop(machine.name).end()

    def ask(self, what, machine, *question):
        """What the guest answers; None when it does not."""
        if machine.name not in self.machines:
            return None
        try:
            return machine.guest(*question)
        except machines.Failed as why:
            self.failed(what, machine, why)
            return None

    # ---- rates -----------------------------------------------------------------

    def measure(self, number, load, machine, seconds, keep):
        """One load on one machine; keep says which figures are of use."""
        said = self.ask(load.name, machine,
                        f"measure {seconds} {load.counter} {load.command}", LOAD_SECONDS)
        if said is None:
            return
        value = machines.values(said)
        done = value[load.counter] / load.each
        if not done:
            self.failed(load.name, machine, "nothing was done")
            return
        figure = {"rate": done / value["seconds"], "cpu": value["busy"] / done * 1e6,
                  "interrupts": value["interrupts"] / done, "doorbells": value["doorbells"] / done}
        for what in keep:
            self.figures[load.name][what].setdefault(machine.name, {})[number] = figure[what]

    def rates(self):
        """Rounds that measure how fast it is, then one that counts doorbells."""
        rounds, seconds = (1, 0.5) if self.quick else (5, 2)
        self.boot(NAMES, BOOT_SECONDS)
        for number in range(rounds + 1):
            counting = number == rounds
            started = time.monotonic()
            for machine in list(self.machines.values()):
                self.ask("counting", machine, f"count_doorbells {'yes' if counting else 'no'}")
            for load in LOADS:
                # Who is the first changes, in case that matters.
                order = list(self.machines.values())
                first = number % max(len(order), 1)
                for machine in order[first:] + order[:first]:
                    if counting:
                        self.measure(number, load, machine, min(seconds, 1), COUNTED)
                    else:
                        self.measure(number, load, machine, seconds, TIMED)
            print(f"round {number + 1} of {rounds + 1}: {time.monotonic() - started:.0f} seconds",
                  file=sys.stderr)
        self.say_rates()
        self.say_shared(1)
        self.end()

    def large(self):
        """What is shared must not grow with the guest."""
        self.boot([name for name in NAMES if name != LIMIT], BOOT_SECONDS, "large")
        self.say_shared(6)
        self.end()

    def rows(self, load, what, unit, wants, less=True, strict=False):
        """What was measured on our machines, beside their peers.

        wants has the ratios to reach: to the limit, which may have to be beaten (strict), and to
        mainline with bounce buffers.
        """
        by_machine = self.figures[load][what]
        for ours, peers in PEERS.items():
            case = ", ".join((load, ours) if what in ("rate", SUM) else (load, what, ours))
            for peer, want in zip(peers, wants):
                mine, theirs = by_machine.get(ours, {}), by_machine.get(peer, {})
                rounds = sorted(mine.keys() & theirs.keys())
                if rounds:
                    self.report.add(report.Row(
                        case, unit, [mine[i] for i in rounds], [theirs[i] for i in rounds], peer,
                        want, less, strict and peer == LIMIT))

    def say_rates(self):
        """How fast, and what it costs."""
        self.report.head("throughput: more is better")
        for load in LOADS:
            self.rows(load.name, "rate", load.unit + "/s", (1.0 if load.fast else 0.97, 1.0),
                      less=False, strict=load.fast)
        self.report.head("costs: less is better")
        for load in LOADS:
            self.rows(load.name, "cpu", "us/" + load.unit, (None, None))
            self.rows(load.name, "doorbells", "/" + load.unit, (NO_MORE, None))
            self.rows(load.name, "interrupts", "/" + load.unit, (NO_MORE, None))

    def say_shared(self, gib):
        """What the host sees: beside the most that it may be, and beside mainline."""
        shared = {name: machines.values(self.ask("shared", machine, "shared") or "")
                  for name, machine in list(self.machines.items())}
        self.report.head(f"bytes of a guest of {gib} GiB shared with the host: less is better")
        for ours, (_, bouncing) in PEERS.items():
            for device, count in sorted(shared.get(ours, {}).items()):
                self.report.add(report.Row(f"shared by a {device}, {gib} GiB, {ours}", "bytes", [count],
                                           [SHARED_MOST], "4 MiB", 1.0, True))
            total = sum(shared.get(ours, {}).values())
            swiotlb = shared.get(bouncing, {}).get("swiotlb")
            if total and swiotlb:
                self.report.add(report.Row(f"shared by both, {gib} GiB, {ours}", "bytes", [total],
                                           [swiotlb], bouncing, None, True))

    # ---- instructions ----------------------------------------------------------

    def trace(self, number, count, machine, symbols, profiles):
        """What one operation takes on one machine."""
        path = os.path.join(self.log_dir, "trace")
        size = (40 if self.quick else 80) * MIB * count.long
        if self.ask(count.name, machine,
                    f"start {count.command}; "
                    f"meter 1 {count.counter} $DISK $NIC || {{ stop; exit 1; }}", 300) is None:
            return
        try:
            machine.ask(f"trace {path} {size}", 150)
            profile = trace.Profile(path, symbols, count.once)
        except machines.Failed as why:
            self.failed(count.name, machine, why)
            return
        finally:
            self.ask(count.name, machine, "stop", 300)
            if os.path.exists(path):
                os.unlink(path)
        if not profile.operations:
            self.failed(count.name, machine, f"nobody entered {count.once}")
            return
        kinds = profile.kinds()
        for what, value in ((SUM, kinds["driver"] + kinds["dma"]), *kinds.items()):
            self.figures[count.name][what].setdefault(machine.name, {})[number] = value
        if number == 0:
            print(f"\n{count.name}, {machine.name}: {profile.text(12)}", file=profiles, flush=True)

    def instructions(self, profile_path):
        """What an operation takes in driver, ring and DMA, and what else."""
        rounds = 1 if self.quick else 3
        # Of the emulated SEV machines the code is the same, and the firmware slow.
        names = [name for name in NAMES if not self.quick or not name.startswith("sev")]
        self.boot(names, TRACE_BOOT_SECONDS, "count")
        tables = {}
        for name, machine in list(self.machines.items()):
            path = os.path.join(self.log_dir, name + ".symbols")
            try:
                machine.ask(f"symbols {path}", 300)
                tables[machine] = trace.Symbols(path)
            except machines.Failed as why:
                self.failed("symbols", machine, why)
        with open(profile_path, "w") as profiles:
            for number in range(rounds):
                for count in COUNTS:
                    for machine, table in tables.items():
                        self.trace(number, count, machine, table, profiles)
        self.report.head("instructions in driver, ring and DMA code: less is better")
        for count in COUNTS:
            self.rows(count.name, SUM, "insn", (0.9, 0.5))
        self.report.head("other instructions of the guest's kernel")
        for count in COUNTS:
            for what in ("copy", "kernel"):
                self.rows(count.name, what, "insn", (None, None))
        print(f"\nthe functions that take most: {profile_path}")
        self.end()


def main():
    """What the command line says."""
    build = os.environ["BUILD"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round, of short runs")
    parser.add_argument("--only", choices=("rates", "large", "instructions"))
    parser.add_argument("--json", default=os.path.join(build, "bench", "guest.jsonl"))
    options = parser.parse_args()
    rep = report.Report(options.json)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="airlock-bench.") as log_dir:
        bench = Bench(options.quick, rep, log_dir)
        try:
            if options.only in (None, "rates"):
                bench.rates()
            if options.only in (None, "large"):
                bench.large()
            if options.only in (None, "instructions"):
                bench.instructions(os.path.splitext(options.json)[0] + ".profile")
        finally:
            bench.end()
    status = rep.end()
    print(f"{time.monotonic() - started:.0f} seconds")
    return status


if __name__ == "__main__":
    sys.exit(main())
