// SPDX-License-Identifier: GPL-2.0
/*
 * What a disk stands on: nothing. It has only the costs of the way there: for benches.
 */
#include "blk_store.h"

#include <stdlib.h>

static void blk_null_submit(struct blk_store *s, struct queue *q, struct blk_io *io)
{
	const struct blk_step *step = &io->step;
	unsigned int i;

	(void)s;
	for (i = 0; step->op == BLK_OP_READ && i < step->iovs; i++)
		shared_zero(memory_shared(step->iov[i].iov_base), step->iov[i].iov_len);
	blk_step_done(q, io, (int)step->bytes);
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
