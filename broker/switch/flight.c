/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counts of flight.h.
 */
#include "flight.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "board.h"
#include "conn.h"
#include "link.h"

/* Socket garbage collection makes every send and receive 1.4 times as dear at 2,000 in
 * flight; half of that is never felt. */
#define FLIGHT_TOTAL 1000u

/* What a sweep makes room for, so that it is not the next introduction's work again. */
#define SWEEP_ROOM 64u

static bool exhausted;

int flight_init(void)
{
	struct rlimit limit;
	int pair[2], unread = 0, r = 0;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	board.flight_max = FLIGHT_TOTAL;
	if (limit.rlim_cur / 2 < board.flight_max)
		board.flight_max = (uint32_t)(limit.rlim_cur / 2);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	if (send(pair[0], "", 1, 0) < 0 || ioctl(pair[0], SIOCOUTQ, &unread) < 0)
		r = -errno;
	else
		board.flight_unit = unread > 0 ? (uint32_t)unread : 1;
	close(pair[0]);
	close(pair[1]);
	return r;
}

uint32_t flight_bytes(const struct conn *conn)
{
	int unread;

	if (ioctl(conn->source.fd, SIOCOUTQ, &unread) < 0 || unread < 0)
		return 0;
	return (uint32_t)unread;
}

static void lower(struct conn *conn, uint32_t to)
{
	uint32_t gone = conn->flight - to;

	conn->flight = to;
	conn->account->used[RESOURCE_FLIGHT] -= gone;
	conn->user->account.used[RESOURCE_FLIGHT] -= gone;
	board.flight_total -= gone;
	if (to == 0)
		list_remove(&conn->in_flights);
}

void flight_refresh(struct conn *conn)
{
	uint32_t unread;

	if (conn->flight == 0)
		return;
	/* No packet is smaller than the unit. A byte may be left of one that was just read: with
	 * that the kernel wakes us, sock_wfree() says so, before it counts it down, too. */
	unread = flight_bytes(conn) / board.flight_unit;
	/* A batch's descriptors share one packet: nothing less than empty is certain there. */
	if (unread == 0 || (conn->batch <= 1 && unread < conn->flight))
		lower(conn, unread);
}

/* Refresh those who were sent something longest ago, until there is some room again: most have
 * read it long since. */
static void sweep_all(void)
{
	list_foreach_safe(it, &board.flights) {
		flight_refresh(list_entry(it, struct conn, in_flights));
		if (board.flight_total + SWEEP_ROOM <= board.flight_max)
			break;
	}
}

/* Refresh those of one account. */
static void sweep_account(const struct account *account, const struct user *user)
{
	list_foreach_safe(it, &board.flights) {
		struct conn *conn = list_entry(it, struct conn, in_flights);

		if (conn->account == account || conn->user == user)
			flight_refresh(conn);
	}
}

bool flight_room(struct conn *conn)
{
	if (conn->flight >= conn->window)
		flight_refresh(conn);
	return conn->flight < conn->window && flight_room_beyond(conn);
}

bool flight_room_beyond(struct conn *conn)
{
	if (!account_room(conn->account, conn->user, RESOURCE_FLIGHT))
		sweep_account(conn->account, conn->user);
	if (board.flight_total >= board.flight_max)
		sweep_all();
	return board.flight_total < board.flight_max &&
	       account_room(conn->account, conn->user, RESOURCE_FLIGHT);
}

void flight_note(int r)
{
	if (r == 0)
		exhausted = false;
	if (r != -ETOOMANYREFS || exhausted)
		return;
	exhausted = true;
	link_log("the kernel passes no more descriptors for uid %u (ETOOMANYREFS): %u in flight "
		 "are the broker's, the others are of other processes with this uid; trying again",
		 (unsigned int)getuid(), board.flight_total);
}

void flight_unsent(struct conn *conn, uint32_t n)
{
	lower(conn, conn->flight > n ? conn->flight - n : 0);
}

void flight_sent(struct conn *conn, uint32_t n)
{
	if (conn->flight == 0)
		list_append(&board.flights, &conn->in_flights);
	conn->flight += n;
	conn->account->used[RESOURCE_FLIGHT] += n;
	conn->user->account.used[RESOURCE_FLIGHT] += n;
	board.flight_total += n;
}

void flight_forget(struct conn *conn)
{
	if (conn->flight > 0)
		lower(conn, 0);
}
