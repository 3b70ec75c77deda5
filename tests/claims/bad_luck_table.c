/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bad luck: a full descriptor table, as many connections as there can be, a thousand idle
 * clients. The others go on meanwhile, nothing leaks, and what stopped goes on by itself.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <stdio.h>
#include <unistd.h>

#include "place.h"

/* ---- the switch's descriptor table ---- */

static void limit_switch(const struct place *p, rlim_t soft, struct rlimit *old)
{
	struct rlimit now;

	MUST(prlimit(p->room, RLIMIT_NOFILE, NULL, old));
	now = (struct rlimit){ soft, old->rlim_max };
	MUST(prlimit(p->room, RLIMIT_NOFILE, &now, NULL));
}

struct path_opens {
	const char *door, *file;
	int sock;
};

static bool path_opens(void *arg)
{
	struct path_opens *o = arg;

	o->sock = path_connect(o->door, o->file);
	return o->sock >= 0;
}

/* Who is there goes on, introductions included; who comes waits, and is let in when there is
 * room, without anything having to happen first. */
TEST(bad_luck, full_descriptor_table)
{
	enum { COMERS = 80 };
	int comers[COMERS], by_path, there, control, waiting = 0;
	struct raw reply = { .nfds = 0 };
	struct rlimit old, now;
	struct path_opens late;
	struct wire_writer w;
	uint8_t buf[256];
	struct place p;
	pid_t other;

	place_start(&p);
	other = greeter(p.b.host, "quiet");
	there = raw_open(p.good);
	control = raw_open_control(&p.b);
	cr_assert_eq(raw_find(there, 1, 1, "db"), 0);
	cr_assert_eq(raw_find(control, 1, 1, "db"), 0);
	limit_switch(&p, (rlim_t)broker_fd_count(&p.b), &old);

	for (int i = 0; i < COMERS; i++) {
		comers[i] = raw_open(p.bad);
		raw_ask_connect(comers[i], 1, "db", 0);
	}
	by_path = path_connect(p.bad, "db");
	cr_assert_geq(by_path, 0);
	for (uint32_t i = 0; i < 30; i++) {
		cr_assert_eq(raw_introduce(there, 2 + i, "db", SOCK_STREAM, 0, &reply), 0);
		be_greeted_on(raw_take_fd(&reply));
	}
	for (int i = 0; i < COMERS; i++)
		waiting += is_silent(comers[i]);
	cr_assert_gt(waiting, 0, "the table was not full");
	/* What cannot be made is said, and half of it does not stay. Not even a place that is
	 * free for a moment is below this. */
	limit_switch(&p, 3, &now);
	wire_begin(&w, buf, sizeof buf, WIRE_DOOR_ADD, 2, 0, 0);
	wire_put_string(&w, TAG_DOOR, "late");
	cr_assert_eq(raw_ask(control, &w, -1, &reply), -EMFILE);
	/* A name's socket file is made as soon as it can be. */
	wire_begin(&w, buf, sizeof buf, WIRE_GRANT, 3, 0, 0);
	wire_put_string(&w, TAG_NAME, "alias");
	wire_put_string(&w, TAG_DOOR, "good");
	wire_put_string(&w, TAG_SERVICE, "quiet");
	cr_assert_eq(raw_ask(control, &w, -1, &reply), 0);
	cr_assert_eq(path_connect(p.good, "alias"), -ENOENT);

	MUST(prlimit(p.room, RLIMIT_NOFILE, &old, NULL));
	for (int i = 0; i < COMERS; i++) {
		cr_assert_eq(raw_reply(comers[i], 1, &reply), 0);
		be_greeted_on(raw_take_fd(&reply));
		close(comers[i]);
	}
	be_greeted_on(by_path);
	late = (struct path_opens){ p.good, "alias", -1 };
	cr_assert(wait_until(path_opens, &late), "the name has no socket");
	be_greeted_on(late.sock);
	cr_assert_eq(broker_add_door(&p.b, "late"), 0);
	close(control);
	close(there);
	child_kill(other);
	p.fds += 3;		/* the alias's listener, the new door's and its directory */
	p.parent_fds += 2;
	place_end(&p);
}

/* ---- a small one ---- */

/* A broker with so few descriptors that one door's connections could use them up. */
static void small_broker(struct broker *b, pid_t *db)
{
	char name[16];

	broker_start(b, &(struct broker_options){ .nofile = 400 });
	*db = greeter(b->host, "db");
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "door%d", i);
		cr_assert_eq(broker_add_door(b, name), 0);
		cr_assert_eq(broker_grant(b, name, "db", RIGHT_CONNECT), 0);
	}
}

/* The limits that nobody set suit the table. */
TEST(bad_luck, small_table)
{
	enum { FLOOD = 300 };
	char door[PATH_BYTES];
	int fds[FLOOD];
	struct broker b;
	pid_t db;

	small_broker(&b, &db);
	broker_door(&b, "door0", door);
	for (int i = 0; i < FLOOD; i++) {
		fds[i] = raw_open(door);
		raw_ask_connect(fds[i], 1, "absent", MINUTE_US);
	}
	broker_door(&b, "door1", door);
	be_greeted(door, "db");
	be_greeted(b.host, "db");
	for (int i = 0; i < FLOOD; i++)
		close(fds[i]);
	usage_await(&b, "door0", 0, TAG_CONNECTIONS, 0);
	child_kill(db);
	broker_stop(&b);
}

/* Who is shut out by what all doors together have comes in when any of that ends; the
 * administrator is not shut out. */
TEST(bad_luck, as_many_connections_as_can_be)
{
	enum { MOST = 400 };
	int fds[MOST], n = 0, good, control, late;
	char door[PATH_BYTES], other[PATH_BYTES];
	struct raw reply;
	struct broker b;
	pid_t db;

	small_broker(&b, &db);
	cr_assert_eq(broker_limit(&b, NULL, TAG_MAX_CONNECTIONS, 1000), 0);
	broker_door(&b, "door0", door);
	broker_door(&b, "door1", other);
	control = raw_open_control(&b);
	/* One more here, until one at another door finds no room. */
	for (;; n++) {
		cr_assert_lt(n, MOST, "there is no end");
		good = raw_open(other);
		raw_ask_connect(good, 1, "db", 0);
		for (uint32_t ask = 1; ask <= 4; ask++)
			cr_assert_eq(raw_find(control, ask, 4u * (uint32_t)n + ask, "db"), 0);
		if (is_silent(good))
			break;
		cr_assert_eq(raw_reply(good, 1, &reply), 0);
		be_greeted_on(raw_take_fd(&reply));
		close(good);
		fds[n] = raw_open(door);
		cr_assert_eq(raw_find(fds[n], 1, 1, "db"), 0);
	}
	late = raw_open_control(&b);
	cr_assert_eq(raw_find(late, 1, 1, "db"), 0);
	cr_assert(is_silent(good));
	close(late);
	close(fds[--n]);
	cr_assert_eq(raw_reply(good, 1, &reply), 0);
	be_greeted_on(raw_take_fd(&reply));
	close(good);
	close(control);
	while (n > 0)
		close(fds[--n]);
	child_kill(db);
	broker_stop(&b);
}

/* A door at its limit: a higher limit lets in who waits before it. */
TEST(bad_luck, raised_limit)
{
	struct raw reply;
	struct place p;
	int sock;

	place_start(&p);
	cr_assert_eq(broker_limit(&p.b, "bad", TAG_MAX_CONNECTIONS, 0), 0);
	sock = raw_open(p.bad);
	raw_ask_connect(sock, 1, "db", 0);
	be_greeted(p.good, "db");
	be_greeted(p.good, "db");
	cr_assert(is_silent(sock));
	cr_assert_eq(broker_limit(&p.b, "bad", TAG_MAX_CONNECTIONS, 8), 0);
	cr_assert_eq(raw_reply(sock, 1, &reply), 0);
	be_greeted_on(raw_take_fd(&reply));
	close(sock);
	place_end(&p);
}

TEST(bad_luck, thousand_idle_clients)
{
	enum { IDLE = 1000 };
	static int idle[IDLE];
	struct place p;

	need_descriptors(IDLE + 256);
	place_start(&p);
	for (int i = 0; i < IDLE; i++)
		idle[i] = raw_open(p.bad);
	usage_await(&p.b, "bad", 0, TAG_CONNECTIONS, IDLE + 1);
	cr_assert(broker_fds_settle(&p.b, p.fds + IDLE));
	be_greeted(p.good, "db");
	be_greeted(p.bad, "db");
	for (int i = 0; i < IDLE; i++) {
		cr_assert_eq(raw_find(idle[i], 1, 1, "db"), 0);
		close(idle[i]);
	}
	usage_await(&p.b, "bad", 0, TAG_CONNECTIONS, 1);
	place_end(&p);
}
