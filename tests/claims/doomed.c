/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those of doomed.h.
 */
#include "doomed.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct act {
	void (*act)(void);
};

static void act(const void *arg, int ready)
{
	MUST(dup2(ready, 3));
	close_range(4, ~0u, 0);
	((const struct act *)arg)->act();
	child_stay(3);
}

pid_t doomed(void (*what)(void))
{
	return child_start(act, &(struct act){ what });
}

static bool is_stopped(void *arg)
{
	char path[64], *text;
	bool stopped;

	snprintf(path, sizeof path, "/proc/%d/stat", *(pid_t *)arg);
	text = file_read(path);
	stopped = text && strstr(text, ") T ");
	free(text);
	return stopped;
}

void stop_it(pid_t pid)
{
	MUST(kill(pid, SIGSTOP));
	if (!wait_until(is_stopped, &pid))
		harness_fail("process %d does not stop", pid);
}

int serve_batch(const struct scene *s, const char *name, uint32_t batch)
{
	int sock = enter(s, "host");
	struct raw reply = { .nfds = 0 };
	struct message m;

	wire_put_string(message(&m, WIRE_SERVE, 1, 1, 0), TAG_NAME, name);
	wire_put_u32(&m.w, TAG_WAY, WAY_PAIR);
	wire_put_u32(&m.w, TAG_BATCH, batch);
	if (raw_ask(sock, &m.w, -1, &reply) < 0)
		harness_fail("serving %s with a batch", name);
	return sock;
}

int serve_fetches(const struct scene *s, const char *name)
{
	int sock = enter(s, "host");

	allow(sock);
	if (raw_serve(sock, 1, 1, name, WAY_FETCH) < 0)
		harness_fail("serving %s", name);
	return sock;
}

uint32_t asked_to_fetch(int agent)
{
	struct raw fetch;

	expect(agent, WIRE_FETCH, &fetch);
	return fetch.m.head.serial;
}

bool nobody_waits(void *scene)
{
	const struct scene *s = scene;

	return broker_usage(&s->b, "host", 0, TAG_WAITS) == 0;
}
