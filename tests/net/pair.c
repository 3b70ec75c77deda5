/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The introduction of two peers, and what came of it: pair.h.
 */
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	LIMIT_US = 20000000,
	LINE_BYTES = 8192,
	LETTERS_MAX = 64,	/* on their way at a time */
	ARGUMENTS_MAX = 24,
	ECHO_PORT = 5555,	/* where A's peer takes datagrams for the path */
	ECHO_EVERY_US = 20000,
	ECHOES = 5,
	ECHO_LIMIT_US = 2000000,	/* once there is a path */
};

/* A line on its way to a peer. */
struct letter {
	uint64_t due_us;
	enum lab_end to;
	char *text;
};

struct peer {
	pid_t pid;
	int in, out;		/* its standard input and output; -1: closed */
	uint64_t start_us;
	char line[LINE_BYTES];
	size_t used;
	bool told;		/* a signal of the other end's was delivered */
	bool over;		/* it failed, or ended */
	char reflexive[64];
};

struct trial {
	const struct pair_config *config;
	struct pair_result *result;
	struct lab lab;
	struct peer peer[2];
	struct letter letters[LETTERS_MAX];
	size_t letters_n;
	uint64_t known_us, done_us;	/* both know; all is as wanted; 0: not yet */
	int echo;			/* a socket on host A's loopback */
	uint64_t echo_next_us;
	unsigned int echoes;		/* that came back */
	uint64_t end_us, shaken_us;	/* when to give up; 0: nothing has happened yet */
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ---- letters ---- */

static int post(struct trial *t, enum lab_end to, uint64_t due_us, const char *text)
{
	struct letter *l = &t->letters[t->letters_n];

	if (t->letters_n == LETTERS_MAX)
		return -ENOBUFS;
	*l = (struct letter){ .due_us = due_us, .to = to };
	if (asprintf(&l->text, "%s\n", text) < 0)
		return -ENOMEM;
	t->letters_n++;
	return 0;
}

/* The address that whoever introduces them sees: a NAT with several is to be asked which. */
static const char *observed(const struct trial *t, enum lab_end end)
{
	const char *nat = t->config->lab.side[end].user_nat;

	return nat && strcmp(nat, "carrier") == 0 && t->peer[end].reflexive[0]
		       ? t->peer[end].reflexive : lab_public(&t->lab, end);
}

static void deliver(struct trial *t, const struct letter *l, uint64_t now)
{
	struct peer *p = &t->peer[l->to];
	char line[96];
	int n;

	if (p->in < 0)
		return;
	if (!p->told) {
		n = snprintf(line, sizeof line, "observed %s\n", observed(t, !l->to));
		if (write(p->in, line, (size_t)n) != n)
			return;
	}
	if (write(p->in, l->text, strlen(l->text)) < 0)
		return;
	p->told = true;
	if (t->peer[!l->to].told && !t->known_us)
		t->known_us = now;
}

/* In their order, of each end; those to somebody who is not there yet wait. */
static void deliver_due(struct trial *t, uint64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->letters_n; i++) {
		struct letter *l = &t->letters[i];

		if (l->due_us > now || t->peer[l->to].pid == 0) {
			t->letters[kept++] = *l;
			continue;
		}
		deliver(t, l, now);
		free(l->text);
	}
	t->letters_n = kept;
}

/* ---- what peers say ---- */

static void copy_word(char to[static PAIR_WORD_BYTES], const json_t *event, const char *key)
{
	const char *word = json_string_value(json_object_get(event, key));

	snprintf(to, PAIR_WORD_BYTES, "%s", word ? word : "");
}

static uint64_t number(const json_t *event, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(event, key));

	return n > 0 ? (uint64_t)n : 0;
}

static bool is_wanted(const struct trial *t, const struct pair_end *end)
{
	return end->path[0] && (!t->config->want || strcmp(end->path, t->config->want) == 0);
}

static void on_path(struct trial *t, const json_t *event, struct pair_end *end, uint64_t now)
{
	struct pair_result *r = t->result;

	copy_word(end->path, event, "path");
	copy_word(end->rung, event, "rung");
	end->packets = number(event, "packets");
	end->ports = number(event, "ports");
	end->flows = number(event, "flows");
	if (!r->connected && r->end[0].path[0] && r->end[1].path[0]) {
		r->connected = true;
		r->connected_us = now - t->known_us;
	}
	if (!r->wanted && is_wanted(t, &r->end[0]) && is_wanted(t, &r->end[1])) {
		r->wanted = true;
		r->wanted_us = now - t->known_us;
		t->done_us = now;
	}
}

/* The IP of "IP:PORT" or "[IP]:PORT". */
static void on_gathered(struct peer *p, const json_t *event)
{
	const char *text = json_string_value(json_object_get(event, "reflexive"));
	struct address a;

	if (!text || address_parse(text, 0, &a) < 0)
		return;
	snprintf(p->reflexive, sizeof p->reflexive, "%.*s", (int)strcspn(text, ":"), text);
}

static void on_event(struct trial *t, enum lab_end from, const char *text, uint64_t now)
{
	json_t *event = json_loads(text, 0, NULL);
	const char *kind = json_string_value(json_object_get(event, "event"));
	struct pair_end *end = &t->result->end[from];

	if (!kind) {
		snprintf(t->result->why, sizeof t->result->why, "no event: %.100s", text);
	} else if (strcmp(kind, "connected") == 0 || strcmp(kind, "moved") == 0) {
		on_path(t, event, end, now);
	} else if (strcmp(kind, "gathered") == 0) {
		on_gathered(&t->peer[from], event);
	} else if (strcmp(kind, "lost") == 0) {
		end->path[0] = '\0';
	} else if (strcmp(kind, "failed") == 0) {
		copy_word(end->reason, event, "reason");
		end->packets = number(event, "packets");
		end->ports = number(event, "ports");
		end->flows = number(event, "flows");
		t->peer[from].over = true;
	}
	json_decref(event);
}

static void on_line(struct trial *t, enum lab_end from, const char *text, uint64_t now)
{
	if (t->config->log >= 0)
		dprintf(t->config->log, "%c %9.3f ms %s\n", from == LAB_A ? 'A' : 'B',
			t->known_us ? (double)(now - t->known_us) / 1e3 : -1., text);
	if (strncmp(text, "event ", 6) == 0)
		on_event(t, from, text + 6, now);
	else if (strncmp(text, "signal ", 7) == 0 &&
		 post(t, !from, now + t->config->signal_us[!from], text) < 0)
		snprintf(t->result->why, sizeof t->result->why, "too many signals");
}

static void read_peer(struct trial *t, enum lab_end from)
{
	struct peer *p = &t->peer[from];
	ssize_t n = read(p->out, p->line + p->used, sizeof p->line - p->used - 1);
	uint64_t now = now_us();
	char *end;

	if (n <= 0 && !(n < 0 && errno == EAGAIN)) {
		close(p->out);
		p->out = -1;
		p->over = true;
	}
	if (n <= 0)
		return;
	p->used += (size_t)n;
	p->line[p->used] = '\0';
	while ((end = strchr(p->line, '\n'))) {
		*end = '\0';
		on_line(t, from, p->line, now);
		p->used -= (size_t)(end + 1 - p->line);
		memmove(p->line, end + 1, p->used + 1);
	}
	/* No line of theirs is that long. */
	if (p->used + 1 == sizeof p->line)
		p->used = 0;
}

/* ---- proof: datagrams from A through the path to B, and back ---- */

static int open_echo(struct trial *t)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(ECHO_PORT),
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

static void send_echo(struct trial *t, uint64_t now)
{
	struct echo e = { .word = "echo", .sent_us = now };

	if (!t->done_us || now < t->echo_next_us)
		return;
	t->echo_next_us = now + ECHO_EVERY_US;
	/* What is lost is sent anew. */
	if (send(t->echo, &e, sizeof e, 0) < 0)
		return;
}

static void read_echo(struct trial *t, uint64_t now)
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

/* ---- the peers ---- */

static int start(struct trial *t, enum lab_end end)
{
	const struct pair_config *c = t->config;
	const char *argv[ARGUMENTS_MAX] = { c->program, "peer", "--stun", LAB_STUN_1 ":3478" };
	struct space_program program = { .argv = argv,
					 .err = c->log < 0 ? SPACE_STDERR : c->log };
	struct peer *p = &t->peer[end];
	int in[2], out[2], n = 4;

	argv[n++] = end == LAB_A ? "--offer" : "--answer";
	if (end == LAB_A) {
		argv[n++] = "--listen";
		argv[n++] = "5555";	/* ECHO_PORT */
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

	t->shaken_us = now_us();
	t->end_us = t->shaken_us + (c->limit_us ? c->limit_us : LIMIT_US);
	return error;
}

static bool is_over(struct trial *t, uint64_t now)
{
	struct pair_result *r = t->result;

	r->echoed = t->echoes >= ECHOES;
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
			read_peer(t, (enum lab_end)i);
	if (p[2].revents)
		read_echo(t, now_us());
}

static int introduce(struct trial *t)
{
	const struct pair_config *c = t->config;
	uint64_t now = now_us();
	int error = open_echo(t);

	t->end_us = now + (c->limit_us ? c->limit_us : LIMIT_US) +
		    (c->late_us[0] > c->late_us[1] ? c->late_us[0] : c->late_us[1]);
	for (int i = 0; i < 2; i++)
		t->peer[i].start_us = now + c->late_us[i];
	while (!error && now < t->end_us && !is_over(t, now)) {
		for (unsigned int i = 0; i < 2 && !error; i++)
			if (t->peer[i].pid == 0 && t->peer[i].start_us <= now)
				error = start(t, (enum lab_end)i);
		deliver_due(t, now);
		if (!error && t->result->echoed && c->shake != PAIR_STILL && !t->shaken_us)
			error = shake(t);
		send_echo(t, now);
		serve(t, now);
		now = now_us();
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
