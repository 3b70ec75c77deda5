/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the audit: one that writes into a directory of its own, and its lines.
 */
#pragma once

#include "../../broker/channel.h"
#include "../../broker/switch/board.h"
#include "../../broker/switch/door.h"
#include "harness.h"

#define ROTATED_BYTES ((off_t)8 << 20)	/* where the switch begins a new file */

extern struct audit *const audit;	/* the board's */
extern char trail_dir[DIR_BYTES];
extern char trail_who[AUDIT_WHO_MAX];	/* in whose name all lines are written: */
extern uint32_t trail_who_len;		/* door=web uid=1000 pid=4711 */

/* The board's audit, with audit.log open; trail_end() removes all of it. */
void trail_begin(void);
void trail_end(void);

/* A descriptor of audit.log. */
int trail_open(void);

/* Have a line written; the second is collected only, and with its flush it is in the file. */
void trail_introduce(uint64_t session, const char *name, const char *label);
void trail_refuse(const char *name, int error);
void trail_write(const char *name);

/* A file in the directory: its text, to be freed; its size, or a negative errno. */
char *trail_text(const char *file);
off_t trail_size(const char *file);

/* The first line, which is cut off: NULL when there is none; it must end. */
char *trail_line(char **text);

/* What stands behind the time, which must be one, not earlier than the last. */
const char *trail_behind_time(const char *line);
