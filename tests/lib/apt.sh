# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Debian packages: those that the machine's own APT sources offer, to be installed, and
# those that they do not, source packages and those of a further suite of the same
# archive, to be looked into. Sourced after common.sh, used with a WORK.
#
# Theory
#   Nothing of the machine's configuration is changed. apt_private writes a list of
#   sources of its own: those that the machine has for the release it runs, once more
#   with the kind and the suite that are wanted. So the archive is always the one
#   that the machine was set up for. apt-get is then told to use that list, with package
#   indexes in the cache.
#   What apt-get said is in WORK/apt.log.

APT_UPDATED=''
APT_PRIVATE=()

# apt_get COMMAND WORD...
apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$WORK/apt.log" 2>&1
}

# Without the option it is content with old lists when the network is not there.
apt_update() {
	[ -z "$APT_UPDATED" ] || return 0
	apt_get -o APT::Update::Error-Mode=any update && APT_UPDATED=yes
}

apt_installed() {
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

apt_all_installed() {
	local p

	for p in "$@"; do
		apt_installed "$p" || return
	done
}

# apt_install PACKAGE... - those that are missing; 1 when that cannot be, with the
# reason in WORK/apt.log. No network is used when all are there.
apt_install() {
	local p want=()

	for p in "$@"; do
		apt_installed "$p" || want+=("$p")
	done
	[ "${#want[@]}" -gt 0 ] || return 0
	need_root "installing ${want[*]}"
	apt_update || return
	say "installing ${#want[@]} packages: ${want[*]}"
	apt_get -y --no-install-recommends install "${want[@]}"
}

# ---- private sources --------------------------------------------------------

# apt_bases - "URI SUITE" of each source of the running release, its updates, its security
apt_bases() {
	local codename

	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	[ -n "$codename" ] || return
	# The fields are apt's, not the shell's.
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v c="$codename" '$3 == "main" && ($2 == c || $2 == c "-updates" || $2 == c "-security") \
			{ print $1, $2 }' | sort -u
}

# apt_private NAME - use the sources NAME in apt_get_private from here on: "source" for source
# packages, "backports" for the release's backports beside it. Fetches the indexes; 1 when it
# cannot, with the reason in WORK/apt.log.
apt_private() {
	local dir=$CACHE/apt/$1 bases uri suite options='' keys=/usr/share/keyrings/debian-archive-keyring.gpg

	[ ! -r "$keys" ] || options="[signed-by=$keys] "
	bases=$(apt_bases)
	# It knows no sources whose lists were never fetched, or were removed.
	[ -n "$bases" ] || [ "$(id -u)" -ne 0 ] || ! apt_update || bases=$(apt_bases)
	[ -n "$bases" ] || {
		echo "no APT source of this machine is of the Debian release it runs" >>"$WORK/apt.log"
		return 1
	}
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	while read -r uri suite; do
		case $1 in
		source)
			printf 'deb-src %s%s %s main\n' "$options" "$uri" "$suite"
			;;
		backports)
			printf 'deb %s%s %s main\n' "$options" "$uri" "$suite"
			case $suite in
			*-*) ;;
			*) printf 'deb %s%s %s-backports main\n' "$options" "$uri" "$suite" ;;
			esac
			;;
		esac
	done <<<"$bases" | sort -u >"$dir/sources.list.new"
	mv "$dir/sources.list.new" "$dir/sources.list"
	APT_PRIVATE=(-q -o APT::Sandbox::User=root -o "Dir::Etc::SourceList=$dir/sources.list"
		-o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir/cache"
		-o Acquire::Languages=none)
	apt-get "${APT_PRIVATE[@]}" -o APT::Update::Error-Mode=any update >"$WORK/apt.log" 2>&1
}

# apt_get_private COMMAND WORD... - output to WORK/apt.log
apt_get_private() {
	DEBIAN_FRONTEND=noninteractive apt-get "${APT_PRIVATE[@]}" "$@" >>"$WORK/apt.log" 2>&1
}

# apt_names_private REGEX - the names of the packages that match, of the private sources
apt_names_private() {
	apt-cache "${APT_PRIVATE[@]:1}" --names-only search "$1" | cut -d ' ' -f 1
}
