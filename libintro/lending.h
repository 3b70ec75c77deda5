/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is particular to requests about references: lending, giving, enclosing, comparing.
 */
#pragma once

#include <stdint.h>

#include "intro.h"
#include "wire/message.h"

struct in_request;

/* What a LEND, CLAIM, GIVE or SAVE needs to be said. */
struct in_lending {
	struct intro_terms terms;	/* label: ours, or NULL */
	char label[WIRE_LABEL_MAX + 1];
	uint8_t gift[WIRE_GIFT_BYTES];
};

/* A copy of terms (NULL: none), to be freed. 0, -EINVAL or -ENOMEM. */
int in_lending_new(const struct intro_terms *terms, struct in_lending **ret);

/* 0, or -EINVAL. */
int in_terms_check(const struct intro_terms *terms);

/* Write terms; name: NULL, parent: 0 where there is none. */
void in_terms_put(struct wire_writer *w, const struct intro_terms *terms, const char *name,
		  uint64_t parent);

/* Why nothing can be asked about a reference (and another, or NULL); 0: it can. */
int in_held_check(const struct intro_ref *ref, const struct intro_ref *other);

/* The tags of such a request, which has a reference. */
void in_lending_put(struct wire_writer *w, const struct in_request *rq);

/* ENCLOSE: a new pair; our end is the request's. 0, *ret_theirs being the caller's, or a
 * negative errno. */
int in_lending_pair(struct in_request *rq, int *ret_theirs);

/* What its answer says, into the event; nothing happens for other requests. 0, -EPROTO or
 * -ENOMEM. */
int in_lending_answer(struct in_request *rq, const struct wire_message *m,
		      struct intro_event *ev);
