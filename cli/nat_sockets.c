/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The survey of nat_sockets.h: opens, closes, sends and waits as the machine wishes.
 */
#include "nat_sockets.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "../libintro/clock.h"
#include "fd.h"
#include "punch/udp.h"

#define SOCKETS 64u		/* a survey uses fewer */
#define LOCALS 64u

struct runner {
	struct survey *survey;
	struct pollfd polled[SOCKETS];	/* by the survey's numbers; fd -1: closed */
	struct udp_inbox inbox;
	struct udp_outbox outbox;
	struct address locals[LOCALS];
};

static size_t find_locals(struct address locals[static LOCALS])
{
	struct ifaddrs *all, *i;
	size_t n = 0;

	/* without them "no NAT" is not recognized, that is all */
	if (getifaddrs(&all) < 0)
		return 0;
	for (i = all; i && n < LOCALS; i = i->ifa_next) {
		socklen_t len;

		if (!i->ifa_addr)
			continue;
		len = i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) :
							  sizeof(struct sockaddr_in6);
		if (address_from_sockaddr(i->ifa_addr, len, &locals[n]) == 0)
			n++;
	}
	freeifaddrs(all);
	return n;
}

static void open_socket(struct runner *r, const struct output *o)
{
	struct address at = { .family = o->family }, local = { 0 };
	int fd = o->socket < SOCKETS ? udp_open(&at, o->bind, &local) : -EMFILE;

	if (fd >= 0)
		r->polled[o->socket] = (struct pollfd){ .fd = fd, .events = POLLIN };
	survey_opened(r->survey, in_now(), o->socket, &local, fd < 0 ? fd : 0);
}

static void close_socket(struct runner *r, uint16_t socket)
{
	if (socket >= SOCKETS || r->polled[socket].fd < 0)
		return;
	udp_flush(&r->outbox);
	close(r->polled[socket].fd);
	r->polled[socket].fd = -1;
}

static void obey(struct runner *r)
{
	struct output o;

	while (survey_take(r->survey, &o)) {
		if (o.kind == OUTPUT_OPEN)
			open_socket(r, &o);
		else if (o.kind == OUTPUT_CLOSE)
			close_socket(r, o.socket);
		else if (o.kind == OUTPUT_SEND && o.socket < SOCKETS &&
			 r->polled[o.socket].fd >= 0)
			udp_post(&r->outbox, r->polled[o.socket].fd, &o.to, o.ttl, NULL, 0,
				 o.bytes, o.len);
	}
	udp_flush(&r->outbox);
}

static int hear(struct runner *r, uint16_t socket)
{
	int error = udp_receive(r->polled[socket].fd, &r->inbox);

	for (size_t i = 0; error == 0 && i < r->inbox.n; i++) {
		const struct udp_received *got = &r->inbox.got[i];

		survey_datagram(r->survey, in_now(), socket, &got->from, got->bytes, got->len);
	}
	return error;
}

static int wait_for(struct runner *r)
{
	uint64_t left = in_left(survey_deadline(r->survey));
	int error = 0;

	/* rounded up: not to wake before the deadline, again and again */
	if (poll(r->polled, SOCKETS, (int)(left / 1000 + (left % 1000 != 0))) < 0 &&
	    errno != EINTR)
		return -errno;
	for (uint16_t i = 0; i < SOCKETS && error == 0; i++) {
		if (r->polled[i].fd >= 0 && r->polled[i].revents)
			error = hear(r, i);
	}
	survey_timer(r->survey, in_now());
	return error;
}

int nat_survey(struct survey_config *config, struct nat *ret)
{
	_cleanup_free_ struct runner *r = calloc(1, sizeof *r);
	struct nat nat;
	int error;

	if (!r)
		return -ENOMEM;
	r->outbox.fd = -1;
	for (size_t i = 0; i < SOCKETS; i++)
		r->polled[i].fd = -1;
	config->locals = r->locals;
	config->locals_n = find_locals(r->locals);
	if (getrandom(config->seed, sizeof config->seed, 0) != sizeof config->seed)
		return -EIO;
	error = survey_new(&r->survey, config, in_now());
	if (error < 0)
		return error;
	obey(r);
	while (!survey_result(r->survey, &nat) && error == 0) {
		error = wait_for(r);
		obey(r);
	}
	for (uint16_t i = 0; i < SOCKETS; i++)
		close_socket(r, i);
	survey_free(r->survey);
	if (error == 0)
		*ret = nat;
	return error;
}
