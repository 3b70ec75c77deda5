/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro and a broker that makes no sense: it costs that broker the connection, and the
 * caller nothing. The broker here is this test, over the bare protocol.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "harness.h"

static char dir[DIR_BYTES];
static int listener, peer = -1;
static struct intro *in;
static struct intro_ref *found, *served;
static struct intro_event ev;
static int request;
static uint8_t packet[WIRE_PACKET_MAX];
static struct wire_writer w;

/* What libintro asks next on the current connection. */
static uint32_t asked(enum wire_type type)
{
	struct raw r;
	uint32_t serial;

	cr_assert_gt(raw_recv(peer, &r), 0);
	cr_assert_eq(r.m.head.type, type, "it is %d", r.m.head.type);
	serial = r.m.head.serial;
	raw_close(&r);
	return serial;
}

/* The next connection of ours, which is asked for everything again. */
static uint32_t accept_again(void)
{
	while (!wait_fd(listener, POLLIN))
		harness_fail("libintro does not come back");
	if (peer >= 0)
		close(peer);
	peer = MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	asked(WIRE_FIND);
	asked(WIRE_SERVE);
	return asked(WIRE_CONNECT);
}

static void begin(void)
{
	char path[PATH_BYTES];

	dir_make(dir);
	snprintf(path, sizeof path, "%s/intro.sock", dir);
	listener = unix_listen(path, SOCK_SEQPACKET, 8);
	cr_assert_eq(intro_open(&in, dir), 0);
	cr_assert_eq(intro_find(in, "db", &found), 0);
	cr_assert_gt(intro_serve(in, "web", NULL, &served), 0);
	request = intro_connect(found, SOCK_STREAM, -1);
	cr_assert_gt(request, 0);
}

static void end(void)
{
	in = intro_close(in);
	close(listener);
	close(peer);
	dir_remove(dir);
}

static void start(enum wire_type type, uint32_t serial, uint32_t ref, uint8_t nfds)
{
	wire_begin(&w, packet, sizeof packet, (uint16_t)type, serial, ref, nfds);
}

static void send_packet(const int *fds, size_t nfds)
{
	int r = packet_send(peer, packet, (size_t)wire_finish(&w), fds, nfds);

	cr_assert_eq(r, 0, "%s", strerror(-r));
}

/* libintro's turn, until it has ended this connection and made another. */
static uint32_t dropped(void)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };

	for (int64_t until = now_ms() + HANG_MS; poll(&p, 1, 2) == 0;) {
		cr_assert_lt(now_ms(), until, "libintro does not mind");
		cr_assert_eq(intro_dispatch(in), 0);
	}
	cr_assert_eq(intro_next(in, &ev), 0, "and says nothing to its caller");
	return accept_again();
}

/* libintro's turn, on the same connection. */
static void kept(void)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	char byte;

	cr_assert_eq(intro_dispatch(in), 0);
	cr_assert_eq(recv(peer, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	cr_assert_eq(errno, EAGAIN);
	cr_assert_eq(poll(&p, 1, 0), 0);
}

/* After all of it the request is still good. */
static void finish(uint32_t serial)
{
	int pair[2];

	cr_assert_eq(serial, (uint32_t)request, "the caller's number lives on");
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	start(WIRE_REPLY, serial, 0, 1);
	wire_put_u32(&w, TAG_WAY, WAY_PAIR);
	wire_put_u32(&w, TAG_PATH, PATH_LOCAL);
	wire_put_u64(&w, TAG_SESSION, 7);
	send_packet(&pair[0], 1);
	close(pair[0]);
	cr_assert_eq(intro_wait(in, request, HANG_MS, &ev), 1);
	cr_assert_eq((int)ev.what, INTRO_CONNECTED);
	cr_assert_eq(ev.session, 7);
	cr_assert(linked(ev.fd, pair[1]));
	close(ev.fd);
	close(pair[1]);
}

TEST(hostile, nonsense_of_every_length, .timeout = 60)
{
	uint32_t serial;

	begin();
	serial = accept_again();
	for (size_t len = 1; len <= 32; len++) {
		memset(packet, (int)(len * 37), len);
		cr_assert_eq(send(peer, packet, len, MSG_NOSIGNAL), (ssize_t)len);
		serial = dropped();
	}
	memset(packet, 1, sizeof packet);
	cr_assert_eq(send(peer, packet, sizeof packet, MSG_NOSIGNAL), (ssize_t)sizeof packet);
	serial = dropped();
	finish(serial);
	end();
}

TEST(hostile, ends_without_a_word)
{
	uint32_t serial;

	begin();
	serial = accept_again();
	for (int i = 0; i < 4; i++) {
		shutdown(peer, SHUT_RDWR);
		serial = dropped();
	}
	finish(serial);
	end();
}

TEST(hostile, answers_that_make_no_sense)
{
	int pair[2];
	uint32_t serial;

	begin();
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	serial = accept_again();

	start(WIRE_REPLY, serial, 0, 0);		/* success without a descriptor */
	send_packet(NULL, 0);
	serial = dropped();
	start(WIRE_REPLY, serial, 0, 1);		/* a descriptor announced, none sent */
	send_packet(NULL, 0);
	serial = dropped();
	start(WIRE_REPLY, serial, 0, 0);		/* one sent that was not announced */
	send_packet(pair, 1);
	serial = dropped();
	start(WIRE_REPLY, serial, 0, 2);		/* two */
	send_packet(pair, 2);
	serial = dropped();
	start(WIRE_REPLY, serial, 0, 1);		/* no way */
	send_packet(pair, 1);
	serial = dropped();
	start(WIRE_REPLY, serial, 0, 1);		/* an unknown way */
	wire_put_u32(&w, TAG_WAY, 99);
	wire_put_u32(&w, TAG_PATH, PATH_LOCAL);
	send_packet(pair, 1);
	serial = dropped();
	start(WIRE_REPLY, serial, 0, 1);		/* failed, and a descriptor */
	wire_put_u32(&w, TAG_ERROR, (uint32_t)-ENOENT);
	send_packet(pair, 1);
	serial = dropped();
	start(WIRE_REPLY, serial, 0, 0);		/* an error that is none */
	wire_put_u32(&w, TAG_ERROR, 5);
	send_packet(NULL, 0);
	serial = dropped();
	start(WIRE_REPLY, serial, 0, 0);
	wire_put_u32(&w, TAG_ERROR, (uint32_t)INT32_MIN);
	send_packet(NULL, 0);
	serial = dropped();
	start(WIRE_CONNECT, serial, 0, 0);		/* not a broker's to say */
	send_packet(NULL, 0);
	serial = dropped();
	start(WIRE_BROKEN, 0, 1, 0);			/* without a reason */
	send_packet(NULL, 0);
	serial = dropped();

	close(pair[0]);
	close(pair[1]);
	finish(serial);
	end();
}

static void put_incoming(struct wire_writer *writer, uint8_t *buf, size_t size, uint32_t ref)
{
	wire_begin(writer, buf, size, WIRE_INCOMING, 0, ref, 1);
	wire_put_u32(writer, TAG_SOCKTYPE, SOCK_STREAM);
	wire_put_u32(writer, TAG_WAY, WAY_PAIR);
	wire_put_u32(writer, TAG_PATH, PATH_LOCAL);
	wire_put_u64(writer, TAG_SESSION, 9);
	wire_put_string(writer, TAG_DOOR, "host");
}

TEST(hostile, clients_of_nobody)
{
	int pair[2];
	uint32_t serial;
	char byte;

	begin();
	serial = accept_again();
	/* handles that do not serve, or not yet, or are not ours */
	for (uint32_t ref = 0; ref < 5; ref++) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
		put_incoming(&w, packet, sizeof packet, ref);
		send_packet(pair, 1);
		close(pair[0]);
		kept();
		cr_expect_eq(recv(pair[1], &byte, 1, MSG_DONTWAIT), 0, "its end is closed");
		close(pair[1]);
	}
	/* the same as a request: it is answered */
	put_incoming(&w, packet, sizeof packet, 4);
	packet[1] = 0;
	packet[2] = WIRE_FETCH;
	packet[4] = 77;
	send_packet(NULL, 0);
	cr_assert_eq(intro_dispatch(in), 0);
	cr_expect_eq(asked(WIRE_FETCHED), 77);
	/* answers to nobody */
	start(WIRE_REPLY, 12345, 0, 0);
	send_packet(NULL, 0);
	kept();
	start(WIRE_BROKEN, 0, 17, 0);
	wire_put_u32(&w, TAG_ERROR, (uint32_t)-EKEYEXPIRED);
	send_packet(NULL, 0);
	kept();
	cr_expect_eq(intro_next(in, &ev), 0);
	finish(serial);
	end();
}

/* Batches whose lengths lie. */
TEST(hostile, batches)
{
	static const uint8_t lies[][4] = { { 1 }, { 0, 0 }, { 255, 255, 1, 1 }, { 2, 0, 1, 0 } };
	uint8_t inner[256];
	struct wire_writer iw;
	uint32_t serial;
	int pair[2], len;

	begin();
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	serial = accept_again();
	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		start(WIRE_BATCH, 0, 0, 1);
		wire_put_bytes(&w, TAG_MESSAGES, lies[i], i == 0 ? 1 : i == 1 ? 2 : 4);
		send_packet(pair, 1);
		serial = dropped();
	}
	start(WIRE_BATCH, 0, 0, 0);
	send_packet(NULL, 0);
	serial = dropped();
	/* one message, no descriptor for it; and a descriptor without a message */
	put_incoming(&iw, inner + 2, sizeof inner - 2, 2);
	len = wire_finish(&iw);
	inner[0] = (uint8_t)len;
	inner[1] = 0;
	start(WIRE_BATCH, 0, 0, 0);
	wire_put_bytes(&w, TAG_MESSAGES, inner, (size_t)len + 2);
	send_packet(NULL, 0);
	serial = dropped();
	start(WIRE_BATCH, 0, 0, 1);
	wire_put_bytes(&w, TAG_MESSAGES, inner, 0);
	send_packet(pair, 1);
	serial = dropped();
	close(pair[0]);
	close(pair[1]);
	finish(serial);
	end();
}

/* An answer that would be asked for again crosses its withdrawal. */
TEST(hostile, cancelled_while_refused)
{
	uint32_t serial;

	begin();
	serial = accept_again();
	cr_assert_eq(serial, (uint32_t)request);
	cr_assert_eq(intro_cancel(in, request), 0);
	cr_assert_eq(asked(WIRE_CANCEL), serial);
	start(WIRE_REPLY, serial, 0, 0);
	wire_put_u32(&w, TAG_ERROR, (uint32_t)-ECONNREFUSED);
	send_packet(NULL, 0);
	cr_assert_eq(intro_wait(in, request, HANG_MS, &ev), 1);
	cr_expect_eq((int)ev.what, INTRO_REFUSED);
	cr_expect_eq(ev.error, -ECANCELED);
	end();
}

/* A broker that never reads: what waits for it is bounded, and then refused. */
TEST(hostile, never_reads)
{
	int r = 0, n = 0;

	begin();
	accept_again();
	for (; r >= 0 && n < 1000000; n++)
		r = intro_take(in, "something");
	cr_expect_eq(r, -ENOBUFS, "after %d: %s", n, intro_strerror(r));
	cr_expect_gt(n, 1000);
	end();
}

/* Its socket disappears and another one comes, as when a whole broker is restarted. */
TEST(hostile, restarted_elsewhere)
{
	char path[PATH_BYTES];
	uint32_t serial;

	begin();
	accept_again();
	snprintf(path, sizeof path, "%s/intro.sock", dir);
	MUST(unlink(path));
	close(listener);
	close(peer);
	peer = -1;
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(intro_wait(in, 0, 5, &ev), 0);
		cr_assert_eq(intro_dispatch(in), 0);
	}
	listener = unix_listen(path, SOCK_SEQPACKET, 8);
	serial = dropped();
	finish(serial);
	end();
}
