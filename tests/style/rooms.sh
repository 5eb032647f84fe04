#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The rules of the house that a search can check: which room includes which, who
# may touch shared memory, what must not be written at all.
set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$TOP/tests/lib/tap.sh"
work_dir rooms
cd "$TOP"

mapfile -t CODE < <(ls {ring,driver,host,uapi,driver/compat}/*.[ch] 2>/dev/null)

# clean PATTERN FILE... - no line of the files matches
clean() {
	local pattern=$1

	shift
	[ "$#" -eq 0 ] || ! grep -nHE "$pattern" "$@"
}

# clean_but PATTERN FILES - no line of any code matches, but in those files
clean_but() {
	local files

	mapfile -t files < <(printf '%s\n' "${CODE[@]}" | grep -vE "$2")
	clean "$1" "${files[@]}"
}

short_files() {
	[ -z "$(wc -l "${CODE[@]}" | awk '$2 != "total" && $1 > 800' | tee /dev/stderr)" ]
}

# A message is not broken, so that it can be searched for.
short_lines() {
	local f

	[ -z "$(for f in "${CODE[@]}"; do
		expand -t8 "$f" | awk -v f="$f" 'length > 100 && !/"/ { print f ":" NR }'
	done | tee /dev/stderr)" ]
}

# masks FILE FUNCTION VARIABLE - an index that the other side chose is masked in it (case 53): no
# test can see what a processor does on a path that it does not take in the end
masks() {
	awk -v name="$2" -v masked="array_index_nospec($3," \
		'$0 ~ "^[a-z].*[ *]" name "\\(" { inside = 1 }
		inside && index($0, masked) { found = 1 }
		/^}/ { inside = 0 }
		END { exit !found }' "$1"
}

licensed() {
	! grep -L 'SPDX-License-Identifier: GPL-2.0' "${CODE[@]}" | grep .
}

tap_test "ring/ includes nothing of driver/ or host/" \
	clean '#include "(\.\./)+(driver|host)/' ring/*.[ch]
tap_test "driver/ includes nothing of host/" clean '#include "(\.\./)+host/' driver/*.[ch]
tap_test "host/ includes nothing of driver/" clean '#include "(\.\./)+driver/' host/*.[ch]
tap_test "uapi/ includes nothing of the other rooms" \
	clean '#include "(\.\./)+(ring|driver|host)/' uapi/*.h
tap_test "the __shared attribute is cast away in ring/shared.h only" \
	clean_but '__shared_raw|__shared_(get|put)|__force.*__shared' '^ring/shared\.h$'
tap_test "memory becomes shared in region providers and the memory map only" \
	clean_but 'shared_mark\(' '^(ring/shared\.h|driver/region.*|host/memory\.c)$'
tap_test "shared memory is unmarked to give it back or to a system call only" \
	clean_but 'shared_unmark\(' \
	'^(ring/shared\.h|driver/region.*|host/(memory|blk|net(_tap|_stream)?)\.c)$'
while read -r file function variable; do
	tap_test "case 53: $function masks $variable, which the other side chose" \
		masks "$file" "$function" "$variable"
done <<-END
	ring/drv_shadow.h drv_complete id
	ring/dev_chain.h dev_check_id id
	ring/split_dev.c split_walk next
	ring/log.c split_commit i
	ring/log.c packed_settle old_idx
	ring/log.c packed_recover_free i
	ring/log.c packed_recover_chain i
	driver/pci.c pci_cap_counts *type
	driver/pci.c pci_cap_counts cap->bar
END
tap_test "kernel versions are told apart in driver/compat/ only" \
	clean_but 'LINUX_VERSION_CODE|KERNEL_VERSION\(' '^driver/compat/'
tap_test "nothing stops the kernel or the daemon" \
	clean_but '\b(BUG|BUG_ON|WARN|WARN_ON|WARN_ON_ONCE|WARN_ONCE|panic|abort|assert)\(' '^$'
tap_test "nothing is left for later" clean_but 'TODO|FIXME|XXX|HACK' '^$'
tap_test "a file is at most 800 lines" short_files
tap_test "a line without a message is at most 100 columns" short_lines
tap_test "no line ends with white space" clean '[[:space:]]+$' "${CODE[@]}"
tap_test "every source file names its licence" licensed
tap_done
