/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a door lets out of what it does not grant: nothing. Through it a name that is absent and
 * one that is only not granted look alike byte for byte, to one who waits, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web.h"

/* Everything that can be asked with a name. */
static const struct question {
	enum wire_type type;
	uint64_t wait_us;
	bool descriptor, cancelled;
	int error;
} questions[] = {
	{ WIRE_FIND, .error = -ENOENT },
	{ WIRE_CONNECT, .error = -ENOENT },
	{ WIRE_CONNECT, .wait_us = 1, .error = -ETIMEDOUT },
	{ WIRE_CONNECT, .wait_us = 100000, .error = -ETIMEDOUT },
	{ WIRE_CONNECT, .wait_us = MINUTE_US, .cancelled = true, .error = -ECANCELED },
	{ WIRE_SERVE, .error = -ENOENT },
	{ WIRE_TAKE, .error = -ENOENT },
	{ WIRE_HOLD, .descriptor = true, .error = -ENOENT },
	{ WIRE_PLACE, .descriptor = true, .error = -ENOENT },
};

/* All bytes that come back to one question about one name, up to the answer to a FIND of
 * nothing behind it. */
static size_t ask(int sock, const struct question *q, const char *name, uint8_t *out, size_t size)
{
	int fd = q->descriptor ? MUST(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) : -1;
	uint8_t buf[256];
	struct wire_writer w;
	struct raw packet;
	size_t used = 0;

	wire_begin(&w, buf, sizeof buf, q->type, 7, q->type == WIRE_CONNECT ? 0 : 9, fd >= 0);
	wire_put_string(&w, TAG_NAME, name);
	if (q->wait_us)
		wire_put_u64(&w, TAG_WAIT, q->wait_us);
	if (q->type == WIRE_PLACE)
		wire_put_string(&w, TAG_FILE, "file");
	raw_send(sock, &w, fd);
	if (fd >= 0)
		close(fd);
	if (q->cancelled) {
		wire_begin(&w, buf, sizeof buf, WIRE_CANCEL, 7, 0, 0);
		raw_send(sock, &w, -1);
	}
	/* First its own answer, however long it waits. */
	if (raw_recv(sock, &packet) <= 0)
		harness_fail("no answer about %s", name);
	for (bool last = false;; last = packet.m.head.serial == 8) {
		cr_assert_lt(used + packet.len, size);
		memcpy(out + used, packet.buf, packet.len);
		used += packet.len;
		cr_assert_eq(packet.nfds, 0);
		if (last)
			return used;
		wire_begin(&w, buf, sizeof buf, WIRE_FIND, 8, 0, 0);
		wire_put_string(&w, TAG_NAME, "0");
		raw_send(sock, &w, -1);
		if (raw_recv(sock, &packet) <= 0)
			harness_fail("no answer");
	}
}

struct gone {
	const char *door, *name;
};

static bool is_gone(void *arg)
{
	const struct gone *g = arg;
	int sock = raw_open(g->door), r = raw_find(sock, 1, 1, g->name);

	close(sock);
	return r == -ENOENT;
}

/* Names that differ in all but what this door says of them. */
TEST(closed_door, absent_and_not_granted)
{
	static const char *const names[] = {
		"absent-1", "served-1", "agent-1", "held-1", "waited-1", "other-1", "gone-1",
		"spent-1",
	};
	int sock, elsewhere, waiting, fd, other_wait;
	char web[PATH_BYTES];
	unsigned int files;
	struct broker b;
	pid_t room;

	web_start(&b, web);
	room = broker_switch_pid(&b, 0);
	files = dir_entries(web);
	elsewhere = raw_open(b.host);
	raw_allow(elsewhere);
	cr_assert_eq(raw_serve(elsewhere, 1, 1, "served-1", WAY_PAIR), 0);
	cr_assert_eq(raw_serve(elsewhere, 2, 2, "agent-1", WAY_FETCH), 0);
	fd = MUST(memfd_create("held", MFD_CLOEXEC));
	cr_assert_eq(raw_hold(elsewhere, 3, "held-1", fd), 0);
	close(fd);
	waiting = raw_open(b.host);
	raw_ask_connect(waiting, 1, "waited-1", MINUTE_US);
	cr_assert_eq(broker_add_door(&b, "neighbour"), 0);
	cr_assert_eq(broker_grant(&b, "neighbour", "other-1", RIGHTS_ALL), 0);
	web_grant(&b, "gone-1", 0, 0);
	cr_assert_eq(broker_ungrant(&b, "web", "gone-1"), 0);
	web_grant(&b, "spent-1", 1, 0);
	cr_assert(wait_until(is_gone, &(struct gone){ web, "spent-1" }));

	sock = raw_open(web);
	raw_allow(sock);
	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
		uint8_t first[256], next[256];
		size_t len = ask(sock, &questions[i], names[0], first, sizeof first), n;
		struct wire_message m;

		cr_assert_eq(wire_parse(first, len / 2, &m), 0);
		cr_assert_eq(wire_i32(&m, TAG_ERROR, 0), questions[i].error, "question %zu", i);
		for (size_t j = 1; j < sizeof names / sizeof names[0]; j++) {
			n = ask(sock, &questions[i], names[j], next, sizeof next);
			cr_assert(n == len && memcmp(first, next, n) == 0,
				  "question %zu: %s does not look absent", i, names[j]);
		}
	}
	cr_assert_eq(dir_entries(web), files);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		cr_assert_eq(path_connect(web, names[i]), -ENOENT);

	/* One who waits is not woken by what is not for it, and is by what is. */
	other_wait = raw_open(web);
	raw_ask_connect(other_wait, 1, "waited-1", MINUTE_US);
	raw_ask_connect(other_wait, 2, "absent-1", MINUTE_US);
	usage_await(&b, "web", 0, TAG_WAITS, 2);
	cr_assert_eq(raw_serve(elsewhere, 4, 4, "waited-1", WAY_PAIR), 0);
	for (bool met = false; !met;) {
		_cleanup_raw_ struct raw reply = { .nfds = 0 };

		cr_assert_eq(raw_reply(waiting, 1, &reply), 0);
		met = reply.nfds == 1;
	}
	cr_assert_eq(broker_usage(&b, "web", 0, TAG_WAITS), 2);
	cr_assert(is_silent(other_wait));
	cr_assert_eq(broker_grant(&b, "web", "waited-1", RIGHT_CONNECT), 0);
	{
		_cleanup_raw_ struct raw reply = { .nfds = 0 };

		cr_assert_eq(raw_reply(other_wait, 1, &reply), 0);
		cr_assert_eq(reply.nfds, 1);
	}
	cr_assert_eq(broker_usage(&b, "web", 0, TAG_WAITS), 1);
	close(other_wait);
	close(sock);
	close(waiting);
	close(elsewhere);
	cr_assert_eq(broker_switch_pid(&b, 0), room);
	broker_stop(&b);
}
