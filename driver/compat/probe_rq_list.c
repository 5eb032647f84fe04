// SPDX-License-Identifier: GPL-2.0
/* A batch of requests is a struct rq_list; or it is the first of them. */
#include <linux/blk-mq.h>
#include <linux/blkdev.h>

#ifdef HAVE_RQ_LIST
static void probe(struct rq_list *list)
{
	rq_list_add_head(list, rq_list_pop(list));
}
#else
static void probe(struct request **list)
{
	struct request *rq = rq_list_pop(list);

	rq_list_add(list, rq);
}
#endif

extern const struct blk_mq_ops probe_ops;
const struct blk_mq_ops probe_ops = {
	.queue_rqs = probe,
};
