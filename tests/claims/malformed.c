/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The place and the packets of malformed.h.
 */
#include "malformed.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the place: a door "bad", a neighbour in it, a service that greets ---- */

void place_start(struct place *p)
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
void place_check(struct place *p)
{
	p->serial++;
	cr_assert_eq(raw_find(p->neighbour, p->serial, p->serial, "db"), 0);
	be_greeted(p->door, "db");
	cr_assert_eq(broker_switch_pid(&p->b, 0), p->room);
}

void place_end(struct place *p)
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

/* Send as it is; fds of them, all the same descriptor. 0 or a negative errno. */
int send_bytes(int sock, const void *bytes, size_t len, int fd, size_t fds)
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
bool is_ended(int sock)
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
bool lives(int sock)
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
bool ends_sender(const char *door, const void *bytes, size_t len)
{
	int sock = raw_open(door);
	bool ended;

	send_bytes(sock, bytes, len, -1, 0);
	ended = is_ended(sock);
	close(sock);
	return ended;
}

bool is_answered(const char *door, const void *bytes, size_t len)
{
	int sock = raw_open(door);
	bool answered = send_bytes(sock, bytes, len, -1, 0) == 0 && lives(sock);

	close(sock);
	return answered;
}

static const uint8_t allow[] = { 1, 0, WIRE_ALLOW, 0, 9, 0, 0, 0, 0, 0, 0, 0 };

int depositor(const char *door)
{
	int sock = raw_open(door);
	struct raw reply;

	MUST(send(sock, allow, sizeof allow, 0));
	cr_assert_eq(raw_reply(sock, 9, &reply), 0);
	return sock;
}
