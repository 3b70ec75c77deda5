/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revoke: how long a revocation takes, from its request to its reply, with N children below the
 * reference. One JSON object a line.
 *
 *	revoke SOCKET N TIMES
 */
#include <poll.h>

#include "raw.h"

static int sock;

static int ask(const struct wire_writer *w)
{
	struct wire_message m;
	uint8_t buf[512];
	size_t nfds = 0, len;
	int fd;

	raw_send(sock, w->buf, (size_t)wire_finish(w), -1);
	for (;;) {
		len = raw_recv(sock, buf, sizeof(buf), &fd, 1, &nfds);
		if (wire_parse(buf, len, &m))
			slice_die("a malformed reply");
		if (m.head.type == WIRE_REPLY)
			return wire_i32(&m, TAG_ERROR, 0);
	}
}

static void lend(uint32_t ref, uint32_t parent)
{
	uint8_t packet[128];
	struct wire_writer w;

	wire_begin(&w, packet, sizeof(packet), WIRE_LEND, ref, ref, 0);
	if (!parent)
		wire_put_string(&w, TAG_NAME, RAW_NAME);
	else
		wire_put_u64(&w, TAG_PARENT, parent);
	if (ask(&w) < 0)
		slice_die("a reference was not lent");
}

/* BROKEN may follow, which is no part of the revocation. */
static void drain(void)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	uint8_t buf[512];
	size_t nfds = 0;
	int fd;

	while (poll(&p, 1, 20) > 0)
		raw_recv(sock, buf, sizeof(buf), &fd, 1, &nfds);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address;
	uint8_t packet[64];
	struct wire_writer w;
	uint32_t n;

	if (argc != 4) {
		fputs("usage: revoke SOCKET N TIMES\n", stderr);
		return 100;
	}
	raw_address(&address, argv[1]);
	sock = raw_connect(&address, SOCK_SEQPACKET);
	n = (uint32_t)strtoul(argv[2], NULL, 10);
	for (long times = strtol(argv[3], NULL, 10); times > 0; times--) {
		uint64_t begin;

		lend(1, 0);
		for (uint32_t i = 0; i < n; i++)
			lend(2 + i, 1);
		wire_begin(&w, packet, sizeof(packet), WIRE_REVOKE, n + 2, 1, 0);
		begin = slice_now();
		if (ask(&w) < 0)
			slice_die("it was not revoked");
		printf("{\"ns\": %llu}\n", (unsigned long long)(slice_now() - begin));
		drain();
	}
	return 0;
}
