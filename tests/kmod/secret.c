// SPDX-License-Identifier: GPL-2.0
/*
 * The secret, and the memory that is full of it.
 *
 * Theory
 * ------
 * Blocks of every size of every kind are taken and filled with the token, over and over;
 * wherever a part of 63 bytes of them escapes to, the whole token is there to be
 * found. Then every other one goes back as it is. So whatever the kernel holds next to
 * a block may be given away together with it, and whatever is allocated next and not
 * cleared begins as copies of the token: bounce memory, heads of skbs, page fragments.
 *
 * Pages are taken in few pieces as well as in small ones, because the pieces that go back
 * do not grow together between those that are held, and a driver that shares megabytes
 * would never get them.
 *
 * How far that worked is looked at at once, with AFRESH new pages and objects. It works
 * only where the kernel does not clear what it allocates: boot with init_on_alloc=0.
 *
 * Blocks that are held are cleared when the module goes. Those that went back before
 * are out of its reach.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "sentinel.h"

#define TOKEN_BYTES	32
#define AFRESH		64
#define BLOCKS_MIN	4u

enum secret_kind { SECRET_SLAB, SECRET_PAGES, SECRET_VMALLOC };

/**
 * struct secret_size - a size of blocks
 * @kind: where they come from
 * @share: one part in so many of the megabytes is taken in this size
 * @bytes: of each
 */
struct secret_size {
	enum secret_kind kind;
	unsigned int share;
	u32 bytes;
};

static const struct secret_size secret_sizes[] = {
	{ SECRET_SLAB, 11, 32 },
	{ SECRET_SLAB, 11, 64 },
	{ SECRET_SLAB, 11, 96 },
	{ SECRET_SLAB, 11, 128 },
	{ SECRET_SLAB, 11, 192 },
	{ SECRET_SLAB, 11, 256 },
	{ SECRET_SLAB, 11, 512 },
	{ SECRET_SLAB, 11, 1024 },
	{ SECRET_SLAB, 11, 2048 },
	{ SECRET_SLAB, 11, 4096 },
	{ SECRET_SLAB, 11, 8192 },
	{ SECRET_PAGES, 5, PAGE_SIZE },
	{ SECRET_PAGES, 5, PAGE_SIZE << 1 },
	{ SECRET_PAGES, 5, PAGE_SIZE << 2 },
	{ SECRET_PAGES, 5, PAGE_SIZE << 3 },
	{ SECRET_PAGES, 5, PAGE_SIZE << 4 },
	{ SECRET_PAGES, 2, SZ_1M },
	{ SECRET_PAGES, 2, SZ_2M },
	{ SECRET_VMALLOC, 1, 64 << 10 },
};

/**
 * struct secret_block - memory that was taken
 * @at: its address; NULL: it went back
 * @size: its kind and bytes
 */
struct secret_block {
	void *at;
	const struct secret_size *size;
};

/**
 * struct secret - all there is
 * @token: what is in all blocks
 * @block: those that were taken
 * @blocks: how many
 * @held: bytes that are held
 * @let_go: bytes that went back
 * @pages_afresh: new pages, of AFRESH, that began with the token
 * @objects_afresh: new slab objects likewise
 */
static struct secret {
	u8 token[TOKEN_BYTES];
	struct secret_block *block;
	unsigned int blocks;
	u64 held, let_go;
	unsigned int pages_afresh, objects_afresh;
} secret;

/* Return: 0, or -EINVAL when it is not 64 hexadecimal digits. */
int secret_set(const char *hex)
{
	if (strlen(hex) != 2 * TOKEN_BYTES || hex2bin(secret.token, hex, TOKEN_BYTES))
		return -EINVAL;
	return 0;
}

void secret_forget(void)
{
	memzero_explicit(secret.token, sizeof(secret.token));
}

void secret_fill(void *at, size_t bytes)
{
	size_t done;

	for (done = 0; done < bytes; done += TOKEN_BYTES)
		memcpy(at + done, secret.token, min_t(size_t, TOKEN_BYTES, bytes - done));
}

/* Is that as secret_fill() left it, when it had begun @phase bytes before? */
bool secret_is_all(const u8 *at, size_t bytes, size_t phase)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		if (at[i] != secret.token[(phase + i) % TOKEN_BYTES])
			return false;
	return true;
}

/* ---- blocks --------------------------------------------------------------- */

static void *secret_alloc(const struct secret_size *size)
{
	struct page *page;

	switch (size->kind) {
	case SECRET_SLAB:
		return kmalloc(size->bytes, GFP_KERNEL);
	case SECRET_PAGES:
		page = alloc_pages(GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL,
				   get_order(size->bytes));
		return page ? page_address(page) : NULL;
	case SECRET_VMALLOC:
		return vmalloc(size->bytes);
	}
	return NULL;
}

static void secret_free(const struct secret_size *size, void *at)
{
	switch (size->kind) {
	case SECRET_SLAB:
		kfree(at);
		break;
	case SECRET_PAGES:
		free_pages((unsigned long)at, get_order(size->bytes));
		break;
	case SECRET_VMALLOC:
		vfree(at);
		break;
	}
}

static unsigned int secret_blocks(const struct secret_size *size, unsigned int mib)
{
	return max(BLOCKS_MIN, (mib << 20) / size->share / size->bytes);
}

static int secret_take_size(const struct secret_size *size, unsigned int mib)
{
	unsigned int n = secret_blocks(size, mib);
	void *at;

	while (n--) {
		at = secret_alloc(size);
		if (!at)
			return -ENOMEM;
		secret_fill(at, size->bytes);
		secret.block[secret.blocks++] = (struct secret_block) { at, size };
		secret.held += size->bytes;
		cond_resched();
	}
	return 0;
}

static void secret_let_go(void)
{
	unsigned int i;

	for (i = 0; i < secret.blocks; i += 2) {
		struct secret_block *block = &secret.block[i];

		secret_free(block->size, block->at);
		block->at = NULL;
		secret.held -= block->size->bytes;
		secret.let_go += block->size->bytes;
	}
}

/* How many of AFRESH new blocks begin with the token? */
static unsigned int secret_look_afresh(const struct secret_size *size)
{
	unsigned int i, n = 0;
	void *at[AFRESH];

	for (i = 0; i < AFRESH; i++) {
		at[i] = secret_alloc(size);
		if (at[i] && !memcmp(at[i], secret.token, TOKEN_BYTES))
			n++;
	}
	for (i = 0; i < AFRESH; i++)
		if (at[i])
			secret_free(size, at[i]);
	return n;
}

/* Clear and give back all that is held. */
void secret_give(void)
{
	unsigned int i;

	for (i = 0; i < secret.blocks; i++) {
		struct secret_block *block = &secret.block[i];

		if (!block->at)
			continue;
		memzero_explicit(block->at, block->size->bytes);
		secret_free(block->size, block->at);
	}
	kvfree(secret.block);
}

/* @mib, 1 to 64, says how much of each kind. Return: 0, or -ENOMEM with nothing held. */
int secret_take(unsigned int mib)
{
	static const struct secret_size page = { SECRET_PAGES, 1, PAGE_SIZE };
	static const struct secret_size object = { SECRET_SLAB, 1, 1024 };
	unsigned int i, blocks = 0;

	for (i = 0; i < ARRAY_SIZE(secret_sizes); i++)
		blocks += secret_blocks(&secret_sizes[i], mib);
	secret.block = kvcalloc(blocks, sizeof(*secret.block), GFP_KERNEL);
	if (!secret.block)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(secret_sizes); i++) {
		if (secret_take_size(&secret_sizes[i], mib)) {
			secret_give();
			return -ENOMEM;
		}
	}
	secret_let_go();
	secret.pages_afresh = secret_look_afresh(&page);
	secret.objects_afresh = secret_look_afresh(&object);
	return 0;
}

void secret_status(struct seq_file *seq)
{
	seq_printf(seq, "held: %llu\nlet_go: %llu\n", secret.held, secret.let_go);
	seq_printf(seq, "looked_afresh: %u\npages_afresh: %u\nobjects_afresh: %u\n",
		   AFRESH, secret.pages_afresh, secret.objects_afresh);
}
