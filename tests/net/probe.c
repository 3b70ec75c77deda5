/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the lab's tests share: probe.h.
 */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

void probe_lab(struct lab *ret, const struct lab_config *config)
{
	int error = lab_up(ret, config);

	NEED(error != -EPERM && error != -ENOSPC && error != -EUSERS, "%s", ret->why);
	if (error)
		harness_fail("lab: %s", ret->why);
}

void probe_send(int fd, const char *ip, uint16_t port, const char *text)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, ip, &to.sin_addr);
	MUST(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to));
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_port
					      : ((const struct sockaddr_in *)a)->sin_port);
}

uint16_t probe_receive(int fd, const char *text, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = end - now_ms();
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		char said[256];
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return 0;
		n = recvfrom(fd, said, sizeof said, 0, (struct sockaddr *)&from, &len);
		if (n == (ssize_t)strlen(text) && memcmp(said, text, (size_t)n) == 0)
			return port_of(&from);
	}
}

bool probe_arrives(int from, int to, const char *ip, uint16_t port)
{
	static unsigned int number;
	char text[32];

	snprintf(text, sizeof text, "probe %u", number++);
	probe_send(from, ip, port, text);
	return probe_receive(to, text, PROBE_SOON_MS) != 0;
}

void judge_start(struct judge *j, const struct lab_config *config, const char *flag)
{
	int pipes[2];
	struct space_program program = {
		.argv = (const char *const[]){ "turnutils_natdiscovery", flag, LAB_STUN_1, NULL },
		.in = -1,
	};

	probe_lab(&j->lab, config);
	if (lab_stun(&j->lab, NULL) < 0)
		harness_fail("no STUN server");
	MUST(pipe2(pipes, O_CLOEXEC));
	program.out = program.err = pipes[1];
	j->pid = lab_spawn(&j->lab, LAB_HOST_A, &program);
	close(pipes[1]);
	j->out = pipes[0];
	if (j->pid < 0)
		harness_fail("no judge: %s", strerror(-j->pid));
}

/* "NAT with Endpoint Independent Mapping!" */
void judge_finish(struct judge *j, char ret[static JUDGE_BYTES])
{
	static const char before[] = "NAT with ";
	char said[8192], *verdict;
	size_t used = 0;

	while (used + 1 < sizeof said && wait_fd(j->out, POLLIN)) {
		ssize_t n = read(j->out, said + used, sizeof said - used - 1);

		if (n <= 0)
			break;
		used += (size_t)n;
	}
	said[used] = '\0';
	close(j->out);
	lab_wait(&j->lab, j->pid, SPACE_HANG_MS);
	lab_down(&j->lab);
	verdict = strstr(said, before);
	if (verdict)
		verdict += strlen(before);
	snprintf(ret, JUDGE_BYTES, "%.*s", verdict ? (int)strcspn(verdict, "!") : 0,
		 verdict ? verdict : "");
}
