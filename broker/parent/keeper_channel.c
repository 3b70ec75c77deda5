/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parent and the switch say to each other: the parent's end, of keeper.h.
 */
#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "../../libintro/wire/packet.h"
#include "../channel.h"
#include "log.h"

/* A switch that takes nothing for so long hangs, and is replaced. */
#define SEND_DEADLINE_US UINT64_C(10000000)

void keeper_hang_up(struct keeper *keeper)
{
	if (keeper->sock >= 0)
		close(keeper->sock);
	keeper->sock = -1;
}

/* It said what no switch says. */
static void distrust(struct keeper *keeper, const char *what)
{
	log_line(LOG_ERR, "the switch sent %s; it is killed and started anew", what);
	room_signal(&keeper->room, SIGKILL);
	keeper_hang_up(keeper);
}

/* ---- what it may say */

static int send_to(struct keeper *keeper, const void *packet, int len, int fd);

static bool is_listener(int fd)
{
	int domain = 0, listening = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* Keep an entry. fd becomes the store's or is closed. False: not a proper one. */
static bool keep(struct keeper *keeper, const struct wire_message *m, int fd)
{
	uint64_t id = wire_u64(m, TAG_ENTRY, 0);
	bool bytes = wire_has(m, TAG_MESSAGES);
	int r;

	if (id == 0 || (fd >= 0 && !is_listener(fd))) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	r = store_keep(&keeper->store, id, bytes ? m->value[TAG_MESSAGES] : NULL,
		       bytes ? m->length[TAG_MESSAGES] : 0, fd);
	if (r < 0) {
		char text[80];
		int n = snprintf(text, sizeof text, "an entry cannot be kept over its death: "
				 "%s", strerror(-r));

		/* Through the limit on the room's lines: it may go on trying. */
		log_room_line("switch", text, (size_t)n);
		if (fd >= 0)
			close(fd);
	}
	return true;
}

/* Start a store room, and give the switch the channel to it. */
static bool give_store(struct keeper *keeper)
{
	int fd = keeper->stopping ? -ECANCELED : storeroom_start(&keeper->storeroom);
	uint8_t buf[64];
	struct wire_writer w;
	int r;

	wire_begin(&w, buf, sizeof buf, CHANNEL_STORE, 0, 0, fd >= 0);
	if (fd < 0)
		wire_put_u32(&w, TAG_ERROR, (uint32_t)fd);
	r = send_to(keeper, buf, wire_finish(&w), fd);
	if (fd >= 0)
		close(fd);
	return r == 0;
}

static bool message_take(struct keeper *keeper, const struct wire_message *m)
{
	switch (m->head.type) {
	case CHANNEL_WANT_STORE:
		return give_store(keeper);
	case CHANNEL_FORGET:
		store_forget(&keeper->store, wire_u64(m, TAG_ENTRY, 0));
		return wire_has(m, TAG_ENTRY);
	case CHANNEL_READY:
		keeper->ready = true;
		keeper->failures = 0;
		return true;
	case CHANNEL_IDLE:
		keeper->idle = keeper->idle_exit_sec > 0;
		return keeper->idle;
	case CHANNEL_LOG:
		if (wire_has(m, TAG_TEXT))
			log_room_line("switch", (const char *)m->value[TAG_TEXT],
				      m->length[TAG_TEXT]);
		return wire_has(m, TAG_TEXT);
	default:
		return false;
	}
}

int keeper_receive(struct keeper *keeper)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message m;
	bool good;
	int fd = -1;
	ssize_t n;

	if (keeper->sock < 0)
		return 0;
	n = channel_recv(keeper->sock, buf, MSG_DONTWAIT, &fd);
	if (n == -EAGAIN)
		return 0;
	if (n == -EMFILE) {
		log_room_line("switch", "a listener was lost: no descriptors left", 42);
		return 1;
	}
	if (n <= 0) {
		keeper_hang_up(keeper);
		return 0;
	}
	good = wire_parse(buf, (size_t)n, &m) == 0;
	if (good && m.head.type == CHANNEL_KEEP) {
		good = keep(keeper, &m, fd);
	} else {
		good = good && fd < 0 && message_take(keeper, &m);
		if (fd >= 0)
			close(fd);
	}
	if (!good)
		distrust(keeper, "a message that is not in its table");
	return good;
}

/* ---- what it is told */

/* Send one message, taking what comes meanwhile: both sides may have much to say at once. */
static int send_to(struct keeper *keeper, const void *packet, int len, int fd)
{
	uint64_t deadline = 0;

	if (len < 0)
		return len;
	for (;;) {
		struct pollfd p = { keeper->sock, POLLIN | POLLOUT, 0 };
		int r = keeper->sock < 0 ? -EPIPE :
			packet_send(keeper->sock, packet, (size_t)len, &fd, fd >= 0);

		if (r != -EAGAIN && r != -ETOOMANYREFS)
			return r;
		if (deadline == 0)
			deadline = room_clock_us() + SEND_DEADLINE_US;
		else if (room_clock_us() > deadline)
			return -ETIMEDOUT;
		if (r == -ETOOMANYREFS)	/* passes when receivers take theirs */
			p.events = POLLIN;
		if (poll(&p, 1, 10) > 0 && (p.revents & ~POLLOUT))
			keeper_receive(keeper);
	}
}

int keeper_send_plain(struct keeper *keeper, unsigned int type)
{
	uint8_t buf[WIRE_HEADER_BYTES];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, (uint16_t)type, 0, 0, 0);
	return send_to(keeper, buf, wire_finish(&w), -1);
}

int keeper_send_start(struct keeper *keeper)
{
	uint8_t buf[64];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, CHANNEL_START, 0, 0, 0);
	wire_put_u32(&w, TAG_WHAT, keeper->storeroom.used);
	return send_to(keeper, buf, wire_finish(&w), -1);
}

static int send_bytes(struct keeper *keeper, unsigned int type, uint64_t id,
		      const void *bytes, size_t len, int fd)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, (uint16_t)type, 0, 0, fd >= 0);
	if (len > 0)
		wire_put_bytes(&w, TAG_MESSAGES, bytes, len);
	if (id != 0)
		wire_put_u64(&w, TAG_ENTRY, id);
	return send_to(keeper, buf, wire_finish(&w), fd);
}

int keeper_send_store(struct keeper *keeper)
{
	uint64_t next = 0;
	int r = 0;

	/* By id, since it may send KEEP and FORGET while we do this. */
	for (;;) {
		const struct store_entry *entry = store_from(&keeper->store, next);

		if (r < 0 || !entry)
			return r;
		next = entry->id + 1;
		r = send_bytes(keeper, CHANNEL_ENTRY, entry->id, entry->bytes, entry->len,
			       entry->fd);
	}
}

int keeper_send_config(struct keeper *keeper)
{
	uint64_t number = keeper->config_number + 1;	/* the first is 1 */
	uint8_t buf[64];
	struct wire_writer w;
	int r = 0;

	for (size_t i = 0; r == 0 && i < keeper->config.n; i++) {
		const struct config_message *message = &keeper->config.messages[i];

		r = send_bytes(keeper, CHANNEL_CONFIG, number, message->bytes, message->len,
			       message->fd);
	}
	if (r == 0)
		r = send_bytes(keeper, CHANNEL_CONFIG_END, number, NULL, 0, -1);
	if (r == 0) {
		wire_begin(&w, buf, sizeof buf, CHANNEL_AUDIT, 0, 0, keeper->trail.fd >= 0);
		wire_put_u32(&w, TAG_WHAT, keeper->trail.kind);
		r = send_to(keeper, buf, wire_finish(&w), keeper->trail.fd);
	}
	return r;
}
