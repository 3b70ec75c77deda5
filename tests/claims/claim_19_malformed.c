/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 19: malformed packets disconnect only their sender and leak nothing. A neighbour in the
 * same door, opened before, lives on; the switch is the same process with the same number of
 * descriptors afterwards. The client's every packet is sent here byte by byte, since libintro
 * sends none of these.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "usage.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76		/* unix(7), Linux 6.5 */
#endif

/* ---- the place: a door "bad", a neighbour in it, a service that greets ---- */

struct place {
	struct broker b;
	char door[PATH_BYTES];
	int neighbour, fds, parent_fds;
	uint32_t serial;
	pid_t db, room;
};

static void place_start(struct place *p)
{
	broker_start(&p->b, &(struct broker_options){ .countable = true });
	cr_assert_eq(broker_add_door(&p->b, "bad"), 0);
	cr_assert_eq(broker_grant(&p->b, "bad", "db", RIGHT_CONNECT), 0);
	cr_assert_eq(broker_grant(&p->b, "bad", "own", RIGHTS_ALL), 0);
	broker_door(&p->b, "bad", p->door);
	p->db = greeter(p->b.host, "db");
	p->neighbour = raw_open(p->door);
	p->serial = 1;
	cr_assert_eq(raw_find(p->neighbour, p->serial, p->serial, "db"), 0);
	p->room = broker_switch_pid(&p->b, 0);
	p->parent_fds = parent_fds_at_rest(&p->b);
	p->fds = broker_fds_at_rest(&p->b);
	be_greeted(p->door, "db");
}

/* Nobody but the sender has noticed. */
static void place_check(struct place *p)
{
	p->serial++;
	cr_assert_eq(raw_find(p->neighbour, p->serial, p->serial, "db"), 0);
	be_greeted(p->door, "db");
	cr_assert_eq(broker_switch_pid(&p->b, 0), p->room);
}

static void place_end(struct place *p)
{
	place_check(p);
	cr_assert(broker_fds_settle(&p->b, p->fds), "%d descriptors in the switch, not %d",
		  broker_fd_count(&p->b), p->fds);
	cr_assert(parent_fds_settle(&p->b, p->parent_fds), "%d descriptors in the parent, not %d",
		  parent_fds_at_rest(&p->b), p->parent_fds);
	close(p->neighbour);
	child_kill(p->db);
	broker_stop(&p->b);
}

/* ---- packets ---- */

#define FIND_DB 1, 0, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0

/* Send as it is; fds of them, all the same descriptor. 0 or a negative errno. */
static int send_bytes(int sock, const void *bytes, size_t len, int fd, size_t fds)
{
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * PACKET_FDS_MAX)];
	} control;
	int all[PACKET_FDS_MAX];

	if (fds > 0) {
		for (size_t i = 0; i < fds; i++)
			all[i] = fd;
		memset(&control, 0, sizeof control);
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * fds);
		memcpy(CMSG_DATA(&control.align), all, sizeof(int) * fds);
	}
	return sendmsg(sock, &mh, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The broker ends this connection, with or without a last word. */
static bool is_ended(int sock)
{
	for (;;) {
		_cleanup_raw_ struct raw last = { .nfds = 0 };
		ssize_t n = raw_recv(sock, &last);

		if (n == -ETIMEDOUT)
			return false;
		if (n <= 0)
			return true;
	}
}

/* The connection lives: it answers. */
static bool lives(int sock)
{
	static const uint8_t find[] = { 1, 0, WIRE_FIND, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0,
					TAG_NAME, 0, 2, 0, 'd', 'b' };

	if (send_bytes(sock, find, sizeof find, -1, 0) < 0)
		return false;
	for (;;) {
		_cleanup_raw_ struct raw packet = { .nfds = 0 };

		if (raw_recv(sock, &packet) <= 0)
			return false;
		if (packet.m.head.type == WIRE_REPLY && packet.m.head.serial == 0x7fffffff)
			return true;
	}
}

/* On a connection of its own. */
static bool ends_sender(const char *door, const void *bytes, size_t len)
{
	int sock = raw_open(door);
	bool ended;

	send_bytes(sock, bytes, len, -1, 0);
	ended = is_ended(sock);
	close(sock);
	return ended;
}

static bool is_answered(const char *door, const void *bytes, size_t len)
{
	int sock = raw_open(door);
	bool answered = send_bytes(sock, bytes, len, -1, 0) == 0 && lives(sock);

	close(sock);
	return answered;
}

/* ---- lengths and types ---- */

TEST(claim_19, lengths)
{
	static uint8_t zeros[WIRE_PACKET_MAX + 1], ones[WIRE_PACKET_MAX + 1];
	static uint8_t tail[WIRE_PACKET_MAX + 1] = { FIND_DB };
	struct place p;

	memset(ones, 0xff, sizeof ones);
	memset(tail + WIRE_HEADER_BYTES, 0xff, sizeof tail - WIRE_HEADER_BYTES);
	place_start(&p);
	for (size_t len = 0; len <= WIRE_PACKET_MAX + 1; len++) {
		cr_assert(ends_sender(p.door, zeros, len), "%zu zeros", len);
		cr_assert(ends_sender(p.door, ones, len), "%zu ones", len);
		if (len != WIRE_HEADER_BYTES)
			cr_assert(ends_sender(p.door, tail, len), "a header and ones: %zu", len);
		if (len % 512 == 0)
			place_check(&p);
	}
	place_end(&p);
}

/* A good message of every length, by a tag that nobody knows; one byte less is malformed. */
TEST(claim_19, every_length_may_be_good)
{
	static uint8_t packet[WIRE_PACKET_MAX + 64] = { FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b',
							0xff, 0x7f };
	const size_t head = WIRE_HEADER_BYTES + WIRE_TLV_BYTES + 2 + WIRE_TLV_BYTES;
	struct place p;

	place_start(&p);
	for (size_t len = head; len <= WIRE_PACKET_MAX; len++) {
		size_t rest = len - head;

		packet[head - 2] = (uint8_t)rest;
		packet[head - 1] = (uint8_t)(rest >> 8);
		cr_assert(is_answered(p.door, packet, len), "%zu bytes", len);
		cr_assert(ends_sender(p.door, packet, len - 1), "%zu bytes of %zu", len - 1, len);
	}
	cr_assert(ends_sender(p.door, packet, WIRE_PACKET_MAX + 1));
	place_end(&p);
}

/* What a client may ask without a descriptor; the others are refused to everybody. */
static bool for_clients(unsigned int type)
{
	return type >= WIRE_FIND && type <= WIRE_ATTEST && type != WIRE_PLACE &&
	       type != WIRE_HOLD && type != WIRE_JOIN && type != WIRE_SHARE;
}

TEST(claim_19, types)
{
	struct place p;

	place_start(&p);
	for (unsigned int type = 0; type < 0x10000; type += type < 256 ? 1 : 255) {
		const uint8_t bare[] = { 1, 0, (uint8_t)type, (uint8_t)(type >> 8), 1, 0, 0, 0,
					 1, 0, 0, 0 };
		const uint8_t named[] = { 1, 0, (uint8_t)type, (uint8_t)(type >> 8), 1, 0, 0, 0,
					  1, 0, 0, 0, TAG_NAME, 0, 2, 0, 'd', 'b' };

		if (for_clients(type)) {
			cr_assert(is_answered(p.door, bare, sizeof bare), "type %u", type);
			cr_assert(is_answered(p.door, named, sizeof named), "type %u", type);
		} else if (type != WIRE_SHARE) {
			cr_assert(ends_sender(p.door, bare, sizeof bare), "type %u", type);
			cr_assert(ends_sender(p.door, named, sizeof named), "type %u", type);
		}
	}
	place_end(&p);
}

/* On control.sock, too, what nobody knows ends its sender only. */
TEST(claim_19, types_of_administration)
{
	struct place p;

	place_start(&p);
	for (unsigned int type = 0; type < 256; type++) {
		const uint8_t bare[] = { 1, 0, (uint8_t)type, 0, 1, 0, 0, 0, 1, 0, 0, 0 };
		bool known = for_clients(type) || type == WIRE_SHARE ||
			     (type >= WIRE_DOOR_ADD && type <= WIRE_WHY);
		int sock;

		if (known)
			continue;
		sock = raw_open_control(&p.b);
		send_bytes(sock, bare, sizeof bare, -1, 0);
		cr_assert(is_ended(sock), "type %u", type);
		close(sock);
	}
	for (unsigned int type = WIRE_DOOR_ADD; type <= WIRE_WHY; type++) {
		const uint8_t bare[] = { 1, 0, (uint8_t)type, 0, 1, 0, 0, 0, 1, 0, 0, 0 };
		int sock = raw_open_control(&p.b);

		send_bytes(sock, bare, sizeof bare, -1, 0);
		cr_assert(lives(sock), "type %u", type);
		close(sock);
	}
	place_end(&p);
}

/* A connection that is shared takes JOIN only. */
TEST(claim_19, anything_else_on_a_shared_connection)
{
	struct place p;

	place_start(&p);
	for (unsigned int type = 0; type < 256; type++) {
		static const uint8_t share[] = { 1, 0, WIRE_SHARE, 0, 1, 0, 0, 0, 0, 0, 0, 0 };
		const uint8_t bare[] = { 1, 0, (uint8_t)type, 0, 2, 0, 0, 0, 1, 0, 0, 0 };
		struct raw reply;
		int sock = raw_open(p.door);

		MUST(send(sock, share, sizeof share, 0));
		cr_assert_eq(raw_reply(sock, 1, &reply), 0);
		send_bytes(sock, bare, sizeof bare, -1, 0);
		cr_assert(is_ended(sock), "type %u", type);
		close(sock);
	}
	place_end(&p);
}

/* ---- forms ---- */

#define PACKET(...) .bytes = { __VA_ARGS__ }, .len = sizeof (uint8_t[]){ __VA_ARGS__ }

static const struct form {
	const char *what;
	size_t len;
	bool good;
	uint8_t bytes[64];
} forms[] = {
	{ "good", .good = true, PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b') },
	{ "in order", .good = true,
	  PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', TAG_SOCKTYPE, 0, 4, 0, 1, 0, 0, 0) },
	{ "out of order", PACKET(FIND_DB, TAG_SOCKTYPE, 0, 4, 0, 1, 0, 0, 0,
				 TAG_NAME, 0, 2, 0, 'd', 'b') },
	{ "twice", PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', TAG_NAME, 0, 2, 0, 'd', 'b') },
	{ "twice, once critical",
	  PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', TAG_NAME, 0x80, 2, 0, 'd', 'b') },
	{ "critical and known", .good = true, PACKET(FIND_DB, TAG_NAME, 0x80, 2, 0, 'd', 'b') },
	{ "unknown", .good = true, PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', 200, 0, 0, 0) },
	{ "unknown and critical", PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', 200, 0x80, 0, 0) },
	{ "the first that is unknown, critical",
	  PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', TAG_END, 0x80, 0, 0) },
	{ "tag zero", PACKET(FIND_DB, 0, 0, 0, 0) },
	{ "a number too narrow", PACKET(FIND_DB, TAG_SOCKTYPE, 0, 2, 0, 1, 0) },
	{ "a number too wide", PACKET(FIND_DB, TAG_SOCKTYPE, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0) },
	{ "a long number too narrow", PACKET(FIND_DB, TAG_WAIT, 0, 4, 0, 1, 0, 0, 0) },
	{ "an empty string", PACKET(FIND_DB, TAG_NAME, 0, 0, 0) },
	{ "a zero in a string", PACKET(FIND_DB, TAG_NAME, 0, 3, 0, 'd', 0, 'b') },
	{ "longer than its packet", PACKET(FIND_DB, TAG_NAME, 0, 3, 0, 'd', 'b') },
	{ "as long as can be", PACKET(FIND_DB, TAG_NAME, 0, 0xff, 0xff, 'd', 'b') },
	{ "half a tag", PACKET(FIND_DB, TAG_NAME, 0, 2) },
	{ "bytes behind the last tag", PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', 0) },
	{ "version 0", PACKET(0, 0, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0) },
	{ "version 2", PACKET(2, 0, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0) },
	{ "a descriptor that is not there", PACKET(1, 1, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0) },
	{ "255 that are not there", PACKET(1, 255, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0) },
	{ "a service of no way", .good = true,
	  PACKET(1, 0, WIRE_SERVE, 0, 1, 0, 0, 0, 1, 0, 0, 0, TAG_NAME, 0, 3, 0, 'o', 'w', 'n',
		 TAG_WAY, 0, 4, 0, 0xff, 0xff, 0xff, 0xff) },
	{ "a batch of too many", .good = true,
	  PACKET(1, 0, WIRE_SERVE, 0, 1, 0, 0, 0, 1, 0, 0, 0, TAG_NAME, 0, 3, 0, 'o', 'w', 'n',
		 TAG_BATCH, 0, 4, 0, 17, 0, 0, 0) },
	{ "a type of socket that is none", .good = true,
	  PACKET(1, 0, WIRE_CONNECT, 0, 1, 0, 0, 0, 1, 0, 0, 0, TAG_NAME, 0, 2, 0, 'd', 'b',
		 TAG_SOCKTYPE, 0, 4, 0, 0xff, 0xff, 0xff, 0xff) },
};

TEST(claim_19, forms)
{
	struct place p;

	place_start(&p);
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		const struct form *f = &forms[i];

		if (f->good)
			cr_assert(is_answered(p.door, f->bytes, f->len), "%s", f->what);
		else
			cr_assert(ends_sender(p.door, f->bytes, f->len), "%s", f->what);
	}
	place_end(&p);
}

/* ---- descriptors ---- */

static const uint8_t allow[] = { 1, 0, WIRE_ALLOW, 0, 9, 0, 0, 0, 0, 0, 0, 0 };

/* A depositor: it may send descriptors. */
static int depositor(const char *door)
{
	int sock = raw_open(door);
	struct raw reply;

	MUST(send(sock, allow, sizeof allow, 0));
	cr_assert_eq(raw_reply(sock, 9, &reply), 0);
	return sock;
}

/* Whether every copy of the write end is closed: nobody keeps what came in excess. */
static bool all_closed(int read_end)
{
	return wait_fd(read_end, POLLHUP);
}

/* Send n copies of a pipe's end with these bytes; what the kernel says, and whether all were
 * closed and the connection ended. */
static int send_pipe(int sock, const void *bytes, size_t len, size_t n, bool *closed)
{
	int ends[2], r;

	MUST(pipe2(ends, O_CLOEXEC));
	r = send_bytes(sock, bytes, len, ends[1], n);
	close(ends[1]);
	*closed = all_closed(ends[0]);
	close(ends[0]);
	return r;
}

static const size_t numbers[] = { 1, 2, 10, 253 };

TEST(claim_19, descriptors_that_were_not_allowed)
{
	struct place p;

	place_start(&p);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		const uint8_t hold[] = { 1, (uint8_t)numbers[i], WIRE_HOLD, 0, 1, 0, 0, 0,
					 0, 0, 0, 0, TAG_NAME, 0, 3, 0, 'o', 'w', 'n' };
		int sock = raw_open(p.door);
		bool closed;
		int r = send_pipe(sock, hold, sizeof hold, numbers[i], &closed);

		cr_assert(closed, "%zu descriptors are kept", numbers[i]);
		/* A kernel that knows SO_PASSRIGHTS refuses at the sender's. */
		if (r == -EPERM)
			cr_assert(lives(sock));
		else
			cr_assert(is_ended(sock), "%zu descriptors", numbers[i]);
		close(sock);
	}
	place_end(&p);
}

/* One for what takes none, more than one for what takes one, whatever the header says. */
TEST(claim_19, descriptors_in_excess)
{
	struct place p;

	place_start(&p);
	for (unsigned int type = 0; type < 256; type++) {
		for (size_t i = 0; i < 4 * sizeof numbers / sizeof numbers[0]; i++) {
			size_t n = numbers[i % 4];
			uint8_t says = i < 8 ? (uint8_t)n : i < 12 ? 0 : 1;
			const uint8_t packet[] = { 1, says, (uint8_t)type, 0, 1, 0, 0, 0,
						   1, 0, 0, 0, TAG_NAME, 0, 3, 0, 'o', 'w', 'n' };
			bool one = says == 1 && n == 1, closed;
			int sock;

			/* the good ones are elsewhere */
			if (one && (type == WIRE_PLACE || type == WIRE_HOLD || type == WIRE_JOIN ||
				    type == WIRE_FETCHED))
				continue;
			/* every type with some, not every one with all */
			if (type > WIRE_ATTEST && i % 4 != 1)
				continue;
			sock = depositor(p.door);
			cr_assert_eq(send_pipe(sock, packet, sizeof packet, n, &closed), 0);
			cr_assert(closed, "type %u keeps some of %zu", type, n);
			cr_assert(is_ended(sock), "type %u with %zu, says %u", type, n, says);
			close(sock);
		}
	}
	place_end(&p);
}

/* One that is allowed and makes no sense where it is: closed, its sender told or ignored. */
TEST(claim_19, descriptors_of_the_wrong_kind)
{
	static const uint8_t place_file[] = { 1, 1, WIRE_PLACE, 0, 1, 0, 0, 0, 1, 0, 0, 0,
					      TAG_NAME, 0, 3, 0, 'o', 'w', 'n',
					      TAG_FILE, 0, 1, 0, 'f' };
	static const uint8_t join[] = { 1, 1, WIRE_JOIN, 0, 1, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t fetched[] = { 1, 1, WIRE_FETCHED, 0, 1, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t hold[] = { 1, 1, WIRE_HOLD, 0, 1, 0, 0, 0, 0, 0, 0, 0,
					TAG_NAME, 0, 4, 0, 'n', 'o', 'n', 'e' };
	int sock, stream[2];
	struct place p;
	bool closed;

	place_start(&p);
	sock = depositor(p.door);
	cr_assert_eq(send_pipe(sock, place_file, sizeof place_file, 1, &closed), 0);
	cr_assert(closed);
	cr_assert_eq(send_pipe(sock, join, sizeof join, 1, &closed), 0);
	cr_assert(closed);
	cr_assert_eq(send_pipe(sock, fetched, sizeof fetched, 1, &closed), 0);
	cr_assert(closed);
	cr_assert_eq(send_pipe(sock, hold, sizeof hold, 1, &closed), 0);
	cr_assert(closed);
	/* a stream; one that listens; one that is connected to nobody */
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream));
	cr_assert_eq(send_bytes(sock, join, sizeof join, stream[0], 1), 0);
	close(stream[0]);
	cr_assert(wait_fd(stream[1], POLLHUP));
	close(stream[1]);
	stream[0] = MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	cr_assert_eq(send_bytes(sock, join, sizeof join, stream[0], 1), 0);
	MUST(bind(stream[0], (struct sockaddr *)&(struct sockaddr_un){ .sun_family = AF_UNIX },
		  sizeof(sa_family_t)));
	MUST(listen(stream[0], 1));
	cr_assert_eq(send_bytes(sock, join, sizeof join, stream[0], 1), 0);
	close(stream[0]);
	cr_assert(lives(sock));
	close(sock);
	place_end(&p);
}

/* The depositor of a connection keeps a copy of the broker's end, and sets there whatever makes
 * the kernel add to each message: pidfds, credentials, descriptors. */
TEST(claim_19, options_on_the_brokers_end)
{
	static const uint8_t join[] = { 1, 1, WIRE_JOIN, 0, 1, 0, 0, 0, 0, 0, 0, 0 };
	static const int options[] = { SO_PASSPIDFD, SO_PASSCRED, SO_PASSRIGHTS, SO_TIMESTAMP };
	static const uint8_t find[] = { FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b' };
	int sock, ends[2], on = 1;
	struct place p;
	bool closed;

	place_start(&p);
	sock = depositor(p.door);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
	cr_assert_eq(send_bytes(sock, join, sizeof join, ends[0], 1), 0);
	cr_assert(lives(ends[1]));
	cr_assert(broker_fds_settle(&p.b, p.fds + 2));
	/* where the kernel knows them */
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		setsockopt(ends[0], SOL_SOCKET, options[i], &on, sizeof on);
	for (int i = 0; i < 200; i++)
		cr_assert(lives(ends[1]));
	cr_assert(broker_fds_settle(&p.b, p.fds + 2), "%d descriptors where %d were to be",
		  broker_fd_count(&p.b), p.fds + 2);

	/* It was not allowed descriptors, whatever its own option says. */
	cr_assert_eq(send_pipe(ends[1], find, sizeof find, 10, &closed), 0);
	cr_assert(closed);
	close(ends[0]);
	cr_assert(is_ended(ends[1]));
	close(ends[1]);
	close(sock);
	place_end(&p);
}

/* A message whose descriptor finds no room in the switch's table: its control data is cut. */
TEST(claim_19, truncated_control_data)
{
	static const uint8_t hold[] = { 1, 1, WIRE_HOLD, 0, 1, 0, 0, 0, 0, 0, 0, 0,
					TAG_NAME, 0, 3, 0, 'o', 'w', 'n' };
	struct rlimit all, none;
	struct place p;
	int sock, r;
	bool closed;

	place_start(&p);
	sock = depositor(p.door);
	MUST(prlimit(p.room, RLIMIT_NOFILE, NULL, &all));
	/* below every descriptor that it may get */
	none = (struct rlimit){ 3, all.rlim_max };
	MUST(prlimit(p.room, RLIMIT_NOFILE, &none, NULL));
	r = send_pipe(sock, hold, sizeof hold, 1, &closed);
	cr_assert_eq(r, 0);
	cr_assert(closed);
	cr_assert(is_ended(sock));
	/* the neighbour asks for what needs no descriptor */
	p.serial++;
	cr_assert_eq(raw_find(p.neighbour, p.serial, p.serial, "db"), 0);
	MUST(prlimit(p.room, RLIMIT_NOFILE, &all, NULL));
	close(sock);
	place_end(&p);
}

/* ---- names ---- */

static bool letter_or_digit(unsigned int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Serve a name of these bytes through an open door: its error; -EPIPE: the connection ended. */
static int serve_bytes(const char *door, const uint8_t *name, uint8_t len)
{
	uint8_t packet[128] = { 1, 0, WIRE_SERVE, 0, 1, 0, 0, 0, 1, 0, 0, 0, TAG_NAME, 0, len, 0 };
	int sock = raw_open(door), error = -EPIPE;
	struct raw reply;

	memcpy(packet + 16, name, len);
	MUST(send(sock, packet, 16u + len, 0));
	if (raw_recv(sock, &reply) > 0)
		error = wire_i32(&reply.m, TAG_ERROR, 0);
	close(sock);
	return error;
}

TEST(claim_19, bytes_of_names)
{
	uint8_t name[WIRE_NAME_MAX + 1];
	struct place p;

	place_start(&p);
	for (unsigned int c = 0; c < 256; c++) {
		bool inside = letter_or_digit(c) || c == '.' || c == '_' || c == '-';

		name[0] = (uint8_t)c;
		cr_assert_eq(serve_bytes(p.b.host, name, 1),
			     c == 0 ? -EPIPE : letter_or_digit(c) ? 0 : -EINVAL, "byte %u", c);
		name[0] = 'a';
		name[1] = (uint8_t)c;
		name[2] = 'z';
		cr_assert_eq(serve_bytes(p.b.host, name, 3),
			     c == 0 ? -EPIPE : inside ? 0 : -EINVAL, "byte %u inside", c);
	}
	memset(name, 'n', sizeof name);
	cr_assert_eq(serve_bytes(p.b.host, name, WIRE_NAME_MAX), 0);
	cr_assert_eq(serve_bytes(p.b.host, name, WIRE_NAME_MAX + 1), -EPIPE);
	/* A door that is closed says the same of all that it does not grant. */
	cr_assert_eq(serve_bytes(p.door, (const uint8_t *)"none", 4), -ENOENT);
	place_end(&p);
}

static const char *const tricks[] = {
	".", "..", "../up", "a/b", "/", "/etc", "a/../../up", "./a", "a/", "-", ".hidden", "~",
	"a\nb", "a b", "%s", "\x1b[2J", "\xc3\xa9", "a\\b", "*", "intro.sock/x",
};

static unsigned int entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int n = 0;

	cr_assert_not_null(dir, "%s", path);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int administer(const struct place *p, const struct wire_writer *w)
{
	int sock = raw_open_control(&p->b), error;
	struct raw reply;

	error = raw_ask(sock, w, -1, &reply);
	close(sock);
	return error;
}

static int grant_file(const struct place *p, const char *file)
{
	uint8_t buf[256];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, WIRE_GRANT, 1, 0, 0);
	wire_put_string(&w, TAG_NAME, "tricky");
	wire_put_string(&w, TAG_DOOR, "bad");
	wire_put_string(&w, TAG_FILE, file);
	return administer(p, &w);
}

static int place_at(int sock, int dir, const char *file)
{
	uint8_t buf[256];
	struct wire_writer w;
	struct raw reply;

	wire_begin(&w, buf, sizeof buf, WIRE_PLACE, 1, 1, 1);
	wire_put_string(&w, TAG_NAME, "own");
	wire_put_string(&w, TAG_FILE, file);
	return raw_ask(sock, &w, dir, &reply);
}

/* Paths in the names of doors, of files in doors and of placed files: nothing is made. */
TEST(claim_19, paths_in_names)
{
	static const char *const ours[] = { "intro.sock", "intro.", ".intro.new.x", ".intro.link" };
	char doors[PATH_BYTES];
	unsigned int in_base, in_doors, in_door;
	struct place p;
	int sock, dir;

	place_start(&p);
	snprintf(doors, sizeof doors, "%s/doors", p.b.base);
	in_base = entries(p.b.base);
	in_doors = entries(doors);
	in_door = entries(p.door);
	sock = depositor(p.door);
	dir = MUST(open(p.b.dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	for (size_t i = 0; i < sizeof tricks / sizeof tricks[0]; i++) {
		cr_assert_eq(broker_add_door(&p.b, tricks[i]), -EINVAL, "door %s", tricks[i]);
		cr_assert_eq(broker_grant(&p.b, "bad", tricks[i], RIGHT_CONNECT), -EINVAL,
			     "name %s", tricks[i]);
		cr_assert_eq(broker_grant(&p.b, tricks[i], "name", RIGHT_CONNECT), -ENOENT,
			     "door %s", tricks[i]);
		/* A file may begin with a dot, and only that. */
		if (strcmp(tricks[i], ".hidden") == 0)
			continue;
		cr_assert_eq(grant_file(&p, tricks[i]), -EINVAL, "file %s", tricks[i]);
		cr_assert_eq(place_at(sock, dir, tricks[i]), -EINVAL, "placed %s", tricks[i]);
	}
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
		cr_assert_eq(grant_file(&p, ours[i]), -EINVAL, "file %s", ours[i]);
		cr_assert_eq(place_at(sock, dir, ours[i]), -EINVAL, "placed %s", ours[i]);
	}
	cr_assert_eq(entries(p.b.base), in_base);
	cr_assert_eq(entries(doors), in_doors);
	cr_assert_eq(entries(p.door), in_door);
	cr_assert(lives(sock));
	close(dir);
	close(sock);
	place_end(&p);
}

/* Where a door is to be, somebody has put a link to elsewhere. */
TEST(claim_19, door_that_is_a_link)
{
	char link[PATH_BYTES], elsewhere[PATH_BYTES];
	struct place p;

	place_start(&p);
	snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", p.b.dir);
	MUST(mkdir(elsewhere, 0777));
	broker_door(&p.b, "link", link);
	MUST(symlink(elsewhere, link));
	cr_assert_lt(broker_add_door(&p.b, "link"), 0);
	cr_assert_eq(entries(elsewhere), 2);
	MUST(unlink(link));
	cr_assert_eq(broker_add_door(&p.b, "link"), 0);
	cr_assert_eq(entries(elsewhere), 2);
	MUST(rmdir(elsewhere));
	p.fds += 2;	/* its directory and its listener */
	p.parent_fds = parent_fds_at_rest(&p.b);
	place_end(&p);
}
