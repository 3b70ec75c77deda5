/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for servers whose own socket is placed, which come and go behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"

static struct scene s;

/* Offer dir/file under a name; the agent's connection. */
static int place(const char *name, const char *dir, const char *file)
{
	int agent = enter(&s, "host"), dirfd = MUST(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	struct raw reply = { .nfds = 0 };
	struct message m;

	allow(agent);
	wire_put_string(message(&m, WIRE_PLACE, 1, 1, 1), TAG_NAME, name);
	wire_put_string(&m.w, TAG_FILE, file);
	cr_assert_eq(raw_ask(agent, &m.w, dirfd, &reply), 0);
	close(dirfd);
	return agent;
}

struct server {
	char path[PATH_BYTES];		/* of the server's socket */
	char door[PATH_BYTES];		/* of the file in the door */
	int listener;
};

/* The server is started anew: another socket of the same name, made as most servers do. */
static void server_restart(struct server *v)
{
	int old = v->listener;

	unlink(v->path);
	v->listener = unix_listen(v->path, SOCK_STREAM, 16);
	if (old >= 0)
		close(old);
}

/* Whether who connects to a path meets the server that is there now. */
static bool leads_to_it(void *arg)
{
	const struct server *v = arg;
	int fd = unix_connect(v->door, SOCK_STREAM), other;
	bool good;

	if (fd < 0)
		return false;
	other = MUST(accept4(v->listener, NULL, NULL, SOCK_CLOEXEC));
	good = linked(fd, other);
	close(fd);
	close(other);
	return good;
}

/* What is put in the place of the server's socket: never to be linked into a door. */
static void spoil(const struct server *v, int kind, const char *decoy)
{
	char other[PATH_BYTES + 8];

	snprintf(other, sizeof other, "%s.new", v->path);
	switch (kind) {
	case 0:
		MUST(unlink(v->path));
		break;
	case 1:
		MUST(symlink(decoy, other));
		MUST(rename(other, v->path));
		break;
	case 2:
		file_write(other, "no socket");
		MUST(rename(other, v->path));
		break;
	case 3:
		MUST(unlink(v->path));
		MUST(symlink(decoy, v->path));
		break;
	}
}

static void server_begin(struct server *v)
{
	*v = (struct server){ .listener = -1 };
	scene_start(&s, NULL);
	cr_assert_eq(broker_grant(&s.b, "host", "web", RIGHTS_ALL), 0);
	scene_settled(&s);
	snprintf(v->path, sizeof v->path, "%s/web.sock", s.b.dir);
	snprintf(v->door, sizeof v->door, "%s/web", s.b.host);
}

/* The socket in the door is the last one that the server made, whatever came between. */
TEST(waits, door_leads_to_the_last_socket)
{
	char decoy[PATH_BYTES];
	int agent, client, nobody;
	struct server v;

	server_begin(&v);
	snprintf(decoy, sizeof decoy, "%s/decoy", s.b.dir);
	nobody = unix_listen(decoy, SOCK_STREAM, 16);
	server_restart(&v);
	agent = place("web", s.b.dir, "web.sock");
	client = enter(&s, "host");
	for (int i = 0; i < 100; i++) {
		cr_assert(wait_until(leads_to_it, &v), "after %d restarts", i);
		spoil(&v, i % 4, decoy);
		/* by its answer the broker has looked at what it was told before */
		cr_assert_eq(dial(client, "web"), -ECONNREFUSED, "kind %d is no socket", i % 4);
		cr_assert(leads_to_it(&v), "kind %d took its place", i % 4);
		server_restart(&v);
	}
	cr_assert(wait_until(leads_to_it, &v));
	cr_expect_eq(poll(&(struct pollfd){ nobody, POLLIN, 0 }, 1, 0), 0,
		     "somebody was led astray");
	close(nobody);
	close(v.listener);
	close(agent);
	close(client);
	scene_end(&s);
}

/* A client gets the server's own socket, to connect to. */
static void expect_placed(int opath, struct server *v)
{
	struct server direct = *v;

	cr_assert_geq(opath, 0, "%s", strerror(-opath));
	snprintf(direct.door, sizeof direct.door, "/proc/self/fd/%d", opath);
	cr_expect(leads_to_it(&direct));
	close(opath);
}

TEST(waits, for_a_placed_server)
{
	struct server v;
	int agent, client;

	server_begin(&v);
	agent = place("web", s.b.dir, "web.sock");
	client = enter(&s, "host");
	for (uint32_t i = 1; i < 10; i++) {
		ask(client, i, "web", SOCK_STREAM, HOUR_USEC);
		cr_assert(quiet(client), "there is no server yet");
		server_restart(&v);
		expect_placed(answer(client, i), &v);
		unlink(v.path);
	}
	close(v.listener);
	close(agent);
	close(client);
	scene_end(&s);
}
