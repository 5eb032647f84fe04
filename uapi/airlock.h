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
 * DEVICE is the PCI address (0000:00:03.0), PURPOSE one word of printable ASCII
 * ("ring.rx0", "rx0.slots"), ADDRESS the guest-physical address in hexadecimal
 * with 0x, BYTES a decimal number, not 0, PROVIDER one of AIRLOCK_PROVIDER_*. Lines
 * are sorted by device, by the numbers in its address, then by age. Everything that
 * is not listed is private, and no page is listed twice. What a device reserved and
 * does not use (yet) is listed with the purpose AIRLOCK_AUDIT_SPARE; what must stay
 * shared because it could not be taken back safely, with AIRLOCK_AUDIT_LEAKED, also
 * after its device is gone. The last line is
 *
 *     total - - BYTES -
 *
 * with the sum of the lines above it. Between two words there is one blank. Letters of
 * hexadecimal numbers are small; ADDRESS and BYTES have no zeros in front. The driver
 * stays far within the bounds below, and a reader may refuse what does not.
 */
#ifndef UAPI_AIRLOCK_H
#define UAPI_AIRLOCK_H

/* Where debugfs is by custom, and the file with it. */
#define AIRLOCK_DEBUGFS		"/sys/kernel/debug"
#define AIRLOCK_AUDIT_FILE	"airlock/regions"
#define AIRLOCK_AUDIT_PATH	AIRLOCK_DEBUGFS "/" AIRLOCK_AUDIT_FILE

#define AIRLOCK_AUDIT_SPARE	"spare"
#define AIRLOCK_AUDIT_LEAKED	"leaked"
#define AIRLOCK_AUDIT_TOTAL	"total"

#define AIRLOCK_AUDIT_PAGE		4096u		/* ADDRESS and BYTES are multiples */
#define AIRLOCK_AUDIT_END		(1ULL << 52)	/* ADDRESS + BYTES, at most */
#define AIRLOCK_AUDIT_PURPOSE_MAX	31u		/* characters */
#define AIRLOCK_AUDIT_LINE_MAX		127u		/* characters, without the newline */
#define AIRLOCK_AUDIT_LINES_MAX		(1u << 18)	/* before the total */

/* Where shared pages can come from; also the values of airlock.provider=. */
#define AIRLOCK_PROVIDER_WINDOW		"window"
#define AIRLOCK_PROVIDER_DECRYPT	"decrypt"
#define AIRLOCK_PROVIDER_DMA		"dma"

#endif /* UAPI_AIRLOCK_H */
