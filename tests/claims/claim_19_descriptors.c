/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 19: malformed packets disconnect only their sender and leak nothing. Here: descriptors
 * that were not allowed, that are too many, of the wrong kind, or that found no room.
 */
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "malformed.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76		/* unix(7), Linux 6.5 */
#endif

static const size_t numbers[] = { 1, 2, 10, 253 };

TEST(claim_19, descriptors_that_were_not_allowed)
{
	struct place p;

	place_start(&p);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		const uint8_t hold[] = { 1, (uint8_t)numbers[i], WIRE_HOLD, 0, 1, 0, 0, 0,
					 0, 0, 0, 0, TAG_NAME, 0, 3, 0, 'o', 'w', 'n' };
		int sock = raw_open(p.bad);
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
			sock = depositor(p.bad);
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
	sock = depositor(p.bad);
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
	cr_assert_eq(raw_bytes(sock, join, sizeof join, stream[0], 1), 0);
	close(stream[0]);
	cr_assert(wait_fd(stream[1], POLLHUP));
	close(stream[1]);
	stream[0] = MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	cr_assert_eq(raw_bytes(sock, join, sizeof join, stream[0], 1), 0);
	MUST(bind(stream[0], (struct sockaddr *)&(struct sockaddr_un){ .sun_family = AF_UNIX },
		  sizeof(sa_family_t)));
	MUST(listen(stream[0], 1));
	cr_assert_eq(raw_bytes(sock, join, sizeof join, stream[0], 1), 0);
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
	sock = depositor(p.bad);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
	cr_assert_eq(raw_bytes(sock, join, sizeof join, ends[0], 1), 0);
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
	sock = depositor(p.bad);
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
