/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of events that the caller has not taken yet. It owns their descriptors.
 */
#pragma once

#include "intro.h"

struct in_event {
	struct in_event *next;
	struct intro_event event;
};

struct in_events {
	struct in_event *first, **last;
	unsigned int count;
};

/* An event with nothing in it. */
#define IN_EVENT(w) (struct intro_event){ .what = (w), .fd = -1, .uid = -1, .pid = -1 }

void in_events_init(struct in_events *events);
void in_events_clear(struct in_events *events);

/* Queue a copy of ev, whose descriptor is taken over in any case. 0 or -ENOMEM. */
int in_event_push(struct intro *in, const struct intro_event *ev);

/* A reference goes away: what came for it is dropped (a FETCH is answered that nobody is
 * there), and answers to the caller's own requests stay, without it. */
void in_events_forget(struct intro *in, const struct intro_ref *ref);
