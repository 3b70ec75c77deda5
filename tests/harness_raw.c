/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that speaks the bare protocol: harness.h. It is what the tests of the broker use,
 * so that libintro's patience hides nothing.
 */
#include "harness.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void address(struct sockaddr_un *ret, const char *path)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof ret->sun_path)
		harness_fail("too long for a socket's path: %s", path);
	memcpy(ret->sun_path, path, strlen(path) + 1);
}

int unix_connect(const char *path, int type)
{
	struct sockaddr_un sa;
	int fd, error;

	address(&sa, path);
	fd = MUST(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
	if (connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int path_connect(const char *dir, const char *file)
{
	char path[PATH_BYTES + WIRE_NAME_MAX + 8];

	snprintf(path, sizeof path, "%s/%s", dir, file);
	return unix_connect(path, SOCK_STREAM);
}

int unix_listen(const char *path, int type, int backlog)
{
	struct sockaddr_un sa;
	int fd;

	address(&sa, path);
	fd = MUST(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
	if (bind(fd, (const struct sockaddr *)&sa, sizeof sa) < 0)
		harness_fail("bind %s: %m", path);
	MUST(listen(fd, backlog));
	return fd;
}

static int open_or_fail(const char *path)
{
	int fd = unix_connect(path, SOCK_SEQPACKET);

	if (fd < 0)
		harness_fail("connect %s: %s", path, strerror(-fd));
	return fd;
}

int raw_open(const char *door)
{
	char path[PATH_BYTES + 16];

	snprintf(path, sizeof path, "%s/intro.sock", door);
	return open_or_fail(path);
}

int raw_open_control(const struct broker *b)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/control.sock", b->base);
	return open_or_fail(path);
}

void raw_send(int sock, const struct wire_writer *w, int fd)
{
	int len = wire_finish(w), error;

	if (len < 0)
		harness_fail("the message does not fit");
	do
		error = packet_send(sock, w->buf, (size_t)len, &fd, fd >= 0 ? 1 : 0);
	while (error == -EAGAIN && wait_fd(sock, POLLOUT));
	if (error < 0)
		harness_fail("sending message type %u: %s", w->buf[2] + 256u * w->buf[3],
			     strerror(-error));
}

ssize_t raw_recv(int sock, struct raw *ret)
{
	ssize_t n;

	do {
		if (!wait_fd(sock, POLLIN))
			return -ETIMEDOUT;
		n = packet_recv(sock, ret->buf, ret->fds, WIRE_BATCH_MAX, &ret->nfds);
	} while (n == -EAGAIN);
	if (n <= 0)
		return n;
	ret->len = (size_t)n;
	if (wire_parse(ret->buf, ret->len, &ret->m) < 0)
		harness_fail("the broker sent a malformed packet");
	if (ret->m.head.nfds != ret->nfds)
		harness_fail("%zu descriptors where the header says %u", ret->nfds,
			     ret->m.head.nfds);
	return n;
}

void raw_close(struct raw *r)
{
	for (size_t i = 0; i < r->nfds; i++)
		close(r->fds[i]);
	r->nfds = 0;
}

int raw_take_fd(struct raw *r)
{
	int fd;

	if (r->nfds == 0)
		return -1;
	fd = r->fds[0];
	memmove(r->fds, r->fds + 1, --r->nfds * sizeof r->fds[0]);
	return fd;
}

int raw_reply(int sock, uint32_t serial, struct raw *ret)
{
	ssize_t n = raw_recv(sock, ret);

	if (n <= 0)
		harness_fail("no reply: %s", n == 0 ? "end-of-file" : strerror((int)-n));
	if (ret->m.head.type != WIRE_REPLY || ret->m.head.serial != serial)
		harness_fail("message %u, serial %u where the reply to %u was to come",
			     ret->m.head.type, ret->m.head.serial, serial);
	return wire_i32(&ret->m, TAG_ERROR, 0);
}

int raw_ask(int sock, const struct wire_writer *w, int fd, struct raw *ret)
{
	uint32_t serial = w->buf[4] | (uint32_t)w->buf[5] << 8 | (uint32_t)w->buf[6] << 16 |
			  (uint32_t)w->buf[7] << 24;

	raw_send(sock, w, fd);
	return raw_reply(sock, serial, ret);
}

/* As raw_ask(), where only the error matters. */
static int ask_plain(int sock, const struct wire_writer *w)
{
	struct raw reply = { .nfds = 0 };
	int error = raw_ask(sock, w, -1, &reply);

	raw_close(&reply);
	return error;
}

int raw_serve(int sock, uint32_t serial, uint32_t ref, const char *name, enum wire_way way)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, WIRE_SERVE, serial, ref, 0);
	wire_put_string(&w, TAG_NAME, name);
	wire_put_u32(&w, TAG_WAY, way);
	return ask_plain(sock, &w);
}

int raw_introduce(int sock, uint32_t serial, const char *name, int type, uint64_t wait_us,
		  struct raw *ret)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, WIRE_CONNECT, serial, 0, 0);
	wire_put_string(&w, TAG_NAME, name);
	wire_put_u32(&w, TAG_SOCKTYPE, (uint32_t)type);
	if (wait_us)
		wire_put_u64(&w, TAG_WAIT, wait_us);
	return ret ? raw_ask(sock, &w, -1, ret) : ask_plain(sock, &w);
}

int raw_fetched(int sock, uint32_t serial)
{
	uint8_t buf[WIRE_HEADER_BYTES];
	struct wire_writer w;
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	wire_begin(&w, buf, sizeof buf, WIRE_FETCHED, serial, 0, 1);
	raw_send(sock, &w, pair[0]);
	close(pair[0]);
	return pair[1];
}

bool linked(int a, int b)
{
	static const char word[] = "linked";
	char got[sizeof word] = "";
	size_t used = 0;

	if (send(a, word, sizeof word, MSG_NOSIGNAL) != (ssize_t)sizeof word)
		return false;
	while (used < sizeof word && wait_fd(b, POLLIN)) {
		ssize_t n = read(b, got + used, sizeof word - used);

		if (n <= 0)
			return false;
		used += (size_t)n;
	}
	return used == sizeof word && memcmp(got, word, sizeof word) == 0;
}
