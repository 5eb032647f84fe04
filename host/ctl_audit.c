// SPDX-License-Identifier: GPL-2.0
/*
 * airlockctl audit: what this guest shares with the host.
 *
 * Run in a guest. The list is the driver's (uapi/airlock.h has its form), and to
 * be shown it has to be a list that can be: in that form to the letter, sorted,
 * complete, of whole pages that each are listed once, with a total that is their sum.
 * An auditor who passes on what cannot be says less than one who refuses, so anything
 * else is refused as a whole.
 *
 * audit_load() reads, checks, and fills struct audit_list; what prints it checks
 * nothing again. Whatever the file is, a bounded part of it is read: lines have a
 * most length, and there is a most number of them.
 */
#include "ctl_audit.h"

#include "../uapi/airlock.h"

#include <getopt.h>
#include <jansson.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>

#define AUDIT_WORDS	5

#define AUDIT_DISTRUST \
	"do not rely on this list; take it again, and report a bug of airlock if that is no better"

static const char *const audit_providers[] = {
	AIRLOCK_PROVIDER_WINDOW,
	AIRLOCK_PROVIDER_DECRYPT,
	AIRLOCK_PROVIDER_DMA,
};

/**
 * enum audit_kind - what a piece is there for
 * @AUDIT_USED: rings, slots and the like
 * @AUDIT_SPARE: nothing yet
 * @AUDIT_LEAKED: nothing any more
 */
enum audit_kind {
	AUDIT_USED,
	AUDIT_SPARE,
	AUDIT_LEAKED,
};

/**
 * struct audit_piece - a line: memory in one piece
 * @device: PCI address
 * @key: PCI address as a number that sorts
 * @purpose: one word
 * @kind: what @purpose says
 * @address: guest-physical address, a multiple of the page size
 * @bytes: size, a multiple of the page size, not 0
 * @provider: index into audit_providers
 *
 * The line's number is its index in the list plus 1.
 */
struct audit_piece {
	char device[CTL_PCI_BYTES];
	u64 key;
	char purpose[AIRLOCK_AUDIT_PURPOSE_MAX + 1];
	enum audit_kind kind;
	u64 address;
	u64 bytes;
	unsigned int provider;
};

/**
 * struct audit_device - the pieces of one device, summed up
 * @name: PCI address; the piece's
 * @bytes: all of them
 * @spare: of them, spare
 * @leaked: of them, leaked
 * @providers: a bit for each index into audit_providers
 */
struct audit_device {
	const char *name;
	u64 bytes;
	u64 spare;
	u64 leaked;
	unsigned int providers;
};

/**
 * struct audit_list - a list that can be
 * @piece: the pieces, by device; no two share a page
 * @pieces: how many
 * @room: for how many there is memory
 * @device: the devices, in the same order
 * @devices: how many
 * @total: bytes of all pieces
 */
struct audit_list {
	struct audit_piece *piece;
	unsigned int pieces;
	unsigned int room;
	struct audit_device *device;
	unsigned int devices;
	u64 total;
};

/**
 * struct audit_reader - where reading is
 * @file: the file
 * @path: its path
 * @line: number of the line, from 1
 * @text: the line
 */
struct audit_reader {
	FILE *file;
	const char *path;
	unsigned int line;
	char text[AIRLOCK_AUDIT_LINE_MAX + 1];
};

/* ---- reading and checking ------------------------------------------------ */

__attribute__((format(printf, 2, 3)))
static int audit_bad(const struct audit_reader *r, const char *fmt, ...)
{
	char what[2 * AIRLOCK_AUDIT_LINE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	ctl_error("%s: line %u: %s: " AUDIT_DISTRUST, r->path, r->line, what);
	return -EINVAL;
}

static int audit_no_memory(void)
{
	ctl_error("out of memory");
	return -ENOMEM;
}

/* The next line. Return: 1, 0 at the end of the file, -errno when it cannot be. */
static int audit_read(struct audit_reader *r)
{
	size_t n = 0;
	int c;

	r->line++;
	while ((c = getc(r->file)) != '\n') {
		if (ferror(r->file)) {
			ctl_error("%s: cannot read it: %s: is it a list, and still there?",
				  r->path, strerror(errno));
			return -EIO;
		}
		if (c == EOF)
			return n ? audit_bad(r, "the file ends within it") : 0;
		if (c < ' ' || c > '~')
			return audit_bad(r, "byte %zu is not printable ASCII", n + 1);
		if (n == AIRLOCK_AUDIT_LINE_MAX)
			return audit_bad(r, "longer than %u characters", AIRLOCK_AUDIT_LINE_MAX);
		r->text[n++] = (char)c;
	}
	r->text[n] = '\0';
	return 1;
}

/* Into words with one blank between them. */
static bool audit_split(char *text, char *word[AUDIT_WORDS])
{
	unsigned int i;

	for (i = 0; i < AUDIT_WORDS; i++) {
		word[i] = strsep(&text, " ");
		if (!word[i] || !*word[i])
			return false;
	}
	return !text;
}

/*
 * Addresses and numbers have one form, the one that the driver prints: what is
 * read is printed again, and has to be the same.
 */
static bool audit_number(const char *word, bool hex, u64 *value)
{
	char again[32];

	*value = strtoull(word, NULL, 0);
	snprintf(again, sizeof(again), hex ? "0x%llx" : "%llu", (unsigned long long)*value);
	return !strcmp(word, again);
}

static bool audit_provider(const char *word, unsigned int *provider)
{
	for (*provider = 0; *provider < ARRAY_SIZE(audit_providers); ++*provider) {
		if (!strcmp(word, audit_providers[*provider]))
			return true;
	}
	return false;
}

static int audit_check_place(const struct audit_reader *r, const struct audit_piece *p)
{
	unsigned long long address = p->address, bytes = p->bytes;

	if (address % AIRLOCK_AUDIT_PAGE)
		return audit_bad(r, "address 0x%llx is not a multiple of %u", address,
				 AIRLOCK_AUDIT_PAGE);
	if (!bytes)
		return audit_bad(r, "a piece of no bytes");
	if (bytes % AIRLOCK_AUDIT_PAGE)
		return audit_bad(r, "size %llu is not a multiple of %u", bytes, AIRLOCK_AUDIT_PAGE);
	if (address >= AIRLOCK_AUDIT_END || bytes > AIRLOCK_AUDIT_END - address)
		return audit_bad(r, "%llu bytes at 0x%llx reach further than an address can",
				 bytes, address);
	return 0;
}

static int audit_parse(const struct audit_reader *r, char *const word[], struct audit_piece *p)
{
	if (!ctl_pci_address(word[0], &p->key))
		return audit_bad(r, "'%s' is no PCI address such as 0000:00:03.0", word[0]);
	if (strlen(word[1]) > AIRLOCK_AUDIT_PURPOSE_MAX)
		return audit_bad(r, "its purpose is longer than %u characters",
				 AIRLOCK_AUDIT_PURPOSE_MAX);
	if (!audit_number(word[2], true, &p->address))
		return audit_bad(r, "'%s' is no address such as 0xfe000000", word[2]);
	if (!audit_number(word[3], false, &p->bytes))
		return audit_bad(r, "'%s' is no number of bytes", word[3]);
	if (!audit_provider(word[4], &p->provider))
		return audit_bad(r, "provider '%s' is not known", word[4]);
	strcpy(p->device, word[0]);
	strcpy(p->purpose, word[1]);
	if (!strcmp(p->purpose, AIRLOCK_AUDIT_SPARE))
		p->kind = AUDIT_SPARE;
	else if (!strcmp(p->purpose, AIRLOCK_AUDIT_LEAKED))
		p->kind = AUDIT_LEAKED;
	else
		p->kind = AUDIT_USED;
	return audit_check_place(r, p);
}

/* Memory for one piece more. */
static int audit_grow(struct audit_list *list)
{
	unsigned int room = list->room ? 2 * list->room : 64;
	struct audit_piece *piece;

	if (list->pieces < list->room)
		return 0;
	piece = realloc(list->piece, room * sizeof(*piece));
	if (!piece)
		return audit_no_memory();
	list->piece = piece;
	list->room = room;
	return 0;
}

static int audit_add(const struct audit_reader *r, char *const word[], struct audit_list *list)
{
	const struct audit_piece *last;
	struct audit_piece *p;
	int err;

	if (list->pieces == AIRLOCK_AUDIT_LINES_MAX)
		return audit_bad(r, "more than %u pieces", AIRLOCK_AUDIT_LINES_MAX);
	err = audit_grow(list);
	if (err)
		return err;
	p = &list->piece[list->pieces];
	err = audit_parse(r, word, p);
	if (err)
		return err;
	last = list->pieces ? p - 1 : NULL;
	if (last && last->key > p->key)
		return audit_bad(r, "%s after %s: not sorted by device", p->device, last->device);
	if (!last || last->key < p->key)
		list->devices++;
	list->pieces++;
	return 0;
}

static int audit_end(struct audit_reader *r, char *const word[], struct audit_list *list)
{
	int more;

	if (strcmp(word[1], "-") || strcmp(word[2], "-") || strcmp(word[4], "-") ||
	    !audit_number(word[3], false, &list->total))
		return audit_bad(r, "not of the form '" AIRLOCK_AUDIT_TOTAL " - - BYTES -'");
	more = audit_read(r);
	return more > 0 ? audit_bad(r, "something behind the total") : more;
}

/* All lines, each checked by itself and against the one before. */
static int audit_read_all(struct audit_reader *r, struct audit_list *list)
{
	char *word[AUDIT_WORDS];
	int err;

	for (;;) {
		err = audit_read(r);
		if (err < 0)
			return err;
		if (!err)
			return audit_bad(r, "the total is missing: the list is not complete");
		if (!audit_split(r->text, word))
			return audit_bad(r, "not of the form 'DEVICE PURPOSE ADDRESS BYTES PROVIDER'");
		if (!strcmp(word[0], AIRLOCK_AUDIT_TOTAL))
			return audit_end(r, word, list);
		err = audit_add(r, word, list);
		if (err)
			return err;
	}
}

static int audit_by_address(const void *left, const void *right)
{
	const struct audit_piece *a = *(const struct audit_piece *const *)left;
	const struct audit_piece *b = *(const struct audit_piece *const *)right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a < b ? -1 : 1;
}

/* Is each page listed once? Where any two pieces overlap, two neighbours by address do. */
static int audit_check_overlap(struct audit_reader *r, const struct audit_list *list)
{
	const struct audit_piece **sorted, *a, *b;
	unsigned int i;
	int err = 0;

	sorted = calloc(list->pieces, sizeof(*sorted));
	if (!sorted)
		return audit_no_memory();
	for (i = 0; i < list->pieces; i++)
		sorted[i] = &list->piece[i];
	qsort(sorted, list->pieces, sizeof(*sorted), audit_by_address);
	for (i = 1; i < list->pieces && !err; i++) {
		a = sorted[i - 1];
		b = sorted[i];
		if (a->address + a->bytes <= b->address)
			continue;
		r->line = (unsigned int)((a > b ? a : b) - list->piece) + 1;
		err = audit_bad(r, "page 0x%llx is in line %u too", (unsigned long long)b->address,
				(unsigned int)((a > b ? b : a) - list->piece) + 1);
	}
	free(sorted);
	return err;
}

/*
 * Sum up. Pieces that share no page and lie below AIRLOCK_AUDIT_END have a sum that
 * does not overflow.
 */
static int audit_check_sum(struct audit_reader *r, struct audit_list *list)
{
	const struct audit_piece *p;
	struct audit_device *d;
	unsigned int i;
	u64 sum = 0;

	list->device = calloc(list->devices + 1, sizeof(*list->device));
	if (!list->device)
		return audit_no_memory();
	d = list->device;
	for (i = 0; i < list->pieces; i++) {
		p = &list->piece[i];
		if (i && p[-1].key != p->key)
			d++;
		d->name = p->device;
		d->bytes += p->bytes;
		d->spare += p->kind == AUDIT_SPARE ? p->bytes : 0;
		d->leaked += p->kind == AUDIT_LEAKED ? p->bytes : 0;
		d->providers |= 1u << p->provider;
		sum += p->bytes;
	}
	r->line = list->pieces + 1;
	if (sum != list->total)
		return audit_bad(r, "the total is %llu bytes, but the pieces sum up to %llu",
				 (unsigned long long)list->total, (unsigned long long)sum);
	return 0;
}

/* ---- the file -------------------------------------------------------------- */

/* The driver's list cannot be opened: why, and what to do? */
static const char *audit_advice(int err)
{
	struct statfs fs;

	if (err == EACCES || err == EPERM)
		return "only root may read it: run this as root (sudo)";
	if (err != ENOENT)
		return "see that debugfs works";
	if (statfs(AIRLOCK_DEBUGFS, &fs) || fs.f_type != DEBUGFS_MAGIC)
		return "debugfs is not mounted: mount -t debugfs debugfs " AIRLOCK_DEBUGFS;
	return "airlock.ko is not loaded: run this in a guest that uses airlock";
}

static int audit_open(struct audit_reader *r, const char *path)
{
	int err;

	r->path = path ? path : AIRLOCK_AUDIT_PATH;
	r->file = fopen(r->path, "re");
	if (r->file)
		return 0;
	err = errno;
	ctl_error("%s: %s: %s", r->path, strerror(err),
		  path ? "name a file that holds a list" : audit_advice(err));
	return -err;
}

/*
 * Read the list, check all that can be checked, sum it up.
 * Return: 0, or -errno when it said why not. @list is to be freed in any case.
 */
static int audit_load(struct audit_list *list, const char *path)
{
	struct audit_reader r = { .line = 0 };
	int err;

	memset(list, 0, sizeof(*list));
	err = audit_open(&r, path);
	if (err)
		return err;
	err = audit_read_all(&r, list);
	if (!err && list->pieces)
		err = audit_check_overlap(&r, list);
	if (!err)
		err = audit_check_sum(&r, list);
	fclose(r.file);
	return err;
}

static void audit_free(struct audit_list *list)
{
	free(list->piece);
	free(list->device);
}

/* ---- text ------------------------------------------------------------------ */

static void audit_widen(int *width, size_t to)
{
	if (*width < (int)to)
		*width = (int)to;
}

static void audit_print_table(const struct audit_list *list)
{
	static const char *const head[] = { "DEVICE", "PURPOSE", "ADDRESS", "BYTES" };
	const struct audit_piece *p;
	int width[ARRAY_SIZE(head)];
	char address[32], bytes[32];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(head); i++)
		width[i] = (int)strlen(head[i]);
	for (i = 0; i < list->pieces; i++) {
		p = &list->piece[i];
		audit_widen(&width[0], strlen(p->device));
		audit_widen(&width[1], strlen(p->purpose));
		audit_widen(&width[2], (size_t)snprintf(NULL, 0, "0x%llx",
							(unsigned long long)p->address));
		audit_widen(&width[3], (size_t)snprintf(NULL, 0, "%llu",
							(unsigned long long)p->bytes));
	}
	printf("%-*s  %-*s  %*s  %*s  PROVIDER\n", width[0], head[0], width[1], head[1],
	       width[2], head[2], width[3], head[3]);
	for (i = 0; i < list->pieces; i++) {
		p = &list->piece[i];
		snprintf(address, sizeof(address), "0x%llx", (unsigned long long)p->address);
		snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)p->bytes);
		printf("%-*s  %-*s  %*s  %*s  %s\n", width[0], p->device, width[1], p->purpose,
		       width[2], address, width[3], bytes, audit_providers[p->provider]);
	}
}

static void audit_print_device(const struct audit_device *d)
{
	const char *comma = "";
	unsigned int i;

	printf("%s: %llu bytes shared (", d->name, (unsigned long long)d->bytes);
	for (i = 0; i < ARRAY_SIZE(audit_providers); i++) {
		if (!(d->providers & 1u << i))
			continue;
		printf("%s%s", comma, audit_providers[i]);
		comma = ", ";
	}
	printf(")");
	comma = ", of them ";
	if (d->spare) {
		printf("%s%llu spare", comma, (unsigned long long)d->spare);
		comma = ", ";
	}
	if (d->leaked)
		printf("%s%llu leaked", comma, (unsigned long long)d->leaked);
	printf("\n");
}

static void audit_print_text(const struct audit_list *list)
{
	unsigned int i;

	if (!list->pieces) {
		puts("nothing is shared with the host");
		return;
	}
	audit_print_table(list);
	for (i = 0; i < list->devices; i++)
		audit_print_device(&list->device[i]);
	printf("total: %llu bytes in %u region%s\n", (unsigned long long)list->total,
	       list->pieces, list->pieces == 1 ? "" : "s");
}

/* ---- JSON ------------------------------------------------------------------ */

/*
 * Adding NULL to an array or an object is an error of jansson's, so what there was
 * no memory for is noticed where it is added.
 */
static json_t *audit_json_piece(const struct audit_piece *p)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:s}", "device", p->device, "purpose", p->purpose,
			 "address", (json_int_t)p->address, "bytes", (json_int_t)p->bytes,
			 "provider", audit_providers[p->provider]);
}

static json_t *audit_json_device(const struct audit_device *d)
{
	json_t *providers = json_array();
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(audit_providers); i++) {
		if (d->providers & 1u << i)
			err |= json_array_append_new(providers, json_string(audit_providers[i]));
	}
	if (err) {
		json_decref(providers);
		return NULL;
	}
	return json_pack("{s:s, s:I, s:I, s:I, s:o}", "device", d->name,
			 "bytes", (json_int_t)d->bytes, "spare", (json_int_t)d->spare,
			 "leaked", (json_int_t)d->leaked, "providers", providers);
}

static int audit_print_json(const struct audit_list *list)
{
	json_t *regions = json_array(), *devices = json_array(), *root;
	char *text = NULL;
	unsigned int i;
	int err = 0;

	for (i = 0; i < list->pieces; i++)
		err |= json_array_append_new(regions, audit_json_piece(&list->piece[i]));
	for (i = 0; i < list->devices; i++)
		err |= json_array_append_new(devices, audit_json_device(&list->device[i]));
	root = json_pack("{s:o, s:o, s:I}", "regions", regions, "devices", devices,
			 "total", (json_int_t)list->total);
	if (root && !err)
		text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	if (!text)
		return audit_no_memory();
	puts(text);
	free(text);
	return 0;
}

/* ---- the command ----------------------------------------------------------- */

enum audit_long {
	OPT_JSON = CTL_OPTION,
	OPT_FILE,
};

static const struct option audit_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "file", required_argument, NULL, OPT_FILE },
	{ NULL, 0, NULL, 0 },
};

static const char audit_help[] =
"airlockctl audit [--json] [--file FILE]\n"
"  List all memory of this guest that airlock shares with the host, after\n"
"  checking that the list can be. Needs root.\n"
"  --json         as JSON\n"
"  --file FILE    a list of the driver's that was kept, instead of the one of now,\n"
"                 " AIRLOCK_AUDIT_PATH "\n";

static enum ctl_status audit_show(const char *path, bool json)
{
	struct audit_list list;
	int err;

	err = audit_load(&list, path);
	if (!err && json)
		err = audit_print_json(&list);
	else if (!err)
		audit_print_text(&list);
	audit_free(&list);
	return err ? CTL_FAILED : CTL_DONE;
}

static enum ctl_status audit_run(int argc, char **argv)
{
	const char *path = NULL;
	bool json = false;
	int opt;

	opterr = 0;
	/* The colon: tell a missing value from the rest. */
	while ((opt = getopt_long(argc, argv, ":", audit_options, NULL)) != -1) {
		switch (opt) {
		case OPT_JSON:
			json = true;
			break;
		case OPT_FILE:
			if (path)
				return ctl_misused("--file", optarg, "given twice: give it once");
			if (!*optarg)
				return ctl_misused("--file", optarg, "empty: give it a value");
			path = optarg;
			break;
		default:
			return ctl_misused_option(opt, argv[optind - 1]);
		}
	}
	if (optind < argc)
		return ctl_misused("argument", argv[optind], "not an option: see --help");
	return audit_show(path, json);
}

const struct ctl_command ctl_audit = {
	.name = "audit",
	.help = audit_help,
	.run = audit_run,
};
