/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for each decision, collected in memory and written a block at a time, to a file or
 * to syslog; and, as it happens, to whoever watches.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "timer.h"

#define AUDIT_BUFFER_BYTES ((size_t)64 << 10)
#define AUDIT_TIME_LEN 24	/* "2026-11-21T12:00:00.000Z" */
#define AUDIT_WHO_MAX 112	/* bytes: a door's name and two numbers, with their words */
#define AUDIT_LINE_MAX 1000	/* bytes: fits a watcher's packet */

struct door;

struct audit {
	int fd;			/* -1: none */
	int kind;		/* enum audit_kind */
	bool rotate;		/* the file is ours to rotate: BASE/audit.log */
	uint64_t written;	/* bytes, since the last rotation */
	uint64_t lost;		/* lines that could not be written, until a line has said so */
	size_t told;		/* bytes of that line, at the buffer's beginning; 0: none */
	bool torn;		/* what was written last is half a line */
	struct timer flush;
	struct timespec tick;	/* for which the time's text is valid */
	bool time_known;	/* in this round of the loop; cleared by whoever runs that */
	char time[AUDIT_TIME_LEN + 1];
	uint64_t session;	/* whose digits these are */
	char digits[20];
	uint32_t digits_at;	/* where in digits they begin */
	size_t used;
	char buffer[AUDIT_BUFFER_BYTES];
};

/* What a line is about. NULL and 0 fields are left out. */
struct audit_line {
	const char *event;	/* "refused", "served", "granted", … */
	const char *who;	/* from audit_write_who(), who_len bytes */
	const char *about;	/* a door that administration is about */
	const char *name;	/* as the client said it, already checked */
	const char *label;
	const char *what;	/* that was refused, where it has no name */
	uint64_t reference, of;	/* numbers of a reference, and of what it was made from */
	uint32_t who_len;
	int error;
};

/* Who asked, as it stands in a line; written once for a connection's many lines. uid -1 and
 * pid 0: unknown. out has AUDIT_WHO_MAX bytes. The length. */
size_t audit_write_who(const struct door *door, int64_t uid, int64_t pid, char *out);

void audit_init(struct audit *a);

/* Take over the descriptor that lines go to from now on (what was collected goes to the old
 * one first). */
void audit_open(struct audit *a, int fd, int kind);

void audit_write(struct audit *a, const struct audit_line *line);

/* The line of an introduction, field by field in the order of the line. */
struct audit_introduction {
	uint64_t session;
	uint64_t reference;	/* 0: nothing but a grant of the service */
	const char *who;
	uint32_t who_len;
	int way, path;
	const char *name, *service, *label;	/* label: NULL: none */
	size_t name_len, service_len;
};

void audit_introduced(struct audit *a, const struct audit_introduction *i);
void audit_flush(struct audit *a);

/* The words used in lines and listings. */
const char *audit_way_word(int way);
