/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel's messages (link.h).
 */
#include "link.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit.h"
#include "board.h"
#include "configure.h"
#include "door.h"
#include "flight.h"
#include "grant.h"
#include "place.h"
#include "service.h"
#include "storelink.h"
#include "terms.h"

/* Uses that a crash may burn, of a grant with many; of one with few it burns none. */
#define USES_BLOCK 64u
#define USES_MANY 1024u

static void send_finished(const struct wire_writer *w, int fd)
{
	int len = wire_finish(w);

	/* Without a parent there is nobody to serve for. */
	if (len < 0 || channel_send(board.channel.fd, w->buf, (size_t)len, fd) < 0)
		board.stopping = true;
}

static int send_entry(uint64_t entry, const struct wire_writer *inner, int fd)
{
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_writer w;
	int len;

	wire_begin(&w, packet, sizeof packet, CHANNEL_KEEP, 0, 0, fd >= 0);
	wire_put_bytes(&w, TAG_MESSAGES, inner->buf, inner->used);
	wire_put_u64(&w, TAG_ENTRY, entry);
	len = wire_finish(&w);
	return len < 0 ? len : channel_send(board.channel.fd, packet, (size_t)len, fd);
}

/* Wrap an administration message as an entry. */
static void keep(uint64_t entry, const struct wire_writer *inner, int fd)
{
	int r = send_entry(entry, inner, fd);

	/* Other processes of our uid have too many in flight. Better an entry without its
	 * listener, which the next switch would have to bind anew, than none. */
	if (r == -ETOOMANYREFS) {
		flight_note(r);
		r = send_entry(entry, inner, -1);
	}
	if (r < 0)
		board.stopping = true;
}

void link_keep_door(const struct door *door)
{
	uint8_t packet[512];
	struct wire_writer w;

	if (board.stopping)
		return;
	wire_begin(&w, packet, sizeof packet, WIRE_DOOR_ADD, 0, 0, 0);
	wire_put_string(&w, TAG_DOOR, door->name);
	wire_put_u32(&w, TAG_EXPORT, door->export_dir >= 0);
	wire_put_u32(&w, TAG_OPEN, door->open);
	if (door->external)
		wire_put_string(&w, TAG_DIRECTORY, "/");
	account_write_run_time(&door->account, &w);
	if (door->activated)
		wire_put_u32(&w, TAG_WHAT, ENTRY_LISTENER_ACTIVATED);
	wire_put_u32(&w, TAG_ORIGIN, door->origin);
	account_write_round(&door->account, &w);
	keep(door->entry, &w, door->listener.fd);
}

void link_keep_grant(struct grant *grant)
{
	uint8_t packet[1024];
	struct wire_writer w;
	uint32_t uses = grant->ref.uses;

	if (board.stopping || grant->entry == 0)
		return;
	if (uses != REF_UNLIMITED && uses > USES_MANY)
		uses -= USES_BLOCK;
	grant->kept_uses = uses;
	wire_begin(&w, packet, sizeof packet, WIRE_GRANT, 0, 0, 0);
	wire_put_string(&w, TAG_NAME, grant->name);
	wire_put_string(&w, TAG_DOOR, grant->door->name);
	terms_write_label(&grant->ref, &w);
	wire_put_string(&w, TAG_FILE, grant->file);
	wire_put_string(&w, TAG_SERVICE, grant->ref.service->name);
	terms_write(&grant->ref, uses, &w);
	if (grant->ref.parent->kind == REF_GRANT)
		wire_put_u64(&w, TAG_PARENT,
			     list_entry(grant->ref.parent, struct grant, ref)->entry);
	if (grant->given || grant->placed)
		wire_put_u32(&w, TAG_WHAT, grant->given ? ENTRY_LISTENER_GIVEN : ENTRY_PLACED);
	if (grant->ref.expires_usec != UINT64_MAX)
		wire_put_u64(&w, TAG_EXPIRES, grant->ref.expires_usec);
	wire_put_u32(&w, TAG_ORIGIN, grant->origin);
	keep(grant->entry, &w, grant->listener.fd);
}

void link_keep_uses(struct grant *grant)
{
	if (grant->ref.uses < grant->kept_uses)
		link_keep_grant(grant);
}

void link_keep_limits(struct account *account, int64_t uid)
{
	uint8_t packet[256];
	struct wire_writer w;

	if (!account->at_run_time) {
		link_forget(account->entry);
		account->entry = 0;
		return;
	}
	if (!account->entry)
		account->entry = board.next_entry++;
	wire_begin(&w, packet, sizeof packet, WIRE_LIMIT, 0, 0, 0);
	if (uid >= 0)
		wire_put_u32(&w, TAG_UID, (uint32_t)uid);
	account_write_run_time(account, &w);
	account_write_round(account, &w);
	keep(account->entry, &w, -1);
}

void link_forget(uint64_t entry)
{
	uint8_t packet[64];
	struct wire_writer w;

	if (board.stopping || entry == 0)
		return;
	wire_begin(&w, packet, sizeof packet, CHANNEL_FORGET, 0, 0, 0);
	wire_put_u64(&w, TAG_ENTRY, entry);
	send_finished(&w, -1);
}

void link_say(enum channel_type type)
{
	uint8_t packet[16];
	struct wire_writer w;

	wire_begin(&w, packet, sizeof packet, (uint16_t)type, 0, 0, 0);
	send_finished(&w, -1);
}

void link_log(const char *format, ...)
{
	uint8_t packet[WIRE_TEXT_MAX + 64];
	char text[WIRE_TEXT_MAX];
	struct wire_writer w;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	wire_begin(&w, packet, sizeof packet, CHANNEL_LOG, 0, 0, 0);
	wire_put_string(&w, TAG_TEXT, text);
	send_finished(&w, -1);
}

/* What the last switch had: an administration message, made good again. fd: taken over where
 * it is set to -1. */
static void on_entry(const struct wire_message *m, int *fd)
{
	uint64_t entry = wire_u64(m, TAG_ENTRY, 0);
	struct wire_message inner;
	int r;

	if (entry >= board.next_entry)
		board.next_entry = entry + 1;
	/* Without a message, it comes from the service manager. */
	if (entry <= CHANNEL_ENTRY_HOST && !wire_has(m, TAG_MESSAGES)) {
		board_adopt(entry, *fd, true);
		*fd = -1;
		return;
	}
	if (!wire_has(m, TAG_MESSAGES) ||
	    wire_parse(m->value[TAG_MESSAGES], m->length[TAG_MESSAGES], &inner) < 0)
		return;
	if (entry == CHANNEL_ENTRY_CONTROL) {
		board_adopt(entry, *fd, wire_u32(&inner, TAG_WHAT, 0) == ENTRY_LISTENER_ACTIVATED);
		*fd = -1;
		return;
	}
	r = configure_restore(&inner, entry, fd);
	if (r < 0)
		link_log("an entry of the last switch is lost: error %d", -r);
}

/* What is read from here on is one configuration. */
static void config_begin(const struct wire_message *m)
{
	if (!board.configuring)
		board.config_round = (uint32_t)wire_u64(m, TAG_ENTRY, board.config_round + 1);
	board.configuring = true;
}

static void on_config(const struct wire_message *m, int *fd)
{
	struct wire_message inner;
	int r = -EPROTO;

	if (!board.configuring)
		board_make_builtin();
	config_begin(m);
	if (wire_has(m, TAG_MESSAGES))
		r = wire_parse(m->value[TAG_MESSAGES], m->length[TAG_MESSAGES], &inner);
	if (r == 0)
		r = configure(&inner, fd);
	if (r < 0)
		link_log("a part of the configuration was not taken: error %d", -r);
}

static void on_config_end(const struct wire_message *m)
{
	config_begin(m);
	board.configuring = false;
	configure_sweep();
}

/* Messages from the parent. False at its end. */
static bool receive(void)
{
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_message m;
	int fd = -1;
	ssize_t n = channel_recv(board.channel.fd, packet, MSG_DONTWAIT, &fd);

	if (n == -EAGAIN)
		return true;
	if (n <= 0 || wire_parse(packet, (size_t)n, &m) < 0)
		return false;
	switch (m.head.type) {
	case CHANNEL_ENTRY:
		on_entry(&m, &fd);
		break;
	case CHANNEL_CONFIG:
		on_config(&m, &fd);
		break;
	case CHANNEL_CONFIG_END:
		on_config_end(&m);
		break;
	case CHANNEL_AUDIT:
		audit_open(&board.audit, fd, (int)wire_u32(&m, TAG_WHAT, AUDIT_NONE));
		fd = -1;
		break;
	case CHANNEL_STORE:
		storelink_open(fd, wire_i32(&m, TAG_ERROR, 0));
		fd = -1;
		break;
	case CHANNEL_START:
		board.sturdy_used = wire_u32(&m, TAG_WHAT, 0) != 0;
		board_start();
		break;
	case CHANNEL_STOP:
		board.stopping = true;
		break;
	}
	if (fd >= 0)
		close(fd);
	return true;
}

static void channel_ready(struct source *source, uint32_t events)
{
	(void)source;
	(void)events;
	if (!receive()) {
		board.stopping = true;
		board.exit_status = 1;
	}
}

int link_start(int fd)
{
	board.channel.fd = fd;
	board.channel.ready = channel_ready;
	return source_add(&board.channel, EPOLLIN);
}
