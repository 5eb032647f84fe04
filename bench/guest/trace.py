# SPDX-License-Identifier: GPL-2.0
"""Where the guest's kernel spends its instructions.

A trace (machine.sh) has a line for each instruction of the kernel that was executed, with its
address. Here each is put down to the function that it is in, and the functions to

        driver  all of the drivers' modules, rings included, and the register accesses they call
        dma     what makes memory known to a device: mapping, bouncing, lists of pages for it
        copy    moving and clearing bytes, whoever asked for it
        kernel  all else

What one operation takes is that over how often the function was entered that each operation
enters once. A string instruction counts once for each of its steps.
"""

import bisect
import collections
import re

MODULES = re.compile(r"airlock|virtio")
DRIVER = re.compile(r"(io(read|write)(8|16|32)|vring_|virtio_|virtqueue_)")
DMA = re.compile(r"(dma_|swiotlb_|is_swiotlb|iommu_|sg_|__sg_|sgl_|__blk_rq_map_sg$|"
                 r"(__)?skb_to_sgvec|debug_dma)")
COPY = re.compile(r"_*(memcpy|memmove|memset|copy_user|clear_page|copy_page|clear_user|rep_movs|"
                  r"skb_copy_bits$)")
KINDS = ("driver", "dma", "copy", "kernel")


def kind(name, module):
    """What a function is put down to."""
    if MODULES.match(module):
        return "driver"
    for pattern, what in ((COPY, "copy"), (DRIVER, "driver"), (DMA, "dma")):
        if pattern.match(name):
            return what
    return "kernel"


class Symbols:
    """The functions of one guest's kernel."""

    def __init__(self, path):
        functions = {}
        for line in open(path, errors="replace"):
            words = line.split()
            if len(words) >= 3:
                functions[int(words[0], 16)] = (words[2], words[3][1:-1] if len(words) > 3 else "")
        self.starts = sorted(functions)
        self.names = [functions[start] for start in self.starts]

    def at(self, address):
        """(name, module, start) of the function there."""
        i = bisect.bisect_right(self.starts, address) - 1
        return (*self.names[i], self.starts[i]) if i >= 0 else ("?", "", 0)


class Profile:
    """What one operation takes, by function."""

    def __init__(self, path, symbols, once):
        addresses = collections.Counter()
        with open(path, errors="replace") as lines:
            for line in lines:
                fields = line.split("/", 2)
                if len(fields) == 3 and len(fields[1]) == 16:
                    addresses[fields[1]] += 1
        self.functions = collections.Counter()
        self.operations = 0
        for text, count in addresses.items():
            address = int(text, 16)
            name, module, start = symbols.at(address)
            self.functions[name, module] += count
            if address == start and name == once:
                self.operations += count

    def kinds(self):
        """Instructions of an operation, by kind."""
        sums = dict.fromkeys(KINDS, 0.0)
        for (name, module), count in self.functions.items():
            sums[kind(name, module)] += count / self.operations
        return sums

    def text(self, functions):
        """The functions that take most, driver and dma first, for people."""
        sums = self.kinds()
        lines = [", ".join(f"{what} {sums[what]:.0f}" for what in KINDS)
                 + f"; of {self.operations} operations"]
        for what in KINDS:
            of_kind = [(count, *function) for function, count in self.functions.items()
                       if kind(*function) == what]
            for count, name, module in sorted(of_kind, reverse=True)[:functions]:
                lines.append(f"  {what:<7} {count / self.operations:9.1f}  "
                             f"{name}{f' [{module}]' if module else ''}")
        return "\n".join(lines)
