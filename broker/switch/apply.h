/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an administration message does, wherever it comes from: the administrator (admin.c),
 * the configuration or the last switch (configure.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../libintro/wire/message.h"
#include "door.h"
#include "grant.h"

/* Where a message comes from, and what came with it. */
struct from {
	enum origin origin;
	uint64_t entry;		/* 0: new */
	int *fd;		/* a listener (restored) or a directory (configured) */
};

/* A descriptor's ownership: what it was, *fd being -1 from now on. */
int apply_take(int *fd);

/* DOOR_ADD. 0, -EINVAL, -EEXIST or what the directory gave. */
int apply_door(const struct wire_message *m, const struct from *from, struct door **ret);

/* GRANT. 0, -EINVAL, -ENOENT (no such door, or parent), -EEXIST, -EDQUOT, … */
int apply_grant(const struct wire_message *m, const struct from *from);

/* A GRANT's terms, read into words, which the options point into. 0 or -EINVAL. */
struct grant_words {
	char door[65], name[65], service[65], file[65], label[WIRE_LABEL_MAX + 1];
};
int apply_grant_read(const struct wire_message *m, struct grant_words *w, struct grant_options *o);

/* Limits, by whom they come from. */
void apply_limits(struct account *account, const struct wire_message *m,
		  const struct from *from);

/* LIMIT. 0, -ENOENT (no such door), -ENOMEM. */
int apply_limit(const struct wire_message *m, const struct from *from);

/* The configuration is complete: limits that only an earlier one has set are gone. */
void apply_limits_sweep(void);
