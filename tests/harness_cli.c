/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents, clients and listings of harness_cli.h.
 */
#include "harness_cli.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_WORDS 24

void agent_start(const struct broker *b, struct agent *ret, const char *const *args)
{
	const char *argv[MAX_WORDS + 1] = { "intro", "serve", "--ready-fd" };
	int ready[2], keep[2] = { 0, -1 };
	char number[16], byte;
	size_t n = 4;

	MUST(pipe2(ready, O_CLOEXEC));
	snprintf(number, sizeof number, "%d", ready[1]);
	argv[3] = number;
	while (*args && n < MAX_WORDS)
		argv[n++] = *args++;
	keep[0] = ready[1];
	ret->err = MUST(memfd_create("stderr", MFD_CLOEXEC));
	ret->pid = broker_cli_spawn(b, &(struct spawn){ .keep = keep, .err = ret->err }, argv);
	close(ready[1]);
	if (!wait_fd(ready[0], POLLIN) || read(ready[0], &byte, 1) != 1)
		harness_fail("the agent is not ready: %s", fd_read(ret->err, NULL));
	close(ready[0]);
}

int agent_stop(struct agent *a)
{
	MUST(kill(a->pid, SIGTERM));
	close(a->err);
	return child_wait(a->pid);
}

int memory_file(const void *bytes, size_t len)
{
	int fd = MUST(memfd_create("memory", MFD_CLOEXEC));

	MUST(write(fd, bytes, len));
	MUST(lseek(fd, 0, SEEK_SET));
	return fd;
}

void connect_with(const struct broker *b, struct run *ret, const char *input,
		  const char *const *args)
{
	const char *argv[MAX_WORDS + 1] = { "intro", "connect" };
	int in = memory_file(input, strlen(input));
	size_t n = 2;

	while (*args && n < MAX_WORDS)
		argv[n++] = *args++;
	broker_cli(b, ret, argv, in);
	close(in);
}

void make_web(const struct broker *b, const char *name, char ret_file[static PATH_BYTES])
{
	char door[PATH_BYTES];

	cr_assert_eq(broker_add_door(b, "web"), 0);
	cr_assert_eq(broker_grant(b, "web", name, RIGHT_CONNECT), 0);
	broker_door(b, "web", door);
	cr_assert_lt((size_t)snprintf(ret_file, PATH_BYTES, "%.200s/%s", door, name), PATH_BYTES);
}

void echo_by_path(const char *file, const char *text)
{
	int fd = MUST(unix_connect(file, SOCK_STREAM));
	char back[256];
	size_t got = 0;
	ssize_t n;

	MUST(send(fd, text, strlen(text), MSG_NOSIGNAL));
	MUST(shutdown(fd, SHUT_WR));
	do {
		cr_assert(wait_fd(fd, POLLIN), "no answer by %s", file);
		n = MUST(read(fd, back + got, sizeof back - got));
		got += (size_t)n;
	} while (n > 0);
	cr_assert(got == strlen(text) && !memcmp(back, text, got), "%.*s", (int)got, back);
	close(fd);
}

pid_t echo_server(int listener, char letter)
{
	pid_t pid = child_fork();
	char buf[65536];

	if (pid != 0) {
		close(listener);
		return pid;
	}
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n;

		if (fd < 0)
			_exit(1);
		if (letter && write(fd, &letter, 1) != 1)
			_exit(1);
		while ((n = read(fd, buf, sizeof buf)) > 0)
			if (write(fd, buf, (size_t)n) != n)
				break;
		close(fd);
	}
}

int tcp_listener(int family, char ret_port[static 8])
{
	int fd = MUST(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr_in four = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = family == AF_INET ? sizeof four : sizeof six;
	struct sockaddr *sa = family == AF_INET ? (struct sockaddr *)&four :
						  (struct sockaddr *)&six;

	if (bind(fd, sa, len) < 0) {
		close(fd);
		return -1;
	}
	MUST(listen(fd, 16));
	MUST(getsockname(fd, sa, &len));
	snprintf(ret_port, 8, "%u", ntohs(family == AF_INET ? four.sin_port : six.sin6_port));
	return fd;
}

json_t *json_of(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);

	if (!json)
		harness_fail("%s in: %s", error.text, text);
	return json;
}

json_t *json_find(json_t *array, const char *key, const char *value)
{
	json_t *object;
	size_t i;

	json_array_foreach(array, i, object)
		if (!strcmp(json_text(object, key), value))
			return object;
	harness_fail("nothing has %s %s", key, value);
}

const char *json_text(json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

long long json_number(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}
