/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel of storelink.h.
 */
#include "storelink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/wire/packet.h"
#include "board.h"
#include "link.h"

#define AGAIN_USEC UINT64_C(100000)	/* before a store that has just ended is wanted again */
#define FRUITLESS_MAX 3u		/* stores in a row that ended without any answer */

enum state { NONE, WANTED, UP };

static struct {
	enum state state;
	struct source source;
	struct list asks;
	struct timer again;
	uint32_t serial;
	unsigned int fruitless;
	bool started;
} store;

static void again_due(struct timer *t);

static void start(void)
{
	if (store.started)
		return;
	store.started = true;
	list_init(&store.asks);
	store.again.due = again_due;
	store.source.fd = -1;
}

static void ask_end(struct ask *ask, const struct wire_message *m, int error)
{
	list_remove(&ask->in_asks);
	ask->handler->done(ask, m, error);
	if (ask->large) {
		explicit_bzero(ask->large, ask->len);
		free(ask->large);
	}
	explicit_bzero(ask->packet, sizeof ask->packet);
	free(ask);
}

static void fail_all(int error)
{
	struct list failed;

	list_init(&failed);
	list_splice(&failed, &store.asks);
	while (!list_empty(&failed))
		ask_end(list_entry(failed.next, struct ask, in_asks), NULL, error);
}

static void want(void)
{
	if (store.state != NONE || list_empty(&store.asks) || timer_armed(&store.again))
		return;
	store.state = WANTED;
	link_say(CHANNEL_WANT_STORE);
}

static void again_due(struct timer *t)
{
	(void)t;
	want();
}

/* The room has ended: what it has not answered is asked of the next, as far as that is safe. */
static void lost(int error)
{
	if (store.state == UP) {
		source_remove(&store.source);
		close(store.source.fd);
		store.source.fd = -1;
	}
	store.state = NONE;
	list_foreach_safe(it, &store.asks) {
		struct ask *ask = list_entry(it, struct ask, in_asks);

		if (ask->sent && ask->handler->once)
			ask_end(ask, NULL, -EIO);
		else
			ask->sent = false;
	}
	if (error < 0 || ++store.fruitless > FRUITLESS_MAX) {
		store.fruitless = 0;
		fail_all(error < 0 ? error : -EIO);
		return;
	}
	timer_arm(&board.timers, &store.again, timer_now() + AGAIN_USEC);
}

static void flush(void)
{
	uint32_t events = EPOLLIN;

	list_foreach(it, &store.asks) {
		struct ask *ask = list_entry(it, struct ask, in_asks);
		int r;

		if (ask->sent)
			continue;
		r = packet_send(store.source.fd, ask->large ? ask->large : ask->packet, ask->len,
				NULL, 0);
		if (r == -EAGAIN) {
			events |= EPOLLOUT;
			break;
		}
		if (r < 0)
			break;	/* its end is told by the next receive */
		ask->sent = true;
	}
	source_set(&store.source, events);
}

static struct ask *find(uint32_t serial)
{
	list_foreach(it, &store.asks) {
		struct ask *ask = list_entry(it, struct ask, in_asks);

		if (ask->sent && ask->serial == serial)
			return ask;
	}
	return NULL;
}

static void on_failed(const struct wire_message *m)
{
	char text[WIRE_TEXT_MAX + 1];
	int error = wire_i32(m, TAG_ERROR, -EIO);

	wire_string(m, TAG_TEXT, text, sizeof text);
	link_log("sturdy references: %s", text);
	lost(error < 0 ? error : -EIO);
}

/* One message: false when there is none, or the room has gone. */
static bool receive(void)
{
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_message m;
	struct ask *ask;
	int fd = -1;
	ssize_t n = channel_recv(store.source.fd, packet, MSG_DONTWAIT, &fd);

	if (n == -EAGAIN)
		return false;
	if (fd >= 0)
		close(fd);
	if (n <= 0 || fd >= 0 || wire_parse(packet, (size_t)n, &m) < 0) {
		lost(0);
		return false;
	}
	if (m.head.type == STORE_FAILED) {
		on_failed(&m);
		return false;
	}
	ask = find(m.head.serial);
	if (ask && m.head.type == STORE_ROW && ask->handler->row) {
		ask->handler->row(ask, &m);
	} else if (ask && m.head.type == STORE_REPLY) {
		int error = wire_i32(&m, TAG_ERROR, 0);

		store.fruitless = 0;
		ask_end(ask, error < 0 ? NULL : &m, error < 0 ? error : 0);
	}
	explicit_bzero(packet, sizeof packet);
	return store.state == UP;
}

static void ready(struct source *source, uint32_t events)
{
	(void)source;
	if (events & EPOLLOUT)
		flush();
	while (receive())
		;
}

uint32_t storelink_serial(void)
{
	return store.serial + 1;
}

void storelink_ask(struct ask *ask, const struct wire_writer *w)
{
	int len = wire_finish(w);

	start();
	ask->serial = ++store.serial;
	list_append(&store.asks, &ask->in_asks);
	ask->len = len < 0 ? 0 : (size_t)len;
	if (ask->len > sizeof ask->packet)
		ask->large = malloc(ask->len);
	if (len < 0 || (ask->len > sizeof ask->packet && !ask->large)) {
		ask_end(ask, NULL, len < 0 ? len : -ENOMEM);
		return;
	}
	memcpy(ask->large ? ask->large : ask->packet, w->buf, ask->len);
	if (store.state == UP)
		flush();
	else
		want();
}

void storelink_open(int fd, int error)
{
	start();
	if (store.state != WANTED) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd < 0) {
		lost(error == -EAGAIN ? 0 : error < 0 ? error : -EIO);
		return;
	}
	store.state = UP;
	store.source.fd = fd;
	store.source.ready = ready;
	if (source_add(&store.source, EPOLLIN) < 0) {
		close(fd);
		store.state = NONE;
		fail_all(-ENOMEM);
		return;
	}
	flush();
}

void storelink_each(void (*each)(struct ask *ask, void *arg), void *arg)
{
	start();
	list_foreach_safe(it, &store.asks)
		each(list_entry(it, struct ask, in_asks), arg);
}
