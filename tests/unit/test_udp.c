/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets of cli/punch/udp.h on the loopback: where they are bound, that each datagram has
 * its own TTL, that a burst is held, and that what the network says of one datagram hurts no
 * other.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../cli/punch/udp.h"
#include "../harness.h"

static struct address any_of(uint8_t family)
{
	struct address a = { .family = family };

	if (family == 4)
		memcpy(a.ip, (const uint8_t[]){ 127, 0, 0, 1 }, 4);
	else
		a.ip[15] = 1;
	return a;
}

static int opened(uint8_t family, enum output_bind bind, struct address *ret_local)
{
	struct address at = any_of(family);
	int fd = udp_open(&at, bind, ret_local);

	NEED(!(family == 6 && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)), "no IPv6 here");
	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	return fd;
}

static struct udp_outbox outbox;
static struct udp_inbox inbox;

static void wait_and_receive(int fd)
{
	cr_assert(wait_fd(fd, POLLIN), "nothing came");
	cr_assert_eq(udp_receive(fd, &inbox), 0);
}

TEST(udp, ports)
{
	struct address local, again;
	int fd, low, taken;

	for (unsigned int i = 0; i < 20; i++) {
		fd = opened(4, OUTPUT_BIND_EVEN, &local);
		cr_expect_eq(local.port % 2, 0);
		cr_expect_gt(local.port, 1023);
		close(fd);
	}
	fd = opened(4, OUTPUT_BIND_ANY, &local);
	cr_expect_neq(local.port, 0);
	taken = udp_open(&local, OUTPUT_BIND_ANY, NULL);
	cr_expect_eq(taken, -EADDRINUSE);
	close(fd);
	fd = udp_open(&local, OUTPUT_BIND_EVEN, &again);
	cr_assert_geq(fd, 0);
	cr_expect(address_equal(&local, &again), "a port that is given is taken");
	close(fd);

	again = any_of(4);
	low = udp_open(&again, OUTPUT_BIND_LOW, &local);
	if (low >= 0) {
		cr_expect_geq(local.port, 512);
		cr_expect_leq(local.port, 1023);
		close(low);
	} else {
		cr_expect_eq(low, -EACCES);
	}
}

/* The TTL (hop limit) of the next datagram. */
static int next_ttl(int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof control,
	};
	int ttl = -1;

	cr_assert(wait_fd(fd, POLLIN));
	cr_assert_eq(recvmsg(fd, &m, 0), 1);
	cr_assert(CMSG_FIRSTHDR(&m));
	memcpy(&ttl, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof ttl);
	return ttl;
}

static void check_ttls(uint8_t family)
{
	struct address to;
	int from = opened(family, OUTPUT_BIND_ANY, NULL), at = opened(family, OUTPUT_BIND_ANY, &to);
	int one = 1, usual;

	outbox.fd = -1;
	MUST(family == 4 ? setsockopt(at, IPPROTO_IP, IP_RECVTTL, &one, sizeof one) :
			   setsockopt(at, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &one, sizeof one));
	udp_post(&outbox, from, &to, 0, NULL, 0, "a", 1);
	udp_post(&outbox, from, &to, 3, NULL, 0, "b", 1);
	udp_post(&outbox, from, &to, 250, NULL, 0, "c", 1);
	udp_post(&outbox, from, &to, 0, NULL, 0, "d", 1);
	udp_flush(&outbox);
	usual = next_ttl(at);
	cr_expect_gt(usual, 3);
	cr_expect_neq(usual, 250);
	cr_expect_eq(next_ttl(at), 3);
	cr_expect_eq(next_ttl(at), 250);
	cr_expect_eq(next_ttl(at), usual);
	close(from);
	close(at);
}

TEST(udp, each_its_ttl)
{
	check_ttls(4);
}

TEST(udp, each_its_hop_limit)
{
	check_ttls(6);
}

/* A default buffer holds 256 of them. */
TEST(udp, a_burst_is_held)
{
	enum { BURST = 2000 };
	struct address to, me;
	int from = opened(4, OUTPUT_BIND_ANY, &me), at = opened(4, OUTPUT_BIND_ANY, &to), size = 0;
	socklen_t len = sizeof size;
	unsigned int next = 0;

	MUST(getsockopt(at, SOL_SOCKET, SO_RCVBUF, &size, &len));
	outbox = (struct udp_outbox){ .fd = -1 };
	for (unsigned int i = 0; i < BURST; i++)
		udp_post(&outbox, from, &to, 0, "h", 1, &i, sizeof i);
	udp_flush(&outbox);
	cr_assert_eq(outbox.sent, BURST);
	cr_assert_eq(outbox.lost, 0);
	do {
		cr_assert_eq(udp_receive(at, &inbox), 0);
		for (size_t i = 0; i < inbox.n; i++, next++) {
			cr_assert(address_equal(&inbox.got[i].from, &me));
			cr_assert_eq(inbox.got[i].len, 1 + sizeof next);
			cr_assert_eq(inbox.got[i].bytes[0], 'h');
			cr_assert_arr_eq(inbox.got[i].bytes + 1, &next, sizeof next);
		}
	} while (inbox.n > 0);
	/* who may not have more than others has what the system gives to everybody, of which a
	 * small datagram takes less than 2 KiB */
	if (geteuid() == 0 || size / 2048 >= BURST)
		cr_expect_eq(next, BURST, "%u, buffer %d", next, size);
	else
		cr_expect_geq(next, (unsigned int)size / 2048, "%u, buffer %d", next, size);
	close(from);
	close(at);
}

TEST(udp, one_that_cannot_go_hurts_no_other)
{
	static uint8_t large[UDP_SEND_BYTES + 1];
	struct address to, closed, nowhere = any_of(6);
	int from = opened(4, OUTPUT_BIND_ANY, NULL), at = opened(4, OUTPUT_BIND_ANY, &to);

	close(opened(4, OUTPUT_BIND_ANY, &closed));
	nowhere.port = 9;
	outbox = (struct udp_outbox){ .fd = -1 };
	udp_post(&outbox, from, &closed, 0, NULL, 0, "1", 1);
	udp_post(&outbox, from, &nowhere, 0, NULL, 0, "2", 1);
	udp_post(&outbox, from, &to, 0, NULL, 0, "3", 1);
	udp_post(&outbox, from, &to, 0, NULL, 0, large, sizeof large);
	udp_post(&outbox, from, &to, 0, NULL, 0, large, sizeof large - 1);
	udp_flush(&outbox);
	cr_expect_eq(outbox.lost, 2);
	cr_expect_eq(outbox.sent, 3);
	wait_and_receive(at);
	cr_assert_eq(inbox.n, 2);
	cr_expect_eq(inbox.got[0].bytes[0], '3');
	cr_expect_eq(inbox.got[1].len, UDP_SEND_BYTES);
	cr_expect_eq(udp_receive(from, &inbox), 0, "a refusal is no error");
	cr_expect_eq(inbox.n, 0);
	close(from);
	close(at);
}

TEST(udp, each_from_its_socket)
{
	struct address to, a, b;
	int one = opened(4, OUTPUT_BIND_ANY, &a), two = opened(4, OUTPUT_BIND_ANY, &b);
	int at = opened(4, OUTPUT_BIND_ANY, &to);

	outbox = (struct udp_outbox){ .fd = -1 };
	udp_post(&outbox, one, &to, 0, NULL, 0, "1", 1);
	udp_post(&outbox, two, &to, 0, NULL, 0, "2", 1);
	udp_post(&outbox, one, &to, 0, NULL, 0, "3", 1);
	udp_flush(&outbox);
	wait_and_receive(at);
	cr_assert_eq(inbox.n, 3);
	cr_expect(address_equal(&inbox.got[0].from, &a));
	cr_expect(address_equal(&inbox.got[1].from, &b));
	cr_expect(address_equal(&inbox.got[2].from, &a));
	close(one);
	close(two);
	close(at);
}

TEST(udp, too_long_is_dropped)
{
	static uint8_t large[UDP_RECEIVE_BYTES + 1];
	struct address to;
	struct sockaddr_storage sa;
	int from = opened(4, OUTPUT_BIND_ANY, NULL), at = opened(4, OUTPUT_BIND_ANY, &to);
	socklen_t len = address_to_sockaddr(&to, &sa);

	MUST(sendto(from, large, sizeof large, 0, (struct sockaddr *)&sa, len));
	MUST(sendto(from, "short", 5, 0, (struct sockaddr *)&sa, len));
	wait_and_receive(at);
	cr_assert_eq(inbox.n, 1);
	cr_expect_arr_eq(inbox.got[0].bytes, "short", 5);
	close(from);
	close(at);
}
