/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch itself, in a thread, with the parent's part played by another one: real doors,
 * real sockets, and clients that send what the fuzzer says. Whatever they do, nobody else
 * notices, and when all have gone nothing is left of them: connections, names, descriptors,
 * introductions under way.
 *
 * Input: messages of { u8 who, u8 type, u8 serial, u8 ref, u8 tags, then for each tag u8 tag,
 * u8 value }. who: which connection, whether it comes as it is in the input instead, whether a
 * descriptor comes along, whether the connection ends first.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../../broker/switch/board.h"
#include "../../broker/switch/conn.h"
#include "../../libintro/wire/message.h"
#include "../../libintro/wire/packet.h"
#include "rooms.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HANG_MS 10000

static int sentinel;		/* a connection of the administrator's that stays */

/* ---- clients ---- */

static int enter(const char *socket_below)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	check(fd >= 0, "socket");
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/%s", rooms_base, socket_below);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* One packet: its length, 0 at the end, or a negative errno. Its descriptors are closed. */
static ssize_t receive(int sock, struct wire_message *m, int timeout_ms)
{
	static uint8_t buf[WIRE_PACKET_MAX];
	int fds[WIRE_BATCH_MAX];
	size_t nfds;
	ssize_t n;

	if (poll(&(struct pollfd){ sock, POLLIN, 0 }, 1, timeout_ms) <= 0)
		return -EAGAIN;
	n = packet_recv(sock, buf, fds, WIRE_BATCH_MAX, &nfds);
	if (n <= 0)
		return n;
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	check(wire_parse(buf, (size_t)n, m) == 0, "the switch sends a malformed packet");
	check(m->head.nfds == nfds, "the switch miscounts descriptors");
	return n;
}

/* The sentinel asks, and is always answered. */
static int ask(const struct wire_writer *w)
{
	struct wire_message m;

	check(packet_send(sentinel, w->buf, w->used, NULL, 0) == 0, "sentinel");
	while (receive(sentinel, &m, HANG_MS) > 0)
		if (m.head.type == WIRE_REPLY)
			return wire_i32(&m, TAG_ERROR, 0);
	check(false, "the switch does not answer");
	return 0;
}

static const char *const strings[] = {
	"a", "b", "c", "d", "host", "control", ".s.PGSQL.5432", "intro.sock", "..", "a/b", "-",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a b", "a\n",
};
static const uint64_t numbers[] = {
	1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 38, 64, 1000, 1000000, UINT32_MAX, INT64_MAX, UINT64_MAX,
	0,
};

static void administer(uint16_t type, const char *door, const char *name)
{
	uint8_t buf[256];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, type, 1, 0, 0);
	if (name)
		wire_put_string(&w, TAG_NAME, name);
	if (door)
		wire_put_string(&w, TAG_DOOR, door);
	if (type == WIRE_GRANT)
		wire_put_u32(&w, TAG_RIGHTS, RIGHTS_ALL & ~(uint32_t)RIGHT_REVOKE);
	if (type == WIRE_LIMIT)
		for (enum wire_tag tag = TAG_MAX_NAMES; tag <= TAG_MAX_REFERENCES; tag++)
			wire_put_u32(&w, tag, 1000);
	ask(&w);
}

/* Numbers of references that somebody has lent or given. */
static size_t list_lent(uint64_t *ids, size_t max)
{
	uint8_t buf[64];
	struct wire_message m;
	struct wire_writer w;
	size_t n = 0;

	wire_begin(&w, buf, sizeof buf, WIRE_LIST, 1, 0, 0);
	wire_put_u32(&w, TAG_WHAT, WHAT_REFERENCES);
	check(packet_send(sentinel, w.buf, w.used, NULL, 0) == 0, "sentinel");
	while (receive(sentinel, &m, HANG_MS) > 0 && m.head.type != WIRE_REPLY)
		if (m.head.type == WIRE_ROW && wire_u32(&m, TAG_WHAT, 0) >= KIND_OF_LENT && n < max)
			ids[n++] = wire_u64(&m, TAG_REFERENCE, 0);
	return n;
}

/* What is in a gift waits for its recipient. */
static void revoke_lent(void)
{
	uint64_t ids[256];
	size_t n = list_lent(ids, sizeof ids / sizeof ids[0]);

	for (size_t i = 0; i < n; i++) {
		uint8_t buf[64];
		struct wire_writer w;

		wire_begin(&w, buf, sizeof buf, WIRE_REVOKE, 1, 0, 0);
		wire_put_u64(&w, TAG_REFERENCE, ids[i]);
		ask(&w);
	}
}

/* A door with three grants, and nothing else. */
static void tidy_up(void)
{
	revoke_lent();
	administer(WIRE_LIMIT, NULL, NULL);
	administer(WIRE_LIMIT, "host", NULL);
	for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
		administer(WIRE_TAKE, NULL, strings[i]);
		administer(WIRE_UNGRANT, "host", strings[i]);
		administer(WIRE_DOOR_REMOVE, strings[i], NULL);
	}
	administer(WIRE_DOOR_ADD, "d", NULL);
	for (int i = 0; i < 3; i++)
		administer(WIRE_GRANT, "d", strings[i]);
}

/* Only the sentinel is there, and nothing that anybody else needed. */
static bool is_quiet(void)
{
	const struct conn *left = list_entry(board.conns.next, struct conn, in_board);

	return board.conns_used == 1 && board.conns.next->next == &board.conns &&
	       board.services.used == 3 && board.held == 0 && board.gifts.used == 0 &&
	       list_empty(&board.live_sessions) &&
	       board.flight_total == left->flight && list_empty(&board.retries);
}

static void expect_nothing_left(bool tidied)
{
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += HANG_MS / 1000;
	for (int round = 0;; round++) {
		/* What is held, and what the administrator changed, outlives its client. All
		 * else must go by itself: to look for it would help. */
		if (!tidied || (round % 16 == 15 &&
				(board.held > 0 || !list_empty(&board.gift_list))))
			tidy_up();
		tidied = true;
		if (is_quiet())
			return;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec) {
			fprintf(stderr, "connections %u, services %u, held %u, in flight %u\n",
				board.conns_used, board.services.used, board.held,
				board.flight_total);
			check(false, "something is left");
		}
		if (round > 8)
			poll(NULL, 0, 1);
		else
			administer(WIRE_FIND, NULL, "a");
	}
}

/* ---- the input ---- */

struct input {
	const uint8_t *at, *end;
};

static uint8_t take(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* What is in an ENCLOSE: LENDs of two references. */
static void put_lends(struct wire_writer *w, uint8_t value)
{
	uint8_t lends[128], *p = lends;

	for (unsigned int i = 0; i < 1u + value % 2; i++) {
		struct wire_writer inner;

		wire_begin(&inner, p + 2, 62, WIRE_LEND, 0, value / 2u % 8 + i, 0);
		wire_put_string(&inner, TAG_NAME, i ? "a" : "b");
		if (value & 0x40)
			wire_put_u32(&inner, TAG_SESSIONS, 1);
		wire_store16(p, (uint16_t)(inner.used - (value == 0xff)));
		p += 2 + inner.used;
	}
	wire_put_bytes(w, TAG_MESSAGES, lends, (size_t)(p - lends));
}

static void put(struct wire_writer *w, enum wire_tag tag, uint8_t value)
{
	if (tag == TAG_MESSAGES && value & 0x80) {
		put_lends(w, value);
		return;
	}
	const char *string = strings[value % (sizeof strings / sizeof strings[0])];
	uint64_t number = numbers[value % (sizeof numbers / sizeof numbers[0])];

	switch (wire_tag_kind(tag)) {
	case KIND_STRING:
		wire_put_string(w, tag, string);
		break;
	case KIND_U64:
		wire_put_u64(w, tag, number);
		break;
	case KIND_BYTES:
		wire_put_bytes(w, tag, string, strlen(string));
		break;
	default:
		wire_put_u32(w, tag, value & 0x80 ? (uint32_t)-(int32_t)(value & 0x7f) :
						    (uint32_t)number);
		break;
	}
}

/* Tags in the order of the input, as far as that ascends. */
static size_t compose(struct input *in, uint8_t *buf, size_t size, bool control, bool fd)
{
	uint8_t type = take(in), tags;
	struct wire_writer w;
	uint8_t serial = take(in), ref = take(in);
	enum wire_tag last = 0;

	if (control && type & 0x40)
		type = (uint8_t)(WIRE_DOOR_ADD + type % 8);
	else
		type = (uint8_t)(type % (WIRE_RESTORE + 1));
	wire_begin(&w, buf, size, type, serial, ref, fd);
	for (tags = take(in) % 8; tags > 0; tags--) {
		enum wire_tag tag = take(in) % TAG_END;
		uint8_t value = take(in);

		/* a door that lets nobody in keeps even us out */
		if (tag <= last || tag == TAG_MAX_CONNECTIONS)
			continue;
		put(&w, tag, value);
		last = tag;
	}
	return w.used;
}

static size_t copy(struct input *in, uint8_t *buf, size_t size)
{
	size_t len = take(in), left = (size_t)(in->end - in->at);

	if (len > left)
		len = left;
	if (len > size)
		len = size;
	memcpy(buf, in->at, len);
	in->at += len;
	return len;
}

enum { CLIENTS = 4 };
static const char *const doors[CLIENTS] = {
	"doors/host/intro.sock", "doors/host/intro.sock", "doors/d/intro.sock", "control.sock",
};

/* What a client deposits; the other end of a connection is kept for a while. */
static int deposit(uint8_t which, int *keep)
{
	int pair[2] = { -1, -1 };

	if (which % 4 == 0)
		return dup(STDERR_FILENO);
	if (which % 4 == 1)
		return dup(rooms_exports);
	if (socketpair(AF_UNIX, which % 4 == 2 ? SOCK_SEQPACKET : SOCK_STREAM, 0, pair) < 0)
		return -1;
	if (*keep >= 0)
		close(*keep);
	*keep = pair[0];
	return pair[1];
}

static void step(struct input *in, int clients[CLIENTS], int *kept)
{
	uint8_t who = take(in), buf[WIRE_PACKET_MAX];
	int *client = &clients[who % CLIENTS], fd = -1;
	bool control = who % CLIENTS == 3;
	struct wire_message m;
	size_t len;

	if (who & 0x40 && *client >= 0) {
		close(*client);
		*client = -1;
	}
	if (*client < 0)
		*client = enter(doors[who % CLIENTS]);
	if (who & 0x10)
		fd = deposit(who >> 2, kept);
	len = who & 0x20 && !control ? copy(in, buf, sizeof buf) :
				       compose(in, buf, sizeof buf, control, fd >= 0);
	if (*client >= 0 && packet_send(*client, buf, len, &fd, fd >= 0) < 0)
		/* full, ended, or without leave to deposit */
		m.present = 0;
	if (fd >= 0)
		close(fd);
	if (who & 0x80)
		return;
	for (int i = 0; i < CLIENTS; i++)
		while (clients[i] >= 0 && receive(clients[i], &m, i == who % CLIENTS) > 0)
			;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	rooms_start();
	sentinel = enter("control.sock");
	check(sentinel >= 0, "control.sock");
	expect_nothing_left(false);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	int clients[CLIENTS] = { -1, -1, -1, -1 }, kept = -1;
	bool administered = false;

	while (in.at < in.end) {
		administered |= *in.at % CLIENTS == 3;
		step(&in, clients, &kept);
	}
	for (int i = 0; i < CLIENTS; i++)
		if (clients[i] >= 0)
			close(clients[i]);
	if (kept >= 0)
		close(kept);
	expect_nothing_left(!administered);
	return 0;
}
