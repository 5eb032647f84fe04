# shellcheck shell=bash disable=SC2034,SC2054
# SPDX-License-Identifier: GPL-2.0
#
# The kinds of test machine. Sourced by machine.sh.
#
# Theory
#   A kind says which QEMU, which processor, and above all what the host side
#   may see of the guest's memory. All else about a machine is the same for
#   all kinds. To add one, write machine_kind_NAME; it sets M_QEMU and adds to M_ARGS.
#
#   window	main memory is QEMU's own and cannot be handed to a back-end; a window
#		of M_WINDOW_MIB is shared (0: there is none)
#   plain	all memory is shared with the back-end, as vhost-user usually wants it
#   bounce	likewise, and the kernel bounces all I/O through swiotlb, needed or not

M_MEMORY_MIB=1024

# machine_built_qemu - have the QEMU that is built here; 1 when there is none. Before machine_new
machine_built_qemu() {
	local path

	path=$("$TOP/tests/machine/emulator.sh" 2>/dev/null) || return
	export QEMU=$path
}

# Debian's QEMU 7.2 without KVM dies of a null pointer when a vhost-user NIC starts with MSI-X
# vectors: it sets up a route for KVM that was never made. With none it uses the
# interrupt line. The one that is built here is mended, and brings no firmware.
machine_kind_tcg() {
	M_QEMU=${QEMU:-qemu-system-x86_64}
	M_NIC_OPTIONS=vectors=0
	M_ARGS+=(-accel tcg,thread=multi -cpu max -M q35,memory-backend=ram)
	if [ -n "${QEMU:-}" ]; then
		M_NIC_OPTIONS=''
		M_ARGS+=(-L /usr/share/qemu -L /usr/share/seabios)
	fi
}

machine_kind_window() {
	machine_kind_tcg
	M_ARGS+=(-object "memory-backend-ram,id=ram,size=${M_MEMORY_MIB}M")
	[ "$M_WINDOW_MIB" -gt 0 ] || return 0
	M_ARGS+=(
		-object "memory-backend-memfd,id=window,size=${M_WINDOW_MIB}M,share=on"
		-device ivshmem-plain,memdev=window,master=on
	)
}

machine_kind_plain() {
	machine_kind_tcg
	M_ARGS+=(-object "memory-backend-memfd,id=ram,size=${M_MEMORY_MIB}M,share=on")
}

machine_kind_bounce() {
	machine_kind_plain
	M_APPEND=swiotlb=force
}

# The kernel would open its swiotlb, 64 MiB, for drivers that are not used here: noforce
# keeps it from that; M_SWIOTLB=yes leaves it alone. The processor is AMD's and has no
# microcode, which the kernel would complain of.
machine_kind_sev() {
	local QEMU

	QEMU=$("$TOP/tests/machine/emulator.sh") || die "there is no emulated SEV machine"
	machine_kind_tcg
	M_APPEND='mitigations=off swiotlb=noforce'
	[ -z "${M_SWIOTLB:-}" ] || M_APPEND=mitigations=off
	cp /usr/share/OVMF/OVMF_VARS_4M.fd "$WORK/efi-vars"
	M_ARGS=(
		-accel tcg,thread=multi -M q35,smm=off,memory-backend=ram -L /usr/share/qemu
		-cpu "EPYC,x-emulated-sev=on,x-emulated-sev-flip=${M_FLIP:-copy},x-emulated-sev-log=$WORK/flips"
		-object "memory-backend-memfd,id=ram,size=${M_MEMORY_MIB}M,share=on"
		-drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd
		-drive "if=pflash,format=raw,file=$WORK/efi-vars"
	)
}
