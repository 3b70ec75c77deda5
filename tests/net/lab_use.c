/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs and sockets on the nodes of a lab: lab.h.
 */
#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

pid_t lab_spawn(struct lab *lab, enum lab_node node, const struct space_program *program)
{
	for (size_t i = 0; i < LAB_CHILDREN_MAX; i++) {
		pid_t pid;

		if (lab->children[i])
			continue;
		pid = space_spawn(&lab->space[node], program);
		if (pid > 0)
			lab->children[i] = pid;
		return pid;
	}
	return -EAGAIN;
}

static void forget(struct lab *lab, pid_t pid)
{
	for (size_t i = 0; i < LAB_CHILDREN_MAX; i++)
		if (lab->children[i] == pid)
			lab->children[i] = 0;
}

void lab_stop(struct lab *lab, pid_t pid)
{
	if (pid <= 0)
		return;
	space_end(pid);
	forget(lab, pid);
}

int lab_wait(struct lab *lab, pid_t pid, int timeout_ms)
{
	forget(lab, pid);
	return space_wait(pid, timeout_ms);
}

/* Until its end of file, or for so long; what does not fit is thrown away. */
static void collect(int fd, char *out, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char rest[4096];
	size_t used = 0;

	while (poll(&p, 1, SPACE_HANG_MS) > 0) {
		bool full = used + 1 >= size;
		ssize_t n = full ? read(fd, rest, sizeof rest)
				 : read(fd, out + used, size - used - 1);

		if (n <= 0)
			break;
		if (!full)
			used += (size_t)n;
	}
	out[used] = '\0';
}

int lab_run(struct lab *lab, enum lab_node node, const char *const *argv, char *out,
	    size_t size)
{
	struct space_program program = { .argv = argv, .in = -1 };
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	program.out = program.err = pipes[1];
	pid = lab_spawn(lab, node, &program);
	close(pipes[1]);
	if (pid > 0)
		collect(pipes[0], out, size);
	close(pipes[0]);
	return pid > 0 ? lab_wait(lab, pid, SPACE_HANG_MS) : pid;
}

int lab_socket(const struct lab *lab, enum lab_node node, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = space_socket(&lab->space[node], AF_INET);

	if (fd < 0)
		return fd;
	inet_pton(AF_INET, lab->ip[node], &at.sin_addr);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

/* Whether a STUN server answers on the node itself. */
static bool stun_answers(int fd)
{
	static const unsigned char request[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 7 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(3478) };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char answer[512];

	inet_pton(AF_INET, LAB_STUN_1, &to.sin_addr);
	sendto(fd, request, sizeof request, 0, (struct sockaddr *)&to, sizeof to);
	return poll(&p, 1, 20) > 0 && recv(fd, answer, sizeof answer, 0) > 0;
}

pid_t lab_stun(struct lab *lab, const char *punch)
{
	static const char *const coturn[] = {
		"turnserver", "-n", "--stun-only", "--no-auth", "--no-tls", "--no-dtls",
		"--no-cli", "--no-stdout-log", "--log-file=/dev/null", "--simple-log",
		"--pidfile=/dev/null", "--listening-ip=" LAB_STUN_1,
		"--listening-ip=" LAB_STUN_2, NULL,
	};
	const char *const ours[] = { punch, "stun", "--listen", LAB_STUN_1 "," LAB_STUN_2, NULL };
	struct space_program program = { .argv = punch ? ours : coturn, .in = -1, .out = -1,
					 .err = -1 };
	int fd = lab_socket(lab, LAB_STUN, 0);
	bool ready = false;
	pid_t pid;

	pid = lab_spawn(lab, LAB_STUN, &program);
	for (int i = 0; i < SPACE_HANG_MS / 20 && pid > 0 && fd >= 0 && !ready; i++)
		ready = stun_answers(fd);
	if (fd >= 0)
		close(fd);
	if (pid > 0 && !ready) {
		lab_stop(lab, pid);
		return -ETIMEDOUT;
	}
	return pid;
}
