/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What programs may rely on of the airlock guest driver.
 *
 * The audit
 * ---------
 * AIRLOCK_AUDIT_FILE, below debugfs, lists every piece of guest memory that the
 * driver shares with the host, one line each, in this form:
 *
 *     DEVICE PURPOSE ADDRESS BYTES PROVIDER
 *
 * DEVICE is the PCI address (0000:00:03.0), PURPOSE one word without white space
 * ("ring.rx0", "rx0.slots"), ADDRESS the guest-physical address in hexadecimal
 * with 0x, BYTES a decimal multiple of the page size, PROVIDER one of
 * AIRLOCK_PROVIDERS. Lines are sorted by device, then by age. Everything that
 * is not listed is private. What a device reserved and does not use (yet) is
 * listed with the purpose AIRLOCK_AUDIT_SPARE; what must stay shared because it
 * could not be taken back safely, with AIRLOCK_AUDIT_LEAKED, also after its device
 * is gone. The last line is
 *
 *     total - - BYTES -
 */
#ifndef UAPI_AIRLOCK_H
#define UAPI_AIRLOCK_H

#define AIRLOCK_AUDIT_FILE	"airlock/regions"
#define AIRLOCK_AUDIT_SPARE	"spare"
#define AIRLOCK_AUDIT_LEAKED	"leaked"
#define AIRLOCK_AUDIT_TOTAL	"total"

/* Where shared pages can come from; also the values of airlock.provider=. */
#define AIRLOCK_PROVIDER_WINDOW		"window"
#define AIRLOCK_PROVIDER_DECRYPT	"decrypt"
#define AIRLOCK_PROVIDER_DMA		"dma"

#endif /* UAPI_AIRLOCK_H */
