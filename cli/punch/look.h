/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a survey of the host's NATs (survey.h) on real sockets of its own: one pollable
 * descriptor for an event loop.
 */
#pragma once

#include "../../libintro/punch/survey.h"

struct look;

/* Begin. 0 or a negative errno. */
int look_new(struct look **ret, const struct survey_config *config);
void look_free(struct look *l);

/* Readable when look_step() has something to do. Borrowed. */
int look_fd(const struct look *l);
/* 0 or a negative errno: nothing works any more. */
int look_step(struct look *l);

/* survey_result(). */
bool look_result(const struct look *l, struct nat *ret);
