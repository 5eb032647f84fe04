/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of airlock.ko share with each other. driver/airlock.h is what
 * the function drivers see; nothing here is for them.
 *
 * Locks, outermost first:
 *
 *   device_list_lock (device.c)	the list of devices
 *   core_device.lock		registers with a selector, status, reset, queues
 *   region_lock (region.c)	all regions, their chunks and spans
 *   window_lock (region_window.c)	all windows, which pages of them are in use
 *   core_device.event_lock	@live against the queueing of @recover_work
 *
 * The interrupt handlers take none of them: they look at @live, which is stored
 * before DRIVER_OK and cleared before the interrupts are synchronised.
 */
#ifndef DRIVER_CORE_H
#define DRIVER_CORE_H

#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>
#include <linux/virtio_pci_modern.h>
#include <linux/workqueue.h>

#include "airlock.h"
#include "../uapi/airlock.h"

/**
 * enum vector_mode - how a device's interrupts are shared out
 * @VECTOR_NONE: it has none
 * @VECTOR_EACH: MSI-X, vector 0 for configuration, one more for each queue
 * @VECTOR_SHARED: MSI-X, vector 0 for configuration, vector 1 for all queues
 * @VECTOR_LINE: one level-triggered line for everything
 */
enum vector_mode {
	VECTOR_NONE,
	VECTOR_EACH,
	VECTOR_SHARED,
	VECTOR_LINE,
};

/**
 * struct core_queue - a virtqueue, with what only the core knows
 * @pub: what the function driver sees
 * @call: its interrupt handler, or NULL
 * @notify: the register that kicks it
 * @slot: index into core_device.queues; in VECTOR_EACH its vector is @slot + 1
 * @irq: interrupt that was requested for this queue alone, or 0
 * @irq_name: for /proc/interrupts
 * @kicks: kicks sent; statistics only, may miss one under concurrency
 * @calls: calls passed on; likewise
 * @span: shared memory for @made descriptors
 * @made: descriptors that it was opened with
 * @areas: where @pub.ring lies in @span
 * @shadow: private memory of @pub.ring
 */
struct core_queue {
	struct airlock_queue pub;
	airlock_call_fn call;
	void __iomem *notify;
	unsigned int slot;
	int irq;
	char irq_name[48];
	unsigned long kicks;
	unsigned long calls;
	struct airlock_span span;
	u16 made;
	struct ring_areas areas;
	void *shadow;
};

/**
 * struct core_device - a virtio function, with what only the core knows
 * @pub: what the function driver sees; its auxiliary device's release frees this
 * @node: in the list of all devices (device.c)
 * @mdev: registers, by the kernel's library
 * @type: virtio device type: VIRTIO_ID_NET or VIRTIO_ID_BLOCK
 * @lock: see above
 * @event_lock: see above
 * @ops: the function driver's, from airlock_negotiate() on
 * @live: between airlock_ready() and what ends that: calls and @ops may come
 * @failed: airlock_queue_fault() was called, or the function is gone
 * @last: airlock_leave() was called: no attempt to bring it up again is made
 * @leaving: airlock_stop() was called: no recovery begins any more
 * @out: the function driver was told that the device failed, and not that it is back
 * @lost: and was told that it is given up
 * @renew: recoveries to come that airlock_renew() asked for
 * @asleep: the system sleeps; what fails now is recovered when it wakes up
 * @down: the machine goes down; the device is not started any more
 * @quiet: the last reset was confirmed and the device was not started since
 * @slow: a reset was waited for in vain since the device was up
 * @faults: how often the device was failed
 * @complaints: bounds how often the log says so; of each device, for one that lies must not
 *	silence another
 * @recoveries: how often it was brought up again
 * @tries: attempts to do so since it last was up for a while
 * @revived: jiffies when it was last brought up
 * @recover_work: resets a failed device, tells the function driver, brings it up
 * @config_work: tells the function driver of a new configuration
 * @config_look: it is due without the device's word
 * @config_next: jiffies before which the next @config_work does not run
 * @config_wait: how long the next change waits behind it; of the work only
 * @vector_mode: how interrupts are shared out
 * @config_irq: interrupt requested for configuration (or for all), or 0
 * @shared_irq: interrupt requested for all queues, or 0
 * @config_irq_name: for /proc/interrupts
 * @shared_irq_name: for /proc/interrupts
 * @queues: open queues, NULL where there is none
 * @num_queues: entries of @queues
 * @region: shared memory, or NULL
 */
struct core_device {
	struct airlock_device pub;
	struct list_head node;
	struct virtio_pci_modern_device mdev;
	u16 type;
	struct mutex lock;
	spinlock_t event_lock;
	const struct airlock_ops *ops;
	bool live;
	bool failed;
	bool last;
	bool leaving;
	bool out;
	bool lost;
	bool asleep;
	bool down;
	bool quiet;
	bool slow;
	unsigned int faults;
	struct ratelimit_state complaints;
	unsigned int recoveries;
	unsigned int tries;
	unsigned int renew;
	unsigned long revived;
	struct delayed_work recover_work;
	struct delayed_work config_work;
	bool config_look;
	unsigned long config_next;
	unsigned long config_wait;
	enum vector_mode vector_mode;
	int config_irq;
	int shared_irq;
	char config_irq_name[48];
	char shared_irq_name[48];
	struct core_queue **queues;
	unsigned int num_queues;
	struct region *region;
};

static inline struct core_device *core_from_pub(const struct airlock_device *adev)
{
	return container_of(adev, struct core_device, pub);
}

static inline struct core_queue *core_queue_from_pub(const struct airlock_queue *q)
{
	return container_of(q, struct core_queue, pub);
}

/* Is the device to be listened to? Pairs with the store in device_set_live(). */
static inline bool core_live(const struct core_device *core)
{
	return smp_load_acquire(&core->live);
}

/* ---- device.c ----------------------------------------------------------- */

struct core_device *airlock_device_create(struct pci_dev *pdev, u16 type);
int airlock_device_publish(struct core_device *core);
void airlock_device_retract(struct core_device *core);
void airlock_device_destroy(struct core_device *core);
void airlock_device_fail(struct core_device *core, const char *queue,
			 const char *why);
void airlock_device_shutdown(struct core_device *core);
void airlock_device_suspend(struct core_device *core);
void airlock_device_resume(struct core_device *core);
void airlock_device_each(void (*fn)(struct core_device *core, void *ctx), void *ctx);

/* ---- config.c ----------------------------------------------------------- */

void airlock_config_init(struct core_device *core);
void airlock_config_changed(struct core_device *core);
void airlock_config_look(struct core_device *core);
void airlock_config_quiesce(struct core_device *core);

/* ---- pci.c -------------------------------------------------------------- */

int airlock_pci_init(void);
void airlock_pci_exit(void);

/* ---- queue.c ------------------------------------------------------------ */

int airlock_queues_restart(struct core_device *core);

/* ---- vector.c ----------------------------------------------------------- */

int airlock_vector_config(struct core_device *core);
int airlock_vector_tell(struct core_queue *cq);
int airlock_vector_attach(struct core_queue *cq);
void airlock_vector_detach(struct core_queue *cq);
void airlock_vector_synchronize(struct core_device *core);

/* ---- region.c ----------------------------------------------------------- */

/**
 * struct region_chunk - shared pages that a provider gave in one piece
 * @node: in region.chunks
 * @cpu: address here
 * @bus: address as the device is told it
 * @phys: guest-physical address; not used when the provider has @phys_at
 * @bytes: size, a multiple of the page size
 * @used: bytes handed out as spans, from the start
 * @leaked: stays shared until the machine goes down; @cpu is for that only
 * @settled: its state is not changed any more: that failed, or it was retired
 * @priv: the provider's
 */
struct region_chunk {
	struct list_head node;
	void __shared *cpu;
	u64 bus;
	phys_addr_t phys;
	size_t bytes;
	size_t used;
	bool leaked;
	bool settled;
	void *priv;
};

/**
 * struct region_span - a piece of a chunk that was handed out
 * @node: in region.spans, oldest first
 * @purpose: one word for the audit
 * @chunk: where it lies
 * @off: at which offset
 * @bytes: size, a multiple of the page size
 */
struct region_span {
	struct list_head node;
	char purpose[32];
	struct region_chunk *chunk;
	size_t off;
	size_t bytes;
};

/**
 * struct region_ops - a provider of shared pages
 * @name: AIRLOCK_PROVIDER_*
 * @chunk_max: most bytes that it should be asked for at once; 0: no limit
 * @usable: may this device use it? 0, or -ENODEV when it said why not
 * @share: get @chunk->bytes, zeroed, and fill in the other fields; errors but
 *	-ENOMEM were said in the log. With @chunk->settled set
 *	nobody knows who can read the pages
 * @unshare: take a chunk back, zeroed; on failure the pages are leaked
 * @retire: make a chunk private, zeroed, that may still be written to; may be NULL,
 *	where only freeing would do that: then it is only zeroed, and if it leaked not even that
 * @leak: forget a chunk that stays shared, but for the pages; may be NULL
 * @phys_at: guest-physical address of a page of a chunk; NULL: @phys + offset
 *
 * All but @phys_at may sleep; all are called with region_lock held.
 */
struct region_ops {
	const char *name;
	size_t chunk_max;
	int (*usable)(struct core_device *core);
	int (*share)(struct core_device *core, struct region_chunk *chunk);
	int (*unshare)(struct core_device *core, struct region_chunk *chunk);
	int (*retire)(struct region_chunk *chunk);
	void (*leak)(struct region_chunk *chunk);
	phys_addr_t (*phys_at)(const struct region_chunk *chunk, size_t off);
};

/**
 * struct region - a device's shared memory
 * @node: in the list of all regions (region.c), by device and age
 * @device: PCI address, for the audit; outlives the device when pages leaked
 * @key: PCI address as a number that sorts
 * @ops: provider
 * @chunks: what the provider gave
 * @spans: what was handed out
 * @budget: bytes reserved
 */
struct region {
	struct list_head node;
	char device[24];
	u64 key;
	const struct region_ops *ops;
	struct list_head chunks;
	struct list_head spans;
	size_t budget;
};

extern const struct region_ops airlock_region_window;
extern const struct region_ops airlock_region_decrypt;
extern const struct region_ops airlock_region_dma;

int airlock_region_choose(const char *provider);
int airlock_region_init(void);
void airlock_region_exit(void);
void airlock_region_retire(struct core_device *core);
bool airlock_region_translated(const struct core_device *core);
int airlock_region_span(struct airlock_device *adev, const char *purpose,
			size_t bytes, bool reuse, struct airlock_span *span);
void airlock_region_each(void (*fn)(const struct region *region, void *ctx),
			 void *ctx);

/* ---- region_window.c ---------------------------------------------------- */

int airlock_window_init(void);
void airlock_window_exit(void);
bool airlock_window_present(void);

/* ---- audit.c ------------------------------------------------------------ */

void airlock_audit_init(void);
void airlock_audit_exit(void);

#endif /* DRIVER_CORE_H */
