# SPDX-License-Identifier: GPL-2.0
#
# make demo     install what is needed, build, boot a guest, show what it shares
# make check    install what is needed, build, run all tests
# make          build airlockd and the guest modules
# make modules_install  install the modules, as root; INSTALL_MOD_PATH= for elsewhere
# make help     the rest
#
# Everything that is built goes to $(BUILD). Nothing here is evaluated before the
# packages are there: demo and check install first and then call make again.

BUILD	?= $(CURDIR)/build
CC	:= gcc
CLANG	?= clang
SPARSE	?= sparse
V	?= 0
Q	:= $(if $(filter 1,$V),,@)

# The guest's kernel; its headers decide, see tests/lib/kernel.sh.
KVER	= $(or $(KERNEL_RELEASE),$(shell tests/lib/kernel.sh release))
KDIR	= /lib/modules/$(KVER)/build
KMOD	= $(BUILD)/kmod/$(KVER)
# BTF of a module needs the kernel's vmlinux, which is seldom there.
KBUILD	= $(MAKE) -s -C $(KDIR) M=$(KMOD) CONFIG_DEBUG_INFO_BTF_MODULES=

CFLAGS	?= -O2 -g
STD	:= -std=gnu11 -D_GNU_SOURCE
WARN	:= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
ASAN	:= -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TSAN	:= -O1 -g -fsanitize=thread
LIBS	:= -luring -lpthread

RING	:= $(wildcard ring/*.c)
HOST	:= $(wildcard host/*.c)
UNIT	:= $(patsubst tests/unit/%.c,%,$(filter-out tests/unit/rig.c,$(wildcard tests/unit/*.c)))
RIG	:= $(wildcard tests/unit/rig.c)
KSRC	= $(wildcard Kbuild ring/* uapi/* driver/* driver/compat/*)

.PHONY: all airlockd modules modules_install tools tests demo check style clean help install-packages

all: airlockd modules

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile
	@echo 'make modules KERNEL_RELEASE=R  the guest modules for kernel R'
	@echo 'make tests      build all test programs'
	@echo 'make style      static checks only'
	@echo 'make check T="unit guest"  some groups of tests; tests/run lists them'
	@echo 'make clean      remove $(BUILD)'

# ---- the daemon, plain and with sanitizers -------------------------------------

airlockd: $(BUILD)/airlockd

# $(1) directory below BUILD, $(2) compiler, $(3) flags
define daemon
$(BUILD)/$(1)airlockd: $(patsubst %.c,$(BUILD)/$(1)obj/%.o,$(RING) $(HOST))
	$$(Q)echo '  LD      $$@'; $(2) $(3) -o $$@ $$^ $(LIBS)
$(BUILD)/$(1)obj/%.o: %.c
	$$(Q)mkdir -p $$(dir $$@); echo '  CC      $$@'
	$$(Q)$(2) $(STD) $(WARN) $(3) -MMD -MP -c -o $$@ $$<
endef
$(eval $(call daemon,,$(CC),$(CFLAGS)))
$(eval $(call daemon,asan/,$(CLANG),$(ASAN)))

# ---- the guest modules -----------------------------------------------------------

# Built from a tree of links, so that one checkout can serve several kernels.
modules: $(KMOD)/.built

$(KMOD)/.built: $(KSRC)
	$(Q)[ -d $(KDIR) ] || { echo "no headers of kernel $(KVER) in $(KDIR): install linux-headers-$(KVER)" >&2; exit 1; }
	$(Q)mkdir -p $(KMOD) && find $(KMOD) -type l -delete
	$(Q)cp -rsf $(abspath Kbuild ring uapi driver) $(KMOD)/
	$(Q)echo '  KBUILD  $(KMOD)'
	+$(Q)$(KBUILD) $(if $(W),W=$(W)) $(if $(C),C=$(C)) modules
	$(Q)touch $@

modules_install: modules
	$(Q)for m in airlock airlock_blk airlock_net; do \
		install -D -m 644 $(KMOD)/$$m.ko $(INSTALL_MOD_PATH)/lib/modules/$(KVER)/updates/$$m.ko || exit 1; done
	$(Q)depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(KVER)

# ---- test programs ---------------------------------------------------------------

tests: $(UNIT:%=$(BUILD)/unit/%) $(UNIT:%=$(BUILD)/unit-asan/%) \
       $(BUILD)/unit-tsan/threads $(BUILD)/asan/airlockd tools

tools:
	$(Q)$(MAKE) -s -C tests/guest BUILD=$(BUILD)

# $(1) directory below BUILD, $(2) compiler, $(3) flags
define unit
$(BUILD)/$(1)/%: tests/unit/%.c $(RIG) $(RING) $(wildcard ring/*.h tests/unit/*.h)
	$$(Q)mkdir -p $$(dir $$@); echo '  CC      $$@'
	$$(Q)$(2) $(STD) $(WARN) $(3) -o $$@ $$(filter %.c,$$^) -lcmocka -lpthread
endef
$(eval $(call unit,unit,$(CC),$(CFLAGS)))
$(eval $(call unit,unit-asan,$(CLANG),$(ASAN)))
$(eval $(call unit,unit-tsan,$(CLANG),$(TSAN)))

# ---- the two commands ------------------------------------------------------------

install-packages:
	$(Q)tests/lib/install.sh

demo: install-packages
	$(Q)$(MAKE) --no-print-directory -j2 all tools
	$(Q)BUILD=$(BUILD) tests/machine/demo.sh

check: install-packages
	$(Q)$(MAKE) --no-print-directory -j2 all tests
	$(Q)BUILD=$(BUILD) tests/run $(T)

style: install-packages
	$(Q)BUILD=$(BUILD) tests/run style

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
