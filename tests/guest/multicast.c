// SPDX-License-Identifier: GPL-2.0
/*
 * Multicast addresses of an interface.
 *
 *	multicast add|del INTERFACE FIRST COUNT
 *
 * Adds or takes away COUNT Ethernet addresses, those that end in FIRST, FIRST + 1 and so on.
 *
 * Exit: 0 done, 1 refused (one line says why), 2 usage.
 */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int multicast_change(unsigned long request, const char *interface, unsigned int number)
{
	/* One socket for all, as long as the program runs. */
	static int fd = -1;
	struct ifreq ifr = { 0 };
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", interface);
	memcpy(ifr.ifr_hwaddr.sa_data, (unsigned char [6]) {
		0x01, 0x00, 0x5e, 0x7f, number >> 8, number
	}, 6);
	if (fd < 0)
		fd = socket(AF_INET, SOCK_DGRAM, 0);
	return ioctl(fd, request, &ifr);
}

int main(int argc, char **argv)
{
	unsigned long request, first, count, i;

	if (argc != 5 || (strcmp(argv[1], "add") && strcmp(argv[1], "del"))) {
		fprintf(stderr, "usage: multicast add|del INTERFACE FIRST COUNT\n");
		return 2;
	}
	request = strcmp(argv[1], "add") ? SIOCDELMULTI : SIOCADDMULTI;
	first = strtoul(argv[3], NULL, 10);
	count = strtoul(argv[4], NULL, 10);
	for (i = first; i < first + count; i++) {
		if (multicast_change(request, argv[2], i)) {
			perror("multicast");
			return 1;
		}
	}
	return 0;
}
