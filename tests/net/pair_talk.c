/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two peers say: carried to the other one, or understood. pair_trial.h.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair_trial.h"

/* ---- letters ---- */

static int post(struct trial *t, enum lab_end to, uint64_t due_us, const char *text)
{
	struct letter *l = &t->letters[t->letters_n];

	if (t->letters_n == TRIAL_LETTERS_MAX)
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
void trial_deliver(struct trial *t, uint64_t now)
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

void trial_read(struct trial *t, enum lab_end from)
{
	struct peer *p = &t->peer[from];
	ssize_t n = read(p->out, p->line + p->used, sizeof p->line - p->used - 1);
	uint64_t now = trial_now_us();
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
