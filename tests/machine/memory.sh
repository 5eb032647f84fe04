# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What a guest of the emulated SEV machine shares, seen from outside. Sourced by
# machine.sh.
#
# Theory
#   Three witnesses, none of which asks the guest:
#
#   opened	the guest's page tables: what it maps with the C-bit clear (opened.c)
#   flips	the emulator's log: pages that it did use through such a mapping
#   touched	the shared backing: pages that anybody used, devices and back-ends too
#
#   Firmware and kernel share something before our drivers are there, and so each witness
#   is heard twice, and what counts is what was not there before (memory_mark). The
#   audit, which is the driver's own list, must say the same as all three.
#   Sets of pages are files in WORK; pages.py knows their form.

pages() {
	"$TOP/tests/machine/pages.py" "$@"
}

# memory_cr3 - of a processor that runs the guest
memory_cr3() {
	local where

	where=$(machine_line_end qmp)
	machine_qmp '{"execute":"human-monitor-command","arguments":{"command-line":"info registers"}}'
	wait_for 120 machine_qmp_has "$where" 'CR3=[0-9a-f]* ' ||
		die "the emulator does not tell registers"
	machine_line_from qmp "$where" | grep -o 'CR3=[0-9a-f]*' | head -n 1 | sed 's/CR3=/0x/'
}

# memory_private - "ADDRESS BYTES" of the guest's private memory in the emulator
memory_private() {
	sed -n 's/^private //p;q' "$WORK/flips"
}

# memory_opened - what the guest's page tables open now. The guest is stopped meanwhile.
memory_opened() {
	local address bytes status=0

	read -r address bytes < <(memory_private)
	machine_qmp '{"execute":"stop"}'
	"$BUILD/guest/opened" "$M_PID" "$address" "$bytes" "$(memory_cr3)" || status=$?
	machine_qmp '{"execute":"cont"}'
	return "$status"
}

# memory_bytes FILE - how much that is
memory_bytes() {
	awk '{ sum += $2 } END { printf "%d\n", sum }' "$1"
}

# memory_mark - from here on only what is new counts
memory_mark() {
	memory_opened >"$WORK/opened.before"
	pages forget "$M_PID"
	stat -c %s "$WORK/flips" >"$WORK/flips.mark"
}

# memory_opened_since - what is new by the page tables alone: WORK/opened
memory_opened_since() {
	memory_opened >"$WORK/opened.now"
	pages minus "$WORK/opened.now" "$WORK/opened.before" >"$WORK/opened"
}

# memory_since - what is new, by each witness: WORK/opened, WORK/flipped, WORK/touched
memory_since() {
	memory_opened_since
	pages flips "$WORK/flips" "$(cat "$WORK/flips.mark")" >"$WORK/flipped"
	pages touched "$M_PID" >"$WORK/touched"
}

# memory_reboot FILE - a reboot closes each page of that list; in a test. The log ends with the machine, so no
# other kernel closes them
memory_reboot() {
	local mark

	mark=$(stat -c %s "$WORK/flips")
	guest '(sleep 1; reboot -f) &'
	machine_leave
	wait_for 300 gone "$M_PID" || fail "the guest does not reboot"
	awk '$1 == "close" { print $2, 4096 }' <(tail -c "+$((mark + 1))" "$WORK/flips") >"$WORK/closed"
	pages minus "$1" "$WORK/closed" >"$WORK/left"
	[ ! -s "$WORK/left" ] || fail "left open: $(cat "$WORK/left")"
}

# memory_audit - what the guest says that it shares, to WORK/audit: by airlockctl, which
# refuses a list that cannot be
memory_audit() {
	guest 'airlockctl audit --json' >"$WORK/audit.json" || {
		cat "$WORK/audit.json"
		return 1
	}
	memory_read_audit <"$WORK/audit.json"
}

# memory_read_audit - airlockctl's answer, from standard input, to WORK/audit
memory_read_audit() {
	python3 -c 'import json, sys
for region in json.load(sys.stdin)["regions"]:
    print(hex(region["address"]), region["bytes"])' >"$WORK/audit"
}

# memory_agrees - the audit and the witnesses say the same; in a test
memory_agrees() {
	local witness

	memory_audit
	memory_since
	for witness in opened flipped touched; do
		pages same "$WORK/audit" "$WORK/$witness" || fail "the audit and what is $witness differ"
	done
}

# memory_none - nothing is open that was not before, and nobody has used anything since it was
# closed: closing left a hole; in a test
memory_none() {
	memory_since
	[ ! -s "$WORK/opened" ] || fail "still open: $(cat "$WORK/opened")"
	[ ! -s "$WORK/flipped" ] || fail "used as shared since: $(cat "$WORK/flipped")"
	[ ! -s "$WORK/touched" ] || fail "used by somebody after it was closed: $(cat "$WORK/touched")"
}

# memory_address PCI PURPOSE - sets ADDRESS to where a region of a device is in the VMM's memory
# file, for pages stray; the window has a file of its own
memory_address() {
	ADDRESS=$(guest "awk -v pci='$1' -v purpose='$2' '\$1 == pci && \$2 == purpose { print \$3; exit }' \
		/sys/kernel/debug/airlock/regions" | tr -dc '0-9a-fx')
	[ -n "$ADDRESS" ] || fail "$1 has no region $2"
	[ "$M_KIND" != window ] || ADDRESS=$((ADDRESS - $(guest window_base | tr -dc '0-9a-fx')))
}
