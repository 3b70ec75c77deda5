/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof of a path: pair_trial.h.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair_trial.h"

#define ECHO_EVERY_US 20000u

int trial_echo_open(struct trial *t)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(TRIAL_ECHO_PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = space_socket(&t->lab.space[LAB_HOST_A], AF_INET);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	t->echo = fd;
	return 0;
}

/* The first byte is an application's (punch.h). */
struct echo {
	char word[8];
	uint64_t sent_us;
};

void trial_echo_send(struct trial *t, uint64_t now)
{
	struct echo e = { .word = "echo", .sent_us = now };

	if (!t->done_us || now < t->echo_next_us)
		return;
	t->echo_next_us = now + ECHO_EVERY_US;
	/* What is lost is sent anew. */
	if (send(t->echo, &e, sizeof e, 0) < 0)
		return;
}

void trial_echo_read(struct trial *t, uint64_t now)
{
	struct pair_result *r = t->result;
	struct echo e;

	while (recv(t->echo, &e, sizeof e, 0) == sizeof e) {
		if (strcmp(e.word, "echo") != 0 || e.sent_us > now)
			continue;
		t->echoes++;
		if (t->shaken_us && !r->repaired && e.sent_us > t->shaken_us) {
			r->repaired = true;
			r->repaired_us = now - t->shaken_us;
		}
		if (!r->echo_us || now - e.sent_us < r->echo_us)
			r->echo_us = now - e.sent_us;
	}
}
