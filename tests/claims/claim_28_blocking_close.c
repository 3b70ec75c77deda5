/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 28: no deposited descriptor (SO_LINGER, FUSE, anything) delays another client.
 *
 * Each test leaves with the switch a descriptor whose close takes longer than any test may
 * last, by another road; then strangers must meet.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"
#include "stuck_fs.h"

/* Send it with a message of this type and let go of it, so that the switch has the last copy:
 * it is stopped meanwhile, since otherwise the last one to close might be we. */
static void deposit(const struct scene *s, int sock, enum wire_type type, const char *name,
		    int *fd)
{
	struct message m;
	struct wire_writer *w = message(&m, type, 77, 1, 1);

	if (name)
		wire_put_string(w, TAG_NAME, name);
	if (type == WIRE_PLACE)
		wire_put_string(w, TAG_FILE, "server.sock");
	MUST(kill(s->room, SIGSTOP));
	raw_send(sock, w, *fd);
	close(*fd);
	*fd = -1;
	MUST(kill(s->room, SIGCONT));
}

/* ---- SO_LINGER ---- */

/* The ways in which a descriptor comes to be the switch's to close. */
static void linger_by(enum wire_type type, const char *name)
{
	struct lingering l;
	struct scene s;
	int sock;

	scene_start(&s, NULL);
	sock = enter(&s, "host");
	allow(sock);
	lingering_make(&l);
	deposit(&s, sock, type, name, &l.fd);
	strangers_meet(&s);
	close(sock);
	strangers_meet(&s);
	lingering_release(&l);
	scene_end(&s);
}

TEST(claim_28, refused_hold)
{
	linger_by(WIRE_HOLD, "no/name");
}

TEST(claim_28, message_that_brings_none)
{
	linger_by(WIRE_FIND, "name");
}

TEST(claim_28, unknown_message)
{
	linger_by(31, NULL);
}

TEST(claim_28, answer_that_nobody_waits_for)
{
	linger_by(WIRE_FETCHED, NULL);
}

TEST(claim_28, joined_what_is_no_connection)
{
	linger_by(WIRE_JOIN, NULL);
}

TEST(claim_28, placed_what_is_no_directory)
{
	linger_by(WIRE_PLACE, "name");
}

TEST(claim_28, held_and_its_door_removed)
{
	struct lingering l;
	struct scene s;
	int sock;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "door"), 0);
	cr_assert_eq(broker_grant(&s.b, "door", "kept", RIGHTS_ALL), 0);
	lingering_make(&l);
	sock = enter(&s, "door");
	allow(sock);
	deposit(&s, sock, WIRE_HOLD, "kept", &l.fd);
	cr_assert_eq(answer(sock, 77), -1, "it is held");
	close(sock);
	cr_assert_eq(broker_remove_door(&s.b, "door"), 0);
	strangers_meet(&s);
	lingering_release(&l);
	scene_end(&s);
}

/* The connection ends with descriptors in it that the switch never read. */
TEST(claim_28, unread_in_a_connection_that_ends)
{
	struct lingering l;
	struct scene s;
	struct message m;
	int sock;

	scene_start(&s, NULL);
	sock = enter(&s, "host");
	allow(sock);
	lingering_make(&l);
	/* while it is stopped both are queued, and the first one ends the connection */
	MUST(kill(s.room, SIGSTOP));
	raw_send(sock, message(&m, 31, 1, 0, 0), -1);
	deposit(&s, sock, WIRE_HOLD, "unread", &l.fd);
	expect_end(sock);
	strangers_meet(&s);
	lingering_release(&l);
	scene_end(&s);
}

/* Send one byte, or none at all, with a descriptor in an introduced or other socket. */
static void put_into(int sock, size_t len, int *fd)
{
	if (packet_send(sock, "x", len, fd, 1) < 0)
		harness_fail("sending a descriptor");
	close(*fd);
	*fd = -1;
}

/* A client connects to a name's socket while nobody serves it, and leaves a descriptor in the
 * connection. When the name goes, both rooms close the listener with all that is in it. */
TEST(claim_28, unaccepted_on_a_path)
{
	char door[PATH_BYTES], path[PATH_BYTES + 8];
	struct lingering l;
	struct scene s;
	int sock;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "door"), 0);
	scene_settled(&s);
	cr_assert_eq(broker_grant(&s.b, "door", "name", RIGHTS_ALL), 0);
	broker_door(&s.b, "door", door);
	snprintf(path, sizeof path, "%s/name", door);
	lingering_make(&l);
	sock = unix_connect(path, SOCK_STREAM);
	cr_assert_geq(sock, 0);
	put_into(sock, 1, &l.fd);
	close(sock);

	/* the parent's copy is the last one: it closes it only when the switch has closed its */
	MUST(kill(s.b.pid, SIGSTOP));
	cr_assert_eq(broker_ungrant(&s.b, "door", "name"), 0);
	cr_assert(broker_fds_settle(&s.b, s.room_fds));
	strangers_meet(&s);
	/* and it is not stuck: it starts another switch */
	MUST(kill(s.b.pid, SIGCONT));
	broker_switch_kill(&s.b);
	strangers_meet(&s);
	lingering_release(&l);
	scene_check_restarted(&s);
	broker_stop(&s.b);
}

/* A client of a service that dies between accept and hand-over has filled its connection. */
TEST(claim_28, in_a_path_connection_that_nobody_takes)
{
	char path[PATH_BYTES + 8];
	struct lingering l;
	struct scene s;
	int service, sock;

	scene_start(&s, NULL);
	cr_assert_eq(broker_grant(&s.b, "host", "name", RIGHTS_ALL), 0);
	scene_settled(&s);
	snprintf(path, sizeof path, "%s/name", s.b.host);
	lingering_make(&l);
	service = serve(&s, "host", "name", WAY_PAIR);
	MUST(kill(s.room, SIGSTOP));
	sock = unix_connect(path, SOCK_STREAM);
	cr_assert_geq(sock, 0);
	put_into(sock, 1, &l.fd);
	close(sock);
	close(service);
	MUST(kill(s.room, SIGCONT));
	strangers_meet(&s);
	lingering_release(&l);
	scene_end(&s);
}

/* ---- FUSE ---- */

static void need_fs(struct stuck_fs *fs)
{
	if (!stuck_fs_start(fs))
		cr_skip("a FUSE filesystem cannot be mounted here (/dev/fuse)");
}

TEST(claim_28, files_whose_flush_never_returns)
{
	enum { FILES = 40 };
	int files[FILES], sock;
	struct stuck_fs fs;
	struct scene s;

	need_fs(&fs);
	scene_start(&s, NULL);
	sock = enter(&s, "host");
	allow(sock);
	for (int i = 0; i < FILES; i++) {
		struct message m;

		files[i] = stuck_fs_file(&fs);
		/* no handle serves, so that nobody waits for it */
		raw_send(sock, message(&m, WIRE_FETCHED, 7, 0, 1), files[i]);
		strangers_meet(&s);
	}
	close(sock);
	strangers_meet(&s);

	stuck_fs_stop(&fs);
	for (int i = 0; i < FILES; i++)
		close(files[i]);
	scene_end(&s);
}

/* Held and handed out again: what is looked at on the way is not the file. */
TEST(claim_28, file_that_is_held_and_taken)
{
	struct stuck_fs fs;
	struct scene s;
	struct message m;
	int file, sock, got;

	need_fs(&fs);
	scene_start(&s, NULL);
	sock = enter(&s, "host");
	allow(sock);
	file = stuck_fs_file(&fs);
	cr_assert_eq(hold(sock, 2, "file", file), 0);
	got = dial(sock, "file");
	cr_assert_geq(got, 0);
	strangers_meet(&s);
	wire_put_string(message(&m, WIRE_TAKE, 3, 0, 0), TAG_NAME, "file");
	raw_send(sock, &m.w, -1);
	{
		int taken = answer(sock, 3);

		cr_assert_geq(taken, 0);
		strangers_meet(&s);
		stuck_fs_stop(&fs);
		close(taken);
	}
	close(got);
	close(file);
	close(sock);
	scene_end(&s);
}

/* To ask a directory where it is, is to ask whoever serves it. */
TEST(claim_28, placed_directory_that_never_answers)
{
	struct stuck_fs fs;
	struct scene s;
	struct message m;
	struct wire_writer *w;
	int dir, sock;

	need_fs(&fs);
	scene_start(&s, NULL);
	sock = enter(&s, "host");
	allow(sock);
	dir = stuck_fs_directory(&fs);
	w = message(&m, WIRE_PLACE, 2, 1, 1);
	wire_put_string(w, TAG_NAME, "name");
	wire_put_string(w, TAG_FILE, "server.sock");
	raw_send(sock, w, dir);
	strangers_meet(&s);
	cr_assert_eq(answer(sock, 2), -EXDEV);
	stuck_fs_stop(&fs);
	close(dir);
	close(sock);
	scene_end(&s);
}

/* ---- a locked socket ---- */

/* Writes for ever: from memory that never comes, holding the socket's lock. */
static int write_stuck(int sock, int file)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);

	if (page == MAP_FAILED)
		return CHILD_FAILED;
	send(sock, page, 4096, MSG_NOSIGNAL);
	return 0;
}

static bool sleeps(void *arg)
{
	char path[64], *stat, *state;
	bool yes;

	snprintf(path, sizeof path, "/proc/%d/stat", *(pid_t *)arg);
	stat = file_read(path);
	state = stat ? strrchr(stat, ')') : NULL;
	yes = state && (state[2] == 'D' || state[2] == 'S');
	free(stat);
	return yes;
}

/* An agent answers with a TCP socket that another of its processes keeps locked. */
TEST(claim_28, fetched_socket_that_is_locked)
{
	struct lingering l;
	struct stuck_fs fs;
	struct scene s;
	struct raw fetch;
	struct message m;
	int file, agent, client, got;
	pid_t writer;
	static char rest[1 << 20];

	need_fs(&fs);
	scene_start(&s, NULL);
	agent = serve(&s, "host", "name", WAY_FETCH);
	allow(agent);
	client = enter(&s, "host");
	ask(client, 5, "name", SOCK_STREAM, 0);
	expect(agent, WIRE_FETCH, &fetch);

	lingering_make(&l);
	/* room, so that the writer comes as far as to copy */
	while (recv(l.peer, rest, sizeof rest, MSG_DONTWAIT) > 0)
		;
	cr_assert(wait_fd(l.fd, POLLOUT));
	file = stuck_fs_file(&fs);
	writer = child_fork();
	if (writer == 0)
		_exit(write_stuck(l.fd, file));
	cr_assert(wait_until(sleeps, &writer));

	raw_send(agent, message(&m, WIRE_FETCHED, fetch.m.head.serial, 0, 1), l.fd);
	strangers_meet(&s);
	got = answer(client, 5);
	cr_assert_geq(got, 0);

	stuck_fs_stop(&fs);
	child_kill(writer);
	lingering_release(&l);
	close(got);
	close(file);
	close(client);
	close(agent);
	scene_end(&s);
}
