#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	options.sh BUILD_DIR
#
# A command line that cannot be is refused with one line that says what to do;
# one that asks for information gets it.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"

work_dir options
truncate -s 1M "$WORK/disk"
S=$WORK/sock
D=$WORK/disk

refused "no device is refused" "no device: .*--device" --log-level=info
refused "an unknown option is refused" "option '--nonsense': .*--help" --nonsense
refused "an unknown letter is named, not what it is among" "option '-x': not known" -xyz
refused "an option without its value is refused" "option '--log-level': its value is missing" --log-level
refused "an option with a value too much is refused" "option '--read-only=yes': it takes no value" \
	--read-only=yes
refused "an option that is short for several is refused" "option '--s': .*short for several" --s
refused "help with anything else is refused" "option '--help': .*alone" --help extra
refused "the version with anything else is refused" "option '--version': .*alone" --version extra
refused "an argument that is no option is refused" "argument 'word': .*--help" word
refused "an unknown log level is refused" "--log-level 'loud': use error" --log-level=loud
refused "a device without a type is refused" ".*no type" --device "socket=$S,path=$D"
refused "an unknown type is refused" "type 'tape': .*blk or net" --device "type=tape,socket=$S"
refused "an unknown key is refused" "--device key 'speed': not known" \
	--device "type=blk,socket=$S,path=$D,speed=fast"
refused "a key given twice is refused" "--device key 'path': given twice" \
	--device "type=blk,socket=$S,path=$D,path=$D"
refused "a key without a value is refused" ".*not of the form key=value" \
	--device "type=blk,socket=$S,path"
refused "an empty path is refused" "path '': empty" --device "type=blk,socket=$S,path="
for size in 0 100 8X 8GG -1 99999999T 18446744073709551616; do
	refused "a disk on nothing of size $size is refused" "null '$size': give a size" \
		--device "type=blk,socket=$S,null=$size"
done
refused "a disk on a file and on nothing is refused" ".*path, nbd and null exclude each other" \
	--device "type=blk,socket=$S,path=$D,null=1G"
refused "a disk on a file and on a server is refused" ".*path, nbd and null exclude each other" \
	--device "type=blk,socket=$S,path=$D,nbd=nbd://localhost"
refused "a card on an NBD server is refused" ".*nbd.* for type=blk only" \
	--device "type=net,socket=$S,tap=tap0,nbd=nbd://localhost"
refused "a time to wait for no server is refused" ".*nbd-timeout goes with nbd= only" \
	--device "type=blk,socket=$S,path=$D,nbd-timeout=5"
for seconds in -1 86401 1m ''; do
	refused "a time of '$seconds' to wait for a server is refused" "nbd-timeout '$seconds': give a number from 0" \
		--device "type=blk,socket=$S,nbd=nbd://localhost,nbd-timeout=$seconds"
done
refused "a card on nothing is refused" ".*null.* for type=blk only" --device "type=net,socket=$S,tap=tap0,null=1G"
refused "permissions of a socket that is the front-end's are refused" ".*leave mode= out" \
	--device "type=blk,socket=$S,path=$D,client=on,mode=0660"
refused "a client that is neither on nor off is refused" "client 'maybe': use on or off" \
	--device "type=blk,socket=$S,path=$D,client=maybe"
refused "a card with seventeen pairs is refused" ".*at most 16 pairs" --device "type=net,socket=$S,tap=tap0,queues=17"
refused "a stream with two pairs is refused" ".*only taps and xdp have more than one pair" \
	--device "type=net,socket=$S,stream=$S.2,queues=2"
refused "a device without a socket is refused" ".*no socket" --device "type=blk,path=$D"
refused "a disk without a file is refused" ".*disk without a file" --device "type=blk,socket=$S"
refused "a disk with a tap is refused" ".*type=net only" \
	--device "type=blk,socket=$S,path=$D,tap=tap0"
refused "a network card without a port is refused" ".*needs one of tap=, stream=, xdp= and pair=" --device "type=net,socket=$S"
refused "a network card with two ports is refused" ".*needs one of tap=, stream=, xdp= and pair=" \
	--device "type=net,socket=$S,tap=a,stream=b"
for more in tap=tap0 stream=b xdp=lo; do
	refused "a network card with a pair and $more is refused" ".*needs one of tap=, stream=, xdp= and pair=" \
		--device "type=net,socket=$S,pair=x,$more"
done
refused "a pair of one card is refused" "pair 'x': one device has it: " --device "type=net,socket=$S,pair=x" \
	--device "type=net,socket=$S.2,pair=y" --device "type=net,socket=$S.3,pair=y"
refused "a pair of three cards is refused" "pair 'x': more than two devices have it: " \
	--device "type=net,socket=$S,pair=x" --device "type=net,socket=$S.2,pair=x" --device "type=net,socket=$S.3,pair=x"
refused "a pair without a name is refused" "pair '': empty" --device "type=net,socket=$S,pair="
refused "a pair with two pairs of queues is refused" ".*only taps and xdp have more than one pair" \
	--device "type=net,socket=$S,pair=x,queues=2"
refused "a disk of a pair is refused" ".*type=net only" --device "type=blk,socket=$S,path=$D,pair=x"
refused "a queue of no interface is refused" ".*xdp-queue goes with xdp= only" \
	--device "type=net,socket=$S,tap=tap0,xdp-queue=1"
refused "a queue of an interface that cannot be is refused" "xdp-queue '1024': give a number from 0" \
	--device "type=net,socket=$S,xdp=lo,xdp-queue=1024"
refused "a disk on an interface is refused" ".*type=net only" --device "type=blk,socket=$S,path=$D,xdp=lo"
for fds in '' x 2 3: 3:x 3,,4 1048577 3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19; do
	refused "taps 'fd:$fds' are refused" "tap 'fd:.*': (give a file descriptor, 3 or more|.*at most 16 pairs)" \
		--device "type=net,socket=$S,tap=fd:$fds"
done
refused "other taps than pairs are refused" ".*one file descriptor of a tap for each pair" \
	--device "type=net,socket=$S,tap=fd:7:8,queues=3"
refused "a tap given twice is refused" "file descriptor 8 is given twice" --device "type=net,socket=$S,tap=fd:7:8:8"
refused "a tap that is a socket is refused" "file descriptor 8 is given twice" --device "type=net,fd=8,tap=fd:7:8"
refused "a descriptor that another device has is refused" "file descriptor 8 is given twice" \
	--device "type=blk,fd=8,path=$D" --device "type=net,fd=9,tap=fd:7:8"
refused "a socket path and a descriptor of one device are refused" ".*socket and fd exclude each other" \
	--device "type=blk,socket=$S,fd=8,path=$D"
refused "a descriptor that cannot be is refused" "fd '2': give a number from 3" --device "type=blk,fd=2,path=$D"
for key in client=on mode=0660; do
	refused "an inherited socket with $key is refused" ".*leave client= and mode= out" \
		--device "type=blk,fd=8,path=$D,$key"
done
refused "a serial number that is too long is refused" "serial .*at most 20" \
	--device "type=blk,socket=$S,path=$D,serial=123456789012345678901"
refused "migrate other than on or off is refused" "migrate 'maybe': use on or off" \
	--device "type=blk,socket=$S,path=$D,migrate=maybe"
refused "migrate for a card is refused" ".*migrate are for type=blk only" \
	--device "type=net,socket=$S,tap=tap0,migrate=on"
refused "readonly other than on or off is refused" "readonly 'maybe'" \
	--device "type=blk,socket=$S,path=$D,readonly=maybe"
refused "a number of queues out of range is refused" "queues '65': .*from 1 to 64" \
	--device "type=blk,socket=$S,path=$D,queues=65"
refused "no threads at all are refused" "threads '0': .*from 1 to 64" \
	--device "type=blk,socket=$S,path=$D,threads=0"
refused "a processor that is not there is refused" "cpus '1023': one of them is not there" \
	--device "type=blk,socket=$S,path=$D,cpus=1023"
refused "what is no list of processors is refused" "cpus '0:': give numbers and ranges" \
	--device "type=blk,socket=$S,path=$D,cpus=0:"
refused "a range of processors that goes backwards is refused" "cpus '3-2': give numbers and ranges" \
	--device "type=blk,socket=$S,path=$D,cpus=3-2"
refused "looking for work for ever is refused" "poll '100001': .*from 0 to 100000" \
	--device "type=blk,socket=$S,path=$D,poll=100001"
refused "an id with a space is refused" "id 'a b': use" --device "type=blk,socket=$S,path=$D,id=a b"
refused "two devices with one id are refused" "id 'x': two devices" \
	--device "type=blk,socket=$S,path=$D,id=x" --device "type=blk,socket=$S.2,path=$D,id=x"
refused "a mode that is not octal is refused" "mode '0688': give octal" \
	--device "type=blk,socket=$S,path=$D,mode=0688"
refused "a mode of more than permissions is refused" "mode '1777': give octal" \
	--device "type=blk,socket=$S,path=$D,mode=1777"
refused "a comma at the end is refused" "--device '': not of the form key=value" \
	--device "type=blk,socket=$S,path=$D,"
refused "what is missing of a device is said with what was given" \
	"--device 'type=blk,path=/a,,b': no socket.*socket=" --device "type=blk,path=/a,,b"
refused "a single device without a socket is refused" "no socket: give --socket-path or --fd" \
	--blk-file="$D"
refused "a single device of two kinds is refused" "--blk-file, --tap and --stream exclude" \
	--socket-path="$S" --blk-file="$D" --tap=tap0
refused "a network card that may only be read is refused" "--read-only .*--blk-file" \
	--socket-path="$S" --stream="$S.2" --read-only
refused "both forms of a device at once are refused" ".*exclude each other" \
	--device "type=blk,socket=$S,path=$D" --blk-file="$D"
refused "a socket path and a descriptor at once are refused" ".*exclude each other" \
	--socket-path="$S" --fd=7 --blk-file="$D"
refused "a descriptor that is no socket is refused" ".*not a Unix stream socket" \
	--fd=9 --blk-file="$D"
refused "capabilities of an unknown type are refused" "--type 'tape'" --type=tape --print-capabilities

[ "$("$DAEMON" --type=block --print-capabilities)" = \
	'{"type":"block","features":["read-only","blk-file"]}' ] && r=0 || r=1
result "$r" "the capabilities of a disk are printed"
[ "$("$DAEMON" --type=net --print-capabilities)" = '{"type":"net"}' ] && r=0 || r=1
result "$r" "the capabilities of a network card are printed"
"$DAEMON" --help | grep -q '^Usage: airlockd' && r=0 || r=1
result "$r" "help is printed"
"$DAEMON" --version | grep -Eq '^airlockd [0-9]' && r=0 || r=1
result "$r" "the version is printed"
finish
