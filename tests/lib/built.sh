# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What is built from a source package of the Debian release, once, and kept in the user's cache.
# Sourced after common.sh and apt.sh, by scripts that have
#
#	PACKAGES		what it is built with; nothing of it is needed to use the result
#	source_to DIR		unpacks the source there; 1 when it is not to be had
#	build_from SOURCE DIR	puts the result into DIR, or dies; WORK is theirs
#
# Theory
#   The name of a result has a hash of what here it is made from, so whoever changes any of that gets
#   another one. The source is whatever version the release has today, because archives drop all
#   others. A result appears by one rename, so it is there whole or not at all.

# build DEST SOURCE
build() {
	local parent tmp

	parent=$(dirname "$1")
	mkdir -p "$parent"
	TMPDIR=$parent work_dir build
	if [ "$(id -u)" -ne 0 ] && ! apt_all_installed "${PACKAGES[@]}"; then
		say "$(basename "$0"): building it needs packages that only root can install"
		exit "$NOT_TO_BE_HAD"
	fi
	if ! apt_install "${PACKAGES[@]}" || ! source_to "$WORK/source"; then
		last_lines "$WORK/apt.log" 5
		say "$(basename "$0"): the source of $2 is not to be had"
		exit "$NOT_TO_BE_HAD"
	fi
	tmp=$(mktemp -d "$1.XXXXXX")
	on_exit rm -rf "$tmp"
	build_from "$WORK/source" "$tmp"
	chmod 755 "$tmp"
	mv -T "$tmp" "$1" 2>/dev/null || [ -d "$1" ] || die "cannot create $1"
}

# built DEST NAME SOURCE HOW [build] - NAME is in the directory DEST, or is built from the package of
# SOURCE now when "build" says so; HOW tells a user how
built() {
	[ -d "$1" ] || {
		[ "${5:-}" = build ] || {
			say "$2 is not built: $4"
			exit "$NOT_TO_BE_HAD"
		}
		build "$1" "$3"
	}
}
