/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor: the least that a broker can do. A single-threaded epoll loop over persistent
 * SEQPACKET connections, which neither parses nor checks nor counts anything:
 *
 *	floor pair DIR		a client's packet: socketpair, one end to the client, the other
 *				to the service, two closes
 *	floor held DIR		a client's packet: the one stored descriptor to the client
 *	floor listen DIR	a connection to DIR/path.sock: accepted, passed to the service,
 *				closed
 *
 * Clients connect to DIR/intro.sock, services to DIR/service.sock. Every packet of a
 * service is answered by an empty REPLY; a descriptor that comes with it is stored. If
 * there are several services, the client's packet says which by its serial. What is sent
 * are constant packets of the wire protocol, as long as the product's. Prints "ready".
 */
#include <sys/epoll.h>

#include "raw.h"

#define EVENTS_MAX 64
#define SERVICES_MAX 16384u
#define SERIAL_OFFSET 4

enum kind { KIND_CLIENTS, KIND_SERVICES, KIND_PATHS, KIND_CLIENT, KIND_SERVICE };

struct floor {
	int epoll;
	bool held;
	int stored;		/* the descriptor handed out by held */
	int *service;
	uint32_t services;
	uint8_t reply[128], incoming[256], done[WIRE_HEADER_BYTES];
	size_t reply_len, incoming_len, done_len;
};

static void watch(struct floor *f, int fd, enum kind kind)
{
	struct epoll_event ev = { .events = EPOLLIN };

	ev.data.u64 = (uint64_t)kind << 32 | (uint32_t)fd;
	if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		slice_die("epoll_ctl");
}

static void take(struct floor *f, int listener, enum kind kind)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		slice_die("accept");
	if (kind == KIND_SERVICES) {
		if (f->services == SERVICES_MAX)
			slice_die("too many services");
		f->service[f->services++] = fd;
	}
	watch(f, fd, kind == KIND_SERVICES ? KIND_SERVICE : KIND_CLIENT);
}

/* way listen: the connection itself is what the service gets. */
static void pass(struct floor *f, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		slice_die("accept");
	if (f->services > 0)
		raw_send(f->service[0], f->incoming, f->incoming_len, fd);
	close(fd);
}

static void answer_client(struct floor *f, int fd)
{
	uint8_t buf[WIRE_PACKET_MAX];
	uint32_t serial = 0;
	int pair[2];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	if (n <= 0) {
		close(fd);
		return;
	}
	if (f->held) {
		raw_send(fd, f->reply, f->reply_len, f->stored);
		return;
	}
	if (f->services > 1)
		memcpy(&serial, buf + SERIAL_OFFSET, sizeof(serial));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		slice_die("socketpair");
	raw_send(fd, f->reply, f->reply_len, pair[0]);
	raw_send(f->service[serial % f->services], f->incoming, f->incoming_len, pair[1]);
	close(pair[0]);
	close(pair[1]);
}

static void answer_service(struct floor *f, int fd)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	union raw_control control;
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			     .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);

	if (n <= 0)
		_exit(0); /* the bench is over */
	if (mh.msg_controllen > 0)
		memcpy(&f->stored, CMSG_DATA(&control.align), sizeof(int));
	raw_send(fd, f->done, f->done_len, -1);
}

static void dispatch(struct floor *f, uint64_t data)
{
	enum kind kind = (enum kind)(data >> 32);
	int fd = (int)(uint32_t)data;

	switch (kind) {
	case KIND_CLIENT:
		answer_client(f, fd);
		break;
	case KIND_PATHS:
		pass(f, fd);
		break;
	case KIND_SERVICE:
		answer_service(f, fd);
		break;
	case KIND_CLIENTS:
	case KIND_SERVICES:
		take(f, fd, kind);
		break;
	}
}

/* The constant packets, of the product's form and about its length. */
static void packets_make(struct floor *f)
{
	struct wire_writer w;

	wire_begin(&w, f->reply, sizeof(f->reply), WIRE_REPLY, 1, 0, 1);
	wire_put_u32(&w, TAG_SOCKTYPE, SOCK_STREAM);
	wire_put_u32(&w, TAG_WAY, WAY_PAIR);
	wire_put_u32(&w, TAG_PATH, PATH_LOCAL);
	wire_put_u64(&w, TAG_SESSION, 1);
	f->reply_len = (size_t)wire_finish(&w);
	wire_begin(&w, f->incoming, sizeof(f->incoming), WIRE_INCOMING, 0, 1, 1);
	wire_put_u32(&w, TAG_SOCKTYPE, SOCK_STREAM);
	wire_put_u32(&w, TAG_WAY, WAY_PAIR);
	wire_put_u32(&w, TAG_PATH, PATH_LOCAL);
	wire_put_u64(&w, TAG_SESSION, 1);
	wire_put_string(&w, TAG_DOOR, "bench");
	wire_put_u32(&w, TAG_UID, 0);
	wire_put_u32(&w, TAG_PID, 1);
	f->incoming_len = (size_t)wire_finish(&w);
	wire_begin(&w, f->done, sizeof(f->done), WIRE_REPLY, 1, 0, 0);
	f->done_len = (size_t)wire_finish(&w);
}

static int listen_in(const char *dir, const char *file, int type)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return raw_listen(path, type);
}

int main(int argc, char **argv)
{
	struct floor f = { .stored = -1 };
	struct epoll_event ev[EVENTS_MAX];

	if (argc != 3) {
		fputs("usage: floor pair|held|listen DIR\n", stderr);
		return 100;
	}
	raw_files_raise();
	f.held = !strcmp(argv[1], "held");
	f.service = calloc(SERVICES_MAX, sizeof(int));
	f.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!f.service || f.epoll < 0)
		slice_die("epoll_create1");
	packets_make(&f);
	watch(&f, listen_in(argv[2], "intro.sock", SOCK_SEQPACKET), KIND_CLIENTS);
	watch(&f, listen_in(argv[2], "service.sock", SOCK_SEQPACKET), KIND_SERVICES);
	if (!strcmp(argv[1], "listen"))
		watch(&f, listen_in(argv[2], "path.sock", SOCK_STREAM), KIND_PATHS);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(f.epoll, ev, EVENTS_MAX, -1);

		if (n < 0 && errno != EINTR)
			slice_die("epoll_wait");
		for (int i = 0; i < n; i++)
			dispatch(&f, ev[i].data.u64);
	}
}
