// SPDX-License-Identifier: GPL-2.0
/*
 * What a disk stands on: nothing. It has only the costs of the way there: for benches.
 */
#include "blk_store.h"

#include <stdlib.h>

static void blk_null_submit(struct blk_store *s, struct queue *q, struct blk_io *io)
{
	unsigned int i;

	(void)s;
	/* The status is among the last of them, and is written later. */
	for (i = 0; i < io->segs && io->step.op == BLK_OP_READ; i++) {
		shared_zero(io->mem->data[i].base, io->mem->data[i].len);
		dirty_wrote(&q->dirty, io->mem->data[i].base, io->mem->data[i].len);
	}
	blk_step_done(q, io, (int)io->step.bytes);
}

static void blk_null_close(struct blk_store *s)
{
	free(s);
}

static const struct blk_store_ops blk_null_ops = {
	.submit = blk_null_submit,
	.close = blk_null_close,
};

struct blk_store *blk_null_open(const struct options_device *spec)
{
	struct blk_store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ops = &blk_null_ops;
	s->name = "null";
	s->sectors = spec->null >> BLK_SECTOR_SHIFT;
	s->block = BLK_SECTOR;
	return s;
}
