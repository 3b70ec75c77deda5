/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for each decision, collected in memory and written a block at a time, to a file or
 * to syslog; and, as it happens, to whoever watches.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "timer.h"

#define AUDIT_BUFFER_BYTES ((size_t)16 << 10)
#define AUDIT_LINE_MAX 1000	/* bytes: fits a watcher's packet */

struct conn;
struct door;
struct service;

struct audit {
	int fd;			/* -1: none */
	int kind;		/* enum audit_kind */
	bool rotate;		/* the file is ours to rotate: BASE/audit.log */
	uint64_t written;	/* bytes, since the last rotation */
	uint64_t lost;		/* lines that could not be written */
	struct timer flush;
	int64_t second;		/* for which the time's text is valid */
	char time[24];
	size_t used;
	char buffer[AUDIT_BUFFER_BYTES];
};

/* What a line is about. NULL, 0 and -1 fields are left out. */
struct audit_line {
	const char *event;	/* "introduced", "refused", "served", … */
	const struct door *door;
	const struct service *service;
	const char *about;	/* a door that administration is about */
	const char *name;	/* as the client said it, already checked */
	const char *label;
	uint64_t session;
	int64_t uid, pid;
	int way, path, error;
};

void audit_init(struct audit *a);

/* Take over the descriptor that lines go to from now on (what was collected goes to the old
 * one first). */
void audit_open(struct audit *a, int fd, int kind);

void audit_write(struct audit *a, const struct audit_line *line);
void audit_flush(struct audit *a);

/* The words used in lines and listings. */
const char *audit_way_word(int way);
