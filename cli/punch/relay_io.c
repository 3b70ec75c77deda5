/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of relay_io.h: one thread, epoll, recvmmsg with UDP_GRO. A train of datagrams that the
 * kernel kept together is looked at only where their headers are, and is sent on as a train.
 */
#include "relay_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "../../libintro/punch/stun_server.h"
#include "../fd.h"
#include "relay_batch.h"
#include "udp.h"

#define SLOTS 128u

/* Of each slot: the longest train, and some lines more so that equal places in different slots
 * do not share one set of the processor's cache. */
#define SLOT_BYTES (65536u + 4096u + 320u)

/* One socket is read so many times before the others have their turn. */
#define TURNS 8u

union receive_control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

struct relay_io {
	size_t n;
	struct address locals[RELAY_SOCKETS_MAX];
	int fds[RELAY_SOCKETS_MAX];
	int epoll;
	struct relay_batch *batch;
	uint64_t stun;
	uint8_t *memory;
	struct mmsghdr messages[SLOTS];
	struct sockaddr_storage from[SLOTS];
	struct iovec iov[SLOTS];
	union receive_control controls[SLOTS];
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* What does not fit the path is lost and never cut, so that the ends find out (RFC 8899); and
 * the kernel, which numbers only what may be cut, has less to do. Best effort. */
static void set_df(int fd, unsigned int family)
{
	int probe = family == 4 ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE;

	if (family == 4)
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe);
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof probe);
}

static int socket_open(struct relay_io *io, const struct address *at)
{
	_cleanup_close_ int fd = udp_open(at, OUTPUT_BIND_ANY, &io->locals[io->n]);
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)io->n };
	int one = 1, bytes = 4 << 20;

	if (fd < 0)
		return fd;
	set_df(fd, at->family);
	/* without it the kernel hands on each datagram alone: slower, not wrong */
	setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof one);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	if (epoll_ctl(io->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	io->fds[io->n++] = fd_steal(&fd);
	return 0;
}

static int memory_new(struct relay_io *io)
{
	size_t bytes = (size_t)SLOTS * SLOT_BYTES;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	io->memory = memory;
	for (unsigned int i = 0; i < SLOTS; i++) {
		io->iov[i] = (struct iovec){ io->memory + (size_t)i * SLOT_BYTES, 65536 };
		io->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &io->from[i],
			.msg_iov = &io->iov[i],
			.msg_iovlen = 1,
			.msg_control = io->controls[i].buf,
		};
	}
	return 0;
}

int relay_io_new(struct relay_io **ret, const struct address *listen, size_t n,
		 size_t *ret_failed)
{
	struct relay_io *io;
	int r;

	*ret_failed = 0;
	if (n == 0 || n > RELAY_SOCKETS_MAX)
		return -EINVAL;
	io = calloc(1, sizeof *io);
	if (!io)
		return -ENOMEM;
	io->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = io->epoll < 0 ? -errno : relay_batch_new(&io->batch, io->fds);
	if (r == 0)
		r = memory_new(io);
	for (size_t i = 0; i < n && r == 0; i++) {
		*ret_failed = i;
		r = socket_open(io, &listen[i]);
	}
	if (r < 0) {
		relay_io_free(io);
		return r;
	}
	*ret = io;
	return 0;
}

void relay_io_free(struct relay_io *io)
{
	if (!io)
		return;
	for (size_t i = 0; i < io->n; i++)
		close(io->fds[i]);
	if (io->epoll >= 0)
		close(io->epoll);
	if (io->memory)
		munmap(io->memory, (size_t)SLOTS * SLOT_BYTES);
	relay_batch_free(io->batch);
	free(io);
}

const struct address *relay_io_local(const struct relay_io *io, size_t i)
{
	return &io->locals[i];
}

void relay_io_count(const struct relay_io *io, struct relay_io_counters *ret)
{
	ret->stun = io->stun;
	ret->lost = relay_batch_lost(io->batch);
}

static void answer_stun(struct relay_io *io, unsigned int socket, const struct address *from,
			const uint8_t *packet, size_t len)
{
	struct stun_server server = { .at[0][0] = io->locals[socket] };
	struct stun_answer answer;

	if (!stun_server_answer(&server, 0, 0, from, packet, len, &answer))
		return;
	relay_batch_copy(io->batch, socket, &answer.to, answer.bytes, answer.len);
	io->stun++;
}

static void handle(struct relay_io *io, struct relay *relay, uint64_t now, unsigned int socket,
		   const struct address *from, const uint8_t *p, size_t len, size_t segment)
{
	struct relay_out out;

	if (stun_looks(p, len)) {
		if (!relay_denies(relay, from))
			answer_stun(io, socket, from, p, len);
		return;
	}
	relay_receive(relay, now, socket, from, p, len, segment, &out);
	if (out.forward > 0)
		relay_batch_add(io->batch, out.socket, out.lane, &out.to, p, out.forward,
				segment);
	for (unsigned int i = 0; i < out.sends_n; i++)
		relay_batch_copy(io->batch, out.sends[i].socket, &out.sends[i].to,
				 out.sends[i].bytes, out.sends[i].len);
}

/* How long each datagram of a received message is: all of it, or what the kernel says. */
static size_t segment_of(struct msghdr *m, size_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int segment;

		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&segment, CMSG_DATA(c), sizeof segment);
		if (segment > 0 && (size_t)segment < len)
			return (size_t)segment;
	}
	return len;
}

static void handle_message(struct relay_io *io, struct relay *relay, uint64_t now,
			   unsigned int socket, unsigned int slot)
{
	struct msghdr *m = &io->messages[slot].msg_hdr;
	const uint8_t *p = io->iov[slot].iov_base;
	size_t len = io->messages[slot].msg_len, segment;
	struct address from;

	if (len == 0 || m->msg_flags & MSG_TRUNC ||
	    address_from_sockaddr(m->msg_name, m->msg_namelen, &from) < 0)
		return;
	segment = segment_of(m, len);
	while (len > 0) {
		size_t run = relay_run(p, len, segment);

		handle(io, relay, now, socket, &from, p, run, segment < run ? segment : run);
		p += run;
		len -= run;
	}
}

/* 0, or a negative errno. */
static int serve(struct relay_io *io, struct relay *relay, unsigned int socket)
{
	int n = (int)SLOTS;

	for (unsigned int turn = 0; turn < TURNS && n == (int)SLOTS; turn++) {
		uint64_t now;

		for (unsigned int i = 0; i < SLOTS; i++) {
			io->messages[i].msg_hdr.msg_namelen = sizeof io->from[i];
			io->messages[i].msg_hdr.msg_controllen = sizeof io->controls[i];
		}
		n = recvmmsg(io->fds[socket], io->messages, SLOTS, MSG_DONTWAIT, NULL);
		/* what the network thinks of a datagram sent earlier is no error here */
		if (n < 0)
			return errno == ENOMEM || errno == EBADF ? -errno : 0;
		now = now_us();
		for (int i = 0; i < n; i++)
			handle_message(io, relay, now, socket, (unsigned int)i);
		relay_batch_flush(io->batch);
	}
	return 0;
}

static int wait_ms(const struct relay *relay, uint64_t now)
{
	uint64_t deadline = relay_deadline(relay);

	if (deadline == UINT64_MAX)
		return -1;
	return deadline <= now ? 0 : (int)((deadline - now) / 1000u + 1);
}

int relay_io_run(struct relay_io *io, struct relay *relay, int stop_fd)
{
	struct epoll_event events[16], stop = { .events = EPOLLIN, .data.u32 = UINT32_MAX };

	if (epoll_ctl(io->epoll, EPOLL_CTL_ADD, stop_fd, &stop) < 0)
		return -errno;
	for (;;) {
		int n = epoll_wait(io->epoll, events, 16, wait_ms(relay, now_us()));

		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++) {
			int r;

			if (events[i].data.u32 == UINT32_MAX)
				return 0;
			r = serve(io, relay, events[i].data.u32);
			if (r < 0)
				return r;
		}
		relay_timer(relay, now_us());
	}
}
