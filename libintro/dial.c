/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one call: the shortest path through the broker, without a struct intro.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "clock.h"
#include "door.h"
#include "exchange.h"
#include "intro.h"
#include "placed.h"
#include "wire/name.h"

/* Between attempts, while the broker or a placed server is being restarted. */
#define DELAY_FIRST_MS 5
#define DELAY_MAX_MS 200

/* Whoever does not want to wait still makes a round trip: never longer than this. */
#define ROUND_TRIP_MS 1000

struct dial {
	const char *name;	/* a/b/c: the last is asked of what the ones before lead to */
	int type;
	bool waits;		/* else only the round trips are waited for */
	uint64_t until;		/* clock.h: the end of all waiting */
	bool reached;		/* a broker has heard us */
	bool resumed;		/* a connection has ended under us already */
	enum { FINAL, LATER, AT_ONCE } again; /* what the last failure calls for */
};

/* One CONNECT on a fresh connection. The connected descriptor or a negative errno. */
static int ask(struct dial *d, int sock, const char *name, int type)
{
	_cleanup_(in_closep) int fd = -1;
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_message m;
	struct wire_writer w;
	int r, placed;

	wire_begin(&w, packet, sizeof packet, WIRE_CONNECT, 1, 0, 0);
	wire_put_string(&w, TAG_NAME, name);
	wire_put_u32(&w, TAG_SOCKTYPE, (uint32_t)type);
	wire_put_u64(&w, TAG_WAIT, d->waits ? in_left(d->until) : 0);
	r = in_exchange(sock, packet, wire_finish(&w), d->until, &m, &fd);
	d->reached |= r != -ECONNRESET;
	/* Whoever waits is refused by an agent alone, whose server is being restarted. */
	if (r == -ECONNREFUSED && d->waits)
		d->again = LATER;
	if (r < 0)
		return r;
	if (fd < 0)
		return -EPROTO;
	if (wire_u32(&m, TAG_WAY, 0) != WAY_PLACED)
		return in_steal(&fd);
	r = in_placed_connect(fd, type, d->until, &placed);
	/* Its server is being restarted: the broker will soon know the new socket. */
	if (r == -ECONNREFUSED && d->waits)
		d->again = LATER;
	return r < 0 ? r : placed;
}

/* From introducer to introducer, each of which gives a connection to the next broker: one round
 * trip a hop. sock: the caller's. */
static int walk(struct dial *d, int sock)
{
	_cleanup_(in_closep) int here = -1;
	const char *at = d->name;

	for (;;) {
		size_t len = strcspn(at, "/");
		bool last = at[len] == '\0';
		char name[WIRE_NAME_MAX + 1];
		int fd;

		memcpy(name, at, len);
		name[len] = '\0';
		fd = ask(d, here < 0 ? sock : here, name, last ? d->type : SOCK_SEQPACKET);
		if (fd < 0 || last)
			return fd;
		in_closep(&here);
		here = fd;
		at += len + 1;
	}
}

/* A name, or as many as INTRO_HOPS_MAX with "/" between them. */
static bool path_ok(const char *path)
{
	for (int hops = 1;; hops++) {
		size_t len = strcspn(path, "/");

		if (!wire_name_ok(path, len) || hops > INTRO_HOPS_MAX)
			return false;
		if (path[len] == '\0')
			return true;
		path += len + 1;
	}
}

/* A connection through the first door that has one to give. */
static int reach(struct dial *d, bool *ret_shared, int *ret)
{
	struct in_door doors[IN_DOORS];
	int n = in_door_find(doors, NULL), error = -ENOTCONN;

	if (n == -ENOTCONN && d->waits)
		d->again = LATER;
	if (n < 0)
		return n;
	d->again = d->waits ? LATER : FINAL;
	for (int i = 0; i < n; i++) {
		int r = in_door_connect(&doors[i], d->until, ret);

		*ret_shared = doors[i].shared >= 0;
		if (r == 0) {
			d->again = FINAL;
			return 0;
		}
		if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
			continue;
		if (r != -EAGAIN)
			d->again = FINAL;
		error = r == -EAGAIN ? -ETIMEDOUT : r;
	}
	return error;
}

static int attempt(struct dial *d)
{
	_cleanup_(in_closep) int sock = -1;
	bool shared = false;
	int r;

	d->again = FINAL;
	r = reach(d, &shared, &sock);
	if (r < 0)
		return r;
	r = walk(d, sock);
	if (r != -ECONNRESET)
		return r;
	/* The broker was restarted. On a shared connection it does not come back twice. */
	if (!d->resumed)
		d->again = AT_ONCE;
	else if (d->waits && !shared)
		d->again = LATER;
	d->resumed = true;
	return r;
}

int intro_dial(const char *name, int type, int timeout_ms)
{
	struct dial d = {
		.name = name,
		.type = type,
		.waits = timeout_ms != 0,
		.until = in_deadline(timeout_ms ? timeout_ms : ROUND_TRIP_MS),
	};
	int delay = DELAY_FIRST_MS, left, r;

	if (!path_ok(name) || (type != SOCK_STREAM && type != SOCK_SEQPACKET &&
				  type != SOCK_DGRAM))
		return -EINVAL;
	for (;;) {
		r = attempt(&d);
		if (r >= 0 || d.again == FINAL)
			return r;
		if (d.again == AT_ONCE)
			continue;
		left = in_left_ms(d.until);
		if (left == 0)
			return d.reached ? -ETIMEDOUT : r;
		poll(NULL, 0, left < 0 || left > delay ? delay : left);
		delay = delay * 2 > DELAY_MAX_MS ? DELAY_MAX_MS : delay * 2;
	}
}
