/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage of scene.h.
 */
#include "scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the broker before and after ---- */

void scene_start(struct scene *s, const struct broker_options *options)
{
	struct broker_options o = options ? *options : (struct broker_options){ 0 };

	o.countable = true;
	broker_start(&s->b, &o);
	s->room = broker_switch_pid(&s->b, 0);
	/* what is made once is made now */
	if (!o.system)
		strangers_meet(s);
	scene_settled(s);
}

static bool nobody_is_here(void *arg)
{
	return broker_usage(arg, "host", 0, TAG_CONNECTIONS) == 0;
}

/* The reaper may have had something to close, the parent something to keep. */
static bool stands_still(void *arg)
{
	struct scene *s = arg;

	s->room_fds = fd_count_at_rest(s->room);
	s->parent_fds = fd_count_at_rest(s->b.pid);
	return fd_count_at_rest(s->room) == s->room_fds;
}

void scene_settled(struct scene *s)
{
	if (!wait_until(nobody_is_here, &s->b) || !wait_until(stands_still, s))
		harness_fail("the broker's descriptors never stand still");
}

static bool parent_settled(void *arg)
{
	const struct scene *s = arg;

	return fd_count_of(s->b.pid) == s->parent_fds;
}

static void check_counts(struct scene *s)
{
	if (!s->b.system)
		strangers_meet(s);
	if (!broker_fds_settle(&s->b, s->room_fds))
		harness_fail("the switch has %d descriptors, and had %d",
			     broker_fd_count(&s->b), s->room_fds);
	if (!wait_until(parent_settled, s))
		harness_fail("the parent has %d descriptors, and had %d",
			     fd_count_of(s->b.pid), s->parent_fds);
}

void scene_check(struct scene *s)
{
	pid_t room = broker_switch_pid(&s->b, 0);
	char *log = file_read(s->b.log);

	if (room != s->room)
		harness_fail("the switch died: %d, now %d; the broker said:\n%s", s->room, room,
			     log ? log : "(nothing)");
	free(log);
	check_counts(s);
}

void scene_check_restarted(struct scene *s)
{
	s->room = broker_switch_pid(&s->b, 0);
	check_counts(s);
}

void scene_end(struct scene *s)
{
	scene_check(s);
	broker_stop(&s->b);
}

struct wire_writer *message(struct message *m, enum wire_type type, uint32_t serial,
			    uint32_t ref, uint8_t nfds)
{
	wire_begin(&m->w, m->buf, sizeof m->buf, (uint16_t)type, serial, ref, nfds);
	return &m->w;
}

static int ask_plain(int sock, const struct wire_writer *w, int fd)
{
	struct raw reply = { .nfds = 0 };
	int r = raw_ask(sock, w, fd, &reply);

	raw_close(&reply);
	return r;
}

/* ---- clients and services ---- */

int enter(const struct scene *s, const char *door)
{
	char path[PATH_BYTES];

	broker_door(&s->b, door, path);
	return raw_open(path);
}

int serve(const struct scene *s, const char *door, const char *name, enum wire_way way)
{
	int sock = enter(s, door), r = raw_serve(sock, 1, 1, name, way);

	if (r < 0)
		harness_fail("serving %s through %s: %s", name, door, strerror(-r));
	return sock;
}

void ask(int sock, uint32_t serial, const char *name, int type, uint64_t wait_us)
{
	struct message m;
	struct wire_writer *w = message(&m, WIRE_CONNECT, serial, 0, 0);

	wire_put_string(w, TAG_NAME, name);
	wire_put_u32(w, TAG_SOCKTYPE, (uint32_t)type);
	if (wait_us)
		wire_put_u64(w, TAG_WAIT, wait_us);
	raw_send(sock, w, -1);
}

int answer(int sock, uint32_t serial)
{
	struct raw reply = { .nfds = 0 };
	int r = raw_reply(sock, serial, &reply);

	return r < 0 ? r : raw_take_fd(&reply);
}

int dial(int sock, const char *name)
{
	static uint32_t serial = 1000;

	ask(sock, ++serial, name, SOCK_STREAM, 0);
	return answer(sock, serial);
}

int expect(int sock, enum wire_type type, struct raw *ret)
{
	struct raw here, *got = ret ? ret : &here;
	ssize_t n;

	got->nfds = 0;
	n = raw_recv(sock, got);
	if (n <= 0)
		harness_fail("%s where message %d was to come",
			     n == 0 ? "end-of-file" : strerror((int)-n), (int)type);
	if (got->m.head.type != type)
		harness_fail("message %u (error %d) where %d was to come", got->m.head.type,
			     wire_i32(&got->m, TAG_ERROR, 0), (int)type);
	return raw_take_fd(got);
}

void allow(int sock)
{
	struct message m;
	int r = ask_plain(sock, message(&m, WIRE_ALLOW, 1, 0, 0), -1);

	if (r < 0)
		harness_fail("ALLOW: %s", strerror(-r));
}

int hold(int sock, uint32_t serial, const char *name, int fd)
{
	struct message m;
	struct wire_writer *w = message(&m, WIRE_HOLD, serial, 0, 1);

	wire_put_string(w, TAG_NAME, name);
	return ask_plain(sock, w, fd);
}

void expect_linked(int a, int b)
{
	cr_expect(linked(a, b));
	cr_expect(linked(b, a));
	close(a);
	close(b);
}

void expect_eof(int fd)
{
	char byte;

	cr_expect(wait_fd(fd, POLLIN), "it hangs");
	cr_expect_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	close(fd);
}

void expect_end(int sock)
{
	struct raw got = { .nfds = 0 };
	ssize_t n;

	while ((n = raw_recv(sock, &got)) > 0)
		raw_close(&got);
	/* what it did not read of ours is a reset */
	if (n != 0 && n != -ECONNRESET)
		harness_fail("the connection does not end: %s", strerror((int)-n));
	close(sock);
}

bool quiet(int sock)
{
	struct raw reply = { .nfds = 0 };
	struct message m;
	struct wire_writer *w = message(&m, WIRE_FIND, 0x7fffffff, 0x7fffffff, 0);

	wire_put_string(w, TAG_NAME, "nothing.is.called.so");
	raw_send(sock, w, -1);
	return raw_recv(sock, &reply) > 0 && reply.m.head.type == WIRE_REPLY &&
	       reply.m.head.serial == 0x7fffffff;
}

void strangers_meet(const struct scene *s)
{
	int service = serve(s, "host", "strangers", WAY_PAIR), client = enter(s, "host");
	int end = dial(client, "strangers"), other;

	if (end < 0)
		harness_fail("strangers are not introduced: %s", strerror(-end));
	other = expect(service, WIRE_INCOMING, NULL);
	if (!linked(end, other) || !linked(other, end))
		harness_fail("strangers do not hear each other");
	close(end);
	close(other);
	close(client);
	close(service);
}

long room_memory(const struct scene *s)
{
	char path[64], *text, *line;
	long kib = -1;

	snprintf(path, sizeof path, "/proc/%d/status", broker_switch_pid(&s->b, 0));
	text = file_read(path);
	line = text ? strstr(text, "VmRSS:") : NULL;
	if (line)
		kib = strtol(line + 6, NULL, 10);
	free(text);
	return kib;
}

/* ---- descriptors whose close blocks ---- */

void lingering_make(struct lingering *l)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { .l_onoff = 1, .l_linger = 60 };
	socklen_t len = sizeof sa;
	static char block[65536];

	l->listener = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(bind(l->listener, (struct sockaddr *)&sa, sizeof sa));
	MUST(listen(l->listener, 1));
	MUST(getsockname(l->listener, (struct sockaddr *)&sa, &len));
	l->fd = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (connect(l->fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS)
		harness_fail("connecting over loopback: %m");
	l->peer = MUST(accept4(l->listener, NULL, NULL, SOCK_CLOEXEC));
	wait_fd(l->fd, POLLOUT);
	while (send(l->fd, block, sizeof block, MSG_NOSIGNAL) > 0)
		;
	MUST(setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
}

void lingering_release(struct lingering *l)
{
	/* a reset ends whoever lingers */
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(l->peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(l->peer);
	close(l->listener);
	if (l->fd >= 0)
		close(l->fd);
}
