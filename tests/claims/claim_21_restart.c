/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 21: the broker's death does not disturb live sessions, and a switch that is killed
 * comes back with its doors, grants, limits and counted uses.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"

static struct scene s;

/* ---- live sessions ---- */

/* One session by each of three ways, both ends ours. */
struct session {
	int client, server;
};

static struct session by_pair(int service)
{
	int client = enter(&s, "host");
	struct session made = { .client = dial(client, "pair") };

	made.server = expect(service, WIRE_INCOMING, NULL);
	close(client);
	return made;
}

static struct session by_fetch(int agent)
{
	struct session made;
	int client = enter(&s, "host");
	struct raw fetch;

	ask(client, 7, "fetch", SOCK_STREAM, 0);
	expect(agent, WIRE_FETCH, &fetch);
	made.server = raw_fetched(agent, fetch.m.head.serial);
	made.client = answer(client, 7);
	close(client);
	return made;
}

static struct session by_listening(int service, const char *path)
{
	struct session made = { .client = MUST(unix_connect(path, SOCK_STREAM)) };

	made.server = expect(service, WIRE_INCOMING, NULL);
	return made;
}

static void expect_alive(const struct session *sessions, size_t n, const char *when)
{
	for (size_t i = 0; i < n; i++) {
		cr_expect(linked(sessions[i].client, sessions[i].server), "%zu %s", i, when);
		cr_expect(linked(sessions[i].server, sessions[i].client), "%zu %s", i, when);
	}
}

TEST(claim_21, sessions_live_on)
{
	char path[PATH_BYTES];
	struct session live[3];
	int service, agent;

	scene_start(&s, NULL);
	cr_assert_eq(broker_grant(&s.b, "host", "pair", RIGHT_CONNECT | RIGHT_SERVE), 0);
	scene_settled(&s);
	service = serve(&s, "host", "pair", WAY_PAIR);
	agent = serve(&s, "host", "fetch", WAY_FETCH);
	allow(agent);
	snprintf(path, sizeof path, "%s/pair", s.b.host);
	live[0] = by_pair(service);
	live[1] = by_fetch(agent);
	live[2] = by_listening(service, path);
	expect_alive(live, 3, "before");

	broker_switch_kill(&s.b);
	expect_end(service);
	expect_end(agent);
	expect_alive(live, 3, "after the switch's death");
	scene_check_restarted(&s);

	broker_kill(&s.b);
	expect_alive(live, 3, "after the broker's death");
	for (int i = 0; i < 3; i++) {
		close(live[i].client);
		close(live[i].server);
	}
}

/* ---- what comes back ---- */

/* What is listed, without what changes by itself, one line a row; to be freed. */
static char *listed(enum wire_what what)
{
	static const uint64_t passing =
		UINT64_C(1) << TAG_EXPIRES | UINT64_C(1) << TAG_INTRODUCTIONS |
		UINT64_C(1) << TAG_REFUSALS | UINT64_C(1) << TAG_CONNECTIONS;
	int sock = raw_open_control(&s.b);
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);
	struct message m;
	struct raw row;

	wire_put_u32(message(&m, WIRE_LIST, 1, 0, 0), TAG_WHAT, what);
	raw_send(sock, &m.w, -1);
	while (raw_recv(sock, &row) > 0 && row.m.head.type == WIRE_ROW) {
		/* a uid without limits of its own is there while it is connected */
		if (what == WHAT_USAGE && wire_has(&row.m, TAG_UID) &&
		    wire_u32(&row.m, TAG_UID, 0) != 4242)
			continue;
		for (int tag = 1; tag < TAG_END; tag++) {
			if (!wire_has(&row.m, (enum wire_tag)tag) || passing >> tag & 1)
				continue;
			fprintf(out, "%s=", wire_tag_name((enum wire_tag)tag));
			for (int i = 0; i < row.m.length[tag]; i++)
				fprintf(out, "%02x", row.m.value[tag][i]);
			fputc(' ', out);
		}
		fputc('\n', out);
	}
	fclose(out);
	close(sock);
	return text;
}

static void grant_counted(const char *name, uint32_t uses)
{
	struct message m;
	struct wire_writer *w = message(&m, WIRE_GRANT, 1, 0, 0);

	wire_put_string(w, TAG_NAME, name);
	wire_put_string(w, TAG_DOOR, "box");
	wire_put_string(w, TAG_LABEL, "for the box");
	wire_put_string(w, TAG_FILE, ".s.file");
	wire_put_string(w, TAG_SERVICE, "pair");
	wire_put_u64(w, TAG_LIFETIME, UINT64_C(3600) * 1000000);
	wire_put_u32(w, TAG_USES, uses);
	cr_assert_eq(broker_administer(&s.b, w), 0);
}

static void expect_listed(enum wire_what what, const char *before)
{
	char *after = listed(what);

	cr_expect_str_eq(after, before, "list %d is\n%sand was\n%s", (int)what, after, before);
	free(after);
}

TEST(claim_21, doors_grants_and_limits_come_back)
{
	static const enum wire_what kinds[] = { WHAT_DOORS, WHAT_GRANTS, WHAT_USAGE };
	char *before[3];
	struct message m;

	scene_start(&s, NULL);
	wire_put_string(message(&m, WIRE_DOOR_ADD, 1, 0, 0), TAG_DOOR, "box");
	wire_put_u32(&m.w, TAG_EXPORT, 1);
	wire_put_u32(&m.w, TAG_MAX_WAITS, 7);
	cr_assert_eq(broker_administer(&s.b, &m.w), 0);
	cr_assert_eq(broker_add_door(&s.b, "gone"), 0);
	grant_counted("counted", 5);
	cr_assert_eq(broker_grant_as(&s.b, "box", "kept", "pair", RIGHT_SERVE), 0);
	cr_assert_eq(broker_grant_as(&s.b, "box", "ungranted", "pair", RIGHT_SERVE), 0);
	cr_assert_eq(broker_limit_uid(&s.b, 4242, TAG_MAX_HELD, 3), 0);
	cr_assert_eq(broker_limit(&s.b, "host", TAG_MAX_NAMES, 99), 0);
	cr_assert_eq(broker_limit(&s.b, "box", TAG_MAX_CONNECTIONS, 6), 0);
	wire_put_u32(message(&m, WIRE_LIMIT, 1, 0, 0), TAG_MAX_FLIGHT, 77);
	cr_assert_eq(broker_administer(&s.b, &m.w), 0);
	cr_assert_eq(broker_ungrant(&s.b, "box", "ungranted"), 0);
	cr_assert_eq(broker_remove_door(&s.b, "gone"), 0);
	scene_settled(&s);

	for (int i = 0; i < 3; i++)
		before[i] = listed(kinds[i]);
	cr_assert(strstr(before[1], "uses="), "%s", before[1]);
	for (int round = 0; round < 3; round++) {
		broker_switch_kill(&s.b);
		for (int i = 0; i < 3; i++)
			expect_listed(kinds[i], before[i]);
		scene_check_restarted(&s);
	}
	for (int i = 0; i < 3; i++)
		free(before[i]);
	scene_end(&s);
}

/* ---- limits of what is configured ---- */

static const char configured[] = "limits { waits = 50 }\n"
				 "uid \"4242\" { limits { held = 5 } }\n"
				 "door \"web\" { limits { flight = 16 } }\n";

/* One limit of a door, of the uid 4242 ("uid"), or what holds otherwise (""). */
static uint32_t limit_of(const char *whose, enum wire_tag what)
{
	int sock = raw_open_control(&s.b);
	uint32_t found = UINT32_MAX;
	char door[65];
	struct message m;
	struct raw row;

	wire_put_u32(message(&m, WIRE_LIST, 1, 0, 0), TAG_WHAT,
		     *whose ? WHAT_USAGE : WHAT_STATUS);
	raw_send(sock, &m.w, -1);
	while (raw_recv(sock, &row) > 0 && row.m.head.type == WIRE_ROW) {
		wire_string(&row.m, TAG_DOOR, door, sizeof door);
		if (!*whose || (*door && strcmp(door, whose) == 0) ||
		    (strcmp(whose, "uid") == 0 && wire_u32(&row.m, TAG_UID, 0) == 4242))
			found = wire_u32(&row.m, what, UINT32_MAX);
	}
	close(sock);
	return found;
}

struct limits {
	uint32_t flight, names, held, waits;
};

static bool limits_are(void *arg)
{
	const struct limits *l = arg;

	return limit_of("web", TAG_MAX_FLIGHT) == l->flight &&
	       limit_of("web", TAG_MAX_NAMES) == l->names &&
	       limit_of("uid", TAG_MAX_HELD) == l->held &&
	       limit_of("", TAG_MAX_WAITS) == l->waits &&
	       limit_of("web", TAG_MAX_WAITS) == l->waits;
}

static void expect_limits(struct limits l, const char *when)
{
	cr_expect(wait_until(limits_are, &l), "%s: flight %u, names %u, held %u, waits %u", when,
		  limit_of("web", TAG_MAX_FLIGHT), limit_of("web", TAG_MAX_NAMES),
		  limit_of("uid", TAG_MAX_HELD), limit_of("", TAG_MAX_WAITS));
}

static void limit_at_run_time(uint32_t flight, uint32_t names, uint32_t held, uint32_t waits)
{
	struct message m;

	cr_assert_eq(broker_limit(&s.b, "web", TAG_MAX_FLIGHT, flight), 0);
	cr_assert_eq(broker_limit(&s.b, "web", TAG_MAX_NAMES, names), 0);
	cr_assert_eq(broker_limit_uid(&s.b, 4242, TAG_MAX_HELD, held), 0);
	wire_put_u32(message(&m, WIRE_LIMIT, 1, 0, 0), TAG_MAX_WAITS, waits);
	cr_assert_eq(broker_administer(&s.b, &m.w), 0);
}

static void reload(const char *config)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/introd.conf", s.b.dir);
	file_write(path, config);
	MUST(kill(s.b.pid, SIGHUP));
}

/* They outlive the switch; the configuration, read anew, says what it says. */
TEST(claim_21, limits_of_what_is_configured_come_back)
{
	uint32_t names;

	scene_start(&s, &(struct broker_options){ .config = configured });
	names = limit_of("web", TAG_MAX_NAMES);
	expect_limits((struct limits){ 16, names, 5, 50 }, "as configured");
	limit_at_run_time(7, 77, 9, 60);
	for (int i = 0; i < 2; i++) {
		expect_limits((struct limits){ 7, 77, 9, 60 }, "as set at run time");
		broker_switch_kill(&s.b);
	}
	expect_limits((struct limits){ 7, 77, 9, 60 }, "after two deaths");

	reload(configured);
	expect_limits((struct limits){ 16, 77, 5, 50 }, "reloaded");
	broker_switch_kill(&s.b);
	expect_limits((struct limits){ 16, 77, 5, 50 }, "reloaded, and after a death");
	limit_at_run_time(8, 78, 10, 61);
	broker_switch_kill(&s.b);
	expect_limits((struct limits){ 8, 78, 10, 61 }, "set again");
	scene_check_restarted(&s);
	scene_end(&s);
}

/* The next switch begins with a configuration that the last one has not looked at. */
TEST(claim_21, a_configuration_read_between_two_switches_says_what_it_says)
{
	scene_start(&s, &(struct broker_options){ .config = configured });
	limit_at_run_time(7, 77, 9, 60);
	MUST(kill(s.room, SIGSTOP));
	reload("limits { waits = 51 }\ndoor \"web\" { limits { flight = 17 } }\n");
	MUST(kill(s.room, SIGKILL));
	s.room = broker_switch_pid(&s.b, s.room);
	expect_limits((struct limits){ 17, 77, 9, 51 }, "of the new configuration");
	scene_check_restarted(&s);
	scene_end(&s);
}

TEST(claim_21, limits_that_are_configured_no_more_are_gone)
{
	uint32_t names, held, waits, flight;

	scene_start(&s, &(struct broker_options){ .config = "door \"web\" {}\n" });
	flight = limit_of("web", TAG_MAX_FLIGHT);
	names = limit_of("web", TAG_MAX_NAMES);
	waits = limit_of("", TAG_MAX_WAITS);
	held = limit_of("uid", TAG_MAX_HELD);
	cr_assert_eq(held, UINT32_MAX, "nothing is known of it");
	reload(configured);
	expect_limits((struct limits){ 16, names, 5, 50 }, "configured");
	reload("door \"web\" {}\n");
	expect_limits((struct limits){ flight, names, held, waits }, "and not any more");
	scene_check(&s);
	scene_end(&s);
}

/* What the next call through the box's door is answered; -ENOENT: there is no file for it. */
static int use_once(int service, bool path)
{
	char file[PATH_BYTES + 16], door[PATH_BYTES];
	int fd, client, other;

	broker_door(&s.b, "box", door);
	if (path) {
		snprintf(file, sizeof file, "%s/.s.file", door);
		fd = unix_connect(file, SOCK_STREAM);
	} else {
		client = raw_open(door);
		fd = dial(client, "counted");
		close(client);
	}
	if (fd < 0)
		return fd;
	other = expect(service, WIRE_INCOMING, NULL);
	cr_expect(linked(fd, other));
	close(fd);
	close(other);
	return 0;
}

TEST(claim_21, counted_uses_come_back)
{
	int service;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "box"), 0);
	grant_counted("counted", 4);
	scene_settled(&s);
	service = serve(&s, "host", "pair", WAY_PAIR);
	cr_assert_eq(use_once(service, false), 0);
	cr_assert_eq(use_once(service, true), 0);
	for (int left = 2; left > 0; left--) {
		broker_switch_kill(&s.b);
		expect_end(service);
		service = serve(&s, "host", "pair", WAY_PAIR);
		cr_expect_eq(use_once(service, left == 1), 0, "the use with %d left", left);
	}
	cr_expect_eq(use_once(service, false), -EDQUOT);
	broker_switch_kill(&s.b);
	expect_end(service);
	service = serve(&s, "host", "pair", WAY_PAIR);
	cr_expect_eq(use_once(service, false), -EDQUOT, "used up is used up");
	cr_expect_eq(use_once(service, true), -ENOENT);
	close(service);
	s.room_fds--;	/* the file's listener, in both rooms */
	s.parent_fds--;
	scene_check_restarted(&s);
	scene_end(&s);
}
