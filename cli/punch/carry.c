/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets, the timer and the queue of carry.h.
 */
#include "carry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "../fd.h"
#include "udp.h"

#define EVENTS 64			/* looked at in one step */
#define BATCHES 4u			/* read from one socket before the others have their turn */
#define TIMER_KEY UINT64_MAX

/* The sockets of one number: of IPv4 and of IPv6. The main one may have both. */
struct slot {
	int fd[2];
	uint16_t port;
};

struct carry {
	int epoll, timer;
	struct carry_machine machine;
	bool begun;
	struct slot *slots;
	size_t slots_n;
	uint64_t armed_us;
	struct output_queue said;
	struct udp_outbox outbox;
	struct udp_inbox inbox;
};

uint64_t carry_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int carry_new(struct carry **ret)
{
	struct carry *c = calloc(1, sizeof *c);
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = TIMER_KEY };

	if (!c)
		return -ENOMEM;
	c->outbox.fd = -1;
	c->armed_us = UINT64_MAX;
	c->timer = -1;
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll >= 0)
		c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->timer < 0 || epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->timer, &event) < 0) {
		int error = -errno;

		carry_free(c);
		return error;
	}
	*ret = c;
	return 0;
}

void carry_free(struct carry *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->slots_n; i++) {
		closep(&c->slots[i].fd[0]);
		closep(&c->slots[i].fd[1]);
	}
	free(c->slots);
	closep(&c->timer);
	closep(&c->epoll);
	output_free(&c->said);
	free(c);
}

int carry_fd(const struct carry *c)
{
	return c->epoll;
}

/* ---- sockets by number ---- */

static unsigned int family_index(uint8_t family)
{
	return family == 6;
}

static int slot_make(struct carry *c, uint16_t number)
{
	size_t n = c->slots_n ? c->slots_n : 16;
	struct slot *slots;

	if (number < c->slots_n)
		return 0;
	while (n <= number)
		n *= 2;
	slots = realloc(c->slots, n * sizeof *slots);
	if (!slots)
		return -ENOMEM;
	for (size_t i = c->slots_n; i < n; i++)
		slots[i] = (struct slot){ { -1, -1 }, 0 };
	c->slots = slots;
	c->slots_n = n;
	return 0;
}

static int slot_fd(const struct carry *c, uint16_t number, uint8_t family)
{
	return number < c->slots_n ? c->slots[number].fd[family_index(family)] : -1;
}

static int slot_open(struct carry *c, uint16_t number, const struct address *at,
		     enum output_bind bind, struct address *ret_local)
{
	unsigned int index = family_index(at->family);
	struct address local;
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u64 = (uint64_t)number << 1 | index,
	};
	_cleanup_close_ int fd = -1;
	int r = slot_make(c, number);

	if (r < 0)
		return r;
	if (c->slots[number].fd[index] >= 0)
		return -EEXIST;
	fd = udp_open(at, bind, &local);
	if (fd < 0)
		return fd;
	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	c->slots[number].fd[index] = fd_steal(&fd);
	c->slots[number].port = local.port;
	*ret_local = local;
	return 0;
}

static void slot_close(struct carry *c, uint16_t number)
{
	if (number >= c->slots_n)
		return;
	udp_flush(&c->outbox);
	for (unsigned int i = 0; i < 2; i++) {
		closep(&c->slots[number].fd[i]);
		c->slots[number].fd[i] = -1;
	}
	c->slots[number].port = 0;
}

static bool is_family_missing(int error)
{
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}

int carry_open_main(struct carry *c, bool v4, bool v6, uint16_t port)
{
	struct address at = { .port = port }, local = { 0 };
	/* a port that is free for IPv4 may be taken for IPv6: then another one is tried */
	unsigned int tries = port == 0 && v4 && v6 ? 16 : 1;
	int r = -EINVAL;

	while (tries-- > 0) {
		at.port = port;
		if (v4) {
			at.family = 4;
			r = slot_open(c, 0, &at, OUTPUT_BIND_ANY, &local);
			if (r < 0)
				return r;
			at.port = local.port;
		}
		if (v6) {
			at.family = 6;
			r = slot_open(c, 0, &at, OUTPUT_BIND_ANY, &local);
			if (r < 0 && v4 && is_family_missing(r))
				r = 0;
		}
		if (r == 0)
			return 0;
		slot_close(c, 0);
		if (r != -EADDRINUSE)
			return r;
	}
	return r;
}

/* ---- what the machine wants ---- */

static void open_one(struct carry *c, const struct output *o)
{
	struct address at = { .family = o->family }, local = { 0 };
	int r = slot_open(c, o->socket, &at, o->bind, &local);

	c->machine.opened(c->machine.it, carry_now_us(), o->socket, &local, r);
}

static void do_outputs(struct carry *c)
{
	struct output o;
	int fd;

	while (c->machine.take(c->machine.it, &o)) {
		switch (o.kind) {
		case OUTPUT_SEND:
			fd = slot_fd(c, o.socket, o.to.family);
			if (fd >= 0)
				udp_post(&c->outbox, fd, &o.to, o.ttl, NULL, 0, o.bytes, o.len);
			break;
		case OUTPUT_OPEN:
			open_one(c, &o);
			break;
		case OUTPUT_CLOSE:
			slot_close(c, o.socket);
			break;
		case OUTPUT_SIGNAL:
		case OUTPUT_EVENT:
			output_put(&c->said, &o);
			break;
		}
	}
}

/* An absolute time of zero would disarm the timer. */
static void arm(struct carry *c)
{
	uint64_t due_us = c->machine.deadline(c->machine.it);
	struct itimerspec when = { 0 };

	if (due_us == c->armed_us)
		return;
	c->armed_us = due_us;
	if (due_us != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(due_us / 1000000);
		when.it_value.tv_nsec = (long)(due_us % 1000000) * 1000;
		if (due_us == 0)
			when.it_value.tv_nsec = 1;
	}
	timerfd_settime(c->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

void carry_out(struct carry *c)
{
	if (c->begun)
		do_outputs(c);
	udp_flush(&c->outbox);
	if (c->begun)
		arm(c);
}

void carry_begin(struct carry *c, const struct carry_machine *machine)
{
	c->machine = *machine;
	c->begun = true;
	carry_out(c);
}

bool carry_take(struct carry *c, struct output *ret)
{
	return output_take(&c->said, ret);
}

void carry_send(struct carry *c, uint16_t socket, const struct address *to, const void *header,
		size_t header_len, const void *bytes, size_t len)
{
	int fd = slot_fd(c, socket, to->family);

	if (fd >= 0)
		udp_post(&c->outbox, fd, to, 0, header, header_len, bytes, len);
}

uint16_t carry_port(const struct carry *c, uint16_t socket)
{
	return socket < c->slots_n ? c->slots[socket].port : 0;
}

void carry_count(const struct carry *c, uint64_t *ret_sent, uint64_t *ret_lost)
{
	*ret_sent = c->outbox.sent;
	*ret_lost = c->outbox.lost;
}

/* ---- what comes in ---- */

static int receive(struct carry *c, uint16_t number, unsigned int index)
{
	for (unsigned int batch = 0; batch < BATCHES; batch++) {
		/* the machine may close it between two datagrams */
		int fd = number < c->slots_n ? c->slots[number].fd[index] : -1;
		int r = fd >= 0 ? udp_receive(fd, &c->inbox) : 0;

		if (fd < 0 || r < 0 || c->inbox.n == 0)
			return r;
		for (size_t i = 0; i < c->inbox.n; i++) {
			const struct udp_received *got = &c->inbox.got[i];

			if (c->begun) {
				c->machine.datagram(c->machine.it, carry_now_us(), number,
						    &got->from, got->bytes, got->len);
				do_outputs(c);
			}
		}
	}
	return 0;
}

static void timer_fired(struct carry *c)
{
	uint64_t times;

	if (read(c->timer, &times, sizeof times) != sizeof times)
		return;
	c->armed_us = UINT64_MAX;
	if (!c->begun)
		return;
	c->machine.timer(c->machine.it, carry_now_us());
	do_outputs(c);
}

int carry_step(struct carry *c)
{
	struct epoll_event events[EVENTS];
	int n, r = 0;

	n = epoll_wait(c->epoll, events, EVENTS, 0);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n && r == 0; i++) {
		uint64_t key = events[i].data.u64;

		if (key == TIMER_KEY)
			timer_fired(c);
		else
			r = receive(c, (uint16_t)(key >> 1), key & 1);
	}
	carry_out(c);
	return r;
}
