/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets of target.h.
 */
#include "target.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "loop.h"

#define FRESH_MS 10000	/* an address may be used so long without asking again */

/* What the resolving child writes, at once. */
struct resolution {
	int error;
	uint32_t naddresses;
	struct address address[TARGET_ADDRESSES];
};

static_assert(sizeof(struct resolution) <= PIPE_BUF, "a resolution is one atomic write");

/* getaddrinfo() into at most TARGET_ADDRESSES addresses; an EAI code. */
static int look_up(const struct target *t, int flags, struct address *out, uint32_t *ret_n)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	struct addrinfo *list;
	uint32_t n = 0;
	int r;

	r = getaddrinfo(t->host, t->port, &hints, &list);
	if (r != 0)
		return r;
	for (struct addrinfo *a = list; a && n < TARGET_ADDRESSES; a = a->ai_next) {
		if (a->ai_addrlen > sizeof out[n].sa)
			continue;
		memcpy(&out[n].sa, a->ai_addr, a->ai_addrlen);
		out[n++].len = a->ai_addrlen;
	}
	freeaddrinfo(list);
	*ret_n = n;
	return n ? 0 : EAI_NONAME;
}

static int parse_tcp(const char *s, struct target *t)
{
	const char *colon = strrchr(s, ':');
	size_t len;

	if (!colon || colon == s)
		return -EINVAL;
	len = (size_t)(colon - s);
	if (*s == '[' && s[len - 1] == ']') {
		s++;
		len -= 2;
	} else if (memchr(s, ':', len)) {
		return -EINVAL;
	}
	if (len == 0 || len >= sizeof t->host || !colon[1] ||
	    strlen(colon + 1) >= sizeof t->port ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return -EINVAL;
	memcpy(t->host, s, len);
	t->host[len] = '\0';
	strcpy(t->port, colon + 1);
	t->tcp = true;
	t->numeric = look_up(t, AI_NUMERICHOST | AI_NUMERICSERV, t->address,
			     &t->naddresses) == 0;
	return 0;
}

int target_path(const char *path, struct target *ret)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len >= sizeof un.sun_path)
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, len);
	ret->numeric = true;
	ret->naddresses = 1;
	ret->address[0].len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	if (path[0] == '@') {
		un.sun_path[0] = '\0';
		ret->address[0].len--;
	}
	memcpy(&ret->address[0].sa, &un, sizeof un);
	return 0;
}

int target_parse(const char *text, struct target *ret, const char **ret_wanted)
{
	*ret = (struct target){ .text = text };
	if (!strncmp(text, "tcp:", 4)) {
		*ret_wanted = "tcp:HOST:PORT, as tcp:127.0.0.1:6379 or tcp:[::1]:6379";
		return parse_tcp(text + 4, ret);
	}
	if (!strncmp(text, "unix:", 5) && text[5]) {
		*ret_wanted = "a path of at most 107 bytes";
		return target_path(text + 5, ret) < 0 ? -EINVAL : 0;
	}
	*ret_wanted = "tcp:HOST:PORT or unix:PATH";
	return -EINVAL;
}

bool target_is_fresh(const struct target *target)
{
	return target->numeric ||
	       (target->resolved_ms && loop_now_ms() - target->resolved_ms < FRESH_MS);
}

static _Noreturn void resolve_in_child(const struct target *target, int out)
{
	struct resolution answer = { 0 };
	sigset_t none;
	int r;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = look_up(target, AI_ADDRCONFIG, answer.address, &answer.naddresses);
	/* AI_ADDRCONFIG hides loopback's names on a machine that has no other address */
	if (r == EAI_NONAME || r == EAI_ADDRFAMILY || r == EAI_NODATA)
		r = look_up(target, 0, answer.address, &answer.naddresses);
	answer.error = r == 0 ? 0 : r == EAI_AGAIN ? -EAGAIN : -EHOSTUNREACH;
	_exit(write(out, &answer, sizeof answer) != (ssize_t)sizeof answer);
}

int target_resolve(const struct target *target, int *ret_fd)
{
	int pipe_fds[2];
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		resolve_in_child(target, pipe_fds[1]);
	close(pipe_fds[1]);
	if (pid < 0) {
		int error = -errno;

		close(pipe_fds[0]);
		return error;
	}
	*ret_fd = pipe_fds[0];
	return pid;
}

int target_resolved(struct target *target, int fd)
{
	struct resolution answer;

	if (read(fd, &answer, sizeof answer) != (ssize_t)sizeof answer)
		return -EAGAIN;
	if (answer.error)
		return answer.error;
	memcpy(target->address, answer.address, sizeof answer.address);
	target->naddresses = answer.naddresses;
	target->resolved_ms = loop_now_ms();
	return 0;
}
