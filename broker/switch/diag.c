/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The questions of diag.h, one message and one answer each.
 */
#include "diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* sk_shutdown's two bits: RCV_SHUTDOWN and SEND_SHUTDOWN (net/sock.h) */
#define BOTH_DIRECTIONS 3

static int netlink = -1;

/* The answer's own errno, or what its UNIX_DIAG_SHUTDOWN says. */
static int read_answer(const struct nlmsghdr *head, size_t len, uint8_t *ret_shutdown)
{
	const struct rtattr *at;
	size_t left;

	if (!NLMSG_OK(head, len))
		return -EPROTO;
	if (head->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = NLMSG_DATA(head);

		return e->error < 0 ? e->error : -EPROTO;
	}
	at = (const struct rtattr *)(const void *)((const char *)NLMSG_DATA(head) +
						   NLMSG_ALIGN(sizeof(struct unix_diag_msg)));
	left = head->nlmsg_len - NLMSG_LENGTH(sizeof(struct unix_diag_msg));
	for (; RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if (at->rta_type != UNIX_DIAG_SHUTDOWN)
			continue;
		memcpy(ret_shutdown, RTA_DATA(at), 1);
		return 0;
	}
	return -EPROTO;
}

static int ask(const struct diag_name *name, uint8_t *ret_shutdown)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req req;
	} question = {
		.head = {
			.nlmsg_len = sizeof question,
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.req = {
			.sdiag_family = AF_UNIX,
			.udiag_states = UINT32_MAX,
			.udiag_ino = name->inode,
			.udiag_cookie = { (uint32_t)name->cookie, (uint32_t)(name->cookie >> 32) },
		},
	};
	union {
		struct nlmsghdr head;
		char bytes[1024];
	} answer;
	ssize_t n;

	if (send(netlink, &question, sizeof question, MSG_DONTWAIT) < 0)
		return -errno;
	n = recv(netlink, &answer, sizeof answer, MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	return read_answer(&answer.head, (size_t)n, ret_shutdown);
}

int diag_name(int sock, struct diag_name *ret)
{
	socklen_t len = sizeof ret->cookie;
	uint64_t cookie;
	struct stat st;

	if (fstat(sock, &st) < 0 || getsockopt(sock, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0)
		return -errno;
	*ret = (struct diag_name){ .cookie = cookie, .inode = (uint32_t)st.st_ino };
	return 0;
}

bool diag_connected(const struct diag_name *name)
{
	uint8_t shutdown = 0;
	int r = ask(name, &shutdown);

	/* -ENOENT: no such inode; -ESTALE: its number, but another socket */
	if (r == -ENOENT || r == -ESTALE)
		return false;
	return r < 0 || shutdown != BOTH_DIRECTIONS;
}

bool diag_works(void)
{
	return netlink >= 0;
}

void diag_start(void)
{
	struct diag_name name;
	uint8_t shutdown;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	r = netlink < 0 ? -errno : diag_name(pair[0], &name);
	if (r == 0)
		r = ask(&name, &shutdown);
	if (r < 0 && netlink >= 0) {
		close(netlink);
		netlink = -1;
	}
	close(pair[0]);
	close(pair[1]);
}
