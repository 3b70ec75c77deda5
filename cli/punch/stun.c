/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The role stun: a STUN server with behaviour discovery, on one or two addresses and two ports.
 * What is answered is decided in the engine (stun_server.h).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include "../../libintro/punch/stun_server.h"
#include "../fd.h"
#include "roles.h"
#include "udp.h"

#define SOCKETS 4u	/* two IPs with two ports each */

struct server {
	struct stun_server stun;
	int fds[SOCKETS];	/* [ip * 2 + port]; -1: none */
	struct udp_inbox inbox;
	struct udp_outbox outbox;
};

static const char *const help_text =
	"Usage: punch stun --listen IP[,IP] [--port PORT] [--alternate-port PORT]\n"
	"\n"
	"Tells whoever asks under which address it is seen (STUN, RFC 8489). With two addresses\n"
	"of this host it also helps to find out what a NAT is like (RFC 5780): it can answer from\n"
	"an address that the asker has not sent to.\n"
	"\n"
	"  punch stun --listen 203.0.113.5,203.0.113.6\n"
	"  intro nat --server 203.0.113.5               asks it\n"
	"\n"
	"  --listen IP[,IP]         addresses of this host, of one family\n"
	"  --port PORT              (3478)\n"
	"  --alternate-port PORT    the other port (the first one plus 1)\n"
	"\n"
	"No answer is longer than three times its request. Ends at SIGTERM or SIGINT.\n";

static int parse_port(const char *text, uint16_t *ret)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

/* "IP" or "IP,IP": the primary one, and the other (family 0: none). */
static int parse_listen(char *text, struct address ret[static 2])
{
	char *second = strchr(text, ',');

	if (second)
		*second++ = '\0';
	if (address_parse(text, 0, &ret[0]) < 0 || ret[0].port != 0 ||
	    (second && (address_parse(second, 0, &ret[1]) < 0 || ret[1].port != 0)))
		return -EINVAL;
	if (second && (ret[0].family != ret[1].family || address_same_ip(&ret[0], &ret[1])))
		return -EINVAL;
	return 0;
}

static void place(struct stun_server *s, const struct address ips[static 2], uint16_t port,
		  uint16_t alternate)
{
	for (unsigned int i = 0; i < SOCKETS; i++) {
		s->at[i / 2][i % 2] = ips[i / 2];
		if (ips[i / 2].family)
			s->at[i / 2][i % 2].port = i % 2 ? alternate : port;
	}
}

static int parse(int argc, char **argv, struct stun_server *ret)
{
	enum { OPT_LISTEN = 256, OPT_PORT, OPT_ALTERNATE };
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "listen", required_argument, NULL, OPT_LISTEN },
		{ "port", required_argument, NULL, OPT_PORT },
		{ "alternate-port", required_argument, NULL, OPT_ALTERNATE },
		{ 0 },
	};
	struct address ips[2] = { 0 };
	uint16_t port = STUN_PORT, alternate = 0;
	int c;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h')
			return help(help_text) == CODE_OK ? -1 : CODE_FAILED;
		if (c < OPT_LISTEN)
			return option_error("stun", c, argv);
		if (c == OPT_LISTEN && parse_listen(optarg, ips) < 0)
			return usage_error("stun", "--listen %s: not IP[,IP], two of one family",
					   optarg);
		if (c == OPT_PORT && parse_port(optarg, &port) < 0)
			return usage_error("stun", "--port %s: not a port", optarg);
		if (c == OPT_ALTERNATE && parse_port(optarg, &alternate) < 0)
			return usage_error("stun", "--alternate-port %s: not a port", optarg);
	}
	if (optind < argc)
		return usage_error("stun", "%s: what is this?", argv[optind]);
	if (ips[0].family == 0)
		return usage_error("stun", "--listen is missing: at which address?");
	if (alternate == 0)
		alternate = port < UINT16_MAX ? (uint16_t)(port + 1) : (uint16_t)(port - 1);
	if (alternate == port)
		return usage_error("stun", "--alternate-port is the port itself");
	place(ret, ips, port, alternate);
	return CODE_OK;
}

static void answer(struct server *s, unsigned int i)
{
	struct stun_answer a;

	if (udp_receive(s->fds[i], &s->inbox) < 0)
		return;
	for (size_t k = 0; k < s->inbox.n; k++) {
		const struct udp_received *got = &s->inbox.got[k];

		if (stun_server_answer(&s->stun, i / 2, i % 2, &got->from, got->bytes, got->len, &a))
			udp_post(&s->outbox, s->fds[a.ip * 2 + a.port], &a.to, 0, NULL, 0, a.bytes,
				 a.len);
	}
	udp_flush(&s->outbox);
}

static int serve(struct server *s, int stop)
{
	struct pollfd polled[SOCKETS + 1];

	for (;;) {
		for (unsigned int i = 0; i < SOCKETS; i++)
			polled[i] = (struct pollfd){ .fd = s->fds[i], .events = POLLIN };
		polled[SOCKETS] = (struct pollfd){ .fd = stop, .events = POLLIN };
		if (poll(polled, SOCKETS + 1, -1) < 0 && errno != EINTR)
			return failed(-errno, "poll");
		if (polled[SOCKETS].revents)
			return CODE_OK;
		for (unsigned int i = 0; i < SOCKETS; i++) {
			if (polled[i].revents)
				answer(s, i);
		}
	}
}

static int open_all(struct server *s)
{
	char text[ADDRESS_TEXT_BYTES];

	for (unsigned int i = 0; i < SOCKETS; i++) {
		const struct address *at = &s->stun.at[i / 2][i % 2];

		if (at->family == 0)
			continue;
		s->fds[i] = udp_open(at, OUTPUT_BIND_ANY, NULL);
		if (s->fds[i] < 0)
			return failed(s->fds[i], "%s", address_format(at, text));
	}
	complain("answering at %s", address_format(&s->stun.at[0][0], text));
	return CODE_OK;
}

int punch_stun(int argc, char **argv)
{
	static struct server s = { .fds = { -1, -1, -1, -1 }, .outbox.fd = -1 };
	_cleanup_close_ int stop = -1;
	sigset_t set;
	int r = parse(argc, argv, &s.stun);

	if (r != CODE_OK)
		return r < 0 ? CODE_OK : r;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	stop = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (stop < 0)
		return failed(-errno, "signals");
	r = open_all(&s);
	if (r == CODE_OK)
		r = serve(&s, stop);
	for (unsigned int i = 0; i < SOCKETS; i++) {
		if (s.fds[i] >= 0)
			close(s.fds[i]);
	}
	return r;
}
