/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: asks over and over to be introduced, by raw packets of the wire protocol, and
 * closes what it gets. Started by load.
 *
 *	client SOCKET [NAMES]		one persistent connection; a random one of NAMES names
 *	client --fresh SOCKET		a new connection for each introduction: connect, be
 *					authenticated, be introduced, close
 */
#include "raw.h"

struct client {
	struct sockaddr_un address;
	int sock;		/* the connection; made anew each time when fresh */
	bool fresh;
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
	wire_put_string(&w, TAG_NAME, RAW_NAME);
	wire_put_u32(&w, TAG_SOCKTYPE, SOCK_STREAM);
	c->len = (size_t)wire_finish(&w);
	c->name = (char *)c->packet + WIRE_HEADER_BYTES + WIRE_TLV_BYTES;
}

int main(int argc, char **argv)
{
	struct client c = { .names = 1, .seed = 2463534242u ^ (uint32_t)getpid() };

	if (argc > 1 && !strcmp(argv[1], "--fresh")) {
		c.fresh = true;
		argv++, argc--;
	}
	if (argc < 2 || argc > 3) {
		fputs("usage: client [--fresh] SOCKET [NAMES]\n", stderr);
		return 100;
	}
	if (argc > 2)
		c.names = (uint32_t)strtoul(argv[2], NULL, 10);
	raw_address(&c.address, argv[1]);
	packet_make(&c);
	if (!c.fresh)
		c.sock = raw_connect(&c.address, SOCK_SEQPACKET);
	slice_client_run(slice_map(), introduce, tidy, &c);
}
