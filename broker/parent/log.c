/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's lines, as log.h says.
 */
#include "log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include "../../libintro/wire/protocol.h"
#include "../room.h"

#define LINE_MAX_BYTES 2048
#define ROOM_LINES_PER_SEC 100u

static bool to_stderr = true, to_journal;

void log_open(bool stderr_wanted)
{
	to_journal = getenv("JOURNAL_STREAM") != NULL;
	/* without a syslog (a container's machine) nobody would ever read it */
	to_stderr = stderr_wanted || to_journal || access(_PATH_LOG, W_OK) < 0;
	if (!to_stderr)
		openlog("introd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_line(int priority, const char *format, ...)
{
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 32];
	va_list args;
	int n;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (!to_stderr) {
		syslog(priority, "%s", text);
		return;
	}
	n = to_journal ? snprintf(line, sizeof line, "<%d>%s\n", priority, text) :
			 snprintf(line, sizeof line, "introd: %s\n", text);
	/* One write, so that lines of several processes stay whole. Nobody to tell if it
	 * fails. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

void log_room_line(const char *room, const char *text, size_t len)
{
	static uint64_t second;
	static unsigned int lines, lost;
	uint64_t now = room_clock_us() / 1000000;
	char clean[WIRE_TEXT_MAX + 1];

	if (now != second) {
		if (lost > 0)
			log_line(LOG_WARNING, "%s: %u lines left out", room, lost);
		second = now;
		lines = lost = 0;
	}
	if (++lines > ROOM_LINES_PER_SEC) {
		lost++;
		return;
	}
	if (len > WIRE_TEXT_MAX)
		len = WIRE_TEXT_MAX;
	for (size_t i = 0; i < len; i++)
		clean[i] = text[i] >= ' ' && text[i] != 0x7f ? text[i] : '?';
	clean[len] = '\0';
	log_line(LOG_NOTICE, "%s: %s", room, clean);
}
