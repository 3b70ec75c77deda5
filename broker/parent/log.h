/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines for the operator. For the parent room, and for a room that cannot start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Lines go to descriptor 2 (with a priority in front when that is the journal's), else to
 * syslog. */
void log_open(bool to_stderr);

/* One line at a priority of syslog(3). */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line that came from a room, which may be hostile: odd bytes are replaced, and above 100
 * lines in a second the rest is counted only. */
void log_room_line(const char *room, const char *text, size_t len);
