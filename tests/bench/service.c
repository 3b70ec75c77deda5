/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service: serves names by raw packets of the wire protocol and closes what it is
 * introduced to. Started by load.
 *
 *	service [-n NAMES] [-c CONNECTIONS] [-b BATCH] SOCKET
 *	service --hold SOCKET		deposits a descriptor under the first name, and waits
 *
 * Name i is served on connection i % CONNECTIONS. One connection is read by blocking
 * calls, several by epoll.
 */
#include <sys/epoll.h>

#include "raw.h"

#define EVENTS_MAX 64

struct service {
	struct slice *slice;
	uint32_t names, connections, batch;
	bool hold;
	int *sock;
};

/* One packet: an INCOMING, or a BATCH of them. */
static void take(struct service *s, int sock)
{
	uint8_t buf[WIRE_PACKET_MAX];
	int fds[WIRE_BATCH_MAX];
	size_t nfds = 0;

	raw_recv(sock, buf, sizeof(buf), fds, s->batch, &nfds);
	if (nfds == 0 || (buf[2] != WIRE_INCOMING && buf[2] != WIRE_BATCH)) {
		errno = 0;
		slice_die("message %u with %zu descriptors came instead of an introduction",
			  buf[2], nfds);
	}
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	slice_received(s->slice, nfds);
}

static void serve(const struct service *s, uint32_t number)
{
	char name[] = RAW_NAME;
	struct wire_writer w;
	uint8_t buf[128];

	raw_name_number(name, number);
	wire_begin(&w, buf, sizeof(buf), WIRE_SERVE, 1, number / s->connections + 1, 0);
	wire_put_string(&w, TAG_NAME, name);
	wire_put_u32(&w, TAG_WAY, WAY_PAIR);
	if (s->batch > 1)
		wire_put_u32(&w, TAG_BATCH, s->batch);
	raw_call(s->sock[number % s->connections], buf, (size_t)wire_finish(&w), -1);
}

static void deposit(int sock)
{
	struct wire_writer w;
	uint8_t buf[128];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		slice_die("socketpair");
	wire_begin(&w, buf, sizeof(buf), WIRE_ALLOW, 1, 0, 0);
	raw_call(sock, buf, (size_t)wire_finish(&w), -1);
	wire_begin(&w, buf, sizeof(buf), WIRE_HOLD, 2, 0, 1);
	wire_put_string(&w, TAG_NAME, RAW_NAME);
	raw_call(sock, buf, (size_t)wire_finish(&w), pair[0]);
	close(pair[0]);
}

__attribute__((noreturn))
static void loop_many(struct service *s)
{
	struct epoll_event ev[EVENTS_MAX];
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (uint32_t i = 0; i < s->connections; i++) {
		struct epoll_event add = { .events = EPOLLIN, .data.fd = s->sock[i] };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->sock[i], &add) < 0)
			slice_die("epoll_ctl");
	}
	for (;;) {
		int n = epoll_wait(epoll, ev, EVENTS_MAX, -1);

		for (int i = 0; i < n; i++)
			take(s, ev[i].data.fd);
	}
}

__attribute__((noreturn))
static void loop(struct service *s)
{
	for (uint32_t i = 0; i < s->names && !s->hold; i++)
		serve(s, i);
	if (s->hold)
		deposit(s->sock[0]);
	atomic_store(&s->slice->counting, !s->hold);
	slice_ready(s->slice);
	if (s->hold)
		for (;;)
			pause();
	if (s->connections > 1)
		loop_many(s);
	for (;;)
		take(s, s->sock[0]);
}

static const char *options_read(struct service *s, int argc, char **argv)
{
	int opt;

	if (argc == 3 && !strcmp(argv[1], "--hold")) {
		s->hold = true;
		return argv[2];
	}
	while ((opt = getopt(argc, argv, "n:c:b:")) != -1) {
		uint32_t value = optarg ? (uint32_t)strtoul(optarg, NULL, 10) : 0;

		if (opt == 'n' && value > 0 && value <= RAW_NAMES_MAX)
			s->names = value;
		else if (opt == 'c' && value > 0)
			s->connections = value;
		else if (opt == 'b' && value > 0 && value <= WIRE_BATCH_MAX)
			s->batch = value;
		else
			return NULL;
	}
	return argc == optind + 1 && s->connections <= s->names ? argv[optind] : NULL;
}

int main(int argc, char **argv)
{
	struct service s = { .names = 1, .connections = 1, .batch = 1 };
	const char *path = options_read(&s, argc, argv);
	struct sockaddr_un address;

	if (!path) {
		fputs("usage: service [-n NAMES] [-c CONNECTIONS] [-b BATCH] SOCKET\n"
		      "       service --hold SOCKET\n", stderr);
		return 100;
	}
	raw_files_raise();
	s.slice = slice_map();
	s.sock = calloc(s.connections, sizeof(int));
	if (!s.sock)
		slice_die("calloc");
	raw_address(&address, path);
	for (uint32_t i = 0; i < s.connections; i++)
		s.sock[i] = raw_connect(&address, SOCK_SEQPACKET);
	loop(&s);
}
