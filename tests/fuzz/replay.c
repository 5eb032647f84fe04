// SPDX-License-Identifier: GPL-2.0
/*
 * In place of libFuzzer: gives a target the files of its corpus, one after the other, and
 * does nothing else. To measure what the corpora reach with the compiler's own means, and
 * to look at one input in a debugger.
 *
 *	TARGET FILE|DIRECTORY...
 */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MOST	(1u << 20)

static unsigned int replayed;

static void replay_file(const char *path)
{
	static u8 buf[INPUT_MOST];
	FILE *f = fopen(path, "rb");
	size_t size;
	u8 *input;

	if (!f) {
		perror(path);
		exit(1);
	}
	size = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	/* To the byte, as libFuzzer does it. */
	input = fuzz_alloc(size);
	memcpy(input, buf, size);
	LLVMFuzzerTestOneInput(input, size);
	free(input);
	replayed++;
}

static void replay_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (!dir) {
		perror(path);
		exit(1);
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		replay_file(name);
	}
	closedir(dir);
}

int main(int argc, char **argv)
{
	struct stat st;
	int i;

	for (i = 1; i < argc; i++) {
		if (!stat(argv[i], &st) && S_ISDIR(st.st_mode))
			replay_directory(argv[i]);
		else
			replay_file(argv[i]);
	}
	printf("%u inputs\n", replayed);
	return !replayed;
}
