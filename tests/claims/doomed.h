/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the claims about deaths: processes that are killed at a chosen step, and those who have
 * not read or not answered what was sent to them by then.
 */
#pragma once

#include "scene.h"

#define WINDOW 16	/* descriptors that a service may leave unread, or fetches unanswered */

/* A process that has done what(), and now waits for its end, by child_kill(). It has nothing of
 * ours. */
pid_t doomed(void (*what)(void));

/* Stop a process by SIGSTOP; it has stopped. */
void stop_it(pid_t pid);

/* A connection that serves through the host door: a service that takes so many descriptors in
 * one packet; an agent, which may send descriptors. */
int serve_batch(const struct scene *s, const char *name, uint32_t batch);
int serve_fetches(const struct scene *s, const char *name);

/* For wait_until(), of a scene: no request waits at the host door. */
bool nobody_waits(void *scene);

/* The serial of the FETCH that must come next. */
uint32_t asked_to_fetch(int agent);
