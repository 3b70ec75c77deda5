/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet's way through the box: box_way.h.
 */
#include "box_way.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ip.h"
#include "waiting.h"

enum {
	BATCH = 64,		/* packets of one port at a time */
};

enum stage {
	IN_THE_MIDDLE,		/* the next link is the one down */
	AT_THE_END,		/* the next is the NAT, or the port itself */
};

struct way {
	const struct box_config *config;
	struct box_counters *counters;
	struct sim_nat *nats[BOX_NATS_MAX];
	struct sim_link nat_up[BOX_NATS_MAX], nat_down[BOX_NATS_MAX];
	struct sim_link port_up[BOX_PORTS_MAX], port_down[BOX_PORTS_MAX];
	struct waiting *waiting;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void count(struct way *w, enum sim_verdict verdict)
{
	atomic_fetch_add_explicit(&w->counters->verdicts[verdict], 1, memory_order_relaxed);
}

/* ---- where to ---- */

/* The port that an address is behind, for who is behind that NAT (-1: in the middle); -1. */
static int port_of(const struct way *w, int nat, const struct address *to)
{
	for (size_t i = 0; i < w->config->routes_n; i++) {
		const struct box_route *r = &w->config->routes[i];

		if ((to->family == 6 || w->config->ports[r->port].nat == nat) &&
		    address_within(to, &r->net, r->bits))
			return (int)r->port;
	}
	return -1;
}

static int nat_of(const struct way *w, const struct address *to)
{
	for (size_t i = 0; i < w->config->nats_n; i++)
		if (sim_nat_owns(w->nats[i], to))
			return (int)i;
	return -1;
}

static void deliver(struct way *w, int port, const struct sim_packet *p)
{
	uint8_t out[IP_BYTES_MAX];
	size_t len;

	if (port < 0) {
		count(w, SIM_DROP_ROUTE);
		return;
	}
	len = ip_write(p, out);
	count(w, write(w->config->ports[port].tun, out, len) == (ssize_t)len ? SIM_DELIVERED
									    : SIM_DROP_QUEUE);
}

static void pass(struct way *w, struct sim_link *link, const struct sim_packet *p,
		 enum stage next, uint64_t now)
{
	struct sim_passage passage;

	sim_link_send(link, now, p, &passage);
	if (passage.verdict != SIM_FORWARD)
		count(w, passage.verdict);
	else
		for (unsigned int i = 0; i < passage.n; i++)
			if (!waiting_put(w->waiting, p, (int)next, passage.at_us[i]))
				count(w, SIM_DROP_QUEUE);
}

/* Out of a port and its NAT, into the link up. */
static void depart(struct way *w, unsigned int port, struct sim_packet *p, uint64_t now)
{
	int nat = p->src.family == 6 ? -1 : w->config->ports[port].nat;
	int near = nat < 0 ? -1 : port_of(w, nat, &p->dst);
	enum sim_verdict verdict;

	if (near >= 0) {
		deliver(w, near, p);
		return;
	}
	verdict = nat < 0 ? SIM_FORWARD : sim_nat_out(w->nats[nat], now, p);
	if (verdict == SIM_HAIRPIN)
		deliver(w, port_of(w, nat, &p->dst), p);
	else if (verdict != SIM_FORWARD)
		count(w, verdict);
	else
		pass(w, nat < 0 ? &w->port_up[port] : &w->nat_up[nat], p, IN_THE_MIDDLE, now);
}

/* To who sent it, unasked: a NAT's own customers have no tunnel for this. */
static void say_expired(struct way *w, const struct sim_packet *p)
{
	int port = port_of(w, -1, &p->src);
	uint8_t out[IP_BYTES_MAX];
	size_t len;

	if (port < 0 || w->config->router.family == 0)
		return;
	len = ip_write_expired(p, &w->config->router, out);
	if (len > 0 && write(w->config->ports[port].tun, out, len) < 0)
		count(w, SIM_DROP_QUEUE);
}

static void cross(struct way *w, struct sim_packet *p, uint64_t now)
{
	int nat = nat_of(w, &p->dst), port = nat < 0 ? port_of(w, -1, &p->dst) : -1;

	if (p->ttl <= w->config->hops) {
		count(w, SIM_DROP_TTL);
		say_expired(w, p);
		return;
	}
	p->ttl = (uint8_t)(p->ttl - w->config->hops);
	if (nat >= 0)
		pass(w, &w->nat_down[nat], p, AT_THE_END, now);
	else if (port >= 0)
		pass(w, &w->port_down[port], p, AT_THE_END, now);
	else
		count(w, SIM_DROP_ROUTE);
}

static void arrive(struct way *w, struct sim_packet *p, uint64_t now)
{
	int nat = nat_of(w, &p->dst);
	enum sim_verdict verdict = nat < 0 ? SIM_FORWARD : sim_nat_in(w->nats[nat], now, p);

	if (verdict == SIM_FORWARD)
		deliver(w, port_of(w, nat, &p->dst), p);
	else
		count(w, verdict);
}

static void let_through(struct way *w, uint64_t now)
{
	uint64_t due;

	while ((due = waiting_due(w->waiting)) <= now) {
		struct sim_packet p;

		if (now - due > atomic_load(&w->counters->late_us))
			atomic_store(&w->counters->late_us, now - due);
		if (waiting_take(w->waiting, &p) == IN_THE_MIDDLE)
			cross(w, &p, due);
		else
			arrive(w, &p, now);
	}
}

static void read_port(struct way *w, unsigned int port)
{
	uint8_t in[2048];
	struct sim_packet p;

	for (int i = 0; i < BATCH; i++) {
		ssize_t n = read(w->config->ports[port].tun, in, sizeof in);

		if (n <= 0)
			return;
		atomic_fetch_add(&w->counters->read, 1);
		if (ip_read(in, (size_t)n, &p) < 0)
			atomic_fetch_add(&w->counters->strange, 1);
		else
			depart(w, port, &p, now_us());
	}
}

/* Whether it is to go on. */
static bool obey(struct way *w, int control)
{
	uint8_t nat;

	if (recv(control, &nat, 1, 0) != 1)
		return false;
	if (nat < w->config->nats_n)
		sim_nat_reboot(w->nats[nat], NULL);
	return send(control, &nat, 1, MSG_NOSIGNAL) == 1;
}

static bool begin(struct way *w)
{
	w->waiting = waiting_new();
	if (!w->waiting)
		return false;
	for (size_t i = 0; i < w->config->nats_n; i++) {
		w->nats[i] = sim_nat_new(&w->config->nats[i].config);
		sim_link_init(&w->nat_up[i], &w->config->nats[i].up);
		sim_link_init(&w->nat_down[i], &w->config->nats[i].down);
	}
	for (size_t i = 0; i < w->config->ports_n; i++) {
		sim_link_init(&w->port_up[i], &w->config->ports[i].up);
		sim_link_init(&w->port_down[i], &w->config->ports[i].down);
	}
	return true;
}

void box_way(const struct box_config *config, struct box_counters *counters, int control)
{
	struct way w = { .config = config, .counters = counters };
	struct pollfd polled[BOX_PORTS_MAX + 1];
	size_t n = config->ports_n;
	bool on = begin(&w);

	for (size_t i = 0; i < n; i++)
		polled[i] = (struct pollfd){ .fd = config->ports[i].tun, .events = POLLIN };
	polled[n] = (struct pollfd){ .fd = control, .events = POLLIN };
	while (on) {
		uint64_t now = now_us(), left = UINT64_MAX;
		struct timespec t;

		let_through(&w, now);
		if (waiting_due(w.waiting) != UINT64_MAX)
			left = waiting_due(w.waiting) - now;
		t = (struct timespec){ .tv_sec = (time_t)(left / 1000000),
				       .tv_nsec = (long)(left % 1000000) * 1000 };
		if (ppoll(polled, n + 1, left == UINT64_MAX ? NULL : &t, NULL) <= 0)
			continue;
		for (unsigned int i = 0; i < n; i++)
			if (polled[i].revents & POLLIN)
				read_port(&w, i);
		on = polled[n].revents == 0 || obey(&w, control);
	}
	for (size_t i = 0; i < config->nats_n; i++)
		if (w.nats[i])
			sim_nat_free(w.nats[i]);
	waiting_free(w.waiting);
}
