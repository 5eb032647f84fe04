# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0
#
# QEMU's own devices that lie in their registers. Sourced after machine.sh and tap.sh; of a
# machine that was made after need_pci_lies.
#
# Theory
#   hostile-pci.patch gives each virtio device of the emulator a property x-lies, rules of what a
#   read of a register gives, and x-calls, which raises all its interrupts over and over. Both are
#   set while the machine runs. A rule is AREA:OFFSET:SIZE:OP:VALUE[:AFTER[:TIMES]]; the patch says
#   what that means.

# Offsets in the common configuration (virtio 1.2, 4.1.4.3).
readonly FEATURES=common:4:4 CONFIG_VECTOR=common:16:2 NUM_QUEUES=common:18:2 STATUS=common:20:1
readonly GENERATION=common:21:1 QUEUE_SIZE=common:24:2 QUEUE_VECTOR=common:26:2
readonly QUEUE_ENABLE=common:28:2 NOTIFY_OFF=common:30:2
readonly NEEDS_RESET=0x40 ALL_ONES=0xffffffffffffffff

# Microseconds from one interrupt of a device to its next, for calls. In less time a kernel that
# checks all its locks, on a slow machine, may not be done with those of all vectors of two
# devices, and does nothing else any more.
readonly OFTEN=20000

# need_pci_lies - have the emulator in QEMU, or end the tests here; before machine_new
need_pci_lies() {
	machine_built_qemu || tap_skip_all "$("$TOP/tests/machine/emulator.sh" 2>&1)"
}

# qmp COMMAND ARGUMENTS - prints the answer
qmp() {
	local where

	where=$(machine_line_end qmp)
	machine_qmp "{\"execute\":\"$1\",\"arguments\":{$2}}"
	wait_for 120 machine_qmp_has "$where" '^{"return"\|^{"error"' || fail "no answer to $1"
	machine_line_from qmp "$where" | grep '^{"return"\|^{"error"' | tail -n 1
}

# device_set DEVICE PROPERTY VALUE
device_set() {
	local said

	said=$(qmp qom-set "\"path\":\"/machine/peripheral/$1\",\"property\":\"$2\",\"value\":$3")
	[[ $said == *return* ]] || fail "$1.$2=$3: $said"
}

# tell DEVICE RULE... - from here on; without any rule, the truth
tell() {
	device_set "$1" x-lies "\"${*:2}\""
}

# told DEVICE - how often a register with a rule was read since
told() {
	qmp qom-get "\"path\":\"/machine/peripheral/$1\",\"property\":\"x-told\"" | tr -dc '0-9'
}

# calls DEVICE MICROSECONDS - from one interrupt of all its vectors to the next; 0: no more
calls() {
	device_set "$1" x-calls "$2"
}

# find_caps DEVICE - sets CAP, where its capabilities of each type are in its configuration space,
# and CHAIN, those in the order of the list
find_caps() {
	local config at

	read -ra config < <(guest "od -An -v -tu1 -w4096 /sys/bus/pci/devices/\$(cat /run/$1-pci)/config")
	CAP=() CHAIN=()
	for ((at = config[0x34]; at; at = config[at + 1])); do
		[ "${config[at]}" -eq 9 ] || continue
		CAP[config[at + 3]]=$at
		CHAIN+=("$at")
	done
	[ "${#CAP[@]}" -ge 4 ] || fail "$1 has ${#CAP[@]} capabilities"
}
