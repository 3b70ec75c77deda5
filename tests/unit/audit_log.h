/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the audit share: one in a directory of its own, without a broker around
 * it.
 */
#pragma once

#include <sys/types.h>

#include "../../broker/channel.h"
#include "../../broker/switch/board.h"
#include "../../broker/switch/door.h"
#include "harness.h"

#define SESSION UINT64_C(1800000000000000)

extern char dir[DIR_BYTES];		/* has audit.log */
extern struct audit *const audit;
extern char who[AUDIT_WHO_MAX];		/* " door=web uid=1000 pid=4711" */
extern uint32_t who_len;

void audit_begin(void);
void audit_end(void);

/* audit.log, opened as a broker does. */
int open_file(void);

/* Write a line: of an introduction; of a refusal. */
void write_introduction(uint64_t session, const char *name, const char *label);
void write_refusal(const char *name, int error);

/* A refusal of this name, written at once. */
void write_line(const char *name);

/* A file of ours, to be freed; its size. */
char *text_of(const char *file);
off_t size_of(const char *file);

/* The first line, which is cut off: NULL when there is none; it must end. */
char *line_of(char **text);
/* What stands behind the time, which must be one, not earlier than the last. */
const char *behind_time(const char *line);
