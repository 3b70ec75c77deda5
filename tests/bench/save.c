/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save: how long it takes to save a reference, and to write as much into a file of the same
 * directory and have it on the disk, in turn. One JSON object a line.
 *
 *	save SOCKET DIRECTORY TIMES
 */
#include "raw.h"

/* What a database of pages of 4 KiB appends to its log for a row and its indexes. */
#define APPENDED (5 * 4120)

static uint64_t save(int sock)
{
	uint8_t packet[WIRE_PACKET_MAX];
	uint64_t begin = slice_now();
	struct wire_message m;
	struct wire_writer w;
	size_t nfds = 0, len;
	int fd;

	wire_begin(&w, packet, sizeof(packet), WIRE_SAVE, 1, 1, 0);
	raw_send(sock, packet, (size_t)wire_finish(&w), -1);
	len = raw_recv(sock, packet, sizeof(packet), &fd, 1, &nfds);
	if (wire_parse(packet, len, &m) || !wire_has(&m, TAG_URI))
		slice_die("a reference was not saved");
	return slice_now() - begin;
}

static uint64_t append(int file)
{
	static char bytes[APPENDED];
	uint64_t begin = slice_now();

	if (write(file, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes) || fdatasync(file) < 0)
		slice_die("writing");
	return slice_now() - begin;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address;
	uint8_t packet[512];
	struct wire_writer w;
	size_t nfds = 0;
	int sock, fd, file;

	if (argc != 4) {
		fputs("usage: save SOCKET DIRECTORY TIMES\n", stderr);
		return 100;
	}
	raw_address(&address, argv[1]);
	sock = raw_connect(&address, SOCK_SEQPACKET);
	file = open(argv[2], O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	if (file < 0)
		slice_die("a file in %s", argv[2]);
	wire_begin(&w, packet, sizeof(packet), WIRE_FIND, 1, 1, 0);
	wire_put_string(&w, TAG_NAME, RAW_NAME);
	raw_send(sock, packet, (size_t)wire_finish(&w), -1);
	raw_recv(sock, packet, sizeof(packet), &fd, 1, &nfds);
	save(sock);	/* which starts the store */
	for (long times = strtol(argv[3], NULL, 10); times > 0; times--) {
		uint64_t saved = save(sock);

		printf("{\"save_ns\": %llu, \"append_ns\": %llu}\n", (unsigned long long)saved,
		       (unsigned long long)append(file));
	}
	return 0;
}
