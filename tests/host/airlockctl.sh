#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	airlockctl.sh BUILD_DIR
#
# airlockctl audit shows a list of shared memory that can be, as text and as JSON, and
# refuses any other as a whole, with one line that says where it is wrong. airlockctl bind
# refuses what cannot be moved before it touches anything; that it moves devices is shown in a
# guest, by tests/guest/binding.sh.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"

CTL=$BUILD/asan/airlockctl
[ -x "$CTL" ] || die "$CTL is missing: make tests"
command -v python3 >/dev/null || die "python3 is missing: install it"
work_dir airlockctl
LIST=$WORK/list

# Lines of lists: two pieces of one device, one of the next, as the driver prints them.
RING='0000:00:03.0 ring.q0 0xfe000000 8192 window'
SLOTS='0000:00:03.0 q0.slots 0xfe002000 4096 window'
CARD='0000:00:04.0 ring.rx0 0xfe010000 4096 window'

# list LINE... - into LIST
list() {
	printf '%s\n' "$@" >"$LIST"
}

# run COMMAND WORD... - its status in STATUS, what it says in WORK/out and WORK/err
run() {
	STATUS=0
	timeout 60 "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || STATUS=$?
}

# one_line STATUS PATTERN - so it ended, printed nothing, and said one line that matches
one_line() {
	[ "$STATUS" -eq "$1" ] && [ ! -s "$WORK/out" ] && [ "$(wc -l <"$WORK/err")" -eq 1 ] &&
		grep -aEq "^airlockctl: $2" "$WORK/err"
}

# judge NAME COMMAND WORD... - is what was said right? One line of TAP
judge() {
	local name=$1 good=0

	shift
	"$@" || good=1
	result "$good" "$name"
	if [ "$good" -ne 0 ]; then
		printf '# status %d, wanted: %s\n' "$STATUS" "$*"
		head -n 20 "$WORK/out" | note -
		head -n 20 "$WORK/err" | note -
	fi
}

# misused NAME PATTERN ARGUMENT...
misused() {
	local name=$1 pattern=$2

	shift 2
	run "$CTL" "$@"
	judge "$name" one_line 2 "$pattern"
}

# failed NAME PATTERN ARGUMENT...
failed() {
	local name=$1 pattern=$2

	shift 2
	run "$CTL" "$@"
	judge "$name" one_line 1 "$pattern"
}

# wrong NAME LINE PATTERN [OPTION] - LIST is refused for what is on that line
wrong() {
	run "$CTL" audit --file "$LIST" "${@:4}"
	judge "$1" one_line 1 "$LIST: line $2: .*$3.*: do not rely on this list"
}

# quiet - it did what it was asked to and had nothing to say beside
quiet() {
	[ "$STATUS" -eq 0 ] && [ ! -s "$WORK/err" ]
}

# right NAME - LIST is shown
right() {
	run "$CTL" audit --file "$LIST"
	judge "$1" quiet
}

# shows NAME - of LIST it prints exactly what is on the standard input
shows() {
	cat >"$WORK/wanted"
	run "$CTL" audit --file "$LIST"
	judge "$1" shows_wanted
}

shows_wanted() {
	quiet && diff "$WORK/wanted" "$WORK/out" | note -
}

# json NAME EXPRESSION - of the JSON that LIST becomes, j, that is true in Python
json() {
	run "$CTL" audit --json --file "$LIST"
	judge "$1" json_holds "$2"
}

json_holds() {
	quiet && python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
sys.exit(not eval(sys.argv[2]))' "$WORK/out" "$1"
}

# ---- the command line ---------------------------------------------------------

misused "no command is refused" "no command: give one"
misused "an unknown command is refused" "command 'nonsense': not known: see --help" nonsense
misused "an option before the command is refused" "command '--json': not known" --json audit
misused "help with anything else is refused" "option '--help': .*alone" --help audit
misused "the version with anything else is refused" "option '--version': .*alone" --version extra
misused "an unknown option is refused" "option '--nonsense': .*--help" audit --nonsense
misused "an unknown letter is named, not what it is among" "option '-x': not known" audit -xyz
misused "an option without its value is refused" "option '--file': its value is missing" \
	audit --file
misused "an option with a value too much is refused" "option '--json=yes': it takes no value" \
	audit --json=yes
misused "an argument that is no option is refused" "argument 'word': .*--help" audit word
misused "an empty file name is refused" "--file '': empty" audit --file=
misused "two files are refused" "--file 'b': given twice" audit --file=a --file=b
misused "help of a command with anything else is refused" "option '--help': " audit --help --json

printed() {
	quiet && grep -Eq "$1" "$WORK/out"
}

run "$CTL" --help
judge "help is printed" printed '^Usage: airlockctl'
judge "help names the command" printed '^airlockctl audit \[--json\] \[--file FILE\]'
run "$CTL" audit --help
judge "help of a command is printed" printed '^airlockctl audit '
run "$CTL" --version
judge "the version is printed" printed '^airlockctl [0-9]'

# ---- what is shown ------------------------------------------------------------

list 'total - - 0 -'
shows "with nothing shared one line says so" <<-END
	nothing is shared with the host
END
json "with nothing shared JSON has empty lists" "j == {'regions': [], 'devices': [], 'total': 0}"

list "$RING" "$SLOTS" "$CARD" 'total - - 16384 -'
shows "regions are an aligned table, with sums" <<-END
	DEVICE        PURPOSE      ADDRESS  BYTES  PROVIDER
	0000:00:03.0  ring.q0   0xfe000000   8192  window
	0000:00:03.0  q0.slots  0xfe002000   4096  window
	0000:00:04.0  ring.rx0  0xfe010000   4096  window
	0000:00:03.0: 12288 bytes shared (window)
	0000:00:04.0: 4096 bytes shared (window)
	total: 16384 bytes in 3 regions
END

list '0000:00:03.0 ring.q0 0x0 4096 dma' 'total - - 4096 -'
shows "a single region is one region" <<-END
	DEVICE        PURPOSE  ADDRESS  BYTES  PROVIDER
	0000:00:03.0  ring.q0      0x0   4096  dma
	0000:00:03.0: 4096 bytes shared (dma)
	total: 4096 bytes in 1 region
END

list '0000:00:03.0 ring.q0 0x100000000 1048576 decrypt' '0000:00:03.0 spare 0x10000000 8192 decrypt' \
	'0000:00:03.0 leaked 0x20000 4096 dma' '0000:00:03.0 spare 0x40000 4096 decrypt' \
	'0000:00:04.0 spare 0x30000 4096 window' '0000:00:05.0 leaked 0x31000 4096 window' \
	'total - - 1073152 -'
shows "sums name what is spare and what leaked, and each provider" <<-END
	DEVICE        PURPOSE      ADDRESS    BYTES  PROVIDER
	0000:00:03.0  ring.q0  0x100000000  1048576  decrypt
	0000:00:03.0  spare     0x10000000     8192  decrypt
	0000:00:03.0  leaked       0x20000     4096  dma
	0000:00:03.0  spare        0x40000     4096  decrypt
	0000:00:04.0  spare        0x30000     4096  window
	0000:00:05.0  leaked       0x31000     4096  window
	0000:00:03.0: 1064960 bytes shared (decrypt, dma), of them 12288 spare, 4096 leaked
	0000:00:04.0: 4096 bytes shared (window), of them 4096 spare
	0000:00:05.0: 4096 bytes shared (window), of them 4096 leaked
	total: 1073152 bytes in 6 regions
END
json "JSON has each region, its numbers as numbers" "j['regions'] == [
	dict(zip(('device', 'purpose', 'address', 'bytes', 'provider'), r)) for r in (
		('0000:00:03.0', 'ring.q0', 0x100000000, 1048576, 'decrypt'),
		('0000:00:03.0', 'spare', 0x10000000, 8192, 'decrypt'),
		('0000:00:03.0', 'leaked', 0x20000, 4096, 'dma'),
		('0000:00:03.0', 'spare', 0x40000, 4096, 'decrypt'),
		('0000:00:04.0', 'spare', 0x30000, 4096, 'window'),
		('0000:00:05.0', 'leaked', 0x31000, 4096, 'window'))]"
json "JSON has the sums of each device" "j['devices'] == [
	{'device': '0000:00:03.0', 'bytes': 1064960, 'spare': 12288, 'leaked': 4096,
		'providers': ['decrypt', 'dma']},
	{'device': '0000:00:04.0', 'bytes': 4096, 'spare': 4096, 'leaked': 0,
		'providers': ['window']},
	{'device': '0000:00:05.0', 'bytes': 4096, 'spare': 0, 'leaked': 4096,
		'providers': ['window']}]"
json "JSON has the total and no more" \
	"j['total'] == 1073152 and set(j) == {'regions', 'devices', 'total'}"

list '0000:00:03.0 odd"\purpose 0x1000 4096 window' 'total - - 4096 -'
json "a purpose with signs that JSON escapes arrives whole" \
	"j['regions'][0]['purpose'] == 'odd\"\\\\purpose'"
list "0000:00:03.0 $(printf '%031d' 0) 0x1000 4096 window" 'total - - 4096 -'
right "a purpose of 31 characters is shown"
list '2000:00:03.0 a 0x1000 4096 window' '10000:00:03.0 b 0x2000 4096 window' 'total - - 8192 -'
right "devices are sorted by number, not by letter"
list '0000:00:03.0 a 0xffffffffff000 4096 window' 'total - - 4096 -'
json "the last page that has an address is shown" "j['regions'][0]['address'] == 2**52 - 4096"
list '0000:00:03.0 a 0x0 4503599627370496 window' 'total - - 4503599627370496 -'
json "a piece of all there can be is shown" "j['total'] == 2**52"

# ---- lines that cannot be -------------------------------------------------------

list "$RING" '0000:00:03.0 q0.slots 0xfe002000 4096' 'total - - 12288 -'
wrong "a line with a word missing is refused" 2 "DEVICE PURPOSE ADDRESS BYTES PROVIDER"
wrong "what is refused as text is refused as JSON" 2 "DEVICE PURPOSE ADDRESS BYTES" --json
list "$RING" "$SLOTS more" 'total - - 12288 -'
wrong "a line with a word too many is refused" 2 "not of the form"
list "${RING/ring.q0/}" 'total - - 8192 -'
wrong "an empty word is refused" 1 "not of the form"
list "${RING/ /  }" 'total - - 8192 -'
wrong "two blanks between words are refused" 1 "not of the form"
list " $RING" 'total - - 8192 -'
wrong "a blank before the first word is refused" 1 "not of the form"
list "$RING " 'total - - 8192 -'
wrong "a blank behind the last word is refused" 1 "not of the form"
list "$RING" '' 'total - - 8192 -'
wrong "an empty line is refused" 2 "not of the form"
list "${RING/ /$'\t'}" 'total - - 8192 -'
wrong "a tab is refused" 1 "byte 13 is not printable ASCII"
list "${RING/ring/$'\e[2K'}" 'total - - 8192 -'
wrong "a control character in a word is refused" 1 "byte 14 is not printable ASCII"
list "${RING/ring/$'\177'}" 'total - - 8192 -'
wrong "DEL in a word is refused" 1 "byte 14 is not printable ASCII"
list "${RING/ring/$'r\303\257ng'}" 'total - - 8192 -'
wrong "a letter that is not ASCII is refused" 1 "byte 15 is not printable ASCII"
printf '%s\0\ntotal - - 8192 -\n' "$RING" >"$LIST"
wrong "a zero byte is refused" 1 "byte 44 is not printable ASCII"
list "$RING"$'\r' 'total - - 8192 -'
wrong "a carriage return is refused" 1 "not printable ASCII"
list "$RING" "0000:00:03.0 $(printf '%0200d' 0) 0xfe002000 4096 window" 'total - - 12288 -'
wrong "a line that is too long is refused" 2 "longer than 127 characters"
list "0000:00:03.0 $(printf '%032d' 0) 0x1000 4096 window" 'total - - 4096 -'
wrong "a purpose of 32 characters is refused" 1 "longer than 31 characters"
for device in disk 0000:00:03 00:03.0 0000:00:20.0 0000:00:03.8 0000:00:03.01 0000:00:0A.0 \
	00001:00:03.0 0000:00:3.0 0000:00:03.-1 0x00:00:03.0 +000:00:03.0; do
	list "$device ring.q0 0x1000 4096 window" 'total - - 4096 -'
	wrong "device $device is refused" 1 "'${device/+/\\+}' is no PCI address"
done
for address in fe000000 4096 0xFE000000 0xfe00000g 0x0fe000000 0X1000 -0x1000 +0x1000 0x \
	0x1fffffffffffff000; do
	list "0000:00:03.0 ring.q0 $address 4096 window" 'total - - 4096 -'
	wrong "address $address is refused" 1 "'${address/+/\\+}' is no address"
done
for bytes in 0x1000 04096 -4096 +4096 4096k 4k many 18446744073709555712; do
	list "0000:00:03.0 ring.q0 0x1000 $bytes window" 'total - - 4096 -'
	wrong "size $bytes is refused" 1 "'${bytes/+/\\+}' is no number of bytes"
done
for provider in windows Window swiotlb -; do
	list "0000:00:03.0 ring.q0 0x1000 4096 $provider" 'total - - 4096 -'
	wrong "provider $provider is refused" 1 "provider '$provider' is not known"
done
list "$RING" '0000:00:03.0 q0.slots 0xfe002800 4096 window' 'total - - 12288 -'
wrong "an address within a page is refused" 2 "address 0xfe002800 is not a multiple of 4096"
list "$RING" '0000:00:03.0 q0.slots 0xfe002000 2048 window' 'total - - 10240 -'
wrong "a part of a page is refused" 2 "size 2048 is not a multiple of 4096"
list "$RING" '0000:00:03.0 q0.slots 0xfe002000 0 window' 'total - - 8192 -'
wrong "a piece of no bytes is refused" 2 "no bytes"
list '0000:00:03.0 ring.q0 0xfffffffffffff000 8192 window' 'total - - 8192 -'
wrong "a piece that reaches beyond 64 bits is refused" 1 "8192 bytes at 0xfffffffffffff000 reach"
list '0000:00:03.0 ring.q0 0x1000 18446744073709547520 window' 'total - - 18446744073709547520 -'
wrong "a size that reaches beyond 64 bits is refused" 1 "18446744073709547520 bytes at .* reach"
list '0000:00:03.0 ring.q0 0xffffffffff000 8192 window' 'total - - 8192 -'
wrong "a piece that reaches beyond every address is refused" 1 "reach further than an address can"
list '0000:00:03.0 ring.q0 0x10000000000000 4096 window' 'total - - 4096 -'
wrong "a piece that lies beyond every address is refused" 1 "reach further than an address can"

# ---- lists that cannot be -------------------------------------------------------

list "$RING" "$RING" 'total - - 16384 -'
wrong "a line that is there twice is refused" 2 "page 0xfe000000 is in line 1 too"
list "$RING" '0000:00:03.0 q0.slots 0xfe001000 8192 window' 'total - - 16384 -'
wrong "two pieces of a device that share a page are refused" 2 "page 0xfe001000 is in line 1 too"
list "$RING" "$SLOTS" '0000:00:04.0 ring.rx0 0xfe001000 4096 window' 'total - - 16384 -'
wrong "two devices that share a page are refused" 3 "page 0xfe001000 is in line 1 too"
list "$RING" "$SLOTS" '0000:00:04.0 ring.rx0 0xfd000000 33554432 window' 'total - - 33566720 -'
wrong "a piece within a later one is refused" 3 "page 0xfe000000 is in line 1 too"
list '0000:00:03.0 a 0x1000 4096 dma' '0000:00:03.0 b 0x3000 4096 dma' \
	'0000:00:03.0 leaked 0x1000 4096 dma' 'total - - 12288 -'
wrong "a page that the DMA layer gave twice is refused" 3 "page 0x1000 is in line 1 too"
list '0000:00:03.0 leaked 0x1000 4096 decrypt' '0000:00:04.0 b 0x1000 4096 window' 'total - - 8192 -'
wrong "a page of two providers is refused" 2 "page 0x1000 is in line 1 too"
list "$CARD" "$RING" 'total - - 12288 -'
wrong "devices out of order are refused" 2 "0000:00:03.0 after 0000:00:04.0: not sorted"
list '10000:00:03.0 a 0x1000 4096 window' '2000:00:03.0 b 0x2000 4096 window' 'total - - 8192 -'
wrong "devices in the order of letters are refused" 2 "not sorted"
: >"$LIST"
wrong "an empty file is refused" 1 "the total is missing"
list "$RING" "$SLOTS"
wrong "a list without a total is refused" 3 "the total is missing"
printf '%s\n%s' "$RING" 'total - - 8192 -' >"$LIST"
wrong "a list that ends within a line is refused" 2 "the file ends within it"
list "$RING" 'total - - 8192 -' "$SLOTS"
wrong "a piece behind the total is refused" 3 "something behind the total"
list "$RING" 'total - - 8192 -' 'total - - 8192 -'
wrong "a second total is refused" 3 "something behind the total"
list "$RING" 'total - - 8192 -' ''
wrong "an empty line behind the total is refused" 3 "something behind the total"
list "$RING" "$SLOTS" 'total - - 8192 -'
wrong "a total that is too small is refused" 3 "total is 8192 bytes, but the pieces sum up to 12288"
list "$RING" 'total - - 12288 -'
wrong "a total that is too large is refused" 2 "total is 12288 bytes, but the pieces sum up to 8192"
list 'total - - 4096 -'
wrong "a total of nothing is refused" 1 "total is 4096 bytes, but the pieces sum up to 0"
for total in 'total - - 08192 -' 'total - - many -' 'total 0 - 8192 -' 'total - 0x0 8192 -' \
	'total - - 8192 window'; do
	list "$RING" "$total"
	wrong "the end '$total' is refused" 2 "not of the form 'total - - BYTES -'"
done

# large COUNT - a list of so many pieces
large() {
	awk -v n="$1" 'BEGIN {
		for (i = 1; i <= n; i++)
			printf "0000:00:03.0 p 0x%x000 4096 dma\n", i
		printf "total - - %d -\n", 4096 * n
	}' >"$LIST"
}

large $((1 << 18))
right "a list of as many pieces as there may be is shown"
large $(((1 << 18) + 1))
wrong "a list of more pieces is refused" 262145 "more than 262144 pieces"

# ---- files that cannot be ---------------------------------------------------------

failed "a file that is not there is refused" "$WORK/none: No such file.*: name a file" \
	audit --file "$WORK/none"
failed "a directory is refused" "$WORK: cannot read it: Is a directory" audit --file "$WORK"
failed "a file name cannot forge a line" "$WORK/a\?airlockctl: all is well: No such file" \
	audit --file "$WORK/a"$'\n'"airlockctl: all is well"

list "$RING" 'total - - 8192 -'
for form in '' --json; do
	STATUS=0
	# Unquoted: no argument at all for text.
	# shellcheck disable=SC2086
	"$CTL" audit $form --file "$LIST" >/dev/full 2>"$WORK/err" || STATUS=$?
	: >"$WORK/out"
	judge "an answer that cannot be written is an error${form:+, with $form}" one_line 1 \
		"cannot write the answer: No space left"
done

# The driver's own list, where it is not: in a mount namespace, whose debugfs is arranged.
DEBUGFS=/sys/kernel/debug

# without_list NAME PATTERN COMMAND WORD... - the script runs, then airlockctl audit
without_list() {
	local name=$1 pattern=$2

	shift 2
	run unshare -m "$@"
	judge "$name" one_line 1 "$DEBUGFS/airlock/regions: $pattern"
}

# Of use to a user who may not enter BUILD.
install -m 755 "$CTL" "$WORK/airlockctl"
chmod 755 "$WORK"
if ! unshare -m true 2>/dev/null; then
	skip "where the driver has no list, it is said why" "this machine allows no mount namespace"
elif [ -d "$DEBUGFS/airlock" ]; then
	skip "where the driver has no list, it is said why" "airlock.ko is loaded here"
else
	without_list "without debugfs it is said how to mount it" "No such file.*mount -t debugfs" \
		sh -c 'mount -t tmpfs tmpfs "$1" && exec "$2" audit' sh "$DEBUGFS" "$CTL"
	if unshare -m mount -t debugfs debugfs "$DEBUGFS" 2>/dev/null; then
		without_list "without the module it is said that it is not loaded" \
			"No such file.*airlock.ko is not loaded" \
			sh -c 'mount -t debugfs debugfs "$1" && exec "$2" audit' sh "$DEBUGFS" "$CTL"
	else
		skip "without the module it is said that it is not loaded" "this kernel has no debugfs"
	fi
	without_list "who is not root is told to be" "Permission denied.*run this as root" \
		sh -c 'mount -t tmpfs -o mode=700 tmpfs "$1" && exec setpriv --reuid=65534 \
			--clear-groups "$2" audit' sh "$DEBUGFS" "$WORK/airlockctl"
fi

# ---- bind and unbind ----------------------------------------------------------------

# function_there ADDRESS VENDOR DEVICE - a PCI function in a sysfs of the test's own
function_there() {
	local dir=$WORK/sys/bus/pci/devices/$1

	mkdir -p "$dir"
	printf '%s\n' "$2" >"$dir/vendor"
	printf '%s\n' "$3" >"$dir/device"
	printf '(null)\n' >"$dir/driver_override"
}

# untouched - nobody was told to leave its driver, or to have another
untouched() {
	! grep -rvq '(null)' "$WORK"/sys/bus/pci/devices/*/driver_override &&
		[ ! -s "$WORK/sys/bus/pci/drivers_probe" ] && [ ! -s "$WORK/sys/bus/pci/drivers/virtio-pci/unbind" ]
}

# not_moved NAME STATUS PATTERN ARGUMENT... - and nothing was done
not_moved() {
	local name=$1 status=$2 pattern=$3

	shift 3
	run "$CTL" "$@" --sysfs "$WORK/sys"
	judge "$name" not_moved_only "$status" "$pattern"
}

not_moved_only() {
	one_line "$@" && untouched
}

# became ADDRESS DRIVER - that is what its driver_override was set to
became() {
	quiet && grep -qx "$2" "$WORK/sys/bus/pci/devices/$1/driver_override"
}

function_there 0000:00:03.0 0x1af4 0x1041
function_there 0000:00:04.0 0x1af4 0x1005
function_there 0000:00:05.0 0x8086 0x1041
mkdir -p "$WORK"/sys/bus/pci/drivers/virtio-pci
touch "$WORK"/sys/bus/pci/{drivers_probe,drivers/virtio-pci/{bind,unbind}}
ln -s ../../drivers/virtio-pci "$WORK/sys/bus/pci/devices/0000:00:03.0/driver"

not_moved "bind without a device is refused" 2 "no device: give PCI addresses" bind
not_moved "what is no PCI address is refused" 2 "argument '../eth0': no PCI address" bind ../eth0
not_moved "an address that is not written as the kernel does is refused" 2 "argument '00:03.0': " \
	bind 00:03.0
not_moved "a device that is not there is refused" 1 "0000:00:06.0: no such device" bind 0000:00:06.0
not_moved "another virtio device is refused" 1 "0000:00:04.0: no virtio disk or network card" \
	bind 0000:00:04.0
not_moved "another vendor's device is refused" 1 "0000:00:05.0: no virtio disk or network card" \
	bind 0000:00:05.0
not_moved "nothing is moved when one of several cannot be" 1 "0000:00:04.0: " \
	unbind 0000:00:03.0 0000:00:04.0
not_moved "a half of airlock that is not loaded is named" 1 \
	"0000:00:03.0: airlock_net is not loaded: modprobe airlock_net" bind 0000:00:03.0
mkdir -p "$WORK/sys/bus/auxiliary/drivers/airlock_net.net"
not_moved "airlock, when it is not loaded, is named" 1 "airlock is not loaded: modprobe" \
	bind 0000:00:03.0
not_moved "so is another's" 1 "driver 'vfio-pci' is not there: " \
	unbind --to vfio-pci 0000:00:03.0
not_moved "a path in the place of a driver is refused" 2 "--to '../x': no name of a driver" \
	unbind --to ../x 0000:00:03.0
not_moved "an empty driver is refused" 2 "--to '': no name of a driver" unbind --to= 0000:00:03.0
run "$CTL" bind --to vfio-pci 0000:00:03.0
judge "bind takes no driver" one_line 2 "option '--to': not known"
run "$CTL" bind --sysfs= 0000:00:03.0
judge "an empty directory is refused" one_line 2 "--sysfs '': no directory's name"

# This sysfs does nothing when it is written to: who has the device has it already.
run "$CTL" unbind --sysfs "$WORK/sys" 0000:00:03.0
judge "who has a device already is made its only driver" became 0000:00:03.0 virtio-pci
finish
