/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mapper process of mapping.h: which protocol, when to renew, when to end.
 */
#include "mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../fd.h"
#include "carry.h"
#include "mapper.h"

#define END_MS 3000		/* for a router that does not answer */
#define AGAIN_MS 5000		/* between tries to renew, while the lease lasts */

static const struct mapper_protocol *const protocols[] = {
	&mapper_pcp, &mapper_nat_pmp, &mapper_upnp,
};

#define PROTOCOLS (sizeof protocols / sizeof *protocols)

const char *mapping_method_word(unsigned int method)
{
	switch (method) {
	case MAPPING_PCP:
		return "pcp";
	case MAPPING_NAT_PMP:
		return "nat-pmp";
	case MAPPING_UPNP:
		return "upnp";
	default:
		return "none";
	}
}

bool mapper_is_useful(const struct address *external)
{
	enum address_scope scope = address_scope(external);

	return external->port != 0 &&
	       (scope == SCOPE_GLOBAL || scope == SCOPE_SHARED || scope == SCOPE_PRIVATE);
}

int mapper_left_ms(uint64_t due_us)
{
	uint64_t now_us = carry_now_us();

	return due_us > now_us ? (int)((due_us - now_us + 999) / 1000) : 0;
}

/* ---- in the mapper ---- */

/* Try every protocol that may be used: the first that grants one stays. */
static void find_protocol(struct mapper *m, unsigned int methods)
{
	m->protocol = NULL;
	m->external = (struct address){ 0 };
	for (size_t i = 0; i < PROTOCOLS && !m->protocol; i++)
		if (protocols[i]->method & methods && protocols[i]->ask(m) == 0)
			m->protocol = protocols[i];
}

/* 0, or -EPIPE: nobody is there any more. */
static int tell(int sock, const struct mapper *m)
{
	struct mapping_result result = {
		.method = m->protocol ? m->protocol->method : 0,
		.external = m->external,
		.lease_s = m->lease_s,
	};

	return send(sock, &result, sizeof result, MSG_NOSIGNAL) < 0 ? -EPIPE : 0;
}

/* Wait so long for the end of whom we work for; true: it came. */
static bool wait_for_end(int sock, int ms)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	uint64_t due_us = carry_now_us() + (uint64_t)ms * 1000;
	int n;

	do
		n = poll(&p, 1, mapper_left_ms(due_us));
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Renew until it fails for as long as the lease lasts; true: it failed, false: the end came. */
static bool keep(struct mapper *m, int sock)
{
	for (;;) {
		uint64_t expires_us = carry_now_us() + (uint64_t)m->lease_s * 1000000;
		struct address before = m->external;

		if (wait_for_end(sock, (int)m->lease_s * 500))
			return false;
		while (m->protocol->ask(m) < 0) {
			if (carry_now_us() >= expires_us)
				return true;
			if (wait_for_end(sock, AGAIN_MS))
				return false;
		}
		if (!address_equal(&before, &m->external) && tell(sock, m) < 0)
			return false;
	}
}

static void map(int sock, uint16_t port, unsigned int methods)
{
	struct mapper m = { .port = port };

	if (getrandom(m.nonce, sizeof m.nonce, 0) != sizeof m.nonce)
		return;
	do {
		m.protocol = NULL;
		if (gateway_find(&m.gateway) == 0)
			find_protocol(&m, methods);
		if (tell(sock, &m) < 0 || !m.protocol)
			break;
	} while (keep(&m, sock));
	if (m.protocol)
		m.protocol->release(&m);
	free(m.control_url);
	free(m.service);
}

/* Nothing but the socket survives: an inherited descriptor would keep a port, or a reader of our
 * output, waiting. */
static void keep_only(int sock)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			_exit(1);
	if (dup3(sock, 3, O_CLOEXEC) < 0 && errno != EINVAL)
		_exit(1);
	close_range(4, ~0u, 0);
}

static _Noreturn void be_mapper(int sock, uint16_t port, unsigned int methods)
{
	sigset_t none;

	/* what is sent to the whole group ends us by the socket, when there was time to release */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "punch-mapper");
	keep_only(sock);
	map(3, port, methods);
	_exit(0);
}

/* ---- for the others ---- */

int mapping_start(struct mapping *ret, uint16_t port, unsigned int methods)
{
	_cleanup_close_ int ours = -1;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	pid = fork();
	if (pid == 0)
		be_mapper(pair[1], port, methods);
	close(pair[1]);
	if (pid < 0)
		return -ECHILD;
	*ret = (struct mapping){ .mapper = pid, .fd = fd_steal(&ours) };
	return 0;
}

int mapping_read(struct mapping *m, struct mapping_result *ret)
{
	struct mapping_result result;
	ssize_t n;

	if (m->fd < 0)
		return -EPIPE;
	do
		n = recv(m->fd, &result, sizeof result, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == sizeof result) {
		*ret = result;
		return 0;
	}
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	closep(&m->fd);
	m->fd = -1;
	return -EPIPE;
}

void mapping_end(struct mapping *m)
{
	uint64_t due_us = carry_now_us() + END_MS * UINT64_C(1000);

	if (m->mapper <= 0)
		return;
	/* half open, so that its end is seen here */
	if (m->fd >= 0) {
		struct pollfd p = { .fd = m->fd, .events = 0 };
		int n;

		shutdown(m->fd, SHUT_WR);
		do
			n = poll(&p, 1, mapper_left_ms(due_us));
		while (n < 0 && errno == EINTR);
		if (n == 0)
			kill(m->mapper, SIGKILL);
		closep(&m->fd);
	}
	while (waitpid(m->mapper, NULL, 0) < 0 && errno == EINTR)
		;
	*m = (struct mapping){ .fd = -1 };
}
