/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The introduction of two peers, from the lab's coming up to its end: pair.h.
 */
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair_trial.h"

enum {
	LIMIT_US = 20000000,
	ARGUMENTS_MAX = 24,
	ECHO_LIMIT_US = 2000000,	/* once there is a path */
};


static int start(struct trial *t, enum lab_end end)
{
	const struct pair_config *c = t->config;
	const char *argv[ARGUMENTS_MAX] = { c->program, "peer", "--stun", LAB_STUN_1 ":3478" };
	struct space_program program = { .argv = argv,
					 .err = c->log < 0 ? SPACE_STDERR : c->log };
	struct peer *p = &t->peer[end];
	int in[2], out[2], n = 4;
	char port[8];

	argv[n++] = end == LAB_A ? "--offer" : "--answer";
	snprintf(port, sizeof port, "%d", TRIAL_ECHO_PORT);
	if (end == LAB_A) {
		argv[n++] = "--listen";
		argv[n++] = port;
	}
	if (c->relay) {
		argv[n++] = "--relay";
		argv[n++] = LAB_RELAY_IP ":3479";
	}
	for (const char *const *more = c->more[end]; more && *more && n + 1 < ARGUMENTS_MAX; more++)
		argv[n++] = *more;
	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return -errno;
	}
	program.in = in[0];
	program.out = out[1];
	p->in = in[1];
	p->out = out[0];
	fcntl(p->out, F_SETFL, O_NONBLOCK);
	fcntl(p->in, F_SETFL, O_NONBLOCK);
	p->pid = lab_spawn(&t->lab, end == LAB_A ? LAB_HOST_A : LAB_HOST_B, &program);
	close(in[0]);
	close(out[1]);
	return p->pid > 0 ? 0 : p->pid;
}

static int start_services(struct trial *t)
{
	const char *relay[] = { t->config->program, "relay", "--listen", LAB_RELAY_IP ":3479",
				NULL };
	struct space_program program = { .argv = relay, .in = -1, .out = -1,
					 .err = t->config->log };
	pid_t pid = lab_stun(&t->lab, t->config->program);

	if (pid > 0 && t->config->relay)
		pid = lab_spawn(&t->lab, LAB_RELAY, &program);
	return pid > 0 ? 0 : pid;
}

/* How long nothing is to be done, in microseconds. */
static uint64_t idle(const struct trial *t, uint64_t now)
{
	uint64_t next = t->end_us;

	for (int i = 0; i < 2; i++)
		if (t->peer[i].pid == 0 && t->peer[i].start_us < next)
			next = t->peer[i].start_us;
	for (size_t i = 0; i < t->letters_n; i++)
		if (t->peer[t->letters[i].to].pid && t->letters[i].due_us < next)
			next = t->letters[i].due_us;
	if (t->done_us && t->echo_next_us < next)
		next = t->echo_next_us;
	return next > now ? next - now : 0;
}

static int shake(struct trial *t)
{
	const struct pair_config *c = t->config;
	int error = c->shake == PAIR_REBIND ? lab_rebind(&t->lab, c->shaken)
					    : lab_change_address(&t->lab, c->shaken);

	t->shaken_us = trial_now_us();
	t->end_us = t->shaken_us + (c->limit_us ? c->limit_us : LIMIT_US);
	return error;
}

static bool is_over(struct trial *t, uint64_t now)
{
	struct pair_result *r = t->result;

	r->echoed = t->echoes >= TRIAL_ECHOES;
	if (t->peer[0].over && t->peer[1].over)
		return true;
	if (!t->done_us)
		return false;
	if (!r->echoed)
		return now > t->done_us + ECHO_LIMIT_US;
	return t->config->shake == PAIR_STILL || r->repaired;
}

/* Wait for whatever comes next, and take it. */
static void serve(struct trial *t, uint64_t now)
{
	struct pollfd p[3] = { { .fd = t->peer[0].out, .events = POLLIN },
			       { .fd = t->peer[1].out, .events = POLLIN },
			       { .fd = t->echo, .events = POLLIN } };
	uint64_t left = idle(t, now);
	struct timespec wait = { .tv_sec = (time_t)(left / 1000000),
				 .tv_nsec = (long)(left % 1000000) * 1000 };

	if (ppoll(p, 3, &wait, NULL) <= 0)
		return;
	for (unsigned int i = 0; i < 2; i++)
		if (p[i].revents)
			trial_read(t, (enum lab_end)i);
	if (p[2].revents)
		trial_echo_read(t, trial_now_us());
}

static int introduce(struct trial *t)
{
	const struct pair_config *c = t->config;
	uint64_t now = trial_now_us();
	int error = trial_echo_open(t);

	t->end_us = now + (c->limit_us ? c->limit_us : LIMIT_US) +
		    (c->late_us[0] > c->late_us[1] ? c->late_us[0] : c->late_us[1]);
	for (int i = 0; i < 2; i++)
		t->peer[i].start_us = now + c->late_us[i];
	while (!error && now < t->end_us && !is_over(t, now)) {
		for (unsigned int i = 0; i < 2 && !error; i++)
			if (t->peer[i].pid == 0 && t->peer[i].start_us <= now)
				error = start(t, (enum lab_end)i);
		trial_deliver(t, now);
		if (!error && t->result->echoed && c->shake != PAIR_STILL && !t->shaken_us)
			error = shake(t);
		trial_echo_send(t, now);
		serve(t, now);
		now = trial_now_us();
	}
	return error;
}

/* The peers end before their pipes, or they would complain. */
static void finish(struct trial *t)
{
	lab_down(&t->lab);
	for (int i = 0; i < 2; i++) {
		if (t->peer[i].in >= 0)
			close(t->peer[i].in);
		if (t->peer[i].out >= 0)
			close(t->peer[i].out);
	}
	if (t->echo >= 0)
		close(t->echo);
	for (size_t i = 0; i < t->letters_n; i++)
		free(t->letters[i].text);
}

int pair_run(const struct pair_config *config, struct pair_result *ret)
{
	struct trial *t = calloc(1, sizeof *t);
	int error;

	memset(ret, 0, sizeof *ret);
	if (!t)
		return -ENOMEM;
	t->config = config;
	t->result = ret;
	t->echo = -1;
	t->peer[0].in = t->peer[0].out = t->peer[1].in = t->peer[1].out = -1;
	error = lab_up(&t->lab, &config->lab);
	if (error) {
		memcpy(ret->why, t->lab.why, sizeof ret->why);
		free(t);
		return error;
	}
	ret->up_us = t->lab.up_us;
	error = start_services(t);
	if (error)
		snprintf(ret->why, sizeof ret->why, "no STUN server or relay: %s",
			 strerror(-error));
	else
		error = introduce(t);
	finish(t);
	free(t);
	return error;
}
