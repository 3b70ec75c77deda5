/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: asks over and over to be introduced, by raw packets of the wire protocol, and
 * closes what it gets. Started by load.
 *
 *	client SOCKET [NAMES]		one persistent connection; a random one of NAMES names
 *	client --lend N SOCKET		N references lent of the name, with uses; a random one
 *	client --terms N SOCKET		the same, with a label and a lifetime, too
 *	client --fresh SOCKET		a new connection for each introduction: connect, be
 *					authenticated, be introduced, close
 */
#include "raw.h"

struct client {
	struct sockaddr_un address;
	int sock;		/* the connection; made anew each time when fresh */
	bool fresh, terms;
	uint32_t refs;		/* 0: by name */
	int got;		/* the descriptor introduced */
	uint32_t names, seed;
	uint8_t packet[128];
	size_t len;
	char *name;		/* in packet */
};

/* xorshift32 (Marsaglia 2003): which name is asked for must cost nothing. */
static uint32_t random_next(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static uint64_t introduce(void *arg)
{
	struct client *c = arg;
	uint8_t buf[512];
	size_t nfds = 0, len;

	if (c->refs) {
		uint32_t ref = 1 + (c->refs > 1 ? random_next(&c->seed) % c->refs : 0);

		wire_store32(c->packet + 8, ref);
	}
	if (c->names > 1) {
		uint32_t number = random_next(&c->seed) % c->names;

		raw_name_number(c->name, number);
		memcpy(c->packet + 4, &number, sizeof(number)); /* its serial: for the floor */
	}
	if (c->fresh)
		c->sock = raw_connect(&c->address, SOCK_SEQPACKET);
	raw_send(c->sock, c->packet, c->len, -1);
	len = raw_recv(c->sock, buf, sizeof(buf), &c->got, 1, &nfds);
	if (nfds != 1 || !raw_reply_good(buf, len)) {
		struct wire_message m;

		errno = wire_parse(buf, len, &m) ? EPROTO : -wire_i32(&m, TAG_ERROR, -EPROTO);
		slice_die("an introduction was refused");
	}
	return slice_now();
}

static void tidy(void *arg)
{
	struct client *c = arg;

	close(c->got);
	if (c->fresh)
		close(c->sock);
}

static void packet_make(struct client *c)
{
	struct wire_writer w;

	wire_begin(&w, c->packet, sizeof(c->packet), WIRE_CONNECT, 0, 0, 0);
	if (!c->refs)
		wire_put_string(&w, TAG_NAME, RAW_NAME);
	wire_put_u32(&w, TAG_SOCKTYPE, SOCK_STREAM);
	c->len = (size_t)wire_finish(&w);
	c->name = (char *)c->packet + WIRE_HEADER_BYTES + WIRE_TLV_BYTES;
}

/* Lend them all, some at a time. */
static void lend(struct client *c)
{
	const uint32_t ahead = 64;
	uint8_t packet[256], buf[512];
	struct wire_message m;
	struct wire_writer w;
	size_t nfds = 0, len;
	int fd;

	for (uint32_t i = 1; i <= c->refs + ahead; i++) {
		if (i <= c->refs) {
			wire_begin(&w, packet, sizeof(packet), WIRE_LEND, i, i, 0);
			wire_put_string(&w, TAG_NAME, RAW_NAME);
			if (c->terms)
				wire_put_string(&w, TAG_LABEL, "the bench");
			if (c->terms)
				wire_put_u64(&w, TAG_LIFETIME, UINT64_C(3600000000));
			wire_put_u32(&w, TAG_USES, UINT32_MAX - 1);
			raw_send(c->sock, packet, (size_t)wire_finish(&w), -1);
		}
		if (i <= ahead || i - ahead > c->refs)
			continue;
		len = raw_recv(c->sock, buf, sizeof(buf), &fd, 1, &nfds);
		if (wire_parse(buf, len, &m) || wire_has(&m, TAG_ERROR))
			slice_die("a reference was not lent");
	}
}

int main(int argc, char **argv)
{
	struct client c = { .names = 1, .seed = 2463534242u ^ (uint32_t)getpid() };

	if (argc > 1 && !strcmp(argv[1], "--fresh")) {
		c.fresh = true;
		argv++, argc--;
	}
	if (argc > 3 && (!strcmp(argv[1], "--lend") || !strcmp(argv[1], "--terms"))) {
		c.terms = argv[1][2] == 't';
		c.refs = (uint32_t)strtoul(argv[2], NULL, 10);
		argv += 2, argc -= 2;
	}
	if (argc < 2 || argc > 3) {
		fputs("usage: client [--fresh | --lend N | --terms N] SOCKET [NAMES]\n", stderr);
		return 100;
	}
	if (argc > 2)
		c.names = (uint32_t)strtoul(argv[2], NULL, 10);
	raw_address(&c.address, argv[1]);
	packet_make(&c);
	if (!c.fresh)
		c.sock = raw_connect(&c.address, SOCK_SEQPACKET);
	if (c.refs)
		lend(&c);
	slice_client_run(slice_map(), introduce, tidy, &c);
}
