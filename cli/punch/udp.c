/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets of udp.h.
 */
#include "udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "../fd.h"

/* A default buffer holds 256 small packets, fewer than a spray that arrives at once. */
#define RECEIVE_BUFFER_BYTES (4 << 20)

#define LOW_FIRST 512u
#define LOW_PORTS 512u
/* Even ports are drawn from the dynamic ones (RFC 6335), which nobody has registered. */
#define EVEN_FIRST 49152u
#define EVEN_PORTS 8192u
/* Taken ports are rare: so many in a row means that there is no other. */
#define DRAWS 512u

static int bind_to(int fd, const struct address *at)
{
	struct sockaddr_storage sa;
	socklen_t len = address_to_sockaddr(at, &sa);

	return bind(fd, (struct sockaddr *)&sa, len) < 0 ? -errno : 0;
}

/* A port out of first, first + stride, ... `ports` of them. */
static int bind_within(int fd, struct address at, uint16_t first, uint16_t ports, uint16_t stride)
{
	uint16_t draw;
	int r = -EADDRINUSE;

	if (getrandom(&draw, sizeof draw, 0) != sizeof draw)
		return -EIO;
	for (unsigned int i = 0; i < DRAWS && r == -EADDRINUSE; i++) {
		at.port = (uint16_t)(first + (draw + i) % ports * stride);
		r = bind_to(fd, &at);
	}
	return r;
}

static int bind_as(int fd, const struct address *at, enum output_bind bind)
{
	if (at->port != 0 || bind == OUTPUT_BIND_ANY)
		return bind_to(fd, at);
	if (bind == OUTPUT_BIND_LOW)
		return bind_within(fd, *at, LOW_FIRST, LOW_PORTS, 1);
	return bind_within(fd, *at, EVEN_FIRST, EVEN_PORTS, 2);
}

/* Best effort: without CAP_NET_ADMIN the kernel gives at most net.core.rmem_max. */
static void widen(int fd)
{
	int bytes = RECEIVE_BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

int udp_open(const struct address *at, enum output_bind bind, struct address *ret_local)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof sa;
	int one = 1, r;

	fd = socket(at->family == 6 ? AF_INET6 : AF_INET,
		    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (at->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0)
		return -errno;
	widen(fd);
	r = bind_as(fd, at, bind);
	if (r < 0)
		return r;
	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	if (ret_local) {
		r = address_from_sockaddr((struct sockaddr *)&sa, len, ret_local);
		if (r < 0)
			return r;
	}
	return fd_steal(&fd);
}

/* ---- sending ---- */

union ttl_control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void set_ttl(struct msghdr *m, union ttl_control *control, const struct udp_letter *letter)
{
	int ttl = letter->ttl;
	struct cmsghdr *c;

	memset(control, 0, sizeof *control);
	m->msg_control = control->buf;
	m->msg_controllen = sizeof control->buf;
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = letter->to.family == 6 ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = letter->to.family == 6 ? IPV6_HOPLIMIT : IP_TTL;
	c->cmsg_len = CMSG_LEN(sizeof ttl);
	memcpy(CMSG_DATA(c), &ttl, sizeof ttl);
}

void udp_flush(struct udp_outbox *box)
{
	struct mmsghdr messages[UDP_BATCH] = { 0 };
	struct sockaddr_storage to[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	union ttl_control control[UDP_BATCH];
	size_t done = 0;

	for (size_t i = 0; i < box->waiting; i++) {
		struct udp_letter *letter = &box->letters[i];
		struct msghdr *m = &messages[i].msg_hdr;

		iov[i] = (struct iovec){ letter->bytes, letter->len };
		m->msg_iov = &iov[i];
		m->msg_iovlen = 1;
		m->msg_name = &to[i];
		m->msg_namelen = address_to_sockaddr(&letter->to, &to[i]);
		if (letter->ttl > 0)
			set_ttl(m, &control[i], letter);
	}
	while (done < box->waiting) {
		int n = sendmmsg(box->fd, messages + done, (unsigned int)(box->waiting - done), 0);

		if (n < 0 && errno == EINTR)
			continue;
		/* the first one could not be sent; what stands behind it may go */
		if (n <= 0) {
			box->lost++;
			done++;
			continue;
		}
		box->sent += (uint64_t)n;
		done += (size_t)n;
	}
	box->waiting = 0;
}

void udp_post(struct udp_outbox *box, int fd, const struct address *to, uint8_t ttl,
	      const void *header, size_t header_len, const void *bytes, size_t len)
{
	struct udp_letter *letter;

	if (box->waiting == UDP_BATCH || box->fd != fd)
		udp_flush(box);
	if (header_len > UDP_SEND_BYTES || len > UDP_SEND_BYTES - header_len || to->family == 0) {
		box->lost++;
		return;
	}
	box->fd = fd;
	letter = &box->letters[box->waiting++];
	letter->to = *to;
	letter->ttl = ttl;
	letter->len = header_len + len;
	if (header_len > 0)
		memcpy(letter->bytes, header, header_len);
	if (len > 0)
		memcpy(letter->bytes + header_len, bytes, len);
}

/* ---- receiving ---- */

/* Errors that ICMP and the like put on a socket for a datagram that was sent earlier. */
static bool is_about_datagram(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == EHOSTDOWN || error == ENETDOWN || error == EPROTO ||
	       error == ENOPROTOOPT || error == EMSGSIZE || error == EACCES || error == EINTR;
}

int udp_receive(int fd, struct udp_inbox *box)
{
	struct mmsghdr messages[UDP_BATCH] = { 0 };
	struct sockaddr_storage from[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	int n;

	box->n = 0;
	for (size_t i = 0; i < UDP_BATCH; i++) {
		iov[i] = (struct iovec){ box->got[i].bytes, UDP_RECEIVE_BYTES };
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i],
			.msg_namelen = sizeof from[i],
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
		};
	}
	n = recvmmsg(fd, messages, UDP_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || is_about_datagram(errno) ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct msghdr *m = &messages[i].msg_hdr;
		struct udp_received *got = &box->got[box->n];

		if (m->msg_flags & MSG_TRUNC ||
		    address_from_sockaddr(m->msg_name, m->msg_namelen, &got->from) < 0)
			continue;
		got->len = messages[i].msg_len;
		if (box->n != (size_t)i)
			memcpy(got->bytes, box->got[i].bytes, got->len);
		box->n++;
	}
	return 0;
}
