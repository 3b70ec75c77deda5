/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit lines of audit.h. Everything in a line comes from checked names and numbers, so
 * nothing needs quoting but labels.
 */
#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "../channel.h"
#include "board.h"
#include "conn.h"
#include "door.h"

#define FLUSH_USEC UINT64_C(500000)
/* Of a file that is ours: what two of them may hold at most is twice this. */
#define ROTATE_BYTES (UINT64_C(8) << 20)
#define AUDIT_FILE_NAME "audit.log"

static const struct word {
	const char *text;
	size_t len;
} ways[] = {
#define WORD(text) { text, sizeof(text) - 1 }
	[0] = WORD(""),		      [WAY_LISTEN] = WORD("listen"), [WAY_PAIR] = WORD("pair"),
	[WAY_FETCH] = WORD("fetch"),  [WAY_HELD] = WORD("held"),     [WAY_PLACED] = WORD("placed"),
};

static const struct word *way_word(int way)
{
	return &ways[way > 0 && (size_t)way < sizeof ways / sizeof ways[0] ? way : 0];
}

const char *audit_way_word(int way)
{
	return way_word(way)->text;
}

/* These append to a line and return its end. A word is a literal. */
static inline char *put_bytes(char *p, const char *bytes, size_t len)
{
	memcpy(p, bytes, len);
	return p + len;
}

#define put_word(p, word) put_bytes((p), (word), sizeof(word) - 1)

static inline char *put_text(char *p, const char *text)
{
	return put_bytes(p, text, strlen(text));
}

/* Sessions are numbered one after the other: mostly one digit changes. */
static char *put_session(struct audit *a, char *p, uint64_t session)
{
	uint32_t at = sizeof a->digits;

	if (session == a->session + 1 && a->digits[at - 1] < '9') {
		a->digits[at - 1]++;
		at = a->digits_at;
	} else {
		for (uint64_t n = session; n > 0 || at == sizeof a->digits; n /= 10)
			a->digits[--at] = (char)('0' + n % 10);
		a->digits_at = at;
	}
	a->session = session;
	return put_bytes(p, a->digits + at, sizeof a->digits - at);
}

static char *put_number(char *p, uint64_t n)
{
	char digits[20];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	return put_bytes(p, digits + at, sizeof digits - at);
}

#define put_field(p, word, text) put_text(put_word((p), (word)), (text))
#define put_count(p, word, number) put_number(put_word((p), (word)), (number))

/* An agent may say any number, and few of them have a name. */
static char *put_error(char *p, int error)
{
	const char *name = strerrorname_np(error);

	return name ? put_field(p, " error=", name) : put_count(p, " error=", (uint64_t)error);
}

static void write_time(struct audit *a, const struct timespec *now)
{
	struct tm tm;

	if (now->tv_sec != a->tick.tv_sec) {
		gmtime_r(&now->tv_sec, &tm);
		strftime(a->time, sizeof a->time, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
	}
	for (long msec = now->tv_nsec / 1000000, at = AUDIT_TIME_LEN - 2; at > AUDIT_TIME_LEN - 5;
	     msec /= 10, at--)
		a->time[at] = (char)('0' + msec % 10);
	a->tick = *now;
}

/* RFC 3339. The coarse clock is a tick of the kernel's behind, some milliseconds, and costs a
 * fifth of the fine one; it is read once a round of the loop. */
static inline char *put_time(struct audit *a, char *p)
{
	struct timespec now;

	if (!a->time_known) {
		a->time_known = true;
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
		if (now.tv_nsec != a->tick.tv_nsec || now.tv_sec != a->tick.tv_sec)
			write_time(a, &now);
	}
	return put_bytes(p, a->time, AUDIT_TIME_LEN);
}

static char *put_label(char *p, const char *label)
{
	p = put_field(p, " label=\"", label);
	*p++ = '"';
	return p;
}

size_t audit_write_who(const struct door *door, int64_t uid, int64_t pid, char *out)
{
	char *p = put_field(out, " door=", door->name);

	if (uid >= 0)
		p = put_count(p, " uid=", (uint64_t)uid);
	if (pid > 0)
		p = put_count(p, " pid=", (uint64_t)pid);
	return (size_t)(p - out);
}

static void tell_watchers(const char *line, size_t len)
{
	uint8_t packet[AUDIT_LINE_MAX + 64];
	struct wire_writer w;

	list_foreach_safe(it, &board.watchers) {
		struct conn *conn = list_entry(it, struct conn, in_watchers);

		/* A watcher that is slow misses lines; it is told how many. */
		if (!list_empty(&conn->queue)) {
			conn->watch_dropped++;
			continue;
		}
		wire_begin(&w, packet, sizeof packet, WIRE_EVENT, conn->watch_serial, 0, 0);
		wire_put_bytes(&w, TAG_TEXT, line, len - 1);
		if (conn->watch_dropped)
			wire_put_u32(&w, TAG_DROPPED, conn->watch_dropped);
		conn->watch_dropped = 0;
		conn_send(conn, packet, wire_finish(&w));
	}
}

static void flush_due(struct timer *t)
{
	audit_flush(list_entry(t, struct audit, flush));
}

void audit_init(struct audit *a)
{
	a->fd = -1;
	a->kind = AUDIT_NONE;
	a->tick.tv_sec = -1;
	a->session = UINT64_MAX;
	a->digits[sizeof a->digits - 1] = '9';	/* no number's that could be counted up */
	a->flush.due = flush_due;
	/* A file at its limit (setrlimit(2)) is as a full disk, and nothing to die of. */
	signal(SIGXFSZ, SIG_IGN);
}

static void tell_lost(struct audit *a)
{
	char *p = a->buffer;

	if (a->torn)
		*p++ = '\n';
	p = put_count(put_time(a, p), " lost lines=", a->lost);
	*p++ = '\n';
	a->used = a->told = (size_t)(p - a->buffer);
}

/* Where the next line may be written, AUDIT_LINE_MAX bytes; NULL when nobody wants it. A line
 * stays below that, since every part is bounded by its own maximum. */
static char *begin_line(struct audit *a)
{
	if (a->kind == AUDIT_NONE && list_empty(&board.watchers))
		return NULL;
	if (a->used + AUDIT_LINE_MAX > sizeof a->buffer)
		audit_flush(a);
	if (a->lost > 0 && a->used == 0 && a->kind != AUDIT_NONE)
		tell_lost(a);
	return a->buffer + a->used;
}

static void end_line(struct audit *a, char *line, char *end)
{
	*end++ = '\n';
	if (!list_empty(&board.watchers))
		tell_watchers(line, (size_t)(end - line));
	if (a->kind == AUDIT_NONE)
		return;
	a->used += (size_t)(end - line);
	if (!timer_armed(&a->flush))
		timer_arm(&board.timers, &a->flush, timer_now() + FLUSH_USEC);
}

void audit_write(struct audit *a, const struct audit_line *l)
{
	char *line = begin_line(a), *p;

	if (!line)
		return;
	p = put_time(a, line);
	*p++ = ' ';
	p = put_text(p, l->event);
	p = put_bytes(p, l->who, l->who_len);
	if (l->what)
		p = put_field(p, " what=", l->what);
	if (l->about)
		p = put_field(p, " about=", l->about);
	if (l->name && l->name[0])
		p = put_field(p, " name=", l->name);
	if (l->reference)
		p = put_count(p, " reference=", l->reference);
	if (l->of)
		p = put_count(p, " of=", l->of);
	if (l->label)
		p = put_label(p, l->label);
	if (l->error < 0)
		p = put_error(p, -l->error);
	end_line(a, line, p);
}

void audit_introduced(struct audit *a, const struct audit_introduction *i)
{
	const struct word *way = way_word(i->way);
	char *line = begin_line(a), *p;

	if (!line)
		return;
	p = put_time(a, line);
	p = put_session(a, put_word(p, " introduced session="), i->session);
	p = put_bytes(p, i->who, i->who_len);
	p = put_bytes(put_word(p, " name="), i->name, i->name_len);
	p = put_bytes(put_word(p, " service="), i->service, i->service_len);
	if (i->reference)
		p = put_count(p, " reference=", i->reference);
	if (i->label)
		p = put_label(p, i->label);
	p = put_bytes(put_word(p, " way="), way->text, way->len);
	p = i->path == PATH_SPLICED ? put_word(p, " path=spliced") : put_word(p, " path=local");
	end_line(a, line, p);
}

/* Start a new file beside the full one, in our own directory. */
static void rotate(struct audit *a)
{
	int fd;

	/* Not there: it was renamed already, and no new one could be opened then. */
	if (renameat(board.base_fd, AUDIT_FILE_NAME, board.base_fd, AUDIT_FILE_NAME ".1") < 0 &&
	    errno != ENOENT)
		return;
	fd = openat(board.base_fd, AUDIT_FILE_NAME,
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	close(a->fd);
	a->fd = fd;
	a->written = 0;
}

static void flush_file(struct audit *a)
{
	ssize_t n = write(a->fd, a->buffer, a->used);
	size_t done = n > 0 ? (size_t)n : 0;

	a->written += done;
	if (done >= a->told)
		a->lost = 0;
	if (done > 0)
		a->torn = a->buffer[done - 1] != '\n';
	/* A full disk: what does not fit is lost, and counted, rather than kept for ever. */
	for (size_t at = done > a->told ? done : a->told; at < a->used; at++)
		a->lost += a->buffer[at] == '\n';
	if (a->rotate && a->written > ROTATE_BYTES)
		rotate(a);
}

/* One datagram a line (RFC 3164): facility authpriv, severity info. */
static void flush_syslog(struct audit *a)
{
	static const char prefix[] = "<86>introd: ";
	char line[AUDIT_LINE_MAX + sizeof prefix];

	for (size_t at = 0; at < a->used;) {
		size_t len = (size_t)((char *)memchr(a->buffer + at, '\n', a->used - at) -
				      (a->buffer + at));

		memcpy(line, prefix, sizeof prefix - 1);
		memcpy(line + sizeof prefix - 1, a->buffer + at, len);
		if (send(a->fd, line, sizeof prefix - 1 + len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			a->lost += at >= a->told;
		else if (at < a->told)
			a->lost = 0;
		at += len + 1;
	}
}

void audit_flush(struct audit *a)
{
	timer_disarm(&board.timers, &a->flush);
	if (a->used == 0)
		return;
	if (a->kind == AUDIT_FILE)
		flush_file(a);
	else if (a->kind == AUDIT_SYSLOG)
		flush_syslog(a);
	a->used = a->told = 0;
}

void audit_open(struct audit *a, int fd, int kind)
{
	struct stat own, given;

	audit_flush(a);
	if (a->fd >= 0)
		close(a->fd);
	a->fd = fd;
	a->kind = fd >= 0 ? kind : AUDIT_NONE;
	a->written = 0;
	a->rotate = a->torn = false;
	if (a->kind == AUDIT_FILE && fstat(fd, &given) == 0) {
		a->written = (uint64_t)given.st_size;
		a->rotate = fstatat(board.base_fd, AUDIT_FILE_NAME, &own, AT_SYMLINK_NOFOLLOW) ==
				    0 && own.st_dev == given.st_dev && own.st_ino == given.st_ino;
	}
}
