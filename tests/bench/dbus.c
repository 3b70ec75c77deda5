/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dbus: an introduction by a D-Bus broker: a client calls a method of a service, which
 * makes a socketpair and answers with one end. The messages are written by hand (D-Bus
 * specification, "Message Format"), so that no library's cost is added to the broker's.
 * Started by load.
 *
 *	dbus client|service SOCKET
 */
#include "raw.h"

#define SERVICE_NAME "org.introd.Bench"
#define MESSAGE_MAX 1024u
#define FDS_MAX 16u

enum dbus_message { DBUS_CALL = 1, DBUS_RETURN, DBUS_ERROR, DBUS_SIGNAL };
enum dbus_field {
	FIELD_PATH = 1, FIELD_INTERFACE, FIELD_MEMBER, FIELD_ERROR, FIELD_REPLY_SERIAL,
	FIELD_DESTINATION, FIELD_SENDER, FIELD_SIGNATURE, FIELD_UNIX_FDS
};

struct bus {
	int sock;
	uint32_t serial;
	size_t used, nfds;
	uint8_t buf[8192];	/* received and not yet dropped */
	int fds[FDS_MAX];
	struct slice *slice;
	uint8_t call[MESSAGE_MAX];
	size_t call_len;
};

/* A message under construction, little-endian as this machine must be. */
struct out {
	uint8_t *buf;
	size_t len;
};

static void out_align(struct out *o, size_t to)
{
	while (o->len % to)
		o->buf[o->len++] = 0;
}

static void out_u32(struct out *o, uint32_t v)
{
	out_align(o, 4);
	memcpy(o->buf + o->len, &v, 4);
	o->len += 4;
}

static void out_string(struct out *o, const char *s)
{
	out_u32(o, (uint32_t)strlen(s));
	memcpy(o->buf + o->len, s, strlen(s) + 1);
	o->len += strlen(s) + 1;
}

/* A header field's code, and the signature of its value, one letter. */
static void out_field(struct out *o, enum dbus_field field, char type)
{
	out_align(o, 8);
	memcpy(o->buf + o->len, (uint8_t[]){ (uint8_t)field, 1, (uint8_t)type, 0 }, 4);
	o->len += 4;
}

static void out_field_string(struct out *o, enum dbus_field field, char type, const char *s)
{
	out_field(o, field, type);
	out_string(o, s);
}

static void out_field_signature(struct out *o, const char *signature)
{
	out_field(o, FIELD_SIGNATURE, 'g');
	o->buf[o->len++] = (uint8_t)strlen(signature);
	memcpy(o->buf + o->len, signature, strlen(signature) + 1);
	o->len += strlen(signature) + 1;
}

static void out_begin(struct out *o, uint8_t *buf, enum dbus_message type, uint32_t body,
		      uint32_t serial)
{
	o->buf = buf;
	memcpy(buf, (uint8_t[]){ 'l', (uint8_t)type, 0, 1 }, 4);
	o->len = 4;
	out_u32(o, body);
	out_u32(o, serial);
	out_u32(o, 0); /* the fields' length: out_header() */
}

static void out_header(struct out *o)
{
	uint32_t fields = (uint32_t)(o->len - 16);

	memcpy(o->buf + 12, &fields, 4);
	out_align(o, 8);
}

static uint32_t in_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* The first whole message in the buffer, waiting for it. Its length. */
static size_t bus_next(struct bus *b)
{
	for (;;) {
		if (b->used >= 16) {
			size_t len = round_up(16 + in_u32(b->buf + 12), 8) + in_u32(b->buf + 4);

			if (b->used >= len)
				return len;
		}
		if (b->used == sizeof(b->buf))
			slice_die("a D-Bus message is too long");
		b->used += raw_recv(b->sock, b->buf + b->used, sizeof(b->buf) - b->used, b->fds,
				    1, &b->nfds);
	}
}

static void bus_drop(struct bus *b, size_t len)
{
	b->used -= len;
	memmove(b->buf, b->buf + len, b->used);
}

/* Find a header field's value in the first message; NULL when it has none. */
static const uint8_t *bus_field(const struct bus *b, enum dbus_field field)
{
	size_t end = 16 + in_u32(b->buf + 12);

	for (size_t at = 16; at + 8 <= end; at = round_up(at, 8)) {
		char type = (char)b->buf[at + 2];

		if (b->buf[at] == field)
			return b->buf + at + 4;
		if (type == 'u')
			at += 8;
		else if (type == 'g')
			at += 4 + 2u + b->buf[at + 4];
		else
			at += 8 + 1u + in_u32(b->buf + at + 4);
	}
	return NULL;
}

/* Drop messages until the answer to our last call is the first one. Its length. */
static size_t bus_answer(struct bus *b)
{
	for (;;) {
		size_t len = bus_next(b);
		const uint8_t *error;

		if (b->buf[1] == DBUS_RETURN)
			return len;
		if (b->buf[1] == DBUS_ERROR) {
			error = bus_field(b, FIELD_ERROR);
			errno = 0;
			slice_die("the bus says %s", error ? (const char *)error + 4 : "error");
		}
		bus_drop(b, len);
	}
}

/* A call with a body of at most one string and one number. */
static void call_make(struct bus *b, uint8_t *buf, size_t *len, const char *destination,
		      const char *member, const char *string)
{
	uint32_t body = string ? (uint32_t)round_up(4 + strlen(string) + 1, 4) + 4 : 0;
	struct out o;

	out_begin(&o, buf, DBUS_CALL, body, ++b->serial);
	out_field_string(&o, FIELD_PATH, 'o', "/");
	out_field_string(&o, FIELD_DESTINATION, 's', destination);
	out_field_string(&o, FIELD_INTERFACE, 's', destination);
	out_field_string(&o, FIELD_MEMBER, 's', member);
	if (string)
		out_field_signature(&o, "su");
	out_header(&o);
	if (string) {
		out_string(&o, string);
		out_u32(&o, 4); /* RequestName: do not queue */
	}
	*len = o.len;
}

static void bus_call(struct bus *b, const char *member, const char *string)
{
	uint8_t buf[MESSAGE_MAX];
	size_t len;

	call_make(b, buf, &len, "org.freedesktop.DBus", member, string);
	raw_send(b->sock, buf, len, -1);
	bus_drop(b, bus_answer(b));
}

static void bus_open(struct bus *b, const char *path)
{
	static const char login[] = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
	struct sockaddr_un address;
	char line[512] = "";
	size_t len = 0, nfds = 0;

	raw_address(&address, path);
	b->sock = raw_connect(&address, SOCK_STREAM);
	raw_send(b->sock, login, sizeof(login) - 1, -1);
	while (!strstr(line, "AGREE_UNIX_FD\r\n")) {
		len += raw_recv(b->sock, line + len, sizeof(line) - 1 - len, NULL, 0, &nfds);
		line[len] = '\0';
		if (strstr(line, "ERROR") || strstr(line, "REJECTED"))
			slice_die("the bus refused us");
	}
	bus_call(b, "Hello", NULL);
}

static uint64_t introduce(void *arg)
{
	struct bus *b = arg;

	b->serial++;
	memcpy(b->call + 8, &b->serial, 4);
	raw_send(b->sock, b->call, b->call_len, -1);
	bus_drop(b, bus_answer(b));
	if (b->nfds != 1) {
		errno = 0;
		slice_die("no descriptor came by the bus");
	}
	return slice_now();
}

static void tidy(void *arg)
{
	struct bus *b = arg;

	close(b->fds[0]);
	b->nfds = 0;
}

/* Answer the first message, a call, with one end of a new pair; the other is the service's. */
static void answer(struct bus *b)
{
	const uint8_t *sender = bus_field(b, FIELD_SENDER);
	uint8_t buf[MESSAGE_MAX];
	struct out o;
	int pair[2];

	if (!sender || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		slice_die("socketpair");
	out_begin(&o, buf, DBUS_RETURN, 4, ++b->serial);
	out_field(&o, FIELD_REPLY_SERIAL, 'u');
	out_u32(&o, in_u32(b->buf + 8));
	out_field_string(&o, FIELD_DESTINATION, 's', (const char *)sender + 4);
	out_field_signature(&o, "h");
	out_field(&o, FIELD_UNIX_FDS, 'u');
	out_u32(&o, 1);
	out_header(&o);
	out_u32(&o, 0); /* the first of the message's descriptors */
	raw_send(b->sock, buf, o.len, pair[0]);
	close(pair[0]);
	close(pair[1]);
	slice_received(b->slice, 1);
}

__attribute__((noreturn))
static void serve(struct bus *b)
{
	bus_call(b, "RequestName", SERVICE_NAME);
	atomic_store(&b->slice->counting, 1);
	slice_ready(b->slice);
	for (;;) {
		size_t len = bus_next(b);

		if (b->buf[1] == DBUS_CALL)
			answer(b);
		bus_drop(b, len);
	}
}

int main(int argc, char **argv)
{
	static struct bus b;

	if (argc != 3) {
		fputs("usage: dbus client|service SOCKET\n", stderr);
		return 100;
	}
	b.slice = slice_map();
	bus_open(&b, argv[2]);
	if (!strcmp(argv[1], "service"))
		serve(&b);
	call_make(&b, b.call, &b.call_len, SERVICE_NAME, "Open", NULL);
	slice_client_run(b.slice, introduce, tidy, &b);
}
