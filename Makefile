# SPDX-License-Identifier: GPL-2.0
#
# make demo     install what is needed, build, boot a guest, show what it shares;
#               MACHINE=sev for the emulated AMD SEV machine
# make check    install what is needed, build, run all tests
# make          build airlockd, airlockctl and the guest modules
# make modules_install  install the modules, as root; INSTALL_MOD_PATH= for elsewhere
# make udev_install  airlockctl, and a udev rule that gives all virtio disks and network cards of
#               this machine to airlock, as root; DESTDIR= for elsewhere
# make check-debug  run the tests that have a guest on kernels that notice: sanitizers, lockdep, leaks
# make chaos    a host that writes anything anywhere: TIME= seconds, SEED=
# make mainline-lies  the back-end's lies told to mainline's drivers, and what comes of it
# make fuzz     fuzz the rings and what a front-end sends: TIME= seconds for each of F="drv dev",
#               SEED=, INTO= a directory that keeps the new inputs
# make bench-ring  the ring beside its peers; figures go to $(BUILD)/bench/ring.jsonl
# make bench-guest  airlock in guests beside mainline's drivers; to $(BUILD)/bench/guest.jsonl
# make help     the rest
#
# Everything that is built goes to $(BUILD). Nothing here is evaluated before the
# packages are there: what needs them installs first and then calls make again.

BUILD	?= $(CURDIR)/build
CC	:= gcc
CLANG	?= clang
SPARSE	?= sparse
V	?= 0
Q	:= $(if $(filter 1,$V),,@)

# The guest's kernel; its headers decide, see tests/lib/kernel.sh. KERNEL_SERIES and
# KERNEL_RELEASE choose others.
KERNEL	= $(shell KERNEL_SERIES=$(KERNEL_SERIES) KERNEL_RELEASE=$(KERNEL_RELEASE) tests/lib/kernel.sh $(1))
# Asked once, when first needed: before the packages are there nobody needs to know.
KVER	= $(eval KVER := $$(call KERNEL,release))$(KVER)
KDIR	= $(eval KDIR := $$(call KERNEL,headers))$(KDIR)
# With FAULTS=1 modules that can be told to fail, for tests: driver/fault.h.
KMOD	= $(BUILD)/kmod$(if $(FAULTS),-faults)/$(KVER)
# BTF of a module needs the kernel's vmlinux, which is seldom there.
KBUILD	= $(MAKE) -s -C $(KDIR) M=$(KMOD) CONFIG_DEBUG_INFO_BTF_MODULES=

CFLAGS	?= -O2 -g
STD	:= -std=gnu11 -D_GNU_SOURCE
WARN	:= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
ASAN	:= -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TSAN	:= -O1 -g -fsanitize=thread
FUZZER	:= $(ASAN) -fsanitize=fuzzer
COV	:= -O0 -g --coverage
LIBS	:= -luring -lnbd -lseccomp -lcap-ng -lxdp -lbpf -lpthread
comma	:= ,

RING	:= $(wildcard ring/*.c)
CTL	:= $(wildcard host/ctl*.c)
HOST	:= $(filter-out $(CTL),$(wildcard host/*.c))
UNIT	:= $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
FUZZ	:= $(filter-out replay,$(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c)))
KSRC	= $(wildcard Kbuild ring/* uapi/* driver/* driver/compat/*)

.PHONY: all airlockd airlockctl modules modules-for-tests test-modules modules_install udev_install tools \
	tests bench bench-ring bench-guest bench-guest-programs fuzz demo check check-debug chaos mainline-lies style clean help install-packages FORCE

all: airlockd airlockctl modules

help:
	@sed -n 's/^# \(make\|  \)/\1/p' Makefile
	@echo 'make modules KERNEL_RELEASE=R  the guest modules for kernel R'
	@echo 'make tests      build all test programs'
	@echo 'make style      static checks only'
	@echo 'make check T="unit guest"  some groups of tests; tests/run lists them'
	@echo 'make clean      remove $(BUILD)'

# ---- objects and programs --------------------------------------------------------

# $(1) directory below BUILD, $(2) compiler and flags
define objects
$(BUILD)/$(1)/%.o: %.c
	$$(Q)mkdir -p $$(dir $$@); echo '  CC      $$@'
	$$(Q)$(2) $(STD) $(WARN) -MMD -MP -c -o $$@ $$<
LINK_$(1) := $(2)
endef
$(eval $(call objects,obj,$(CC) $(CFLAGS)))
$(eval $(call objects,asan/obj,$(CLANG) $(ASAN)))
$(eval $(call objects,tsan/obj,$(CLANG) $(TSAN)))
$(eval $(call objects,fuzz/obj,$(CLANG) $(FUZZER)))
$(eval $(call objects,cov/obj,$(CC) $(COV)))

# $(1) program, below BUILD; $(2) where its objects are; $(3) its sources; $(4) libraries
define program
$(BUILD)/$(1): $(patsubst %.c,$(BUILD)/$(2)/%.o,$(3))
	$$(Q)mkdir -p $$(dir $$@); echo '  LD      $$@'; $(LINK_$(2)) -o $$@ $$^ $(4)
endef

# What the daemon may call, from comments in its sources.
$(BUILD)/gen/syscalls.c: host/syscalls.sh $(HOST)
	$(Q)mkdir -p $(dir $@); echo '  GEN     $@'; host/syscalls.sh $(HOST) >$@

$(BUILD)/gen/syscalls.o: $(BUILD)/gen/syscalls.c host/jail.h
	$(Q)echo '  CC      $@'; $(CC) $(STD) $(WARN) $(CFLAGS) -I. -c -o $@ $<

# ---- daemon and tool, plain and with sanitizers ---------------------------------

airlockd airlockctl: %: $(BUILD)/%

SYSCALLS := $(BUILD)/gen/syscalls.o
airlockd $(addprefix $(BUILD)/,airlockd asan/airlockd hostile/airlockd): $(SYSCALLS)

$(eval $(call program,airlockd,obj,$(RING) $(HOST),$(LIBS)))
$(eval $(call program,airlockctl,obj,$(CTL),-ljansson))
$(eval $(call program,asan/airlockd,asan/obj,$(RING) $(HOST),$(LIBS)))
$(eval $(call program,asan/airlockctl,asan/obj,$(CTL),-ljansson))

# ---- a daemon that lies, for tests -------------------------------------------------

WRAPPED	:= ring_dev_pop ring_dev_push ring_dev_flush ring_dev_arm memory_close queue_start queue_reap \
	   queue_close device_open
$(eval $(call program,hostile/airlockd,obj,$(RING) $(HOST) $(wildcard tests/hostile/*.c),\
	$(addprefix -Wl$(comma)--wrap=,$(WRAPPED)) $(LIBS)))

# ---- a front-end, for tests -------------------------------------------------------

FRONTEND := tests/frontend/frontend.c $(RING) host/message.c host/closer.c
$(eval $(call program,frontend/crash,obj,tests/frontend/crash.c $(FRONTEND),-lpthread))
$(eval $(call program,frontend/many,obj,tests/frontend/many.c $(FRONTEND),-lpthread))

$(BUILD)/frontend/jailed: $(SYSCALLS)

$(eval $(call program,frontend/jailed,obj,tests/frontend/jailed.c host/jail.c host/log.c,$(LIBS)))

# ---- the guest modules -----------------------------------------------------------

# Built from a tree of links, so that one checkout can serve several kernels.
modules: $(KMOD)/.built

$(KMOD)/.built: $(KSRC)
	$(Q)[ -d $(KDIR) ] || { echo "no headers of kernel $(KVER) in $(KDIR): install linux-headers-$(KVER)" >&2; exit 1; }
	$(Q)mkdir -p $(KMOD) && find $(KMOD) -type l -delete
	$(Q)cp -rsf $(abspath Kbuild ring uapi driver) $(KMOD)/
	$(Q)echo '  KBUILD  $(KMOD)'
	+$(Q)$(KBUILD) $(if $(W),W=$(W)) $(if $(C),C=$(C)) $(if $(FAULTS),AIRLOCK_FAULTS=1) modules
	$(Q)touch $@

# For each series of kernels that is there, with what only tests need; nothing fails on order but in these.
FAULTY = 6.1 debug
modules-for-tests: modules
	+$(Q)for s in $$(tests/lib/kernel.sh series); do \
		$(MAKE) -s modules KERNEL_SERIES=$$s && $(MAKE) -s test-modules KERNEL_SERIES=$$s || exit 1; \
		case " $(FAULTY) " in *" $$s "*) $(MAKE) -s modules KERNEL_SERIES=$$s FAULTS=1 || exit 1;; esac; done

test-modules:
	+$(Q)$(MAKE) -s -C tests/kmod BUILD=$(BUILD) KVER=$(KVER) KDIR=$(KDIR)

modules_install: modules
	$(Q)for m in airlock airlock_blk airlock_net; do \
		install -D -m 644 $(KMOD)/$$m.ko $(INSTALL_MOD_PATH)/lib/modules/$(KVER)/updates/$$m.ko || exit 1; done
	$(Q)depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(KVER)

# Before Debian's own rules for drivers: see there.
udev_install: $(BUILD)/airlockctl
	$(Q)install -D -m 755 $< $(DESTDIR)/usr/sbin/airlockctl
	$(Q)install -D -m 644 driver/60-airlock.rules $(DESTDIR)/usr/lib/udev/rules.d/60-airlock.rules

# ---- test programs ---------------------------------------------------------------

tests: airlockd $(UNIT:%=$(BUILD)/unit/%) $(UNIT:%=$(BUILD)/unit-asan/%) $(BUILD)/unit-tsan/threads \
       $(FUZZ:%=$(BUILD)/fuzz/%) $(UNIT:%=$(BUILD)/cov/unit/%) $(FUZZ:%=$(BUILD)/cov/fuzz/%) \
       $(BUILD)/asan/airlockd $(BUILD)/asan/airlockctl $(BUILD)/hostile/airlockd \
       $(addprefix $(BUILD)/frontend/,crash jailed many) tools

tools:
	$(Q)$(MAKE) -s -C tests/guest BUILD=$(BUILD)

# $(1) directory of programs, $(2) where their objects are
unit = $(foreach u,$(UNIT),$(eval \
	$(call program,$(1)/$u,$(2),tests/unit/$u.c $(RING),-lcmocka -lpthread)))
$(call unit,unit,obj)
$(call unit,unit-asan,asan/obj)
$(call unit,unit-tsan,tsan/obj)
$(call unit,cov/unit,cov/obj)

# What a fuzz target has of the daemon; it plays the rest itself.
HOST_message := $(addprefix host/,closer.c message.c)
HOST_session := $(addprefix host/,closer.c dirty.c inflight.c log.c memory.c message.c request.c session.c)

# Likewise; $(3) what calls the target, if the compiler does not bring it
fuzz = $(foreach f,$(FUZZ),$(eval \
	$(call program,$(1)/$f,$(2),tests/fuzz/$f.c $(3) $(RING) $(HOST_$f),-lpthread)))
$(call fuzz,fuzz,fuzz/obj)
$(call fuzz,cov/fuzz,cov/obj,tests/fuzz/replay.c)

fuzz: install-packages
	$(Q)$(MAKE) --no-print-directory -j2 $(addprefix $(BUILD)/fuzz/,$(or $(F),$(FUZZ)))
	$(Q)BUILD=$(BUILD) FUZZ_SECONDS=$(or $(TIME),60) FUZZ_TARGETS="$(F)" FUZZ_SEED=$(SEED) \
		FUZZ_INTO=$(abspath $(INTO)) tests/fuzz/fuzz.sh

# ---- benches ---------------------------------------------------------------------

BENCH_RING := $(addprefix bench/,ring.c cases.c ours.c load.c pair.c peer_memcpy.c peer_ringtest.c report.c)

bench: $(BUILD)/bench/ring

# How to build with rte_ring; empty when it is not there. Changes when that does.
$(BUILD)/bench/rte.flags: FORCE
	$(Q)mkdir -p $(dir $@); f=$$(bench/peers.sh rte 2>/dev/null) && f="bench/peer_rte.c $$f" || [ $$? -eq 3 ] || exit; \
		[ -e $@ ] && [ "$$f" = "$$(cat $@)" ] || printf '%s\n' "$$f" >$@

$(BUILD)/bench/ring: $(BENCH_RING) bench/peer_rte.c $(RING) $(wildcard bench/*.h ring/*.h) $(BUILD)/bench/rte.flags
	$(Q)echo '  CC      $@'
	$(Q)$(CC) $(STD) $(WARN) $(CFLAGS) -o $@ $(BENCH_RING) $(RING) $$(cat $(BUILD)/bench/rte.flags) -lpthread

bench-ring: install-packages
	$(Q)bench/peers.sh fetch || [ $$? -eq 3 ]
	$(Q)$(MAKE) --no-print-directory bench
	$(Q)$(BUILD)/bench/ring --ringtest "$$(bench/peers.sh ringtest)" $(if $(QUICK),--quick) \
		--json $(BUILD)/bench/ring.jsonl

bench-guest-programs: $(addprefix $(BUILD)/bench/guest/,flow meter)

$(BUILD)/bench/guest/%: bench/guest/%.c
	$(Q)mkdir -p $(dir $@); echo '  CC      $@'
	$(Q)$(CC) $(STD) $(WARN) $(CFLAGS) -static -o $@ $<

bench-guest: INSTALL = bench
bench-guest: install-packages
	$(Q)$(MAKE) --no-print-directory -j2 all tools bench-guest-programs
	$(Q)BUILD=$(BUILD) bench/guest/run.py $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) \
		--json $(BUILD)/bench/guest.jsonl

# ---- the two commands ------------------------------------------------------------

install-packages:
	$(Q)tests/lib/install.sh $(INSTALL)

demo: INSTALL = $(filter sev,$(MACHINE))
demo: install-packages
	$(Q)$(MAKE) --no-print-directory -j2 all tools
	$(Q)BUILD=$(BUILD) tests/machine/demo.sh

check: INSTALL = $(if $(T),$(firstword $(if $(filter debug,$(T)),debug) $(if $(filter hostile,$(T)),all) \
	$(if $(filter sev matrix mutants %/%,$(T)),guest)),all)
check: install-packages
	$(Q)$(MAKE) --no-print-directory -j2 all tests bench modules-for-tests
	$(Q)BUILD=$(BUILD) tests/run $(T)

check-debug: INSTALL = debug
check-debug: install-packages
	$(Q)$(MAKE) --no-print-directory -j2 all tests modules-for-tests
	$(Q)BUILD=$(BUILD) tests/run debug

chaos: INSTALL = all
chaos: install-packages
	$(Q)$(MAKE) --no-print-directory -j2 all tests modules-for-tests
	$(Q)s=debug; KERNEL_SERIES=$$s tests/lib/kernel.sh >/dev/null || s=$(KERNEL_SERIES); \
		BUILD=$(BUILD) KERNEL_SERIES=$${s:-6.1} SEED=$(SEED) TIME=$(or $(TIME),60) tests/hostile/chaos.sh

mainline-lies: INSTALL = debug
mainline-lies: install-packages
	$(Q)$(MAKE) --no-print-directory -j2 all tests
	$(Q)BUILD=$(BUILD) KERNEL_SERIES=debug tests/machine/mainline-lies.sh

style: install-packages
	$(Q)BUILD=$(BUILD) tests/run style

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
