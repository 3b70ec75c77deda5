/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revoke: how long a revocation takes, from its request to its reply, with N children below the
 * reference, or N live sessions that it cuts. One JSON object a line.
 *
 *	revoke SOCKET N TIMES
 *	revoke --leash SOCKET N TIMES		by a door that is open
 */
#include <poll.h>
#include <stdbool.h>

#include "raw.h"

#define LEASHED "leashed"

static int sock;

/* The reply to a request; what it brings is *ret_fd. */
static int ask_fd(const struct wire_writer *w, int *ret_fd)
{
	struct wire_message m;
	uint8_t buf[512];

	raw_send(sock, w->buf, (size_t)wire_finish(w), -1);
	for (;;) {
		size_t nfds = 0, len = raw_recv(sock, buf, sizeof(buf), ret_fd, 1, &nfds);

		if (wire_parse(buf, len, &m))
			slice_die("a malformed reply");
		if (m.head.type == WIRE_REPLY)
			return wire_i32(&m, TAG_ERROR, 0);
	}
}

static int ask(const struct wire_writer *w)
{
	int fd;

	return ask_fd(w, &fd);
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

static void revoke_timed(void)
{
	uint8_t packet[64];
	struct wire_writer w;
	uint64_t begin = slice_now();

	wire_begin(&w, packet, sizeof(packet), WIRE_REVOKE, 1, 1, 0);
	if (ask(&w) < 0)
		slice_die("it was not revoked");
	printf("{\"ns\": %llu}\n", (unsigned long long)(slice_now() - begin));
}

static void with_children(uint32_t n)
{
	lend(1, 0);
	for (uint32_t i = 0; i < n; i++)
		lend(2 + i, 1);
	revoke_timed();
	drain();
}

/* ---- with a leash ---- */

static void serve(int service)
{
	uint8_t packet[128];
	size_t nfds = 0;
	struct wire_writer w;
	int fd;

	wire_begin(&w, packet, sizeof(packet), WIRE_SERVE, 1, 1, 0);
	wire_put_string(&w, TAG_NAME, LEASHED);
	wire_put_u32(&w, TAG_LEASH, 1);
	raw_send(service, packet, (size_t)wire_finish(&w), -1);
	raw_recv(service, packet, sizeof(packet), &fd, 1, &nfds);
}

static void with_sessions(int service, uint32_t n)
{
	int *ends = calloc(n, 2 * sizeof(*ends));
	uint8_t packet[512];
	struct wire_writer w;

	wire_begin(&w, packet, sizeof(packet), WIRE_LEND, 1, 1, 0);
	wire_put_string(&w, TAG_NAME, LEASHED);
	wire_put_u32(&w, TAG_LEASH, 1);
	if (!ends || ask(&w) < 0)
		slice_die("no reference with a leash");
	for (uint32_t i = 0; i < n; i++) {
		size_t nfds = 0;

		wire_begin(&w, packet, sizeof(packet), WIRE_CONNECT, 2, 1, 0);
		if (ask_fd(&w, &ends[i]) < 0)
			slice_die("a session was refused");
		raw_recv(service, packet, sizeof(packet), &ends[n + i], 1, &nfds);
	}
	revoke_timed();
	for (uint32_t i = 0; i < 2 * n; i++) {
		struct pollfd p = { .fd = ends[i] };

		if (poll(&p, 1, 0) != 1 || !(p.revents & POLLHUP))
			slice_die("a session was not cut");
		close(ends[i]);
	}
	free(ends);
	drain();
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct sockaddr_un address;
	bool leash = argc > 1 && !strcmp(argv[1], "--leash");
	int service = -1;
	uint32_t n;

	argv += leash, argc -= leash;
	if (argc != 4) {
		fputs("usage: revoke [--leash] SOCKET N TIMES\n", stderr);
		return 100;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	raw_address(&address, argv[1]);
	sock = raw_connect(&address, SOCK_SEQPACKET);
	n = (uint32_t)strtoul(argv[2], NULL, 10);
	if (leash) {
		service = raw_connect(&address, SOCK_SEQPACKET);
		serve(service);
	}
	for (long times = strtol(argv[3], NULL, 10); times > 0; times--) {
		if (leash)
			with_sessions(service, n);
		else
			with_children(n);
	}
	return 0;
}
