/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bad input that is well-formed: any number as an error, names that would write the log, files
 * that belong to somebody else, and requests in any order. Only the offender notices, nothing
 * grows, and the switch never exits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"

/* An agent may refuse with any number; only negative errnos are passed on. */
TEST(bad_requests, errors_that_are_none)
{
	static const int32_t odd[] = { -1,    -39,   -133,	-134, -300, -512, -524,
				       -4095, -4096, INT32_MIN, 1,    4096, INT32_MAX };
	struct scene s;
	int agent, client;

	scene_start(&s, NULL);
	agent = serve(&s, "host", "agent", WAY_FETCH);
	client = enter(&s, "host");
	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		struct raw fetch;
		struct message m;
		int r;

		ask(client, 5, "agent", SOCK_STREAM, 0);
		expect(agent, WIRE_FETCH, &fetch);
		message(&m, WIRE_FETCHED, fetch.m.head.serial, 0, 0);
		wire_put_u32(&m.w, TAG_ERROR, (uint32_t)odd[i]);
		raw_send(agent, &m.w, -1);
		r = answer(client, 5);
		cr_assert_eq(r, odd[i] < 0 && odd[i] > -4096 ? odd[i] : -ECONNREFUSED,
			     "%d was told as %d", odd[i], r);
	}
	close(agent);
	close(client);
	scene_end(&s);
}

/* ---- the audit log ---- */

static const char *const forgeries[] = {
	"x\n2000-01-01T00:00:00.000Z introduced forged=1", "\r\n", "\033[2Jforged",
	"a b name=forged", "\"forged\"", "a=forged", "\177", "\xff\xfe",
};

/* Everything that a client or an administrator may name, with a name that is none. */
static void name_it_everywhere(const struct scene *s, const char *name)
{
	static const struct {
		enum wire_type type;
		bool fd, control;
	} requests[] = {
		{ WIRE_FIND, false, false },	 { WIRE_CONNECT, false, false },
		{ WIRE_SERVE, false, false },	 { WIRE_TAKE, false, false },
		{ WIRE_PLACE, true, false },	 { WIRE_HOLD, true, false },
		{ WIRE_DOOR_ADD, false, true },	 { WIRE_DOOR_REMOVE, false, true },
		{ WIRE_GRANT, false, true },	 { WIRE_UNGRANT, false, true },
		{ WIRE_LIMIT, false, true },	 { WIRE_WHY, false, true },
	};
	int client = enter(s, "host"), control = raw_open_control(&s->b);

	allow(client);
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		struct raw reply = { .nfds = 0 };
		struct message m;

		message(&m, requests[i].type, 3, 1, requests[i].fd);
		wire_put_string(&m.w, TAG_NAME, name);
		if (requests[i].control)
			wire_put_string(&m.w, TAG_DOOR, name);
		if (requests[i].control)
			wire_put_string(&m.w, TAG_LABEL, name);
		wire_put_string(&m.w, TAG_FILE, "file");
		raw_send(requests[i].control ? control : client, &m.w,
			 requests[i].fd ? STDERR_FILENO : -1);
		cr_assert(raw_reply(requests[i].control ? control : client, 3, &reply) < 0 ||
			  requests[i].type == WIRE_WHY, "message %d", (int)requests[i].type);
	}
	close(client);
	close(control);
}

TEST(bad_requests, names_do_not_write_the_log)
{
	char path[PATH_BYTES], *log;
	struct scene s;

	scene_start(&s, NULL);
	for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++)
		name_it_everywhere(&s, forgeries[i]);
	snprintf(path, sizeof path, "%s/audit.log", s.b.base);
	scene_check(&s);
	/* the switch writes what it has collected when it stops, and the log is kept */
	MUST(kill(s.b.pid, SIGTERM));
	cr_assert_eq(child_wait(s.b.pid), 0);
	log = file_read(path);
	cr_assert(log && strstr(log, " refused "), "what was refused is in it");
	cr_assert_null(strstr(log, "forged"), "what a client wrote is in it");
	for (const char *at = log; *at; at++)
		cr_assert(*at == '\n' || (*at >= ' ' && *at <= '~'), "byte %u in it",
			  (unsigned char)*at);
	for (const char *line = log, *next; *line; line = next + 1) {
		next = strchr(line, '\n');
		cr_assert(next && strncmp(line, "20", 2) == 0, "a line begins otherwise");
	}
	free(log);
	dir_remove(s.b.dir);
}

/* ---- doors and their files ---- */

static int grant_file(const struct scene *s, const char *door, const char *name,
		      const char *file)
{
	struct message m;

	message(&m, WIRE_GRANT, 1, 0, 0);
	wire_put_string(&m.w, TAG_NAME, name);
	wire_put_string(&m.w, TAG_DOOR, door);
	wire_put_string(&m.w, TAG_FILE, file);
	return broker_administer(&s->b, &m.w);
}

/* However many there are. */
TEST(bad_requests, two_grants_never_share_a_file)
{
	enum { GRANTS = 100 };
	struct scene s;
	char name[16];

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "door"), 0);
	for (int i = 0; i < GRANTS; i++) {
		snprintf(name, sizeof name, "n%d", i);
		cr_assert_eq(broker_grant(&s.b, "door", name, RIGHT_CONNECT), 0);
	}
	cr_assert_eq(grant_file(&s, "door", "other", "n7"), -EEXIST, "a namesake's");
	cr_assert_eq(grant_file(&s, "door", "alias", "file"), 0);
	cr_assert_eq(grant_file(&s, "door", "other", "file"), -EEXIST, "an alias");
	cr_assert_eq(broker_grant(&s.b, "door", "file", RIGHT_CONNECT), -EEXIST,
		     "one's own name, which is somebody's file");
	cr_assert_eq(broker_ungrant(&s.b, "door", "alias"), 0);
	cr_assert_eq(broker_grant(&s.b, "door", "file", RIGHT_CONNECT), 0);
	cr_assert_eq(broker_remove_door(&s.b, "door"), 0);
	scene_end(&s);
}

TEST(bad_requests, nobody_else_is_called_control)
{
	struct scene s;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "control"), -EEXIST);
	cr_assert_eq(broker_add_door(&s.b, "host"), -EEXIST);
	cr_assert_eq(broker_remove_door(&s.b, "control"), -ENOENT);
	cr_assert_eq(broker_remove_door(&s.b, "host"), -EPERM);
	scene_end(&s);
}

/* ---- a client that asks without reading ---- */

/* Packets of an answer's size that a socket takes while nobody reads. */
static int capacity(void)
{
	static const char packet[WIRE_HEADER_BYTES + 8];
	int pair[2], n = 0;

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	while (send(pair[0], packet, sizeof packet, MSG_DONTWAIT) > 0)
		n++;
	close(pair[0]);
	close(pair[1]);
	return n;
}

static bool all_is_read(void *arg)
{
	int unread = 1;

	MUST(ioctl(*(int *)arg, SIOCOUTQ, &unread));
	return unread == 0;
}

/* So many look-ups that nobody reads the answers to, and then an introduction. */
static void ask_behind(const struct scene *s, int lookups, int most)
{
	int client = enter(s, "host"), fd;
	struct raw got = { .nfds = 0 };
	struct message m;

	for (int i = 0; i < lookups; i++) {
		message(&m, WIRE_FIND, 1, 1, 0);
		wire_put_string(&m.w, TAG_NAME, "nothing");
		raw_send(client, &m.w, -1);
	}
	ask(client, 2, "name", SOCK_STREAM, 0);
	/* as far as it reads where nobody takes its answers */
	if (lookups <= most)
		cr_assert(wait_until(all_is_read, &client));
	for (int i = 0; i < lookups; i++)
		cr_assert_eq(raw_reply(client, 1, &got), -ENOENT);
	fd = answer(client, 2);
	cr_assert_geq(fd, 0, "behind %d answers: %s", lookups, strerror(-fd));
	close(fd);
	close(client);
}

/* Where answers fill the socket to the last byte there is nothing in the queue, and still the
 * introduction must wait for room. */
TEST(bad_requests, answers_that_just_fill_the_socket)
{
	struct scene s;
	int service, most = capacity();

	scene_start(&s, NULL);
	service = serve(&s, "host", "name", WAY_PAIR);
	for (int lookups = most - 4; lookups <= most + 4; lookups++) {
		ask_behind(&s, lookups, most);
		close(expect(service, WIRE_INCOMING, NULL));
	}
	close(service);
	scene_end(&s);
}

/* ---- in any order ---- */

/* Pseudo-random, the same in every run. */
static uint32_t next_random(void)
{
	static uint32_t x = 2463534242;

	x ^= x << 13;
	x ^= x >> 17;
	return x ^= x << 5;
}

static const char *const names[] = { "a", "b", "c", "d.e-f_9", "..", "a/b", ".x", "intro.sock" };

static void random_message(uint8_t *packet, size_t *len, bool fd)
{
	static const enum wire_tag tags[] = { TAG_ERROR, TAG_NAME, TAG_SOCKTYPE, TAG_SOCKTYPES,
					      TAG_WAIT, TAG_WAY, TAG_BATCH, TAG_USERNS,
					      TAG_SESSION, TAG_FILE };
	uint32_t type = 1 + next_random() % WIRE_ATTEST;
	struct wire_writer w;

	/* would end the connection's usefulness */
	if (type == WIRE_SHARE)
		type = WIRE_CONNECT;
	wire_begin(&w, packet, WIRE_PACKET_MAX, (uint16_t)type, next_random() % 8,
		   next_random() % 8, fd);
	for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
		uint32_t dice = next_random();

		if ((dice & 1 && tags[i] != TAG_NAME) || (tags[i] == TAG_ERROR && dice & 6))
			continue;
		if (wire_tag_kind(tags[i]) == KIND_STRING)
			wire_put_string(&w, tags[i], names[(dice >> 8) % 8]);
		else if (wire_tag_kind(tags[i]) == KIND_U64)
			wire_put_u64(&w, tags[i], (dice >> 8) % 3 ? dice % 20000 : 0);
		else
			wire_put_u32(&w, tags[i], (dice >> 8) % 6);
	}
	*len = w.used;
	/* one in many is broken, too */
	if (next_random() % 512 == 0)
		packet[next_random() % *len] ^= (uint8_t)(1 + next_random() % 255);
}

static bool nobody_is_left(void *arg)
{
	return broker_usage(&((struct scene *)arg)->b, "host", 0, TAG_CONNECTIONS) == 0;
}

/* Once all that was sent has been read. */
static void take_what_was_held(struct scene *s)
{
	int sock, fd;

	cr_assert(wait_until(nobody_is_left, s));
	sock = enter(s, "host");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct message m;

		message(&m, WIRE_TAKE, 4, 0, 0);
		wire_put_string(&m.w, TAG_NAME, names[i]);
		raw_send(sock, &m.w, -1);
		fd = answer(sock, 4);
		if (fd >= 0)
			close(fd);
	}
	close(sock);
}

static void end_one(int *sock)
{
	close(*sock);
	*sock = -1;
}

/* Requests in any order, with and without descriptors, on a few connections whose answers are
 * read now and then, and which end now and then. */
TEST(bad_requests, in_any_order)
{
	enum { SOCKETS = 8, MESSAGES = 60000 };
	uint8_t packet[WIRE_PACKET_MAX];
	int socks[SOCKETS], kinds[3];
	struct scene s;
	size_t len;

	scene_start(&s, NULL);
	memset(socks, 0xff, sizeof socks);
	kinds[0] = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
	kinds[1] = MUST(open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC));
	kinds[2] = MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	for (int n = 0; n < MESSAGES; n++) {
		int *sock = &socks[next_random() % SOCKETS];
		bool fd = next_random() % 3 == 0;
		struct raw got = { .nfds = 0 };

		if (*sock < 0) {
			*sock = enter(&s, "host");
			allow(*sock);
		}
		random_message(packet, &len, fd);
		if (packet_send(*sock, packet, len, &kinds[next_random() % 3], fd) < 0 ||
		    next_random() % 256 == 0)
			end_one(sock);
		while (*sock >= 0 && next_random() % 4 &&
		       poll(&(struct pollfd){ *sock, POLLIN, 0 }, 1, 0) > 0) {
			if (raw_recv(*sock, &got) <= 0)
				end_one(sock);
			raw_close(&got);
		}
	}
	for (int i = 0; i < SOCKETS; i++)
		if (socks[i] >= 0)
			close(socks[i]);
	for (int i = 0; i < 3; i++)
		close(kinds[i]);
	take_what_was_held(&s);
	scene_end(&s);
}
