/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a client that means ill, while others are measured.
 *
 *	attack [-c CPU] stall SOCKET		one connection that asks to be introduced as often as
 *						its socket takes it, and never reads an answer
 *	attack [-c CPU] idle SOCKET COUNT	so many connections that say nothing
 *
 * On standard input "on" and "off", a line each; answered by a line with the number of
 * connections it has open, once that is done. A stalling client goes on asking while it
 * is on.
 */
#include <poll.h>

#include "cpu.h"
#include "raw.h"

struct attack {
	struct sockaddr_un address;
	bool stall, on;
	size_t count, open;
	int *sock;
	uint8_t packet[128];
	size_t len;
};

static void packet_make(struct attack *a)
{
	struct wire_writer w;

	wire_begin(&w, a->packet, sizeof(a->packet), WIRE_CONNECT, 0, 0, 0);
	wire_put_string(&w, TAG_NAME, RAW_NAME);
	wire_put_u32(&w, TAG_SOCKTYPE, SOCK_STREAM);
	a->len = (size_t)wire_finish(&w);
}

static void attack_start(struct attack *a)
{
	while (a->open < a->count) {
		int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (sock < 0)
			slice_die("socket");
		if (connect(sock, (struct sockaddr *)&a->address, sizeof(a->address)) < 0) {
			/* a full backlog, or a broker that refuses: that is its good right */
			close(sock);
			break;
		}
		a->sock[a->open++] = sock;
	}
	a->on = true;
}

static void attack_stop(struct attack *a)
{
	while (a->open > 0)
		close(a->sock[--a->open]);
	a->on = false;
}

/* Ask until the socket takes no more. A broker may cut us off: then come back. */
static void ask(struct attack *a)
{
	while (send(a->sock[0], a->packet, a->len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		;
	if (errno != EAGAIN) {
		attack_stop(a);
		attack_start(a);
	}
}

static bool command(struct attack *a)
{
	char line[16];

	if (!fgets(line, sizeof(line), stdin))
		return false;
	if (!strcmp(line, "on\n"))
		attack_start(a);
	else
		attack_stop(a);
	if (a->on && a->stall && a->open > 0)
		ask(a);
	printf("%zu\n", a->open);
	fflush(stdout);
	return true;
}

static bool options_read(struct attack *a, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "+c:")) != -1)
		if (opt != 'c' || cpu_pin((int)strtol(optarg, NULL, 10)) < 0)
			return false;
	argc -= optind;
	argv += optind;
	if (argc < 2)
		return false;
	raw_address(&a->address, argv[1]);
	a->stall = !strcmp(argv[0], "stall");
	a->count = a->stall ? 1 : argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	return a->count > 0;
}

int main(int argc, char **argv)
{
	struct attack a = { 0 };
	struct pollfd pfd[2] = { { .fd = STDIN_FILENO, .events = POLLIN } };

	if (!options_read(&a, argc, argv)) {
		fputs("usage: attack [-c CPU] stall SOCKET | idle SOCKET COUNT\n", stderr);
		return 100;
	}
	raw_files_raise();
	packet_make(&a);
	a.sock = calloc(a.count, sizeof(int));
	if (!a.sock)
		slice_die("calloc");
	setbuf(stdin, NULL); /* poll() must see what fgets() has not read */
	for (;;) {
		bool asking = a.on && a.stall && a.open > 0;

		pfd[1] = (struct pollfd){ .fd = asking ? a.sock[0] : -1, .events = POLLOUT };
		if (poll(pfd, 2, -1) < 0)
			slice_die("poll");
		if (asking && pfd[1].revents)
			ask(&a);
		if (pfd[0].revents && !command(&a))
			return 0;
	}
}
